"""Direct preference optimisation: learn from comparisons without a reward model.

Rafailov et al. 2023. The best policy for a reward r and a price beta is
pi = ref exp(r / beta) / Z, so a policy *is* a reward, beta log(pi / ref), up to a
constant for each prompt that cancels between two answers. Put into the loss of a reward
model, it trains the policy itself.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from llmlab.batching import next_token_batch
from llmlab.gpt import GPT
from llmlab.likelihood import target_logits, token_log_probs
from llmlab.reward import EncodedComparison, PairScores
from llmlab.rollouts import check_reference


def implicit_rewards(
    policy: GPT, reference: GPT, *, beta: float
) -> Callable[[Sequence[EncodedComparison]], PairScores]:
    """How to score pairs, by policy and reference, for `reward.preference_step`.

    A score is beta * (log pi(y|x) - log ref(y|x)), *summed* over the tokens of the
    response, its end included; the prompt does not count.

    beta : price of a nat of divergence from the reference, as in PPO.
    """
    check_reference(policy, reference)

    def scores_of(pairs: Sequence[EncodedComparison]) -> PairScores:
        texts = [pair.winner for pair in pairs] + [pair.loser for pair in pairs]
        begins = [pair.response_start for pair in pairs] * 2
        masks = [
            [False] * begin + [True] * (len(text) - begin)
            for text, begin in zip(texts, begins, strict=True)
        ]
        batch = next_token_batch(texts, masks).to(policy.embedding.weight.device)
        own = token_log_probs(target_logits(policy, batch), batch)
        with torch.no_grad():
            others = token_log_probs(target_logits(reference, batch), batch)
        rewards: Tensor = beta * (own - others).sum(dim=1)
        return rewards[: len(pairs)], rewards[len(pairs) :]

    return scores_of
