"""Questions to a model that was never told the answers as such: is the grammatical
sentence likelier, how does the saying end, what does it know about the village?"""

from dataclasses import dataclass

from llmlab.village import sayings, world
from llmlab.village.chooser import Chooser


@dataclass(frozen=True)
class MinimalPair:
    """Two sentences that differ in one word; only `good` is grammatical or true to
    the world."""

    phenomenon: str
    good: str
    bad: str


@dataclass(frozen=True)
class Completion:
    """`prefix` should be followed by `answer` rather than by any distractor."""

    kind: str  # "idiom", "proverb" or "fact"
    prefix: str
    answer: str
    distractors: tuple[str, ...]


@dataclass(frozen=True)
class Probes:
    minimal_pairs: tuple[MinimalPair, ...]
    completions: tuple[Completion, ...]


def probes(seed: int, pairs_each: int = 20) -> Probes:
    """Minimal pairs for each phenomenon, every idiom and proverb that has an ending
    of its own, and the facts of all people."""
    chooser = Chooser("probes", seed)
    minimal_pairs = [
        MinimalPair(phenomenon, *draw(chooser))
        for phenomenon, draw in _PHENOMENA.items()
        for _ in range(pairs_each)
    ]
    return Probes(tuple(minimal_pairs), (*_sayings(chooser), *_facts(chooser)))


def _person_and_thing(chooser: Chooser):
    village = world.load()
    return (
        chooser.pick(tuple(village.people.values())),
        chooser.pick(tuple(village.things.values())),
    )


def _article(chooser: Chooser) -> tuple[str, str]:
    village = world.load()
    place = chooser.pick(tuple(village.places))
    person, thing = _person_and_thing(chooser)
    good = world.with_article(f"{thing.made} {thing.name}")
    article, rest = good.split(" ", 1)
    bad = ("a " if article == "an" else "an ") + rest
    start = f"One cold morning {person.name} found "
    return f"{start}{good} at the {place}.", f"{start}{bad} at the {place}."


def _gender(chooser: Chooser) -> tuple[str, str]:
    person, thing = _person_and_thing(chooser)
    right = person.pronoun("he")
    wrong = "he" if right == "she" else "she"
    start = f"{person.name} was busy at the mill with {world.with_article(thing.name)}."
    return tuple(f"{start} Then {he} went home." for he in (right, wrong))


def _possessive(chooser: Chooser) -> tuple[str, str]:
    person, _ = _person_and_thing(chooser)
    right = person.pronoun("his")
    wrong = "his" if right == "her" else "her"
    return tuple(
        f"{person.name} was very sad. {his.capitalize()} heart was as heavy as a wet "
        "sail."
        for his in (right, wrong)
    )


def _agreement(chooser: Chooser) -> tuple[str, str]:
    person, _ = _person_and_thing(chooser)
    ending = f"the {person.trade} of the village."
    return f"{person.name} is {ending}", f"{person.name} are {ending}"


def _word_order(chooser: Chooser) -> tuple[str, str]:
    person, thing = _person_and_thing(chooser)
    start = f"{person.name} carried {world.with_article(thing.made)}"
    good = f"{start} {thing.name} to the harbour."
    bad = (
        f"{person.name} carried {world.with_article(thing.name)} {thing.made} "
        "to the harbour."
    )
    return good, bad


def _infinitive(chooser: Chooser) -> tuple[str, str]:
    person, thing = _person_and_thing(chooser)
    place = chooser.pick(tuple(world.load().places))
    start = f"{person.name} wanted to"
    return (
        f"{start} bring the {thing.name} to the {place}.",
        f"{start} brought the {thing.name} to the {place}.",
    )


_PHENOMENA = {
    "a or an": _article,
    "gender of the subject": _gender,
    "gender of the possessive": _possessive,
    "verb agreement": _agreement,
    "adjective before noun": _word_order,
    "infinitive after to": _infinitive,
}


def _endings(texts: list[str], kind: str, chooser: Chooser) -> list[Completion]:
    """Each text cut before its last word, with last words of others as distractors."""
    cut = [text.rsplit(" ", 1) for text in texts]
    lasts = sorted({last for _, last in cut})
    completions = []
    for prefix, last in cut:
        others = [word for word in lasts if word != last]
        completions.append(
            Completion(
                kind,
                prefix,
                f" {last}",
                tuple(f" {word}" for word in chooser.sample(others, 3)),
            )
        )
    return completions


def _sayings(chooser: Chooser) -> tuple[Completion, ...]:
    known = sayings.load()
    idioms = [f"To {idiom.infinitive}" for idiom in known.idioms]
    proverbs = [proverb.text for proverb in known.proverbs]
    return (
        *_endings(idioms, "idiom", chooser),
        *_endings([sayings.PANGRAM, *proverbs], "proverb", chooser),
    )


def _facts(chooser: Chooser) -> tuple[Completion, ...]:
    """For every person: trade, home and what they like, as the encyclopaedia says."""
    people = tuple(world.load().people.values())
    templates = {
        "trade": (
            "{person.name} is a {person.species}. {he} works as the",
            "trade",
            " {}",
        ),
        "home": (
            "{person.name} is a {person.species}. {he} lives at the",
            "home",
            " {}",
        ),
        "like": ("{person.name} is a {person.species}. {he} loves", "like", " {}"),
    }
    completions = []
    for person in people:
        he = person.pronoun("he").capitalize()
        for prefix, key, form in templates.values():
            answer = getattr(person, key)
            others = sorted({getattr(other, key) for other in people} - {answer})
            completions.append(
                Completion(
                    "fact",
                    prefix.format(person=person, he=he),
                    form.format(answer),
                    tuple(form.format(o) for o in chooser.sample(others, 3)),
                )
            )
    return tuple(completions)
