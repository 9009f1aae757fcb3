"""The frames of the phrase book; each draws what it says of a cell from a scene."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial

from llmlab.village import french_grammar as grammar
from llmlab.village import french_lexicon as lexicon
from llmlab.village.chooser import Chooser
from llmlab.village.french_cells import PERSONS, TENSES, Cell, every_cell
from llmlab.village.french_grammar import COME, GO, HE, SHE, WE, I, Nominal, Phrase
from llmlab.village.french_lexicon import KINDS, Noun, Verb, load, nouns_of
from llmlab.village.french_scene import Scene

_OWNED = ("thing", "food")  # the kinds of what somebody may have
_LIVING = ("person", "animal")
_NOUNS = ("noun", "nouns")
_THIRD = PERSONS[2:]  # of whose gender English tells enough


# ---- subjects


def _subject(scene: Scene, cell: Cell, kinds: tuple[str, ...] = _LIVING) -> Nominal:
    """Who acts: I, we, she or he, a name, two names, the goat or the goats."""
    match cell.person:
        case "I":
            return I
        case "we":
            return WE
        case "he or she":
            return scene.chooser.pick((HE, SHE))
        case "name":
            return grammar.name(scene.person())
        case "two names":
            return grammar.both(scene.person(), scene.person())
    return _somebody(scene, kinds, cell.person == "nouns")


def _somebody(scene: Scene, kinds: tuple[str, ...], plural: bool) -> Nominal:
    noun = scene.one_of(nouns_of(kinds, "train"))
    return grammar.noun_phrase(noun, None, "the", plural)


def _described(scene: Scene, cell: Cell, kinds: tuple[str, ...], compared=False):
    """A subject and the adjectives that can be said of it."""
    if cell.person not in _NOUNS:
        return _subject(scene, cell), lexicon.adjectives_of("person")
    noun = scene.one_of(nouns_of(kinds, scene.pairs, compared))
    subject = grammar.noun_phrase(noun, None, "the", cell.person == "nouns")
    return subject, lexicon.adjectives_for(noun, scene.pairs)


def _property(scene: Scene, cell: Cell, compared=False):
    """Her boats, or the king's boat, and the adjectives that can be said of it."""
    owner = _subject(scene, cell, ("person",))
    noun = scene.one_of(nouns_of(_OWNED, scene.pairs, compared))
    plural = scene.chooser.coin(0.3)
    if cell.person in ("name", *_NOUNS):
        found = grammar.owned(owner, noun, None, plural)
    else:
        found = grammar.noun_phrase(noun, None, owner.owner, plural)
    return found, lexicon.adjectives_for(noun, scene.pairs)


# ---- what is said of them


def _does(scene: Scene, cell: Cell, subject: Nominal, verb: Verb) -> Phrase:
    """she did not find ..."""
    return grammar.clause_of(subject, verb, cell.tense, cell.negative)


def _wishes(scene: Scene, cell: Cell, subject: Nominal, verb: Verb) -> Phrase:
    """she does not want to find ..."""
    wish = _does(scene, cell, subject, scene.chooser.pick(lexicon.wishes()))
    return grammar.add(wish, f"to {verb.english[0]}", verb.infinitive)


def _object(scene: Scene, noun: Noun, adjective, owner: str, a_may_be: bool, cell):
    """What a verb acts on. `owner` is the possessive of the subject, if it has one."""
    plural = scene.chooser.coin(0.3)
    determiners = ["the"]
    if owner and noun.kind in _OWNED:
        determiners.append(owner)
    if not plural and a_may_be:
        determiners.append("a")
    elif plural and not cell.negative:
        determiners.append("number")
    determiner = _determiner(scene, determiners)
    if cell.negative and determiner == "a":
        return grammar.without_any(noun, adjective, plural)
    return grammar.noun_phrase(noun, adjective, determiner, plural)


def _determiner(scene: Scene, options: list[str]) -> str:
    found = scene.chooser.pick(options)
    return scene.chooser.pick(tuple(load().numbers)) if found == "number" else found


def _is_like(scene: Scene, cell: Cell, subject: Nominal, adjectives) -> Phrase:
    """... is red"""
    start = grammar.be(subject, cell.tense, cell.negative)
    return grammar.predicate(start, subject, scene.chooser.pick(adjectives))


def _is_more(scene: Scene, cell: Cell, subject: Nominal, adjectives, kinds) -> Phrase:
    """... is older than a coat"""
    adjective = scene.chooser.pick(lexicon.comparable(adjectives))
    fitting = tuple(kind for kind in kinds if kind in adjective.kinds)
    article = scene.chooser.pick(("the", "a"))
    other = grammar.noun_phrase(scene.noun(fitting), None, article, False)
    form = adjective.forms[subject.gender, subject.plural]
    return grammar.add(
        grammar.be(subject, cell.tense, cell.negative),
        f"{adjective.comparative} than {other.english}",
        f"plus {form} {grammar.elide('que', other.french)}",
    )


# ---- the frames


def _description(scene: Scene, cell: Cell) -> Phrase:
    """seven red boats"""
    noun = scene.noun(KINDS)
    plural = scene.chooser.coin(0.4)
    determiners = ["the", "number" if plural else "a"]
    if noun.kind in _OWNED:
        determiners.append("my")
    determiner = _determiner(scene, determiners)
    found = grammar.noun_phrase(noun, scene.adjective(noun), determiner, plural)
    return Phrase(found.english, found.french)


def _statement(scene: Scene, cell: Cell) -> Phrase:
    """the boats are not red"""
    return _is_like(scene, cell, *_described(scene, cell, KINDS))


def _possession(scene: Scene, cell: Cell) -> Phrase:
    """Tilda's boat is red"""
    return _is_like(scene, cell, *_property(scene, cell))


def _comparison(scene: Scene, cell: Cell) -> Phrase:
    """the hat is older than the coat"""
    kinds = _LIVING
    if cell.person in _NOUNS:
        kinds = scene.chooser.pick((_OWNED, _LIVING, ("place",)))
    return _is_more(scene, cell, *_described(scene, cell, kinds, True), kinds)


def _compared_possession(scene: Scene, cell: Cell) -> Phrase:
    """Tilda's hat is older than the coat"""
    return _is_more(scene, cell, *_property(scene, cell, True), _OWNED)


def _action(scene: Scene, cell: Cell, begin=_does, adjectives=True) -> Phrase:
    """the dog saw the red boat"""
    subject = _subject(scene, cell)
    verb = scene.chooser.pick(lexicon.verbs("" if begin is _wishes else cell.tense))
    noun = scene.noun(verb.kinds)
    adjective = scene.perhaps_adjective(noun) if adjectives else None
    # What one does not want or love, French does not say in one way only.
    a_may_be = not cell.negative or (begin is _does and verb.english[0] != "love")
    found = _object(scene, noun, adjective, subject.owner, a_may_be, cell)
    clause = begin(scene, cell, subject, verb)
    return grammar.add(clause, found.english, found.french)


def _gift(scene: Scene, cell: Cell, begin=_does) -> Phrase:
    """Tilda gives the key to the king"""
    giver, noun = _subject(scene, cell, ("person",)), scene.noun(_OWNED)
    clause = begin(scene, cell, giver, scene.chooser.pick(load().giving))
    a_may_be = not cell.negative or begin is _does
    adjective = scene.perhaps_adjective(noun)
    given = _object(scene, noun, adjective, giver.owner, a_may_be, cell)
    taker = _somebody(scene, ("person",), scene.chooser.coin(0.3))
    clause = grammar.add(clause, given.english, given.french)
    return grammar.add(
        clause, f"to {taker.english}", grammar.contract("à", taker.french)
    )


def _motion(scene: Scene, cell: Cell, begin=_does) -> Phrase:
    """I come from the old harbour"""
    subject, noun = _subject(scene, cell), scene.noun(("place",))
    adjective = scene.perhaps_adjective(noun)
    place = grammar.noun_phrase(noun, adjective, "the", scene.chooser.coin(0.3))
    verb, english, french = scene.chooser.pick(((GO, "to", "à"), (COME, "from", "de")))
    clause = begin(scene, cell, subject, verb)
    return grammar.add(
        clause, f"{english} {place.english}", grammar.contract(french, place.french)
    )


def _whereabouts(scene: Scene, cell: Cell) -> Phrase:
    """the key is under the chair"""
    if cell.person in _NOUNS:
        noun = scene.noun((*_OWNED, *_LIVING))
        adjective = scene.perhaps_adjective(noun)
        plural = cell.person == "nouns"
        subject = grammar.noun_phrase(noun, adjective, "the", plural)
    else:
        subject = _subject(scene, cell)
    spot = scene.one_of(lexicon.spots())
    english = scene.chooser.pick(spot.where)
    where = grammar.noun_phrase(spot, None, "the", False)
    return grammar.add(
        grammar.be(subject, cell.tense, cell.negative),
        f"{english} {where.english}",
        grammar.contract(load().prepositions[english], where.french),
    )


_short_action = partial(_action, adjectives=False)


def _report(scene: Scene, cell: Cell, tell=_short_action) -> Phrase:
    """Tilda says that we did not see the boat"""
    teller = scene.person().name
    start = Phrase(f"{teller} says that", f"{teller} dit")
    told = tell(scene, cell)
    return grammar.add(start, told.english, grammar.elide("que", told.french))


_retold = partial(_report, tell=_report)


@dataclass(frozen=True)
class Frame:
    """`number` says which of its cells are kept for tests, `weight` how often it is
    told, `paired` for whom a noun meets an adjective whatever else is drawn. Not told
    is what French would have a choice of: the past of a state or a motion, "I am old".
    """

    write: Callable[[Scene, Cell], Phrase]
    number: int
    weight: float = 1.0
    persons: tuple[str, ...] = PERSONS
    tenses: tuple[str, ...] = TENSES
    paired: tuple[str, ...] = PERSONS


_NOW, _NOT_PAST = TENSES[:1], TENSES[::2]
# Most often is told what has most forms to learn. A report keeps for tests what its
# clause keeps.
FRAMES = {
    "action": Frame(_action, 0, 5.0),
    "gift": Frame(_gift, 1),
    "motion": Frame(_motion, 2, tenses=_NOT_PAST),
    "whereabouts": Frame(_whereabouts, 3, 1.0, PERSONS, _NOT_PAST, _NOUNS),
    "wish": Frame(partial(_action, begin=_wishes), 4, tenses=_NOW),
    "statement": Frame(_statement, 5, 2.0, _THIRD, _NOT_PAST, _NOUNS),
    "possession": Frame(_possession, 6, tenses=_NOT_PAST),
    "comparison": Frame(_comparison, 7, 0.8, _THIRD, _NOW, _NOUNS),
    "report": Frame(_report, 0, 0.8, paired=()),
    "description": Frame(_description, 0, 1.5, ("",), ("",), ("",)),
}
# Whole frames that only validation or only tests tell. Each joins two things that
# training shows apart, in cells that it shows of the frame of the same number. Those of
# "practice" no split tells: they are for a policy that is to learn without being shown.
NEW_FRAMES = {
    "validation": {
        "wish to go": Frame(partial(_motion, begin=_wishes), 4, tenses=_NOW),
        "report of a statement": Frame(
            partial(_report, tell=_statement), 5, 1.0, _THIRD, _NOW
        ),
    },
    "test": {
        "wish to give": Frame(partial(_gift, begin=_wishes), 4, tenses=_NOW),
        "compared possession": Frame(_compared_possession, 6, tenses=_NOW),
        "report of a report": Frame(_retold, 0, tenses=_NOW),
    },
    "practice": {
        "report of a report of a report": Frame(
            partial(_report, tell=_retold), 0, tenses=_NOW
        ),
    },
}
_ALL = FRAMES | {
    name: each for new in NEW_FRAMES.values() for name, each in new.items()
}


@cache
def cells_of(new: str, split: str) -> dict[str, list[Cell]]:
    """By frame, the cells of training or, if it is "cell" that is `new`, of a split.
    For a new combination only those in which a noun meets an adjective."""
    found = {}
    for name, frame in (NEW_FRAMES[split] if new == "frame" else FRAMES).items():
        persons = frame.paired if new == "combination" else frame.persons
        cells = every_cell(persons, frame.tenses, name, frame.number)
        wanted = split if new == "cell" else "train"
        found[name] = [cell for cell in cells if cell.split == wanted]
    return {name: cells for name, cells in found.items() if cells}


def draw_cell(chooser: Chooser, new: str = "", split: str = "train") -> Cell:
    options = cells_of(new, split)
    frame = chooser.weighted({name: _ALL[name].weight for name in options})
    return chooser.weighted({cell: cell.weight for cell in options[frame]})


def say(scene: Scene, cell: Cell) -> Phrase:
    """A sentence of a cell, with capital and stop."""
    scene.begin_sentence()
    phrase = _ALL[cell.frame].write(scene, cell)
    return Phrase(
        grammar.written(phrase.english), grammar.written(phrase.french), str(cell)
    )
