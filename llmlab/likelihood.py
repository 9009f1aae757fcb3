"""How probable a text is: what losses, ratios and judgements are made of.

Every tensor "per token" is (batch, time) and aligned with `batch.targets`: entry [b, t]
belongs to the token that `logits[b, t]` predicts, and is 0 where there is no target.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from llmlab import processes
from llmlab.batching import Batch, next_token_batch
from llmlab.gpt import GPT


def target_logits(model: GPT, batch: Batch, temperature: float = 1.0) -> Tensor:
    """The model's scores wherever there is a target: (targets, vocab).

    Prompts and padding are read and not scored. The temperature is the one that the
    targets were drawn at: it is a part of the policy.
    """
    logits = model(batch.tokens, segment_ids=batch.segment_ids, where=batch.target_mask)
    return logits.div_(temperature)


def target_log_probs(logits: Tensor, batch: Batch) -> Tensor:
    """log p(target), (targets,), one for each row of `logits` (targets, vocab)."""
    targets = batch.targets[batch.target_mask]
    return logits.log_softmax(dim=-1).gather(-1, targets[:, None])[:, 0]


def token_log_probs(logits: Tensor, batch: Batch) -> Tensor:
    """log p(target) at every position, (batch, time); 0 where there is no target.

    One function for the new, the old and the reference policy: ratios and divergences
    are differences of its results, and any disagreement would look like learning.
    logits (targets, vocab), as `target_logits` gives them.
    """
    return _at_the_targets(target_log_probs(logits, batch), batch)


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
    """Mean over the real tokens of all processes: every token weighs the same.

    Whatever stands off the mask does not matter, not even where it is infinite. For
    what is looked at: across several processes it carries no gradient.
    """
    total = processes.sum_(values.where(mask, 0).sum())
    return total / processes.sum_(mask.sum())


@torch.inference_mode()
def sequence_log_probs(
    model: GPT,
    sequences: Sequence[Sequence[int]],
    target_masks: Sequence[Sequence[bool]] | None = None,
    *,
    rows: int = 64,
) -> Tensor:
    """Log-probability of each sequence given its first token, in nats: (count,).

    target_masks : count only these tokens of each sequence, such as an answer's.
    rows : sequences a batch; similar lengths are read together.
    """
    result = torch.zeros(len(sequences), dtype=torch.float64)
    order = sorted(range(len(sequences)), key=lambda i: len(sequences[i]))
    for start in range(0, len(order), rows):
        members = order[start : start + rows]
        batch = next_token_batch(
            [sequences[i] for i in members],
            None if target_masks is None else [target_masks[i] for i in members],
        ).to(model.embedding.weight.device)
        log_probs = token_log_probs(target_logits(model, batch), batch)
        result[members] = log_probs.double().sum(dim=1).cpu()
    return result
