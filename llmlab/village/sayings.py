"""Proverbs, idioms, and the sentence that has every letter of the alphabet."""

from dataclasses import dataclass
from functools import cache

from llmlab.village import world
from llmlab.village.chooser import Chooser
from llmlab.village.frames import expand, slot_names

FILE = "sayings.toml"
PANGRAM = "The quick brown fox jumps over the lazy dog."


@dataclass(frozen=True)
class Proverb:
    text: str
    meaning: str


@dataclass(frozen=True)
class Idiom:
    infinitive: str
    past: str
    meaning: str


@dataclass(frozen=True)
class Sayings:
    proverbs: tuple[Proverb, ...]
    idioms: tuple[Idiom, ...]
    frames: dict[str, tuple]  # "proverb", "idiom", "before", "after", "variant"


@cache
def load() -> Sayings:
    data = world.read_file(FILE)
    lists = world.word_lists(data["words"], FILE)
    someone = next(iter(world.load().people.values()))
    slots = (
        *world.person_slots(someone, "who"),
        "proverb",
        "meaning",
        "idiom",
        "idiom.past",
        "idiom.meaning",
    )
    frames = {
        name: world.frame_list(text, lists, slots, FILE, name)
        for name, text in (data["page"] | data["pangram"]).items()
    }
    return Sayings(
        tuple(Proverb(*row) for row in _rows(data["proverbs"], 2, "proverbs")),
        tuple(Idiom(*row) for row in _rows(data["idioms"], 3, "idioms")),
        frames,
    )


def _rows(block: str, columns: int, where: str) -> list[list[str]]:
    rows = [
        [cell.strip() for cell in line.split("|")]
        for line in block.splitlines()
        if line.strip()
    ]
    for row in rows:
        if len(row) != columns or not all(row):
            raise world.WorldError(
                f"{FILE}: {where}: expected {columns} columns divided by |, none "
                f"empty, found {row}"
            )
    return rows


def page(chooser: Chooser) -> tuple[str, dict[str, str]]:
    """Two idioms, before them perhaps the pangram and perhaps a proverb."""
    sayings = load()
    told = []
    if chooser.coin(0.4):
        told += [_say("before", {}, chooser), PANGRAM, _say("after", {}, chooser)]
        if chooser.coin(0.3):
            told.append(_say("variant", {}, chooser))
    if chooser.coin(0.5):
        proverb = chooser.pick(sayings.proverbs)
        slots = {"proverb": proverb.text, "meaning": proverb.meaning}
        told.append(_say("proverb", slots, chooser))
    idioms = chooser.sample(sayings.idioms, 2)
    for idiom in idioms:
        slots = {
            "idiom": idiom.infinitive,
            "idiom.past": idiom.past,
            "idiom.meaning": idiom.meaning,
        }
        told.append(_say("idiom", slots, chooser))
    return " ".join(told), {"idioms": ", ".join(i.infinitive for i in idioms)}


def _say(name: str, slots: dict[str, str], chooser: Chooser) -> str:
    """A frame of that name, told of somebody in the village if it has a {who}."""
    frame = chooser.pick(load().frames[name])
    if any(slot.lower().startswith("who") for slot in slot_names(frame)):
        person = chooser.pick(tuple(world.load().people.values()))
        slots = slots | world.person_slots(person, "who")
    return expand(frame, slots, chooser)
