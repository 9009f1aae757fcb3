"""Scaling laws: what small runs say about a larger one.

Over many sizes of run, what a model has still to learn falls as a power of what it was
given (Kaplan et al. 2020, "Scaling laws for neural language models", with a floor of
zero; Hoffmann et al. 2022, "Training compute-optimal large language models", with one):

    loss - floor  ~  amount ** -exponent

The floor is the entropy of the text, which no model gets below. For text from the world
it is one more unknown to be fitted, and the most uncertain of all. The village counts
its own entropy: here the floor is known. Small runs are near the other end, which is
known as well: a model that has read nothing finds all tokens equally likely. So the law
is shifted to begin there:

    loss = floor + (start - floor) * (1 + amount / unit) ** -exponent
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class PowerLaw:
    """loss = floor + (start - floor) * (1 + amount / unit) ** -exponent.

    floor : the loss of an endless run, in nats per token.
    start : the loss of a model that was given nothing.
    unit : the amount from which on it is a power law; below, little happens.
    exponent : how fast the loss falls then: a run of twice the amount leaves
        2 ** -exponent of what is above the floor.
    """

    floor: float
    start: float
    unit: float
    exponent: float

    def loss(self, amount: float) -> float:
        """The loss to expect of a run of this amount."""
        left = (1 + amount / self.unit) ** -self.exponent
        return self.floor + (self.start - self.floor) * left


def fit_power_law(
    amounts: Sequence[float], losses: Sequence[float], *, floor: float, start: float
) -> PowerLaw:
    """The power law through some runs, where both of its ends are known.

    Least squares on ln((loss - floor) / (start - floor)). For a given unit the best
    exponent is a quotient; the unit itself is found by looking ever more closely.

    amounts : what each run was given, such as tokens.
    losses : where each ended, in the unit of `floor` and `start`. The runs must be
        comparable, each with its learning rate brought down to zero.

    Raises ValueError: fewer than two different amounts, or a loss beyond either end.
    """
    finite = all(0 < amount < math.inf for amount in amounts)
    if len(set(amounts)) < 2 or len(amounts) != len(losses) or not finite:
        raise ValueError(
            f"{len(amounts)} amounts and {len(losses)} losses; expected one loss for "
            "each amount, and at least two different amounts, finite and above 0"
        )
    if not all(floor < loss < start for loss in losses):
        raise ValueError(
            f"losses from {min(losses)} to {max(losses)} are not all between the floor "
            f"of {floor} and the start of {start}; a run that ends below the floor is "
            "cheating, and one above the start is broken"
        )
    given = torch.tensor(amounts, dtype=torch.float64)
    left = (torch.tensor(losses, dtype=torch.float64) - floor) / (start - floor)
    low, high = given.min().log() - 10, given.max().log() + 10
    for _ in range(40):
        units = torch.linspace(low, high, 21, dtype=torch.float64).exp()
        x = (given / units[:, None]).log1p()  # (units, runs)
        exponents = -(x @ left.log()) / x.square().sum(dim=1)
        errors = (left.log() + exponents[:, None] * x).square().sum(dim=1)
        best = int(errors.argmin())
        low, high = units[max(best - 1, 0)].log(), units[min(best + 1, 20)].log()
    return PowerLaw(floor, start, units[best].item(), exponents[best].item())
