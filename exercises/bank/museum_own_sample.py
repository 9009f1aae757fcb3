"""Find the fault, a museum: an answer's own reward in its baseline."""

import random

import torch

from exercises import Exercise
from exercises.bank._museum import SCORES, WORLD, ascent_of, curves, detector_cases
from llmlab.checks import Case
from llmlab.policy_gradient import leave_one_out

TASK = r"""
Third room of the museum of faults. Several answers are drawn to each prompt, a
**group**, and the advantage of an answer is its reward less what was to be expected,
the **baseline**. A baseline may be anything that is fixed before the answer is drawn:
the gradient stays what it was, on average.

| rewards of a group | 1 | 0 | 2 | 0.5 |
|---|---|---|---|---|
| mean of the *others* | 0.83 | 1.17 | 0.5 | 1 |
| advantage | 0.17 | −1.17 | 1.5 | −0.5 |

The exhibit stands in half of the code that there is. The cell below trains a policy
with it, in groups of two, and one as it should be, in the world of 31 texts. Each
gradient is the exact mean over all $31 \times 31$ pairs of answers.

**Repair** it: the baseline is the mean of the others in the group. And write a
**detector**: it gets any function of this kind and says whether **an answer's own
reward is ever in its own baseline**. It meets six sick functions and four healthy ones.
The healthy ones know other baselines: none at all, the best of the others, and one that
is too small.

**Run the cell, look at its curves, and predict:** compare the rows of both policies.
After how many updates is the sick one where the other was after 50? And with groups of
one?
"""


def given():
    from exercises.bank.museum_own_sample import show

    def sick(rewards, group):
        groups = rewards.view(-1, group)
        return (groups - groups.mean(dim=1, keepdim=True)).flatten()

    print(show("sick", sick))


def group_advantages(rewards, group):
    """What `sick` should have been: the reward less the mean of the others.

    rewards: (answers,) those to one prompt are neighbours
    group:   how many answers there are to each prompt, at least 2
    returns: (answers,) advantages
    """
    groups = rewards.view(-1, group)
    others = (groups.sum(dim=1, keepdim=True) - groups) / (group - 1)
    return (groups - others).flatten()


def own_in_baseline(f):
    """Whether an answer's own reward ever enters its own baseline.

    f:       a function of rewards and group, as above
    returns: True or False
    """
    for group in (2, 4):
        rewards = torch.linspace(-1, 2, 8).square().roll(3)
        before = f(rewards, group)
        for answer in range(8):
            raised = rewards.clone()
            raised[answer] += 1
            gain = f(raised, group)[answer] - before[answer]
            if abs(gain - 1) > 1e-4:
                return True
    return False


HINTS = (
    """Call the rewards of a group of two $a$ and $b$, and write down the advantage of
the first answer, with the exhibit and as it should be. What is the one of the other?
For the detector: if the baseline does not know of my reward, what does one point more
do to my advantage?""",
    """1. repair: the sum of the group, less the own reward, divided by the number of
   the others; subtract that
2. detector: raise the reward of one answer by one, leave the others as they are
3. its own advantage has to rise by exactly one: whatever is missing went into its
   baseline
4. every answer of every group, one at a time; groups of several sizes""",
    """Kool et al., *Buy 4 REINFORCE Samples, Get a Baseline for Free!* (2019). Liu et
al., *Understanding R1-Zero-Like Training* (2025), on the mean and the deviation of
GRPO. `leave_one_out` and `group_mean` in `llmlab/policy_gradient.py`; `chat_rl.py` of
nanochat has the exhibit.""",
)

AFTER = r"""
**What you predicted.** After 100: in groups of two each step is exactly half as long,
since half of the baseline is the answer itself. In a group of $K$ a step has $1 - 1/K$
of its length, and in a group of one nothing is ever learned.

The direction stays right, and an optimiser that divides by the size of the gradient
hides the fault altogether. Not so for what looks alike: with the *deviation* of the
group, or its median, the own reward bends the direction, too.

**Your repair, in the same world:**
"""


def use(group_advantages, own_in_baseline):
    from exercises.bank.museum_own_sample import show

    print(show("repaired", group_advantages))


def show(name, function):
    functions = {name: function, "as it should be": group_advantages}
    runs = {n: ascent_of(weights_of(f)) for n, f in functions.items()}
    return curves(runs, rate=0.4)


def weights_of(function):
    """What a text's tokens are worth on average, over all partners that it can have."""
    count = len(SCORES)
    pairs = torch.stack([SCORES.repeat_interleave(count), SCORES.repeat(count)], dim=1)
    told = function(pairs.flatten(), 2).view(count, count, 2)[:, :, 0]
    return lambda logits: (told @ WORLD.probabilities(logits))[:, None] * WORLD.mask


# Functions, sick and healthy


def less(baseline):
    """The function with a baseline of groups, (prompts, group) or (prompts, 1)."""

    def f(rewards, group):
        groups = 1.0 * rewards.view(-1, group)
        return (groups - baseline(groups)).flatten()

    return f


def others_of(groups, of):
    """What the others of each answer say, (prompts, group)."""
    columns = range(groups.shape[1])
    several = [groups[:, [k for k in columns if k != own]] for own in columns]
    return torch.stack([of(others) for others in several], dim=1)


def standardised(rewards, group):
    groups = 1.0 * rewards.view(-1, group)
    centred = groups - groups.mean(dim=1, keepdim=True)
    return (centred / (groups.std(dim=1, keepdim=True) + 1e-4)).flatten()


def first_mean(groups):
    """The mean of the others, but for the first answer that of all."""
    found = others_of(groups, lambda others: others.mean(dim=1))
    return torch.cat([groups.mean(dim=1, keepdim=True), found[:, 1:]], dim=1)


own_mean = less(lambda groups: groups.mean(dim=1, keepdim=True))
mean_of_all = less(lambda groups: groups.mean())
best = less(lambda groups: groups.amax(dim=1, keepdim=True))
by_the_first = less(lambda groups: groups[:, :1])
first_alone = less(first_mean)
SICK = own_mean, mean_of_all, standardised, best, by_the_first, first_alone

nothing = less(lambda groups: 0 * groups)
best_other = less(lambda groups: others_of(groups, lambda others: others.amax(dim=1)))
too_small = less(lambda groups: (groups.sum(1, keepdim=True) - groups) / len(groups[0]))
HEALTHY = group_advantages, nothing, best_other, too_small
GROUPS = "every group is compared with itself"
DETECTOR = "the detector is right on six sick and four healthy functions"


def definition(rewards, group):
    advantages = torch.zeros_like(rewards)
    for answer, reward in enumerate(rewards.tolist()):
        first = answer - answer % group
        others = [k for k in range(first, first + group) if k != answer]
        advantages[answer] = reward - sum(float(rewards[k]) for k in others) / (
            group - 1
        )
    return advantages


def cases(seed):
    chance = random.Random(seed)
    yield Case((torch.tensor([1.0, 0.0]), 2))
    yield Case((torch.tensor([1.0, 0.0, 2.0, 0.5]), 4))
    yield Case((torch.tensor([3.0, 3.0, 3.0]), 3), GROUPS)
    yield Case((torch.tensor([1.0, 0.0, 5.0, 7.0]), 2), GROUPS)
    several = torch.tensor([round(chance.uniform(-3, 3), 2) for _ in range(12)])
    for group in (2, 3, 6):
        yield Case((several, group), GROUPS, f"twelve answers in groups of {group}")
    yield from detector_cases(seed, DETECTOR, SICK, HEALTHY)


# What people get wrong


TOLD = torch.tensor([1.0, 0.3, -2.0, 0.7, 2.5, 0.1, 0.9, -0.4])


def raises(answers=range(8), fault=lambda gain: (gain - 1).abs() > 1e-4):
    """The detector, for some of the answers, or with another idea of a fault."""

    def detector(f):
        raised, before = TOLD + torch.eye(8), f(TOLD, 4)
        gains = [f(raised[k], 4)[k] - before[k] for k in answers]
        return any(bool(fault(gain)) for gain in gains)

    return detector


def equal_rewards(f):
    return bool((f(torch.ones(8), 4).abs() > 1e-4).any())


def unlike_mine(f):
    return not torch.allclose(f(TOLD, 4), group_advantages(TOLD, 4), atol=1e-4)


def interleaved(rewards, group):
    return group_advantages(rewards.view(group, -1).T.flatten(), group)


def over_the_batch(rewards, group):
    return group_advantages(rewards, len(rewards))


def repair(f):
    return f, own_in_baseline


def detector(f):
    return group_advantages, f


MISTAKES = {
    repair(own_mean): "The repair still counts an answer's own reward in the mean that "
    "it is compared with.",
    repair(over_the_batch): "The repair compares with all others of the batch. Only "
    "those to the same prompt tell what was to be expected of it.",
    repair(too_small): "The repair leaves the own reward out of the sum and still "
    "divides by the whole group.",
    repair(lambda r, group: r - group_advantages(r, group)): "The repair returns the "
    "baseline. The advantage is the reward less that.",
    repair(interleaved): "The repair takes every so-manyth answer for a group. The "
    "answers to one prompt are neighbours.",
    detector(lambda f: True): "Your detector says the same of all functions. Raise one "
    "reward, and see what becomes of that answer's advantage.",
    detector(raises(answers=(7,))): "Your detector misses a function that is wrong for "
    "one answer of a group only: raise each of them in turn.",
    detector(equal_rewards): "Your detector gives equal rewards. Most baselines, sick "
    "or healthy, make zeros of them: raise a single one.",
    detector(raises(fault=lambda gain: gain <= 1e-4)): "Your detector wants the "
    "advantage to rise. It has to rise by as much as the reward did: what is missing "
    "has gone into the baseline.",
    detector(unlike_mine): "Your detector calls a healthy function sick that has "
    "another baseline than yours, one that knows nothing of the answer.",
}


# Right in other styles


def stretched(rewards, group):
    return own_mean(rewards, group) * (group / (group - 1))


EXERCISE = Exercise(
    name="museum_own_sample",
    title="Museum of faults, room 3: compared with oneself",
    kind="find the fault",
    skill="test a baseline",
    difficulty=3,
    importance=4,
    minutes=20,
    chapter="09, after section 4",
    task=TASK,
    given=given,
    solution=(group_advantages, own_in_baseline),
    definition=(definition, lambda f: f in SICK),
    cases=cases,
    points={"compared with the mean of the others": 1, GROUPS: 1, DETECTOR: 2},
    proven="Nobody is compared with himself, and your detector is right on six sick "
    "functions\nand four healthy ones.",
    mistakes=MISTAKES,
    right=((stretched, raises()), (lambda r, n: r - leave_one_out(r, n), raises())),
    hints=HINTS,
    after=AFTER,
    use=use,
    library=("llmlab.policy_gradient.leave_one_out",),
)
