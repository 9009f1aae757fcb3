"""Pictures of preferences: each shows what its numbers say, and tells it in words."""

import numpy as np
import pytest

from llmlab import plots


def test_a_ladder_counts_the_rungs_that_can_be_told_apart():
    few = [(1.0, -1.0, 3.0), (-1.0, -3.0, 1.0), (0.0, -2.0, 2.0)]
    many = [(1.0, 0.9, 1.1), (-1.0, -1.1, -0.9), (0.0, -0.1, 0.1)]
    figure = plots.strength_ladder(["top", "low", "mid"], {"few": few, "many": many})
    assert "few: 0 of 2 and many: 2 of 2" in figure.alt
    rungs = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert rungs == ["low", "mid", "top"]
    true = plots.strength_ladder(["a", "b"], {"": few[:2]}, true=[2.0, 3.0])
    assert [t.get_text() for t in true.axes[0].get_yticklabels()] == ["a", "b"]


def test_the_filled_part_of_the_guesses_is_the_ceiling():
    shares = [0.5, 0.52, 0.9, 0.3, 1.0]
    figure = plots.best_guesses(shares, bins=10)
    filled, lost = figure.axes[0].containers
    ceiling = np.mean([max(p, 1 - p) for p in shares])
    assert sum(bar.get_height() for bar in filled) == pytest.approx(ceiling)
    heights = [
        a.get_height() + b.get_height() for a, b in zip(filled, lost, strict=True)
    ]
    assert sum(heights) == pytest.approx(1) and heights[5] == pytest.approx(0.4)
    assert "≈72.4% of all labels" in figure.alt
    with pytest.raises(ValueError, match="probabilities"):
        plots.best_guesses([0.5, 1.2])


def test_a_matrix_of_agreement_is_the_same_from_either_side():
    cells = {("you", "you"): (0.9, 0.8), ("you", "they"): (0.6, 0.25)}
    figure = plots.agreement_matrix(["you", "they"], cells)
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts == ["90%\nκ 0.80", "60%\nκ 0.25", "60%\nκ 0.25", ""]
    assert "you with themselves ≈90% (kappa ≈0.8)" in figure.alt
    assert "you with they ≈60% (kappa ≈0.25)" in figure.alt
