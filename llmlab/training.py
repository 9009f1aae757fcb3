"""The one training loop, with its schedule, its precision and its one update.

Every phase of the course hands `train` a function that makes one update. The loop does
the rest: progress, a clean stop on interrupt, and checkpoints from which a run that was
killed at any instant goes on *to the same bits* as one that was never disturbed.

Two rules make that exactness simple. All randomness of step n comes from a generator
seeded by (seed, n), so there is no generator state to save. And everything that changes
lives in modules or optimisers, so there is one place to save it from. Neither depends
on the number of processes: a run may go on with more of them, or with fewer.
"""

import ctypes
import hashlib
import math
import signal
import textwrap
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from llmlab import processes
from llmlab.checkpoints import load_run_state, plain, save_run_state
from llmlab.progress import Metrics, SilentProgress
from llmlab.sharding import is_sharded, whole


def step_generator(seed: int, step: int) -> torch.Generator:
    """The source of all randomness of one step."""
    digest = hashlib.sha256(f"{seed}/{step}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7]))


class Interrupted(KeyboardInterrupt):
    """A run was interrupted between two steps; the model is whole, its state saved.

    In a notebook it is its sentence, without the forty lines of a mistake; the cells
    queued behind are cancelled all the same.
    """

    def _render_traceback_(self) -> list[str]:
        return textwrap.wrap(f"{self}.", 80)


def train(
    step: Callable[[int, torch.Generator], Metrics],
    *,
    steps: int,
    modules: dict[str, nn.Module],
    optimizers: dict[str, Optimizer],
    seed: int,
    state_path: Path | str | None = None,
    save_every: float = 15.0,
    progress=None,
    label: str = "training",
    identity: dict | None = None,
    after_a_stop: str | None = None,
) -> list[Metrics]:
    """Make `steps` updates, or the rest of them if some were made before.

    step : makes one update. It gets the step's index and the step's own generator, and
        returns numbers worth keeping, such as loss and tokens.
    modules, optimizers : all that `step` changes, by name.
    state_path : where the run's state is kept, to go on from. None: nothing is kept.
    save_every : seconds between two saved states.
    progress : shows how the run goes, as a `TerminalProgress` does. None: in silence.
    identity : settings that make this run what it is. A state of other settings is
        refused, since going on from it would be neither run.
    after_a_stop : what a person who stops the run can do next. None: go on, where a
        state is kept; else begin anew with the cell that makes the model.

    Returns the history: one dictionary a step, with `step`, `seconds` (since the run
    began, pauses excluded) and what `step` returned.

    Raises Interrupted: on Ctrl-C or the kernel's stop button. The step under way is
        finished and the state saved first; nothing is lost. A second one stops at once.
    Raises ValueError: the state found belongs to another run.
    """
    identity = {"steps": steps, "seed": seed} | (identity or {})
    history: list[Metrics] = []
    if state_path is not None and Path(state_path).expanduser().exists():
        history = load_run_state(state_path, modules, optimizers, identity)

    def save():
        if state_path is not None:
            save_run_state(state_path, modules, optimizers, identity, history)

    keep_freed_memory()
    if progress is None or not processes.is_first():
        progress = SilentProgress()
    progress.start(label, steps, len(history))
    before = history[-1]["seconds"] if history else 0.0
    started = saved = time.perf_counter()
    after_a_stop = after_a_stop or (
        "all of them are saved: run it again to go on"
        if state_path
        else "to start anew, run again from the cell that makes the model"
    )
    with _stop_request(progress.stopping) as stop_requested:
        for index in range(len(history), steps):
            metrics = step(index, step_generator(seed, index))
            metrics = {
                name: value if isinstance(value, (int, float)) else plain(value)
                for name, value in metrics.items()
            }
            now = time.perf_counter()
            seconds = before + now - started
            history.append({"step": index, "seconds": seconds} | metrics)
            progress.update(index, metrics, seconds)
            if processes.agree(stop_requested()):
                save()
                processes.wait()  # one that ends early has the others ended
                progress.stop("interrupted")
                raise Interrupted(
                    f"{label} stopped after step {index + 1} of {steps}, as you asked; "
                    + after_a_stop
                )
            if processes.agree(now - saved > save_every):
                save()
                saved = time.perf_counter()
    progress.stop("done")
    return history


def keep_freed_memory() -> None:
    """Let each step use the memory that the last one freed.

    On Linux the C library hands large pieces of freed memory back to the system and
    asks for them anew in the next step. The system fills each page with zeros before it
    gives it out, which takes up to a tenth of a step. Other systems are left alone.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return  # not Linux, or another C library
    trim_threshold, mmap_threshold = -1, -3  # their numbers in malloc.h
    mallopt(trim_threshold, 2**30)
    # Pieces of up to a gibibyte, where an old library refuses up to 32 MiB.
    mallopt(mmap_threshold, 2**30) or mallopt(mmap_threshold, 2**25)


@contextmanager
def _stop_request(say: Callable[[], None]):
    """Turn an interrupt into a question to be asked between steps, and `say` so.

    An exception inside an optimiser's step would leave half of the weights updated.
    """
    requested = False

    def on_interrupt(number, frame):
        nonlocal requested
        # torchrun passes an interrupt on that the terminal has sent to all already.
        if requested and processes.world() == 1:
            raise KeyboardInterrupt
        requested = True
        with suppress(RuntimeError):  # it was just writing something else
            say()

    if threading.current_thread() is not threading.main_thread():
        yield lambda: False  # only the main thread may listen to signals
        return
    previous = signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield lambda: requested
    finally:
        signal.signal(signal.SIGINT, previous)


# Gradients and schedules ------------------------------------------------------------


def apply_gradients(
    loss: Tensor | Iterable[Tensor],
    model: nn.Module,
    optimizers: Iterable[Optimizer],
    *,
    clip: float = 1.0,
) -> float:
    """Differentiate a loss and make one update. Returns the gradient's norm.

    Every update of the course goes through here.

    loss : to be made small; or several, which are added up. A generator may make them
        one after another, so that only one holds memory. Of several processes each
        gives its terms, divided by the number of all processes' things.
    clip : gradients longer than this are shortened to it, so that one strange batch
        cannot throw the model far (Pascanu et al. 2013).
    """
    optimizers = list(optimizers)
    for optimizer in optimizers:
        optimizer.zero_grad(set_to_none=True)
    total = 0.0
    for part in [loss] if torch.is_tensor(loss) else loss:
        part.backward()
        total += part.detach()
    processes.add_gradients(model.parameters())
    norm = float(whole(nn.utils.clip_grad_norm_(model.parameters(), clip)))
    if not math.isfinite(norm):
        raise ValueError(
            f"the gradient is {norm} at a loss of {float(total)}: this update was not "
            "made, and the model is as it was. Lower the learning rate, or look for a "
            "batch that holds something broken"
        )
    for optimizer in optimizers:
        optimizer.step()
    return norm


def warmup_stable_decay(
    step: int, steps: int, *, warmup: float = 0.02, decay: float = 0.75
) -> float:
    """Multiplier of the learning rate: up, flat, and straight down to zero.

    Hu et al. 2024 (MiniCPM). The flat part, and so a run, can be made longer later.

    warmup, decay : shares of the run. A long decay ends lower: three quarters of 7,000
        updates left the base model 0.054 nats above the entropy line, two fifths 0.059.
    """
    if step < warmup * steps:
        return (step + 1) / (math.ceil(warmup * steps) + 1)
    return min(1.0, (steps - step) / max(1.0, decay * steps))


def set_learning_rate(optimizers: Iterable[Optimizer], multiplier: float) -> None:
    """Set every group's rate to `multiplier` times the rate it was built with."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"] * multiplier


def loss_step(
    model: nn.Module,
    optimizers: dict[str, Optimizer],
    loss_of: Callable[
        [int, torch.Generator], tuple[Tensor | Iterable[Tensor], int, Metrics]
    ],
    *,
    steps: int,
    schedule: Callable[[int, int], float] = warmup_stable_decay,
    clip: float = 1.0,
) -> Callable[[int, torch.Generator], Metrics]:
    """The update that `train` repeats, wherever a loss is minimised.

    loss_of : takes a step's index and dice. Gives the mean loss over some things, or
        its terms one after another; how many things (in this process, see `processes`);
        and more numbers worth keeping: means over the same things, and `tokens`.
    steps : updates in all.
    schedule : multiplier of the learning rate, from an update's index and `steps`.
    """

    def step(index: int, generator: torch.Generator) -> Metrics:
        set_learning_rate(optimizers.values(), schedule(index, steps))
        losses, count, metrics = loss_of(index, generator)
        weight, mean = processes.weight(count), 0.0

        def terms() -> Iterator[Tensor]:
            nonlocal mean
            for loss in [losses] if torch.is_tensor(losses) else losses:
                mean += loss.item()
                if weight:
                    yield loss * weight
                elif is_sharded(model):  # the others need its weights
                    yield loss.nan_to_num() * 0

        norm = apply_gradients(terms(), model, optimizers.values(), clip=clip)
        metrics = processes.mean({"loss": mean} | metrics, count)
        return metrics | {"gradient_norm": norm}

    return step


# Precision --------------------------------------------------------------------------

PRECISIONS = ("float32", "bfloat16")


def mixed_precision(
    precision: str, device: torch.device | str = "cpu"
) -> torch.autocast:
    """A context for the forward pass: `with mixed_precision(precision): loss = ...`

    In "bfloat16" matrix products keep 8 bits of a number's digits in place of 24, and
    sums of two such numbers run faster where the processor has instructions for them
    (see `multiplies_bfloat16`). Weights, the residual stream, attention's comparing and
    averaging, loss and the optimisers stay in float32, so that small updates are not
    rounded away (Micikevicius et al. 2018; Kalamkar et al. 2019). On a graphics card
    attention takes few bits too, as its kernels do. "float32" changes nothing.

    device : where the model is.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"precision is {precision!r}; choose one of {PRECISIONS}")
    kind = torch.device(device).type
    return torch.autocast(kind, torch.bfloat16, enabled=precision == "bfloat16")


def multiplies_bfloat16(device: torch.device | str = "cpu") -> bool:
    """Whether this device has instructions for products of bfloat16 numbers."""
    if torch.device(device).type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    here = torch.cpu.get_capabilities()
    return bool(here.get("avx512_bf16") or here.get("amx_bf16"))
