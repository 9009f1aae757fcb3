"""Design: when to stop, with two hundred judgements."""

import torch

from exercises import Exercise
from llmlab.checks import Case

TASK = """
A policy was paid by a learned reward and kept on the way as eight checkpoints, from the
instruct model (0) to the end (7). Stories became better at first, and then worse than
they had been at the beginning; the reward rose all the time and is no help. You may ask
people to judge **200 stories**, of whichever checkpoints you like. One judgement is
true on average, with a deviation of 1; the best checkpoint is better than the first by
1 or so. Which one will you take?

**Plan the judgements.** First so many stories of *each* checkpoint are judged. Those
with the best averages, as many as you say, go on to a *second round*, in which so many
more stories of each of them are judged. In the end the checkpoint with the best average
over both rounds is taken. (`first` is a list, since you need not ask about all eight
equally often.)

Your plan is run on 4,000 simulated policies, whose peak lies anywhere. What you lose is
what the true best has more than the one you took, as a share of what there was to
gain. It should be 5 percent or less on average.

**Before you start, predict:** 25 stories of each of the eight, one round: how much is
lost?
"""


def when_to_stop(checkpoints, judgements):
    """A plan in two rounds; not all judgements need to be used.

    checkpoints: a number, 8
    judgements:  a number, how many stories people will judge for you in all
    returns: a list of `checkpoints` numbers, how many stories of each are judged first;
             how many checkpoints go on to the second round; how many more stories of
             each of those are judged then
    """
    first = [12] * checkpoints
    kept = 3
    return first, kept, (judgements - sum(first)) // kept


HINTS = (
    """After a few judgements of each, some checkpoints are out of the question. What
would one more judgement of them tell you?""",
    """1. a first round that is just large enough not to lose the best by bad luck
2. few go on, and get all that is left
3. look at what is lost by one round, and by a first round that is too small""",
    """Karnin, Koren and Somekh, *Almost Optimal Exploration in Multi-Armed Bandits*
(2013): halving, round by round. Notebook 13, section 6.""",
)

AFTER = """
**What you predicted.** More than with two rounds, if not by much: most of the 200
judgements go to checkpoints that nobody would have taken. And note what the plan needs:
people. A reward cannot tell when to stop listening to it.
"""

POLICIES, ENOUGH = 4_000, 0.05


def cases(seed):
    yield Case((8, 200))


def policies(generator):
    """The true worth of the checkpoints of simulated policies, (policies, 8): up to a
    peak that lies anywhere inside, and down below the start."""
    peak = 0.8 + 5 * torch.rand(POLICIES, 1, generator=generator)
    height = 0.7 + 0.6 * torch.rand(POLICIES, 1, generator=generator)
    place = torch.arange(8.0)
    up = height * (1 - (1 - place / peak).square())
    end = -height * (0.3 + torch.rand(POLICIES, 1, generator=generator))
    down = height + (end - height) * ((place - peak) / (7 - peak)).square()
    return torch.where(place <= peak, up, down)


def averaged(worth, counts, generator):
    """Averages of so many judgements of each: without any, nothing is promised."""
    noise = torch.randn(worth.shape, generator=generator)
    seen = worth + noise / counts.clamp(min=1).sqrt()
    return seen.where(counts > 0, -torch.inf)


def lost(plan, seed):
    """The mean share of what there was to gain that a plan loses."""
    first, kept, second = plan
    generator = torch.Generator().manual_seed(seed)
    worth = policies(generator)
    counts = torch.tensor(first).float().expand_as(worth)
    seen = averaged(worth, counts, generator)
    best = seen.topk(max(1, kept), dim=1).indices
    again = averaged(worth, torch.full_like(worth, second), generator)
    if kept and second:
        both = (seen * counts + again * second) / (counts + second)
        seen = torch.full_like(seen, -torch.inf).scatter(1, best, both.gather(1, best))
    taken = seen.argmax(dim=1, keepdim=True)
    return 1 - (worth.gather(1, taken)[:, 0] / worth.amax(dim=1)).mean().item()


def keeps_the_rules(cases, results):
    (first, kept, second), (checkpoints, judgements) = results[0][0], cases[0].inputs
    if len(first) != checkpoints:
        return (
            f"There are {checkpoints} checkpoints; your first round has {len(first)} "
            "numbers."
        )
    numbers = [*first, kept, second]
    if any(type(number) is not int or number < 0 for number in numbers):
        return "Judgements and checkpoints are counted: whole numbers, 0 or more."
    if kept > checkpoints:
        return f"{kept} checkpoints go on, of {checkpoints}."
    asked = sum(first) + kept * second
    if asked > judgements:
        return f"You may ask for {judgements} judgements; your plan needs {asked}."
    if not sum(first):
        return "Nothing is judged in the first round, so nobody knows which go on."
    return None


def ends_near_the_best(cases, results):
    if keeps_the_rules(cases, results):
        return "A plan that breaks the rules is not run."
    plan = first, kept, second = results[0][0]
    seed, bar = (1, 1.1 * ENOUGH) if cases[0].hidden else (0, ENOUGH)
    share = lost(plan, seed)
    if share <= bar:
        return None
    loses = f"{100 * share:.0f} percent are lost; it should be {100 * bar:.1f} or less."
    asked = [number for number, count in enumerate(first) if count]
    if len(asked) == 1:
        where = "the last" if asked == [len(first) - 1] else "one"
        return (
            f"All judgements are of {where} checkpoint, so nothing is compared with "
            f"it: {loses}"
        )
    if len(asked) < len(first) - 2:
        return (
            "The peak may lie at any of them, and some were never looked at: " + loses
        )
    if not kept * second:
        return (
            "One round spends as much on checkpoints that are out of the question as "
            f"on those between which you must choose: {loses}"
        )
    if kept == 1:
        return (
            "Only one goes on to the second round, so that round decides nothing: "
            + loses
        )
    if max(first) < 8:
        return f"After so few judgements the best is often out by bad luck: {loses}"
    return f"{loses[0].upper()}{loses[1:]} Are all 200 used, where they decide?"


def plan(first, kept, second):
    return lambda checkpoints, judgements: (
        first if isinstance(first, list) else [first] * checkpoints,
        kept,
        second,
    )


MISTAKES = {
    plan([0] * 7 + [200], 0, 0): "All judgements are of the last checkpoint",
    plan([0, 0, 0, 200, 0, 0, 0, 0], 1, 0): "All judgements are of one checkpoint",
    plan([0, 0, 0, 0, 50, 50, 50, 50], 0, 0): "some were never looked at",
    plan(25, 0, 0): "One round spends as much",
    plan(20, 1, 40): "that round decides nothing",
    plan(1, 4, 48): "out by bad luck",
    plan(6, 8, 6): "out by bad luck",
    plan(10, 3, 10): "Are all 200 used",
    plan(25, 3, 1): "your plan needs 203",
    plan([25] * 7, 0, 0): "your first round has 7 numbers",
    plan(12, 9, 1): "9 checkpoints go on, of 8",
    plan(12.5, 2, 50): "whole numbers",
    plan(0, 2, 100): "Nothing is judged in the first round",
    lambda checkpoints, judgements: 3: "",
}
POINTS = {"the plan keeps the rules": 0, "what is taken is near the best": 3}
EXERCISE = Exercise(
    name="when_to_stop",
    title="When to stop",
    kind="design",
    skill="spend judgements",
    difficulty=4,
    importance=3,
    minutes=25,
    chapter="13, after section 6",
    task=TASK,
    solution=when_to_stop,
    cases=cases,
    points=POINTS,
    properties=dict(zip(POINTS, (keeps_the_rules, ends_near_the_best), strict=True)),
    proven="Two hundred judgements, spent where they decide, find the place to stop.",
    mistakes=MISTAKES,
    right=(plan(14, 2, 44), plan([4, *[14] * 6, 10], 3, 34)),
    hints=HINTS,
    after=AFTER,
)
