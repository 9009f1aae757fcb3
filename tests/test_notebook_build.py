"""A notebook is built to the same bytes, and edits find their way back."""

import base64
import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import torch
from nbformat.v4 import new_code_cell, new_notebook

from authoring import __main__ as command_line
from authoring import notebooks as notebook_build
from authoring import pace
from authoring.surroundings import ROOT

SOURCE = """# %% [markdown]
# # A tiny lesson
# It takes about 1 minute.

# %%
import matplotlib.pyplot as plt
from IPython.display import display

figure, axes = plt.subplots()
axes.plot([1, 2, 4])
plt.close(figure)
display(figure, metadata={"image/png": {"alt": "a rising line"}})

# %%
print("first", flush=True)
print("second", flush=True)

# %% tags=["nbval-ignore-output"]
print(object())

# %% tags=["nbval-ignore-output", "example-output"]
print("an example")
"""
NOTED_PNG = (
    notebook_build.PNG_SIGNATURE
    + b"\x00\x00\x00\x03tEXtabc\x00\x00\x00\x00"
    + b"\x00\x00\x00\x02IDATxy\x00\x00\x00\x00"
)


@pytest.fixture
def lessons(tmp_path, monkeypatch):
    """A folder like notebooks/ with one source; the build works on it."""
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "01_tiny.py").write_text(SOURCE)
    monkeypatch.setattr(notebook_build, "pace", lambda: 1.0)
    monkeypatch.setattr(notebook_build, "SOURCES", tmp_path / "src")
    # The build sets variables for its kernels; they must not outlive the test.
    for name in ("LLMLAB_RUNS", "IPYTHONDIR", "PYTHONHASHSEED", "PYTHONPATH"):
        monkeypatch.setenv(name, os.environ.get(name, ""))
    return tmp_path


@pytest.fixture(scope="module")
def first_build():
    """The tiny lesson, built once for all tests that only look at it or edit it."""
    return []


@pytest.fixture
def built(lessons, first_build):
    path = lessons / "01_tiny.ipynb"
    if first_build:
        path.write_bytes(first_build[0])
    else:
        assert notebook_build.main([]) == 0
        first_build.append(path.read_bytes())
    return lessons


def cells(folder):
    return json.loads((folder / "01_tiny.ipynb").read_text("utf-8"))["cells"]


def edit(folder, number, old, new):
    """Change the source of one cell in the notebook, as a person in JupyterLab does."""
    path = folder / "01_tiny.ipynb"
    notebook = json.loads(path.read_text("utf-8"))
    text = "".join(notebook["cells"][number]["source"])
    assert old in text
    notebook["cells"][number]["source"] = text.replace(old, new)
    path.write_text(json.dumps(notebook, indent=1) + "\n", "utf-8")


def test_two_builds_give_the_same_bytes_and_stable_outputs(built, capsys):
    path = built / "01_tiny.ipynb"
    first = path.read_bytes()
    path.unlink()
    assert notebook_build.main([]) == 0
    assert path.read_bytes() == first

    text, picture, streams, volatile, example = cells(built)
    assert "about 1 minute." in "".join(text["source"])
    (output,) = picture["outputs"]
    assert output["metadata"]["image/png"]["alt"] == "a rising line"
    png = base64.b64decode(output["data"]["image/png"])
    assert b"IDAT" in png and b"Software" not in png
    assert streams["outputs"][0]["text"] == ["first\n", "second\n"]
    assert volatile["outputs"] == [] and volatile["execution_count"] == 3
    assert example["outputs"][0]["text"] == ["an example\n"]

    opened = json.loads(path.read_text("utf-8"))
    opened["metadata"]["language_info"] |= {"version": "3.99"}  # as JupyterLab does
    path.write_text(json.dumps(opened, indent=1), "utf-8")
    assert notebook_build.main(["--check"]) == 0
    assert "ok        01_tiny.ipynb" in capsys.readouterr().out


def test_check_says_which_cell_is_stale_and_writes_nothing(built, capsys):
    edit(built, 2, "second", "third")
    before = (built / "01_tiny.ipynb").read_bytes()
    assert notebook_build.main(["--check"]) == 1
    assert "STALE     01_tiny.ipynb: counting all cells from 0: 2" in (
        capsys.readouterr().out
    )
    assert (built / "01_tiny.ipynb").read_bytes() == before


def test_a_failing_cell_is_named_and_the_notebook_kept(built, capsys):
    before = (built / "01_tiny.ipynb").read_bytes()
    source = built / "src" / "01_tiny.py"
    source.write_text(SOURCE.replace('print("first", flush=True)', "1 / 0"))
    assert notebook_build.main(["01"]) == 2
    message = capsys.readouterr().err
    assert "01_tiny.ipynb, Cell 1 failed" in message
    assert "ZeroDivisionError" in message
    assert (built / "01_tiny.ipynb").read_bytes() == before


def test_sync_without_edits_changes_nothing(built):
    assert notebook_build.main(["--sync"]) == 0
    assert (built / "src" / "01_tiny.py").read_text() == SOURCE


def test_sync_brings_an_edit_back_and_keeps_tags(built):
    edit(built, 0, "A tiny lesson", "A small lesson")
    edit(built, 2, "second", "third")
    assert notebook_build.main(["--sync"]) == 0
    expected = SOURCE.replace("A tiny", "A small").replace("second", "third")
    assert (built / "src" / "01_tiny.py").read_text() == expected


def test_sync_never_undoes_an_edit_of_the_source(built, capsys):
    source = built / "src" / "01_tiny.py"
    source.write_text(SOURCE.replace("second", "newest"))
    edit(built, 2, "second", "third")
    assert notebook_build.main(["--sync"]) == 2
    assert "has changed since" in capsys.readouterr().err
    assert "newest" in source.read_text()


def test_sync_refuses_a_pasted_picture_by_name(built, capsys):
    path = built / "01_tiny.ipynb"
    notebook = json.loads(path.read_text("utf-8"))
    pasted = {"image.png": {"image/png": "iVBORw0KGgo="}}
    notebook["cells"][0] |= {
        "attachments": pasted,
        "source": "![image.png](attachment:image.png)",
    }
    path.write_text(json.dumps(notebook), "utf-8")
    assert notebook_build.main(["--sync"]) == 2
    message = capsys.readouterr().err
    assert "01_tiny.ipynb, Cell 0" in message and "pasted picture" in message
    assert (built / "src" / "01_tiny.py").read_text() == SOURCE


def test_sync_refuses_a_line_that_would_cut_its_cell_in_two(built, capsys):
    edit(built, 2, 'print("first"', '# %% a heading\nprint("first"')
    assert notebook_build.main(["--sync"]) == 2
    assert "Cell 2" in capsys.readouterr().err
    assert (built / "src" / "01_tiny.py").read_text() == SOURCE


def test_a_broken_notebook_file_is_named(lessons, capsys):
    (lessons / "01_tiny.ipynb").write_text('{"cells": [')
    assert notebook_build.main([]) == 2
    assert "01_tiny.ipynb cannot be read as a notebook" in capsys.readouterr().err


def test_an_unknown_notebook_is_answered_with_those_there_are(lessons, capsys):
    assert notebook_build.main(["07"]) == 2
    assert "There are: 01_tiny" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("seconds", "stored", "minutes"),
    [(1, None, 1), (60, None, 1), (61, None, 2), (61, 3, 3), (59, 3, 1), (130, 2, 3)],
)
def test_minutes_are_rounded_up_and_do_not_flicker(seconds, stored, minutes):
    assert notebook_build.settled_minutes(seconds, stored) == minutes


def test_minutes_are_told_for_one_machine_whatever_the_day(
    lessons, monkeypatch, tmp_path
):
    """An hour's lesson on a day that is twice as slow is an hour's lesson."""
    source = tmp_path / "src" / "01_tiny.py"
    monkeypatch.setattr(notebook_build, "execute", lambda notebook, path: 400.0)
    for slow, minutes in ((1.0, 7), (2.0, 4), (4.0, 2)):
        monkeypatch.setattr(notebook_build, "pace", lambda slow=slow: slow)
        told = json.loads(notebook_build.build(source))["metadata"]["llmlab"]
        assert told["minutes"] == minutes


def test_a_kernel_that_computes_is_seen_to_compute():
    """Waiting takes a reader's time, but says nothing about the lesson's work."""
    busy = new_code_cell(
        "import time\nend = time.process_time() + 0.5\n"
        "while time.process_time() < end:\n    pass"
    )
    idle = new_code_cell("time.sleep(1)")
    alone, both = (
        notebook_build.execute(new_notebook(cells=cells), Path.cwd() / "lesson")
        for cells in ([busy], [busy, idle])
    )
    assert alone > 0.5 and both < alone + 0.7


def test_the_pace_is_that_of_one_thread(monkeypatch):
    monkeypatch.setattr(pace, "ROUNDS", 1)
    threads = torch.get_num_threads()
    assert pace.pace() > 0.05
    assert torch.get_num_threads() == threads


def test_notes_in_a_picture_are_dropped_and_its_content_kept():
    cleaned = notebook_build.without_notes(NOTED_PNG)
    assert b"tEXt" not in cleaned
    assert cleaned.endswith(b"IDATxy\x00\x00\x00\x00")


@pytest.mark.parametrize("command", command_line.COMMANDS)
def test_every_command_of_authoring_explains_itself(capsys, command):
    with pytest.raises(SystemExit) as stop:
        command_line.main([command, "--help"])
    assert stop.value.code == 0
    assert f"python -m authoring {command}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("code", "folded"),
    [
        ("import math\nfrom llmlab import desk", True),
        ("claim('It fell', 1 < 2, measured=1)", True),
        ("desk.predict('05/loss', 'How much?', unit='nats')", True),
        ("for x in numbers:\n    claim(str(x), x < 2, measured=x)", True),
        ("for x in numbers:\n    train(x)", False),
        ("import math\nmath.log(2)", False),
        ("options = ['a', 'b']\ndesk.predict('05/x', '?', options=options)", True),
        ("loss = train()\nclaim('It fell', loss < 2, measured=loss)", False),
        ("desk.read(text)", False),
        ("%timeit f()", False),
        ("", False),
    ],
)
def test_a_cell_that_asks_or_only_imports_or_claims_is_folded(code, folded):
    assert notebook_build.is_folded(nbformat.v4.new_code_cell(code)) is folded


def test_what_the_source_tags_as_folded_is_folded_and_keeps_its_tags(tmp_path):
    source = tmp_path / "01_tiny.py"
    source.write_text('# %% tags=["folded"]\ndraw()\n\n# %%\ntrain()\n', "utf-8")
    first, second = notebook_build.read_source(source).cells
    assert first.metadata == {"tags": ["folded"], "jupyter": {"source_hidden": True}}
    assert second.metadata == {}


def test_a_number_behind_its_sign_is_shown_and_not_compared(tmp_path):
    """All else on the page is: another word, or a number without the sign, fails."""
    cell = nbformat.v4.new_code_cell("print('fell to ≈1.58e-3, of 2.5')")
    for stored, passes in (
        ("fell to ≈12,345.6, of 2.5\n", True),
        ("fell to ≈-2, of 2.5\n", True),
        ("fell to ≈1.58e-3, of 2.6\n", False),
        ("rose to ≈1.58e-3, of 2.5\n", False),
    ):
        cell.execution_count = 1
        cell.outputs = [nbformat.v4.new_output("stream", text=stored)]
        notebook = nbformat.v4.new_notebook(cells=[cell])
        path = tmp_path / "page.ipynb"
        nbformat.write(notebook, path)
        command = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "--nbval", path]
        command += ["--nbval-current-env", "--rootdir", ROOT, "-c", os.devnull]
        command += [f"--nbval-sanitize-with={ROOT / 'authoring' / 'sanitize.cfg'}"]
        done = subprocess.run([sys.executable, *command], capture_output=True)
        assert (done.returncode == 0) is passes, done.stdout.decode()
