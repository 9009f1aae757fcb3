"""Predict: how good can anybody be who predicts choices of people that disagree?"""

from exercises import Exercise
from llmlab.checks import Case, variant

TASK = """
Eight kinds of pairs of stories, equally frequent. Of each it is known what share of the
crowd prefers the first story; the cell below shows the shares, which follow from your
name. A label is the choice of one person, drawn from that crowd.

Take a pair of which 70 % prefer the first. Whoever says "the first" is right about 70
of 100 labels, whoever says "the second" about 30, and there is nothing else to say. So
much for a single pair; the **ceiling** is the best that can be reached over all of
them.

Three teams tell how often their reward models agree with labels that were not used in
training. One of the three must have made a mistake: what it tells is **impossible**,
and no luck explains it.

With a pencil (or Python): the ceiling; how often **two people** of the crowd choose
alike; and which of the three reports cannot be.

**Before you reckon, predict:** who agrees with a person's labels more often, a second
person of the same crowd, or the best model that there can be?
"""


def given():
    from exercises.bank.ceiling import report

    print(report("Ada Example"))  # write your own name here


def ceiling():
    """Your name, as above, and how good anybody can be on its pairs.

    returns: your name; the most labels that a model can agree with, in percent, to a
             tenth; how often two people choose alike on the same pair, in percent, to
             a tenth; "A", "B" or "C", the report that is impossible
    """
    return "Ada Example", 68.1, 58.9, "C"


HINTS = (
    """Of a pair that 20 % prefer the first of: what should a model say, and how often
is it right? And for two people: in which two ways can they choose alike?""",
    """1. the ceiling of one pair: the larger of p and 1 - p; of all: their mean
2. two people choose alike if both take the first or both the second: p times p, and
   1 - p times 1 - p; add them, then take the mean over the pairs
3. a share of n labels has a standard error of the root of p (1 - p) / n: how many of
   them is each report above the ceiling?""",
    """Chapter 10 has the crowd's ceiling; `accuracy_ceiling` in `llmlab/preferences`.
Notebook 06 on intervals. Two people agree in 73 to 77 of 100 pairs in Stiennon et al.
(2020) and Ouyang et al. (2022).""",
)

AFTER = """
**What you predicted.** The model. The best one always says what most people say; a
second person has whims of their own, and two whims disagree more often than one. So a
model that agrees with people more often than people with each other need not be
superhuman. But one above the ceiling has seen the answers.
"""

LETTERS = "ABC"
LABELS = {"impossible": 10_000, "lucky": 60, "honest": 10_000}


def numbers(name):
    """Shares that prefer the first, in percent; and three reports, by letter.

    A report is what it is, the labels it was counted on, and its share in percent (of
    60 labels one that can be: whole labels were right).
    """
    chance = variant(name)
    sure = [chance.randint(*span) for span in ((86, 92), (74, 82), (66, 72), (58, 64))]
    close = [chance.randint(*span) for span in ((50, 54), (55, 59), (62, 68), (78, 86))]
    turned = [100 - share for share in close]
    shares = chance.sample(sure + turned, 8)
    best = means(shares)[0]
    told = {
        "impossible": round(best + chance.uniform(3.5, 5), 1),
        "lucky": round(round(0.6 * (best + chance.uniform(5, 7))) / 0.6, 1),
        "honest": round(best - chance.uniform(0.5, 1.5), 1),
    }
    kinds = chance.sample(list(told), 3)
    return shares, {
        letter: (kind, LABELS[kind], told[kind])
        for letter, kind in zip(LETTERS, kinds, strict=True)
    }


def means(shares):
    """The ceiling and the agreement of two people, in percent."""
    p = [share / 100 for share in shares]
    ceiling = sum(max(x, 1 - x) for x in p)
    alike = sum(x * x + (1 - x) ** 2 for x in p)
    return 100 * ceiling / len(p), 100 * alike / len(p)


def report(name):
    shares, reports = numbers(name)
    lines = ["Of the crowd, so many percent prefer the first story:", ""]
    lines += [" ".join(f"{kind:6}" for kind in range(1, 9))]
    lines += [" ".join(f"{share:6}" for share in shares), ""]
    lines += [
        f"Team {letter}: {share:.1f} % of {labels:,} labels"
        for letter, (_, labels, share) in reports.items()
    ]
    return "\n".join(lines)


def cases(seed):
    """The answer is the same whatever the seed: the numbers follow from the name."""
    yield Case(())


def why_not(what, found, wanted, likely):
    """None if the number is right; else how one may have come to it."""
    if abs(found - wanted) <= 0.11:
        return None
    near = (why for why, value in likely.items() if abs(found - value) <= 0.11)
    return f"{found:g} percent is not {what}. {next(near, '')}".strip()


FRACTION = "That is a fraction; percent is a hundred times as much."


def others(name):
    """How people reckon the ceiling, and the agreement of two."""
    shares = numbers(name)[0]
    mean = sum(shares) / 8
    best, alike = means(shares)
    for_ceiling = {
        "That is how often the first is preferred. A model decides pair by pair, and "
        "says the second where most people do: take the larger of p and 1 - p of each "
        "pair, then the mean.": mean,
        "That is how often two people choose alike. A model need not have whims.": (
            alike
        ),
        "That is the pair on which people agree most. The pairs are equally frequent: "
        "take the mean.": max(max(p, 100 - p) for p in shares),
        "Only pairs of which most prefer the first were counted.": sum(
            p for p in shares if p > 50
        )
        / sum(p > 50 for p in shares),
        "That is how often the best model is wrong.": 100 - best,
        FRACTION: best / 100,
    }
    for_two = {
        "That is the ceiling. A second person does not always choose what most do.": (
            best
        ),
        "You let them agree on the first story only. They may agree on the second, "
        "too.": sum(p * p for p in shares) / 800,
        "You took the mean share first and reckoned with that. Agreement is reckoned "
        "pair by pair.": (mean**2 + (100 - mean) ** 2) / 100,
        "That is how often they choose differently.": 100 - alike,
        FRACTION: alike / 100,
    }
    return for_ceiling, for_two


def reckons_the_ceiling(cases, results):
    name, found, *_ = results[0][0]
    if not name.split() or name.casefold().split() in (["your", "name"], ["name"]):
        return "Write your own name first: the numbers follow from it."
    best = means(numbers(name)[0])[0]
    return why_not("the ceiling", found, best, others(name)[0])


def reckons_two_people(cases, results):
    name, _, found, _ = results[0][0]
    alike = means(numbers(name)[0])[1]
    what = "how often two people choose alike"
    return why_not(what, found, alike, others(name)[1])


def finds_the_impossible(cases, results):
    name, *_, letter = results[0][0]
    reports = numbers(name)[1]
    if letter not in reports:
        return 'The last of the four is a team, "A", "B" or "C".'
    kind, labels, _ = reports[letter]
    if kind == "lucky":
        return (
            f"Team {letter} is above the ceiling, but on {labels} labels: the standard "
            "error is about 6 points, so luck explains it. Is there one that luck does "
            "not explain?"
        )
    if kind == "honest":
        return f"Team {letter} is below the ceiling. Nothing forbids that."
    return None


# What people reckon


def told(place=None, way=0, kind="impossible", name="Ben Example"):
    """The right answer, one of its numbers reckoned in another way."""

    def answer():
        shares, reports = numbers(name)
        found = list(means(shares))
        if place is not None:
            found[place] = [*others(name)[place].values(), 10.0][way]
        letter = next(k for k, each in reports.items() if each[0] == kind)
        return name, *(round(value, 2) for value in found), letter

    return answer


MISTAKES = {
    told(0, 0): "how often the first is preferred",
    told(0, 1): "A model need not have whims",
    told(0, 2): "on which people agree most",
    told(0, 3): "Only pairs of which most prefer the first",
    told(0, 4): "how often the best model is wrong",
    told(0, 5): "That is a fraction",
    told(0, 6): "10 percent is not the ceiling",
    told(1, 0): "That is the ceiling",
    told(1, 1): "They may agree on the second",
    told(1, 2): "You took the mean share first",
    told(1, 3): "choose differently",
    told(1, 4): "That is a fraction",
    told(1, 5): "10 percent is not how often",
    told(kind="lucky"): "so luck explains it",
    told(kind="honest"): "Nothing forbids that",
    lambda: (*told()()[:3], "a"): 'a team, "A", "B" or "C"',
    lambda: (" ", 70.0, 60.0, "A"): "Write your own name first",
    lambda: ("Ben Example", "70", 60.0, "A"): "it should be a number",
    lambda: 70.0: "should return 4 results",
}
POINTS = {
    "the ceiling": 1,
    "how often two people choose alike": 1,
    "the report that is impossible": 1,
}
PROOFS = (reckons_the_ceiling, reckons_two_people, finds_the_impossible)
EXERCISE = Exercise(
    name="ceiling",
    title="How good can anybody be?",
    kind="predict",
    skill="bound an accuracy",
    difficulty=2,
    importance=4,
    minutes=12,
    chapter="10, before section 6",
    task=TASK,
    given=given,
    solution=ceiling,
    cases=cases,
    points=POINTS,
    properties=dict(zip(POINTS, PROOFS, strict=True)),
    proven="The ceiling and what two people reach are right, and you know which report "
    "no luck\nexplains.",
    mistakes=MISTAKES,
    right=(told(), told(name="  cleo  EXAMPLE ")),
    hints=HINTS,
    after=AFTER,
)
