# %% [markdown]
# # 10 · What people prefer
#
# **You will be able to** ask people which of two texts is better, so that the answers
# are worth something; say how far they agree, with each other and with themselves;
# find what the place on the page adds, and take it out; turn choices into strengths,
# with intervals; say how accurate anything that learns from them can possibly be.
#
# **You need** [9 · Policy gradients](09_policy_gradients.ipynb).
#
# **Time** 1 minute to run on two processor cores; an hour to work through,
# ten minutes of it for your own choices.
#
# **Where we are in the model's life:** `instruct` has learned what a program can
# check. Nothing is trained here: we ask what people *want*.

# %%
import math
import tempfile
from pathlib import Path

import torch
from IPython.display import display

from llmlab import desk, life, plots, village
from llmlab.claims import about, claim
from llmlab.evaluation import Share
from llmlab.paths import RUNS
from llmlab.preferences import (
    EQUAL,
    Annotator,
    Comparison,
    LabelStore,
    accuracy_ceiling,
    asked_twice,
    bradley_terry,
    cohens_kappa,
    crowd_agreement,
    crowd_preference,
    fit_strengths,
    label,
    position_lean,
    rank_error,
    side_free,
)
from llmlab.widgets import PairLabeller

# %%
course = life.course()
pairs = village.story_pairs(24, seed=7, split="train")


# %% tags=["folded"]
def gold(prompt, story):
    return round(village.gold_score(prompt, story), 6)


# %% [markdown]
# ## 1 · How many points?
#
# For a translation a program could say what is right. For a story it cannot: there is
# no answer to compare with. So ask people. The first idea of everybody is to let them
# give points. Give this story some, from 1 (I would not read on) to 5 (I would keep
# it):

# %%
desk.read(f"{pairs[0].prompt}\n\n{pairs[0].first}")

# %%
desk.predict("10/points", "How many points, from 1 to 5?", unit="points")

# %% [markdown]
# Twenty people read it with you. They are simulated, so that we know all about them.
# Each story of the village has a hidden **gold score**, which counts what a careful
# reader would like or mind: is the plot whole, are there images, voices, a twist, are
# there contradictions? Everybody *feels* the score, a little differently each time. But
# one says 3 for what another calls a 4; one uses the whole scale and another its
# middle; and in the course of a session people become milder, or more severe.

# %% tags=["folded"]
tellings = village.story_pairs(400, seed=0, split="test")
first_gold = torch.tensor([gold(p.prompt, p.first) for p in tellings])
second_gold = torch.tensor([gold(p.prompt, p.second) for p in tellings])
crowd = life.annotators(course)
dice = torch.Generator().manual_seed(0)
RATERS = 20
centre, width = float(first_gold.mean()), float(first_gold.std())
unsure = crowd[0].noise  # in units of the gold score
own_zero = 0.8 * torch.randn(RATERS, generator=dice)
own_step = (0.3 * torch.randn(RATERS, generator=dice)).exp()
own_drift = torch.randn(RATERS, generator=dice)


def felt(scores):
    """What is felt of stories at one reading; differences are logistic."""
    chance = torch.rand(scores.shape, generator=dice).clamp(1e-6, 1 - 1e-6)
    return scores - unsure * (-chance.log()).log()


def points(scores, *, scales, drift):
    """Each story is rated once, by somebody, at some time of their session."""
    who = torch.randint(RATERS, scores.shape, generator=dice)
    hour = torch.rand(scores.shape, generator=dice)
    rating = (felt(scores) - centre) / width
    if scales:
        rating = own_step[who] * rating + own_zero[who]
    if drift:
        rating = rating + own_drift[who] * hour
    return (3 + rating).round().clamp(1, 5)


score = torch.tensor(gold(pairs[0].prompt, pairs[0].first)).expand(RATERS)
given = points(score, scales=True, drift=True)
print("points given:", sorted(given.int().tolist()))

# %%
desk.answer(
    "10/points",
    float(given.mean()),
    f"That is their mean; they gave from {int(given.min())} to "
    f"{int(given.max())}, for one story. And would you give the same tomorrow?",
    within=1,
)

# %% [markdown]
# Now the second idea. Show somebody *two* stories and ask only which is better. Who is
# severe is severe with both. A fair match: two stories of which each was given points,
# by whoever came along, or one person who compares them. Two readings either way, and
# the same noise in every reading.

# %%
desk.predict(
    "10/steady",
    "Which finds the story of the higher gold score more often?",
    options=["points", "comparisons", "both alike"],
)

# %% tags=["folded"]
differ = first_gold != second_gold
one, other = (g[differ].repeat(20) for g in (first_gold, second_gold))


def found(first, second):
    """How often the better story has more; a draw is half."""
    better = (first - second).sign() * (one - other).sign()
    share = Share(float(((1 + better) / 2).sum()), len(one))
    return share.rate, *share.interval


ways = {
    "points, if all had one scale": {"scales": False, "drift": False},
    "points, each on a scale of their own": {"scales": True, "drift": False},
    "and a scale that drifts": {"scales": True, "drift": True},
}
steady = {
    name: found(points(one, **how), points(other, **how))
    for name, how in ways.items()
}
steady["one person compares"] = found(felt(one), felt(other))
plots.share_intervals(
    steady,
    chance=0.5,
    x_label="how often the better story is found",
)

# %%
compared, rated = steady["one person compares"], steady[list(ways)[-1]]
desk.answer(
    "10/steady",
    "comparisons"
    if compared[1] > rated[2]
    else "points"
    if rated[1] > compared[2]
    else "both alike",
    "A scale of one's own falls out of a difference.",
)
claim(
    "Comparing finds the better story in at least 3 more of 100 pairs",
    compared[0] - rated[0] >= 0.03,
    measured=100 * (compared[0] - rated[0]),
    unit="more",
)

# %% [markdown]
# The first row is fair to points: if all had *one* scale, little would be lost, only
# what rounding takes. Points have a merit of their own, too: a hundred stories with
# points are in an order at once. Scales can be learned and taken out if everybody rates
# many stories. But it is work, drift makes it more, and comparisons need none of it.

# %% [markdown]
# ## 2 · You are the human
#
# Click on the better story, or press 1 or 2, or e if they are equally good; u takes a
# choice back. Ten minutes are enough to notice that it is tiring, that some pairs are
# hard, and that you are not sure of what you chose at the beginning.
#
# Three things happen behind the page. Which story stands first is drawn by lot, and
# kept with your choice. Some pairs will come again, and nothing will tell you which.
# And each choice is on the disk before the next pair appears, so close the notebook
# whenever you like: it will go on where you stopped.

# %% tags=["folded"]
from IPython.display import display

from llmlab import village
from llmlab.paths import RUNS
from llmlab.preferences import LabelStore
from llmlab.widgets import PairLabeller

RUNS.mkdir(parents=True, exist_ok=True)
pairs = village.story_pairs(24, seed=7, split="train")
labeller = PairLabeller(
    pairs, LabelStore(RUNS / "labels.sqlite"), annotator="me, twice", repeats=12
)
display(labeller)

# %%
mine = labeller.comparisons("person")
print(len(mine), "labels by a person so far")

# %% [markdown]
# Where nobody clicks, a stand-in does. It feels the gold score, calls stories equal
# that are, and leans to the left. It uses the same widget, which keeps as a *person's*
# only what is clicked in a browser: what a program chooses is kept as simulated, here
# and in the whole course. And since a store must lose nothing, it is closed and opened
# again half-way.

# %% tags=["folded"]
LEANING = Annotator("leaning", noise=unsure, carelessness=0, position_bias=0.65)


def choose_by_gold(widget, until):
    """The stand-in chooses, side by side, up to a position."""
    while widget.position < until:
        pair = widget.pairs[widget.position]
        swapped = widget.swapped[widget.position]
        scores = [gold(pair.prompt, t) for t in (pair.first, pair.second)]
        if scores[0] == scores[1]:
            widget.choose(EQUAL)
            continue
        side = LEANING.choose(*(scores[::-1] if swapped else scores), dice)
        widget.choose(1 - side if swapped else side)


with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "labels.sqlite"
    for until in (18, 36):
        stand_in = PairLabeller(
            pairs, LabelStore(path), annotator="stand-in", repeats=12
        )
        print("goes on at pair", stand_in.position + 1)
        choose_by_gold(stand_in, until)
    simulated = stand_in.comparisons()
sources = {told.source for told in simulated}
print(len(simulated), "labels kept, all of them", sources)

# %% [markdown]
# What if the notebook is open *twice*? Both windows show the same pair, and both are
# clicked. The store looks and writes in one transaction, so the second click is noticed
# and not counted:

# %%
with tempfile.TemporaryDirectory() as folder:
    store = LabelStore(Path(folder) / "labels.sqlite")
    window, other_window = (PairLabeller(pairs, store) for _ in range(2))
    window.choose(0)
    try:
        other_window.choose(1)
    except ValueError as noticed:
        desk.read(f"the other window: {noticed}")
    print(len(store), "label in the store")

# %% [markdown]
# Below, your own labels are used where there are enough of them (twenty, and eight
# pairs seen twice), and else those of the stand-in.

# %% tags=["folded"]
enough = len(mine) >= 20 and len(asked_twice(mine)) >= 8
enough = enough and len({side_free(told) for told in mine}) > 1
labels, who = (mine, "you") if enough else (simulated, "the stand-in")
print("the labels below are by", who)

# %% [markdown]
# ## 3 · Do you agree with yourself?
#
# Whoever is asked the same thing twice should say the same thing twice. Pairs came back
# with their sides exchanged, so a choice is named by the *story*, not by its place.

# %%
desk.predict(
    "10/again",
    "A person of our crowd is shown 100 pairs again, the sides exchanged. On "
    "how many is the choice the same?",
    unit="of 100",
)

# %%
before, after = zip(*asked_twice(labels), strict=True)
said = [side_free(told) for told in before]
said_again = [side_free(told) for told in after]
alike = sum(a == b for a, b in zip(said, said_again, strict=True))
same = Share(alike, len(said))
print(f"{who}: the same choice on {same}")

# %% tags=["folded"]
gaps = (first_gold - second_gold).tolist()


def same_twice(person, gap):
    """The exact probability of the same story in both orders."""
    first = person.probability_first(gap, 0)
    again = person.probability_first(-gap, 0)
    return first * (1 - again) + (1 - first) * again


itself = sum(same_twice(p, gap) for p in crowd for gap in gaps)
itself /= len(crowd) * len(gaps)

# %%
desk.answer(
    "10/again",
    round(100 * itself),
    "Many pairs are close, and then it is chance. No model can know what "
    "somebody wants better than they do.",
    within=6,
)

# %% [markdown]
# ### A coin agrees, too
#
# An agreement of 70 of 100 sounds like much. But two people who toss coins agree on 50.
# And worse: two people who press "first" nine times in ten, without reading a word?

# %%
desk.predict(
    "10/lazy",
    "Two people press “first” in 90 of 100 pairs, each without looking. On how "
    "many do they agree?",
    unit="of 100",
)

# %%
chance = 0.9 * 0.9 + 0.1 * 0.1
print(f"agreement by chance: {chance:.2f}")

# %%
desk.answer(
    "10/lazy", round(100 * chance), "Both first, or both second.", within=1
)

# %% [markdown]
# Cohen (1960) takes chance out. Of the room above chance, which part is filled?
#
# $$\kappa = \frac{\text{agreement} - \text{chance}}{1 - \text{chance}}$$
#
# One is perfect, zero is what people get who do not look, and below zero they
# contradict each other. Our lazy two, drawn:

# %%
lazy, lazier = (torch.rand(2, 4000, generator=dice) > 0.9).int().tolist()
alike = sum(a == b for a, b in zip(lazy, lazier, strict=True)) / 4000
kappa = cohens_kappa(lazy, lazier)
claim(
    "They agree on more than 78 of 100 pairs, and kappa is below 0.1",
    alike > 0.78 and abs(kappa) < 0.1,
    measured=f"{about(100 * alike)} and {about(kappa, 2)}",
)

# %% [markdown]
# ## 4 · The left one wins
#
# Stories on the left are chosen a little more often, whatever they are; readers lean.
# How much? Say a story is better by $d$, in log-odds, and the left place is worth $b$.
# On the left it is chosen with log-odds $d + b$, on the right with $d - b$. Now ask for
# the pair both ways round. Somebody who chooses *the left place twice* was moved by the
# place; so was somebody who chooses the right place twice. And of these two,
#
# $$\frac{P(\text{left, left})}{P(\text{right, right})}
#   = \frac{e^{d + b} \cdot e^{-d + b}}{1 \cdot 1} = e^{2b}.$$
#
# The story has dropped out! (The common denominators cancel.) No need to know which
# story is better.

# %%
desk.predict(
    "10/lean",
    "Of pairs shown both ways round, 36 went to the left place twice, 9 to the "
    "right place twice. What is b?",
    options=["ln 2", "ln 4", "1/2", "4"],
)

# %%
counts = {"left, left": 36, "right, right": 9}
b = math.log(counts["left, left"] / counts["right, right"]) / 2
print(f"b = {b:.4f}   ln 2 = {math.log(2):.4f}")

# %%
options = {"ln 2": math.log(2), "ln 4": math.log(4), "1/2": 0.5, "4": 4}
desk.answer(
    "10/lean",
    min(options, key=lambda name: abs(options[name] - b)),
    "e to the 2b is four, so e to the b is two: the place doubles the odds.",
)

# %% tags=["folded"]
def shown_both_ways(person):
    """This person's labels of 400 pairs, each in either order."""
    told = []
    for pair in tellings:
        scores = [gold(pair.prompt, t) for t in (pair.first, pair.second)]
        sides = [(pair.first, pair.second), (pair.second, pair.first)]
        for texts, shown in zip(sides, (scores, scores[::-1]), strict=True):
            choice = person.choose(*shown, dice)
            asked = (pair.prompt, *texts, choice, person.name)
            told.append(Comparison(*asked, "simulated"))
    return told


true_lean = math.log(0.65 / 0.35)
lean = position_lean(shown_both_ways(LEANING))
print(f"left twice {about(lean.left)}, right twice {about(lean.right)}")
yours = position_lean(labels)
print(
    f"{who}, from {len(said)} pairs: {about(yours.value, 2)}, "
    f"give or take {about(1.96 * yours.error, 2)}"
)

# %%
claim(
    "The lean that went in comes out, within two standard errors",
    abs(lean.value - true_lean) < 2 * lean.error,
    measured=f"{about(lean.value)} instead of {true_lean:.3f}, error "
    f"{about(lean.error, 2)}",
)

# %% [markdown]
# A dozen pairs say little about a lean: look at the give or take.
#
# How is it taken out? Two *equal* stories, four thousand choices. Once story A stands
# on the left all the time, and its strength is the lean. Then we know the lean, and
# take it away. And then, which is better, nobody needs to know it: the sides are drawn
# by lot, and the place helps either story as often.

# %% tags=["folded"]
def strength_of_a(lefts):
    """Log of the wins of A over those of B; `lefts`: where A is on the left."""
    wins = [LEANING.choose(5, 5, dice) != int(left) for left in lefts]
    return math.log(sum(wins) / (len(wins) - sum(wins)))


always = strength_of_a([True] * 4000)
by_lot = strength_of_a((torch.rand(4000, generator=dice) < 0.5).tolist())
for name, value in {
    "A always on the left": always,
    "and the lean taken away": always - lean.value,
    "sides drawn by lot": by_lot,
}.items():
    print(f"{name:24} {about(value, 2)}")

# %%
claim(
    "On the left all the time, an equal story seems better by 0.4 or more",
    always > 0.4,
    measured=always,
    unit="nats",
)
claim(
    "Either cure leaves less than a third of that",
    max(abs(always - lean.value), abs(by_lot)) < always / 3,
    measured=f"{about(always - lean.value, 2)} and {about(by_lot, 2)}",
)

# %% [markdown]
# The formula supposes that the lean is the same everywhere. Somebody who does not read
# at all, now and then, has a lean in those choices and no taste, and the estimate mixes
# the two. So draw lots first, and calculate second.

# %% [markdown]
# ## 5 · People disagree
#
# Training takes more labels than you have patience for. For them there is the crowd.
# Its people are unsure when two stories are close, lean to the first one, and now and
# then do not read at all.

# %%
desk.predict(
    "10/person",
    "The first story is better by 6 points of the gold score, a large "
    "difference. How often does a simulated person choose it?",
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
    "10/person",
    round(100 * person.probability_first(6, 0)),
    "Not always, even then: carelessness never goes away.",
    within=5,
)

# %% [markdown]
# The noise of the crowd is set so that its people agree with the gold score in 80 of a
# hundred pairs whose scores differ. With each other people agree less. Real ones choose
# alike in 70 to 80 pairs of a hundred (Stiennon et al. 2020, Ouyang et al. 2022).

# %%
desk.predict(
    "10/crowd",
    "On how many of 100 pairs do two people of this crowd choose alike?",
    unit="of 100",
)

# %%
alike = crowd_agreement(crowd, gaps)
print(f"two of them choose alike on {alike:.0%} of the pairs")

# %%
desk.answer(
    "10/crowd",
    round(100 * alike),
    "Each agrees with the gold score in about 80, and when one errs, the "
    "other most often does not: they disagree with each other more than with "
    "the score.",
    within=5,
)

# %% [markdown]
# All of it in one table: on the diagonal one and the same person, asked twice; beside
# it two different ones. Read a row, and ask who could be replaced by whom.

# %% tags=["folded"]
def matched(ones, others):
    """Choices of two on the same pairs: the share alike, and kappa."""
    there = {told.pair: side_free(told) for told in others}
    both = [
        (side_free(told), there[told.pair])
        for told in ones
        if told.pair in there
    ]
    share = sum(a == b for a, b in both) / len(both)
    return share, cohens_kappa(*zip(*both, strict=True))


somebody = label(tellings, gold, crowd, dice, labels_per_pair=2)
once, again = (
    [
        told
        for number, one in enumerate(crowd)
        for told in label(tellings[number :: len(crowd)], gold, [one], dice)
    ]
    for _ in range(2)
)
truth = [
    Comparison(
        pair.prompt,
        pair.first,
        pair.second,
        EQUAL if a == b else int(b > a),
        "gold",
        "simulated",
    )
    for source in (tellings, pairs)
    for pair in source
    for a, b in [[gold(pair.prompt, t) for t in (pair.first, pair.second)]]
]
first_asked = list({told.pair: told for told in reversed(labels)}.values())
on_yours = label(pairs, gold, crowd, dice, labels_per_pair=len(crowd))
of_each_pair = [on_yours[n :: len(crowd)] for n in range(len(crowd))]
with_crowd = [matched(first_asked, part) for part in of_each_pair]
A_PERSON, GOLD = "one of the crowd", "the gold score"
plots.agreement_matrix(
    [who, A_PERSON, "another one", GOLD],
    {
        (who, who): (same.rate, cohens_kappa(said, said_again)),
        (who, A_PERSON): tuple(torch.tensor(with_crowd).mean(0).tolist()),
        (who, GOLD): matched(first_asked, truth),
        (A_PERSON, A_PERSON): matched(once, again),
        (A_PERSON, "another one"): matched(somebody[::2], somebody[1::2]),
        (A_PERSON, GOLD): matched(somebody[::2], truth),
    },
)

# %% [markdown]
# (The gold score calls a fifth of the pairs equal, and the crowd never does. Such pairs
# count as a disagreement here.) Two dozen pairs make a rough row; the others have four
# hundred. If the crowd's taste were yours, your row would look like its row. Does it?

# %% [markdown]
# ## 6 · The ceiling
#
# Suppose a model knew the gold score perfectly and always chose the better story.

# %%
desk.predict(
    "10/ceiling",
    "How often would that model agree with one person's label?",
    unit="%",
)

# %% [markdown]
# When 60 % of the people prefer the first story, even the best guess is wrong in the
# other 40 %. On average over pairs, no model can do better than the mean of
# $\max(p, 1 - p)$, where $p$ is the share that prefers the first:

# %%
shares = [crowd_preference(crowd, gap, 0) for gap in gaps]
ceiling = accuracy_ceiling(shares)
by_hand = sum(max(share, 1 - share) for share in shares) / len(shares)
print(f"no model can agree with more than {ceiling:.1%} of the labels")
print(f"the same by hand: {by_hand:.1%}")

# %%
plots.best_guesses(shares, bins=13)

# %%
desk.answer(
    "10/ceiling",
    round(100 * ceiling),
    "The labels are noisy, so they agree with nobody all the time.",
    within=4,
)

# %% [markdown]
# The filled part is all that there is to win. In the middle of the picture lie the
# pairs that teach nothing: half of the people prefer either. Remember this number. A
# model that is near it is excellent, and one that is above it has seen the answers.

# %% [markdown]
# ## 7 · From choices to strengths
#
# Bradley and Terry (1952) give every story a strength $r$ and say that the first
# is preferred with probability
#
# $$P(\text{first}) = \sigma(r_1 - r_2), \qquad \sigma(x) = \frac{1}{1 + e^{-x}}.$$
#
# Only the *difference* counts. Take two stories. The first was preferred six
# times, the second twice.

# %%
desk.predict(
    "10/strength",
    "Which difference r₁ − r₂ makes σ = 3/4? (Solve for e to the r₁ − r₂.)",
    options=["3/4", "3", "ln 3", "ln 4"],
)

# %%
wins = torch.tensor([[0.0, 6.0], [2.0, 0.0]])
strengths = bradley_terry(wins)
difference = float(strengths[0] - strengths[1])
print(f"by maximum likelihood {difference:.6f}")
print(f"by hand: ln 3 =       {math.log(3):.6f}")

# %%
options = {"3/4": 3 / 4, "3": 3, "ln 3": math.log(3), "ln 4": math.log(4)}
desk.answer(
    "10/strength",
    min(options, key=lambda name: abs(options[name] - difference)),
    "e to the difference is the odds: three to one.",
)

# %% [markdown]
# ### And ties?
#
# Eight more people call the two stories equally good. What is to be done with them?
# Many count half a win for either. Davidson (1970) gives the tie a share of its own:
# with $d = r_1 - r_2$, first, second and tie are as $e^{d/2}$, $e^{-d/2}$ and $\nu$.

# %%
desk.predict(
    "10/ties",
    "With Davidson's model, what do the eight ties do to the difference of "
    "ln 3?",
    options=["it shrinks", "it grows", "nothing at all"],
)

# %%
ties = torch.tensor([[0.0, 8.0], [8.0, 0.0]])
with_ties = fit_strengths(wins, ties)
halved = bradley_terry(wins + ties / 2)
told = float(with_ties.values[0] - with_ties.values[1])
print(f"Davidson              {told:.4f}, and nu is {with_ties.tie:.4f}")
by_hand = 8 / math.sqrt(6 * 2)
print(f"by hand               {math.log(6 / 2):.4f}, and nu is {by_hand:.4f}")
print(f"half a win for either {float(halved[0] - halved[1]):.4f}, ln(10/6)")

# %%
desk.answer(
    "10/ties",
    "nothing at all"
    if abs(told - math.log(3)) < 1e-6
    else "it shrinks"
    if told < math.log(3)
    else "it grows",
    "Whoever decides, decides three to one. How many do not decide is ν.",
)

# %% [markdown]
# Half a win for either does not change who is ahead, but it pulls strengths together,
# as if people were less sure than they are. To see which is right, take ten stories
# whose strengths we know, and instead of labels the exact probabilities of each
# outcome:

# %% tags=["folded"]
true = torch.linspace(-2, 2, 10, dtype=torch.float64)
half_gap = (true[:, None] - true) / 2
outcomes = torch.stack([half_gap, -half_gap, torch.zeros(10, 10)]).softmax(0)
exact_wins, exact_ties = outcomes[0], outcomes[2]
fitted = fit_strengths(exact_wins, exact_ties)
halves = bradley_terry(exact_wins + exact_ties / 2)
shrunk = float((halves @ true) / (true @ true))

# %%
claim(
    "Davidson's model gives the strengths back, to 8 digits",
    bool((fitted.values - true).abs().max() < 1e-8),
    measured=f"off by at most {about((fitted.values - true).abs().max(), 1)}",
)
claim(
    "With half a win for either they come out smaller by a fifth or more",
    shrunk < 0.8,
    measured=shrunk,
    unit="times as large",
)

# %% [markdown]
# ## 8 · How many labels order ten stories?
#
# The instruct model writes forty stories to one prompt; we keep ten, from its worst to
# its best. People of the crowd compare two of them at a time, any two, sides by lot.
# After forty labels, and after six hundred, how high does each story stand, and how
# sure are we?

# %% tags=["folded"]
instruct = course.load("instruct").requires_grad_(False)
(prompt,) = village.story_prompts(1, seed=course.seed + 2, split="validation")
written, _ = life.write_stories(course, instruct, [prompt] * 40, seed=0)
scored = sorted({gold(prompt, story): story for story in written}.items())
kept = [scored[round(n * (len(scored) - 1) / 9)] for n in range(10)]
scores = torch.tensor([score for score, _ in kept], dtype=torch.float64)
prefers = torch.tensor(
    [[crowd_preference(crowd, a, b) for b in scores.tolist()] for a in scores]
)
ABOVE = torch.ones(10, 10).triu(1).nonzero().T  # the 45 pairs


def compared(count):
    """Wins in so many comparisons of two stories drawn by chance: (10, 10)."""
    drawn = torch.randint(len(ABOVE[0]), (count,), generator=dice)
    i, j = ABOVE[:, drawn]
    first = torch.rand(count, generator=dice) < prefers[i, j]
    wins = torch.zeros(10, 10)
    ahead, behind = torch.where(first, i, j), torch.where(first, j, i)
    wins.index_put_((ahead, behind), torch.ones(count), accumulate=True)
    return wins


# What the crowd's choices say if everybody is asked about everything.
limit = bradley_terry(prefers.double())
plots.strength_ladder(
    [f"gold score {score:.1f}" for score in scores.tolist()],
    {
        f"{count} labels": fit_strengths(compared(count), prior=0.5).intervals()
        for count in (40, 600)
    },
    true=limit.tolist(),
)

# %% [markdown]
# The crosses are what asking everybody about every pair would give. Two rungs whose
# intervals overlap cannot be told apart yet; and look how close some neighbours are: no
# sensible number of labels will part *them*. (The **prior**, half a win and half a loss
# against nobody in particular, keeps a story finite that has not lost yet. It also
# pulls all strengths a little to the middle, which shows where labels are few.)
#
# As one number: the **rank error** is the share of the 45 pairs that stand in the wrong
# order. Dice get a half.

# %%
desk.predict(
    "10/labels",
    "After how many labels is no more than one pair in ten in the wrong order?",
    unit="labels",
)

# %% tags=["folded"]
NUMBERS = [10, 20, 40, 80, 160, 320, 640, 1280]
REPEATS = 40


def by_share_of_wins(wins):
    """How many of its comparisons each story won."""
    return (wins.sum(1) + 0.5) / ((wins + wins.T).sum(1) + 1)


errors = {"Bradley-Terry": [], "share of wins": []}
for count in NUMBERS:
    tables = [compared(count) for _ in range(REPEATS)]
    for name, order in {
        "Bradley-Terry": lambda wins: bradley_terry(wins, prior=0.5),
        "share of wins": by_share_of_wins,
    }.items():
        wrong = [rank_error(order(table), scores) for table in tables]
        errors[name].append(sum(wrong) / REPEATS)
plots.lines(
    NUMBERS,
    errors,
    x_label="labels",
    y_label="share of pairs in the wrong order",
    doubling=True,
    from_zero=True,
)

# %%
curve = errors["Bradley-Terry"]
needed = next(
    (n for n, e in zip(NUMBERS, curve, strict=True) if e <= 0.1), NUMBERS[-1]
)
desk.answer(
    "10/labels",
    needed,
    "Of those that were tried. Once each of the 45 pairs is not enough, since "
    "each label is noisy.",
    factor=2,
)
claim(
    "Sixteen times as many labels make less than half of the errors",
    all(curve[n + 4] < curve[n] / 2 for n in range(len(curve) - 4)),
    measured=f"{about(100 * curve[2], 2)} % of the pairs at {NUMBERS[2]}, "
    f"{about(100 * curve[6], 2)} % at {NUMBERS[6]}",
)
ratio = sum(curve) / sum(errors["share of wins"])
claim(
    "Knowing whom a story was compared with does no harm: over all numbers, "
    "at most 1.05 times the errors",
    ratio <= 1.05,
    measured=ratio,
    unit="times",
)

# %% [markdown]
# Ten stories take hundreds of labels. A model writes millions, and nobody will ever
# compare more than a few of them. So strengths of *these* stories are not what we are
# after: we need a strength that can be *computed* from a story that nobody has seen.
# That is chapter 11.

# %% [markdown]
# ## What did not work at this size
#
# - **Twenty-four pairs are few.** They are enough to notice that you are not of one
#   mind with yourself, and too few to measure a lean or a kappa well.
# - **The crowd has one taste.** Its people differ in how much they care and how noisy
#   they are, not in *what* they like. Real people differ in that too, and then a mean
#   over them pleases nobody in particular. (Chapter 11 has a part about *your* taste.)
# - **Simulated drift is tidier than yours.** Real people tire, learn, and look things
#   up.
# - **Strength on one line.** Bradley and Terry know no circles: if A is liked better
#   than B, B than C, and C than A, their model finds three equal stories.

# %% [markdown]
# ## Summary
#
# - People grade on scales of their own, and the scales drift. In a comparison they fall
#   out.
# - Sides are drawn by lot and kept; some pairs come again, unannounced, turned round.
#   Each click is on the disk before the next pair appears, and none counts twice.
# - Agreement by chance is not agreement: kappa takes it out.
# - Left twice against right twice is $e^{2b}$, whatever the stories are.
# - The mean of max(p, 1 − p) is a ceiling for everybody who learns from labels.
# - Bradley and Terry turn choices into strengths; a tie is an outcome of its own.

# %%
desk.quiz(
    "10",
    desk.ask(
        "Two annotators agree on 90 of 100 pairs. Each of them pressed “first” "
        "95 times. What do you make of it?",
        right=(
            "Less than nothing: chance alone gives about 90.",
            ".95 · .95 + .05 · .05 is .905, so kappa is about zero.",
        ),
        wrong=[
            (
                "They are good annotators.",
                "People who do not read at all would agree as often.",
            ),
            (
                "Kappa must be near .9.",
                "Kappa is the part of the room above chance that is filled.",
            ),
        ],
    ),
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
        "New stories stand on the left in all your comparisons with old ones, "
        "and win 60 of 100. Are they better?",
        right=(
            "One cannot tell; draw the sides by lot, and ask again.",
            "A lean of .4 nats to the left gives 60 of 100 to equal stories.",
        ),
        wrong=[
            ("Yes, by 20 points.", "The place alone may have done that."),
            (
                "Yes, if there were enough pairs.",
                "More pairs make the interval smaller. The lean stays in it.",
            ),
        ],
    ),
)

# %%
desk.tally("10")

# %% [markdown]
# ### Where to go from here
#
# **Next:** a strength for stories that nobody has seen.
# [11 · The reward model](11_the_reward_model.ipynb) learns it from the crowd's choices,
# beside the ceiling.
