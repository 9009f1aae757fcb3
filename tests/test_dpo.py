"""DPO: the loss of a reward model, on what the policy itself thinks of a text."""

import math

import pytest
import torch
from tabular import TabularPolicy

from llmlab.dpo import implicit_rewards
from llmlab.exact import World, optimum, total_variation
from llmlab.gpt import GPT, GPTConfig
from llmlab.optimisers import adamw
from llmlab.reward import EncodedComparison, preference_loss, preference_step
from llmlab.rollouts import frozen_copy

WORLD = World()
REFERENCE = WORLD.random_logits(torch.Generator().manual_seed(2))
REWARDS = torch.randn(31, generator=torch.Generator().manual_seed(3)).double()


def pair(winner, loser) -> EncodedComparison:
    return EncodedComparison([2, *winner], [2, *loser], response_start=1)


def test_a_policy_that_is_its_reference_says_log_two():
    policy = TabularPolicy(WORLD, REFERENCE)
    scores = implicit_rewards(policy, frozen_copy(policy), beta=0.3)
    winners, losers = scores([pair((0, 2), (1, 1, 2)), pair((2,), (0, 0, 0, 0))])
    assert preference_loss(winners, losers).item() == pytest.approx(math.log(2))


def test_a_score_is_summed_over_the_response_with_its_end_and_without_the_prompt():
    config = GPTConfig(vocab_size=9, context=12, layers=1, heads=2, width=16)
    policy, reference = GPT(config, seed=0), GPT(config, seed=1)
    with torch.no_grad():  # new models all say the same: stir them
        for model in (policy, reference):
            for parameter in model.parameters():
                parameter.add_(0.2 * torch.randn_like(parameter))
    reference.requires_grad_(False)
    texts = [1, 5, 6, 7, 2], [1, 5, 6, 8, 8, 2]
    scores = implicit_rewards(policy, reference, beta=0.3)(
        [EncodedComparison(*texts, response_start=3)]
    )
    for text, score in zip(texts, scores, strict=True):
        by_hand = 0.0
        for place in range(3, len(text)):
            before = torch.tensor([text[:place]])
            own, other = (
                model(before)[0, -1].log_softmax(-1)[text[place]]
                for model in (policy, reference)
            )
            by_hand += 0.3 * (own - other).item()
        assert score.item() == pytest.approx(by_hand, abs=1e-5)
        assert score.requires_grad and abs(by_hand) > 0.01


def test_it_ends_at_the_best_policy_for_the_reward_behind_the_labels():
    """All 465 pairs, each label as often as a Bradley-Terry crowd gives it."""
    policy, beta = TabularPolicy(WORLD, REFERENCE), 0.5
    scores_of = implicit_rewards(policy, frozen_copy(policy), beta=beta)
    pairs, shares = [], []
    for one in range(31):
        for other in range(one):
            pairs.append(pair(WORLD.sequences[one], WORLD.sequences[other]))
            shares.append((REWARDS[one] - REWARDS[other]).sigmoid().item())
    pairs = [p._replace(share=s) for p, s in zip(pairs, shares, strict=True)]
    step = preference_step(
        policy,
        scores_of,
        pairs,
        adamw(policy, 0.1),
        steps=150,
        comparisons=len(pairs),
        clip=100.0,
    )
    for index in range(150):
        told = step(index, torch.Generator())
    best = optimum(WORLD.probabilities(REFERENCE), REWARDS, beta)
    assert total_variation(policy.probabilities(), best) < 0.02
    differences = beta * (policy.probabilities() / WORLD.probabilities(REFERENCE)).log()
    assert (differences - REWARDS).std() < 0.05  # one constant apart
    floor = torch.special.entr(torch.tensor(shares)) + torch.special.entr(
        1 - torch.tensor(shares)
    )
    assert told["loss"] == pytest.approx(floor.mean().item(), abs=1e-3)


def test_a_reference_that_is_the_policy_itself_is_refused():
    policy = TabularPolicy(WORLD, REFERENCE)
    with pytest.raises(ValueError, match="frozen_copy"):
        implicit_rewards(policy, policy, beta=0.1)
