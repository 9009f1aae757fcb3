"""What would the other list have earned? Inverse propensity."""

import itertools

import torch

from exercises import Exercise
from llmlab.checks import Case

TASK = r"""
Yesterday's recommender drew each article with a known probability, and kept it in the
log: its **propensity** $\mu$. Today somebody has a new recommender, which would have
drawn the same article with probability $\pi$. How many clicks would it have had
yesterday? It was not there, and no reader comes back to try.

But each visit of the log can stand for more than itself. What the old one showed half
as often as the new one would have counts double; what the new one would never show
counts nothing:

$$\frac1n \sum_i \frac{\pi(a_i)}{\mu(a_i)}\, r_i$$

| visit | shown | reward $r$ | old $\mu$ | new $\pi$ | $r \pi / \mu$ |
|---|---|---|---|---|---|
| 1 | ghost | 1 | 0.25 | 0.50 | 2 |
| 2 | bargain | 1 | 0.50 | 0.10 | 0.2 |
| 3 | bargain | 0 | 0.50 | 0.10 | 0 |

The log has 2 clicks of 3. The new one would have had (2 + 0.2 + 0) / 3 = 0.73.

The weights may be large, and then the estimate is noisy; but on average it is exactly
right. It is so only if the old recommender *could* have shown whatever the new one
would. A logged propensity of 0, or below it, or above 1, cannot be: what was shown had
a chance. Raise a `ValueError` then, and do not invent a number.

**Before you start, predict:** a greedy recommender shows one article with probability
1. What does its log say about any other?
"""


def other_list(rewards, old, new):
    """What another recommender would have earned on a visit, told from a log.

    rewards: (visits,) float32, what the article earned that was shown
    old:     (visits,) float32, the probability with which it was shown
    new:     (visits,) float32, the probability with which the other would have
             shown it; may be 0
    returns: a number, the mean reward expected of the other

    Raises ValueError: a probability in `old` is not above 0, or is above 1.
    """
    if not ((old > 0) & (old <= 1)).all():
        raise ValueError("what was shown had a probability above 0, at most 1")
    return (rewards * new / old).mean().item()


HINTS = (
    """If the old one showed an article on 10 of 100 visits and the new one would on
30, for how many visits does each of the ten stand?""",
    """1. look at the old probabilities first: is any of them not above 0, or above 1?
2. weights: new by old
3. multiply with the rewards; the mean over *all* visits, those with weight 0 too""",
    """Horvitz and Thompson (1952), on samples drawn with unequal chances. Bottou et
al., *Counterfactual Reasoning and Learning Systems* (2013), on advertisements. It is
the ratio of chapter 12, without the clip.""",
)

AFTER = """
**What you predicted.** Nothing at all. Its log has one article in it. Whoever wants to
know later what else would have pleased must draw, and keep the probabilities: exploring
is what makes a log worth something.

**Your function, with every log that could have been.** Three articles, two visits: all
logs with all clicks, each with its probability. *Will the mean be exact? And if large
weights are cut off at 2, as is often done?*
"""


def use(other_list):
    chances = torch.tensor([0.2, 0.5, 0.9])  # of a click
    old, new = torch.tensor([0.6, 0.3, 0.1]), torch.tensor([0.1, 0.2, 0.7])
    print(f"the truth          {(new * chances).sum():.4f}")
    for name, most in {"your function": 1e9, "weights cut at 2": 2.0}.items():
        mean = square = 0.0
        for shown in itertools.product(range(3), repeat=2):
            for clicks in itertools.product((0.0, 1.0), repeat=2):
                at, r = torch.tensor(shown), torch.tensor(clicks)
                luck = torch.where(r == 1, chances[at], 1 - chances[at])
                share = (old[at] * luck).prod().item()
                cut = torch.minimum(new[at], most * old[at])
                told = other_list(r, old[at], cut)
                mean, square = mean + share * told, square + share * told**2
        print(f"{name:18} {mean:.4f}, variance {square - mean**2:.3f}")


def definition(rewards, old, new):
    """Visit by visit."""
    total = 0.0
    for r, mu, pi in zip(rewards.tolist(), old.tolist(), new.tolist(), strict=True):
        if not 0 < mu <= 1:
            raise ValueError("no propensity")
        total += r * pi / mu
    return total / len(rewards)


WEIGHED, REFUSED = "each visit stands for as many as it should", "no chance, no number"


def cases(seed):
    dice = torch.Generator().manual_seed(seed)
    rewards = torch.tensor([1.0, 1.0, 0.0])
    old, new = torch.tensor([0.25, 0.5, 0.5]), torch.tensor([0.5, 0.1, 0.1])
    yield Case((rewards, old, new))
    yield Case((rewards, old, torch.tensor([0.0, 0.1, 0.1])))
    yield Case((torch.tensor([1.0]), torch.tensor([0.01]), torch.tensor([0.9])))
    for count in (4, 20):
        drawn = torch.rand(3, count, generator=dice)
        words = f"a log of {count} visits with ratings from 0 to 1"
        yield Case((drawn[0], 0.02 + 0.9 * drawn[1], drawn[2]), WEIGHED, words)
    for number, other in ((0.0, 0.3), (0.0, 0.0), (-0.2, 0.3), (1.5, 0.3)):
        pair = torch.tensor([number, 0.5]), torch.tensor([other, 0.3])
        yield Case((rewards[:2], *pair), REFUSED)


# What people get wrong


def wrong(told, refuses=True):
    def answer(rewards, old, new):
        if refuses and not ((old > 0) & (old <= 1)).all():
            raise ValueError
        return float(told(rewards, old, new))

    return answer


def some(rewards, old, new):
    use = new > 0
    return (rewards * new / old)[use].mean() if use.any() else 0.0


MISTAKES = {
    wrong(lambda r, old, new: r.mean()): "That is what the old recommender earned. The "
    "propensities are not used: the log shows what *it* liked to show.",
    wrong(lambda r, old, new: (r * old / new.clamp(min=1e-9)).mean()): "The ratio is "
    "upside down. What the new one would show more often should count more.",
    wrong(lambda r, old, new: (r / old).mean()): "The new one's probabilities are "
    "missing: that is what all articles together would earn, each shown once.",
    wrong(lambda r, old, new: (r * new).mean()): "The old one's probabilities are "
    "missing: what it showed often is in the log often, and counts too much.",
    wrong(lambda r, old, new: (r * (new / old).clamp(max=1)).mean()): "The weights are "
    "cut off at 1. That makes it quieter, and too small: rare articles that the new "
    "one loves count too little. Whoever cuts must say so; here nothing is cut.",
    wrong(lambda r, old, new: (r * (new / old).clamp(max=10)).mean()): "The weights "
    "are cut off at 10. That makes it quieter, and wrong on average. Whoever cuts must "
    "say so; here nothing is cut.",
    wrong(
        lambda r, old, new: (r * new / old).sum() / (new / old).sum().clamp(min=1e-9)
    ): (
        "You divided by the sum of the weights. That is quieter and never above the "
        "largest reward, but it is not right on average. Divide by how many visits "
        "there are."
    ),
    wrong(some): "Visits with weight 0 were left out of the mean. They stand for "
    "visits on which the new one shows something else: divide by all.",
    wrong(lambda r, old, new: (r * new / old).sum()): "That is the sum over visits. "
    "Asked for is the mean.",
    wrong(lambda r, old, new: (r * new).mean() / old.mean()): "The ratio of two means "
    "is not the mean of the ratios: weigh visit by visit.",
    wrong(
        lambda r, old, new: (r * new / old.clamp(min=1e-3)).mean(), refuses=False
    ): "Where the log says that what was shown had no chance, or more than a sure one, "
    "you tell a number all the same. Nothing can be said then: raise the error.",
    wrong(lambda r, old, new: (r * (new > 0.5)).mean()): "",
}


# Right in other styles


def as_ratio_of_logs(rewards, old, new):
    if (old <= 0).any() or (old > 1).any():
        raise ValueError("no propensity")
    return float(rewards @ (new.log() - old.log()).exp() / len(rewards))


EXERCISE = Exercise(
    name="other_list",
    title="What would the other list have earned?",
    kind="implement",
    skill="evaluate from a log",
    difficulty=4,
    importance=3,
    minutes=25,
    chapter="16, after section 6",
    task=TASK,
    solution=other_list,
    definition=definition,
    cases=cases,
    points={WEIGHED: 2, REFUSED: 1},
    proven="What another list would have earned is told from the log, right on "
    "average, and\nnothing is told where the log cannot know.",
    mistakes=MISTAKES,
    right=(as_ratio_of_logs,),
    hints=HINTS,
    after=AFTER,
    use=use,
)
