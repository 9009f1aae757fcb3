"""How it works inside: one word's attention, a packed row, a ball going downhill."""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from llmlab.plots.boxes import arrow, canvas, say, strip
from llmlab.plots.marks import MONO, colour, legend_above, line
from llmlab.plots.style import BLUE, GREY, INK, Picture, panels, styled
from llmlab.plots.words import listed, tail, visible

_MOST_ROWS, _MOST_TOKENS = 12, 28


@styled
def query_key_value(
    tokens: Sequence[str],
    query: Sequence[float],
    keys: Sequence[Sequence[float]],
    values: Sequence[Sequence[float]],
) -> Picture:
    """How one head gathers what the last token asks for, in the head's own numbers.

    tokens : the texts that the last one may look at, itself at the end.
    query : (d_head,), of the last token.
    keys, values : (time, d_head), of all.
    """
    query, keys, values = (np.asarray(array, float) for array in (query, keys, values))
    count, d_head = len(tokens), query.size
    fit = [query.shape, keys.shape, values.shape] == [(d_head,), *2 * [(count, d_head)]]
    if not fit or not 0 < count <= _MOST_ROWS:
        raise ValueError(
            f"a query of shape {query.shape}, keys {keys.shape} and values "
            f"{values.shape} for {count} tokens; expected (d_head,) and twice (time, "
            f"d_head), for at most {_MOST_ROWS} tokens. One head of one text: "
            "call.queries[0, head, -1], call.keys[0, head], call.values[0, head]"
        )
    scores = keys @ query / d_head**0.5
    shares = np.exp(scores - scores.max())
    shares /= shares.sum()
    top, step = 1.25, 0.34
    bottom = top + step * count
    figure, axes = canvas(bottom + 0.6)
    asks, holds = abs(np.stack([query, *keys])).max(), abs(values).max()
    text = f"query of “{_short(tokens[-1])}”: what it asks for"
    say(axes, 1.3, 0.18, text, ha="left", weight="bold")
    strip(axes, query, (1.3, 3.0, 0.32, 0.56), asks)
    say(axes, 6.8, 0.44, "cells: numbers, orange < 0 < purple", ha="right", fontsize=9)
    heads = {2.15: "key", 3.5: f"query · key\n÷ √{d_head}", 4.45: "share\n(softmax)"}
    for x, text in (heads | {6.0: "value"}).items():
        say(axes, x, top - 0.25, text, weight="bold")
    lengths = 0.5 * shares / shares.max()
    for row, y in enumerate(top + step * (np.arange(count) + 0.5)):
        say(axes, 1.2, y, _short(tokens[row]), ha="right", fontfamily=MONO)
        strip(axes, keys[row], (1.3, 3.0, y - 0.12, y + 0.12), asks)
        say(axes, 3.7, y, f"{scores[row]:.1f}".replace("-", "−"), ha="right")
        axes.barh(y, lengths[row], 0.22, left=4.05, color=BLUE)
        say(axes, 4.08 + lengths[row], y, f"{shares[row]:.0%}", ha="left")
        strip(axes, values[row], (5.2, 6.8, y - 0.12, y + 0.12), holds)
    arrow(axes, (2.15, 0.58), (2.15, 0.88))
    arrow(axes, (6.0, bottom + 0.02), (6.0, bottom + 0.24))
    say(axes, 5.1, bottom + 0.38, "what it takes: the values, by share", ha="right")
    strip(axes, shares @ values, (5.2, 6.8, bottom + 0.26, bottom + 0.5), holds)
    best = int(shares.argmax())
    return figure.told(
        f"how “{_short(tokens[-1])}” gathers from {count} tokens in one head. Its "
        f"query times each key, over the root of {d_head}, is a score; softmax makes "
        f"shares of the scores. Most, ≈{shares[best]:.0%}, goes to "
        f"“{_short(tokens[best])}”. What is taken is the sum of the values by shares."
    )


@styled
def packing_mask(
    tokens: Sequence[str], segment_ids: Sequence[int], learned: Sequence[bool]
) -> Picture:
    """Several conversations in one row: who may look at whom, and what is learned.

    tokens : the texts of a row.
    segment_ids : (time,), 0 for padding, as in a `batching.Batch`.
    learned : (time,) whether the token that comes next is to be predicted here.
    """
    segments, learned = np.asarray(segment_ids), np.asarray(learned, bool)
    time = len(tokens)
    if not 0 < time <= _MOST_TOKENS or {segments.shape, learned.shape} != {(time,)}:
        raise ValueError(
            f"{time} tokens, segment ids {segments.shape} marks of what is learned "
            f"{learned.shape}; expected one of each for 1 to {_MOST_TOKENS} tokens: "
            "row 0 of a batch is batch.segment_ids[0] and batch.target_mask[0]"
        )
    left, top, cell = 1.2, 0.5, min(0.26, 4.1 / time)
    right = left + cell * time
    figure, axes = canvas(top + cell * time + 0.15)
    axes.fill_between([left, right], top, top + cell * time, color="#efefef", lw=0)
    for row, y in enumerate(top + cell * (np.arange(time) + 0.5)):
        mono = {"fontfamily": MONO, "fontsize": 8.5}
        say(axes, left - 0.08, y, _short(tokens[row]), ha="right", **mono)
        if learned[row]:
            axes.plot([right + 0.15], [y], "D", color=INK, markersize=5)
    say(axes, left - 0.08, 0.3, "looks ↓", ha="right")
    say(axes, left, 0.3, "is looked at →", ha="left")
    say(axes, right + 0.09, 0.3, "◆ next is learned", ha="left")
    numbers = [int(number) for number in dict.fromkeys(segments.tolist()) if number]
    spans = []
    for index, number in enumerate(numbers):
        rows = np.flatnonzero(segments == number)
        for row, column in ((r, c) for r in rows for c in rows if c <= r):
            corner = (left + cell * column, top + cell * row)
            look = {"facecolor": colour(index), "edgecolor": "white", "alpha": 0.8}
            axes.add_patch(Rectangle(corner, cell, cell, **look))
        y = top + cell * (rows[0] + rows[-1] + 1) / 2
        text = f"conversation {index + 1}"
        say(axes, right + 0.3, y, text, ha="left", fontweight="bold")
        spans.append(f"in {text}, {learned[rows].sum()} of {len(rows)} tokens")
    if padding := int((segments == 0).sum()):
        y = top + cell * (time - padding / 2)
        say(axes, right + 0.3, y, "padding", ha="left")
        spans.append(f"{padding} tokens are padding, which nobody looks at")
    return figure.told(
        f"a row of {time} tokens, {len(numbers)} conversations. A token looks at "
        "itself and at what came before in its own conversation, never into another: "
        "a triangle of filled cells for each. The next token is learned after some: "
        f"{'; '.join(spans)}."
    )


@styled
def descent(
    height: Callable[[float], float],
    slope: Callable[[float], float],
    start: float,
    rates: Mapping[str, float],
    *,
    steps: int = 6,
) -> Picture:
    """A ball on a curve: steps against the slope, a panel for each learning rate.

    height, slope : of the curve at a place, and its derivative.
    start : where the ball is put down.
    rates : by their names; each step is x − rate · slope(x).
    """
    if not rates or steps < 1:
        raise ValueError(
            f"{len(rates)} rates and {steps} steps; expected one or more of each"
        )
    paths = {name: _walk(slope, start, rate, steps) for name, rate in rates.items()}
    places = np.array(list(paths.values()))
    if not np.isfinite(places).all():
        raise ValueError(
            "the ball left the numbers; take a smaller rate or fewer steps"
        )
    figure, row = panels(len(rates), 3.0, sharey=True, sharex=True)
    middle, reach = places.mean(), 0.55 * np.ptp(places) or 1.0
    around = np.linspace(middle - 1.2 * reach, middle + 1.2 * reach, 200)
    courses = []
    for axes, (name, path) in zip(row, paths.items(), strict=True):
        heights = [height(place) for place in path]
        line(axes, around, [height(place) for place in around], 0)
        _roll(axes, path, heights)
        axes.set_title(f"{name} (rate {rates[name]:g})", fontweight="normal")
        axes.set_xlabel("a weight")
        went = "falls" if heights[-1] < heights[0] else "does not fall"
        ends = f"from ≈{heights[0]:.3g} to ≈{heights[-1]:.3g}"
        courses.append(f"with {name} ({rates[name]:g}) the loss {went}, {ends}")
    row[0].set_ylabel("loss")
    balls, _ = row[0].get_legend_handles_labels()
    legend_above(figure, handles=balls, handlelength=None)
    return figure.told(
        f"a ball on a curve, moved {steps} times against the slope: {listed(courses)}."
    )


def _walk(slope: Callable, start: float, rate: float, steps: int) -> list[float]:
    path = [float(start)]
    for _ in range(steps):
        path.append(path[-1] - rate * slope(path[-1]))
    return path


def _roll(axes: Axes, path: Sequence[float], heights: Sequence[float]) -> None:
    """A ball at every place, an arrow to the next, the last one filled."""
    places = list(zip(path, heights, strict=True))
    for place, following in pairwise(places):
        look = {"arrowstyle": "->", "connectionstyle": "arc3,rad=-0.25", "color": GREY}
        axes.annotate("", following, place, arrowprops=look)
    look = {"color": INK, "markerfacecolor": "white", "zorder": 3}
    axes.plot(path, heights, "o", markersize=6, **look)
    axes.plot(*places[0], "o", markersize=11, label="start", **look)
    look |= {"markerfacecolor": INK, "label": "end"}
    axes.plot(*places[-1], "o", markersize=11, **look)


def _short(token: str) -> str:
    return tail(visible(token), 12)
