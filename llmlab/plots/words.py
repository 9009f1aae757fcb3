"""The words that go with a picture, and texts made visible."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.font_manager import findfont, get_font


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


def direction(values: np.ndarray) -> str:
    """Where a curve went; it moved if its ends differ by twice their noise."""
    count = max(1, len(values) // 8)
    start, end = values[:count], values[-count:]
    change = end.mean() - start.mean()
    if abs(change) <= 2 * math.hypot(start.std(), end.std()) or not change:
        return "ends about where it began"
    return "rises" if change > 0 else "falls"


def listed(items: Sequence[str]) -> str:
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} and {items[-1]}"


def tail(text: str, length: int) -> str:
    return text if len(text) <= length else "…" + text[-length:]
