"""The corpus is as varied as it was promised, measured on 900 kB of it."""

import lzma
import re
from collections import Counter

import pytest

from llmlab import village

SIZE = 900_000
_WORD = re.compile(r"[A-Za-zÀ-ÿ]+(?:'[a-z]+)?|\d+|[^\w\s]")
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"”]?\s+|\n+")


@pytest.fixture(scope="module")
def texts() -> list[str]:
    found, length = [], 0
    for document in village.documents(20_000, seed=0, split="train"):
        found.append(document.text)
        length += len(document.text) + 1
        if length >= SIZE:
            return found
    raise AssertionError("20,000 documents have less than 900 kB")


@pytest.fixture(scope="module")
def words(texts) -> list[str]:
    return [word.lower() for text in texts for word in _WORD.findall(text)]


def distinct(words: list[str], size: int) -> float:
    """The share of different runs of `size` words in the first 150,000."""
    runs = list(zip(*(words[:150_000][start:] for start in range(size)), strict=False))
    return len(set(runs)) / len(runs)


def test_it_does_not_compress_too_well(texts):
    text = "\n\n".join(texts)
    packed = lzma.compress(text.encode(), preset=9 | lzma.PRESET_EXTREME)
    assert 8 * len(packed) / len(text) >= 1.4


def test_words_stand_together_in_many_ways(words):
    assert distinct(words, 2) >= 0.12
    assert distinct(words, 3) >= 0.35


def test_it_has_many_words_and_most_of_them_often(words):
    counts = Counter(word for word in words if word[0].isalpha())
    assert len(counts) >= 1_900
    once = sum(count == 1 for count in counts.values())
    assert once <= 0.12 * len(counts)


def test_few_sentences_occur_twice(texts):
    sentences = [
        " ".join(sentence.split()).lower()
        for text in texts
        for sentence in _SENTENCE_END.split(text)
        if len(sentence.split()) >= 3
    ]
    counts = Counter(sentences)
    repeated = sum(count for count in counts.values() if count > 1)
    assert repeated <= 0.15 * len(sentences)


def test_no_document_occurs_twice(texts):
    assert len(set(texts)) == len(texts)


def test_documents_are_of_the_promised_length(texts):
    lengths = [len(text.split()) for text in texts]
    assert 55 <= sum(lengths) / len(lengths) <= 115
    assert max(lengths) <= 165


def test_nothing_dominates(texts):
    openings = Counter(" ".join(text.split()[:4]) for text in texts)
    assert openings.most_common(1)[0][1] <= 0.05 * len(texts)
