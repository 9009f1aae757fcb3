"""The next token of every row, read in few operations.

A small model that reads one token at a time spends its time on *calling* operations,
not on arithmetic. `Decoder` says the forward pass of `gpt.py` once more, for a single
column of tokens, in less than half as many calls. What it computes is the same: a test
holds it to the model's own numbers.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from llmlab import gpt
from llmlab.cache import Cache
from llmlab.gpt import GPT, GPTConfig

# What a decoder knows by heart. A model with other parts is read by its own `forward`.
PARTS = (
    *(GPT, gpt.Block, gpt.SelfAttention, gpt.FeedForward, gpt.Norm),
    *(nn.ModuleList, nn.Linear, nn.Embedding),
)
MODERN = dict(causal=True, norm="rmsnorm", positions="rotary", bias=False)
MODERN |= dict(activation="squared_relu", qk_norm=True)
MODERN |= dict(token_shift=True, token_values=True)


def can_decode(model: nn.Module) -> bool:
    """Whether a `Decoder` would compute what the model does, hooks included."""
    return all(
        type(part) in PARTS and not part._forward_hooks and not part._forward_pre_hooks
        for part in model.modules()
    ) and all(getattr(model.config, name) == value for name, value in MODERN.items())


class Decoder:
    """Reads one more token a row.

    model : one that `can_decode` accepts; its weights must not change meanwhile.
    cache : has read the prompts, and is extended.
    """

    def __init__(self, model: GPT, cache: Cache):
        self.cache = cache
        self.config: GPTConfig = model.config
        self.embedding, self.token_shift = model.embedding.weight, model.token_shift
        device = model.embedding.weight.device
        # As tensors: a Python number would be converted at every call.
        self.width_root = torch.tensor(math.sqrt(self.config.width), device=device)
        self.head_root = torch.tensor(math.sqrt(self.config.d_head), device=device)
        heads = (self.config.heads, self.config.d_head)
        self.layers = [
            (
                block.attention.query_key_value.weight.T,
                block.attention.token_share.view(heads),
                block.attention.output.weight.T,
                block.feed_forward.expand.weight.T,
                block.feed_forward.output.weight.T,
            )
            for block in model.blocks
        ]
        table = model.embedding if model.output is None else model.output
        # Turned in memory too: so laid out, the product with one row is faster.
        self.table = table.weight.T.contiguous()
        # (context, 1, 1, d_head): x * cosine + (x, halves swapped) * sine is `rotate`.
        every = torch.arange(self.config.context, device=device)[:, None]
        cosine, sine = model.rotation(every)
        self.cosine = torch.cat((cosine, cosine), dim=-1)
        self.sine = torch.cat((-sine, sine), dim=-1)

    def read(self, tokens: Tensor) -> Tensor:
        """(batch, 1) token ids to the logits of the next ones, (batch, vocab)."""
        cache, config = self.cache, self.config
        batch, half = len(tokens), config.d_head // 2
        cosine, sine = self._rotation()
        mask = cache.mask(1)
        x = _rms_norm(F.embedding(tokens[:, 0], self.embedding), self.width_root)
        last, cache.last = cache.last[:, 0], x[:, None]
        x = torch.addcmul(x, self.token_shift, last)
        token_vectors = x.view(batch, config.heads, config.d_head)
        for layer, (into, share, out, expand, contract) in enumerate(self.layers):
            projected = _rms_norm(x, self.width_root) @ into
            projected = projected.view(batch, 3, config.heads, config.d_head)
            turned = projected[:, :2]  # queries and keys
            turned = torch.addcmul(turned * cosine, turned.roll(half, dims=-1), sine)
            turned = _rms_norm(turned, self.head_root)[:, :, :, None]
            values = torch.addcmul(projected[:, 2], share, token_vectors)
            keys, values = cache.extend(layer, turned[:, 1], values[:, :, None])
            gathered = gpt.attention(turned[:, 0], keys, values, mask, False)
            x = torch.addmm(x, gathered.view(batch, config.width), out)
            hidden = (_rms_norm(x, self.width_root) @ expand).relu_().square_()
            x = torch.addmm(x, hidden, contract)
        cache.time += 1
        return _rms_norm(x, self.width_root) @ self.table

    def _rotation(self) -> tuple[Tensor, Tensor]:
        """Cosine and sine at each row's next position: (batch or 1, 1, 1, d_head)."""
        position = self.cache.time
        if self.cache.padding is not None:
            position = position - self.cache.padding[:, 0]
        return self.cosine[position], self.sine[position]


def _rms_norm(x: Tensor, root: Tensor) -> Tensor:
    """`F.rms_norm`; `root` is the square root of the last axis's length."""
    length = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
    return x / (length / root).clamp_(min=1e-7)
