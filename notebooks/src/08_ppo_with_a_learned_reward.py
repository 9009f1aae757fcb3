# %% [markdown]
# # 8 · PPO with a learned reward
#
# **You will be able to** turn *I like this one better* into a number that a model
# can be trained on, and say how good that number can possibly be; check a policy
# gradient against a world in which everything can be counted; explain each part of
# PPO by what goes wrong without it; judge a trained policy by something that it was
# not trained to please.
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
from inspect import getsource
from pathlib import Path

import torch
from IPython.display import display
from matplotlib.figure import Figure

from llmlab import life, plots, village
from llmlab.claims import claim
from llmlab.evaluation import sequence_kl, win_rate
from llmlab.exact import World, kl_divergence, optimum, total_variation
from llmlab.instruction import answer, render_example, render_prompt
from llmlab.optimisers import adamw
from llmlab.paths import RUNS
from llmlab.ppo import (
    KLController,
    ValueModel,
    clipped_policy_loss,
    make_ppo_step,
)
from llmlab.preferences import (
    EQUAL,
    Annotator,
    LabelStore,
    accuracy_ceiling,
    bradley_terry,
    crowd_preference,
)
from llmlab.reinforce import frozen_copy, policy_gradient_loss
from llmlab.reward import (
    accuracy,
    encode_comparisons,
    make_reward_step,
    reward_loss,
)
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
# In the whole course, only labels made like this are called human.

# %%
mine = labeller.comparisons("person")
print(len(mine), "labels by a person so far")

# %% [markdown]
# Where nobody clicks, as in the automatic test of this page, a stand-in does: it
# likes the shorter story, whatever the story. It uses the same widget, which stores as
# a person's only what is clicked in the browser; what a program chooses is kept as
# simulated, and here in a store that is temporary besides. And since a store must lose
# nothing, it is closed and opened again half-way.

# %%
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "labels.sqlite"
    for half in (12, 24):
        stand_in = PairLabeller(pairs, LabelStore(path), annotator="stand-in")
        print("goes on at pair", stand_in.position + 1)
        for pair in pairs[stand_in.position : half]:
            stand_in.choose(int(len(pair.second) < len(pair.first)))
    clicked = stand_in.comparisons()
print(len(clicked), "labels kept, all of them", {label.source for label in clicked})

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
# twenty. Their noise is set so that they agree with the gold score in 80 pairs of a
# hundred. With each other people agree less: two of these on 67 to 68 pairs in a
# hundred (71 to 72 of those whose scores differ), real ones on 70 to 80 (Stiennon et
# al. 2020, Ouyang et al. 2022).

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
print(getsource(reward_loss))

# %% [markdown]
# **By hand:** what is the loss of a model that gives all stories the same reward?
# And of one that prefers the winner by 2, or the loser by 2?

# %%
for margin in (0.0, 2.0, -2.0):
    loss = reward_loss(torch.tensor([margin]), torch.tensor([0.0]))
    print(f"winner ahead by {margin:+.0f}: loss {loss:.4f}")
print(f"ln 2 = {math.log(2):.4f}")

# %% [markdown]
# The course's reward model was trained on the crowd's labels of stories that we do
# not use below. How good is it? It sees 500 new comparisons: tellings by the
# village, and pairs of stories that the instruct model itself wrote.

# %%
reward = course.load("reward")
test = [
    comparison
    for comparison in life.comparisons(course, instruct, "test")
    if comparison.first != comparison.second
]
encoded = encode_comparisons(test, tokenizer, context=course.recipe.shared.context)
winners = reward.score_texts([pair.winner for pair in encoded])
losers = reward.score_texts([pair.loser for pair in encoded])

ceiling = accuracy_ceiling([preference_for_first(pair) for pair in test])
right = accuracy(winners, losers)
claim(
    "The reward model agrees with the labels within 0.05 of the ceiling",
    right >= ceiling - 0.05,
    measured=ceiling - right,
)
claim(
    "It is not above the ceiling by more than chance allows",
    right <= ceiling + 2 * math.sqrt(ceiling * (1 - ceiling) / len(encoded)),
    measured=right,
)

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

# %% [markdown]
# ### Why one pair in eight is padded
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
# coins, so whoever dislikes facts is often wrong. One pair in eight is now like that, a
# single telling with and without more facts.
#
# Two more kinds of pairs were earned in the same way. In earlier comparisons every
# story had its end, and every image its place, so nothing said that these are needed;
# and the policy found that it could leave out the one and scatter the other. Now one
# pair in ten is a telling with and without its end, and one in seven a telling in order
# and in disorder.

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
in_nats = (winners - losers) / reward.gain
first_won = torch.tensor([float(label.preferred == label.swapped) for label in test])
differences = torch.where(first_won.bool(), in_nats, -in_nats)
plots.calibration(differences.sigmoid(), first_won, bins=6)

# %%
share = person.probability_first(0, 0)
print(f"of two equal stories people choose the one shown first in {share:.0%}")

# %% [markdown]
# They would lie higher, most of them above the diagonal: people lean to what is shown
# first, and a model that reads one story alone cannot know on which side it stood. So
# every pair should be shown both ways round, or by a coin, as here.

# %% [markdown]
# ### Your labels count
#
# Comparisons are comparisons, whoever made them: yours can join the crowd's, or
# train a copy of the model alone. Here are six updates on your labels, or on the
# stand-in's if you made none. **Predict:** how many labels does it take to change a
# model's taste?

# %%
labels = [label for label in mine or clicked if label.preferred != EQUAL]
own_pairs = encode_comparisons(labels, tokenizer, context=course.recipe.shared.context)


def agrees_with(model):
    """The share of these labels that a reward model agrees with."""
    scores = (
        model.score_texts([getattr(pair, side) for pair in own_pairs])
        for side in ("winner", "loser")
    )
    return accuracy(*scores)


own_reward = course.load("reward")
before = agrees_with(own_reward)
optimizers = adamw(own_reward, 3e-4)
train(
    make_reward_step(
        own_reward, own_pairs, optimizers, steps=6, batch=len(own_pairs)
    ),
    steps=6,
    modules={"model": own_reward},
    optimizers=optimizers,
    seed=0,
    progress=TrainingMonitor(),
    label="your taste",
)
after = agrees_with(own_reward)
claim("It agrees with no fewer of these labels than before", after >= before)

# %% [markdown]
# Two dozen labels are learned *by heart* in seconds. That is memory rather than
# taste: whether the copy agrees with the next two dozen is another question, and
# the honest way to ask it is to keep some labels back. Try it with yours.

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
# advantage is a fact and not something to differentiate.

# %%
print(getsource(policy_gradient_loss))

# %% [markdown]
# ## 7 · Why the policy is kept on a leash
#
# Let the policy of the tiny world climb the true gradient, step after step, with
# nothing to hold it. **Predict:** what will it write in the end? And if the reward
# were not the truth, but a model that is right in seven cases of ten?

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
# this world that is even right. But a learned reward is wrong here and there, and
# what it overrates most is what an unbridled policy will find.
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
    everywhere = torch.ones_like(ratios, dtype=torch.bool)
    loss = clipped_policy_loss(
        log_probs, torch.zeros_like(ratios), advantages, everywhere
    )
    gradient = torch.autograd.grad(loss, log_probs)[0]
    return 0 - gradient * len(ratios)


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
# 2. has the reward model score them,
# 3. charges $\beta$ for every nat of distance from the instruct model, token by
#    token,
# 4. asks a **value model** what was to be expected at each token; the difference is
#    the advantage,
# 5. makes a few clipped steps.
#
# A dozen updates take about a minute; the course's own run drew larger rollouts.
# **Predict** which of the curves below will rise and which will fall.

# %%
policy = course.load("instruct")
value_model = ValueModel(reward)
kl_controller = KLController(beta=0.1)
policy_optimizers = adamw(policy, 6e-4, eps=1e-5)
value_optimizers = adamw(value_model, 1e-3, eps=1e-5)
prompts = [
    render_prompt(tokenizer, prompt)
    for prompt in village.story_prompts(500, seed=0, split="train")
]
STEPS = 12
step = make_ppo_step(
    policy,
    frozen_copy(policy),
    reward.score,
    value_model,
    prompts,
    policy_optimizers=policy_optimizers,
    value_optimizers=value_optimizers,
    kl_controller=kl_controller,
    steps=STEPS,
    batch=48,
    max_new_tokens=course.recipe.shared.story_tokens,
    temperature=course.recipe.shared.story_temperature,
    epochs=2,
    minibatches=2,
    gae_lambda=1.0,
    unfinished_score=-2.0,
)

# %%
history = train(
    step,
    steps=STEPS,
    modules={"policy": policy, "value": value_model, "kl": kl_controller},
    optimizers={
        "policy": policy_optimizers["adamw"],
        "value": value_optimizers["adamw"],
    },
    seed=0,
    progress=TrainingMonitor(),
    label="PPO",
)

# %%
plots.show(
    plots.ppo_dashboard(history, title="A dozen updates"),
    alt="Small charts, update by update, of the reward model's score, the KL "
    "divergence from the start, entropy, the share of clipped ratios and the "
    "length of answers. The score ends higher than it began, the KL begins at "
    "zero.",
)

# %% [markdown]
# The length grows somewhat: what is added takes room. Whether it is more than length
# is a question for section 10.
#
# Two checks before any rejoicing. Before the first step on a rollout, old and new
# policy are the same model, so every ratio must be 1; if it is not, the two
# probabilities are computed in different ways, and what looks like learning is that
# difference. And the reward must have risen by more than its noise, from the first
# four updates to the last four.

# %%
claim(
    "At the start of every rollout all ratios are 1, to 4 decimal places",
    max(entry["first_ratio_error"] for entry in history) < 5e-5,
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
# model that it came from: one story each to 400 new prompts. The time to try things out
# is over: both are drawn at temperature 0.3, close to their likeliest words, as one
# would use them. **Predict** the share of prompts that PPO wins.

# %%
ppo = course.load("ppo").requires_grad_(False)
new_prompts = village.story_prompts(400, seed=0, split="test")
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


stories, _, gold = judged(course.recipe.shared.cool_temperature)
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
# Better, by a judge that it was never shown. What did it learn? Count, in the stories
# themselves, what the reward model pays for.

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
    change = "more" if more > 80 else "fewer" if more < -80 else "about as many"
    print(f"{plural:8} in 400 stories: {change}")
claim(
    "PPO tells at least 1.3 times as much of all of it",
    sum(found["ppo"].values()) >= 1.3 * sum(found["instruct"].values()),
)

# %% [markdown]
# What it tells more of, it had told now and then before. Part of the reason for the
# rest is that what is seldom written is seldom rewarded.
#
# ### The dice
#
# In training, stories were drawn at temperature 0.7: a policy has to try things out.
# Drawn so, either model now and then says what it finds unlikely itself, and one slip
# can cost more than a simile earns. Ask both again at 0.7. **Predict:** will PPO win
# more often than before, or less?

# %%
_, rollouts, gold_exploring = judged(course.recipe.shared.story_temperature)
wins_exploring = win_rate(gold_exploring["ppo"], gold_exploring["instruct"])
claim(
    "At temperature 0.7 PPO wins less often than at 0.3",
    wins_exploring.rate < wins.rate,
    measured=wins_exploring.rate,
)
plots.win_rate_intervals(
    {
        "ppo, at 0.3": (wins.rate, low, high),
        "ppo, at 0.7": (wins_exploring.rate, *wins_exploring.interval),
    },
    against="instruct at the same temperature",
)

# %% [markdown]
# The dice hide a part of what the policy learned. Both figures are right, each for its
# temperature, and a win-rate without its temperature says little. The course quotes the
# one at 0.3.
#
# And what did it not learn at all? Either model contradicts itself, and the low
# temperature does not cure that: often a character is called by another's name in the
# middle of a story. To see who minds, take tellings of the village
# and give the hero once the name of the friend, nothing else, where that contradicts
# the story. The gold score then falls, always. **Predict** how often the reward model
# prefers the telling with the right name.


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
claim(
    "The reward model prefers the right name in fewer than 65 of 100",
    noticed < 65,
    measured=noticed,
)

# %% [markdown]
# Here the reward model might as well toss a coin. Hardly one of its comparisons hangs
# on a name: the village's own tellings never get one wrong, and the instruct model's
# stories often do on both sides. So the policy was paid for other things, and nothing
# taught it to mind a name. A reward model knows only what its comparisons told it.

# %% [markdown]
# What did it cost? The distance from the instruct model, measured where training paid
# for it, at 0.7; and the length, because a policy that wins by writing more has found a
# trick and not a style.

# %%
kl = torch.cat([sequence_kl(ppo, instruct, part) for part in rollouts["ppo"]])
words = {name: len(" ".join(told).split()) for name, told in stories.items()}
longer = words["ppo"] / words["instruct"]
claim("It lies less than 25 nats a story from instruct", kl.mean() < 25)
claim("Its stories are less than 1.5 times as long", longer < 1.5)

# %% [markdown]
# Do the judges agree with each other? For each prompt, take both stories drawn at 0.7,
# the kind that the reward model judged in training: does it prefer the one with the
# higher gold score? (Prompts where the gold scores are equal are left out.)

# %%
scores = {
    name: reward.score(
        [prompt for rollout in told for prompt in rollout.prompts],
        [response for rollout in told for response in rollout.responses],
    ).tolist()
    for name, told in rollouts.items()
}
better = zip(gold_exploring["ppo"], gold_exploring["instruct"], strict=True)
liked = zip(scores["ppo"], scores["instruct"], strict=True)
verdicts = [
    (new > old) == (new_score > old_score)
    for (new, old), (new_score, old_score) in zip(better, liked, strict=True)
    if new != old
]
same = sum(verdicts) / len(verdicts)
claim("They disagree on at least one prompt in five", same < 0.8, measured=same)

# %% [markdown]
# ## 11 · Read them
#
# Numbers first, but never numbers only. The same prompts, both models. Look for what
# the gold score counts: images, voices, details, a twist; and for what it cannot
# see.


# %%
def storyteller(model):
    """An answer function for the chat."""

    def tell(message, temperature):
        dice = torch.Generator().manual_seed(0)
        return answer(
            model,
            tokenizer,
            [message],
            max_new_tokens=course.recipe.shared.story_tokens,
            temperature=temperature,
            generator=dice,
        )[0]

    return tell


Chat(
    {name: storyteller(model) for name, model in models.items()},
    examples=new_prompts[:3],
    temperature=course.recipe.shared.cool_temperature,
)

# %% [markdown]
# ## What did not work at this size
#
# - **Nobody minds a wrong name.** The reward model does not see it, so nothing taught
#   the policy to. In our trials it took thousands of comparisons that differ in a name
#   alone, labelled without noise, before a reward model of this size noticed.
# - **Near the ceiling is not right.** The labels are noisy, and a reward model of this
#   size keeps errors of its own. Every one of them is an invitation to the policy.
# - **A dozen updates are no verdict.** The run in section 9 raises the reward.
#   Whether its stories are better, nobody has asked yet. You can: judge them as
#   section 10 does.
# - **Nothing guards the other trades.** The policy practised stories only, and the KL
#   price is charged on stories only. Ask it for a translation in the chat and
#   compare.
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
# <details><summary>Nothing, it is clipped.</summary>
# The clip only stops what went far enough in the right direction. This one went in
# the wrong one.</details>
# <details><summary>It makes the token less probable.</summary>
# Right. See the table.</details>
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
