"""The sentence patterns of the phrase book; each draws what it says from a scene."""

from llmlab.village.cast import everybody
from llmlab.village.chooser import Chooser
from llmlab.village.french_grammar import (
    COME,
    GO,
    HE,
    SHE,
    WE,
    I,
    Nominal,
    Phrase,
    add,
    be,
    both,
    clause_of,
    contract,
    elide,
    name,
    noun_phrase,
    owned,
    predicate,
    without_any,
    written,
)
from llmlab.village.french_lexicon import (
    KINDS,
    Noun,
    comparable,
    load,
    nouns_of,
    spots,
    verbs,
)
from llmlab.village.french_scene import Scene

_OWNED = ("thing", "food")  # the kinds of what somebody may have
_LIVING = ("person", "animal")


# ---- parts of a sentence


def _subject(scene: Scene, chooser: Chooser, we: bool = True) -> Nominal:
    """Who acts: I, we, she or he, a name, or the goat."""
    who = chooser.pick((I, "pronoun", "name", "noun", WE)[: 5 if we else 4])
    if who == "pronoun":
        return chooser.pick((SHE, HE))
    if who == "name":
        return name(scene.person())
    return _somebody(scene, chooser, _LIVING) if who == "noun" else who


def _somebody(scene: Scene, chooser: Chooser, kinds: tuple[str, ...]) -> Nominal:
    """The king, or the queens."""
    noun = scene.one_of(nouns_of(kinds, False))
    return noun_phrase(noun, None, "the", chooser.coin(0.3))


def _two_people(scene: Scene, chooser: Chooser) -> Nominal:
    return both(*chooser.sample(everybody("who"), 2))


def _number(chooser: Chooser) -> str:
    return chooser.pick(tuple(load().numbers))


def _object(
    scene: Scene, chooser: Chooser, noun: Noun, owner: str, negative: bool
) -> Nominal:
    """What a verb acts on. `owner` is the possessive of the subject, if it has one."""
    plural = chooser.coin(0.3)
    determiners = ["the"]
    if owner and noun.kind in _OWNED:
        determiners.append(owner)
    if not plural:
        determiners.append("a")
    elif not negative:
        determiners.append("number")
    determiner = chooser.pick(determiners)
    if determiner == "number":
        determiner = _number(chooser)
    adjective = scene.perhaps_adjective(noun)
    if negative and determiner == "a":
        return without_any(noun, adjective, plural)
    return noun_phrase(noun, adjective, determiner, plural)


def _act(
    scene: Scene, chooser: Chooser, subject: Nominal, negative: bool, past: bool
) -> Phrase:
    verb = chooser.pick(verbs(past))
    noun = scene.noun(verb.kinds)
    found = _object(scene, chooser, noun, subject.owner, negative)
    clause = clause_of(subject, verb, negative, past)
    return add(clause, found.english, found.french)


def _is_like(
    scene: Scene, chooser: Chooser, subject: Nominal, noun: Noun, negative: bool
) -> Phrase:
    return predicate(be(subject, negative), subject, scene.adjective(noun))


def _compared(
    scene: Scene, chooser: Chooser, subject: Nominal, noun: Noun, kinds
) -> Phrase:
    """... is older than a coat"""
    adjective = chooser.pick(comparable(noun, scene.held_out))
    fitting = tuple(kind for kind in kinds if kind in adjective.kinds)
    article = chooser.pick(("the", "a"))
    other = noun_phrase(scene.noun(fitting), None, article, False)
    form = adjective.forms[subject.gender, subject.plural]
    return add(
        be(subject, False),
        f"{adjective.comparative} than {other.english}",
        f"plus {form} {elide('que', other.french)}",
    )


# ---- the patterns


def _description(scene: Scene, chooser: Chooser) -> Phrase:
    """seven red boats"""
    noun = scene.noun(KINDS)
    plural = chooser.coin(0.4)
    determiners = ["the", "number" if plural else "a"]
    if noun.kind in _OWNED:
        determiners.append("my")
    determiner = chooser.pick(determiners)
    if determiner == "number":
        determiner = _number(chooser)
    found = noun_phrase(noun, scene.adjective(noun), determiner, plural)
    return Phrase(found.english, found.french)


def _statement(scene: Scene, chooser: Chooser) -> Phrase:
    """the boats are red"""
    noun = scene.noun(KINDS)
    subject = noun_phrase(noun, None, "the", chooser.coin(0.3))
    return _is_like(scene, chooser, subject, noun, False)


def _denial(scene: Scene, chooser: Chooser) -> Phrase:
    """the boat is not red"""
    noun = scene.noun(KINDS)
    subject = noun_phrase(noun, None, "the", chooser.coin(0.3))
    return _is_like(scene, chooser, subject, noun, True)


def _action(scene: Scene, chooser: Chooser) -> Phrase:
    """the dog sees the red boat; also of Tilda and Bruno"""
    if chooser.coin(0.25):
        subject = _two_people(scene, chooser)
    else:
        subject = _subject(scene, chooser)
    return _act(scene, chooser, subject, False, False)


def _refusal(scene: Scene, chooser: Chooser) -> Phrase:
    """I do not want a hat"""
    return _act(scene, chooser, _subject(scene, chooser), True, False)


def _past(scene: Scene, chooser: Chooser) -> Phrase:
    """she has found her key, which English tells in the simple past"""
    return _act(scene, chooser, _subject(scene, chooser), False, True)


def _past_refusal(scene: Scene, chooser: Chooser) -> Phrase:
    """Tilda did not find the key; with `we` in tests only"""
    return _act(scene, chooser, _subject(scene, chooser, we=False), True, True)


def _whereabouts(scene: Scene, chooser: Chooser) -> Phrase:
    """the key is under the chair"""
    if chooser.coin(0.4) and not scene.held_out:
        subject = name(scene.person())
    else:
        noun = scene.noun(("thing", "food", "animal", "person"))
        adjective = scene.perhaps_adjective(noun)
        subject = noun_phrase(noun, adjective, "the", chooser.coin(0.3))
    spot = scene.one_of(spots())
    english = chooser.pick(spot.where)
    where = noun_phrase(spot, None, "the", False)
    return add(
        be(subject, False),
        f"{english} {where.english}",
        contract(load().prepositions[english], where.french),
    )


def _motion(scene: Scene, chooser: Chooser) -> Phrase:
    """I come from the harbour"""
    subject = _subject(scene, chooser)
    noun = scene.noun(("place",))
    adjective = scene.perhaps_adjective(noun)
    place = noun_phrase(noun, adjective, "the", chooser.coin(0.3))
    verb, english, french = chooser.pick(((GO, "to", "à"), (COME, "from", "de")))
    clause = clause_of(subject, verb, False, False)
    return add(clause, f"{english} {place.english}", contract(french, place.french))


def _owner(scene: Scene, chooser: Chooser) -> Nominal:
    if chooser.coin(0.5):
        return name(scene.person())
    return _somebody(scene, chooser, ("person",))


def _possession(scene: Scene, chooser: Chooser) -> Phrase:
    """Tilda's boat is red"""
    owner, noun = _owner(scene, chooser), scene.noun(_OWNED)
    subject = owned(owner, noun, None, chooser.coin(0.3))
    return _is_like(scene, chooser, subject, noun, False)


def _gift(scene: Scene, chooser: Chooser) -> Phrase:
    """Tilda gives the key to the king"""
    giver = chooser.pick((I, WE, None)) or name(scene.person())
    clause = clause_of(giver, chooser.pick(load().giving), False, chooser.coin(0.3))
    given = _object(scene, chooser, scene.noun(_OWNED), giver.owner, False)
    taker = _somebody(scene, chooser, ("person",))
    clause = add(clause, given.english, given.french)
    return add(clause, f"to {taker.english}", contract("à", taker.french))


def _comparison(scene: Scene, chooser: Chooser) -> Phrase:
    """the hat is older than the coat"""
    kinds = chooser.pick((_OWNED, _LIVING, ("place",)))
    noun = _comparable_noun(scene, kinds)
    subject = noun_phrase(noun, None, "the", chooser.coin(0.3))
    return _compared(scene, chooser, subject, noun, kinds)


def _comparable_noun(scene: Scene, kinds: tuple[str, ...]) -> Noun:
    nouns = nouns_of(kinds, scene.held_out)
    return scene.one_of(tuple(n for n in nouns if comparable(n, scene.held_out)))


def _report(scene: Scene, chooser: Chooser) -> Phrase:
    """Tilda says that the boat is red"""
    return _say(scene, _statement(scene, chooser))


def _say(scene: Scene, told: Phrase) -> Phrase:
    teller = scene.person().name
    start = Phrase(f"{teller} says that", f"{teller} dit")
    return add(start, told.english, elide("que", told.french))


def _we_did_not(scene: Scene, chooser: Chooser) -> Phrase:
    """we did not see the boat"""
    return _act(scene, chooser, WE, True, True)


def _both_did(scene: Scene, chooser: Chooser) -> Phrase:
    """Tilda and Bruno bought the boat"""
    return _act(scene, chooser, _two_people(scene, chooser), False, True)


def _report_denial(scene: Scene, chooser: Chooser) -> Phrase:
    """Tilda says that the boat is not red"""
    return _say(scene, _denial(scene, chooser))


def _compared_possession(scene: Scene, chooser: Chooser) -> Phrase:
    """Tilda's hat is older than the coat"""
    owner, noun = _owner(scene, chooser), _comparable_noun(scene, _OWNED)
    subject = owned(owner, noun, None, chooser.coin(0.3))
    return _compared(scene, chooser, subject, noun, _OWNED)


# By name, with how often each is told: most often what has most forms to learn.
PATTERNS = {
    "description": (_description, 1.5),
    "statement": (_statement, 1.0),
    "denial": (_denial, 0.5),
    "action": (_action, 3.0),
    "refusal": (_refusal, 1.0),
    "past": (_past, 1.5),
    "past refusal": (_past_refusal, 0.7),
    "whereabouts": (_whereabouts, 1.3),
    "motion": (_motion, 0.8),
    "possession": (_possession, 0.8),
    "gift": (_gift, 0.8),
    "comparison": (_comparison, 0.8),
    "report": (_report, 0.5),
}
# Whole patterns that only tests use: each joins two things that training shows apart.
HELD_OUT_PATTERNS = {
    "we did not": _we_did_not,
    "both did": _both_did,
    "report of a denial": _report_denial,
    "compared possession": _compared_possession,
}


def say(scene: Scene, pattern: str, chooser: Chooser) -> Phrase:
    """A sentence of a pattern, with capital and stop."""
    writer = HELD_OUT_PATTERNS.get(pattern) or PATTERNS[pattern][0]
    phrase = writer(scene, chooser)
    return Phrase(written(phrase.english), written(phrase.french), pattern)
