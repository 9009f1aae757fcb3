"""Credit for each token: generalised advantage estimation."""

import torch
from torch.nn import functional as F

from exercises import Exercise
from llmlab import ppo
from llmlab.checks import Case
from llmlab.exact import World

TASK = r"""
A story is scored when it ends, and each of its tokens wants to know what it had to do
with it. A **critic** says before every token what the rest will earn. Then a token has
surprised the critic by

$$\delta_t = r_t + V_{t+1} - V_t$$

what it was paid, and what is expected *now*, less what was expected before. Nothing
comes after the last real token: there $V_{t+1}$ is 0. Surprises that come later are a
token's merit as well, the later the less:

$$A_t = \delta_t + \lambda\,\delta_{t+1} + \lambda^2\,\delta_{t+2} + \dots$$

| | The | boat | came | `<eos>` | `<pad>` |
|---|---|---|---|---|---|
| reward $r$ | 0 | 0 | 0 | 1 | whatever |
| value $V$ | 0.5 | 0.6 | 0.4 | 0.8 | whatever |
| surprise $\delta$ | 0.1 | −0.2 | 0.4 | 0.2 | |
| $A$ with $\lambda = 0$ | 0.1 | −0.2 | 0.4 | 0.2 | 0 |
| $A$ with $\lambda = \frac12$ | 0.1125 | 0.025 | 0.5 | 0.2 | 0 |
| $A$ with $\lambda = 1$ | 0.5 | 0.4 | 0.6 | 0.2 | 0 |

**Before you start, predict:** with $\lambda = 1$ the critic's numbers cancel, all but
one for each token. Which one is left, and what is it a baseline of?
"""


def gae(rewards, values, mask, gae_lambda):
    """How much better than expected each token was.

    rewards:    (batch, time) what each token was paid
    values:     (batch, time) what the critic expected before that token
    mask:       (batch, time) bool, True at the tokens of the answer, which stand
                side by side; False before them, at the prompt, and behind them, at
                padding, where any finite numbers may stand
    gae_lambda: a number from 0 to 1
    returns:    (batch, time) advantages, 0 where the mask is False
    """
    rewards, values = rewards * mask, values * mask
    later, advantage = torch.zeros(2, len(rewards))
    columns = []
    for t in reversed(range(rewards.shape[1])):
        surprise = rewards[:, t] + later - values[:, t]
        advantage = (surprise + gae_lambda * advantage) * mask[:, t]
        later = values[:, t]
        columns.insert(0, advantage)
    return torch.stack(columns, dim=1)


HINTS = (
    """Write $A_{t+1}$ below $A_t$ and multiply it by $\\lambda$. How much of $A_t$ is
left over? So where should a loop begin?""",
    """1. put zeros where the mask is False, in rewards and in values: nothing then
   comes from the padding
2. go through the columns from the last to the first, all rows at once
3. surprise: the reward, plus the value of the next column (0 behind the last), less the
   value of this one
4. advantage: the surprise, plus lambda times the next column's advantage
5. 0 where the mask is False: the prompt gets no credit""",
    """Schulman et al., *High-Dimensional Continuous Control Using Generalized Advantage
Estimation* (2016), equation 16, here with a discount of 1. `llmlab/ppo.py` uses it.""",
)

AFTER = r"""
**What you predicted.** Its own: $A_t$ is all that is paid from $t$ on, less $V_t$. With
$\lambda = 1$ the critic is a baseline of the reward to go, so that its errors make
noise and no bias.

**Your function in the world of 31 texts**, where each gradient is a finite sum. One
critic knows the truth, the other is wrong by random numbers. *What will $\lambda$ cost
with each of them?*
"""


def use(gae):
    world, dice = World(), torch.Generator().manual_seed(0)
    policy = world.random_logits(dice)
    scores = torch.randn(31, generator=dice, dtype=torch.float64)
    ends = world.mask & (world.mask.sum(1, keepdim=True) == torch.arange(1, 5))
    rewards = (scores[:, None] * ends).float()
    share = world.probabilities(policy)
    exact = world.gradient(policy, scores).flatten()

    visits = torch.zeros(2, world.state_count, dtype=torch.float64)
    for row, passed in enumerate(world.mask):
        states = world.states[row, passed]
        visits[:, states] += share[row] * torch.tensor([[1], [scores[row]]])
    knows = (visits[1] / visits[0]).float()
    errs = knows + torch.randn(world.state_count, generator=dice)

    print("lambda   bias, noise: true critic   bias, noise: wrong critic")
    for gae_lambda in (0.0, 0.5, 0.95, 1.0):
        told = []
        for critic in (knows, errs):
            weights = gae(rewards, critic[world.states], world.mask, gae_lambda)
            each = world.estimates(policy, weights.double())
            mean, noise = world.moments(policy, each)
            told += [f"{(mean - exact).norm():.4f}", f"{noise:.3f}"]
        print(f"{gae_lambda:6}   {', '.join(told[:2]):26} {', '.join(told[2:])}")


def definition(rewards, values, mask, gae_lambda):
    """The double sum: for each token, over all that come after it."""
    advantages = torch.zeros_like(rewards)
    for row, reward, value, real in zip(advantages, rewards, values, mask, strict=True):
        places = real.nonzero().flatten().tolist()
        for t in places:
            for k in range(t, places[-1] + 1):
                after = value[k + 1] if k < places[-1] else 0
                row[t] += gae_lambda ** (k - t) * (reward[k] + after - value[k])
    return advantages


ENDS, PADS = "rows end, and no row goes on in the next", "prompt and padding stay out"


def cases(seed):
    dice = torch.Generator().manual_seed(seed)
    reward = torch.tensor([[0.0, 0.0, 0.0, 1.0]])
    value = torch.tensor([[0.5, 0.6, 0.4, 0.8]])
    for gae_lambda in (0.0, 1.0, 0.5):
        yield Case((reward, value, reward >= 0, gae_lambda))
    real = torch.ones(3, 5, dtype=torch.bool)
    pair = torch.randn(2, 3, 5, generator=dice)
    for gae_lambda in (0.0, 0.7, 0.95, 1.0):
        words = f"three full rows and lambda {gae_lambda}"
        yield Case((*pair, real, gae_lambda), ENDS, words)
    mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [0, 1, 1, 1, 0]]).bool()
    for gae_lambda in (0.5, 1.0):
        zeros = tuple(x * mask for x in pair)
        words = f"a prompt and padding of zeros, and lambda {gae_lambda},"
        yield Case((*zeros, mask, gae_lambda), PADS, words)
        words = f"a prompt and padding with other numbers, and lambda {gae_lambda},"
        yield Case((*pair, mask, gae_lambda), PADS, words)


# What people get wrong


def wrong(
    surprise=lambda r, after, v, lam: r + after - v,
    carry=lambda now, later, lam: now + lam * later,
    mask_of=lambda mask: (mask, mask, mask),
    after_of=lambda v: F.pad(v[:, 1:], (0, 1)),
    order=reversed,
    finish=lambda a, v, mask: a,
):
    """The advantages with one part exchanged.

    mask_of : what rewards, values and advantages are multiplied by.
    """

    def answer(rewards, values, mask, gae_lambda):
        of_rewards, of_values, of_result = mask_of(mask)
        rewards, values = rewards * of_rewards, values * of_values
        found = surprise(rewards, after_of(values), values, gae_lambda) * of_result
        advantages, later = torch.zeros_like(rewards), torch.zeros_like(rewards[:, 0])
        for t in order(range(rewards.shape[1])):
            later = carry(found[:, t], later, gae_lambda)
            advantages[:, t] = later
        return finish(advantages * of_result, values, mask)

    return answer


def row_to_row(rewards, values, mask, gae_lambda):
    row, real = (1, -1), torch.ones(1, mask.numel(), dtype=torch.bool)
    flat = (rewards * mask).view(row), (values * mask).view(row), real
    return gae(*flat, gae_lambda).view_as(rewards) * mask


def to_the_prompt(rewards, values, mask, gae_lambda):
    """Nothing is held at 0 before the answer."""
    behind = mask.flip(1).cumsum(1).flip(1) > 0
    return gae(rewards * mask, values * mask, behind, gae_lambda)


ALL = torch.ones_like
MISTAKES = {
    wrong(lambda r, after, v, lam: v - r - after): "The sign is wrong: better than "
    "expected should be positive.",
    wrong(lambda r, after, v, lam: r + after): "What was expected is missing. A "
    "surprise is what came of it less what the critic expected before the token.",
    wrong(lambda r, after, v, lam: r - v): "The next value is missing: what is "
    "expected now is a part of what a token has earned.",
    wrong(lambda r, after, v, lam: r + lam * after - v): "Lambda multiplies the "
    "critic's next value. It belongs to the surprises that come later; each is made of "
    "whole values.",
    wrong(lambda r, after, v, lam: r + v - F.pad(v[:, :-1], (1, 0))): (
        "The value stands one place off. The value at a place was told before its "
        "token: the surprise takes the next one, and subtracts its own."
    ),
    wrong(carry=lambda now, later, lam: now): "Each token gets its own surprise only, "
    "whatever lambda is. Surprises that come later count as well.",
    wrong(carry=lambda now, later, lam: now + later): "Lambda does nothing: surprises "
    "that come later count in full.",
    wrong(carry=lambda now, later, lam: lam * (now + later)): "A token's own surprise "
    "is multiplied by lambda. It counts in full, the next one with lambda, the one "
    "after that with its square.",
    wrong(carry=lambda now, later, lam: (1 - lam) * now + lam * later): (
        "You take a moving average of surprises. They are added up: nothing is "
        "multiplied by one minus lambda."
    ),
    wrong(finish=lambda a, v, mask: a + v): "Those are the returns, advantage plus "
    "value, which the critic learns from. Asked for is the advantage.",
    wrong(after_of=lambda v: v.roll(-1, dims=1)): "The last token gets the first one's "
    "value as its next: the row was rolled around. Nothing comes after the end.",
    wrong(after_of=lambda v: torch.cat([v[:, 1:], v[:, -1:]], 1)): "The last token's "
    "own value stands for what comes after it. Nothing comes after the end: it is 0 "
    "there.",
    wrong(mask_of=lambda m: (m, ALL(m), m)): "The last real token gets the value of "
    "the padding behind it. An answer ends with its last token: the next value is 0, "
    "whatever the critic says of padding.",
    wrong(mask_of=lambda m: (ALL(m), ALL(m), ALL(m))): "The mask is not used: what "
    "stands at padding flows back into the answer.",
    wrong(mask_of=lambda m: (ALL(m), m, ALL(m)), finish=lambda a, v, m: a * m): (
        "Rewards at padding flow back into the answer. What stands there is not a "
        "reward."
    ),
    wrong(mask_of=lambda m: (ALL(m), ALL(m), ALL(m)), finish=lambda a, v, m: a * m): (
        "The mask is used at the end only, when numbers of the padding have already "
        "flowed back into the answer."
    ),
    to_the_prompt: "The tokens of the prompt get credit. The policy did not write "
    "them: 0 where the mask is False.",
    wrong(order=iter): "Credit flows forwards: a token is praised for what came before "
    "it. Begin at the end of the row.",
    row_to_row: "The rows were read as one: the end of one gets credit for the "
    "beginning of the next.",
    wrong(finish=lambda a, v, mask: ppo.whiten(a, mask)): "The advantages were shifted "
    "and rescaled. Whitening is the next step; return them as they are.",
    lambda rewards, values, mask, lam: gae(rewards, values, mask, 0.95): (
        "Right with lambda 0.95 only: is it written as a number where the argument "
        "should stand?"
    ),
}


# Right in other styles


def by_a_matrix(rewards, values, mask, gae_lambda):
    value = F.pad(values * mask, (0, 1))
    surprise = (rewards * mask + value[:, 1:] - value[:, :-1]) * mask
    time = torch.arange(rewards.shape[1])
    ahead = time[:, None] - time
    powers = torch.tensor(float(gae_lambda)) ** ahead.clamp(min=0) * (ahead >= 0)
    return surprise @ powers * mask


def by_returns(rewards, values, mask, gae_lambda):
    """Lambda-returns of Sutton and Barto, less the value."""
    advantages = torch.zeros_like(rewards)
    for row in range(len(rewards)):
        target, after = 0.0, 0.0
        for t in reversed(mask[row].nonzero().flatten().tolist()):
            mixed = (1 - gae_lambda) * after + gae_lambda * target
            target, after = rewards[row, t] + mixed, values[row, t]
            advantages[row, t] = target - after
    return advantages


def of_the_library(rewards, values, mask, gae_lambda):
    found = ppo.generalised_advantages(rewards, values, mask, gae_lambda=gae_lambda)
    return found[0]


EXERCISE = Exercise(
    name="gae",
    title="Credit for each token",
    kind="implement",
    skill="estimate advantages",
    difficulty=4,
    importance=4,
    minutes=25,
    chapter="12, before section 3, which prints the library's",
    task=TASK,
    solution=gae,
    definition=definition,
    cases=cases,
    points={"every token gets the surprises from it on": 2, ENDS: 1, PADS: 1},
    proven="Each token is credited with the surprises from it on, as the double sum "
    "says;\nrow ends and padding stop it.",
    mistakes=MISTAKES,
    right=(by_a_matrix, by_returns, of_the_library),
    hints=HINTS,
    after=AFTER,
    use=use,
    library=("llmlab.ppo.generalised_advantages",),
)
