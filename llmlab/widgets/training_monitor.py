"""How a training run goes: bar, loss, speed and time left."""

import html
import math
import time
from collections.abc import Mapping

import anywidget
import traitlets
from IPython import get_ipython
from IPython.display import display

from llmlab.progress import Figures
from llmlab.widgets.page import CSS, HELPERS
from llmlab.widgets.static_twin import StaticTwin


class TrainingMonitor:
    """Shows in a notebook how `training.train` goes: bar, loss, speed and time left.

    Pass it as `progress`. What it leaves in the stored notebook tells only what was
    trained for how many steps; the numbers that differ from run to run live in the
    view. `seconds_between` updates keep the browser from being flooded.
    """

    def __init__(self, *, seconds_between: float = 0.25):
        self.seconds_between = seconds_between

    def start(self, label: str, steps: int, first_step: int) -> None:
        self._figures = Figures(steps, first_step)
        self._started = time.monotonic()
        self._shown = -math.inf
        self.view = MonitorView(label=label, steps=steps, done=first_step)
        if get_ipython() is not None:
            display(self.view)

    def update(self, step: int, metrics: Mapping[str, float], seconds: float) -> None:
        self._figures.update(step, metrics)
        now = time.monotonic()
        if now - self._shown >= self.seconds_between:
            self._shown = now
            self._send()

    def stop(self, message: str) -> None:
        if self._figures.done > self._figures.first_step:
            self._send()
        self.view.message = message

    def _send(self) -> None:
        told = self._figures.told(time.monotonic() - self._started)
        curve = self._figures.losses
        with self.view.hold_sync():
            self.view.done = self._figures.done
            self.view.figures = [list(figure) for figure in told.items()]
            self.view.curve = curve[:: 1 + len(curve) // 200]


class MonitorView(StaticTwin, anywidget.AnyWidget):
    """The picture of one run that a `TrainingMonitor` keeps up to date."""

    label = traitlets.Unicode().tag(sync=True)
    steps = traitlets.Int().tag(sync=True)
    done = traitlets.Int().tag(sync=True)
    figures = traitlets.List().tag(sync=True)
    curve = traitlets.List().tag(sync=True)
    message = traitlets.Unicode("").tag(sync=True)

    _css = CSS
    _esm = (
        HELPERS
        + """
function render({ model, el }) {
  const head = h("p", {className: "lab-head"});
  const filled = h("div");
  const bar = h("div", {className: "lab-progress", "role": "progressbar",
                        "aria-label": `training ${model.get("label")}`,
                        "aria-valuemin": 0, "aria-valuemax": 100}, filled);
  const figures = h("div", {className: "lab-figures"});
  const line = shape("polyline");
  const svg = shape("svg", {viewBox: "0 0 100 40", preserveAspectRatio: "none",
                            class: "lab-curve", "aria-hidden": "true"}, line);
  const spoken = h("p", {className: "lab-unseen", "role": "status"});
  let quarter = -1;
  const drawCurve = () => {
    const curve = model.get("curve");
    const low = Math.min(...curve), range = Math.max(...curve) - low || 1;
    line.setAttribute("points", curve.map((value, index) =>
      `${100 * index / Math.max(curve.length - 1, 1)},` +
      `${38 - 36 * (value - low) / range}`).join(" "));
  };
  const draw = () => {
    const done = model.get("done"), steps = model.get("steps");
    const message = model.get("message");
    const share = steps ? Math.round(100 * done / steps) : 100;
    head.textContent = `${model.get("label")}: step ${done} of ${steps}`
      + (message ? ` (${message})` : "");
    filled.style.width = `${share}%`;
    bar.setAttribute("aria-valuenow", share);
    figures.replaceChildren(...model.get("figures").map(([name, value]) =>
      h("div", {}, h("b", {}, value), h("span", {}, name))), svg);
    drawCurve();
    if (message || Math.floor(share / 25) !== quarter) {
      quarter = Math.floor(share / 25);
      spoken.textContent = message || `${share} % done`;
    }
  };
  model.on("change", draw);
  draw();
  el.append(h("section", {className: "lab-box lab-monitor",
                          "aria-label": "training monitor"},
              head, bar, figures, spoken));
  return () => model.off("change", draw);
}
export default { render };
"""
    )

    def static_html(self) -> str:
        return (
            f"<p>{html.escape(self.label)}: {self.steps} steps. "
            "While the cell runs, its progress shows here.</p>"
        )

    def __repr__(self) -> str:
        return f"TrainingMonitor({self.label}, {self.steps} steps)"
