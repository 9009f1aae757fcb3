"""The widgets in a real JupyterLab, and the report in a real browser.

One server and one browser serve all tests of this file, which use one notebook. They
are skipped, with the reason, where playwright or a Chromium is missing.
"""

import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import nbformat
import pytest
from test_report import example_report

from llmlab.preferences import LabelStore
from llmlab.report import write_report

playwright = pytest.importorskip(
    "playwright.sync_api", reason="playwright is not installed"
)
expect = playwright.expect
# Generous, since a busy machine is slow but not wrong; an idle one never waits so long.
START_SECONDS = 240
expect.set_options(timeout=30_000)

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ROOT = Path(__file__).resolve().parent.parent
# Set this to a folder to look at what the tests saw.
PICTURES = os.environ.get("LLMLAB_BROWSER_PICTURES")

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium on this machine; install the package chromium"
)

CHAT = """
from llmlab.widgets import Chat

def base(message, temperature):
    if len(message) > 60:
        raise ValueError("the message is longer than 60 characters")
    return f"{message} and the harbour and the"

def instruct(message, temperature):
    return f"At {temperature:.1f} I hear <b>{message}</b>"

def ppo(message, temperature):
    return f"The moon itself said: {message}"

Chat({"base": base, "instruct": instruct, "ppo": ppo}, examples=["Hello, gull."])
"""

LABELLER = """
from types import SimpleNamespace
from llmlab.preferences import LabelStore
from llmlab.widgets import PairLabeller

pairs = [
    SimpleNamespace(
        prompt=f"Tell story {number}.",
        first=f"Story {number}: the gull sat on the wall until dusk.",
        second=f"Story {number}: the gull stole the moon & hid it in a net.",
    )
    for number in range(1, 6)
]
PairLabeller(pairs, LabelStore("labels.sqlite"))
"""

EXPLORER = """
from llmlab.widgets import NextTokenExplorer

def distribution(text):
    if not text:
        raise ValueError("the text is empty; write a word")
    if text.endswith("boat"):
        return [(" sank", 0.9), ("<eos>", 0.08), (" sang", 0.01), (".", 0.01)]
    return [(" boat", 0.5), (" net", 0.25), (" gull", 0.15), (" fog", 0.1)]

NextTokenExplorer(distribution, prompt="The old", top=3, special_tokens=["<eos>"])
"""

MONITOR = """
from llmlab.widgets import TrainingMonitor

monitor = TrainingMonitor(seconds_between=0)
monitor.start("base", 40, 0)
for step in range(40):
    monitor.update(step, {"loss": 7.5 / (step + 1), "tokens": 1024}, step / 10)
monitor.stop("done")
"""

PICTURE = """
from llmlab.plots import loss_curve

loss_curve({"base": [{"step": n, "loss": 3 / (n + 1)} for n in range(9)]})
"""

# The words are apart in the source, so that only the output holds them together.
END = "print('ALL', 'DONE')"


@pytest.fixture(scope="module")
def browser():
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


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Where the notebook lies: a copy, since JupyterLab saves what it shows."""
    folder = tmp_path_factory.mktemp("lab")
    notebook = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_code_cell(source.strip())
            for source in (CHAT, LABELLER, EXPLORER, MONITOR, PICTURE, END)
        ],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
    )
    (folder / "work").mkdir()
    nbformat.write(notebook, folder / "work" / "widgets.ipynb")
    return folder


@pytest.fixture(scope="module")
def lab(browser, folder):
    """The notebook in JupyterLab, all cells run; `.complaints` collects complaints."""
    with jupyterlab(folder) as (address, token):
        page = browser.new_page(viewport={"width": 1280, "height": 1600})
        page.set_default_timeout(START_SECONDS * 1000)
        page.complaints = listen_for_complaints(page, address)
        page.goto(f"{address}/lab/tree/widgets.ipynb?token={token}")
        page.wait_for_function(
            """() => {
              const widget = window.jupyterapp?.shell.currentWidget;
              const kernel = widget?.sessionContext?.session?.kernel;
              return kernel && kernel.status === "idle";
            }""",
            timeout=START_SECONDS * 1000,
        )
        page.evaluate("() => jupyterapp.commands.execute('notebook:run-all-cells')")
        end = page.locator(".jp-CodeCell").last
        expect(end.locator(".jp-OutputArea")).to_contain_text(
            "ALL DONE", timeout=START_SECONDS * 1000
        )
        yield page
        picture(page, "lab")
        page.close()


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


def write_setting(settings: Path, plugin: str, value: dict) -> None:
    path = settings / "@jupyterlab" / f"{plugin}.jupyterlab-settings"
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


def picture(page, name: str) -> None:
    if PICTURES:
        page.screenshot(path=Path(PICTURES) / f"{name}.png", full_page=True)


def test_every_model_answers_a_message_side_by_side(lab):
    chat = lab.locator(".lab-chat")
    expect(chat.get_by_text("The moon itself said: Hello, gull.")).to_be_visible()
    box = chat.get_by_label("message to the models")
    box.click()
    lab.keyboard.type("Where is dad's boat?")
    lab.keyboard.press("Enter")
    answers = chat.locator(".lab-columns").last.locator(".lab-card")
    expect(answers).to_have_count(3)
    expect(answers.nth(0)).to_contain_text("Where is dad's boat? and the harbour")
    expect(answers.nth(2)).to_contain_text("The moon itself said: Where is dad's")
    expect(box).to_be_focused()
    expect(box).to_have_value("")


def test_the_temperature_slider_reaches_the_models_and_answers_are_never_markup(lab):
    chat = lab.locator(".lab-chat")
    chat.get_by_label("temperature").focus()
    for _ in range(3):
        lab.keyboard.press("ArrowLeft")
    chat.get_by_label("message to the models").fill("hello")
    chat.get_by_role("button", name="Send").click()
    card = chat.locator(".lab-columns").last.locator(".lab-card").nth(1)
    expect(card).to_contain_text("At 0.7 I hear <b>hello</b>")
    expect(card.locator("b")).to_have_count(0)


def test_a_model_that_cannot_answer_says_so_and_the_others_answer(lab):
    chat = lab.locator(".lab-chat")
    chat.get_by_label("message to the models").fill("gull " * 20)
    chat.get_by_role("button", name="Send").click()
    answers = chat.locator(".lab-columns").last.locator(".lab-card")
    expect(answers.nth(0)).to_contain_text(
        "base could not answer: the message is longer than 60 characters."
    )
    expect(answers.nth(2)).to_contain_text("The moon itself said: gull")
    picture(lab, "chat")


def test_a_click_is_in_the_store_before_the_next_pair_shows(lab, folder):
    labeller = lab.locator(".lab-labeller")
    store = LabelStore(folder / "work" / "labels.sqlite")
    expect(labeller).to_contain_text("Pair 1 of 5")
    labeller.get_by_role("button", name="stole the moon").click()
    expect(labeller).to_contain_text("Pair 2 of 5")
    (label,) = store.all()
    assert label.prompt == "Tell story 1." and label.preferred == 1
    assert label.winner == "Story 1: the gull stole the moon & hid it in a net."
    assert label.source == "person"


def test_the_whole_labelling_works_from_the_keyboard(lab, folder):
    labeller = lab.locator(".lab-labeller")
    store = LabelStore(folder / "work" / "labels.sqlite")
    labeller.focus()
    lab.keyboard.press("1")
    expect(labeller).to_contain_text("Pair 3 of 5")
    assert [label.preferred for label in store.all()] == [1, 0]
    lab.keyboard.press("u")
    expect(labeller).to_contain_text("Pair 2 of 5")
    assert [label.preferred for label in store.all()] == [1]
    lab.keyboard.press("s")
    expect(labeller).to_contain_text("Pair 3 of 5")
    lab.keyboard.press("2")
    expect(labeller).to_contain_text("Pair 4 of 5")
    assert [label.prompt for label in store.all()] == ["Tell story 1.", "Tell story 3."]
    picture(lab, "labeller")


def test_letters_typed_in_a_widget_never_edit_the_notebook(lab):
    cells = lab.locator(".jp-Cell")
    count = cells.count()
    focusable = lab.locator(".lab-box button, .lab-box input, .lab-box[tabindex]")
    assert focusable.count() > 10
    for index in range(focusable.count()):
        if focusable.nth(index).get_attribute("type") != "text":
            focusable.nth(index).focus()
            for key in "addxz":
                lab.keyboard.press(key)
    assert cells.count() == count
    # The same letters do edit it where the guard is taken away, so it is the guard
    # that this test sees.
    labeller = lab.locator(".lab-labeller")
    labeller.evaluate("node => node.removeAttribute('data-lm-suppress-shortcuts')")
    labeller.focus()
    lab.keyboard.press("a")
    expect(cells).to_have_count(count + 1)
    labeller.evaluate("node => node.dataset.lmSuppressShortcuts = 'true'")


def test_the_keyboard_stays_in_the_labeller_after_the_last_pair(lab, folder):
    labeller = lab.locator(".lab-labeller")
    labeller.locator("button.lab-card").first.focus()
    lab.keyboard.press("2")
    expect(labeller).to_contain_text("Pair 5 of 5")
    lab.keyboard.press("1")
    expect(labeller).to_contain_text("All 5 pairs seen, 4 labelled.")
    expect(labeller).to_be_focused()
    assert len(LabelStore(folder / "work" / "labels.sqlite")) == 4


def test_a_labeller_made_again_goes_on_after_the_last_label(lab):
    lab.locator(".lab-labeller").focus()
    lab.keyboard.press("u")
    expect(lab.locator(".lab-labeller")).to_contain_text("Pair 5 of 5")
    lab.locator(".jp-CodeCell", has_text="PairLabeller(pairs").click()
    lab.evaluate("() => jupyterapp.commands.execute('notebook:run-cell')")
    expect(lab.locator(".lab-labeller")).to_contain_text("Welcome back: 3 labelled")
    expect(lab.locator(".lab-labeller")).to_contain_text("Pair 5 of 5")


def test_the_explorer_follows_the_text_the_slider_and_a_click_on_a_token(lab):
    explorer = lab.locator(".lab-explorer")
    text = explorer.get_by_label("text to continue")
    shares = explorer.locator(".lab-share")
    expect(shares).to_have_text(["50.0 %", "25.0 %", "15.0 %", "10.0 %"])
    explorer.get_by_label("temperature").focus()
    lab.keyboard.press("Home")
    expect(shares.first).to_have_text("99.9 %")
    explorer.get_by_role("button", name="␣boat").click()
    expect(text).to_have_value("The old boat")
    expect(explorer.get_by_role("status")).to_contain_text("Most probable: ␣sank")
    eos = explorer.get_by_role("button", name="<eos>")
    eos.click(force=True)
    expect(text).to_have_value("The old boat")
    text.fill("")
    expect(explorer.get_by_role("status")).to_contain_text("the text is empty")
    text.fill("A")
    expect(explorer.get_by_role("status")).to_contain_text("␣boat")
    picture(lab, "explorer")


def test_the_monitor_shows_the_end_of_a_run(lab):
    monitor = lab.locator(".lab-monitor")
    expect(monitor).to_contain_text("base: step 40 of 40 (done)")
    expect(monitor.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "100")
    for name in ("loss", "tokens/s", "time left"):
        expect(monitor).to_contain_text(name)


def test_a_picture_is_followed_by_its_words(lab):
    cell = lab.locator(".jp-CodeCell", has_text="loss_curve")
    expect(cell.locator(".jp-OutputArea img")).to_have_count(1)
    expect(cell).to_contain_text("In words: Loss in nats per token")


def test_jupyterlab_had_nothing_to_complain_and_asked_nobody_outside(lab):
    assert lab.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_report_draws_itself_without_asking_anybody(browser, tmp_path, scheme):
    path = tmp_path / "report.html"
    write_report(example_report(), path)
    page = browser.new_page(color_scheme=scheme, viewport={"width": 400, "height": 800})
    complaints = listen_for_complaints(page, path.as_uri())
    page.goto(path.as_uri())
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    drawn = page.locator("img").evaluate_all(
        "images => images.map(image => image.complete && image.naturalWidth)"
    )
    assert drawn and all(drawn)
    fits = page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    assert fits, "the page must not scroll sideways on a telephone"
    colours = page.evaluate(
        "() => { const s = getComputedStyle(document.body); return s.backgroundColor; }"
    )
    lightness = sum(map(int, re.findall(r"\d+", colours)[:3])) / 3
    assert (lightness > 128) == (scheme == "light")
    assert complaints == []
    picture(page, f"report-{scheme}")
    page.close()
