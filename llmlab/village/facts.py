"""What is true in the village, fact by fact, and how often texts tell each of them.

A model can only know what it has read. So before a fact is asked for, the sentences
that told it are counted, in each direction: "Viktor lives at the boathouse" names the
person first, "At the boathouse lives Viktor" what is said of the person.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from llmlab.village import world
from llmlab.village.minimal_pairs import sentences_of

FORWARD, BACKWARD = "forward", "backward"


@dataclass(frozen=True)
class Fact:
    """Of `subject` it is true that its `kind` is `value`.

    bond : of kin, what the other person is: it has to be named.
    """

    kind: str  # "home"
    subject: str  # "Viktor"
    value: str  # "boathouse"
    bond: str = ""


OF_PEOPLE = ("home", "trade", "like", "wish", "habit", "fear")
OF_THINGS = ("kept", "owner", "use")


@cache
def facts_of_people() -> tuple[Fact, ...]:
    """In the order of their kinds: who lives where, works as what, and so on."""
    people = world.load().people.values()
    return (
        *(Fact(kind, p.name, getattr(p, kind)) for kind in OF_PEOPLE for p in people),
        *(Fact("kin", p.name, p.kin, p.bond) for p in people),
    )


@cache
def every_fact() -> tuple[Fact, ...]:
    """Of people, then of things and of places."""
    things, places = world.load().things.values(), world.load().places.values()
    return (
        *facts_of_people(),
        *(Fact(kind, t.name, getattr(t, kind)) for kind in OF_THINGS for t in things),
        *(Fact("near", p.name, p.near) for p in places),
        *(Fact("mark", p.name, p.mark) for p in places),
        *(Fact("visit", p.name, p.use) for p in places),
    )


def told(sentence: str) -> list[tuple[Fact, str]]:
    """The facts that a sentence tells, each with its direction."""
    found = []
    subjects: dict[str, int] = {}
    for match in _subjects().finditer(sentence):
        subjects.setdefault(match[0], match.start())
    for subject, start in subjects.items():
        for fact, value, sign in _patterns()[subject]:
            match = value.search(sentence)
            if match and sign.search(sentence):
                found.append((fact, FORWARD if start < match.start() else BACKWARD))
    return found


def count_readings(texts: Iterable[tuple[str, int]]) -> Counter[tuple[Fact, str]]:
    """How often each fact was read in each direction.

    texts : documents, and how often each was read.
    """
    read: Counter[str] = Counter()
    for text, times in texts:
        if times:
            for sentence in sentences_of("\n" + text):
                read[sentence] += times
    counts: Counter[tuple[Fact, str]] = Counter()
    for sentence, times in read.items():
        for fact_and_direction in told(sentence):
            counts[fact_and_direction] += times
    return counts


@cache
def _subjects() -> re.Pattern:
    names = sorted({fact.subject for fact in every_fact()}, key=len, reverse=True)
    return re.compile(rf"\b({'|'.join(map(re.escape, names))})\b")


@cache
def _patterns() -> dict[str, list[tuple[Fact, re.Pattern, re.Pattern]]]:
    """By subject: each fact, what its value looks like, and what must be said."""
    told_with = world.read_file("probes.toml")["told_with"]
    found = defaultdict(list)
    for fact in every_fact():
        value = re.compile(rf"\b{re.escape(fact.value)}\b")
        sign = re.compile(rf"\b(?:{told_with.get(fact.kind, fact.bond)})\b")
        found[fact.subject].append((fact, value, sign))
    return found
