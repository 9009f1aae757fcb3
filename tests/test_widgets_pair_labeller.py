"""The labeller without a browser: no click is lost, none is counted twice."""

import multiprocessing
import os
import random
import signal
import time
from collections import Counter
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
    sides = ("second 0", "first 0") if labeller.swapped[0] else ("first 0", "second 0")
    swapped = {"swapped": labeller.swapped[0]}
    assert store.all() == [
        Comparison("prompt 0", *sides, 1, "ada", "person", **swapped)
    ]
    assert labeller.comparisons("person") == store.all()
    assert abs(store.all()[0].time - time.time()) < 60


def test_what_a_program_chooses_is_never_a_persons(store):
    labeller = PairLabeller(PAIRS, store)
    labeller.choose(np.argmax([1.0, 2.0]))
    from_browser(labeller, type="choose", choice=0.5, position=1)
    labels = PairLabeller(PAIRS, store).comparisons()
    assert [label.source for label in labels] == ["simulated", "person"]
    assert labels[0].winner == "second 0" and labels[1].preferred == EQUAL
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
    assert [label.winner for label in store.all()] == ["first 0", "first 1"]
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
    assert labels[0].first == labels[2].second != labels[0].second
    labeller.undo()
    assert PairLabeller(pairs, store).position == 2


def test_the_second_half_of_a_double_click_is_not_a_label(store):
    labeller = PairLabeller(PAIRS, store)
    from_browser(labeller, type="choose", choice=0, position=0)
    from_browser(labeller, type="choose", choice=0, position=0)
    assert len(store) == 1 and labeller.position == 1


def test_a_label_that_cannot_be_saved_is_not_shown_as_saved(store, monkeypatch):
    labeller = PairLabeller(PAIRS, store)

    def full_disk(comparison, **how):
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


# Which side, and what comes again


def many(count: int) -> list[SimpleNamespace]:
    return [
        SimpleNamespace(prompt=f"prompt {n}", first=f"one {n}", second=f"other {n}")
        for n in range(count)
    ]


def test_sides_are_drawn_by_lot_for_each_pair_and_person_and_stay(store):
    pairs = many(400)
    mine, again, yours = (
        PairLabeller(pairs, store, annotator=name).swapped
        for name in ("ada", "ada", "bob")
    )
    assert mine == again
    assert 160 < sum(mine) < 240
    assert 160 < sum(a == b for a, b in zip(mine, yours, strict=True)) < 240
    runs = sum(a == b for a, b in zip(mine, mine[1:], strict=False))
    assert 160 < runs < 240


def test_what_is_shown_is_what_is_kept_with_its_sides(store):
    labeller = PairLabeller(many(40), store)
    for number in range(40):
        shown = labeller.view
        from_browser(labeller, type="choose", choice=number % 2, position=number)
        kept = store.all()[-1]
        assert (kept.first, kept.second) == (shown["first"], shown["second"])
        assert kept.winner == shown[("first", "second")[number % 2]]
        assert kept.swapped == (kept.first == f"other {number}")
    assert {label.swapped for label in store.all()} == {True, False}


def test_some_pairs_come_again_turned_round_and_nothing_says_so(store):
    labeller = PairLabeller(many(24), store, repeats=8)
    shown = []
    for position in range(32):
        shown.append(dict(labeller.view))
        from_browser(labeller, type="choose", choice=0, position=position)
    where = {}
    for position, view in enumerate(shown):
        where.setdefault(view["prompt"], []).append(position)
    twice = [places for places in where.values() if len(places) > 1]
    assert len(where) == 24 and len(twice) == 8
    for first, second in twice:
        assert second - first >= 12
        assert shown[first]["first"] == shown[second]["second"]
    keys = {tuple(sorted(view)) for view in shown}
    assert keys == {("first", "labelled", "position", "prompt", "second", "total")}
    assert {view["total"] for view in shown} == {32}
    assert PairLabeller(many(24), store, repeats=8).position == 32


@pytest.mark.parametrize("repeats", [-1, 3])
def test_a_pair_does_not_come_again_while_it_is_remembered(store, repeats):
    with pytest.raises(ValueError, match="expected 0 to 2, half of the 4 pairs"):
        PairLabeller(PAIRS, store, repeats=repeats)


@pytest.mark.parametrize("missing", ["prompt", "first", "second"])
@pytest.mark.parametrize("text", [None, "", " \n", 7])
def test_a_pair_with_a_side_missing_is_named(store, missing, text):
    broken = SimpleNamespace(**(vars(PAIRS[0]) | {missing: text}))
    with pytest.raises(ValueError, match=f"pair 2 cannot .* its {missing} is"):
        PairLabeller([PAIRS[0], broken], store)
    delattr(broken, missing)
    with pytest.raises(ValueError, match=f"pair 2 cannot .* its {missing} is None"):
        PairLabeller([PAIRS[0], broken], store)
    assert len(store) == 0


# Killed, and two at once


needs_sigkill = pytest.mark.skipif(
    not hasattr(signal, "SIGKILL"), reason="Windows has no SIGKILL"
)


def started(work, *args) -> multiprocessing.Process:
    process = multiprocessing.get_context("fork").Process(target=work, args=args)
    process.start()
    return process


def click_on(path, pairs, told, together=None) -> None:
    """A person clicks through what is left; each position is told when it is done."""
    labeller = PairLabeller(pairs, LabelStore(path), repeats=len(pairs) // 4)
    if together is not None:
        together.wait(30)
    while (position := labeller.position) < len(labeller.pairs):
        choice = int(labeller.view["first"].startswith("one"))
        from_browser(labeller, type="choose", choice=choice, position=position)
        if labeller.status.startswith("Saved"):
            os.write(told, position.to_bytes(4, "big"))


def positions(data: bytes) -> list[int]:
    whole = len(data) // 4 * 4  # the last number may be half-written
    return [int.from_bytes(data[n : n + 4], "big") for n in range(0, whole, 4)]


def asked_and_labelled(path, pairs) -> tuple[Counter, Counter]:
    labeller = PairLabeller(pairs, LabelStore(path), repeats=len(pairs) // 4)
    asked = Counter(labeller._names)
    return asked, Counter(label.pair for label in labeller.comparisons("person"))


@needs_sigkill
def test_killed_at_fifty_random_moments_nothing_is_lost_and_nothing_doubled(tmp_path):
    path, pairs, dice = tmp_path / "labels.sqlite", many(800), random.Random(0)
    LabelStore(path)
    saved = []
    for _ in range(50):
        told, tell = os.pipe()
        process = started(click_on, path, pairs, tell)
        os.close(tell)
        with os.fdopen(told, "rb") as pipe:
            begun = pipe.read(4 * dice.randrange(5))
            time.sleep(dice.uniform(0.0, 0.01))
            os.kill(process.pid, signal.SIGKILL)
            saved += positions(begun + pipe.read())
        process.join(30)
        assert process.exitcode == -signal.SIGKILL, "it was done before it was killed"
    assert len(saved) == len(set(saved)) > 50
    labeller = PairLabeller(pairs, LabelStore(path), repeats=200)
    # Whatever was said to be saved is there, and each killed process may have written
    # one label more, just before it could say so. All are where they belong.
    assert set(saved) <= set(range(labeller.position))
    assert len(saved) <= labeller.position <= len(saved) + 50
    labels = labeller.comparisons("person")
    assert len(labels) == labeller.position
    assert [label.pair for label in labels] == labeller._names[: len(labels)]
    assert {label.winner.split()[0] for label in labels} == {"other"}


@needs_sigkill
def test_two_notebooks_at_once_label_every_pair_once(tmp_path):
    path, pairs = tmp_path / "labels.sqlite", many(60)
    LabelStore(path)
    pipes = [os.pipe() for _ in range(2)]
    together = multiprocessing.get_context("fork").Barrier(2)
    both = [started(click_on, path, pairs, tell, together) for _, tell in pipes]
    for process, (_, tell) in zip(both, pipes, strict=True):
        os.close(tell)
        process.join(60)
        assert process.exitcode == 0
    saved = [positions(os.read(told, 9999)) for told, _ in pipes]
    for told, _ in pipes:
        os.close(told)
    asked, labelled = asked_and_labelled(path, pairs)
    assert labelled == asked
    assert sum(map(len, saved)) == sum(asked.values())


def test_the_twin_of_a_labeller_does_not_depend_on_who_labelled_what(store):
    before = PairLabeller(PAIRS, store)
    page = before.static_html()
    assert "first 0" in page and "second 0" in page and "4 pairs" in page
    before.choose(1)
    assert PairLabeller(PAIRS, store).static_html() == page
