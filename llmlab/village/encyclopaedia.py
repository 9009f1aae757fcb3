"""The encyclopaedia: every fact of the world in many wordings, told of subjects that
belong together."""

from dataclasses import dataclass
from functools import cache

from llmlab.village import frames, pages, world
from llmlab.village.cast import (
    PEOPLE,
    PLACES,
    ROLES,
    Draw,
    draw_cast,
    every_slot,
    everybody,
    read_draws,
    subject_slots,
)
from llmlab.village.chooser import Chooser
from llmlab.village.world import WorldError

FILE = "encyclopaedia.toml"
FEWEST_WORDINGS = 5

_SUBJECTS = {"person": "who", "place": "place", "thing": "thing"}


@dataclass(frozen=True)
class Telling:
    """`count` of the facts about the subject in `role`, in any order; or all of them
    about each of `others` further subjects."""

    role: str
    count: int
    facts: tuple[str, ...]
    others: int = 0


@dataclass(frozen=True)
class Entry:
    name: str
    draws: tuple[Draw, ...]
    told: tuple[Telling, ...]


@dataclass(frozen=True)
class Encyclopaedia:
    """Frames by subject and fact, links by name, and the kinds of entries."""

    facts: dict[str, dict[str, frames.Choice]]
    links: dict[str, frames.Choice]
    entries: tuple[Entry, ...]


@cache
def load() -> Encyclopaedia:
    data = world.read_file(FILE)
    lists = pages.word_lists()
    facts = {
        subject: _read_blocks(data[subject], (role,), lists, subject)
        for subject, role in _SUBJECTS.items()
    }
    links = _read_blocks(data["link"], ROLES, lists, "link")
    entries = tuple(_read_entry(entry, facts, links) for entry in data["entry"])
    return Encyclopaedia(facts, links, entries)


def _read_blocks(table: dict, roles: tuple[str, ...], lists: dict, name: str) -> dict:
    slots = every_slot(roles)
    return {
        fact: _wordings(text, lists, slots, f"[{name}] {fact}")
        for fact, text in table.items()
    }


def _wordings(
    text: str, lists: dict, slots: tuple[str, ...], where: str
) -> frames.Choice:
    found = world.frame_list(text, lists, slots, FILE, where)
    if len(found) < FEWEST_WORDINGS:
        line = world.at_line(FILE, frames.lines_of(text)[0])
        raise WorldError(
            f"{line}: {where}: expected {FEWEST_WORDINGS} wordings or more, so that "
            f"the fact can be asked for, found {len(found)}"
        )
    return frames.Choice(found)


def _read_entry(entry: dict, facts: dict, links: dict) -> Entry:
    name = world.field(entry, "name", str, FILE, "[[entry]]")
    where = f"entry {name}"
    drawn = world.field(entry, "draws", list, FILE, where) if "draws" in entry else []
    draws = read_draws(drawn, FILE, where)
    roles = {draw.role for draw in draws}
    tellings = []
    for text in world.field(entry, "told", list, FILE, where):
        telling = _read_telling(text)
        known = links if telling.role == "link" else facts[_subject(telling.role)]
        unknown = [fact for fact in telling.facts if fact not in known]
        if unknown or not (telling.others or telling.role in (*roles, "link")):
            raise WorldError(
                f"{world.at_line(FILE, text)}: {where}: {text!r}: expected a role that "
                f"is drawn, or 'link', and some of {', '.join(known)}"
            )
        tellings.append(telling)
    return Entry(name, draws, tuple(tellings))


def _read_telling(text: str) -> Telling:
    """ "who: 2 of trade home like", "who: intro" for one of one, "4 x who: like fear"
    for both of four."""
    role, _, rest = (part.strip() for part in text.partition(":"))
    others, times, several = role.partition(" x ")
    if times and others.isdigit():
        facts = tuple(rest.split())
        return Telling(several, len(facts), facts, int(others))
    count, of, several = rest.partition(" of ")
    if of and count.isdigit():
        return Telling(role, int(count), tuple(several.split()))
    return Telling(role, 1, (rest,))


def _subject(role: str) -> str:
    if role in PEOPLE:
        return "person"
    return "place" if role in PLACES else "thing"


def page(chooser: Chooser) -> tuple[str, dict[str, str]]:
    """An entry, with the names of its subjects."""
    entry = chooser.pick(load().entries)
    cast, slots = draw_cast(entry.draws, chooser)
    sentences = []
    for telling in entry.told:
        if telling.others:
            subjects = chooser.sample(everybody(telling.role), telling.others)
            facts = telling.facts
        else:
            subjects = [cast.get(telling.role)]
            facts = chooser.sample(telling.facts, telling.count)
        sentences += [
            _tell(telling.role, fact, subject, slots, chooser)
            for subject in subjects
            for fact in facts
        ]
    labels = {role: subject.name for role, subject in cast.items()}
    return " ".join(sentences), {"entry": entry.name} | labels


def _tell(role: str, fact: str, subject, slots: dict, chooser: Chooser) -> str:
    """One fact; those of a second person are told in the words for the first."""
    library = load()
    if role == "link":
        return frames.expand(library.links[fact], slots, chooser)
    kind = _subject(role)
    own = subject_slots(subject, _SUBJECTS[kind])
    return frames.expand(library.facts[kind][fact], own, chooser)
