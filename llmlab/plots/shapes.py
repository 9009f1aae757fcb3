"""Pictures of how a quantity behaves: lines over a common x, arrows that turn."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter, ScalarFormatter

from llmlab.claims import about
from llmlab.plots.marks import colour, legend_above, line, marker, percent
from llmlab.plots.style import (
    BLUE,
    GREY,
    MARKERS,
    WIDTH_INCHES,
    Picture,
    panels,
    picture,
    styled,
)
from llmlab.plots.words import course, listed, lowest


@styled
def lines(
    x: Sequence[float],
    series: Mapping[str, Sequence[float]],
    *,
    x_label: str,
    y_label: str,
    title: str = "",
    doubling: bool = False,
    from_zero: bool = False,
) -> Picture:
    """One line for each series, with one value for each `x`.

    With `doubling`, equal steps along the x axis are equal factors, and every `x` is
    written there. `from_zero` starts the other axis at zero, so that twice the height
    is twice as much.
    """
    figure, axes = picture(height=3.2)
    for index, (name, values) in enumerate(series.items()):
        few = len(x) <= 20
        line(axes, x, values, index, marked=few, markersize=5, label=name)
    if doubling:
        axes.set_xscale("log", base=2)
        axes.set_xticks(x)
        axes.xaxis.set_major_formatter(ScalarFormatter())
        axes.minorticks_off()
    if len(series) > 1:
        legend_above(figure)
    axes.set(xlabel=x_label, ylabel=y_label, title=title)
    axes.grid(axis="y")
    if from_zero:
        axes.set_ylim(0, 1.08 * max(map(max, series.values())))
    return figure.told(f"{y_label} against {x_label}: {_courses(x, series)}")


def _courses(x: Sequence[float], series: Mapping[str, Sequence[float]]) -> str:
    values = {name: np.asarray(line, float) for name, line in series.items()}
    courses = [f"{name} {course(line, x)}" for name, line in values.items()]
    ends = lowest({name: float(line[-1]) for name, line in values.items()})
    return f"{'; '.join(courses)}. {ends}".strip()


@styled
def scattered(
    points: Mapping[str, tuple[float, float]], *, x_label: str, y_label: str
) -> Picture:
    """One named point for each (x, y), all of them shares from 0 to 1."""
    figure, axes = picture(height=3.4)
    for index, (name, (x, y)) in enumerate(points.items()):
        axes.plot(
            [x],
            [y],
            marker(index),
            color=colour(index),
            markerfacecolor="none" if index >= len(MARKERS) else None,
            markeredgewidth=1.8,
            markersize=8,
            label=name,
        )
    axes.set_xlim(left=0)
    axes.set_ylim(0, 1.05)
    figure.legend(loc="outside right upper", frameon=False)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    percent(axes.yaxis)
    axes.set(xlabel=x_label, ylabel=y_label)
    axes.grid()
    ends = []
    for place, low, high in (
        (1, "lowest", "highest"),
        (0, "furthest left", "furthest right"),
    ):
        order = sorted(points, key=lambda name: points[name][place])
        for name, where in ((order[0], low), (order[-1], high)):
            ends.append(f"{name} lies {where} (≈{points[name][place]:.1%})")
    return figure.told(f"{y_label} against {x_label}: {listed(ends)}.")


@styled
def arrows(angles: Mapping[str, Sequence[float]]) -> Picture:
    """One circle for each name, with an arrow for each of its angles in radians.

    An arrow carries its place in the sequence, where there is room. Later arrows are
    longer, so that one that has gone round does not hide an earlier one.
    """
    figure, row = panels(len(angles), WIDTH_INCHES / len(angles) + 0.3)
    for axes, (name, turns) in zip(row, angles.items(), strict=True):
        axes.set_axis_off()
        axes.set(xlim=(-1.3, 1.3), ylim=(-1.3, 1.3), aspect="equal")
        axes.set_title(name, fontsize=9.5, fontweight="normal", loc="center")
        around = np.linspace(0, 2 * np.pi, 200)
        axes.plot(np.cos(around), np.sin(around), color="#d9d9d9", linewidth=1)
        for place, tip in enumerate(_tips(turns)):
            look = {"arrowstyle": "-|>", "linewidth": 1.4, "shrinkA": 0, "shrinkB": 0}
            look["color"] = BLUE if place == len(turns) - 1 else GREY
            axes.annotate("", tip, (0, 0), arrowprops=look)
        _write_at_tips(axes, turns)
    rounds = [
        f"{name} {about((turns[-1] - turns[0]) / (2 * np.pi))}"
        for name, turns in angles.items()
    ]
    return figure.told(
        f"arrows on circles. From the first to the last, in rounds: {listed(rounds)}."
    )


def _tips(turns: Sequence[float]) -> np.ndarray:
    """(arrows, 2): where each arrow ends."""
    lengths = 0.6 + 0.4 * np.arange(1, len(turns) + 1) / len(turns)
    return lengths[:, None] * np.stack((np.cos(turns), np.sin(turns)), axis=1)


def _write_at_tips(axes: Axes, turns: Sequence[float]) -> None:
    """The number of every arrow, from the last one back, none over anything else."""
    taken = []
    for place, tip in reversed(list(enumerate(_tips(turns)))):
        spot = tip + 0.14 * tip / np.linalg.norm(tip)
        if all(np.linalg.norm(spot - other, axis=1).min() > 0.15 for other in taken):
            axes.text(*spot, str(place), ha="center", va="center", fontsize=9)
        taken.append(np.linspace(0, 1, 50)[:, None] * spot)
