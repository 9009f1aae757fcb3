import itertools
import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from llmlab.evaluation import (
    Share,
    answers_right,
    answers_scored,
    completions,
    entropy_line,
    explained_share,
    language_loss,
    masked_accuracy,
    minimal_pairs,
    sign_test,
    wilson_interval,
    win_rate,
)
from llmlab.gpt import GPT, GPTConfig
from llmlab.likelihood import sequence_log_probs
from llmlab.optimisers import muon_and_adamw
from llmlab.pretraining import pretraining_step
from llmlab.tokenizer import Tokenizer
from llmlab.training import train

CONFIG = GPTConfig(vocab_size=264, context=48, layers=2, heads=2, width=16)


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer.train(["ab " * 40 + "cd " * 30], 264)


@pytest.fixture(scope="module")
def parrot(tokenizer):
    """A model that knows two sentences and nothing else."""
    model = GPT(CONFIG)
    optimizers = muon_and_adamw(model)
    documents = [
        [1, *tokenizer.encode(text), 2] for text in ("the cat sits", "a dog runs")
    ]
    step = pretraining_step(
        model,
        documents * 8,
        tokenizer,
        optimizers,
        steps=80,
        tokens_per_batch=256,
        seed=0,
    )
    train(step, steps=80, modules={"m": model}, optimizers=optimizers, seed=0)
    return model


def test_a_sequences_log_prob_is_the_sum_over_its_tokens(parrot):
    sequences = [[1, 70, 80, 90, 2], [1, 75, 2]]
    expected = []
    for sequence in sequences:
        log_probs = parrot(torch.tensor([sequence]))[0].log_softmax(-1)
        expected.append(
            sum(log_probs[t, token].item() for t, token in enumerate(sequence[1:]))
        )
    measured = sequence_log_probs(parrot, sequences)
    assert measured.tolist() == pytest.approx(expected, abs=1e-4)


def test_only_the_masked_tokens_are_counted(parrot):
    sequence, mask = [1, 70, 80, 2], [False, False, True, False]
    log_probs = parrot(torch.tensor([sequence]))[0].log_softmax(-1)
    measured = sequence_log_probs(parrot, [sequence], [mask]).item()
    assert measured == pytest.approx(log_probs[1, 80].item(), abs=1e-4)


def test_an_untrained_model_is_as_surprised_as_a_die_of_all_tokens():
    with torch.no_grad():
        model = GPT(CONFIG)
        model.embedding.weight.zero_()
    loss = language_loss(model, [[1, 7, 8, 2], [1, 9, 2]])
    assert loss.nats_per_token == pytest.approx(math.log(264))
    assert loss.tokens == 5
    assert loss.error == pytest.approx(0, abs=1e-6)


def test_a_model_of_the_other_kind_is_not_measured(tokenizer):
    masked = GPT(replace(CONFIG, causal=False))
    with pytest.raises(ValueError, match="this model is masked"):
        language_loss(masked, [[1, 7, 8, 2]])
    with pytest.raises(ValueError, match="this model is causal"):
        masked_accuracy(GPT(CONFIG), tokenizer, [[1, 7, 8, 2]], seed=0)


def test_no_documents_have_no_loss():
    with pytest.raises(ValueError, match="no token to predict in 0 of 0"):
        language_loss(GPT(CONFIG), [])
    with pytest.raises(ValueError, match="no token to predict in 1 of 1"):
        entropy_line([3.0], [[1]])


def test_the_entropy_line_is_a_ratio_of_means():
    line = entropy_line([3.0, 12.0], [[1, 5, 2], [1, 5, 6, 2]])
    assert line.nats_per_token == pytest.approx(15 * math.log(2) / 5)


def test_wilson_agrees_with_the_published_example():
    # Newcombe 1998, table I: 81 of 263, and 0 of 20.
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert wilson_interval(0, 20) == pytest.approx((0.0, 0.1611), abs=1e-4)


def test_wilson_holds_the_rate_itself_where_all_or_none_succeed():
    for trials in range(1, 500):
        assert wilson_interval(0, trials)[0] == 0
        assert wilson_interval(trials, trials)[1] == 1


def test_wilson_covers_the_truth_about_95_times_in_100():
    generator = torch.Generator().manual_seed(0)
    draws = torch.rand(4000, 60, generator=generator) < 0.85
    covered = 0
    for successes in draws.sum(dim=1).tolist():
        low, high = wilson_interval(successes, 60)
        covered += low <= 0.85 <= high
    assert 0.93 < covered / 4000 < 0.975


@pytest.mark.parametrize(("successes", "trials"), [(3, 2), (0, 0), (-1, 4)])
def test_an_impossible_share_is_refused(successes, trials):
    with pytest.raises(ValueError, match="expected at least one trial"):
        wilson_interval(successes, trials)


def test_ties_count_one_half():
    share = win_rate([2.0, 1.0, 1.0, 0.0], [1.0, 1.0, 2.0, -1.0])
    assert share == Share(2.5, 4)


def test_minimal_pairs_show_what_is_known(parrot, tokenizer):
    pairs = [
        SimpleNamespace(phenomenon="verb", good="the cat sits", bad="the cat runs"),
        SimpleNamespace(phenomenon="verb", good="a dog runs", bad="a dog sits"),
        SimpleNamespace(phenomenon="wrong", good="the cat runs", bad="the cat sits"),
    ]
    assert minimal_pairs(parrot, tokenizer, pairs) == {
        "verb": Share(2, 2),
        "wrong": Share(0, 1),
    }


def test_completions_choose_the_ending_that_was_read(parrot, tokenizer):
    probes = [
        SimpleNamespace(
            kind="fact", prefix="the cat", answer=" sits", distractors=(" runs", " is")
        ),
        SimpleNamespace(
            kind="false", prefix="the cat", answer=" runs", distractors=(" sits",)
        ),
    ]
    assert completions(parrot, tokenizer, probes) == {
        "fact": Share(1, 1),
        "false": Share(0, 1),
    }


def test_a_model_that_knows_nothing_is_right_by_chance(tokenizer):
    model = GPT(CONFIG)
    model.logits = lambda hidden: torch.zeros(*hidden.shape[:-1], 264)
    four = SimpleNamespace(kind="four", prefix="y", answer="a", distractors="bcd")
    share = completions(model, tokenizer, 8 * [four])["four"]
    assert share.rate == pytest.approx(1 / 4)
    pair = SimpleNamespace(phenomenon="order", good="qx", bad="xq")
    assert minimal_pairs(model, tokenizer, [pair])["order"].rate == 1 / 2


def test_a_long_ending_is_no_worse_for_its_length(tokenizer):
    model = GPT(CONFIG)
    (likely,), (less_likely,) = tokenizer.encode("x"), tokenizer.encode("z")
    scores = torch.zeros(264)
    scores[likely], scores[less_likely] = 5.0, 4.0
    model.logits = lambda hidden: scores.repeat(*hidden.shape[:-1], 1)
    probe = SimpleNamespace(kind="long", prefix="y", answer="xxxx", distractors=("z",))
    assert completions(model, tokenizer, [probe]) == {"long": Share(1, 1)}


def test_every_score_of_an_answer_is_kept_and_whether_it_ended(parrot, tokenizer):
    examples = [
        SimpleNamespace(earlier=(), task="echo", population="echo", prompt=prompt)
        for prompt in ("the", "a dog")
    ]
    asked = (parrot, tokenizer, examples, lambda example, text: {"long": len(text)})
    scores = answers_scored(*asked, max_new_tokens=4)["echo"]
    assert set(scores) == {"long", "ended"} and len(scores["ended"]) == 2
    assert all(length > 0 for length in scores["long"])
    assert scores["ended"] == [0.0, 0.0], "a parrot never ends"


def test_answers_are_scored_by_task_and_by_what_the_prompt_tests(parrot, tokenizer):
    examples = [
        SimpleNamespace(earlier=(), task=task, population=population, prompt=prompt)
        for task, population, prompt in (
            ("echo", "echo", "the"),
            ("long", "long, new", "a dog"),
            ("long", "long, old", "a dog"),
        )
    ]

    def score(example, text):
        return {"right": float(example.task == "echo")}

    shares = answers_right(parrot, tokenizer, examples, score, max_new_tokens=4)
    assert shares == {
        "echo": Share(1.0, 1),
        "long": Share(0.0, 2),
        "long, new": Share(0.0, 1),
        "long, old": Share(0.0, 1),
    }


@pytest.mark.parametrize(
    "better, worse, p",
    [(0, 0, 1.0), (1, 0, 1.0), (5, 0, 2 / 32), (6, 0, 2 / 64), (7, 1, 18 / 256)],
)
def test_a_change_is_judged_by_the_prompts_that_changed(better, worse, p):
    before = [False] * better + [True] * worse + [True, False] * 50
    after = [True] * better + [False] * worse + [True, False] * 50
    assert sign_test(before, after) == sign_test(after, before) == p


def test_chance_changes_as_much_one_time_in_twenty_at_most():
    """By enumeration: all ways in which 12 prompts can turn, equally likely."""
    small = sum(
        sign_test([turn == 0 for turn in turns], [turn == 1 for turn in turns]) < 0.05
        for turns in itertools.product((0, 1), repeat=12)
    )
    assert 0.01 < small / 2**12 <= 0.05


def test_what_length_explains_given_the_truth_is_what_least_squares_adds():
    """Against two regressions by the normal equations, without and with the cause."""
    draw = np.random.default_rng(0)
    truth, other, noise = draw.normal(size=(3, 60))
    length = 3 * truth + draw.normal(size=60)  # long *because* it is good
    reward = 2 * truth + other + 0.1 * noise

    def unexplained(*causes):
        x = np.stack(causes, axis=1)
        left = reward - x @ np.linalg.solve(x.T @ x, x.T @ reward)
        return (left**2).sum()

    alone = 1 - unexplained(length) / (reward**2).sum()
    assert explained_share(reward, length) == pytest.approx(alone, abs=1e-12)
    for given in ([truth], [truth, other], [truth, other, np.zeros(60)]):
        added = 1 - unexplained(*given[:2], length) / unexplained(*given[:2])
        assert explained_share(reward, length, given) == pytest.approx(added, abs=1e-9)
    # Alone, length seems to be half of the reward; given the truth, it is nothing.
    assert alone > 0.5 and added < 0.05
