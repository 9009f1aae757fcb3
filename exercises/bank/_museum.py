"""What the rooms of the museum of faults share: a run in the world of 31 texts.

Every gradient is a finite sum, so what a curve shows is the fault and not luck.
"""

import random

import torch

from llmlab.checks import Case
from llmlab.exact import World, kl_divergence
from llmlab.policy_gradient import reward_to_go

WORLD = World()
_dice = torch.Generator().manual_seed(1)
REFERENCE = WORLD.random_logits(_dice)
REFERENCE[:, WORLD.end] += 0.3
LENGTHS = WORLD.mask.sum(dim=1).double()
# Short texts are the best, and a text without an end costs a point.
SCORES = 2.3 - 0.3 * LENGTHS + 0.3 * torch.randn(31, generator=_dice).double()
SCORES[[text[-1] != WORLD.end for text in WORLD.sequences]] = -1.0


def ascent_of(weights):
    """The direction of steepest ascent, (states, vocab), from the weight that each
    token of each text gets: `weights` of the logits, (31, time)."""

    def ascent(logits):
        each = WORLD.estimates(logits, weights(logits))
        return (WORLD.probabilities(logits) @ each).view_as(logits)

    return ascent


def paid(rewards, beta=0.5):
    """The weights that come of what a function says that tokens are paid."""
    reference = WORLD.token_log_probs(REFERENCE)

    def weights(logits):
        log_probs = WORLD.token_log_probs(logits)
        told = rewards(SCORES, log_probs, reference, WORLD.mask, beta)
        return reward_to_go(told, WORLD.mask)

    return weights


def curves(runs, updates=100, rate=2.0, temperature=1.0):
    """A table of policies while they learn, from a name to its direction of ascent."""
    start = WORLD.probabilities(REFERENCE / temperature)
    lines = ["                  update   score     KL   length   texts"]
    for name, ascent in runs.items():
        logits = REFERENCE
        for update in range(updates + 1):
            if update % (updates // 4) == 0:
                share = WORLD.probabilities(logits / temperature).clamp(min=1e-300)
                kl = kl_divergence(share, start).clamp(min=0)
                texts = (-share @ share.log()).exp()
                lines.append(
                    f"{'' if update else name:17} {update:6} {share @ SCORES:7.2f} "
                    f"{kl:6.2f} {share @ LENGTHS:8.2f} "
                    f"{texts:7.1f}"
                )
            logits = logits + rate * ascent(logits)
    return "\n".join(lines)


def detector_cases(seed, name, sick, healthy):
    """Every function once, in another order for each seed."""
    functions = [(f, "sick") for f in sick] + [(f, "healthy") for f in healthy]
    random.Random(seed).shuffle(functions)
    for f, kind in functions:
        yield Case((f,), name, f"one of the {kind} functions", of=1)
