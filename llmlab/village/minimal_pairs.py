"""Minimal pairs: a sentence of the corpus, and the same with one mistake.

The right sentence is always one that the village writes, so that its form is one that
a model could know. A rule finds a spot where it can make one mistake that nobody
could take for another right sentence.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache

from llmlab.village import world
from llmlab.village.corpus import Document

FILE = "probes.toml"
_SENTENCE_END = re.compile(r"(?<=[.!?]) (?=[A-Z])|\n")
_ENGLISH = re.compile(r"\b([Tt]he|is|are|[Dd]oes|I|[Ss]he|[Hh]e|[Ww]e|[Aa]n?)\b")
_SHARE_OF_ONE_WORD = 0.25  # of the pairs of a phenomenon change the same words


@dataclass(frozen=True)
class MinimalPair:
    """Two sentences that differ in one thing; only `good` is grammatical or true."""

    phenomenon: str
    good: str
    bad: str


@dataclass(frozen=True)
class Words:
    """The word forms that rules exchange."""

    past_of: dict[str, str]  # "find": "found"
    present_of: dict[str, str]  # "found": "finds"
    plural_verb_of: dict[str, str]  # "finds": "find", "is": "are"
    positive_of: dict[str, str]  # "older": "old"
    numbers: tuple[str, ...]


# A rule gives the word that it changes and the sentence with the mistake, or None.
Spoiled = tuple[str, str] | None
Rule = Callable[[str], Spoiled]


def minimal_pairs(
    documents: Iterable[Document], pairs_each: int
) -> tuple[MinimalPair, ...]:
    """`pairs_each` pairs of every phenomenon, or as many as the documents have."""
    rules = _rules()
    found: dict[str, list[MinimalPair]] = {name: [] for name in rules}
    changed: dict[str, Counter] = {name: Counter() for name in rules}
    most = max(1, int(pairs_each * _SHARE_OF_ONE_WORD))
    for sentences in _sentences(documents):
        texts = [text for text in sentences if _is_whole(text)]
        for name, rule in rules.items():
            if len(found[name]) == pairs_each:
                continue
            for text in texts:
                spoiled = rule(text)
                if spoiled and changed[name][spoiled[0]] < most:
                    changed[name][spoiled[0]] += 1
                    found[name].append(MinimalPair(name, text, spoiled[1]))
                    break
        if all(len(pairs) == pairs_each for pairs in found.values()):
            break
    return tuple(pair for pairs in found.values() for pair in pairs)


def _sentences(documents: Iterable[Document]) -> Iterator[list[str]]:
    """By document, or by English side of a line of a bilingual one."""
    for document in documents:
        if document.genre != "bilingual":
            yield sentences_of(document.text)
            continue
        for side in re.split(" – |\n", document.text.partition("\n")[2]):
            if _ENGLISH.search(side) and ":" not in side:
                yield _SENTENCE_END.split(side)


def sentences_of(text: str) -> list[str]:
    """A document's sentences without its title and what a quotation would cut."""
    body = text.partition("\n")[2] or text
    return [s for s in _SENTENCE_END.split(body) if s.count('"') % 2 == 0]


def _is_whole(text: str) -> bool:
    return len(text.split()) <= 30 and text.endswith((".", "?", "!"))


@cache
def words() -> Words:
    data = world.whole(FILE)
    verbs = data.cells("verbs", "base | with he | past")
    plural_verb_of = {with_he: base for base, with_he, _ in verbs}
    return Words(
        past_of={base: past for base, _, past in verbs if base != "be"},
        present_of={past: with_he for _, with_he, past in verbs},
        plural_verb_of=plural_verb_of | {"is": "are", "was": "were"},
        positive_of=dict(data.cells("comparatives", "comparative | positive")),
        numbers=tuple(data.get("numbers").split()),
    )


def _one_of(options) -> str:
    return "|".join(sorted(map(re.escape, options), key=len, reverse=True))


def _rule(
    pattern: str, mistake: Callable[[re.Match], str | None], counted: int = 0
) -> Rule:
    """Puts a mistake, if there is one to be made, in the place of the first group.
    `counted` is the group that no other pair should change again."""
    compiled = re.compile(pattern)

    def rule(text: str) -> Spoiled:
        match = compiled.search(text)
        wrong = match and mistake(match)
        if not wrong:
            return None
        return match[counted], text[: match.start(1)] + wrong + text[match.end(1) :]

    return rule


def _swap_rule(pattern: str, table: dict[str, str]) -> Rule:
    """Exchanges what the group matches for its entry in the table."""
    return _rule(pattern, lambda match: table.get(match[1]))


def _people() -> str:
    return _one_of(world.load().people)


def _singular(plural: str) -> str:
    if plural.endswith("ies"):
        return plural[:-3] + "y"
    if plural.endswith(("ches", "shes", "xes", "sses")):
        return plural[:-2]
    return plural[:-1]


def _number_pattern() -> str:
    noun = r"[a-z]{3,}(?<!ous)(?<!ss)(?<!us)s"
    return rf"\b(?:{_one_of(words().numbers)}) (?:[a-z]+[^s\W] )?({noun})\b"


def _thing_pattern() -> str:
    things = world.load().things.values()
    names = _one_of(thing.name for thing in things if " " not in thing.name)
    materials = _one_of({t.made for t in things} | {t.colour for t in things})
    return rf"\b(?:a|an|the) (({materials}) ({names}))\b"


def _single_thing_pattern() -> str:
    things = [t.name for t in world.load().things.values() if " " not in t.name]
    names = _one_of(name for name in things if not name.endswith(("s", "x", "h", "y")))
    return rf"\ban? (?:[a-z]+ )?({names})\b(?! of|')"


def _plural(match: re.Match) -> str | None:
    """Unless another word follows."""
    follows = match.string[match.end() :][:2].strip()
    return None if follows.isalpha() else f"{match[1]}s"


_OTHER_GENDER = {"he": "she", "his": "her", "himself": "herself"}
_OTHER_GENDER |= {"she": "he", "her": "his", "herself": "himself"}
_GENDER_OF = {"he": "male", "his": "male", "himself": "male"}
_GENDER_OF |= {"she": "female", "her": "female", "herself": "female"}


def _only_gender(text: str) -> str:
    """The gender of the people whom a text names, if all have one and no other
    creature is spoken of; otherwise nothing."""
    people = world.load().people
    named = [people[name] for name in re.findall(rf"\b({_people()})\b", text)]
    genders = {person.gender for person in named}
    own = {word for person in named for word in (person.species, person.trade)}
    if len(genders) != 1 or set(_roles_pattern().findall(text)) - own:
        return ""
    return genders.pop()


def _gender(pattern: str) -> Rule:
    """Exchanges a pronoun before which everybody is of its gender."""

    def mistake(match: re.Match) -> str | None:
        gender = _only_gender(match.string[: match.start()])
        return _OTHER_GENDER[match[1]] if gender == _GENDER_OF[match[1]] else None

    return _rule(pattern, mistake)


@cache
def _roles_pattern() -> re.Pattern:
    people = world.load().people.values()
    roles = {p.species for p in people} | {p.trade for p in people}
    others = "mother|father|aunt|uncle|sister|brother|girl|boy|woman|man|who"
    return re.compile(rf"\b(?:{_one_of(roles)}|{others}|grandmother|mayor)\b")


def _question_order(text: str) -> Spoiled:
    """The verb stays behind the subject: "Where I can buy eggs?"."""
    match = _question_pattern().search(text)
    if not match:
        return None
    _, asks, verb, subject, rest = match.groups()
    return match[0], f"{text[: match.start(2)]}{asks} {subject} {verb}{rest}"


@cache
def _question_pattern() -> re.Pattern:
    asks = "Where|When|How|Why|What|How much|How old|How often|Which [a-z]+"
    verbs = "is|are|was|were|can|do|does|did|will|shall|must"
    subject = rf"I|you|we|one|that|{_people()}|(?:the|my|your) [a-z]+(?: [a-z]+)?"
    return re.compile(rf"(^|: )({asks}) ({verbs}) ({subject})\b((?: [^,?]+)?\?)$")


_CASE = {"he": "him", "she": "her", "they": "them", "we": "us", "I": "me"}
_MODALS = "could|can|would|must|shall|should|may|might|will|cannot"
_BEFORE_TO = "wanted|began|had|promised|promises|is|was|want|wants|need|needs"
_TIME = r"^(?:Last|One|On) [^,:\"]*?(?<! and )"
_NO_NOUN = "as|to|for|and|in|on|at|with|by|from|so|that|when|how|what|a|the"
_OWN = rf"(?:his|her)(?= (?!(?:{_NO_NOUN})\b)[a-z])"


@cache
def _rules() -> dict[str, Rule]:
    forms, people = words(), _people()
    past, present, verbs = forms.past_of, forms.present_of, forms.plural_verb_of
    places = _one_of(world.load().places)
    turned = {f"{word} the": f"the {word}" for word in ("at", "to")}
    return {
        "a or an": _rule(
            r"\b(an?) [a-z]+", lambda match: "a" if match[1] == "an" else "an"
        ),
        "verb agreement": _swap_rule(
            rf"(?:^|\. |, )(?:{people}) ({_one_of(verbs)})\b", verbs
        ),
        "gender of the pronoun": _gender(r"(?<!^)\b(he|she)\b \w+"),
        "gender of the possessive": _gender(rf"\b(himself|herself|{_OWN})\b\W\w*"),
        "adjective before noun": _rule(
            _thing_pattern(), lambda match: f"{match[3]} {match[2]}", counted=1
        ),
        "noun after a or an": _rule(_single_thing_pattern(), _plural, counted=1),
        "plural after a number": _rule(
            _number_pattern(),
            lambda match: None if match[1] == "this" else _singular(match[1]),
            counted=1,
        ),
        "place of the negation": _rule(
            r"\b(did not|does not|do not|is not|was not)\b \w+",
            lambda match: " ".join(match[1].split()[::-1]),
        ),
        "verb after a negation": _swap_rule(
            rf"\b(?:did|does|do) not ({_one_of(past)})\b", past
        ),
        "tense after a time word": _swap_rule(
            rf"{_TIME}\b(?:{people}) ({_one_of(present)})\b", present
        ),
        "infinitive after to": _swap_rule(
            rf"\b(?:{_BEFORE_TO}) to ({_one_of(past)})\b", past
        ),
        "verb after a modal": _swap_rule(rf"\b(?:{_MODALS}) ({_one_of(past)})\b", past),
        "comparative before than": _swap_rule(
            rf"\b({_one_of(forms.positive_of)}) than\b", forms.positive_of
        ),
        "preposition before the place": _swap_rule(
            rf"\b((?:at|to) the) (?:{places})\b", turned
        ),
        # After a comma or a conjunction, so that no capital is lost.
        "case of the pronoun": _swap_rule(
            rf"(?:, |and |that |as |when )({_one_of(_CASE)}) [a-z]+", _CASE
        ),
        "word order of a question": _question_order,
        "who or which": _rule(
            rf"\b(?:{people})(?:, (?:the|a|an) [a-z ]+)?, (who) ", lambda match: "which"
        ),
    }
