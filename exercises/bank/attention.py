"""Causal attention."""

import math

import einops
import torch
from torch.nn import functional as F

from exercises import Exercise
from llmlab import checks, gpt
from llmlab.checks import Case
from llmlab.gpt import GPT, GPTConfig

TASK = """
Every position asks a question (its *query*), every position offers an answer
(its *value*) under a label (its *key*). Attention compares query with key by a
dot product, turns the scores of one query into shares that sum to one, and
returns the mean of the values, weighted by the shares.

Two details make it work in a language model. The scores are **scaled**: a sum
of `d_head` products of independent numbers grows like the root of `d_head`,
and a softmax of large scores is all or nothing. And it is **causal**: position
`t` sees the positions `0` to `t`, itself included, and nothing later, however
large or small the scores are.

**Before you start, predict:** what is the output of position 0?
"""


def attention(queries, keys, values):
    """Causal scaled dot-product attention.

    queries, keys, values: (batch, heads, time, d_head)
    returns:               (batch, heads, time, d_head), of the same type, from
                           which a gradient can flow back to all three
    """
    time, d_head = queries.shape[-2:]
    scores = queries @ keys.transpose(-2, -1) / d_head**0.5
    is_past = torch.ones(time, time, dtype=torch.bool).tril()
    weights = scores.masked_fill(~is_past, float("-inf")).softmax(dim=-1)
    return weights @ values


HINTS = (
    """Write down the shape of every intermediate result. The scores of one head are a
square: one row for each query, one column for each key. Which entries of the square
compare a query with a *later* key? They have to be gone before the scores become
shares.""",
    """1. scores: every query against every key, divided by the root of the head width
2. wherever the column is larger than the row: minus infinity
3. shares: softmax along each row
4. output: shares times values""",
    """Vaswani et al., *Attention Is All You Need* (2017), sections 3.2.1 and 3.2.3.
`llmlab/gpt.py` asks PyTorch's fused kernel for the same numbers.""",
)

AFTER = """
**What you predicted.** Position 0 sees itself alone, so its share is 1 and its
output is its own value.

**Your attention in a whole model.** Inside the `with` block, a GPT with random
weights computes its logits with your function. *Will they be equal to the
library's to the last bit, almost equal, or different?*
"""


def use(attention):
    torch.manual_seed(0)
    config = GPTConfig(vocab_size=300, context=32, layers=2, heads=2, width=32)
    model = GPT(config).eval()
    tokens = torch.randint(6, 262, (1, 20))

    with torch.no_grad():
        library_logits = model(tokens)
        with checks.your_attention(attention):
            your_logits = model(tokens)

    print("almost equal:", torch.allclose(your_logits, library_logits, atol=1e-4))


def definition(queries, keys, values):
    """One query at a time."""
    output = []
    for query, key, value in zip(
        queries.flatten(0, 1), keys.flatten(0, 1), values.flatten(0, 1), strict=True
    ):
        for now in range(len(query)):
            scores = key[: now + 1] @ query[now] / math.sqrt(query.shape[-1])
            output.append(scores.softmax(dim=0) @ value[: now + 1])
    return torch.stack(output).view(values.shape)


EXTREME, LEARNS = "scores of every size are exact", "a gradient reaches all inputs"


def cases(seed):
    generator = torch.Generator().manual_seed(seed)

    def numbers(*shape):
        return [torch.randn(shape, generator=generator) for _ in range(3)]

    for shape in (
        (1, 1, 3, 4),
        (2, 4, 6, 16),
        (1, 3, 5, 8),
        (2, 1, 7, 6),
        (3, 1, 1, 4),
    ):
        yield Case(tuple(numbers(*shape)))
    queries, keys, values = numbers(2, 2, 5, 8)
    # Position t holds the t-th unit vector: the output is the table of weights.
    yield Case((queries, keys, torch.eye(5, 8).expand(2, 2, 5, 8).contiguous()))
    yield Case((queries, keys, values), LEARNS, gradients=(0, 1, 2))
    words = "queries of zeros, whose scores are all equal,"
    yield Case((torch.zeros(1, 1, 4, 2), *numbers(1, 1, 4, 2)[:2]), EXTREME, words)
    # Levels so far apart that one takes all, in an order that the seed decides.
    words = "scores of some ten thousand, positive and negative,"
    levels = torch.randperm(8, generator=generator).double().view(8, 1) - 3.5
    keys, queries = torch.zeros(1, 2, 8, 4), torch.zeros(1, 2, 8, 4)
    keys[..., :1], queries[:, 0, :, 0], queries[:, 1, :, 0] = levels, 4e4, -4e4
    yield Case((queries, keys, numbers(1, 2, 8, 4)[2]), EXTREME, words)
    yield Case((-40 * queries.sign(), keys, keys.flip(-1)), EXTREME, "large scores")


# What people get wrong


def dots(queries, keys):
    return queries @ keys.transpose(-1, -2)


def future(scores, diagonal=1):
    return torch.ones_like(scores[0, 0], dtype=torch.bool).triu(diagonal)


def root(queries):
    return queries.shape[-1] ** 0.5


def wrong(
    divide=root, scores=dots, change=lambda s: s, hide=future, put=-math.inf, dim=-1
):
    """Attention with one part exchanged."""

    def answer(queries, keys, values):
        found = change(scores(queries, keys) / divide(queries))
        return found.masked_fill(hide(found), put).softmax(dim) @ values

    return answer


def shares(make):
    """Attention whose shares are made of scores and of what is hidden."""

    def answer(queries, keys, values):
        scores = dots(queries, keys) / root(queries)
        return make(scores, future(scores)) @ values

    return answer


def exponentials(scores, hidden):
    return scores.masked_fill(hidden, -math.inf).exp()


def divided(weights):
    return weights / weights.sum(dim=-1, keepdim=True)


def hides_by_value(scores):
    scores = scores.tril()
    return scores.masked_fill(scores == 0, -math.inf)


HIDES_ITSELF = (
    "A position cannot see itself: your mask is off by one and hides one token too "
    "many. Position 0 has only itself to look at."
)
NOT_SMALL_ENOUGH = (
    "What you put in place of hidden scores is not small enough: where the visible "
    "scores lie below it, the future wins. Only minus infinity is below them all."
)
MAXIMUM_OF_HIDDEN = (
    "Hidden scores took part in the softmax, or in the row's largest score, before "
    "they were hidden. Where they are large, all that is visible rounds to zero: hide "
    "first."
)
WRONG_AXIS = (
    "The softmax runs over the wrong axis: {}. Normalise over the keys that one query "
    "sees."
)
MISTAKES = {
    wrong(divide=lambda q: (q.shape[1] * q.shape[-1]) ** 0.5): "You scaled by the "
    "model's width, all heads together; scale by the root of the head's width.",
    wrong(divide=lambda q: 1): "You did not scale the scores; divide by the root of "
    "the head's width.",
    wrong(divide=lambda q: q.shape[-1]): "You divided by the head's width, not by its "
    "root.",
    wrong(divide=lambda q: 1 / root(q)): "You multiplied the scores where you should "
    "divide them by the root of the head's width.",
    wrong(divide=lambda q: q.shape[-2] ** 0.5): "You scaled by the number of "
    "positions; scale by the root of the head's width.",
    wrong(divide=lambda q: root(q) / 2): "Your scores are twice too large: they should "
    "be the dot products over the root of the head's width.",
    wrong(divide=lambda q: 4): "The scale is written as a number, which is right for "
    "heads of width 16 only: read the width off the input.",
    wrong(divide=lambda q: int(root(q))): "The root of the head's width was rounded to "
    "a whole number.",
    wrong(hide=lambda s: future(s) & ~future(s)): "Position 0 sees all the later "
    "tokens: there is no causal mask. A model that reads the answer learns nothing "
    "from predicting it.",
    wrong(hide=lambda s: future(s, 2)): "Your mask is off by one: every position also "
    "sees the token after it, which is exactly the one it has to predict.",
    wrong(hide=lambda s: future(s, 0)): HIDES_ITSELF,
    wrong(hide=lambda s: future(s, 0), put=-1e9): HIDES_ITSELF,
    lambda q, k, v: wrong(hide=lambda s: future(s, 0))(
        q, k, v
    ).nan_to_num(): HIDES_ITSELF,
    wrong(hide=lambda s: future(s).T): "The mask is upside down: positions see the "
    "future and not the past.",
    wrong(hide=lambda s: future(s) | future(s, 3).T): "Position 3 does not see "
    "position 0; a position should see itself and everything before it, and nothing "
    "else.",
    wrong(change=torch.tril, hide=lambda s: future(s, 99)): "Hidden scores were set to "
    "zero, and zero is a score like any other: the exponential makes it one. Only "
    "minus infinity becomes weight zero.",
    wrong(change=hides_by_value): "Scores that happen to be zero were hidden, wherever "
    "they stand: hide by position, not by value.",
    shares(lambda s, hidden: (s + hidden * -math.inf).softmax(-1)): "Some outputs are "
    "not numbers. Minus infinity times zero is one way to get there: place minus "
    "infinity at hidden pairs, do not multiply by it.",
    shares(lambda s, hidden: s.softmax(-1) * ~hidden): "You hid the future after the "
    "softmax, so the shares that were left no longer sum to one. Hide it before, among "
    "the scores.",
    shares(lambda s, hidden: divided(s.softmax(-1) * ~hidden)): MAXIMUM_OF_HIDDEN,
    shares(
        lambda s, hidden: divided((s - s.amax(-1, True)).exp() * ~hidden)
    ): MAXIMUM_OF_HIDDEN,
    **{wrong(put=put): NOT_SMALL_ENOUGH for put in (-10, -20, -100, -1e4)},
    shares(lambda s, hidden: (s + hidden * -1e4).softmax(-1)): NOT_SMALL_ENOUGH,
    wrong(change=lambda s: s.clamp(-10, 10)): "The scores were held within bounds, "
    "which makes large ones equal. A softmax needs no bounds.",
    wrong(dim=-2): WRONG_AXIS.format("the weights that one key receives sum to one"),
    wrong(dim=1): WRONG_AXIS.format("not over positions, but over heads"),
    wrong(dim=0): WRONG_AXIS.format("not over positions, but over batch rows"),
    shares(lambda s, hidden: s * ~hidden): "Some weights are negative, so these are "
    "bare scores: a softmax has to turn the scores of a query into shares.",
    shares(exponentials): "The weights of a query do not sum to one: divide the "
    "exponentials by their sum.",
    shares(lambda s, hidden: divided(exponentials(s, hidden))): "Large scores "
    "overflow: the exponential of a few hundred is too large for a 32-bit number. "
    "Subtract the row's largest visible score first, as the softmax of PyTorch does.",
    lambda q, k, v: attention(q, k, k): "The keys were averaged, not the values: keys "
    "and queries only decide the weights.",
    lambda q, k, v: attention(k, q, v): "Queries and keys have changed places: row t "
    "of the scores should hold query t against every key.",
    lambda q, k, v: wrong(divide=lambda q: 1)(F.normalize(q, dim=-1), k, v): (
        "The scores are not the dot products of queries and keys: something divides "
        "them by lengths."
    ),
    lambda q, k, v: attention(q, F.normalize(k, dim=-2), v): "Outputs of early "
    "positions change when only later tokens do. The mask is right, so something else "
    "mixes positions: an average or a norm taken over time?",
    wrong(scores=lambda q, k: dots(q, k).sum(1, keepdim=True)): "The heads are mixed: "
    "each head compares its own queries with its own keys.",
    wrong(scores=lambda q, k: dots(q, k).detach()): "",
    lambda q, k, v: attention(q, k, v).transpose(1, 2).flatten(2): "",
    lambda q, k, v: attention(q.double(), k.double(), v.double()): "",
    lambda q, k, v: attention(q.bfloat16(), k.bfloat16(), v.bfloat16()): "",
}


# Right in other styles


def with_einops(queries, keys, values):
    scores = einops.einsum(queries, keys, "b h q d, b h k d -> b h q k")
    scores = scores * queries.shape[-1] ** -0.5
    hidden = torch.full(scores.shape[-2:], -1e9).triu(diagonal=1)
    shares = F.softmax(scores + hidden, dim=-1)
    return einops.einsum(shares, values, "b h q k, b h k d -> b h q d")


def fused(queries, keys, values):
    return F.scaled_dot_product_attention(queries, keys, values, is_causal=True)


def of_the_library(queries, keys, values):
    return gpt.attention(queries, keys, values, mask=None, causal=True)


EXERCISE = Exercise(
    name="attention",
    title="Attention that looks back, never ahead",
    kind="implement",
    skill="write causal attention",
    difficulty=3,
    importance=5,
    minutes=20,
    chapter="03, before section 5, which builds it up and prints the library's",
    task=TASK,
    solution=attention,
    definition=definition,
    cases=cases,
    points={"the weighted mean of the past": 1, EXTREME: 1, LEARNS: 1},
    proven="No later token ever changed an earlier output, every row of weights sums "
    "to one,\nthe scale follows the head's width, and an explicit loop over single "
    "queries agrees\nfor scores of every size.",
    mistakes=MISTAKES,
    right=(with_einops, fused, of_the_library),
    hints=HINTS,
    after=AFTER,
    use=use,
    library=("llmlab.gpt.attention",),
)
