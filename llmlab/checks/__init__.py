"""Checks of the exercises: the bank of mistakes is the check.

An answer is observed on cases (`observing`, which knows nothing of what is right), and
the observations are judged (`judging`) by an exercise's definition and its bank of
mistakes (`exercise`; the bank itself is in `exercises/bank`). Grading does the first in
a process of the submission's own.
"""

from collections.abc import Callable

from llmlab.checks.data import Case, Dice, Observation, Table
from llmlab.checks.exercise import Exercise, graded_cases, variant
from llmlab.checks.judging import Verdict, judge
from llmlab.checks.observing import observe
from llmlab.checks.yours import your_attention, your_merge


class CheckFailed(AssertionError):
    """An answer that is not right yet. The message says in plain words why."""

    def _render_traceback_(self) -> list[str]:
        """What Jupyter shows: the sentence. A stack of our own calls helps nobody."""
        return [f"Not yet: {self}"]


def check(exercise: Exercise | str, *answer: Callable) -> None:
    """Print what has been proven of an answer.

    exercise : or its name.

    Raises CheckFailed: with the likely mistake.
    """
    if isinstance(exercise, str):
        try:
            from exercises import load
        except ImportError as error:
            raise ValueError(
                "the exercises come with a clone of the repository: run this from one"
            ) from error
        exercise = load(exercise)
    if len(answer) != len(exercise.answers):
        raise ValueError(f"give the check {' and '.join(exercise.answers)}")
    cases = list(exercise.cases(0))
    verdict = judge(exercise, cases, observe(answer, cases))
    if verdict.said:
        raise CheckFailed(verdict.said)
    print("Right.", exercise.proven)
