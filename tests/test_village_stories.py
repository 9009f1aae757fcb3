"""The village, its simulator and its stories: facts agree, plots hold together, and
every telling says who, what, where and when."""

import re
from collections import Counter

import pytest

from llmlab.village import gold, plotlines, simulation, stories, world
from llmlab.village.chooser import Chooser
from llmlab.village.frames import Choice, Slot, expand
from llmlab.village.simulation import Event, Refused, Schema, State, Step
from llmlab.village.world import WorldError

RICH = stories.Style(simile=0.6, line=0.6, senses=0.6, twist=0.5, fact=0.3)


def tellings(count: int, style=stories.BOOK) -> list[tuple[Event, str]]:
    found = []
    for number in range(count):
        chooser = Chooser("tests of stories", number)
        event = stories.draw_event(chooser)
        found.append((event, stories.tell(event, style, chooser)))
    return found


def sentences(text: str) -> list[str]:
    return re.split(r'(?<=[.!?])"? (?=["A-Z])', text)


# ---- the world


def test_the_village_is_as_large_as_promised():
    village = world.load()
    assert len(village.people) == 32
    assert len(village.places) == 20
    assert len(village.things) == 120
    assert len(plotlines.load().plots) >= 14
    assert sum(len(plot.twists) for plot in plotlines.load().plots.values()) >= 40


@pytest.mark.parametrize("fact", ["species", "trade", "like", "wish", "habit", "fear"])
def test_what_is_said_of_a_person_is_said_of_no_other(fact):
    people = world.load().people.values()
    assert len({getattr(person, fact) for person in people}) == len(people)


def test_kinship_is_told_the_same_from_both_sides():
    people = world.load().people
    for person in people.values():
        assert people[person.kin].kin == person.name


def test_every_person_owns_a_thing():
    owners = {thing.owner for thing in world.load().things.values()}
    assert owners == set(world.load().people)


# ---- the simulator


LOSE = Schema(
    "lose",
    starts=("who has thing",),
    steps=(
        Step("go", makes=("who at place",)),
        Step("lose", ("who at place",), ("who has thing",), ("thing is lost",)),
    ),
)
CAST = {"who": "Tilda", "friend": "Bruno", "thing": "lantern", "place": "mill"}


def test_what_happens_changes_the_state():
    state = State()
    simulation.happen(LOSE, CAST, state)
    assert state.holds == {("Tilda", "at", "mill"), ("lantern", "is", "lost")}
    assert state.over == {("Tilda", "has", "lantern")}


def test_nobody_is_at_two_places():
    state = State()
    state.make(("Tilda", "at", "mill"))
    state.make(("Tilda", "at", "inn"))
    assert state.holds == {("Tilda", "at", "inn")}


def test_what_is_over_cannot_be_supposed_again():
    state = State()
    simulation.happen(LOSE, CAST, state)
    assert not simulation.is_possible(LOSE, CAST, state)
    with pytest.raises(Refused, match="Tilda has lantern is over"):
        simulation.happen(LOSE, CAST, state)


def test_nothing_happens_that_would_change_nothing():
    state = State()
    state.make(("lantern", "is", "lost"))
    assert simulation.is_possible(LOSE, CAST, State())
    assert not simulation.is_possible(LOSE, CAST, state)


def test_a_step_whose_needs_do_not_hold_is_refused():
    schema = Schema("wrong", starts=(), steps=(Step("find", ("thing is lost",)),))
    with pytest.raises(Refused, match="wrong, find: 'thing is lost'"):
        simulation.happen(schema, CAST, State())


def test_events_of_one_log_never_contradict_each_other():
    lantern = world.load().things["lantern"]
    tilda = world.load().people["Tilda"]
    for number in range(100):
        chooser, state = Chooser("log", number), State()
        log = [
            stories.draw_event(chooser, state=state, who=tilda, thing=lantern)
            for _ in range(4)
        ]
        replayed = State()
        for event in log:
            simulation.happen(event.schema, event.cast(), replayed)
        assert replayed == state


def test_things_fit_what_happens_to_them():
    for event, _ in tellings(2000):
        needed = event.schema.things
        if needed and "any" not in needed:
            assert not event.thing.marks.isdisjoint(needed)
        assert "eaten" not in event.thing.marks or needed
        assert not event.schema.weathers or event.weather in event.schema.weathers
        assert event.other().name not in (event.who.name, event.friend.name)


# ---- tellings


def test_every_story_says_who_what_where_and_when():
    for event, text in tellings(1500):
        first, second, third = sentences(text)[:3]
        for word in (event.day, event.time, event.weather, event.who.name):
            assert word in first, text
        assert event.friend.name in f"{first} {second} {third}", text
        assert event.thing.name in text
        assert f"the {event.place.name}" in text


def test_the_hero_is_named_again_and_again():
    named = Counter()
    for event, text in tellings(1000):
        named[min(4, text.count(event.who.name))] += 1
    assert named[0] == 0 and named[1] < 60


def test_no_story_repeats_a_sentence():
    for _, text in tellings(1500, RICH):
        found = Counter(sentences(text))
        assert max(found.values()) == 1, text


def test_text_is_clean():
    for _, text in tellings(3000, RICH):
        assert not re.search(r"[{}<>|\[\]]|  | [.,;:!?]|[.,]{2}", text), text
        assert not re.search(r"\b[Aa] [aeiou]|\b[Aa]n (?!hour)[^aeiou]", text), text
        assert not re.search(r"\b(\w+) \1\b", text.replace("in in", "in")), text


def test_stories_fit_a_context():
    lengths = sorted(stories.count_words(text) for _, text in tellings(2000))
    assert lengths[0] >= 50
    assert lengths[int(0.97 * len(lengths))] <= 145
    assert lengths[-1] <= 150


def test_few_sentences_are_told_twice():
    found = Counter(s for _, text in tellings(1500) for s in sentences(text))
    repeated = sum(count for count in found.values() if count > 1)
    assert repeated <= 0.08 * sum(found.values())


class _Marks(dict):
    def __missing__(self, name):
        return f"«{name[0].lower()}{name[1:]}»"


def _pattern(node) -> str:
    if isinstance(node, str):
        return re.escape(node)
    if isinstance(node, Slot):
        return re.escape(_Marks()[node.name])
    if isinstance(node, Choice):
        return "(?:" + "|".join(map(_pattern, node.options)) + ")"
    return "".join(map(_pattern, node))


def _assert_that_all_differ(options: tuple) -> None:
    """No text of one option is a text of another: else bits would tell nothing."""
    patterns = [re.compile(_pattern(option) + r"\Z") for option in options]
    for number, option in enumerate(options):
        for draw in range(25):
            text = expand(option, _Marks(), Chooser("differ", number, draw))
            others = [p for n, p in enumerate(patterns) if n != number]
            assert not any(other.match(text) for other in others), text


def _assert_that_choices_differ(node) -> None:
    if isinstance(node, Choice):
        _assert_that_all_differ(node.options)
        for option in node.options:
            _assert_that_choices_differ(option)
    elif isinstance(node, tuple):
        for part in node:
            _assert_that_choices_differ(part)


def test_no_two_derivations_of_a_passage_give_the_same_text():
    library = plotlines.load()
    for plot in library.plots.values():
        for beat in plot.beats:
            _assert_that_all_differ(beat.says)
            _assert_that_choices_differ(beat.says)
            _assert_that_choices_differ(beat.lines)
            for added in (beat.similes, beat.lines, beat.senses, beat.facts):
                _assert_that_all_differ(added)
        _assert_that_all_differ((*plot.twists, *plot.beats[-1].says))


# ---- mistakes in the data are named with file and line


@pytest.mark.parametrize(
    "file, old, new, message",
    [
        ("people.toml", 'home = "bridge"', 'home = "moon"', r"people.toml.*'home'"),
        (
            "people.toml",
            'kin = "Bruno"',
            'kin = "Otto"',
            r"people.toml, line \d+: person 1 \(Tilda\): Tilda says that Otto",
        ),
        (
            "people.toml",
            'bond = "nephew"',
            'bond = "niece"',
            r"people.toml, line \d+: person 3 \(Agnes\): Agnes says that Cosmo "
            r"\(male\) is the niece",
        ),
        ("places.toml", "indoors = false", "", r"places.toml, line \d+.*'indoors'"),
        ("things.toml", "| lighthouse ", "| moon       ", "things.toml.*'kept'"),
        ("things.toml", "| breaks", "| floats", r"things.toml, line \d+.*'marks'"),
        ("plots/lost.toml", "<when>", "<often>", r"lost.toml, line \d+.*<often>"),
        ("plots/lost.toml", "{other}", "{nobody}", r"lost.toml, line \d+.*nobody"),
        ("plots/lost.toml", 'mood = "sad"', 'mood = "odd"', r"lost.toml, line \d+"),
        (
            "plots/lost.toml",
            'needs = ["thing is lost"]',
            'needs = ["thing is sold"]',
            r"lost.toml, line \d+: lost, search: 'thing is sold'",
        ),
        ("plots/lost.toml", "at {place}", "in vain", "lost.toml.*place"),
    ],
)
def test_a_mistake_is_named_with_file_and_line(
    file, old, new, message, tmp_path, monkeypatch
):
    for path in world.WORDS.rglob("*.toml"):
        copy = tmp_path / path.relative_to(world.WORDS)
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes(path.read_bytes())
    text = (tmp_path / file).read_text(encoding="utf-8")
    assert old in text
    (tmp_path / file).write_text(text.replace(old, new), encoding="utf-8")
    monkeypatch.setattr(world, "WORDS", tmp_path)
    world.load.cache_clear()
    plotlines.load.cache_clear()
    try:
        with pytest.raises(WorldError, match=message):
            world.load()
            plotlines.load()
    finally:
        world.load.cache_clear()
        plotlines.load.cache_clear()


def test_every_beat_has_four_wordings_or_more():
    """So that a teller's favourites can be seen."""
    for plot in plotlines.load().plots.values():
        assert min(len(beat.says) for beat in plot.beats) >= 4, plot.name


def test_a_dry_telling_is_dry_and_an_imaginative_one_rich():
    """There is room to learn in, and something rare to find."""

    def counts(style):
        found = [
            gold.read(request, stories.tell(event, style, Chooser("room", number)))
            for number in range(300)
            for request, event in [
                stories.draw_request(Chooser("asked", number), "train")
            ]
        ]
        twists = sum(reading.counts["twist"] for reading in found)
        return sum(sum(r.counts.values()) for r in found) / 300, twists / 300, found

    added, twists, _ = counts(stories.DRY)
    assert 0.6 <= added <= 1.0 and 0.01 <= twists <= 0.08
    added, _, found = counts(stories.Style(1, 1, 1, 1, 0))
    assert added >= 4.4 and 140 <= max(reading.words for reading in found) <= 152


def test_a_pair_can_be_read_with_its_prompt():
    """About 1.25 tokens a word: 165 words and a prompt are far below 256."""
    pairs = [
        stories.draw_pair(Chooser("room", number), "train") for number in range(400)
    ]
    longest = max(stories.count_words(t) for p in pairs for t in (p.first, p.second))
    assert 150 < longest <= 172
