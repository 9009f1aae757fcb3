"""Fill-in without a browser: its bars, its sentences, its twin."""

import re

import pytest
from widget_examples import fill, from_browser

from llmlab.widgets import FillIn


def test_the_best_come_first_and_the_others_complete_them_to_one():
    widget = FillIn(fill, "over the _ dog", top=2)
    assert widget.show("over the _ dog") == [(" lazy", 0.9), (" old", 0.06)]
    assert [bar["shown"] for bar in widget.bars] == ["␣lazy", "␣old", "all others"]
    assert sum(bar["share"] for bar in widget.bars) == pytest.approx(1)
    assert [bar["rest"] for bar in widget.bars] == [False, False, True]
    assert widget.status == "Most probable: ␣lazy, 90.0%."


def test_a_whole_distribution_that_is_shown_whole_has_no_others():
    widget = FillIn(lambda text: [("a", 0.75), ("b", 0.25)], "_")
    assert [bar["shown"] for bar in widget.bars] == ["a", "b"]


@pytest.mark.parametrize("text, count", [("no blank", 0), ("a _ and a _", 2)])
def test_a_sentence_that_cannot_be_filled_is_answered_and_nothing_is_lost(text, count):
    widget = FillIn(fill, "over the _ dog")
    bars = widget.bars
    from_browser(widget, type="show", text=text)
    assert widget.status == (
        f"Cannot fill this sentence: {count} blanks; write exactly one _. "
        "The bars are still for “over the _ dog”."
    )
    assert widget.bars == bars and widget.text == "over the _ dog"
    from_browser(widget, type="show", text="under the _ dog")
    assert widget.status.startswith("Most probable")
    with pytest.raises(ValueError, match="write exactly one _"):
        widget.show(text)
    with pytest.raises(ValueError, match="write exactly one _"):
        FillIn(fill, text)


def test_a_learners_own_error_is_a_sentence_too():
    widget = FillIn(fill, "_")

    def broken(text):
        raise KeyError("mask")

    widget._fill = broken
    from_browser(widget, type="show", text="a _")
    assert "KeyError: 'mask'." in widget.status


@pytest.mark.parametrize(
    "found, message",
    [
        ([], "returned no token"),
        ([("a", 2.0), ("b", 1.0)], "softmax first"),
        ([("a", 0.5), ("b", -0.1)], "softmax first"),
        ([("a", float("nan"))], "softmax first"),
        ([("a", 0.2), ("b", 0.7)], "expected the best first"),
    ],
)
def test_what_cannot_be_probabilities_is_refused(found, message):
    with pytest.raises(ValueError, match=message):
        FillIn(lambda text: found, "_")


def test_the_twin_says_the_first_bars_that_reach_one_percent():
    widget = FillIn(fill, "over the _ <b>")
    page = widget.static_html()
    assert "“over the _ &lt;b&gt;”" in page
    rows = re.findall(r'<th scope="row"[^>]*>([^<]*)</th><td[^>]*>([^<]*)</td>', page)
    assert rows == [("␣lazy", "90%"), ("␣old", "6%"), ("all others", "4%")]
    widget.show("a _")
    assert widget.static_html() == page
