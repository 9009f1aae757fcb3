"""More than luck: Cohen's kappa."""

import torch

from exercises import Exercise
from llmlab.checks import Case

TASK = r"""
Two people have judged the same pairs of stories, and chose alike on 80 of 100. Is that
much? If both take the first story nine times in ten without looking, they agree on 82.
So what counts is how much more they agree than by luck:

$$\kappa = \frac{a - c}{1 - c}$$

Here $a$ is the share on which they agree, and $c$ the share on which they would if each
kept their habits and neither looked: for each answer the share with which the one gives
it, times the share with which the other does, summed over the answers.

| | B: first | B: second | B: equal | together |
|---|---|---|---|---|
| **A: first** | 40 | 10 | 0 | 50 |
| **A: second** | 10 | 20 | 0 | 30 |
| **A: equal** | 0 | 10 | 10 | 20 |
| **together** | 50 | 40 | 10 | 100 |

They agree on 70 of 100. By luck it would be 0.5 · 0.5 + 0.3 · 0.4 + 0.2 · 0.1 = 0.39,
so kappa is (0.70 - 0.39) / (1 - 0.39) = 0.51.

If both give the same single answer to everything, luck alone would agree always, and
nothing can be said. That is no agreement to be told as a number: raise a `ValueError`.

**Before you start, predict:** somebody judges the same pairs again a month later and
says the opposite of everything. Which kappa has she with herself?
"""


def kappa(first, second):
    """How much more two people agree than by luck.

    first, second: (pairs,) int64, the answers of both to the same pairs, such as 0 for
                   the first story, 1 for the second, 2 for equally good; any whole
                   numbers
    returns:       a number: 1 if they always agree, 0 if as often as by luck

    Raises ValueError: both give one and the same answer to everything.
    """
    if len({*first.tolist(), *second.tolist()}) == 1:
        raise ValueError("both give one answer to everything: that says nothing")
    agree = (first == second).double().mean().item()
    luck = 0.0
    for answer in set(first.tolist()) & set(second.tolist()):
        of_first = (first == answer).double().mean().item()
        luck += of_first * (second == answer).double().mean().item()
    return (agree - luck) / (1 - luck)


HINTS = (
    """Each of the two has habits of their own: how often they say "first", "second",
"equal". What would the table look like if the answers came from those habits alone?""",
    """1. a: the share of the pairs on which both say the same
2. for each answer that occurs: its share with the one, times its share with the other
3. c: the sum of these products
4. how much a is above c, as a part of how much it could be; nothing could be, if c is
   1""",
    """Cohen, *A Coefficient of Agreement for Nominal Scales* (1960). Chapter 10
compares you with yourself and with the crowd.""",
)

AFTER = """
**What you predicted.** It depends on her habits: -1 if she takes either story half of
the time. With other habits luck alone would agree less often than half, and kappa is
nearer to zero. It is a number about agreement *and* habits: tell the table with it.

**A crowd that leans to the left.** Two people who both say "first" to a share of the
pairs without looking, and look at the others, where they always agree. *What happens to
their agreement as they look less, and what to kappa?*
"""


def use(kappa):
    dice = torch.Generator().manual_seed(0)
    better = torch.randint(2, (100_000,), generator=dice)
    print("look at   agree   kappa")
    for share in (1.0, 0.8, 0.6, 0.4, 0.2, 0.05):
        two = [better * (torch.rand(100_000, generator=dice) < share) for _ in range(2)]
        agree = (two[0] == two[1]).double().mean()
        print(f"{share:7.0%}{agree:8.0%}{kappa(*two):8.2f}")


def definition(first, second):
    """From the table of all answers of both, with whole numbers."""
    pairs = list(zip(first.tolist(), second.tolist(), strict=True))
    count, answers = len(pairs), {*first.tolist(), *second.tolist()}
    agree = sum(a == b for a, b in pairs)
    luck = sum(
        sum(a == answer for a, _ in pairs) * sum(b == answer for _, b in pairs)
        for answer in answers
    )
    if luck == count**2:
        raise ValueError("nothing")
    return (agree * count - luck) / (count**2 - luck)


LUCK, MANY = "luck is taken off, whatever the habits are", "any number of answers"
NOTHING = "where nothing can be said"


def cases(seed):
    generator = torch.Generator().manual_seed(seed)

    def from_table(*rows):
        """Answers of both, so many pairs of each kind, in any order."""
        table = torch.tensor(rows)
        cells = table.nonzero().repeat_interleave(table[table > 0], dim=0)
        order = torch.randperm(len(cells), generator=generator)
        return tuple(column.contiguous() for column in cells[order].T)

    yield Case((torch.tensor([0, 1, 0, 1]), torch.tensor([0, 1, 0, 0])), LUCK)
    yield Case((torch.tensor([0, 1, 1]), torch.tensor([0, 1, 1])), LUCK)
    yield Case((torch.tensor([0, 1, 1]), torch.tensor([1, 0, 0])), LUCK)
    words = "two people whose answers have nothing to do with each other,"
    yield Case(from_table((36, 12), (12, 4)), LUCK, words)
    yield Case(from_table((6, 6), (2, 2)), LUCK, words)
    words = "80 of 100 alike, both with nine firsts in ten,"
    yield Case(from_table((80, 10), (10, 0)), LUCK, words)
    words = "two people of other habits"
    yield Case(from_table((20, 30), (2, 48)), LUCK, words)
    words = "the table of the task"
    yield Case(from_table((40, 10, 0), (10, 20, 0), (0, 10, 10)), MANY, words)
    random = torch.randint(5, (2, 60), generator=generator)
    random[1, ::2] = random[0, ::2]
    yield Case(tuple(random.unbind()), MANY, "five answers")
    yield Case((random[0] * 7 - 3, random[1] * 7 - 3), MANY, "answers from -3 to 25")
    yield Case(from_table((0, 0, 0), (3, 5, 0), (0, 0, 2)), MANY)
    always = torch.full((6,), 1)
    yield Case((always, always.clone()), NOTHING, "always the same answer by both,")
    words = "one who always says the same, and one who does not,"
    yield Case((always, torch.tensor([1, 1, 0, 1, 0, 1])), NOTHING, words)


# What people get wrong


def refuse(first, second):
    if len({*first.tolist(), *second.tolist()}) == 1:
        raise ValueError("nothing")


def shares(x, answers):
    return torch.tensor([(x == k).double().mean() for k in answers])


def wrong(
    luck=lambda one, two: (one * two).sum(),
    scale=lambda agree, luck: (agree - luck) / (1 - luck),
    keep=lambda first, second: first > -100,
):
    """Kappa with one part exchanged."""

    def answer(first, second):
        kept = keep(first, second)
        first, second = first[kept], second[kept]
        answers = sorted({*first.tolist(), *second.tolist()})
        by_luck = luck(shares(first, answers), shares(second, answers)).item()
        agree = (first == second).double().mean().item()
        refuse(first, second)
        return float(scale(agree, by_luck))

    return answer


def half(one, two):
    return torch.tensor(0.5)


def correlation(first, second):
    pair = torch.stack([first, second]).double()
    return torch.corrcoef(pair)[0, 1].item()


def only_zero_and_one(first, second):
    refuse(first, second)
    agree = (first == second).double().mean().item()
    p, q = ((x == 1).double().mean().item() for x in (first, second))
    luck = p * q + (1 - p) * (1 - q)
    return (agree - luck) / (1 - luck)


def never_refuses(value):
    def answer(first, second):
        try:
            return definition(first, second)
        except ValueError:
            return value

    return answer


NOT_KNOWN = (
    "If both always give the same answer, they agree always, and luck would as well. "
    "Neither 0 nor 1 is known then: refuse it."
)
MISTAKES = {
    wrong(scale=lambda agree, luck: agree): "That is the bare agreement. Two people "
    "who do not even look agree on much, if they have the same habits: take off what "
    "luck alone gives.",
    wrong(half): "You took one half for luck. With habits as unequal as nine to one, "
    "luck alone agrees on 82 of 100.",
    wrong(lambda one, two: 1 / torch.tensor(float(len(one)))): "You took all answers "
    "for equally frequent. Luck depends on the habits of the two.",
    wrong(scale=lambda agree, luck: agree - luck): "The difference was not divided by "
    "what it could have been at most, 1 less luck: two who always agree should get 1.",
    wrong(scale=lambda agree, luck: (agree - luck) / max(luck, 1e-9)): "You divided by "
    "luck. Asked is which part of what luck *leaves over* is agreement: divide by 1 "
    "less luck.",
    wrong(scale=lambda agree, luck: agree / luck if luck else 0.0): "You divided "
    "agreement by luck; it should be set against it by a difference.",
    wrong(lambda one, two: ((one + two) / 2).square().sum()): "The habits of the two "
    "were mixed first. That is another coefficient (Scott's pi); here each keeps their "
    "own.",
    wrong(lambda one, two: one.square().sum()): "The first person's shares were "
    "squared. Luck brings together the habits of two people: one's share times the "
    "other's.",
    wrong(lambda one, two: (one * two)[:1].sum()): "By luck they agree on every "
    "answer: sum over all of them, not only over one.",
    wrong(lambda one, two: one.max() * two.max()): "By luck they agree on every "
    "answer, not only on the most frequent: sum over all of them.",
    correlation: "That is the correlation, which takes answers for quantities. They "
    "are names: 2 is no more than 1.",
    only_zero_and_one: "Right for two answers only; a third one, such as equally good, "
    "is taken for one of them.",
    wrong(keep=lambda first, second: (first < 2) & (second < 2)): "Pairs on which one "
    "of the two said something else than first or second are left out. That answer "
    "counts like the others.",
    wrong(scale=lambda agree, luck: max(0.0, (agree - luck) / (1 - luck))): "Kappa may "
    "be negative: two who agree less often than by luck are worse than dice.",
    wrong(scale=lambda agree, luck: 100 * (agree - luck) / (1 - luck)): "",
    never_refuses(0.0): NOT_KNOWN,
    never_refuses(1.0): NOT_KNOWN,
    never_refuses(float("nan")): "Where luck alone agrees always, yours is 0/0, no "
    "number, and it travels on unseen into every mean. Refuse in words.",
    lambda first, second: torch.tensor([definition(first, second)]): "",
}


# Right in other styles


def by_a_table(first, second):
    answers = torch.cat([first, second]).unique(return_inverse=True)[1]
    one, two = answers.chunk(2)
    size = int(answers.max()) + 1
    table = torch.zeros(size, size, dtype=torch.float64)
    table.index_put_((one, two), torch.tensor(1.0).double(), accumulate=True)
    if size == 1:
        raise ValueError("one answer only")
    table /= table.sum()
    luck = table.sum(dim=1) @ table.sum(dim=0)
    return ((table.trace() - luck) / (1 - luck)).item()


def by_all_pairings(first, second):
    """Luck: everybody's answer to any pair, with everybody's to any other."""
    luck = (first[:, None] == second[None, :]).float().mean()
    if luck == 1:
        raise ValueError("luck agrees always")
    agree = (first == second).float().mean()
    return (agree - luck) / (1 - luck)


EXERCISE = Exercise(
    name="kappa",
    title="More than luck",
    kind="implement",
    skill="measure agreement",
    difficulty=2,
    importance=3,
    minutes=15,
    chapter="10, before section 3",
    task=TASK,
    solution=kappa,
    definition=definition,
    cases=cases,
    points={LUCK: 2, MANY: 1, NOTHING: 1},
    proven="1 for those who always agree, 0 for those who do not look, whatever their "
    "habits are,\nwith any number of answers.",
    mistakes=MISTAKES,
    right=(by_a_table, by_all_pairings),
    hints=HINTS,
    after=AFTER,
    use=use,
)
