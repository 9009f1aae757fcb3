"""The encyclopaedia: every fact of the world, told of subjects that belong together."""

import itertools
from dataclasses import dataclass
from functools import cache

from llmlab.village import cast, frames, pages, world
from llmlab.village.cast import PEOPLE, PLACES, ROLES, Draw
from llmlab.village.chooser import Chooser

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
    facts = {
        subject: _wordings(subject, (role,)) for subject, role in _SUBJECTS.items()
    }
    links, found = _wordings("link", ROLES), world.entries(FILE, "entry")
    entries = tuple(_read_entry(entry, facts, links) for entry in found)
    return Encyclopaedia(facts, links, entries)


def _wordings(table: str, roles: tuple[str, ...]) -> dict[str, frames.Choice]:
    entry = world.section(FILE, table)
    found = entry.all_frames(cast.every_slot(roles), pages.word_lists())
    for fact, wordings in found.items():
        if len(wordings) < FEWEST_WORDINGS:
            wish = f"expected {FEWEST_WORDINGS} wordings or more, so that the fact can "
            found_there = f"{fact}: {wish}be asked for, found {len(wordings)}"
            raise entry.mistake(found_there, frames.lines_of(entry.data[fact])[0])
    return {fact: frames.Choice(wordings) for fact, wordings in found.items()}


def _read_entry(entry: world.Entry, facts: dict, links: dict) -> Entry:
    drawn = entry.get("draws", list) if "draws" in entry.data else []
    draws = cast.read_draws(drawn, FILE, entry.where)
    roles = {draw.role for draw in draws}
    tellings = []
    for text in entry.get("told", list):
        telling = _read_telling(text)
        known = links if telling.role == "link" else facts[_subject(telling.role)]
        unknown = [fact for fact in telling.facts if fact not in known]
        if unknown or not (telling.others or telling.role in (*roles, "link")):
            wish = f"a role that is drawn, or 'link', and some of {', '.join(known)}"
            raise entry.mistake(f"{text!r}: expected {wish}", text)
        tellings.append(telling)
    return Entry(entry.get("name"), draws, tuple(tellings))


def _read_telling(text: str) -> Telling:
    """ "who: 2 of trade home like", "who: intro" (one of one), "4 x who: like fear"."""
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
    members, slots = cast.draw_cast(entry.draws, chooser)
    sentences = []
    for telling in entry.told:
        if telling.others:
            subjects = chooser.sample(cast.everybody(telling.role), telling.others)
            facts = telling.facts
        else:
            subjects = [members.get(telling.role)]
            facts = chooser.sample(telling.facts, telling.count)
        for subject, fact in itertools.product(subjects, facts):
            sentences.append(_tell(telling.role, fact, subject, slots, chooser))
    labels = {role: subject.name for role, subject in members.items()}
    return " ".join(sentences), {"entry": entry.name} | labels


def _tell(role: str, fact: str, subject, slots: dict, chooser: Chooser) -> str:
    """One fact; those of a second person are told in the words for the first."""
    library = load()
    if role == "link":
        return frames.expand(library.links[fact], slots, chooser)
    kind = _subject(role)
    own = cast.subject_slots(subject, _SUBJECTS[kind])
    return frames.expand(library.facts[kind][fact], own, chooser)
