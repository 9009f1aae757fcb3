"""Pictures of what a model does: matplotlib only, plain data in, one figure out.

Every function returns a `Picture`, a matplotlib figure that carries its description
in words. A notebook cell that ends with a picture shows the image and prints the
words, so nobody needs to see the image to follow. The words name only what survives
a different processor (directions, orders, which side of a line), because stored
outputs are compared strictly; the pixels may show every digit.

Colours are those of Okabe and Ito (2008), distinguishable with any colour vision,
and each one comes with a line style, a marker or a hatch that says the same.
"""

from llmlab.plots.answering import (
    confusion,
    intervals_by_row,
    learned_rows,
    risk_and_coverage,
    stacked_shares,
)
from llmlab.plots.curves import (
    loss_curve,
    power_laws,
    ppo_dashboard,
    schedule,
    small_multiples,
)
from llmlab.plots.diagrams import gpt_block, gpt_whole, policy_loop
from llmlab.plots.family import lineage
from llmlab.plots.gathering import (
    chance_curves,
    kept_and_dropped,
    loss_matrix,
    minhash_table,
)
from llmlab.plots.judging import (
    calibration,
    dumbbells,
    intervals_by_group,
    score_histograms,
    share_intervals,
    win_rate_intervals,
)
from llmlab.plots.learned import (
    attention_and_damage,
    embedding_map,
    head_grids,
    logit_lens_grid,
)
from llmlab.plots.looking import (
    attention_map,
    next_token_bars,
    shaped_distributions,
    token_colours,
)
from llmlab.plots.mechanics import descent, packing_mask, query_key_value
from llmlab.plots.preferring import agreement_matrix, best_guesses, strength_ladder
from llmlab.plots.shapes import arrows, lines, scattered
from llmlab.plots.strips import story_strips
from llmlab.plots.style import (
    BLUE,
    GREY,
    HATCHES,
    LINE_STYLES,
    MARKERS,
    PALETTE,
    VERMILLION,
    WIDTH_INCHES,
    Picture,
    notebook_image,
    png,
    print_words,
    show,
)
from llmlab.plots.vocabulary import characters_per_token, merge_tree, vocabulary_costs
from llmlab.plots.words import visible
