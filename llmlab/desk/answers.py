"""The result, set against what was predicted, and one sentence about it."""

import html
import sqlite3

import traitlets
from IPython.display import display

from llmlab.claims import shown
from llmlab.desk import predictions
from llmlab.desk.desk_view import DeskView
from llmlab.desk.drawer import Drawer
from llmlab.desk.questions import Axes, Question

MARKS = {1.0: "I had it", 0.5: "partly", 0.0: "no"}


class Answer(DeskView):
    """What was predicted, what came out, and why.

    question : what was asked. value : the result, of the question's kind.
    why : a sentence. within, factor : how near a number has to be.
    """

    shows = traitlets.Dict().tag(sync=True)  # name, kind, value, shown, why, curve
    yours = traitlets.Dict().tag(sync=True)  # value, shown, sure; of none: shown
    verdict = traitlets.Dict().tag(sync=True)  # hit, said, marked, late

    def __init__(
        self, question: Question, drawer: Drawer, value, why="", *, within=None,
        factor=None,
    ):  # fmt: skip
        self.question, self.why = question, why
        self.value = question.value(value)
        self.near = {"within": within, "factor": factor}
        shows = question.as_json() | {"kind": question.kind, "value": self.value}
        super().__init__(drawer, shows=shows | {"shown": self._result(), "why": why})

    def look(self) -> None:
        """The answer has come to the screen: lock the prediction, and judge it."""
        asked = self.question.as_json()
        self.drawer.answer(asked, self.value)
        row = self.drawer.find(asked)
        if row["predicted"] is not None:
            self._judge(row)
            row = self.drawer.find(asked)
        self._show(row)
        if asking := predictions.asked.get(self.question.name):
            asking.observe(self._look_again, "kept")
            asking.look()

    def _look_again(self, _change) -> None:
        """What is predicted now, beside an answer that was shown, is shown there."""
        self.receive({"type": "look"})

    def mark(self, hit: float) -> None:
        """A person says whether they had it: 1, 0.5 (partly) or 0.

        Raises ValueError: there is nothing to judge, or the result has judged already.
        Raises OSError: it could not be written.
        """
        if hit not in MARKS or self.verdict.get("marked", "computed") == "computed":
            raise ValueError("there is nothing here to judge by yourself")
        self.drawer.mark(self.question.as_json(), hit, "self")
        self._show(self.drawer.find(self.question.as_json()))

    def act(self, content: dict) -> None:
        """A person has marked their own words in the view."""
        self.mark(content["hit"])

    def _judge(self, row: dict) -> None:
        hit, _ = self.question.verdict(row["predicted"], self.value, **self.near)
        if hit is not None:
            self.drawer.mark(self.question.as_json(), float(hit), "computed")

    def _show(self, row: dict) -> None:
        self.status = self.drawer.remark
        if row["predicted"] is None:
            self.yours, self.verdict = {"shown": "nothing"}, {}
            return
        _, said = self.question.verdict(row["predicted"], self.value, **self.near)
        found = {name: row[name] for name in ("hit", "marked", "late")}
        with self.hold_sync():
            self.yours = predictions.as_kept(self.question, row)
            self.verdict = found | {"said": said}

    def _result(self) -> str:
        if self.question.kind != "curve":
            return self.question.show(self.value)
        (x, *_, last_x), (y, *_, last_y) = self.value
        axes = self.question.curve
        return (
            f"{axes.y} from {shown(y)} ({axes.x} {shown(x)}) to {shown(last_y)} "
            f"({axes.x} {shown(last_x)})"
        )

    def _parts(self) -> list[str]:
        return [part for part in (self._result(), self.why) if part]

    def static_html(self) -> str:
        said = " ".join(map(_sentence, self._parts()))
        return f"<p><b>Answer.</b> {html.escape(said)}</p>"

    def __repr__(self) -> str:
        return " ".join(["Answer.", *map(_sentence, self._parts())])


def answer(
    name: str,
    value,
    why: str = "",
    *,
    within: float | None = None,
    factor: float | None = None,
) -> None:
    """Set the result against what was predicted under a name.

    value : a number, the text of an option, (xs, ys) of a curve, or the answer itself
        where the prediction was in words. An int is exact, a float stands behind ≈.
    why : one sentence about it.
    within, factor : a number is near within +-`within`, or within `factor` times
        (1.25 if neither is given).

    Raises ValueError: the value is not of the kind that was asked for.
    """
    drawer = Drawer()
    question = _question_of(name, value, drawer)
    if question.kind != "number" and (within is not None or factor is not None):
        raise ValueError(f"{name}: within and factor are for numbers")
    if (within is not None and within < 0) or (factor is not None and factor < 1):
        raise ValueError(f"{name}: expected within >= 0 and factor >= 1")
    display(Answer(question, drawer, value, why, within=within, factor=factor))


def _question_of(name: str, value, drawer: Drawer) -> Question:
    """As it was put in this kernel, or in one before; else as the value suggests."""
    if name in predictions.asked:
        return predictions.asked[name].question
    try:
        if kept := drawer.latest(name).get("question"):
            question = Question(**kept)
            question.value(value)  # an older version may have asked for something else
            return question
    except (OSError, ValueError, TypeError, sqlite3.Error):
        pass  # the answer is shown all the same
    if isinstance(value, str):
        return Question(name, "?")
    if isinstance(value, tuple | list):
        xs, ys = value
        ranges = [(float(min(side)), float(max(side)) + 1e-9) for side in (xs, ys)]
        return Question(name, "?", curve=Axes("x", ranges[0], "y", ranges[1]))
    return Question(name, "?", unit="")


def _sentence(text: str) -> str:
    return text if text.rstrip().endswith((".", "!", "?", "…")) else f"{text}."
