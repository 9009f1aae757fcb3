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


@cache
def load() -> Lexicon:
    data = world.read_file(FILE)
    prepositions = dict(_rows(data, "prepositions", 2))
    return Lexicon(
        nouns=tuple(
            _read_noun(row, prepositions) for row in _rows(data, "nouns", 7, 6)
        ),
        adjectives=tuple(
            _read_adjective(row) for row in _rows(data, "adjectives", 9, 6)
        ),
        verbs=tuple(_read_verb(row) for row in _rows(data, "verbs", 9)),
        giving=tuple(_read_verb(row) for row in _rows(data, "giving", 9)),
        prepositions=prepositions,
        numbers=dict(_rows(data, "numbers", 2)),
        titles=_read_titles(data),
    )


def _read_titles(data: dict) -> dict[str, object]:
    titles = world.field(data, "page", dict, FILE, "[page]")
    return {
        name: world.frame_list(text, {}, PAGE_SLOTS, FILE, f"[page] {name}")[0]
        for name, text in titles.items()
    }


def _rows(data: dict, table: str, columns: int, filled: int = 0) -> list[list[str]]:
    """The rows of a table; the first `filled` cells (or all) must not be empty. Cells
    that are missing at the end of a row count as empty."""
    rows = []
    for line in world.field(data, table, str, FILE, table).splitlines():
        if not line.strip():
            continue
        row = [cell.strip() for cell in line.split("|")]
        if filled:
            row += [""] * (columns - len(row))
        if len(row) != columns or not all(row[: filled or columns]):
            empty = _empty_cell(row, filled or columns, table)
            raise world.WorldError(
                f"{world.at_line(FILE, line)}: {table}: {line!r}: expected {columns} "
                f"columns divided by |{empty}"
            )
        rows.append(row)
    names = [row[0] for row in rows]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise world.WorldError(
            f"{_at(twice[0])}: {table}: {twice} occur twice, so that English would "
            "have two translations; delete one"
        )
    return rows


def _empty_cell(row: list[str], filled: int, table: str) -> str:
    names = _COLUMNS.get(table, ())
    for name, cell in zip(names, row[:filled], strict=False):
        if not cell:
            return f"; {row[0]}: expected the {name}, found nothing"
    return ""


_COLUMNS = {
    "nouns": ("English", "plural", "gender", "French", "French plural", "kind"),
    "adjectives": ("English", "masculine", "feminine", "masculine plural")
    + ("feminine plural", "place"),
}


def _at(entry: str) -> str:
    """Where the row of an entry stands: its first cell is followed by a column."""
    for number, line in enumerate(world.lines_of(FILE), start=1):
        if line.partition("|")[0].strip() == entry:
            return f"{FILE}, line {number}"
    return FILE


def _read_noun(row: list[str], prepositions: dict[str, str]) -> Noun:
    singular, plural, gender, french, french_plural, kind, where = row
    if gender not in ("m", "f"):
        raise world.WorldError(
            f"{_at(singular)}: nouns: {singular}: expected gender m or f, found "
            f"{gender!r}; is a column missing?"
        )
    _kinds(kind, "nouns", singular)
    places = _split(where)
    unknown = sorted(set(places) - set(prepositions))
    if unknown:
        raise world.WorldError(
            f"{_at(singular)}: nouns: {singular}: expected prepositions out of "
            f"{', '.join(prepositions)}, found {unknown}"
        )
    return Noun((singular, plural), (french, french_plural), gender, kind, places)


def _read_adjective(row: list[str]) -> Adjective:
    english, m, f, m_plural, f_plural, where, before_vowel, kinds, comparative = row
    if where not in ("before", "after"):
        raise world.WorldError(
            f"{_at(english)}: adjectives: {english}: expected before or after, found "
            f"{where!r}"
        )
    forms = {
        ("m", False): m,
        ("f", False): f,
        ("m", True): m_plural,
        ("f", True): f_plural,
    }
    return Adjective(
        english,
        forms,
        where == "before",
        before_vowel or m,
        _kinds(kinds, "adjectives", english),
        comparative,
    )


def _read_verb(row: list[str]) -> Verb:
    base, with_he, past, je, il, nous, ils, participle, kinds = row
    return Verb(
        (base, with_he),
        "" if past == "-" else past,
        (je, il, nous, ils),
        participle,
        _kinds(kinds, "verbs", base),
    )


def _split(cell: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in cell.split(",") if word.strip())


def _kinds(cell: str, table: str, entry: str) -> tuple[str, ...]:
    kinds = KINDS if cell == "any" else _split(cell)
    if not kinds or not set(kinds) <= set(KINDS):
        raise world.WorldError(
            f"{_at(entry)}: {table}: {entry}: expected kinds out of "
            f"{', '.join(KINDS)}, or any, found {cell!r}"
        )
    return kinds


@cache
def adjectives_for(noun: Noun, held_out: bool) -> tuple[Adjective, ...]:
    """The adjectives that stand with a noun in training, or in tests only."""

    def is_held_out(adjective):
        pair = f"{noun.english[0]} {adjective.english}"
        return crc32(pair.encode()) % 8 == 0

    return tuple(
        a
        for a in load().adjectives
        if noun.kind in a.kinds and is_held_out(a) == held_out
    )


@cache
def nouns_of(kinds: tuple[str, ...], held_out: bool) -> tuple[Noun, ...]:
    """The nouns of some kinds that have an adjective (in tests, a held-out one)."""
    return tuple(
        noun
        for noun in load().nouns
        if noun.kind in kinds and adjectives_for(noun, held_out)
    )


@cache
def verbs(past: bool) -> tuple[Verb, ...]:
    """The verbs with one object; in the past only those that act."""
    return tuple(verb for verb in load().verbs if verb.past or not past)


@cache
def comparable(noun: Noun, held_out: bool) -> tuple[Adjective, ...]:
    """The adjectives of a noun that the phrase book compares."""
    return tuple(a for a in adjectives_for(noun, held_out) if a.comparative)


@cache
def spots() -> tuple[Noun, ...]:
    """Under, on, in, at or with what something can be."""
    return tuple(noun for noun in load().nouns if noun.where)
