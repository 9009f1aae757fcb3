"""The world: who lives in the village, where, and with which things.

Everything is read from words/*.toml, checked when it is loaded, and fixed: a person, a
place and a thing have the same facts in every document.
"""

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from llmlab.village import frames

WORDS = resources.files(__package__) / "words"

_PRONOUNS = {
    "female": {"he": "she", "him": "her", "his": "her"},
    "male": {"he": "he", "him": "him", "his": "his"},
}


class WorldError(ValueError):
    """A mistake in the words: names the file, the entry and what is expected."""


@dataclass(frozen=True, eq=False)
class Person:
    name: str
    gender: str
    species: str
    epithet: str  # "quick brown fox"
    trade: str
    home: str  # the name of a place
    like: str
    wish: str  # "see the end of every road"
    habit: str  # "talking to the letters"
    fear: str  # "closed doors"
    kin: str  # the name of another person
    bond: str  # what that other person is to this one: "cousin"

    def pronoun(self, case: str) -> str:
        """`case` is "he", "him" or "his"."""
        return _PRONOUNS[self.gender][case]


@dataclass(frozen=True, eq=False)
class Place:
    name: str
    near: str  # the name of another place
    mark: str  # "four white sails"
    use: str  # "grind corn"
    indoors: bool
    spots: tuple  # "behind the corn sacks"
    smells: tuple  # "fresh flour"
    sounds: tuple  # "the great wheel groaned"
    sights: tuple  # "white dust lay on every shelf"


@dataclass(frozen=True, eq=False)
class Thing:
    name: str
    made: str  # "brass"
    colour: str  # "yellow"
    use: str  # "see in the dark"
    kept: str  # the name of a place
    owner: str  # the name of the person who has the finest one
    marks: frozenset[str]  # of MARKS


MARKS = ("breaks", "worn", "eaten", "sounds")


@dataclass(frozen=True)
class World:
    people: dict[str, Person]
    places: dict[str, Place]
    things: dict[str, Thing]


def read_file(name: str) -> dict[str, Any]:
    """One data file as a dictionary.

    Raises WorldError if the file is absent, is not UTF-8 or is not TOML.
    """
    try:
        return tomllib.loads((WORDS / name).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise WorldError(
            f"{name}: expected in llmlab/village/words, but it is not there; "
            "restore it from the repository"
        ) from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise WorldError(f"{name}: cannot be read as TOML: {error}") from None


def at_line(file: str, text: str) -> str:
    """ "people.toml, line 12": where `text` first stands in a data file, for errors.
    Only the name of the file if it stands nowhere."""
    path = WORDS / file
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    for number, line in enumerate(lines, start=1):
        if text in line:
            return f"{file}, line {number}"
    return file


@dataclass(frozen=True)
class Entry:
    """A part of a data file, and what it is called where something is wrong with it."""

    file: str
    where: str  # "person 3 (Otto)"
    data: dict[str, Any]

    def get(self, key: str, kind: type = str) -> Any:
        """A required value, of the right type and not empty."""
        value = self.data.get(key)
        if not isinstance(value, kind) or value in ("", [], {}):
            wish = f"expected {key!r} to be a {kind.__name__} that is not empty"
            raise self.mistake(f"{wish}, found {value!r}")
        return value

    def one_of(self, key: str, known) -> Any:
        """A value out of those that are known."""
        value = self.data.get(key)
        if value not in known:
            wish = f"expected {key!r} to be one of {', '.join(sorted(map(str, known)))}"
            raise self.mistake(f"{wish}, found {value!r}", self.line_of(key))
        return value

    def frames(self, key: str, slots=(), lists: dict | None = None) -> tuple:
        """The frames of a block of lines."""
        where = f"{self.where}, {key}"
        return frame_list(self.get(key), lists or {}, slots, self.file, where)

    def all_frames(self, slots=(), lists: dict | None = None) -> dict[str, tuple]:
        """Those of every block that is in it."""
        return {key: self.frames(key, slots, lists) for key in self.data}

    def cells(self, key: str, columns: str) -> list[list[str]]:
        """The rows of a table, each with its cells."""
        return [cells for _, cells in rows(self.get(key), columns, self.file, key)]

    def line_of(self, key: str) -> str:
        """How the value of a key is written."""
        value = self.data.get(key)
        return f'{key} = "{value}"' if isinstance(value, str) else f"{key} = "

    def mistake(self, message: str, line: str = "") -> WorldError:
        """An error in the entry, at the first line that holds this, or its name."""
        name = f'name = "{self.data.get("name", "")}"'
        place = at_line(self.file, line) if line else self.file
        if place == self.file:
            place = at_line(self.file, name)
        return WorldError(f"{place}: {self.where}: {message}")


def whole(file: str) -> Entry:
    """A data file as one entry."""
    return Entry(file, "file", read_file(file))


def section(file: str, name: str) -> Entry:
    """The table of that name of a data file."""
    return Entry(file, f"[{name}]", whole(file).get(name, dict))


def entries(file: str, kind: str) -> list[Entry]:
    """All [[person]] of a data file, and so on."""
    return [
        Entry(file, f"{kind} {number} ({entry.get('name', 'without a name')})", entry)
        for number, entry in enumerate(whole(file).get(kind, list), start=1)
    ]


def frame_list(text: str, lists: dict, slots, file: str, where: str) -> tuple:
    """The frames of a block of lines, their slots checked against `slots`."""
    try:
        parsed = frames.parse_list(text, lists)
    except frames.FrameError as error:
        place = at_line(file, error.line or text.strip().partition("\n")[0])
        raise WorldError(f"{place}: {where}: {error}") from None
    for frame, line in zip(parsed, frames.lines_of(text), strict=True):
        names = frames.slot_names(frame)
        unknown = {name for name in names if frames.small(name) not in slots}
        if unknown:
            raise WorldError(
                f"{at_line(file, line)}: {where}: unknown slot {sorted(unknown)} in "
                f"{line!r}; there are: {', '.join(slots)}"
            )
    return parsed


def rows(
    text: str, columns: str, file: str, where: str, filled: int = 0
) -> list[tuple[str, list[str]]]:
    """The lines of a table, each with its cells, which are divided by |.

    columns : their names, divided by |. filled : how many of them must not be empty, if
    not all; of the others those at the end may be left out.
    """
    names = [name.strip() for name in columns.split("|")]
    filled = filled or len(names)
    found: dict[str, tuple[str, list[str]]] = {}
    for line in filter(str.strip, text.splitlines()):
        cells = [cell.strip() for cell in line.split("|")]
        cells += [""] * (len(names) - len(cells))
        empty = [n for n, cell in zip(names[:filled], cells, strict=False) if not cell]
        if len(cells) > len(names) or empty:
            raise WorldError(
                f"{at_line(file, line)}: {where}: {line!r}: expected {len(names)} "
                f"columns, {' | '.join(names)}; {cells[0]} "
                + (f"lacks: {', '.join(empty)}" if empty else f"has {len(cells)}")
            )
        if cells[0] in found:
            raise WorldError(
                f"{at_line(file, line)}: {where}: {cells[0]} occurs twice; delete one"
            )
        found[cells[0]] = line, cells
    return list(found.values())


def word_lists(table: dict[str, str], file: str, slots=()) -> dict[str, tuple]:
    """The [words] of a file; a list may refer to those above it."""
    lists: dict[str, tuple] = {}
    for name, text in table.items():
        lists[name] = frame_list(text, lists, slots, file, f"[words] {name}")
    return lists


@cache
def load() -> World:
    """The world, read once and checked."""
    places = _load_places()
    people = _load_people(places)
    return World(people, places, _load_things(places, people))


def _load_places() -> dict[str, Place]:
    places: dict[str, Place] = {}
    for entry in entries("places.toml", "place"):
        said = {key: entry.get(key) for key in ("name", "near", "mark", "use")}
        drawn = ("spots", "smells", "sounds", "sights")
        frames_of = {key: entry.frames(key) for key in drawn}
        indoors = entry.one_of("indoors", (True, False))
        _add(places, Place(**said, **frames_of, indoors=indoors), entry)
    for place in places.values():
        expect_known(place.near, places, "near", "places.toml", place.name)
    return places


def _load_people(places: dict[str, Place]) -> dict[str, Person]:
    people: dict[str, Person] = {}
    found, bonds = entries("people.toml", "person"), section("people.toml", "bonds")
    returned = bonds.get("returned", dict)
    for entry in found:
        person = Person(**{key: entry.get(key) for key in Person.__dataclass_fields__})
        known = {"gender": _PRONOUNS, "home": places, "bond": returned}
        for key, values in known.items():
            entry.one_of(key, values)
        epithet, species = person.epithet, person.species
        if not epithet.endswith(f" {species}"):
            wish = f"expected the epithet to end with {species!r}"
            raise entry.mistake(f"{wish}, found {epithet!r}", epithet)
        _add(people, person, entry)
    for entry in found:
        entry.one_of("kin", people)
        _check_bond(people[entry.data["name"]], people, entry, bonds)
    return people


def _check_bond(
    person: Person, people: dict[str, Person], entry: Entry, bonds: Entry
) -> None:
    """Kinship is told from both sides, and both must say the same."""
    kin, returned = people[person.kin], bonds.data["returned"][person.bond]
    other_gender = "male" if kin.gender == "female" else "female"
    of_the_other = person.bond in bonds.get(other_gender, list)
    if kin.kin != person.name or kin.bond not in returned or of_the_other:
        raise entry.mistake(
            f"{person.name} says that {kin.name} ({kin.gender}) is the {person.bond}, "
            f"but {kin.name} says that {kin.kin} is the {kin.bond}; expected "
            f"{kin.name} to say that {person.name} is the {' or '.join(returned)}"
        )


def _load_things(
    places: dict[str, Place], people: dict[str, Person]
) -> dict[str, Thing]:
    file = "things.toml"
    things: dict[str, Thing] = {}
    columns = "name | made | colour | use | kept | owner | marks"
    for *values, marked in whole(file).cells("things", columns):
        marks = frozenset(marked.split()) - {"-"}
        thing = Thing(*values, marks)
        expect_known(thing.kept, places, "kept", file, thing.name)
        expect_known(thing.owner, people, "owner", file, thing.name)
        for mark in marks:
            expect_known(mark, MARKS, "marks", file, thing.name)
        things[thing.name] = thing
    return things


def _add(table: dict, thing, entry: Entry) -> None:
    if thing.name in table:
        raise entry.mistake("occurs twice; delete one")
    table[thing.name] = thing


def expect_known(value, known, key: str, file: str, where: str, line: str = "") -> None:
    """`line` is something that stands in the line at fault, if not the value."""
    if value not in known:
        raise WorldError(
            f"{at_line(file, line or str(value))}: {where}: expected {key!r} to be one "
            f"of {', '.join(sorted(map(str, known)))}, found {value!r}"
        )


def with_article(noun: str) -> str:
    """`a` or `an` by the first letter; the data has no silent h."""
    return ("an " if noun[0] in "aeiou" else "a ") + noun


_FACTS_OF_PEOPLE = "species epithet trade like wish habit fear kin bond".split()


@cache
def person_slots(person: Person, role: str) -> dict[str, Any]:
    """{who}, {who.he}, ... for the person in that role, also capitalised."""
    slots = {
        role: person.name,
        **{f"{role}.{case}": person.pronoun(case) for case in ("he", "him", "his")},
        **{f"{role}.{fact}": getattr(person, fact) for fact in _FACTS_OF_PEOPLE},
        f"{role}.a_species": with_article(person.species),
        f"{role}.a_trade": with_article(person.trade),
        f"{role}.home": "the " + person.home,
    }
    return with_capitals(slots)


@cache
def thing_slots(thing: Thing) -> dict[str, Any]:
    """{thing}, {thing.a} ("a lantern"), {thing.made} ("a brass lantern"),
    {thing.material}, {thing.colour}, {thing.use}, {thing.kept}, {thing.owner}"""
    slots = {
        "thing": thing.name,
        "thing.a": with_article(thing.name),
        "thing.made": with_article(f"{thing.made} {thing.name}"),
        "thing.material": thing.made,
        "thing.colour": thing.colour,
        "thing.a_colour": with_article(thing.colour),
        "thing.use": thing.use,
        "thing.kept": "the " + thing.kept,
        "thing.owner": thing.owner,
    }
    return with_capitals(slots)


@cache
def place_slots(place: Place) -> dict[str, Any]:
    """{place} ("the mill"), {place.near}, {place.mark}, {place.use}, {place.inside}
    ("indoors" or "outdoors"), and what is drawn anew each time: {place.spot},
    {place.smell}, {place.sound}, {place.sight}"""
    slots = {
        "place": "the " + place.name,
        "place.near": "the " + place.near,
        "place.mark": place.mark,
        "place.use": place.use,
        "place.inside": "indoors" if place.indoors else "outdoors",
        "place.spot": frames.Choice(place.spots),
        "place.smell": frames.Choice(place.smells),
        "place.sound": frames.Choice(place.sounds),
        "place.sight": frames.Choice(place.sights),
    }
    return with_capitals(slots)


def with_capitals(slots: dict[str, Any]) -> dict[str, Any]:
    """The slots, and each with a capital: {Who} beside {who}."""
    capitalised = frames.capitalised
    return slots | {capitalised(name): capitalised(slots[name]) for name in slots}
