"""Pictures: the same bytes every time, words for everyone, nothing by colour alone."""

import configparser
import io
import itertools
import math
import re
from dataclasses import dataclass
from functools import cache

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image

from authoring.course.command import LAB
from llmlab import plots
from llmlab.paths import ROOT
from llmlab.plots import curves, family, style, words
from llmlab.plots.style import INK, styled

TOKENS = ["The", " gull", " sat", "."]
CAUSAL = np.tril(np.ones((4, 4))) / np.arange(1, 5)[:, None]


def history(start: float, end: float, steps: int = 60) -> list[dict]:
    return [
        {"step": n, "loss": end + (start - end) * math.exp(-6 * n / steps)}
        for n in range(steps)
    ]


def ppo_history(updates: int = 30) -> list[dict]:
    return [
        {
            "step": n,
            "score": n / 10,
            "kl": 0.1 * n,
            "entropy": 1 - n / 60,
            "clip_fraction": 0.05 + 0.01 * (-1) ** n,
            "length": 30 + (-1) ** n,
            "kl_error": 0.2,
            "explained_variance": -1 if n < 3 else 0.1,
            "value_loss": 2 / (1 + n),
        }
        for n in range(updates)
    ]


@dataclass
class Card:
    stage: str
    parent: str
    steps: int = 0
    seconds: float = 0.0


@dataclass
class Tree:
    token_id: int
    text: str
    parts: tuple = ()


HUG = Tree(
    263, "hug", (Tree(110, "h"), Tree(262, "ug", (Tree(123, "u"), Tree(1, "g"))))
)
COSTS = {
    "small": {512: {"blocks": 9, "table": 1}, 1024: {"blocks": 5, "table": 2}},
    "large": {512: {"blocks": 9, "table": 1}, 1024: {"blocks": 9, "table": 2}},
}

FAMILY = [
    Card("masked", "random", 300, 61.0),
    Card("base", "random", 600, 182.0),
    Card("instruct", "base", 200, 55.0),
    Card("reward", "instruct"),
    Card("ppo", "instruct"),
]

NUMBERINGS = [{"the gull": 2, "gull sat": 1}, {"the gull": 1, "gull sat": 2}]
LOSSES = {"web": {"web": 1.0, "books": 3.0}, "books": {"web": 2.0, "books": 0.5}}

HEADS = [[0.1, 0.9, 0.2], [0.3, 0.0, 1.0]]
GUESSES = [[(" net", 0.3), (" sat", 0.2)], [(" gull", 1.0), (" sat", 0.9)]]

PICTURES = {
    "loss_curve": lambda: plots.loss_curve(
        {"masked": history(7.6, 2.1, 40), "base": history(7.6, 1.4)},
        entropy_line=1.2,
        baselines={"trigram": 1.9},
    ),
    "schedule": lambda: plots.schedule({"decay": [0.1, 1, 1, 1, 0.5, 0]}),
    "ppo_dashboard": lambda: plots.ppo_dashboard(ppo_history(), title="PPO"),
    "next_token_bars": lambda: plots.next_token_bars(TOKENS, [0.1, 0.6, 0.2, 0.1]),
    "attention_map": lambda: plots.attention_map(CAUSAL, TOKENS),
    "score_histograms": lambda: plots.score_histograms(
        {"instruct": [2, 3, 3, 4], "PPO": [5, 6, 8, 9.5]}
    ),
    "win_rate_intervals": lambda: plots.win_rate_intervals(
        {"PPO": (0.86, 0.8, 0.91)}, against="instruct"
    ),
    "intervals_by_group": lambda: plots.intervals_by_group(
        ["first", "middle", "last"],
        {
            "masked": [(0.8, 0.7, 0.9), (0.6, 0.5, 0.7), (0.2, 0.1, 0.22)],
            "causal": [(0.4, 0.3, 0.5), (0.5, 0.4, 0.6), (0.3, 0.25, 0.4)],
        },
        x_label="part of the sentence",
        y_label="right",
        share=True,
    ),
    "dumbbells": lambda: plots.dumbbells(
        {"wrong name": (0.4, 0.55), "no end": (0.1, 0.2)},
        ("the crowd", "the reward model"),
        x_label="share that prefers the edited story",
    ),
    "calibration": lambda: plots.calibration([0.1, 0.9, 0.6], [0, 1, 1], bins=5),
    "lineage": lambda: plots.lineage(FAMILY),
    "power_laws": lambda: plots.power_laws(
        {"narrow": [(1e5, 2.7), (2e5, 2.2)], "wide": [(1e5, 2.0), (2e5, 1.7)]},
        {"narrow": lambda x: 0.7 + 632 / x**0.5, "wide": lambda x: 0.7 + 4e5 / x},
        floor=0.7,
        held_out={"wide": (8e5, 1.2)},
    ),
    "shaped_distributions": lambda: plots.shaped_distributions(
        TOKENS, {"all": [0.1, 0.6, 0.2, 0.1], "top-k 2": [0, 0.75, 0.25, 0]}, top=2
    ),
    "merge_tree": lambda: plots.merge_tree([HUG, Tree(21, " ")], title="Two tokens"),
    "characters_per_token": lambda: plots.characters_per_token(
        {"village": {512: 2.0, 1024: 3.0}, "elsewhere": {512: 1.9, 1024: 2.2}}
    ),
    "vocabulary_costs": lambda: plots.vocabulary_costs(COSTS, title="Costs"),
    "lines": lambda: plots.lines(
        [1, 2, 4],
        {"flat": [1, 1, 1], "steep": [1, 2, 4]},
        x_label="size",
        y_label="cost",
        doubling=True,
    ),
    "scattered": lambda: plots.scattered(
        {f"setting {letter}": (0.1, 0.2) for letter in "abcdefg"},
        x_label="broken",
        y_label="various",
    ),
    "arrows": lambda: plots.arrows({"fast": [0, 1, 2, 3], "slow": [0, 0.1, 0.2, 0.3]}),
    "minhash_table": lambda: plots.minhash_table(
        ["the gull", "gull sat"], ["the gull"], NUMBERINGS
    ),
    "chance_curves": lambda: plots.chance_curves(
        [0, 0.5, 1], {"one": [0, 0.5, 1], "two": [0, 0.25, 1]}, threshold=0.7
    ),
    "kept_and_dropped": lambda: plots.kept_and_dropped(
        70, {"notices": 20, "too short": 10, "nothing": 0}
    ),
    "share_intervals": lambda: plots.share_intervals(
        {"agreement": (0.9, 0.8, 0.95), "negation": (0.5, 0.4, 0.6)}, chance=0.5
    ),
    "head_grids": lambda: plots.head_grids(
        {"the token before": HEADS, "the name that comes next": HEADS[::-1]},
        {"the token before": 0.1, "the name that comes next": 0.2},
    ),
    "attention_and_damage": lambda: plots.attention_and_damage(
        {"head 0.0": (0.1, (0.5, 0.4, 0.6)), "head 0.1": (0.6, (0.1, -0.1, 0.3))},
        looked_at="the name that comes next",
    ),
    "logit_lens_grid": lambda: plots.logit_lens_grid(
        ["embedding", "after block 0"], TOKENS[:2], GUESSES, TOKENS[1:3]
    ),
    "embedding_map": lambda: plots.embedding_map(
        ["gull", "boat", "net", "Ivy"],
        ["things"] * 2 + ["places", "people"],
        [(-1, -1), (-1, -1), (1, 1), (1, -1)],
        shares=(0.2, 0.1),
    ),
    "loss_matrix": lambda: plots.loss_matrix(LOSSES, unit="bits"),
    "learned_rows": lambda: plots.learned_rows(SEGMENTS, TARGETS),
    "stacked_shares": lambda: plots.stacked_shares(
        {"examples": {"short": 0.9, "long": 0.1}, "tokens": {"short": 0.2, "long": 0.8}}
    ),
    "intervals_by_row": lambda: plots.intervals_by_row(
        ["old", "new"],
        {"base": [(0.1, 0, 0.2)] * 2, "tuned": [(0.8, 0.7, 0.9), (0.1, 0, 0.2)]},
        x_label="right",
        chance=0.5,
    ),
    "confusion": lambda: plots.confusion({"room": {"room": 1, "boat": 2}}),
    "strength_ladder": lambda: plots.strength_ladder(
        ["low", "high"],
        {"few": [(-1, -3, 1), (1, -1, 3)], "many": [(-1, -1.2, -0.8), (1, 0.8, 1.2)]},
        true=[-1, 1.1],
    ),
    "best_guesses": lambda: plots.best_guesses([0.5, 0.9, 0.3, 1.0]),
    "agreement_matrix": lambda: plots.agreement_matrix(
        ["you", "they"], {("you", "you"): (0.9, 0.8), ("you", "they"): (0.6, 0.2)}
    ),
    "risk_and_coverage": lambda: plots.risk_and_coverage(
        [0.9, 0.7, 0.8, 0.1], [1, 1, 0, 0], threshold=0.7, allowed=0.05
    ),
    "small_multiples": lambda: plots.small_multiples(
        {"KL": {"PPO": [0, 1, 2, 2], "without": [0, 2, 1, 2]}, "gold": {"PPO": [1, 2]}}
    ),
    "story_strips": lambda: plots.story_strips(
        {"before": [["beat", "contradiction"]], "after": [["beat", "twist", "beat"]]}
    ),
}
SEGMENTS = [[1, 1, 1, 2, 2], [1, 1, 1, 1, 0]]
TARGETS = [[0, 1, 1, 0, 1], [0, 0, 0, 1, 0]]


@cache
def stored(name: str) -> bytes:
    return plots.png(PICTURES[name]())


@pytest.mark.parametrize("name", PICTURES)
def test_the_same_data_gives_the_same_bytes_whatever_the_readers_style(name):
    with matplotlib.rc_context({"font.size": 20, "lines.linewidth": 9}):
        assert plots.png(PICTURES[name]()) == stored(name)


def test_a_figure_that_is_shown_twice_has_the_same_bytes():
    figure = PICTURES["intervals_by_group"]()
    assert plots.png(figure) == plots.png(figure) == stored("intervals_by_group")


def test_a_palette_makes_a_picture_small_and_takes_nothing_from_the_eye():
    figure = PICTURES["loss_matrix"]()
    small = plots.png(figure)
    every_colour = io.BytesIO()
    styled(figure.savefig)(every_colour, format="png")
    assert len(small) < 0.4 * len(every_colour.getvalue())
    seen, drawn = (
        np.asarray(Image.open(file).convert("RGB")).astype(int)
        for file in (io.BytesIO(small), every_colour)
    )
    difference = abs(seen - drawn).max(axis=-1)
    assert difference[(drawn == 255).all(axis=-1)].max() == 0, "white stays white"
    assert np.quantile(difference, 0.99) <= 12 and difference.mean() < 1


@pytest.mark.parametrize("name", PICTURES)
def test_every_picture_is_described_fits_a_notebook_and_is_not_cut_off(name):
    figure = PICTURES[name]()
    assert len(figure.alt) > 40 and figure.alt.endswith(".")
    assert figure.get_figwidth() <= 7 and figure.get_figheight() <= 7
    pixels = np.asarray(Image.open(io.BytesIO(stored(name))).convert("L"))
    frame = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    assert (frame == 255).all(), "ink on the frame: something is cut off"


def not_compared() -> str:
    """What sanitize.cfg rubs out before stored outputs are compared."""
    rules = configparser.ConfigParser(interpolation=None)
    rules.read(ROOT / "authoring" / "sanitize.cfg", encoding="utf-8")
    (rule,) = (
        rules[name]["regex"] for name in rules if "≈" in rules[name].get("regex", "")
    )
    return rule


NOT_COMPARED = not_compared()


@pytest.mark.parametrize("name", PICTURES)
def test_no_number_of_a_training_run_is_in_the_words(name):
    # Stored outputs are compared strictly, and these digits differ by processor.
    assert not any(character in plots_words(name) for character in "3456789")


def plots_words(name: str) -> str:
    words = PICTURES[name]().alt.replace("95 %", "").replace("4 tokens", "")
    return re.sub(NOT_COMPARED, "≈", words)


def test_colours_differ_for_every_kind_of_colour_vision():
    # Grey levels stand for the hardest case: no colour at all. Where two are close,
    # line style, marker and hatch must still differ.
    assert len(set(map(str, plots.LINE_STYLES))) == len(plots.PALETTE)
    assert len(set(plots.MARKERS)) == len(set(plots.HATCHES)) == len(plots.PALETTE)
    okabe_ito = {"#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"}
    assert set(plots.PALETTE) == okabe_ito


def test_two_runs_differ_by_more_than_colour():
    figure = PICTURES["loss_curve"]()
    main = [line for line in figure.axes[0].lines if line.get_linewidth() == 2]
    assert len(main) == 2
    assert main[0].get_linestyle() != main[1].get_linestyle()
    bars = PICTURES["score_histograms"]()
    hatches = {axes.patches[0].get_hatch() for axes in bars.axes}
    assert len(hatches) == 2


DARK_CSS = (LAB / "custom" / "custom.css").read_text("utf-8")


def in_the_dark(colour) -> np.ndarray:
    """What our stylesheet makes of a colour, as CSS defines its two filters."""
    (share,) = re.findall(r"filter: invert\(([\d.]+)\) hue-rotate\(180deg\);", DARK_CSS)
    turned = float(share) + np.array(to_rgb(colour)) * (1 - 2 * float(share))
    opposite = [[-0.574, 1.43, 0.144], [0.426, 0.43, 0.144], [0.426, 1.43, -0.856]]
    return np.clip(opposite @ turned, 0, 1)


# Linear light as a person sees it who has two kinds of cones (Machado et al. 2009).
SIGHT = {
    "all cones": np.eye(3),
    "protanopia": [
        [0.152, 1.053, -0.205],
        [0.115, 0.786, 0.099],
        [-0.004, -0.048, 1.052],
    ],
    "deuteranopia": [
        [0.367, 0.861, -0.228],
        [0.280, 0.673, 0.047],
        [-0.012, 0.043, 0.969],
    ],
    "tritanopia": [
        [1.256, -0.077, -0.179],
        [-0.078, 0.931, 0.148],
        [0.005, 0.691, 0.304],
    ],
}


def perceived(colour, sight: str) -> np.ndarray:
    """CIELAB coordinates: two colours 2.3 apart can just be told from one another."""
    channels = np.array(to_rgb(colour))
    light = np.where(
        channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4
    )
    light = np.clip(np.array(SIGHT[sight]) @ light, 0, 1)
    to_xyz = [
        [0.4339, 0.3762, 0.1899],
        [0.2126, 0.7152, 0.0722],
        [0.0177, 0.1095, 0.8729],
    ]
    x, y, z = np.cbrt(np.array(to_xyz) @ light)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("sight", SIGHT)
def test_turned_over_for_a_dark_theme_colours_stay_apart(sight):
    shown = [perceived(in_the_dark(colour), sight) for colour in plots.PALETTE]
    for one, other in itertools.combinations(shown, 2):
        assert np.linalg.norm(one - other) > 11


def test_turned_over_for_a_dark_theme_letters_and_lines_keep_their_contrast():
    paper = in_the_dark("white")
    assert luminance(paper) < 0.01, "the page of JupyterLab's dark theme is #111111"
    assert contrast(in_the_dark(INK), paper) > 7
    assert contrast(in_the_dark(plots.GREY), paper) >= 4.5
    for colour in plots.PALETTE:
        assert contrast(in_the_dark(colour), paper) >= 3
        assert np.argmax(in_the_dark(colour)) == np.argmax(to_rgb(colour)), "its hue"


@pytest.mark.parametrize("seen", [to_rgb, in_the_dark])
@pytest.mark.parametrize(
    "name", ["attention_map", "head_grids", "logit_lens_grid", "loss_matrix"]
)
def test_every_word_in_a_cell_of_a_table_can_be_read(name, seen):
    axes = PICTURES[name]().axes[0]
    image = axes.images[0]
    assert axes.texts
    for text in axes.texts:
        column, row = (round(place) for place in text.get_position())
        paper = image.cmap(image.norm(image.get_array()[row, column]))[:3]
        assert contrast(seen(text.get_color()), seen(paper)) >= 4.5


def contrast(one, other) -> float:
    """The contrast ratio of WCAG 2: 4.5 is enough for small text."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour) -> float:
    channels = [
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
        for value in to_rgb(colour)
    ]
    return float(np.dot(channels, [0.2126, 0.7152, 0.0722]))


def test_the_words_tell_where_each_curve_went():
    told = plots.loss_curve({"up": history(1, 5), "down": history(5, 1)}).alt
    assert "up rises from ≈1 to ≈" in told and "down falls from ≈5 to ≈" in told
    rng = np.random.default_rng(0)
    noise = [{"step": n, "loss": rng.normal()} for n in range(200)]
    assert "ends about where it began" in plots.loss_curve({"noise": noise}).alt
    assert "clip fraction ends about where it began" in PICTURES["ppo_dashboard"]().alt


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ([2, 2.0001, 2], "stays near ≈2"),
        ([1, 2, 4], "rises from ≈1 to ≈4"),
        ([4, 2, 1], "falls from ≈4 to ≈1"),
        ([4, 1, 2], "falls from ≈4 to ≈1, at ≈20, and rises again to ≈2"),
        ([1, 4, 2], "rises from ≈1 to ≈4, at ≈20, and falls again to ≈2"),
        ([2, 4, 1, 2], "swings between ≈1 and ≈4 and ends at ≈2"),
    ],
)
def test_the_words_tell_where_a_curve_turns(values, told):
    assert words.course(values, [10, 20, 30, 40][: len(values)]) == told


def test_the_words_tell_what_is_lowest_and_by_how_much():
    assert words.lowest({"a": 3.0, "b": 2.5, "c": 4}) == "b ends lowest, ≈0.5 below a."
    assert "about alike" in words.lowest({"a": 2.0, "b": 2.001})
    assert words.lowest({"a": 2.0}) == ""
    told = PICTURES["loss_curve"]().alt
    assert "base ends lowest, ≈0.699 below masked" in told
    assert "the entropy of the text, ≈1.2; base ends ≈0.2" in told


def test_pictures_without_words_of_their_own_compute_them():
    axes = {"x_label": "broken", "y_label": "various"}
    told = plots.scattered({"a": (0.1, 0.2), "b": (0.3, 0.9)}, **axes).alt
    assert told.startswith(
        "Various against broken: a lies lowest (≈20.0%), b lies high"
    )
    assert "a lies furthest left (≈10.0%) and b lies furthest right (≈30.0%)" in told
    told = plots.lines([1, 2], {"up": [1, 2], "down": [3, 1]}, **axes).alt
    assert "up rises from ≈1 to ≈2; down falls from ≈3 to ≈1. down ends lowest" in told
    told = plots.arrows({"fast": [0, np.pi], "slow": [0, 0.1]}).alt
    assert "in rounds: fast ≈0.5 and slow ≈0.0159" in told


def test_words_of_a_law_follow_the_law_and_not_what_was_hoped():
    told = PICTURES["power_laws"]().alt
    assert "narrow falls from" in told and "hollow marker" in told
    rising = plots.power_laws(
        {"odd": [(1, 2), (4, 3)]}, {"odd": lambda x: x}, floor=0.5
    )
    assert "odd rises from" in rising.alt
    flat = plots.chance_curves([0, 1], {"never": [0, 0.2]}).alt
    assert "never rises from ≈0 to ≈0.2" in flat and "even" not in flat


def test_the_dashboard_shows_the_critic_and_how_sure_a_divergence_is():
    axes = {ax.get_title(loc="left"): ax for ax in PICTURES["ppo_dashboard"]().axes}
    critic = axes["explained variance (critic)"]
    assert critic.lines[0].get_ydata().min() == -1
    assert set(critic.lines[1].get_ydata()) == {0}, "worse than no critic: below this"
    assert "value loss falls" in PICTURES["ppo_dashboard"]().alt
    (band,) = axes["KL to the start (nats/answer)"].collections
    assert np.allclose(band.get_paths()[0].get_extents().y1, 2.9 + 0.2)
    assert not axes["score (reward model)"].collections


def test_a_run_has_the_same_line_in_every_small_chart():
    figure = plots.small_multiples(
        {"KL": {"PPO": [0, 1], "without": [0, 2]}, "gold": {"without": [3, 4]}}
    )
    first, second = figure.axes
    assert [list(line.get_ydata()) for line in first.lines[:2]] == [[0, 1], [0, 2]]
    (alone,) = second.lines
    assert alone.get_color() == first.lines[1].get_color()
    assert alone.get_linestyle() == first.lines[1].get_linestyle()
    assert "gold: without rises from ≈3 to ≈4" in figure.alt


def test_the_dashboard_takes_a_run_without_a_critic_and_updates_that_only_warm_it_up():
    bare = [{"step": n, "score": n} for n in range(3)]
    assert len(plots.ppo_dashboard(bare).axes) == 2
    warm_up = [{"step": 0, "value_loss": 1.0}] + ppo_history()[1:]
    assert "score rises" in plots.ppo_dashboard(warm_up).alt


def test_the_entropy_line_and_the_baselines_lie_at_their_values():
    axes = PICTURES["loss_curve"]().axes[0]
    levels = [line.get_ydata()[0] for line in axes.lines if line.get_linewidth() == 1.2]
    assert levels == [1.9, 1.2]
    written = {text.get_text() for text in axes.texts}
    assert {"trigram 1.90", "entropy 1.20", "base", "masked"} == written


def test_a_running_mean_neither_lags_nor_bends_a_straight_line():
    line = np.arange(50.0)
    assert np.allclose(curves._running_mean(line, reach=7), line)
    rng = np.random.default_rng(0)
    noise = rng.normal(size=1000)
    assert curves._running_mean(noise, reach=12)[12:-12].std() < 0.3


def test_a_running_mean_does_not_jump_with_the_last_value():
    rng = np.random.default_rng(0)
    ends = [
        curves._running_mean(noise, reach=20)[-1]
        for noise in rng.normal(size=(300, 100))
    ]
    # The end of a line through 21 values: a standard deviation of 2 / sqrt(21).
    assert 0.35 < np.std(ends) < 0.55


def test_a_line_at_zero_is_drawn_where_values_lie_on_both_sides():
    def lines_at_zero(low):
        points = {"gain": [(0.5, low, 0.7), (0.6, 0.5, 0.7)]}
        figure = plots.intervals_by_group("ab", points, x_label="x", y_label="y")
        return sum(set(line.get_ydata()) == {0} for line in figure.axes[0].lines)

    assert lines_at_zero(-0.2) == 1
    assert lines_at_zero(0.3) == 0


def test_labels_are_moved_apart_and_no_further_than_needed():
    assert curves._apart([0.1, 0.5, 0.9], 0.1) == [0.1, 0.5, 0.9]
    assert curves._apart([0.5, 0.5], 0.1) == pytest.approx([0.45, 0.55])
    moved = curves._apart([0.2, 0.21, 0.22, 0.8], 0.1)
    assert np.diff(moved).min() >= 0.1 - 1e-12
    assert moved[3] == 0.8


def test_lines_from_zero_begin_at_zero_and_keep_their_values():
    names = {"x_label": "size", "y_label": "cost"}
    figure = plots.lines([1, 2], {"cost": [30, 40]}, from_zero=True, **names)
    (axes,) = figure.axes
    assert axes.get_ylim()[0] == 0
    assert axes.lines[0].get_ydata().tolist() == [30, 40]


def test_next_token_bars_are_ranked_and_the_rest_completes_them_to_one():
    probabilities = [0.01] * 50 + [0.3, 0.2]
    tokens = [f"t{n}" for n in range(50)] + [" boat", " net"]
    axes = plots.next_token_bars(tokens, probabilities, top=5).axes[0]
    widths = [bar.get_width() for bar in axes.patches]
    assert widths[:3] == [0.3, 0.2, 0.01]
    assert sum(widths) == pytest.approx(1)
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names[0] == "␣boat" and names[-1] == "all others"


@pytest.mark.filterwarnings("error")
def test_any_token_can_be_drawn():
    tokens = ["$5 and $6", "\n", "\t", "海", "\x00", "", "  ", r"\frac", "é", "�"]
    figure = plots.next_token_bars(tokens, [0.1] * 10)
    plots.png(figure)
    labels = figure.axes[0].get_yticklabels()
    assert not any(label.get_parse_math() for label in labels)
    shown = [plots.visible(token) for token in tokens]
    assert shown[1:7] == ["⏎", "⇥", "�", "�", "∅", "␣␣"]
    assert shown[8] == "é"


def test_a_token_that_cannot_be_drawn_is_crossed_out_and_the_rest_add_to_one():
    figure = PICTURES["shaped_distributions"]()
    written = [[text.get_text().strip() for text in axes.texts] for axes in figure.axes]
    assert written == [["60%", "20%", "20%"], ["75%", "25%", "×"]]
    assert "some tokens under top-k 2." in figure.alt


def test_a_power_law_is_a_straight_line_between_logarithmic_axes():
    axes = PICTURES["power_laws"]().axes[0]
    assert axes.get_xscale() == axes.get_yscale() == "log"
    x, y = axes.lines[0].get_data()
    slopes = np.diff(np.log(y)) / np.diff(np.log(x))
    assert np.allclose(slopes, -0.5)
    hollow = [line for line in axes.lines if line.get_markerfacecolor() == "none"]
    assert [line.get_xydata().tolist() for line in hollow] == [[[8e5, 0.5]]]


def test_token_boxes_show_spaces_and_ids_and_never_markup():
    page = plots.token_colours(["<b>", " gull", "\n"], ids=[7, 300, 16]).data
    assert "&lt;b&gt;" in page and "<b>" not in page
    assert "␣gull" in page and "⏎" in page
    assert all(f">{number}<" in page for number in (7, 300, 16))
    with pytest.raises(ValueError, match="2 ids for 1 tokens"):
        plots.token_colours(["a"], ids=[1, 2])


def test_win_rates_are_called_wins_only_where_the_whole_interval_is():
    words = plots.win_rate_intervals(
        {"a": (0.6, 0.51, 0.7), "b": (0.6, 0.49, 0.7), "c": (0.3, 0.2, 0.4)},
        against="instruct",
    ).alt
    assert "a (≈60%) wins more than half" in words
    assert "b (≈60%) cannot be told from an even match" in words
    assert "c (≈30%) wins less than half" in words


def test_a_model_is_said_to_lead_only_where_the_intervals_are_apart():
    words = plots_words("intervals_by_group")
    assert "masked lies above causal at first, their intervals apart" in words
    assert "masked lies below causal at last, their intervals apart" in words
    assert "their intervals overlap at middle" in words


def test_shares_are_said_to_be_above_chance_only_where_the_interval_is():
    words = PICTURES["share_intervals"]().alt
    assert "of negation hold chance or lie below it, all others lie above it" in words
    above = plots.share_intervals({"a": (0.9, 0.6, 1.0)}, chance=0.5).alt
    assert "All intervals lie above chance." in above


def test_a_frame_of_the_lens_is_around_what_really_comes():
    axes = PICTURES["logit_lens_grid"]().axes[0]
    framed = [(round(p.get_y() + 0.44), round(p.get_x() + 0.47)) for p in axes.patches]
    assert framed == [(0, 1), (1, 0), (1, 1)]


def test_names_on_a_map_are_not_written_over_each_other():
    written = [text.get_text() for text in PICTURES["embedding_map"]().axes[0].texts]
    assert written == ["gull", "net", "Ivy"]


def test_calibration_puts_each_prediction_in_its_bin():
    axes = plots.calibration([0.05, 0.15, 0.15, 1.0], [0, 0, 1, 1]).axes[0]
    points = [
        (round(float(line.get_xdata()[0]), 6), float(line.get_ydata()[0]))
        for line in axes.lines
        if line.get_marker() == "o"
    ]
    assert points == [(0.05, 0.0), (0.15, 0.5), (1.0, 1.0)]


def test_a_parent_stands_left_of_its_children_and_no_two_share_a_place():
    parents = {card.stage: card.parent for card in FAMILY} | {"random": None}
    places = family._tree_places(parents)
    assert len(set(places.values())) == len(places) == 6
    for child, parent in parents.items():
        if parent:
            assert places[parent][0] == places[child][0] - 1


def test_a_circle_of_descent_is_refused():
    with pytest.raises(ValueError, match="round in a circle"):
        plots.lineage([Card("a", "b"), Card("b", "a")])


def test_a_merge_tree_has_every_byte_once_and_each_merge_above_its_parts():
    axes = plots.merge_tree([HUG, Tree(21, " ")]).axes[0]
    places = {}
    for text in axes.texts:
        if text.get_text() not in {"262", "263"}:
            places[text.get_text()] = text.get_position()
    assert [places[letter] for letter in "hug␣"] == [(0, 0), (1, 0), (2, 0), (3, 0)]
    assert places["ug"] == (1.5, 1) and places["hug"] == (0.75, 2)


def test_the_cheapest_vocabulary_of_each_model_is_marked():
    panels = plots.vocabulary_costs(COSTS).axes
    marked = [
        line.get_xdata()[0]
        for panel in panels
        for line in panel.lines
        if line.get_marker() == "D"
    ]
    assert marked == [1024, 512]
    told = plots.vocabulary_costs(COSTS).alt
    assert "small falls from ≈1.43 to ≈1; large rises from ≈1 to ≈1.1" in told


def test_showing_prints_the_words_and_a_figure_without_words_is_refused(capsys):
    plots.show(PICTURES["lineage"]())
    printed = capsys.readouterr().out
    assert printed.startswith("In words: Family tree of the checkpoints: masked from")
    assert max(map(len, printed.splitlines())) <= 80
    plots.show(Figure(), alt="An empty picture.")
    with pytest.raises(ValueError, match="no description"):
        plots.show(Figure())


def test_in_a_notebook_the_words_are_a_paragraph_below_their_picture(monkeypatch):
    shown = []
    monkeypatch.setattr(style, "get_ipython", lambda: object())
    monkeypatch.setattr(
        style, "display", lambda data, **more: shown.append((data, more))
    )
    plots.show(PICTURES["lineage"](), alt="A tree of <b>five</b> stages.")
    (image, more), (words, _) = shown
    assert image["text/plain"] == "Picture"
    assert more["metadata"]["image/png"]["alt"] == "A tree of <b>five</b> stages."
    assert more["metadata"]["needs_background"] == "light", (
        "it is turned over in a dark"
    )
    assert words["text/plain"] == "In words"
    assert (
        "In words: A tree of &lt;b&gt;five&lt;/b&gt; stages.</p>" in words["text/html"]
    )


@pytest.mark.parametrize(
    ("draw", "complaint"),
    [
        (lambda: plots.loss_curve({}), "no runs"),
        (lambda: plots.loss_curve({"base": []}), "'base' has no finite 'loss'"),
        (lambda: plots.loss_curve({"a": [{"step": 0, "loss": math.nan}]}), "no finite"),
        (lambda: plots.ppo_dashboard([]), "none of the metrics of PPO"),
        (lambda: plots.next_token_bars(["a"], [1.5]), "softmax"),
        (lambda: plots.next_token_bars(["a", "b"], [1.0]), "each of 2 items"),
        (lambda: plots.attention_map(np.ones((2, 3)), ["a", "b"]), "square"),
        (
            lambda: plots.intervals_by_group(
                ["x"], {"a": [(0.5, 0.6, 0.7)]}, x_label="x", y_label="y"
            ),
            "outside its interval",
        ),
        (lambda: plots.win_rate_intervals({"a": (0.5, 0.6, 0.7)}, against="b"), "low"),
        (lambda: plots.share_intervals({"a": (0.5, 0.4, 1.7)}, chance=0.5), "'a' has"),
        (
            lambda: plots.attention_and_damage({"a": (0, (2, 0, 1))}, looked_at="it"),
            "outside its interval",
        ),
        (lambda: plots.calibration([0.5], [2]), "0 or 1"),
        (lambda: plots.lineage([]), "no cards"),
        (lambda: plots.power_laws({"a": [(1, 2)]}, {"a": abs}, floor=2), "not above"),
        (lambda: plots.shaped_distributions(["a"], {"hot": [2.0]}), "softmax"),
        (lambda: plots.merge_tree([]), "no tokens"),
        (lambda: plots.merge_tree([HUG] * 9), "27 bytes; at most 26"),
        (
            lambda: plots.lines([1], {"a": [1, 2]}, x_label="", y_label=""),
            "x and y must have same",
        ),
    ],
)
def test_data_that_cannot_be_drawn_is_refused_with_a_reason(draw, complaint):
    with pytest.raises(ValueError, match=complaint):
        draw()


# Gathering text -----------------------------------------------------------------------


def test_the_table_of_minima_marks_the_smallest_number_of_each_set():
    axes = PICTURES["minhash_table"]().axes[0]
    marks = [(m.get_marker(), *m.get_xydata()[0]) for m in axes.lines]
    # Rows: "gull sat" is only in the first set, "the gull" in both.
    assert marks == [("o", 0, 0), ("s", 0, 1), ("o", 1, 1), ("s", 1, 1)]
    verdicts = [t.get_text() for t in axes.texts if t.get_text() in ("agree", "differ")]
    assert verdicts == ["differ", "agree"]
    assert "2 phrases, 1 of them in both A and B" in plots_words("minhash_table")
    assert "are the same under 1 of them" in plots_words("minhash_table")


def test_bars_of_what_was_dropped_add_up_to_one():
    axes = PICTURES["kept_and_dropped"]().axes[0]
    widths = [bar.get_width() for bar in axes.patches]
    assert widths == pytest.approx([0.7, 0.2, 0.1])
    assert {bar.get_hatch() for bar in axes.patches[1:]} == {"///"}
    assert "dropped by “notices” (≈%) and “too short” (≈%)" in plots_words(
        "kept_and_dropped"
    )


def test_the_matrix_frames_the_lowest_loss_of_every_column():
    axes = PICTURES["loss_matrix"]().axes[0]
    bold = [t.get_text() for t in axes.texts if t.get_fontweight() == "bold"]
    assert bold == ["1.00", "0.50"] and len(axes.patches) == 2
    assert "on web: web (≈); on books: books (≈)" in plots_words("loss_matrix")
