"""From choices to a loss."""

import math

import torch
from torch.nn import functional as F

from exercises import Exercise
from llmlab import reward
from llmlab.checks import Case

TASK = r"""
Nobody can say what a story is worth, but two of them can be compared. Bradley and Terry
give each story a score $r$ and say how probably the first is preferred:

$$P(\text{first}) = \sigma(r_1 - r_2), \qquad \sigma(x) = \frac{1}{1 + e^{-x}}$$

The loss of a choice is how surprised that model is, minus the logarithm of the
probability that it gave to what was chosen. Somebody who finds both equally good says
half of each:

| first score | second score | choice | probability of it | loss |
|---|---|---|---|---|
| 2 | 1 | first (1) | 0.73 | 0.31 |
| 2 | 1 | second (0) | 0.27 | 1.31 |
| 2 | 1 | equally good (0.5) | half of each | 0.81 |
| 1 | 1 | any | 0.5 | 0.69 = ln 2 |

Scores are any numbers. Early in a run one may be at +1000 and the other at -1000: then
the loss is 2000, or 0, exactly, and never infinite.

**Before you start, predict:** a tie, and the model puts both scores at 5. What is the
loss, and in which direction does it push?
"""


def bradley_terry_loss(first_scores, second_scores, choices):
    """How surprised the scores are by the choices, on average.

    first_scores, second_scores: (pairs,) any numbers
    choices: (pairs,), 1 where the first was preferred, 0 where the second was, and 0.5
             where both were equally good
    returns: () the mean over the pairs, in nats
    """
    difference = first_scores - second_scores
    surprise_at_first = -F.logsigmoid(difference)
    surprise_at_second = -F.logsigmoid(-difference)
    return (choices * surprise_at_first + (1 - choices) * surprise_at_second).mean()


HINTS = (
    """The probability that the *second* is preferred is the sigmoid of what? And the
logarithm of a sigmoid is a function of its own: what goes wrong when the two are taken
one after the other, at -1000?""",
    """1. difference of the scores, first less second
2. for the first: minus logsigmoid of the difference; for the second: minus logsigmoid
   of the difference with the other sign
3. weigh the two with the choice and with 1 less the choice
4. the mean over all pairs, ties among them""",
    """Bradley and Terry, *Rank Analysis of Incomplete Block Designs* (1952); Stiennon
et al., *Learning to Summarize from Human Feedback* (2020), section 3.4. Chapter 11
prints the library's.""",
)

AFTER = """
**What you predicted.** ln 2, and nowhere: equal scores are the best that can be said of
a tie, and its loss is never below ln 2. At other scores it pulls the two together.

**Ten stories, four hundred choices**, by people who follow hidden scores. Your loss
finds the scores again, all but one number. *Which one can no choice tell?*
"""


def use(bradley_terry_loss):
    dice = torch.Generator().manual_seed(0)
    hidden = torch.randn(10, generator=dice)
    pairs = torch.randint(10, (2, 400), generator=dice)
    chance = (hidden[pairs[0]] - hidden[pairs[1]]).sigmoid()
    choices = (torch.rand(400, generator=dice) < chance).float()
    scores = torch.full((10,), 3.0, requires_grad=True)
    optimizer = torch.optim.Adam([scores], lr=0.1)
    for step in range(201):
        loss = bradley_terry_loss(scores[pairs[0]], scores[pairs[1]], choices)
        if step % 50 == 0:
            likeness = torch.corrcoef(torch.stack([scores.detach(), hidden]))[0, 1]
            print(
                f"step {step:3}  loss {loss:.3f}  likeness {likeness.nan_to_num():.2f}"
            )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"mean of the scores {scores.mean():.2f}, of the hidden {hidden.mean():.2f}")


def definition(first_scores, second_scores, choices):
    """Pair by pair. By the larger of the two scores nothing is ever too large."""
    total = 0.0
    for first, second, choice in zip(
        first_scores.double(), second_scores.double(), choices.tolist(), strict=True
    ):
        ahead = torch.maximum(first, second)
        both = ahead + torch.log((first - ahead).exp() + (second - ahead).exp())
        total = total + choice * (both - first) + (1 - choice) * (both - second)
    return (total / len(choices)).float()


WON, TIES, FAR = "a choice is explained", "ties count, half of each", "exact far away"


def cases(seed):
    generator = torch.Generator().manual_seed(seed)

    def numbers(count):
        return torch.randn(count, generator=generator).round(decimals=2)

    def pairs(first, second, choices):
        return torch.tensor(first), torch.tensor(second), torch.tensor(choices)

    yield Case(pairs([2.0], [1.0], [1.0]), WON, gradients=(0, 1))
    yield Case(pairs([2.0], [1.0], [0.0]), WON, gradients=(0, 1))
    yield Case(pairs([7.0], [7.0], [1.0]), WON, gradients=(0, 1))
    choices = torch.tensor([1.0, 0.0, 0.0, 1.0, 1.0])
    choices = choices[torch.randperm(5, generator=generator)]
    first, second = numbers(5), numbers(5)
    yield Case((first, second, choices), WON, "five choices", gradients=(0, 1))
    shifted = first + 100, second + 100
    yield Case((*shifted, choices), WON, "five choices, 100 added to all scores,")

    yield Case(pairs([2.0], [1.0], [0.5]), TIES, gradients=(0, 1))
    yield Case(pairs([1.0, 3.0], [1.0, 0.0], [0.5, 1.0]), TIES, gradients=(0, 1))
    mixed = torch.tensor([0.5, 1.0, 0.0, 0.5, 1.0, 0.5])
    words = "six choices, three of them ties,"
    yield Case((numbers(6), numbers(6), mixed), TIES, words, gradients=(0, 1))

    for ahead in (1000.0, -1000.0):
        for choice in (1.0, 0.0, 0.5):
            words = f"scores {ahead:+g} and {-ahead:+g} and the choice {choice:g}"
            inputs = pairs([ahead], [-ahead], [choice])
            yield Case(inputs, FAR, words, gradients=(0, 1))


# What people get wrong


def wrong(
    surprise=lambda x: -F.logsigmoid(x),
    margin=lambda first, second: first - second,
    choose=lambda choices: choices,
    average=lambda x, choices: x.mean(),
):
    """The loss with one part exchanged."""

    def answer(first_scores, second_scores, choices):
        x, share = margin(first_scores, second_scores), choose(choices)
        told = share * surprise(x) + (1 - share) * surprise(-x)
        return average(told, choices)

    return answer


def apart(first_scores, second_scores, choices):
    told = choices * F.logsigmoid(first_scores)
    told = told + (1 - choices) * F.logsigmoid(second_scores)
    return -told.mean()


def yes_and_no(first_scores, second_scores, choices):
    both = F.binary_cross_entropy_with_logits(first_scores, choices)
    return both + F.binary_cross_entropy_with_logits(second_scores, 1 - choices)


def winners_only(first_scores, second_scores, choices):
    """Ties are decided for the first."""
    first = choices >= 0.5
    x = (first_scores - second_scores).where(first, second_scores - first_scores)
    return -F.logsigmoid(x).mean()


def without_ties(x, choices):
    x = x[choices != 0.5]
    return x.sum() / max(len(x), 1)


def first_only(first_scores, second_scores, choices):
    told = choices * F.logsigmoid(first_scores - second_scores)
    return -told.sum() / choices.sum().clamp(min=1)


INFINITE = (
    "The sigmoid was rounded to 0 before its logarithm was taken, and the loss is "
    "infinite where the model is surest to be wrong. The logarithm of a sigmoid is a "
    "function of its own, which does not round."
)
ALONE = (
    "A sigmoid was taken of each score alone, so that it has to be high or low as "
    "such. Only the difference says anything: adding a number to both scores must not "
    "change the loss."
)
HELD = (
    "The probability was held off zero, so the loss ends at some number, and there no "
    "gradient is left for the pairs that need it most."
)
TIE_MISSING = (
    "Ties are left out. They are told as well: they pull the two scores together, and "
    "whoever drops them makes the crowd surer than it is."
)
MISTAKES = {
    wrong(lambda x: F.logsigmoid(x)): "The sign is wrong: a surprise is minus a "
    "logarithm, and never negative.",
    wrong(margin=lambda first, second: second - first): "First and second have changed "
    "places: the story that was chosen is pushed down.",
    wrong(lambda x: -x.sigmoid().log()): INFINITE,
    wrong(lambda x: -(x.exp() / (x.exp() + 1)).log()): "The exponential of a large "
    "difference is infinite, and infinity over infinity is no number. There is a "
    "function for the logarithm of a sigmoid.",
    wrong(lambda x: -(x.sigmoid() + 1e-8).log()): HELD,
    wrong(lambda x: -x.sigmoid().clamp(1e-6, 1).log()): HELD,
    wrong(lambda x: -F.logsigmoid(x.clamp(-30, 30))): HELD,
    apart: ALONE,
    yes_and_no: ALONE,
    wrong(lambda x: 1 - x.sigmoid()): "That is how improbable the choice was. Its "
    "surprise is minus the logarithm of how probable it was.",
    wrong(lambda x: (1 - x.sigmoid()).square()): "You squared how far the probability "
    "is off. Where the model is surely wrong such a loss is flat and teaches nothing.",
    wrong(lambda x: F.relu(1 - x)): "That is a hinge, which is content with a lead of "
    "one. Here a probability is fitted: a larger lead is a surer claim.",
    wrong(lambda x: -x): "The bare difference has no end: the loss falls for ever, "
    "however sure the scores are already.",
    wrong(lambda x: -F.logsigmoid(x) / math.log(2)): "Those are bits. In nats equal "
    "scores cost ln 2 = 0.69, not 1.",
    wrong(average=lambda x, choices: x.sum()): "That is the sum over the pairs; it "
    "should be their mean, so that a step does not grow with the batch.",
    wrong(average=without_ties): TIE_MISSING,
    wrong(choose=lambda choices: choices.where(choices != 0.5, 0)): "Ties were taken "
    "for a choice of the second. They say half of each.",
    winners_only: "Ties were taken for a choice of the first. They say half of each.",
    wrong(average=lambda x, c: (x * (c != 0.5)).mean()): TIE_MISSING,
    first_only: "Only the choices of the first are counted. Where the second was "
    "chosen its own probability counts, which is the sigmoid of the difference with "
    "the other sign.",
    wrong(margin=lambda first, second: first - second.detach()): "No gradient reaches "
    "the second score. Both of a pair learn, in opposite directions.",
    wrong(margin=lambda first, second: (first - second) / 2): "",
    wrong(average=lambda x, choices: x): "",
    lambda first, second, c: bradley_terry_loss(first, second, c).detach(): "",
}


# Right in other styles


def as_cross_entropy(first_scores, second_scores, choices):
    scores = torch.stack([first_scores, second_scores], dim=1)
    return F.cross_entropy(scores, torch.stack([choices, 1 - choices], dim=1))


def with_logits(first_scores, second_scores, choices):
    margin = first_scores - second_scores
    return F.binary_cross_entropy_with_logits(margin, choices)


def with_softplus(first_scores, second_scores, choices):
    margin = first_scores - second_scores
    return (F.softplus(margin) - choices * margin).mean()


def of_the_library(first_scores, second_scores, choices):
    return reward.preference_loss(first_scores, second_scores, choices)


EXERCISE = Exercise(
    name="bradley_terry_loss",
    title="From choices to a loss",
    kind="implement",
    skill="learn from comparisons",
    difficulty=2,
    importance=5,
    minutes=15,
    chapter="11, before section 1, which prints the library's",
    task=TASK,
    solution=bradley_terry_loss,
    definition=definition,
    cases=cases,
    points={WON: 1, TIES: 1, FAR: 1},
    proven="Only differences count, a tie says half of each, and a score of 1000 costs "
    "exactly\nwhat it should.",
    mistakes=MISTAKES,
    right=(as_cross_entropy, with_logits, with_softplus, of_the_library),
    hints=HINTS,
    after=AFTER,
    use=use,
    library=("llmlab.reward.preference_loss",),
)
