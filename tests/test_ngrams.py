"""The promises of the counting models: true probabilities, the published formula."""

import math
import random
from collections import Counter
from fractions import Fraction

import pytest
import torch

from llmlab.ngrams import NgramModel, bits_per_character

VOCAB = 12


def random_sequences(count=30, seed=0):
    """Tokens 0 to 9; frequent and rare ones; 10 and 11 never occur."""
    chooser = random.Random(seed)
    weights = [2.0**-n for n in range(10)]
    return [
        [0, *chooser.choices(range(10), weights, k=chooser.randint(1, 25))]
        for _ in range(count)
    ]


@pytest.fixture(scope="module")
def model():
    return NgramModel(VOCAB, 3).fit(random_sequences())


def test_probabilities_sum_to_one_after_every_context(model):
    for before in range(VOCAB):
        for last in range(VOCAB):
            distribution = model.distribution([before, last])
            assert distribution.shape == (VOCAB,) and distribution.min() > 0
            assert distribution.sum().item() == pytest.approx(1, abs=1e-12)


def test_log_probs_are_those_of_the_distributions(model):
    sequence = [3, 1, 11, 0, 0, 2]
    padded = [3, *sequence]  # nothing comes before the first token but itself
    expected = [
        model.distribution([before, last])[token].log().item()
        for before, last, token in zip(padded, padded[1:], padded[2:], strict=False)
    ]
    assert model.log_probs(sequence).tolist() == pytest.approx(expected, abs=1e-12)


def test_toy_text_by_hand():
    """0 1 2 1 has the trigrams 00>1, 01>2, 12>1, and every discount is 3/4 but one."""
    model = NgramModel(3, 3).fit([[0, 1, 2, 1]])
    # The token 1 comes after two different tokens, 2 after one: n1 = 1, n2 = 1, so
    # the discount is 1/3, and 2 * 1/3 of 3 is freed and shared by three tokens.
    one = {
        0: Fraction(2, 27),
        1: (2 - Fraction(1, 3)) / 3 + Fraction(2, 27),
        2: (1 - Fraction(1, 3)) / 3 + Fraction(2, 27),
    }
    two_after_1 = Fraction(1, 4) + Fraction(3, 4) * one[2]
    three = Fraction(1, 4) + Fraction(3, 4) * two_after_1
    assert sum(one.values()) == 1
    assert model.distribution([0, 1])[2].item() == pytest.approx(float(three))
    # After 2 0 nothing is known, and after 0 only that a 1 followed.
    one_after_0 = Fraction(1, 4) + Fraction(3, 4) * one[1]
    assert model.distribution([2, 0])[1].item() == pytest.approx(float(one_after_0))


def kneser_ney_by_the_book(sequences, vocab_size, order):
    """Chen and Goodman 1999, section 2.7, with dictionaries, one probability a call."""
    counts = Counter()
    for sequence in sequences:
        padded = [sequence[0]] * (order - 1) + sequence
        for end in range(order + 1, len(padded) + 1):
            counts[tuple(padded[end - order : end])] += 1
    tables = [counts]
    while len(tables) < order:
        tables.insert(0, Counter(ngram[1:] for ngram in tables[0]))

    def probability(ngram, tables):
        if not tables:
            return 1 / vocab_size
        *lower_tables, table = tables
        lower = probability(ngram[1:], lower_tables)
        following = [n for g, n in table.items() if g[:-1] == ngram[:-1]]
        if not following:
            return lower
        sizes = Counter(table.values())
        usual = sizes[1] and sizes[2]
        discount = sizes[1] / (sizes[1] + 2 * sizes[2]) if usual else 0.75
        kept = max(table[ngram] - discount, 0)
        return (kept + discount * len(following) * lower) / sum(following)

    return lambda *ngram: probability(ngram, tables)


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_probabilities_equal_the_published_formula(order):
    sequences = random_sequences()
    model = NgramModel(VOCAB, order).fit(sequences)
    by_the_book = kneser_ney_by_the_book(sequences, VOCAB, order)
    chooser = random.Random(1)
    for _ in range(40):
        context = [chooser.randrange(VOCAB) for _ in range(order - 1)]
        expected = [by_the_book(*context, token) for token in range(VOCAB)]
        assert model.distribution(context).tolist() == pytest.approx(expected)


def test_a_bigram_model_learns_pairs_and_a_unigram_model_cannot():
    """After 1 comes 2, after 2 comes 1: only who looks back can tell which."""
    sequences = [[1, 2] * 50]
    unigram, bigram = (NgramModel(4, order).fit(sequences) for order in (1, 2))
    assert bigram.loss(sequences) < 0.05
    assert unigram.loss(sequences) == pytest.approx(math.log(2), abs=0.05)


def test_the_loss_counts_every_token_the_same(model):
    sequences = random_sequences(5, seed=3)
    surprises = [-x for s in sequences for x in model.log_probs(s).tolist()]
    expected = sum(surprises) / sum(len(s) - 1 for s in sequences)
    assert model.loss(sequences) == pytest.approx(expected)


def test_three_large_ids_fit_into_one_number():
    highest = 2**20 - 1
    model = NgramModel(2**20, 3).fit([[highest] * 3, [0, highest, 0]])
    assert model.log_probs([highest, highest, highest]).exp().min() > 0.5


def test_repetition_becomes_likely_and_the_unseen_stays_possible():
    model = NgramModel(VOCAB, 3).fit([[0, 1, 2, 3] * 50])
    seen, unseen = model.log_probs([0, 1, 2, 3])[2], model.log_probs([0, 1, 2, 9])[2]
    assert seen.exp() > 0.95 and -math.inf < unseen < math.log(0.02)


def test_fit_again_forgets_what_was_counted_before(model):
    again = NgramModel(VOCAB, 3).fit([[0, 9, 9, 9]]).fit(random_sequences())
    sequence = random_sequences(1, seed=5)[0]
    assert torch.equal(again.log_probs(sequence), model.log_probs(sequence))


@pytest.mark.parametrize("sequences", [[], [[]], [[0]], [[0], [1]]])
def test_nothing_to_count_is_refused(sequences):
    with pytest.raises(ValueError, match="nothing to count"):
        NgramModel(VOCAB, 3).fit(sequences)


@pytest.mark.parametrize("sequence", [[0, VOCAB], [0, -1]])
def test_ids_outside_the_vocabulary_are_refused(model, sequence):
    with pytest.raises(ValueError, match="vocabulary of 12"):
        model.log_probs(sequence)
    with pytest.raises(ValueError, match="vocabulary of 12"):
        NgramModel(VOCAB, 3).fit([sequence])


def test_asking_before_counting_is_refused():
    with pytest.raises(ValueError, match="call fit first"):
        NgramModel(VOCAB, 3).log_probs([0, 1])


@pytest.mark.parametrize("vocab_size", [0, 2**20 + 1])
def test_impossible_vocabulary_is_refused(vocab_size):
    with pytest.raises(ValueError, match="each must be from 1"):
        NgramModel(vocab_size, 3)


def test_a_context_of_another_length_is_refused(model):
    with pytest.raises(ValueError, match="looks at 2"):
        model.distribution([1])


def test_guessing_bytes_blindly_costs_eight_bits_a_character():
    log_prob = 100 * math.log(1 / 256)
    assert bits_per_character(log_prob, 100) == pytest.approx(8)


def test_bits_per_character_of_no_text_is_refused():
    with pytest.raises(ValueError, match="0 characters"):
        bits_per_character(0.0, 0)
