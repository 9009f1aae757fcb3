"""Checks of the exercises: each proves properties of an answer and names the mistake.

A check never compares with a stored result. It asks what has to be true of every right
answer (the past does not change when the future does, a row of weights sums to one,
padding moves nothing), and measures the answer where a property fails, so that it can
say in one sentence what went wrong. A passing check prints what it has proven.

A file for each topic, and `common` for what all of them need.
`exercises/wrong_answers` keeps the mistakes that the checks are proven to recognise.
"""

import sys

# `importlib.reload(checks)` is to load every file afresh, not this one only: whatever
# somebody replaced in one of them is gone.
for _name in [name for name in sys.modules if name.startswith(f"{__name__}.")]:
    del sys.modules[_name]

from llmlab.checks.common import CheckFailed
from llmlab.checks.gpt import attention, your_attention
from llmlab.checks.instruction import instruction_targets
from llmlab.checks.masking import hide
from llmlab.checks.near_duplicates import estimated_likeness
from llmlab.checks.next_token import next_token_loss
from llmlab.checks.ppo import policy_loss
from llmlab.checks.sampling import keep_nucleus
from llmlab.checks.tokenizer import merge, your_merge

__all__ = [
    "CheckFailed",
    "attention",
    "estimated_likeness",
    "hide",
    "instruction_targets",
    "keep_nucleus",
    "merge",
    "next_token_loss",
    "policy_loss",
    "your_attention",
    "your_merge",
]
