"""Rules of thumb that tell prose from what is not worth reading.

They go back to C4 (Raffel et al., "Exploring the limits of transfer learning", 2020)
and Gopher (Rae et al., "Scaling language models", 2021), where numbers that any text
has, such as the mean length of its words, decide whether a passage stays. Each rule is
a line of `quality.toml`: the lowest and the highest value of its measure that may stay,
and why. A rule says nothing about a single passage with certainty. It is right about
many, and what it dropped is worth reading before it is believed.
"""

import math
import re
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from llmlab.real_text.passages import Passage
from llmlab.real_text.sifting import Dropped, Rule, Sifting, sift
from llmlab.real_text.words import phrase_numbers, word_numbers, words_of

_LETTER = re.compile(r"[^\W\d_]")
_SENTENCE_ENDS = tuple(".!?:;。！？…")
_CLOSING = "\"'”’»)]*_`"
_BULLETS = ("-", "*", "•", "‣", "·", "+ ")
_COMMON = frozenset("the be to of and that have with".split())


class Measured:
    """A text, split once for all measures."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = text.split()
        self.lines = [line.strip() for line in text.split("\n") if line.strip()]
        self.paragraphs = [part for part in text.split("\n\n") if part.strip()]
        words = words_of(text)
        self.vocabulary = frozenset(words)
        self.word_lengths = np.array([len(word) for word in words])
        self.word_numbers = word_numbers(words)


# Measures -----------------------------------------------------------------------------


def share_of_ended_paragraphs(text: Measured) -> float:
    """Of the text, by characters, what is in paragraphs that end like a sentence.

    C4 asks every *line* for that; here, a line may be a printer's line of a book.
    """
    ended = sum(
        len(paragraph)
        for paragraph in text.paragraphs
        if paragraph.rstrip().rstrip(_CLOSING).endswith(_SENTENCE_ENDS)
    )
    return ended / max(1, sum(map(len, text.paragraphs)))


def share_of_repeated_lines(text: Measured) -> float:
    """By characters: the short headings of a manual may repeat."""
    characters = sum(map(len, text.lines))
    return 1 - sum(map(len, set(text.lines))) / max(1, characters)


def share_of_commonest_phrase(text: Measured, length: int) -> float:
    """Of the letters of all words, what the most frequent phrase accounts for.

    Nothing if no phrase comes twice.
    """
    if len(text.word_numbers) < length:
        return 0.0
    phrases = phrase_numbers(text.word_numbers, length)
    _, first, counts = np.unique(phrases, return_index=True, return_counts=True)
    commonest = counts.argmax()
    if counts[commonest] == 1:
        return 0.0
    start = first[commonest]
    letters = text.word_lengths[start : start + length].sum()
    return float(counts[commonest] * letters / text.word_lengths.sum())


def share_of_repeated_phrases(text: Measured, length: int) -> float:
    """Of the letters of all words, those in phrases that came before in the text."""
    if len(text.word_numbers) < length:
        return 0.0
    phrases = phrase_numbers(text.word_numbers, length)
    _, first, which = np.unique(phrases, return_index=True, return_inverse=True)
    repeats = np.flatnonzero(first[which] != np.arange(len(phrases)))
    covered = np.zeros(len(text.word_numbers), dtype=bool)
    for place in range(length):
        covered[repeats + place] = True
    return float(text.word_lengths[covered].sum() / text.word_lengths.sum())


def _mean(values: list) -> float:
    return sum(values) / max(1, len(values))


MEASURES: dict[str, Callable[[Measured], float]] = {
    "too short": lambda text: len(text.tokens),
    "long or short words": lambda text: _mean([len(token) for token in text.tokens]),
    # Hash signs and ellipses stand for menus and cut-off teasers.
    "symbols": lambda text: (
        sum(map(text.text.count, ("#", "...", "…"))) / max(1, len(text.tokens))
    ),
    "few letters": lambda text: _mean([bool(_LETTER.search(t)) for t in text.tokens]),
    # Of eight words, some are always there in English.
    "no common words": lambda text: len(_COMMON & text.vocabulary),
    "bullets": lambda text: _mean([x.startswith(_BULLETS) for x in text.lines]),
    "trailing lines": lambda text: _mean(
        [x.endswith(("...", "…")) for x in text.lines]
    ),
    "open endings": share_of_ended_paragraphs,
    "repeated lines": share_of_repeated_lines,
    "one phrase": lambda text: share_of_commonest_phrase(text, 2),
    "one long phrase": lambda text: share_of_commonest_phrase(text, 4),
    "repeated phrases": lambda text: share_of_repeated_phrases(text, 10),
}

# Rules --------------------------------------------------------------------------------


@dataclass(frozen=True)
class QualityRule(Rule):
    """A passage stays if `lowest` <= measure <= `highest`.

    shown : how the number is written in a report, in the notation of `format`.
    """

    measure: Callable[[Measured], float]
    lowest: float = -math.inf
    highest: float = math.inf
    shown: str = ".0%"

    def __post_init__(self) -> None:
        if not self.lowest <= self.highest:
            raise ValueError(
                f"rule {self.name!r} lets nothing stay: lowest is {self.lowest}, "
                f"highest is {self.highest}"
            )

    def complaint(self, text: Measured) -> str | None:
        """What is wrong with a text, or None."""
        value = self.measure(text)
        if self.lowest <= value <= self.highest:
            return None
        side, bound = "at most", self.highest
        if value < self.lowest:
            side, bound = "at least", self.lowest
        return f"{value:{self.shown}}, where {side} {bound:{self.shown}} may stay"


_TABLES = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))
QUALITY_RULES = tuple(
    QualityRule(name, measure=MEASURES[name], **row)
    for name, row in _TABLES["rules"].items()
)
NOTICE_PHRASES = tuple(_TABLES["notices"]["phrases"])


def drop_by_quality(
    passages: Sequence[Passage], rules: Sequence[QualityRule] = QUALITY_RULES
) -> Sifting:
    """Drop every passage that a rule speaks against; the first such rule counts."""

    def judge(passage: Passage) -> Dropped | None:
        text = Measured(passage.text)
        for rule in rules:
            if said := rule.complaint(text):
                return rule.drops(passage, said)
        return None

    return sift(passages, judge)


# Notices ------------------------------------------------------------------------------

NOTICES = Rule("notices", "a short paragraph on cookies, scripts, copyright or sharing")

LONGEST_NOTICE = 300
"""Characters. A longer paragraph that names cookies is probably about them."""


def drop_notices(passages: Sequence[Passage]) -> Sifting:
    """Drop short paragraphs that are found on pages of any topic."""
    kept, dropped = [], []
    for passage in passages:
        found = [(part, _notice_phrase(part)) for part in passage.text.split("\n\n")]
        fresh = "\n\n".join(part for part, phrase in found if phrase is None)
        notices = [(part, f"it says {phrase!r}") for part, phrase in found if phrase]
        if fresh:
            kept.append(Passage(passage.source, fresh))
            dropped += [NOTICES.drops_paragraph(passage, *notice) for notice in notices]
        else:
            why = notices[0][1] if notices else "it says 'nothing at all'"
            dropped.append(NOTICES.drops(passage, why))
    return Sifting(kept, dropped)


def _notice_phrase(paragraph: str) -> str | None:
    """What makes a paragraph a notice, or None."""
    if len(paragraph) > LONGEST_NOTICE:
        return None
    lowered = paragraph.lower()
    return next((phrase for phrase in NOTICE_PHRASES if phrase in lowered), None)
