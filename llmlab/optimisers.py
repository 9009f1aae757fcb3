"""The optimisers: Muon for the matrices inside the network, AdamW for the rest."""

import math

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from llmlab.sharding import placed, whole


class Muon(Optimizer):
    """Momentum, made orthogonal: for matrices inside the network.

    The momentum of a weight matrix is dominated by a few directions. Muon replaces it
    by the nearest matrix whose singular values are all one, so that rare directions
    learn as fast as common ones (Jordan et al. 2024).

    parameters : matrices of shape (out, in), or several stacked, (blocks * out, in).
    lr : size of an update; its root mean square is lr * 0.2, as an AdamW update's is
        (Liu et al. 2025, "Muon is scalable").
    momentum : share of the past kept; Nesterov's form.
    weight_decay : pull towards zero, in units of lr.
    """

    def __init__(self, parameters, lr, momentum=0.95, weight_decay=0.0):
        super().__init__(
            parameters, dict(lr=lr, momentum=momentum, weight_decay=weight_decay)
        )
        for group in self.param_groups:
            group["initial_lr"] = group["lr"]

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            # Matrices of one shape are orthogonalised together: one product of a
            # stack is faster than many small products.
            by_shape: dict[torch.Size, list[Tensor]] = {}
            for parameter in group["params"]:
                if parameter.grad is not None:
                    by_shape.setdefault(parameter.shape, []).append(parameter)
            for parameters in by_shape.values():
                self._update(parameters, group)

    def _update(self, parameters: list[Tensor], group: dict) -> None:
        ahead = torch.stack(
            [whole(self._nesterov(p, group["momentum"])) for p in parameters]
        )
        size = group["lr"] * 0.2 * math.sqrt(max(ahead.shape[1:]))
        for parameter, update in zip(parameters, orthogonalise(ahead), strict=True):
            parameter.mul_(1 - group["lr"] * group["weight_decay"])
            parameter.sub_(placed(update, parameter), alpha=size)

    def _nesterov(self, parameter: Tensor, share: float) -> Tensor:
        """The momentum as it will be after one more gradient like this one."""
        state = self.state[parameter]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(parameter)
        momentum = state["momentum"].lerp_(parameter.grad, 1 - share)
        return parameter.grad.lerp(momentum, share)


def orthogonalise(matrices: Tensor, iterations: int = 5) -> Tensor:
    """Matrices with their singular values pushed to about one: (…, out, in).

    For matrix = U S Vᵀ, roughly U Vᵀ. A quintic Newton-Schulz iteration,
    X <- (a + b G + c G²) X with G = X Xᵀ, which needs nothing but matrix products; its
    coefficients (Jordan et al. 2024) trade exactness (values end between 0.7 and 1.2)
    for speed. Since every factor is a polynomial in the first G, the factors are
    multiplied with each other, all small squares, and only their product with X.
    """
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = matrices.mT if tall else matrices  # the squares are then smaller
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    gram = x @ x.mT
    product = factor = _quintic_factor(gram)
    for _ in range(iterations - 1):
        gram = factor @ gram @ factor
        factor = _quintic_factor(gram)
        product = factor @ product
    x = product @ x
    return x.mT if tall else x


def _quintic_factor(gram: Tensor) -> Tensor:
    """a + b G + c G², in as few passes over memory as possible."""
    factor = (gram @ gram).mul_(2.0315).sub_(gram, alpha=4.7750)
    factor.diagonal(dim1=-2, dim2=-1).add_(3.4445)
    return factor


def adamw(
    module: nn.Module,
    learning_rate: float,
    *,
    betas: tuple[float, float] = (0.9, 0.95),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
) -> dict[str, Optimizer]:
    """AdamW (Loshchilov and Hutter 2019) for every parameter."""
    parameters = list(module.parameters())
    return {"adamw": _adamw(parameters, learning_rate, betas, eps, weight_decay)}


def muon_and_adamw(
    module: nn.Module,
    *,
    matrix_rate: float = 0.0035,
    other_rate: float = 0.01,
    weight_decay: float = 0.0,
) -> dict[str, Optimizer]:
    """Muon for the matrices of the blocks; AdamW for the tables of tokens and the rest.

    A rare token's row has a gradient once in many steps only. So the mean of squared
    gradients is taken over a hundred steps (0.99): over twenty (0.95, as for GPT-3) it
    would be nearly forgotten by the next time, and the row would jump.
    """
    matrices, others = [], []
    for name, parameter in module.named_parameters():
        is_matrix = "blocks." in name and parameter.ndim == 2
        (matrices if is_matrix else others).append(parameter)
    return {
        "muon": Muon(matrices, matrix_rate, weight_decay=weight_decay),
        "adamw": _adamw(others, other_rate, (0.9, 0.99), 1e-8, 0.0),
    }


def _adamw(parameters, learning_rate, betas, eps, weight_decay) -> Optimizer:
    optimizer = torch.optim.AdamW(
        parameters, learning_rate, betas, eps, weight_decay, fused=True
    )
    for group in optimizer.param_groups:
        group["initial_lr"] = learning_rate
    return optimizer
