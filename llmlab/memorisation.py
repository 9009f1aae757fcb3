"""By heart, or understood? How much of a text stands word for word in another."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Copy:
    """The longest run of words of a text that the training text has too.

    `words` is its length, `text` the run itself.
    """

    words: int
    text: str


def longest_copies(texts: Sequence[str], training: Sequence[str]) -> list[Copy]:
    """For each text, its longest run of words that some training text holds verbatim.

    Words are what spaces and line ends divide, so that marks and capitals count. The
    search is exact: a run of n + 1 words is a run of n that is known, and one more
    word, so that after each round only what is still alike goes on.
    """
    numbers: dict[str, int] = {}
    ours, starts = _numbered(texts, numbers)
    theirs, _ = _numbered(training, numbers)
    our_places, their_places = np.flatnonzero(ours >= 0), np.flatnonzero(theirs >= 0)
    our_runs, their_runs = ours[our_places], theirs[their_places]
    longest = np.zeros(len(ours), dtype=np.int64)
    length = 0
    while len(our_places) and len(their_places):
        known, our_ranks = np.unique(our_runs, return_inverse=True)
        their_ranks = np.searchsorted(known, their_runs).clip(max=len(known) - 1)
        there = known[their_ranks] == their_runs
        here = np.isin(our_ranks, their_ranks[there])
        our_places, their_places = our_places[here], their_places[there]
        length += 1
        longest[our_places] = length
        our_runs, our_places = _longer(
            our_ranks[here], ours, our_places, length, len(numbers)
        )
        their_runs, their_places = _longer(
            their_ranks[there], theirs, their_places, length, len(numbers)
        )
    return [
        _longest_of(text.split(), longest[start : start + len(text.split())])
        for text, start in zip(texts, starts, strict=True)
    ]


def _numbered(
    texts: Sequence[str], numbers: dict[str, int]
) -> tuple[np.ndarray, list[int]]:
    """All words as numbers, a -1 after each text; and where each text begins."""
    words: list[int] = []
    starts = []
    for text in texts:
        starts.append(len(words))
        words += [numbers.setdefault(word, len(numbers)) for word in text.split()]
        words.append(-1)
    return np.array(words, dtype=np.int64), starts


def _longer(
    ranks: np.ndarray, words: np.ndarray, places: np.ndarray, length: int, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """The runs with one more word: a number for each, and the place where it begins.

    ranks : the numbers of the runs of `length` words that begin at `places`.
    """
    last = words[places + length]
    goes_on = last >= 0
    return (ranks * count + last)[goes_on], places[goes_on]


def _longest_of(words: list[str], lengths: np.ndarray) -> Copy:
    if not len(words):
        return Copy(0, "")
    start = int(lengths.argmax())
    length = int(lengths[start])
    return Copy(length, " ".join(words[start : start + length]))
