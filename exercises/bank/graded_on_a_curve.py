"""Find the fault: answers graded on a curve, and on whose."""

import random

import torch

from exercises import Exercise
from exercises.bank._museum import detector_cases
from llmlab.checks import Case
from llmlab.policy_gradient import standardised

TASK = r"""
GRPO grades on a curve: of several answers to one prompt, a **group**, each gets

$$\frac{\text{score} - \text{mean}}{\text{deviation} + 0.0001}$$

with mean and deviation *of its own group* (the deviation by $n - 1$, as in `std`). A
group whose answers all score alike has nothing to tell, and gets zeros.

| scores | 0 | 1 | 5 | 9 |
|---|---|---|---|---|
| groups of two | −0.71 | +0.71 | −0.71 | +0.71 |

The exhibit below is in published code. **Repair** it. And write a **detector**: it gets
any function of this kind and says whether **what a group gets ever depends on another
group's scores**. It meets six sick functions and four healthy ones. Not all of the
healthy ones divide, and that is no fault here.

**Before you run the cell, predict:** to which of the two prompts does the exhibit say
next to nothing?
"""


def given():
    import torch

    def sick(scores, group):
        groups = scores.view(-1, group)
        centred = groups - groups.mean(dim=1, keepdim=True)
        return (centred / scores.std()).flatten()

    scores = torch.tensor([0.0, 0.1, 50.0, 90.0])
    print("two prompts: ", sick(scores, 2))
    print("all alike:   ", sick(torch.ones(4), 2))


def graded(scores, group):
    """What `sick` should have been: each answer on the curve of its own group.

    scores: (answers,) those to one prompt are neighbours
    group: how many answers there are to each prompt, at least 2
    returns: (answers,)
    """
    groups = scores.view(-1, group)
    centred = groups - groups.mean(dim=1, keepdim=True)
    return (centred / (groups.std(dim=1, keepdim=True) + 1e-4)).flatten()


def mixes_groups(f):
    """Whether what a group gets ever depends on another group's scores.

    f: a function of scores and group, as above
    returns: True or False
    """
    for group in (2, 4):
        scores = torch.tensor([1.0, 0.3, -2.0, 0.7, 2.5, 0.1, 0.9, -0.4])
        before = f(scores, group).view(-1, group)
        for other in range(len(before)):
            changed = scores.clone().view(-1, group)
            changed[other] = torch.linspace(7, -9, group)
            after = f(changed.flatten(), group).view(-1, group)
            for own in range(len(before)):
                if own != other and not torch.allclose(after[own], before[own]):
                    return True
    return False


HINTS = (
    """The exhibit takes two numbers of the scores, a mean and a deviation. Of which
scores is each of them? For the detector: what may happen to the first group if you
change the second?""",
    """1. repair: scores as a table, a row a group; mean and deviation along the rows
2. the small number belongs beside the deviation, so that 0/0 cannot happen
3. detector: call the function; change all scores of one group, by much; call it again
4. what the other groups got must be the same; every group in turn""",
    """Shao et al., *DeepSeekMath* (2024), section 4.1. `standardised` in
`llmlab/policy_gradient.py`; chapter 14, section 3, on what the division does.""",
)

AFTER = """
**What you predicted.** To the first: its answers differ by a tenth, and are measured on
the scale of the second. And where all scores are alike, the exhibit gave no numbers at
all: after one step, the whole model is none.

**Your repair:**
"""


def use(graded, mixes_groups):
    print("two prompts: ", graded(torch.tensor([0.0, 0.1, 50.0, 90.0]), 2))
    print("all alike:   ", graded(torch.ones(4), 2))
    print("mixes groups:", mixes_groups(graded))


# Functions, sick and healthy


def rows(change):
    """A function of the table of groups, (prompts, group), and of all scores."""

    def f(scores, group):
        groups = 1.0 * scores.view(-1, group)
        return change(groups, scores).flatten()

    return f


def centre(groups):
    return groups - groups.mean(dim=1, keepdim=True)


def spread(groups):
    return groups.std(dim=1, keepdim=True) + 1e-4


def interleaved(scores, group):
    return graded(scores.view(group, -1).T.flatten(), group)


def by_the_first(groups, scores):
    """All groups on the curve of the first."""
    return centre(groups) / spread(groups[:1])


batch_spread = rows(lambda g, s: centre(g) / (s.std() + 1e-4))
batch_mean = rows(lambda g, s: (g - s.mean()) / spread(g))
batch_both = rows(lambda g, s: (g - s.mean()) / (s.std() + 1e-4))
by_the_largest = rows(lambda g, s: centre(g) / (s.abs().max() + 1e-4))
first_spread = rows(by_the_first)
SICK = batch_spread, batch_mean, batch_both, by_the_largest, first_spread, interleaved

only_centred = rows(lambda g, s: centre(g))
median = rows(lambda g, s: g - g.median(dim=1, keepdim=True).values)
others = rows(lambda g, s: g - (g.sum(1, keepdim=True) - g) / (g.shape[1] - 1))
HEALTHY = graded, only_centred, median, others
GROUPS, ALIKE = "each group on its own curve", "a group that is all alike gets zeros"
DETECTOR = "the detector is right on six sick and four healthy functions"


def definition(scores, group):
    found = []
    for start in range(0, len(scores), group):
        own = scores[start : start + group].double().tolist()
        mean = sum(own) / group
        deviation = (sum((x - mean) ** 2 for x in own) / (group - 1)) ** 0.5
        found += [(x - mean) / (deviation + 1e-4) for x in own]
    return torch.tensor(found)


def cases(seed):
    chance = random.Random(seed)
    yield Case((torch.tensor([0.0, 1.0]), 2), GROUPS)
    yield Case((torch.tensor([0.0, 1.0, 5.0, 9.0]), 2), GROUPS)
    several = torch.tensor([round(chance.uniform(-3, 3), 2) for _ in range(12)])
    for group in (2, 3, 6):
        yield Case((several, group), GROUPS, f"twelve answers in groups of {group}")
    yield Case((torch.tensor([3.0, 3.0, 3.0]), 3), ALIKE)
    yield Case((torch.tensor([2.0, 2.0, 1.0, 4.0]), 2), ALIKE)
    yield from detector_cases(seed, DETECTOR, SICK, HEALTHY)


# What people get wrong


TOLD = torch.tensor([1.0, 0.3, -2.0, 0.7, 2.5, 0.1, 0.9, -0.4])


def shifted(f):
    """Adds the same to all scores: neither a deviation nor a distance notices."""
    return not torch.allclose(f(TOLD + 5, 4), f(TOLD, 4), atol=1e-4)


def last_only(f):
    """Changes the last group and looks at the first: not the other way round."""
    changed = TOLD.clone()
    changed[4:] = torch.tensor([70.0, 2.0, -4.0, -9.0])
    return not torch.allclose(f(changed, 4)[:4], f(TOLD, 4)[:4])


def unlike_mine(f):
    return not torch.allclose(f(TOLD, 4), graded(TOLD, 4), atol=1e-4)


def repair(f):
    return f, mixes_groups


def detector(f):
    return graded, f


MISTAKES = {
    repair(batch_spread): "The repair still divides by the deviation of all scores: a "
    "prompt with small differences is drowned by one with large ones.",
    repair(batch_mean): "The repair compares with the mean of all scores: an easy "
    "prompt makes all its answers look good.",
    repair(batch_both): "The repair takes mean and deviation of all scores. Both "
    "belong to the group.",
    repair(rows(lambda g, s: centre(g) / g.std(dim=1, keepdim=True))): "The repair "
    "divides 0 by 0 where all answers score alike, and after one step the whole model "
    "is no number. Put the small number beside the deviation.",
    repair(only_centred): "The repair leaves the division out. That may be wise, but "
    "asked is the curve, in units of the group's deviation.",
    repair(rows(lambda g, s: centre(g) / (spread(g) - 1e-4).square().add(1e-4))): "The "
    "repair divides by the variance. The deviation is its root.",
    repair(
        rows(lambda g, s: centre(g) / (g.std(1, unbiased=False, keepdim=True) + 1e-4))
    ): "The repair takes the deviation by n. Asked is the one by n - 1, as in std.",
    repair(interleaved): "The repair takes every so-manyth answer for a group. The "
    "answers to one prompt are neighbours.",
    detector(lambda f: True): "Your detector says the same of all functions. Change "
    "one group, and see what becomes of the others.",
    detector(shifted): "Your detector adds the same to all scores, which changes no "
    "distance between any two of them. Change one group, and leave the others.",
    detector(last_only): "Your detector changes the last group only: where all lie on "
    "the curve of the first, that shows nothing. Change each in turn.",
    detector(unlike_mine): "Your detector calls a healthy function sick that grades "
    "otherwise than you, but each group by itself.",
}


# Right in other styles


def one_by_one(scores, group):
    parts = scores.split(group)
    return torch.cat([(p - p.mean()) / (p.std() + 1e-4) for p in parts])


def with_noise(f):
    """Far changes of every group, at random."""
    dice = torch.Generator().manual_seed(0)
    scores = torch.randn(12, generator=dice)
    before = f(scores, 3).view(4, 3)
    for other in range(4):
        changed = scores.view(4, 3).clone()
        changed[other] = 20 * torch.randn(3, generator=dice)
        after = f(changed.flatten(), 3).view(4, 3)
        rest = [own for own in range(4) if own != other]
        if (after[rest] - before[rest]).abs().max() > 1e-4:
            return True
    return False


EXERCISE = Exercise(
    name="graded_on_a_curve",
    title="Graded on a curve",
    kind="find the fault",
    skill="keep groups apart",
    difficulty=3,
    importance=4,
    minutes=15,
    chapter="14, before section 3",
    task=TASK,
    given=given,
    solution=(graded, mixes_groups),
    definition=(definition, lambda f: f in SICK),
    cases=cases,
    points={GROUPS: 1, ALIKE: 1, DETECTOR: 2},
    proven="Each group has a curve of its own, a silent one stays silent, and your "
    "detector is\nright on six sick functions and four healthy ones.",
    mistakes=MISTAKES,
    right=((one_by_one, with_noise), (lambda s, n: standardised(s, n), with_noise)),
    hints=HINTS,
    after=AFTER,
    use=use,
    library=("llmlab.policy_gradient.standardised",),
)
