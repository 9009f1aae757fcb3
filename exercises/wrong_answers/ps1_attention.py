"""Mistakes people make in causal attention, and what the check says."""

import math

import torch


def _causal(time):
    return torch.ones(time, time, dtype=torch.bool).tril()


def _attend(scores, values, visible):
    return scores.masked_fill(~visible, -math.inf).softmax(dim=-1) @ values


def _scores(queries, keys):
    return queries @ keys.transpose(-1, -2)


def scaled_by_model_width(queries, keys, values):
    width = queries.shape[1] * queries.shape[-1]
    scores = _scores(queries, keys) / math.sqrt(width)
    return _attend(scores, values, _causal(queries.shape[-2]))


def not_scaled(queries, keys, values):
    return _attend(_scores(queries, keys), values, _causal(queries.shape[-2]))


def root_forgotten(queries, keys, values):
    scores = _scores(queries, keys) / queries.shape[-1]
    return _attend(scores, values, _causal(queries.shape[-2]))


def multiplied_by_root(queries, keys, values):
    scores = _scores(queries, keys) * math.sqrt(queries.shape[-1])
    return _attend(scores, values, _causal(queries.shape[-2]))


def scaled_by_time(queries, keys, values):
    scores = _scores(queries, keys) / math.sqrt(queries.shape[-2])
    return _attend(scores, values, _causal(queries.shape[-2]))


def scaled_twice(queries, keys, values):
    scores = 2 * _scores(queries, keys) / math.sqrt(queries.shape[-1])
    return _attend(scores, values, _causal(queries.shape[-2]))


def width_written_as_a_number(queries, keys, values):
    return _attend(_scores(queries, keys) / 4, values, _causal(queries.shape[-2]))


def no_mask(queries, keys, values):
    scores = _scores(queries, keys) / math.sqrt(queries.shape[-1])
    return scores.softmax(dim=-1) @ values


def sees_the_next_token(queries, keys, values):
    scores = _scores(queries, keys) / math.sqrt(queries.shape[-1])
    visible = torch.ones_like(scores[0, 0], dtype=torch.bool).tril(1)
    return _attend(scores, values, visible)


def hides_itself(queries, keys, values):
    scores = _scores(queries, keys) / math.sqrt(queries.shape[-1])
    visible = torch.ones_like(scores[0, 0], dtype=torch.bool).tril(-1)
    return _attend(scores, values, visible)


def hides_itself_with_a_large_number(queries, keys, values):
    scores = _scores(queries, keys) / math.sqrt(queries.shape[-1])
    hidden = torch.ones_like(scores[0, 0], dtype=torch.bool).triu(0)
    return scores.masked_fill(hidden, -1e9).softmax(dim=-1) @ values


def mask_upside_down(queries, keys, values):
    scores = _scores(queries, keys) / math.sqrt(queries.shape[-1])
    return _attend(scores, values, _causal(queries.shape[-2]).T)


def window_of_three(queries, keys, values):
    scores = _scores(queries, keys) / math.sqrt(queries.shape[-1])
    visible = _causal(queries.shape[-2]) & ~_causal(queries.shape[-2]).tril(-3)
    return _attend(scores, values, visible)


def hidden_scores_set_to_zero(queries, keys, values):
    scores = _scores(queries, keys) / math.sqrt(queries.shape[-1])
    return (scores * _causal(queries.shape[-2])).softmax(dim=-1) @ values


def mask_multiplied_by_infinity(queries, keys, values):
    scores = _scores(queries, keys) / math.sqrt(queries.shape[-1])
    hidden = (~_causal(queries.shape[-2])).float()
    return (scores + hidden * -math.inf).softmax(dim=-1) @ values


def masked_after_the_softmax(queries, keys, values):
    scores = _scores(queries, keys) / math.sqrt(queries.shape[-1])
    return (scores.softmax(dim=-1) * _causal(queries.shape[-2])) @ values


def softmax_over_queries(queries, keys, values):
    scores = _scores(queries, keys) / math.sqrt(queries.shape[-1])
    hidden = ~_causal(queries.shape[-2])
    return scores.masked_fill(hidden, -math.inf).softmax(dim=-2) @ values


def softmax_over_heads(queries, keys, values):
    scores = _scores(queries, keys) / math.sqrt(queries.shape[-1])
    hidden = ~_causal(queries.shape[-2])
    return scores.masked_fill(hidden, -math.inf).softmax(dim=1) @ values


def no_softmax(queries, keys, values):
    scores = _scores(queries, keys) / math.sqrt(queries.shape[-1])
    return (scores * _causal(queries.shape[-2])) @ values


def exponentials_not_divided(queries, keys, values):
    scores = _scores(queries, keys) / math.sqrt(queries.shape[-1])
    return scores.masked_fill(~_causal(queries.shape[-2]), -math.inf).exp() @ values


def exponentials_overflow(queries, keys, values):
    scores = _scores(queries, keys) / math.sqrt(queries.shape[-1])
    shares = scores.masked_fill(~_causal(queries.shape[-2]), -math.inf).exp()
    return shares / shares.sum(dim=-1, keepdim=True) @ values


def keys_in_place_of_values(queries, keys, values):
    scores = _scores(queries, keys) / math.sqrt(queries.shape[-1])
    return _attend(scores, keys, _causal(queries.shape[-2]))


def queries_and_keys_swapped(queries, keys, values):
    scores = _scores(keys, queries) / math.sqrt(queries.shape[-1])
    return _attend(scores, values, _causal(queries.shape[-2]))


def cosine_in_place_of_product(queries, keys, values):
    queries = queries / queries.norm(dim=-1, keepdim=True)
    return _attend(_scores(queries, keys), values, _causal(queries.shape[-2]))


def keys_normalised_over_time(queries, keys, values):
    keys = keys / keys.norm(dim=-2, keepdim=True)
    scores = _scores(queries, keys) / math.sqrt(queries.shape[-1])
    return _attend(scores, values, _causal(queries.shape[-2]))


def heads_summed(queries, keys, values):
    scores = torch.einsum("bhqd,bhkd->bqk", queries, keys).unsqueeze(1)
    scores = scores / math.sqrt(queries.shape[-1])
    return _attend(scores, values, _causal(queries.shape[-2]))


def heads_joined(queries, keys, values):
    scores = _scores(queries, keys) / math.sqrt(queries.shape[-1])
    output = _attend(scores, values, _causal(queries.shape[-2]))
    return output.transpose(1, 2).flatten(2)


def graph_cut(queries, keys, values):
    scores = _scores(queries, keys).detach() / math.sqrt(queries.shape[-1])
    return _attend(scores, values, _causal(queries.shape[-2]))


def keys_scaled_in_place(queries, keys, values):
    keys /= math.sqrt(queries.shape[-1])
    return _attend(_scores(queries, keys), values, _causal(queries.shape[-2]))


def nothing_returned(queries, keys, values):
    _attend(_scores(queries, keys), values, _causal(queries.shape[-2]))


def list_returned(queries, keys, values):
    scores = _scores(queries, keys) / math.sqrt(queries.shape[-1])
    return _attend(scores, values, _causal(queries.shape[-2])).tolist()


def still_empty(queries, keys, values):
    raise NotImplementedError("Your turn")


SAID = {
    scaled_by_model_width: "You scaled by the model's width 64; scale by the root of "
    "the head's width 16",
    not_scaled: "You did not scale the scores",
    root_forgotten: "You divided by the head's width 16, not by its root",
    multiplied_by_root: "You multiplied the scores where you should divide",
    scaled_by_time: "You scaled by the number of positions, 6",
    scaled_twice: "dot products times 0.500",
    width_written_as_a_number: "is a size written as a number",
    no_mask: "there is no causal mask",
    sees_the_next_token: "every position also sees the token after it",
    hides_itself: "A position cannot see itself",
    hides_itself_with_a_large_number: "A position cannot see itself",
    mask_upside_down: "The mask is upside down",
    window_of_three: "Position 3 does not see position 0",
    hidden_scores_set_to_zero: "zero is a score like any other",
    mask_multiplied_by_infinity: "Minus infinity times zero",
    masked_after_the_softmax: "You hid the future after the softmax",
    softmax_over_queries: "the weights that one key receives sum to one",
    softmax_over_heads: "not over positions, but over heads",
    no_softmax: "Some weights are negative",
    exponentials_not_divided: "not to one",
    exponentials_overflow: "Large scores overflow",
    keys_in_place_of_values: "keys and queries only decide the weights",
    queries_and_keys_swapped: "Queries and keys have changed places",
    cosine_in_place_of_product: "are not the dot products",
    keys_normalised_over_time: "something else mixes positions",
    heads_summed: "the heads are mixed",
    heads_joined: "The result has shape (2, 6, 64)",
    graph_cut: "no gradient reaches the queries",
    keys_scaled_in_place: "Your function changes its second input in place",
    nothing_returned: "Your function returns nothing",
    list_returned: "Your function returns a list",
    still_empty: "There is nothing to check yet",
}
