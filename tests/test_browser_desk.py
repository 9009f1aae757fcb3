"""The learner's desk in a real JupyterLab: predictions, answers, tally and quiz.

One server and one browser serve all tests of this file, which are one story of one
notebook, told in order.
"""

import json
import sqlite3

import nbformat
import pytest
from browser_lab import (
    axe_complaints,
    expect,
    focusable,
    needs_chromium,
    notebook_page,
    pictures_in_both_themes,
    run_cell,
    running_chromium,
    type_letters_where_no_text_is_typed,
    wait_for_kernel,
)
from desk_calls import SOURCES, calls

pytestmark = needs_chromium

START = """
import os
os.environ["LLMLAB_RUNS"] = os.path.abspath("runs")

from llmlab import desk

far_away = "<br>" * 250
"""

PREDICTIONS = """
desk.predict("05/uniform", "What is the loss of <b>a new</b> model?", unit="nats")
desk.predict("05/gap", "Which word comes first?", options=["lazy", "brown", "<b>"])
desk.predict("05/beside", "Why is one model drawn beside the other?")
desk.predict("05/fall", "Draw how the loss falls.",
             curve=desk.Axes("step", (0, 300), "loss in nats", (0, 8)))
desk.predict("05/late", "How many layers are there?", unit="")
"""

FAR_AWAY = """
from IPython.display import HTML

HTML(far_away)
"""

# The same without a kernel: it is there before any answer is, however slow the machine.
# Running all cells goes to the last one: it takes two to keep an answer out of sight.
TALL = "<br>" * 250

ANSWERS = """
import math

steps = list(range(0, 301, 10))
desk.answer("05/uniform", math.log(512), "Each of 512 tokens gets 1/512.")
desk.answer("05/gap", "<b>", "It was the most frequent one.")
desk.answer("05/beside", "They are two first lives.")
desk.answer("05/fall", (steps, [6.2 * math.exp(-s / 60) + 1.2 for s in steps]),
            "First fast, then ever slower.")
desk.answer("05/late", 4, "One after the other.")
"""

END_OF_CHAPTER = """
desk.tally("05")
desk.quiz("05",
    desk.ask("A new model has 8 tokens. What is its loss, about?",
             right=("ln 8 nats", "Each token gets 1/8."),
             wrong=[("0 nats", "That would be certainty."),
                    ("8 nats", "The <b>surprise</b> grows with the logarithm.")]),
    desk.ask("Your loss falls far below everybody else's. What do you do first?",
             right=("Read samples.", "Wonderful losses are usually leaks."),
             wrong=[("Train longer, it is going well.", "Run C went well, too.")]))
"""


# Makes every prediction of a page, and sees to it that each is kept.
MAKE_EACH = """async () => {
  const frame = () => new Promise(requestAnimationFrame);
  const until = async (so) => { while (!so()) await frame(); };
  for (const box of document.querySelectorAll(".lab-prediction")) {
    if (!box.checkVisibility()) continue;
    box.scrollIntoView();
    const typed = box.querySelector("input[type=text], textarea");
    const drawing = box.querySelector("[role=slider]");
    if (typed) {
      typed.value = "1";
      typed.dispatchEvent(new Event("input"));
    } else if (drawing) {
      for (const key of ["Home", "Enter", "End", "Enter"]) {
        drawing.dispatchEvent(new KeyboardEvent("keydown", {key}));
      }
    } else {
      box.querySelector("input[type=radio]").click();
    }
    box.querySelector(".lab-sure input").click();
    box.querySelector(".lab-main").click();
    const status = box.querySelector(".lab-status");
    await until(() => status.textContent.startsWith("Kept: "));
  }
}"""

SEE_EACH = """async () => {
  const frame = () => new Promise(requestAnimationFrame);
  const until = async (so) => { while (!so()) await frame(); };
  const said = [];
  for (const box of document.querySelectorAll(".lab-answer")) {
    if (!box.checkVisibility()) continue;
    box.scrollIntoView();  // and with it those below
    const [yours, here] = box.querySelectorAll(".lab-card");
    await until(() => !yours.textContent.includes("…"));
    if (!here.textContent) throw new Error("an answer is empty");
    said.push(yours.querySelector(".lab-verdict").textContent);
  }
  return said;
}"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("desk")


@pytest.fixture(scope="module")
def lab(folder):
    cells = (START, PREDICTIONS, FAR_AWAY, ANSWERS, FAR_AWAY, END_OF_CHAPTER, FAR_AWAY)
    with running_chromium() as browser, notebook_page(browser, folder, cells) as page:
        yield page


def kept(folder, name: str):
    """Prediction, sureness, hit and lateness as the drawer has them."""
    with sqlite3.connect(folder / "work" / "runs" / "desk.sqlite") as connection:
        statement = "SELECT predicted, sure, hit, late FROM predictions WHERE name = ?"
        [[value, *others]] = connection.execute(statement, [name])
    return (json.loads(value or "null"), *others)


def prediction(page, start: str):
    return page.get_by_role("group", name=f"predict: {start}")


def answer(page, number: int):
    return page.locator(".lab-answer").nth(number)


def status(box):
    return box.get_by_role("status").first


def keep(box):
    return box.get_by_role("button", name="Keep my prediction")


def test_a_number_is_predicted_and_a_wrong_one_stays_as_it_was_typed(lab, folder):
    box = prediction(lab, "What is the loss")
    number = box.get_by_label("your number, in nats")
    number.fill("3,5")
    keep(box).click()
    expect(status(box)).to_have_text(
        "Not kept: “3,5”: write a point before decimals, as in 1.5."
    )
    expect(number).to_have_value("3,5")
    number.fill("3.5")
    box.get_by_label("70 %").check()
    keep(box).click()
    expect(status(box)).to_have_text(
        "Kept: 3.5 nats, 70 % sure. You may change it until the answer is shown."
    )
    assert kept(folder, "05/uniform") == (3.5, 70, None, 0)
    expect(box.locator("b")).to_have_count(0)


def test_everything_can_be_predicted_from_the_keyboard_alone(lab, folder):
    lab.get_by_label("your number, in nats").focus()
    for key in ("Control+A", "6", "Enter"):
        lab.keyboard.press(key)
    expect(status(prediction(lab, "What is the loss"))).to_contain_text("Kept: 6 nats")
    box = prediction(lab, "Which word")
    box.get_by_label("lazy").focus()
    for key in ("ArrowDown", "ArrowDown", "Tab", "Space", "ArrowRight", "ArrowRight"):
        lab.keyboard.press(key)
    for key in ("Tab", "Enter"):
        lab.keyboard.press(key)
    expect(status(box)).to_contain_text("Kept: <b>, 90 % sure.")
    box = prediction(lab, "Why is one")
    box.get_by_label("your words").focus()
    lab.keyboard.type("two lives")
    for key in ("Enter", "a", "d", "x", "Tab", "Tab", "Space"):
        lab.keyboard.press(key)
    expect(status(box)).to_contain_text("Kept: two lives")
    assert kept(folder, "05/gap") == ("<b>", 90, None, 0)
    assert kept(folder, "05/beside")[0] == "two lives\nadx"


def test_a_curve_is_drawn_by_keys_and_by_pointer(lab, folder):
    box = prediction(lab, "Draw how")
    drawing = box.get_by_role("slider")
    keep(box).click()
    expect(status(box)).to_contain_text("draw the curve over at least half")
    drawing.focus()
    for key in ("Home", "Shift+ArrowUp", "Shift+ArrowUp", "End", "Shift+ArrowDown"):
        lab.keyboard.press(key)
    expect(drawing).to_have_attribute("aria-valuetext", "step 300: loss in nats 5")
    keep(box).click()
    expect(status(box)).to_contain_text("Kept: your curve.")
    heights = kept(folder, "05/fall")[0]
    assert heights[0] == 6 and heights[-1] == 5 and heights == sorted(heights)[::-1]
    box.get_by_role("button", name="Clear").click()
    sheet = drawing.locator("svg").bounding_box()
    x, y = sheet["x"] + 46, sheet["y"] + 10
    width, height = sheet["width"] - 62, sheet["height"] - 48
    lab.mouse.move(x, y + 0.1 * height)
    lab.mouse.down()
    for across, down in ((0.15, 0.5), (0.3, 0.75), (1, 0.85)):
        lab.mouse.move(x + across * width, y + down * height)
    lab.mouse.up()
    keep(box).click()
    expect(status(box)).to_contain_text("Kept: your curve.")
    lab.wait_for_function("() => true")
    heights = kept(folder, "05/fall")[0]
    assert None not in heights
    assert heights[0] == pytest.approx(7.2, abs=0.1)
    assert heights[20] == pytest.approx(1.76, abs=0.2)


def test_before_it_is_on_the_screen_an_answer_is_not_shown(lab, folder):
    box = prediction(lab, "Which word")
    expect(box.get_by_label("lazy")).to_be_enabled()
    assert kept(folder, "05/gap")[2] is None


def test_the_answers_are_set_against_what_was_predicted(lab, folder):
    answer(lab, 0).scroll_into_view_if_needed()
    expect(answer(lab, 0)).to_contain_text("6 nats (70 % sure)")
    expect(answer(lab, 0)).to_contain_text("≈6.24 nats")
    expect(answer(lab, 0)).to_contain_text("✓ close")
    expect(answer(lab, 1)).to_contain_text("✓ right")
    expect(answer(lab, 1)).to_contain_text("It was the most frequent one.")
    answer(lab, 3).scroll_into_view_if_needed()
    expect(answer(lab, 3).locator("polyline.lab-yours")).to_have_count(2)
    expect(answer(lab, 3)).to_contain_text("✓ close:")
    answer(lab, 4).scroll_into_view_if_needed()
    expect(answer(lab, 4)).to_contain_text("You predictednothing")
    assert kept(folder, "05/uniform") == (6, 70, 1, 0)
    assert kept(folder, "05/gap")[2] == kept(folder, "05/fall")[2] == 1


def test_words_are_judged_by_who_wrote_them(lab, folder):
    expect(answer(lab, 2)).to_contain_text("two lives")
    answer(lab, 2).get_by_role("button", name="partly").click()
    expect(answer(lab, 2).locator(".lab-verdict")).to_have_text("◐ partly")
    mark = answer(lab, 2).get_by_role("button", name="partly")
    expect(mark).to_have_attribute("aria-pressed", "true")
    assert kept(folder, "05/beside")[2] == 0.5


def test_after_the_answer_a_prediction_is_locked_and_a_late_one_not_counted(
    lab, folder
):
    box = prediction(lab, "Which word")
    expect(keep(box)).to_be_hidden()
    box.get_by_label("lazy").click(force=True)
    expect(box.get_by_label("<b>")).to_be_checked()
    expect(status(box)).to_have_text("Kept: <b>, 90 % sure. The answer has been shown.")
    late = prediction(lab, "How many layers")
    late.get_by_label("your number").fill("4")
    keep(late).click()
    expect(status(late)).to_contain_text("it is not counted")
    assert kept(folder, "05/late")[3] == 1
    expect(answer(lab, 4)).to_contain_text("✓ exactly (made after")
    expect(answer(lab, 4).get_by_role("button")).to_have_count(0)


def test_the_tally_counts_what_was_made_in_time(lab):
    tally = lab.locator(".lab-tally")
    tally.scroll_into_view_if_needed()
    expect(tally).to_contain_text("You made 4 of 5 predictions; 3½ of 4 answered")
    expect(tally.get_by_role("listitem")).to_have_text(
        ["70 % sure1 of 1 came true", "90 % sure1 of 1 came true"]
    )


def test_the_quiz_explains_what_is_picked_and_counts_the_first_tries(lab, folder):
    quiz = lab.locator(".lab-quiz")
    quiz.get_by_role("button", name="8 nats", exact=True).click()
    expect(quiz).to_contain_text("No. The <b>surprise</b> grows with the logarithm.")
    expect(quiz.get_by_role("button", name="8 nats", exact=True)).to_contain_text("✗")
    quiz.get_by_role("button", name="ln 8 nats").press("Enter")
    expect(quiz).to_contain_text("Right. Each token gets 1/8.")
    expect(quiz).to_contain_text("0 of 1 right at the first try so far.")
    quiz.get_by_role("button", name="Read samples.").click()
    expect(quiz).to_contain_text("1 of 2 right at the first try.")
    with sqlite3.connect(folder / "work" / "runs" / "desk.sqlite") as connection:
        lab.wait_for_timeout(300)
        picks = connection.execute("SELECT right FROM picks").fetchall()
    assert picks == [(0,), (1,), (1,)]


def test_letters_typed_at_the_desk_never_edit_the_notebook(lab):
    cells = lab.locator(".jp-Cell")
    count = cells.count()
    assert focusable(lab).count() > 25
    type_letters_where_no_text_is_typed(lab)
    assert cells.count() == count


def test_nobody_is_kept_out_by_eyes_or_hands(lab):
    pictures_in_both_themes(lab, "desk")
    assert axe_complaints(lab) == []


def test_in_a_narrow_window_nothing_is_cut_off(lab):
    lab.set_viewport_size({"width": 360, "height": 800})
    try:
        lab.evaluate("() => jupyterapp.shell.collapseLeft()")
        pictures_in_both_themes(lab, "desk-narrow")
        for box in lab.locator(".lab-box").all():
            assert box.evaluate("box => box.scrollWidth - box.clientWidth") <= 1
    finally:
        lab.set_viewport_size({"width": 1280, "height": 1600})


def test_jupyterlab_had_nothing_to_complain_and_asked_nobody_outside(lab):
    assert lab.complaints == []


def test_after_a_reload_and_a_restart_all_shows_its_last_state(lab):
    lab.evaluate("() => jupyterapp.commands.execute('docmanager:save')")
    expect(lab.locator(".jp-mod-dirty")).to_have_count(0)
    lab.reload()
    shows_its_last_state(lab)
    lab.evaluate(
        "() => jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()"
    )
    expect(lab.locator(".lab-prediction .lab-notice").first).to_contain_text("Asleep")
    shows_its_last_state(lab)
    run_cell(lab, "LLMLAB_RUNS")
    run_cell(lab, "desk.predict")
    expect(status(prediction(lab, "Which word"))).to_contain_text("Kept: <b>")
    run_cell(lab, "desk.answer")
    answer(lab, 1).scroll_into_view_if_needed()
    shows_its_last_state(lab)


def shows_its_last_state(lab):
    expect(lab.get_by_label("your number, in nats")).to_have_value("6")
    expect(answer(lab, 1)).to_contain_text("✓ right")
    expect(answer(lab, 2)).to_contain_text("◐ partly")
    expect(answer(lab, 1)).to_contain_text("Which word comes first?")
    expect(lab.locator(".lab-quiz")).to_contain_text("1 of 2 right at the first try.")
    expect(lab.get_by_text("Error displaying widget")).to_have_count(0)


def written(call) -> str:
    """The call as a cell holds it."""
    given = {name: repr(value) for name, value in call.given.items()}
    if "curve" in given:
        given["curve"] = f"desk.Axes(*{given['curve']})"
    words = ", ".join(f"{name}={value}" for name, value in given.items())
    return f"desk.predict({call.name!r}, {words})"


def answered(call) -> str:
    """The answer to it, as it is predicted below."""
    value = 1 if "unit" in call.given else "1"
    if "options" in call.given:
        value = call.given["options"][0]
    if "curve" in call.given:
        _, xs, _, ys = call.given["curve"]
        value = (xs, [sum(ys) / 2] * 2)
    return f"desk.answer({call.name!r}, {value!r}, 'So.')"


def open_and_run(page, folder, sources) -> None:
    """A second notebook, in the same window."""
    notebook = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_markdown_cell(source)
            if source == TALL
            else nbformat.v4.new_code_cell(source)
            for source in sources
        ],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
    )
    nbformat.write(notebook, folder / "work" / "all.ipynb")
    page.evaluate(
        "() => jupyterapp.commands.execute('docmanager:open', {path: 'all.ipynb'})"
    )
    page.wait_for_function(
        "() => jupyterapp.shell.currentWidget.title.label === 'all.ipynb'"
    )
    wait_for_kernel(page)
    page.evaluate("() => jupyterapp.commands.execute('notebook:run-all-cells')")


def test_every_prediction_of_every_notebook_is_made_kept_and_answered(lab, folder):
    asked = [call for path in SOURCES for call in calls(path) if call.what == "predict"]
    chapters = {call.name.partition("/")[0]: [] for call in asked}
    for call in asked:
        chapters[call.name.partition("/")[0]].append(call)
    cells = [START.replace('"runs"', '"all"')]
    for write in (written, answered):
        cells += ["\n".join(map(write, ours)) for ours in chapters.values()]
        cells += [TALL, TALL]
    open_and_run(lab, folder, cells)
    expect(lab.locator(".lab-answer:visible")).to_have_count(len(asked))
    lab.evaluate(MAKE_EACH)
    with sqlite3.connect(folder / "work" / "all" / "desk.sqlite") as connection:
        statement = "SELECT name, answer FROM predictions WHERE predicted NOTNULL"
        kept = connection.execute(statement).fetchall()
        assert sorted(kept) == sorted((call.name, None) for call in asked)
        verdicts = lab.evaluate(SEE_EACH)
        statement = "SELECT hit FROM predictions WHERE answer NOTNULL AND NOT late"
        hits = connection.execute(statement).fetchall()
    judged = sum(call.given.keys() != {"question"} for call in asked)
    assert len(verdicts) == len(hits) == len(asked)
    assert hits.count((1,)) == judged
    assert sum(verdict.startswith("✓ ") for verdict in verdicts) == judged
