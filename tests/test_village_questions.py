"""Questions: what training leaves out, and how two steps are judged."""

import re
from collections import Counter

import pytest

from llmlab import village
from llmlab.village import frames, questions

SPLITS = ("train", "validation", "test")
KEPT_OUT = SPLITS[1:]


def examples(split, count):
    return village.instructions(count, seed=0, split=split, task="question")


def asked_of(fact):
    return fact.kind, fact.name


# ---- wordings


def texts(wordings):
    return [text for frame in wordings for text in frames.every_text(frame)]


def words_of(text):
    return frozenset(re.findall(r"\{[a-z.]+\}|\w+", text.lower()))


def test_every_kind_has_eight_to_ten_wordings_and_two_of_them_are_kept_out():
    for kind in questions.load():
        assert 8 <= len(kind.ask) <= 10
        split_up = [kind.wordings(split) for split in SPLITS]
        assert [len(found) for found in split_up[1:]] == [1, 1]
        assert sum(split_up, ()) == kind.ask
        assert len(kind.reverse) in (0, 3, 4)


def test_no_wording_asks_for_two_kinds():
    of = {
        kind.name: texts((*kind.ask, *kind.reverse, *kind.answers))
        for kind in questions.load()
    }
    every = [text for found in of.values() for text in found]
    assert len(set(every)) == len(every)


@pytest.mark.parametrize("split", KEPT_OUT)
def test_the_words_of_a_kept_out_wording_stand_in_known_ones_of_its_kind(split):
    """All of them: nobody who has read only of this village knows other words."""
    small = {"to", "be"}  # stand in those of other kinds
    for kind in questions.load():
        known = texts((*kind.wordings("train"), *kind.reverse, *kind.answers))
        (wording,) = texts(kind.wordings(split))
        assert words_of(wording) - small <= frozenset().union(*map(words_of, known))


@pytest.mark.parametrize("split", KEPT_OUT)
def test_a_kept_out_wording_is_nearest_to_known_ones_of_its_own_kind(split):
    """Words are shared; a word that few kinds use weighs more."""
    known = {
        kind.name: [words_of(text) for text in texts(kind.wordings("train"))]
        for kind in questions.load()
    }
    users = Counter(w for found in known.values() for w in frozenset().union(*found))

    def weight(words):
        return sum(1 / max(1, users[word]) for word in words)

    for kind in questions.load():
        wording = words_of(*texts(kind.wordings(split)))
        nearness = {
            name: max(weight(wording & one) / weight(wording | one) for one in found)
            for name, found in known.items()
        }
        own = nearness.pop(kind.name)
        assert own > 1.5 * max(nearness.values()), (kind.name, split)


# ---- what training leaves out


def test_a_split_asks_its_own_populations_in_their_shares():
    steps = dict.fromkeys(("two steps", "two steps, said first"), 0.15)
    for split in SPLITS:
        single = {"known wording": 0.35, "backwards": 0.35}
        if split in KEPT_OUT:
            single = {"new wording": 0.4, "backwards": 0.3}
        found = Counter(example.phenomenon for example in examples(split, 2000))
        assert set(found) == {*single, *steps}
        for phenomenon, share in (single | steps).items():
            assert found[phenomenon] / 2000 == pytest.approx(share, abs=0.04)


def test_the_reversal_of_a_fact_is_asked_in_one_split_only():
    found = {
        split: {
            asked_of(example.facts["fact"])
            for example in examples(split, 6000)
            if example.phenomenon == "backwards"
        }
        for split in SPLITS
    }
    assert len(found["test"]) > 40 and len(found["validation"]) > 30
    assert len(set.union(*found.values())) == sum(map(len, found.values()))
    reversible = [f for kind in questions.load() for f in kind.facts if f.reversible]
    assert len(found["train"]) > 0.7 * len(reversible)


def test_two_facts_are_joined_in_one_split_only_and_said_first_nowhere_else():
    joined = {}
    for split in SPLITS:
        direct, said = (
            {
                (asked_of(e.facts["link"]), e.facts["fact"].kind)
                for e in village.two_step_questions(split=split, said_first=said_first)
            }
            for said_first in (False, True)
        )
        assert direct == said
        joined[split] = direct
        drawn = {
            (asked_of(e.facts["link"]), e.facts["fact"].kind)
            for e in examples(split, 1500)
            if "link" in e.facts
        }
        assert drawn <= direct
    count = len(set.union(*joined.values()))
    assert count == sum(map(len, joined.values())) > 1500
    assert 0.15 < len(joined["test"]) / count < 0.21
    assert 0.06 < len(joined["validation"]) / count < 0.11


def test_what_is_kept_out_in_reverse_or_joined_is_asked_alone_in_training():
    alone = {
        asked_of(example.facts["fact"])
        for example in examples("train", 25_000)
        if example.phenomenon == "known wording"
    }
    for split in KEPT_OUT:
        for example in examples(split, 1000):
            if example.phenomenon != "new wording":
                parts = example.facts["fact"], example.facts.get("link")
                assert {asked_of(part) for part in parts if part} <= alone


def test_no_prompt_of_training_is_one_of_a_kept_out_split():
    train = {example.prompt for example in examples("train", 4000)}
    for split in KEPT_OUT:
        assert not train & {example.prompt for example in examples(split, 1000)}


# ---- two steps


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("said_first", [False, True])
def test_every_question_of_two_steps_is_answered_right_and_tells_no_answer(
    split, said_first
):
    found = village.two_step_questions(split=split, said_first=said_first)
    assert found == village.two_step_questions(split=split, said_first=said_first)
    for example in found:
        score = village.score_answer(example, example.answer)
        assert (score["right"], score["steps"]) == (1, said_first)
        assert example.facts["fact"].value not in example.prompt
        assert example.prompt.endswith("Think first.") == said_first


def mirror(said_first):
    """ "Where does the owner of the mirror live?": Yara has it."""
    for split in SPLITS:
        for example in village.two_step_questions(split=split, said_first=said_first):
            facts = example.facts
            if (facts["link"].name, facts["fact"].kind) == ("mirror", "home"):
                assert facts["fact"].name == facts["link"].value == "Yara"
                return example, facts["fact"].value
    raise AssertionError("nobody asks for the home of the owner of the mirror")


@pytest.mark.parametrize(
    "answer, right",
    [
        ("The owner of the mirror lives at {home}.", 1),
        ("{Home}.", 1),
        ("The owner of the mirror, Yara, lives at {home}.", 1),
        ("The owner of the mirror lives at the mill.", 0),
        ("The owner of the mirror lives at the mill or at {home}.", 0),
        ("Otto lives at {home}.", 0),
        ("The owner of the mirror lives at {home}", 0),
        ("Yara has the finest mirror. Yara lives at {home}. Answer: {home}.", 0),
        ("", 0),
    ],
)
def test_a_direct_answer_is_one_sentence_with_the_value_and_no_other(answer, right):
    example, home = mirror(said_first=False)
    home_at_the_start = home[0].upper() + home[1:]
    said = answer.format(home=home, Home=home_at_the_start)
    assert village.score_answer(example, said)["right"] == right


@pytest.mark.parametrize(
    "answer, right, steps",
    [
        ("Yara has the finest mirror. Yara lives at {home}. Answer: {home}.", 1, 1),
        ("Yara has the finest mirror. Yara lives at {home}. Answer: the mill.", 0, 1),
        ("Yara has the finest mirror. Yara lives at the mill. Answer: {home}.", 0, 0.5),
        ("Otto has the finest mirror. Yara lives at {home}. Answer: {home}.", 0, 0.5),
        ("Otto has the finest mirror. Otto lives at {home}. Answer: {home}.", 0, 0),
        ("Yara has the finest mirror. Otto lives at {home}. Answer: {home}.", 0, 0.5),
        ("Yara lives at {home}. Yara has the finest mirror. Answer: {home}.", 0, 0),
        ("Yara has the finest mirror. Yara lives at {home}.", 0, 1),
        ("Yara has the finest mirror. Yara lives at {home}. So. Answer: {home}.", 0, 1),
        ("Yara has the finest mirror. Yara lives at {home}. Answer: {home}", 0, 1),
        ("The owner of the mirror lives at {home}.", 0, 0),
        ("", 0, 0),
    ],
)
def test_said_first_both_facts_must_be_true_and_so_must_the_answer(
    answer, right, steps
):
    example, home = mirror(said_first=True)
    score = village.score_answer(example, answer.format(home=home))
    assert (score["right"], score["steps"]) == (right, steps)


def test_an_answer_about_the_village_names_no_other_value():
    for example in examples("train", 300):
        fact, link = example.facts["fact"], example.facts.get("link")
        other = min(questions.other_values(fact) - {link.name if link else ""})
        wrong = f"{example.answer[:-1]} and {other}."
        assert village.score_answer(example, wrong)["right"] == 0
        assert village.score_answer(example, f"{fact.name}.")["right"] == 0
