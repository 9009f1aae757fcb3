"""Customer support: intents, their questions and answers, and the facts that make
an answer right."""

from dataclasses import dataclass
from functools import cache

from llmlab.village import world
from llmlab.village.chooser import Chooser
from llmlab.village.frames import every_text

FILE = "support.toml"
HELD_OUT = 2  # question wordings of each intent that only tests use

_GREETINGS = ("", "Hello! ", "Good morning! ")
_THANKS = ("", " Thank you.")


@dataclass(frozen=True)
class Intent:
    name: str
    facts: tuple[str, ...]
    questions: tuple[str, ...]
    held_out_questions: tuple[str, ...]
    answers: tuple[str, ...]


@cache
def load() -> tuple[Intent, ...]:
    """All intents, checked: every answer holds its own facts and no others."""
    intents = tuple(_read_intent(entry) for entry in world.read_file(FILE)["intent"])
    known = frozenset(fact for intent in intents for fact in intent.facts)
    for intent in intents:
        for answer in intent.answers:
            _check_answer(intent, answer, known)
    return intents


def _read_intent(entry: dict) -> Intent:
    name = world.field(entry, "name", str, FILE, "[[intent]]")
    where = f"intent {name}"
    questions = _texts(entry, "questions", where)
    if len(questions) < 2 * HELD_OUT:
        raise world.WorldError(
            f"{FILE}: {where}: expected {2 * HELD_OUT} questions or more, the last "
            f"{HELD_OUT} of them for tests, found {len(questions)}"
        )
    return Intent(
        name=name,
        facts=tuple(world.field(entry, "facts", list, FILE, where)),
        questions=questions[:-HELD_OUT],
        held_out_questions=questions[-HELD_OUT:],
        answers=_texts(entry, "answers", where),
    )


def _texts(entry: dict, key: str, where: str) -> tuple[str, ...]:
    block = world.field(entry, key, str, FILE, where)
    frames = world.frame_list(block, {}, (), FILE, f"{where}, {key}")
    return tuple(text for frame in frames for text in every_text(frame))


def _check_answer(intent: Intent, answer: str, known: frozenset[str]) -> None:
    missing = [fact for fact in intent.facts if fact not in answer]
    foreign = [fact for fact in known - set(intent.facts) if fact in answer]
    if missing or foreign:
        raise world.WorldError(
            f"{FILE}: intent {intent.name}: the answer {answer!r} lacks the facts "
            f"{missing} and has facts of other intents {sorted(foreign)}; an answer "
            "holds all facts of its own intent and no other's"
        )


@cache
def every_fact() -> frozenset[str]:
    return frozenset(fact for intent in load() for fact in intent.facts)


def draw_question(chooser: Chooser, held_out: bool) -> tuple[Intent, str, str]:
    """An intent, a question and an answer."""
    intent = chooser.pick(load())
    questions = intent.held_out_questions if held_out else intent.questions
    question = (
        chooser.pick(_GREETINGS) + chooser.pick(questions) + chooser.pick(_THANKS)
    )
    return intent, question, chooser.pick(intent.answers)
