"""What exercises of chapters 09 to 11 claim, held against worlds that are counted."""

import math

import pytest
import torch

from exercises.bank import (
    expected_best,
    kappa,
    kl_estimators,
    leave_one_out,
    rewards_to_go,
    score_function,
)
from llmlab.exact import World, kl_divergence

WORLD = World()
DICE = torch.Generator().manual_seed(5)
LOGITS, OTHER = WORLD.random_logits(DICE), WORLD.random_logits(DICE)
REWARDS = torch.randn(31, generator=DICE, dtype=torch.float64)
PROBABILITIES = WORLD.probabilities(LOGITS)
EXACT = WORLD.gradient(LOGITS, REWARDS)


def mean_report(weights):
    """The mean gradient, where each token's score is weighed, (sequences, time)."""
    return WORLD.moments(LOGITS, WORLD.estimates(LOGITS, weights))[0].view_as(EXACT)


@pytest.mark.parametrize(
    "answer", [score_function.score_function, score_function.by_hand]
)
def test_the_mean_over_all_texts_is_the_exact_gradient(answer):
    told = WORLD.states, WORLD.tokens, WORLD.mask
    found = answer(LOGITS, *told, 31 * PROBABILITIES * REWARDS)
    assert torch.allclose(found, EXACT, rtol=0, atol=1e-12)


def test_divided_by_length_it_is_another_gradient():
    told = WORLD.states, WORLD.tokens, WORLD.mask
    by_length = score_function.wrong(text=lambda x, mask: (x * mask).mean(dim=1))
    found = by_length(LOGITS, *told, 31 * PROBABILITIES * REWARDS)
    assert (found - EXACT).norm() > 0.1 * EXACT.norm()


@pytest.mark.parametrize(
    ("advantages", "length"),
    [
        (leave_one_out.leave_one_out, 1),
        (leave_one_out.by_sums, 1),
        (leave_one_out.wrong(lambda rewards: rewards - rewards.mean()), 2),
    ],
)
def test_leave_one_out_is_exact_and_the_own_mean_halves_a_pairs_gradient(
    advantages, length
):
    world = World(time=2)
    logits = world.random_logits(torch.Generator().manual_seed(1))
    rewards = torch.tensor([4, -1, 0.5, 2, 3, -2, 1])
    pairs = torch.cartesian_prod(torch.arange(7), torch.arange(7))
    scores = world.estimates(logits, world.mask.double())[pairs]
    prompts = torch.arange(49).repeat_interleave(2)
    told = advantages(rewards[pairs].flatten(), prompts).view(49, 2, 1)
    mean = world.probabilities(logits)[pairs].prod(dim=1) @ (told * scores).mean(dim=1)
    exact = world.gradient(logits, rewards.double()).flatten()
    assert torch.allclose(length * mean, exact, rtol=0, atol=1e-6)


def test_reward_to_go_is_exact_for_a_score_with_a_price():
    """E[R] - beta KL, whose gradient is counted, from rewards token by token."""
    both = WORLD.token_log_probs(LOGITS), WORLD.token_log_probs(OTHER)
    paid = rewards_to_go.token_rewards(REWARDS, *both, WORLD.mask, 0.3)
    found = mean_report(rewards_to_go.rewards_to_go(paid, WORLD.mask))
    leaf = LOGITS.clone().requires_grad_()
    pair = WORLD.probabilities(leaf), WORLD.probabilities(OTHER)
    goal = pair[0] @ REWARDS - 0.3 * kl_divergence(*pair)
    (wanted,) = torch.autograd.grad(goal, leaf)
    assert torch.allclose(found, wanted, rtol=0, atol=1e-12)
    from_the_left = (paid * WORLD.mask).cumsum(dim=1) * WORLD.mask
    assert not torch.allclose(mean_report(from_the_left), wanted, atol=1e-2)


@pytest.mark.parametrize("name", ["k1", "k2", "k3"])
def test_what_is_chosen_of_the_estimators_is_what_counting_gives(name):
    policy = torch.tensor([0.9, -0.2, 0.1], dtype=torch.float64).requires_grad_()
    reference = torch.tensor([0.0, 0.5, -0.3]).double().log_softmax(dim=-1)
    log_probs = policy.log_softmax(dim=-1)
    drawn = log_probs.exp().detach()

    def gradient(value):
        return torch.autograd.grad(value, policy, retain_graph=True)[0]

    def alike(a, b):
        return torch.allclose(a, b, rtol=0, atol=1e-12)

    divergence = kl_divergence(log_probs.exp(), reference.exp())
    wanted = gradient(divergence)
    estimate = getattr(kl_estimators, name)(log_probs, reference)
    means, signs, reward, loss = kl_estimators.chosen()
    assert (name in means) == alike(drawn @ estimate, divergence)
    assert (name in signs) == bool((estimate >= 0).all())
    paid = gradient((drawn * estimate.detach() * log_probs).sum())
    assert (name in reward) == alike(paid, wanted)
    assert (name in loss) == alike(gradient(drawn @ estimate), wanted)


def test_the_bound_of_the_best_of_n_is_reached_where_all_are_rare():
    """Each of 20,000 equally probable answers, without ties."""
    for n in (2, 7, 40):
        rank = torch.arange(20_001, dtype=torch.float64) / 20_000
        chosen = (rank**n).diff()
        divergence = kl_divergence(chosen, torch.full_like(chosen, 1 / 20_000))
        assert math.isclose(divergence, expected_best.bound(n), abs_tol=2e-3)
        assert divergence <= expected_best.bound(n)


def test_kappa_of_the_table_in_the_task():
    cells = [(0, 0)] * 40 + [(0, 1)] * 10 + [(1, 0)] * 10 + [(1, 1)] * 20
    cells += [(2, 1)] * 10 + [(2, 2)] * 10
    first, second = torch.tensor(cells).T
    assert round(kappa.kappa(first, second), 2) == 0.51
