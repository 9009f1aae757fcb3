"""Run an answer and write down what it does. Nothing here knows what is right.

This is the only part of the checks that runs beside a learner's code.
"""

import time
import traceback
from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor

from llmlab.checks.data import Case, Dice, Observation, Table, plain

NEVER_CAME_BACK = "KeyboardInterrupt"


def observe(
    answer: Callable | Sequence[Callable],
    cases: Iterable[Case],
    keep: Callable[[Observation], None] = lambda observation: None,
) -> list[Observation]:
    """What the answer makes of each case, up to one at which it is interrupted.

    answer : a function, or several of which `Case.of` picks one.
    keep : is given each observation at once.
    """
    seen = []
    for case in cases:
        function = answer[case.of] if isinstance(answer, Sequence) else answer
        seen.append(observe_case(function, case))
        keep(seen[-1])
        if seen[-1].error == NEVER_CAME_BACK:
            break
    return seen


def observe_case(function: Callable, case: Case) -> Observation:
    given = [_live(value) for value in case.inputs]
    leaves = [given[k].requires_grad_() for k in case.gradients]
    for k in case.gradients:
        given[k] = given[k] + 0  # PyTorch forbids to change a leaf in place.
    results, gradients, failed, start = [], (), {}, time.process_time()
    try:
        results = [function(*given) for _ in range(case.calls)]
        if leaves:
            gradients = _gradients(results[0], leaves)
    except BaseException as error:  # Whatever it is, the others are still observed.
        results, failed = [], _described(error, function)
    kept = [_live(value) for value in case.inputs]
    return Observation(
        results=tuple(plain(result) for result in results),
        gradients=gradients,
        changed=_which(lambda k: not _is_as_it_was(given[k], kept[k]), len(given)),
        handed_back=_which(lambda k: _is_inside(results, given[k]), len(given)),
        seconds=time.process_time() - start,
        **failed,
    )


def _which(is_so: Callable[[int], bool], count: int) -> tuple[int, ...]:
    """Numbers for which it is so; a value that cannot be looked at counts as well."""
    found = []
    for number in range(count):
        try:
            found += [number] * is_so(number)
        except Exception:  # Such as a list that holds itself.
            found.append(number)
    return tuple(found)


def _live(value):
    """A copy that may be used up: generator and functions in place of what stands."""
    if isinstance(value, Dice):
        return torch.Generator().manual_seed(value.seed)
    if isinstance(value, Table):
        return value.values.__getitem__
    if isinstance(value, Tensor):
        return value.detach().clone()
    if isinstance(value, list | tuple | set):
        return type(value)(_live(item) for item in value)
    return value


def _gradients(result, leaves: list[Tensor]) -> tuple:
    """Of the result, summed up with unequal weights, so that nothing cancels."""
    if not isinstance(result, Tensor) or not result.requires_grad:
        return tuple(None for _ in leaves)
    ramp = torch.linspace(1, 2, result.numel()).view(result.shape)
    total = (result * ramp).sum()
    return tuple(
        plain(x) for x in torch.autograd.grad(total, leaves, allow_unused=True)
    )


def _described(error: BaseException, function: Callable) -> dict[str, str]:
    """An exception in words, with the last line of the answer that it came from."""
    if isinstance(error, KeyboardInterrupt):
        return {"error": NEVER_CAME_BACK}
    try:
        message = str(error)[:1000]
    except Exception:
        message = ""
    file = getattr(getattr(function, "__code__", None), "co_filename", None)
    lines = [
        f.line for f in traceback.extract_tb(error.__traceback__) if f.filename == file
    ]
    line = (lines[-1] or "") if lines else ""
    return {"error": type(error).__name__, "message": message, "line": line}


def _is_as_it_was(given, kept) -> bool:
    if isinstance(given, Tensor):
        same = given.shape == kept.shape and given.dtype == kept.dtype
        return same and bool(((given == kept) | (given.isnan() & kept.isnan())).all())
    if isinstance(given, list | tuple):
        return len(given) == len(kept) and all(map(_is_as_it_was, given, kept))
    if callable(given) or isinstance(given, torch.Generator):
        return True
    return given == kept


def _is_inside(result, given) -> bool:
    """Whether a result, or a part of it, is the input itself or a view of it."""
    if isinstance(result, tuple | list) and result is not given:
        return any(_is_inside(part, given) for part in result)
    if isinstance(given, Tensor) and isinstance(result, Tensor):
        storage = result.untyped_storage().data_ptr()
        return storage != 0 and storage == given.untyped_storage().data_ptr()
    return result is given and isinstance(given, list | set)
