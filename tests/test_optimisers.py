import math

import pytest
import torch
from torch import nn

from llmlab.gpt import GPT, GPTConfig
from llmlab.optimisers import Muon, adamw, muon_and_adamw, orthogonalise

CONFIG = GPTConfig(vocab_size=300, context=32, layers=2, heads=2, width=16)


@pytest.mark.parametrize("shape", [(8, 8), (32, 8), (8, 32)])
def test_orthogonalising_keeps_directions_and_levels_their_sizes(shape):
    torch.manual_seed(0)
    matrix = torch.randn(shape, dtype=torch.float64)
    left, sizes, right = torch.linalg.svd(matrix, full_matrices=False)
    result = orthogonalise(matrix)
    core = left.T @ result @ right.T  # diagonal exactly if the directions are kept
    assert (core - core.diag().diag()).abs().max() < 1e-6
    assert 0.6 < core.diag().min() and core.diag().max() < 1.3


@pytest.mark.parametrize("shape", [(32, 8), (8, 32)])
def test_an_update_of_muon_is_as_large_as_one_of_adamw(shape):
    parameter = nn.Parameter(torch.zeros(shape))
    parameter.grad = torch.randn(shape)
    Muon([parameter], lr=0.1).step()
    size = parameter.detach().square().mean().sqrt().item()
    assert size == pytest.approx(0.1 * 0.2, rel=0.3)


def test_muon_looks_ahead_as_nesterov_does():
    parameter = nn.Parameter(torch.zeros(4, 6))
    optimizer = Muon([parameter], lr=0.1, momentum=0.9)
    expected, momentum = torch.zeros(2, 4, 6)
    for gradient in torch.randn(2, 4, 6):
        parameter.grad = gradient.clone()
        optimizer.step()
        momentum = 0.9 * momentum + 0.1 * gradient
        ahead = 0.9 * momentum + 0.1 * gradient
        expected -= 0.1 * 0.2 * math.sqrt(6) * orthogonalise(ahead)
    torch.testing.assert_close(parameter.data, expected)


def test_muon_treats_equal_shapes_together_as_it_treats_them_alone():
    torch.manual_seed(0)
    start, gradients = torch.randn(3, 6, 4), torch.randn(3, 6, 4)

    def updated(groups):
        parameters = [nn.Parameter(matrix.clone()) for matrix in start]
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient.clone()
        for group in groups:
            Muon([parameters[i] for i in group], lr=0.1).step()
        return torch.stack([parameter.data for parameter in parameters])

    torch.testing.assert_close(updated([[0, 1, 2]]), updated([[0], [1], [2]]))


def test_muon_gets_the_matrices_and_adamw_the_rest():
    model = GPT(GPTConfig.gpt2(vocab_size=50, context=8, layers=1, heads=2, width=8))
    optimizers = muon_and_adamw(model)
    muon = {id(p) for p in optimizers["muon"].param_groups[0]["params"]}
    names = {name for name, p in model.named_parameters() if id(p) in muon}
    assert names == {
        "blocks.0.attention.query_key_value.weight",
        "blocks.0.attention.output.weight",
        "blocks.0.feed_forward.expand.weight",
        "blocks.0.feed_forward.output.weight",
    }
    total = sum(len(o.param_groups[0]["params"]) for o in optimizers.values())
    assert total == len(list(model.parameters()))


def test_adamw_remembers_the_squares_of_a_hundred_steps_where_tokens_are_rare():
    adamw_of_tables = muon_and_adamw(GPT(CONFIG))["adamw"]
    assert [g["betas"] for g in adamw_of_tables.param_groups] == [(0.9, 0.99)]


def test_adamw_takes_every_setting_to_where_the_formula_has_it():
    beta1, beta2, eps, decay, rate = 0.6, 0.7, 0.3, 0.5, 0.1
    module = nn.Linear(1, 1, bias=False).double()
    nn.init.ones_(module.weight)
    [optimizer] = adamw(
        module, rate, betas=(beta1, beta2), eps=eps, weight_decay=decay
    ).values()
    weight, mean, square = 1.0, 0.0, 0.0
    for step, gradient in enumerate([0.5, -3.0, 2.0], start=1):
        module.weight.grad = torch.full_like(module.weight, gradient)
        optimizer.step()
        mean = beta1 * mean + (1 - beta1) * gradient
        square = beta2 * square + (1 - beta2) * gradient**2
        root = math.sqrt(square / (1 - beta2**step)) + eps
        weight -= rate * decay * weight + rate * mean / (1 - beta1**step) / root
    assert module.weight.item() == pytest.approx(weight)


def test_only_matrices_decay_each_kind_has_its_rate_and_the_schedule_starts_from_it():
    optimizers = muon_and_adamw(
        GPT(CONFIG), matrix_rate=0.02, other_rate=0.01, weight_decay=0.3
    )
    (matrices,) = optimizers["muon"].param_groups
    (others,) = optimizers["adamw"].param_groups
    assert (matrices["lr"], matrices["initial_lr"]) == (0.02, 0.02)
    assert (others["lr"], others["initial_lr"]) == (0.01, 0.01)
    assert (matrices["weight_decay"], others["weight_decay"]) == (0.3, 0.0)


def test_muon_decays_by_rate_times_decay():
    parameter = nn.Parameter(torch.ones(4, 4))
    parameter.grad = torch.zeros(4, 4)
    Muon([parameter], lr=0.1, weight_decay=0.5).step()
    torch.testing.assert_close(parameter.data, torch.full((4, 4), 1 - 0.1 * 0.5))


def test_adamw_makes_the_published_first_step():
    module = nn.Linear(2, 1, bias=False)
    module.weight.data.zero_()
    module.weight.grad = torch.tensor([[0.5, -3.0]])
    adamw(module, 0.1)["adamw"].step()
    torch.testing.assert_close(module.weight.data, torch.tensor([[-0.1, 0.1]]))


@pytest.mark.parametrize("shape", [(24, 16), (16, 48)])
@pytest.mark.parametrize("weight_decay", [0.0, 0.5])
def test_our_muon_is_pytorchs(shape, weight_decay):
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(shape, generator=generator)
    ours, theirs = nn.Parameter(start.clone()), nn.Parameter(start.clone())
    optimizers = (
        Muon([ours], 0.1, momentum=0.9, weight_decay=weight_decay),
        torch.optim.Muon(
            [theirs],
            0.1,
            momentum=0.9,
            weight_decay=weight_decay,
            adjust_lr_fn="match_rms_adamw",
        ),
    )
    for _ in range(5):
        ours.grad = torch.randn(shape, generator=generator)
        theirs.grad = ours.grad.clone()
        for optimizer in optimizers:
            optimizer.step()
    # PyTorch's orthogonalises in bfloat16, so single numbers differ a little.
    moved = (ours - start).norm()
    assert (ours - theirs).norm() < 0.02 * moved
