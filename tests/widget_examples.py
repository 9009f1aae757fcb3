"""Small widgets to try things on, and a stand-in for the browser."""

from types import SimpleNamespace

import torch

from llmlab.widgets import Chat

PAIRS = [
    SimpleNamespace(prompt=f"prompt {n}", first=f"first {n}", second=f"second {n}")
    for n in range(4)
]


def from_browser(widget, **content) -> None:
    """What the view sends when a person acts."""
    widget._handle_custom_msg(content, [])


def make_chat(**options) -> Chat:
    def base(message, temperature):
        return f"{message} {temperature}"

    return Chat({"base": base, "ppo": lambda message, _: message.upper()}, **options)


def distribution(text):
    if not text:
        raise ValueError("the text is empty")
    return [(" net", 0.2), (" boat", 0.4), ("<eos>", 0.3), ("\ufffd", 0.1)]


TOKENS = ["The", " boat", " sank", "."]


def attention() -> torch.Tensor:
    """Causal weights of 2 layers of 3 heads, no two rows of them alike."""
    scores = torch.arange(2 * 3 * 4 * 4).reshape(2, 3, 4, 4) * 7 % 13 / 4
    future = torch.ones(4, 4, dtype=torch.bool).triu(1)
    return scores.masked_fill(future, float("-inf")).softmax(-1)


def fill(text):
    if text.count("_") != 1:
        raise ValueError(f"{text.count('_')} blanks; write exactly one _")
    return [(" lazy", 0.9), (" old", 0.06), (" red", 0.004)]


SNAPSHOTS = [
    (0, 7.6, "<b>qx zzv"),
    (10, 5.0, "the the of boat"),
    (100, 2.0, "the boat sat"),
    (500, 1.2, "the boat sank"),
    (1000, 1.1, "The boat sank at dusk."),
]
