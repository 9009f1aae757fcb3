"""Which of two stories is better: who says so, how it is kept, what it can teach.

A comparison is the only thing that a person has to give: no scores, one click. Here
are comparisons, simulated people whose probabilities are known exactly (so that the
best possible accuracy of any reward model is known too), a store that never loses a
click, the Bradley-Terry model, which turns comparisons into strengths, and what says
whether people agree with each other and with themselves.
"""

from llmlab.preferences.agreement import (
    Lean,
    asked_twice,
    cohens_kappa,
    position_lean,
    side_free,
)
from llmlab.preferences.annotators import (
    Annotator,
    accuracy_ceiling,
    crowd_agreement,
    crowd_preference,
    gold_agreement,
    label,
    simulated_crowd,
)
from llmlab.preferences.bradley_terry import (
    Strengths,
    bradley_terry,
    fit_strengths,
    rank_error,
    win_table,
)
from llmlab.preferences.comparisons import (
    EQUAL,
    SOURCES,
    Comparison,
    pair_name,
    texts_of,
)
from llmlab.preferences.label_store import LabelStore
