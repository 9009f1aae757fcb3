"""Fair races: the contestants take turns, and a result is a ratio with its spread.

Seconds say more about the machine than about the code, and on a busy machine not even
that. So contestants run A B A B …, each round gives one ratio, and what is printed is
the median of the ratios and the range of their middle half.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass


def race(
    contestants: dict[str, Callable[[], object]], rounds: int
) -> dict[str, list[float]]:
    """Seconds that each contestant took in each round.

    One more round goes before the first and is not counted: it starts threads, fills
    caches and imports what is imported late.
    """
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for index in range(rounds + 1):
        for name, run in contestants.items():
            began = time.perf_counter()
            run()
            if index > 0:
                seconds[name].append(time.perf_counter() - began)
    return seconds


@dataclass(frozen=True)
class Measured:
    """One row of the report.

    Parameters
    ----------
    what : in words, the unit included.
    values : one a round.
    at_least, at_most : the bar, if there is one.
    note : what else the reader should know, such as plain speeds.
    """

    what: str
    values: Sequence[float]
    at_least: float | None = None
    at_most: float | None = None
    note: str = ""

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    def middle_half(self) -> tuple[float, float]:
        """The range that holds the middle half of the values."""
        if len(self.values) == 1:
            return self.values[0], self.values[0]
        low, _, high = statistics.quantiles(self.values, n=4, method="inclusive")
        return low, high

    def verdict(self) -> str:
        """The bar and whether the median meets it; nothing if there is no bar."""
        if self.at_least is not None:
            met, bar = self.median >= self.at_least, f"at least {self.at_least:.2f}"
        elif self.at_most is not None:
            met, bar = self.median <= self.at_most, f"at most {self.at_most:.2f}"
        else:
            return ""
        return f"{bar}: {'met' if met else 'MISSED'}"

    def __str__(self) -> str:
        low, high = self.middle_half()
        line = (
            f"{self.what:<58}{self.median:7.2f}  ({low:.2f} to {high:.2f})  "
            f"{self.verdict()}"
        ).rstrip()
        return f"{line}\n    {self.note}" if self.note else line


def ratios(numerators: Sequence[float], denominators: Sequence[float]) -> list[float]:
    """Round by round."""
    return [a / b for a, b in zip(numerators, denominators, strict=True)]
