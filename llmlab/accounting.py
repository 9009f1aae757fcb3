"""What a GPT costs, by formula, and the instruments that measure the same.

Every formula follows from the shapes in `gpt.py` alone, so that one can plan a model
before it exists; the tests hold each of them against a real model. A *part* has the
same name in every table.
"""

import os
from collections.abc import Callable

import psutil
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from llmlab.cache import Cache
from llmlab.gpt import GPTConfig

BYTES = 4  # of a 32-bit number
ID_BYTES = 8  # of a token id


# By formula ---------------------------------------------------------------------------


def parameter_counts(config: GPTConfig) -> dict[str, int]:
    """How many numbers training may change, part by part."""
    width, layers, biases = config.width, config.layers, int(config.bias)
    learned = config.positions == "learned"
    gains_and_biases = 2 * width if config.norm == "layernorm" else 0
    return {
        "token table": config.vocab_size * width,
        "position table": config.context * width if learned else 0,
        "token shift": width if config.token_shift else 0,
        "attention": layers
        * (4 * width**2 + biases * 4 * width + config.token_values * width),
        "feed-forward": layers * (8 * width**2 + biases * 5 * width),
        "norms": (2 * layers + 1) * gains_and_biases,
        "output table": 0 if config.tied else config.vocab_size * width,
    }


def forward_flops(config: GPTConfig, *, batch: int = 1, time: int) -> dict[str, int]:
    """Floating-point operations of all matrix products of one forward pass.

    A product of (n, k) with (k, m) has n * m sums of k products: 2 n k m operations.
    What is left out (norms, activations, softmax) grows with the width and not with
    its square. Every query is counted with every key, also where causality hides the
    key, as Hoffmann et al. (2022, appendix F) do.
    """
    positions, width = batch * time, config.width
    return {
        "attention": config.layers * positions * 8 * width**2,
        "scores and means": config.layers * positions * 4 * time * width,
        "feed-forward": config.layers * positions * 16 * width**2,
        "output table": positions * 2 * width * config.vocab_size,
    }


def training_flops(config: GPTConfig, *, batch: int = 1, time: int) -> dict[str, int]:
    """The same of a forward and a backward pass.

    The backward pass has two products for each one of the forward pass: one for the
    gradient of its left side, one for that of its right side.
    """
    forward = forward_flops(config, batch=batch, time=time)
    return {part: 3 * operations for part, operations in forward.items()}


def rule_of_thumb_flops(config: GPTConfig, tokens: int) -> int:
    """Operations of a training run of so many tokens, by the rule of thumb 6 N D.

    Kaplan et al. 2020, section 2.1: each number of a matrix takes part in one
    multiplication and one addition for every token that is read, and the backward pass
    costs twice that. N counts the matrices that tokens are multiplied with: the blocks
    and the output table; a table of embeddings is only looked up. What is left out is
    attention's own products, which grow with the length of a document.
    """
    blocks = config.layers * 12 * config.width**2
    return 6 * (blocks + config.vocab_size * config.width) * tokens


def activation_bytes(config: GPTConfig, *, batch: int = 1, time: int) -> dict[str, int]:
    """Memory of what a forward pass and its loss keep for the backward pass.

    Holds for 32-bit numbers, rows without padding and the fused attention kernel,
    which keeps one number for each query in place of a row of weights (Dao et al.
    2022). What is kept is the input of each matrix product and of each norm, and what
    the derivative of the activation needs.
    """
    positions, width, heads = batch * time, config.width, config.heads
    rotary = config.positions == "rotary"
    norm = width + (1 if config.norm == "rmsnorm" else 2)  # its input, its statistics

    embedding = positions * ID_BYTES
    if rotary:
        tables_of_angles = 2 * time * config.d_head // 2
        embedding += BYTES * (positions * (width + 1) + tables_of_angles)
    else:
        embedding += time * ID_BYTES
    if config.token_shift:
        embedding += BYTES * positions * width

    attention = norm + width  # the input of the first projection
    if not rotary or not config.token_values:
        attention += 3 * width  # queries, keys and values as they were projected
    if rotary:
        attention += 2 * width  # turned queries and keys
    if config.qk_norm:
        attention += 2 * (width + heads)
    if config.token_values:
        attention += width
    attention += heads + width  # of the kernel: a number for each query, the means
    if rotary or config.qk_norm:
        attention += width  # the means once more, in the order of the projection
    feed_forward = norm + width + 2 * 4 * width

    output = norm + width + config.vocab_size
    return {
        "embedding": embedding,
        "attention": BYTES * config.layers * positions * attention,
        "feed-forward": BYTES * config.layers * positions * feed_forward,
        "output table": BYTES * (positions * output + 1) + positions * ID_BYTES,
    }


def training_bytes(config: GPTConfig, *, batch: int = 1, time: int) -> dict[str, int]:
    """Memory of one training step with `optimisers.muon_and_adamw`.

    AdamW keeps two numbers for each parameter, Muon one for each weight of a matrix
    inside the blocks.
    """
    parameters = sum(parameter_counts(config).values())
    matrices = config.layers * 12 * config.width**2
    return {
        "weights": BYTES * parameters,
        "gradients": BYTES * parameters,
        "optimiser": BYTES * (matrices + 2 * (parameters - matrices)),
        "activations": sum(activation_bytes(config, batch=batch, time=time).values()),
    }


LIBRARIES = 340e6
"""Bytes that Python and PyTorch take by themselves, beside what a model needs."""

SLACK = 1.2
"""What an allocator loses between pieces of memory: measured, a tenth to a fifth."""


def step_bytes(
    config: GPTConfig,
    *,
    batch: int = 1,
    time: int,
    optimiser: str = "muon_and_adamw",
    shards: int = 1,
    parts: int = 1,
) -> dict[str, int]:
    """The most memory that training takes at once, kind by kind, as the system sees it.

    On the way back through the loss, the logits are needed two times more. Gradients
    take the room that activations leave, but for those of earlier parts of a batch.

    optimiser : "muon_and_adamw", or "adamw" for all parameters.
    shards : processes that hold a part of the weights each.
    parts : how often a `batch` goes through the model for one update.
    """
    kinds = training_bytes(config, batch=batch, time=time)
    if optimiser == "adamw":
        kinds["optimiser"] = 2 * kinds["weights"]
    for kind in ("weights", "gradients", "optimiser"):
        kinds[kind] = -(-kinds[kind] // shards)
    kinds["loss"] = 2 * BYTES * batch * time * config.vocab_size
    if parts == 1:
        left = kinds["gradients"] - kinds["activations"] - kinds["loss"]
        kinds["gradients"] = max(0, left)
    kinds["slack"] = round((SLACK - 1) * sum(kinds.values()))
    return kinds


def memory_at_hand(device: torch.device) -> int:
    """Bytes that are free for each process: of the card, or of the machine."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    free = psutil.virtual_memory().available
    return free // int(os.environ.get("LOCAL_WORLD_SIZE", 1))


def parts_that_fit(
    config: GPTConfig, *, rows: int, time: int, free: float, **settings
) -> tuple[int, float]:
    """In how many parts a batch has to go through the model; and the bytes it takes.

    free : bytes that may be used; `settings` as in `step_bytes`.

    Raises ValueError: not even one row fits; the message says which length of row
    would.
    """

    def needed(parts: int, time: int) -> float:
        batch = -(-rows // parts)
        kinds = step_bytes(config, batch=batch, time=time, parts=parts, **settings)
        return sum(kinds.values())

    for parts in range(1, rows + 1):
        if (least := needed(parts, time)) <= free:
            return parts, least
    shorter = next((t for t in range(time, 7, -1) if needed(rows, t) <= free), None)
    advice = "no length of row would fit"
    if shorter:
        advice = f"--context {shorter} would fit"
    raise ValueError(
        f"a model of {sum(parameter_counts(config).values()) / 1e6:,.1f} million "
        f"parameters takes {least / 1e9:.1f} GB of memory to train on a row of {time} "
        f"tokens, and {free / 1e9:.1f} GB are free; {advice}. Choose a smaller model "
        "(--size, --layers, --width, --vocabulary), or end what else is running"
    )


def cache_bytes(config: GPTConfig, *, batch: int = 1, time: int) -> int:
    """Memory of the keys and values of `time` tokens in each row, in every layer."""
    return BYTES * 2 * config.layers * batch * time * config.width


# Measured -----------------------------------------------------------------------------


def measured_flops(compute: Callable[[], object]) -> int:
    """Operations of all matrix products that run while `compute` does.

    PyTorch's counter does not know the fused attention kernel of processors and would
    pass over it in silence. Here attention runs as the products that it consists of.
    """
    counter = FlopCounterMode(display=False)
    with sdpa_kernel(SDPBackend.MATH), counter:
        compute()
    return counter.get_total_flops()


def measured_activation_bytes(module: nn.Module, compute: Callable[[], object]) -> int:
    """Memory that `compute` keeps for a backward pass, the parameters not counted.

    Several operations may keep one tensor, or views of it: each storage counts once.
    """
    own = {parameter.untyped_storage().data_ptr() for parameter in module.parameters()}
    kept = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        alive = compute()  # what is freed early could lend its address to another
    del alive
    return sum(kept.values())


def measured_optimiser_bytes(optimizers) -> int:
    """Memory of the state of optimisers that have made a step."""
    return sum(
        value.nbytes
        for optimizer in optimizers
        for state in optimizer.state.values()
        for value in state.values()
        if isinstance(value, Tensor)
    )


def measured_cache_bytes(cache: Cache) -> int:
    return cache.keys.nbytes + cache.values.nbytes
