"""What holds for every widget without a browser."""

import pytest
from widget_examples import (
    PAIRS,
    SNAPSHOTS,
    TOKENS,
    attention,
    distribution,
    fill,
    make_chat,
)

from llmlab import widgets
from llmlab.preferences import LabelStore
from llmlab.tokenizer import Tokenizer
from llmlab.widgets import (
    AttentionViewer,
    FillIn,
    NextTokenExplorer,
    PairLabeller,
    TokenColours,
    TrainingMonitor,
    TrainingTimeSlider,
)


@pytest.fixture
def store(tmp_path) -> LabelStore:
    return LabelStore(tmp_path / "labels.sqlite")


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
        TokenColours(Tokenizer(), "the boat"),
        AttentionViewer(TOKENS, attention()),
        FillIn(fill, "the _ dog"),
        TrainingTimeSlider(SNAPSHOTS),
    ]


def test_what_a_notebook_stores_is_the_same_in_every_run(store):
    first, second = all_widgets(store), all_widgets(store)
    for one, other in zip(first, second, strict=True):
        one_bundle, other_bundle = stored(one), stored(other)
        assert one_bundle == other_bundle
        assert "0x" not in one_bundle["text/plain"]
        if "image/png" not in one_bundle:
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


def test_the_table_of_the_package_names_every_widget_and_what_it_is_given():
    for name in widgets.__all__:
        if name != "MonitorView":
            assert f"`{name}(" in widgets.__doc__
