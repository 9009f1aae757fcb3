"""A small grammar that says the same thing in English and in French.

Gender, number, elision (l', j', n', d', qu'), contraction (au, aux, du, des),
adjectives before and after the noun, possessives, negation, present, passé composé
with avoir and the near future with aller. Whatever English says, it says in a way that
leaves French no choice: states are not told in the past, "they" and "you" never occur.
"""

from dataclasses import dataclass, replace

from llmlab.village import world
from llmlab.village.french_lexicon import Adjective, Noun, Verb, load
from llmlab.village.world import Person

# Before these elision takes place. An h is mute in the words of this list; names with
# H or Y keep the whole word before them ("la lampe de Hazel").
_VOWELS = "aeiouhâàéèêëîïôöûùAEIOU"
_I, _HE, _WE, _THEY = range(4)
_BE = (("am", "suis"), ("is", "est"), ("are", "sommes"), ("are", "sont"))
_HAVE = ("ai", "a", "avons", "ont")
GO = Verb(("go", "goes"), "", ("vais", "va", "allons", "vont"), "", "aller", ())
COME = Verb(
    ("come", "comes"), "", ("viens", "vient", "venons", "viennent"), "", "venir", ()
)
BE = Verb(("be", "is"), "", tuple(french for _, french in _BE), "", "être", ())
# Masculine, feminine, plural.
_DETERMINERS = {
    "the": ("le", "la", "les"),
    "a": ("un", "une", ""),
    "my": ("mon", "ma", "mes"),
    "his": ("son", "sa", "ses"),
    "her": ("son", "sa", "ses"),
    "our": ("notre", "notre", "nos"),
    "their": ("leur", "leur", "leurs"),
}


@dataclass(frozen=True)
class Phrase:
    """Something said in both languages."""

    english: str
    french: str
    pattern: str = ""


@dataclass(frozen=True)
class Nominal:
    """A noun phrase, a name or a pronoun, with what a verb or adjective must know."""

    english: str
    french: str
    gender: str
    form: int = _HE  # which verb form it takes: je, il, nous, ils
    owner: str = ""  # the possessive that points back to it
    kind: str = "person"

    @property
    def plural(self) -> bool:
        return self.form in (_WE, _THEY)


# ---- words that change before a vowel or an article


def elide(word: str, following: str) -> str:
    """`le` before a vowel is l', and so on: the word with its space or apostrophe."""
    if following[0] in _VOWELS:
        return word[:-1] + "'" + following
    return f"{word} {following}"


def contract(preposition: str, following: str) -> str:
    """`à le` is au and `de les` is des; `de` also loses its e before a vowel."""
    start, _, last = preposition.rpartition(" ")
    start = start and start + " "
    contracted = {"à": ("au", "aux"), "de": ("du", "des")}.get(last)
    if contracted and following.startswith("le "):
        return f"{start}{contracted[0]} {following[3:]}"
    if contracted and following.startswith("les "):
        return f"{start}{contracted[1]} {following[4:]}"
    if last == "de":
        return start + elide(last, following)
    return f"{preposition} {following}"


def genitive(english: str, plural: bool) -> str:
    return english + ("'" if plural and english.endswith("s") else "'s")


# ---- noun phrases


def noun_phrase(
    noun: Noun, adjective: Adjective | None, determiner: str, plural: bool
) -> Nominal:
    """`determiner`: the, a, a possessive, a number, or "" for none."""
    english = noun.english[plural]
    french = noun.french[plural]
    if adjective is not None:
        english = f"{adjective.english} {english}"
        french = _with_adjective(noun, adjective, french, plural)
    if determiner == "a":
        english = world.with_article(english)
    elif determiner:
        english = f"{determiner} {english}"
    french = _with_determiner(determiner, french, noun.gender, plural)
    owner = ""
    if noun.kind == "person":
        owner = "their" if plural else {"m": "his", "f": "her"}[noun.gender]
    form = _THEY if plural else _HE
    return Nominal(english, french, noun.gender, form, owner, noun.kind)


def _with_adjective(noun: Noun, adjective: Adjective, french: str, plural: bool) -> str:
    form = adjective.forms[noun.gender, plural]
    if not adjective.before:
        return f"{french} {form}"
    if noun.gender == "m" and not plural and french[0] in _VOWELS:
        form = adjective.before_vowel
    return f"{form} {french}"


def _with_determiner(determiner: str, phrase: str, gender: str, plural: bool) -> str:
    if determiner == "":
        return phrase
    if determiner not in _DETERMINERS:
        return f"{load().numbers[determiner]} {phrase}"
    masculine, feminine, several = _DETERMINERS[determiner]
    if plural:
        return f"{several} {phrase}"
    if determiner == "the":
        return elide(masculine if gender == "m" else feminine, phrase)
    before_vowel = determiner != "a" and phrase[0] in _VOWELS
    return f"{masculine if gender == 'm' or before_vowel else feminine} {phrase}"


def name(person: Person) -> Nominal:
    gender, owner = ("f", "her") if person.gender == "female" else ("m", "his")
    return Nominal(person.name, person.name, gender, owner=owner)


def both(first: Person, second: Person) -> Nominal:
    """Tilda and Bruno: feminine only if both are."""
    english, french = (f"{first.name} {w} {second.name}" for w in ("and", "et"))
    gender = "f" if first.gender == second.gender == "female" else "m"
    return Nominal(english, french, gender, _THEY, "their")


SHE = Nominal("she", "elle", "f", owner="her")
HE = Nominal("he", "il", "m", owner="his")
I = Nominal("I", "je", "m", _I, "my")  # noqa: E741
WE = Nominal("we", "nous", "m", _WE, "our")


# ---- verbs


def clause_of(subject: Nominal, verb: Verb, tense: str, negative: bool) -> Phrase:
    """Subject and verb; what follows the verb is added by the caller."""
    french, more = {
        "present": (verb.present, ""),
        "past": (_HAVE, f" {verb.participle}"),
        "future": (GO.present, f" {verb.infinitive}"),
    }[tense]
    return Phrase(
        f"{subject.english} {_english_verb(subject, verb, tense, negative)}",
        _with_subject(subject, french[subject.form], negative) + more,
    )


def _english_verb(subject: Nominal, verb: Verb, tense: str, negative: bool) -> str:
    base, with_he = verb.english
    third = subject.form == _HE
    if tense == "future":
        return f"{_BE[subject.form][0]} {'not ' if negative else ''}going to {base}"
    if negative:
        do = "did" if tense == "past" else ("does" if third else "do")
        return f"{do} not {base}"
    return verb.past if tense == "past" else (with_he if third else base)


def _with_subject(subject: Nominal, verb: str, negative: bool) -> str:
    if negative:
        verb = elide("ne", verb) + " pas"
    if subject.form == _I:
        return elide("je", verb)
    return f"{subject.french} {verb}"


def be(subject: Nominal, tense: str, negative: bool) -> Phrase:
    """Is, or is going to be."""
    if tense == "future":
        return clause_of(subject, BE, tense, negative)
    english, french = _BE[subject.form]
    return Phrase(
        f"{subject.english} {english}{' not' if negative else ''}",
        _with_subject(subject, french, negative),
    )


def add(start: Phrase, english: str, french: str) -> Phrase:
    return Phrase(f"{start.english} {english}", f"{start.french} {french}")


def without_any(noun: Noun, adjective: Adjective | None, plural: bool) -> Nominal:
    """What is denied: "a hat" is "de chapeau" after "ne pas"."""
    found = noun_phrase(noun, adjective, "a", plural)
    bare = noun_phrase(noun, adjective, "", plural)
    return replace(found, french=contract("de", bare.french))


def owned(owner: Nominal, noun: Noun, adjective, plural: bool) -> Nominal:
    """the king's red boat"""
    bare = noun_phrase(noun, adjective, "", plural)
    french = noun_phrase(noun, adjective, "the", plural).french
    return replace(
        bare,
        english=f"{genitive(owner.english, owner.plural)} {bare.english}",
        french=f"{french} {contract('de', owner.french)}",
    )


def predicate(start: Phrase, subject: Nominal, adjective: Adjective) -> Phrase:
    form = adjective.forms[subject.gender, subject.plural]
    return add(start, adjective.english, form)


def written(text: str) -> str:
    """With its capital and stop."""
    stop = "" if text.endswith(("?", "!", ".")) else "."
    return text[0].upper() + text[1:] + stop
