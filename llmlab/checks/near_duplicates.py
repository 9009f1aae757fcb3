"""How alike two texts are, estimated from smallest numbers (MinHash)."""

import itertools
import random

from llmlab.checks.common import TOLERANCE, CheckFailed, call, require_result

_FIRST = {"red", "green", "blue"}
_SECOND = {"green", "blue", "gold", "grey"}


def estimated_likeness(candidate) -> None:
    """Check the estimate of MinHash (Broder 1997).

    Parameters
    ----------
    candidate : function of two sets of phrases and a list of numberings, each a
        function from phrase to number, that returns the share of the numberings under
        which both sets have the same smallest number.

    Raises
    ------
    CheckFailed : with the likely mistake.
    """
    numberings = _all_numberings(sorted(_FIRST | _SECOND))
    _is_a_number(candidate, numberings)
    _one_numbering_says_yes_or_no(candidate, numberings)
    _numberings_are_kept_apart(candidate)
    _mean_of_all_is_the_likeness(candidate, numberings)
    _estimate_equals_loop(candidate)
    print(
        "Right. Each numbering says yes or no, your estimate is the share that says "
        "yes,\nand over all 120 numberings of five phrases it is the likeness 2/5 "
        "itself."
    )


def _all_numberings(phrases: list[str]) -> list:
    """Every way to give the phrases the numbers 1, 2, 3, …"""
    return [
        dict(zip(phrases, numbers, strict=True)).__getitem__
        for numbers in itertools.permutations(range(1, len(phrases) + 1))
    ]


def _estimate(candidate, first: set, second: set, numberings: list) -> float:
    return float(call(candidate, set(first), set(second), list(numberings)))


def _same(value: float, other: float) -> bool:
    return abs(value - other) <= TOLERANCE


def _is_a_number(candidate, numberings: list) -> None:
    result = call(candidate, set(_FIRST), set(_SECOND), list(numberings))
    require_result(result)
    try:
        float(result if not isinstance(result, str) else "text")
    except (TypeError, ValueError):
        raise CheckFailed(
            f"Your function returns a {type(result).__name__}; it should be a number "
            "from 0 to 1."
        ) from None


def _agrees(number, extreme=min) -> float:
    """1 if both sets have the same smallest number, else 0."""
    return float(extreme(map(number, _FIRST)) == extreme(map(number, _SECOND)))


def _one_numbering_says_yes_or_no(candidate, numberings: list) -> None:
    """Every single numbering, alone."""
    found = [_estimate(candidate, _FIRST, _SECOND, [n]) for n in numberings]
    wanted = [_agrees(n) for n in numberings]
    if found == wanted:
        return
    if len(set(found)) == 1 and 0 < found[0] < 1:
        raise CheckFailed(
            f"The numberings do not matter: your result is {found[0]:.2f} under each "
            "of them. You compared the phrases themselves, for which both texts have "
            "to be kept. Compare only their smallest numbers."
        )
    if len(set(found)) == 1:
        raise CheckFailed(
            f"Your result is {found[0]:g} under every one of {len(found)} numberings "
            f"alone; the smallest numbers agree under {sum(wanted):g} of them. Note "
            "for one numbering what you compare: it should be the smallest number "
            "of each set, and the first numbering counts as well."
        )
    if found == [1 - yes for yes in wanted]:
        raise CheckFailed(
            "Your result is the share of numberings under which the smallest numbers "
            "differ. Alike are texts that agree."
        )
    if found == [_agrees(n, max) for n in numberings]:
        raise CheckFailed(
            "You compare the largest numbers. They would serve as well, but everybody "
            "has to note the same thing, and that is the smallest."
        )
    if all(_same(f, max(found) * yes) for f, yes in zip(found, wanted, strict=True)):
        raise CheckFailed(
            f"Under one numbering that agrees your result is {max(found):.2f}; it "
            "should be 1. Divide by the number of numberings, not of phrases."
        )
    place = next(k for k, yes in enumerate(wanted) if found[k] != yes)
    smallest = [min(map(numberings[place], texts)) for texts in (_FIRST, _SECOND)]
    raise CheckFailed(
        f"One numbering alone says yes or no. Where the smallest numbers are "
        f"{smallest[0]} and {smallest[1]}, the result should be {wanted[place]:g}; it "
        f"is {found[place]:.2f}."
    )


def _numberings_are_kept_apart(candidate) -> None:
    """The notes of one set are 1 and 2, those of the other 2 and 1."""
    numberings = [{"left": 1, "right": 2}, {"left": 2, "right": 1}]
    numberings = [numbering.__getitem__ for numbering in numberings]
    if _estimate(candidate, {"left"}, {"right"}, numberings) > TOLERANCE:
        raise CheckFailed(
            "Two sets without a common phrase should get 0. Their smallest numbers are "
            "1 and 2 in one set and 2 and 1 in the other: a number counts only against "
            "that of the same numbering."
        )


def _mean_of_all_is_the_likeness(candidate, numberings: list) -> None:
    """In an exact list of all numberings, luck has no part."""
    found = _estimate(candidate, _FIRST, _SECOND, numberings)
    likeness = len(_FIRST & _SECOND) / len(_FIRST | _SECOND)
    if _same(found, likeness):
        return
    count = len(numberings)
    if _same(found, likeness * count):
        raise CheckFailed(
            f"With {count} numberings your result is {found:g}, the number of those "
            "that agree. Divide by how many there are."
        )
    for place in ("first", "last"):
        if _only_counts(candidate, place, numberings):
            raise CheckFailed(
                f"Only the {place} numbering counts. All of them have to be asked: is "
                "there a return inside the loop, or a result that is overwritten?"
            )
    raise CheckFailed(
        f"Each numbering alone is right, but all {count} together should give "
        f"{likeness:.2f}, the share that agrees; the result is {found:.2f}."
    )


def _only_counts(candidate, place: str, numberings: list) -> bool:
    """Whether the numbering at that place outvotes all that say the opposite."""
    yes = [number for number in numberings if _agrees(number)]
    no = [number for number in numberings if not _agrees(number)]
    results = [
        _estimate(candidate, _FIRST, _SECOND, several)
        for several in (
            ([yes[0], *no], [no[0], *yes])
            if place == "first"
            else ([*no, yes[0]], [*yes, no[0]])
        )
    ]
    return results == [1, 0]


def _estimate_equals_loop(candidate) -> None:
    chance = random.Random(1)
    phrases = [f"phrase {k}" for k in range(60)]
    for either_side in (0, 5, 15):
        first = set(phrases[: 20 + either_side])
        second = set(phrases[20 - either_side :])
        tables = [
            {phrase: chance.randrange(2**64) for phrase in phrases} for _ in range(30)
        ]
        agreements = 0
        for table in tables:
            smallest_of_first = min(table[phrase] for phrase in first)
            smallest_of_second = min(table[phrase] for phrase in second)
            agreements += smallest_of_first == smallest_of_second
        numberings = [table.__getitem__ for table in tables]
        found = _estimate(candidate, first, second, numberings)
        if not _same(found, agreements / len(tables)):
            raise CheckFailed(
                f"Right for a few phrases, but for sets of {len(first)} and "
                f"{len(second)} phrases with numbers of 64 bits the result is "
                f"{found:.3f}; {agreements} of {len(tables)} numberings agree."
            )
