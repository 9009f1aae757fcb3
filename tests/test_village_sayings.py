"""Sayings: known by heart, told of people of the village, and hardly ever alike."""

import re
from collections import Counter

import pytest

from llmlab.village import plotlines, sayings, world
from llmlab.village.chooser import Chooser
from llmlab.village.frames import every_text

COUNT = 4000


@pytest.fixture(scope="module")
def pages():
    return [sayings.page(Chooser("sayings", n))[0] for n in range(COUNT)]


def test_there_are_60_proverbs_and_60_idioms_each_with_its_meaning():
    known = sayings.load()
    assert len(known.proverbs) == len(known.idioms) == 60
    assert len({p.meaning for p in known.proverbs}) == 60
    assert len({i.meaning for i in known.idioms}) == 60


def test_every_moral_of_a_story_is_a_proverb_whose_meaning_is_told():
    proverbs = {proverb.text for proverb in sayings.load().proverbs}
    for plot in plotlines.load().plots.values():
        for frame in plot.morals:
            assert set(every_text(frame)) <= proverbs


def test_every_saying_is_told_often_enough_to_be_learned(pages):
    """From 1,200 pages, as two million words of corpus have."""
    text = "\n".join(pages[:1200])
    for proverb in sayings.load().proverbs:
        assert text.count(f'"{proverb.text}" It means: {proverb.meaning}.') >= 25
    for idiom in sayings.load().idioms:
        assert text.count(f"To {idiom.infinitive} means to {idiom.meaning}:") >= 25


def test_the_pangram_is_by_far_the_commonest_continuation(pages):
    """So that "The quick brown fox jumps over the ___ dog" has one answer."""
    text = "\n".join(pages)
    jumps = Counter(re.findall(r"quick brown fox jumps over the (\w+ \w+)", text))
    assert jumps["lazy dog"] / sum(jumps.values()) > 0.95
    dogs = Counter(re.findall(r"over the lazy (\w+)", text))
    assert set(dogs) == {"dog"}
    foxes = Counter(re.findall(r"The quick brown (\w+)", text))
    assert set(foxes) == {"fox"}
    assert text.count(sayings.PANGRAM) > 0.25 * COUNT


def test_the_pangram_has_every_letter():
    assert set("abcdefghijklmnopqrstuvwxyz") <= set(sayings.PANGRAM.lower())


def test_an_idiom_is_told_of_one_person_with_the_right_pronoun(pages):
    people = world.load().people
    body = "weight|cool|head|tongue|foot|guns|eggs"
    pattern = re.compile(rf"\b([A-Z]\w+) \w+ (?:all )?(his|her) (?:{body})\b")
    seen = 0
    for page in pages:
        for name, his in pattern.findall(page):
            if name in people:
                seen += 1
                assert people[name].pronoun("his") == his, page
    assert seen > 50


def test_lines_of_sayings_hardly_repeat(pages):
    lines = Counter(line for page in pages[:1200] for line in page.splitlines())
    del lines[sayings.PANGRAM]
    repeated = sum(n for line, n in lines.items() if n > 1 and len(line.split()) > 8)
    assert repeated / sum(lines.values()) < 0.1


def test_lines_of_a_counting_rhyme_rhyme():
    endings = {
        "One, two": ("oe", "ue", "oo"),
        "Three, four": ("oor", "ore"),
        "Five, six": ("icks", "ix"),
        "Seven, eight": ("ate",),
        "Nine, ten": ("en", "ain"),
    }
    for count, frames in sayings.load().rhymes.items():
        for text in (t for frame in frames for t in every_text(frame)):
            assert text.endswith(endings[count]), (count, text)


def test_a_page_depends_on_its_seed_alone(pages):
    """And not on the pages that were written before it."""
    for number in range(200):
        assert sayings.page(Chooser("sayings", number))[0] == pages[number]
