"""Filling blanks: what a masked model is for, and how its guesses are judged.

A blank is one token that the model does not see. It reads what stands on both sides
and says for each token of the vocabulary how probable it is in between.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from llmlab.batching import IGNORE, Batch, next_token_batch, pad_sequences
from llmlab.gpt import GPT
from llmlab.tokenizer import Tokenizer

BLANK = "_"


@torch.inference_mode()
def fill(model: GPT, tokenizer: Tokenizer, text: str) -> list[tuple[str, float]]:
    """Every token and its probability of filling the one blank `_`, the best first.

    The blank stands for one token, and most tokens bring the space before them along:
    "over the _ dog" leaves out " lazy".

    Raises
    ------
    ValueError : the text has no blank or several, or the model is causal.
    """
    _check_sees_both_sides(model)
    if text.count(BLANK) != 1:
        raise ValueError(
            f"{text!r} has {text.count(BLANK)} blanks; put exactly one {BLANK} where "
            "a word is missing"
        )
    before, after = text.split(BLANK)
    ids = [
        tokenizer.bos_id,
        *tokenizer.encode(before.removesuffix(" ")),
        tokenizer.mask_id,
        *tokenizer.encode(after),
        tokenizer.eos_id,
    ]
    tokens = torch.tensor([ids])
    logits = model(tokens, where=tokens == tokenizer.mask_id)[0]
    shares, order = logits.softmax(dim=-1).sort(descending=True, stable=True)
    names = [tokenizer.decode([token], skip_special=False) for token in order.tolist()]
    return list(zip(names, shares.tolist(), strict=True))


@dataclass(frozen=True)
class Guesses:
    """What a model made of some tokens that it was not shown.

    Parameters
    ----------
    log_probs : (count,), nats; of the token that really stood there.
    right : (count,) bool; whether that token was the model's first choice.
    """

    log_probs: Tensor
    right: Tensor


@torch.inference_mode()
def guess_tokens(
    model: GPT,
    tokenizer: Tokenizer,
    sequences: Sequence[Sequence[int]],
    places: Sequence[Sequence[int]],
    *,
    rows: int = 64,
) -> Guesses:
    """Have a model guess single tokens of a text; from both sides or one, as it is.

    A masked model reads the whole sequence with that one token hidden, a causal model
    what stands before it. The sum of a masked model's log-probabilities over a sequence
    is its pseudo-log-likelihood (Salazar et al. 2020).

    Parameters
    ----------
    places : of each sequence, the positions to guess, none of them the first.
    rows : sequences a batch; similar lengths are read together.

    Returns
    -------
    Guesses, sequence by sequence, in the order of `places`.
    """
    asked = [(number, place) for number, group in enumerate(places) for place in group]
    _check_places(sequences, places)
    log_probs = torch.zeros(len(asked))
    right = torch.zeros(len(asked), dtype=torch.bool)
    order = sorted(range(len(asked)), key=lambda i: len(sequences[asked[i][0]]))
    for start in range(0, len(order), rows):
        members = order[start : start + rows]
        batch = _blank_batch(
            [sequences[asked[i][0]] for i in members],
            [asked[i][1] for i in members],
            tokenizer,
            causal=model.config.causal,
        )
        # One target a row, so that row after row is guess after guess.
        where = batch.target_mask
        logits = model(batch.tokens, segment_ids=batch.segment_ids, where=where)
        targets = batch.targets[where]
        log_probs[members] = logits.log_softmax(dim=-1).gather(1, targets[:, None])[
            :, 0
        ]
        right[members] = logits.argmax(dim=-1) == targets
    return Guesses(log_probs, right)


def _blank_batch(
    sequences: Sequence[Sequence[int]],
    places: Sequence[int],
    tokenizer: Tokenizer,
    *,
    causal: bool,
) -> Batch:
    """One target a row: the token at that place."""
    if causal:
        masks = [
            [position == place for position in range(len(sequence))]
            for sequence, place in zip(sequences, places, strict=True)
        ]
        return next_token_batch(sequences, masks, pad_id=tokenizer.pad_id)
    tokens, segment_ids = pad_sequences(sequences, pad_id=tokenizer.pad_id)
    row, place = torch.arange(len(places)), torch.tensor(places)
    targets = torch.full_like(tokens, IGNORE)
    targets[row, place] = tokens[row, place]
    tokens[row, place] = tokenizer.mask_id
    return Batch(tokens, targets, segment_ids)


def _check_sees_both_sides(model: GPT) -> None:
    if model.config.causal:
        raise ValueError(
            "this model is causal: it never sees what comes after a blank. Give a "
            "masked model, one with causal=False"
        )


def _check_places(sequences, places) -> None:
    if len(places) != len(sequences):
        raise ValueError(
            f"{len(places)} lists of places for {len(sequences)} sequences; expected "
            "one list for each sequence"
        )
    for number, (sequence, group) in enumerate(zip(sequences, places, strict=True)):
        for place in group:
            if not 0 < place < len(sequence):
                raise ValueError(
                    f"place {place} of sequence {number} cannot be guessed; choose "
                    f"from 1 to {len(sequence) - 1}, since nothing tells the first"
                )
