"""The tokens of a text that a person types, as boxes with their ids."""

import html

import traitlets

from llmlab.plots import token_colours
from llmlab.tokenizer import Tokenizer
from llmlab.widgets.page import View

LONGEST_TEXT = 2000


class TokenColours(View):
    """Type a text and see it cut into tokens: a box and an id each, and their count.

    tokenizer : anything with `encode(text)` to ids and `token_text(id)` to a text.
    text : what to begin with; the static twin shows this one.

    The colours only tell neighbours apart; they mean nothing.
    """

    text = traitlets.Unicode("").tag(sync=True)
    tokens = traitlets.List().tag(sync=True)
    status = traitlets.Unicode("").tag(sync=True)

    def __init__(self, tokenizer: Tokenizer, text: str):
        super().__init__()
        self._tokenizer = tokenizer
        self._first = (text, self.show(text))

    def show(self, text: str) -> list[tuple[str, int]]:
        """The tokens of `text`, as (token text, id); the view shows them too."""
        if len(text) > LONGEST_TEXT:
            raise ValueError(
                f"the text has {len(text):,} characters; expected at most "
                f"{LONGEST_TEXT:,}, since each token is a box on the page"
            )
        ids = self._tokenizer.encode(text)
        tokens = [(self._tokenizer.token_text(n), n) for n in map(int, ids)]
        with self.hold_sync():
            self.text, self.tokens = text, [list(token) for token in tokens]
            self.status = _counted(text, len(tokens))
        return tokens

    def receive(self, content: dict) -> None:
        text = content["text"]
        try:
            self.show(text[:LONGEST_TEXT])
        except ValueError as error:
            self.status = f"These are the tokens from before: {error}."
            return
        if len(text) > LONGEST_TEXT:
            self.status += (
                f" These are the first {LONGEST_TEXT:,} of {len(text):,} characters."
            )

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
