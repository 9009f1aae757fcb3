"""What a model wrote while it learnt, along a slider over its training."""

import math
from collections.abc import Iterable

import anywidget
import traitlets

from llmlab.widgets.page import CSS, HELPERS
from llmlab.widgets.static_twin import StaticTwin, table


class TrainingTimeSlider(StaticTwin, anywidget.AnyWidget):
    """Move through training: the loss of each saved step, and a sample of that time.

    snapshots : (step, loss, text) in the order of the steps.
    """

    snapshots = traitlets.List().tag(sync=True)
    position = traitlets.Int(0).tag(sync=True)

    _css = (
        CSS
        + """
.lab-time svg { display: block; width: 100%; height: 90px; overflow: visible; }
.lab-time polyline { fill: none; stroke: var(--jp-brand-color1, #1976d2);
                     stroke-width: 2; vector-effect: non-scaling-stroke; }
.lab-time line { stroke: var(--jp-content-font-color1, #222); stroke-width: 1.5;
                 stroke-dasharray: 4 3; vector-effect: non-scaling-stroke; }
.lab-time .lab-track { padding: 0 8px; margin-top: 10px; }
.lab-time input[type=range] { width: calc(100% + 16px); margin: 4px -8px 0;
                              accent-color: var(--jp-brand-color1, #1976d2); }
.lab-time .lab-ends { display: flex; justify-content: space-between;
                      color: var(--jp-content-font-color2, #555); font-size: 0.88em; }
.lab-time .lab-card { margin-top: 10px; min-height: 6rem; }
"""
    )
    _esm = (
        HELPERS
        + """
function render({ model, el }) {
  const snapshots = model.get("snapshots");
  const last = snapshots.length - 1;
  const losses = snapshots.map(([, loss]) => loss);
  const low = Math.min(...losses), range = Math.max(...losses) - low || 1;
  const across = (index) => last ? 100 * index / last : 50;
  const down = (loss) => 38 - 36 * (loss - low) / range;
  const now = shape("line", {y1: 0, y2: 40});
  const points = losses.map((value, index) => `${across(index)},${down(value)}`);
  const curve = shape("svg", {viewBox: "0 0 100 40", preserveAspectRatio: "none",
                              "aria-hidden": "true"},
                      shape("polyline", {points: points.join(" ")}), now);
  const input = h("input", {type: "range", min: 0, max: last, step: 1,
                            "aria-label": "training time"});
  const step = h("b"), loss = h("b");
  const sample = h("span");
  const draw = () => {
    const index = model.get("position");
    const [at, value, text] = snapshots[index];
    input.value = index;
    step.textContent = at.toLocaleString("en");
    loss.textContent = value.toFixed(3);
    sample.textContent = text;
    input.setAttribute("aria-valuetext", `step ${at}, loss ${value.toFixed(3)}`);
    now.setAttribute("x1", across(index));
    now.setAttribute("x2", across(index));
  };
  input.addEventListener("input", () => {
    model.set("position", Number(input.value));
    model.save_changes();
  });
  model.on("change:position", draw);
  draw();
  const end = (index) =>
    h("span", {}, `step ${snapshots[index][0].toLocaleString("en")}`);
  el.append(h("section", {className: "lab-box lab-time",
                          "aria-label": "samples over training time"},
    h("div", {className: "lab-figures"},
      h("div", {}, step, h("span", {}, "step")),
      h("div", {}, loss, h("span", {}, "loss"))),
    h("div", {className: "lab-track"}, curve, input,
      h("div", {className: "lab-ends"}, end(0), end(last))),
    h("div", {className: "lab-card", "aria-live": "polite"},
      h("span", {className: "lab-name"}, "what it wrote then"), sample)));
  return () => model.off("change:position", draw);
}
export default { render };
"""
    )

    def __init__(self, snapshots: Iterable[tuple[int, float, str]]):
        snapshots = [
            (int(step), float(loss), str(text)) for step, loss, text in snapshots
        ]
        _check(snapshots)
        super().__init__(snapshots=[list(snapshot) for snapshot in snapshots])

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
            for step, loss, text in (
                self.snapshots[index] for index in sorted({0, count // 2, count - 1})
            )
        ]
        title = f"What the model wrote as it learnt, {len(rows)} of {count} snapshots"
        return table(title, ["step", "loss", "sample"], rows)

    def __repr__(self) -> str:
        first, last = self.snapshots[0][0], self.snapshots[-1][0]
        return f"TrainingTimeSlider(steps {first} to {last})"


def _check(snapshots: list[tuple[int, float, str]]) -> None:
    if not snapshots:
        raise ValueError("no snapshots; expected (step, loss, text), one or more")
    steps = [step for step, _, _ in snapshots]
    for before, after in zip(steps, steps[1:], strict=False):
        if after <= before:
            raise ValueError(
                f"step {after} comes after step {before}; expected every step once, "
                "in rising order"
            )
    for step, loss, _ in snapshots:
        if not math.isfinite(loss):
            raise ValueError(f"the loss at step {step} is {loss}; expected a number")
