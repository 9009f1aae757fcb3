"""The line: its bits are of derivations, and these are nearly the bits of the text."""

import random
from collections import defaultdict
from dataclasses import replace

import pytest
import village_derivations as inside

from llmlab import village
from llmlab.village import frames, plotlines, stories
from llmlab.village.chooser import Chooser, every_derivation

# Two derivations of "big dog", and many of "a a a".
AMBIGUOUS = (
    "[big|small|[big|old]] dog",
    "[a |][a |a a |]a",
    "{who} [{who.like}|cakes] [<number>|two]",
    "[{who.like}|{friend.like}] and [more|[more|less]]",
)
SLOTS = {
    "who": "Tilda",
    "who.like": frames.Choice(("cakes", "tea")),
    "friend.like": "tea",
}


def by_text(derivations) -> dict[str, float]:
    found: dict[str, float] = defaultdict(float)
    for text, bits in derivations:
        found[text] += 2.0**-bits
    return found


@pytest.mark.parametrize("frame", AMBIGUOUS)
def test_the_inside_probability_is_the_sum_over_all_derivations(frame):
    lists = {"number": frames.parse_list("one\ntwo\nthree")}
    node = frames.parse(frame, lists)
    derivations = every_derivation(lambda c: frames.expand(node, SLOTS, c))
    texts = by_text(derivations)
    assert len(texts) < len(derivations)
    for text, probability in texts.items():
        assert inside.inside(node, SLOTS, text) == pytest.approx(probability)
    assert inside.inside(node, SLOTS, "something else") == 0.0


def tiny_plot(plot):
    """The plot with few wordings, two of which can give the same text."""

    def first(listed, count=1):
        return listed[:count]

    beats = [
        plotlines.Beat(
            beat.name,
            says=(f"Beat {number}.", frames.Choice((f"Beat {number}.", "Beat."))),
            similes=first(("Like a bee.",)) if number == 1 else (),
            lines=("Like a bee.",) if number == 1 else (),
            senses=(),
            facts=("A fact.",) if number < 2 else (),
            words=30,
        )
        for number, beat in enumerate(plot.beats[:3])
    ]
    return replace(
        plot, beats=tuple(beats), twists=("A twist.",), morals=("So it is.",)
    )


def test_a_story_is_as_probable_as_all_its_tellings_together(monkeypatch):
    event = stories.draw_event(Chooser("tiny"))
    plot = tiny_plot(stories.plot_of(event))
    monkeypatch.setattr(stories, "plot_of", lambda _: plot)
    style = stories.Style(simile=0.3, line=0.4, senses=0.5, twist=0.6, fact=0.2)
    for most in (70, 100, 120, 200):  # with room for nothing, little and everything
        monkeypatch.setattr(stories, "MOST_WORDS", most)
        derivations = every_derivation(lambda c: stories.tell(event, style, c))
        texts = by_text(derivations)
        assert sum(texts.values()) == pytest.approx(1.0)
        for text, probability in texts.items():
            found = inside.story_probability(event, style, text)
            assert found == pytest.approx(probability), text


def test_a_book_is_at_least_as_probable_as_its_derivation():
    books = [
        document
        for document in village.documents(120, seed=5, split="validation")
        if document.genre == "books"
    ]
    for book in books:
        probability = inside.book_probability(book.text)
        assert probability >= 2.0**-book.bits * (1 - 1e-9)
        assert probability <= 2.0**-book.bits * 2.0**6


def test_what_is_no_book_has_no_probability():
    book = next(
        document.text
        for document in village.documents(50, seed=5, split="validation")
        if document.genre == "books"
    )
    words = book.split(" ")
    random.Random(0).shuffle(words)
    for text in ("", "Tilda", " ".join(words), book + " And so on.", book[:-1]):
        assert inside.book_probability(text) == 0.0


def test_tracing_leaves_nothing_behind():
    before = frames.expand
    documents = list(village.documents(20, seed=1, split="train"))
    with inside.traced() as expansions:
        assert list(village.documents(20, seed=1, split="train")) == documents
    assert expansions
    assert frames.expand is before is stories.expand


def test_the_line_lies_hardly_above_the_entropy_of_the_text():
    found = inside.slack(200, seed=11)
    assert set(found) == {
        "all",
        "articles",
        "bilingual",
        "books",
        "sayings",
        "websites",
    }
    for genre, measured in found.items():
        assert -1e-6 <= measured.slack, genre
        assert measured.share <= 0.02, (genre, measured)


def test_the_line_is_where_the_course_wants_it():
    found = list(village.documents(2000, seed=3, split="validation"))
    words = sum(len(document.text.split()) for document in found)
    assert 1.2 <= sum(document.bits for document in found) / words <= 1.6
