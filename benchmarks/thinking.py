"""Whether thinking pays, three times: tuning, reward and price, seed by seed.

Told are test questions: combinations of facts that no training has asked, and facts
asked alone in a wording that none has used. What is found is kept beside the other data
of the course; chapter 15 prints it.
"""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from benchmarks.timing import Measured
from llmlab.files import write_atomically
from llmlab.gpt import GPT
from llmlab.life import Life
from llmlab.paths import CHECKPOINTS, DATA
from llmlab.policy_gradient import PolicySettings
from llmlab.thinking import (
    ENDS,
    PRACTICE,
    THINKS,
    Puzzle,
    is_right,
    one_step,
    practise,
    say,
    thinks,
    tune,
    two_steps,
)

KEPT = DATA / "thinking.json"
SEEDS = (0, 1, 2)
PRICE = 0.01  # of a token, in right answers


@dataclass(frozen=True)
class Sizes:
    """How much of everything; questions of each kind, None for all."""

    tuning: dict | None = None
    practice: PolicySettings = PRACTICE
    questions: int | None = None


def thinking(
    seeds: Sequence[int] = SEEDS,
    split: str = "test",
    *,
    sizes: Sizes = Sizes(),
    life: Life | None = None,
    kept: Path = KEPT,
) -> Iterator[Measured]:
    """Rows of the report; of the three seeds on test questions, figures are kept."""
    life = life or Life(CHECKPOINTS)
    found = {seed: one_run(life, seed, split, sizes) for seed in seeds}
    if split == "test" and tuple(seeds) == SEEDS:
        told = {"price": PRICE, "seeds": found}
        write_atomically(kept, (json.dumps(told, indent=1) + "\n").encode())
    yield from rows(list(found.values()))


def one_run(life: Life, seed: int, split: str, sizes: Sizes) -> dict:
    """[right, asked] and so on, as `rows` names them."""
    two, one = (ask(split)[: sizes.questions] for ask in (two_steps, one_step))
    practice = [*two_steps("rewarded"), *one_step("rewarded")]
    worked = time.process_time()
    tuned = life.load("instruct")
    tune(tuned, life.tokenizer, seed=seed, **(sizes.tuning or {}))
    tuned.requires_grad_(False)
    found = {"tuning": time.process_time() - worked}
    policies = {}
    for name, price in {"free": 0.0, "priced": PRICE}.items():
        policy = life.load("instruct")
        policy.load_state_dict(tuned.state_dict())
        worked = time.process_time()
        how = dict(price=price, seed=seed)
        practise(policy, life.tokenizer, practice, sizes.practice, **how)
        found[f"{name}, seconds"] = time.process_time() - worked
        policies[name] = policy.requires_grad_(False)

    def told(model: GPT, puzzles: Sequence[Puzzle], begin: str = "") -> list[str]:
        dice = {"temperature": 1.0, "generator": torch.Generator().manual_seed(seed)}
        return say(model, life.tokenizer, puzzles, begin, **({} if begin else dice))

    def right(puzzles: Sequence[Puzzle], said: list[str]) -> list:
        judged = map(is_right, puzzles, said)
        return [sum(judged), len(puzzles)]

    found["direct"] = right(two, told(tuned, two, ENDS))
    found["aloud"] = right(two, told(tuned, two, THINKS))
    asked = {"before": tuned, "after": policies["free"], "priced": policies["priced"]}
    for name, model in asked.items():
        for steps, puzzles in {"": two, ", one step": one}.items():
            said = told(model, puzzles)
            found[name + steps] = right(puzzles, said)
            found[f"{name}{steps}, thinks"] = [sum(map(thinks, said)), len(said)]
    found["thinks"] = found["after, thinks"]
    return found


def rows(runs: Sequence[dict]) -> Iterator[Measured]:
    """The figures of all seeds beside their bars; the worst seed is in the note."""

    def shares(name: str) -> list[float]:
        return [run[name][0] / run[name][1] for run in runs]

    for what, name, bar in (
        ("forced direct", "direct", {"at_most": 0.4}),
        ("forced to think", "aloud", {"at_least": 0.9}),
        ("before the reward", "before", {}),
        ("before the reward, thinking", "before, thinks", {}),
        ("after the reward", "after", {"at_least": 0.93}),
        ("after the reward, thinking", "after, thinks", {"at_least": 0.95}),
        ("one step, before", "before, one step", {}),
        ("one step, after", "after, one step", {}),
        ("one step, with a price", "priced, one step", {}),
        ("one step, with a price, thinking", "priced, one step, thinks", {}),
        ("two steps, with a price", "priced", {}),
        ("two steps, with a price, thinking", "priced, thinks", {}),
    ):
        found = shares(name)
        note = f"{min(found):.3f} to {max(found):.3f}"
        yield Measured(what, found, **bar, note=note)
    for what, name, bar in (
        ("tuning, processor seconds", "tuning", 40.0),
        ("reward, processor seconds", "free, seconds", 60.0),
    ):
        yield Measured(what, [run[name] for run in runs], at_most=bar)
