"""How a run goes, told while it goes: in a terminal here, in a notebook by a widget."""

import math
import shutil
import sys
import time
from collections.abc import Mapping

Metrics = dict[str, float]


def clock(seconds: float) -> str:
    """Minutes and seconds, as a clock shows them: "1:05"."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"


def printable(text: str) -> str:
    """What a terminal may be shown of what a model wrote: nothing that steers it."""
    return "".join(c if c.isprintable() or c == "\n" else "\ufffd" for c in text)


class Figures:
    """What there is to tell of a run under way: the same figures wherever it is shown.

    steps, first_step : updates of the whole run, and those made in earlier sessions.
    """

    def __init__(self, steps: int, first_step: int):
        self.steps, self.first_step = steps, first_step
        self.done, self.tokens = first_step, 0.0
        self.losses: list[float] = []  # smoothed: one batch's loss jumps about
        self._metrics: Mapping[str, float] = {}

    def update(self, step: int, metrics: Mapping[str, float]) -> None:
        self.done, self._metrics = step + 1, metrics
        self.tokens += metrics.get("tokens", 0)
        if "loss" in metrics:
            previous = self.losses[-1] if self.losses else metrics["loss"]
            self.losses.append(0.9 * previous + 0.1 * metrics["loss"])

    def told(self, elapsed: float) -> dict[str, str]:
        """Each figure by its name; `elapsed` seconds of this session."""
        elapsed = max(elapsed, 1e-9)
        left = elapsed / (self.done - self.first_step) * (self.steps - self.done)
        told = {"time left": clock(left)} if left else {"took": clock(elapsed)}
        if self.losses:
            told["loss"] = f"{self.losses[-1]:.3f}"
        for name in ("score", "kl", "accuracy"):
            if name in self._metrics:
                told[name] = f"{self._metrics[name]:.2f}"
        if self.tokens:
            told["tokens/s"] = f"{self.tokens / elapsed:,.0f}"
        return told


class SilentProgress:
    """Shows nothing."""

    def start(self, label: str, steps: int, first_step: int) -> None: ...

    def update(self, step: int, metrics: Metrics, seconds: float) -> None: ...

    def stopping(self) -> None: ...

    def stop(self, message: str) -> None: ...


class TerminalProgress:
    """One line that rewrites itself: a bar, the loss, tokens a second, time left.

    Where the output is no terminal (a log file, CI), it prints a line now and then.
    """

    def __init__(self, stream=None):
        self.stream = stream or sys.stderr
        self.live = self.stream.isatty()

    def start(self, label: str, steps: int, first_step: int) -> None:
        self.label, self.steps, self.shown = label, steps, -math.inf
        self.figures = Figures(steps, first_step)
        self.started = time.perf_counter()
        self.line = ""
        if first_step:
            self._write(f"{label}: going on from step {first_step}\n")

    def update(self, step: int, metrics: Metrics, seconds: float) -> None:
        self.figures.update(step, metrics)
        now = time.perf_counter()
        if now - self.shown < (0.1 if self.live else 20.0) and step + 1 < self.steps:
            return
        self.shown = now
        self.line = self._describe(now - self.started)
        if self.live:
            # A line that wraps cannot be rewritten: each update would leave one behind.
            self.line = self.line[: shutil.get_terminal_size().columns - 1]
        self._write(f"\r{self.line}\033[K" if self.live else f"{self.line}\n")

    def _describe(self, elapsed: float) -> str:
        done, told = self.figures.done, self.figures.told(elapsed)
        filled = round(12 * done / self.steps)
        bar = f"{'█' * filled}{'░' * (12 - filled)}"
        time, *parts = (
            f"{value} {name}" if name == "tokens/s" else f"{name} {value}"
            for name, value in told.items()
        )
        return "  ".join(
            [f"{self.label:<12} {bar} {done:>5}/{self.steps}", *parts, time]
        )

    def stopping(self) -> None:
        self._write("\nstopping after this step; once more stops at once\n")

    def stop(self, message: str) -> None:
        if self.live and self.line:
            self._write("\n")
        if message != "done":
            self._write(f"{self.label}: {message}\n")

    def _write(self, text: str) -> None:
        self.stream.write(text)
        self.stream.flush()
