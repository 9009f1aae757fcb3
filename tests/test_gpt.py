import math

import pytest
import torch
import torch.nn.functional as F

from llmlab.batching import next_token_batch, pack, packed_batch, pad_sequences
from llmlab.cache import Cache
from llmlab.gpt import (
    GPT,
    GPTConfig,
    SelfAttention,
    attention,
    only_right_padded,
    positions_in_segments,
)

SMALL = dict(vocab_size=50, context=24, layers=2, heads=2, width=16)
PRESETS = {
    "modern": GPTConfig(**SMALL),
    "bidirectional": GPTConfig(**SMALL, causal=False),
    "gpt2": GPTConfig.gpt2(**SMALL),
}


@pytest.fixture(params=["modern", "gpt2"])
def model(request):
    return lively(PRESETS[request.param])


def lively(config) -> GPT:
    """A float64 model whose every weight matters (fresh ones have zero outputs)."""
    model = GPT(config).double()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.add_(0.2 * noise.double())
    return model


def random_tokens(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(6, 50, shape, generator=generator)


@pytest.mark.parametrize("causal", [True, False])
def test_attention_is_the_textbook_loop(causal):
    torch.manual_seed(0)
    queries, keys, values = torch.randn(3, 2, 3, 5, 4, dtype=torch.float64)
    expected = torch.zeros_like(queries)
    for b in range(2):
        for h in range(3):
            for t in range(5):
                seen = range(t + 1) if causal else range(5)
                scores = [queries[b, h, t] @ keys[b, h, s] / 4**0.5 for s in seen]
                weights = torch.stack(scores).softmax(0)
                for weight, s in zip(weights, seen, strict=True):
                    expected[b, h, t] += weight * values[b, h, s]
    torch.testing.assert_close(attention(queries, keys, values, None, causal), expected)


@pytest.mark.parametrize("token_values", [True, False])
def test_values_carry_the_token_itself(token_values):
    """With all three projections at zero, attention is even and the values are nothing
    but the learned share of the tokens' own vectors: each output is their mean."""
    config = GPTConfig(**SMALL, token_values=token_values)
    layer = SelfAttention(config).double()
    share = torch.linspace(-1, 2, config.width, dtype=torch.float64)
    with torch.no_grad():
        layer.query_key_value.weight.zero_()
        layer.output.weight.copy_(torch.eye(config.width))
        if token_values:
            layer.token_share.copy_(share)
    x, token_vectors = torch.randn(2, 1, 6, config.width, dtype=torch.float64)
    found = layer(x, token_vectors, None, None, None, 0)
    for time in range(6):
        mean = token_vectors[0, : time + 1].mean(dim=0)
        expected = share * mean if token_values else torch.zeros_like(mean)
        torch.testing.assert_close(found[0, time], expected)


def test_the_future_never_changes_the_past(model):
    tokens = random_tokens(1, 12)
    before = model(tokens)
    for changed in range(12):
        other = tokens.clone()
        other[0, changed] = (other[0, changed] + 7) % 44 + 6
        after = model(other)
        assert torch.equal(before[:, :changed], after[:, :changed])
        assert not torch.allclose(before[:, changed:], after[:, changed:])


def test_a_bidirectional_model_sees_both_sides():
    model = lively(PRESETS["bidirectional"])
    tokens = random_tokens(1, 8)
    other = tokens.clone()
    other[0, 7] = 6 if tokens[0, 7] != 6 else 7
    assert not torch.allclose(model(tokens)[:, 0], model(other)[:, 0])


@pytest.mark.parametrize("split", [1, 5, 11])
def test_a_cache_gives_the_logits_of_the_full_pass(model, split):
    tokens = random_tokens(2, 12)
    cache = Cache(model.config, 2, 12)
    cache.keys, cache.values = cache.keys.double(), cache.values.double()
    pieces = [model(tokens[:, :split], cache=cache)]
    for t in range(split, 12):
        pieces.append(model(tokens[:, t : t + 1], cache=cache))
    torch.testing.assert_close(torch.cat(pieces, dim=1), model(tokens))


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_on_either_side_changes_nothing(preset, side):
    model = lively(PRESETS[preset])
    sequences = [random_tokens(n, seed=n).tolist() for n in (3, 9, 5)]
    tokens, segment_ids = pad_sequences(sequences, side=side)
    logits = model(tokens, segment_ids=segment_ids)
    for row, sequence in enumerate(sequences):
        alone = model(torch.tensor([sequence]))[0]
        torch.testing.assert_close(logits[row][segment_ids[row] == 1], alone)


def test_left_padding_through_the_cache_changes_nothing(model):
    sequences = [random_tokens(n, seed=n).tolist() for n in (4, 9)]
    tokens, segment_ids = pad_sequences([s[:-3] for s in sequences], side="left")
    cache = Cache(model.config, 2, 9)
    cache.keys, cache.values = cache.keys.double(), cache.values.double()
    logits = [model(tokens, segment_ids=segment_ids, cache=cache)[:, -1]]
    for offset in (-3, -2):
        column = torch.tensor([[s[offset]] for s in sequences])
        logits.append(model(column, cache=cache)[:, -1])
    for row, sequence in enumerate(sequences):
        alone = model(torch.tensor([sequence]))[0, -4:-1]
        cached = torch.stack([step[row] for step in logits])
        torch.testing.assert_close(cached, alone)


@pytest.mark.parametrize(
    "segment_ids", [[[1, 1, 0]], [[0, 1, 0]], [[1, 2, 2]]], ids=str
)
def test_a_cache_refuses_what_it_would_misread(model, segment_ids):
    cache = Cache(model.config, 1, 6)
    with pytest.raises(ValueError, match="padding to its left only"):
        model(random_tokens(1, 3), segment_ids=torch.tensor(segment_ids), cache=cache)


def test_a_cache_refuses_padding_behind_what_it_has_read(model):
    model = model.float()
    cache = Cache(model.config, 2, 6)
    prompts = torch.tensor([[0, 1], [0, 0]])
    model(random_tokens(2, 2), segment_ids=prompts, cache=cache)
    more = torch.tensor([[1], [0]])  # the second row has not begun yet
    model(random_tokens(2, 1), segment_ids=more, cache=cache)
    with pytest.raises(ValueError, match="padding to its left only"):
        model(random_tokens(2, 1), segment_ids=torch.tensor([[0], [1]]), cache=cache)


@pytest.mark.parametrize("preset", PRESETS)
def test_packed_documents_do_not_see_each_other(preset):
    model = lively(PRESETS[preset])
    sequences = [random_tokens(n, seed=n).tolist() for n in (4, 9, 6, 3, 7)]
    rows = pack([len(s) - 1 for s in sequences], 16)
    batch = packed_batch(sequences, rows)
    assert len(rows) < len(sequences)
    logits = model(batch.tokens, segment_ids=batch.segment_ids)
    for row, members in enumerate(rows):
        for number, index in enumerate(members, start=1):
            alone = model(torch.tensor([sequences[index][:-1]]))[0]
            here = batch.segment_ids[row] == number
            torch.testing.assert_close(logits[row][here], alone)


def test_without_segments_packed_documents_would_see_each_other(model):
    sequences = [random_tokens(n, seed=n).tolist() for n in (6, 6)]
    batch = packed_batch(sequences, [[0, 1]])
    alone = model(torch.tensor([sequences[1][:-1]]))[0]
    assert not torch.allclose(model(batch.tokens)[0, 5:], alone)


def test_positions_restart_in_every_segment():
    segment_ids = torch.tensor([[1, 1, 1, 2, 2, 0], [0, 0, 1, 1, 2, 2]])
    assert positions_in_segments(segment_ids).tolist() == [
        [0, 1, 2, 0, 1, 0],
        [0, 1, 0, 1, 0, 1],
    ]


def test_a_new_model_knows_nothing():
    model = GPT(GPTConfig())
    batch = next_token_batch([random_tokens(65, seed=s).tolist() for s in range(8)])
    loss = F.cross_entropy(model(batch.tokens).flatten(0, 1), batch.targets.flatten())
    assert abs(loss.item() - math.log(model.config.vocab_size)) < 0.1


def test_the_same_seed_gives_the_same_model():
    weights = [GPT(PRESETS["modern"], seed=s).embedding.weight for s in (3, 3, 4)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_the_default_model_has_one_to_three_million_parameters():
    assert 1e6 <= GPT(GPTConfig()).number_of_parameters() <= 3e6


def test_layers_of_gpt2_that_write_start_smaller_the_deeper_the_model():
    model = GPT(GPTConfig.gpt2(**(SMALL | {"layers": 8, "width": 64})))
    writing = [p for n, p in model.named_parameters() if n.endswith("output.weight")]
    assert len(writing) == 2 * 8
    for weights in writing:
        assert weights.std().item() == pytest.approx(0.02 / (2 * 8) ** 0.5, rel=0.1)


# Bad input ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"width": 30, "heads": 4}, "cannot be divided among 4 heads"),
        ({"layers": 0}, "layers is 0"),
        ({"norm": "batchnorm"}, "choose one of"),
        ({"width": 6, "heads": 2}, "rotary positions turn pairs"),
    ],
)
def test_an_impossible_shape_is_named(changes, message):
    with pytest.raises(ValueError, match=message):
        GPTConfig(**(SMALL | changes))


def test_text_longer_than_the_context_is_refused(model):
    with pytest.raises(ValueError, match="do not fit the context of 24"):
        model(random_tokens(1, 25))
    segment_ids = torch.ones(1, 25, dtype=torch.int64)
    with pytest.raises(ValueError, match="does not fit the context of 24"):
        model(random_tokens(1, 25), segment_ids=segment_ids)


def test_text_may_fill_the_context_to_the_last_position(model):
    assert model(torch.ones(1, 24, dtype=torch.int64)).shape == (1, 24, 50)


@pytest.mark.parametrize("token", [-1, 50])
def test_a_token_of_another_tokenizer_is_named(model, token):
    model(torch.tensor([[0, 49]]))
    with pytest.raises(ValueError, match=f"no token {token} in a vocabulary of 50"):
        model(torch.tensor([[0, token]]))


def test_a_packed_row_may_be_longer_than_the_context(model):
    batch = packed_batch([random_tokens(20).tolist()] * 2, [[0, 1]])
    logits = model(batch.tokens, segment_ids=batch.segment_ids)
    torch.testing.assert_close(logits[0, :19], logits[0, 19:])


def test_empty_tokens_are_refused(model):
    with pytest.raises(ValueError, match="at least one row and one position"):
        model(torch.zeros(2, 0, dtype=torch.int64))


def test_a_bidirectional_model_refuses_a_cache():
    model = GPT(PRESETS["bidirectional"])
    with pytest.raises(ValueError, match="cannot use a cache"):
        model(random_tokens(1, 3), cache=Cache(model.config, 1, 5))


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([[1, 1, 1], [1, 1, 0]], True),
        ([[1, 1, 0], [2, 0, 0]], True),
        ([[1, 1, 1], [0, 1, 1]], False),  # padding on the left
        ([[1, 2, 2]], False),  # two documents
        ([[2, 2, 1]], False),  # in whatever order they are numbered
        ([[1, 0, 1]], False),
    ],
)
def test_a_mask_is_left_out_only_where_nothing_but_padding_follows(rows, expected):
    assert only_right_padded(torch.tensor(rows)) == expected
