"""How a tokenizer's vocabulary came about, and what its size costs."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, NullLocator

from llmlab.plots.marks import MONO, headline, line, note
from llmlab.plots.style import (
    BLUE,
    GREEN,
    GREY,
    HATCHES,
    INK,
    ORANGE,
    SKY,
    WIDTH_INCHES,
    Picture,
    panels,
    picture,
    styled,
)
from llmlab.plots.words import course, listed, visible

_LETTERS_A_LINE = 26
_HIGHEST_COST = 3.2  # dearer sizes leave the panel, or the others were flat


@styled
def merge_tree(trees: Sequence, *, title: str = "") -> Picture:
    """The tokens of a text and, below each, the parts it was merged from, to bytes.

    A tree has `token_id`, `text` and `parts`, two trees or none, as
    `Tokenizer.merge_tree` makes them. The ids of merged tokens are written beside
    them: a smaller id was learned earlier.
    """
    if not trees:
        raise ValueError("no tokens to draw; expected one merge tree or more")
    letters = sum(map(_leaves, trees))
    if letters > _LETTERS_A_LINE:
        raise ValueError(
            f"these tokens have {letters} bytes; at most {_LETTERS_A_LINE} fit beside "
            "one another. Draw a shorter text"
        )
    height = max(map(_height, trees))
    width = min(WIDTH_INCHES, 3 + 0.4 * letters)
    figure, axes = picture(height=1 + 0.5 * height, width=width)
    axes.set_axis_off()
    left = 0.0
    for tree in trees:
        _draw_tree(axes, tree, left, top=True)
        left += _leaves(tree)
    for border in np.cumsum([_leaves(tree) for tree in trees])[:-1]:
        axes.axvline(border - 0.5, color=GREY, linewidth=1, linestyle=":")
    axes.set_xlim(-0.7, letters - 0.3)
    axes.set_ylim(-0.45, height + 0.55)
    axes.set_title(title)
    made = [
        f"{_quoted(tree)} from {listed([_quoted(part) for part in tree.parts])}"
        if tree.parts
        else f"{_quoted(tree)} alone"
        for tree in trees
    ]
    return figure.told(
        f"tree of merges from single bytes up to tokens. Each token's last merge: "
        f"{listed(made)}."
    )


def _leaves(tree) -> int:
    return sum(map(_leaves, tree.parts)) or 1


def _height(tree) -> int:
    return 1 + max(map(_height, tree.parts)) if tree.parts else 0


def _quoted(tree) -> str:
    return f"“{visible(tree.text)}”"


def _draw_tree(axes: Axes, tree, left: float, *, top: bool) -> float:
    """Draws the tree, its first byte at `left`; returns the place of its token."""
    place, height = left, _height(tree)
    if tree.parts:
        first, second = tree.parts
        lefts = {left: first, left + _leaves(first): second}
        ends = [_draw_tree(axes, part, x, top=False) for x, part in lefts.items()]
        place = sum(ends) / 2
        for end, part in zip(ends, tree.parts, strict=True):
            levels = [height, height, _height(part)]
            axes.plot([place, end, end], levels, color=GREY, zorder=1)
    axes.text(
        place,
        height,
        visible(tree.text),
        ha="center",
        va="center",
        fontfamily=MONO,
        fontsize=9.5,
        fontweight="bold" if top else "normal",
        bbox={
            "boxstyle": "round,pad=0.25",
            "facecolor": "#dcebf5" if top else "white",
            "edgecolor": BLUE if top else GREY,
            "linewidth": 1.6 if top else 0.8,
        },
    )
    if tree.parts:
        paper = {"facecolor": "white", "edgecolor": "none", "pad": 0.6}
        look = {"ha": "center", "fontsize": 7, "color": INK, "bbox": paper}
        note(axes, str(tree.token_id), (place, height), (0, -14), **look)
    return place


@styled
def characters_per_token(
    curves: Mapping[str, Mapping[int, float]], *, title: str = ""
) -> Picture:
    """Mean length of a token against the size of the vocabulary, one line a text.

    `curves` maps a text's name to {vocabulary size: characters a token}.
    """
    figure, axes = picture(height=3.0)
    courses = []
    for index, (name, lengths) in enumerate(curves.items()):
        sizes, values = zip(*sorted(lengths.items()), strict=True)
        line(axes, sizes, values, index, marked=True)
        end = (sizes[-1], values[-1])
        note(axes, name, end, (7, 0), va="center", annotation_clip=False)
        courses.append(f"{name} {course(values, sizes)}")
    _sizes_below(axes, {size for lengths in curves.values() for size in lengths})
    axes.set(ylabel="characters a token", title=title, ylim=(0, None))
    axes.grid(axis="y")
    return figure.told(
        "mean length of a token against the size of the vocabulary: "
        f"{'; '.join(courses)}."
    )


@styled
def vocabulary_costs(
    costs: Mapping[str, Mapping[int, Mapping[str, float]]], *, title: str = ""
) -> Picture:
    """What reading one character costs a model, against the vocabulary's size.

    `costs` maps a model's name to {vocabulary size: {part: cost a character}}. Each
    model has a panel, its parts stacked, its cheapest size marked and drawn as 1.
    """
    figure, row = panels(len(costs), 3.3, sharey=True)
    courses, highest = [], 1.2
    for axes, (model, by_size) in zip(row, costs.items(), strict=True):
        sizes = sorted(by_size)
        parts = list(by_size[sizes[0]])
        heights = np.array([[by_size[size][part] for size in sizes] for part in parts])
        totals = heights.sum(axis=0)
        cheapest = int(totals.argmin())
        stacks = axes.stackplot(
            sizes, heights / totals[cheapest], colors=[SKY, ORANGE, GREEN], alpha=0.75
        )
        for index, (stack, part) in enumerate(zip(stacks, parts, strict=True)):
            stack.set(hatch=HATCHES[index], edgecolor="white", label=part)
        axes.plot(sizes, totals / totals[cheapest], color=INK, marker="o", markersize=3)
        axes.plot([sizes[cheapest]], [1], "D", color=INK, markersize=8)
        text, at = f"cheapest: {sizes[cheapest]:,}", (sizes[cheapest], 1)
        paper = {"facecolor": "white", "edgecolor": "none", "pad": 0.8}
        note(axes, text, at, (0, 18), ha="center", fontsize=9, bbox=paper)
        _sizes_below(axes, by_size)
        axes.set_title(model, fontweight="normal", fontsize=10)
        highest = max(highest, totals.max() / totals[cheapest])
        axes.grid(axis="y")
        courses.append(f"{model} {course(totals / totals[cheapest], sizes)}")
    row[0].set_ylim(0, min(_HIGHEST_COST, 1.05 * highest))
    row[0].set_ylabel("cost of a character\n(cheapest = 1)")
    handles, names = row[0].get_legend_handles_labels()
    figure.legend(
        handles, names, loc="outside lower center", ncols=len(names), frameon=False
    )
    headline(figure, title)
    return figure.told(
        "cost of one character (the cheapest is 1) against the size of the vocabulary: "
        f"{'; '.join(courses)}. "
        f"The cost is stacked from {listed(parts)}."
    )


def _sizes_below(axes: Axes, sizes: Iterable[int]) -> None:
    """A logarithmic axis with a name at every size."""
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_locator(FixedLocator(sorted(sizes)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(lambda size, _: f"{size:,.0f}")
    axes.tick_params(axis="x", labelsize=8, rotation=45)
    axes.set_xlabel("size of the vocabulary")
