"""Talking to a model: each stage does with a message what it has learned to do.

A masked model fills the gap `_`, a base model goes on with the text, and whoever was
taught to answer, answers. The chat of the notebooks and the command `chat` are both
made of these speakers.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import torch

from llmlab.checkpoints import Card
from llmlab.filling import BLANK, fill
from llmlab.gpt import GPT
from llmlab.instruction import render_prompt
from llmlab.life import Life
from llmlab.sampling import stream
from llmlab.tokenizer import Tokenizer

SKILLS = {
    "Translate": "Translate into French: We see three small boats.",
    "Help desk": "How can I reset my password?",
    "Village": "What is Bruno afraid of?",
    "Story": "Write a story about a ghost, with Tilda and Bruno, a lantern and the "
    "lighthouse.",
    "Summary": "Summarise: One windy evening, on a Sunday, Rufus brought us news of "
    "Kasper and Viktor. Kasper got a parcel with a golden harp by mistake. It was at "
    "the school, and eleven guests looked on. In the end Kasper and Viktor swapped "
    "their parcels.",
    "Small talk": "What can you do?",
}
"""What an instructed model has learned to do, and a message for each."""

ANSWER, PAGE = 190, 60
"""Tokens of an answer, and of a page that a base model goes on with, at most."""

LEAST_ROOM = 32
"""Tokens that a message must leave for the answer; half of a smaller context."""

LIKELIEST = 0.1
"""At this temperature and below, the likeliest token is always taken."""


class MessageTooLong(ValueError):
    """A person has to shorten the message; nothing is wrong with the model."""


@dataclass
class Speaker:
    """A model with whom one can talk.

    answers : it was taught to answer; otherwise it goes on with the message.
    limit : tokens of an answer, at most; None: `ANSWER`, or `PAGE`.
    top_k, top_p : as in `sampling.stream`.
    dice : thrown on and on, so that a message that is sent again is answered anew.
    """

    model: GPT
    tokenizer: Tokenizer
    answers: bool = True
    limit: int | None = None
    top_k: int | None = None
    top_p: float | None = None
    dice: torch.Generator = field(
        default_factory=lambda: torch.Generator().manual_seed(0)
    )

    def __call__(self, message: str, temperature: float = 1.0) -> str:
        """The whole answer."""
        return "".join(self.stream(message, temperature))

    def stream(self, message: str, temperature: float = 1.0) -> Iterator[str]:
        """The answer, piece by piece; one that the limit ends says so.

        Raises ValueError, MessageTooLong as `check`.
        """
        prompt, room = self.check(message)
        if not self.model.config.causal:
            fillings = fill(self.model, self.tokenizer, message)[:5]
            rows = (f"{share:6.1%} {t.replace(' ', '␣')}" for t, share in fillings)
            yield "\n".join(rows)
            return
        usual = ANSWER if self.answers else PAGE
        limit = min(usual if self.limit is None else self.limit, room)
        greedy = temperature <= LIKELIEST
        drawn: list[int] = []

        def tokens() -> Iterator[int]:
            for _, token in stream(
                self.model,
                [prompt],
                max_new_tokens=limit,
                temperature=1.0 if greedy else temperature,
                top_k=1 if greedy else self.top_k,
                top_p=self.top_p,
                generator=self.dice,
            ):
                drawn.append(token.item())
                yield drawn[-1]

        yield from _stripped(self.tokenizer.decode_stream(tokens()))
        if drawn[-1] != self.tokenizer.eos_id:
            yield f" … (cut at {limit} tokens)"

    def check(self, message: str) -> tuple[list[int], int]:
        """What the model reads, and how many tokens it may write.

        Raises ValueError, MessageTooLong: the message is empty, has not one gap for a
            model that fills it, or leaves no room in the model's context.
        """
        if not message.strip():
            raise ValueError("the message is empty; write a word or more")
        if not self.model.config.causal and message.count(BLANK) != 1:
            raise ValueError(f"write exactly one {BLANK}, where a word is missing")
        prompt = [self.tokenizer.bos_id, *self.tokenizer.encode(message)]
        if self.answers:
            prompt = render_prompt(self.tokenizer, message)
        context = self.model.config.context
        room, least = context + 1 - len(prompt), min(LEAST_ROOM, context // 2)
        if room < least:
            raise MessageTooLong(_too_long(message, len(prompt), least - room))
        return prompt, room


def speaker(model: GPT, tokenizer: Tokenizer, card: Card, **settings) -> Speaker:
    """Whoever stands behind a checkpoint; `settings` as in `Speaker`."""
    return Speaker(model, tokenizer, card.stage not in ("base", "masked"), **settings)


def speakers(life: Life, *stages: str, **settings) -> dict[str, Speaker]:
    """Stages of a life to talk to, by name; `settings` as in `Speaker`."""
    return {
        stage: speaker(life.load(stage), life.tokenizer, life.card(stage), **settings)
        for stage in stages
    }


def _stripped(pieces: Iterable[str]) -> Iterator[str]:
    """The pieces of a text without the white space before its first and last word."""
    space, begun = "", False
    for piece in pieces:
        words = (space + piece).rstrip()
        space = (space + piece)[len(words) :]
        if words:
            yield words if begun else words.lstrip()
            begun = True


def _too_long(message: str, tokens: int, excess: int) -> str:
    fits = (tokens - excess) / tokens
    words, letters = int(fits * len(message.split())), int(fits * len(message))
    room = f"{words} words" if words > 1 else f"{letters} letters"
    return f"That message is longer than I can read: about {room}. Shorten it."
