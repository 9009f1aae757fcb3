"""The plots of words/plots, parsed and checked.

A plot is a sequence of beats, each a sentence in several wordings. What must hold
before a beat and what holds after it is written beside it, and checked here once, so
that no telling of a plot can contradict itself.
"""

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from llmlab.village import simulation, world
from llmlab.village.calendar import calendar, time_slots
from llmlab.village.frames import Choice, Slot, small
from llmlab.village.simulation import Schema, State, Step
from llmlab.village.world import Entry, WorldError

SHARED = "stories.toml"
FOLDER = "plots"
# What is drawn for an event, and so must be told by every telling of it.
ROLES = ("who", "friend", "thing", "place", "day", "time", "weather")


@dataclass(frozen=True)
class Beat:
    """A sentence in several wordings, and what a teller may add after it; each of
    these is empty where nothing fits."""

    name: str
    says: tuple
    similes: tuple
    lines: tuple
    senses: tuple
    facts: tuple
    words: float  # how long `says` is on average


@dataclass(frozen=True, eq=False)
class Plot:
    """`label` is what a story is asked for by, such as "a quarrel". `deed`, its `cause`
    and the `outcome` say in short what happens: clauses in the past tense, frames
    without choices."""

    name: str
    label: str
    schema: Schema
    beats: tuple[Beat, ...]
    twists: tuple
    morals: tuple
    deed: Any
    outcome: Any
    cause: Any = None


@dataclass(frozen=True)
class Library:
    """All that stories are told from."""

    plots: dict[str, Plot]
    similes: dict[str, tuple]  # by mood
    senses: dict[str, tuple]  # by what one perceives
    facts: dict[str, tuple]  # by what they are about

    def schemas(self) -> tuple[Schema, ...]:
        """What can happen in the village."""
        return tuple(plot.schema for plot in self.plots.values())


@cache
def load() -> Library:
    """The plots, read once; raises WorldError at the first mistake."""
    slots, lists = slot_names(), word_lists()
    added = (
        world.section(SHARED, part).all_frames(slots, lists)
        for part in ("similes", "senses", "facts")
    )
    library = Library({}, *added)
    names = [path.name for path in (world.WORDS / FOLDER).iterdir()]
    for name in sorted(name for name in names if name.endswith(".toml")):
        plot = _read_plot(f"{FOLDER}/{name}", library, slots, lists)
        library.plots[plot.name] = plot
    return library


def word_lists() -> dict[str, tuple]:
    """The word lists that all stories share; <object> is the name of any thing."""
    words = world.read_file(SHARED)["words"]
    lists = world.word_lists(words, SHARED, slot_names())
    return lists | {"object": tuple(world.load().things)}


@cache
def slot_names() -> tuple[str, ...]:
    """The slots that a story may use."""
    names = {name for slots in _every_filling() for name in slots}
    return tuple(sorted(name for name in names if name[0].islower()))


def _every_filling() -> list[dict[str, Any]]:
    """The slots that a story may use, as each person, thing and so on fills them."""
    village, times = world.load(), calendar()
    people = village.people.values()
    return [
        *(world.person_slots(person, "who") for person in people),
        *(world.person_slots(person, "friend") for person in people),
        *(world.thing_slots(thing) for thing in village.things.values()),
        *(world.place_slots(place) for place in village.places.values()),
        *(time_slots(times.days[0], "morning", weather) for weather in times.signs),
        {"other": ""},
    ]


def _read_plot(file: str, library: Library, slots, lists) -> Plot:
    entry = Entry(file, "a plot", world.read_file(file))
    name = entry.get("name")
    entry, parts = replace(entry, where=name), entry.get("beat", list)
    parts = [Entry(file, f"beat {part.get('name')}", part) for part in parts]
    _check_label(entry, library)
    _check_that_nothing_is_added_twice(parts)
    _check_that_the_place_is_perceived_there(parts)
    beats = tuple(_read_beat(part, library, slots, lists) for part in parts)
    _check_that_all_roles_are_told(beats, file)
    says = {
        key: entry.frames(key, slots, lists)
        for key in ("twists", "morals", "deed", "cause", "outcome")
    }
    says |= {key: says[key][0] for key in ("deed", "cause", "outcome")}
    return Plot(name, entry.get("label"), _schema(entry, parts), beats, **says)


def _check_label(entry: Entry, library: Library) -> None:
    label = entry.get("label")
    taken = {plot.label for plot in library.plots.values()}
    things = {world.with_article(thing) for thing in world.load().things}
    if label in taken | things:
        raise entry.mistake(
            f"a story asked for by {label!r} could be about a thing or another plot of "
            "that name; choose a label of its own",
            entry.line_of("label"),
        )


def _read_beat(entry: Entry, library: Library, slots, lists) -> Beat:
    def added(key: str, known: dict[str, tuple]) -> tuple:
        return known[entry.one_of(key, known)] if entry.data.get(key) else ()

    says = entry.frames("says", slots, lists)
    return Beat(
        name=entry.get("name"),
        says=says,
        similes=added("mood", library.similes),
        lines=entry.frames("lines", slots, lists) if "lines" in entry.data else (),
        senses=added("senses", library.senses),
        facts=added("facts", library.facts),
        words=mean_words(Choice(says)),
    )


def _schema(entry: Entry, beats: list[Entry]) -> Schema:
    """What happens; walks through it and sees that each beat's needs hold before it."""
    times = calendar()
    known = {"things": (*world.MARKS, "any"), "times": times.hours}
    for key, values in (known | {"weathers": times.signs}).items():
        for value in entry.data.get(key, ()):
            line = entry.line_of(key)
            world.expect_known(value, values, key, entry.file, entry.where, line)

    def listed(entry: Entry, *keys: str) -> list[tuple[str, ...]]:
        return [tuple(entry.data.get(key, ())) for key in keys]

    steps = [
        Step(beat.data["name"], *listed(beat, "needs", "ends", "makes"))
        for beat in beats
    ]
    starts, *fits = listed(entry, "starts", "things", "times", "weathers")
    schema = Schema(entry.data["name"], starts, tuple(steps), *fits)
    try:
        simulation.happen(schema, {role: role for role in ROLES}, State())
    except simulation.Refused as refusal:
        place = world.at_line(entry.file, f'name = "{refusal.step}"')
        raise WorldError(f"{place}: {refusal}") from None
    return schema


def _check_that_nothing_is_added_twice(beats: list[Entry]) -> None:
    """So that no story tells the same detail or fact two times."""
    for key in ("mood", "senses", "facts"):
        seen = set()
        for beat in (beat for beat in beats if key in beat.data):
            if beat.data[key] in seen:
                raise beat.mistake(
                    f"{key} {beat.data[key]!r} in more than one beat; a story would "
                    "repeat itself: name another or none",
                    beat.line_of(key),
                )
            seen.add(beat.data[key])


def _check_that_the_place_is_perceived_there(beats: list[Entry]) -> None:
    """One smells, hears and sees a place only when one is there."""
    made: list[str] = []
    for beat in beats:
        made += beat.data.get("makes", [])
        detail = beat.data.get("senses", "weather")
        if detail != "weather" and "who at place" not in made:
            raise beat.mistake(
                f"{detail!r} is of the place, but 'who at place' does not hold yet; "
                "move it to a later beat",
                beat.line_of("senses"),
            )


def _check_that_all_roles_are_told(beats: tuple[Beat, ...], file: str) -> None:
    """A role that is drawn and never told would be bits without text."""
    for role in ROLES:
        if not any(all(tells(says, role) for says in beat.says) for beat in beats):
            raise WorldError(
                f"{file}, line 1: {{{role}}} may never be told; use it in every "
                "wording of one beat"
            )


def tells(node, role: str) -> bool:
    """Whether every text of a frame says who or what plays the role. Pronouns and
    facts that several could share do not."""
    if isinstance(node, Slot):
        named = (role, f"{role}.a", f"{role}.made", f"a_{role}")
        return small(node.name) in named
    if isinstance(node, Choice):
        return all(tells(option, role) for option in node.options)
    if isinstance(node, tuple):
        return any(tells(part, role) for part in node)
    return False


def mean_words(node) -> float:
    """About how many words a frame gives on average."""
    return 1.0 + _mean_spaces(node)


def _mean_spaces(node) -> float:
    if isinstance(node, str):
        return node.count(" ")
    if isinstance(node, Slot):
        return _spaces_of_slots()[small(node.name)]
    if isinstance(node, Choice):
        return sum(map(_mean_spaces, node.options)) / len(node.options)
    return sum(map(_mean_spaces, node))


@cache
def _spaces_of_slots() -> dict[str, float]:
    """The mean over the village of what each slot is filled with."""
    spaces: dict[str, list[float]] = {}
    for slots in _every_filling():
        for name, filling in slots.items():
            spaces.setdefault(name, []).append(_mean_spaces(filling))
    return {name: sum(counts) / len(counts) for name, counts in spaces.items()}
