"""Comparing models group by group: where is which one better, and how sure is that?"""

from collections.abc import Mapping, Sequence

from matplotlib.ticker import PercentFormatter

from llmlab.plots.style import (
    INK,
    LINE_STYLES,
    MARKERS,
    PALETTE,
    Picture,
    picture,
    styled,
)
from llmlab.plots.words import listed, sentence


@styled
def intervals_by_group(
    groups: Sequence[str],
    models: Mapping[str, Sequence[tuple[float, float, float]]],
    *,
    x_label: str,
    y_label: str,
    share: bool = False,
    title: str = "",
) -> Picture:
    """One line for each model, over ordered groups, each point in its interval.

    Parameters
    ----------
    models : name to one (value, low, high) for each group.
    share : the values are shares of one, written in per cent.
    """
    if not groups or not models:
        raise ValueError("nothing to draw; expected some groups and some models")
    figure, axes = picture(height=3.2)
    for index, (name, points) in enumerate(models.items()):
        if len(points) != len(groups):
            raise ValueError(
                f"{name!r} has {len(points)} points for {len(groups)} groups; expected "
                "one (value, low, high) for each group"
            )
        if any(not low <= value <= high for value, low, high in points):
            raise ValueError(f"a value of {name!r} lies outside its interval: {points}")
        _draw_model(axes, index, len(models), name, points)
    bottom, top = axes.get_ylim()
    if bottom < 0 < top:  # which side of zero a value lies on is what is asked
        axes.axhline(0, color=INK, linewidth=1, linestyle=(0, (4, 3)), zorder=0)
    axes.set_xticks(range(len(groups)), list(groups))
    axes.set_xlim(-0.4, len(groups) - 0.6)
    axes.set(xlabel=x_label, ylabel=y_label, title=title)
    if share:
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.grid(axis="y")
    figure.legend(loc="outside upper right", ncols=3, handlelength=3.2, frameon=False)
    figure.alt = sentence(
        f"{y_label} by {x_label}, with intervals: {_in_words(groups, models)}"
    )
    return figure


def _draw_model(axes, index: int, count: int, name: str, points) -> None:
    values, lows, highs = zip(*points, strict=True)
    # Side by side, or the intervals of two models would hide each other.
    places = [group + 0.08 * (index - (count - 1) / 2) for group in range(len(points))]
    colour = PALETTE[index % len(PALETTE)]
    axes.vlines(places, lows, highs, color=colour, linewidth=2)
    axes.plot(
        places,
        values,
        color=colour,
        linestyle=LINE_STYLES[index % len(LINE_STYLES)],
        linewidth=1.5,
        marker=MARKERS[index % len(MARKERS)],
        markersize=7,
        label=name,
    )


def _in_words(groups: Sequence[str], models: Mapping) -> str:
    """Who is above whom, where the intervals of the first two are apart."""
    if len(models) < 2:
        return f"One line: {next(iter(models))}."
    (one, first), (other, second) = list(models.items())[:2]
    above, below, level = [], [], []
    for group, (_, low, high), (_, low2, high2) in zip(
        groups, first, second, strict=True
    ):
        side = above if low > high2 else below if high < low2 else level
        side.append(group)
    clauses = [
        (above, f"{one} lies above {other} at {{}}, their intervals apart"),
        (below, f"{one} lies below {other} at {{}}, their intervals apart"),
        (level, "their intervals overlap at {}"),
    ]
    return (
        "; ".join(text.format(listed(names)) for names, text in clauses if names) + "."
    )
