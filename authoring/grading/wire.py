"""What goes between the grader and a submission's process: data as JSON.

No pickle, and nothing that could carry code. The process has this file, the library and
nothing else of the course.
"""

import base64
from collections.abc import Callable, Iterable
from dataclasses import fields

import torch
from torch import Tensor

from llmlab.checks.data import (
    DEEPEST,
    KINDS,
    Case,
    Dice,
    Foreign,
    Observation,
    Table,
    plain,
)


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
