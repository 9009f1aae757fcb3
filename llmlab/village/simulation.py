"""What happens in the village: a small simulator, and the events that all genres tell.

A *schema* is something that can happen: steps with what must hold before and what
holds after, written as "who has thing". An *event* is a schema with a cast, a place
and a time. A *state* knows what holds now and what is over.

    event = draw_event(chooser, schemas)              # one event in a fresh village
    event = draw_event(chooser, schemas, who=tilda)   # what is given stays
    log = draw_log(chooser, schemas, 3, who=tilda)    # on days one after another,
                                                      # each possible after the last
    event.slots()                                     # everything for frames
    happenings(event.schema, event.cast(), State())   # step by step: ends and makes

`schemas` are those of `llmlab.village.plots.load().schemas()`. The people, the thing
and the place of an event, its day, time and weather are facts of it, and every telling
must respect them. An event whose conditions do not hold is never drawn.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from llmlab.village import frames, world
from llmlab.village.chooser import Chooser
from llmlab.village.world import Person, Place, Thing, WorldError

FILE = "calendar.toml"

Fact = tuple[str, ...]  # ("Tilda", "has", "lantern")


@dataclass(frozen=True)
class Step:
    """`needs` hold before it, `ends` stop holding, `makes` hold after it; each is a
    pattern such as "who has thing"."""

    name: str
    needs: tuple[str, ...] = ()
    ends: tuple[str, ...] = ()
    makes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Schema:
    """`starts` is what must be so, or at least may be supposed, when it begins.
    `things`, `times` and `weathers` name what it fits; empty means all."""

    name: str
    starts: tuple[str, ...]
    steps: tuple[Step, ...]
    things: tuple[str, ...] = ()  # marks of things
    times: tuple[str, ...] = ()
    weathers: tuple[str, ...] = ()

    def fits(self, thing: Thing) -> bool:
        """Whether the thing can play its part here; food only where food is meant."""
        if not self.things:
            return "eaten" not in thing.marks
        return "any" in self.things or not thing.marks.isdisjoint(self.things)


@dataclass(frozen=True)
class Event:
    """Something that happened: what, to whom, with what, where and when."""

    schema: Schema
    who: Person
    friend: Person
    thing: Thing
    place: Place
    day: str
    time: str
    weather: str

    def cast(self) -> dict[str, str]:
        """The names behind the roles of the schema's patterns."""
        return {
            "who": self.who.name,
            "friend": self.friend.name,
            "thing": self.thing.name,
            "place": self.place.name,
        }

    def slots(self) -> dict[str, Any]:
        """Everything that a frame may say about the event."""
        return (
            world.person_slots(self.who, "who")
            | world.person_slots(self.friend, "friend")
            | world.thing_slots(self.thing)
            | world.place_slots(self.place)
            | time_slots(self.day, self.time, self.weather)
        )


# ---- the calendar


@dataclass(frozen=True)
class Calendar:
    days: tuple[str, ...]
    hours: dict[str, tuple]  # by time of the day
    signs: dict[str, tuple]  # by weather


@cache
def calendar() -> Calendar:
    """Days, times and weathers, read once and checked."""
    data = world.read_file(FILE)

    def blocks(name: str) -> dict[str, tuple]:
        return {
            key: world.frame_list(text, {}, (), FILE, f"[{name}] {key}")
            for key, text in data[name].items()
        }

    days = world.frame_list(data["days"], {}, (), FILE, "days")
    return Calendar(days, blocks("times"), blocks("weathers"))


@cache
def time_slots(day: str, time: str, weather: str) -> dict[str, Any]:
    """{day} {day.after} {time} {weather} {a_weather}; drawn anew each time: {hour}, one
    that fits the time of the day, and {weather.sign}, what one notices of the
    weather, without its end."""
    days = calendar().days
    slots = {
        "day": day,
        "day.after": days[(days.index(day) + 1) % len(days)],
        "time": time,
        "hour": frames.Choice(calendar().hours[time]),
        "weather": weather,
        "a_weather": world.with_article(weather),
        "weather.sign": frames.Choice(calendar().signs[weather]),
    }
    return world.with_capitals(slots)


# ---- the state of the village


@dataclass
class State:
    """What holds now, and what held once and is over, so that nobody supposes it."""

    holds: set[Fact] = field(default_factory=set)
    over: set[Fact] = field(default_factory=set)

    def end(self, fact: Fact) -> None:
        self.holds.discard(fact)
        self.over.add(fact)

    def make(self, fact: Fact) -> None:
        """Nobody can be at two places."""
        if fact[1:2] == ("at",):
            for other in [f for f in self.holds if f[:2] == fact[:2]]:
                self.holds.discard(other)
        self.holds.add(fact)
        self.over.discard(fact)


def bind(pattern: str, cast: dict[str, str]) -> Fact:
    """ "who has thing" becomes ("Tilda", "has", "lantern")."""
    return tuple(cast.get(word, word) for word in pattern.split())


def happenings(schema: Schema, cast: dict[str, str], state: State) -> list[Step]:
    """The steps with their patterns bound to names, one after another; `state` is
    changed by them. Raises WorldError at a step whose needs do not hold."""
    for pattern in schema.starts:
        fact = bind(pattern, cast)
        if fact in state.over:
            raise WorldError(f"{schema.name}: cannot begin, {' '.join(fact)} is over")
        state.make(fact)
    for step in schema.steps:
        for pattern in (*step.needs, *step.ends):
            if bind(pattern, cast) not in state.holds:
                known = sorted(" ".join(fact) for fact in state.holds)
                raise WorldError(
                    f"{schema.name}: step {step.name!r} needs {pattern!r}, which does "
                    f"not hold there; what holds: {', '.join(known)}"
                )
        for pattern in step.ends:
            state.end(bind(pattern, cast))
        for pattern in step.makes:
            state.make(bind(pattern, cast))
    return list(schema.steps)


def is_possible(schema: Schema, cast: dict[str, str], state: State) -> bool:
    """Whether it can begin, and would bring about something that is not so yet."""
    if any(bind(pattern, cast) in state.over for pattern in schema.starts):
        return False
    goals = schema.steps[-1].makes
    return not goals or any(bind(goal, cast) not in state.holds for goal in goals)


# ---- drawing events


def draw_event(
    chooser: Chooser,
    schemas: Sequence[Schema],
    *,
    state: State | None = None,
    day: str = "",
    who: Person | None = None,
    friend: Person | None = None,
    thing: Thing | None = None,
    place: Place | None = None,
) -> Event:
    """Two different people, a thing and a place, and something that can happen to
    them; what is given stays, and `state` is changed by what happens."""
    village = world.load()
    who = who or chooser.pick(others(friend))
    friend = friend or chooser.pick(others(who))
    thing = thing or chooser.pick(tuple(village.things.values()))
    place = place or chooser.pick(tuple(village.places.values()))
    possible = schemas_for(thing, tuple(schemas))
    if state is not None:
        names = (who.name, friend.name, thing.name, place.name)
        cast = dict(zip(("who", "friend", "thing", "place"), names, strict=True))
        possible = tuple(s for s in possible if is_possible(s, cast, state))
    if not possible:
        raise WorldError(f"nothing can happen to {who.name} with the {thing.name} now")
    schema = chooser.pick(possible)
    times = calendar()
    event = Event(
        schema,
        who,
        friend,
        thing,
        place,
        day or chooser.pick(times.days),
        chooser.pick(schema.times or tuple(times.hours)),
        chooser.pick(schema.weathers or tuple(times.signs)),
    )
    if state is not None:
        happenings(schema, cast, state)
    return event


def draw_log(
    chooser: Chooser, schemas: Sequence[Schema], count: int, **given
) -> Iterator[Event]:
    """Events on days one after another, each possible after those before it."""
    state = State()
    days = calendar().days
    first = chooser.pick(range(len(days)))
    for number in range(count):
        day = days[(first + number) % len(days)]
        yield draw_event(chooser, schemas, state=state, day=day, **given)


@cache
def schemas_for(thing: Thing, schemas: tuple[Schema, ...]) -> tuple[Schema, ...]:
    """The schemas that a thing fits."""
    return tuple(schema for schema in schemas if schema.fits(thing))


@cache
def others(person: Person | None) -> tuple[Person, ...]:
    """Everybody but one."""
    people = world.load().people.values()
    return tuple(other for other in people if other is not person)
