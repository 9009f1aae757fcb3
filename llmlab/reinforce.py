"""The policy gradient: make what was rewarded more probable.

Here, too, is what every reinforcement learner needs: rollouts, log-probabilities, the
divergence from the reference policy, and rewards placed on tokens. Every tensor "per
token" is (batch, time) and aligned with `batch.targets`: entry [b, t] belongs to the
token that `logits[b, t]` predicts, and the mask tells which of them the policy wrote.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from llmlab.batching import Batch, next_token_batch
from llmlab.gpt import GPT
from llmlab.sampling import generate
from llmlab.training import Metrics, apply_gradients, set_learning_rate

Tokens = list[int]
RewardFunction = Callable[[list[Tokens], list[Tokens]], Tensor]
"""`reward(prompts, responses)` -> (batch,): a score for each response (token ids, end
token included). `RewardModel.score` is one; a program that grades text is another."""


# What the policy said, and how probable it was ------------------------------------


def target_logits(policy: GPT, batch: Batch, temperature: float = 1.0) -> Tensor:
    """The policy's scores wherever there is a target: (targets, vocab).

    Prompts and padding are read and not scored. The temperature is the one that the
    targets were drawn at: it is a part of the policy.
    """
    logits = policy(
        batch.tokens, segment_ids=batch.segment_ids, where=batch.target_mask
    )
    return logits.div_(temperature)


def token_log_probs(logits: Tensor, batch: Batch) -> Tensor:
    """log pi(target) at every position, (batch, time); 0 where there is no target.

    One function for the new, the old and the reference policy: ratios and divergences
    are differences of its results, and any disagreement would look like learning.
    logits (targets, vocab), as `target_logits` gives them.
    """
    targets = batch.targets[batch.target_mask]
    chosen = logits.log_softmax(dim=-1).gather(-1, targets[:, None])[:, 0]
    return _at_the_targets(chosen, batch)


def entropy(logits: Tensor, batch: Batch) -> Tensor:
    """Entropy of the next-token distribution where there is a target, in nats:
    (batch, time), 0 elsewhere. logits (targets, vocab)."""
    log_probs = logits.log_softmax(dim=-1)
    return _at_the_targets(-(log_probs.exp() * log_probs).sum(dim=-1), batch)


def _at_the_targets(values: Tensor, batch: Batch) -> Tensor:
    """(targets,) values put where the targets stand: (batch, time), 0 elsewhere."""
    mask = batch.target_mask
    return values.new_zeros(mask.shape).masked_scatter(mask, values)


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean over the real tokens of the batch: every token weighs the same."""
    return (values * mask).sum() / mask.sum()


@dataclass(frozen=True)
class Rollout:
    """Prompts, and what the policy answered.

    Parameters
    ----------
    prompts, responses : token ids of each row; a response includes its end token.
    batch : the same, to be read by a model; only response tokens are targets.
    finished : (batch,) bool, whether the response ended by itself.
    temperature : at which the responses were drawn.
    """

    prompts: list[Tokens]
    responses: list[Tokens]
    batch: Batch
    finished: Tensor
    temperature: float = 1.0

    @property
    def mask(self) -> Tensor:
        """(batch, time) bool, True on response tokens, the end token included."""
        return self.batch.target_mask


def roll_out(
    policy: GPT,
    prompts: Sequence[Sequence[int]],
    generator: torch.Generator,
    *,
    max_new_tokens: int,
    temperature: float = 1.0,
) -> Rollout:
    """Let the policy answer every prompt once.

    Drawn from the whole vocabulary: the gradient differentiates *these* probabilities,
    and is biased if the tokens came from others. A temperature other than 1 makes
    another policy; `target_logits` must be told of it. Top-k and top-p make
    probabilities of zero, whose logarithms no ratio survives.
    """
    prompts = [list(prompt) for prompt in prompts]
    generation = generate(
        policy,
        prompts,
        max_new_tokens=max_new_tokens,
        temperature=temperature,
        generator=generator,
    )
    responses = generation.sequences()
    batch = next_token_batch(
        [p + r for p, r in zip(prompts, responses, strict=True)],
        [
            [False] * len(p) + [True] * len(r)
            for p, r in zip(prompts, responses, strict=True)
        ],
    )
    device = generation.tokens.device
    batch = Batch(
        batch.tokens.to(device), batch.targets.to(device), batch.segment_ids.to(device)
    )
    return Rollout(prompts, responses, batch, generation.finished.clone(), temperature)


def draw_prompts(
    prompts: Sequence[Sequence[int]], count: int, generator: torch.Generator
) -> list[Sequence[int]]:
    """`count` of the prompts, at random, with replacement."""
    chosen = torch.randint(len(prompts), (count,), generator=generator)
    return [prompts[number] for number in chosen.tolist()]


def frozen_copy(policy: GPT) -> GPT:
    """The policy as it is now, for ever: the reference to stay close to."""
    return copy.deepcopy(policy).eval().requires_grad_(False)


def check_reference(policy: nn.Module, reference: nn.Module) -> None:
    """Refuse a reference that would move with the policy (the KL would stay 0)."""
    own = {parameter.data_ptr() for parameter in policy.parameters()}
    if any(parameter.data_ptr() in own for parameter in reference.parameters()):
        raise ValueError(
            "policy and reference share weights, so that no divergence would ever be "
            "seen; use reference = frozen_copy(policy)"
        )


# Divergence from the reference ------------------------------------------------------
#
# KL(pi || ref) estimated from tokens drawn from pi (Schulman 2020, "Approximating KL
# divergence"). All three take log-probabilities of the same tokens under both.


def kl_k1(log_probs: Tensor, reference_log_probs: Tensor) -> Tensor:
    """log(pi / ref): unbiased, but noisy and often negative. The one for rewards."""
    return log_probs - reference_log_probs


def kl_k2(log_probs: Tensor, reference_log_probs: Tensor) -> Tensor:
    """log(pi / ref)² / 2: biased, but as a *loss* it has the right gradient."""
    return (log_probs - reference_log_probs).square() / 2


def kl_k3(log_probs: Tensor, reference_log_probs: Tensor) -> Tensor:
    """ref / pi - 1 - log(ref / pi): unbiased and never negative. The one to look at."""
    log_ratio = reference_log_probs - log_probs
    return log_ratio.expm1() - log_ratio


# Rewards on tokens ------------------------------------------------------------------


def score_responses(
    reward_function: RewardFunction, rollout: Rollout, unfinished_score: float | None
) -> Tensor:
    """(batch,) scores; a response that was cut off gets `unfinished_score`.

    The reward model has never seen a text without an end, so its opinion of one is not
    worth having (Ziegler et al. 2019, section 2.1). None: score it all the same.
    """
    scores = reward_function(rollout.prompts, rollout.responses)
    scores = torch.as_tensor(
        scores, dtype=torch.float32, device=rollout.finished.device
    ).detach()
    if scores.shape != rollout.finished.shape:
        raise ValueError(
            f"the reward function gave scores of shape {tuple(scores.shape)}; expected "
            f"one for each response, ({len(rollout.responses)},)"
        )
    if not scores.isfinite().all():
        raise ValueError("the reward function gave a score that is not a finite number")
    if unfinished_score is None:
        return scores
    return scores.where(rollout.finished, unfinished_score)


def token_rewards(
    scores: Tensor,
    log_probs: Tensor,
    reference_log_probs: Tensor,
    mask: Tensor,
    beta: float | Tensor,
) -> Tensor:
    """r_t = -beta log(pi(y_t) / ref(y_t)), plus the score on the last response token.

    Ziegler et al. 2019, equation 2, told token by token; the rows sum to
    score - beta * KL. A reward is a fact, not something to differentiate: detached.
    scores (batch,), the others (batch, time).
    """
    rewards = -beta * kl_k1(log_probs, reference_log_probs) * mask
    columns = torch.arange(mask.shape[1], device=mask.device)
    # The last *response* token; the last column is padding in all but one row.
    last = (columns * mask).amax(dim=1, keepdim=True)
    return rewards.scatter_add(1, last, scores[:, None].to(rewards)).detach()


def reward_to_go(rewards: Tensor, mask: Tensor) -> Tensor:
    """G_t = r_t + r_{t+1} + …: a token cannot change what was paid before it.

    Sutton and Barto 2018, section 13.3, undiscounted. (batch, time), 0 off the mask.
    """
    return (rewards * mask).flip(-1).cumsum(dim=-1).flip(-1) * mask


# Baselines: subtracting what was to be expected changes the noise, not the mean ---


def leave_one_out(returns: Tensor, samples_per_prompt: int) -> Tensor:
    """The mean return of the *other* answers to the same prompt, (batch,).

    RLOO (Kool et al. 2019; Ahmadian et al. 2024). Rows of one prompt are neighbours.
    Including the answer itself would shrink the gradient by 1 - 1/samples.
    """
    if samples_per_prompt < 2 or len(returns) % samples_per_prompt:
        raise ValueError(
            f"{len(returns)} answers cannot be compared in groups of "
            f"{samples_per_prompt}; expected at least 2 a prompt, dividing the batch"
        )
    groups = returns.view(-1, samples_per_prompt)
    others = groups.sum(dim=1, keepdim=True) - groups
    return (others / (samples_per_prompt - 1)).flatten()


def batch_mean(returns: Tensor) -> Tensor:
    """The mean return of the whole batch, (batch,): simple, a little too small."""
    return returns.mean().expand_as(returns)


# REINFORCE --------------------------------------------------------------------------


def policy_gradient_loss(log_probs: Tensor, advantages: Tensor, mask: Tensor) -> Tensor:
    """-log pi(y_t) A_t, *summed* over tokens, *mean* over sequences.

    Williams 1992. Its gradient estimates -dE[R]/dtheta without bias. Dividing by each
    sequence's length would not: short answers would get larger steps.
    """
    return -(log_probs * advantages.detach() * mask).sum(dim=1).mean()


BASELINES = ("leave_one_out", "batch_mean", "none")


def make_reinforce_step(
    policy: GPT,
    reference: GPT,
    reward_function: RewardFunction,
    prompts: Sequence[Sequence[int]],
    *,
    optimizers: dict[str, Optimizer],
    steps: int,
    batch: int = 64,
    samples_per_prompt: int = 4,
    max_new_tokens: int = 96,
    temperature: float = 1.0,
    baseline: str = "leave_one_out",
    beta: float = 0.05,
    unfinished_score: float | None = -1.0,
    clip: float = 1.0,
) -> Callable[[int, torch.Generator], Metrics]:
    """An update for `training.train`: answer, score, one gradient step.

    One step a rollout: after it the policy is another one, and what the old one wrote
    would need the ratio that PPO introduces.

    Parameters
    ----------
    reference : a `frozen_copy` of the policy before training.
    prompts : token ids, ending where the response begins.
    batch : responses an update, `samples_per_prompt` to each prompt drawn.
    temperature : at which the policy answers, and its log-probabilities are taken.
    baseline : "leave_one_out", "batch_mean" or "none".
    beta : price of one nat of divergence from the reference, in units of the score.
    unfinished_score : see `score_responses`.
    steps : updates in all; the learning rate falls to zero in a straight line.
    clip : longest gradient.
    """
    check_reference(policy, reference)
    if baseline not in BASELINES:
        raise ValueError(f"baseline is {baseline!r}; choose one of {BASELINES}")
    if batch % samples_per_prompt:
        raise ValueError(
            f"a batch of {batch} cannot be divided into groups of {samples_per_prompt}"
        )

    def step(index: int, generator: torch.Generator) -> Metrics:
        set_learning_rate(optimizers.values(), 1 - index / steps)
        drawn = draw_prompts(prompts, batch // samples_per_prompt, generator)
        repeated = [prompt for prompt in drawn for _ in range(samples_per_prompt)]
        rollout = roll_out(
            policy,
            repeated,
            generator,
            max_new_tokens=max_new_tokens,
            temperature=temperature,
        )
        mask = rollout.mask

        logits = target_logits(policy, rollout.batch, temperature)
        log_probs = token_log_probs(logits, rollout.batch)
        with torch.no_grad():
            reference_log_probs = token_log_probs(
                target_logits(reference, rollout.batch, temperature), rollout.batch
            )
            scores = score_responses(reward_function, rollout, unfinished_score)
            rewards = token_rewards(scores, log_probs, reference_log_probs, mask, beta)
            returns = rewards.sum(dim=1)
            if baseline == "leave_one_out":
                expected = leave_one_out(returns, samples_per_prompt)
            elif baseline == "batch_mean":
                expected = batch_mean(returns)
            else:
                expected = torch.zeros_like(returns)
            advantages = (reward_to_go(rewards, mask) - expected[:, None]) * mask

        loss = policy_gradient_loss(log_probs, advantages, mask)
        norm = apply_gradients(loss, policy, optimizers.values(), clip=clip)
        metrics = rollout_metrics(
            rollout,
            scores,
            log_probs.detach(),
            reference_log_probs,
            entropy(logits.detach(), rollout.batch),
        )
        return {"policy_loss": loss.item(), **metrics, "gradient_norm": norm}

    return step


def rollout_metrics(
    rollout: Rollout,
    scores: Tensor,
    log_probs: Tensor,
    reference_log_probs: Tensor,
    entropies: Tensor,
) -> Metrics:
    """What to watch while a policy learns; padding changes none of it.

    score : mean, with `score_error`, its standard error.
    kl : nats from the reference, summed over a sequence, mean over sequences.
    entropy : nats a token, mean over the tokens of the batch.
    length, finished : tokens a response; the share that ended by itself.
    """
    mask = rollout.mask
    return {
        "score": scores.mean().item(),
        "score_error": (scores.std(correction=0) / len(scores) ** 0.5).item(),
        "kl": (kl_k1(log_probs, reference_log_probs) * mask).sum(dim=1).mean().item(),
        "entropy": masked_mean(entropies, mask).item(),
        "length": mask.sum(dim=1).double().mean().item(),
        "finished": rollout.finished.double().mean().item(),
        "tokens": rollout.batch.number_of_tokens(),
    }
