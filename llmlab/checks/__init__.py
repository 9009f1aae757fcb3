"""What a learner calls in an exercise, and what runs beside a learner's code.

An answer is observed on cases (`observing`, which knows nothing of what is right), and
the observations are judged by `exercises/judging.py`: by a definition and a bank of
mistakes. Grading does the first in a process of the submission's own.
"""

import hashlib
import random
import unicodedata
from collections.abc import Callable

from llmlab.checks.data import Case, Dice, Observation, Table
from llmlab.checks.observing import observe
from llmlab.checks.yours import your_attention, your_merge


class CheckFailed(AssertionError):
    """An answer that is not right yet. The message says in plain words why."""

    def _render_traceback_(self) -> list[str]:
        """What Jupyter shows: the sentence. A stack of our own calls helps nobody."""
        return [f"Not yet: {self}"]


def check(exercise, *answer: Callable) -> None:
    """Print what has been proven of an answer.

    exercise : an `exercises.Exercise`, or its name.

    Raises CheckFailed: with the likely mistake.
    """
    try:
        from exercises import judge, load
    except ImportError as error:
        raise ValueError(
            "the exercises come with a clone of the repository: run this from one"
        ) from error
    if isinstance(exercise, str):
        exercise = load(exercise)
    if len(answer) != len(exercise.answers):
        raise ValueError(f"give the check {' and '.join(exercise.answers)}")
    cases = list(exercise.cases(0))
    verdict = judge(exercise, cases, observe(answer, cases))
    if verdict.said:
        raise CheckFailed(verdict.said)
    print("Right.", exercise.proven)


def variant(name: str) -> random.Random:
    """Dice that follow from a learner's name, so that neighbours get other numbers."""
    words = unicodedata.normalize("NFKC", name).casefold().split()
    if not words:
        raise ValueError("the name is empty: write your own between the quotes")
    digest = hashlib.sha256(" ".join(words).encode("utf-8", "replace")).digest()
    return random.Random(int.from_bytes(digest[:8], "little"))
