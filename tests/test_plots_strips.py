"""The strip: a row a story, a cell a sentence, readable with and without colours."""

import itertools

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from test_plots import SIGHT, contrast, in_the_dark, luminance, perceived

from llmlab import plots, village
from llmlab.plots.strips import ADDED, SENTENCES, letter_colour
from llmlab.village import gold, parsing

BEFORE = [("beat", "beat", "contradiction"), ("beat",)]
AFTER = [("beat", "simile", "beat", "twist"), ("beat", "line")]


def letters(axes) -> list[str]:
    """What is written into each row, read from the left."""
    rows: dict[int, dict[int, str]] = {}
    for text in axes.texts:
        column, row = (int(place) for place in text.get_position())
        rows.setdefault(row, {})[column] = text.get_text()
    return ["".join(rows[row][c] for c in sorted(rows[row])) for row in sorted(rows)]


def test_each_sentence_is_one_letter_in_its_place():
    before, after = plots.story_strips({"before": BEFORE, "after": AFTER}).axes
    assert letters(before) == ["bbX", "b"] and letters(after) == ["bSbT", "bL"]
    assert before.get_ylim() == after.get_ylim() == (2, 0), "row one is on top"


def test_the_words_count_what_the_rows_show():
    told = plots.story_strips({"before": BEFORE, "after": AFTER}).alt
    assert "before: ≈0 additions" in told and "≈1 contradiction" in told
    assert "after: ≈1.5 additions a story (≈1 simile, ≈1 line, ≈0 detail" in told


def test_rows_that_cannot_be_compared_are_refused():
    for stories in ({"before": BEFORE, "after": AFTER[:1]}, {"none": []}, {}):
        with pytest.raises(ValueError, match="row for row of the same prompt"):
            plots.story_strips(stories)


def test_without_any_colour_the_letters_tell_the_kinds_apart():
    assert len({letter for letter, _ in SENTENCES.values()}) == len(SENTENCES)


def test_a_contradiction_is_the_one_dark_cell():
    lights = {kind: luminance(paper) for kind, (_, paper) in SENTENCES.items()}
    darkest, *others = sorted(lights, key=lights.get)
    assert darkest == "contradiction" and lights[others[0]] > 3 * lights[darkest]


@pytest.mark.parametrize("seen", [to_rgb, in_the_dark])
def test_every_letter_can_be_read_on_its_paper(seen):
    for kind, (_, paper) in SENTENCES.items():
        assert contrast(seen(letter_colour(kind)), seen(paper)) >= 4.5


@pytest.mark.parametrize("seen", [to_rgb, in_the_dark])
@pytest.mark.parametrize("sight", SIGHT)
def test_the_papers_stay_apart_for_every_kind_of_colour_vision(sight, seen):
    kinds = ("beat", *ADDED, "contradiction")
    shown = [perceived(seen(SENTENCES[kind][1]), sight) for kind in kinds]
    for one, other in itertools.combinations(shown, 2):
        assert np.linalg.norm(one - other) > 11


def test_a_story_of_the_village_is_read_sentence_by_sentence():
    """What the gold score counts is what the strip shows."""
    added = {"line": "line", "simile": "simile", "detail": "senses", "twist": "twist"}
    for pair in village.story_pairs(12, seed=2, split="train"):
        found = gold.read(pair.prompt, pair.first)
        assert len(found.kinds) == len(parsing.split_sentences(pair.first))
        if not found.out_of_place:
            for kind, counted in added.items():
                assert found.kinds.count(kind) == found.counts[counted]


def test_a_wrong_day_is_a_contradiction_and_a_sentence_of_no_story_a_stray():
    pair = village.story_pairs(1, seed=2, split="train")[0]
    first, *others = parsing.split_sentences(pair.first)
    told = " ".join((first, "The sky ate a spoon.", *others))
    assert gold.read(pair.prompt, told).kinds[1] == "stray"
    for village_story in village.story_pairs(40, seed=3, split="train"):
        right = gold.read(village_story.prompt, village_story.first)
        wrong = village_story.first.replace("Sunday", "Monday", 1)
        found = gold.read(village_story.prompt, wrong)
        assert found.kinds.count("contradiction") >= right.kinds.count("contradiction")
        broken = sum(sentence.broken > 0 for sentence in found.sentences)
        assert found.kinds.count("contradiction") == broken
