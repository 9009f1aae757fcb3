"""What is remembered of a working copy, in its folder `.course/`.

state.json      the format, and where each page lies
base/           each page as it was delivered last
previous/       each page as it was before its last update
"""

import json
import os
from pathlib import Path

from authoring.course.cells import NotANotebook, read_notebook
from authoring.course.pages import Page
from authoring.course.report import Report
from llmlab.files import write_atomically

FORMAT = 1
DOT = ".course"


class TooNew(ValueError):
    """The folder was made by a newer version of the course."""


def read_state(folder: Path, report: Report) -> dict | None:
    """Key to `{"path": …, "deleted": …}`; None where nothing is known."""
    path = folder / DOT / "state.json"
    try:
        state = json.loads(path.read_text("utf-8"))
        version, pages = state["format"], state["pages"]
        if version > FORMAT:
            raise TooNew(
                f"{folder} was made by a newer version of the course (its format is "
                f"{version}, this one knows {FORMAT}); nothing in it was changed"
            )
        return {str(k): {**v, "path": str(v["path"])} for k, v in pages.items()}
    except FileNotFoundError:
        return None
    except TooNew:
        raise
    except (ValueError, KeyError, TypeError, AttributeError):
        os.replace(path, path.with_name("state (damaged).json"))
        report.remarks.append(
            "What was noted about your folder could not be read; your notebooks were "
            "found by what is in them."
        )
        return None


def write_state(folder: Path, places: dict) -> None:
    state = {"format": FORMAT, "pages": places}
    data = json.dumps(state, indent=1, ensure_ascii=False).encode()
    path = folder / DOT / "state.json"
    if not path.exists() or path.read_bytes() != data:
        write_atomically(path, data)


def kept_file(folder: Path, kind: str, page: Page) -> Path:
    return folder / DOT / kind / f"{page.key.replace('/', '-')}.ipynb"


def read_base(folder: Path, page: Page) -> dict | None:
    """What was delivered last, or None where that is not known."""
    try:
        base = read_notebook(kept_file(folder, "base", page))
    except (OSError, NotANotebook):
        return None
    return base if all("id" in cell for cell in base["cells"]) else None
