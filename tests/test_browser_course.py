"""The working copy in a real JupyterLab, as `python -m llmlab course` opens it."""

import base64
import io
import os
import re
import secrets
import signal
import subprocess
import sys

import pytest
from browser_lab import (
    choose_theme,
    expect,
    needs_chromium,
    picture,
    running_chromium,
    wait_for_kernel,
    wait_for_server,
)
from PIL import Image
from working_copies import cell, edit

from authoring.course.pages import course_pages, with_results_folded
from authoring.course.working_copy import bring_up_to_date
from llmlab.paths import ROOT

pytestmark = needs_chromium
FIRST = "00 Start here.ipynb"
ASK = """from pathlib import Path
from llmlab.paths import CHECKPOINTS, RUNS
print(Path.cwd().name, CHECKPOINTS.is_dir(), RUNS.name, 'FOUND')"""


def red_picture():
    file = io.BytesIO()
    Image.new("RGB", (40, 20), "red").save(file, "png")
    return base64.b64encode(file.getvalue()).decode()


RESULT = [
    {"output_type": "stream", "name": "stdout", "text": "one <b>two</b>\n\nthree\n"},
    {
        "output_type": "display_data",
        "metadata": {},
        "data": {"image/png": red_picture()},
    },
]


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    """A window on a working copy of the first day, with a cell of the learner's."""
    home = tmp_path_factory.mktemp("home")
    folder = home / "my_course"
    bring_up_to_date(folder, course_pages())
    edit(folder, own_cells, FIRST)
    with served(home, folder) as (address, token), running_chromium() as chromium:
        page = chromium.new_page(viewport={"width": 1280, "height": 900})
        page.goto(f"{address}/lab/tree/{FIRST}?token={token}")
        wait_for_kernel(page)
        page.folder = folder
        yield page


def own_cells(cells):
    """Asks where it is; and what the course would fold, made of known results."""
    made = [
        cell("x", 'desk.predict("a", "?")', "code", id="ask"),
        cell("x", "the_result()", "code", id="run") | {"outputs": RESULT},
        cell("x", 'desk.answer("a", 1)', "code", id="answer"),
    ]
    cells[:0] = [cell("x", ASK, "code"), with_results_folded(made)[-1]]


class served:
    """The command itself, on a port of its own, in an environment of its own."""

    def __init__(self, home, folder):
        self.home, self.folder = home, folder

    def __enter__(self):
        token, port = secrets.token_hex(16), free_port()
        options = ("--no-browser", "--ip=127.0.0.1", f"--port={port}")
        options += ("--ServerApp.port_retries=0", f"--IdentityProvider.token={token}")
        options += ("--expose-app-in-browser",)
        command = [sys.executable, "-m", "llmlab", "course", self.folder]
        command += [f"--lab={option}" for option in options]
        names = ("CONFIG_DIR", "RUNTIME_DIR", "DATA_DIR")
        own = {f"JUPYTER_{name}": str(self.home / name) for name in names}
        names = ("SETTINGS_DIR", "WORKSPACES_DIR")
        own |= {f"JUPYTERLAB_{name}": str(self.home / name) for name in names}
        with open(self.home / "server.log", "w") as log:
            self.process = subprocess.Popen(
                command, env=os.environ | own, stdout=log, stderr=log, cwd=self.home
            )
        address = f"http://127.0.0.1:{port}"
        wait_for_server(self.process, f"{address}/api/status?token={token}", self.home)
        return address, token

    def __exit__(self, *_):
        import psutil

        for child in psutil.Process(self.process.pid).children():
            child.send_signal(signal.SIGTERM)
        self.process.wait(30)


def free_port():
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_the_file_browser_shows_exactly_what_is_the_learners(opened):
    names = opened.locator(".jp-DirListing-itemName")
    pages = list((ROOT / "notebooks").glob("*.ipynb"))
    expect(names).to_have_count(len(pages) + 1)
    picture(opened, "course")
    seen = sorted(names.all_inner_texts())
    assert seen[0] == FIRST and seen[-1] == "exercises"
    assert all(re.fullmatch(r"\d\db? [\w, -]+\.ipynb", name) for name in seen[:-1])


def test_opening_a_page_does_not_change_it(opened):
    model = "jupyterapp.shell.currentWidget.context.model"
    assert not opened.evaluate(f"() => {model}.dirty")


def test_a_cell_runs_and_finds_the_library_its_data_and_the_runs(opened):
    first = opened.locator(".jp-CodeCell").first
    first.locator(".jp-InputArea-editor").click()
    opened.evaluate("() => { jupyterapp.commands.execute('notebook:run-cell'); }")
    expect(first.locator(".jp-OutputArea")).to_contain_text("my_course True")
    expect(first.locator(".jp-OutputArea")).to_contain_text("FOUND")


def test_what_the_course_got_is_folded_and_opens(opened):
    words = "What the course got"
    # Ours stands before those of the page.
    got = opened.locator(".jp-MarkdownCell details", has_text=words).first
    expect(got.locator("pre")).to_be_hidden()
    got.locator("summary").click()
    expect(got.locator("pre")).to_have_text("one <b>two</b>\n\nthree")
    expect(got.locator("img")).to_be_visible()
    assert got.locator("img").evaluate("image => image.naturalWidth") > 0
    picture(opened, "course-got")
    choose_theme(opened, "Dark")
    shown = got.locator("img").evaluate("image => getComputedStyle(image).filter")
    assert shown.startswith("invert"), "as every picture of the course in the dark"
    picture(opened, "course-got-dark")
    choose_theme(opened, "Light")


def test_links_lead_to_pages_of_the_copy(opened):
    links = opened.locator(".jp-MarkdownCell a[href*='.ipynb']")
    links.last.scroll_into_view_if_needed()
    expect(links.last).to_be_visible()
    name = links.last.evaluate("link => decodeURIComponent(link.href)")
    links.last.click()
    expect(opened.locator(".jp-mod-current .lm-TabBar-tabLabel").first).to_be_visible()
    title = "() => jupyterapp.shell.currentWidget.title.label"
    opened.wait_for_function(f"name => name.includes(({title})())", arg=name)


def test_what_widgets_show_is_saved(opened):
    plugin = "@jupyter-widgets/jupyterlab-manager:plugin"
    ask = f"() => fetch('/lab/api/settings/{plugin}').then(r => r.json())"
    assert opened.evaluate(ask)["schema"]["properties"]["saveState"]["default"]


def test_the_stylesheet_of_the_course_is_loaded(opened):
    """Without it the pictures of the course stay white in a dark theme."""
    rules = """() => [...document.styleSheets]
        .filter((sheet) => sheet.href?.endsWith("/custom/custom.css"))
        .flatMap((sheet) => [...sheet.cssRules].map((rule) => rule.cssText))"""
    assert any(
        "invert(0.93) hue-rotate(180deg)" in rule for rule in opened.evaluate(rules)
    )
