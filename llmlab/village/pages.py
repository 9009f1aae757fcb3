"""Pages: documents told from a cast and a sequence of blocks.

The notation that news.toml, encyclopaedia.toml and websites.toml share. A page draws
its cast once (see `llmlab.village.cast`) and tells all blocks of the same cast, so
that its facts agree. Blocks are divided by blank lines and hold one frame a line, of
which one is told; a line with nothing but / begins a new line of the page.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from llmlab.village import frames, plots, world
from llmlab.village.calendar import calendar
from llmlab.village.cast import (
    RELATIONS,
    Draw,
    Row,
    Tables,
    draw_cast,
    every_slot,
    named_in,
    read_draws,
    slots_of,
)
from llmlab.village.chooser import Chooser
from llmlab.village.frames import Choice, Slot
from llmlab.village.world import WorldError

PHRASES = "phrases.toml"
NEW_LINE = "/"

# Slots that do not say who is meant.
_ANONYMOUS = ("he", "him", "his")


@dataclass(frozen=True)
class Page:
    name: str
    draws: tuple[Draw, ...]
    blocks: tuple  # each a frame, or NEW_LINE
    named: frozenset[str]  # people and places that the frames name themselves


@dataclass(frozen=True)
class Library:
    """What one file says, together with the phrases that all files share."""

    lists: dict[str, tuple]
    tables: Tables
    pages: tuple[Page, ...]


# ---- reading


@cache
def shared() -> tuple[dict[str, tuple], Tables]:
    """The word lists and tables of phrases.toml."""
    data = world.read_file(PHRASES)
    lists = read_lists(data.pop("words"), {}, PHRASES)
    return lists, {name: _read_rows(data, name, lists, PHRASES) for name in data}


@cache
def word_lists() -> dict[str, tuple]:
    """The word lists of stories.toml, which all genres share, <day> and <object>."""
    words = world.read_file(plots.SHARED)["words"]
    lists = world.word_lists(words, plots.SHARED, plots.slot_names())
    things = tuple(world.load().things)
    return lists | {"day": calendar().days, "object": things}


def any_of(name: str) -> Choice:
    """A phrase of a list that all files share."""
    return Choice(shared()[0][name])


def read_lists(table: dict[str, str], above: dict, file: str) -> dict[str, tuple]:
    """Word lists by name; each may use those above it and any slot of a cast. <Name>
    is the list <name> with capitals."""
    lists = dict(above)
    for name, text in table.items():
        where = f"[words] {name}"
        lists[name] = world.frame_list(text, lists, every_slot(), file, where)
        capital = name[0].upper() + name[1:]
        lists[capital] = tuple(map(frames.capitalised, lists[name]))
    return lists


def _read_rows(data: dict, table: str, lists: dict, file: str) -> tuple[Row, ...]:
    """The rows of a table; each column is a block of frames."""
    rows: list[Row] = []
    for entry in data[table]:
        name = world.field(entry, "name", str, file, f"[[{table}]]")
        rows.append(
            {
                column: block(text, lists, every_slot(), file, f"{table} {name}")
                for column, text in entry.items()
            }
        )
        if set(rows[-1]) != set(rows[0]):
            raise WorldError(
                f"{world.at_line(file, name)}: {table} {name}: expected the columns "
                f"{', '.join(rows[0])}, found {', '.join(rows[-1])}"
            )
    return tuple(rows)


def block(text: str, lists: dict, slots: Iterable[str], file: str, where: str) -> Any:
    """The frames of a block as one choice."""
    found = world.frame_list(text, lists, tuple(slots), file, where)
    return Choice(found) if len(found) > 1 else found[0]


def read_library(file: str) -> Library:
    """The lists and pages of a file, checked."""
    data = world.read_file(file)
    lists, tables = shared()
    lists = read_lists(data.get("words", {}), lists, file)
    entries = data.get("page", [])
    pages = tuple(_read_page(entry, lists, tables, file) for entry in entries)
    return Library(lists, tables, pages)


def _read_page(entry: dict, lists: dict, tables: Tables, file: str) -> Page:
    name = world.field(entry, "name", str, file, "[[page]]")
    where = f"page {name}"
    told = world.field(entry, "draws", list, file, where)
    draws = tuple(read_draws(told, tables, file, where))
    slots = [slot for draw in draws for slot in slots_of(draw, tables)]
    text = world.field(entry, "text", str, file, where)
    blocks = tuple(
        NEW_LINE if part == NEW_LINE else block(part, lists, slots, file, where)
        for part in (part.strip() for part in text.split("\n\n"))
    )
    if entry.get("lines", False):
        blocks = tuple(part for told in blocks for part in (NEW_LINE, told))[1:]
    page = Page(name, draws, blocks, named_in(text))
    _check_told(page, file)
    return page


def _check_told(page: Page, file: str) -> None:
    """What is drawn must be told, whatever frames are chosen: a choice that leaves no
    trace in the text would be counted as entropy of the text, which it is not."""
    for draw in page.draws:
        if draw.relation and RELATIONS[draw.relation].certain:
            continue
        if not any(tells(part, draw.role) for part in page.blocks):
            line = world.at_line(file, f'name = "{page.name}"')
            raise WorldError(
                f"{line}: page {page.name}: {{{draw.role}}} is drawn but may never be "
                "told; use it in every frame of one block"
            )


def tells(node, role: str) -> bool:
    """Whether every text of the frame names the role."""
    if isinstance(node, Slot):
        name, _, rest = node.name.partition(".")
        return name[0].lower() + name[1:] == role and rest not in _ANONYMOUS
    if isinstance(node, Choice):
        return all(tells(option, role) for option in node.options)
    return isinstance(node, tuple) and any(tells(part, role) for part in node)


# ---- telling


def write(page: Page, library: Library, chooser: Chooser) -> tuple[str, dict[str, str]]:
    """The text of a page, and its labels: its name and the names of its cast."""
    cast, slots = draw_cast(page.draws, library.tables, chooser, page.named)
    labels = {"page": page.name}
    labels |= {role: subject.name for role, subject in cast.items()}
    return tell(page.blocks, slots, chooser), labels


def tell(blocks: Sequence, slots: dict[str, Any], chooser: Chooser) -> str:
    """One frame of every block, in order."""
    text = ""
    for part in blocks:
        if part == NEW_LINE:
            text += "\n"
        else:
            space = " " if text and text[-1] != "\n" else ""
            text += space + frames.expand(part, slots, chooser)
    return text
