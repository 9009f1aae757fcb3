"""Talking, judging, sampling and watching a run in a real JupyterLab.

One server and one browser serve all tests of this file, which use one notebook.
"""

import re
from pathlib import Path

import pytest
from browser_lab import (
    axe_complaints,
    choose_theme,
    expect,
    focusable,
    needs_chromium,
    notebook_page,
    picture,
    run_cell,
    running_chromium,
    type_letters_where_no_text_is_typed,
)

from llmlab.preferences import LabelStore

pytestmark = needs_chromium

CHAT = """
from llmlab.talking import MessageTooLong
from llmlab.widgets import Chat

def base(message, temperature):
    if message == "break":
        raise ValueError("the model is ill")
    return f"{message} and the harbour and the"

def instruct(message, temperature):
    return f"At {temperature:.1f} I hear <b>{message}</b>"

def ppo(message, temperature):
    if len(message) > 200:
        raise MessageTooLong("That message is longer than I can read.")
    return f"The moon itself said: {message}" + " On and on." * 9 * len(message)

Chat({"base": base, "instruct": instruct, "ppo": ppo},
     examples=["Hello, gull.", "Hello, cat."],
     suggestions={"Fish": "Who is afraid of the net?"},
     about=[{"name": "Tilda", "animal": "quick brown fox"}])
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
import torch
from llmlab.widgets import NextTokenExplorer

def distribution(text):
    if not text:
        raise ValueError("the text is empty; write a word")
    if text.endswith("boat"):
        return [(" sank", 0.9), ("<eos>", 0.08), (" sang", 0.01), (".", 0.01)]
    return [(" boat", 0.5), (" net", 0.25), (" gull", 0.15), (" fog", 0.1)]

dice = torch.Generator().manual_seed(0)
NextTokenExplorer(
    distribution, prompt="The old", top=3, special_tokens=["<eos>"], generator=dice
)
"""

MONITOR = """
from llmlab.widgets import TrainingMonitor

texts = iter(["qx <b>zzv", "the the of", "the boat sank"])
monitor = TrainingMonitor(lambda: next(texts), every=20, seconds_between=0)
monitor.start("base", 40, 0)
for step in range(40):
    monitor.update(step, {"loss": 7.5 / (step + 1), "tokens": 1024}, step / 10)
monitor.stop("done")
"""

TRAINING = """
import pathlib, time
from llmlab.training import train

def step(index, generator):
    time.sleep(2)
    return {"loss": 1.0}

train(
    step,
    steps=100 if pathlib.Path("train").exists() else 0,
    modules={},
    optimizers={},
    seed=0,
    progress=TrainingMonitor(),
    label="slow life",
)
"""

BEHIND = """
print("ran", "behind it")
"""

PICTURE = """
from llmlab.plots import loss_curve

loss_curve({"base": [{"step": n, "loss": 3 / (n + 1)} for n in range(9)]})
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("lab")


@pytest.fixture(scope="module")
def lab(folder):
    cells = (CHAT, LABELLER, EXPLORER, MONITOR, TRAINING, BEHIND, PICTURE)
    with running_chromium() as browser, notebook_page(browser, folder, cells) as page:
        yield page
        picture(page, "lab")


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
    chat.get_by_label("message to the models").fill("break")
    chat.get_by_role("button", name="Send").click()
    answers = chat.locator(".lab-columns").last.locator(".lab-card")
    expect(answers.nth(0)).to_contain_text("base could not answer: the model is ill.")
    expect(answers.nth(2)).to_contain_text("The moon itself said: break")


def test_a_suggestion_is_sent_by_a_click_and_answered_at_the_temperature_shown(lab):
    chat = lab.locator(".lab-chat")
    chat.get_by_role("button", name="Fish").click()
    newest = chat.locator(".lab-exchange").last
    expect(newest.locator(".lab-message")).to_have_text("Who is afraid of the net?")
    expect(newest.locator(".lab-heat")).to_have_text("temperature 0.7")


def test_the_newest_answer_and_the_input_stay_in_sight(lab):
    size = lab.viewport_size
    lab.set_viewport_size({"width": 1280, "height": 857})
    chat = lab.locator(".lab-chat")
    box = chat.get_by_label("message to the models")
    for text in ("one", "two", "three"):
        box.fill(f"What is after {text}?")
        lab.keyboard.press("Enter")
        newest = chat.locator(".lab-exchange").last
        expect(newest.locator(".lab-message")).to_contain_text(text)
        expect(newest.locator(".lab-card").last).to_contain_text("On and on")
        for seen in (newest.locator(".lab-message"), box):
            expect(seen).to_be_in_viewport(ratio=1)
    inside = "log => log.clientHeight < log.scrollHeight"
    assert chat.get_by_role("log").evaluate(inside)  # the page does not grow
    lab.set_viewport_size(size)


def test_a_message_too_long_gets_one_sentence_and_stays_to_be_shortened(lab):
    chat = lab.locator(".lab-chat")
    box, said = chat.get_by_label("message to the models"), chat.locator(".lab-status")
    count = chat.locator(".lab-exchange").count()
    box.fill("gull " * 50)
    lab.keyboard.press("Enter")
    expect(said).to_have_text("That message is longer than I can read.")
    expect(box).to_have_value("gull " * 49 + "gull")
    expect(chat.locator(".lab-exchange")).to_have_count(count)
    box.fill("gull")
    lab.keyboard.press("Enter")
    expect(said).to_contain_text("is told its last turn as well")
    lab.keyboard.press("ArrowUp")
    expect(box).to_have_value("gull")
    picture(lab, "chat")


def test_who_is_who_is_behind_a_fold(lab):
    chat = lab.locator(".lab-chat")
    fox = chat.get_by_text("quick brown fox")
    expect(fox).to_be_hidden()
    chat.get_by_text("Who is who").focus()
    lab.keyboard.press("Enter")
    expect(fox).to_be_visible()


def test_a_click_is_in_the_store_before_the_next_pair_shows(lab, folder):
    labeller = lab.locator(".lab-labeller")
    store = LabelStore(folder / "work" / "labels.sqlite")
    expect(labeller).to_contain_text("Pair 1 of 5")
    shown = labeller.locator("button.lab-card > span:last-child").all_inner_texts()
    labeller.get_by_role("button", name="stole the moon").click()
    expect(labeller).to_contain_text("Pair 2 of 5")
    (label,) = store.all()
    assert label.prompt == "Tell story 1."
    assert [label.first, label.second] == shown  # the sides that the lot gave them
    assert label.swapped == ("stole the moon" in shown[0])
    assert label.winner == "Story 1: the gull stole the moon & hid it in a net."
    assert label.source == "person"


def test_what_differs_between_two_texts_is_marked_until_one_wants_it_plain(lab):
    labeller = lab.locator(".lab-labeller")
    marks = labeller.locator("mark")
    sides = [
        ["sat on", "wall", "until", "dusk"],
        ["stole", "moon", "&", "hid it in a net"],
    ]
    if "stole the moon" in labeller.locator("button.lab-card").first.inner_text():
        sides.reverse()
    expect(marks).to_have_text([*sides[0], *sides[1]])
    line = marks.first.evaluate("node => getComputedStyle(node).textDecorationLine")
    assert line == "underline"  # not by colour alone
    labeller.focus()
    lab.keyboard.press("d")
    expect(marks).to_have_count(0)
    expect(labeller).to_contain_text("the gull stole the moon & hid it in a net.")
    labeller.get_by_role("button", name="Mark what differs").click()
    expect(marks).to_have_count(8)


def test_a_pointer_over_a_text_does_not_look_like_a_choice(lab):
    cards = lab.locator(".lab-labeller button.lab-card")
    border = "node => getComputedStyle(node).borderColor"
    cards.first.hover()
    assert cards.first.evaluate(border) == cards.last.evaluate(border)


def test_the_whole_labelling_works_from_the_keyboard(lab, folder):
    labeller = lab.locator(".lab-labeller")
    store = LabelStore(folder / "work" / "labels.sqlite")
    labeller.focus()
    lab.keyboard.press("1")
    expect(labeller).to_contain_text("Pair 3 of 5")
    assert store.all()[-1].preferred == 0
    lab.keyboard.press("u")
    expect(labeller).to_contain_text("Pair 2 of 5")
    assert len(store) == 1
    lab.keyboard.press("s")
    expect(labeller).to_contain_text("Pair 3 of 5")
    lab.keyboard.press("2")
    expect(labeller).to_contain_text("Pair 4 of 5")
    assert store.all()[-1].preferred == 1
    assert [label.prompt for label in store.all()] == ["Tell story 1.", "Tell story 3."]
    picture(lab, "labeller")


def test_letters_typed_in_a_widget_never_edit_the_notebook(lab):
    cells = lab.locator(".jp-Cell")
    count = cells.count()
    assert focusable(lab).count() > 10
    type_letters_where_no_text_is_typed(lab)
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
    expect(explorer.get_by_role("status").first).to_contain_text("Most probable: ␣sank")
    eos = explorer.get_by_role("button", name="<eos>")
    eos.click(force=True)
    expect(text).to_have_value("The old boat")
    text.fill("")
    expect(explorer.get_by_role("status").first).to_contain_text("the text is empty")
    text.fill("A")
    expect(explorer.get_by_role("status").first).to_contain_text("␣boat")
    picture(lab, "explorer")


def test_the_dice_choose_and_each_choice_can_be_undone_with_the_keys(lab):
    explorer = lab.locator(".lab-explorer")
    text = explorer.get_by_label("text to continue")
    said = explorer.get_by_role("status")
    text.fill("The old")
    explorer.get_by_label("temperature").evaluate("node => { node.value = 1; }")
    roll = explorer.get_by_role("button", name="Roll the dice")
    undo = explorer.get_by_role("button", name="Undo")
    roll.focus()
    lab.keyboard.press("Enter")
    expect(said.first).to_contain_text("The dice show ␣")
    expect(text).to_have_value(re.compile("^The old (boat|net|gull|fog)$"))
    expect(roll).to_be_focused()
    undo.focus()
    lab.keyboard.press("Enter")
    expect(text).to_have_value("The old")
    expect(undo).to_be_focused()
    text.fill("The boat")
    expect(said.first).to_contain_text("␣sank")
    for _ in range(60):
        roll.click()
        expect(said.first).to_contain_text("The dice show")
        if "<eos>" in said.first.inner_text():
            break
        undo.click()
        expect(text).to_have_value("The boat")
    expect(said.first).to_contain_text("The dice show <eos>, which had 8.0%. Here the")
    expect(text).to_have_value("The boat")


def test_the_monitor_shows_the_end_of_a_run(lab):
    monitor = lab.locator(".lab-monitor").first
    expect(monitor).to_contain_text("base: step 40 of 40 (done)")
    expect(monitor.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "100")
    for name in ("loss", "tokens/s", "took"):
        expect(monitor).to_contain_text(name)


def test_the_monitor_shows_what_the_model_writes_and_a_scale(lab):
    monitor = lab.locator(".lab-monitor").first
    expect(monitor).to_contain_text("After step 40 it writes")
    expect(monitor.locator(".lab-sample")).to_contain_text("the boat sank")
    expect(monitor.locator(".lab-curve span")).to_have_text(
        ["7.50", "0.40", "step 0", "step 40"]
    )


def test_a_stop_is_said_at_once_ends_in_one_line_and_cancels_what_follows(lab, folder):
    (folder / "work" / "train").touch()
    monitor = lab.locator(".lab-monitor").last
    run_cell(lab, "slow life")
    expect(monitor).to_contain_text("slow life: step 0 of 100")
    run_cell(lab, "behind it")
    lab.evaluate("() => jupyterapp.commands.execute('notebook:interrupt-kernel')")
    expect(monitor).to_contain_text("step 0 of 100 (stopping after this step)")
    expect(monitor).to_contain_text("step 1 of 100 (interrupted)")
    cell = lab.locator(".jp-CodeCell", has_text="slow life").first
    said = cell.locator(".jp-RenderedText")
    expect(said).to_have_text(
        "slow life stopped after step 1 of 100, as you asked; to start anew, run again "
        "from\nthe cell that makes the model."
    )
    behind = lab.locator(".jp-CodeCell", has_text="behind it").first
    expect(behind.locator(".jp-InputPrompt")).to_have_text("[ ]:")
    expect(behind).not_to_contain_text("ran behind it")


def test_a_picture_is_followed_by_its_words(lab):
    cell = lab.locator(".jp-CodeCell", has_text="loss_curve")
    expect(cell.locator(".jp-OutputArea img")).to_have_count(1)
    words = cell.locator(".jp-RenderedHTML p")
    expect(words).to_contain_text("In words: Loss in nats per token")
    image, paragraph = cell.locator("img").bounding_box(), words.bounding_box()
    assert paragraph["y"] >= image["y"] + image["height"]
    assert paragraph["width"] <= image["width"]


def test_a_picture_follows_the_theme_and_one_of_others_is_left_alone(lab):
    image = lab.locator(".jp-CodeCell", has_text="loss_curve").locator("img")
    other = """() => {
        const image = document.querySelector(".jp-RenderedImage img").cloneNode();
        image.classList.remove("jp-needs-light-background");
        document.querySelector(".jp-RenderedImage").append(image);
        const filter = getComputedStyle(image).filter;
        image.remove();
        return filter;
    }"""
    expect(image).to_have_css("filter", "none")
    choose_theme(lab, "Dark")
    expect(image).to_have_css("filter", "invert(0.93) hue-rotate(180deg)")
    assert lab.evaluate(other) == "none"
    choose_theme(lab, "Light")


def test_axe_finds_nothing_and_would_find_a_button_without_a_name(lab):
    assert axe_complaints(lab) == []
    lab.locator(".lab-explorer").evaluate(
        "node => node.append(document.createElement('button'))"
    )
    assert len(axe_complaints(lab)) == 2  # one a theme
    lab.locator(".lab-explorer > button").evaluate("node => node.remove()")


def test_jupyterlab_had_nothing_to_complain_and_asked_nobody_outside(lab):
    assert lab.complaints == []
