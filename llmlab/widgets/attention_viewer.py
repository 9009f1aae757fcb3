"""Where each position of a text looks, in the head that a person chooses."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
import traitlets

from llmlab.plots import Picture, attention_map, visible
from llmlab.widgets.asking import reason
from llmlab.widgets.pictured import Pictured

MOST_ASKED = 100
"""Tokens of a text that a person types: each has a row and a column in every map."""


class AttentionViewer(Pictured):
    """Choose a layer, a head and a position, and see what this position looks at.

    tokens : the texts of the tokens, `time` of them.
    weights : (layers, heads, time, time); row i says how position i divides its
        attention over the positions, so each row sums to one.
    layer, head, position : what is chosen at first, counted from 0. The static twin
        is the map of that head; without a position, the last one is chosen.
    ask : `ask(text)` returns the tokens and weights of another text. A person can
        then type one. What is wrong with a text it says in a ValueError.
    """

    tokens = traitlets.List(traitlets.Unicode()).tag(sync=True)
    shape = traitlets.List(traitlets.Int()).tag(sync=True)
    weights = traitlets.Bytes().tag(sync=True)
    layer = traitlets.Int(0).tag(sync=True)
    head = traitlets.Int(0).tag(sync=True)
    position = traitlets.Int(0).tag(sync=True)
    asks = traitlets.Bool(False).tag(sync=True)
    status = traitlets.Unicode("").tag(sync=True)

    def __init__(
        self,
        tokens: Sequence[str],
        weights: Sequence,
        *,
        layer: int = 0,
        head: int = 0,
        position: int | None = None,
        ask: Callable[[str], tuple[Sequence[str], Sequence]] | None = None,
    ):
        super().__init__(asks=ask is not None)
        self._ask = ask
        self._look_at(tokens, weights)
        self.choose(layer, head, len(tokens) - 1 if position is None else position)
        self._first = (self._tokens, self._array, int(layer), int(head))

    def _look_at(self, tokens: Sequence[str], weights: Sequence) -> None:
        array = _checked_weights(tokens, weights)
        self._tokens, self._array = list(tokens), array
        layers, heads, time, _ = array.shape
        with self.hold_sync():
            self.layer = min(self.layer, layers - 1)
            self.head = min(self.head, heads - 1)
            self.position = time - 1
            self.tokens = [visible(token) for token in tokens]
            self.shape = [layers, heads, time]
            self.weights = array.tobytes()

    def ask(self, text: str) -> None:
        """Look at another text, with the same head; the view shows it."""
        tokens, weights = self._ask(text)
        if len(tokens) > MOST_ASKED:
            raise ValueError(
                f"the text has {len(tokens)} tokens; a map can be read with "
                f"{MOST_ASKED} or fewer"
            )
        self._look_at(tokens, weights)

    def receive(self, content: dict) -> None:
        try:
            self.ask(content["text"])
            self.status = ""
        except Exception as error:
            self.status = f"Cannot look at this text: {reason(error)}."

    def choose(self, layer: int, head: int, position: int) -> list[tuple[str, float]]:
        """What `position` looks at, as (token, weight), most first; the view shows it.

        Weights that are exactly zero, such as those of the future under a causal
        mask, are left out.
        """
        layer, head, position = int(layer), int(head), int(position)
        chosen = {"layer": layer, "head": head, "position": position}
        for (name, value), count in zip(chosen.items(), self.shape, strict=True):
            if not 0 <= value < count:
                raise ValueError(
                    f"{name} {value} does not exist; expected 0 to {count - 1}"
                )
        with self.hold_sync():
            self.layer, self.head, self.position = layer, head, position
        row = self._array[layer, head, position]
        order = np.argsort(-row, kind="stable")
        return [(self._tokens[key], float(row[key])) for key in order if row[key] > 0]

    def picture(self) -> Picture:
        tokens, array, layer, head = self._first
        return attention_map(
            array[layer, head], tokens, title=f"layer {layer}, head {head}"
        )

    def words(self) -> str:
        *_, layer, head = self._first
        return f"layer {layer}, head {head}. {self.picture().alt}"

    def __repr__(self) -> str:
        layers, heads, time = self.shape
        return f"AttentionViewer({layers} layers of {heads} heads, {time} tokens)"


def _checked_weights(tokens: Sequence[str], weights: Sequence) -> np.ndarray:
    """`weights` as (layers, heads, time, time) float32, or an error that says why not.

    Sums may miss one by what half precision loses.
    """
    if isinstance(tokens, str) or not len(tokens):
        raise ValueError(
            f"tokens is {tokens!r}; expected a list of token texts, one or more"
        )
    array = torch.as_tensor(weights).detach().float().cpu().numpy()
    time = len(tokens)
    if array.ndim != 4 or array.shape[2:] != (time, time) or not array.size:
        raise ValueError(
            f"attention weights of shape {array.shape} for {time} tokens; expected "
            f"(layers, heads, {time}, {time}), one layer and head or more. Of a batch, "
            "take one text: weights[:, 0]"
        )
    if not np.isfinite(array).all() or array.min() < 0:
        raise ValueError(
            f"attention weights from {array.min()} to {array.max()}; expected numbers "
            "from 0 to 1 (scores need a softmax over the last axis first)"
        )
    sums = array.sum(-1)
    wrong = np.argwhere(np.abs(sums - 1) > 0.01)
    if len(wrong):
        layer, head, row = wrong[0]
        raise ValueError(
            f"row {row} of layer {layer}, head {head} sums to "
            f"{sums[layer, head, row]:.3f}; expected every row to sum to 1 (a softmax "
            "over the last axis)"
        )
    return array
