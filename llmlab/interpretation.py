"""Looking inside a model: where it attends while it reads, what each of its layers
would answer, what its heads are good for, and how its tokens lie in space.

What a picture suggests is tested: a head is named by a measured score, and what it does
is what breaks without it.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from llmlab import gpt
from llmlab.gpt import GPT, positions_in_segments


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

    tokens, segment_ids : (batch, time), as for `model`. Of a padded batch, only the
        rows that belong to real tokens mean anything.

    Returns (layers, batch, heads, query_time, key_time): each row sums to one.
    """
    with recorded_attention() as calls:
        model.hidden_states(tokens, segment_ids=segment_ids)
    return torch.stack([call.weights() for call in calls])


# What heads look at -----------------------------------------------------------------


def attention_patterns(
    tokens: Tensor, segment_ids: Tensor | None = None
) -> dict[str, Tensor]:
    """What a head of a causal model might be looking for, as tables of right keys.

    By name, (batch, query_time, key_time) bool; a query may have several, or none:

    "the first token" : where attention goes that has nothing to look for, a *sink*
        (Xiao et al. 2023).
    "itself" and "the token before".
    "the same token" : an earlier one.
    "after the same token" : what came after it there, an *induction* head's target
        (Elhage et al. 2021; Olsson et al. 2022 call attention to it prefix matching).
    "what comes next" : an earlier one of the very token that the model has to predict
        here, as a *name mover* does (Wang et al. 2022).
    """
    if segment_ids is None:
        segment_ids = torch.ones_like(tokens)
    time = tokens.shape[1]
    queries, keys = tokens[:, :, None], tokens[:, None, :]
    visible = torch.ones(time, time, dtype=torch.bool, device=tokens.device).tril()
    visible = visible & (segment_ids[:, :, None] == segment_ids[:, None, :])
    visible &= (segment_ids != 0)[:, :, None]
    itself = torch.eye(time, dtype=torch.bool, device=tokens.device)
    before = torch.zeros_like(itself)
    before[1:, :-1] = itself[1:, 1:]
    same = (queries == keys) & visible & ~itself
    after_same = torch.zeros_like(same)
    after_same[:, :, 1:] = same[:, :, :-1]
    next_tokens = torch.full_like(queries, -1)
    next_tokens[:, :-1, 0] = torch.where(
        segment_ids[:, 1:] == segment_ids[:, :-1], tokens[:, 1:], -1
    )
    return {
        "the first token": visible & (positions_in_segments(segment_ids) == 0)[:, None],
        "itself": visible & itself,
        "the token before": visible & before,
        "the same token": same,
        "after the same token": after_same & visible,
        "what comes next": visible & (next_tokens == keys),
    }


def attention_on(weights: Tensor, targets: Tensor) -> Tensor:
    """How much of its attention each head gives to the right keys.

    weights : (layers, batch, heads, query_time, key_time), as of `attention_weights`.
    targets : (batch, query_time, key_time) bool, the right keys of each query.

    Returns (layers, heads): the mean over all queries that have a right key.
    """
    asked = targets.any(dim=-1)
    if not asked.any():
        raise ValueError(
            "no query has a right key: there is nothing to score; give rows in which "
            "the pattern occurs"
        )
    given = (weights * targets[None, :, None]).sum(dim=-1)
    return given.transpose(2, 3)[:, asked].mean(dim=1)


def attention_by_chance(targets: Tensor, segment_ids: Tensor | None = None) -> float:
    """`attention_on` of a head that looks at all tokens so far alike."""
    if segment_ids is None:
        segment_ids = torch.ones_like(targets[:, :, 0], dtype=torch.int64)
    seen = positions_in_segments(segment_ids) + 1
    asked = targets.any(dim=-1)
    return (targets.sum(dim=-1) / seen)[asked].mean().item()


@contextmanager
def without_heads(model: GPT, heads: Sequence[tuple[int, int]]) -> Iterator[None]:
    """Inside the block, these heads, as (layer, head), gather nothing.

    If they did what they seem to do, it now goes wrong, and nothing else does.
    """
    config = model.config
    for layer, head in heads:
        if not (0 <= layer < config.layers and 0 <= head < config.heads):
            raise ValueError(
                f"there is no head {(layer, head)}: expected (layer, head) with layer "
                f"below {config.layers} and head below {config.heads}"
            )

    def silence(silenced: list[int], module, inputs):
        (gathered,) = inputs  # (batch, time, heads * d_head)
        by_head = gathered.unflatten(-1, (config.heads, config.d_head)).clone()
        by_head[..., silenced, :] = 0
        return (by_head.flatten(-2),)

    with ExitStack() as hooks:
        for layer, block in enumerate(model.blocks):
            silenced = [head for of_layer, head in heads if of_layer == layer]
            before = block.attention.output.register_forward_pre_hook
            hooks.enter_context(before(partial(silence, silenced)))
        yield


# What layers know -------------------------------------------------------------------


@torch.no_grad()
def residual_stream(
    model: GPT, tokens: Tensor, *, segment_ids: Tensor | None = None
) -> Tensor:
    """Every position's vector as it goes into the first block and out of each.

    Returns (layers + 1, batch, time, width).
    """
    states: list[Tensor] = []
    begin = model.blocks[0].register_forward_pre_hook
    with ExitStack() as hooks:
        hooks.enter_context(begin(lambda block, given: states.append(given[0])))
        for block in model.blocks:
            keep = block.register_forward_hook
            hooks.enter_context(keep(lambda block, given, got: states.append(got)))
        model.hidden_states(tokens, segment_ids=segment_ids)
    return torch.stack(states)


@torch.no_grad()
def logit_lens(
    model: GPT, tokens: Tensor, *, segment_ids: Tensor | None = None
) -> Tensor:
    """What the model would answer if it had to stop after each block.

    Every block adds to one vector, and only the last sum is meant to be read out. The
    logit lens (nostalgebraist 2020) reads the sums on the way in the same manner: final
    norm, then the table of tokens.

    Returns
    -------
    logits : (layers + 1, batch, time, vocab); the last are the model's own.
    """
    states = residual_stream(model, tokens, segment_ids=segment_ids)
    # State by state, as the model does it, so that the last is equal to the bit.
    return torch.stack([model.logits(model.final_norm(state)) for state in states])


# How tokens lie in space ------------------------------------------------------------


def principal_components(vectors: Tensor, count: int = 2) -> tuple[Tensor, Tensor]:
    """The flat picture that keeps the most of a cloud of points (Pearson 1901).

    By an exact singular value decomposition. A component's sign means nothing; it is
    chosen such that the number farthest from zero is positive, so that the picture is
    the same everywhere.

    vectors : (points, width).

    Returns coordinates, (points, count), and shares, (count,): of all variance, what
    each component keeps.
    """
    points, width = vectors.shape
    if not 1 <= count <= min(points, width):
        raise ValueError(
            f"{count} components of {points} points in {width} dimensions; expected "
            f"from 1 to {min(points, width)}"
        )
    centred = (vectors - vectors.mean(dim=0)).double()
    left, sizes, _ = torch.linalg.svd(centred, full_matrices=False)
    coordinates = (left * sizes)[:, :count]
    farthest = coordinates.abs().argmax(dim=0)
    coordinates = coordinates * coordinates[farthest, torch.arange(count)].sign()
    return coordinates, (sizes.square() / sizes.square().sum())[:count]


def nearest_neighbours(vectors: Tensor, count: int = 1) -> Tensor:
    """For each vector, the others that point most nearly the same way.

    vectors : (points, width). Returns (points, count) indices, the nearest first.
    """
    if not 1 <= count < len(vectors):
        raise ValueError(
            f"{count} neighbours among {len(vectors)} vectors; expected from 1 to "
            f"{len(vectors) - 1}"
        )
    directions = torch.nn.functional.normalize(vectors.double(), dim=-1)
    cosines = directions @ directions.T
    cosines.fill_diagonal_(-torch.inf)
    return cosines.sort(dim=-1, descending=True, stable=True).indices[:, :count]
