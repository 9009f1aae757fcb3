"""The family tree of the checkpoints."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, is_dataclass

from matplotlib.axes import Axes

from llmlab.plots.style import BLUE, GREY, Picture, picture, styled
from llmlab.plots.words import listed, sentence, visible


@styled
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
    figure, axes = picture(height=0.5 + 0.62 * rows)
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
    figure.alt = sentence(f"family tree of the checkpoints: {listed(born)}.")
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
