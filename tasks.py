"""Every task of the course, on any system, with Python 3.11 or newer and nothing else.

    python tasks.py lab             set up what is missing, then open the course
    python tasks.py test -- -k gpt  arguments after the task go to what it runs

Each task first makes sure that the folder .venv holds exactly what
requirements.lock names; on a fresh machine that takes a minute and a download.
"""

import argparse
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
LOCK = ROOT / "requirements.lock"
VENV = ROOT / ".venv"
# Written last: an environment without it was never finished.
STAMP = VENV / "llmlab-stamp.txt"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
# What only torch's builds for graphics cards need is left out with torch itself:
# it differs from machine to machine, so one list of hashes cannot name it.
OUTSIDE_THE_LOCK = re.compile(r"torch|triton|cuda-.*|nvidia-.*")


def run(*command, **options):
    """Run a command from the root of the course; a failure raises."""
    subprocess.run([str(part) for part in command], cwd=ROOT, check=True, **options)


def torch_requirement():
    import tomllib  # here, so that an older Python can still say what is wanted

    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    return settings["tool"]["uv"]["constraint-dependencies"][0]


def python_of_environment():
    """Its version now: a Python that the system replaced finds no library of the old.

    None where it does not start at all.
    """
    tell = "import sys; print(*sys.version_info[:2], sep='.')"
    try:
        done = subprocess.run([PYTHON, "-c", tell], capture_output=True, text=True)
    except OSError:
        return None
    return done.stdout.strip() or None


def wanted_stamp():
    """What the stamp of a finished environment says: where it is and what it holds."""
    lock = hashlib.sha256(LOCK.read_bytes().replace(b"\r\n", b"\n")).hexdigest()
    holds = (f"python {python_of_environment()}", torch_requirement(), "clone on path")
    return "\n".join([str(ROOT), *holds, f"requirements.lock sha256 {lock}", ""])


def is_ready():
    if not (PYTHON.exists() and STAMP.exists()):
        return False
    return STAMP.read_text("utf-8") == wanted_stamp()


def create_environment():
    """An empty .venv, whatever an interrupted or older set-up left there."""
    if VENV.exists():
        print(
            f"{VENV} is unfinished, moved, out of date, or its Python was replaced: "
            "building it anew."
        )
        if Path(sys.prefix) == VENV:
            sys.exit("It is active here. Run `deactivate`, then the same task again.")
        shutil.rmtree(VENV)
    try:
        run(sys.executable, "-m", "venv", VENV)
    except subprocess.CalledProcessError:
        sys.exit(
            "Python could not make a virtual environment (see above). On Debian and "
            "Ubuntu: install the package python3-venv, then run the same task again."
        )


def setup(arguments=()):
    """make .venv hold what requirements.lock names"""
    if is_ready():
        return
    create_environment()
    # Python compiles what is imported; compiling all of it here takes a minute.
    options = ("--disable-pip-version-check", "--no-compile")
    pip = (PYTHON, "-m", "pip", "install", *options)
    print("1/3 the libraries of the lock, each checked against its hash", flush=True)
    run(*pip, "--quiet", "--require-hashes", "--no-deps", "-r", LOCK)
    print(f"2/3 {torch_requirement()}", flush=True)
    run(*pip, torch_requirement())
    print("3/3 llmlab", flush=True)
    run(*pip, "--quiet", "--no-deps", "--no-build-isolation", "--editable", ROOT)
    run(PYTHON, "-m", "pip", "check")
    # The first import of matplotlib looks for fonts, slowly and with a message.
    run(PYTHON, "-c", "import matplotlib.font_manager")
    STAMP.write_text(wanted_stamp(), "utf-8")
    print(f"{VENV} is ready.", flush=True)


def lab(arguments):
    """open your own copy of the course in JupyterLab"""
    options = [f"--lab={word}" for word in arguments]
    run(PYTHON, "-m", "llmlab", "course", *options)


def test(arguments):
    """run all tests: units, every cell of every notebook, exercises, browser"""
    # One thread a process: results stay the same and two cores are not fought over.
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    # A notebook's cells share a kernel: loadfile keeps a file in one process. Notebooks
    # take minutes and come first, so that no process ends with one while others wait.
    workers = ("-n", str(min(os.cpu_count() or 1, 4)), "--dist", "loadfile")
    workers += ("--no-loadscope-reorder",)
    run(PYTHON, "-m", "pytest", *workers, *arguments, env=environment)


def tour(arguments):
    """train the whole life of the model, from random weights to PPO"""
    run(PYTHON, "-m", "llmlab", "tour", *arguments)


def doctor(arguments):
    """say in one screen what is here, what is broken and what to do"""
    run(PYTHON, "-m", "llmlab", "doctor", *arguments)


def bench(arguments):
    """measure speed as ratios, the recipe against GPT-2's, and scripted readers"""
    run(PYTHON, "-m", "benchmarks", *arguments)


def notebooks(arguments):
    """build the notebooks from notebooks/src"""
    run(PYTHON, "-m", "authoring", "notebooks", *arguments)


def check_notebooks(arguments):
    """say which notebooks are not what their sources build"""
    run(PYTHON, "-m", "authoring", "notebooks", "--check", *arguments)


def sync_notebooks(arguments):
    """bring edits made in JupyterLab back to notebooks/src"""
    run(PYTHON, "-m", "authoring", "notebooks", "--sync", *arguments)


def exercises(arguments):
    """make the notebooks of the exercise sets"""
    run(PYTHON, "-m", "authoring", "exercises", *arguments)


def lock(arguments):
    """write requirements.lock anew from pyproject.toml (needs uv)"""
    if shutil.which("uv") is None:
        sys.exit("The lock is made with uv, which is not here: pip install uv")
    compile_lock = (
        *("uv", "pip", "compile", "--quiet", "--universal", "--python-version", "3.11"),
        *("--no-header", "--no-annotate", "--all-extras"),
        *("-o", LOCK, *arguments, "pyproject.toml"),
    )
    run(*compile_lock)
    names = re.findall(r"^([\w.-]+)==", LOCK.read_text("utf-8"), re.MULTILINE)
    left_out = [name for name in names if OUTSIDE_THE_LOCK.fullmatch(name)]
    options = [part for name in left_out for part in ("--no-emit-package", name)]
    run(*compile_lock, "--generate-hashes", *options)


def clean(arguments):
    """remove .venv and caches; keep what you trained, labelled or wrote"""
    kept = {VENV, ROOT / ".git", ROOT / "runs", ROOT / "my_course"}
    names = {"__pycache__", ".ipynb_checkpoints", ".pytest_cache", ".ruff_cache"}
    for folder, subfolders, _ in os.walk(ROOT):
        subfolders[:] = [name for name in subfolders if Path(folder, name) not in kept]
        for name in list(subfolders):
            if name in names or name.endswith(".egg-info"):
                shutil.rmtree(Path(folder, name))
                subfolders.remove(name)
    if VENV.exists():
        shutil.rmtree(VENV)


TASKS = {
    function.__name__.replace("_", "-"): function
    for function in (
        *(setup, lab, test, tour, doctor, bench),
        *(notebooks, check_notebooks, sync_notebooks, exercises, lock, clean),
    )
}
NEED_NO_ENVIRONMENT = (setup, lock, clean)


def main():
    if sys.version_info < (3, 11):  # noqa: UP036 (an older Python can read this far)
        task = sys.argv[1] if len(sys.argv) > 1 else "lab"
        sys.exit(
            f"llmlab needs Python 3.11 or newer; {sys.executable} is "
            f"{sys.version.split()[0]}. Name another: make {task} PYTHON=python3.12, "
            f"or python3.12 tasks.py {task} (Windows: py -3.12 tasks.py {task})."
        )
    listing = "\n".join(f"  {name:16} {TASKS[name].__doc__}" for name in TASKS)
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=f"tasks:\n{listing}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("task", choices=TASKS, metavar="task")
    parser.add_argument("arguments", nargs=argparse.REMAINDER)
    chosen = parser.parse_args()
    task = TASKS[chosen.task]
    arguments = chosen.arguments[chosen.arguments[:1] == ["--"] :]
    # Ctrl-C belongs to the command: a training saves itself, JupyterLab asks back.
    signal.signal(signal.SIGINT, lambda *_: None)
    try:
        if task not in NEED_NO_ENVIRONMENT:
            setup()
        task(arguments)
    except subprocess.CalledProcessError as failure:
        return explained(chosen.task, failure.returncode)
    return 0


def explained(task, returncode):
    """The exit code of a command that failed; says why where it could not itself."""
    if returncode > 0:
        return returncode  # the command has said on the screen what was wrong
    number = -returncode
    why = signal.strsignal(number) or "unknown"
    if number == 9:
        why += "; most often the system had no memory left"
    print(
        f"\n{task} was ended from outside by signal {number} ({why}). Close other "
        f"programs and give the same command again: a training goes on from what it "
        "had saved. `make doctor` says how much memory is free.",
        file=sys.stderr,
    )
    return 128 + number  # as a shell reports it


if __name__ == "__main__":
    sys.exit(main())
