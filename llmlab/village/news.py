"""The gazette: who did what, where, and how it ended; and the one-sentence summary."""

from dataclasses import dataclass
from functools import cache

from llmlab.village import world
from llmlab.village.chooser import Chooser
from llmlab.village.frames import every_text, expand
from llmlab.village.world import Person, Place

FILE = "news.toml"


@dataclass(frozen=True)
class EventKind:
    name: str
    what: tuple[str, ...]
    outcome: tuple[str, ...]


@dataclass(frozen=True)
class News:
    """One event, seen by a witness. The slots of a summary are who, what, place and
    outcome; the witness must not get into it."""

    kind: EventKind
    who: Person
    what: str
    place: Place
    outcome: str
    witness: Person

    def slots(self) -> dict[str, str]:
        return (
            world.person_slots(self.who, "who")
            | world.person_slots(self.witness, "friend")
            | world.place_slots(self.place)
            | {"what": self.what, "outcome": self.outcome}
        )

    def facts(self) -> dict[str, str]:
        return {
            "who": self.who.name,
            "what": self.what,
            "place": "at the " + self.place.name,
            "outcome": self.outcome,
        }


@cache
def load() -> tuple[dict[str, tuple], tuple[EventKind, ...]]:
    """The frames of an article by part, and the kinds of event."""
    data = world.read_file(FILE)
    lists = world.word_lists(data["words"], FILE)
    village = world.load()
    slots = (
        world.person_slots(next(iter(village.people.values())), "who")
        | world.person_slots(next(iter(village.people.values())), "friend")
        | world.place_slots(next(iter(village.places.values())))
        | {"what": "", "outcome": "", "summary": ""}
    )
    parts = {
        name: world.frame_list(text, lists, tuple(slots), FILE, f"[article] {name}")
        for name, text in data["article"].items()
    }
    return parts, tuple(_read_kind(entry) for entry in data["event"])


def _read_kind(entry: dict) -> EventKind:
    name = world.field(entry, "name", str, FILE, "[[event]]")

    def texts(key: str) -> tuple[str, ...]:
        where = f"event {name}, {key}"
        block = world.field(entry, key, str, FILE, where)
        frames = world.frame_list(block, {}, (), FILE, where)
        return tuple(text for frame in frames for text in every_text(frame))

    return EventKind(name, texts("what"), texts("outcome"))


@cache
def phrases() -> tuple[frozenset[str], frozenset[str]]:
    """Every `what` and every `outcome` that the gazette knows."""
    kinds = load()[1]
    return (
        frozenset(what for kind in kinds for what in kind.what),
        frozenset(outcome for kind in kinds for outcome in kind.outcome),
    )


def draw_news(chooser: Chooser) -> News:
    village = world.load()
    who, witness = chooser.sample(tuple(village.people.values()), 2)
    kind = chooser.pick(load()[1])
    return News(
        kind=kind,
        who=who,
        what=chooser.pick(kind.what),
        place=chooser.pick(tuple(village.places.values())),
        outcome=chooser.pick(kind.outcome),
        witness=witness,
    )


def article(news: News, chooser: Chooser) -> str:
    """Four or five sentences; the lead does not tell the news."""
    parts = load()[0]
    slots = news.slots()
    names = ["what", "where", "quote", "outcome"]
    if chooser.coin(0.75):
        names.insert(0, "lead")
    told = [expand(chooser.pick(parts[name]), slots, chooser) for name in names]
    return " ".join(told)


def summary(news: News, chooser: Chooser) -> str:
    """One sentence with who, what, where and outcome."""
    return expand(chooser.pick(load()[0]["summary"]), news.slots(), chooser)


def in_short(news: News, chooser: Chooser) -> str:
    """The summary as it stands under an article of the gazette."""
    slots = {"summary": summary(news, chooser)}
    return expand(chooser.pick(load()[0]["short"]), slots, chooser)
