"""A working copy in a bad state: nothing is lost, and each is said in a sentence."""

import json
import os
import subprocess
import sys

import nbformat
import pytest
from nbformat.sign import NotebookNotary
from working_copies import (
    NAME,
    WORDS,
    cell,
    course,
    edit,
    is_whole,
    place,
    read,
    sources,
    tree,
)

from authoring.course import cells, command, memory, working_copy
from authoring.course.memory import TooNew
from authoring.course.pages import course_pages
from authoring.course.working_copy import bring_up_to_date
from llmlab import __main__ as commands
from llmlab.paths import ROOT

NEW = WORDS | {"train": WORDS["train"].replace("300", "600"), "more": "And more."}


@pytest.fixture
def folder(tmp_path):
    bring_up_to_date(tmp_path / "my_course", course(tmp_path))
    edit(tmp_path / "my_course", add_a_note)
    return tmp_path / "my_course"


@pytest.fixture
def update(folder, tmp_path):
    return lambda **more: bring_up_to_date(folder, course(tmp_path, NEW), **more)


def add_a_note(cells):
    cells[place(cells, "train")]["source"] += "\nprint('mine')"
    cells.insert(3, cell("note", "my note"))


def has_both(folder, name=NAME):
    """What the learner wrote and what the course has new."""
    now = sources(folder, name)
    assert "my note" in now and WORDS["train"] + "\nprint('mine')" in now
    assert "And more." in now and any("range(600)" in text for text in now)
    return is_whole(folder, name)


def said(report):
    return " ".join(report.sentences())


# Stopped at any moment


def test_an_update_stopped_at_any_write_is_done_by_the_next(folder, update, tmp_path):
    whole = tmp_path / "whole"
    subprocess.run(["cp", "-r", folder, whole], check=True)
    bring_up_to_date(whole, course(tmp_path, NEW))
    stopped_at = 0
    for number in range(20):
        work = tmp_path / f"stopped-{number}"
        subprocess.run(["cp", "-r", folder, work], check=True)
        with pytest.MonkeyPatch.context() as patch:
            stop_at(patch, number)
            try:
                bring_up_to_date(work, course(tmp_path, NEW))
            except KeyboardInterrupt:
                stopped_at += 1
            else:
                break
        assert "my note" in sources(work)
        bring_up_to_date(work, course(tmp_path, NEW))
        assert tree(work) == tree(whole)
        previous = work / ".course" / "previous" / "00_a_chapter.ipynb"
        assert "And more." not in previous.read_text("utf-8")
    assert stopped_at == 6, "before and after three renames"


def stop_at(patch, number):
    """Stop before (even numbers) or after (odd ones) the rename of that number."""
    rename, count = os.replace, iter(range(99))

    def replace(old, new):
        now = next(count)
        if number == 2 * now:
            raise KeyboardInterrupt
        rename(old, new)
        if number == 2 * now + 1:
            raise KeyboardInterrupt

    patch.setattr(os, "replace", replace)


def test_a_first_day_that_was_stopped_goes_on(tmp_path, monkeypatch):
    pages = course_pages()
    with pytest.MonkeyPatch.context() as patch:
        stop_at(patch, 9)
        with pytest.raises(KeyboardInterrupt):
            bring_up_to_date(tmp_path / "stopped", pages)
    bring_up_to_date(tmp_path / "stopped", pages)
    bring_up_to_date(tmp_path / "whole", pages)
    assert tree(tmp_path / "stopped") == tree(tmp_path / "whole")


# Names and places


def test_a_copy_that_was_moved_is_brought_up_to_date_where_it_is(folder, tmp_path):
    moved = folder.rename(tmp_path / "elsewhere")
    bring_up_to_date(moved, course(tmp_path, NEW))
    assert has_both(moved)


def test_a_copy_renamed_within_the_clone_is_still_the_one(monkeypatch, folder):
    monkeypatch.setattr(command, "ROOT", folder.parent)
    assert command.default_folder() == folder
    renamed = folder.rename(folder.parent / "alices course")
    assert command.default_folder() == renamed


@pytest.mark.parametrize("with_mark", [True, False])
def test_a_renamed_notebook_is_found_and_keeps_its_name(folder, update, with_mark):
    if not with_mark:
        lose_metadata(folder)
    (folder / "old stuff").mkdir()
    (folder / NAME).rename(folder / "old stuff" / "mine.ipynb")
    report = update()
    assert not (folder / NAME).exists() and has_both(folder, "old stuff/mine.ipynb")
    assert f"{NAME} is now old stuff/mine.ipynb" in said(report)
    assert said(update()) == ""


def lose_metadata(folder, name=NAME):
    notebook = read(folder, name)
    notebook["metadata"] = {}
    cells.write_notebook(folder / name, notebook)


def test_a_notebook_without_metadata_is_still_the_page(folder, update):
    lose_metadata(folder)
    update()
    assert has_both(folder)
    assert read(folder)["metadata"]["llmlab"] == {"page": "00_a_chapter"}
    assert read(folder)["metadata"]["kernelspec"]["name"] == "python3"


def test_a_copy_that_the_learner_made_is_theirs(folder, update):
    (folder / "00 A chapter-Copy1.ipynb").write_bytes((folder / NAME).read_bytes())
    before = (folder / "00 A chapter-Copy1.ipynb").read_bytes()
    update()
    assert has_both(folder)
    assert (folder / "00 A chapter-Copy1.ipynb").read_bytes() == before


def test_another_notebook_under_the_name_of_a_page_is_not_touched(folder, update):
    (folder / NAME).rename(folder / "renamed.ipynb")
    other = read(folder, "renamed.ipynb") | {"metadata": {}}
    other["cells"] = [cell("x", "quite another thing", id="q")]
    cells.write_notebook(folder / NAME, other)
    before = (folder / NAME).read_bytes()
    update()
    assert (folder / NAME).read_bytes() == before and has_both(folder, "renamed.ipynb")


def test_a_deleted_notebook_stays_away_until_it_is_asked_for(folder, update):
    (folder / NAME).unlink()
    report = update()
    assert not (folder / NAME).exists()
    assert "--restore 00_a_chapter" in said(report)
    assert said(update()) == "", "said once"
    for wish in ("00", "00 a chapter", NAME):
        update(restore=wish)
        assert sources(folder) == list(NEW.values())
        (folder / NAME).unlink()
        update()
    with pytest.raises(ValueError, match="no page is called '77'.*00 A chapter"):
        update(restore="77")


def test_of_a_page_that_is_there_a_fresh_copy_is_laid_beside(folder, update):
    report = update(restore="00")
    assert has_both(folder) and "00 A chapter (fresh).ipynb" in said(report)
    fresh = "00 A chapter (fresh).ipynb"
    assert sources(folder, fresh) == list(NEW.values())
    before = (folder / fresh).read_bytes()
    update()
    assert (folder / fresh).read_bytes() == before


def test_a_page_that_the_course_gave_up_stays(folder, tmp_path):
    other = course(tmp_path, key="01_b", name="01 B.ipynb")
    report = bring_up_to_date(folder, other)
    assert "no longer part of the course; yours stays" in said(report)
    assert "my note" in sources(folder) and (folder / "01 B.ipynb").exists()


# Broken files


@pytest.mark.parametrize("data", [b"", b'{"cells": [{"cell_t', b"[1, 2]", b"\xff\xfe"])
def test_a_notebook_that_is_none_any_more_is_set_aside(folder, update, data):
    (folder / NAME).write_bytes(data)
    report = update()
    aside = "00 A chapter (damaged).ipynb"
    assert (folder / aside).read_bytes() == data and aside in said(report)
    assert sources(folder) == list(NEW.values())
    assert said(update()) == ""


def test_a_notebook_of_another_format_is_set_aside_and_kept(folder, update):
    old = json.dumps({"nbformat": 3, "worksheets": [{"cells": []}], "metadata": {}})
    (folder / NAME).write_text(old, "utf-8")
    update()
    assert (folder / "00 A chapter (damaged).ipynb").read_text("utf-8") == old


@pytest.mark.parametrize("lost", ["state.json", "base/00_a_chapter.ipynb", "."])
def test_without_what_was_remembered_nothing_is_lost(folder, update, lost):
    subprocess.run(["rm", "-r", folder / ".course" / lost], check=True)
    update()
    assert has_both(folder) and not (folder / "00 A chapter (2).ipynb").exists()


@pytest.mark.parametrize("broken", ["state.json", "base/00_a_chapter.ipynb"])
@pytest.mark.parametrize("data", [b"", b"{", b'{"format": "x"}', b"[]"])
def test_what_is_remembered_may_be_broken(folder, update, broken, data):
    (folder / ".course" / broken).write_bytes(data)
    update()
    assert has_both(folder)


def test_a_notebook_with_a_mark_of_byte_order_is_read(folder, update):
    data = (folder / NAME).read_bytes()
    (folder / NAME).write_bytes(b"\xef\xbb\xbf" + data)
    update()
    assert has_both(folder)


def test_a_base_whose_ids_are_gone_is_not_believed(folder, update):
    path = folder / ".course" / "base" / "00_a_chapter.ipynb"
    base = cells.read_notebook(path)
    del base["cells"][2]["id"]
    cells.write_notebook(path, base)
    update()
    assert has_both(folder)


def test_a_copy_of_a_newer_course_is_not_touched(folder, update):
    state = folder / ".course" / "state.json"
    newer = {"format": memory.FORMAT + 1, "pages": {}, "more": 1}
    state.write_text(json.dumps(newer), "utf-8")
    before = tree(folder)
    with pytest.raises(TooNew, match="newer version of the course.*nothing in it"):
        update()
    assert tree(folder) == before


def test_a_copy_of_an_older_format_is_brought_up_to_date(folder, update):
    state = folder / ".course" / "state.json"
    state.write_text(json.dumps({"format": 0}), "utf-8")
    update()
    assert has_both(folder)
    assert json.loads(state.read_text("utf-8"))["format"] == memory.FORMAT


def test_a_read_only_notebook_is_left_as_it_is_and_said(folder, update):
    before = (folder / NAME).read_bytes()
    (folder / NAME).chmod(0o444)
    assert "may not be written" in said(update())
    assert (folder / NAME).read_bytes() == before
    (folder / NAME).chmod(0o644)
    update()
    assert has_both(folder)


def test_a_folder_that_cannot_be_written_is_one_sentence(folder, monkeypatch, capsys):
    def full(*_, **__):
        raise PermissionError(13, "Permission denied", str(folder))

    monkeypatch.setattr(command, "bring_up_to_date", full)
    assert commands.main(["course", str(folder), "--no-lab"]) == 2
    assert "Permission denied" in capsys.readouterr().err


def test_a_file_and_a_folder_of_other_things_are_refused(tmp_path, capsys):
    (tmp_path / "file").write_text("x")
    for words, why in ([tmp_path / "file", "is a file"], [tmp_path, "other files"]):
        assert commands.main(["course", str(words), "--no-lab"]) == 2
        assert why in capsys.readouterr().err
    assert os.listdir(tmp_path) == ["file"]
    assert commands.main(["course", str(ROOT), "--no-lab"]) == 2


def test_a_linked_notebook_stays_a_link(folder, update):
    target = folder.parent / "kept elsewhere.ipynb"
    (folder / NAME).rename(target)
    (folder / NAME).symlink_to(target)
    update()
    assert (folder / NAME).is_symlink() and has_both(folder)


# Git, trust, servers


def test_git_sees_nothing_of_it(tmp_path, monkeypatch):
    """Within the clone, under any name."""
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    monkeypatch.setattr(working_copy, "ROOT", tmp_path)
    bring_up_to_date(tmp_path / "my renamed course", course(tmp_path))
    command = ["git", "-C", tmp_path, "status", "--porcelain"]
    assert subprocess.run(command, capture_output=True, text=True).stdout == ""


def test_in_another_repository_the_work_may_be_committed(folder):
    subprocess.run(["git", "init", "--quiet", folder.parent], check=True)
    command = ["git", "-C", folder.parent, "status", "--porcelain", "-uall"]
    seen = subprocess.run(command, capture_output=True, text=True).stdout
    assert NAME in seen
    report = bring_up_to_date(folder.parent / "another", course(folder.parent))
    assert f"git repository {folder.parent}" in said(report)


def test_what_was_trusted_is_trusted_after_an_update(folder, update, monkeypatch):
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(folder.parent / "jupyter"))
    output = {"output_type": "display_data", "metadata": {}}
    output["data"] = {"text/html": "<b>1</b>"}
    for trusted in (True, False):
        edit(folder, lambda cells: cells[1].update(outputs=[output]))
        notebook = nbformat.read(folder / NAME, as_version=4)
        if trusted:
            NotebookNotary().sign(notebook)
        else:
            notebook.cells[0].source += "!"
            nbformat.write(notebook, folder / NAME)
        bring_up_to_date(folder, course(folder.parent, NEW | {"x": f"{trusted}"}))
        after = nbformat.read(folder / NAME, as_version=4)
        assert NotebookNotary().check_signature(after) == trusted


def test_a_copy_that_is_open_is_not_updated_under_its_learner(
    folder, monkeypatch, capsys
):
    opened = []
    server = {"url": "http://localhost:8888/", "token": "abc", "pid": os.getpid()}
    server["root_dir"] = str(folder)
    monkeypatch.setattr(
        "jupyter_server.serverapp.list_running_servers", lambda: [server]
    )
    monkeypatch.setattr(command.webbrowser, "open", opened.append)
    monkeypatch.setattr(command, "is_jupyter", lambda pid: pid == os.getpid())
    before = tree(folder)
    assert commands.main(["course", str(folder)]) == 0
    assert opened == ["http://localhost:8888/lab?token=abc"]
    assert "open already" in capsys.readouterr().out and tree(folder) == before


def test_a_number_of_a_process_that_ended_keeps_nobody_out(folder, monkeypatch):
    assert not command.is_jupyter(os.getpid()) and not command.is_jupyter(2**30)


@pytest.fixture
def started(monkeypatch):
    """The commands that would have opened JupyterLab, with their environments."""
    calls = []

    def run(words, env, **_):
        calls.append((words, env))
        return subprocess.CompletedProcess(words, 0)

    monkeypatch.setattr(command.subprocess, "run", run)
    return calls


def test_the_first_day_opens_the_first_page_and_later_what_was_open(tmp_path, started):
    for _ in range(2):
        commands.main(["course", str(tmp_path / "mine"), "--lab=--port=9000"])
    (first, environment), (later, _) = started
    assert "--LabApp.default_url=/lab/tree/00%20Start%20here.ipynb" in first
    assert "--LabApp.default_url=/lab" in later
    for words in (first, later):
        assert f"--ServerApp.root_dir={tmp_path / 'mine'}" in words
        assert words[-1] == "--port=9000"
        assert not any("token" in word.lower() for word in words), "Jupyter keeps it"
    assert environment["PYTHONPATH"].split(os.pathsep)[0] == str(ROOT)


def test_jupyterlab_asks_nothing_and_shows_no_menu_of_instructors(tmp_path, started):
    commands.main(["course", str(tmp_path / "mine")])
    folder = started[0][1]["JUPYTER_CONFIG_PATH"].split(os.pathsep)[0]
    labconfig = os.path.join(folder, "labconfig")
    names = ("default_setting_overrides", "page_config")
    paths = [os.path.join(labconfig, f"{name}.json") for name in names]
    overrides, page = (json.loads(open(path, "rb").read()) for path in paths)
    notification = overrides["@jupyterlab/apputils-extension:notification"]
    assert notification == {"checkForUpdates": False, "fetchNews": "false"}
    assert overrides["@jupyter-widgets/jupyterlab-manager:plugin"]["saveState"]
    assert page["disabledExtensions"]["@jupyter/nbgrader"]


def test_it_starts_without_torch():
    code = "import sys, authoring.course.command; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "False"
