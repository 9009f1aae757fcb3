"""What diagrams are made of: boxes, arrows and words, at places in inches."""

from collections.abc import Iterable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch, Rectangle

from llmlab.plots.style import BLUE, GREY, VERMILLION, WIDTH_INCHES, Picture

DASHED = (0, (3, 1.5))
# Paper, edge and line of a box: what it is can be seen without its colour.
KINDS = {
    "part": ("#e6f0f8", BLUE, "-"),
    "data": ("white", GREY, "-"),
    "frozen": ("#fdf3e0", VERMILLION, DASHED),
}


def canvas(height: float) -> tuple[Picture, Axes]:
    """A picture whose axes count inches, to the right and downward."""
    figure = Picture(figsize=(WIDTH_INCHES, height), layout="none")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set(xlim=(0, WIDTH_INCHES), ylim=(height, 0))
    return figure, axes


def say(axes: Axes, x: float, y: float, text: str, **look) -> None:
    look = {"ha": "center", "va": "center", "fontsize": 9.5, "linespacing": 1.3} | look
    axes.text(x, y, text, **look)


def box(
    axes: Axes,
    x: float,
    y: float,
    text: str,
    *,
    width: float = 1.4,
    height: float = 0.5,
    kind: str = "part",
    **look,
) -> None:
    """A box around its centre (x, y)."""
    face, edge, style = KINDS[kind]
    shape = {"boxstyle": "round,pad=0,rounding_size=0.07", "linewidth": 1.3}
    shape |= {"facecolor": face, "edgecolor": edge, "linestyle": style}
    corner = (x - width / 2, y - height / 2)
    axes.add_patch(FancyBboxPatch(corner, width, height, **shape))
    say(axes, x, y, text, **look)


def arrow(axes: Axes, *corners: tuple[float, float], dashed: bool = False) -> None:
    """From corner to corner in straight lines, with a head at the last one."""
    look = {"color": GREY, "linewidth": 1.5}
    line = {"linestyle": DASHED if dashed else "-", "solid_capstyle": "butt"}
    (x, y), (to_x, to_y) = corners[-2:]
    length = ((to_x - x) ** 2 + (to_y - y) ** 2) ** 0.5
    short = max(0, 1 - 0.06 / length) if length else 0  # or the line shows at the tip
    stop = (x + short * (to_x - x), y + short * (to_y - y))
    axes.plot(*zip(*corners[:-1], stop, strict=True), **look, **line)
    head = {"arrowstyle": "-|>,head_length=0.5,head_width=0.25", "mutation_scale": 13}
    head |= {"linewidth": 0, "color": GREY, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", corners[-1], corners[-2], arrowprops=head)


def strip(
    axes: Axes, numbers: Sequence[float], extent: Iterable[float], most: float
) -> None:
    """Numbers as a row of cells: orange below zero, purple above, white at zero."""
    left, right, top, bottom = extent
    edges = np.linspace(left, right, len(numbers) + 1)
    look = {"cmap": "PuOr", "vmin": -most, "vmax": most}
    axes.pcolormesh(edges, [top, bottom], [numbers], **look)
    frame = {"fill": False, "edgecolor": GREY, "linewidth": 0.8}
    axes.add_patch(Rectangle((left, top), right - left, bottom - top, **frame))
