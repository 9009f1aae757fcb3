"""Notebooks as they lie in a file: plain dictionaries, read and written here."""

import hashlib
import json
from pathlib import Path

from llmlab.files import write_atomically


class NotANotebook(ValueError):
    """A file does not hold what its name promises."""


def read_notebook(path: Path) -> dict:
    """The notebook in a file; every source is one string.

    Raises
    ------
    NotANotebook : the file is broken JSON, or JSON of another kind.
    OSError : it cannot be read at all.
    """
    try:
        notebook = json.loads(path.read_bytes().decode("utf-8-sig"))
        version, cells = notebook["nbformat"], notebook["cells"]
        for cell in cells:
            if cell["cell_type"] not in ("markdown", "code", "raw"):
                raise NotANotebook(f"{path.name} has cells of an unknown type")
            cell["source"] = "".join(cell["source"])
            cell["metadata"] = dict(cell.get("metadata") or {})
            if cell["cell_type"] == "code":
                cell.setdefault("outputs", [])
                cell.setdefault("execution_count", None)
            if not isinstance(cell.get("id", ""), str):
                del cell["id"]
        notebook["metadata"] = dict(notebook.get("metadata") or {})
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise NotANotebook(f"{path.name} is not a notebook") from error
    if version != 4:
        raise NotANotebook(f"{path.name} is in the format {version}, not 4")
    return notebook


def write_notebook(path: Path, notebook: dict) -> None:
    """Write it as Jupyter does, wholly or not at all; a link keeps pointing."""
    lines = [
        {**cell, "source": cell["source"].splitlines(keepends=True)}
        for cell in notebook["cells"]
    ]
    text = json.dumps({**notebook, "cells": lines}, indent=1, ensure_ascii=False)
    # Half of a surrogate pair, as some editors leave it, cannot be encoded.
    write_atomically(path.resolve(), f"{text}\n".encode("utf-8", "backslashreplace"))


def content(cell: dict) -> tuple[str, str, str]:
    """What makes two cells the same to a reader: type, text and pictures.

    Outputs do not count, nor blanks at the ends of lines, which editors add and take.
    """
    lines = [line.rstrip() for line in cell["source"].splitlines()]
    pictures = json.dumps(cell.get("attachments") or {}, sort_keys=True)
    return cell["cell_type"], "\n".join(lines).strip("\n"), pictures


def is_blank(cell: dict) -> bool:
    return not content(cell)[1]


def digest(cell: dict) -> str:
    return hashlib.sha256(repr(content(cell)).encode("utf-8", "replace")).hexdigest()


def markdown_cell(identity: str, source: str, attachments: dict) -> dict:
    cell = {"cell_type": "markdown", "id": identity, "metadata": {}, "source": source}
    return {**cell, "attachments": attachments} if attachments else cell
