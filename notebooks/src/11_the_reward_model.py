# %% [markdown]
# # 11 · The reward model, and the cheapest way to use it
#
# **You will be able to** turn choices between two stories into a number for any
# story; say how good that number can be, and whose stories it is good for; find out,
# fault by fault, what it pays for; check that it knows how sure it is; use it without
# training anything, and say what that costs; learn from the best of eight with phase
# two's own loss.
#
# **You need** [7 · Instruction tuning](07_instruction_tuning.ipynb) and [10 · What
# people prefer](10_what_people_prefer.ipynb).
#
# **Time** 3 minutes to run on two processor cores, most of it stories being drawn; an
# hour and a half to work through.
#
# **Where we are in the model's life:** `instruct → reward`.

# %%
import copy
import math
from inspect import getsource

import torch

from llmlab import desk, life, plots, village
from llmlab.best_of_n import best, expected_best, kl_bound, sample_scores
from llmlab.claims import about, claim
from llmlab.evaluation import Share, explained_share, win_rate
from llmlab.instruction import instruction_step, render_example, render_prompt
from llmlab.optimisers import muon_and_adamw
from llmlab.preferences import (
    Comparison,
    accuracy_ceiling,
    crowd_preference,
    label,
)
from llmlab.reward import (
    RewardModel,
    accuracy,
    calibration_slope,
    encode_comparisons,
    expected_agreement,
    normalise,
    preference_loss,
    preference_step,
    reward_scores,
)
from llmlab.rollouts import log_probs_of, sequence_kl
from llmlab.training import train
from llmlab.village import gold as village_gold
from llmlab.widgets import TrainingMonitor

# %%
course = life.course()
tokenizer = course.tokenizer
instruct = course.load("instruct").requires_grad_(False)
crowd = life.annotators(course)

# %% [markdown]
# ## 1 · From a choice to a number
#
# [Chapter 10](10_what_people_prefer.ipynb) ended with strengths: numbers for ten
# stories that had been compared with each other, such that
#
# $$P(\text{first is preferred}) = \sigma(r_1 - r_2), \qquad
# \sigma(x) = \frac{1}{1 + e^{-x}}.$$
#
# They say nothing about an eleventh story. To have a number for *any* story, let it
# be computed from the text: the instruct model reads prompt and story, and where the
# story has ended, in place of the next token, one number is read off. That number is
# the **reward**, and the whole network is trained so that its differences explain the
# choices.

# %%
print(getsource(RewardModel.forward))

# %% [markdown]
# What is new is `head`: one weight for each of the 128 numbers that the network knows
# at the last token. The loss is Bradley and Terry's, the surprise at what was chosen:

# %%
print(getsource(preference_loss))

# %%
desk.predict(
    "11/same",
    "What is the loss of a model that gives all stories the same reward?",
    options=["0", "1/2", "ln 2", "1"],
)

# %%
same = float(preference_loss(torch.zeros(1), torch.zeros(1)))
ways = {"0": 0, "1/2": 1 / 2, "ln 2": math.log(2), "1": 1}
desk.answer(
    "11/same",
    min(ways, key=lambda way: abs(ways[way] - same)),
    f"It gives either story one half, and the surprise at one half is ln 2, "
    f"{math.log(2):.4f}. Whoever knows nothing pays that for every choice.",
)

# %% [markdown]
# Now let the winner's reward rise a little. How fast does the loss fall? Its
# derivative is short enough to do by hand: $-\ln\sigma(d)$ has the slope
# $-\sigma(-d)$, minus the probability that the model gave to the *other* choice.

# %%
desk.predict(
    "11/pull",
    "The winner is *behind* by 2. By how much does the loss fall for each unit "
    "by which its reward rises?",
    unit="nats a unit",
)

# %%
print("winner ahead by    loss   slope   by hand")
for ahead in (2.0, 0.0, -2.0):
    winner = torch.tensor([ahead], requires_grad=True)
    loss = preference_loss(winner, torch.zeros(1))
    loss.backward()
    by_hand = -1 / (1 + math.exp(ahead))
    slope = winner.grad.item()
    print(f"{ahead:+15.0f}{loss.item():8.4f}{slope:8.4f}{by_hand:10.4f}")

# %%
desk.answer(
    "11/pull",
    -by_hand,
    "A choice that was foreseen pulls at nothing; one that surprises, at full "
    "strength. This is how logistic regression learns, and it is nothing else.",
    within=0.05,
)

# %% [markdown]
# ## 2 · One pass
#
# So we need pairs, and somebody to choose. Whose pairs? A policy will be paid for the
# stories that it writes *itself*, so at least half of the pairs should be its own.
# Let the instruct model write eight stories to each of 160 prompts. (We shall need
# them again later: drawing stories is what costs most in this chapter.)

# %% tags=["folded"]
SAMPLES = 8
reward = course.load("reward").requires_grad_(False)
context = course.recipe.shared.context
how = dict(
    max_new_tokens=course.recipe.shared.story_tokens,
    temperature=course.recipe.shared.story_temperature,
)


def dice(seed):
    return torch.Generator().manual_seed(seed)


def draw(model, prompts, samples, seed):
    """Stories by prompt, `samples` to each; the rollout; the rewards."""
    rendered = [render_prompt(tokenizer, prompt) for prompt in prompts]
    rollout, scores = sample_scores(
        model, reward.score, rendered, dice(seed), samples=samples, **how
    )
    texts = [tokenizer.decode(response) for response in rollout.responses]
    stories = [
        texts[at : at + samples] for at in range(0, len(texts), samples)
    ]
    return stories, rollout, scores


def pairs_of(prompts, stories):
    """Stories to one prompt, two and two; none of them in two pairs."""
    return [
        village.StoryPair(prompt, *told[at : at + 2])
        for prompt, told in zip(prompts, stories, strict=True)
        for at in range(0, len(told), 2)
    ]


practice = village.story_prompts(160, seed=course.seed + 11, split="train")
written, rollout, chosen_by = draw(instruct, practice, SAMPLES, seed=1)
own = pairs_of(practice, written)
told = village.story_pairs(len(own), seed=course.seed + 11, split="train")
print(len(own), "pairs of its own,", len(told), "pairs of tellings")

# %% [markdown]
# The crowd of chapter 10 chooses, ten people a pair. (Ten votes say far more than one
# about a pair whose two stories are close, and the machine reads it only once: the
# loss takes the share of the votes, `shares`.) Because these people are simulated,
# the exact probability $p$ of each choice is known, and with it the least loss that
# anybody could have, that of a model which knew every $p$: the mean of
#
# $$-p \ln p - (1 - p) \ln (1 - p).$$

# %%
desk.predict(
    "11/least",
    "A model that knows nothing pays ln 2, 0.69 nats. What does one pay that "
    "knows every p?",
    unit="nats",
)

# %% tags=["folded"]
def felt_by_the_crowd(pairs):
    """The exact probability that one of them prefers the first, (pairs,)."""
    gold = village.gold_score
    scores = [
        (gold(pair.prompt, pair.first), gold(pair.prompt, pair.second))
        for pair in pairs
    ]
    shares = [crowd_preference(crowd, *two) for two in scores]
    return torch.tensor(shares, dtype=torch.float64)


VOTES = 10


def votes_on(pairs, seed):
    """What ten people of the crowd say to each pair."""
    return label(
        pairs, village.gold_score, crowd, dice(seed), labels_per_pair=VOTES
    )


labels = votes_on(own + told, seed=2)
print(f"{len(labels):,} labels")
p = felt_by_the_crowd(own + told)
least = float(-(p * p.log() + (1 - p) * (1 - p).log()).mean())

# %%
desk.answer(
    "11/least",
    least,
    "People are unsure and careless, so even perfect knowledge is surprised "
    "most of the time. All that there is to learn lies between these two "
    "numbers.",
    within=0.04,
)

# %% [markdown]
# Train the head and the whole body below it: one pass, every pair once. (Ouyang et
# al. 2022 stop there: a second pass learns by heart who said what.) Since no pair was
# seen before, the loss of each update is measured on labels that are new to the
# model.

# %%
print(getsource(reward_scores))

# %% tags=["folded"]
PAIRS_A_STEP = 16


def learn(model, labels, what):
    """One pass over the labels; the history of the run."""
    pairs = encode_comparisons(labels, tokenizer, context=context)
    steps = len(pairs) // PAIRS_A_STEP
    rates = course.recipe.reward
    optimizers = muon_and_adamw(
        model, matrix_rate=rates.matrix_rate, other_rate=rates.other_rate
    )
    step = preference_step(
        model,
        reward_scores(model),
        pairs,
        optimizers,
        steps=steps,
        comparisons=PAIRS_A_STEP,
    )
    return train(
        step,
        steps=steps,
        modules={"model": model},
        optimizers=optimizers,
        seed=0,
        progress=TrainingMonitor(),
        label=what,
        after_a_stop="run the cell again, and it begins anew",
    )


small = RewardModel(instruct)
history = learn(small, labels, "the reward model")
small.requires_grad_(False)
normalise(
    small,
    [
        prompt + response
        for prompt, response in zip(
            rollout.prompts[:200], rollout.responses[:200], strict=True
        )
    ],
)

# %% tags=["folded"]
EVERY = 10
means = [
    sum(update["loss"] for update in history[at : at + EVERY]) / EVERY
    for at in range(0, len(history) - EVERY + 1, EVERY)
]
seen = [PAIRS_A_STEP * EVERY * (n + 1) for n in range(len(means))]
plots.lines(
    seen,
    {
        "loss on new labels": means,
        "knows nothing: ln 2": [math.log(2)] * len(means),
        "knows every p": [least] * len(means),
    },
    x_label="pairs learned from",
    y_label="nats a choice",
)

# %% [markdown]
# ## 3 · How good can it be, and for whose stories?
#
# How often does a reward model agree with a person? Drawn labels would blur the
# answer by some points. But we know $p$: whoever prefers the first story agrees with
# a person with probability $p$, and otherwise with $1 - p$. The average over all
# pairs is exact, and so is its **ceiling**, the mean of $\max(p, 1 - p)$.
#
# And one figure is not enough. The village's tellings differ in what the gold score
# counts and in little else; the model's own stories differ in its mistakes as well.
# So ask about each by itself, on prompts of the test, and ask two reward models: the
# one of a minute ago, and the one that the course ships, which learned from many more
# labels.

# %%
for name, value in vars(course.recipe.reward).items():
    print(f"{name:22} {value}")

# %%
desk.predict(
    "11/nearer",
    "For which kind of pairs is the course's reward model nearer to the "
    "ceiling?",
    options=[
        "tellings by the village",
        "instruct's own stories",
        "equally near",
    ],
)

# %% tags=["folded"]
asked = village.story_prompts(40, seed=course.seed + 1, split="test")
TRIED = 16
tried, tried_rollout, tried_scores = draw(instruct, asked, TRIED, seed=3)
test = {
    "tellings by the village": village.story_pairs(
        300, seed=course.seed + 1, split="test"
    ),
    "instruct's own stories": pairs_of(asked, tried),
}
models = {f"{len(labels):,} labels": small, "the course's": reward}


def rewards_of(model, pairs):
    """Rewards of both stories, (pairs, 2), in nats: the unit of the loss."""
    texts = [
        render_example(tokenizer, pair.prompt, story)[0]
        for pair in pairs
        for story in (pair.first, pair.second)
    ]
    return model.score_texts(texts).view(-1, 2) / model.gain


def on_the_way(rewards, pairs):
    """How much of what can be learned it has: 0 is a coin, 1 is the ceiling.

    With its interval; then its agreement with a person, and the ceiling."""
    felt = felt_by_the_crowd(pairs)
    agrees = expected_agreement(*rewards.T, felt)
    room = accuracy_ceiling(felt) - 0.5
    share = (agrees.mean().item() - 0.5) / room
    error = 1.96 * (agrees.std().item() / len(agrees) ** 0.5) / room
    point = share, share - error, share + error
    clipped = tuple(min(1.0, max(0.0, value)) for value in point)
    return clipped, agrees.mean().item(), 0.5 + room


test_rewards = {
    (kind, name): rewards_of(model, pairs)
    for kind, pairs in test.items()
    for name, model in models.items()
}
found = {
    (kind, name): on_the_way(rewards, test[kind])
    for (kind, name), rewards in test_rewards.items()
}
for (kind, name), (_, agrees, ceiling) in found.items():
    told = f"{about(100 * agrees)} % of a ceiling of {about(100 * ceiling)} %"
    print(f"{kind:23}  {name:13} {told}")
plots.share_intervals(
    {f"{kind}, {name}": point for (kind, name), (point, *_) in found.items()},
    x_label="share of the way from a coin (0) to the ceiling (1)",
)

# %%
few, many = models
way = {kind: found[kind, many][0][0] for kind in test}
nearest = max(way, key=way.get)
desk.answer(
    "11/nearer",
    "equally near" if max(way.values()) - min(way.values()) < 0.05 else nearest,
    "A policy is paid for stories of its own, so it is that figure which "
    "counts.",
)
for kind, bound in zip(test, (0.7, 0.35), strict=True):
    claim(
        f"{kind}: the course's reward model has gone at least {bound:.0%} of "
        "the way",
        way[kind] >= bound,
        measured=100 * way[kind],
        unit="%",
    )
claim(
    "More labels lead further, for its own stories too",
    way["instruct's own stories"] > found["instruct's own stories", few][0][0],
    measured=100 * found["instruct's own stories", few][0][0],
    unit="% with the fewer labels",
)

# %% [markdown]
# ## 4 · A bench of faults
#
# An accuracy does not say *why* a story is liked. Two stories of one pair differ in a
# hundred things. So take a good telling and change *one* thing: add a sentence that
# may stand there, or make a fault that a policy has been seen to make. Here is one
# with a wrong name.

# %% tags=["folded"]
edit = village.story_edits(1, kind="wrong name", seed=4, split="test")[0]
before, after = edit.before.split(), edit.after.split()
spot = [a != b for a, b in zip(before, after, strict=True)].index(True)
around = slice(max(0, spot - 14), spot + 10)
desk.read(edit.prompt)
desk.read("\n… " + " ".join(before[around]) + " …")
desk.read("\n… " + " ".join(after[around]) + " …")

# %% [markdown]
# The village can make such edits of many kinds, and the reader behind the gold score
# checks that each changed what it should and nothing else. The **price** of an edit
# is the gold score after it, less that before it.

# %% tags=["folded"]
KINDS = (*village.ADDITIONS, *village.FAULTS)
edits = {
    kind: village.story_edits(40, kind=kind, seed=course.seed + 1, split="test")
    for kind in KINDS
}


def as_pairs(edited):
    """The edited telling first, the telling as it was second."""
    return [village.StoryPair(e.prompt, e.after, e.before) for e in edited]


def price(pair):
    """Gold of the first story less gold of the second."""
    first = village.gold_score(pair.prompt, pair.first)
    return first - village.gold_score(pair.prompt, pair.second)


print("edit                  gold's price")
for kind in KINDS:
    prices = [price(pair) for pair in as_pairs(edits[kind])]
    print(f"{kind:22}{sum(prices) / len(prices):+10.2f}")

# %% [markdown]
# The gold score is felt by people, with noise. So every price is also a probability:
# how many of a hundred people would prefer the *edited* telling? The reward model
# says such a probability too, $\sigma$ of the difference of its rewards. Now the two
# can stand side by side, on one scale.

# %%
desk.predict(
    "11/pays",
    "Which of these does the reward model like most?",
    options=["twist", "line", "simile", "detail", "fact"],
)
desk.predict(
    "11/names",
    "One wrong name in a hundred words. In how many of 100 cases does the "
    "reward model prefer the telling with the right one?",
    unit="of 100",
)

# %% tags=["folded"]
def judged(before, after):
    """How often the telling without the fault scores higher."""
    return Share(accuracy(before, after) * len(before), len(before))


bench, liked, rightly = {}, {}, {name: {} for name in models}
for kind in KINDS:
    pairs = as_pairs(edits[kind])
    bench[kind] = rewards_of(reward, pairs)
    after, before = bench[kind].T
    felt = felt_by_the_crowd(pairs).mean().item()
    liked[kind] = (felt, (after - before).sigmoid().mean().item())
    if kind in village.FAULTS:
        rightly[many][kind] = judged(before, after)
        after, before = rewards_of(small, pairs).T
        rightly[few][kind] = judged(before, after)
plots.dumbbells(
    liked,
    ("the crowd", "the reward model"),
    x_label="share that prefers the edited telling",
)

# %%
most = max(village.ADDITIONS, key=lambda kind: liked[kind][1])
desk.answer(
    "11/pays",
    most,
    f"The reward model says that {about(100 * liked[most][1], 2)} of 100 would "
    f"prefer it; the crowd: {about(100 * liked[most][0], 2)}.",
)
for kind in ("twist", "line", "simile", "detail"):
    claim(
        f"The reward model likes one more {kind}",
        liked[kind][1] > 0.52,
        measured=f"{about(100 * liked[kind][1], 2)} of 100",
    )

# %% [markdown]
# The means hide how often it is right in the single case. For each fault: how often
# is the telling without it preferred? A coin is right in half of them, the dashed
# line.

# %% tags=["folded"]
plots.intervals_by_row(
    village.FAULTS,
    {
        name: [(share.rate, *share.interval) for share in by_kind.values()]
        for name, by_kind in rightly.items()
    },
    x_label="share judged rightly, with its 95 % interval",
    chance=0.5,
)

# %%
names = 100 * rightly["the course's"]["wrong name"].rate
few_names = 100 * rightly[few]["wrong name"].rate
desk.answer(
    "11/names",
    names,
    f"With {few} it is {about(few_names, 2)}. A wrong name is "
    "one word. It is drowned by everything else in which two stories differ, "
    "and no label says which of the differences was meant.",
    within=10,
)
ends = 100 * rightly["the course's"]["no end"].rate
claim(
    "A telling without its end is the worse one to it in at least 8 of 10",
    ends >= 80,
    measured=f"{about(ends, 2)} of 100",
)

# %% [markdown]
# One remedy lies near: pairs that differ in *nothing but* the fault. The settings
# printed in section 3 say how many of them the course's model has learned from, on
# other prompts (`edited`), and how many people saw each (`labels`). Compare that with
# the picture: where the course's model still judges like a coin, they were not
# enough. Such a pair says little, since of ten people only about six mind one wrong
# name, and what stands in one word of a hundred must be carried to the end of the
# story.
#
# There is another remedy, and it is better. Who did what on which day, and which
# sentence belongs where, can be *verified*. What a program can check need not be
# learned from labels at all: let it count these faults, and take a price for each off
# the reward. (It is the reader that the gold score reads with. It says what is wrong,
# and nothing of what is good.)

# %% tags=["folded"]
PRICE = course.recipe.ppo.fault_price  # in deviations of the reward


def faults(prompts, stories):
    """How many faults the program finds; stories by prompt, in rows."""
    return torch.tensor(
        [
            [
                village_gold.read(prompt, story).verifiable_faults
                for story in told
            ]
            for prompt, told in zip(prompts, stories, strict=True)
        ]
    )


with_a_program = {}
for kind in village.FAULTS:
    pairs = as_pairs(edits[kind])
    told = [[pair.first, pair.second] for pair in pairs]
    counted = faults([pair.prompt for pair in pairs], told)
    after, before = (reward.gain * bench[kind] - PRICE * counted).T
    with_a_program[kind] = judged(before, after)
plots.intervals_by_row(
    village.FAULTS,
    {
        name: [(share.rate, *share.interval) for share in by_kind.values()]
        for name, by_kind in {
            "the course's": rightly[many],
            "the same, and a program": with_a_program,
        }.items()
    },
    x_label="share judged rightly, with its 95 % interval",
    chance=0.5,
)

# %%
found_names = 100 * with_a_program["wrong name"].rate
claim(
    "With the program, at least 9 of 10 wrong names are found",
    found_names >= 90,
    measured=f"{about(found_names, 2)} of 100",
)

# %% [markdown]
# A bench says only what was asked. That these faults are found says nothing about
# those that nobody thought of.

# %% [markdown]
# ## 5 · Does it know how sure it is?
#
# $\sigma(r_1 - r_2)$ is a probability. If it says 80 %, then 80 of 100 people should
# prefer the first story. Each point below is a group of pairs about which it was
# about equally sure; perfect honesty is the diagonal. For each pair one person is
# asked, with the two orders of showing them averaged.

# %%
desk.predict(
    "11/sure",
    "Take the pairs of which it is 75 to 85 % sure. How many of 100 people "
    "agree?",
    unit="of 100",
)

# %% tags=["folded"]
everything = [pair for pairs in test.values() for pair in pairs]
felt = felt_by_the_crowd(everything)
in_nats = torch.cat([test_rewards[kind, many] for kind in test])
differences = (in_nats[:, 0] - in_nats[:, 1]).double()
said = differences.sigmoid()
chosen = torch.bernoulli(felt, generator=dice(5))
plots.calibration(said.tolist(), chosen.tolist(), bins=8)

# %%
sure = torch.maximum(said, 1 - said)
for_it = torch.where(said > 0.5, felt, 1 - felt)
inside = (sure > 0.75) & (sure < 0.85)
desk.answer(
    "11/sure",
    100 * for_it[inside].mean().item(),
    f"There are {about(int(inside.sum()), 2)} such pairs. No label is drawn "
    "for this number.",
    within=5,
)

# %% [markdown]
# One number says it for all pairs: by what must its differences be multiplied to be
# honest? More than 1: it is too modest. Less than 1: it is too sure of itself.

# %%
slopes = {}
start = 0
for kind, pairs in test.items():
    part = slice(start, start + len(pairs))
    slopes[kind] = calibration_slope(differences[part], felt[part])
    start = part.stop
for kind, slope in slopes.items():
    claim(
        f"{kind}: the slope lies between 0.5 and 1.6",
        0.5 < slope < 1.6,
        measured=slope,
    )

# %% [markdown]
# ## 6 · Is it only length?
#
# A well-known trap: people like longer answers a little, the reward model learns it,
# and the policy writes endlessly. Does ours pay for length? Take the model's own
# stories, and ask how much of the *differences* in reward is explained by the
# differences in words: their squared correlation, $R^2$.

# %%
desk.predict(
    "11/length",
    "Which share of the differences in reward do the differences in words "
    "explain?",
    unit="%",
)

# %% tags=["folded"]
own_test = test["instruct's own stories"]
own_rewards = in_nats[-len(own_test) :]
paid = (own_rewards[:, 0] - own_rewards[:, 1]).tolist()


def difference(of):
    """A number of the first story less that of the second, for each pair."""
    return [
        float(of(pair.prompt, pair.first) - of(pair.prompt, pair.second))
        for pair in own_test
    ]


def additions(prompt, story):
    """How many similes, lines, details and twists it has where they belong."""
    return sum(village_gold.read(prompt, story).counts.values())


words = difference(lambda prompt, story: len(story.split()))
true = difference(village.gold_score)
added = difference(additions)
alone = explained_share(paid, words)

# %%
desk.answer(
    "11/length",
    100 * alone,
    "So it is length? But the gold score, too, goes with length, to "
    f"{about(100 * explained_share(true, words), 2)} %, though it never "
    "counts a word: an image is a sentence more.",
    within=10,
)

# %% [markdown]
# What would be a fault is to pay for length *at equal quality*. So take away from
# both, reward and words, what quality explains of them, and correlate what is left:
# the **partial** $R^2$.

# %%
print(getsource(explained_share))

# %% tags=["folded"]
given = {
    "nothing": [],
    "the gold score": [true],
    "the number of additions": [added],
    "additions and the gold score": [added, true],
}
for name, causes in given.items():
    share = explained_share(paid, words, causes)
    print(f"given {name:30}{about(100 * share, 2)} %")

# %% [markdown]
# Given the gold score, much is left; given what was *added*, less. Why? The gold
# score also takes off for contradictions. If the reward model overlooks those, its
# rewards follow the additions alone, and with them the words, more closely than gold
# does. A correlation cannot tell this from a love of long stories.
#
# An experiment can, and section 4 made it: the same telling with one plain fact more
# is longer and nothing else.

# %%
longer = sum(
    len(edit.after.split()) - len(edit.before.split()) for edit in edits["fact"]
) / len(edits["fact"])
claim(
    "A fact makes a telling several words longer, and moves the reward "
    "model by less than 10 points",
    longer > 3 and abs(liked["fact"][1] - 0.5) < 0.1,
    measured=f"{about(longer, 2)} words, "
    f"{about(100 * liked['fact'][1], 2)} of 100 prefer it",
)

# %% [markdown]
# ## 7 · The best of n
#
# Now the cheapest way to use a reward, which trains nothing. Draw $n$ stories, score
# them, keep the best. It makes a new policy of the old one: slower to write by a
# factor of $n$, and better. By how much, and how far away from the old one?
#
# Both have exact answers. If no two rewards are equal, the best of $n$ beats one more
# story with probability $n / (n + 1)$: among $n + 1$ stories each is as likely to be
# the best as any other. And its distance from the policy, in nats, is at most
#
# $$\log n - \frac{n - 1}{n}$$
#
# (Beirami et al. 2024).

# %%
desk.predict(
    "11/beats",
    "How often is the best of eight scored higher than a ninth story?",
    unit="%",
)
desk.predict(
    "11/bound",
    "How far is the best of eight from the policy, at most? (ln 8 is 2.08.)",
    unit="nats",
)

# %% tags=["folded"]
tried_gold = torch.tensor(
    [
        [village.gold_score(prompt, story) for story in told]
        for prompt, told in zip(asked, tried, strict=True)
    ]
)
picked = tried_scores[:, :8].argmax(dim=1, keepdim=True)


def wins_of_eight(scores):
    """The best of the first eight by reward, against each of the last eight."""
    champion = scores[:, :8].gather(1, picked).expand(-1, TRIED - 8)
    others = scores[:, 8:]
    return win_rate(champion.flatten().tolist(), others.flatten().tolist())


by_reward, by_gold = map(wins_of_eight, (tried_scores, tried_gold))

# %%
desk.answer(
    "11/beats",
    100 * by_reward.rate,
    f"By the formula 8/9, {8 / 9:.0%}. Judged by gold it is "
    f"{about(100 * by_gold.rate, 2)} %: the reward is not the truth.",
    within=5,
)
desk.answer(
    "11/bound",
    kl_bound(8),
    "No other way of using a reward gets so much for so few nats; it pays in "
    "time instead, eight stories for one.",
    within=0.1,
)

# %% [markdown]
# The 16 stories to each prompt also tell what the best of 1, 2, 4 and 8 would have
# been worth, without drawing again and without bias: a story that is the fifth from
# below is the best of three in so and so many of the possible choices of three. Three
# judges choose: the reward model; the same less the price of the faults; and the
# gold score itself, an **oracle** that no reward can do better than.

# %%
desk.predict(
    "11/oracle",
    "At n = 8: which share of the oracle's gain in gold does the reward model "
    "have?",
    unit="%",
)

# %% tags=["folded"]
NS = [1, 2, 4, 8, 16]
priced = tried_scores - PRICE * faults(asked, tried)
judges = {
    "the reward model": tried_scores,
    "the same, and a program": priced,
    "gold, the oracle": tried_gold,
}
worth = {
    judge: [
        expected_best(scores, n, tried_gold).mean().item() for n in NS
    ]
    for judge, scores in judges.items()
}
print(" n   nats at most   beats one more   reward")
for n in NS:
    rewarded = expected_best(tried_scores, n).mean().item()
    wins = n / (n + 1)
    print(f"{n:2}{kl_bound(n):13.2f}{wins:16.0%}     {about(rewarded, 2)}")

# %% tags=["folded"]
plots.lines(
    [kl_bound(n) for n in NS],
    worth,
    x_label="nats from instruct, at most (best of 1, 2, 4, 8, 16)",
    y_label="gold score of what is kept",
)

# %%
learned, helped, oracle = (line[3] - line[0] for line in worth.values())
desk.answer(
    "11/oracle",
    100 * learned / oracle,
    f"{about(learned, 2)} points instead of {about(oracle, 2)}, and "
    f"{about(helped, 2)} with the program's help. The distance "
    "to the oracle is the price of a reward that was learned.",
    within=10,
)
claim(
    "The best of 8 is better than a single story by at least 0.4 points of "
    "gold",
    learned >= 0.4,
    measured=learned,
    unit="points",
)
first_gap, last_gap = (
    worth["gold, the oracle"][place] - worth["the reward model"][place]
    for place in (1, 4)
)
claim(
    "The reward model lags further behind the oracle at 16 than at 2",
    last_gap > first_gap,
    measured=last_gap - first_gap,
    unit="points wider",
)
claim(
    "The reward model has at least half of the oracle's gain",
    learned >= 0.5 * oracle,
    measured=100 * learned / oracle,
    unit="%",
)

# %% [markdown]
# ## 8 · Learning from the best of eight
#
# Eight stories for one is a price that every reader pays anew. So pay it once: take
# the best of eight to each practice prompt (by reward, less the price of the
# faults), and *tune on them*, with nothing but the loss of phase two. This is
# called **rejection sampling** (Touvron et al. 2023, Llama 2). No critic, no clip, no
# ratio.

# %%
desk.predict(
    "11/tuned",
    "Afterwards it writes one story to each prompt. How good is that?",
    options=[
        "as instruct",
        "between instruct and the best of eight",
        "as the best of eight, or better",
    ],
)

# %%
bought = chosen_by - PRICE * faults(practice, written)
kept = best(rollout, bought)
examples = []
for prompt, story in zip(rollout.prompts[::SAMPLES], kept, strict=True):
    learned_from = [False] * len(prompt) + [True] * len(story)
    examples.append((prompt + story, learned_from))

# %% tags=["folded"]
tuned = course.load("instruct")
STEPS = 60
optimizers = muon_and_adamw(tuned, matrix_rate=0.0006, other_rate=0.0006)
step = instruction_step(
    tuned,
    examples,
    optimizers,
    steps=STEPS,
    row_length=context,
    rows_per_batch=6,
    seed=0,
)
train(
    step,
    steps=STEPS,
    modules={"model": tuned},
    optimizers=optimizers,
    seed=0,
    progress=TrainingMonitor(),
    label="tuning on the best of eight",
    after_a_stop="run the cell again, and it begins anew",
)
tuned.requires_grad_(False)
AGAIN = 4
new, new_rollout, new_scores = draw(tuned, asked, AGAIN, seed=6)
new_gold = torch.tensor(
    [
        [village.gold_score(prompt, story) for story in told]
        for prompt, told in zip(asked, new, strict=True)
    ]
)
plots.score_histograms(
    {
        "instruct": tried_gold.flatten().tolist(),
        "tuned on its best of eight": new_gold.flatten().tolist(),
    }
)

# %% tags=["folded"]
def shown(prompts, stories):
    """The kind of every sentence of the first story to each prompt."""
    return [
        village_gold.read(prompt, told[0]).kinds
        for prompt, told in zip(prompts, stories, strict=True)
    ]


plots.story_strips(
    {
        "instruct": shown(asked[:14], tried[:14]),
        "tuned on its best of eight": shown(asked[:14], new[:14]),
    }
)

# %%
now, was, best_of_8 = (
    new_gold.mean().item(),
    worth["the same, and a program"][0],
    worth["the same, and a program"][3],
)
desk.answer(
    "11/tuned",
    "as instruct"
    if now < was + 0.15
    else "as the best of eight, or better"
    if now > best_of_8 - 0.1
    else "between instruct and the best of eight",
    f"{about(now)} points of gold; instruct {about(was)}, the best of eight "
    f"{about(best_of_8)}.",
)
claim(
    "One story of the tuned model is better than one of instruct",
    now > was,
    measured=now - was,
    unit="points",
)

# %% [markdown]
# One story now, at the price of one. How far has it gone for that?

# %%
spent = sequence_kl(
    log_probs_of(tuned, new_rollout),
    log_probs_of(instruct, new_rollout),
    new_rollout.mask,
)
claim(
    "Its stories lie less than 12 nats from instruct",
    spent.mean() < 12,
    measured=spent.mean().item(),
    unit="nats",
)

# %% [markdown]
# What it learned from is little: for each prompt the one story that was liked best.
# Of the other seven it heard nothing, so it does not know what to avoid; and look at
# the red cells of the strips: whoever says more errs more. [Chapter
# 12](12_ppo.ipynb) learns from all stories, the bad ones included, over and over with
# fresh ones.

# %% [markdown]
# ## 9 · A second round
#
# The tuned model writes other stories than instruct did. The reward model has never
# been asked about those. The usual remedy is a second round: the improved policy
# writes, the crowd compares, the reward model learns on. We do it with the small
# reward model, and beside it a *control*: as many new labels, but of tellings by the
# village. So we see whether it is the labels, or whose stories they are about.
#
# Four stories to a prompt make six pairs, each story in three of them (Ouyang et al.
# 2022 take four to nine): pairs are dear in people, and cheap in stories.

# %%
desk.predict(
    "11/round",
    "On pairs of the tuned model's stories, which gets nearer to the ceiling?",
    options=[
        "the old reward model",
        "more tellings",
        "its own stories labelled",
    ],
)

# %% tags=["folded"]
def all_pairs(prompts, stories):
    """Every two stories to one prompt."""
    return [
        village.StoryPair(prompt, one, other)
        for prompt, told in zip(prompts, stories, strict=True)
        for number, one in enumerate(told)
        for other in told[number + 1 :]
    ]


again = village.story_prompts(80, seed=course.seed + 12, split="train")
latest, _, _ = draw(tuned, again, AGAIN, seed=7)
fresh = {
    "its own stories labelled": all_pairs(again, latest),
    "more tellings": village.story_pairs(
        480, seed=course.seed + 12, split="train"
    ),
}
rounds = {"the old reward model": small}
for what, pairs in fresh.items():
    model = copy.deepcopy(small).requires_grad_(True)
    learn(model, votes_on(pairs, seed=8), what)
    rounds[what] = model.requires_grad_(False)
latest_test = all_pairs(asked, new)
after = {
    name: on_the_way(rewards_of(model, latest_test), latest_test)
    for name, model in rounds.items()
}
plots.share_intervals(
    {name: found[0] for name, found in after.items()},
    x_label="share of the way from a coin (0) to the ceiling (1)",
)

# %%
furthest = max(after, key=lambda name: after[name][1])
desk.answer(
    "11/round",
    furthest,
    "In points of agreement: "
    + ", ".join(
        f"{name} {about(100 * found[1])}" for name, found in after.items()
    )
    + f"; the ceiling is {about(100 * after[furthest][2])}.",
)

# %% [markdown]
# And the honest cost. The machine's part is half a minute. The people's part is not:
# a label takes about twenty seconds, so one round is

# %%
count = VOTES * len(fresh["its own stories labelled"])
hours = count * 20 / 3600
print(f"{count:,} labels at 20 seconds each: {hours:.1f} hours of a person")

# %% [markdown]
# for what the picture shows; and at the next round the policy will have moved again.

# %% [markdown]
# ## What must not go wrong silently
#
# A pair of which one side is missing. Rewards that are all equal, so that there is no
# best. A reward that is not a number, which `argmax` would call the best of all. Each
# is refused, or does no harm:

# %%
half = Comparison("Write a story.", "", "A story.", 1, "somebody", "simulated")
try:
    encode_comparisons([half], tokenizer, context=context)
except ValueError as error:
    desk.read(str(error))

# %%
four = torch.tensor([[1.0, 2.0, 3.0, 6.0]])
equal = expected_best(torch.zeros(1, 4), 3, four)
print("best of 3 by a reward that is the same for all:", float(equal))
print("the mean of the four:                          ", (1 + 2 + 3 + 6) / 4)

# %%
broken = torch.tensor([[0.3, float("nan"), 2.0]])
print("argmax takes number", int(broken.argmax()) + 1)
try:
    expected_best(broken, 2)
except ValueError as error:
    desk.read(str(error))

# %% [markdown]
# ## What did not work at this size
#
# - **Reading the reward at every token.** Where a wrong name stands, the network is
#   surprised by it; so we let the head read every token and added up. With the same
#   labels it saw names no better.
# - **Near the ceiling is not right.** The labels are noisy, and so is what was
#   learned from them. Every error of a reward model is an invitation to the policy.
# - **More tries instead of a better reward.** The more stories there are to choose
#   from, the oftener the one is chosen about which the reward model errs most: in
#   section 7 it lags further behind the oracle at 16 than at 2.

# %% [markdown]
# ## What you learned
#
# - A reward model is the instruct model with one number at the end, trained on the
#   surprise at people's choices: logistic regression on differences.
# - Its accuracy belongs beside a ceiling, and both belong to a population of stories:
#   a policy is paid for its own.
# - Edits of one thing say what is paid for. What is one word in a hundred, such as a
#   name, is hard to learn from labels; what can be verified, a program should count.
# - A reward is a probability too, and can be checked as one.
# - The best of n is exact to reason about: n/(n + 1) wins by the reward, and at most
#   log n − (n − 1)/n nats away. Tuning on it puts the gain into the weights.

# %%
desk.quiz(
    "11",
    desk.ask(
        "A reward model agrees with people on 74 % of the village's tellings, "
        "where 75 % is the ceiling. May a policy be trained on it?",
        right=(
            "That cannot be said: ask about the policy's own stories.",
            "It is paid for what it writes, and makes mistakes that tellings "
            "lack.",
        ),
        wrong=[
            (
                "Yes, it is nearly perfect.",
                "On tellings. A policy writes other stories, with other "
                "mistakes.",
            ),
            (
                "No, a quarter of its judgements are wrong.",
                "Nobody can be right about a coin: the ceiling is 75 %.",
            ),
        ],
    ),
    desk.ask(
        "Rewards correlate with length. What do you look at before you call it "
        "a fault?",
        right=(
            "How much length explains once quality is known.",
            "Good stories are longer here, so the correlation alone says "
            "nothing.",
        ),
        wrong=[
            (
                "The accuracy on pairs of equal length.",
                "It may be high while length is paid for where lengths differ.",
            ),
            (
                "Nothing, a reward must not see length.",
                "It sees the text, and a good story takes room.",
            ),
        ],
    ),
    desk.ask(
        "You draw 64 stories instead of 8 and keep the best by reward. What is "
        "certain?",
        right=(
            "The reward is higher, and at most 3.2 nats were spent.",
            f"ln 64 − 63/64 is {kl_bound(64):.2f}. Gold may rise or fall.",
        ),
        wrong=[
            (
                "The stories are better.",
                "By the reward. Where it errs, 64 tries find the error sooner.",
            ),
            (
                "Eight times the nats were spent.",
                "The bound grows with the logarithm of n.",
            ),
        ],
    ),
)

# %%
desk.tally("11")

# %% [markdown]
# ### Where to go from here
#
# **Exercises:** [problem set 7](../exercises/release/ps7/ps7.ipynb): from choices to a
# loss, what the best of n is worth, pairs that tell what a reward pays for. **Next:**
# whose taste was this? [11b · Your taste in forty clicks](11b_your_taste.ipynb) asks
# for yours. And [12 · PPO](12_ppo.ipynb) learns from every story that it writes.
