"""One distribution over tokens, and what temperature, top-k and top-p make of it."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.ticker import PercentFormatter

from llmlab.plots.style import (
    HATCHES,
    PALETTE,
    WIDTH_INCHES,
    Picture,
    checked_probabilities,
    styled,
)
from llmlab.plots.words import listed, sentence, visible


@styled
def shaped_distributions(
    tokens: Sequence[str],
    shaped: Mapping[str, Sequence[float]],
    *,
    top: int = 8,
    title: str = "",
) -> Picture:
    """Panels side by side: the same tokens under differently shaped distributions.

    `shaped` maps a setting's name to probabilities, one for each of `tokens`. The
    tokens shown are the likeliest of the first setting, the same in every panel, and
    a last bar holds all others together. A token that cannot be drawn gets a cross.
    """
    if not shaped:
        raise ValueError("no distributions to draw; expected {name: probabilities}")
    values = {
        name: checked_probabilities(probabilities, expected=len(tokens))
        for name, probabilities in shaped.items()
    }
    order = np.argsort(-next(iter(values.values())), kind="stable")[:top]
    names = [visible(tokens[index]) for index in order] + ["all others"]
    figure = Picture(figsize=(WIDTH_INCHES, 1.1 + 0.24 * len(names)))
    panels = figure.subplots(1, len(values), sharex=True, sharey=True, squeeze=False)[0]
    places = range(len(names))
    bars = {
        name: [*all_shares[order], np.delete(all_shares, order).sum()]
        for name, all_shares in values.items()
    }
    most = max(map(max, bars.values()))
    for index, (axes, (name, shares)) in enumerate(
        zip(panels, bars.items(), strict=True)
    ):
        axes.barh(
            places,
            shares,
            color=PALETTE[index % len(PALETTE)],
            hatch=HATCHES[index % len(HATCHES)],
            edgecolor="white",
        )
        for place, share in zip(places, shares, strict=True):
            text = f" {share:.0%}" if share > 0 else " ×"
            axes.text(share, place, text, va="center", fontsize=8)
        axes.set_xlim(0, 1.45 * most)
        axes.set_title(name, fontsize=9.5, fontweight="normal")
        axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        axes.tick_params(axis="x", labelsize=8)
        axes.tick_params(axis="y", length=0)
    panels[0].set_yticks(places, names, fontfamily="DejaVu Sans Mono", fontsize=9)
    panels[0].invert_yaxis()
    figure.supxlabel("probability of being drawn", fontsize=10)
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    figure.alt = sentence(
        f"the same tokens under {listed(list(values))}, a panel each. A cross marks "
        f"what can no longer be drawn; that is so of {_cut_off(values)}."
    )
    return figure


def _cut_off(values: Mapping[str, np.ndarray]) -> str:
    cut = [name for name, shares in values.items() if (shares == 0).any()]
    return f"some tokens under {listed(cut)}" if cut else "no token"
