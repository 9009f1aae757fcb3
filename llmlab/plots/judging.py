"""Judging models: their scores, their win-rates, and whether they know themselves."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.ticker import MaxNLocator, PercentFormatter

from llmlab.evaluation import wilson_interval
from llmlab.plots.style import (
    BLUE,
    GREY,
    HATCHES,
    INK,
    MARKERS,
    PALETTE,
    WIDTH_INCHES,
    Picture,
    checked_probabilities,
    picture,
    styled,
)
from llmlab.plots.words import listed, sentence


@styled
def score_histograms(
    scores: Mapping[str, Sequence[float]],
    *,
    label: str = "gold score",
    bins: int = 20,
) -> Picture:
    """One histogram of scores per model, stacked on one axis, each mean marked."""
    samples = {name: np.asarray(values, float) for name, values in scores.items()}
    if not samples or any(
        not values.size or not np.isfinite(values).all() for values in samples.values()
    ):
        raise ValueError(
            "scores must be {name: finite scores}, at least one score for each name"
        )
    everything = np.concatenate(list(samples.values()))
    edges = np.linspace(math.floor(everything.min()), everything.max() + 1e-9, bins + 1)
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
        axes.annotate(
            f"mean {mean:.2f}",
            (mean, 1),
            (-5 if left else 5, -3),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            ha="right" if left else "left",
            va="top",
            fontsize=9,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
        )
        axes.set_title(name)
        axes.yaxis.set_major_locator(MaxNLocator(nbins=3))
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        axes.grid(axis="y")
    rows[-1, 0].set_xlabel(label)
    figure.supylabel("share of answers", fontsize=10)
    ranked = sorted(samples, key=lambda name: -samples[name].mean())
    figure.alt = sentence(
        f"histograms of the {label}, one per model. By mean, highest first: "
        f"{listed(ranked)}."
    )
    return figure


@styled
def win_rate_intervals(
    win_rates: Mapping[str, tuple[float, float, float]], *, against: str
) -> Picture:
    """Each model's win-rate against one opponent, as a point in its 95 % interval.

    `win_rates` maps a name to (win-rate, low, high), all in [0, 1].
    """
    if not win_rates:
        raise ValueError("no win-rates to draw; expected {name: (rate, low, high)}")
    figure, axes = picture(height=1.3 + 0.42 * len(win_rates))
    verdicts = []
    for index, (name, (rate, low, high)) in enumerate(win_rates.items()):
        if not 0 <= low <= rate <= high <= 1:
            raise ValueError(
                f"win-rate of {name!r} is {rate} in ({low}, {high}); expected "
                "0 <= low <= rate <= high <= 1"
            )
        colour = PALETTE[index % len(PALETTE)]
        axes.plot([low, high], [index, index], color=colour, linewidth=3)
        marker = MARKERS[index % len(MARKERS)]
        axes.plot([rate], [index], marker, color=colour, markersize=9)
        axes.annotate(
            f"{rate:.0%}  ({low:.0%} to {high:.0%})",
            (min(max(rate, 0.14), 0.86), index),
            (0, 8),
            textcoords="offset points",
            ha="center",
            fontsize=9,
        )
        verdicts.append(f"{name} {_against_one_half(low, high)}")
    axes.axvline(0.5, color=INK, linewidth=1.2, linestyle="--")
    axes.annotate(
        "no difference",
        (0.5, 0),
        (4, 4),
        xycoords=("data", "axes fraction"),
        textcoords="offset points",
        fontsize=9,
        color=GREY,
    )
    axes.set_yticks(range(len(win_rates)), list(win_rates))
    axes.set_ylim(len(win_rates) - 0.3, -0.7)
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel(f"win-rate against {against}, with its 95 % interval")
    figure.alt = sentence(
        f"win-rates against {against} with 95 % intervals: {listed(verdicts)}."
    )
    return figure


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
    figure = Picture(figsize=(4.6, 4.0))
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1.2)
    axes.text(
        0.97, 0.04, "dashed: perfectly calibrated", ha="right", fontsize=9, color=GREY
    )
    covered = []
    for index in np.unique(member):
        inside = member == index
        centre = probabilities[inside].mean()
        rate = happened[inside].mean()
        low, high = wilson_interval(happened[inside].sum(), inside.sum())
        axes.plot([centre, centre], [low, high], color=BLUE, linewidth=2)
        axes.plot([centre], [rate], "o", color=BLUE, markersize=7)
        covered.append(low <= centre <= high)
    axes.set(
        xlabel="predicted probability",
        ylabel="how often it happened",
        xlim=(0, 1),
        ylim=(0, 1.02),
        aspect="equal",
    )
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.grid()
    figure.alt = sentence(
        "calibration: how often it happened against the predicted probability. The "
        f"diagonal passes through {_how_many(sum(covered), len(covered))} intervals."
    )
    return figure


def _against_one_half(low: float, high: float) -> str:
    if low > 0.5:
        return "wins more than half, its whole interval above one half"
    if high < 0.5:
        return "wins less than half, its whole interval below one half"
    return "cannot be told from an even match, its interval holds one half"


def _how_many(part: int, whole: int) -> str:
    if part == whole:
        return "all"
    return "most of the" if part > whole / 2 else "fewer than half of the"
