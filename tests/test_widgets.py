"""Widgets without a browser: what they do, what they keep, what their twins say."""

import multiprocessing
import os
import signal
from types import SimpleNamespace

import pytest

from llmlab.preferences import Comparison, LabelStore
from llmlab.widgets import (
    Chat,
    NextTokenExplorer,
    PairLabeller,
    TrainingMonitor,
    training_monitor,
)

PAIRS = [
    SimpleNamespace(prompt=f"prompt {n}", first=f"first {n}", second=f"second {n}")
    for n in range(4)
]


def from_browser(widget, **content) -> None:
    """What the view sends when a person acts."""
    widget._handle_custom_msg(content, [])


def make_chat(**options) -> Chat:
    def base(message, temperature):
        return f"{message} {temperature}"

    return Chat({"base": base, "ppo": lambda message, _: message.upper()}, **options)


@pytest.fixture
def store(tmp_path) -> LabelStore:
    return LabelStore(tmp_path / "labels.sqlite")


# Chat


def test_asking_from_python_answers_with_every_model():
    chat = make_chat(temperature=0.7)
    assert chat.ask("hello") == {"base": "hello 0.7", "ppo": "HELLO"}
    assert chat.ask("hello", temperature=1.5)["base"] == "hello 1.5"
    assert [exchange["message"] for exchange in chat.exchanges] == ["hello", "hello"]


def test_a_message_from_the_browser_is_answered_and_the_status_returns_to_rest():
    chat = make_chat()
    seen = []
    chat.observe(lambda change: seen.append(change["new"]), "status")
    from_browser(chat, type="ask", message="hi", temperature=0.5)
    assert chat.exchanges[-1]["answers"] == {"base": "hi 0.5", "ppo": "HI"}
    assert seen == ["base is answering…", "ppo is answering…", ""]


def test_a_broken_model_is_a_sentence_for_a_person_and_an_error_for_a_program():
    def broken(message, temperature):
        raise ValueError("the message is longer than the context")

    def worse(message, temperature):
        raise ZeroDivisionError("division by zero")

    chat = Chat({"broken": broken, "worse": worse, "fine": lambda m, t: "fine"})
    from_browser(chat, type="ask", message="hi", temperature=1)
    assert chat.exchanges[-1]["answers"] == {
        "broken": "broken could not answer: the message is longer than the context.",
        "worse": "worse could not answer: ZeroDivisionError: division by zero.",
        "fine": "fine",
    }
    with pytest.raises(ValueError, match="longer than the context"):
        chat.ask("hi")
    with pytest.raises(ValueError, match="longer than the context"):
        Chat({"broken": broken}, examples=["hi"])


def test_the_twin_of_a_chat_says_the_examples_and_escapes_every_text():
    chat = Chat({"<b>": lambda m, t: "<script>1</script>"}, examples=["<i>hi</i>"])
    page = chat.static_html()
    assert "&lt;script&gt;1&lt;/script&gt;" in page and "&lt;i&gt;hi" in page
    assert not any(tag in page for tag in ("<script", "<i>", "<b>"))
    before = page
    chat.ask("later")
    assert chat.static_html() == before


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan"), float("inf")])
def test_a_temperature_that_means_nothing_is_refused(temperature):
    with pytest.raises(ValueError, match="above 0"):
        make_chat().ask("hi", temperature)


def test_empty_messages_and_an_empty_table_of_models_are_refused():
    with pytest.raises(ValueError, match="message is empty"):
        make_chat().ask("  ")
    with pytest.raises(ValueError, match="no models"):
        Chat({})


# Labeller


def test_a_click_is_in_the_store_before_the_pair_changes(store):
    labeller = PairLabeller(PAIRS, store, annotator="ada")
    kept_when_the_view_changed = []
    labeller.observe(lambda _: kept_when_the_view_changed.append(len(store)), "view")
    from_browser(labeller, type="choose", choice=1, position=0)
    assert kept_when_the_view_changed == [1]
    assert store.all() == [
        Comparison("prompt 0", "first 0", "second 0", 1, "ada", "person")
    ]
    assert labeller.comparisons() == store.all(source="person")


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
    labeller = PairLabeller(PAIRS, store)
    labeller.choose(0)
    store.add(Comparison("other", "a", "b", 1, "me", "person"))
    with pytest.raises(ValueError, match="not of this pair"):
        labeller.undo()
    assert len(store) == 2 and labeller.position == 1


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


# Explorer


def distribution(text):
    if not text:
        raise ValueError("the text is empty")
    return [(" net", 0.2), (" boat", 0.4), ("<eos>", 0.3), ("\ufffd", 0.1)]


def test_tokens_are_ranked_and_temperature_sharpens_or_flattens():
    explorer = NextTokenExplorer(distribution, prompt="the", top=2)
    assert explorer.show("the") == [(" boat", 0.4), ("<eos>", pytest.approx(0.3))]
    sharp = dict(explorer.show("the", temperature=0.5))
    # p squared, normalised: 0.16 / (0.16 + 0.09 + 0.04 + 0.01).
    assert sharp[" boat"] == pytest.approx(0.16 / 0.30)
    flat = dict(explorer.show("the", temperature=1000.0))
    assert flat[" boat"] == pytest.approx(0.25, abs=1e-3)
    assert explorer.show("the", temperature=0.001)[0][1] == pytest.approx(1)


def test_the_bars_always_sum_to_one():
    explorer = NextTokenExplorer(distribution, prompt="the", top=2)
    assert [bar["shown"] for bar in explorer.bars] == ["␣boat", "<eos>", "2 others"]
    assert sum(bar["share"] for bar in explorer.bars) == pytest.approx(1)


def test_control_tokens_and_broken_characters_cannot_be_appended():
    explorer = NextTokenExplorer(
        distribution, prompt="the", special_tokens=["<eos>"], top=4
    )
    appended = {bar["shown"]: bar["append"] for bar in explorer.bars}
    assert appended == {"␣boat": " boat", "<eos>": None, "␣net": " net", "�": None}


def test_a_text_that_cannot_be_continued_is_a_sentence_and_the_bars_stay():
    explorer = NextTokenExplorer(distribution, prompt="the")
    bars = explorer.bars
    from_browser(explorer, type="show", prompt="", temperature=1)
    assert explorer.status == "Cannot continue this text: the text is empty."
    assert explorer.bars == bars


def test_part_of_a_distribution_is_refused():
    with pytest.raises(ValueError, match="sum to 0.5000"):
        NextTokenExplorer(lambda text: [("a", 0.5)])
    with pytest.raises(ValueError, match="sum to 0.0000"):
        NextTokenExplorer(lambda text: [])


def test_the_twin_of_the_explorer_says_the_first_bars():
    explorer = NextTokenExplorer(distribution, prompt="<the>", top=2)
    page = explorer.static_html()
    assert "After “&lt;the&gt;”" in page and "␣boat" in page and "40.0%" in page
    explorer.show("other", 0.3)
    assert explorer.static_html() == page


# Monitor


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
    assert monitor.view.curve == pytest.approx([3.0, 2.9])
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


# All of them


def all_widgets(store) -> list:
    monitor = TrainingMonitor()
    monitor.start("base", 10, 0)
    monitor.update(0, {"loss": 3.14159}, 1.0)
    return [
        make_chat(examples=["hello"]),
        make_chat(),
        PairLabeller(PAIRS, store),
        NextTokenExplorer(distribution, prompt="the"),
        monitor.view,
    ]


def test_what_a_notebook_stores_is_the_same_in_every_run(store):
    first, second = all_widgets(store), all_widgets(store)
    for one, other in zip(first, second, strict=True):
        one_bundle, other_bundle = stored(one), stored(other)
        assert one_bundle == other_bundle
        assert "0x" not in one_bundle["text/plain"]
        assert one_bundle["text/html"].startswith(("<table>", "<p>"))
        assert "3.14" not in str(one_bundle)


def stored(widget) -> dict:
    data, _ = widget._repr_mimebundle_()
    view = data.pop("application/vnd.jupyter.widget-view+json")
    assert view["model_id"] == widget.model_id
    return data


def test_no_widget_asks_the_network_or_takes_text_for_markup(store):
    for widget in all_widgets(store):
        code = widget._esm.replace("http://www.w3.org/2000/svg", "") + widget._css
        for sick in ("http", "import ", "innerHTML", "insertAdjacentHTML", "eval("):
            assert sick not in code
