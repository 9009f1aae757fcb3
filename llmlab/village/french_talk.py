"""Connected French: a talk of two people, and a small story about them."""

from llmlab.village.chooser import Chooser
from llmlab.village.french_grammar import (
    I,
    Nominal,
    Phrase,
    add,
    add_spot,
    be,
    both,
    clause_of,
    contract,
    does_it,
    name,
    noun_phrase,
    predicate,
    pronoun,
    where_is,
    written,
)
from llmlab.village.french_lexicon import Verb, furniture, load, verbs_for
from llmlab.village.french_patterns import moods
from llmlab.village.french_scene import Entry, Scene
from llmlab.village.world import Person

_SEEKING = ("look for", "want")
_HOLDING = ("carry", "have", "draw", "eat", "take")
_GETTING = ("find", "take", "buy", "choose")


def talk(scene: Scene, chooser: Chooser) -> list[tuple[Person, Phrase]]:
    """Who says what: a greeting, a search, a question or a confession, a farewell."""
    who, friend = scene.who, scene.friend
    thing, other = scene.things
    lines = [
        (who, _to("greetings", friend, chooser)),
        (friend, _written(where_is(_whole(thing, "the")))),
        (who, _it_is_there(thing, chooser)),
    ]
    if chooser.coin(0.5):
        lines += _question_and_answer(scene.living, other, who, friend, chooser)
    else:
        lines.append((friend, Phrase(*chooser.pick(load().phrases["remarks"]))))
        lines.append((who, _confession(thing, other, chooser)))
    return [*lines, (friend, _to("farewells", who, chooser))]


def _to(kind: str, person: Person, chooser: Chooser) -> Phrase:
    english, french = chooser.pick(load().phrases[kind])
    return Phrase(f"{english}, {person.name}.", f"{french}, {person.name}.")


def _written(phrase: Phrase) -> Phrase:
    return Phrase(written(phrase.english), written(phrase.french))


def _whole(entry: Entry, determiner: str) -> Nominal:
    return noun_phrase(entry.noun, entry.adjective, determiner, False)


def _plain(entry: Entry) -> Nominal:
    return noun_phrase(entry.noun, None, "the", False)


def _it_is_there(thing: Entry, chooser: Chooser) -> Phrase:
    spot = chooser.pick(tuple(n for n in furniture() if n is not thing.noun))
    english = chooser.pick(spot.where)
    place = noun_phrase(spot, None, "the", False)
    return _written(
        add(
            be(_plain(thing), False),
            f"{english} {place.english}",
            contract(load().prepositions[english], place.french),
        )
    )


def _question_and_answer(
    living: Entry, other: Entry, who: Person, friend: Person, chooser: Chooser
) -> list[tuple[Person, Phrase]]:
    """Does the dog see the boat? Yes or no, in a whole sentence."""
    subject = noun_phrase(living.noun, None, "the", chooser.coin(0.2))
    found = _whole(other, "the")
    verb = chooser.pick(verbs_for(other.noun.kind, False))
    yes = chooser.coin(0.5)
    answer = add(clause_of(subject, verb, not yes, False), found.english, found.french)
    english, french = ("Yes", "Oui") if yes else ("No", "Non")
    said = Phrase(f"{english}, {answer.english}.", f"{french}, {answer.french}.")
    return [(friend, _written(does_it(subject, verb, found))), (who, said)]


def _confession(thing: Entry, other: Entry, chooser: Chooser) -> Phrase:
    """What the speaker did with the thing that was asked for, or with another."""
    entry = chooser.pick((thing, other))
    verb = chooser.pick(verbs_for(entry.noun.kind, True))
    found = _plain(entry) if entry is thing else _whole(entry, "a")
    clause = clause_of(I, verb, entry is thing and chooser.coin(0.5), True)
    return _written(add(clause, found.english, found.french))


def story(scene: Scene, whole: bool, chooser: Chooser) -> list[Phrase]:
    """Somebody seeks a thing, and somebody else helps. `whole`: with all details."""
    who, friend = scene.who, scene.friend
    thing, other = scene.things
    told = [
        add_spot(be(name(who), False), scene, chooser, 0.3),
        _act(pronoun(who.gender), _SEEKING, thing, "a", chooser),
    ]
    if whole:
        told += [
            _act(name(friend), _HOLDING, other, "a", chooser),
            _watching(scene, who, friend, chooser),
        ]
    told.append(_it_is_there(thing, chooser))
    if whole:
        told.append(_act(name(friend), _GETTING, thing, "the", chooser, past=True))
    told.append(_giving(friend, thing, who, chooser))
    if whole:
        told.append(predicate(be(_plain(other), False), _plain(other), other.adjective))
        told.append(_return(scene, who, chooser))
    told.append(_ending(scene, chooser))
    return [_written(phrase) for phrase in told]


def _act(subject, bases, entry, determiner, chooser, past=False) -> Phrase:
    verbs = tuple(
        verb for verb in verbs_for(entry.noun.kind, past) if verb.english[0] in bases
    )
    found = _whole(entry, determiner) if determiner == "a" else _plain(entry)
    clause = clause_of(subject, chooser.pick(verbs), False, past)
    return add(clause, found.english, found.french)


def _watching(scene: Scene, who: Person, friend: Person, chooser: Chooser) -> Phrase:
    subject = _whole(scene.living, "the")
    verbs = tuple(
        verb
        for verb in verbs_for("person", False)
        if verb.english[0] in ("see", "hear", "wait for", "look for")
    )
    seen = name(chooser.pick((who, friend)))
    clause = clause_of(subject, chooser.pick(verbs), False, False)
    return add(clause, seen.english, seen.french)


def _giving(giver: Person, thing: Entry, taker: Person, chooser) -> Phrase:
    found = _plain(thing)
    verb: Verb = load().giving[0]
    clause = clause_of(name(giver), verb, False, chooser.coin(0.5))
    clause = add(clause, found.english, found.french)
    return add(clause, f"to {taker.name}", contract("à", taker.name))


def _return(scene: Scene, who: Person, chooser: Chooser) -> Phrase:
    found = _plain(scene.place)
    verbs = tuple(v for v in load().verbs if v.english[0] in ("love", "forget", "draw"))
    clause = clause_of(name(who), chooser.pick(verbs), False, False)
    return add(clause, found.english, found.french)


def _ending(scene: Scene, chooser: Chooser) -> Phrase:
    """A good end: happy, proud or tired, and not sad."""
    subject = both(scene)
    mood = chooser.pick(moods())
    return predicate(be(subject, mood.english == "sad"), subject, mood)
