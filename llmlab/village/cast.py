"""The cast of an entry: who is drawn, in which relation, and the slots they fill.

    "who"                         anybody
    "friend: kin of who"          who stands in a relation to a role drawn before

Nobody plays two roles. (Pages draw by `llmlab.village.pages`, into the same slots.)
"""

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from llmlab.village import world
from llmlab.village.chooser import Chooser
from llmlab.village.world import Person, Place, Thing, World

PEOPLE = ("who", "friend", "writer", "reader")
PLACES = ("place", "goal")
THINGS = ("thing", "second")
ROLES = PEOPLE + PLACES + THINGS

Subject = Person | Place | Thing


@dataclass(frozen=True)
class Draw:
    """One member of the cast: anybody, or who stands in a relation to another role."""

    role: str
    relation: str = ""
    of: str = ""


# ---- relations of the world


@dataclass(frozen=True)
class Relation:
    """`among` gives all who stand in it to a subject that plays one of `roles`; it is
    certain if that is one only, so that the draw is no choice."""

    roles: tuple[str, ...]
    among: Callable[[World, Any], Iterable[Subject]]
    certain: bool = False


def _durable(village: World) -> list[Thing]:
    """The things that nobody eats: pages lose them, lend them and clean them."""
    return [thing for thing in village.things.values() if "eaten" not in thing.marks]


RELATIONS = {
    "home": Relation(PEOPLE, lambda v, person: [v.places[person.home]], certain=True),
    "kin": Relation(PEOPLE, lambda v, person: [v.people[person.kin]], certain=True),
    "property": Relation(  # a thing of theirs
        PEOPLE, lambda v, one: [t for t in v.things.values() if t.owner == one.name]
    ),
    "shelf": Relation(THINGS, lambda v, thing: [v.places[thing.kept]], certain=True),
    "owner": Relation(THINGS, lambda v, thing: [v.people[thing.owner]], certain=True),
    "neighbour": Relation(
        PLACES, lambda v, place: [v.places[place.near]], certain=True
    ),
    "stock": Relation(  # a thing kept there, no food
        PLACES, lambda v, place: [t for t in _durable(v) if t.kept == place.name]
    ),
}


@cache
def everybody(role: str) -> tuple[Subject, ...]:
    """All that could play a role."""
    village = world.load()
    if role in PEOPLE:
        return tuple(village.people.values())
    if role in PLACES:
        return tuple(village.places.values())
    return tuple(_durable(village))


def who_is_who() -> list[dict[str, str]]:
    """The people of the village, a row each: which animal they are, what they do."""
    people = everybody("who")
    return [{"name": p.name, "animal": p.epithet, "work": p.trade} for p in people]


@cache
def related(relation: str, subject: Subject) -> tuple[Subject, ...]:
    """All who stand in the relation to the subject."""
    return tuple(RELATIONS[relation].among(world.load(), subject))


# ---- the facts of the cast as slots


@cache
def subject_slots(subject: Subject, role: str) -> dict[str, Any]:
    """{who}, {who.he}, {who.home}, {thing.a}, {place.near}, ... of one of the cast."""
    if isinstance(subject, Person):
        return world.person_slots(subject, role) | _own_words(subject, role)
    if isinstance(subject, Thing):
        return _renamed(world.thing_slots(subject), "thing", role)
    return _renamed(world.place_slots(subject), "place", role)


def _own_words(person: Person, role: str) -> dict[str, Any]:
    """{who.my_habit} and {who.your_habit}: facts as told of oneself and to another."""
    slots = {}
    for fact in ("wish", "habit"):
        words = getattr(person, fact).split()
        for own in ("my", "your"):
            told = [own if word in ("his", "her") else word for word in words]
            slots[f"{role}.{own}_{fact}"] = " ".join(told)
    return world.with_capitals(slots)


def _renamed(slots: dict[str, Any], usual: str, role: str) -> dict[str, Any]:
    """The same slots for another role: {other.use} beside {thing.use}."""
    if role == usual:
        return slots
    return {
        (role.capitalize() if name[0].isupper() else role) + name[len(usual) :]: filling
        for name, filling in slots.items()
    }


@cache
def every_slot(roles: tuple[str, ...] = ROLES) -> tuple[str, ...]:
    """Each slot that a cast of these roles fills, in small letters."""
    slots = [subject_slots(everybody(role)[0], role) for role in roles]
    return tuple(name for each in slots for name in each if name[0].islower())


# ---- reading and making draws


def read_draws(texts: list[str], file: str, where: str) -> tuple[Draw, ...]:
    """The draws of a page, each relation to a role that is drawn before."""
    draws: dict[str, Draw] = {}
    for text in texts:
        role, _, source = (part.strip() for part in text.partition(":"))
        relation, _, of = (part.strip() for part in source.partition(" of "))
        world.expect_known(role, ROLES, "draws", file, where, text)
        if source:
            known = itertools.product(RELATIONS.items(), draws)
            fits = [(name, role) for (name, its), role in known if role in its.roles]
            possible = [f"{name} of {other}" for name, other in fits]
            key = f"relation of {role}"
            world.expect_known(f"{relation} of {of}", possible, key, file, where, text)
        draws[role] = Draw(role, relation, of)
    return tuple(draws.values())


def draw_cast(
    draws: Sequence[Draw], chooser: Chooser
) -> tuple[dict[str, Subject], dict[str, Any]]:
    """The cast of an entry by role, and the slots that it fills."""
    cast: dict[str, Subject] = {}
    slots: dict[str, Any] = {}
    for draw in draws:
        subject = chooser.pick(_options(draw, cast))
        cast[draw.role] = subject
        slots |= subject_slots(subject, draw.role)
    return cast, slots


def _options(draw: Draw, cast: dict[str, Subject]) -> list:
    if not draw.relation:
        options = everybody(draw.role)
    else:
        options = related(draw.relation, cast[draw.of])
        if RELATIONS[draw.relation].certain:
            return list(options)
    taken = {subject.name for subject in cast.values()}
    return [option for option in options if option.name not in taken]
