"""Widgets over days: a busy kernel, two windows, a reload, a restart, the next day.

One server and one browser serve all tests of this file, which are one story of one
notebook, told in order.
"""

import json

import pytest
from browser_lab import (
    axe_complaints,
    expect,
    needs_chromium,
    notebook_page,
    run_cell,
    running_chromium,
    wait_for_kernel,
)

pytestmark = needs_chromium

FILL_IN = """
from llmlab.widgets import FillIn

def fill(text):
    if "slow" in text:
        time.sleep(2)
    best = " idle" if "cat" in text else " lazy"
    return [(best, 0.9), (" old", 0.06)]

import time
FillIn(fill, "the _ dog")
"""

TOKEN_COLOURS = """
from llmlab.tokenizer import Tokenizer
from llmlab.widgets import TokenColours

TokenColours(Tokenizer(), "gull")
"""

TIME_SLIDER = """
from llmlab.widgets import TrainingTimeSlider

TrainingTimeSlider([(0, 7.6, "qx"), (10, 5.0, "the the"), (100, 2.0, "the boat")])
"""

CUT_RUN = """
from llmlab.widgets import TrainingMonitor

monitor = TrainingMonitor(lambda: "the boat sank", every=1, seconds_between=0)
monitor.start("base", 40, 0)
monitor.update(0, {"loss": 7.5}, 1.0)
"""

CHAT = """
from llmlab.widgets import Chat

Chat({"base": lambda message, _: message.upper()},
     suggestions={"Shout": "hello"})
"""

BUSY_CELL = """
import pathlib
while not pathlib.Path("go_on").exists():
    time.sleep(0.05)
"""

ASLEEP = "Asleep: run this cell to use it again."
BUSY = "The kernel is busy; this is done as soon as it is free."


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("lab")


@pytest.fixture(scope="module")
def lab(folder):
    cells = (FILL_IN, TOKEN_COLOURS, TIME_SLIDER, CUT_RUN, CHAT, BUSY_CELL)
    (folder / "work").mkdir()
    (folder / "work" / "go_on").touch()
    with running_chromium() as browser, notebook_page(browser, folder, cells) as page:
        yield page


def notice(page, kind: str):
    return page.locator(f".lab-{kind} .lab-notice")


def sentence(page):
    return page.get_by_label("sentence with one blank")


def first_bar(page):
    return page.locator(".lab-fill-in .lab-token").first


def message_to(page):
    return page.get_by_label("message to the models")


def newest_answer(page):
    return page.locator(".lab-chat .lab-card").last


def save(page) -> None:
    page.evaluate("() => jupyterapp.commands.execute('docmanager:save')")
    expect(page.locator(".jp-mod-dirty")).to_have_count(0)


def open_again(page) -> None:
    """On a crowded machine ipywidgets may look for a model before it has read those of
    the notebook ("model not found"); a second reload finds it, for a learner, too."""
    page.reload()
    wait_for_kernel(page)
    page.wait_for_timeout(1000)
    if page.get_by_text("Error displaying widget").count():
        page.reload()
        wait_for_kernel(page)


def drawn_asleep(page) -> None:
    """Each widget shows its last state, and those that need Python say so."""
    expect(first_bar(page)).to_have_text("␣idle")
    expect(page.locator(".lab-token-colours [role=listitem]")).to_have_count(4)
    expect(page.locator(".lab-time .lab-card")).to_contain_text("the the")
    expect(newest_answer(page)).to_contain_text("ARE YOU THERE?")
    for kind in ("fill-in", "token-colours", "chat"):
        expect(notice(page, kind)).to_have_text(ASLEEP)
    monitor = page.locator(".lab-monitor")
    expect(monitor).to_contain_text("base: step 1 of 40 (ended with its kernel)")
    expect(monitor.locator(".lab-sample")).to_contain_text("the boat sank")
    expect(notice(page, "monitor")).to_contain_text("This run is over.")
    expect(page.get_by_text("Error displaying widget")).to_have_count(0)


def test_a_busy_kernel_is_said_and_what_was_typed_is_done_when_it_is_free(lab, folder):
    (folder / "work" / "go_on").unlink()
    run_cell(lab, "go_on")
    wait_for_kernel(lab, "busy")
    sentence(lab).fill("the _ cat")
    expect(notice(lab, "fill-in")).to_have_text(BUSY)
    expect(notice(lab, "token-colours")).to_have_text("")
    sentence(lab).fill("the _ old cat")
    expect(sentence(lab)).to_have_value("the _ old cat")
    expect(first_bar(lab)).to_have_text("␣lazy")
    (folder / "work" / "go_on").touch()
    expect(notice(lab, "fill-in")).to_have_text("")
    expect(first_bar(lab)).to_have_text("␣idle")
    expect(sentence(lab)).to_have_value("the _ old cat")


def test_a_message_stays_where_it_was_typed_until_the_kernel_has_it(lab, folder):
    (folder / "work" / "go_on").unlink()
    run_cell(lab, "go_on")
    wait_for_kernel(lab, "busy")
    message_to(lab).fill("are you there?")
    lab.keyboard.press("Enter")
    expect(notice(lab, "chat")).to_have_text(BUSY)
    expect(message_to(lab)).to_have_value("are you there?")
    (folder / "work" / "go_on").touch()
    expect(newest_answer(lab)).to_contain_text("ARE YOU THERE?")
    expect(message_to(lab)).to_have_value("")
    expect(notice(lab, "chat")).to_have_text("")


def test_a_slow_answer_is_said_to_be_on_its_way(lab):
    sentence(lab).fill("a slow _ cat")
    expect(notice(lab, "fill-in")).to_have_text("Working on it…")
    expect(notice(lab, "fill-in")).to_have_text("")


def test_a_second_window_works_and_the_first_one_follows(lab):
    save(lab)
    second = lab.another_window()
    expect(first_bar(second)).to_have_text("␣idle")
    sentence(second).fill("the _ dog")
    expect(first_bar(second)).to_have_text("␣lazy")
    expect(first_bar(lab)).to_have_text("␣lazy")
    sentence(lab).fill("the _ cat")
    expect(first_bar(second)).to_have_text("␣idle")
    expect(sentence(second)).to_be_focused()
    lab.wait_for_timeout(800)
    for page in (lab, second):
        expect(notice(page, "fill-in")).to_have_text("")
    assert second.complaints == []
    second.close()


def test_after_a_reload_while_the_kernel_is_busy_every_widget_goes_on(lab, folder):
    lab.get_by_role("slider", name="training time").press("ArrowRight")
    save(lab)
    (folder / "work" / "go_on").unlink()
    run_cell(lab, "go_on")
    wait_for_kernel(lab, "busy")
    lab.reload()
    expect(lab.get_by_text("Loading widget").first).to_be_visible()
    (folder / "work" / "go_on").touch()
    expect(first_bar(lab)).to_have_text("␣idle")
    expect(lab.locator(".lab-time .lab-card")).to_contain_text("the the")
    sentence(lab).fill("the _ dog")
    expect(first_bar(lab)).to_have_text("␣lazy")
    sentence(lab).fill("the _ cat")
    expect(first_bar(lab)).to_have_text("␣idle")
    expect(notice(lab, "fill-in")).to_have_text("")


def test_after_a_restart_it_is_asleep_and_keeps_its_state_and_what_is_typed(lab):
    lab.evaluate(
        "() => jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()"
    )
    drawn_asleep(lab)
    sentence(lab).fill("the _ gull")
    lab.wait_for_timeout(400)
    expect(sentence(lab)).to_have_value("the _ gull")
    message_to(lab).fill("wake up")
    lab.keyboard.press("Enter")
    shout = lab.get_by_role("button", name="Shout")
    expect(shout).to_have_attribute("aria-disabled", "true")
    shout.click(force=True)
    expect(message_to(lab)).to_have_value("wake up")
    lab.get_by_role("slider", name="training time").press("ArrowRight")
    expect(lab.locator(".lab-time .lab-card")).to_contain_text("the boat")
    lab.get_by_role("slider", name="training time").press("ArrowLeft")
    save(lab)


@pytest.mark.parametrize("day", ["next day", "day after"])
def test_on_another_day_each_widget_shows_its_last_state(lab, folder, day):
    lab.evaluate("() => jupyterapp.shell.currentWidget.sessionContext.shutdown()")
    open_again(lab)
    drawn_asleep(lab)
    # The widget manager itself saves none that sleeps: the second day had nothing.
    run_cell(lab, "'ALL'")
    expect(lab.locator(".jp-CodeCell").last).to_contain_text("ALL DONE")
    wait_for_kernel(lab)
    save(lab)
    notebook = json.loads((folder / "work" / "widgets.ipynb").read_text())
    (saved,) = notebook["metadata"]["widgets"].values()
    models = [model["model_name"] for model in saved["state"].values()]
    assert models.count("AnyModel") == 5


def test_axe_finds_nothing_in_what_is_asleep(lab):
    assert axe_complaints(lab) == []


def test_the_cell_wakes_its_widget_and_what_it_was_is_forgotten(lab, folder):
    run_cell(lab, "FillIn(")
    expect(first_bar(lab)).to_have_text("␣lazy")
    sentence(lab).fill("the _ cat")
    expect(first_bar(lab)).to_have_text("␣idle")
    expect(notice(lab, "fill-in")).to_have_text("")
    expect(notice(lab, "token-colours")).to_have_text(ASLEEP)
    run_cell(lab, "suggestions=")
    lab.get_by_role("button", name="Shout").click()
    expect(newest_answer(lab)).to_contain_text("HELLO")


def test_a_kernel_that_died_is_noticed_without_a_word_from_it(lab):
    lab.evaluate("() => jupyterapp.shell.currentWidget.sessionContext.shutdown()")
    expect(notice(lab, "fill-in")).to_have_text(ASLEEP)
    # JupyterLab's own words about a kernel that was taken away.
    others = [text for text in lab.complaints if "Canceled future" not in text]
    assert others == []
