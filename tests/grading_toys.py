"""Three small exercises, and notebooks that answer them, for the tests of grading."""

from authoring.grading.verdicts import Assignment
from exercises import Exercise
from llmlab.checks import Case


def twice(numbers):
    return [2 * number for number in numbers]


def largest(numbers):
    best = numbers[0]
    for number in numbers:
        best = max(best, number)
    return best


def is_sick(function):
    return function(3) != 3


def healthy(number):
    return number


def sick(number):
    return -number


def exercise(solution, cases, **more):
    return Exercise(
        name=solution.__name__,
        title=solution.__name__.title(),
        kind="implement",
        skill="",
        difficulty=1,
        importance=1,
        minutes=1,
        chapter="",
        task="",
        solution=solution,
        cases=cases,
        points={"on small inputs": 2, "on large ones": 1},
        proven="",
        hints=("", "", ""),
        **more,
    )


def lists(seed):
    return [
        Case(([1, 2],)),
        Case(([3],)),
        Case(([1000 + seed, 4],), proves="on large ones"),
    ]


def patients(seed):
    return [Case((one,)) for one in (healthy, sick, healthy, sick)[seed % 2 :]]


MISTAKES = {lambda numbers: [n + 2 for n in numbers]: "You added."}
EXERCISES = [
    exercise(twice, lists, mistakes=MISTAKES, library=("llmlab.village.documents",)),
    exercise(largest, lists, mistakes={}),
    exercise(is_sick, patients, mistakes={}),
]
ASSIGNMENT = Assignment("ps1", EXERCISES, seed=7)
RIGHT = {
    "twice": "def twice(numbers):\n    return [n + n for n in numbers]",
    "largest": "def largest(numbers):\n    return sorted(numbers)[-1]",
    "is_sick": "def is_sick(function):\n    return function(1) != 1",
}


def as_notebook(*cells, **more):
    cells = [{"cell_type": "code", "source": source, **more} for source in cells]
    return {"cells": cells, "nbformat": 4, "nbformat_minor": 5, "metadata": {}}
