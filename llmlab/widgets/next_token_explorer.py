"""Bars of what may come next; a person picks or rolls the dice, and goes on."""

from collections.abc import Callable, Sequence

import torch
import traitlets

from llmlab.plots import visible
from llmlab.widgets.asking import check_temperature, reason
from llmlab.widgets.page import View, table


class NextTokenExplorer(View):
    """Bars of the next-token distribution; a click or the dice go on with a token.

    distribution : `distribution(text)` returns the whole distribution at temperature
        1 as (token text, probability), in any order.
    prompt : the text to start from.
    top : how many tokens to show; the others are one bar together.
    special_tokens : texts that stand for control tokens: shown, never appended.
    generator : the dice; None: other ones each time.
    """

    prompt = traitlets.Unicode("").tag(sync=True)
    temperature = traitlets.Float(1.0).tag(sync=True)
    bars = traitlets.List().tag(sync=True)
    status = traitlets.Unicode("").tag(sync=True)
    past = traitlets.List().tag(sync=True)  # the texts before, to go back to

    def __init__(
        self,
        distribution: Callable[[str], Sequence[tuple[str, float]]],
        *,
        prompt: str = "",
        temperature: float = 1.0,
        top: int = 10,
        special_tokens: Sequence[str] = (),
        generator: torch.Generator | None = None,
    ):
        super().__init__()
        self._distribution = distribution
        self._top = top
        self._special_tokens = set(special_tokens)
        self._dice = generator or torch.Generator()
        if generator is None:
            self._dice.seed()
        self.prompt = prompt
        self.show(prompt, temperature)
        if not any(bar["append"] for bar in self.bars):
            raise ValueError(
                f"after {prompt!r} nothing can be chosen, only "
                f"{self.bars[0]['shown']}; begin with another prompt"
            )
        self._first = (prompt, list(self.bars))

    def show(self, prompt: str, temperature: float = 1.0) -> list[tuple[str, float]]:
        """The most probable tokens after `prompt`, most probable first; shows them."""
        temperature = check_temperature(temperature)
        tokens = self._distribution(prompt)
        shares = _at_temperature([float(share) for _, share in tokens], temperature)
        self._shares = list(zip((text for text, _ in tokens), shares, strict=True))
        ranked = sorted(self._shares, key=lambda pair: -pair[1])[: self._top]
        if prompt != self.prompt:
            self.past = [*self.past, self.prompt]
        self.prompt, self.temperature = prompt, temperature
        self.bars = [self._bar(text, share) for text, share in ranked]
        rest = 1 - sum(share for _, share in ranked)
        if len(ranked) < len(tokens):
            self.bars = [*self.bars, _rest_bar(rest, len(tokens) - len(ranked))]
        best, share = ranked[0]
        self.status = f"Most probable: {visible(best)}, {share:.1%}."
        return ranked

    def roll(self) -> str:
        """Draw a token by the shares that are shown, and go on with it, if it is text.

        Returns its text.
        """
        weights = torch.tensor([share for _, share in self._shares])
        index = int(torch.multinomial(weights, 1, generator=self._dice))
        text, share = self._shares[index]
        drawn = f"The dice show {visible(text)}, which had {share:.1%}."
        if self._appended(text) is not None:
            self.show(self.prompt + text, self.temperature)
            self.status = f"{drawn} {self.status}"
        elif text in self._special_tokens:
            self.status = f"{drawn} Here the model ends its text: undo, or write on."
        else:
            self.status = f"{drawn} It is a part of a character: roll again."
        return text

    def undo(self) -> None:
        """Go back to the text before."""
        if self.past:
            *past, prompt = self.past
            self.show(prompt, self.temperature)
            self.past = past

    def _appended(self, text: str) -> str | None:
        is_text = text not in self._special_tokens and "\ufffd" not in text
        return text if is_text and text else None

    def _bar(self, text: str, share: float) -> dict:
        append = self._appended(text)
        return {"shown": visible(text), "append": append, "share": share, "rest": False}

    def receive(self, content: dict) -> None:
        try:
            if content["type"] == "undo":
                self.undo()
                return
            text, temperature = content["prompt"], float(content["temperature"])
            if (text, temperature) != (self.prompt, self.temperature):
                self.show(text, temperature)
            if content["type"] == "roll":
                self.roll()
        except Exception as error:
            self.status = f"Cannot continue this text: {reason(error)}."

    def static_html(self) -> str:
        prompt, bars = self._first
        rows = [[bar["shown"], f"{bar['share']:.1%}"] for bar in bars]
        title = f"After “{prompt}”, the most probable next tokens"
        return table(title, ["token", "probability"], rows)

    def __repr__(self) -> str:
        return f"NextTokenExplorer({self._first[0]!r})"


def _rest_bar(share: float, count: int) -> dict:
    shown = f"{count:,} others" if count > 1 else "1 other"
    return {"shown": shown, "append": None, "share": max(share, 0.0), "rest": True}


def _at_temperature(shares: Sequence[float], temperature: float) -> list[float]:
    """softmax(log p / temperature), computed so that no share overflows."""
    if not shares or not abs(sum(shares) - 1) <= 1e-3 or min(shares) < 0:  # NaN too
        raise ValueError(
            f"{len(shares)} probabilities that sum to {sum(shares):.4f}; expected the "
            "whole distribution, which sums to 1"
        )
    largest = max(shares)
    powers = [(share / largest) ** (1 / temperature) for share in shares]
    total = sum(powers)
    return [power / total for power in powers]
