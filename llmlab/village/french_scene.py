"""What a bilingual page or sentence is about.

A page keeps to a few people, things and places, and a thing keeps its adjective.
Each is drawn when it is first told: what a text does not tell is never drawn, so that
the bits of a derivation are bits of its text.
"""

from functools import cache

from llmlab.village import world
from llmlab.village.chooser import Chooser
from llmlab.village.french_lexicon import Adjective, Noun, adjectives_for, nouns_of
from llmlab.village.world import Person

GENDERS = ("female", "male")


@cache
def _people_of(gender: str) -> tuple[Person, ...]:
    people = world.load().people.values()
    return tuple(person for person in people if person.gender == gender)


@cache
def _nouns_without(
    kinds: tuple[str, ...], held_out: bool, taken: tuple[Noun, ...]
) -> tuple[Noun, ...]:
    return tuple(noun for noun in nouns_of(kinds, held_out) if noun not in taken)


class Scene:
    """One woman and one man, so that `she` and `he` are clear; two things, something
    alive, and a place. `described` is how often a noun is told with its adjective;
    `held_out` says whether the adjectives are those of tests only."""

    def __init__(self, chooser: Chooser, held_out: bool):
        self.chooser = chooser
        self.held_out = held_out
        self.described = 1.0 if held_out else 0.5
        self.thing = Entry(self, ("food", "thing"))
        self.other = Entry(self, ("food", "thing"))
        self.living = Entry(self, ("person", "animal"))
        self.place = Entry(self, ("place",))
        self._people: dict[str, Person] = {}
        self._first_gender = ""

    @property
    def things(self) -> "tuple[Entry, Entry]":
        return self.thing, self.other

    def person(self, gender: str) -> Person:
        """The woman or the man of the scene."""
        if gender not in self._people:
            self._people[gender] = self.chooser.pick(_people_of(gender))
        return self._people[gender]

    @property
    def who(self) -> Person:
        return self.person(self._genders()[0])

    @property
    def friend(self) -> Person:
        return self.person(self._genders()[1])

    def _genders(self) -> tuple[str, str]:
        if not self._first_gender:
            self._first_gender = self.chooser.pick(GENDERS)
        first = self._first_gender
        return first, GENDERS[first == "female"]


class Entry:
    """A noun of a scene with the adjective that it keeps."""

    def __init__(self, scene: Scene, kinds: tuple[str, ...]):
        self._scene = scene
        self._kinds = kinds
        self._noun: Noun | None = None
        self._adjective: Adjective | None = None
        self._denied: tuple[Adjective, ...] = ()

    @property
    def is_drawn(self) -> bool:
        return self._noun is not None

    @property
    def noun(self) -> Noun:
        if self._noun is None:
            scene = self._scene
            taken = tuple(e.noun for e in scene.things if e.is_drawn)
            nouns = _nouns_without(self._kinds, scene.held_out, taken)
            self._noun = scene.chooser.pick(nouns)
        return self._noun

    @property
    def adjective(self) -> Adjective:
        if self._adjective is None:
            self._adjective = self._scene.chooser.pick(self._adjectives(self._denied))
        return self._adjective

    def deny(self) -> Adjective:
        """An adjective that it does not have and will not get."""
        known = (self._adjective,) if self._adjective else ()
        adjective = self._scene.chooser.pick(self._adjectives(known))
        self._denied = (*self._denied, adjective)
        return adjective

    def _adjectives(self, without: tuple[Adjective, ...]) -> tuple[Adjective, ...]:
        """Those of its split; a noun with only one held-out adjective keeps it."""
        adjectives = adjectives_for(self.noun, self._scene.held_out)
        return tuple(a for a in adjectives if a not in without) or adjectives
