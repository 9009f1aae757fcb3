"""PPO, detail by detail: each held against arithmetic done another way.

The sick versions of the usual mistakes stand next to the healthy code, and the oracle
that accepts the one must reject the other.
"""

import math
from dataclasses import replace
from functools import partial

import pytest
import torch
from tabular import TabularPolicy, TabularValues, state_values
from torch import nn

from llmlab import rollouts
from llmlab.batching import IGNORE, Batch, next_token_batch
from llmlab.exact import World, kl_divergence, optimum, total_variation
from llmlab.gpt import GPT, GPTConfig
from llmlab.instruction import replay_loss
from llmlab.optimisers import adamw
from llmlab.policy_gradient import (
    REINFORCE,
    Experience,
    clipped_policy_loss,
    policy_gradient_loss,
    policy_step,
    policy_update,
    ratio_metrics,
    token_weights,
)
from llmlab.ppo import (
    PPO,
    Critic,
    ValueModel,
    explained_variance,
    generalised_advantages,
    value_loss,
    whiten,
)
from llmlab.reward import RewardModel
from llmlab.rollouts import frozen_copy
from llmlab.training import step_generator, train

WORLD = World()
MASK = WORLD.mask


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


LOGITS = WORLD.random_logits(generator(1))
REFERENCE = WORLD.random_logits(generator(2))
REWARDS = torch.randn(31, generator=generator(3), dtype=torch.float64)
P = WORLD.probabilities(LOGITS)


def world_reward(prompts, responses):
    return REWARDS[[WORLD.index(response) for response in responses]]


def small_gpt(seed: int = 0) -> GPT:
    config = GPTConfig(vocab_size=3, context=24, layers=1, heads=2, width=32)
    model = GPT(config, seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("output.weight") or name == "embedding.weight":
                parameter.normal_(0, 0.1, generator=generator(seed))
    return model


class Trainer:
    """All that one PPO run needs, on the world of 31 sequences."""

    def __init__(self, policy, value_model, *, reward=world_reward, **changes):
        plain = dict(rate=1e-2, critic_rate=1e-2, steps=20, responses=64, beta=0.5)
        plain |= dict(epochs=4, minibatches=4, unfinished_score=None, temperature=1.0)
        self.settings = replace(PPO, max_new_tokens=4, **(plain | changes))
        self.policy, self.value_model = policy, value_model
        self.reference = frozen_copy(policy)
        policy_optimizers = adamw(policy, self.settings.rate)
        value_optimizers = adamw(value_model, self.settings.critic_rate)
        self.optimizers = {
            "policy": policy_optimizers["adamw"],
            "value": value_optimizers["adamw"],
        }
        self.step = policy_step(
            policy,
            self.reference,
            reward,
            [[2]],
            self.settings,
            policy_optimizers,
            critic=Critic(value_model, self.settings, value_optimizers),
        )
        self.modules = {"policy": policy, "value": value_model}

    def train(self, **settings):
        return train(
            settings.pop("step", self.step),
            steps=self.settings.steps,
            modules=self.modules,
            optimizers=self.optimizers,
            seed=0,
            **settings,
        )


def gpt_trainer(**settings) -> Trainer:
    policy = small_gpt()
    return Trainer(policy, ValueModel(policy), **settings)


def tabular_trainer(**settings) -> Trainer:
    policy = TabularPolicy(WORLD, REFERENCE)
    return Trainer(policy, TabularValues(WORLD), **settings)


# The whole algorithm


def test_ppo_reaches_the_best_policy_that_exists():
    trainer = tabular_trainer(
        rate=0.05, critic_rate=0.05, steps=60, responses=512, minibatches=2
    )
    history = trainer.train()
    reference = WORLD.probabilities(REFERENCE)
    best = optimum(reference, REWARDS, 0.5)
    reached = trainer.policy.probabilities()
    assert total_variation(reference, best) > 0.2
    assert total_variation(reached, best) < 0.02
    assert history[-1]["kl"] == pytest.approx(
        kl_divergence(best, reference).item(), abs=0.15
    )
    # At the optimum score - beta * KL is the same for every sequence, beta log Z, and
    # that is what the value network says before the first token.
    log_z = (reference * (REWARDS / 0.5).exp()).sum().log().item()
    first_value = trainer.value_model.embedding.weight[0].item()
    assert first_value == pytest.approx(0.5 * log_z, abs=0.05)


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_a_real_gpt_learns_and_its_first_ratio_is_one(temperature):
    trainer = gpt_trainer(
        rate=3e-3,
        critic_rate=3e-3,
        steps=16,
        responses=128,
        minibatches=2,
        temperature=temperature,
    )
    history = trainer.train()
    scores = [metrics["score"] for metrics in history]
    assert sum(scores[-4:]) / 4 > sum(scores[:4]) / 4 + 0.08
    assert all(metrics["first_ratio_error"] < 1e-5 for metrics in history)
    assert history[0]["kl"] == 0 and history[-1]["kl"] > 0.01
    # With this learning rate later minibatches do move away from the old policy.
    assert max(metrics["clip_fraction"] for metrics in history) > 0
    expected = {"score", "kl", "entropy", "clip_fraction", "approx_kl", "length"}
    expected |= {"explained_variance", "finished", "value_loss", "kl_error", "tokens"}
    assert expected <= history[0].keys()


def test_a_run_killed_in_the_middle_ends_with_the_same_bits(tmp_path):
    settings = dict(steps=6, responses=32, minibatches=2, warm_up=1)
    undisturbed = gpt_trainer(**settings)
    undisturbed.train()
    state = dict(state_path=tmp_path / "state", save_every=0)
    killed = gpt_trainer(**settings)

    def failing(index, source):
        if index == 4:
            raise RuntimeError("power cut")
        return killed.step(index, source)

    with pytest.raises(RuntimeError):
        killed.train(step=failing, **state)
    resumed = gpt_trainer(**settings)
    resumed.train(**state)
    for name, module in undisturbed.modules.items():
        for key, value in module.state_dict().items():
            assert torch.equal(value, resumed.modules[name].state_dict()[key]), key


def test_training_moves_neither_the_reference_nor_the_reward_model():
    policy = small_gpt()
    reward_model = RewardModel(small_gpt(1))
    trainer = Trainer(
        policy, ValueModel(reward_model.body), responses=16, reward=reward_model.score
    )
    frozen = [trainer.reference, reward_model]
    before = [
        {name: value.clone() for name, value in model.state_dict().items()}
        for model in frozen
    ]
    for index in range(2):
        trainer.step(index, step_generator(0, index))
    for model, states in zip(frozen, before, strict=True):
        for name, value in model.state_dict().items():
            assert torch.equal(value, states[name])
    assert not torch.equal(policy.embedding.weight, trainer.reference.embedding.weight)


def test_the_same_seed_gives_the_same_metrics():
    first, second = (
        gpt_trainer(responses=16).step(0, step_generator(3, 0)) for _ in range(2)
    )
    assert first == second


def test_a_minibatch_keeps_what_belongs_together_and_drops_needless_padding():
    segments = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0], [1, 1, 1, 0]])
    names = torch.arange(12).view(3, 4)  # each entry is its own name
    whole = Experience(
        Batch(names, names, segments), names, names + 0.1, names + 0.2, names + 0.3
    )
    part = whole.rows(torch.tensor([2, 1]))
    expected = torch.tensor([[8, 9, 10], [4, 5, 6]])
    assert torch.equal(part.batch.tokens, expected)
    assert torch.equal(part.log_probs, expected)
    assert torch.equal(part.reference_log_probs, expected + 0.1)
    assert torch.equal(part.advantages, expected + 0.2)
    assert torch.equal(part.weights, expected + 0.3)


def test_a_minibatch_weighs_as_a_whole_of_its_own():
    batch = next_token_batch([[1, 2, 2], [1, 2], [1, 2, 2, 2], [1, 2, 2]])
    zeros = torch.zeros(batch.targets.shape)
    whole = Experience(batch, zeros, zeros, zeros, zeros)
    rows = torch.tensor([1, 3])  # of one and of two targets
    for divide_by, expected in (
        ("tokens", [[1 / 3, 0], [1 / 3, 1 / 3]]),
        ("responses", [[1 / 2, 0], [1 / 2, 1 / 2]]),
        ("lengths", [[1 / 2, 0], [1 / 4, 1 / 4]]),
        ("room", [[1 / 20, 0], [1 / 20, 1 / 20]]),
    ):
        settings = replace(PPO, divide_by=divide_by, max_new_tokens=10)
        weights = whole.minibatch(rows, settings).weights
        torch.testing.assert_close(weights, torch.tensor(expected).double())


def test_every_response_is_learned_from_once_an_epoch(monkeypatch):
    learned = []
    original = Experience.minibatch

    def spy(self, index, settings):
        learned.append(index.tolist())
        return original(self, index, settings)

    monkeypatch.setattr(Experience, "minibatch", spy)
    gpt_trainer(responses=12, epochs=2, minibatches=3).step(0, step_generator(0, 0))
    assert [len(rows) for rows in learned] == [4] * 6
    for epoch in (learned[:3], learned[3:]):
        assert sorted(sum(epoch, [])) == list(range(12))
    assert learned[:3] != learned[3:]


def test_the_old_policy_stays_the_old_one_while_it_is_learned_from():
    """The sick version takes the old log-probabilities anew: every ratio is then 1."""
    trainer = gpt_trainer(rate=3e-2, responses=32, epochs=2, minibatches=2, clip=0.05)
    told = trainer.step(0, step_generator(0, 0))
    assert told["first_ratio_error"] < 1e-5
    assert told["clip_fraction"] > 0.01 and told["approx_kl"] > 0


def test_while_the_critic_warms_up_the_policy_stays():
    trainer = gpt_trainer(responses=16, warm_up=1, epochs=2, minibatches=2)
    before = {k: v.clone() for k, v in trainer.policy.state_dict().items()}
    told = trainer.step(0, step_generator(0, 0))
    assert "policy_loss" not in told and told["value_loss"] > 0
    for name, value in trainer.policy.state_dict().items():
        assert torch.equal(value, before[name])
    assert trainer.value_model.head.weight.abs().max() > 0
    assert "policy_loss" in trainer.step(1, step_generator(0, 1))


@pytest.mark.parametrize(
    ("changes", "metric"),
    [
        ({"gae_lambda": 0.0}, "policy_loss"),
        ({"discount": 0.5}, "explained_variance"),
        ({"value_clip": 1e-4}, "value_loss"),
        ({"critic_rate": 0.0}, "value_loss"),
        ({"clip": 1e-4}, "clip_fraction"),
        ({"epochs": 1}, "approx_kl"),
        ({"minibatches": 1}, "approx_kl"),
        ({"gradient_clip": 1e-9}, "approx_kl"),
    ],
)
def test_every_setting_of_the_critic_and_of_the_careful_steps_is_used(changes, metric):
    def second_step(**changes):
        trainer = gpt_trainer(responses=16, **changes)
        trainer.step(0, step_generator(0, 0))
        return trainer.step(1, step_generator(0, 1))

    assert second_step(**changes)[metric] != second_step()[metric]


# The value network


@torch.no_grad()
def test_a_value_does_not_see_the_action_that_it_judges():
    model = ValueModel(small_gpt())
    nn.init.normal_(model.head.weight, generator=generator())
    tokens = torch.tensor([[2, 0, 1, 1, 0]])
    values = model(tokens)
    for time in range(1, 5):
        changed = tokens.clone()
        changed[0, time] = 2
        # Token `time` is the action at time - 1; its state must not know it.
        same = model(changed)
        assert torch.equal(same[:, :time], values[:, :time])
        assert (same[:, time] != values[:, time]).all()


@torch.no_grad()
def test_the_critic_begins_without_an_opinion_and_shares_nothing_with_the_reward():
    reward_model = RewardModel(small_gpt())
    model = ValueModel(reward_model.body)
    assert (model(torch.tensor([[2, 0, 1, 2]])) == 0).all()
    own = {parameter.data_ptr() for parameter in reward_model.parameters()}
    assert all(parameter.data_ptr() not in own for parameter in model.parameters())


def test_the_critic_judges_in_whitened_units_and_learns_at_the_rate_of_the_moment():
    model = TabularValues(WORLD)
    settings = replace(PPO, critic_rate=0.1)
    optimizers = adamw(model, settings.critic_rate)
    critic = Critic(model, settings, optimizers)
    batch = next_token_batch([[2, 0, 2], [2, 1, 1, 2], [2, 2]])
    rewards = 5 + 3 * torch.randn(batch.targets.shape, generator=generator())
    advantages, _ = critic.advantages(batch, rewards)
    told = advantages[batch.target_mask]
    assert told.mean().item() == pytest.approx(0, abs=1e-6)
    assert told.var(correction=0).item() == pytest.approx(1, abs=1e-5)
    said = critic.learn(torch.tensor([1]), multiplier=0.25)
    values = torch.zeros(rewards.shape)  # it begins without an opinion
    _, returns = generalised_advantages(rewards, values, batch.target_mask)
    assert said["value_loss"] == pytest.approx(returns[1].square().mean().item() / 2)
    assert optimizers["adamw"].param_groups[0]["lr"] == pytest.approx(0.025)


# Advantages


def random_experience(batch=6, time=9):
    """Rewards, values and a mask: junk in the prompts before and the padding after."""
    source = generator(7)
    columns = torch.arange(time)
    starts = torch.randint(0, 3, (batch, 1), generator=source)
    lengths = torch.randint(1, 6, (batch, 1), generator=source)
    mask = (columns >= starts) & (columns < starts + lengths)
    rewards, values = torch.randn(2, batch, time, generator=source, dtype=torch.float64)
    return rewards, values, mask


@pytest.mark.parametrize("gae_lambda", [0.0, 0.5, 0.95, 1.0])
@pytest.mark.parametrize("discount", [0.9, 1.0])
def test_gae_is_the_sum_that_defines_it(discount, gae_lambda):
    rewards, values, mask = random_experience()
    advantages, returns = generalised_advantages(
        rewards, values, mask, discount=discount, gae_lambda=gae_lambda
    )
    for row in range(len(mask)):
        columns = mask[row].nonzero()[:, 0].tolist()
        for t in columns:
            total = 0.0
            for k in columns[columns.index(t) :]:
                following = values[row, k + 1] if k + 1 in columns else 0.0
                delta = rewards[row, k] + discount * following - values[row, k]
                total += (discount * gae_lambda) ** (k - t) * delta
            assert advantages[row, t].item() == pytest.approx(total.item(), abs=1e-12)
            assert returns[row, t].item() == pytest.approx(
                (total + values[row, t]).item(), abs=1e-12
            )
    assert (advantages[~mask] == 0).all() and (returns[~mask] == 0).all()


def test_what_the_network_says_about_padding_never_reaches_an_advantage():
    rewards, values, mask = random_experience()
    clean = generalised_advantages(rewards * mask, values * mask, mask)
    for healthy, found in zip(
        clean, generalised_advantages(rewards, values, mask), strict=True
    ):
        assert torch.equal(healthy, found)
    # The sick version takes the whole row for response.
    everything = torch.ones_like(mask)
    sick, _ = generalised_advantages(rewards * mask, values, everything)
    assert ((sick - clean[0]) * mask).abs().max() > 0.1


def gradient_error_and_noise(values, gae_lambda):
    rewards = torch.zeros(MASK.shape, dtype=torch.float64)
    rewards[torch.arange(31), MASK.sum(dim=1) - 1] = REWARDS
    advantages, _ = generalised_advantages(rewards, values, MASK, gae_lambda=gae_lambda)
    mean, variance = WORLD.moments(LOGITS, WORLD.estimates(LOGITS, advantages))
    exact = WORLD.gradient(LOGITS, REWARDS).flatten()
    return (mean - exact).norm().item(), variance.item()


def test_with_true_values_any_lambda_is_unbiased_and_a_small_one_is_quiet():
    rewards = torch.zeros(MASK.shape, dtype=torch.float64)
    rewards[torch.arange(31), MASK.sum(dim=1) - 1] = REWARDS
    true = state_values(WORLD, LOGITS, rewards)
    results = [gradient_error_and_noise(true, lam) for lam in (0.0, 0.5, 0.95, 1.0)]
    assert max(error for error, _ in results) < 1e-12
    noises = [noise for _, noise in results]
    assert noises == sorted(noises) and noises[0] < noises[-1]


def test_with_wrong_values_only_lambda_one_is_unbiased():
    table = torch.randn(WORLD.state_count, generator=generator(8), dtype=torch.float64)
    wrong = table[WORLD.states]  # a function of the state, and nothing but wrong
    errors = [gradient_error_and_noise(wrong, lam)[0] for lam in (0.0, 0.5, 0.95, 1.0)]
    assert errors == sorted(errors, reverse=True)
    assert errors[2] > 1e-3 and errors[3] < 1e-12


# Whitening


def test_whitened_advantages_have_mean_zero_and_variance_one_on_real_tokens():
    advantages, _, mask = random_experience()
    advantages = 5 * advantages + 3
    whitened = whiten(advantages, mask)
    assert whitened[mask].mean().item() == pytest.approx(0, abs=1e-8)
    assert whitened[mask].var(correction=0).item() == pytest.approx(1, abs=1e-8)
    assert (whitened[~mask] == 0).all()
    # The sick version takes the padding into account.
    padded = torch.where(mask, advantages, 0.0)
    sick = (padded - padded.mean()) / padded.std()
    assert abs(sick[mask].mean()) > 0.1


def test_a_single_token_is_whitened_to_zero_and_not_to_nan():
    whitened = whiten(torch.tensor([[3.0, 9.0]]), torch.tensor([[True, False]]))
    assert whitened.tolist() == [[0, 0]]


# The two losses


def slope(ratio: float, advantage: float) -> float:
    """d loss / d log pi of one token."""
    log_prob = torch.tensor([[ratio]], dtype=torch.float64).log().requires_grad_()
    old, advantages = torch.zeros_like(log_prob), torch.tensor([[advantage]]).double()
    clipped_policy_loss(log_prob, old, advantages, torch.ones(1, 1)).backward()
    return log_prob.grad.item()


@pytest.mark.parametrize(
    ("ratio", "advantage", "expected"),
    [
        (1.0, 1.0, -1.0),
        (1.19, 1.0, -1.19),
        (1.21, 1.0, 0.0),  # good, and already much likelier: no more
        (0.5, 1.0, -0.5),  # good, but it became rarer: full gradient back
        (1.0, -1.0, 1.0),
        (0.81, -1.0, 0.81),
        (0.79, -1.0, 0.0),  # bad, and already much rarer: no more
        (1.5, -1.0, 1.5),  # bad, but it became likelier: full gradient back
    ],
)
def test_the_clip_stops_steps_that_went_far_enough_and_no_others(
    ratio, advantage, expected
):
    assert slope(ratio, advantage) == pytest.approx(expected, abs=1e-12)


def test_the_policy_loss_is_the_mean_over_real_tokens_and_ignores_padding():
    source = generator(5)
    new, old, advantages = torch.randn(3, 4, 6, generator=source, dtype=torch.float64)
    mask = torch.rand(4, 6, generator=source) < 0.6
    total = 0.0
    for row, column in mask.nonzero().tolist():
        ratio = (new[row, column] - old[row, column]).exp().item()
        advantage = advantages[row, column].item()
        limited = min(max(ratio, 0.8), 1.2)
        total += -min(ratio * advantage, limited * advantage)
    loss = clipped_policy_loss(new, old, advantages, token_weights(mask, "tokens"))
    assert loss.item() == pytest.approx(total / mask.sum().item(), abs=1e-12)
    junk = torch.where(mask, advantages, 1e6)
    wider = [nn.functional.pad(tensor, (0, 6)) for tensor in (new, old, junk, mask)]
    wider[-1] = token_weights(wider[-1], "tokens")
    assert clipped_policy_loss(*wider).item() == pytest.approx(loss.item(), abs=1e-12)


def test_the_first_ppo_gradient_is_the_reinforce_gradient():
    rows = torch.multinomial(P, 64, replacement=True, generator=generator(6))
    mask, weights = MASK[rows], torch.randn(64, 4, generator=generator(7)).double()

    def gradient(loss):
        leaf = LOGITS.clone().requires_grad_()
        log_probs = WORLD.token_log_probs(leaf)[rows]
        return torch.autograd.grad(loss(log_probs), leaf)[0]

    def rest(each):
        return {"advantages": weights, "weights": each}

    old = WORLD.token_log_probs(LOGITS)[rows]
    for divide_by in ("tokens", "responses", "lengths"):
        each = token_weights(mask, divide_by)
        ppo = gradient(partial(clipped_policy_loss, old_log_probs=old, **rest(each)))
        reinforce = gradient(partial(policy_gradient_loss, **rest(each)))
        torch.testing.assert_close(ppo, reinforce, atol=1e-12, rtol=0)


def test_the_value_loss_is_clipped_around_the_old_value():
    returns = torch.zeros(1, 4, dtype=torch.float64)
    old = torch.full_like(returns, 1.0)
    # Moved a little, moved far towards the return, moved far away, beyond the return.
    values = torch.tensor([[0.9, 0.5, 1.5, -0.9]], dtype=torch.float64).requires_grad_()
    mask = torch.ones(1, 4, dtype=torch.bool)
    each = token_weights(mask, "tokens")
    loss = value_loss(values, old, returns, each, clip=0.2)
    errors = [0.9**2, 0.8**2, 1.5**2, 0.9**2]
    assert loss.item() == pytest.approx(sum(errors) / 8, abs=1e-12)
    loss.backward()
    plain = value_loss(values, old, returns, each)
    assert plain.item() == pytest.approx(values.square().mean().item() / 2)
    # No gradient where it moved far towards the return; full gradient elsewhere.
    assert (4 * values.grad)[0].tolist() == pytest.approx([0.9, 0.0, 1.5, -0.9])


def test_the_value_loss_ignores_padding():
    values, returns, mask = random_experience()
    junk = torch.where(mask, returns, 1e6)
    each = token_weights(mask, "tokens")
    loss = value_loss(values, values, returns, each)
    assert value_loss(values, values, junk, each) == loss
    expected = (values - returns).square()[mask].mean() / 2
    assert loss.item() == pytest.approx(expected.item(), abs=1e-12)


def test_explained_variance_of_perfect_constant_and_opposite_values():
    returns = torch.tensor([[1.0, 2.0, 3.0, 99.0]])
    mask = torch.tensor([[True, True, True, False]])
    assert explained_variance(returns, returns, mask) == 1
    assert explained_variance(torch.ones(1, 4), returns, mask) == pytest.approx(0)
    assert explained_variance(-returns, returns, mask) == pytest.approx(-3)
    assert explained_variance(returns, torch.ones(1, 4), mask) == 0


def test_distances_from_the_old_policy_are_means_over_real_tokens():
    ratios = torch.tensor([[1.0, 1.5, 0.9, 50.0]], dtype=torch.float64)
    mask = torch.tensor([[True, True, True, False]])
    metrics = ratio_metrics(ratios.log(), torch.zeros(1, 4).double(), mask)
    assert metrics["clip_fraction"] == pytest.approx(1 / 3)
    distances = [0.5 - math.log(1.5), -0.1 - math.log(0.9)]
    assert metrics["approx_kl"] == pytest.approx(sum(distances) / 3, abs=1e-12)
    assert metrics["ratio_error"] == pytest.approx(0.5)


def test_only_real_tokens_count_in_every_metric_of_an_update():
    """The same rollout, padded twice as wide, learned from in the same way."""
    metrics = []
    for width in (4, 8):
        trainer = tabular_trainer(responses=64, minibatches=2)
        metrics.append(step_with_padding(trainer, width))
    # A loss is a mean of numbers of size one that cancel: rounding is absolute.
    assert metrics[0] == pytest.approx(metrics[1], rel=1e-5, abs=1e-6)


def step_with_padding(trainer, width):
    original = rollouts.next_token_batch

    def padded(sequences, masks):
        batch = original(sequences, masks)
        extra = (0, width - batch.tokens.shape[1])
        return Batch(
            nn.functional.pad(batch.tokens, extra),
            nn.functional.pad(batch.targets, extra, value=IGNORE),
            nn.functional.pad(batch.segment_ids, extra),
        )

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rollouts, "next_token_batch", padded)
        return trainer.step(0, step_generator(0, 0))


# The old lesson


LESSON = [([2, 0, 1, 2], [False, False, True, True]), ([2, 1, 2], [False, True, True])]


@pytest.mark.parametrize("parts", [1, 2])
def test_a_share_of_the_old_lesson_is_added_to_a_step_once(parts):
    """In however many pieces the minibatch is read; the oracle adds two gradients that
    were taken one by one. The sick version adds the lesson to every piece."""
    settings = replace(
        PPO, responses=8, parts=parts, minibatches=1, max_new_tokens=4, gradient_clip=99
    )
    policy, source = small_gpt(), generator(5)
    batch = next_token_batch([[2, 0, 1, 2], [2, 1, 2], [2, 0, 0, 2], [2, 2]])
    log_probs = torch.full(batch.targets.shape, -1.0)
    advantages = torch.randn(batch.targets.shape, generator=source)
    weights = token_weights(batch.target_mask, "tokens")
    part = Experience(batch, log_probs, log_probs, advantages, weights)

    def moved(replay=None):
        """By how much one step of plain descent at rate 1 changes the parameters."""
        learner = small_gpt()
        descent = {"sgd": torch.optim.SGD(learner.parameters(), lr=1.0)}
        chosen = replay and partial(replay(learner), generator(6))
        told = policy_update(learner, part, settings, descent, chosen)
        pairs = zip(policy.parameters(), learner.parameters(), strict=True)
        return told, [(old - new).detach() for old, new in pairs]

    how = dict(share=0.3, row_length=6, rows=3)
    plain, without = moved()
    told, with_lesson = moved(lambda model: replay_loss(model, LESSON, **how))
    lesson = replay_loss(policy, LESSON, **how)(generator(6))
    expected = torch.autograd.grad(lesson, list(policy.parameters()))
    for added, before, after in zip(expected, without, with_lesson, strict=True):
        torch.testing.assert_close(after - before, added, atol=2e-6, rtol=1e-3)
    assert "replay_loss" not in plain
    assert told["replay_loss"] == pytest.approx(lesson.item())


def test_the_old_lesson_is_phase_two_s_own_loss_times_its_share():
    """Rows of one example each: only the answer's tokens count, prompts are read."""
    policy = small_gpt()
    single = replay_loss(policy, LESSON[:1], share=0.25, row_length=3, rows=1)
    log_probs = policy(torch.tensor([[2, 0, 1]])).log_softmax(dim=-1)[0]
    by_hand = -(log_probs[1, 1] + log_probs[2, 2]) / 2
    assert single(generator()).item() == pytest.approx(0.25 * by_hand.item())


def test_a_policy_with_the_old_lesson_keeps_what_the_reward_does_not_ask_for():
    """A reward for "0", and a lesson in which the end follows another prompt."""
    lesson = [([1, 1, 2], [False, False, True])]

    def kept(share):
        policy = small_gpt()
        optimizers = adamw(policy, 1e-2)
        replay = replay_loss(policy, lesson, share=share, row_length=3)
        how = dict(max_new_tokens=3, beta=0.0, unfinished_score=None)
        settings = replace(REINFORCE, steps=25, responses=16, **how)
        step = policy_step(
            policy,
            frozen_copy(policy),
            lambda prompts, said: torch.tensor([float(a.count(0)) for a in said]),
            [[2]],
            settings,
            optimizers,
            replay=replay,
        )
        for index in range(settings.steps):
            told = step(index, step_generator(0, index))
        with torch.no_grad():
            said = policy(torch.tensor([[1, 1]])).softmax(dim=-1)[0, -1, 2]
        return told["score"], said.item()

    (paid, forgot), (paid_too, kept_it) = kept(0.0), kept(4.0)
    assert paid > 1.5 and paid_too > 1.5
    assert kept_it > 0.9 > 0.1 > forgot
