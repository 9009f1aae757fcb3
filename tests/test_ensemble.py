"""An ensemble of heads: the bound by hand, each head in its own unit, clear errors."""

import pytest
import torch

from llmlab.ensemble import Ensemble, ensemble_of, lower_bound
from llmlab.gpt import GPT, GPTConfig
from llmlab.taste import story_features, taste_of


@pytest.fixture(scope="module")
def body():
    config = GPTConfig(vocab_size=60, context=32, layers=1, width=16, heads=2)
    return GPT(config, seed=0).eval().requires_grad_(False)


def dice(seed=0):
    return torch.Generator().manual_seed(seed)


def texts(count, seed=0):
    """Prompts and responses of many lengths."""
    source = dice(seed)
    lengths = torch.randint(2, 12, (2, count), generator=source).tolist()
    return [
        [torch.randint(6, 60, (n,), generator=source).tolist() for n in row]
        for row in lengths
    ]


def test_the_bound_is_the_mean_less_what_is_disputed():
    scores = torch.tensor([[1.0, 2.0, 5.0], [3.0, 2.0, -1.0]])
    # By hand: means 2, 2, 2; deviations of (1, 3): √2, of (2, 2): 0, of (5, -1): √18.
    expected = torch.tensor([2 - 0.5 * 2**0.5, 2.0, 2 - 0.5 * 18**0.5])
    torch.testing.assert_close(lower_bound(scores, 0.5), expected)
    assert lower_bound(scores, 0.0).tolist() == [2.0, 2.0, 2.0]


def test_more_caution_pays_less_and_nobody_is_paid_more_than_the_mean():
    scores = torch.randn(6, 40, generator=dice())
    bounds = torch.stack([lower_bound(scores, each) for each in (0.0, 0.5, 1.0, 3.0)])
    assert (bounds.diff(dim=0) < 0).all()
    # Adding one number to all heads moves the bound by it: no head is left out.
    torch.testing.assert_close(lower_bound(scores + 7), lower_bound(scores) + 7)


def test_every_head_speaks_in_its_own_unit(body):
    prompts, responses = texts(30)
    directions = torch.randn(4, 32, generator=dice(1), dtype=torch.float64)
    directions *= torch.tensor([1.0, 10.0, 100.0, 0.1]).double()[:, None]
    heads = ensemble_of(body, directions, prompts, responses)
    scores = heads.of_each(prompts, responses)
    assert scores.mean(dim=1).abs().max() < 1e-6
    assert (scores.std(dim=1) - 1).abs().max() < 1e-6
    # Each head alone is the taste that chapter 11b would make of its direction.
    others = texts(9, seed=2)
    for head, direction in zip(heads.of_each(*others), directions, strict=True):
        alone = taste_of(body, direction, prompts, responses).score(*others)
        torch.testing.assert_close(head.float(), alone, atol=1e-4, rtol=1e-4)


def test_the_reward_is_the_bound_of_what_the_heads_say(body):
    weights = torch.randn(3, 32, generator=dice(), dtype=torch.float64)
    heads = Ensemble(body, weights, torch.tensor([0.0, 1.0, -2.0]).double(), 1.5)
    prompts, responses = texts(7, seed=3)
    features = story_features(body, prompts, responses)
    each = torch.stack(
        [features @ w + b for w, b in zip(weights, (0, 1, -2), strict=True)]
    )
    expected = each.mean(dim=0) - 1.5 * each.std(dim=0)
    found = heads.score(prompts, responses)
    assert found.dtype == torch.float32 and found.shape == (7,)
    torch.testing.assert_close(found, expected.float(), atol=1e-4, rtol=1e-4)


def test_one_head_is_no_ensemble(body):
    with pytest.raises(ValueError, match="one alone never disagrees with itself"):
        lower_bound(torch.zeros(1, 5))
    for one in (torch.ones(1, 32), torch.ones(32)):
        with pytest.raises(ValueError, match="two heads or more: draw the labels anew"):
            ensemble_of(body, one.double(), *texts(5))


def test_heads_of_another_body_are_refused(body):
    with pytest.raises(ValueError, match="weigh 64 features, and this body tells 32"):
        ensemble_of(body, torch.ones(2, 64).double(), *texts(5))


def test_a_head_that_likes_all_texts_alike_is_refused(body):
    directions = torch.stack([torch.ones(32), torch.zeros(32)]).double()
    with pytest.raises(ValueError, match="scores all texts alike"):
        ensemble_of(body, directions, *texts(5))
