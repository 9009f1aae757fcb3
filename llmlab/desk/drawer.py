"""Where predictions are kept: a file that loses nothing, and never stops a page."""

import json
import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from llmlab import paths

TABLES = """
CREATE TABLE IF NOT EXISTS predictions (
    name TEXT, question TEXT, text TEXT, predicted TEXT, sure INTEGER,
    late INTEGER DEFAULT 0, answer TEXT, hit REAL, marked TEXT, time REAL,
    PRIMARY KEY (name, question));
CREATE TABLE IF NOT EXISTS picks (
    number INTEGER PRIMARY KEY, chapter TEXT, question TEXT, option TEXT,
    right INTEGER, time REAL);
"""


class Drawer:
    """A file of predictions, each with its question, its answer and its mark.

    Every change is on the disk before a call returns, and changes its own columns
    only: windows and kernels may write at once. A question whose kind, unit, options
    or axes have changed is another one; what was predicted for the old one stays.
    A damaged file is set aside, and `remark` says so.

    Raises OSError: the file or its folder cannot be written.
    """

    def __init__(self, path: Path | str | None = None):
        self.path = Path(path or paths.RUNS / "desk.sqlite").expanduser()
        self.remark = ""

    def ask(self, question: dict) -> None:
        """Keep that a question was put to the person."""
        self._run(
            "INSERT OR IGNORE INTO predictions (name, question, text, time) "
            "VALUES (?, ?, ?, ?)",
            *(*_key(question), question["text"], time.time()),
        )

    def predict(self, question: dict, value, sure: int | None) -> None:
        """Keep a prediction in place of the one before.

        Raises ValueError: the answer was shown to a prediction made before: it stays.
        """
        for _ in range(2):  # between asking and keeping, the file may be set aside
            self.ask(question)
            # One that is first made when the answer was seen is kept, not counted.
            if self._run(
                "UPDATE predictions SET predicted = ?, sure = ?, time = ?, "
                "late = answer IS NOT NULL, hit = NULL, marked = NULL "
                "WHERE name = ? AND question = ? "
                "AND (answer IS NULL OR predicted IS NULL OR late)",
                *(json.dumps(value), sure, time.time(), *_key(question)),
            ):
                return
        raise ValueError("the answer was shown already, so your prediction stays")

    def answer(self, question: dict, value) -> None:
        """Keep that the answer was shown; the prediction is locked from now on."""
        self.ask(question)
        self._run(
            "UPDATE predictions SET answer = ? WHERE name = ? AND question = ?",
            *(json.dumps(value), *_key(question)),
        )

    def mark(self, question: dict, hit: float, marked: str) -> None:
        """Keep how a prediction turned out: 1, 0 or 0.5; `marked` says by whom."""
        self._run(
            "UPDATE predictions SET hit = ?, marked = ? WHERE name = ? AND question = ?"
            " AND predicted IS NOT NULL",
            *(hit, marked, *_key(question)),
        )

    def find(self, question: dict) -> dict:
        """Everything kept about one question; empty if it was never put."""
        rows = self._rows("WHERE name = ? AND question = ?", *_key(question))
        return rows[0] if rows else {}

    def latest(self, name: str) -> dict:
        """The question that was last put under a name, with all kept about it."""
        rows = self._rows("WHERE name = ? ORDER BY time DESC", name)
        return rows[0] if rows else {}

    def chapter(self, chapter: str) -> list[dict]:
        """What is kept of a chapter, one a name: the question that was last put."""
        start = f"{chapter}/"
        rows = self._rows(
            "WHERE substr(name, 1, ?) = ? ORDER BY time", len(start), start
        )
        return list({row["name"]: row for row in rows}.values())

    def pick(self, chapter: str, question: str, option: str, right: bool) -> None:
        """Keep which option of a quiz was picked."""
        self._run(
            "INSERT INTO picks (chapter, question, option, right, time) "
            "VALUES (?, ?, ?, ?, ?)",
            *(chapter, question, option, right, time.time()),
        )

    def picks(self, chapter: str) -> list[dict]:
        """Every pick of a chapter's quiz, oldest first."""
        statement = "SELECT * FROM picks WHERE chapter = ? ORDER BY number"
        return self._query(statement, chapter)

    def _rows(self, condition: str, *values) -> list[dict]:
        rows = self._query(f"SELECT * FROM predictions {condition}", *values)
        for row in rows:
            for column in ("question", "predicted", "answer"):
                row[column] = json.loads(row[column] or "null")
            row["question"] |= {"name": row["name"], "text": row["text"]}
        return rows

    def _query(self, statement: str, *values) -> list[dict]:
        if not self.path.exists():
            return []
        return self._run(statement, *values, read=True)

    def _run(self, statement: str, *values, read: bool = False):
        """The rows that are read, or how many were changed, once on the disk."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        before = self._file()
        try:
            return self._in_one_transaction(statement, values, read)
        except sqlite3.DatabaseError as error:
            damaged = type(error) is sqlite3.DatabaseError or "no column" in str(error)
            if not damaged and "no such column" not in str(error):
                raise OSError(
                    f"the file of your predictions, {self.path}, cannot be used: "
                    f"{error}. Check that it may be written and the disk is not full"
                ) from error
        self._set_aside(before)
        return self._in_one_transaction(statement, values, read)

    def _in_one_transaction(self, statement: str, values: tuple, read: bool):
        # The timeout is for other kernels, which hold the file for milliseconds.
        with closing(sqlite3.connect(self.path, timeout=10)) as connection:
            connection.row_factory = sqlite3.Row
            connection.execute("PRAGMA synchronous = EXTRA")
            connection.executescript(TABLES)
            with connection:
                done = connection.execute(statement, values)
                return [dict(row) for row in done] if read else done.rowcount

    def _file(self) -> int | None:
        return self.path.stat().st_ino if self.path.exists() else None

    def _set_aside(self, damaged: int | None) -> None:
        """Rename a damaged file, unless another kernel has done so meanwhile."""
        if self._file() != damaged:
            return
        aside = self.path.with_name(f"{self.path.stem}-damaged-{time.time_ns()}.sqlite")
        os.replace(self.path, aside)
        self.remark = (
            f"The file of your predictions was damaged. It was set aside as "
            f"{aside.name} and a new one was begun."
        )


def _key(question: dict) -> tuple[str, str]:
    """A question's name, and what may not change without its being another one."""
    kind = {name: it for name, it in question.items() if name not in ("name", "text")}
    return question["name"], json.dumps(kind, sort_keys=True)
