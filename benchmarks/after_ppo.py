"""What came after PPO: five methods at an equal number of stories, three seeds each.

Every run begins with the shipped instruct model, is paid by the shipped reward and may
draw as many stories as the others. On the way it is looked at three times, on
validation prompts; at its end it meets its parent on test prompts. Processor seconds
are told by part: drawing stories, scoring them, learning. All of it is kept in
`data/after_ppo.json`, from which chapter 14 draws; a run whose settings and checkpoints
are those of its entry is not made again.
"""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.timing import Measured
from llmlab import village
from llmlab.best_of_n import best, sample_scores
from llmlab.checkpoints import weights_hash
from llmlab.dpo import implicit_rewards
from llmlab.evaluation import win_rate
from llmlab.files import write_atomically
from llmlab.gpt import GPT
from llmlab.instruction import instruction_step, render_prompt
from llmlab.life import RECIPES, Life
from llmlab.life.stories import story_reward, write_stories
from llmlab.optimisers import adamw, muon_and_adamw
from llmlab.paths import CHECKPOINTS, ROOT
from llmlab.policy_gradient import GRPO, RLOO, PolicySettings, policy_step
from llmlab.ppo import Critic, ValueModel
from llmlab.progress import Metrics, TerminalProgress
from llmlab.reward import EncodedComparison, preference_step
from llmlab.rollouts import (
    RewardFunction,
    draw_prompts,
    frozen_copy,
    log_probs_of,
    sequence_kl,
)
from llmlab.training import train

STORED = ROOT / "data" / "after_ppo.json"
SEEDS = (0, 1, 2)
PARTS = ("rollout", "score", "learn")
BAR = 0.60  # of the stories better than the parent's
LOOKS = 3  # at each run on its way, its end included


@dataclass(frozen=True)
class Tuning:
    """A method that learns from stories drawn beforehand.

    rounds : in so many parts, each by the model of that moment.
    responses, group : stories a round, and how many of them to one prompt.
    passes : through what is learned from. each : pairs, or packed rows, an update.
    beta : price of a nat, for DPO.
    """

    rounds: int
    responses: int
    group: int
    passes: int
    each: int
    rate: float
    beta: float = 0.0


_FULL = RECIPES["full"].ppo
_SHARED = dict(
    beta=_FULL.beta, max_new_tokens=_FULL.max_new_tokens, temperature=_FULL.temperature
)
# As many stories for each. PPO as in `details`, the others at rates with which their
# weights can move as far: nothing was tuned.
METHODS: dict[str, PolicySettings | Tuning] = {
    "PPO": replace(_FULL, steps=12, responses=64, minibatches=2, warm_up=1),
    "RLOO": replace(RLOO, steps=24, responses=32, rate=1e-3, **_SHARED),
    "GRPO": replace(
        GRPO, steps=12, responses=64, rate=5e-4, epochs=2, minibatches=2, **_SHARED
    ),
    "rejection sampling": Tuning(2, 384, group=8, passes=4, each=6, rate=6e-4),
    "DPO": Tuning(1, 768, group=2, passes=1, each=16, rate=6e-4, beta=_SHARED["beta"]),
}


def after_ppo(
    names: Sequence[str] = (),
    path: Path = STORED,
    life: Life | None = None,
    methods: dict[str, PolicySettings | Tuning] = METHODS,
    seeds: Sequence[int] = SEEDS,
    split: str = "test",
) -> Iterator[Measured]:
    """A line for each method: the share of its stories that are better than its
    parent's, one number a seed.

    names : of the methods; none: all. split : of the prompts on which the end is told.
    """
    life = life or Life(CHECKPOINTS, progress=TerminalProgress())
    stored = json.loads(path.read_text("utf-8")) if path.exists() else {}
    judge = Judge(life, split)
    hashes = {stage: weights_hash(life.load(stage)) for stage in ("instruct", "reward")}
    for seed in seeds:  # outermost: one of each, before the second of any
        for name in names or methods:
            identity = asdict(methods[name]) | hashes | {"split": split}
            entry = f"{name}/{seed}"
            if stored.get(entry, {}).get("identity") != identity:
                made = run(life, methods[name], seed, judge, label=entry)
                stored[entry] = {"identity": identity} | made
                path.parent.mkdir(parents=True, exist_ok=True)
                write_atomically(path, json.dumps(stored).encode())
    for name in names or methods:
        wins = [stored[f"{name}/{seed}"]["end"]["win_rate"] for seed in seeds]
        yield Measured(f"{name}: stories better than its parent's", wins, at_least=BAR)


class Judge:
    """The gold score of a policy's stories beside its parent's, on the same prompts,
    and their divergence."""

    def __init__(self, life: Life, split: str, looked: int = 64, told: int = 200):
        self.life, self.parent = life, life.load("instruct")
        told = min(told, life.recipe.shared.test_stories)
        self.looked = village.story_prompts(looked, seed=life.seed, split="validation")
        # As in `life.judging`, but for the number: nothing was chosen on these.
        self.told = village.story_prompts(told, seed=life.seed + 1, split=split)

    def look(self, policy: GPT) -> Metrics:
        """On the way: mean gold and nats, always with the same dice."""
        gold, kl = self._write(policy, self.looked, draw=11)
        return {"gold": gold.mean().item(), "kl": kl.mean().item()}

    @cached_property
    def before(self) -> Metrics:
        """Where every path begins."""
        return self.look(self.parent)

    def end(self, policy: GPT, seed: int) -> Metrics:
        gold, kl = self._write(policy, self.told, draw=20 + seed)
        wins = win_rate(gold.tolist(), self._gold_of_parent.tolist())
        low, high = wins.interval
        told = {"win_rate": wins.rate, "low": low, "high": high}
        told |= {"gold": gold.mean().item(), "gold_error": _error(gold)}
        told |= {"gold_of_parent": self._gold_of_parent.mean().item()}
        return told | {"kl": kl.mean().item(), "kl_error": _error(kl)}

    @cached_property
    def _gold_of_parent(self) -> Tensor:
        return self._write(self.parent, self.told, draw=4)[0]

    def _write(self, policy: GPT, prompts: Sequence[str], draw: int):
        seed = self.life.seed + draw
        stories, rollouts = write_stories(self.life, policy, list(prompts), seed)
        gold = map(village.gold_score, prompts, stories)
        kl = [
            sequence_kl(
                log_probs_of(policy, each), log_probs_of(self.parent, each), each.mask
            )
            for each in rollouts
        ]
        return torch.tensor(list(gold), dtype=torch.float64), torch.cat(kl)


def _error(values: Tensor) -> float:
    return (values.std() / len(values) ** 0.5).item()


class Clock:
    """Processor seconds by part: at any moment one part's hand moves, or none."""

    def __init__(self):
        self.seconds = dict.fromkeys(PARTS, 0.0)
        self._part, self._since = None, 0.0

    def turn(self, part: str | None = None) -> None:
        now = time.process_time()
        if self._part is not None:
            self.seconds[self._part] += now - self._since
        self._part, self._since = part, now

    def around(self, reward: RewardFunction) -> RewardFunction:
        """What is scored has been drawn before, and is learned from afterwards."""

        def scores(prompts, responses) -> Tensor:
            self.turn("score")
            told = reward(prompts, responses)
            self.turn("learn")
            return told

        return scores


def run(
    life: Life, settings: PolicySettings | Tuning, seed: int, judge: Judge, label: str
) -> dict:
    """One run, rounded to what a picture can show."""
    policy, clock = life.load("instruct"), Clock()
    reward = clock.around(story_reward(life, life.load("reward")))
    prompts = life.story_prompts(life.recipe.shared.story_prompts, "train")
    rendered = [render_prompt(life.tokenizer, prompt) for prompt in prompts]
    path = [{"seconds": 0.0} | judge.before]

    def update(step, modules, optimizers, steps: int, begins: str, done: float = 0.0):
        """Train, and look at the policy after each third of the whole run."""

        def watched(index: int, dice: torch.Generator) -> Metrics:
            clock.turn(begins)
            told = step(index, dice)
            clock.turn()
            if _due(done + share * index / steps, done + share * (index + 1) / steps):
                seconds = sum(clock.seconds.values())
                path.append({"seconds": seconds} | judge.look(policy))
            return told

        share = 1 / rounds
        return train(
            watched,
            steps=steps,
            modules=modules,
            optimizers=optimizers,
            seed=seed,
            progress=life.progress,
            label=label,
        )

    rounds = settings.rounds if isinstance(settings, Tuning) else 1
    if isinstance(settings, PolicySettings):
        learner = _practising(life, policy, reward, rendered, settings)
        update(*learner, begins="rollout")
    else:
        reference = frozen_copy(policy)
        for number in range(rounds):
            clock.turn("rollout")
            dice = torch.Generator().manual_seed(100 * seed + number)
            drawn = _draw(life, policy, reward, rendered, settings, dice)
            learner = _tuning(life, policy, reference, drawn, settings, seed)
            update(*learner, begins="learn", done=number / rounds)
    end = judge.end(policy, seed)
    rounded = {"path": [_rounded(each) for each in path], "end": _rounded(end)}
    return rounded | {"seconds": _rounded(clock.seconds)}


def _due(before: float, after: float) -> bool:
    return int(LOOKS * after + 1e-9) > int(LOOKS * before + 1e-9)


def _rounded(told: Metrics) -> Metrics:
    return {name: round(value, 4) for name, value in told.items()}


def _practising(life: Life, policy: GPT, reward, prompts, settings: PolicySettings):
    """The update of a row of settings, and all that it changes."""
    modules = {"policy": policy}
    steps = {"policy": adamw(policy, settings.rate, eps=1e-5)}
    critic = None
    if settings.advantage == "critic":
        modules["value"] = ValueModel(life.load("reward").body)
        steps["value"] = adamw(modules["value"], settings.critic_rate, eps=1e-5)
        critic = Critic(modules["value"], settings, steps["value"])
    reference = frozen_copy(policy)
    asked = policy, reference, reward, prompts, settings, steps["policy"]
    step = policy_step(*asked, critic=critic)
    optimizers = {each: steps[each]["adamw"] for each in steps}
    return step, modules, optimizers, settings.steps


def _draw(life: Life, policy: GPT, reward, prompts, settings: Tuning, dice):
    """Stories of one round and their scores, (prompts, group)."""
    shared = life.recipe.shared
    return sample_scores(
        policy,
        reward,
        draw_prompts(prompts, settings.responses // settings.group, dice),
        dice,
        samples=settings.group,
        unfinished_score=life.recipe.ppo.unfinished_score,
        max_new_tokens=shared.story_tokens,
        temperature=shared.story_temperature,
    )


def _tuning(life: Life, policy, reference, drawn, settings: Tuning, seed: int):
    """An update that learns from these stories, all that it changes, and how often."""
    rollout, scores = drawn
    if settings.beta:
        pairs = labelled_pairs(rollout, scores)
        optimizers = adamw(policy, settings.rate, eps=1e-5)
        steps = settings.passes * len(pairs) // settings.each
        temperature = life.recipe.shared.story_temperature
        how = dict(beta=settings.beta, temperature=temperature)
        scores_of = implicit_rewards(policy, reference, **how)
        told = dict(steps=steps, comparisons=settings.each, seed=seed)
        step = preference_step(policy, scores_of, pairs, optimizers, **told)
    else:
        kept = best(rollout, scores)
        asked = rollout.prompts[:: settings.group]
        examples = [
            (prompt + story, [False] * len(prompt) + [True] * len(story))
            for prompt, story in zip(asked, kept, strict=True)
        ]
        rates = dict(matrix_rate=settings.rate, other_rate=settings.rate)
        optimizers = muon_and_adamw(policy, **rates)
        steps = settings.passes * len(examples) // settings.each
        told = dict(steps=steps, row_length=life.recipe.shared.context, seed=seed)
        told |= dict(rows_per_batch=settings.each)
        step = instruction_step(policy, examples, optimizers, **told)
    return step, {"policy": policy}, optimizers, steps


def labelled_pairs(rollout, scores: Tensor) -> list[EncodedComparison]:
    """Neighbours that answer one prompt, labelled by a crowd that likes what is paid:
    the first wins with probability sigmoid(its score less the other's)."""
    pairs = []
    rows = list(zip(rollout.prompts, rollout.responses, scores.flatten(), strict=True))
    neighbours = zip(rows[::2], rows[1::2], strict=True)
    for (prompt, one, first), (_, other, second) in neighbours:
        winner, loser = (one, other) if first >= second else (other, one)
        share = (first - second).abs().sigmoid().item()
        texts = prompt + winner, prompt + loser
        pairs.append(EncodedComparison(*texts, len(prompt), share))
    return pairs
