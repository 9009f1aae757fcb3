"""Find the fault: examples of one row that see each other."""

import random

import torch

from exercises import Exercise
from llmlab.checks import Case

TASK = """
Instructions are short, so several of them are packed into one row. Each token has a
**segment number** that says which example it belongs to; 0 is padding.

| tokens | `<bos>` | Who | Mara | `<bos>` | Where | Here | `<pad>` |
|---|---|---|---|---|---|---|---|
| segment | 1 | 1 | 1 | 2 | 2 | 2 | 0 |
| position | 0 | 1 | 2 | 0 | 1 | 2 | any |
| sees tokens | 0 | 0, 1 | 0 to 2 | 3 | 3, 4 | 3 to 5 | any, but never none |

Packing is right if each example gets **the outputs that it would get alone in a row**.
Where it is wrong, nothing raises an error: answers are learned with somebody else's
question in view. The function `sick` below says who sees whom, and at which position a
token believes that it stands. Its training went on without complaint.

**Repair** it. And write a **detector**: it gets a function that makes outputs of tokens
and segment numbers, and says whether neighbours in a row ever matter to an example. It
meets six sick functions and four healthy ones, some of which are odd in other ways: one
sees what comes later in its own example, and what padding gets is of no interest.

**Before you start, predict:** the tokens of the first example are exchanged for others,
as many of them, and nothing moves in the second. Is the packing right?
"""


def given():
    def sick(segment_ids):
        """Who sees whom, (batch, time, time), and positions, (batch, time)."""
        time = segment_ids.shape[1]
        is_text = segment_ids != 0
        sees = torch.ones(time, time, dtype=torch.bool).tril() & is_text[:, None, :]
        positions = torch.arange(time).expand(segment_ids.shape)
        return sees, positions


def repaired(segment_ids):
    """What `sick` should have been.

    segment_ids: (batch, time) int64, the tokens of an example side by side; 0 is
                 padding, at the end or at the beginning of a row
    returns:     (batch, time, time) bool, True at [b, t, s] where token t of row b
                 sees token s; and (batch, time) int64, the position of each token.
                 Padding sees at least one token, and no example sees padding
    """
    sees = (segment_ids[:, :, None] == segment_ids[:, None, :]).tril()
    return sees, sees.sum(dim=-1) - 1


def neighbours_matter(forward):
    """Whether an example of a row ever gets other outputs than it would get alone.

    forward: a function of tokens and segment_ids, both (batch, time) int64, whose
             result has the shape (batch, time, width); token ids are 0 to 299
    returns: True or False
    """
    generator = torch.Generator().manual_seed(0)
    several = [torch.randint(6, 300, (1, n), generator=generator) for n in (4, 3, 5, 2)]
    padding = torch.zeros(1, 3, dtype=torch.int64)
    numbers = [torch.full_like(each, k) for k, each in enumerate(several, start=1)]
    row = torch.cat([*several, padding], dim=1)
    together = forward(row, torch.cat([*numbers, padding], dim=1))
    start = 0
    for example in several:
        alone = forward(example, torch.ones_like(example))
        end = start + example.shape[1]
        if not torch.allclose(together[:, start:end], alone, atol=1e-4):
            return True
        start = end
    return False


HINTS = (
    """For the repair: two tokens of different examples may never see each other,
whatever else holds. For the detector: the task says what right means. You can ask the
function for both sides of that sentence.""",
    """1. seen is what has the same segment number, and is not later
2. a position is the number of tokens of the same example that came before
3. detector: pack examples of *different lengths* into a row, at least three of them,
   with padding behind
4. give each of them alone, in a row of its own, and compare with its piece of the
   packed row, token by token; leave the padding out""",
    """Notebook 07, on packing. `positions_in_segments` and `GPT._mask` in
`llmlab/gpt.py`, and `tests/test_batching.py`, which asks the same of the library.""",
)

AFTER = """
**What you predicted.** Not yet: if positions go on counting over the border, an example
depends on how *long* its neighbours are, and not on what they say. Nor does a second
example tell whether a third one sees the first.
"""

# A small model, healthy or sick, as who sees whom, where, and more

_dice = torch.Generator().manual_seed(7)
WIDTH = 8
WORDS = torch.randn(300, WIDTH, generator=_dice)
PLACES = torch.randn(64, WIDTH, generator=_dice)
MIX = torch.randn(3, WIDTH, WIDTH, generator=_dice) / WIDTH**0.5


def model(sees=lambda s: repaired(s)[0], place=lambda s: repaired(s)[1], carry=None):
    """A layer of attention. `carry` is a share of the vector of the token before."""

    def forward(tokens, segment_ids):
        x = WORDS[tokens]
        if place is not None:
            x = x + PLACES[place(segment_ids)]
        if carry is not None:
            x = x + carry * torch.cat([torch.zeros_like(x[:, :1]), x[:, :-1]], dim=1)
        queries, keys, values = (x @ each for each in MIX)
        scores = queries @ keys.transpose(-1, -2) / WIDTH**0.5
        hidden = ~sees(segment_ids)
        return x + scores.masked_fill(hidden, float("-inf")).softmax(-1) @ values

    return forward


def same(s):
    return s[:, :, None] == s[:, None, :]


def past(s):
    return (
        torch.ones(s.shape[1], s.shape[1], dtype=torch.bool).tril().expand_as(same(s))
    )


def counted(s):
    return torch.arange(s.shape[1]).expand(s.shape)


def from_row_start(s):
    """All may look at the row's first token, so that nobody sees nothing."""
    sees = same(s) & past(s)
    sees[:, :, 0] = True
    return sees


def odd_or_even(s):
    return same(s % 2) & past(s) & (s != 0)[:, None, :] | same(s) & past(s)


def hidden_too_late(tokens, segment_ids):
    """Shares of all that came before, of which the neighbours' are thrown away."""
    x = WORDS[tokens] + PLACES[repaired(segment_ids)[1]]
    queries, keys, values = (x @ each for each in MIX)
    scores = (queries @ keys.transpose(-1, -2)).masked_fill(~past(segment_ids), -1e9)
    return x + (scores.softmax(-1) * same(segment_ids)) @ values


SICK = (
    model(sees=past),
    model(place=counted),
    model(carry=0.3),
    model(sees=odd_or_even),
    model(sees=from_row_start),
    hidden_too_late,
)
HEALTHY = (
    model(),
    model(sees=same),
    model(place=None),
    model(sees=lambda s: same(s) & past(s) | (s == 0)[:, :, None]),
)
DETECTOR = "the detector is right on six sick and four healthy functions"


def repaired_slowly(segment_ids):
    batch, time = segment_ids.shape
    sees = torch.zeros(batch, time, time, dtype=torch.bool)
    positions = torch.zeros(batch, time, dtype=torch.int64)
    for b, row in enumerate(segment_ids.tolist()):
        for t, number in enumerate(row):
            first = row.index(number)
            sees[b, t, first : t + 1] = True
            positions[b, t] = t - first
    return sees, positions


def definition(forward):
    return forward in SICK


def compared(inputs, result):
    """Padding may see what it likes, if it sees anything, from any position."""
    if not isinstance(inputs[0], torch.Tensor):
        return result
    sees, positions = result
    is_padding = inputs[0] == 0
    something = sees.any(dim=-1, keepdim=True).expand_as(sees)
    return (
        sees.where(~is_padding[:, :, None], something),
        positions.masked_fill(is_padding, 0),
    )


def cases(seed):
    chance = random.Random(seed)

    def row(*lengths, first=1):
        numbers = range(first, first + len(lengths))
        return [n for n, k in zip(numbers, lengths, strict=True) for _ in range(k)]

    yield Case((torch.tensor([row(2, 3)]),))
    yield Case((torch.tensor([[*row(2, 1), 0, 0]]),))
    yield Case((torch.tensor([[0, 0, *row(3)]]),), words="padding before an example,")
    lengths = chance.sample(range(1, 5), 3)
    free = [0] * (10 - sum(lengths))
    rows = [
        [*row(*lengths, first=chance.randrange(1, 9)), *free],
        row(5, 1, 4),
        row(10),
    ]
    yield Case((torch.tensor(rows),), words="three rows with other borders each,")
    functions = [*SICK, *HEALTHY]
    random.Random(seed).shuffle(functions)
    for function in functions:
        kind = "sick" if function in SICK else "healthy"
        yield Case((function,), DETECTOR, f"one of the {kind} functions", of=1)


# What people get wrong


def detector(lengths, pieces):
    """The detector, with other examples; only some pieces are compared."""

    def answer(forward):
        dice = torch.Generator().manual_seed(1)
        parts = [torch.randint(6, 300, (1, n), generator=dice) for n in (*lengths, 2)]
        numbers = [torch.full_like(part, k + 1) for k, part in enumerate(parts)]
        numbers[-1] *= 0  # the last piece is padding
        together = forward(torch.cat(parts, 1), torch.cat(numbers, 1))
        found = together.split([*lengths, 2], dim=1)
        alone = map(forward, parts, (number.clamp(max=1) for number in numbers))
        gaps = [(a - b).abs().max() for a, b in zip(found, alone, strict=True)]
        return bool(max(gaps[pieces]) > 1e-4)

    return answer


def others_exchanged(forward):
    """Other tokens for the first example, as many as before: what moves in the rest?"""
    dice = torch.Generator().manual_seed(2)
    numbers = torch.tensor([[1] * 4 + [2] * 3 + [3] * 5])
    row, other = torch.randint(6, 300, (2, 1, 12), generator=dice)
    other[:, 4:] = row[:, 4:]
    gap = forward(row, numbers) - forward(other, numbers)
    return bool(gap[:, 4:].abs().max() > 1e-4)


def unlike(sees=lambda s: same(s) & past(s), place=lambda s: repaired(s)[1]):
    return (lambda s: (sees(s), place(s).clone())), neighbours_matter


def watched_by(detect):
    return repaired, detect


MISSES = "Your detector misses {}"
MISTAKES = {
    unlike(place=counted): "Positions go on counting over the border: the second "
    "example believes that it stands in the middle of a text. Begin again at 0 for "
    "each.",
    unlike(place=lambda s: repaired(s)[1] + 1): "Positions begin at 1; the first token "
    "of an example stands at 0.",
    unlike(sees=past): "A token still sees the examples before its own: it may see "
    "what has its segment number, and nothing else.",
    unlike(sees=same): "A token sees its whole example, what comes later included. "
    "Apart from its neighbours it still has to be causal.",
    unlike(sees=lambda s: past(s) & same(s) & (s != 0)[:, :, None]): "Padding sees "
    "nothing at all. The softmax over nothing is no number, and spreads from there.",
    watched_by(lambda forward: True): "Your detector says the same of all functions. "
    "Ask each for outputs twice: of an example in a row, and of the same example "
    "alone.",
    watched_by(detector((4, 3, 5), slice(1))): "Your detector looks at a row's first "
    "example only. Nothing comes before that one: look at those behind it.",
    watched_by(detector((4, 3), slice(2))): MISSES.format(
        "a function whose third example sees the first: pack more than two."
    ),
    watched_by(others_exchanged): MISSES.format(
        "positions that go on counting: they depend on how long the neighbours are. "
        "Compare with the example alone."
    ),
    watched_by(detector((4, 3, 5), slice(4))): "Your detector calls a healthy function "
    "sick, for what padding gets. Nobody reads that: compare the examples.",
    watched_by(lambda forward: None): "",
}


# Right in other styles


def by_starts(segment_ids):
    time = torch.arange(segment_ids.shape[1])
    starts = torch.ones_like(segment_ids)
    starts[:, 1:] = segment_ids.diff(dim=1) != 0
    begun = (time * starts).cummax(dim=1).values
    return (begun[:, :, None] <= time) & (time <= time[:, None]), time - begun


EXERCISE = Exercise(
    name="neighbours",
    title="Neighbours in a row",
    kind="find the fault",
    skill="pack examples",
    difficulty=3,
    importance=4,
    minutes=25,
    chapter="07, after packing",
    task=TASK,
    given=given,
    solution=(repaired, neighbours_matter),
    definition=(repaired_slowly, definition),
    cases=cases,
    points={"examples of a row do not see each other": 1, DETECTOR: 2},
    compared=compared,
    proven="In a packed row each example sees its own past and nothing else, and your "
    "detector\nis right on six sick functions and four healthy ones.",
    mistakes=MISTAKES,
    right=((by_starts, detector((2, 5, 1, 3), slice(4))),),
    hints=HINTS,
    after=AFTER,
)
