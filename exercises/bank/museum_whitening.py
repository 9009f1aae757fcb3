"""Find the fault, a museum: whitening across padding."""

import torch
from torch.nn import functional as F

from exercises import Exercise
from exercises.bank import whiten as exercise
from exercises.bank._museum import SCORES, WORLD, curves, detector_cases
from exercises.bank.whiten import whiten, wrong
from llmlab.checks import Case

TASK = r"""
Fifth room of the museum of faults. Before a policy learns from the advantages of a
rollout they are whitened: mean 0, variance 1. Rows are of different lengths and filled
up with padding, as wide as the longest answer demands.

The exhibit has one mask less than it needs, and a policy learns with it all the same.
The cell below trains three of them in the world of 31 texts, from 32 drawn texts an
update, all scores raised by 10, as a reward model might. Twice the exhibit is used:
once the rows are as wide as the world, once somebody in the batch has written 40 tokens
more.

**Repair** it. And write a **detector**: it gets any function of this kind and says
whether **padding ever matters**: whether other numbers at padding, or more of it,
change anything at real tokens, or whether padding does not come out as 0. It meets six
sick functions and four healthy ones, which can be odd in other ways: one divides by
another deviation, one whitens each row for itself, one only scales.

**Run the cell, look at its curves, and predict:** which number that the learner set has
changed between both sick runs, and which one that *nobody* set?
"""


def given():
    from exercises.bank.museum_whitening import show

    def sick(values, mask):
        values = values * mask
        centred = values - values.mean()
        return centred / (centred.square().mean().sqrt() + 1e-8) * mask

    print(show("sick", sick))


def whitened(values, mask):
    """What `sick` should have been: mean 0 and variance 1 over all real tokens.

    values:  (batch, time)
    mask:    (batch, time) bool, True at real tokens, of which there are several;
             elsewhere any finite numbers may stand
    returns: (batch, time), 0 where the mask is False. The variance is the mean of the
             squared distances from the mean
    """
    count = mask.sum()
    centred = values - (values * mask).sum() / count
    variance = (centred.square() * mask).sum() / count
    return centred * (variance + 1e-8).rsqrt() * mask


def padding_matters(f):
    """Whether padding ever changes a real token, or is not 0 afterwards.

    f:       a function of values and mask, as above
    returns: True or False
    """
    generator = torch.Generator().manual_seed(0)
    mask = torch.tensor([[1, 1, 1, 0, 0], [0, 1, 1, 1, 1], [1, 0, 0, 0, 0]]).bool()
    values = 3 + torch.randn(3, 5, generator=generator)
    values[0, 1] = 0
    before = f(values * mask, mask)
    if before[~mask].any():
        return True
    for number, room in ((0.0, 3), (7.0, 0), (-2.0, 6)):
        filled = F.pad(values.masked_fill(~mask, number), (0, room), value=number)
        after = f(filled, F.pad(mask, (0, room)))
        if after[:, 5:].any() or not torch.allclose(after[:, :5], before, atol=1e-4):
            return True
    return False


HINTS = (
    """By how many numbers is the sum of the exhibit divided, and how many should it
be? For the detector: you can fill up the same rows in many ways. What has to stay?""",
    """1. repair: the sum over real tokens, divided by how many there are; the same for
   the squares; zeros at padding in the end
2. detector: a batch with rows of different lengths, one that begins late, one real
   token that is 0
3. whiten it, and once more with other numbers at padding, and with more columns
4. real tokens must come out as before, and padding as 0, each time""",
    """`whiten` in `llmlab/ppo.py`. In TRL 0.11.4 whitened rewards were not masked
again: padding held a constant, which flowed back into the answers from there.""",
)

AFTER = """
**What you predicted.** The learner set nothing differently. One long answer made the
rows wider, and the size of every step changed, which nobody had set: the more zeros
there are, the smaller is the deviation of all places, by which is divided.

And in both sick runs the zeros pull the mean below nearly all real advantages. Nearly
every token of every answer is praised, the bad ones as well, and luck decides more.

**Your repair, in the same world**, where both runs should be one:
"""


def use(whitened, padding_matters):
    from exercises.bank.museum_whitening import show

    print(show("repaired", whitened))


def show(name, function):
    runs = {f"{name}, tight": (function, 0), f"{name}, wide": (function, 40)}
    runs["as it should be"] = (whitened, 40)
    return curves({name: sampled(*run) for name, run in runs.items()}, rate=0.4)


def sampled(function, room, count=32):
    """The direction that a few drawn texts estimate, in rows with so much room."""
    dice = torch.Generator().manual_seed(0)

    def ascent(logits):
        share = WORLD.probabilities(logits)
        drawn = torch.multinomial(share, count, replacement=True, generator=dice)
        mask = F.pad(WORLD.mask[drawn], (0, room))
        weights = function((SCORES[drawn, None] + 10) * mask, mask)[:, : WORLD.time]
        gradients = WORLD.token_gradients(logits)[drawn]
        return torch.einsum("nt,ntsv->sv", weights.double(), gradients) / count

    return ascent


# Functions, sick and healthy


def unmasked(values, mask):
    return values * 0 + 1 > 0


over_all = wrong(mask_of=unmasked)
centred_over_all = wrong(mean=lambda x, mask: (x * mask).mean())
scaled_over_all = wrong(variance=lambda x, mask: (x * mask).square().mean())
shifted_padding = wrong(finish=lambda x, mask: x)
by_number = wrong(mask_of=lambda values, mask: values != 0)
squared_padding = wrong(variance=lambda x, mask: x.square().mean())
SICK = over_all, centred_over_all, scaled_over_all, shifted_padding
SICK += by_number, squared_padding
HEALTHY = whitened, wrong(variance=exercise.unbiased), exercise.each_row
HEALTHY += (exercise.only_scaled,)
EVERY = exercise.PADS
DETECTOR = "the detector is right on six sick and four healthy functions"


def cases(seed):
    for case in exercise.cases(seed):
        if case.proves != exercise.EQUAL:
            name = "" if case.proves == exercise.WHITE else EVERY
            yield Case(case.inputs, name, case.words)
    yield from detector_cases(seed, DETECTOR, SICK, HEALTHY)


# What people get wrong


def fills(numbers=(0.0, 7.0), room=3, zeros=True, real=0.0):
    """The detector, with less to see; `real` is a number at a real token."""

    def answer(f):
        mask = torch.tensor([[1, 1, 1, 0], [0, 1, 1, 0], [1, 1, 1, 1]]).bool()
        values = torch.tensor([[1.0, 4, 2, 0], [0, 5, 3.5, 0], [2.5, 1, 6, real]])
        before, is_sick = f(values * mask, mask), False
        for number in numbers:
            filled = F.pad(values.masked_fill(~mask, number), (0, room), value=number)
            after = f(filled, F.pad(mask, (0, room)))
            gap = (after[:, :4] - before)[mask].abs().max()
            is_sick |= bool(gap > 1e-4 or zeros and after[:, 4:].any())
        return is_sick or zeros and bool(before[~mask].any())

    return answer


def mean_and_variance(f):
    mask = torch.tensor([[1, 1, 1, 0], [0, 1, 1, 0]]).bool()
    real = f(torch.tensor([[1.0, 4, 2, 0], [0, 5, 3.5, 0]]), mask)[mask]
    return bool(real.mean().abs() > 1e-4 or (real.square().mean() - 1).abs() > 1e-4)


def repair(f):
    return f, padding_matters


def detector(f):
    return whitened, f


MISTAKES = {
    repair(over_all): "The repair still takes mean and variance over all places, "
    "padding included.",
    repair(centred_over_all): "The repair divides the sum by all places. Divide by the "
    "number of real tokens.",
    repair(scaled_over_all): "The repair divides the squares by all places. Divide by "
    "the number of real tokens.",
    repair(squared_padding): "The variance is that of all places: padding, shifted by "
    "the mean, counts in it.",
    repair(shifted_padding): "Padding is not 0 any more: shifted with the others, it "
    "would flow back into the answers.",
    repair(by_number): "The repair goes by what is not 0. A real token can be 0, and "
    "padding can be anything: go by the mask.",
    repair(exercise.each_row): "The repair whitens each row for itself. It is one "
    "batch, in which answers are compared.",
    repair(exercise.only_scaled): "The repair does not subtract the mean.",
    repair(exercise.by_moments): "Large numbers, squared, lose the digits that count. "
    "Subtract the mean first.",
    detector(lambda f: True): "Your detector says the same of all functions. Fill up "
    "the same rows in two ways, and compare.",
    detector(fills(numbers=(7.0,), room=0, zeros=False, real=1.0)): "Your detector "
    "leaves the rows as wide as they are, with other numbers at padding. Functions "
    "that multiply by the mask first do not see those: add columns.",
    detector(fills(zeros=False)): "Your detector looks at real tokens only. Padding "
    "has to come out as 0.",
    detector(fills(numbers=(0.0,), real=1.0)): "Your detector fills up with zeros "
    "only, and no real token is 0: it misses functions that go by the number.",
    detector(mean_and_variance): "Your detector asks for mean 0 and variance 1. A "
    "healthy function may divide by another deviation, and does not depend on padding.",
}


# Right in other styles


def by_choice(values, mask):
    real = values[mask]
    result = torch.zeros_like(values)
    result[mask] = (real - real.mean()) / real.std(correction=0)
    return result


EXERCISE = Exercise(
    name="museum_whitening",
    title="Museum of faults, room 5: everybody is praised",
    kind="find the fault",
    skill="test under a mask",
    difficulty=3,
    importance=4,
    minutes=20,
    chapter="12, after section 3",
    task=TASK,
    given=given,
    solution=(whitened, padding_matters),
    definition=(exercise.definition, lambda f: f in SICK),
    cases=cases,
    points={"mean 0 and variance 1": 1, EVERY: 1, DETECTOR: 2},
    proven="Padding changes nothing, and your detector is right on six sick functions "
    "and\nfour healthy ones.",
    mistakes=MISTAKES,
    right=((by_choice, fills()), (whiten, padding_matters)),
    hints=HINTS,
    after=AFTER,
    use=use,
    library=("llmlab.ppo.whiten",),
)
