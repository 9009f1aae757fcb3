"""The bilingual pages: lessons, talks and readings in English and French.

A page keeps to a few people, things and places, and every thing keeps its adjective.
One noun-adjective combination in eight and four whole sentence patterns are held
out: they occur in tests only.
"""

from functools import cache

from llmlab.village.chooser import Chooser
from llmlab.village.frames import expand
from llmlab.village.french_grammar import Phrase, Scene, draw_scene, noun_phrase
from llmlab.village.french_lexicon import FILE, adjectives_for, load
from llmlab.village.french_patterns import HELD_OUT_PATTERNS, PATTERNS, say
from llmlab.village.french_talk import story, talk
from llmlab.village.world import Person, person_slots

__all__ = ["FILE", "adjectives_for", "lemmas", "load", "page", "sentence"]

LINES = 5  # of a lesson
_PATTERN_WEIGHTS = {name: weight for name, (_, weight) in PATTERNS.items()}


def sentence(
    chooser: Chooser, held_out: bool = False, held_out_pattern: bool = False
) -> Phrase:
    """A sentence in both languages. `held_out`: with a noun-adjective combination,
    `held_out_pattern`: of a pattern, that only tests use."""
    scene = draw_scene(chooser, held_out)
    if held_out_pattern:
        pattern = chooser.pick(tuple(HELD_OUT_PATTERNS))
    else:
        pattern = chooser.weighted(_WITH_ADJECTIVE if held_out else _PATTERN_WEIGHTS)
    return say(scene, pattern, chooser)


# The patterns in which a noun meets its adjective whatever else is drawn.
_WITH_ADJECTIVE = {
    name: _PATTERN_WEIGHTS[name]
    for name in (
        "description",
        "statement",
        "action",
        "refusal",
        "past",
        "past refusal",
        "together",
        "whereabouts",
        "person whereabouts",
        "motion",
        "possession",
        "search for possession",
        "existence",
        "gift",
        "company",
        "where",
        "question",
    )
}


def page(chooser: Chooser) -> tuple[str, dict[str, str]]:
    """The text of a page with its labels."""
    kinds = {_lesson: 0.5, _dialogue: 0.25, _reading: 0.15, _french_alone: 0.1}
    write = chooser.weighted(kinds)
    scene = draw_scene(chooser, False)
    who, friend = scene.woman, scene.man
    if chooser.coin(0.5):
        who, friend = friend, who
    text = write(scene, who, friend, chooser)
    return text, {"page": write.__name__.strip("_"), "who": who.name}


def _frame(name: str, scene: Scene, who: Person, friend: Person, chooser) -> str:
    thing, place = scene.things[0], scene.place.noun
    slots = person_slots(who, "who") | person_slots(friend, "friend")
    slots |= {
        "thing": noun_phrase(thing.noun, thing.adjective, "the", False).english,
        "place": f"the {place.english[0]}",
        "there": f"{place.where[0]} the {place.english[0]}",
    }
    return expand(chooser.pick(load().frames[name]), slots, chooser)


def _lesson(scene: Scene, who: Person, friend: Person, chooser: Chooser) -> str:
    """Lines in both languages, each of another pattern, and a word before or after."""
    lines = []
    french_first = chooser.coin(0.3)
    for pattern in chooser.sample(tuple(PATTERNS), LINES):
        phrase = say(scene, pattern, chooser)
        sides = [phrase.english, phrase.french]
        lines.append(" – ".join(reversed(sides) if french_first else sides))
    title = _frame("lesson_title", scene, who, friend, chooser)
    if chooser.coin(0.6):
        lines.insert(0, _frame("lesson_start", scene, who, friend, chooser))
    else:
        lines.append(_frame("lesson_end", scene, who, friend, chooser))
    return "\n".join([title, *lines])


def _dialogue(scene: Scene, who: Person, friend: Person, chooser: Chooser) -> str:
    """Two people greet each other, ask where something is and say goodbye."""
    title = _frame("dialogue_title", scene, who, friend, chooser)
    lines = [
        f"{speaker.name}: {phrase.french} – {phrase.english}"
        for speaker, phrase in talk(scene, who, friend, chooser)
    ]
    return "\n".join([title, *lines])


def _reading(scene: Scene, who: Person, friend: Person, chooser: Chooser) -> str:
    """A small story in French, and the same in English."""
    title = _frame("reading_title", scene, who, friend, chooser)
    told = story(scene, who, friend, False, chooser)
    return "\n".join(
        [
            title,
            " ".join(phrase.french for phrase in told),
            _frame("reading_start", scene, who, friend, chooser),
            " ".join(phrase.english for phrase in told),
        ]
    )


def _french_alone(scene: Scene, who: Person, friend: Person, chooser: Chooser) -> str:
    title = _frame("reading_title", scene, who, friend, chooser)
    told = story(scene, who, friend, True, chooser)
    return f"{title}\n" + " ".join(phrase.french for phrase in told)


@cache
def lemmas() -> dict[str, str]:
    """Every form of every word, by which one tells a wrong ending from a wrong word.
    Articles and possessives count as one word each."""
    found: dict[str, str] = {}
    for noun in load().nouns:
        found |= dict.fromkeys(noun.french, noun.french[0])
    for adjective in load().adjectives:
        forms = (*adjective.forms.values(), adjective.before_vowel)
        found |= dict.fromkeys(forms, adjective.forms["m", False])
    for verb in (*load().verbs, *load().giving):
        found |= dict.fromkeys(verb.present, verb.present[1])
    for forms in (("un", "une"), ("mon", "ma", "mes"), ("son", "sa", "ses")):
        found |= dict.fromkeys(forms, forms[0])
    for forms in (("le", "la", "les"), ("leur", "leurs"), ("Le", "La", "Les")):
        found |= dict.fromkeys(forms, forms[0])
    return found
