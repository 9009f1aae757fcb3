"""Best of n, against all that could be drawn."""

import itertools
import math

import pytest
import torch
from tabular import TabularPolicy

from llmlab.best_of_n import best, expected_best, kl_bound, sample_scores
from llmlab.exact import World, kl_divergence

WORLD = World()
LOGITS = WORLD.random_logits(torch.Generator().manual_seed(1))
REWARDS = torch.randn(31, generator=torch.Generator().manual_seed(3)).double()


def world_reward(prompts, responses):
    return REWARDS[[WORLD.index(response) for response in responses]]


def test_order_statistics_are_the_mean_over_all_choices_of_n():
    scores = torch.tensor([[3.0, 1.0, 2.0, 5.0, 4.0], [0.0, 0.5, 9.0, 2.0, 1.0]])
    gold = torch.tensor([[1.0, 7.0, 2.0, 0.0, 5.0], [4.0, 3.0, 2.0, 1.0, 0.0]])
    for n in (1, 2, 3, 5):
        for told in (scores, gold):
            by_hand = [
                sum(row[max(choice, key=lambda i: s[i])] for choice in choices)
                / math.comb(5, n)
                for s, row in zip(scores.tolist(), told.tolist(), strict=True)
                for choices in [list(itertools.combinations(range(5), n))]
            ]
            found = expected_best(scores, n, told)
            assert found.tolist() == pytest.approx(by_hand, abs=1e-12)
    with pytest.raises(ValueError, match="best of 6 cannot be told from 5"):
        expected_best(scores, 6)


def test_a_reward_that_cannot_tell_answers_apart_gains_nothing():
    gold = torch.tensor([[1.0, 7.0, 2.0, 0.0, 5.0]])
    for n in range(1, 6):
        equal = expected_best(torch.full((1, 5), 2.0), n, gold)
        assert equal.tolist() == pytest.approx([3.0], abs=1e-12)
    # Two of three score alike: they have equal parts of what is chosen.
    scores, told = torch.tensor([[1.0, 4.0, 4.0]]), torch.tensor([[9.0, 0.0, 6.0]])
    assert expected_best(scores, 3, told).tolist() == pytest.approx([3.0])
    # By rank alone, whoever of the equals comes last would be taken every time.
    assert told.gather(1, scores.argsort(dim=1, stable=True))[0, -1] == 6


def test_a_reward_that_is_not_a_number_is_refused_before_anything_is_chosen():
    scores = torch.tensor([[1.0, float("nan"), 2.0]])
    assert scores.argmax() == 1, "or the broken one would be called the best"
    with pytest.raises(ValueError, match="not a finite number"):
        expected_best(scores, 2)
    with pytest.raises(ValueError, match="not a finite number"):
        sample_scores(
            TabularPolicy(WORLD, LOGITS),
            lambda prompts, responses: torch.full((len(prompts),), math.nan),
            [[2]],
            torch.Generator().manual_seed(0),
            samples=2,
            max_new_tokens=4,
        )


def chance_of_one_right(c: int, n: int, k: int) -> float:
    """pass@k as Chen et al. 2021 write it: of n answers c are right, take k of them."""
    return 1 - math.comb(n - c, k) / math.comb(n, k)


def test_where_scores_are_right_or_wrong_the_best_of_k_is_pass_at_k():
    for n, c, k in [(10, 3, 3), (8, 0, 8), (8, 8, 1), (32, 1, 8), (5, 2, 4)]:
        scores = torch.tensor([[1.0] * c + [0.0] * (n - c)])
        for row in (scores, scores.flip(1)):  # whatever the order
            found = expected_best(row, k).item()
            assert found == pytest.approx(chance_of_one_right(c, n, k), abs=1e-12)
        choices = list(itertools.combinations(scores[0].tolist(), k))
        some = sum(max(choice) for choice in choices) / len(choices)
        assert found == pytest.approx(some, abs=1e-12)


def test_pass_at_k_is_right_on_average_and_the_plain_formula_too_low():
    p, n, k = 0.3, 10, 3
    healthy = sick = 0.0
    for c in range(n + 1):  # how many of ten answers are right, and how probably
        chance = math.comb(n, c) * p**c * (1 - p) ** (n - c)
        scores = torch.tensor([[1.0] * c + [0.0] * (n - c)])
        healthy += chance * expected_best(scores, k).item()
        sick += chance * (1 - (1 - c / n) ** k)
    assert healthy == pytest.approx(1 - (1 - p) ** k, abs=1e-12)
    assert sick == pytest.approx(0.61374, abs=1e-5) and healthy > sick + 0.04


def test_the_bound_is_above_the_exact_divergence_and_at_zero_for_one():
    p = WORLD.probabilities(LOGITS)
    order = REWARDS.argsort()
    upto = p[order].cumsum(0)
    for n in (2, 8, 64):
        chosen = torch.zeros_like(p)
        chosen[order] = upto**n - (upto - p[order]) ** n
        assert chosen.sum().item() == pytest.approx(1)
        assert 0 < kl_divergence(chosen, p) < kl_bound(n)
    assert kl_bound(1) == 0


def test_the_best_answer_of_each_prompt_is_kept():
    policy = TabularPolicy(WORLD, LOGITS)
    rollout, scores = sample_scores(
        policy,
        world_reward,
        [[2], [1], [0]],
        torch.Generator().manual_seed(0),
        samples=8,
        max_new_tokens=4,
    )
    assert scores.shape == (3, 8)
    assert rollout.prompts == [[2]] * 8 + [[1]] * 8 + [[0]] * 8
    assert not rollout.finished.all()  # those that were cut off are scored all the same
    assert scores.flatten().tolist() == world_reward([], rollout.responses).tolist()
    kept = best(rollout, scores)
    for number, response in enumerate(kept):
        answers = rollout.responses[8 * number : 8 * number + 8]
        assert response in answers
        assert world_reward([], [response]) == max(world_reward([], answers))


def test_a_response_that_was_cut_off_gets_the_fixed_score():
    rollout, scores = sample_scores(
        TabularPolicy(WORLD, LOGITS),
        world_reward,
        [[2]],
        torch.Generator().manual_seed(0),
        samples=32,
        unfinished_score=-9.0,
        max_new_tokens=4,
    )
    assert 0 < (scores == -9).sum() < 32
    assert ((scores[0] == -9) == ~rollout.finished).all()
