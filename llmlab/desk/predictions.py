"""A question put before its result, and the box in which a person predicts it."""

import html
from collections.abc import Sequence

import traitlets
from IPython.display import display

from llmlab.desk.desk_view import DeskView
from llmlab.desk.drawer import Drawer
from llmlab.desk.questions import GRID, Axes, Question

SURE = (50, 70, 90)  # percent
# The view last made of each name: the answer asks it, and locks it.
asked: dict[str, "Prediction"] = {}


class Prediction(DeskView):
    """A question, and what a person expects; kept at once, locked by the answer.

    question : what is asked. drawer : where predictions are kept.
    """

    asks = traitlets.Dict().tag(sync=True)
    kept = traitlets.Dict().tag(sync=True)  # value, shown, sure; empty without one
    locked = traitlets.Bool(False).tag(sync=True)
    draft = traitlets.Dict().tag(sync=True)  # what is typed and not kept

    def __init__(self, question: Question, drawer: Drawer):
        self.question = question
        more = {"kind": question.kind, "grid": GRID, "levels": SURE}
        super().__init__(drawer, asks=question.as_json() | more)

    def look(self) -> None:
        """Show what is kept of this question: a view has come to the screen."""
        self.drawer.ask(self.question.as_json())
        self._show(self.drawer.find(self.question.as_json()))

    def keep(self, value, sure: int | None = None) -> None:
        """Predict: a text or number, an option, or the heights of a curve.

        Raises ValueError: it is not what was asked for, or the answer was shown.
        Raises OSError: it could not be written, so it was not kept.
        """
        if sure not in (None, *SURE):
            raise ValueError(f"sure is {sure!r}; expected one of {SURE}, or None")
        prediction = self.question.prediction(value)
        self.drawer.predict(self.question.as_json(), prediction, sure)
        self._show(self.drawer.find(self.question.as_json()))

    def act(self, content: dict) -> None:
        """Keep what a person has put down in the view."""
        self.keep(content["value"], content["sure"])

    def _show(self, row: dict) -> None:
        made, answered = row.get("predicted") is not None, row.get("answer") is not None
        self.kept = as_kept(self.question, row) if made else {}
        self.locked = answered and made and not row["late"]
        if made:
            said = ", ".join(filter(None, [self.kept["shown"], _sureness(row["sure"])]))
            after = "You may change it until the answer is shown."
            if answered:
                after = "The answer was shown first, so it is not counted."
            if self.locked:
                after = "The answer has been shown."
            self.status = f"Kept: {said or 'your curve'}. {after}"
        elif answered:
            self.status = "The answer was shown: what you predict now is not counted."
        self.status = f"{self.drawer.remark} {self.status}".strip()

    def static_html(self) -> str:
        return f"<p><b>Predict.</b> {html.escape(self.question.said())}</p>"

    def __repr__(self) -> str:
        return f"Predict. {self.question.said()}"


def predict(
    name: str,
    question: str,
    *,
    unit: str | None = None,
    options: Sequence[str] | None = None,
    curve: Axes | None = None,
) -> None:
    """Ask a person for a prediction, before they see the result.

    name : "chapter/word", under which `answer` finds it.
    unit : it is a number, of this unit; "" for a number without one.
    options : it is a choice among 2 to 6 texts.
    curve : it is a curve, drawn on these axes. Without any of the three: words.

    Raises ValueError: the question is not well put.
    """
    view = Prediction(Question(name, question, unit, options, curve), Drawer())
    asked[name] = view
    display(view)


def as_kept(question: Question, row: dict) -> dict:
    """A prediction as a view shows it."""
    value = row["predicted"]
    return {"value": value, "shown": as_typed(question, value), "sure": row["sure"]}


def as_typed(question: Question, value) -> str:
    """A prediction in words; a person's own number needs no ≈."""
    return question.show(value).replace("≈", "")


def _sureness(sure: int | None) -> str:
    return f"{sure} % sure" if sure else ""
