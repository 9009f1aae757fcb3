"""Thresholds at their edge: what is exactly as long, or as alike, as a rule says."""

import pytest

from llmlab.memorisation import Copy, longest_copies
from llmlab.ngrams import NgramModel
from llmlab.real_text import (
    LONG_PARAGRAPH,
    LONGEST_PASSAGE,
    QUALITY_RULES,
    Passage,
    Source,
    contamination,
    drop_contaminated,
    drop_near_copies,
    drop_repetitions,
    guess_language,
    main_text,
    refine,
)
from llmlab.real_text.extraction import LONG_BLOCK, LONG_SENTENCE, Block
from llmlab.real_text.near_duplicates import likeness, phrases_of
from llmlab.real_text.quality import LONGEST_NOTICE, Measured, drop_notices
from llmlab.real_text.refining import CUT, NEARLY_ALL, WORTH_A_LOOK

WORDS = [f"word{number}" for number in range(100)]


def text(count, first=0):
    return " ".join(WORDS[first : first + count])


# A phrase that is the whole text ------------------------------------------------------


@pytest.mark.parametrize(("count", "share"), [(7, 0), (8, 1), (9, 1)])
def test_text_exactly_as_long_as_a_phrase_can_be_known(count, share):
    test, training = [Passage("test", text(count))], [Passage("read", text(50))]
    (overlap,) = contamination(test, training)
    assert overlap.share == share
    assert overlap.example == (text(count) if share else "")
    (overlap,) = contamination(training, test)
    assert bool(overlap.share) == bool(share)
    assert bool(drop_contaminated(training, test).dropped) == bool(share)


def test_phrase_at_either_end_of_a_text_is_found():
    test = [Passage("test", text(50))]
    for first in (0, 42):
        (overlap,) = contamination(test, [Passage("read", text(8, first))])
        assert overlap.share == pytest.approx(1 / 43)
        assert overlap.example == text(8, first)


@pytest.mark.parametrize(("count", "phrases"), [(4, 1), (5, 1), (6, 2)])
def test_text_exactly_as_long_as_a_phrase_is_one(count, phrases):
    assert len(phrases_of(text(count))) == phrases


def test_copy_may_be_the_whole_of_either_text():
    assert longest_copies([text(3)], [text(3)]) == [Copy(3, text(3))]
    assert longest_copies([text(3)], [text(9)]) == [Copy(3, text(3))]
    assert longest_copies([text(9)], [text(3, 6)]) == [Copy(3, text(3, 6))]
    assert longest_copies([text(1)], [text(1)]) == [Copy(1, text(1))]


def test_sequence_exactly_as_long_as_an_ngram_is_counted():
    model = NgramModel(vocab_size=5, order=3).fit([[0, 1, 2]])
    assert len(model.log_probs([0, 1, 2])) == 2
    assert model.distribution([0, 1]).argmax() == 2


@pytest.mark.parametrize("length", [2, 4, 10])
def test_text_exactly_as_long_as_the_phrases_of_a_quality_rule_is_measured(length):
    (rule,) = [
        rule
        for rule in QUALITY_RULES
        if rule.name
        == {2: "one phrase", 4: "one long phrase", 10: "repeated phrases"}[length]
    ]
    for count in (length - 1, length, length + 1):
        assert rule.measure(Measured(text(count))) == 0
    repeated = Measured(f"{text(length)} {text(length)}")
    assert rule.measure(repeated) == (1 if length < 10 else 0.5)


# Exactly at the threshold -------------------------------------------------------------


@pytest.mark.parametrize(("length", "dropped"), [(-1, 0), (0, 1), (1, 1)])
def test_paragraph_of_exactly_the_length_that_may_not_repeat_does_not(length, dropped):
    again = "x" * (LONG_PARAGRAPH + length)
    fresh = "y" * (2 * LONG_PARAGRAPH)
    passages = [Passage("a", again), Passage("b", f"{again}\n\n{fresh}")]
    assert len(drop_repetitions(passages).dropped) == dropped


@pytest.mark.parametrize(("fresh", "kept"), [(9, 1), (10, 2), (11, 2)])
def test_passage_exactly_half_of_which_came_before_stays(fresh, kept):
    passages = [Passage("a", "x" * 10), Passage("b", "x" * 10 + "\n\n" + "y" * fresh)]
    assert len(drop_repetitions(passages).kept) == kept


def test_texts_exactly_as_alike_as_the_threshold_are_copies():
    first, second = Passage("a", text(24)), Passage("b", text(24, 2))
    alike = likeness(phrases_of(first.text), phrases_of(second.text))
    assert alike == 18 / 22
    assert drop_near_copies([first, second], alike).kept == [first]
    assert drop_near_copies([first, second], alike + 1e-9).kept == [first, second]


@pytest.mark.parametrize("rule", QUALITY_RULES, ids=lambda rule: rule.name)
def test_value_exactly_at_the_bound_of_a_quality_rule_stays(rule):
    for value, stays in (
        (rule.lowest, True),
        (rule.highest, True),
        (rule.lowest - 1e-6, rule.lowest == -float("inf")),
        (rule.highest + 1e-6, rule.highest == float("inf")),
    ):
        fixed = type(rule)("x", "y", lambda _, v=value: v, rule.lowest, rule.highest)
        assert (fixed.complaint(Measured("")) is None) == stays


@pytest.mark.parametrize(("length", "kept"), [(0, 0), (1, 1)])
def test_notice_of_exactly_the_greatest_length_goes(length, kept):
    notice = "We use cookies. ".ljust(LONGEST_NOTICE + length, "x")
    assert len(drop_notices([Passage("a", notice)]).kept) == kept


@pytest.mark.parametrize(("length", "passages"), [(0, 1), (1, 2)])
def test_text_of_exactly_the_greatest_length_is_not_cut(length, passages):
    kept = CUT.sift([Passage("a", "x" * (LONGEST_PASSAGE + length))]).kept
    assert len(kept) == passages


@pytest.mark.parametrize(("length", "is_paragraph"), [(-1, False), (0, True)])
def test_block_of_exactly_the_length_of_a_paragraph_is_one(length, is_paragraph):
    def block(text, linked=0):
        return Block(text, linked, "text", False)

    assert block("x" * (LONG_BLOCK + length)).is_paragraph == is_paragraph
    sentence = "x" * (LONG_SENTENCE + length - 1) + "."
    assert block(sentence).is_paragraph == is_paragraph
    assert block("x" * 30, linked=10 - length).is_menu != is_paragraph


@pytest.mark.parametrize(("others", "language"), [(9, "English"), (10, "unknown")])
def test_text_with_exactly_enough_little_words_has_a_language(others, language):
    assert guess_language(f"the {text(others)}").language == language


@pytest.mark.parametrize(("inside", "is_layout"), [(50, False), (51, True)])
def test_element_with_exactly_half_of_the_text_is_beside_it(inside, is_layout):
    extraction = main_text(f"<nav>{'x' * inside}</nav><p>{'y' * 49}.</p>")
    assert extraction.left_out == (() if is_layout else ("x" * inside,))


@pytest.mark.parametrize(
    ("size", "share", "aloud"), [(0, 1e-9, 1), (0, 0, 0), (-1, 0.1, 0)]
)
def test_warning_begins_exactly_at_its_bounds(size, share, aloud):
    words = WORTH_A_LOOK + size
    beside = round((NEARLY_ALL + share) * words) + (share > 0)
    source = Source("a", "x" * (words - beside), ("y" * beside,))
    warnings = refine("x", [source], ())[1].warnings
    assert sum(warning.startswith("of a, ") for warning in warnings) == aloud
