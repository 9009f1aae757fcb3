"""Is the test in the training text? Then a good score means a good memory.

Copying a whole passage is rare. A question of the test with its answer, quoted on a
page of the training text, is enough to spoil a result. So what is compared are phrases:
a test passage is contaminated by as much as the share of its phrases of eight words
that were read in training (Brown et al., "Language models are few-shot learners", 2020,
did the same with thirteen words).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from llmlab.real_text.passages import Passage
from llmlab.real_text.sifting import Dropped, Rule, Sifting, sift
from llmlab.real_text.words import phrase_numbers, word_numbers, words_of

PHRASE = 8
"""Words. Texts on one subject share phrases of four by accident, of eight hardly."""

CONTAMINATION = Rule(
    "in the test", "it shares phrases with what the model is tested on"
)


@dataclass(frozen=True)
class Overlap:
    """How much of a passage is known from other ones.

    share : of its phrases, those that are known.
    example : the longest stretch of words that is known; empty if none is.
    """

    passage: Passage
    share: float
    example: str


def contamination(
    test: Sequence[Passage], training: Sequence[Passage], words: int = PHRASE
) -> list[Overlap]:
    """For every test passage, what a model knows of it from its training text.

    Raises ValueError: `words` is below 1.
    """
    known = _phrases(training, words)
    return [_overlap(passage, known, words) for passage in test]


def drop_contaminated(
    training: Sequence[Passage], test: Sequence[Passage], words: int = PHRASE
) -> Sifting:
    """Drop every training passage that shares a phrase with a test passage.

    Not the other way round: a test that shrinks as one reads more is another test.
    """
    in_test = _phrases(test, words)

    def judge(passage: Passage) -> Dropped | None:
        found = _overlap(passage, in_test, words)
        reason = f"{found.share:.0%} of its phrases, such as: {found.example}"
        return CONTAMINATION.drops(passage, reason) if found.share else None

    return sift(training, judge)


def _phrases(passages: Sequence[Passage], length: int) -> np.ndarray:
    """All phrases of some passages, sorted, each once.

    A passage with fewer words has none: a title alone contaminates nothing.
    """
    if length < 1:
        raise ValueError(f"words is {length}; a phrase has at least one word")
    found = [_phrases_of(words_of(passage.text), length) for passage in passages]
    return np.unique(np.concatenate([np.zeros(0, dtype=np.uint64), *found]))


def _phrases_of(words: list[str], length: int) -> np.ndarray:
    if len(words) < length:
        return np.zeros(0, dtype=np.uint64)
    return phrase_numbers(word_numbers(words), length)


def _overlap(passage: Passage, known: np.ndarray, length: int) -> Overlap:
    words = words_of(passage.text)
    phrases = _phrases_of(words, length)
    is_known = np.isin(phrases, known)
    share = float(is_known.mean()) if len(phrases) else 0.0
    start, run = _longest_run(is_known)
    example = words[start : start + run + length - 1] if run else []
    return Overlap(passage, share, " ".join(example))


def _longest_run(flags: np.ndarray) -> tuple[int, int]:
    """Where the longest run of True begins, and how long it is."""
    edges = np.flatnonzero(np.diff(flags, prepend=False, append=False))
    starts, ends = edges[::2], edges[1::2]
    if not len(starts):
        return 0, 0
    longest = (ends - starts).argmax()
    return int(starts[longest]), int(ends[longest] - starts[longest])
