"""What a model has learned, and where in it: heads, layers, the space of its tokens."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator, PercentFormatter

from llmlab.plots.style import (
    BLUE,
    GREY,
    INK,
    MARKERS,
    ORANGE,
    PALETTE,
    VERMILLION,
    WIDTH_INCHES,
    Picture,
    picture,
    styled,
)
from llmlab.plots.words import listed, sentence, tail, visible

PALE = 1.6  # what the darkest blue stands for: shares up to 1 stay legible in black


@styled
def share_intervals(
    shares: Mapping[str, tuple[float, float, float]],
    *,
    chance: float,
    x_label: str = "share of right choices, with its 95 % interval",
) -> Picture:
    """One row for each name: a share as a point in its interval, and pure chance.

    `shares` maps a name to (share, low, high), all in [0, 1].
    """
    if not shares:
        raise ValueError("no shares to draw; expected {name: (share, low, high)}")
    figure, axes = picture(height=0.9 + 0.25 * len(shares))
    for row, (name, (share, low, high)) in enumerate(shares.items()):
        if not 0 <= low <= share <= high <= 1:
            raise ValueError(
                f"the share of {name!r} is {share} in ({low}, {high}); expected "
                "0 <= low <= share <= high <= 1"
            )
        axes.plot([low, high], [row, row], color=BLUE, linewidth=2.5)
        axes.plot([share], [row], "o", color=BLUE, markersize=7, clip_on=False)
    axes.axvline(chance, color=INK, linewidth=1.2, linestyle="--")
    axes.text(
        chance + 0.01, len(shares) - 0.45, "chance", fontsize=9, color=GREY, va="bottom"
    )
    axes.set_yticks(range(len(shares)), list(shares))
    axes.set_ylim(len(shares) - 0.4, -0.6)
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    axes.set_xlabel(x_label)
    near = [name for name, (_, low, _) in shares.items() if low <= chance]
    figure.alt = sentence(
        f"{x_label}, of {len(shares)} rows. "
        + (
            f"The intervals of {listed(near)} hold chance or lie below it, all others "
            "lie above it."
            if near
            else "All intervals lie above chance."
        )
    )
    return figure


@styled
def head_grids(
    scores: Mapping[str, Sequence[Sequence[float]]],
    chances: Mapping[str, float],
) -> Picture:
    """For each thing to look for: how much of its attention every head gives to it.

    `scores` maps a name to a (layers, heads) table of shares, `chances` to the share
    that a head would give that looks at all tokens alike.
    """
    if not scores or scores.keys() != chances.keys():
        raise ValueError(
            "expected at least one table, and a chance for each of them; got tables of "
            f"{list(scores)} and chances of {list(chances)}"
        )
    tables = {name: np.asarray(table, dtype=float) for name, table in scores.items()}
    shape = next(iter(tables.values())).shape
    if len(shape) != 2 or any(table.shape != shape for table in tables.values()):
        raise ValueError("every table must be (layers, heads), all of one shape")
    layers, heads = shape
    columns = min(3, len(tables))
    rows = -(-len(tables) // columns)
    figure = Picture(figsize=(WIDTH_INCHES, rows * (0.8 + 0.42 * layers)))
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat[len(tables) :]:
        axes.set_axis_off()
    for axes, (name, table) in zip(grid.flat, tables.items(), strict=False):
        axes.imshow(table, cmap="Blues", vmin=0, vmax=PALE, aspect="auto")
        for (layer, head), share in np.ndenumerate(table):
            text = f"{share:.2f}"
            axes.text(head, layer, text, ha="center", va="center", fontsize=9)
        axes.set_xticks(range(heads), [str(head) for head in range(heads)])
        axes.set_yticks(range(layers), [str(layer) for layer in range(layers)])
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.set_title(
            f"{name}\n(chance {chances[name]:.2f})", fontsize=9.5, fontweight="normal"
        )
    figure.supxlabel("head", fontsize=10)
    figure.supylabel("layer", fontsize=10)
    strongest = [f"{_layer(table)} for {name}" for name, table in tables.items()]
    figure.alt = sentence(
        "attention of every head to what it might look for. The head that gives most "
        f"is in layer {listed(strongest)}."
    )
    return figure


def _layer(table: np.ndarray) -> int:
    """The layer of the strongest head."""
    return int(table.max(axis=1).argmax())


@styled
def attention_and_damage(
    heads: Mapping[str, tuple[float, tuple[float, float, float]]],
    *,
    looked_at: str,
) -> Picture:
    """One row a head: how much it looks at something, and what breaks without it.

    `heads` maps a head's name to (attention, (damage, low, high)), the damage in nats.
    """
    if not heads:
        raise ValueError("no heads to draw; expected {name: (attention, interval)}")
    figure = Picture(figsize=(WIDTH_INCHES, 1.2 + 0.28 * len(heads)))
    looks, breaks = figure.subplots(1, 2, sharey=True)
    rows = range(len(heads))
    looks.barh(rows, [attention for attention, _ in heads.values()], color=BLUE)
    for row, (name, (_, (damage, low, high))) in enumerate(heads.items()):
        if not low <= damage <= high:
            raise ValueError(
                f"the damage of {name!r} is {damage} in ({low}, {high}); expected low "
                "<= damage <= high"
            )
        breaks.plot([low, high], [row, row], color=VERMILLION, linewidth=2.5)
        breaks.plot([damage], [row], "s", color=VERMILLION, markersize=6)
    looks.set_yticks(rows, list(heads))
    looks.invert_yaxis()
    looks.set_xlim(0, 1)
    looks.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    looks.set_xlabel("attention to it")
    looks.set_title(looked_at, fontweight="normal")
    breaks.axvline(0, color=INK, linewidth=1.2, linestyle="--")
    breaks.set_xlabel("nats a token, with 95 % interval")
    breaks.set_title("damage there without the head", fontweight="normal")
    for axes in (looks, breaks):
        axes.grid(axis="x")
        axes.tick_params(axis="y", length=0)
    most_attentive = max(heads, key=lambda name: heads[name][0])
    most_missed = max(heads, key=lambda name: heads[name][1][0])
    figure.alt = sentence(
        f"attention of {len(heads)} heads to {looked_at}, and the damage there without "
        f"each. {most_attentive} looks there most; most breaks without {most_missed}."
    )
    return figure


@styled
def logit_lens_grid(
    layers: Sequence[str],
    tokens: Sequence[str],
    guesses: Sequence[Sequence[tuple[str, float]]],
    answers: Sequence[str],
    *,
    title: str = "",
) -> Picture:
    """What each layer would say after each token: its first choice, shaded by how sure.

    A frame is drawn around a choice that is what really comes.

    Parameters
    ----------
    guesses : for each layer, for each token, (first choice, its probability).
    answers : for each token what comes after it.
    """
    shape = (len(layers), len(tokens))
    if [len(row) for row in guesses] != [len(tokens)] * len(layers):
        raise ValueError(
            f"expected {shape[0]} rows of {shape[1]} guesses, one for each layer and "
            "token"
        )
    if len(answers) != len(tokens):
        raise ValueError(f"{len(answers)} answers for {len(tokens)} tokens")
    sure = np.array([[share for _, share in row] for row in guesses])
    figure = Picture(figsize=(WIDTH_INCHES, 1.2 + 0.45 * len(layers)))
    axes = figure.subplots()
    axes.imshow(sure, cmap="Blues", vmin=0, vmax=PALE, aspect="auto")
    for layer, place in np.ndindex(shape):
        text = guesses[layer][place][0]
        axes.text(
            place,
            layer,
            tail(visible(text), 9),
            ha="center",
            va="center",
            fontsize=8,
            fontfamily="DejaVu Sans Mono",
        )
        if text == answers[place]:
            axes.add_patch(_frame(layer, place))
    axes.set_xticks(range(len(tokens)), [visible(token) for token in tokens])
    axes.set_yticks(range(len(layers)), list(layers))
    axes.tick_params(length=0)
    axes.tick_params(axis="x", labelsize=8, labelfontfamily="DejaVu Sans Mono")
    axes.spines[:].set_visible(False)
    axes.set(xlabel="after reading …", title=title)
    right = [
        sum(text == answer for (text, _), answer in zip(row, answers, strict=True))
        for row in guesses
    ]
    counts = [f"{count} {name}" for name, count in zip(layers, right, strict=True)]
    figure.alt = sentence(
        f"the first choice of every layer after each of {len(tokens)} tokens. Right "
        f"are {listed(counts)}."
    )
    return figure


def _frame(row: int, column: int) -> Rectangle:
    corner = (column - 0.47, row - 0.44)
    return Rectangle(corner, 0.94, 0.88, fill=False, edgecolor=ORANGE, linewidth=2.5)


@styled
def embedding_map(
    names: Sequence[str],
    kinds: Sequence[str],
    coordinates: Sequence[tuple[float, float]],
    *,
    shares: tuple[float, float],
    named: int = 4,
) -> Picture:
    """Words as points of a plane; every kind has its colour and its marker.

    Parameters
    ----------
    shares : of the variance, what each of the two axes keeps.
    named : how many words of each kind have their name beside them, at most; a name
        that would be written over another is left out.
    """
    points = np.asarray(coordinates, dtype=float)
    if points.shape != (len(names), 2) or len(kinds) != len(names) or not len(names):
        raise ValueError(
            f"coordinates of shape {points.shape} and {len(kinds)} kinds for "
            f"{len(names)} names; expected (names, 2) and one kind for each name"
        )
    figure, axes = picture(height=5.0)
    written: list[int] = []
    for index, kind in enumerate(dict.fromkeys(kinds)):
        members = [place for place, other in enumerate(kinds) if other == kind]
        colour = PALETTE[index % len(PALETTE)]
        axes.plot(
            *points[members].T,
            MARKERS[index % len(MARKERS)],
            color=colour,
            markersize=5,
            alpha=0.85,
            label=f"{kind} ({len(members)})",
        )
        for place in _apart(points, members, written)[:named]:
            written.append(place)
            axes.annotate(
                names[place],
                points[place],
                (4, 3),
                textcoords="offset points",
                fontsize=7.5,
            )
    for axis, share, label in (
        (axes.xaxis, shares[0], "first component"),
        (axes.yaxis, shares[1], "second component"),
    ):
        axis.set_major_locator(MaxNLocator(nbins=5))
        axis.set_label_text(f"{label}: {share:.0%} of the variance")
    axes.grid()
    figure.legend(loc="outside upper right", ncols=3, frameon=False, fontsize=9)
    figure.alt = sentence(
        f"a map of words by their vectors, in two dimensions: "
        f"{listed(_places_in_words(kinds, points))}."
    )
    return figure


def _apart(points: np.ndarray, members: list[int], written: list[int]) -> list[int]:
    """The members whose names cross neither each other nor one that is written."""
    room = np.ptp(points, axis=0) * (0.11, 0.03)
    chosen: list[int] = []
    for place in members:
        gaps = np.abs(points[written + chosen] - points[place])
        if not (gaps < room).all(axis=1).any():
            chosen.append(place)
    return chosen


def _places_in_words(kinds: Sequence[str], points: np.ndarray) -> list[str]:
    """On which side of the map each kind has its centre."""
    middle = (points.min(axis=0) + points.max(axis=0)) / 2
    found = []
    for kind in dict.fromkeys(kinds):
        x, y = points[[other == kind for other in kinds]].mean(axis=0)
        height = "upper" if y > middle[1] else "lower"
        side = "right" if x > middle[0] else "left"
        found.append(f"{kind} at the {height} {side}")
    return found
