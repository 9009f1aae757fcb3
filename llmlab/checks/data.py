"""What goes between an answer and its judge: plain data, also as JSON.

An answer may run in a process that knows its inputs and nothing else. So inputs go
there and results come back as data: no pickle, and nothing that could carry code.
"""

import base64
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields

import torch
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
    changed, handed_back : numbers of inputs changed in place, and of those that the
        result is, or looks into.
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


def encode(value, functions: list[Callable]):
    """JSON for data; a function goes into the list, its number into the JSON."""
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, Tensor):
        flat = value.detach().contiguous().reshape(-1).view(torch.uint8)
        return {
            "tensor": base64.b64encode(flat.numpy().tobytes()).decode(),
            "dtype": str(value.dtype).removeprefix("torch."),
            "shape": list(value.shape),
        }
    if isinstance(value, list):
        return [encode(item, functions) for item in value]
    if isinstance(value, tuple | set):
        return {type(value).__name__: [encode(item, functions) for item in value]}
    if isinstance(value, Table):
        return {
            "table": [[encode(x, functions) for x in p] for p in value.values.items()]
        }
    if isinstance(value, Dice):
        return {"dice": value.seed}
    if isinstance(value, Foreign):
        return {"foreign": value.kind}
    functions.append(value)
    return {"function": len(functions) - 1}


def decode(code, ask: Callable | None = None, depth: int = 0):
    """The data again. A function becomes one that calls `ask(number, inputs)`."""
    if code is None or isinstance(code, bool | int | float | str):
        return code
    if depth > 3 * DEEPEST:
        raise ValueError("data nested too deep")
    if isinstance(code, list):
        return [decode(item, ask, depth + 1) for item in code]
    match code:
        case {"tensor": str(text), "dtype": str(dtype), "shape": list(shape)}:
            numbers = bytearray(base64.b64decode(text, validate=True))
            if dtype not in KINDS:
                raise ValueError(f"no numbers are of type {dtype[:20]!r}")
            kind = getattr(torch, dtype)
            flat = torch.tensor(numbers, dtype=torch.uint8)
            return (flat.view(kind) if numbers else flat.to(kind)).view(shape)
        case {"tuple": list(items)}:
            return tuple(decode(items, ask, depth + 1))
        case {"set": list(items)}:
            return set(decode(items, ask, depth + 1))
        case {"table": list(pairs)}:
            return Table(dict(decode(pairs, ask, depth + 1)))
        case {"dice": int(seed)}:
            return Dice(seed)
        case {"foreign": str(kind)}:
            return Foreign(kind)
        case {"function": int(number)} if ask is not None:
            return lambda *inputs: ask(number, inputs)
    raise ValueError(f"this is no data: {str(code)[:60]}")


def encode_cases(cases: Iterable[Case]) -> tuple[list, list[Callable]]:
    """What a process needs to observe, and the functions that it may ask for."""
    functions = []
    sent = ("inputs", "gradients", "calls", "of")
    coded = [
        [encode(getattr(case, name), functions) for name in sent] for case in cases
    ]
    return coded, functions


def decode_cases(coded: list, ask: Callable | None = None) -> list[Case]:
    return [
        Case(inputs, gradients=gradients, calls=calls, of=of)
        for inputs, gradients, calls, of in decode(coded, ask)
    ]


def encode_observation(observation: Observation) -> list:
    return [encode(plain(value), []) for value in _values(observation)]


def decode_observation(code) -> Observation:
    """From a process that is not trusted: right in its types, or `ValueError`."""
    try:
        values = decode(code)
        found = Observation(*values)
    except (ValueError, TypeError, RuntimeError, RecursionError) as error:
        raise ValueError(f"the result cannot be read: {error}") from error
    expected = [type(value) for value in _values(Observation())]
    numbers = [x for x in (found.changed, found.handed_back) if isinstance(x, tuple)]
    if [type(value) for value in values] != expected or not all(
        type(n) is int and 0 <= n < 99 for several in numbers for n in several
    ):
        raise ValueError("the result cannot be read: it is no observation")
    return found


def _values(observation: Observation) -> list:
    return [getattr(observation, field.name) for field in fields(Observation)]
