"""Say of observations whether they are right, and if not, what probably went wrong.

Results are compared with those of a slow plain definition. An answer that does on all
cases what a known mistake does gets the sentence of that mistake. Any other gets the
smallest case on which it is wrong.
"""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from exercises.exercise import Exercise
from llmlab.checks.data import Case, Dice, Foreign, Observation, Table
from llmlab.checks.observing import NEVER_CAME_BACK, observe, observe_case

ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth")


@dataclass(frozen=True)
class Verdict:
    """What an answer is worth.

    said : of the visible cases, fit for the learner; empty if they are right.
    hidden : of the hidden cases, for instructors.
    properties : (property, whether it holds, its points).
    """

    points: int
    said: str
    hidden: str
    properties: tuple[tuple[str, bool, int], ...]

    @property
    def right(self) -> bool:
        return not self.said and not self.hidden


def judge(
    exercise: Exercise, cases: Sequence[Case], seen: Sequence[Observation]
) -> Verdict:
    """Whatever the observations hold, this returns."""
    stopped = Observation(error=NEVER_CAME_BACK)
    seen = [*seen, *[stopped] * (len(cases) - len(seen))]
    seen = [_readable(*pair) for pair in zip(cases, seen, strict=False)]
    said, wrong = {}, set()
    for hidden in (False, True):
        some = [k for k, case in enumerate(cases) if case.hidden == hidden]
        these = ([cases[k] for k in some], [seen[k] for k in some])
        by = _by_properties if exercise.properties else _by_definition
        said[hidden], broken = by(exercise, *these) if some else ("", set())
        wrong |= broken
    # Of each function's properties the first is the heart of it.
    first = next(iter(exercise.points))
    of = {case.proves or first: case.of for case in cases}
    hearts = {of.get(name, 0): name for name in reversed(exercise.points)}
    judged = tuple(
        (name, not {name, hearts[of.get(name, 0)]} & wrong, points)
        for name, points in exercise.points.items()
    )
    earned = sum(points for _, holds, points in judged if holds)
    return Verdict(earned, said[False], said[True], judged)


def _readable(case: Case, seen: Observation) -> Observation:
    """What was observed, if it can be an observation of this case."""
    if seen.error:
        return replace(seen, results=(), gradients=())
    is_whole = (
        len(seen.results) == case.calls
        and len(seen.gradients) == len(case.gradients)
        and {*seen.changed, *seen.handed_back} <= {*range(len(case.inputs))}
        and all(
            found is None
            or (isinstance(found, Tensor) and found.shape == case.inputs[k].shape)
            for k, found in zip(case.gradients, seen.gradients, strict=True)
        )
    )
    return seen if is_whole else Observation(error="ValueError", message="no result")


def _by_properties(exercise, cases, seen) -> tuple[str, set[str]]:
    """A sentence, and the properties that do not hold."""
    everything = set(exercise.points)
    form = observe(exercise.right_function, cases)
    for case, wanted, found in zip(cases, form, seen, strict=True):
        fault = _general_fault(exercise, case, wanted, found)
        if fault:
            return fault, everything
    sentences = {}
    for name, proves in exercise.properties.items():
        try:
            sentence = proves(cases, [found.results for found in seen])
        except Exception:  # On results of right types and shapes, but of no sense.
            sentence = "The result makes no sense: compare it with the docstring."
        if sentence:
            sentences[name] = sentence
            if name == next(iter(exercise.points)):
                break  # The others may take the first for granted.
    return next(iter(sentences.values()), ""), set(sentences)


def _by_definition(exercise, cases, seen) -> tuple[str, set[str]]:
    seen = [_comparable(exercise, *pair) for pair in zip(cases, seen, strict=True)]
    wanted = [_outcome(exercise, exercise.right_function, case) for case in cases]

    def is_seen(outcome: Observation, k: int) -> bool:
        return _same_observation(outcome, seen[k], exercise.tolerance)

    wrong = [k for k, outcome in enumerate(wanted) if not is_seen(outcome, k)]
    if not wrong:
        return "", set()
    broken = {cases[k].proves or next(iter(exercise.points)) for k in wrong}
    first = cases[wrong[0]]
    # All cases; or at least those of the property that is wrong first, and all that
    # are right: so one of two mistakes gets its name.
    numbers = sorted(range(len(cases)), key=lambda k: k not in wrong)
    some = [k for k in numbers if k not in wrong or cases[k].proves == first.proves]
    for several in (numbers, some):
        for mistake, sentence in exercise.mistakes.items():
            does_the_same = (
                is_seen(_outcome(exercise, mistake, cases[k]), k) for k in several
            )
            if sentence and all(does_the_same):
                return sentence, broken
    pair = wanted[wrong[0]], seen[wrong[0]]
    fault = _general_fault(exercise, first, *pair)
    return fault or _difference(exercise, first, *pair), broken


def _outcome(exercise, answer, case: Case) -> Observation:
    function = answer[case.of] if isinstance(answer, tuple) else answer
    return _comparable(exercise, case, observe_case(function, case))


def _comparable(exercise, case: Case, seen: Observation) -> Observation:
    if exercise.compared is None:
        return seen
    try:
        results = [exercise.compared(case.inputs, result) for result in seen.results]
    except Exception:  # A result of another form, of which more is said later.
        return seen
    return replace(seen, results=tuple(results))


# Comparing


def _same_observation(wanted: Observation, found: Observation, tolerance) -> bool:
    for name in ("error", "changed", "handed_back"):
        if getattr(wanted, name) != getattr(found, name):
            return False
    return _same(wanted.results, found.results, tolerance) and all(
        _same(_or_zero(a, b), _or_zero(b, a), tolerance)
        for a, b in zip(wanted.gradients, found.gradients, strict=True)
    )


def _or_zero(gradient: Tensor | None, other: Tensor | None) -> Tensor | None:
    """A constant, and what lies beyond a cut, have the gradient zero."""
    is_zero = gradient is None and isinstance(other, Tensor)
    return torch.zeros_like(other) if is_zero else gradient


def _is_number(value) -> bool:
    is_scalar = isinstance(value, Tensor) and value.shape == ()
    return is_scalar or isinstance(value, bool | int | float)


def _same(wanted, found, tolerance: float) -> bool:
    if isinstance(wanted, Tensor):
        is_like = isinstance(found, Tensor) and wanted.shape == found.shape
        is_like = is_like and wanted.dtype == found.dtype
        return is_like and bool(_close(wanted, found, tolerance).all())
    if _is_number(wanted):
        if not _is_number(found):
            return False
        both = torch.tensor(float(wanted)), torch.tensor(float(found))
        return bool(_close(*both, tolerance))
    if isinstance(wanted, list | tuple):
        kinds = (list,) if isinstance(wanted, list) else (list, tuple)
        is_like = isinstance(found, kinds) and len(wanted) == len(found)
        return is_like and all(
            _same(*pair, tolerance) for pair in zip(wanted, found, strict=True)
        )
    return type(wanted) is type(found) and wanted == found


def _close(wanted: Tensor, found: Tensor, tolerance: float) -> Tensor:
    wanted, found = wanted.double(), found.double()
    near = (wanted - found).abs() <= tolerance * wanted.abs().clamp(min=1)
    return near | (wanted == found) | (wanted.isnan() & found.isnan())


# What can be wrong with any answer


def _general_fault(
    exercise, case: Case, wanted: Observation, found: Observation
) -> str:
    if set(found.changed) - set(wanted.changed):
        return (
            f"Your function changes its {_ordinal(found.changed)} input in place. "
            "Whoever called it still needs that as it was: work on a copy."
        )
    if found.error and found.error != wanted.error:
        return _why_it_stopped(exercise, case, found)
    if wanted.error and not found.error:
        situation = _situation(exercise, case)
        return f"For {situation} your function should raise {wanted.error}."
    for pair in zip(wanted.results, found.results, strict=True):
        if fault := _form(*pair):
            return fault
    if set(found.handed_back) - set(wanted.handed_back):
        return (
            f"Your function hands its {_ordinal(found.handed_back)} input back, or a "
            "view of it. Return something new, or who changes one changes both."
        )
    if _same(wanted.results, found.results, exercise.tolerance):
        return _gradient_fault(exercise, case, wanted, found)
    return ""


def _why_it_stopped(exercise, case: Case, found: Observation) -> str:
    if found.error == "NotImplementedError":
        return f"There is nothing to check yet. {found.message}"
    if found.error == NEVER_CAME_BACK:
        return (
            "Your function was still running when it was stopped. Does each of its "
            "loops come to an end, whatever it is given?"
        )
    where = f", in the line `{found.line.strip()}`" if found.line else ""
    return (
        f"For {_situation(exercise, case)} your function stops with {found.error}"
        f"{where}: {found.message.splitlines()[0] if found.message else 'no message'}"
    )


def _ordinal(numbers: tuple[int, ...]) -> str:
    """The first of some inputs, in words."""
    return (*ORDINALS, "last")[min(*numbers, len(ORDINALS))]


WHY = {
    torch.int64: ", since these are whole numbers",
    torch.bool: ", True or False for each",
    torch.float32: ", as the inputs are: the next layer takes no other",
}


def _form(wanted, found) -> str:
    """What is wrong with a result's type, shape or kind of numbers, if anything is."""
    if found is None and wanted is not None:
        return "Your function returns nothing: end it with a return."
    kind = _kind(found)
    if isinstance(wanted, Tensor):
        if not isinstance(found, Tensor):
            return f"Your function returns a {kind}; it should be a tensor."
        if found.shape != wanted.shape:
            shape = tuple(wanted.shape) or "(), a single number"
            return f"The result has shape {tuple(found.shape)}; it should have {shape}."
        if found.dtype != wanted.dtype:
            right, wrong = (
                str(x.dtype).removeprefix("torch.") for x in (wanted, found)
            )
            why = WHY.get(wanted.dtype, "")
            return f"The result is of type {wrong}; it should be {right}{why}."
    elif _is_number(wanted):
        if not _is_number(found):
            return f"Your function returns a {kind}; it should be a number."
    elif isinstance(wanted, tuple):
        if not isinstance(found, tuple | list) or len(found) != len(wanted):
            count = f" of {len(found)}" if isinstance(found, tuple | list) else ""
            wish = f"Your function should return {len(wanted)} results"
            return f"{wish}; it returns a {kind}{count}."
        faults = (_form(a, b) for a, b in zip(wanted, found, strict=True))
        return next(filter(None, faults), "")
    elif type(found) is not type(wanted):
        return f"Your function returns a {kind}; it should be a {_kind(wanted)}."
    return ""


def _kind(value) -> str:
    if isinstance(value, Foreign):
        return value.kind
    return "tensor" if isinstance(value, Tensor) else type(value).__name__


def _gradients(exercise, case: Case, wanted, found):
    """By name of the input: the right gradient, and the one that was found."""
    names = [_arguments(exercise, case)[k] for k in case.gradients]
    return zip(names, wanted.gradients, found.gradients, strict=True)


def _gradient_fault(exercise, case: Case, wanted, found) -> str:
    for name, right, wrong in _gradients(exercise, case, wanted, found):
        flows = [isinstance(x, Tensor) and bool(x.any()) for x in (right, wrong)]
        if flows == [True, False]:
            return (
                f"The numbers are right, but no gradient reaches {name}, so "
                "nothing could be learned: something cuts the graph (detach, item, "
                "no_grad, or a tensor made from numbers)."
            )
        if flows == [False, True]:
            return (
                f"The result sends a gradient into {name}, a measurement that was "
                "made before: treat it as a constant and detach it."
            )
    return ""


# The smallest case


def _difference(exercise, case: Case, wanted: Observation, found: Observation) -> str:
    situation = _situation(exercise, case)
    tolerance = exercise.tolerance
    for right, wrong in zip(wanted.results, found.results, strict=True):
        if not _same(right, wrong, tolerance):
            place, right, wrong = _first_difference(right, wrong, tolerance)
            begin = f"For {situation} the result{place}"
            return f"{begin} should be {right}; it is {wrong}."
    for name, right, wrong in _gradients(exercise, case, wanted, found):
        if not _same(right, wrong, tolerance):
            place, right, wrong = _first_difference(right, wrong, tolerance)
            return (
                f"For {situation} the result is right, but how it would change with "
                f"{name}{place} is not: the gradient should be {right}; it is {wrong}."
            )
    return f"For {situation} the result is wrong."


def _first_difference(wanted, found, tolerance: float) -> tuple[str, str, str]:
    """Where, what should be there, and what is there, each in words."""
    if isinstance(wanted, tuple):
        for number, pair in enumerate(zip(wanted, found, strict=True), start=1):
            if not _same(*pair, tolerance):
                place, *both = _first_difference(*pair, tolerance)
                return f" number {number}{place}", *both
    if isinstance(wanted, Tensor) and wanted.shape:
        index = tuple((~_close(wanted, found, tolerance)).nonzero()[0].tolist())
        if wanted.shape[-1] <= 8:
            index = index[:-1]
        place = f" at {list(index)}" if index else ""
        return place, *_apart(wanted[index], found[index])
    return "", *_apart(wanted, found)


def _apart(wanted, found) -> tuple[str, str]:
    """Both in words, with as many digits as it takes to see that they differ."""
    for digits in (4, 6, 9):
        words = in_words(wanted, digits), in_words(found, digits)
        if words[0] != words[1]:
            break
    return words


def in_words(value, digits: int = 4, most: int = 24) -> str:
    if isinstance(value, Tensor):
        if value.numel() > most:
            return f"of shape {tuple(value.shape)}"
        return in_words(value.tolist(), digits)
    if isinstance(value, float):
        short = f"{value:.{digits}g}" if value == value else "not a number (nan)"
        return f"{value:.1f}" if "e+" in short else short
    if isinstance(value, list | tuple | set) and value:
        items = sorted(value, key=str) if isinstance(value, set) else value
        if len(value) > most:
            return f"of length {len(value)}"
        begin, end = {"list": "[]", "tuple": "()", "set": "{}"}[type(value).__name__]
        return begin + ", ".join(in_words(item, digits) for item in items) + end
    if isinstance(value, Table):
        return f"the table {value.values}"
    if isinstance(value, Dice):
        return f"a generator with seed {value.seed}"
    if callable(value):
        return "a function"
    return f"a {value.kind}" if isinstance(value, Foreign) else repr(value)


def _arguments(exercise, case: Case) -> list[str]:
    return list(inspect.signature(exercise.solutions[case.of]).parameters)


def _situation(exercise, case: Case) -> str:
    """The words of a case, or its inputs, those that are long by their shape."""
    if case.words or not case.inputs:
        return case.words or "all that it is given"
    named = list(zip(_arguments(exercise, case), case.inputs, strict=True))
    whole = ", ".join(f"{name} {in_words(value)}" for name, value in named)
    if len(whole) < 160:
        return whole
    return ", ".join(f"{name} {in_words(value, most=1)}" for name, value in named)
