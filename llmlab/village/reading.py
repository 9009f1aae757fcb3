"""Reading a story back: which sentence of the story grammar is this, about whom?

The reader shares the data with the teller and nothing else. A sentence is reduced to
its key (names, things, places, pronouns and the like become classes), looked up among
the keys of all frames, and what it says is compared with who and what the story is
about. So it can judge any text, also a model's own, and names what is wrong with it.
"""

import re
from collections import Counter
from dataclasses import dataclass
from functools import cache, lru_cache

from llmlab.village import plots, world
from llmlab.village.frames import every_text

_SENTENCE_END = re.compile(r'(?:(?<=[.!?])|(?<=[.!?]"))\s+(?=["A-Z])')
_TOKEN = re.compile(r"\{[^}]*\}|\w+|[^\w\s]")
# A capital inside a sentence, where only names have one.
CAPITALISED = re.compile(r'(?<![.!?"] )(?<!^)(?<!")\b[A-Z][a-z]+')

START = "<start>"


@dataclass(frozen=True)
class Meaning:
    """What a sentence is in the story grammar. `values` says for every entity in it
    which slot it fills, or, where it is part of the frame's own words, its text."""

    kind: str  # "beat", "twist", "line", "simile", "senses", "fact"
    plot: str  # "" where any plot may have it
    beat: int  # number of the beat, -1 where it is none
    frame: int  # tells frames of the same kind apart
    group: str  # the place, weather, mood or role that a list of frames is for
    values: tuple[tuple[str, bool], ...]  # (slot or text, whether it is a slot)


@dataclass(frozen=True)
class Sentence:
    """A sentence of a story: its meaning if the grammar knows it, and how many of its
    entities contradict the story."""

    text: str
    key: tuple[str, ...]
    meaning: Meaning | None
    broken: int


@dataclass(frozen=True)
class Subject:
    """Who and what a story is about; None where that is not known."""

    who: str | None
    friend: str | None
    thing: str | None
    place: str | None


@dataclass(frozen=True)
class Grammar:
    """All sentences of the story grammar by key, and what its bigrams can be."""

    meanings: dict[tuple[str, ...], tuple[Meaning, ...]]
    bigrams: frozenset[tuple[str, str]]
    capitalised: frozenset[str]


@cache
def _phrases() -> dict[str, list[tuple[list[str], str]]]:
    """What can fill a slot, as (tokens, class), longest first, by its first token."""
    village = world.load()
    people = village.people.values()
    places = village.places.values()
    things = village.things.values()
    phrases: dict[str, list[tuple[list[str], str]]] = {}
    for name, texts in {
        "name": [person.name for person in people],
        "species": [person.species for person in people],
        "epithet": [person.epithet for person in people],
        "trade": [person.trade for person in people],
        "like": [person.like for person in people],
        "thing": [thing.name for thing in things],
        "made": sorted({thing.made for thing in things}),
        "use": [thing.use for thing in things],
        "place": [place.name for place in places],
        "mark": [place.mark for place in places],
        "visit": [place.use for place in places],
        "he": ["he", "she"],
        "his": ["him", "his", "her"],
    }.items():
        for text in texts:
            tokens = _TOKEN.findall(text)
            phrases.setdefault(tokens[0], []).append((tokens, name))
    for found in phrases.values():
        found.sort(key=lambda phrase: -len(phrase[0]))
    return phrases


_SLOT_CLASSES = {
    "species": "species",
    "epithet": "epithet",
    "trade": "trade",
    "home": "place",
    "like": "like",
    "material": "made",
    "near": "place",
    "kept": "place",
    "mark": "mark",
    "he": "he",
    "him": "his",
    "his": "his",
}


def _slot_class(slot: str) -> str:
    role, _, part = slot.partition(".")
    if part == "use":
        return "use" if role == "thing" else "visit"
    if part:
        return _SLOT_CLASSES[part]
    return {"thing": "thing", "place": "place"}.get(role, "name")


@lru_cache(maxsize=1 << 16)
def _reduce(
    text: str, of_frame: bool = False
) -> tuple[tuple[str, ...], tuple[tuple[str, str, bool], ...]]:
    """The key of a sentence, and its entities in order as (class, text, whether it is
    a slot). The first word may be capitalised, `an` counts as `a`; only in a frame is
    something in braces a slot."""
    tokens = _TOKEN.findall(text if of_frame else text.replace("{", "("))
    if tokens and tokens[0] not in world.load().people:
        tokens[0] = tokens[0].lower()
    phrases = _phrases()
    key: list[str] = []
    values = []
    position = 0
    while position < len(tokens):
        token = tokens[position]
        length = 1
        if token[0] == "{":
            values.append((_slot_class(token[1:-1]), token[1:-1], True))
            key.append(f"<{values[-1][0]}>")
        else:
            for phrase, name in phrases.get(token, ()):
                if tokens[position : position + len(phrase)] == phrase:
                    length = len(phrase)
                    values.append((name, " ".join(phrase), False))
                    key.append(f"<{name}>")
                    break
            else:
                key.append("a" if token == "an" else token)
        position += length
    return tuple(key), tuple(values)


def split_sentences(text: str) -> list[str]:
    """The sentences of a text; a quotation stays with who says it."""
    return [part for part in _SENTENCE_END.split(text.strip()) if part]


def _with_simple_slots(text: str) -> str:
    """`{Thing.made} lay` becomes `a {thing.material} {thing} lay`: one class a slot."""

    def simplify(match: re.Match) -> str:
        slot = match[1][0].lower() + match[1][1:]
        if slot == "thing.a":
            return "a {thing}"
        if slot == "thing.made":
            return "a {thing.material} {thing}"
        if ".a_" in slot:
            return "a {" + slot.replace(".a_", ".") + "}"
        if slot in ("place", "place.near", "thing.kept") or slot.endswith(".home"):
            return f"the {{{slot}}}"
        return f"{{{slot}}}"

    return re.sub(r"\{([^}]+)\}", simplify, text)


@cache
def grammar() -> Grammar:
    """Every sentence that a story can hold; built once, in about a second."""
    meanings: dict[tuple[str, ...], list[Meaning]] = {}
    capitalised: set[str] = set()
    for kind, plot, beat, group, frames in _all_frames():
        for number, frame in enumerate(frames):
            for text in every_text(frame):
                capitalised.update(CAPITALISED.findall(text))
                key, entities = _reduce(_with_simple_slots(text), of_frame=True)
                values = tuple((value, is_slot) for _, value, is_slot in entities)
                meaning = Meaning(kind, plot, beat, number, group, values)
                meanings.setdefault(key, []).append(meaning)
    capitalised.update(world.load().people)
    capitalised.add("French")
    return Grammar(
        meanings={key: tuple(found) for key, found in meanings.items()},
        bigrams=frozenset(pair for key in meanings for pair in bigrams(key)),
        capitalised=frozenset(capitalised),
    )


def _all_frames():
    """(kind, plot, beat, group, frames) of everything a story can say."""
    library = plots.load()
    for plot in library.plots.values():
        for number, beat in enumerate(plot.beats):
            yield "beat", plot.name, number, "", beat.says
            yield "line", plot.name, number, "", beat.lines
        yield "twist", plot.name, -1, "", plot.twists
        yield "moral", plot.name, -1, "", plot.morals
    for mood, frames in library.similes.items():
        yield "simile", "", -1, mood, frames
    for place in world.load().places.values():
        yield "senses", "", -1, place.name, place.senses
    for weather, frames in library.weather.items():
        yield "senses", "", -1, weather, frames
    for about, frames in library.facts.items():
        yield "fact", "", -1, about, frames


def bigrams(key: tuple[str, ...]) -> list[tuple[str, str]]:
    return list(zip((START, *key), key, strict=False))


def entities(texts: list[str]) -> dict[str, list[str]]:
    """The names, things, places and so on that sentences mention, by class."""
    found: dict[str, list[str]] = {}
    for text in texts:
        for name, value, _ in _reduce(text)[1]:
            found.setdefault(name, []).append(value)
    return found


def subject_of(prompt: str, texts: list[str]) -> Subject:
    """Who and what the prompt asks for.

    Where it asks for no friend, the friend is whom the sentences name most.
    """
    asked = entities([prompt])
    who, friend, *_ = [*asked.get("name", []), None, None]
    named = Counter(name for name in entities(texts).get("name", []) if name != who)
    if friend is None and named:
        friend = named.most_common(1)[0][0]
    return Subject(
        who=who,
        friend=friend,
        thing=asked.get("thing", [None])[0],
        place=asked.get("place", [None])[0],
    )


@lru_cache(maxsize=1 << 12)
def _expected_values(subject: Subject) -> dict[str, str]:
    """What each slot must hold in a story about the subject."""
    village = world.load()
    slots: dict[str, str] = {}
    for role, name in (("who", subject.who), ("friend", subject.friend)):
        if name:
            slots |= world.person_slots(village.people[name], role)
    if subject.thing:
        slots |= world.thing_slots(village.things[subject.thing])
    if subject.place:
        slots |= world.place_slots(village.places[subject.place])
    return {name: text.removeprefix("the ") for name, text in slots.items()}


def read_sentence(text: str, subject: Subject, plot: str = "") -> Sentence:
    """The best meaning of a sentence: fewest contradictions, then the given plot."""
    key, found = _reduce(text)
    expected = _expected_values(subject)
    best, fewest = None, 0.0
    for meaning in grammar().meanings.get(key, ()):
        broken = _contradictions(meaning, found, expected, subject)
        if meaning.plot and meaning.plot != plot:
            broken += 0.5
        if best is None or broken < fewest:
            best, fewest = meaning, broken
    return Sentence(text, key, best, int(fewest) + text[0].islower())


def fits_other_plots(sentence: Sentence) -> bool:
    """Whether the same words can belong to more plots than one."""
    return len(grammar().meanings.get(sentence.key, ())) > 1


def _contradictions(meaning: Meaning, found, expected, subject: Subject) -> int:
    wrong = 0
    for (wanted, is_slot), (_, value, _) in zip(meaning.values, found, strict=True):
        wrong += value != (expected.get(wanted, value) if is_slot else wanted)
    if subject.place and meaning.group in world.load().places:
        wrong += meaning.group != subject.place
    return wrong
