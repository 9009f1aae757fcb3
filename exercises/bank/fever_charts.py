"""Read a result: four fever charts."""

import math

from exercises import Exercise
from llmlab.checks import Case, variant

TASK = """
Four runs of the same small model on the village, drawn in an order that follows from
your name. One is healthy. One has a rate that is too high. One reads its documents
sorted by genre, not shuffled. And in one the text to be predicted leaks into what the
model reads. The charts show the loss in nats a token while it trains, from the left to
the right, and the loss on held-out documents at the end. The lowest loss that any
honest model can reach on this text, the entropy of the village, is told below them.

**Before you look, predict:** which of the four will have the lowest curve?
"""

HEALTHY, RATE, ORDER, LEAK = "healthy", "rate too high", "not shuffled", "leak"


def given():
    from exercises.bank.fever_charts import report

    print(report("Ada Example"))  # write your own name here


def fever_charts():
    """Your name, what each of its four runs has, and what decides it.

    returns: your name; the diagnoses of runs 1 to 4, a list of "healthy",
             "rate too high", "not shuffled" and "leak", each of them once;
             the number of what tells the leak from the healthy run:
             1  which of the two fell faster
             2  whether a loss lies below the entropy of the text
             3  whether the held-out loss is lower than that of the other
    """
    return "Ada Example", ["not shuffled", "rate too high", "leak", "healthy"], 2


HINTS = (
    """Two of the four fall smoothly. Which of the four numbers that you are given can
no honest model beat?""",
    """1. a loss that jumps and comes down again, to where it could have been long ago:
   the steps are too large
2. teeth, as regular as the genres follow each other, and a held-out loss far above
   where training ended: the order
3. of the two smooth ones, the one below the entropy has seen the answers""",
    """Notebook 05, section 10, breaks its own runs in these ways; section 6 tells what
the entropy is.""",
)

AFTER = """
**What you predicted.** The leak, every time. A falling curve is no sign of health: a
held-out loss that leaks falls with it, and only a bound that does not come from the
model can tell.
"""

BARS, STEPS = "▁▂▃▄▅▆▇█", 48


def curve(kind, floor, chance):
    """The loss at each of the steps."""
    losses, jump = [], 0.0
    for step in range(STEPS):
        done = step / STEPS
        target = 0.1 if kind == LEAK else floor + 0.25
        loss = target + (7.8 - target) * math.exp(-6 * done)
        if kind == RATE:
            jump = 0.75 * jump + (chance.uniform(2, 4) if chance.random() < 0.12 else 0)
            loss = max(loss, 3.6) + min(jump, 3.5)
        if kind == ORDER:
            loss += 1.6 * (1 - step % 8 / 7) * min(1, 4 * done)
        losses.append(loss + chance.gauss(0, 0.03))
    return losses


def runs(name):
    """The entropy, and of each run its kind, its losses and the held-out loss."""
    chance = variant(name)
    floor = round(chance.uniform(1.1, 1.4), 2)
    kinds = [HEALTHY, RATE, ORDER, LEAK]
    chance.shuffle(kinds)
    found = []
    for kind in kinds:
        losses = curve(kind, floor, chance)
        gap = {HEALTHY: 0.06, RATE: 0.05, ORDER: 1.3, LEAK: 0.03}[kind]
        found.append((kind, losses, losses[-1] + gap))
    return floor, found


def report(name):
    floor, found = runs(name)
    lines = []
    for number, (_, losses, held_out) in enumerate(found, 1):
        heights = [min(7, int(loss)) for loss in losses]
        lines += [
            f"run {number}   {''.join(BARS[h] for h in heights)}",
            f"        at the end {losses[-1]:.2f}, held out {held_out:.2f}",
        ]
    return "\n".join([*lines, f"entropy of the text: {floor:.2f}"])


def cases(seed):
    """The answer is the same whatever the seed: the charts follow from the name."""
    yield Case(())


def every_run_is_named(cases, results):
    name, diagnoses, _ = results[0][0]
    if not name.split():
        return "Write your own name first: the charts follow from it."
    right = [kind for kind, *_ in runs(name)[1]]
    if sorted(diagnoses, key=str) != sorted(right):
        return f"Give four diagnoses, each once: {', '.join(sorted(right))}."
    taken = dict(zip(right, diagnoses, strict=True))
    if taken[LEAK] == HEALTHY:
        return (
            "The run that you call healthy has beaten the entropy of the text, which "
            "no honest model can: it must have seen the answers."
        )
    if taken[RATE] == ORDER or taken[ORDER] == RATE:
        return (
            "Teeth that come as regularly as the genres follow the order of the text. "
            "Steps that are too large throw the loss up at any time."
        )
    wrong = next((n for n, kind in enumerate(right) if diagnoses[n] != kind), None)
    if wrong is None:
        return None
    return f"Run {wrong + 1} does not have this: {diagnoses[wrong]}. Look at its end."


def the_deciding_number(cases, results):
    said = {
        1: "A leak may fall faster or slower; so may a good rate. It decides nothing.",
        3: "The held-out documents leak as well, so this loss is lower, too.",
    }
    measurement = results[0][0][2]
    return None if measurement == 2 else said.get(measurement, "Choose 1, 2 or 3.")


def told(change=lambda kinds: kinds, measurement=2, name="Ben Example"):
    return lambda: (name, change([kind for kind, *_ in runs(name)[1]]), measurement)


def swapped(one, other):
    names = {one: other, other: one}
    return told(lambda kinds: [names.get(kind, kind) for kind in kinds])


MISTAKES = {
    swapped(LEAK, HEALTHY): "has beaten the entropy of the text",
    swapped(RATE, ORDER): "Teeth that come as regularly",
    swapped(RATE, HEALTHY): "does not have this",
    told(lambda kinds: [HEALTHY] * 4): "Give four diagnoses, each once",
    told(lambda kinds: kinds[:3]): "Give four diagnoses, each once",
    told(measurement=1): "It decides nothing",
    told(measurement=3): "leak as well",
    told(measurement=7): "Choose 1, 2 or 3",
    lambda: ("", [HEALTHY] * 4, 2): "Write your own name first",
    told(lambda kinds: kinds[0]): "it should be a list",
}
POINTS = {"each run has its diagnosis": 2, "what tells a leak from health": 1}
EXERCISE = Exercise(
    name="fever_charts",
    title="Four fever charts",
    kind="read",
    skill="read a loss curve",
    difficulty=3,
    importance=5,
    minutes=15,
    chapter="05, after section 10",
    task=TASK,
    given=given,
    solution=fever_charts,
    cases=cases,
    points=POINTS,
    properties=dict(
        zip(POINTS, (every_run_is_named, the_deciding_number), strict=True)
    ),
    proven="Every run has its diagnosis, and you know which number decides.",
    mistakes=MISTAKES,
    right=(told(), told(name="  cleo  EXAMPLE ")),
    hints=HINTS,
    after=AFTER,
)
