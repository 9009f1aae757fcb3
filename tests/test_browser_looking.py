"""Looking at tokens, heads, blanks and training time in a real JupyterLab.

One server and one browser serve all tests of this file, which use one notebook.
"""

import re

import pytest
from browser_lab import (
    axe_complaints,
    expect,
    focusable,
    needs_chromium,
    notebook_page,
    pictures_in_both_themes,
    running_chromium,
    type_letters_where_no_text_is_typed,
)

pytestmark = needs_chromium

TOKEN_COLOURS = """
from llmlab.tokenizer import Tokenizer
from llmlab.widgets import TokenColours

tokenizer = Tokenizer.train(["the boat, the gull"] * 9, vocab_size=280)
TokenColours(tokenizer, "the gull")
"""

ATTENTION_VIEWER = """
import torch
from llmlab.widgets import AttentionViewer

weights = torch.zeros(2, 2, 3, 3)
weights[0, 0] = torch.eye(3)
weights[0, 1] = torch.tensor([[1, 0, 0], [1, 0, 0], [1, 0, 0]])
weights[1, 0] = torch.tensor([[1, 0, 0], [0.25, 0.75, 0], [0.5, 0.3, 0.2]])
weights[1, 1] = torch.tensor([[1, 0, 0], [0, 1, 0], [0, 1, 0]])

def ask(text):
    tokens = text.split()
    if not tokens:
        raise ValueError("the text is empty; write a word")
    return tokens, torch.eye(len(tokens)).expand(2, 2, -1, -1)

viewer = AttentionViewer(["<b>", " boat", " sank"], weights, ask=ask)
viewer
"""

FILL_IN = """
from llmlab.widgets import FillIn

def fill(text):
    if text.count("_") != 1:
        raise ValueError(f"{text.count('_')} blanks; write exactly one _")
    best = " idle" if "cat" in text else " lazy"
    return [(best, 0.9), (" old", 0.06), ("<i>", 0.004)]

FillIn(fill, "the _ dog")
"""

TIME_SLIDER = """
from llmlab.widgets import TrainingTimeSlider

losses = [7.6, 5.0, 2.0, 1.2, 1.125]
snapshots = [(500 * n, loss, f"<b>sample {n}") for n, loss in enumerate(losses)]
snapshots.append((9000, 1.1, "the end", True))
TrainingTimeSlider(snapshots, steps=10_000)
"""

YOUR_TEXT = """
from llmlab.plots import next_token_bars
from llmlab.widgets import YourText

def bars(text):
    if not text:
        raise ValueError("the text is empty; write a word")
    return next_token_bars([" boat", " gull"], [0.5, 0.5], prompt=text)

YourText(bars, "The old", label="your own start")
"""

CHOSEN = """
print("chosen:", viewer.layer, viewer.head, viewer.position)
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lab")
    cells = (TOKEN_COLOURS, ATTENTION_VIEWER, FILL_IN, TIME_SLIDER, YOUR_TEXT, CHOSEN)
    with running_chromium() as browser, notebook_page(browser, folder, cells) as page:
        yield page
        pictures_in_both_themes(page, "looking")


def test_what_is_typed_is_cut_into_tokens_with_ids_and_counted(lab):
    colours = lab.locator(".lab-token-colours")
    tokens = colours.get_by_role("listitem")
    expect(colours.get_by_role("status").first).to_have_text(
        "2 tokens, 8 characters, 4.00 characters a token."
    )
    box = colours.get_by_label("text to cut into tokens")
    box.click()
    lab.keyboard.press("End")
    lab.keyboard.press("Enter")
    lab.keyboard.type("the boat")
    expect(colours.get_by_role("status").first).to_have_text(
        "5 tokens, 17 characters, 3.40 characters a token."
    )
    expect(box).to_be_focused()
    expect(box).to_have_value("the gull\nthe boat")
    shown = tokens.evaluate_all(
        "nodes => nodes.map(node => [node.firstChild.data, node.lastChild.textContent])"
    )
    assert [text for text, _ in shown] == ["the", "␣gull", "⏎", "the", "␣boat"]
    ids = [int(token_id) for _, token_id in shown]
    assert ids[0] == ids[3] and len(set(ids)) == 4


def test_a_tag_typed_into_token_colours_stays_text(lab):
    colours = lab.locator(".lab-token-colours")
    colours.get_by_label("text to cut into tokens").fill("<b>")
    expect(colours.get_by_role("listitem")).to_have_count(3)
    expect(colours.locator("b")).to_have_count(0)


def radio(viewer, name):
    return viewer.get_by_role("radio", name=name)


def test_a_head_and_a_position_are_chosen_by_mouse(lab):
    viewer = lab.locator(".lab-attention")
    shares = viewer.locator(".lab-share")
    said = viewer.get_by_role("status").last
    expect(said).to_have_text(
        "Layer 0, head 0: “␣sank” (2) looks most at “␣sank” (2), 100.0 %."
    )
    expect(shares).to_have_text(["100.0 %"])
    radio(viewer, "layer 1, head 0").click()
    expect(shares).to_have_text(["50.0 %", "30.0 %", "20.0 %"])
    expect(viewer.locator(".lab-token")).to_have_text(
        ["<b> (0)", "␣boat (1)", "␣sank (2)"]
    )
    expect(said).to_contain_text("“␣sank” (2) looks most at “<b>” (0), 50.0 %")
    radio(viewer, "␣boat (1)").click()
    expect(said).to_contain_text("“␣boat” (1) looks most at “␣boat” (1), 75.0 %")
    weights = viewer.locator(".lab-text small")
    expect(weights).to_have_text(["0.25", "0.75", "0"])
    expect(viewer.locator("b")).to_have_count(0)


def test_the_attention_viewer_works_from_the_keyboard_alone(lab):
    viewer = lab.locator(".lab-attention")
    said = viewer.get_by_role("status").last
    radio(viewer, "layer 1, head 0").focus()
    lab.keyboard.press("ArrowUp")
    expect(radio(viewer, "layer 0, head 0")).to_be_focused()
    lab.keyboard.press("ArrowRight")
    expect(radio(viewer, "layer 0, head 1")).to_be_checked()
    expect(said).to_contain_text("Layer 0, head 1: “␣boat” (1) looks most at “<b>”")
    lab.keyboard.press("ArrowRight")
    expect(radio(viewer, "layer 0, head 1")).to_be_focused()
    lab.keyboard.press("Tab")
    expect(radio(viewer, "␣boat (1)")).to_be_focused()
    lab.keyboard.press("End")
    expect(said).to_contain_text("“␣sank” (2) looks most at “<b>” (0)")
    lab.keyboard.press("ArrowLeft")
    expect(radio(viewer, "␣boat (1)")).to_be_checked()
    expect(viewer.locator("[tabindex='0']")).to_have_count(2)
    lab.keyboard.press("Home")
    expect(radio(viewer, "<b> (0)")).to_be_focused()


def test_the_kernel_knows_what_was_chosen(lab):
    cell = lab.locator(".jp-CodeCell", has_text='print("chosen:"')
    cell.locator(".jp-InputArea-editor").click()
    lab.evaluate("() => jupyterapp.commands.execute('notebook:run-cell')")
    expect(cell.locator(".jp-OutputArea")).to_contain_text("chosen: 0 1 0")


def test_an_edited_sentence_is_filled_and_an_error_loses_nothing(lab):
    widget = lab.locator(".lab-fill-in")
    said, tokens = widget.get_by_role("status").first, widget.locator(".lab-token")
    shares = widget.locator(".lab-share")
    expect(tokens).to_have_text(["␣lazy", "␣old", "<i>", "all others"])
    expect(shares).to_have_text(["90.0 %", "6.0 %", "0.4 %", "3.6 %"])
    sentence = widget.get_by_label("sentence with one blank")
    sentence.click()
    lab.keyboard.press("End")
    lab.keyboard.type(" _")
    expect(said).to_have_text(
        "Cannot fill this sentence: 2 blanks; write exactly one _. "
        "The bars are still for “the _ dog”."
    )
    expect(sentence).to_have_value("the _ dog _")
    expect(tokens.first).to_have_text("␣lazy")
    sentence.fill("the cat")
    expect(said).to_contain_text("0 blanks; write exactly one _")
    sentence.fill("the _ cat")
    expect(said).to_have_text("Most probable: ␣idle, 90.0%.")
    expect(tokens.first).to_have_text("␣idle")
    expect(widget.locator("i")).to_have_count(0)


def test_training_time_is_moved_through_by_keyboard_and_says_where_it_is(lab):
    widget = lab.locator(".lab-time")
    slider = widget.get_by_role("slider", name="training time")
    figures, sample = widget.locator(".lab-figures b"), widget.locator(".lab-card")
    expect(figures).to_have_text(["0", "7.600"])
    slider.focus()
    lab.keyboard.press("ArrowRight")
    expect(figures).to_have_text(["500", "5.000"])
    expect(sample).to_contain_text("<b>sample 1")
    expect(slider).to_have_attribute("aria-valuetext", "step 500, loss 5.000")
    expect(sample.locator("b")).to_have_count(0)
    lab.keyboard.press("End")
    expect(figures).to_have_text(["9,000", "1.100"])
    expect(sample).to_contain_text("Here the model ended its text by itself.")
    expect(slider).to_be_focused()
    expect(widget.locator(".lab-ticks span")).to_have_text(
        ["0", "500", "1,000", "1,500", "2,000", "9,000"]
    )
    expect(widget).to_contain_text("they do not lie at their true distances. The run")
    expect(widget).to_contain_text("ended early: it was to have 10,000.")


def test_a_text_of_ones_own_is_looked_at(lab):
    viewer = lab.locator(".lab-attention")
    box = viewer.get_by_label("a text of your own")
    box.fill("one two three four")
    lab.keyboard.press("Enter")
    expect(viewer.get_by_role("status").last).to_contain_text(
        "“four” (3) looks most at “four” (3), 100.0 %"
    )
    expect(box).to_be_focused()
    radio(viewer, "two (1)").click()
    expect(viewer.locator(".lab-text small")).to_have_text(["0", "1.00", "0", "0"])
    box.fill(" ")
    viewer.get_by_role("button", name="Look at it").click()
    expect(viewer).to_contain_text("Cannot look at this text: the text is empty;")
    expect(viewer.locator(".lab-text button")).to_have_count(4)


def test_a_picture_is_drawn_of_a_text_of_ones_own(lab):
    widget = lab.locator(".lab-your-text")
    box, image = widget.get_by_label("your own start"), widget.locator("img")
    expect(image).to_have_attribute("alt", re.compile("The old"))
    box.fill("The new")
    lab.keyboard.press("Enter")
    expect(image).to_have_attribute("alt", re.compile("The new"))
    expect(box).to_be_focused()
    box.fill("")
    widget.get_by_role("button", name="Show").click()
    expect(widget).to_contain_text(
        "Cannot show this text: the text is empty; write a word. What stands here is "
        "still of “The new”."
    )
    expect(box).to_have_value("")


def test_a_text_that_is_too_long_for_boxes_is_said_to_be_cut(lab):
    colours = lab.locator(".lab-token-colours")
    colours.get_by_label("text to cut into tokens").fill("gull " * 500)
    expect(colours.get_by_role("status").first).to_contain_text(
        "These are the first 2,000 of 2,500 characters."
    )
    colours.get_by_label("text to cut into tokens").fill("gull")


@pytest.mark.parametrize("width", [360, 700])
def test_no_widget_is_wider_than_its_place(lab, width):
    lab.evaluate("() => jupyterapp.shell.collapseLeft()")
    lab.set_viewport_size({"width": width + 120, "height": 1600})
    too_wide = lab.locator(".lab-box").evaluate_all(
        """nodes => nodes.filter(node => node.scrollWidth > node.clientWidth)
          .map(node => node.className)"""
    )
    lab.set_viewport_size({"width": 1280, "height": 1600})
    assert too_wide == []


def test_axe_finds_nothing(lab):
    assert axe_complaints(lab) == []


def test_letters_typed_in_a_widget_never_edit_the_notebook(lab):
    cells = lab.locator(".jp-Cell")
    count = cells.count()
    assert focusable(lab).count() >= 1 + 4 + 3 + 1 + 1
    type_letters_where_no_text_is_typed(lab)
    assert cells.count() == count


def test_jupyterlab_had_nothing_to_complain_and_asked_nobody_outside(lab):
    assert lab.complaints == []
