"""Where each position of a text looks, in the head that a person chooses."""

from collections.abc import Sequence

import anywidget
import numpy as np
import torch
import traitlets
from IPython import get_ipython
from IPython.display import display

from llmlab.plots import (
    Picture,
    attention_map,
    notebook_image,
    print_words,
    visible,
)
from llmlab.widgets.page import CSS, HELPERS


class AttentionViewer(anywidget.AnyWidget):
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

    _css = (
        CSS
        + """
.lab-attention .lab-heads { display: inline-grid; gap: 5px; align-items: center;
                            justify-items: center; font-size: 0.88em; }
.lab-attention .lab-heads button { line-height: 0; padding: 2px; cursor: pointer;
  background: var(--jp-layout-color0, #fff);
  border: 2px solid var(--jp-border-color2, #d5d5d5); border-radius: 4px; }
.lab-attention canvas { width: 44px; height: 44px; image-rendering: pixelated; }
.lab-attention .lab-text { margin: 12px 0 4px; line-height: 1.3; }
.lab-attention .lab-text button {
  font-family: var(--jp-code-font-family, monospace);
  font-size: 0.95em;
  color: inherit;
  background: none;
  border: 2px solid var(--jp-border-color2, #d5d5d5);
  border-radius: 4px;
  margin: 2px;
  padding: 2px 5px;
  cursor: pointer;
  white-space: pre;
}
.lab-attention .lab-text small { display: block; font-size: 0.8em; }
.lab-attention button[aria-checked=true] {
  border-color: var(--jp-content-font-color1, #222);
  box-shadow: 0 0 0 1px var(--jp-content-font-color1, #222);
}
.lab-attention .lab-text button[aria-checked=true] { font-weight: 700;
                                                     text-decoration: underline; }
"""
    )
    _esm = (
        HELPERS
        + """
const BLUE = "25, 118, 210";
const SHOWN_BARS = 5;
function render({ model, el }) {
  const tokens = model.get("tokens");
  const [layers, heads, time] = model.get("shape");
  const raw = model.get("weights");
  const weights = new Float32Array(
    raw.buffer.slice(raw.byteOffset, raw.byteOffset + raw.byteLength));
  const rowOf = (layer, head, position) => {
    const start = ((layer * heads + head) * time + position) * time;
    return Array.from(weights.subarray(start, start + time));
  };
  const clamp = (value, count) => Math.min(Math.max(value, 0), count - 1);
  const choose = (change) => {
    for (const [name, value] of Object.entries(change)) model.set(name, value);
    model.save_changes();
  };
  const thumbnail = (layer, head) => {
    const canvas = h("canvas", {width: time, height: time, "aria-hidden": "true"});
    const pen = canvas.getContext("2d");
    for (let query = 0; query < time; query++) {
      rowOf(layer, head, query).forEach((weight, key) => {
        pen.fillStyle = `rgba(${BLUE}, ${Math.sqrt(weight)})`;
        pen.fillRect(key, query, 1, 1);
      });
    }
    const node = h("button", {type: "button", "role": "radio",
                              "aria-label": `layer ${layer}, head ${head}`,
                              title: `layer ${layer}, head ${head}`}, canvas);
    node.addEventListener("click", () => choose({layer, head}));
    return node;
  };
  const thumbnails = [];
  const map = h("div", {className: "lab-heads", "role": "radiogroup",
                        "aria-label": "layer and head"});
  map.style.gridTemplateColumns = `repeat(${heads + 1}, auto)`;
  map.append(h("span"));
  for (let head = 0; head < heads; head++) {
    map.append(h("span", {"aria-hidden": "true"}, `head ${head}`));
  }
  for (let layer = 0; layer < layers; layer++) {
    map.append(h("span", {"aria-hidden": "true"}, `layer ${layer}`));
    for (let head = 0; head < heads; head++) {
      thumbnails.push(thumbnail(layer, head));
      map.append(thumbnails.at(-1));
    }
  }
  const words = tokens.map((token, position) => {
    const node = h("button", {type: "button", "role": "radio"}, token, h("small"));
    node.addEventListener("click", () => choose({position}));
    return node;
  });
  const text = h("div", {className: "lab-text", "role": "radiogroup",
                         "aria-label": "position that looks"}, ...words);
  const status = h("p", {className: "lab-status", "role": "status"});
  const list = h("div", {className: "lab-bars", "role": "list",
                         "aria-label": "what it looks at, most first"});
  const named = (position) => `${tokens[position]} (${position})`;
  const check = (nodes, chosen) => nodes.forEach((node, index) => {
    node.setAttribute("aria-checked", index === chosen);
    node.tabIndex = index === chosen ? 0 : -1;
  });
  const draw = () => {
    const layer = model.get("layer"), head = model.get("head");
    const position = model.get("position");
    const row = rowOf(layer, head, position);
    const order = [...row.keys()].sort((a, b) => row[b] - row[a]);
    const best = order.slice(0, SHOWN_BARS).filter((key) => row[key] > 0);
    const rest = 1 - best.reduce((sum, key) => sum + row[key], 0);
    check(thumbnails, layer * heads + head);
    check(words, position);
    words.forEach((node, key) => {
      const weight = row[key] ? row[key].toFixed(2) : "0";
      node.style.background = `rgba(${BLUE}, ${0.65 * Math.sqrt(row[key])})`;
      node.lastChild.textContent = weight;
      node.setAttribute("aria-label",
                        `${named(key)}, looked at with weight ${weight}`);
    });
    drawBars(list, [
      ...best.map((key) => ({shown: named(key), share: row[key]})),
      ...(rest > 0.0005 ? [{shown: "all others", share: rest, rest: true}] : []),
    ]);
    const most = order[0], share = (100 * row[most]).toFixed(1);
    status.textContent = `Layer ${layer}, head ${head}: “${tokens[position]}” `
      + `(${position}) looks most at “${tokens[most]}” (${most}), ${share} %.`;
  };
  map.addEventListener("keydown", (event) => {
    const [down, right] = {ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1],
                           ArrowRight: [0, 1]}[event.key] ?? [0, 0];
    if (!down && !right) return;
    event.preventDefault();
    const layer = clamp(model.get("layer") + down, layers);
    const head = clamp(model.get("head") + right, heads);
    choose({layer, head});
    thumbnails[layer * heads + head].focus();
  });
  text.addEventListener("keydown", (event) => {
    const now = model.get("position");
    const next = {ArrowLeft: now - 1, ArrowUp: now - 1, ArrowRight: now + 1,
                  ArrowDown: now + 1, Home: 0, End: time - 1}[event.key];
    if (next === undefined) return;
    event.preventDefault();
    choose({position: clamp(next, time)});
    words[clamp(next, time)].focus();
  });
  model.on("change", draw);
  draw();
  el.append(h("section", {className: "lab-box lab-attention",
                          "aria-label": "attention viewer"},
    map, text, status, list,
    h("p", {className: "lab-hint"}, "Click a small map (one head: a row for each ",
      "position that looks) or a token; or press ", h("kbd", {}, "Tab"),
      " and the arrow keys. All is counted from 0.")));
  return () => model.off("change", draw);
}
export default { render };
"""
    )

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
        picture = self._picture()
        image, alt = notebook_image(picture, picture.alt)
        return {**data, **image, "text/plain": repr(self)}, {**metadata, **alt}

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
    expected = f"(layers, heads, {len(tokens)}, {len(tokens)})"
    if array.ndim != 4 or array.shape[2:] != (len(tokens), len(tokens)):
        raise ValueError(
            f"attention weights of shape {array.shape} for {len(tokens)} tokens; "
            f"expected {expected}. Of a batch, take one text: weights[:, 0]"
        )
    if not array.size:
        raise ValueError(
            f"attention weights of shape {array.shape}; expected one layer and one "
            "head or more"
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
