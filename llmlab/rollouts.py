"""Rollouts: what a policy says, what it is paid, and how far it has moved.

A rollout is what every learner from a number begins with: answers drawn from the
policy, their scores, and the log-probabilities of their tokens under the policy and
under the reference that it is to stay close to. Tensors per token are (batch, time),
aligned with `batch.targets`, and the mask tells which tokens the policy wrote.
"""

import copy
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from llmlab import processes
from llmlab.batching import Batch, next_token_batch
from llmlab.files import write_atomically
from llmlab.gpt import GPT
from llmlab.likelihood import entropy, masked_mean, target_logits, token_log_probs
from llmlab.paths import RUNS
from llmlab.progress import Metrics
from llmlab.sampling import generate
from llmlab.tokenizer import Tokenizer

Tokens = list[int]
RewardFunction = Callable[[list[Tokens], list[Tokens]], Tensor]
"""`reward(prompts, responses)` -> (batch,): a score for each response (token ids, end
token included): `RewardModel.score`, or a program by `verified_reward`."""


@dataclass(frozen=True)
class Rollout:
    """Prompts, and what the policy answered.

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
    how = dict(max_new_tokens=max_new_tokens, temperature=temperature)
    generation = generate(policy, prompts, generator=generator, **how)
    responses = generation.sequences()
    pairs = list(zip(prompts, responses, strict=True))
    batch = next_token_batch(
        [prompt + response for prompt, response in pairs],
        [[False] * len(prompt) + [True] * len(response) for prompt, response in pairs],
    )
    batch = batch.to(generation.tokens.device)
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
    """ref / pi - 1 - log(ref / pi): unbiased and never negative. The one to look at;
    as a *loss* it pulls towards another policy than as a price."""
    log_ratio = reference_log_probs - log_probs
    return log_ratio.expm1() - log_ratio


def sequence_kl(log_probs: Tensor, reference_log_probs: Tensor, mask: Tensor) -> Tensor:
    """Nats between policy and reference on each response, (batch,): k3 summed over its
    tokens. The mean over responses drawn from the policy estimates KL(pi || ref)."""
    return (kl_k3(log_probs, reference_log_probs) * mask).sum(dim=1)


@torch.no_grad()
def log_probs_of(model: GPT, rollout: Rollout) -> Tensor:
    """log p of every response token under `model`, (batch, time), at the temperature
    of the rollout."""
    logits = target_logits(model, rollout.batch, rollout.temperature)
    return token_log_probs(logits, rollout.batch)


# Scores and rewards -----------------------------------------------------------------


def verified_reward(
    tokenizer: Tokenizer,
    examples: Sequence,
    render: Callable[[Tokenizer, str], Tokens],
    score: Callable[[object, str], float],
) -> RewardFunction:
    """A program that knows the right answers, as a reward: it cannot be talked over.

    examples : with `prompt`; answers to any other prompt are refused.
    render : how a prompt becomes token ids, as `instruction.render_prompt`.
    score : of an example and an answer, such as `village.score_answer(…)["right"]`.
    """
    known = {tuple(render(tokenizer, example.prompt)): example for example in examples}

    def reward(prompts: list[Tokens], responses: list[Tokens]) -> Tensor:
        strangers = [prompt for prompt in prompts if tuple(prompt) not in known]
        if strangers:
            raise ValueError(
                "there is no right answer known to the prompt "
                f"{tokenizer.decode(strangers[0])!r}; give its example to the reward"
            )
        asked = [known[tuple(prompt)] for prompt in prompts]
        said = [tokenizer.decode(response).strip() for response in responses]
        return torch.tensor(list(map(float, map(score, asked, said))))

    return reward


def score_responses(
    reward: RewardFunction, rollout: Rollout, unfinished_score: float | None
) -> Tensor:
    """(batch,) scores; a response that was cut off gets `unfinished_score`.

    The reward model has never seen a text without an end, so its opinion of one is not
    worth having (Ziegler et al. 2019 pay a constant there). None: score it all the
    same.
    """
    scores = reward(rollout.prompts, rollout.responses)
    scores = torch.as_tensor(scores, dtype=torch.float32).detach()
    scores = scores.to(rollout.finished.device)
    if scores.shape != rollout.finished.shape:
        raise ValueError(
            f"the reward function gave scores of shape {tuple(scores.shape)}; expected "
            f"one for each response, ({len(rollout.responses)},)"
        )
    if not scores.isfinite().all():
        raise ValueError(
            "the reward function gave a score that is not a finite number to "
            f"{int((~scores.isfinite()).sum())} of {len(scores)} responses. Nothing "
            "was learned from them, and the policy is as it was. Look for them in "
            f"{_keep(rollout, scores)}: prompts, responses (token ids) and scores"
        )
    if unfinished_score is None:
        return scores
    return scores.where(rollout.finished, unfinished_score)


def _keep(rollout: Rollout, scores: Tensor) -> Path:
    """Writes down a rollout that nothing can be learned from; returns the file."""
    kept = dict(prompts=rollout.prompts, responses=rollout.responses)
    kept |= dict(scores=list(map(str, scores.tolist())))  # JSON knows no nan
    path = RUNS / f"scores-that-are-no-numbers-{processes.rank()}.json"
    write_atomically(path, json.dumps(kept).encode())
    return path


def token_rewards(
    scores: Tensor,
    log_probs: Tensor,
    reference_log_probs: Tensor,
    mask: Tensor,
    beta: float,
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


# The whole of it --------------------------------------------------------------------


@dataclass(frozen=True)
class Collected:
    """A rollout and all that is known of it before anything is learned.

    scores : (batch,), as the reward function and the rule for unfinished answers give.
    log_probs, reference_log_probs : (batch, time), under the policy that wrote it and
        under the reference.
    """

    rollout: Rollout
    scores: Tensor
    log_probs: Tensor
    reference_log_probs: Tensor
    metrics: Metrics


@torch.no_grad()
def collect(
    policy: GPT,
    reference: GPT,
    reward: RewardFunction,
    prompts: Sequence[Sequence[int]],
    generator: torch.Generator,
    *,
    max_new_tokens: int,
    temperature: float,
    unfinished_score: float | None,
) -> Collected:
    """Answer every prompt once, score the answers, and measure them."""
    how = dict(max_new_tokens=max_new_tokens, temperature=temperature)
    rollout = roll_out(policy, prompts, generator, **how)
    # From a forward pass rather than from generation: the same arithmetic as in the
    # updates, so that the first ratio is 1 and not nearly 1.
    logits = target_logits(policy, rollout.batch, temperature)
    log_probs = token_log_probs(logits, rollout.batch)
    reference_log_probs = log_probs_of(reference, rollout)
    scores = score_responses(reward, rollout, unfinished_score)
    known = rollout, scores, log_probs, reference_log_probs
    return Collected(*known, rollout_metrics(*known, entropy(logits, rollout.batch)))


def rollout_metrics(
    rollout: Rollout,
    scores: Tensor,
    log_probs: Tensor,
    reference_log_probs: Tensor,
    entropies: Tensor,
) -> Metrics:
    """What to watch while a policy learns, over the rows of all processes; padding
    changes none of it.

    score, kl : means, each with its standard error; kl in nats from the reference,
        summed over a response (k3, which is never negative).
    entropy : nats a token, mean over the tokens of the batch.
    length, finished : tokens a response; the share that ended by itself.
    """
    mask = rollout.mask
    score, score_error = _mean_and_error(scores)
    kl, kl_error = _mean_and_error(sequence_kl(log_probs, reference_log_probs, mask))
    return {
        "score": score,
        "score_error": score_error,
        "kl": kl,
        "kl_error": kl_error,
        "entropy": masked_mean(entropies, mask).item(),
        "length": _mean_and_error(mask.sum(dim=1))[0],
        "finished": _mean_and_error(rollout.finished)[0],
        "tokens": processes.sum_(rollout.batch.number_of_tokens()),
    }


def _mean_and_error(values: Tensor) -> tuple[float, float]:
    """Mean and its standard error, of one number a response."""
    values = values.double()
    count = processes.sum_(len(values))
    mean = processes.sum_(values.sum()) / count
    variance = processes.sum_((values - mean).square().sum()) / count
    return mean.item(), (variance / count).sqrt().item()
