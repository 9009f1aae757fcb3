"""Make the notebooks of the exercise sets from exercises/bank and exercises/sets.toml.

    python -m authoring exercises            write the notebooks of every set
    python -m authoring exercises --check    only say which of them are stale

Each set becomes three notebooks: `release` for learners, `solutions` for whoever learns
alone, with the answers and what people get wrong, and `instructor` (not in git), with
the answers between nbgrader's markers, and the points of each property.
"""

import argparse
import ast
import inspect
import re
import sys
import textwrap
from pathlib import Path

import nbformat

import exercises
from authoring.surroundings import ROOT
from exercises import Exercise, Set

FOLDER = ROOT / "exercises"
KINDS = ("release", "solutions", "instructor")
STUB = 'raise NotImplementedError("Your turn: replace this line with your answer.")'
METADATA = {
    "kernelspec": {
        "name": "python3",
        "display_name": "Python 3 (ipykernel)",
        "language": "python",
    },
    "language_info": {"name": "python"},
}
HOW = """\
Write your answer in place of the line that raises `NotImplementedError`, run the
cell, then run the check below it: it compares with a slow plain definition, on inputs
that tell mistakes apart, and says what probably went wrong. Try as often as you like.
If a check does not come back, your function loops: *Kernel → Interrupt*.

**What is here**
"""


def notebook(a_set: Set, kind: str) -> nbformat.NotebookNode:
    """One set for one of the `KINDS` of readers."""
    several = [exercises.load(name) for name in a_set.exercises]
    head = f"# {a_set.title}\n\n{a_set.begin}\n\n{HOW}\n{contents_table(several)}"
    cells = [markdown("begin", head), code("imports", imports(several))]
    for number, exercise in enumerate(several, 1):
        cells += exercise_cells(exercise, number, kind)
    cells.append(markdown("end", a_set.end))
    return nbformat.from_dict(
        {"cells": cells, "metadata": METADATA, "nbformat": 4, "nbformat_minor": 5}
    )


def exercise_cells(exercise: Exercise, number: int, kind: str) -> list:
    """Card, what is given, answer, check, hints, what people get wrong, and use."""
    name, points = exercise.name, sum(exercise.points.values())
    card = f"## {number} · {exercise.title}\n\n{card_line(exercise)}\n{exercise.task}"
    cells = [markdown(f"{name}-card", card, exercise=summary(exercise))]
    if exercise.given:
        cells.append(code(f"{name}-given", body_of(exercise.given)))
    write = stub if kind == "release" else inspect.getsource
    answer = "\n\n\n".join(write(part).rstrip() for part in exercise.solutions)
    if kind == "instructor":
        answer = f"### BEGIN SOLUTION\n{answer}\n### END SOLUTION"
    check = f'checks.check("{name}", {", ".join(exercise.answers)})'
    cells += [
        code(name, answer, solution=True),
        code(f"{name}-check", check, points=points),
        markdown(f"{name}-hints", hints(exercise)),
    ]
    if kind == "instructor":
        cells.append(markdown(f"{name}-points", points_table(exercise)))
    # Where a property speaks, the bank holds only a part of what it says.
    if kind != "release" and not exercise.properties:
        cells.append(markdown(f"{name}-mistakes", mistakes(exercise)))
    if exercise.after:
        cells.append(markdown(f"{name}-after", folded(exercise.after)))
    if exercise.use:
        cells.append(code(f"{name}-use", body_of(exercise.use)))
    return cells


def markdown(id_: str, text: str, **metadata):
    return nbformat.v4.new_markdown_cell(text.strip(), id=id_, metadata=metadata)


def code(id_: str, text: str, solution: bool = False, points: int | None = None):
    """A cell; with nbgrader's metadata if it is an answer, or a check with points."""
    metadata = {}
    if solution or points is not None:
        grading = {
            "grade_id": id_,
            "solution": solution,
            "grade": not solution,
            "locked": not solution,
            "task": False,
            "schema_version": 3,
        }
        metadata = {"deletable": False, "nbgrader": grading}
        if points is not None:
            metadata["editable"] = False
            grading["points"] = points
    return nbformat.v4.new_code_cell(text.strip("\n"), id=id_, metadata=metadata)


def stub(function) -> str:
    """Name, arguments and docstring of a function, without its body."""
    source = inspect.getsource(function)
    first = ast.parse(source).body[0].body[0]
    head = source.splitlines()[: first.end_lineno]
    return "\n".join([*head, f"    {STUB}"])


def body_of(function) -> str:
    source = inspect.getsource(function)
    definition = ast.parse(source).body[0]
    first = definition.body[0]
    start = min(
        [first.lineno, *(d.lineno for d in getattr(first, "decorator_list", []))]
    )
    return textwrap.dedent("\n".join(source.splitlines()[start - 1 :]))


def imports(several: list[Exercise]) -> str:
    """Those imports of the exercises' files that their cells or docstrings need."""
    plain, named = set(), {"llmlab": {"checks"}}
    for exercise in several:
        functions = [*exercise.solutions, exercise.given, exercise.use]
        sources = "\n".join(inspect.getsource(f) for f in functions if f)
        words = set(re.findall(r"\w+", sources))
        for line in ast.parse(
            Path(inspect.getfile(exercise.cases)).read_text("utf-8")
        ).body:
            if (getattr(line, "module", "") or "").startswith("exercises"):
                continue  # the bank is not for learners
            for alias in getattr(line, "names", ()):
                if (alias.asname or alias.name) not in words:
                    continue
                if isinstance(line, ast.ImportFrom):
                    named.setdefault(line.module, set()).add(ast.unparse(alias))
                else:
                    plain.add(f"import {ast.unparse(alias)}")
    plain.add("import torch")
    lines = sorted(
        plain, key=lambda line: (line.split()[1] not in sys.stdlib_module_names, line)
    )
    froms = [
        f"from {module} import {', '.join(sorted(named[module]))}"
        for module in sorted(named)
    ]
    return "\n".join([*lines, "", *froms])


def summary(exercise: Exercise) -> dict:
    names = ("name", "title", "kind", "skill", "difficulty", "importance", "minutes")
    points = sum(exercise.points.values())
    return {**{name: getattr(exercise, name) for name in names}, "points": points}


def dots(level: int) -> str:
    return "●" * level + "○" * (5 - level)


def card_line(exercise: Exercise) -> str:
    return (
        f"> **Kind** {exercise.kind} · **Skill** {exercise.skill} · **Difficulty** "
        f"{dots(exercise.difficulty)} · **Importance** {dots(exercise.importance)} · "
        f"**Time** about {exercise.minutes} minutes · **Points** "
        f"{sum(exercise.points.values())}\n>\n> **Chapter** {exercise.chapter}"
    )


def contents_table(several: list[Exercise]) -> str:
    rows = [
        f"| {e.title} | {e.kind} | {e.skill} | {e.difficulty} of 5 | {e.minutes} "
        f"| {sum(e.points.values())} |"
        for e in several
    ]
    minutes = sum(e.minutes for e in several)
    points = sum(sum(e.points.values()) for e in several)
    return "\n".join(
        [
            "| exercise | kind | skill | difficulty | minutes | points |",
            "|---|---|---|---|---|---|",
            *rows,
            f"| **together** | | | | **{minutes}** | **{points}** |",
        ]
    )


def points_table(exercise: Exercise) -> str:
    rows = [f"| {words} | {points} |" for words, points in exercise.points.items()]
    return "\n".join(
        ["| what has to hold | points |", "|---|---|", *rows, ""]
        + ["Without the first property the others are worth nothing."]
    )


def hints(exercise: Exercise) -> str:
    titles = ("Hint", "Steps in words", "Where to read")
    return "\n".join(
        f"<details><summary>{title}</summary>\n\n{text}\n\n</details>"
        for title, text in zip(titles, exercise.hints, strict=True)
    )


def folded(after: str) -> str:
    """The answer to the prediction comes first, and is not to be seen before."""
    answer, _, rest = after.strip().partition("\n\n")
    answer = answer.removeprefix("**What you predicted.** ")
    return (
        f"<details><summary>What you predicted</summary>\n\n{answer}\n\n</details>"
        f"\n\n{rest}"
    )


def mistakes(exercise: Exercise) -> str:
    sentences = dict.fromkeys(filter(None, exercise.mistakes.values()))
    return "**What people get wrong here**\n\n" + "\n".join(f"- {s}" for s in sentences)


def as_text(made) -> str:
    nbformat.validate(made)
    return nbformat.writes(made) + "\n"


def path_of(a_set: Set, kind: str) -> Path:
    return FOLDER / kind / a_set.name / f"{a_set.name}.ipynb"


def is_fresh(a_set: Set, kind: str) -> bool:
    path = path_of(a_set, kind)
    text = as_text(notebook(a_set, kind))
    return path.exists() and path.read_text("utf-8") == text


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m authoring exercises", description=__doc__.split("\n")[0]
    )
    parser.add_argument(
        "--check", action="store_true", help="write nothing, say what is stale"
    )
    only_check = parser.parse_args(words).check
    stale = False
    for a_set in exercises.sets().values():
        for kind in KINDS[:2] if only_check else KINDS:
            path = path_of(a_set, kind)
            if only_check:
                fresh = is_fresh(a_set, kind)
                stale |= not fresh
                print("ok   " if fresh else "STALE", path.relative_to(ROOT))
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(as_text(notebook(a_set, kind)), encoding="utf-8")
            print("wrote", path.relative_to(ROOT))
    if stale:
        print("Run `python -m authoring exercises` and commit what it writes.")
    return int(stale)
