"""What a learner plans to change, and foretells of it."""

import hashlib
import math
import tomllib
from dataclasses import dataclass, fields
from pathlib import Path

DIRECTIONS = ("higher", "lower", "the same")


@dataclass(frozen=True)
class Plan:
    """A question and a prediction that can fail; the fields of `plan.toml`.

    by : the least difference that counts, in the unit of the measure; for "the same"
        the largest that does not.
    seal : of the file; another seal is another plan.
    """

    question: str
    change: str
    control: str
    measure: str
    expect: str
    by: float
    because: str
    seeds: tuple[int, ...]
    seal: str


def read_plan(path: Path) -> Plan:
    """Raises ValueError that says what is missing, and what to write there."""
    text = path.read_text("utf-8")
    try:
        told = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path.name} cannot be read: {error}") from error
    names = [field.name for field in fields(Plan) if field.name != "seal"]
    if told.keys() != set(names):
        raise ValueError(
            f"{path.name} has the fields {', '.join(told)}; expected {', '.join(names)}"
        )
    for name in ("question", "change", "control", "measure", "because"):
        if not isinstance(told[name], str) or not told[name].strip():
            raise ValueError(f"{path.name}: {name} is empty; {_WHY[name]}")
    if told["expect"] not in DIRECTIONS:
        raise ValueError(
            f"{path.name}: expect is {told['expect']!r}; choose one of {DIRECTIONS}"
        )
    return Plan(
        **told | {"by": _size(told["by"], path), "seeds": _seeds(told["seeds"], path)},
        seal=hashlib.sha256(text.encode()).hexdigest(),
    )


_WHY = {
    "question": "write what you want to know",
    "change": "write the one thing that you change",
    "control": "without something that it is compared with, no figure says what the "
    "change did. Write what the other arm is",
    "measure": "name the measure of experiment.py that decides",
    "because": "write why you expect it; a reason can be wrong in a useful way",
}


def _size(by: object, path: Path) -> float:
    if isinstance(by, bool) or not isinstance(by, int | float) or not by > 0:
        raise ValueError(
            f"{path.name}: by is {by!r}; give a number above 0, so that the prediction "
            "can fail"
        )
    if not math.isfinite(by):
        raise ValueError(f"{path.name}: by is {by}; give a finite number")
    return float(by)


def _seeds(seeds: object, path: Path) -> tuple[int, ...]:
    whole = isinstance(seeds, list) and seeds and all(type(s) is int for s in seeds)
    if not whole or len(set(seeds)) < len(seeds) or min(seeds) < 0:
        raise ValueError(
            f"{path.name}: seeds is {seeds!r}; give whole numbers from 0, each once, "
            "such as [0, 1, 2]"
        )
    return tuple(seeds)
