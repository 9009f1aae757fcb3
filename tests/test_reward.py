"""The learned reward: read off at the right place, trained by the right likelihood."""

import math

import pytest
import torch

from llmlab.batching import pad_sequences
from llmlab.gpt import GPT, GPTConfig
from llmlab.optimisers import adamw
from llmlab.preferences import EQUAL, Comparison
from llmlab.reward import (
    EncodedComparison,
    RewardModel,
    accuracy,
    calibration_slope,
    encode_comparisons,
    expected_agreement,
    last_real_token,
    normalise,
    preference_loss,
    preference_step,
    reward_scores,
)
from llmlab.tokenizer import Tokenizer
from llmlab.training import train

EOS = Tokenizer.eos_id


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def small_gpt(seed: int = 0) -> GPT:
    config = GPTConfig(vocab_size=40, context=24, layers=2, heads=2, width=32)
    model = GPT(config, seed)
    with torch.no_grad():  # the modern blocks start as the identity: stir them
        for name, parameter in model.named_parameters():
            if name.endswith("output.weight"):
                parameter.normal_(0, 0.2, generator=generator(seed))
    return model


def texts(count: int, seed: int = 0) -> list[list[int]]:
    source = generator(seed)
    lengths = torch.randint(3, 12, (count,), generator=source).tolist()
    return [
        [1, *torch.randint(6, 40, (length,), generator=source).tolist(), EOS]
        for length in lengths
    ]


def world_pairs(count: int, seed: int = 0) -> list[EncodedComparison]:
    """Texts that are the better, the more often they say 7."""
    pairs = []
    while len(pairs) < count:
        first, second = texts(2, seed=1000 * seed + len(pairs) + seed)
        seed += 1
        if first.count(7) == second.count(7):
            first = [first[0], 7, *first[1:]]
        winner, loser = sorted((first, second), key=lambda t: -t.count(7))
        pairs.append(EncodedComparison(winner, loser))
    return pairs


# Where the score is read off


@torch.no_grad()
def test_padding_never_changes_a_reward():
    model, sequences = RewardModel(small_gpt()), texts(6)
    alone = torch.cat([model(torch.tensor([sequence])) for sequence in sequences])
    for side in ("right", "left"):
        for pad_id in (0, EOS, 17):
            tokens, segments = pad_sequences(sequences, side=side, pad_id=pad_id)
            padded = model(tokens, segments)
            torch.testing.assert_close(padded, alone, atol=1e-5, rtol=0)
    tokens, segments = pad_sequences(sequences)
    # The sick version reads the last column, which is padding in most rows.
    last_column = model.head(model.body.hidden_states(tokens, segment_ids=segments))
    assert (last_column[:, -1, 0] - alone).abs().max() > 0.1


@torch.no_grad()
def test_the_score_is_the_head_applied_to_the_state_of_the_end_token():
    model, sequence = RewardModel(small_gpt()), texts(1)[0]
    hidden = model.body.hidden_states(torch.tensor([sequence]))
    expected = model.head(hidden[:, len(sequence) - 1])[:, 0]
    torch.testing.assert_close(model(torch.tensor([sequence])), expected)


def test_the_last_real_token_is_found_on_either_side():
    segments = torch.tensor([[1, 1, 0, 0], [0, 0, 1, 1], [1, 1, 1, 1], [0, 1, 0, 0]])
    assert last_real_token(segments).tolist() == [1, 3, 3, 1]
    with pytest.raises(ValueError, match="padding only"):
        last_real_token(torch.zeros(1, 3, dtype=torch.int64))


def test_score_reads_prompt_and_response_in_any_grouping():
    model, sequences = RewardModel(small_gpt()), texts(7)
    prompts = [sequence[:2] for sequence in sequences]
    responses = [sequence[2:] for sequence in sequences]
    together = model.score(prompts, responses)
    torch.testing.assert_close(model.score_texts(sequences, rows=2), together)
    assert together.shape == (7,) and not together.requires_grad


# A fair start


def test_the_first_loss_is_near_log_two_and_the_first_accuracy_near_one_half():
    losses, rates = [], []
    pairs = world_pairs(100)
    for seed in range(10):
        with torch.no_grad():
            scores = reward_scores(RewardModel(small_gpt(), seed))(pairs)
        losses.append(preference_loss(*scores).item())
        rates.append(accuracy(*scores))
    # The final norm makes scores of spread 1 or less, differences of variance 2 or
    # less; the loss is about log 2 plus an eighth of that variance.
    assert math.log(2) < sum(losses) / 10 < math.log(2) + 0.25
    assert 0.35 < sum(rates) / 10 < 0.65


def test_the_head_starts_with_the_published_spread():
    body = GPT(GPTConfig(vocab_size=8, context=4, layers=1, heads=1, width=1024))
    model = RewardModel(body)
    assert model.head.weight.std().item() == pytest.approx(1025**-0.5, rel=0.1)
    assert model.head.bias.item() == 0
    other = RewardModel(body, seed=1)
    assert not torch.equal(model.head.weight, other.head.weight)


def test_reward_model_and_policy_share_no_weights():
    policy = small_gpt()
    model = RewardModel(policy)
    own = {parameter.data_ptr() for parameter in policy.parameters()}
    assert all(parameter.data_ptr() not in own for parameter in model.parameters())


# The likelihood


def test_equal_scores_cost_log_two():
    scores = torch.tensor([3.0, -2.0])
    assert preference_loss(scores, scores).item() == pytest.approx(math.log(2))


def test_adding_a_constant_to_a_prompt_changes_nothing():
    winners, losers = torch.randn(2, 9, dtype=torch.float64)
    shift = torch.randn(9, dtype=torch.float64) * 50
    torch.testing.assert_close(
        preference_loss(winners + shift, losers + shift),
        preference_loss(winners, losers),
    )


def test_certain_and_wrong_is_expensive_but_finite_with_a_gradient():
    winner = torch.tensor([-200.0], requires_grad=True)
    loss = preference_loss(winner, torch.tensor([0.0]))
    loss.backward()
    assert loss.item() == pytest.approx(200) and winner.grad.item() == pytest.approx(-1)
    assert not (-torch.sigmoid(winner).log()).isfinite()  # the sick version


def test_the_loss_is_logistic_regression_on_differences():
    source = generator()
    winners = torch.randn(50, 3, generator=source, dtype=torch.float64)
    losers = torch.randn(50, 3, generator=source, dtype=torch.float64)
    weight = torch.randn(3, generator=source, dtype=torch.float64).requires_grad_()
    (gradient,) = torch.autograd.grad(
        preference_loss(winners @ weight, losers @ weight), weight
    )
    differences = winners - losers
    probability = (differences @ weight).sigmoid()
    expected = ((probability - 1)[:, None] * differences).mean(dim=0)
    torch.testing.assert_close(gradient, expected)


def test_training_finds_what_people_prefer_and_goes_on_to_the_same_bits(tmp_path):
    pairs, held_out = world_pairs(400), world_pairs(100, seed=77)

    def run(steps_first=None):
        model = RewardModel(small_gpt())
        optimizers = adamw(model, 3e-3)
        step = preference_step(
            model, reward_scores(model), pairs, optimizers, steps=50, comparisons=16
        )
        if steps_first:  # interrupted by an exception, then resumed

            def failing(index, source):
                if index == steps_first:
                    raise RuntimeError("power cut")
                return step(index, source)

            settings = dict(
                steps=50,
                modules={"reward": model},
                optimizers=optimizers,
                seed=0,
                state_path=tmp_path / "state",
                save_every=0,
            )
            with pytest.raises(RuntimeError):
                train(failing, **settings)
            return run_again(settings)
        train(step, steps=50, modules={"reward": model}, optimizers=optimizers, seed=0)
        return model

    def run_again(settings):
        model = RewardModel(small_gpt(), seed=5)
        optimizers = adamw(model, 3e-3)
        step = preference_step(
            model, reward_scores(model), pairs, optimizers, steps=50, comparisons=16
        )
        settings |= {"modules": {"reward": model}, "optimizers": optimizers}
        train(step, **settings)
        return model

    model, resumed = run(), run(steps_first=7)
    for name, value in model.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name
    with torch.no_grad():
        assert accuracy(*reward_scores(model)(held_out)) > 0.9


def test_every_pair_is_seen_once_before_any_is_seen_twice():
    pairs = world_pairs(30)
    model = RewardModel(small_gpt())
    seen = []

    def spy(chosen):
        seen.extend(chosen)
        return reward_scores(model)(chosen)

    step = preference_step(
        model, spy, pairs, adamw(model, 1e-3), steps=6, comparisons=10
    )
    for index in range(6):
        step(index, generator())
    assert sorted(seen[:30]) == sorted(seen[30:]) == sorted(pairs)
    assert seen[:30] != seen[30:]


def test_without_comparisons_there_is_nothing_to_learn():
    model = RewardModel(small_gpt())
    with pytest.raises(ValueError, match="no comparisons"):
        preference_step(model, reward_scores(model), [], adamw(model, 1e-3), steps=1)


# From text to pairs


def comparison(first="plain", second="rich", preferred=1) -> Comparison:
    return Comparison("tell", first, second, preferred, "Ada", "person")


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer.train(["tell a plain story, tell a rich story"], 270)


def test_comparisons_are_rendered_with_their_end_token(tokenizer):
    (pair,) = encode_comparisons([comparison()], tokenizer, context=64)
    assert tokenizer.decode(pair.winner).endswith("rich")
    assert tokenizer.decode(pair.loser).endswith("plain")
    assert pair.winner[-1] == pair.loser[-1] == EOS
    start = pair.winner.index(tokenizer.assistant_id)
    assert pair.winner[: start + 1] == pair.loser[: start + 1]


def test_a_tie_says_one_half_for_either_story(tokenizer):
    (tie,) = encode_comparisons([comparison(preferred=EQUAL)], tokenizer, context=64)
    (choice,) = encode_comparisons([comparison()], tokenizer, context=64)
    assert (tie.share, choice.share) == (0.5, 1)
    assert tie.winner == choice.loser  # of equals, the first stands for the winner
    start = choice.response_start
    assert choice.winner[start - 1] == tokenizer.assistant_id
    assert tokenizer.decode(choice.winner[start:]) == "rich"


def test_votes_on_one_pair_are_one_pair_with_the_loss_of_all_their_labels(tokenizer):
    """Three of four prefer "rich", in whatever order they saw it; one calls a tie."""
    votes = [
        comparison(),
        comparison("rich", "plain", preferred=0),
        comparison("rich", "plain", preferred=1),
        comparison(preferred=EQUAL),
        comparison(),
    ]
    encoded = encode_comparisons(votes, tokenizer, context=64)
    (pooled,), (alone,) = encoded, encode_comparisons(votes[:1], tokenizer, context=64)
    assert pooled[:3] == alone[:3]
    assert pooled.share == pytest.approx(3.5 / 5)
    difference = torch.tensor([0.7], dtype=torch.float64)
    said = torch.tensor([1, 1, 0, 0.5, 1], dtype=torch.float64)  # for "rich"
    of_all = preference_loss(difference.expand(5), torch.zeros(5).double(), said)
    of_one = preference_loss(difference, torch.zeros(1).double(), pooled.share)
    torch.testing.assert_close(of_one, of_all)
    (lost,) = encode_comparisons(votes[2:4], tokenizer, context=64)
    assert (lost.winner, lost.share) == (alone.loser, 0.75)


def test_a_story_compared_with_itself_is_left_out(tokenizer):
    pairs = [comparison(), comparison("same", "same")]
    assert len(encode_comparisons(pairs, tokenizer, context=64)) == 1


@pytest.mark.parametrize("side", ["first", "second"])
def test_a_pair_with_a_side_missing_is_refused_with_its_prompt(tokenizer, side):
    told = {"first": "One.", "second": "Two."} | {side: " "}
    pair = Comparison("Tell!", **told, preferred=0, annotator="a", source="simulated")
    with pytest.raises(ValueError, match=f"no {side} story.*'Tell!'"):
        encode_comparisons([pair], tokenizer, context=99)


def test_a_story_too_long_is_refused_rather_than_cut(tokenizer):
    with pytest.raises(ValueError, match="leave it out"):
        encode_comparisons([comparison("word " * 50)], tokenizer, context=64)


# Scale


def test_normalised_scores_have_mean_zero_and_spread_one_and_rank_as_before():
    model, sequences, pairs = RewardModel(small_gpt()), texts(40), world_pairs(50)
    before = accuracy(*reward_scores(model)(pairs))
    for _ in range(2):  # doing it again changes nothing
        normalise(model, sequences)
        scores = model.score_texts(sequences)
        assert scores.mean().item() == pytest.approx(0, abs=1e-5)
        assert scores.std().item() == pytest.approx(1, abs=1e-4)
    assert accuracy(*reward_scores(model)(pairs)) == before
    assert {"gain", "bias"} <= model.state_dict().keys()


def test_scores_without_spread_cannot_be_normalised():
    model = RewardModel(small_gpt())
    with pytest.raises(ValueError, match="same score"):
        normalise(model, texts(1) * 3)
    with pytest.raises(ValueError, match="two or more"):
        normalise(model, texts(1))


# What was learned


def test_ties_count_one_half():
    winners, losers = torch.tensor([2.0, 1.0, 0.0, 5.0]), torch.tensor([1.0, 1, 3, 5])
    assert accuracy(winners, losers) == 0.5
    assert accuracy(winners[:1], losers[:1]) == 1


def test_a_tie_is_least_surprising_at_equal_scores():
    scores = torch.linspace(-3, 3, 61, dtype=torch.float64)
    losses = [preference_loss(s[None], torch.zeros(1), 0.5).item() for s in scores]
    assert min(losses) == losses[30] == pytest.approx(math.log(2))


def test_expected_agreement_is_what_labels_would_say_on_average():
    first = torch.tensor([1.0, 0.0, 2.0])
    second = torch.tensor([0.0, 3.0, 2.0])
    preferences = torch.tensor([0.9, 0.7, 0.2], dtype=torch.float64)
    found = expected_agreement(first, second, preferences)
    assert found.tolist() == pytest.approx([0.9, 0.3, 0.5])
    labels = torch.rand(20_000, 3, generator=generator()) < preferences
    right = (labels == (first > second))[:, :2].double().mean(dim=0)
    torch.testing.assert_close(right, found[:2], atol=0.02, rtol=0)


def test_the_slope_of_calibration_is_what_makes_rewards_honest():
    differences = 2 * torch.randn(400, generator=generator(), dtype=torch.float64)
    for honest in (0.4, 1.0, 2.5):
        said = calibration_slope(differences, (honest * differences).sigmoid())
        assert said == pytest.approx(honest, abs=1e-9)
    # Of drawn choices it is the most probable one, as a grid of slopes finds it.
    choices = torch.bernoulli((0.7 * differences).sigmoid(), generator=generator(1))
    grid = torch.arange(0.2, 1.5, 0.001, dtype=torch.float64)
    signed = torch.where(choices == 1, differences, -differences)
    likely = torch.nn.functional.logsigmoid(grid[:, None] * signed).sum(dim=1)
    found = calibration_slope(differences, choices)
    assert found == pytest.approx(grid[likely.argmax()].item(), abs=1e-3)
    assert found == pytest.approx(0.7, abs=0.2)


def test_equal_rewards_have_no_slope():
    with pytest.raises(ValueError, match="all rewards are equal"):
        calibration_slope(torch.zeros(5), torch.full((5,), 0.5))
