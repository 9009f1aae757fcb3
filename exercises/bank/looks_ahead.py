"""Find the fault: attention that looks ahead."""

import random

import torch
from torch.nn import functional as F

from exercises import Exercise
from exercises.bank import attention as causal
from exercises.bank.attention import NOT_SMALL_ENOUGH, future, shares, wrong
from llmlab.checks import Case

TASK = """
A model that sees the token it has to predict has a wonderful loss and has learned
nothing. Such a leak raises no error, and it need not be a missing mask. The function
`sick` below asks PyTorch for causal attention, which is right. Yet its training loss
was too good.

Do two things. **Repair** it. And write a **detector** that finds this leak and others:
it gets an attention function and says whether an output ever depends on a later token.
It will meet six sick functions and four healthy ones, some of which are odd in other
ways: not scaled, short-sighted. Looking at shapes or at the source does not help; what
does is to change something and to watch something else.

**Before you start, predict:** which numbers would you change, and which outputs must
not move?
"""


def given():
    def sick(queries, keys, values):
        """(batch, heads, time, d_head) each; the result has the same shape."""
        keys = keys - keys.mean(dim=-2, keepdim=True)
        values = values - values.mean(dim=-2, keepdim=True)
        return F.scaled_dot_product_attention(queries, keys, values, is_causal=True)


def repaired(queries, keys, values):
    """What `sick` should have been: causal scaled dot-product attention.

    queries, keys, values: (batch, heads, time, d_head)
    returns:               (batch, heads, time, d_head)
    """
    return F.scaled_dot_product_attention(queries, keys, values, is_causal=True)


def looks_ahead(attention):
    """Whether an output of this function ever depends on a later token.

    attention: a function of queries, keys and values, each of shape
               (batch, heads, time, d_head), as above
    returns:   True or False
    """
    generator = torch.Generator().manual_seed(0)
    for size in (1.0, 1000.0):
        inputs = [torch.randn(2, 4, 6, 8, generator=generator) for _ in range(3)]
        inputs[0] *= size
        before = attention(*inputs)
        for place in range(5):
            changed = [x.clone() for x in inputs]
            for x in changed:
                x[..., place + 1 :, :] = torch.randn(
                    x[..., place + 1 :, :].shape, generator=generator
                )
            after = attention(*changed)
            gap = (before - after)[..., : place + 1, :].abs().max()
            if not gap < 1e-4:
                return True
    return False


HINTS = (
    """For the repair: is there anything that an early position could know of a later
one, before the scores are even made? For the detector: run the function twice, on
inputs that are equal up to a place and different behind it. Which outputs have to be
equal?""",
    """1. inputs of several rows and heads, and all places one after the other
2. new queries, keys *and* values behind the place, as different as you like
3. the outputs up to the place must be the same, in every row, head and column
4. all of that once more with queries a thousand times as large: what hides the future
   from small scores need not hide it from large ones""",
    """Notebook 03, section 5. The test of the library's own attention changes the
future, too: look for *causal* in `tests/test_gpt.py`.""",
)

AFTER = """
**What you predicted.** Everything behind a place may be changed; the outputs up to it
must not move. The mean of the values over the whole text tells each position a little
of what comes. That of the keys looks as bad and is harmless: it moves all scores of a
query by one number, which the softmax forgets.
"""


def of_the_head(sick, head=-1):
    """An attention that is sick in one head only."""

    def answer(queries, keys, values):
        output = repaired(queries, keys, values).clone()
        output[:, head] = sick(queries, keys, values)[:, head]
        return output

    return answer


SICK = (
    shares(lambda s, hidden: s.softmax(-1) * ~hidden),
    wrong(hide=lambda s: future(s, 2)),
    lambda q, k, v: repaired(q, k, v - v.mean(dim=-2, keepdim=True)),
    lambda q, k, v: repaired(q, F.normalize(k, dim=-2), v),
    wrong(put=-20),
    of_the_head(wrong(hide=lambda s: future(s, 99))),
)
HEALTHY = (
    repaired,
    wrong(divide=lambda q: 1),
    wrong(hide=lambda s: future(s) | future(s, 3).T),
    lambda q, k, v: repaired(q, q, v),
)
DETECTOR = "the detector is right on six sick and four healthy functions"


def definition(attention):
    return attention in SICK


def cases(seed):
    for case in causal.cases(seed):
        if case.proves != causal.LEARNS:
            yield Case(case.inputs, words=case.words)
    functions = [*SICK, *HEALTHY]
    random.Random(seed).shuffle(functions)
    for function in functions:
        kind = "sick" if function in SICK else "healthy"
        yield Case((function,), DETECTOR, f"one of the {kind} functions", of=1)


# What people get wrong


def detector(
    sizes=(1.0, 1000.0),
    places=range(5),
    change=(0, 1, 2),
    look=slice(None),
    heads=slice(None),
    tolerance=1e-4,
):
    """The detector, with less to see."""

    def answer(attention):
        for size in sizes:
            generator = torch.Generator().manual_seed(0)
            inputs = [torch.randn(2, 4, 6, 8, generator=generator) for _ in range(3)]
            inputs[0] *= size
            before = attention(*inputs)
            for place in places:
                other = [x.clone() for x in inputs]
                for k in change:
                    new = torch.randn(2, 4, 5 - place, 8, generator=generator)
                    other[k][..., place + 1 :, :] = new
                gap = (before - attention(*other))[:, heads, : place + 1, :][:, :, look]
                if not gap.abs().max() < tolerance:
                    return True
        return False

    return answer


def on_shapes(attention):
    x = torch.zeros(2, 4, 6, 8)
    return attention(x, x, x).shape != x.shape


def on_zeros(attention):
    x = torch.zeros(1, 1, 4, 2)
    return not attention(x, x, x).equal(x)


MISSES = "Your detector misses {}"
BLIND = (
    "Your detector says the same of all functions. Change what comes later, and look "
    "whether an earlier output moves."
)
LARGE = (
    "Your detector misses a leak that shows at large scores only: what stands in place "
    "of minus infinity may be large enough for small scores. Try queries of a thousand."
)
MISTAKES = {
    (repaired, on_shapes): BLIND,
    (repaired, on_zeros): BLIND,
    (repaired, lambda attention: True): BLIND,
    (repaired, detector(sizes=(1.0,))): LARGE,
    (repaired, detector(heads=slice(0, 1))): MISSES.format(
        "a leak in another head: look at all of them."
    ),
    (repaired, detector(change=(2,))): MISSES.format(
        "leaks through keys: only the values were changed. A weight that depends on a "
        "later key is a leak, too."
    ),
    (repaired, detector(change=(1,))): MISSES.format(
        "leaks through values: only the keys were changed."
    ),
    (repaired, detector(look=slice(0, 1), places=(4,))): MISSES.format(
        "a leak to the next neighbour: only position 0 was looked at, and only the "
        "last token was changed."
    ),
    (repaired, detector(tolerance=30.0)): "",
    (wrong(put=-20), looks_ahead): NOT_SMALL_ENOUGH,
    (lambda q, k, v: repaired(q, k, v - v.mean(-2, True)), looks_ahead): "The repair "
    "still takes the values' mean over the whole text, later tokens included.",
    (wrong(hide=lambda s: future(s, 2)), looks_ahead): "",
}


# Right in other styles


def keys_still_centred(queries, keys, values):
    """The same number for all keys of a query changes no share."""
    return repaired(queries, keys - keys.mean(dim=-2, keepdim=True), values)


def by_reversal(attention):
    generator = torch.Generator().manual_seed(1)
    for size in (1.0, 2000.0):
        inputs = [torch.randn(1, 4, 5, 8, generator=generator) for _ in range(3)]
        inputs[0] *= size
        for last in range(1, 5):
            sign = torch.ones(5, 1)
            sign[last:] = -3
            gap = attention(*inputs) - attention(*(sign * x for x in inputs))
            if not (gap[..., :last, :].abs() < 1e-3).all():
                return True
    return False


EXERCISE = Exercise(
    name="looks_ahead",
    title="Who looks ahead?",
    kind="find the fault",
    skill="find a leak",
    difficulty=3,
    importance=5,
    minutes=25,
    chapter="03, after section 5",
    task=TASK,
    given=given,
    solution=(repaired, looks_ahead),
    definition=(causal.definition, definition),
    cases=cases,
    points={"the repair is causal attention": 1, DETECTOR: 2},
    proven="The repaired function is causal attention, and your detector is right on "
    "six sick\nfunctions and four healthy ones.",
    mistakes=MISTAKES,
    right=((causal.attention, by_reversal), (keys_still_centred, looks_ahead)),
    hints=HINTS,
    after=AFTER,
)
