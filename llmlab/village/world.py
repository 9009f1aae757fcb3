"""The world: who lives in the village, where, and with which things.

Everything is read from data/village/*.toml, checked when it is loaded, and fixed:
a person, a place and a thing have the same facts in every document.
"""

import tomllib
from dataclasses import dataclass
from functools import cache
from typing import Any

from llmlab.paths import DATA
from llmlab.village import frames

FOLDER = DATA / "village"

_PRONOUNS = {
    "female": {"he": "she", "him": "her", "his": "her"},
    "male": {"he": "he", "him": "him", "his": "his"},
}


class WorldError(ValueError):
    """A mistake in data/village: names the file, the entry and what is expected."""


@dataclass(frozen=True)
class Person:
    name: str
    gender: str
    species: str
    epithet: str  # "quick brown fox"
    trade: str
    home: str  # the name of a place
    like: str

    def pronoun(self, case: str) -> str:
        """`case` is "he", "him" or "his"."""
        return _PRONOUNS[self.gender][case]


@dataclass(frozen=True)
class Place:
    name: str
    near: str  # the name of another place
    mark: str  # "four white sails"
    use: str  # "grind their corn"
    senses: tuple  # frames


@dataclass(frozen=True)
class Thing:
    name: str
    made: str  # "brass"
    use: str  # "see in the dark"
    kept: str  # the name of a place


@dataclass(frozen=True)
class World:
    people: dict[str, Person]
    places: dict[str, Place]
    things: dict[str, Thing]


def read_file(name: str) -> dict[str, Any]:
    """One data file as a dictionary.

    Raises WorldError if the file is absent, is not UTF-8 or is not TOML.
    """
    path = FOLDER / name
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise WorldError(
            f"{name}: expected in data/village, but it is not there; "
            "restore it from the repository"
        ) from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise WorldError(f"{name}: cannot be read as TOML: {error}") from None


def field(entry: dict, name: str, kind: type, file: str, where: str) -> Any:
    """A required field of an entry, of the right type and not empty."""
    value = entry.get(name)
    if not isinstance(value, kind) or value in ("", [], {}):
        raise WorldError(
            f"{file}: {where}: expected {name!r} to be a {kind.__name__} that is "
            f"not empty, found {value!r}"
        )
    return value


def frame_list(text: str, lists: dict, slots, file: str, where: str) -> tuple:
    """The frames of a block of lines, their slots checked against `slots`."""
    try:
        parsed = frames.parse_list(text, lists)
    except frames.FrameError as error:
        raise WorldError(f"{file}: {where}: {error}") from None
    for frame in parsed:
        unknown = {
            name
            for name in frames.slot_names(frame)
            if name[0].lower() + name[1:] not in slots
        }
        if unknown:
            raise WorldError(
                f"{file}: {where}: unknown slot {sorted(unknown)} in "
                f"{frames.every_text(frame)[0]!r}; there are: {', '.join(slots)}"
            )
    return parsed


def word_lists(table: dict[str, str], file: str) -> dict[str, tuple]:
    """The [words] of a file; a list may refer to those above it."""
    lists: dict[str, tuple] = {}
    for name, text in table.items():
        lists[name] = frame_list(text, lists, (), file, f"[words] {name}")
    return lists


@cache
def load() -> World:
    """The world, read once and checked."""
    places = _load_places()
    return World(_load_people(places), places, _load_things(places))


def _load_places() -> dict[str, Place]:
    file = "places.toml"
    places = {}
    for number, entry in enumerate(read_file(file).get("place", []), start=1):
        where = f"place {number} ({entry.get('name', 'without a name')})"
        values = {
            key: field(entry, key, str, file, where)
            for key in ("name", "near", "mark", "use", "senses")
        }
        values["senses"] = frame_list(values["senses"], {}, (), file, where)
        _add(places, Place(**values), file)
    for place in places.values():
        _expect_known(place.near, places, "near", file, place.name)
    return places


def _load_people(places) -> dict[str, Person]:
    file = "people.toml"
    keys = ("name", "gender", "species", "epithet", "trade", "home", "like")
    people = {}
    for number, entry in enumerate(read_file(file).get("person", []), start=1):
        where = f"person {number} ({entry.get('name', 'without a name')})"
        person = Person(**{key: field(entry, key, str, file, where) for key in keys})
        _expect_known(person.gender, _PRONOUNS, "gender", file, person.name)
        _expect_known(person.home, places, "home", file, person.name)
        if not person.epithet.endswith(" " + person.species):
            raise WorldError(
                f"{file}: {person.name}: expected the epithet to end with "
                f"{person.species!r}, found {person.epithet!r}"
            )
        _add(people, person, file)
    return people


def _load_things(places) -> dict[str, Thing]:
    file = "things.toml"
    things = {}
    for line in read_file(file).get("things", "").splitlines():
        if not line.strip():
            continue
        values = [value.strip() for value in line.split("|")]
        if len(values) != 4 or not all(values):
            raise WorldError(
                f"{file}: {line!r}: expected four columns 'name | made | use | "
                f"kept', found {len(values)}"
            )
        thing = Thing(*values)
        _expect_known(thing.kept, places, "kept", file, thing.name)
        _add(things, thing, file)
    return things


def _add(table: dict, entry, file: str) -> None:
    if entry.name in table:
        raise WorldError(f"{file}: {entry.name}: occurs twice; delete one")
    table[entry.name] = entry


def _expect_known(value, known, key: str, file: str, where: str) -> None:
    if value not in known:
        raise WorldError(
            f"{file}: {where}: expected {key!r} to be one of "
            f"{', '.join(sorted(known))}, found {value!r}"
        )


def with_article(noun: str) -> str:
    """`a` or `an` by the first letter; the data has no silent h."""
    return ("an " if noun[0] in "aeiou" else "a ") + noun


@cache
def person_slots(person: Person, role: str) -> dict[str, str]:
    """{who}, {who.he}, ... for the person in that role, also capitalised."""
    return _with_capitals(
        {
            role: person.name,
            f"{role}.he": person.pronoun("he"),
            f"{role}.him": person.pronoun("him"),
            f"{role}.his": person.pronoun("his"),
            f"{role}.species": person.species,
            f"{role}.a_species": with_article(person.species),
            f"{role}.epithet": person.epithet,
            f"{role}.trade": person.trade,
            f"{role}.a_trade": with_article(person.trade),
            f"{role}.home": "the " + person.home,
            f"{role}.like": person.like,
        }
    )


@cache
def thing_slots(thing: Thing) -> dict[str, str]:
    """{thing}, {thing.a}, {thing.made}, {thing.material}, {thing.use}, {thing.kept}"""
    return _with_capitals(
        {
            "thing": thing.name,
            "thing.a": with_article(thing.name),
            "thing.made": with_article(f"{thing.made} {thing.name}"),
            "thing.material": thing.made,
            "thing.use": thing.use,
            "thing.kept": "the " + thing.kept,
        }
    )


@cache
def place_slots(place: Place) -> dict[str, str]:
    """{place} ("the mill"), {place.near}, {place.mark}, {place.use}"""
    return _with_capitals(
        {
            "place": "the " + place.name,
            "place.near": "the " + place.near,
            "place.mark": place.mark,
            "place.use": place.use,
        }
    )


def _with_capitals(slots: dict[str, str]) -> dict[str, str]:
    capitals = {
        name[0].upper() + name[1:]: text[0].upper() + text[1:]
        for name, text in slots.items()
    }
    return slots | capitals
