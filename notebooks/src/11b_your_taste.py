# %% [markdown]
# # 11b · Your taste in forty clicks
#
# **You will be able to** make a reward of your own from as many clicks as one person
# has patience for; choose the pairs that are worth a click; steer a model by that
# reward in about a minute; and find out, blind, whether you notice.
#
# **You need** [11 · The reward model](11_the_reward_model.ipynb).
#
# **Time** 3 minutes to run on two processor cores, most of it one training run; half an
# hour to work through, clicks included.
#
# **Where we are in the model's life:** beside the road. `instruct → your own`.

# %%
import json
import math
import time
from inspect import getsource

import torch
from IPython.display import display

from llmlab import desk, life, plots, taste, village
from llmlab.checkpoints import weights_hash
from llmlab.claims import about, claim
from llmlab.evaluation import Share
from llmlab.instruction import render_prompt
from llmlab.paths import DATA, RUNS
from llmlab.preferences import Comparison, LabelStore, pair_name
from llmlab.taste import (
    READERS,
    fit,
    interview,
    next_pairs,
    pair_differences,
)
from llmlab.widgets import PairLabeller, TrainingMonitor

# %%
course = life.course()
tokenizer = course.tokenizer
instruct = course.load("instruct").requires_grad_(False)

# %% [markdown]
# ## 1 · One reader
#
# The reward of chapter 11 is the taste of a crowd, and it took thousands of labels. You
# are not a crowd. Perhaps you like stories in which people *talk*; or comparisons; or
# you want it short. Nobody will make a thousand clicks to say so. Forty are ten
# minutes.
#
# So that what comes can be checked, here are five readers whose taste is known exactly.
# Each counts one thing in a story, clicks on the story that has more of it, and says
# "equally good" where there is no difference. They see nothing else: not the plot, not
# the names, not whether it is any good.

# %%
print(", ".join(READERS))

# %%
desk.predict(
    "11b/forty",
    "The reader who likes dialogue has clicked on forty pairs. On how many of "
    "100 new pairs that differ in it will the reward prefer the right story?",
    unit="of 100",
)

# %% [markdown]
# ## 2 · Only a direction
#
# Chapter 11 trained all the weights of a network. With forty labels it would learn the
# forty by heart. But think what the network need *not* learn: it writes dialogue
# itself, so its hidden states must hold, in some way, that somebody is speaking. All
# that the clicks have to tell is **which way to look**.
#
# So the model stays as it is. It reads a story, and of the last layer's states at the
# story's tokens we keep two things: their sum (how much is there of it?) and their
# maximum (is there any at all?). That makes 256 numbers a story, its **features**.

# %%
print(getsource(taste.summary))

# %% [markdown]
# The reward is a weighted sum of them. What has to be found is one **direction**, a
# weight for each feature; and the loss is again Bradley and Terry's, on the difference
# of two stories' features.
#
# Only that there are 256 unknowns and 40 clicks. Take the smallest case: one feature,
# one click. The first story has one unit more of it, and won.

# %%
desk.predict(
    "11b/endless",
    "Which weight makes this one click most probable?",
    options=["1", "ln 2", "there is no largest: ever more is ever better"],
)

# %%
weights = [0.0, 1.0, 2.0, 4.0, 8.0]
print("weight   surprise   ridge   together")
for weight in weights:
    surprise = math.log(1 + math.exp(-weight))
    price = taste.RIDGE / 2 * weight**2
    print(f"{weight:6.1f}{surprise:11.4f}{price:8.2f}{surprise + price:11.4f}")

# %%
losses = [math.log(1 + math.exp(-weight)) for weight in weights]
falls = all(b < a for a, b in zip(losses, losses[1:], strict=False))
desk.answer(
    "11b/endless",
    "there is no largest: ever more is ever better" if falls else "1",
    "A single click can always be believed more firmly. It takes a price on "
    "believing.",
)

# %% [markdown]
# The price is called a **ridge**: a little for the squared length of the direction. Now
# there is exactly one best weight, where the surprise falls as fast as the price rises.
# And of the countless directions in 256 dimensions that explain forty clicks, it takes
# the shortest, the one that promises least about pairs that nobody has seen.

# %%
print(getsource(taste.penalised_loss))

# %%
one = torch.ones(1, 1, dtype=torch.float64)
best = float(fit(one, one[0]))
slope, rise = 1 / (1 + math.exp(best)), taste.RIDGE * best

# %%
claim(
    "At the weight that `fit` finds, both slopes are the same to 6 digits",
    abs(slope - rise) < 1e-6,
    measured=f"{best:.4f}, slopes {slope:.4f} and {rise:.4f}",
)

# %% [markdown]
# ## 3 · Which pairs are worth a click?
#
# Pairs cost nothing: the model writes them, two stories to each of 300 prompts. Your
# clicks are what is dear. So that rare things turn up at all, these stories are drawn
# at temperature 1, where the model is bolder. (At 0.7, the reader who likes twists
# clicked "equally good" on 39 of 40 pairs, and nothing was learned from that.)

# %% tags=["folded"]
pool = life.own_pairs(
    course, instruct, 300, "train", seed=course.seed + 11, temperature=1.0
)
differences = pair_differences(instruct, tokenizer, pool)
scale = taste.scale_of(differences)  # in these units, a usual pair is 1 long
differences = differences / scale
print(len(pool), "pairs, each", differences.shape[1], "differences of features")

# %% [markdown]
# Which of them to ask about? Not those about which your clicks say enough already. Here
# is a way to find out what they say: draw clicks *from* the clicks, with
# repetition, and fit; do that eight times (a **bootstrap**). Where the eight rewards
# agree, the clicks decide. Where they **disagree**, a click is missing. So: ten pairs
# at random, then the thirty on which the rewards after these ten disagree most.

# %%
print(getsource(next_pairs))

# %%
desk.predict(
    "11b/picked",
    "Which forty clicks teach more, averaged over the readers?",
    options=["picked pairs", "pairs at random", "no difference to speak of"],
)


# %% tags=["folded"]
def clicks_of(name, pairs):
    """What a scripted reader says of these pairs."""
    return [
        Comparison(
            pair.prompt,
            pair.first,
            pair.second,
            taste.choice(READERS[name], pair),
            f"likes {name}",
            "simulated",
        )
        for pair in pairs
    ]


def targets_of(labels):
    """1 where the first story was preferred, 0, or one half: (labels,)."""
    return torch.tensor([label.target for label in labels]).double()


def agreement(direction, rows, truth):
    """Of the pairs that differ for a reader: on how many do both agree?"""
    decided = truth != 0.5
    right = (rows[decided] @ direction > 0) == (truth[decided] > 0.5)
    return Share(int(right.sum()), int(decided.sum()))


chosen_by = life.own_pairs(course, instruct, 150, "validation", seed=12)
rows = pair_differences(instruct, tokenizer, chosen_by) / scale
truths = {name: targets_of(clicks_of(name, chosen_by)) for name in READERS}
# A share of a handful of pairs would say nothing.
often = [name for name, truth in truths.items() if (truth != 0.5).sum() >= 20]
print("readers for whom at least 20 of these pairs differ:", *often)
COUNTS, RUNS_OF_EACH = (10, 20, 40), 3
taught = {"picked pairs": [], "pairs at random": []}
for way, shares_of_rounds in taught.items():
    for clicks in COUNTS:
        picked = way == "picked pairs" and clicks > 10
        rounds = (10, clicks - 10) if picked else (clicks,)
        shares = []
        for name in often:
            said = targets_of(clicks_of(name, pool)).tolist()
            for seed in range(RUNS_OF_EACH):
                asked, told = interview(
                    differences,
                    said.__getitem__,
                    torch.Generator().manual_seed(seed),
                    rounds,
                )
                learned = fit(differences[asked], told)
                shares.append(agreement(learned, rows, truths[name]).rate)
        shares_of_rounds.append(sum(shares) / len(shares))
plots.lines(
    COUNTS,
    taught,
    x_label="clicks",
    y_label="agreement on new pairs",
)

# %%
ahead = taught["picked pairs"][-1] - taught["pairs at random"][-1]
desk.answer(
    "11b/picked",
    "picked pairs"
    if ahead > 0.02
    else "pairs at random"
    if ahead < -0.02
    else "no difference to speak of",
    f"With forty clicks, {about(100 * taught['picked pairs'][-1])} % against "
    f"{about(100 * taught['pairs at random'][-1])} %.",
)

# %% [markdown]
# Whatever the lines say for you, look at how close they are. That pairs under dispute
# teach most is in every textbook, and where thousands of examples are labelled it often
# holds. But eight rewards, each fitted to some of ten clicks, dispute much by sheer
# luck; and of many pairs the reader says "equally good", because neither story has any
# of what they like. Before anybody pays for a clever way of asking, let it be compared
# with drawing lots. We ask about the disputed pairs all the same, so that you can see
# what they look like.
#
# ## 4 · Your clicks
#
# Now you. Decide what you like *before* you begin, and stay with it: more talk, more
# comparisons, the sea, anything that a story can have more or less of. Click on the
# story that has more of it, or press 1 or 2; e where there is no difference. These ten
# are drawn at random. (Give another taste another name, and it begins with no clicks.)

# %% tags=["folded"]
dice = torch.Generator().manual_seed(0)
first = next_pairs(differences, [], torch.zeros(0), 10, dice)
RUNS.mkdir(parents=True, exist_ok=True)
store = LabelStore(RUNS / "taste.sqlite")
MY_TASTE = "my taste"
labeller = PairLabeller(
    [pool[row] for row in first], store, annotator=MY_TASTE
)
display(labeller)

# %% [markdown]
# And these are the thirty on which the rewards disagree after those ten. As long as the
# ten are not clicked, they are what the reader who likes dialogue would be asked.


# %% tags=["folded"]
def clicks_on(rows_asked):
    """A person's clicks on these pairs; the scripted reader's, if many lack."""
    asked = [pool[row] for row in rows_asked]
    names = {pair_name(pair.prompt, pair.first, pair.second) for pair in asked}
    mine = labeller.comparisons("person")
    mine = [label for label in mine if label.pair in names]
    enough = len(mine) >= 0.75 * len(asked)
    return mine if enough else clicks_of("dialogue", asked)


ten = clicks_on(first)
known = pair_differences(instruct, tokenizer, ten) / scale
ensemble = taste.bootstrap(known, targets_of(ten), dice)
disputed = taste.disagreement(differences, ensemble)
disputed[first] = -1  # asked already
second = disputed.argsort(descending=True)[:30].tolist()
labeller = PairLabeller(
    [pool[row] for row in second], store, annotator=MY_TASTE
)
display(labeller)

# %% [markdown]
# Whose clicks are they, then? Yours if you made thirty or more, otherwise those of the
# reader who likes dialogue, on the same pairs.

# %%
clicks = clicks_on(first + second)
yours = clicks[0].source == "person"
ties = sum(label.target == 0.5 for label in clicks)
print("clicks of:", "you" if yours else clicks[0].annotator)
print("all told:", len(clicks), "of which ties:", about(ties, 2))

# %% [markdown]
# ## 5 · The reward, in a blink
#
# Forty clicks, one fit. We take the time that it needs.

# %%
began = time.perf_counter()
clicked = pair_differences(instruct, tokenizer, clicks) / scale
direction = fit(clicked, targets_of(clicks)) / scale
seconds = time.perf_counter() - began

# %% [markdown]
# Does it agree with pairs that nobody clicked on? For a person we do not know; the last
# section will ask. For a scripted reader we can ask as often as we like. Here are all
# five, each after forty clicks of their own, and 200 pairs of stories that the instruct
# model wrote to *test* prompts. They are opened here for the first time. (Pairs that do
# not differ for a reader are left out: there is nothing to be right about.)

# %% tags=["folded"]
new_pairs = life.own_pairs(course, instruct, 200, "test", course.seed + 21)
new_rows = pair_differences(instruct, tokenizer, new_pairs) / scale
agreed = {}
for name in READERS:
    said = targets_of(clicks_of(name, pool)).tolist()
    asked, told = interview(
        differences, said.__getitem__, torch.Generator().manual_seed(0)
    )
    truth = targets_of(clicks_of(name, new_pairs))
    if (truth != 0.5).any():
        learned = fit(differences[asked], told)
        agreed[name] = agreement(learned, new_rows, truth)
plots.share_intervals(
    {name: (share.rate, *share.interval) for name, share in agreed.items()},
    chance=0.5,
    x_label="agreement on new pairs, with its 95 % interval",
)

# %%
desk.answer(
    "11b/forty",
    100 * agreed["dialogue"].rate,
    "It was never told what dialogue is. It was told which way to look.",
    within=7,
)
claim(
    "After forty clicks, the reward of the reader who likes dialogue agrees "
    "on three of four new pairs or more",
    agreed["dialogue"].rate >= 0.75,
    measured=100 * agreed["dialogue"].rate,
    unit="%",
)

# %% [markdown]
# Where an interval is wide, few pairs differ at all: of such a thing the model writes
# little. And *short* is instructive. Our first features were means over the tokens. But
# a mean hides how many there were, and this reader's reward was poor. A sum knows.
#
# ## 6 · Twenty updates
#
# A score is all that the policy gradient of
# [chapter 9](09_policy_gradients.ipynb) asks for. So nothing new has to be built. The
# scores are brought to mean 0 and standard deviation 1 on stories of the instruct
# model, so that the price of a nat means the same for every reader; then come twenty
# updates with answers in groups of four, drawn at temperature 1 like the pairs: what
# never turns up cannot be rewarded.

# %%
print(getsource(taste.steer))

# %%
desk.predict(
    "11b/blind",
    "Afterwards, one story from before and one from after on each new prompt, "
    "sides at random. On how many of 100 prompts does the reader choose the "
    "story from after?",
    unit="of 100",
)

# %% tags=["folded"]
prompts = [pair.prompt for pair in new_pairs]
before, rollouts = life.write_stories(course, instruct, prompts, seed=1)
written = [
    (prompt, response)
    for rollout in rollouts
    for prompt, response in zip(
        rollout.prompts, rollout.responses, strict=True
    )
]
practice = [
    render_prompt(tokenizer, prompt)
    for prompt in village.story_prompts(1_000, seed=0, split="train")
]

# %%
began = time.perf_counter()
mine = taste.taste_of(instruct, direction, *zip(*written, strict=True))
steered = course.load("instruct")
history = taste.steer(
    steered,
    mine.score,
    practice,
    progress=TrainingMonitor(),
    label="your taste",
    after_a_stop="run the cell again, and it begins with instruct anew",
)
steered.requires_grad_(False)
after, _ = life.write_stories(course, steered, prompts, seed=2)
seconds += time.perf_counter() - began

# %% [markdown]
# From forty clicks to 200 new stories, clicks apart:

# %% tags=["nbval-ignore-output"]
print(f"{seconds:.0f} seconds")

# %% [markdown]
# Read one of before and one of after, on the same prompt.

# %% tags=["folded", "nbval-ignore-output", "example-output"]
desk.read(prompts[0])
desk.read(f"\n[before]\n{before[0]}\n\n[after]\n{after[0]}")

# %% [markdown]
# ## 7 · Do you notice?
#
# Numbers that rise because they were trained to rise prove nothing. So the same judge
# as in the beginning, and blind: twelve prompts, a story from before and one from after
# on each, and nobody says which is which. Choose by the taste that you clicked for.

# %% tags=["folded", "nbval-ignore-output", "example-output"]
blind_pairs = [
    village.StoryPair(prompt, *((old, new) if heads else (new, old)))
    for prompt, old, new, heads in zip(
        prompts,
        before,
        after,
        torch.randint(2, (len(prompts),), generator=dice).tolist(),
        strict=True,
    )
    if old != new
]
judge = PairLabeller(
    blind_pairs[:12], store, annotator=f"blind: {MY_TASTE}"
)
display(judge)

# %% [markdown]
# The share of choices that fell on the story from after, a tie counting one half, with
# its 95 % interval (Wilson 1927). Twelve clicks leave it wide; a scripted reader does
# not tire and is asked about all prompts.

# %% tags=["folded"]
new_texts = set(after)
verdicts = [
    label
    for label in judge.comparisons("person")
    if {label.first, label.second} & new_texts
]
if not (yours and verdicts):
    verdicts = clicks_of("dialogue", blind_pairs)
wins = sum(
    label.target if label.first in new_texts else 1 - label.target
    for label in verdicts
)
blind = Share(wins, len(verdicts))
person = verdicts[0].source == "person"
print("judged by:", "you" if person else verdicts[0].annotator)
plots.share_intervals(
    {"chooses the story from after": (blind.rate, *blind.interval)},
    chance=0.5,
    x_label="share of prompts, with its 95 % interval",
)

# %%
counted = {
    name: [
        sum(map(reader, prompts, stories)) / len(prompts)
        for stories in (before, after)
    ]
    for name, reader in READERS.items()
}
for name, (old, new) in counted.items():
    what = "words" if name == "short" else name
    old, new = about(abs(old)), about(abs(new))
    print(f"{what:9} a story: {old} before, {new} after")

# %%
desk.answer(
    "11b/blind",
    100 * blind.rate,
    "Whoever sees no difference on a prompt counts one half.",
    within=7,
)
if not yours:
    old, new = counted["dialogue"]
    claim(
        "Stories from after hold at least 1.5 times as much dialogue",
        new >= 1.5 * old,
        measured=new / old,
        unit="times as much",
    )
    claim(
        "The reader chooses them more often than not, interval included",
        blind.interval[0] > 0.5,
        measured=f"{about(100 * blind.rate)} %, from "
        f"{about(100 * blind.interval[0])} %",
    )

# %% [markdown]
# ## 8 · The other readers
#
# One taste is live on this page, the others would take a minute each. `make bench
# ARGS=tastes` does for each of the five what you have just done, on the same kind of
# test prompts, and keeps its figures in `data/tastes.json`. They belong to the instruct
# model that they were measured on:

# %% tags=["folded"]
kept = json.loads((DATA / "tastes.json").read_text("utf-8"))
same = kept["instruct"] == weights_hash(instruct)
print("measured on", "this" if same else "ANOTHER", "instruct model")
figures = kept["readers"]
lacking = [name for name in READERS if name not in figures]
if lacking:
    print("forty clicks, and not one that was no tie:", *lacking)
shares = {
    name: [Share(*figures[reader][key]) for reader in figures]
    for name, key in {
        "agreement on new pairs": "agreement",
        "chosen blind": "blind",
    }.items()
}
plots.intervals_by_row(
    list(figures),
    {
        name: [(share.rate, *share.interval) for share in row]
        for name, row in shares.items()
    },
    x_label="share, with its 95 % interval",
)

# %%
print("reader      before   after   nats")
for name, told in figures.items():
    old, new = map(abs, told["liked"])
    print(f"{name:9}{old:9.2f}{new:8.2f}{told['kl']:7.1f}")

# %% [markdown]
# (*Before* and *after*: how much of what the reader likes stands in a story; for
# *short*, its words. *Chosen blind* counts a prompt as one half where the reader finds
# as much in either story, often nothing at all.) Compare the two marks of a row. A
# reward may agree with its reader on nearly every pair and yet change little: what the
# model hardly ever writes is hardly ever rewarded.
#
# ## What did not work at this size
#
# - **Picking pairs.** Section 3 shows what it brought. We also tried the uncertainty
#   that the curvature of the loss tells, the pairs that differ most, and the pairs in
#   which the rewards expect the largest difference: on validation prompts none of them
#   was ahead of drawing lots by enough to notice. The last at least met fewer ties.
# - **Rare things.** A twist stands in very few of the model's stories. Forty clicks
#   meet it once or twice, and a rollout not much oftener.
# - **Tastes that no feature holds.** A frozen model knows what it needs for writing.
#   Ask it for irony.
# - **It pays for one thing.** Nothing guards the rest: whether the stories still hang
#   together, forty clicks on dialogue do not say. The KL price is the only brake.

# %% [markdown]
# ## Summary
#
# - A model that can write a thing knows it. To reward it, only a direction in what it
#   knows must be learned, and that takes tens of clicks, not thousands.
# - With more unknowns than clicks, a ridge chooses: the shortest direction that
#   explains them.
# - Where rewards fitted to redrawn clicks disagree, a click is missing. Whether asking
#   there pays, compare with drawing lots.
# - Any score can steer. Whether it is the one you meant, a blind test tells.

# %%
desk.quiz(
    "11b",
    desk.ask(
        "Forty clicks, 256 features, no ridge. What happens?",
        right=(
            "All clicks are explained, and the direction grows without end.",
            "With more features than clicks they can be told apart perfectly; "
            "then longer is always better.",
        ),
        wrong=[
            (
                "The fit stops at the true direction.",
                "Countless directions explain forty clicks. Nothing prefers "
                "the true one.",
            ),
            (
                "There is no solution because of the ties.",
                "Ties only ask that some differences be small.",
            ),
        ],
    ),
    desk.ask(
        "A reader says 'equally good' on thirty of forty pairs. What have they "
        "told?",
        right=(
            "What they do not care for.",
            "In these pairs something differs, and it did not matter to them.",
        ),
        wrong=[
            (
                "Nothing; leave ties out.",
                "A tie has a target, one half, and pulls as others do.",
            ),
            (
                "That they have no taste.",
                "Perhaps neither story had what they look for.",
            ),
        ],
    ),
    desk.ask(
        "After steering, the reward is up by two standard deviations. Does the "
        "reader like the new stories better?",
        right=(
            "Only the reader can say, without being told which is which.",
            "The reward is a guess at their taste, and the policy was paid for "
            "finding where it is generous.",
        ),
        wrong=[
            (
                "Yes, that is what the reward measures.",
                "It measures a direction fitted to forty clicks.",
            ),
            (
                "Yes, if the KL divergence is small.",
                "Small means that little has changed, not that it is better.",
            ),
        ],
    ),
)

# %%
desk.tally("11b")

# %% [markdown]
# ### Where to go from here
#
# **Exercises:** [problem set 6](../exercises/release/ps6/ps6.ipynb). **Try:** a taste
# of your own as a program, in place of a reader of section 1: how often is the sea
# mentioned? **Next:** [12 · PPO](12_ppo.ipynb), with the taste of the crowd.
