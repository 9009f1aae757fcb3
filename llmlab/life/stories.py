"""Stories of a life's models, and the simulated people who compare them."""

from collections.abc import Callable

import torch
from torch import Tensor

from llmlab import village
from llmlab.gpt import GPT
from llmlab.instruction import render_prompt
from llmlab.life.folder import Life
from llmlab.preferences import Annotator, Comparison, label, simulated_crowd
from llmlab.reward import RewardModel
from llmlab.rollouts import RewardFunction, Rollout, Tokens, roll_out
from llmlab.village import gold


def annotators(life: Life) -> list[Annotator]:
    """Twenty simulated people who agree with the gold score on 80 pairs in 100."""
    pairs = village.story_pairs(300, seed=life.seed, split="train")
    differences = [
        village.gold_score(pair.prompt, pair.first)
        - village.gold_score(pair.prompt, pair.second)
        for pair in pairs
    ]
    generator = torch.Generator().manual_seed(life.seed)
    return simulated_crowd(20, differences, generator, agreement=0.8)


def comparisons(
    life: Life,
    model: GPT,
    *,
    told: int,
    own: int,
    split: str,
    edited: int = 0,
    labels: int = 1,
    seed: int | None = None,
) -> list[Comparison]:
    """Labelled pairs of stories: `told` tellings of one event by the village, `own`
    pairs that the model wrote itself, and `edited` tellings beside the same with one
    fault of each kind in turn; `labels` people see each pair.

    The reward model will have to judge what the policy writes, so it must have seen
    the policy's kind of mistakes too (Ouyang et al. 2022 compare samples only). What
    hides behind everything else in which two stories differ, such as one wrong name in
    a hundred words, it learns from pairs that differ in nothing else.
    """
    seed = life.seed if seed is None else seed
    pairs = village.story_pairs(told, seed=seed, split=split)
    pairs += own_pairs(life, model, own, split, seed)
    pairs += edited_pairs(edited, split, seed)
    generator = torch.Generator().manual_seed(seed + len(split))
    crowd = annotators(life)
    return label(pairs, village.gold_score, crowd, generator, labels_per_pair=labels)


def edited_pairs(count: int, split: str, seed: int) -> list[village.StoryPair]:
    """A telling, and the same with one fault; as many of each kind."""
    kinds = village.FAULTS
    return [
        village.StoryPair(edit.prompt, edit.before, edit.after)
        for number, kind in enumerate(kinds)
        for edit in village.story_edits(
            len(range(number, count, len(kinds))), kind=kind, seed=seed, split=split
        )
    ]


def own_pairs(
    life: Life,
    model: GPT,
    count: int,
    split: str,
    seed: int,
    temperature: float | None = None,
) -> list[village.StoryPair]:
    """Two stories by the model itself for each of `count` prompts; `temperature` as in
    `write_stories`."""
    prompts = village.story_prompts(count, seed=seed, split=split)
    first, second = (
        write_stories(life, model, prompts, seed + draw, temperature)[0]
        for draw in (0, 1)
    )
    return [
        village.StoryPair(prompt, one, other)
        for prompt, one, other in zip(prompts, first, second, strict=True)
    ]


def write_stories(
    life: Life,
    model: GPT,
    prompts: list[str],
    seed: int,
    temperature: float | None = None,
) -> tuple[list[str], list[Rollout]]:
    """What the model writes when asked; and the rollouts.

    temperature : None: the one at which phase 3 explores.
    """
    if temperature is None:
        temperature = life.recipe.shared.story_temperature
    generator = torch.Generator().manual_seed(seed)
    rendered = [render_prompt(life.tokenizer, prompt) for prompt in prompts]
    how = dict(max_new_tokens=life.recipe.shared.story_tokens, temperature=temperature)
    rollouts = [
        roll_out(model, rendered[start : start + 250], generator, **how)
        for start in range(0, len(rendered), 250)
    ]
    written = (response for rollout in rollouts for response in rollout.responses)
    return [life.tokenizer.decode(response) for response in written], rollouts


def story_reward(life: Life, model: RewardModel) -> RewardFunction:
    """What the reward model likes, less a price for every fault that a program finds.

    Who did what on which day, and which sentence belongs where, can be verified. People
    who like one story better because of one name in a hundred words say so so seldom
    that a reward model does not learn it, and a policy would profit.
    """
    price = life.recipe.ppo.fault_price
    faults = story_scores(life, lambda *asked: gold.read(*asked).verifiable_faults)

    def reward(prompts: list[Tokens], stories: list[Tokens]) -> Tensor:
        liked = model.score(prompts, stories)
        return liked - price * faults(prompts, stories).to(liked)

    return reward


def story_scores(life: Life, score: Callable[[str, str], float]) -> RewardFunction:
    """What a program says of each story, such as `village.gold_score`, which is to be
    watched and never to be paid. score : of a prompt and a story, as texts."""
    decode = life.tokenizer.decode

    def scores(prompts: list[Tokens], stories: list[Tokens]) -> Tensor:
        pairs = zip(prompts, stories, strict=True)
        told = (score(decode(asked), decode(story).strip()) for asked, story in pairs)
        return torch.tensor(list(told), dtype=torch.float32)

    return scores
