"""A learner's folder: delivered on the first day, brought up to date later.

Beside the notebooks stands `.course/`, which a file browser does not show:

    state.json      the format, and where each page lies
    base/           each page as it was delivered last
    previous/       each page as it was before its last update

A notebook is written before its base, and both before the state: an update that was
stopped anywhere between is done again by the next one, and changes nothing twice.
"""

import json
import os
import stat
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from llmlab.course.cells import (
    NotANotebook,
    content,
    is_blank,
    read_notebook,
    write_notebook,
)
from llmlab.course.merging import LostCell, merge
from llmlab.course.pages import Page
from llmlab.course.trust import keep_trust
from llmlab.files import write_atomically
from llmlab.paths import ROOT

FORMAT = 1
DOT = ".course"
# A notebook without our mark is a page where it shares that much of its cells.
ENOUGH = 0.5


class TooNew(ValueError):
    """The folder was made by a newer version of the course."""


@dataclass
class Report:
    """What an update did, to be told."""

    first_day: bool = False
    counts: Counter = field(default_factory=Counter)
    delivered: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    beside: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def tell(self, place: str, counts: Counter) -> None:
        self.counts += counts
        self.updated.append(place)
        if counts["beside"]:
            self.beside.append(place)

    def sentences(self) -> list[str]:
        said = list(self.remarks)
        if self.first_day:
            return [
                f"Your working copy is made: {len(self.delivered)} notebooks.",
                *said,
            ]
        if self.delivered:
            said.append(f"New in your folder: {names(self.delivered)}.")
        if self.updated:
            said.append(f"Brought up to date: {names(self.updated)}.")
            words = ("new", "replaced", "gone")
            parts = [f"{self.counts[w]} {w}" for w in words if self.counts[w]]
            kept = f"{self.counts['kept']} of your own kept"
            said.append(f"Cells: {', '.join([*parts, kept])}.")
        if self.beside:
            said.append(
                "Where you and the course changed the same cell, yours stays and the "
                f"course's new version stands below it: {names(self.beside)}."
            )
        return said


def names(places: list[str]) -> str:
    return ", ".join(place.removesuffix(".ipynb") for place in places)


def bring_up_to_date(
    folder: Path, pages: list[Page], restore: str | None = None
) -> Report:
    """Make the working copy, or bring an old one up to date.

    restore : a page that is wanted anew: one that the learner deleted comes back, of
        one that is there a fresh copy is laid beside it.

    Raises
    ------
    ValueError : the folder is a file, or holds somebody's other files; or there is no
        page to restore of that name.
    TooNew : it was made by a newer course; nothing was touched.
    OSError : it cannot be written.
    """
    report = Report()
    raise_unless_fit(folder)
    known = read_state(folder, report)
    report.first_day = known is None and not notebooks_in(folder)
    repository = next(
        (p for p in folder.resolve().parents if (p / ".git").exists()), ROOT
    )
    if report.first_day and repository != ROOT:
        report.remarks.append(
            f"It lies in the git repository {repository}: whether your work is "
            "committed there is up to you."
        )
    places = dict(known or {})
    wanted = page_named(restore, pages, places) if restore else None
    prepare(folder)
    found = find_pages(folder, pages, places, report)
    if wanted and wanted.key not in found:
        places.pop(wanted.key, None)
    elif wanted:
        lay_fresh(folder, wanted, found, pages, report)
    for page in pages:
        if page.key not in found and page.key not in places:
            found[page.key] = free_place(folder, page.name)
    where = {page.stored: found[page.key] for page in pages if page.key in found}
    for page in pages:
        if page.key in found:
            update(folder, page, found[page.key], where, report)
            places[page.key] = {"path": found[page.key]}
    say_what_is_gone(pages, found, places, report)
    write_state(folder, places)
    return report


def update(folder: Path, page: Page, place: str, where: dict, report: Report) -> None:
    """Deliver one page, or merge what the course changed in it."""
    path, new = folder / place, page.delivered(place, where)
    base, kept = read_base(folder, page), kept_file(folder, "base", page)
    if not path.exists():
        write_notebook(path, new)
        write_notebook(kept, new)
        report.delivered.append(place)
        return
    if base == new:
        return
    try:
        mine = read_notebook(path)
        merged = merge(base and base["cells"], mine["cells"], new["cells"])
    except (OSError, NotANotebook, LostCell) as error:
        report.remarks.append(f"{place} was left as it is: {error}.")
        return
    metadata = {**new["metadata"], **mine["metadata"]}
    metadata["llmlab"] = new["metadata"]["llmlab"]
    result = {**mine, "cells": merged.cells, "metadata": metadata}
    result["nbformat_minor"] = max(5, mine.get("nbformat_minor") or 0)
    if result != mine:
        if not path.stat().st_mode & stat.S_IWUSR:
            report.remarks.append(f"{place} may not be written and was left as it is.")
            return
        write_atomically(kept_file(folder, "previous", page), path.read_bytes())
        write_notebook(path, result)
        keep_trust(mine, result)
        report.tell(place, merged.counts)
    write_notebook(kept, new)


def page_named(words: str, pages: list[Page], places: dict) -> Page:
    """By key, by number or by name, with or without `.ipynb`.

    Raises
    ------
    ValueError : there is none; says which there are.
    """
    wanted = words.lower().removesuffix(".ipynb")
    for page in pages:
        path = places.get(page.key, {}).get("path", page.name)
        names = (page.key, page.key[:2], page.key[-3:], page.name, path)
        names += (Path(page.name).name, Path(path).name)
        if wanted in (name.lower().removesuffix(".ipynb") for name in names):
            return page
    names = ", ".join(page.name.removesuffix(".ipynb") for page in pages)
    raise ValueError(f"no page is called {words!r}; there are: {names}")


def lay_fresh(folder: Path, page: Page, found: dict, pages, report: Report) -> None:
    """A copy that is the learner's alone: no update touches it."""
    where = {page.stored: found[page.key] for page in pages if page.key in found}
    place = free_place(folder, page.name.replace(".ipynb", " (fresh).ipynb"))
    fresh = page.delivered(place, where)
    del fresh["metadata"]["llmlab"]
    write_notebook(folder / place, fresh)
    report.remarks.append(f"{found[page.key]} is there; a fresh one is {place}.")


def say_what_is_gone(pages, found: dict, places: dict, report: Report) -> None:
    """Pages that the learner deleted, and those that the course gave up; once each."""
    keys = {page.key for page in pages}
    for key in sorted(places.keys() - keys):
        report.remarks.append(
            f"{places.pop(key)['path']} is no longer part of the course; yours stays."
        )
    for key in sorted(places.keys() - found.keys()):
        if not places[key].get("deleted"):
            places[key]["deleted"] = True
            report.remarks.append(
                f"{places[key]['path']} is not there any more and was not brought "
                f"back. To have it: python -m llmlab course --restore {key}"
            )


def raise_unless_fit(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file; name a folder for your working copy")
    if not folder.exists() or (folder / DOT).is_dir():
        return
    others = [p.name for p in folder.iterdir() if not p.name.startswith(".")]
    if others and not any(mark(n) for n in notebooks_in(folder).values() if n):
        raise ValueError(
            f"{folder} holds other files, such as {others[0]}; name a new folder or an "
            "empty one for your working copy"
        )


def prepare(folder: Path) -> None:
    for name in ("base", "previous"):
        (folder / DOT / name).mkdir(parents=True, exist_ok=True)
    # Within the clone git never shows it, also under another name.
    ignore = folder / ".gitignore"
    if folder.resolve().is_relative_to(ROOT) and not ignore.exists():
        ignore.write_text("*\n", "utf-8")


# What was remembered


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
    try:
        return read_notebook(kept_file(folder, "base", page))
    except (OSError, NotANotebook):
        return None


# Where the pages lie


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
