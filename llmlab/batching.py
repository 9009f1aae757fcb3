"""From lists of token ids to rectangular batches: shifting, padding, packing.

Everything that is trained in this course, from the first book page to the last rollout
of PPO, is a `Batch`. The shift by one position happens here and nowhere else.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

IGNORE = -100
"""The target of a position that must not be trained (PyTorch's own convention)."""


@dataclass(frozen=True)
class Batch:
    """What the model reads and what it must predict, row by row.

    tokens : (batch, time) int64, the ids that the model reads.
    targets : (batch, time) int64, already shifted: `targets[b, t]` is the token that
        `logits[b, t]` must predict, or `IGNORE`.
    segment_ids : (batch, time) int64; 0 is padding, and every document of a row has a
        number of its own. Positions see only their own segment.
    """

    tokens: Tensor
    targets: Tensor
    segment_ids: Tensor

    @property
    def target_mask(self) -> Tensor:
        """(batch, time) bool, True where there is something to predict."""
        return self.targets != IGNORE

    def number_of_tokens(self) -> int:
        """Tokens that are not padding."""
        return int((self.segment_ids != 0).sum())

    def number_of_targets(self) -> int:
        return int(self.target_mask.sum())

    def to(self, device: torch.device) -> "Batch":
        parts = self.tokens, self.targets, self.segment_ids
        return Batch(*(part.to(device) for part in parts))

    def rows(self, index) -> "Batch":
        """Some of the rows, trimmed to the longest among them."""
        parts = self.tokens[index], self.targets[index], self.segment_ids[index]
        used = (parts[-1] != 0).any(dim=0).nonzero()
        end = int(used.max()) + 1 if len(used) else 1
        return Batch(*(part[:, :end] for part in parts))


def pad_sequences(
    sequences: Sequence[Sequence[int]], *, pad_id: int = 0, side: str = "right"
) -> tuple[Tensor, Tensor]:
    """Make sequences equally long.

    Training pads on the right; generation pads on the left, so that every prompt ends
    in the last column, where the next token is read off.

    Returns tokens, segment_ids: (batch, time) int64; segment 1 is text, 0 padding.
    """
    if side not in ("left", "right"):
        raise ValueError(f"side is {side!r}; choose 'left' or 'right'")
    if not sequences or not any(len(sequence) for sequence in sequences):
        raise ValueError("there is nothing to pad: give at least one token")
    time = max(len(sequence) for sequence in sequences)
    tokens = torch.full((len(sequences), time), pad_id, dtype=torch.int64)
    segment_ids = torch.zeros((len(sequences), time), dtype=torch.int64)
    for row, sequence in enumerate(sequences):
        start = 0 if side == "right" else time - len(sequence)
        columns = slice(start, start + len(sequence))
        tokens[row, columns] = torch.as_tensor(sequence, dtype=torch.int64)
        segment_ids[row, columns] = 1
    return tokens, segment_ids


def next_token_batch(
    sequences: Sequence[Sequence[int]],
    target_masks: Sequence[Sequence[bool]] | None = None,
    *,
    pad_id: int = 0,
) -> Batch:
    """One row a sequence, padded on the right; each token predicts the next one.

    sequences : token ids, each at least two.
    target_masks : for each token, whether *it* is to be predicted (False: it is only
        read, as a prompt is). None: all of them.
    """
    packed = [[index] for index in range(len(sequences))]
    return packed_batch(sequences, packed, target_masks, pad_id=pad_id)


def packed_batch(
    sequences: Sequence[Sequence[int]],
    rows: Sequence[Sequence[int]],
    target_masks: Sequence[Sequence[bool]] | None = None,
    *,
    pad_id: int = 0,
) -> Batch:
    """Several sequences a row, kept apart by their segment ids.

    The last token of a sequence is never read, since nothing follows it; so the first
    token of the next sequence is never a target of the one before.

    sequences, target_masks : as in `next_token_batch`.
    rows : for each row, the indices of its sequences, as `pack` gives them.
    """
    for index in (index for row in rows for index in row):
        if len(sequences[index]) < 2:
            raise ValueError(
                f"sequence {index} has {len(sequences[index])} tokens; predicting a "
                "next token takes at least two"
            )
    time = max(sum(len(sequences[index]) - 1 for index in row) for row in rows)
    tokens = torch.full((len(rows), time), pad_id, dtype=torch.int64)
    targets = torch.full((len(rows), time), IGNORE, dtype=torch.int64)
    segment_ids = torch.zeros((len(rows), time), dtype=torch.int64)
    for row, members in enumerate(rows):
        start = 0
        for number, index in enumerate(members, start=1):
            sequence = torch.as_tensor(sequences[index], dtype=torch.int64)
            columns = slice(start, start + len(sequence) - 1)
            tokens[row, columns] = sequence[:-1]
            targets[row, columns] = sequence[1:]
            if target_masks is not None:
                wanted = torch.as_tensor(target_masks[index], dtype=torch.bool)[1:]
                targets[row, columns][~wanted] = IGNORE
            segment_ids[row, columns] = number
            start = columns.stop
    return Batch(tokens, targets, segment_ids)


def pack(lengths: Sequence[int], capacity: int) -> list[list[int]]:
    """Fill rows of `capacity` positions with whole sequences, best fit first.

    Longest first, each into the fullest row that still has room: at most a few per
    cent of the positions stay empty. Nothing is cut and nothing is dropped.

    lengths : positions that each sequence takes (its tokens less one).

    Returns for each row the indices of its sequences.
    Raises ValueError: a sequence is longer than the capacity.
    """
    too_long = [index for index, length in enumerate(lengths) if length > capacity]
    if too_long:
        raise ValueError(
            f"{len(too_long)} sequences do not fit {capacity} positions (the first is "
            f"number {too_long[0]}, of {lengths[too_long[0]]}); shorten or drop them"
        )
    rows: list[list[int]] = []
    rows_by_room: list[list[int]] = [[] for _ in range(capacity + 1)]
    for index in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        length = lengths[index]
        room = next((r for r in range(length, capacity + 1) if rows_by_room[r]), None)
        if room is None:
            rows.append([])
            row, room = len(rows) - 1, capacity
        else:
            row = rows_by_room[room].pop()
        rows[row].append(index)
        rows_by_room[room - length].append(row)
    return rows


def passes(once: Callable[[torch.Generator], list], count: int, seed: int) -> list:
    """Once through the data, and again, each time in another order: `count` items.

    once : all items in an order of these dice.
    """
    generator = torch.Generator().manual_seed(seed)
    items = []
    while len(items) < count:
        more = once(generator)
        if not more:
            raise ValueError("there is nothing to learn from; give at least one item")
        items += more
    return items[:count]


def length_batches(
    lengths: Sequence[int], tokens_per_batch: int, generator: torch.Generator
) -> list[list[int]]:
    """Group sequences of similar length into batches of about equal size.

    One sequence a row, so that no mask is needed, and rows of similar length, so that
    little is spent on padding. Shuffled; neighbours are sorted by length only within
    stretches of sixteen batches, which keeps each batch a fair sample.

    Returns for each batch the indices of its sequences; each index occurs exactly once.
    """
    if not any(lengths):
        raise ValueError("there is nothing to read: give at least one token")
    order = torch.randperm(len(lengths), generator=generator).tolist()
    mean_length = sum(lengths) / len(lengths)
    stretch = max(1, int(16 * tokens_per_batch / mean_length))
    batches = []
    for start in range(0, len(order), stretch):
        members = sorted(order[start : start + stretch], key=lambda i: lengths[i])
        batch: list[int] = []
        for index in members:
            if batch and (len(batch) + 1) * lengths[index] > tokens_per_batch:
                batches.append(batch)
                batch = []
            batch.append(index)
        batches.append(batch)
    shuffled = torch.randperm(len(batches), generator=generator).tolist()
    return [batches[index] for index in shuffled]
