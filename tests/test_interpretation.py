import pytest
import torch

from llmlab import checks, gpt
from llmlab.batching import packed_batch, pad_sequences
from llmlab.decoding import can_decode
from llmlab.gpt import GPT, GPTConfig
from llmlab.interpretation import (
    attention_by_chance,
    attention_on,
    attention_patterns,
    attention_weights,
    logit_lens,
    nearest_neighbours,
    principal_components,
    recorded_attention,
    residual_stream,
    without_heads,
)

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


# What heads look at


def right_keys(name, text, query):
    """Which keys the pattern of that name allows, one comparison at a time."""
    following = text[query + 1] if query + 1 < len(text) else None
    rules = {
        "the first token": lambda key: key == 0,
        "itself": lambda key: key == query,
        "the token before": lambda key: key == query - 1,
        "the same token": lambda key: key < query and text[key] == text[query],
        "after the same token": lambda key: key > 0 and text[key - 1] == text[query],
        "what comes next": lambda key: text[key] == following,
    }
    return [key for key in range(query + 1) if rules[name](key)]


def test_patterns_are_what_they_are_called_token_by_token():
    texts = [[7, 8, 7, 9, 7, 8, 8], [5, 5, 6], [9, 8, 9, 8, 9]]
    tokens, segment_ids = pad_sequences(texts)
    patterns = attention_patterns(tokens, segment_ids)
    assert len(patterns) == 6
    for name, table in patterns.items():
        for text, row in zip(texts, table, strict=True):
            found = [row[query].nonzero().flatten().tolist() for query in range(7)]
            right = [right_keys(name, text, query) for query in range(len(text))]
            assert found == right + [[]] * (7 - len(text)), name


def test_patterns_stay_within_a_document_of_a_packed_row():
    first, second = [7, 8, 7], [7, 9, 7]
    packed = attention_patterns(
        torch.tensor([first + second]), torch.tensor([[1, 1, 1, 2, 2, 2]])
    )
    for name, table in packed.items():
        for place, text in ((0, first), (3, second)):
            alone = attention_patterns(torch.tensor([text]))[name]
            assert torch.equal(table[:, place : place + 3, place : place + 3], alone)
        assert not table[:, 3:, :3].any()


def test_attention_on_a_pattern_is_the_mean_share_of_the_queries_that_have_one():
    weights = torch.zeros(1, 1, 2, 3, 3)
    weights[0, 0, 0] = torch.tensor([[1, 0, 0], [0.3, 0.7, 0], [0.2, 0.3, 0.5]])
    weights[0, 0, 1] = torch.tensor([[1, 0, 0], [0.5, 0.5, 0], [1 / 3, 1 / 3, 1 / 3]])
    targets = torch.tensor([[[0, 0, 0], [1, 0, 0], [1, 1, 0]]], dtype=torch.bool)
    scores = attention_on(weights, targets)
    torch.testing.assert_close(scores, torch.tensor([[0.4, 7 / 12]]))
    assert attention_by_chance(targets) == pytest.approx(7 / 12)
    with pytest.raises(ValueError, match="no query has a right key"):
        attention_on(weights, torch.zeros_like(targets))


def test_a_head_that_looks_at_all_alike_scores_chance():
    tokens, segment_ids = pad_sequences([[7, 8, 7, 9, 7, 8], [5, 6, 5]])
    time = tokens.shape[1]
    weights = torch.ones(time, time).tril() / torch.arange(1, time + 1)[:, None]
    weights = weights.expand(1, 2, 1, time, time)
    for targets in attention_patterns(tokens, segment_ids).values():
        score = attention_on(weights, targets).item()
        assert score == pytest.approx(attention_by_chance(targets, segment_ids))


def test_chance_counts_from_the_beginning_of_each_document():
    batch = packed_batch([[7, 8, 7, 9, 7, 8, 2], [5, 6, 5, 5, 2]], [[0, 1]])
    of_row = batch.segment_ids[0]
    visible = (of_row[:, None] == of_row).tril()
    weights = (visible / visible.sum(dim=-1, keepdim=True))[None, None, None]
    patterns = attention_patterns(batch.tokens, batch.segment_ids)
    for name, targets in patterns.items():
        chance = attention_by_chance(targets, batch.segment_ids)
        assert attention_on(weights, targets).item() == pytest.approx(chance), name


@pytest.mark.parametrize("preset", PRESETS)
def test_a_silenced_head_is_one_whose_columns_of_the_output_are_zero(preset):
    model, (tokens, segment_ids) = lively(PRESETS[preset]), rows("right")
    before = model(tokens, segment_ids=segment_ids)
    with without_heads(model, [(1, 0)]):
        silenced = model(tokens, segment_ids=segment_ids)
    assert torch.equal(model(tokens, segment_ids=segment_ids), before)
    with torch.no_grad():
        model.blocks[1].attention.output.weight[:, :8] = 0
    torch.testing.assert_close(model(tokens, segment_ids=segment_ids), silenced)
    assert not torch.allclose(silenced, before)


def test_silenced_heads_are_silent_while_a_text_is_written_too():
    model = GPT(PRESETS["causal"])
    assert can_decode(model)
    with without_heads(model, [(0, 0), (1, 1)]):  # a decoder knows nothing of them
        assert not can_decode(model)


def test_without_all_heads_no_token_hears_of_another():
    config = GPTConfig(**SMALL, token_shift=False)
    model, (tokens, _) = lively(config), rows(None)
    heads = [(layer, head) for layer in range(2) for head in range(2)]
    with without_heads(model, heads):
        logits = model(tokens)
        alone = [model(tokens[:, place : place + 1]) for place in range(9)]
    torch.testing.assert_close(logits, torch.cat(alone, dim=1))


def test_a_head_that_is_not_there_cannot_be_silenced():
    model = lively(PRESETS["causal"])
    for head in ((2, 0), (0, 2), (-1, 0)):
        with (
            pytest.raises(ValueError, match="there is no head"),
            without_heads(model, [head]),
        ):
            pass


# What layers know


@pytest.mark.parametrize("preset", PRESETS)
def test_the_last_layer_of_the_lens_is_the_model_to_the_bit(preset):
    model, (tokens, segment_ids) = lively(PRESETS[preset]), rows("left")
    lens = logit_lens(model, tokens, segment_ids=segment_ids)
    assert lens.shape == (3, 3, 9, 50)
    assert torch.equal(lens[-1], model(tokens, segment_ids=segment_ids))


def test_the_lens_after_a_layer_is_the_model_that_ends_there():
    model, (tokens, _) = lively(PRESETS["causal"]), rows(None)
    lens = logit_lens(model, tokens)
    for layers in (1, 0):
        model.blocks = model.blocks[:layers]
        torch.testing.assert_close(lens[layers], model(tokens))


def test_reading_the_stream_leaves_no_trace():
    model, (tokens, _) = lively(PRESETS["causal"]), rows(None)
    before = model(tokens)
    states = residual_stream(model, tokens)
    assert states.shape == (3, 1, 9, 16)
    assert not model.blocks[0]._forward_hooks
    assert not model.blocks[0]._forward_pre_hooks
    assert torch.equal(model(tokens), before)


# How tokens lie in space


def test_two_components_keep_what_lies_in_a_plane():
    flat = torch.randn(30, 2, dtype=torch.float64) * torch.tensor([3.0, 1.0])
    turned, _ = torch.linalg.qr(torch.randn(6, 6, dtype=torch.float64))
    points = flat @ turned[:2] + 5
    coordinates, shares = principal_components(points)
    torch.testing.assert_close(shares.sum(), torch.tensor(1.0, dtype=torch.float64))
    torch.testing.assert_close(
        torch.cdist(coordinates, coordinates), torch.cdist(flat, flat)
    )
    assert shares[0] > shares[1]


def test_components_are_the_eigenvectors_of_the_covariance_with_a_fixed_sign():
    points = torch.randn(20, 5, dtype=torch.float64)
    coordinates, shares = principal_components(points, 3)
    sizes = torch.linalg.eigvalsh(points.T.cov()).flip(0)
    torch.testing.assert_close(shares, sizes[:3] / sizes.sum())
    torch.testing.assert_close(coordinates.T.cov(), torch.diag(sizes[:3]))
    assert (coordinates.max(dim=0).values >= -coordinates.min(dim=0).values).all()
    with pytest.raises(ValueError, match="expected from 1 to 5"):
        principal_components(points, 6)


def test_the_nearest_neighbour_has_the_largest_cosine_and_is_another():
    vectors = torch.randn(12, 4)
    found = nearest_neighbours(vectors, 3)
    for place, neighbours in enumerate(found.tolist()):
        cosines = torch.cosine_similarity(vectors[place][None], vectors)
        others = [n for n in range(12) if n != place]
        assert neighbours == sorted(others, key=lambda n: -cosines[n])[:3]
    assert torch.equal(found, nearest_neighbours(7 * vectors, 3))
    with pytest.raises(ValueError, match="neighbours among 12"):
        nearest_neighbours(vectors, 12)
