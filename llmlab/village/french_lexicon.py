"""The words of the phrase book, read from french.toml and checked."""

from dataclasses import dataclass
from functools import cache
from zlib import crc32

from llmlab.village import world

FILE = "french.toml"
KINDS = ("person", "animal", "food", "thing", "place")
PAGE_SLOTS = ("who", "friend", "place", "day")


@dataclass(frozen=True, eq=False)
class Noun:
    english: tuple[str, str]  # singular, plural
    french: tuple[str, str]
    gender: str  # "m" or "f"
    kind: str
    where: tuple[str, ...]  # English prepositions: "under" the table


@dataclass(frozen=True, eq=False)
class Adjective:
    english: str
    forms: dict[tuple[str, bool], str]  # by gender and whether plural
    before: bool  # stands before the noun
    before_vowel: str  # masculine singular, "vieil oncle"
    kinds: tuple[str, ...]
    comparative: str  # "older", or "" if the phrase book does not compare


@dataclass(frozen=True, eq=False)
class Verb:
    english: tuple[str, str]  # "see", "sees"
    past: str  # "saw", or "" for a state
    present: tuple[str, str, str, str]  # je, il, nous, ils
    participle: str
    infinitive: str
    kinds: tuple[str, ...]  # of its object


@dataclass(frozen=True)
class Lexicon:
    nouns: tuple[Noun, ...]
    adjectives: tuple[Adjective, ...]
    verbs: tuple[Verb, ...]
    giving: tuple[Verb, ...]
    prepositions: dict[str, str]
    numbers: dict[str, str]
    titles: dict[str, object]  # a frame for each kind of page


_FORMS = "masculine | feminine | masculine plural | feminine plural"
# The columns of each table, and how many of them are filled in every row.
_TABLES = {
    "prepositions": ("English | French", 2),
    "numbers": ("English | French", 2),
    "nouns": ("English | plural | gender | French | French plural | kind | where", 6),
    "adjectives": (
        f"English | {_FORMS} | place | before a vowel | kinds | comparative",
        6,
    ),
    "verbs": (
        "English | with he | past | je | il | nous | ils | participle | to | of",
        10,
    ),
}
_TABLES["giving"] = _TABLES["verbs"]


@cache
def load() -> Lexicon:
    data, titles = world.whole(FILE), world.section(FILE, "page").all_frames(PAGE_SLOTS)
    rows = {
        table: world.rows(data.get(table), columns, FILE, table, filled)
        for table, (columns, filled) in _TABLES.items()
    }
    prepositions = dict(cells for _, cells in rows["prepositions"])
    return Lexicon(
        nouns=tuple(_read_noun(*row, prepositions) for row in rows["nouns"]),
        adjectives=tuple(_read_adjective(*row) for row in rows["adjectives"]),
        verbs=tuple(_read_verb(*row) for row in rows["verbs"]),
        giving=tuple(_read_verb(*row) for row in rows["giving"]),
        prepositions=prepositions,
        numbers=dict(cells for _, cells in rows["numbers"]),
        titles={name: frames[0] for name, frames in titles.items()},
    )


def _read_noun(line: str, row: list[str], prepositions: dict[str, str]) -> Noun:
    singular, plural, gender, french, french_plural, kind, where = row
    entry = f"nouns: {singular}"
    world.expect_known(gender, ("m", "f"), "gender", FILE, entry, line)
    world.expect_known(kind, KINDS, "kind", FILE, entry, line)
    places = _split(where)
    for place in places:
        world.expect_known(place, prepositions, "where", FILE, entry, line)
    return Noun((singular, plural), (french, french_plural), gender, kind, places)


def _read_adjective(line: str, row: list[str]) -> Adjective:
    english, m, f, m_plural, f_plural, where, before_vowel, kinds, comparative = row
    entry = f"adjectives: {english}"
    world.expect_known(where, ("before", "after"), "place", FILE, entry, line)
    forms = {("m", False): m, ("f", False): f}
    forms |= {("m", True): m_plural, ("f", True): f_plural}
    before, kinds = where == "before", _kinds(kinds, entry, line)
    return Adjective(english, forms, before, before_vowel or m, kinds, comparative)


def _read_verb(line: str, row: list[str]) -> Verb:
    base, with_he, past, je, il, nous, ils, participle, infinitive, kinds = row
    past, present = past if past != "-" else "", (je, il, nous, ils)
    kinds = _kinds(kinds, f"verbs: {base}", line)
    return Verb((base, with_he), past, present, participle, infinitive, kinds)


def _split(cell: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in cell.split(",") if word.strip())


def _kinds(cell: str, entry: str, line: str) -> tuple[str, ...]:
    kinds = KINDS if cell == "any" else _split(cell)
    for kind in kinds or ("",):
        world.expect_known(kind, KINDS, "kinds", FILE, entry, line)
    return kinds


def _kept_for(noun: Noun, adjective: Adjective) -> str:
    """The split that shows a pair: tests and validation keep one in eight each."""
    number = crc32(f"{noun.english[0]} {adjective.english}".encode()) % 8
    return {0: "test", 1: "validation"}.get(number, "train")


@cache
def adjectives_for(noun: Noun, split: str) -> tuple[Adjective, ...]:
    """The adjectives that stand with a noun in a split and in no other."""
    fitting = adjectives_of(noun.kind)
    return tuple(a for a in fitting if _kept_for(noun, a) == split)


@cache
def adjectives_of(kind: str) -> tuple[Adjective, ...]:
    return tuple(a for a in load().adjectives if kind in a.kinds)


@cache
def nouns_of(kinds: tuple[str, ...], split: str, compared: bool = False):
    """The nouns of some kinds that have an adjective in a split, or one to compare."""

    def has_adjective(noun):
        fitting = adjectives_for(noun, split)
        return bool(comparable(fitting) if compared else fitting)

    return tuple(n for n in load().nouns if n.kind in kinds and has_adjective(n))


def comparable(adjectives: tuple[Adjective, ...]) -> tuple[Adjective, ...]:
    """Those that the phrase book compares."""
    return tuple(a for a in adjectives if a.comparative)


@cache
def verbs(tense: str) -> tuple[Verb, ...]:
    """The verbs with one object: a state is told in the present only."""
    return tuple(verb for verb in load().verbs if verb.past or tense == "present")


@cache
def wishes() -> tuple[Verb, ...]:
    """What one says of an action: I want, I love to find the key."""
    return tuple(verb for verb in load().verbs if verb.english[0] in ("want", "love"))


@cache
def spots() -> tuple[Noun, ...]:
    """Under, on, in, at or with what something can be."""
    return tuple(noun for noun in load().nouns if noun.where)
