"""From sources to passages: one station after the other, and a report of all.

    text -> mend -> tidy -> cut into passages -> drop notices -> drop other languages
         -> drop by quality -> drop repetitions -> drop near copies

`GENTLE` only does what every text needs; `THOROUGH` does all of it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from llmlab.real_text import quality
from llmlab.real_text.cleaning import garbled, mend, normalise
from llmlab.real_text.duplicates import REPETITIONS, drop_repetitions
from llmlab.real_text.language import ENGLISH_ONLY, why_not_english
from llmlab.real_text.near_duplicates import NEAR_COPIES, drop_near_copies
from llmlab.real_text.passages import LONGEST_PASSAGE, Passage, paragraph_windows
from llmlab.real_text.sifting import Dropped, Report, Rule, Sifting, outcomes_of, sift


@dataclass(frozen=True)
class Source:
    """What was read from one place, before anything is done to it.

    name : a file, relative to its folder, or whatever else it is called.
    text : without mark-up.
    left_out : what stands beside the text: menus, the licence before a book.
    markup : how many more characters the file has: tags and the like.
    """

    name: str
    text: str
    left_out: tuple[str, ...] = ()
    markup: int = 0


@dataclass(frozen=True)
class Station:
    """One step: a function of passages, and the rules by which it drops some."""

    rules: tuple[Rule, ...]
    sift: Callable[[Sequence[Passage]], Sifting]


NEARLY_ALL, WORTH_A_LOOK = 0.8, 1_000
"""More than this share left out of a file, or dropped from a whole collection, is
reported aloud; of fewer than so many characters it is not."""

MARKUP = Rule("mark-up", "tags, addresses and signs that steer the layout")
BESIDE = Rule("beside the text", "menus, notices and licences are not what one reads")
GARBLED = Rule(
    "garbled letters", "they were written as UTF-8 and read as something else"
)
UNTIDY = Rule("untidiness", "spaces at line ends, empty lines, invisible characters")
EDGES = Rule("edges", "line ends where a long text was cut into passages")


def refine(
    origin: str,
    sources: Sequence[Source],
    stations: Sequence[Station],
    skipped: Sequence[str] = (),
) -> tuple[list[Passage], Report]:
    """Lead sources through stations.

    stations : in this order; `GENTLE`, `THOROUGH`, or a choice of your own.
    skipped : what could not be read, for the report.

    Returns what is left, in the order of `sources`, and what every rule dropped.
    """
    passages = [Passage(source.name, source.text) for source in sources]
    dropped = [one for source in sources for one in _not_its_text(source)]
    characters_read = _characters(passages) + sum(one.characters for one in dropped)
    for station in stations:
        sifting = station.sift(passages)
        passages = sifting.kept
        dropped += sifting.dropped
    rules = [MARKUP] if any(source.markup for source in sources) else []
    rules += [BESIDE, *(rule for station in stations for rule in station.rules)]
    report = Report(
        origin=origin,
        sources=len(sources),
        characters_read=characters_read,
        passages=len(passages),
        characters=_characters(passages),
        skipped=tuple(skipped),
        outcomes=outcomes_of(rules, dropped),
        warnings=tuple(_warnings(sources, _characters(passages))),
    )
    return passages, report


def _not_its_text(source: Source) -> Iterator[Dropped]:
    for text in source.left_out:
        reason = "not part of the text"
        yield Dropped(BESIDE.name, source.name, text, len(text), False, reason)
    if source.markup:
        yield Dropped(MARKUP.name, source.name, "", source.markup, False, "signs")


def _warnings(sources: Sequence[Source], kept: int) -> Iterator[str]:
    """Where nearly everything went, mark-up aside."""
    read = 0
    for source in sources:
        beside = sum(map(len, source.left_out))
        words = beside + len(source.text)
        read += words
        if words >= WORTH_A_LOOK and beside > NEARLY_ALL * words:
            share = f"{beside / words:.0%} of {words:,} characters"
            yield f"of {source.name}, {share} are taken to stand beside its text"
    if read >= WORTH_A_LOOK and kept < (1 - NEARLY_ALL) * read:
        yield f"of all {read:,} characters, {1 - kept / read:.0%} were dropped"


def _characters(passages: Sequence[Passage]) -> int:
    return sum(len(passage.text) for passage in passages)


def mend_letters(passages: Sequence[Passage]) -> Sifting:
    """Put letters right that were read wrongly."""
    dropped = [
        GARBLED.drops(passage, f"stands for {right}", wrong, len(wrong) - len(right))
        for passage in passages
        for wrong, right in garbled(passage.text)
    ]
    mended = [Passage(passage.source, mend(passage.text)) for passage in passages]
    return Sifting(mended, dropped)


def tidy(passages: Sequence[Passage]) -> Sifting:
    """Normalise; a passage in which nothing is left goes."""
    kept, dropped = [], []
    for passage in passages:
        text = normalise(passage.text)
        if text:
            kept.append(Passage(passage.source, text))
        if text != passage.text:
            lines = zip(passage.text.split("\n"), text.split("\n"), strict=False)
            changed = next((old for old, new in lines if old != new), "")
            saved = len(passage.text) - len(text)
            reason = f"{saved:,} characters fewer; the first line that changed was"
            part = changed if text else None
            dropped.append(UNTIDY.drops(passage, reason, part, saved))
    return Sifting(kept, dropped)


def cut(passages: Sequence[Passage]) -> Sifting:
    """Cut what is longer than `LONGEST_PASSAGE`, between paragraphs if possible."""
    kept, dropped = [], []
    for passage in passages:
        windows = paragraph_windows(passage.text, LONGEST_PASSAGE)
        kept += [Passage(passage.source, window) for window in windows]
        if windows != [passage.text]:
            last_and_first = zip(windows[:2], (-1, 0), strict=False)
            lines = [window.split("\n")[place] for window, place in last_and_first]
            part = "\n(one passage ends, the next begins)\n".join(lines)
            saved = len(passage.text) - sum(map(len, windows))
            reason = f"cut into {len(windows)}"
            part = part if windows else None
            dropped.append(EDGES.drops(passage, reason, part, saved))
    return Sifting(kept, dropped)


def drop_other_languages(passages: Sequence[Passage]) -> Sifting:
    """Keep what is English."""

    def judge(passage: Passage) -> Dropped | None:
        reason = why_not_english(passage.text)
        return reason and ENGLISH_ONLY.drops(passage, reason)

    return sift(passages, judge)


MEND = Station((GARBLED,), mend_letters)
TIDY = Station((UNTIDY,), tidy)
CUT = Station((EDGES,), cut)
NO_NOTICES = Station((quality.NOTICES,), quality.drop_notices)
ENGLISH = Station((ENGLISH_ONLY,), drop_other_languages)
QUALITY = Station(quality.QUALITY_RULES, quality.drop_by_quality)
NO_REPETITIONS = Station((REPETITIONS,), drop_repetitions)
NO_NEAR_COPIES = Station((NEAR_COPIES,), drop_near_copies)

GENTLE = (MEND, TIDY, CUT, NO_REPETITIONS)
"""For a text that somebody chose: it may be in any language, and a poem or code."""

THOROUGH = (MEND, TIDY, CUT, NO_NOTICES, ENGLISH, QUALITY)
THOROUGH += (NO_REPETITIONS, NO_NEAR_COPIES)
"""For text that nobody has looked at: English prose, each paragraph once."""
