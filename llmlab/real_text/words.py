"""Words as numbers, so that phrases are compared by the million.

Filters, near duplicates and contamination all ask the same: which phrases of n words
does a text contain? Every word is hashed once to 64 bits, and a phrase is a polynomial
in the numbers of its words. Two of a million phrases share a number by accident with a
probability of one in forty million, and the numbers are the same on every machine.
"""

import functools
import hashlib
import re

import numpy as np

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_MULTIPLIER = 0x9E3779B97F4A7C15  # odd, its bits well mixed: 2**64 by the golden ratio


def words_of(text: str) -> list[str]:
    """The words of a text in lower case, without punctuation."""
    return _WORD.findall(text.lower())


@functools.lru_cache(maxsize=1 << 17)
def _word_number(word: str) -> int:
    return int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest())


def word_numbers(words: list[str]) -> np.ndarray:
    return np.array([_word_number(word) for word in words], dtype=np.uint64)


def phrase_numbers(numbers: np.ndarray, length: int) -> np.ndarray:
    """The number of each phrase of `length` words, in the order of the text.

    A text that is shorter is one phrase: two short texts can still be compared.
    """
    length = min(length, len(numbers))
    phrases = np.zeros(len(numbers) - length + 1 if length else 0, dtype=np.uint64)
    for place in range(length):
        phrases = phrases * np.uint64(_MULTIPLIER)
        phrases += numbers[place : place + len(phrases)]
    return _mix(phrases)


def _mix(numbers: np.ndarray) -> np.ndarray:
    """Spread every bit over all others (the last steps of SplitMix64, Steele 2014)."""
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))
