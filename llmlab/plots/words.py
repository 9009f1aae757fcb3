"""The words that go with a picture, and texts made visible."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.font_manager import findfont, get_font

from llmlab.claims import about


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


def direction(values: np.ndarray, drawn: np.ndarray) -> str:
    """Where a noisy curve went; it moved if its ends differ by twice their noise.

    drawn : the smooth line through it, which the numbers are read off.
    """
    count = max(1, len(values) // 8)
    start, end = values[:count], values[-count:]
    change = end.mean() - start.mean()
    if abs(change) <= 2 * math.hypot(start.std(), end.std()) or not change:
        return f"ends about where it began, at {about(drawn[-1])}"
    way = "rises" if change > 0 else "falls"
    return f"{way} from {about(drawn[0])} to {about(drawn[-1])}"


def course(values: Sequence[float], places: Sequence[float]) -> str:
    """Where a smooth curve goes from its first value to its last, where it turns."""
    low, high = int(np.argmin(values)), int(np.argmax(values))
    first, last, slack = values[0], values[-1], 0.05 * (values[high] - values[low])
    dips = values[low] < min(first, last) - slack
    peaks = values[high] > max(first, last) + slack
    if slack <= 5e-4 * max(map(abs, values)):
        return f"stays near {about(last)}"
    if dips and peaks:
        return (
            f"swings between {about(values[low])} and {about(values[high])} and ends "
            f"at {about(last)}"
        )
    if dips or peaks:
        there, back = ("falls", "rises") if dips else ("rises", "falls")
        turn = low if dips else high
        return (
            f"{there} from {about(first)} to {about(values[turn])}, at "
            f"{about(places[turn])}, and {back} again to {about(last)}"
        )
    return (
        f"{'rises' if last > first else 'falls'} from {about(first)} to {about(last)}"
    )


def lowest(values: Mapping[str, float]) -> str:
    """A sentence on which of some values is the lowest and by how much; "" of one."""
    (name, least), *others = sorted(values.items(), key=lambda pair: pair[1])
    if not others:
        return ""
    (other, next_), gap = others[0], others[0][1] - least
    if gap <= 0.01 * max(abs(next_), abs(least)):
        return f"{name} and {other} are the lowest and about alike."
    return f"{name} ends lowest, {about(gap)} below {other}."


def listed(items: Sequence[str]) -> str:
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} and {items[-1]}"


def tail(text: str, length: int) -> str:
    return text if len(text) <= length else "…" + text[-length:]
