"""What each detail of PPO is for: the course's run, short, with one of them left out.

And once more at its full length, without the old lessons: what did other tasks lose?
Every run begins with the shipped instruct model, is paid by the shipped reward and sees
the same prompts in the same order. What it came to, update by update, is kept in
`data/details.json`, from which chapter 12 draws; a run whose settings and checkpoints
are those of its entry is not made again.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from statistics import fmean

from torch import Tensor

from benchmarks.timing import Measured
from llmlab import village
from llmlab.batching import Batch
from llmlab.checkpoints import weights_hash
from llmlab.files import write_atomically
from llmlab.gpt import GPT
from llmlab.instruction import render_prompt
from llmlab.life import RECIPES, Life
from llmlab.life.pleases import measure_other_tasks
from llmlab.life.stories import story_reward, story_scores
from llmlab.optimisers import adamw
from llmlab.paths import CHECKPOINTS, ROOT
from llmlab.policy_gradient import PolicySettings, policy_step
from llmlab.ppo import Critic, ValueModel
from llmlab.progress import Metrics, TerminalProgress
from llmlab.rollouts import RewardFunction, frozen_copy
from llmlab.training import train

STORED = ROOT / "data" / "details.json"
MOVES = 12  # updates of the policy; the critic's warm-up comes before them
SHORT = replace(RECIPES["full"].ppo, responses=64, minibatches=2)

# What is changed of the settings to leave a detail out.
DETAILS: dict[str, dict] = {
    "PPO": {},
    "no second look": dict(clip=None, epochs=1, minibatches=1),
    "no clip": dict(clip=1e9),
    "no critic": dict(advantage="batch_mean", warm_up=0),
    "cold critic": dict(warm_up=0),
    "lambda 0": dict(gae_lambda=0.0),
    "lambda 1": dict(gae_lambda=1.0),
    "no whitening": {},
    "no KL price": dict(beta=0.0),
}
LONG = "the course's run without old lessons"
TOLD = ("score", "kl", "entropy", "length", "finished", "clip_fraction")
TOLD += ("explained_variance", "gold")


class Unwhitened(Critic):
    """Judges in the reward's own units."""

    def advantages(self, batch: Batch, rewards: Tensor) -> tuple[Tensor, Metrics]:
        _, told = super().advantages(batch, rewards)
        _, values, returns = self._judged
        return (returns - values) * batch.target_mask, told


def details(
    names: Sequence[str] = (),
    path: Path = STORED,
    life: Life | None = None,
    short: PolicySettings = SHORT,
    moves: int = MOVES,
) -> Iterator[Measured]:
    """A line for each detail: the gold of the last stories, less what PPO's have.

    names : of DETAILS, or LONG; none of them: all.
    short : the settings of PPO in this race. moves : updates of its policy.
    """
    life = life or Life(CHECKPOINTS, progress=TerminalProgress())
    stored = json.loads(path.read_text("utf-8")) if path.exists() else {}
    for name in names or (*DETAILS, LONG):
        settings = life.recipe.ppo
        if name != LONG:
            settings = replace(short, **DETAILS[name])
            settings = replace(settings, steps=moves + settings.warm_up)
        identity = asdict(settings) | {
            stage: weights_hash(life.load(stage)) for stage in ("instruct", "reward")
        }
        if stored.get(name, {}).get("identity") != identity:
            stored[name] = {"identity": identity} | run(life, name, settings)
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, json.dumps(stored).encode())
    for name in DETAILS:
        if name in stored and "PPO" in stored and name != "PPO":
            gold, full = (
                [update["gold"] for update in stored[each]["history"][-3:]]
                for each in (name, "PPO")
            )
            # A line of its own, and no bar: the page says what is to be seen in it.
            yield Measured(f"{name}: gold less PPO's", [fmean(gold) - fmean(full)])


def run(life: Life, name: str, settings: PolicySettings) -> dict:
    """One run, update by update, rounded to what a picture can show; of the long one,
    what it cost the other tasks, in shares of right answers to test prompts."""
    policy, reward_model = life.load("instruct"), life.load("reward")
    prompts = life.story_prompts(life.recipe.shared.story_prompts, "train")
    reward, gold = (
        story_reward(life, reward_model),
        story_scores(life, village.gold_score),
    )
    seen: list[float] = []

    def paid(asked, said) -> Tensor:
        seen.append(gold(asked, said).mean().item())
        return reward(asked, said)

    step, modules, optimizers = _learner(life, name, policy, paid, prompts, settings)
    history = train(
        step,
        steps=settings.steps,
        modules=modules,
        optimizers=optimizers,
        seed=life.seed,
        progress=life.progress,
        label=name,
    )
    told = [update | {"gold": each} for update, each in zip(history, seen, strict=True)]
    history = [
        {key: round(update[key], 4) for key in TOLD if key in update} for update in told
    ]
    if name != LONG:
        return {"history": history}
    changes = measure_other_tasks(life, policy, life.load("instruct"))
    return {"history": history, "changes": changes}


def _learner(
    life: Life,
    name: str,
    policy: GPT,
    reward: RewardFunction,
    prompts: Sequence[str],
    settings: PolicySettings,
) -> tuple[Callable, dict, dict]:
    """The update, and all that it changes."""
    modules = {"policy": policy}
    steps = {"policy": adamw(policy, settings.rate, eps=1e-5)}
    critic = None
    if settings.advantage == "critic":
        modules["value"] = ValueModel(life.load("reward").body)
        steps["value"] = adamw(modules["value"], settings.critic_rate, eps=1e-5)
        judge = Unwhitened if name == "no whitening" else Critic
        critic = judge(modules["value"], settings, steps["value"])
    step = policy_step(
        policy,
        frozen_copy(policy),
        reward,
        [render_prompt(life.tokenizer, prompt) for prompt in prompts],
        settings,
        steps["policy"],
        critic=critic,
    )
    return step, modules, {each: steps[each]["adamw"] for each in steps}
