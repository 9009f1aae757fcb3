"""Models that only count: yardsticks for the GPT.

A bigram model predicts each token from the one before it, a trigram model from the two
before it, and from nothing else. A small neural model that cannot beat them has learned
little; so every loss in this course stands beside theirs.

The smoothing is interpolated Kneser-Ney (Kneser and Ney, "Improved backing-off for
m-gram language modeling", 1995; in the interpolated form of Chen and Goodman, "An
empirical study of smoothing techniques for language modeling", 1999, section 2.7).
"""

import math
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor


class NgramModel:
    """An interpolated Kneser-Ney model over token ids.

    `order` tables of counts are asked in turn. Each gives up a `discount` of every
    count and hands the probability so freed to the next, which knows less context. Of
    a trigram model, whose order is 3, the first is

        p(w | u v) = (c(u v w) - d) / c(u v)  +  share freed * p(w | v)

    The lower tables do not count how often a token came but after *how many different*
    tokens: "Francisco" is frequent, yet only after "San", so it is an unlikely guess
    after anything else. The last resort is 1 / vocab_size.

    order : 1 looks at nothing, 2 at the token before (bigrams), 3 at two (trigrams).
    """

    def __init__(self, vocab_size: int, order: int) -> None:
        if vocab_size < 1 or order < 1 or vocab_size**order > 2**60:
            raise ValueError(
                f"vocab_size is {vocab_size} and order {order}; each must be from 1, "
                f"and vocab_size ** order at most 2 ** 60, so that the {order} ids of "
                "an n-gram fit into one 64-bit number"
            )
        self.vocab_size = vocab_size
        self.order = order
        self._tables: list[_Table] = []

    def fit(self, sequences: Iterable[Sequence[int]]) -> "NgramModel":
        """Count all n-grams of some sequences; returns the model itself.

        sequences : token ids that each begin with <bos>. What comes before the first
            token is taken to be that token again.

        Raises ValueError: an id that is not in the vocabulary, or nothing to count.
        """
        parts = [self._ngrams(sequence) for sequence in sequences]
        ngrams = torch.cat(parts) if parts else torch.empty(0, dtype=torch.int64)
        if len(ngrams) == 0:
            raise ValueError(
                "there is nothing to count; give at least one sequence of two tokens"
            )
        tables = []
        for order in range(self.order, 0, -1):
            # Every trigram u v w that occurs is one way for v w to come about, and
            # every bigram v w one way for w.
            ngrams = ngrams % self.vocab_size**order
            ngrams, counts = ngrams.unique(return_counts=True)
            tables.append(_Table(ngrams, counts, self.vocab_size))
        self._tables = tables[::-1]
        return self

    def log_probs(self, sequence: Sequence[int]) -> Tensor:
        """Log-probability of every token but the first, given those before it.

        Returns (time - 1,) float64, nats.
        """
        return self._probabilities(self._ngrams(sequence)).log()

    def loss(self, sequences: Iterable[Sequence[int]]) -> float:
        """Mean surprise at every token but the first of each, in nats per token."""
        return -torch.cat([self.log_probs(s) for s in sequences]).mean().item()

    def distribution(self, context: Sequence[int]) -> Tensor:
        """What may follow the `order - 1` tokens of `context`.

        Returns (vocab,) float64, sums to 1.
        """
        if len(context) != self.order - 1:
            raise ValueError(
                f"the context has {len(context)} tokens; a model of order "
                f"{self.order} looks at {self.order - 1}"
            )
        prefix = 0
        for token in self._checked(context).tolist():
            prefix = (prefix + token) * self.vocab_size
        return self._probabilities(prefix + torch.arange(self.vocab_size))

    def _probabilities(self, ngrams: Tensor) -> Tensor:
        if not self._tables:
            raise ValueError("the model has counted nothing yet; call fit first")
        probabilities = torch.full(
            ngrams.shape, 1 / self.vocab_size, dtype=torch.float64
        )
        for order, table in enumerate(self._tables, start=1):
            shorter = ngrams % self.vocab_size**order
            probabilities = table.interpolate(shorter, probabilities)
        return probabilities

    def _ngrams(self, sequence: Sequence[int]) -> Tensor:
        """(time - 1,) int64: each n-gram u v w as u * vocab**2 + v * vocab + w."""
        ids = self._checked(sequence)
        if len(ids) < 2:
            return ids[:0]
        padded = torch.cat([ids[:1]] * (self.order - 1) + [ids])
        ngrams = torch.zeros_like(ids[1:])
        for offset in range(1, self.order + 1):
            ngrams = ngrams * self.vocab_size + padded[offset : offset + len(ngrams)]
        return ngrams

    def _checked(self, sequence: Sequence[int]) -> Tensor:
        ids = torch.as_tensor(sequence, dtype=torch.int64)
        if len(ids) and not 0 <= int(ids.min()) <= int(ids.max()) < self.vocab_size:
            raise ValueError(
                f"the ids {int(ids.min())} to {int(ids.max())} are not all in the "
                f"vocabulary of {self.vocab_size}; use the tokenizer's vocab_size"
            )
        return ids


class _Table:
    """The counts of all n-grams of one order that occurred.

    ngrams : (number,) int64, sorted; context * vocab_size + token.
    counts : (number,) int64, how often each occurred (or in how many ways).
    """

    def __init__(self, ngrams: Tensor, counts: Tensor, vocab_size: int) -> None:
        self.vocab_size = vocab_size
        self.ngrams = ngrams
        self.counts = counts.double()
        self.contexts, which = (ngrams // vocab_size).unique(return_inverse=True)
        zeros = torch.zeros(len(self.contexts), dtype=torch.float64)
        self.totals = zeros.index_add(0, which, self.counts)
        self.kinds = zeros.index_add(0, which, torch.ones_like(self.counts))
        self.discount = _discount(counts)

    def interpolate(self, ngrams: Tensor, lower: Tensor) -> Tensor:
        """Probability of each n-gram's token after its context.

        ngrams : (number,); lower : (number,), the probabilities with less context.
        """
        counts = _look_up(ngrams, self.ngrams, self.counts)
        contexts = ngrams // self.vocab_size
        totals = _look_up(contexts, self.contexts, self.totals)
        kinds = _look_up(contexts, self.contexts, self.kinds)
        kept = (counts - self.discount).clamp(min=0)
        mixed = (kept + self.discount * kinds * lower) / totals
        return torch.where(totals > 0, mixed, lower)


def _look_up(keys: Tensor, sorted_keys: Tensor, values: Tensor) -> Tensor:
    """The value of each key, 0 for keys that are not there."""
    places = torch.searchsorted(sorted_keys, keys).clamp(max=len(sorted_keys) - 1)
    return torch.where(sorted_keys[places] == keys, values[places], 0.0)


def _discount(counts: Tensor) -> float:
    """What leaving one out suggests: n1 / (n1 + 2 n2) (Ney, Essen and Kneser 1994).

    n1 and n2 are the numbers of n-grams that occur once and twice. Where one of them
    is 0, as in toy texts, the formula means nothing and 0.75, a usual value, stands in.
    """
    once, twice = int((counts == 1).sum()), int((counts == 2).sum())
    return once / (once + 2 * twice) if once and twice else 0.75


def bits_per_character(log_probs: float, characters: int) -> float:
    """The loss in a unit that does not depend on the tokenizer.

    A model with longer tokens makes fewer and harder guesses, so nats per token cannot
    be compared between tokenizers; bits per character can.

    log_probs : log-probability of a whole text, in nats (the sum over its tokens).

    Raises ValueError: there are no characters.
    """
    if characters < 1:
        raise ValueError(f"the text has {characters} characters; give at least one")
    return -log_probs / math.log(2) / characters
