"""Each formula of what a model costs, held against a real model."""

import itertools

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from llmlab.accounting import (
    activation_bytes,
    cache_bytes,
    forward_flops,
    measured_activation_bytes,
    measured_cache_bytes,
    measured_flops,
    measured_optimiser_bytes,
    parameter_counts,
    training_bytes,
    training_flops,
)
from llmlab.cache import Cache
from llmlab.gpt import GPT, GPTConfig
from llmlab.optimisers import muon_and_adamw
from llmlab.pretraining import cross_entropy
from llmlab.training import apply_gradients

SIZES = dict(vocab_size=50, context=32, layers=3, heads=2, width=24)
BATCH, TIME = 3, 10
SWITCHES = {
    "norm": ("rmsnorm", "layernorm"),
    "positions": ("rotary", "learned"),
    "activation": ("squared_relu", "gelu"),
    "causal": (True, False),
    "qk_norm": (True, False),
    "token_shift": (True, False),
    "token_values": (True, False),
    "bias": (True, False),
    "tied": (True, False),
}
PRESETS = {
    "modern": GPTConfig(**SIZES),
    "gpt2": GPTConfig.gpt2(**SIZES),
    "bidirectional": GPTConfig(**SIZES, causal=False),
}
PUBLISHED = {
    "small": (dict(layers=12, heads=12, width=768), 124_439_808),
    "medium": (dict(layers=24, heads=16, width=1024), 354_823_168),
    "large": (dict(layers=36, heads=20, width=1280), 774_030_080),
    "xl": (dict(layers=48, heads=25, width=1600), 1_557_611_200),
}


def every_kind():
    for choice in itertools.product(*SWITCHES.values()):
        yield GPTConfig(**SIZES, **dict(zip(SWITCHES, choice, strict=True)))


def loss_of(model, time=TIME):
    tokens, targets = torch.randint(0, 50, (2, BATCH, time))
    return cross_entropy(model(tokens), targets)


def part_of(name):
    if name.startswith("embedding"):
        return "token table"
    if name.startswith("position_embedding"):
        return "position table"
    if name == "token_shift":
        return "token shift"
    if name.startswith("output"):
        return "output table"
    if "norm" in name:
        return "norms"
    return "feed-forward" if "feed_forward" in name else "attention"


def test_parameters_are_counted_exactly_in_every_part_of_every_kind_of_model():
    for config in every_kind():
        counted = dict.fromkeys(parameter_counts(config), 0)
        for name, parameter in GPT(config).named_parameters():
            counted[part_of(name)] += parameter.numel()
        assert parameter_counts(config) == counted, config


@pytest.mark.parametrize("size", PUBLISHED)
def test_the_gpt2_preset_has_as_many_parameters_as_the_published_models(size):
    shape, published = PUBLISHED[size]
    assert sum(parameter_counts(GPTConfig.gpt2(**shape)).values()) == published


@pytest.mark.parametrize("preset", PRESETS)
def test_operations_of_a_forward_pass_are_counted_exactly(preset):
    config = PRESETS[preset]
    model, tokens = GPT(config), torch.randint(0, 50, (BATCH, TIME))
    expected = forward_flops(config, batch=BATCH, time=TIME)
    assert measured_flops(lambda: model(tokens)) == sum(expected.values())


@pytest.mark.parametrize("preset", PRESETS)
def test_training_takes_exactly_three_times_as_many(preset):
    config = PRESETS[preset]
    model = GPT(config)
    expected = training_flops(config, batch=BATCH, time=TIME)
    measured = measured_flops(lambda: loss_of(model).backward())
    assert measured == sum(expected.values())


def test_activations_are_counted_to_the_byte_in_every_kind_of_model():
    for config in every_kind():
        model = GPT(config)
        expected = activation_bytes(config, batch=BATCH, time=TIME)
        measured = measured_activation_bytes(model, lambda m=model: loss_of(m))
        assert measured == sum(expected.values()), config


@pytest.mark.parametrize("preset", PRESETS)
def test_only_without_the_fused_kernel_memory_grows_with_the_square_of_time(preset):
    config = PRESETS[preset]
    model = GPT(config)

    def bend(kernel):
        """How far a curve through three points bends: zero for a line."""
        with sdpa_kernel(kernel):
            short, middle, long = (
                measured_activation_bytes(model, lambda t=t: loss_of(model, t))
                for t in (10, 20, 30)
            )
        return long - 2 * middle + short

    assert bend(SDPBackend.FLASH_ATTENTION) == 0
    weights_of = {t: config.layers * BATCH * config.heads * t**2 for t in (10, 20, 30)}
    bend_of_weights = 4 * (weights_of[30] - 2 * weights_of[20] + weights_of[10])
    assert bend(SDPBackend.MATH) >= bend_of_weights


@pytest.mark.parametrize("preset", PRESETS)
def test_weights_gradients_and_optimiser_take_the_memory_that_was_predicted(preset):
    config = PRESETS[preset]
    model = GPT(config)
    optimizers = muon_and_adamw(model)
    apply_gradients(loss_of(model), model, optimizers.values())
    expected = training_bytes(config, batch=BATCH, time=TIME)
    parameters = list(model.parameters())
    assert expected["weights"] == sum(p.nbytes for p in parameters)
    assert expected["gradients"] == sum(p.grad.nbytes for p in parameters)
    # AdamW counts its steps in one number for each tensor.
    counters = 4 * len(optimizers["adamw"].state)
    measured = measured_optimiser_bytes(optimizers.values())
    assert measured == expected["optimiser"] + counters


@pytest.mark.parametrize("preset", ["modern", "gpt2"])
def test_a_cache_takes_the_memory_that_was_predicted(preset):
    config = PRESETS[preset]
    cache = Cache(config, BATCH, TIME)
    assert measured_cache_bytes(cache) == cache_bytes(config, batch=BATCH, time=TIME)
