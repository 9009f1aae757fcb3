"""Training, sampling and the tokenizer, beside the machine and beside others."""

import statistics
from collections.abc import Callable, Iterator
from functools import partial

import tokenizers
import torch
import torch.nn.functional as F
import transformers
from tokenizers import pre_tokenizers
from torch import nn

from benchmarks.timing import Measured, race, ratios
from llmlab import village
from llmlab.accounting import training_flops
from llmlab.batching import IGNORE, next_token_batch
from llmlab.gpt import GPT, GPTConfig
from llmlab.life import RECIPES, Life
from llmlab.optimisers import adamw, muon_and_adamw
from llmlab.paths import CHECKPOINTS
from llmlab.pretraining import encode_documents, epochs, pretraining_step
from llmlab.sampling import generate
from llmlab.tokenizer import PIECE_PATTERN, Tokenizer
from llmlab.training import (
    apply_gradients,
    keep_freed_memory,
    multiplies_bfloat16,
    step_generator,
)

TOKENS_A_ROUND = 8192
"""Tokens that each contestant trains on in a round: about a third of a second."""

MATRIX = 1024
"""Rows of the square matrices that say how fast this machine multiplies."""

NEW_TOKENS, PROMPT_TOKENS = 64, 16


def default_model(seed: int = 0) -> GPT:
    """A fresh model of the size that the course trains."""
    return Life(CHECKPOINTS, seed=seed, recipe=RECIPES["full"]).new_model()


def gpt2_of_the_same_size(config: GPTConfig) -> nn.Module:
    """GPT-2 as transformers builds it, without dropout and without stop tokens."""
    return transformers.GPT2LMHeadModel(
        transformers.GPT2Config(
            vocab_size=config.vocab_size,
            n_positions=config.context,
            n_layer=config.layers,
            n_head=config.heads,
            n_embd=config.width,
            resid_pdrop=0.0,
            embd_pdrop=0.0,
            attn_pdrop=0.0,
            bos_token_id=None,
            eos_token_id=None,
            pad_token_id=Tokenizer.pad_id,
        )
    )


def describe(model: GPT) -> str:
    config = model.config
    return (
        f"{config.layers} layers, width {config.width}, vocabulary "
        f"{config.vocab_size}, {model.number_of_parameters() / 1e6:.2f} M parameters"
    )


# Training -----------------------------------------------------------------------------


def training(rounds: int) -> Iterator[Measured]:
    """Updates of the default model on the course's own text, counted in model FLOPs.

    At the batch of the course's base model, which learns most from each token, and at a
    batch four times as large, as `python -m llmlab train` reads: what an update costs
    whatever its batch (Muon most of all) weighs less there.
    """
    for tokens_per_batch in (1024, 4096):
        yield from training_at(tokens_per_batch, rounds)


def training_at(tokens_per_batch: int, rounds: int) -> Iterator[Measured]:
    updates = TOKENS_A_ROUND // tokens_per_batch
    products = TOKENS_A_ROUND // 256  # take about as long
    texts = [item.text for item in village.documents(500, seed=0, split="train")]
    tokenizer = Life(CHECKPOINTS).tokenizer
    sequences = encode_documents(tokenizer, texts)
    batches = [  # the same ones again in every round
        [sequences[index] for index in batch]
        for batch in epochs(sequences, updates, tokens_per_batch, seed=0)
    ]

    def our_updates(precision: str) -> Callable[[], None]:
        model = default_model()
        step = pretraining_step(
            model,
            sequences,
            tokenizer,
            muon_and_adamw(model),
            steps=updates,
            tokens_per_batch=tokens_per_batch,
            seed=0,
            precision=precision,
        )
        return lambda: [
            step(index, step_generator(0, index)) for index in range(updates)
        ]

    gpt2 = gpt2_of_the_same_size(default_model().config)
    contestants: dict[str, Callable[[], object]] = {
        "float32": our_updates("float32"),
        "product": partial(_multiply, products),
        "gpt2": partial(_train_gpt2, gpt2, list(adamw(gpt2, 1e-3).values()), batches),
    }
    if multiplies_bfloat16():
        contestants["bfloat16"] = our_updates("bfloat16")
    keep_freed_memory()  # as `train` does; the others in this process profit too
    seconds = race(contestants, rounds)

    rows = [row for batch in batches for row in batch]
    operations = sum(
        sum(training_flops(default_model().config, time=len(row) - 1).values())
        for row in rows
    )
    ours = [operations / s for s in seconds["float32"]]
    machine = [products * 2 * MATRIX**3 / s for s in seconds["product"]]
    tokens = sum(len(row) - 1 for row in rows)
    about = f"training, {tokens_per_batch} tokens an update"
    yield Measured(
        f"{about} / matrix products",
        ratios(ours, machine),
        at_least=0.70,
        note=f"{statistics.median(ours) / 1e9:.0f} of "
        f"{statistics.median(machine) / 1e9:.0f} GFLOP/s in float32, "
        f"{tokens / statistics.median(seconds['float32']):,.0f} tokens/s",
    )
    yield Measured(
        f"{about} / transformers' GPT-2",
        ratios(seconds["gpt2"], seconds["float32"]),
        at_least=1.15,
        note="GPT-2 of the same size with AdamW, which costs less than Muon does",
    )
    if "bfloat16" in seconds:
        yield Measured(
            f"{about}, bfloat16 / float32",
            ratios(seconds["float32"], seconds["bfloat16"]),
            at_least=1.20,
        )
    else:
        print(f"{about}, bfloat16: this processor has no instructions for it")


def _train_gpt2(model: nn.Module, optimizers: list, rows: list) -> None:
    """The same batches, as fast as transformers' model can be asked to: no mask, which
    right-padded rows do not need, and PyTorch's own loss and fused optimiser."""
    for batch in map(next_token_batch, rows):
        logits = model(input_ids=batch.tokens, use_cache=False).logits
        loss = F.cross_entropy(
            logits.flatten(0, 1), batch.targets.flatten(), ignore_index=IGNORE
        )
        apply_gradients(loss, model, optimizers)


def _multiply(products: int) -> None:
    matrix = torch.ones(MATRIX, MATRIX)
    for _ in range(products):
        matrix @ matrix


# Sampling -----------------------------------------------------------------------------


def sampling(rounds: int) -> Iterator[Measured]:
    """64 new tokens a row, drawn from the whole vocabulary at temperature 1."""
    model = default_model()
    reference = gpt2_of_the_same_size(model.config).eval()
    for batch, bar in ((1, 3.0), (64, 1.7)):
        for name, ours, theirs in (
            ("drawn", {}, {"do_sample": True, "top_k": 0, "top_p": 1.0}),
            ("greedy", {"top_k": 1}, {"do_sample": False}),
        ):
            seconds = race(
                {
                    "ours": partial(_generate, model, batch, ours),
                    "theirs": partial(_generate_gpt2, reference, batch, theirs),
                },
                rounds,
            )
            speed = batch * NEW_TOKENS / statistics.median(seconds["ours"])
            yield Measured(
                f"sampling, batch {batch}, {name} / transformers' generate",
                ratios(seconds["theirs"], seconds["ours"]),
                at_least=bar if name == "drawn" else None,
                note=f"{speed:,.0f} tokens/s",
            )


def _prompts(batch: int) -> list[list[int]]:
    length = PROMPT_TOKENS - 1
    return [[Tokenizer.bos_id] + [6 + row] * length for row in range(batch)]


def _generate(model: GPT, batch: int, settings: dict) -> None:
    generation = generate(
        model, _prompts(batch), max_new_tokens=NEW_TOKENS, stop_tokens=(), **settings
    )
    assert generation.tokens.shape == (batch, NEW_TOKENS)


def _generate_gpt2(model: nn.Module, batch: int, settings: dict) -> None:
    tokens = torch.tensor(_prompts(batch))
    out = model.generate(
        tokens,
        attention_mask=torch.ones_like(tokens),
        max_new_tokens=NEW_TOKENS,
        use_cache=True,
        **settings,
    )
    assert out.shape == (batch, PROMPT_TOKENS + NEW_TOKENS)


# The tokenizer ------------------------------------------------------------------------


def tokenizer(rounds: int, megabytes: float = 15.0) -> Iterator[Measured]:
    """A vocabulary of 2,048 learnt from village text; other village text encoded."""
    texts = village_text(megabytes, "train")
    rust = rust_tokenizer()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=2048,
        special_tokens=list(Tokenizer.SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        min_frequency=2,
        show_progress=False,
    )
    learn = partial(Tokenizer.train, texts, 2048)
    seconds = race(
        {"ours": learn, "rust": lambda: rust.train_from_iterator(texts, trainer)},
        min(rounds, 3),
    )
    yield Measured(
        f"tokenizer: seconds to train on {megabytes:g} MB",
        seconds["ours"],
        at_most=60.0,
        note=f"the Rust library: {statistics.median(seconds['rust']):.1f} s",
    )

    merges = learn().merges
    unread = village_text(min(megabytes, 2.0), "validation")
    size = sum(len(text.encode()) for text in unread) / 1e6
    seconds = race(
        {
            # A new one each time: it remembers the words that it has met.
            "ours": lambda: [*map(Tokenizer(merges).encode, unread)],
            "rust": lambda: [rust.encode(text) for text in unread],
        },
        rounds,
    )
    yield Measured(
        "tokenizer: MB/s encoded",
        [size / s for s in seconds["ours"]],
        at_least=1.0,
        note=f"the Rust library: {size / statistics.median(seconds['rust']):.1f} MB/s",
    )


def village_text(megabytes: float, split: str) -> list[str]:
    """Documents of the village until there are so many bytes."""
    texts, size = [], 0
    for document in village.documents(10**7, seed=0, split=split):
        texts.append(document.text)
        size += len(document.text.encode())
        if size >= megabytes * 1e6:
            break
    return texts


def rust_tokenizer() -> tokenizers.Tokenizer:
    """The library's byte-level BPE, told to cut text into pieces as ours does."""
    rust = tokenizers.Tokenizer(tokenizers.models.BPE())
    rust.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(tokenizers.Regex(PIECE_PATTERN), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    return rust
