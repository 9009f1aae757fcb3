"""One arm of your experiment: a training, and what is measured after it.

This one works as it stands, about a minute an arm: is a model that is paid for similes
taught by the pay, or by any training at all? Make it your own. What depends on
`changed` is your change. Nothing else may depend on it.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch

from llmlab import life, village
from llmlab.instruction import render_prompt
from llmlab.optimisers import adamw
from llmlab.policy_gradient import RLOO, policy_step
from llmlab.progress import TerminalProgress
from llmlab.rollouts import frozen_copy, verified_reward
from llmlab.training import train
from llmlab.village.gold import faults, read

UPDATES, STORIES, ASKED = 12, 32, 100


def run_arm(changed: bool, seed: int) -> tuple[dict[str, Sequence[float]], list[str]]:
    """Train one arm and measure it.

    changed : with the change, or the control without it.
    seed : of everything that is drawn; both arms of a seed draw alike.

    Returns numbers: for each measure one number a test prompt, in the same order in
    both arms; and texts to read, the answers to those prompts.
    """
    course = life.course()
    policy = course.load("instruct")
    requests = village.instructions(300, seed=seed, split="train", task="story")
    settings = replace(
        RLOO,
        steps=UPDATES,
        rate=5e-4,
        responses=STORIES,
        max_new_tokens=course.recipe.shared.story_tokens,
        temperature=course.recipe.shared.story_temperature,
    )
    pay = verified_reward(course.tokenizer, requests, render_prompt, similes)
    optimizers = adamw(policy, settings.rate)
    step = policy_step(
        policy,
        frozen_copy(policy),
        pay if changed else by_lot(pay, seed),
        [render_prompt(course.tokenizer, request.prompt) for request in requests],
        settings,
        optimizers,
    )
    train(
        step,
        steps=UPDATES,
        modules={"policy": policy},
        optimizers=optimizers,
        seed=seed,
        progress=TerminalProgress(),
        label=f"{'changed' if changed else 'control'}, seed {seed}",
    )
    asked = village.story_prompts(ASKED, seed=1000 + seed, split="test")
    stories, _ = life.write_stories(course, policy, asked, seed)
    found = [read(*pair) for pair in zip(asked, stories, strict=True)]
    numbers = {
        "similes": [each.counts.get("simile", 0) for each in found],
        "words": [each.words for each in found],
        "faults": [faults(each) for each in found],
    }
    return numbers, stories


def similes(request, story):
    """The reward: one point for each simile of a story."""
    return float(read(request.prompt, story).counts.get("simile", 0))


def by_lot(pay, seed):
    """The control: the same rewards, each given to another story of the update."""
    dice = torch.Generator().manual_seed(seed)

    def reward(prompts, responses):
        scores = pay(prompts, responses)
        return scores[torch.randperm(len(scores), generator=dice)]

    return reward
