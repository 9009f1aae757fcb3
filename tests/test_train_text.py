"""The promises of `python -m llmlab train`: exact resume, fair numbers, plain words."""

import argparse
import io
import json
import math
import os
import random
import shlex
import signal
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file

from llmlab import text_corpus, token_files, train_text
from llmlab.__main__ import main
from llmlab.checkpoints import load_checkpoint, weights_hash
from llmlab.gpt import GPT, GPTConfig
from llmlab.gpt2 import END_OF_TEXT, byte_letters, published_name
from llmlab.real_text import Passage, read_text, split_validation
from llmlab.tokenizer import Tokenizer
from llmlab.train_text import Run
from llmlab.training import Interrupted

WORDS = "the lighthouse keeper saw a boat come home before storm and sang".split()


TINY = "--context 80 --layers 1 --width 32 --batch 256 --vocabulary 300".split()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    chooser = random.Random(0)
    folder = tmp_path_factory.mktemp("texts")
    for number in range(12):
        sentences = [" ".join(chooser.choices(WORDS, k=9)) + "." for _ in range(12)]
        (folder / f"{number:02}.txt").write_text("\n\n".join(sentences), "utf-8")
    return folder


def arguments(*words):
    parser = argparse.ArgumentParser()
    train_text.add_arguments(parser)
    return parser.parse_args([*TINY, *map(str, words)])


def run(folder, out, *more):
    words = ["--text", folder, "--out", out, "--steps", 8, *more]
    assert train_text.main(arguments(*words)) == 0


def weights(out):
    return weights_hash(load_checkpoint(out / "model.safetensors")[0])


@pytest.fixture(scope="module")
def small(folder):
    """A run of the small text, ready to be made."""
    words = arguments("--text", folder)
    text = train_text.find_text(words)
    config = train_text.model_config(words, text.tokenizer)
    return Run(words, config, text.make_corpus(80), torch.device("cpu"))


@pytest.fixture(scope="module")
def corpus(small):
    return small.corpus


def small_model(small):
    return GPT(small.config, seed=3)


@pytest.mark.parametrize("number", range(8))
def test_of_two_texts_the_larger_one_is_trained_on(number):
    short = Passage("a", f"{number} boats came home. " * 20)
    long = Passage("b", f"The keeper saw {number} boats. " * 60)
    assert text_corpus.hold_out([short, long]) == ([long], [short])


# The command --------------------------------------------------------------------------


def test_run_leaves_a_model_and_its_tokenizer_and_prints_what_is_in_the_card(
    folder, tmp_path, capsys
):
    run(folder, tmp_path / "run")
    model, card = load_checkpoint(tmp_path / "run" / "model.safetensors")
    tokenizer = Tokenizer.load(tmp_path / "run" / "tokenizer.json")
    assert card.tokenizer == tokenizer.fingerprint()
    assert model.config.vocab_size == tokenizer.vocab_size == 300
    assert (card.stage, card.parent, card.steps) == ("base", "random", 8)
    printed = capsys.readouterr()
    assert "12 sources" in printed.out and "This is a small model" in printed.out
    for name in ("held_out", "trigram", "read"):
        value = card.metrics[f"{name}_bits"]
        assert 0 < value < 8 and f"{value:5.2f}  " in printed.out
    assert printed.err.count("It writes:") == train_text.SAMPLES


def test_without_a_folder_the_python_documentation_is_read(
    folder, tmp_path, monkeypatch, capsys
):
    documents, report = read_text(folder)
    report = replace(report, origin="what Python says about itself")
    monkeypatch.setattr(train_text, "python_documentation", lambda: (documents, report))
    words = ["--out", tmp_path / "run", "--steps", 1]
    assert train_text.main(arguments(*words)) == 0
    _, card = load_checkpoint(tmp_path / "run" / "model.safetensors")
    assert card.data.startswith("what Python says about itself: ")
    assert "what Python says about itself" in capsys.readouterr().out


def test_interrupted_run_ends_with_the_weights_of_an_undisturbed_one(
    folder, tmp_path, monkeypatch, capsys
):
    run(folder, tmp_path / "undisturbed")
    show = train_text._ProgressWithSamples.update

    def interrupt_at_step_3(progress, step, metrics, seconds):
        show(progress, step, metrics, seconds)
        if step == 3:
            os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(train_text._ProgressWithSamples, "update", interrupt_at_step_3)
        with pytest.raises(Interrupted, match="after step 4 of 8"):
            run(folder, tmp_path / "stopped")
    assert not (tmp_path / "stopped" / "model.safetensors").exists()
    run(folder, tmp_path / "stopped")
    assert "going on from step 4" in capsys.readouterr().err
    assert not (tmp_path / "stopped" / "training.state").exists()
    assert weights(tmp_path / "stopped") == weights(tmp_path / "undisturbed")


def test_finished_run_is_shown_again_and_not_trained_again(folder, tmp_path, capsys):
    run(folder, tmp_path)
    first, first_words = weights(tmp_path), capsys.readouterr().out
    run(folder, tmp_path)
    again = capsys.readouterr()
    assert weights(tmp_path) == first
    outcome = "\nbits per character"
    assert again.out.split(outcome)[1] == first_words.split(outcome)[1]
    assert "It writes" not in again.err


def test_seed_decides_the_weights(folder, tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        run(folder, tmp_path / name, "--seed", seed)
    assert weights(tmp_path / "a") == weights(tmp_path / "b") != weights(tmp_path / "c")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (["--vocabulary", 290], "tokenizer, model, vocabulary"),
        (["--seed", 1], "seed"),
        (["--steps", 9], "steps_asked_for"),
        (["--precision", "bfloat16"], "precision"),
    ],
)
def test_folder_with_another_run_is_refused(folder, tmp_path, change, named):
    run(folder, tmp_path)
    before = weights(tmp_path)
    with pytest.raises(ValueError, match=rf"other settings \({named} differ\)"):
        run(folder, tmp_path, *change)
    assert weights(tmp_path) == before


def test_changed_text_is_another_run(folder, tmp_path):
    run(folder, tmp_path / "run")
    (tmp_path / "texts").mkdir()
    for file in folder.iterdir():
        (tmp_path / "texts" / file.name).write_text(file.read_text() + "\n\nMore.")
    with pytest.raises(ValueError, match="other settings .text"):
        run(tmp_path / "texts", tmp_path / "run")


def test_folder_with_a_model_of_another_command_is_refused(folder, tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"somebody's")
    with pytest.raises(ValueError, match="holds a model, but not the run.json"):
        run(folder, tmp_path)
    assert (tmp_path / "model.safetensors").read_bytes() == b"somebody's"


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"settings": 1, "steps": 2}'])
def test_damaged_run_file_is_named(folder, tmp_path, content):
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(ValueError, match=r"run\.json is damaged"):
        run(folder, tmp_path)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (["--steps", 0], "--steps is 0"),
        (["--minutes", 0], "--minutes is 0"),
        (["--minutes", "nan"], "--minutes is nan"),
        (["--vocabulary", 100], "--vocabulary is 100; give at least 262"),
        (["--layers", 0], "--layers is 0"),
        (["--width", 100], "--width is 100; a head has 32 numbers"),
        (["--size", "gpt2", "--width", 96], "--width is 96; a head has 64 numbers"),
        (["--from", "weights", "--size", "small"], "--size, --layers.* of a new model"),
        (["--shard"], "spreads the model over several processes, and this is one"),
        (["--tokenizer", "t.json"], "--tokenizer belongs to the weights"),
        (["--device", "toaster"], "there is no device 'toaster'"),
    ],
)
def test_impossible_settings_are_refused_before_anything_is_written(
    folder, tmp_path, change, complaint
):
    with pytest.raises(ValueError, match=complaint):
        run(folder, tmp_path / "run", *change)
    assert not (tmp_path / "run").exists()


def test_a_processor_without_bfloat16_is_told_so_and_trains(
    folder, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(train_text, "multiplies_bfloat16", lambda: False)
    run(folder, tmp_path / "float32")
    assert "bfloat16" not in capsys.readouterr().out
    run(folder, tmp_path / "bfloat16", "--precision", "bfloat16")
    assert "no instructions for bfloat16" in capsys.readouterr().out
    assert weights(tmp_path / "float32") != weights(tmp_path / "bfloat16")


# How long -----------------------------------------------------------------------------


def test_speed_is_measured_once_and_the_number_of_updates_kept(
    folder, tmp_path, monkeypatch
):
    words = arguments("--text", folder, "--out", tmp_path)
    monkeypatch.setattr(Run, "seconds_per_update", lambda _: 180 / 5)
    assert train_text.main(words) == 0
    monkeypatch.setattr(Run, "seconds_per_update", lambda _: 1 / 0)
    assert train_text.main(words) == 0
    assert json.loads((tmp_path / "run.json").read_text())["steps"] == 5
    assert load_checkpoint(tmp_path / "model.safetensors")[1].steps == 5


def test_measured_speed_is_that_of_an_update(small):
    assert 0 < small.seconds_per_update() < 5


def test_updates_fit_the_minutes_and_never_read_the_text_too_often(small):
    one_pass = small.corpus.training.predictions / 256
    assert small.steps_in(2, seconds_per_update=10) == 12
    many = small.steps_in(1000, seconds_per_update=0.001)
    assert many == round(train_text.MOST_PASSES * one_pass)
    assert small.steps_in(0.001, seconds_per_update=10) == 1


# Larger than memory ---------------------------------------------------------------


@pytest.fixture
def in_files(monkeypatch):
    """As if the small text were too large for memory."""
    monkeypatch.setattr(train_text, "STREAMED_FROM", 0)
    monkeypatch.setattr(token_files, "PART_BYTES", 2000)
    monkeypatch.setattr(token_files.os, "cpu_count", lambda: 1)


def test_a_text_in_files_is_trained_on_and_measured(folder, tmp_path, in_files, capsys):
    run(folder, tmp_path / "a")
    run(folder, tmp_path / "b")
    assert weights(tmp_path / "a") == weights(tmp_path / "b")
    model, card = load_checkpoint(tmp_path / "a" / "model.safetensors")
    assert card.tokens == 8 * 240  # three full rows of 80 in each batch of 256
    assert 0 < card.metrics["read_bits"] < 8
    assert "characters read" in capsys.readouterr().out


def test_an_interrupted_run_on_files_ends_with_the_same_weights(
    folder, tmp_path, in_files, monkeypatch
):
    run(folder, tmp_path / "undisturbed")
    step = train_text.train

    def half(*words, steps, **more):
        def stop(progress, step, metrics, seconds):
            if step == 3:
                os.kill(os.getpid(), signal.SIGINT)

        with monkeypatch.context() as patch:
            patch.setattr(train_text._ProgressWithSamples, "update", stop)
            return step(*words, steps=steps, **more)

    with monkeypatch.context() as patch:
        patch.setattr(train_text, "train", half)
        with pytest.raises(Interrupted):
            run(folder, tmp_path / "stopped")
    cut_short = next((tmp_path / "stopped" / "tokens").glob("*.safetensors"))
    cut_short.write_bytes(cut_short.read_bytes()[:-50])
    run(folder, tmp_path / "stopped")
    assert weights(tmp_path / "stopped") == weights(tmp_path / "undisturbed")


def test_other_settings_leave_the_encoded_text_alone(folder, tmp_path, in_files):
    run(folder, tmp_path)
    before = {p.name: p.read_bytes() for p in (tmp_path / "tokens").iterdir()}
    with pytest.raises(ValueError, match="tokenizer, model, vocabulary differ"):
        run(folder, tmp_path, "--vocabulary", 290)
    after = {p.name: p.read_bytes() for p in (tmp_path / "tokens").iterdir()}
    assert before == after


# From published weights -----------------------------------------------------------


def test_training_goes_on_from_gpt2_weights(folder, tmp_path, capsys):
    config = GPTConfig.gpt2(vocab_size=257, context=64, layers=1, heads=1, width=64)
    model = GPT(config, seed=5)
    tensors = {published_name(n): p.detach() for n, p in model.named_parameters()}
    for name in tensors:
        if ".c_" in name and name.endswith("weight"):
            tensors[name] = tensors[name].T.contiguous()
    save_file(tensors, tmp_path / "model.safetensors")
    vocabulary = {letter: byte for byte, letter in enumerate(byte_letters())}
    (tmp_path / "vocab.json").write_text(json.dumps(vocabulary | {END_OF_TEXT: 256}))
    (tmp_path / "merges.txt").write_text("#version: 0.2\n")
    words = ["--text", folder, "--from", tmp_path / "model.safetensors", "--steps", 1]
    parser = argparse.ArgumentParser()
    train_text.add_arguments(parser)
    words += ["--out", tmp_path / "run", "--batch", 128]
    assert train_text.main(parser.parse_args(list(map(str, words)))) == 0
    trained, _ = load_checkpoint(tmp_path / "run" / "model.safetensors")
    tokenizer = Tokenizer.load(tmp_path / "run" / "tokenizer.json")
    gap = (
        trained.blocks[0].attention.output.weight
        - model.blocks[0].attention.output.weight
    )
    assert 0 < gap.abs().max() < 1e-3
    assert trained.config.norm == "layernorm" and tokenizer.pattern == "gpt2"
    with pytest.raises(ValueError, match="--context is 65; the model reads 64"):
        train_text.main(parser.parse_args([*map(str, words), "--context", "65"]))


# Fair numbers -------------------------------------------------------------------------


def test_no_held_out_document_is_trained_on(folder, corpus):
    training, validation = split_validation(read_text(folder)[0])
    assert training and validation
    trained_on = "\n\n".join(corpus.training.texts)
    for document in validation:
        assert not any(text in trained_on for text in document.text.split("\n\n"))
    assert len(corpus.validation.texts) >= len(validation)


def test_windows_fit_the_context(corpus):
    lengths = [
        len(ids) for ids in corpus.training.sequences + corpus.validation.sequences
    ]
    assert 60 < max(lengths) <= 80


def test_bits_per_character_equal_a_sum_over_single_tokens(small):
    model, windows = small_model(small), small.corpus.validation
    surprise = 0.0
    for ids in windows.sequences:
        for time in range(1, len(ids)):
            logits = model(torch.tensor([ids[:time]]))[0, -1]
            surprise -= math.log2(logits.double().softmax(dim=-1)[ids[time]].item())
    characters = sum(len(text) for text in windows.texts)
    assert train_text.bits(model, windows) == pytest.approx(
        surprise / characters, rel=1e-4
    )


def test_what_was_held_out_and_what_was_read_are_each_measured(monkeypatch, small):
    corpus = small.corpus
    found = {id(corpus.validation): 1.75}

    def bits(model, windows):
        if windows == corpus.training.sample():
            return 1.5
        return found[id(windows)]

    monkeypatch.setattr(train_text, "bits", bits)
    history = [{"tokens": 1, "seconds": 1.0}]
    outcome = train_text.measure(small_model(small), corpus, history, [1.9, 1.7])
    assert (outcome.held_out_bits, outcome.read_bits) == (1.75, 1.5)
    assert outcome.lowest_bits == 1.7


def test_large_texts_are_measured_on_an_evenly_spaced_sample(monkeypatch, corpus):
    monkeypatch.setattr(text_corpus, "MEASURED_WINDOWS", 4)
    sample = corpus.training.sample()
    assert 2 <= len(sample.texts) <= 4 and sample.texts[0] == corpus.training.texts[0]
    assert [corpus.tokenizer.decode(ids) for ids in sample.sequences] == sample.texts


# Plain words --------------------------------------------------------------------------

OUTCOME = train_text.Outcome(
    held_out_bits=1.75,
    trigram_bits=2.0,
    lowest_bits=1.75,
    read_bits=1.5,
    characters=320_000,
    held_out_characters=38_000,
    characters_per_token=3.5,
    held_out_characters_per_token=3.25,
    parameters=920_000,
    passes=10.04,
    seconds=171,
)


def test_words_say_which_guesses_better_and_how_small_the_model_is():
    better = train_text.describe(OUTCOME)
    assert "guesses better than counting does, by 0.25 bits" in better
    assert "0.9 million parameters that read 0.32 million characters 10.0" in better
    rounded = replace(OUTCOME, trigram_bits=1.9649, held_out_bits=1.8651)
    assert "by 0.09 bits" in train_text.describe(rounded)  # 1.96 and 1.87 are shown
    worse = train_text.describe(replace(OUTCOME, held_out_bits=2.5))
    assert "counting guesses better than it does, by 0.50 bits" in worse


def test_more_minutes_are_advised_only_where_they_help():
    def advice(**changes):
        return train_text.what_would_help(replace(OUTCOME, **changes))

    assert advice(passes=2) == "More minutes help, and more text."
    assert "More minutes" not in advice(passes=4.9)
    overfitted = advice(passes=2, lowest_bits=1.7)
    assert "It was better before, by 0.05" in overfitted
    assert "more minutes do not" in overfitted


def test_not_all_of_the_gap_is_called_knowing_by_heart():
    assert "3.50 characters a token there, 3.25 here" in train_text.describe(OUTCOME)


def test_the_words_at_the_end_let_the_model_write(
    folder, tmp_path, capsys, monkeypatch
):
    out = tmp_path / "my run"
    run(folder, out)
    python, m, llmlab, *words = shlex.split(train_text.how_to_go_on(out).split("\n")[1])
    monkeypatch.setattr("sys.stdin", io.StringIO("The"))
    capsys.readouterr()
    assert (python, m, llmlab) == ("python", "-m", "llmlab") and main(words) == 0
    assert capsys.readouterr().out.strip()


def test_what_a_model_writes_cannot_steer_the_terminal(monkeypatch, small):
    written = "a\x1b[2J\ud800\nb"
    monkeypatch.setattr(Tokenizer, "decode", lambda *_: written)
    shown = train_text.sample(small_model(small), small.corpus, seed=0)
    assert shown == "    a\ufffd[2J\ufffd\n    b"


def test_sample_begins_with_the_opening_of_a_held_out_passage(small):
    corpus = small.corpus
    shown = train_text.sample(small_model(small), small.corpus, seed=0)
    assert shown[4:].startswith(corpus.validation.texts[0][:8])
    assert shown == train_text.sample(small_model(small), corpus, seed=0)
