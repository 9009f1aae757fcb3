"""How a training run goes: bar, loss, speed and time left."""

import html
import math
import time
from collections.abc import Mapping

import anywidget
import traitlets
from IPython import get_ipython
from IPython.display import display

from llmlab.training import clock
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
        self._steps, self._first_step = steps, first_step
        self._started = time.monotonic()
        self._shown = -math.inf
        self._tokens = 0.0
        self._curve: list[float] = []
        self._latest: dict = {}
        self.view = MonitorView(label=label, steps=steps, done=first_step)
        if get_ipython() is not None:
            display(self.view)

    def update(self, step: int, metrics: Mapping[str, float], seconds: float) -> None:
        self._tokens += metrics.get("tokens", 0)
        if "loss" in metrics:
            previous = self._curve[-1] if self._curve else metrics["loss"]
            self._curve.append(0.9 * previous + 0.1 * metrics["loss"])
        self._latest = {"done": step + 1, "metrics": metrics}
        now = time.monotonic()
        if now - self._shown >= self.seconds_between:
            self._shown = now
            self._send()

    def stop(self, message: str) -> None:
        if self._latest:
            self._send()
        self.view.message = message

    def _send(self) -> None:
        done, metrics = self._latest["done"], self._latest["metrics"]
        elapsed = max(time.monotonic() - self._started, 1e-9)
        left = elapsed / (done - self._first_step) * (self._steps - done)
        figures = [["time left", clock(left)]]
        if self._curve:
            figures.append(["loss", f"{self._curve[-1]:.3f}"])
        for name in ("score", "kl", "accuracy"):
            if name in metrics:
                figures.append([name, f"{metrics[name]:.2f}"])
        if self._tokens:
            figures.append(["tokens/s", f"{self._tokens / elapsed:,.0f}"])
        stride = 1 + len(self._curve) // 200
        with self.view.hold_sync():
            self.view.done = done
            self.view.figures = figures
            self.view.curve = self._curve[::stride]


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
