"""A scaling law finds planted constants again and says what a larger run will do."""

import math

import pytest
import torch

from llmlab.scaling import PowerLaw, fit_power_law

PLANTED = PowerLaw(floor=0.7, start=7.8, unit=9e3, exponent=0.32)
AMOUNTS = [4e4, 6e4, 8e4, 1.2e5]
LARGER = 4 * AMOUNTS[-1]


def fit(losses, floor=PLANTED.floor):
    return fit_power_law(AMOUNTS, losses, floor=floor, start=PLANTED.start)


@pytest.mark.parametrize(("unit", "exponent"), [(9e3, 0.32), (1e6, 2.0), (30.0, 0.05)])
def test_planted_constants_are_found_again(unit, exponent):
    planted = PowerLaw(0.7, 7.8, unit, exponent)
    law = fit([planted.loss(amount) for amount in AMOUNTS])
    assert (law.floor, law.start) == (0.7, 7.8)
    assert law.unit == pytest.approx(unit, rel=1e-5)
    assert law.exponent == pytest.approx(exponent, rel=1e-6)


def test_a_law_begins_at_its_start_and_is_a_plain_power_far_beyond_its_unit():
    assert PLANTED.loss(0) == pytest.approx(7.8)
    above = [PLANTED.loss(amount) - 0.7 for amount in (1e12, 2e12)]
    assert above[1] / above[0] == pytest.approx(2**-0.32)
    assert PowerLaw(floor=1.0, start=5.0, unit=3.0, exponent=0.5).loss(9.0) == 3.0


def test_a_run_four_times_larger_is_predicted_within_two_per_cent_despite_noise():
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        noise = (0.002 * torch.randn(len(AMOUNTS), generator=generator)).tolist()
        losses = [
            PLANTED.floor + (PLANTED.loss(amount) - PLANTED.floor) * math.exp(error)
            for amount, error in zip(AMOUNTS, noise, strict=True)
        ]
        assert fit(losses).loss(LARGER) == pytest.approx(PLANTED.loss(LARGER), rel=0.02)


def test_a_wrong_floor_predicts_a_much_larger_run_wrongly():
    losses = [PLANTED.loss(amount) for amount in AMOUNTS]
    for floor in (0.0, 1.5):
        predicted = fit(losses, floor=floor).loss(16 * LARGER)
        assert abs(predicted / PLANTED.loss(16 * LARGER) - 1) > 0.02


def test_no_law_beside_the_fitted_one_is_nearer_to_scattered_losses():
    losses = [4.9, 4.4, 4.3, 3.7]
    law = fit(losses)

    def distance(unit, exponent):
        other = PowerLaw(law.floor, law.start, unit, exponent)
        return sum(
            (math.log(other.loss(amount) - 0.7) - math.log(loss - 0.7)) ** 2
            for amount, loss in zip(AMOUNTS, losses, strict=True)
        )

    least = distance(law.unit, law.exponent)
    for factor in (0.98, 1.02):
        assert distance(law.unit * factor, law.exponent) > least
        assert distance(law.unit, law.exponent * factor) > least


@pytest.mark.parametrize(
    ("amounts", "losses", "complaint"),
    [
        ([1.0], [2.0], "two different amounts"),
        ([1.0, 1.0], [2.0, 2.1], "two different amounts"),
        ([1.0, 2.0], [2.0], "one loss for each amount"),
        ([0.0, 2.0], [2.0, 1.0], "above 0"),
        ([1.0, math.nan], [2.0, 1.0], "finite"),
        ([1.0, 2.0], [2.0, 0.7], "not all between the floor"),
        ([1.0, 2.0], [8.0, 1.0], "not all between the floor"),
        ([1.0, 2.0, 3.0], [2.0, math.nan, 1.0], "not all between the floor"),
    ],
)
def test_runs_that_no_law_fits_are_refused(amounts, losses, complaint):
    with pytest.raises(ValueError, match=complaint):
        fit_power_law(amounts, losses, floor=0.7, start=7.8)
