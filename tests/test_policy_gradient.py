"""The policy gradient, held against the sum over everything that could happen.

Where a fault is instructive its sick version stands next to the healthy one, and the
same oracle that accepts the one must reject the other.
"""

import copy
import json
import math
from dataclasses import replace

import pytest
import torch
from tabular import TabularPolicy, state_values

from llmlab import rollouts, sampling
from llmlab.batching import IGNORE, Batch, next_token_batch
from llmlab.exact import World, kl_divergence, optimum, total_variation
from llmlab.gpt import GPT, GPTConfig
from llmlab.likelihood import entropy, masked_mean, target_logits, token_log_probs
from llmlab.optimisers import adamw
from llmlab.policy_gradient import (
    DR_GRPO,
    GRPO,
    REINFORCE,
    RLOO,
    PolicySettings,
    batch_mean,
    group_mean,
    leave_one_out,
    policy_gradient_loss,
    policy_step,
    reward_to_go,
    silent_groups,
    standardised,
    token_weights,
)
from llmlab.rollouts import (
    Rollout,
    check_reference,
    frozen_copy,
    kl_k1,
    kl_k2,
    kl_k3,
    log_probs_of,
    roll_out,
    rollout_metrics,
    score_responses,
    sequence_kl,
    token_rewards,
    verified_reward,
)
from llmlab.sampling import generate
from llmlab.training import step_generator, train

WORLD = World()
MASK = WORLD.mask
EACH = token_weights(MASK, "responses")


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


LOGITS = WORLD.random_logits(generator(1))
REFERENCE = WORLD.random_logits(generator(2))
REWARDS = torch.randn(31, generator=generator(3), dtype=torch.float64)
P = WORLD.probabilities(LOGITS)


def everywhere(values: torch.Tensor) -> torch.Tensor:
    """One number a sequence, (sequences,), as a weight for each of its tokens."""
    return values[:, None] * MASK


def expected_gradient(advantages: torch.Tensor, sampled_from=P) -> torch.Tensor:
    """What `policy_gradient_loss` reports on average, over all that can be sampled."""
    leaf = LOGITS.clone().requires_grad_()
    weights = len(P) * sampled_from[:, None] * advantages  # the loss takes a plain mean
    loss = policy_gradient_loss(WORLD.token_log_probs(leaf), weights, EACH)
    return -torch.autograd.grad(loss, leaf)[0]


def small_policy(seed: int = 0, vocab_size: int = 3) -> GPT:
    config = GPTConfig(vocab_size=vocab_size, context=24, layers=1, heads=2, width=16)
    model = GPT(config, seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("output.weight") or name == "embedding.weight":
                parameter.normal_(0, 0.3, generator=generator(seed))
    return model


# The theorem


def test_the_score_function_gives_the_gradient_of_the_expected_reward():
    estimate = expected_gradient(everywhere(REWARDS))
    exact = WORLD.gradient(LOGITS, REWARDS)
    torch.testing.assert_close(estimate, exact, atol=1e-12, rtol=0)
    assert exact.abs().max() > 0.01


def test_a_constant_reward_teaches_nothing():
    assert expected_gradient(everywhere(torch.ones_like(P))).abs().max() < 1e-12


def test_dividing_by_each_length_would_point_elsewhere():
    sick = expected_gradient(everywhere(REWARDS) / MASK.sum(1, keepdim=True)).flatten()
    exact = WORLD.gradient(LOGITS, REWARDS).flatten()
    assert torch.cosine_similarity(sick, exact, dim=0) < 0.999


def test_rewards_carry_no_gradient_of_their_own():
    leaf = LOGITS.clone().requires_grad_()
    log_probs = WORLD.token_log_probs(leaf)
    rewards = token_rewards(REWARDS, log_probs, 0 * log_probs, MASK, 0.1)
    assert not rewards.requires_grad
    advantages = log_probs * 2  # carelessly left attached
    policy_gradient_loss(log_probs, advantages, EACH).backward()
    careless = leaf.grad.clone()
    leaf.grad = None
    log_probs = WORLD.token_log_probs(leaf)
    policy_gradient_loss(log_probs, advantages.detach(), EACH).backward()
    assert torch.equal(careless, leaf.grad)


@pytest.mark.parametrize("sick", ["temperature", "top_k"])
def test_sampling_from_another_distribution_than_the_differentiated_one_is_biased(sick):
    if sick == "temperature":
        other = LOGITS / 0.7
    else:
        least = LOGITS.argmin(dim=-1, keepdim=True)
        other = LOGITS.scatter(1, least, -torch.inf)
    sampled_from = WORLD.probabilities(other)
    constant = everywhere(torch.ones_like(P))
    assert expected_gradient(constant, sampled_from).norm() > 0.01
    assert expected_gradient(constant).norm() < 1e-12


# Baselines


def test_baselines_change_the_noise_but_not_the_mean():
    exact = WORLD.gradient(LOGITS, REWARDS).flatten()
    scores = WORLD.estimates(LOGITS, everywhere(torch.ones_like(P)))
    squared = scores.square().sum(dim=1)
    best = (P @ (squared * REWARDS)) / (P @ squared)
    terminal = torch.zeros_like(MASK, dtype=torch.float64)
    terminal[torch.arange(31), MASK.sum(1) - 1] = REWARDS
    values = state_values(WORLD, LOGITS, terminal)
    weights = {
        "none": everywhere(REWARDS),
        "offset": everywhere(REWARDS + 10),
        "mean": everywhere(REWARDS - P @ REWARDS),
        "optimal": everywhere(REWARDS - best),
        "value": everywhere(REWARDS) - values,
    }
    variance = {}
    for name, weight in weights.items():
        mean, variance[name] = WORLD.moments(LOGITS, WORLD.estimates(LOGITS, weight))
        torch.testing.assert_close(mean, exact, atol=1e-12, rtol=0)
    assert variance["offset"] > 10 * variance["none"]
    constants = [variance[name] for name in ("none", "offset", "mean")]
    assert variance["optimal"] < min(constants)
    assert variance["value"] < variance["none"]


def test_reward_to_go_is_unbiased_and_quieter_and_reward_so_far_is_wrong():
    table = torch.randn(WORLD.state_count, 3, generator=generator(5)).double()
    rewards = table[WORLD.states, WORLD.tokens] * MASK  # paid for every token
    total = rewards.sum(dim=1)
    to_go = reward_to_go(rewards, MASK)
    so_far = rewards.cumsum(dim=1) * MASK
    mean_reward = total.mean().expand_as(total)
    exact = WORLD.gradient(LOGITS, total)
    for weight in (everywhere(total), to_go):
        torch.testing.assert_close(expected_gradient(weight), exact, atol=1e-12, rtol=0)
    for sick in (so_far, everywhere(mean_reward)):
        assert (expected_gradient(sick) - exact).norm() > 0.01
    noise = [
        WORLD.moments(LOGITS, WORLD.estimates(LOGITS, weight))[1]
        for weight in (everywhere(total), to_go)
    ]
    assert noise[1] < noise[0]


def two_sample_gradient(baseline) -> torch.Tensor:
    """Exact mean of the gradient of two answers, over all 961 pairs of answers."""
    first, second = torch.meshgrid(torch.arange(31), torch.arange(31), indexing="ij")
    pairs = torch.stack((first.flatten(), second.flatten()), dim=1)
    returns = REWARDS[pairs]
    advantages = returns - baseline(returns)
    scores = WORLD.estimates(LOGITS, everywhere(torch.ones_like(P)))
    gradients = (advantages[..., None] * scores[pairs]).mean(dim=1)
    return P[pairs].prod(dim=1) @ gradients


def test_leave_one_out_is_exactly_unbiased_and_the_own_mean_shrinks_by_half():
    exact = WORLD.gradient(LOGITS, REWARDS).flatten()
    healthy = two_sample_gradient(
        lambda returns: leave_one_out(returns.flatten(), 2).view_as(returns)
    )
    torch.testing.assert_close(healthy, exact, atol=1e-12, rtol=0)
    shrunk = two_sample_gradient(
        lambda returns: torch.stack([batch_mean(row, 1) for row in returns])
    )
    torch.testing.assert_close(shrunk, exact / 2, atol=1e-12, rtol=0)


def test_leave_one_out_averages_the_others_of_the_same_prompt():
    returns = torch.tensor([1.0, 0.0, 2.0, 0.5, 10.0, 10.0, 10.0, 14.0])
    advantages = returns - leave_one_out(returns, 4)
    expected = torch.tensor([1 / 6, -7 / 6, 1.5, -0.5, -4 / 3, -4 / 3, -4 / 3, 4.0])
    torch.testing.assert_close(advantages, expected)
    assert group_mean(returns, 4).tolist() == [0.875] * 4 + [11] * 4
    for wrong in (1, 3):
        with pytest.raises(ValueError, match="groups"):
            leave_one_out(returns, wrong)


# Estimators of the KL divergence


def log_probs_of_sequences(logits):
    return WORLD.token_log_probs(logits).sum(dim=1)


def test_k1_and_k3_are_unbiased_and_k2_is_not():
    own, other = log_probs_of_sequences(LOGITS), log_probs_of_sequences(REFERENCE)
    kl = kl_divergence(P, WORLD.probabilities(REFERENCE))
    for unbiased in (kl_k1, kl_k3):
        assert (P @ unbiased(own, other)).item() == pytest.approx(kl.item(), abs=1e-12)
    assert abs(P @ kl_k2(own, other) - kl) > 0.01
    assert (kl_k1(own, other) < 0).any() and (kl_k3(own, other) >= 0).all()
    # The sick version has the ratio upside down.
    assert P @ kl_k1(other, own) < 0 < kl


def test_gaussian_closed_forms_of_bias_and_spread():
    x = torch.linspace(-12, 12, 200_001, dtype=torch.float64)
    density = (-x.square() / 2).exp()
    density /= density.sum()
    for mu in (0.1, 1.0):
        own, other = -x.square() / 2, -(x - mu).square() / 2
        kl = mu**2 / 2
        k1, k2, k3 = (k(own, other) for k in (kl_k1, kl_k2, kl_k3))
        assert (density @ k1).item() == pytest.approx(kl, rel=1e-6)
        assert (density @ k3).item() == pytest.approx(kl, rel=1e-6)
        bias = (density @ k2 - kl) / kl
        assert bias.item() == pytest.approx(mu**2 / 4, rel=1e-6)
        assert (density @ (k1 - kl).square()).sqrt().item() == pytest.approx(mu)
        variance = density @ (k3 - kl).square()
        expected = math.exp(mu**2) - 1 - mu**2
        assert variance.item() == pytest.approx(expected, rel=1e-6)


def kl_gradient(swapped: bool) -> torch.Tensor:
    leaf = LOGITS.clone().requires_grad_()
    own, other = WORLD.probabilities(leaf), WORLD.probabilities(REFERENCE)
    kl = kl_divergence(other, own) if swapped else kl_divergence(own, other)
    return torch.autograd.grad(kl, leaf)[0]


def test_as_a_loss_k2_is_right_k1_does_nothing_and_k3_minimises_the_other_kl():
    def gradient(estimator):
        leaf = LOGITS.clone().requires_grad_()
        estimate = estimator(
            log_probs_of_sequences(leaf), log_probs_of_sequences(REFERENCE)
        )
        return torch.autograd.grad(P @ estimate, leaf)[0]

    assert gradient(kl_k1).abs().max() < 1e-12
    torch.testing.assert_close(
        gradient(kl_k2), kl_gradient(swapped=False), atol=1e-12, rtol=0
    )
    torch.testing.assert_close(
        gradient(kl_k3), kl_gradient(swapped=True), atol=1e-12, rtol=0
    )


def test_as_a_reward_k1_is_right_and_the_others_are_not():
    own, other = log_probs_of_sequences(LOGITS), log_probs_of_sequences(REFERENCE)
    exact = kl_gradient(swapped=False)

    def error(estimator):
        return (expected_gradient(everywhere(estimator(own, other))) - exact).norm()

    assert error(kl_k1) < 1e-12
    assert error(kl_k2) > 0.01 and error(kl_k3) > 0.01


def test_log_ratios_of_sampled_tokens_add_up_to_the_kl_of_whole_distributions():
    sampled = kl_k1(WORLD.token_log_probs(LOGITS), WORLD.token_log_probs(REFERENCE))
    own, other = LOGITS.softmax(-1), REFERENCE.softmax(-1)
    whole = kl_divergence(own, other)[WORLD.states] * MASK
    means = [P @ per_token.sum(dim=1) for per_token in (sampled, whole)]
    assert means[0].item() == pytest.approx(means[1].item(), abs=1e-12)
    spreads = [
        P @ (per_token.sum(dim=1) - means[0]).square() for per_token in (sampled, whole)
    ]
    assert spreads[1] < spreads[0]


def test_the_kl_reward_has_the_gradient_of_the_whole_objective():
    beta = 0.3
    own, other = WORLD.token_log_probs(LOGITS), WORLD.token_log_probs(REFERENCE)
    rewards = token_rewards(REWARDS, own, other, MASK, beta)
    estimate = expected_gradient(reward_to_go(rewards, MASK))
    exact = WORLD.gradient(LOGITS, REWARDS) - beta * kl_gradient(swapped=False)
    torch.testing.assert_close(estimate, exact, atol=1e-12, rtol=0)


# Rewards on tokens


def test_the_score_is_paid_on_the_last_response_token():
    mask = torch.tensor([[0, 1, 1, 0, 0], [0, 0, 1, 1, 1], [1, 0, 0, 0, 0]]).bool()
    scores = torch.tensor([5.0, 7.0, 9.0])
    log_probs = torch.randn(3, 5) * mask
    reference = torch.randn(3, 5) * mask
    rewards = token_rewards(scores, log_probs, reference, mask, 0.1)
    difference = log_probs - reference
    expected = -0.1 * difference
    expected[0, 2] += 5
    expected[1, 4] += 7
    expected[2, 0] += 9
    torch.testing.assert_close(rewards, expected)
    torch.testing.assert_close(rewards.sum(dim=1), scores - 0.1 * difference.sum(dim=1))
    # The sick version pays on the last column: rows that stopped early get nothing.
    sick = -0.1 * difference
    sick[:, -1] += scores
    assert not torch.allclose((sick * mask).sum(dim=1), rewards.sum(dim=1))


def test_padding_is_never_paid_nor_charged():
    mask = torch.tensor([[0, 1, 1, 0]]).bool()
    junk = torch.full((1, 4), 1e6)
    log_probs = torch.where(mask, -1.0, junk)
    rewards = token_rewards(torch.ones(1), log_probs, torch.zeros(1, 4), mask, 0.1)
    assert rewards.tolist() == [pytest.approx([0, 0.1, 1.1, 0])]
    to_go = reward_to_go(rewards + ~mask * 1e6, mask)
    assert to_go[0].tolist() == pytest.approx([0, 1.2, 1.1, 0])


# Log-probabilities and rollouts


def test_log_probs_belong_to_the_tokens_that_they_predict():
    model = small_policy(vocab_size=9)
    sequence = [1, 3, 5, 7, 2]
    batch = next_token_batch([sequence, [1, 4, 2]], [[0, 0, 1, 1, 1], [0, 1, 1]])
    with torch.no_grad():
        found = token_log_probs(target_logits(model, batch), batch)
        for length in (2, 3, 4):
            alone = model(torch.tensor([sequence[:length]]))[0, -1].log_softmax(-1)
            torch.testing.assert_close(found[0, length - 1], alone[sequence[length]])
    assert found[0, 0] == 0 and (found[1, 2:] == 0).all()
    assert (found != 0).sum() == 5


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_a_rollout_is_given_the_log_probs_that_it_was_drawn_with(
    temperature, monkeypatch
):
    drawn = []  # of each time: the chosen tokens' log-probabilities, (rows, 1)
    columns = []  # of each time: the rows that were written, and their tokens
    draw, gather = sampling.draw, sampling._generation

    def spy(probabilities, dice):
        tokens = draw(probabilities, dice)
        drawn.append(probabilities.gather(1, tokens).log())
        return tokens

    def keep(written, batch, stops):
        columns.extend(written)
        return gather(written, batch, stops)

    monkeypatch.setattr(sampling, "draw", spy)
    monkeypatch.setattr(sampling, "_generation", keep)
    policy = small_policy(vocab_size=9)
    prompts = [[1], [1, 5, 6], [1, 7]] * 5
    settings = {"max_new_tokens": 6, "temperature": temperature}
    generation = generate(policy, prompts, generator=generator(4), **settings)
    expected = torch.zeros(generation.mask.shape)
    for time, (rows, _) in enumerate(columns):
        expected[rows, time] = drawn[time][:, 0]
    rollout = roll_out(policy, prompts, generator(4), **settings)
    assert rollout.responses == generation.sequences()
    with torch.no_grad():
        logits = target_logits(policy, rollout.batch, rollout.temperature)
    found = token_log_probs(logits, rollout.batch)
    for row in range(len(prompts)):
        torch.testing.assert_close(
            found[row, rollout.mask[row]],
            expected[row, generation.mask[row]],
            atol=1e-5,
            rtol=0,
        )
    assert (rollout.mask.sum(dim=1) == generation.mask.sum(dim=1)).all()
    assert set(rollout.finished.tolist()) == {True, False}


def test_sampled_sequences_occur_as_often_as_the_log_probs_say():
    policy, draws = small_policy(), 4000
    rollout = roll_out(policy, [[2]] * draws, generator(), max_new_tokens=4)
    expected = draws * policy_probabilities(policy)
    counts = torch.zeros(31, dtype=torch.float64)
    for response in rollout.responses:
        counts[WORLD.index(response)] += 1
    common = expected > 5
    chi_square = ((counts - expected).square() / expected)[common].sum()
    freedom = common.sum()
    assert chi_square < freedom + 4 * math.sqrt(2 * freedom)


@torch.no_grad()
def policy_probabilities(policy: GPT) -> torch.Tensor:
    """pi(y) of all 31 sequences, under a real GPT after the prompt [2]."""
    batch = next_token_batch([(2, *sequence) for sequence in WORLD.sequences])
    log_probs = token_log_probs(target_logits(policy, batch), batch)
    return log_probs.sum(dim=1).exp().double()


@torch.no_grad()
@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_kl_of_sequences_is_that_of_the_policies_at_their_temperature(temperature):
    """Over all 31 sequences, weighted by their probabilities, written out by hand."""
    policy, reference = small_policy(0), small_policy(1)

    def log_probs(model):
        return torch.stack(
            [
                (model(torch.tensor([[2, *sequence[:-1]]]))[0] / temperature)
                .log_softmax(dim=-1)[range(len(sequence)), list(sequence)]
                .sum()
                for sequence in WORLD.sequences
            ]
        )

    own, others = log_probs(policy), log_probs(reference)
    responses = [list(sequence) for sequence in WORLD.sequences]
    batch = next_token_batch(
        [[2, *response] for response in responses],
        [[False] + [True] * len(response) for response in responses],
    )
    finished = torch.ones(31, dtype=torch.bool)
    rollout = Rollout([[2]] * 31, responses, batch, finished, temperature)
    kl = sequence_kl(
        log_probs_of(policy, rollout), log_probs_of(reference, rollout), rollout.mask
    )
    torch.testing.assert_close(own.exp().sum().item(), 1.0, atol=1e-5, rtol=0)
    torch.testing.assert_close(own.exp() @ kl, own.exp() @ (own - others))
    assert own.exp() @ kl > 0.001


def test_entropy_is_that_of_the_distribution():
    batch = next_token_batch([[2, 3, 4, 1], [2, 1]], [[0, 0, 1, 1], [0, 1]])
    logits = torch.randn(3, 5, dtype=torch.float64)
    p = logits.softmax(dim=-1)
    by_hand = logits.logsumexp(-1) - (p * logits).sum(-1)
    found = entropy(logits, batch)
    torch.testing.assert_close(found[batch.target_mask], by_hand)
    assert (found[~batch.target_mask] == 0).all()
    even = entropy(torch.zeros(3, 8), batch)[batch.target_mask]
    torch.testing.assert_close(even, torch.full((3,), math.log(8)))


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_only_targets_are_scored_at_the_temperature_that_drew_them(temperature):
    policy = small_policy(vocab_size=9)
    batch = next_token_batch([[2, 3, 4, 1], [2, 1]], [[0, 0, 1, 1], [0, 1]])
    everywhere = policy(batch.tokens, segment_ids=batch.segment_ids) / temperature
    found = target_logits(policy, batch, temperature)
    torch.testing.assert_close(found, everywhere[batch.target_mask])


def test_unfinished_responses_get_their_fixed_score():
    rollout = roll_out(small_policy(), [[2]] * 20, generator(), max_new_tokens=2)
    assert set(rollout.finished.tolist()) == {True, False}

    def fives(prompts, responses):
        return torch.full((20,), 5.0)

    scores = score_responses(fives, rollout, -1.0)
    torch.testing.assert_close(scores, torch.where(rollout.finished, 5.0, -1.0))
    assert (score_responses(fives, rollout, None) == 5).all()


@pytest.mark.parametrize(
    ("scores", "message"),
    [(torch.zeros(3), "one for each"), (torch.full((20,), torch.nan), "finite number")],
)
def test_a_reward_function_that_misbehaves_is_named(
    scores, message, tmp_path, monkeypatch
):
    monkeypatch.setattr(rollouts, "RUNS", tmp_path)
    rollout = roll_out(small_policy(), [[2]] * 20, generator(), max_new_tokens=2)
    with pytest.raises(ValueError, match=message):
        score_responses(lambda prompts, responses: scores, rollout, None)


def test_a_batch_with_a_score_that_is_no_number_is_kept_and_nothing_learned(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(rollouts, "RUNS", tmp_path)
    seen = []

    def half_broken(prompts, responses):
        seen.extend(responses)
        scores = torch.ones(len(responses))
        return scores.where(torch.arange(len(responses)) % 2 == 0, torch.nan)

    policy = small_policy()
    before = copy.deepcopy(policy.state_dict())
    settings = in_the_laboratory(REINFORCE, steps=1, responses=16)
    with pytest.raises(ValueError, match=r"to 8 of 16 responses.*as it was") as stop:
        trained(settings, policy, reward=half_broken)
    (path,) = tmp_path.glob("*.json")
    assert str(path) in str(stop.value)
    kept = json.loads(path.read_text())
    assert kept["responses"] == seen and kept["prompts"] == [[2]] * 16
    assert kept["scores"] == ["1.0", "nan"] * 8
    for name, value in policy.state_dict().items():
        assert torch.equal(value, before[name])


def test_more_padding_changes_no_metric():
    policy = small_policy(vocab_size=9)
    rollout = roll_out(policy, [[1], [1, 5]] * 8, generator(), max_new_tokens=6)
    batch = rollout.batch

    def wider(tensor, filling):
        extra = (0, batch.tokens.shape[1])
        return torch.nn.functional.pad(tensor, extra, value=filling)

    padded = Batch(
        wider(batch.tokens, 0),
        wider(batch.targets, IGNORE),
        wider(batch.segment_ids, 0),
    )
    scores = torch.randn(16, generator=generator())

    @torch.no_grad()
    def metrics(rollout):
        logits = target_logits(policy, rollout.batch)
        log_probs = token_log_probs(logits, rollout.batch)
        entropies = entropy(logits, rollout.batch)
        return rollout_metrics(rollout, scores, log_probs, log_probs + 0.1, entropies)

    wide = type(rollout)(rollout.prompts, rollout.responses, padded, rollout.finished)
    assert metrics(wide) == pytest.approx(metrics(rollout), rel=1e-5)
    values = torch.randn(padded.tokens.shape)
    assert values.mean() != masked_mean(values, wide.mask)


# Weights of tokens


def test_what_a_loss_is_divided_by_is_what_its_name_says():
    mask = torch.tensor([[1, 1, 1, 0], [0, 1, 0, 0]]).bool()
    values = torch.tensor([[1.0, 2.0, 3.0, 99.0], [99.0, 8.0, 99.0, 99.0]])
    sums = {
        "responses": (6 + 8) / 2,
        "tokens": 14 / 4,
        "lengths": (2 + 8) / 2,
        "room": 14 / (2 * 10),
    }
    for name, expected in sums.items():
        weights = token_weights(mask, name, room=10)
        assert (values * weights).sum().item() == pytest.approx(expected), name
    with pytest.raises(ValueError, match="choose one of"):
        token_weights(mask, "batch")


def test_what_stands_on_padding_does_not_matter_even_where_it_is_infinite():
    mask = torch.tensor([[True, False]])
    log_probs = torch.tensor([[-1.0, -torch.inf]])
    weights = token_weights(mask, "tokens")
    loss = policy_gradient_loss(log_probs, torch.ones(1, 2), weights)
    assert loss.item() == 1
    assert masked_mean(log_probs, mask) == -1


def test_a_group_of_equal_scores_has_nothing_to_say():
    scores = torch.tensor([1.0, 0.0, 2.0, 0.5, 3.0, 3.0, 3.0, 3.0])
    found = standardised(scores, 4)
    expected = torch.tensor([0.146368, -1.024575, 1.317311, -0.439104])
    torch.testing.assert_close(found[:4], expected, atol=1e-6, rtol=0)
    assert (found[4:] == 0).all()


def test_groups_that_agree_are_counted():
    scores = torch.tensor([1.0, 1.0, 0.0, 1.0, 0.0, 0.0, -2.0, -2.0])
    assert silent_groups(scores, 2) == 0.75
    assert silent_groups(scores, 4) == 0
    assert silent_groups(torch.full((8,), 5.0), 8) == 1


def test_the_deviation_of_a_group_changes_the_direction_and_its_mean_does_not():
    exact = WORLD.gradient(LOGITS, REWARDS).flatten()

    def direction(advantage):
        return torch.cosine_similarity(
            two_sample_gradient(
                lambda returns: returns - advantage(returns.flatten()).view_as(returns)
            ),
            exact,
            dim=0,
        )

    assert direction(lambda r: r - group_mean(r, 2)) == pytest.approx(1, abs=1e-12)
    assert direction(lambda r: standardised(r, 2)) < 0.99


# A program for a reward


class Shouter:
    """A tokenizer of capital letters, a = 3."""

    def decode(self, ids):
        return "".join(chr(94 + number) for number in ids if number > 2)


def test_a_program_pays_for_right_answers_and_refuses_prompts_that_it_does_not_know():
    class Example:
        prompt, answer = "ab", "c"

    reward = verified_reward(
        Shouter(),
        [Example],
        lambda tokenizer, prompt: [1, *(ord(letter) - 94 for letter in prompt)],
        lambda example, text: text == example.answer,
    )
    assert reward([[1, 3, 4]] * 2, [[5, 2], [6, 2]]).tolist() == [1, 0]
    with pytest.raises(ValueError, match="no right answer known.*'b'"):
        reward([[1, 4]], [[5, 2]])


# Training


def world_reward(prompts, responses):
    return REWARDS[[WORLD.index(response) for response in responses]]


def trained(settings: PolicySettings, policy=None, reference=None, **step_settings):
    policy = policy or TabularPolicy(WORLD, REFERENCE)
    optimizers = adamw(policy, settings.rate)
    step = policy_step(
        policy,
        reference or frozen_copy(policy),
        step_settings.pop("reward", world_reward),
        step_settings.pop("prompts", [[2]]),
        settings,
        optimizers,
    )
    history = train(
        step,
        steps=settings.steps,
        modules={"policy": policy},
        optimizers=optimizers,
        seed=0,
    )
    return policy, history


def in_the_laboratory(row: PolicySettings, **changes) -> PolicySettings:
    """A row of settings, for sequences of four tokens at temperature 1."""
    changes = dict(temperature=1.0, unfinished_score=None, beta=0.5) | changes
    return replace(row, max_new_tokens=4, **changes)


@pytest.mark.parametrize(
    "row",
    [REINFORCE, replace(REINFORCE, advantage="none"), RLOO, DR_GRPO],
    ids=["REINFORCE", "no baseline", "RLOO", "DR_GRPO"],
)
def test_a_row_whose_gradient_is_right_ends_at_the_best_policy_that_exists(row):
    settings = in_the_laboratory(row, rate=0.1, responses=512, steps=80)
    policy, history = trained(settings)
    reference = WORLD.probabilities(REFERENCE)
    best = optimum(reference, REWARDS, settings.beta)
    assert total_variation(reference, best) > 0.2
    assert total_variation(policy.probabilities(), best) < 0.02
    assert history[0]["kl"] == 0
    assert history[-1]["kl"] == pytest.approx(
        kl_divergence(best, reference).item(), abs=0.15
    )


def forward_kl_fixed_point(
    world: World, reference: torch.Tensor, rewards: torch.Tensor, beta: float
) -> torch.Tensor:
    """Where the policy gradient ends if k3 is added to the *loss*, as logits (states,
    vocab).

    The gradient of k3 as a loss is that of KL(ref || pi), state by state, so that in
    each state reward and pull balance at pi(a) = beta * ref(a) / (c - Q(a)): another
    policy than `optimum`. Q is what follows under the policy itself, so the last states
    are settled first.

    reference : logits (states, vocab). rewards : (sequences,).
    """
    logits = reference.clone()
    base = reference.softmax(dim=-1)
    for state in reversed(range(world.state_count)):
        followed = _returns_after(world, logits, rewards, state)
        low = followed.max() + beta * base[state].min() * 1e-6
        high = followed.max() + beta  # there, the shares sum to at most one
        for _ in range(200):  # bisection for c
            middle = (low + high) / 2
            if (beta * base[state] / (middle - followed)).sum() > 1:
                low = middle
            else:
                high = middle
        logits[state] = (beta * base[state] / (high - followed)).log()
    return logits


def _returns_after(
    world: World, logits: torch.Tensor, rewards: torch.Tensor, state: int
) -> torch.Tensor:
    """Expected reward after each token chosen in a state, (vocab,)."""
    visits = (world.states == state) & world.mask
    chances = world.token_log_probs(logits)
    expected = torch.zeros(world.vocab_size, dtype=rewards.dtype)
    for row, time in visits.nonzero().tolist():
        rest = chances[row, time + 1 :].sum().exp()
        expected[world.tokens[row, time]] += rest * rewards[row]
    return expected


def test_k3_in_the_loss_ends_where_the_other_divergence_wants_it():
    """Score - mean, no division, and k3 in the loss: not the optimum, but the policy at
    which score and *forward* KL balance, state by state from the last one back."""
    settings = in_the_laboratory(
        GRPO,
        advantage="group_mean",
        divide_by="responses",
        rate=0.1,
        responses=1024,
        steps=120,
    )
    policy, _ = trained(settings)
    # The mean of eight answers holds the answer itself, which shrinks the gradient of
    # the score, and not that of k3, to 7 / 8.
    end = WORLD.probabilities(
        forward_kl_fixed_point(WORLD, REFERENCE, REWARDS, settings.beta * 8 / 7)
    )
    best = optimum(WORLD.probabilities(REFERENCE), REWARDS, settings.beta)
    assert total_variation(end, best) > 0.1
    assert total_variation(policy.probabilities(), end) < 0.02


def test_grpo_as_published_climbs_though_it_has_another_end():
    policy, _ = trained(in_the_laboratory(GRPO, rate=0.05, responses=256, steps=40))
    before = WORLD.probabilities(REFERENCE) @ REWARDS
    assert policy.probabilities() @ REWARDS > before + 0.2


def one_step(reward, prompts=((2,),), **changes):
    settings = dict(rate=0.1, steps=1, responses=16, beta=0.0) | changes
    settings = in_the_laboratory(REINFORCE, **settings)
    _, history = trained(settings, reward=reward, prompts=prompts)
    return history[0]


def zeros(prompts, responses):
    return torch.zeros(len(responses))


def test_policy_and_reference_are_compared_at_the_temperature_of_the_policy():
    entropies = {}
    for temperature in (1.0, 0.5):
        first = one_step(zeros, temperature=temperature)
        assert first["kl"] == 0
        entropies[temperature] = first["entropy"]
    assert entropies[0.5] < entropies[1.0]


def test_with_a_baseline_a_reward_that_everything_gets_moves_nothing():
    def fives(prompts, responses):
        return torch.full((len(responses),), 5.0)

    for advantage in ("leave_one_out", "group_mean", "standardised", "batch_mean"):
        found = one_step(fives, advantage=advantage, group=4)
        assert found["gradient_norm"] < 1e-6
    assert one_step(fives, advantage="none")["gradient_norm"] > 0.1


@pytest.mark.parametrize("row", [RLOO, GRPO, DR_GRPO], ids=["RLOO", "GRPO", "DR_GRPO"])
def test_where_all_rewards_are_equal_no_weight_moves_and_it_is_said(row):
    policy = small_policy()
    before = copy.deepcopy(policy.state_dict())
    settings = in_the_laboratory(row, rate=0.1, steps=3, responses=16)
    _, history = trained(settings, policy, reward=zeros)
    assert [entry["silent"] for entry in history] == [1, 1, 1]
    for name, value in policy.state_dict().items():
        assert torch.equal(value, before[name])


def test_silence_is_told_of_groups_only():
    assert "silent" not in one_step(zeros)
    assert one_step(world_reward, group=4, advantage="leave_one_out")["silent"] < 1


def test_answers_to_one_prompt_stand_next_to_each_other():
    seen = []

    def spy(prompts, responses):
        seen.extend(tuple(prompt) for prompt in prompts)
        return torch.zeros(len(responses))

    one_step(spy, prompts=[(0,), (1,), (2,)], group=4)
    groups = [set(seen[start : start + 4]) for start in range(0, 16, 4)]
    assert all(len(group) == 1 for group in groups)
    assert len(set(seen)) > 1


def test_a_batch_read_in_parts_gives_the_same_step():
    policies = [
        trained(
            in_the_laboratory(
                GRPO, rate=0.1, steps=3, responses=32, minibatches=2, parts=parts
            )
        )
        for parts in (1, 4)
    ]
    (whole, told), (in_parts, told_in_parts) = policies
    torch.testing.assert_close(
        whole.embedding.weight, in_parts.embedding.weight, atol=1e-5, rtol=0
    )
    for name in ("policy_loss", "approx_kl", "clip_fraction", "gradient_norm"):
        assert told[1][name] == pytest.approx(told_in_parts[1][name], abs=1e-5), name


@pytest.mark.parametrize(
    ("changes", "metric"),
    [
        ({"beta": 2.0}, "policy_loss"),
        ({"advantage": "none"}, "gradient_norm"),
        ({"divide_by": "tokens"}, "gradient_norm"),
        ({"divide_by": "lengths"}, "gradient_norm"),
        ({"unfinished_score": -9.0}, "score"),
        ({"temperature": 0.5}, "entropy"),
        ({"responses": 32}, "tokens"),
        ({"gradient_clip": 1e-9}, "kl"),
        ({"kl_in": "loss", "beta": 3.0}, "policy_loss"),
    ],
)
def test_every_setting_is_used(changes, metric):
    def second_step(**changes):
        plain = dict(rate=0.1, steps=2, responses=16)
        settings = replace(in_the_laboratory(REINFORCE, **plain), **changes)
        return trained(settings)[1][1]

    assert second_step(**changes)[metric] != second_step()[metric]


def test_no_answer_is_longer_than_it_may_be():
    policy = small_policy()
    settings = replace(RLOO, max_new_tokens=2, responses=16, steps=1)
    _, (told,) = trained(settings, policy, reward=zeros)
    assert 1 <= told["length"] <= 2


def test_the_rate_falls_to_zero_in_a_straight_line():
    seen = []
    policy = TabularPolicy(WORLD, REFERENCE)
    settings = in_the_laboratory(REINFORCE, rate=0.1, steps=4, responses=8)
    optimizers = adamw(policy, settings.rate)
    step = policy_step(
        policy, frozen_copy(policy), world_reward, [[2]], settings, optimizers
    )
    for index in range(4):
        step(index, step_generator(0, index))
        seen.append(optimizers["adamw"].param_groups[0]["lr"])
    assert seen == pytest.approx([0.1, 0.075, 0.05, 0.025])


def test_training_never_moves_the_reference():
    policy = small_policy()
    reference = frozen_copy(policy)
    before = {name: value.clone() for name, value in reference.state_dict().items()}
    settings = in_the_laboratory(RLOO, rate=1e-2, steps=2, responses=16)
    _, (first, second) = trained(settings, policy, reference)
    assert first["kl"] == 0 and second["kl"] != 0
    for name, value in reference.state_dict().items():
        assert torch.equal(value, before[name])
    assert not torch.equal(policy.embedding.weight, reference.embedding.weight)


def test_a_reference_that_is_the_policy_itself_is_refused():
    policy = small_policy()
    with pytest.raises(ValueError, match="frozen_copy"):
        check_reference(policy, policy)
    check_reference(policy, frozen_copy(policy))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"advantage": "median"}, "choose one of"),
        ({"divide_by": "words"}, "choose one of"),
        ({"kl_in": "mind"}, "choose one of"),
        ({"responses": 10, "group": 4}, "divided into groups"),
        ({"advantage": "leave_one_out"}, "at least 2"),
        ({"minibatches": 300, "clip": 0.2}, "expected 1 to 128"),
        ({"epochs": 2}, "need a ratio"),
    ],
)
def test_settings_that_make_no_sense_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        replace(REINFORCE, **changes)


def test_a_critic_is_given_where_it_is_asked_and_nowhere_else():
    policy = small_policy()
    arguments = policy, frozen_copy(policy), world_reward, [[2]]
    with pytest.raises(ValueError, match="needs one"):
        policy_step(*arguments, replace(REINFORCE, advantage="critic"), {})
    with pytest.raises(ValueError, match="no prompts"):
        policy_step(*arguments[:3], [], REINFORCE, {})
