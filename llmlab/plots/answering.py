"""What is learned of a conversation, and how good the answers are."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.patches import Patch
from matplotlib.ticker import MultipleLocator

from llmlab.plots.marks import (
    colour,
    frame,
    interval,
    legend_above,
    line,
    name_rows,
    percent,
    table,
)
from llmlab.plots.style import (
    BLUE,
    GREY,
    HATCHES,
    INK,
    VERMILLION,
    Picture,
    picture,
    styled,
)
from llmlab.plots.words import listed

Interval = tuple[float, float, float]
_PADDING, _READ, _LEARNED = "#f4f4f4", "#bcd7ea", "#0b3d66"


@styled
def learned_rows(segment_ids, learned) -> Picture:
    """A packed batch seen from above: what is read, what is learned, what is padding.

    segment_ids : (batch, time), 0 for padding, as in a `batching.Batch`.
    learned : (batch, time), its `target_mask`.
    """
    segments, learned = np.asarray(segment_ids), np.asarray(learned, bool)
    if segments.shape != learned.shape or segments.ndim != 2:
        raise ValueError(
            f"segment ids {segments.shape}, marks of what is learned {learned.shape}; "
            "expected (batch, time) twice: batch.segment_ids and batch.target_mask"
        )
    rows, time = segments.shape
    figure, axes = picture(height=0.9 + 0.3 * rows)
    kinds = (segments != 0) + learned.astype(int)
    shades = ListedColormap([_PADDING, _READ, _LEARNED])
    axes.imshow(kinds, cmap=shades, vmin=0, vmax=2, aspect="auto", interpolation="none")
    for row, column in np.argwhere(np.diff(segments, axis=1) != 0):
        axes.plot(2 * [column + 0.5], [row - 0.5, row + 0.5], color="white", lw=1.5)
    for row in range(1, rows):
        axes.axhline(row - 0.5, color="white", linewidth=3)
    axes.set(xlabel="position in the row", ylabel="row of the batch")
    axes.set_yticks(range(rows))
    axes.spines[:].set_visible(False)
    names = {"read": _READ, "next token is learned": _LEARNED, "padding": _PADDING}
    patches = [
        Patch(facecolor=shade, edgecolor=GREY, label=name)
        for name, shade in names.items()
    ]
    figure.legend(handles=patches, loc="outside upper right", ncols=3, frameon=False)
    return figure.told(
        "a packed batch, a row each, several texts in a row. Each begins pale, where "
        "it is only read, and ends dark, where the next token is learned: "
        f"≈{learned.mean():.0%} of all positions. "
        f"Padding: ≈{(segments == 0).mean():.0%}."
    )


@styled
def stacked_shares(rows: Mapping[str, Mapping[str, float]]) -> Picture:
    """One bar for each row, cut into the shares of the same parts.

    rows : name to {part: share}; the shares of a row sum to one.
    """
    figure, axes = picture(height=0.9 + 0.5 * len(rows))
    for place, (name, shares) in enumerate(rows.items()):
        if not np.isclose(sum(shares.values()), 1):
            raise ValueError(
                f"the shares of {name!r} sum to {sum(shares.values()):.3f}; expected 1"
            )
        start = 0.0
        for index, (part, share) in enumerate(shares.items()):
            look = {"facecolor": colour(index), "hatch": HATCHES[index % len(HATCHES)]}
            label = part if place == 0 else None
            look |= {"edgecolor": "white", "height": 0.7, "label": label}
            axes.barh(place, share, left=start, **look)
            if share >= 0.05:
                paper = {"facecolor": "white", "edgecolor": "none", "pad": 1.2}
                middle = start + share / 2, place
                axes.text(*middle, f"{share:.0%}", ha="center", va="center", bbox=paper)
            start += share
    name_rows(axes, list(rows))
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    percent(axes.xaxis)
    legend_above(figure, columns=len(next(iter(rows.values()))), handlelength=1.6)
    largest = (f"{max(s, key=s.get)} of the {name}" for name, s in rows.items())
    return figure.told(f"stacked bars of shares; the largest: {listed(list(largest))}.")


@styled
def intervals_by_row(
    rows: Sequence[str],
    models: Mapping[str, Sequence[Interval]],
    *,
    x_label: str,
    chance: float | None = None,
) -> Picture:
    """Shares with their intervals, a row for each population, a mark for each model.

    models : name to one (share, low, high) for each row.
    chance : the share of who guesses, drawn as a line.
    """
    figure, axes = picture(height=0.9 + (0.22 + 0.16 * len(models)) * len(rows))
    for index, (name, points) in enumerate(models.items()):
        shift = 0.24 * (index - (len(models) - 1) / 2)
        for row, point in enumerate(points):
            interval(axes, row + shift, point, index=index)
        line(axes, [], [], index, marked=True, label=name, linewidth=0)
    if chance is not None:
        axes.axvline(chance, color=INK, linewidth=1.2, linestyle="--", zorder=0)
    name_rows(axes, rows)
    axes.invert_yaxis()
    axes.set(xlim=(-0.02, 1.02), xlabel=x_label)
    percent(axes.xaxis)
    axes.grid(axis="x")
    legend_above(figure, handlelength=1)
    if len(models) < 2:
        return figure.told(f"{x_label}, of {len(rows)} rows, with intervals.")
    (first, ones), (second, others) = list(models.items())[:2]
    higher = [row for row, a, b in zip(rows, ones, others, strict=True) if b[1] > a[2]]
    lower = [row for row, a, b in zip(rows, ones, others, strict=True) if b[2] < a[1]]
    apart = f"above, its interval apart, in {listed(higher)}" if higher else ""
    below = f"below, its interval apart, in {listed(lower)}" if lower else ""
    verdict = " and ".join(filter(None, (apart, below))) or "nowhere apart"
    return figure.told(
        f"{x_label}, of {len(rows)} rows, with intervals. {second} lies {verdict}, "
        f"compared with {first}."
    )


@styled
def confusion(counts: Mapping[str, Mapping[str, int]]) -> Picture:
    """Which intent was asked for, a row each, and which was answered.

    counts : {asked: {answered: how often}}; give the rows that err, not all.
    """
    columns = list(dict.fromkeys(name for row in counts.values() for name in row))
    rows = list(counts)
    numbers = np.array([[counts[r].get(c, 0) for c in columns] for r in rows])
    figure, axes = picture(height=1.3 + 0.27 * len(rows))
    texts = np.where(numbers > 0, numbers.astype(str), "")
    most = 2.25 * max(1, numbers.max())
    table(axes, texts, rows=rows, columns=columns, shades=numbers, most=most)
    for row, column in np.argwhere(numbers > 0):
        if rows[row] == columns[column]:
            frame(axes, row, column, INK, 1.5)
    axes.xaxis.tick_top()
    axes.tick_params(axis="x", rotation=90)
    axes.set_ylabel("asked for")
    right = sum(counts[row].get(row, 0) for row in rows) / numbers.sum()
    return figure.told(
        "intents that err, a row each, against what was answered, a column each; "
        f"framed cells are right. In these rows ≈{right:.0%} were answered as meant."
    )


@styled
def risk_and_coverage(
    confidence: Sequence[float],
    right: Sequence[bool],
    *,
    threshold: float | None = None,
    allowed: float | None = None,
) -> Picture:
    """How often it errs among the answers that it gives, if it gives the surest only.

    confidence : of each answer, such as its mean log-probability.
    right : whether it was right.
    threshold : a chosen one is marked. allowed : a risk, drawn as a line.
    """
    confidence, right = np.asarray(confidence, float), np.asarray(right, bool)
    order = np.argsort(-confidence, kind="stable")
    answered = np.arange(1, len(order) + 1)
    risk = np.cumsum(~right[order]) / answered
    figure, axes = picture(height=3.0)
    axes.plot(answered / len(order), risk, color=BLUE, linewidth=2)
    axes.set(xlabel="coverage: share that is answered", ylabel="risk: wrong among them")
    axes.set(xlim=(0, 1.01), ylim=(0, max(0.05, 1.15 * risk[len(risk) // 10 :].max())))
    percent(axes.xaxis, axes.yaxis)
    axes.yaxis.set_major_locator(MultipleLocator(0.05))
    axes.grid()
    told = f"at full coverage the risk is ≈{risk[-1]:.0%}"
    if allowed is not None:
        axes.axhline(allowed, color=INK, linestyle="--", linewidth=1.2)
    if threshold is not None:
        kept = int((confidence >= threshold).sum())
        if kept:
            at = kept / len(order), risk[kept - 1]
            axes.plot(*at, "D", color=VERMILLION, markersize=9, clip_on=False)
            told += f"; where the threshold is, ≈{at[0]:.0%} are answered and "
            told += f"≈{at[1]:.0%} of them are wrong"
    lower = "falls" if risk[len(risk) // 2] < risk[-1] else "does not fall"
    return figure.told(
        f"risk against coverage, the surest answers first: {told}. With "
        f"the surer half alone the risk {lower}."
    )
