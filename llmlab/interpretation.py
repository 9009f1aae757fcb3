"""Looking inside a model: where it attends while it reads."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from llmlab import gpt
from llmlab.gpt import GPT


@dataclass(frozen=True)
class AttentionCall:
    """What one layer's `gpt.attention` was given, and what it returned.

    queries, keys, values, gathered : (batch, heads, time, d_head).
    mask : (batch, 1, time, time) bool, True where a query may look; or None.
    causal : with `mask` None, query t sees keys 0..t only.
    """

    queries: Tensor
    keys: Tensor
    values: Tensor
    mask: Tensor | None
    causal: bool
    gathered: Tensor

    def weights(self) -> Tensor:
        """softmax(Q Kᵀ / √d_head), the table that the fused kernel never writes down.

        Returns (batch, heads, query_time, key_time); each row sums to one.
        """
        scores = self.queries @ self.keys.transpose(-2, -1)
        scores = scores / self.queries.shape[-1] ** 0.5
        allowed = self.mask
        if allowed is None and self.causal:
            allowed = torch.ones_like(scores[0, 0], dtype=torch.bool).tril()
        if allowed is not None:
            scores = scores.masked_fill(~allowed, float("-inf"))
        return scores.softmax(dim=-1)


@contextmanager
def recorded_attention() -> Iterator[list[AttentionCall]]:
    """Inside the block, every call of `gpt.attention` is kept in the list yielded.

    The model runs its own forward pass, so that what is recorded cannot differ from
    what the model does.
    """
    calls = []
    inner = gpt.attention

    def attention(queries, keys, values, mask, causal):
        gathered = inner(queries, keys, values, mask, causal)
        calls.append(AttentionCall(queries, keys, values, mask, causal, gathered))
        return gathered

    gpt.attention = attention
    try:
        yield calls
    finally:
        gpt.attention = inner


@torch.no_grad()
def attention_weights(
    model: GPT, tokens: Tensor, *, segment_ids: Tensor | None = None
) -> Tensor:
    """Where every position looks, in every head of every layer.

    Parameters
    ----------
    model : causal or bidirectional.
    tokens, segment_ids : (batch, time), as for `model`. Of a padded batch, only the
        rows that belong to real tokens mean anything.

    Returns
    -------
    (layers, batch, heads, query_time, key_time): each row sums to one.
    """
    with recorded_attention() as calls:
        model.hidden_states(tokens, segment_ids=segment_ids)
    return torch.stack([call.weights() for call in calls])
