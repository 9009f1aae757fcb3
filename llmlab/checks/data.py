"""What goes between an answer and its judge: plain data, nothing that could be code.

An answer may run in a process that knows its inputs and nothing else; then inputs go
there and results come back as JSON (`authoring/grading/wire.py`).
"""

from dataclasses import dataclass

from torch import Tensor

MOST_NUMBERS, MOST_LETTERS, DEEPEST = 1_000_000, 100_000, 8
"""What is larger, longer or nested deeper than this is not sent."""
KINDS = (
    *("bool", "uint8", "int8", "int16", "int32", "int64"),
    *("float16", "bfloat16", "float32", "float64"),
)
"""The types of numbers that are sent."""


@dataclass(frozen=True)
class Dice:
    """Stands for a generator of random numbers, set to this seed for each case."""

    seed: int


@dataclass(frozen=True, eq=False)
class Table:
    """Stands for a function of one argument, with all its values."""

    values: dict


@dataclass(frozen=True)
class Foreign:
    """Stands for a result that is no data; its type is all that is known of it."""

    kind: str


@dataclass(frozen=True)
class Case:
    """One input on which an answer is observed.

    inputs : data, `Dice`, `Table`, or functions.
    proves : the property that this case belongs to; empty for the first one.
    words : the situation, in words for the learner; empty: the inputs are shown.
    gradients : numbers of the inputs for which the gradient is asked.
    calls : how often the answer is called, with the same generator.
    of : which function is called, where an answer consists of several.
    hidden : used for grading only.
    """

    inputs: tuple
    proves: str = ""
    words: str = ""
    gradients: tuple[int, ...] = ()
    calls: int = 1
    of: int = 0
    hidden: bool = False


@dataclass(frozen=True)
class Observation:
    """What an answer made of one case.

    gradients : of the result, weighted by a ramp; None where none arrives.
    changed, handed_back : numbers of inputs changed in place, and seen in the result.
    error, message, line : type and text of an exception, and the answer's line.
    """

    results: tuple = ()
    gradients: tuple = ()
    changed: tuple = ()
    handed_back: tuple = ()
    error: str = ""
    message: str = ""
    line: str = ""
    seconds: float = 0.0


def plain(value, depth: int = 0):
    """The value in standard types, copied; `Foreign` in place of what is no data."""
    try:
        return _plain(value, depth)
    except Exception:  # A type of the learner's own may do anything here.
        return Foreign(type(value).__name__)


def _plain(value, depth):
    kind = type(value)
    if isinstance(value, Tensor):
        dtype = str(value.dtype).removeprefix("torch.")
        if value.numel() > MOST_NUMBERS or dtype not in KINDS:
            return Foreign(f"tensor of {dtype} and shape {tuple(value.shape)}")
        return value.detach().as_subclass(Tensor).cpu().clone()
    if kind.__module__ == "numpy" and value.shape == ():
        value = value.item()
    if value is None or isinstance(value, bool | float | Dice | Table):
        return value
    if isinstance(value, int) and value.bit_length() < 1000:
        return int(value)
    if isinstance(value, str):
        return str(value)[:MOST_LETTERS]
    if isinstance(value, list | tuple | set) and len(value) <= MOST_NUMBERS:
        if depth < DEEPEST:
            like = next(k for k in (list, tuple, set) if isinstance(value, k))
            return like(plain(item, depth + 1) for item in value)
    return Foreign(kind.__name__)
