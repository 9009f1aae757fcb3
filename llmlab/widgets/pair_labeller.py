"""A person says which of two texts is better."""

from collections.abc import Iterable

import anywidget
import traitlets

from llmlab.preferences import Comparison, LabelStore
from llmlab.widgets.page import CSS, HELPERS
from llmlab.widgets.static_twin import StaticTwin, table


class PairLabeller(StaticTwin, anywidget.AnyWidget):
    """A person says which of two texts is better; every click is kept at once.

    pairs : objects with `prompt`, `first` and `second`, such as `village.StoryPair`.
    store : where labels go. The next pair appears only when the label is on the disk.
    annotator : who is labelling. A labeller made again over the same store goes on
        after the last pair that this annotator labelled.
    """

    view = traitlets.Dict().tag(sync=True)
    status = traitlets.Unicode("").tag(sync=True)

    _css = CSS
    _esm = (
        HELPERS
        + """
function render({ model, el }) {
  const progress = h("p", {className: "lab-head"});
  const filled = h("div");
  const bar = h("div", {className: "lab-progress", "role": "progressbar",
                        "aria-label": "pairs done", "aria-valuemin": 0}, filled);
  const prompt = h("p", {className: "lab-message"});
  const button = (text, key, act) => {
    const node = h("button", {type: "button", className: "lab-button"},
                   text + " ", h("kbd", {}, key));
    node.addEventListener("click", act);
    return node;
  };
  const send = (type, choice) =>
    model.send({type, choice, position: model.get("view").position});
  const texts = [h("span"), h("span")];
  const cards = texts.map((text, index) => {
    const key = h("span", {className: "lab-name"},
                  "This one is better ", h("kbd", {}, String(index + 1)));
    const node = h("button", {type: "button", className: "lab-card"}, key, text);
    node.addEventListener("click", () => send("choose", index));
    return node;
  });
  const skip = button("Skip", "s", () => send("skip"));
  const undo = button("Undo", "u", () => send("undo"));
  const status = h("p", {className: "lab-status", "role": "status"});
  const pair = h("div", {}, prompt, h("div", {className: "lab-columns"}, ...cards));
  const box = h("section", {className: "lab-box lab-labeller", tabIndex: 0,
                            "aria-label": "which text is better?"},
                progress, bar, pair, h("div", {className: "lab-row"}, skip, undo),
                status);
  box.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const act = {1: () => send("choose", 0), 2: () => send("choose", 1),
                 s: () => send("skip"), u: () => send("undo")}[event.key];
    if (!act || event.repeat) return;
    event.preventDefault();
    act();
  });
  const draw = () => {
    const v = model.get("view");
    const done = v.position >= v.total;
    progress.textContent = done
      ? `All ${v.total} pairs seen, ${v.labelled} labelled. Thank you!`
      : `Pair ${v.position + 1} of ${v.total}`;
    filled.style.width = `${100 * v.position / v.total}%`;
    bar.setAttribute("aria-valuemax", v.total);
    bar.setAttribute("aria-valuenow", v.position);
    prompt.textContent = v.prompt;
    texts[0].textContent = v.first;
    texts[1].textContent = v.second;
    // Focus inside what is about to be hidden would fall back to the notebook, where
    // the next key is a command.
    if (done && (pair.contains(document.activeElement)
                 || document.activeElement === skip)) box.focus();
    pair.hidden = done;
    skip.hidden = done;
    undo.setAttribute("aria-disabled", v.position === 0);
  };
  const drawStatus = () => { status.textContent = model.get("status"); };
  model.on("change:view", draw);
  model.on("change:status", drawStatus);
  draw();
  drawStatus();
  el.append(box);
  return () => {
    model.off("change:view", draw);
    model.off("change:status", drawStatus);
  };
}
export default { render };
"""
    )

    def __init__(self, pairs: Iterable, store: LabelStore, *, annotator: str = "me"):
        self.pairs = list(pairs)
        if not self.pairs:
            raise ValueError("no pairs to label; expected one or more")
        self.store = store
        self.annotator = annotator
        kept = {_texts(comparison) for comparison in self._own_labels()}
        self._labelled = [_texts(pair) in kept for pair in self.pairs]
        labelled = [index for index, is_kept in enumerate(self._labelled) if is_kept]
        self.position = labelled[-1] + 1 if labelled else 0
        super().__init__(view=self._current_view(), status=self._greeting())
        self.on_msg(self._receive)

    def choose(self, preferred: int) -> None:
        """Label the pair shown: 0 says the first text is better, 1 the second."""
        if self.position >= len(self.pairs):
            raise ValueError("all pairs are labelled; undo one to change it")
        pair = self.pairs[self.position]
        self.store.add(
            Comparison(
                pair.prompt,
                pair.first,
                pair.second,
                preferred,
                self.annotator,
                "person",
            )
        )
        self._labelled[self.position] = True
        self._move(1, f"Saved: text {preferred + 1} is better.")

    def skip(self) -> None:
        """Go on without a label."""
        if self.position < len(self.pairs):
            self._move(1, "Skipped.")

    def undo(self) -> None:
        """Go back one pair and take its label, if it has one, out of the store."""
        if self.position == 0:
            return
        if not self._labelled[self.position - 1]:
            self._move(-1, "Back to the pair that was skipped.")
            return
        latest = self._own_labels()[-1:]
        if not latest or _texts(latest[0]) != _texts(self.pairs[self.position - 1]):
            raise ValueError(
                f"the latest label of {self.annotator!r} in the store is not of this "
                "pair, so nothing was taken back; make the labeller again"
            )
        self.store.undo(self.annotator)
        self._labelled[self.position - 1] = False
        self._move(-1, "Label taken back.")

    def comparisons(self) -> list[Comparison]:
        """This annotator's labels in the store, ready to train a reward model."""
        return self._own_labels()

    def _own_labels(self) -> list[Comparison]:
        labels = self.store.all(source="person")
        return [label for label in labels if label.annotator == self.annotator]

    def _receive(self, _widget, content: dict, _buffers) -> None:
        if content["position"] != self.position:
            return  # the second half of a double click, meant for the pair before
        try:
            if content["type"] == "choose":
                self.choose(content["choice"])
            elif content["type"] == "skip":
                self.skip()
            elif content["type"] == "undo":
                self.undo()
        except (OSError, ValueError) as error:
            self.status = f"Nothing was saved: {error}."

    def _move(self, by: int, what_happened: str) -> None:
        self.position += by
        self.view = self._current_view()
        self.status = f"{what_happened} {sum(self._labelled)} labelled so far."

    def _current_view(self) -> dict:
        view = {
            "position": self.position,
            "total": len(self.pairs),
            "labelled": sum(self._labelled),
        }
        if self.position == len(self.pairs):
            return view | {"prompt": "", "first": "", "second": ""}
        prompt, first, second = _texts(self.pairs[self.position])
        return view | {"prompt": prompt, "first": first, "second": second}

    def _greeting(self) -> str:
        if self.position == 0:
            return "Every choice is saved at once. Stop whenever you like."
        return f"Welcome back: {sum(self._labelled)} labelled so far."

    def static_html(self) -> str:
        rows = [_texts(self.pairs[0])]
        title = f"Which text is better? The first of {len(self.pairs)} pairs"
        return table(title, ["asked for", "text 1", "text 2"], rows)

    def __repr__(self) -> str:
        return f"PairLabeller({len(self.pairs)} pairs)"


def _texts(pair) -> tuple[str, str, str]:
    return pair.prompt, pair.first, pair.second
