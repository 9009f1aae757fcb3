"""Pages: documents told from a cast and a sequence of blocks.

The notation of news.toml, encyclopaedia.toml and websites.toml. A page draws its cast
once and tells all blocks of the same cast, so that its facts agree:

    draws = ["who", "friend: kin of who", "thing: belonging of who", "weather"]

`who` is anybody, `friend: kin of who` is a relation of the world, and `weather` is a
row of the table of that name, whose columns are slots: {weather.past}. Blocks are
divided by blank lines and hold one frame a line, of which one is told; a line with
nothing but / begins a new line of the page.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from llmlab.village import frames, world
from llmlab.village.chooser import Chooser
from llmlab.village.frames import Choice, Slot, slot_names
from llmlab.village.world import Person, Place, Thing, World, WorldError

PHRASES = "phrases.toml"
NEW_LINE = "/"
PEOPLE = ("who", "friend", "helper")
PLACES = ("place", "goal")
THINGS = ("thing", "other")
ROLES = PEOPLE + PLACES + THINGS

Subject = Person | Place | Thing
Row = dict[str, Any]  # the columns of one row of a table, each a frame


@dataclass(frozen=True)
class Draw:
    """One member of the cast: anybody, a relation of another role, or a row."""

    role: str
    relation: str = ""
    of: str = ""


@dataclass(frozen=True)
class Page:
    name: str
    draws: tuple[Draw, ...]
    blocks: tuple  # each a Choice, or NEW_LINE


@dataclass(frozen=True)
class Library:
    """What one file says, together with the phrases that all files share."""

    lists: dict[str, tuple]
    tables: dict[str, tuple[Row, ...]]
    pages: tuple[Page, ...]


# ---- the facts of the cast as slots


@cache
def subject_slots(subject: Subject, role: str) -> dict[str, Any]:
    """{who}, {who.he}, {who.home}, {thing.a}, {place.near}, ... of one of the cast."""
    if isinstance(subject, Person):
        return world.person_slots(subject, role) | _own_words(subject, role)
    if isinstance(subject, Thing):
        slots = world.thing_slots(subject)
        bare = f"{subject.made} {subject.name}"
        slots = slots | world.with_capitals({"thing.bare": bare})
        return _renamed(slots, "thing", role)
    return _renamed(world.place_slots(subject), "place", role)


def _own_words(person: Person, role: str) -> dict[str, Any]:
    """{who.my_habit} and {who.your_habit}: facts as one tells them of oneself and to
    the other one."""
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
        _with_case_of(name, role) + name[len(usual) :]: filling
        for name, filling in slots.items()
    }


def _with_case_of(name: str, role: str) -> str:
    return role.capitalize() if name[0].isupper() else role


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


# ---- relations of the world


@cache
def everybody(role: str) -> tuple[Subject, ...]:
    """All that could play a role."""
    village = world.load()
    if role in PEOPLE:
        return tuple(village.people.values())
    if role in PLACES:
        return tuple(village.places.values())
    return tuple(_durable(village))


def _durable(village: World) -> list[Thing]:
    """The things that nobody eats: pages lose them, lend them and clean them."""
    return [thing for thing in village.things.values() if "eaten" not in thing.marks]


@cache
def related(relation: str, subject: Subject) -> tuple[Subject, ...]:
    """Those who stand in the relation to the subject, never none."""
    return tuple(_RELATIONS[relation](world.load(), subject))


_RELATIONS = {
    "home": lambda village, person: [village.places[person.home]],
    "kin": lambda village, person: [village.people[person.kin]],
    "belonging": lambda village, person: [
        thing for thing in _durable(village) if thing.owner == person.name
    ],
    "property": lambda village, person: [
        thing for thing in village.things.values() if thing.owner == person.name
    ],
    "lack": lambda village, person: [
        thing for thing in _durable(village) if thing.owner != person.name
    ],
    "shelf": lambda village, thing: [village.places[thing.kept]],
    "owner": lambda village, thing: [village.people[thing.owner]],
    "neighbour": lambda village, place: [village.places[place.near]],
    "stock": lambda village, place: [
        thing for thing in _durable(village) if thing.kept == place.name
    ],
}
_RELATION_OF = {
    "home": PEOPLE,
    "kin": PEOPLE,
    "belonging": PEOPLE,
    "property": PEOPLE,
    "lack": PEOPLE,
    "shelf": THINGS,
    "owner": THINGS,
    "neighbour": PLACES,
    "stock": PLACES,
}


# ---- reading a file


@cache
def shared() -> tuple[dict[str, tuple], dict[str, tuple[Row, ...]]]:
    """The word lists and tables of phrases.toml."""
    data = world.read_file(PHRASES)
    lists = read_lists(data.pop("words"), {}, PHRASES)
    return lists, {name: read_rows(data, name, lists, PHRASES) for name in data}


def any_of(name: str) -> Choice:
    """A phrase of a list that all files share."""
    return Choice(shared()[0][name])


def read_library(file: str) -> Library:
    """The lists, tables and pages of a file, checked."""
    data = world.read_file(file)
    lists, tables = shared()
    lists = read_lists(data.pop("words", {}), lists, file)
    entries = data.pop("page", [])
    tables = tables | {
        name: read_rows(data, name, lists, file)
        for name, value in data.items()
        if isinstance(value, list)
    }
    pages = tuple(_read_page(entry, lists, tables, file) for entry in entries)
    return Library(lists, tables, pages)


@cache
def every_slot() -> tuple[str, ...]:
    """Each slot that some cast could fill."""
    return tuple(
        name
        for role in ROLES
        for name in subject_slots(everybody(role)[0], role)
        if name[0].islower()
    )


def read_lists(table: dict[str, str], above: dict, file: str) -> dict[str, tuple]:
    """Word lists by name; each may use those above it and any slot of a cast. <Name>
    is the list <name> with capitals."""
    lists = dict(above)
    for name, text in table.items():
        where = f"[words] {name}"
        lists[name] = world.frame_list(text, lists, every_slot(), file, where)
        lists[_capital(name)] = tuple(map(frames.capitalised, lists[name]))
    return lists


def read_rows(data: dict, table: str, lists: dict, file: str) -> tuple[Row, ...]:
    """The rows of a table; each column is a block of frames."""
    rows = []
    for entry in data[table]:
        where = f"{table} {entry.get('name', 'without a name')}"
        world.field(entry, "name", str, file, where)
        rows.append(
            {
                column: block(text, lists, every_slot(), file, f"{where}, {column}")
                for column, text in entry.items()
            }
        )
    if len({frozenset(row) for row in rows}) > 1:
        raise WorldError(
            f"{file}: {table}: expected the same columns in every row; complete them"
        )
    return tuple(rows)


def block(text: str, lists: dict, slots: Iterable[str], file: str, where: str):
    """The frames of a block as one choice."""
    found = world.frame_list(text, lists, tuple(slots), file, where)
    return Choice(found) if len(found) > 1 else found[0]


def _read_page(entry: dict, lists: dict, tables: dict, file: str) -> Page:
    name = world.field(entry, "name", str, file, "[[page]]")
    where = f"page {name}"
    draws = tuple(
        read_draw(text, tables, file, where)
        for text in world.field(entry, "draws", list, file, where)
    )
    slots = [slot for draw in draws for slot in _slots_of(draw, tables)]
    text = world.field(entry, "text", str, file, where)
    blocks = tuple(
        NEW_LINE if part == NEW_LINE else block(part, lists, slots, file, where)
        for part in (part.strip() for part in text.split("\n\n"))
    )
    if entry.get("lines", False):
        blocks = tuple(part for told in blocks for part in (NEW_LINE, told))[1:]
    _check_told(draws, blocks, tables, file, where)
    return Page(name, draws, blocks)


def read_draw(text: str, tables: dict, file: str, where: str) -> Draw:
    role, _, source = (part.strip() for part in text.partition(":"))
    relation, _, of = (part.strip() for part in source.partition(" of "))
    if role not in ROLES and role not in tables:
        raise WorldError(
            f"{file}: {where}: expected 'draws' to hold some of {', '.join(ROLES)} "
            f"or a table out of {', '.join(sorted(tables))}, found {role!r}"
        )
    if source and (relation not in _RELATIONS or of not in _RELATION_OF[relation]):
        raise WorldError(
            f"{file}: {where}: expected {text!r} to end with one of "
            f"{', '.join(f'{r} of {o[0]}' for r, o in _RELATION_OF.items())}"
        )
    return Draw(role, relation, of)


def _slots_of(draw: Draw, tables: dict) -> list[str]:
    if draw.role in tables:
        return [f"{draw.role}.{column}" for column in tables[draw.role][0]]
    return [s for s in every_slot() if s.split(".")[0] == draw.role]


def _check_told(draws, blocks, tables: dict, file: str, where: str) -> None:
    """What is drawn must be told, whatever frames are chosen: a choice that leaves no
    trace in the text would be counted as entropy of the text, which it is not."""
    for draw in draws:
        if draw.relation in _CERTAIN:
            continue
        if not any(tells(part, draw.role) for part in blocks if part != NEW_LINE):
            raise WorldError(
                f"{file}: {where}: {{{draw.role}}} is drawn but may never be told; "
                "use it in every frame of one block"
            )


_CERTAIN = ("home", "kin", "shelf", "owner", "neighbour")  # one subject at most
_ANONYMOUS = ("he", "him", "his", "gender")


def tells(node, role: str) -> bool:
    """Whether every text of the frame names the role."""
    if isinstance(node, Slot):
        name, _, rest = node.name.partition(".")
        return name[0].lower() + name[1:] == role and rest not in _ANONYMOUS
    if isinstance(node, Choice):
        return all(tells(option, role) for option in node.options)
    return isinstance(node, tuple) and any(tells(part, role) for part in node)


# ---- telling


def write(page: Page, library: Library, chooser: Chooser) -> tuple[str, dict[str, str]]:
    """The text of a page, and its labels: its name and the names of its cast."""
    cast, slots = draw_cast(page.draws, library.tables, chooser)
    labels = {"page": page.name}
    labels |= {role: subject.name for role, subject in cast.items()}
    return tell(page.blocks, slots, chooser), labels


def draw_cast(
    draws: Sequence[Draw], tables: dict, chooser: Chooser
) -> tuple[dict[str, Subject], dict]:
    """The cast of a page, and the slots that it fills."""
    cast: dict[str, Subject] = {}
    slots: dict = {}
    for draw in draws:
        if draw.role in tables:
            row = chooser.pick(tables[draw.role])
            slots |= row_slots(draw.role, row)
            continue
        options = (
            related(draw.relation, cast[draw.of])
            if draw.relation
            else everybody(draw.role)
        )
        cast[draw.role] = _not_yet_drawn(options, cast, chooser)
        slots |= subject_slots(cast[draw.role], draw.role)
    return cast, slots


def row_slots(table: str, row: Row) -> dict[str, Any]:
    return world.with_capitals({f"{table}.{key}": row[key] for key in row})


def _not_yet_drawn(options: tuple, cast: dict, chooser: Chooser) -> Subject:
    taken = cast.values()
    return chooser.pick([option for option in options if option not in taken])


def tell(blocks: Sequence, slots: dict, chooser: Chooser) -> str:
    """One frame of every block, in order."""
    text = ""
    for part in blocks:
        if part == NEW_LINE:
            text += "\n"
        else:
            space = " " if text and text[-1] != "\n" else ""
            text += space + frames.expand(part, slots, chooser)
    return text
