"""What people prefer: a ladder, how far they agree, what the best guess can reach."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.patches import Patch

from llmlab.claims import about
from llmlab.plots.marks import interval, legend_above, line, name_rows, percent, table
from llmlab.plots.style import (
    BLUE,
    GREY,
    INK,
    VERMILLION,
    Picture,
    checked_probabilities,
    panels,
    picture,
    styled,
)
from llmlab.plots.words import listed

Interval = tuple[float, float, float]  # value, low, high


@styled
def strength_ladder(
    names: Sequence[str],
    ladders: Mapping[str, Sequence[Interval]],
    *,
    true: Sequence[float] | None = None,
) -> Picture:
    """A panel for each ladder, a rung for each name: its strength in its interval.

    ladders : title to one (value, low, high) for each name.
    true : strengths to compare with, a cross each; they also order the rungs.
    """
    order = np.argsort(true or [value for value, _, _ in next(iter(ladders.values()))])
    figure, row = panels(
        len(ladders), 0.9 + 0.28 * len(names), sharex=True, sharey=True
    )
    apart = []
    for axes, (title, rungs) in zip(row, ladders.items(), strict=True):
        for place, index in enumerate(order):
            interval(axes, place, rungs[index])
            if true is not None:
                axes.plot(true[index], place, "x", color=VERMILLION, markersize=8)
        ends = [rungs[index] for index in order]
        steps = sum(b[1] > a[2] for a, b in zip(ends, ends[1:], strict=False))
        apart.append(f"{title}: {steps} of {len(names) - 1}")
        axes.set_title(title)
        axes.set_xlabel("strength, nats of log-odds")
        axes.grid(axis="x")
        if axes is row[0]:
            name_rows(axes, [names[index] for index in order])
        axes.spines["left"].set_visible(False)
        axes.tick_params(axis="y", length=0)
    line(row[0], [], [], 0, marked=True, linewidth=0, label="estimated, 95 % interval")
    if true is not None:
        row[0].plot([], [], "x", color=VERMILLION, markersize=8, label="true")
    legend_above(figure, handlelength=1)
    return figure.told(
        f"ladders of {len(names)} strengths, the strongest on top. Neighbouring rungs "
        f"whose intervals are apart: {listed(apart)}."
    )


@styled
def best_guesses(probabilities: Sequence[float], *, bins: int = 11) -> Picture:
    """How often people prefer the first of two, and how much of it can be guessed.

    Of each bar the share max(p, 1 - p) is filled: so many labels the best guess hits.
    The hatched rest is lost to everybody. An odd number of bins has one for coins.
    """
    p = checked_probabilities(probabilities, expected=len(probabilities))
    edges = np.linspace(0, 1, bins + 1)
    figure, axes = picture(height=3.2)
    weights = np.full(p.size, 1 / p.size)
    hit = np.maximum(p, 1 - p) / p.size
    bars, _ = np.histogram(p, edges, weights=weights)
    filled, _ = np.histogram(p, edges, weights=hit)
    look = {"width": 0.92 / bins, "edgecolor": INK, "linewidth": 0.6}
    middle = (edges[1:] + edges[:-1]) / 2
    axes.bar(middle, filled, color=BLUE, **look)
    rest = {"bottom": filled, "color": "white", "hatch": "////"}
    axes.bar(middle, bars - filled, **rest, **look)
    axes.set(xlim=(0, 1), xlabel="share of people who prefer the first story")
    axes.set_ylabel("share of pairs")
    percent(axes.xaxis, axes.yaxis)
    axes.grid(axis="y")
    patches = [
        Patch(
            facecolor=BLUE, edgecolor=INK, label="the best guess hits: max(p, 1 − p)"
        ),
        Patch(facecolor="white", edgecolor=INK, hatch="////", label="it misses"),
    ]
    figure.legend(handles=patches, loc="outside upper right", ncols=2, frameon=False)
    return figure.told(
        "histogram of how many prefer the first of two stories. The filled part of the "
        f"bars, what the best guess hits, is ≈{hit.sum():.1%} of all labels."
    )


@styled
def agreement_matrix(
    names: Sequence[str], cells: Mapping[tuple[str, str], tuple[float, float]]
) -> Picture:
    """Who agrees with whom: the share of pairs, and below it kappa.

    cells : (name, name) to (share, kappa), each two once; one with itself is the same
        person asked twice. What is not there stays empty.
    """
    both = {}
    for (one, other), cell in cells.items():
        both[one, other] = both[other, one] = cell
    size = (len(names), len(names))
    texts, shades = np.full(size, "", dtype=object), np.zeros(size)
    for row, one in enumerate(names):
        for column, other in enumerate(names):
            if (one, other) in both:
                share, kappa = both[one, other]
                texts[row, column] = f"{share:.0%}\nκ {kappa:.2f}"
                shades[row, column] = max(0.0, kappa)
    figure, axes = picture(height=0.8 + 0.62 * len(names))
    table(axes, texts, rows=names, columns=names, shades=shades)
    axes.xaxis.tick_top()
    axes.set_xlabel("share of pairs with the same choice, and Cohen’s κ", color=GREY)
    told = [
        f"{one} with {'themselves' if one == other else other} ≈{share:.0%} "
        f"(kappa {about(kappa, 2)})"
        for (one, other), (share, kappa) in cells.items()
    ]
    return figure.told(f"agreement on pairs of stories: {listed(told)}.")
