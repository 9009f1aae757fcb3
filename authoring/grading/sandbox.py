"""What a process beside a learner's code is given: an environment, and a wall."""

import os
import sys
from pathlib import Path

from llmlab.paths import ROOT

HERE = Path(__file__).resolve().parent
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc/alternatives")
SYSTEM_FILES = ("/etc/ld.so.cache", "/etc/localtime", "/etc/fonts", "/etc/passwd")


def command(*words: str) -> list[str]:
    return [sys.executable, "-s", str(HERE / "worker.py"), str(ROOT), *words]


def environment(folder: Path) -> dict[str, str]:
    """Without secrets: nothing of the grading person's own goes in."""
    kept = ("PATH", "SYSTEMROOT", "LD_LIBRARY_PATH")
    own = ("HOME", "TMPDIR", "TEMP", "MPLCONFIGDIR", "IPYTHONDIR")
    return {
        **{name: os.environ[name] for name in kept if name in os.environ},
        **{name: str(folder) for name in own},
        "LLMLAB_RUNS": str(folder / "runs"),
        "LANG": "C.UTF-8",
        "MPLBACKEND": "agg",
        "OMP_NUM_THREADS": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUTF8": "1",
    }


def shown() -> list[Path]:
    """Of this machine and course, what a learner's code may read."""
    prefixes = {Path(sys.prefix), Path(sys.prefix).resolve()}
    return [*prefixes, Path(sys.base_prefix).resolve(), ROOT / "llmlab", ROOT / "data"]


def in_bubblewrap(words: list[str], folder: Path, hidden) -> list[str]:
    """The command where nothing is but the system, Python, llmlab and its folder."""
    wall = ["bwrap", "--unshare-all", "--die-with-parent", "--new-session"]
    wall += ["--clearenv", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]
    for name, value in environment(folder).items():
        wall += ["--setenv", name, value]
    system = [*map(Path, SYSTEM + SYSTEM_FILES)]
    own = [HERE / name for name in ("worker.py", "rail.py", "wire.py")]
    for places in (system, [*shown(), *own]):
        for path in places:
            wall += ["--ro-bind-try", str(path), str(path)]
        for path in (ROOT, *map(Path.resolve, hidden)):
            if any(path.is_relative_to(place) and path != place for place in places):
                wall += ["--tmpfs", str(path)]
    return [*wall, "--bind", str(folder), str(folder), "--chdir", str(folder), *words]
