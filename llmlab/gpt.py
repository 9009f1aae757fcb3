"""The model: token ids in, logits out.

One decoder class serves the whole course. Read it from the top: how one head looks
back (`attention`), how a block uses it (`SelfAttention`, `FeedForward`, `Block`), and
how blocks are stacked into a language model (`GPT`).

Axes have the same names everywhere: `batch` rows, `time` positions in a row, `width`
numbers that describe a position, `heads` parallel attentions of `d_head` numbers each
(`width = heads * d_head`), `vocab` scores, one for each token that could come next.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

CHOICES = {
    "norm": ("rmsnorm", "layernorm"),
    "positions": ("rotary", "learned"),
    "activation": ("squared_relu", "gelu"),
}


@dataclass(frozen=True)
class GPTConfig:
    """The shape of a GPT. The defaults are this course's modern recipe.

    context : the longest row, in tokens, that the model can read.
    layers, heads, width : blocks, attention heads a block, numbers a position.
    causal : True: a position sees itself and what came before (next-token model).
        False: it sees the whole row (masked language model).
    norm : "rmsnorm" (Zhang and Sennrich 2019) or "layernorm".
    positions : "rotary" (Su et al. 2021) or "learned", one vector a position.
    activation : "squared_relu" (So et al. 2021) or "gelu" (tanh form, as in GPT-2).
    qk_norm : normalise queries and keys: no score can explode (Henry et al. 2020).
    token_shift : add to each token's vector a learned share of the one before it (as
        in RWKV, Peng et al. 2023), so that one head can look for "the name that came
        after `and`"; without it that takes two layers.
    token_values : add to the values of every head a learned share of the token's own
        vector (as value residual learning does with the first layer's values, Zhou et
        al. 2024), so that what a head looks at it can also repeat: a name is copied
        long before the blocks have learned to carry it.
    bias : whether linear layers have biases; LayerNorm always has.
    tied : whether the embedding table serves as the output layer too (Press and Wolf
        2017). It saves parameters; two tables learn faster.
    """

    vocab_size: int = 2560
    context: int = 256
    layers: int = 2
    heads: int = 4
    width: int = 128
    causal: bool = True
    norm: str = "rmsnorm"
    positions: str = "rotary"
    activation: str = "squared_relu"
    qk_norm: bool = True
    token_shift: bool = True
    token_values: bool = True
    bias: bool = False
    tied: bool = False

    def __post_init__(self):
        for name in ("vocab_size", "context", "layers", "heads", "width"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"{name} is {value!r}; it must be a whole number >= 1")
        if self.width % self.heads:
            raise ValueError(
                f"width {self.width} cannot be divided among {self.heads} heads; "
                "choose a width that is a multiple of heads"
            )
        if self.positions == "rotary" and self.d_head % 2:
            raise ValueError(
                f"rotary positions turn pairs of numbers, but a head has "
                f"{self.d_head}; choose width / heads even"
            )
        for name, allowed in CHOICES.items():
            if getattr(self, name) not in allowed:
                raise ValueError(
                    f"{name} is {getattr(self, name)!r}; choose one of {allowed}"
                )

    @property
    def d_head(self) -> int:
        return self.width // self.heads

    @classmethod
    def gpt2(cls, **sizes) -> "GPTConfig":
        """The architecture of GPT-2 (Radford et al. 2019), by default of 124 M."""
        shape = dict(vocab_size=50257, context=1024, layers=12, heads=12, width=768)
        parts = dict(norm="layernorm", positions="learned", activation="gelu")
        parts |= dict(qk_norm=False, token_shift=False, token_values=False)
        return cls(**(shape | sizes), **parts, bias=True, tied=True)


def in_many_bits(attention: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Let attention compute in float32 even where mixed precision asks for few bits.

    Mixed precision is for speed, and on a processor attention's backward pass is slower
    in few bits. A graphics card has kernels for them and is left alone.
    """

    @wraps(attention)
    def computed(queries, keys, values, mask, causal):
        if not torch.is_autocast_enabled("cpu"):
            return attention(queries, keys, values, mask, causal)
        with torch.autocast("cpu", enabled=False):
            many_bits = queries.float(), keys.float(), values.float()
            return attention(*many_bits, mask, causal)

    return computed


@in_many_bits
def attention(
    queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None, causal: bool
) -> Tensor:
    """Scaled dot-product attention: softmax(Q Kᵀ / √d_head) V.

    Vaswani et al. 2017, equation 1. PyTorch's fused kernel does the arithmetic; the
    tests hold it against a loop that compares one query with one key at a time.

    queries : (batch, heads, query_time, d_head)
    keys, values : (batch, heads, key_time, d_head)
    mask : (batch, 1, query_time, key_time) bool, True where a query may look; or None.
    causal : with `mask` None, query t sees keys 0..t only.

    Returns (batch, heads, query_time, d_head): a weighted mean of values each.
    """
    return F.scaled_dot_product_attention(
        queries, keys, values, attn_mask=mask, is_causal=causal and mask is None
    )


def rotate(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Turn each pair of numbers of `x` by the angle of its position.

    The dot product of a turned query and a turned key depends on the *distance* of
    their positions only, which is what a language model wants to know.

    x : (batch, heads, time, d_head); cosine, sine : (batch or 1, 1, time, d_head / 2).
    """
    first, second = x.chunk(2, dim=-1)
    return torch.cat(
        (first * cosine - second * sine, first * sine + second * cosine), dim=-1
    )


def positions_in_segments(segment_ids: Tensor) -> Tensor:
    """Position of every token within its own segment: 0, 1, 2, … and 0 again.

    segment_ids : (batch, time). Returns (batch, time).
    """
    index = torch.arange(segment_ids.shape[1], device=segment_ids.device)
    starts = F.pad(segment_ids[:, 1:] != segment_ids[:, :-1], (1, 0), value=True)
    return index - torch.where(starts, index, 0).cummax(dim=1).values


def check_token_ids(ids: Tensor, vocab_size: int) -> None:
    """Refuse ids that are in no row of the table of tokens."""
    if ids.numel() and not 0 <= int(ids.min()) <= int(ids.max()) < vocab_size:
        strange = ids[(ids < 0) | (ids >= vocab_size)][0]
        raise ValueError(
            f"there is no token {int(strange)} in a vocabulary of {vocab_size}; do "
            "these ids come from another tokenizer than the model's?"
        )


def only_right_padded(segment_ids: Tensor | None) -> bool:
    """Whether every row is one document with padding after it, if anything."""
    if segment_ids is None:
        return True
    document = segment_ids[:, :1]
    known = (segment_ids == document) | (segment_ids == 0)
    return bool(known.all() and (segment_ids.diff(dim=1) <= 0).all())


class Norm(nn.Module):
    """Scale each position's vector to a standard size, so that depth stays stable.

    RMSNorm divides by the root mean square and has nothing to learn here; LayerNorm
    also subtracts the mean and learns a gain and a bias, as in GPT-2.
    """

    def __init__(self, config: GPTConfig):
        super().__init__()
        self.shape = (config.width,)
        self.gain = self.bias = None
        if config.norm == "layernorm":
            self.gain = nn.Parameter(torch.ones(config.width))
            self.bias = nn.Parameter(torch.zeros(config.width))

    def forward(self, x: Tensor) -> Tensor:
        if self.gain is None:
            return F.rms_norm(x, self.shape)
        return F.layer_norm(x, self.shape, self.gain, self.bias)


class SelfAttention(nn.Module):
    """Every position gathers what it needs from the positions that it may see."""

    def __init__(self, config: GPTConfig):
        super().__init__()
        self.config = config
        width, bias = config.width, config.bias
        self.query_key_value = nn.Linear(width, 3 * width, bias=bias)
        self.output = nn.Linear(width, width, bias=bias)
        self.token_share = None
        if config.token_values:
            self.token_share = nn.Parameter(torch.empty(width))

    def forward(self, x, token_vectors, rotation, mask, cache, layer) -> Tensor:
        queries, keys, values = rearrange(
            self.query_key_value(x),
            "batch time (three heads d_head) -> three batch heads time d_head",
            three=3,
            heads=self.config.heads,
        )
        if rotation is not None:
            queries, keys = rotate(queries, *rotation), rotate(keys, *rotation)
        if self.config.qk_norm:
            queries = F.rms_norm(queries, (self.config.d_head,))
            keys = F.rms_norm(keys, (self.config.d_head,))
        if self.token_share is not None:
            values = values + rearrange(
                self.token_share * token_vectors,
                "batch time (heads d_head) -> batch heads time d_head",
                heads=self.config.heads,
            )
        if cache is not None:
            keys, values = cache.extend(layer, keys, values)
        # A token read alone may see all that the cache holds.
        causal = self.config.causal and x.shape[1] > 1
        gathered = attention(queries, keys, values, mask, causal)
        return self.output(
            rearrange(gathered, "batch heads time d_head -> batch time (heads d_head)")
        )


class FeedForward(nn.Module):
    """Every position thinks by itself about what attention has gathered."""

    def __init__(self, config: GPTConfig):
        super().__init__()
        self.activation = config.activation
        self.expand = nn.Linear(config.width, 4 * config.width, bias=config.bias)
        self.output = nn.Linear(4 * config.width, config.width, bias=config.bias)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.expand(x)
        if self.activation == "squared_relu":
            hidden = F.relu(hidden).square()
        else:
            hidden = F.gelu(hidden, approximate="tanh")
        return self.output(hidden)


class Block(nn.Module):
    """Attention, then thinking; each *added* to what is already known."""

    def __init__(self, config: GPTConfig):
        super().__init__()
        self.attention_norm = Norm(config)
        self.attention = SelfAttention(config)
        self.feed_forward_norm = Norm(config)
        self.feed_forward = FeedForward(config)

    def forward(self, x, token_vectors, rotation, mask, cache, layer) -> Tensor:
        x = x + self.attention(
            self.attention_norm(x), token_vectors, rotation, mask, cache, layer
        )
        return x + self.feed_forward(self.feed_forward_norm(x))


class GPT(nn.Module):
    """A language model with random weights, ready to be trained.

    seed : of the random weights; the same seed gives the same weights.
    """

    def __init__(self, config: GPTConfig, seed: int = 0):
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocab_size, config.width)
        self.position_embedding = self.token_shift = self.output = None
        if config.positions == "learned":
            self.position_embedding = nn.Embedding(config.context, config.width)
        if config.token_shift:
            self.token_shift = nn.Parameter(torch.zeros(config.width))
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.final_norm = Norm(config)
        if not config.tied:
            self.output = nn.Linear(config.width, config.vocab_size, bias=False)
        self.initialise(torch.Generator().manual_seed(seed))

    @torch.no_grad()
    def initialise(self, generator: torch.Generator) -> None:
        """Draw random weights.

        The modern recipe starts every output layer at zero: blocks begin as the
        identity, and the model finds all tokens equally likely. GPT-2 starts them
        small, the smaller the deeper the model.
        """
        modern = self.config.norm == "rmsnorm"
        for name, parameter in self.named_parameters():
            if name.endswith("bias") or name == "token_shift":
                parameter.zero_()
            elif name.endswith("token_share"):
                parameter.fill_(4.0)
            elif name.endswith("gain"):
                parameter.fill_(1.0)
            elif name.endswith("output.weight") and modern:
                parameter.zero_()
            elif name.endswith("output.weight"):
                spread = 0.02 / math.sqrt(2 * self.config.layers)
                parameter.normal_(0, spread, generator=generator)
            elif "embedding" in name or not modern:
                parameter.normal_(0, 0.02, generator=generator)
            else:
                spread = 1 / math.sqrt(parameter.shape[1])
                parameter.normal_(0, spread, generator=generator)

    def forward(
        self,
        tokens: Tensor,
        *,
        segment_ids: Tensor | None = None,
        cache=None,
        where: Tensor | None = None,
    ) -> Tensor:
        """Score every token of the vocabulary at every position.

        tokens : (batch, time) int64.
        segment_ids : (batch, time) int64: 0 is padding, and positions see only
            positions of the same segment, so that one row may hold several documents.
            None: every row is one document without padding.
        cache : a `cache.Cache` of the tokens read before; extended by `tokens`.
        where : (batch, time) bool: all positions are read, but only these are scored.
            The table of tokens is the widest matrix: what is not asked is not computed.

        Returns logits, (batch, time, vocab); or (positions, vocab) if `where` is given.
        """
        hidden = self.hidden_states(tokens, segment_ids=segment_ids, cache=cache)
        return self.logits(hidden if where is None else hidden[where])

    def logits(self, hidden: Tensor) -> Tensor:
        """(…, width) hidden states to (…, vocab) logits."""
        table = self.embedding if self.output is None else self.output
        return F.linear(hidden, table.weight)

    def hidden_states(
        self, tokens: Tensor, *, segment_ids: Tensor | None = None, cache=None
    ) -> Tensor:
        """As `forward`, up to the final norm: (batch, time, width)."""
        self._check(tokens, segment_ids, cache)
        if cache is not None and segment_ids is not None:
            cache.note_padding(segment_ids)
        elif cache is None and self._needs_no_mask(tokens, segment_ids):
            segment_ids = None
        positions = self._positions(tokens, segment_ids, cache)
        mask = self._mask(tokens, segment_ids, cache)
        x = self.embedding(tokens)
        rotation = None
        if self.position_embedding is not None:
            x = x + self.position_embedding(positions)
        else:
            # A token's vector is a direction: without this norm the first block would
            # see numbers of size 0.02 and the residual stream would start lopsided.
            x = F.rms_norm(x, (self.config.width,))
            rotation = self.rotation(positions)
        if self.token_shift is not None:
            x = x + self.token_shift * self._previous(x, segment_ids, cache)
        token_vectors = x
        for layer, block in enumerate(self.blocks):
            x = block(x, token_vectors, rotation, mask, cache, layer)
        if cache is not None:
            cache.time += tokens.shape[1]
        return self.final_norm(x)

    def _check(self, tokens, segment_ids, cache) -> None:
        if tokens.ndim != 2 or 0 in tokens.shape:
            raise ValueError(
                f"tokens have shape {tuple(tokens.shape)}; expected (batch, time) with "
                "at least one row and one position"
            )
        check_token_ids(tokens, self.config.vocab_size)
        if segment_ids is not None and segment_ids.shape != tokens.shape:
            raise ValueError(
                f"segment_ids have shape {tuple(segment_ids.shape)}, tokens "
                f"{tuple(tokens.shape)}; they must be the same"
            )
        if cache is not None and not self.config.causal:
            raise ValueError(
                "a bidirectional model cannot use a cache: a new token changes what "
                "the earlier ones saw; build the model with causal=True"
            )
        time = tokens.shape[1]
        if cache is None and segment_ids is None and time > self.config.context:
            raise ValueError(
                f"{time} tokens do not fit the context of {self.config.context}; "
                "shorten the text, or train a model with a longer context"
            )

    def _needs_no_mask(self, tokens, segment_ids) -> bool:
        """Whether causality hides all padding anyway; a mask is slow."""
        return (
            self.config.causal
            and tokens.shape[1] <= self.config.context
            and only_right_padded(segment_ids)
        )

    def _positions(self, tokens, segment_ids, cache) -> Tensor:
        """(batch or 1, time): the position of each token in its document."""
        if cache is not None:
            positions = cache.positions(tokens.shape[1])
        elif segment_ids is None:
            return torch.arange(tokens.shape[1], device=tokens.device)[None]
        else:
            positions = positions_in_segments(segment_ids)
        longest = int(positions.max()) + 1
        if longest > self.config.context:
            raise ValueError(
                f"a document of {longest} tokens does not fit the context of "
                f"{self.config.context}; shorten the text, or train a model with a "
                "longer context"
            )
        return positions

    def _previous(self, x: Tensor, segment_ids, cache) -> Tensor:
        """The vector before each one; zero where a document begins. As x."""
        before = torch.zeros_like(x[:, :1]) if cache is None else cache.last
        previous = torch.cat((before, x[:, :-1]), dim=1)
        if cache is not None:
            cache.last = x[:, -1:]
            if cache.padding is None:
                return previous
            return previous * (cache.columns(x.shape[1]) != cache.padding)[..., None]
        if segment_ids is None:
            return previous
        ids_before = F.pad(segment_ids[:, :-1], (1, 0))
        return previous * (ids_before == segment_ids)[..., None]

    def _mask(self, tokens, segment_ids, cache) -> Tensor | None:
        """(batch, 1, query_time, key_time) bool, True where a query may look."""
        if cache is not None:
            return cache.mask(tokens.shape[1])
        if segment_ids is None:
            return None
        # Padding is a segment too (number 0): it sees only padding, which keeps its
        # softmax finite, and nothing sees it.
        mask = segment_ids[:, :, None] == segment_ids[:, None, :]
        if self.config.causal:
            mask = mask.tril()
        return mask[:, None]

    def rotation(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Cosine and sine of every position's angles: (batch or 1, 1, time, d/2)."""
        half = self.config.d_head // 2
        pair = torch.arange(half, device=positions.device) / half
        angles = positions[:, None, :, None] * (10_000.0**-pair)
        return angles.cos(), angles.sin()

    @property
    def device(self) -> torch.device:
        return self.embedding.weight.device

    def number_of_parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.parameters())
