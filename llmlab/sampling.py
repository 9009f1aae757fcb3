"""From logits to text: drawing one token after another, many rows at once."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from numbers import Integral

import torch
from torch import Tensor

from llmlab.batching import pad_sequences
from llmlab.cache import Cache
from llmlab.decoding import Decoder, can_decode
from llmlab.gpt import GPT
from llmlab.tokenizer import Tokenizer


@dataclass(frozen=True)
class Generation:
    """What `generate` drew.

    tokens : (batch, new_time) int64; padding after a row's end.
    mask : (batch, new_time) bool; True for drawn tokens, the stop token included.
    finished : (batch,) bool; True: drew a stop token; False: ran out of room.
    """

    tokens: Tensor
    mask: Tensor
    finished: Tensor

    def sequences(self) -> list[list[int]]:
        """The drawn tokens of each row, stop token included."""
        return [
            row[keep].tolist() for row, keep in zip(self.tokens, self.mask, strict=True)
        ]


@torch.inference_mode()
def generate(
    model: GPT,
    prompts: Sequence[Sequence[int]],
    *,
    stop_tokens: Sequence[int] = (Tokenizer.eos_id,),
    **settings,
) -> Generation:
    """Continue every prompt until it draws a stop token or `max_new_tokens`.

    All is as in `stream`, and given back at once.
    """
    columns = list(stream(model, prompts, stop_tokens=stop_tokens, **settings))
    return _generation(columns, len(prompts), stop_tokens)


@torch.inference_mode()
def stream(
    model: GPT,
    prompts: Sequence[Sequence[int]],
    *,
    max_new_tokens: int,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    stop_tokens: Sequence[int] = (Tokenizer.eos_id,),
    generator: torch.Generator | None = None,
    watch: Callable[[Tensor], None] | None = None,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Continue every prompt, and give each time's tokens as soon as they are drawn.

    model : a causal GPT.
    prompts : token ids, at least one each; they may differ in length.
    temperature : at least 1e-6. Below 1 likely tokens become likelier, above 1 less so.
    top_k : draw from the k likeliest tokens only; `top_k=1` is greedy.
    top_p : in (0, 1]; draw from the smallest set of likeliest tokens that together
        have at least this probability (Holtzman et al. 2020).
    generator : source of randomness; the same state gives the same text.
    watch : is given each time's logits, (rows, vocab), before anything shapes them.

    Gives rows, tokens: the rows that are still written, (rows,), and their next
    tokens, (rows, 1); a row ends with its stop token.

    Raises ValueError: a setting out of range, an empty prompt, or a prompt that leaves
        no room for `max_new_tokens` in the model's context.
    """
    check_settings(max_new_tokens, temperature, top_k, top_p)
    _check_prompts(prompts, max_new_tokens, model.config.context)
    device = model.embedding.weight.device
    tokens, segment_ids = pad_sequences(prompts, pad_id=Tokenizer.pad_id, side="left")
    tokens, segment_ids = tokens.to(device), segment_ids.to(device)
    batch, prompt_time = tokens.shape
    cache = Cache(model.config, batch, prompt_time + max_new_tokens, device)
    stops = torch.tensor(list(stop_tokens), dtype=torch.int64, device=device)

    rows = torch.arange(batch, device=device)  # rows that are still being written
    decoder = Decoder(model, cache) if can_decode(model) else None
    for time in range(max_new_tokens):
        if decoder is not None and time > 0:
            logits = decoder.read(tokens)
        else:
            hidden = model.hidden_states(tokens, segment_ids=segment_ids, cache=cache)
            logits = model.logits(hidden[:, -1])
        if watch is not None:
            watch(logits)
        candidates = None
        if top_k is not None and top_k < logits.shape[-1]:
            # As `shape_logits` with top_k would, without looking at the others again.
            logits, candidates = logits.topk(top_k, dim=-1)
        probabilities = shape_logits(logits, temperature, top_p=top_p).softmax(dim=-1)
        tokens = draw(probabilities, generator)
        if candidates is not None:
            tokens = candidates.gather(1, tokens)
        yield rows, tokens
        is_stop = tokens == stops  # (rows, stops)
        if is_stop.any():
            kept = cache.drop_rows(is_stop.any(dim=1))
            rows, tokens = rows[kept], tokens[kept]
            if len(rows) == 0:
                break
        segment_ids = None


def _generation(
    columns: Sequence[tuple[Tensor, Tensor]], batch: int, stop_tokens: Sequence[int]
) -> Generation:
    """What was drawn at each time, of fewer and fewer rows, as (batch, new_time)."""
    rows, drawn = map(torch.cat, zip(*columns, strict=True))
    drawn = drawn[:, 0]
    counts = torch.tensor([len(column[0]) for column in columns], device=rows.device)
    times = torch.arange(len(columns), device=rows.device).repeat_interleave(counts)

    shape = batch, len(columns)
    tokens = drawn.new_full(shape, Tokenizer.pad_id)
    tokens[rows, times] = drawn
    mask = torch.zeros(shape, dtype=torch.bool, device=rows.device)
    mask[rows, times] = True
    finished = mask.new_zeros(batch)
    stops = torch.tensor(list(stop_tokens), dtype=torch.int64, device=rows.device)
    finished[rows[torch.isin(drawn, stops)]] = True
    return Generation(tokens, mask, finished)


def draw(probabilities: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """One index a row, each as often as its probability says: (batch, 1).

    The probabilities are laid end to end, and one random number a row says how far to
    walk. `torch.multinomial` asks for a random number for every index instead, which
    takes longer than all the rest of reading and writing a token.

    probabilities : (batch, vocab); they need not sum to one.
    """
    ends = probabilities.cumsum(dim=-1, dtype=torch.float64)
    # In (0, 1]: an index without probability is never reached, and the last always is.
    # Drawn where the dice are, so that every device sees the same numbers.
    chance = torch.rand(
        len(ends),
        1,
        generator=generator,
        dtype=ends.dtype,
        device=None if generator is None else generator.device,
    )
    share = 1 - chance.to(ends.device)
    return torch.searchsorted(ends, share * ends[:, -1:])


def shape_logits(
    logits: Tensor,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
) -> Tensor:
    """Logits of the distribution to draw from: (batch, vocab), -inf where excluded."""
    if temperature != 1:
        logits = logits / temperature
    if top_k is not None and top_k < logits.shape[-1]:
        chosen = logits.topk(top_k, dim=-1)
        # By index, not by value: tokens that tie with the k-th stay out.
        logits = torch.full_like(logits, -torch.inf).scatter(
            -1, chosen.indices, chosen.values
        )
    if top_p is not None and top_p < 1:
        ordered, indices = logits.sort(dim=-1, descending=True, stable=True)
        probabilities = ordered.softmax(dim=-1)
        # What comes before a token must not yet reach top_p; so the likeliest token,
        # which nothing comes before, always stays.
        excluded = probabilities.cumsum(dim=-1) - probabilities >= top_p
        ordered = ordered.masked_fill(excluded, -torch.inf)
        logits = torch.empty_like(logits).scatter(-1, indices, ordered)
    return logits


def complete(
    model: GPT,
    tokenizer: Tokenizer,
    text: str,
    *,
    max_new_tokens: int = 60,
    **settings,
) -> str:
    """Continue a text, as a base model does. `settings` as in `generate`."""
    prompt = [tokenizer.bos_id, *tokenizer.encode(text)]
    generation = generate(model, [prompt], max_new_tokens=max_new_tokens, **settings)
    return text + tokenizer.decode(generation.sequences()[0])


def check_settings(max_new_tokens, temperature, top_k, top_p) -> None:
    """Raises ValueError for a setting that `stream` does not take, by its name."""
    for name, value in (("max_new_tokens", max_new_tokens), ("top_k", top_k)):
        if value is not None and not isinstance(value, Integral):
            raise ValueError(f"{name} is {value}; it must be a whole number")
    if not max_new_tokens >= 1:
        raise ValueError(f"max_new_tokens is {max_new_tokens}; it must be at least 1")
    # Logits divided by less than this may exceed what a float can hold.
    if not 1e-6 <= temperature:
        raise ValueError(
            f"temperature is {temperature}; it must be at least 0.000001. To always "
            "take the likeliest token, use top_k=1"
        )
    if top_k is not None and not top_k >= 1:
        raise ValueError(f"top_k is {top_k}; it must be at least 1, or None for all")
    if top_p is not None and not 0 < top_p <= 1:
        raise ValueError(f"top_p is {top_p}; it must lie in (0, 1], or be None for all")


def _check_prompts(prompts, max_new_tokens, context) -> None:
    if len(prompts) == 0:
        raise ValueError("there are no prompts; give at least one")
    for row, prompt in enumerate(prompts):
        if isinstance(prompt, Integral):
            raise ValueError(
                f"prompt {row} is a token ({prompt}); expected a list of prompts. To "
                "continue one prompt, put it in brackets: [prompt]"
            )
        if len(prompt) == 0:
            raise ValueError(
                f"prompt {row} is empty; begin it with the token <bos> at least"
            )
        if len(prompt) + max_new_tokens > context + 1:
            raise ValueError(
                f"prompt {row} has {len(prompt)} tokens; with {max_new_tokens} new "
                f"ones it does not fit the context of {context}. Shorten the prompt or "
                "ask for fewer tokens"
            )
