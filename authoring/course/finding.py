"""Where the pages of a working copy lie, whatever their learner named them."""

import os
from pathlib import Path

from authoring.course.cells import NotANotebook, content, is_blank, read_notebook
from authoring.course.memory import read_base
from authoring.course.pages import Page
from authoring.course.report import Report, names

# A notebook without our mark is a page where it shares that much of its cells.
ENOUGH = 0.5


def notebooks_in(folder: Path) -> dict[str, dict | None]:
    """Every notebook that is seen, by its place; None for what cannot be read."""
    found = {}
    for path in sorted(folder.rglob("*.ipynb")):
        place = path.relative_to(folder)
        if any(part.startswith(".") for part in place.parts) or not path.is_file():
            continue
        try:
            found[place.as_posix()] = read_notebook(path)
        except (OSError, NotANotebook):
            found[place.as_posix()] = None
    return found


def mark(notebook: dict) -> str | None:
    """The key of the page that a notebook says it is."""
    ours = notebook["metadata"].get("llmlab")
    return ours.get("page") if isinstance(ours, dict) else None


def find_pages(folder, pages: list[Page], places: dict, report: Report) -> dict:
    """Key to place of every page that is there, whatever its name is now.

    What stands at a page's place and is no notebook any more is set aside, and the
    page is then as if it had never been delivered.
    """
    there = notebooks_in(folder)
    found = {}
    for page in pages:
        last = places.get(page.key, {}).get("path")
        others = {entry["path"] for entry in places.values()} - {last}
        place = find_page(folder, page, last, there, others | set(found.values()))
        if place:
            found[page.key] = place
            if last not in (None, place):
                report.remarks.append(f"{last} is now {place}, and is kept up there.")
        elif last in there and there[last] is None:
            aside = free_place(folder, last.replace(".ipynb", " (damaged).ipynb"))
            os.replace(folder / last, folder / aside)
            del places[page.key]
            report.remarks.append(
                f"{last} is not a notebook any more; it was set aside as {aside}."
            )
    return found


def find_page(folder: Path, page: Page, last: str | None, there, others) -> str | None:
    """By its mark; else by its cells, where another editor left no mark."""
    marked = [
        p for p, notebook in there.items() if notebook and mark(notebook) == page.key
    ]
    if marked:
        return last if last in marked else marked[0]
    base = read_base(folder, page) or page.notebook
    wanted = {content(cell) for cell in base["cells"] if not is_blank(cell)}
    ids = {cell["id"] for cell in base["cells"]}

    def share(notebook: dict) -> float:
        cells = notebook["cells"]
        same = {content(c) for c in cells} & wanted, {c.get("id") for c in cells} & ids
        return max(len(same[0]) / len(wanted), len(same[1]) / len(ids))

    shares = {
        place: share(notebook)
        for place, notebook in there.items()
        if notebook and not mark(notebook) and place not in others
    }
    if shares.get(last, 0) > 0:
        return last
    best = max(shares, key=shares.get, default=None)
    return best if best and shares[best] >= ENOUGH else None


def free_place(folder: Path, place: str) -> str:
    """The place, or where something stands there, the next with a number."""
    stem, number = place.removesuffix(".ipynb"), 1
    while os.path.lexists(folder / place):
        number += 1
        place = f"{stem} ({number}).ipynb"
    return place


def page_named(words: str, pages: list[Page], places: dict) -> Page:
    """By key, by number or by name, with or without `.ipynb`.

    Raises
    ------
    ValueError : there is none; says which there are.
    """
    wanted = words.lower().removesuffix(".ipynb")
    for page in pages:
        path = places.get(page.key, {}).get("path", page.name)
        called = (page.key, page.key[:2], page.key[-3:], page.name, path)
        called += (Path(page.name).name, Path(path).name)
        if wanted in (name.lower().removesuffix(".ipynb") for name in called):
            return page
    there = names([page.name for page in pages])
    raise ValueError(f"no page is called {words!r}; there are: {there}")
