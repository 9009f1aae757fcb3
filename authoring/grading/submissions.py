"""Who handed in what: every entry of a folder becomes a submission or is named."""

import os
import re
import unicodedata
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path

NOTEBOOK = re.compile(r"(.+)\.ipynb(\.txt|\.json)?", re.I | re.S)
NOT_LEARNERS = {"__macosx", "desktop.ini", "thumbs.db", "feedback"}
# "Doe Jane_12345_assignsubmission_file_", with the file's name behind it or inside.
MOODLE = re.compile(r"(?P<name>.+?)_(?P<number>\d+)_assignsubmission_[a-z]+_?.*", re.S)
# "doejane_LATE_123_456_ps1-1.ipynb": who, user, submission, the file's own name.
CANVAS = re.compile(r"(?P<name>[^_]+)(?P<late>_LATE)?_(?P<number>\d+)_\d+_.+", re.S)
DEPTH, MOST_ENTRIES = 4, 2000


@dataclass(frozen=True)
class Submission:
    """`path` is a notebook to read; without one, `problem` says why there is none."""

    name: str
    path: Path | None = None
    remark: str = ""
    problem: str = ""
    number: str = ""
    handed_in: bool = True


def shown(text: str) -> str:
    """Words of a learner, fit for a terminal and a spreadsheet.

    Bytes that are no UTF-8, control characters and escape sequences become a mark,
    and what a spreadsheet would take for a formula gets a quote before it.
    """
    text = os.fsencode(text).decode("utf-8", "replace")
    text = re.sub(r"\x1b\[[0-9;?]*[ -/]*[@-~]", "", text)
    text = "".join(
        "\N{REPLACEMENT CHARACTER}" if unicodedata.category(sign)[0] == "C" else sign
        for sign in re.sub(r"\s+", " ", text)
    ).strip()
    first = unicodedata.normalize("NFKC", text.lstrip("\N{REPLACEMENT CHARACTER} ")[:1])
    return f"'{text}" if first in tuple("=+-@") else text


def find_submissions(folder: Path, assignment: str, other_sets=(), ours=()):
    """All that lies in the folder.

    Parameters
    ----------
    folder : holds `name.ipynb`, `name/ps1.ipynb`, nbgrader's `name/ps1/ps1.ipynb`, or
        what Moodle and Canvas let an instructor download.
    other_sets : names of notebooks that are other sets, not this one misnamed.
    ours : paths that the grader itself writes.

    Returns
    -------
    submissions, passed_over : in the order of the names; names that are no learner's.
    """
    ours = {os.path.realpath(path) for path in ours}
    found, passed_over = defaultdict(list), []
    for entry in sorted(folder.iterdir()):
        is_ours = os.path.realpath(entry) in ours and not entry.is_symlink()
        if entry.name.startswith(".") or entry.name.lower() in NOT_LEARNERS or is_ours:
            passed_over.append(shown(entry.name))
            continue
        one = look_at(entry, assignment, other_sets)
        found[one.name].append(one)
    if not found:
        raise ValueError(
            f"{folder} holds no submissions: put in notebooks, name.ipynb, or folders, "
            f"name/{assignment}.ipynb"
        )
    submissions = [one for same in found.values() for one in told_apart(same)]
    return sorted(submissions, key=lambda one: one.name), passed_over


def look_at(entry: Path, assignment: str, other_sets) -> Submission:
    match = NOTEBOOK.fullmatch(entry.name)
    is_folder = entry.is_dir() and not entry.is_symlink()
    stem = entry.name if is_folder else entry.name.partition(".")[0] or entry.name
    if match and not is_folder:
        stem = match[1]
    name, number, remark = learner_of(entry.name, stem)
    one = Submission(shown(name) or "nameless", remark=remark, number=number)
    if entry.is_symlink():
        return replace(one, problem="it is a link, and links are not followed")
    if is_folder:
        return look_into(entry, one, assignment, other_sets)
    if not entry.is_file():
        return replace(one, problem="it is neither a file nor a folder")
    if match is None:
        kind = f"a {entry.suffix} file" if entry.suffix else "a file without ending"
        problem = f"{shown(entry.name)} is {kind}, not a notebook (.ipynb)"
        return replace(one, problem=problem)
    if not entry.name.endswith(".ipynb"):
        remark = joined(remark, f"it was called {shown(entry.name)}")
    return replace(one, path=entry, remark=remark)


def learner_of(entry_name: str, stem: str) -> tuple[str, str, str]:
    """Name, number and remark: platforms put more than a name into a file's name."""
    match = MOODLE.fullmatch(entry_name) or CANVAS.fullmatch(entry_name)
    if match is None:
        return stem, "", ""
    late = "late, its file name says" if match.groupdict().get("late") else ""
    return match["name"], match["number"], late


def look_into(folder: Path, one: Submission, assignment: str, other_sets) -> Submission:
    """The notebook of a learner's folder: by its name, or the only one there is."""
    named = f"{assignment}.ipynb"
    for place in (folder / assignment / named, folder / named):
        if place.parent.is_symlink() or place.is_symlink():
            problem = f"{named} is a link, and links are not followed"
            return replace(one, problem=problem)
        if place.is_file():
            return replace(one, path=place)
    found, others = notebooks_below(folder, other_sets)
    if len(found) == 1:
        remark = f"the folder's only notebook was taken: {shown(found[0].name)}"
        return replace(one, path=found[0], remark=joined(one.remark, remark))
    if found:
        several = ", ".join(shown(path.name) for path in found[:5])
        problem = f"it holds {len(found)} notebooks, and none is {named}: {several}"
        return replace(one, problem=problem)
    holds = f"; it holds {', '.join(others[:5])}" if others else ""
    problem = f"the folder holds no {named}{holds}"
    return replace(one, problem=problem, handed_in=bool(others))


def notebooks_below(folder: Path, other_sets) -> tuple[list[Path], list[str]]:
    """Notebooks that may be the one, and the names of what else was handed in."""
    found, others, looked_at = [], [], 0
    for place, folders, files in os.walk(folder):
        depth = len(Path(place).relative_to(folder).parts)
        folders[:] = sorted(
            name
            for name in folders
            if depth < DEPTH and not name.startswith((".", "__MACOSX"))
        )
        for name in sorted(files):
            looked_at += 1
            path, match = Path(place, name), NOTEBOOK.fullmatch(name)
            if name.startswith(".") or looked_at > MOST_ENTRIES:
                continue
            # In a working copy a set is called "ps1 Text.ipynb".
            if match and match[1].split(" ")[0] in other_sets:
                continue
            if match and path.is_file() and not path.is_symlink():
                found.append(path)
            elif name != "timestamp.txt":  # nbgrader's own
                others.append(shown(name))
    return found, others


def told_apart(same: list[Submission]) -> list[Submission]:
    """Entries that carry one name: two people, one with several files, or a riddle."""
    if len(same) == 1:
        return same
    by_number = defaultdict(list)
    for one in same:
        by_number[one.number].append(one)
    people = []
    for number, entries in by_number.items():
        name = f"{entries[0].name} ({number})" if len(by_number) > 1 else same[0].name
        with_notebook = [one for one in entries if one.path]
        if len(with_notebook) == 1:
            left = "; ".join(one.problem for one in entries if one.problem)
            (one,) = with_notebook
            people.append(replace(one, name=name, remark=joined(one.remark, left)))
        elif not with_notebook:
            people.append(replace(entries[0], name=name))
        else:
            problem = f"{len(with_notebook)} submissions carry this name: keep one"
            people.append(Submission(name, problem=problem))
    return people


def joined(*remarks: str) -> str:
    return "; ".join(filter(None, remarks))
