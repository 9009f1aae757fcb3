"""The hidden truth about stories: it knows imagination, and is hard to fool."""

import dataclasses
import random
import statistics

import pytest

from llmlab import village
from llmlab.village import gold, parsing, plotlines, stories, world
from llmlab.village.chooser import Chooser
from llmlab.village.frames import expand
from llmlab.village.simulation import Event

PLAIN = stories.Style(simile=0.0, line=0.0, senses=0.0, twist=0.0, fact=0.0)
FULL = stories.Style(simile=0.6, line=0.6, senses=0.6, twist=0.6, fact=0.3)


def an_event(plot: str = "lost", who: str = "Tilda", friend: str = "Otto") -> Event:
    people, places, things = (
        world.load().people,
        world.load().places,
        world.load().things,
    )
    return Event(
        plotlines.load().plots[plot].schema,
        people[who],
        people[friend],
        things["lantern"],
        places["mill"],
        "Friday",
        "evening",
        "rainy",
    )


EVENT = an_event()
PROMPT = stories.request(EVENT)
DRY = stories.tell(EVENT, PLAIN, Chooser("dry", 0))
SENTENCES = parsing.split_sentences(DRY)
BESIDES = stories.request(an_event(who="Wilma"))


def said(frames, event=EVENT, number=0) -> str:
    """One of the frames, told of an event."""
    return expand(frames[number], event.slots(), Chooser("said", number))


def after_beat(number: int, *texts: str) -> str:
    """The dry story with sentences added after a beat."""
    return " ".join((*SENTENCES[: number + 1], *texts, *SENTENCES[number + 1 :]))


LIBRARY = plotlines.load()
LOST = LIBRARY.plots["lost"]
SIMILES = [said(frames) for frames in LIBRARY.similes.values()]
DETAILS = [said(frames) for frames in LIBRARY.senses.values()]
LINES = [said(beat.lines) for beat in LOST.beats if beat.lines]
TWIST = said(LOST.twists)
WORDS = random.Random(0).sample(DRY.replace(".", "").split(), 30)

CHEATS = {
    "nothing": "",
    "a full stop": ".",
    "the prompt": PROMPT,
    "the prompt five times": " ".join([PROMPT] * 5),
    "the prompt before the story": f"{PROMPT} {DRY}",
    "one sentence ten times": " ".join(SIMILES[:1] * 10),
    "a sentence of the story again and again": after_beat(3, *SENTENCES[1:2] * 3),
    "similes alone": " ".join(SIMILES),
    "similes repeated": " ".join(SIMILES * 3),
    "similes, details, dialogue and a twist without a story": " ".join(
        (*SIMILES, *DETAILS, *LINES, TWIST)
    ),
    "similes pasted behind the story": " ".join((DRY, *SIMILES)),
    "everything pasted behind the story": " ".join(
        (DRY, *SIMILES, *DETAILS, *LINES, TWIST)
    ),
    "everything pasted before the story": " ".join(
        (*SIMILES, *DETAILS, *LINES, TWIST, DRY)
    ),
    "only dialogue": " ".join(LINES),
    "a list of what was asked": "Tilda, Otto, lantern, mill, Tilda, Otto, lantern.",
    "a list of nice words": "Light, feather, joy, sea, smile, star, honey, song. " * 3,
    "shouting": DRY.upper(),
    "all small": DRY.lower(),
    "random words": " ".join(WORDS).capitalize() + ".",
    "letters": "asdf qwer tyui lantern mill Tilda zxcv.",
    "about somebody else": stories.tell(
        an_event(who="Wilma"), PLAIN, Chooser("dry", 1)
    ),
    "hero and friend swapped": stories.tell(
        an_event(who="Otto", friend="Tilda"), PLAIN, Chooser("dry", 1)
    ),
    "the hero swapped half-way": " ".join(
        (*SENTENCES[:2], *(text.replace("Tilda", "Wilma") for text in SENTENCES[2:]))
    ),
    "another thing": DRY.replace("lantern", "kettle"),
    "another thing half-way": " ".join(
        (*SENTENCES[:2], *(text.replace("lantern", "kettle") for text in SENTENCES[2:]))
    ),
    "an unknown hero": DRY.replace("Otto", "Gandalf"),
    "another fox": DRY + " Tilda was a walrus and the village doctor.",
    "no end": " ".join(SENTENCES[:-1]) + " At last Otto found the lan",
    "no last beat": " ".join(SENTENCES[:-1]),
    "the end first": " ".join((SENTENCES[-1], *SENTENCES[:-1])),
    "backwards": " ".join(reversed(SENTENCES)),
    "told twice": f"{DRY} {DRY}",
    "told twice in other words": " ".join(
        stories.tell(EVENT, PLAIN, Chooser("dry", number)) for number in (0, 1)
    ),
    "two stories": " ".join(
        stories.tell(an_event(plot), PLAIN, Chooser("dry", 2))
        for plot in ("lost", "quarrel")
    ),
    "words in alphabetical order": " ".join(sorted(DRY.split())),
    "no articles": DRY.replace(" the ", " ").replace(" a ", " "),
    "sentences of other plots": after_beat(
        2,
        said(LIBRARY.plots["quarrel"].beats[1].says),
        said(LIBRARY.plots["rescue"].beats[1].says),
    ),
    "a twist of another plot": after_beat(3, said(LIBRARY.plots["ghost"].twists)),
    "two twists": after_beat(3, said(LIBRARY.plots["ghost"].twists), SIMILES[0]),
    "the same simile again and again": after_beat(1, SIMILES[0], SIMILES[0])
    + f" {SIMILES[0]}",
}


def test_an_honest_dry_story_is_worth_three_whatever_the_plot():
    for plot in plotlines.load().plots:
        for number in range(5):
            event = an_event(plot)
            story = stories.tell(event, PLAIN, Chooser("any plot", number))
            found = village.gold_score(stories.request(event), story)
            assert found == pytest.approx(3.0), story


@pytest.mark.parametrize("name", CHEATS)
def test_no_cheat_beats_an_honest_dry_story(name):
    assert village.gold_score(PROMPT, CHEATS[name]) < 3.0


@pytest.mark.parametrize("kind", ["simile", "line", "senses", "twist"])
def test_every_kind_of_imagination_is_worth_something(kind):
    told = {
        "simile": after_beat(1, said(LOST.beats[1].similes)),
        "line": after_beat(2, said(LOST.beats[2].lines)),
        "senses": after_beat(2, said(LOST.beats[2].senses)),
        "twist": after_beat(len(SENTENCES) - 2, TWIST),
    }[kind]
    assert village.gold_score(PROMPT, told) > 3.5


def test_a_plain_fact_is_worth_nothing():
    told = after_beat(1, said(LOST.beats[1].facts))
    assert village.gold_score(PROMPT, told) == pytest.approx(3.0)


def test_a_fact_about_either_of_the_two_is_no_contradiction():
    swapped = an_event(who="Otto", friend="Tilda")
    for number, frame in enumerate(LIBRARY.facts["who"]):
        if "{thing" not in str(frame):
            told = after_beat(1, said(LIBRARY.facts["who"], swapped, number))
            assert gold.read(PROMPT, told).broken == 0, told


def test_more_of_the_same_is_worth_less_and_less():
    story = list(SENTENCES)
    scores = [village.gold_score(PROMPT, DRY)]
    for number in reversed([n for n, beat in enumerate(LOST.beats) if beat.similes]):
        story.insert(number + 1, said(LOST.beats[number].similes))
        scores.append(village.gold_score(PROMPT, " ".join(story)))
    gains = [after - before for before, after in zip(scores, scores[1:], strict=False)]
    assert gains == sorted(gains, reverse=True) and gains[0] > gains[-1] > 0


def test_every_further_contradiction_costs():
    scores = []
    for count in range(len(SENTENCES) + 1):
        story = [
            text.replace("lantern", "kettle") if number < count else text
            for number, text in enumerate(SENTENCES)
        ]
        scores.append(village.gold_score(PROMPT, " ".join(story)))
    changed = ["lantern" in text for text in SENTENCES]
    for number, is_changed in enumerate(changed):
        assert (scores[number + 1] < scores[number]) == is_changed


def test_every_sentence_of_the_plot_helps():
    scores = [
        village.gold_score(PROMPT, " ".join(SENTENCES[:count]))
        for count in range(1, len(SENTENCES) + 1)
    ]
    assert scores == sorted(scores) and len(set(scores)) == len(scores)


@pytest.mark.parametrize(
    "text",
    [
        "{who.his}",
        "{}",
        "<name>",
        '"',
        '" "',
        "\x00\ufffd",
        "é" * 500,
        "\n\n.\n",
        "a " * 2000,
    ],
)
def test_any_text_at_all_can_be_scored(text):
    for story in (text, DRY + text, f"{text} {DRY}"):
        assert gold.LOWEST <= village.gold_score(PROMPT, story) <= 3.0
    assert gold.LOWEST <= village.gold_score(text, DRY) <= gold.HIGHEST


def test_a_story_of_another_plot_than_the_one_asked_for_has_missed_it():
    label = plotlines.load().plots["lost"].label
    other = PROMPT.replace(label, plotlines.load().plots["quarrel"].label)
    assert label in PROMPT and gold.read(PROMPT, DRY).missing == 0
    assert gold.read(other, DRY).missing == 1
    assert village.gold_score(other, DRY) < village.gold_score(PROMPT, DRY) - 1
    assert gold.read(PROMPT.replace(f"{label}, with ", ""), DRY).missing == 0


def test_the_score_depends_on_the_text_alone():
    fresh = village.gold_score(PROMPT, DRY)
    gold.read.cache_clear()
    assert village.gold_score(PROMPT, DRY) == fresh


def test_every_telling_of_every_plot_is_found_without_a_fault():
    for number in range(1000):
        chooser = Chooser("read back", number)
        prompt, event = stories.draw_request(chooser, "train")
        story = stories.tell(event, FULL, chooser)
        found = gold.read(prompt, story)
        assert found.plot == event.schema.name
        assert found.wholeness == 1.0 and found.finished
        faults = gold.faults(found)
        assert faults == 0, (faults, found)


class AtLevels(Chooser):
    """Tells the first of a pair at the first of two levels of imagination, the second
    at the second."""

    def __init__(self, levels, *key):
        super().__init__(*key)
        self._levels = iter(levels)

    def uniform(self):
        return next(self._levels) / 0.85


def test_gold_prefers_the_imaginative_telling_of_matched_pairs():
    preferred, lengths = [], []
    for number in range(800):
        chooser = AtLevels((0.1, 0.7), "levels", number)
        prompt, event = stories.draw_request(chooser, "train")
        dry, rich = map(stories.paragraph, stories._two_of_equal_length(event, chooser))
        lengths.append((len(dry.split()), len(rich.split())))
        preferred.append(
            village.gold_score(prompt, rich) > village.gold_score(prompt, dry)
        )
    dry, rich = map(statistics.mean, zip(*lengths, strict=True))
    assert abs(dry - rich) < 2.0
    assert statistics.mean(preferred) >= 0.98


def test_length_says_little_about_which_of_a_pair_is_better():
    agree = []
    for pair in village.story_pairs(1200, seed=0, split="train"):
        longer = len(pair.first.split()) - len(pair.second.split())
        better = village.gold_score(pair.prompt, pair.first) - village.gold_score(
            pair.prompt, pair.second
        )
        if longer and better:
            agree.append((longer > 0) == (better > 0))
    assert 0.45 <= statistics.mean(agree) <= 0.55


def pairs_of_kind(kind, count=150):
    """(prompt, the telling as it should be, the other)"""
    for number in range(count):
        chooser = Chooser(kind, number)
        prompt, event = stories.draw_request(chooser, "train")
        yield prompt, *stories._KINDS_OF_PAIRS[kind](event, chooser)


def test_padding_is_worth_nothing():
    for prompt, *tellings in pairs_of_kind("padded"):
        plain, padded = map(stories.paragraph, tellings)
        assert village.gold_score(prompt, plain) == village.gold_score(prompt, padded)


@pytest.mark.parametrize("kind", ["cut", "disordered"])
def test_an_end_and_the_right_places_are_worth_something(kind):
    for prompt, *tellings in pairs_of_kind(kind):
        whole, spoiled = map(stories.paragraph, tellings)
        assert village.gold_score(prompt, whole) > village.gold_score(prompt, spoiled)


def test_disorder_changes_nothing_but_the_order():
    for _, ordered, disordered in pairs_of_kind("disordered"):
        assert [told[0] for told in ordered] == [told[0] for told in disordered]
        assert sorted(sum(ordered, [])) == sorted(sum(disordered, []))
        for before, after in zip(ordered, disordered, strict=True):
            assert not set(before[1:]) & set(after[1:])


def test_damage_costs_more_the_more_there_is_of_it():
    generator = random.Random(0)
    words = DRY.split()
    scores = []
    for share in (0.0, 0.1, 0.3, 0.6):
        damaged = [
            generator.choice(words) if generator.random() < share else word
            for word in words
        ]
        scores.append(village.gold_score(PROMPT, " ".join(damaged)))
    assert scores == sorted(scores, reverse=True) and scores[-1] < 0.0


def test_a_tie_is_a_tie_whatever_the_order_of_its_sum():
    """5.4 and 5.3999999999999995 came of the same additions and faults."""
    tellings = [
        (prompt, telling)
        for prompt, event in requests(120)
        for telling in (
            stories.tell(event, stories.BOOK, Chooser("ties", prompt, number))
            for number in range(2)
        )
    ]
    scores = {village.gold_score(prompt, telling) for prompt, telling in tellings}
    apart = sorted(scores)
    assert len(apart) > 10
    assert min(b - a for a, b in zip(apart, apart[1:], strict=False)) > 1e-4


def test_the_scale_is_what_its_description_says():
    def mean(style):
        return statistics.fmean(
            village.gold_score(
                prompt, stories.tell(event, style, Chooser("scale", prompt))
            )
            for prompt, event in requests(200)
        )

    full = stories.Style(simile=1, line=1, senses=1, twist=1, fact=0)
    assert mean(PLAIN) == 3.0
    assert mean(stories.DRY) == pytest.approx(3.6, abs=0.15)
    assert mean(full) == pytest.approx(7.0, abs=0.15)
    most = sum(worth[-1] for worth in gold._WORTH.values())
    assert gold.HIGHEST == pytest.approx(3.0 + most)


def requests(count):
    return [
        stories.draw_request(Chooser("requests", number), "validation")
        for number in range(count)
    ]


def test_a_story_is_well_formed_with_two_unknown_pairs_in_a_hundred_words():
    found = gold.read(PROMPT, DRY)
    for unknown, words, well_formed in ((0, 0, True), (2, 100, True), (3, 149, False)):
        changed = dataclasses.replace(found, unknown_pairs=unknown, words=words)
        assert changed.well_formed == well_formed


def test_the_better_of_a_pair_is_as_often_the_first_as_the_second():
    for kind, likely in (("cut", 1.0), ("disordered", 1.0), ("equal length", 0.8)):
        first = [
            village.gold_score(pair.prompt, pair.first)
            > village.gold_score(pair.prompt, pair.second)
            for pair in (
                stories.draw_pair(OfOneKind(kind, number), "train")
                for number in range(100)
            )
        ]
        assert 0.3 * likely < statistics.mean(first) < 0.7


class OfOneKind(Chooser):
    """Draws every pair of the same kind."""

    def __init__(self, kind, number):
        super().__init__("one kind", kind, number)
        self._kind = kind

    def weighted(self, weights):
        return self._kind if self._kind in weights else super().weighted(weights)


def test_a_short_pair_is_filled_up(monkeypatch):
    def shortest():
        pairs = [
            stories.draw_pair(OfOneKind("equal length", number), "train")
            for number in range(40)
        ]
        return min(stories.count_words(t) for p in pairs for t in (p.first, p.second))

    before = shortest()
    monkeypatch.setattr(stories, "SHORTEST_OF_A_PAIR", 110)
    assert before < 95 < shortest()
