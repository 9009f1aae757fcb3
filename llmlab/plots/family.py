"""The family tree of the checkpoints."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, is_dataclass

from llmlab.plots.boxes import arrow, box, canvas, say
from llmlab.plots.style import WIDTH_INCHES, Picture, styled
from llmlab.plots.words import listed, visible

_BOX_WIDTH = 0.76
# A stage, and the one that lends it its judgement; drawn where both are.
_JUDGES = {"ppo": "reward"}


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
    figure, axes = canvas(0.06 + 0.82 * rows)
    pitch = (WIDTH_INCHES - 0.2) / (columns - 1 + _BOX_WIDTH)
    half = pitch * _BOX_WIDTH / 2
    spots = {
        name: (0.1 + half + pitch * column, 0.44 + 0.82 * row)
        for name, (column, row) in places.items()
    }
    for name, (x, y) in spots.items():
        if parents[name]:
            left, level = spots[parents[name]]
            middle = (left + x) / 2
            way = [(left + half, level), (middle, level), (middle, y), (x - half, y)]
            arrow(axes, *way)
        note, size = notes.get(name, ""), {"width": 2 * half, "height": 0.5}
        box(axes, x, y, "", **size)
        look = {"fontweight": "bold", "fontsize": 10}
        say(axes, x, y - 0.09 if note else y, visible(name), **look)
        say(axes, x, y + 0.13, note, fontsize=8.5)
    born = [f"{name} from {parent}" for name, parent in parents.items() if parent]
    words = [f"family tree of the checkpoints: {listed(born)}."]
    for name, judge in _JUDGES.items():
        if {name, judge} <= spots.keys():
            (x, y), (to_x, to_y) = spots[judge], spots[name]
            side = 0.25 if to_y > y else -0.25
            arrow(axes, (x - 0.3, y + side), (to_x - 0.3, to_y - side), dashed=True)
            text = "judges, frozen"
            say(axes, x - 0.2, (y + to_y) / 2, text, ha="left", fontsize=8.5)
            words.append(
                f"A dashed arrow goes from {judge} to {name}: it lends its judgement "
                "and no weights, and is frozen meanwhile."
            )
    return figure.told(" ".join(words))


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
