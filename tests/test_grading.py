"""Grading: what a submission does to its process earns nothing but by its results."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from functools import cache

import psutil
import pytest
from grading_toys import ASSIGNMENT, EXERCISES, RIGHT, as_notebook

import authoring.exercises
import exercises
from authoring.grading import sandbox
from authoring.grading.processes import Limits, Place, Worker, ready
from authoring.grading.submissions import Submission
from authoring.grading.verdicts import Assignment, grade
from llmlab.checks import Case
from llmlab.paths import ROOT

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="an endless loop is ended by the clock only"
)
LIMITS = Limits(step_seconds=2, seconds=40, wall_seconds=120)


@pytest.fixture(scope="module")
def plain():
    with ready(Place(LIMITS)) as place:
        yield place


@cache
def has_bubblewrap():
    words = ["bwrap", "--unshare-all", "--ro-bind", "/", "/", "true"]
    return bool(shutil.which("bwrap")) and not subprocess.call(words)


@pytest.fixture
def walled(tmp_path):
    if not has_bubblewrap():
        pytest.skip("bubblewrap does not run here")
    submissions = tmp_path / "submissions"
    submissions.mkdir()
    return Place(LIMITS, (submissions,), walled=True)


def graded(place, folder, *cells, name="mara"):
    """Exercise -> row."""
    path = folder / f"{name}.ipynb"
    notebook = cells[0] if isinstance(cells[0], dict) else as_notebook(*cells)
    path.write_text(json.dumps(notebook))
    rows = grade(Submission(name, path), ASSIGNMENT, place)
    return {row.exercise: row for row in rows}


def points(rows):
    return sum(row.points for row in rows.values())


# What is right, and what is not


def test_right_answers_get_all_points_and_the_sick_are_asked_across(plain, tmp_path):
    rows = graded(plain, tmp_path, *RIGHT.values())
    assert [row.points for row in rows.values()] == [3, 3, 3]
    assert {row.status for row in rows.values()} == {"graded"}
    assert {row.said for row in rows.values()} == {"Right."}


def test_a_mistake_is_named_and_a_property_that_holds_is_paid(plain, tmp_path):
    some = "def largest(numbers):\n    return min(max(numbers), 99)"
    rows = graded(plain, tmp_path, "twice = lambda l: [n + 2 for n in l]", some)
    assert (rows["twice"].points, rows["twice"].said) == (0, "You added.")
    assert rows["largest"].points == 2
    assert rows["largest"].said.endswith("not yet: on large ones")
    assert rows["is_sick"].said == "The notebook defines no is_sick."


def test_what_holds_only_for_the_cases_that_learners_see_is_told_to_the_grader(
    plain, tmp_path
):
    by_heart = "def largest(numbers):\n    return {3: 3, 1000: 1000}.get(numbers[0], 2)"
    row = graded(plain, tmp_path, by_heart)["largest"]
    assert row.points == 2
    assert "1007" in row.remark and "1007" not in row.said


def test_the_best_of_several_answers_counts_and_scratch_names_cost_nothing(
    plain, tmp_path
):
    rows = graded(
        plain, tmp_path, RIGHT["largest"], "max = sorted = 3", "largest = None"
    )
    assert rows["largest"].points == 3
    assert rows["largest"].remark == "2 answers, the best one counts"


def test_what_an_answer_uses_may_stand_below_it(plain, tmp_path):
    rows = graded(plain, tmp_path, "def largest(n):\n    return top(n)", "top = max")
    assert (rows["largest"].points, rows["largest"].remark) == (3, "")


def test_an_answer_of_two_parts_is_one_answer_and_half_of_it_is_worth_its_half(
    plain, tmp_path
):
    cases = [Case(([1, 2],)), Case(([1, 2],), proves="on large ones", of=1)]
    both = replace(
        EXERCISES[0],
        name="both",
        solution=(EXERCISES[0].solution, EXERCISES[1].solution),
        cases=lambda seed: cases,
        mistakes={},
    )
    two = Assignment("ps1", [both], seed=7)
    for cells, points in ((("twice", "largest"), 3), (("twice",), 2)):
        path = tmp_path / f"{points}.ipynb"
        path.write_text(json.dumps(as_notebook(*(RIGHT[name] for name in cells))))
        (row,) = grade(Submission("mara", path), two, plain)
        assert (row.points, row.remark) == (points, "")


def test_earlier_cells_that_fail_are_no_noise_and_the_own_one_is_told(plain, tmp_path):
    rows = graded(plain, tmp_path, "1 / 0", "largest = nowhere", RIGHT["twice"])
    assert (rows["twice"].points, rows["twice"].remark) == (3, "")
    assert rows["largest"].said == (
        "Its cell failed: NameError: name 'nowhere' is not defined"
    )


MAGICS = [
    "%matplotlib inline\n!ls\nfiles = !ls\nimport os\nos?",
    "%%time\n" + RIGHT["twice"],
    "%load_ext autoreload\ndisplay(3)\nawait __import__('asyncio').sleep(0)",
    "breakpoint()\nimport pdb; pdb.set_trace()",
    "input()",
    "%%bash\nexit 3",
    "import matplotlib.pyplot as plt\nplt.plot([1])\nplt.show()",
    "import dataclasses, inspect\ninspect.getsource(twice)\n" + RIGHT["largest"],
]


def test_magics_widgets_and_breakpoints_of_a_notebook_stop_nothing(plain, tmp_path):
    rows = graded(plain, tmp_path, *MAGICS)
    assert points(rows) == 6


def test_the_function_of_the_library_is_no_answer(plain, tmp_path):
    before = "from llmlab.village import documents as kept"
    rows = graded(plain, tmp_path, before, "def twice(numbers): return kept(numbers)")
    assert rows["twice"].points == 0
    assert "the library's own function" in rows["twice"].said


@pytest.mark.parametrize("name", exercises.sets())
def test_the_solutions_of_a_set_get_all_points_and_its_release_none(
    plain, tmp_path, name
):
    """As handed out, but for the cells behind an answer that put it to use."""
    a_set = exercises.sets()[name]
    assignment = Assignment(name, [exercises.load(n) for n in a_set.exercises], seed=5)
    place = replace(plain, limits=Limits())
    for kind, share in (("solutions", 1), ("instructor", 1), ("release", 0)):
        notebook = authoring.exercises.notebook(a_set, kind)
        cells = [c for c in notebook.cells if not c.id.endswith("-use")]
        path = tmp_path / f"{kind}.ipynb"
        path.write_text(json.dumps({**notebook, "cells": cells}))
        for row in grade(Submission("mara", path), assignment, place):
            assert row.points == share * row.possible, row
            assert row.status == "graded", row
            assert row.said == "Right." if share else "Your turn" in row.said


# Hostile

PARENT = "import os, signal\n"
HOSTILE = {
    "transforms its cells": """
def silent(lines):
    return ["pass\\n" if "checks." in line else line for line in lines]
get_ipython().input_transformers_cleanup.append(silent)
get_ipython().input_transformer_manager.cleanup_transforms.append(silent)
checks.twice(twice)""",
    "patches the shell": """
shell = get_ipython()
shell.run_code = lambda *_: False
shell.events.register("post_run_cell", lambda result: None)
shell._showtraceback = shell.set_custom_exc = lambda *_: None""",
    "triggers in the gradebook": """
import sqlite3
book = sqlite3.connect("gradebook.db")
book.execute("create table grade (auto_score)")
book.execute("create trigger t after update on grade begin "
             "update grade set auto_score = 30; end")
sqlite3.connect(os.path.expanduser("~/../gradebook.db"))""",
    "leaves a child that rewrites": """
import atexit, subprocess, sys
def go():
    subprocess.Popen(["env", "-i", "sleep", "60"], start_new_session=True)
atexit.register(go)
go()""",
    "forks": "import os\nfor _ in range(20):\n    os.fork()",
    "starts processes": """
import multiprocessing, os
os.system("sleep 60 &")
os.posix_spawn("/bin/sleep", ["sleep", "60"], {})
multiprocessing.Process(target=print).start()""",
    "equals everything": """
class All(list):
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    __hash__ = None
twice = largest = is_sick = lambda *_: All([1])""",
    "is a number that is all": """
class Any(int):
    def __eq__(self, other): return True
    def __float__(self): raise SystemExit
    def bit_length(self): return 1
largest = is_sick = lambda *_: Any()""",
    "replaces the judge": """
import importlib, sys, types
import wire
from llmlab.checks import observing
judging = types.ModuleType("exercises.judging")
right = types.SimpleNamespace(points=9, right=True, said="", hidden="", properties=())
judging.judge = judging.Verdict = lambda *_: right
sys.modules["exercises"] = sys.modules["exercises.judging"] = judging
observing.observe = lambda *_: []
wire.encode_observation = lambda *_: [[], [], [], [], "", "", "", 0.0]
importlib.reload = lambda module: module
twice = largest = is_sick = lambda *_: 0""",
    "sends a verdict": """
import json, os
word = json.dumps({"kept": [[], [], [], [], "", "", "", 0.0], "points": 3, "right": 1})
for number in range(3, 12):
    try: os.write(number, word.encode() + b"\\n")
    except OSError: pass
def largest(numbers): return 0""",
    "closes the channel": """
import os
os.closerange(3, 20)
def largest(numbers): return 0""",
    "answers with nonsense": """
twice = lambda n: [[[[[[[[[[[[n]]]]]]]]]]]]
largest = lambda n: 10 ** 9999
is_sick = lambda f: f(f(*range(9)))""",
    "answers with a flood": """
twice = lambda numbers: [0.1] * 999_999""",
    "knows the order of the visible cases": """
order = iter([False, True, False, True])
is_sick = lambda function: next(order)""",
    "looks for definition and cases": """
import gc, sys
twice = next(o for o in gc.get_objects() if type(o).__name__ == "Exercise").solution
def largest(numbers):
    frame = sys._getframe()
    while frame:
        for value in frame.f_locals.values():
            for name in ("solution", "definition", "wanted"):
                if hasattr(value, name): return getattr(value, name)(numbers)
        frame = frame.f_back""",
    "reads the solutions": """
import exercises
twice = exercises.load("merge").solution""",
    "reads the bank from the disk": f"""
import glob
texts = [open(path).read() for path in glob.glob("{ROOT}/exercises/bank/*.py")]
texts += [open("{ROOT}/tests/test_grading.py").read()]
twice = next(iter(texts))""",
    "kills the grader": """
import os, signal
os.kill(os.getppid(), signal.SIGKILL)
os.killpg(os.getpgid(os.getppid()), signal.SIGKILL)""",
    "kills it from below": """
import ctypes, os
ctypes.CDLL(None).kill(os.getppid(), 9)""",
    "writes elsewhere": f"""
import os, pathlib, shutil, tempfile
for place in ("/tmp/llmlab-was-here", "{ROOT}/llmlab/was_here.py"):
    try: pathlib.Path(place).write_text("x = 1")
    except OSError: pass
    try: os.mkdir(place)
    except OSError: pass
    try: os.symlink("/etc/hostname", place)
    except OSError: pass
    try: os.open(place, os.O_CREAT | os.O_WRONLY)
    except OSError: pass""",
    "calls home": """
import socket, urllib.request
socket.create_connection(("127.0.0.1", 9))""",
    "floods": """
for _ in range(2000):
    print("x" * 100_000)""",
    "takes all memory": "hoard = 'a' * (9 * 2 ** 30)",
    "fills the disk": """
with open("large", "wb") as file:
    for _ in range(300): file.write(bytes(2 ** 20))""",
    "breaks the built-ins": """
import builtins, json, sys
builtins.len = builtins.isinstance = builtins.print = lambda *_: 3
json.loads = lambda *_: {}
sys.exit = sys.stdout = sys.modules["__main__"] = None""",
    "leaves": "raise SystemExit",
    "raises what debuggers raise": "import bdb\nraise bdb.BdbQuit",
    "holds half an emoji": "word = '\ud83d'\nprint(word)",
    "never ends": "while True: pass",
    "never gives back": """
while True:
    try:
        while True: pass
    except BaseException: pass""",
    "ends the process": "import os\nos._exit(0)",
    "crashes": "import os\nos.abort()",
    "sleeps": "import time\ntime.sleep(10 ** 6)",
}
BREAKS_ITS_OWN = {"replaces the judge"}
EMPTY = "def twice(numbers):\n    raise NotImplementedError('Your turn')"


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_submission_gains_nothing_and_is_told_why(plain, tmp_path, kind):
    rows = graded(plain, tmp_path, EMPTY, HOSTILE[kind])
    assert len(rows) == 3
    assert points(rows) == 0
    assert all(row.said for row in rows.values())
    assert not (ROOT / "llmlab" / "was_here.py").exists()


@pytest.mark.parametrize("kind", HOSTILE)
def test_answers_before_and_after_a_hostile_cell_keep_their_points(
    plain, tmp_path, kind
):
    """What was reached stays; the process is started again without what ended it."""
    rows = graded(plain, tmp_path, RIGHT["twice"], HOSTILE[kind], RIGHT["largest"])
    assert rows["twice"].points == 3
    assert rows["largest"].points == (0 if kind in BREAKS_ITS_OWN else 3)


REFUSED = [
    "import exercises",
    "import authoring.grading.verdicts",
    f"open('{ROOT}/exercises/README.md')",
    f"import os\nos.listdir('{ROOT}/tests')",
    f"import pathlib\npathlib.Path('{ROOT}/llmlab/gpt.py').open('a')",
    "open('/tmp/llmlab-was-here', 'w')",
    "import sqlite3\nsqlite3.connect('/tmp/llmlab-was-here')",
    "import shutil\nshutil.copy('/etc/hostname', '/tmp/llmlab-was-here')",
    "import os\nos.symlink('/etc/hostname', '/tmp/llmlab-was-here')",
    "import os\nos.fork()",
    "import os\nos.kill(os.getppid(), 9)",
    "import subprocess\nsubprocess.run(['true'])",
    "import ctypes\nctypes.CDLL(None)",
    "import socket\nsocket.socket().connect(('127.0.0.1', 9))",
]


WHY = {
    "ends the process": "it ended its own process (exit(), os._exit)",
    "crashes": "it crashed (SIGABRT)",
    "never ends": "code cell 1 ran out of time",
}


@pytest.mark.parametrize("kind", WHY)
def test_what_ended_a_cell_is_told_truly(plain, tmp_path, kind):
    rows = graded(plain, tmp_path, HOSTILE[kind], RIGHT["twice"])
    assert WHY[kind] in rows["twice"].remark
    assert (rows["twice"].status, rows["twice"].points) == ("graded", 3)
    assert rows["largest"].status == "partly graded"


def test_what_only_waits_is_stopped_by_the_clock(plain, tmp_path):
    place = replace(plain, limits=replace(LIMITS, wall_seconds=5))
    waits = "import threading\nthreading.Event().wait()"
    rows = graded(place, tmp_path, waits, RIGHT["twice"])
    assert "code cell 1 ran out of time" in rows["twice"].remark


@pytest.mark.parametrize("cell", REFUSED)
def test_what_reaches_out_of_the_process_is_refused(plain, tmp_path, cell):
    said = graded(plain, tmp_path, f"{cell}\ntwice = 3")["twice"].said
    assert "PermissionError: grading: " in said or "ModuleNotFoundError" in said


def test_nobody_reads_the_submissions_of_others(plain, tmp_path):
    others = replace(plain, hidden=(tmp_path,))
    (tmp_path / "bob.ipynb").write_text("{}")
    for look in ("open('{}')", "open('{}', 'w')", "__import__('os').listdir('{}')"):
        cell = "twice = " + look.format(tmp_path / "bob.ipynb")
        said = graded(others, tmp_path, cell)["twice"].said
        assert "PermissionError: grading: " in said


ELSEWHERE = {  # ends the process, or takes seconds: what ends them is no wall
    *("never gives back", "ends the process", "closes the channel", "crashes"),
    *("floods", "takes all memory", "fills the disk", "answers with a flood"),
    *("never ends", "breaks the built-ins", "replaces the judge"),
}


def test_all_of_it_at_once_gains_nothing_behind_the_wall(walled, tmp_path):
    """Also a crash, after which it is started again."""
    some = [text for kind, text in HOSTILE.items() if kind not in ELSEWHERE]
    crash = HOSTILE["crashes"]
    rows = graded(walled, tmp_path, RIGHT["twice"], crash, *some, RIGHT["largest"])
    assert [row.points for row in rows.values()] == [3, 3, 0]
    assert "it crashed (SIGABRT)" in rows["twice"].remark


def test_behind_the_wall_only_python_and_llmlab_are_there(walled, tmp_path):
    """Without the rail: a program of its own looks around."""
    (walled.hidden[0] / "bob.ipynb").write_text("{}")
    own = tmp_path / "own"
    own.mkdir()
    program = (
        "import os, socket, llmlab\n"
        "from llmlab.paths import ROOT\n"
        f"print(os.path.exists({str(walled.hidden[0])!r}))\n"
        "print(sorted(p.name for p in ROOT.iterdir()))\n"
        "print([name for _, name in socket.if_nameindex()])\n"
        "print(os.listdir('/tmp') , os.environ.get('SECRET'))\n"
        "open('result', 'w').close()\n"
        "open(ROOT / 'llmlab' / 'was_here.py', 'w')\n"
    )
    words = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})"]
    words[-1] += f"\n{program}"
    words = sandbox.in_bubblewrap(words, own, walled.hidden)
    done = subprocess.run(words, capture_output=True, text=True)
    shown = done.stdout.splitlines()
    assert shown[0] == "False"
    assert {"exercises", "tests", ".git"}.isdisjoint(shown[1])
    assert set(eval(shown[1])) <= {"llmlab", "data", "authoring", ".venv"}
    assert shown[2] == "['lo']"
    assert "None" in shown[3]
    assert (own / "result").exists()
    assert "Read-only file system" in done.stderr


def test_a_process_is_started_anew_if_the_one_that_starts_them_was_killed(
    plain, tmp_path
):
    plain.nursery.end()
    assert points(graded(plain, tmp_path, *RIGHT.values())) == 9


def test_nothing_that_a_submission_started_is_left(plain, tmp_path):
    with Worker(plain) as worker:
        worker.set_up()
        process = psutil.Process(worker._process.pid)
        folder = worker._folder.name
    assert not process.is_running()
    assert not os.path.exists(folder)


def test_no_secret_of_the_grading_person_reaches_a_learner(
    plain, tmp_path, monkeypatch
):
    monkeypatch.setenv("SECRET_TOKEN", "abc")
    tell = "import os\nraise ValueError(os.environ.get('SECRET_TOKEN'))\ntwice = 1"
    assert graded(plain, tmp_path, tell)["twice"].said == (
        "Its cell failed: ValueError: None"
    )


def test_a_sandbox_that_cannot_run_says_so_before_anybody_is_graded(
    monkeypatch, tmp_path
):
    monkeypatch.setenv("PATH", str(tmp_path))
    with (
        pytest.raises(ValueError, match="needs bubblewrap"),
        ready(Place(LIMITS, walled=True)),
    ):
        pass
    stub = tmp_path / "bwrap"
    stub.write_text("#!/bin/sh\necho bwrap: no user namespaces >&2\nexit 1\n")
    stub.chmod(0o755)
    with pytest.raises(ValueError, match="no user namespaces. Nobody was graded"):
        with ready(Place(LIMITS, walled=True)):
            pass
