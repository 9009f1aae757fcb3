"""Customer support: intents, their questions and answers, and the facts that make
an answer right."""

from dataclasses import dataclass
from functools import cache

from llmlab.village import world
from llmlab.village.chooser import Chooser
from llmlab.village.frames import every_text, expand, small
from llmlab.village.world import Entry

FILE = "support.toml"
OWN_QUESTIONS = 6

_GREETINGS = ("", "Hello! ", "Good morning! ")
_THANKS = ("", " Thank you.")


@dataclass(frozen=True)
class Intent:
    name: str
    facts: tuple[str, ...]
    questions: tuple[str, ...]
    held_out_questions: tuple[str, ...]  # wordings that only tests use
    own_questions: tuple[str, ...]  # of both, those that no other intent shares
    answers: tuple[str, ...]


@cache
def load() -> tuple[Intent, ...]:
    """All intents, checked: every answer holds its own facts and no others."""
    slots, wordings = _people_slots(), world.section(FILE, "wordings")
    asked = {key: wordings.frames(key, (key,)) for key in wordings.data}
    found = world.entries(FILE, "intent")
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
    def texts(block: str, slots: dict[str, str]) -> tuple[str, ...]:
        known = set(map(small, slots))
        frames = world.frame_list(block, {}, known, FILE, entry.where)
        return tuple(_fill(text, slots) for f in frames for text in every_text(f))

    own = texts(entry.get("questions"), {})
    if len(own) != OWN_QUESTIONS:
        raise entry.mistake(
            f"expected {OWN_QUESTIONS} questions, the last of them for tests, found "
            f"{len(own)}"
        )
    lists = [own]
    for key, frames in wordings.items():
        value = {key: entry.get(key)}
        lists.append(tuple(expand(frame, value, Chooser()) for frame in frames))
    return Intent(
        name=entry.get("name"),
        facts=texts("\n".join(entry.get("facts", list)), slots),
        questions=tuple(text for listed in lists for text in listed[:-1]),
        held_out_questions=tuple(listed[-1] for listed in lists),
        own_questions=own,
        answers=texts(entry.get("answers"), slots),
    )


def _fill(text: str, slots: dict[str, str]) -> str:
    for name, filling in slots.items():
        text = text.replace(f"{{{name}}}", filling)
    return text


def _check_questions(intents: tuple[Intent, ...]) -> None:
    """No question is asked with two intents."""
    asked: dict[str, str] = {}
    for intent in intents:
        for question in (*intent.questions, *intent.held_out_questions):
            if question in asked:
                raise world.WorldError(
                    f"{world.at_line(FILE, question)}: intent {intent.name}: the "
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
def every_fact() -> frozenset[str]:
    return frozenset(fact for intent in load() for fact in intent.facts)


def draw_question(chooser: Chooser, held_out: bool) -> tuple[Intent, str, str, str]:
    """An intent, a wording of its question, the same as a visitor says it, and an
    answer."""
    intent = chooser.pick(load())
    greeting = chooser.pick(_GREETINGS)
    wording = chooser.pick(intent.held_out_questions if held_out else intent.questions)
    question = greeting + wording + chooser.pick(_THANKS)
    return intent, wording, question, chooser.pick(intent.answers)
