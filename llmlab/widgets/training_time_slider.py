"""What a model wrote while it learnt, along a slider over its training."""

import math
from collections.abc import Iterable

import traitlets

from llmlab.widgets.page import View, table


class TrainingTimeSlider(View):
    """Move through training: the loss of each saved step, and a sample of that time.

    snapshots : (step, loss, text) in the order of the steps; a fourth thing that is
        true says that the model ended its text there by itself.
    steps : how many the run was to have, if it ended early.
    """

    snapshots = traitlets.List().tag(sync=True)
    position = traitlets.CInt(0).tag(sync=True)
    steps = traitlets.Int(0).tag(sync=True)

    def __init__(self, snapshots: Iterable[tuple], *, steps: int = 0):
        snapshots = [
            [int(step), float(loss), str(text), any(ended)]
            for step, loss, text, *ended in snapshots
        ]
        _check(snapshots)
        super().__init__(snapshots=snapshots, steps=int(steps))

    @traitlets.validate("position")
    def _inside(self, proposal: dict) -> int:
        if not 0 <= proposal["value"] < len(self.snapshots):
            raise traitlets.TraitError(
                f"position {proposal['value']} of {len(self.snapshots)} snapshots; "
                f"expected 0 to {len(self.snapshots) - 1}"
            )
        return proposal["value"]

    def static_html(self) -> str:
        count = len(self.snapshots)
        rows = [
            [f"{step:,}", f"{loss:.2f}", text]
            for step, loss, text, _ in (
                self.snapshots[index] for index in sorted({0, count // 2, count - 1})
            )
        ]
        title = f"What the model wrote as it learnt, {len(rows)} of {count} snapshots"
        return table(title, ["step", "loss", "sample"], rows)

    def __repr__(self) -> str:
        first, last = self.snapshots[0][0], self.snapshots[-1][0]
        return f"TrainingTimeSlider(steps {first} to {last})"


def _check(snapshots: list[list]) -> None:
    if not snapshots:
        raise ValueError("no snapshots; expected (step, loss, text), one or more")
    steps = [step for step, *_ in snapshots]
    for before, after in zip(steps, steps[1:], strict=False):
        if after <= before:
            raise ValueError(
                f"step {after} comes after step {before}; expected every step once, "
                "in rising order"
            )
    for step, loss, *_ in snapshots:
        if not math.isfinite(loss):
            raise ValueError(f"the loss at step {step} is {loss}; expected a number")
