"""Print what people get wrong, exercise by exercise: a guide to misconceptions.

    python -m authoring misconceptions          all exercises
    python -m authoring misconceptions merge    some of them

The bank of mistakes is the check, so the guide is complete: each sentence is what a
learner reads who made that mistake.
"""

import argparse
import sys

from exercises import Exercise, judge, load, names
from llmlab.checks import observe


def sentences(exercise: Exercise) -> list[str]:
    """Each once. Where properties speak, the bank holds a part of what they say."""
    said = list(exercise.mistakes.values())
    if exercise.properties:
        cases = list(exercise.cases(0))
        answers = [m if isinstance(m, tuple) else (m,) for m in exercise.mistakes]
        said = [judge(exercise, cases, observe(a, cases)).said for a in answers]
    return list(dict.fromkeys(filter(None, said)))


def page(exercise: Exercise) -> str:
    lines = [f"## {exercise.title} (`{exercise.name}`, {exercise.chapter})", ""]
    lines += [f"- {said}" for said in sentences(exercise)]
    return "\n".join(lines)


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m authoring misconceptions", description=__doc__.split("\n")[0]
    )
    parser.add_argument("exercises", nargs="*", metavar="EXERCISE")
    chosen = parser.parse_args(words).exercises or names()
    try:
        print("\n\n".join(page(load(name)) for name in chosen))
    except ValueError as error:
        print(f"misconceptions: {error}", file=sys.stderr)
        return 2
    return 0
