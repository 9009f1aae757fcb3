"""Where each position of a text looks, in the head that a person chooses."""

from collections.abc import Sequence

import numpy as np
import torch
import traitlets
from IPython import get_ipython
from IPython.display import display

from llmlab.plots import Picture, attention_map, notebook_image, print_words, visible
from llmlab.widgets.page import View


class AttentionViewer(View):
    """Choose a layer, a head and a position, and see what this position looks at.

    tokens : the texts of the tokens, `time` of them.
    weights : (layers, heads, time, time); row i says how position i divides its
        attention over the positions, so each row sums to one.
    layer, head, position : what is chosen at first, counted from 0. The static twin
        is the map of that head; without a position, the last one is chosen.
    """

    tokens = traitlets.List(traitlets.Unicode()).tag(sync=True)
    shape = traitlets.List(traitlets.Int()).tag(sync=True)
    weights = traitlets.Bytes().tag(sync=True)
    layer = traitlets.Int(0).tag(sync=True)
    head = traitlets.Int(0).tag(sync=True)
    position = traitlets.Int(0).tag(sync=True)

    def __init__(
        self,
        tokens: Sequence[str],
        weights: Sequence,
        *,
        layer: int = 0,
        head: int = 0,
        position: int | None = None,
    ):
        array = _checked_weights(tokens, weights)
        super().__init__(
            tokens=[visible(token) for token in tokens],
            shape=list(array.shape[:3]),
            weights=array.tobytes(),
        )
        self._tokens, self._array = list(tokens), array
        self.choose(layer, head, len(tokens) - 1 if position is None else position)
        self._first = (layer, head)

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

    def _picture(self) -> Picture:
        layer, head = self._first
        title = f"layer {layer}, head {head}"
        return attention_map(self._array[layer, head], self._tokens, title=title)

    def _repr_mimebundle_(self, **options):
        data, metadata = super()._repr_mimebundle_(**options)
        del data["text/html"]
        picture = self._picture()
        image, alt = notebook_image(picture, picture.alt)
        return {**data, **image}, {**metadata, **alt}

    def static_html(self) -> str:
        return ""  # the picture is the twin

    def _ipython_display_(self) -> None:
        """Shows the view, or the picture where no kernel runs, and prints its words."""
        if get_ipython() is not None:
            data, metadata = self._repr_mimebundle_()
            display(data, raw=True, metadata=metadata)
        layer, head = self._first
        print_words(f"layer {layer}, head {head}. {self._picture().alt}")

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
