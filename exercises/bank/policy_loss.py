"""PPO's clipped policy loss."""

import torch
from torch.nn import functional as F

from exercises import Exercise
from llmlab import policy_gradient
from llmlab.checks import Case

TASK = r"""
Sampling answers is the expensive part of reinforcement learning, so PPO makes
several gradient steps on the same samples. After the first step the samples no
longer come from the current policy. The **ratio** of the new probability of a
token to the old one corrects for that, and the **clip** takes away the reason
to go on once a token has moved far enough:

$$\text{objective}_t = \min\bigl(\rho_t A_t,\;
\operatorname{clip}(\rho_t, 1-\epsilon, 1+\epsilon)\,A_t\bigr),
\qquad \rho_t = \frac{\pi_\text{new}(y_t)}{\pi_\text{old}(y_t)}$$

The minimum makes it pessimistic: a token that moved the *wrong* way is always
brought back. The loss is minus the mean objective over the real tokens.

**Before you start, predict:** a good token (advantage +1) has become half as
likely by accident. Does it still learn?
"""


def policy_loss(log_probs, old_log_probs, advantages, mask, clip):
    """PPO's clipped policy loss, the mean over the real tokens.

    log_probs:     (batch, time) of the policy that learns
    old_log_probs: (batch, time) of the policy that sampled; a constant
    advantages:    (batch, time) how much better than expected; a constant
    mask:          (batch, time) bool, False at padding, which holds any
                   finite numbers
    clip:          a number, the half-width of the range around ratio 1
    returns:       () the loss to be made small

    Constants receive no gradient, even if they come with a graph.
    """
    advantages = advantages.detach()
    ratio = torch.exp(log_probs - old_log_probs.detach())
    clipped_ratio = ratio.clamp(1 - clip, 1 + clip)
    objective = torch.minimum(ratio * advantages, clipped_ratio * advantages)
    return -(objective * mask).sum() / mask.sum()


HINTS = (
    """Make a table of four tokens: good or bad (advantage +1 or -1), ratio 0.5 or 2.
Two of them have moved the way the advantage wished, and too far: they should stop
learning. Which of the two objectives has no gradient there, and is it the smaller
one?""",
    """1. cut the constants off the graph
2. ratio: exponential of the difference of the log-probabilities, new less old
3. two objectives: the ratio times the advantage, and the same with the ratio held
   within the range; keep the smaller, token by token
4. minus the sum over real tokens, divided by how many there are""",
    """Schulman et al., *Proximal Policy Optimization Algorithms* (2017), section 3,
equation 7 and figure 1. `llmlab/policy_gradient.py` uses it.""",
)

AFTER = """**What you predicted.** Yes. Of 0.5 and the clipped 0.8 the minimum is 0.5,
the one that has a gradient: the token is brought back.
"""


def definition(log_probs, old_log_probs, advantages, mask, clip):
    total = 0.0
    for row, place in mask.nonzero().tolist():
        gain = advantages[row, place].detach()
        ratio = (log_probs[row, place] - old_log_probs[row, place].detach()).exp()
        held = min(max(ratio, 1 - clip), 1 + clip)
        total = total - min(ratio * gain, held * gain)
    return total / int(mask.sum())


CLIP, NOT_ASKED = "the clip stops the right tokens", "padding and constants stay out"
RATIOS = (0.05, 0.5, 0.7, 0.79, 0.82, 0.95, 1.05, 1.18, 1.21, 1.4, 2.0, 8.0)


def cases(seed):
    generator = torch.Generator().manual_seed(seed)
    mask = torch.tensor([[True] * 5, [True, True, False, False, False]])
    old = (-0.2 - torch.rand(2, 5, generator=generator)) * mask
    advantages = (torch.randn(2, 5, generator=generator) + 0.5) * mask
    advantages[0, 2] = 0  # a real token that is as good as expected
    words = "ratio 1, where the loss is minus the mean advantage,"
    yield Case((old, old, advantages, mask, 0.2), "", words, gradients=(0,))
    ratios = torch.tensor(RATIOS)[torch.randperm(len(RATIOS), generator=generator)]
    for ratio in (2.0, 0.5, *RATIOS):
        for sign in (1.0, -1.0):
            token = torch.tensor([[-3.0]])
            yield Case(
                (
                    token + torch.tensor(ratio).log(),
                    token,
                    token * 0 + sign,
                    token < 0,
                    0.2,
                ),
                CLIP,
                f"one token with ratio {ratio:g}, advantage {sign:+g} and clip 0.2",
                gradients=(0,),
            )
    for clip in (0.1, 0.3):
        table = ratios.repeat(2, 1)
        signs = torch.tensor([[1.0], [-1.0]]).expand_as(table).contiguous()
        start = torch.full_like(table, -3.0)
        yield Case(
            (start + table.log(), start, signs, signs != 0, clip),
            CLIP,
            f"many ratios and clip {clip}",
            gradients=(0,),
        )
    moved = torch.linspace(-0.4, 0.4, 10).view(2, 5) * mask
    filled = (
        *((old + moved).masked_fill(~mask, -1.9), old.masked_fill(~mask, -2.0)),
        *(advantages.masked_fill(~mask, 3.0), mask),
    )
    wider = tuple(F.pad(x, (0, 3)) for x in filled)
    words = "more padding, with other numbers in it,"
    yield Case((*wider, 0.2), NOT_ASKED, words, gradients=(0,))
    words = "constants that come with a graph"
    inputs = (old + 0.05, old, advantages, mask, 0.2)
    yield Case(inputs, NOT_ASKED, words, gradients=(0, 1, 2))
    words = "tokens whose probability is e to the power of -110"
    yield Case((old - 109.9, old - 110, advantages, mask, 0.2), NOT_ASKED, words)


# What people get wrong


def mean(x, mask):
    return (x * mask).sum() / mask.sum()


def objective(ratio, gain, clip):
    return torch.minimum(ratio * gain, ratio.clamp(1 - clip, 1 + clip) * gain)


def ratio_of(new, old, mask):
    return (new - old.detach()).exp()


def wrong(
    ratio=ratio_of, gain=lambda a, mask: a, choose=objective, average=mean, sign=-1
):
    """The loss with one part exchanged."""

    def answer(log_probs, old_log_probs, advantages, mask, clip):
        found = ratio(log_probs, old_log_probs, mask)
        return sign * average(
            choose(found, gain(advantages.detach(), mask), clip), mask
        )

    return answer


def spread(unbiased=True):
    def whitened(a, mask):
        gap = a[mask] - a[mask].mean()
        variance = gap.square().sum() / (len(gap) - unbiased)
        return (a - a[mask].mean()) / (variance.sqrt() + 1e-8)

    return whitened


def one_ratio(per_answer):
    def ratio(new, old, mask):
        gap = ((new - old.detach()) * mask).sum(1, keepdim=True)
        return (
            (gap / (mask.sum(1, keepdim=True) if per_answer else 1))
            .exp()
            .expand_as(new)
        )

    return ratio


def stopped(ratio, gain, clip):
    return ((gain > 0) & (ratio > 1 + clip)) | ((gain < 0) & (ratio < 1 - clip))


def divided(new, old, mask):
    return new / old.masked_fill(~mask, 1.0)


def optimistic(ratio, gain, clip):
    return torch.maximum(ratio * gain, ratio.clamp(1 - clip, 1 + clip) * gain)


def dual(ratio, gain, clip):
    found = objective(ratio, gain, clip)
    return torch.where(gain < 0, torch.maximum(found, 3 * gain), found)


def without_ratio(keep):
    def answer(log_probs, old_log_probs, advantages, mask, clip):
        out = stopped(ratio_of(log_probs, old_log_probs, mask), advantages, clip)
        return -mean(log_probs * advantages.detach() * (keep | ~out), mask)

    return answer


def in_log_space(log_probs, old_log_probs, advantages, mask, clip):
    gap = log_probs - old_log_probs
    both = gap.exp() * advantages, gap.clamp(-clip, clip).exp() * advantages
    return -mean(torch.minimum(*both), mask)


def infinite_padding(log_probs, old_log_probs, advantages, mask, clip):
    new, old = (x.masked_fill(~mask, -torch.inf) for x in (log_probs, old_log_probs))
    return policy_loss(new, old, advantages, mask, clip)


def padding_learns(log_probs, old_log_probs, advantages, mask, clip):
    centred = (advantages - mean(advantages, mask)).detach()
    return -objective(ratio_of(log_probs, old_log_probs, mask), centred, clip).mean()


def constants(not_detached):
    def answer(log_probs, old_log_probs, advantages, mask, clip):
        ratio = (log_probs - old_log_probs).exp()
        if not_detached == "advantages":
            ratio = ratio_of(log_probs, old_log_probs, mask)
        else:
            advantages = advantages.detach()
        return -mean(objective(ratio, advantages, clip), mask)

    return answer


def subtracted_in_place(log_probs, old_log_probs, advantages, mask, clip):
    log_probs -= old_log_probs
    return -mean(objective(log_probs.exp(), advantages, clip), mask)


DIVIDED = (
    "You divided log-probabilities. The ratio is one of probabilities: subtract the "
    "logarithms, then exponentiate."
)
WHITENED = (
    "The advantages were shifted or rescaled on the way. Whitening belongs to the "
    "rollout, before the loss; take them here as they are."
)
SWAPPED = (
    "Minimum and maximum have changed places: you take the optimistic one of the two "
    "objectives, so the clip stops the wrong tokens. Mind the sign: the smaller "
    "objective is the larger loss."
)
ONE_RATIO = "One ratio was made for a whole answer: each token has a ratio of its own."
NO_RATIO = (
    "There is no ratio: the log-probability itself was multiplied by the advantage. "
    "That has the right gradient at the first step only."
)
PADDING = "Padding takes part: positions where the mask is False receive a gradient."
MISTAKES = {
    wrong(sign=1): "The sign is wrong: an optimiser makes a loss small, so this one "
    "would make good tokens rarer.",
    wrong(ratio=lambda new, old, m: (old - new).exp()): "The ratio is upside down: it "
    "should be the new probability over the old one. Yours makes good tokens rarer.",
    wrong(ratio=divided): DIVIDED,
    wrong(ratio=lambda new, old, m: new / old): DIVIDED,
    wrong(ratio=lambda new, old, m: new - old): "You clipped the difference of the "
    "log-probabilities, which is 0 and not 1 where nothing has changed. Exponentiate "
    "it first.",
    wrong(ratio=lambda new, old, m: new.exp() / old.exp()): "Small probabilities were "
    "rounded to zero, and zero was divided by zero: subtract the logarithms first, "
    "then exponentiate.",
    wrong(ratio=lambda new, old, m: (new - old.detach()).clamp(-1, 1).exp()): (
        "The difference of the log-probabilities was held within bounds, so a token "
        "that moved far the wrong way no longer learns. The minimum is all the "
        "clipping there is."
    ),
    wrong(ratio=one_ratio(False)): ONE_RATIO,
    wrong(ratio=one_ratio(True)): ONE_RATIO,
    without_ratio(True): NO_RATIO,
    without_ratio(False): NO_RATIO,
    wrong(choose=lambda ratio, gain, clip: ratio * gain): "Nothing is clipped: a token "
    "whose probability has doubled is still pushed up, however often the same samples "
    "are used.",
    wrong(choose=lambda r, gain, clip: r.clamp(1 - clip, 1 + clip) * gain): (
        "You use the clipped ratio alone. A good token that has become too rare must "
        "still learn: take the pessimistic one of the clipped and the unclipped "
        "objective."
    ),
    wrong(choose=optimistic): SWAPPED,
    wrong(choose=dual): "Bad tokens that became much more likely stop learning: that "
    "is the bound of dual-clip PPO, a method of its own. Here they are always brought "
    "back.",
    wrong(
        choose=lambda r, gain, clip: torch.minimum(
            r * gain, r.clamp(1 - clip, 1 + clip).detach() * gain
        )
    ): (
        "The clipped objective was cut off the graph. Where both are equal, as at "
        "ratio 1, half of the gradient is lost with it."
    ),
    in_log_space: "You clip the logarithm of the ratio: the range from 1 - clip to 1 + "
    "clip is one for the ratio itself.",
    wrong(choose=lambda r, gain, clip: objective(r, gain, 0.2)): "Right with clip 0.2 "
    "only: is it written as a number where the argument should stand?",
    wrong(
        choose=lambda r, gain, clip: (r * gain).masked_fill(stopped(r, gain, clip), 0.0)
    ): (
        "Tokens that stop learning are missing in the loss. They have no gradient, but "
        "they count, with the clipped ratio."
    ),
    wrong(average=lambda x, mask: (x * mask).mean()): "You divided by all positions, "
    "padding included; divide by the number of real tokens.",
    wrong(average=lambda x, mask: (x * mask).sum()): "The loss is a sum over tokens; "
    "it should be their mean, so that a step does not grow with the batch.",
    wrong(average=lambda x, mask: (x * mask).sum() / len(x)): "You divided by the "
    "number of answers, so a step grows with their length; divide by the number of "
    "real tokens.",
    wrong(average=lambda x, mask: ((x * mask).sum(1) / mask.sum(1)).mean()): (
        "You averaged each row first, so a token of a short answer weighs more. Take "
        "one mean over all real tokens of the batch."
    ),
    wrong(average=lambda x, mask: (x * mask).sum() / (x * mask != 0).sum()): (
        "You divided by the number of tokens with an objective that is not zero: a "
        "token that is just as good as expected is a real one, too."
    ),
    wrong(average=lambda x, mask: -x * mask): "",
    padding_learns: PADDING,
    wrong(average=lambda x, mask: x.mean()): PADDING,
    lambda new, old, a, mask, clip: policy_loss(new, old, a, old != 0, clip): (
        "The loss changed when only padding did. What stands at positions where the "
        "mask is False must not matter; go by the mask, not by the numbers."
    ),
    infinite_padding: "The loss or its gradient is not a number. Leave padding out by "
    "the mask; minus infinity, which serves attention well, does not work here.",
    wrong(gain=spread()): WHITENED,
    wrong(gain=spread(unbiased=False)): WHITENED,
    wrong(gain=lambda a, mask: a - a[mask].mean()): WHITENED,
    wrong(gain=lambda a, mask: a.clamp(-0.3, 0.3)): "",
    wrong(gain=lambda a, mask: a / 2): "",
    constants("advantages"): "",
    constants("old_log_probs"): "",
    lambda new, *others: policy_loss(new.detach(), *others): "",
    subtracted_in_place: "",
}


# Right in other styles


def as_a_maximum(log_probs, old_log_probs, advantages, mask, clip):
    ratio = (log_probs - old_log_probs.detach()).exp()
    gain = advantages.detach()
    losses = torch.stack((-gain * ratio, -gain * ratio.clamp(1 - clip, 1 + clip)))
    return losses.amax(dim=0)[mask].mean()


def with_where(log_probs, old_log_probs, advantages, mask, clip):
    ratio = torch.exp(log_probs - old_log_probs.detach())
    gain = advantages.detach()
    bound = torch.where(gain > 0, 1 + clip, 1 - clip)
    is_out = torch.where(gain > 0, ratio > bound, ratio < bound)
    return -(torch.where(is_out, bound, ratio) * gain * mask).sum() / mask.sum()


def of_the_library(log_probs, old_log_probs, advantages, mask, clip):
    weights = mask / mask.sum()
    return policy_gradient.clipped_policy_loss(
        log_probs, old_log_probs, advantages, weights, clip
    )


EXERCISE = Exercise(
    name="policy_loss",
    title="One batch, several steps: the clipped loss",
    kind="implement",
    skill="write a clipped loss",
    difficulty=4,
    importance=4,
    minutes=25,
    chapter="12, before section 2, which prints the library's, with weights in place "
    "of the mask",
    task=TASK,
    solution=policy_loss,
    definition=definition,
    cases=cases,
    points={"the policy gradient at ratio 1": 1, CLIP: 2, NOT_ASKED: 1},
    proven="At ratio 1 this is the policy gradient; beyond the clip range only tokens "
    "that already\nmoved the wished way stop learning; padding and advantages receive "
    "no gradient.",
    mistakes=MISTAKES,
    right=(as_a_maximum, with_where, of_the_library),
    hints=HINTS,
    after=AFTER,
    library=("llmlab.policy_gradient.clipped_policy_loss",),
)
