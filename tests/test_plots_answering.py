"""Pictures of answers: each tells what its numbers say, and refuses what cannot be."""

import numpy as np
import pytest

from llmlab import plots


def test_a_packed_batch_is_drawn_position_by_position():
    figure = plots.learned_rows([[1, 1, 2, 2], [1, 1, 1, 0]], [[0, 1, 0, 1], [0] * 4])
    image = figure.axes[0].images[0].get_array()
    assert image.tolist() == [[1, 2, 1, 2], [1, 1, 1, 0]]
    assert "≈25% of all positions" in figure.alt and "Padding: ≈12%" in figure.alt


def test_bars_that_are_no_shares_are_refused():
    with pytest.raises(ValueError, match="'tokens' sum to 0.900; expected 1"):
        plots.stacked_shares({"examples": {"a": 1.0}, "tokens": {"a": 0.9}})


def test_the_words_name_the_rows_whose_intervals_are_apart():
    rows = ["up", "down", "level"]
    one = [(0.2, 0.1, 0.3), (0.8, 0.7, 0.9), (0.5, 0.4, 0.6)]
    two = [(0.8, 0.7, 0.9), (0.2, 0.1, 0.3), (0.5, 0.4, 0.6)]
    told = plots.intervals_by_row(rows, {"a": one, "b": two}, x_label="right").alt
    assert "b lies above, its interval apart, in up and below" in told
    assert "in down, compared with a" in told and "level" not in told
    same = plots.intervals_by_row(rows, {"a": one, "b": one}, x_label="right").alt
    assert "nowhere apart" in same


def test_a_confusion_counts_what_was_answered_and_frames_what_was_meant():
    figure = plots.confusion({"room": {"room": 1, "boat": 2}, "boat": {"room": 3}})
    axes = figure.axes[0]
    texts = [text.get_text() for text in axes.texts]
    assert texts == ["1", "2", "3", ""] and len(axes.patches) == 1
    assert "≈17% were answered" in figure.alt


def test_risk_counts_errors_among_the_surest():
    sure, right = [0.2, 0.9, 0.5, 0.7], [False, True, False, True]
    figure = plots.risk_and_coverage(sure, right, threshold=0.5)
    curve, mark = figure.axes[0].lines
    assert np.allclose(curve.get_xdata(), [0.25, 0.5, 0.75, 1])
    assert np.allclose(curve.get_ydata(), [0, 0, 1 / 3, 1 / 2])
    assert np.allclose(mark.get_xydata(), [[0.75, 1 / 3]])
    assert "the risk falls" in figure.alt
    unsure = plots.risk_and_coverage(sure, [True, False, True, True])
    assert "the risk does not fall" in unsure.alt
