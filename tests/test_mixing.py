"""Mixtures against rhythms that a pencil finds; datasheets against their sources."""

import random
from collections import Counter

import pytest

from llmlab.real_text import THOROUGH, Source, datasheet, mix, refine
from llmlab.real_text.datasheet import QUESTIONS


def documents(name, count, longest=1):
    chance = random.Random(name)
    return [name[0] * chance.randint(1, longest) + str(n) for n in range(count)]


def drawn(mixture):
    return "".join(name[0] for name in mixture.names)


# Shares -------------------------------------------------------------------------------


@pytest.mark.parametrize("longest", [1, 20, 300])
def test_shares_converge_to_the_weights_in_every_stretch(longest):
    weights = {"web": 5, "books": 3.5, "articles": 1.5, "sayings": 0.1}
    sources = {name: documents(name, 50, longest) for name in weights}
    mixture = mix(sources, weights, 400 * longest, seed=1)
    widest = max(len(item) for items in sources.values() for item in items)
    amounts = Counter()
    for name, item in zip(mixture.names, mixture.items, strict=True):
        amounts[name] += len(item)
        for other, weight in weights.items():
            due = weight / sum(weights.values()) * sum(amounts.values())
            assert abs(amounts[other] - due) <= 2 * widest
    assert mixture.amounts == dict(amounts)
    assert sum(mixture.shares.values()) == pytest.approx(1)


@pytest.mark.parametrize(("weight", "rhythm"), [(1, "ab"), (2, "aba"), (3, "abaa")])
def test_documents_of_one_size_come_in_the_rhythm_of_their_weights(weight, rhythm):
    sources = {"a": ["1"] * 5, "b": ["2"] * 5}
    mixture = mix(sources, {"a": weight, "b": 1}, 8 * len(rhythm), seed=0)
    assert drawn(mixture) == 8 * rhythm


def test_weights_are_shares_of_what_is_measured_and_not_of_documents():
    sources = {"long": ["x" * 30] * 9, "short": ["y"] * 9}
    by_length = mix(sources, {"long": 1, "short": 1}, 3_000, seed=0)
    counts = Counter(by_length.names)
    assert counts["short"] == pytest.approx(30 * counts["long"], abs=30)
    by_number = mix(sources, {"long": 1, "short": 1}, 100, measure=lambda _: 1, seed=0)
    assert Counter(by_number.names) == {"long": 50, "short": 50}


def test_only_the_proportion_of_the_weights_counts():
    sources = {"a": documents("a", 9, 9), "b": documents("b", 9, 9)}
    small = mix(sources, {"a": 0.25, "b": 0.75}, 200, seed=3)
    assert small == mix(sources, {"a": 20, "b": 60}, 200, seed=3)


def test_total_is_exceeded_by_less_than_a_document():
    sources = {"a": documents("a", 30, 50)}
    for total in range(1, 400, 7):
        mixture = mix(sources, {"a": 1}, total, seed=0)
        amount = mixture.amounts["a"]
        assert total <= amount < total + len(mixture.items[-1])


# Epochs -------------------------------------------------------------------------------


def test_a_source_is_read_to_its_end_before_anything_comes_again():
    source = documents("a", 7)
    mixture = mix({"a": source}, {"a": 1}, 3 * sum(map(len, source)), seed=2)
    passes = [mixture.items[start : start + 7] for start in (0, 7, 14)]
    assert [sorted(items) for items in passes] == [sorted(source)] * 3
    assert passes[0] != passes[1] != passes[2], "each pass in another order"


def test_epochs_say_how_often_each_source_was_read():
    sources = {"small": ["s"] * 10, "large": ["l"] * 1000}
    mixture = mix(sources, {"small": 1, "large": 4}, 250, seed=0)
    assert mixture.epochs == {"small": 5.0, "large": 0.2}
    assert "small" in str(mixture) and "5.00" in str(mixture)


def test_the_same_seed_gives_the_same_mixture_whatever_else_is_mixed_in():
    sources = {name: documents(name, 40, 9) for name in ("a", "b", "c")}
    weights = {"a": 1, "b": 2, "c": 0}
    mixture = mix(sources, weights, 300, seed=5)
    assert mixture == mix(sources, weights, 300, seed=5)
    assert mixture.items != mix(sources, weights, 300, seed=6).items
    assert "c" not in mixture.names
    others = mix(sources, {"a": 1, "b": 1, "c": 9}, 900, seed=5)

    def of_a(mixture):
        pairs = zip(mixture.names, mixture.items, strict=True)
        return [item for name, item in pairs if name == "a"]

    shortest = min(len(of_a(mixture)), len(of_a(others)))
    assert of_a(mixture)[:shortest] == of_a(others)[:shortest] and shortest > 10


@pytest.mark.parametrize(
    ("sources", "weights", "total", "complaint"),
    [
        ({"a": ["x"]}, {"a": 1, "b": 1}, 9, "b is in one of sources and weights only"),
        ({"a": ["x"]}, {"a": -1}, 9, "the weight of a is -1"),
        ({"a": ["x"]}, {"a": float("nan")}, 9, "the weight of a is nan"),
        ({"a": ["x"]}, {"a": 0}, 9, "all weights are 0"),
        ({"a": [], "b": ["x"]}, {"a": 1, "b": 1}, 9, "nothing in a"),
        ({"a": ["", ""]}, {"a": 1}, 9, "nothing in a"),
        ({"a": ["x"]}, {"a": 1}, 0, "total is 0"),
    ],
)
def test_impossible_mixture_is_refused(sources, weights, total, complaint):
    with pytest.raises(ValueError, match=complaint):
        mix(sources, weights, total, seed=0)


# The datasheet ------------------------------------------------------------------------

ANSWERS = {key: f"The answer about {key}." for key in QUESTIONS}
MIXTURE = mix(
    {"web": ["x"] * 10, "books": ["y"] * 10}, {"web": 3, "books": 1}, 40, seed=0
)
_, REPORT = refine("a heap", [Source("a", "Short."), Source("b", "Brief.")], THOROUGH)


def test_datasheet_answers_every_question_and_adds_what_was_measured():
    sheet = datasheet("Ours", ANSWERS, mixture=MIXTURE, reports=[REPORT])
    for key, question in QUESTIONS.items():
        assert f"## {key.capitalize()}\n\n*{question}*\n\n{ANSWERS[key]}" in sheet
    assert "| web | 30 | 75% | 3.00 |" in sheet
    assert "Of a heap, 0% of 12 characters were kept" in sheet
    assert "- not English: 2 passages, 0 parts" in sheet
    assert "near copies" not in sheet, "a rule that found nothing is not listed"


def test_datasheet_says_so_where_nothing_was_dropped():
    _, report = refine("a shelf", [Source("a", "Short.")], ())
    sheet = datasheet("Ours", ANSWERS, mixture=MIXTURE, reports=[report])
    assert "Of a shelf, 100% of 6 characters were kept. Nothing was dropped." in sheet


def test_datasheet_counts_in_good_english():
    _, report = refine("a shelf", [Source("a", "Short.")], THOROUGH)
    sheet = datasheet("Ours", ANSWERS, mixture=MIXTURE, reports=[report])
    assert "- not English: 1 passage, 0 parts" in sheet


def test_datasheet_with_a_question_open_is_refused():
    with pytest.raises(ValueError, match="not answered yet:\n  uses: What is it good"):
        datasheet("Ours", ANSWERS | {"uses": "  "}, mixture=MIXTURE)
    with pytest.raises(ValueError, match="nobody asked about colour"):
        datasheet("Ours", ANSWERS | {"colour": "blue"}, mixture=MIXTURE)
