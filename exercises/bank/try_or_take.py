"""Try, or take the best? A bandit that forgets."""

import math

import torch

from exercises import Exercise
from llmlab.checks import Case

TASK = r"""
A page has room for one article. Of each article you know how often it was shown, and
how many clicks it earned. Show the one with the best rate? Then an article that was
unlucky once is never shown again, and nobody will know. Show all of them equally often?
Then most of the clicks are given away. A **bandit** takes the rate and adds a premium
on what it knows little about:

$$\frac{s_a}{n_a} + b \sqrt{\frac{\ln N}{n_a}}$$

with $n_a$ how often article $a$ was shown, $s_a$ what it earned, $N$ the sum of all
$n_a$, and $b$ the boldness. What was never shown comes first.

And readers change. So what is long ago shall count less: at every visit **all** counts
and all sums are first multiplied by `keep`; then the article that was shown gets 1 more
and what it earned, in full.

| keep 0.9 | article 0 | article 1 | article 2 |
|---|---|---|---|
| counts, sums before | 10, 4 | 2, 1 | 0, 0 |
| after article 1 earned 1 | 9, 3.6 | 2.8, 1.9 | 0, 0 |
| premium with b = 0.5 | 0.26 | 0.47 | comes first |

**Before you start, predict:** an article has not been shown for a hundred visits. What
has become of its rate, and what of its premium?
"""


def remember(counts, sums, article, reward, keep):
    """What is known after one more visit.

    counts, sums: (articles,) float32, how often each was shown and what it earned,
                  long ago counting less
    article:      number of the article that was shown
    reward:       what it earned, from 0 to 1
    keep:         a number from 0 to 1, what is left of the weight of all earlier visits
    returns:      counts and sums after it, two new tensors
    """
    shown = torch.zeros_like(counts)
    shown[article] = 1.0
    return keep * counts + shown, keep * sums + reward * shown


def choose(counts, sums, boldness):
    """Which article is shown next.

    counts, sums: (articles,) float32, as `remember` returns them
    boldness:     a number, 0 or more
    returns:      the number of an article, an int: the first that was never shown, if
                  there is one; otherwise the one with the largest rate plus premium,
                  the first of several
    """
    never = (counts == 0).nonzero().flatten().tolist()
    if never:
        return never[0]
    premium = boldness * (counts.sum().log() / counts).clamp(min=0).sqrt()
    return int((sums / counts + premium).argmax())


HINTS = (
    """Take the table's last row and do it with a pencil. Whose count stands under the
root, and whose count is in the logarithm?""",
    """1. remember: multiply all counts and all sums by keep, as new tensors
2. add 1 to the count of the article that was shown, its reward to the sum
3. choose: is there a count of 0? Its number, and nothing else matters
4. rates: sums by counts; premium: boldness times the root of (log of all counts
   together, by the article's own count). If the sum of the counts is below 1 the
   logarithm is negative: take 0
5. argmax of their sum, as an int""",
    """Auer, Cesa-Bianchi and Fischer, *Finite-time Analysis of the Multiarmed Bandit
Problem* (2002); Garivier and Moulines, *On Upper-Confidence Bound Policies for
Switching Bandit Problems* (2011), on forgetting. Chapter 16, sections 6 and 7.""",
)

AFTER = """
**What you predicted.** The rate stays as it was: count and sum shrink alike. The
premium grows, since the count has become small. So what has not been tried for long is
tried again, by itself.

**Your bandit with twenty readers.** Five articles; after 300 visits the best and the
worst change places. Beside it one that always takes the best rate, and one that draws
an article on every tenth visit. *Who regrets least after the change?*
"""


def use(remember, choose):
    def regret(boldness, keep, blind, seed):
        dice = torch.Generator().manual_seed(seed)
        chances = torch.rand(5, generator=dice)
        counts, sums, found = torch.zeros(5), torch.zeros(5), [0.0, 0.0]
        for visit in range(600):
            if visit == 300:
                places = chances.argsort()
                chances[places[[0, -1]]] = chances[places[[-1, 0]]]
            lot, luck = torch.rand(2, generator=dice).tolist()
            article = choose(counts, sums, boldness)
            if lot < blind:
                article = int(torch.randint(5, (1,), generator=dice))
            found[visit // 300] += float(chances.max() - chances[article])
            reward = float(luck < chances[article])
            counts, sums = remember(counts, sums, article, reward, keep)
        return found

    for name, settings in {
        "always the best rate": (0.0, 1.0, 0.0),
        "one in ten by lot": (0.0, 1.0, 0.1),
        "your bandit, keeps all": (0.3, 1.0, 0.0),
        "your bandit, forgets": (0.3, 0.98, 0.0),
    }.items():
        total = torch.tensor([regret(*settings, seed) for seed in range(20)])
        first, second = total.mean(dim=0).tolist()
        print(f"{name:24} regret {first:5.1f}, after the change {second:5.1f}")


def remember_slowly(counts, sums, article, reward, keep):
    """Article by article."""
    pairs = zip(counts.tolist(), sums.tolist(), strict=True)
    found = [
        (keep * n + (number == article), keep * s + reward * (number == article))
        for number, (n, s) in enumerate(pairs)
    ]
    return tuple(
        torch.tensor(each, dtype=torch.float32) for each in zip(*found, strict=True)
    )


def choose_slowly(counts, sums, boldness):
    """Article by article; the first of the largest."""
    best, largest, total = 0, -math.inf, sum(counts.tolist())
    for number, (n, s) in enumerate(zip(counts.tolist(), sums.tolist(), strict=True)):
        if n == 0:
            return number
        value = s / n + boldness * math.sqrt(max(math.log(total), 0) / n)
        if value > largest + 1e-6:
            best, largest = number, value
    return best


FORGETS, TRIES = "all of the past fades", "what is little known gets its premium"
NEVER = "what was never shown comes first"


def cases(seed):
    dice = torch.Generator().manual_seed(seed)
    counts, sums = torch.tensor([10.0, 2.0, 0.0]), torch.tensor([4.0, 1.0, 0.0])
    yield Case((counts, sums, 1, 1.0, 1.0), FORGETS)
    yield Case((counts, sums, 1, 1.0, 0.9), FORGETS)
    for _ in range(3):
        n = 1 + 20 * torch.rand(4, generator=dice)
        s = n * torch.rand(4, generator=dice)
        number = int(torch.randint(4, (1,), generator=dice))
        yield Case((n, s, number, 0.25, 0.8), FORGETS)
    for boldness in (0.0, 1.0):
        yield Case((counts, sums, boldness), NEVER, of=1)
    yield Case((torch.zeros(3), torch.zeros(3), 0.5), NEVER, of=1)
    known = torch.tensor([10.0, 2.0]), torch.tensor([6.0, 1.0])
    for boldness in (0.0, 0.1, 0.5):
        yield Case((*known, boldness), TRIES, of=1)
    yield Case((torch.tensor([8.0, 7.0]), torch.tensor([4.0, 3.4]), 0.5), TRIES, of=1)
    few = torch.tensor([0.3, 0.2]), torch.tensor([0.1, 0.1])
    yield Case((*few, 1.0), TRIES, "counts that sum to less than 1", of=1)
    for _ in range(12):
        n = 1 + 20 * torch.rand(5, generator=dice)
        s = n * torch.rand(5, generator=dice)
        yield Case((n, s, 0.6), TRIES, of=1)


# What people get wrong


def kept(counts_of, sums_of):
    """Another memory: of all, and of the article that was shown."""

    def answer(counts, sums, article, reward, keep):
        shown = torch.zeros_like(counts)
        shown[article] = 1.0
        return counts_of(counts, shown, keep), sums_of(
            sums, reward * shown, keep, shown
        )

    return answer, choose


def fade(old, new, keep, *_):
    return keep * old + new


def chosen(value, untried=True):
    """Another choice; `value` is of rates, counts and boldness."""

    def answer(counts, sums, boldness):
        if untried and (counts == 0).any():
            return int((counts == 0).nonzero()[0])
        rates = sums / counts.clamp(min=1e-9)
        return int(value(rates, counts, boldness).argmax())

    return remember, answer


def premium(rates, counts, boldness):
    return rates + boldness * (counts.sum().log() / counts).clamp(min=0).sqrt()


NO_FADE = "Nothing fades: what was a hundred visits ago counts as today does. Multiply "
NO_FADE += "all counts and all sums by keep first."
MISTAKES = {
    kept(lambda n, new, keep: n + new, lambda s, new, keep, _: s + new): NO_FADE,
    kept(fade, lambda s, new, keep, _: s + new): "The counts fade and the sums do not, "
    "so rates grow by themselves, above 1 in the end. Both fade alike.",
    kept(lambda n, new, keep: n + new, fade): "The sums fade and the counts do not: an "
    "article that is not shown seems to get worse. Both fade alike.",
    kept(
        lambda n, new, keep: torch.where(new > 0, keep * n + new, n),
        lambda s, new, keep, shown: torch.where(shown > 0, keep * s + new, s),
    ): "Only the article that was shown forgets. The others get old as well, and it is "
    "that which makes them worth another try.",
    kept(
        lambda n, new, keep: keep * (n + new),
        lambda s, new, keep, _: keep * (s + new),
    ): "The new visit fades at once. First all that was before is multiplied by keep, "
    "then the new one is added in full.",
    kept(fade, lambda s, new, keep, _: keep * s + (1 - keep) * new): "The reward is "
    "weighted with one minus keep, as in a moving average. Here it is added in full, "
    "and the count by 1.",
    chosen(lambda rates, counts, b: rates): "You take the best rate and never try. An "
    "article that had bad luck once is never shown again, whatever the boldness.",
    chosen(
        lambda rates, counts, b: premium(rates, counts.clamp(min=1), b), untried=False
    ): "An article that was never shown has no rate, and "
    "what you put in its place decides. It comes first.",
    chosen(lambda rates, counts, b: rates + b * (1 / counts).sqrt()): "The logarithm "
    "of all visits is missing: as time goes on, what is little known should be tried "
    "again, and without it the premium only falls.",
    chosen(
        lambda rates, counts, b: rates + b * counts.sum().log().clamp(min=0) / counts
    ): (
        "The root is missing. A mean of four times as many visits is twice as certain."
    ),
    chosen(
        lambda rates, counts, b: rates + b * (counts.log().clamp(min=0) / counts).sqrt()
    ): (
        "In the logarithm stands the article's own count. It is that of all articles "
        "together."
    ),
    chosen(lambda rates, counts, b: 2 * rates - premium(rates, counts, b)): "The "
    "premium is subtracted: what is little known is avoided. That is caution, and it "
    "never finds out.",
    chosen(lambda rates, counts, b: premium(rates * counts, counts, b)): "You compare "
    "what was earned in all, so whatever was shown often wins. Divide by the counts.",
    (
        remember,
        lambda counts, sums, boldness: torch.tensor(choose(counts, sums, boldness)) + 1,
    ): (""),
}


# Right in other styles


def in_a_list(counts, sums, article, reward, keep):
    counts, sums = (
        [keep * n for n in counts.tolist()],
        [keep * s for s in sums.tolist()],
    )
    counts[article] += 1
    sums[article] += reward
    return torch.tensor(counts), torch.tensor(sums)


def with_infinity(counts, sums, boldness):
    value = premium(sums / counts.clamp(min=1e-9), counts, boldness)
    return value.masked_fill(counts == 0, math.inf).argmax()


EXERCISE = Exercise(
    name="try_or_take",
    title="Try, or take the best?",
    kind="implement",
    skill="explore and forget",
    difficulty=3,
    importance=4,
    minutes=20,
    chapter="16, before section 7",
    task=TASK,
    solution=(remember, choose),
    definition=(remember_slowly, choose_slowly),
    cases=cases,
    points={FORGETS: 1, NEVER: 1, TRIES: 1},
    proven="What is old fades, what was never shown comes first, and doubt has its "
    "price.",
    mistakes=MISTAKES,
    right=((in_a_list, with_infinity),),
    hints=HINTS,
    after=AFTER,
    use=use,
)
