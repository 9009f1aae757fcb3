"""Build the assignments: one source each, two notebooks.

    python exercises/build.py            write the notebooks of every assignment
    python exercises/build.py --check    only say which student notebooks are stale

`source/ps1/ps1.py` is the one place where an assignment is written. From it come
`source/ps1/ps1.ipynb` for instructors, with solutions and hidden tests (not in git),
and `release/ps1/ps1.ipynb` for learners, without them (in git). nbgrader makes the
same student notebook from the instructor's, but is not needed for it.

The source marks its cells by a few words of metadata, which are expanded here:

    # %% [markdown] name="attention" skill="…" difficulty=3 minutes=20   a card
    # %% solution="attention"                     the cell that the learner edits
    # %% check="attention" points=3               the locked cell that gives points
    # %% [markdown] contents=true                 gets the list of all exercises
"""

import argparse
import copy
import sys
from pathlib import Path

import jupytext
import nbformat

FOLDER = Path(__file__).resolve().parent
STUB = 'raise NotImplementedError("Your turn: replace this line with your answer.")'
NOTEBOOK_METADATA = {
    "kernelspec": {
        "name": "python3",
        "display_name": "Python 3 (ipykernel)",
        "language": "python",
    },
    "language_info": {"name": "python"},
}


def sources(folder=FOLDER):
    return sorted((folder / "source").glob("*/*.py"))


def instructor_notebook(source):
    """The whole assignment, with solutions and hidden tests, in nbgrader's format."""
    notebook = jupytext.read(source)
    notebook.metadata = nbformat.from_dict(NOTEBOOK_METADATA)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    points = {
        cell.metadata["check"]: cell.metadata["points"]
        for cell in notebook.cells
        if "check" in cell.metadata
    }
    cards = [
        {
            **cell.metadata,
            "title": cell.source.split("\n")[0].lstrip("# "),
            "points": points[cell.metadata["name"]],
        }
        for cell in notebook.cells
        if "skill" in cell.metadata
    ]
    for number, cell in enumerate(notebook.cells):
        cell.id = f"{source.stem}-{number:02}"
        expand(cell, cards)
    return notebook


def expand(cell, cards):
    """Replace the short metadata of the source by what Jupyter and nbgrader read."""
    words = cell.metadata
    cell.metadata = nbformat.from_dict({})
    if "skill" in words:
        card = next(card for card in cards if card["name"] == words["name"])
        cell.metadata["exercise"] = card
        heading, text = cell.source.split("\n", maxsplit=1)
        cell.source = f"{heading}\n\n{card_line(card)}\n{text}"
    elif "contents" in words:
        cell.source += "\n\n" + contents_table(cards)
    elif "solution" in words:
        cell.metadata["nbgrader"] = nbgrader_metadata(words["solution"], solution=True)
    elif "check" in words:
        cell.metadata["nbgrader"] = {
            **nbgrader_metadata(f"{words['check']}-check", solution=False),
            "points": words["points"],
        }


def nbgrader_metadata(grade_id, *, solution):
    return {
        "grade_id": grade_id,
        "solution": solution,
        "grade": not solution,
        "locked": not solution,
        "task": False,
        "schema_version": 3,
    }


def card_line(card):
    level = card["difficulty"]
    dots = "●" * level + "○" * (5 - level)
    return (
        f"> **Skill** {card['skill']} · **Difficulty** {dots} {level} of 5 · "
        f"**Time** about {card['minutes']} minutes · **Points** {card['points']}"
    )


def contents_table(cards):
    rows = [
        f"| {card['title']} | {card['skill']} | {card['difficulty']} of 5 "
        f"| {card['minutes']} | {card['points']} |"
        for card in cards
    ]
    minutes = sum(card["minutes"] for card in cards)
    points = sum(card["points"] for card in cards)
    return "\n".join(
        [
            "| exercise | skill | difficulty | minutes | points |",
            "|---|---|---|---|---|",
            *rows,
            f"| **together** | | | **{minutes}** | **{points}** |",
        ]
    )


def student_notebook(instructor):
    """The same without solutions and hidden tests; locked where nbgrader locks."""
    notebook = copy.deepcopy(instructor)
    for cell in notebook.cells:
        cell.source = replace_region(cell.source, "SOLUTION", STUB)
        cell.source = replace_region(cell.source, "HIDDEN TESTS", None)
        grading = cell.metadata.get("nbgrader")
        if grading:
            cell.metadata["deletable"] = False
        if grading and grading["locked"]:
            cell.metadata["editable"] = False
    return notebook


def replace_region(text, name, replacement):
    """Cut everything between '### BEGIN name' and '### END name', markers included."""
    begin, end = f"### BEGIN {name}", f"### END {name}"
    kept, inside = [], False
    for line in text.split("\n"):
        if line.strip() == (begin if inside else end):
            raise ValueError(
                f"the markers '{begin}' and '{end}' do not alternate in the cell that "
                f"begins {text[:60]!r}: give every beginning its end"
            )
        if line.strip() == begin:
            inside = True
            if replacement:
                kept.append(line[: line.index("#")] + replacement)
        elif line.strip() == end:
            inside = False
        elif not inside:
            kept.append(line)
    if inside:
        raise ValueError(f"'{begin}' has no '{end}' in the cell {text[:60]!r}")
    return "\n".join(kept)


def write(notebook, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(as_text(notebook), encoding="utf-8")


def as_text(notebook):
    nbformat.validate(notebook)
    return nbformat.writes(notebook) + "\n"


def add_arguments(parser):
    parser.add_argument(
        "--check", action="store_true", help="write nothing, say what is stale"
    )


def main(arguments):
    stale = [source for source in sources() if not build(source, arguments.check)]
    if stale:
        print("Run `python exercises/build.py` and commit what it writes.")
    return 1 if stale else 0


def build(source, only_check=False):
    """Write both notebooks of a source, or only look. True if they are now fresh."""
    instructor = instructor_notebook(source)
    student = student_notebook(instructor)
    release = FOLDER / "release" / source.parent.name / f"{source.stem}.ipynb"
    if only_check:
        is_fresh = release.exists() and release.read_text("utf-8") == as_text(student)
        print("ok   " if is_fresh else "STALE", release.relative_to(FOLDER))
        return is_fresh
    write(instructor, source.with_suffix(".ipynb"))
    write(student, release)
    print("wrote", release.relative_to(FOLDER))
    return True


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add_arguments(parser)
    sys.exit(main(parser.parse_args()))
