"""Checks of the exercises: the bank of mistakes is the check.

An answer is observed on cases (`observing`, which knows nothing of what is right), and
the observations are judged (`judging`) by an exercise's definition and its bank of
mistakes (`exercise`; the bank itself is in `exercises/bank`). Grading does the first in
a process of the submission's own.
"""

import sys
from collections.abc import Callable

# The old checks, until all eight exercises have moved into the bank.
_OLD = (
    "common gpt instruction masking near_duplicates next_token ppo sampling tokenizer"
)
for _name in _OLD.split():
    sys.modules.pop(f"{__name__}.{_name}", None)

from llmlab.checks.common import CheckFailed
from llmlab.checks.data import Case, Dice, Observation, Table
from llmlab.checks.exercise import Exercise, graded_cases, variant
from llmlab.checks.gpt import attention
from llmlab.checks.instruction import instruction_targets
from llmlab.checks.judging import Verdict, judge
from llmlab.checks.masking import hide
from llmlab.checks.near_duplicates import estimated_likeness
from llmlab.checks.next_token import next_token_loss
from llmlab.checks.observing import observe
from llmlab.checks.ppo import policy_loss
from llmlab.checks.sampling import keep_nucleus
from llmlab.checks.tokenizer import merge
from llmlab.checks.yours import your_attention, your_merge

__all__ = [
    "Case",
    "CheckFailed",
    "Dice",
    "Exercise",
    "Observation",
    "Table",
    "Verdict",
    "attention",
    "check",
    "estimated_likeness",
    "graded_cases",
    "hide",
    "instruction_targets",
    "judge",
    "keep_nucleus",
    "merge",
    "next_token_loss",
    "observe",
    "policy_loss",
    "variant",
    "your_attention",
    "your_merge",
]


def check(exercise: Exercise | str, *answer: Callable) -> None:
    """Print what has been proven of an answer.

    Parameters
    ----------
    exercise : or its name.
    answer : the function, or the functions, of the learner.

    Raises
    ------
    CheckFailed : with the likely mistake.
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
