"""Best of n: what it is worth, without drawing anew, and how far it can go."""

import itertools
import math

import torch

from exercises import Exercise
from llmlab import best_of_n
from llmlab.checks import Case, variant

TASK = r"""
The cheapest way to use a reward trains nothing: draw n answers, keep the one that
scores highest. What is that worth? Whoever draws 32 answers and looks at the best of
the first 8 has thrown 24 away. Better take the mean over **all** ways to choose 8 of
the 32. No loop is needed: sorted, the answer in place $i$ (1 is the lowest of $N$) is
the best of the n chosen if all the others come from the $i - 1$ below it:

$$P(\text{place } i \text{ is the best}) = \binom{i-1}{n-1} \Big/ \binom{N}{n}$$

| of 4 answers, best of 2 | lowest | second | third | highest |
|---|---|---|---|---|
| score, by which is chosen | 0.1 | 0.4 | 0.5 | 0.9 |
| is the best in so many of 6 choices | 0 | 1 | 2 | 3 |
| gold, by which it is judged | 3 | 5 | 4 | 2 |

The best of two scores (0.4 + 2 · 0.5 + 3 · 0.9) / 6 = 0.68. Its gold is
(5 + 2 · 4 + 3 · 2) / 6 = 3.17, less than the 3.5 of a single one: what is chosen and
what is judged are two things.

And it has a bound. However the scores fall, the best of n is at most
$\log n - (n-1)/n$ nats from the policy, and beats a single answer at most
$n/(n+1)$ of the time. **Tell both for your n**, which follows from your name, and how
many nats somebody spends who takes twice as many.

**Before you start, predict:** by how much does the bound grow when a large n doubles?
"""


def given():
    from exercises.bank.expected_best import report

    print(report("Ada Example"))  # write your own name here


def expected_best(scores, judged, n):
    """What the best of n answers is worth on average, for each prompt.

    scores:  (prompts, answers) float32, by which the best is chosen; no two of a
             prompt are alike
    judged:  (prompts, answers) float32, what each answer is worth to the judge
    n:       a number, 1 up to the number of answers
    returns: (prompts,), the mean over all ways to choose n of the answers
    """
    count = scores.shape[1]
    ways = [math.comb(place, n - 1) for place in range(count)]
    shares = torch.tensor(ways, dtype=torch.float64) / math.comb(count, n)
    in_order = judged.gather(1, scores.argsort(dim=1))
    return (in_order * shares).sum(dim=1).float()


def foretold():
    """Your name, as above, and what can be said of its n before anything is drawn.

    returns: your name; the most nats that the best of n can be from the policy; the
             same of twice as many answers; the most often that the best of n beats
             a single answer, in percent. Each to two decimals
    """
    return "Ada Example", 1.09, 1.71, 87.5


HINTS = (
    """Sort each prompt's answers by score, and let what the judge says go along. How
often is the lowest of them the best of two? And the second?""",
    """1. order: argsort of the scores; gather brings what is judged into that order
2. shares: `math.comb` of the places below, n - 1 of them, over `math.comb` of all, n
   of them; with places that count from 0, no 1 has to be taken off
3. multiply and sum along the answers
4. foretold: put n, and then 2n, into the two formulas""",
    """Beirami et al., *Theoretical Guarantees on the Best-of-n Alignment Policy*
(2024), on the bound. Chen et al., *Evaluating Large Language Models Trained on Code*
(2021), count pass@k like this. `llmlab/best_of_n.py`.""",
)

AFTER = """
**What you predicted.** By ln 2 = 0.69 nats, whatever n is. So a policy that is 6 nats
away has gone as far as the best of about a thousand answers: that is a way to say what
training is worth, in samples.
"""


def numbers(name):
    return variant(name).choice((5, 6, 7, 9, 10, 11, 12, 14, 20, 24, 40, 48))


def report(name):
    return f"Your n is {numbers(name)}."


def bound(n):
    return math.log(n) - (n - 1) / n


def best_slowly(scores, judged, n):
    means = []
    for row, values in zip(scores.tolist(), judged.tolist(), strict=True):
        chosen = itertools.combinations(range(len(row)), n)
        best = [values[max(several, key=row.__getitem__)] for several in chosen]
        means.append(sum(best) / len(best))
    return torch.tensor(means)


ALL = "the mean over all ways to choose"
CHOSEN = "chosen by the score, judged by another"
FORETOLD = "what is foretold"


def compared(inputs, result):
    """Of what is foretold, what is right, and how the rest was reckoned."""
    if inputs:
        return result
    name, *found = result
    if not name.split() or name.casefold().split() in (["your", "name"], ["name"]):
        return "write your own name first", *["of nobody"] * 3
    ways = reckonings(numbers(name))
    said = [
        next((k for k, x in enumerate(each) if abs(value - x) <= 0.006), f"not {value}")
        for value, each in zip(found, ways, strict=True)
    ]
    return "a name", *("right" if way == 0 else str(way) for way in said)


def reckonings(n):
    """Of each of the three numbers the right one, and how others come by theirs."""

    def nats(n):
        return bound(n), math.log(n), bound(n) / math.log(2), math.log(n) + (n - 1) / n

    wins = 100 * n / (n + 1), 100 * (n - 1) / n, n / (n + 1), 100 * (1 - 0.5**n)
    return nats(n), (*nats(2 * n), 2 * bound(n)), wins


def cases(seed):
    generator = torch.Generator().manual_seed(seed)

    def drawn(*shape):
        return torch.rand(shape, generator=generator)

    scores = torch.tensor([[0.5, 0.1, 0.9, 0.4]])
    for n in (1, 2, 4):
        yield Case((scores, scores, n), ALL)
    judged = torch.tensor([[4.0, 3.0, 2.0, 5.0]])
    yield Case((scores, judged, 2), CHOSEN)
    for answers, n in ((5, 3), (8, 2), (8, 5), (7, 7)):
        pair = drawn(3, answers), 5 * drawn(3, answers) - 2
        words = f"three prompts with {answers} answers each, and n = {n},"
        yield Case((pair[0] - 0.5, pair[0] - 0.5, n), ALL, words)
        yield Case((*pair, n), CHOSEN, words)
    yield Case((), FORETOLD, "your n", of=1)


# What people get wrong


def wrong(ways, order=lambda scores, judged: scores):
    """The mean, by places that are counted in another way."""

    def answer(scores, judged, n):
        count = scores.shape[1]
        shares = torch.tensor([float(ways(i, n, count)) for i in range(count)])
        in_order = judged.gather(1, order(scores, judged).argsort(dim=1))
        return (in_order * shares).sum(dim=1)

    return answer, foretold


def right_ways(i, n, count):
    return math.comb(i, n - 1) / math.comb(count, n)


def with_replacement(i, n, count):
    return ((i + 1) / count) ** n - (i / count) ** n


def first_ones(scores, judged, n):
    best = scores[:, :n].argmax(dim=1, keepdim=True)
    return judged.gather(1, best)[:, 0]


def in_blocks(scores, judged, n):
    """The answers in blocks of n, the best of each; the rest is left over."""
    whole = scores.shape[1] // n * n
    best = scores[:, :whole].unflatten(1, (-1, n)).argmax(dim=2, keepdim=True)
    return judged[:, :whole].unflatten(1, (-1, n)).gather(2, best)[..., 0].mean(dim=1)


def told(place, way, name="Ben Example"):
    """What is foretold, one of the three numbers reckoned in another way."""

    def answer():
        ways = reckonings(numbers(name))
        found = [each[0] for each in ways]
        found[place] = ways[place][way] if way is not None else -1.0
        return name, *(round(value, 2) for value in found)

    return expected_best, answer


NO_TERM = (
    "The logarithm alone is too much: what is kept is not always a rare answer, and "
    "the bound is smaller by (n - 1)/n."
)
BITS = "Those are bits. A nat is more than one: take the natural logarithm."
ADDED = "The second term is subtracted, not added: at n = 1 nothing is chosen, 0 nats."
MISTAKES = {
    wrong(with_replacement): "You chose with replacement, so the same answer may come "
    "twice. Of the samples at hand n different ones are chosen; yours is a little too "
    "low.",
    wrong(lambda i, n, count: math.comb(i + 1, n) / math.comb(count, n)): "A place "
    "counts for all choices that it *could* be the best of, and for those of the "
    "places below it again: the shares do not sum to 1.",
    wrong(lambda i, n, count: math.comb(i, n - 1)): "Those are numbers of choices. "
    "Divide by how many there are in all.",
    wrong(lambda i, n, count: math.comb(i, n) / math.comb(count, n)): "One of the n is "
    "the best itself. Only the other n - 1 come from the places below.",
    wrong(lambda i, n, count: right_ways(count - 1 - i, n, count)): "Yours is the "
    "worst of n: the order is upside down.",
    wrong(lambda i, n, count: i >= count - n and 1 / n): "You took the mean of the n "
    "highest. Those are the best of everything, not the best of n at random.",
    wrong(lambda i, n, count: i == count - 1): "That is the best of all answers, "
    "whatever n is.",
    wrong(lambda i, n, count: 1 / count): "That is the mean of all answers: nothing is "
    "chosen.",
    (first_ones, foretold): "You looked at the first n answers and threw the others "
    "away. The mean over all choices of n has the same mean and less noise.",
    (in_blocks, foretold): "The answers were cut into blocks of n. That uses them once "
    "each; there are many more ways to choose n.",
    (
        lambda scores, judged, n: best_slowly(judged, judged, n),
        foretold,
    ): "You sorted by the judge, and so chose by what the judge "
    "will say. The best is chosen by its score; what the judge says goes along.",
    wrong(right_ways, lambda scores, judged: scores + judged): "",
    (lambda scores, judged, n: best_slowly(scores, scores, n), foretold): "That is the "
    "best one's own score. Asked is what the judge says of it.",
    told(0, 1): NO_TERM,
    told(1, 1): NO_TERM,
    told(0, 2): BITS,
    told(0, 3): ADDED,
    told(1, 4): "Twice as many answers are not twice as many nats: put 2n into the "
    "formula.",
    told(2, 1): "The best of n and the single one are n + 1 answers, and each is the "
    "highest equally often: n of n + 1 times one of yours.",
    told(2, 2): "That is a fraction; percent is a hundred times as much.",
    told(2, 3): "You treated n meetings as independent. They share the one opponent: "
    "if it is good, all n lose.",
    told(2, None): "",
    (expected_best, lambda: (" ", 1.0, 2.0, 3.0)): "",
    (expected_best, lambda: 1.18): "",
}


# Right in other styles


def by_enumeration(scores, judged, n):
    several = torch.combinations(torch.arange(scores.shape[1]), n)
    best = scores[:, several].argmax(dim=2, keepdim=True)
    return judged[:, several].gather(2, best)[..., 0].mean(dim=1)


def of_the_library(scores, judged, n):
    return best_of_n.expected_best(scores, n, judged).float()


EXERCISE = Exercise(
    name="expected_best",
    title="The best of n",
    kind="implement",
    skill="foretell the best of n",
    difficulty=3,
    importance=3,
    minutes=20,
    chapter="11, before section 7; chapter 09 prints the library's",
    task=TASK,
    given=given,
    solution=(expected_best, foretold),
    definition=(best_slowly, foretold),
    cases=cases,
    points={ALL: 1, CHOSEN: 1, FORETOLD: 1},
    compared=compared,
    proven="The best of n is told from all that was drawn, by the judge's measure, and "
    "you know\nhow far your n can go.",
    mistakes=MISTAKES,
    right=((by_enumeration, told(0, 0)[1]), (of_the_library, foretold)),
    hints=HINTS,
    after=AFTER,
    library=("llmlab.best_of_n.expected_best",),
)
