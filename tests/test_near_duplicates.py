"""MinHash and LSH against what they estimate; contamination against plain sets."""

import math
import random

import numpy as np
import pytest

from llmlab.real_text import Passage, contamination, drop_contaminated
from llmlab.real_text.near_duplicates import (
    BANDS,
    ROWS,
    Shelves,
    chance_of_comparison,
    drop_near_copies,
    estimated_likeness,
    likeness,
    phrases_of,
    signature,
)
from llmlab.real_text.words import phrase_numbers, word_numbers, words_of

NOTES = BANDS * ROWS


def pair_of_sets(likeness, random, size=400):
    """Two sets of random numbers that share what this likeness asks for."""
    shared = round(likeness * size)
    rest = (size - shared) // 2
    numbers = random.integers(0, 2**64, shared + 2 * rest, dtype=np.uint64)
    first, second = (
        numbers[: shared + rest],
        np.delete(numbers, slice(shared, shared + rest)),
    )
    return np.unique(first), np.unique(second)


def prose(random, words=120):
    return [
        random.choice("abcdefghijklmnop") * random.randint(1, 5) for _ in "x" * words
    ]


def text_of(words):
    return " ".join(words).capitalize() + "."


# Phrases ------------------------------------------------------------------------------


def test_likeness_of_texts_is_jaccards_of_their_sets_of_phrases():
    random_ = random.Random(1)
    first = prose(random_)
    second = first[:60] + prose(random_, 60)

    def phrases(words):
        return {tuple(words[i : i + 5]) for i in range(len(words) - 4)}

    expected = len(phrases(first) & phrases(second)) / len(
        phrases(first) | phrases(second)
    )
    found = likeness(phrases_of(text_of(first)), phrases_of(text_of(second)))
    assert found == pytest.approx(expected) and 0.2 < expected < 0.6


def test_phrases_depend_on_the_order_of_words_and_not_on_case_or_signs():
    assert np.array_equal(phrases_of("One, two: THREE!"), phrases_of("one two three"))
    assert not np.array_equal(phrases_of("two one three"), phrases_of("one two three"))


def test_numbers_of_phrases_are_the_same_on_every_machine():
    numbers = phrase_numbers(word_numbers(words_of("the quick brown fox")), 3)
    assert [hex(number) for number in numbers] == [
        "0x580d041cf3698a16",
        "0xb79fae6ba6c42c63",
    ]


def test_texts_shorter_than_a_phrase_are_compared_whole():
    assert likeness(phrases_of("Two words"), phrases_of("two words.")) == 1
    assert likeness(phrases_of("Two words"), phrases_of("Two birds")) == 0
    assert likeness(phrases_of(""), phrases_of("...")) == 1
    assert likeness(phrases_of(""), phrases_of("word")) == 0


# MinHash and LSH ----------------------------------------------------------------------


@pytest.mark.parametrize("true", [0.05, 0.2, 0.5, 0.7, 0.9])
def test_estimates_scatter_about_the_likeness_with_the_promised_standard_error(true):
    generator = np.random.default_rng(0)
    pairs = [pair_of_sets(true, generator) for _ in range(200)]
    estimates = np.array([estimated_likeness(*map(signature, pair)) for pair in pairs])
    exact = np.array([likeness(*pair) for pair in pairs])
    assert exact == pytest.approx(np.full(200, true), abs=0.005)
    error = math.sqrt(true * (1 - true) / NOTES)
    assert abs((estimates - exact).mean()) < 3.5 * error / math.sqrt(200)
    assert (estimates - exact).std() == pytest.approx(error, rel=0.2)


@pytest.mark.parametrize("true", [0.2, 0.4, 0.5, 0.6, 0.7, 0.9])
def test_pairs_become_candidates_as_often_as_the_s_curve_says(true):
    generator, met, trials = np.random.default_rng(1), 0, 400
    for _ in range(trials):
        first, second = map(signature, pair_of_sets(true, generator, size=200))
        shelves = Shelves()
        shelves.put(0, first)
        met += shelves.candidates(second) == [0]
    chance = chance_of_comparison(true)
    error = math.sqrt(chance * (1 - chance) / trials)
    assert abs(met / trials - chance) < 3.5 * error + 0.01


def test_the_s_curve_is_that_of_the_docstring():
    curve = [round(100 * chance_of_comparison(x), 1) for x in (0.2, 0.5, 0.7)]
    assert curve == [0.8, 53.3, 98.8]


def test_candidates_are_named_once_and_in_order():
    shelves, notes = Shelves(), signature(phrases_of("a b c d e f"))
    for number in (3, 1, 2):
        shelves.put(number, notes)
    assert shelves.candidates(notes) == [1, 2, 3]


def test_signature_of_another_length_is_refused():
    with pytest.raises(ValueError, match="has 7 notes; 24 bands of 5 need 120"):
        Shelves().candidates(signature(phrases_of("some words"), length=7))


# Near copies --------------------------------------------------------------------------


def library(random_, books=60):
    return [Passage(f"{i}.txt", text_of(prose(random_))) for i in range(books)]


def test_near_copy_is_dropped_with_its_original_named_and_the_first_is_kept():
    documents = library(random.Random(2))
    words = documents[7].text.split()
    copy = Passage("copy.txt", " ".join([*words[:-5], "with", "another", "end"]))
    sifting = drop_near_copies([*documents, copy])
    assert sifting.kept == documents
    (dropped,) = sifting.dropped
    assert dropped.source == "copy.txt" and dropped.whole
    assert dropped.reason.endswith("% like 7.txt")


def test_dropped_are_exactly_those_that_a_comparison_with_all_finds():
    random_ = random.Random(3)
    documents = library(random_, 30)
    for number, original in enumerate(list(documents)):
        words = original.text.split()
        cut = random_.randint(10, 110)
        changed = words[:cut] + prose(random_, 120 - cut)
        documents.append(Passage(f"copy {number}", " ".join(changed)))
    kept = []
    for document in documents:
        phrases = phrases_of(document.text)
        if all(likeness(phrases, phrases_of(other.text)) < 0.7 for other in kept):
            kept.append(document)
    assert drop_near_copies(documents).kept == kept and 30 < len(kept) < 60


def test_threshold_decides_what_is_a_copy():
    words = prose(random.Random(4))
    documents = [
        Passage("a", " ".join(words)),
        Passage("b", " ".join([*words[:-20], *prose(random.Random(5), 20)])),
    ]
    alike = likeness(*(phrases_of(document.text) for document in documents))
    assert len(drop_near_copies(documents, alike - 0.01).kept) == 1
    assert len(drop_near_copies(documents, alike + 0.01).kept) == 2


def test_document_as_alike_as_the_threshold_is_a_copy():
    text = text_of(prose(random.Random(10)))
    copies = [Passage("a", text), Passage("b", text)]
    assert drop_near_copies(copies, 1.0).kept == copies[:1]


@pytest.mark.parametrize("alike", [0, 1.1, -1])
def test_impossible_threshold_is_refused(alike):
    with pytest.raises(ValueError, match="must lie above 0"):
        drop_near_copies([], alike)


# Contamination ------------------------------------------------------------------------


def test_contamination_is_the_share_of_phrases_found_in_training():
    random_ = random.Random(6)
    known, fresh = prose(random_, 40), prose(random_, 60)
    training = [Passage("read", text_of(prose(random_) + known + prose(random_)))]
    (overlap,) = contamination([Passage("test", text_of(known + fresh))], training)
    assert overlap.share == pytest.approx((40 - 7) / (100 - 7))
    assert overlap.example == " ".join(known)


def test_example_of_contamination_is_the_longest_stretch():
    words = prose(random.Random(11), 60)
    parts = {"short": words[:10], "long": words[20:45], "middling": words[46:60]}
    training = [Passage(name, text_of(part)) for name, part in parts.items()]
    (overlap,) = contamination([Passage("test", text_of(words))], training)
    assert overlap.example == " ".join(parts["long"])


def test_clean_test_document_has_no_overlap():
    training = [Passage("read", text_of(prose(random.Random(7))))]
    test = [Passage("test", text_of(prose(random.Random(8)))), Passage("short", "Hm")]
    assert [(o.share, o.example) for o in contamination(test, training)] == [
        (0, "")
    ] * 2


def test_training_documents_that_quote_the_test_are_dropped_with_the_quotation():
    random_ = random.Random(9)
    test = Passage("test", text_of(prose(random_, 30)))
    clean = Passage("clean", text_of(prose(random_)))
    quoting = Passage("quoting", f"{clean.text} Look: {test.text}")
    sifting = drop_contaminated([clean, quoting], [test])
    assert sifting.kept == [clean]
    (dropped,) = sifting.dropped
    assert dropped.source == "quoting" and test.text[:-1].lower() in dropped.reason


def test_phrase_of_no_words_is_refused():
    with pytest.raises(ValueError, match="words is 0"):
        contamination([], [], words=0)
