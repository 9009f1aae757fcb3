"""The hidden truth about a story: a score that is a function of the text alone.

It is what the simulated annotators see through their noise and what every policy is
judged by in the end. No model is trained on it directly, but labels are noisy readings
of it.

    3    for a plot told whole, in order, about what was asked
    + 1.2 for a twist, up to 1.7 for details of the senses, for similes and for
      dialogue, each in its place and with diminishing returns
    - for every contradiction, repetition, unknown name, ungrammatical pair of words,
      sentence of another plot or out of place, and for a missing end
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from llmlab.village import parsing, plotlines, world
from llmlab.village.parsing import Meaning, Sentence, Story

LOWEST, HIGHEST = -6.0, 9.3
# What the first, second and third of a kind add up to; more adds nothing.
_WORTH = {
    "twist": (0.0, 1.2),
    "senses": (0.0, 0.8, 1.4, 1.7),
    "simile": (0.0, 0.8, 1.4, 1.7),
    "line": (0.0, 0.8, 1.4, 1.7),
}
_MOST_OF_A_BEAT = {"fact": 2}  # additions of a kind; of all others one
_MOST_UNKNOWN_PAIRS = 0.02  # share of them that a well-formed story may have
_USUAL_REPETITION = 0.08  # share of 4-grams that a good story may say again
_WRONG_ARTICLE = re.compile(r"\b(?:[Aa] [aeiou]|[Aa]n (?!hour|honest)[^aeiou\W])")
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Findings:
    """What there is to say about a story."""

    sentences: tuple[Sentence, ...]
    plot: str  # the plot that most of its beats belong to
    wholeness: float  # share of that plot's beats told, in order
    counts: dict[str, int]  # of sentences that add something where it belongs
    out_of_place: int  # sentences of the plot that do not belong where they stand
    foreign: int  # sentences of other plots
    strange: int  # sentences that the grammar does not know
    missing: int  # of people, thing, place and plot asked for
    broken: int  # contradictions of who, what, where, when, and of facts
    miswritten: int  # unknown names, capitals where none belong, names without
    repeated: int  # sentences said before
    repeated_share: float  # of the story's 4-grams
    unknown_pairs: int  # neighbouring words that the grammar never makes
    words: int
    finished: bool  # the last sentence is the end of the plot

    @property
    def about_what_was_asked(self) -> bool:
        return self.missing == 0

    @property
    def well_formed(self) -> bool:
        return self.unknown_pairs <= _MOST_UNKNOWN_PAIRS * self.words

    @property
    def kinds(self) -> tuple[str, ...]:
        """What each sentence is, in the words that a picture names it by."""
        return tuple(_kind(sentence, self.plot) for sentence in self.sentences)

    @property
    def verifiable_faults(self) -> int:
        """Contradictions, and sentences that are of another plot, do not belong where
        they stand or were said before: no matter of taste."""
        return self.broken + self.foreign + self.out_of_place + self.repeated


def _kind(sentence: Sentence, plot: str) -> str:
    if sentence.broken:
        return "contradiction"
    if sentence.meaning is None or sentence.meaning.plot not in ("", plot):
        return "stray"
    return {"senses": "detail"}.get(sentence.meaning.kind, sentence.meaning.kind)


@lru_cache(maxsize=4096)
def read(prompt: str, story: str) -> Findings:
    """Reads a story against what its prompt asks for."""
    found = parsing.parse_story(prompt, story)
    sentences = found.sentences
    told, out_of_order = _told_beats(found)
    counts, misplaced = _additions(found)
    said = [sentence.text.lower() for sentence in sentences]
    known = [s.meaning for s in sentences if s.meaning is not None]
    return Findings(
        sentences=sentences,
        plot=found.plot,
        wholeness=told / _beats(found.plot) if found.plot else 0.0,
        counts=counts,
        out_of_place=out_of_order + misplaced,
        foreign=sum(meaning.plot not in ("", found.plot) for meaning in known),
        strange=len(sentences) - len(known),
        missing=_missing(prompt, story, found.plot),
        broken=sum(s.broken for s in sentences) + len(_WRONG_ARTICLE.findall(story)),
        miswritten=_miswritten(story, sentences),
        repeated=len(said) - len(set(said)),
        repeated_share=_repeated_share(story),
        unknown_pairs=sum(map(_unknown_pairs, sentences)),
        words=len(_WORD.findall(story)),
        finished=bool(sentences) and _is_end(sentences[-1].meaning, found.plot),
    )


def _beats(plot: str) -> int:
    return len(plotlines.load().plots[plot].beats)


def _told_beats(story: Story) -> tuple[int, int]:
    """How many beats of the plot are told in order, and how many sentences tell one
    again or too early."""
    if not story.plot:
        return 0, 0
    meanings = [s.meaning for s in story.sentences if s.meaning is not None]
    told = [m.beat for m in meanings if (m.kind, m.plot) == ("beat", story.plot)]
    in_order = _longest_rise(told)
    return in_order, len(told) - in_order


def _longest_rise(numbers: list[int]) -> int:
    """The length of the longest rising part of a list."""
    longest: dict[int, int] = {}
    for number in numbers:
        before = [length for last, length in longest.items() if last < number]
        longest[number] = max(longest.get(number, 0), 1 + max(before, default=0))
    return max(longest.values(), default=0)


# ---- what is added to the beats


def _additions(story: Story) -> tuple[dict[str, int], int]:
    """How many sentences of each kind stand where they belong, and how many do not:
    after the beat that they fit to, once."""
    counts = dict.fromkeys(_WORTH, 0)
    misplaced = 0
    beat = -1
    here: list[str] = []  # kinds of what the beat has been given so far
    for sentence in story.sentences:
        meaning = sentence.meaning
        if meaning is None or meaning.plot not in ("", story.plot):
            continue
        if meaning.kind == "beat":
            beat, here = meaning.beat, []
            continue
        most = _MOST_OF_A_BEAT.get(meaning.kind, 1)
        if _belongs(meaning, story.plot, beat) and here.count(meaning.kind) < most:
            here.append(meaning.kind)
            if meaning.kind in counts:
                counts[meaning.kind] += 1
        else:
            misplaced += 1
    return counts, misplaced


def _belongs(meaning: Meaning, plot: str, beat: int) -> bool:
    """Whether an addition fits to the beat before it."""
    if not plot or beat < 0:
        return False
    last = _beats(plot) - 1
    if meaning.kind == "twist":
        return beat == last - 1
    if meaning.kind == "moral":
        return beat == last
    if meaning.kind == "line":
        return meaning.beat == beat
    return meaning.group in _groups(plot)[beat]


@lru_cache(maxsize=64)
def _groups(plot: str) -> tuple[frozenset[str], ...]:
    """By beat the groups of similes, senses and facts that may follow it."""
    library = plotlines.load()
    tables = (library.similes, library.senses, library.facts)
    names = {id(frames): name for table in tables for name, frames in table.items()}
    added = (
        (beat.similes, beat.senses, beat.facts) for beat in library.plots[plot].beats
    )
    return tuple(frozenset(names[id(each)] for each in few if each) for few in added)


# ---- what is wrong


def _missing(prompt: str, story: str, plot: str) -> int:
    asked, found = parsing.entities(prompt), parsing.entities(story)
    unnamed = sum(
        value not in found.get(kind, ())
        for kind, values in asked.items()
        for value in dict.fromkeys(values)
    )
    return unnamed + (parsing.plot_asked(prompt) not in ("", plot))


def _miswritten(story: str, sentences: tuple[Sentence, ...]) -> int:
    """Words with a capital that should have none, or none that should have one."""
    inside = set(parsing.CAPITALISED.findall(story)) - parsing.capitalised()
    small = set(_WORD.findall(story)) & set(map(str.lower, world.load().people))
    texts = [sentence.text for sentence in sentences]
    shouted = sum(len(text) > 3 and text.isupper() for text in texts)
    started = sum(text[0].islower() for text in texts)
    return len(inside) + len(small) + shouted + started


def _repeated_share(story: str) -> float:
    words = story.lower().split()
    grams = list(zip(words, words[1:], words[2:], words[3:], strict=False))
    return 1.0 - len(set(grams)) / len(grams) if grams else 0.0


def _unknown_pairs(sentence: Sentence) -> int:
    """Pairs of neighbouring words that no sentence of the grammar has."""
    if sentence.meaning is not None:
        return 0
    words = parsing.tokenize(sentence.text)
    known = parsing.word_pairs()
    return sum(pair not in known for pair in zip((None, *words), words, strict=False))


def _is_end(meaning: Meaning | None, plot: str) -> bool:
    if meaning is None or meaning.plot != plot:
        return False
    if meaning.kind == "beat":
        return meaning.beat == _beats(plot) - 1
    return meaning.kind == "moral"


# ---- the score


def gold_score(prompt: str, story: str) -> float:
    """How good a story is, from -6 (nothing of a story) to 9.3.

    A whole plot with nothing added has 3. Of what the village writes, the dry style has
    3.6 on average and the most imaginative one 7.0, the best of 6,000 having 8:
    `stories.MOST_WORDS` leaves no room for more.
    """
    found = read(prompt, story)
    score = 3.0 * found.wholeness + _imagination(found) - faults(found)
    # Sums of tenths differ in their last bit; rounded, a tie is a tie.
    return max(LOWEST, round(score, 6))


def _imagination(found: Findings) -> float:
    """Worth of what was added, as far as there is a plot to add it to."""
    carried = max(0.0, (found.wholeness - 0.2) / 0.8)
    added = sum(
        worth[min(found.counts[kind], len(worth) - 1)] for kind, worth in _WORTH.items()
    )
    return carried * added


def faults(found: Findings) -> float:
    """What is taken off: a little for every fault, so that fewer are always better."""
    return (
        1.5 * found.missing
        + 0.5 * found.broken
        + 0.7 * found.miswritten
        + 1.0 * found.repeated
        + 8.0 * max(0.0, found.repeated_share - _USUAL_REPETITION)
        + 0.6 * found.foreign
        + 0.4 * found.out_of_place
        + 0.3 * found.strange
        + 0.15 * found.unknown_pairs
        + 1.5 * (not found.finished)
    )
