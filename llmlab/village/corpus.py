"""The corpus: documents of five genres, any number of them, from a seed."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from llmlab.village import encyclopaedia, french, news, sayings, stories, websites
from llmlab.village.chooser import Chooser

MOST_WORDS_WITHOUT_MORAL = 120
MORAL = 0.4  # how often a book that is short enough ends with one
ENCYCLOPAEDIA = 0.4  # the share of the articles; the others are news

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Document:
    """`bits` is -log2 of the probability of its derivation, its genre included."""

    text: str
    genre: str
    bits: float
    labels: dict[str, str] = field(default_factory=dict)


def documents(
    count: int, *, seed: int, split: str, start: int = 0
) -> Iterator[Document]:
    """Documents `start` to `start + count` of a split.

    Each depends on (seed, split, its number) alone, so that a stream can begin
    anywhere. Splits never share a source of chance.

    Raises ValueError for an unknown split or a negative count.
    """
    check_split(split)
    if count < 0 or start < 0:
        raise ValueError(
            f"count and start must be 0 or more, got count={count}, start={start}"
        )
    for number in range(start, start + count):
        yield _document(Chooser("documents", split, seed, number))


def check_split(split: str) -> None:
    if split not in SPLITS:
        raise ValueError(f"expected split to be one of {SPLITS}, got {split!r}")


def _document(chooser: Chooser) -> Document:
    genre = chooser.weighted(GENRES)
    text, labels = _WRITERS[genre](chooser)
    return Document(text, genre, chooser.bits, labels)


def _book(chooser: Chooser) -> tuple[str, dict[str, str]]:
    event = stories.draw_event(chooser)
    text = f"{stories.title(event)}\n{stories.tell(event, stories.BOOK, chooser)}"
    if stories.count_words(text) <= MOST_WORDS_WITHOUT_MORAL and chooser.coin(MORAL):
        text += " " + stories.moral(event, chooser)
    return text, event.labels()


def _article(chooser: Chooser) -> tuple[str, dict[str, str]]:
    if chooser.coin(ENCYCLOPAEDIA):
        return encyclopaedia.page(chooser)
    event = news.draw_news(chooser)
    text = news.article(event, chooser)
    if chooser.coin(0.4):
        text += "\n" + news.in_short(event, chooser)
    return text, event.facts()


_WRITERS = dict(books=_book, articles=_article, websites=websites.draw_page)
_WRITERS |= dict(bilingual=french.page, sayings=sayings.page)

# The share of the documents that are of each genre. Their lengths differ: of the words
# about .46 are in books, .19 in articles, .18 in websites, .11 in bilingual pages and
# .05 in sayings.
GENRES = dict(books=0.385, articles=0.2, websites=0.205, bilingual=0.155, sayings=0.055)
