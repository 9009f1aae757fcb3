"""PPO, detail by detail: each held against arithmetic done another way.

The sick versions of the usual mistakes stand next to the healthy code, and the oracle
that accepts the one must reject the other.
"""

import math

import pytest
import torch
from tabular import TabularPolicy, TabularValues, state_values
from torch import nn

from llmlab import reinforce
from llmlab.batching import IGNORE, Batch
from llmlab.exact import World, kl_divergence, optimum, total_variation
from llmlab.gpt import GPT, GPTConfig
from llmlab.optimisers import adamw
from llmlab.ppo import (
    Experience,
    KLController,
    ValueModel,
    clipped_policy_loss,
    clipped_value_loss,
    explained_variance,
    generalised_advantages,
    make_ppo_step,
    ratio_metrics,
    whiten,
)
from llmlab.reinforce import frozen_copy, policy_gradient_loss
from llmlab.reward import RewardModel
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

    def __init__(
        self, policy, value_model, *, rate=1e-2, steps=20, beta=0.5, **settings
    ):
        self.policy, self.value_model, self.steps = policy, value_model, steps
        self.reference = frozen_copy(policy)
        self.kl_controller = KLController(beta, settings.pop("target", None))
        policy_optimizers = adamw(policy, rate)
        value_optimizers = adamw(value_model, rate)
        self.optimizers = {
            "policy": policy_optimizers["adamw"],
            "value": value_optimizers["adamw"],
        }
        self.step = make_ppo_step(
            policy,
            self.reference,
            settings.pop("reward_function", world_reward),
            value_model,
            [[2]],
            policy_optimizers=policy_optimizers,
            value_optimizers=value_optimizers,
            kl_controller=self.kl_controller,
            steps=steps,
            max_new_tokens=4,
            unfinished_score=None,
            **settings,
        )
        self.modules = {
            "policy": policy,
            "value": value_model,
            "kl": self.kl_controller,
        }

    def train(self, **settings):
        return train(
            settings.pop("step", self.step),
            steps=self.steps,
            modules=self.modules,
            optimizers=self.optimizers,
            seed=0,
            **settings,
        )


def gpt_trainer(**settings) -> Trainer:
    policy = small_gpt()
    return Trainer(policy, ValueModel(RewardModel(policy)), **settings)


def tabular_trainer(**settings) -> Trainer:
    policy = TabularPolicy(WORLD, REFERENCE)
    return Trainer(policy, TabularValues(WORLD), **settings)


# The whole algorithm


def test_ppo_reaches_the_best_policy_that_exists():
    trainer = tabular_trainer(rate=0.05, steps=60, batch=512, minibatches=2)
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
        rate=3e-3, steps=16, batch=128, minibatches=2, temperature=temperature
    )
    history = trainer.train()
    scores = [metrics["score"] for metrics in history]
    assert sum(scores[-4:]) / 4 > sum(scores[:4]) / 4 + 0.08
    assert all(metrics["first_ratio_error"] < 1e-5 for metrics in history)
    assert history[0]["kl"] == 0 and history[-1]["kl"] > 0.01
    # With this learning rate later minibatches do move away from the old policy.
    assert max(metrics["clip_fraction"] for metrics in history) > 0
    expected = {"score", "kl", "entropy", "clip_fraction", "approx_kl", "length"}
    expected |= {"explained_variance", "finished", "beta", "value_loss", "tokens"}
    assert expected <= history[0].keys()


def test_a_run_killed_in_the_middle_ends_with_the_same_bits(tmp_path):
    settings = dict(rate=1e-2, steps=6, batch=32, minibatches=2, target=0.01)
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
    assert resumed.kl_controller.beta != 0.5
    for name, module in undisturbed.modules.items():
        for key, value in module.state_dict().items():
            assert torch.equal(value, resumed.modules[name].state_dict()[key]), key


def test_training_moves_neither_the_reference_nor_the_reward_model():
    policy = small_gpt()
    reward_model = RewardModel(small_gpt(1))
    trainer = Trainer(
        policy, ValueModel(reward_model), batch=16, reward_function=reward_model.score
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
        gpt_trainer(batch=16).step(0, step_generator(3, 0)) for _ in range(2)
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
    assert torch.equal(part.values, expected + 0.1)
    assert torch.equal(part.advantages, expected + 0.2)
    assert torch.equal(part.returns, expected + 0.3)


def test_more_minibatches_than_responses_are_refused():
    with pytest.raises(ValueError, match="expected 1 to 4"):
        gpt_trainer(batch=4, minibatches=5)


def test_a_reference_that_moves_with_the_policy_is_refused():
    policy, values = small_gpt(), TabularValues(WORLD)
    with pytest.raises(ValueError, match="share weights"):
        make_ppo_step(
            policy,
            policy,
            world_reward,
            values,
            [[2]],
            policy_optimizers=adamw(policy, 1e-3),
            value_optimizers=adamw(values, 1e-3),
            kl_controller=KLController(),
            steps=1,
        )


# The value network


@torch.no_grad()
def test_a_value_does_not_see_the_action_that_it_judges():
    model = ValueModel(RewardModel(small_gpt()))
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
def test_the_value_network_begins_as_the_reward_model_and_shares_nothing_with_it():
    reward_model = RewardModel(small_gpt())
    reward_model.gain.fill_(2.5)
    reward_model.bias.fill_(-1.5)
    model = ValueModel(reward_model)
    tokens = torch.tensor([[2, 0, 1, 2]])
    torch.testing.assert_close(model(tokens)[:, -1], reward_model(tokens))
    own = {parameter.data_ptr() for parameter in reward_model.parameters()}
    assert all(parameter.data_ptr() not in own for parameter in model.parameters())


# The controller


def test_the_controller_follows_the_published_rule():
    controller = KLController(0.2, target=6, horizon=10_000)
    trace = []
    for kl in (1, 3, 6, 7, 30, 6.3):
        controller.update(kl, episodes=256)
        trace.append(controller.beta.item())
    expected = [0.198976, 0.197957243, 0.197957243]
    expected += [0.19880186, 0.199819726, 0.200075495]
    assert trace == pytest.approx(expected, abs=5e-9)


def test_without_a_target_beta_stays_and_the_state_can_be_saved():
    controller = KLController(0.3)
    controller.update(100, episodes=10_000)
    assert controller.beta == 0.3
    other = KLController(0.1)
    other.load_state_dict(controller.state_dict())
    assert other.beta == 0.3


@pytest.mark.parametrize("settings", [{"beta": -1}, {"target": 0}, {"horizon": 0}])
def test_a_controller_out_of_range_is_refused(settings):
    with pytest.raises(ValueError, match="expected"):
        KLController(**settings)


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


def test_keeping_the_mean_keeps_the_sign_of_rewards():
    rewards = torch.tensor([[-1.0, -1.1, -0.9, 7.0]])
    mask = torch.tensor([[True, True, True, False]])
    kept = whiten(rewards, mask, shift_mean=False)
    assert kept[0, :3].mean().item() == pytest.approx(-1, abs=1e-5)
    assert kept[0, 3] == 0


def test_a_single_token_is_whitened_to_zero_and_not_to_nan():
    whitened = whiten(torch.tensor([[3.0, 9.0]]), torch.tensor([[True, False]]))
    assert whitened.tolist() == [[0, 0]]


# The two losses


def slope(ratio: float, advantage: float) -> float:
    """d loss / d log pi of one token."""
    log_prob = torch.tensor([[ratio]], dtype=torch.float64).log().requires_grad_()
    old, advantages = torch.zeros_like(log_prob), torch.tensor([[advantage]]).double()
    clipped_policy_loss(log_prob, old, advantages, torch.tensor([[True]])).backward()
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
    loss = clipped_policy_loss(new, old, advantages, mask)
    assert loss.item() == pytest.approx(total / mask.sum().item(), abs=1e-12)
    junk = torch.where(mask, advantages, 1e6)
    wider = [nn.functional.pad(tensor, (0, 6)) for tensor in (new, old, junk, mask)]
    assert clipped_policy_loss(*wider).item() == pytest.approx(loss.item(), abs=1e-12)


def test_the_first_ppo_gradient_is_the_reinforce_gradient():
    rows = torch.multinomial(P, 64, replacement=True, generator=generator(6))
    mask, weights = MASK[rows], torch.randn(64, 4, generator=generator(7)).double()

    def gradient(loss):
        leaf = LOGITS.clone().requires_grad_()
        log_probs = WORLD.token_log_probs(leaf)[rows]
        return torch.autograd.grad(loss(log_probs), leaf)[0]

    old = WORLD.token_log_probs(LOGITS)[rows]
    ppo = gradient(lambda new: clipped_policy_loss(new, old, weights, mask))
    reinforce = gradient(lambda new: policy_gradient_loss(new, weights, mask))
    # One divides by tokens, the other by sequences; the direction is one.
    torch.testing.assert_close(ppo * mask.sum() / 64, reinforce, atol=1e-12, rtol=0)


def test_the_value_loss_is_clipped_around_the_old_value():
    returns = torch.zeros(1, 4, dtype=torch.float64)
    old = torch.full_like(returns, 1.0)
    # Moved a little, moved far towards the return, moved far away, beyond the return.
    values = torch.tensor([[0.9, 0.5, 1.5, -0.9]], dtype=torch.float64).requires_grad_()
    mask = torch.ones(1, 4, dtype=torch.bool)
    loss = clipped_value_loss(values, old, returns, mask)
    errors = [0.9**2, 0.8**2, 1.5**2, 0.9**2]
    assert loss.item() == pytest.approx(sum(errors) / 8, abs=1e-12)
    loss.backward()
    # No gradient where it moved far towards the return; full gradient elsewhere.
    assert (4 * values.grad)[0].tolist() == pytest.approx([0.9, 0.0, 1.5, -0.9])


def test_the_value_loss_ignores_padding():
    values, returns, mask = random_experience()
    junk = torch.where(mask, returns, 1e6)
    loss = clipped_value_loss(values, values, returns, mask)
    assert clipped_value_loss(values, values, junk, mask) == loss
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
        trainer = tabular_trainer(batch=64, minibatches=2)
        metrics.append(step_with_padding(trainer, width))
    # A loss is a mean of numbers of size one that cancel: rounding is absolute.
    assert metrics[0] == pytest.approx(metrics[1], rel=1e-5, abs=1e-6)


def step_with_padding(trainer, width):
    original = reinforce.next_token_batch

    def padded(sequences, masks):
        batch = original(sequences, masks)
        extra = (0, width - batch.tokens.shape[1])
        return Batch(
            nn.functional.pad(batch.tokens, extra),
            nn.functional.pad(batch.targets, extra, value=IGNORE),
            nn.functional.pad(batch.segment_ids, extra),
        )

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reinforce, "next_token_batch", padded)
        return trainer.step(0, step_generator(0, 0))
