"""The plots of words/plots, parsed and checked.

A plot is a sequence of beats, each a sentence in several wordings. What must hold
before a beat and what holds after it is written beside it, and checked here once, so
that no telling of a plot can contradict itself.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

from llmlab.village import simulation, world
from llmlab.village.calendar import calendar, time_slots
from llmlab.village.frames import Choice, Slot, small
from llmlab.village.simulation import Schema, State, Step
from llmlab.village.world import WorldError

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
    data = world.read_file(SHARED)
    slots = slot_names()
    lists = word_lists()
    similes, senses, facts = (
        {
            key: world.frame_list(text, lists, slots, SHARED, f"[{part}] {key}")
            for key, text in data[part].items()
        }
        for part in ("similes", "senses", "facts")
    )
    library = Library({}, similes, senses, facts)
    names = [path.name for path in (world.WORDS / FOLDER).iterdir()]
    for name in sorted(name for name in names if name.endswith(".toml")):
        plot = _Reader(f"{FOLDER}/{name}", library, lists, slots).plot()
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


@dataclass(frozen=True)
class _Reader:
    """Reads one file of a plot."""

    file: str
    library: Library
    lists: dict[str, tuple]
    slots: tuple[str, ...]

    def plot(self) -> Plot:
        data = world.read_file(self.file)
        name = world.field(data, "name", str, self.file, "a plot")
        entries = world.field(data, "beat", list, self.file, name)
        beats = tuple(self._beat(entry) for entry in entries)
        self._check_that_nothing_is_added_twice(entries)
        self._check_that_the_place_is_perceived_there(entries)
        self._check_that_all_roles_are_told(beats)
        return Plot(
            name=name,
            label=self._label(data),
            schema=self._schema(name, data, entries),
            beats=beats,
            twists=self._frames(data, "twists"),
            morals=self._frames(data, "morals"),
            deed=self._frames(data, "deed")[0],
            cause=self._frames(data, "cause")[0],
            outcome=self._frames(data, "outcome")[0],
        )

    def _label(self, data: dict) -> str:
        label = world.field(data, "label", str, self.file, "a plot")
        taken = {plot.label for plot in self.library.plots.values()}
        things = {world.with_article(thing) for thing in world.load().things}
        if label in taken | things:
            place = world.at_line(self.file, f'label = "{label}"')
            raise WorldError(
                f"{place}: a story asked for by {label!r} could be about a thing or "
                "another plot of that name; choose a label of its own"
            )
        return label

    def _frames(self, entry: dict, key: str) -> tuple:
        where = entry["name"]
        text = world.field(entry, key, str, self.file, where)
        where = f"{where}, {key}"
        return world.frame_list(text, self.lists, self.slots, self.file, where)

    def _beat(self, entry: dict) -> Beat:
        world.field(entry, "name", str, self.file, "a beat")
        says = self._frames(entry, "says")
        return Beat(
            name=entry["name"],
            says=says,
            similes=self._added(entry, "mood", self.library.similes),
            lines=self._frames(entry, "lines") if "lines" in entry else (),
            senses=self._added(entry, "senses", self.library.senses),
            facts=self._added(entry, "facts", self.library.facts),
            words=mean_words(Choice(says)),
        )

    def _added(self, entry: dict, key: str, known: dict[str, tuple]) -> tuple:
        value = entry.get(key, "")
        if value:
            where, line = f"beat {entry['name']}", f'{key} = "{value}"'
            world.expect_known(value, known, key, self.file, where, line)
        return known.get(value, ())

    def _schema(self, name: str, data: dict, entries: list[dict]) -> Schema:
        known = {
            "things": (*world.MARKS, "any"),
            "times": calendar().hours,
            "weathers": calendar().signs,
        }
        for key, values in known.items():
            for value in data.get(key, ()):
                world.expect_known(value, values, key, self.file, name, f"{key} = ")
        steps = tuple(
            Step(
                entry["name"],
                *(tuple(entry.get(key, ())) for key in ("needs", "ends", "makes")),
            )
            for entry in entries
        )
        schema = Schema(
            name,
            tuple(data.get("starts", ())),
            steps,
            *(tuple(data.get(key, ())) for key in known),
        )
        self._check_conditions(schema)
        return schema

    def _check_conditions(self, schema: Schema) -> None:
        """Walks through the plot and sees that every beat's needs hold before it."""
        roles = {role: role for role in ROLES}
        try:
            simulation.happen(schema, roles, State())
        except simulation.Refused as refusal:
            place = world.at_name(self.file, refusal.step)
            raise WorldError(f"{place}: {refusal}") from None

    def _check_that_nothing_is_added_twice(self, entries: list[dict]) -> None:
        """So that no story tells the same detail or fact two times."""
        for key in ("mood", "senses", "facts"):
            values = [entry[key] for entry in entries if key in entry]
            for value in values:
                if values.count(value) > 1:
                    place = world.at_line(self.file, f'{key} = "{value}"')
                    raise WorldError(
                        f"{place}: {key} {value!r} in more than one beat; a story "
                        "would repeat itself: name another or none"
                    )

    def _check_that_the_place_is_perceived_there(self, entries: list[dict]) -> None:
        """One smells, hears and sees a place only when one is there."""
        made: list[str] = []
        for entry in entries:
            made += entry.get("makes", [])
            detail = entry.get("senses", "weather")
            if detail != "weather" and "who at place" not in made:
                place = world.at_line(self.file, f'senses = "{detail}"')
                raise WorldError(
                    f"{place}: beat {entry['name']}: {detail!r} is of the place, but "
                    "'who at place' does not hold yet; move it to a later beat"
                )

    def _check_that_all_roles_are_told(self, beats: tuple[Beat, ...]) -> None:
        """A role that is drawn and never told would be bits without text."""
        for role in ROLES:
            if not any(
                all(tells(frame, role) for frame in beat.says) for beat in beats
            ):
                raise WorldError(
                    f"{self.file}, line 1: {{{role}}} may never be told; use it in "
                    "every wording of one beat"
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
