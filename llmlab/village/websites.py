"""The village's web pages: ferry, shop, library, inn and school pages, reviews,
notices, letters, diaries, chats and recipes; and the questions that visitors ask."""

from functools import cache

from llmlab.village import pages, support
from llmlab.village.chooser import Chooser
from llmlab.village.pages import Library

FILE = "websites.toml"
_SHARE_OF_QUESTIONS = 0.1


@cache
def load() -> Library:
    return pages.read_library(FILE)


def draw_page(chooser: Chooser) -> tuple[str, dict[str, str]]:
    """The text of a page with its labels."""
    if chooser.coin(_SHARE_OF_QUESTIONS):
        return questions_and_answers(chooser)
    library = load()
    return pages.write(chooser.pick(library.pages), library, chooser)


def questions_and_answers(chooser: Chooser) -> tuple[str, dict[str, str]]:
    """Three questions of visitors, in wordings that no test uses."""
    intents = chooser.sample(support.load(), 3)
    lines = ["Questions and answers"]
    for intent in intents:
        lines.append("Question: " + chooser.pick(intent.questions))
        lines.append("Answer: " + chooser.pick(intent.answers))
    names = ", ".join(intent.name for intent in intents)
    return "\n".join(lines), {"page": "questions", "intents": names}
