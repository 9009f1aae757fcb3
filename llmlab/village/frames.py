"""Frames: sentences with slots and choices, the notation of words/*.toml.

{who}, {who.his}   a slot, filled from the state of the story; a capital,
                   {Who}, capitalises the filling; a filling may itself be a choice,
                   as {place.spot} is
[red|green|]       one of these, all equally likely; may be nested
<when>             one line of the word list of that name
"""

import re
from dataclasses import dataclass
from functools import cache

from llmlab.village.chooser import Chooser

_PIECES = re.compile(r"[\[\]|]|\{[^{}\[\]|<>]*\}|<[^{}\[\]|<>]*>|[^\[\]|{}<>]+|.")
_SLOT_NAME = re.compile(r"[A-Za-z][a-z_]*(\.[a-z_]+)*\Z")


class FrameError(ValueError):
    """A frame that cannot be read: what is wrong and what was expected. `line` is
    the line of the block that is at fault, if it is one line."""

    line: str = ""


@dataclass(frozen=True)
class Slot:
    name: str


@dataclass(frozen=True)
class Choice:
    options: tuple  # each a text, a Slot, a Choice or a tuple of these


def parse(text: str, lists: dict[str, tuple] | None = None):
    """Reads one frame. `lists` holds the word lists that <name> may refer to.

    Returns a text, a Slot, a Choice, or a tuple of these in reading order.
    """
    left = _PIECES.findall(text)[::-1]  # the next one is the last
    node = _sequence(left, text, lists or {})
    if left:
        raise FrameError(f"unexpected {left[-1]!r} in {text!r}; write [a|b]")
    return node


def parse_list(text: str, lists: dict[str, tuple] | None = None) -> tuple:
    """Reads a block with one frame a line; blank lines and # lines are skipped."""
    lines = lines_of(text)
    if not lines:
        raise FrameError("expected at least one line with a frame, found none")
    frames = []
    for line in lines:
        try:
            frames.append(parse(line, lists))
        except FrameError as error:
            error.line = line
            raise
    _check_distinct(frames, text)
    return tuple(frames)


def lines_of(text: str) -> list[str]:
    """The lines of a block that hold a frame."""
    lines = [line.strip() for line in text.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def _sequence(left: list[str], text: str, lists: dict[str, tuple]):
    """What stands before the next | or ] that is not inside."""
    parts = []
    while left and left[-1] not in "|]":
        piece = left.pop()
        if piece == "[":
            parts.append(_choice(left, text, lists))
        elif piece[0] == "{":
            parts.append(_slot(piece, text))
        elif piece[0] == "<":
            parts.append(_reference(piece, text, lists))
        elif piece in "}>":
            raise FrameError(f"{piece!r} without its opening partner in {text!r}")
        else:
            parts.append(piece)
    if len(parts) > 1:
        return tuple(parts)
    return parts[0] if parts else ""


def _choice(left: list[str], text: str, lists: dict[str, tuple]) -> Choice:
    options, sign = [], "|"
    while sign == "|":
        options.append(_sequence(left, text, lists))
        if not left:
            raise FrameError(f"'[' is never closed in {text!r}")
        sign = left.pop()
    if len(options) < 2:
        raise FrameError(f"a choice needs two options or more in {text!r}")
    _check_distinct(options, text)
    return Choice(tuple(options))


def _slot(piece, text):
    name = piece[1:-1]
    if not _SLOT_NAME.match(name):
        raise FrameError(f"{piece!r} is no slot in {text!r}; write {{who}}")
    return Slot(name)


def _reference(piece, text, lists):
    name = piece[1:-1]
    if name not in lists:
        known = ", ".join(sorted(lists)) or "none"
        raise FrameError(f"unknown word list {piece} in {text!r}; there are: {known}")
    return Choice(lists[name])


def _check_distinct(options, text):
    if len(set(options)) < len(options):
        raise FrameError(f"two options are the same in {text!r}; delete one")


def expand(node, slots: dict, chooser: Chooser) -> str:
    """The text of a frame: slots filled, every choice made by the chooser."""
    kind = type(node)
    if kind is str:
        return node
    if kind is Slot:
        filling = slots[node.name]
        return filling if type(filling) is str else expand(filling, slots, chooser)
    if kind is Choice:
        return expand(chooser.pick(node.options), slots, chooser)
    return "".join([expand(part, slots, chooser) for part in node])


def capitalised(node):
    """The same frame with a capital at its beginning."""
    if isinstance(node, str):
        return node[:1].upper() + node[1:]
    if isinstance(node, Slot):
        return Slot(node.name[0].upper() + node.name[1:])
    if isinstance(node, Choice):
        return Choice(tuple(map(capitalised, node.options)))
    return (capitalised(node[0]), *node[1:])


def small(name: str) -> str:
    """The slot that {Who} capitalises: "who"."""
    return name[0].lower() + name[1:]


def slot_names(node) -> frozenset[str]:
    """The names of all slots of a frame, as written."""
    if isinstance(node, Slot):
        return frozenset({node.name})
    if isinstance(node, Choice):
        return frozenset().union(*map(slot_names, node.options))
    if isinstance(node, tuple):
        return frozenset().union(*map(slot_names, node))
    return frozenset()


@cache
def every_text(node) -> tuple[str, ...]:
    """Every text that a frame can give, its slots left as {name}."""
    if isinstance(node, str):
        return (node,)
    if isinstance(node, Slot):
        return (f"{{{node.name}}}",)
    if isinstance(node, Choice):
        return tuple(text for option in node.options for text in every_text(option))
    texts = ("",)
    for part in node:
        texts = tuple(text + more for text in texts for more in every_text(part))
    return texts
