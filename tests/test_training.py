import math
import os
import platform
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell
from torch import nn
from traitlets.config import Config

from llmlab import files, training
from llmlab import progress as progress_module
from llmlab.batching import next_token_batch
from llmlab.checkpoints import run_history, weights_hash
from llmlab.gpt import GPT, GPTConfig, attention
from llmlab.instruction import instruction_step
from llmlab.optimisers import adamw, muon_and_adamw
from llmlab.pretraining import prediction_loss, pretraining_step
from llmlab.tokenizer import Tokenizer
from llmlab.training import (
    Interrupted,
    apply_gradients,
    loss_step,
    mixed_precision,
    set_learning_rate,
    step_generator,
    train,
    warmup_stable_decay,
)

CONFIG = GPTConfig(vocab_size=300, context=32, layers=2, heads=2, width=16)


def small_run(
    state_path=None, steps=6, seed=0, on_step=None, precision="float32", **settings
):
    """A real pre-training run of six steps: (model, history)."""
    generator = torch.Generator().manual_seed(0)
    sequences = [
        torch.randint(6, 300, (20,), generator=generator).tolist() for _ in range(64)
    ]
    tokenizer = Tokenizer.train(["ab " * 40 + "cd " * 30], 264)
    model = GPT(CONFIG, seed=seed)
    optimizers = muon_and_adamw(model)
    update = pretraining_step(
        model,
        sequences,
        tokenizer,
        optimizers,
        steps=steps,
        tokens_per_batch=160,
        seed=seed,
        precision=precision,
    )

    def step(index, generator):
        if on_step is not None:
            on_step(index)
        return update(index, generator)

    history = train(
        step,
        steps=steps,
        modules={"model": model},
        optimizers=optimizers,
        seed=seed,
        state_path=state_path,
        **settings,
    )
    return model, history


def test_a_model_learns_what_it_is_shown():
    tokenizer = Tokenizer.train(["ab " * 40 + "cd " * 30], 264)
    model = GPT(CONFIG)
    optimizers = muon_and_adamw(model)
    sequence = [1, 10, 20, 30, 40, 50, 60, 2]
    step = pretraining_step(
        model,
        [sequence] * 8,
        tokenizer,
        optimizers,
        steps=150,
        tokens_per_batch=64,
        seed=0,
    )
    history = train(
        step, steps=150, modules={"model": model}, optimizers=optimizers, seed=0
    )
    assert abs(history[0]["loss"] - torch.tensor(300.0).log().item()) < 0.2
    assert history[-1]["loss"] < 0.05


def test_the_same_seed_gives_the_same_weights():
    hashes = [weights_hash(small_run(seed=seed)[0]) for seed in (0, 0, 1)]
    assert hashes[0] == hashes[1] != hashes[2]


BEFORE = {  # what these runs gave when each phase had an update of its own
    "masked": [5.575950, 5.632733, 5.637624, 5.594723],
    "causal": [5.575950, 5.574428, 5.583748, 5.213822],
    "instruction": [5.575950, 5.586812, 5.205863, 4.955971],
}


@pytest.mark.parametrize("phase", BEFORE)
def test_the_same_seeds_give_the_same_losses_as_ever(phase):
    tokenizer = Tokenizer.train(["ab " * 40 + "cd " * 30], 264)
    generator = torch.Generator().manual_seed(0)
    lengths = torch.randint(5, 40, (90,), generator=generator).tolist()
    texts = [
        torch.randint(6, 264, (length,), generator=generator).tolist()
        for length in lengths
    ]
    config = GPTConfig(264, 64, heads=2, width=32, causal=phase != "masked")
    model = GPT(config)
    optimizers = muon_and_adamw(model)
    if phase == "instruction":
        halves = [len(text) // 2 for text in texts]
        examples = [
            (text, [False] * half + [True] * (len(text) - half))
            for text, half in zip(texts, halves, strict=True)
        ]
        shape = dict(steps=12, row_length=64, rows_per_batch=6, seed=3)
        step = instruction_step(model, examples, optimizers, **shape)
    else:
        shape = dict(steps=12, tokens_per_batch=256, seed=3)
        step = pretraining_step(model, texts, tokenizer, optimizers, **shape)
    history = train(
        step, steps=12, modules={"model": model}, optimizers=optimizers, seed=3
    )
    losses = [history[index]["loss"] for index in (0, 2, 6, 11)]
    assert losses == pytest.approx(BEFORE[phase], rel=1e-4)


def test_an_interrupted_run_goes_on_to_the_same_bits(tmp_path):
    undisturbed, whole = small_run()

    def interrupt(index):
        if index == 2:
            os.kill(os.getpid(), signal.SIGINT)

    path = tmp_path / "state.safetensors"
    with pytest.raises(Interrupted, match="after step 3 of 6"):
        small_run(path, on_step=interrupt)
    visited = []
    resumed, history = small_run(path, on_step=visited.append)
    assert visited == [3, 4, 5]
    assert [m["loss"] for m in history] == [m["loss"] for m in whole]
    for name, parameter in undisturbed.named_parameters():
        assert torch.equal(parameter, resumed.get_parameter(name))


def test_a_killed_run_goes_on_to_the_same_bits(tmp_path):
    script = textwrap.dedent(
        """
        import os, signal, sys
        sys.path.insert(0, {tests!r})
        from test_training import small_run, weights_hash
        def die(index):
            if index == 4 and sys.argv[1] == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
        model, _ = small_run({path!r}, on_step=die, save_every=0)
        print(weights_hash(model))
        """
    ).format(tests=os.path.dirname(__file__), path=str(tmp_path / "state"))
    # Sums of another number of threads have other last digits.
    environment = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}
    killed = subprocess.run([sys.executable, "-c", script, "kill"], env=environment)
    assert killed.returncode == -signal.SIGKILL
    again = subprocess.run(
        [sys.executable, "-c", script, "live"],
        capture_output=True,
        text=True,
        env=environment,
    )
    assert again.stdout.strip() == weights_hash(small_run()[0]), again.stderr


def test_a_run_that_goes_on_counts_the_seconds_of_earlier_sessions(
    tmp_path, monkeypatch
):
    now = 0.0
    monkeypatch.setattr(time, "perf_counter", lambda: now)

    def take_ten_seconds(index):
        nonlocal now
        now += 10

    def take_ten_seconds_and_stop(index):
        take_ten_seconds(index)
        if index == 2:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Interrupted, match="after step 3 of 6"):
        small_run(tmp_path / "state", on_step=take_ten_seconds_and_stop)
    now += 1000  # a pause, which does not count
    _, history = small_run(tmp_path / "state", on_step=take_ten_seconds)
    assert [m["seconds"] for m in history] == [10, 20, 30, 40, 50, 60]


def test_a_stop_is_one_line_in_a_notebook_and_says_what_comes_next(tmp_path, capsys):
    shell = InteractiveShell(config=Config({"HistoryManager": {"enabled": False}}))
    shell.user_ns.update(count=count, os=os, signal=signal, state=tmp_path / "state")
    stop = "on_step=lambda index: index == 2 and os.kill(os.getpid(), signal.SIGINT)"
    for settings, next_step in (
        ("", "to start anew, run again from the cell that makes the model."),
        ("state=state,", "all of them are saved: run it again to go on."),
        ("after_a_stop='this cell starts anew',", "this cell starts anew."),
    ):
        result = shell.run_cell(f"count({settings} {stop})")
        assert isinstance(result.error_in_exec, Interrupted)  # cancels what follows
        told = " ".join(capsys.readouterr().out.split())
        assert told == f"training stopped after step 3 of 9, as you asked; {next_step}"


def test_a_stop_is_said_at_once_and_not_only_when_the_step_is_done():
    told = []

    class Watched(progress_module.SilentProgress):
        def stopping(self):
            told.append("stopping")
            raise RuntimeError("reentrant call")  # of a stream that was just written to

        def update(self, step, metrics, seconds):
            told.append(step)

    def interrupt(index):
        if index == 2:
            os.kill(os.getpid(), signal.SIGINT)
            told.append("still in the step")

    with pytest.raises(Interrupted):
        count(on_step=interrupt, progress=Watched())
    assert told == [0, 1, "stopping", "still in the step", 2]


class Counter(nn.Module):
    """The smallest thing that a run changes: it takes milliseconds."""

    def __init__(self):
        super().__init__()
        self.register_buffer("sum", torch.zeros((), dtype=torch.float64))


def count(state=None, steps=9, on_step=None, **settings):
    """A run whose every step adds to the sum what its dice show: (sum, history)."""
    counter = Counter()

    def step(index, generator):
        drawn = torch.rand((), generator=generator, dtype=torch.float64)
        counter.sum.add_(drawn)
        if on_step is not None:
            on_step(index)
        return {"drawn": drawn.item()}

    settings = dict(seed=4, save_every=0) | settings
    modules = {"counter": counter}
    history = train(
        step,
        steps=steps,
        modules=modules,
        optimizers={},
        state_path=state,
        **settings,
    )
    return counter.sum.item(), [metrics["drawn"] for metrics in history]


class Killed(BaseException):
    """Nothing in the library catches it or cleans up after it."""


def kill(index_to_die):
    def die(index):
        if index == index_to_die:
            raise Killed

    return die


@pytest.mark.parametrize("moment", range(9))
def test_a_run_killed_in_any_step_goes_on_with_the_same_dice(tmp_path, moment):
    state = tmp_path / "state"
    with pytest.raises(Killed):
        count(state, on_step=kill(moment))
    made = []
    assert count(state, on_step=made.append) == count()
    # A kill costs the step under way; every one before it was saved.
    assert made == list(range(moment, 9))


def test_a_run_killed_twice_and_interrupted_once_goes_on_too(tmp_path):
    state = tmp_path / "state"

    def interrupt(index):
        if index == 5:
            os.kill(os.getpid(), signal.SIGINT)

    for on_step, stop in (
        (kill(2), Killed),
        (kill(4), Killed),
        (interrupt, Interrupted),
    ):
        with pytest.raises(stop):
            count(state, on_step=on_step)
    made = []
    assert count(state, on_step=made.append) == count()
    assert made == [6, 7, 8]


@pytest.mark.parametrize("killed_at", ["fsync", "replace"])
def test_a_run_killed_while_it_saves_goes_on_from_the_state_before(
    tmp_path, monkeypatch, killed_at
):
    state = tmp_path / "state"
    with pytest.raises(Killed):
        count(state, on_step=kill(4))
    before = state.read_bytes()
    with monkeypatch.context() as patched:

        def die(*arguments):
            raise Killed

        patched.setattr(files.os, killed_at, die)
        patched.setattr(files.os, "unlink", die)  # nobody cleans up
        with pytest.raises(Killed):
            count(state)
    assert state.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 2  # and what was half-written
    assert count(state) == count()


def test_the_state_is_saved_every_so_many_seconds_and_at_an_interrupt(
    tmp_path, monkeypatch
):
    now, saved = 0.0, []

    def one_second(index):
        nonlocal now
        now += 1
        if index == 8:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(time, "perf_counter", lambda: now)
    monkeypatch.setattr(
        training, "save_run_state", lambda *state: saved.append(len(state[-1]))
    )
    for seconds, expected in ((3.5, [4, 8, 9]), (3.0, [4, 8, 9]), (1000, [9])):
        saved.clear()
        with pytest.raises(Interrupted):
            count(tmp_path / "state", steps=12, on_step=one_second, save_every=seconds)
        assert saved == expected


def test_numbers_of_other_libraries_are_kept_as_plain_ones(tmp_path):
    def step(index, generator):
        if index == 1:
            raise Killed
        return {"loss": nn.Parameter(torch.ones(1)), "score": np.float32(0.5), "n": 3}

    shown = []
    progress = progress_module.SilentProgress()
    progress.update = lambda step, metrics, seconds: shown.append(metrics)
    state = tmp_path / "state"
    settings = dict(modules={}, optimizers={}, seed=0, state_path=state, save_every=0)
    with pytest.raises(Killed):
        train(step, steps=2, progress=progress, **settings)
    [kept] = run_history(state)
    assert shown == [{"loss": 1.0, "score": 0.5, "n": 3}]
    assert {name: kept[name] for name in ("loss", "score", "n")} == shown[0]
    with pytest.raises(TypeError, match=r"tensor\(\[1., 1.\]\) is not one number"):
        train(
            lambda index, generator: {"loss": torch.ones(2)},
            **{**settings, "state_path": None},
            steps=1,
        )


def test_a_run_is_its_steps_its_seed_and_its_identity(tmp_path):
    state = tmp_path / "state"
    identity = {"settings": {"rate": 0.1}}
    with pytest.raises(Killed):
        count(state, on_step=kill(3), identity=identity)
    before = state.read_bytes()
    for changed, name in (
        (dict(seed=5), "seed"),
        (dict(steps=10), "steps"),
        (dict(identity={"settings": {"rate": 0.2}}), "settings"),
        (dict(identity=identity | {"more": 1}), "more"),
        (dict(identity=None), "settings"),
    ):
        with pytest.raises(ValueError, match=rf"other settings \({name} differ\)"):
            count(state, **(dict(identity=identity) | changed))
    assert state.read_bytes() == before
    assert count(state, identity=identity) == count()


def test_a_state_of_other_settings_is_refused(tmp_path):
    path = tmp_path / "state"
    small_run(path, save_every=0)
    with pytest.raises(ValueError, match=r"other settings \(seed differ\)"):
        small_run(path, seed=1)


@pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="another C library keeps its own house"
)
def test_a_step_uses_the_memory_that_the_last_one_freed():
    script = textwrap.dedent(
        """
        import resource, torch
        from llmlab.training import keep_freed_memory
        keep_freed_memory()
        def step():
            pieces = [torch.ones(2**21) for _ in range(4)]  # 8 MiB each
        for _ in range(3):
            step()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(5):
            step()
        print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True
    )
    # The five would take 5 * 4 * 2,048 new pages.
    assert int(done.stdout) < 2000, done.stderr


def test_a_system_with_another_c_library_is_left_alone(monkeypatch):
    def not_there(name):
        raise OSError("no such library")

    monkeypatch.setattr(training.ctypes, "CDLL", not_there)
    training.keep_freed_memory()


def test_every_step_has_randomness_of_its_own():
    draws = {
        (seed, step): torch.rand(1, generator=step_generator(seed, step)).item()
        for seed in range(3)
        for step in range(50)
    }
    assert len(set(draws.values())) == 150


def test_a_batch_in_parts_makes_the_update_of_the_whole_batch():
    torch.manual_seed(0)
    rows = torch.randn(7, 3)
    moved = []
    for parts in (1, 3):
        module = nn.Linear(3, 1, bias=False)
        nn.init.ones_(module.weight)
        optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
        losses = (module(part).square().sum() / 7 for part in rows.chunk(parts))
        norm = apply_gradients(losses, module, [optimizer], clip=0.5)
        moved.append((norm, *module.weight.flatten().tolist()))
    assert moved[0] == pytest.approx(moved[1], rel=1e-6)


def test_a_part_is_differentiated_before_the_next_one_is_made():
    module, events = nn.Linear(3, 1), []

    def losses():
        for part in range(3):
            events.append(f"{part} made")
            loss = module(torch.ones(1, 3)).sum()
            loss.register_hook(lambda _, part=part: events.append(f"{part} done"))
            yield loss

    apply_gradients(losses(), module, [])
    assert events == [
        f"{part} {what}" for part in range(3) for what in ("made", "done")
    ]


def test_long_gradients_are_shortened():
    module = nn.Linear(3, 1, bias=False)
    module.weight.data.zero_()
    optimizer = torch.optim.SGD(module.parameters(), lr=1.0)
    loss = module(torch.tensor([[3.0, 0.0, 4.0]])).sum()
    assert apply_gradients(loss, module, [optimizer], clip=1.0) == pytest.approx(5.0)
    expected = torch.tensor([[-0.6, 0.0, -0.8]])
    torch.testing.assert_close(module.weight.data, expected)


@pytest.mark.parametrize("slope", [math.inf, math.nan])
def test_a_gradient_that_is_no_number_is_refused_and_changes_nothing(slope):
    module = nn.Linear(3, 1)
    before = [parameter.detach().clone() for parameter in module.parameters()]
    loss = slope * module(torch.ones(1, 3)).sum()
    with pytest.raises(ValueError, match="this update was not made"):
        apply_gradients(loss, module, adamw(module, 0.1).values())
    for parameter, old in zip(module.parameters(), before, strict=True):
        assert torch.equal(parameter, old)


def test_the_schedule_warms_up_stays_and_decays_to_zero():
    rates = [warmup_stable_decay(s, 100, warmup=0.1, decay=0.4) for s in range(101)]
    assert rates[0] == pytest.approx(1 / 11)
    assert rates[:10] == sorted(rates[:10])
    assert set(rates[10:61]) == {1.0}
    assert rates[80] == pytest.approx(0.5)
    assert rates[100] == 0.0


def test_the_schedule_is_right_to_the_step():
    rates = [warmup_stable_decay(step, 10, warmup=0.2, decay=0.4) for step in range(11)]
    thirds, quarters = [1 / 3, 2 / 3], [3 / 4, 2 / 4, 1 / 4, 0]
    assert rates == pytest.approx([*thirds, 1, 1, 1, 1, 1, *quarters])
    assert [warmup_stable_decay(s, 4, warmup=0, decay=0) for s in range(4)] == [1] * 4
    assert [warmup_stable_decay(s, 4, warmup=0, decay=1) for s in range(4)] == [
        1,
        3 / 4,
        2 / 4,
        1 / 4,
    ]


@pytest.mark.parametrize(("clip", "length"), [(100.0, 5.0), (0.5, 0.5)])
def test_a_step_moves_by_rate_times_schedule_times_clipped_gradient(clip, length):
    module = nn.Linear(2, 1, bias=False)
    nn.init.zeros_(module.weight)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    optimizer.param_groups[0]["initial_lr"] = 0.1
    asked = []

    def loss_of(index, generator):
        asked.append((index, torch.rand(1, generator=generator).item()))
        return module(torch.tensor([[3.0, 4.0]])).sum(), 1, {"tokens": 2}

    def schedule(index, steps):
        return (index + 1) / steps

    step = loss_step(
        module, {"": optimizer}, loss_of, steps=4, schedule=schedule, clip=clip
    )
    moved, before = [], torch.zeros(1, 2)
    for index in range(4):
        metrics = step(index, step_generator(0, index))
        moved.append((module.weight - before).norm().item())
        before = module.weight.detach().clone()
    assert moved == pytest.approx([0.1 * (n + 1) / 4 * length for n in range(4)])
    assert metrics["gradient_norm"] == pytest.approx(5.0)
    assert metrics["tokens"] == 2 and metrics["loss"] < 0
    dice = [torch.rand(1, generator=step_generator(0, n)).item() for n in range(4)]
    assert asked == list(enumerate(dice))


def test_the_schedule_scales_every_group():
    optimizers = muon_and_adamw(GPT(CONFIG), matrix_rate=0.02, other_rate=0.01)
    set_learning_rate(optimizers.values(), 0.5)
    assert optimizers["muon"].param_groups[0]["lr"] == 0.01
    assert optimizers["adamw"].param_groups[0]["lr"] == 0.005


def test_bfloat16_trains_to_nearly_the_loss_of_float32():
    exact, rounded = (
        [metrics["loss"] for metrics in small_run(steps=60, precision=precision)[1]]
        for precision in ("float32", "bfloat16")
    )
    assert rounded != exact, "it did nothing"
    assert exact[-1] < exact[0] - 1
    assert sum(rounded[-10:]) == pytest.approx(sum(exact[-10:]), rel=0.01)


def test_bfloat16_multiplies_in_few_bits_and_keeps_loss_and_weights_in_many():
    model = GPT(CONFIG)
    batch = next_token_batch([[1, 10, 20, 30], [1, 40, 50, 60]])
    with mixed_precision("bfloat16"):
        assert model(batch.tokens).dtype == torch.bfloat16
        loss = prediction_loss(model, batch)
    assert loss.dtype == torch.float32
    loss.backward()
    for parameter in model.parameters():
        assert parameter.dtype == parameter.grad.dtype == torch.float32


def test_attention_is_computed_in_many_bits_whatever_the_precision():
    generator = torch.Generator().manual_seed(0)
    queries, keys, values = torch.randn(3, 2, 4, 9, 8, generator=generator)
    exact = attention(queries, keys, values, None, True)
    with mixed_precision("bfloat16"):
        found = attention(queries, keys, values, None, True)
        mixed = attention(queries.bfloat16(), keys, values, None, True)
    assert torch.equal(found, exact)
    assert mixed.dtype == torch.float32


def test_an_unknown_precision_is_named():
    with pytest.raises(ValueError, match="precision is 'float16'; choose one of"):
        mixed_precision("float16")
