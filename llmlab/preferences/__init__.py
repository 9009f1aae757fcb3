"""Which of two stories is better: who says so, how it is kept, what it can teach.

A comparison is the only thing that a person has to give: no scores, one click. Here
are comparisons, simulated people whose probabilities are known exactly (so that the
best possible accuracy of any reward model is known too), a store that never loses a
click, and the Bradley-Terry model, which turns comparisons into strengths.
"""

from llmlab.preferences.annotators import (
    Annotator,
    accuracy_ceiling,
    crowd_agreement,
    crowd_preference,
    gold_agreement,
    label,
    simulated_crowd,
)
from llmlab.preferences.bradley_terry import bradley_terry
from llmlab.preferences.comparisons import EQUAL, SOURCES, Comparison, pair_name
from llmlab.preferences.label_store import LabelStore
