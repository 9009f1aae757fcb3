"""The assignments: what learners get, and what the grader makes of what they return."""

import ast
import contextlib
import copy
import csv
import importlib
import inspect
import os
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from types import SimpleNamespace

import nbformat
import psutil
import pytest
from traitlets.config import PyFileConfigLoader

from llmlab import checks
from llmlab.paths import ROOT

EXERCISES = ROOT / "exercises"


def load(name):
    specification = importlib.util.spec_from_file_location(name, EXERCISES / name)
    module = importlib.util.module_from_spec(specification)
    # A dataclass looks its module up by name.
    sys.modules[name] = module
    specification.loader.exec_module(module)
    return module


build = load("build.py")
SOURCES = build.sources()
SOURCE_NAMES = [source.stem for source in SOURCES]
each_assignment = pytest.mark.parametrize("source", SOURCES, ids=SOURCE_NAMES)


def grading(cell):
    return cell.metadata.get("nbgrader", {})


def answer_cells(notebook):
    return [cell for cell in notebook.cells if grading(cell).get("solution")]


def check_cells(notebook):
    return [cell for cell in notebook.cells if grading(cell).get("grade")]


def release_of(source):
    return EXERCISES / "release" / source.parent.name / f"{source.stem}.ipynb"


@each_assignment
def test_the_student_notebook_is_what_its_source_builds(source):
    student = build.student_notebook(build.instructor_notebook(source))
    assert release_of(source).read_text("utf-8") == build.as_text(student), (
        "run `python exercises/build.py`"
    )


def test_a_stale_student_notebook_is_reported(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(build, "FOLDER", tmp_path)
    place = tmp_path / "source" / "ps1"
    place.mkdir(parents=True)
    shutil.copy(SOURCES[0], place)
    (source,) = build.sources(tmp_path)
    assert build.build(source)
    assert build.build(source, only_check=True)
    source.write_text(source.read_text("utf-8").replace("Hint", "Help"), "utf-8")
    assert not build.build(source, only_check=True)
    assert "STALE" in capsys.readouterr().out


@each_assignment
def test_no_line_of_a_solution_or_hidden_test_reaches_learners(source):
    text = source.read_text("utf-8")
    regions = re.findall(r"### BEGIN .*?\n(.*?)### END", text, re.DOTALL)
    secret = {line.strip() for region in regions for line in region.splitlines()}
    secret = {line for line in secret if len(line) > 8}
    student = build.student_notebook(build.instructor_notebook(source))
    given = {line.strip() for cell in student.cells for line in cell.source.split("\n")}
    assert len(secret) > 20
    assert secret & given == set()


@each_assignment
def test_the_student_notebook_holds_no_outputs(source):
    student = build.student_notebook(build.instructor_notebook(source))
    code = [cell for cell in student.cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in code)


@each_assignment
def test_every_exercise_has_card_answer_check_and_three_hints_in_this_order(source):
    cells = build.instructor_notebook(source).cells
    cards = [k for k, cell in enumerate(cells) if "exercise" in cell.metadata]
    assert len(cards) >= 3
    for k in cards:
        card = cells[k].metadata["exercise"]
        assert 1 <= card["difficulty"] <= 5
        assert card["minutes"] > 0
        assert grading(cells[k + 1])["grade_id"] == card["name"]
        assert grading(cells[k + 2])["grade_id"] == f"{card['name']}-check"
        assert grading(cells[k + 2])["points"] == card["points"]
        hints = re.findall("<details><summary>(.*?)</summary>", cells[k + 3].source)
        assert hints == ["Hint", "Pseudocode", "Where to read"]
        assert '"""' in cells[k + 1].source, "shapes belong in the docstring"


@each_assignment
def test_code_that_learners_see_fits_a_notebook(source):
    student = build.student_notebook(build.instructor_notebook(source))
    lines = [
        line
        for cell in student.cells
        if cell.cell_type == "code"
        for line in cell.source.split("\n")
    ]
    assert [line for line in lines if len(line) > 80] == []


@each_assignment
def test_the_solutions_pass_their_checks_and_hidden_tests(source, capsys):
    names = {}
    instructor = build.instructor_notebook(source)
    for cell in instructor.cells:
        if cell.cell_type == "code":
            exec(cell.source, names)
    # The hidden tests begin with the check once more, freshly loaded.
    assert capsys.readouterr().out.count("Right.") == 2 * len(check_cells(instructor))


@each_assignment
def test_an_empty_answer_is_told_that_it_is_the_learners_turn(source):
    names = {}
    student = build.student_notebook(build.instructor_notebook(source))
    exec(student.cells[2].source, names)
    for cell in answer_cells(student):
        exec(cell.source, names)
    for cell in check_cells(student):
        with pytest.raises(names["checks"].CheckFailed, match="Your turn"):
            exec(cell.source, names)


@pytest.fixture
def checks_may_be_replaced():
    yield
    importlib.reload(checks)


@pytest.mark.usefixtures("checks_may_be_replaced")
@each_assignment
def test_hidden_tests_notice_a_check_that_was_made_to_say_yes(source):
    """A learner may replace parts of a check; what it hides is loaded afresh."""
    instructor = build.instructor_notebook(source)
    names = {}
    exec(instructor.cells[2].source, names)
    for answer, check in zip(
        answer_cells(instructor), check_cells(instructor), strict=True
    ):
        names[grading(answer)["grade_id"]] = lambda *inputs: inputs[0]
        replace_every_function_of_the_checks()
        exec(check.source.partition("### BEGIN")[0], names)
        with pytest.raises(AssertionError):
            exec(check.source, names)


def replace_every_function_of_the_checks():
    modules = [m for name, m in sys.modules.items() if name.startswith("llmlab.checks")]
    for module in modules:
        for name, _ in inspect.getmembers(module, inspect.isfunction):
            setattr(module, name, lambda *inputs: None)


INVISIBLE_IN_NUMBERS = {
    "ps1": {
        *("keys_scaled_in_place", "exponentials_overflow", "graph_cut"),
        *("tokens_overwritten", "floats_returned"),
        *("advantages_not_detached", "old_log_probs_not_detached"),
        *("new_log_probs_detached", "log_probs_subtracted_in_place"),
    },
    "ps2": {
        *("numberings_used_up", "changed_in_place", "floats_returned"),
        *("graph_cut", "largest_taken_out_in_place", "dropped_in_place"),
        *("one_random_token_for_a_column", "certain_tokens_left_out"),
        *("always_the_same_places", "compared_as_objects", "input_handed_back"),
    },
}
"""Wrong answers with the right numbers: only a check can see what they lack."""


@each_assignment
def test_hidden_tests_reject_every_wrong_result_without_the_checks(source):
    instructor = build.instructor_notebook(source)
    names, survivors = {}, set()
    exec(instructor.cells[2].source, names)
    for cell in check_cells(instructor):
        name = grading(cell)["grade_id"].removesuffix("-check")
        lines = cell.source.split("\n")
        hidden_test = "\n".join(line for line in lines if "checks" not in line)
        for answer in load(f"wrong_answers/{source.stem}_{name}.py").SAID:
            names[name] = answer
            with contextlib.suppress(Exception, KeyboardInterrupt):
                exec(hidden_test, names)
                survivors.add(answer.__name__)
    assert survivors == INVISIBLE_IN_NUMBERS[source.stem]


@each_assignment
def test_hidden_tests_overwrite_no_name_of_the_learner(source):
    """They live in a function: a helper called `rows` or `chance` stays what it was."""
    text = source.read_text("utf-8")
    regions = re.findall(r"### BEGIN HIDDEN.*?\n(.*?)### END", text, re.DOTALL)
    assert len(regions) == len(check_cells(build.instructor_notebook(source)))
    for region in regions:
        tests, call = ast.parse(region).body
        assert isinstance(tests, ast.FunctionDef)
        assert (tests.name, ast.unparse(call)) == ("_hidden_tests", "_hidden_tests()")
        shared = ast.Global | ast.Nonlocal
        assert not any(isinstance(node, shared) for node in ast.walk(tests))


@pytest.mark.parametrize(
    "text",
    [
        "### BEGIN SOLUTION\nanswer = 1",
        "answer = 1\n### END SOLUTION",
        "### BEGIN SOLUTION\n### BEGIN SOLUTION\n### END SOLUTION",
    ],
)
def test_markers_without_a_partner_stop_the_build(text):
    with pytest.raises(ValueError, match="SOLUTION"):
        build.replace_region(text, "SOLUTION", build.STUB)


# Grading, where nbgrader is installed


def with_answer(notebook, name, text):
    notebook = copy.deepcopy(notebook)
    for cell in answer_cells(notebook):
        if grading(cell)["grade_id"] == name:
            cell.source = text
    return notebook


def copied_looping_and_without_a_check(reference):
    """Three accidents in one: a copied answer, an endless loop, a deleted check."""
    notebook = with_answer(
        reference,
        "policy_loss",
        "def policy_loss(*inputs):\n    while True:\n        pass",
    )
    copied = copy.deepcopy(answer_cells(notebook)[0])
    copied.id = "a-copy"
    notebook.cells.insert(notebook.cells.index(answer_cells(notebook)[0]), copied)
    notebook.cells.remove(check_cells(notebook)[1])
    return notebook


def grade(*words):
    command = [sys.executable, EXERCISES / "grade.py", *words]
    return subprocess.run(command, capture_output=True, text=True)


def read_grades(table):
    """Name -> exercise -> row of the CSV."""
    rows = defaultdict(dict)
    with table.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            rows[row["name"]][row["exercise"]] = row
    return rows


def test_an_unknown_assignment_is_told_which_there_are(tmp_path):
    done = grade("ps9", tmp_path)
    assert done.returncode == 2
    known = ", ".join(SOURCE_NAMES)
    assert f"there is no assignment 'ps9'; choose from: {known}" in done.stderr


@pytest.fixture(scope="module")
def grades(tmp_path_factory):
    """What the grader makes of one batch of problem set 1, from the command line."""
    pytest.importorskip("nbgrader")
    folder = tmp_path_factory.mktemp("submissions")
    reference = build.instructor_notebook(SOURCES[0])
    build.write(reference, folder / "reference.ipynb")
    shutil.copytree(release_of(SOURCES[0]).parent, folder / "empty" / "ps1")
    build.write(
        copied_looping_and_without_a_check(reference),
        folder / "accidents" / "ps1.ipynb",
    )
    build.write(
        with_answer(reference, "attention", "import os\nos._exit(3)"),
        folder / "exits.ipynb",
    )
    (folder / "broken.ipynb").write_text('{"cells": [', "utf-8")
    (folder / "nothing").mkdir()
    table = tmp_path_factory.mktemp("grades") / "grades.csv"
    done = grade("ps1", folder, "--csv", table, "--cell-seconds", "20", "--jobs", "2")
    assert done.returncode == 0, done.stderr
    return read_grades(table)


def total(rows):
    return sum(float(row["points"]) for row in rows.values())


def test_the_reference_gets_full_marks_and_the_empty_release_none(grades):
    possible = sum(float(row["possible"]) for row in grades["reference"].values())
    assert total(grades["reference"]) == possible == 10
    assert total(grades["empty"]) == 0
    assert all("Your turn" in row["remark"] for row in grades["empty"].values())


def test_an_endless_loop_costs_its_own_exercise_only(grades):
    rows = grades["accidents"]
    assert rows["policy_loss"]["points"] == "0.0"
    assert "ran longer than 20 seconds" in rows["policy_loss"]["remark"]


def test_a_copied_answer_and_a_deleted_check_cost_nothing(grades):
    rows = grades["accidents"]
    assert rows["attention"]["points"] == rows["instruction_targets"]["points"] == "3.0"
    assert "further cells called attention were run" in rows["attention"]["remark"]
    assert "instruction_targets-check was missing" in rows["attention"]["remark"]


def merges_from_the_right(reference):
    answer = (
        "def merge(ids, pair, new_id):\n"
        "    merged, place = list(ids), len(ids) - 2\n"
        "    while place >= 0:\n"
        "        if tuple(merged[place : place + 2]) == pair:\n"
        "            merged[place : place + 2] = [new_id]\n"
        "            place -= 1\n"
        "        place -= 1\n"
        "    return merged"
    )
    return with_answer(reference, "merge", answer)


def test_problem_set_2_is_graded_exercise_by_exercise(tmp_path):
    """The solutions, the release as it is, and one wrong answer."""
    pytest.importorskip("nbgrader")
    source = EXERCISES / "source" / "ps2" / "ps2.py"
    reference, folder = build.instructor_notebook(source), tmp_path / "submissions"
    build.write(reference, folder / "reference.ipynb")
    shutil.copy(release_of(source), folder / "empty.ipynb")
    build.write(merges_from_the_right(reference), folder / "mara" / "ps2.ipynb")
    done = grade("ps2", folder, "--csv", tmp_path / "grades.csv", "--jobs", "2")
    assert done.returncode == 0, done.stderr
    grades = read_grades(tmp_path / "grades.csv")
    assert total(grades["reference"]) == 12
    assert total(grades["empty"]) == 0
    assert total(grades["mara"]) == 10
    assert "merged from the right" in grades["mara"]["merge"]["remark"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("exits", "not graded: the kernel died"),
        ("broken", "not graded: this is not a readable notebook"),
        ("nothing", "not graded: the folder holds no ps1.ipynb"),
    ],
)
def test_a_broken_submission_gets_a_reason_and_stops_nobody(grades, name, reason):
    rows = grades[name].values()
    assert len(rows) == 3
    assert all(row["points"] == "0.0" for row in rows)
    assert all(row["remark"].startswith(reason) for row in rows)


@each_assignment
def test_nbgrader_makes_the_same_student_notebook(source, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where the settings make nbgrader's folder
    preprocessors = pytest.importorskip("nbgrader.preprocessors")
    loader = PyFileConfigLoader("nbgrader_config.py", path=str(EXERCISES))
    config = loader.load_config()
    instructor = build.instructor_notebook(source)
    student, resources = copy.deepcopy(instructor), {}
    for name in ("LockCells", "ClearSolutions", "ClearOutput", "ClearHiddenTests"):
        preprocessor = getattr(preprocessors, name)(config=config)
        student, resources = preprocessor.preprocess(student, resources)
    assert build.as_text(student) == build.as_text(build.student_notebook(instructor))


def test_checks_come_back_to_an_old_notebook_that_lost_all_metadata(grader, tmp_path):
    reference = build.instructor_notebook(SOURCES[0])
    submission = copy.deepcopy(reference)
    submission.nbformat_minor = 4
    for cell in submission.cells:
        del cell["id"]
        cell.metadata = type(cell.metadata)()
    build.write(submission, tmp_path / "mara.ipynb")
    course = SimpleNamespace(assignment="ps1", checks=check_cells(reference))
    mended, remark = grader.read_submission(tmp_path / "mara.ipynb", course)
    build.write(mended, tmp_path / "mended.ipynb")
    assert [grading(cell) for cell in check_cells(mended)] == [
        grading(cell) for cell in check_cells(reference)
    ]
    assert "attention-check" in remark and "added at the end" in remark


def read(grader, notebook, folder):
    """What the grader makes of the notebook, taken for problem set 1."""
    build.write(notebook, folder / "mara.ipynb")
    checks_of_it = check_cells(build.instructor_notebook(SOURCES[0]))
    course = SimpleNamespace(assignment="ps1", checks=checks_of_it)
    return grader.read_submission(folder / "mara.ipynb", course)


def test_a_cell_of_another_assignment_is_run_and_not_graded(grader, tmp_path):
    submission = build.instructor_notebook(SOURCES[0])
    foreign = answer_cells(build.instructor_notebook(SOURCES[1]))[0]
    foreign.id = "foreign"
    submission.cells.append(foreign)
    mended, remark = read(grader, submission, tmp_path)
    assert mended.cells[-1].source == foreign.source
    assert "nbgrader" not in mended.cells[-1].metadata
    assert len(check_cells(mended)) == len(answer_cells(mended)) == 3
    name = grading(foreign)["grade_id"]
    assert remark == f"further cells called {name} were run, but do not count"


def test_another_assignment_is_refused_with_its_exercises_named(grader, tmp_path):
    with pytest.raises(grader.CannotGrade) as refusal:
        read(grader, build.instructor_notebook(SOURCES[1]), tmp_path)
    assert str(refusal.value) == (
        "this is not ps1: its exercises are called "
        "estimated_likeness, hide, keep_nucleus, merge, next_token_loss"
    )


def failed(grade_id, kind, message):
    """A cell that ran and raised; None is the id of an ordinary one."""
    error = nbformat.v4.new_output("error", ename=kind, evalue=message, traceback=[])
    metadata = {"nbgrader": {"grade_id": grade_id}} if grade_id else {}
    return nbformat.v4.new_code_cell("", outputs=[error], metadata=metadata)


def errors_of(grader, folder, *cells):
    build.write(nbformat.v4.new_notebook(cells=list(cells)), folder / "run.ipynb")
    limits = grader.Limits(cell_seconds=20, submission_seconds=300, sandbox=False)
    return grader.read_errors(folder / "run.ipynb", limits)


def test_a_cell_past_its_limit_is_remarked_on(grader, tmp_path):
    stopped = failed("merge-check", "CellTimeoutError", "No reply from kernel")
    assert errors_of(grader, tmp_path, stopped) == {
        "merge-check": "ran longer than 20 seconds and was interrupted"
    }


def test_an_earlier_cell_that_failed_is_named_in_the_remark(grader, tmp_path):
    found = errors_of(
        grader,
        tmp_path,
        failed("hide", "SyntaxError", "invalid syntax"),
        failed(None, "ModuleNotFoundError", "No module named 'tourch'\nand more"),
        failed(None, "NameError", "name 'rows' is not defined"),
        failed("merge-check", "CheckFailed", "A token was lost."),
    )
    assert found == {
        "hide-check": "SyntaxError: invalid syntax",
        "merge-check": "A token was lost. (an earlier cell failed: "
        "ModuleNotFoundError: No module named 'tourch')",
    }


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        ("… ERROR | Kernel died while waiting for execute reply.", "exit(), os._exit"),
        ("nbclient.exceptions.CellTimeoutError: A cell", "a cell ran past its limit"),
        (
            "Traceback:\n  nbformat.ValidationError: no id\n[ERROR] Gave up\n",
            "nbgrader failed: nbformat.ValidationError: no id",
        ),
        ("nobody knows", "nbgrader failed: nobody knows"),
    ],
)
def test_a_failure_of_nbgrader_is_told_in_words(grader, output, reason):
    assert reason in grader.why_nbgrader_failed(output)


def test_no_word_of_a_learner_becomes_a_formula_of_the_spreadsheet(grader):
    for word in ("=1+1", "+1", "-1", "@SUM(A1)"):
        assert grader.as_text(word) == f"'{word}"
    for value in ("mara", "1=1", "", -1.0):
        assert grader.as_text(value) == value


def test_what_a_submission_left_running_is_ended_and_nothing_else(grader, tmp_path):
    command = [sys.executable, "-c", "import time; time.sleep(60)"]
    left, other = (
        subprocess.Popen(
            command,
            env={**os.environ, "IPYTHONDIR": str(tmp_path / folder / "jupyter")},
            start_new_session=True,
        )
        for folder in ("graded", "other")
    )
    try:
        grader.end_all_started_in(tmp_path / "graded")
        assert left.wait(timeout=10) != 0
        assert other.poll() is None
    finally:
        for process in (left, other):
            process.kill()
            process.wait()


def test_a_submission_past_its_time_is_ended_with_its_children(grader, tmp_path):
    child = "import os, time; print(os.getpid(), file=open('child', 'w'), flush=True)"
    start = f"subprocess.run([sys.executable, '-c', {child + '; time.sleep(60)'!r}])"
    command = [sys.executable, "-c", f"import subprocess, sys; {start}"]
    with pytest.raises(subprocess.TimeoutExpired):
        grader.run(command, tmp_path, seconds=3)
    process_id = int((tmp_path / "child").read_text())
    if psutil.pid_exists(process_id):
        # Ended, and waiting for the system to take note.
        assert psutil.Process(process_id).status() == psutil.STATUS_ZOMBIE


def test_the_sandbox_hides_solutions_other_submissions_and_the_network(
    grader, tmp_path
):
    works = shutil.which("bwrap") and not subprocess.call(
        ["bwrap", "--unshare-all", "--ro-bind", "/", "/", "true"]
    )
    if not works:
        pytest.skip("bubblewrap does not run here")
    submissions, folder = tmp_path / "submissions", tmp_path / "course"
    submissions.mkdir()
    folder.mkdir()
    (submissions / "other.ipynb").write_text("{}")
    program = (
        "import os, llmlab, socket\n"
        "from llmlab.paths import ROOT\n"
        f"print(sorted(os.listdir({str(submissions)!r})))\n"
        "print(*((ROOT / name).exists() for name in ('exercises', '.git', 'data')))\n"
        "print([name for _, name in socket.if_nameindex()])\n"
        "open('result', 'w').close()\n"
    )
    command = grader.in_bubblewrap(
        [sys.executable, "-c", program], folder, submissions / "mara.ipynb"
    )
    shown = grader.run(command, folder, seconds=60).splitlines()
    assert shown == ["[]", "False False True", "['lo']"]
    assert (folder / "result").exists()


@pytest.fixture
def grader(monkeypatch):
    pytest.importorskip("nbgrader")
    # grade.py finds build.py beside it; here another build.py is on the path.
    monkeypatch.setitem(sys.modules, "build", build)
    return load("grade.py")
