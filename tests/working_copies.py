"""A course of one short chapter, and what learners do to their copy of it."""

import copy

import nbformat

from authoring.course import cells as files
from authoring.course.pages import Page

NAME = "00 A chapter.ipynb"
WORDS = {
    "title": "# 0 · A chapter",
    "imports": "import math\nimport random",
    "explain": "A gull flies over the harbour and looks for a fish in the water.",
    "train": "loss = 4.0\nfor step in range(300):\n    loss = loss * 0.99\nprint(loss)",
    "ask": "What do you expect of the loss after three hundred steps of training?",
    "check": "assert loss < 1, 'the loss should have fallen below one by now'",
    "end": "The next chapter tells of tokens, of bytes and of what a word costs.",
}
CODE = {"imports", "train", "check", "plot"}


def cell(name, source, kind=None, **more):
    """A cell as it is built: its id is a digest of its source."""
    kind = kind or ("code" if name in CODE else "markdown")
    made = {"cell_type": kind, "metadata": {}, "source": source}
    if kind == "code":
        made |= {"outputs": [], "execution_count": None}
    return {"id": files.digest(made)[:8], **made, **more}


def course(root, words=WORDS, key="00_a_chapter", name=NAME):
    notebook = {
        "cells": [cell(name, text) for name, text in words.items()],
        "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return [Page(key, name, f"notebooks/{key}.ipynb", notebook, root)]


def place(cells, name):
    """Where a cell of the first delivery stands now."""
    return next(i for i, c in enumerate(cells) if c["source"] == WORDS[name])


def read(folder, name=NAME):
    return files.read_notebook(folder / name)


def edit(folder, change, name=NAME):
    """The learner's hand: `change(cells)` works in place or returns other cells."""
    notebook = read(folder, name)
    cells = copy.deepcopy(notebook["cells"])
    notebook["cells"] = change(cells) or cells
    files.write_notebook(folder / name, notebook)
    return notebook["cells"]


def sources(folder, name=NAME):
    return [c["source"] for c in read(folder, name)["cells"]]


def tree(folder):
    """Every file with its bytes, but for what was there before an update."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "previous" not in path.parts
    }


def is_whole(folder, name=NAME):
    """Jupyter finds nothing to mend in the notebook."""
    notebook = nbformat.read(folder / name, as_version=4)
    nbformat.validate(notebook)
    assert len({c.id for c in notebook.cells}) == len(notebook.cells)
    return True
