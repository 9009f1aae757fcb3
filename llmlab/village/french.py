"""The bilingual pages: sentences in English and in French, side by side.

One noun-adjective combination in eight and four whole sentence patterns are held
out: they occur in tests only.
"""

from functools import cache

from llmlab.village import calendar, world
from llmlab.village.cast import everybody
from llmlab.village.chooser import Chooser
from llmlab.village.frames import expand
from llmlab.village.french_grammar import Phrase
from llmlab.village.french_lexicon import FILE, adjectives_for, load
from llmlab.village.french_patterns import HELD_OUT_PATTERNS, PATTERNS, say
from llmlab.village.french_scene import Scene

__all__ = ["FILE", "adjectives_for", "lemmas", "load", "page", "sentence"]

LINES = 6  # of a page in both languages
LINES_OF_FRENCH = 11  # of a page in French alone
FRENCH_ALONE = 0.15
_WEIGHTS = {name: weight for name, (_, weight) in PATTERNS.items()}
# The patterns in which a noun meets its adjective whatever else is drawn.
_WITH_ADJECTIVE = {name: weight for name, weight in _WEIGHTS.items() if name != "gift"}


def sentence(
    chooser: Chooser, held_out: bool = False, held_out_pattern: bool = False
) -> Phrase:
    """A sentence in both languages. `held_out`: with a noun-adjective combination,
    `held_out_pattern`: of a pattern, that only tests use."""
    scene = Scene(chooser, held_out)
    if held_out_pattern:
        pattern = chooser.pick(tuple(HELD_OUT_PATTERNS))
    else:
        pattern = chooser.weighted(_WITH_ADJECTIVE if held_out else _WEIGHTS)
    return say(scene, pattern)


def page(chooser: Chooser) -> tuple[str, dict[str, str]]:
    """The text of a page with its labels."""
    alone = chooser.coin(FRENCH_ALONE)
    scene = Scene(chooser, held_out=False)
    kind = "french" if alone else "lesson"
    lines = [expand(load().titles[kind], _title_slots(chooser), chooser)]
    for _ in range(LINES_OF_FRENCH if alone else LINES):
        phrase = say(scene, chooser.weighted(_WEIGHTS))
        lines.append(phrase.french if alone else f"{phrase.english} – {phrase.french}")
    return "\n".join(lines), {"page": kind}


def _title_slots(chooser: Chooser) -> dict[str, str]:
    who, friend = chooser.sample(everybody("who"), 2)
    place = chooser.pick(tuple(world.load().places))
    day = chooser.pick(calendar.calendar().days)
    names = {"who": who.name, "friend": friend.name}
    return names | {"place": f"the {place}", "day": day}


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
