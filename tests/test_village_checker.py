"""Whole documents of every genre, read by an independent checker."""

from collections import Counter

import pytest
import village_checker

from llmlab import village

COUNT = 2000


@pytest.fixture(scope="module")
def documents():
    return list(village.documents(COUNT, seed=21, split="train"))


def test_documents_contradict_nothing(documents):
    found = [
        (wrong, document.text)
        for document in documents
        if (wrong := village_checker.contradictions(document.text, document.genre))
    ]
    assert len(found) <= 0.005 * COUNT, found[:5]


def test_nothing_is_miswritten(documents):
    found = [
        (wrong, document.text)
        for document in documents
        if (wrong := village_checker.mistakes(document.text, document.genre))
    ]
    assert not found, found[:5]


def test_every_genre_and_every_page_is_among_them(documents):
    genres = Counter(document.genre for document in documents)
    assert len(genres) == 5 and min(genres.values()) > 50


# ---- the checker itself sees what it should

WRONG = {
    "Tilda is a baker.": "trade",
    "Tilda, the lazy dog, yawned.": "epithet",
    "The letter carrier Bruno came.": "trade",
    "Bruno lived at the mill.": "home",
    "Bruno loved plum jam.": "like",
    "Bruno was afraid of closed doors.": "fear",
    "The mill has ninety steps.": "mark",
    "The lantern was green.": "colour",
    "Agnes, the aunt of Lars, sang.": "bond",
    "Tilda came home. He laughed.": "he",
    "People say that Tilda has the finest lantern.": "owner",
}


@pytest.mark.parametrize("text", WRONG)
def test_a_contradiction_is_seen(text):
    assert village_checker.contradictions(text, "articles")


STORY = (
    "Tilda, Otto and the lantern\nOne rainy Monday morning Tilda lost a brass lantern "
    "at the harbour. The otter found the yellow lantern on Tuesday."
)


@pytest.mark.parametrize(
    "old, new",
    [
        ("The otter", "The raven"),
        ("yellow", "green"),
        ("Tuesday", "Friday"),
        ("at the harbour", "behind the corn sacks"),
        ("on Tuesday", "on a snowy day"),
        ("on Tuesday", "in her bag"),
    ],
)
def test_a_story_that_contradicts_itself_is_seen(old, new):
    assert not village_checker.contradictions(STORY, "books")
    assert old in STORY
    changed = STORY.replace(old, new)
    assert village_checker.contradictions(changed, "books")


@pytest.mark.parametrize(
    "text",
    [
        "A apple fell.",
        "An lantern fell.",
        "Tilda saw the the lantern.",
        "Tilda saw {thing}.",
        "Tilda saw a lantern|a kite.",
        "Tilda saw a lantern ,and ran.",
        "Tilda saw a lantern.Then she ran.",
        "Tilda  saw a lantern.",
        "Tilda saw a lantern. then she ran.",
        "tilda saw a lantern.",
        "Tilda saw a lantern in the Mill.",
        "They was at the mill.",
        "She have a lantern.",
        "Tilda saw every lanterns.",
        "Tilda saw two lantern.",
        'Tilda said, "No.',
        "Tilda saw a lanturn.",
        "Tilda saw a gray coat.",
        "Tilda saw None.",
    ],
)
def test_a_mistake_is_seen(text):
    assert village_checker.mistakes(text, "articles")


def test_documents_do_not_depend_on_what_was_written_before(documents):
    """Nothing that is kept between documents may be changed by one of them."""
    again = list(village.documents(COUNT, seed=21, split="train"))
    assert again == documents
    alone = next(village.documents(1, seed=21, split="train", start=COUNT - 1))
    assert alone == documents[-1]
