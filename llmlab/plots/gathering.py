"""Gathering text: what is alike, what was dropped, and what a mixture teaches."""

from collections.abc import Mapping, Sequence

import numpy as np

from llmlab.claims import about
from llmlab.plots.marks import MONO, PALE, bars, frame, line, note, percent, table
from llmlab.plots.style import (
    BLUE,
    GREY,
    INK,
    VERMILLION,
    WIDTH_INCHES,
    Picture,
    picture,
    styled,
)
from llmlab.plots.words import course, listed


@styled
def minhash_table(
    first: Sequence[str],
    second: Sequence[str],
    numberings: Sequence[Mapping[str, int]],
) -> Picture:
    """Two sets of phrases, A and B, each with its smallest number of every numbering.

    A row for every phrase of either set and a column for every numbering, which gives
    each phrase a number of its own. The smallest number of the first set stands in a
    circle, that of the second in a square; where both are the same cell, the texts
    agree.
    """
    phrases = list(dict.fromkeys([*first, *second]))
    phrases.sort(key=lambda phrase: (phrase not in first) - (phrase not in second))
    figure, axes = picture(height=1.3 + 0.33 * len(phrases))
    where = {
        phrase: " ".join(
            name if phrase in members else "–"
            for name, members in (("A", first), ("B", second))
        )
        for phrase in phrases
    }
    table(
        axes,
        np.array(
            [[numbering[phrase] for numbering in numberings] for phrase in phrases]
        ),
        rows=[f"{phrase}   {where[phrase]}" for phrase in phrases],
        columns=range(1, len(numberings) + 1),
    )
    agreements = 0
    for column, numbering in enumerate(numberings):
        of_first = min(first, key=numbering.__getitem__)
        of_second = min(second, key=numbering.__getitem__)
        agree = of_first == of_second
        agreements += agree
        if agree:
            axes.axvspan(column - 0.42, column + 0.42, color="#dcebf5", linewidth=0)
        for phrase, marker, colour, size in (
            (of_first, "o", BLUE, 17),
            (of_second, "s", VERMILLION, 21),
        ):
            look = {"markerfacecolor": "none", "markeredgecolor": colour}
            look |= {"markersize": size, "markeredgewidth": 1.8}
            axes.plot([column], [phrases.index(phrase)], marker, **look)
        verdict = "agree" if agree else "differ"
        axes.text(column, len(phrases) - 0.1, verdict, ha="center", fontsize=9)
    axes.tick_params(axis="y", labelfontfamily=MONO)
    axes.xaxis.tick_top()
    axes.xaxis.set_label_position("top")
    marks = "circle: smallest number of A,   square: smallest number of B"
    axes.set_xlabel(f"numbering   ({marks})", labelpad=8)
    axes.set_xlim(-0.6, len(numberings) - 0.4)
    axes.set_ylim(len(phrases) + 0.15, -0.7)
    shared = len(set(first) & set(second))
    return figure.told(
        f"{len(phrases)} phrases, {shared} of them in both A and B, under "
        f"{len(numberings)} numberings. The smallest numbers of A and B are the same "
        f"under {agreements} of them, always at a shared phrase."
    )


@styled
def chance_curves(
    likeness: Sequence[float],
    curves: Mapping[str, Sequence[float]],
    *,
    measured: Mapping[float, float] | None = None,
    threshold: float | None = None,
) -> Picture:
    """How likely two texts are compared, against how alike they are.

    likeness : from 0 to 1, rising.
    curves : by the name of a setting, the chance at each likeness.
    measured : at some likenesses, how often it happened.
    threshold : from where on texts count as copies.
    """
    figure, axes = picture(height=3.2)
    courses = []
    for index, (name, chances) in enumerate(curves.items()):
        line(axes, likeness, chances, index, label=name)
        half = next(
            (x for x, y in zip(likeness, chances, strict=True) if y >= 0.5), None
        )
        even = "" if half is None else f", and is even at {about(half)}"
        courses.append(f"{name} {course(chances, likeness)}{even}")
    if measured:
        places, shares = zip(*sorted(measured.items()), strict=True)
        axes.plot(places, shares, "o", color=INK, markersize=5, label="measured")
    if threshold is not None:
        axes.axvline(threshold, color=GREY, linewidth=1.2, linestyle=":")
        text, look = "copies \N{RIGHTWARDS ARROW}", {"fontsize": 9, "color": GREY}
        note(axes, text, (threshold, 0.03), (5, 0), **look)
    axes.set(
        xlabel="likeness of two texts",
        ylabel="chance of being compared",
        xlim=(0, 1),
        ylim=(0, 1.02),
    )
    percent(axes.yaxis)
    axes.grid()
    figure.legend(loc="outside right upper", frameon=False, handlelength=3.2)
    words = [
        "chance of being compared against the likeness of two texts: "
        f"{'; '.join(courses)}."
    ]
    if measured:
        words.append("Dots show how often it happened.")
    if threshold is not None:
        words.append("A dotted line marks from where on texts count as copies.")
    return figure.told(" ".join(words))


@styled
def kept_and_dropped(kept: float, dropped: Mapping[str, float]) -> Picture:
    """Bars of what is left of a text and of what each rule dropped, in characters.

    A repair can make a text longer; such a rule, and one that found nothing, is left
    out.
    """
    found = {name: amount for name, amount in dropped.items() if amount > 0}
    total = kept + sum(found.values())
    names = ["kept", *found]
    shares = [amount / total for amount in (kept, *found.values())]
    figure, axes = picture(height=0.8 + 0.28 * len(names))
    bars(
        axes,
        shares,
        color=[BLUE] + ["#f3c9ad"] * len(found),
        hatch=[""] + ["///"] * len(found),
        edgecolor=["none"] + [VERMILLION] * len(found),
        linewidth=0.8,
    )
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xlabel("share of the characters that were read (hatched: dropped)")
    most = sorted(found, key=lambda name: -found[name])[:3]
    told = [f"“{name}” (≈{found[name] / total:.1%})" for name in most]
    return figure.told(
        "share of the characters that were kept, and that each rule dropped. Most was "
        f"dropped by {listed(told)}."
    )


@styled
def loss_matrix(
    losses: Mapping[str, Mapping[str, float]],
    *,
    unit: str,
    read: str = "what the model read",
) -> Picture:
    """A table of losses: a row for what each model read, a column for each test.

    The lowest loss of every column stands in a frame.
    """
    rows, columns = list(losses), list(next(iter(losses.values())))
    matrix = np.array([[losses[row][column] for column in columns] for row in rows])
    width = min(WIDTH_INCHES, 2.4 + 1.35 * len(columns))
    figure, axes = picture(height=1.1 + 0.5 * len(rows), width=width)
    low, high = matrix.min(), matrix.max()
    table(
        axes,
        np.vectorize("{:.2f}".format)(matrix),
        rows=rows,
        columns=columns,
        shades=matrix,
        least=low,
        most=low + PALE * (high - low),
    )
    best = matrix.argmin(axis=0)
    for column, row in enumerate(best):
        frame(axes, row, column, INK, width=2)
        axes.texts[row * len(columns) + column].set_fontweight("bold")
    axes.xaxis.tick_top()
    axes.xaxis.set_label_position("top")
    axes.set_xlabel(f"tested on   ({unit}; framed: the lowest)", labelpad=8)
    axes.set_ylabel(read)
    winners = [
        f"{column}: {rows[row]} ({about(matrix[row, i])})"
        for i, (column, row) in enumerate(zip(columns, best, strict=True))
    ]
    return figure.told(
        f"losses in {unit}, a row for {read} and a column for each test. The lowest "
        f"loss is, on {'; on '.join(winners)}."
    )
