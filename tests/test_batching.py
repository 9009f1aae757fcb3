import pytest
import torch

from llmlab.batching import (
    IGNORE,
    Batch,
    length_batches,
    next_token_batch,
    pack,
    packed_batch,
    pad_sequences,
    passes,
)


def test_each_token_predicts_the_next_one():
    batch = next_token_batch([[1, 10, 11, 2], [1, 20, 2]])
    assert batch.tokens.tolist() == [[1, 10, 11], [1, 20, 0]]
    assert batch.targets.tolist() == [[10, 11, 2], [20, 2, IGNORE]]
    assert batch.segment_ids.tolist() == [[1, 1, 1], [1, 1, 0]]
    assert batch.number_of_tokens() == 5


def test_a_token_that_is_only_read_is_never_a_target():
    batch = next_token_batch([[1, 4, 30, 5, 40, 2]], [[False] * 4 + [True] * 2])
    assert batch.targets.tolist() == [[IGNORE, IGNORE, IGNORE, 40, 2]]


def test_packing_keeps_every_token_and_every_target():
    sequences = [
        list(range(10 * n, 10 * n + length))
        for n, length in enumerate([2, 9, 5, 3, 7, 7, 4], start=1)
    ]
    rows = pack([len(sequence) - 1 for sequence in sequences], 10)
    packed, plain = packed_batch(sequences, rows), next_token_batch(sequences)
    for batch in (packed, plain):
        assert sorted(batch.tokens[batch.segment_ids > 0].tolist()) == sorted(
            token for sequence in sequences for token in sequence[:-1]
        )
        assert sorted(batch.targets[batch.target_mask].tolist()) == sorted(
            token for sequence in sequences for token in sequence[1:]
        )


def test_no_document_predicts_the_first_token_of_the_next():
    batch = packed_batch([[1, 10, 2], [1, 20, 2]], [[0, 1]])
    assert batch.tokens.tolist() == [[1, 10, 1, 20]]
    assert batch.targets.tolist() == [[10, 2, 20, 2]]
    assert batch.segment_ids.tolist() == [[1, 1, 2, 2]]


def test_packing_fills_rows_without_overflow():
    generator = torch.Generator().manual_seed(0)
    lengths = torch.randint(1, 60, (500,), generator=generator).tolist()
    rows = pack(lengths, 64)
    assert sorted(index for row in rows for index in row) == list(range(500))
    used = [sum(lengths[index] for index in row) for row in rows]
    assert max(used) <= 64
    assert sum(used) / (64 * len(rows)) > 0.95


def test_what_does_not_fit_a_row_is_named():
    with pytest.raises(ValueError, match="number 1, of 70"):
        pack([3, 70], 64)


@pytest.mark.parametrize(("capacity", "sizes"), [(20, [4]), (19, [3, 1]), (5, [1] * 4)])
def test_a_batch_is_filled_to_the_last_position_and_not_beyond(capacity, sizes):
    batches = length_batches([5] * 4, capacity, torch.Generator())
    assert sorted(map(len, batches), reverse=True) == sizes


def test_a_row_is_filled_to_the_last_position_and_not_beyond():
    assert sorted(map(len, pack([4, 6, 10], 10))) == [1, 2]
    assert sorted(map(len, pack([4, 7, 10], 10))) == [1, 1, 1]


def test_length_batches_use_every_sequence_once_and_little_padding():
    generator = torch.Generator().manual_seed(0)
    lengths = torch.randint(20, 120, (3000,), generator=generator).tolist()
    batches = length_batches(lengths, 2048, torch.Generator().manual_seed(1))
    assert sorted(index for batch in batches for index in batch) == list(range(3000))
    padded = [max(lengths[i] for i in batch) * len(batch) for batch in batches]
    assert max(padded) <= 2048
    assert sum(lengths) / sum(padded) > 0.95


def test_similar_lengths_are_neighbours_only_within_a_stretch():
    generator = torch.Generator().manual_seed(0)
    lengths = torch.randint(20, 120, (3000,), generator=generator).tolist()
    batches = length_batches(lengths, 2048, generator)
    spreads = []
    for batch in batches:
        of_batch = [lengths[index] for index in batch]
        spreads.append(max(of_batch) - min(of_batch))
    assert sum(spreads) / len(spreads) > 3  # sorted as a whole, it would be 1


def test_one_pass_after_another_each_in_its_own_order():
    def once(dice):
        return torch.randperm(10, generator=dice).tolist()

    items = passes(once, 25, seed=0)
    assert sorted(items[:10]) == sorted(items[10:20]) == list(range(10))
    assert len(set(items[20:])) == 5
    assert items[:10] != items[10:20]
    assert items == passes(once, 25, seed=0) != passes(once, 25, seed=1)
    assert items[:12] == passes(once, 12, seed=0)
    with pytest.raises(ValueError, match="nothing to learn from"):
        passes(lambda dice: [], 3, seed=0)


@pytest.mark.parametrize("lengths", [[], [0, 0]])
def test_nothing_to_read_is_an_error(lengths):
    with pytest.raises(ValueError, match="nothing to read"):
        length_batches(lengths, 64, torch.Generator())


def test_padding_goes_where_it_is_asked_for():
    tokens, segment_ids = pad_sequences([[7], [8, 9]], side="left")
    assert tokens.tolist() == [[0, 7], [8, 9]]
    assert segment_ids.tolist() == [[0, 1], [1, 1]]


def test_trimmed_rows_keep_their_targets():
    batch = next_token_batch([[1, 10, 11, 2], [1, 20, 2]]).rows([1])
    assert batch.tokens.tolist() == [[1, 20]]
    assert batch.targets.tolist() == [[20, 2]]


def test_rows_keep_the_padding_to_their_left():
    tokens, segment_ids = pad_sequences([[7], [8, 9], [5, 6, 7]], side="left")
    batch = Batch(tokens, tokens, segment_ids).rows([0, 1])
    assert batch.tokens.tolist() == [[0, 0, 7], [0, 8, 9]]


@pytest.mark.parametrize("sequences", [[], [[], []]])
def test_nothing_to_pad_is_an_error(sequences):
    with pytest.raises(ValueError, match="nothing to pad"):
        pad_sequences(sequences)


def test_a_lone_token_has_nothing_to_predict():
    with pytest.raises(ValueError, match="sequence 1 has 1 tokens"):
        next_token_batch([[1, 2], [1]])
