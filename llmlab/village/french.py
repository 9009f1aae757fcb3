"""The bilingual pages: sentences in English and in French, side by side.

One noun-adjective combination in eight, one cell in ten (see `french_cells`) and
three whole frames occur in tests only; about as many occur in validation only.
"""

from functools import cache

from llmlab.village import calendar, world
from llmlab.village.cast import everybody
from llmlab.village.chooser import Chooser
from llmlab.village.frames import expand
from llmlab.village.french_grammar import BE, COME, GO, Phrase
from llmlab.village.french_lexicon import FILE, adjectives_for, load
from llmlab.village.french_patterns import draw_cell, say
from llmlab.village.french_scene import Scene

__all__ = ["FILE", "adjectives_for", "lemmas", "load", "page", "sentence"]

LINES = 5  # of a page in both languages
LINES_OF_FRENCH = 10  # of a page in French alone
FRENCH_ALONE = 0.15


def sentence(chooser: Chooser, new: str = "", split: str = "test") -> Phrase:
    """A sentence in both languages, of what training shows; or with something `new`,
    kept for a split of "validation" or "test": the "combination" of a noun with its
    adjective, the "cell", or the "frame"."""
    scene = Scene(chooser, split if new == "combination" else "train")
    return say(scene, draw_cell(chooser, new, split))


def page(chooser: Chooser) -> tuple[str, dict[str, str]]:
    """The text of a page with its labels."""
    alone = chooser.coin(FRENCH_ALONE)
    scene = Scene(chooser)
    kind = "french" if alone else "lesson"
    lines = [expand(load().titles[kind], _title_slots(chooser), chooser)]
    for _ in range(LINES_OF_FRENCH if alone else LINES):
        phrase = say(scene, draw_cell(chooser))
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
    for verb in (*load().verbs, *load().giving, GO, COME, BE):
        found |= dict.fromkeys((*verb.present, verb.infinitive), verb.present[1])
    for forms in (("le", "la", "les"), ("un", "une"), ("leur", "leurs")):
        found |= dict.fromkeys(forms, forms[0])
    for forms in (("mon", "ma", "mes"), ("son", "sa", "ses"), ("notre", "nos")):
        found |= dict.fromkeys(forms, forms[0])
    return found | {form.title(): lemma.title() for form, lemma in found.items()}
