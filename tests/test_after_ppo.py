"""The race of what came after PPO: equal stories, kept run by run."""

import copy
import json
import math
from dataclasses import replace

import pytest
import torch

from benchmarks import after_ppo as race
from benchmarks.after_ppo import METHODS, Clock, Tuning, after_ppo, labelled_pairs
from llmlab.batching import next_token_batch
from llmlab.life import RECIPES, Life, course
from llmlab.reward import RewardModel
from llmlab.rollouts import Rollout


def stories_of(settings):
    rounds = settings.rounds if isinstance(settings, Tuning) else settings.steps
    return rounds * settings.responses


def test_every_method_may_draw_equally_many_stories():
    assert len({stories_of(settings) for settings in METHODS.values()}) == 1
    assert all(each.responses % each.group == 0 for each in METHODS.values())


def shortened(settings):
    if isinstance(settings, Tuning):
        return replace(settings, responses=8, group=2, passes=1, each=2)
    return replace(settings, steps=3, responses=8, max_new_tokens=16)


@pytest.fixture
def small(tmp_path, monkeypatch):
    life = Life(tmp_path / "life", recipe=RECIPES["tiny"])
    life.folder.mkdir()
    course().tokenizer.save(life.folder / "tokenizer.json")
    instruct = life.new_model()
    models = {"instruct": instruct, "reward": RewardModel(instruct)}
    monkeypatch.setattr(Life, "load", lambda life, stage: copy.deepcopy(models[stage]))
    return life


def test_a_race_is_run_once_and_then_read(small, tmp_path, monkeypatch):
    methods = {name: shortened(settings) for name, settings in METHODS.items()}
    how = dict(path=tmp_path / "race.json", life=small, methods=methods, seeds=(0,))
    rows = list(after_ppo(**how))
    assert [row.what.partition(":")[0] for row in rows] == list(METHODS)
    stored = json.loads(how["path"].read_text("utf-8"))
    for run in stored.values():
        assert run["path"][0]["kl"] == 0 and run["path"][0]["seconds"] == 0
        assert len(run["path"]) >= race.LOOKS, "a look at the beginning, and thirds"
        assert run["path"][-1]["seconds"] == pytest.approx(
            sum(run["seconds"].values()), abs=0.01
        ), "the last look is at the end"
        assert all(run["seconds"][part] > 0 for part in race.PARTS)
        assert 0 <= run["end"]["low"] <= run["end"]["win_rate"] <= run["end"]["high"]
    monkeypatch.setattr(race, "run", lambda *_, **__: 1 / 0)
    assert list(after_ppo(**how)) == rows, "what is kept is not done again"


def test_a_clock_gives_each_part_its_own_seconds(monkeypatch):
    now = iter([0.0, 5.0, 7.0, 10.0, 90.0, 91.0])
    monkeypatch.setattr(race.time, "process_time", lambda: next(now))
    clock = Clock()
    scores = clock.around(lambda prompts, responses: torch.zeros(1))
    clock.turn("rollout")
    scores([[1]], [[2]])  # from 5 to 7
    clock.turn()  # at 10
    clock.turn("rollout")  # nothing between is anybody's
    clock.turn()
    assert clock.seconds == {"rollout": 6.0, "score": 2.0, "learn": 3.0}


def test_pairs_are_won_as_often_as_a_crowd_that_likes_what_is_paid_would_say():
    prompts, responses = (
        [[1, 4]] * 2 + [[1, 5]] * 2,
        [[7, 2], [8, 8, 2], [9, 2], [6, 2]],
    )
    texts = [prompt + said for prompt, said in zip(prompts, responses, strict=True)]
    batch = next_token_batch(texts, [[True] * len(text) for text in texts])
    rollout = Rollout(prompts, responses, batch, torch.ones(4, dtype=torch.bool))
    first, second = labelled_pairs(rollout, torch.tensor([[0.0, 2.0], [1.0, 1.0]]))
    assert first.winner == [1, 4, 8, 8, 2] and first.loser == [1, 4, 7, 2]
    assert first.response_start == second.response_start == 2
    assert first.share == pytest.approx(1 / (1 + math.exp(-2.0)))
    assert second.share == 0.5, "equally good: a tie"
