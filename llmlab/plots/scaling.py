"""What is still to be learned, against what a run was given."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from llmlab.plots.marks import colour, legend_above, line, marker
from llmlab.plots.style import INK, Picture, picture, styled
from llmlab.plots.words import listed, sentence


@styled
def power_laws(
    fitted: Mapping[str, Sequence[tuple[float, float]]],
    laws: Mapping[str, Callable[[float], float]],
    *,
    floor: float,
    held_out: Mapping[str, tuple[float, float]] | None = None,
    x_label: str = "tokens read",
    title: str = "",
) -> Picture:
    """Losses above the floor, both axes logarithmic: far out a power law is straight.

    Parameters
    ----------
    fitted : each family's runs, as (amount, loss); drawn as filled markers.
    laws : each family's law, from an amount to a loss; drawn as a line.
    floor : the loss that no run can get below, such as the entropy line.
    held_out : runs that no law has seen, by family; drawn as large hollow markers.
    """
    held_out = dict(held_out or {})
    below = [
        loss
        for runs in (*fitted.values(), list(held_out.values()))
        for _, loss in runs
        if loss <= floor
    ]
    if below:
        raise ValueError(
            f"a loss of {below[0]} is not above the floor of {floor}, so it has no "
            "place on a logarithmic axis"
        )
    figure, axes = picture(height=3.6)
    for index, (name, runs) in enumerate(fitted.items()):
        amounts, losses = np.asarray(runs, dtype=float).T
        last = max(amounts.max(), held_out.get(name, (0, 0))[0])
        along = np.geomspace(amounts.min() / 1.15, last * 1.15, 60)
        above = [laws[name](amount) - floor for amount in along]
        line(axes, along, above, index, linewidth=1.6)
        look = {"color": colour(index), "markersize": 6, "label": name}
        axes.plot(amounts, losses - floor, marker(index), **look)
        if name in held_out:
            amount, loss = held_out[name]
            look = {"markerfacecolor": "none", "markeredgecolor": INK}
            look |= {"markersize": 12, "markeredgewidth": 1.6, "label": "not fitted"}
            axes.plot([amount], [loss - floor], marker(index), **look)
    axes.set(xscale="log", yscale="log", xlabel=x_label, title=title)
    axes.set_ylabel("nats per token above the floor")
    for axis, name_of in ((axes.xaxis, _short), (axes.yaxis, "{:g}".format)):
        axis.set_major_locator(LogLocator(subs=(1, 2, 3, 5)))
        axis.set_major_formatter(FuncFormatter(lambda value, _, f=name_of: f(value)))
        axis.set_minor_locator(NullLocator())
    axes.grid(which="major")
    legend_above(figure, columns=4, handlelength=None)
    curves = "one curve falls, that" if len(fitted) == 1 else "curves fall, those"
    figure.alt = sentence(
        f"nats above the floor against the {x_label}, both axes logarithmic: "
        f"{curves} of {listed(list(fitted))}."
        f"{' A hollow marker is a run that no line has seen.' if held_out else ''}"
    )
    return figure


def _short(value: float) -> str:
    for size, sign in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g} {sign}"
    return f"{value:g}"
