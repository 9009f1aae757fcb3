"""Read two logs: which of two recommenders has closed its loop?"""

import math

from exercises import Exercise
from llmlab.checks import Case, variant

TASK = r"""
Two recommenders, A and B, have each served one reader for four weeks, 50 visits a week.
The log below, which follows from your name, tells of each week how often each topic was
shown, and how many of the 50 were clicked. Both choose from the same **catalogue**,
whose articles are counted as well. After the fourth week the reader's taste was tested:
for each topic, the percentage of its articles that they click on *now*.

One of the two has caught itself in a **bubble**: what it shows decides what can be
clicked, what is clicked decides what it shows, and it has ceased to find out. The other
still tries.

Three numbers tell more than clicks do:

* **variety**, how many topics are shown, as if all were equally frequent: $e^{H}$ with
  $H = -\sum p \ln p$ over the shares $p$ of one week. Two topics, half and half, are 2;
  49 to 1 is hardly more than 1;
* what the week was worth: by the test, what each of the 50 would be clicked;
* **regret**: what 50 of the best topic would be worth, less that.

**Before you look, predict:** which of the two had more clicks in the first three weeks?
"""


def given():
    from exercises.bank.read_the_bubble import report

    print(report("Ada Example"))  # write your own name here


def read_the_bubble():
    """Your name, as above, and what its log says.

    returns: your name; "A" or "B", the recommender that is in a bubble; its variety in
             week 4, to a tenth; its regret in week 4 in clicks, to a tenth
    """
    return "Ada Example", "B", 1.2, 22.1


HINTS = (
    """Do not look at the clicks first. Which rows of topics shrink from week to week,
and which row stays alive in every column?""",
    """1. in week 4, which of the two shows nearly one topic only?
2. shares p: its numbers of week 4 by 50; leave out the zeros
3. variety: e to the power of the sum of -p ln p
4. worth: each number of week 4 times its topic's percentage by 100, summed
5. regret: 50 times the best topic's percentage by 100, less the worth""",
    """Chapter 16, section 7. Jost, *Entropy and diversity* (2006), on the number of
equally frequent kinds. Chaney, Stewart and Engelhardt, *How Algorithmic Confounding in
Recommendation Systems Increases Homogeneity and Decreases Utility* (2018).""",
)

AFTER = """
**What you predicted.** The one in the bubble, as a rule: what it shows is what was
clicked last, and it wastes no visit on trying. The price comes with the first change of
taste, when all its data speak of one topic. Clicks alone would have praised it for
three weeks.
"""

TOPICS = ("ghost", "bargain", "lost", "contest", "wish", "rescue")
VISITS, WEEKS = 50, 4


def numbers(name):
    """Which letter is in the bubble; by letter, shown and clicks; catalogue, test."""
    chance = variant(name)
    favourite, later, *others = chance.sample(range(len(TOPICS)), len(TOPICS))
    test = [chance.randint(8, 18) for _ in TOPICS]
    test[favourite], test[later] = chance.randint(35, 45), chance.randint(75, 85)
    early = [chance.randint(8, 18) for _ in TOPICS]
    early[favourite], early[later] = chance.randint(76, 84), chance.randint(30, 40)
    catalogue = [chance.randint(30, 36) for _ in TOPICS]
    closed = [spread(chance, favourite, others, n) for n in (33, 43, 46, 48)]
    open_ = [spread(chance, favourite, others, n) for n in (30, 31, 30)]
    for week in open_:
        week[later] += week[favourite] - 24
        week[favourite] = 24
    last = spread(chance, later, others, 38)
    last[favourite] += 8
    last[later] -= 8
    found = {"closed": closed, "open": [*open_, last]}
    kinds = chance.sample(list(found), 2)
    logs = {}
    for letter, kind in zip("AB", kinds, strict=True):
        weeks = found[kind]
        rates = [early, early, early, test]
        clicks = [round(worth(*pair)) for pair in zip(weeks, rates, strict=True)]
        logs[letter] = weeks, clicks
    return "AB"[kinds.index("closed")], logs, catalogue, test


def spread(chance, favourite, others, most):
    """A week of 50 with `most` of one topic, the rest over the others."""
    week = [0] * len(TOPICS)
    week[favourite] = most
    for _ in range(VISITS - most):
        week[chance.choice(others)] += 1
    return week


def worth(week, rates):
    return sum(n * rate / 100 for n, rate in zip(week, rates, strict=True))


def variety(week):
    shares = [n / sum(week) for n in week if n]
    return math.exp(-sum(p * math.log(p) for p in shares))


def regret(week, test):
    return VISITS * max(test) / 100 - worth(week, test)


def report(name):
    _, logs, catalogue, test = numbers(name)
    head = " ".join(f"{topic:>8}" for topic in TOPICS)
    lines = [f"{'':12}{head}   clicks"]
    for letter, (weeks, clicks) in logs.items():
        for number, (week, clicked) in enumerate(zip(weeks, clicks, strict=True), 1):
            row = " ".join(f"{n:8}" for n in week)
            lines.append(f"{letter}, week {number:<4}{row} {clicked:8}")
    for title, row in (("catalogue", catalogue), ("test, %", test)):
        lines.append(f"{title:12}" + " ".join(f"{n:8}" for n in row))
    return "\n".join(lines)


def cases(seed):
    """The answer is the same whatever the seed: the logs follow from the name."""
    yield Case(())


def near(found, value):
    return abs(found - value) <= 0.06


def the_closed_loop(cases, results):
    name, letter, *_ = results[0][0]
    if not name.split() or name.casefold().split() in (["your", "name"], ["name"]):
        return "Write your own name first: the logs follow from it."
    closed, logs, *_ = numbers(name)
    if letter not in logs:
        return 'Name one of the recommenders, "A" or "B".'
    if letter == closed:
        return None
    return (
        f"{letter} shows more than one topic in every week, and moved when the taste "
        "did. Few clicks in an early week are the price of trying, and no bubble."
    )


def the_variety(cases, results):
    name, _, found, _ = results[0][0]
    closed, logs, catalogue, _ = numbers(name)
    week = logs[closed][0][-1]
    if near(found, variety(week)):
        return None
    return next(
        (why for why, value in other_varieties(name).items() if near(found, value)),
        f"{found:g} is not the variety of week 4: e to the power of the entropy of its "
        "shares.",
    )


def other_varieties(name):
    closed, logs, catalogue, _ = numbers(name)
    weeks = logs[closed][0]
    week, all_four = weeks[-1], [sum(column) for column in zip(*weeks, strict=True)]
    return {
        "That is the variety of the catalogue. What could be shown is not what was "
        "shown.": variety(catalogue),
        "You counted the topics that were shown at all. One visit of fifty is not a "
        "topic like the others: take e to the power of the entropy.": sum(
            n > 0 for n in week
        ),
        "That is the entropy itself. Its exponential is a number of topics.": math.log(
            variety(week)
        ),
        "That is the variety of four weeks together, from before the bubble closed. "
        "Take week 4 alone.": variety(all_four),
        "That is the other recommender's variety.": variety(
            logs["B" if closed == "A" else "A"][0][-1]
        ),
    }


def the_regret(cases, results):
    name, *_, found = results[0][0]
    closed, logs, _, test = numbers(name)
    if near(found, regret(logs[closed][0][-1], test)):
        return None
    return next(
        (why for why, value in other_regrets(name).items() if near(found, value)),
        f"{found:g} is not the regret of week 4: what 50 of the best topic would be "
        "worth by the test, less what its 50 are worth.",
    )


def other_regrets(name):
    closed, logs, _, test = numbers(name)
    week = logs[closed][0][-1]
    return {
        "You compared with 50 clicks of 50. The best topic is not always clicked "
        "either: regret compares with the best there is.": VISITS - worth(week, test),
        "That is what the week was worth. Regret is what it lacks to the best.": worth(
            week, test
        ),
        "That is per visit. Asked for are the clicks of the whole week.": regret(
            week, test
        )
        / VISITS,
        "You compared with the mean topic. Regret compares with the best one.": VISITS
        * sum(test)
        / 100
        / len(test)
        - worth(week, test),
        "That is the other recommender's regret.": regret(
            logs["B" if closed == "A" else "A"][0][-1], test
        ),
    }


# What people read


def told(other=False, variety_way=None, regret_way=None, name="Ben Example"):
    """The right answer, or with one of its parts read in another way."""

    def answer():
        closed, logs, _, test = numbers(name)
        week = logs[closed][0][-1]
        found = [variety(week), regret(week, test)]
        if variety_way is not None:
            found[0] = [*other_varieties(name).values(), 9.9][variety_way]
        if regret_way is not None:
            found[1] = [*other_regrets(name).values(), 99.9][regret_way]
        letter = ("B" if closed == "A" else "A") if other else closed
        return name, letter, *(round(float(value), 2) for value in found)

    return answer


MISTAKES = {
    told(other=True): "the price of trying, and no bubble",
    told(variety_way=0): "the variety of the catalogue",
    told(variety_way=1): "counted the topics that were shown at all",
    told(variety_way=2): "That is the entropy itself",
    told(variety_way=3): "four weeks together",
    told(variety_way=4): "the other recommender's variety",
    told(variety_way=5): "9.9 is not the variety",
    told(regret_way=0): "compared with 50 clicks of 50",
    told(regret_way=1): "what the week was worth",
    told(regret_way=2): "That is per visit",
    told(regret_way=3): "compared with the mean topic",
    told(regret_way=4): "the other recommender's regret",
    told(regret_way=5): "99.9 is not the regret",
    lambda: ("Ben Example", "a", 1.0, 1.0): '"A" or "B"',
    lambda: (" ", "A", 1.0, 1.0): "Write your own name first",
    lambda: ("Ben Example", "A", "1", 1.0): "it should be a number",
    lambda: "A": "should return 4 results",
}
POINTS = {"the loop that closed": 1, "its variety": 1, "its regret": 1}
PROOFS = (the_closed_loop, the_variety, the_regret)
EXERCISE = Exercise(
    name="read_the_bubble",
    title="The bubble",
    kind="read",
    skill="read a recommender's log",
    difficulty=3,
    importance=4,
    minutes=15,
    chapter="16, after section 7",
    task=TASK,
    given=given,
    solution=read_the_bubble,
    cases=cases,
    points=POINTS,
    properties=dict(zip(POINTS, PROOFS, strict=True)),
    proven="You know which loop closed, how narrow it became, and what it cost when "
    "the\ntaste turned.",
    mistakes=MISTAKES,
    right=(told(), told(name="  cleo  EXAMPLE ")),
    hints=HINTS,
    after=AFTER,
)
