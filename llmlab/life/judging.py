"""How phase 3 of a life is measured: on test prompts, at the temperature of training.

Nothing is chosen here. A model is never judged by the reward model, which it was
trained to please, but by the village's hidden gold score; shares and divergences that
stand beside each other come from the same stories.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence

import torch

from llmlab import village
from llmlab.evaluation import win_rate
from llmlab.gpt import GPT
from llmlab.instruction import render_example, render_prompt
from llmlab.life.folder import Life
from llmlab.life.stories import (
    annotators,
    comparisons,
    story_reward,
    write_stories,
)
from llmlab.preferences import Comparison, accuracy_ceiling, crowd_preference
from llmlab.reward import RewardModel, accuracy, expected_agreement
from llmlab.rollouts import RewardFunction, Rollout, log_probs_of, sequence_kl
from llmlab.village import gold


def measure_reward(life: Life, model: RewardModel, instruct: GPT) -> dict[str, float]:
    """How well the reward model foretells the crowd, beside the best that anybody can.

    Two populations: tellings by the village, and the instruct model's own stories,
    which are what a policy will be paid for. No label is drawn: agreement is the
    expectation over all that the crowd could say. And which faults are found, by the
    reward model alone and by all that a policy is paid by (`_paid`).
    """
    count, seed = life.recipe.shared.test_comparisons, life.seed + 1
    metrics = {}
    for name, numbers in (
        ("tellings", dict(told=count, own=0)),
        ("own", dict(told=0, own=count)),
    ):
        pairs = comparisons(life, instruct, **numbers, split="test", seed=seed)
        preferences = crowd_preferences(life, pairs)
        rendered = [
            render_example(life.tokenizer, pair.prompt, story)[0]
            for pair in pairs
            for story in (pair.first, pair.second)
        ]
        scores = model.score_texts(rendered).cpu().view(-1, 2)  # beside preferences
        agreement = expected_agreement(scores[:, 0], scores[:, 1], preferences)
        metrics[f"reward_agreement_{name}"] = agreement.mean().item()
        metrics[f"reward_ceiling_{name}"] = accuracy_ceiling(preferences.tolist())
    for name, reward in (("", model.score), ("_paid", story_reward(life, model))):
        found = faults_found(life, reward, split="test", seed=seed)
        metrics |= {
            f"reward_found_{kind.replace(' ', '_')}{name}": share
            for kind, share in found.items()
        }
        metrics[f"reward_found_least{name}"] = min(found.values())
    return metrics


def faults_found(
    life: Life, reward: RewardFunction, *, split: str, seed: int
) -> dict[str, float]:
    """By kind of fault: how often a telling is paid more than the same with it."""
    count, found = life.recipe.reward.test_faults, {}
    for kind in village.FAULTS:
        edits = village.story_edits(count, kind=kind, seed=seed, split=split)
        prompts = [render_prompt(life.tokenizer, edit.prompt) for edit in edits]
        before, after = (
            reward(prompts, [_response(life, getattr(edit, side)) for edit in edits])
            for side in ("before", "after")
        )
        found[kind] = accuracy(before, after)
    return found


def _response(life: Life, story: str) -> list[int]:
    return [*life.tokenizer.encode(story), life.tokenizer.eos_id]


def crowd_preferences(life: Life, pairs: Sequence[Comparison]) -> torch.Tensor:
    """How probably a member of the crowd prefers the first story, (pairs,)."""
    crowd = annotators(life)
    scores = (
        [village.gold_score(pair.prompt, story) for story in (pair.first, pair.second)]
        for pair in pairs
    )
    chances = [crowd_preference(crowd, *two) for two in scores]
    return torch.tensor(chances, dtype=torch.float64)


def measure_policy(life: Life, policy: GPT, parent: GPT) -> dict[str, float]:
    """The policy against its parent, on test prompts, judged by the hidden gold.

    Both write one story a prompt; a win is a higher gold score. Told at the temperature
    of training, and once more at a cooler one, each with the divergence of the same
    stories (names that end in `_cool`).
    """
    shared = life.recipe.shared
    metrics = {}
    for suffix, temperature in (
        ("", shared.story_temperature),
        ("_cool", shared.cool_temperature),
    ):
        stories, rollouts = stories_of_test(life, policy, 3, temperature)
        before, _ = stories_of_test(life, parent, 4, temperature)
        wins = win_rate(_gold(life, stories), _gold(life, before))
        low, high = wins.interval
        kl = torch.cat([_divergence(policy, parent, rollout) for rollout in rollouts])
        metrics |= {
            f"win_rate{suffix}": wins.rate,
            f"win_rate{suffix}_low": low,
            f"win_rate{suffix}_high": high,
            f"kl{suffix}": kl.mean().item(),
            f"kl{suffix}_error": (kl.std() / len(kl) ** 0.5).item(),
        }
        for name, told in (("", stories), ("_of_parent", before)):
            found = story_metrics(_test_prompts(life), told)
            metrics |= {f"{key}{name}{suffix}": found[key] for key in found}
    return metrics


def measure_stories(life: Life, model: GPT) -> dict[str, float]:
    """What the model's stories are like at the temperature of training; see
    `story_metrics`."""
    stories, _ = stories_of_test(life, model, 4, life.recipe.shared.story_temperature)
    return story_metrics(_test_prompts(life), stories)


def stories_of_test(
    life: Life, model: GPT, draw: int, temperature: float
) -> tuple[list[str], list[Rollout]]:
    """One story to each test prompt; `draw` chooses the dice."""
    return write_stories(
        life, model, _test_prompts(life), life.seed + draw, temperature
    )


def _test_prompts(life: Life) -> list[str]:
    count = life.recipe.shared.test_stories
    return village.story_prompts(count, seed=life.seed + 1, split="test")


def _gold(life: Life, stories: Sequence[str]) -> list[float]:
    pairs = zip(_test_prompts(life), stories, strict=True)
    return [village.gold_score(prompt, story) for prompt, story in pairs]


def _divergence(policy: GPT, parent: GPT, rollout: Rollout) -> torch.Tensor:
    """Nats of each response, (batch,)."""
    own, others = log_probs_of(policy, rollout), log_probs_of(parent, rollout)
    return sequence_kl(own, others, rollout.mask)


def story_metrics(prompts: Sequence[str], stories: Sequence[str]) -> dict[str, float]:
    """Means over stories: gold, words, additions, and the shares whose form is right,
    which do not contradict themselves, and which are free of every fault; and how
    various they are together."""
    pairs = list(zip(prompts, stories, strict=True))
    verdicts = [village.judge_story(*pair) for pair in pairs]
    readings = [gold.read(*pair) for pair in pairs]
    sums = {
        "gold": sum(village.gold_score(*pair) for pair in pairs),
        "words": sum(len(story.split()) for story in stories),
        "additions": sum(sum(found.counts.values()) for found in readings),
        "form_right": sum(verdict.form for verdict in verdicts),
        "consistent": sum(verdict.consistent for verdict in verdicts),
        "clean": sum(verdict.clean for verdict in verdicts),
    }
    means = {name: total / len(pairs) for name, total in sums.items()}
    various = dict(
        favourites=favourite_wordings(readings), distinct=distinct_sequences(stories)
    )
    return means | various


def favourite_wordings(readings: Sequence[gold.Findings]) -> float:
    """The share of beats that are told in the commonest of their wordings. A writer
    who always tells a beat in the same words has 1; 0 if no beat is told."""
    told: dict[tuple, Counter] = defaultdict(Counter)
    for found in readings:
        for meaning in (sentence.meaning for sentence in found.sentences):
            if meaning is not None and meaning.kind == "beat":
                told[meaning.plot, meaning.beat][meaning.frame] += 1
    commonest = sum(max(wordings.values()) for wordings in told.values())
    return commonest / max(1, sum(wordings.total() for wordings in told.values()))


def distinct_sequences(stories: Sequence[str], words: int = 4) -> float:
    """The share of different ones among all sequences of so many words (distinct-n, Li
    et al. 2016). It falls with the number of stories: compare equally many."""
    said = [
        tuple(story[start : start + words])
        for story in (story.lower().split() for story in stories)
        for start in range(len(story) - words + 1)
    ]
    return len(set(said)) / max(1, len(said))
