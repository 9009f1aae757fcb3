"""What a model has learned, and where in it: heads, layers, the space of its tokens."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.ticker import MaxNLocator

from llmlab.claims import about
from llmlab.plots.marks import (
    MONO,
    colour,
    frame,
    interval,
    legend_above,
    marker,
    note,
    percent,
    table,
)
from llmlab.plots.style import (
    BLUE,
    INK,
    ORANGE,
    WIDTH_INCHES,
    Picture,
    panels,
    picture,
    styled,
)
from llmlab.plots.words import listed, tail, visible


@styled
def head_grids(
    scores: Mapping[str, Sequence[Sequence[float]]],
    chances: Mapping[str, float],
) -> Picture:
    """For each thing to look for: how much of its attention every head gives to it.

    `scores` maps a name to a (layers, heads) table of shares, `chances` to the share
    that a head would give that looks at all tokens alike.
    """
    tables = {name: np.asarray(shares, dtype=float) for name, shares in scores.items()}
    layers, heads = next(iter(tables.values())).shape
    columns = min(3, len(tables))
    rows = -(-len(tables) // columns)
    figure = Picture(figsize=(WIDTH_INCHES, rows * (0.8 + 0.42 * layers)))
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat[len(tables) :]:
        axes.set_axis_off()
    for axes, (name, shares) in zip(grid.flat, tables.items(), strict=False):
        texts = np.vectorize("{:.2f}".format)(shares)
        named = {"rows": range(layers), "columns": range(heads)}
        table(axes, texts, shades=shares, fontsize=9, **named)
        axes.set_title(
            f"{name}\n(chance {chances[name]:.2f})", fontsize=9.5, fontweight="normal"
        )
    figure.supxlabel("head", fontsize=10)
    figure.supylabel("layer", fontsize=10)
    strongest = []
    for name, shares in tables.items():
        layer, head = np.unravel_index(shares.argmax(), shares.shape)
        most, chance = shares.max(), chances[name]
        strongest.append(
            f"{layer}.{head} to {name} (≈{most:.0%}, chance ≈{chance:.0%})"
        )
    return figure.told(
        "attention of every head to what it might look for. The head (layer.head) that "
        f"gives most: {'; '.join(strongest)}."
    )


@styled
def attention_and_damage(
    heads: Mapping[str, tuple[float, tuple[float, float, float]]],
    *,
    looked_at: str,
) -> Picture:
    """One row a head: how much it looks at something, and what breaks without it.

    `heads` maps a head's name to (attention, (damage, low, high)), the damage in nats.
    """
    figure, (looks, breaks) = panels(2, 1.2 + 0.28 * len(heads), sharey=True)
    rows = range(len(heads))
    looks.barh(rows, [attention for attention, _ in heads.values()], color=BLUE)
    for row, (_, damage) in enumerate(heads.values()):
        interval(breaks, row, damage, index=1, size=6)
    looks.set_yticks(rows, list(heads))
    looks.invert_yaxis()
    looks.set_xlim(0, 1)
    percent(looks.xaxis)
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
    return figure.told(
        f"attention of {len(heads)} heads to {looked_at}, and the damage there without "
        f"each. {most_attentive} looks there most (≈{heads[most_attentive][0]:.0%}); "
        f"most breaks without {most_missed} ({about(heads[most_missed][1][0])} nats)."
    )


@styled
def logit_lens_grid(
    layers: Sequence[str],
    tokens: Sequence[str],
    guesses: Sequence[Sequence[tuple[str, float]]],
    answers: Sequence[str],
) -> Picture:
    """What each layer would say after each token: its first choice, shaded by how sure.

    A frame is drawn around a choice that is what really comes.

    guesses : for each layer, for each token, (first choice, its probability).
    answers : for each token what comes after it.
    """
    choices = np.array([[text for text, _ in row] for row in guesses], dtype=object)
    sure = np.array([[share for _, share in row] for row in guesses])
    right = choices == np.array(answers, dtype=object)
    figure, axes = picture(height=1.2 + 0.45 * len(layers))
    table(
        axes,
        np.vectorize(lambda text: tail(visible(text), 9))(choices),
        rows=layers,
        columns=[visible(token) for token in tokens],
        shades=sure,
        fontsize=8,
        fontfamily=MONO,
    )
    for layer, place in np.argwhere(right):
        frame(axes, layer, place, ORANGE, width=2.5)
    axes.tick_params(axis="x", labelsize=8, labelfontfamily=MONO)
    axes.set_xlabel("after reading …")
    counts = [
        f"≈{count} {name}" for name, count in zip(layers, right.sum(1), strict=True)
    ]
    return figure.told(
        f"the first choice of every layer after each of {len(tokens)} tokens. Right "
        f"are {listed(counts)}."
    )


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

    shares : of the variance, what each of the two axes keeps.
    named : how many words of each kind have their name beside them, at most; a name
        that would be written over another is left out.
    """
    points = np.asarray(coordinates, dtype=float)
    figure, axes = picture(height=5.0)
    written: list[int] = []
    for index, kind in enumerate(dict.fromkeys(kinds)):
        members = [place for place, other in enumerate(kinds) if other == kind]
        look = {"color": colour(index), "markersize": 5, "alpha": 0.85}
        label = f"{kind} ({len(members)})"
        axes.plot(*points[members].T, marker(index), label=label, **look)
        for place in _apart(points, members, written)[:named]:
            written.append(place)
            note(axes, names[place], points[place], (4, 3), fontsize=7.5)
    for axis, share, which in zip(
        (axes.xaxis, axes.yaxis), shares, ("first", "second"), strict=True
    ):
        axis.set_major_locator(MaxNLocator(nbins=5))
        axis.set_label_text(f"{which} component: {share:.0%} of the variance")
    axes.grid()
    legend_above(figure, handlelength=None, fontsize=9)
    return figure.told(
        f"a map of words by their vectors, in two dimensions: "
        f"{listed(_places_in_words(kinds, points))}."
    )


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
