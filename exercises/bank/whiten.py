"""Whitening: mean 0 and variance 1, over the real tokens alone."""

import torch
from torch.nn import functional as F

from exercises import Exercise
from llmlab import ppo
from llmlab.checks import Case

TASK = r"""
A reward model may give scores around 10 or around 0, spread by 5 or by 0.1. The size of
a policy's step should not depend on that. So the advantages of a whole rollout are
**whitened** before they are learned from: shifted to mean 0 and divided by their
standard deviation, which makes their variance 1.

The rows of a rollout are of different lengths, and padding fills them up. It is not a
part of the rollout:

| | real | real | real | pad | pad | pad |
|---|---|---|---|---|---|---|
| advantage | 4 | 5 | 6 | 0 | 0 | 0 |
| whitened | −1.22 | 0 | 1.22 | 0 | 0 | 0 |
| over all six places | 0.58 | 0.97 | 1.36 | −0.97 | −0.97 | −0.97 |

Look at the last line: all three real tokens are praised, the worst of them as well.

The variance is here the mean squared distance from the mean, divided by the number of
tokens. Where all real tokens are equal, nobody was better than another: then all become
0, without an error.

**Before you start, predict:** the advantages of a batch are whitened, then somebody
adds twice as much padding to it. Which numbers change?
"""


def whiten(values, mask):
    """Mean 0 and variance 1 over all real tokens of the batch.

    values:  (batch, time)
    mask:    (batch, time) bool, True at real tokens, of which there is at least one;
             elsewhere any finite numbers may stand
    returns: (batch, time), 0 where the mask is False
    """
    real = values[mask]
    centred = real - real.mean()
    deviation = centred.square().mean().sqrt()
    whitened = torch.zeros_like(values)
    whitened[mask] = centred / (deviation + 1e-8)
    return whitened


HINTS = (
    """Which numbers of the batch does the mean of the real tokens need, and by how many
of them is their sum divided? The same two questions have to be asked of the variance.
""",
    """1. mean: the sum over real tokens, divided by how many there are
2. subtract it, and only then square: large numbers squared lose the digits that count
3. variance: the mean of those squares, over real tokens again
4. divide by its root, plus something tiny, so that zero by zero is zero
5. put 0 where the mask is False: the shifted padding is not zero any more""",
    """Ziegler et al., *Fine-Tuning Language Models from Human Preferences* (2019):
its published code does it. `llmlab/ppo.py` uses it.""",
)

AFTER = """
**What you predicted.** None, or it is wrong.

**What padding would do.** Eight answers with advantages around 3 are padded more and
more. A step should be up for four of them and down for the others. *How many are
praised when the padding is counted, and how far are they apart?*
"""


def use(whiten):
    dice = torch.Generator().manual_seed(0)
    told = 3 + torch.randn(8, 5, generator=dice)
    print("places   yours: praised, deviation   padding counted: praised, deviation")
    for places in (5, 10, 20, 80):
        room = (0, places - 5)
        mask = F.pad(torch.ones(8, 5, dtype=torch.bool), room)
        advantages = F.pad(told, room)
        counted = (advantages - advantages.mean()) / advantages.std()
        shown = []
        for each in (whiten(advantages, mask)[mask], counted[mask]):
            shown.append(f"{int((each > 0).sum())} of 40, {each.std(correction=0):.2f}")
        print(f"{places:6}   {shown[0]:26} {shown[1]}")


def definition(values, mask):
    places = mask.nonzero().tolist()
    real = [values[row, t].item() for row, t in places]
    mean = sum(real) / len(real)
    variance = sum((x - mean) ** 2 for x in real) / len(real)
    result = torch.zeros_like(values)
    for (row, t), x in zip(places, real, strict=True):
        result[row, t] = (x - mean) / variance**0.5 if variance else 0.0
    return result


WHITE = "mean 0 and variance 1 over the real tokens"
PADS = "padding changes nothing, and remains 0"
EQUAL = "equal numbers become 0"


def cases(seed):
    dice = torch.Generator().manual_seed(seed)
    row = torch.tensor([[4.0, 5.0, 6.0]])
    yield Case((row, row > 0), WHITE)
    real = torch.ones(2, 4, dtype=torch.bool)
    table = torch.randn(2, 4, generator=dice)
    yield Case((3 * table + torch.tensor([[2.0], [-5.0]]), real), WHITE)
    words = "numbers around 1000 that differ by about one"
    yield Case((1000 + table, real), WHITE, words)
    yield Case((F.pad(row, (0, 3)), F.pad(row > 0, (0, 3))), PADS)
    mask = torch.tensor([[1, 1, 1, 1, 1, 0, 0], [0, 1, 1, 1, 0, 0, 0]]).bool()
    numbers = 2 + 3 * torch.randn(2, 7, generator=dice)
    numbers[1, 2] = 0  # a real token with the value of padding
    words = "a prompt and padding of zeros, and a real token that is 0,"
    yield Case((numbers * mask, mask), PADS, words)
    yield Case((numbers, mask), PADS, "padding with other numbers in it")
    words = "the same with more padding"
    wider = F.pad(numbers, (0, 5), value=9.0), F.pad(mask, (0, 5))
    yield Case(wider, PADS, words)
    same = torch.full((2, 3), 2.0)
    yield Case((same, same > 0), EQUAL)
    one = F.pad(same[:1, :1], (0, 2))
    yield Case((one, one > 0), EQUAL, "a single real token")


# What people get wrong


def mean_of(values, mask):
    return (values * mask).sum() / mask.sum()


def variance_of(centred, mask):
    return mean_of(centred.square(), mask)


def divided(centred, variance):
    return centred / (variance.sqrt() + 1e-8)


def wrong(
    mean=mean_of,
    variance=variance_of,
    scale=divided,
    finish=lambda x, mask: x * mask,
    mask_of=lambda values, mask: mask,
):
    """The function with one part exchanged."""

    def answer(values, mask):
        used = mask_of(values, mask)
        centred = values - mean(values, used)
        return finish(scale(centred, variance(centred, used)), mask)

    return answer


def each_row(values, mask):
    rows = zip(values, mask, strict=True)
    return torch.stack([whiten(x[None], m[None].bool())[0] for x, m in rows])


def only_scaled(values, mask):
    return divided(values, variance_of(values - mean_of(values, mask), mask)) * mask


def keeps_the_mean(values, mask):
    return (whiten(values, mask) + mean_of(values, mask)) * mask


def by_moments(values, mask):
    mean = mean_of(values, mask)
    variance = (mean_of(values.square(), mask) - mean.square()).clamp(min=0)
    return divided(values - mean, variance) * mask


def unbiased(centred, mask):
    return (centred.square() * mask).sum() / (mask.sum() - 1)


def padded(values, mask):
    """All places, padding as it stands."""
    centred = values - values.mean()
    return divided(centred, centred.square().mean()) * mask


def in_place(values, mask):
    values -= mean_of(values, mask)
    return whiten(values, mask)


NO_NUMBER = (
    "Zero was divided by zero. Where all real tokens are equal the deviation is 0: add "
    "something tiny to it, and the result is 0."
)
MISTAKES = {
    wrong(mean=lambda x, mask: 0): "The mean was not subtracted. Without that, tokens "
    "that are worse than the others are praised as long as their number is positive.",
    only_scaled: "The mean was not subtracted. Scaling alone keeps an advantage "
    "positive that is worse than the others.",
    keeps_the_mean: "The mean was added again. That is how rewards are whitened, where "
    "the mean counts; advantages get mean 0.",
    wrong(scale=lambda x, variance: x): "The mean is 0, and the spread is as it was: "
    "divide by the standard deviation.",
    wrong(scale=lambda x, variance: x / (variance + 1e-8)): "You divided by the "
    "variance. Its square root is the standard deviation, which has the unit of the "
    "numbers.",
    wrong(scale=lambda x, variance: x * variance.sqrt()): "You multiplied by the "
    "standard deviation: what is spread widely becomes wider. Divide.",
    wrong(scale=lambda x, variance: x / (variance.sqrt() + 0.1)): "What is added to "
    "the deviation is too large: it should only keep zero from being divided by zero.",
    wrong(variance=lambda x, mask: mean_of(x.abs(), mask).square()): "You divided by "
    "the mean distance. The variance is the mean of the squared distances.",
    wrong(variance=unbiased): "You divided the squares by one less than the number of "
    "tokens, which has no answer for a single one. Divide by their number.",
    by_moments: "With numbers around 1000 the digits get lost: the mean of the squares "
    "less the square of the mean is a small difference of large numbers. Subtract the "
    "mean first, then square.",
    wrong(scale=lambda x, variance: x / variance.sqrt()): NO_NUMBER,
    wrong(scale=lambda x, variance: x * variance.rsqrt()): NO_NUMBER,
    wrong(finish=lambda x, mask: x): "Padding was shifted as well and is not 0 any "
    "more: whoever sums up a row later finds reward there that nobody gave.",
    wrong(mask_of=lambda values, mask: torch.ones_like(mask)): "Mean and variance were "
    "taken over all places, padding included. Padding pulls the mean towards itself, "
    "so that bad tokens are praised.",
    wrong(mean=lambda x, mask: (x * mask).mean()): "The mean was divided by all "
    "places; divide by the number of real tokens.",
    wrong(variance=lambda x, mask: (x * mask).square().mean()): "The squares were "
    "divided by all places; divide by the number of real tokens.",
    wrong(variance=lambda x, mask: x.square().mean()): "The mean is that of the real "
    "tokens, the variance that of all places: padding, shifted, counts in it.",
    wrong(mask_of=lambda values, mask: values != 0): "You went by what is not 0. A "
    "real token can be 0, and padding can be anything: go by the mask.",
    each_row: "Each row was whitened for itself. Then the best token of a bad answer "
    "looks like that of a good one: take mean and variance over the batch.",
    lambda values, mask: whiten(values, mask)[mask]: "has shape",
    lambda values, mask: whiten(values, mask).clamp(-1, 1): "",
    in_place: "",
}


# Right in other styles


def with_the_root_inside(values, mask):
    mean = mean_of(values, mask)
    variance = variance_of(values - mean, mask)
    return ((values - mean) * (variance + 1e-8).rsqrt()).where(mask, 0)


def by_selection(values, mask):
    real = values.masked_select(mask)
    deviation = real.std(correction=0).clamp(min=1e-8)
    return torch.where(mask, (values - real.mean()) / deviation, 0.0)


EXERCISE = Exercise(
    name="whiten",
    title="Padding is no answer: whitening",
    kind="implement",
    skill="normalise under a mask",
    difficulty=2,
    importance=4,
    minutes=15,
    chapter="12, before section 5, whose library whitens",
    task=TASK,
    solution=whiten,
    definition=definition,
    cases=cases,
    points={WHITE: 1, PADS: 2, EQUAL: 1},
    proven="The real tokens have mean 0 and variance 1; padding neither changes them "
    "nor is\nchanged, and equal numbers become 0.",
    mistakes=MISTAKES,
    right=(with_the_root_inside, by_selection, ppo.whiten),
    hints=HINTS,
    after=AFTER,
    use=use,
    library=("llmlab.ppo.whiten",),
)
