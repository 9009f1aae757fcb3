import hashlib
import json
import mmap
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial

import pytest

import llmlab.life as life_module
from llmlab.checkpoints import read_card, weights_hash
from llmlab.life import RECIPES, STAGES, Life
from llmlab.paths import CHECKPOINTS
from llmlab.progress import SilentProgress
from llmlab.tour import peak_memory, run_stage, samples, ship
from llmlab.training import Interrupted

COMMAND = [sys.executable, "-m", "llmlab", "tour", "--scale", "tiny", "--out"]


def tour(folder, **options):
    return subprocess.run(
        [*COMMAND, folder], capture_output=True, text=True, timeout=300, **options
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A tiny tour that nobody disturbed."""
    folder = tmp_path_factory.mktemp("tour")
    finished = tour(folder)
    assert finished.returncode == 0, finished.stderr
    return Life(folder, recipe=RECIPES["tiny"])


def hashes(life):
    return {stage: weights_hash(life.load(stage)) for stage in STAGES}


def test_the_tour_makes_every_stage_and_a_report(whole):
    report = json.loads((whole.folder / "report.json").read_text())
    assert [stage["name"] for stage in report["stages"]] == list(STAGES)
    for name in (
        "base_excess_nats",
        "translate_right",
        "support_right",
        "reward_agreement_tellings",
        "reward_ceiling_own",
        "ppo_win_rate",
        "ppo_win_rate_low",
        "ppo_kl",
        "ppo_kl_cool",
        "seconds",
        "peak_memory_bytes",
    ):
        assert report["metrics"][name] is not None
    assert [*report["strips"]] == ["instruct", "ppo"]
    assert {len(stories) for stories in report["strips"].values()} == {20}
    page = (whole.folder / "report.html").read_text()
    assert "How can I reset my password?" in page
    assert not list(whole.folder.glob("*.state"))  # nothing is left behind


def test_every_prompt_is_answered_with_dice_of_its_own(whole, monkeypatch):
    """With the same dice for every prompt, all stories would begin alike."""
    dice = {}

    def respond(life, model, stage, sample, generator):
        dice.setdefault(stage, []).append(generator.initial_seed())
        return "said"

    monkeypatch.setattr("llmlab.tour._respond", respond)
    asked = samples(whole)
    assert [sample["task"] for sample in asked].count("story") == 3
    assert all(len(set(seeds)) == len(asked) for seeds in dice.values())
    assert len({tuple(seeds) for seeds in dice.values()}) == 1  # the stages, the same


def test_every_card_names_the_parent_whose_weights_it_began_from(whole):
    made = hashes(whole)
    for name, stage in STAGES.items():
        card = read_card(whole.checkpoint(name))
        assert card.parent == stage.parent
        assert card.parent_hash == made.get(stage.parent, "")
        assert card.tokenizer == whole.tokenizer.fingerprint()


def test_training_changes_every_stage(whole):
    made = hashes(whole)
    assert len(set(made.values())) == len(STAGES)


def test_a_tour_killed_again_and_again_ends_with_the_same_bits(whole, tmp_path):
    chance = random.Random(0)
    kills = 0
    while kills < 5:
        running = subprocess.Popen(
            [*COMMAND, tmp_path], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        time.sleep(chance.uniform(2.5, 5))
        if running.poll() is not None:
            break
        os.kill(running.pid, signal.SIGKILL)
        running.communicate()
        kills += 1
    assert kills > 0
    finished = tour(tmp_path)
    assert finished.returncode == 0, finished.stderr
    assert hashes(Life(tmp_path, recipe=RECIPES["tiny"])) == hashes(whole)


class TenSecondsAStep(SilentProgress):
    """Moves a clock that stands still otherwise, and interrupts after one step."""

    def __init__(self, interrupt_at=None):
        self.interrupt_at, self.now, self.seen = interrupt_at, 0.0, []

    def update(self, step, metrics, seconds):
        self.now += 10
        self.seen.append(step)
        if step == self.interrupt_at:
            os.kill(os.getpid(), signal.SIGINT)


def test_an_interrupted_stage_goes_on_and_counts_all_its_seconds(
    whole, tmp_path, monkeypatch
):
    shutil.copy(whole.folder / "tokenizer.json", tmp_path)
    life = Life(tmp_path, recipe=whole.recipe, progress=TenSecondsAStep(5))
    monkeypatch.setattr(time, "perf_counter", lambda: life.progress.now)
    with pytest.raises(Interrupted, match="base stopped after step 6 of 8"):
        run_stage(life, "base", STAGES["base"])
    assert life.progress.seen == [0, 1, 2, 3, 4, 5] and life.run_state("base").exists()
    life.progress = TenSecondsAStep()
    record = run_stage(life, "base", STAGES["base"])
    assert life.progress.seen == [6, 7] and not life.run_state("base").exists()
    assert [m["step"] for m in record["history"]] == list(range(8))
    assert record["seconds"] >= record["training_seconds"] == 60
    assert record["hash"] == weights_hash(whole.load("base"))


def test_a_finished_tour_is_not_trained_again(whole):
    before = {path.name: path.stat().st_mtime_ns for path in whole.folder.iterdir()}
    again = tour(whole.folder)
    assert again.stdout.count("done before") == len(STAGES)
    for name in (f"{stage}.safetensors" for stage in STAGES):
        assert (whole.folder / name).stat().st_mtime_ns == before[name]


def test_a_folder_of_another_tour_is_refused(whole):
    refused = subprocess.run(
        [*COMMAND, whole.folder, "--seed", "1"], capture_output=True, text=True
    )
    assert refused.returncode == 2
    assert "holds a tour with other settings" in refused.stderr


def test_a_checkpoint_of_another_tokenizer_is_refused(whole, tmp_path):
    for name in ("base.safetensors", "tokenizer.json"):
        (tmp_path / name).write_bytes((whole.folder / name).read_bytes())
    tokenizer = json.loads((tmp_path / "tokenizer.json").read_text())
    tokenizer["merges"] = tokenizer["merges"][:-1]
    (tmp_path / "tokenizer.json").write_text(json.dumps(tokenizer))
    with pytest.raises(ValueError):
        Life(tmp_path, recipe=RECIPES["tiny"]).load("base")


def test_a_stage_of_other_settings_is_made_anew_and_so_is_what_stands_on_it(
    whole, tmp_path, capsys
):
    shutil.copytree(whole.folder, tmp_path, dirs_exist_ok=True)
    slower = replace(whole.recipe.reward, other_rate=0.0001)
    life = Life(tmp_path, recipe=replace(whole.recipe, reward=slower))
    before = hashes(life)
    for name in ("base", "instruct", "reward"):
        run_stage(life, name, STAGES[name])
    said = capsys.readouterr().out
    assert said.count("done before") == 2 and said.count("made anew") == 1
    changed = [
        name
        for name in ("masked", "base", "instruct", "reward")
        if weights_hash(life.load(name)) != before[name]
    ]
    assert changed == ["reward"]
    assert life.card("reward").settings["reward"]["other_rate"] == 0.0001
    # Who was taught by the old reward model is gone, until it is taught by the new.
    assert not life.checkpoint("ppo").exists()
    assert not (tmp_path / "ppo.json").exists()
    assert not list(tmp_path.glob("report.*"))
    assert (tmp_path / "instruct.json").exists()
    shutil.copy(whole.checkpoint("ppo"), life.checkpoint("ppo"))
    # Another parent is another stage, too, though its own settings are the same.
    shutil.copy(life.checkpoint("ppo"), life.checkpoint("instruct"))
    run_stage(life, "reward", STAGES["reward"])
    assert "made anew" in capsys.readouterr().out


def test_a_state_of_other_settings_is_refused(whole, tmp_path):
    """A run that was begun with one rate does not go on with another."""
    shutil.copy(whole.folder / "tokenizer.json", tmp_path)
    life = Life(tmp_path, recipe=whole.recipe, progress=TenSecondsAStep(2))
    with pytest.raises(Interrupted):
        STAGES["base"].train(life)
    changed = replace(whole.recipe.base, other_rate=0.002)
    life = Life(tmp_path, recipe=replace(whole.recipe, base=changed))
    with pytest.raises(ValueError, match="another run|other settings"):
        STAGES["base"].train(life)


def test_a_state_that_began_from_other_weights_is_refused(whole, tmp_path):
    """Its settings are the same, but its parent was made anew."""
    for name in ("tokenizer.json", "base.safetensors"):
        shutil.copy(whole.folder / name, tmp_path)
    life = Life(tmp_path, recipe=whole.recipe, progress=TenSecondsAStep(2))
    with pytest.raises(Interrupted):
        STAGES["instruct"].train(life)
    shutil.copy(whole.checkpoint("ppo"), life.checkpoint("base"))
    with pytest.raises(ValueError, match="begins from differ"):
        STAGES["instruct"].train(life)


def test_the_course_opens_your_own_life_when_it_is_whole(whole, tmp_path, monkeypatch):
    monkeypatch.setattr(life_module, "RUNS", tmp_path)
    assert life_module.course().folder == CHECKPOINTS
    shutil.copytree(whole.folder, tmp_path / "tour")
    assert life_module.course().folder == CHECKPOINTS  # it is of the tiny scale
    tiny = partial(Life, recipe=whole.recipe)
    monkeypatch.setattr(life_module, "Life", tiny)
    assert life_module.course().folder == tmp_path / "tour"
    for part in ("report.json", "ppo.safetensors"):  # it stopped before its end
        content = (tmp_path / "tour" / part).read_bytes()
        (tmp_path / "tour" / part).unlink()
        assert life_module.course().folder == CHECKPOINTS
        (tmp_path / "tour" / part).write_bytes(content)


def test_what_is_shipped_is_what_was_made(whole, tmp_path):
    ship(whole, tmp_path)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    for stage in STAGES:
        name = f"{stage}.safetensors"
        data = (tmp_path / name).read_bytes()
        assert data == (whole.folder / name).read_bytes()
        assert manifest[name]["sha256"] == hashlib.sha256(data).hexdigest()
    assert (tmp_path / "life.png").stat().st_size > 5000


def test_peak_memory_sees_what_was_held_for_a_moment():
    with peak_memory(seconds_between=0.01) as memory:
        before = memory["bytes"]
        # From the system: what training has freed before would not show.
        with mmap.mmap(-1, 200_000_000) as held:
            for page in range(0, len(held), 4096):
                held[page] = 1
            time.sleep(0.1)
    assert memory["bytes"] - before > 150_000_000
