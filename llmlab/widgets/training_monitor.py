"""How a training run goes: bar, loss, speed, time left and what the model writes."""

import html
import math
import time
from collections.abc import Callable, Mapping

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

    sample : `sample()` returns what the model writes now. It brings its own dice, so
        that watching changes nothing: a seeded generator, made anew in each call.
    every : steps between two samples; None: an eighth of the run.
    """

    def __init__(
        self,
        sample: Callable[[], str] | None = None,
        *,
        every: int | None = None,
        seconds_between: float = 0.25,
    ):
        if every is not None and every < 1:
            raise ValueError(f"every is {every}; expected 1 step or more, or None")
        self.sample, self.every = sample, every
        self.seconds_between = seconds_between

    def start(self, label: str, steps: int, first_step: int) -> None:
        self._figures = Figures(steps, first_step)
        self._started = time.monotonic()
        self._shown = -math.inf
        self.view = MonitorView(label=label, steps=steps, done=first_step)
        if get_ipython() is not None:
            display(self.view)
        self._take_sample()

    def update(self, step: int, metrics: Mapping[str, float], seconds: float) -> None:
        # The page takes Python's own numbers only.
        plain = {name: float(value) for name, value in metrics.items()}
        self._figures.update(int(step), plain)
        now = time.monotonic()
        if now - self._shown >= self.seconds_between:
            self._shown = now
            self._send()
        steps = self._figures.steps
        if (step + 1) % (self.every or max(1, steps // 8)) == 0 or step + 1 == steps:
            self._take_sample()

    def stopping(self) -> None:
        self.view.message = "stopping after this step"

    def stop(self, message: str) -> None:
        if self._figures.done > self._figures.first_step:
            self._send()
        self.view.message = message

    def _send(self) -> None:
        told = self._figures.told(time.monotonic() - self._started)
        losses, first = self._figures.losses, self._figures.first_step + 1
        with self.view.hold_sync():
            self.view.done = self._figures.done
            self.view.figures = [list(figure) for figure in told.items()]
            self.view.curve = [
                [first + index, losses[index]]
                for index in range(0, len(losses), 1 + len(losses) // 200)
            ]

    def _take_sample(self) -> None:
        if self.sample is not None:
            self.view.sample = [self._figures.done, self.sample()]


class MonitorView(View):
    """The picture of one run that a `TrainingMonitor` keeps up to date."""

    label = traitlets.Unicode().tag(sync=True)
    steps = traitlets.Int().tag(sync=True)
    done = traitlets.Int().tag(sync=True)
    figures = traitlets.List().tag(sync=True)
    curve = traitlets.List().tag(sync=True)  # [step, loss]
    sample = traitlets.List().tag(sync=True)  # [steps made, what was written then]
    message = traitlets.Unicode("").tag(sync=True)

    def static_html(self) -> str:
        return (
            f"<p>{html.escape(self.label)}: {self.steps} steps. "
            "While the cell runs, its progress shows here.</p>"
        )

    def __repr__(self) -> str:
        return f"TrainingMonitor({self.label}, {self.steps} steps)"
