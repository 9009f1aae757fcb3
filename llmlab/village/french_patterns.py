"""The sentence patterns of the phrase book; each draws what it says from a scene."""

from dataclasses import replace

from llmlab.village.chooser import Chooser
from llmlab.village.french_grammar import (
    COME,
    GO,
    WE,
    WITHOUT_WE,
    I,
    Nominal,
    Phrase,
    add,
    add_spot,
    adjective_or_none,
    be,
    both,
    clause_of,
    contract,
    does_it,
    draw_subject,
    elide,
    genitive,
    name,
    noun_phrase,
    object_of,
    predicate,
    pronoun,
    the_place,
    where_is,
    written,
)
from llmlab.village.french_lexicon import (
    Adjective,
    Noun,
    adjectives_for,
    furniture,
    load,
    nouns_of,
    verbs_for,
)
from llmlab.village.french_scene import GENDERS, Entry, Scene


def _description(scene: Scene, chooser: Chooser) -> Phrase:
    """seven red boats"""
    entry = chooser.pick((*scene.things, scene.living))
    plural = chooser.coin(0.4)
    weights = {"the": 0.4, "number" if plural else "a": 0.4}
    if entry.noun.kind != "person":
        weights["my"] = 0.2
    determiner = chooser.weighted(weights)
    if determiner == "number":
        determiner = chooser.pick(tuple(load().numbers))
    found = noun_phrase(entry.noun, entry.adjective, determiner, plural)
    return Phrase(found.english, found.french)


def _statement(scene: Scene, chooser: Chooser) -> Phrase:
    """the boats are red"""
    entry = chooser.pick((*scene.things, scene.living, scene.place))
    subject = noun_phrase(entry.noun, None, "the", _many(entry.noun, chooser))
    return predicate(be(subject, False), subject, entry.adjective)


def _denial(scene: Scene, chooser: Chooser) -> Phrase:
    """the boat is not red, and its adjective is one that it does not have"""
    entry = chooser.pick((*scene.things, scene.living, scene.place))
    subject = noun_phrase(entry.noun, None, "the", _many(entry.noun, chooser))
    return predicate(be(subject, True), subject, entry.deny())


def _many(noun: Noun, chooser: Chooser) -> bool:
    return noun.kind != "place" and chooser.coin(0.3)


def _feeling(scene: Scene, chooser: Chooser) -> Phrase:
    """Tilda and Bruno are not tired"""
    who = chooser.pick(("both", "she", *GENDERS))
    if who == "both":
        subject = both(scene)
    else:
        subject = pronoun("female") if who == "she" else name(scene.person(who))
    return predicate(be(subject, chooser.coin(0.25)), subject, chooser.pick(moods()))


def _act(scene: Scene, chooser: Chooser, subject, negative: bool, past: bool) -> Phrase:
    others = () if _is_about(subject, scene.living) else (scene.living,)
    entry = chooser.pick((*scene.things, scene.place, *others))
    verb = chooser.pick(verbs_for(entry.noun.kind, past))
    if entry is scene.place:
        found = the_place(scene, chooser, scene.described)
    else:
        found = object_of(entry, subject.owner, negative, scene, chooser)
    clause = clause_of(subject, verb, negative, past)
    return add(clause, found.english, found.french)


def _is_about(subject: Nominal, entry: Entry) -> bool:
    return entry.is_drawn and subject.english.endswith(entry.noun.english)


def _action(scene: Scene, chooser: Chooser) -> Phrase:
    """the old dog sees the red boat"""
    return _act(scene, chooser, draw_subject(scene, chooser, 0.3), False, False)


def _refusal(scene: Scene, chooser: Chooser) -> Phrase:
    """I do not want a hat"""
    return _act(scene, chooser, draw_subject(scene, chooser, 0.0), True, False)


def _past(scene: Scene, chooser: Chooser) -> Phrase:
    """she has found her key, which English tells in the simple past"""
    return _act(scene, chooser, draw_subject(scene, chooser, 0.3), False, True)


def _past_refusal(scene: Scene, chooser: Chooser) -> Phrase:
    """Tilda did not find the key; with `we` in tests only"""
    subject = draw_subject(scene, chooser, 0.0, WITHOUT_WE)
    return _act(scene, chooser, subject, True, True)


def _together(scene: Scene, chooser: Chooser) -> Phrase:
    """Tilda and Bruno carry the box"""
    return _act(scene, chooser, both(scene), False, False)


def _whereabouts(scene: Scene, chooser: Chooser) -> Phrase:
    """the key is under the old chair"""
    entry = chooser.pick((*scene.things, scene.living))
    adjective = adjective_or_none(entry, chooser, scene.described)
    negative = adjective is None and chooser.coin(0.3)
    subject = noun_phrase(entry.noun, adjective, "the", chooser.coin(0.2))
    return add_spot(be(subject, negative), scene, chooser, 0.0)


def _person_whereabouts(scene: Scene, chooser: Chooser) -> Phrase:
    """Tilda is at the market"""
    who = chooser.pick((*GENDERS, I, WE))
    subject = name(scene.person(who)) if who in GENDERS else who
    return add_spot(be(subject, False), scene, chooser, scene.described)


def _hiding(scene: Scene, chooser: Chooser) -> Phrase:
    """the mouse is under the table"""
    noun = chooser.pick(furniture())
    english = chooser.pick(noun.where)
    spot = noun_phrase(noun, None, "the", False)
    entry = scene.living
    subject = noun_phrase(
        entry.noun,
        adjective_or_none(entry, chooser, scene.described),
        "the",
        chooser.coin(0.3),
    )
    return add(
        be(subject, False),
        f"{english} {spot.english}",
        contract(load().prepositions[english], spot.french),
    )


def _motion(scene: Scene, chooser: Chooser) -> Phrase:
    """I come from the harbour"""
    subject = draw_subject(scene, chooser, 0.0)
    place = the_place(scene, chooser, scene.described)
    to = "at" in scene.place.noun.where and chooser.coin(0.6)
    verb, english, french = (GO, "to", "à") if to else (COME, "from", "de")
    clause = clause_of(subject, verb, chooser.coin(0.15), False)
    return add(clause, f"{english} {place.english}", contract(french, place.french))


def _some_person(chooser: Chooser) -> Nominal:
    """The king, or the queens."""
    noun = chooser.pick(nouns_of(("person",), False))
    return noun_phrase(noun, None, "the", chooser.coin(0.3))


def _with_owner(scene: Scene, chooser: Chooser, entry: Entry, adjective) -> Nominal:
    """the king's red boat"""
    if chooser.coin(0.5):
        owner = name(scene.person(chooser.pick(GENDERS)))
    else:
        owner = _some_person(chooser)
    plural = chooser.coin(0.25)
    bare = noun_phrase(entry.noun, adjective, "", plural)
    french = noun_phrase(entry.noun, adjective, "the", plural).french
    return replace(
        bare,
        english=f"{genitive(owner.english, owner.plural)} {bare.english}",
        french=f"{french} {contract('de', owner.french)}",
    )


def _possession(scene: Scene, chooser: Chooser) -> Phrase:
    """Tilda's boat is red"""
    entry = chooser.pick(scene.things)
    subject = _with_owner(scene, chooser, entry, None)
    return predicate(be(subject, False), subject, entry.adjective)


def _wish_for_possession(scene: Scene, chooser: Chooser) -> Phrase:
    """we look for the king's red boat"""
    entry = chooser.pick(scene.things)
    adjective = adjective_or_none(entry, chooser, scene.described)
    found = _with_owner(scene, chooser, entry, adjective)
    verb = chooser.pick(verbs_for(entry.noun.kind, False))
    clause = clause_of(chooser.pick((I, WE)), verb, False, False)
    return add(clause, found.english, found.french)


def _existence(scene: Scene, chooser: Chooser) -> Phrase:
    """there are nine boats at the harbour"""
    entry = chooser.pick((*scene.things, scene.living))
    plural = chooser.coin(0.6)
    number = chooser.pick(tuple(load().numbers)) if plural else "a"
    adjective = adjective_or_none(entry, chooser, scene.described)
    found = noun_phrase(entry.noun, adjective, number, plural)
    start = Phrase(
        f"there {'are' if plural else 'is'} {found.english}", f"il y a {found.french}"
    )
    return add_spot(start, scene, chooser, 0.0, short=True)


def _gift(scene: Scene, chooser: Chooser) -> Phrase:
    """Tilda gives the key to Bruno"""
    giver = chooser.pick((I, WE, None)) or name(scene.person("female"))
    return _give(scene, chooser, giver, chooser.coin(0.3))


def _give(scene: Scene, chooser: Chooser, giver: Nominal, past: bool) -> Phrase:
    entry = chooser.pick(scene.things)
    verbs = tuple(v for v in load().giving if entry.noun.kind in v.kinds)
    clause = clause_of(giver, chooser.pick(verbs), False, past)
    given = object_of(entry, giver.owner, False, scene, chooser)
    if chooser.coin(0.5):
        taker = _some_person(chooser)
    else:
        taker = name(scene.person("male"))
    clause = add(clause, given.english, given.french)
    return add(clause, f"to {taker.english}", contract("à", taker.french))


def _company(scene: Scene, chooser: Chooser) -> Phrase:
    """she is at the market with the goat"""
    subject = chooser.pick((pronoun("male"), I, None)) or name(scene.person("female"))
    start = add_spot(be(subject, False), scene, chooser, 0.0, short=True)
    adjective = adjective_or_none(scene.living, chooser, scene.described)
    friend = noun_phrase(scene.living.noun, adjective, "the", chooser.coin(0.3))
    french = load().prepositions["with"]
    return add(start, f"with {friend.english}", f"{french} {friend.french}")


def _comparison(scene: Scene, chooser: Chooser) -> Phrase:
    """the hat is older than the coat"""
    entry = chooser.pick((*scene.things, scene.living))
    subject = noun_phrase(entry.noun, None, "the", chooser.coin(0.3))
    return _compare(scene, chooser, entry, subject)


def _compare(scene: Scene, chooser: Chooser, entry: Entry, subject) -> Phrase:
    """Only with adjectives that stand with the noun in this split."""
    adjectives = tuple(
        a for a in adjectives_for(entry.noun, scene.held_out) if a.comparative
    )
    if not adjectives:
        return _statement(scene, chooser)
    adjective = chooser.pick(adjectives)
    others = tuple(
        noun
        for noun in nouns_of((entry.noun.kind,), False)
        if noun.kind in adjective.kinds and noun is not entry.noun
    )
    other = noun_phrase(chooser.pick(others), None, chooser.pick(("the", "a")), False)
    form = adjective.forms[subject.gender, subject.plural]
    return add(
        be(subject, False),
        f"{adjective.comparative} than {other.english}",
        f"plus {form} {elide('que', other.french)}",
    )


def _report(scene: Scene, chooser: Chooser) -> Phrase:
    """Tilda says that the boat is red"""
    return _say(scene, chooser, False)


def _say(scene: Scene, chooser: Chooser, negative: bool) -> Phrase:
    gender, other = GENDERS if chooser.coin(0.5) else GENDERS[::-1]
    teller = scene.person(gender).name
    start = Phrase(f"{teller} says that", f"{teller} dit")
    if chooser.coin(0.5):
        told = be(name(scene.person(other)), negative)
        told = add_spot(told, scene, chooser, 0.0, short=True)
    else:
        entry = chooser.pick((*scene.things, scene.living))
        subject = noun_phrase(entry.noun, None, "the", chooser.coin(0.3))
        told = predicate(be(subject, negative), subject, entry.adjective)
    return add(start, told.english, elide("que", told.french))


def _where(scene: Scene, chooser: Chooser) -> Phrase:
    """where is my red hat?"""
    entry = chooser.pick((*scene.things, scene.living))
    adjective = adjective_or_none(entry, chooser, scene.described)
    nobodys = entry.noun.kind == "person"
    determiner = "the" if nobodys else chooser.pick(("the", "my"))
    found = noun_phrase(entry.noun, adjective, determiner, chooser.coin(0.3))
    return where_is(found)


def _question(scene: Scene, chooser: Chooser) -> Phrase:
    """does Tilda see the boat?"""
    gender = chooser.pick(GENDERS)
    by_name = chooser.coin(0.5)
    subject = name(scene.person(gender)) if by_name else pronoun(gender)
    entry = chooser.pick(scene.things)
    verb = chooser.pick(verbs_for(entry.noun.kind, False))
    found = object_of(entry, subject.owner, False, scene, chooser)
    return does_it(subject, verb, found)


def _we_did_not(scene: Scene, chooser: Chooser) -> Phrase:
    """we did not see the boat"""
    return _act(scene, chooser, WE, True, True)


def _both_did(scene: Scene, chooser: Chooser) -> Phrase:
    """Tilda and Bruno bought the boat"""
    return _act(scene, chooser, both(scene), False, True)


def _report_denial(scene: Scene, chooser: Chooser) -> Phrase:
    """Tilda says that the boat is not red"""
    return _say(scene, chooser, True)


def _compared_possession(scene: Scene, chooser: Chooser) -> Phrase:
    """Tilda's hat is older than a coat"""
    entry = chooser.pick(scene.things)
    return _compare(scene, chooser, entry, _with_owner(scene, chooser, entry, None))


PATTERNS = {
    "description": (_description, 2.0),
    "statement": (_statement, 1.5),
    "denial": (_denial, 1.0),
    "feeling": (_feeling, 1.0),
    "action": (_action, 2.0),
    "refusal": (_refusal, 1.0),
    "past": (_past, 1.5),
    "past refusal": (_past_refusal, 1.0),
    "together": (_together, 1.0),
    "whereabouts": (_whereabouts, 1.0),
    "person whereabouts": (_person_whereabouts, 1.0),
    "hiding": (_hiding, 0.7),
    "motion": (_motion, 1.0),
    "possession": (_possession, 1.0),
    "search for possession": (_wish_for_possession, 0.7),
    "existence": (_existence, 1.0),
    "gift": (_gift, 1.0),
    "company": (_company, 0.7),
    "comparison": (_comparison, 1.0),
    "report": (_report, 1.0),
    "where": (_where, 1.0),
    "question": (_question, 1.0),
}
# Whole patterns that only tests use: each joins two things that training shows apart.
HELD_OUT_PATTERNS = {
    "we did not": _we_did_not,
    "both did": _both_did,
    "report of a denial": _report_denial,
    "compared possession": _compared_possession,
}


def moods() -> tuple[Adjective, ...]:
    """How somebody feels: what is said of people and animals alone."""
    adjectives = load().adjectives
    return tuple(a for a in adjectives if a.kinds == ("person", "animal"))


def say(scene: Scene, pattern: str, chooser: Chooser) -> Phrase:
    """A sentence of a pattern, with capital and stop."""
    writer = HELD_OUT_PATTERNS.get(pattern) or PATTERNS[pattern][0]
    phrase = writer(scene, chooser)
    return Phrase(written(phrase.english), written(phrase.french), pattern)
