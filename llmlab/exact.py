"""The laboratory: a world so small that every sequence in it can be listed.

With two letters, an end token and at most four tokens there are 31 sequences.
What reinforcement learning estimates by sampling is here a finite sum: the
expected reward, its gradient, the KL divergence and the best possible policy
are exact, so that an estimator can be checked to the last digit of a float.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from llmlab.gpt import Cache, GPTConfig


def enumerate_sequences(vocab_size: int, time: int) -> list[tuple[int, ...]]:
    """Every sequence that ends with the last id, or is cut off after `time`."""
    end = vocab_size - 1
    ended, open_ = [], [()]
    for _ in range(time):
        ended += [sequence + (end,) for sequence in open_]
        open_ = [sequence + (letter,) for sequence in open_ for letter in range(end)]
    return ended + open_


@dataclass(frozen=True)
class World:
    """All sequences over `vocab_size` ids; the last id is the end token.

    A policy is a table of logits `(states, vocab)`. A state is what has been
    written so far, numbered like a heap: the empty prefix is 0, and writing
    letter `a` leads from state `s` to state `s * letters + a + 1`.
    """

    vocab_size: int = 3
    time: int = 4

    def __post_init__(self):
        if self.vocab_size < 3 or self.time < 1:
            raise ValueError(
                f"a world of {self.vocab_size} ids and {self.time} tokens is too "
                "small: take at least two letters and an end token, and time >= 1"
            )

    @property
    def end(self) -> int:
        return self.vocab_size - 1

    @property
    def state_count(self) -> int:
        return sum(self.end**depth for depth in range(self.time))

    @property
    def sequences(self) -> list[tuple[int, ...]]:
        return enumerate_sequences(self.vocab_size, self.time)

    @property
    def tokens(self) -> Tensor:
        """(sequences, time), filled up with the end token."""
        return torch.tensor(
            [list(s) + [self.end] * (self.time - len(s)) for s in self.sequences]
        )

    @property
    def mask(self) -> Tensor:
        """(sequences, time), True on the tokens of a sequence, its end included."""
        lengths = torch.tensor([len(sequence) for sequence in self.sequences])
        return torch.arange(self.time) < lengths[:, None]

    @property
    def states(self) -> Tensor:
        """(sequences, time): the state in which each token was chosen."""
        return self.follow(self.tokens)

    def follow(self, tokens: Tensor) -> Tensor:
        """States (batch, time) before each token; after the end they mean nothing."""
        states = [torch.zeros_like(tokens[:, 0])]
        for token in tokens[:, :-1].unbind(dim=1):
            following = states[-1] * self.end + token + 1
            states.append(following.clamp(max=self.state_count - 1))
        return torch.stack(states, dim=1)

    def index(self, sequence: tuple[int, ...]) -> int:
        """The row of a sequence in every tensor of this world."""
        return self.sequences.index(tuple(sequence))

    def random_logits(self, generator: torch.Generator) -> Tensor:
        return torch.randn(
            self.state_count, self.vocab_size, generator=generator, dtype=torch.float64
        )

    def token_log_probs(self, logits: Tensor) -> Tensor:
        """log pi(y_t | s_t), (sequences, time), 0 after the end."""
        log_probs = functional.log_softmax(logits, dim=-1)
        return log_probs[self.states, self.tokens].where(self.mask, 0)

    def probabilities(self, logits: Tensor) -> Tensor:
        """pi(y) of every sequence, (sequences,); they sum to 1."""
        return self.token_log_probs(logits).sum(dim=-1).exp()

    def expected_reward(self, logits: Tensor, rewards: Tensor) -> Tensor:
        """J = sum over y of pi(y) R(y), with `rewards` of shape (sequences,)."""
        return self.probabilities(logits) @ rewards

    def gradient(self, logits: Tensor, rewards: Tensor) -> Tensor:
        """dJ/dlogits, (states, vocab): what every policy gradient estimates."""
        logits = logits.detach().requires_grad_()
        return torch.autograd.grad(self.expected_reward(logits, rewards), logits)[0]

    def token_gradients(self, logits: Tensor) -> Tensor:
        """d log pi(y_t | s_t) / dlogits, (sequences, time, states, vocab).

        The derivative of a log-softmax is the chosen token's one-hot vector
        minus the probabilities, in the row of the state; 0 everywhere else.
        """
        chosen = functional.one_hot(self.tokens, self.vocab_size)
        row = chosen - functional.softmax(logits, dim=-1)[self.states]
        state = functional.one_hot(self.states, self.state_count) * self.mask[..., None]
        return state[..., None] * row[:, :, None, :]

    def estimates(self, logits: Tensor, weights: Tensor) -> Tensor:
        """The gradient that each sequence alone would report, flattened.

        sum_t weights[y, t] * d log pi(y_t | s_t), (sequences, states * vocab).
        REINFORCE and all its relatives differ only in the weights
        (sequences, time). `moments` turns the result into bias and variance.
        """
        gradients = self.token_gradients(logits)
        return torch.einsum("nt,ntsv->nsv", weights, gradients).flatten(start_dim=1)

    def moments(self, logits: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Exact mean (dim,) and total variance () of `values` (sequences, dim)."""
        probabilities = self.probabilities(logits)
        mean = probabilities @ values
        return mean, probabilities @ (values - mean).square().sum(dim=-1)

    def state_values(self, logits: Tensor, token_rewards: Tensor) -> Tensor:
        """V(s_t), (sequences, time): the reward still to come, averaged.

        `token_rewards` is (sequences, time). All sequences that pass through a
        state are averaged with their probabilities; 0 after the end.
        """
        to_go = (token_rewards * self.mask).flip(-1).cumsum(-1).flip(-1)
        visits = self.probabilities(logits)[:, None] * self.mask
        weight, total = torch.zeros(2, self.state_count, dtype=visits.dtype)
        weight.index_add_(0, self.states.flatten(), visits.flatten())
        total.index_add_(0, self.states.flatten(), (visits * to_go).flatten())
        return (total / weight)[self.states] * self.mask


def kl_divergence(probabilities: Tensor, reference: Tensor) -> Tensor:
    """KL(p || q) = sum p log(p / q) in nats, over the last dimension."""
    return (probabilities * (probabilities / reference).log()).sum(dim=-1)


def optimum(reference: Tensor, rewards: Tensor, beta: float) -> Tensor:
    """The policy that maximises E[R] - beta KL(pi || reference).

    pi*(y) = reference(y) exp(R(y) / beta) / Z, and its value is beta log Z
    (Rafailov et al. 2023, equation 4). All tensors are (sequences,).
    """
    return functional.softmax(reference.log() + rewards / beta, dim=-1)


def total_variation(first: Tensor, second: Tensor) -> Tensor:
    """Half the summed difference: the largest disagreement about any event."""
    return (first - second).abs().sum(dim=-1) / 2


class TabularPolicy(nn.Module):
    """The simplest policy: a row of logits for each state of a world.

    It can be sampled from and trained wherever a GPT can, so that `make_reinforce_step`
    and `make_ppo_step` run unchanged in a world whose best policy is known. It expects
    prompts of one token; which one does not matter.

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
