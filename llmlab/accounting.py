"""What a GPT costs, by formula, and the instruments that measure the same.

Every formula follows from the shapes in `gpt.py` alone, so that one can plan a model
before it exists; the tests hold each of them against a real model. A *part* has the
same name in every table.
"""

from collections.abc import Callable

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
