"""Curves of training: losses, learning rates, vital signs, and laws across runs."""

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from llmlab.claims import about
from llmlab.plots.marks import colour, headline, legend_above, line, marker, note
from llmlab.plots.style import GREY, INK, WIDTH_INCHES, Picture, picture, styled
from llmlab.plots.words import course, direction, listed, lowest

# What each panel of the dashboard is called, and how it looks in a healthy run.
_PANELS = {
    "score": ("score (reward model)", "the score rises"),
    "kl": ("KL to the start (nats/answer)", "KL grows slowly"),
    "entropy": ("entropy (nats/token)", "entropy falls,\n   but never to zero"),
    "clip_fraction": ("clipped ratios (share)", "few ratios are clipped"),
    "length": ("answer length (tokens)", "length grows little"),
    "explained_variance": (
        "explained variance (critic)",
        "explained variance rises\n   (below 0, no critic is better)",
    ),
    "value_loss": ("value loss (critic)", "value loss falls"),
    "finished": ("answers that end (share)", "nearly all answers end"),
}


@styled
def loss_curve(
    runs: Mapping[str, Sequence[Mapping[str, float]]],
    *,
    entropy_line: float | None = None,
    baselines: Mapping[str, float] | None = None,
    metric: str = "loss",
    unit: str = "nats per token",
    title: str = "",
) -> Picture:
    """One line per run: a metric of its training history against the step.

    `runs` maps a run's name to the history that `training.train` returns. Runs longer
    than 40 steps are drawn as a running mean over the pale raw values.
    `entropy_line` is the loss that no model of this corpus can go below, and
    `baselines` are losses of simpler models, all in the same `unit`.
    """
    if not runs:
        raise ValueError("no runs to draw; expected {name: history} with one or more")
    figure, axes = picture(height=3.6)
    labels, directions, ends = [], [], {}
    series = {name: _series(runs[name], metric, run=name) for name in runs}
    last_step = max(steps[-1] for steps, _ in series.values())
    for index, (name, (steps, values)) in enumerate(series.items()):
        smooth = _draw_series(axes, steps, values, index)
        if steps[-1] < 0.9 * last_step:
            paper = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}
            look = {"fontsize": 9.5, "bbox": paper | {"alpha": 0.8}}
            note(axes, name, (steps[-1], smooth[-1]), (4, 7), **look)
        else:
            labels.append((smooth[-1], name, colour(index)))
        directions.append(f"{name} {direction(values, smooth)}")
        ends[name] = smooth[-1]
    for name, level in (baselines or {}).items():
        axes.axhline(level, color=GREY, linewidth=1.2, linestyle=":")
        labels.append((level, f"{name} {level:.2f}", GREY))
    if entropy_line is not None:
        axes.axhline(entropy_line, color=INK, linewidth=1.2, linestyle="--")
        labels.append((entropy_line, f"entropy {entropy_line:.2f}", INK))
    _label_right(axes, labels)
    axes.set(xlabel="optimiser step", ylabel=f"{metric} ({unit})", title=title)
    axes.grid(axis="y")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=7))

    words = [f"{metric} in {unit} against the optimiser step: {'; '.join(directions)}."]
    words += filter(None, [lowest(ends)])
    if baselines:
        levels = [f"{name} ({about(level)})" for name, level in baselines.items()]
        words.append(f"Dotted lines mark {listed(levels)}.")
    if entropy_line is not None:
        best = min(ends, key=ends.__getitem__)
        words.append(
            f"A dashed line marks the entropy of the text, {about(entropy_line)}; "
            f"{best} ends {about(ends[best] - entropy_line)} above it."
        )
    return figure.told(" ".join(words))


@styled
def schedule(schedules: Mapping[str, Sequence[float]]) -> Picture:
    """Learning rate against the step; one line per schedule, one value per step."""
    figure, axes = picture(height=2.8)
    for index, (name, values) in enumerate(schedules.items()):
        line(axes, range(len(values)), values, index, label=name)
    legend_above(figure)
    axes.set(xlabel="optimiser step", ylabel="learning rate\n(share of the peak)")
    axes.set_ylim(bottom=0)
    axes.grid(axis="y")
    shapes = [f"{name} {_schedule_shape(values)}" for name, values in schedules.items()]
    return figure.told(
        "learning rate as share of the peak against the optimiser step: "
        f"{listed(shapes)}."
    )


@styled
def ppo_dashboard(
    history: Sequence[Mapping[str, float]], *, title: str = ""
) -> Picture:
    """Small charts of what to watch in a PPO run, and how a healthy run looks.

    Draws those of its panels that the history has, each against the update: REINFORCE,
    say, clips nothing and has no critic. Where a metric comes with its standard error
    (`kl` with `kl_error`), that is a pale band.
    """
    present = [key for key in _PANELS if any(key in entry for entry in history)]
    if not present:
        raise ValueError(
            "this history has none of the metrics of PPO; expected update metrics "
            f"with some of {', '.join(_PANELS)}"
        )
    columns = min(3, len(present) + 1)
    rows = math.ceil((len(present) + 1) / columns)
    figure = Picture(figsize=(WIDTH_INCHES, 0.3 + 2.0 * rows))
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    directions = []
    for axes, key in zip(grid, present, strict=False):
        updates, values = _series(history, key, run="PPO")
        smooth = _draw_series(axes, updates, values, index=0)
        if any(f"{key}_error" in entry for entry in history):
            _, errors = _series(history, f"{key}_error", run="PPO")
            band = {"color": colour(0), "alpha": 0.2, "linewidth": 0}
            axes.fill_between(updates, values - errors, values + errors, **band)
        if key == "explained_variance":
            axes.axhline(0, color=INK, linewidth=1, linestyle="--")
        axes.set_title(_PANELS[key][0], fontsize=9, fontweight="normal")
        axes.set_xlabel("update", fontsize=9)
        axes.tick_params(labelsize=8)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=4))
        axes.yaxis.set_major_locator(MaxNLocator(nbins=4))
        axes.grid(axis="y")
        directions.append(f"{key.replace('_', ' ')} {direction(values, smooth)}")
    signs, *empty = grid[len(present) :]
    text = "\n• ".join(["A healthy run", *(_PANELS[key][1] for key in present)])
    look = {"transform": signs.transAxes, "va": "top", "linespacing": 1.35}
    signs.text(0.0, 1.0, text, fontsize=9, **look)
    for axes in (signs, *empty):
        axes.set_axis_off()
    headline(figure, title)
    return figure.told(f"policy training, update by update: {'; '.join(directions)}.")


@styled
def small_multiples(
    charts: Mapping[str, Mapping[str, Sequence[float]]], *, x_label: str = "update"
) -> Picture:
    """Small charts of the same runs: each shows what its title says, run by run.

    charts : title to {name of a run: its values, one for each update}. A run has the
        same line in all of them, so that one legend serves.
    """
    columns = min(3, len(charts))
    rows = math.ceil(len(charts) / columns)
    figure = Picture(figsize=(WIDTH_INCHES, 0.4 + 1.95 * rows))
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    names = list(dict.fromkeys(name for runs in charts.values() for name in runs))
    told = []
    for axes, (title, runs) in zip(grid, charts.items(), strict=False):
        ways = []
        for name, values in runs.items():
            values = np.asarray(values, dtype=float)
            look = {"marked": len(values) <= 20, "markersize": 4, "linewidth": 1.5}
            line(axes, range(len(values)), values, names.index(name), **look)
            ways.append(f"{name} {direction(values, values)}")
        axes.set_title(title, fontsize=9, fontweight="normal")
        axes.set_xlabel(x_label, fontsize=9)
        axes.tick_params(labelsize=8)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=4))
        axes.yaxis.set_major_locator(MaxNLocator(nbins=4))
        axes.grid(axis="y")
        told.append(f"{title}: {', '.join(ways)}")
    for axes in grid[len(charts) :]:
        axes.set_axis_off()
    for index, name in enumerate(names):
        look = {"marked": True, "markersize": 4, "label": name}
        line(grid[0], [], [], index, **look)
    legend_above(figure, columns=len(names))
    return figure.told(f"small charts. {'; '.join(told)}.")


@styled
def power_laws(
    fitted: Mapping[str, Sequence[tuple[float, float]]],
    laws: Mapping[str, Callable[[float], float]],
    *,
    floor: float,
    held_out: Mapping[str, tuple[float, float]] | None = None,
) -> Picture:
    """Losses above the floor, both axes logarithmic: far out a power law is straight.

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
    courses, unseen = [], []
    for index, (name, runs) in enumerate(fitted.items()):
        amounts, losses = np.asarray(runs, dtype=float).T
        last = max(amounts.max(), held_out.get(name, (0, 0))[0])
        along = np.geomspace(amounts.min() / 1.15, last * 1.15, 60)
        above = [laws[name](amount) - floor for amount in along]
        line(axes, along, above, index, linewidth=1.6)
        courses.append(f"{name} {course(above, along)}")
        look = {"color": colour(index), "markersize": 6, "label": name}
        axes.plot(amounts, losses - floor, marker(index), **look)
        if name in held_out:
            amount, loss = held_out[name]
            look = {"markerfacecolor": "none", "markeredgecolor": INK}
            look |= {"markersize": 12, "markeredgewidth": 1.6, "label": "not fitted"}
            axes.plot([amount], [loss - floor], marker(index), **look)
            miss = loss - laws[name](amount)
            unseen.append(
                f"A hollow marker, a run that {name}'s line has not seen, lies "
                f"{about(abs(miss))} {'above' if miss > 0 else 'below'} it."
            )
    axes.set(xscale="log", yscale="log", xlabel="tokens read")
    axes.set_ylabel("nats per token above the floor")
    for axis, form in ((axes.xaxis, _short), (axes.yaxis, "{x:g}")):
        axis.set_major_locator(LogLocator(subs=(1, 2, 3, 5)))
        axis.set_major_formatter(form)
        axis.set_minor_locator(NullLocator())
    axes.grid(which="major")
    legend_above(figure, columns=4, handlelength=None)
    return figure.told(
        "nats above the floor against the tokens read, both axes logarithmic: "
        f"{'; '.join(courses)}. {' '.join(unseen)}".strip()
    )


def _short(value: float, _place: int) -> str:
    for size, sign in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g} {sign}"
    return f"{value:g}"


def _series(
    history: Sequence[Mapping[str, float]], metric: str, *, run: str
) -> tuple[np.ndarray, np.ndarray]:
    points = [
        (entry["step"], entry[metric])
        for entry in history
        if metric in entry and math.isfinite(entry[metric])
    ]
    if not points:
        raise ValueError(
            f"the history of {run!r} has no finite {metric!r}; expected a list of "
            f"metrics like {{'step': 1, {metric!r}: 2.5}}"
        )
    steps, values = zip(*points, strict=True)
    return np.asarray(steps), np.asarray(values, dtype=float)


def _draw_series(
    axes: Axes, steps: np.ndarray, values: np.ndarray, index: int
) -> np.ndarray:
    """Draws one run and returns the values of its main line."""
    smooth = values
    if len(values) > 40:
        axes.plot(steps, values, color=colour(index), linewidth=0.8, alpha=0.3)
        smooth = _running_mean(values, reach=len(values) // 30)
    line(axes, steps, smooth, index, marked=len(values) <= 20, markersize=5)
    return smooth


def _running_mean(values: np.ndarray, reach: int) -> np.ndarray:
    """Mean of each value with up to `reach` neighbours on both sides, as many on each.

    A window centred on its value does not lag behind a falling curve. Near the end
    there are fewer neighbours on the right, and a mean of ever fewer values would jump
    as they do: there it is the end of the straight line through the window. (At the
    beginning losses are steep and hardly noisy, and a short window is right.)
    """
    means = []
    for index in range(len(values)):
        side = min(reach, index)
        window = values[index - side : index + side + 1]
        if len(window) == 2 * side + 1:
            means.append(window.mean())
        else:
            places = np.arange(len(window)) - side
            means.append(np.polyfit(places, window, deg=1)[1])
    return np.asarray(means)


def _label_right(axes: Axes, labels: Sequence[tuple[float, str, str]]) -> None:
    """Writes each label beside its height, right of the axes, none over another."""
    low, high = axes.get_ylim()
    room = 0.075 * 3.6 / axes.figure.get_figheight()
    ordered = sorted(labels, key=lambda label: label[0])
    heights = [(label[0] - low) / (high - low) for label in ordered]
    spread = _apart(heights, room)
    for (value, text, shade), height in zip(ordered, spread, strict=True):
        axes.annotate(
            text,
            (1.0, value),
            (1.035, height),
            xycoords=("axes fraction", "data"),
            textcoords="axes fraction",
            va="center",
            fontsize=9.5,
            arrowprops={"arrowstyle": "-", "color": shade, "shrinkA": 1, "shrinkB": 0},
            annotation_clip=False,
        )
    axes.set_ylim(low, high)


def _apart(heights: Sequence[float], room: float) -> list[float]:
    """Ascending `heights` moved as little as needed to be `room` apart."""
    groups: list[list[float]] = []
    for height in heights:
        groups.append([height, 1])
        while len(groups) > 1:
            (below, under), (above, over) = groups[-2:]
            if above - below >= room * (under + over) / 2:
                break
            centre = (below * under + above * over) / (under + over)
            groups[-2:] = [[centre, under + over]]
    return [
        centre + room * (place - (count - 1) / 2)
        for centre, count in groups
        for place in range(int(count))
    ]


def _schedule_shape(values: Sequence[float]) -> str:
    peak = max(values)
    parts = []
    if values[0] < peak:
        parts.append("warms up")
    if sum(value > 0.999 * peak for value in values) > 0.1 * len(values):
        parts.append("stays at its peak")
    if values[-1] < peak:
        parts.append("decays")
    return listed(parts)
