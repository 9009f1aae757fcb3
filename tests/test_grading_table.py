"""Grading: everybody has a row, whatever they hand in, and no grade is ever lost."""

import csv
import json
import os
import sys
from collections import Counter
from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace

import pytest
from grading_toys import ASSIGNMENT, EXERCISES, as_notebook

from authoring import grade, misconceptions
from authoring.grading import processes, table, verdicts
from authoring.grading.notebooks import MOST_BYTES, CannotGrade, code_cells, read_bytes
from authoring.grading.submissions import find_submissions, shown
from exercises import load

linux_only = pytest.mark.skipif(
    sys.platform != "linux", reason="there are no such names or files elsewhere"
)
CELL = {"cell_type": "code", "source": "x = 1", "metadata": {}}


def put(path, content=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    notebook = as_notebook("twice = 1") if content is None else content
    path.write_text(notebook if isinstance(notebook, str) else json.dumps(notebook))
    return path


def found(folder, **more):
    submissions, passed_over = find_submissions(folder, "ps1", {"ps2"}, **more)
    return {one.name: one for one in submissions}, passed_over


# Who handed in what


@linux_only
@pytest.mark.parametrize(
    ("place", "name", "remark"),
    [
        ("mara.ipynb", "mara", ""),
        ("mara/ps1.ipynb", "mara", ""),
        ("mara/ps1/ps1.ipynb", "mara", ""),
        ("mara/ps1 (1).ipynb", "mara", "the folder's only notebook was taken: ps1 (1)"),
        ("mara/deep/er/mine.ipynb", "mara", "only notebook was taken: mine.ipynb"),
        ("mara.IPYNB", "mara", "it was called mara.IPYNB"),
        ("mara.ipynb.txt", "mara", "it was called mara.ipynb.txt"),
        ("Doe Jane_12345_assignsubmission_file_/ps1.ipynb", "Doe Jane", ""),
        ("Doe Jane_12345_assignsubmission_file_ps1.ipynb", "Doe Jane", ""),
        ("doejane_123_456_ps1.ipynb", "doejane", ""),
        ("doejane_LATE_123_456_ps1-1.ipynb", "doejane", "late"),
        ("Zoë Ångström.ipynb", "Zoë Ångström", ""),
        ("=1+1.ipynb", "'=1+1", ""),
        ("\t=1+1.ipynb", "'=1+1", ""),
        ("＝1+1.ipynb", "'＝1+1", ""),
        ("@a.ipynb", "'@a", ""),
        ("a\x1b[31mb\nc\x07d.ipynb", "ab c\N{REPLACEMENT CHARACTER}d", ""),
        ("a\u202eb.ipynb", "a\N{REPLACEMENT CHARACTER}b", ""),
    ],
)
def test_a_notebook_is_found_under_the_name_of_its_learner(
    tmp_path, place, name, remark
):
    path = put(tmp_path / place)
    ((key, one),) = found(tmp_path)[0].items()
    assert (key, one.path, one.problem) == (name, path, "")
    assert remark in one.remark


@linux_only
def test_a_file_name_that_is_no_utf_8_has_a_row(tmp_path):
    with open(os.fsencode(tmp_path) + b"/m\xfcller.ipynb", "w") as file:
        file.write(json.dumps(as_notebook("x = 1")))
    ((name, one),) = found(tmp_path)[0].items()
    assert name == "m\N{REPLACEMENT CHARACTER}ller"
    assert code_cells(read_bytes(one.path)) == ["x = 1"]
    name.encode()


@pytest.mark.parametrize(
    ("place", "problem"),
    [
        ("tom.txt", "tom.txt is a .txt file, not a notebook (.ipynb)"),
        ("tom.zip", "tom.zip is a .zip file"),
        ("tom.py", "tom.py is a .py file"),
        ("tom.json", "tom.json is a .json file"),
        ("tom", "tom is a file without ending"),
        ("tom/my.zip", "the folder holds no ps1.ipynb; it holds my.zip"),
    ],
)
def test_what_is_no_notebook_has_a_row_that_says_so(tmp_path, place, problem):
    put(tmp_path / place)
    assert problem in found(tmp_path)[0]["tom"].problem


@linux_only
def test_links_loops_and_pipes_are_refused_by_name(tmp_path):
    put(tmp_path / "bob.ipynb")
    for name, target in (("link", "bob.ipynb"), ("loop", "loop.ipynb")):
        os.symlink(target, tmp_path / f"{name}.ipynb")
    for name in ("inside", "below/ps1"):
        (tmp_path / name).mkdir(parents=True)
        os.symlink(tmp_path / "bob.ipynb", tmp_path / name / "ps1.ipynb")
    os.symlink(tmp_path, tmp_path / "folder")
    os.mkfifo(tmp_path / "pipe.ipynb")
    submissions, _ = found(tmp_path)
    for name in ("link", "loop", "inside", "below", "folder"):
        assert "links are not followed" in submissions[name].problem, name
    assert submissions["pipe"].problem == "it is neither a file nor a folder"
    for name in ("link", "pipe"):  # exchanged after it was looked at
        with pytest.raises((OSError, CannotGrade)):
            read_bytes(tmp_path / f"{name}.ipynb")


def test_an_empty_folder_is_missing_and_another_set_is_not_this_one(tmp_path):
    (tmp_path / "ann").mkdir()
    put(tmp_path / "ben" / "ps2.ipynb")
    put(tmp_path / "cleo" / "ps1" / "timestamp.txt", "2026-01-01")
    for one in found(tmp_path)[0].values():
        assert (one.path, one.handed_in) == (None, False)


def test_a_folder_of_a_working_copy_holds_all_sets_and_one_of_them_is_taken(tmp_path):
    for name in ("ps1 Text.ipynb", "ps2 Looking.ipynb"):
        put(tmp_path / "mara" / "exercises" / name)
    assert found(tmp_path)[0]["mara"].path.name == "ps1 Text.ipynb"


def test_two_of_one_name_have_one_row_and_stop_nobody(tmp_path):
    put(tmp_path / "mara.ipynb")
    put(tmp_path / "mara" / "ps1.ipynb")
    put(tmp_path / "zoe.ipynb")
    put(tmp_path / "zoe.pdf")
    put(tmp_path / "ann" / "a.ipynb")
    put(tmp_path / "ann" / "b.ipynb")
    submissions, _ = found(tmp_path)
    assert submissions["mara"].problem == "2 submissions carry this name: keep one"
    assert submissions["zoe"].path and "zoe.pdf is a .pdf" in submissions["zoe"].remark
    assert "2 notebooks, and none is ps1.ipynb" in submissions["ann"].problem


def test_two_people_of_one_name_are_told_apart_by_their_numbers(tmp_path):
    for number in (1, 2):
        put(tmp_path / f"Doe Jane_{number}_assignsubmission_file_ps1.ipynb")
    assert set(found(tmp_path)[0]) == {"Doe Jane (1)", "Doe Jane (2)"}


def test_what_is_no_learners_is_named(tmp_path):
    for name in ("__MACOSX/._a", ".DS_Store", ".hidden.ipynb", "grades.csv", "ann/x"):
        put(tmp_path / name)
    submissions, passed_over = found(tmp_path, ours=[tmp_path / "grades.csv"])
    assert set(submissions) == {"ann"}
    assert set(passed_over) == {"__MACOSX", ".DS_Store", ".hidden.ipynb", "grades.csv"}


def test_an_empty_folder_of_submissions_says_what_to_put_in(tmp_path):
    with pytest.raises(ValueError, match="holds no submissions: put in notebooks"):
        found(tmp_path)


# Broken notebooks

METADATA = ["x", None, [], 7, {"grade_id": ["a"]}, {"grade_id": 7}, {"grade": "yes"}]


@pytest.mark.parametrize("broken", METADATA)
def test_metadata_of_any_shape_change_nothing(broken):
    cell = {**CELL, "metadata": {"nbgrader": broken, "tags": ["skip-execution"]}}
    assert code_cells(json.dumps({"cells": [cell]}).encode()) == ["x = 1"]
    cell["metadata"] = broken
    assert code_cells(json.dumps({"cells": [cell]}).encode()) == ["x = 1"]


@pytest.mark.parametrize(
    "notebook",
    [
        {"cells": [{**CELL, "source": ["x =", " 1"]}]},
        {"cells": [None, 3, "x", {}, {"cell_type": "code"}, CELL], "nbformat": 99},
        {"cells": [{"cell_type": "code", "source": {"a": 1}}, CELL]},
        {"worksheets": [{"cells": [{"cell_type": "code", "input": "x = 1"}]}]},
        {"cells": [{**CELL, "id": "same"}, {**CELL, "id": "same"}]},
        {"cells": [{**CELL, "cell_type": "markdown"}, CELL], "metadata": "none"},
    ],
)
def test_notebooks_of_any_age_and_shape_are_read(notebook):
    assert "x = 1" in code_cells(json.dumps(notebook).encode())


def test_marks_of_byte_order_and_utf_16_are_read():
    text = json.dumps({"cells": [CELL]})
    for encoding in ("utf-8-sig", "utf-16"):
        assert code_cells(text.encode(encoding)) == ["x = 1"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "this is not a readable notebook"),
        (b'{"cells": [', "this is not a readable notebook"),
        (b'{"cells": "\xff"}', "not UTF-8"),
        (b"[" * 100_000, "nested too deep"),
        (b"[]", "no list of cells"),
        (b"{}", "no list of cells"),
        (b'{"cells": {}}', "no list of cells"),
        (b'{"cells": []}', "holds no code"),
    ],
)
def test_what_cannot_be_read_is_refused_in_words(content, reason):
    with pytest.raises(CannotGrade, match=reason):
        code_cells(content)


def test_a_file_too_large_is_not_read_into_memory(tmp_path):
    with (tmp_path / "large.ipynb").open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    with pytest.raises(CannotGrade, match="at most 100 are read"):
        read_bytes(tmp_path / "large.ipynb")


# The table


@pytest.fixture
def command(monkeypatch, tmp_path, capsys):
    """Grade a folder with a set of toy exercises; answers are not really run."""
    monkeypatch.chdir(tmp_path)
    by_name = {one.name: one for one in EXERCISES}
    toys = SimpleNamespace(exercises=tuple(by_name))
    monkeypatch.setattr(grade, "sets", lambda: {"ps1": toys, "ps2": toys})
    monkeypatch.setattr(grade, "load", by_name.get)
    monkeypatch.setattr(processes.Worker, "no_more", False)
    ran = []

    def run(cells, assignment, place):
        ran.append(cells[0])
        if "Ctrl-C" in cells[0]:
            raise KeyboardInterrupt
        if "1 / 0" in cells[0]:
            raise ZeroDivisionError("by the grader")
        right = verdicts.Verdict(9000, "", "", ())
        return SimpleNamespace(
            cells=cells,
            best=dict.fromkeys(by_name, right) if "right" in cells[0] else {},
            attempts=Counter(),
            **{"errors": {}, "remarks": [], "stops": {}},
        )

    monkeypatch.setattr(verdicts, "Run", run)
    monkeypatch.setattr(grade, "ready", lambda place: nullcontext())

    def call(*words, expected=0):
        ran.clear()
        assert grade.main(["ps1", "in", "--jobs", "1", *words]) == expected
        return ran, capsys.readouterr()

    return call


def rows_of(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def hand_in(tmp_path, **sources):
    for name, source in sources.items():
        put(tmp_path / "in" / f"{name}.ipynb", as_notebook(f"twice = {source!r}"))


def test_a_grade_is_entered_once_and_only_what_is_new_is_graded(command, tmp_path):
    hand_in(tmp_path, ann="right", ben="wrong")
    assert len(command()[0]) == 2
    assert len(command()[0]) == 0
    hand_in(tmp_path, ben="right", cleo="wrong")
    assert len(command()[0]) == 2
    assert len(command("--again")[0]) == 3
    assert len(command("--only", "ANN")[0]) == 1
    rows = rows_of(tmp_path / "grades.csv")
    assert len(rows) == 9
    assert {row["seed"] for row in rows if row["name"] == "cleo"} == {rows[0]["seed"]}
    assert sum(float(r["points"]) for r in rows if r["name"] == "ben") == 9, "not 27000"


def test_a_second_set_and_added_columns_leave_the_first_as_it_is(command, tmp_path):
    hand_in(tmp_path, ann="right")
    command()
    rows = rows_of(tmp_path / "grades.csv")
    with (tmp_path / "grades.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, [*rows[0], "my note"])
        writer.writeheader()
        writer.writerows({**row, "my note": "good"} for row in rows)
    assert grade.main(["ps2", "in"]) == 0
    after = rows_of(tmp_path / "grades.csv")
    assert [r for r in after if r["set"] == "ps1"] == [
        {**row, "my note": "good"} for row in rows
    ]
    assert len(after) == 6


def test_a_batch_that_was_stopped_keeps_what_it_has_and_goes_on(command, tmp_path):
    hand_in(tmp_path, ann="right", ben="Ctrl-C", cleo="right")
    _, said = command(expected=130)
    assert "the same goes on" in said.out
    assert {row["name"] for row in rows_of(tmp_path / "grades.csv")} == {"ann"}
    hand_in(tmp_path, ben="right")
    processes.Worker.no_more = False
    assert len(command()[0]) == 2
    assert len(rows_of(tmp_path / "grades.csv")) == 9


def test_a_grade_that_stands_is_not_lost_to_a_broken_file(command, tmp_path):
    hand_in(tmp_path, ann="right")
    command()
    put(tmp_path / "in" / "ann.ipynb", "broken")
    _, said = command()
    assert "the grade that stands in the table stays" in said.out
    assert {r["points"] for r in rows_of(tmp_path / "grades.csv")} == {"3.0"}


def test_an_error_of_the_grader_is_one_learners_row_only(command, tmp_path):
    hand_in(tmp_path, ann="right", ben="1 / 0", cleo="right")
    command()
    rows = {row["name"]: row for row in rows_of(tmp_path / "grades.csv")}
    assert rows["ben"]["status"] == "not graded"
    assert "the grader failed: ZeroDivisionError" in rows["ben"]["remark"]
    assert rows["cleo"]["status"] == "graded"


def test_another_set_as_a_whole_is_refused_with_what_was_looked_for(command, tmp_path):
    put(tmp_path / "in" / "ann.ipynb", as_notebook("merge = 1"))
    command()
    (row, *_) = rows_of(tmp_path / "grades.csv")
    assert row["said"] == "this is not ps1: none of twice, largest, is_sick is in it"


def test_a_table_of_something_else_is_left_alone(command, tmp_path):
    hand_in(tmp_path, ann="right")
    (tmp_path / "grades.csv").write_text("name,points\nann,3\n")
    _, said = command(expected=2)
    assert "is no table of grades, or an old one: it has no column" in said.err
    assert (tmp_path / "grades.csv").read_text() == "name,points\nann,3\n"


def test_an_unknown_set_and_an_unknown_learner_are_told(command, tmp_path, capsys):
    hand_in(tmp_path, ann="right")
    assert grade.main(["ps9", "in"]) == 2
    assert "there is no set 'ps9'; choose from: ps1, ps2" in capsys.readouterr().err
    _, said = command("--only", "zoe", expected=2)
    assert "nobody is called 'zoe'" in said.err


def test_who_handed_nothing_in_is_missing_and_the_class_gets_one_row_each(
    command, tmp_path
):
    hand_in(tmp_path, **{"doe_jane": "right", "9": "wrong", "stranger": "right"})
    (tmp_path / "class.csv").write_text(
        "name,id,email\nJane Doe,7,jane@example.org\nTom,9,\nZoe,8,\n"
    )
    words = ("--roster", "class.csv", "--wide", "wide.csv", "--nbgrader", "nb.csv")
    _, said = command(*words)
    assert "not in the roster: stranger" in said.out
    status = {r["name"]: r["status"] for r in rows_of(tmp_path / "grades.csv")}
    assert status["Zoe"] == "missing" and status["Tom"] == "graded"
    wide = {row["name"]: row for row in rows_of(tmp_path / "wide.csv")}
    assert wide["Jane Doe"]["ps1 sum"] == "9.0"
    assert wide["Jane Doe"]["email"] == "jane@example.org"
    assert (wide["Zoe"]["ps1 sum"], wide["Zoe"]["ps1 status"]) == ("0.0", "missing")
    export = {row["student_id"]: row for row in rows_of(tmp_path / "nb.csv")}
    assert (export["7"]["score"], export["7"]["max_score"]) == ("9.0", "9.0")
    hand_in(tmp_path, Zoe="right")
    assert len(command(*words)[0]) == 1, "a late one is graded alone"


def test_feedback_holds_what_was_said_and_nothing_hidden(tmp_path):
    row = table.Row("ps1", "../ann", "twice", 0.0, 3.0, "graded", "", "", 7, "")
    grades = table.Table(tmp_path / "grades.csv")
    hidden = "hidden cases: For numbers [1007, 4] the result should be 8"
    grades.enter([replace(row, remark=hidden)])
    grades.enter([replace(row, exercise="largest", said="You added.")])
    grade.feedback.write_feedback(grades, ASSIGNMENT, tmp_path / "f", {"../ann"})
    (path,) = (tmp_path / "f").rglob("*.md")
    assert path.parent == tmp_path / "f" / "ps1"
    text = path.read_text()
    assert "You added." in text and "and not on all others" in text
    assert "1007" not in text and "hidden" not in text
    report = grade.feedback.class_report(grades, ASSIGNMENT)
    assert "1 of 1: You added." in report


def test_the_table_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    grades = table.Table(tmp_path / "grades.csv")
    row = table.Row("ps1", "ann", "twice", 3.0, 3.0, "graded", "", "", 7, "")
    grades.enter([row])
    grades.save()
    before = (tmp_path / "grades.csv").read_bytes()
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError(28)))
    grades.enter([replace(row, points=0.0)])
    with pytest.raises(OSError):
        grades.save()
    assert (tmp_path / "grades.csv").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


def test_words_of_learners_are_no_formulas():
    for word in ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "\x00=1"):
        assert shown(word).startswith("'"), word
    for word in ("mara", "1=1", ""):
        assert shown(word) == word


def test_the_guide_to_misconceptions_says_what_learners_read(capsys):
    assert misconceptions.main(["merge"]) == 0
    page = capsys.readouterr().out
    said = [one for one in load("merge").mistakes.values() if one]
    assert len(said) > 10 and all(f"- {sentence}\n" in page for sentence in said)
    assert misconceptions.main(["nothing"]) == 2
    assert "there is no exercise 'nothing'" in capsys.readouterr().err
