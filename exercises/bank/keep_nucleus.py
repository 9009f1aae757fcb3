"""Top-p: the smallest set of likeliest tokens whose probability reaches p."""

from collections import Counter

import torch

from exercises import Exercise
from llmlab import life, sampling
from llmlab.checks import Case

TASK = """
A model that writes draws its next token. Each of the two thousand unlikely ones has
hardly any probability, but together they have some, and one of them spoils the text.
**Top-p** keeps the *smallest* set of tokens whose probability reaches $p$. One takes
the likeliest first, then the next, until the sum is at least $p$ or no token is left:
rounded probabilities may sum to a little less than one. The token that brings the
sum there is in.

Five tokens have the probabilities 8/16, 4/16, 2/16, 1/16, 1/16:

| p | kept | their sum |
|---|---|---|
| 0.3 | the first | 8/16 = 0.5 |
| 0.5 | the first | 0.5 is enough |
| 0.7 | the first two | 12/16 = 0.75 |
| 0.8 | the first three | 14/16 = 0.875 |

**Before you start, predict:** with p = 0.9, how many tokens are kept where the model
gives one of them 0.95, and how many where it finds all 2560 equally probable?
"""


def keep_nucleus(probabilities, p):
    """Which tokens top-p keeps, row by row.

    probabilities: (batch, vocab); every row sums to one, up to rounding
    p:             a number, more than 0 and at most 1
    returns:       (batch, vocab) bool, True for the tokens that are kept; of
                   equally likely ones any may be
    """
    ordered, order = probabilities.sort(dim=-1, descending=True)
    sum_before = ordered.cumsum(dim=-1) - ordered
    return torch.zeros_like(order, dtype=torch.bool).scatter(-1, order, sum_before < p)


HINTS = (
    """Sort a row, the likeliest first, and write its running sums below it. A token is
kept if what comes *before* it does not reach p yet. That says it for all tokens, the
first one included. You now know which *ranks* are kept; the sort also told you which
token has which rank.""",
    """1. sort every row from the likeliest down, and remember which tokens they are
2. running sums; less the token's own probability they are the sums before it
3. a rank is kept if the sum before it is less than p
4. carry each True or False back to the token of that rank""",
    """Holtzman et al., *The Curious Case of Neural Text Degeneration* (2020), section
3.1. `shape_logits` in `llmlab/sampling.py`.""",
)

AFTER = """**What you predicted.** One, and 2304 (give or take one, by rounding).

**Your nucleus in the base model.** After each token of a sentence: how many tokens
does p = 0.9 leave to choose from? *Where do you expect few, and where many?* Then it
writes, and may draw only what you keep.
"""


def use(keep_nucleus):
    course = life.course()
    tokenizer = course.tokenizer
    base = course.load("base").requires_grad_(False)
    sentence = tokenizer.encode("The quick brown fox jumps over the lazy dog.")
    tokens = torch.tensor([[tokenizer.bos_id, *sentence]])
    sizes = keep_nucleus(base(tokens)[0].softmax(dim=-1), 0.9).sum(dim=-1)
    for token, size in zip(tokens[0].tolist(), sizes.tolist(), strict=True):
        print(f"after {tokenizer.token_text(token):>8}  {size:4} are kept")

    dice = torch.Generator().manual_seed(0)
    tokens = torch.tensor([[tokenizer.bos_id, *tokenizer.encode("Dear Wilma,")]])
    while tokens.shape[1] < 60 and tokens[0, -1] != tokenizer.eos_id:
        shares = base(tokens)[:, -1].softmax(dim=-1)
        drawn = sampling.draw(shares * keep_nucleus(shares, 0.9), dice)
        tokens = torch.cat((tokens, drawn), dim=1)
    print(tokenizer.decode(tokens[0].tolist()))


def definition(probabilities, p):
    """Take the likeliest token that is left until p is reached."""
    kept = torch.zeros_like(probabilities, dtype=torch.bool)
    for row, shares in enumerate(probabilities.tolist()):
        total = 0.0
        for token in sorted(range(len(shares)), key=lambda k: -shares[k]):
            if total < p:
                kept[row, token] = True
                total += shares[token]
    return kept


def compared(inputs, kept):
    """Of equally likely tokens the first ones, as many as were kept."""
    first = torch.zeros_like(kept)
    for row, shares in enumerate(inputs[0].tolist()):
        of_share = Counter(s for s, k in zip(shares, kept[row], strict=True) if k)
        for token, share in enumerate(shares):
            first[row, token] = of_share[share] > 0
            of_share[share] -= 1
    return first


EDGES = "exact sums, ties, rounding and small p"


def cases(seed):
    generator = torch.Generator().manual_seed(seed)
    # Sixteenths are exact in binary, so a sum reaches p exactly or not at all.
    rows = torch.tensor([[1, 2, 8, 1, 4], [3, 2, 2, 5, 4]]) / 16
    rows = rows[:, torch.randperm(5, generator=generator)].contiguous()
    yield Case((rows, 0.7))
    yield Case((rows.flip(0), 0.7))
    for width, p in ((2, 0.3), (9, 0.6), (30, 0.9), (200, 0.5)):
        logits = 2 * torch.randn(6, width, generator=generator)
        words = f"6 rows of {width} tokens and p {p}"
        yield Case((logits.softmax(dim=-1), p), words=words)
    yield Case((rows, 0.1), EDGES)
    yield Case((rows, 0.75), EDGES)
    yield Case((torch.tensor([[0.25, 0.2499999, 0.5]]), 1.0), EDGES)
    yield Case((torch.full((1, 4), 0.25), 0.5), EDGES)
    yield Case((torch.tensor([[0.5, 0.4995, 0.0005]]), 0.9999), EDGES)


# What people get wrong


def by_ranks(keep):
    """An answer that decides by the ordered shares (batch, rank) and their sums."""

    def answer(probabilities, p):
        shares, order = probabilities.sort(dim=-1, descending=True, stable=True)
        kept = keep(shares, shares.cumsum(dim=-1), p)
        return torch.zeros_like(kept).scatter(-1, order, kept)

    return answer


def first_tokens(count_of):
    """An answer that keeps in every row as many as count_of(sizes, p, vocab) says."""

    def keep(shares, sums, p):
        count = count_of((sums - shares < p).sum(dim=-1), p, shares.shape[-1])
        return (torch.arange(shares.shape[-1]) < count).expand_as(shares)

    return by_ranks(keep)


def needed(shares, sums, p):
    return sums - shares < p


def crossing_dropped_but_one_kept(shares, sums, p):
    kept = sums < p
    kept[..., 0] = True
    return kept


def ties_kept(probabilities, p):
    kept = keep_nucleus(probabilities, p)
    return probabilities >= probabilities.masked_fill(~kept, 1.0).amin(-1, True)


def nothing_if_one_is_enough(probabilities, p):
    kept = keep_nucleus(probabilities, p)
    return kept & (kept.sum(dim=-1, keepdim=True) > 1)


def two_at_least(shares, sums, p):
    return needed(shares, sums, p) | (torch.arange(shares.shape[-1]) < 2)


def from_the_least_likely(keep):
    def answer(probabilities, p):
        shares, order = probabilities.sort(dim=-1)
        kept = keep(shares, shares.cumsum(dim=-1), p)
        return torch.zeros_like(kept).scatter(-1, order, kept)

    return answer


def first_that_reaches_p(shares, sums, p):
    """Where rounding lets none reach p, the first of them is said to be number 0."""
    return torch.arange(shares.shape[1]) <= (sums >= p).int().argmax(-1, True)


def ranks_for_tokens(probabilities, p, look_up=False):
    shares, order = probabilities.sort(dim=-1, descending=True, stable=True)
    kept = needed(shares, shares.cumsum(dim=-1), p)
    return kept.gather(-1, order) if look_up else kept


def total_not_reset(asked_first):
    def answer(probabilities, p):
        kept, total = torch.zeros_like(probabilities, dtype=torch.bool), 0.0
        for row, shares in enumerate(probabilities.tolist()):
            for token in sorted(range(len(shares)), key=lambda k: -shares[k]):
                if asked_first and total >= p:
                    break
                kept[row, token] = True
                total += shares[token]
                if total >= p:
                    break
        return kept

    return answer


def dropped_in_place(probabilities, p):
    kept = keep_nucleus(probabilities, p)
    probabilities[~kept] = 0
    return kept


CROSSING = (
    "The token that crosses p is missing, so what is kept does not reach p. It belongs "
    "to the set."
)
RANKS = (
    "As many tokens are kept as should be, but the wrong ones: after sorting, True "
    "stands at ranks. Bring it back to the tokens that have these ranks."
)
EVERY_ROW = (
    "Every row keeps as many tokens as {}. Each row has a number of its own: one that "
    "is less sure needs more."
)
ALONE = (
    "You compare each token's own probability with {}. It is their sum, from the "
    "likeliest on, that has to reach p."
)
SUM = "Row 1 keeps {}: does its sum begin at 0 again?"
MISTAKES = {
    by_ranks(lambda shares, sums, p: sums <= p): CROSSING,
    by_ranks(lambda shares, sums, p: sums < p): CROSSING,
    by_ranks(crossing_dropped_but_one_kept): CROSSING,
    nothing_if_one_is_enough: "Where one token is enough nothing is kept, and there is "
    "nothing to draw from. The likeliest token always stays, for it crosses p.",
    by_ranks(two_at_least): "At least two tokens are kept. Where the likeliest alone "
    "reaches p, it is enough.",
    by_ranks(lambda s, sums, p: sums - s - s.roll(1, dims=-1) < p): "One token too "
    "many is kept: p is reached without the last one.",
    by_ranks(lambda shares, sums, p: sums - shares <= p): "Tokens that have exactly "
    "the probability p are enough: with p 0.75 the next one is not needed.",
    ranks_for_tokens: RANKS,
    lambda probabilities, p: ranks_for_tokens(probabilities, p, look_up=True): RANKS,
    lambda probabilities, p: ~keep_nucleus(probabilities, p): "Kept and dropped have "
    "changed places: True is for kept tokens.",
    from_the_least_likely(needed): "Everything is kept, or nearly so: from the least "
    "likely on, p is reached only at the very end. Begin with the likeliest.",
    from_the_least_likely(lambda shares, sums, p: sums <= p): "The least likely tokens "
    "are kept: sort the other way round, so that the likeliest comes first.",
    lambda probabilities, p: probabilities.cumsum(-1) - probabilities < p: (
        "The tokens were added up in the order of their numbers. Sort first, so that "
        "the likeliest comes first."
    ),
    lambda probabilities, p: probabilities >= p: ALONE.format("p"),
    lambda probabilities, p: probabilities >= 1 - p: ALONE.format("1 less p"),
    lambda x, p: x >= p * x.amax(-1, True): ALONE.format(
        "p times the largest one, which is min-p"
    ),
    first_tokens(lambda sizes, p, vocab: sizes[0]): EVERY_ROW.format("row 0"),
    first_tokens(lambda sizes, p, vocab: sizes[-1]): EVERY_ROW.format("the last row"),
    first_tokens(lambda sizes, p, vocab: sizes.max()): EVERY_ROW.format(
        "the row that needs most"
    ),
    first_tokens(lambda sizes, p, vocab: 3): "Always three tokens are kept: top-k "
    "keeps a number of tokens, top-p as many as p needs.",
    first_tokens(lambda sizes, p, vocab: int(p * vocab)): "A share p of the vocabulary "
    "is kept. It is their probability that has to reach p, not their number.",
    by_ranks(lambda s, sums, p: needed(s, sums, p) & (torch.arange(s.shape[1]) < 5)): (
        "Never are more than five tokens kept: is a number written where it should be "
        "read off the input?"
    ),
    ties_kept: "Of four equally likely tokens p 0.5 takes any two, and you keep all. "
    "The set should be the smallest, so count tokens, do not compare them with the "
    "probability of the last one.",
    by_ranks(first_that_reaches_p): "With p 1 all tokens should be kept. Rounded "
    "probabilities sum to a little less than one, so p is never reached, and the first "
    "of no places is place 0.",
    lambda probabilities, p: keep_nucleus(probabilities, p - 1e-3): "",
    total_not_reset(True): SUM.format("nothing"),
    total_not_reset(False): SUM.format("one token"),
    lambda probabilities, p: probabilities * keep_nucleus(probabilities, p): "",
    lambda probabilities, p: keep_nucleus(probabilities, p)[0]: "",
    dropped_in_place: "",
}


# Right in other styles


def by_loop(probabilities, p):
    kept = torch.zeros_like(probabilities, dtype=torch.bool)
    for row in range(len(probabilities)):
        total = 0.0
        for token in probabilities[row].argsort(descending=True).tolist():
            kept[row, token] = True
            total += float(probabilities[row, token])
            if total >= p:
                break
    return kept


def with_ranks(probabilities, p):
    order = probabilities.argsort(dim=-1, descending=True)
    sums = probabilities.gather(-1, order).cumsum(dim=-1)
    sizes = (sums < p).sum(dim=-1, keepdim=True) + 1
    return order.argsort(dim=-1) < sizes


def what_cannot_be_dropped(probabilities, p):
    """What is dropped may have at most the rest, which nothing reaches by rounding."""
    shares, order = probabilities.double().sort(dim=-1, stable=True)
    dropped = shares.cumsum(dim=-1) <= shares.sum(dim=-1, keepdim=True) - p
    return torch.zeros_like(dropped).scatter(-1, order, ~dropped)


EXERCISE = Exercise(
    name="keep_nucleus",
    title="What may be drawn",
    kind="implement",
    skill="choose by top-p",
    difficulty=3,
    importance=4,
    minutes=15,
    chapter="05, which uses it and does not print it",
    task=TASK,
    solution=keep_nucleus,
    definition=definition,
    compared=compared,
    cases=cases,
    points={"the smallest set that reaches p, row by row": 1, EDGES: 1},
    proven="What is kept reaches p, with one token less it would not,\nno dropped "
    "token is likelier than a kept one, and every row has a set of its own.",
    mistakes=MISTAKES,
    right=(by_loop, with_ranks, what_cannot_be_dropped),
    hints=HINTS,
    after=AFTER,
    use=use,
    library=("llmlab.sampling.shape_logits",),
)
