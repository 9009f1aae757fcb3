"""Phase 3 of a life: it learns what people like."""

from collections.abc import Callable
from statistics import fmean

import torch
from torch import Tensor

from llmlab import village
from llmlab.gpt import GPT
from llmlab.instruction import render_example, render_prompt, replay_loss
from llmlab.life.answers import measure_answers
from llmlab.life.folder import Life, Trained, optimisers_of
from llmlab.life.judging import measure_policy, measure_reward
from llmlab.life.stories import comparisons, story_reward, write_stories
from llmlab.optimisers import adamw
from llmlab.policy_gradient import policy_step
from llmlab.ppo import Critic, ValueModel
from llmlab.reward import (
    RewardModel,
    encode_comparisons,
    normalise,
    preference_step,
    reward_scores,
)
from llmlab.rollouts import frozen_copy


def train_reward(life: Life) -> Trained:
    """Learn from comparisons what people like."""
    settings, shared = life.recipe.reward, life.recipe.shared
    instruct = life.load("instruct")
    model = RewardModel(instruct, seed=life.seed)
    labelled = comparisons(
        life,
        instruct,
        told=settings.told,
        own=settings.own,
        edited=settings.edited,
        labels=settings.labels,
        split="train",
    )
    pairs = encode_comparisons(labelled, life.tokenizer, context=shared.context)
    optimizers = optimisers_of(model, settings)
    step = preference_step(
        model,
        reward_scores(model),
        pairs,
        optimizers,
        steps=settings.steps,
        comparisons=settings.comparisons_per_batch,
        seed=life.seed,
    )
    history = life.train("reward", step, settings.steps, {"model": model}, optimizers)
    prompts = life.story_prompts(200, "train")
    _, rollouts = write_stories(life, instruct, prompts, seed=life.seed + 2)
    written = [
        prompt + response
        for rollout in rollouts
        for prompt, response in zip(rollout.prompts, rollout.responses, strict=True)
    ]
    normalise(model, written)
    metrics = measure_reward(life, model, instruct)
    return Trained(model, history, metrics, "comparisons by a simulated crowd")


def train_ppo(life: Life) -> Trained:
    """Write what the reward model likes, by proximal policy optimisation."""
    settings = life.recipe.ppo
    policy, reward_model = life.load("instruct"), life.load("reward")
    reference = frozen_copy(policy)
    value_model = ValueModel(reward_model.body)
    policy_optimizers = adamw(policy, settings.rate, eps=1e-5)
    value_optimizers = adamw(value_model, settings.critic_rate, eps=1e-5)
    prompts = life.story_prompts(life.recipe.shared.story_prompts, "train")
    step = policy_step(
        policy,
        reference,
        story_reward(life, reward_model),
        [render_prompt(life.tokenizer, prompt) for prompt in prompts],
        settings,
        policy_optimizers,
        critic=Critic(value_model, settings, value_optimizers),
        replay=old_lessons(life, policy),
    )
    optimizers = {
        **{f"policy_{name}": value for name, value in policy_optimizers.items()},
        **{f"value_{name}": value for name, value in value_optimizers.items()},
    }
    modules = {"policy": policy, "value": value_model}
    history = life.train("ppo", step, settings.steps, modules, optimizers)
    explained = [update["explained_variance"] for update in history]
    metrics = measure_policy(life, policy, reference)
    metrics |= {
        "training_seconds": history[-1]["seconds"],
        "explained_variance_first": explained[settings.warm_up],
        "explained_variance_last": fmean(explained[-5:]),
    }
    metrics |= measure_other_tasks(life, policy, reference)
    return Trained(policy, history, metrics, "stories scored by the reward model")


def old_lessons(life: Life, policy: GPT) -> Callable[[torch.Generator], Tensor]:
    """A little of phase two with every step, of everything but stories: a model that
    learns to please forgets the rest; see `instruction.replay_loss`."""
    settings = life.recipe.ppo
    drawn = village.instructions(
        settings.replay_examples, seed=life.seed, split="train"
    )
    examples = [
        render_example(life.tokenizer, each.prompt, each.answer, each.earlier)
        for each in drawn
        if each.task != "story"
    ]
    return replay_loss(
        policy,
        examples,
        share=settings.replay_share,
        row_length=life.recipe.shared.context,
        rows=settings.replay_rows,
    )


def measure_other_tasks(life: Life, policy: GPT, parent: GPT) -> dict[str, float]:
    """What learning to please changed elsewhere: for each task but stories, the share
    of right answers less the parent's, on the same prompts; and the least of them."""
    after, before = (measure_answers(life, model) for model in (policy, parent))
    changes = {
        f"change_{task}": fmean(after[task]["right"]) - fmean(before[task]["right"])
        for task in village.TASKS
        if task != "story"
    }
    return changes | {"change_worst": min(changes.values())}
