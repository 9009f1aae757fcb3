"""Every invitation to predict can be made, and is answered; questions are fair."""

import re
from collections import Counter

import pytest
from desk_calls import SOURCES, calls, chapter_of, places


@pytest.mark.parametrize("path", SOURCES, ids=chapter_of)
def test_every_prediction_is_answered_later_in_its_notebook(path):
    asked, answered = [], []
    for call in calls(path):
        if call.what == "predict":
            assert call.name.startswith(f"{chapter_of(path)}/")
            asked.append(call.name)
        if call.what == "answer":
            assert call.name in asked, f"{call.name} is answered before it is asked"
            answered.append(call.name)
    assert sorted(asked) == sorted(answered)


def test_no_two_predictions_have_one_name():
    everywhere = [call for path in SOURCES for call in calls(path)]
    names = Counter(call.name for call in everywhere if call.what == "predict")
    assert [name for name, number in names.items() if number > 1] == []


@pytest.mark.parametrize("path", SOURCES, ids=chapter_of)
def test_a_chapter_ends_with_its_tally_and_its_questions(path):
    last = {call.what: call for call in calls(path)}
    assert last["tally"].name == last["quiz"].name == chapter_of(path)
    assert last["tally"].line > last["answer"].line


@pytest.mark.parametrize("path", SOURCES, ids=chapter_of)
def test_a_page_asks_for_nothing_that_cannot_be_put_down(path):
    """“**Predict:** …” in the text, without a box for it, is answered by nobody."""
    asked_in_text = re.findall(r"\*\*Predict(?! first).*", path.read_text("utf-8"))
    assert asked_in_text == []


def test_no_place_holds_more_than_45_percent_of_the_right_options():
    right = Counter(place for path in SOURCES for place, _ in places(path))
    assert max(right.values()) <= 0.45 * right.total(), dict(right)
