"""The training monitor without a browser: where a run is."""

import pytest

from llmlab.widgets import TrainingMonitor, training_monitor


def test_the_monitor_shows_where_a_run_is(monkeypatch):
    clock = iter(range(100))
    monkeypatch.setattr(training_monitor.time, "monotonic", lambda: float(next(clock)))
    monitor = TrainingMonitor(seconds_between=0)
    monitor.start("base", 10, first_step=4)
    monitor.update(4, {"loss": 3.0, "kl": 0.5, "tokens": 100}, seconds=1.0)
    # Readings of the clock: 0 at the start, 1 and 2 in the first update.
    figures = dict(monitor.view.figures)
    assert figures["time left"] == "0:10" and figures["tokens/s"] == "50"
    assert figures["loss"] == "3.000" and figures["kl"] == "0.50"
    assert monitor.view.done == 5
    monitor.update(5, {"loss": 2.0, "tokens": 100}, seconds=2.0)
    assert [step for step, _ in monitor.view.curve] == [5, 6]
    assert [loss for _, loss in monitor.view.curve] == pytest.approx([3.0, 2.9])
    monitor.stopping()
    assert monitor.view.message == "stopping after this step"
    monitor.stop("interrupted")
    assert monitor.view.message == "interrupted" and monitor.view.done == 6


def test_a_flood_of_updates_reaches_the_browser_as_a_trickle_and_the_last_one_always():
    monitor = TrainingMonitor(seconds_between=3600)
    monitor.start("base", 5000, first_step=0)
    sent = []
    monitor.view.observe(lambda change: sent.append(change["new"]), "done")
    for step in range(5000):
        monitor.update(step, {"loss": 1.0}, seconds=step)
    monitor.stop("done")
    assert sent == [1, 5000]
    assert len(monitor.view.curve) <= 201


def test_a_run_that_was_whole_already_can_be_monitored():
    monitor = TrainingMonitor()
    monitor.start("base", 10, first_step=10)
    monitor.stop("done")
    assert monitor.view.done == 10 and monitor.view.message == "done"


def test_at_the_end_it_says_how_long_it_took_and_not_that_nothing_is_left(monkeypatch):
    clock = iter([0.0, *[52.0] * 9])
    monkeypatch.setattr(training_monitor.time, "monotonic", lambda: next(clock))
    monitor = TrainingMonitor()
    monitor.start("base", 2, first_step=0)
    monitor.update(0, {"loss": 3.0}, seconds=26.0)
    assert dict(monitor.view.figures)["time left"] == "0:52"
    monitor.update(1, {"loss": 2.0}, seconds=52.0)
    monitor.stop("done")
    assert dict(monitor.view.figures)["took"] == "0:52"
    assert "time left" not in dict(monitor.view.figures)


def test_what_the_model_writes_is_shown_before_the_first_step_and_as_it_learns():
    written = iter("abcdefghijk")
    monitor = TrainingMonitor(lambda: next(written), every=3)
    seen = []
    monitor.start("base", 8, first_step=0)
    for step in range(8):
        seen.append(monitor.view.sample)
        monitor.update(step, {"loss": 1.0}, seconds=step)
    monitor.stop("done")
    assert seen == [[0, "a"]] * 3 + [[3, "b"]] * 3 + [[6, "c"]] * 2
    assert monitor.view.sample == [8, "d"]
    written = iter("abcdefghijk")
    monitor = TrainingMonitor(lambda: next(written))
    monitor.start("base", 80, first_step=0)
    for step in range(80):
        monitor.update(step, {"loss": 1.0}, seconds=step)
    assert monitor.view.sample == [80, "i"], "an eighth of the run lies between two"
    with pytest.raises(ValueError, match="1 step or more"):
        TrainingMonitor(str, every=0)
