"""Predictions are made, kept and answered; without a browser."""

import json
import math
import sqlite3
import threading

import numpy as np
import pytest
import torch
from IPython.utils.capture import capture_output

from llmlab import desk, paths
from llmlab.desk import predictions
from llmlab.desk.answers import Answer
from llmlab.desk.drawer import Drawer
from llmlab.desk.predictions import Prediction
from llmlab.desk.questions import GRID, Question, number_from
from llmlab.desk.quizzes import Quiz, in_order
from llmlab.desk.tallies import Tally, count

AXES = desk.Axes("step", (0, 300), "loss in nats", (0, 8))
NUMBER = Question("05/uniform", "What is the loss?", unit="nats")
CHOICE = Question("04/gap", "Which word?", options=["lazy", "brown", "<b>"])
WORDS = Question("00/beside", "Why beside?")
CURVE = Question("05/fall", "Draw how it falls.", curve=AXES)
FALLING = [8 - 7 * n / (GRID - 1) for n in range(GRID)]
RESULT = ([0, 150, 300], [8.0, 4.5, 1.0])


@pytest.fixture(autouse=True)
def nothing_asked(monkeypatch, tmp_path):
    monkeypatch.setattr(predictions, "asked", {})
    monkeypatch.setattr(paths, "RUNS", tmp_path)


def displayed(call, *arguments, **options):
    with capture_output() as captured:
        call(*arguments, **options)
    return captured.outputs[0]._repr_mime_("text/html") if captured.outputs else None


def twin(view) -> tuple[str, str]:
    data, _ = view._repr_mimebundle_()
    return data["text/plain"], data["text/html"]


# The page without a browser


def test_a_stored_page_says_question_and_answer(tmp_path):
    plain, page = twin(Prediction(CHOICE, Drawer()))
    assert plain == "Predict. Which word? (lazy / brown / <b>)"
    assert page == (
        "<p><b>Predict.</b> Which word? (lazy / brown / &lt;b&gt;)</p>"
    )  # fmt: skip
    plain, page = twin(Answer(NUMBER, Drawer(), math.log(512), "Each gets 1/512"))
    assert plain == "Answer. ≈6.24 nats. Each gets 1/512."
    assert page == "<p><b>Answer.</b> ≈6.24 nats. Each gets 1/512.</p>"
    assert repr(Answer(NUMBER, Drawer(), 1_200)) == "Answer. 1,200 nats."
    assert repr(Answer(WORDS, Drawer(), "Two first lives.")) == (
        "Answer. Two first lives."
    )
    assert repr(Answer(CURVE, Drawer(), RESULT)) == (
        "Answer. loss in nats from ≈8 (step 0) to ≈1 (step 300)."
    )


def test_a_run_without_a_browser_writes_nothing_and_reads_nothing_kept(tmp_path):
    before = twin(Prediction(NUMBER, Drawer()))
    Drawer().predict(NUMBER.as_json(), 4.5, 90)
    desk.predict(NUMBER.name, NUMBER.text, unit="nats")
    desk.answer(NUMBER.name, 6.2, "So it is.")
    desk.tally("05")
    assert twin(predictions.asked[NUMBER.name]) == before
    [row] = Drawer().chapter("05")
    assert row["answer"] is None


def test_an_answer_after_a_restart_knows_what_was_asked(capsys):
    Drawer().ask(NUMBER.as_json())
    desk.answer("05/uniform", 6.2)
    desk.answer("05/never", 6.2, "So.")
    assert capsys.readouterr().out == "Answer. ≈6.2 nats.\nAnswer. ≈6.2. So.\n"


def test_an_answer_after_a_restart_is_not_bound_by_what_an_older_course_asked(capsys):
    for question in (CHOICE, CURVE, WORDS, NUMBER):
        Drawer().ask(question.as_json())
    desk.answer("04/gap", "big", "So.")
    desk.answer("05/fall", 3.0, within=0.1)
    desk.answer("00/beside", 2)
    desk.answer("05/uniform", RESULT)
    first, *others = capsys.readouterr().out.splitlines()
    assert first == "Answer. big. So." and len(others) == 3


def test_an_answer_of_another_kind_is_untrue_aloud():
    desk.predict("04/gap", "Which word?", options=["lazy", "brown"])
    with pytest.raises(ValueError, match="none of the options"):
        desk.answer("04/gap", " lazy")
    desk.predict("05/n", "How many?", unit="")
    for sick in ("3", math.nan, True, None, [1.0], 10**400):
        with pytest.raises(ValueError, match="05/n"):
            desk.answer("05/n", sick)
    for sick in (3.0, ([1, 2], [1.0]), ([2, 1], [1.0, 2.0]), ([1], [2])):
        with pytest.raises(ValueError, match="05/fall"):
            Answer(CURVE, Drawer(), sick)
    with pytest.raises(ValueError, match="for numbers"):
        desk.answer("04/gap", "lazy", within=1)


@pytest.mark.parametrize(
    "sick",
    [
        dict(name="uniform", text="?"),
        dict(name="05/uniform", text=" "),
        dict(name="05/x", text="?", options=["one"]),
        dict(name="05/x", text="?", options=["one", "one"]),
        dict(name="05/x", text="?", options="abc"),
        dict(name="05/x", text="?", options=["a", "b"], unit="nats"),
        dict(name="05/x", text="?", curve=desk.Axes("x", (1, 1), "y", (0, 1))),
    ],
)
def test_a_question_that_is_not_well_put_is_refused(sick):
    with pytest.raises(ValueError):
        Question(**sick)


@pytest.mark.parametrize("number", [np.float64, np.int64, torch.tensor])
def test_results_of_other_libraries_are_plain_numbers(number):
    json.dumps(Answer(NUMBER, Drawer(), number(3)).get_state()["shows"])
    xs, ys = np.array([0, 300]), torch.tensor([8.0, 1.0])
    json.dumps(Answer(CURVE, Drawer(), (xs, ys)).get_state()["shows"])


# What a person types


@pytest.mark.parametrize(
    ("typed", "number"),
    [
        *(("3.5", 3.5), ("1e6", 1e6), ("1,000", 1000), ("1 000 000", 1e6)),
        *(("−2", -2), ("1/8", 0.125), ("10 %", 0.1), ("2 million", 2e6)),
        *(("1.5M", 1.5e6), ("≈3", 3), ("12,345.5", 12345.5), (" .5 ", 0.5)),
    ],
)
def test_a_number_is_read_as_people_write_it(typed, number):
    assert number_from(typed) == pytest.approx(number)


def test_a_unit_may_be_typed_and_another_one_is_refused():
    assert number_from("3 nats", "nats") == number_from("3 nat", "nats") == 3
    assert number_from("10 %", "%") == number_from("10", "%") == 10
    with pytest.raises(ValueError, match="asks for nats, not for %"):
        number_from("10 %", "nats")
    with pytest.raises(ValueError, match="expected a number of nats"):
        number_from("3 bits", "nats")


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        *(("", "type a number"), ("1,5", "a point"), ("a lot", "no number")),
        *(("1/0", "no number"), ("nan", "no number"), ("1e999", "no number")),
        *((None, "type a number"), (True, "no number"), ("1,00,0", "no number")),
        *(("9" * 60_000, "too long"), (10**400, "too long")),
    ],
)
def test_what_is_no_number_is_said(typed, said):
    with pytest.raises(ValueError, match=said):
        number_from(typed)


def test_a_prediction_of_another_kind_than_asked_is_refused_and_nothing_is_kept():
    for question, sick in [
        *((CHOICE, "big"), (CHOICE, ""), (CHOICE, None), (WORDS, "  "), (WORDS, 3)),
        *((CURVE, [1.0]), (CURVE, [None] * GRID), (CURVE, "up"), (NUMBER, "much")),
        (CURVE, [None] * 21 + [1.0] * 20),  # less than half of the axis
    ]:
        view = Prediction(question, Drawer())
        view.receive({"type": "keep", "value": sick, "sure": 70})
        assert view.status.startswith("Not kept: ") and view.kept == {}
    assert Drawer().chapter("05") == []


# What came true


@pytest.mark.parametrize(
    ("predicted", "value", "near", "hit", "said"),
    [
        (5.0, 6.25, {}, True, "close"),
        (4.9, 6.25, {}, False, "off by a factor of 1.28"),
        (6.25, 5.0, {}, True, "close"),
        (-1.0, 1.0, {}, False, "the other sign"),
        (-1.0, -1.2, {}, True, "close"),
        (0.0, 0.0, {}, True, "exactly"),
        (0.1, 0.0, {}, False, "off"),
        (0.1, 0.0, {"within": 0.1}, True, "close"),
        (0.47, 0.57, {"within": 0.1}, True, "close"),
        (0.46, 0.57, {"within": 0.1}, False, "off by 0.11"),
        (4.0, 3.9, {"within": 0}, False, "off by 0.1"),
        (2.0, 4.0, {"factor": 2}, True, "close"),
    ],
)
def test_a_number_is_near_within_a_factor_or_a_distance(
    predicted, value, near, hit, said
):
    assert NUMBER.verdict(predicted, value, **near) == (hit, said)


def test_a_curve_is_near_within_fifteen_percent_of_its_axis():
    assert CURVE.verdict(FALLING, RESULT) == (
        True,
        "close: 0% of the axis away on average",
    )
    above = ([0, 300], [8.0 + 1.19, 1.0 + 1.19])
    assert CURVE.verdict([y - 0 for y in FALLING], above)[0] is True
    just_not = ([0, 300], [4 + 1.21] * 2)
    assert CURVE.verdict([4.0] * GRID, just_not)[0] is None
    far = [8.0] * GRID
    hit, said = CURVE.verdict(far, RESULT)
    assert hit is None and said == "44% of the axis away on average"
    half = [None if n % 2 else y for n, y in enumerate(FALLING)]
    assert CURVE.verdict(half, RESULT)[0] is True


# The drawer


def test_a_prediction_is_kept_changed_answered_and_locked():
    view = Prediction(NUMBER, Drawer())
    view.keep("3.5", 70)
    assert view.status == (
        "Kept: 3.5 nats, 70 % sure. You may change it until the answer is shown."
    )
    again = Prediction(NUMBER, Drawer())
    again.look()
    assert again.kept == {"value": 3.5, "shown": "3.5 nats", "sure": 70}
    again.keep("6", 90)
    predictions.asked[NUMBER.name] = again
    shown = Answer(NUMBER, Drawer(), math.log(512), "Each gets 1/512.")
    assert shown.yours == {}
    shown.look()
    assert shown.yours["shown"] == "6 nats"
    assert shown.verdict == {"hit": 1, "marked": "computed", "late": 0, "said": "close"}
    assert again.locked
    again.receive({"type": "keep", "value": "6.2", "sure": 90})
    assert "the answer was shown already" in again.status
    assert Drawer().find(NUMBER.as_json())["predicted"] == 6


def test_what_is_predicted_after_the_answer_is_kept_and_not_counted():
    Answer(NUMBER, Drawer(), 6.2).look()
    view = Prediction(NUMBER, Drawer())
    view.keep("6.2", 90)
    assert "not counted" in view.status and not view.locked
    answer = Answer(NUMBER, Drawer(), 6.2)
    answer.look()
    assert answer.verdict["late"]
    assert count(Drawer().chapter("05"), 1)["made"] == 0
    view.keep("9", 90)  # it may still be changed, and waits to be judged anew
    row = Drawer().find(NUMBER.as_json())
    assert row["predicted"] == 9 and row["hit"] is None and row["late"]


def test_words_are_judged_by_who_wrote_them():
    Prediction(WORDS, Drawer()).keep("two first lives")
    answer = Answer(WORDS, Drawer(), "They are two first lives.")
    answer.look()
    assert answer.verdict["hit"] is None
    answer.receive({"type": "mark", "hit": 0.5})
    assert answer.verdict["hit"] == 0.5 and answer.verdict["marked"] == "self"
    answer.receive({"type": "mark", "hit": 3})
    assert answer.status.startswith("Not kept")


def test_a_question_that_has_changed_begins_anew_and_the_old_prediction_stays():
    Drawer().predict(CHOICE.as_json(), "lazy", 50)
    changed = Question("04/gap", "Which word?", unit="words")
    view = Prediction(changed, Drawer())
    view.look()
    assert view.kept == {}
    reworded = Question("04/gap", "Which one word?", options=["lazy", "brown", "<b>"])
    assert Drawer().find(reworded.as_json())["predicted"] == "lazy"
    [row] = Drawer().chapter("04")
    assert row["question"]["unit"] == "words"
    assert Drawer().latest("04/gap")["question"] == row["question"]


def test_many_kernels_write_at_once_and_lose_nothing(tmp_path):
    def write(number):
        question = Question(f"05/n{number % 10}", "?", unit="")
        drawer = Drawer()
        if number < 10:
            drawer.predict(question.as_json(), number, 50)
        else:
            drawer.pick("05", f"question {number}", "a", True)

    threads = [threading.Thread(target=write, args=[n]) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(r["predicted"] for r in Drawer().chapter("05")) == list(range(10))
    assert len(Drawer().picks("05")) == 10


@pytest.mark.parametrize(
    "sick", [b"no database" * 99, b"SQLite format 3\0" + b"x" * 99]
)
def test_a_damaged_file_is_set_aside_and_said(tmp_path, sick):
    (tmp_path / "desk.sqlite").write_bytes(sick)
    view = Prediction(NUMBER, Drawer())
    view.keep("3", 50)
    [aside] = tmp_path.glob("desk-damaged-*.sqlite")
    assert aside.read_bytes() == sick
    assert "was damaged" in view.status and aside.name in view.status
    assert Drawer().find(NUMBER.as_json())["predicted"] == 3


def test_what_another_kernel_has_set_aside_is_not_set_aside_again(tmp_path):
    (tmp_path / "desk.sqlite").write_bytes(b"no database" * 99)
    late = Drawer()
    seen = late._file()
    Prediction(NUMBER, Drawer()).keep("3", 50)
    late._set_aside(seen)
    assert Drawer().find(NUMBER.as_json())["predicted"] == 3


def test_a_file_that_is_set_aside_while_one_predicts_loses_no_prediction(tmp_path):
    Drawer().ask(NUMBER.as_json())
    with sqlite3.connect(tmp_path / "desk.sqlite") as connection:
        connection.execute("ALTER TABLE predictions RENAME COLUMN sure TO certain")
    Prediction(NUMBER, Drawer()).keep("3", 50)
    assert Drawer().find(NUMBER.as_json())["predicted"] == 3


def test_half_of_a_character_does_not_stop_the_view():
    view = Prediction(WORDS, Drawer())
    view.receive({"type": "keep", "value": "a fox \ud83e", "sure": None})
    assert view.kept["value"] == "a fox ?"
    json.dumps(view.get_state()["kept"], ensure_ascii=False).encode()


def test_the_file_of_another_program_is_set_aside(tmp_path):
    with sqlite3.connect(tmp_path / "desk.sqlite") as connection:
        connection.execute("CREATE TABLE predictions (x)")
    Prediction(NUMBER, Drawer()).keep("3", 50)
    assert len(list(tmp_path.glob("desk-damaged-*"))) == 1


def test_a_folder_that_cannot_be_written_is_said_and_stops_no_page(monkeypatch):
    monkeypatch.setattr(paths, "RUNS", paths.ROOT / "README.md" / "no")
    view = Prediction(NUMBER, Drawer())
    view.receive({"type": "keep", "value": "3", "sure": 50})
    assert view.status.startswith("Not kept: ")
    Answer(NUMBER, Drawer(), 3).receive({"type": "look"})
    Tally("05", Drawer()).receive({"type": "look"})
    desk.answer("05/never", 6.2)


# The tally


def row(hit, sure, late=0, predicted=1):
    return {"predicted": predicted, "late": late, "hit": hit, "sure": sure}


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([], ["You have made none of 9 predictions yet."]),
        (
            [row(1, 90)] * 4 + [row(0, 90), row(0, 50), row(1, 90, late=1)],
            [
                "You made 6 of 9 predictions; 4 of 6 answered came true.",
                "Of 5 that you were 90 % sure of, 4 came true: well judged.",
            ],
        ),
        ([row(0, 90)] * 4, ["You made 4", "0 came true: be a little less sure"]),
        ([row(1, 90)] * 3 + [row(0, 90)] * 2, ["3 of 5", "be a little less sure"]),
        ([row(1, 50)] * 5, ["You made 5", "5 came true: you know more than"]),
        ([row(0.5, 70), row(1, 70)], ["1½ of 2 answered came true."]),
        ([row(None, None)], ["none is answered yet."]),
    ],
)
def test_the_tally_says_how_many_came_true_and_how_well_they_were_judged(rows, said):
    sentences = count(rows, 9)["sentences"]
    assert len(sentences) == len(said)
    for sentence, part in zip(sentences, said, strict=True):
        assert part in sentence


def test_the_tally_counts_what_was_asked_and_what_is_kept():
    desk.predict("05/a", "?", unit="")
    Drawer().predict(NUMBER.as_json(), 1.0, 50)
    Drawer().predict(Question("051/x", "?", unit="").as_json(), 1.0, 50)
    view = Tally("05", Drawer())
    assert view.found == {}
    view.look()
    assert (view.found["invited"], view.found["made"]) == (2, 1)


# The quiz


def questions(number=9, options=3):
    return [
        desk.ask(f"Q{n}?", right=("yes", "So."), wrong=[(f"no {m}", "Not so.")
                 for m in range(options - 1)])
        for n in range(number)
    ]  # fmt: skip


def test_right_options_stand_at_all_places_about_equally_often():
    for options in (2, 3, 4):
        ordered = in_order(questions(12, options))
        places = [[o.right for o in a.options].index(True) for a in ordered]
        counts = [places.count(place) for place in range(options)]
        assert max(counts) - min(counts) <= 1
        assert places != sorted(places)
    assert in_order(questions()) == in_order(questions())


def test_a_wrong_option_without_an_explanation_is_refused():
    for wrong in ([("no", "")], [("no",)], [], [("yes", "x")], ["no"], ("no", " ")):
        with pytest.raises(ValueError):
            desk.ask("Q?", right=("yes", "So."), wrong=wrong)


def test_a_quiz_says_the_same_on_a_stored_page():
    quiz = Quiz("05", questions(1, 2), Drawer())
    plain, page = twin(quiz)
    assert plain in ("1. Q0? (yes / no 0)", "1. Q0? (no 0 / yes)")
    assert "<details><summary>yes</summary>✓ Right. So.</details>" in page
    assert "<details><summary>no 0</summary>✗ No. Not so.</details>" in page


def test_first_tries_are_counted_kept_and_told_the_next_time():
    quiz = Quiz("05", questions(2, 2), Drawer())
    right = [[o.right for o in a.options].index(True) for a in quiz.asks]
    quiz.pick(0, right[0])
    quiz.pick(1, 1 - right[1])
    quiz.pick(1, right[1])
    assert [pick["right"] for pick in Drawer().picks("05")] == [1, 0, 1]
    again = Quiz("05", questions(2, 2), Drawer())
    again.look()
    assert again.status == "The first time, 1 of 2 were right at once."


def test_texts_are_read_in_lines_that_fit(capsys):
    desk.read("word " * 40 + "\nend")
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80 and lines[-1] == "end"
