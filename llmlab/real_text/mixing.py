"""Sources mixed by weight: what a model reads, and how often it reads it again.

A large model does not read its sources in proportion to their sizes. An encyclopaedia
is small and good, the web is large and mixed; so each source gets a weight, its share
of all that is read. A small source with a large weight is then read several times (one
such pass is an epoch), and a large one with a small weight is never read to its end
(Brown et al., "Language models are few-shot learners", 2020, table 2.2). Up to about
four epochs of a text are worth nearly as much as fresh text, and many more are worth
nothing (Muennighoff et al., "Scaling data-constrained language models", 2023).
"""

import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Mixture:
    """What was drawn, in the order in which it is to be read.

    names : of each of them, the source that it came from.
    amounts : by source, how much was drawn of it.
    epochs : by source, how often it is read: 0.5 is half of it, 2 is all of it twice.
    """

    items: list
    names: list[str]
    amounts: dict[str, float]
    epochs: dict[str, float]

    @property
    def shares(self) -> dict[str, float]:
        """By source, its share of all that was drawn."""
        total = sum(self.amounts.values())
        return {name: amount / total for name, amount in self.amounts.items()}

    def __str__(self) -> str:
        lines = [f"{'source':16} {'documents':>9} {'amount':>10} {'share':>6} epochs"]
        lines += [
            f"{name:16} {self.names.count(name):9,} {self.amounts[name]:10,} "
            f"{share:6.1%} {self.epochs[name]:6.2f}"
            for name, share in self.shares.items()
        ]
        return "\n".join(lines)


def mix(
    sources: Mapping[str, Sequence],
    weights: Mapping[str, float],
    total: float,
    *,
    measure: Callable[[Any], float] = len,
    seed: int,
) -> Mixture:
    """Draw documents until there are `total`, each source's share being its weight.

    The next document is always one of the source that is furthest behind its share.
    So the shares are right to within a few documents, in every stretch of the mixture
    and not only at its end. A source is shuffled and read to its end before any of its
    documents comes again, and then it is shuffled anew.

    sources : by name, documents of any kind.
    weights : for each source; what counts is how they compare. 0 leaves a source out.
    total : how much to draw, in the units of `measure`. Whole documents are drawn, so
        that it is exceeded by less than one of them.
    measure : the size of a document. Weights are shares of *this*: of tokens where
        documents are token ids, not of documents.
    seed : of the shuffling. The order within a source does not depend on the others.

    Raises ValueError: weights and sources do not fit, a weight is negative or all are
    zero, a source that has a weight has nothing in it, or `total` is not above 0.
    """
    shares = _shares(sources, weights)
    sizes = {name: sum(map(measure, sources[name])) for name in shares}
    empty = [name for name, size in sizes.items() if not size > 0]
    if empty:
        raise ValueError(
            f"there is nothing in {', '.join(empty)}; give it documents or weight 0"
        )
    if not 0 < total < math.inf:
        raise ValueError(f"total is {total}; draw an amount above 0")
    streams = {
        name: _again_and_again(sources[name], f"{seed}/{name}") for name in shares
    }
    amounts = dict.fromkeys(shares, 0)
    items, names, drawn = [], [], 0
    while drawn < total:
        name = max(shares, key=lambda name: shares[name] * drawn - amounts[name])
        item = next(streams[name])
        items.append(item)
        names.append(name)
        amounts[name] += measure(item)
        drawn += measure(item)
    epochs = {name: amounts[name] / sizes[name] for name in shares}
    return Mixture(items, names, amounts, epochs)


def _shares(sources: Mapping, weights: Mapping[str, float]) -> dict[str, float]:
    """The weights of all sources that are drawn from, so that they sum to 1."""
    unmatched = sorted(sources.keys() ^ weights.keys())
    if unmatched:
        raise ValueError(
            f"{', '.join(unmatched)} is in one of sources and weights only; give each "
            "source a weight, 0 to leave it out"
        )
    for name, weight in weights.items():
        if not 0 <= weight < math.inf:
            raise ValueError(f"the weight of {name} is {weight}; it must be 0 or more")
    total = sum(weights.values())
    if not total:
        raise ValueError("all weights are 0; give one source at least a weight above 0")
    return {name: weights[name] / total for name in sources if weights[name]}


def _again_and_again(items: Sequence, key: str) -> Iterator:
    """All items in random order, and again in another one, without end."""
    chance = random.Random(key).random
    while True:
        yield from sorted(items, key=lambda _: chance())
