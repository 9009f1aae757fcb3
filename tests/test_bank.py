"""Every exercise of the bank: what is right is accepted, what is wrong is named."""

import json
import re
from dataclasses import replace

import pytest
import torch

import exercises
from authoring.grading import wire
from exercises.bank import mark_answer
from llmlab import checks
from llmlab.checks.data import Foreign
from llmlab.checks.observing import observe_case

EXERCISES = [exercises.load(name) for name in exercises.names()]
HIDDEN_SEED = 11
each_exercise = pytest.mark.parametrize("exercise", EXERCISES, ids=lambda e: e.name)


def verdict(exercise, answer, seed=HIDDEN_SEED):
    cases = exercises.graded_cases(exercise, seed)
    return exercises.judge(exercise, cases, checks.observe(answer, cases))


def as_parts(answer):
    return answer if isinstance(answer, tuple) else (answer,)


@each_exercise
def test_the_solution_and_every_right_answer_are_accepted(exercise, capsys):
    for answer in (exercise.solution, *exercise.right):
        checks.check(exercise, *as_parts(answer))
        for seed in range(1, 4):
            found = verdict(exercise, as_parts(answer), seed)
            assert found.right, (answer, found.said, found.hidden)
            assert found.points == sum(exercise.points.values())
    assert capsys.readouterr().out.count("Right.") == 1 + len(exercise.right)


MISTAKES = [
    pytest.param(exercise, mistake, said, id=f"{exercise.name}-{number}")
    for exercise in EXERCISES
    for number, (mistake, said) in enumerate(exercise.mistakes.items())
]


@pytest.mark.parametrize(("exercise", "mistake", "said"), MISTAKES)
def test_every_mistake_is_rejected_and_gets_its_own_sentence(exercise, mistake, said):
    found = verdict(exercise, as_parts(mistake))
    assert found.said and found.points < sum(exercise.points.values())
    if said:
        assert said in found.said and said in found.hidden
    # Learners should read sentences, not a line that they can paste.
    assert not re.search(r"torch\.\w|\w\(\w|==|-inf|@|\.(exp|clamp)", found.said)
    assert len(found.said) < 320


@each_exercise
def test_seen_from_another_process_an_answer_gets_the_same_verdict(exercise):
    """Inputs and results go through JSON; functions are asked for by number."""
    cases = exercises.graded_cases(exercise, HIDDEN_SEED)
    coded, functions = wire.encode_cases(cases)

    def ask(number, inputs):
        code = json.loads(json.dumps(wire.encode(inputs, [])))
        return wire.decode(wire.encode(functions[number](*wire.decode(code)), []))

    arrived = wire.decode_cases(json.loads(json.dumps(coded)), ask)
    for answer in (exercise.solution, *list(exercise.mistakes)[:4]):
        seen = checks.observe(as_parts(answer), arrived)
        sent = json.dumps([wire.encode_observation(one) for one in seen])
        back = [wire.decode_observation(code) for code in json.loads(sent)]
        there = exercises.judge(exercise, cases, back)
        assert there == verdict(exercise, as_parts(answer))


def test_an_answer_of_the_desk_is_marked_as_people_marked_it():
    exercise = exercises.load("mark_answer")
    for seed in range(20):
        for _, *inputs, mark in mark_answer.marked_by_hand(seed):
            assert exercise.definition(*inputs) == mark, inputs


# Faults that every answer can have, said once for all


def wrapped(exercise, change):
    """The solution, with something done to each of its functions."""
    return tuple(change(function) for function in exercise.solutions)


@each_exercise
def test_nothing_returned_and_results_of_another_type_are_told(exercise):
    for result, said in (
        (None, "Your function returns nothing: end it with a return."),
        (object(), "Your function"),
        ("text", "Your function"),
        (torch.zeros(3, 1, 4, 1), ""),
    ):
        found = verdict(exercise, wrapped(exercise, lambda f, r=result: lambda *x: r))
        assert found.said.startswith(said) and found.said and found.points == 0


@each_exercise
def test_an_empty_answer_is_told_that_it_is_the_learners_turn(exercise):
    def empty(*inputs):
        raise NotImplementedError("Your turn.")

    found = verdict(exercise, wrapped(exercise, lambda f: empty))
    assert (
        found.said == "There is nothing to check yet. Your turn." and not found.points
    )


@each_exercise
def test_an_answer_that_raises_is_told_in_which_line(exercise):
    def crashes(*inputs):
        return [1, 2, 3].missing

    said = verdict(exercise, wrapped(exercise, lambda f: crashes)).said
    assert "your function stops with AttributeError, in the line `return [1, 2" in said


@each_exercise
def test_an_answer_that_does_not_come_back_is_told_so(exercise):
    def interrupted(*inputs):
        raise KeyboardInterrupt

    found = verdict(exercise, wrapped(exercise, lambda f: interrupted))
    assert found.said.startswith("Your function was still running when it was stopped")


@each_exercise
def test_an_input_changed_in_place_is_told(exercise):
    kinds = (list, set, torch.Tensor)
    case = next(iter(exercise.cases(0)))
    for number, given in enumerate(case.inputs):
        if not isinstance(given, kinds) or not len(given):
            continue

        def spoils(function, number=number):
            def answer(*inputs):
                result = function(*inputs)
                given = inputs[number]
                if isinstance(given, torch.Tensor):
                    with torch.no_grad():
                        given.view(-1)[:1] = given.view(-1)[:1] == 0
                else:
                    given.clear()
                return result

            return answer

        assert "input in place" in verdict(exercise, wrapped(exercise, spoils)).said


@each_exercise
def test_a_result_in_other_precision_is_told(exercise):
    case = next(iter(exercise.cases(0)))
    result = observe_case(exercise.solutions[case.of], case).results[0]
    if not isinstance(result, torch.Tensor) or result.dtype == torch.bool:
        pytest.skip("its results are no numbers in a tensor")
    for kind in {torch.float64, torch.float16} - {result.dtype}:
        changed = wrapped(exercise, lambda f, k=kind: lambda *x: f(*x).to(k))
        said = verdict(exercise, changed).said
        assert f"is of type {str(kind)[6:]}; it should be" in said


@each_exercise
def test_other_cases_are_as_large_as_the_visible_ones(exercise):
    """So that `Right.` on the screen is not followed by a zero."""

    def size(value):
        if isinstance(value, torch.Tensor):
            return tuple(value.shape), value.dtype
        return type(value)

    visible, hidden = (list(exercise.cases(seed)) for seed in (0, HIDDEN_SEED))
    assert [tuple(map(size, case.inputs)) for case in visible] == [
        tuple(map(size, case.inputs)) for case in hidden
    ]
    assert [case.proves for case in visible] == [case.proves for case in hidden]
    assert {case.proves for case in visible} - {""} <= set(exercise.points)


# What comes back from a process that is not trusted

FORGED = [
    *(None, 7, "right", {}, [], [1] * 8, {"tuple": []}, [[[[]]]]),
    [{"tuple": [True]}, *[{"tuple": []}] * 3, "", "", "", "fast"],
    [{"tuple": []}, {"tuple": []}, {"tuple": [-1]}, {"tuple": []}, "", "", "", 0.0],
    [{"tensor": "AAAA", "dtype": "float32", "shape": [9]}] * 8,
    [{"tensor": "", "dtype": "float32", "shape": [2**40]}] * 8,
    [{"tensor": "AAAA", "dtype": "Tensor", "shape": [1]}] * 8,
    [{"set": [[]]}] * 8,
]


@pytest.mark.parametrize("code", FORGED, ids=range(len(FORGED)))
def test_a_forged_observation_is_refused_in_words(code):
    with pytest.raises(ValueError, match="cannot be read"):
        wire.decode_observation(code)
    nested = []
    for _ in range(2000):
        nested = [nested]
    with pytest.raises(ValueError, match="cannot be read"):
        wire.decode_observation([nested] * 8)


@each_exercise
def test_results_of_no_sense_are_judged_all_the_same(exercise):
    cases = exercises.graded_cases(exercise, HIDDEN_SEED)
    right = checks.observe(exercise.solutions, cases)
    nan = torch.full((2, 2), float("nan"))
    for nonsense in ((nan,), ([[[]]],), (Foreign("x"),)):
        for part in ("results", "gradients"):
            seen = [replace(one, **{part: nonsense}) for one in right]
            found = exercises.judge(exercise, cases, seen)
            assert found.points == 0 or part == "gradients"
    for part in ("changed", "handed_back"):
        seen = [replace(one, **{part: (50,)}) for one in right]
        assert exercises.judge(exercise, cases, seen).points == 0
    few = exercises.judge(exercise, cases, right[:1])
    assert not few.right and few.points == 0
