"""Is the test in the training text? Then a good score means a good memory.

Copying a whole document is rare. A question of the test with its answer, quoted on a
page of the training text, is enough to spoil a result. So what is compared are phrases:
a test document is contaminated by as much as the share of its phrases of eight words
that were read in training (Brown et al., "Language models are few-shot learners", 2020,
did the same with thirteen words).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from llmlab.real_text.documents import Document
from llmlab.real_text.report import Loss, Rule, Sifting
from llmlab.real_text.words import phrase_numbers, word_numbers, words_of

PHRASE = 8
"""Words. Texts on one subject share phrases of four by accident, of eight hardly."""

CONTAMINATION = Rule(
    "in the test", "it shares phrases with what the model is tested on"
)


@dataclass(frozen=True)
class Overlap:
    """How much of a document is known from other ones.

    Parameters
    ----------
    share : of its phrases, those that are known.
    example : the longest stretch of words that is known; empty if none is.
    """

    document: Document
    share: float
    example: str


def contamination(
    test: Sequence[Document], training: Sequence[Document], words: int = PHRASE
) -> list[Overlap]:
    """For every test document, what a model knows of it from its training text.

    Raises
    ------
    ValueError : `words` is below 1.
    """
    known = _phrases(training, words)
    return [_overlap(document, known, words) for document in test]


def drop_contaminated(
    training: Sequence[Document], test: Sequence[Document], words: int = PHRASE
) -> Sifting:
    """Drop every training document that shares a phrase with a test document.

    It is the training text that is cleaned: a test that shrinks whenever somebody reads
    more is no longer the same test.
    """
    in_test = _phrases(test, words)
    kept, losses = [], []
    for document in training:
        overlap = _overlap(document, in_test, words)
        if overlap.share:
            losses.append(_loss(overlap))
        else:
            kept.append(document)
    return Sifting(kept, losses)


def _phrases(documents: Sequence[Document], length: int) -> np.ndarray:
    """All phrases of some documents, sorted, each once.

    A document with fewer words has none: a title alone contaminates nothing.
    """
    if length < 1:
        raise ValueError(f"words is {length}; a phrase has at least one word")
    found = [_phrases_of(words_of(document.text), length) for document in documents]
    return np.unique(np.concatenate([np.zeros(0, dtype=np.uint64), *found]))


def _phrases_of(words: list[str], length: int) -> np.ndarray:
    if len(words) < length:
        return np.zeros(0, dtype=np.uint64)
    return phrase_numbers(word_numbers(words), length)


def _overlap(document: Document, known: np.ndarray, length: int) -> Overlap:
    words = words_of(document.text)
    phrases = _phrases_of(words, length)
    is_known = np.isin(phrases, known)
    share = float(is_known.mean()) if len(phrases) else 0.0
    start, run = _longest_run(is_known)
    example = words[start : start + run + length - 1] if run else []
    return Overlap(document, share, " ".join(example))


def _longest_run(flags: np.ndarray) -> tuple[int, int]:
    """Where the longest run of True begins, and how long it is."""
    edges = np.flatnonzero(np.diff(flags, prepend=False, append=False))
    starts, ends = edges[::2], edges[1::2]
    if not len(starts):
        return 0, 0
    longest = (ends - starts).argmax()
    return int(starts[longest]), int(ends[longest] - starts[longest])


def _loss(overlap: Overlap) -> Loss:
    return Loss(
        rule=CONTAMINATION.name,
        source=overlap.document.source,
        text=overlap.document.text,
        characters=len(overlap.document.text),
        whole=True,
        reason=f"{overlap.share:.0%} of its phrases, such as: {overlap.example}",
    )
