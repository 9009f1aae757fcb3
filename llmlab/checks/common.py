"""What the checks have in common: the complaint, and how an answer is called."""

import copy

import torch
from torch import Tensor

TOLERANCE = 1e-4
"""Absolute; the answers are computed in 32 bits and are of the order of one."""

_ORDINALS = ("first", "second", "third", "fourth", "fifth")


class CheckFailed(AssertionError):
    """An answer that is not right yet. The message says in plain words why."""

    def _render_traceback_(self) -> list[str]:
        """What Jupyter shows: the sentence. A stack of our own calls helps nobody."""
        return [f"Not yet: {self}"]


def call(candidate, *inputs):
    """The candidate's result, if it has left its inputs as they were."""
    before = [_copy(given) for given in inputs]
    try:
        result = candidate(*inputs)
    except NotImplementedError as error:
        raise CheckFailed(f"There is nothing to check yet. {error}") from error
    except KeyboardInterrupt as error:
        raise CheckFailed(
            "Your function was still running when it was stopped. Does each of its "
            "loops come to an end, whatever it is given?"
        ) from error
    for ordinal, given, kept in zip(_ORDINALS, inputs, before, strict=False):
        if not _same(given, kept):
            raise CheckFailed(
                f"Your function changes its {ordinal} input in place. Whoever called "
                "it still needs that as it was: work on a copy."
            )
    return result


def _copy(given):
    if isinstance(given, Tensor):
        return given.detach().clone()
    if isinstance(given, list | set):
        return copy.copy(given)
    return given  # a number, a tuple or a source of random numbers


def _same(given, kept) -> bool:
    if isinstance(given, Tensor):
        return torch.equal(given, kept)
    return given == kept


def require_result(output) -> None:
    if output is None:
        raise CheckFailed("Your function returns nothing: end it with a return.")


def require_tensor(output, shape) -> None:
    require_result(output)
    if not isinstance(output, Tensor):
        raise CheckFailed(
            f"Your function returns a {type(output).__name__}; it should be a tensor."
        )
    if output.shape != torch.Size(shape):
        raise CheckFailed(
            f"The result has shape {tuple(output.shape)}; it should have "
            f"{tuple(shape) or '(), a single number'}."
        )


def close(left: Tensor, right: Tensor | float) -> bool:
    return bool(((left - right).abs() <= TOLERANCE).all())
