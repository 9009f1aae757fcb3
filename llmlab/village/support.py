"""Customer support: intents, their questions and answers, and the facts that make
an answer right."""

from dataclasses import dataclass
from functools import cache
from typing import Any

from llmlab.village import cast, pages, world
from llmlab.village.chooser import Chooser
from llmlab.village.frames import expand, slot_names, small
from llmlab.village.world import Entry

FILE = "support.toml"
OWN_QUESTIONS = 10
REFUSAL = "refused"  # the aspect of the fact that says sorry
REFUSED_QUESTIONS = 16  # of an intent to which the village has no answer
# How often each kind of question is asked.
_TRAINING = {
    "template wording": 0.25,
    "own wording": 0.30,
    "unanswerable": 0.20,
    "follow-up": 0.25,
}
_NEW = _TRAINING | {"own wording": 0.35, "follow-up": 0.20}

_GREETINGS = ("", "Hello! ", "Good morning! ")
_THANKS = ("", " Thank you.")
_ROLES = ("who", "thing", "place")  # whom the questions without an answer are about


@dataclass(frozen=True, eq=False)
class Intent:
    """Wordings are frames by split; what validation and tests ask, training never
    does."""

    name: str
    aspects: dict[str, str]  # facts by what they tell: "who", "where", "price"
    own: dict[str, tuple]  # wordings that only this intent has
    templates: dict[str, tuple]  # that all share, filled with what this one is about
    answers: tuple[str, ...]
    on_pages: tuple  # those of training that the village's own pages ask

    @property
    def facts(self) -> tuple[str, ...]:
        return tuple(self.aspects.values())

    def questions(self, split: str) -> tuple:
        return self.own[split] + self.templates[split]


@dataclass(frozen=True)
class Exchange:
    """A visitor's question and its answer; `facts` are what the answer must hold."""

    intent: Intent
    kind: str  # one of _TRAINING
    question: str
    answer: str
    facts: tuple[str, ...]
    earlier: tuple[tuple[str, str], ...] = ()


@cache
def load() -> tuple[Intent, ...]:
    """All intents, checked: every answer holds its own facts and no others."""
    slots, found = _people_slots(), world.entries(FILE, "intent")
    told, more = (world.section(FILE, name) for name in ("wordings", "more_wordings"))
    asked = {
        key: (told.frames(key, (key,)), more.frames(key, (key,))) for key in told.data
    }
    intents = tuple(_read_intent(entry, asked, slots) for entry in found)
    _check_questions(intents)
    known = frozenset(fact for intent in intents for fact in intent.facts)
    for intent, entry in zip(intents, found, strict=True):
        for answer in intent.answers:
            _check_answer(intent, answer, known, entry)
    return intents


def _people_slots() -> dict[str, str]:
    """{Otto} and {Otto.home}, so that what is answered is true in the village."""
    slots = {}
    for person in world.load().people.values():
        slots[person.name] = person.name
        slots[f"{person.name}.home"] = f"the {person.home}"
    return slots


def _read_intent(entry: Entry, wordings: dict, slots: dict[str, str]) -> Intent:
    def texts(block: str) -> tuple[str, ...]:
        frames = world.frame_list(block, {}, set(map(small, slots)), FILE, entry.where)
        return tuple(expand(frame, slots, Chooser()) for frame in frames)

    aspects = entry.get("facts", dict)
    own, more = _own_questions(entry)
    on_pages, templates = own["train"], {split: () for split in own}
    for key, asked in wordings.items() if REFUSAL not in aspects else ():
        value = {key: entry.get(key)}
        told, further = (
            tuple(expand(f, value, Chooser()) for f in frames) for frames in asked
        )
        filled = by_split(told)
        on_pages += filled["train"]
        filled["train"] = further + filled["train"]
        templates = {split: templates[split] + filled[split] for split in templates}
    return Intent(
        name=entry.get("name"),
        aspects=dict(zip(aspects, texts("\n".join(aspects.values())), strict=True)),
        own=own | {"train": more + own["train"]},
        templates=templates,
        answers=texts(entry.get("answers")),
        on_pages=on_pages,
    )


def _own_questions(entry: Entry) -> tuple[dict[str, tuple], tuple]:
    """By split; and further ones, which no page asks."""
    asked, lists, expected, kept, more = (), None, OWN_QUESTIONS, 1, ()
    if REFUSAL in entry.get("facts", dict):
        asked, lists = cast.every_slot(_ROLES), pages.word_lists()
        expected, kept = REFUSED_QUESTIONS, 2
        more = entry.frames("more_questions", asked, lists)
    own = entry.frames("questions", asked, lists)
    if len(own) != expected:
        raise entry.mistake(
            f"expected {expected} questions, the last of them for tests, found "
            f"{len(own)}"
        )
    return by_split(own, kept), more


def by_split(frames: tuple, kept: int = 1) -> dict[str, tuple]:
    """The last `kept` frames are for tests, those before them for validation."""
    return {
        "train": frames[: -2 * kept],
        "validation": frames[-2 * kept : -kept],
        "test": frames[-kept:],
    }


def _check_questions(intents: tuple[Intent, ...]) -> None:
    """No question is asked with two intents."""
    asked: dict[Any, str] = {}
    for intent in intents:
        for question in (q for split in intent.own for q in intent.questions(split)):
            if question in asked:
                raise world.WorldError(
                    f"{world.at_line(FILE, str(question))}: intent {intent.name}: the "
                    f"question {question!r} belongs to intent {asked[question]}; "
                    "word one of them differently"
                )
            asked[question] = intent.name


def _check_answer(
    intent: Intent, answer: str, known: frozenset[str], entry: Entry
) -> None:
    missing = [fact for fact in intent.facts if fact not in answer]
    foreign = [fact for fact in known - set(intent.facts) if fact in answer]
    if missing or foreign:
        raise entry.mistake(
            f"the answer {answer!r} lacks the facts {missing} and has facts of other "
            f"intents {sorted(foreign)}; an answer holds all facts of its own intent "
            "and no other's"
        )


@cache
def follow_ups() -> dict[str, tuple[dict[str, tuple], tuple]]:
    """By aspect how one asks for such a fact in a second turn, and what is said."""
    found = {}
    for aspect, data in world.section(FILE, "follow").data.items():
        entry = Entry(FILE, f"[follow.{aspect}]", data)
        asked = by_split(entry.frames("questions", ("who",)), kept=3)
        found[aspect] = asked, entry.frames("answers", ("fact",))
    return found


@cache
def foreign_facts(name: str) -> frozenset[str]:
    """What an answer of the intent of that name must not hold: others' facts."""
    own = {intent.name: intent.facts for intent in load()}
    return frozenset(fact for facts in own.values() for fact in facts) - {*own[name]}


@cache
def _intents(refused: bool) -> tuple[Intent, ...]:
    return tuple(i for i in load() if (REFUSAL in i.aspects) == refused)


def draw_question(chooser: Chooser, split: str) -> Exchange:
    """A visitor's question, in a wording of that split."""
    kind = chooser.weighted(_TRAINING if split == "train" else _NEW)
    intent = chooser.pick(_intents(kind == "unanswerable"))
    if kind == "follow-up":
        return _draw_follow_up(intent, chooser, split)
    wordings = intent.templates if kind == "template wording" else intent.own
    greeting = chooser.pick(_GREETINGS)
    asked = say(chooser.pick(wordings[split]), chooser)
    question = greeting + asked + chooser.pick(_THANKS)
    return Exchange(intent, kind, question, chooser.pick(intent.answers), intent.facts)


def say(question, chooser: Chooser) -> str:
    """A wording, its slots filled with somebody, something and somewhere."""
    slots: dict[str, Any] = {}
    for role in _ROLES if slot_names(question) else ():
        slots |= cast.subject_slots(chooser.pick(cast.everybody(role)), role)
    return expand(question, slots, chooser)


def _draw_follow_up(intent: Intent, chooser: Chooser, split: str) -> Exchange:
    first = chooser.pick(intent.questions(split)), chooser.pick(intent.answers)
    known = follow_ups()
    aspect = chooser.pick([aspect for aspect in intent.aspects if aspect in known])
    fact, who = intent.aspects[aspect], intent.aspects.get("who", "")
    asked, answers = known[aspect]
    frames = asked[split]
    if not who or fact != f"the {world.load().people[who].home}":
        frames = [frame for frame in frames if not slot_names(frame)]
    question = expand(chooser.pick(frames), {"who": who}, chooser)
    answer = expand(chooser.pick(answers), {"fact": fact}, chooser)
    return Exchange(intent, "follow-up", question, answer, (fact,), (first,))
