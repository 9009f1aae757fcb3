"""The doctor finds what is broken and says what to do."""

import hashlib
import io
import json
import os
import subprocess
import sys
import venv
from types import SimpleNamespace

import psutil
import pytest

from llmlab import __main__ as command_line
from llmlab import doctor
from llmlab.paths import CHECKPOINTS, ROOT

CONTENT = b"weights, as far as the doctor knows"


@pytest.fixture
def checkpoints(tmp_path):
    """A folder with one checkpoint and a manifest that is true."""
    (tmp_path / "base.safetensors").write_bytes(CONTENT)
    write_manifest(tmp_path, len(CONTENT), hashlib.sha256(CONTENT).hexdigest())
    return tmp_path


def write_manifest(folder, size, digest):
    manifest = {"base.safetensors": {"bytes": size, "sha256": digest}}
    (folder / "manifest.json").write_text(json.dumps(manifest))


def test_whole_checkpoints_are_no_fault(checkpoints):
    finding = doctor.checkpoints(checkpoints)
    assert finding.remedy is None
    assert "1 files" in finding.value and "whole" in finding.value


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda folder: (folder / "base.safetensors").unlink(), "missing"),
        (
            lambda folder: (folder / "base.safetensors").write_bytes(CONTENT[:-1]),
            f"{len(CONTENT) - 1} bytes instead of {len(CONTENT)}",
        ),
        (
            lambda folder: (folder / "base.safetensors").write_bytes(CONTENT[::-1]),
            "content has changed",
        ),
        (
            lambda folder: (folder / "ppo.safetensors").write_bytes(b""),
            "ppo.safetensors: not in the manifest",
        ),
        (lambda folder: (folder / "manifest.json").unlink(), "cannot be read"),
        (
            lambda folder: (folder / "manifest.json").write_text("{"),
            "is not a manifest",
        ),
        (
            lambda folder: (folder / "manifest.json").write_text('["base"]'),
            "is not a manifest",
        ),
        (
            lambda folder: (folder / "manifest.json").write_bytes(b"\xff\xfe"),
            "is not a manifest",
        ),
    ],
    ids=["gone", "short", "changed", "extra", "none", "cut", "list", "binary"],
)
def test_damaged_checkpoints_are_named_with_a_remedy(checkpoints, damage, words):
    damage(checkpoints)
    finding = doctor.checkpoints(checkpoints)
    assert words in finding.value
    assert "git restore" in finding.remedy and "make tour" in finding.remedy


def test_line_ends_of_another_system_are_no_damage(tmp_path):
    """What git writes on Windows where it is told to: text, and only text, changes."""
    for path in CHECKPOINTS.iterdir():
        data = path.read_bytes()
        if path.suffix == ".json":
            data = data.replace(b"\n", b"\r\n")
        (tmp_path / path.name).write_bytes(data)
    report = tmp_path / "report.json"
    assert report.stat().st_size > (CHECKPOINTS / "report.json").stat().st_size
    assert doctor.checkpoints(tmp_path).remedy is None
    report.write_bytes(report.read_bytes().replace(b"1", b"2", 1))
    assert "report.json: its content has changed" in doctor.checkpoints(tmp_path).value


PROJECT = '[tool.uv]\nconstraint-dependencies = ["torch>=1"]\n'


def write_set_up(folder, lock):
    (folder / "requirements.lock").write_text(lock)
    (folder / "pyproject.toml").write_text(PROJECT)


def test_libraries_other_than_locked_are_named(tmp_path):
    write_set_up(
        tmp_path,
        "numpy==0.0.1 \\\n    --hash=sha256:00\nno-such-library==1.0 \\\n"
        "other-system==1.0 ; sys_platform == 'plan9' \\\n",
    )
    finding = doctor.libraries(tmp_path)
    assert "1 of 3 libraries as wanted" in finding.value
    assert "numpy==0.0.1 (here: " in finding.value
    assert "no-such-library==1.0 (here: none)" in finding.value
    assert "setup" in finding.remedy


def test_libraries_as_locked_are_no_fault(tmp_path):
    import numpy

    write_set_up(tmp_path, f"numpy=={numpy.__version__} \\\n")
    finding = doctor.libraries(tmp_path)
    assert finding.remedy is None and "2 of 2" in finding.value


def test_outside_a_clone_the_package_says_what_it_wants(tmp_path, monkeypatch):
    asked = ["torch>=1", "no-such-library>=2", "jupyterlab>=99; extra == 'notebooks'"]
    monkeypatch.setattr(doctor.importlib.metadata, "requires", lambda name: asked)
    finding = doctor.libraries(tmp_path)
    assert "1 of 2 libraries as wanted" in finding.value
    assert "no-such-library>=2 (here: none)" in finding.value


def test_a_missing_library_is_a_finding_and_ends_nothing(monkeypatch, capsys):
    for name in ("torch", "psutil", "packaging.requirements"):
        monkeypatch.setitem(sys.modules, name, None)  # an import of it fails
    assert command_line.main(["doctor"]) == 1
    screen = capsys.readouterr().out
    for name in ("libraries", "device", "speed", "memory"):
        assert f"FAULT  {name:12} cannot be examined" in screen
    assert "make setup" in screen and "ok     checkpoints" in screen


def test_an_environment_of_another_python_is_said_without_any_library(tmp_path):
    """As when the system's Python went up under a finished .venv."""
    venv.create(tmp_path / "aged", symlinks=os.name != "nt")
    (libraries,) = (tmp_path / "aged").rglob("site-packages")
    libraries.rmdir()
    python = "Scripts/python.exe" if os.name == "nt" else "bin/python"
    done = subprocess.run(
        [tmp_path / "aged" / python, "-m", "llmlab", "doctor"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": ""},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "was made for another Python" in done.stdout


def test_a_python_without_sqlite_is_a_fault_that_says_who_needs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "sqlite3", None)
    finding = doctor.python()
    assert "sqlite3 for" in finding.value and "PYTHON=" in finding.remedy


def test_little_memory_is_a_fault(monkeypatch):
    state = SimpleNamespace(available=1 * doctor.GIB, total=4 * doctor.GIB)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: state)
    assert "close other programs" in doctor.memory().remedy


def test_a_full_disk_is_a_fault(monkeypatch, tmp_path):
    usage = SimpleNamespace(free=doctor.GIB // 2)
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda folder: usage)
    assert "LLMLAB_RUNS" in doctor.disk(tmp_path / "runs").remedy


def test_a_folder_that_cannot_be_written_is_a_fault(monkeypatch, tmp_path):
    monkeypatch.setattr(doctor.os, "access", lambda folder, mode: False)
    assert "cannot be written" in doctor.disk(tmp_path / "runs").value


def test_a_village_without_its_files_is_a_fault(monkeypatch):
    # What an import finds where the package is broken.
    monkeypatch.setitem(sys.modules, "llmlab.village", None)
    finding = doctor.data()
    assert "cannot be told" in finding.value and "git restore" in finding.remedy


def test_the_speed_is_measured_and_the_threads_are_left_as_they_were():
    import torch

    before = torch.get_num_threads()
    assert "GFLOP/s in float32 with 1 thread" in doctor.speed().value
    assert torch.get_num_threads() == before
    assert doctor.gigaflops(seconds=0.01) > 0.01


@pytest.mark.parametrize(("together", "said"), [(9, True), (20, False)])
def test_threads_that_slow_each_other_down_are_said(monkeypatch, together, said):
    speeds = iter([10, together])
    monkeypatch.setattr(doctor, "gigaflops", lambda seconds: next(speeds))
    finding = doctor.speed()
    assert ("OMP_NUM_THREADS=1" in finding.value) == said and finding.remedy is None


def test_the_exit_code_tells_whether_there_is_a_fault(monkeypatch, capsys):
    def one():
        return doctor.Finding("fine")

    def two():
        return doctor.Finding("broken", "mend it")

    monkeypatch.setattr(doctor, "EXAMINATIONS", [one])
    assert command_line.main(["doctor"]) == 0
    assert "All is well" in capsys.readouterr().out
    monkeypatch.setattr(doctor, "EXAMINATIONS", [one, two])
    assert command_line.main(["doctor"]) == 1
    screen = capsys.readouterr().out
    assert "FAULT  two" in screen and "-> mend it" in screen and "1 fault:" in screen


def test_the_real_screen_is_one_screen(capsys):
    command_line.main(["doctor"])
    assert len(capsys.readouterr().out.splitlines()) <= 24


# The command line itself


def stand_in(main):
    """A command's module whose work is `main`."""
    return SimpleNamespace(add_arguments=lambda parser: None, main=main)


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (ValueError("steps is -1; use at least 1"), 2, "doctor: steps is -1; use at"),
        (OSError(28, "No space left", "runs/x"), 2, "doctor: No space left: runs/x"),
        (KeyboardInterrupt(), 130, "stopped as you asked"),
    ],
)
def test_wrong_input_ends_in_one_message(monkeypatch, capsys, error, code, words):
    def fail(arguments):
        raise error

    monkeypatch.setitem(sys.modules, "llmlab.doctor", stand_in(fail))
    assert command_line.main(["doctor"]) == code
    message = capsys.readouterr().err
    assert words in message and "Traceback" not in message


def test_a_mistake_in_the_program_is_not_hidden(monkeypatch):
    def fail(arguments):
        raise TypeError("a bug")

    monkeypatch.setitem(sys.modules, "llmlab.doctor", stand_in(fail))
    with pytest.raises(TypeError, match="a bug"):
        command_line.main(["doctor"])


@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_a_sign_that_a_console_does_not_know_is_written_out(monkeypatch, name):
    written = io.BytesIO()
    console = io.TextIOWrapper(written, encoding="ascii", write_through=True)

    def print_a_sign(arguments):
        print("one ∞", file=getattr(sys, name))
        return 0

    monkeypatch.setattr(sys, name, console)
    monkeypatch.setitem(sys.modules, "llmlab.doctor", stand_in(print_a_sign))
    assert command_line.main(["doctor"]) == 0
    assert written.getvalue().split() == [b"one", rb"\u221e"]


def test_an_unknown_command_is_answered_with_those_there_are(capsys):
    with pytest.raises(SystemExit) as stop:
        command_line.main(["docter"])
    assert stop.value.code == 2
    assert "'doctor'" in capsys.readouterr().err


@pytest.mark.parametrize("name", command_line.COMMANDS)
def test_every_command_explains_itself(capsys, name):
    with pytest.raises(SystemExit) as stop:
        command_line.main([name, "--help"])
    assert stop.value.code == 0
    assert f"python -m llmlab {name}" in capsys.readouterr().out
