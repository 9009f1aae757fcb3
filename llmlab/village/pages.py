"""Pages: documents told from draws and a sequence of blocks.

The notation of websites.toml. A page draws once, and tells all blocks of what it drew,
so that its facts agree:

    who friend writer reader place thing second    somebody or something
    event       what happened in the village: who, friend, thing, place, day, time,
                weather, and the deed, its cause, its outcome and what was said
    weather     any
    day, time   the first; the next one each time they are drawn again

Blocks are divided by blank lines and hold one frame a line, of which one is told; each
begins a new line of the page. A block that begins with a line such as

    4 x place, who:

is told four times, and draws each time. Nobody and nothing is drawn twice for a page,
nor is anybody whom the page names anyway.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from llmlab.village import frames, plotlines, simulation, world
from llmlab.village.calendar import calendar, time_slots
from llmlab.village.cast import ROLES, Subject, every_slot, everybody, subject_slots
from llmlab.village.chooser import Chooser
from llmlab.village.frames import Choice
from llmlab.village.plotlines import Plot
from llmlab.village.simulation import Event, State
from llmlab.village.world import Entry

_REPEATED = re.compile(r"(\d+) x (.+):\n")
_LIKE_REPEATED = re.compile(r"\d+ *x ")

EVENT = "event"
NEW_LINE = " / "
# What a page must tell of an event: the rest is told by the deed and the outcome.
_TOLD_OF_EVENTS = ("deed", "outcome", "place", "day", "time", "weather")
_ROLES_OF = {EVENT: plotlines.ROLES}
_CALENDAR = {
    "day": ("day",),
    "time": ("time", "hour"),
    "weather": ("weather", "a_weather", "weather.sign"),
}


@dataclass(frozen=True)
class Block:
    """A frame that is told `count` times, each time of what is drawn for it."""

    frame: Any
    draws: tuple[str, ...] = ()
    count: int = 1


@dataclass(frozen=True)
class Page:
    name: str
    draws: tuple[str, ...]
    blocks: tuple[Block, ...]
    named: frozenset[str]  # people and places that the frames name themselves

    def tells_events(self) -> bool:
        return EVENT in self.draws or any(EVENT in part.draws for part in self.blocks)


# ---- reading


@cache
def word_lists() -> dict[str, tuple]:
    """The word lists of stories.toml, which all genres share, and <day>."""
    return plotlines.word_lists() | {"day": calendar().days}


def block(text: str, lists: dict, slots: Iterable[str], file: str, where: str) -> Any:
    """The frames of a block as one choice."""
    found = world.frame_list(text, lists, tuple(slots), file, where)
    return Choice(found) if len(found) > 1 else found[0]


def read_pages(file: str) -> tuple[Page, ...]:
    """The pages of a file, checked."""
    return tuple(map(_read_page, world.entries(file, "page")))


def _read_page(entry: Entry) -> Page:
    name, text = entry.get("name"), entry.get("text")
    draws = _read_draws(entry.data.get("draws", ""), entry)
    parts = map(str.strip, text.split("\n\n"))
    blocks = tuple(_read_block(part, draws, entry) for part in parts)
    _check_told(draws, [block.frame for block in blocks if not block.draws], entry)
    return Page(name, draws, blocks, named_in(text))


def _read_block(text: str, draws: tuple[str, ...], entry: Entry) -> Block:
    repeated = _REPEATED.match(text)
    if _LIKE_REPEATED.match(text) and not repeated:
        line = text.splitlines()[0]
        wish = "expected a line such as '4 x place, who:'"
        raise entry.mistake(f"{wish}, found {line!r}", line)
    own = _read_draws(repeated[2], entry) if repeated else ()
    _check_roles((*draws, *own), entry)
    slots = [slot for draw in (*draws, *own) for slot in _slots_of(draw)]
    text = text[repeated.end() :] if repeated else text
    frame = block(text, word_lists(), slots, entry.file, entry.where)
    _check_told(own, [frame], entry)
    return Block(frame, own, int(repeated[1])) if repeated else Block(frame)


def _read_draws(text: str, entry: Entry) -> tuple[str, ...]:
    draws = tuple(text.replace(",", " ").split())
    known = (*ROLES, EVENT, *_CALENDAR)
    for draw in draws:
        world.expect_known(draw, known, "draws", entry.file, entry.where, text)
    return draws


def _slots_of(draw: str) -> tuple[str, ...]:
    """The slots that a draw fills."""
    if draw == EVENT:
        return (*plotlines.slot_names(), "deed", "cause", "outcome", "line")
    return _CALENDAR.get(draw) or every_slot((draw,))


def _check_roles(draws: tuple[str, ...], entry: Entry) -> None:
    """A block that draws a role of its page again would tell of two at once."""
    roles = [role for draw in draws for role in _ROLES_OF.get(draw, (draw,))]
    for role in roles:
        if roles.count(role) > 1:
            own = ", ".join(plotlines.ROLES)
            raise entry.mistake(f"{role!r} is drawn twice; an event draws {own} itself")


def _check_told(draws: tuple[str, ...], told: list, entry: Entry) -> None:
    """What is drawn must be told, whatever frames are chosen: a choice that leaves no
    trace in the text would be counted as entropy of the text, which it is not."""
    for draw in draws:
        for slot in _TOLD_OF_EVENTS if draw == EVENT else (draw,):
            if not any(plotlines.tells(frame, slot) for frame in told):
                fault = f"{{{slot}}} is drawn but may never be told"
                raise entry.mistake(f"{fault}; use it in every frame of one block")


def named_in(text: str) -> frozenset[str]:
    """Who and which places a page names itself: Otto on the page of the ferry."""
    village = world.load()
    people = {name for name in village.people if re.search(rf"\b{name}\b", text)}
    return frozenset(people | {n for n in village.places if f"the {n}" in text})


# ---- telling


def write(page: Page, chooser: Chooser) -> tuple[str, dict[str, str]]:
    """The text of a page, and its labels: its name and what it drew as a whole."""
    drawing = Drawing(chooser, set(page.named))
    slots = drawing.draw(page.draws)
    labels = {"page": page.name}
    labels |= {role: slots[role] for role in ROLES if role in slots}
    lines = [
        frames.expand(block.frame, slots | drawing.draw(block.draws), chooser)
        for block in page.blocks
        for _ in range(block.count)
    ]
    return "\n".join(lines).replace(NEW_LINE, "\n"), labels


@dataclass
class Drawing:
    """Draws for one page, whose events make one log."""

    chooser: Chooser
    taken: set[str]  # names of people, places and things
    state: State = field(default_factory=State)
    day: str = ""
    time: str = ""

    def draw(self, draws: tuple[str, ...]) -> dict[str, Any]:
        """The slots that the draws fill."""
        slots: dict[str, Any] = {}
        for draw in draws:
            if draw == EVENT:
                slots |= self._event_slots()
            elif draw in ROLES:
                subject = self._subject(everybody(draw))
                slots |= subject_slots(subject, draw)
            else:
                slots |= self._calendar_slots(draw)
        return slots

    def _subject(self, options: Iterable[Subject]) -> Subject:
        left = [option for option in options if option.name not in self.taken]
        subject = self.chooser.pick(left)
        self.taken.add(subject.name)
        return subject

    def _event_slots(self) -> dict[str, Any]:
        event = simulation.draw_event(
            self.chooser,
            plotlines.load().schemas(),
            state=self.state,
            day=self._next_day(),
            who=self._subject(everybody("who")),
            friend=self._subject(everybody("friend")),
            thing=self._subject(world.load().things.values()),
            place=self._subject(everybody("place")),
        )
        return event_slots(event) | self._somebody_else(event)

    def _somebody_else(self, event: Event) -> dict[str, str]:
        """{other} must not be one who writes or reads the page."""
        known = (event.other().name, *world.load().people)
        name = next(name for name in known if name not in self.taken)
        return {"other": name, "Other": name}

    def _calendar_slots(self, draw: str) -> dict[str, Any]:
        times = calendar()
        weather = next(iter(times.signs))
        if draw == "day":
            self._next_day()
        elif draw == "time":
            self.time = _after(self.time, tuple(times.hours))
        else:
            weather = self.chooser.pick(tuple(times.signs))
        day, time = self.day or times.days[0], self.time or next(iter(times.hours))
        filled = time_slots(day, time, weather)
        return world.with_capitals({name: filled[name] for name in _CALENDAR[draw]})

    def _next_day(self) -> str:
        days = calendar().days
        self.day = _after(self.day, days) if self.day else self.chooser.pick(days)
        return self.day


def _after(name: str, names: tuple[str, ...]) -> str:
    """The next of the names; the first one after none."""
    return names[(names.index(name) + 1) % len(names)] if name else names[0]


def event_slots(event: Event) -> dict[str, Any]:
    """What a frame may say of an event: its cast, its day and weather, its {deed},
    {cause} and {outcome}, and a {line} that somebody said."""
    return event.slots() | _told(plotlines.load().plots[event.schema.name])


@cache
def _told(plot: Plot) -> dict[str, Any]:
    lines = tuple(line for beat in plot.beats for line in beat.lines)
    told = {"deed": plot.deed, "outcome": plot.outcome, "line": Choice(lines)}
    return world.with_capitals(told | {"cause": plot.cause})
