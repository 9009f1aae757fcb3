"""Do people agree, with each other and with themselves, by more than chance?"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from llmlab.preferences.comparisons import EQUAL, Comparison


def side_free(label: Comparison) -> float:
    """The choice, wherever the stories stood: 0 for the one that comes first in the
    alphabet, 1 for the other, `EQUAL` for none."""
    swapped = label.first > label.second
    return 1 - label.preferred if swapped else label.preferred


def asked_twice(labels: Iterable[Comparison]) -> list[tuple[Comparison, Comparison]]:
    """The first and the second label of all who were asked twice about a pair."""
    asked = defaultdict(list)
    for label in labels:
        asked[label.annotator, label.pair].append(label)
    return [(told[0], told[1]) for told in asked.values() if len(told) > 1]


def cohens_kappa(one: Sequence, other: Sequence) -> float:
    """Agreement beyond chance: 1 of equal choices, 0 where chance agrees as often.

    (agreement - chance) / (1 - chance), where chance is how often two people agree who
    choose as often as these two do, but each without looking (Cohen 1960).

    one, other : what each of two chose, on the same pairs; any names of choices.

    Raises ValueError: both made one and the same choice all the time, and chance would
    agree always.
    """
    both = list(zip(one, other, strict=True))
    if not both:
        raise ValueError("nobody chose anything; give the choices of two on some pairs")
    first, second = (Counter(side) for side in zip(*both, strict=True))
    agreement = sum(a == b for a, b in both) / len(both)
    chance = sum(first[choice] * second[choice] for choice in first) / len(both) ** 2
    if chance == 1:
        raise ValueError(
            f"both chose {both[0][0]!r} every time, so that agreement says nothing; "
            "give pairs on which choices differ"
        )
    return (agreement - chance) / (1 - chance)


class Lean(NamedTuple):
    """What the left place adds, in nats of log-odds, with its standard error.

    left, right : how many pairs, shown both ways round, were won by that place twice.
    """

    value: float
    error: float
    left: int
    right: int


def position_lean(labels: Iterable[Comparison]) -> Lean:
    """How much the left place adds to a story, whatever the stories are worth.

    Where a story of advantage d stands on the left, it is chosen with log-odds d + b,
    and on the right with d - b. Who is asked both ways round chooses the left place
    twice with odds exp(2 b) against the right place twice, whatever d is: the story
    cancels. So b is half the log of the two counts' ratio, each count with one half
    added, which keeps it finite (Haldane 1956).

    labels : those of pairs that one person saw both ways round count, others do not.
    """
    places = Counter(
        before.preferred
        for before, after in asked_twice(labels)
        if before.first == after.second != before.second
        and before.preferred == after.preferred != EQUAL
    )
    left, right = places[0], places[1]
    value = math.log((left + 0.5) / (right + 0.5)) / 2
    error = math.sqrt(1 / (left + 0.5) + 1 / (right + 0.5)) / 2
    return Lean(value, error, left, right)
