"""Policies and values that are tables, for the world in which every sum is exact."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from llmlab.cache import Cache
from llmlab.exact import World
from llmlab.gpt import GPTConfig


def state_values(world: World, logits: Tensor, token_rewards: Tensor) -> Tensor:
    """V(s_t), (sequences, time): the reward still to come, averaged.

    `token_rewards` is (sequences, time). All sequences that pass through a state are
    averaged with their probabilities; 0 after the end.
    """
    to_go = (token_rewards * world.mask).flip(-1).cumsum(-1).flip(-1)
    visits = world.probabilities(logits)[:, None] * world.mask
    weight, total = torch.zeros(2, world.state_count, dtype=visits.dtype)
    weight.index_add_(0, world.states.flatten(), visits.flatten())
    total.index_add_(0, world.states.flatten(), (visits * to_go).flatten())
    return (total / weight)[world.states] * world.mask


class TabularPolicy(nn.Module):
    """The simplest policy: a row of logits for each state of a world.

    It can be sampled from and trained wherever a GPT can, so that `policy_step` runs
    unchanged in a world whose best policy is known. It expects prompts of one token;
    which one does not matter.

    Parameters
    ----------
    logits : (states, vocab), where it starts.
    """

    def __init__(self, world: World, logits: Tensor):
        super().__init__()
        self.world = world
        self.config = GPTConfig(
            world.vocab_size, context=world.time + 1, layers=1, heads=1, width=2
        )
        # "The vector of a state" is the row of logits itself.
        self.embedding = nn.Embedding.from_pretrained(logits.float(), freeze=False)

    def forward(
        self,
        tokens: Tensor,
        *,
        segment_ids: Tensor | None = None,
        cache: Cache | None = None,
        where: Tensor | None = None,
    ) -> Tensor:
        """(batch, time) tokens to (batch, time, vocab) logits, or some; as a GPT."""
        hidden = self.hidden_states(tokens, segment_ids=segment_ids, cache=cache)
        return self.logits(hidden if where is None else hidden[where])

    def hidden_states(
        self,
        tokens: Tensor,
        *,
        segment_ids: Tensor | None = None,
        cache: Cache | None = None,
    ) -> Tensor:
        time = tokens.shape[1]
        if cache is not None:  # remember the tokens where a GPT keeps its keys
            keys = tokens[:, None, :, None].expand(-1, -1, -1, self.config.d_head)
            tokens = cache.extend(0, keys, keys)[0][:, 0, :, 0].long()
            cache.time += time
        # The prompt leads to state 0; the last token leads out of the last state.
        response = functional.pad(tokens[:, 1:], (0, 1))
        return self.embedding(self.world.follow(response))[:, -time:]

    def logits(self, hidden: Tensor) -> Tensor:
        return hidden

    def probabilities(self) -> Tensor:
        """pi(y) of every sequence of the world, (sequences,)."""
        return self.world.probabilities(self.embedding.weight.detach().double())


class TabularValues(TabularPolicy):
    """A table of V(s), one number a state, beginning at 0."""

    def __init__(self, world: World):
        super().__init__(world, torch.zeros(world.state_count, 1))

    def forward(self, tokens: Tensor, *, segment_ids: Tensor | None = None) -> Tensor:
        """(batch, time) tokens to V(s_t), (batch, time)."""
        return super().forward(tokens)[..., 0]
