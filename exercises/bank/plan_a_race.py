"""Design: a race between two methods that can tell who wins."""

import torch

from exercises import Exercise
from llmlab.checks import Case

TASK = """
Two methods train the same policy. A story costs the one 0.04 processor seconds, all
parts together, and the other, which has a critic to teach, 0.08. Which is better **at
equal seconds**? You have 3,600 seconds for everything. At the end of each run its
policy is judged on some prompts, 0.02 seconds each.

What is known from earlier races, and what your plan is run with:

- two runs of one method, with different seeds, differ by luck: 8 points of win-rate
  (standard deviation);
- prompts add luck of their own, 50 points divided by the root of their number;
- a run must be long enough to show a difference. One of 10 points is there in full
  after 100 seconds of training, and half of it after 50.

Plan stories a run for each method, seeds, prompts, and the bar: how many **standard
errors** the two means must lie apart before you call one better. Your plan is then run
2,000 times. A difference of 10 points should be found in 8 of 10 races; and where
there is none, at most 6.5 of 100 races may find one.

**Before you start, predict:** three seeds, as everybody does. How often is a
difference of 10 points found?
"""


def plan_a_race(seconds):
    """How to spend so many processor seconds.

    seconds: for all runs and all judging
    returns: stories of a run of the method at 0.04 seconds a story; of the one at 0.08;
             seeds of each; prompts for each run; standard errors
    """
    prompts, run = 200, 100
    seeds = int(seconds // (2 * (run + 0.02 * prompts)))
    return round(run / 0.04), round(run / 0.08), seeds, prompts, 2.04


HINTS = (
    """Two kinds of luck, and each has its remedy: which of them do more prompts help
against, and which do they not?""",
    """1. equal seconds: twice as many stories for the cheap one
2. long enough that the difference is there in full, and no longer
3. enough prompts that their luck is small beside that of the seeds, and no more
4. all that is left: seeds
5. the bar: about 2, a little more where seeds are few, since the spread itself has to
   be estimated from them""",
    """Henderson et al., *Deep Reinforcement Learning that Matters* (2018); Colas,
Sigaud and Oudeyer, *How Many Random Seeds?* (2018). Student's t for the bar.""",
)

AFTER = """
**What you predicted.** In about one race of five, with the bar where it belongs for
three seeds. Most races with three seeds tell nothing, whichever way they end; chapter
14 has one, and says so.
"""

COSTS, JUDGING = (0.04, 0.08), 0.02
RACES, SEEDS, GAP, FULL = 2000, 0.08, 0.10, 100.0


def cases(seed):
    """The plan is the same whatever the seed; other races are run for grading."""
    yield Case((3600,))


def seconds_of(plan):
    """Of one run of each method, training alone."""
    return [stories * cost for stories, cost in zip(plan[:2], COSTS, strict=True)]


def keeps_the_budget(cases, results):
    plan, seconds = results[0][0], cases[0].inputs[0]
    *counts, bar = plan
    if not all(type(n) is int and n > 0 for n in counts):
        return "Stories, seeds and prompts are whole numbers, and none of them is 0."
    if not bar > 0:
        return "The bar is a number of standard errors above 0."
    *_, seeds, prompts, _ = plan
    if seeds < 2:
        return (
            "With one seed a method nobody knows how much of a difference is luck: the "
            "spread of its runs cannot be told from one."
        )
    needed = seeds * (sum(seconds_of(plan)) + 2 * JUDGING * prompts)
    if needed > seconds:
        return (
            f"Your plan needs {needed:,.0f} seconds with its judging; there are "
            f"{seconds:,}."
        )
    return None


def is_fair(cases, results):
    one, other = seconds_of(results[0][0])
    if abs(one - other) <= 0.05 * max(one, other):
        return None
    if results[0][0][0] == results[0][0][1]:
        return (
            "Both methods get equally many stories, and one of them twice the seconds. "
            "Asked is who is better at equal seconds."
        )
    return (
        f"A run of one method takes {one:.0f} seconds, of the other {other:.0f}. They "
        "should be equal, within 5 in 100."
    )


def called(plan, gap, hidden):
    """The share of races in which one method is called better."""
    _, _, seeds, prompts, bar = plan
    generator = torch.Generator().manual_seed(1 if hidden else 0)
    luck = (SEEDS**2 + 0.25 / prompts) ** 0.5
    runs = luck * torch.randn(RACES, 2, seeds, generator=generator)
    runs[:, 0] += gap * min(1.0, min(seconds_of(plan)) / FULL)
    means = runs.mean(dim=2)
    error = (runs.var(dim=2).sum(dim=1) / seeds).sqrt()
    return ((means[:, 0] - means[:, 1]).abs() > bar * error).float().mean().item()


def seldom_wrong(cases, results):
    bar = 0.07 if cases[0].hidden else 0.065
    share = called(results[0][0], 0.0, cases[0].hidden)
    if share <= bar:
        return None
    return (
        f"Where there is no difference, {100 * share:.0f} of 100 races find one: the "
        "bar is too low for so many seeds."
    )


def finds_it(cases, results):
    plan = results[0][0]
    bar = 0.78 if cases[0].hidden else 0.8
    share = called(plan, GAP, cases[0].hidden)
    if share >= bar:
        return None
    *_, seeds, prompts, errors = plan
    words = f"A difference of 10 points is found in {100 * share:.0f} of 100 races. "
    if min(seconds_of(plan)) < 0.9 * FULL:
        return words + "The runs are so short that it is not there in full yet."
    if 0.25 / prompts > SEEDS**2 / 2:
        return words + "The luck of so few prompts is as large as that of the seeds."
    if errors > 2.6 and called((*plan[:4], 2.1), GAP, False) >= 0.8:
        return words + "The bar is higher than it need be with so many seeds."
    return words + (
        "It is seeds that are missing: could runs be shorter, or prompts fewer?"
    )


# What people plan


def plan(cheap=2500, dear=1250, seeds=17, prompts=200, bar=2.04):
    return lambda seconds: (cheap, dear, seeds, prompts, bar)


MISTAKES = {
    plan(cheap=1875, dear=1875, seeds=15): "equally many stories",
    plan(cheap=2500, dear=1000): "should be equal, within 5",
    plan(seeds=1): "With one seed",
    plan(seeds=3, bar=2.8): "It is seeds that are missing",
    plan(seeds=3, bar=2.0): "the bar is too low",
    plan(bar=1.0): "the bar is too low",
    plan(bar=3.5): "The bar is higher than it need be",
    plan(cheap=1000, dear=500, seeds=40): "not there in full yet",
    plan(prompts=20): "The luck of so few prompts",
    plan(cheap=10_000, dear=5_000, seeds=4, bar=2.5): "It is seeds that are missing",
    plan(seeds=40): "Your plan needs",
    plan(prompts=0): "none of them is 0",
    plan(bar=-1.0): "a number of standard errors above 0",
}
POINTS = {
    "the plan keeps the budget": 0,
    "equal seconds for both": 1,
    "where nothing is, nothing is found": 1,
    "a difference of 10 points is found": 2,
}
PROOFS = (keeps_the_budget, is_fair, seldom_wrong, finds_it)
EXERCISE = Exercise(
    name="plan_a_race",
    title="Same budget, who wins?",
    kind="design",
    skill="plan a comparison",
    difficulty=5,
    importance=5,
    minutes=30,
    chapter="14, before section 7",
    task=TASK,
    solution=plan_a_race,
    cases=cases,
    points=POINTS,
    properties=dict(zip(POINTS, PROOFS, strict=True)),
    proven="Your race is fair, seldom cries wolf, and finds what is there.",
    mistakes=MISTAKES,
    right=(plan(), plan(seeds=16, bar=2.05), plan(prompts=150, bar=2.1)),
    hints=HINTS,
    after=AFTER,
)
