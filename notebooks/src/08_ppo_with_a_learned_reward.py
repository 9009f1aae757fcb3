# %% [markdown]
# # 8 · PPO with a learned reward
#
# **You will be able to** turn *I like this one better* into a number that a model can
# be trained on, and say how good that number can possibly be; check a policy gradient
# against a world in which everything can be counted; say what each part of PPO is for;
# judge a trained policy by something that it was not trained to please.
#
# **You need** [7 · Instruction tuning](07_instruction_tuning.ipynb).
#
# **Time** 2 minutes to run on two processor cores, a third of it one
# training run; an hour and a half to work through.
#
# **Where we are in the model's life:**
# `instruct → reward` and `instruct → ppo`.

# %%
import math
import re
import tempfile
import textwrap
from dataclasses import replace
from inspect import getsource
from pathlib import Path

import torch
from IPython.display import display
from matplotlib.figure import Figure

from llmlab import life, plots, village
from llmlab.claims import claim
from llmlab.evaluation import Share, win_rate
from llmlab.exact import World, kl_divergence, optimum, total_variation
from llmlab.instruction import render_example, render_prompt
from llmlab.optimisers import adamw
from llmlab.paths import RUNS
from llmlab.policy_gradient import (
    clipped_policy_loss,
    policy_gradient_loss,
    policy_step,
)
from llmlab.ppo import PPO, Critic, ValueModel
from llmlab.preferences import (
    EQUAL,
    Annotator,
    LabelStore,
    accuracy_ceiling,
    bradley_terry,
    crowd_agreement,
    crowd_preference,
)
from llmlab.reward import (
    accuracy,
    encode_comparisons,
    expected_agreement,
    preference_loss,
    preference_step,
    reward_scores,
)
from llmlab.rollouts import frozen_copy, log_probs_of, sequence_kl
from llmlab.talking import SKILLS, Speaker
from llmlab.training import train
from llmlab.village.gold import read
from llmlab.widgets import Chat, PairLabeller, TrainingMonitor

course = life.course()
tokenizer = course.tokenizer
instruct = course.load("instruct").requires_grad_(False)

# %% [markdown]
# ## 1 · Which one do you like better?
#
# The instruct model writes stories that are about what was asked. Are they good?
# For a translation a program could say what is right. For a story there is no right
# answer to compare with, and few people could say what is good. But show somebody
# two tellings of one event, and they know at once which they prefer. **Decide:**

# %%
pairs = village.story_pairs(24, seed=7, split="train")
print(pairs[0].prompt)
for name, story in {"first": pairs[0].first, "second": pairs[0].second}.items():
    print(f"\n[{name}]\n{textwrap.fill(story, 78)}")

# %% [markdown]
# That click is all the data that this notebook is about. No grades, no reasons: one
# of two.
#
# ## 2 · You are the human
#
# Click on the better story, or press 1 or 2, or e if they are equally good. Each
# choice is on the disk before the next pair appears, so close the notebook whenever you
# like: it will go on where you stopped. Ten minutes are enough to notice that it is
# tiring, that some pairs are hard, and that you are not sure of yesterday's choices.

# %%
RUNS.mkdir(parents=True, exist_ok=True)
labeller = PairLabeller(pairs, LabelStore(RUNS / "labels.sqlite"))
display(labeller)

# %% [markdown]
# In the whole course, only labels made like this are kept as a person's.

# %%
mine = labeller.comparisons("person")
print(len(mine), "labels by a person so far")

# %% [markdown]
# Where nobody clicks, a stand-in does: it likes the shorter story, whatever the story.
# It uses the same widget, which stores as a person's only what is clicked in the
# browser; what a program chooses is kept as simulated, and here in a store that is
# temporary besides. And since a store must lose nothing, it is closed and opened again
# half-way.

# %%
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "labels.sqlite"
    for half in (12, 24):
        stand_in = PairLabeller(pairs, LabelStore(path), annotator="stand-in")
        print("goes on at pair", stand_in.position + 1)
        for pair in pairs[stand_in.position : half]:
            stand_in.choose(int(len(pair.second) < len(pair.first)))
    clicked = stand_in.comparisons()
sources = {label.source for label in clicked}
print(len(clicked), "labels kept, all of them", sources)

# %% [markdown]
# ## 3 · People disagree
#
# Training takes more labels than you have patience for. For them we simulate
# people. Each story of the village has a hidden **gold score**, which looks at
# what a careful reader would: is the plot whole, are there images, voices, a twist,
# are there contradictions or repetitions? The simulated people *feel* the score
# and nothing else, and they have the weaknesses of real ones: they are unsure when
# two stories are close, they lean to the first one, and now and then they do not
# read at all.
#
# **Predict:** how often does this person choose the better of two stories when the
# difference is large?

# %%
person = Annotator("a simulated person", noise=1.5)
print("gold score of the first less that of the second")
for difference in (-6, -3, -1, 0, 1, 3, 6):
    share = person.probability_first(difference, 0)
    print(f"{difference:+3}   chooses the first in {share:.0%}")

# %% [markdown]
# Not always, even then: carelessness never goes away. Now the whole crowd of
# twenty. Their noise is set so that they agree with the gold score in 80 of a hundred
# pairs whose scores differ. With each other people agree less. Real ones choose alike
# in 70 to 80 pairs of a hundred (Stiennon et al. 2020, Ouyang et al. 2022).
# **Predict:** on how many do two of these?

# %%
crowd = life.annotators(course)
tellings = village.story_pairs(400, seed=0, split="test")


def preference_for_first(pair):
    """The exact share of the crowd's choices that fall on the first story."""
    first = village.gold_score(pair.prompt, pair.first)
    second = village.gold_score(pair.prompt, pair.second)
    return crowd_preference(crowd, first, second)


shares = [preference_for_first(pair) for pair in tellings]
for low in (0.5, 0.6, 0.7, 0.8, 0.9):
    count = sum(low <= max(share, 1 - share) < low + 0.1 for share in shares)
    print(f"{low:.0%} to {low + 0.1:.0%} agree on {count:3} of {len(shares)}")
gaps = [
    village.gold_score(pair.prompt, pair.first)
    - village.gold_score(pair.prompt, pair.second)
    for pair in tellings
]
alike = crowd_agreement(crowd, gaps)
print(f"two of them choose alike on {alike:.0%} of the pairs")

# %% [markdown]
# ### The ceiling
#
# Suppose a model knew the gold score perfectly and always chose the better story.
# **Predict:** how often would it agree with a label? Not always: when 60 % of the
# people prefer the first story, even the best guess is wrong in the other 40 %. On
# average over pairs, no model can do better than the mean of $\max(p, 1 - p)$:

# %%
ceiling = accuracy_ceiling(shares)
by_hand = sum(max(share, 1 - share) for share in shares) / len(shares)
print(f"no model can agree with more than {ceiling:.1%} of the labels")
print("the same by hand:", math.isclose(ceiling, by_hand))

# %% [markdown]
# Remember this number. A reward model that is near it is excellent, and one that
# is above it has seen the answers.

# %% [markdown]
# ## 4 · From choices to scores, in one line
#
# Bradley and Terry (1952) give every story a strength $r$ and say that the first
# is preferred with probability
#
# $$P(\text{first}) = \sigma(r_1 - r_2), \qquad \sigma(x) = \frac{1}{1 + e^{-x}}.$$
#
# Only the *difference* counts. Take two stories. The first was preferred three
# times, the second once. **Work out by hand** the difference that makes
# $\sigma(r_1 - r_2) = 3/4$. (Solve for $e^{r_1 - r_2}$.)

# %%
wins = torch.tensor([[0.0, 3.0], [1.0, 0.0]])
strengths = bradley_terry(wins)
print(f"by maximum likelihood {strengths[0] - strengths[1]:.6f}")
print(f"by hand: ln 3 =       {math.log(3):.6f}")

# %% [markdown]
# ## 5 · A reward model
#
# Strengths of stories that were compared are of no use for a story that nobody has
# seen. So the strength is *computed* from the text: the instruct model reads prompt
# and story, and in place of the next token one number is read off at the end, the
# **reward**. The loss is Bradley and Terry's: how surprised were we by the choices?

# %%
print(getsource(preference_loss))

# %% [markdown]
# **By hand:** what is the loss of a model that gives all stories the same reward?
# And of one that prefers the winner by 2, or the loser by 2?

# %%
for margin in (0.0, 2.0, -2.0):
    loss = preference_loss(torch.tensor([margin]), torch.tensor([0.0]))
    print(f"winner ahead by {margin:+.0f}: loss {loss:.4f}")
print(f"ln 2 = {math.log(2):.4f}")

# %% [markdown]
# The course's reward model was trained on the crowd's labels of 6,000 pairs. Half of
# them are tellings by the village, the other half pairs that the instruct model wrote
# itself, since those are what a policy will be paid for. How good is it? One figure
# over both kinds would hide the one behind the other, so there are two. And to be rid
# of the labels' noise, no label is drawn: for each pair we know the probability $p$
# that somebody of the crowd prefers the first, so whoever chooses the first agrees with
# a person with probability $p$, and otherwise with $1 - p$. **Predict** for which kind
# it is nearer to the ceiling.

# %%
reward = course.load("reward")
context = course.recipe.shared.context
kinds_of_pairs = {
    "tellings by the village": {"told": 400, "own": 0},
    "instruct's own stories": {"told": 0, "own": 150},
}
test, behind = {}, {}
for kind, numbers in kinds_of_pairs.items():
    test[kind] = life.comparisons(
        course, instruct, **numbers, split="test", seed=course.seed + 1
    )
    first, second = (
        reward.score_texts(
            [
                render_example(tokenizer, pair.prompt, getattr(pair, side))[0]
                for pair in test[kind]
            ]
        )
        for side in ("first", "second")
    )
    shares = life.crowd_preferences(course, test[kind])
    agreement = expected_agreement(first, second, shares).mean().item()
    behind[kind] = accuracy_ceiling(shares) - agreement

for kind, bound in zip(kinds_of_pairs, (0.05, 0.12), strict=True):
    claim(
        f"{kind}: at most {bound} below the ceiling",
        behind[kind] <= bound,
        measured=behind[kind],
    )
print("nearer to its ceiling:", min(behind, key=behind.get))

# %% [markdown]
# The village's tellings differ in what the gold score counts, and in little else. The
# model's own stories differ in its mistakes as well, and those are harder to see. Keep
# that in mind: what a policy is paid for is judged by the weaker of the two figures.

# %% [markdown]
# ### What does it pay for?
#
# An accuracy does not say *why* a story is liked. So take plain tellings, add one
# sentence to each, and see by how much the reward changes. **Predict:** which kind of
# sentence does it pay for most? And what is a plain fact worth to it ("Otto lived at
# the harbour")? To the gold score, a fact is worth nothing.

# %%
print("added          gold   reward")
worth = {}
for kind in village.ADDITIONS:
    added = village.story_additions(80, kind=kind, seed=0, split="test")
    gains = []
    for story in added:
        texts = [story.without, story.with_it]
        rendered = [
            render_example(tokenizer, story.prompt, text)[0] for text in texts
        ]
        before, after = reward.score_texts(rendered)
        old, new = (village.gold_score(story.prompt, text) for text in texts)
        gains.append((new - old, float(after - before)))
    gold_gain, reward_gain = torch.tensor(gains).mean(dim=0).tolist()
    worth[kind] = reward_gain
    print(f"one more {kind:7}{gold_gain:+.1f}", "    up" * (reward_gain > 0.1))
claim(
    "The reward model pays for a twist, a line, a simile and a detail",
    min(worth[kind] for kind in ("twist", "line", "simile", "detail")) > 0.1,
)
claim("It does not pay for a fact", worth["fact"] < 0.1, measured=worth["fact"])
print("most to least:", ", ".join(sorted(worth, key=worth.get, reverse=True)))

# %% [markdown]
# ### Why one pair of tellings in eight is padded
#
# That had to be earned. In our first comparisons both tellings were *exactly* equally
# long, so that no reward model could take long for good: what one telling lacked in
# images it got in facts. A policy trained on the reward learned from them wrote shorter
# stories and no better ones. To see why, describe a telling by its number of images and
# of facts. Here are two rewards: one likes images, the other dislikes facts.
# **Predict:** which of them agrees better with comparisons of equal length?

# %%
rewards_by_hand = {
    "likes images": lambda images, facts: images,
    "dislikes facts": lambda images, facts: -facts,
}
examples = {
    "equal length": [((3, 1), (1, 3)), ((4, 0), (2, 2))],
    "padded": [((2, 1), (2, 5))],
}
for name, told in examples.items():
    for first, second in told:
        print(f"\n{name}: (images, facts) {first} against {second}")
        for taste, value in rewards_by_hand.items():
            difference = value(*first) - value(*second)
            print(f"   {taste:14} difference {difference:+}")

# %% [markdown]
# Comparisons tell *differences*, and where every image stands against a fact, the two
# rewards have the same ones: no amount of such data can tell them apart. Ours had
# become mostly the second. In the last pair the images are equal and the labels are
# coins, so whoever dislikes facts is often wrong. Of the village's pairs one in eight
# is now like that, a single telling with and without more facts.
#
# Two more kinds of pairs were earned in the same way. In earlier comparisons every
# story had its end, and every image its place, so nothing said that these are needed;
# and the policy found that it could leave out the one and scatter the other. Of the
# village's pairs one in ten is now a telling with and without its end, and one in seven
# a telling in order and in disorder.

# %% [markdown]
# ### Does it know when it does not know?
#
# $\sigma(r_1 - r_2)$ is a probability. If it says 70 %, it should be right in 70
# of 100 such pairs. Each point below is a group of pairs about which it was equally
# sure, with its 95 % interval; perfect honesty is the diagonal. (The finished model
# shows its rewards in units of their spread; `gain` is that unit.)
#
# "The first" is here the first of the *pair*, and a coin decided on which side it was
# shown. **Predict:** how would the points lie if we asked about the story that was
# *shown* first?

# %%
pairs_told = test["tellings by the village"] + test["instruct's own stories"]
labelled = [pair for pair in pairs_told if pair.preferred != EQUAL]
encoded = encode_comparisons(labelled, tokenizer, context=context)
with torch.no_grad():
    winners = reward.score_texts([pair.winner for pair in encoded])
    losers = reward.score_texts([pair.loser for pair in encoded])
in_nats = (winners - losers) / reward.gain
# Each pair in both orders: the crowd leans to whatever is shown first, and a
# reward model, which reads one story alone, cannot know which that was.
predicted = torch.cat([in_nats, -in_nats]).sigmoid()
happened = torch.cat([torch.ones(len(in_nats)), torch.zeros(len(in_nats))])
plots.calibration(predicted, happened, bins=6)

# %% [markdown]
# Asked about the story that was *shown* first, the points would lie higher: the crowd
# leans to the first one it sees, and a reward model, which never learns which that was,
# cannot foretell the lean.
#
# ### Your labels count
#
# Comparisons are comparisons, whoever made them: yours can join the crowd's, or
# train a copy of the model alone. Here are forty updates on half of your labels, or of
# the stand-in's if you made none; the other half is kept back. **Predict:** with how
# many of the labels that it learns from will it agree afterwards, and with how many of
# those that were kept back?

# %%
labels = [label for label in mine or clicked if label.preferred != EQUAL]
own_pairs = encode_comparisons(labels, tokenizer, context=context)
learned, kept_back = own_pairs[::2], own_pairs[1::2]


def agrees_with(model, pairs):
    """The share of these labels that a reward model agrees with."""
    return accuracy(
        *(
            model.score_texts([getattr(pair, side) for pair in pairs])
            for side in ("winner", "loser")
        )
    )


own_reward = course.load("reward")
before = agrees_with(own_reward, learned)
optimizers = adamw(own_reward, 3e-4)
train(
    preference_step(
        own_reward,
        reward_scores(own_reward),
        learned,
        optimizers,
        steps=40,
        comparisons=len(learned),
    ),
    steps=40,
    modules={"model": own_reward},
    optimizers=optimizers,
    seed=0,
    progress=TrainingMonitor(),
    label="your taste",
)
after = agrees_with(own_reward, learned)
claim(
    "It agrees with at least nine in ten of the labels that it learned from",
    after >= 0.9,
    measured=after,
)

# %% tags=["nbval-ignore-output"]
print(f"labels learned:   {before:.0%} before, {after:.0%} after")
print(f"labels kept back: {agrees_with(own_reward, kept_back):.0%} after")

# %% [markdown]
# A dozen labels are learned *by heart* in seconds. Whether that is taste and not only
# memory, the labels kept back say; of a dozen of them each is worth eight points, so
# do not read much into a few. (Yours differ from ours, so the numbers appear only once
# you run the cell.)

# %% [markdown]
# ## 6 · From reward to policy, in a world that can be counted
#
# Now a model shall write what earns a high reward. It is called a **policy** from
# here on. The obstacle: the reward belongs to a finished story, and no derivative
# leads from it through the *drawing* of tokens back to the weights. The way round
# it (Williams 1992) is to draw stories and to make each token of a story more
# probable in proportion to the story's reward:
#
# $$\nabla\, \mathrm{E}[R] =
# \mathrm{E}\Big[\sum_t R \;\nabla \log \pi(y_t \mid y_{<t})\Big]$$
#
# Is that true? With stories nobody can check. So here is a tiny world, two letters
# and a stop, at most four tokens, in which every text can be listed.

# %%
world = World(vocab_size=3, time=4)
texts = ["".join("ab."[i] for i in sequence) for sequence in world.sequences]
print(len(texts), "texts:", " ".join(texts))

# %% [markdown]
# A policy in this world is a table of numbers, drawn at random here. The reward is
# one point for every `ab`. The true gradient is then a finite sum, and so is the
# right-hand side of the formula: every text, weighted by its probability.

# %%
generator = torch.Generator().manual_seed(0)
logits = world.random_logits(generator)
rewards = torch.tensor([float(text.count("ab")) for text in texts]).double()
truth = world.gradient(logits, rewards).flatten()


def estimator(rewards):
    """Mean and variance of the policy gradient of one drawn text, exactly."""
    weights = rewards[:, None].expand(-1, world.time)
    return world.moments(logits, world.estimates(logits, weights))


mean, variance = estimator(rewards)
claim(
    "Averaged over all 31 texts, the estimator is the true gradient, "
    "to 12 decimal places",
    (mean - truth).abs().max() < 1e-12,
)

# %% [markdown]
# On average it is exactly right. A single text, though, is a poor witness: the
# estimates scatter. **Predict:** suppose that every text earns ten points more. The
# best policy is the same as before. What happens to the estimator's mean, and what
# to its scatter?

# %%
expected = world.expected_reward(logits, rewards)
for name, values in {
    "reward": rewards,
    "reward + 10": rewards + 10,
    "reward + 10, less its mean": rewards - expected,
}.items():
    mean, variance = estimator(values)
    wrong = (mean - truth).abs().max() > 1e-12
    bias = "yes" if wrong else "none"
    print(f"{name:27} bias: {bias}   scatter: {variance:6.2f}")

# %% [markdown]
# The mean stays, the scatter explodes, and subtracting what was to be expected
# repairs it. Reward less expectation is called the **advantage**: was this better or
# worse than usual? Every method from here on, PPO too, learns from advantages.
#
# The library's loss has this estimator as its gradient. `detach` says that the
# advantage is a fact and not something to differentiate. `weights` says what each
# token counts in the sum: one over the number of stories ("responses") gives this
# gradient, one over the number of tokens is what PPO takes, and 0 stands where the
# policy wrote nothing.

# %%
print(getsource(policy_gradient_loss))

# %% [markdown]
# ## 7 · Why the policy is kept on a leash
#
# Let the policy of the tiny world climb the true gradient, step after step, with
# nothing to hold it. **Predict:** what will it write in the end? And would you want
# that if the reward were not the truth, but a model that is often wrong?

# %%
reference = world.probabilities(logits)


def climb(beta, steps=300):
    """Follow the exact gradient of reward - beta * KL."""
    table = logits.clone().requires_grad_()
    optimizer = torch.optim.Adam([table], lr=0.1)
    history = []
    for step in range(steps):
        policy = world.probabilities(table)
        kl = kl_divergence(policy, reference)
        gain = policy @ rewards - beta * kl
        optimizer.zero_grad()
        (-gain).backward()
        optimizer.step()
        entropy = torch.special.entr(policy.detach()).sum().item()
        history.append({"step": step, "entropy": entropy})
    return policy.detach(), history


leashed, leashed_history = climb(beta=0.3)
loose, loose_history = climb(beta=0.0)
plots.loss_curve(
    {"with KL price": leashed_history, "without": loose_history},
    metric="entropy",
    unit="nats per text",
    title="How many different texts does it still write?",
)

# %%
best = texts[int(loose.argmax())]
print(f"without a price, nearly all of its texts are {best!r}")
claim("It writes that text in more than 99 of 100 cases", loose.max() > 0.99)

# %% [markdown]
# With nothing to hold it, it finds the single best text and writes nothing else. In
# this world that is even right. The same climb on a learned reward ends at the text
# that the *model* rates highest, and texts at the very top are there partly because
# they are overrated. Being right on most pairs is no help: those pairs were drawn from
# what was written before, and the climb leaves that behind.
#
# So every step away from the model that we started from has a price. The distance
# is the **KL divergence**, the mean of $\log \pi / \pi_{\text{ref}}$ over the
# policy's own texts, and $\beta$ is the price of one nat. What is maximised is
# $\mathrm{E}[R] - \beta\,\mathrm{KL}$. The best policy is then known in closed
# form: the reference, with each text weighted by $e^{R / \beta}$.

# %%
distance = total_variation(leashed, optimum(reference, rewards, beta=0.3))
claim("The leashed policy has reached that optimum", distance < 0.01)

print("beta   reward      KL   share of the favourite text")
for beta in (3.0, 1.0, 0.3, 0.1):
    policy = optimum(reference, rewards, beta)
    earned, kl = policy @ rewards, kl_divergence(policy, reference)
    print(f"{beta:4.1f}   {earned:6.2f}  {kl:6.2f}   {policy.max():6.1%}")

# %% [markdown]
# Read it as a price list: more reward costs more nats, and the last bit of reward is
# the dearest.

# %% [markdown]
# ## 8 · PPO: careful steps
#
# Drawing stories is slow; it would be a pity to use each for one small update only.
# But after one update the policy is no longer the one that drew them. PPO (Schulman
# et al. 2017) corrects for that by the **ratio** of new to old probability of every
# token, and it stops pushing once the ratio has moved far enough, by 0.2.
# **Exercise, before you look:** write it yourself, in
# [problem set 5](../exercises/release/ps5/ps5.ipynb).

# %%
print(getsource(clipped_policy_loss))

# %% [markdown]
# What does that do to one token? Below is the push on its log-probability: positive
# makes it more probable. **Fill in the table in your head** before you run it. When
# should the pushing stop? In which cases should it never stop?

# %%
ratios = torch.tensor([0.5, 0.7, 0.9, 1.0, 1.1, 1.3, 1.5])


def push(advantage):
    """- d loss / d log-probability of a token, at each ratio."""
    log_probs = ratios.log().requires_grad_()
    advantages = torch.full_like(ratios, float(advantage))
    loss = clipped_policy_loss(
        log_probs,
        torch.zeros_like(ratios),
        advantages,
        weights=torch.ones_like(ratios),
    )
    gradient = torch.autograd.grad(loss, log_probs)[0]
    return 0 - gradient


print("ratio             ", "".join(f"{ratio:7.1f}" for ratio in ratios))
for name, advantage in {"better than usual": 1, "worse than usual": -1}.items():
    print(f"{name:18}", "".join(f"{p:7.1f}" for p in push(advantage).tolist()))

# %% [markdown]
# Two things to see. At ratio 1, where every rollout begins, the push is the
# advantage: PPO's first step *is* the policy gradient. And the zeros stand only
# where the token has already moved far enough in the *right* direction. A token that
# moved in the wrong direction is always brought back. The same as a picture: no
# slope, no push.

# %%
figure = Figure(figsize=(plots.WIDTH_INCHES, 2.6), layout="constrained")
grid = torch.linspace(0, 2, 201)
for axes, (name, sign) in zip(
    figure.subplots(1, 2, sharey=True),
    {"better than usual (A = 1)": 1, "worse than usual (A = -1)": -1}.items(),
    strict=True,
):
    objective = torch.minimum(sign * grid, sign * grid.clamp(0.8, 1.2))
    axes.plot(grid, sign * grid, ":", color=plots.GREY, label="unclipped")
    axes.plot(grid, objective, color=plots.BLUE, linewidth=2.5, label="PPO")
    axes.axvline(1, color=plots.GREY, linewidth=0.8)
    axes.set(title=name, xlabel="ratio")
    axes.spines[["top", "right"]].set_visible(False)
axes.legend(frameon=False)
figure.axes[0].set_ylabel("objective")
plots.show(
    figure,
    alt="PPO's objective for one token against the ratio. For a good token it "
    "rises up to ratio 1.2 and is flat beyond. For a bad one it is flat below "
    "0.8 and falls beyond.",
)

# %% [markdown]
# ## 9 · A real run
#
# All the parts, on the real model. Every update
#
# 1. draws a **rollout**: stories to prompts, written by the policy as it is, at a
#    temperature below 1 (it is a part of the policy: probabilities are taken at the
#    same temperature wherever they are used),
# 2. has the reward model score them; a story that has no end when the room is used
#    up gets a fixed low score instead,
# 3. charges $\beta$ for every nat of distance from the instruct model, token by
#    token,
# 4. asks a **critic**, a model of its own, what the rest of the story was expected to
#    earn at each token; what came less what was expected is the advantage. (What came
#    is a mixture, by `gae_lambda`, of what was earned and of what the critic says at
#    later tokens: *generalised advantage estimation*. All advantages of a rollout are
#    then brought to mean 0 and variance 1.)
# 5. goes through the rollout twice (`epochs`), each time in two parts (`minibatches`):
#    for each part one clipped step of the policy, and one in which the critic learns
#    what was earned.
#
# All choices of the algorithm are one row of settings. The critic knows nothing at
# first, and a bad guess makes every advantage noisier; so the first two rollouts teach
# it alone, its *warm-up*, and the policy begins to move after them. How good it is, its
# **explained variance** says: 1 foretells all that will be earned, 0 is no better than
# one number for all, below 0 is worse than that.
# A dozen updates take about a minute; the course's own run drew larger rollouts, and
# more. **Predict** which of the curves below will rise and which will fall. (To begin
# anew, run the next cell again, too: it loads the policy.)

# %%
settings = replace(
    PPO,
    steps=12,
    responses=48,
    minibatches=2,
    warm_up=2,
    max_new_tokens=course.recipe.shared.story_tokens,
    temperature=course.recipe.shared.story_temperature,
)
policy = course.load("instruct")
value_model = ValueModel(reward.body)
policy_optimizers = adamw(policy, settings.rate, eps=1e-5)
value_optimizers = adamw(value_model, settings.critic_rate, eps=1e-5)
step = policy_step(
    policy,
    frozen_copy(policy),
    reward.score,
    [
        render_prompt(tokenizer, prompt)
        for prompt in village.story_prompts(500, seed=0, split="train")
    ],
    settings,
    policy_optimizers,
    critic=Critic(value_model, settings, value_optimizers),
)

# %%
history = train(
    step,
    steps=settings.steps,
    modules={"policy": policy, "value": value_model},
    optimizers={
        "policy": policy_optimizers["adamw"],
        "value": value_optimizers["adamw"],
    },
    seed=0,
    progress=TrainingMonitor(),
    label="PPO",
)



# %%
def ends(metric):
    """Which way a curve went."""
    return "higher" if history[-1][metric] > history[0][metric] else "no higher"


plots.show(
    plots.ppo_dashboard(history, title="A dozen updates"),
    alt="Small charts, update by update, of the reward model's score, the KL "
    "divergence from the start, entropy, the share of clipped ratios, the "
    "variance that the critic explains, its loss and the length of answers. "
    f"The score ends {ends('score')} than it began, the KL {ends('kl')}, the "
    f"explained variance {ends('explained_variance')}.",
)

# %% [markdown]
# Two checks before any rejoicing. Before the first step on a rollout, old and new
# policy are the same model, so every ratio must be 1; if it is not, the two
# probabilities are computed in different ways, and what looks like learning is that
# difference. And the reward must have risen by more than its noise, from the first
# four updates to the last four.

# %%
trained = [entry for entry in history if "policy_loss" in entry]
claim(
    "At the start of every rollout all ratios are 1, to 4 decimal places",
    max(entry["first_ratio_error"] for entry in trained) < 5e-5,
)
first, last = history[:4], history[-4:]
rise = sum(e["score"] for e in last) / 4 - sum(e["score"] for e in first) / 4
noise = math.hypot(*(e["score_error"] / 4 for e in first + last))
claim(
    "The reward rose by more than twice its standard error",
    rise > 2 * noise,
    measured=rise / noise,
)

# %% [markdown]
# ## 10 · Better, or better at pleasing?
#
# The reward model says that the stories improved. It would: the policy was trained
# to make it say so. The question is what a judge says whom the policy could not
# learn to please. We have one, the hidden gold score. In earnest one would ask
# people again.
#
# Here is the course's PPO model, whose updates saw more stories, against the instruct
# model that it came from: one story each to 300 new prompts. Whatever could be chosen,
# rates, temperatures, the number of updates, was chosen on other prompts: nothing was
# chosen on these. Both write at temperature 0.7, as in training. (The README tells the
# same match on 400 prompts with other dice; its share may differ by a few points.)
#
# **Predict** the share of prompts that PPO wins.

# %%
ppo = course.load("ppo").requires_grad_(False)
new_prompts = village.story_prompts(300, seed=course.seed + 1, split="test")
models = {"instruct": instruct, "ppo": ppo}


def judged(temperature):
    """Stories of both models, their rollouts and their gold scores."""
    stories, rollouts, gold = {}, {}, {}
    for seed, (name, model) in enumerate(models.items()):
        stories[name], rollouts[name] = life.write_stories(
            course, model, new_prompts, seed, temperature
        )
        pairs = zip(new_prompts, stories[name], strict=True)
        gold[name] = [village.gold_score(*pair) for pair in pairs]
    return stories, rollouts, gold


def distance(rollouts):
    """Nats between PPO and instruct on PPO's own stories, one number each."""
    return torch.cat(
        [
            sequence_kl(
                log_probs_of(ppo, part), log_probs_of(instruct, part), part.mask
            )
            for part in rollouts["ppo"]
        ]
    )


stories, rollouts, gold = judged(course.recipe.shared.story_temperature)
plots.score_histograms(gold)

# %%
wins = win_rate(gold["ppo"], gold["instruct"])
low, high = wins.interval
claim(
    "Judged by the gold score, PPO wins at least 70 % of the prompts",
    wins.rate >= 0.70,
    measured=wins.rate,
)
claim("The 95 % interval lies above two thirds", low > 2 / 3, measured=low)
plots.win_rate_intervals({"ppo": (wins.rate, low, high)}, against="instruct")

# %% [markdown]
# Better, by a judge that it was never shown. What did it cost? The distance from the
# instruct model, on the same stories; and the length, because a policy that wins by
# writing more has found a trick and not a style.

# %%
kl = distance(rollouts)
words = {name: len(" ".join(told).split()) for name, told in stories.items()}
longer = words["ppo"] / words["instruct"]
claim(
    "It lies less than 6 nats a story from instruct",
    kl.mean() < 6,
    measured=kl.mean().item(),
)
claim(
    "Its stories are between 1.0 and 1.2 times as long",
    1.0 < longer < 1.2,
    measured=longer,
)

# %% [markdown]
# Is it only the length, then? Look at the prompts to which both wrote about equally
# long stories, to six words. (Additions take room, so this also leaves out some of what
# PPO learned.)

# %%
equally_long = [
    number
    for number, pair in enumerate(
        zip(stories["ppo"], stories["instruct"], strict=True)
    )
    if abs(len(pair[0].split()) - len(pair[1].split())) <= 6
]
fair = win_rate(
    *(
        [gold[name][number] for number in equally_long]
        for name in ("ppo", "instruct")
    )
)
claim(
    "Among stories of about equal length, too, PPO wins more than half",
    fair.interval[0] > 0.5,
    measured=fair.rate,
)

# %% [markdown]
# What did it learn? Count, in the stories themselves, what the reward model pays for.

# %%
readings = {
    name: [read(*pair) for pair in zip(new_prompts, told, strict=True)]
    for name, told in stories.items()
}
kinds = {
    "twist": "twists",
    "line": "lines",
    "simile": "similes",
    "senses": "details",
}
found = {
    name: {kind: sum(r.counts[kind] for r in told) for kind in kinds}
    for name, told in readings.items()
}
for kind, plural in kinds.items():
    more = found["ppo"][kind] - found["instruct"][kind]
    change = "more" if more > 60 else "fewer" if more < -60 else "about as many"
    print(f"{plural:8} in 300 stories: {change}")
claim(
    "PPO tells at least 1.3 times as many, all kinds together",
    sum(found["ppo"].values()) >= 1.3 * sum(found["instruct"].values()),
)
claim("Instruct told some of each kind", min(found["instruct"].values()) > 0)

# %% [markdown]
# What it tells more of, it had told now and then before: practice makes more frequent
# what was already there. That is also a part of the reason where a kind did not grow:
# what is seldom written is seldom rewarded.
#
# ### Another temperature, another match
#
# A policy has to try things out while it learns; whoever only wants its best story
# draws at a lower temperature, close to the likeliest words. Ask both again at 0.3.
# **Predict:** will PPO win more often than before? And will it be nearer to instruct,
# or farther away?

# %%
cool_stories, cool_rollouts, cool_gold = judged(
    course.recipe.shared.cool_temperature
)
cool_wins = win_rate(cool_gold["ppo"], cool_gold["instruct"])
cool_kl = distance(cool_rollouts)
claim(
    "At temperature 0.3, too, PPO wins at least 70 %",
    cool_wins.rate >= 0.70,
    measured=cool_wins.rate,
)
claim(
    "There the two models are farther apart than at 0.7",
    cool_kl.mean() > kl.mean(),
    measured=cool_kl.mean().item(),
)
plots.win_rate_intervals(
    {
        "ppo, at 0.7": (wins.rate, low, high),
        "ppo, at 0.3": (cool_wins.rate, *cool_wins.interval),
    },
    against="instruct at the same temperature",
)

# %% [markdown]
# A low temperature sharpens every preference, also those in which the two differ, and
# so it moves both the distance and the wins. A win-rate therefore says little without
# its temperature, and a distance from another temperature than the win-rate's belongs
# to another match. The course tells first what was trained, at 0.7, each share with the
# distance of the same stories.
#
# What did it not learn? Either model contradicts itself: often a character is called by
# another's name in the middle of a story. To see who minds, take tellings of the
# village and give the hero once the name of the friend, nothing else, where that
# contradicts the story. The gold score then falls, always. **Predict** how often the
# reward model prefers the telling with the right name.


# %%
def with_a_wrong_name(pair):
    """The first telling, its hero's second mention replaced by the friend."""
    hero, friend = re.findall(r"with (\w+) and (\w+),", pair.prompt)[0]
    beginning, name, rest = pair.first.partition(hero)
    return beginning + name + rest.replace(hero, friend, 1)


contradicted = [
    pair
    for pair in tellings
    if village.gold_score(pair.prompt, pair.first)
    > village.gold_score(pair.prompt, with_a_wrong_name(pair))
]
noticed = 0
for pair in contradicted[:100]:
    told = [pair.first, with_a_wrong_name(pair)]
    rendered = [render_example(tokenizer, pair.prompt, t)[0] for t in told]
    right, wrong = reward.score_texts(rendered)
    noticed += bool(right > wrong)
minds = Share(noticed, len(contradicted[:100]))
consistent = {
    f"{name}, at {temperature}": Share(
        sum(
            village.judge_story(*pair).consistent
            for pair in zip(new_prompts, told[name], strict=True)
        ),
        len(new_prompts),
    )
    for temperature, told in {"0.7": stories, "0.3": cool_stories}.items()
    for name in models
}
plots.share_intervals(
    {"prefers the right name": (minds.rate, *minds.interval)}, chance=0.5
)

# %% [markdown]
# The figure says how far the reward model is from tossing a coin. And how many stories
# are free of contradictions, before the practice and after it, warm and cool?

# %%
plots.share_intervals(
    {name: (share.rate, *share.interval) for name, share in consistent.items()},
    x_label="share of stories free of contradictions, with its 95 % interval",
)

# %% [markdown]
# Neither practice nor a low temperature is a cure. Half of the comparisons that the
# reward model learned from are the village's own tellings, which never get a name
# wrong; of two stories by the instruct model often both do, and where one does, the
# name is one difference among many. A reward model knows only what its comparisons told
# it, and a policy learns only what the reward model pays for.

# %% [markdown]
# Do the judges agree with each other? For each prompt, take both stories: does the
# reward model prefer the one with the higher gold score? (Prompts where the gold scores
# are equal are left out.)

# %%
scores = {
    name: reward.score(
        [prompt for rollout in told for prompt in rollout.prompts],
        [response for rollout in told for response in rollout.responses],
    ).tolist()
    for name, told in rollouts.items()
}
better = zip(gold["ppo"], gold["instruct"], strict=True)
liked = zip(scores["ppo"], scores["instruct"], strict=True)
verdicts = [
    (new > old) == (new_score > old_score)
    for (new, old), (new_score, old_score) in zip(better, liked, strict=True)
    if new != old
]
same = Share(sum(verdicts), len(verdicts))
claim(
    "They agree on more than half of the prompts",
    same.interval[0] > 0.5,
    measured=same.rate,
)
plots.share_intervals(
    {"both judges prefer the same story": (same.rate, *same.interval)},
    chance=0.5,
    x_label="share of prompts, with its 95 % interval",
)

# %% [markdown]
# They agree more often than chance, and not always. What the two judges see
# differently is what a policy can win from one and lose with the other, and it is paid
# for finding it.

# %% [markdown]
# ## 11 · Read them
#
# Numbers first, but never numbers only. The same prompts, both models. Look for what
# the gold score counts: images, voices, details, a twist; and for what it cannot
# see.

# %%
Chat(
    {name: Speaker(model, tokenizer) for name, model in models.items()},
    examples=new_prompts[:3],
    suggestions=SKILLS,
    about=village.who_is_who(),
    temperature=course.recipe.shared.story_temperature,
)

# %% [markdown]
# ## What did not work at this size
#
# - **Names are hardly minded.** What the reward model does not see, it cannot teach the
#   policy. In our trials it took thousands of comparisons that differ in a name alone,
#   labelled without noise, before a reward model of this size noticed.
# - **Near the ceiling is not right.** The labels are noisy, and a reward model of this
#   size keeps errors of its own. Every one of them is an invitation to the policy.
# - **A dozen updates are no verdict.** The run in section 9 raises the reward.
#   Whether its stories are better, nobody has asked yet. You can: judge them as
#   section 10 does.
# - **Nothing guards the other trades.** The policy practised stories only, and the KL
#   price is charged on stories only. What that cost we have not measured here. Ask it
#   for a translation in the chat and compare.
# - **Skill that instruct lacks is not invented.** PPO makes more probable what the
#   model already writes now and then. Where it never writes a thing, no reward can
#   make it more frequent.

# %% [markdown]
# ## Summary
#
# - People cannot grade, but they can compare. Bradley and Terry turn comparisons
#   into differences of scores.
# - People disagree, so no reward model can agree with all labels. The ceiling can
#   be computed, and belongs beside every accuracy.
# - The policy gradient is exact on average and noisy in the single case. Advantages
#   take away noise without moving the average.
# - The KL price keeps the policy where the reward model knows what it is talking
#   about; the clip keeps each step where the rollout is still evidence.
# - A policy is judged by what it was not trained on, with an interval, its KL and
#   its length.
#
# ### Three questions
#
# **1. All your labelled pairs are so close that half of the people prefer either.
# How accurate can a reward model be?**
#
# <details><summary>As accurate as the data is large.</summary>
# No amount of data predicts a coin.</details>
# <details><summary>One half.</summary>
# Right: the mean of max(p, 1 - p) is one half.</details>
# <details><summary>The gold score decides.</summary>
# It may differ, but the labels do not show it.</details>
#
# **2. A token has a negative advantage and its ratio is 1.3. What does PPO do?**
#
# <details><summary>It makes the token less probable.</summary>
# Right. See the table.</details>
# <details><summary>Nothing, it is clipped.</summary>
# The clip only stops what went far enough in the right direction. This one went in
# the wrong one.</details>
#
# **3. The reward rises and rises; the stories get shorter and stranger. What do you
# do?**
#
# <details><summary>Train on, the reward is the goal.</summary>
# The reward stands for the goal. It has stopped doing so.</details>
# <details><summary>Raise the KL price or stop earlier, and ask people about the new
# stories.</summary>
# Right. Labels of the policy's own stories teach the reward model about its newest
# tricks.</details>
#
# ### Where to go from here
#
# **Exercises:** [problem set 5](../exercises/release/ps5/ps5.ipynb), the policy
# loss, and pairs that tell what a reward pays for.
# **Play:** all stages side by side are in
# [0 · Start here](00_start_here.ipynb).
