"""Recommendations: each learner is held against what can be reckoned or enumerated."""

import pytest
import torch
from torch.nn.functional import normalize

from llmlab.interpretation import residual_stream
from llmlab.life import course
from llmlab.recommendation import (
    EXPECTED,
    MIDDLE,
    Article,
    LinUCB,
    Memory,
    Oracle,
    Policy,
    Popularity,
    Readers,
    article_features,
    from_stars,
    gazette,
    picked,
    recommendation_loss,
    visits,
)

ARTICLES = gazette(40, seed=0)


def dice(seed=0):
    return torch.Generator().manual_seed(seed)


def directions(count=40, width=6, seed=0):
    drawn = torch.randn(count, width, generator=dice(seed), dtype=torch.float64)
    return normalize(drawn, dim=1)


def visited(recommender_of, count=30, seed=1, **how):
    readers = Readers(ARTICLES, 3, seed=seed)
    recommender = recommender_of(readers)
    return recommender, visits(readers, recommender, count, dice(), **how)


# The world ----------------------------------------------------------------------------


def test_the_oracle_has_no_regret_and_nobody_has_less():
    assert visited(Oracle)[1].regret.abs().max() == 0
    for recommender in (lambda _: Popularity(40), lambda _: Policy(memory())):
        assert visited(recommender)[1].regret.min() >= 0


def memory(**how):
    return Memory(directions(), 3, **how)


def test_two_recommenders_meet_the_same_offers_tastes_and_luck():
    """So that what differs between them is what they chose."""
    one, other = (Readers(ARTICLES, 3, seed=5) for _ in range(2))
    visits(one, Oracle(one), 20, dice())
    visits(other, Popularity(40), 20, dice())
    one.turn(), other.turn()
    assert one.loved.equal(other.loved)
    assert one.offer(7).equal(other.offer(7))
    half = torch.full((3,), 0.5)
    assert one.react(half).equal(other.react(half))


def test_the_chance_of_a_click_is_what_the_taste_says():
    readers = Readers(ARTICLES, 3, seed=2)
    found = readers.chances(torch.arange(40).expand(3, -1))
    topics, people, places = readers.names
    for reader in range(3):
        for number, article in enumerate(ARTICLES):
            odds = readers.dull + readers.charm[number].item()
            loved = readers.loved[reader].tolist()
            odds += readers.love * (topics.index(article.topic) in loved)
            liked = (
                readers.liked[0][reader, people.index(article.person)],
                readers.liked[1][reader, places.index(article.place)],
            )
            odds += readers.like * sum(map(bool, liked))
            assert found[reader, number].item() == pytest.approx(
                torch.tensor(odds).sigmoid().item(), abs=1e-6
            )


def test_clicks_come_as_often_as_the_chance_says():
    readers = Readers(ARTICLES, 500, seed=3)
    chance = torch.linspace(0, 1, 500, dtype=torch.float64)
    drawn = torch.stack([readers.react(chance) for _ in range(200)]).mean(dim=0)
    assert (drawn - chance).abs().max() < 0.16 and drawn[0] == 0 and drawn[-1] == 1
    rated = torch.stack([readers.react(chance, stars=True) for _ in range(200)])
    assert set(rated.unique().tolist()) == {0, 0.25, 0.5, 0.75, 1}
    assert (rated.mean(dim=0) - chance).abs().max() < 0.08


def test_when_tastes_turn_each_reader_trades_the_oldest_love_for_a_new_one():
    readers = Readers(ARTICLES, 20, seed=4)
    before = readers.loved.clone()
    readers.turn()
    assert readers.loved[:, :-1].equal(before[:, 1:])
    new = readers.loved[:, -1:]
    assert not (new == before).any() and all(
        len(set(row)) == 3 for row in readers.loved.tolist()
    )


def test_articles_follow_from_their_number_alone():
    assert gazette(3, seed=0, start=10) == ARTICLES[10:13]
    assert gazette(3, seed=1) != ARTICLES[:3]
    assert all(each.person in each.text for each in ARTICLES)


# What the model knows -----------------------------------------------------------------


def test_features_are_means_over_the_articles_own_tokens():
    """Batches and padding leave no trace: compared with each article read alone."""
    life = course()
    model, tokenizer = life.load("base").requires_grad_(False), life.tokenizer
    found = article_features(model, tokenizer, ARTICLES, width=5)
    means = []
    for article in ARTICLES:
        tokens = torch.tensor([tokenizer.encode(article.text)])
        states = residual_stream(model, tokens)[MIDDLE][0]
        means.append(normalize(states, dim=1).mean(dim=0).double())
    centred = torch.stack(means) - torch.stack(means).mean(dim=0)
    left = torch.linalg.svd(centred, full_matrices=False)[0][:, :5]
    wanted = normalize(left, dim=1)  # up to the signs of the components
    assert (found @ found.T - wanted @ wanted.T).abs().max() < 1e-3


# What is remembered -------------------------------------------------------------------


def test_the_memory_is_ridge_regression_in_closed_form():
    features, keep, ridge = directions(), 0.9, 0.7
    kept = Memory(features, 2, ridge=ridge, keep=keep)
    articles = torch.randint(40, (15, 2), generator=dice(1))
    rewards = torch.rand(15, 2, generator=dice(2), dtype=torch.float64)
    for pair in zip(articles, rewards, strict=True):
        kept.remember(*pair)
    offered = torch.randint(40, (2, 4), generator=dice(3))
    guess, doubt = kept.guess(offered)
    for reader in range(2):
        x, y = features[articles[:, reader]], rewards[:, reader] - EXPECTED
        weights = keep ** torch.arange(14, -1, -1).double()
        known = x.T @ (weights[:, None] * x) + ridge * torch.eye(6).double()
        taste = torch.linalg.solve(known, x.T @ (weights * y))
        shown = features[offered[reader]]
        assert guess[reader].allclose(shown @ taste)
        variance = (shown @ torch.linalg.inv(known) * shown).sum(dim=1)
        assert doubt[reader].allclose(variance.sqrt())


def test_the_bandit_takes_the_article_that_may_well_be_best():
    features = torch.eye(3).double()
    kept = Memory(features, 1, keep=1.0)
    for _ in range(9):
        kept.remember(torch.tensor([0]), torch.tensor([0.5]).double())
    kept.remember(torch.tensor([1]), torch.tensor([0.0]).double())
    offered = torch.tensor([[0, 1, 2]])
    # Guess 9 * 0.2 / 10 and doubt root 1/10; nothing is known of the third.
    assert LinUCB(kept, 0.0).choose(offered, dice()).item() == 0
    assert LinUCB(kept, 0.25).choose(offered, dice()).item() == 0
    assert LinUCB(kept, 0.27).choose(offered, dice()).item() == 2


def test_popularity_counts_what_everybody_did():
    crowd, offered = Popularity(3), torch.tensor([[0, 1], [0, 2], [0, 2]])
    crowd.learn(
        offered, torch.tensor([0, 0, 1]), torch.tensor([1.0, 0.0, 1.0]).double()
    )
    a, b, c = crowd.rates(torch.tensor([[0, 1, 2]]))[0].tolist()
    assert a == pytest.approx((2 * EXPECTED + 1) / 4)
    assert b == pytest.approx(EXPECTED) and c == pytest.approx((0.6 + 1) / 3)
    assert crowd.choose(offered, dice()).tolist() == [0, 1, 1]


# The policy ---------------------------------------------------------------------------


@pytest.mark.parametrize("explore", [0.0, 0.2])
def test_the_expected_gradient_is_that_of_the_expected_reward(explore):
    """Every choice and every outcome of four articles, each with its probability."""
    kept = Memory(directions(), 1)
    for number in range(5):
        kept.remember(torch.tensor([number]), torch.tensor([number % 2]).double())
    policy = Policy(kept, weights=(0.6, -0.4, 0.9), explore=explore)
    offered = torch.tensor([[1, 5, 9, 20]])
    chances = torch.tensor([[0.1, 0.8, 0.3, 0.6]]).double()
    seen = policy.seen(offered)
    gradient = torch.zeros(3).double()
    for place in range(4):
        for click in (0.0, 1.0):
            log_probs = policy.log_probs(seen)
            chosen, reward = torch.tensor([place]), torch.tensor([click]).double()
            loss = recommendation_loss(log_probs, seen, chosen, reward)
            [one] = torch.autograd.grad(loss, policy.weights)
            luck = chances[0, place] if click else 1 - chances[0, place]
            gradient += log_probs[0, place].exp().detach() * luck * one
    expected_reward = (policy.log_probs(seen).exp() * chances).sum()
    [truth] = torch.autograd.grad(expected_reward, policy.weights)
    assert truth.abs().max() > 0.01 and gradient.allclose(-truth, atol=1e-12)


def test_exploring_gives_every_article_its_share():
    policy = Policy(memory(), weights=(500.0, 0.0, 500.0), explore=0.2)
    probabilities = policy.log_probs(policy.seen(torch.arange(10)[None].expand(3, -1)))
    assert probabilities.exp().min() >= 0.02 - 1e-12
    assert probabilities.exp().sum(dim=1).allclose(torch.ones(3).double())


def test_a_policy_that_was_told_a_taste_follows_it():
    """After some clicks on one kind of article, that kind is recommended."""
    features = torch.eye(2).double().repeat_interleave(20, dim=0)
    policy = Policy(Memory(features, 1), weights=(3.0, 0.0, 0.0), rate=0.0)
    offered = torch.tensor([[0, 39]])

    def chance(place):
        return policy.log_probs(policy.seen(offered)).exp()[0, place].item()

    assert chance(0) == pytest.approx(0.5)
    for _ in range(10):
        policy.learn(offered, torch.tensor([1]), torch.tensor([1.0]).double())
        policy.learn(offered, torch.tensor([0]), torch.tensor([0.0]).double())
    assert chance(1) > 0.99
    assert policy.weights.tolist() == [3.0, 0.0, 0.0]


def test_a_reader_who_clicks_nothing_is_served_by_what_others_clicked():
    """The cold start: without a click all guesses are alike, and the crowd decides."""
    policy = Policy(memory(), weights=(1.0, 0.0, 5.0))
    offered = torch.tensor([[3, 4]] * 3)
    policy.crowd.learn(offered, torch.tensor([1] * 3), torch.ones(3).double())
    seen = policy.seen(offered)
    assert seen[:, :, 0].abs().max() == 0
    assert (policy.log_probs(seen).argmax(dim=1) == 1).all()
    never = torch.zeros(3).double()
    for _ in range(200):  # nothing breaks, however long it goes on
        chosen = policy.choose(offered, dice())
        policy.learn(offered, chosen, never)
    assert policy.log_probs(policy.seen(offered)).isfinite().all()


def test_the_policy_beats_popularity_in_a_little_world():
    """With topics as features, four readers, a few seconds."""
    topics = sorted({each.topic for each in ARTICLES})
    features = torch.eye(len(topics)).double()[
        [topics.index(each.topic) for each in ARTICLES]
    ]
    _, crowd = visited(lambda _: Popularity(40), 150)
    _, learned = visited(lambda _: Policy(Memory(features, 3)), 150)
    assert learned.regret.sum() < 0.6 * crowd.regret.sum()


# What cannot be -----------------------------------------------------------------------


def test_what_cannot_be_is_said_in_words():
    with pytest.raises(ValueError, match="the list of articles is empty"):
        Readers([], seed=0)
    with pytest.raises(ValueError, match="the list of articles is empty"):
        article_features(None, None, [])
    with pytest.raises(ValueError, match="a rating of 6; expected 1 to 5 stars"):
        from_stars([3, 6])
    with pytest.raises(ValueError, match="a rating of nan"):
        from_stars(float("nan"))
    rewards = torch.tensor([0.0, 1.0, 5.0]).double()
    with pytest.raises(ValueError, match="a reward of 5; expected 0 for a skip"):
        memory().remember(torch.tensor([0, 1, 2]), rewards)
    policy, offered = Policy(memory()), torch.tensor([[0, 1]] * 3)
    before = policy.weights.tolist()
    with pytest.raises(ValueError, match="a reward of 5"):
        policy.learn(offered, torch.tensor([0, 1, 1]), rewards)
    assert policy.weights.tolist() == before
    readers = Readers(ARTICLES, 1, seed=0)
    with pytest.raises(ValueError, match="41 articles to offer, of 40"):
        visits(readers, Oracle(readers), 1, dice(), size=41)
    few = [Article("text", "gift", "Otto", "inn")]
    assert visits(Readers(few, 1, seed=0), Popularity(1), 2, dice(), size=1)
    assert from_stars([1, 3, 5]).tolist() == [0.0, 0.5, 1.0]
    assert picked(torch.tensor([[4, 5]]), torch.tensor([1])).tolist() == [5]
