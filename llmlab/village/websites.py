"""The village's web pages, and the questions that visitors ask."""

from functools import cache

from llmlab.village import pages, support
from llmlab.village.cast import everybody
from llmlab.village.chooser import Chooser
from llmlab.village.pages import Page
from llmlab.village.support import Intent

FILE = "websites.toml"
SHARES = {"log": 0.45, "lists": 0.5, "questions": 0.05}
_QUESTIONS = 3


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
    return pages.write(chooser.pick(load()[kind]), chooser)


def questions_and_answers(chooser: Chooser) -> tuple[str, dict[str, str]]:
    """Three questions, each in one wording and with one answer."""
    intents = chooser.sample(support.load(), _QUESTIONS)
    lines = ["Questions and answers"]
    for intent in intents:
        who = chooser.pick(_askers(intent))
        lines.append(f"{who} asks: {intent.questions[0]}")
        lines.append(f"We answer {who}: {intent.answers[0]}")
    names = ", ".join(intent.name for intent in intents)
    return "\n".join(lines), {"page": "questions", "intents": names}


@cache
def _askers(intent: Intent) -> tuple[str, ...]:
    """Who does not hear about himself or herself."""
    names = (person.name for person in everybody("who"))
    return tuple(name for name in names if name not in intent.answers[0])
