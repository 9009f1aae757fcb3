"""The `doctor` command: what is here, what is broken, and what to do about it.

It must speak where nothing is installed, so libraries are imported where they are
asked for, and one that is missing is a finding like any other.
"""

import argparse
import hashlib
import importlib
import importlib.metadata
import json
import os
import platform
import re
import shutil
import sys
import sysconfig
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path

from llmlab.files import bytes_of_repository
from llmlab.paths import CHECKPOINTS, IS_CLONE, ROOT, RUNS

GIB = 1024**3
# A whole tour stays below 3 GB of memory; the runs of the course fit into 1 GB.
MEMORY_NEEDED = 3 * GIB
DISK_NEEDED = 1 * GIB
# Parts of Python that are left out where it was built without a system library.
PARTS_OF_PYTHON = {
    "sqlite3": "the labels of notebook 09 and JupyterLab",
    "ssl": "pip and JupyterLab",
    "ctypes": "torch",
    "zlib": "pip and pictures",
}
NEW_LINE = "\n" + " " * 20
SET_UP = "run `make setup` (or `python tasks.py setup`) and use the Python in .venv"


@dataclass(frozen=True)
class Finding:
    """What is to be told; `remedy` is what to do where there is a fault."""

    value: str
    remedy: str | None = None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The doctor asks nothing."""


def main(arguments: argparse.Namespace) -> int:
    """Print the findings; return 1 where one of them is a fault, else 0."""
    faults = 0
    for examine in EXAMINATIONS:
        try:
            finding = examine()
        except ImportError as error:
            finding = Finding(f"cannot be examined: {error}", SET_UP)
        mark = "FAULT" if finding.remedy else "ok"
        print(f"{mark:5}  {examine.__name__:12} {finding.value}", flush=True)
        if finding.remedy:
            faults += 1
            print(f"{'':7}{'':13}-> {finding.remedy}", flush=True)
    if faults:
        print(f"\n{faults} fault{'s' if faults > 1 else ''}: see the arrows above.")
    else:
        print("\nAll is well.")
    return 1 if faults else 0


def python() -> Finding:
    """The interpreter, and whether the environment was made for it."""
    value = f"{platform.python_version()} on {platform.platform()}"
    libraries = Path(sysconfig.get_path("purelib"))
    if sys.prefix != sys.base_prefix and not libraries.is_dir():
        value += f"{NEW_LINE}but {sys.prefix} was made for another Python, whose "
        value += "libraries this one does not see"
        advice = "run `make setup` (or `python tasks.py setup`) outside of it: it is "
        return Finding(value, f"{advice}built anew")
    missing = [name for name in PARTS_OF_PYTHON if not can_import(name)]
    if not missing:
        return Finding(value)
    needed = "; ".join(f"{name} for {PARTS_OF_PYTHON[name]}" for name in missing)
    advice = "make setup PYTHON=python3.12, or python3.12 tasks.py setup"
    value += f"{NEW_LINE}without what is needed: {needed}"
    return Finding(value, f"use a Python that has it: {advice}")


def can_import(name: str) -> bool:
    try:
        importlib.import_module(name)
    except ImportError:
        return False
    return True


def libraries(root: Path = ROOT) -> Finding:
    """Installed versions against the lock, or against what an installed wheel asks."""
    wanted = list(required(root))
    wrong = []
    for requirement in wanted:
        installed = installed_version(requirement.name)
        if installed is None or not requirement.specifier.contains(installed):
            wrong.append(f"{requirement} (here: {installed or 'none'})")
    value = f"torch {installed_version('torch') or 'none'}; "
    value += f"{len(wanted) - len(wrong)} of {len(wanted)} libraries as wanted"
    if not wrong:
        return Finding(value)
    more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
    return Finding(f"{value}{NEW_LINE}{', '.join(wrong[:3])}{more}", SET_UP)


def required(root: Path):
    """What this machine should have, each a `packaging` Requirement.

    In a clone: the lines of the lock that apply here, and torch. Elsewhere: what the
    installed package names.
    """
    from packaging.requirements import Requirement

    lock, project = root / "requirements.lock", root / "pyproject.toml"
    if lock.exists() and project.exists():
        lines = re.findall(r"^([\w.-]+==[^\\\n]+)", lock.read_text("utf-8"), re.M)
        settings = tomllib.loads(project.read_text("utf-8"))
        lines += settings["tool"]["uv"]["constraint-dependencies"]
    else:
        lines = importlib.metadata.requires("llmlab") or []
    for line in lines:
        requirement = Requirement(line.strip())
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield requirement


def installed_version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def device() -> Finding:
    import torch

    cores = f"CPU: {os.cpu_count()} cores, {torch.get_num_threads()} threads"
    gpu = f"; GPU: {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    return Finding(cores + gpu)


def speed() -> Finding:
    """Multiply matrices for a moment, with one thread and with all of them."""
    import torch

    threads, cores = torch.get_num_threads(), os.cpu_count() or 1
    try:
        torch.set_num_threads(1)
        alone = gigaflops(seconds=0.2)
        torch.set_num_threads(cores)
        together = gigaflops(seconds=0.2)
    finally:
        torch.set_num_threads(threads)
    value = f"{alone:.0f} GFLOP/s in float32 with 1 thread, {together:.0f} with {cores}"
    if together < alone:
        value += f"{NEW_LINE}{cores} threads are slower than one just now: "
        value += "set the variable OMP_NUM_THREADS=1"
    return Finding(value)


def gigaflops(seconds: float, rows: int = 4096, width: int = 128) -> float:
    """Billions of float32 operations a second in products of the model's shapes."""
    import torch

    inputs, weights = torch.rand(rows, width), torch.rand(width, 4 * width)
    inputs @ weights  # the first product starts the threads
    products, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        inputs @ weights
        products += 1
    operations = products * 2 * rows * width * 4 * width
    return operations / (time.perf_counter() - start) / 1e9


def memory() -> Finding:
    import psutil

    state = psutil.virtual_memory()
    value = f"{state.available / GIB:.1f} of {state.total / GIB:.1f} GiB free"
    advice = f"a tour needs up to {MEMORY_NEEDED / GIB:.0f} GiB: close other programs"
    return Finding(value, None if state.available >= MEMORY_NEEDED else advice)


def disk(folder: Path = RUNS) -> Finding:
    """Room for the learner's runs, and the right to write them."""
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    if not os.access(existing, os.W_OK):
        advice = "set the variable LLMLAB_RUNS to a folder that can be"
        return Finding(f"{existing} cannot be written", advice)
    free = shutil.disk_usage(existing).free
    advice = (
        f"keep {DISK_NEEDED / GIB:.0f} GiB free: delete old runs, or set the variable "
        "LLMLAB_RUNS to a folder on another disk"
    )
    value = f"{free / GIB:.1f} GiB free for {folder}"
    return Finding(value, None if free >= DISK_NEEDED else advice)


def data() -> Finding:
    """Can the village still tell something?"""
    try:
        from llmlab.village import documents

        texts = [item.text for item in documents(20, seed=0, split="train")]
    except Exception as error:
        # Whatever is wrong with the files that the village reads, it is said here.
        value = f"the village cannot be told ({type(error).__name__}: {error})"
        return Finding(value, "restore its files: git restore llmlab/village")
    return Finding(f"the village tells {len(texts)} documents")


def checkpoints(folder: Path = CHECKPOINTS) -> Finding:
    """The shipped checkpoints against their manifest.

    `manifest.json` says for every file in the folder `{"bytes": ..., "sha256": ...}`.
    """
    restore = "`git restore data/checkpoints`, or train them: `make tour`"
    restore = f"restore them with {restore}"
    path = folder / "manifest.json"
    try:
        manifest = json.loads(path.read_text("utf-8"))
        wrong = [
            f"{name}: {fault}"
            for name, entry in manifest.items()
            if (fault := file_fault(folder / name, entry["bytes"], entry["sha256"]))
        ]
    except OSError:
        if not IS_CLONE:
            return Finding("none: a clone of the repository has them")
        return Finding(f"{path} cannot be read", restore)
    except (ValueError, TypeError, KeyError, AttributeError):
        return Finding(f"{path} is not a manifest", restore)
    found = {path.name for path in folder.glob("*.safetensors")}
    wrong += [f"{name}: not in the manifest" for name in sorted(found - set(manifest))]
    if wrong:
        return Finding("; ".join(wrong), restore)
    total = sum(entry["bytes"] for entry in manifest.values())
    return Finding(f"{len(manifest)} files, {total / 1e6:.1f} MB, all whole")


def file_fault(path: Path, size: int, sha256: str) -> str | None:
    """What is wrong with a file, given its size in bytes and its SHA-256 in hex."""
    if not path.is_file():
        return "missing"
    data = bytes_of_repository(path)
    if len(data) != size:
        return f"{len(data)} bytes instead of {size}"
    if hashlib.sha256(data).hexdigest() != sha256:
        return "its content has changed"
    return None


EXAMINATIONS = [python, libraries, device, speed, memory, disk, data, checkpoints]
