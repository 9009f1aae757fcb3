"""Two processes on this machine train as one does."""

import json
import os
import socket
import subprocess
import sys

import jobs_in_processes as jobs
import pytest
import torch

from llmlab import processes
from llmlab.__main__ import main
from llmlab.checkpoints import load_checkpoint, read_card, weights_hash

JOBS = (
    *("losses", "reward", "ppo", "gradients", "numbers", "saved", "too_small"),
    *("interrupted", "go_on", "begin", "sharded"),
)


def start_two(folder, *names):
    """Run jobs in two processes, as torchrun would: [(exit code, out, err)] of each."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    running = [
        subprocess.Popen(
            [sys.executable, jobs.__file__, str(folder), *names],
            env=os.environ
            | {
                "RANK": str(rank),
                "LOCAL_RANK": str(rank),
                "WORLD_SIZE": "2",
                "LOCAL_WORLD_SIZE": "2",
                "MASTER_ADDR": "127.0.0.1",
                "MASTER_PORT": str(port),
                "USE_LIBUV": "0",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    try:
        ended = [process.communicate(timeout=300) for process in running]
    finally:
        for process in running:
            process.kill()
    return [
        (process.returncode, *said)
        for process, said in zip(running, ended, strict=True)
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("processes")


@pytest.fixture(scope="module")
def two(folder):
    """What each of two processes tells of all jobs, and how they ended."""
    begun = folder / "begun-alone.state"
    with pytest.raises(jobs.Interrupted, match="after step 7"):
        jobs.run(state=begun, on_step=jobs.interrupt_last_process)
    ended = start_two(folder, *JOBS)
    files = [folder / f"told-{rank}.json" for rank in (0, 1)]
    assert all(file.exists() for file in files), ended
    return [json.loads(file.read_text()) for file in files], ended


@pytest.fixture(scope="module")
def alone():
    return jobs.losses(None)


def test_two_processes_have_the_gradient_of_one(two):
    (told, other), _ = two
    assert told["gradients"] == other["gradients"]
    for found, expected in zip(told["gradients"], jobs.gradients(None), strict=True):
        torch.testing.assert_close(
            torch.tensor(found), torch.tensor(expected), atol=1e-6, rtol=0
        )


@pytest.mark.parametrize("phase", ["causal", "masked", "instruction"])
def test_two_processes_have_the_losses_of_one(two, alone, phase):
    (told, other), _ = two
    assert told["losses"][phase] == other["losses"][phase]
    assert told["losses"][phase] == pytest.approx(alone[phase], abs=1e-5)


@pytest.mark.parametrize("phase", ["reward", "ppo"])
def test_two_processes_learn_what_is_liked_as_one_does(two, phase):
    (told, other), _ = two
    assert told[phase] == other[phase]
    expected = getattr(jobs, phase)(None)
    for found, step in zip(told[phase], expected, strict=True):
        assert found == pytest.approx(step, rel=1e-5, abs=1e-5)


def test_an_interrupt_of_one_process_stops_both_and_the_rest_has_the_same_bits(two):
    for told in two[0]:
        stopped, gone_on, undisturbed = told["interrupted"]
        assert "stopped after step 7 of 20" in stopped
        assert gone_on == undisturbed


def test_a_run_goes_on_in_another_number_of_processes(two, folder, alone):
    (told, _), _ = two
    assert told["go_on"] == pytest.approx(alone["causal"], abs=1e-5)
    losses, _ = jobs.run(state=folder / "begun-together.state")
    assert losses == pytest.approx(alone["causal"], abs=1e-5)


def test_a_sharded_run_has_the_losses_of_one_and_leaves_an_ordinary_file(
    two, folder, alone
):
    whole = jobs.new_model()
    for told in two[0]:
        losses, weights, held = told["sharded"]
        assert losses == pytest.approx(alone["causal"], abs=1e-4)
        assert held < 0.6 * whole.number_of_parameters()
        assert weights == two[0][0]["sharded"][1]
    # A run under way is an ordinary one, too: one process goes on from it.
    losses, _ = jobs.run(state=folder / "sharded.state")
    assert losses == pytest.approx(alone["causal"], abs=1e-4)
    saved, _ = load_checkpoint(folder / "sharded.safetensors")
    assert weights_hash(saved) == weights_hash(whole)


def test_numbers_are_added_up_and_means_are_weighed(two):
    first, second = (told["numbers"] for told in two[0])
    assert (first["rows"], second["rows"]) == ([0, 2, 4], [1, 3])
    assert first["sum"] == second["sum"] == 3
    assert first["tensor"] == second["tensor"] == [3, 2]
    assert (first["weight"], second["weight"]) == pytest.approx((1 / 3, 2 / 3))
    assert first["mean"] == pytest.approx({"loss": (10 + 2 * 20) / 3, "tokens": 8})
    assert first["mean"] == second["mean"]
    assert first["agree"] == second["agree"] == [True, False]


def test_dice_differ_between_processes_and_the_first_has_those_of_one(two):
    first, second = (told["numbers"]["dice"] for told in two[0])
    assert first == jobs.numbers(None)["dice"] != second


def test_the_first_process_saves_and_shows(two, folder):
    told, ((_, first, _), (_, second, _)) = two
    assert [process["saved"] for process in told] == [True, True]
    assert read_card(folder / "saved.safetensors").stage == "by process 0"
    assert (first.strip(), second) == ("process 0 prints", "")


def test_a_batch_smaller_than_the_processes_is_refused(two):
    for told in two[0]:
        assert told["too_small"] == (
            "1 of the longest documents in a batch of 40 tokens cannot be shared out "
            "among 2 processes; make the batch larger, or start fewer processes"
        )


def test_where_one_process_dies_the_other_stops_and_names_it(two, folder, alone):
    _, ((code, _, said), (killed, _, _)) = two
    assert killed < 0 and code > 0
    assert "process 0 of 2 stops: process 1 has ended" in said
    losses, _ = jobs.run(state=folder / "left.state")
    assert losses == pytest.approx(alone["causal"], abs=1e-5)


def test_alone_everything_is_handed_back():
    values = torch.ones(2)
    dice = torch.Generator()
    metrics = {"loss": 2.0}
    assert processes.sum_(values) is values and processes.own_dice(dice) is dice
    assert processes.mean(metrics, 3) is metrics and processes.weight(0) == 1.0
    assert list(processes.share(3)) == [0, 1, 2] and processes.is_first()
    processes.check_share(0, "rows")


def test_a_graphics_card_is_used_where_there_is_one(monkeypatch):
    tried = []
    monkeypatch.setattr(torch, "empty", lambda *_, device: tried.append(device))
    monkeypatch.setenv("LOCAL_RANK", "1")
    for there, name in ((True, "cuda:1"), (False, "cpu")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda there=there: there)
        assert processes.find_device() == torch.device(name) == tried[-1]


@pytest.mark.parametrize("name", ["cuda:77", "gpu", "meta"])
def test_a_device_that_is_not_there_is_named(name):
    with pytest.raises(ValueError, match=f"no device '{name}' here .* --device cpu"):
        processes.find_device(name)


def test_a_tour_on_a_device_that_is_not_there_writes_nothing(tmp_path, capsys):
    folder = tmp_path / "tour"
    words = ["tour", "--scale", "tiny", "--device", "cuda:77", "--out", str(folder)]
    assert main(words) == 2
    assert "no device 'cuda:77' here" in capsys.readouterr().err
    assert not folder.exists()
