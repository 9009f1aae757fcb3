# %% [markdown]
# # 9 · PPO with a learned reward
#
# **You will be able to** turn *I like this one better* into a number that a model can
# be trained on, and say how good that number can possibly be; check a policy gradient
# against a world in which everything can be counted; say what each part of PPO is for;
# judge a trained policy by something that it was not trained to please.
#
# **You need** [7 · Instruction tuning](07_instruction_tuning.ipynb).
#
# **Time** 3 minutes to run on two processor cores, a third of it one
# training run; an hour and a half to work through.
#
# **Where we are in the model's life:**
# `instruct → reward` and `instruct → ppo`.

# %%
import math
import re
import tempfile
from dataclasses import replace
from inspect import getsource
from pathlib import Path

import torch
from IPython.display import display
from matplotlib.figure import Figure

from llmlab import desk, life, plots, village
from llmlab.claims import about, claim
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
    Comparison,
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
from llmlab.training import train
from llmlab.village import gold as village_gold
from llmlab.widgets import PairLabeller, TrainingMonitor

# %%
course = life.course()
tokenizer = course.tokenizer
instruct = course.load("instruct").requires_grad_(False)

# %% [markdown]
# ## 1 · Which one do you like better?
#
# The instruct model writes stories that are about what was asked. Are they good?
# For a translation a program could say what is right. For a story there is no right
# answer to compare with, and few people could say what is good. But show somebody
# two tellings of one event, and they know at once which they prefer. Decide:

# %%
pairs = village.story_pairs(24, seed=7, split="train")
desk.read(pairs[0].prompt)
for name, story in {"first": pairs[0].first, "second": pairs[0].second}.items():
    desk.read(f"\n[{name}]\n{story}\n")

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

# %% tags=["folded"]
from IPython.display import display

from llmlab import village
from llmlab.paths import RUNS
from llmlab.preferences import LabelStore
from llmlab.widgets import PairLabeller

RUNS.mkdir(parents=True, exist_ok=True)
pairs = village.story_pairs(24, seed=7, split="train")
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

# %% tags=["folded"]
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

# %%
desk.predict(
    "09/person",
    "The first story is better by 6 points, a large difference. How often "
    "does a simulated person choose it?",
    unit="%",
)

# %%
person = Annotator("a simulated person", noise=1.5)
print("gold score of the first less that of the second")
for difference in (-6, -3, -1, 0, 1, 3, 6):
    share = person.probability_first(difference, 0)
    print(f"{difference:+3}   chooses the first in {share:.0%}")

# %%
desk.answer(
    "09/person",
    round(100 * person.probability_first(6, 0)),
    "Not always, even then: carelessness never goes away.",
    within=5,
)

# %% [markdown]
# Now the whole crowd of
# twenty. Their noise is set so that they agree with the gold score in 80 of a hundred
# pairs whose scores differ. With each other people agree less. Real ones choose alike
# in 70 to 80 pairs of a hundred (Stiennon et al. 2020, Ouyang et al. 2022).

# %%
desk.predict(
    "09/crowd",
    "On how many of 100 pairs do two people of this crowd choose alike?",
    unit="of 100",
)

# %% tags=["folded"]
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

# %%
desk.answer(
    "09/crowd",
    round(100 * alike),
    "Each agrees with the gold score in about 80, and when one errs, the "
    "other most often does not: they disagree with each other more than with "
    "the score.",
    within=5,
)

# %% [markdown]
# ### The ceiling
#
# Suppose a model knew the gold score perfectly and always chose the better story.

# %%
desk.predict(
    "09/ceiling",
    "How often would that model agree with one person's label?",
    unit="%",
)

# %% [markdown]
# When 60 % of the people prefer the first story, even the best guess is wrong in the
# other 40 %. On average over pairs, no model can do better than the mean of
# $\max(p, 1 - p)$:

# %%
ceiling = accuracy_ceiling(shares)
by_hand = sum(max(share, 1 - share) for share in shares) / len(shares)
print(f"no model can agree with more than {ceiling:.1%} of the labels")
print(f"the same by hand: {by_hand:.1%}")

# %%
desk.answer(
    "09/ceiling",
    round(100 * ceiling),
    "The labels are noisy, so they agree with nobody all the time.",
    within=4,
)

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
# times, the second once.

# %%
desk.predict(
    "09/strength",
    "Which difference r₁ − r₂ makes σ = 3/4? (Solve for e to the r₁ − r₂.)",
    options=["3/4", "ln 3", "3", "ln 4"],
)

# %%
wins = torch.tensor([[0.0, 3.0], [1.0, 0.0]])
strengths = bradley_terry(wins)
print(f"by maximum likelihood {strengths[0] - strengths[1]:.6f}")
print(f"by hand: ln 3 =       {math.log(3):.6f}")

# %%
difference = float(strengths[0] - strengths[1])
ways = {"3/4": 3 / 4, "ln 3": math.log(3), "3": 3, "ln 4": math.log(4)}
desk.answer(
    "09/strength",
    min(ways, key=lambda way: abs(ways[way] - difference)),
    "e to the difference is the odds: three to one.",
)

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
# Now by hand:

# %%
desk.predict(
    "09/same",
    "What is the loss of a model that gives all stories the same reward?",
    options=["0", "1/2", "ln 2", "1"],
)

# %%
for margin in (0.0, 2.0, -2.0):
    loss = preference_loss(torch.tensor([margin]), torch.tensor([0.0]))
    print(f"winner ahead by {margin:+.0f}: loss {loss:.4f}")
print(f"ln 2 = {math.log(2):.4f}")

# %%
same = float(preference_loss(torch.zeros(1), torch.zeros(1)))
ways = {"0": 0, "1/2": 1 / 2, "ln 2": math.log(2), "1": 1}
desk.answer(
    "09/same",
    min(ways, key=lambda way: abs(ways[way] - same)),
    "It gives either story one half, and the surprise at one half is ln 2.",
)

# %% [markdown]
# The course's reward model was trained on ten of the crowd's labels for each of 6,600
# pairs. Three thousand are pairs that the instruct model wrote itself, since those are
# what a policy will be paid for; 2,400 are tellings by the village, and 1,200 a telling
# beside the same with a single fault. How good is it? One figure over
# all kinds would hide one behind the other, so there are two. And to be rid
# of the labels' noise, no label is drawn: for each pair we know the probability $p$
# that somebody of the crowd prefers the first, so whoever chooses the first agrees with
# a person with probability $p$, and otherwise with $1 - p$.

# %%
desk.predict(
    "09/nearer",
    "For which kind of pairs is the reward model nearer to the ceiling?",
    options=["tellings by the village", "instruct's own stories"],
)

# %% tags=["folded"]
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

# %%
desk.answer(
    "09/nearer",
    min(behind, key=behind.get),
    "The village's tellings differ in what the gold score counts, and in "
    "little else. The model's own stories differ in its mistakes as well, "
    "and those are harder to see.",
)
for kind, bound in zip(kinds_of_pairs, (5, 12), strict=True):
    claim(
        f"{kind}: at most {bound} points below the ceiling",
        100 * behind[kind] <= bound,
        measured=100 * behind[kind],
        unit="points",
    )

# %% [markdown]
# Keep that in mind: a policy is paid for stories of its own, so it is the second of the
# two figures that counts for it.

# %% [markdown]
# ### What does it pay for?
#
# An accuracy does not say *why* a story is liked. So take plain tellings, add one
# sentence to each, and see by how much the reward changes. To the gold score, a plain
# fact ("Otto lived at the harbour") is worth nothing.

# %%
desk.predict(
    "09/pays",
    "For which kind of sentence does the reward model pay most?",
    options=["twist", "line", "simile", "detail", "fact"],
)

# %% tags=["folded"]
print("added          gold   reward")
worth = {}
for kind in village.ADDITIONS:
    added = village.story_edits(80, kind=kind, seed=0, split="test")
    gains = []
    for story in added:
        texts = [story.before, story.after]
        rendered = [
            render_example(tokenizer, story.prompt, text)[0] for text in texts
        ]
        before, after = reward.score_texts(rendered)
        old, new = (village.gold_score(story.prompt, text) for text in texts)
        gains.append((new - old, float(after - before)))
    gold_gain, reward_gain = torch.tensor(gains).mean(dim=0).tolist()
    worth[kind] = reward_gain
    print(f"one more {kind:7}{gold_gain:+.1f}", "    up" * (reward_gain > 0.1))

# %%
most = max(worth, key=worth.get)
desk.answer(
    "09/pays",
    most,
    f"One more is worth {about(worth[most], 2)} to it, a fact "
    f"{about(worth['fact'], 2)}. (Its rewards are in units of their spread.)",
)
for kind in ("twist", "line", "simile", "detail"):
    claim(
        f"The reward model pays for a {kind}",
        worth[kind] > 0.1,
        measured=worth[kind],
    )
claim("It does not pay for a fact", worth["fact"] < 0.1, measured=worth["fact"])

# %% [markdown]
# ### Why one pair of tellings in eight is padded
#
# That had to be earned. In our first comparisons both tellings were *exactly* equally
# long, so that no reward model could take long for good: what one telling lacked in
# images it got in facts. A policy trained on the reward learned from them wrote shorter
# stories and no better ones. To see why, describe a telling by its number of images and
# of facts. Here are two rewards: one likes images, the other dislikes facts.

# %%
desk.predict(
    "09/length",
    "Which of the two agrees better with comparisons of equal length?",
    options=["likes images", "dislikes facts", "both agree equally"],
)

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

# %%
differences = {
    taste: [
        value(*first) - value(*second)
        for first, second in examples["equal length"]
    ]
    for taste, value in rewards_by_hand.items()
}
images, facts = map(sum, differences.values())
desk.answer(
    "09/length",
    "both agree equally"
    if images == facts
    else "likes images"
    if images > facts
    else "dislikes facts",
    "Where every image stands against a fact, they have the same "
    "differences: no amount of such data can tell them apart.",
)

# %% [markdown]
# Comparisons tell *differences*, and nothing else. Our reward model had become mostly
# the second. In the last pair the images are equal and the labels are
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
# shown.

# %%
desk.predict(
    "09/shown",
    "How would the points lie if we asked about the story that was shown "
    "first?",
    options=["higher", "lower", "the same"],
)

# %% tags=["folded"]
pairs_told = test["tellings by the village"] + test["instruct's own stories"]
labelled = [pair for pair in pairs_told if pair.preferred != EQUAL]
# A pair that does not fit into the context is left out of both lists.
labelled, encoded = zip(
    *(
        (pair, rendered)
        for pair in labelled
        for rendered in encode_comparisons([pair], tokenizer, context=context)
    ),
    strict=True,
)
with torch.no_grad():
    winners = reward.score_texts([pair.winner for pair in encoded])
    losers = reward.score_texts([pair.loser for pair in encoded])
in_nats = (winners - losers) / reward.gain
# Each pair in both orders: the crowd leans to whatever is shown first, and a
# reward model, which reads one story alone, cannot know which that was.
predicted = torch.cat([in_nats, -in_nats]).sigmoid()
happened = torch.cat([torch.ones(len(in_nats)), torch.zeros(len(in_nats))])
plots.calibration(predicted, happened, bins=6)

# %%
first_won = torch.tensor([float(pair.preferred == 0) for pair in labelled])
foretold = torch.where(first_won == 1, in_nats, -in_nats).sigmoid()
lean = float((first_won - foretold).mean())
desk.answer(
    "09/shown",
    "higher" if lean > 0.01 else "lower" if lean < -0.01 else "the same",
    f"By {about(100 * lean, 2)} points: the crowd leans to the first one it "
    "sees, and a reward model, which never learns which that was, cannot "
    "foretell the lean.",
)

# %% [markdown]
# ### Your labels count
#
# Comparisons are comparisons, whoever made them: yours can join the crowd's, or
# train a copy of the model alone. Here are forty updates on half of your labels, or of
# the stand-in's if you made fewer than four; the other half is kept back. Each run
# of the cell begins with the course's reward model anew.

# %%
desk.predict(
    "09/learned",
    "Afterwards, with how many per cent of the labels that it learned from "
    "does it agree?",
    unit="%",
)

# %% tags=["folded"]
labels = [label for label in mine if label.preferred != EQUAL]
if len(labels) < 4:  # too few to learn from some and ask about the others
    labels = clicked
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


def learn_taste(pairs, label):
    """A copy of the reward model after forty updates on these labels."""
    model = course.load("reward")
    optimizers = adamw(model, 3e-4)
    step = preference_step(
        model,
        reward_scores(model),
        pairs,
        optimizers,
        steps=40,
        comparisons=min(len(pairs), 12),
    )
    train(
        step,
        steps=40,
        modules={"model": model},
        optimizers=optimizers,
        seed=0,
        progress=TrainingMonitor(),
        label=label,
        after_a_stop="run the cell again, and it begins anew",
    )
    return model


# %%
before = agrees_with(course.load("reward"), learned)
own_reward = learn_taste(learned, "your taste")
after = agrees_with(own_reward, learned)

# %%
desk.answer(
    "09/learned",
    100 * after,
    f"It was {about(100 * before, 2)} % before forty updates on "
    f"{len(learned)} labels.",
    within=10,
)

# %% tags=["nbval-ignore-output"]
print(f"labels learned:   {before:.0%} before, {after:.0%} after")
print(f"labels kept back: {agrees_with(own_reward, kept_back):.0%} after")

# %% [markdown]
# Whether that is taste and not only memory, the labels kept back say; where they are a
# dozen, each is worth eight points, so do not read much into a few. (Yours differ from
# ours, so the numbers appear only once you run the cell.)
#
# So how many labels does a taste take? Here is one that is simple and never tired: it
# likes the telling in which people *talk* more. Let copies of the model learn from 6,
# 24 and 96 of its labels, forty updates each, and ask about new pairs.

# %%
desk.predict(
    "09/many",
    "How many labels are enough for it to agree on 9 of 10 new pairs?",
    options=["6", "24", "96", "more than 96"],
)

# %% tags=["folded"]
def lines_said(story):
    """How often somebody speaks."""
    return story.count('"') // 2


by_talk = encode_comparisons(
    [
        Comparison(
            pair.prompt,
            pair.first,
            pair.second,
            int(lines_said(pair.second) > lines_said(pair.first)),
            "likes talk",
            "simulated",
        )
        for pair in village.story_pairs(500, seed=8, split="train")
        if lines_said(pair.first) != lines_said(pair.second)
    ],
    tokenizer,
    context=context,
)
by_talk, new_pairs = by_talk[:96], by_talk[96:]
agreement = {0: agrees_with(reward, new_pairs)}
for count in (6, 24, 96):
    model = learn_taste(by_talk[:count], f"{count} labels")
    agreement[count] = agrees_with(model, new_pairs)
plots.lines(
    list(agreement),
    {"a taste for talk": list(agreement.values())},
    x_label="labels learned from",
    y_label=f"agreement on {len(new_pairs)} new pairs",
    from_zero=True,
)

# %%
enough = [count for count, share in agreement.items() if share >= 0.9]
desk.answer(
    "09/many",
    str(min(enough)) if enough else "more than 96",
    f"From {about(100 * agreement[0], 2)} % before to "
    + ", ".join(
        f"{about(100 * agreement[count], 2)} % with {count}"
        for count in (6, 24, 96)
    )
    + ". And this taste is a simple one. What people like in stories is less "
    "simple: the crowd's labels of 6,600 pairs have not taught all of it.",
)

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
off = float((mean - truth).abs().max())

# %%
claim(
    f"Averaged over all {len(texts)} texts, the estimator is the true "
    "gradient, to 12 decimal places",
    off < 1e-12,
    measured=f"off by {about(off, 1)}",
)

# %% [markdown]
# On average it is exactly right. A single text, though, is a poor witness: the
# estimates scatter. Suppose that every text earns ten points more. The best policy is
# the same as before.

# %%
desk.predict(
    "09/ten",
    "What happens to the estimator's mean, and what to its scatter?",
    options=[
        "both stay",
        "the mean stays, the scatter grows",
        "the mean moves, the scatter stays",
        "both grow",
    ],
)

# %%
expected = world.expected_reward(logits, rewards)
scatter = {}
for name, values in {
    "reward": rewards,
    "reward + 10": rewards + 10,
    "reward + 10, less its mean": rewards - expected,
}.items():
    mean, variance = estimator(values)
    wrong = (mean - truth).abs().max() > 1e-12
    bias = "yes" if wrong else "none"
    scatter[name] = bias, float(variance)
    print(f"{name:27} bias: {bias}   scatter: {variance:6.2f}")

# %%
bias, grown = scatter["reward + 10"]
stays = bias == "none"
grows = grown > 2 * scatter["reward"][1]
desk.answer(
    "09/ten",
    {
        (True, False): "both stay",
        (True, True): "the mean stays, the scatter grows",
        (False, False): "the mean moves, the scatter stays",
        (False, True): "both grow",
    }[stays, grows],
    f"The scatter is {grown / scatter['reward'][1]:.0f} times as large: every "
    "text that is drawn is now pushed up by ten and more, and what sets them "
    "apart drowns.",
)

# %% [markdown]
# Subtracting what was to be expected repairs it. Reward less expectation is called the
# **advantage**: was this better or worse than usual? Every method from here on, PPO
# too, learns from advantages.
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
# nothing to hold it. And would you want that if the reward were not the truth, but a
# model that is often wrong?

# %%
desk.predict(
    "09/loose",
    "What will it write in the end?",
    options=[
        "all texts that hold ab, about equally",
        "one text, again and again",
        "the same texts as before, a little better",
    ],
)

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

# %%
held = sum(share > 0.01 for share in loose.tolist())
desk.answer(
    "09/loose",
    "one text, again and again"
    if loose.max() > 0.9
    else "all texts that hold ab, about equally"
    if held > 2
    else "the same texts as before, a little better",
    f"It finds the single best one, and writes it in {100 * loose.max():.1f} "
    "% of all cases.",
)

# %% [markdown]
# In this world that is even right. The same climb on a learned reward ends at the text
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
distance = float(
    total_variation(leashed, optimum(reference, rewards, beta=0.3))
)
print("beta   reward      KL   share of the favourite text")
for beta in (3.0, 1.0, 0.3, 0.1):
    policy = optimum(reference, rewards, beta)
    earned, kl = policy @ rewards, kl_divergence(policy, reference)
    print(f"{beta:4.1f}   {earned:6.2f}  {kl:6.2f}   {policy.max():6.1%}")

# %%
claim(
    "The leashed policy has reached that optimum",
    distance < 0.01,
    measured=f"{about(100 * distance, 2)} % of its texts would have to change",
)

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
# [problem set 6](../exercises/release/ps6/ps6.ipynb).

# %%
print(getsource(clipped_policy_loss))

# %% [markdown]
# What does that do to one token? Below is the push on its log-probability: positive
# makes it more probable. Fill in the table in your head. When should the pushing stop?
# In which cases should it never stop?

# %%
desk.predict(
    "09/push",
    "A token was better than usual (advantage 1), and is already 1.3 times "
    "as probable as when it was drawn. How hard is it pushed?",
    options=["1.3", "1.0", "0", "-1.3"],
)
desk.predict(
    "09/back",
    "A token was worse than usual (advantage -1), and is 1.3 times as "
    "probable. How hard is it pushed?",
    options=["1.3", "1.0", "0", "-1.3"],
)

# %% tags=["folded"]
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

# %%
pushes = [f"{push(sign)[5].item() + 0.0:.2g}" for sign in (1, -1)]
desk.answer(
    "09/push",
    pushes[0],
    "It has moved far enough in the right direction: more is not justified "
    "by this one rollout.",
)
desk.answer(
    "09/back",
    pushes[1],
    "It moved in the wrong direction, and is always brought back.",
)

# %% [markdown]
# Two things to see. At ratio 1, where every rollout begins, the push is the
# advantage: PPO's first step *is* the policy gradient. And the zeros stand only
# where the token has already moved far enough in the *right* direction. The same as
# a picture: no slope, no push.

# %% tags=["folded"]
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
# All the parts, on the real model. The loop of one update:

# %% tags=["folded"]
plots.policy_loop(judge="reward model", beta=PPO.beta)

# %% [markdown]
# Every update
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
#
# A dozen updates take about a minute; the course's own run drew larger rollouts, and
# more.

# %%
desk.predict(
    "09/critic",
    "What will the critic's explained variance do, from the first update to "
    "the last?",
    options=["rise", "stay as it is", "fall"],
)
desk.predict(
    "09/kl",
    "How far from instruct will the policy be after a dozen updates?",
    unit="nats a story",
)

# %% [markdown]
# Run again, this cell begins with the instruct model anew.

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
    after_a_stop="run the cell again, and it begins with instruct anew",
)


# %% tags=["folded"]
def change(metric):
    """A number of the dashboard at both ends of the run."""
    return f"{about(history[0][metric])} to {about(history[-1][metric])}"


plots.show(
    plots.ppo_dashboard(history, title="A dozen updates"),
    alt="Small charts, update by update, of the reward model's score "
    f"({change('score')}), the KL divergence from the start ({change('kl')}), "
    "entropy, the share of clipped ratios, the variance that the critic "
    f"explains ({change('explained_variance')}), its loss and the length of "
    "answers.",
)

# %%
explained = [entry["explained_variance"] for entry in history]
desk.answer(
    "09/critic",
    "rise"
    if explained[-1] > explained[0] + 0.05
    else "fall"
    if explained[-1] < explained[0] - 0.05
    else "stay as it is",
    f"From {about(explained[0], 2)} to {about(explained[-1], 2)}: it learns "
    "what stories earn faster than the policy changes them.",
)
desk.answer(
    "09/kl",
    history[-1]["kl"],
    f"It began at {about(history[0]['kl'], 2)}: at first the policy is the "
    "instruct model.",
    factor=2,
)

# %% [markdown]
# Two checks before any rejoicing. Before the first step on a rollout, old and new
# policy are the same model, so every ratio must be 1; if it is not, the two
# probabilities are computed in different ways, and what looks like learning is that
# difference. And the reward must have risen by more than its noise, from the first
# four updates to the last four.

# %% tags=["folded"]
trained = [entry for entry in history if "policy_loss" in entry]
off = max(entry["first_ratio_error"] for entry in trained)
first, last = history[:4], history[-4:]
rise = sum(e["score"] for e in last) / 4 - sum(e["score"] for e in first) / 4
noise = math.hypot(*(e["score_error"] / 4 for e in first + last))

# %%
claim(
    "At the start of every rollout all ratios are 1, to 4 decimal places",
    off < 5e-5,
    measured=f"off by {about(off, 2)}",
)
claim(
    "The reward rose by more than twice its standard error",
    rise > 2 * noise,
    measured=rise / noise,
    unit="times its standard error",
)

# %% [markdown]
# ## 10 · Better, or better at pleasing?
#
# The reward model says that the stories improved. It would: the policy was trained
# to make it say so. The question is what a judge says whom the policy could not
# learn to please. We have one, the hidden gold score. In earnest one would ask
# people again.
#
# Here is the course's PPO model, whose updates saw more stories, and which paid a price
# for contradictions, against the instruct model that it came from: one story each to
# 240 new prompts. Whatever could be chosen,
# rates, temperatures, the number of updates, was chosen on other prompts: nothing was
# chosen on these. Both write at temperature 0.7, as in training. (The README tells the
# match on 400 prompts with other dice; its share may differ by a few points.)

# %%
desk.predict("09/wins", "Which share of the prompts does PPO win?", unit="%")

# %% tags=["folded"]
ppo = course.load("ppo").requires_grad_(False)
new_prompts = village.story_prompts(240, seed=course.seed + 1, split="test")
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
plots.win_rate_intervals({"ppo": (wins.rate, low, high)}, against="instruct")

# %%
desk.answer(
    "09/wins",
    100 * wins.rate,
    "A prompt for which both stories score alike counts one half.",
    within=7,
)
claim(
    "Judged by the gold score, PPO wins at least 70 % of the prompts",
    wins.rate >= 0.70,
    measured=100 * wins.rate,
    unit="%",
)
claim(
    "The 95 % interval lies above two thirds",
    low > 2 / 3,
    measured=f"from {about(100 * low)} %",
)

# %% [markdown]
# Better, by a judge that it was never shown. What did it cost? The distance from the
# instruct model, on the same stories; and the length: an image is a sentence more, so
# longer they must be, but a policy that wins by writing more has found a trick and not
# a style.

# %% tags=["folded"]
kl = distance(rollouts)
words = {name: len(" ".join(told).split()) for name, told in stories.items()}
longer = words["ppo"] / words["instruct"]

# %%
claim(
    "It lies less than 10 nats a story from instruct",
    kl.mean() < 10,
    measured=kl.mean().item(),
    unit="nats",
)
claim(
    "Its stories are between 1.1 and 1.5 times as long",
    1.1 < longer < 1.5,
    measured=longer,
    unit="times",
)

# %% [markdown]
# Is it only the length, then? Look at the prompts to which both wrote about equally
# long stories, to twenty words. (Additions take room, so this also leaves out some of
# what PPO learned.)

# %% tags=["folded"]
equally_long = [
    number
    for number, pair in enumerate(
        zip(stories["ppo"], stories["instruct"], strict=True)
    )
    if abs(len(pair[0].split()) - len(pair[1].split())) <= 20
]
fair = win_rate(
    *(
        [gold[name][number] for number in equally_long]
        for name in ("ppo", "instruct")
    )
)

# %%
claim(
    "Among stories of about equal length, too, PPO wins more than half",
    fair.interval[0] > 0.5,
    measured=f"{about(100 * fair.rate)} % of {len(equally_long)}",
)

# %% [markdown]
# What did it learn? Count, in the stories themselves, what the reward model pays for.

# %% tags=["folded"]
readings = {
    name: [
        village_gold.read(*pair)
        for pair in zip(new_prompts, told, strict=True)
    ]
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
totals = {name: sum(counts.values()) for name, counts in found.items()}
for kind, plural in kinds.items():
    before, after = (float(found[name][kind]) for name in ("instruct", "ppo"))
    print(f"{plural:8} in 240 stories: {about(before)} and then {about(after)}")

# %%
claim(
    "PPO tells at least 1.3 times as many, all kinds together",
    totals["ppo"] >= 1.3 * totals["instruct"],
    measured=totals["ppo"] / totals["instruct"],
    unit="times as many",
)
claim(
    "Instruct told some of each kind",
    min(found["instruct"].values()) > 0,
    measured=f"{about(min(found['instruct'].values()))} of the rarest",
)

# %% [markdown]
# What it tells more of, it had told now and then before: practice makes more frequent
# what was already there. That is also a part of the reason where a kind did not grow:
# what is seldom written is seldom rewarded.
#
# ### Another temperature, another match
#
# A policy has to try things out while it learns; whoever only wants its best story
# draws at a lower temperature, close to the likeliest words. Ask both again at 0.3.

# %%
desk.predict(
    "09/cool",
    "At 0.3, will PPO be nearer to instruct than at 0.7, or farther away?",
    options=["nearer", "as far", "farther away"],
)

# %% tags=["folded"]
cool_stories, cool_rollouts, cool_gold = judged(
    course.recipe.shared.cool_temperature
)
cool_wins = win_rate(cool_gold["ppo"], cool_gold["instruct"])
cool_kl = distance(cool_rollouts)
plots.win_rate_intervals(
    {
        "ppo, at 0.7": (wins.rate, low, high),
        "ppo, at 0.3": (cool_wins.rate, *cool_wins.interval),
    },
    against="instruct at the same temperature",
)

# %%
warm_nats, cool_nats = float(kl.mean()), float(cool_kl.mean())
desk.answer(
    "09/cool",
    "nearer"
    if cool_nats < warm_nats / 1.1
    else "farther away"
    if cool_nats > 1.1 * warm_nats
    else "as far",
    f"{about(cool_nats, 2)} nats a story instead of {about(warm_nats, 2)}, "
    f"and it wins {about(100 * cool_wins.rate, 2)} % instead of "
    f"{about(100 * wins.rate, 2)} %.",
)
claim(
    "At temperature 0.3, too, PPO wins at least 70 %",
    cool_wins.rate >= 0.70,
    measured=100 * cool_wins.rate,
    unit="%",
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
# contradicts the story. The gold score then falls, always.

# %%
desk.predict(
    "09/names",
    "How often does the reward model prefer the telling with the right name?",
    unit="%",
)


# %% tags=["folded"]
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

# %%
desk.answer(
    "09/names",
    100 * minds.rate,
    "A coin is right in 50. Two hundred pairs differed in a wrong name and "
    "nothing else, but it costs so little of the gold score that the votes on "
    "them were nearly even.",
    within=7,
)

# %% [markdown]
# How many stories are free of contradictions, before the practice and after it, warm
# and cool?

# %%
plots.share_intervals(
    {name: (share.rate, *share.interval) for name, share in consistent.items()},
    x_label="share of stories free of contradictions, with its 95 % interval",
)

# %% [markdown]
# The reward model does not see it, and yet the course's PPO contradicts itself more
# seldom than instruct. It was paid by two: by the reward model, for what people like,
# less a price for every contradiction, which a program counts. Who did what on which
# day can be verified, and what can be verified need not be learned from votes. (The
# short run of section 9 was paid by the reward model alone.)

# %% [markdown]
# Do the judges agree with each other? For each prompt, take both stories: does the
# reward model prefer the one with the higher gold score? (Prompts where the gold scores
# are equal are left out.)

# %%
desk.predict(
    "09/judges",
    "On which share of the prompts do the two judges prefer the same story?",
    unit="%",
)

# %% tags=["folded"]
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
plots.share_intervals(
    {"both judges prefer the same story": (same.rate, *same.interval)},
    chance=0.5,
    x_label="share of prompts, with its 95 % interval",
)

# %%
desk.answer(
    "09/judges",
    100 * same.rate,
    "The reward model was taught by people who feel the gold score, with "
    "noise; it did not learn all of it.",
    within=7,
)
claim(
    "They agree on more than half of the prompts",
    same.interval[0] > 0.5,
    measured=100 * same.rate,
    unit="%",
)

# %% [markdown]
# What the two judges see
# differently is what a policy can win from one and lose with the other, and it is paid
# for finding it.

# %% [markdown]
# ## 11 · Read them
#
# Numbers first, but never numbers only. The same prompts, both models. Look for what
# the gold score counts: images, voices, details, a twist; and for what it cannot
# see.

# %% tags=["folded"]
from llmlab import life, village
from llmlab.talking import SKILLS, speakers
from llmlab.widgets import Chat

course = life.course()
Chat(
    speakers(course, "instruct", "ppo"),
    examples=village.story_prompts(3, seed=course.seed + 1, split="test"),
    suggestions={"Story": SKILLS["Story"], "Translate": SKILLS["Translate"]},
    about=village.who_is_who(),
    temperature=course.recipe.shared.story_temperature,
)

# %% [markdown]
# ## What did not work at this size
#
# - **Names.** What the reward model does not see, it cannot teach the
#   policy. Five hundred pairs that differ in a name alone, with twenty votes on each,
#   taught it nothing either. The program that counts contradictions is a way round.
# - **Near the ceiling is not right.** The labels are noisy, and a reward model of this
#   size keeps errors of its own. Every one of them is an invitation to the policy.
# - **A dozen updates are no verdict.** The run in section 9 raises the reward.
#   Whether its stories are better, nobody has asked yet. You can: judge them as
#   section 10 does.
# - **Nothing guards the other trades.** The policy practised stories only, and the KL
#   price is charged on stories only. It forgot a quarter of its small talk, and of its
#   other trades about a hundredth ([what was measured](../data/measured.md)).
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

# %%
desk.quiz(
    "09",
    desk.ask(
        "All your labelled pairs are so close that half of the people prefer "
        "either. How accurate can a reward model be?",
        right=(
            f"right in {max(0.5, 1 - 0.5):.0%}",
            "The mean of max(p, 1 - p) is one half.",
        ),
        wrong=[
            (
                "as accurate as the data is large",
                "No amount of data predicts a coin.",
            ),
            (
                "right always: the gold score decides",
                "The gold scores may differ, but the labels do not show it.",
            ),
        ],
    ),
    desk.ask(
        "A token has a negative advantage and its ratio is 1.3. What does "
        "PPO do?",
        right=("It makes the token less probable.", "See the table."),
        wrong=[
            (
                "Nothing, it is clipped.",
                "The clip only stops what went far enough in the right "
                "direction. This one went in the wrong one.",
            ),
            (
                "It makes the token more probable.",
                "It was worse than usual, so it must become rarer.",
            ),
        ],
    ),
    desk.ask(
        "The reward rises and rises; the stories get shorter and stranger. "
        "What do you do?",
        right=(
            "Raise the KL price or stop earlier, and ask people about the new "
            "stories.",
            "Labels of the policy's own stories teach the reward model about "
            "its newest tricks.",
        ),
        wrong=[
            (
                "Train on, the reward is the goal.",
                "The reward stands for the goal. It has stopped doing so.",
            ),
            (
                "Lower the temperature.",
                "That changes what is drawn, not what is paid for.",
            ),
        ],
    ),
)

# %%
desk.tally("09")

# %% [markdown]
# ### Where to go from here
#
# **Exercises:** [problem set 6](../exercises/release/ps6/ps6.ipynb), the policy
# loss, and pairs that tell what a reward pays for.
# **Play:** all stages side by side are in
# [0 · Start here](00_start_here.ipynb).
