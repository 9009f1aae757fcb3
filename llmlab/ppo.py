"""Proximal policy optimisation, every detail in sight.

Schulman et al. 2017, in the form that Ziegler et al. 2019 and Stiennon et al. 2020
gave it for language models. One rollout is used for several small updates; what makes
that safe is the ratio of new to old probabilities, and a limit to how far the objective
rewards moving it. As in `reinforce`, tensors per token are (batch, time), aligned with
`batch.targets`, and the mask marks the tokens that the policy wrote.
"""

import copy
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from llmlab.batching import Batch
from llmlab.gpt import GPT
from llmlab.reinforce import (
    RewardFunction,
    check_reference,
    draw_prompts,
    entropy,
    kl_k3,
    masked_mean,
    roll_out,
    rollout_metrics,
    score_responses,
    target_logits,
    token_log_probs,
    token_rewards,
)
from llmlab.reward import RewardModel
from llmlab.training import Metrics, apply_gradients, set_learning_rate


class ValueModel(nn.Module):
    """What the rest of a response is expected to earn, before every token of it.

    A network of its own, which begins as the reward model (Stiennon et al. 2020,
    section 3.4): it already knows what is good, and its errors never move the policy.
    """

    def __init__(self, reward_model: RewardModel):
        super().__init__()
        self.body = copy.deepcopy(reward_model.body)
        self.head = copy.deepcopy(reward_model.head)
        # The gain and bias go into the head, to be trained like the rest.
        with torch.no_grad():
            self.head.weight.mul_(reward_model.gain)
            self.head.bias.mul_(reward_model.gain).add_(reward_model.bias)

    def forward(self, tokens: Tensor, *, segment_ids: Tensor | None = None) -> Tensor:
        """V(s_t), (batch, time), aligned with the targets.

        Read off where y_t is *predicted*, which has seen everything before y_t and not
        y_t itself: a value that knew the action would be no baseline.
        """
        hidden = self.body.hidden_states(tokens, segment_ids=segment_ids)
        return self.head(hidden)[..., 0]


class KLController(nn.Module):
    """beta, the price of a nat, steered so that the KL stays near a target.

    Ziegler et al. 2019, section 2.2:
    error = clip(KL / target - 1, -0.2, 0.2); beta *= 1 + error * episodes / horizon.
    A module, so that a run that is killed and resumed finds its beta again.

    Parameters
    ----------
    beta : at the start.
    target : nats a sequence (the sum over its tokens). None: beta stays as it is.
    horizon : episodes in which beta can grow by 20 %.
    """

    def __init__(
        self, beta: float = 0.05, target: float | None = None, horizon: int = 10_000
    ):
        super().__init__()
        if beta < 0 or horizon <= 0 or (target is not None and target <= 0):
            raise ValueError(
                f"beta is {beta}, target {target}, horizon {horizon}; expected "
                "beta >= 0, target > 0 or None, horizon > 0"
            )
        self.target = target
        self.horizon = horizon
        self.register_buffer("beta", torch.tensor(beta, dtype=torch.float64))

    def update(self, kl: float, episodes: int) -> None:
        """Once a rollout: its mean KL per sequence, and how many sequences it had."""
        if self.target is None:
            return
        error = min(max(kl / self.target - 1, -0.2), 0.2)
        self.beta.mul_(1 + error * episodes / self.horizon)


# The pieces -------------------------------------------------------------------------


def generalised_advantages(
    rewards: Tensor,
    values: Tensor,
    mask: Tensor,
    *,
    discount: float = 1.0,
    gae_lambda: float = 0.95,
) -> tuple[Tensor, Tensor]:
    """GAE (Schulman et al. 2016, equation 16): how much better than expected.

    delta_t = r_t + discount * V_{t+1} - V_t
    A_t = delta_t + discount * gae_lambda * A_{t+1}

    lambda 1 asks only what was earned (no bias, much noise); lambda 0 trusts V.

    Parameters
    ----------
    rewards, values, mask : (batch, time); what lies off the mask is not looked at.

    Returns
    -------
    advantages, returns : (batch, time), 0 off the mask; returns = advantages + values,
        the target for V, computed from advantages before they are whitened.
    """
    # Nothing comes after the last token: its next value and advantage are 0, whatever
    # the network says about the padding.
    rewards, values = rewards * mask, values * mask
    advantages = torch.zeros_like(values)
    following_value = following_advantage = torch.zeros_like(values[:, 0])
    for t in reversed(range(values.shape[1])):
        delta = rewards[:, t] + discount * following_value - values[:, t]
        advantages[:, t] = delta + discount * gae_lambda * following_advantage
        advantages[:, t] *= mask[:, t]
        following_value, following_advantage = values[:, t], advantages[:, t]
    return advantages, (advantages + values) * mask


def whiten(values: Tensor, mask: Tensor, *, shift_mean: bool = True) -> Tensor:
    """Mean 0 and variance 1 over the real tokens; 0 elsewhere. (batch, time)

    As Ziegler et al. 2019 do it in code: biased variance, 1e-8 inside the root. With
    `shift_mean` False the mean is kept: for rewards, whose sign is an incentive to go
    on or to stop.
    """
    mean = masked_mean(values, mask)
    variance = masked_mean((values - mean).square(), mask)
    whitened = (values - mean) * (variance + 1e-8).rsqrt()
    if not shift_mean:
        whitened = whitened + mean
    return whitened * mask


def clipped_policy_loss(
    log_probs: Tensor,
    old_log_probs: Tensor,
    advantages: Tensor,
    mask: Tensor,
    clip: float = 0.2,
) -> Tensor:
    """PPO's objective, negated: *mean over the real tokens* of the minibatch.

    Schulman et al. 2017, equation 7. The maximum takes the gloomier of two losses: a
    token that has become more than 1 + clip times as probable as a good advantage
    called for earns nothing more, while a step in the wrong direction is always
    punished in full.
    """
    # Facts about the rollout: only the new log-probabilities may carry a gradient.
    old_log_probs, advantages = old_log_probs.detach(), advantages.detach()
    ratio = (log_probs - old_log_probs).exp()
    unclipped = -advantages * ratio
    clipped = -advantages * ratio.clamp(1 - clip, 1 + clip)
    return masked_mean(torch.maximum(unclipped, clipped), mask)


def clipped_value_loss(
    values: Tensor,
    old_values: Tensor,
    returns: Tensor,
    mask: Tensor,
    clip: float = 0.2,
) -> Tensor:
    """Half the squared error of V: *mean over the real tokens* of the minibatch.

    Clipped around the *old value* (not around the return), as in Ziegler et al. 2019's
    code: a value that has moved by more than `clip` towards the return is left there.
    """
    near = old_values + (values - old_values).clamp(-clip, clip)
    error = torch.maximum((values - returns).square(), (near - returns).square())
    return masked_mean(error, mask) / 2


def explained_variance(values: Tensor, returns: Tensor, mask: Tensor) -> float:
    """1 - Var(returns - values) / Var(returns): 1 is perfect, 0 a constant, < 0 worse.

    Over real tokens. 0 where all returns are equal and there is nothing to explain.
    """
    returns, errors = returns[mask], (returns - values)[mask]
    variance = returns.var(correction=0)
    if variance == 0:
        return 0.0
    return (1 - errors.var(correction=0) / variance).item()


def ratio_metrics(
    log_probs: Tensor, old_log_probs: Tensor, mask: Tensor, clip: float = 0.2
) -> Metrics:
    """How far the policy is from the one that wrote the rollout, over real tokens.

    clip_fraction : share of tokens whose ratio left 1 +- clip.
    approx_kl : KL(old || new) a token, by the estimator that is never negative.
    ratio_error : the largest distance of a ratio from 1.
    """
    distance = ((log_probs - old_log_probs).exp() - 1).abs() * mask
    return {
        "clip_fraction": masked_mean((distance > clip).float(), mask).item(),
        "approx_kl": masked_mean(kl_k3(old_log_probs, log_probs), mask).item(),
        "ratio_error": distance.max().item(),
    }


# The update -------------------------------------------------------------------------


@dataclass(frozen=True)
class Experience:
    """One rollout and all that stays fixed while it is learned from."""

    batch: Batch
    log_probs: Tensor
    values: Tensor
    advantages: Tensor
    returns: Tensor

    def rows(self, index: Tensor) -> "Experience":
        """A minibatch: some of the sequences, trimmed to the longest among them."""
        batch = self.batch.rows(index)
        time = batch.tokens.shape[1]
        return Experience(
            batch,
            self.log_probs[index, :time],
            self.values[index, :time],
            self.advantages[index, :time],
            self.returns[index, :time],
        )


def make_ppo_step(
    policy: GPT,
    reference: GPT,
    reward_function: RewardFunction,
    value_model: nn.Module,
    prompts: Sequence[Sequence[int]],
    *,
    policy_optimizers: dict[str, Optimizer],
    value_optimizers: dict[str, Optimizer],
    kl_controller: KLController,
    steps: int,
    batch: int = 64,
    max_new_tokens: int = 96,
    temperature: float = 1.0,
    epochs: int = 4,
    minibatches: int = 4,
    discount: float = 1.0,
    gae_lambda: float = 0.95,
    clip: float = 0.2,
    value_clip: float = 0.2,
    unfinished_score: float | None = -1.0,
    gradient_clip: float = 1.0,
) -> Callable[[int, torch.Generator], Metrics]:
    """An update for `training.train`: answer, score, then several careful steps.

    Everything that must survive a kill is in `policy`, `value_model`, `kl_controller`
    and the optimisers: give `train` all of them.

    Parameters
    ----------
    reference : a `frozen_copy` of the policy before training.
    reward_function : as a rule `reward_model.score`.
    value_model : (tokens, segment_ids=...) -> V(s_t), (batch, time); a `ValueModel`.
    prompts : token ids, ending where the response begins.
    steps : rollouts in all; the learning rates fall to zero in a straight line.
    batch : responses a rollout.
    temperature : at which the policy answers, and its log-probabilities are taken.
    epochs, minibatches : how often the rollout is gone through, and in how many parts.
    unfinished_score : see `reinforce.score_responses`.
    gradient_clip : longest gradient, for each of the two networks.

    The two networks share nothing, so that their losses are minimised side by side and
    need no coefficient to be added up with.
    """
    check_reference(policy, reference)
    if not 1 <= minibatches <= batch:
        raise ValueError(
            f"{minibatches} minibatches of {batch} responses; expected 1 to {batch}"
        )

    def step(index: int, generator: torch.Generator) -> Metrics:
        set_learning_rate(policy_optimizers.values(), 1 - index / steps)
        set_learning_rate(value_optimizers.values(), 1 - index / steps)
        experience, metrics = collect(generator)
        metrics |= learn(experience, generator)
        # After the rewards were priced: the next rollout pays the new price.
        kl_controller.update(metrics["kl"], batch)
        return metrics

    @torch.no_grad()
    def collect(generator: torch.Generator) -> tuple[Experience, Metrics]:
        drawn = draw_prompts(prompts, batch, generator)
        rollout = roll_out(
            policy,
            drawn,
            generator,
            max_new_tokens=max_new_tokens,
            temperature=temperature,
        )
        written, mask = rollout.batch, rollout.mask

        # From a forward pass rather than from generation: the same arithmetic as in the
        # updates, so that the first ratio is 1 and not nearly 1.
        logits = target_logits(policy, written, temperature)
        log_probs = token_log_probs(logits, written)
        reference_log_probs = token_log_probs(
            target_logits(reference, written, temperature), written
        )
        values = value_model(written.tokens, segment_ids=written.segment_ids)

        scores = score_responses(reward_function, rollout, unfinished_score)
        beta = kl_controller.beta.item()
        rewards = token_rewards(scores, log_probs, reference_log_probs, mask, beta)
        advantages, returns = generalised_advantages(
            rewards, values, mask, discount=discount, gae_lambda=gae_lambda
        )
        # Whitened once for the rollout, so that every minibatch sees the same scale.
        advantages = whiten(advantages, mask)

        metrics = rollout_metrics(
            rollout,
            scores,
            log_probs,
            reference_log_probs,
            entropy(logits, written),
        )
        metrics["beta"] = beta
        metrics["explained_variance"] = explained_variance(values, returns, mask)
        experience = Experience(written, log_probs, values, advantages, returns)
        return experience, metrics

    def learn(experience: Experience, generator: torch.Generator) -> Metrics:
        """All epochs on one rollout; the metrics are means over its minibatches."""
        collected = defaultdict(list)
        for _ in range(epochs):
            # A new order of *sequences*: tokens of one response stay together.
            order = torch.randperm(batch, generator=generator)
            for rows in order.chunk(minibatches):
                part = experience.rows(rows.to(experience.log_probs.device))
                for name, value in update(part).items():
                    collected[name].append(value)
        # Before the first update old and new policy are one; more than 1e-5 here is a
        # fault (a slice off by one, another temperature, dropout), never noise.
        first = collected.pop("ratio_error")[0]
        means = {name: sum(values) / len(values) for name, values in collected.items()}
        return means | {"first_ratio_error": first}

    def update(part: Experience) -> Metrics:
        mask = part.batch.target_mask

        logits = target_logits(policy, part.batch, temperature)
        log_probs = token_log_probs(logits, part.batch)
        policy_loss = clipped_policy_loss(
            log_probs, part.log_probs, part.advantages, mask, clip
        )
        norm = apply_gradients(
            policy_loss, policy, policy_optimizers.values(), clip=gradient_clip
        )

        values = value_model(part.batch.tokens, segment_ids=part.batch.segment_ids)
        value_loss = clipped_value_loss(
            values, part.values, part.returns, mask, value_clip
        )
        apply_gradients(
            value_loss, value_model, value_optimizers.values(), clip=gradient_clip
        )

        return {
            "policy_loss": policy_loss.item(),
            "value_loss": value_loss.item(),
            "gradient_norm": norm,
            **ratio_metrics(log_probs.detach(), part.log_probs, mask, clip),
        }

    return step
