"""Find the fault, a museum: padding is the end token."""

import random

import torch

from exercises import Exercise
from exercises.bank._museum import SCORES, WORLD, ascent_of, curves, detector_cases
from llmlab.checks import Case

TASK = r"""
Sixth and last room of the museum of faults. Many tokenizers have no token for padding,
so answers are filled up with their end token. Which tokens did the policy write?

| | boat | came | `<eos>` | `<eos>` | `<eos>` |
|---|---|---|---|---|---|
| written by the policy | True | True | **True** | False | False |

An answer that was cut off has no `<eos>`, and all of it was written. An empty answer is
its `<eos>` alone.

The cell below lets a policy imitate the better half of its own texts, those whose score
is above its mean, once with the mask of the exhibit and once as it should be. It is the
world of 31 texts: short texts are the best there, and one that is cut off costs a
point.

**Repair** the exhibit. And write a **detector**: it gets any function of this kind and
says whether **a token that the policy wrote is ever left out, or one that it did not
write is ever counted**. The functions return how much each place counts, True and False
or a number; what is not zero is counted. They meet six sick functions and four healthy
ones: one counts each answer's tokens by their share of it, one counts ends twice.

**Run the cell, look at its curves, and predict:** every text that is imitated is better
than the mean. How can the mean fall?
"""


def given():
    from exercises.bank.museum_pad_is_end import show

    def sick(tokens, end):
        padding = end
        return tokens != padding

    print(show("sick", sick))


def written(tokens, end):
    """Which tokens the policy wrote; what `sick` should have been.

    tokens:  (batch, time) int64, answers filled up with the end token; one that was
             cut off has none
    end:     the id of the end token
    returns: (batch, time) bool, True up to the first end token and at it
    """
    is_end = tokens == end
    ends_before = is_end.cumsum(dim=1) - is_end.long()
    return ends_before == 0


def miscounts(f):
    """Whether a written token is ever left out, or another one counted.

    f:       a function of tokens and end, as above
    returns: True or False
    """
    for end in (9, 0):
        answers = [[1, 2, end], [end], [3, 4, 5, 6, 7, end], [1, 2, 3, 4, 5, 6, 7], []]
        answers[-1] = [5, 6, 7, 8, 1, 2, end]
        tokens = torch.tensor([x + [end] * (7 - len(x)) for x in answers])
        counted = f(tokens, end) != 0
        for row, answer in zip(counted, answers, strict=True):
            if not row[: len(answer)].all() or row[len(answer) :].any():
                return True
    return False


HINTS = (
    """Every other token is made more probable, and the end is never asked about: what
becomes of its probability? For the detector: you write the answers, so
you know how long each one is.""",
    """1. repair: of several end tokens in a row only the first was written
2. count, at each place, the end tokens *before* it: where there are none, the policy
   still wrote
3. detector: an answer with an end, an empty one, one that just fits, one that was cut
   off; filled up to one width
4. as many places as the answer is long must count, and none behind them""",
    """`generate` in `llmlab/sampling.py` tells how long each answer is; the course's
tokenizer has a padding token of its own. Huang et al., *The N+ Implementation Details
of RLHF with PPO* (2024), on padding that is the end token.""",
)

AFTER = """
**What you predicted.** From the better half it learns all tokens but the ends. Each
letter that becomes more probable takes its share from the end, so the texts grow until
they are cut off. The best text of this world, which ends at once, teaches nothing.

A policy gradient with a baseline hides the fault: it makes the letters of bad texts
rarer, and the end has their share. Tuning has nothing that would.

**Your repair, in the same world:**
"""


def use(written, miscounts):
    from exercises.bank.museum_pad_is_end import show

    print(show("repaired", written))


def show(name, function):
    def imitate(mask_of):
        mask = mask_of(WORLD.tokens, WORLD.end).double()

        def better_half(logits):
            mean = WORLD.expected_reward(logits, SCORES)
            return mask * (SCORES > mean)[:, None]

        return ascent_of(better_half)

    functions = {name: function, "as it should be": written}
    return curves({n: imitate(f) for n, f in functions.items()}, rate=1.0)


# Functions, sick and healthy


def until(length):
    """The function that counts so many places of each row."""

    def f(tokens, end):
        places = torch.arange(tokens.shape[1])
        counts = [length(row, end) for row in tokens.tolist()]
        return places < torch.tensor(counts)[:, None]

    return f


def right_length(row, end):
    return row.index(end) + 1 if end in row else len(row)


def not_the_end(tokens, end):
    return tokens != end


def everything(tokens, end):
    return torch.ones_like(tokens, dtype=torch.bool)


def first_by_argmax(tokens, end):
    """The place of the largest: of a row without an end that is its first one."""
    first = (tokens == end).int().argmax(dim=1)
    return torch.arange(tokens.shape[1]) <= first[:, None]


def by_share(tokens, end):
    counted = written(tokens, end).float()
    return counted / counted.sum(dim=1, keepdim=True)


def ends_twice(tokens, end):
    return written(tokens, end) * (1.0 + (tokens == end))


one_more = until(lambda row, end: right_length(row, end) + 1)
never_full = until(lambda row, end: min(right_length(row, end), len(row) - 1))
not_empty = until(lambda row, end: right_length(row, end) * (row[0] != end))
SICK = not_the_end, everything, first_by_argmax, one_more, never_full, not_empty
HEALTHY = written, by_share, ends_twice, until(right_length)
EVERY = "in every answer: empty, full, and cut off"
DETECTOR = "the detector is right on six sick and four healthy functions"


def definition(tokens, end):
    mask = torch.zeros_like(tokens, dtype=torch.bool)
    for row, answer in enumerate(tokens.tolist()):
        for place, token in enumerate(answer):
            mask[row, place] = True
            if token == end:
                break
    return mask


def cases(seed):
    chance = random.Random(seed)
    yield Case((torch.tensor([[5, 6, 9, 9, 9]]), 9))
    yield Case((torch.tensor([[9, 9, 9]]), 9), EVERY, "an empty answer")
    yield Case((torch.tensor([[5, 6, 9]]), 9), EVERY, "an answer that just fits")
    yield Case((torch.tensor([[5, 6, 7]]), 9), EVERY, "an answer that was cut off")
    rows = []
    for length in chance.sample(range(8), 5):
        answer = [chance.randrange(1, 9) for _ in range(length)]
        rows.append(answer + [0] * (7 - length))
    words = "five answers, where the end token is 0,"
    yield Case((torch.tensor(rows), 0), EVERY, words)
    yield from detector_cases(seed, DETECTOR, SICK, HEALTHY)


# What people get wrong

ANSWERS = {"plain": [1, 2, 9], "empty": [9], "fits": [1, 2, 3, 4, 9]}
ANSWERS["cut off"] = [1, 2, 3, 4, 5]


def counts(
    leave_out="", is_sick=lambda row, n: bool((~row[:n]).any() or row[n:].any())
):
    """The detector, with one kind of answer less, or with another idea of a fault."""

    def answer(f):
        several = [x for name, x in ANSWERS.items() if name != leave_out]
        tokens = torch.tensor([x + [9] * (5 - len(x)) for x in several])
        rows = zip(f(tokens, 9) != 0, several, strict=True)
        return any(bool(is_sick(row, len(x))) for row, x in rows)

    return answer


def unlike_mine(f):
    tokens = torch.tensor([x + [9] * (5 - len(x)) for x in ANSWERS.values()])
    return not torch.equal(f(tokens, 9).float(), written(tokens, 9).float())


def repair(f):
    return f, miscounts


def detector(f):
    return written, f


BLIND = "Your detector has never seen an answer that {}"
MISTAKES = {
    repair(not_the_end): "The repair still leaves out the end that the policy wrote: "
    "nobody will ever teach it to stop.",
    repair(everything): "The repair counts the padding as well. Only the first end "
    "token was written.",
    repair(first_by_argmax): "The repair looks for the first end and takes the first "
    "place where there is none: of an answer that was cut off all is written.",
    repair(one_more): "The repair counts one end token too many.",
    repair(never_full): "The repair always takes the last column for padding. A full "
    "row has none.",
    repair(not_empty): "The repair counts nothing of an empty answer. Its end was "
    "written, and may be the best thing to write.",
    repair(lambda tokens, end: written(tokens, 9)): "Right with one id of the end "
    "token only: is it written as a number where the argument should stand?",
    repair(lambda tokens, end: ~written(tokens, end)): "The mask is turned over: True "
    "stands for what was written.",
    repair(by_share): "",
    detector(lambda f: True): "Your detector says the same of all functions. Write "
    "answers whose length you know, and count.",
    detector(counts("empty")): BLIND.format("consists of its end alone."),
    detector(counts("cut off")): BLIND.format("was cut off, and has no end."),
    detector(counts(is_sick=lambda row, n: (~row[:n]).any())): "Your detector looks "
    "for tokens that are left out. Padding that is counted is a fault, too.",
    detector(counts(is_sick=lambda row, n: row[n:].any())): "Your detector looks for "
    "padding that is counted. Written tokens that are left out are a fault, too.",
    detector(unlike_mine): "Your detector calls a healthy function sick: places may "
    "count differently, if those count that were written and no others.",
}


# Right in other styles


def by_cumulated_products(tokens, end):
    goes_on = (tokens != end).long().cumprod(dim=1)
    begin = torch.ones_like(goes_on[:, :1])
    return torch.cat([begin, goes_on[:, :-1]], dim=1).bool()


EXERCISE = Exercise(
    name="museum_pad_is_end",
    title="Museum of faults, room 6: worse from the better half",
    kind="find the fault",
    skill="test a mask",
    difficulty=3,
    importance=5,
    minutes=20,
    chapter="11, after section 8",
    task=TASK,
    given=given,
    solution=(written, miscounts),
    definition=(definition, lambda f: f in SICK),
    cases=cases,
    points={"what the policy wrote, its end included": 1, EVERY: 1, DETECTOR: 2},
    proven="What the policy wrote is counted, its end included, and your detector is "
    "right on six\nsick functions and four healthy ones.",
    mistakes=MISTAKES,
    right=((by_cumulated_products, counts()),),
    hints=HINTS,
    after=AFTER,
    use=use,
)
