"""Where a run computes: on which device, and in how many processes.

`torchrun --nproc-per-node 2 -m llmlab tour` starts the same program twice. Both copies
hold the same weights and see the same batch; each learns from its share of the rows,
and their gradients are added up before every update, so that both make the same one. A
program that runs alone is a world of one: what it gives to a function it gets back.
"""

import gc
import hashlib
import os
import time
from collections.abc import Iterable
from contextlib import ExitStack, contextmanager, redirect_stdout
from datetime import timedelta

import psutil
import torch
import torch.distributed as dist
from torch import Tensor, nn

PATIENCE = timedelta(minutes=10)
"""How long a process waits for the others before it takes them for lost."""


def find_device(name: str | None = None) -> torch.device:
    """The device of that name; None: a graphics card where there is one.

    Several processes of one machine take a card each.
    """
    if name is None:
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        if device.type not in ("cpu", "cuda"):
            raise RuntimeError("only cpu and cuda are known here")
        if device.type == "cuda" and device.index is None:
            device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        cards, own = torch.cuda.device_count(), os.environ.get("RANK", 0)
        raise ValueError(
            f"there is no device {name!r} here for process {own} ({cards} "
            "graphics cards are seen by this PyTorch). Use --device cpu, or as many "
            "processes as there are cards"
        ) from error
    return device


@contextmanager
def joined(device: torch.device):
    """While this lasts, be one of the processes that torchrun started.

    Of the others only errors are heard. Without torchrun nothing happens.
    """
    if int(os.environ.get("WORLD_SIZE", 1)) == 1:
        yield
        return
    with ExitStack() as stack:
        if device.type == "cuda":
            torch.cuda.set_device(device)
        backend = "nccl" if device.type == "cuda" else "gloo"
        dist.init_process_group(backend, timeout=PATIENCE)
        stack.callback(dist.destroy_process_group)
        # What still holds on to the others at the very end would end in a crash.
        stack.callback(gc.collect)
        _remember_the_others()
        if not is_first():
            silence = stack.enter_context(open(os.devnull, "w"))
            stack.enter_context(redirect_stdout(silence))
        yield


def rank() -> int:
    """The number of this process, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def world() -> int:
    """How many processes train this model."""
    return dist.get_world_size() if dist.is_initialized() else 1


def is_first() -> bool:
    """Whether this process is the one that saves and shows."""
    return rank() == 0


# Shares ------------------------------------------------------------------------------


def share(count: int) -> range:
    """Which of `count` rows are this process's: every world-th."""
    return range(rank(), count, world())


def check_share(count: int, what: str) -> None:
    """Refuse a batch that is smaller than the number of processes."""
    if count < world() > 1:
        raise ValueError(
            f"{count} {what} cannot be shared out among {world()} processes; make the "
            "batch larger, or start fewer processes"
        )


def own_dice(generator: torch.Generator) -> torch.Generator:
    """Dice of this process alone, made from dice that are the same in all of them.

    What is drawn for a share of the rows must differ from process to process.
    """
    if is_first():
        return generator
    told = hashlib.sha256(f"{generator.initial_seed()}/{rank()}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(told[:7]))


# Sums over all processes ------------------------------------------------------------


def sum_(value: Tensor | float) -> Tensor | float:
    """The sum of all processes' values; in a world of one, the value itself."""
    if world() == 1:
        return value
    if torch.is_tensor(value):
        return _added(value.detach().clone())
    return _added(torch.tensor(value, dtype=torch.float64)).item()


def weight(count: float) -> float:
    """What part of all processes' things are here, if `count` are here.

    Means do not add up. A mean over this process's things, times this, does.
    """
    return count / sum_(count) if world() > 1 else 1.0


def mean(metrics: dict[str, float], count: float) -> dict[str, float]:
    """Means over `count` things here to means over all processes' things.

    `tokens` is a number of things itself and is added up.
    """
    if world() == 1:
        return metrics
    counts = {name: 1 if name == "tokens" else count for name in metrics}
    sums = [value * counts[n] if counts[n] else 0.0 for n, value in metrics.items()]
    *sums, total = _added(torch.tensor([*sums, count], dtype=torch.float64)).tolist()
    found = dict(zip(metrics, sums, strict=True))
    return {n: value if n == "tokens" else value / total for n, value in found.items()}


def agree(flag: bool) -> bool:
    """Whether any process says so. All of them hear the same answer."""
    return flag if world() == 1 else sum_(float(flag)) > 0


def wait() -> None:
    """Until every process is here."""
    sum_(0.0)


def add_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Give every process the sum of all processes' gradients: one message for all.

    A parameter without a gradient anywhere stays without one.
    """
    if world() == 1:
        return
    # Those of sharded weights are summed where they come about.
    own = [p for p in parameters if p.requires_grad and not hasattr(p, "full_tensor")]
    if not (parameters := own):
        return
    gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
    has_one = gradients[0].new_tensor([p.grad is not None for p in parameters])
    message = _added(torch.cat([*(g.flatten() for g in gradients), has_one]))
    *sums, has_one = message.split([*(p.numel() for p in parameters), len(parameters)])
    for parameter, total, has in zip(parameters, sums, has_one.tolist(), strict=True):
        parameter.grad = total.view_as(parameter) if has else None


def _added(values: Tensor) -> Tensor:
    here = values.device
    if dist.get_backend() == "nccl":
        values = values.cuda()
    try:
        dist.all_reduce(values)
    except RuntimeError as error:
        raise ConnectionError(
            f"process {rank()} of {world()} stops: {_lost()}. The same command goes on "
            "from what was saved"
        ) from error
    return values.to(here)


# Who is there -----------------------------------------------------------------------

_others: dict[int, int] = {}
"""The process ids of a machine's processes, by rank."""


def _remember_the_others() -> None:
    if os.environ.get("LOCAL_WORLD_SIZE") == os.environ["WORLD_SIZE"]:
        ids = torch.zeros(world(), dtype=torch.int64)
        ids[rank()] = os.getpid()
        _others.update(enumerate(_added(ids).tolist()))


def _lost() -> str:
    """Which process has ended, as far as can be seen from here."""
    for _ in range(100):
        ended = [number for number, process in _others.items() if _has_ended(process)]
        if ended:
            return f"process {ended[0]} has ended, see its own message if it left one"
        time.sleep(0.01)
    return "another process has ended or does not answer"


def _has_ended(process: int) -> bool:
    try:
        return psutil.Process(process).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
