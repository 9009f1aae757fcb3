"""What forty clicks do, for each of the scripted readers.

Each clicks on forty pairs of the same pool, picked where the fits to their clicks so
far disagree. Their reward is asked about new pairs, steers the instruct model, and in
the end they choose blind between a story before and one after. All of it on prompts of
one split: "validation" to choose by, "test" to tell. What is told on test prompts is
kept beside the checkpoints that it belongs to; chapter 11b draws it.
"""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from benchmarks.timing import Measured
from llmlab import village
from llmlab.checkpoints import weights_hash
from llmlab.evaluation import Share, win_rate
from llmlab.files import write_atomically
from llmlab.instruction import render_prompt
from llmlab.life import Life, own_pairs, write_stories
from llmlab.paths import CHECKPOINTS, DATA
from llmlab.policy_gradient import PolicySettings
from llmlab.rollouts import log_probs_of, sequence_kl
from llmlab.taste import (
    READERS,
    STEERING,
    Reader,
    choice,
    fit,
    interview,
    pair_differences,
    scale_of,
    steer,
    taste_of,
)

KEPT = DATA / "tastes.json"
BOLD = 1.0  # the temperature of the pool: rare things must turn up to be clicked on


@dataclass(frozen=True)
class Sizes:
    """How much of everything."""

    pool: int = 300  # pairs that a reader may be asked about
    new: int = 200  # pairs, and prompts, to judge by
    practice: int = 1_000  # prompts
    steering: PolicySettings = STEERING


def tastes(
    names: Sequence[str] = tuple(READERS),
    split: str = "test",
    *,
    sizes: Sizes = Sizes(),
    life: Life | None = None,
    kept: Path = KEPT,
) -> Iterator[Measured]:
    """Rows of the report; of all readers on test prompts, the figures are kept."""
    life = life or Life(CHECKPOINTS)
    found = {}
    bench = Bench(life, split, sizes)
    for name in names:
        try:
            found[name] = bench.reader(name)
        except ValueError as error:  # forty ties, or no new pair that differs
            print(f"{name}: {error}")
            continue
        yield from rows(name, found[name])
    if split == "test" and set(names) == set(READERS):
        told = {"instruct": weights_hash(bench.instruct), "readers": found}
        write_atomically(kept, (json.dumps(told, indent=1) + "\n").encode())


class Bench:
    """What all readers share: the model, the pool, and what they are judged by."""

    def __init__(self, life: Life, split: str, sizes: Sizes):
        self.life, self.sizes = life, sizes
        self.instruct = life.load("instruct").requires_grad_(False)
        seed = life.seed + 11
        self.pool = own_pairs(life, self.instruct, sizes.pool, "train", seed, BOLD)
        self.new = own_pairs(life, self.instruct, sizes.new, split, life.seed + 21)
        self.prompts = [pair.prompt for pair in self.new]
        self.before, self.rollouts = write_stories(
            life, self.instruct, self.prompts, life.seed + 31
        )
        differences = self.differences(self.pool)
        self.scale = scale_of(differences)
        self.scaled = differences / self.scale

    def differences(self, pairs) -> torch.Tensor:
        return pair_differences(self.instruct, self.life.tokenizer, pairs)

    def reader(self, name: str) -> dict:
        """All that is told of one reader."""
        reader, life = READERS[name], self.life
        dice = torch.Generator().manual_seed(life.seed)

        def answer(row: int) -> float:
            return 1.0 - choice(reader, self.pool[row])

        began, worked = time.perf_counter(), time.process_time()
        asked, targets = interview(self.scaled, answer, dice)
        direction = fit(self.scaled[asked], targets) / self.scale
        written = [(r.prompts, r.responses) for r in self.rollouts]
        prompts, responses = (sum(texts, []) for texts in zip(*written, strict=True))
        taste = taste_of(self.instruct, direction, prompts, responses)
        policy = life.load("instruct")
        practice = village.story_prompts(
            self.sizes.practice, seed=life.seed, split="train"
        )
        rendered = [render_prompt(life.tokenizer, prompt) for prompt in practice]
        steer(policy, taste.score, rendered, self.sizes.steering, seed=life.seed)
        policy.requires_grad_(False)
        after, rollouts = write_stories(life, policy, self.prompts, life.seed + 42)
        seconds = time.perf_counter() - began
        processor = time.process_time() - worked
        return {
            "ties": int((targets == 0.5).sum()),
            "agreement": self.agreement(reader, direction),
            **self.judged(reader, after),
            "kl": nats(policy, self.instruct, rollouts),
            "seconds": seconds,
            "processor": processor,
        }

    def agreement(self, reader: Reader, direction: torch.Tensor) -> list:
        """[successes, trials] among new pairs about which the reader decides.

        Raises ValueError: they decide about none.
        """
        clicks = torch.tensor([float(choice(reader, pair)) for pair in self.new])
        for_first = self.differences(self.new) @ direction > 0
        right = (for_first == (clicks == 0))[clicks != 0.5]
        if len(right) == 0:
            raise ValueError(
                f"none of {len(self.new)} new pairs differs for this reader; give more"
            )
        return [int(right.sum()), len(right)]

    def judged(self, reader: Reader, after: list[str]) -> dict:
        """What the reader finds in the stories before and after, and would choose."""
        worth = [
            [reader(*pair) for pair in zip(self.prompts, stories, strict=True)]
            for stories in (self.before, after)
        ]
        wins = win_rate(worth[1], worth[0])
        gold = [
            [village.gold_score(*pair) for pair in zip(self.prompts, told, strict=True)]
            for told in (self.before, after)
        ]
        count = len(self.prompts)
        return {
            "liked": [sum(values) / count for values in worth],
            "gold": [sum(values) / count for values in gold],
            "blind": [wins.successes, wins.trials],
        }


def nats(policy, reference, rollouts) -> float:
    """Mean divergence of the policy's own stories from the reference."""
    parts = [
        sequence_kl(log_probs_of(policy, r), log_probs_of(reference, r), r.mask)
        for r in rollouts
    ]
    return torch.cat(parts).mean().item()


def rows(name: str, found: dict) -> Iterator[Measured]:
    """One reader's figures beside their bars."""
    before, after = found["liked"]
    agreement, blind = (Share(*found[key]) for key in ("agreement", "blind"))
    note = (
        f"{found['ties']} of 40 clicks were ties; the pairs decided: {agreement}; "
        f"{found['kl']:.1f} nats; gold {found['gold'][0]:.2f} and then "
        f"{found['gold'][1]:.2f}"
    )
    bar = 0.70 if name == "short" else 0.80
    yield Measured(
        f"{name}: agreement on new pairs", [agreement.rate], at_least=bar, note=note
    )
    if name == "short":
        shorter = [after / before]  # of the same sign: a reader counts words below zero
        yield Measured(f"{name}: words after / before", shorter, at_most=0.80)
    else:
        more = [after / max(before, 1e-9)]
        yield Measured(f"{name}: liked things after / before", more, at_least=2.0)
    yield Measured(
        f"{name}: chosen blind", [blind.rate], at_least=0.80, note=f"{blind}"
    )
    yield Measured(
        f"{name}: seconds, clicks apart",
        [found["seconds"]],
        at_most=60.0,
        note=f"{found['processor']:.0f} of the processor, all cores together",
    )
