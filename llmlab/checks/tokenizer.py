"""One merge of byte-pair encoding: `llmlab.tokenizer` can learn with the learner's."""

import contextlib
import random

from llmlab import tokenizer
from llmlab.checks.common import CheckFailed, call, require_result

_NEW = 300


def merge(candidate) -> None:
    """Check one merge of byte-pair encoding (Sennrich, Haddow & Birch 2016).

    Parameters
    ----------
    candidate : function of a list of ids, a pair of ids and a new id, that returns a
        new list in which the new id stands for every pair, from left to right.

    Raises
    ------
    CheckFailed : with the likely mistake.
    """
    _returns_a_list(candidate)
    _leaves_other_tokens_alone(candidate)
    _merges_every_pair(candidate)
    _uses_each_token_once(candidate)
    _merge_equals_definition(candidate)
    _ids_may_be_any(candidate)
    print(
        "Right. Every pair became one token, no token was used twice or lost,\n"
        "and runs of one letter are merged from the left."
    )


def _merged(candidate, ids: list[int], pair: tuple[int, int]) -> list[int]:
    return list(call(candidate, list(ids), pair, _NEW))


def _returns_a_list(candidate) -> None:
    result = call(candidate, [5, 1, 2, 7], (1, 2), _NEW)
    require_result(result)
    if not isinstance(result, list):
        raise CheckFailed(
            f"Your function returns a {type(result).__name__}; it should be a list of "
            "ids."
        )


def _leaves_other_tokens_alone(candidate) -> None:
    """Lists that do not hold the pair (7, 8)."""
    reasons = {
        (5, 7): "the last token of a list is kept, even if it could begin a pair.",
        (8, 7): "the order of the two tokens counts.",
        (17, 8): "ids are whole numbers, not strings of digits.",
        (7, 5, 8): "only neighbours are merged.",
    }
    for ids, reason in reasons.items():
        found = _merged(candidate, list(ids), (7, 8))
        if found != list(ids):
            raise CheckFailed(
                f"With the pair 7, 8 the list {list(ids)} should stay as it is, and it "
                f"became {found}: {reason}"
            )
    found = _merged(candidate, [], (7, 8))
    if found:
        raise CheckFailed(f"An empty list should stay empty; it became {found}.")


def _merges_every_pair(candidate) -> None:
    ids = [5, 1, 2, 7, 1, 2, 8, 1, 2]
    found = _merged(candidate, ids, (1, 2))
    wanted = [5, _NEW, 7, _NEW, 8, _NEW]
    if found == wanted:
        return
    mistakes = (
        (ids, "Nothing was merged: the list is as it was."),
        (
            [5, _NEW, 7, 1, 2, 8, 1, 2],
            "Only the first pair was merged. Go on to the end of the list.",
        ),
        (
            [5, _NEW, 7, _NEW, 8, 1, 2],
            "The pair at the very end of the list was not merged: the loop ends too "
            "early.",
        ),
        (
            [5, _NEW, 2, 7, _NEW, 2, 8, _NEW, 2],
            "The second half of each pair is still there: after a merge, go on behind "
            "both tokens.",
        ),
        (
            [5, 1, _NEW, 7, 1, _NEW, 8, 1, _NEW],
            "The first half of each pair is still there: the new token takes the "
            "place of both.",
        ),
    )
    for mistaken, mistake in mistakes:
        if found == mistaken:
            raise CheckFailed(mistake)
    raise CheckFailed(
        f"{ids} with the pair 1, 2 should become {wanted}; it is {found}."
    )


def _uses_each_token_once(candidate) -> None:
    """Runs of one letter, which hold more pairs than can be merged."""
    found = _merged(candidate, [1, 1, 1], (1, 1))
    if found == [_NEW, 1]:
        return
    if found == [_NEW, _NEW]:
        raise CheckFailed(
            "A token was used twice: in a run of three, the one in the middle belongs "
            "to two pairs, and you merged both. The text has become longer."
        )
    if found == [1, _NEW]:
        raise CheckFailed(
            "A run of three was merged from the right. Go from left to right, or two "
            "people get two spellings of one word."
        )
    if found == [_NEW]:
        raise CheckFailed(
            "A run of three became a single token: the third token was swallowed."
        )
    raise CheckFailed(
        f"A run of three, [1, 1, 1], should become {[_NEW, 1]}; it is {found}."
    )


def _merge_equals_definition(candidate) -> None:
    """Random lists of three letters, in which pairs overlap and adjoin."""
    chance = random.Random(2)
    for _ in range(200):
        ids = chance.choices((1, 2, 3), k=chance.randrange(13))
        pair = (1, chance.choice((1, 2)))
        found = _merged(candidate, ids, pair)
        if found != _merge_by_definition(ids, pair):
            raise CheckFailed(
                f"{ids} with the pair {pair[0]}, {pair[1]} should become "
                f"{_merge_by_definition(ids, pair)}; it is {found}."
            )


def _ids_may_be_any(candidate) -> None:
    """Ids as large as those of a learned token, id 0, and another new id."""
    ids = [int(id_) for id_ in "0 2000 2001 0 2000 2001".split()]
    found = call(candidate, ids, (int("2000"), int("2001")), 2002)
    if found == ids:
        raise CheckFailed(
            "A pair of ids above 256 was not found: compare their values. `is` asks "
            "whether two numbers are one object, which small ones happen to be."
        )
    if found != [0, 2002, 0, 2002]:
        raise CheckFailed(
            f"{ids} with the pair 2000, 2001 and the new id 2002 should become "
            f"[0, 2002, 0, 2002]; it is {found}."
        )
    unmerged = call(candidate, ids, (7, 8), 2002)
    if unmerged is ids:
        raise CheckFailed(
            "Where nothing is to be merged, your function hands its input back. Return "
            "a new list, or who changes one changes both."
        )


def _merge_by_definition(ids: list[int], pair: tuple[int, int]) -> list[int]:
    """Python replaces text as a merge does: from the left, each letter once."""
    text, old = ("".join(map(chr, tokens)) for tokens in (ids, pair))
    return [ord(letter) for letter in text.replace(old, chr(_NEW))]


@contextlib.contextmanager
def your_merge(candidate):
    """Let every tokenizer that is trained in the `with` block merge by the learner's.

    Encoding only looks merges up; it stays as it is.
    """
    library_merge = tokenizer.merge_pair
    tokenizer.merge_pair = candidate
    try:
        yield
    finally:
        tokenizer.merge_pair = library_merge
