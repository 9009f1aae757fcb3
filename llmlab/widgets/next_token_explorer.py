"""Bars of what may come next; a person picks and goes on."""

from collections.abc import Callable, Sequence

import traitlets

from llmlab.plots import visible
from llmlab.widgets.asking import check_temperature, reason
from llmlab.widgets.page import View, table


class NextTokenExplorer(View):
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

    def show(self, prompt: str, temperature: float = 1.0) -> list[tuple[str, float]]:
        """The most probable tokens after `prompt`, most probable first; shows them."""
        temperature = check_temperature(temperature)
        tokens = self._distribution(prompt)
        shares = _at_temperature([float(share) for _, share in tokens], temperature)
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

    def receive(self, content: dict) -> None:
        try:
            self.show(content["prompt"], float(content["temperature"]))
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
