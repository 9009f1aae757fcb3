"""A real browser, and in it a real JupyterLab that has run some cells.

Where playwright or a Chromium is missing, the tests that need one are skipped.
"""

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import nbformat
import pytest

from authoring.course.command import LAB

playwright = pytest.importorskip(
    "playwright.sync_api", reason="playwright is not installed"
)
expect = playwright.expect
# Generous, since a busy machine is slow but not wrong; an idle one never waits so long.
START_SECONDS = 240
expect.set_options(timeout=30_000)

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium on this machine; install the package chromium"
)
ROOT = Path(__file__).resolve().parent.parent
# Set this to a folder to look at what the tests saw.
PICTURES = os.environ.get("LLMLAB_BROWSER_PICTURES")

# The words are apart in the source, so that only the output holds them together.
END = "print('ALL', 'DONE')"


@contextmanager
def running_chromium() -> Iterator:
    with playwright.sync_playwright() as running:
        chromium = running.chromium.launch(
            executable_path=CHROMIUM,
            args=[
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--disable-dev-shm-usage",
            ],
        )
        yield chromium
        chromium.close()


@contextmanager
def notebook_page(browser, folder: Path, sources: Sequence[str]) -> Iterator:
    """A notebook of these cells in JupyterLab, all of them run.

    The notebook lies in `folder / "work"`, where its kernel runs; JupyterLab saves
    what it shows. `.complaints` of the page collects what should not happen.
    """
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(source.strip()) for source in (*sources, END)],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
    )
    (folder / "work").mkdir(exist_ok=True)
    nbformat.write(notebook, folder / "work" / "widgets.ipynb")
    with jupyterlab(folder) as (address, token):
        page = open_notebook(browser, address, token)
        page.evaluate("() => jupyterapp.commands.execute('notebook:run-all-cells')")
        end = page.locator(".jp-CodeCell").last
        expect(end.locator(".jp-OutputArea")).to_contain_text(
            "ALL DONE", timeout=START_SECONDS * 1000
        )
        yield page
        page.close()


def open_notebook(browser, address: str, token: str, kernel: str = "idle"):
    """The notebook in a window of its own, its kernel at rest (or "busy")."""
    page = browser.new_page(viewport={"width": 1280, "height": 1600})
    page.set_default_timeout(START_SECONDS * 1000)
    page.complaints = listen_for_complaints(page, address)
    page.another_window = partial(open_notebook, browser, address, token)
    page.goto(f"{address}/lab/tree/widgets.ipynb?token={token}")
    wait_for_kernel(page, kernel)
    return page


def wait_for_kernel(page, status: str = "idle") -> None:
    page.wait_for_function(
        """status => {
          const widget = window.jupyterapp?.shell.currentWidget;
          const kernel = widget?.sessionContext?.session?.kernel;
          return kernel && kernel.status === status;
        }""",
        arg=status,
        timeout=START_SECONDS * 1000,
    )


@contextmanager
def jupyterlab(folder: Path):
    """A server of its own on a free port, with a token and without any settings."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    token = secrets.token_hex(16)
    settings = folder / "settings"
    # Without windowing, since cells out of sight would not be in the page.
    quiet = {"fetchNews": "false", "checkForUpdates": False}
    write_setting(settings, "apputils-extension/notification", quiet)
    write_setting(settings, "notebook-extension/tracker", {"windowingMode": "none"})
    # As in the course's own settings: what a widget shows is saved with the notebook.
    saving = {"saveState": True}
    write_setting(settings, "jupyterlab-manager/plugin", saving, "@jupyter-widgets")
    environment = os.environ | {
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(settings),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
        "IPYTHONDIR": str(folder / "ipython"),
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
    }
    command = [
        *(sys.executable, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1"),
        *(f"--port={port}", "--ServerApp.port_retries=0", "--allow-root"),
        *(f"--IdentityProvider.token={token}", "--expose-app-in-browser"),
        f"--ServerApp.root_dir={folder / 'work'}",
        "--LabApp.custom_css=True",
        f"--ServerApp.tornado_settings=static_custom_path={LAB / 'custom'}",
    ]
    address = f"http://127.0.0.1:{port}"
    with open(folder / "server.log", "w") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        wait_for_server(server, f"{address}/api/status?token={token}", folder)
        yield address, token
    finally:
        server.terminate()
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()


def write_setting(
    settings: Path, plugin: str, value: dict, whose: str = "@jupyterlab"
) -> None:
    path = settings / whose / f"{plugin}.jupyterlab-settings"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def wait_for_server(server: subprocess.Popen, address: str, folder: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            urllib.request.urlopen(address, timeout=1)
            return
        except OSError:
            time.sleep(0.1)
    pytest.fail("JupyterLab did not start:\n" + (folder / "server.log").read_text())


def listen_for_complaints(page, address: str) -> list[str]:
    """Collects errors on the console and requests to anywhere but `address`."""
    own = (address, address.replace("http", "ws", 1), "data:", "blob:")
    complaints = []

    def on_console(message):
        if message.type == "error":
            complaints.append(f"console: {message.text}")

    def on_request(request):
        if not request.url.startswith(own):
            complaints.append(f"request to {request.url}")

    page.on("console", on_console)
    page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
    page.on("request", on_request)
    return complaints


def run_cell(page, text: str) -> None:
    """Runs the first code cell that holds this text, and does not wait for its end."""
    cell = page.locator(".jp-CodeCell", has_text=text).first
    cell.locator(".jp-InputArea-editor").click()
    page.evaluate("() => { jupyterapp.commands.execute('notebook:run-cell'); }")


def picture(page, name: str) -> None:
    if PICTURES:
        page.screenshot(path=Path(PICTURES) / f"{name}.png", full_page=True)


def choose_theme(page, theme: str) -> None:
    """theme : "Light" or "Dark"."""
    page.evaluate(
        "theme => jupyterapp.commands.execute('apputils:change-theme', {theme})",
        f"JupyterLab {theme}",
    )
    light = str(theme == "Light").lower()
    expect(page.locator(f"body[data-jp-theme-light={light}]")).to_have_count(1)
    expect(page.locator("#jupyterlab-splash")).to_have_count(0)


def axe_complaints(page) -> list[str]:
    """What axe-core finds wrong with the widgets, in the dark and the light theme."""
    axe = pytest.importorskip(
        "axe_playwright_python", reason="axe-playwright-python is not installed"
    )
    page.evaluate((Path(axe.__file__).parent / "axe.min.js").read_text("utf-8"))
    complaints = []
    for theme in ("Dark", "Light"):
        choose_theme(page, theme)
        complaints += page.evaluate(
            """async theme => (await axe.run(".lab-box")).violations.flatMap(found =>
              found.nodes.map(node => `${theme}: ${found.id}: ${node.html}`))""",
            theme,
        )
    return complaints


def pictures_in_both_themes(page, name: str) -> None:
    """One picture of every widget in the light and in the dark theme."""
    if not PICTURES:
        return
    for theme in ("Light", "Dark"):
        choose_theme(page, theme)
        for number, box in enumerate(page.locator(".lab-box").all()):
            path = Path(PICTURES) / f"{name}-{number}-{theme.lower()}.png"
            box.screenshot(path=path)


def focusable(page):
    """Everything of the widgets that can have the keyboard's focus."""
    return page.locator(
        ".lab-box button, .lab-box input, .lab-box textarea, .lab-box[tabindex]"
    ).filter(visible=True)


def type_letters_where_no_text_is_typed(page) -> None:
    """Types what would insert, cut or delete cells if JupyterLab took it."""
    for node in focusable(page).all():
        kind = node.evaluate("node => node.type")
        if kind not in ("text", "textarea"):
            node.focus()
            for key in "addxz":
                page.keyboard.press(key)
