"""A taste from clicks: the fit is the optimum, padding is nothing, disputes count."""

import math
from dataclasses import replace

import pytest
import torch

from llmlab.gpt import GPT, GPTConfig
from llmlab.life import RECIPES
from llmlab.preferences import EQUAL
from llmlab.taste import (
    READERS,
    STEERING,
    bootstrap,
    choice,
    disagreement,
    fit,
    interview,
    next_pairs,
    pair_differences,
    penalised_loss,
    scale_of,
    steer,
    story_features,
    taste_of,
)
from llmlab.village import StoryPair, story_pairs

TINY = GPTConfig(vocab_size=300, context=64, layers=1, width=16, heads=2)


def dice(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def model():
    return GPT(TINY, seed=0).eval().requires_grad_(False)


def texts(count, generator, longest=12):
    """Prompts and responses of many lengths."""
    sizes = torch.randint(1, longest, (2, count), generator=generator).tolist()
    return [
        [torch.randint(6, 300, (n,), generator=generator).tolist() for n in lengths]
        for lengths in sizes
    ]


# Features


def test_features_are_those_of_each_story_read_alone(model):
    prompts, responses = texts(9, dice())
    found = story_features(model, prompts, responses, rows=4)
    for row, (prompt, response) in enumerate(zip(prompts, responses, strict=True)):
        hidden = model.hidden_states(torch.tensor([prompt + response]))[0]
        told = hidden[len(prompt) :].double()
        alone = torch.cat([told.sum(dim=0), told.amax(dim=0)])
        torch.testing.assert_close(found[row], alone, atol=1e-4, rtol=0)


def test_a_pair_is_the_difference_of_its_stories(model):
    class Letters:
        bos_id, eos_id, user_id, assistant_id = 1, 2, 3, 4

        def encode(self, text):
            return [ord(letter) for letter in text]

    pairs = [StoryPair("one", "a bird", "a cat sat"), StoryPair("two", "so", "so")]
    found = pair_differences(model, Letters(), pairs)
    prompt = [1, 3, *map(ord, "one"), 4]
    first, second = story_features(
        model, [prompt] * 2, [[*map(ord, "a bird"), 2], [*map(ord, "a cat sat"), 2]]
    )
    torch.testing.assert_close(found[0], first - second, atol=1e-4, rtol=0)
    assert found[1].abs().max() < 1e-4


def test_a_usual_pair_has_length_one():
    differences = torch.randn(50, 8, generator=dice()).double() * torch.arange(1, 9)
    scaled = differences / scale_of(differences)
    assert scaled.square().sum(dim=1).mean().item() == pytest.approx(1)


# The fit


def test_one_click_on_one_feature_lies_where_slope_and_ridge_cancel():
    """x sigmoid(-x w) = ridge w, found by halving."""
    x, ridge = 2.0, 0.3
    low, high = 0.0, 10.0
    for _ in range(60):
        middle = (low + high) / 2
        rising = x / (1 + math.exp(x * middle)) > ridge * middle
        low, high = (middle, high) if rising else (low, middle)
    found = fit(torch.tensor([[x]]).double(), torch.ones(1).double(), ridge)
    assert found.item() == pytest.approx(low, abs=1e-7)


def test_at_the_fit_no_step_in_any_direction_is_better():
    """More features than clicks, ties among them; slopes by central differences."""
    differences = torch.randn(12, 20, generator=dice(1)).double()
    targets = torch.tensor([0, 1, EQUAL] * 4).double()
    found = fit(differences, targets, 0.1)
    for step in 1e-4 * torch.eye(20).double():
        up, down = (
            penalised_loss(found + sign * step, differences, targets, 0.1)
            for sign in (1, -1)
        )
        here = penalised_loss(found, differences, targets, 0.1)
        assert ((up - down) / 2e-4).abs() < 1e-5 and min(up, down) > here


def test_the_loss_is_the_surprise_and_the_ridge_by_hand():
    direction = torch.tensor([1.0, -2.0]).double()
    pairs = torch.tensor([[1.0, 0.0], [0.5, 0.5]]).double()
    by_hand = (
        math.log(1 + math.exp(-1.0))  # the first won, 1 ahead
        + (math.log(1 + math.exp(0.5)) + math.log(1 + math.exp(-0.5))) / 2  # a tie
        + 0.3 / 2 * 5
    )
    found = penalised_loss(direction, pairs, torch.tensor([1.0, 0.5]).double(), 0.3)
    assert found.item() == pytest.approx(by_hand)


def test_ties_alone_teach_nothing():
    differences = torch.randn(5, 3, generator=dice()).double()
    found = fit(differences, torch.full((5,), 0.5).double())
    assert found.abs().max() < 1e-7


@pytest.mark.parametrize("clicks", [0, 2])
def test_a_click_for_each_pair_is_wanted(clicks):
    with pytest.raises(ValueError, match=f"{clicks} clicks on 3 pairs"):
        fit(torch.ones(3, 2).double(), torch.ones(clicks).double())


# Which pair next


def test_disagreement_of_two_who_are_sure_of_either_is_one_half():
    directions = torch.tensor([[50.0, 9.0], [-50.0, 9.0]]).double()
    pairs = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]).double()
    assert disagreement(pairs, directions).tolist() == pytest.approx([0.5, 0, 0])


def test_the_pair_is_picked_about_which_the_clicks_left_a_question():
    """Feature 0 always decided, feature 1 contradicted itself, feature 2 never told.

    A bootstrap is sure of the first, split on the second, silent on the third.
    """
    clicked = torch.tensor([[3.0, 0, 0]] * 4 + [[0, 3.0, 0]] * 4).double()
    targets = torch.tensor([1.0] * 4 + [1.0, 0, 1.0, 0]).double()
    unseen = torch.tensor([[3.0, 0, 0], [0, 3.0, 0], [0, 0, 3.0]]).double()
    pool = torch.cat([clicked, unseen])
    assert next_pairs(pool, range(8), targets, 1, dice()) == [9]
    directions = bootstrap(clicked, targets, dice())
    disputed = disagreement(unseen, directions)
    assert disputed[1] > 2 * disputed[0] and disputed[2] < 1e-6


def test_no_pair_is_asked_about_twice_and_the_first_are_drawn():
    pool = torch.randn(30, 4, generator=dice()).double()
    first = next_pairs(pool, [], torch.zeros(0), 10, dice())
    assert len(set(first)) == 10 and first != sorted(first)
    second = next_pairs(pool, first, torch.ones(10).double(), 10, dice())
    assert len({*first, *second}) == 20


def test_an_interview_asks_in_rounds_and_learns_in_between():
    """A reader who sees one of four features; the rest of the pool is foretold."""
    pool = torch.randn(200, 4, generator=dice()).double()
    answered = []

    def answer(row):
        answered.append(row)
        return float(pool[row, 2] > 0)

    asked, targets = interview(pool, answer, dice(), rounds=(10, 10, 5))
    assert asked == answered and len(set(asked)) == 25
    assert targets.tolist() == (pool[asked, 2] > 0).double().tolist()
    foretold = pool @ fit(pool[asked], targets) > 0
    assert (foretold == (pool[:, 2] > 0)).double().mean() > 0.9


# The reward


def test_a_taste_has_mean_0_and_deviation_1_on_the_stories_it_was_set_on(model):
    prompts, responses = texts(20, dice())
    weights = torch.randn(32, generator=dice(1)).double()
    taste = taste_of(model, weights, prompts, responses)
    scores = taste.score(prompts, responses)
    assert scores.mean().abs() < 1e-5 and scores.std().item() == pytest.approx(1)
    order = (story_features(model, prompts, responses) @ weights).argsort()
    assert scores.argsort().tolist() == order.tolist()
    with pytest.raises(ValueError, match="liked alike"):
        taste_of(model, torch.zeros(32).double(), prompts, responses)


def test_stories_have_the_room_that_they_have_everywhere():
    assert STEERING.max_new_tokens == RECIPES["full"].ppo.max_new_tokens


def test_steering_writes_more_of_what_is_liked():
    """A reader who likes small numbers, on a model that knows nothing yet."""

    def liked(prompts, responses):
        return torch.tensor([sum(i < 150 for i in r) / len(r) for r in responses])

    prompts, _ = texts(40, dice())
    settings = replace(STEERING, steps=25, rate=0.1, responses=16, max_new_tokens=8)
    settings = replace(settings, beta=0.0, unfinished_score=None)
    history = steer(GPT(TINY, seed=0), liked, prompts, settings)
    assert history[0]["score"] < 0.6 and history[-1]["score"] > 0.8


# Readers


def test_a_reader_chooses_more_of_one_thing_and_says_where_there_is_none_more():
    by_length = lambda prompt, story: len(story)  # noqa: E731
    for first, second, clicked in (("aa", "a", 0), ("a", "aa", 1), ("a", "b", EQUAL)):
        assert choice(by_length, StoryPair("x", first, second)) == clicked


def test_scripted_readers_count_what_they_are_called_after():
    pairs = story_pairs(60, seed=3, split="train")
    found = {
        name: [reader(pair.prompt, pair.first) for pair in pairs]
        for name, reader in READERS.items()
    }
    marks = [pair.first.count('"') for pair in pairs]
    assert all(2 * n <= m for n, m in zip(found["dialogue"], marks, strict=True))
    assert set(found["twists"]) == {0, 1} and max(found["similes"]) > 1
    assert choice(READERS["short"], StoryPair("x", "A cat.", "A cat sat.")) == 0
