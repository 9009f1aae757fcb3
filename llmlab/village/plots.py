"""The plots of data/village/stories.toml, parsed and checked.

A plot is a sequence of beats, each a sentence in several wordings. What must hold
before a beat and what holds after it is written beside it, and checked here once, so
that no telling of a plot can contradict itself.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from llmlab.village import world
from llmlab.village.frames import every_text
from llmlab.village.world import WorldError

FILE = "stories.toml"
ROLES = ("who", "friend", "thing", "place")


@dataclass(frozen=True)
class Beat:
    name: str
    says: tuple
    similes: tuple  # empty where none fits
    lines: tuple  # what may be said after the beat
    senses: str  # "place", a kind of weather, or ""
    facts: tuple


@dataclass(frozen=True)
class Plot:
    name: str
    beats: tuple[Beat, ...]
    twists: tuple
    morals: tuple


@dataclass(frozen=True)
class Library:
    """All that stories.toml says."""

    plots: dict[str, Plot]
    similes: dict[str, tuple]  # by mood
    weather: dict[str, tuple]  # by kind
    facts: dict[str, tuple]  # by what they are about


@cache
def load() -> Library:
    """The plots, read once; raises WorldError at the first mistake."""
    data = world.read_file(FILE)
    lists = world.word_lists(data.get("words", {}), FILE)
    slots = _slot_names()

    def frames_of(text: str, where: str) -> tuple:
        return world.frame_list(text, lists, slots, FILE, where)

    similes, weather, facts = (
        {key: frames_of(text, f"[{part}] {key}") for key, text in data[part].items()}
        for part in ("similes", "weather", "facts")
    )
    library = Library({}, similes, weather, facts)
    for entry in data["plot"]:
        plot = _read_plot(entry, library, frames_of)
        library.plots[plot.name] = plot
    return library


def _slot_names() -> tuple[str, ...]:
    village = world.load()
    person = next(iter(village.people.values()))
    names = (
        world.person_slots(person, "who")
        | world.person_slots(person, "friend")
        | world.thing_slots(next(iter(village.things.values())))
        | world.place_slots(next(iter(village.places.values())))
    )
    return tuple(sorted(name for name in names if name[0].islower()))


def _read_plot(entry: dict, library: Library, frames_of: Callable) -> Plot:
    name = world.field(entry, "name", str, FILE, "[[plot]]")
    where = f"plot {name}"
    entries = world.field(entry, "beat", list, FILE, where)
    _check_conditions(name, entry.get("starts", []), entries)
    beats = tuple(_read_beat(beat, where, library, frames_of) for beat in entries)
    _check_that_all_roles_are_told(name, beats)
    twists = "".join(beat.get("twists", "") for beat in entries)
    morals = world.field(entry, "morals", str, FILE, where)
    return Plot(
        name=name,
        beats=beats,
        twists=frames_of(twists, f"{where}, twists"),
        morals=frames_of(morals, f"{where}, morals"),
    )


def _read_beat(entry: dict, plot: str, library: Library, frames_of: Callable) -> Beat:
    where = f"{plot}, beat {entry.get('name', 'without a name')}"
    mood, senses, facts = (
        _one_of(entry, key, known, where)
        for key, known in (
            ("mood", library.similes),
            ("senses", ("place", *library.weather)),
            ("facts", library.facts),
        )
    )
    return Beat(
        name=world.field(entry, "name", str, FILE, where),
        says=frames_of(world.field(entry, "says", str, FILE, where), where),
        similes=library.similes.get(mood, ()),
        lines=frames_of(entry["lines"], where) if "lines" in entry else (),
        senses=senses,
        facts=library.facts.get(facts, ()),
    )


def _one_of(entry: dict, key: str, known, where: str) -> str:
    value = entry.get(key, "")
    if value and value not in known:
        raise WorldError(
            f"{FILE}: {where}: expected {key!r} to be one of {', '.join(known)}, "
            f"found {value!r}"
        )
    return value


def _check_conditions(plot: str, starts: list[str], beats: list[dict]) -> None:
    """Walks through the plot and sees that every beat's needs hold before it."""
    state = set(starts)
    for beat in beats:
        for key in ("needs", "ends"):
            missing = set(beat.get(key, [])) - state
            if missing:
                raise WorldError(
                    f"{FILE}: plot {plot}, beat {beat.get('name')}: {key} "
                    f"{sorted(missing)}, which does not hold there; what holds: "
                    f"{sorted(state)}"
                )
        state -= set(beat.get("ends", []))
        state |= set(beat.get("makes", []))


def _check_that_all_roles_are_told(plot: str, beats: tuple[Beat, ...]) -> None:
    """A role that is drawn and never told would be bits without text."""
    for role in ROLES:
        if not any(all(tells(frame, role) for frame in beat.says) for beat in beats):
            raise WorldError(
                f"{FILE}: plot {plot}: {{{role}}} may never be told; use it in every "
                "wording of one beat"
            )


def tells(frame, role: str) -> bool:
    """Whether every text of the frame says who or what plays the role. Pronouns and
    facts that several could share do not."""
    slots = [role, f"{role}.a", f"{role}.made"]
    marks = [f"{{{slot}}}" for slot in slots]
    marks += [f"{{{slot.capitalize()}}}" for slot in slots]
    return all(any(mark in text for mark in marks) for text in every_text(frame))
