"""What becomes of a policy that is paid by a reward of 300 labels, and what helps.

Each arm changes one thing of the same short run: the reward is a linear head on what
the frozen instruct model knows of a story, nothing is paid for distance, and the gold
of every story is written down and paid by nobody. Three seeds of labels, prompts and
dice. What each run came to, update by update, and the gold of the stories that its
policy writes to test prompts, is kept in `data/wrong_reward.json`, from which chapter
13 draws; a run that is there already, with the same settings, is not made again.
"""

import copy
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import fmean

import torch
from torch import Tensor

from benchmarks.timing import Measured
from llmlab import village
from llmlab.checkpoints import weights_hash
from llmlab.ensemble import ensemble_of
from llmlab.files import write_atomically
from llmlab.gpt import GPT
from llmlab.instruction import render_prompt
from llmlab.life import Life, annotators, own_pairs, write_stories
from llmlab.life.judging import story_metrics
from llmlab.optimisers import adamw
from llmlab.paths import CHECKPOINTS, DATA
from llmlab.policy_gradient import RLOO, PolicySettings, policy_step
from llmlab.preferences import label
from llmlab.progress import TerminalProgress
from llmlab.rollouts import RewardFunction, frozen_copy
from llmlab.taste import bootstrap, fit, pair_differences, scale_of, taste_of
from llmlab.training import train
from llmlab.village import StoryPair
from llmlab.village.gold import read

KEPT = DATA / "wrong_reward.json"
SEEDS = (1, 2, 3)
ONE, SECOND = "one head", "a second round"
ARMS = (ONE, SECOND, "the lower bound", "a price", "more labels")
# What only one arm depends on.
ALONE = {"the lower bound": "caution", "a price": "price", "more labels": "more"}
TOLD = ("score", "kl", "length", "finished")
COUNTED = ("twist", "senses", "simile", "line")
FAULTS = ("broken", "foreign", "out_of_place", "repeated", "strange", "missing")


@dataclass(frozen=True)
class Sizes:
    """How much of everything; chosen with labels, prompts and dice of other seeds."""

    labels: int = 300
    more: int = 900  # labels of the arm that has more of them
    ridge: float = 5.0  # ten times chapter 11b's, which has fewer labels
    heads: int = 8
    caution: float = 2.0  # with 1, hardly anything changed
    price: float = 0.1  # of a nat, in standard deviations of the reward
    asked: int = 60  # test prompts
    normal: int = 100  # stories that set a reward's zero and unit
    run: PolicySettings = field(
        default_factory=lambda: replace(
            RLOO, steps=12, rate=8e-4, responses=32, group=4, beta=0.0
        )
    )


def wrong_reward(
    names: Sequence[str] = ARMS,
    seeds: Sequence[int] = SEEDS,
    *,
    sizes: Sizes = Sizes(),
    life: Life | None = None,
    kept: Path = KEPT,
) -> Iterator[Measured]:
    """The runs that are not kept yet; then a row for each bar and each arm."""
    life = life or Life(CHECKPOINTS, progress=TerminalProgress())
    instruct = life.load("instruct").requires_grad_(False)
    whose = {"instruct": weights_hash(instruct)}
    stored = json.loads(kept.read_text("utf-8")) if kept.exists() else {}
    for seed in seeds:
        bench = None
        for name in names:
            identity = asdict(sizes) | whose
            for other in ALONE.keys() - {name}:
                del identity[ALONE[other]]
            if stored.get(f"{name}, {seed}", {}).get("identity") != identity:
                bench = bench or Bench(life, instruct, seed, sizes)
                stored[f"{name}, {seed}"] = {"identity": identity} | bench.run(name)
                write_atomically(kept, json.dumps(stored).encode())
    yield from rows(stored, seeds)


class Bench:
    """What the arms of one seed share: labels, prompts, and who is asked."""

    def __init__(self, life: Life, instruct: GPT, seed: int, sizes: Sizes):
        self.life, self.instruct, self.seed, self.sizes = life, instruct, seed, sizes
        self.crowd = annotators(life)
        self.pairs = own_pairs(life, instruct, sizes.labels, "train", 1_000 * seed)
        self.prompts = village.story_prompts(1_000, seed=1_000 * seed, split="train")
        self.tests = village.story_prompts(
            sizes.asked, seed=life.seed + 1, split="test"
        )
        normal = village.story_prompts(
            sizes.normal, seed=1_000 * seed + 1, split="train"
        )
        _, rollouts = write_stories(life, instruct, normal, seed)
        self.normal = rollouts[0].prompts, rollouts[0].responses
        self.scale = scale_of(pair_differences(instruct, life.tokenizer, self.pairs))
        self.walked: list[StoryPair] = []

    def run(self, name: str) -> dict:
        """One arm: its history, and the gold of stories to test prompts."""
        sizes, settings, pairs = self.sizes, self.sizes.run, self.pairs
        if name == "more labels":
            count, seed = sizes.more - sizes.labels, 1_000 * self.seed + 500
            pairs = pairs + own_pairs(self.life, self.instruct, count, "train", seed)
        if name == SECOND:
            pairs = pairs + self.own_stories()
        if name == "a price":
            settings = replace(settings, beta=sizes.price)
        caution = sizes.caution if name == "the lower bound" else None
        return self.practise(name, self.reward(pairs, caution), settings)

    def own_stories(self) -> list[StoryPair]:
        """Pairs that the policy of one head wrote on its way."""
        if not self.walked:
            self.run(ONE)
        dice = torch.Generator().manual_seed(self.seed)
        order = torch.randperm(len(self.walked), generator=dice).tolist()
        return [self.walked[place] for place in order[: self.sizes.labels]]

    def reward(self, pairs: list[StoryPair], caution: float | None) -> RewardFunction:
        """One vote on each pair, and a head, or several, fitted to them."""
        dice = torch.Generator().manual_seed(self.seed)
        votes = label(pairs, village.gold_score, self.crowd, dice, labels_per_pair=1)
        rows = pair_differences(self.instruct, self.life.tokenizer, votes) / self.scale
        targets = torch.tensor([vote.target for vote in votes]).double()
        sizes = self.sizes
        if caution is None:
            direction = fit(rows, targets, sizes.ridge) / self.scale
            return taste_of(self.instruct, direction, *self.normal).score
        how = dict(members=sizes.heads, ridge=sizes.ridge)
        directions = bootstrap(rows, targets, dice, **how) / self.scale
        return ensemble_of(self.instruct, directions, *self.normal, caution).score

    def practise(
        self, name: str, reward: RewardFunction, settings: PolicySettings
    ) -> dict:
        """A run, its gold uncovered, and what its policy writes in the end; of one
        head's also what it wrote when the few judgements were best."""
        life, policy = self.life, self.life.load("instruct")
        settings = replace(
            settings,
            max_new_tokens=life.recipe.shared.story_tokens,
            temperature=life.recipe.shared.story_temperature,
        )
        seen: list[dict[str, float]] = []
        best = {"judged": -torch.inf, "update": 0, "policy": None}
        walked: list[StoryPair] = []

        def paid(asked, said) -> Tensor:
            prompts = [_asked(life, prompt) for prompt in asked]
            stories = [life.tokenizer.decode(story).strip() for story in said]
            seen.append(story_findings(prompts, stories))
            few = slice(None, None, 2)  # of the stories, by people who cost something
            judged = story_findings(prompts[few], stories[few])["gold"]
            if len(seen) % 2 and judged > best["judged"]:
                weights = copy.deepcopy(policy.state_dict())
                best.update(judged=judged, update=len(seen) - 1, policy=weights)
            for at in range(0, len(stories), 2):
                walked.append(StoryPair(prompts[at], *stories[at : at + 2]))
            return reward(asked, said)

        optimizers = adamw(policy, settings.rate, eps=1e-5)
        rendered = [render_prompt(life.tokenizer, each) for each in self.prompts]
        step = policy_step(
            policy, frozen_copy(policy), paid, rendered, settings, optimizers
        )
        history = train(
            step,
            steps=settings.steps,
            modules={"policy": policy},
            optimizers=optimizers,
            seed=self.seed,
            progress=life.progress,
            label=f"{name}, {self.seed}",
        )
        told = [
            {key: round(update[key], 3) for key in TOLD} | found
            for update, found in zip(history, seen, strict=True)
        ]
        found = {"history": told, "end": self.tested(policy)}
        if name == ONE:
            self.walked = walked
            found["before"] = self.tested(self.instruct)
            policy.load_state_dict(best["policy"])
            found |= {"stopped_at": best["update"], "stopped": self.tested(policy)}
        return found

    def tested(self, policy: GPT) -> list[float]:
        """The gold of one story to each test prompt."""
        policy.requires_grad_(False)
        stories, _ = write_stories(self.life, policy, self.tests, self.seed)
        return [
            round(village.gold_score(*pair), 2)
            for pair in zip(self.tests, stories, strict=True)
        ]


def _asked(life: Life, prompt: list[int]) -> str:
    return life.tokenizer.decode(prompt)


def story_findings(prompts: list[str], stories: list[str]) -> dict[str, float]:
    """What is found in stories, on average: gold, words, what was added and what is
    wrong; and how alike they are."""
    pairs = list(zip(prompts, stories, strict=True))
    readings = [read(*pair) for pair in pairs]
    found = {key: fmean(each.counts[key] for each in readings) for key in COUNTED}
    found |= {key: fmean(getattr(each, key) for each in readings) for key in FAULTS}
    found["whole"] = fmean(each.wholeness for each in readings)
    told = story_metrics(prompts, stories)
    found |= {key: told[key] for key in ("gold", "words", "distinct")}
    return {key: round(value, 3) for key, value in found.items()}


# What is told -------------------------------------------------------------------------


def rows(stored: dict, seeds: Sequence[int]) -> Iterator[Measured]:
    """Over-optimisation beside its bar; then what each arm has more of than one head,
    in gold of the same test prompts, a value a seed."""
    alone = [stored[f"{ONE}, {seed}"] for seed in seeds if f"{ONE}, {seed}" in stored]
    if len(alone) < len(seeds):
        return
    yield Measured(
        f"seeds of {len(seeds)} in which gold peaks inside, ends below its start, and "
        "the reward rises",
        [float(sum(map(over_optimised, alone)))],
        at_least=len(seeds),
    )
    ends = [fmean(found["end"]) for found in alone]
    told = {"before": "before", "stopped early": "stopped"}
    for what, key in told.items():
        gains = [
            fmean(found[key]) - end for found, end in zip(alone, ends, strict=True)
        ]
        yield Measured(f"{what}: gold less one head's", gains)
    for name in ARMS[1:]:
        found = [stored.get(f"{name}, {seed}") for seed in seeds]
        if all(found):
            gains = [fmean(f["end"]) - end for f, end in zip(found, ends, strict=True)]
            yield Measured(f"{name}: gold less one head's", gains)


def over_optimised(found: dict) -> bool:
    """Whether gold is highest inside the run and ends below its start, on rollouts and
    on test prompts, while the reward rises."""
    gold, score = (
        [update[key] for update in found["history"]] for key in ("gold", "score")
    )
    inside = 0 < max(range(len(gold)), key=gold.__getitem__) < len(gold) - 3
    below = fmean(gold[-3:]) < gold[0] and fmean(found["end"]) < fmean(found["before"])
    return inside and below and fmean(score[-3:]) > fmean(score[:3])
