"""Proximal policy optimisation: the policy gradient with a critic and careful steps.

Schulman et al. 2017, in the form that Ziegler et al. 2019 and Stiennon et al. 2020
gave it for language models. The update itself is `policy_gradient.policy_step`; here is
the critic, who says before every token what the rest of a response will earn. Tensors
per token are (batch, time), aligned with `batch.targets`.
"""

import copy
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from llmlab import processes
from llmlab.batching import Batch
from llmlab.gpt import GPT
from llmlab.likelihood import masked_mean
from llmlab.policy_gradient import (
    REINFORCE,
    PolicySettings,
    token_weights,
    weighted_sum,
)
from llmlab.progress import Metrics
from llmlab.training import apply_gradients, set_learning_rate

PPO = replace(
    REINFORCE,
    rate=5e-4,
    advantage="critic",
    divide_by="tokens",
    clip=0.2,
    beta=0.15,
    epochs=2,
    minibatches=4,
)


class ValueModel(nn.Module):
    """What the rest of a response is expected to earn, before every token of it.

    A network of its own (Stiennon et al. 2020, section 3.4). Its body begins as that of
    the reward model. Its head begins at zero: the reward model's has been trained at
    the last token only, and what it says in the middle of a story makes the advantages
    noisier than no critic at all.
    """

    def __init__(self, body: GPT):
        super().__init__()
        self.body = copy.deepcopy(body)
        self.head = nn.Linear(body.config.width, 1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        self.to(body.embedding.weight)

    def forward(self, tokens: Tensor, *, segment_ids: Tensor | None = None) -> Tensor:
        """V(s_t), (batch, time), aligned with the targets.

        Read off where y_t is *predicted*, which has seen everything before y_t and not
        y_t itself: a value that knew the action would be no baseline.
        """
        hidden = self.body.hidden_states(tokens, segment_ids=segment_ids)
        return self.head(hidden)[..., 0]


# The pieces ---------------------------------------------------------------------------


def generalised_advantages(
    rewards: Tensor,
    values: Tensor,
    mask: Tensor,
    *,
    discount: float = 1.0,
    gae_lambda: float = 0.95,
) -> tuple[Tensor, Tensor]:
    """GAE (Schulman et al. 2016, equation 16): how much better than expected.

    delta_t = r_t + discount * V_{t+1} - V_t
    A_t = delta_t + discount * gae_lambda * A_{t+1}

    lambda 1 asks only what was earned (no bias, much noise); lambda 0 trusts V.

    rewards, values, mask : (batch, time); what lies off the mask is not looked at.

    Returns advantages, returns: (batch, time), 0 off the mask; returns = advantages +
    values, the target for V, computed from advantages before they are whitened.
    """
    # Nothing comes after the last token: its next value and advantage are 0, whatever
    # the network says about the padding.
    rewards, values = rewards * mask, values * mask
    advantages = torch.zeros_like(values)
    following_value = following_advantage = torch.zeros_like(values[:, 0])
    for t in reversed(range(values.shape[1])):
        delta = rewards[:, t] + discount * following_value - values[:, t]
        advantages[:, t] = delta + discount * gae_lambda * following_advantage
        advantages[:, t] *= mask[:, t]
        following_value, following_advantage = values[:, t], advantages[:, t]
    return advantages, (advantages + values) * mask


def whiten(values: Tensor, mask: Tensor) -> Tensor:
    """Mean 0 and variance 1 over the real tokens; 0 elsewhere. (batch, time)

    As Ziegler et al. 2019 do it in code: biased variance, 1e-8 inside the root.
    """
    mean = masked_mean(values, mask)
    variance = masked_mean((values - mean).square(), mask)
    return ((values - mean) * (variance + 1e-8).rsqrt()).where(mask, 0)


def value_loss(
    values: Tensor,
    old_values: Tensor,
    returns: Tensor,
    weights: Tensor,
    clip: float | None = None,
) -> Tensor:
    """Half the squared error of V, summed with `policy_gradient.token_weights`.

    clip : as in Ziegler et al. 2019's code, around the *old value* (not around the
        return): a value that has moved by more than this towards the return is left
        there. None: a young critic, whose errors are large, is not held back.
    """
    error = (values - returns).square()
    if clip is not None:
        near = old_values + (values - old_values).clamp(-clip, clip)
        error = torch.maximum(error, (near - returns).square())
    return weighted_sum(error, weights) / 2


def explained_variance(values: Tensor, returns: Tensor, mask: Tensor) -> float:
    """1 - Var(returns - values) / Var(returns): 1 is perfect, 0 a constant, < 0 worse.

    Over real tokens. 0 where all returns are equal and there is nothing to explain.
    Advantages with lambda 1 have 1 - that times the variance of the plain returns:
    below zero, the critic adds noise.
    """
    errors = returns - values
    variance = masked_mean((returns - masked_mean(returns, mask)).square(), mask)
    left = masked_mean((errors - masked_mean(errors, mask)).square(), mask)
    return 0.0 if variance == 0 else (1 - left / variance).item()


# The critic ---------------------------------------------------------------------------


class Critic:
    """A value model, how it judges and how it learns.

    model : (tokens, segment_ids=...) -> V(s_t), (batch, time); a `ValueModel`. It
        shares nothing with the policy, so that the two losses are minimised side by
        side and need no coefficient to be added up with.
    settings : of the algorithm. `gae_lambda` and `discount`: see
        `generalised_advantages`; `value_clip`: see `value_loss`; `warm_up`: so many
        rollouts teach the critic only, before the policy moves.
    """

    def __init__(
        self,
        model: nn.Module,
        settings: PolicySettings,
        optimizers: dict[str, Optimizer],
    ):
        self.model, self.settings, self.optimizers = model, settings, optimizers

    @torch.no_grad()
    def advantages(self, batch: Batch, rewards: Tensor) -> tuple[Tensor, Metrics]:
        """Whitened advantages of a rollout's tokens, (batch, time), and how well the
        critic foretold its returns. Keeps what `learn` needs."""
        mask = batch.target_mask
        values = self.model(batch.tokens, segment_ids=batch.segment_ids)
        how = dict(discount=self.settings.discount, gae_lambda=self.settings.gae_lambda)
        advantages, returns = generalised_advantages(rewards, values, mask, **how)
        self._judged = batch, values, returns
        explained = explained_variance(values, returns, mask)
        # Whitened once for the rollout, so that every minibatch sees the same scale.
        return whiten(advantages, mask), {"explained_variance": explained}

    def learn(self, rows: Tensor, multiplier: float) -> Metrics:
        """One step towards the returns of some rows of the rollout last judged."""
        batch, old_values, returns = self._judged
        batch = batch.rows(rows)
        columns = slice(batch.tokens.shape[1])
        set_learning_rate(self.optimizers.values(), multiplier)
        values = self.model(batch.tokens, segment_ids=batch.segment_ids)
        weights = token_weights(batch.target_mask, "tokens")
        before, earned = old_values[rows, columns], returns[rows, columns]
        loss = value_loss(values, before, earned, weights, self.settings.value_clip)
        clip = self.settings.gradient_clip
        apply_gradients(loss, self.model, self.optimizers.values(), clip=clip)
        return {"value_loss": processes.sum_(loss.item())}
