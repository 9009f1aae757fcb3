"""The hidden truth about a story: a score that is a function of the text alone.

It is what the simulated annotators see through their noise and what every policy is
judged by in the end; no model is ever trained on it directly.

    3    for a plot told whole, in order, about what was asked
    + up to 1.8 for a twist, 1.5 for details of the senses, 1.3 for similes,
      1.3 for dialogue, each with diminishing returns
    - repetition, contradictions, unknown names, ungrammatical bigrams, pieces of
      other plots, a missing end
"""

import re
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache

from llmlab.village import plots, reading
from llmlab.village.reading import Sentence

LOWEST, HIGHEST = -6.0, 10.0
# What the first, second and third of a kind add up to; more adds nothing.
_WORTH = {
    "twist": (0.0, 1.8),
    "senses": (0.0, 0.8, 1.3, 1.5),
    "simile": (0.0, 0.8, 1.2, 1.3),
    "line": (0.0, 0.8, 1.2, 1.3),
}
_MOST_UNKNOWN_BIGRAMS = 0.02  # share of them that a well-formed story may have
_WRONG_ARTICLE = re.compile(r"\b(?:[Aa] [aeiou]|[Aa]n (?!hour|honest)[^aeiou\W])")


@dataclass(frozen=True)
class Reading:
    """What there is to say about a story."""

    sentences: tuple[Sentence, ...]
    plot: str  # the plot that most of its beats belong to
    wholeness: float  # share of that plot's beats told, in order
    foreign_beats: int  # beats, lines and twists of other plots
    missing: int  # of person, thing and place asked for
    broken: int  # contradictions of who, what, where, and of facts
    unknown_names: int
    repeated: int  # sentences said before
    repeated_share: float  # of the story's 4-grams
    unknown_bigrams: float  # share of bigrams that the grammar never makes
    finished: bool  # the last sentence is the end of the plot

    @property
    def about_what_was_asked(self) -> bool:
        return self.missing == 0

    @property
    def well_formed(self) -> bool:
        return self.unknown_bigrams <= _MOST_UNKNOWN_BIGRAMS

    def count(self, kind: str) -> int:
        """How many different sentences of a kind belong to the story."""
        return len(
            {
                (sentence.meaning.group, sentence.meaning.beat, sentence.meaning.frame)
                for sentence in self.sentences
                if _belongs(sentence, self.plot) and sentence.meaning.kind == kind
            }
        )


def _belongs(sentence: Sentence, plot: str) -> bool:
    meaning = sentence.meaning
    return meaning is not None and not sentence.broken and meaning.plot in ("", plot)


@lru_cache(maxsize=4096)
def read(prompt: str, story: str) -> Reading:
    """Reads a story against what its prompt asks for."""
    texts = reading.split_sentences(story)
    subject = reading.subject_of(prompt, texts)
    sentences = [reading.read_sentence(text, subject) for text in texts]
    plot = _main_plot(sentences)
    sentences = [
        reading.read_sentence(sentence.text, subject, plot)
        if reading.fits_other_plots(sentence)
        else sentence
        for sentence in sentences
    ]
    keys = [sentence.text.lower() for sentence in sentences]
    return Reading(
        sentences=tuple(sentences),
        plot=plot,
        wholeness=_wholeness(sentences, plot),
        foreign_beats=sum(_is_foreign(sentence, plot) for sentence in sentences),
        missing=_missing(subject, texts),
        broken=sum(s.broken for s in sentences) + _wrong_articles(story),
        unknown_names=_unknown_names(story),
        repeated=len(keys) - len(set(keys)),
        repeated_share=_repeated_share(story),
        unknown_bigrams=_unknown_bigrams(sentences),
        finished=bool(sentences) and _is_end(sentences[-1], plot),
    )


def _main_plot(sentences) -> str:
    plots = Counter(
        s.meaning.plot for s in sentences if s.meaning and s.meaning.kind == "beat"
    )
    return plots.most_common(1)[0][0] if plots else ""


def _beats(plot: str) -> int:
    return len(plots.load().plots[plot].beats)


def _wholeness(sentences, plot: str) -> float:
    """The longest run of the plot's beats in order, as a share of all its beats."""
    if not plot:
        return 0.0
    longest = [0] * (_beats(plot) + 1)  # by the number of the last beat, from 1
    for sentence in sentences:
        if _belongs(sentence, plot) and sentence.meaning.kind == "beat":
            number = sentence.meaning.beat + 1
            longest[number] = max(longest[number], 1 + max(longest[:number]))
    return max(longest) / _beats(plot)


def _is_foreign(sentence: Sentence, plot: str) -> bool:
    return sentence.meaning is not None and sentence.meaning.plot not in ("", plot)


def _missing(subject, texts: list[str]) -> int:
    found = reading.entities(texts)
    asked = (
        ("name", subject.who),
        ("name", subject.friend),
        ("thing", subject.thing),
        ("place", subject.place),
    )
    return sum(
        value is not None and value not in found.get(kind, ()) for kind, value in asked
    )


def _wrong_articles(story: str) -> int:
    return len(_WRONG_ARTICLE.findall(story))


def _unknown_names(story: str) -> int:
    known = reading.grammar().capitalised
    return len(set(reading.CAPITALISED.findall(story)) - known)


def _repeated_share(story: str) -> float:
    words = story.lower().split()
    grams = list(zip(words, words[1:], words[2:], words[3:], strict=False))
    return 1.0 - len(set(grams)) / len(grams) if grams else 0.0


def _unknown_bigrams(sentences) -> float:
    known = reading.grammar().bigrams
    seen = unknown = 0
    for sentence in sentences:
        seen += len(sentence.key)
        if sentence.meaning is None:
            unknown += sum(pair not in known for pair in reading.bigrams(sentence.key))
    return unknown / seen if seen else 1.0


def _is_end(sentence: Sentence, plot: str) -> bool:
    meaning = sentence.meaning
    return (
        meaning is not None
        and meaning.plot == plot
        and (
            meaning.kind == "moral"
            or meaning.kind == "beat"
            and meaning.beat == _beats(plot) - 1
        )
    )


def gold_score(prompt: str, story: str) -> float:
    """How good a story is, from -6 (nothing of a story) through about 3 (dry, honest)
    and 8 (imaginative) to at most 10."""
    found = read(prompt, story)
    score = 3.0 * found.wholeness + _imagination(found) - _faults(found)
    return min(HIGHEST, max(LOWEST, score))


def _imagination(found: Reading) -> float:
    """Worth of what was added, as far as there is a plot to add it to."""
    carried = max(0.0, (found.wholeness - 0.4) / 0.6)
    added = 0.0
    clutter = 0
    for kind, worth in _WORTH.items():
        count = found.count(kind)
        added += worth[min(count, len(worth) - 1)]
        clutter += max(0, count - len(worth))
    return carried * added - 0.5 * clutter


def _faults(found: Reading) -> float:
    strange = sum(sentence.meaning is None for sentence in found.sentences)
    return (
        1.5 * found.missing
        + 0.5 * min(found.broken, 6)
        + 0.7 * min(found.unknown_names, 3)
        + 1.0 * min(found.repeated, 4)
        + 8.0 * max(0.0, found.repeated_share - 0.04)
        + 0.6 * min(found.foreign_beats, 4)
        + 0.3 * min(strange, 4)
        + min(3.0, 15.0 * found.unknown_bigrams)
        + 1.5 * (not found.finished)
    )
