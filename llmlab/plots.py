"""Pictures of what a model does: matplotlib only, plain data in, one figure out.

Every function returns a `Picture`, a matplotlib figure that carries its description
in words. A notebook cell that ends with a picture shows the image and prints the
words, so nobody needs to see the image to follow. The words name only what survives
a different processor (directions, orders, which side of a line), because stored
outputs are compared strictly; the pixels may show every digit.

Colours are those of Okabe and Ito (2008), distinguishable with any colour vision,
and each one comes with a line style, a marker or a hatch that says the same.
"""

import base64
import html
import io
import math
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, is_dataclass

import matplotlib.style
import numpy as np
from IPython import get_ipython
from IPython.display import HTML, display
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font
from matplotlib.ticker import MaxNLocator, PercentFormatter

INK = "#222222"
GREY = "#6b6b6b"
BLUE, VERMILLION, GREEN = "#0072B2", "#D55E00", "#009E73"
PURPLE, ORANGE, SKY = "#CC79A7", "#E69F00", "#56B4E9"
PALETTE = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY)
LINE_STYLES = ("-", (0, (5, 1.5)), "-.", (0, (1, 1)), (0, (7, 2, 1, 2, 1, 2)), "--")
MARKERS = ("o", "s", "^", "D", "v", "P")
HATCHES = ("", "///", "...", "\\\\\\", "xxx", "---")

WIDTH_INCHES = 7.0
DOTS_PER_INCH = 144
SHOWN_PIXELS_PER_INCH = 100

# Named in full so that a reader's own matplotlib settings change neither the look
# nor the bytes. Token texts may hold dollar signs: they are never formulas.
_STYLE = {
    "figure.dpi": DOTS_PER_INCH,
    "savefig.dpi": DOTS_PER_INCH,
    "figure.constrained_layout.use": True,
    "font.family": ["DejaVu Sans"],
    "font.size": 10,
    "text.parse_math": False,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": GREY,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.8,
    "xtick.color": INK,
    "ytick.color": INK,
    "hatch.linewidth": 0.6,
}
_styled = matplotlib.style.context(["default", _STYLE])


class Picture(Figure):
    """A figure that carries its description in words as `alt`."""

    alt: str = ""

    def _ipython_display_(self) -> None:
        show(self)


@_styled
def png(figure: Figure) -> bytes:
    """The figure as PNG bytes; the same figure always gives the same bytes."""
    _settle(figure)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _settle(figure: Figure) -> None:
    """Lays the figure out once and for all: each drawing would refine the layout."""
    engine = figure.get_layout_engine()
    if engine is not None:
        for _ in range(3):
            engine.execute(figure)
        figure.set_layout_engine("none")


def show(figure: Figure, alt: str | None = None) -> None:
    """Displays `figure` and says in words what it shows.

    The words travel three ways: as alt text in the output's metadata, as the output's
    plain text, and printed under the image, because JupyterLab ignores the first.
    Outside a notebook only the words are printed.
    """
    words = alt or getattr(figure, "alt", "")
    if not words:
        raise ValueError(
            "this figure has no description; pass alt='…', one or two sentences that "
            "say what a reader should see in it"
        )
    if get_ipython() is not None:
        width = round(figure.get_figwidth() * SHOWN_PIXELS_PER_INCH)
        display(
            {
                "image/png": base64.b64encode(png(figure)).decode("ascii"),
                "text/plain": f"Picture: {words}",
            },
            raw=True,
            metadata={"image/png": {"alt": words, "width": width}},
        )
    print(textwrap.fill(f"In words: {words}", width=80))


# ---------------------------------------------------------------- learning curves


@_styled
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
    figure, axes = _picture(height=3.6)
    labels = []
    directions = []
    series = {name: _series(runs[name], metric, run=name) for name in runs}
    last_step = max(steps[-1] for steps, _ in series.values())
    for index, (name, (steps, values)) in enumerate(series.items()):
        smooth = _draw_series(axes, steps, values, index)
        if steps[-1] < 0.9 * last_step:
            _label_end(axes, steps[-1], smooth[-1], name)
        else:
            labels.append((smooth[-1], name, PALETTE[index % len(PALETTE)]))
        directions.append(f"{name} {_direction(values)}")
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

    words = [f"{metric} in {unit} against the optimiser step: {_listed(directions)}."]
    if baselines:
        words.append(f"Dotted lines mark {_listed(list(baselines))}.")
    if entropy_line is not None:
        words.append("A dashed line marks the entropy, below which no model can go.")
    figure.alt = _sentence(" ".join(words))
    return figure


@_styled
def schedule(
    schedules: Mapping[str, Sequence[float]],
    *,
    unit: str = "share of the peak",
    title: str = "",
) -> Picture:
    """Learning rate against the step; one line per schedule, one value per step."""
    if not schedules:
        raise ValueError("no schedules to draw; expected {name: values by step}")
    figure, axes = _picture(height=2.8)
    for index, (name, values) in enumerate(schedules.items()):
        if len(values) == 0:
            raise ValueError(f"schedule {name!r} has no values; expected one per step")
        colour = PALETTE[index % len(PALETTE)]
        style = LINE_STYLES[index % len(LINE_STYLES)]
        axes.plot(values, color=colour, linestyle=style, linewidth=2, label=name)
    figure.legend(loc="outside upper right", ncols=3, handlelength=3.2, frameon=False)
    axes.set(xlabel="optimiser step", ylabel=f"learning rate\n({unit})", title=title)
    axes.set_ylim(bottom=0)
    axes.grid(axis="y")
    shapes = [f"{name} {_schedule_shape(values)}" for name, values in schedules.items()]
    figure.alt = _sentence(
        f"learning rate as {unit} against the optimiser step: {_listed(shapes)}."
    )
    return figure


@_styled
def ppo_dashboard(
    history: Sequence[Mapping[str, float]], *, title: str = ""
) -> Picture:
    """Small charts of what to watch in a PPO run, and how a healthy run looks.

    Draws those of `score`, `kl`, `entropy`, `clip_fraction` and `length` that the
    history has, each against the update; REINFORCE, say, clips nothing.
    """
    panels = {
        "score": ("score (reward model)", "the score rises"),
        "kl": ("KL to the start (nats/answer)", "KL grows slowly"),
        "entropy": ("entropy (nats/token)", "entropy falls,\n   but never to zero"),
        "clip_fraction": ("clipped ratios (share)", "few ratios are clipped"),
        "length": ("answer length (tokens)", "length grows little"),
    }
    present = [key for key in panels if history and key in history[0]]
    if not present:
        raise ValueError(
            "this history has none of the metrics of PPO; expected update metrics "
            f"with some of {', '.join(panels)}"
        )
    columns = min(3, len(present) + 1)
    rows = math.ceil((len(present) + 1) / columns)
    figure = Picture(figsize=(WIDTH_INCHES, 0.3 + 2.0 * rows))
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    directions = []
    for axes, key in zip(grid, present, strict=False):
        updates, values = _series(history, key, run="PPO")
        _draw_series(axes, updates, values, index=0)
        axes.set_title(panels[key][0], fontsize=9, fontweight="normal")
        axes.set_xlabel("update", fontsize=9)
        axes.tick_params(labelsize=8)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=4))
        axes.yaxis.set_major_locator(MaxNLocator(nbins=4))
        axes.grid(axis="y")
        directions.append(f"{key.replace('_', ' ')} {_direction(values)}")
    _healthy_signs(grid[len(present)], [panels[key][1] for key in present])
    for axes in grid[len(present) + 1 :]:
        axes.set_axis_off()
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    figure.alt = _sentence(f"policy training, update by update: {_listed(directions)}.")
    return figure


# ------------------------------------------------------------- looking at one answer


@_styled
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
    values = _probabilities(probabilities, expected=len(tokens))
    order = np.argsort(-values, kind="stable")[:top]
    rest = max(0.0, 1.0 - float(values[order].sum()))
    names = [visible(tokens[index]) for index in order]
    shares = [float(values[index]) for index in order]
    figure, axes = _picture(height=0.9 + 0.26 * (len(names) + 1))
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
        axes.set_title(f"after “{_tail(visible(prompt), 60)}”", fontweight="normal")
    after = f" after “{_tail(prompt, 60)}”" if prompt else ""
    figure.alt = _sentence(
        f"most probable next tokens{after}, the first the most probable: "
        f"{_listed([repr(tokens[index]) for index in order[:3]])}."
    )
    return figure


@_styled
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
    figure.alt = _sentence(
        f"attention of {len(tokens)} tokens to one another. Each attends most: "
        f"{_listed(strongest)}.{more}"
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


# ------------------------------------------------------------------ judging models


@_styled
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
    figure.alt = _sentence(
        f"histograms of the {label}, one per model. By mean, highest first: "
        f"{_listed(ranked)}."
    )
    return figure


@_styled
def win_rate_intervals(
    win_rates: Mapping[str, tuple[float, float, float]], *, against: str
) -> Picture:
    """Each model's win-rate against one opponent, as a point in its 95 % interval.

    `win_rates` maps a name to (win-rate, low, high), all in [0, 1].
    """
    if not win_rates:
        raise ValueError("no win-rates to draw; expected {name: (rate, low, high)}")
    figure, axes = _picture(height=1.3 + 0.42 * len(win_rates))
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
    figure.alt = _sentence(
        f"win-rates against {against} with 95 % intervals: {_listed(verdicts)}."
    )
    return figure


@_styled
def calibration(
    predicted: Sequence[float], outcomes: Sequence[float], *, bins: int = 10
) -> Picture:
    """How often it happened against how probable it was said to be.

    `predicted` are probabilities in [0, 1] and `outcomes` are 0 or 1. Each point is
    one bin with its 95 % Wilson interval; a calibrated model lies on the diagonal.
    """
    probabilities = _probabilities(predicted, expected=len(outcomes))
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
        low, high = _wilson_interval(rate, int(inside.sum()))
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
    figure.alt = _sentence(
        "calibration: how often it happened against the predicted probability. The "
        f"diagonal passes through {_how_many(sum(covered), len(covered))} intervals."
    )
    return figure


# ----------------------------------------------------------------------- family tree


@_styled
def lineage(cards: Iterable[object]) -> Picture:
    """The model's life as a tree, parents to the left of their children.

    A card is a `checkpoints.Card` or a mapping with `stage` and `parent` (the name of
    another stage), and optionally `steps` and `seconds`, which are written below.
    """
    notes: dict[str, str] = {}
    parents: dict[str, str | None] = {}
    for card in cards:
        fields = asdict(card) if is_dataclass(card) else dict(card)
        parents[fields["stage"]] = fields["parent"] or None
        notes[fields["stage"]] = _card_note(fields)
    if not parents:
        raise ValueError("no cards to draw; expected one per checkpoint")
    for parent in list(parents.values()):
        if parent is not None:
            parents.setdefault(parent, None)
    places = _tree_places(parents)
    columns = 1 + max(column for column, _ in places.values())
    rows = 1 + max(row for _, row in places.values())
    figure, axes = _picture(height=0.5 + 0.62 * rows)
    axes.set_axis_off()
    box_width = 0.78
    for child, parent in parents.items():
        if parent is not None:
            _draw_branch(axes, places[parent], places[child], box_width)
    for name, place in places.items():
        _draw_box(axes, place, box_width, name, notes.get(name, ""))
    axes.set_xlim(-0.05, columns - 1 + box_width + 0.05)
    axes.set_ylim(rows - 0.45, -0.55)
    born = [f"{name} from {parent}" for name, parent in parents.items() if parent]
    figure.alt = _sentence(f"family tree of the checkpoints: {_listed(born)}.")
    return figure


def _card_note(fields: Mapping) -> str:
    notes = []
    if fields.get("steps"):
        notes.append(f"{fields['steps']:,} steps")
    if fields.get("seconds"):
        notes.append(f"{fields['seconds']:.0f} s")
    return " · ".join(notes)


def _tree_places(parents: Mapping[str, str | None]) -> dict[str, tuple[float, float]]:
    """Column (generations) and row of each name; a parent sits amid its children."""
    children: dict[str | None, list[str]] = {}
    for child, parent in parents.items():
        children.setdefault(parent, []).append(child)
    places: dict[str, tuple[float, float]] = {}
    next_row = 0

    def place(name: str, generation: int) -> float:
        nonlocal next_row
        rows = [place(child, generation + 1) for child in children.get(name, [])]
        if rows:
            row = (rows[0] + rows[-1]) / 2
        else:
            row = float(next_row)
            next_row += 1
        places[name] = (generation, row)
        return row

    for root in children.get(None, []):
        place(root, 0)
    unplaced = sorted(set(parents) - set(places))
    if unplaced:
        raise ValueError(
            f"the parents of {', '.join(unplaced)} lead round in a circle; expected "
            "each line of descent to end at a checkpoint without a parent"
        )
    return places


def _draw_branch(axes: Axes, parent: tuple, child: tuple, box_width: float) -> None:
    start, end = parent[0] + box_width, child[0]
    middle = (start + end) / 2
    axes.plot(
        [start, middle, middle, end],
        [parent[1], parent[1], child[1], child[1]],
        color=GREY,
        linewidth=1.4,
        solid_joinstyle="round",
    )


def _draw_box(axes: Axes, place: tuple, width: float, name: str, note: str) -> None:
    column, row = place
    axes.fill_between(
        [column, column + width],
        row - 0.36,
        row + 0.36,
        facecolor="#eef4f9",
        edgecolor=BLUE,
        linewidth=1.2,
    )
    centre = column + width / 2
    axes.text(
        centre,
        row - 0.12 if note else row,
        visible(name),
        ha="center",
        va="center",
        fontweight="bold",
        fontsize=9.5,
    )
    if note:
        axes.text(centre, row + 0.17, note, ha="center", va="center", fontsize=7.5)


# -------------------------------------------------------------------------- the parts


def visible(text: str) -> str:
    """`text` with spaces at its ends, line ends and unprintable characters shown."""
    inner = text.strip(" ")
    start = len(text) - len(text.lstrip(" "))
    marked = "␣" * start + inner + "␣" * (len(text) - start - len(inner))
    return "".join(_visible_character(character) for character in marked) or "∅"


def _visible_character(character: str) -> str:
    if character == "\n":
        return "⏎"
    if character == "\t":
        return "⇥"
    drawable = get_font(findfont("DejaVu Sans Mono")).get_char_index(ord(character))
    return character if drawable else "\N{REPLACEMENT CHARACTER}"


def _picture(height: float) -> tuple[Picture, Axes]:
    figure = Picture(figsize=(WIDTH_INCHES, height))
    return figure, figure.subplots()


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
    colour = PALETTE[index % len(PALETTE)]
    style = LINE_STYLES[index % len(LINE_STYLES)]
    smooth = values
    if len(values) > 40:
        axes.plot(steps, values, color=colour, linewidth=0.8, alpha=0.3)
        smooth = _running_mean(values, reach=len(values) // 30)
    marker = MARKERS[index % len(MARKERS)] if len(values) <= 20 else None
    axes.plot(
        steps,
        smooth,
        color=colour,
        linestyle=style,
        linewidth=2,
        marker=marker,
        markersize=5,
    )
    return smooth


def _running_mean(values: np.ndarray, reach: int) -> np.ndarray:
    """Mean of each value with up to `reach` neighbours on both sides, as many on each.

    A window centred on its value does not lag behind a falling curve.
    """
    means = []
    for index in range(len(values)):
        side = min(reach, index, len(values) - 1 - index)
        means.append(values[index - side : index + side + 1].mean())
    return np.asarray(means)


def _label_end(axes: Axes, step: float, value: float, text: str) -> None:
    axes.annotate(
        text,
        (step, value),
        (4, 7),
        textcoords="offset points",
        fontsize=9.5,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5, "alpha": 0.8},
    )


def _label_right(axes: Axes, labels: Sequence[tuple[float, str, str]]) -> None:
    """Writes each label beside its height, right of the axes, none over another."""
    low, high = axes.get_ylim()
    room = 0.075 * 3.6 / axes.figure.get_figheight()
    ordered = sorted(labels, key=lambda label: label[0])
    heights = [(label[0] - low) / (high - low) for label in ordered]
    spread = _apart(heights, room)
    for (value, text, colour), height in zip(ordered, spread, strict=True):
        axes.annotate(
            text,
            (1.0, value),
            (1.035, height),
            xycoords=("axes fraction", "data"),
            textcoords="axes fraction",
            va="center",
            fontsize=9.5,
            arrowprops={"arrowstyle": "-", "color": colour, "shrinkA": 1, "shrinkB": 0},
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


def _healthy_signs(axes: Axes, signs: Sequence[str]) -> None:
    axes.set_axis_off()
    axes.text(
        0.0,
        1.0,
        "\n• ".join(["A healthy run", *signs]),
        transform=axes.transAxes,
        va="top",
        fontsize=9,
        linespacing=1.35,
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


def _probabilities(values: Sequence[float], *, expected: int) -> np.ndarray:
    array = np.asarray(values, dtype=float)
    if array.shape != (expected,) or not expected:
        raise ValueError(
            f"probabilities of shape {array.shape}; expected one for each of "
            f"{expected or 'one or more'} items"
        )
    if not np.isfinite(array).all() or array.min() < 0 or array.max() > 1 + 1e-6:
        raise ValueError(
            f"probabilities between {array.min()} and {array.max()}; expected finite "
            "numbers from 0 to 1 (logits need a softmax first)"
        )
    return array


def _wilson_interval(rate: float, count: int) -> tuple[float, float]:
    """The 95 % score interval of a proportion (Wilson, 1927)."""
    z = 1.959964
    centre = rate + z * z / (2 * count)
    spread = z * math.sqrt(rate * (1 - rate) / count + z * z / (4 * count * count))
    scale = 1 + z * z / count
    return (centre - spread) / scale, (centre + spread) / scale


def _direction(values: np.ndarray) -> str:
    """Where a curve went; it moved if its ends differ by twice their noise."""
    count = max(1, len(values) // 8)
    start, end = values[:count], values[-count:]
    change = end.mean() - start.mean()
    if abs(change) <= 2 * math.hypot(start.std(), end.std()) or not change:
        return "ends about where it began"
    return "rises" if change > 0 else "falls"


def _schedule_shape(values: Sequence[float]) -> str:
    peak = max(values)
    parts = []
    if values[0] < peak:
        parts.append("warms up")
    if sum(value > 0.999 * peak for value in values) > 0.1 * len(values):
        parts.append("stays at its peak")
    if values[-1] < peak:
        parts.append("decays")
    return _listed(parts)


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


def _listed(items: Sequence[str]) -> str:
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} and {items[-1]}"


def _tail(text: str, length: int) -> str:
    return text if len(text) <= length else "…" + text[-length:]


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
