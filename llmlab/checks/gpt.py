"""Causal attention: `llmlab.gpt` can run on the learner's own."""

import contextlib
import math

import torch
from torch import Tensor

from llmlab import gpt
from llmlab.checks.common import TOLERANCE, CheckFailed, call, close, require_tensor


def attention(candidate) -> None:
    """Check causal scaled dot-product attention (Vaswani et al. 2017, section 3.2.1).

    Parameters
    ----------
    candidate : function of queries, keys, values, each (batch, heads, time, d_head),
        that returns the weighted means of the values in the same shape.

    Raises
    ------
    CheckFailed : with the likely mistake.
    """
    generator = torch.Generator().manual_seed(1)
    # Queries this small keep every weight visible, even of scores that are not scaled.
    queries = torch.randn(2, 4, 6, 16, generator=generator) / 4
    keys = torch.randn(2, 4, 6, 16, generator=generator)
    _attention_reads_values(candidate, queries, keys, generator)
    # Position t holds the t-th unit vector: the output *is* the table of weights.
    values = torch.eye(6, 16).expand(2, 4, 6, 16)
    weights = call(candidate, queries, keys, values)[..., :6]
    _weights_are_numbers(weights)
    _weights_sum_to_one(weights)
    _weights_look_back(weights)
    _future_changes_nothing(candidate, queries, keys)
    _heads_keep_apart(candidate, queries, keys)
    _scores_are_scaled(weights, queries, keys)
    _attention_equals_loop(candidate, generator)
    _large_scores_do_not_overflow(candidate, queries, keys)
    _gradients_reach_all(candidate, queries, keys)
    print(
        "Right. No later token ever changed an earlier output, every row of weights "
        "sums to one,\nthe scale follows the head's width, and an explicit loop over "
        "single queries agrees."
    )


def _attention_reads_values(candidate, queries, keys, generator) -> None:
    values = torch.randn(queries.shape, generator=generator)
    output = call(candidate, queries, keys, values)
    require_tensor(output, values.shape)
    if not torch.isfinite(output).all():
        return  # `_weights_are_numbers` can say where it comes from
    doubled = call(candidate, queries, keys, 2 * values)
    if not close(doubled, 2 * output):
        raise CheckFailed(
            "Twice as large values should give twice as large outputs. The output is "
            "a weighted mean of the values; keys and queries only decide the weights."
        )


_HIDES_ITSELF = (
    "A position cannot see itself: your mask is off by one and hides one token too "
    "many. Position 0 has only itself to look at."
)


def _weights_are_numbers(weights: Tensor) -> None:
    row_is_finite = torch.isfinite(weights).all(dim=-1).all(dim=0).all(dim=0)
    if row_is_finite.all():
        return
    if row_is_finite[1:].all():
        raise CheckFailed(_HIDES_ITSELF)
    if row_is_finite[-1]:
        raise CheckFailed(
            "The softmax runs over the wrong axis: not over positions, but over heads "
            "or batch rows, where a hidden pair is hidden for all and nothing is left "
            "to share. Normalise over the keys."
        )
    raise CheckFailed(
        "Some outputs are not numbers. Minus infinity times zero is one way to get "
        "there: place minus infinity at hidden pairs, do not multiply by it."
    )


def _weights_sum_to_one(weights: Tensor) -> None:
    rows = weights.sum(dim=-1)
    if close(rows, torch.ones_like(rows)):
        return
    columns = weights.sum(dim=-2)
    if close(columns, torch.ones_like(columns)):
        raise CheckFailed(
            "The softmax runs over the wrong axis: the weights that one key receives "
            "sum to one. Normalise over the keys that one query sees."
        )
    if (weights < -TOLERANCE).any():
        raise CheckFailed(
            "Some weights are negative, so these are bare scores: a softmax has to "
            "turn the scores of a query into shares."
        )
    if weights.triu(1).abs().max() < TOLERANCE and close(rows[..., -1], 1.0):
        raise CheckFailed(
            "You hid the future after the softmax, so the shares that were left no "
            "longer sum to one. Hide it before, among the scores."
        )
    raise CheckFailed(
        f"The weights of position 0 sum to {rows[0, 0, 0]:.2f}, not to one: each "
        "output should be a weighted mean of the values."
    )


def _weights_look_back(weights: Tensor) -> None:
    seen = (weights > 1e-6).any(dim=0).any(dim=0)
    past = torch.ones_like(seen).tril()
    if seen.equal(past):
        return
    if seen.all():
        if close(weights[..., 0, 1:], weights[..., 0, 1:2]):
            raise CheckFailed(
                "Hidden scores were set to zero, and zero is a score like any other: "
                "the exponential makes it one. Only minus infinity becomes weight zero."
            )
        raise CheckFailed(
            "Position 0 sees all the later tokens: there is no causal mask. A model "
            "that reads the answer learns nothing from predicting it."
        )
    if seen[1:].equal(past.tril(-1)[1:]):
        raise CheckFailed(_HIDES_ITSELF)
    if seen.equal(torch.ones_like(seen).tril(1)):
        raise CheckFailed(
            "Your mask is off by one: every position also sees the token after it, "
            "which is exactly the one it has to predict."
        )
    if seen.equal(past.T):
        raise CheckFailed(
            "The mask is upside down: positions see the future and not the past."
        )
    query, key = (seen != past).nonzero()[0].tolist()
    verb = "sees" if seen[query, key] else "does not see"
    raise CheckFailed(
        f"Position {query} {verb} position {key}; a position should see itself and "
        "everything before it, and nothing else."
    )


def _future_changes_nothing(candidate, queries, keys) -> None:
    values = keys.flip(-1)
    other_keys = torch.cat((keys[..., :4, :], keys[..., 4:, :] + 1), dim=-2)
    other_values = torch.cat((values[..., :4, :], values[..., 4:, :] - 1), dim=-2)
    before = call(candidate, queries, keys, values)[..., :4, :]
    after = call(candidate, queries, other_keys, other_values)[..., :4, :]
    if not close(before, after):
        raise CheckFailed(
            "The outputs of positions 0 to 3 changed when only tokens 4 and 5 did. "
            "The mask is right, so something else mixes positions: an average or a "
            "norm taken over time?"
        )


def _heads_keep_apart(candidate, queries, keys) -> None:
    other_keys = keys.clone()
    other_keys[:, 0] += torch.linspace(-1, 1, 6).unsqueeze(-1)
    before = call(candidate, queries, keys, keys)[:, 1:]
    after = call(candidate, queries, other_keys, keys)[:, 1:]
    if not close(before, after):
        raise CheckFailed(
            "Head 1 changed when only the keys of head 0 did: the heads are mixed. "
            "Each head compares its own queries with its own keys."
        )


def _scores_are_scaled(weights: Tensor, queries: Tensor, keys: Tensor) -> None:
    """Recover the scores from the weights, and from them the scale."""
    heads, time, d_head = queries.shape[1:]
    products = torch.einsum("bhqd,bhkd->bhqk", queries, keys)
    scale, misfit = _measured_scale(weights, products)
    if misfit > 0.01:
        _, misfit_swapped = _measured_scale(weights, products.transpose(-1, -2))
        if misfit_swapped < 0.01:
            raise CheckFailed(
                "Queries and keys have changed places: row t of the scores should "
                "hold query t against every key."
            )
        raise CheckFailed(
            "The scores behind your weights are not the dot products of queries and "
            "keys times one number."
        )
    width = heads * d_head
    mistakes = {
        1.0: "You did not scale the scores",
        1 / math.sqrt(width): f"You scaled by the model's width {width}",
        1 / d_head: f"You divided by the head's width {d_head}, not by its root",
        math.sqrt(d_head): "You multiplied the scores where you should divide them",
        1 / math.sqrt(time): f"You scaled by the number of positions, {time}",
    }
    if math.isclose(scale, 1 / math.sqrt(d_head), rel_tol=0.01):
        return
    for wrong_scale, mistake in mistakes.items():
        if math.isclose(scale, wrong_scale, rel_tol=0.01):
            raise CheckFailed(
                f"{mistake}; scale by the root of the head's width {d_head}."
            )
    raise CheckFailed(
        f"Your scores are the dot products times {scale:.3f}; it should be one over "
        f"the root of the head's width {d_head}."
    )


def _measured_scale(weights: Tensor, products: Tensor) -> tuple[float, float]:
    """Least squares fit of log(weights) by scale · products, over the visible pairs.

    Returns
    -------
    scale, misfit : misfit is the share of the variance that the fit leaves.
    """
    query, key = torch.ones(products.shape[-2:]).tril().nonzero().unbind(dim=1)
    # A softmax fixes scores only up to a constant per row: compare with key 0.
    logs = weights.log()
    found = (logs - logs[..., :1])[..., query, key]
    expected = (products - products[..., :1])[..., query, key]
    scale = (found * expected).sum() / expected.square().sum()
    misfit = (found - scale * expected).square().sum() / found.square().sum()
    return scale.item(), misfit.item()


def _attention_equals_loop(candidate, generator) -> None:
    for shape in ((1, 3, 5, 8), (3, 1, 1, 4)):
        queries, keys, values = (
            torch.randn(shape, generator=generator) for _ in range(3)
        )
        output = call(candidate, queries, keys, values)
        require_tensor(output, values.shape)
        if not close(output, _attention_by_loop(queries, keys, values)):
            raise CheckFailed(
                "Right for inputs of shape (2, 4, 6, 16), wrong for "
                f"{shape}: is a size written as a number where it should be read off "
                "the input?"
            )


def _attention_by_loop(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """The definition, one query and one key at a time."""
    batch, heads, time, d_head = queries.shape
    output = torch.zeros_like(values)
    for row in range(batch):
        for head in range(heads):
            for now in range(time):
                scores = [
                    float(queries[row, head, now] @ keys[row, head, then])
                    / math.sqrt(d_head)
                    for then in range(now + 1)
                ]
                total = sum(math.exp(score) for score in scores)
                for then, score in enumerate(scores):
                    share = math.exp(score) / total
                    output[row, head, now] += share * values[row, head, then]
    return output


def _large_scores_do_not_overflow(candidate, queries, keys) -> None:
    if not torch.isfinite(call(candidate, 1000 * queries, keys, keys)).all():
        raise CheckFailed(
            "Large scores overflow: the exponential of a few hundred is too large for "
            "a 32-bit number. Subtract the row's largest score first, as the softmax "
            "of PyTorch does."
        )


def _gradients_reach_all(candidate, queries, keys) -> None:
    inputs = [x.clone().requires_grad_() for x in (queries, keys, keys.flip(-1))]
    output = call(candidate, *inputs)
    if output.requires_grad:
        output.square().sum().backward()
    for name, x in zip(("queries", "keys", "values"), inputs, strict=True):
        if x.grad is None or not x.grad.any():
            raise CheckFailed(
                f"The numbers are right, but no gradient reaches the {name}, so the "
                "layer could not learn: something cuts the graph (detach, item, data "
                "or a tensor made from a list)."
            )


@contextlib.contextmanager
def your_attention(candidate):
    """Run every `GPT` on the learner's attention while the `with` block lasts.

    It computes each full causal pass; batches with padding and cached generation,
    which ask for other masks, stay with the library's function.
    """
    library_attention = gpt.attention

    def attention(queries, keys, values, mask, causal):
        if causal and mask is None and queries.shape == keys.shape:
            return candidate(queries, keys, values)
        return library_attention(queries, keys, values, mask, causal)

    gpt.attention = attention
    try:
        yield
    finally:
        gpt.attention = library_attention
