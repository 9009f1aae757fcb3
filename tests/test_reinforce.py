"""The policy gradient, held against the sum over everything that could happen.

Where a fault is instructive its sick version stands next to the healthy one, and the
same oracle that accepts the one must reject the other.
"""

import math

import pytest
import torch
from tabular import TabularPolicy, state_values

from llmlab.batching import IGNORE, Batch, next_token_batch
from llmlab.evaluation import sequence_kl
from llmlab.exact import World, kl_divergence, optimum
from llmlab.gpt import GPT, GPTConfig
from llmlab.optimisers import adamw
from llmlab.reinforce import (
    Rollout,
    batch_mean,
    check_reference,
    entropy,
    frozen_copy,
    kl_k1,
    kl_k2,
    kl_k3,
    leave_one_out,
    make_reinforce_step,
    masked_mean,
    policy_gradient_loss,
    reward_to_go,
    roll_out,
    rollout_metrics,
    score_responses,
    target_logits,
    token_log_probs,
    token_rewards,
)
from llmlab.sampling import generate
from llmlab.training import step_generator, train

WORLD = World()
MASK = WORLD.mask


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
    loss = policy_gradient_loss(WORLD.token_log_probs(leaf), weights, MASK)
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
    policy_gradient_loss(log_probs, advantages, MASK).backward()
    careless = leaf.grad.clone()
    leaf.grad = None
    log_probs = WORLD.token_log_probs(leaf)
    policy_gradient_loss(log_probs, advantages.detach(), MASK).backward()
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
        lambda returns: torch.stack([batch_mean(row) for row in returns])
    )
    torch.testing.assert_close(shrunk, exact / 2, atol=1e-12, rtol=0)


def test_leave_one_out_averages_the_others_of_the_same_prompt():
    returns = torch.tensor([1.0, 0.0, 2.0, 0.5, 10.0, 10.0, 10.0, 14.0])
    advantages = returns - leave_one_out(returns, 4)
    expected = torch.tensor([1 / 6, -7 / 6, 1.5, -0.5, -4 / 3, -4 / 3, -4 / 3, 4.0])
    torch.testing.assert_close(advantages, expected)
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
def test_a_rollout_gives_back_the_log_probs_that_it_was_drawn_with(temperature):
    policy = small_policy(vocab_size=9)
    prompts = [[1], [1, 5, 6], [1, 7]] * 5
    settings = {"max_new_tokens": 6, "temperature": temperature}
    generation = generate(policy, prompts, generator=generator(4), **settings)
    rollout = roll_out(policy, prompts, generator(4), **settings)
    assert rollout.responses == generation.sequences()
    with torch.no_grad():
        logits = target_logits(policy, rollout.batch, rollout.temperature)
    found = token_log_probs(logits, rollout.batch)
    for row in range(len(prompts)):
        torch.testing.assert_close(
            found[row, rollout.mask[row]],
            generation.log_probs[row, generation.mask[row]],
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
    kl = sequence_kl(policy, reference, rollout)
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
def test_a_reward_function_that_misbehaves_is_named(scores, message):
    rollout = roll_out(small_policy(), [[2]] * 20, generator(), max_new_tokens=2)
    with pytest.raises(ValueError, match=message):
        score_responses(lambda prompts, responses: scores, rollout, None)


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


# Training


def world_reward(prompts, responses):
    return REWARDS[[WORLD.index(response) for response in responses]]


@pytest.mark.parametrize("baseline", ["leave_one_out", "batch_mean", "none"])
def test_reinforce_climbs_to_the_optimum(baseline):
    policy, beta = TabularPolicy(WORLD, REFERENCE), 0.5
    before = policy.probabilities()
    optimizers = adamw(policy, 0.1)
    step = make_reinforce_step(
        policy,
        frozen_copy(policy),
        world_reward,
        [[2]],
        optimizers=optimizers,
        steps=80,
        batch=128,
        max_new_tokens=4,
        baseline=baseline,
        beta=beta,
        unfinished_score=None,
    )
    history = train(
        step, steps=80, modules={"policy": policy}, optimizers=optimizers, seed=0
    )

    def worth(p):
        return (p @ REWARDS - beta * kl_divergence(p, before)).item()

    best = worth(optimum(before, REWARDS, beta))
    reached = worth(policy.probabilities())
    assert reached > worth(before) + 0.9 * (best - worth(before))
    assert history[0]["kl"] == 0 and history[-1]["kl"] > 0


def one_step(baseline, reward_function, prompts=((2,),), **settings):
    policy = TabularPolicy(WORLD, REFERENCE)
    step = make_reinforce_step(
        policy,
        frozen_copy(policy),
        reward_function,
        prompts,
        optimizers=adamw(policy, 0.1),
        steps=1,
        batch=16,
        max_new_tokens=4,
        baseline=baseline,
        beta=0.0,
        unfinished_score=None,
        **settings,
    )
    return step(0, step_generator(0, 0))


def test_policy_and_reference_are_compared_at_the_temperature_of_the_policy():
    def zeros(prompts, responses):
        return torch.zeros(len(responses))

    entropies = {}
    for temperature in (1.0, 0.5):
        first = one_step("none", zeros, temperature=temperature)
        assert first["kl"] == 0
        entropies[temperature] = first["entropy"]
    assert entropies[0.5] < entropies[1.0]


def test_with_a_baseline_a_reward_that_everything_gets_moves_nothing():
    def fives(prompts, responses):
        return torch.full((len(responses),), 5.0)

    for baseline in ("leave_one_out", "batch_mean"):
        assert one_step(baseline, fives)["gradient_norm"] < 1e-6
    assert one_step("none", fives)["gradient_norm"] > 0.1


def test_answers_to_one_prompt_stand_next_to_each_other():
    seen = []

    def spy(prompts, responses):
        seen.extend(tuple(prompt) for prompt in prompts)
        return torch.zeros(len(responses))

    one_step("leave_one_out", spy, prompts=[(0,), (1,), (2,)])
    groups = [set(seen[start : start + 4]) for start in range(0, 16, 4)]
    assert all(len(group) == 1 for group in groups)
    assert len(set(seen)) > 1


def test_training_never_moves_the_reference():
    policy = small_policy()
    reference = frozen_copy(policy)
    before = {name: value.clone() for name, value in reference.state_dict().items()}
    step = make_reinforce_step(
        policy,
        reference,
        world_reward,
        [[2]],
        optimizers=adamw(policy, 1e-2),
        steps=3,
        batch=16,
        max_new_tokens=4,
    )
    first = step(0, step_generator(0, 0))
    second = step(1, step_generator(0, 1))
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
    ("settings", "message"),
    [({"baseline": "median"}, "choose one of"), ({"batch": 10}, "divided into groups")],
)
def test_settings_that_make_no_sense_are_refused(settings, message):
    policy = small_policy()
    with pytest.raises(ValueError, match=message):
        make_reinforce_step(
            policy,
            frozen_copy(policy),
            world_reward,
            [[2]],
            optimizers=adamw(policy, 1e-2),
            steps=1,
            **settings,
        )
