"""The exercises: one file each in `bank`, and the sets that they are handed out in."""

import importlib
import tomllib
from dataclasses import dataclass
from pathlib import Path

from exercises.exercise import Exercise, graded_cases
from exercises.judging import Verdict, judge

FOLDER = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Set:
    """What is handed out together: the exercises of a chapter or two."""

    name: str
    title: str
    chapters: str
    begin: str
    end: str
    exercises: tuple[str, ...]


def names() -> list[str]:
    """The names of all exercises that there are."""
    return sorted(path.stem for path in (FOLDER / "bank").glob("[a-z]*.py"))


def load(name: str) -> Exercise:
    if name not in names():
        raise ValueError(
            f"there is no exercise {name!r}; choose from: {', '.join(names())}"
        )
    return importlib.import_module(f"exercises.bank.{name}").EXERCISE


def sets() -> dict[str, Set]:
    """All sets, by name, in the order of `sets.toml`."""
    tables = tomllib.loads((FOLDER / "sets.toml").read_text("utf-8"))
    return {
        name: Set(name, **{**table, "exercises": tuple(table["exercises"])})
        for name, table in tables.items()
    }
