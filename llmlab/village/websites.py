"""The village's web pages, and the questions that visitors ask."""

from functools import cache

from llmlab.village import pages, questions, support
from llmlab.village.cast import everybody
from llmlab.village.chooser import Chooser
from llmlab.village.pages import Page

FILE = "websites.toml"
SHARES = {"log": 0.44, "lists": 0.46, "questions": 0.03, "quiz": 0.07}
_QUESTIONS = 4  # of a page


@cache
def load() -> dict[str, tuple[Page, ...]]:
    """The pages: those that tell of events ("log"), and the others ("lists")."""
    found = pages.read_pages(FILE)
    return {
        "log": tuple(page for page in found if page.tells_events()),
        "lists": tuple(page for page in found if not page.tells_events()),
    }


def draw_page(chooser: Chooser) -> tuple[str, dict[str, str]]:
    """The text of a page with its labels."""
    kind = chooser.weighted(SHARES)
    if kind == "questions":
        return questions_and_answers(chooser)
    if kind == "quiz":
        return quiz(chooser)
    return pages.write(chooser.pick(load()[kind]), chooser)


def questions_and_answers(chooser: Chooser) -> tuple[str, dict[str, str]]:
    """What visitors ask and the village answers; never in the wordings of tests."""
    intents = chooser.sample(support.load(), _QUESTIONS)
    lines = ["Questions and answers"]
    for intent in intents:
        asked = support.say(chooser.pick(intent.on_pages), chooser)
        answer = chooser.pick(intent.answers)
        who = chooser.pick(_askers(asked + answer))
        lines.append(f"{who} asks: {asked}")
        lines.append(f"We answer {who}: {answer}")
    names = ", ".join(intent.name for intent in intents)
    return "\n".join(lines), {"page": "questions", "intents": names}


def quiz(chooser: Chooser) -> tuple[str, dict[str, str]]:
    """What is asked at school about the village; never what tests keep back."""
    lines = ["School page: our quiz"]
    for _ in range(_QUESTIONS):
        asked = questions.ask_of_one_fact(chooser, "train", chooser.coin(0.5))
        told = f"Pascal {asked.text} {asked.answer}"
        who = chooser.pick(_askers(told))
        lines += [f"Pascal asks {who}: {asked.text}", f"{who} answers: {asked.answer}"]
    return "\n".join(lines), {"page": "quiz"}


def _askers(told: str) -> list[str]:
    """Who does not hear about himself or herself."""
    return [who.name for who in everybody("who") if who.name not in told]
