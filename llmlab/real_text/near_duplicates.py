"""Texts that are almost the same, found without comparing each with each.

Two texts are alike if they share most of their phrases. With A and B for the sets of
all their phrases of five words, likeness is Jaccard's: |A and B| / |A or B|. Comparing
each of a million texts with each other takes 500 billion comparisons. Two ideas of
Broder ("On the resemblance and containment of documents", 1997) avoid that.

**MinHash.** Give every phrase a random number, and note the smallest one of each text.
The smallest of A or B together is equally likely to be any of their phrases; both texts
note the same number exactly if that phrase is one of those that they share. So
P(same smallest number) = |A and B| / |A or B|: the likeness itself. 120 independent
numberings give 120 such notes, the *signature*, and the share of equal notes estimates
the likeness J with a standard error of sqrt(J (1 - J) / 120).

**Locality-sensitive hashing.** Cut the signature into 24 bands of 5 notes. Texts that
agree on a whole band are candidates, found in a dictionary, and only candidates are
compared. One band agrees with probability J^5, so at least one does with probability
1 - (1 - J^5)^24: an S-curve, 0.8 % at J = 0.2, 53 % at J = 0.5, 98.8 % at J = 0.7.
"""

import functools
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from llmlab.real_text.passages import Passage
from llmlab.real_text.sifting import Rule, Sifting
from llmlab.real_text.words import phrase_numbers, word_numbers, words_of

PHRASE = 5
"""Words. Shorter phrases are shared by accident, longer ones break at each change."""

BANDS, ROWS = 24, 5

ALIKE = 0.7
"""Texts at least this alike are copies of each other."""

NEAR_COPIES = Rule(
    "near copies",
    f"at least {ALIKE:.0%} of its {PHRASE}-word phrases are shared with an earlier one",
)


def phrases_of(text: str) -> np.ndarray:
    """The set of a text's phrases, as sorted numbers."""
    return np.unique(phrase_numbers(word_numbers(words_of(text)), PHRASE))


def likeness(first: np.ndarray, second: np.ndarray) -> float:
    """Jaccard's likeness of two sets of phrases; that of two empty ones is 1."""
    shared = len(np.intersect1d(first, second, assume_unique=True))
    either = len(first) + len(second) - shared
    return shared / either if either else 1.0


@functools.cache
def _numberings(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Random a (odd) and b of the numberings x -> a x + b modulo 2**64."""
    random = np.random.Generator(np.random.PCG64(1997))
    bits = np.frombuffer(random.bytes(16 * count), dtype="<u8").astype(np.uint64)
    return bits[:count] | np.uint64(1), bits[count:]


def signature(phrases: np.ndarray, length: int = BANDS * ROWS) -> np.ndarray:
    """The smallest number of a set of phrases, under each of `length` numberings."""
    factors, offsets = _numberings(length)
    if not len(phrases):
        return np.full(length, np.iinfo(np.uint64).max)
    smallest = [
        (factor * phrases + offset).min()
        for factor, offset in zip(factors, offsets, strict=True)
    ]
    return np.array(smallest, dtype=np.uint64)


def estimated_likeness(first: np.ndarray, second: np.ndarray) -> float:
    """The share of equal notes of two signatures."""
    return float(np.mean(first == second))


def chance_of_comparison(
    likeness: float, bands: int = BANDS, rows: int = ROWS
) -> float:
    """The S-curve: how likely two texts agree on at least one whole band."""
    return 1 - (1 - likeness**rows) ** bands


class Shelves:
    """A dictionary for every band: who has these five notes?

    Texts are put in one by one; `candidates` are those that share a shelf.
    """

    def __init__(self, bands: int = BANDS, rows: int = ROWS) -> None:
        self.bands, self.rows = bands, rows
        self._shelves: list[dict[bytes, list[int]]] = [
            defaultdict(list) for _ in range(bands)
        ]

    def candidates(self, signature: np.ndarray) -> list[int]:
        """The numbers of all texts that agree on a band, each once, in order."""
        pairs = zip(self._shelves, self._labels(signature), strict=True)
        return sorted({text for shelf, label in pairs for text in shelf.get(label, ())})

    def put(self, text: int, signature: np.ndarray) -> None:
        for shelf, label in zip(self._shelves, self._labels(signature), strict=True):
            shelf[label].append(text)

    def _labels(self, signature: np.ndarray) -> list[bytes]:
        if len(signature) != self.bands * self.rows:
            raise ValueError(
                f"the signature has {len(signature)} notes; {self.bands} bands of "
                f"{self.rows} need {self.bands * self.rows}"
            )
        return [band.tobytes() for band in signature.reshape(self.bands, self.rows)]


def drop_near_copies(passages: Sequence[Passage], alike: float = ALIKE) -> Sifting:
    """Keep the first of all passages that are at least `alike`.

    Candidates are compared exactly, so nothing is dropped by an unlucky estimate; of
    the copies at the threshold, 1 in 80 is overlooked.

    Raises ValueError: `alike` not in (0, 1].
    """
    if not 0 < alike <= 1:
        raise ValueError(f"alike is {alike}; it must lie above 0 and be at most 1")
    shelves, phrases_of_kept = Shelves(), []
    kept, dropped = [], []
    for passage in passages:
        phrases = phrases_of(passage.text)
        notes = signature(phrases)
        candidates = shelves.candidates(notes)
        found = [likeness(phrases, phrases_of_kept[place]) for place in candidates]
        if found and max(found) >= alike:
            original = kept[candidates[found.index(max(found))]]
            reason = f"{max(found):.0%} like {original.source}"
            dropped.append(NEAR_COPIES.drops(passage, reason))
        else:
            shelves.put(len(kept), notes)
            phrases_of_kept.append(phrases)
            kept.append(passage)
    return Sifting(kept, dropped)
