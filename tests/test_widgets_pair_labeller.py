"""The labeller without a browser: no click is lost, none is counted twice."""

import multiprocessing
import os
import signal
import time
from types import SimpleNamespace

import numpy as np
import pytest
from widget_examples import PAIRS, from_browser

from llmlab.preferences import EQUAL, Comparison, LabelStore
from llmlab.widgets import PairLabeller


@pytest.fixture
def store(tmp_path) -> LabelStore:
    return LabelStore(tmp_path / "labels.sqlite")


def test_a_click_is_in_the_store_before_the_pair_changes(store):
    labeller = PairLabeller(PAIRS, store, annotator="ada")
    kept_when_the_view_changed = []
    labeller.observe(lambda _: kept_when_the_view_changed.append(len(store)), "view")
    from_browser(labeller, type="choose", choice=1, position=0)
    assert kept_when_the_view_changed == [1]
    assert store.all() == [
        Comparison("prompt 0", "first 0", "second 0", 1, "ada", "person")
    ]
    assert labeller.comparisons("person") == store.all()
    assert abs(store.all()[0].time - time.time()) < 60


def test_what_a_program_chooses_is_never_a_persons(store):
    labeller = PairLabeller(PAIRS, store)
    labeller.choose(np.argmax([1.0, 2.0]))
    from_browser(labeller, type="choose", choice=0.5, position=1)
    labels = PairLabeller(PAIRS, store).comparisons()
    assert [(label.source, label.preferred) for label in labels] == [
        ("simulated", 1),
        ("person", EQUAL),
    ]
    assert labeller.comparisons("person") == labels[1:]


def click_and_die(path) -> None:
    labeller = PairLabeller(PAIRS, LabelStore(path))
    from_browser(labeller, type="choose", choice=0, position=0)
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows has no SIGKILL")
def test_a_kernel_killed_right_after_a_click_has_not_lost_it(tmp_path):
    path = tmp_path / "labels.sqlite"
    process = multiprocessing.get_context("fork").Process(
        target=click_and_die, args=[path]
    )
    process.start()
    process.join(30)
    assert process.exitcode == -signal.SIGKILL
    assert PairLabeller(PAIRS, LabelStore(path)).position == 1


def test_a_labeller_made_again_goes_on_after_the_last_labelled_pair(store):
    labeller = PairLabeller(PAIRS, store)
    labeller.choose(0)
    labeller.skip()
    labeller.choose(1)
    labeller.skip()
    again = PairLabeller(PAIRS, store)
    assert again.position == 3 and again.view["prompt"] == "prompt 3"
    assert PairLabeller(PAIRS, store, annotator="somebody else").position == 0


def test_undo_takes_back_labels_and_skips_one_by_one_even_from_before(store):
    PairLabeller(PAIRS, store).choose(0)
    labeller = PairLabeller(PAIRS, store)
    labeller.skip()
    labeller.choose(1)
    labeller.undo()
    assert labeller.position == 2 and len(store) == 1
    labeller.undo()
    assert labeller.position == 1 and len(store) == 1
    labeller.undo()
    assert labeller.position == 0 and len(store) == 0
    labeller.undo()
    assert labeller.position == 0


def test_undo_never_takes_back_what_was_labelled_elsewhere(store):
    labeller, window = (PairLabeller(PAIRS, store) for _ in range(2))
    labeller.choose(0)
    window.skip()
    window.choose(1)
    labeller.undo()
    assert [label.prompt for label in store.all()] == ["prompt 1"]
    assert labeller.position == 0
    window.undo()
    again = PairLabeller(PAIRS, store)
    assert again.position == 0 and len(store) == 0


def test_a_pair_that_was_labelled_meanwhile_is_noticed(store):
    labeller, window = (PairLabeller(PAIRS, store) for _ in range(2))
    window.choose(0)
    window.choose(0)
    from_browser(labeller, type="choose", choice=1, position=0)
    assert "labelled meanwhile in another window" in labeller.status
    assert labeller.position == 2 and labeller.view["labelled"] == 2
    assert [label.preferred for label in store.all()] == [0, 0]
    labeller.undo()
    window.undo()
    assert "in another window already" in window.status
    assert window.position == 1 and len(store) == 1


def test_a_pair_that_is_asked_about_twice_is_labelled_twice(store):
    turned = SimpleNamespace(prompt="prompt 0", first="second 0", second="first 0")
    pairs = [*PAIRS[:2], turned]
    labeller = PairLabeller(pairs, store)
    for choice in (0, 1, 1):
        labeller.choose(choice)
    assert PairLabeller(pairs, store).position == 3
    labels = store.all()
    assert labels[0].pair == labels[2].pair and labels[0].winner == labels[2].winner
    labeller.undo()
    assert PairLabeller(pairs, store).position == 2


def test_the_second_half_of_a_double_click_is_not_a_label(store):
    labeller = PairLabeller(PAIRS, store)
    from_browser(labeller, type="choose", choice=0, position=0)
    from_browser(labeller, type="choose", choice=0, position=0)
    assert len(store) == 1 and labeller.position == 1


def test_a_label_that_cannot_be_saved_is_not_shown_as_saved(store, monkeypatch):
    labeller = PairLabeller(PAIRS, store)

    def full_disk(comparison):
        raise OSError("the disk is full")

    monkeypatch.setattr(store, "add", full_disk)
    from_browser(labeller, type="choose", choice=0, position=0)
    assert labeller.position == 0
    assert labeller.status == "Nothing was saved: the disk is full."
    monkeypatch.undo()
    from_browser(labeller, type="choose", choice=0, position=0)
    assert labeller.position == 1 and len(store) == 1


def test_after_the_last_pair_there_is_nothing_to_choose(store):
    labeller = PairLabeller(PAIRS[:1], store)
    labeller.choose(1)
    assert labeller.view["position"] == labeller.view["labelled"] == 1
    assert labeller.view["first"] == labeller.view["second"] == ""
    with pytest.raises(ValueError, match="all pairs are labelled"):
        labeller.choose(1)
    with pytest.raises(ValueError, match="no pairs"):
        PairLabeller([], store)


def test_the_twin_of_a_labeller_does_not_depend_on_who_labelled_what(store):
    before = PairLabeller(PAIRS, store)
    page = before.static_html()
    assert "first 0" in page and "second 0" in page and "4 pairs" in page
    before.choose(1)
    assert PairLabeller(PAIRS, store).static_html() == page
