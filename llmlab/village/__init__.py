"""The village: where the text comes from.

A small world (words/*.toml), told as books, articles, web pages, a phrase book and
sayings; instructions with exact scorers; stories in pairs with a hidden truth about
which is better. Every random choice is counted: the lowest possible loss is known.
"""

from llmlab.village.cast import who_is_who
from llmlab.village.chooser import Chooser, every_derivation
from llmlab.village.corpus import Document, documents
from llmlab.village.edits import ADDITIONS, FAULTS, StoryEdit
from llmlab.village.examples import (
    TASKS,
    Instruction,
    instructions,
    story_edits,
    story_pairs,
    story_prompts,
    translations_of,
    two_step_questions,
)
from llmlab.village.facts import BACKWARD, FORWARD, Fact, count_readings, every_fact
from llmlab.village.gold import gold_score
from llmlab.village.probing import (
    Completion,
    MinimalPair,
    Probes,
    probes,
    questions_about_facts,
)
from llmlab.village.scoring import StoryVerdict, judge_story, score_answer
from llmlab.village.stories import StoryPair
