"""A text of a person's own without a browser: what is shown, refused and kept."""

import pytest
from widget_examples import TOKENS, attention, from_browser

from llmlab.plots import attention_map
from llmlab.widgets import YourText


def picture(text):
    if not text:
        raise ValueError("the text is empty")
    return attention_map(attention()[0, 0], TOKENS, title=text)


def test_a_picture_comes_with_its_words_and_is_drawn_anew_for_each_text(capsys):
    widget = YourText(picture, "one")
    first = widget.shown
    assert first["alt"] == picture("one").alt and first["width"] > 100
    data, metadata = widget._repr_mimebundle_()
    assert data["image/png"] == first["image"] and "text/html" not in data
    from_browser(widget, type="show", text="two")
    assert widget.shown["image"] != first["image"] and widget.text == "two"
    assert widget._repr_mimebundle_()[0]["image/png"] == first["image"]
    widget._ipython_display_()
    assert "In words: " in capsys.readouterr().out


def test_a_text_that_cannot_be_shown_is_a_sentence_and_the_picture_stays():
    widget = YourText(picture, "one")
    first = widget.shown
    from_browser(widget, type="show", text="")
    assert widget.status == (
        "Cannot show this text: the text is empty. What stands here is still of “one”."
    )
    assert widget.shown == first
    from_browser(widget, type="show", text="two")
    assert widget.status == ""
    with pytest.raises(ValueError, match="the text is empty"):
        widget.show("")


def test_a_function_may_return_a_text_or_a_table_which_are_never_markup():
    text = YourText(lambda text: f"<b>{text}", "a & b")
    assert text.shown == {"words": "<b>a & b"}
    assert "<pre>&lt;b&gt;a &amp; b</pre>" in text.static_html()
    table = YourText(lambda text: (["head"], [[1.5], ["<i>"]]), "a")
    assert table.shown == {"head": ["head"], "rows": [["1.5"], ["<i>"]]}
    assert "&lt;i&gt;" in table.static_html()
    with pytest.raises(TypeError, match="returned a int; expected a picture, a text"):
        YourText(len, "a")
