"""PPO's clipped policy loss."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from llmlab.checks.common import TOLERANCE, CheckFailed, call, close, require_tensor


def policy_loss(candidate) -> None:
    """Check PPO's clipped policy loss (Schulman et al. 2017, equation 7, negated).

    Parameters
    ----------
    candidate : function of log_probs, old_log_probs, advantages (batch, time), mask
        (batch, time) bool, and clip, that returns the loss, a scalar: the mean over
        the True positions of mask.

    Raises
    ------
    CheckFailed : with the likely mistake.
    """
    batch = _policy_batch()
    # PyTorch forbids to change what a gradient is asked for; here it lets it pass.
    call(candidate, batch["old_log_probs"] + 0.1, *batch.values(), 0.2)
    _first_step_is_the_policy_gradient(candidate, batch)
    _clip_stops_the_right_tokens(candidate, clip=0.2)
    _loss_equals_loop(candidate)
    _clip_follows_its_argument(candidate)
    _padding_changes_nothing(candidate, batch)
    _only_new_log_probs_learn(candidate, batch)
    print(
        "Right. At ratio 1 this is the policy gradient; beyond the clip range only "
        "tokens that already\nmoved the wished way stop learning; padding and "
        "advantages receive no gradient."
    )


def _policy_batch() -> dict[str, Tensor]:
    """Two rows of five positions, of which seven are real tokens."""
    generator = torch.Generator().manual_seed(2)
    mask = torch.tensor([[True] * 5, [True, True, False, False, False]])
    return {
        "old_log_probs": (-0.2 - torch.rand(2, 5, generator=generator)) * mask,
        "advantages": (torch.randn(2, 5, generator=generator) + 0.5) * mask,
        "mask": mask,
    }


def _loss_and_gradient(
    candidate, log_ratio, old_log_probs, advantages, mask, clip=0.2
) -> tuple[float, Tensor]:
    """The loss where log_probs = old_log_probs + log_ratio, and d loss / d log_probs"""
    log_probs = (old_log_probs + log_ratio).requires_grad_()
    loss = call(candidate, log_probs, old_log_probs, advantages, mask, clip)
    require_tensor(loss, ())
    if loss.requires_grad:
        loss.backward()
    if log_probs.grad is None:
        raise CheckFailed(
            "No gradient reaches log_probs, so the policy could not learn: something "
            "cuts the graph (detach, item, no_grad)."
        )
    if not (loss.isfinite() and log_probs.grad.isfinite().all()):
        raise CheckFailed(
            "The loss or its gradient is not a number. Leave padding out by the mask; "
            "minus infinity, which serves attention well, does not work here."
        )
    return loss.item(), log_probs.grad


def _first_step_is_the_policy_gradient(candidate, batch) -> None:
    """Before the first update the ratio is 1: nothing is clipped, loss = -mean(A)."""
    loss, gradient = _loss_and_gradient(candidate, 0.0, **batch)
    old, advantages, mask = batch.values()
    count = int(mask.sum())
    right_loss = -(advantages * mask).sum().item() / count
    right_gradient = -advantages * mask / count
    if close(gradient, right_gradient) and math.isclose(
        loss, right_loss, abs_tol=TOLERANCE
    ):
        return
    if gradient[~mask].any():
        raise CheckFailed(
            "Padding takes part: positions where the mask is False receive a gradient."
        )
    if close(gradient, -right_gradient):
        if math.isclose(loss, right_loss, abs_tol=TOLERANCE):
            raise CheckFailed(
                "The ratio is upside down: it should be the new probability over the "
                "old one. Yours makes good tokens rarer."
            )
        raise CheckFailed(
            "The sign is wrong: an optimiser makes a loss small, so this one would "
            "make good tokens rarer."
        )
    if close(gradient, right_gradient * count):
        raise CheckFailed(
            "The loss is a sum over tokens; it should be their mean, so that a step "
            "does not grow with the batch."
        )
    if close(gradient, right_gradient * count / mask.numel()):
        raise CheckFailed(
            f"You divided by all {mask.numel()} positions, padding included; divide "
            f"by the {count} real tokens."
        )
    per_row = -advantages * mask / mask.sum(dim=1, keepdim=True) / len(mask)
    if close(gradient, per_row):
        raise CheckFailed(
            "You averaged each row first, so a token of a short answer weighs more. "
            "Take one mean over all real tokens of the batch."
        )
    if close(gradient, right_gradient.where(mask, 0.0) / _or_one(old)):
        raise CheckFailed(
            "You divided log-probabilities. The ratio is one of probabilities: "
            "subtract the logarithms, then exponentiate."
        )
    if not gradient[advantages < 0].any() and not gradient[~mask].any():
        raise CheckFailed(
            "You clipped the difference of the log-probabilities, which is 0 and not "
            "1 where nothing has changed. Exponentiate it first."
        )
    if _is_affine(gradient[mask], advantages[mask]):
        raise CheckFailed(
            "The advantages were shifted or rescaled on the way. Whitening belongs to "
            "the rollout, before the loss; take them here as they are."
        )
    raise CheckFailed(
        "At ratio 1, before any update, the loss should be minus the mean advantage "
        f"of the real tokens, {right_loss:.3f}; it is {loss:.3f}. Its gradient should "
        "be minus each token's advantage over the number of real tokens."
    )


def _or_one(x: Tensor) -> Tensor:
    return x.where(x != 0, torch.ones_like(x))


def _is_affine(found: Tensor, of: Tensor) -> bool:
    design = torch.stack((of, torch.ones_like(of)), dim=1)
    fit = design @ torch.linalg.lstsq(design, found.unsqueeze(1)).solution
    return close(fit.squeeze(1), found)


_RATIOS = (0.5, 0.7, 0.79, 0.82, 0.95, 1.0, 1.05, 1.18, 1.21, 1.4, 2.0)


def _policy_table(clip: float) -> dict:
    """Every ratio of the table with a good (+1) and a bad (-1) advantage."""
    ratios = torch.tensor(_RATIOS).repeat(2, 1)
    signs = torch.tensor([[1.0], [-1.0]]).expand_as(ratios)
    too_high, too_low = ratios > 1 + clip, ratios < 1 - clip
    return {
        "ratios": ratios,
        "signs": signs,
        "outside": too_high | too_low,
        "stopped": ((signs > 0) & too_high) | ((signs < 0) & too_low),
        "stopped_if_swapped": ((signs > 0) & too_low) | ((signs < 0) & too_high),
    }


def _table_call(candidate, table: dict, clip: float) -> tuple[float, Tensor]:
    return _loss_and_gradient(
        candidate,
        table["ratios"].log(),
        old_log_probs=torch.full_like(table["ratios"], -3.0),
        advantages=table["signs"],
        mask=torch.ones_like(table["outside"]),
        clip=clip,
    )


def _clip_stops_the_right_tokens(candidate, clip: float) -> None:
    table = _policy_table(clip)
    _, gradient = _table_call(candidate, table, clip)
    stopped = gradient == 0
    if stopped.equal(table["stopped"]):
        return
    if not stopped.any():
        raise CheckFailed(
            "Nothing is clipped: a token whose probability has doubled is still pushed "
            "up, however often the same samples are used."
        )
    if stopped.equal(table["outside"]):
        raise CheckFailed(
            "You use the clipped ratio alone. A good token that has become too rare "
            "must still learn: take the pessimistic one of the clipped and the "
            "unclipped objective."
        )
    if stopped.equal(table["stopped_if_swapped"]):
        raise CheckFailed(
            "Minimum and maximum have changed places: you take the optimistic one of "
            "the two objectives, so the clip stops the wrong tokens. Mind the sign: "
            "the smaller objective is the larger loss."
        )
    sign, column = (stopped != table["stopped"]).nonzero()[0].tolist()
    goes_on = "still learns" if table["stopped"][sign, column] else "stops learning"
    raise CheckFailed(
        f"A token with ratio {_RATIOS[column]} and advantage "
        f"{'+1' if sign == 0 else '-1'} {goes_on}, which it should not with clip "
        f"{clip}: the range is from 1 - clip to 1 + clip, for the ratio alone."
    )


def _loss_equals_loop(candidate) -> None:
    table = _policy_table(clip=0.2)
    loss, _ = _table_call(candidate, table, clip=0.2)
    total = 0.0
    for advantage in (1.0, -1.0):
        for ratio in _RATIOS:
            clipped = max(0.8, min(ratio, 1.2))
            total -= min(ratio * advantage, clipped * advantage)
    expected = total / (2 * len(_RATIOS))
    if not math.isclose(loss, expected, abs_tol=TOLERANCE):
        raise CheckFailed(
            "The right tokens learn, but the loss of a batch with many ratios is "
            f"{loss:.4f} where a loop over its tokens gives {expected:.4f}."
        )


def _clip_follows_its_argument(candidate) -> None:
    for clip in (0.1, 0.3):
        table = _policy_table(clip)
        _, gradient = _table_call(candidate, table, clip)
        if not (gradient == 0).equal(table["stopped"]):
            raise CheckFailed(
                f"Right with clip 0.2, wrong with clip {clip}: is 0.2 written as a "
                "number where the argument should stand?"
            )


def _padding_changes_nothing(candidate, batch) -> None:
    mask = batch["mask"]
    log_ratio = torch.linspace(-0.4, 0.4, mask.numel()).view_as(mask) * mask
    loss, gradient = _loss_and_gradient(candidate, log_ratio, **batch)
    filled = {
        "old_log_probs": batch["old_log_probs"].masked_fill(~mask, -2.0),
        "advantages": batch["advantages"].masked_fill(~mask, 3.0),
        "mask": mask,
    }
    wider = {name: F.pad(x, (0, 3)) for name, x in filled.items()}
    wider_ratio = F.pad(log_ratio.masked_fill(~mask, 0.1), (0, 3))
    padded_loss, padded_gradient = _loss_and_gradient(candidate, wider_ratio, **wider)
    same_loss = math.isclose(loss, padded_loss, abs_tol=TOLERANCE)
    if not same_loss or not close(padded_gradient, F.pad(gradient, (0, 3))):
        raise CheckFailed(
            "The loss changed when only padding did. What stands at positions where "
            "the mask is False must not matter; go by the mask, not by the numbers."
        )


def _only_new_log_probs_learn(candidate, batch) -> None:
    constants = {
        name: batch[name].clone().requires_grad_()
        for name in ("old_log_probs", "advantages")
    }
    log_probs = (batch["old_log_probs"] + 0.05).requires_grad_()
    loss = call(candidate, log_probs, *constants.values(), batch["mask"], 0.2)
    loss.backward()
    for name, x in constants.items():
        if x.grad is not None and x.grad.any():
            raise CheckFailed(
                f"The loss sends a gradient into {name}. They are measurements of the "
                "rollout: treat them as constants and detach them."
            )
