"""A learner's folder: delivered on the first day, brought up to date later.

A notebook is written before its base, and both before the state: an update that was
stopped anywhere between is done again by the next one, and changes nothing twice.
"""

import stat
from pathlib import Path

from authoring.course.cells import NotANotebook, read_notebook, write_notebook
from authoring.course.finding import (
    find_pages,
    free_place,
    mark,
    notebooks_in,
    page_named,
)
from authoring.course.memory import DOT, kept_file, read_base, read_state, write_state
from authoring.course.merging import LostCell, merge
from authoring.course.pages import Page
from authoring.course.report import Report
from authoring.course.trust import keep_trust
from llmlab.files import write_atomically
from llmlab.paths import ROOT


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
    places = dict(known or {})
    wanted = page_named(restore, pages, places) if restore else None
    prepare(folder, report)
    found = find_pages(folder, pages, places, report)
    if wanted and wanted.key in found:
        lay_fresh(folder, wanted, found, pages, report)
    elif wanted:
        places.pop(wanted.key, None)
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


def prepare(folder: Path, report: Report) -> None:
    """The folder of what is remembered; and what git is to see of the rest."""
    for name in ("base", "previous"):
        (folder / DOT / name).mkdir(parents=True, exist_ok=True)
    ignore, above = folder / ".gitignore", folder.resolve().parents
    if ROOT in above and not ignore.exists():
        # Within the clone git never shows it, also under another name.
        ignore.write_text("*\n", "utf-8")
    repository = next((path for path in above if (path / ".git").exists()), ROOT)
    if report.first_day and repository != ROOT:
        report.remarks.append(
            f"It lies in the git repository {repository}: whether your work is "
            "committed there is up to you."
        )
