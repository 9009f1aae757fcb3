"""The pages of the course as a learner gets them: stored notebooks without outputs.

What was asked for with `desk.predict` stands folded behind `desk.answer`, so that a
prediction comes first; links lead to what there is in a working copy.
"""

import copy
import html
import platform
import posixpath
import re
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

from authoring.course.cells import markdown_cell, read_notebook
from llmlab.paths import ROOT

LINK = re.compile(r"(?<!!)\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\(([^()\s]+)\)")
CALL = r'desk\.{name}\(\s*["\']([^"\']+)["\']'
PREDICT, ANSWER = (re.compile(CALL.format(name=n)) for n in ("predict", "answer"))
# As a kernel says it, so that JupyterLab finds nothing to change in a page it opens.
LANGUAGE = {
    "name": "python",
    "version": platform.python_version(),
    "mimetype": "text/x-python",
    "codemirror_mode": {"name": "ipython", "version": 3},
    "pygments_lexer": "ipython3",
    "nbconvert_exporter": "python",
    "file_extension": ".py",
}
PICTURES = {"image/png": "png", "image/jpeg": "jpg"}


@dataclass(frozen=True)
class Page:
    """One notebook of the course.

    key : its name for ever, such as `05_next_token_pretraining` or `exercises/ps1`.
    name : where it lies in a new working copy, such as `exercises/ps1 Text.ipynb`.
    stored : where it lies in the clone, seen from its root.
    notebook : as it is stored.
    root : of the clone.
    """

    key: str
    name: str
    stored: str
    notebook: dict
    root: Path

    def delivered(self, here: str, places: dict[str, str]) -> dict:
        """The notebook for a learner.

        here : where it lies in the working copy.
        places : stored place to place in the working copy, of every page there is.
        """
        folder = posixpath.dirname(self.stored)

        def link(text: str, target: str) -> str | None:
            path, sign, part = target.partition("#")
            path = posixpath.normpath(posixpath.join(folder, unquote(path) or "?"))
            if path not in places:
                return text if (self.root / path).exists() else None
            place = posixpath.relpath(places[path], posixpath.dirname(here) or ".")
            return f"[{text}]({quote(place)}{sign}{part})"

        cells = with_results_folded(self.notebook["cells"])
        for cell in cells:
            if cell["cell_type"] == "code":
                cell["outputs"], cell["execution_count"] = [], None
            elif cell["cell_type"] == "markdown":
                cell["source"] = with_links(cell["source"], link)
        stored = self.notebook["metadata"]
        ours = {"llmlab": {"page": self.key}, "language_info": LANGUAGE}
        metadata = {**stored, **ours}
        version = {"nbformat": 4, "nbformat_minor": 5}
        return {"cells": cells, "metadata": metadata, **version}


def course_pages(root: Path = ROOT) -> list[Page]:
    """All pages in the order of the course, problem sets last.

    Raises
    ------
    ValueError : there are none: this is not a clone.
    """
    chapters = sorted((root / "notebooks").glob("[0-9]*.ipynb"))
    sets = sorted((root / "exercises" / "release").glob("*/*.ipynb"))
    if not chapters:
        raise ValueError(
            "there are no notebooks here; the course is opened from a clone of its "
            "repository"
        )
    return [page_of(path, root) for path in (*chapters, *sets)]


def page_of(path: Path, root: Path) -> Page:
    notebook = read_notebook(path)
    title = re.search(r"^# (.+)$", notebook["cells"][0]["source"], re.MULTILINE)[1]
    stored = path.relative_to(root).as_posix()
    number = path.stem.partition("_")[0]  # 05 or ps1
    name = f"{number} {file_name(title.rpartition(' · ')[2])}.ipynb"
    of_exercises = "exercises/" if stored.startswith("exercises/") else ""
    key = of_exercises + path.stem
    return Page(key, of_exercises + name, stored, notebook, root)


def file_name(title: str) -> str:
    """A title as every system takes it for a file's name."""
    return re.sub(r'[<>:"/\\|?*\x00-\x1f`]', "", title).strip(" .")


def with_links(source: str, link: Callable[[str, str], str | None]) -> str:
    """Links as `link(text, target)` has them; None leaves one as it is."""
    return LINK.sub(lambda found: link(found[1], found[2]) or found[0], source)


def with_results_folded(cells: list[dict]) -> list[dict]:
    """A copy in which what came of a prediction stands behind its answer, folded.

    It is what the cells since the prediction put out, each told once.
    """
    asked, told, result = {}, -1, []  # name to the place of its prediction
    for place, cell in enumerate(cells):
        result.append(copy.deepcopy(cell))
        if cell["cell_type"] != "code":
            continue
        names = ANSWER.findall(cell["source"])
        if since := [asked.pop(name) for name in names if name in asked]:
            outputs = [
                output
                for other in cells[max(min(since), told) + 1 : place + 1]
                if not PREDICT.search(other["source"])
                for output in other.get("outputs", [])
            ]
            result += folded(outputs, f"got-{cell['id']}")
            told = place
        asked |= dict.fromkeys(PREDICT.findall(cell["source"]), place)
    return result


def folded(outputs: list[dict], identity: str) -> list[dict]:
    """No cell or one: the outputs as text and pictures, closed until it is clicked."""
    parts, attachments = [], {}
    for output in outputs:
        data = output.get("data", {})
        kind = next((kind for kind in PICTURES if kind in data), None)
        if kind:
            name = f"result-{len(attachments) + 1}.{PICTURES[kind]}"
            attachments[name] = {kind: "".join(data[kind])}
            parts.append(f"![what the course got](attachment:{name})")
        elif text := text_of(output):
            parts.append(f"<pre>{html.escape(text, quote=False)}</pre>")
    if not parts:
        return []
    body = "\n\n".join(parts)
    source = (
        f"<details>\n<summary>What the course got</summary>\n\n{body}\n\n</details>"
    )
    return [markdown_cell(identity, source, attachments)]


def text_of(output: dict) -> str:
    """Without colours of a terminal, in lines that fit the page."""
    data = output.get("data", {})
    text = output.get("text") or data.get("text/markdown") or data.get("text/plain")
    lines = re.sub(r"\x1b\[[\d;]*m", "", "".join(text or "")).strip("\n").split("\n")
    return "\n".join(textwrap.fill(n, 80) if len(n) > 88 else n for n in lines)
