"""Without a reward model: DPO's loss."""

import torch
from torch.nn import functional as F

from exercises import Exercise
from llmlab.checks import Case
from llmlab.exact import World, optimum, total_variation

TASK = r"""
A policy $\pi$ that was trained for a reward, at a price of $\beta$ a nat, tells that
reward: $r(y) = \beta \log \frac{\pi(y)}{\mathrm{ref}(y)}$, up to a constant for each
prompt. So one may put it into the loss of a reward model, and train the policy on pairs
directly (Rafailov et al. 2023):

$$-\log \sigma\big(r(\text{winner}) - r(\text{loser})\big)$$

Given are the log-probabilities of the **tokens** of both answers, under policy and
reference, and masks of the tokens that were written. The log-probability of an answer
is the **sum** over its own tokens. With $\beta = 0.5$:

| | policy | reference | reward |
|---|---|---|---|
| winner, 2 tokens | -1, -1 | -1.5, -1.5 | 0.5 |
| loser, 3 tokens | -2, -1, -1 | -1, -1, -1 | -0.5 |

The margin is 1 and the loss $-\log \sigma(1) = 0.31$.

**Before you start, predict:** the policy is still its reference. What is the loss of
any pair?
"""


def dpo_loss(policy, reference, masks, beta):
    """How surprised the policy's own reward is by what was preferred.

    policy, reference: (2, pairs, time) log-probabilities of tokens; winners come first
    masks: (2, pairs, time) bool, True where the answer has a token
    beta: the price of a nat
    returns: () the mean over the pairs, in nats
    """
    log_ratios = ((policy - reference) * masks).sum(dim=-1)
    winners, losers = beta * log_ratios
    return -F.logsigmoid(winners - losers).mean()


HINTS = (
    """Each answer gets one number, its reward. Which two models does it take, and what
becomes of the tokens that are padding?""",
    """1. policy less reference, token by token
2. zero where the mask is False, and the sum over time: one number for each answer
3. times beta; the first row are the winners, the second the losers
4. minus logsigmoid of their difference, the mean over pairs""",
    """Rafailov et al., *Direct Preference Optimization* (2023), equation 7.
`implicit_rewards` in `llmlab/dpo.py`; chapter 14 prints it.""",
)

AFTER = """
**What you predicted.** ln 2, for every pair: a policy that has not moved has no
opinion yet.

**The world of seven texts**, all pairs, chosen by people who follow hidden rewards.
Your loss ends where the best policy is. *Which number of the hidden rewards does it
not need to know?*
"""


def use(dpo_loss):
    world, dice = World(time=2), torch.Generator().manual_seed(1)
    start, beta = world.random_logits(dice), 0.5
    rewards = torch.randn(7, generator=dice).double()
    one, other = torch.cartesian_prod(torch.arange(7), torch.arange(7)).T
    chance = (rewards[one] - rewards[other]).sigmoid()
    wins = torch.bernoulli(chance.expand(300, -1), generator=dice).bool()
    winner, loser = (
        torch.where(wins, a, b).flatten() for a, b in ((one, other), (other, one))
    )
    pairs = torch.stack([winner, loser])
    best = optimum(world.probabilities(start), rewards, beta)
    logits = start.clone().requires_grad_()
    optimizer = torch.optim.Adam([logits], lr=0.05)
    before = world.token_log_probs(start)[pairs]
    for step in range(151):
        now = world.token_log_probs(logits)
        loss = dpo_loss(now[pairs], before, world.mask[pairs], beta)
        if step % 50 == 0:
            off = total_variation(world.probabilities(logits.detach()), best)
            print(f"step {step:3}  loss {loss:.3f}  away from the best {off:.3f}")
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def definition(policy, reference, masks, beta):
    """Pair by pair, token by token."""
    total = 0.0
    for pair in range(policy.shape[1]):
        rewards = []
        for side in (0, 1):
            gained = 0.0
            for time in range(policy.shape[2]):
                if masks[side, pair, time]:
                    gained = gained + (policy - reference)[side, pair, time]
            rewards.append(beta * gained)
        total = total - F.logsigmoid(torch.as_tensor(rewards[0] - rewards[1]))
    return total / policy.shape[1]


MARGIN, LENGTHS, BETA = "a margin of two sums", "padding does not count", "beta scales"


def cases(seed):
    generator = torch.Generator().manual_seed(seed)

    def numbers(*shape):
        return -2 * torch.rand(shape, generator=generator).round(decimals=2) - 0.1

    def masks(*lengths):
        lengths = torch.tensor(lengths)
        return torch.arange(4) < lengths[..., None]

    full = masks([4], [4])
    same = numbers(2, 1, 4)
    words = "a policy that is its reference"
    yield Case((same, same.clone(), full, 0.5), MARGIN, words, gradients=(0,))
    words = "one pair, both of four tokens,"
    one = numbers(2, 1, 4), numbers(2, 1, 4)
    yield Case((*one, full, 1.0), MARGIN, words, gradients=(0,))
    three = numbers(2, 3, 4), numbers(2, 3, 4)
    full = masks([4] * 3, [4] * 3)
    words = "three pairs of four tokens"
    yield Case((*three, full, 1.0), MARGIN, words, gradients=(0,))

    words = "a winner of two tokens, a loser of four,"
    short = masks([2], [4])
    yield Case((*one, short, 1.0), LENGTHS, words, gradients=(0,))
    several = masks([1, 4, 2], [3, 2, 4])
    words = "three pairs of several lengths"
    yield Case((*three, several, 1.0), LENGTHS, words, gradients=(0,))

    for beta in (0.1, 3.0):
        words = f"three pairs of several lengths, beta {beta:g},"
        yield Case((*three, several, beta), BETA, words, gradients=(0,))
    far = 400 * three[0], three[1]
    words = "a policy that has gone very far"
    yield Case((*far, several, 3.0), BETA, words, gradients=(0,))


# What people get wrong


def wrong(
    gain=lambda policy, reference: policy - reference,
    whole=lambda gained, masks: (gained * masks).sum(dim=-1),
    loss=lambda winners, losers, beta: -F.logsigmoid(beta * (winners - losers)).mean(),
):
    """The loss with one part exchanged."""

    def answer(policy, reference, masks, beta):
        return loss(*whole(gain(policy, reference), masks), beta)

    return answer


def mean_of_tokens(gained, masks):
    return (gained * masks).sum(dim=-1) / masks.sum(dim=-1)


SIGN = (
    "The sign is wrong, and the policy would learn what people dislike: policy less "
    "reference, and winners, the first row, less losers."
)
MISTAKES = {
    wrong(gain=lambda policy, reference: policy): "The reference is forgotten: what "
    "was probable before looks liked. The reward is what the policy has *gained*.",
    wrong(gain=lambda policy, reference: policy.exp() - reference.exp()): "These are "
    "differences of probabilities. The reward is a logarithm of their quotient.",
    wrong(gain=lambda policy, reference: reference - policy): SIGN,
    wrong(whole=mean_of_tokens): "The mean over the tokens was taken. The "
    "log-probability of an answer is their sum, whatever its length.",
    wrong(whole=lambda gained, masks: gained.sum(dim=-1)): "Padding counts as if it "
    "had been written. Only tokens where the mask is True belong to an answer.",
    wrong(loss=lambda w, x, beta: -F.logsigmoid(w - x).mean()): "beta is forgotten, so "
    "that a nat costs 1, whatever was agreed.",
    wrong(loss=lambda w, x, beta: -F.logsigmoid((w - x) / beta).mean()): "The margin "
    "is divided by beta. A reward is beta times the log-ratio.",
    wrong(loss=lambda w, x, beta: -beta * F.logsigmoid(w - x).mean()): "beta stands "
    "outside of the sigmoid. There it only changes the length of every step.",
    wrong(loss=lambda w, x, beta: -F.logsigmoid(beta * (x - w)).mean()): SIGN,
    wrong(loss=lambda w, x, beta: -F.logsigmoid(beta * (w - x)).sum()): "The sum over "
    "the pairs was taken. Asked is their mean.",
    wrong(loss=lambda w, x, beta: -(beta * (w - x)).mean()): "Without the sigmoid "
    "a pair that is won already pulls as hard as any other.",
    wrong(
        loss=lambda w, x, beta: -(beta * (w - x)).sigmoid().log().mean()
    ): "The sigmoid was rounded to 0 before its logarithm was taken, and the loss is "
    "infinite. Take both at once.",
    wrong(
        loss=lambda w, x, beta: -F.logsigmoid(beta * (w - x).mean())
    ): "The mean was taken over the margins, before the sigmoid: one easy pair then "
    "hides all others.",
    wrong(loss=lambda w, x, beta: -F.logsigmoid(beta * (w - x))): "",
    wrong(loss=lambda w, x, beta: -F.logsigmoid(beta * (w - x)).mean().detach()): "",
}


# Right in other styles


def softplus(policy, reference, masks, beta):
    sums = [(each * masks).sum(dim=2) for each in (policy, reference)]
    gained = sums[0] - sums[1]
    return F.softplus(-beta * (gained[0] - gained[1])).mean()


def as_classes(policy, reference, masks, beta):
    rewards = beta * (policy - reference).masked_fill(~masks, 0).sum(dim=-1)
    first = torch.zeros(rewards.shape[1], dtype=torch.int64)
    return F.cross_entropy(rewards.T, first)


EXERCISE = Exercise(
    name="dpo_loss",
    title="Without a reward model",
    kind="implement",
    skill="learn from pairs",
    difficulty=4,
    importance=5,
    minutes=25,
    chapter="14, before section 6",
    task=TASK,
    solution=dpo_loss,
    definition=definition,
    cases=cases,
    points={MARGIN: 2, LENGTHS: 1, BETA: 1},
    proven="The policy is a reward, padding is none, and a nat costs what was agreed.",
    mistakes=MISTAKES,
    right=(softplus, as_classes),
    hints=HINTS,
    after=AFTER,
    use=use,
    library=("llmlab.dpo.implicit_rewards",),
)
