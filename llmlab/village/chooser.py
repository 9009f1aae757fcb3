"""Every random choice of the village goes through one counting object.

A `Chooser` draws and adds -log2(probability) of what it drew to `bits`. The bits
of a document are therefore the length of its derivation: averaged over documents
they bound from above the entropy of the text, and so the loss that any model can
reach (see `llmlab.evaluation.entropy_line`).
"""

import random
from bisect import bisect
from collections.abc import Callable, Sequence
from itertools import accumulate
from math import log2
from typing import TypeVar

T = TypeVar("T")

_LOG2 = [0.0] + [log2(n) for n in range(1, 1024)]


class Chooser:
    """Draws from a seed and counts the bits of every draw.

    The key (any number of strings and integers) determines all draws. Python
    guarantees that `random.Random(text).random()` gives the same numbers on every
    platform and version; nothing else of `random` is used.
    """

    __slots__ = ("bits", "_random")

    def __init__(self, *key: str | int):
        self.bits = 0.0
        self._random = random.Random("/".join(map(str, key))).random

    def pick(self, options: Sequence[T]) -> T:
        """One of the options, all equally likely."""
        count = len(options)
        self.bits += _LOG2[count]
        return options[int(self._random() * count)]

    def coin(self, probability: float) -> bool:
        """True with the given probability."""
        heads = self._random() < probability
        if 0.0 < probability < 1.0:
            self.bits -= log2(probability if heads else 1.0 - probability)
        return heads

    def weighted(self, weights: dict[T, float]) -> T:
        """One key, with probability proportional to its weight."""
        options = list(weights)
        steps = list(accumulate(weights.values()))
        place = bisect(steps, self._random() * steps[-1], hi=len(options) - 1)
        self.bits -= log2(weights[options[place]] / steps[-1])
        return options[place]

    def sample(self, options: Sequence[T], count: int) -> list[T]:
        """`count` different options in random order."""
        left = list(options)
        if count > len(left):
            raise ValueError(
                f"asked for {count} different options, but there are only {len(left)}"
            )
        drawn = []
        for _ in range(count):
            choice = self.pick(left)
            left.remove(choice)
            drawn.append(choice)
        return drawn

    def uniform(self) -> float:
        """A number in [0, 1) that is not counted: for what is never entropy of a
        text, such as how imaginative a telling is asked to be."""
        return self._random()


class _ScriptedChooser(Chooser):
    """Follows a script of branches, then takes the first; counts all there were."""

    __slots__ = ("script", "branches")

    def __init__(self, script: list[int]):
        self.bits = 0.0
        self.script = script
        self.branches: list[int] = []

    def _next(self, count: int) -> int:
        position = len(self.branches)
        self.branches.append(count)
        return self.script[position] if position < len(self.script) else 0

    def pick(self, options):
        self.bits += log2(len(options))
        return options[self._next(len(options))]

    def coin(self, probability):
        return self.weighted({True: probability, False: 1.0 - probability})

    def weighted(self, weights):
        possible = [option for option, weight in weights.items() if weight > 0]
        option = possible[self._next(len(possible))]
        self.bits -= log2(weights[option] / sum(weights.values()))
        return option


def every_derivation(generate: Callable[[Chooser], T]) -> list[tuple[T, float]]:
    """All (result, bits) that `generate(chooser)` can give, by running it once for
    each path through its choices. For small grammars: 2**-bits then sums to 1."""
    derivations = []
    script: list[int] = []
    while True:
        chooser = _ScriptedChooser(script)
        derivations.append((generate(chooser), chooser.bits))
        branches = chooser.branches
        script = script + [0] * (len(branches) - len(script))
        while script and script[-1] + 1 == branches[len(script) - 1]:
            script.pop()
        if not script:
            return derivations
        script[-1] += 1
