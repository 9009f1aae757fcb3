"""The `course` command: the learner's own folder, made or updated, in JupyterLab."""

import argparse
import os
import signal
import subprocess
import sys
import webbrowser
from pathlib import Path
from urllib.parse import quote

from authoring.course.memory import DOT, TooNew
from authoring.course.pages import course_pages
from authoring.course.working_copy import bring_up_to_date
from llmlab.arguments import folder_path
from llmlab.paths import ROOT, RUNS

FOLDER = "my_course"
THIS = "python -m llmlab course"
# What JupyterLab is given here: settings that hold unless the learner has their own.
# (An instructor's menu, nbgrader's, is off in it; a plain `jupyter lab` has it.)
LAB = Path(__file__).parent / "lab"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "folder",
        nargs="?",
        type=folder_path,
        help=f"your working copy (default: {FOLDER} in the clone of the course)",
    )
    parser.add_argument(
        "--restore",
        metavar="PAGE",
        help="bring back a page that you deleted (05, ps1, or its name); of one that "
        "is there, lay a fresh copy beside it",
    )
    parser.add_argument(
        "--no-lab", action="store_true", help="make or update it, and open nothing"
    )
    parser.add_argument(
        "--lab",
        action="append",
        default=[],
        metavar="OPTION",
        help="an option for JupyterLab, such as --lab=--no-browser; may be repeated",
    )


def main(arguments: argparse.Namespace) -> int:
    folder = (arguments.folder or default_folder()).absolute()
    running = running_server(folder)
    if running:
        address = f"{running['url']}lab?token={running.get('token', '')}"
        print(f"Your course is open already, and is not updated meanwhile: {address}")
        if not (arguments.no_lab or "--no-browser" in arguments.lab):
            webbrowser.open(address)
        return 0
    first_page = None
    try:
        report = bring_up_to_date(folder, course_pages(), arguments.restore)
        first_page = report.delivered[0] if report.first_day else None
        for sentence in report.sentences():
            print(sentence)
        if report.first_day and RUNS.is_dir() and any(RUNS.iterdir()):
            print(f"If you have one elsewhere: {THIS} FOLDER opens that one.")
    except TooNew as error:
        print(f"{error}.")
    print(f"Your folder: {folder}", flush=True)
    return 0 if arguments.no_lab else open_lab(folder, first_page, arguments.lab)


def default_folder() -> Path:
    """`my_course` in the clone, or the one working copy there under another name."""
    folder = ROOT / FOLDER
    if not folder.exists():
        renamed = [path.parent for path in ROOT.glob(f"*/{DOT}")]
        if len(renamed) == 1:
            return renamed[0]
    return folder


def running_server(folder: Path) -> dict | None:
    """What Jupyter notes of a server that has the folder open, or None."""
    from jupyter_server import serverapp

    for server in serverapp.list_running_servers():
        same = Path(server.get("root_dir", "")).resolve() == folder.resolve()
        if same and is_jupyter(server["pid"]):
            return server
    return None


def is_jupyter(pid: int) -> bool:
    """The number of a server that crashed may be another program's by now."""
    import psutil

    try:
        words = psutil.Process(pid).cmdline()
    except psutil.Error:
        return False
    return any("jupyter" in word for word in words)


def lab_command(folder: Path, first_page: str | None) -> list[str]:
    """How JupyterLab is started on a working copy; it keeps its token."""
    page = f"/tree/{quote(first_page)}" if first_page else ""
    command = [
        *(sys.executable, "-m", "jupyterlab"),
        f"--ServerApp.root_dir={folder}",
        f"--LabApp.default_url=/lab{page}",
        "--LabApp.custom_css=True",
        f"--ServerApp.tornado_settings=static_custom_path={LAB / 'custom'}",
    ]
    if os.name != "nt" and os.geteuid() == 0:
        command.append("--allow-root")
    return command


def lab_environment() -> dict[str, str]:
    """With our settings, and `llmlab` found by every kernel, wherever the folder is."""
    environment = dict(os.environ)
    for name, ours in (("JUPYTER_CONFIG_PATH", LAB), ("PYTHONPATH", ROOT)):
        others = environment.get(name)
        environment[name] = os.pathsep.join([str(ours), *([others] if others else [])])
    return environment


def open_lab(folder: Path, first_page: str | None, options: list[str]) -> int:
    # Ctrl-C belongs to JupyterLab, which asks back.
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        command = [*lab_command(folder, first_page), *options]
        return subprocess.run(command, cwd=folder, env=lab_environment()).returncode
    finally:
        signal.signal(signal.SIGINT, before)
