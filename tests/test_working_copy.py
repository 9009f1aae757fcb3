"""A learner's folder: delivered, brought up to date, and nothing of theirs lost."""

import pytest

from llmlab.course import cells as files
from llmlab.course.pages import Page, course_pages
from llmlab.course.working_copy import bring_up_to_date

WORDS = {
    "title": "# 0 · A chapter",
    "imports": "import math\nimport random",
    "explain": "A gull flies over the harbour and looks for a fish in the water.",
    "train": "loss = 4.0\nfor step in range(300):\n    loss = loss * 0.99\nprint(loss)",
    "ask": "What do you expect of the loss after three hundred steps of training?",
    "check": "assert loss < 1, 'the loss should have fallen below one by now'",
    "end": "The next chapter tells of tokens, of bytes and of what a word costs.",
}
CODE = {"imports", "train", "check"}


def cell(identity, source, kind=None):
    kind = kind or ("code" if identity in CODE else "markdown")
    made = {"cell_type": kind, "id": identity, "metadata": {}, "source": source}
    return made | ({"outputs": [], "execution_count": None} if kind == "code" else {})


def course(tmp_path, words=WORDS, key="00_a_chapter"):
    """The course as one page of these cells; ids are hashes of the text, as built."""
    made = [cell(name, text) for name, text in words.items()]
    for one in made:
        one["id"] = files.digest(one)[:8]
    notebook = {"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    return [
        Page(key, "00 A chapter.ipynb", f"notebooks/{key}.ipynb", notebook, tmp_path)
    ]


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "my_course"


def page(folder, name="00 A chapter.ipynb"):
    return files.read_notebook(folder / name)


def sources(folder, name="00 A chapter.ipynb"):
    return [c["source"] for c in page(folder, name)["cells"]]


def test_the_first_day_delivers_every_page_in_order_without_outputs(folder):
    report = bring_up_to_date(folder, course_pages())
    seen = sorted(p.name for p in folder.glob("*") if not p.name.startswith("."))
    assert seen[0] == "00 Start here.ipynb" and seen[-1] == "exercises"
    assert len(report.delivered) == len(course_pages())
    for path in folder.rglob("[!.]*.ipynb"):
        for one in files.read_notebook(path)["cells"]:
            assert not one.get("outputs") and one.get("execution_count") is None


def test_an_update_replaces_what_is_untouched_and_keeps_what_is_changed(
    folder, tmp_path
):
    bring_up_to_date(folder, course(tmp_path))
    mine = page(folder)
    mine["cells"][3]["source"] += "\nprint('mine')"
    mine["cells"].insert(3, cell("own", "my own note"))
    files.write_notebook(folder / "00 A chapter.ipynb", mine)
    words = WORDS | {
        "train": WORDS["train"].replace("300", "600"),
        "explain": WORDS["explain"] + " It finds one.",
    }
    bring_up_to_date(folder, course(tmp_path, words))
    now = sources(folder)
    assert "my own note" in now and WORDS["train"] + "\nprint('mine')" in now
    assert words["explain"] in now and WORDS["explain"] not in now
    assert any("new version" in s and "range(600)" in s for s in now)
    again = bring_up_to_date(folder, course(tmp_path, words))
    assert sources(folder) == now and not again.updated
