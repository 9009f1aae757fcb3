"""The encyclopaedia: every fact of the world, in many wordings."""

from functools import cache

from llmlab.village import world
from llmlab.village.chooser import Chooser
from llmlab.village.frames import expand

FILE = "encyclopaedia.toml"
FEWEST_WORDINGS = 5


@cache
def load() -> dict[str, dict[str, tuple]]:
    """Wordings by subject ("person", "place", "thing") and fact."""
    village = world.load()
    slots = {
        "person": world.person_slots(next(iter(village.people.values())), "who"),
        "place": world.place_slots(next(iter(village.places.values()))),
        "thing": world.thing_slots(next(iter(village.things.values()))),
    }
    data = world.read_file(FILE)
    return {
        subject: {
            fact: _wordings(text, tuple(names), f"[{subject}] {fact}")
            for fact, text in data[subject].items()
        }
        for subject, names in slots.items()
    }


def _wordings(text: str, slots: tuple[str, ...], where: str) -> tuple:
    frames = world.frame_list(text, {}, slots, FILE, where)
    if len(frames) < FEWEST_WORDINGS:
        raise world.WorldError(
            f"{FILE}: {where}: expected {FEWEST_WORDINGS} wordings or more, so that "
            f"the fact can be asked for, found {len(frames)}"
        )
    return frames


def entry(subject: str, slots: dict[str, str], chooser: Chooser) -> str:
    """One wording of every fact about a subject, in the order of the file."""
    wordings = load()[subject].values()
    return " ".join(expand(chooser.pick(frames), slots, chooser) for frames in wordings)


def page(chooser: Chooser) -> tuple[str, dict[str, str]]:
    """Two entries, of a person or place and of a thing, with the subjects' names."""
    village = world.load()
    if chooser.coin(0.6):
        person = chooser.pick(tuple(village.people.values()))
        first = entry("person", world.person_slots(person, "who"), chooser)
        subject = person.name
    else:
        place = chooser.pick(tuple(village.places.values()))
        first = entry("place", world.place_slots(place), chooser)
        subject = place.name
    thing = chooser.pick(tuple(village.things.values()))
    second = entry("thing", world.thing_slots(thing), chooser)
    text = f"{first}\n{second}"
    return text, {"subject": subject, "thing": thing.name}
