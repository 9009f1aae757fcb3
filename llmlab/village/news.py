"""The gazette: who did what, where, and how it ended; and the one-sentence summary."""

import re
from collections import Counter
from dataclasses import dataclass
from functools import cache
from typing import Any

from llmlab.village import frames, pages, plotlines, simulation, world
from llmlab.village.chooser import Chooser
from llmlab.village.simulation import Event

FILE = "news.toml"

_PARTS = ("lead", "deed", "scene", "cause", "quote", "outcome", "person", "thing")
_PARTS += ("after",)
_NEEDED = {"lead", "deed", "scene", "outcome"}


@dataclass(frozen=True)
class Gazette:
    """All that news.toml says."""

    parts: dict[str, Any]  # frames
    orders: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class News:
    """An event, and the order in which its parts are told."""

    event: Event
    order: tuple[str, ...]

    def slots(self) -> dict[str, Any]:
        return pages.event_slots(self.event)

    def facts(self) -> dict[str, str]:
        """What a summary must tell, as it stands there."""
        slots = self.slots()
        return {
            "who": self.event.who.name,
            "what": _plain(slots["deed"], slots),
            "place": "at the " + self.event.place.name,
            "outcome": _plain(slots["outcome"], slots),
        }


def _plain(frame: Any, slots: dict[str, Any]) -> str:
    """The text of a frame that leaves no choice."""
    return frames.expand(frame, slots, Chooser("no choice"))


@cache
def load() -> Gazette:
    """The gazette's frames, checked."""
    told = ("deed", "cause", "outcome", "line", "Deed", "Outcome", "summary")
    slots = (*plotlines.slot_names(), *told)
    slots += tuple(map(frames.capitalised, plotlines.slot_names()))
    parts = {
        name: pages.block(text, pages.word_lists(), slots, FILE, f"[article] {name}")
        for name, text in world.section(FILE, "article").data.items()
    }
    return Gazette(parts, _read_orders(world.section(FILE, "orders")))


def _read_orders(entry: world.Entry) -> tuple[tuple[str, ...], ...]:
    lines = entry.get("parts").splitlines()
    orders = tuple(tuple(line.split()) for line in lines if line.strip())
    for order in orders:
        if not _NEEDED <= set(order) <= set(_PARTS) or len(set(order)) < len(order):
            told, needed = " ".join(order), ", ".join(sorted(_NEEDED))
            wish = f"each of {needed} and some of {', '.join(_PARTS)}, each once"
            raise entry.mistake(f"expected {wish}, found {told!r}", told)
    return orders


def draw_news(chooser: Chooser) -> News:
    event = simulation.draw_event(chooser, plotlines.load().schemas())
    return News(event, chooser.pick(load().orders))


def article(news: News, chooser: Chooser) -> str:
    """Seven sentences or so; the lead does not tell the news."""
    parts, slots = load().parts, news.slots()
    return " ".join(frames.expand(parts[name], slots, chooser) for name in news.order)


def summary(news: News, chooser: Chooser) -> str:
    """One sentence with who, what, where and outcome."""
    return frames.expand(load().parts["summary"], news.slots(), chooser)


def in_short(news: News, chooser: Chooser) -> str:
    """The summary as it stands under an article of the gazette."""
    slots = {"summary": summary(news, chooser)}
    return frames.expand(load().parts["short"], slots, chooser)


@cache
def _clauses() -> tuple[re.Pattern, ...]:
    """What any telling of each plot's deed, and of each plot's outcome, looks like."""
    known = plotlines.load().plots.values()
    return tuple(_pattern(clause) for p in known for clause in (p.deed, p.outcome))


def _pattern(frame: Any) -> re.Pattern:
    """The words of the frame, with anything short in the place of its slots."""
    parts = frame if isinstance(frame, tuple) else (frame,)
    text = [re.escape(p) if isinstance(p, str) else r"[\w' ]{2,40}?" for p in parts]
    return re.compile("".join(text))


def clauses_told(text: str) -> Counter[re.Pattern]:
    """How many deeds and outcomes of each plot the text tells, of whomever."""
    return Counter({pattern: len(pattern.findall(text)) for pattern in _clauses()})
