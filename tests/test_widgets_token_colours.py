"""Token colours without a browser: what is shown, counted, refused and kept."""

import pytest
from widget_examples import from_browser

from llmlab.plots import PALETTE, token_colours
from llmlab.tokenizer import Tokenizer
from llmlab.widgets import TokenColours


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.train(["the boat, the gull, the net"] * 9, 270)


def test_every_token_is_shown_with_its_id_and_the_three_counts_are_right(tokenizer):
    widget = TokenColours(tokenizer, "")
    text = "the boat\nthe île"
    ids = tokenizer.encode(text)
    expected = [(tokenizer.token_text(token_id), token_id) for token_id in ids]
    assert widget.show(text) == expected
    assert widget.tokens == [list(token) for token in expected]
    assert widget.status == (
        f"{len(ids)} tokens, 16 characters, {16 / len(ids):.2f} characters a token."
    )


def test_one_is_singular_and_nothing_is_divided_by_zero(tokenizer):
    widget = TokenColours(tokenizer, "z")
    assert widget.status == "1 token, 1 character, 1.00 characters a token."
    assert widget.show("") == []
    assert widget.status == "No token yet: the text is empty."


def test_the_boxes_have_the_colours_of_the_figures(tokenizer):
    style = TokenColours(tokenizer, "")._css
    for number, colour in enumerate(PALETTE[:4], start=1):
        rule = f"nth-child(4n+{number}) {{ border-color: {colour}; "
        assert f"{rule}background: {colour}26; }}" in style


def test_text_typed_in_the_browser_is_cut_anew(tokenizer):
    widget = TokenColours(tokenizer, "the")
    from_browser(widget, type="show", text="the gull")
    assert widget.text == "the gull"
    assert [token_id for _, token_id in widget.tokens] == tokenizer.encode("the gull")


def test_the_name_of_a_control_token_typed_is_plain_text(tokenizer):
    name = tokenizer.token_text(0)
    tokens = TokenColours(tokenizer, name).tokens
    assert 0 not in [token_id for _, token_id in tokens] and len(tokens) > 1


def test_of_a_text_that_is_too_long_the_beginning_is_shown_and_it_says_so(tokenizer):
    widget = TokenColours(tokenizer, "the")
    from_browser(widget, type="show", text="x" * 2001)
    assert widget.status.endswith("These are the first 2,000 of 2,001 characters.")
    assert widget.text == "x" * 2000
    from_browser(widget, type="show", text="x" * 2000)
    assert "These are" not in widget.status
    with pytest.raises(ValueError, match="expected at most 2,000"):
        TokenColours(tokenizer, "x" * 2001)


def test_the_twin_shows_the_boxes_of_the_picture_and_says_the_counts(tokenizer):
    widget = TokenColours(tokenizer, "the <b>")
    page = widget.static_html()
    ids = tokenizer.encode("the <b>")
    boxes = token_colours([tokenizer.token_text(token_id) for token_id in ids], ids)
    assert page == f"<p>“the &lt;b&gt;”: {widget.status}</p>{boxes.data}"
    assert "| < | b | >" in repr(widget)
    widget.show("other")
    assert widget.static_html() == page
