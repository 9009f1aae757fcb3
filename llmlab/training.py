"""The one training loop, its optimisers and its schedule.

Every phase of the course hands `train` a function that makes one update. The loop does
the rest: progress, a clean stop on interrupt, and checkpoints from which a run that was
killed at any instant goes on *to the same bits* as one that was never disturbed.

Two rules make that exactness simple. All randomness of step n comes from a generator
seeded by (seed, n), so there is no generator state to save. And everything that changes
lives in modules or optimisers, so there is one place to save it from.
"""

import ctypes
import hashlib
import json
import math
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from llmlab.checkpoints import load_run_state, save_run_state

Metrics = dict[str, float]


def step_generator(seed: int, step: int) -> torch.Generator:
    """The source of all randomness of one step."""
    digest = hashlib.sha256(f"{seed}/{step}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7]))


class Interrupted(KeyboardInterrupt):
    """A run was interrupted between two steps; the model is whole, its state saved."""


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
) -> list[Metrics]:
    """Make `steps` updates, or the rest of them if some were made before.

    Parameters
    ----------
    step : makes one update. It gets the step's index and the step's own generator, and
        returns numbers worth keeping, such as loss and tokens.
    modules, optimizers : all that `step` changes, by name.
    state_path : where the run's state is kept. A run that finds a state there goes on
        from it. None: nothing is kept.
    save_every : seconds between two saved states.
    progress : shows how the run goes; see `TerminalProgress`. None: in silence.
    identity : settings that make this run what it is. A state of other settings is
        refused, since going on from it would be neither run.

    Returns
    -------
    The history: one dictionary a step, with `step`, `seconds` (since the run began,
    pauses excluded) and what `step` returned.

    Raises
    ------
    Interrupted : on Ctrl-C or the kernel's stop button. The step under way is finished
        and the state saved first, so that nothing is lost. A second one stops at once.
    ValueError : the state found belongs to another run.
    """
    identity = {"steps": steps, "seed": seed} | (identity or {})
    history: list[Metrics] = []
    if state_path is not None and Path(state_path).exists():
        history = load_run_state(state_path, modules, optimizers, identity)

    def save():
        if state_path is not None:
            save_run_state(state_path, modules, optimizers, identity, history)

    keep_freed_memory()
    progress = progress or SilentProgress()
    progress.start(label, steps, len(history))
    before = history[-1]["seconds"] if history else 0.0
    started = saved = time.perf_counter()
    with _stop_request() as stop_requested:
        for index in range(len(history), steps):
            metrics = step(index, step_generator(seed, index))
            now = time.perf_counter()
            seconds = before + now - started
            history.append({"step": index, "seconds": seconds} | metrics)
            progress.update(index, metrics, seconds)
            if stop_requested():
                save()
                progress.stop("interrupted")
                raise Interrupted(
                    f"{label} stopped after step {index + 1} of {steps}; "
                    + ("run it again to go on" if state_path else "the model is whole")
                )
            if now - saved > save_every:
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
def _stop_request():
    """Turn an interrupt into a question to be asked between steps.

    An exception inside an optimiser's step would leave half of the weights updated.
    """
    requested = False

    def on_interrupt(number, frame):
        nonlocal requested
        if requested:
            raise KeyboardInterrupt
        requested = True

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
    loss: Tensor,
    model: nn.Module,
    optimizers: Iterable[Optimizer],
    *,
    clip: float = 1.0,
) -> float:
    """Differentiate a loss and make one update. Returns the gradient's norm.

    clip : gradients longer than this are shortened to it, so that one strange batch
        cannot throw the model far (Pascanu et al. 2013).
    """
    optimizers = list(optimizers)
    for optimizer in optimizers:
        optimizer.zero_grad(set_to_none=True)
    loss.backward()
    norm = float(nn.utils.clip_grad_norm_(model.parameters(), clip))
    if not math.isfinite(norm):
        raise ValueError(
            f"the gradient is {norm} at a loss of {loss.item()}: this update was not "
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

    Hu et al. 2024 (MiniCPM). The flat part may be of any length, so that a run can be
    made longer without starting again.

    warmup, decay : shares of the run. A long decay ends lower: three quarters of a
        run of 7,000 updates left the base model 0.054 nats above the entropy line, two
        fifths 0.059.
    """
    if step < warmup * steps:
        return (step + 1) / (math.ceil(warmup * steps) + 1)
    return min(1.0, (steps - step) / max(1.0, decay * steps))


def set_learning_rate(optimizers: Iterable[Optimizer], multiplier: float) -> None:
    """Set every group's rate to `multiplier` times the rate it was built with."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"] * multiplier


# Precision --------------------------------------------------------------------------

PRECISIONS = ("float32", "bfloat16")


def mixed_precision(precision: str) -> torch.autocast:
    """A context for the forward pass: `with mixed_precision(precision): loss = ...`

    In "bfloat16" matrix products keep 8 bits of a number's digits in place of 24, and
    sums of two such numbers run faster where the processor has instructions for them
    (see `multiplies_bfloat16`). Weights, the residual stream, attention's comparing and
    averaging, loss and the optimisers stay in float32, so that small updates are not
    rounded away (Micikevicius et al. 2018; Kalamkar et al. 2019). "float32" changes
    nothing.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"precision is {precision!r}; choose one of {PRECISIONS}")
    return torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16")


def multiplies_bfloat16() -> bool:
    """Whether this processor has instructions for products of bfloat16 numbers."""
    here = torch.cpu.get_capabilities()
    return bool(here.get("avx512_bf16") or here.get("amx_bf16"))


# Optimisers -------------------------------------------------------------------------


class Muon(Optimizer):
    """Momentum, made orthogonal: for matrices inside the network.

    The momentum of a weight matrix is dominated by a few directions. Muon replaces it
    by the nearest matrix whose singular values are all one, so that rare directions
    learn as fast as common ones (Jordan et al. 2024).

    Parameters
    ----------
    parameters : matrices of shape (out, in), or several stacked, (blocks * out, in).
    lr : size of an update; its root mean square is lr * 0.2, as an AdamW update's is
        (Liu et al. 2025, "Muon is scalable").
    momentum : share of the past kept; Nesterov's form.
    weight_decay : pull towards zero, in units of lr.
    """

    def __init__(self, parameters, lr, momentum=0.95, weight_decay=0.0):
        super().__init__(
            parameters, dict(lr=lr, momentum=momentum, weight_decay=weight_decay)
        )
        for group in self.param_groups:
            group["initial_lr"] = group["lr"]

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            # Matrices of one shape are orthogonalised together: one product of a
            # stack is faster than many small products.
            by_shape: dict[torch.Size, list[Tensor]] = {}
            for parameter in group["params"]:
                if parameter.grad is not None:
                    by_shape.setdefault(parameter.shape, []).append(parameter)
            for parameters in by_shape.values():
                self._update(parameters, group)

    def _update(self, parameters: list[Tensor], group: dict) -> None:
        ahead = torch.stack([self._nesterov(p, group["momentum"]) for p in parameters])
        size = group["lr"] * 0.2 * math.sqrt(max(ahead.shape[1:]))
        for parameter, update in zip(parameters, orthogonalise(ahead), strict=True):
            parameter.mul_(1 - group["lr"] * group["weight_decay"])
            parameter.sub_(update, alpha=size)

    def _nesterov(self, parameter: Tensor, share: float) -> Tensor:
        """The momentum as it will be after one more gradient like this one."""
        state = self.state[parameter]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(parameter)
        momentum = state["momentum"].lerp_(parameter.grad, 1 - share)
        return parameter.grad.lerp(momentum, share)


def orthogonalise(matrices: Tensor, iterations: int = 5) -> Tensor:
    """Matrices with their singular values pushed to about one: (…, out, in).

    For matrix = U S Vᵀ, roughly U Vᵀ. A quintic Newton-Schulz iteration,
    X <- (a + b G + c G²) X with G = X Xᵀ, which needs nothing but matrix products; its
    coefficients (Jordan et al. 2024) trade exactness (values end between 0.7 and 1.2)
    for speed. Since every factor is a polynomial in the first G, the factors are
    multiplied with each other, all small squares, and only their product with X.
    """
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = matrices.mT if tall else matrices  # the squares are then smaller
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    gram = x @ x.mT
    product = factor = _quintic_factor(gram)
    for _ in range(iterations - 1):
        gram = factor @ gram @ factor
        factor = _quintic_factor(gram)
        product = factor @ product
    x = product @ x
    return x.mT if tall else x


def _quintic_factor(gram: Tensor) -> Tensor:
    """a + b G + c G², in as few passes over memory as possible."""
    factor = (gram @ gram).mul_(2.0315).sub_(gram, alpha=4.7750)
    factor.diagonal(dim1=-2, dim2=-1).add_(3.4445)
    return factor


def adamw(
    module: nn.Module,
    learning_rate: float,
    *,
    betas: tuple[float, float] = (0.9, 0.95),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
) -> dict[str, Optimizer]:
    """AdamW (Loshchilov and Hutter 2019) for every parameter."""
    return {
        "adamw": _adamw(
            list(module.parameters()), learning_rate, betas, eps, weight_decay
        )
    }


def muon_and_adamw(
    module: nn.Module,
    *,
    matrix_rate: float = 0.0035,
    other_rate: float = 0.01,
    weight_decay: float = 0.0,
) -> dict[str, Optimizer]:
    """Muon for the matrices of the blocks; AdamW for the tables of tokens and the rest.

    A rare token's row has a gradient once in many steps only. So the mean of squared
    gradients is taken over a hundred steps (0.99): over twenty (0.95, as for GPT-3) it
    would be nearly forgotten by the next time, and the row would jump.
    """
    matrices, others = [], []
    for name, parameter in module.named_parameters():
        is_matrix = "blocks." in name and parameter.ndim == 2
        (matrices if is_matrix else others).append(parameter)
    return {
        "muon": Muon(matrices, matrix_rate, weight_decay=weight_decay),
        "adamw": _adamw(others, other_rate, (0.9, 0.99), 1e-8, 0.0),
    }


def _adamw(parameters, learning_rate, betas, eps, weight_decay) -> Optimizer:
    optimizer = torch.optim.AdamW(
        parameters, learning_rate, betas, eps, weight_decay, fused=True
    )
    for group in optimizer.param_groups:
        group["initial_lr"] = learning_rate
    return optimizer


# Progress ---------------------------------------------------------------------------


def clock(seconds: float) -> str:
    """Minutes and seconds, as a clock shows them: "1:05"."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"


class SilentProgress:
    """Shows nothing."""

    def start(self, label: str, steps: int, first_step: int) -> None: ...

    def update(self, step: int, metrics: Metrics, seconds: float) -> None: ...

    def stop(self, message: str) -> None: ...


class TerminalProgress:
    """One line that rewrites itself: a bar, the loss, tokens a second, time left.

    Where the output is not a terminal (a log file, CI), it prints a line now and then
    instead.
    """

    def __init__(self, stream=None):
        self.stream = stream or sys.stderr
        self.live = self.stream.isatty()

    def start(self, label: str, steps: int, first_step: int) -> None:
        self.label, self.steps, self.first_step = label, steps, first_step
        self.tokens, self.loss, self.shown = 0.0, None, -math.inf
        self.started = time.perf_counter()
        self.line = ""
        if first_step:
            self._write(f"{label}: going on from step {first_step}\n")

    def update(self, step: int, metrics: Metrics, seconds: float) -> None:
        self.tokens += metrics.get("tokens", 0)
        if "loss" in metrics:  # smoothed: one batch's loss jumps about
            previous = metrics["loss"] if self.loss is None else self.loss
            self.loss = 0.9 * previous + 0.1 * metrics["loss"]
        now = time.perf_counter()
        if now - self.shown < (0.1 if self.live else 20.0) and step + 1 < self.steps:
            return
        self.shown = now
        elapsed = max(now - self.started, 1e-9)
        left = elapsed / (step + 1 - self.first_step) * (self.steps - step - 1)
        self.line = self._describe(step + 1, metrics, elapsed, left)
        if self.live:
            # A line that wraps cannot be rewritten: each update would leave one behind.
            self.line = self.line[: shutil.get_terminal_size().columns - 1]
        self._write(f"\r{self.line}\033[K" if self.live else f"{self.line}\n")

    def _describe(self, done, metrics, elapsed, left) -> str:
        filled = round(12 * done / self.steps)
        parts = [
            f"{self.label:<12} {'█' * filled}{'░' * (12 - filled)} "
            f"{done:>5}/{self.steps}"
        ]
        if self.loss is not None:
            parts.append(f"loss {self.loss:.3f}")
        for name in ("score", "kl", "accuracy"):
            if name in metrics:
                parts.append(f"{name} {metrics[name]:.2f}")
        parts.append(f"{self.tokens / elapsed:,.0f} tokens/s")
        parts.append(f"{clock(left)} left")
        return "  ".join(parts)

    def stop(self, message: str) -> None:
        if self.live and self.line:
            self._write("\n")
        if message != "done":
            self._write(f"{self.label}: {message}\n")

    def _write(self, text: str) -> None:
        self.stream.write(text)
        self.stream.flush()


def identity_hash(settings: dict) -> str:
    """A short fingerprint of settings, for file names and cards."""
    text = json.dumps(settings, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
