"""The gazette: who did what, where, and how it ended; and the one-sentence summary."""

from dataclasses import dataclass
from functools import cache

from llmlab.village import frames, pages, world
from llmlab.village.cast import every_slot, everybody, subject_slots
from llmlab.village.chooser import Chooser
from llmlab.village.frames import Choice, every_text
from llmlab.village.world import Person, Place, WorldError

FILE = "news.toml"

_PARTS = ("lead", "cause", "what", "scene", "hitch", "outcome", "quote", "after")
_NEEDED = {"lead", "what", "scene", "outcome"}
_ROOFS = {"indoors": (True,), "outdoors": (False,), "anywhere": (True, False)}


@dataclass(frozen=True)
class EventKind:
    """`cause`, `hitch` and `quote` are frames; `places` are where it can happen."""

    name: str
    what: tuple[str, ...]
    outcome: tuple[str, ...]
    cause: object
    hitch: object
    quote: object
    places: tuple[Place, ...]


@dataclass(frozen=True)
class Gazette:
    """All that news.toml says."""

    parts: dict[str, object]  # frames
    orders: tuple[tuple[str, ...], ...]
    kinds: tuple[EventKind, ...]


@dataclass(frozen=True)
class News:
    """One event, and the order in which it is told. The slots of a summary are who,
    what, place and outcome; the witness, who is there if the order has a quote, must
    not get into it."""

    kind: EventKind
    order: tuple[str, ...]
    who: Person
    what: str
    place: Place
    outcome: str
    witness: Person | None
    day: str

    def slots(self) -> dict:
        # A new dictionary: those of the subjects are kept and shared.
        slots = subject_slots(self.who, "who") | subject_slots(self.place, "place")
        if self.witness:
            slots |= subject_slots(self.witness, "friend")
        return slots | {
            "what": self.what,
            "outcome": self.outcome,
            "day": self.day,
            "earlier": _other_days(self.day),
            "Day": self.day,
            "event.quote": self.kind.quote,
            "weather.past": _any_weather(),
        }

    def facts(self) -> dict[str, str]:
        return {
            "who": self.who.name,
            "what": self.what,
            "place": "at the " + self.place.name,
            "outcome": self.outcome,
        }


@cache
def _other_days(day: str) -> Choice:
    return Choice(tuple(other for other in pages.any_of("day").options if other != day))


@cache
def _any_weather() -> Choice:
    return Choice(tuple(row["past"] for row in pages.shared()[1]["weather"]))


@cache
def load() -> Gazette:
    """The gazette's frames and kinds of event, checked."""
    data = world.read_file(FILE)
    lists = pages.read_lists(data["words"], pages.shared()[0], FILE)
    cast = every_slot(("who", "friend", "place"))
    slots = (*cast, "what", "outcome", "day", "event.quote", "weather.past", "summary")
    parts = {
        name: pages.block(text, lists, slots, FILE, f"[article] {name}")
        for name, text in data["article"].items()
    }
    kinds = tuple(_read_kind(entry, lists) for entry in data["event"])
    return Gazette(parts, _read_orders(data["orders"]["parts"]), kinds)


def _read_orders(text: str) -> tuple[tuple[str, ...], ...]:
    orders = tuple(tuple(line.split()) for line in text.splitlines() if line.strip())
    for order in orders:
        if not _NEEDED <= set(order) <= set(_PARTS) or len(set(order)) < len(order):
            raise WorldError(
                f"{world.at_line(FILE, ' '.join(order))}: [orders]: expected each of "
                f"{', '.join(sorted(_NEEDED))} and some of {', '.join(_PARTS)}, each "
                f"once, found {' '.join(order)!r}"
            )
    return orders


def _read_kind(entry: dict, lists: dict) -> EventKind:
    name = world.field(entry, "name", str, FILE, "[[event]]")

    def read(key: str, slots=(), words=None):
        where = f"event {name}, {key}"
        text = world.field(entry, key, str, FILE, where)
        return pages.block(text, words or {}, slots, FILE, where)

    return EventKind(
        name=name,
        what=every_text(read("what")),
        outcome=every_text(read("outcome")),
        cause=read("cause", (*every_slot(("who",)), "earlier"), lists),
        hitch=read("hitch", every_slot(("who",)), lists),
        quote=read("quote", (), lists),
        places=_places(world.field(entry, "where", str, FILE, f"event {name}"), name),
    )


def _places(where: str, name: str) -> tuple[Place, ...]:
    places = world.load().places
    if where in _ROOFS:
        return tuple(p for p in places.values() if p.indoors in _ROOFS[where])
    names = [part.strip() for part in where.split(",")]
    if not set(names) <= set(places):
        raise WorldError(
            f"{world.at_line(FILE, where)}: event {name}: expected 'where' to be one "
            f"of {', '.join(_ROOFS)} or the names of places, found {where!r}"
        )
    return tuple(places[name] for name in names)


@cache
def phrases() -> tuple[frozenset[str], frozenset[str]]:
    """Every `what` and every `outcome` that the gazette knows."""
    kinds = load().kinds
    return (
        frozenset(what for kind in kinds for what in kind.what),
        frozenset(outcome for kind in kinds for outcome in kind.outcome),
    )


def draw_news(chooser: Chooser) -> News:
    gazette = load()
    people = everybody("who")
    kind = chooser.pick(gazette.kinds)
    order = chooser.pick(gazette.orders)
    who = chooser.pick(people)
    witness = None
    if "quote" in order:
        witness = chooser.pick([person for person in people if person is not who])
    return News(
        kind=kind,
        order=order,
        who=who,
        what=chooser.pick(kind.what),
        place=chooser.pick(kind.places),
        outcome=chooser.pick(kind.outcome),
        witness=witness,
        day=frames.expand(pages.any_of("day"), {}, chooser),
    )


def article(news: News, chooser: Chooser) -> str:
    """Six sentences or so; the lead does not tell the news."""
    parts = load().parts | {"cause": news.kind.cause, "hitch": news.kind.hitch}
    return pages.tell([parts[name] for name in news.order], news.slots(), chooser)


def summary(news: News, chooser: Chooser) -> str:
    """One sentence with who, what, where and outcome."""
    return frames.expand(load().parts["summary"], news.slots(), chooser)


def in_short(news: News, chooser: Chooser) -> str:
    """The summary as it stands under an article of the gazette."""
    slots = {"summary": summary(news, chooser)}
    return frames.expand(load().parts["short"], slots, chooser)
