"""grades.csv: a row for each learner and exercise, merged and never lost."""

import csv
import io
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from pathlib import Path

from authoring.grading.submissions import shown
from llmlab.files import write_atomically

UNDECIDED = ("not graded", "missing")


@dataclass(frozen=True)
class Row:
    """`said` is fit for the learner; `remark` is not: it may tell of hidden cases."""

    set: str
    name: str
    exercise: str
    points: float
    possible: float
    status: str
    said: str
    remark: str
    seed: int
    submission: str

    @property
    def key(self) -> tuple[str, str, str]:
        return self.set, self.name, self.exercise


COLUMNS = [one.name for one in fields(Row)]


class Table:
    """The rows of a CSV file, and columns that somebody added to it."""

    def __init__(self, path: Path):
        self.path, self.rows, self.columns = path, {}, COLUMNS
        if not path.exists():
            return
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            missing = set(COLUMNS) - set(reader.fieldnames or ())
            if missing:
                raise ValueError(
                    f"{path} is no table of grades, or an old one: it has no column "
                    f"{', '.join(sorted(missing))}. Choose another file with --csv"
                )
            self.columns = list(reader.fieldnames)
            for line in reader:
                row = {name: line[name] or "" for name in self.columns}
                self.rows[row["set"], row["name"], row["exercise"]] = row

    def enter(self, rows: list[Row]) -> bool:
        """Take in one learner's rows; False if better ones stand there and stay."""
        undecided = all(row.status in UNDECIDED for row in rows)
        before = [self.rows[row.key] for row in rows if row.key in self.rows]
        if undecided and any(row["status"] not in UNDECIDED for row in before):
            return False
        for row in rows:
            extra = self.rows.get(row.key, {})
            words = {name: str(value) for name, value in asdict(row).items()}
            self.rows[row.key] = {**extra, **words}
        return True

    def save(self) -> None:
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, self.columns, restval="")
        writer.writeheader()
        writer.writerows(self.rows[key] for key in sorted(self.rows))
        write_atomically(self.path, text.getvalue().encode())

    def of_set(self, name: str) -> dict[str, dict[str, dict]]:
        """Learner -> exercise -> row."""
        found = defaultdict(dict)
        for (assignment, learner, exercise), row in sorted(self.rows.items()):
            if assignment == name:
                found[learner][exercise] = row
        return found

    def has(self, assignment, name: str, submission: str) -> bool:
        """Whether this very submission was graded whole, with the same cases."""
        rows = self.of_set(assignment.name).get(name, {})
        return bool(submission) and all(
            one.name in rows
            and rows[one.name]["submission"] == submission
            and rows[one.name]["status"] == "graded"
            and rows[one.name]["seed"] == str(assignment.seed)
            for one in assignment.exercises
        )

    def seed_of(self, name: str) -> int | None:
        seeds = [row["seed"] for key, row in self.rows.items() if key[0] == name]
        return int(seeds[0]) if seeds and seeds[0].isdigit() else None


# Classes and other formats


def read_roster(path: Path) -> list[dict[str, str]]:
    """The class: a CSV with a column `name`, and others such as id and email."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        if "name" not in (reader.fieldnames or ()):
            raise ValueError(f"{path} has no column 'name': its first line names them")
        rows = [{k: v or "" for k, v in line.items() if k} for line in reader]
    return [{**row, "name": shown(row["name"])} for row in rows if row["name"].strip()]


def in_roster(name: str, roster: list[dict[str, str]]) -> str | None:
    """The name in the class list; submissions may be named by any of its columns."""
    named = [
        row["name"]
        for row in roster
        if any(plain(value) == plain(name) for value in row.values())
    ]
    return named[0] if len(named) == 1 else None


def plain(name: str) -> tuple[str, ...]:
    """Doe Jane, jane doe and Jane_Doe are one."""
    name = unicodedata.normalize("NFKC", name).casefold()
    return tuple(sorted(name.replace("_", " ").replace(",", " ").split()))


def write_wide(table: Table, roster: list[dict[str, str]], path: Path) -> None:
    """One row a learner: the class list's columns, then exercises and sums."""
    sets = sorted({key[0] for key in table.rows})
    graded = {name: table.of_set(name) for name in sets}
    people = {row["name"]: row for row in roster}
    names = sorted({*people, *(key[1] for key in table.rows)})
    own = [k for k in (roster[0] if roster else {}) if k != "name"]
    headers = ["name", *own]
    exercises = {
        name: sorted({key[2] for key in table.rows if key[0] == name}) for name in sets
    }
    for name in sets:
        headers += [f"{name} {one}" for one in exercises[name]]
        headers += [f"{name} sum", f"{name} status"]
    lines = []
    for learner in names:
        line = [learner, *(people.get(learner, {}).get(k, "") for k in own)]
        for name in sets:
            rows = graded[name].get(learner, {})
            line += [rows[k]["points"] if k in rows else "" for k in exercises[name]]
            line += [total(rows.values()) if rows else "", status(rows.values())]
        lines.append(map(shown, map(str, line)))
    write_csv(path, headers, lines)


def total(rows: Iterable[dict], column: str = "points") -> float:
    return sum(float(row[column]) for row in rows)


def status(rows: Iterable[dict]) -> str:
    """Of a learner: the least decided of the exercises'."""
    found = {row["status"] for row in rows}
    order = ("missing", "not graded", "partly graded", "graded")
    return next((one for one in order if one in found), "missing")


def write_nbgrader(table: Table, roster: list[dict[str, str]], path: Path) -> None:
    """The columns of `nbgrader export`, one row for each set and learner."""
    people = {row["name"]: row for row in roster}
    headers = "assignment duedate timestamp student_id last_name first_name email"
    headers = f"{headers} raw_score late_submission_penalty score max_score".split()
    lines = []
    for name in sorted({key[0] for key in table.rows}):
        for learner, rows in table.of_set(name).items():
            person = people.get(learner, {})
            words = [person.get("id", learner), person.get("last_name", "")]
            words += [person.get("first_name", ""), person.get("email", "")]
            score, most = total(rows.values()), total(rows.values(), "possible")
            time = datetime.now().isoformat(" ", "seconds")
            lines.append([name, "", time, *map(shown, words), score, 0.0, score, most])
    write_csv(path, headers, lines)


def write_csv(path: Path, headers: list[str], lines: Iterable) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(headers)
    writer.writerows(lines)
    write_atomically(path, text.getvalue().encode())
