"""Top-p: the smallest set of likeliest tokens whose probability reaches p."""

import torch
from torch import Tensor

from llmlab.checks.common import CheckFailed, call, require_tensor

# Sixteenths are exact in binary, so a sum reaches p exactly or not at all. The
# likeliest token is not the first, and the two rows need different numbers of tokens.
_ROWS = torch.tensor([[1, 2, 8, 1, 4], [3, 2, 2, 5, 4]]) / 16


def keep_nucleus(candidate) -> None:
    """Check the choice of top-p sampling (Holtzman et al. 2020, section 3.1).

    Parameters
    ----------
    candidate : function of probabilities (batch, vocab) and p, that returns
        (batch, vocab) bool: True for the tokens that are kept.

    Raises
    ------
    CheckFailed : with the likely mistake.
    """
    _nucleus_has_the_right_tokens(candidate, p=0.7)
    _one_token_always_stays(candidate)
    _nothing_beyond_p_is_kept(candidate)
    _p_of_one_keeps_all(candidate)
    _ties_are_not_all_kept(candidate)
    _nucleus_equals_loop(candidate)
    print(
        "Right. What is kept reaches p, with one token less it would not,\nno dropped "
        "token is likelier than a kept one, and every row has a set of its own."
    )


def _kept(candidate, probabilities: Tensor, p: float) -> Tensor:
    kept = call(candidate, probabilities.clone(), p)
    require_tensor(kept, probabilities.shape)
    if kept.dtype != torch.bool:
        raise CheckFailed(
            "Your function should say of each token whether it is kept, True or "
            f"False; it returns {str(kept.dtype).removeprefix('torch.')}."
        )
    return kept


def _by_loop(probabilities: Tensor, p: float) -> Tensor:
    """The definition: take the likeliest token that is left until p is reached."""
    kept = torch.zeros_like(probabilities, dtype=torch.bool)
    for row, shares in enumerate(probabilities.tolist()):
        total = 0.0
        for token in sorted(range(len(shares)), key=lambda k: -shares[k]):
            if total < p:
                kept[row, token] = True
                total += shares[token]
    return kept


def _ranks(probabilities: Tensor) -> Tensor:
    """0 for the likeliest token of a row, 1 for the next, …: (batch, vocab)."""
    order = probabilities.argsort(dim=-1, descending=True, stable=True)
    return order.argsort(dim=-1)


def _nucleus_has_the_right_tokens(candidate, p: float) -> None:
    kept, wanted = _kept(candidate, _ROWS, p), _by_loop(_ROWS, p)
    if kept.equal(wanted):
        return
    sizes = wanted.sum(dim=-1, keepdim=True)
    ranks = _ranks(_ROWS)
    mistakes = (
        (~wanted, "Kept and dropped have changed places: True is for kept tokens."),
        (
            ranks < sizes - 1,
            "The token that crosses p is missing, so what is kept does not reach p. It "
            "belongs to the set.",
        ),
        (
            ranks < sizes + 1,
            "One token too many is kept: p is reached without the last one.",
        ),
        (
            ranks >= 1,
            "The least likely tokens are kept: sort the other way round, so that the "
            "likeliest comes first.",
        ),
        (
            ranks >= 0,
            "Everything is kept. Add the probabilities up along a row (not down a "
            "column), from the likeliest on; from the least likely on p is reached "
            "only at the very end.",
        ),
        (
            ranks < sizes[0],
            "Every row keeps as many tokens as row 0. A row that is less sure needs "
            "more of them.",
        ),
        (
            _ROWS >= p,
            "You compare each token's own probability with p. It is their sum, from "
            "the likeliest on, that has to reach p.",
        ),
        (
            _ROWS >= 1 - p,
            "You compare each token's own probability with 1 less p. It is their sum, "
            "from the likeliest on, that has to reach p.",
        ),
    )
    for mistaken, mistake in mistakes:
        if kept.equal(mistaken.expand_as(kept)):
            raise CheckFailed(mistake)
    if kept[0].equal(wanted[0]) and kept[1].sum() < 2:
        raise CheckFailed(
            f"Row 1 keeps {'one token' if kept[1].any() else 'nothing'}: does its sum "
            "begin at 0 again?"
        )
    if kept.sum(dim=-1, keepdim=True).equal(sizes):
        raise CheckFailed(
            "As many tokens are kept as should be, but the wrong ones: after sorting, "
            "True stands at ranks. Bring it back to the tokens that have these ranks."
        )
    raise CheckFailed(
        f"Of the probabilities {_ROWS[1].tolist()} and p {p} the tokens 0, 3 and 4 "
        f"should be kept; it is {kept[1].nonzero()[:, 0].tolist()}."
    )


def _one_token_always_stays(candidate) -> None:
    kept = _kept(candidate, _ROWS, 0.1)
    if not kept.any(dim=-1).all():
        raise CheckFailed(
            "With p 0.1 nothing is kept, and there is nothing to draw from. The "
            "likeliest token always stays, for it crosses p."
        )
    if not kept.equal(_by_loop(_ROWS, 0.1)):
        raise CheckFailed(
            "With p 0.1 the likeliest token alone is enough, but up to "
            f"{int(kept.sum(dim=-1).max())} tokens are kept."
        )


def _nothing_beyond_p_is_kept(candidate) -> None:
    """The first two tokens of row 0 and the first three of row 1 have exactly 3/4."""
    sizes = _kept(candidate, _ROWS, 0.75).sum(dim=-1).tolist()
    if sizes != [2, 3]:
        raise CheckFailed(
            "Tokens that have exactly the probability p are enough: with p 0.75 the "
            f"rows should keep 2 and 3 tokens; they keep {sizes[0]} and {sizes[1]}."
        )


def _p_of_one_keeps_all(candidate) -> None:
    """Rounded probabilities may sum to a little less than one."""
    probabilities = torch.tensor([[0.25, 0.2499999, 0.5]])
    kept = _kept(candidate, probabilities, 1.0)
    if not kept.all():
        raise CheckFailed(
            f"With p 1 all 3 tokens should be kept, but {int(kept.sum())} are. Rounded "
            "probabilities sum to a little less than one, so p is never reached."
        )


def _ties_are_not_all_kept(candidate) -> None:
    kept = _kept(candidate, torch.full((1, 4), 0.25), 0.5)
    if kept.sum() != 2:
        raise CheckFailed(
            f"Of four equally likely tokens p 0.5 takes any two; {int(kept.sum())} are "
            "kept. The set should be the smallest, so count tokens, do not compare "
            "them with the probability of the last one."
        )


def _nucleus_equals_loop(candidate) -> None:
    generator = torch.Generator().manual_seed(5)
    for width, p in ((2, 0.3), (30, 0.9), (200, 0.5)):
        logits = 2 * torch.randn(6, width, generator=generator)
        probabilities = logits.softmax(dim=-1)
        if not _kept(candidate, probabilities, p).equal(_by_loop(probabilities, p)):
            raise CheckFailed(
                f"Right for five tokens, wrong for {width} with p {p}: is a number "
                "written where it should be read off the input?"
            )
