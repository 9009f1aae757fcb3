"""A file that never loses a click, and never keeps one twice."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from llmlab.preferences.comparisons import SOURCES, Comparison, pair_name

VERSION = 2  # 1 knew neither names of pairs nor sides nor times, and not its number


class LabelStore:
    """A file of comparisons in which a click, once acknowledged, is safe.

    SQLite writes a click and waits for the disk before `add` returns, so that a
    kernel killed in the next instant loses nothing, and a click half-written is rolled
    back by the next reader. Several processes may read and write at the same time.
    Stores of earlier versions can be read as they are; the first new label widens them.

    Raises ValueError: the file is damaged, is not a store of labels, or is one of a
        later version. It stays as it is.
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
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version > VERSION:
                raise ValueError(
                    f"{self.path} is a label store of version {version}; this llmlab "
                    f"knows versions up to {VERSION}. It was left as it is: update "
                    "llmlab, or name another file to begin a new store"
                )
            tables = connection.execute("SELECT name FROM sqlite_master").fetchall()
            if not tables:
                columns = ", ".join(map(" ".join, self.COLUMNS.items()))
                connection.execute(
                    "CREATE TABLE IF NOT EXISTS comparisons "
                    f"(number INTEGER PRIMARY KEY AUTOINCREMENT, {columns})"
                )
                connection.execute(f"PRAGMA user_version = {VERSION}")
            first = ", ".join(list(self.COLUMNS)[:6])
            connection.execute(f"SELECT {first} FROM comparisons")
            if connection.execute("PRAGMA quick_check").fetchone() != ("ok",):
                raise sqlite3.DatabaseError("its pages do not fit together")

    def add(self, comparison: Comparison, *, known: int | None = None) -> int | None:
        """Keep a comparison; its number comes back when it is on the disk.

        known : how many labels of this pair by this annotator the caller knows of. If
            there are more by now, from another window, nothing is kept, and None comes
            back: looking and writing are one transaction, so no click counts twice.
        """
        values = [getattr(comparison, column) for column in self.COLUMNS]
        with self._connection() as connection:
            connection.execute("BEGIN IMMEDIATE")  # nobody else writes meanwhile
            self._widen(connection)
            if known is not None and known < self._count(connection, comparison):
                return None
            names, signs = ", ".join(self.COLUMNS), ", ".join("?" * len(values))
            insert = f"INSERT INTO comparisons ({names}) VALUES ({signs})"
            return connection.execute(insert, values).lastrowid

    def _widen(self, connection: sqlite3.Connection) -> None:
        """Give a store of an earlier version the columns and names of this one."""
        there = self._columns_of(connection)
        for name, kind in self.COLUMNS.items():
            if name not in there:
                connection.execute(f"ALTER TABLE comparisons ADD COLUMN {name} {kind}")
        nameless = connection.execute(
            "SELECT number, prompt, first, second FROM comparisons WHERE pair = ''"
        ).fetchall()
        name_it = "UPDATE comparisons SET pair = ? WHERE number = ?"
        named = [(pair_name(*texts), number) for number, *texts in nameless]
        connection.executemany(name_it, named)
        connection.execute(f"PRAGMA user_version = {VERSION}")

    @staticmethod
    def _count(connection: sqlite3.Connection, like: Comparison) -> int:
        """How often this annotator has labelled this pair."""
        count = "SELECT COUNT(*) FROM comparisons WHERE annotator = ? AND pair = ?"
        return connection.execute(count, [like.annotator, like.pair]).fetchone()[0]

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
            "as it is: restore a copy, or name another file to begin a new store. "
            "The command .recover of SQLite's shell, sqlite3, saves what can be read"
        )
