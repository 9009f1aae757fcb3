"""The front door tells the truth."""

import json
import re

import pytest

from llmlab.paths import CHECKPOINTS, ROOT
from llmlab.report import markdown_table

README = (ROOT / "README.md").read_text("utf-8")
LINKS = re.findall(r"\]\(([^)#:]+)\)", README)
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def test_the_figures_are_those_of_the_shipped_life():
    report = json.loads((CHECKPOINTS / "report.json").read_text("utf-8"))
    assert markdown_table(report) in README


@pytest.mark.parametrize("link", LINKS)
def test_every_link_leads_somewhere(link):
    assert (ROOT / link).exists()


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_map_gives_the_measured_minutes(notebook):
    first_page = json.loads(notebook.read_text("utf-8"))["cells"][0]["source"]
    minutes = re.search(r"(\d+) minutes?", "".join(first_page)).group(1)
    link = f"(notebooks/{notebook.name})"
    [row] = [line for line in README.splitlines() if link in line]
    assert row.rstrip(" |").endswith(f"| {minutes}")


def test_every_module_is_on_the_map():
    modules = {path.stem for path in (ROOT / "llmlab").glob("*.py")}
    unlisted = {"__init__", "__main__", "arguments", "paths", "files"}
    unlisted |= {"doctor", "write_village"}
    named = set(re.findall(r"`(\w+)`", README))
    assert modules - unlisted <= named


def test_what_can_be_read_is_as_long_as_the_front_door_says():
    core = (
        *("gpt", "cache", "batching", "sampling", "decoding", "likelihood"),
        *("training", "optimisers", "pretraining"),
        *("rollouts", "policy_gradient", "ppo"),
    )
    files = [ROOT / "llmlab" / f"{name}.py" for name in core]
    lines = sum(len(file.read_text("utf-8").splitlines()) for file in files)
    assert "PPO with all that it stands on are 3,000 lines" in README
    assert 2700 < lines < 3150
