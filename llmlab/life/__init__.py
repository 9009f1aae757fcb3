"""One life, stage by stage: the recipes behind the checkpoints that the course ships.

Every recipe reads the same: take the parent's weights and the stage's data, train,
measure. Every number is in `life.settings`; nothing else is hidden.

    random -> masked     guess hidden words, seeing both sides
    random -> base       guess the next word
    base -> instruct     answer when asked
    instruct -> reward   learn from comparisons what people like
    instruct -> ppo      write what the reward model likes
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from llmlab.life.answers import (
    instruction_examples,
    measure_answers,
    train_instruct,
)
from llmlab.life.folder import Life, Trained
from llmlab.life.judging import crowd_preferences, measure_policy, measure_reward
from llmlab.life.pleases import train_ppo, train_reward
from llmlab.life.reads import train_base, train_masked
from llmlab.life.settings import RECIPES, Recipe
from llmlab.life.stories import annotators, comparisons, own_pairs, write_stories
from llmlab.paths import CHECKPOINTS, RUNS


@dataclass(frozen=True)
class Stage:
    """One step of the life: whose weights it begins from, and how it is trained.

    judge : the stage that says how good its answers are, if one does.
    """

    parent: str
    train: Callable[[Life], Trained]
    judge: str = ""


STAGES = {
    "masked": Stage("random", train_masked),
    "base": Stage("random", train_base),
    "instruct": Stage("base", train_instruct),
    "reward": Stage("instruct", train_reward),
    "ppo": Stage("instruct", train_ppo, judge="reward"),
}


def settings(life: Life) -> dict:
    """What makes a life this life: two with equal settings have equal weights."""
    return {stage: life.settings(stage) for stage in STAGES}


def course() -> Life:
    """The learner's own life if a whole tour was made here, else the shipped one."""
    own, shipped = Life(RUNS / "tour"), Life(CHECKPOINTS)
    told = (own.folder / "report.json").exists()  # at the very end of a tour
    if told and all(own.is_current(stage) for stage in STAGES):
        _say_once(f"These are your own checkpoints, in {own.folder.name}.")
        return own
    if not shipped.folder.exists():  # an installed library, without its repository
        raise FileNotFoundError(
            "there are no checkpoints here: they come with a clone of the repository. "
            "`python -m llmlab tour` trains your own, in about a quarter of an hour"
        )
    _say_once("These are the checkpoints that the course ships.")
    return shipped


@cache
def _say_once(sentence: str) -> None:
    print(sentence)
