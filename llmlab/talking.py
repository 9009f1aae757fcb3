"""Talking to a model: each stage does with a message what it has learned to do.

A masked model fills the gap `_`, a base model goes on with the text, and whoever was
taught to answer, answers. The chat of the notebooks and the command `chat` are both
made of these speakers.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from llmlab.checkpoints import Card
from llmlab.filling import BLANK, fill
from llmlab.gpt import GPT
from llmlab.instruction import Turns, render_prompt
from llmlab.life import Life
from llmlab.sampling import stream
from llmlab.tokenizer import Tokenizer

SKILLS = {
    "Translate": "Translate into French: We see three small boats.",
    "Help desk": "How can I reset my password?",
    "Follow-up": "Who can help me with it?",
    "Village": "What is Bruno afraid of?",
    "Story": "Write a story about a ghost, with Tilda and Bruno, a lantern and the "
    "lighthouse.",
    "Summary": "Summarise: One windy evening, on a Sunday, Rufus brought us news of "
    "Kasper and Viktor. Kasper got a parcel with a golden harp by mistake. It was at "
    "the school, and eleven guests looked on. In the end Kasper and Viktor swapped "
    "their parcels.",
    "Small talk": "What can you do?",
}
"""What an instructed model has learned to do, and a message for each; the follow-up
asks about what was answered last."""

ANSWER, PAGE = 190, 60
"""Tokens of an answer, and of a page that a base model goes on with, at most."""

LEAST_ROOM = 32
"""Tokens that a message must leave for the answer; half of a smaller context."""

TURNS = 1
"""Earlier turns that a model is told of; tuning shows it one at most."""

LIKELIEST = 0.1
"""At this temperature and below, the likeliest token is always taken."""


class MessageTooLong(ValueError):
    """A person has to shorten the message; nothing is wrong with the model."""


class Word(NamedTuple):
    """What one token adds to an answer.

    text : may be empty, as for the end of an answer.
    choices : the token and its probability, then the likeliest others and theirs, at
        temperature 1; () where the text is a remark about the answer.
    """

    text: str
    choices: tuple[tuple[str, float], ...] = ()


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

    def __call__(
        self, message: str, temperature: float = 1.0, earlier: Turns = ()
    ) -> str:
        """The whole answer, remarks included."""
        return "".join(word.text for word in self.stream(message, temperature, earlier))

    def stream(
        self, message: str, temperature: float = 1.0, earlier: Turns = ()
    ) -> Iterator[Word]:
        """The answer, word by word; remarks say what had to be left out of what.

        earlier : the conversation so far; only a model that answers is told of it.

        Raises ValueError, MessageTooLong as `check`.
        """
        prompt, room, left_out = self.check(message, earlier)
        if not self.model.config.causal:
            fillings = fill(self.model, self.tokenizer, message)[:5]
            rows = (f"{share:6.1%} {t.replace(' ', '␣')}" for t, share in fillings)
            yield Word("\n".join(rows))
            return
        if left_out:
            turns = "turn no longer fits" if left_out == 1 else "turns no longer fit"
            yield Word(f"({left_out} earlier {turns}) ")
        usual = ANSWER if self.answers else PAGE
        limit = min(usual if self.limit is None else self.limit, room)
        drawn: list[int] = []
        yield from _stripped(self._words(prompt, limit, temperature, drawn))
        if drawn[-1] != self.tokenizer.eos_id:
            yield Word(f" … (cut at {limit} tokens)")

    def _words(
        self, prompt: list[int], limit: int, temperature: float, drawn: list[int]
    ) -> Iterator[Word]:
        greedy = temperature <= LIKELIEST
        seen: list[Tensor] = []

        def tokens() -> Iterator[int]:
            for _, token in stream(
                self.model,
                [prompt],
                max_new_tokens=limit,
                temperature=1.0 if greedy else temperature,
                top_k=1 if greedy else self.top_k,
                top_p=self.top_p,
                generator=self.dice,
                watch=seen.append,
            ):
                drawn.append(token.item())
                yield drawn[-1]

        for text in self.tokenizer.decode_stream(tokens()):
            if seen:
                yield Word(text, self._choices(drawn[-1], seen.pop()))
            elif text:  # what the last token left of a character cut short
                yield Word(text)

    def _choices(self, token: int, logits: Tensor) -> tuple[tuple[str, float], ...]:
        shares = logits[0].softmax(dim=-1)
        others = [other for other in shares.topk(5).indices.tolist() if other != token]
        return tuple(
            (self.tokenizer.token_text(one), round(shares[one].item(), 4))
            for one in (token, *others[:4])
        )

    def check(self, message: str, earlier: Turns = ()) -> tuple[list[int], int, int]:
        """What the model reads, how many tokens it may write, and how many of the
        earlier turns no longer fit: with them, half of the context must stay free.

        Raises ValueError, MessageTooLong: the message is empty, has not one gap for a
            model that fills it, or leaves no room in the model's context.
        """
        if not message.strip():
            raise ValueError("the message is empty; write a word or more")
        if not self.model.config.causal and message.count(BLANK) != 1:
            raise ValueError(f"write exactly one {BLANK}, where a word is missing")
        prompt, left_out = [self.tokenizer.bos_id, *self.tokenizer.encode(message)], 0
        context = self.model.config.context
        if self.answers:
            for left_out in range(len(earlier) + 1):
                told = earlier[left_out:]
                prompt = render_prompt(self.tokenizer, message, told)
                if len(prompt) <= context // 2:
                    break
        room, least = context + 1 - len(prompt), min(LEAST_ROOM, context // 2)
        if room < least:
            raise MessageTooLong(_too_long(message, len(prompt), least - room))
        return prompt, room, left_out


def speaker(model: GPT, tokenizer: Tokenizer, card: Card, **settings) -> Speaker:
    """Whoever stands behind a checkpoint; `settings` as in `Speaker`."""
    return Speaker(model, tokenizer, card.stage not in ("base", "masked"), **settings)


def speakers(life: Life, *stages: str, **settings) -> dict[str, Speaker]:
    """Stages of a life to talk to, by name; `settings` as in `Speaker`."""
    return {
        stage: speaker(life.load(stage), life.tokenizer, life.card(stage), **settings)
        for stage in stages
    }


def _stripped(words: Iterable[Word]) -> Iterator[Word]:
    """The words of a text without the white space before the first and after the last.

    White space waits for what follows it.
    """
    space, begun = "", False
    for text, choices in words:
        said = (space + text).rstrip()
        space = (space + text)[len(said) :]
        yield Word(said if begun else said.lstrip(), choices)
        begun = begun or said != ""


def _too_long(message: str, tokens: int, excess: int) -> str:
    fits = (tokens - excess) / tokens
    words, letters = int(fits * len(message.split())), int(fits * len(message))
    room = f"{words} words" if words > 1 else f"{letters} letters"
    return f"That message is longer than I can read: about {room}. Shorten it."
