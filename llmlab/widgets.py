"""Hands on: talk to the models, judge their stories, watch them train, be the sampler.

Each widget is a Python object that works without a browser (`chat.ask("…")`,
`labeller.choose(1)`) and a view in JupyterLab that calls the same methods. Where no
kernel runs (a web page, a stored notebook, a test), its static twin says the same as
a table, so a run without a browser is never blocked and nothing is lost on a reader.

All text reaches the page as text, never as markup. Every element that can have the
keyboard's focus carries `data-lm-suppress-shortcuts`: without it JupyterLab takes a
typed letter for a command and edits the notebook.
"""

import html
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

import anywidget
import traitlets
from IPython import get_ipython
from IPython.display import display

from llmlab.plots import visible
from llmlab.preferences import Comparison, LabelStore

_HELPERS = """
const h = (tag, properties = {}, ...children) => {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in node && !name.startsWith("aria")) node[name] = value;
    else node.setAttribute(name, value);
  }
  if (node.tabIndex >= 0) node.dataset.lmSuppressShortcuts = "true";
  node.append(...children);
  return node;
};
const slider = (label, value) => {
  const shown = h("span", {"aria-hidden": "true"}, value.toFixed(1));
  const input = h("input", {type: "range", min: 0.1, max: 2, step: 0.1,
                            "aria-label": label});
  input.value = value;
  input.addEventListener("input", () => {
    shown.textContent = Number(input.value).toFixed(1);
  });
  return {input, node: h("label", {className: "lab-slider"}, label, input, shown)};
};
"""

_CSS = """
.lab-box {
  color: var(--jp-content-font-color1, #222);
  font-family: var(--jp-content-font-family, system-ui, sans-serif);
  font-size: var(--jp-content-font-size1, 14px);
  line-height: 1.45;
  border: 1px solid var(--jp-border-color1, #bdbdbd);
  border-radius: 8px;
  padding: 12px 14px;
  margin: 6px 2px;
  max-width: 60rem;
  background: var(--jp-layout-color1, #fff);
}
.lab-box * { box-sizing: border-box; }
.lab-box :focus-visible, .lab-box:focus-visible {
  outline: 3px solid var(--jp-brand-color1, #1976d2);
  outline-offset: 1px;
}
.lab-box .lab-head { font-weight: 600; margin: 0 0 8px; font-size: 1.05em; }
.lab-box .lab-hint, .lab-box .lab-status {
  color: var(--jp-content-font-color2, #555);
  font-size: 0.92em;
  margin: 8px 0 0;
  min-height: 1.4em;
}
.lab-box kbd {
  font-family: var(--jp-code-font-family, monospace);
  font-size: 0.85em;
  border: 1px solid var(--jp-border-color1, #bdbdbd);
  border-radius: 4px;
  padding: 0 5px;
  background: var(--jp-layout-color2, #eee);
}
.lab-row { display: flex; gap: 8px; align-items: center; flex-wrap: wrap; }
.lab-box input[type=text] {
  flex: 1 1 16rem;
  font: inherit;
  padding: 7px 10px;
  color: inherit;
  background: var(--jp-layout-color0, #fff);
  border: 1px solid var(--jp-border-color0, #949494);
  border-radius: 6px;
}
.lab-box button.lab-button {
  font: inherit;
  color: inherit;
  padding: 6px 14px;
  cursor: pointer;
  background: var(--jp-layout-color2, #eee);
  border: 1px solid var(--jp-border-color0, #949494);
  border-radius: 6px;
}
.lab-box button.lab-button:hover { background: var(--jp-layout-color3, #ddd); }
.lab-box [aria-disabled=true] { opacity: 0.55; cursor: default; }
.lab-slider { display: inline-flex; gap: 8px; align-items: center; }
.lab-slider span { min-width: 2em; font-variant-numeric: tabular-nums; }
.lab-columns {
  display: grid;
  grid-template-columns: repeat(auto-fit, minmax(11rem, 1fr));
  gap: 8px;
  margin: 4px 0 14px;
}
.lab-message { font-weight: 600; margin: 12px 0 2px; }
.lab-card {
  border: 1px solid var(--jp-border-color2, #d5d5d5);
  border-radius: 6px;
  padding: 8px 10px;
  background: var(--jp-layout-color0, #fff);
  white-space: pre-wrap;
  overflow-wrap: anywhere;
}
.lab-card .lab-name {
  display: block;
  font-size: 0.85em;
  font-weight: 600;
  color: var(--jp-content-font-color2, #555);
  margin-bottom: 3px;
}
button.lab-card {
  font: inherit;
  color: inherit;
  text-align: left;
  display: flex;
  flex-direction: column;
  justify-content: flex-start;
  min-height: 6rem;
  cursor: pointer;
  border: 2px solid var(--jp-border-color1, #bdbdbd);
  padding: 10px 12px;
}
button.lab-card:hover { border-color: var(--jp-brand-color1, #1976d2); }
.lab-progress {
  height: 8px;
  border-radius: 4px;
  background: var(--jp-layout-color3, #ddd);
  overflow: hidden;
  margin: 6px 0 10px;
}
.lab-progress > div { height: 100%; background: var(--jp-brand-color1, #1976d2); }
.lab-bars { display: grid; grid-template-columns: auto 1fr auto; gap: 3px 8px;
            margin-top: 10px; align-items: center; }
.lab-bars button, .lab-bars .lab-token {
  font-family: var(--jp-code-font-family, monospace);
  font-size: 0.95em;
  color: inherit;
  background: none;
  text-align: right;
  border: 1px solid transparent;
  border-radius: 4px;
  padding: 1px 6px;
  white-space: pre;
}
.lab-bars button[aria-disabled=false] {
  cursor: pointer;
  border-color: var(--jp-border-color2, #d5d5d5);
  background: var(--jp-layout-color2, #eee);
}
.lab-bars .lab-bar { height: 1.05em; border-radius: 2px; min-width: 1px;
                     background: var(--jp-brand-color1, #1976d2); }
.lab-bars .lab-rest .lab-bar, .lab-bars .lab-bar.lab-rest {
  background: repeating-linear-gradient(135deg, var(--jp-border-color0, #949494) 0 4px,
                                        transparent 4px 8px);
}
.lab-bars .lab-share { font-variant-numeric: tabular-nums; text-align: right; }
.lab-figures { display: flex; gap: 4px 26px; flex-wrap: wrap; align-items: end; }
.lab-figures div { min-width: 4.5rem; }
.lab-figures b { display: block; font-size: 1.2em; font-weight: 600;
                 font-variant-numeric: tabular-nums; }
.lab-figures span { color: var(--jp-content-font-color2, #555); font-size: 0.88em; }
.lab-curve { flex: 1 1 10rem; max-width: 22rem; height: 44px; }
.lab-curve polyline { fill: none; stroke: var(--jp-brand-color1, #1976d2);
                      stroke-width: 2; vector-effect: non-scaling-stroke; }
.lab-unseen { position: absolute; width: 1px; height: 1px; overflow: hidden;
              clip-path: inset(50%); white-space: nowrap; }
"""


class StaticTwin:
    """Shows a widget's `static_html()` and stable text wherever no kernel runs."""

    def _repr_mimebundle_(self, **options):
        data, metadata = super()._repr_mimebundle_(**options)
        twin = {"text/plain": repr(self), "text/html": self.static_html()}
        return {**data, **twin}, metadata


# ----------------------------------------------------------------------------- chat


class Chat(StaticTwin, anywidget.AnyWidget):
    """Several models answer the same message, side by side.

    answers : `{name: answer}`, where `answer(message, temperature)` returns a text.
    examples : messages answered at once, so that there is something to read before
        anybody types; they are also what the static twin shows.
    temperature : where the slider starts.

    Every message is answered on its own; the models remember no earlier one.
    """

    names = traitlets.List(traitlets.Unicode()).tag(sync=True)
    exchanges = traitlets.List().tag(sync=True)
    temperature = traitlets.Float(1.0).tag(sync=True)
    status = traitlets.Unicode("").tag(sync=True)

    _css = _CSS
    _esm = (
        _HELPERS
        + """
function render({ model, el }) {
  const log = h("div", {"role": "log", "aria-live": "polite",
                        "aria-label": "messages and answers"});
  const input = h("input", {type: "text", placeholder: "Write to all of them…",
                            "aria-label": "message to the models"});
  const send = h("button", {type: "submit", className: "lab-button"}, "Send");
  const heat = slider("temperature", model.get("temperature"));
  const status = h("p", {className: "lab-status", "role": "status"});
  const form = h("form", {className: "lab-row"}, input, send, heat.node);
  let waiting = false;
  const drawLog = () => {
    log.replaceChildren(...model.get("exchanges").map(({message, answers}) =>
      h("div", {}, h("p", {className: "lab-message"}, message),
        h("div", {className: "lab-columns"}, ...model.get("names").map((name) =>
          h("div", {className: "lab-card"},
            h("span", {className: "lab-name"}, name), answers[name] ?? "…"))))));
  };
  const drawStatus = () => {
    const text = model.get("status");
    waiting = text !== "";
    send.setAttribute("aria-disabled", waiting);
    status.textContent = text
      || "Each message is answered on its own: no model remembers the one before.";
  };
  // JupyterLab keeps the browser from sending the form on Enter.
  input.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.isComposing) return;
    event.preventDefault();
    form.requestSubmit();
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const message = input.value.trim();
    if (waiting || !message) return;
    waiting = true;
    model.send({type: "ask", message, temperature: Number(heat.input.value)});
    input.value = "";
    input.focus();
  });
  model.on("change:exchanges", drawLog);
  model.on("change:status", drawStatus);
  drawLog();
  drawStatus();
  el.append(h("section", {className: "lab-box lab-chat", "aria-label": "chat"},
              log, form, status));
  return () => {
    model.off("change:exchanges", drawLog);
    model.off("change:status", drawStatus);
  };
}
export default { render };
"""
    )

    def __init__(
        self,
        answers: Mapping[str, Callable[[str, float], str]],
        *,
        examples: Sequence[str] = (),
        temperature: float = 1.0,
    ):
        if not answers:
            raise ValueError("no models to talk to; expected {name: answer function}")
        _check_temperature(temperature)
        super().__init__(names=list(answers), temperature=temperature)
        self._answers = dict(answers)
        for message in examples:
            self.ask(message)
        self._examples = list(self.exchanges)
        self.on_msg(self._receive)

    def ask(self, message: str, temperature: float | None = None) -> dict[str, str]:
        """What each model answers, as {name: text}; the view shows it too.

        An exception of an answer function is raised, so that a run without a person
        cannot pass over it. In the view a person reads it as a sentence instead.
        """
        temperature = self.temperature if temperature is None else temperature
        _check_temperature(temperature)
        if not message.strip():
            raise ValueError("the message is empty; write a word or more")
        answers = {
            name: answer(message, temperature) for name, answer in self._answers.items()
        }
        self.exchanges = [*self.exchanges, {"message": message, "answers": answers}]
        return answers

    def _receive(self, _widget, content: dict, _buffers) -> None:
        message, temperature = content["message"], float(content["temperature"])
        before, answers = self.exchanges, {}
        try:
            for name, answer in self._answers.items():
                self.status = f"{name} is answering…"
                answers[name] = _answer_or_sentence(name, answer, message, temperature)
                exchange = {"message": message, "answers": dict(answers)}
                self.exchanges = [*before, exchange]
        finally:
            self.status = ""

    def static_html(self) -> str:
        if not self._examples:
            return f"<p>Run this cell to talk to {_escaped_list(self.names)}.</p>"
        rows = [
            [exchange["message"], *(exchange["answers"][name] for name in self.names)]
            for exchange in self._examples
        ]
        return _table("The same messages, answered by each", ["", *self.names], rows)

    def __repr__(self) -> str:
        return f"Chat({', '.join(self.names)})"


def _answer_or_sentence(
    name: str, answer: Callable[[str, float], str], message: str, temperature: float
) -> str:
    try:
        return answer(message, temperature)
    except ValueError as error:
        return f"{name} could not answer: {error}."
    except Exception as error:  # whatever a learner's own function raises
        return f"{name} could not answer: {type(error).__name__}: {error}."


def _check_temperature(temperature: float) -> None:
    if not (math.isfinite(temperature) and temperature > 0):
        raise ValueError(
            f"temperature is {temperature}; expected a number above 0, such as 0.7"
        )


# -------------------------------------------------------------------------- labeller


class PairLabeller(StaticTwin, anywidget.AnyWidget):
    """A person says which of two texts is better; every click is kept at once.

    pairs : objects with `prompt`, `first` and `second`, such as `village.StoryPair`.
    store : where labels go. The next pair appears only when the label is on the disk.
    annotator : who is labelling. A labeller made again over the same store goes on
        after the last pair that this annotator labelled.
    """

    view = traitlets.Dict().tag(sync=True)
    status = traitlets.Unicode("").tag(sync=True)

    _css = _CSS
    _esm = (
        _HELPERS
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
        return _table(title, ["asked for", "text 1", "text 2"], rows)

    def __repr__(self) -> str:
        return f"PairLabeller({len(self.pairs)} pairs)"


def _texts(pair) -> tuple[str, str, str]:
    return pair.prompt, pair.first, pair.second


# ------------------------------------------------------------------- next-token bars


class NextTokenExplorer(StaticTwin, anywidget.AnyWidget):
    """Bars of the next-token distribution; a click on a token goes on with it.

    distribution : `distribution(text)` returns the whole distribution at temperature
        1 as (token text, probability), in any order.
    prompt : the text to start from.
    top : how many tokens to show; the others are one bar together.
    special_tokens : texts that stand for control tokens: shown, never appended.
    """

    prompt = traitlets.Unicode("").tag(sync=True)
    temperature = traitlets.Float(1.0).tag(sync=True)
    bars = traitlets.List().tag(sync=True)
    status = traitlets.Unicode("").tag(sync=True)

    _css = _CSS
    _esm = (
        _HELPERS
        + """
function render({ model, el }) {
  const input = h("input", {type: "text", "aria-label": "text to continue"});
  input.value = model.get("prompt");
  const heat = slider("temperature", model.get("temperature"));
  const grid = h("div", {className: "lab-bars", "role": "group",
                         "aria-label": "most probable next tokens"});
  const status = h("p", {className: "lab-status", "role": "status"});
  const ask = () => model.send({type: "show", prompt: input.value,
                                temperature: Number(heat.input.value)});
  let timer;
  const askSoon = () => { clearTimeout(timer); timer = setTimeout(ask, 200); };
  input.addEventListener("input", askSoon);
  heat.input.addEventListener("input", askSoon);
  // Rows are made once and rewritten: a button that vanished under the focus would
  // hand the keyboard to the notebook.
  const rows = [];
  const addRow = () => {
    const row = {
      token: h("button", {type: "button"}),
      bar: h("div", {className: "lab-bar"}),
      share: h("span", {className: "lab-share"}),
      append: null,
    };
    row.token.addEventListener("click", () => {
      if (row.append === null) return;
      input.value += row.append;
      ask();
    });
    rows.push(row);
    grid.append(row.token, h("div", {}, row.bar), row.share);
  };
  const draw = () => {
    const bars = model.get("bars");
    while (rows.length < bars.length) addRow();
    const longest = Math.max(...bars.map((bar) => bar.share), 1e-9);
    rows.forEach((row, index) => {
      const bar = bars[index];
      const gone = bar === undefined;
      row.token.textContent = gone ? "" : bar.shown;
      row.token.title = !gone && bar.append !== null ? "go on with this token" : "";
      row.append = gone ? null : bar.append;
      row.token.setAttribute("aria-disabled", row.append === null);
      row.bar.style.width = gone ? "0" : `${100 * bar.share / longest}%`;
      row.bar.classList.toggle("lab-rest", !gone && bar.rest);
      row.share.textContent = gone ? "" : `${(100 * bar.share).toFixed(1)} %`;
    });
  };
  const drawStatus = () => { status.textContent = model.get("status"); };
  const drawPrompt = () => {
    if (document.activeElement !== input) input.value = model.get("prompt");
  };
  model.on("change:prompt", drawPrompt);
  model.on("change:bars", draw);
  model.on("change:status", drawStatus);
  draw();
  drawStatus();
  el.append(h("section", {className: "lab-box lab-explorer",
                          "aria-label": "next-token explorer"},
              h("div", {className: "lab-row"}, input, heat.node), grid, status));
  return () => {
    clearTimeout(timer);
    model.off("change:prompt", drawPrompt);
    model.off("change:bars", draw);
    model.off("change:status", drawStatus);
  };
}
export default { render };
"""
    )

    def __init__(
        self,
        distribution: Callable[[str], Sequence[tuple[str, float]]],
        *,
        prompt: str = "",
        temperature: float = 1.0,
        top: int = 10,
        special_tokens: Sequence[str] = (),
    ):
        super().__init__()
        self._distribution = distribution
        self._top = top
        self._special_tokens = set(special_tokens)
        self.show(prompt, temperature)
        self._first = (prompt, list(self.bars))
        self.on_msg(self._receive)

    def show(self, prompt: str, temperature: float = 1.0) -> list[tuple[str, float]]:
        """The most probable tokens after `prompt`, most probable first; shows them."""
        _check_temperature(temperature)
        tokens = self._distribution(prompt)
        shares = _at_temperature([share for _, share in tokens], temperature)
        ranked = sorted(
            zip((text for text, _ in tokens), shares, strict=True),
            key=lambda pair: -pair[1],
        )[: self._top]
        self.prompt, self.temperature = prompt, temperature
        self.bars = [self._bar(text, share) for text, share in ranked]
        rest = 1 - sum(share for _, share in ranked)
        if len(ranked) < len(tokens):
            self.bars = [*self.bars, _rest_bar(rest, len(tokens) - len(ranked))]
        best, share = ranked[0]
        self.status = f"Most probable: {visible(best)}, {share:.1%}."
        return ranked

    def _bar(self, text: str, share: float) -> dict:
        is_text = text not in self._special_tokens and "\ufffd" not in text
        return {
            "shown": visible(text),
            "append": text if is_text and text else None,
            "share": share,
            "rest": False,
        }

    def _receive(self, _widget, content: dict, _buffers) -> None:
        try:
            self.show(content["prompt"], float(content["temperature"]))
        except ValueError as error:
            self.status = f"Cannot continue this text: {error}."

    def static_html(self) -> str:
        prompt, bars = self._first
        rows = [[bar["shown"], f"{bar['share']:.1%}"] for bar in bars]
        title = f"After “{prompt}”, the most probable next tokens"
        return _table(title, ["token", "probability"], rows)

    def __repr__(self) -> str:
        return f"NextTokenExplorer({self._first[0]!r})"


def _rest_bar(share: float, count: int) -> dict:
    shown = f"{count:,} others" if count > 1 else "1 other"
    return {"shown": shown, "append": None, "share": max(share, 0.0), "rest": True}


def _at_temperature(shares: Sequence[float], temperature: float) -> list[float]:
    """softmax(log p / temperature), computed so that no share overflows."""
    if not shares or abs(sum(shares) - 1) > 1e-3 or min(shares) < 0:
        raise ValueError(
            f"{len(shares)} probabilities that sum to {sum(shares):.4f}; expected the "
            "whole distribution, which sums to 1"
        )
    largest = max(shares)
    powers = [(share / largest) ** (1 / temperature) for share in shares]
    total = sum(powers)
    return [power / total for power in powers]


# -------------------------------------------------------------------------- training


class TrainingMonitor:
    """Shows in a notebook how `training.train` goes: bar, loss, speed and time left.

    Pass it as `progress`. What it leaves in the stored notebook tells only what was
    trained for how many steps; the numbers that differ from run to run live in the
    view. `seconds_between` updates keep the browser from being flooded.
    """

    def __init__(self, *, seconds_between: float = 0.25):
        self.seconds_between = seconds_between

    def start(self, label: str, steps: int, first_step: int) -> None:
        self._steps, self._first_step = steps, first_step
        self._started = time.monotonic()
        self._shown = -math.inf
        self._tokens = 0.0
        self._curve: list[float] = []
        self._latest: dict = {}
        self.view = MonitorView(label=label, steps=steps, done=first_step)
        if get_ipython() is not None:
            display(self.view)

    def update(self, step: int, metrics: Mapping[str, float], seconds: float) -> None:
        self._tokens += metrics.get("tokens", 0)
        if "loss" in metrics:
            previous = self._curve[-1] if self._curve else metrics["loss"]
            self._curve.append(0.9 * previous + 0.1 * metrics["loss"])
        self._latest = {"done": step + 1, "metrics": metrics}
        now = time.monotonic()
        if now - self._shown >= self.seconds_between:
            self._shown = now
            self._send()

    def stop(self, message: str) -> None:
        if self._latest:
            self._send()
        self.view.message = message

    def _send(self) -> None:
        done, metrics = self._latest["done"], self._latest["metrics"]
        elapsed = max(time.monotonic() - self._started, 1e-9)
        left = elapsed / (done - self._first_step) * (self._steps - done)
        figures = [["time left", f"{left // 60:.0f}:{left % 60:02.0f}"]]
        if self._curve:
            figures.append(["loss", f"{self._curve[-1]:.3f}"])
        for name in ("score", "kl", "accuracy"):
            if name in metrics:
                figures.append([name, f"{metrics[name]:.2f}"])
        if self._tokens:
            figures.append(["tokens/s", f"{self._tokens / elapsed:,.0f}"])
        stride = 1 + len(self._curve) // 200
        with self.view.hold_sync():
            self.view.done = done
            self.view.figures = figures
            self.view.curve = self._curve[::stride]


class MonitorView(StaticTwin, anywidget.AnyWidget):
    """The picture of one run that a `TrainingMonitor` keeps up to date."""

    label = traitlets.Unicode().tag(sync=True)
    steps = traitlets.Int().tag(sync=True)
    done = traitlets.Int().tag(sync=True)
    figures = traitlets.List().tag(sync=True)
    curve = traitlets.List().tag(sync=True)
    message = traitlets.Unicode("").tag(sync=True)

    _css = _CSS
    _esm = (
        _HELPERS
        + """
function render({ model, el }) {
  const head = h("p", {className: "lab-head"});
  const filled = h("div");
  const bar = h("div", {className: "lab-progress", "role": "progressbar",
                        "aria-label": `training ${model.get("label")}`,
                        "aria-valuemin": 0, "aria-valuemax": 100}, filled);
  const figures = h("div", {className: "lab-figures"});
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 100 40");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("class", "lab-curve");
  svg.setAttribute("aria-hidden", "true");
  const line = document.createElementNS(svg.namespaceURI, "polyline");
  svg.append(line);
  const spoken = h("p", {className: "lab-unseen", "role": "status"});
  let quarter = -1;
  const drawCurve = () => {
    const curve = model.get("curve");
    const low = Math.min(...curve), range = Math.max(...curve) - low || 1;
    line.setAttribute("points", curve.map((value, index) =>
      `${100 * index / Math.max(curve.length - 1, 1)},` +
      `${38 - 36 * (value - low) / range}`).join(" "));
  };
  const draw = () => {
    const done = model.get("done"), steps = model.get("steps");
    const message = model.get("message");
    const share = steps ? Math.round(100 * done / steps) : 100;
    head.textContent = `${model.get("label")}: step ${done} of ${steps}`
      + (message ? ` (${message})` : "");
    filled.style.width = `${share}%`;
    bar.setAttribute("aria-valuenow", share);
    figures.replaceChildren(...model.get("figures").map(([name, value]) =>
      h("div", {}, h("b", {}, value), h("span", {}, name))), svg);
    drawCurve();
    if (message || Math.floor(share / 25) !== quarter) {
      quarter = Math.floor(share / 25);
      spoken.textContent = message || `${share} % done`;
    }
  };
  model.on("change", draw);
  draw();
  el.append(h("section", {className: "lab-box lab-monitor",
                          "aria-label": "training monitor"},
              head, bar, figures, spoken));
  return () => model.off("change", draw);
}
export default { render };
"""
    )

    def static_html(self) -> str:
        return (
            f"<p>{html.escape(self.label)}: {self.steps} steps. "
            "While the cell runs, its progress shows here.</p>"
        )

    def __repr__(self) -> str:
        return f"TrainingMonitor({self.label}, {self.steps} steps)"


# -------------------------------------------------------------------------- the parts


def _table(caption: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """An HTML table whose first column names its rows; all texts are escaped."""
    left = "text-align:left;vertical-align:top;white-space:pre-wrap"
    heads = "".join(f'<th scope="col">{html.escape(text)}</th>' for text in head)
    body = "".join(
        f'<tr><th scope="row" style="{left}">{html.escape(first)}</th>'
        + "".join(f'<td style="{left}">{html.escape(text)}</td>' for text in others)
        + "</tr>"
        for first, *others in rows
    )
    return (
        f"<table><caption>{html.escape(caption)}</caption>"
        f"<thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"
    )


def _escaped_list(names: Sequence[str]) -> str:
    return html.escape(", ".join(names))
