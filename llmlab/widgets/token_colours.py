"""The tokens of a text that a person types, as boxes with their ids."""

import html

import anywidget
import traitlets

from llmlab.plots import PALETTE, token_colours
from llmlab.tokenizer import Tokenizer
from llmlab.widgets.page import CSS, HELPERS
from llmlab.widgets.static_twin import StaticTwin

LONGEST_TEXT = 2000
_COLOURS = PALETTE[:4]


class TokenColours(StaticTwin, anywidget.AnyWidget):
    """Type a text and see it cut into tokens: a box and an id each, and their count.

    tokenizer : anything with `encode(text)` to ids and `token_text(id)` to a text.
    text : what to begin with; the static twin shows this one.

    The colours only tell neighbours apart; they mean nothing.
    """

    text = traitlets.Unicode("").tag(sync=True)
    tokens = traitlets.List().tag(sync=True)
    longest_text = traitlets.Int(LONGEST_TEXT).tag(sync=True)
    status = traitlets.Unicode("").tag(sync=True)

    _css = (
        CSS
        + """
.lab-box .lab-status.lab-count { font-size: 1.05em; font-weight: 600;
                                 color: var(--jp-content-font-color1, #222); }
.lab-tokens { margin-top: 10px; }
.lab-tokens span {
  display: inline-block;
  margin: 2px;
  padding: 1px 5px;
  border: 1px solid;
  border-radius: 3px;
  font-family: var(--jp-code-font-family, monospace);
  text-align: center;
  white-space: pre;
}
.lab-tokens small { display: block; color: var(--jp-content-font-color1, #222);
                    font-size: 0.78em; }
"""
        + "".join(
            f".lab-tokens span:nth-child({len(_COLOURS)}n+{number}) "
            f"{{ border-color: {colour}; background: {colour}26; }}\n"
            for number, colour in enumerate(_COLOURS, start=1)
        )
    )
    _esm = (
        HELPERS
        + """
function render({ model, el }) {
  const input = h("textarea", {rows: 3, maxLength: model.get("longest_text"),
                               spellcheck: false,
                               "aria-label": "text to cut into tokens"});
  input.value = model.get("text");
  const boxes = h("div", {className: "lab-tokens", "role": "list",
                          "aria-label": "tokens and their ids"});
  const status = h("p", {className: "lab-status lab-count", "role": "status"});
  let timer;
  const show = () => model.send({type: "show", text: input.value});
  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(show, 150);
  });
  // JupyterLab keeps the browser from writing a line end on Enter.
  input.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.isComposing) return;
    if (event.shiftKey || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    document.execCommand("insertText", false, "\\n");
  });
  const drawTokens = () => boxes.replaceChildren(
    ...model.get("tokens").map(([text, id]) =>
      h("span", {"role": "listitem"}, text, h("small", {}, String(id)))));
  const drawStatus = () => { status.textContent = model.get("status"); };
  const drawText = () => {
    if (document.activeElement !== input) input.value = model.get("text");
  };
  model.on("change:tokens", drawTokens);
  model.on("change:status", drawStatus);
  model.on("change:text", drawText);
  drawTokens();
  drawStatus();
  el.append(h("section", {className: "lab-box lab-token-colours",
                          "aria-label": "token colours"},
              h("div", {className: "lab-row"}, input), status, boxes,
              h("p", {className: "lab-hint"}, "Under each token stands its id. The ",
                "colours only tell neighbours apart.")));
  return () => {
    clearTimeout(timer);
    model.off("change:tokens", drawTokens);
    model.off("change:status", drawStatus);
    model.off("change:text", drawText);
  };
}
export default { render };
"""
    )

    def __init__(self, tokenizer: Tokenizer, text: str):
        super().__init__()
        self._tokenizer = tokenizer
        self._first = (text, self.show(text))
        self.on_msg(self._receive)

    def show(self, text: str) -> list[tuple[str, int]]:
        """The tokens of `text`, as (token text, id); the view shows them too."""
        if len(text) > LONGEST_TEXT:
            raise ValueError(
                f"the text has {len(text):,} characters; expected at most "
                f"{LONGEST_TEXT:,}, since each token is a box on the page"
            )
        ids = self._tokenizer.encode(text)
        tokens = [(self._tokenizer.token_text(token_id), token_id) for token_id in ids]
        with self.hold_sync():
            self.text, self.tokens = text, [list(token) for token in tokens]
            self.status = _counted(text, len(tokens))
        return tokens

    def _receive(self, _widget, content: dict, _buffers) -> None:
        try:
            self.show(content["text"])
        except ValueError as error:
            self.status = f"These are the tokens from before: {error}."

    def static_html(self) -> str:
        text, tokens = self._first
        boxes = token_colours([shown for shown, _ in tokens], [i for _, i in tokens])
        sentence = f"“{text}”: {_counted(text, len(tokens))}"
        return f"<p>{html.escape(sentence)}</p>{boxes.data}"

    def __repr__(self) -> str:
        text, tokens = self._first
        return f"TokenColours({text!r}: {' | '.join(shown for shown, _ in tokens)})"


def _counted(text: str, tokens: int) -> str:
    if not tokens:
        return "No token yet: the text is empty."
    return (
        f"{_number(tokens, 'token')}, {_number(len(text), 'character')}, "
        f"{len(text) / tokens:.2f} characters a token."
    )


def _number(count: int, what: str) -> str:
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"
