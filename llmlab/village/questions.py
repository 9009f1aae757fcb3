"""Questions about the village, in both directions and of two steps, and their answers.

"Where does Greta live?" asks forward, for the value of a fact; "Who lives at the
mill?" asks the reverse; "Where does the owner of the mirror live?" for the fact of a
fact. A model that has read a fact in one direction need not know it in the other, and
one that knows two facts need not join them. So training leaves out, for validation and
for tests: a wording of each kind, the reversal of some facts, and some combinations of
two facts, each of which it asks alone.
"""

from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from zlib import crc32

from llmlab.village import world
from llmlab.village.chooser import Chooser
from llmlab.village.frames import expand

FILE = "questions.toml"
TWO_STEPS, SAID_FIRST = "two steps", "two steps, said first"
THINK = "Think first."  # asks for the two facts before the answer
_STEPS = dict.fromkeys((TWO_STEPS, SAID_FIRST), 0.15)
_SHARES = {"known wording": 0.35, "backwards": 0.35} | _STEPS
_SHARES_KEPT_OUT = {"new wording": 0.4, "backwards": 0.3} | _STEPS
_OF_PHRASES = 4  # wordings that take "the owner of the mirror" for a name: the first


@dataclass(frozen=True)
class Fact:
    """Something that is known of one subject. `value` is what it is, `name` whose."""

    kind: str
    name: str  # of the subject: "Greta", "mill"
    value: str
    slots: dict
    reversible: bool  # no other subject has the same value
    split: str  # in which its reversal may be asked

    def __hash__(self):
        return hash((self.kind, self.name))


@dataclass(frozen=True, eq=False)
class Kind:
    """Frames by which a kind of fact is asked and answered.

    leads, phrases : if the values are people or places, which, and how one calls the
        value: "the owner of the mirror".
    """

    name: str
    subject: str
    ask: tuple
    reverse: tuple
    answers: tuple
    facts: tuple[Fact, ...]
    leads: str
    phrases: tuple

    def wordings(self, split: str) -> tuple:
        """Those that ask forward in a split."""
        kept = {"validation": self.ask[-2:-1], "test": self.ask[-1:]}
        return kept.get(split, self.ask[:-2])


@dataclass(frozen=True)
class Question:
    """`link` : of two steps, the fact whose value is the subject of `fact`."""

    fact: Fact
    phenomenon: str
    text: str
    answer: str
    link: Fact | None = None


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
    name, subject = entry.get("name"), entry.one_of("subject", subjects)
    slots = tuple(next(iter(subjects[subject].values())))
    ask, answers = entry.frames("ask", slots), entry.frames("answers", slots)
    reverse = entry.frames("reverse", slots) if entry.data.get("reverse") else ()
    (value,) = entry.frames("value", slots)
    facts = _facts(name, value, subjects[subject], bool(reverse))
    values = {_bare(fact.value) for fact in facts}
    leads = next((sort for sort in subjects if values <= subjects[sort].keys()), "")
    phrases = entry.frames("phrases", slots) if leads else ()
    return Kind(name, subject, ask, reverse, answers, facts, leads, phrases)


@cache
def _kinds() -> dict[str, Kind]:
    return {kind.name: kind for kind in load()}


def _bare(value: str) -> str:
    """The name of a place without its article."""
    return value.removeprefix("the ")


def _facts(kind: str, value, subjects: dict[str, dict], reverse: bool) -> tuple:
    values = {name: expand(value, slots, Chooser()) for name, slots in subjects.items()}
    told = list(values.values())
    facts = []
    for name, slots in subjects.items():
        reversible = reverse and told.count(values[name]) == 1
        split = _split_of(f"{kind} {name}", validation=1 / 8, test=1 / 8)
        facts.append(Fact(kind, name, values[name], slots, reversible, split))
    return tuple(facts)


def _split_of(key: str, *, validation: float, test: float) -> str:
    place = crc32(key.encode()) / 2**32
    if place < test:
        return "test"
    return "validation" if place < test + validation else "train"


@cache
def _reversible(split: str) -> list[list[Fact]]:
    """For each kind: the facts that a split asks in reverse."""
    found = [[f for f in k.facts if f.reversible and f.split == split] for k in load()]
    return list(filter(None, found))


@cache
def _combinations(split: str) -> dict[str, list[tuple[Fact, Fact]]]:
    """By the kind of the first: two facts that a question of a split joins."""
    found = defaultdict(list)
    pairs = [(a, b) for a in load() for b in load() if a.leads == b.subject and a != b]
    for first, second in pairs:
        of = {fact.name: fact for fact in second.facts}
        for link in first.facts:
            key = f"{link.kind} {link.name} {second.name}"
            if _split_of(key, validation=1 / 12, test=1 / 6) == split:
                found[first.name].append((link, of[_bare(link.value)]))
    return dict(found)


def draw_question(chooser: Chooser, split: str) -> Question:
    """In validation and tests: forward in a wording, the reversal of a fact or two
    facts together that training never asks."""
    kind = chooser.weighted(_SHARES if split == "train" else _SHARES_KEPT_OUT)
    if kind not in _STEPS:
        return ask_of_one_fact(chooser, split, backwards=kind == "backwards")
    pairs = _combinations(split)
    of_kind = chooser.weighted({name: len(found) for name, found in pairs.items()})
    return _ask_of_two(chooser, *chooser.pick(pairs[of_kind]), kind == SAID_FIRST)


def ask_of_one_fact(chooser: Chooser, split: str, backwards: bool) -> Question:
    """Of any fact, or of one whose reversal belongs to the split."""
    facts = _reversible(split) if backwards else [kind.facts for kind in load()]
    fact = chooser.pick(chooser.pick(facts))
    kind = _kinds()[fact.kind]
    phenomenon = "known wording" if split == "train" else "new wording"
    frames = kind.reverse if backwards else kind.wordings(split)
    asked = expand(chooser.pick(frames), fact.slots, chooser)
    answered = expand(chooser.pick(kind.answers), fact.slots, chooser)
    return Question(fact, "backwards" if backwards else phenomenon, asked, answered)


def _ask_of_two(chooser: Chooser, link: Fact, fact: Fact, said_first: bool) -> Question:
    """The value of `link` is called by a phrase: "the owner of the mirror"."""
    first, kind = _kinds()[link.kind], _kinds()[fact.kind]
    role = "who" if kind.subject == "person" else kind.subject
    phrase = expand(chooser.pick(first.phrases), link.slots, chooser)
    slots = fact.slots | world.with_capitals({role: phrase})
    asked = expand(chooser.pick(kind.ask[:_OF_PHRASES]), slots, chooser)
    if not said_first:
        answered = expand(kind.answers[0], slots, chooser)
        return Question(fact, TWO_STEPS, asked, answered, link)
    one = expand(first.answers[0], link.slots, chooser)
    other = expand(kind.answers[0], fact.slots, chooser)
    said = f"{one} {other} Answer: {fact.value}."
    return Question(fact, SAID_FIRST, f"{asked} {THINK}", said, link)


def two_step_questions(split: str, *, said_first: bool = False) -> list[Question]:
    """One of every combination of two facts of a split, always in the same wording."""
    return [
        _ask_of_two(Chooser(link.kind, link.name, fact.kind), link, fact, said_first)
        for joined in _combinations(split).values()
        for link, fact in joined
    ]


@cache
def other_values(fact: Fact) -> frozenset[str]:
    """What an answer must not hold: other values and other subjects of its kind."""
    facts = _kinds()[fact.kind].facts
    others = {f.value for f in facts} | {f.name for f in facts}
    right = (fact.value, fact.name)
    bare = {other: _bare(other) for other in others}
    return frozenset(o for o in others if not any(bare[o] in each for each in right))
