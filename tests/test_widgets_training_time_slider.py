"""The slider over training time without a browser: its order, its bounds, its twin."""

import re

import pytest
import traitlets
from widget_examples import SNAPSHOTS

from llmlab.widgets import TrainingTimeSlider


def test_it_starts_at_the_first_snapshot_and_moves_within_them():
    slider = TrainingTimeSlider(iter(SNAPSHOTS))
    assert slider.position == 0
    slider.position = len(SNAPSHOTS) - 1
    for outside in (-1, len(SNAPSHOTS)):
        with pytest.raises(traitlets.TraitError, match="expected 0 to 4"):
            slider.position = outside
    assert slider.position == len(SNAPSHOTS) - 1


@pytest.mark.parametrize(
    "snapshots, message",
    [
        ([], "no snapshots"),
        ([(0, 7.0, "a"), (0, 6.0, "b")], "step 0 comes after step 0"),
        ([(5, 7.0, "a"), (0, 6.0, "b")], "step 0 comes after step 5"),
        ([(0, float("nan"), "a")], "the loss at step 0 is nan"),
    ],
)
def test_snapshots_out_of_order_or_without_a_loss_are_refused(snapshots, message):
    with pytest.raises(ValueError, match=message):
        TrainingTimeSlider(snapshots)


@pytest.mark.parametrize("count, shown", [(1, [0]), (2, [0, 1]), (5, [0, 2, 4])])
def test_the_twin_is_a_table_of_the_first_the_middle_and_the_last(count, shown):
    page = TrainingTimeSlider(SNAPSHOTS[:count]).static_html()
    rows = re.findall(r"<th scope=\"row\"[^>]*>([\d,]+)</th>", page)
    assert rows == [f"{SNAPSHOTS[index][0]:,}" for index in shown]
    assert f"{len(shown)} of {count} snapshots" in page
    assert "&lt;b&gt;" in page and "<b>" not in page


def test_a_text_that_ended_and_a_run_that_ended_early_are_told_to_the_view():
    slider = TrainingTimeSlider([(0, 7.0, "a"), (9, 6.0, "b", True)], steps=20)
    assert [ended for *_, ended in slider.snapshots] == [False, True]
    assert slider.steps == 20
