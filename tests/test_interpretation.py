import pytest
import torch

from llmlab import checks, gpt
from llmlab.batching import pad_sequences
from llmlab.gpt import GPT, GPTConfig
from llmlab.interpretation import attention_weights, recorded_attention

SMALL = dict(vocab_size=50, context=24, layers=2, heads=2, width=16)
PRESETS = {
    "causal": GPTConfig(**SMALL),
    "bidirectional": GPTConfig(**SMALL, causal=False),
    "gpt2": GPTConfig.gpt2(**SMALL),
}


def lively(config) -> GPT:
    """A float64 model whose every weight matters (fresh ones have zero outputs)."""
    model = GPT(config).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model


def rows(side):
    """Token ids and segments of three texts, padded on one side; or of one text."""
    if side is None:
        return torch.randint(6, 50, (1, 9)), None
    texts = [torch.randint(6, 50, (n,)).tolist() for n in (3, 9, 5)]
    return pad_sequences(texts, side=side)


# Attention weights


@pytest.mark.parametrize("side", [None, "left", "right"])
@pytest.mark.parametrize("preset", PRESETS)
def test_weights_times_values_are_what_the_model_gathers(preset, side):
    model = lively(PRESETS[preset])
    tokens, segment_ids = rows(side)
    with recorded_attention() as calls:
        model(tokens, segment_ids=segment_ids)
    weights = attention_weights(model, tokens, segment_ids=segment_ids)
    assert weights.shape == (2, len(tokens), 2, 9, 9)
    assert len(calls) == 2
    for call, of_layer in zip(calls, weights, strict=True):
        torch.testing.assert_close(of_layer @ call.values, call.gathered)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("preset", PRESETS)
def test_a_text_has_the_same_weights_alone_and_in_a_padded_batch(preset, side):
    model = lively(PRESETS[preset])
    tokens, segment_ids = rows(side)
    weights = attention_weights(model, tokens, segment_ids=segment_ids)
    for row in range(len(tokens)):
        real = segment_ids[row] != 0
        alone = attention_weights(model, tokens[row, real][None])[:, 0]
        found = weights[:, row][..., real, :]
        torch.testing.assert_close(found[..., real], alone)
        assert (found[..., ~real] == 0).all()


@pytest.mark.parametrize("preset", PRESETS)
def test_rows_of_weights_sum_to_one_and_a_causal_model_never_looks_ahead(preset):
    model = lively(PRESETS[preset])
    weights = attention_weights(model, rows(None)[0])
    torch.testing.assert_close(weights.sum(-1), torch.ones_like(weights[..., 0]))
    looks_ahead = bool(weights.triu(diagonal=1).any())
    assert looks_ahead == (not model.config.causal)


def test_looking_changes_nothing():
    model, (tokens, _) = lively(PRESETS["causal"]), rows(None)
    before, attention = model(tokens), gpt.attention
    attention_weights(model, tokens)
    assert gpt.attention is attention
    assert torch.equal(model(tokens), before)
    with pytest.raises(ValueError, match="expected \\(batch, time\\)"):
        attention_weights(model, tokens[0])
    assert gpt.attention is attention


def test_a_learners_attention_is_recorded_too():
    """The recorder wraps whatever attention is plugged in, here one that doubles."""
    model, (tokens, _) = lively(PRESETS["causal"]), rows(None)

    def doubled(queries, keys, values):
        return 2 * gpt.F.scaled_dot_product_attention(
            queries, keys, values, is_causal=True
        )

    with checks.your_attention(doubled), recorded_attention() as calls:
        model(tokens)
    for call in calls:
        torch.testing.assert_close(2 * call.weights() @ call.values, call.gathered)
