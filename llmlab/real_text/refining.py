"""From sources to documents: one station after the other, and a report of all.

    text -> mend -> tidy -> cut into documents -> drop notices -> drop other languages
         -> drop by quality -> drop repetitions -> drop near copies

`GENTLE` only does what every text needs; `THOROUGH` does all of it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from llmlab.real_text.cleaning import garbled, mend, normalise
from llmlab.real_text.documents import LONGEST_DOCUMENT, Document, paragraph_windows
from llmlab.real_text.duplicates import REPETITIONS, drop_repetitions
from llmlab.real_text.language import ENGLISH_ONLY, why_not_english
from llmlab.real_text.near_duplicates import NEAR_COPIES, drop_near_copies
from llmlab.real_text.quality import (
    NOTICES,
    QUALITY_RULES,
    drop_by_quality,
    drop_notices,
)
from llmlab.real_text.report import Loss, Report, Rule, Sifting, outcomes_of


@dataclass(frozen=True)
class Source:
    """What was read from one place, before anything is done to it.

    Parameters
    ----------
    name : a file, relative to its folder, or whatever else it is called.
    text : without mark-up.
    left_out : passages beside the text: menus, the licence before a book.
    """

    name: str
    text: str
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class Station:
    """One step: a function of documents, and the rules by which it drops some."""

    rules: tuple[Rule, ...]
    sift: Callable[[Sequence[Document]], Sifting]


BESIDE = Rule("beside the text", "menus, notices and licences are not what one reads")
GARBLED = Rule(
    "garbled letters", "they were written as UTF-8 and read as something else"
)
UNTIDY = Rule("untidiness", "spaces at line ends, empty lines, invisible characters")
EDGES = Rule("edges", "line ends where a long text was cut into documents")


def refine(
    origin: str,
    sources: Sequence[Source],
    stations: Sequence[Station],
    skipped: Sequence[str] = (),
) -> tuple[list[Document], Report]:
    """Lead sources through stations.

    Parameters
    ----------
    origin : a name for the collection.
    stations : in this order; `GENTLE`, `THOROUGH`, or a choice of your own.
    skipped : what could not be read, for the report.

    Returns
    -------
    documents : what is left, in the order of `sources`.
    report : what is left, and what every rule dropped.
    """
    documents = [Document(source.name, source.text) for source in sources]
    losses = [
        Loss(BESIDE.name, source.name, text, len(text), False, "not part of the text")
        for source in sources
        for text in source.left_out
    ]
    characters_read = _characters(documents) + sum(loss.characters for loss in losses)
    for station in stations:
        sifting = station.sift(documents)
        documents = sifting.kept
        losses += sifting.losses
    rules = [BESIDE, *(rule for station in stations for rule in station.rules)]
    report = Report(
        origin=origin,
        sources=len(sources),
        characters_read=characters_read,
        documents=len(documents),
        characters=_characters(documents),
        skipped=tuple(skipped),
        outcomes=outcomes_of(rules, losses),
    )
    return documents, report


def _characters(documents: Sequence[Document]) -> int:
    return sum(len(document.text) for document in documents)


# Stations -----------------------------------------------------------------------------


def mend_letters(documents: Sequence[Document]) -> Sifting:
    """Put letters right that were read wrongly."""
    losses = [
        Loss(
            rule=GARBLED.name,
            source=document.source,
            text=wrong,
            characters=len(wrong) - len(right),
            whole=False,
            reason=f"stands for {right}",
        )
        for document in documents
        for wrong, right in garbled(document.text)
    ]
    mended = [Document(document.source, mend(document.text)) for document in documents]
    return Sifting(mended, losses)


def tidy(documents: Sequence[Document]) -> Sifting:
    """Normalise; a document in which nothing is left goes."""
    kept, losses = [], []
    for document in documents:
        text = normalise(document.text)
        if text != document.text:
            losses.append(_untidiness(document, text))
        if text:
            kept.append(Document(document.source, text))
    return Sifting(kept, losses)


def _untidiness(document: Document, text: str) -> Loss:
    before, after = document.text.split("\n"), text.split("\n")
    changed = (old for old, new in zip(before, after, strict=False) if old != new)
    saved = len(document.text) - len(text)
    return Loss(
        rule=UNTIDY.name,
        source=document.source,
        text=next(changed, ""),
        characters=saved,
        whole=not text,
        reason=f"{saved:,} characters fewer; the first line that changed was",
    )


def cut(documents: Sequence[Document]) -> Sifting:
    """Cut what is longer than `LONGEST_DOCUMENT`, between paragraphs if possible."""
    kept, losses = [], []
    for document in documents:
        windows = paragraph_windows(document.text, LONGEST_DOCUMENT)
        kept += [Document(document.source, window) for window in windows]
        if windows != [document.text]:
            losses.append(_edges(document, windows))
    return Sifting(kept, losses)


def _edges(document: Document, windows: Sequence[str]) -> Loss:
    last_and_first = zip(windows[:2], (-1, 0), strict=False)
    lines = [window.split("\n")[place] for window, place in last_and_first]
    return Loss(
        rule=EDGES.name,
        source=document.source,
        text="\n(one document ends, the next begins)\n".join(lines),
        characters=len(document.text) - sum(map(len, windows)),
        whole=not windows,
        reason=f"cut into {len(windows)}",
    )


def drop_other_languages(documents: Sequence[Document]) -> Sifting:
    """Keep what is English."""
    kept, losses = [], []
    for document in documents:
        reason = why_not_english(document.text)
        if reason is None:
            kept.append(document)
        else:
            text = document.text
            losses.append(
                Loss(ENGLISH_ONLY.name, document.source, text, len(text), True, reason)
            )
    return Sifting(kept, losses)


MEND = Station((GARBLED,), mend_letters)
TIDY = Station((UNTIDY,), tidy)
CUT = Station((EDGES,), cut)
NO_NOTICES = Station((NOTICES,), drop_notices)
ENGLISH = Station((ENGLISH_ONLY,), drop_other_languages)
QUALITY = Station(tuple(rule.rule for rule in QUALITY_RULES), drop_by_quality)
NO_REPETITIONS = Station((REPETITIONS,), drop_repetitions)
NO_NEAR_COPIES = Station((NEAR_COPIES,), drop_near_copies)

GENTLE = (MEND, TIDY, CUT, NO_REPETITIONS)
"""For a text that somebody chose: it may be in any language, and a poem or code."""

THOROUGH = (MEND, TIDY, CUT, NO_NOTICES, ENGLISH, QUALITY)
THOROUGH += (NO_REPETITIONS, NO_NEAR_COPIES)
"""For text that nobody has looked at: English prose, each passage once."""
