"""Scaling laws: what small runs say about a larger one.

Over many sizes of run, what a model has still to learn falls as a power of what it was
given (Kaplan et al. 2020, "Scaling laws for neural language models"; Hoffmann et al.
2022, "Training compute-optimal large language models"):

    loss = floor + scale / amount ** exponent

The floor is the entropy of the text, which no model gets below. For text from the world
it is one more unknown to be fitted, and the most uncertain of all. The village counts
its own entropy: here the floor is known, and a straight line in logarithms is all that
remains to be fitted.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from llmlab.gpt import GPT


@dataclass(frozen=True)
class PowerLaw:
    """loss = floor + scale / amount ** exponent.

    Parameters
    ----------
    floor : the loss of an endless run, in nats per token.
    scale : what a run of amount 1 would have above the floor.
    exponent : how fast the rest falls: a run of twice the amount leaves
        2 ** -exponent of it.
    """

    floor: float
    scale: float
    exponent: float

    def loss(self, amount: float) -> float:
        """The loss to expect of a run of this amount."""
        return self.floor + self.scale * amount**-self.exponent


def fit_power_law(
    amounts: Sequence[float], losses: Sequence[float], *, floor: float
) -> PowerLaw:
    """The power law through some runs, where the floor is known.

    Least squares on a straight line: ln(loss - floor) = ln(scale) - exponent ln(amount)

    Parameters
    ----------
    amounts : what each run was given, such as floating-point operations.
    losses : where each ended, in the unit of `floor`. The runs must be comparable, each
        with its learning rate brought down to zero.

    Raises
    ------
    ValueError : fewer than two different amounts, or a loss at or below the floor.
    """
    if len(set(amounts)) < 2 or len(amounts) != len(losses) or min(amounts) <= 0:
        raise ValueError(
            f"{len(amounts)} amounts and {len(losses)} losses; expected one loss for "
            "each amount, and at least two different amounts above 0"
        )
    if min(losses) <= floor:
        raise ValueError(
            f"a loss of {min(losses)} is not above the floor of {floor}; a run that "
            "ends there is either perfect or cheating"
        )
    x = torch.tensor(amounts, dtype=torch.float64).log()
    y = (torch.tensor(losses, dtype=torch.float64) - floor).log()
    centred = x - x.mean()
    slope = (centred @ y / (centred @ centred)).item()
    return PowerLaw(floor, math.exp(y.mean().item() - slope * x.mean().item()), -slope)


def training_operations(model: GPT, tokens: int) -> int:
    """Floating-point operations of a training run, by the rule of thumb 6 N D.

    Kaplan et al. 2020, section 2.1: each number of a matrix takes part in one
    multiplication and one addition for every token that is read, and the backward pass
    costs twice that. N counts the matrices that tokens are multiplied with: the blocks
    and the output table. The table of embeddings is only looked up.

    What is left out is attention's own products, which grow with the length of a
    document; `accounting.training_flops` has them too.
    """
    looked_up = {"position_embedding.weight"}
    if not model.config.tied:
        looked_up.add("embedding.weight")
    matrices = sum(
        parameter.numel()
        for name, parameter in model.named_parameters()
        if parameter.ndim == 2 and name not in looked_up
    )
    return 6 * matrices * tokens
