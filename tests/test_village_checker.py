"""Whole documents of every genre, read by an independent checker."""

import random
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
    "Bruno lent a silver lantern to Otto.": "made",
    "Bruno was afraid of closed doors, and Otto knew it.": "fear",
    "Otto wanted to see the end of every road.": "wish",
    "Bruno talked of plum jam.": "like",
    "Bruno, a fox with a drum, came.": "species",
    "Bruno took the kettle home to the mill.": "home",
    "Bruno used the kettle to see in the dark.": "use",
    '"Come, Otto," said Tilda, and he laughed.': "he",
}


@pytest.mark.parametrize("text", WRONG)
def test_a_contradiction_is_seen(text):
    assert village_checker.contradictions(text, "articles")


def changed_facts(document, generator):
    """The document with a fact of somebody or something in it exchanged for that of
    another, with the kind of fact."""
    text = village_checker.english_of(document.text, document.genre)
    for table, keys in (
        (village_checker.people(), ("wish", "habit", "fear", "trade")),
        (village_checker.things(), ("made", "use")),
    ):
        for name, entry in table.items():
            for key in keys if village_checker.stands_in(name, text) else ():
                old = f"{entry[key]} {name}" if key == "made" else entry[key]
                others = sorted({other[key] for other in table.values()})
                new = generator.choice([other for other in others if other not in text])
                new = f"{new} {name}" if key == "made" else new
                if village_checker.stands_in(old, text):
                    yield key, document.text.replace(old, new)


def test_a_changed_fact_is_seen_wherever_it_stands(documents):
    generator = random.Random(0)
    tried, seen = Counter(), Counter()
    for document in documents[:600]:
        if document.genre not in ("books", "websites"):
            continue
        for kind, text in changed_facts(document, generator):
            tried[kind] += 1
            seen[kind] += bool(village_checker.contradictions(text, document.genre))
    assert min(tried.values()) >= 5, tried
    for kind, count in tried.items():
        assert seen[kind] >= 0.8 * count, (kind, seen[kind], count)


STORY = (
    "A loss, with Tilda and Otto, a lantern and the harbour\nOne rainy Monday morning "
    "Tilda lost a brass lantern at the harbour. The otter found the yellow lantern on "
    "Tuesday."
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
