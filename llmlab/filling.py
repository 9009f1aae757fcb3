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
from llmlab.likelihood import target_log_probs
from llmlab.tokenizer import Tokenizer

BLANK = "_"


@torch.inference_mode()
def fill(model: GPT, tokenizer: Tokenizer, text: str) -> list[tuple[str, float]]:
    """Every token and its probability of filling the one blank `_`, the best first.

    The blank stands for one token, and most tokens bring the space before them along:
    "over the _ dog" leaves out " lazy".

    Raises ValueError: the text has no blank or several, or the model is causal.
    """
    if model.config.causal:
        raise ValueError(
            "this model is causal: it never sees what comes after a blank. Give a "
            "masked model, one with causal=False"
        )
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

    places : of each sequence, the positions to guess, ascending, none the first.
    rows : sequences a batch; similar lengths are read together.

    Returns Guesses, in the order of `places`.
    """
    _check_places(sequences, places)
    count = sum(map(len, places))
    log_probs = torch.zeros(count)
    right = torch.zeros(count, dtype=torch.bool)
    questions = _questions(sequences, places, together=model.config.causal)
    for start in range(0, len(questions), rows):
        numbers, groups, indices = zip(*questions[start : start + rows], strict=True)
        texts = [sequences[number] for number in numbers]
        if model.config.causal:
            masks = [
                [place in group for place in range(len(text))]
                for text, group in zip(texts, map(set, groups), strict=True)
            ]
            batch = next_token_batch(texts, masks, pad_id=tokenizer.pad_id)
        else:
            batch = _one_blank_each(texts, groups, tokenizer)
        where = batch.target_mask
        logits = model(batch.tokens, segment_ids=batch.segment_ids, where=where)
        members = [index for group in indices for index in group]
        log_probs[members] = target_log_probs(logits, batch)
        right[members] = logits.argmax(dim=-1) == batch.targets[where]
    return Guesses(log_probs, right)


def _questions(sequences, places, *, together: bool) -> list[tuple]:
    """Rows to read, short ones first: sequence, its places, where their answers go.

    A causal model answers for all places of a sequence at once. A masked one must read
    the sequence anew for each, or one blank would hide what helps with another.
    """
    questions = []
    answers = 0
    for number, group in enumerate(places):
        indices = range(answers, answers + len(group))
        answers += len(group)
        if together and group:
            questions.append((number, group, indices))
        elif not together:
            pairs = zip(group, indices, strict=True)
            questions += [(number, [place], [index]) for place, index in pairs]
    return sorted(questions, key=lambda question: len(sequences[question[0]]))


def _one_blank_each(texts, groups, tokenizer: Tokenizer) -> Batch:
    tokens, segment_ids = pad_sequences(texts, pad_id=tokenizer.pad_id)
    row, place = torch.arange(len(groups)), torch.tensor([p for [p] in groups])
    targets = torch.full_like(tokens, IGNORE)
    targets[row, place] = tokens[row, place]
    tokens[row, place] = tokenizer.mask_id
    return Batch(tokens, targets, segment_ids)


def _check_places(sequences, places) -> None:
    if len(places) != len(sequences):
        raise ValueError(
            f"{len(places)} lists of places for {len(sequences)} sequences; expected "
            "one list for each sequence"
        )
    for number, (sequence, group) in enumerate(zip(sequences, places, strict=True)):
        if list(group) != sorted(set(group)):
            raise ValueError(
                f"the places of sequence {number} are {list(group)}; give each once, "
                "in ascending order"
            )
        if group and not 0 < group[0] <= group[-1] < len(sequence):
            raise ValueError(
                f"sequence {number} has no place {group[0]} or {group[-1]} that can be "
                f"guessed; choose from 1 to {len(sequence) - 1}"
            )
