"""Best of n: the cheapest way to use a reward, which trains nothing.

Draw n answers, keep the one that scores highest. The kept answers can also be learned
from, with phase 2's own loss (rejection sampling; Touvron et al. 2023).
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from llmlab.gpt import GPT
from llmlab.rollouts import RewardFunction, Rollout, roll_out, score_responses


def sample_scores(
    policy: GPT,
    reward: RewardFunction,
    prompts: Sequence[Sequence[int]],
    generator: torch.Generator,
    *,
    samples: int,
    unfinished_score: float | None = None,
    **settings,
) -> tuple[Rollout, Tensor]:
    """`samples` answers to each prompt, and their scores, (prompts, samples).

    Answers to one prompt are neighbours in the rollout. `settings` as in `roll_out`.
    """
    repeated = [prompt for prompt in prompts for _ in range(samples)]
    rollout = roll_out(policy, repeated, generator, **settings)
    scores = score_responses(reward, rollout, unfinished_score)
    return rollout, scores.view(-1, samples)


def best(rollout: Rollout, scores: Tensor) -> list[list[int]]:
    """The response that scores highest, for each prompt; scores (prompts, samples)."""
    starts = range(0, scores.numel(), scores.shape[1])
    chosen = scores.argmax(dim=1).tolist()
    return [rollout.responses[a + b] for a, b in zip(starts, chosen, strict=True)]


def expected_best(scores: Tensor, n: int, judged: Tensor | None = None) -> Tensor:
    """What the best of n would be worth on average, (prompts,), from samples >= n.

    Without bias and without drawing anew: of all choices of n from N samples, the best
    is the i-th smallest in a share of C(i - 1, n - 1) / C(N, n). Samples that score
    alike have equal parts, so that a reward that cannot tell them apart gains nothing.

    scores : (prompts, samples), by which the best is chosen.
    judged : (prompts, samples), by which it is told, such as gold. None: the scores.
    """
    samples = scores.shape[1]
    if not 1 <= n <= samples:
        raise ValueError(f"the best of {n} cannot be told from {samples} samples")
    if not scores.isfinite().all():
        raise ValueError("a score is not a finite number, so nothing can be the best")
    lower = (scores[:, :, None] > scores[:, None, :]).sum(dim=2)
    upto = (scores[:, :, None] >= scores[:, None, :]).sum(dim=2)
    # The share of choices in which all n are among the k lowest.
    within = torch.tensor(
        [math.comb(k, n) / math.comb(samples, n) for k in range(samples + 1)],
        dtype=torch.float64,
        device=scores.device,
    )
    shares = (within[upto] - within[lower]) / (upto - lower)
    told = (scores if judged is None else judged).to(scores.device).double()
    return (shares * told).sum(dim=1)


def kl_bound(n: int) -> float:
    """Nats that the best of n can be away from the policy, at most: log n - (n - 1)/n.

    Beirami et al. 2024; equal only where no two answers score alike and each is rare.
    """
    return math.log(n) - (n - 1) / n
