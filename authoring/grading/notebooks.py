"""The code of a submitted notebook. Nothing else in the file decides anything."""

import codecs
import json
import os
import stat
from pathlib import Path

MOST_BYTES = 100_000_000
MOST_CELLS = 2000


class CannotGrade(Exception):
    """A submission that yields no points; the message says why, in words."""


def read_bytes(path: Path) -> bytes:
    """The file itself: no link is followed, and no pipe is waited for."""
    flags = os.O_RDONLY
    for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY"):
        flags |= getattr(os, name, 0)
    with open(os.open(path, flags), "rb") as file:
        state = os.fstat(file.fileno())
        if not stat.S_ISREG(state.st_mode):
            raise CannotGrade("it is not a plain file")
        if state.st_size > MOST_BYTES:
            raise CannotGrade(
                f"it has {state.st_size / 1e6:.0f} MB; at most "
                f"{MOST_BYTES / 1e6:.0f} are read: clear its outputs"
            )
        return file.read(MOST_BYTES)


def code_cells(content: bytes) -> list[str]:
    """The sources of the code cells, in order; whatever the metadata say."""
    notebook = parse(content)
    cells = notebook.get("cells")
    if cells is None and isinstance(notebook.get("worksheets"), list):  # version 3
        sheets = [sheet for sheet in notebook["worksheets"] if isinstance(sheet, dict)]
        cells = [cell for sheet in sheets for cell in sheet.get("cells") or []]
    if not isinstance(cells, list):
        raise CannotGrade("this is not a notebook: it has no list of cells")
    sources = [
        text_of(cell.get("source", cell.get("input")))
        for cell in cells[:MOST_CELLS]
        if isinstance(cell, dict) and cell.get("cell_type") == "code"
    ]
    if not any(source.strip() for source in sources):
        raise CannotGrade("its notebook holds no code")
    return sources


def parse(content: bytes) -> dict:
    is_utf_16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = content.decode("utf-16" if is_utf_16 else "utf-8-sig")
        notebook = json.loads(text)
    except UnicodeDecodeError:
        raise CannotGrade("this is not a readable notebook (not UTF-8)") from None
    except RecursionError:
        raise CannotGrade("this is not a readable notebook (nested too deep)") from None
    except ValueError as error:
        raise CannotGrade(f"this is not a readable notebook ({error})") from None
    if not isinstance(notebook, dict):
        raise CannotGrade("this is not a notebook: it has no list of cells")
    return notebook


def text_of(source) -> str:
    """nbformat allows a string or a list of lines."""
    if isinstance(source, list):
        return "".join(line for line in source if isinstance(line, str))
    return source if isinstance(source, str) else ""
