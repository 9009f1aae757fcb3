"""Find the fault: a baseline with the answer's own reward in it."""

import random

import torch

from exercises import Exercise
from llmlab import policy_gradient
from llmlab.checks import Case
from llmlab.exact import World

TASK = r"""
Whether a reward of 4 is good depends on what was to be expected. So a **baseline** is
subtracted from each reward, and what is left, the **advantage**, multiplies the score
of the answer. Any number will do that does not depend on the answer itself: it changes
the noise of the gradient and not its mean. Where a prompt gets several answers, the
others are at hand:

| rewards of one prompt | 1 | 0 | 2 |
|---|---|---|---|
| mean of the **others** | 1 | 1.5 | 0.5 |
| advantage | 0 | -1.5 | +1.5 |

The function `sick` below stood in published code: it takes the mean of *all* answers.
But then an answer that is paid more raises the bar for itself.

**Repair** it. And write a **detector**: it gets a function that turns rewards into
advantages, and says whether the baseline is **unfair**, that is, whether what is
subtracted from an answer's reward ever depends on that reward. It meets six sick
functions and four healthy ones, some of which are odd in other ways: they subtract too
little, or listen to the wrong answers.

**Before you start, predict:** with two answers a prompt, how long is the gradient of
`sick` on average, compared with the right one?
"""


def given():
    def sick(rewards):
        """(prompts, answers) rewards to as many advantages."""
        return rewards - rewards.mean(dim=1, keepdim=True)


def repaired(rewards):
    """What `sick` should have been: rewards less the mean of the others.

    rewards: (prompts, answers), of the answers to each prompt, at least two
    returns: (prompts, answers), the advantages
    """
    others = rewards.sum(dim=1, keepdim=True) - rewards
    return rewards - others / (rewards.shape[1] - 1)


def is_unfair(advantages):
    """Whether an answer's baseline ever depends on the answer's own reward.

    advantages: a function of rewards, (prompts, answers) float32, as above; it works
                for three prompts or more, and four answers or more
    returns:    True or False
    """
    generator = torch.Generator().manual_seed(0)
    rewards = torch.randn(3, 5, generator=generator)
    before = rewards - advantages(rewards)
    for place in range(rewards.numel()):
        for change in (-4.0, 0.3, 4.0):
            other = rewards.clone()
            other.view(-1)[place] += change
            after = other - advantages(other)
            if (after - before).view(-1)[place].abs() > 1e-4:
                return True
    return False


HINTS = (
    """For the repair: how do you get the sum of the others from the sum of all? For the
detector: the baseline is what was subtracted, so you can work it out from what went in
and what came out. What may it not react to?""",
    """1. others: the sum of a row less the answer itself, divided by how many others
   there are
2. detector: rewards less advantages is the baseline of each answer
3. change one reward, and only one; the baseline *of that answer* must stay, whatever
   happens to those of the others
4. each place in turn, by a little and by much, up and down""",
    """Kool, van Hoof and Welling, *Buy 4 REINFORCE Samples, Get a Baseline for Free!*
(2019); Ahmadian et al., *Back to Basics* (2024). `leave_one_out` in
`llmlab/policy_gradient.py`.""",
)

AFTER = """
**What you predicted.** Half as long. With K answers it is 1 - 1/K of the right length
and points the same way, so a larger rate makes up for it, as long as every group has
the same size. Other baselines that know the answer itself, such as one that divides by
the spread, turn the gradient.

**Counted in a world of seven texts**, over all pairs of answers that can be drawn: the
length of the mean, compared with the exact gradient's, and the variance. *Which of the
three is right on average, and which is the quietest of the right ones?*
"""


def use(repaired):
    world, dice = World(time=2), torch.Generator().manual_seed(3)
    logits = world.random_logits(dice)
    rewards = 2 + torch.randn(7, generator=dice, dtype=torch.float64)
    ones = world.mask.double()
    scores = world.estimates(logits, ones)
    exact = world.gradient(logits, rewards).flatten()
    pairs = torch.cartesian_prod(torch.arange(7), torch.arange(7))
    often = world.probabilities(logits)[pairs].prod(dim=1)
    kinds = {
        "no baseline": lambda rewards: rewards,
        "mean of all": lambda rewards: rewards - rewards.mean(dim=1, keepdim=True),
        "mean of the others": repaired,
    }
    for name, advantages in kinds.items():
        weighed = advantages(rewards[pairs])[..., None] * scores[pairs]
        reports = weighed.mean(dim=1)
        mean = often @ reports
        noise = often @ (reports - mean).square().sum(dim=1)
        length = mean @ exact / (exact @ exact)
        print(f"{name:19} length {length:.3f}   variance {noise:.2f}")


# Functions that a detector meets


def others_in_order(rewards):
    """For each answer the others, sorted, (prompts, answers, answers - 1)."""
    count = rewards.shape[1]
    rest = [[k for k in range(count) if k != own] for own in range(count)]
    return rewards[:, torch.tensor(rest)].sort(dim=-1).values


def by_the_spread(rewards):
    return repaired(rewards) / (others_in_order(rewards).std(dim=-1) + 1)


def own_mean(rewards, where=slice(None)):
    """Sick in these places, right elsewhere."""
    found = repaired(rewards)
    found[where] = (rewards - rewards.mean(dim=1, keepdim=True))[where]
    return found


SICK = (
    own_mean,
    lambda rewards: rewards - rewards.mean(),
    lambda rewards: repaired(rewards).clamp(-3, 3),
    by_the_spread,
    lambda rewards: own_mean(rewards, (slice(None), -1)),
    lambda rewards: own_mean(rewards, -1),
)
HEALTHY = (
    repaired,
    lambda rewards: rewards - 0.5,
    lambda rewards: rewards - others_in_order(rewards)[..., -1],
    lambda rewards: rewards - rewards.mean(dim=1).roll(1)[:, None],
)
DETECTOR = "the detector is right on six sick and four healthy functions"


def repaired_slowly(rewards):
    found = torch.empty_like(rewards)
    for row, several in enumerate(rewards.tolist()):
        for own, reward in enumerate(several):
            rest = several[:own] + several[own + 1 :]
            found[row, own] = reward - sum(rest) / len(rest)
    return found


def definition(advantages):
    return advantages in SICK


def cases(seed):
    chance = random.Random(seed)
    generator = torch.Generator().manual_seed(seed)
    yield Case((torch.tensor([[1.0, 0.0]]),))
    yield Case((torch.tensor([[1.0, 0.0, 2.0]]),))
    several = torch.randn(3, 4, generator=generator).round(decimals=1)
    yield Case((several + torch.tensor([[0.0], [5.0], [-5.0]]),))
    yield Case((torch.full((2, 4), 3.0),), words="prompts whose answers are all alike,")
    functions = [*SICK, *HEALTHY]
    chance.shuffle(functions)
    for function in functions:
        kind = "sick" if function in SICK else "healthy"
        yield Case((function,), DETECTOR, f"one of the {kind} functions", of=1)


# What people get wrong


def detector(places=range(15), changes=(-4.0, 0.3, 4.0), moved=None, seed=5):
    """The detector, which changes less, or watches all that may have moved."""

    def answer(advantages):
        rewards = torch.randn(3, 5, generator=torch.Generator().manual_seed(seed))
        before = rewards - advantages(rewards)
        for place in places:
            for change in changes:
                other = rewards.clone()
                other.view(-1)[place] += change
                gap = (other - advantages(other) - before).view(-1).abs()
                if gap[place if moved is None else moved].max() > 1e-4:
                    return True
        return False

    return repaired, answer


def once(gap):
    """A detector that looks once, at what should be zero of a function."""
    rewards = torch.randn(3, 5, generator=torch.Generator().manual_seed(1))
    return repaired, lambda f: bool(gap(f, rewards).abs().max() > 1e-4)


def unlike(change):
    return change, is_unfair


def standardised(r):
    return (r - r.mean(1, keepdim=True)) / (r.std(1, keepdim=True) + 1e-4)


MISSES = "Your detector misses a function that "
MISTAKES = {
    unlike(own_mean): "An answer's own reward is still in the mean that is subtracted "
    "from it: the better it is, the higher its bar.",
    unlike(lambda r: r - (r.sum(1, keepdim=True) - r) / r.shape[1]): "The sum of the "
    "others was divided by the number of all answers. The others are one fewer.",
    unlike(lambda r: r - (r.sum() - r) / (r.numel() - 1)): "The others are taken from "
    "all prompts. Rewards of an easy prompt say nothing about a hard one.",
    unlike(lambda r: r - (r.sum(0, keepdim=True) - r) / max(len(r) - 1, 1)): "You "
    "went down the columns, over answers to different prompts. The answers to one "
    "prompt stand side by side.",
    unlike(standardised): "The advantages were divided by the spread of the group, "
    "which an answer is part of. Subtract, and do no more.",
    unlike(lambda r: -repaired(r)): "The sign is wrong: the advantage of an answer "
    "that was paid more than the others is positive.",
    unlike(lambda r: r - repaired(r)): "That is the baseline. The advantage is the "
    "reward less that.",
    unlike(lambda r: r - r.median(1, keepdim=True).values): "",
    (repaired, lambda f: True): "Your detector says the same of all functions. Work "
    "out the baseline, change one reward, and look at that answer's baseline.",
    detector(moved=slice(None)): "Your detector calls a healthy function sick. When a "
    "reward changes, the baselines of the *other* answers may move; only that answer's "
    "own may not.",
    detector(places=range(4)): MISSES + "is sick in one place only: change each answer "
    "of each prompt in turn.",
    detector(places=(4, 9)): MISSES + "is sick in one prompt only: change answers of "
    "every prompt.",
    detector(changes=(0.1,), seed=1): MISSES + "holds large advantages within bounds: "
    "change rewards by much, too, up and down.",
    once(lambda f, r: f(r + 1) - f(r)): "All rewards were changed at once, so the "
    "others moved as well, as they may. Change one at a time.",
    once(lambda f, r: f(r).sum(dim=1)): "That advantages sum to zero says nothing: a "
    "fair baseline need not do so, and an unfair one may.",
    once(lambda f, r: f(r) - repaired(r)): "Your detector calls all sick that is not "
    "the mean of the others. Other baselines are fair as well, if they do not know the "
    "answer itself.",
}


# Right in other styles


def by_the_mean(rewards):
    count = rewards.shape[1]
    return (rewards - rewards.mean(dim=1, keepdim=True)) * (count / (count - 1))


def of_the_library(rewards):
    expected = policy_gradient.leave_one_out(rewards.flatten(), rewards.shape[1])
    return rewards - expected.view_as(rewards)


EXERCISE = Exercise(
    name="leave_one_out",
    title="A baseline that is fair",
    kind="find the fault",
    skill="choose a baseline",
    difficulty=3,
    importance=4,
    minutes=25,
    chapter="09, after baselines",
    task=TASK,
    given=given,
    solution=(repaired, is_unfair),
    definition=(repaired_slowly, definition),
    cases=cases,
    points={"the mean of the others is subtracted": 1, DETECTOR: 2},
    proven="No answer raises its own bar, and your detector is right on six sick "
    "functions and\nfour healthy ones.",
    mistakes=MISTAKES,
    right=((by_the_mean, detector()[1]), (of_the_library, detector(seed=8)[1])),
    hints=HINTS,
    after=AFTER,
    use=use,
    library=("llmlab.policy_gradient.leave_one_out",),
)
