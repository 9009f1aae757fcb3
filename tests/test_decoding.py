from copy import deepcopy

import pytest
import torch
from tabular import TabularPolicy

from llmlab import gpt
from llmlab.batching import pad_sequences
from llmlab.cache import Cache
from llmlab.decoding import Decoder, can_decode
from llmlab.exact import World
from llmlab.gpt import GPT, GPTConfig

SMALL = dict(vocab_size=50, context=24, layers=2, heads=2, width=16)


@pytest.fixture(params=[False, True], ids=["untied", "tied"])
def model(request):
    """A float64 model whose every weight matters (fresh ones have zero outputs)."""
    model = GPT(GPTConfig(**SMALL, tied=request.param)).double()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.add_(0.2 * noise.double())
    return model


def prompts_read(model, lengths):
    """A cache that has read prompts of these lengths."""
    generator = torch.Generator().manual_seed(2)
    prompts = [
        torch.randint(6, 50, (n,), generator=generator).tolist() for n in lengths
    ]
    tokens, segment_ids = pad_sequences(prompts, side="left")
    cache = Cache(model.config, len(lengths), 24)
    cache.keys, cache.values = cache.keys.double(), cache.values.double()
    model.hidden_states(tokens, segment_ids=segment_ids, cache=cache)
    return cache


@torch.no_grad()
@pytest.mark.parametrize("lengths", [(5,), (5, 5, 5), (1, 9, 4)], ids=str)
def test_a_decoder_computes_what_the_model_does(model, lengths):
    cache = prompts_read(model, lengths)
    expected_cache = deepcopy(cache)
    decoder = Decoder(model, cache)
    for step in range(8):
        if step == 5 and len(lengths) > 1:  # a row in the middle has finished
            finished = torch.arange(len(lengths)) == 1
            cache.drop_rows(finished)
            expected_cache.drop_rows(finished)
        tokens = torch.arange(len(cache.last))[:, None] + 7 * step % 40
        expected = model(tokens, cache=expected_cache)[:, -1]
        torch.testing.assert_close(decoder.read(tokens), expected)
        assert cache.time == expected_cache.time
    torch.testing.assert_close(cache.keys, expected_cache.keys)
    torch.testing.assert_close(cache.values, expected_cache.values)
    torch.testing.assert_close(cache.last, expected_cache.last)


@torch.no_grad()
def test_a_vector_of_zeros_stays_zero(model):
    """An experiment may put out a head: then its queries and keys are zeros."""
    for block in model.blocks:
        block.attention.query_key_value.weight.zero_()
    cache = prompts_read(model, (4,))
    expected = model(torch.tensor([[7]]), cache=deepcopy(cache))[:, -1]
    found = Decoder(model, cache).read(torch.tensor([[7]]))
    torch.testing.assert_close(found, expected)


@torch.no_grad()
def test_an_attention_that_was_plugged_in_is_used(model, monkeypatch):
    cache = prompts_read(model, (4,))
    ordinary = Decoder(model, deepcopy(cache)).read(torch.tensor([[7]]))
    monkeypatch.setattr(
        gpt,
        "attention",
        lambda queries, keys, values, mask, causal: values.sum(-2, True),
    )
    assert not torch.allclose(ordinary, Decoder(model, cache).read(torch.tensor([[7]])))


def test_only_models_that_a_decoder_knows_are_decoded(model):
    assert can_decode(model)
    assert can_decode(GPT(GPTConfig()))
    assert not can_decode(GPT(GPTConfig.gpt2(**SMALL)))
    for choice in ("qk_norm", "token_shift", "token_values"):
        assert not can_decode(GPT(GPTConfig(**SMALL, **{choice: False})))


def test_a_model_with_foreign_parts_or_hooks_is_not_decoded(model):
    handle = model.blocks[0].register_forward_hook(lambda *_: None)
    assert not can_decode(model)
    handle.remove()
    assert can_decode(model)
    model.blocks[1].feed_forward = torch.nn.Identity()
    assert not can_decode(model)


def test_a_table_that_plays_a_model_is_not_decoded():
    world = World()
    table = torch.zeros(world.state_count, world.vocab_size)
    assert not can_decode(TabularPolicy(world, table))
