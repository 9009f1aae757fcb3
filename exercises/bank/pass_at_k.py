"""pass@k without bias: from n answers, of which c are right."""

import itertools
import math

import torch

from exercises import Exercise
from llmlab.checks import Case

TASK = r"""
A model is asked one question $n$ times, and $c$ of its answers are right. **pass@k** is
the chance that at least one of k answers is right. Nobody has to draw k of them again
and again: of all ways to choose k of the n answers at hand, count those that hold no
right one.

| n = 4, c = 1 | of so many choices | without a right one | pass@k |
|---|---|---|---|
| k = 1 | 4 | 3 | 1/4 |
| k = 2 | 6 | 3 | 1/2 |
| k = 4 | 1 | 0 | 1 |

Write it for many questions at once, for any k up to n.

**Before you start, predict:** a model is right with probability 0.3. Is
$1 - (1 - c/n)^k$, averaged over all that ten answers may bring, too high or too low for
k = 3?
"""


def pass_at_k(right, drawn, k):
    """The chance that at least one of k answers is right, for each question.

    right:   (questions,) int64, how many of the answers drawn are right, 0 to drawn
    drawn:   a number, how many answers were drawn to each question
    k:       a number, 1 to drawn
    returns: (questions,) float32, the mean over all ways to choose k of the answers
    """
    ways = math.comb(drawn, k)
    missed = [math.comb(drawn - count, k) / ways for count in right.tolist()]
    return 1 - torch.tensor(missed)


HINTS = (
    """How many of the answers are wrong? In how many ways can all k chosen ones come
from those?""",
    """1. the wrong answers to a question: drawn - right
2. all k are wrong in comb(drawn - right, k) of comb(drawn, k) choices
3. one less that share; where fewer than k answers are wrong, the share is 0 by
   itself: `math.comb` knows it""",
    """Chen et al., *Evaluating Large Language Models Trained on Code* (2021), section
2.1. Notebook 09, section 6.""",
)

AFTER = """
**What you predicted.** Too low. The curve bends, and the mean of a bent curve is not
the curve of the mean. With few answers the short formula hides most of what is
*possible*, and this is what pass@k is looked at for.

**Your function, on both formulas.** The mean over all that n answers may bring.
"""


def use(pass_at_k):
    p, k = 0.3, 3
    for drawn in (4, 10, 40):
        right = torch.arange(drawn + 1)
        chance = [
            math.comb(drawn, c) * p**c * (1 - p) ** (drawn - c) for c in right.tolist()
        ]
        chance = torch.tensor(chance)
        short = 1 - (1 - right / drawn) ** k
        mine = (chance * pass_at_k(right, drawn, k)).sum()
        print(f"n = {drawn:2}: yours {mine:.3f}, short formula", end=" ")
        print(f"{(chance * short).sum():.3f}, true {1 - (1 - p) ** k:.3f}")


CHOICES = "the mean over all ways to choose"
EDGES = "no answer is right, or all, or fewer than k are wrong"


def definition(right, drawn, k):
    """Every choice, one after the other."""
    means = []
    for count in right.tolist():
        answers = [True] * count + [False] * (drawn - count)
        found = [any(chosen) for chosen in itertools.combinations(answers, k)]
        means.append(sum(found) / len(found))
    return torch.tensor(means)


def cases(seed):
    generator = torch.Generator().manual_seed(seed)
    yield Case((torch.tensor([1]), 4, 2), CHOICES)
    for drawn, k in ((4, 1), (5, 3), (8, 2), (9, 4)):
        right = torch.randint(1, drawn - k + 1, (3,), generator=generator)
        yield Case((right, drawn, k), CHOICES)
    for drawn, k in ((4, 4), (6, 3), (8, 5)):
        yield Case((torch.tensor([0, drawn - k + 1, drawn]), drawn, k), EDGES)


# What people get wrong


def with_replacement(right, drawn, k):
    return 1 - (1 - right / drawn) ** k


def all_right(right, drawn, k):
    ways = math.comb(drawn, k)
    return torch.tensor([math.comb(c, k) / ways for c in right.tolist()])


def none_right(right, drawn, k):
    return 1 - definition(right, drawn, k)


def exactly_one(right, drawn, k):
    ways = math.comb(drawn, k)
    return torch.tensor(
        [c * math.comb(drawn - c, k - 1) / ways for c in right.tolist()]
    )


def not_divided(right, drawn, k):
    ways = math.comb(drawn, k)
    return torch.tensor([float(ways - math.comb(drawn - c, k)) for c in right.tolist()])


def product(right, drawn, k):
    """The usual product, carried on where fewer than k answers are wrong."""
    places = torch.arange(k)
    missed = (drawn - right[:, None] - places) / (drawn - places)
    return 1 - missed.prod(dim=1)


def guarded(right, drawn, k):
    """Only where every answer is right it is taken for certain."""
    return torch.where(right == drawn, 1.0, with_replacement(right, drawn, k))


MISTAKES = {
    with_replacement: "You chose with replacement: the same answer may come twice. "
    "That is too low, and the fewer answers were drawn, the more.",
    guarded: "",
    all_right: "That is the chance that all k are right. One is enough.",
    none_right: "That is the chance that none is right: the other side.",
    exactly_one: "That is the chance of exactly one right answer. Two do not hurt.",
    not_divided: "Those are numbers of choices. Divide by how many there are in all.",
    lambda right, drawn, k: (
        right / drawn
    ): "Yours is the share of right answers, whatever k is.",
    lambda right, drawn, k: (k * right / drawn).clamp(max=1): "You added up the k "
    "chances. Choices that hold two right answers were counted twice.",
    lambda right, drawn, k: (
        right > 0
    ).float(): "You told whether any of all answers is "
    "right. Asked is what k of them bring.",
    lambda right, drawn, k: (right >= k).float(): "",
    lambda right, drawn, k: definition(right, drawn, k).mean()[None]: "",
}


# Right in other styles


def by_product(right, drawn, k):
    """Answers are taken one by one; each is wrong in turn."""
    places = torch.arange(k)
    wrong = (drawn - right[:, None] - places).clamp(min=0)
    return 1 - (wrong / (drawn - places)).prod(dim=1)


def by_lgamma(right, drawn, k):
    def log_comb(n):
        n = n.double()
        return torch.lgamma(n + 1) - torch.lgamma(n - k + 1)

    wrong = drawn - right
    share = (log_comb(wrong.clamp(min=k)) - log_comb(torch.tensor(drawn))).exp()
    return torch.where(wrong < k, 1.0, 1 - share).float()


EXERCISE = Exercise(
    name="pass_at_k",
    title="One of k is right",
    kind="implement",
    skill="count what is possible",
    difficulty=2,
    importance=4,
    minutes=15,
    chapter="15, before section 8",
    task=TASK,
    solution=pass_at_k,
    definition=definition,
    cases=cases,
    points={CHOICES: 2, EDGES: 1},
    proven="What k answers bring is told from all that were drawn, without bias.",
    mistakes=MISTAKES,
    right=(by_product, by_lgamma),
    hints=HINTS,
    after=AFTER,
    use=use,
)
