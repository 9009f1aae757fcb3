"""A scaling law finds planted constants again and says what a larger run will do."""

import math

import pytest
import torch

from llmlab.accounting import training_flops
from llmlab.gpt import GPT, GPTConfig
from llmlab.scaling import PowerLaw, fit_power_law, training_operations

PLANTED = PowerLaw(floor=0.7, scale=100.0, exponent=0.35)
AMOUNTS = [1e5, 2e5, 4e5, 9e5]


def test_planted_constants_are_found_again():
    losses = [PLANTED.loss(amount) for amount in AMOUNTS]
    law = fit_power_law(AMOUNTS, losses, floor=0.7)
    assert law.floor == 0.7
    assert law.scale == pytest.approx(PLANTED.scale, rel=1e-9)
    assert law.exponent == pytest.approx(PLANTED.exponent, rel=1e-12)


def test_twice_the_amount_leaves_a_known_share_above_the_floor():
    law = PowerLaw(floor=0.5, scale=3.0, exponent=1.0)
    assert law.loss(1) == 3.5 and law.loss(2) == 2.0
    assert PowerLaw(0.0, 1.0, 0.5).loss(4) == 0.5


def test_a_run_four_times_larger_is_predicted_within_two_per_cent_despite_noise():
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        noise = 0.005 * torch.randn(len(AMOUNTS), generator=generator)
        losses = [
            PLANTED.floor + (PLANTED.loss(amount) - PLANTED.floor) * math.exp(error)
            for amount, error in zip(AMOUNTS, noise.tolist(), strict=True)
        ]
        law = fit_power_law(AMOUNTS, losses, floor=0.7)
        larger = 4 * AMOUNTS[-1]
        assert law.loss(larger) == pytest.approx(PLANTED.loss(larger), rel=0.02)


def test_a_wrong_floor_predicts_the_larger_run_wrongly():
    losses = [PLANTED.loss(amount) for amount in AMOUNTS]
    larger = 16 * AMOUNTS[-1]
    for floor in (0.0, 1.5):
        law = fit_power_law(AMOUNTS, losses, floor=floor)
        assert abs(law.loss(larger) / PLANTED.loss(larger) - 1) > 0.02


def test_the_fit_is_the_line_of_least_squares():
    """No other line comes nearer to the logarithms of scattered losses."""
    losses = [9.0, 7.0, 6.5, 4.0]
    law = fit_power_law(AMOUNTS, losses, floor=0.7)

    def distance(scale, exponent):
        other = PowerLaw(0.7, scale, exponent)
        return sum(
            (math.log(other.loss(amount) - 0.7) - math.log(loss - 0.7)) ** 2
            for amount, loss in zip(AMOUNTS, losses, strict=True)
        )

    least = distance(law.scale, law.exponent)
    for factor in (0.99, 1.01):
        assert distance(law.scale * factor, law.exponent) > least
        assert distance(law.scale, law.exponent * factor) > least


@pytest.mark.parametrize(
    "changes", [{}, {"tied": True}, {"layers": 3, "width": 48}, {"heads": 2}]
)
def test_operations_are_those_of_all_matrix_products_but_attentions_own(changes):
    config = GPTConfig(**({"vocab_size": 300, "layers": 2, "width": 32} | changes))
    counted = training_flops(config, batch=5, time=40)
    expected = sum(counted.values()) - counted["scores and means"]
    assert training_operations(GPT(config), tokens=5 * 40) == expected


def test_the_table_of_learned_positions_is_looked_up_too():
    config = GPTConfig.gpt2(vocab_size=300, context=64, layers=1, heads=2, width=32)
    counted = training_flops(config, batch=1, time=64)
    expected = sum(counted.values()) - counted["scores and means"]
    assert training_operations(GPT(config), tokens=64) == expected


@pytest.mark.parametrize(
    ("amounts", "losses", "complaint"),
    [
        ([1.0], [2.0], "two different amounts"),
        ([1.0, 1.0], [2.0, 2.1], "two different amounts"),
        ([1.0, 2.0], [2.0], "one loss for each amount"),
        ([0.0, 2.0], [2.0, 1.0], "above 0"),
        ([1.0, 2.0], [2.0, 0.7], "not above the floor"),
    ],
)
def test_runs_that_no_law_fits_are_refused(amounts, losses, complaint):
    with pytest.raises(ValueError, match=complaint):
        fit_power_law(amounts, losses, floor=0.7)
