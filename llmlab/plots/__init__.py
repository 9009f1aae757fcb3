"""Pictures of what a model does: matplotlib only, plain data in, one figure out.

Every function returns a `Picture`, a matplotlib figure that carries its description
in words. A notebook cell that ends with a picture shows the image and prints the
words, so nobody needs to see the image to follow. The words name only what survives
a different processor (directions, orders, which side of a line), because stored
outputs are compared strictly; the pixels may show every digit.

Colours are those of Okabe and Ito (2008), distinguishable with any colour vision,
and each one comes with a line style, a marker or a hatch that says the same.
"""

from llmlab.plots.choices import shaped_distributions
from llmlab.plots.comparing import intervals_by_group
from llmlab.plots.curves import loss_curve, ppo_dashboard, schedule
from llmlab.plots.family import lineage
from llmlab.plots.gathering import (
    chance_curves,
    kept_and_dropped,
    loss_matrix,
    minhash_table,
)
from llmlab.plots.judging import calibration, score_histograms, win_rate_intervals
from llmlab.plots.learned import (
    attention_and_damage,
    embedding_map,
    head_grids,
    logit_lens_grid,
    share_intervals,
)
from llmlab.plots.reading import attention_map, next_token_bars, token_colours
from llmlab.plots.scaling import power_laws
from llmlab.plots.shapes import arrows, lines, scattered
from llmlab.plots.style import (
    BLUE,
    DOTS_PER_INCH,
    GREEN,
    GREY,
    HATCHES,
    INK,
    LINE_STYLES,
    MARKERS,
    ORANGE,
    PALETTE,
    PURPLE,
    SHOWN_PIXELS_PER_INCH,
    SKY,
    VERMILLION,
    WIDTH_INCHES,
    Picture,
    notebook_image,
    png,
    print_words,
    show,
)
from llmlab.plots.vocabulary import (
    characters_per_token,
    merge_tree,
    vocabulary_costs,
)
from llmlab.plots.words import visible

__all__ = [
    "BLUE",
    "DOTS_PER_INCH",
    "GREEN",
    "GREY",
    "HATCHES",
    "INK",
    "LINE_STYLES",
    "MARKERS",
    "ORANGE",
    "PALETTE",
    "PURPLE",
    "SHOWN_PIXELS_PER_INCH",
    "SKY",
    "VERMILLION",
    "WIDTH_INCHES",
    "Picture",
    "arrows",
    "attention_and_damage",
    "attention_map",
    "calibration",
    "chance_curves",
    "characters_per_token",
    "embedding_map",
    "head_grids",
    "intervals_by_group",
    "kept_and_dropped",
    "lineage",
    "lines",
    "logit_lens_grid",
    "loss_curve",
    "loss_matrix",
    "merge_tree",
    "minhash_table",
    "next_token_bars",
    "notebook_image",
    "png",
    "power_laws",
    "ppo_dashboard",
    "print_words",
    "scattered",
    "schedule",
    "score_histograms",
    "shaped_distributions",
    "share_intervals",
    "show",
    "token_colours",
    "visible",
    "vocabulary_costs",
    "win_rate_intervals",
]
