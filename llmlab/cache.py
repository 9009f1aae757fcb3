"""What a model has read so far, kept, so that a token more costs one token's work."""

import torch
from torch import Tensor

from llmlab.gpt import GPTConfig


class Cache:
    """Keys and values of the tokens read so far, so that each is computed only once.

    A row of a cached batch holds one document, possibly with padding to its left.

    max_time : columns, padding included.
    """

    def __init__(self, config: GPTConfig, batch: int, max_time: int, device=None):
        shape = (config.layers, batch, config.heads, max_time, config.d_head)
        self.keys = torch.zeros(shape, device=device)
        self.values = torch.zeros(shape, device=device)
        # (batch, 1): columns of padding to the left of each row's text. None: no row
        # has any, and no mask is needed.
        self.padding: Tensor | None = None
        # The vector of the last token read, which the next one is told of.
        self.last = torch.zeros((batch, 1, config.width), device=device)
        self.time = 0

    def note_padding(self, segment_ids: Tensor) -> None:
        """Learn from (batch, time) of the tokens to be read next which are padding.

        Raises ValueError where there is padding behind text, or a second document.
        """
        is_text = segment_ids != 0
        padding = 0 if self.padding is None else self.padding
        follows_text = is_text.cumsum(dim=1) + (self.time - padding) > is_text.long()
        last = segment_ids.amax(dim=1, keepdim=True)
        if (follows_text & ~is_text).any() or (is_text & (segment_ids != last)).any():
            raise ValueError(
                "a cache reads one document a row, with padding to its left only; pad "
                "the prompts with pad_sequences(..., side='left')"
            )
        found = (~is_text).sum(dim=1, keepdim=True)
        if found.any():
            self.padding = found if self.padding is None else self.padding + found

    def columns(self, time: int) -> Tensor:
        """(1, time): where the next `time` tokens will be stored."""
        return torch.arange(self.time, self.time + time, device=self.keys.device)[None]

    def positions(self, time: int) -> Tensor:
        """(batch or 1, time): positions of the next tokens, padding not counted."""
        if self.padding is None:
            return self.columns(time)
        return (self.columns(time) - self.padding).clamp(min=0)

    def mask(self, time: int) -> Tensor | None:
        """(batch or 1, 1, time, time so far): which columns the next tokens may see.

        None: no mask is needed, since the tokens are the first ones or one alone.
        """
        if self.padding is None and (self.time == 0 or time == 1):
            return None
        new = self.columns(time)
        every = torch.arange(self.time + time, device=new.device)[None]
        mask = every[:, None, :] <= new[:, :, None]
        if self.padding is not None:
            # Padding sees padding, which keeps its softmax finite.
            is_text = every >= self.padding
            mask = mask & (is_text[:, None, :] == is_text[:, self.time :, None])
        return mask[:, None]

    def extend(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Store one layer's new keys and values; return all of that layer so far."""
        end = self.time + keys.shape[2]
        self.keys[layer, :, :, self.time : end] = keys
        self.values[layer, :, :, self.time : end] = values
        return self.keys[layer, :, :, :end], self.values[layer, :, :, :end]

    def drop_rows(self, finished: Tensor) -> Tensor:
        """Forget finished rows, so that they cost no more time.

        The last rows move into the gaps; the others stay where they are, since copying
        all that a cache holds would take longer than reading the next token.

        finished : (batch,) bool.
        Returns (kept,) int64: for each row left, the row that it was before.
        """
        order = torch.arange(len(finished), device=finished.device)
        kept = int(len(finished) - finished.sum())
        order[:kept][finished[:kept]] = order[kept:][~finished[kept:]]
        order = order[:kept]
        gaps = finished[:kept].nonzero()[:, 0]
        for stored in (self.keys, self.values):
            stored[:, gaps] = stored[:, order[gaps]]
        self.keys, self.values = self.keys[:, :kept], self.values[:, :kept]
        self.last = self.last[order]
        if self.padding is not None:
            self.padding = self.padding[order]
        return order
