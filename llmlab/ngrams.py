"""A trigram model: the best that counting can do, as a yardstick for the GPT.

It predicts each token from the two before it, and from nothing else. A small neural
model that cannot beat it has learned little; so every loss in this course stands
beside the loss of this model.

The smoothing is interpolated Kneser-Ney (Kneser and Ney, "Improved backing-off for
m-gram language modeling", 1995; in the interpolated form of Chen and Goodman, "An
empirical study of smoothing techniques for language modeling", 1999, section 2.7).
"""

import math
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor


class TrigramModel:
    """An interpolated Kneser-Ney trigram model over token ids.

    Three tables of counts are asked in turn. Each gives up a `discount` of every count
    and hands the probability so freed to the next, which knows less context:

        p(w | u v) = (c(u v w) - d) / c(u v)  +  share freed * p(w | v)

    The two lower tables do not count how often a token came but after *how many
    different* tokens: "Francisco" is frequent, yet only after "San", so it is an
    unlikely guess after anything else. The last resort is 1 / vocab_size.

    Parameters
    ----------
    vocab_size : number of token ids.
    """

    def __init__(self, vocab_size: int) -> None:
        if not 1 <= vocab_size <= 2**20:
            raise ValueError(
                f"vocab_size is {vocab_size}; it must be from 1 to {2**20}, so that "
                "three ids fit into one 64-bit number"
            )
        self.vocab_size = vocab_size
        self._tables: list[_Table] = []

    def fit(self, sequences: Iterable[Sequence[int]]) -> "TrigramModel":
        """Count all trigrams of some sequences; returns the model itself.

        Parameters
        ----------
        sequences : token ids that each begin with <bos>. What comes before the first
            token is taken to be that token once more.

        Raises
        ------
        ValueError : an id that is not in the vocabulary, or nothing to count.
        """
        parts = [self._trigrams(sequence) for sequence in sequences]
        trigrams = torch.cat(parts) if parts else torch.empty(0, dtype=torch.int64)
        if len(trigrams) == 0:
            raise ValueError(
                "there is nothing to count; give at least one sequence of two tokens"
            )
        trigrams, counts = trigrams.unique(return_counts=True)
        # Every trigram u v w is one way for v w to come about, and every bigram v w
        # one way for w.
        bigrams, ways = (trigrams % self.vocab_size**2).unique(return_counts=True)
        unigrams, ways_of_one = (bigrams % self.vocab_size).unique(return_counts=True)
        self._tables = [
            _Table(unigrams, ways_of_one, self.vocab_size),
            _Table(bigrams, ways, self.vocab_size),
            _Table(trigrams, counts, self.vocab_size),
        ]
        return self

    def log_probs(self, sequence: Sequence[int]) -> Tensor:
        """Log-probability of every token but the first, given those before it.

        Returns
        -------
        (time - 1,) float64, nats.
        """
        return self._probabilities(self._trigrams(sequence)).log()

    def distribution(self, before: int, last: int) -> Tensor:
        """What may follow the tokens `before`, `last`: (vocab,) float64, sums to 1."""
        context = self._checked([before, last])
        tokens = torch.arange(self.vocab_size)
        prefix = context[0] * self.vocab_size**2 + context[1] * self.vocab_size
        return self._probabilities(prefix + tokens)

    def _probabilities(self, trigrams: Tensor) -> Tensor:
        if not self._tables:
            raise ValueError("the model has counted nothing yet; call fit first")
        probabilities = torch.full(
            trigrams.shape, 1 / self.vocab_size, dtype=torch.float64
        )
        for order, table in enumerate(self._tables, start=1):
            ngrams = trigrams % self.vocab_size**order
            probabilities = table.interpolate(ngrams, probabilities)
        return probabilities

    def _trigrams(self, sequence: Sequence[int]) -> Tensor:
        """(time - 1,) int64: u v w as one number, u * vocab**2 + v * vocab + w."""
        ids = self._checked(sequence)
        padded = torch.cat([ids[:1], ids])
        return (
            padded[:-2] * self.vocab_size + padded[1:-1]
        ) * self.vocab_size + padded[2:]

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

    Parameters
    ----------
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

    Parameters
    ----------
    log_probs : log-probability of a whole text, in nats (the sum over its tokens).
    characters : how many characters the text has.

    Raises
    ------
    ValueError : there are no characters.
    """
    if characters < 1:
        raise ValueError(f"the text has {characters} characters; give at least one")
    return -log_probs / math.log(2) / characters
