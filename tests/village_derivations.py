"""How far the line is from the entropy of the text: derivations run backwards.

The line counts the bits of one derivation. A text that several derivations give is
likelier than any of them, and the line lies above the entropy of the text by

    slack = E[log2 p(text) - log2 p(derivation)] >= 0.

    inside(frame, slots, text)   p(text) of a frame, summed over all its derivations
    book_probability(text)       the same of a whole book: exact, over all events,
                                 frames and additions that can give it
    slack(count, seed)           the slack of every genre

Books are run backwards exactly. In the other genres every frame is, given what was
drawn outside of frames (who, where, which blocks): that is told by the text and checked
when the data are loaded, so two casts or plans with one text are not expected, but this
is not proved; there the figure is the slack of the frames.
"""

import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from math import log2

from llmlab.village import corpus, frames, plotlines, simulation, stories, world
from llmlab.village.calendar import calendar
from llmlab.village.frames import Choice, Slot
from llmlab.village.simulation import Event
from llmlab.village.stories import Style

# By position in a text the probability of having derived the text up to there.
Ends = dict[int, float]


def inside(frame, slots: dict, text: str) -> float:
    """The probability that a frame gives exactly this text."""
    return ends(frame, slots, text, {0: 1.0}).get(len(text), 0.0)


def ends(node, slots: dict, text: str, starts: Ends) -> Ends:
    """Where a frame can end if it begins at one of `starts`, and how probably."""
    if isinstance(node, str):
        length = len(node)
        return {
            start + length: probability
            for start, probability in starts.items()
            if text.startswith(node, start)
        }
    if isinstance(node, Slot):
        return ends(slots[node.name], slots, text, starts)
    if isinstance(node, Choice):
        return _any_of(node.options, slots, text, starts)
    for part in node:
        starts = ends(part, slots, text, starts)
        if not starts:
            break
    return starts


def _any_of(options: tuple, slots: dict, text: str, starts: Ends) -> Ends:
    """The same of options that are equally likely."""
    found: Ends = defaultdict(float)
    for option in options:
        for end, probability in ends(option, slots, text, starts).items():
            found[end] += probability / len(options)
    return dict(found)


def _mixed(*weighted: tuple[float, Ends]) -> Ends:
    found: Ends = defaultdict(float)
    for weight, starts in weighted:
        for end, probability in starts.items():
            found[end] += weight * probability
    return dict(found)


# ---- stories


@dataclass(frozen=True)
class _Teller:
    """Tells an event in all ways at once, along a text that begins at `begin`; each
    method does what `stories.tell` does with the chooser."""

    event: Event
    style: Style
    text: str
    begin: int

    def tell(self) -> Ends:
        share = self.style.twist
        branches = [
            (weight, self._tell(twist))
            for weight, twist in ((share, True), (1.0 - share, False))
            if weight > 0.0
        ]
        return _mixed(*branches)

    def _tell(self, twist: bool) -> Ends:
        plot = stories.plot_of(self.event)
        style = self.style
        ahead = sum(beat.words for beat in plot.beats)
        ahead += stories.WORDS_OF_A_TWIST * twist
        states: Ends = {self.begin: 1.0}
        for beat in plot.beats[:-1]:
            ahead -= beat.words
            states = self._say(beat.says, states)
            for listed, probability in (
                (beat.similes, style.simile),
                (beat.lines, style.line),
                (beat.senses, style.senses),
                (beat.facts, style.fact),
            ):
                states = self._perhaps(listed, probability, ahead, states)
        if twist:
            states = self._say(plot.twists, states)
        return self._say(plot.beats[-1].says, states)

    def moral(self, states: Ends) -> Ends:
        return self._say(stories.plot_of(self.event).morals, states)

    def _say(self, listed: tuple, states: Ends) -> Ends:
        """One more sentence, after a space if there was one before."""
        starts = {}
        for state, probability in states.items():
            if state == self.begin:
                starts[state] = probability
            elif self.text.startswith(" ", state):
                starts[state + 1] = probability
        if not starts:
            return {}
        return _any_of(listed, _slots_of(self.event), self.text, starts)

    def _perhaps(self, listed, probability: float, ahead: float, states: Ends) -> Ends:
        open_states = {
            state: weight
            for state, weight in states.items()
            if listed and self._room(state, ahead) >= 0 and probability > 0.0
        }
        closed = {s: weight for s, weight in states.items() if s not in open_states}
        return _mixed(
            (1.0, closed),
            (1.0 - probability, open_states),
            (probability, self._say(listed, open_states) if open_states else {}),
        )

    def _room(self, state: int, ahead: float) -> float:
        length = stories.count_words(self.text[self.begin : state])
        return stories.MOST_WORDS - length - ahead - stories.WORDS_OF_AN_ADDITION


@lru_cache(maxsize=1)
def _slots_of(event: Event) -> dict:
    return event.slots()


def story_probability(event: Event, style: Style, text: str) -> float:
    """The probability that the event, told in the style, gives exactly this text."""
    return _Teller(event, style, text, 0).tell().get(len(text), 0.0)


_TITLE = re.compile(r".+, with (\w+) and (\w+), (.+) and the (.+)\n")


def book_probability(text: str) -> float:
    """The probability of a book of the corpus among all its documents: summed over
    every event that can be told so, its tellings, with a moral or without."""
    title = _TITLE.match(text)
    if title is None:
        return 0.0
    total = 0.0
    for event, probability in _events(*title.groups(), text):
        teller = _Teller(event, stories.BOOK, text, title.end())
        total += probability * _with_moral(teller, teller.tell())
    genres = corpus.GENRES
    return total * genres["books"] / sum(genres.values())


def _with_moral(teller: _Teller, told: Ends) -> float:
    """The probability of the whole text; a short story may end with a moral."""
    text = teller.text
    short = {
        end: probability
        for end, probability in told.items()
        if stories.count_words(text[:end]) <= corpus.MOST_WORDS_WITHOUT_MORAL
    }
    whole = told.get(len(text), 0.0)
    if len(text) in short:
        whole *= 1.0 - corpus.MORAL
    return whole + corpus.MORAL * teller.moral(short).get(len(text), 0.0)


def _events(
    who: str, friend: str, thing: str, place: str, text: str
) -> Iterator[tuple[Event, float]]:
    """Every event that a text with this title may tell, with its probability. What an
    event is made of is named in every telling of it, so the rest need not be tried."""
    village, times = world.load(), calendar()
    things = {world.with_article(name): item for name, item in village.things.items()}
    if {who, friend} - set(village.people):
        return
    if thing not in things or place not in village.places:
        return
    person, other = village.people[who], village.people[friend]
    people, item, where = len(village.people), things[thing], village.places[place]
    schemas = simulation.schemas_for(item, plotlines.load().schemas())
    cast = 1.0 / (people * (people - 1) * len(village.things) * len(village.places))
    days = [day for day in times.days if day in text]
    for schema, day in product(schemas, days):
        hours = schema.times or tuple(times.hours)
        weathers = schema.weathers or tuple(times.signs)
        drawn = len(schemas) * len(times.days) * len(hours) * len(weathers)
        for hour, weather in product(hours, weathers):
            if hour in text and weather in text:
                event = Event(schema, person, other, item, where, day, hour, weather)
                if text.startswith(stories.title(event)):
                    yield event, cast / drawn


# ---- other genres: frame by frame


@dataclass(frozen=True)
class Expansion:
    """One frame of a document: the bits that were drawn for it, and the fewest bits
    that its text needs."""

    drawn: float
    needed: float


@contextmanager
def traced() -> Iterator[list[Expansion]]:
    """Within it, every frame that is expanded anywhere is recorded with both bits."""
    original = frames.expand
    found: list[Expansion] = []
    depth = 0

    def expand(node, slots, chooser):
        nonlocal depth
        before = chooser.bits
        depth += 1
        try:
            text = original(node, slots, chooser)
        finally:
            depth -= 1
        if depth == 0:
            probability = inside(node, slots, text)
            found.append(Expansion(chooser.bits - before, -log2(probability)))
        return text

    modules = [
        module
        for name, module in list(sys.modules.items())
        if name.startswith("llmlab.village")
        and getattr(module, "expand", None) is original
    ]
    for module in modules:
        module.expand = expand
    try:
        yield found
    finally:
        for module in modules:
            module.expand = original


@dataclass(frozen=True)
class Slack:
    """Mean bits of a document's derivation, and by how much they are too many."""

    documents: int
    bits: float
    slack: float

    @property
    def share(self) -> float:
        return self.slack / self.bits if self.bits else 0.0


def slack(count: int, seed: int, split: str = "validation") -> dict[str, Slack]:
    """The slack of `count` documents by genre, and of all ("all")."""
    measured: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for number in range(count):
        with traced() as expansions:
            found = corpus.documents(1, seed=seed, split=split, start=number)
            document = next(found)
        if document.genre == "books":
            lost = document.bits + log2(book_probability(document.text))
        else:
            lost = sum(one.drawn - one.needed for one in expansions)
        measured[document.genre].append((document.bits, lost))
        measured["all"].append((document.bits, lost))
    return {genre: _mean(pairs) for genre, pairs in measured.items()}


def _mean(pairs: list[tuple[float, float]]) -> Slack:
    bits, lost = zip(*pairs, strict=True)
    return Slack(len(pairs), sum(bits) / len(pairs), sum(lost) / len(pairs))
