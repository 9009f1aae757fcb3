"""The policy gradient: make what was rewarded more probable.

One update serves every algorithm of phase 3. They differ in a few choices, so each of
them is a row of settings:

|              | answers a prompt | weight of a token          | clip | the KL is paid |
|--------------|------------------|----------------------------|------|----------------|
| `REINFORCE`  | 1                | to go - mean of the batch  |      | in the reward  |
| `RLOO`       | 8                | to go - mean of the others |      | in the reward  |
| `GRPO`       | 8                | (score - mean) / deviation | 0.2  | in the loss    |
| `ppo.PPO`    | 1                | GAE of a critic            | 0.2  | in the reward  |

Tensors per token are (batch, time), as in `rollouts`; weights and masks are 0 wherever
the policy did not write.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import torch
from torch import Tensor
from torch.optim import Optimizer

from llmlab import processes, rollouts
from llmlab.batching import Batch
from llmlab.gpt import GPT
from llmlab.likelihood import masked_mean, target_logits, token_log_probs
from llmlab.progress import Metrics
from llmlab.rollouts import Collected, RewardFunction, check_reference, kl_k3
from llmlab.training import apply_gradients, set_learning_rate

# What a token's weight is -------------------------------------------------------------


def reward_to_go(rewards: Tensor, mask: Tensor) -> Tensor:
    """G_t = r_t + r_{t+1} + …: a token cannot change what was paid before it.

    Sutton and Barto 2018, section 13.3, undiscounted. (batch, time), 0 off the mask.
    """
    return (rewards * mask).flip(-1).cumsum(dim=-1).flip(-1) * mask


def batch_mean(returns: Tensor, group: int) -> Tensor:
    """The mean return of the whole batch, (batch,): simple, a little too small."""
    mean = processes.sum_(returns.sum()) / processes.sum_(len(returns))
    return mean.expand_as(returns)


def leave_one_out(returns: Tensor, group: int) -> Tensor:
    """The mean return of the *other* answers to the same prompt, (batch,).

    RLOO (Kool et al. 2019; Ahmadian et al. 2024). Rows of one prompt are neighbours.
    """
    groups = _groups(returns, group)
    others = groups.sum(dim=1, keepdim=True) - groups
    return (others / (group - 1)).flatten()


def group_mean(returns: Tensor, group: int) -> Tensor:
    """The mean return of all answers to the same prompt, (batch,).

    An answer's own return is in it, which makes every step 1 - 1/group as long as the
    gradient, and points the same way (Liu et al. 2025, "Dr. GRPO").
    """
    return _groups(returns, group).mean(dim=1, keepdim=True).expand(-1, group).flatten()


def no_baseline(returns: Tensor, group: int) -> Tensor:
    """Nothing was expected: (batch,) zeros."""
    return torch.zeros_like(returns)


BASELINES = {
    "batch_mean": batch_mean,
    "leave_one_out": leave_one_out,
    "group_mean": group_mean,
    "none": no_baseline,
}
"""What was to be expected: subtracting it changes the noise, not the mean. Each takes
the returns (batch,) and how many neighbours answer one prompt."""


def standardised(scores: Tensor, group: int) -> Tensor:
    """(score - mean) / deviation among the answers to one prompt, (batch,).

    GRPO (Shao et al. 2024). Prompts on which answers hardly differ weigh as much as
    prompts on which they do, so this is not the gradient of the expected score. A group
    of equal scores gets 0.
    """
    groups = _groups(scores, group)
    deviation = groups.std(dim=1, keepdim=True)
    return ((groups - groups.mean(dim=1, keepdim=True)) / (deviation + 1e-4)).flatten()


def silent_groups(scores: Tensor, group: int) -> float:
    """The share of prompts whose answers all scored alike: less what was to be
    expected, nothing is left of their scores, and they teach nothing."""
    groups = _groups(scores, group)
    alike = (groups == groups[:, :1]).all(dim=1)
    return float(processes.sum_(alike.sum()) / processes.sum_(len(alike)))


def _groups(values: Tensor, group: int) -> Tensor:
    if group < 2 or len(values) % group:
        raise ValueError(
            f"{len(values)} answers cannot be compared in groups of {group}; expected "
            "at least 2 a prompt, dividing the batch"
        )
    return values.view(-1, group)


# What the loss is divided by ----------------------------------------------------------

DIVISORS = ("responses", "tokens", "lengths", "room")


def token_weights(mask: Tensor, divide_by: str, room: int = 1) -> Tensor:
    """What each token counts in a loss, (batch, time); the losses below sum up, and so
    do the batches of several processes.

    divide_by : "responses": a sum over tokens, a mean over responses, which is the
        gradient without bias. "tokens": a mean over all tokens of the batch (PPO).
        "lengths": a mean over each response, then over responses (GRPO as published):
        tokens of short responses count more. "room": a sum, divided by a constant, the
        longest response possible (Dr. GRPO).
    """
    ones, responses = mask.double(), processes.sum_(len(mask))
    if divide_by == "responses":
        return ones / responses
    if divide_by == "tokens":
        return ones / processes.sum_(mask.sum())
    if divide_by == "lengths":
        return ones / (mask.sum(dim=1, keepdim=True) * responses)
    if divide_by == "room":
        return ones / (room * responses)
    raise ValueError(f"divide_by is {divide_by!r}; choose one of {DIVISORS}")


def weighted_sum(values: Tensor, weights: Tensor) -> Tensor:
    """Sum of values times weights; where a weight is 0, the value does not matter."""
    return (values * weights.to(values)).where(weights != 0, 0).sum()


# Losses -------------------------------------------------------------------------------


def policy_gradient_loss(
    log_probs: Tensor, advantages: Tensor, weights: Tensor
) -> Tensor:
    """-log pi(y_t) A_t, summed with `token_weights`.

    Williams 1992. With "responses" its gradient estimates -dE[R]/dtheta without bias.
    """
    return weighted_sum(-log_probs * advantages.detach(), weights)


def clipped_policy_loss(
    log_probs: Tensor,
    old_log_probs: Tensor,
    advantages: Tensor,
    weights: Tensor,
    clip: float = 0.2,
) -> Tensor:
    """PPO's objective, negated, summed with `token_weights`.

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
    return weighted_sum(torch.maximum(unclipped, clipped), weights)


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


# Rows of settings ---------------------------------------------------------------------


@dataclass(frozen=True)
class PolicySettings:
    """All choices of one algorithm.

    steps : updates in all; learning rates fall to zero in a straight line.
    rate : AdamW's, for the policy.
    responses, group : answers an update, and how many of them to one prompt.
    advantage : "leave_one_out", "batch_mean", "group_mean" or "none": reward to go less
        that; "standardised": see there; "critic": whatever the critic says.
    divide_by : what the loss is divided by; see `token_weights`.
    clip : how far a ratio may leave 1 and still be rewarded. None: the plain gradient.
    kl_in, beta : whether a nat of divergence costs `beta` of reward ("reward"), or k3
        is added to the loss ("loss"), which pulls towards another policy.
    epochs, minibatches : how often a rollout is gone through, and in how many parts.
    parts : each of them is read in so many pieces, for the sake of memory only.
    unfinished_score : see `rollouts.score_responses`.
    critic_rate, discount, gae_lambda, value_clip, warm_up : of the critic, where there
        is one; see `ppo.Critic`.
    """

    steps: int = 30
    rate: float = 3e-4
    responses: int = 128
    group: int = 1
    advantage: str = "batch_mean"
    divide_by: str = "responses"
    clip: float | None = None
    kl_in: str = "reward"
    beta: float = 0.1
    epochs: int = 1
    minibatches: int = 1
    parts: int = 1
    temperature: float = 0.7
    max_new_tokens: int = 160
    unfinished_score: float | None = -2.0
    gradient_clip: float = 1.0
    critic_rate: float = 1e-3
    discount: float = 1.0
    gae_lambda: float = 0.95
    value_clip: float | None = None
    warm_up: int = 0

    def __post_init__(self):
        for name, value, choices in (
            ("advantage", self.advantage, (*BASELINES, "standardised", "critic")),
            ("divide_by", self.divide_by, DIVISORS),
            ("kl_in", self.kl_in, ("reward", "loss")),
        ):
            if value not in choices:
                raise ValueError(f"{name} is {value!r}; choose one of {choices}")
        if self.group < 1 or self.responses % self.group:
            raise ValueError(
                f"{self.responses} responses cannot be divided into groups of "
                f"{self.group}"
            )
        compared = ("leave_one_out", "group_mean", "standardised")
        if self.advantage in compared and self.group < 2:
            raise ValueError(
                f"{self.advantage} compares answers to one prompt, but group is "
                f"{self.group}; give at least 2"
            )
        if not 1 <= self.minibatches * self.parts <= self.responses:
            raise ValueError(
                f"{self.minibatches} minibatches of {self.parts} parts; expected 1 to "
                f"{self.responses} in all, as many as there are responses"
            )
        if self.clip is None and self.epochs * self.minibatches > 1:
            raise ValueError(
                "after the first step the rollout is another policy's: more steps on "
                "it need a ratio; give clip, or 1 epoch and 1 minibatch"
            )


REINFORCE = PolicySettings()
RLOO = replace(REINFORCE, group=8, advantage="leave_one_out")
_SHAO = dict(advantage="standardised", divide_by="lengths", kl_in="loss")
GRPO = replace(REINFORCE, group=8, clip=0.2, **_SHAO)
# Without the two divisions, and with the KL where its gradient is right.
DR_GRPO = replace(GRPO, advantage="group_mean", divide_by="room", kl_in="reward")


# The update ---------------------------------------------------------------------------


class Critic(Protocol):
    """Who says what was to be expected, and learns it; see `ppo.Critic`."""

    def advantages(self, batch: Batch, rewards: Tensor) -> tuple[Tensor, Metrics]: ...

    def learn(self, rows: Tensor, multiplier: float) -> Metrics: ...


@dataclass(frozen=True)
class Experience:
    """One rollout and all that stays fixed while it is learned from.

    weights : what each token counts in the loss of the whole; see `token_weights`.
    """

    batch: Batch
    log_probs: Tensor
    reference_log_probs: Tensor
    advantages: Tensor
    weights: Tensor

    def rows(self, index: Tensor) -> "Experience":
        """Some of the sequences, trimmed to the longest among them."""
        batch = self.batch.rows(index)
        columns = slice(batch.tokens.shape[1])
        told = (self.log_probs, self.reference_log_probs, self.advantages, self.weights)
        return Experience(batch, *(values[index, columns] for values in told))

    def minibatch(self, index: Tensor, settings: PolicySettings) -> "Experience":
        """Some of the sequences, as a whole of their own."""
        part, room = self.rows(index), settings.max_new_tokens
        weights = token_weights(part.batch.target_mask, settings.divide_by, room)
        return replace(part, weights=weights)


def policy_step(
    policy: GPT,
    reference: GPT,
    reward: RewardFunction,
    prompts: Sequence[Sequence[int]],
    settings: PolicySettings,
    optimizers: dict[str, Optimizer],
    critic: Critic | None = None,
    replay: Callable[[torch.Generator], Tensor] | None = None,
) -> Callable[[int, torch.Generator], Metrics]:
    """The update that `training.train` repeats: answer, score, learn.

    Everything that must survive a kill is in the policy, the critic's model and the
    optimisers: give `train` all of them.

    reference : a `frozen_copy` of the policy before training.
    reward : a score for each response; `RewardModel.score`, or a `verified_reward`.
    prompts : token ids, ending where the response begins.
    critic : for the advantage "critic". While it warms up, the policy stays as it is.
    replay : a loss to add to that of every step, so that what the reward does not ask
        for is not forgotten; see `instruction.replay_loss`.
    """
    check_reference(policy, reference)
    if (critic is not None) != (settings.advantage == "critic"):
        raise ValueError(
            f"advantage is {settings.advantage!r} and the critic is {critic!r}; the "
            'advantage "critic" needs one, and no other asks it'
        )
    if len(prompts) == 0:
        raise ValueError("there are no prompts to answer; give at least one")
    groups = settings.responses // settings.group
    processes.check_share(groups, "groups of responses")
    pieces = settings.minibatches * settings.parts
    processes.check_share(
        groups // -(-pieces // settings.group), "groups of responses for each piece"
    )

    def step(index: int, generator: torch.Generator) -> Metrics:
        multiplier = 1 - index / settings.steps
        set_learning_rate(optimizers.values(), multiplier)
        drawn = rollouts.draw_prompts(prompts, groups, generator)
        mine = [drawn[number] for number in processes.share(groups)]
        dice = processes.own_dice(generator)
        collected = rollouts.collect(
            policy,
            reference,
            reward,
            [prompt for prompt in mine for _ in range(settings.group)],
            dice,
            max_new_tokens=settings.max_new_tokens,
            temperature=settings.temperature,
            unfinished_score=settings.unfinished_score,
        )
        experience, judged = experience_of(collected, settings, critic)
        if settings.group > 1:
            judged["silent"] = silent_groups(collected.scores, settings.group)
        learned = defaultdict(list)
        for rows in minibatches(len(collected.scores), settings, dice):
            told = {}
            if critic is None or index >= settings.warm_up:
                part = experience.minibatch(rows, settings)
                old_lesson = replay and partial(replay, dice)
                told |= policy_update(policy, part, settings, optimizers, old_lesson)
            if critic is not None:
                told |= critic.learn(rows, multiplier)
            for name, value in told.items():
                learned[name].append(value)
        # Before the first update old and new policy are one; more than 1e-5 here is a
        # fault (a slice off by one, another temperature, dropout), never noise.
        first = learned.pop("ratio_error", [0.0])[0]
        means = {name: sum(values) / len(values) for name, values in learned.items()}
        return collected.metrics | judged | means | {"first_ratio_error": first}

    return step


def experience_of(
    collected: Collected, settings: PolicySettings, critic: Critic | None = None
) -> tuple[Experience, Metrics]:
    """What a rollout teaches: an advantage for every token of it."""
    batch, mask = collected.rollout.batch, collected.rollout.mask
    both = collected.log_probs, collected.reference_log_probs
    price = settings.beta if settings.kl_in == "reward" else 0.0
    rewards = rollouts.token_rewards(collected.scores, *both, mask, price)
    returns, judged = rewards.sum(dim=1), {}
    if settings.advantage == "critic":
        advantages, judged = critic.advantages(batch, rewards)
    elif settings.advantage == "standardised":
        advantages = standardised(returns, settings.group)[:, None] * mask
    else:
        expected = BASELINES[settings.advantage](returns, settings.group)
        advantages = (reward_to_go(rewards, mask) - expected[:, None]) * mask
    weights = token_weights(mask, settings.divide_by, settings.max_new_tokens)
    return Experience(batch, *both, advantages, weights), judged


def minibatches(
    rows: int, settings: PolicySettings, generator: torch.Generator
) -> Iterator[Tensor]:
    """Which rows of the rollout each update learns from."""
    for _ in range(settings.epochs):
        # A new order of *sequences*: tokens of one response stay together.
        order = torch.randperm(rows, generator=generator)
        yield from order.tensor_split(settings.minibatches)


def policy_update(
    policy: GPT,
    part: Experience,
    settings: PolicySettings,
    optimizers: dict[str, Optimizer],
    replay: Callable[[], Tensor] | None = None,
) -> Metrics:
    """One step of the optimiser on one minibatch, read in `settings.parts` pieces."""
    told: Metrics = defaultdict(float)
    tokens = processes.sum_(part.batch.target_mask.sum())

    def losses() -> Iterator[Tensor]:
        for rows in torch.arange(len(part.weights)).tensor_split(settings.parts):
            piece = part.rows(rows)
            loss, new = policy_loss(policy, piece, settings)
            yield loss
            mask, clip = piece.batch.target_mask, settings.clip or 0.2
            moved = ratio_metrics(new.detach(), piece.log_probs, mask, clip)
            told["policy_loss"] += processes.sum_(loss.item())
            told["ratio_error"] = max(told["ratio_error"], moved.pop("ratio_error"))
            for name, value in moved.items():  # means over the tokens of the piece
                told[name] += value * (processes.sum_(mask.sum()) / tokens).item()
        if replay is not None:
            loss = replay()
            yield loss
            told["replay_loss"] = processes.sum_(loss.item())

    clip, each = settings.gradient_clip, optimizers.values()
    norm = apply_gradients(losses(), policy, each, clip=clip)
    return dict(told) | {"gradient_norm": norm}


def policy_loss(
    policy: GPT, part: Experience, settings: PolicySettings
) -> tuple[Tensor, Tensor]:
    """The loss of some sequences, and the log-probabilities it is made of."""
    logits = target_logits(policy, part.batch, settings.temperature)
    log_probs = token_log_probs(logits, part.batch)
    if settings.clip is None:
        loss = policy_gradient_loss(log_probs, part.advantages, part.weights)
    else:
        loss = clipped_policy_loss(
            log_probs, part.log_probs, part.advantages, part.weights, settings.clip
        )
    if settings.kl_in == "loss":
        divergence = kl_k3(log_probs, part.reference_log_probs)
        loss = loss + settings.beta * weighted_sum(divergence, part.weights)
    return loss, log_probs
