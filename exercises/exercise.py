"""What an exercise consists of. Each is written in a file of `bank`."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from llmlab.checks.data import Case


@dataclass(frozen=True)
class Exercise:
    """A task, what is right, and which mistakes people make in it.

    name : of the answer, and of the file.
    kind : implement, find the fault, predict, read, or design.
    difficulty, importance : 1 to 5.
    chapter : where it belongs, and when to do it.
    task : what the learner reads, in Markdown; what follows when it is done: `after`.
    solution : one function, or several where an answer consists of several. Name,
        arguments and docstring are the learner's stub.
    definition : what is right, slow and plain; the solution if nothing is given.
    cases : of a seed; the smallest and most telling first. Seed 0 is the visible one.
    points : of each property; the first of a function is its heart, without which its
        others do not count.
    proven : what is said of a right answer.
    mistakes : from a wrong answer to its sentence; an answer that does the same on all
        cases gets it. An empty sentence: the smallest case says it.
    right : answers in other styles, all of them right.
    properties : where results cannot be compared, because answers are random, or are
        predictions or plans: for each property a function of the cases and what came
        of them, which returns a sentence, or None if it holds.
    compared : of the inputs and a result, what is compared; where several are right.
    hints : three, from a nudge to where to read.
    given : its body is a cell before the answer, where numbers are shown.
    use : its body is the cell after the hints, where the answer is put to use.
    library : dotted names of functions of the library that do the same.
    """

    name: str
    title: str
    kind: str
    skill: str
    difficulty: int
    importance: int
    minutes: int
    chapter: str
    task: str
    solution: Callable | tuple[Callable, ...]
    cases: Callable[[int], Iterable[Case]]
    points: dict[str, int]
    proven: str
    mistakes: dict[Callable | tuple[Callable, ...], str]
    hints: tuple[str, str, str]
    after: str = ""
    definition: Callable | tuple[Callable, ...] | None = None
    right: tuple = ()
    properties: dict[str, Callable] = field(default_factory=dict)
    compared: Callable | None = None
    tolerance: float = 1e-4
    given: Callable | None = None
    use: Callable | None = None
    library: tuple[str, ...] = ()

    @property
    def solutions(self) -> tuple[Callable, ...]:
        return self.solution if isinstance(self.solution, tuple) else (self.solution,)

    @property
    def right_function(self) -> Callable | tuple[Callable, ...]:
        return self.definition or self.solution

    @property
    def answers(self) -> tuple[str, ...]:
        """The names that a learner gives to the parts of an answer."""
        return tuple(function.__name__ for function in self.solutions)


def graded_cases(exercise: Exercise, hidden_seed: int) -> list[Case]:
    """The visible cases, and others of the same sizes that no learner has seen."""
    hidden = [replace(case, hidden=True) for case in exercise.cases(hidden_seed)]
    return [*exercise.cases(0), *hidden]
