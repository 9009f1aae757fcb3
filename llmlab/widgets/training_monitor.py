"""How a training run goes: bar, loss, speed and time left."""

import html
import math
import time
from collections.abc import Mapping

import traitlets
from IPython import get_ipython
from IPython.display import display

from llmlab.progress import Figures
from llmlab.widgets.page import View


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
        # The page takes Python's own numbers only.
        plain = {name: float(value) for name, value in metrics.items()}
        self._figures.update(int(step), plain)
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


class MonitorView(View):
    """The picture of one run that a `TrainingMonitor` keeps up to date."""

    label = traitlets.Unicode().tag(sync=True)
    steps = traitlets.Int().tag(sync=True)
    done = traitlets.Int().tag(sync=True)
    figures = traitlets.List().tag(sync=True)
    curve = traitlets.List().tag(sync=True)
    message = traitlets.Unicode("").tag(sync=True)

    def static_html(self) -> str:
        return (
            f"<p>{html.escape(self.label)}: {self.steps} steps. "
            "While the cell runs, its progress shows here.</p>"
        )

    def __repr__(self) -> str:
        return f"TrainingMonitor({self.label}, {self.steps} steps)"
