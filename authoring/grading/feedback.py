"""What learners read of their grading, and what a class did not understand yet."""

import re
from collections import Counter
from pathlib import Path

from authoring.grading.table import UNDECIDED, Table, total
from llmlab.files import write_atomically


def write_feedback(table: Table, assignment, folder: Path, learners) -> None:
    """`folder/ps1/mara.md` for each: sentences on visible cases, nothing hidden."""
    taken = set()
    for name, rows in table.of_set(assignment.name).items():
        place = re.sub(r"[^\w .-]", "_", name).strip(". ")[:80] or "nameless"
        while place.casefold() in taken:
            place += "_"
        taken.add(place.casefold())
        if name in learners:
            text = page(name, rows, assignment)
            path = folder / assignment.name / f"{place}.md"
            write_atomically(path, text.encode("utf-8", "replace"))


def page(name: str, rows: dict[str, dict], assignment) -> str:
    titles = {exercise.name: exercise.title for exercise in assignment.exercises}
    points, possible = total(rows.values()), total(rows.values(), "possible")
    lines = [f"# {assignment.name}: {name}", f"{points:g} of {possible:g} points."]
    for exercise, row in rows.items():
        share = f"{float(row['points']):g} of {float(row['possible']):g}"
        lines.append(f"## {titles.get(exercise, exercise)} ({share})")
        lines.append(in_words(row))
    return "\n\n".join(lines) + "\n"


def in_words(row: dict) -> str:
    if row["status"] in UNDECIDED:
        return f"It is {row['status']}: {row['said'] or 'ask your instructor'}."
    if row["said"]:
        return row["said"]
    return (
        "Your answer is right on the cases of the check in the notebook, and not on "
        "all others: try inputs of other sizes, and the extremes."
    )


def class_report(table: Table, assignment) -> str:
    """For each exercise how many are right, and how often each sentence was said."""
    learners = table.of_set(assignment.name)
    lines = [f"{assignment.name}: {len(learners)} learners"]
    for exercise in assignment.exercises:
        rows = [r[exercise.name] for r in learners.values() if exercise.name in r]
        right = sum(row["points"] == row["possible"] for row in rows)
        lines.append(f"  {exercise.name}: {right} of {len(rows)} right")
        said = Counter(
            row["said"] or f"({row['status']})"
            for row in rows
            if row["points"] != row["possible"]
        )
        for sentence, count in said.most_common(8):
            lines.append(f"    {count:3} of {len(rows)}: {sentence}")
    return "\n".join(lines)
