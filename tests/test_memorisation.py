"""The longest copy, against a search that compares every pair of places."""

import random

import pytest

from llmlab.memorisation import Copy, longest_copies


def slow_longest(text, training):
    words, best = text.split(), []
    for other in training:
        theirs = other.split()
        for start in range(len(words)):
            for place in range(len(theirs)):
                length = 0
                while (
                    start + length < len(words)
                    and place + length < len(theirs)
                    and words[start + length] == theirs[place + length]
                ):
                    length += 1
                if length > len(best):
                    best = words[start : start + length]
    return len(best)


@pytest.mark.parametrize("seed", range(20))
def test_the_longest_copy_is_what_a_slow_search_finds(seed):
    dice = random.Random(seed)

    def text():
        return " ".join(dice.choices("abc", k=dice.randrange(12)))

    texts, training = ([text() for _ in range(5)] for _ in range(2))
    for own, copy in zip(texts, longest_copies(texts, training), strict=True):
        assert copy.words == slow_longest(own, training)
        assert len(copy.text.split()) == copy.words
        assert copy.text in " ".join(own.split())
        assert not copy.words or any(copy.text in other for other in training)


def test_a_copy_does_not_run_from_one_text_into_the_next():
    (copy,) = longest_copies(["the cat sat down"], ["see the cat", "sat down"])
    assert copy == Copy(2, "the cat")


def test_marks_and_capitals_count():
    (copy,) = longest_copies(["The cat sat."], ["the cat sat, the cat sat"])
    assert copy == Copy(1, "cat")


def test_nothing_in_common_is_a_copy_of_no_words():
    assert longest_copies(["a b", ""], ["c"]) == [Copy(0, ""), Copy(0, "")]
    assert longest_copies(["a b"], []) == [Copy(0, "")]
    assert longest_copies([], ["a"]) == []
