"""The corpus: counted, reproducible, disjoint, of the promised shape."""

import hashlib
import itertools
import math
import re
from collections import Counter

import pytest

from llmlab import village
from llmlab.village import corpus, frames, sayings, world
from llmlab.village.chooser import Chooser, every_derivation

COUNT = 3000


@pytest.fixture(scope="module")
def train():
    return list(village.documents(COUNT, seed=0, split="train"))


# ---- the chooser


def tiny_grammar(chooser):
    """Every kind of choice, nested: 2 + 6 * 3 derivations of different texts."""
    if chooser.coin(0.3):
        return chooser.pick(["yes", "no"])
    first, second = chooser.sample(["a", "b", "c"], 2)
    return first + second + chooser.weighted({"x": 1.0, "y": 2.0, "z": 5.0})


def test_the_probabilities_of_all_derivations_sum_to_one():
    derivations = every_derivation(tiny_grammar)
    assert len(derivations) == 20
    assert len({text for text, _ in derivations}) == 20
    assert sum(2.0**-bits for _, bits in derivations) == pytest.approx(1.0)


def test_the_bits_of_a_text_are_its_frequency():
    draws = 20_000
    seen = Counter()
    bits = {}
    for number in range(draws):
        chooser = Chooser("frequency", number)
        text = tiny_grammar(chooser)
        seen[text] += 1
        bits[text] = chooser.bits
    expected = dict(every_derivation(tiny_grammar))
    for text, count in seen.items():
        assert bits[text] == pytest.approx(expected[text])
        probability = 2.0 ** -bits[text]
        error = math.sqrt(draws * probability)
        assert abs(count - draws * probability) < 5 * error


def test_a_frame_counts_what_it_chooses():
    lists = {"day": frames.parse_list("Monday\nFriday")}
    frame = frames.parse("{Who} [ran|walked [home|away]] on <day>.", lists)
    found = every_derivation(lambda c: frames.expand(frame, {"Who": "Tilda"}, c))
    assert sum(2.0**-bits for _, bits in found) == pytest.approx(1.0)
    assert sorted(text for text, _ in found) == sorted(
        text.format(Who="Tilda") for text in frames.every_text(frame)
    )


def test_a_sample_never_repeats_and_asks_for_no_more_than_there_is():
    chooser = Chooser("sample")
    assert sorted(chooser.sample("abc", 3)) == ["a", "b", "c"]
    assert chooser.bits == pytest.approx(math.log2(6))
    with pytest.raises(ValueError, match="only 3"):
        chooser.sample("abc", 4)


# ---- the documents


def test_a_document_depends_on_seed_split_and_number_alone(train):
    later = list(village.documents(5, seed=0, split="train", start=100))
    assert later == train[100:105]
    assert next(village.documents(1, seed=1, split="train")) != train[0]


def test_the_first_document_is_the_same_on_every_machine(train):
    # Bits are of fixed choices, so they pin the draws without pinning the words.
    assert [document.genre for document in train[:8]] == FIRST_GENRES


FIRST_GENRES = [
    "websites",
    "books",
    "websites",
    "bilingual",
    "books",
    "books",
    "books",
    "articles",
]


def test_splits_share_no_document(train):
    texts = {
        split: {d.text for d in village.documents(COUNT, seed=0, split=split)}
        for split in corpus.SPLITS
    }
    for one, other in itertools.combinations(corpus.SPLITS, 2):
        assert not texts[one] & texts[other]


def test_documents_are_short_enough_for_a_context(train):
    lengths = [len(document.text.split()) for document in train]
    assert max(lengths) <= 165
    assert 50 <= sum(lengths) / len(lengths) <= 110


def test_genres_have_their_shares_of_the_words(train):
    words = Counter()
    for document in train:
        words[document.genre] += len(document.text.split())
    shares = {genre: count / sum(words.values()) for genre, count in words.items()}
    promised = {
        "books": 0.45,
        "articles": 0.2,
        "websites": 0.2,
        "bilingual": 0.1,
        "sayings": 0.05,
    }
    assert shares == pytest.approx(promised, abs=0.03)


def test_text_is_clean(train):
    for document in train:
        assert not re.search(r"[{}\[\]<>|]|  | [.,]|\bNone\b", document.text)
        if document.genre == "bilingual":  # French has a space before ? and !
            continue
        assert not re.search(" [;:!?]", document.text), document.text
        articles = re.sub(r"\b[Aa]n (hour|honest)", "a", document.text)
        wrong = re.search(r"\b[Aa] [aeiou]|\b[Aa]n [^aeiou]", articles)
        assert not wrong, (wrong, document.text)


def test_pronouns_agree_with_the_only_person_of_a_text():
    for subject, person in world.load().people.items():
        slots = world.person_slots(person, "who")
        assert slots["who.he"] == person.pronoun("he")
        assert (slots["who.his"] == "his") == (person.gender == "male"), subject


def test_the_pangram_is_told_often_enough_to_be_learned(train):
    told = sum(sayings.PANGRAM in document.text for document in train)
    assert told > 0.015 * COUNT
    assert set("abcdefghijklmnopqrstuvwxyz") <= set(sayings.PANGRAM.lower())


@pytest.mark.parametrize(
    "arguments",
    [
        {"count": 1, "seed": 0, "split": "dev"},
        {"count": -1, "seed": 0, "split": "train"},
    ],
)
def test_a_wrong_request_is_refused(arguments):
    with pytest.raises(ValueError, match="expected|must be"):
        list(village.documents(arguments.pop("count"), **arguments))


def test_the_same_seed_gives_the_texts_that_the_shipped_models_have_read(train):
    """A change of the words changes this on purpose, and then the models are trained
    anew; a change of the code never does."""
    digest = hashlib.sha256()
    for document in train[:300]:
        digest.update(f"{document.text}|{document.bits:.6f}\n".encode())
    for split in corpus.SPLITS:
        for example in village.instructions(100, seed=0, split=split):
            digest.update(f"{example.prompt}|{example.answer}\n".encode())
        for pair in village.story_pairs(30, seed=0, split=split):
            digest.update(f"{pair.prompt}|{pair.first}|{pair.second}\n".encode())
    assert digest.hexdigest()[:16] == "163575e148e413bf"
