"""Looking at one text: its tokens, what each attends to, what may come next."""

import html
from collections.abc import Mapping, Sequence

import numpy as np
from IPython.display import HTML

from llmlab.plots.marks import MONO, PALE, bars, table
from llmlab.plots.style import (
    BLUE,
    HATCHES,
    PALETTE,
    WIDTH_INCHES,
    Picture,
    checked_probabilities,
    panels,
    picture,
    styled,
)
from llmlab.plots.words import listed, tail, visible


@styled
def next_token_bars(
    tokens: Sequence[str],
    probabilities: Sequence[float],
    *,
    prompt: str = "",
    top: int = 10,
) -> Picture:
    """Bars of the most probable next tokens, and one for all the others together.

    `probabilities[i]` belongs to `tokens[i]`; both may be the whole vocabulary.
    """
    values = checked_probabilities(probabilities, expected=len(tokens))
    order = np.argsort(-values, kind="stable")[:top]
    shares = [*values[order], max(0.0, 1.0 - values[order].sum())]
    names = [*(visible(tokens[index]) for index in order), "all others"]
    figure, axes = picture(height=0.9 + 0.26 * len(names))
    best = len(order)
    bars(
        axes,
        shares,
        color=[BLUE] * best + ["#d0d0d0"],
        hatch=[""] * best + ["///"],
        edgecolor=["none"] * best + ["white"],
    )
    axes.set_yticks(range(len(names)), names, fontfamily=MONO)
    axes.invert_yaxis()
    axes.set_xlabel("probability of the next token")
    if prompt:
        axes.set_title(f"after “{tail(visible(prompt), 60)}”", fontweight="normal")
    after = f" after “{tail(prompt, 60)}”" if prompt else ""
    return figure.told(
        f"most probable next tokens{after}, the first the most probable: "
        f"{listed([f'{tokens[i]!r} (≈{values[i]:.0%})' for i in order[:3]])}."
    )


@styled
def shaped_distributions(
    tokens: Sequence[str],
    shaped: Mapping[str, Sequence[float]],
    *,
    top: int = 8,
) -> Picture:
    """Panels side by side: the same tokens under differently shaped distributions.

    `shaped` maps a setting's name to probabilities, one for each of `tokens`. The
    tokens shown are the likeliest of the first setting, the same in every panel, and
    a last bar holds all others together. A token that cannot be drawn gets a cross.
    """
    values = {
        name: checked_probabilities(probabilities, expected=len(tokens))
        for name, probabilities in shaped.items()
    }
    order = np.argsort(-next(iter(values.values())), kind="stable")[:top]
    names = [visible(tokens[index]) for index in order] + ["all others"]
    height = 1.1 + 0.24 * len(names)
    figure, row = panels(len(values), height, sharex=True, sharey=True)
    most = 0.0
    for index, (name, everything) in enumerate(values.items()):
        axes = row[index]
        shares = [*everything[order], np.delete(everything, order).sum()]
        most = max(most, *shares)
        look = {"color": PALETTE[index % 6], "hatch": HATCHES[index % 6]}
        bars(axes, shares, digits=0, size=8, edgecolor="white", **look)
        axes.set_title(name, fontsize=9.5, fontweight="normal")
        axes.tick_params(axis="x", labelsize=8)
    row[0].set_xlim(0, 1.45 * most)
    row[0].set_yticks(range(len(names)), names, fontfamily=MONO, fontsize=9)
    row[0].invert_yaxis()
    figure.supxlabel("probability of being drawn", fontsize=10)
    cut = [name for name, shares in values.items() if (shares == 0).any()]
    what = f"some tokens under {listed(cut)}" if cut else "no token"
    return figure.told(
        f"the same tokens under {listed(list(values))}, a panel each. A cross marks "
        f"what can no longer be drawn; that is so of {what}."
    )


@styled
def attention_map(
    weights: Sequence[Sequence[float]], tokens: Sequence[str], *, title: str = ""
) -> Picture:
    """A heat map: row i tells how much token i attends to each token j.

    `weights` is (time, time), each row summing to one.
    """
    matrix = np.asarray(weights, dtype=float)
    if matrix.shape != (len(tokens), len(tokens)) or not len(tokens):
        raise ValueError(
            f"attention weights of shape {matrix.shape} for {len(tokens)} tokens; "
            f"expected a square (time, time) matrix with one row per token"
        )
    side = min(WIDTH_INCHES, 2.2 + 0.32 * len(tokens))
    figure, axes = picture(height=0.9 * side, width=side)
    names = [visible(token) for token in tokens]
    few = len(names) <= 10
    image = table(
        axes,
        np.vectorize(_short)(matrix) if few else np.empty((0, 0)),
        rows=names,
        columns=names,
        shades=matrix,
        most=max(matrix.max(), 1e-9) * (PALE if few else 1),
        aspect="equal",
        fontsize=8,
    )
    font = {"labelsize": 9 if len(names) < 20 else 7, "labelfontfamily": MONO}
    axes.tick_params(**font)
    axes.tick_params(axis="x", rotation=90)
    axes.set(xlabel="is attended to (key)", ylabel="attends (query)", title=title)
    if not few:
        bar = figure.colorbar(image, ax=axes, shrink=0.7, label="attention weight")
        bar.outline.set_visible(False)
    strongest = [
        f"{tokens[query]!r} to {tokens[int(matrix[query].argmax())]!r}"
        for query in range(min(len(tokens), 6))
    ]
    more = "" if len(tokens) <= 6 else " Further rows are in the map."
    return figure.told(
        f"attention of {len(tokens)} tokens to one another. Each attends most: "
        f"{listed(strongest)}.{more}"
    )


def _short(weight: float) -> str:
    if weight < 0.005:
        return ""
    return f"{weight:.2f}"[1:] if weight < 0.995 else "1.0"


def token_colours(tokens: Sequence[str], ids: Sequence[int] | None = None) -> HTML:
    """The tokens of a text as boxes, spaces made visible; ids beneath when given."""
    if ids is not None and len(ids) != len(tokens):
        raise ValueError(
            f"{len(ids)} ids for {len(tokens)} tokens; expected one id per token"
        )
    box = (
        "display:inline-block;margin:1px;padding:1px 4px;border-radius:3px;"
        "border:1px solid {};background:{};text-align:center;white-space:pre"
    )
    boxes = []
    for index, token in enumerate(tokens):
        colour = PALETTE[index % 4]
        style = box.format(colour, f"{colour}26")
        below = f'<br><small aria-hidden="true">{ids[index]}</small>' if ids else ""
        shown = html.escape(visible(token))
        boxes.append(f'<span style="{style}">{shown}{below}</span>')
    return HTML(
        f'<div role="group" aria-label="{len(tokens)} tokens" style="font-family:'
        f'monospace;line-height:1.9">{"".join(boxes)}</div>'
    )
