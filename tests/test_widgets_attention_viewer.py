"""The attention viewer without a browser: what it shows, and what it refuses."""

import base64

import numpy as np
import pytest
import torch
from widget_examples import TOKENS, attention, from_browser

from llmlab.plots import attention_map, png
from llmlab.widgets import AttentionViewer


def test_a_position_looks_at_what_its_row_says_most_first():
    weights = torch.zeros(1, 2, 3, 3, dtype=torch.float64)
    weights[0, 1] = torch.tensor([[1, 0, 0], [0.25, 0.75, 0], [0.3, 0.2, 0.5]])
    weights[0, 0] = torch.eye(3)
    viewer = AttentionViewer(["a", "b", "c"], weights)
    assert (viewer.layer, viewer.head, viewer.position) == (0, 0, 2)
    looked_at = viewer.choose(0, 1, 2)
    assert [token for token, _ in looked_at] == ["c", "a", "b"]
    assert [weight for _, weight in looked_at] == pytest.approx([0.5, 0.3, 0.2])
    assert [token for token, _ in viewer.choose(0, 1, 1)] == ["b", "a"]
    assert (viewer.layer, viewer.head, viewer.position) == (0, 1, 1)


def test_the_browser_gets_every_weight_in_the_order_of_its_shape():
    weights = attention()
    viewer = AttentionViewer(TOKENS, weights)
    sent = np.frombuffer(viewer.weights, dtype="<f4").reshape(2, 3, 4, 4)
    assert viewer.shape == [2, 3, 4]
    assert np.array_equal(sent, weights.numpy())


@pytest.mark.parametrize("kind", [np.asarray, torch.Tensor.tolist])
def test_arrays_and_lists_are_taken_as_well_as_tensors(kind):
    weights = attention()
    viewer = AttentionViewer(TOKENS, kind(weights))
    assert viewer.weights == AttentionViewer(TOKENS, weights).weights


def test_weights_that_need_gradients_or_are_of_half_precision_are_taken():
    AttentionViewer(TOKENS, attention().requires_grad_())
    AttentionViewer(TOKENS, attention().to(torch.bfloat16))


@pytest.mark.parametrize(
    "tokens, weights, message",
    [
        (TOKENS, attention()[0], r"shape \(3, 4, 4\) for 4 tokens; expected \(layers"),
        (TOKENS, attention()[:, None], r"take one text: weights\[:, 0\]"),
        (TOKENS[:3], attention(), r"for 3 tokens; expected \(layers, heads, 3, 3\)"),
        (TOKENS, attention()[:0], "one layer and head or more"),
        (TOKENS, attention().log(), "softmax over the last axis first"),
        (TOKENS, attention() * float("nan"), "from nan to nan"),
        (TOKENS, attention() / 2, "row 0 of layer 0, head 0 sums to 0.500"),
        (TOKENS, attention().mT, "row 0 of layer 0, head 0 sums to"),
        ("text", attention(), "tokens is 'text'; expected a list"),
        ([], attention(), "one or more"),
    ],
)
def test_weights_that_cannot_be_attention_are_refused(tokens, weights, message):
    with pytest.raises(ValueError, match=message):
        AttentionViewer(tokens, weights)


@pytest.mark.parametrize("name, choice", [("layer", (2, 0, 0)), ("head", (0, 3, 0))])
def test_a_head_that_is_not_there_is_refused_and_the_choice_stays(name, choice):
    viewer = AttentionViewer(TOKENS, attention())
    with pytest.raises(ValueError, match=f"{name} . does not exist; expected 0 to"):
        viewer.choose(*choice)
    with pytest.raises(ValueError, match="position -1 does not exist"):
        AttentionViewer(TOKENS, attention(), position=-1)
    assert (viewer.layer, viewer.head, viewer.position) == (0, 0, 3)


def test_the_twin_is_the_map_of_the_head_chosen_first_and_its_words(capsys):
    viewer = AttentionViewer(TOKENS, attention(), layer=1, head=2)
    viewer.choose(0, 0, 0)
    data, metadata = viewer._repr_mimebundle_()
    expected = attention_map(attention()[1, 2], TOKENS, title="layer 1, head 2")
    assert base64.b64decode(data["image/png"]) == png(expected)
    assert metadata["image/png"]["alt"] == expected.alt
    viewer._ipython_display_()
    words = " ".join(capsys.readouterr().out.split())
    assert words == f"In words: layer 1, head 2. {' '.join(expected.alt.split())}"


def of_words(text):
    if not text:
        raise ValueError("the text is empty")
    tokens = text.split()
    return tokens, torch.eye(len(tokens)).expand(2, 3, -1, -1)


def test_a_text_that_a_person_types_is_looked_at_with_the_same_head():
    viewer = AttentionViewer(TOKENS, attention(), layer=1, head=2, ask=of_words)
    before = viewer._repr_mimebundle_()[0]["image/png"]
    from_browser(viewer, type="ask", text="a b c d e f")
    assert viewer.tokens == list("abcdef") and viewer.shape == [2, 3, 6]
    assert (viewer.layer, viewer.head, viewer.position) == (1, 2, 5)
    assert viewer.choose(1, 2, 3) == [("d", 1.0)]
    assert viewer._repr_mimebundle_()[0]["image/png"] == before  # the twin stays


@pytest.mark.parametrize(
    "text, sentence",
    [
        ("", "Cannot look at this text: the text is empty."),
        (
            "a " * 101,
            "Cannot look at this text: the text has 101 tokens; a map can be "
            "read with 100 or fewer.",
        ),
    ],
)
def test_a_text_that_cannot_be_looked_at_is_a_sentence_and_the_maps_stay(
    text, sentence
):
    viewer = AttentionViewer(TOKENS, attention(), ask=of_words)
    weights = viewer.weights
    from_browser(viewer, type="ask", text=text)
    assert viewer.status == sentence
    assert viewer.tokens[1] == "␣boat" and viewer.weights == weights
    from_browser(viewer, type="ask", text="a b")
    assert viewer.status == "" and viewer.tokens == ["a", "b"]
