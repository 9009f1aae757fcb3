"""A claim is printed when it is true and stops the notebook when it is not."""

import math

import numpy as np
import pytest
import torch

from llmlab.claims import ClaimError, claim


def test_a_true_claim_prints_the_same_sentence_whatever_was_measured(capsys):
    claim("The loss is at most 2.0 nats", 1.93 <= 2.0, measured=1.93)
    claim("The loss is at most 2.0 nats.", 1.21 <= 2.0, measured=1.21)
    first, second = capsys.readouterr().out.splitlines()
    assert first == second == "Checked: The loss is at most 2.0 nats."


def test_a_false_claim_raises_with_the_sentence_and_the_number_behind_it(capsys):
    with pytest.raises(ClaimError, match=r"at most 2\.0 nats\. Measured: 2\.346 nats"):
        claim(
            "The loss is at most 2.0 nats", 2.3456 <= 2.0, measured=2.3456, unit="nats"
        )
    assert capsys.readouterr().out == ""


def test_a_false_claim_without_a_number_raises_too():
    with pytest.raises(ClaimError, match=r"^This does not hold here: Order matters\.$"):
        claim("Order matters", "ab" == "ba")


def test_a_loss_that_is_not_a_number_satisfies_no_bound():
    with pytest.raises(ClaimError, match="Measured: nan"):
        claim("The loss is at most 2", math.nan <= 2, measured=math.nan)


@pytest.mark.parametrize(
    "truth", [torch.tensor([1.0, 2.0]).le(3).all(), np.float64(1.0) <= 3]
)
def test_a_comparison_of_one_element_is_a_truth_value(truth, capsys):
    claim("All are at most 3", truth)
    assert capsys.readouterr().out == "Checked: All are at most 3.\n"


@pytest.mark.parametrize(
    "number", [0.25, 1, None, torch.tensor(0.25), torch.tensor([True]), [True], "yes"]
)
def test_a_forgotten_comparison_is_noticed(number):
    with pytest.raises(TypeError, match="pass a comparison"):
        claim("The excess is small", number)
