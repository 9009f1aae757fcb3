"""What happens in the village: a small simulator, and the events that all genres tell.

A *schema* is something that can happen: steps with what must hold before and what
holds after, written as "who has thing". An *event* is a schema with a cast, a place
and a time. A *state* knows what holds now and what is over.

    event = draw_event(chooser, schemas)              # one event in a fresh village
    event = draw_event(chooser, schemas, who=tilda)   # what is given stays
    event.slots()                                     # everything for frames
    happen(event.schema, event.cast(), state)         # changes the state, step by step

`schemas` are those of `plotlines.load().schemas()`. The people, the thing and the place
of an event, its day, time and weather are facts of it, and every telling must respect
them. An event whose conditions do not hold is never drawn.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from llmlab.village import world
from llmlab.village.calendar import calendar, time_slots
from llmlab.village.chooser import Chooser
from llmlab.village.world import Person, Place, Thing, WorldError

Condition = tuple[str, ...]  # what may hold: ("Tilda", "has", "lantern")


@dataclass(frozen=True)
class Step:
    """Patterns such as "who has thing": what it `needs`, `ends` and `makes`."""

    name: str
    needs: tuple[str, ...] = ()
    ends: tuple[str, ...] = ()
    makes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
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
        roles = ("who", "friend", "thing", "place")
        return {role: getattr(self, role).name for role in roles}

    def labels(self) -> dict[str, str]:
        """What a story of the event is about."""
        return {"plot": self.schema.name, **self.cast()}

    def slots(self) -> dict[str, Any]:
        """Everything that a frame may say about the event."""
        return (
            world.person_slots(self.who, "who")
            | world.person_slots(self.friend, "friend")
            | world.thing_slots(self.thing)
            | world.place_slots(self.place)
            | time_slots(self.day, self.time, self.weather)
            | {"other": self.other().name, "Other": self.other().name}
        )

    def other(self) -> Person:
        """Who else may be mentioned, without a choice: kin, or who owns the finest."""
        village = world.load()
        known = (self.who.kin, self.friend.kin, self.thing.owner, *village.people)
        cast = (self.who.name, self.friend.name)
        return village.people[next(name for name in known if name not in cast)]


# ---- the state of the village


@dataclass
class State:
    """What holds now, and what held once and is over, so that nobody supposes it."""

    holds: set[Condition] = field(default_factory=set)
    over: set[Condition] = field(default_factory=set)

    def end(self, fact: Condition) -> None:
        self.holds.discard(fact)
        self.over.add(fact)

    def make(self, fact: Condition) -> None:
        """Nobody can be at two places."""
        if fact[1:2] == ("at",):
            for other in [f for f in self.holds if f[:2] == fact[:2]]:
                self.holds.discard(other)
        self.holds.add(fact)
        self.over.discard(fact)


def bind(pattern: str, cast: dict[str, str]) -> Condition:
    """ "who has thing" becomes ("Tilda", "has", "lantern")."""
    return tuple(cast.get(word, word) for word in pattern.split())


class Refused(WorldError):
    """What was to happen cannot: `step` is where."""

    def __init__(self, step: str, message: str):
        super().__init__(message)
        self.step = step


def happen(schema: Schema, cast: dict[str, str], state: State) -> None:
    """Changes the state as the steps do, one after another.

    Raises Refused at a step whose needs do not hold.
    """
    for pattern in schema.starts:
        fact = bind(pattern, cast)
        if fact in state.over:
            raise Refused(schema.name, f"cannot begin: {' '.join(fact)} is over")
        state.make(fact)
    for step in schema.steps:
        for pattern in (*step.needs, *step.ends):
            if bind(pattern, cast) not in state.holds:
                known = ", ".join(sorted(" ".join(fact) for fact in state.holds))
                fault = f"{schema.name}, {step.name}: {pattern!r} does not hold there"
                raise Refused(step.name, f"{fault}; what holds: {known}")
        for pattern in step.ends:
            state.end(bind(pattern, cast))
        for pattern in step.makes:
            state.make(bind(pattern, cast))


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
    day = day or chooser.pick(times.days)
    time = chooser.pick(schema.times or tuple(times.hours))
    weather = chooser.pick(schema.weathers or tuple(times.signs))
    if state is not None:
        happen(schema, cast, state)
    return Event(schema, who, friend, thing, place, day, time, weather)


@cache
def schemas_for(thing: Thing, schemas: tuple[Schema, ...]) -> tuple[Schema, ...]:
    """The schemas that a thing fits."""
    return tuple(schema for schema in schemas if schema.fits(thing))


@cache
def others(person: Person | None) -> tuple[Person, ...]:
    """Everybody but one."""
    people = world.load().people.values()
    return tuple(other for other in people if other is not person)
