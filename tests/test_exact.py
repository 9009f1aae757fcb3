"""The laboratory is right about itself: checked by counting and by calculus."""

import pytest
import torch
from tabular import state_values

from llmlab.exact import (
    World,
    kl_divergence,
    optimum,
    total_variation,
)


@pytest.fixture
def world():
    return World()


@pytest.fixture
def logits(world):
    return world.random_logits(torch.Generator().manual_seed(1))


@pytest.fixture
def rewards(world):
    generator = torch.Generator().manual_seed(2)
    return torch.randn(len(world.sequences), generator=generator, dtype=torch.float64)


def test_three_ids_and_four_tokens_make_31_sequences_and_15_states(world):
    assert len(set(world.sequences)) == 31
    assert world.state_count == 15
    assert (2,) in world.sequences and (0, 1, 0, 1) in world.sequences
    assert all(2 not in sequence[:-1] for sequence in world.sequences)


def test_other_worlds_are_counted_right():
    assert len(World(4, 2).sequences) == 1 + 3 + 9
    assert World(4, 3).state_count == 1 + 3 + 9


def test_two_tokens_share_a_state_exactly_if_the_same_was_written_before(world):
    prefixes = {}
    for sequence, states in zip(world.sequences, world.states.tolist(), strict=True):
        for time in range(len(sequence)):
            assert prefixes.setdefault(states[time], sequence[:time]) == sequence[:time]
    assert len(set(prefixes.values())) == len(prefixes) == 15


def test_probabilities_are_products_and_sum_to_one(world, logits):
    probabilities = world.probabilities(logits)
    assert probabilities.sum().item() == pytest.approx(1, abs=1e-12)
    table = logits.softmax(dim=-1)
    # 0, then 1, then the end: states 0, then 0*2+0+1, then 1*2+1+1.
    product = table[0, 0] * table[1, 1] * table[4, 2]
    assert probabilities[world.index((0, 1, 2))].item() == pytest.approx(product.item())


def test_the_gradient_agrees_with_finite_differences(world, logits, rewards):
    gradient, step = world.gradient(logits, rewards), 1e-6
    for state, token in [(0, 0), (3, 2), (14, 1)]:
        shift = torch.zeros_like(logits)
        shift[state, token] = step
        rise = world.expected_reward(logits + shift, rewards)
        fall = world.expected_reward(logits - shift, rewards)
        slope = (rise - fall) / (2 * step)
        assert slope.item() == pytest.approx(gradient[state, token].item(), abs=1e-8)


def test_token_gradients_agree_with_autograd(world, logits):
    leaf = logits.clone().requires_grad_()
    log_probs = world.token_log_probs(leaf)
    gradients = world.token_gradients(logits)
    for row, time in [(0, 0), (14, 3), (30, 2)]:
        (expected,) = torch.autograd.grad(log_probs[row, time], leaf, retain_graph=True)
        torch.testing.assert_close(gradients[row, time], expected, atol=1e-14, rtol=0)


def test_an_estimate_is_the_weighted_sum_of_a_texts_token_gradients(world, logits):
    generator = torch.Generator().manual_seed(5)
    weights = torch.randn(31, 4, generator=generator, dtype=torch.float64)
    estimates = world.estimates(logits, weights)
    leaf = logits.clone().requires_grad_()
    log_probs = world.token_log_probs(leaf)
    for row in (0, 9, 30):
        length = len(world.sequences[row])
        told = weights[row, :length] @ log_probs[row, :length]
        (expected,) = torch.autograd.grad(told, leaf, retain_graph=True)
        found = estimates[row].view_as(logits)
        torch.testing.assert_close(found, expected, atol=1e-13, rtol=0)


def test_moments_are_the_sums_that_define_them(world, logits):
    generator = torch.Generator().manual_seed(6)
    values = torch.randn(31, 5, generator=generator, dtype=torch.float64)
    mean, variance = world.moments(logits, values)
    p, rows = world.probabilities(logits).tolist(), values.tolist()
    for column in range(5):
        by_hand = sum(chance * row[column] for chance, row in zip(p, rows, strict=True))
        assert mean[column].item() == pytest.approx(by_hand, abs=1e-13)
    spread = sum(
        chance * (value - mean[column].item()) ** 2
        for chance, row in zip(p, rows, strict=True)
        for column, value in enumerate(row)
    )
    assert variance.item() == pytest.approx(spread, abs=1e-12)


def test_nothing_after_the_end_has_a_gradient(world, logits):
    gradients = world.token_gradients(logits)
    assert (gradients[~world.mask] == 0).all()


def test_state_values_are_conditional_expectations(world, logits):
    generator = torch.Generator().manual_seed(3)
    rewards = torch.randn(world.tokens.shape, generator=generator, dtype=torch.float64)
    values = state_values(world, logits, rewards)
    probabilities = world.probabilities(logits)
    for row, sequence in enumerate(world.sequences):
        for time in range(len(sequence)):
            passing = [
                other
                for other, candidate in enumerate(world.sequences)
                if candidate[:time] == sequence[:time] and len(candidate) > time
            ]
            to_go = torch.stack(
                [rewards[o, time : len(world.sequences[o])].sum() for o in passing]
            )
            weights = probabilities[passing] / probabilities[passing].sum()
            assert values[row, time].item() == pytest.approx((weights @ to_go).item())
    assert (values[~world.mask] == 0).all()


def test_the_optimum_is_worth_beta_log_z_and_nothing_is_worth_more(
    world, logits, rewards
):
    beta, reference = 0.5, world.probabilities(logits)
    best = optimum(reference, rewards, beta)

    def worth(policy):
        return policy @ rewards - beta * kl_divergence(policy, reference)

    log_z = (reference * (rewards / beta).exp()).sum().log()
    assert worth(best).item() == pytest.approx(beta * log_z.item(), abs=1e-12)
    generator = torch.Generator().manual_seed(4)
    for _ in range(20):
        other = world.probabilities(world.random_logits(generator))
        nearby = 0.99 * best + 0.01 * other
        assert worth(other) < worth(best) and worth(nearby) < worth(best)


def test_exact_gradient_ascent_finds_the_optimum(world, logits, rewards):
    beta, reference = 0.5, world.probabilities(logits)
    leaf = logits.clone().requires_grad_()
    optimizer = torch.optim.LBFGS([leaf], max_iter=300, line_search_fn="strong_wolfe")

    def loss():
        optimizer.zero_grad()
        policy = world.probabilities(leaf)
        value = -(policy @ rewards - beta * kl_divergence(policy, reference))
        value.backward()
        return value

    optimizer.step(loss)
    reached = world.probabilities(leaf.detach())
    assert total_variation(reached, optimum(reference, rewards, beta)) < 1e-4


def test_total_variation_is_the_largest_disagreement():
    first, second = torch.tensor([0.5, 0.5, 0.0]), torch.tensor([0.2, 0.5, 0.3])
    assert total_variation(first, second).item() == pytest.approx(0.3)


def test_a_world_too_small_to_learn_in_is_refused():
    with pytest.raises(ValueError, match="at least two letters"):
        World(vocab_size=2)
