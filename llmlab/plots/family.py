"""The family tree of the checkpoints."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, is_dataclass

from llmlab.plots.style import BLUE, GREY, Picture, picture, styled
from llmlab.plots.words import listed, visible

_BOX_WIDTH = 0.78


@styled
def lineage(cards: Iterable[object]) -> Picture:
    """The model's life as a tree, parents to the left of their children.

    A card is a `checkpoints.Card` or a mapping with `stage` and `parent` (the name of
    another stage), and optionally `steps` and `seconds`, which are written below.
    """
    fields = [asdict(card) if is_dataclass(card) else dict(card) for card in cards]
    if not fields:
        raise ValueError("no cards to draw; expected one per checkpoint")
    parents = {card["stage"]: card["parent"] or None for card in fields}
    notes = {card["stage"]: _note(card) for card in fields}
    for parent in filter(None, list(parents.values())):
        parents.setdefault(parent, None)
    places = _tree_places(parents)
    columns = 1 + max(column for column, _ in places.values())
    rows = 1 + max(row for _, row in places.values())
    figure, axes = picture(height=0.5 + 0.62 * rows)
    axes.set_axis_off()
    for name, (column, row) in places.items():
        if parents[name]:
            left, level = places[parents[name]]
            middle = (left + _BOX_WIDTH + column) / 2
            corners = [left + _BOX_WIDTH, middle, middle, column]
            look = {"linewidth": 1.4, "solid_joinstyle": "round"}
            axes.plot(corners, [level, level, row, row], color=GREY, **look)
        sides = [column, column + _BOX_WIDTH]
        look = {"facecolor": "#eef4f9", "edgecolor": BLUE, "linewidth": 1.2}
        axes.fill_between(sides, row - 0.36, row + 0.36, **look)
        note, centre = notes.get(name, ""), column + _BOX_WIDTH / 2
        look = {"ha": "center", "va": "center"}
        height = row - 0.12 if note else row
        axes.text(
            centre, height, visible(name), fontweight="bold", fontsize=9.5, **look
        )
        axes.text(centre, row + 0.17, note, fontsize=7.5, **look)
    axes.set_xlim(-0.05, columns - 1 + _BOX_WIDTH + 0.05)
    axes.set_ylim(rows - 0.45, -0.55)
    born = [f"{name} from {parent}" for name, parent in parents.items() if parent]
    return figure.told(f"family tree of the checkpoints: {listed(born)}.")


def _note(card: Mapping) -> str:
    steps = f"{card['steps']:,} steps" if card.get("steps") else ""
    seconds = f"{card['seconds']:.0f} s" if card.get("seconds") else ""
    return " · ".join(filter(None, [steps, seconds]))


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
