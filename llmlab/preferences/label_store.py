"""A file that never loses a click."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from llmlab.preferences.comparisons import SOURCES, Comparison


class LabelStore:
    """A file of comparisons in which a click, once acknowledged, is safe.

    SQLite writes a click and waits for the disk before `add` returns, so that a
    kernel killed in the next instant loses nothing, and a click half-written is rolled
    back by the next reader. Several processes may read and write at the same time.
    Stores of earlier versions can be read as they are; the first new label widens them.

    Raises ValueError: the file is damaged, or is not a store of labels.
    Raises OSError: the file or its folder cannot be written.
    """

    COLUMNS = {
        "prompt": "TEXT NOT NULL",
        "first": "TEXT NOT NULL",
        "second": "TEXT NOT NULL",
        "preferred": "INTEGER NOT NULL",
        "annotator": "TEXT NOT NULL",
        "source": "TEXT NOT NULL",
        "pair": "TEXT NOT NULL DEFAULT ''",
        "swapped": "INTEGER NOT NULL DEFAULT 0",
        "time": "REAL",
    }

    def __init__(self, path: Path | str):
        self.path = Path(path).expanduser()
        with self._connection() as connection:
            tables = connection.execute("SELECT name FROM sqlite_master").fetchall()
            if not tables:
                columns = ", ".join(map(" ".join, self.COLUMNS.items()))
                connection.execute(
                    "CREATE TABLE IF NOT EXISTS comparisons "
                    f"(number INTEGER PRIMARY KEY AUTOINCREMENT, {columns})"
                )
            first = ", ".join(list(self.COLUMNS)[:6])
            connection.execute(f"SELECT {first} FROM comparisons")
            if connection.execute("PRAGMA quick_check").fetchone() != ("ok",):
                raise sqlite3.DatabaseError("its pages do not fit together")

    def add(self, comparison: Comparison) -> int:
        """Keep a comparison; its number comes back when it is on the disk."""
        values = [getattr(comparison, column) for column in self.COLUMNS]
        with self._connection() as connection:
            connection.execute("BEGIN IMMEDIATE")  # nobody else widens it meanwhile
            there = self._columns_of(connection)
            for name, kind in self.COLUMNS.items():
                if name not in there:
                    add = f"ALTER TABLE comparisons ADD COLUMN {name} {kind}"
                    connection.execute(add)
            names, signs = ", ".join(self.COLUMNS), ", ".join("?" * len(values))
            insert = f"INSERT INTO comparisons ({names}) VALUES ({signs})"
            return connection.execute(insert, values).lastrowid

    def remove(self, number: int) -> bool:
        """Take a comparison back; False if it is not there, or no longer."""
        delete = "DELETE FROM comparisons WHERE number = ?"
        with self._connection() as connection:
            return bool(connection.execute(delete, [number]).rowcount)

    def numbered(self) -> dict[int, Comparison]:
        """Every comparison, oldest first, by the number that `add` gave it."""
        with self._connection() as connection:
            there = self._columns_of(connection)
            columns = [name for name in self.COLUMNS if name in there]
            rows = connection.execute(
                f"SELECT number, {', '.join(columns)} FROM comparisons ORDER BY number"
            ).fetchall()
        return {
            number: self._read(number, dict(zip(columns, values, strict=True)))
            for number, *values in rows
        }

    def all(self, source: str | None = None) -> list[Comparison]:
        """Every comparison, oldest first; of one source only, if it is given."""
        if source not in (None, *SOURCES):
            raise ValueError(f"source is {source!r}; expected one of {SOURCES}")
        kept = self.numbered().values()
        return [label for label in kept if source in (None, label.source)]

    def __len__(self) -> int:
        with self._connection() as connection:
            return connection.execute("SELECT COUNT(*) FROM comparisons").fetchone()[0]

    def _read(self, number: int, fields: dict) -> Comparison:
        if isinstance(fields["preferred"], bytes):
            # An earlier version let SQLite keep the bytes of NumPy's 0 and 1.
            fields["preferred"] = int(any(fields["preferred"]))
        try:
            return Comparison(**fields)
        except ValueError as error:
            raise self._damaged(f"label {number}: {error}") from error

    @staticmethod
    def _columns_of(connection: sqlite3.Connection) -> set[str]:
        rows = connection.execute("PRAGMA table_info(comparisons)")
        return {name for _, name, *_ in rows}

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """One connection, one transaction: all of it happens, or nothing.

        A connection of its own for each call may be used from any thread, and survives
        whatever happened to the process before.
        """
        try:
            # The timeout is for other processes, which hold the file for milliseconds.
            with closing(sqlite3.connect(self.path, timeout=10)) as connection:
                # Wait for the disk, also for the folder's entry of the journal.
                connection.execute("PRAGMA synchronous = EXTRA")
                with connection:
                    yield connection
        except sqlite3.OperationalError as error:
            if "no such" in str(error):
                raise self._damaged("it has other tables") from error
            raise OSError(
                f"cannot use the label store {self.path}: {error}. Check that the file "
                "and its folder exist, may be written, and that the disk is not full"
            ) from error
        except sqlite3.DatabaseError as error:
            if type(error) is not sqlite3.DatabaseError:
                raise  # of the call, such as a value that SQLite does not know
            raise self._damaged(error) from error

    def _damaged(self, reason) -> ValueError:
        return ValueError(
            f"{self.path} is damaged or not a store of labels ({reason}). It was left "
            "as it is: move it away and start a new store, or restore a copy"
        )
