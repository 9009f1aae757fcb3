"""Rules of thumb that tell prose from what is not worth reading.

They go back to C4 (Raffel et al., "Exploring the limits of transfer learning", 2020)
and Gopher (Rae et al., "Scaling language models", 2021), where numbers that any text
has, such as the mean length of its words, decide whether a passage stays. Each rule is
a line of `QUALITY_RULES`: a measure, the lowest and the highest value that may stay,
and why. A rule says nothing about a single passage with certainty. It is right about
many, and what it dropped is worth reading before it is believed.
"""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

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


def number_of_words(text: Measured) -> float:
    return len(text.tokens)


def mean_word_length(text: Measured) -> float:
    return sum(map(len, text.tokens)) / max(1, len(text.tokens))


def symbols_per_word(text: Measured) -> float:
    """Of hash signs and ellipses, which stand for menus and cut-off teasers."""
    symbols = sum(map(text.text.count, ("#", "...", "…")))
    return symbols / max(1, len(text.tokens))


def share_of_words_with_letters(text: Measured) -> float:
    with_letters = list(filter(_LETTER.search, text.tokens))
    return len(with_letters) / max(1, len(text.tokens))


def common_words(text: Measured) -> float:
    """How many of eight words occur of which English text always has some."""
    return len(_COMMON & text.vocabulary)


def share_of_bulleted_lines(text: Measured) -> float:
    bulleted = sum(line.startswith(_BULLETS) for line in text.lines)
    return bulleted / max(1, len(text.lines))


def share_of_trailing_lines(text: Measured) -> float:
    trailing = sum(line.endswith(("...", "…")) for line in text.lines)
    return trailing / max(1, len(text.lines))


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


# Rules --------------------------------------------------------------------------------


@dataclass(frozen=True)
class QualityRule(Rule):
    """A passage stays if `lowest` <= measure <= `highest`.

    measure : gives a number for a text.
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
        side, bound = (
            ("at least", self.lowest)
            if value < self.lowest
            else ("at most", self.highest)
        )
        return f"{value:{self.shown}}, where {side} {bound:{self.shown}} may stay"


QUALITY_RULES = (
    QualityRule(
        "too short",
        "a few words teach nothing about how a text goes on",
        number_of_words,
        lowest=40,
        shown=".0f",
    ),
    QualityRule(
        "long or short words",
        "words of prose have 3 to 10 characters on average",
        mean_word_length,
        lowest=3,
        highest=10,
        shown=".1f",
    ),
    QualityRule(
        "symbols",
        "many # and ... mean menus and teasers",
        symbols_per_word,
        highest=0.1,
        shown=".2f",
    ),
    QualityRule(
        "few letters",
        "numbers and signs without words are tables or code",
        share_of_words_with_letters,
        lowest=0.7,
    ),
    QualityRule(
        "no common words",
        "English without the, of and to is no prose",
        common_words,
        lowest=2,
        shown=".0f",
    ),
    QualityRule(
        "bullets",
        "a passage of nothing but bullets is a list",
        share_of_bulleted_lines,
        highest=0.9,
    ),
    QualityRule(
        "trailing lines",
        "lines that break off with ... lead somewhere else",
        share_of_trailing_lines,
        highest=0.3,
    ),
    QualityRule(
        "open endings",
        "prose ends its paragraphs with a full stop, lists do not",
        share_of_ended_paragraphs,
        lowest=0.3,
    ),
    QualityRule(
        "repeated lines",
        "the same line again and again",
        share_of_repeated_lines,
        highest=0.2,
    ),
    QualityRule(
        "one phrase",
        "a single phrase of two words makes up much of the text",
        lambda text: share_of_commonest_phrase(text, 2),
        highest=0.2,
    ),
    QualityRule(
        "one long phrase",
        "a single phrase of four words makes up much of it",
        lambda text: share_of_commonest_phrase(text, 4),
        highest=0.16,
    ),
    QualityRule(
        "repeated phrases",
        "phrases of ten words that came before in the text",
        lambda text: share_of_repeated_phrases(text, 10),
        highest=0.2,
    ),
)
"""Thresholds are Gopher's, but for five. Manuals talk about #, numbers and lists, so
"few letters" asks for 70 % instead of 80 %, and "repeated phrases" lets 20 % pass
instead of 10 %. Documents are short here: 40 words are enough instead of 50. "Open
endings" is a gentler form of a rule of C4."""


def drop_by_quality(
    passages: Sequence[Passage], rules: Sequence[QualityRule] = QUALITY_RULES
) -> Sifting:
    """Drop every passage that a rule speaks against; the first such rule counts."""

    def judge(passage: Passage) -> Dropped | None:
        text = Measured(passage.text)
        verdicts = ((rule, rule.complaint(text)) for rule in rules)
        return next(
            (rule.drops(passage, said) for rule, said in verdicts if said), None
        )

    return sift(passages, judge)


# Notices ------------------------------------------------------------------------------

NOTICES = Rule("notices", "a short paragraph on cookies, scripts, copyright or sharing")

NOTICE_PHRASES = (
    "cookie policy",
    "cookie settings",
    "use cookies",
    "uses cookies",
    "privacy policy",
    "terms of use",
    "terms of service",
    "terms and conditions",
    "all rights reserved",
    "enable javascript",
    "lorem ipsum",
    "subscribe to our",
    "sign up for our",
    "share this on",
)

LONGEST_NOTICE = 300
"""Characters. A longer paragraph that names cookies is probably about them."""


def drop_notices(passages: Sequence[Passage]) -> Sifting:
    """Drop short paragraphs that are found on pages of any topic."""
    kept, dropped = [], []
    for passage in passages:
        paragraphs = passage.text.split("\n\n")
        phrases = [_notice_phrase(paragraph) for paragraph in paragraphs]
        pairs = list(zip(paragraphs, phrases, strict=True))
        fresh = "\n\n".join(text for text, phrase in pairs if phrase is None)
        if fresh:
            dropped += [
                NOTICES.drops_paragraph(passage, text, f"it says {phrase!r}")
                for text, phrase in pairs
                if phrase is not None
            ]
            kept.append(Passage(passage.source, fresh))
        else:
            first = next(filter(None, phrases), "nothing at all")
            dropped.append(NOTICES.drops(passage, f"it says {first!r}"))
    return Sifting(kept, dropped)


def _notice_phrase(paragraph: str) -> str | None:
    """What makes a paragraph a notice, or None."""
    if len(paragraph) > LONGEST_NOTICE:
        return None
    lowered = paragraph.lower()
    return next((phrase for phrase in NOTICE_PHRASES if phrase in lowered), None)
