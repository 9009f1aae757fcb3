"""The factors of a sentence, and which of their combinations tests keep to themselves.

A cell is a choice of person, tense, polarity and frame: "we / past / no / action". One
cell in five stands in tests or validation only, but every two of its factors meet in
cells of training: what is new is that all four come together.
"""

from dataclasses import dataclass
from itertools import product

PERSONS = ("I", "we", "he or she", "name", "two names", "noun", "nouns")
TENSES = ("present", "past", "future")
POLARITIES = ("yes", "no")


@dataclass(frozen=True)
class Cell:
    """A description ("the new inn") has its frame only, and the other factors are "".
    `split` tells where the cell is shown: "train", "validation" or "test"."""

    person: str
    tense: str
    polarity: str
    frame: str
    split: str = "train"

    @property
    def negative(self) -> bool:
        return self.polarity == "no"

    @property
    def weight(self) -> float:
        """Told more often is what has verb forms of its own: the present, I and we."""
        own = 2.5 if self.person in ("I", "we") else 1.0
        return 2.0 * own if self.tense == "present" else own

    def __str__(self) -> str:
        factors = (self.person, self.tense, self.polarity, self.frame)
        return " / ".join(factor for factor in factors if factor)


def every_cell(persons, tenses, frame: str, number: int) -> list[Cell]:
    """The cells of a frame; frames of one `number` keep the same for tests."""
    if "" in persons:
        return [Cell("", "", "", frame)]
    return [
        Cell(*factors, frame, _split_of(*factors, number))
        for factors in product(persons, tenses, POLARITIES)
    ]


def _split_of(person: str, tense: str, polarity: str, number: int) -> str:
    """As in a Latin square: a step in any factor leads to another remainder."""
    place = PERSONS.index(person) + 3 * TENSES.index(tense)
    place += 4 * POLARITIES.index(polarity) + 3 * number
    return {0: "test", 5: "validation"}.get(place % 10, "train")
