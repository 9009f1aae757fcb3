"""Looking at one text: its tokens, what each attends to, what may come next."""

import html
from collections.abc import Sequence

import numpy as np
from IPython.display import HTML
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from llmlab.plots.style import (
    BLUE,
    INK,
    PALETTE,
    WIDTH_INCHES,
    Picture,
    checked_probabilities,
    picture,
    styled,
)
from llmlab.plots.words import listed, sentence, tail, visible


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
    rest = max(0.0, 1.0 - float(values[order].sum()))
    names = [visible(tokens[index]) for index in order]
    shares = [float(values[index]) for index in order]
    figure, axes = picture(height=0.9 + 0.26 * (len(names) + 1))
    axes.barh(names_at := list(range(len(names))), shares, color=BLUE)
    axes.barh([len(names)], [rest], color="#d0d0d0", hatch="///", edgecolor="white")
    axes.set_yticks(
        [*names_at, len(names)], [*names, "all others"], fontfamily="DejaVu Sans Mono"
    )
    axes.invert_yaxis()
    for position, share in enumerate([*shares, rest]):
        axes.text(share, position, f" {share:.1%}", va="center", fontsize=9)
    axes.set_xlim(0, 1.12 * max([*shares, rest]))
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("probability of the next token")
    if prompt:
        axes.set_title(f"after “{tail(visible(prompt), 60)}”", fontweight="normal")
    after = f" after “{tail(prompt, 60)}”" if prompt else ""
    figure.alt = sentence(
        f"most probable next tokens{after}, the first the most probable: "
        f"{listed([repr(tokens[index]) for index in order[:3]])}."
    )
    return figure


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
    figure = Picture(figsize=(side, 0.9 * side))
    axes = figure.subplots()
    image = axes.imshow(matrix, cmap="Blues", vmin=0, vmax=max(matrix.max(), 1e-9))
    names = [visible(token) for token in tokens]
    font = {"fontfamily": "DejaVu Sans Mono", "fontsize": 9 if len(names) < 20 else 7}
    axes.set_xticks(range(len(names)), names, rotation=90, **font)
    axes.set_yticks(range(len(names)), names, **font)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set(xlabel="is attended to (key)", ylabel="attends (query)", title=title)
    if len(names) <= 10:
        _write_in_cells(axes, matrix)
    else:
        bar = figure.colorbar(image, ax=axes, shrink=0.7, label="attention weight")
        bar.outline.set_visible(False)
    strongest = [
        f"{tokens[query]!r} to {tokens[int(matrix[query].argmax())]!r}"
        for query in range(min(len(tokens), 6))
    ]
    more = "" if len(tokens) <= 6 else " Further rows are in the map."
    figure.alt = sentence(
        f"attention of {len(tokens)} tokens to one another. Each attends most: "
        f"{listed(strongest)}.{more}"
    )
    return figure


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


def _write_in_cells(axes: Axes, matrix: np.ndarray) -> None:
    for (row, column), weight in np.ndenumerate(matrix):
        if weight >= 0.005:
            dark = weight > 0.6 * matrix.max()
            axes.text(
                column,
                row,
                f"{weight:.2f}"[1:] if weight < 0.995 else "1.0",
                ha="center",
                va="center",
                fontsize=8,
                color="white" if dark else INK,
            )
