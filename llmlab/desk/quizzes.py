"""Questions at the end of a chapter, whose wrong answers teach."""

import hashlib
import html
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import traitlets
from IPython.display import display

from llmlab.desk.desk_view import DeskView
from llmlab.desk.drawer import Drawer


class Option(NamedTuple):
    """One answer of a quiz: its text, why it is right or wrong, and whether it is."""

    text: str
    why: str
    right: bool


class Ask(NamedTuple):
    """A question with its options, the right one first."""

    question: str
    options: tuple[Option, ...]


class Quiz(DeskView):
    """Questions with options in an order of their own; what is picked is explained.

    chapter : under which picks are kept. asks : made by `ask`.
    """

    questions = traitlets.List().tag(sync=True)
    picks = traitlets.List().tag(sync=True)  # of each question: places, in order

    def __init__(self, chapter: str, asks: Sequence[Ask], drawer: Drawer):
        if not asks:
            raise ValueError(f"the quiz of {chapter} asks nothing; expected ask(…)")
        self.chapter = chapter
        self.asks = in_order(asks)
        super().__init__(
            drawer,
            picks=[[] for _ in self.asks],
            questions=[
                {"question": a.question, "options": [o._asdict() for o in a.options]}
                for a in self.asks
            ],
        )
        self.observe(self._picked, "picks")

    def look(self) -> None:
        """Say how it went the last time."""
        first = {}
        for pick in self.drawer.picks(self.chapter):
            first.setdefault(pick["question"], pick["right"])
        known = [first[a.question] for a in self.asks if a.question in first]
        if known and not any(self.picks):
            self.status = (
                f"The first time, {sum(known)} of {len(known)} were right at once."
            )

    def pick(self, question: int, place: int) -> None:
        """Pick an option, both counted from 0."""
        picks = [list(places) for places in self.picks]
        picks[question].append(place)
        self.picks = picks

    def _picked(self, change) -> None:
        """The view has marked a pick by itself, even without a kernel; keep it."""
        try:
            for number, asked in enumerate(self.asks):
                for place in change["new"][number][len(change["old"][number]) :]:
                    text, _, right = asked.options[place]
                    self.drawer.pick(self.chapter, asked.question, text, right)
        except OSError as error:
            self.status = f"Not kept: {error}."

    def static_html(self) -> str:
        return "".join(
            f"<p><b>{number}. {html.escape(asked.question)}</b></p>"
            + "".join(map(_folded, asked.options))
            for number, asked in enumerate(self.asks, 1)
        )

    def __repr__(self) -> str:
        return "\n".join(
            f"{number}. {asked.question} ({' / '.join(o.text for o in asked.options)})"
            for number, asked in enumerate(self.asks, 1)
        )


def ask(question: str, *, right: tuple[str, str], wrong: Sequence[tuple]) -> Ask:
    """A question of a quiz.

    right : (text, why it is right). wrong : the same of one to five others.

    Raises ValueError: an option is empty, stands twice, or is not explained.
    """
    pairs = [right, *([wrong] if isinstance(wrong, tuple) else wrong)]
    if not all(isinstance(pair, tuple) and len(pair) == 2 for pair in pairs):
        raise ValueError(f"{question!r}: an option is (text, why)")
    options = [Option(*pair, number == 0) for number, pair in enumerate(pairs)]
    for option in options:
        if not option.text.strip() or not option.why.strip():
            raise ValueError(
                f"{question!r}: option {option.text!r} says nothing or not why it is "
                f"{'right' if option.right else 'wrong'}"
            )
    if not 2 <= len({option.text for option in options}) == len(options) <= 6:
        raise ValueError(f"{question!r}: expected 2 to 6 different options")
    return Ask(question, tuple(options))


def quiz(chapter: str, *asks: Ask) -> None:
    """Show the questions of a chapter, each made by `ask`."""
    display(Quiz(chapter, asks, Drawer()))


def in_order(asks: Sequence[Ask]) -> list[Ask]:
    """Every question with its options in an order that only its text decides.

    Within a quiz the right options stand at all places about equally often.
    """
    used, ordered = Counter(), []
    for question, (right, *wrong) in asks:
        tickets = [(used[n], _dice(question, n)) for n in range(len(wrong) + 1)]
        place = tickets.index(min(tickets))
        used[place] += 1
        options = sorted(wrong, key=lambda option: _dice(question, option.text))
        options.insert(place, right)
        ordered.append(Ask(question, tuple(options)))
    return ordered


def _dice(*texts) -> str:
    return hashlib.sha256(repr(texts).encode()).hexdigest()


def _folded(option: Option) -> str:
    sign = "✓ Right." if option.right else "✗ No."
    return (
        f"<details><summary>{html.escape(option.text)}</summary>"
        f"{sign} {html.escape(option.why)}</details>"
    )
