"""Phase 1: learning a language by guessing its words.

Two objectives for the same model class and the same text: guess the *next* token from
what came before (causal), or guess *hidden* tokens from both sides (masked).
"""

from collections.abc import Callable, Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.optim import Optimizer

from llmlab import processes
from llmlab.batching import (
    IGNORE,
    Batch,
    length_batches,
    next_token_batch,
    pad_sequences,
    passes,
)
from llmlab.gpt import GPT, check_token_ids
from llmlab.tokenizer import Tokenizer
from llmlab.training import Metrics, loss_step, mixed_precision, warmup_stable_decay


def encode_documents(tokenizer: Tokenizer, texts: Sequence[str]) -> list[list[int]]:
    """Each text as <bos>, its tokens, <eos>: a document begins and ends."""
    refuse_one_text(texts)
    return [
        [tokenizer.bos_id, *tokenizer.encode(text), tokenizer.eos_id] for text in texts
    ]


def refuse_one_text(texts: Sequence[str]) -> None:
    """A single text is a sequence of texts too: of its letters."""
    if isinstance(texts, str):
        raise ValueError(
            f"a list of texts is expected, and {texts[:40]!r} is one text; put it in "
            "brackets: [text]"
        )


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean surprise at the targets, in nats per target.

    The mean is over all targets of the batch, not over rows: every token counts the
    same, in a short row as in a long one.

    logits, targets : (…, vocab) and (…,), whose entries are IGNORE where not trained.
    """
    return F.cross_entropy(
        logits.flatten(0, -2), targets.flatten(), ignore_index=IGNORE
    )


def prediction_loss(model: GPT, batch: Batch) -> Tensor:
    """Mean surprise at the targets of a batch, in nats per target.

    The loss of every training on text: the batch says what the targets are, be it all
    next tokens, the hidden ones, or those of an answer. Other positions are only read.
    """
    batch = batch.to(model.device)
    asked = batch.target_mask
    targets = batch.targets[asked]
    check_token_ids(targets, model.config.vocab_size)
    logits = model(batch.tokens, segment_ids=batch.segment_ids, where=asked)
    return cross_entropy(logits, targets)


def masked_batch(
    sequences: Sequence[Sequence[int]],
    tokenizer: Tokenizer,
    generator: torch.Generator,
    *,
    share: float = 0.15,
) -> Batch:
    """Hide some tokens of every row; the hidden ones are the targets.

    Devlin et al. 2019 (BERT), section 3.1: of the chosen tokens 80 % become <mask>,
    10 % a random token, and 10 % stay, so that the model must keep an opinion about
    every position and not only about those that carry the sign.

    Returns a Batch whose targets are *not* shifted: `targets[b, t]` is what stood at t.
    """
    tokens, segment_ids = pad_sequences(sequences, pad_id=tokenizer.pad_id)
    ordinary = tokens >= len(tokenizer.SPECIAL_TOKENS)
    chance = torch.rand(tokens.shape, generator=generator)
    chosen = ordinary & (chance < share)
    if not chosen.any() and ordinary.any():  # few and short texts: one at least
        chosen.view(-1)[chance.masked_fill(~ordinary, 1).argmin()] = True
    fate = torch.rand(tokens.shape, generator=generator)
    known = len(tokenizer.SPECIAL_TOKENS), tokenizer.vocab_size
    random_tokens = torch.randint(*known, tokens.shape, generator=generator)
    hidden = tokens.clone()
    hidden[chosen & (fate < 0.8)] = tokenizer.mask_id
    replaced = chosen & (fate >= 0.8) & (fate < 0.9)
    hidden[replaced] = random_tokens[replaced]
    targets = torch.where(chosen, tokens, IGNORE)
    return Batch(hidden, targets, segment_ids)


def pretraining_step(
    model: GPT,
    sequences: Sequence[Sequence[int]],
    tokenizer: Tokenizer,
    optimizers: dict[str, Optimizer],
    *,
    steps: int,
    tokens_per_batch: int,
    seed: int,
    mask_share: float = 0.15,
    **settings,
) -> Callable[[int, torch.Generator], Metrics]:
    """The update that `training.train` repeats; masked or causal, as the model is.

    sequences : encoded documents, each no longer than the model's context.
    tokens_per_batch : positions a batch, padding included.
    seed : of the order of the documents.
    mask_share : of a masked model, the share of tokens to hide.
    settings : as in `prediction_step`.
    """
    batches = epochs(sequences, steps, tokens_per_batch, seed)
    processes.check_share(
        tokens_per_batch // max(map(len, sequences)),
        f"of the longest documents in a batch of {tokens_per_batch} tokens",
    )

    def batch_of(index: int, generator: torch.Generator) -> Batch:
        rows = [sequences[row] for row in batches[index]]
        if model.config.causal:
            return next_token_batch(rows, pad_id=tokenizer.pad_id)
        return masked_batch(rows, tokenizer, generator, share=mask_share)

    return prediction_step(model, optimizers, batch_of, steps=steps, **settings)


def prediction_step(
    model: GPT,
    optimizers: dict[str, Optimizer],
    batch_of: Callable[[int, torch.Generator], Batch],
    *,
    steps: int,
    precision: str = "float32",
    schedule: Callable[[int, int], float] = warmup_stable_decay,
    parts: int = 1,
) -> Callable[[int, torch.Generator], Metrics]:
    """The update of every training on text: a batch, its loss, and `loss_step`.

    batch_of : the batch of a step, from its index and dice; the same in all processes.
    steps, schedule : as in `training.loss_step`.
    precision : of matrix products; see `training.mixed_precision`.
    parts : a batch is led through the model in so many pieces, one after another, for
        less memory; the update is the same but for rounding.
    """

    def losses(batch: Batch) -> Iterator[Tensor]:
        whole = max(1, batch.number_of_targets())
        everything = torch.arange(len(batch.tokens))
        for rows in everything.tensor_split(min(parts, len(everything))):
            part = batch.rows(rows) if parts > 1 else batch
            with mixed_precision(precision, model.device):
                loss = prediction_loss(model, part)
            yield loss * (part.number_of_targets() / whole)

    def loss_of(index: int, generator: torch.Generator):
        batch = own_rows(batch_of(index, generator))
        tokens = {"tokens": batch.number_of_tokens()}
        return losses(batch), batch.number_of_targets(), tokens

    return loss_step(model, optimizers, loss_of, steps=steps, schedule=schedule)


def own_rows(batch: Batch) -> Batch:
    """This process's share of a batch; where there are too few rows, only padding."""
    if processes.world() == 1:
        return batch
    rows = list(processes.share(len(batch.tokens)))
    if rows:
        return batch.rows(rows)
    nothing = torch.zeros_like(batch.tokens[:1])
    return Batch(nothing, nothing + IGNORE, nothing)


def epochs(
    sequences: Sequence[Sequence[int]], steps: int, tokens_per_batch: int, seed: int
) -> list[list[int]]:
    """The batches of a whole run, fixed in advance: once through the text, and again.

    Returns `steps` lists of indices into `sequences`.
    """
    lengths = [len(sequence) for sequence in sequences]
    return passes(
        lambda generator: length_batches(lengths, tokens_per_batch, generator),
        steps,
        seed,
    )
