"""Mistakes people make in PPO's clipped policy loss, and what the check says."""

import torch


def _ratio(log_probs, old_log_probs):
    return (log_probs - old_log_probs.detach()).exp()


def _objective(ratio, advantages, clip):
    advantages = advantages.detach()
    clipped = ratio.clamp(1 - clip, 1 + clip)
    return torch.minimum(ratio * advantages, clipped * advantages)


def _mean(x, mask):
    return (x * mask).sum() / mask.sum()


def sign_forgotten(log_probs, old_log_probs, advantages, mask, clip):
    ratio = _ratio(log_probs, old_log_probs)
    return _mean(_objective(ratio, advantages, clip), mask)


def ratio_upside_down(log_probs, old_log_probs, advantages, mask, clip):
    ratio = (old_log_probs - log_probs).exp()
    return -_mean(_objective(ratio, advantages, clip), mask)


def log_probs_divided(log_probs, old_log_probs, advantages, mask, clip):
    ratio = log_probs / old_log_probs.masked_fill(~mask, 1.0)
    return -_mean(_objective(ratio, advantages, clip), mask)


def not_exponentiated(log_probs, old_log_probs, advantages, mask, clip):
    return -_mean(_objective(log_probs - old_log_probs, advantages, clip), mask)


def not_clipped(log_probs, old_log_probs, advantages, mask, clip):
    return -_mean(_ratio(log_probs, old_log_probs) * advantages.detach(), mask)


def clipped_without_minimum(log_probs, old_log_probs, advantages, mask, clip):
    ratio = _ratio(log_probs, old_log_probs).clamp(1 - clip, 1 + clip)
    return -_mean(ratio * advantages.detach(), mask)


def maximum_of_objectives(log_probs, old_log_probs, advantages, mask, clip):
    ratio = _ratio(log_probs, old_log_probs)
    clipped = ratio.clamp(1 - clip, 1 + clip)
    return -_mean(torch.maximum(ratio * advantages, clipped * advantages), mask)


def minimum_of_losses(log_probs, old_log_probs, advantages, mask, clip):
    ratio = _ratio(log_probs, old_log_probs)
    clipped = ratio.clamp(1 - clip, 1 + clip)
    return _mean(torch.minimum(-ratio * advantages, -clipped * advantages), mask)


def clip_in_log_space(log_probs, old_log_probs, advantages, mask, clip):
    log_ratio = log_probs - old_log_probs
    objective = torch.minimum(
        log_ratio.exp() * advantages, log_ratio.clamp(-clip, clip).exp() * advantages
    )
    return -_mean(objective, mask)


def clip_written_as_a_number(log_probs, old_log_probs, advantages, mask, clip):
    ratio = _ratio(log_probs, old_log_probs)
    return -_mean(_objective(ratio, advantages, 0.2), mask)


def clipped_part_dropped(log_probs, old_log_probs, advantages, mask, clip):
    advantages = advantages.detach()
    ratio = _ratio(log_probs, old_log_probs)
    up = (advantages > 0) & (ratio > 1 + clip)
    down = (advantages < 0) & (ratio < 1 - clip)
    return -_mean((ratio * advantages).masked_fill(up | down, 0.0), mask)


def divided_by_padded_width(log_probs, old_log_probs, advantages, mask, clip):
    ratio = _ratio(log_probs, old_log_probs)
    return -(_objective(ratio, advantages, clip) * mask).mean()


def summed(log_probs, old_log_probs, advantages, mask, clip):
    ratio = _ratio(log_probs, old_log_probs)
    return -(_objective(ratio, advantages, clip) * mask).sum()


def rows_averaged_first(log_probs, old_log_probs, advantages, mask, clip):
    objective = _objective(_ratio(log_probs, old_log_probs), advantages, clip) * mask
    return -(objective.sum(dim=1) / mask.sum(dim=1)).mean()


def one_value_a_token(log_probs, old_log_probs, advantages, mask, clip):
    return -_objective(_ratio(log_probs, old_log_probs), advantages, clip) * mask


def padding_learns(log_probs, old_log_probs, advantages, mask, clip):
    ratio = _ratio(log_probs, old_log_probs)
    centred = advantages.detach() - _mean(advantages, mask).detach()
    return -_objective(ratio, centred, clip).mean()


def mask_guessed_from_zeros(log_probs, old_log_probs, advantages, mask, clip):
    ratio = _ratio(log_probs, old_log_probs)
    return -_mean(_objective(ratio, advantages, clip), old_log_probs != 0)


def advantages_whitened(log_probs, old_log_probs, advantages, mask, clip):
    mean, spread = advantages[mask].mean(), advantages[mask].std()
    ratio = _ratio(log_probs, old_log_probs)
    return -_mean(_objective(ratio, (advantages - mean) / spread, clip), mask)


def advantages_clipped(log_probs, old_log_probs, advantages, mask, clip):
    ratio = _ratio(log_probs, old_log_probs)
    return -_mean(_objective(ratio, advantages.clamp(-0.3, 0.3), clip), mask)


def advantages_not_detached(log_probs, old_log_probs, advantages, mask, clip):
    ratio = _ratio(log_probs, old_log_probs)
    clipped = ratio.clamp(1 - clip, 1 + clip)
    return -_mean(torch.minimum(ratio * advantages, clipped * advantages), mask)


def old_log_probs_not_detached(log_probs, old_log_probs, advantages, mask, clip):
    ratio = (log_probs - old_log_probs).exp()
    return -_mean(_objective(ratio, advantages, clip), mask)


def new_log_probs_detached(log_probs, old_log_probs, advantages, mask, clip):
    ratio = _ratio(log_probs.detach(), old_log_probs)
    return -_mean(_objective(ratio, advantages, clip), mask)


def log_probs_subtracted_in_place(log_probs, old_log_probs, advantages, mask, clip):
    log_probs -= old_log_probs
    return -_mean(_objective(log_probs.exp(), advantages, clip), mask)


def padding_set_to_minus_infinity(log_probs, old_log_probs, advantages, mask, clip):
    log_probs = log_probs.masked_fill(~mask, -torch.inf)
    old_log_probs = old_log_probs.masked_fill(~mask, -torch.inf)
    ratio = _ratio(log_probs, old_log_probs)
    return -_mean(_objective(ratio, advantages, clip), mask)


SAID = {
    log_probs_subtracted_in_place: "Your function changes its first input in place",
    padding_set_to_minus_infinity: "The loss or its gradient is not a number",
    sign_forgotten: "The sign is wrong",
    ratio_upside_down: "The ratio is upside down",
    log_probs_divided: "You divided log-probabilities",
    not_exponentiated: "You clipped the difference of the log-probabilities",
    not_clipped: "Nothing is clipped",
    clipped_without_minimum: "You use the clipped ratio alone",
    maximum_of_objectives: "Minimum and maximum have changed places",
    minimum_of_losses: "Minimum and maximum have changed places",
    clip_in_log_space: "A token with ratio 1.21 and advantage +1 still learns",
    clip_written_as_a_number: "is 0.2 written as a number",
    clipped_part_dropped: "a loop over its tokens gives",
    divided_by_padded_width: "You divided by all 10 positions, padding included",
    summed: "The loss is a sum over tokens",
    rows_averaged_first: "You averaged each row first",
    one_value_a_token: "The result has shape (2, 5)",
    padding_learns: "Padding takes part",
    mask_guessed_from_zeros: "The loss changed when only padding did",
    advantages_whitened: "The advantages were shifted or rescaled",
    advantages_clipped: "At ratio 1, before any update",
    advantages_not_detached: "The loss sends a gradient into advantages",
    old_log_probs_not_detached: "The loss sends a gradient into old_log_probs",
    new_log_probs_detached: "No gradient reaches log_probs",
}
