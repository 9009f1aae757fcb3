"""A baseline that is fair: the mean of the others."""

import torch

from exercises import Exercise
from llmlab import policy_gradient
from llmlab.checks import Case
from llmlab.exact import World

TASK = r"""
Whether a reward of 4 is good depends on what was to be expected. So a **baseline** is
subtracted from each reward, and what is left, the **advantage**, multiplies the score
of the answer. Any number will do that does not depend on the answer itself: it changes
the noise of the gradient and not its mean.

Where a prompt gets several answers, the others are at hand. Prompts 7 and 3 have got
three answers and two, and the answers came in as they were ready:

| prompt | 7 | 3 | 7 | 7 | 3 |
|---|---|---|---|---|---|
| reward | 1 | 5 | 0 | 2 | 4 |
| mean of the **others** | 1 | 4 | 1.5 | 0.5 | 5 |
| advantage | 0 | +1 | -1.5 | +1.5 | -1 |

An answer that is alone has nobody to be compared with. Whatever one put there would be
a guess, so that is a mistake of whoever asked: raise a `ValueError`, and say why.

**Before you start, predict:** somebody takes the mean of *all* answers, the answer's
own among them. With two answers a prompt, how long is the gradient on average, compared
with the right one?
"""


def leave_one_out(rewards, prompts):
    """What each answer was paid, less what the others to its prompt were paid.

    rewards: (answers,)
    prompts: (answers,) int64, the number of the prompt that each answers, in any order
    returns: (answers,), the advantages

    Raises ValueError: a prompt has one answer only.
    """
    is_same = prompts[:, None] == prompts[None, :]
    others = is_same & ~torch.eye(len(rewards), dtype=torch.bool)
    if not others.any(dim=1).all():
        raise ValueError("a prompt has one answer only; give at least two to compare")
    return rewards - others.float() @ rewards / others.sum(dim=1)


HINTS = (
    """Make a table of answers against answers: which of them answer the same prompt,
and which entry of a row has to be left out?""",
    """1. for each answer: those of the same prompt, without itself
2. if there are none, raise
3. their sum, divided by how many *they* are
4. the reward, less that""",
    """Kool, van Hoof and Welling, *Buy 4 REINFORCE Samples, Get a Baseline for Free!*
(2019); Ahmadian et al., *Back to Basics* (2024). `leave_one_out` in
`llmlab/policy_gradient.py`.""",
)

AFTER = """
**What you predicted.** Half as long: an answer that is paid more raises the bar for
itself. With K answers the length is 1 - 1/K of the right one, and the direction is the
same, so that nobody notices. Where groups have different sizes, the prompts of small
groups are learned less, and that turns the gradient.

**Counted in a world of seven texts**, over all pairs of answers that can be drawn: the
length of the mean, compared with the exact gradient's, and the variance. *Which of the
three are right on average, and which of those is the quieter?*
"""


def use(leave_one_out):
    world, dice = World(time=2), torch.Generator().manual_seed(3)
    logits = world.random_logits(dice)
    rewards = 2 + torch.randn(7, generator=dice, dtype=torch.float64)
    scores = world.estimates(logits, world.mask.double())
    exact = world.gradient(logits, rewards).flatten()
    pairs = torch.cartesian_prod(torch.arange(7), torch.arange(7))
    often = world.probabilities(logits)[pairs].prod(dim=1)
    paid = rewards[pairs].float()
    prompts = torch.arange(49).repeat_interleave(2)
    kinds = {
        "no baseline": paid,
        "mean of all": paid - paid.mean(dim=1, keepdim=True),
        "mean of the others": leave_one_out(paid.flatten(), prompts).view(49, 2),
    }
    for name, advantages in kinds.items():
        reports = (advantages[..., None] * scores[pairs]).mean(dim=1)
        mean = often @ reports
        noise = often @ (reports - mean).square().sum(dim=1)
        length = mean @ exact / (exact @ exact)
        print(f"{name:19} length {length:.3f}   variance {noise:.2f}")


def definition(rewards, prompts):
    found, several = [], list(zip(rewards.tolist(), prompts.tolist(), strict=True))
    for own, (reward, prompt) in enumerate(several):
        rest = [r for k, (r, p) in enumerate(several) if p == prompt and k != own]
        if not rest:
            raise ValueError("alone")
        found.append(reward - sum(rest) / len(rest))
    return torch.tensor(found)


OTHERS, APART = "the mean of the others", "each prompt by itself, in any order"
ALONE = "one answer alone is refused"


def cases(seed):
    generator = torch.Generator().manual_seed(seed)

    def rewards(count):
        return (3 * torch.randn(count, generator=generator)).round(decimals=1)

    same = torch.zeros(4, dtype=torch.int64)
    yield Case((torch.tensor([1.0, 0.0]), same[:2]), OTHERS)
    yield Case((torch.tensor([1.0, 0.0, 2.0]), same[:3]), OTHERS)
    yield Case((torch.full((4,), 3.0), same), OTHERS, "four answers that are all alike")
    yield Case((rewards(4) + 20, same), OTHERS)
    in_order = torch.tensor([4, 4, 9, 9])
    yield Case((torch.tensor([1.0, 0.0, 8.0, 6.0]), in_order), APART)
    mixed = torch.tensor([7, 3, 7, 7, 3])
    yield Case((torch.tensor([1.0, 5.0, 0.0, 2.0, 4.0]), mixed), APART)
    sizes = torch.tensor([0] * 2 + [1] * 3 + [2] * 5)
    mixed = sizes[torch.randperm(10, generator=generator)]
    yield Case((rewards(10) + 10 * mixed, mixed), APART, "three prompts, mixed,")
    yield Case((rewards(1), same[:1]), ALONE)
    alone = torch.tensor([5, 5, 2, 5])
    yield Case((rewards(4), alone), ALONE, "a prompt with one answer only,")


# What people get wrong


def refused(prompts):
    if (prompts.bincount()[prompts] < 2).any():
        raise ValueError("alone")


def wrong(change, refuse=refused):
    """Each prompt's rewards to advantages in another way."""

    def answer(rewards, prompts):
        refuse(prompts)
        found = torch.empty_like(rewards)
        for prompt in prompts.unique():
            here = prompts == prompt
            found[here] = change(rewards[here])
        return found

    return answer


def over_all(change):
    """The same, of all prompts together."""

    def answer(rewards, prompts):
        refused(prompts)
        return change(rewards)

    return answer


def right(r):
    return r - (r.sum() - r) / max(len(r) - 1, 1)


def neighbours(rewards, prompts):
    """Groups of equal size, side by side."""
    refused(prompts)
    size = len(rewards) // len(prompts.unique())
    parts = rewards.split(size)
    return torch.cat([right(part) for part in parts])


def runs(rewards, prompts):
    """Neighbours of the same prompt, as far as they stand together."""
    refused(prompts)
    lengths = prompts.unique_consecutive(return_counts=True)[1]
    return torch.cat([right(part) for part in rewards.split(lengths.tolist())])


def in_place(rewards, prompts):
    refused(prompts)
    rewards -= (definition(rewards, prompts) - rewards).neg()
    return rewards.clone()


ORDER = (
    "You took neighbours for answers to the same prompt. They came in as they were "
    "ready: go by the numbers of the prompts."
)
OWN = (
    "An answer's own reward is still in the mean that is subtracted from it: the "
    "better it is, the higher its bar."
)
SPREAD = (
    "The advantages were divided by the spread of the group, which the answer is part "
    "of. That turns the gradient: subtract, and do no more."
)
MISTAKES = {
    wrong(lambda r: r - r.mean()): OWN,
    wrong(lambda r: r - (r.sum() - r) / len(r)): "The sum of the others was divided by "
    "the number of all answers. The others are one fewer.",
    wrong(lambda r: (r.sum() - r) / (len(r) - 1)): "That is the baseline. The "
    "advantage is the reward less that.",
    wrong(lambda r: -right(r)): "The sign is wrong: the advantage of an answer that "
    "was paid more than the others is positive.",
    wrong(lambda r: right(r) / (r.std() + 1e-4)): SPREAD,
    wrong(lambda r: (r - r.mean()) / (r.std() + 1e-4)): SPREAD,
    wrong(lambda r: r - r.median()): "The median of all was subtracted. Asked is the "
    "mean, and of the others.",
    wrong(lambda r: r - (r.sum() - r)): "The sum of the others was subtracted; it "
    "should be their mean.",
    wrong(lambda r: r): "Nothing is subtracted.",
    over_all(right): "The others are taken from all prompts. Rewards of an easy prompt "
    "say nothing about a hard one.",
    over_all(lambda r: r - r.mean()): "The mean of the whole batch is subtracted: over "
    "all prompts, and with the answer's own reward in it.",
    neighbours: ORDER,
    runs: ORDER,
    wrong(right, refuse=lambda prompts: None): "An answer that is alone gets its whole "
    "reward as an advantage, as if nothing had been expected. Refuse it.",
    wrong(lambda r: right(r) * (len(r) > 1), refuse=lambda p: None): "An answer that "
    "is alone gets 0, so its prompt is dropped and nobody is told. Refuse it.",
    wrong(lambda r: r - (r.sum() - r) / (len(r) - 1), lambda prompts: None): "An "
    "answer that is alone is divided by nobody: 0/0 is no number, and after one step "
    "the whole model is none. Refuse it.",
    in_place: "",
    lambda *inputs: definition(*inputs).mean(): "",
}


# Right in other styles


def by_sums(rewards, prompts):
    number = prompts.unique(return_inverse=True)[1]
    count = number.bincount()[number]
    if (count == 1).any():
        raise ValueError("nobody to compare with")
    total = torch.zeros_like(rewards).index_add(0, number, rewards)[number]
    return (rewards - total / count) * count / (count - 1)


def of_the_library(rewards, prompts):
    found = torch.empty_like(rewards)
    for prompt in prompts.unique():
        here = prompts == prompt
        paid = rewards[here]
        found[here] = paid - policy_gradient.leave_one_out(paid, len(paid))
    return found


EXERCISE = Exercise(
    name="leave_one_out",
    title="A baseline that is fair",
    kind="implement",
    skill="choose a baseline",
    difficulty=2,
    importance=4,
    minutes=15,
    chapter="09, before section 2",
    task=TASK,
    solution=leave_one_out,
    definition=definition,
    cases=cases,
    points={OTHERS: 1, APART: 1, ALONE: 1},
    proven="No answer raises its own bar, prompts do not mix, and an answer that is "
    "alone is refused.",
    mistakes=MISTAKES,
    right=(by_sums, of_the_library),
    hints=HINTS,
    after=AFTER,
    use=use,
    library=("llmlab.policy_gradient.leave_one_out",),
)
