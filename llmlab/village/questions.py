"""Questions about the village, in both directions, and their answers.

"Where does Greta live?" asks forward, for the value of a fact; "Who lives at the
mill?" asks the reverse. A model that has read a fact in one direction need not know
it in the other: the reversal of one fact in four is asked in tests only, and so is the
last forward wording.
"""

from dataclasses import dataclass
from functools import cache
from zlib import crc32

from llmlab.village import world
from llmlab.village.chooser import Chooser
from llmlab.village.frames import expand

FILE = "questions.toml"


@dataclass(frozen=True)
class Fact:
    """Something that is known of one subject. `value` is what it is, `name` whose."""

    kind: str
    name: str  # of the subject: "Greta", "mill"
    value: str
    slots: dict
    reversible: bool  # no other subject has the same value
    held_out: bool  # its reversal is for tests

    def __hash__(self):
        return hash((self.kind, self.name))


@dataclass(frozen=True)
class Kind:
    """Frames by which a kind of fact is asked and answered."""

    name: str
    ask: tuple
    reverse: tuple
    answers: tuple
    facts: tuple[Fact, ...]


@dataclass(frozen=True)
class Question:
    fact: Fact
    direction: str  # "forward" or "reverse"
    text: str
    answer: str


@cache
def load() -> tuple[Kind, ...]:
    subjects = _subjects()
    return tuple(_read_kind(entry, subjects) for entry in world.entries(FILE, "fact"))


def _subjects() -> dict[str, dict[str, dict]]:
    """For each sort of subject: the slots of every one of them by name."""
    village = world.load()
    return {
        "person": {n: world.person_slots(p, "who") for n, p in village.people.items()},
        "place": {n: world.place_slots(p) for n, p in village.places.items()},
        "thing": {n: world.thing_slots(t) for n, t in village.things.items()},
    }


def _read_kind(entry: world.Entry, subjects: dict[str, dict[str, dict]]) -> Kind:
    name, of = entry.get("name"), subjects[entry.one_of("subject", subjects)]
    slots = tuple(next(iter(of.values())))
    (value,) = entry.frames("value", slots)
    reverse = entry.frames("reverse", slots) if entry.data.get("reverse") else ()
    ask, answers = entry.frames("ask", slots), entry.frames("answers", slots)
    return Kind(name, ask, reverse, answers, _facts(name, value, of, bool(reverse)))


def _facts(kind: str, value, subjects: dict[str, dict], reverse: bool) -> tuple:
    values = {name: expand(value, slots, Chooser()) for name, slots in subjects.items()}
    told = list(values.values())
    facts = []
    for name, slots in subjects.items():
        reversible = reverse and told.count(values[name]) == 1
        held_out = crc32(f"{kind} {name}".encode()) % 4 == 0
        facts.append(Fact(kind, name, values[name], slots, reversible, held_out))
    return tuple(facts)


@cache
def _reversible(held_out: bool) -> tuple[tuple[Kind, tuple[Fact, ...]], ...]:
    """The kinds whose facts can be asked in reverse, with those facts of a split."""
    found = []
    for kind in load():
        facts = tuple(f for f in kind.facts if f.reversible and f.held_out == held_out)
        if facts:
            found.append((kind, facts))
    return tuple(found)


def draw_question(chooser: Chooser, held_out: bool) -> Question:
    """`held_out`: forward in a wording, or the reversal of a fact, that only tests
    use."""
    if chooser.coin(0.5):
        kind, facts = chooser.pick(_reversible(held_out))
        fact, frames, direction = chooser.pick(facts), kind.reverse, "reverse"
    else:
        kind = chooser.pick(load())
        fact, direction = chooser.pick(kind.facts), "forward"
        frames = kind.ask[-1:] if held_out else kind.ask[:-1]
    asked = expand(chooser.pick(frames), fact.slots, chooser)
    answered = expand(chooser.pick(kind.answers), fact.slots, chooser)
    return Question(fact, direction, asked, answered)


@cache
def other_values(fact: Fact) -> frozenset[str]:
    """What an answer must not hold: other values and other subjects of its kind."""
    kind = next(kind for kind in load() if kind.name == fact.kind)
    others = {f.value for f in kind.facts} | {f.name for f in kind.facts}
    right = (fact.value, fact.name)
    bare = {other: other.removeprefix("the ") for other in others}
    return frozenset(o for o in others if not any(bare[o] in each for each in right))
