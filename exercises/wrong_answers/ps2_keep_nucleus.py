"""Mistakes people make in the choice of top-p sampling, and what the check says."""

import torch


def _sorted(probabilities):
    return probabilities.sort(dim=-1, descending=True, stable=True)


def _to_tokens(kept, order):
    """From ranks to tokens."""
    return torch.zeros_like(kept).scatter(-1, order, kept)


def _right(probabilities, p):
    shares, order = _sorted(probabilities)
    return _to_tokens(shares.cumsum(dim=-1) - shares < p, order)


def crossing_token_dropped(probabilities, p):
    shares, order = _sorted(probabilities)
    return _to_tokens(shares.cumsum(dim=-1) <= p, order)


def crossing_token_dropped_but_one_kept(probabilities, p):
    shares, order = _sorted(probabilities)
    kept = shares.cumsum(dim=-1) < p
    kept[..., 0] = True
    return _to_tokens(kept, order)


def nothing_kept_if_one_is_enough(probabilities, p):
    kept = _right(probabilities, p)
    return kept & (kept.sum(dim=-1, keepdim=True) > 1)


def two_kept_at_least(probabilities, p):
    second = _sorted(probabilities)[0][:, 1:2]
    return _right(probabilities, p) | (probabilities >= second)


def one_too_many(probabilities, p):
    shares, order = _sorted(probabilities)
    before = shares.cumsum(dim=-1) - shares
    return _to_tokens(before - shares.roll(1, dims=-1) < p, order)


def goes_on_when_p_is_reached_exactly(probabilities, p):
    shares, order = _sorted(probabilities)
    return _to_tokens(shares.cumsum(dim=-1) - shares <= p, order)


def ranks_in_place_of_tokens(probabilities, p):
    shares, _ = _sorted(probabilities)
    return shares.cumsum(dim=-1) - shares < p


def gathered_where_it_should_be_scattered(probabilities, p):
    """Takes ranks for tokens, and so looks the answer up the wrong way."""
    shares, order = _sorted(probabilities)
    return (shares.cumsum(dim=-1) - shares < p).gather(-1, order)


def kept_and_dropped_swapped(probabilities, p):
    return ~_right(probabilities, p)


def least_likely_first(probabilities, p):
    shares, order = probabilities.sort(dim=-1)
    return _to_tokens(shares.cumsum(dim=-1) - shares < p, order)


def least_likely_kept(probabilities, p):
    shares, order = probabilities.sort(dim=-1)
    return _to_tokens(shares.cumsum(dim=-1) <= p, order)


def not_sorted(probabilities, p):
    return probabilities.cumsum(dim=-1) - probabilities < p


def each_compared_with_p(probabilities, p):
    return probabilities >= p


def each_compared_with_the_rest(probabilities, p):
    return probabilities >= 1 - p


def same_number_in_every_row(probabilities, p):
    shares, order = _sorted(probabilities)
    size = int((shares[0].cumsum(dim=-1) - shares[0] < p).sum())
    kept = (torch.arange(shares.shape[1]) < size).expand_as(order)
    return _to_tokens(kept, order)


def five_tokens_at_most(probabilities, p):
    shares, order = _sorted(probabilities)
    is_early = torch.arange(shares.shape[1]) < 5
    return _to_tokens((shares.cumsum(dim=-1) - shares < p) & is_early, order)


def ties_kept(probabilities, p):
    shares, _ = _sorted(probabilities)
    is_needed = shares.cumsum(dim=-1) - shares < p
    smallest = shares.masked_fill(~is_needed, 1.0).amin(dim=-1, keepdim=True)
    return probabilities >= smallest


def first_that_reaches_p(probabilities, p):
    """Where rounding lets none reach p, the first of them is said to be number 0."""
    shares, order = _sorted(probabilities)
    last = (shares.cumsum(dim=-1) >= p).int().argmax(dim=-1, keepdim=True)
    return _to_tokens(torch.arange(shares.shape[1]) <= last, order)


def probabilities_returned(probabilities, p):
    return probabilities * _right(probabilities, p)


def dropped_in_place(probabilities, p):
    kept = _right(probabilities, p)
    probabilities[~kept] = 0
    return kept


def one_row_returned(probabilities, p):
    return _right(probabilities, p)[0]


def nothing_returned(probabilities, p):
    _right(probabilities, p)


def total_not_reset(probabilities, p):
    kept, total = torch.zeros_like(probabilities, dtype=torch.bool), 0.0
    for row, shares in enumerate(probabilities.tolist()):
        for token in sorted(range(len(shares)), key=lambda k: -shares[k]):
            if total < p:
                kept[row, token] = True
                total += shares[token]
    return kept


def total_not_reset_and_asked_afterwards(probabilities, p):
    kept, total = torch.zeros_like(probabilities, dtype=torch.bool), 0.0
    for row, shares in enumerate(probabilities.tolist()):
        for token in sorted(range(len(shares)), key=lambda k: -shares[k]):
            kept[row, token] = True
            total += shares[token]
            if total >= p:
                break
    return kept


def interrupted(probabilities, p):
    """What the learner does with a loop that waits for a sum that rounding misses."""
    raise KeyboardInterrupt


SAID = {
    crossing_token_dropped: "The token that crosses p is missing",
    crossing_token_dropped_but_one_kept: "The token that crosses p is missing",
    nothing_kept_if_one_is_enough: "With p 0.1 nothing is kept",
    two_kept_at_least: "With p 0.1 the likeliest token alone is enough",
    one_too_many: "One token too many is kept",
    goes_on_when_p_is_reached_exactly: "should keep 2 and 3 tokens; they keep 3 and 4",
    ranks_in_place_of_tokens: "True stands at ranks",
    gathered_where_it_should_be_scattered: "True stands at ranks",
    kept_and_dropped_swapped: "Kept and dropped have changed places",
    least_likely_first: "Everything is kept",
    least_likely_kept: "The least likely tokens are kept",
    not_sorted: "the tokens 0, 3 and 4 should be kept; it is [0, 1, 2, 3]",
    each_compared_with_p: "You compare each token's own probability with p",
    each_compared_with_the_rest: "with 1 less p",
    same_number_in_every_row: "Every row keeps as many tokens as row 0",
    five_tokens_at_most: "Right for five tokens, wrong for 30",
    ties_kept: "Of four equally likely tokens p 0.5 takes any two; 4 are kept",
    first_that_reaches_p: "With p 1 all 3 tokens should be kept, but 1 are",
    probabilities_returned: "True or False; it returns float32",
    dropped_in_place: "Your function changes its first input in place",
    one_row_returned: "The result has shape (5,)",
    nothing_returned: "Your function returns nothing",
    total_not_reset: "Row 1 keeps nothing: does its sum begin at 0 again?",
    total_not_reset_and_asked_afterwards: "Row 1 keeps one token: does its sum",
    interrupted: "Your function was still running when it was stopped",
}
