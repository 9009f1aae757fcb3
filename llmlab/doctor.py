"""The `doctor` command: what is here, what is broken, and what to do about it."""

import argparse
import hashlib
import importlib.metadata
import json
import os
import platform
import re
import shutil
import time
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import torch
from packaging.requirements import Requirement

from llmlab.paths import CHECKPOINTS, ROOT, RUNS

GIB = 1024**3
# A whole tour stays below 3 GB of memory; the runs of the course fit into 1 GB.
MEMORY_NEEDED = 3 * GIB
DISK_NEEDED = 1 * GIB


@dataclass(frozen=True)
class Finding:
    """One line of the screen; `remedy` is what to do where there is a fault."""

    name: str
    value: str
    remedy: str | None = None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The doctor asks nothing."""


def main(arguments: argparse.Namespace) -> int:
    """Print the findings; return 1 where one of them is a fault, else 0."""
    faults = 0
    for examine in EXAMINATIONS:
        finding = examine()
        mark = "FAULT" if finding.remedy else "ok"
        print(f"{mark:5}  {finding.name:12} {finding.value}", flush=True)
        if finding.remedy:
            faults += 1
            print(f"{'':7}{'':13}-> {finding.remedy}", flush=True)
    if faults:
        print(f"\n{faults} fault{'s' if faults > 1 else ''}: see the arrows above.")
    else:
        print("\nAll is well.")
    return 1 if faults else 0


def python() -> Finding:
    return Finding("python", f"{platform.python_version()} on {platform.platform()}")


def libraries(root: Path = ROOT) -> Finding:
    """Installed versions against pyproject.toml and the lock."""
    lock, project = root / "requirements.lock", root / "pyproject.toml"
    missing = [path.name for path in (lock, project) if not path.exists()]
    if missing:
        return Finding(
            "libraries",
            f"{' and '.join(missing)} not found in {root}",
            "run the doctor from a clone of the repository",
        )
    wanted = list(required(lock.read_text("utf-8"), project.read_text("utf-8")))
    wrong = []
    for requirement in wanted:
        installed = installed_version(requirement.name)
        if installed is None or not requirement.specifier.contains(installed):
            wrong.append(f"{requirement} (here: {installed or 'none'})")
    value = f"torch {torch.__version__}; {len(wanted) - len(wrong)} of {len(wanted)} "
    value += "libraries as locked"
    if not wrong:
        return Finding("libraries", value)
    more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
    return Finding(
        "libraries",
        f"{value}\n{'':20}{', '.join(wrong[:3])}{more}",
        "run `make setup` (or `python tasks.py setup`) and use the Python in .venv",
    )


def required(lock: str, project: str) -> Iterator[Requirement]:
    """What this machine should have: the lock's lines that apply here, and torch."""
    for line in re.findall(r"^([\w.-]+==[^\\\n]+)", lock, re.MULTILINE):
        requirement = Requirement(line.strip())
        if requirement.marker is None or requirement.marker.evaluate():
            yield requirement
    for line in tomllib.loads(project)["project"]["dependencies"]:
        if Requirement(line).name == "torch":
            yield Requirement(line)


def installed_version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def device() -> Finding:
    cores = psutil.cpu_count(logical=False) or os.cpu_count()
    unused = " (the GPU is not used)" if torch.cuda.is_available() else ""
    return Finding(
        "device", f"CPU: {cores} cores, {torch.get_num_threads()} threads{unused}"
    )


def speed() -> Finding:
    """Multiply matrices for a moment, with one thread and with all of them."""
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        alone = gigaflops(seconds=0.2)
        torch.set_num_threads(os.cpu_count() or 1)
        together = gigaflops(seconds=0.2)
    finally:
        torch.set_num_threads(threads)
    return Finding(
        "speed",
        f"{alone:.0f} GFLOP/s in float32 with 1 thread, {together:.0f} with "
        f"{os.cpu_count()}",
    )


def gigaflops(seconds: float, size: int = 512) -> float:
    """Billions of float32 operations a second in products of size x size matrices."""
    matrix = torch.rand(size, size)
    matrix @ matrix  # the first product starts the threads
    products, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        matrix @ matrix
        products += 1
    return products * 2 * size**3 / (time.perf_counter() - start) / 1e9


def memory() -> Finding:
    state = psutil.virtual_memory()
    value = f"{state.available / GIB:.1f} of {state.total / GIB:.1f} GiB free"
    if state.available >= MEMORY_NEEDED:
        return Finding("memory", value)
    return Finding(
        "memory",
        value,
        f"a tour needs up to {MEMORY_NEEDED / GIB:.0f} GiB: close other programs",
    )


def disk(folder: Path = RUNS) -> Finding:
    """Room for the learner's runs, and the right to write them."""
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    value = f"{free / GIB:.1f} GiB free for {folder}"
    if not os.access(existing, os.W_OK):
        return Finding(
            "disk",
            f"{existing} cannot be written",
            "set the variable LLMLAB_RUNS to a folder that can be",
        )
    if free < DISK_NEEDED:
        return Finding(
            "disk",
            value,
            f"keep {DISK_NEEDED / GIB:.0f} GiB free: delete old runs, or set the "
            "variable LLMLAB_RUNS to a folder on another disk",
        )
    return Finding("disk", value)


def data() -> Finding:
    """Can the village still tell something?"""
    try:
        from llmlab.village import documents

        texts = [item.text for item in documents(20, seed=0, split="train")]
    except Exception as error:
        # Whatever is wrong with the files that the village reads, it is said here.
        return Finding(
            "data",
            f"the village cannot be told ({type(error).__name__}: {error})",
            "restore its files: git restore llmlab/village",
        )
    return Finding("data", f"the village tells {len(texts)} documents")


def checkpoints(folder: Path = CHECKPOINTS) -> Finding:
    """The shipped checkpoints against their manifest.

    `manifest.json` says for every file in the folder `{"bytes": ..., "sha256": ...}`.
    """
    restore = (
        "restore them with `git restore data/checkpoints`, or train them: `make tour`"
    )
    path = folder / "manifest.json"
    try:
        manifest = json.loads(path.read_text("utf-8"))
        wrong = [
            f"{name}: {fault}"
            for name, entry in manifest.items()
            if (fault := file_fault(folder / name, entry["bytes"], entry["sha256"]))
        ]
    except OSError:
        return Finding("checkpoints", f"{path} cannot be read", restore)
    except (ValueError, TypeError, KeyError, AttributeError):
        return Finding("checkpoints", f"{path} is not a manifest", restore)
    listed = {folder / name for name in manifest}
    wrong += [
        f"{path.name}: not in the manifest"
        for path in sorted(folder.glob("*.safetensors"))
        if path not in listed
    ]
    if wrong:
        return Finding("checkpoints", "; ".join(wrong), restore)
    total = sum(entry["bytes"] for entry in manifest.values())
    return Finding(
        "checkpoints", f"{len(manifest)} files, {total / 1e6:.1f} MB, all whole"
    )


def file_fault(path: Path, size: int, sha256: str) -> str | None:
    """What is wrong with a file, given its size in bytes and its SHA-256 in hex."""
    if not path.is_file():
        return "missing"
    if path.stat().st_size != size:
        return f"{path.stat().st_size} bytes instead of {size}"
    if hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
        return "its content has changed"
    return None


EXAMINATIONS: list[Callable[[], Finding]] = [
    *(python, libraries, device, speed, memory, disk, data, checkpoints),
]
