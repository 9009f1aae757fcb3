"""What holds for every widget without a browser."""

import json
import re

import numpy as np
import pytest
import torch
from widget_examples import (
    PAIRS,
    SNAPSHOTS,
    TOKENS,
    attention,
    distribution,
    fill,
    from_browser,
    make_chat,
)

from llmlab import widgets
from llmlab.desk.answers import Answer
from llmlab.plots import attention_map
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
    YourText,
    page,
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
        YourText(str.upper, "the boat"),
        YourText(lambda text: (["word"], [[word] for word in text.split()]), "a b"),
        YourText(lambda text: attention_map(attention()[0, 0], TOKENS), "a"),
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


@pytest.mark.parametrize("number", [np.int64, torch.tensor])
def test_other_libraries_numbers_reach_the_page_as_plain_ones(number):
    viewer = AttentionViewer(TOKENS, attention())
    viewer.choose(number(1), number(2), number(3))
    slider = TrainingTimeSlider(SNAPSHOTS)
    slider.position = number(1)
    explorer = NextTokenExplorer(
        lambda text: [("a", number(1)), ("b", number(0))], temperature=number(1)
    )
    monitor = TrainingMonitor()
    monitor.start("base", 10, 0)
    monitor.update(number(0), {"loss": number(3)}, seconds=1.0)
    monitor.stop("done")
    for widget in (
        viewer,
        slider,
        explorer,
        monitor.view,
        make_chat(temperature=number(1)),
    ):
        state = widget.get_state()
        state.pop("weights", None)
        json.dumps(state)  # knows no other numbers


def test_no_widget_asks_the_network_or_takes_text_for_markup(store):
    for widget in all_widgets(store):
        code = widget._esm.replace("http://www.w3.org/2000/svg", "") + widget._css
        for sick in ("http", "import ", "innerHTML", "insertAdjacentHTML", "eval("):
            assert sick not in code


def test_the_table_of_the_package_names_every_widget_and_what_it_is_given():
    names = [name for name in vars(widgets) if name[0].isupper()]
    assert len(names) == 10
    for name in names:
        if name != "MonitorView":
            assert f"`{name}(" in widgets.__doc__


def test_a_view_hears_when_its_message_arrives_and_when_it_is_done_with():
    widget = FillIn(fill, "the _ dog")
    seen = []
    widget.observe(lambda change: seen.append((change["name"], change["new"])))
    from_browser(widget, type="show", text="the _ cat", number="a:7")
    names = [name for name, _ in seen]
    assert names[0] == "heard" and names[-1] == "handled" and "text" in names
    assert widget.heard == widget.handled == "a:7"
    colours = TokenColours(Tokenizer(), "the boat")
    with pytest.raises(KeyError):
        colours._hear(colours, {"number": "a:8"}, [])  # without a text
    assert colours.handled == "a:8"


def test_no_script_of_a_view_declares_a_name_that_it_shares_a_page_with():
    """A view is one script of several files; a name declared twice ends it."""
    views = [page.View]
    for view in views:
        views += view.__subclasses__()
    assert Answer in views and widgets.Chat in views
    for view in views[1:]:
        script = page._read_all(view, "js")
        names = re.findall(r"^(?:const|let|function) (\w+)", script, re.M)
        twice = {name for name in names if names.count(name) > 1}
        assert len(names) > 5 and not twice, view.__name__
