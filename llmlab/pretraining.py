"""Phase 1: learning a language by guessing its words.

Two objectives for the same model class and the same text: guess the *next* token from
what came before (causal), or guess *hidden* tokens from both sides (masked).
"""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.optim import Optimizer

from llmlab.batching import (
    IGNORE,
    Batch,
    length_batches,
    next_token_batch,
    pad_sequences,
)
from llmlab.gpt import GPT
from llmlab.tokenizer import Tokenizer
from llmlab.training import (
    apply_gradients,
    mixed_precision,
    set_learning_rate,
    warmup_stable_decay,
)


def encode_documents(tokenizer: Tokenizer, texts: Sequence[str]) -> list[list[int]]:
    """Each text as <bos>, its tokens, <eos>: a document begins and ends."""
    return [
        [tokenizer.bos_id, *tokenizer.encode(text), tokenizer.eos_id] for text in texts
    ]


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean surprise at the targets, in nats per target.

    The mean is over all targets of the batch, not over rows: every token counts the
    same, in a short row as in a long one.

    logits : (batch, time, vocab); targets : (batch, time), IGNORE where not trained.
    """
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORE)


def prediction_loss(model: GPT, batch: Batch) -> Tensor:
    """Mean surprise at the targets of a batch, in nats per target.

    The loss of every training on text: the batch says what the targets are, be it all
    next tokens, the hidden ones, or those of an answer. Other positions are only read.
    """
    asked = batch.target_mask
    logits = model(batch.tokens, segment_ids=batch.segment_ids, where=asked)
    return F.cross_entropy(logits, batch.targets[asked])


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

    Returns
    -------
    Batch whose targets are *not* shifted: `targets[b, t]` is what stood at t itself.
    """
    tokens, segment_ids = pad_sequences(sequences, pad_id=tokenizer.pad_id)
    ordinary = tokens >= len(tokenizer.SPECIAL_TOKENS)
    chance = torch.rand(tokens.shape, generator=generator)
    chosen = ordinary & (chance < share)
    fate = torch.rand(tokens.shape, generator=generator)
    random_tokens = torch.randint(
        len(tokenizer.SPECIAL_TOKENS),
        tokenizer.vocab_size,
        tokens.shape,
        generator=generator,
    )
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
    precision: str = "float32",
    schedule: Callable[[int, int], float] = warmup_stable_decay,
) -> Callable[[int, torch.Generator], dict[str, float]]:
    """The update that `training.train` repeats; masked or causal, as the model is.

    Parameters
    ----------
    sequences : encoded documents, each no longer than the model's context.
    steps : updates in all.
    tokens_per_batch : positions a batch, padding included.
    mask_share : of a masked model, the share of tokens to hide.
    precision : of matrix products; see `training.mixed_precision`.
    schedule : multiplier of the learning rate, from an update's index and `steps`.
    """
    batches = epochs(sequences, steps, tokens_per_batch, seed)

    def step(index: int, generator: torch.Generator) -> dict[str, float]:
        rows = [sequences[row] for row in batches[index]]
        if model.config.causal:
            batch = next_token_batch(rows, pad_id=tokenizer.pad_id)
        else:
            batch = masked_batch(rows, tokenizer, generator, share=mask_share)
        with mixed_precision(precision):
            loss = prediction_loss(model, batch)
        set_learning_rate(optimizers.values(), schedule(index, steps))
        norm = apply_gradients(loss, model, optimizers.values())
        return {
            "loss": loss.item(),
            "gradient_norm": norm,
            "tokens": batch.number_of_tokens(),
        }

    return step


def epochs(
    sequences: Sequence[Sequence[int]], steps: int, tokens_per_batch: int, seed: int
) -> list[list[int]]:
    """The batches of a whole run, fixed in advance: once through the text, and again.

    Returns `steps` lists of indices into `sequences`.
    """
    generator = torch.Generator().manual_seed(seed)
    lengths = [len(sequence) for sequence in sequences]
    batches: list[list[int]] = []
    while len(batches) < steps:
        batches += length_batches(lengths, tokens_per_batch, generator)
    return batches[:steps]
