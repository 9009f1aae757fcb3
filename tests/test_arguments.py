"""What people type is taken as they mean it, or refused before anything is done."""

import os
import subprocess
import sys

import pytest

from llmlab import __main__ as command_line
from llmlab.checkpoints import Card, load_checkpoint, save_checkpoint
from llmlab.gpt import GPT, GPTConfig
from llmlab.paths import ROOT
from llmlab.preferences import LabelStore
from llmlab.tokenizer import Tokenizer


@pytest.fixture
def home(tmp_path, monkeypatch):
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_tilde_is_the_home_folder_also_within_a_word(home):
    words = ["data", "~/village", "--documents=1"]
    assert command_line.main(words) == 0
    assert (home / "village" / "documents.jsonl").exists() and not (home / "~").exists()


def test_a_tilde_in_the_variable_for_runs_is_the_home_folder(home):
    code = "from llmlab.paths import RUNS; print(RUNS)"
    said = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "LLMLAB_RUNS": "~/my runs", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert said.stdout.strip() == str((home / "my runs").resolve())


@pytest.mark.parametrize("seed", ["-1", str(2**63), "1e3", "one"])
@pytest.mark.parametrize("command", ["data", "tour", "train"])
def test_an_impossible_seed_is_refused_before_anything_is_written(
    home, capsys, command, seed
):
    place = ["out"] if command == "data" else ["--out=out"]
    with pytest.raises(SystemExit) as stop:
        command_line.main([command, *place, f"--seed={seed}"])
    assert stop.value.code == 2 and "--seed" in capsys.readouterr().err
    assert not (home / "out").exists()


def test_what_a_learner_saves_in_the_home_folder_is_found_there_again(home):
    tokenizer = Tokenizer.train(["the cat and the hat"], 270)
    tokenizer.save("~/mine/tokenizer.json")
    assert Tokenizer.load("~/mine/tokenizer.json").merges == tokenizer.merges
    model = GPT(GPTConfig(vocab_size=270, layers=1, heads=1, width=8))
    card = Card(stage="base", data="a cat", seed=0, steps=1, tokens=1, seconds=0.0)
    save_checkpoint("~/mine/model.safetensors", model, card)
    assert load_checkpoint("~/mine/model.safetensors")[1] == card
    LabelStore("~/mine/labels.sqlite")
    names = {path.name for path in (home / "mine").iterdir()}
    assert names == {"tokenizer.json", "model.safetensors", "labels.sqlite"}
    assert not (home / "~").exists()
