"""The tasks: an environment is whole or built anew, and nothing of a person is lost."""

import subprocess
import sys
from pathlib import Path

import pytest

import tasks as course
from llmlab.paths import ROOT


@pytest.fixture
def tasks(tmp_path, monkeypatch):
    """tasks.py at work in a small copy of the course; commands are only noted."""
    for name in ("requirements.lock", "pyproject.toml"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    for name in ("ROOT", "LOCK", "VENV", "STAMP", "PYTHON"):
        inside = getattr(course, name).relative_to(ROOT)
        monkeypatch.setattr(course, name, tmp_path / inside)
    noted = {"commands": [], "fails_at": None, "failure": 7, "python_is": "3.11"}
    for name, value in noted.items():
        monkeypatch.setattr(course, name, value, raising=False)
    monkeypatch.setattr(course, "python_of_environment", lambda: course.python_is)
    monkeypatch.setattr(course, "run", lambda *words, **_: pretend(course, words))
    return course


def pretend(tasks, words):
    words = [str(word) for word in words]
    tasks.commands.append(words)
    if tasks.fails_at and tasks.fails_at in words:
        raise subprocess.CalledProcessError(tasks.failure, words)
    if "venv" in words:
        tasks.PYTHON.parent.mkdir(parents=True)
        tasks.PYTHON.touch()


def call(tasks, monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["tasks.py", *words])
    return tasks.main()


def test_the_lock_goes_first_and_torch_has_a_step_of_its_own(tasks, monkeypatch):
    assert call(tasks, monkeypatch, "setup") == 0
    lock = next(i for i, c in enumerate(tasks.commands) if "--require-hashes" in c)
    torch = next(i for i, c in enumerate(tasks.commands) if c[-1].startswith("torch=="))
    assert lock < torch
    assert tasks.is_ready()


def test_a_ready_environment_is_left_alone(tasks, monkeypatch):
    call(tasks, monkeypatch, "setup")
    tasks.commands.clear()
    call(tasks, monkeypatch, "setup")
    assert tasks.commands == []


def test_a_set_up_that_was_interrupted_is_done_anew(tasks, monkeypatch, capsys):
    tasks.fails_at = tasks.torch_requirement()
    assert call(tasks, monkeypatch, "setup") == 7
    assert tasks.PYTHON.exists() and not tasks.is_ready()
    (tasks.VENV / "half a library").touch()

    tasks.fails_at = None
    assert call(tasks, monkeypatch, "setup") == 0
    assert tasks.is_ready() and not (tasks.VENV / "half a library").exists()
    assert "building it anew" in capsys.readouterr().out


def test_a_changed_lock_and_a_moved_folder_make_an_environment_stale(
    tasks, monkeypatch, tmp_path
):
    call(tasks, monkeypatch, "setup")
    lock = tasks.LOCK.read_bytes()
    tasks.LOCK.write_bytes(lock.replace(b"einops==", b"einops==9"))
    assert not tasks.is_ready()
    tasks.LOCK.write_bytes(lock.replace(b"\n", b"\r\n"))
    assert tasks.is_ready(), "another system's line ends are no change"
    monkeypatch.setattr(tasks, "ROOT", tmp_path / ".." / tmp_path.name)
    assert not tasks.is_ready()


def test_a_python_that_the_system_replaced_is_seen_and_built_anew(tasks, monkeypatch):
    call(tasks, monkeypatch, "setup")
    (tasks.VENV / "a library of the old Python").touch()
    tasks.python_is = "3.12"
    assert not tasks.is_ready()
    assert call(tasks, monkeypatch, "setup") == 0
    assert not (tasks.VENV / "a library of the old Python").exists()
    assert tasks.is_ready()


def test_the_version_of_an_environment_is_asked_of_its_own_python(
    monkeypatch, tmp_path
):
    monkeypatch.setattr(course, "PYTHON", sys.executable)
    assert course.python_of_environment() == "{}.{}".format(*sys.version_info[:2])
    monkeypatch.setattr(course, "PYTHON", tmp_path / "python")
    assert course.python_of_environment() is None


def test_an_older_python_is_told_how_to_name_another(tasks, monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 10, 13))
    with pytest.raises(SystemExit, match="make lab PYTHON=python3"):
        call(tasks, monkeypatch, "lab")


def test_a_killed_task_says_more_than_a_number(tasks, monkeypatch, capsys):
    call(tasks, monkeypatch, "setup")
    tasks.fails_at, tasks.failure = "tour", -9
    assert call(tasks, monkeypatch, "tour") == 137
    message = capsys.readouterr().err
    assert "tour was ended from outside by signal 9 (Killed" in message
    assert "no memory left" in message and "goes on from what it had saved" in message


def test_an_active_environment_is_not_pulled_from_under_its_user(tasks, monkeypatch):
    tasks.VENV.mkdir()
    monkeypatch.setattr(sys, "prefix", str(tasks.VENV))
    with pytest.raises(SystemExit, match="deactivate"):
        call(tasks, monkeypatch, "setup")
    assert tasks.VENV.exists()


def test_arguments_and_exit_code_pass_through(tasks, monkeypatch):
    call(tasks, monkeypatch, "setup")
    tasks.fails_at = "gpt"
    assert call(tasks, monkeypatch, "test", "--", "-k", "gpt") == 7
    assert tasks.commands[-1][-2:] == ["-k", "gpt"]


def test_the_lab_is_the_working_copy_and_its_options_are_jupyterlabs(
    tasks, monkeypatch
):
    call(tasks, monkeypatch, "lab", "--", "--no-browser", "--port=9000")
    words = tasks.commands[-1][-4:]
    assert words == ["llmlab", "course", "--lab=--no-browser", "--lab=--port=9000"]


def test_cleaning_keeps_what_a_person_made(tasks, monkeypatch):
    kept = [Path("runs/mine/__pycache__/model.safetensors"), Path("notes/plan.txt")]
    kept.append(Path("my_course/.ipynb_checkpoints/00.ipynb"))
    removed = [Path("llmlab/__pycache__/gpt.pyc"), Path(".venv/bin/jupyter")]
    for path in kept + removed:
        (tasks.ROOT / path).parent.mkdir(parents=True)
        (tasks.ROOT / path).touch()
    call(tasks, monkeypatch, "clean")
    assert all((tasks.ROOT / path).exists() for path in kept)
    assert not any((tasks.ROOT / path).exists() for path in removed)
