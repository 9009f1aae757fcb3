import errno
import json
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn

import llmlab.files
from llmlab.checkpoints import (
    Card,
    load_checkpoint,
    load_run_state,
    read_card,
    run_history,
    save_checkpoint,
    save_run_state,
    weights_hash,
)
from llmlab.files import write_atomically
from llmlab.gpt import GPT, GPTConfig

CONFIG = GPTConfig(vocab_size=300, context=32, layers=2, heads=2, width=16)
CARD = Card(stage="base", seed=3, tokens=12, metrics={"loss": 1.5})


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "base.safetensors"
    save_checkpoint(path, GPT(CONFIG, seed=3), CARD)
    return path


def test_a_checkpoint_comes_back_with_its_card(saved):
    model, card = load_checkpoint(saved)
    assert card == CARD == read_card(saved)
    assert model.config == CONFIG
    expected = GPT(CONFIG, seed=3).embedding.weight.half().float()
    assert torch.equal(model.embedding.weight, expected)


def test_a_card_may_hold_numbers_of_other_libraries(tmp_path):
    card = Card("base", steps=np.int64(3), metrics={"loss": torch.tensor(1.5)})
    save_checkpoint(tmp_path / "model.safetensors", GPT(CONFIG), card)
    read = read_card(tmp_path / "model.safetensors")
    assert (read.steps, read.metrics) == (3, {"loss": 1.5})


def test_memory_and_file_hold_the_same_bits(tmp_path):
    model = GPT(CONFIG)
    save_checkpoint(tmp_path / "model.safetensors", model, CARD)
    loaded, _ = load_checkpoint(tmp_path / "model.safetensors")
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, loaded.get_parameter(name))


def test_the_hash_is_of_the_weights(saved):
    model, _ = load_checkpoint(saved)
    assert weights_hash(model) == weights_hash(GPT(CONFIG, seed=3))
    with torch.no_grad():
        model.embedding.weight[0, 0] += 1
    assert weights_hash(model) != weights_hash(GPT(CONFIG, seed=3))


def test_a_missing_checkpoint_says_how_to_make_it(tmp_path):
    with pytest.raises(FileNotFoundError, match="python -m llmlab tour"):
        load_checkpoint(tmp_path / "none.safetensors")


@pytest.mark.parametrize("length", [0, 5, 100, -1])
def test_a_truncated_checkpoint_is_named(saved, length):
    saved.write_bytes(saved.read_bytes()[:length])
    with pytest.raises(ValueError, match="damaged .* cut short"):
        load_checkpoint(saved)


def test_a_pickle_is_never_opened(tmp_path):
    ran = tmp_path / "ran"

    class Trap:
        def __reduce__(self):
            return Path.touch, (ran,)

    for name, write in {
        "raw": lambda path: path.write_bytes(pickle.dumps(Trap())),
        "torch": lambda path: torch.save(Trap(), path),
    }.items():
        write(tmp_path / name)
        with pytest.raises(ValueError, match="is a pickle"):
            load_checkpoint(tmp_path / name)
    assert not ran.exists()


def test_a_header_of_any_length_is_not_taken_for_a_pickle(tmp_path):
    lengths = set()
    for extra in range(0, 256, 4):  # the first byte is the header's length, modulo 256
        path = tmp_path / f"{extra}.safetensors"
        card = Card(stage="base", data="x" * extra)
        save_checkpoint(path, GPT(CONFIG), card)
        assert load_checkpoint(path)[1] == card
        lengths.add(path.read_bytes()[0])
    assert 0x80 in lengths  # the byte that a pickle begins with


def test_a_checkpoint_of_another_shape_is_named(saved):
    wider = GPTConfig(vocab_size=300, context=32, layers=2, heads=2, width=32)
    with pytest.raises(ValueError, match=r"blocks.0.attention.output.weight is \(16"):
        load_checkpoint(saved, build=lambda config: GPT(wider))


def test_tensors_without_a_card_are_named(tmp_path):
    save_file({"a": torch.zeros(2)}, tmp_path / "bare.safetensors")
    with pytest.raises(ValueError, match="no model card"):
        load_checkpoint(tmp_path / "bare.safetensors")


def rewrite(path, **changes):
    """Change parts of a checkpoint's metadata."""
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    save_file(load_file(path), path, metadata | changes)


def test_a_configuration_with_an_unknown_field_is_named(saved):
    rewrite(saved, config=json.dumps({**CONFIG.__dict__, "rooms": 3}))
    with pytest.raises(ValueError, match="model configuration .*rooms") as caught:
        load_checkpoint(saved)
    assert str(saved) in str(caught.value)


@pytest.mark.parametrize("card", ["{stage: base", "[]", "{}"])
@pytest.mark.parametrize("read", [load_checkpoint, read_card])
def test_a_card_that_cannot_be_read_is_named(saved, read, card):
    rewrite(saved, card=card)
    with pytest.raises(ValueError, match="model card that cannot be read") as caught:
        read(saved)
    assert str(saved) in str(caught.value)


def test_a_full_disk_loses_nothing(saved, monkeypatch):
    before = saved.read_bytes()

    def no_space(handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(llmlab.files.os, "fsync", no_space)
    with pytest.raises(OSError, match="what was there before is unchanged"):
        save_checkpoint(saved, GPT(CONFIG, seed=9), CARD)
    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]  # no half-written file remains


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("a file where a folder should be")
    with pytest.raises(OSError, match="choose a folder that can be written"):
        write_atomically(tmp_path / "file" / "model", b"weights")


def test_a_state_of_another_shape_is_refused_and_nothing_is_changed(tmp_path):
    path = tmp_path / "state"
    saved = {"first": nn.Linear(2, 2), "second": nn.Linear(2, 2)}
    save_run_state(path, saved, {}, {}, [])
    target = nn.Linear(2, 2)
    before = target.weight.detach().clone()
    with pytest.raises(ValueError, match="holds 'second' in another shape"):
        load_run_state(path, {"first": target, "second": nn.Linear(3, 2)}, {}, {})
    assert torch.equal(target.weight, before)


def test_a_state_brings_back_modules_optimisers_and_history_to_the_bit(tmp_path):
    def new():
        module = nn.Linear(3, 2)
        return module, torch.optim.AdamW(module.parameters(), fused=True)

    def learn(module, optimizer):
        optimizer.zero_grad()
        module(torch.ones(1, 3)).square().sum().backward()
        optimizer.step()

    (module, optimizer), (again, other) = new(), new()
    learn(module, optimizer)
    path, history = tmp_path / "state", [{"step": 0, "loss": 0.1 + 0.2}]
    save_run_state(path, {"m": module}, {"o": optimizer}, {"seed": 1}, history)
    assert load_run_state(path, {"m": again}, {"o": other}, {"seed": 1}) == history
    learn(module, optimizer)
    learn(again, other)
    for kept, found in zip(module.parameters(), again.parameters(), strict=True):
        assert torch.equal(kept, found)
    assert run_history(path) == history and run_history(tmp_path / "none") == []


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere"
)
def test_a_read_only_folder_is_named(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(OSError, match="choose a folder that can be written"):
        write_atomically(tmp_path / "model", b"weights")
