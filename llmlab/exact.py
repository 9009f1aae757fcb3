"""The laboratory: a world so small that every sequence in it can be listed.

With two letters, an end token and at most four tokens there are 31 sequences.
What reinforcement learning estimates by sampling is here a finite sum: the
expected reward, its gradient, the KL divergence and the best possible policy
are exact, so that an estimator can be checked to the last digit of a float.
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional


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

    @cached_property
    def sequences(self) -> list[tuple[int, ...]]:
        """Every sequence that ends with the last id, or is cut off after `time`."""
        ended, open_ = [], [()]
        for _ in range(self.time):
            ended += [(*sequence, self.end) for sequence in open_]
            letters = range(self.end)
            open_ = [(*sequence, letter) for sequence in open_ for letter in letters]
        return ended + open_

    @cached_property
    def _numbers(self) -> dict[tuple[int, ...], int]:
        return {sequence: row for row, sequence in enumerate(self.sequences)}

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
        return self._numbers[tuple(sequence)]

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
