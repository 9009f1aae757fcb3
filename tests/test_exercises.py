"""The notebooks of the exercise sets: what learners get, and what they do not."""

import ast
import inspect
import re
import statistics

import pytest

import exercises
from authoring import exercises as build
from llmlab import checks

SETS = list(exercises.sets().values())
each_set = pytest.mark.parametrize("a_set", SETS, ids=lambda s: s.name)


def code_of(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_every_exercise_is_in_one_set_and_every_set_is_small():
    listed = [name for a_set in SETS for name in a_set.exercises]
    assert sorted(listed) == exercises.names()
    assert all(len(a_set.exercises) <= 6 for a_set in SETS)


@each_set
@pytest.mark.parametrize("kind", ["release", "solutions"])
def test_the_notebooks_are_what_the_bank_builds(a_set, kind):
    assert build.is_fresh(a_set, kind), "run `python -m authoring exercises`"


def test_a_stale_notebook_is_reported(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(build, "FOLDER", tmp_path)
    monkeypatch.setattr(build, "ROOT", tmp_path)
    monkeypatch.setattr(exercises, "sets", lambda: {SETS[0].name: SETS[0]})
    assert build.main([]) == 0 and build.main(["--check"]) == 0
    path = build.path_of(SETS[0], "release")
    path.write_text(path.read_text("utf-8").replace("Hint", "Help"), "utf-8")
    assert build.main(["--check"]) == 1
    assert "STALE release" in capsys.readouterr().out


@each_set
def test_no_line_of_a_solution_reaches_learners(a_set):
    release = build.notebook(a_set, "release")
    given = {line.strip() for cell in release.cells for line in cell.source.split("\n")}
    secret = set()
    for exercise in map(exercises.load, a_set.exercises):
        # What is to be repaired is given, but for its fault.
        shown = build.body_of(exercise.given).splitlines() if exercise.given else []
        for function in exercise.solutions:
            shown += build.stub(function).splitlines()
            secret |= {s.strip() for s in inspect.getsource(function).splitlines()}
        secret -= {line.strip() for line in shown}
    assert len(secret) > 5
    assert not {line for line in secret & given if len(line) > 12}


@each_set
def test_answers_and_checks_stand_in_order_and_can_be_found_by_a_grader(a_set):
    cells = build.notebook(a_set, "release").cells
    ids = [cell.id for cell in cells]
    assert len(set(ids)) == len(ids)
    for name in a_set.exercises:
        exercise, place = exercises.load(name), ids.index(name)
        answer, check, hints = cells[place : place + 3]
        assert answer.metadata["nbgrader"]["grade_id"] == name
        assert check.metadata["nbgrader"]["points"] == sum(exercise.points.values())
        assert not answer.outputs and check.execution_count is None
        assert re.findall("<summary>(.*?)</summary>", hints.source) == [
            *("Hint", "Steps in words", "Where to read")
        ]
        assert '"""' in answer.source, "shapes belong in the docstring"
        defined = [node.name for node in ast.parse(answer.source).body]
        assert tuple(defined) == exercise.answers


@each_set
def test_cards_are_filled_in(a_set):
    for name in a_set.exercises:
        exercise = exercises.load(name)
        assert exercise.name == name and exercise.minutes > 0
        assert {1, 2, 3, 4, 5} >= {exercise.difficulty, exercise.importance}
        assert exercise.kind in (
            *("implement", "find the fault", "predict", "read", "design"),
        )
        assert exercise.chapter and exercise.proven and exercise.task.strip()


@each_set
def test_code_that_learners_see_fits_a_notebook(a_set):
    lines = [
        line
        for cell in code_of(build.notebook(a_set, "release"))
        for line in cell.source.split("\n")
    ]
    assert [line for line in lines if len(line) > 88] == []


@each_set
def test_the_solutions_run_from_top_to_bottom(a_set, capsys):
    names = {}
    for cell in code_of(build.notebook(a_set, "solutions")):
        exec(cell.source, names)
    assert capsys.readouterr().out.count("Right.") == len(a_set.exercises)


@each_set
def test_the_release_says_at_each_check_that_it_is_the_learners_turn(a_set):
    names = {}
    for cell in code_of(build.notebook(a_set, "release")):
        if cell.id.endswith("-check"):
            with pytest.raises(checks.CheckFailed, match="Your turn"):
                exec(cell.source, names)
        elif not cell.id.endswith("-use"):
            exec(cell.source, names)


def test_an_exercise_costs_a_page():
    """With everything: card, answers, mistakes, hints; tests are the bank's own."""
    files = [exercises.FOLDER / "bank" / f"{name}.py" for name in exercises.names()]
    lines = {file.stem: file.read_text("utf-8").count("\n") for file in files}
    assert statistics.median(lines.values()) <= 300
    # Masking draws at random, so that its properties are written out.
    assert all(count <= 400 for name, count in lines.items() if name != "hide")
