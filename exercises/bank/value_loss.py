"""The critic's loss: half the squared error, clipped around the old value."""

import torch
from torch.nn import functional as F

from exercises import Exercise
from llmlab import policy_gradient, ppo
from llmlab.checks import Case

TASK = r"""
The critic learns what the rest of an answer earned, its **return**: half the squared
error, averaged over the real tokens. It takes several steps on one rollout, as the
policy does, and PPO as it was published holds it back in the same spirit: a value that
has moved by more than `clip` from **what it was when the rollout was judged** gains
nothing by going on.

$$\text{loss}_t = \tfrac12 \max\bigl( (V_t - R_t)^2,\;
(V^\text{near}_t - R_t)^2 \bigr), \qquad
V^\text{near}_t = V^\text{old}_t + \operatorname{clip}(V_t - V^\text{old}_t,
\, -\epsilon,\, \epsilon)$$

| token | old value | return | value now | near, with clip 0.2 | loss | still learns |
|---|---|---|---|---|---|---|
| hardly moved | 1.0 | 2.0 | 1.1 | 1.1 | 0.405 | yes |
| moved far, the right way | 1.0 | 2.0 | 1.5 | 1.2 | 0.320 | no |
| moved far, the wrong way | 1.0 | 2.0 | 0.5 | 0.8 | 1.125 | yes |

The larger of two errors is the pessimistic one, as in the policy's loss.

**Before you start, predict:** at the first step on a fresh rollout the values are the
old ones. What does the clip do there?
"""


def value_loss(values, old_values, returns, mask, clip):
    """The critic's loss, the mean over the real tokens.

    values:     (batch, time) of the critic that learns
    old_values: (batch, time) of the critic that judged the rollout; a constant
    returns:    (batch, time) what was earned from each token on; a constant
    mask:       (batch, time) bool, False where any finite numbers may stand
    clip:       how far a value may move from the old one and still gain
    returns:    () the loss to be made small

    Constants receive no gradient, even if they come with a graph.
    """
    old_values, returns = old_values.detach(), returns.detach()
    near = old_values + (values - old_values).clamp(-clip, clip)
    error = torch.maximum((values - returns).square(), (near - returns).square())
    return error[mask].mean() / 2


HINTS = (
    """Three numbers stand on a line: the old value, the value now, the return. The
range in which a value may move is centred at one of them. And of two errors, which one
has no gradient?""",
    """1. cut old values and returns off the graph
2. how far the value has moved from the old one, held between -clip and clip
3. the near value: the old one plus that
4. two squared errors against the return; keep the larger, token by token
5. half the sum over real tokens, divided by how many there are""",
    """Ziegler et al. (2019) do it in their published code. Engstrom et al.,
*Implementation Matters in Deep Policy Gradients* (2020), asked what it is good for.
`llmlab/ppo.py` has it, switched off.""",
)

AFTER = """
**What you predicted.** Nothing: both errors are equal, and the gradient is that of the
plain squared error. It begins to hold at the second step.

**What it costs a young critic.** Its values are all 0, and the returns lie around 3. It
takes eight steps on each of a few rollouts. *How far does each of the two get in one
rollout?*
"""


def use(value_loss):
    returns = 3 + torch.randn(8, 5, generator=torch.Generator().manual_seed(0))
    mask = torch.ones(8, 5, dtype=torch.bool)
    print("mean value after a rollout: 1, 2, 3, 4; the mean return is 3")
    for clip in (0.2, 100.0):
        value = torch.zeros(8, 5, requires_grad=True)
        optimizer = torch.optim.SGD([value], lr=8.0)
        means = []
        for _rollout in range(4):
            old = value.detach().clone()
            for _step in range(8):
                loss = value_loss(value, old, returns, mask, clip)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            means.append(f"{value.mean().item():.2f}")
        print(f"clip {clip:5}   {'  '.join(means)}")


def definition(values, old_values, returns, mask, clip):
    total = 0.0
    for row, t in mask.nonzero().tolist():
        value, target = values[row, t], returns[row, t].detach()
        old = old_values[row, t].detach()
        near = min(max(value, old - clip), old + clip)
        total = total + max((value - target) ** 2, (near - target) ** 2) / 2
    return total / int(mask.sum())


SQUARED = "half the squared error of what has not moved"
CLIP, NOT_ASKED = "the clip holds the right values", "padding and constants stay out"
# How far the value has moved, and where the return lies, both from the old value.
MOVED = (0.5, -0.5, 0.1, -0.1, 0.19, -0.25, 0.9, -2.0)
AHEAD = (1.0, -1.0, 0.4, -0.05)


def cases(seed):
    dice = torch.Generator().manual_seed(seed)
    token = torch.tensor([[1.0]])
    yield Case((token, token, 2 * token, token > 0, 0.2), SQUARED, gradients=(0,))
    mask = torch.tensor([[True] * 5, [True, True, False, False, False]])
    old, returns = torch.randn(2, 2, 5, generator=dice)
    words = "values that have not moved"
    yield Case((old, old, returns, mask | True, 0.2), SQUARED, words, gradients=(0,))
    for moved in MOVED:
        for ahead in AHEAD:
            words = (
                f"one token of old value 1, return {1 + ahead:g}, value now "
                f"{1 + moved:g} and clip 0.2"
            )
            inputs = (token + moved, token, token + ahead, token > 0, 0.2)
            yield Case(inputs, CLIP, words, gradients=(0,))
    places = torch.randperm(len(MOVED), generator=dice)
    for clip in (0.05, 0.6):
        moved = torch.tensor(MOVED)[places].repeat(len(AHEAD), 1)
        start = torch.full_like(moved, 0.7)
        ahead = torch.tensor(AHEAD)[:, None].expand_as(moved)
        inputs = (start + moved, start, start + ahead, start > 0, clip)
        yield Case(inputs, CLIP, f"many tokens and clip {clip}", gradients=(0,))
    steps = torch.linspace(-0.4, 0.4, 10).view(2, 5)
    returns[0, 3] = old[0, 3] + steps[0, 3]  # a real token without an error
    zeros = tuple(x * mask for x in (old + steps, old, returns))
    words = "a short row, padded with zeros,"
    yield Case((*zeros, mask, 0.2), NOT_ASKED, words, gradients=(0,))
    wider = tuple(F.pad(x, (0, 3), value=0.9) for x in (old + steps, old, returns))
    words = "more padding, with other numbers in it,"
    yield Case((*wider, F.pad(mask, (0, 3)), 0.2), NOT_ASKED, words, gradients=(0,))
    words = "constants that come with a graph"
    inputs = (old + steps, old, returns, mask | True, 0.2)
    yield Case(inputs, NOT_ASKED, words, gradients=(0, 1, 2))


# What people get wrong


def mean(x, mask):
    return (x * mask).sum() / mask.sum()


def nearby(values, old, returns, clip):
    return old + (values - old).clamp(-clip, clip)


def wrong(
    near=nearby,
    choose=torch.maximum,
    error=lambda x: x.square() / 2,
    average=mean,
    hold=(torch.detach, torch.detach),
):
    """The loss with one part exchanged.

    hold : what becomes of the old values, and of the returns.
    """

    def answer(values, old_values, returns, mask, clip):
        old, target = (f(x) for f, x in zip(hold, (old_values, returns), strict=True))
        close = near(values, old, target, clip)
        return average(choose(error(values - target), error(close - target)), mask)

    return answer


def padding_learns(values, old_values, returns, mask, clip):
    every = torch.ones_like(mask)
    return value_loss(values, old_values, returns, every, clip)


def subtracted_in_place(values, old_values, returns, mask, clip):
    returns -= old_values
    return value_loss(values - old_values, 0 * old_values, returns, mask, clip)


AS_IT_IS = torch.detach, lambda x: x
MISTAKES = {
    wrong(error=lambda x: x.square()): "The half is missing: the gradient of half the "
    "square is the error itself, and rates are chosen for that.",
    wrong(error=lambda x: x.abs()): "That is the distance, not half its square: the "
    "smallest mean distance is at the median, and a critic should foretell the mean.",
    wrong(error=F.relu): "",
    wrong(error=lambda x: F.huber_loss(x, 0 * x, reduction="none")): "Large errors "
    "count by their distance only, as in Huber's loss. Here every error is squared.",
    wrong(near=lambda v, old, target, clip: target + (v - target).clamp(-clip, clip)): (
        "You clipped around the return. The range is one around the old value: it "
        "limits how far a rollout may move the critic, not how wrong it may be."
    ),
    wrong(near=lambda v, old, target, clip: v.clamp(-clip, clip)): "You clipped the "
    "value itself. What is held within the range is how far it moved from the old one.",
    wrong(near=lambda v, old, target, clip: (v - old).clamp(-clip, clip)): (
        "The old value was subtracted and not added again: the near value is the old "
        "one plus a step within the range."
    ),
    wrong(
        near=lambda v, old, target, clip: old * (v / old).clamp(1 - clip, 1 + clip)
    ): (
        "You clipped a ratio of values. They are no probabilities, may be 0 or "
        "negative, and are clipped by their difference."
    ),
    wrong(near=lambda v, old, target, clip: v): "Nothing is clipped: a value may move "
    "as far as it likes in one rollout.",
    wrong(near=lambda v, old, t, clip: nearby(v, old, t, 0.2)): "Right with clip 0.2 "
    "only: is it written as a number where the argument should stand?",
    wrong(choose=lambda full, held: held): "You use the clipped error alone. A value "
    "that moved far the wrong way must still learn: take the larger of both errors.",
    wrong(choose=torch.minimum): "You take the smaller of both errors, so the clip "
    "stops the values that moved the wrong way, and lets the others run.",
    wrong(choose=lambda full, held: (full + held) / 2): "You take the mean of both "
    "errors. Take the larger one, token by token.",
    wrong(choose=lambda full, held: torch.maximum(full, held.detach())): (
        "The clipped error was cut off the graph. Where both are equal, as before the "
        "first step, half of the gradient is lost with it."
    ),
    wrong(choose=lambda full, held: full.where(full >= held, 0)): "Values that stop "
    "learning are missing in the loss. They have no gradient, but they count, with the "
    "clipped error.",
    wrong(average=lambda x, mask: (x * mask).mean()): "You divided by all positions, "
    "padding included; divide by the number of real tokens.",
    wrong(average=lambda x, mask: (x * mask).sum()): "The loss is a sum over tokens; "
    "it should be their mean, so that a step does not grow with the batch.",
    wrong(average=lambda x, mask: ((x * mask).sum(1) / mask.sum(1)).mean()): (
        "You averaged each row first, so a token of a short answer weighs more. Take "
        "one mean over all real tokens of the batch."
    ),
    wrong(average=lambda x, mask: (x * mask).sum() / (x * mask != 0).sum()): (
        "You divided by the number of tokens with an error: one that was foretold "
        "exactly is a real one, too."
    ),
    padding_learns: "Padding takes part: positions where the mask is False count, and "
    "receive a gradient.",
    wrong(average=lambda x, mask: x * mask): "has shape",
    wrong(hold=AS_IT_IS): "",
    wrong(hold=AS_IT_IS[::-1]): "",
    lambda values, *others: value_loss(values.detach(), *others): "",
    subtracted_in_place: "",
}


# Right in other styles


def with_where(values, old_values, returns, mask, clip):
    old, target = old_values.detach(), returns.detach()
    near = torch.minimum(torch.maximum(values, old - clip), old + clip)
    errors = torch.stack(((values - target) ** 2, (near - target) ** 2))
    return 0.5 * (errors.amax(dim=0) * mask).sum() / mask.sum()


def of_the_library(values, old_values, returns, mask, clip):
    weights = policy_gradient.token_weights(mask, "tokens")
    held = old_values.detach(), returns.detach()
    return ppo.value_loss(values, *held, weights, clip)


EXERCISE = Exercise(
    name="value_loss",
    title="How fast may a critic change its mind?",
    kind="implement",
    skill="write a critic's loss",
    difficulty=3,
    importance=3,
    minutes=20,
    chapter="12, before section 3, which prints the library's, with weights "
    "in place of the mask",
    task=TASK,
    solution=value_loss,
    definition=definition,
    cases=cases,
    points={SQUARED: 1, CLIP: 2, NOT_ASKED: 1},
    proven="A value that moved further than the clip towards its return stops "
    "learning, and\nno other; padding, old values and returns receive no gradient.",
    mistakes=MISTAKES,
    right=(with_where, of_the_library),
    hints=HINTS,
    after=AFTER,
    use=use,
    library=("llmlab.ppo.value_loss",),
)
