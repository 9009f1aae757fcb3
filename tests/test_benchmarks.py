"""The benchmarks are fair, say what they find, and run through at a tiny size."""

import copy
import json
import math
from dataclasses import replace

import pytest
import torch

from benchmarks import __main__ as command
from benchmarks import details, recipe, seeds, speed, tastes
from benchmarks.timing import Measured, race, ratios
from llmlab.batching import next_token_batch
from llmlab.checkpoints import weights_hash
from llmlab.gpt import GPT, GPTConfig
from llmlab.life import RECIPES, Life, course
from llmlab.ppo import PPO
from llmlab.reward import RewardModel


def test_contestants_take_turns_and_the_first_round_is_not_counted():
    order = []
    seconds = race({name: lambda n=name: order.append(n) for name in "ab"}, rounds=2)
    assert order == list("ababab")
    assert {name: len(values) for name, values in seconds.items()} == {"a": 2, "b": 2}


def test_a_ratio_is_taken_round_by_round():
    # The machine was twice as slow in the second round; the ratio does not see it.
    assert ratios([3.0, 6.0], [1.0, 2.0]) == [3.0, 3.0]


@pytest.mark.parametrize(
    ("bars", "verdict"),
    [
        ({}, ""),
        ({"at_least": 2.0}, "at least 2.00: met"),
        ({"at_least": 2.1}, "at least 2.10: MISSED"),
        ({"at_most": 2.0}, "at most 2.00: met"),
        ({"at_most": 1.9}, "at most 1.90: MISSED"),
    ],
)
def test_the_median_is_held_to_its_bar(bars, verdict):
    row = Measured("a thing", [1.0, 2.0, 3.0, 9.0, 1.5], **bars)
    assert row.median == 2.0 and row.middle_half() == (1.5, 3.0)
    assert row.verdict() == verdict
    assert "2.00  (1.50 to 3.00)" in str(row) and str(row).endswith(verdict or ")")


def test_one_round_has_no_spread():
    assert Measured("a thing", [2.0]).middle_half() == (2.0, 2.0)


def test_gpt2_has_our_size_and_its_own_architecture():
    config = GPTConfig()
    theirs = speed.gpt2_of_the_same_size(config)
    ours = GPT(
        GPTConfig.gpt2(
            vocab_size=config.vocab_size,
            context=config.context,
            layers=config.layers,
            heads=config.heads,
            width=config.width,
        )
    )
    count = sum(parameter.numel() for parameter in theirs.parameters())
    assert count == ours.number_of_parameters()


def test_the_cosine_warms_up_and_falls_to_zero():
    rates = [recipe.cosine(step, 100) for step in range(101)]
    assert rates[0] == pytest.approx(1 / 3) and rates[2] == 1.0
    assert rates[2:] == sorted(rates[2:], reverse=True)
    assert rates[51] == pytest.approx(0.5)
    assert rates[100] == pytest.approx(0, abs=1e-12)


def outcome(losses, gpt2=2.0):
    """What a race came to, with one loss for each share of the budget."""
    runs = {
        f"{share:g}": {"loss": loss, "tokens": share * 1000, "seconds": share * 12}
        for share, loss in losses.items()
    }
    return runs | {"gpt2": {"loss": gpt2, "tokens": 1000, "seconds": 10.0}}


def test_the_smallest_share_that_reached_the_loss_at_every_seed_counts():
    races = [
        outcome({0.5: 1.8, 0.35: 1.9, 0.25: 1.99}),
        outcome({0.5: 1.8, 0.35: 2.0, 0.25: 2.01}),
    ]
    rows = list(recipe.report(races, (0.5, 0.35, 0.25)))
    tokens, seconds = rows[-2:]
    assert tokens.what.startswith("tokens") and tokens.median == pytest.approx(0.35)
    assert seconds.median == pytest.approx(0.42) and "met" in seconds.verdict()


def test_a_loss_that_was_not_reached_is_said(capsys):
    rows = list(recipe.report([outcome({0.5: 2.01})], (0.5,)))
    assert len(rows) == 1 and rows[0].median == pytest.approx(0.01)
    assert "no share of the budget was enough" in capsys.readouterr().out


# At a tiny size -----------------------------------------------------------------------


@pytest.fixture
def tiny(monkeypatch):
    full = RECIPES["full"]
    smaller = replace(
        full,
        shared=replace(full.shared, layers=1, width=16, documents=60),
        base=replace(full.base, tokens_per_batch=256),
    )
    monkeypatch.setitem(RECIPES, "full", smaller)
    monkeypatch.setattr(speed, "TOKENS_A_ROUND", 4096)
    monkeypatch.setattr(speed, "MATRIX", 64)
    monkeypatch.setattr(recipe, "VALIDATION_DOCUMENTS", 4)


def test_every_speed_is_measured(tiny, capsys, monkeypatch):
    monkeypatch.setattr(speed, "multiplies_bfloat16", lambda: True)
    assert command.main(["--rounds", "1", "--megabytes", "0.01"]) == 0
    printed = capsys.readouterr().out
    for row in (
        "training, 1024 tokens an update / matrix products",
        "training, 4096 tokens an update / transformers' GPT-2",
        "training, 1024 tokens an update, bfloat16 / float32",
        "sampling, batch 1, drawn / transformers' generate",
        "sampling, batch 64, greedy / transformers' generate",
        "tokenizer: seconds to train on 0.01 MB",
        "tokenizer: MB/s encoded",
    ):
        assert row in printed


def test_bfloat16_is_left_out_where_it_would_be_slow(tiny, capsys, monkeypatch):
    monkeypatch.setattr(speed, "multiplies_bfloat16", lambda: False)
    rows = [row.what for row in speed.training_at(1024, 1)]
    assert len(rows) == 2 and not any("bfloat16" in row for row in rows)
    assert "no instructions for it" in capsys.readouterr().out


def test_the_recipe_is_raced_once_and_remembered(tiny, tmp_path, capsys, monkeypatch):
    settings = dict(steps=20, rates=(0.002, 0.004), seeds=(0, 1), shares=(0.5,))
    first = list(recipe.recipe(**settings, folder=tmp_path))
    assert "20 of 20 turns" in capsys.readouterr().out
    assert all(math.isfinite(value) for row in first for value in row.values)
    monkeypatch.setattr(recipe, "run_in_turns", lambda *_: 1 / 0)
    assert list(recipe.recipe(**settings, folder=tmp_path)) == first


def test_later_stages_are_told_seed_by_seed(tmp_path, monkeypatch):
    begun = []

    def run_stage(life, name, stage):
        begun.append((life.seed, name, weights_hash(life.load("base"))))
        right = {"instruct": {"ended": 1.0 - life.seed / 100}}.get(name, {})
        size = {"seconds": 1, "peak_memory_bytes": 1}
        return {"name": name, "metrics": right, **size}

    monkeypatch.setattr(seeds, "run_stage", run_stage)
    head, _, *rows = seeds.seeds([1, 2], folder=tmp_path)
    assert head == "| what | seed 1 | seed 2 | wanted |"
    [ended] = [row for row in rows if "end by themselves" in row]
    assert ended.endswith(" | 99.0% | 98.0% | at least 99% |")
    assert not any("whole life" in row for row in rows)
    assert [name for seed, name, _ in begun if seed == 2] == [*seeds.LATER]
    assert {base for *_, base in begun} == {weights_hash(course().load("base"))}


def test_some_stages_of_a_seed_go_on_from_what_it_learned_itself(tmp_path, monkeypatch):
    monkeypatch.setattr(seeds, "bars", lambda _: [])
    size = {"metrics": {}, "seconds": 1, "peak_memory_bytes": 1}
    monkeypatch.setattr(seeds, "run_stage", lambda life, name, _: {"name": name} | size)
    last = dict(stages=("reward", "ppo"), folder=tmp_path)
    list(seeds.seeds([1], **last))
    own, shipped = (
        life.checkpoint("instruct") for life in (Life(tmp_path / "1"), course())
    )
    assert own.read_bytes() == shipped.read_bytes()
    assert not Life(tmp_path / "1").checkpoint("reward").exists()
    own.write_bytes(b"tuned for ten minutes")
    list(seeds.seeds([1], **last))
    assert own.read_bytes() == b"tuned for ten minutes"


FOUND = {
    "ties": 25,
    "agreement": [13, 15],
    "liked": [0.2, 0.5],
    "gold": [3.0, 3.1],
    "blind": [16.5, 20],
    "kl": 4.0,
    "seconds": 30.0,
    "processor": 45.0,
}


def test_a_reader_is_held_to_the_bars():
    rows = list(tastes.rows("dialogue", FOUND))
    assert [row.median for row in rows] == pytest.approx([13 / 15, 2.5, 0.825, 30])
    assert all(row.verdict().endswith("met") for row in rows)
    shorter = FOUND | {"liked": [-90.0, -63.0], "agreement": [11, 15]}
    agreement, words, *_ = tastes.rows("short", shorter)
    assert words.median == pytest.approx(0.7) and words.verdict().endswith("met")
    assert agreement.verdict() == "at least 0.70: met"


def test_figures_are_kept_of_all_readers_on_test_prompts_only(tmp_path, monkeypatch):
    monkeypatch.setattr(tastes.Bench, "__init__", lambda bench, *_: None)
    monkeypatch.setattr(tastes.Bench, "instruct", GPT(GPTConfig(50)), raising=False)
    monkeypatch.setattr(tastes.Bench, "reader", lambda bench, name: FOUND)
    kept = tmp_path / "tastes.json"
    for names, split in ((["short"], "test"), ([*tastes.READERS], "validation")):
        assert len(list(tastes.tastes(names, split, life=object(), kept=kept))) >= 4
        assert not kept.exists()
    list(tastes.tastes(life=object(), kept=kept))
    told = json.loads(kept.read_text("utf-8"))
    assert told["instruct"] == weights_hash(tastes.Bench.instruct)
    assert told["readers"] == dict.fromkeys(tastes.READERS, FOUND)


def test_one_reader_from_clicks_to_the_blind_test():
    """On the course's instruct model, at a size at which it learns nothing."""
    steering = replace(tastes.STEERING, steps=1, responses=4, max_new_tokens=40)
    sizes = tastes.Sizes(pool=40, new=2, practice=4, steering=steering)
    found = tastes.Bench(course(), "validation", sizes).reader("short")
    assert found["blind"][1] == 2 and found["agreement"][1] <= 2
    assert found["liked"][0] < -40 and found["kl"] >= 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--rounds", "0"], "--rounds is 0"),
        (["--megabytes", "0"], "--megabytes is 0"),
        (["recipe", "--steps", "5"], "give at least 20"),
        (["recipe", "--shares", "1.5"], "--shares must lie"),
        (["tastes", "--split", "train"], "invalid choice: 'train'"),
        (["everything"], "'everything' is no part"),
    ],
)
def test_an_impossible_wish_is_named(words, message, capsys):
    with pytest.raises(SystemExit):
        command.main(words)
    assert message in capsys.readouterr().err


def test_one_detail_is_left_out_at_a_time_and_kept(tmp_path, monkeypatch):
    small = Life(tmp_path / "life", recipe=RECIPES["tiny"])
    small.folder.mkdir()
    course().tokenizer.save(small.folder / "tokenizer.json")
    instruct = small.new_model()
    models = {"instruct": instruct, "reward": RewardModel(instruct)}
    monkeypatch.setattr(Life, "load", lambda life, stage: copy.deepcopy(models[stage]))
    short = replace(small.recipe.ppo, responses=4, minibatches=2, warm_up=1)
    how = dict(path=tmp_path / "details.json", life=small, short=short, moves=2)
    lost = {"change_talk": -0.1}
    monkeypatch.setattr(details, "measure_other_tasks", lambda *models: lost)
    names = ("PPO", "no critic", "cold critic", "no clip", details.LONG)
    rows = list(details.details(names, **how))
    assert {row.what for row in rows} == {f"{n}: gold less PPO's" for n in names[1:-1]}
    stored = json.loads(how["path"].read_text("utf-8"))
    lengths = {name: len(entry["history"]) for name, entry in stored.items()}
    assert lengths.pop("no critic") == lengths.pop("cold critic") == 2
    assert set(lengths.values()) == {3}, "the critic's warm-up comes before the moves"
    assert "explained_variance" not in stored["no critic"]["history"][0]
    assert stored["no clip"]["identity"]["clip"] > 100
    assert stored[details.LONG]["identity"]["steps"] == small.recipe.ppo.steps
    assert stored[details.LONG]["changes"] == {"change_talk": -0.1}
    monkeypatch.setattr(details, "run", lambda *_: 1 / 0)
    assert list(details.details(names, **how)) == rows, "what is kept is not done again"


def test_advantages_that_are_not_whitened_are_returns_less_values():
    settings = replace(PPO, gae_lambda=1.0)
    batch = next_token_batch([[2, 0, 2], [2, 1, 1, 2]])
    rewards = torch.tensor([[0.0, 3.0, 9.0], [1.0, 2.0, 4.0]])
    flat = lambda tokens, segment_ids: torch.full(tokens.shape, 0.5)  # noqa: E731
    advantages, _ = details.Unwhitened(flat, settings, {}).advantages(batch, rewards)
    assert advantages.tolist() == [[2.5, 2.5, 0.0], [6.5, 5.5, 3.5]]
