"""The village's web pages: notices, offers, letters and chats; and the questions
that visitors ask."""

from dataclasses import dataclass
from functools import cache

from llmlab.village import support, world
from llmlab.village.chooser import Chooser
from llmlab.village.frames import expand
from llmlab.village.plots import ROLES, tells

FILE = "websites.toml"
_A_LINE_EACH = ("letter", "chat")


@dataclass(frozen=True)
class Page:
    name: str
    draws: tuple[str, ...]
    blocks: tuple[tuple, ...]


@cache
def load() -> tuple[Page, ...]:
    data = world.read_file(FILE)
    lists = world.word_lists(data["words"], FILE)
    return tuple(_read_page(entry, lists) for entry in data["page"])


def _read_page(entry: dict, lists: dict[str, tuple]) -> Page:
    name = world.field(entry, "name", str, FILE, "[[page]]")
    where = f"page {name}"
    draws = tuple(world.field(entry, "draws", list, FILE, where))
    unknown = sorted(set(draws) - set(ROLES))
    if unknown:
        raise world.WorldError(
            f"{FILE}: {where}: expected 'draws' to hold some of {', '.join(ROLES)}, "
            f"found {unknown}"
        )
    slots = _some_slots(draws)
    blocks = tuple(
        world.frame_list(block, lists, slots, FILE, where)
        for block in world.field(entry, "blocks", list, FILE, where)
    )
    for role in draws:
        if not any(all(tells(frame, role) for frame in block) for block in blocks):
            raise world.WorldError(
                f"{FILE}: {where}: {{{role}}} is drawn but may never be told; use it "
                "in every frame of one block"
            )
    return Page(name, draws, blocks)


def _some_slots(draws) -> tuple[str, ...]:
    village = world.load()
    people = tuple(village.people.values())
    return tuple(
        _slots(
            {
                "who": people[0],
                "friend": people[1],
                "thing": next(iter(village.things.values())),
                "place": next(iter(village.places.values())),
            },
            draws,
        )
    )


def _slots(cast: dict, draws) -> dict[str, str]:
    slots: dict[str, str] = {}
    for role in draws:
        if role == "thing":
            slots |= world.thing_slots(cast[role])
        elif role == "place":
            slots |= world.place_slots(cast[role])
        else:
            slots |= world.person_slots(cast[role], role)
    return slots


def draw_page(chooser: Chooser) -> tuple[str, dict[str, str]]:
    """The text of a page with its labels."""
    if chooser.coin(0.3):
        return questions_and_answers(chooser)
    page = chooser.pick(load())
    cast = _draw_cast(page.draws, chooser)
    slots = _slots(cast, page.draws)
    lines = [expand(chooser.pick(block), slots, chooser) for block in page.blocks]
    labels = {"page": page.name}
    labels |= {role: subject.name for role, subject in cast.items()}
    if page.name in _A_LINE_EACH:
        return "\n".join(lines), labels
    return f"{lines[0]}\n{' '.join(lines[1:])}", labels


def _draw_cast(draws, chooser: Chooser) -> dict:
    village = world.load()
    cast = {}
    for role in draws:
        if role == "thing":
            options = tuple(village.things.values())
        elif role == "place":
            options = tuple(village.places.values())
        else:
            taken = cast.get("who")
            options = tuple(p for p in village.people.values() if p is not taken)
        cast[role] = chooser.pick(options)
    return cast


def questions_and_answers(chooser: Chooser) -> tuple[str, dict[str, str]]:
    """Three questions of visitors, in wordings that no test uses."""
    intents = chooser.sample(support.load(), 3)
    lines = ["Questions and answers"]
    for intent in intents:
        lines.append("Question: " + chooser.pick(intent.questions))
        lines.append("Answer: " + chooser.pick(intent.answers))
    names = ", ".join(intent.name for intent in intents)
    return "\n".join(lines), {"page": "questions", "intents": names}
