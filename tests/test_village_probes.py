"""Probes: sentences that the village writes, cut or spoiled in one place."""

import re
from collections import Counter

import pytest

from llmlab import village
from llmlab.village import corpus, minimal_pairs, sayings, world


@pytest.fixture(scope="module")
def found():
    return village.probes(seed=0)


def test_there_are_17_phenomena_with_20_pairs_each(found):
    counts = Counter(pair.phenomenon for pair in found.minimal_pairs)
    assert len(counts) == 17
    assert set(counts.values()) == {20}


def test_the_two_sentences_of_a_pair_differ_in_one_thing(found):
    for pair in found.minimal_pairs:
        good, bad = pair.good.split(), pair.bad.split()
        assert len(good) == len(bad) and good != bad
        pairs = enumerate(zip(good, bad, strict=True))
        differing = [number for number, (a, b) in pairs if a != b]
        if "order" not in pair.phenomenon:
            assert differing[-1] - differing[0] <= 2


def test_no_phenomenon_is_about_one_word_alone(found):
    for phenomenon in {pair.phenomenon for pair in found.minimal_pairs}:
        pairs = [p for p in found.minimal_pairs if p.phenomenon == phenomenon]
        assert len({pair.good for pair in pairs}) >= 15


def test_the_right_sentence_is_one_that_the_village_writes(found):
    documents = tuple(corpus.documents(4000, seed=0, split="test"))
    text = "\n".join(document.text for document in documents)
    sentences = {s for d in documents for s in minimal_pairs.sentences_of(d.text)}
    for pair in found.minimal_pairs:
        assert pair.good in text
        assert pair.bad not in sentences


def test_the_wrong_pronoun_is_the_wrong_one(found):
    people = world.load().people
    for pair in found.minimal_pairs:
        if pair.phenomenon not in ("gender of the pronoun", "gender of the possessive"):
            continue
        good, bad = pair.good.split(), pair.bad.split()
        place = next(
            n for n, (a, b) in enumerate(zip(good, bad, strict=True)) if a != b
        )
        before = re.findall(r"\w+", " ".join(good[:place]))
        (gender,) = {people[name].gender for name in before if name in people}
        right = {"female": ("she", "her", "herself"), "male": ("he", "his", "himself")}
        assert good[place].strip(".,;").lower() in right[gender], pair


def test_a_completion_has_three_other_endings(found):
    for probe in found.completions:
        assert len(set(probe.distractors)) == 3
        assert probe.answer not in probe.distractors
        assert all(ending.startswith(" ") for ending in probe.distractors)
        assert not probe.prefix.endswith(" ")


def test_completions_ask_for_sayings_meanings_facts_and_reversals(found):
    kinds = Counter(probe.kind for probe in found.completions)
    assert set(kinds) == {"idiom", "meaning", "proverb", "fact", "reversal"}
    assert min(kinds.values()) >= 50
    assert kinds["idiom"] == kinds["meaning"] == len(sayings.load().idioms)


def test_facts_are_true_and_asked_in_sentences_of_the_village(found):
    texts = "\n".join(
        document.text for document in corpus.documents(4000, seed=0, split="test")
    )
    people = world.load().people
    for probe in found.completions:
        if probe.kind not in ("fact", "reversal"):
            continue
        assert probe.prefix + probe.answer in texts
        answer = probe.answer.strip()
        if probe.kind == "fact":
            known = [people[n] for n in re.findall(r"\w+", probe.prefix) if n in people]
            values = {
                value
                for person in known
                for value in (person.home, person.trade, person.like, person.wish)
                + (person.habit, person.fear, person.kin)
            }
            assert answer in values, probe
        else:
            assert answer in people


def test_facts_are_asked_in_many_wordings(found):
    names = "|".join(world.load().people)
    for kind, fewest in (("fact", 12), ("reversal", 5)):
        prefixes = {
            re.sub(rf"\b({names})\b", "NAME", probe.prefix)
            for probe in found.completions
            if probe.kind == kind
        }
        assert len(prefixes) >= fewest


def test_the_same_seed_gives_the_same_probes(found):
    assert village.probes(seed=0) == found
    assert village.probes(seed=1) != found


@pytest.mark.parametrize(
    "plural, singular",
    [("boats", "boat"), ("ladies", "lady"), ("boxes", "box"), ("benches", "bench")],
)
def test_a_plural_is_made_singular(plural, singular):
    assert minimal_pairs._singular(plural) == singular


def test_a_probe_has_thirty_words_at_most_and_an_end():
    thirty = " ".join(["word"] * 29 + ["end."])
    assert minimal_pairs._is_whole(thirty)
    assert not minimal_pairs._is_whole(f"One {thirty}")
    assert not minimal_pairs._is_whole("One word")
