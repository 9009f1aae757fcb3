"""A sentence with one blank, and what a model would write there."""

from collections.abc import Callable, Sequence

import numpy as np
import traitlets

from llmlab.plots import visible
from llmlab.widgets.asking import reason
from llmlab.widgets.page import View, table


class FillIn(View):
    """Bars of what fits the blank of a sentence; a person edits the sentence.

    fill : `fill(text)` returns (token text, probability) for the one blank `_` of
        `text`, the best first, the whole vocabulary or only the best of it. For a
        text without a blank, or with two, it raises a ValueError that says so.
    text : the sentence to begin with; the static twin shows this one.
    top : how many tokens to show; the others are one bar together.
    """

    text = traitlets.Unicode("").tag(sync=True)
    bars = traitlets.List().tag(sync=True)
    status = traitlets.Unicode("").tag(sync=True)

    def __init__(
        self,
        fill: Callable[[str], Sequence[tuple[str, float]]],
        text: str,
        *,
        top: int = 8,
    ):
        super().__init__()
        self._fill = fill
        self._top = top
        self._first = (text, self.show(text))

    def show(self, text: str) -> list[tuple[str, float]]:
        """The best tokens for the blank of `text`, best first; the view shows them.

        An error of `fill` is raised, so that a run without a person cannot pass over
        it. In the view a person reads it as a sentence, and the bars stay.
        """
        found = [(str(token), float(share)) for token, share in self._fill(text)]
        _check([share for _, share in found])
        best = found[: self._top]
        rest = 1 - sum(share for _, share in best)
        bars = [_bar(visible(token), share) for token, share in best]
        if rest > 0.0005:
            bars.append(_bar("all others", rest, rest=True))
        with self.hold_sync():
            self.text, self.bars = text, bars
            self.status = f"Most probable: {bars[0]['shown']}, {best[0][1]:.1%}."
        return best

    def receive(self, content: dict) -> None:
        try:
            self.show(content["text"])
        except Exception as error:
            self.status = (
                f"Cannot fill this sentence: {reason(error)}. "
                f"The bars are still for “{self.text}”."
            )

    def static_html(self) -> str:
        text, best = self._first
        # Which of many small shares is the larger may depend on the processor.
        rows = [(visible(token), share) for token, share in best if share >= 0.01]
        others = 1 - sum(share for _, share in rows)
        if others >= 0.005:
            rows.append(("all others", others))
        return table(
            f"“{text}”: most probable in the blank",
            ["token", "probability"],
            [[shown, f"{share:.0%}"] for shown, share in rows],
        )

    def __repr__(self) -> str:
        text, best = self._first
        return f"FillIn({text!r}: {visible(best[0][0])} first)"


def _bar(shown: str, share: float, *, rest: bool = False) -> dict:
    return {"shown": shown, "share": share, "rest": rest}


def _check(shares: Sequence[float]) -> None:
    if not shares:
        raise ValueError("fill returned no token; expected (token text, probability)")
    array = np.asarray(shares)
    if not (np.isfinite(array).all() and array.min() >= 0 and array.sum() <= 1 + 1e-3):
        raise ValueError(
            f"fill returned numbers from {array.min()} to {array.max()} that sum to "
            f"{array.sum():.4f}; expected probabilities, which sum to at most 1 "
            "(logits need a softmax first)"
        )
    if (np.diff(array) > 0).any():
        raise ValueError(
            "fill returned a token after a less probable one; expected the best first"
        )
