"""Proverbs, idioms, counting rhymes, and the sentence that has every letter."""

from dataclasses import dataclass
from functools import cache

from llmlab.village import frames, world
from llmlab.village.calendar import calendar
from llmlab.village.cast import everybody
from llmlab.village.chooser import Chooser
from llmlab.village.frames import expand

FILE = "sayings.toml"
PANGRAM = "The quick brown fox jumps over the lazy dog."
_LINES = 5  # of a page of proverbs or of idioms
_ON_A_PAGE_OF_PROVERBS = 0.4  # how often the first of them is the pangram
_VARIANT = 0.3  # how often a page with the pangram also changes it
_CHANGED_DOG = 0.04  # how often it changes the dog


@dataclass(frozen=True)
class Proverb:
    text: str
    meaning: str


@dataclass(frozen=True)
class Idiom:
    infinitive: str
    past: tuple  # a frame, told of {who}
    meaning: str


@dataclass(frozen=True)
class Sayings:
    proverbs: tuple[Proverb, ...]
    idioms: tuple[Idiom, ...]
    pangram: Proverb
    frames: dict[str, tuple]  # by name
    rhymes: dict[str, tuple]  # by "One, two"


@cache
def load() -> Sayings:
    data, pangram = world.whole(FILE), world.section(FILE, "pangram")
    meaning = pangram.data.pop("meaning").strip()
    own = ("proverb", "meaning", "idiom", "idiom.past", "idiom.meaning")
    slots = (*_slots_of_somebody(), "friend", "place", "day", *own)
    page = world.section(FILE, "page").all_frames(slots)
    return Sayings(
        tuple(Proverb(*row) for row in data.cells("proverbs", "proverb | meaning")),
        tuple(map(_read_idiom, data.cells("idioms", "idiom | past | meaning"))),
        Proverb(PANGRAM, meaning),
        page | pangram.all_frames(slots),
        world.section(FILE, "rhyme").all_frames(("who",)),
    )


def _slots_of_somebody() -> tuple[str, ...]:
    return tuple(world.person_slots(everybody("who")[0], "who"))


def _read_idiom(row: list[str]) -> Idiom:
    infinitive, past, meaning = row
    where = f"idiom {infinitive!r}"
    (frame,) = world.frame_list(past, {}, _slots_of_somebody(), FILE, where)
    return Idiom(infinitive, frame, meaning)


def page(chooser: Chooser) -> tuple[str, dict[str, str]]:
    """The text of a page with its labels."""
    kinds = {_proverbs: 0.46, _idioms: 0.42, _pen_and_rhyme: 0.12}
    write = chooser.weighted(kinds)
    return "\n".join(write(chooser)), {"page": write.__name__.strip("_")}


def _proverbs(chooser: Chooser) -> list[str]:
    lines = [_say("proverbs_title", chooser)]
    first = chooser.coin(_ON_A_PAGE_OF_PROVERBS)
    told = chooser.sample(load().proverbs, _LINES - first)
    if first:
        told = [load().pangram, *told]
    return lines + [_proverb(proverb, chooser) for proverb in told]


def _idioms(chooser: Chooser) -> list[str]:
    lines = [_say("idioms_title", chooser)]
    told = chooser.sample(load().idioms, _LINES)
    return lines + [_idiom(idiom, chooser) for idiom in told]


def _pen_and_rhyme(chooser: Chooser) -> list[str]:
    lines = [_say("before", chooser), PANGRAM, _say("after", chooser)]
    if chooser.coin(_VARIANT):
        lines.append(_say("variant", chooser))
    elif chooser.coin(_CHANGED_DOG):
        lines.append(_say("changed_dog", chooser))
    lines.append(_say("rhyme_title", chooser))
    for count, rhymes in load().rhymes.items():
        slots = _draw(frozenset(("who",)), chooser)
        lines.append(f"{count}, {expand(chooser.pick(rhymes), slots, chooser)}.")
    lines.append(_idiom(chooser.pick(load().idioms), chooser))
    return lines


def _proverb(proverb: Proverb, chooser: Chooser) -> str:
    more = {"proverb": proverb.text, "meaning": proverb.meaning}
    return _say("proverb", chooser, more)


def _idiom(idiom: Idiom, chooser: Chooser) -> str:
    """What it means, and who did it."""
    more = {"idiom": idiom.infinitive, "idiom.past": idiom.past}
    more["idiom.meaning"] = idiom.meaning
    return _say("idiom", chooser, more)


def _say(name: str, chooser: Chooser, more: dict | None = None) -> str:
    """A frame of that name, of people, a place and a day of its own."""
    frame = chooser.pick(load().frames[name])
    told = frozenset(slot.lower() for slot in frames.slot_names(frame))
    slots = _draw(told, chooser) | (more or {})
    return frames.capitalised(expand(frame, slots, chooser))


def _draw(told: frozenset[str], chooser: Chooser) -> dict:
    """Only what is told is drawn."""
    slots: dict = {}
    roles = [role for role in ("who", "friend") if role in told]
    people = chooser.sample(everybody("who"), len(roles))
    for role, person in zip(roles, people, strict=True):
        slots |= world.person_slots(person, role)
    if "place" in told:
        slots["place"] = f"the {chooser.pick(tuple(world.load().places))}"
    if "day" in told:
        slots["day"] = chooser.pick(calendar().days)
    return slots
