"""Reading a story back: which sentence of the story grammar is this, about whom?

The reader shares the data with the teller and nothing else. A sentence is read by an
automaton of all frames, in which any name, thing, place and so on may fill a slot of
its kind; what fills each slot is then compared with who and what the story is about.
So it can judge any text, also a model's own, and names what is wrong with it.
"""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache, lru_cache

from llmlab.village import plotlines, world
from llmlab.village.automaton import Automaton, Filling, Lexicon, Parse
from llmlab.village.calendar import calendar, time_slots
from llmlab.village.frames import Choice, Slot, every_text

_SENTENCE_END = re.compile(r'(?:(?<=[.!?])|(?<=[.!?]"))\s+(?=["A-Z])')
_TOKEN = re.compile(r"\w+|[^\w\s]")
# A capital inside a sentence, where only names have one.
CAPITALISED = re.compile(r'(?<![.!?"] )(?<!^)(?<!")\b[A-Z]\w*')

# Kinds of sentences in which the two people may change places: what is true of the
# friend may be told of the friend, also where a frame says it of the hero.
_OF_EITHER = ("simile", "senses", "fact")


@dataclass(frozen=True)
class Meaning:
    """What a sentence is in the story grammar."""

    kind: str  # "beat", "twist", "line", "simile", "senses", "fact", "moral"
    plot: str  # "" where any plot may have it
    beat: int  # number of the beat, -1 where it is none
    group: str  # the mood, the sense or the subject that a list of frames is for
    frame: int  # tells frames of the same kind apart


@dataclass(frozen=True)
class Sentence:
    """A sentence of a story: its meaning if the grammar knows it, what it says in the
    slots of its frame, and what of that contradicts the story."""

    text: str
    meaning: Meaning | None
    fillings: tuple[Filling, ...] = ()
    contradictions: tuple[Filling, ...] = ()

    @property
    def broken(self) -> int:
        return len(self.contradictions)


@dataclass(frozen=True)
class Subject:
    """Who and what a story is about; "" where that is not known (yet)."""

    who: str = ""
    friend: str = ""
    thing: str = ""
    place: str = ""
    day: str = ""
    time: str = ""
    weather: str = ""

    def learn(self, fillings: Iterable[Filling]) -> "Subject":
        """The subject, completed by what a sentence says."""
        new: dict[str, str] = {}
        for filling in fillings:
            role = "weather" if filling.slot == "a_weather" else filling.slot
            if role in _ROLES and not getattr(self, role):
                new.setdefault(role, _known_as(role, filling.text))
        return replace(self, **new) if new else self


_ROLES = tuple(Subject.__dataclass_fields__)


def tokenize(text: str) -> list[str]:
    """The words and marks of a sentence in small letters; `an` counts as `a`."""
    return ["a" if t == "an" else t for t in _TOKEN.findall(text.lower())]


def split_sentences(text: str) -> list[str]:
    """The sentences of a text; a quotation stays with who says it."""
    return [part for part in _SENTENCE_END.split(text.strip()) if part]


# ---- the grammar

_CLASSES = dict(home="place", near="place", kept="place", kin="name", owner="name")
_CLASSES["after"] = "day"

# Slots that hold "the mill" and the like.
_WITH_THE = ("place", "place.near", "thing.kept", "who.home", "friend.home")


def _class_of(slot: str) -> str:
    """What kind of phrase fills a slot: "name" for {who}, {friend.kin} and so on."""
    if slot.endswith(".name"):
        return "place"
    role, _, part = slot.partition(".")
    if part == "use":
        return "use" if role == "thing" else "visit"
    if part:
        return _CLASSES.get(part, part)
    return "name" if role in ("who", "friend", "other") else role


def _spelled(slot: str):
    """The frame of a slot that is made of simpler ones."""
    if slot == "thing.a":
        return "a ", Slot("thing")
    if slot == "thing.made":
        return "a ", Slot("thing.material"), " ", Slot("thing")
    if slot in _WITH_THE:
        return "the ", Slot(f"{slot}.name")
    if ".a_" in slot or slot == "a_weather":
        return "a ", Slot(slot.replace("a_", ""))
    return None


_TASTES = ("like", "wish", "habit", "fear")


@cache
def _lexicon() -> Lexicon:
    """What can fill a slot, by class."""
    village = world.load()
    times = calendar()
    lexicon = Lexicon(tokenize)
    people, places = village.people.values(), village.places.values()
    things = village.things.values()
    for name in ("name", "species", "epithet", "trade", "bond", *_TASTES):
        lexicon.add(name, [getattr(person, name) for person in people])
    for case in ("he", "him", "his"):
        lexicon.add(case, [person.pronoun(case) for person in people])
    lexicon.add("thing", village.things)
    lexicon.add("material", [thing.made for thing in things])
    lexicon.add("colour", [thing.colour for thing in things])
    lexicon.add("use", [thing.use for thing in things])
    lexicon.add("place", village.places)
    lexicon.add("mark", [place.mark for place in places])
    lexicon.add("visit", [place.use for place in places])
    lexicon.add("inside", ["indoors", "outdoors"])
    for name in ("spot", "smell", "sound", "sight"):
        for place in places:
            lexicon.add(name, every_text(Choice(getattr(place, f"{name}s"))))
    lexicon.add("day", times.days)
    lexicon.add("time", times.hours)
    lexicon.add("weather", times.signs)
    for name, listed in {"hour": times.hours, "sign": times.signs}.items():
        for options in listed.values():
            lexicon.add(name, every_text(Choice(options)))
    return lexicon


@cache
def grammar() -> Automaton:
    """Every sentence that a story can hold; built once."""
    automaton = Automaton(_lexicon(), tokenize, _class_of, _spelled)
    for kind, plot, beat, group, listed in _all_frames():
        for number, frame in enumerate(listed):
            automaton.add(frame, Meaning(kind, plot, beat, group, number))
    automaton.close()
    return automaton


def _all_frames():
    """(kind, plot, beat, group, frames) of everything a story can say."""
    library = plotlines.load()
    for plot in library.plots.values():
        for number, beat in enumerate(plot.beats):
            yield "beat", plot.name, number, "", beat.says
            yield "line", plot.name, number, "", beat.lines
        yield "twist", plot.name, -1, "", plot.twists
        yield "moral", plot.name, -1, "", plot.morals
    added = {"simile": library.similes, "senses": library.senses, "fact": library.facts}
    for kind, groups in added.items():
        for group, listed in groups.items():
            yield kind, "", -1, group, listed


@cache
def word_pairs() -> frozenset[tuple[str | None, str]]:
    """The pairs of neighbouring words that stories can have."""
    return grammar().word_pairs()


@cache
def capitalised() -> frozenset[str]:
    """The words that have a capital inside a sentence."""
    village = world.load()
    words = {"I", *village.people, *calendar().days}
    for person in village.people.values():
        for taste in _TASTES:
            words.update(re.findall(r"\b[A-Z]\w*", getattr(person, taste)))
    for *_, listed in _all_frames():
        for frame in listed:
            words.update(re.findall(r"(?<= )[A-Z]\w*", _literals(frame)))
    return frozenset(words)


def _literals(node) -> str:
    """The words of a frame that are not of slots, choices separated by lines."""
    if isinstance(node, str):
        return node
    if isinstance(node, Choice):
        return "\n" + "\n".join(map(_literals, node.options)) + "\n"
    if isinstance(node, tuple):
        return "".join(map(_literals, node))
    return "_"


# ---- what a story is about


@lru_cache(maxsize=1 << 12)
def entities(text: str) -> dict[str, tuple[str, ...]]:
    """The names, things, places and so on that a text mentions, by class."""
    found: dict[str, list[str]] = {}
    covered = 0
    phrases = _lexicon().phrases(tokenize(text))
    for _, end, name, said in sorted(phrases, key=lambda p: (p[0], -p[1])):
        if name in ("name", "thing", "place") and end > covered:
            found.setdefault(name, []).append(_known_as(name, said))
            covered = end
    return {name: tuple(values) for name, values in found.items()}


@cache
def _names() -> dict[str, str]:
    """What the lexicon writes small, as the world writes it."""
    written = (*world.load().people, *calendar().days)
    return {" ".join(tokenize(name)): name for name in written}


def _known_as(role: str, text: str) -> str:
    return _names().get(text, text)


def subject_of(prompt: str, story: str) -> Subject:
    """Who and what the prompt asks for.

    Where it asks for no friend, the friend is whom the story names most.
    """
    asked = entities(prompt)
    names = list(dict.fromkeys(asked.get("name", ())))[:2]
    if len(names) < 2:
        others = Counter(n for n in entities(story).get("name", ()) if n not in names)
        names += [name for name, _ in others.most_common(2 - len(names))]
    who, friend, *_ = (*names, "", "")
    thing, place = (asked.get(kind, ("",))[0] for kind in ("thing", "place"))
    return Subject(who, friend, thing, place)


def plot_asked(prompt: str) -> str:
    """The plot whose label the prompt names, or ""."""
    words = tokenize(prompt)
    for plot in plotlines.load().plots.values():
        label = tokenize(plot.label)
        if any(words[at : at + len(label)] == label for at in range(len(words))):
            return plot.name
    return ""


@lru_cache(maxsize=1 << 12)
def _expected(subject: Subject) -> dict[str, frozenset[str]]:
    """The texts that are right in each slot of a story about the subject."""
    right = {"other": _names_but(subject.who, subject.friend)}
    for role in ("who", "friend", "thing", "place"):
        if name := getattr(subject, role):
            right |= _right_of(role, name)
    if subject.day and subject.time and subject.weather:
        right |= _right_of_time(subject.day, subject.time, subject.weather)
    return right


@cache
def _right_of(role: str, name: str) -> dict[str, frozenset[str]]:
    village = world.load()
    if role == "thing":
        return _right_texts(world.thing_slots(village.things[name]))
    if role == "place":
        return _right_texts(world.place_slots(village.places[name]))
    return _right_texts(world.person_slots(village.people[name], role))


@cache
def _right_of_time(day: str, time: str, weather: str) -> dict[str, frozenset[str]]:
    return _right_texts(time_slots(day, time, weather))


@cache
def _names_but(*names: str) -> frozenset[str]:
    return frozenset(name.lower() for name in world.load().people if name not in names)


def _right_texts(slots: dict) -> dict[str, frozenset[str]]:
    """By slot the words that may fill it, of slots as frames have them."""
    right = {}
    for slot, filling in slots.items():
        if slot[0].islower():
            texts = every_text(filling)
            right[slot] = frozenset(" ".join(tokenize(text)) for text in texts)
            if slot in _WITH_THE:
                right[f"{slot}.name"] = frozenset({filling.removeprefix("the ")})
    return right


# ---- reading


@dataclass(frozen=True)
class Story:
    """A story that was read: its sentences, what it is about, and the plot that most
    of its beats belong to ("" if it has none)."""

    sentences: tuple[Sentence, ...]
    subject: Subject
    plot: str


def parse_story(prompt: str, text: str) -> Story:
    """Reads a story against what its prompt asks for.

    Whatever the prompt does not ask for (the day, the weather) is what is said first.
    """
    subject = subject_of(prompt, text)
    texts = split_sentences(text)
    parses = []
    for sentence in texts:
        parses.append(_parses(sentence, subject))
        if parses[-1]:
            best = min(parses[-1], key=lambda parse: len(parse.wrong))
            subject = subject.learn(best.fillings)
    plot = _main_plot(parses)
    sentences = map(_sentence, texts, parses, [plot] * len(texts))
    return Story(tuple(sentences), subject, plot)


def _parses(text: str, subject: Subject) -> list[Parse]:
    """All that a sentence can mean, also of the friend where it may be of either."""
    tokens = tokenize(text)
    parses = grammar().parses(tokens, _expected(subject))
    if any(parse.wrong and parse.tag.kind in _OF_EITHER for parse in parses):
        swapped = replace(subject, who=subject.friend, friend=subject.who)
        others = grammar().parses(tokens, _expected(swapped))
        parses += [parse for parse in others if parse.tag.kind in _OF_EITHER]
    return parses


def _main_plot(parses: list[list[Parse]]) -> str:
    votes = Counter(
        plot
        for found in parses
        for plot in {parse.tag.plot: 0 for parse in found if parse.tag.kind == "beat"}
    )
    return votes.most_common(1)[0][0] if votes else ""


def _sentence(text: str, parses: list[Parse], plot: str) -> Sentence:
    """The best meaning: fewest contradictions, then one of the given plot."""
    if not parses:
        return Sentence(text, None)

    def badness(parse: Parse) -> float:
        return len(parse.wrong) + 0.5 * (parse.tag.plot not in ("", plot))

    best = min(parses, key=badness)
    return Sentence(text, best.tag, best.fillings, best.wrong)
