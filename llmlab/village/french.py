"""The bilingual pages: lessons, talks and readings in English and French.

A page keeps to a few people, things and places, and every thing keeps its adjective.
One noun-adjective combination in eight and four whole sentence patterns are held
out: they occur in tests only.
"""

from functools import cache

from llmlab.village import frames
from llmlab.village.chooser import Chooser
from llmlab.village.frames import expand
from llmlab.village.french_grammar import Phrase, noun_phrase
from llmlab.village.french_lexicon import FILE, adjectives_for, load
from llmlab.village.french_patterns import HELD_OUT_PATTERNS, PATTERNS, say
from llmlab.village.french_scene import Scene
from llmlab.village.french_talk import story, talk
from llmlab.village.world import person_slots

__all__ = ["FILE", "adjectives_for", "lemmas", "load", "page", "sentence"]

LINES = 5  # of a lesson
_PATTERN_WEIGHTS = {name: weight for name, (_, weight) in PATTERNS.items()}


def sentence(
    chooser: Chooser, held_out: bool = False, held_out_pattern: bool = False
) -> Phrase:
    """A sentence in both languages. `held_out`: with a noun-adjective combination,
    `held_out_pattern`: of a pattern, that only tests use."""
    scene = Scene(chooser, held_out)
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
    text = write(Scene(chooser, False), chooser)
    return text, {"page": write.__name__.strip("_")}


def _frame(name: str, scene: Scene, chooser: Chooser) -> str:
    """A frame of that name; only what it tells is drawn."""
    frame, slot_names = chooser.pick(load().frames[name])
    slots: dict = {}
    for role in sorted({slot.split(".")[0].lower() for slot in slot_names}):
        slots |= _slots(role, scene)
    return frames.capitalised(expand(frame, slots, chooser))


def _slots(role: str, scene: Scene) -> dict:
    if role == "who":
        return person_slots(scene.who, "who")
    if role == "friend":
        return person_slots(scene.friend, "friend")
    if role == "thing":
        thing = scene.thing
        phrase = noun_phrase(thing.noun, thing.adjective, "the", False)
        return {"thing": phrase.english}
    place = scene.place.noun
    there = f"{place.where[0]} the {place.english[0]}"
    return {"place": f"the {place.english[0]}", "there": there}


def _lesson(scene: Scene, chooser: Chooser) -> str:
    """Lines in both languages, each of another pattern, and a word before or after."""
    lines = [_frame("lesson_title", scene, chooser)]
    starts = chooser.coin(0.6)
    if starts:
        lines.append(_frame("lesson_start", scene, chooser))
    french_first = chooser.coin(0.3)
    for pattern in chooser.sample(tuple(PATTERNS), LINES):
        phrase = say(scene, pattern, chooser)
        sides = [phrase.english, phrase.french]
        lines.append(" – ".join(reversed(sides) if french_first else sides))
    if not starts:
        lines.append(_frame("lesson_end", scene, chooser))
    return "\n".join(lines)


def _dialogue(scene: Scene, chooser: Chooser) -> str:
    """Two people greet each other, ask where something is and say goodbye."""
    lines = [
        f"{speaker.name}: {phrase.french} – {phrase.english}"
        for speaker, phrase in talk(scene, chooser)
    ]
    return "\n".join([_frame("dialogue_title", scene, chooser), *lines])


def _reading(scene: Scene, chooser: Chooser) -> str:
    """A small story in French, and the same in English."""
    title = _frame("reading_title", scene, chooser)
    told = story(scene, False, chooser)
    french = " ".join(phrase.french for phrase in told)
    english = " ".join(phrase.english for phrase in told)
    between = _frame("reading_start", scene, chooser)
    return f"{title}\n{french}\n{between}\n{english}"


def _french_alone(scene: Scene, chooser: Chooser) -> str:
    title = _frame("reading_title", scene, chooser)
    told = story(scene, True, chooser)
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
