"""Judging models: scores, win-rates, shares of right answers, and how sure they are."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from llmlab.claims import about
from llmlab.evaluation import wilson_interval
from llmlab.plots.marks import interval, legend_above, line, name_rows, note, percent
from llmlab.plots.style import (
    GREY,
    HATCHES,
    INK,
    PALETTE,
    WIDTH_INCHES,
    Picture,
    checked_probabilities,
    picture,
    styled,
)
from llmlab.plots.words import listed

Interval = tuple[float, float, float]  # value, low, high


@styled
def score_histograms(scores: Mapping[str, Sequence[float]]) -> Picture:
    """One histogram of gold scores per model, stacked on one axis, each mean marked."""
    samples = {name: np.asarray(values, float) for name, values in scores.items()}
    everything = np.concatenate(list(samples.values()))
    edges = np.linspace(math.floor(everything.min()), everything.max() + 1e-9, 21)
    figure = Picture(figsize=(WIDTH_INCHES, 0.7 + 1.35 * len(samples)))
    rows = figure.subplots(len(samples), 1, sharex=True, sharey=True, squeeze=False)
    for index, (axes, (name, values)) in enumerate(
        zip(rows[:, 0], samples.items(), strict=True)
    ):
        axes.hist(
            values,
            edges,
            weights=np.full(values.size, 1 / values.size),
            color=PALETTE[index % len(PALETTE)],
            hatch=HATCHES[index % len(HATCHES)],
            edgecolor="white",
        )
        mean = float(values.mean())
        axes.axvline(mean, color=INK, linewidth=1.5)
        left = mean > (edges[0] + edges[-1]) / 2
        note(
            axes,
            f"mean {mean:.2f}",
            (mean, 1),
            (-5 if left else 5, -3),
            xycoords=("data", "axes fraction"),
            ha="right" if left else "left",
            va="top",
            fontsize=9,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
        )
        axes.set_title(name)
        axes.yaxis.set_major_locator(MaxNLocator(nbins=3))
        percent(axes.yaxis)
        axes.grid(axis="y")
    rows[-1, 0].set_xlabel("gold score")
    figure.supylabel("share of answers", fontsize=10)
    ranked = [
        f"{name} ({about(samples[name].mean())})"
        for name in sorted(samples, key=lambda name: -samples[name].mean())
    ]
    return figure.told(
        "histograms of the gold score, one per model. By mean, highest first: "
        f"{listed(ranked)}."
    )


@styled
def win_rate_intervals(win_rates: Mapping[str, Interval], *, against: str) -> Picture:
    """Each model's win-rate against one opponent, as a point in its 95 % interval.

    `win_rates` maps a name to (win-rate, low, high), all in [0, 1].
    """
    figure, axes = picture(height=1.3 + 0.42 * len(win_rates))
    for row, (name, point) in enumerate(win_rates.items()):
        _check_share(name, point)
        interval(axes, row, point, index=row, width=3, size=9)
        rate, low, high = point
        text = f"{rate:.0%}  ({low:.0%} to {high:.0%})"
        place = (min(max(rate, 0.14), 0.86), row)
        note(axes, text, place, (0, 8), ha="center", fontsize=9)
    _compare_with(axes, 0.5, list(win_rates))
    note(
        axes,
        "no difference",
        (0.5, 0),
        (4, 4),
        xycoords=("data", "axes fraction"),
        fontsize=9,
        color=GREY,
    )
    axes.set_ylim(len(win_rates) - 0.3, -0.7)
    axes.set_xlabel(f"win-rate against {against}, with its 95 % interval")
    verdicts = [
        f"{name} (≈{rate:.0%}) {_against_one_half(low, high)}"
        for name, (rate, low, high) in win_rates.items()
    ]
    return figure.told(
        f"win-rates against {against} with 95 % intervals: {listed(verdicts)}."
    )


@styled
def share_intervals(
    shares: Mapping[str, Interval],
    *,
    chance: float | None = None,
    x_label: str = "share of right choices, with its 95 % interval",
) -> Picture:
    """One row for each name: a share as a point in its interval, and pure chance.

    `shares` maps a name to (share, low, high), all in [0, 1]. Where `chance` is None,
    there is nothing to guess, and the shares stand for themselves.
    """
    figure, axes = picture(height=0.9 + 0.25 * len(shares))
    for row, (name, point) in enumerate(shares.items()):
        _check_share(name, point)
        interval(axes, row, point)
    _compare_with(axes, chance, list(shares))
    axes.set_ylim(len(shares) - 0.4, -0.6)
    axes.grid(axis="x")
    axes.set_xlabel(x_label)
    if chance is None:
        order = sorted(shares, key=lambda name: -shares[name][0])
        told = [f"{name} (≈{shares[name][0]:.0%})" for name in order]
        return figure.told(f"{x_label}. From the highest down: {listed(told)}.")
    axes.text(
        chance + 0.01, len(shares) - 0.45, "chance", fontsize=9, color=GREY, va="bottom"
    )
    order = sorted(shares, key=lambda name: shares[name][0])
    told = [f"{name} (≈{shares[name][0]:.0%})" for name in (order[-1], order[0])]
    ends = f"Highest is {told[0]}, lowest {told[1]}."
    near = [name for name, (_, low, _) in shares.items() if low <= chance]
    verdict = "All intervals lie above chance."
    if near:
        verdict = (
            f"The intervals of {listed(near)} hold chance or lie below it, all others "
            "lie above it."
        )
    return figure.told(f"{x_label}, of {len(shares)} rows. {verdict} {ends}")


@styled
def dumbbells(
    rows: Mapping[str, tuple[float, float]], names: tuple[str, str], *, x_label: str
) -> Picture:
    """One row for each name: what two judges say of it, joined by a bar that is as long
    as they differ. All are shares, and one half is no opinion.
    """
    figure, axes = picture(height=0.9 + 0.28 * len(rows))
    for row, ends in enumerate(rows.values()):
        axes.plot(ends, [row, row], color=GREY, linewidth=2.5, alpha=0.6, zorder=1)
    for index, name in enumerate(names):
        ends = [pair[index] for pair in rows.values()]
        look = {"linewidth": 0, "markersize": 8, "marked": True, "label": name}
        line(axes, ends, range(len(rows)), index, clip_on=False, **look)
    _compare_with(axes, 0.5, list(rows))
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.grid(axis="x")
    axes.set_xlabel(x_label)
    legend_above(figure, handlelength=1)
    apart = {name: abs(one - other) for name, (one, other) in rows.items()}
    # A hair's breadth from one half is no side: it may differ on another processor.
    across = [
        name for name, ends in rows.items() if min(ends) < 0.49 < 0.51 < max(ends)
    ]
    where = f"in {listed(across)}" if across else "nowhere"
    return figure.told(
        f"{x_label}, as {names[0]} and {names[1]} say it, of {len(rows)} rows. They "
        f"lie on different sides of one half {where}, and are farthest apart in "
        f"{max(apart, key=apart.get)}."
    )


def _check_share(name: str, point: Interval) -> None:
    share, low, high = point
    if not 0 <= low <= share <= high <= 1:
        raise ValueError(
            f"{name!r} has {share} in ({low}, {high}); expected 0 <= low <= share <= "
            "high <= 1"
        )


def _compare_with(axes: Axes, level: float | None, names: Sequence[str]) -> None:
    """Rows of shares from 0 to 1, beside a dashed line where there is a level."""
    if level is not None:
        axes.axvline(level, color=INK, linewidth=1.2, linestyle="--")
    name_rows(axes, names)
    axes.set_xlim(0, 1)
    percent(axes.xaxis)


def _against_one_half(low: float, high: float) -> str:
    if low > 0.5:
        return "wins more than half, its whole interval above one half"
    if high < 0.5:
        return "wins less than half, its whole interval below one half"
    return "cannot be told from an even match, its interval holds one half"


@styled
def intervals_by_group(
    groups: Sequence[str],
    models: Mapping[str, Sequence[Interval]],
    *,
    x_label: str,
    y_label: str,
    share: bool = False,
) -> Picture:
    """One line for each model, over ordered groups, each point in its interval.

    models : name to one (value, low, high) for each group.
    share : the values are shares of one, written in per cent.
    """
    figure, axes = picture(height=3.2)
    for index, (name, points) in enumerate(models.items()):
        # Side by side, or the intervals of two models would hide each other.
        shift = 0.08 * (index - (len(models) - 1) / 2)
        places = [group + shift for group in range(len(groups))]
        for place, point in zip(places, points, strict=True):
            interval(axes, place, point, index=index, upright=True, width=2, size=None)
        values = [value for value, _, _ in points]
        look = {"linewidth": 1.5, "markersize": 7, "label": name}
        line(axes, places, values, index, marked=True, **look)
    bottom, top = axes.get_ylim()
    if bottom < 0 < top:  # which side of zero a value lies on is what is asked
        axes.axhline(0, color=INK, linewidth=1, linestyle=(0, (4, 3)), zorder=0)
    axes.set_xticks(range(len(groups)), list(groups))
    axes.set_xlim(-0.4, len(groups) - 0.6)
    axes.set(xlabel=x_label, ylabel=y_label)
    if share:
        percent(axes.yaxis)
    axes.grid(axis="y")
    legend_above(figure)
    return figure.told(
        f"{y_label} by {x_label}, with intervals: {_leads(groups, models)}"
    )


def _leads(groups: Sequence[str], models: Mapping) -> str:
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


@styled
def calibration(
    predicted: Sequence[float], outcomes: Sequence[float], *, bins: int = 10
) -> Picture:
    """How often it happened against how probable it was said to be.

    `predicted` are probabilities in [0, 1] and `outcomes` are 0 or 1. Each point is
    one bin with its 95 % Wilson interval; a calibrated model lies on the diagonal.
    """
    probabilities = checked_probabilities(predicted, expected=len(outcomes))
    happened = np.asarray(outcomes, dtype=float)
    if not np.isin(happened, (0, 1)).all():
        raise ValueError("outcomes must be 0 or 1, one for each predicted probability")
    member = np.minimum((probabilities * bins).astype(int), bins - 1)
    figure, axes = picture(height=4.0, width=4.6)
    axes.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1.2)
    axes.text(
        0.97, 0.04, "dashed: perfectly calibrated", ha="right", fontsize=9, color=GREY
    )
    covered = []
    for index in np.unique(member):
        inside = member == index
        centre = probabilities[inside].mean()
        low, high = wilson_interval(happened[inside].sum(), inside.sum())
        interval(
            axes, centre, (happened[inside].mean(), low, high), upright=True, width=2
        )
        covered.append(low <= centre <= high)
    axes.set(
        xlabel="predicted probability",
        ylabel="how often it happened",
        xlim=(0, 1),
        ylim=(0, 1.02),
        aspect="equal",
    )
    percent(axes.xaxis, axes.yaxis)
    axes.grid()
    return figure.told(
        "calibration: how often it happened against the predicted probability. The "
        f"diagonal passes through {_how_many(sum(covered), len(covered))} intervals."
    )


def _how_many(part: int, whole: int) -> str:
    if part == whole:
        return "all"
    return "most of the" if part > whole / 2 else "fewer than half of the"
