"""Stories: a plot is what happens, a telling is what one makes of it.

Between the beats of a plot a teller may add a simile, a line of dialogue, a detail of
the place or the weather, a twist before the end, or a plain fact. How often each is
added is the whole difference between a dry and an imaginative telling.
"""

from dataclasses import dataclass
from functools import cache
from zlib import crc32

from llmlab.village import plotlines, simulation, world
from llmlab.village.chooser import Chooser
from llmlab.village.frames import capitalised, expand
from llmlab.village.plotlines import Plot
from llmlab.village.simulation import Event
from llmlab.village.world import Person, Place, Thing

MOST_WORDS = 140  # a telling is not added to if that would make it longer
WORDS_OF_AN_ADDITION = 11  # about
WORDS_OF_A_TWIST = 16
SHORTEST_OF_A_PAIR = 75
MOST_PADDING = 50  # words ...
LONGEST_OF_A_PAIR = 160  # ... but not beyond what a model can read


@dataclass(frozen=True)
class Style:
    """Probability of each addition wherever it is possible."""

    simile: float
    line: float
    senses: float
    twist: float
    fact: float


BOOK = Style(simile=0.38, line=0.45, senses=0.34, twist=0.4, fact=0.06)
DRY = Style(simile=0.1, line=0.1, senses=0.1, twist=0.05, fact=0.03)


def draw_event(chooser: Chooser, **given) -> Event:
    """Something that happens in the village; who, friend, thing and place may be
    given."""
    return simulation.draw_event(chooser, plotlines.load().schemas(), **given)


def plot_of(event: Event) -> Plot:
    """How the event is told."""
    return plotlines.load().plots[event.schema.name]


def tell(event: Event, style: Style, chooser: Chooser) -> str:
    """The event as a text of one paragraph."""
    return paragraph(tell_by_beat(event, style, chooser))


def moral(event: Event, chooser: Chooser) -> str:
    """A proverb that the event bears out."""
    return expand(chooser.pick(plot_of(event).morals), event.slots(), chooser)


def paragraph(passages: list[list[str]]) -> str:
    return " ".join([text for passage in passages for text in passage])


def tell_by_beat(event: Event, style: Style, chooser: Chooser) -> list[list[str]]:
    """The sentences of each beat: the beat itself, then what is added to it as long
    as there is room. Room for a twist is kept."""
    slots = event.slots()
    plot = plot_of(event)
    passages: list[list[str]] = []
    length = 0
    twist = chooser.coin(style.twist)
    ahead = sum(beat.words for beat in plot.beats) + WORDS_OF_A_TWIST * twist

    def say(frames: tuple) -> None:
        nonlocal length
        passages[-1].append(expand(chooser.pick(frames), slots, chooser))
        length += count_words(passages[-1][-1])

    def perhaps(frames: tuple, probability: float) -> None:
        room = MOST_WORDS - length - ahead - WORDS_OF_AN_ADDITION
        if frames and room >= 0 and chooser.coin(probability):
            say(frames)

    for beat in plot.beats[:-1]:
        passages.append([])
        ahead -= beat.words
        say(beat.says)
        perhaps(beat.similes, style.simile)
        perhaps(beat.lines, style.line)
        perhaps(beat.senses, style.senses)
        perhaps(beat.facts, style.fact)
    if twist:
        say(plot.twists)
    passages.append([])
    say(plot.beats[-1].says)
    return passages


def count_words(text: str) -> int:
    return text.count(" ") + 1


# ---- stories that are asked for


@dataclass(frozen=True)
class StoryPair:
    """Two tellings of one event, matched in length, at two random levels of
    imagination; `first` and `second` are in random order."""

    prompt: str
    first: str
    second: str


def draw_request(chooser: Chooser, split: str) -> tuple[str, Event]:
    """What a story is asked to be about, and an event of that kind.

    For a person and a thing, two of the places are asked for in the test split only.
    """
    village = world.load()
    who = chooser.pick(tuple(village.people.values()))
    thing = chooser.pick(tuple(village.things.values()))
    place = chooser.pick(_places_for(who, thing, split == "test"))
    event = draw_event(chooser, who=who, thing=thing, place=place)
    return request(event), event


def request(event: Event) -> str:
    """How a story of the event is asked for."""
    return f"Write a story about {subject(event)}."


def title(event: Event) -> str:
    """What stands above a story of the event in a book."""
    return capitalised(subject(event))


def subject(event: Event) -> str:
    """What a story of the event is about, as titles and requests say it."""
    return (
        f"{plot_of(event).label}, with {event.who.name} and {event.friend.name}, "
        f"{world.with_article(event.thing.name)} and the {event.place.name}"
    )


@cache
def _places_for(who: Person, thing: Thing, test: bool) -> tuple[Place, ...]:
    places = tuple(world.load().places.values())
    first = crc32(f"{who.name} {thing.name}".encode()) % len(places)
    held_out = {places[first], places[(first + 5) % len(places)]}
    return tuple(place for place in places if (place in held_out) == test)


def draw_pair(chooser: Chooser, split: str) -> StoryPair:
    """One event told twice, as a rule at two levels of imagination. The shorter
    telling is filled up with plain facts, so that length says little.

    In lengths that are always equal, every image stands where the other telling has a
    fact, and nobody could tell whether images are good or facts are bad. So some pairs
    are a single telling, with and without more facts. And where every story has its
    end and every image its place, nobody can tell that these are needed: some pairs
    are one telling, whole and cut short, or in order and in disorder.
    """
    prompt, event = draw_request(chooser, split)
    tellings = _KINDS_OF_PAIRS[chooser.weighted(SHARES_OF_PAIRS)](event, chooser)
    if chooser.coin(0.5):
        tellings.reverse()
    return StoryPair(prompt, *map(paragraph, tellings))


def _two_of_equal_length(event: Event, chooser: Chooser) -> list[list[list[str]]]:
    levels = (0.85 * chooser.uniform() for _ in range(2))
    tellings = [_tell_at_level(event, level, chooser) for level in levels]
    lengths = [count_words(paragraph(passages)) for passages in tellings]
    length = max(*lengths, SHORTEST_OF_A_PAIR)
    for passages in tellings:
        _fill_with_facts(passages, event, length, chooser)
    return tellings


def _with_and_without_padding(event: Event, chooser: Chooser) -> list[list[list[str]]]:
    plain = _tell_at_level(event, 0.85 * chooser.uniform(), chooser)
    padded = [list(passage) for passage in plain]
    length = count_words(paragraph(plain)) + MOST_PADDING * chooser.uniform()
    _fill_with_facts(padded, event, min(length, LONGEST_OF_A_PAIR), chooser)
    return [plain, padded]


def _whole_and_cut_short(event: Event, chooser: Chooser) -> list[list[list[str]]]:
    """What is cut is filled up with facts, so that length does not give it away."""
    whole = _tell_at_level(event, 0.85 * chooser.uniform(), chooser)
    cut = [list(passage) for passage in whole[: chooser.pick((-1, -2))]]
    _fill_with_facts(cut, event, count_words(paragraph(whole)), chooser)
    return [whole, cut]


def _in_order_and_in_disorder(event: Event, chooser: Chooser) -> list[list[list[str]]]:
    """The same sentences, but what was added to a beat stands after another one."""
    ordered = _tell_at_level(event, 0.3 + 0.55 * chooser.uniform(), chooser)
    disordered = [passage[:1] for passage in ordered]
    for number, passage in enumerate(ordered):
        others = [other for other in range(len(ordered) - 1) if other != number]
        for sentence in passage[1:]:
            disordered[chooser.pick(others)].append(sentence)
    return [ordered, disordered]


_KINDS_OF_PAIRS = {
    "equal length": _two_of_equal_length,
    "padded": _with_and_without_padding,
    "cut": _whole_and_cut_short,
    "disordered": _in_order_and_in_disorder,
}
SHARES_OF_PAIRS = {"equal length": 0.64, "padded": 0.12, "cut": 0.1, "disordered": 0.14}


def _tell_at_level(event: Event, level: float, chooser: Chooser) -> list[list[str]]:
    return tell_by_beat(event, Style(level, level, level, level, fact=0.0), chooser)


def _fill_with_facts(passages, event: Event, length: int, chooser: Chooser) -> None:
    """Adds facts, at most two to a beat that was told, until the next would lead
    further from the length."""
    slots = event.slots()
    told = plot_of(event).beats[:-1][: len(passages)]
    spare = [
        (number, expand(frame, slots, chooser))
        for number, beat in enumerate(told)
        if beat.facts
        for frame in chooser.sample(beat.facts, 2)
    ]
    lacking = length - count_words(paragraph(passages))
    for number, fact in chooser.sample(spare, len(spare)):
        if count_words(fact) > 2 * lacking:
            break
        passages[number].append(fact)
        lacking -= count_words(fact)
