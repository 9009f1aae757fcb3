"""The bench of edits: each changes what it should, and to the reader nothing else."""

from dataclasses import asdict

import pytest

from llmlab import village
from llmlab.village import edits, gold, parsing

COUNT = 60
# What an edit changes of what the reader finds; None: by how much, depends on the plot.
# Words, and with them the share of repeated ones, change wherever a sentence does.
CHANGES = {
    "twist": {"counts": {"twist": 1}},
    "line": {"counts": {"line": 1}},
    "simile": {"counts": {"simile": 1}},
    "detail": {"counts": {"senses": 1}},
    "fact": {},
    "wrong name": {"broken": 1},
    "wrong day": {"broken": 1},
    "no end": {"finished": -1, "wholeness": None},
    "beats swapped": {"out_of_place": 1, "wholeness": None},
    "twist twice": {"out_of_place": 1},
    "foreign sentence": {"foreign": 1},
}


def drawn(kind, count=COUNT, split="test"):
    return village.story_edits(count, kind=kind, seed=0, split=split)


def changes(edit):
    before, after = (gold.read(edit.prompt, text) for text in (edit.before, edit.after))
    found = {}
    for name, old in asdict(before).items():
        new = getattr(after, name)
        if name == "counts":
            found[name] = {k: new[k] - old[k] for k in old if new[k] != old[k]}
        elif name not in ("sentences", "plot", "words", "repeated_share"):
            found[name] = new - old
    assert before.plot == after.plot
    return {name: change for name, change in found.items() if change}


def prices(kind):
    return [
        village.gold_score(edit.prompt, edit.after)
        - village.gold_score(edit.prompt, edit.before)
        for edit in drawn(kind)
    ]


def test_the_table_names_every_kind():
    assert tuple(CHANGES) == village.ADDITIONS + village.FAULTS


@pytest.mark.parametrize("kind", CHANGES)
def test_an_edit_changes_what_it_should_and_nothing_else(kind):
    expected = CHANGES[kind]
    for edit in drawn(kind):
        found = changes(edit)
        assert found.keys() == expected.keys()
        assert all(c in (None, found[name]) for name, c in expected.items())
        assert found.get("wholeness", -1) < 0


@pytest.mark.parametrize("kind", CHANGES)
def test_what_is_edited_has_no_fault(kind):
    for edit in drawn(kind):
        assert edit.kind == kind and village.judge_story(edit.prompt, edit.before).clean
        assert gold.faults(gold.read(edit.prompt, edit.before)) == 0


@pytest.mark.parametrize("kind", village.FAULTS)
def test_a_fault_costs_something_and_a_fact_nothing(kind):
    assert max(prices(kind)) < -0.3
    assert prices("fact") == [0.0] * COUNT


@pytest.mark.parametrize("kind", sorted(set(village.ADDITIONS) - {"fact"}))
def test_one_more_sentence_of_a_kind_is_worth_what_the_score_says(kind):
    """Diminishing returns: the second and third of a kind are worth less."""
    gains = prices(kind)
    assert min(gains) > 0.29 and sum(gains) / COUNT > 0.5


@pytest.mark.parametrize("kind", ["wrong name", "wrong day"])
def test_one_word_alone_is_another(kind):
    for edit in drawn(kind):
        before, after = edit.before.split(), edit.after.split()
        assert len(before) == len(after)
        assert sum(b != a for b, a in zip(before, after, strict=True)) == 1


@pytest.mark.parametrize("kind", ["beats swapped"])
def test_the_sentences_stay_the_same(kind):
    for edit in drawn(kind):
        before, after = map(parsing.split_sentences, (edit.before, edit.after))
        assert before != after and sorted(before) == sorted(after)


@pytest.mark.parametrize("kind", CHANGES)
def test_a_judge_is_asked_about_different_stories_that_fit_the_model(kind):
    found = drawn(kind)
    assert len({edit.prompt for edit in found}) > 0.9 * COUNT
    assert max(len(edit.after.split()) for edit in found) <= 165
    assert found == drawn(kind)
    learned = {edit.prompt for edit in drawn(kind, split="train")}
    assert not learned & {edit.prompt for edit in found}


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="expected kind to be one of"):
        village.story_edits(1, kind="joke", seed=0, split="test")


def test_an_exchange_that_is_right_by_chance_is_not_taken(monkeypatch):
    """Without the reader's word, tellings of which the edit says nothing get in."""
    assert all(changes(edit) == {"broken": 1} for edit in drawn("wrong name"))
    monkeypatch.setattr(edits, "_reads_as_meant", lambda *_: True)
    assert any(changes(edit) != {"broken": 1} for edit in drawn("wrong name"))
