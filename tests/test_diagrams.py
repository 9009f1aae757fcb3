"""Pictures of the ideas: drawn from real settings and numbers, told in words too."""

import dataclasses
import io
from functools import cache

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from PIL import Image

from authoring import pictures
from llmlab import plots
from llmlab.batching import packed_batch
from llmlab.gpt import GPTConfig
from llmlab.paths import ROOT
from llmlab.plots.boxes import KINDS

CONFIG = GPTConfig(vocab_size=300, width=24, heads=3, layers=2)
RNG = np.random.default_rng(0)
KEYS, VALUES = RNG.normal(size=(2, 3, 8))
BATCH = packed_batch(
    [[1, 2, 3, 4], [5, 6, 7], [8, 9]],
    [[0, 1], [2]],
    [[False, False, True, True], [False, False, True], [True, True]],
)
CARDS = [
    {"stage": "base", "parent": "random", "steps": 6800, "seconds": 431.0},
    {"stage": "instruct", "parent": "base"},
    {"stage": "reward", "parent": "instruct"},
    {"stage": "ppo", "parent": "instruct", "steps": 32, "seconds": 198.0},
]

DIAGRAMS = {
    "gpt_whole": lambda: plots.gpt_whole(CONFIG),
    "gpt_block": lambda: plots.gpt_block(CONFIG),
    "query_key_value": lambda: plots.query_key_value(
        ["The", " net", " was"], 3 * KEYS[1], KEYS, VALUES
    ),
    "packing_mask": lambda: packing(0),
    "packing_mask with padding": lambda: packing(1),
    "descent": lambda: plots.descent(
        lambda x: x * x,
        lambda x: 2 * x,
        2.0,
        {"small steps": 0.2, "too large": 1.05},
        steps=5,
    ),
    "policy_loop": lambda: plots.policy_loop(beta=0.15),
    "lineage": lambda: plots.lineage(CARDS),
    "three_phases": pictures.three_phases,
}


def packing(row):
    texts = [f" w{number}" for number in BATCH.tokens[row]]
    return plots.packing_mask(texts, BATCH.segment_ids[row], BATCH.target_mask[row])


@cache
def stored(name):
    return plots.png(DIAGRAMS[name]())


@pytest.mark.parametrize("name", DIAGRAMS)
def test_a_diagram_is_small_whole_described_and_the_same_to_the_byte(name):
    figure = DIAGRAMS[name]()
    assert plots.png(figure) == stored(name)
    assert len(stored(name)) <= 25_000
    assert figure.get_figwidth() == 7 and figure.get_figheight() <= 6
    assert len(figure.alt) > 80 and figure.alt.endswith(".")
    pixels = np.asarray(Image.open(io.BytesIO(stored(name))).convert("L"))
    frame = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    assert (frame == 255).all(), "ink on the frame: something is cut off"


@pytest.mark.parametrize("name", DIAGRAMS)
def test_letters_of_a_diagram_are_large_enough_and_cross_no_others(name):
    figure = DIAGRAMS[name]()
    plots.png(figure)
    renderer = FigureCanvasAgg(figure).get_renderer()
    texts = [text for axes in figure.axes for text in axes.texts if text.get_text()]
    assert all(text.get_fontsize() >= 8.5 for text in texts), "12 pixels at 700"
    boxes = [text.get_window_extent(renderer).padded(-2) for text in texts]
    for index, one in enumerate(boxes):
        for other, text in zip(boxes[:index], texts, strict=False):
            assert not one.overlaps(other), (texts[index].get_text(), text.get_text())


@pytest.mark.parametrize("name", DIAGRAMS)
def test_words_of_a_diagram_stand_inside_their_boxes(name):
    figure = DIAGRAMS[name]()
    plots.png(figure)
    renderer = FigureCanvasAgg(figure).get_renderer()
    for axes in figure.axes:
        frames = [patch.get_window_extent(renderer) for patch in axes.patches]
        for text in axes.texts:
            words = text.get_window_extent(renderer)
            x, y = (words.x0 + words.x1) / 2, (words.y0 + words.y1) / 2
            for frame in (frame for frame in frames if frame.contains(x, y)):
                assert frame.x0 <= words.x0 and words.x1 <= frame.x1, text.get_text()


def test_kinds_of_boxes_differ_by_more_than_colour_and_their_edges_are_seen():
    paper, edges, lines = zip(*KINDS.values(), strict=True)
    assert KINDS["frozen"][2] != KINDS["part"][2] == KINDS["data"][2]
    for edge in edges:
        assert 1.05 / (luminance(edge) + 0.05) >= 3


def luminance(colour):
    channels = [
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
        for value in to_rgb(colour)
    ]
    return float(np.dot(channels, [0.2126, 0.7152, 0.0722]))


def written(figure):
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def test_the_shapes_of_a_gpt_are_those_of_its_settings():
    texts = written(plots.gpt_whole(CONFIG))
    assert texts.count("(batch, time, 24)") == 4, "after the table, two blocks, a norm"
    assert {"(batch, time)", "(batch, time, 300)", "block 2"} <= set(texts)
    assert "(batch, time, 300)" in plots.gpt_whole(CONFIG).alt
    deep = dataclasses.replace(CONFIG, layers=12, causal=False)
    texts = written(plots.gpt_whole(deep))
    assert {"block 1", "… 10 blocks more …", "block 12"} <= set(texts)
    assert any("look at each other" in text for text in texts)
    assert "12 blocks, in which tokens look at each other" in plots.gpt_whole(deep).alt


def test_a_block_tells_its_heads_and_its_widths():
    figure = plots.gpt_block(CONFIG)
    assert "attention\n3 heads of 8" in written(figure)
    assert "feed-forward\n24 → 96 → 24" in written(figure)
    assert "3 heads of 8 numbers" in figure.alt and "24 to 96 to 24" in figure.alt


def test_scores_and_shares_are_those_of_the_attention():
    query = 3 * KEYS[1]
    scores = torch.tensor(KEYS @ query / 8**0.5)
    shares = scores.softmax(0)
    figure = plots.query_key_value(["a", "b", "c"], query, KEYS, VALUES)
    texts = written(figure)
    for score, share in zip(scores, shares, strict=True):
        assert f"{score:.1f}".replace("-", "−") in texts
        assert f"{share:.0%}" in texts
    assert f"Most, ≈{shares[1]:.0%}, goes to “b”" in figure.alt
    *_, last = (mesh.get_array() for mesh in figure.axes[0].collections)
    assert np.allclose(last, shares.numpy() @ VALUES), "the sum of the values by shares"


def test_the_mask_lets_a_token_see_what_the_model_lets_it_see():
    axes = packing(0).axes[0]
    corners = [patch.get_xy() for patch in axes.patches]
    cell = axes.patches[0].get_width()
    seen = {(round((y - 0.5) / cell), round((x - 1.2) / cell)) for x, y in corners}
    segments = BATCH.segment_ids[0]
    allowed = (segments[:, None] == segments) & torch.ones(5, 5).tril().bool()
    assert seen == {tuple(pair) for pair in allowed.nonzero().tolist()}
    learned = [mark.get_ydata()[0] for mark in axes.lines]
    rows = [round((y - 0.5) / cell - 0.5) for y in learned]
    assert rows == BATCH.target_mask[0].nonzero().flatten().tolist() == [1, 2, 4]
    assert (
        "in conversation 1, 2 of 3 tokens; in conversation 2, 1 of 2" in packing(0).alt
    )


def test_padding_is_looked_at_by_nobody():
    figure = packing(1)
    assert len(figure.axes[0].patches) == 1 and "padding" in written(figure)
    assert "4 tokens are padding" in figure.alt


def test_the_ball_goes_where_the_slope_sends_it():
    figure = DIAGRAMS["descent"]()
    for axes, rate in zip(figure.axes, (0.2, 1.05), strict=True):
        path = axes.lines[1].get_xdata()
        assert np.allclose(path, 2 * (1 - 2 * rate) ** np.arange(6))
        assert np.allclose(axes.lines[1].get_ydata(), np.square(path))
    assert "with small steps (0.2) the loss falls, from ≈4 to ≈0.0242" in figure.alt
    assert "with too large (1.05) the loss does not fall" in figure.alt


def test_the_loop_names_its_parts_in_their_order_and_what_is_frozen():
    figure = plots.policy_loop(judge="crowd", beta=0.5)
    parts = [
        "prompt",
        "policy",
        "crowd",
        "KL",
        "reward",
        "Advantages",
        "loss",
        "update",
    ]
    places = [figure.alt.index(part, 30) for part in parts]
    assert places == sorted(places)
    frozen = [text for text in written(figure) if "frozen" in text]
    assert len(frozen) == 2 and any("crowd" in text for text in frozen)
    assert "reward =\nscore − 0.5 · KL" in written(figure)
    assert "reward =\nscore − β · KL" in written(plots.policy_loop())


def test_the_family_tree_shows_who_judges_and_only_where_both_are():
    figure = DIAGRAMS["lineage"]()
    assert "judges, frozen" in written(figure)
    assert "from reward to ppo: it lends its judgement and no weights" in figure.alt
    dashed = [line for line in figure.axes[0].lines if line.get_linestyle() == "--"]
    assert len(dashed) == 1
    alone = plots.lineage(CARDS[:3])
    assert "judges" not in alone.alt and "judges, frozen" not in written(alone)


def test_the_readme_shows_the_phases_in_the_readers_theme_and_says_them_in_words():
    readme = (ROOT / "README.md").read_text("utf-8")
    figure = pictures.three_phases()
    assert f'alt="{figure.alt}"' in readme
    assert 'media="(prefers-color-scheme: dark)" srcset="data/pictures/ph' in readme
    for name in pictures.drawn():
        assert f"data/pictures/{name}" in readme


@pytest.mark.parametrize("name", ["phases.png", "phases-dark.png"])
def test_the_readmes_pictures_are_those_that_the_command_draws(name):
    stored = (pictures.FOLDER / name).read_bytes()
    assert len(stored) < 60_000
    now, then = (pixels(data) for data in (pictures.drawn()[name], stored))
    assert now.shape == then.shape and abs(now - then).mean() < 0.5


def pixels(picture):
    return np.asarray(Image.open(io.BytesIO(picture)).convert("RGB")).astype(int)


def test_a_picture_for_dark_pages_is_dark_and_its_letters_are_light():
    light, dark = map(pixels, pictures.drawn().values())
    assert (dark[(light == 255).all(axis=-1)] == 18).all()
    assert dark[light.sum(axis=-1) < 120].min() > 190


@pytest.mark.parametrize(
    ("draw", "complaint"),
    [
        (lambda: plots.gpt_whole({"width": 2}), "no shape of a model"),
        (lambda: plots.gpt_block(None), "no shape of a model"),
        (lambda: plots.query_key_value(["a"], KEYS[0], KEYS, VALUES), "One head"),
        (lambda: plots.query_key_value([], KEYS[0], KEYS[:0], VALUES[:0]), "at most"),
        (lambda: plots.query_key_value(["a"], 1.0, [[1.0]], [[1.0]]), "d_head"),
        (lambda: plots.packing_mask(["a"], [1, 1], [True]), "one of each"),
        (lambda: plots.packing_mask(["a"] * 40, [1] * 40, [True] * 40), "28 tokens"),
        (lambda: plots.descent(abs, abs, 1, {}), "one or more"),
        (lambda: plots.descent(abs, lambda x: x, 1, {"a": 1e300}), "smaller rate"),
    ],
)
def test_what_cannot_be_drawn_is_refused_with_what_to_give(draw, complaint):
    with pytest.raises(ValueError, match=complaint):
        draw()
