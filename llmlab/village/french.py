"""The phrase book: a small grammar that says the same thing in English and French.

Gender, number, elision (l', j', n'), adjectives before and after the noun, negation.
One noun-adjective combination in eight is held out: it occurs in tests only.
"""

from dataclasses import dataclass
from functools import cache
from zlib import crc32

from llmlab.village import world
from llmlab.village.chooser import Chooser
from llmlab.village.frames import expand

FILE = "french.toml"
LINES = 6  # of a page of the phrase book
_VOWELS = "aeiouyâàéèêëîïôöûù"


@dataclass(frozen=True)
class Noun:
    english: tuple[str, str]  # singular, plural
    french: tuple[str, str]
    gender: str  # "m" or "f"
    living: bool


@dataclass(frozen=True)
class Adjective:
    english: str
    forms: dict[tuple[str, bool], str]  # by gender and whether plural
    before: bool  # stands before the noun
    before_vowel: str  # masculine singular, "vieil ami"

    def __hash__(self):
        return hash(self.english)


@dataclass(frozen=True)
class Verb:
    english: tuple[str, str]  # "see", "sees"
    je: str
    il: str
    ils: str
    needs_thing: bool  # its object is never a living being


@dataclass(frozen=True)
class Lexicon:
    nouns: tuple[Noun, ...]
    adjectives: tuple[Adjective, ...]
    verbs: tuple[Verb, ...]
    titles: tuple


@dataclass(frozen=True)
class Phrase:
    """A noun phrase or a clause in both languages."""

    english: str
    french: str
    plural: bool = False


@cache
def load() -> Lexicon:
    data = world.read_file(FILE)
    living = set(data["living"].split())
    nouns = tuple(_read_noun(row, living) for row in _rows(data["nouns"], 5, "nouns"))
    unknown = living - {noun.english[0] for noun in nouns}
    if unknown:
        raise world.WorldError(f"{FILE}: living: no such nouns: {sorted(unknown)}")
    return Lexicon(
        nouns=nouns,
        adjectives=tuple(
            _read_adjective(row) for row in _rows(data["adjectives"], 7, "adjectives")
        ),
        verbs=tuple(_read_verb(row) for row in _rows(data["verbs"], 6, "verbs")),
        titles=world.frame_list(data["titles"], {}, (), FILE, "titles"),
    )


def _rows(block: str, columns: int, where: str) -> list[list[str]]:
    rows = []
    for line in block.splitlines():
        if not line.strip():
            continue
        row = [cell.strip() for cell in line.split("|")]
        if len(row) != columns or not all(row[:6]):
            raise world.WorldError(
                f"{FILE}: {where}: {line!r}: expected {columns} columns divided by |"
            )
        rows.append(row)
    return rows


def _read_noun(row: list[str], living: set[str]) -> Noun:
    singular, plural, gender, french, french_plural = row
    if gender not in ("m", "f"):
        raise world.WorldError(
            f"{FILE}: nouns: {singular}: expected gender m or f, found {gender!r}"
        )
    return Noun((singular, plural), (french, french_plural), gender, singular in living)


def _read_adjective(row: list[str]) -> Adjective:
    english, m, f, m_plural, f_plural, where, before_vowel = row
    if where not in ("before", "after"):
        raise world.WorldError(
            f"{FILE}: adjectives: {english}: expected before or after, found {where!r}"
        )
    forms = {
        ("m", False): m,
        ("f", False): f,
        ("m", True): m_plural,
        ("f", True): f_plural,
    }
    return Adjective(english, forms, where == "before", before_vowel or m)


def _read_verb(row: list[str]) -> Verb:
    base, with_he, je, il, ils, object_kind = row
    if object_kind not in ("any", "thing"):
        raise world.WorldError(
            f"{FILE}: verbs: {base}: expected any or thing, found {object_kind!r}"
        )
    return Verb((base, with_he), je, il, ils, object_kind == "thing")


@cache
def adjectives_for(noun: Noun, held_out: bool) -> tuple[Adjective, ...]:
    """The adjectives that stand with a noun in training, or in tests only."""

    def is_held_out(adjective):
        pair = f"{noun.english[0]} {adjective.english}"
        return crc32(pair.encode()) % 8 == 0

    return tuple(a for a in load().adjectives if is_held_out(a) == held_out)


def _elide(word: str, following: str) -> str:
    """`le` before a vowel is l', and so on: the word with its space or apostrophe."""
    if following[0] in _VOWELS:
        return word[:-1] + "'" + following
    return f"{word} {following}"


def _noun_phrase(
    chooser: Chooser, nouns, described: float, held_out=False, definite=False
) -> Phrase:
    """A determiner, a noun and, with probability `described`, an adjective.
    `definite`: the determiner is `the`."""
    noun = chooser.pick(nouns)
    adjective = None
    if chooser.coin(described):
        adjective = chooser.pick(adjectives_for(noun, held_out))
    plural = chooser.coin(0.3)
    if definite:
        determiner = "the"
    elif plural:
        determiner = chooser.weighted({"the": 0.5, "two": 0.25, "three": 0.25})
    else:
        determiner = chooser.weighted({"the": 0.7, "a": 0.3})
    return _build(noun, adjective, determiner, plural)


def _build(noun: Noun, adjective, determiner: str, plural: bool) -> Phrase:
    english = noun.english[plural]
    french = noun.french[plural]
    if adjective is not None:
        english = f"{adjective.english} {english}"
        form = adjective.forms[noun.gender, plural]
        if adjective.before:
            if noun.gender == "m" and not plural and french[0] in _VOWELS:
                form = adjective.before_vowel
            french = f"{form} {french}"
        else:
            french = f"{french} {form}"
    return Phrase(
        english=_english_determiner(determiner, english),
        french=_french_determiner(determiner, french, noun.gender, plural),
        plural=plural,
    )


def _english_determiner(determiner: str, phrase: str) -> str:
    return world.with_article(phrase) if determiner == "a" else f"{determiner} {phrase}"


def _french_determiner(determiner: str, phrase: str, gender: str, plural: bool) -> str:
    if determiner == "the":
        if plural:
            return f"les {phrase}"
        return _elide("le" if gender == "m" else "la", phrase)
    words = {"a": "un" if gender == "m" else "une", "two": "deux", "three": "trois"}
    return f"{words[determiner]} {phrase}"


def sentence(chooser: Chooser, held_out: bool = False) -> Phrase:
    """A phrase or clause; `held_out`: with a combination that only tests use."""
    kinds = {_description: 0.3, _statement: 0.25, _action: 0.25, _confession: 0.2}
    return chooser.weighted(kinds)(chooser, held_out)


def _with_pairs(held_out: bool) -> tuple[Noun, ...]:
    return tuple(n for n in load().nouns if adjectives_for(n, held_out))


def _description(chooser, held_out) -> Phrase:
    """the red boat"""
    return _noun_phrase(chooser, _with_pairs(held_out), 1.0, held_out)


def _statement(chooser, held_out) -> Phrase:
    """the boats are not red"""
    noun = chooser.pick(_with_pairs(held_out))
    adjective = chooser.pick(adjectives_for(noun, held_out))
    plural = chooser.coin(0.3)
    subject = _build(noun, None, "the", plural)
    form = adjective.forms[noun.gender, plural]
    be, french_be = ("are", "sont") if plural else ("is", "est")
    if chooser.coin(0.25):
        verb = _elide("ne", french_be)
        return Phrase(
            f"{subject.english} {be} not {adjective.english}",
            f"{subject.french} {verb} pas {form}",
        )
    return Phrase(
        f"{subject.english} {be} {adjective.english}",
        f"{subject.french} {french_be} {form}",
    )


def _action(chooser, held_out) -> Phrase:
    """the dog does not see the red boat"""
    living = tuple(noun for noun in load().nouns if noun.living)
    subject = _noun_phrase(chooser, living, 0.3)
    verb = chooser.pick(load().verbs)
    negative = chooser.coin(0.2)
    found = _object(chooser, verb, negative, held_out)
    french_verb = verb.ils if subject.plural else verb.il
    if negative:
        english_verb = ("do" if subject.plural else "does") + f" not {verb.english[0]}"
        french_verb = _elide("ne", french_verb) + " pas"
    else:
        english_verb = verb.english[not subject.plural]
    return Phrase(
        f"{subject.english} {english_verb} {found.english}",
        f"{subject.french} {french_verb} {found.french}",
    )


def _confession(chooser, held_out) -> Phrase:
    """I love the old book"""
    verb = chooser.pick(load().verbs)
    negative = chooser.coin(0.2)
    found = _object(chooser, verb, negative, held_out)
    if negative:
        return Phrase(
            f"I do not {verb.english[0]} {found.english}",
            f"je {_elide('ne', verb.je)} pas {found.french}",
        )
    return Phrase(
        f"I {verb.english[0]} {found.english}",
        f"{_elide('je', verb.je)} {found.french}",
    )


def _object(chooser, verb: Verb, negative: bool, held_out: bool) -> Phrase:
    """What the verb acts on. After a negation only `the`, because `un` becomes `de`."""
    nouns = tuple(
        noun for noun in _with_pairs(held_out) if not (verb.needs_thing and noun.living)
    )
    described = 1.0 if held_out else 0.5
    return _noun_phrase(chooser, nouns, described, held_out, definite=negative)


def page(chooser: Chooser) -> tuple[str, dict[str, str]]:
    """A title and lines of the phrase book."""
    lines = [expand(chooser.pick(load().titles), {}, chooser)]
    for _ in range(LINES):
        phrase = sentence(chooser)
        lines.append(f"{phrase.english} – {phrase.french}")
    return "\n".join(lines), {}
