"""What most pictures are made of: lines, intervals, bars and written tables."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle
from matplotlib.ticker import PercentFormatter

from llmlab.plots.style import LINE_STYLES, MARKERS, PALETTE, Picture

MONO = "DejaVu Sans Mono"
# What the darkest blue stands for: letters on shares up to 1 have 4.5 times the light
# of their paper, or the paper of theirs, also where a dark theme turns both over.
PALE = 2.25


def colour(index: int) -> str:
    return PALETTE[index % len(PALETTE)]


def marker(index: int) -> str:
    return MARKERS[index % len(MARKERS)]


def line(
    axes: Axes, x: Sequence, y: Sequence, index: int, *, marked: bool = False, **look
) -> None:
    """The curve number `index`: nothing is told by its colour alone."""
    look = {"linewidth": 2, "marker": marker(index) if marked else None} | look
    style = LINE_STYLES[index % len(LINE_STYLES)]
    axes.plot(x, y, color=colour(index), linestyle=style, **look)


def interval(
    axes: Axes,
    place: float,
    point: tuple[float, float, float],
    *,
    index: int = 0,
    upright: bool = False,
    width: float = 2.5,
    size: float | None = 7,
) -> None:
    """The interval of a `point` (value, low, high) and, if it has a size, the point."""
    value, low, high = point
    if not low <= value <= high:
        raise ValueError(
            f"{value} lies outside its interval ({low}, {high}); expected "
            "(value, low, high)"
        )
    ends, middle = ([low, high], [place, place]), ([value], [place])
    if upright:
        ends, middle = ends[::-1], middle[::-1]
    axes.plot(*ends, color=colour(index), linewidth=width)
    if size:
        look = {"color": colour(index), "markersize": size, "clip_on": False}
        axes.plot(*middle, marker(index), **look)


def bars(
    axes: Axes, shares: Sequence[float], *, digits: int = 1, size: float = 9, **look
) -> None:
    """Bars with their shares behind them; without digits, nothing at all is a cross."""
    axes.barh(range(len(shares)), shares, **look)
    for place, share in enumerate(shares):
        text = f" {share:.{digits}%}" if share > 0 or digits else " ×"
        axes.text(share, place, text, va="center", fontsize=size)
    axes.set_xlim(0, 1.12 * max(shares))
    percent(axes.xaxis)
    axes.tick_params(axis="y", length=0)


def table(
    axes: Axes,
    texts: np.ndarray,
    *,
    rows: Sequence[str],
    columns: Sequence[str],
    shades: np.ndarray | None = None,
    least: float = 0,
    most: float = PALE,
    aspect: str = "auto",
    **font,
) -> AxesImage | None:
    """Texts (rows, columns), each on paper as dark as its shade is large."""
    image = None
    if shades is not None:
        image = axes.imshow(shades, cmap="Blues", vmin=least, vmax=most, aspect=aspect)
    for (row, column), text in np.ndenumerate(texts):
        axes.text(column, row, text, ha="center", va="center", **font)
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks(range(len(rows)), rows)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return image


def frame(axes: Axes, row: int, column: int, colour: str, width: float) -> None:
    """A frame around one cell of a table."""
    look = {"fill": False, "edgecolor": colour, "linewidth": width}
    axes.add_patch(Rectangle((column - 0.47, row - 0.44), 0.94, 0.88, **look))


def note(axes: Axes, text: str, at: tuple, shift: tuple, **look) -> None:
    """A text some points beside a place of the axes."""
    axes.annotate(text, at, shift, textcoords="offset points", **look)


def percent(*axes: Axis) -> None:
    for axis in axes:
        axis.set_major_formatter(PercentFormatter(1.0, decimals=0))


def name_rows(axes: Axes, names: Sequence[str]) -> None:
    """Names the rows of axes without a spine beside them."""
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def legend_above(figure: Picture, *, columns: int = 3, **look) -> None:
    look = {"loc": "outside upper right", "handlelength": 3.2} | look
    figure.legend(ncols=columns, frameon=False, **look)


def headline(figure: Picture, title: str) -> None:
    """A title over all panels."""
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
