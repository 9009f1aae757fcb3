"""Read a result: which of four runs is sick, and which curve shows it first?"""

import math

from exercises import Exercise
from llmlab.checks import Case, variant

TASK = """
Four runs of PPO with one reward model, drawn in an order that follows from your name.
Three of them are healthy. They differ all the same: rates were chosen differently, and
one critic began badly. One run is sick. You have the dashboard, and the stories you
cannot read before tomorrow.

| cause | what happened |
|---|---|
| `paid for leaving` | the divergence from the reference is paid for, not charged |
| `likes length` | the reward likes long stories, whatever they say |
| `one text` | the policy has found one story, and tells it to every prompt |
| `blind critic` | the critic's values have nothing to do with what is earned |
| `other log-probabilities` | the old ones come from another model than the new ones |

Each curve goes from the first update on the left to the last one on the right. All four
runs of a curve are drawn to one scale. Name the sick run, the curve that shows it
**first**, that is at the earliest update, and the cause. A later curve may show it more
loudly.

**Before you look, predict:** will the sick run have a high score or a low one?
"""


def given():
    from exercises.bank.read_the_dashboard import report

    print(report("Ada Example"))  # write your own name here


def read_the_dashboard():
    """Your name, and what its dashboard says.

    returns: your name; the number of the sick run, 1 to 4; the name of the curve that
             shows it first, as the dashboard writes it; the cause, as the table writes
             it
    """
    return "Ada Example", 4, "length", "likes length"


HINTS = (
    """Cover the score, which all causes but one make look well. Of every other curve,
which run ends where none of the others does?""",
    """1. a slow run is low in everything and keeps to the same shape; that is a rate
2. a critic that begins below zero and comes up has only learned late
3. a run that leaves the other three in one curve, and later in more of them, is sick
4. go back along those curves: which of them left the others at the earliest update?
5. that first one names the cause, since the others only follow from it""",
    """Notebook 12, where each detail is switched off once. Huang et al., *The N+
Implementation Details of RLHF with PPO* (2024), on what to watch.""",
)

AFTER = """
**What you predicted.** A high one in most cases, and in many the highest of all four:
the score is what is being pushed up, so it rises in sickness as well. An entropy near
zero is no convergence either. A policy that has learned much still tells different
stories to different prompts.
"""

BARS, UPDATES = "▁▂▃▄▅▆▇█", 24
CURVES = ("score", "KL", "entropy", "length", "finished", "clip fraction")
CURVES += ("explained variance",)
FAST, SLOW, LATE = "fast", "slow", "late critic"
LOWEST = {"KL": 0.0, "entropy": 0.02, "clip fraction": 0.0}
# Of each cause: which curves leave the others, at which update, by how much in the end.
CAUSES = {
    "paid for leaving": {"KL": (2, 24), "entropy": (11, -0.5), "score": (15, 0.7)},
    "likes length": {
        "length": (3, 50),
        "finished": (12, -0.5),
        "KL": (15, 10),
        "score": (7, 0.7),
    },
    "one text": {"entropy": (3, -0.8), "KL": (11, 12), "score": (7, 0.7)},
    "blind critic": {"explained variance": (2, -2.2), "score": (10, -0.5)},
    "other log-probabilities": {
        "clip fraction": (0, 0.4),
        "KL": (9, 14),
        "entropy": (15, -0.35),
        "score": (12, 0.3),
    },
}


def first_curve(cause):
    several = {c: at for c, (at, _) in CAUSES[cause].items() if c != "score"}
    return min(several, key=several.get)


def measured(curve, kind, update, chance):
    """One number of the dashboard; of a sick run, `kind` is its cause."""
    done, gain = update / (UPDATES - 1), {FAST: 1.6, SLOW: 0.7}.get(kind, 1.3)
    risen = 1 - math.exp(-3 * done)
    value, noise = {
        "score": (gain * risen, 0.05),
        "KL": (3 * gain * risen, 0.2),
        "entropy": (1.1 - 0.15 * gain * done, 0.01),
        "length": (100 + 4 * gain * done, 1),
        "finished": (0.96, 0.01),
        "clip fraction": (0.02 + 0.05 * gain * done, 0.005),
        "explained variance": (0.1 + 0.45 * risen, 0.03),
    }[curve]
    if kind == LATE and curve == "explained variance":
        value -= 2.4 * math.exp(-5 * done)
    onset, amount = CAUSES.get(kind, {}).get(curve, (UPDATES, 0))
    value += amount * min(1, max(0, (update + 1 - onset) / 6))
    value += chance.gauss(0, noise)
    return min(value, 1) if curve == "finished" else max(value, LOWEST.get(curve, -9))


def runs(name):
    """What each of the four runs is, and its curves."""
    chance = variant(name)
    cause = chance.choice(list(CAUSES))
    kinds = [cause, FAST, SLOW, LATE]
    chance.shuffle(kinds)
    curves = {
        curve: [
            [measured(curve, kind, u, chance) for u in range(UPDATES)] for kind in kinds
        ]
        for curve in CURVES
    }
    return cause, kinds, curves


def report(name):
    _, _, curves = runs(name)
    lines = []
    for curve, several in curves.items():
        numbers = [x for run in several for x in run]
        low, size = min(numbers), max(numbers) - min(numbers)
        lines.append(curve)
        for number, run in enumerate(several, 1):
            bars = "".join(BARS[min(7, int(8 * (x - low) / size))] for x in run)
            lines.append(f"  run {number}  {bars}  {run[0]:8.2f} to {run[-1]:7.2f}")
    return "\n".join(lines)


def cases(seed):
    """The answer is the same whatever the seed: the runs follow from the name."""
    yield Case(())


def the_sick_run(cases, results):
    name, number, *_ = results[0][0]
    if not name.split():
        return "Write your own name first: the dashboard follows from it."
    if number not in (1, 2, 3, 4):
        return "Give the number of one run, 1 to 4."
    kind = runs(name)[1][int(number) - 1]
    return {
        FAST: f"Run {number} has the largest steps of the healthy runs, and none of "
        "its curves leaves the others. Which run has one that does?",
        SLOW: f"Run {number} is slow, and its curves have the shape of the others. A "
        "low score is no sickness: look for a curve that leaves the other three.",
        LATE: f"The critic of run {number} begins badly and learns. Look for a run "
        "that leaves the others and does not come back.",
    }.get(kind)


def the_first_curve(cases, results):
    name, _, curve, _ = results[0][0]
    cause, *_ = runs(name)
    first, left = first_curve(cause), CAUSES[cause]
    if curve not in CURVES:
        return f"Name a curve as the dashboard does: {', '.join(CURVES)}."
    if curve == first:
        return None
    if curve == "score":
        return (
            "The score is what is pushed up, by right means or wrong ones: by itself "
            "it tells nothing. Look at what it was bought with."
        )
    if curve in left:
        return (
            f"The sick run leaves the others there, but not before update "
            f"{left[curve][0]}. Another curve did so earlier."
        )
    return "In that curve the sick run goes along with the others."


def the_cause(cases, results):
    name, _, _, named = results[0][0]
    cause, *_ = runs(name)
    if named not in CAUSES:
        return f"Name a cause as the table does: {', '.join(CAUSES)}."
    if named == cause:
        return None
    return (
        f"With the cause “{named}” the first curve to leave the others would be the "
        f"{first_curve(named)}."
    )


# What people read


def told(pick=None, curve=None, cause=None, name="Ben Example"):
    """An answer, right but for what is given; `pick` is a kind of run."""

    def answer():
        right, kinds, _ = runs(name)
        number = kinds.index(pick or right) + 1
        return name, number, curve or first_curve(right), cause or right

    return answer


MISTAKES = {
    told(FAST): "largest steps of the healthy runs",
    told(SLOW): "A low score is no sickness",
    told(LATE): "begins badly and learns",
    told(curve="score"): "by itself it tells nothing",
    told(curve="KL"): "not before update 11",
    told(curve="length"): "goes along with the others",
    told(cause="likes length"): "would be the length",
    told(cause="blind critic"): "would be the explained variance",
    told(curve="kl"): "Name a curve as the dashboard does",
    told(cause="boredom"): "Name a cause as the table does",
    lambda: ("", 1, "KL", "one text"): "Write your own name first",
    lambda: ("Ben Example", 7, "KL", "one text"): "number of one run",
    lambda: ("Ben Example", "1", "KL", "one text"): "it should be a number",
}
POINTS = {
    "the sick run is found": 2,
    "the curve that shows it first": 1,
    "the cause": 1,
}
PROOFS = (the_sick_run, the_first_curve, the_cause)
EXERCISE = Exercise(
    name="read_the_dashboard",
    title="Read the dashboard",
    kind="read",
    skill="read a run",
    difficulty=3,
    importance=5,
    minutes=15,
    chapter="12, after section 5",
    task=TASK,
    given=given,
    solution=read_the_dashboard,
    cases=cases,
    points=POINTS,
    properties=dict(zip(POINTS, PROOFS, strict=True)),
    proven="The sick run has its cause, and you know which curve showed it first.",
    mistakes=MISTAKES,
    right=(told(), told(name="  cleo  EXAMPLE ")),
    hints=HINTS,
    after=AFTER,
)
