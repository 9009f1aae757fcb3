"""The `capstone` command: begin, run and check an experiment of one's own."""

import argparse
import shutil
from pathlib import Path

from authoring.capstone.plan import read_plan
from authoring.capstone.results import Results
from authoring.capstone.review import review
from llmlab.arguments import folder_path
from llmlab.files import write_atomically
from llmlab.paths import ROOT

MATERIAL = ROOT / "exercises" / "capstone"
GIVEN = ("plan.toml", "experiment.py", "report.md")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "action",
        choices=ACTIONS,
        help="new: write what you start from; run: both arms of every seed, going on "
        "where it was; check: what is still missing",
    )
    parser.add_argument(
        "folder",
        nargs="?",
        type=folder_path,
        default=ROOT / "my_course" / "capstone",
        help="of your experiment (default: my_course/capstone)",
    )


def main(arguments: argparse.Namespace) -> int:
    return ACTIONS[arguments.action](arguments.folder)


def new(folder: Path) -> int:
    there = [name for name in GIVEN if (folder / name).exists()]
    if there:
        raise ValueError(
            f"{folder} holds {', '.join(there)} already, and nothing is written over. "
            "Go on with it, or name another folder"
        )
    folder.mkdir(parents=True, exist_ok=True)
    for name in GIVEN:
        shutil.copy(MATERIAL / name, folder)
    print(f"{', '.join(GIVEN)} are in {folder}. Begin with plan.toml.")
    return 0


def run(folder: Path) -> int:
    _check_begun(folder)
    plan, results = read_plan(folder / "plan.toml"), Results(folder)
    results.carry_out(plan)
    write_atomically(folder / "results.md", results.tell(plan).encode())
    write_atomically(folder / "texts.md", results.tell_texts().encode())
    print(f"\n{results.tell(plan)}\nNow write report.md, in {folder}.")
    return 0


def check(folder: Path) -> int:
    _check_begun(folder)
    plan, results = read_plan(folder / "plan.toml"), Results(folder)
    report = folder / "report.md"
    remarks = review(plan, results, report, MATERIAL / "report.md")
    for remark in remarks:
        print(f"{'✓' if remark.holds else '✗'} {remark.what}")
        if not remark.holds:
            print(f"  {remark.advice}")
    still = sum(not remark.holds for remark in remarks)
    print(f"\n{still} open." if still else "\nNothing is open: hand it in.")
    return 1 if still else 0


def _check_begun(folder: Path) -> None:
    missing = [name for name in GIVEN if not (folder / name).exists()]
    if missing:
        raise ValueError(
            f"{folder} has no {', '.join(missing)}. Begin with: python -m llmlab "
            "capstone new"
        )


ACTIONS = {"new": new, "run": run, "check": check}
