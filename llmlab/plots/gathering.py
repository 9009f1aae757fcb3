"""Gathering text: what is alike, what was dropped, and what a mixture teaches."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from llmlab.plots.style import (
    BLUE,
    GREY,
    INK,
    LINE_STYLES,
    PALETTE,
    VERMILLION,
    WIDTH_INCHES,
    Picture,
    picture,
    styled,
)
from llmlab.plots.words import listed, sentence

# ------------------------------------------------------------------- what is alike


@styled
def minhash_table(
    first: Sequence[str],
    second: Sequence[str],
    numberings: Sequence[Mapping[str, int]],
    names: tuple[str, str] = ("A", "B"),
) -> Picture:
    """Two sets of phrases under some numberings, each with its smallest numbers.

    A row for every phrase of either set and a column for every numbering, which gives
    each phrase a number of its own. The smallest number of the first set stands in a
    circle, that of the second in a square; where both are the same cell, the texts
    agree.
    """
    if not first or not second or not numberings:
        raise ValueError(
            f"sets of {len(first)} and {len(second)} phrases under {len(numberings)} "
            "numberings; expected at least one of each"
        )
    phrases = list(dict.fromkeys([*first, *second]))
    phrases.sort(key=lambda phrase: (phrase not in first) - (phrase not in second))
    for number, numbering in enumerate(numberings):
        missing = [phrase for phrase in phrases if phrase not in numbering]
        if missing or len({numbering[phrase] for phrase in phrases}) < len(phrases):
            raise ValueError(
                f"numbering {number} must give each of the {len(phrases)} phrases a "
                f"number of its own; without one: {', '.join(missing) or 'none'}"
            )
    figure, axes = picture(height=1.3 + 0.33 * len(phrases))
    agreements = 0
    for column, numbering in enumerate(numberings):
        of_first = min(first, key=numbering.__getitem__)
        of_second = min(second, key=numbering.__getitem__)
        agree = of_first == of_second
        agreements += agree
        if agree:
            axes.axvspan(column - 0.42, column + 0.42, color="#dcebf5", linewidth=0)
        for row, phrase in enumerate(phrases):
            axes.text(column, row, numbering[phrase], ha="center", va="center")
        _mark(axes, column, phrases.index(of_first), "o", BLUE, 17)
        _mark(axes, column, phrases.index(of_second), "s", VERMILLION, 21)
        verdict = "agree" if agree else "differ"
        axes.text(column, len(phrases) - 0.1, verdict, ha="center", fontsize=9)
    where = {
        phrase: " ".join(
            name if phrase in members else "–"
            for name, members in zip(names, (first, second), strict=True)
        )
        for phrase in phrases
    }
    labels = [f"{phrase}   {where[phrase]}" for phrase in phrases]
    axes.set_yticks(range(len(phrases)), labels, fontfamily="DejaVu Sans Mono")
    axes.set_xticks(range(len(numberings)), range(1, len(numberings) + 1))
    axes.xaxis.tick_top()
    axes.xaxis.set_label_position("top")
    axes.set_xlabel(
        f"numbering   (circle: smallest number of {names[0]},   "
        f"square: smallest number of {names[1]})",
        labelpad=8,
    )
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlim(-0.6, len(numberings) - 0.4)
    axes.set_ylim(len(phrases) + 0.15, -0.7)
    figure.alt = _table_in_words(first, second, len(numberings), agreements, names)
    return figure


def _mark(
    axes: Axes, column: int, row: int, marker: str, colour: str, size: float
) -> None:
    axes.plot(
        [column],
        [row],
        marker,
        markersize=size,
        markerfacecolor="none",
        markeredgecolor=colour,
        markeredgewidth=1.8,
    )


def _table_in_words(
    first: Sequence[str],
    second: Sequence[str],
    numberings: int,
    agreements: int,
    names: tuple[str, str],
) -> str:
    shared = len(set(first) & set(second))
    either = len(set(first) | set(second))
    return sentence(
        f"{either} phrases, {shared} of them in both {names[0]} and {names[1]}, under "
        f"{numberings} numberings. The smallest numbers of {names[0]} and {names[1]} "
        f"are the same under {agreements} of them, always at a shared phrase."
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

    Parameters
    ----------
    likeness : from 0 to 1, rising.
    curves : by the name of a setting, the chance at each likeness.
    measured : at some likenesses, how often it happened.
    threshold : from where on texts count as copies.
    """
    if not curves or any(len(curve) != len(likeness) for curve in curves.values()):
        raise ValueError(
            f"expected one or more curves with a chance for each of {len(likeness)} "
            "likenesses"
        )
    figure, axes = picture(height=3.2)
    for index, (name, chances) in enumerate(curves.items()):
        axes.plot(
            likeness,
            chances,
            color=PALETTE[index % len(PALETTE)],
            linestyle=LINE_STYLES[index % len(LINE_STYLES)],
            linewidth=2,
            label=name,
        )
    if measured:
        places, shares = zip(*sorted(measured.items()), strict=True)
        axes.plot(places, shares, "o", color=INK, markersize=5, label="measured")
    if threshold is not None:
        axes.axvline(threshold, color=GREY, linewidth=1.2, linestyle=":")
        axes.annotate(
            "copies \N{RIGHTWARDS ARROW}",
            (threshold, 0.03),
            (5, 0),
            textcoords="offset points",
            ha="left",
            fontsize=9,
            color=GREY,
        )
    axes.set(
        xlabel="likeness of two texts",
        ylabel="chance of being compared",
        xlim=(0, 1),
        ylim=(0, 1.02),
    )
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.grid()
    figure.legend(loc="outside right upper", frameon=False, handlelength=3.2)
    words = [
        "chance of being compared against the likeness of two texts: "
        f"{listed(list(curves))} rise{'s' if len(curves) == 1 else ''} from no chance "
        "to certainty."
    ]
    if measured:
        words.append("Dots show how often it happened.")
    if threshold is not None:
        words.append("A dotted line marks from where on texts count as copies.")
    figure.alt = sentence(" ".join(words))
    return figure


# ---------------------------------------------------------------- what was dropped


@styled
def kept_and_dropped(kept: float, dropped: Mapping[str, float]) -> Picture:
    """Bars of what is left of a text and of what each rule dropped, in characters.

    A repair can make a text longer; such a rule, and one that found nothing, is left
    out.
    """
    if kept < 0 or not any(amount > 0 for amount in dropped.values()):
        raise ValueError(
            "there is nothing to compare; expected kept >= 0 and at least one rule "
            "that dropped something"
        )
    found = {name: amount for name, amount in dropped.items() if amount > 0}
    total = kept + sum(found.values())
    names = ["kept", *found]
    shares = [amount / total for amount in (kept, *found.values())]
    figure, axes = picture(height=0.8 + 0.28 * len(names))
    axes.barh([0], shares[:1], color=BLUE)
    axes.barh(
        range(1, len(names)),
        shares[1:],
        color="#f3c9ad",
        hatch="///",
        edgecolor=VERMILLION,
        linewidth=0.8,
    )
    for place, share in enumerate(shares):
        axes.text(share, place, f" {share:.1%}", va="center", fontsize=9)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.12 * max(shares))
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("share of the characters that were read (hatched: dropped)")
    most = sorted(found, key=lambda name: -found[name])
    figure.alt = sentence(
        "share of the characters that were kept, and that each rule dropped. Most was "
        f"dropped by {listed([f'“{name}”' for name in most[:3]])}."
    )
    return figure


# ------------------------------------------------------------ what a mixture teaches


@styled
def loss_matrix(
    losses: Mapping[str, Mapping[str, float]],
    *,
    unit: str,
    read: str = "what the model read",
    tested: str = "tested on",
) -> Picture:
    """A table of losses: a row for what each model read, a column for each test.

    The lowest loss of every column stands in a frame.
    """
    rows = list(losses)
    columns = list(losses[rows[0]]) if rows else []
    if not columns or any(list(losses[row]) != columns for row in rows):
        raise ValueError(
            "expected {what was read: {test: loss}} with the same tests in every row"
        )
    matrix = np.array([[losses[row][column] for column in columns] for row in rows])
    if not np.isfinite(matrix).all():
        raise ValueError("a loss is not finite; expected numbers only")
    width = min(WIDTH_INCHES, 2.4 + 1.35 * len(columns))
    figure = Picture(figsize=(width, 1.1 + 0.5 * len(rows)))
    axes = figure.subplots()
    low, high = matrix.min(), matrix.max()
    axes.imshow(
        matrix, cmap="Blues", vmin=low, vmax=high + 0.6 * (high - low), aspect="auto"
    )
    best = matrix.argmin(axis=0)
    for (row, column), loss in np.ndenumerate(matrix):
        is_best = row == best[column]
        axes.text(
            column,
            row,
            f"{loss:.2f}",
            ha="center",
            va="center",
            fontweight="bold" if is_best else "normal",
        )
        if is_best:
            corners = np.array([-0.46, 0.46, 0.46, -0.46, -0.46])
            heights = np.array([-0.42, -0.42, 0.42, 0.42, -0.42])
            axes.plot(column + corners, row + heights, color=INK, linewidth=2)
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks(range(len(rows)), rows)
    axes.xaxis.tick_top()
    axes.xaxis.set_label_position("top")
    axes.set_xlabel(f"{tested}   ({unit}; framed: the lowest)", labelpad=8)
    axes.set_ylabel(read)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    winners = [f"{column}: {rows[best[i]]}" for i, column in enumerate(columns)]
    figure.alt = sentence(
        f"losses in {unit}, a row for {read} and a column for each test. The lowest "
        f"loss is, on {'; on '.join(winners)}."
    )
    return figure
