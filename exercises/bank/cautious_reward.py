"""The lower bound of an ensemble: pay for what the heads are sure of."""

import torch

from exercises import Exercise
from llmlab.checks import Case

TASK = """
Several heads were fitted to the same labels, each time drawn anew. Where the labels
decide, the heads agree. Where they do not, each head has an opinion of its own, and a
policy that is paid by one of them will find the texts that it overrates. So pay what
they say on average, **less a price for their disagreement**.

Two steps. A head's zero and unit are accidents of its fit, so first bring each to mean
0 and standard deviation 1 **on texts of the reference policy**, which nobody optimised.
Then take mean - caution · deviation over the heads. Both deviations have n - 1 in
their divisor, as `torch.std` has it.

| | on three reference texts | their mean, deviation | a new text | in its unit |
|---|---|---|---|---|
| head A | 1, 2, 3 | 2, 1 | 4 | 2 |
| head B | 10, 30, 50 | 30, 20 | 10 | -1 |

The two say 2 and -1: 0.5 on average, with a deviation of 3/√2 = 2.12. With caution 1
the text is paid 0.5 - 2.12 = -1.62, though one head is delighted.

**Before you start, predict:** what does a text get on which all heads agree?
"""


def cautious_reward(scores, reference, caution):
    """What an ensemble pays for texts, with a price for disagreement.

    scores:    (heads, texts) float32, two heads or more, each in its own unit
    reference: (heads, others) float32, what the same heads say of other texts, written
               by the reference policy; they set each head's zero and unit
    caution:   a number, 0 or more
    returns:   (texts,)
    """
    means = reference.mean(dim=1, keepdim=True)
    units = reference.std(dim=1, keepdim=True)
    told = (scores - means) / units
    return told.mean(dim=0) - caution * told.std(dim=0)


HINTS = (
    """Which of the two dimensions is averaged over to set a head's unit, and which to
see whether the heads disagree?""",
    """1. mean and deviation of `reference` along the *texts*, one of each a head;
   `keepdim=True` lets them be subtracted and divided
2. take the mean off `scores`, and divide
3. mean and deviation of the result along the *heads*
4. the mean, less caution times the deviation""",
    """Coste et al., *Reward Model Ensembles Help Mitigate Overoptimization* (2023).
`llmlab/ensemble.py`; notebook 13, section 7.""",
)

AFTER = """
**What you predicted.** The mean: of a text on which all agree nothing is taken off, not
even with much caution. What *all* heads overrate is paid in full. An ensemble protects
against the luck of the labels, and not against what no label shows.
"""

UNIT = "each head in its own unit"
CAUTION = "a price for disagreement"


def slowly(scores, reference, caution):
    def mean(values):
        return sum(values) / len(values)

    def deviation(values):
        middle = mean(values)
        squares = [(value - middle) ** 2 for value in values]
        return (sum(squares) / (len(values) - 1)) ** 0.5

    heads, others = scores.double().tolist(), reference.double().tolist()
    paid = []
    for text in range(scores.shape[1]):
        told = [
            (head[text] - mean(other)) / deviation(other)
            for head, other in zip(heads, others, strict=True)
        ]
        paid.append(mean(told) - caution * deviation(told))
    return torch.tensor(paid)


def cases(seed):
    dice = torch.Generator().manual_seed(seed)
    reference = torch.tensor([[1.0, 2.0, 3.0], [10.0, 30.0, 50.0]])
    scores = torch.tensor([[4.0, 2.0], [10.0, 70.0]])
    yield Case((scores, reference, 1.0))
    yield Case((scores, reference, 0.0), UNIT)
    for heads, texts, others, caution in ((2, 3, 5, 0.5), (4, 6, 9, 1.0), (8, 5, 7, 2)):
        units = 1 + 9 * torch.rand(heads, 1, generator=dice)
        zeros = 5 * torch.randn(heads, 1, generator=dice)
        drawn = torch.randn(heads, texts + others, generator=dice) * units + zeros
        both = drawn[:, :texts] + units, drawn[:, texts:]
        words = f"{heads} heads, {texts} texts, {others} reference texts, caution"
        yield Case((*both, 0.0), UNIT, f"{words} 0,")
        yield Case((*both, float(caution)), CAUTION, f"{words} {caution},")


# What people get wrong


def in_units(scores, reference):
    means = reference.mean(dim=1, keepdim=True)
    return (scores - means) / reference.std(dim=1, keepdim=True)


def bound(told, caution, **how):
    return told.mean(dim=0) - caution * told.std(dim=0, **how)


MISTAKES = {
    lambda scores, reference, caution: bound(scores, caution): "The heads speak in "
    "units of their own, so the one with the largest numbers decides alone. Bring each "
    "to mean 0 and deviation 1 on the reference texts first.",
    lambda scores, reference, caution: bound(in_units(scores, scores), caution): "You "
    "took zero and unit from the very texts that are paid. Then their mean is 0 "
    "whatever the policy writes, and nobody can become better: take the reference's.",
    lambda scores, reference, caution: bound(
        in_units(scores, reference.flatten()[None]), caution
    ): "All heads were brought to one common unit. The unit is an accident of each "
    "head's own fit: one mean and one deviation for each.",
    lambda scores, reference, caution: bound(
        scores - reference.mean(dim=1, keepdim=True), caution
    ): "The zero is right, the unit is not: divide by each head's deviation on the "
    "reference texts as well.",
    lambda scores, reference, caution: bound(
        scores / reference.std(dim=1, keepdim=True), caution
    ): "The unit is right, the zero is not: subtract each head's mean on the reference "
    "texts as well, or a difference of zeros counts as disagreement.",
    lambda scores, reference, caution: bound(
        in_units(scores, reference), -caution
    ): "Disagreement is rewarded: the sign is that of an *upper* bound, which sends "
    "the policy straight to the texts that the labels say nothing about.",
    lambda scores, reference, caution: bound(
        in_units(scores, reference), caution, correction=0
    ): "The deviation among the heads has n in its divisor. Two heads that differ by "
    "2 have a deviation of √2, not of 1: use n - 1.",
    lambda scores, reference, caution: (
        in_units(scores, reference).mean(dim=0)
        - caution * in_units(scores, reference).var(dim=0)
    ): "That is the variance. It is "
    "in squared units, and cannot be taken off a mean; take its root.",
    lambda scores, reference, caution: (
        in_units(scores, reference).mean(dim=0)
        - caution * in_units(scores, reference).std(dim=0) / len(scores) ** 0.5
    ): "You "
    "divided by the root of the number of heads, so that the price would fade with "
    "more heads. Asked is how far they are apart, not how well their mean is known.",
    lambda scores, reference, caution: (
        in_units(scores, reference).mean(dim=0)
        - caution * in_units(scores, reference).std(dim=1).mean()
    ): "The deviation was "
    "taken along the texts. Whether a text is disputed, only the heads can say: take "
    "it along the heads, text by text.",
    lambda scores, reference, caution: in_units(scores, reference).amin(dim=0): "That "
    "is the gloomiest head. It is a bound too, but caution has no say in it.",
    lambda scores, reference, caution: in_units(scores, reference).mean(dim=0): "That "
    "is the mean alone; the price for disagreement is missing.",
    lambda scores, reference, caution: (
        caution * in_units(scores, reference).std(dim=0)
    ): "",
}


def with_squares(scores, reference, caution):
    told = (scores - reference.mean(1)[:, None]) / reference.std(1)[:, None]
    mean, count = told.sum(0) / len(told), len(told)
    return mean - caution * (((told - mean) ** 2).sum(0) / (count - 1)).sqrt()


EXERCISE = Exercise(
    name="cautious_reward",
    title="The lower bound of an ensemble",
    kind="implement",
    skill="price what is not known",
    difficulty=3,
    importance=4,
    minutes=20,
    chapter="13, before section 7",
    task=TASK,
    solution=cautious_reward,
    definition=slowly,
    cases=cases,
    points={UNIT: 1, CAUTION: 2},
    proven="Every head speaks in its own unit, and what they dispute is paid less.",
    mistakes=MISTAKES,
    right=(with_squares,),
    hints=HINTS,
    after=AFTER,
    library=("llmlab.ensemble.lower_bound",),
)
