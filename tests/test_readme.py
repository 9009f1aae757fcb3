"""The front door tells the truth."""

import contextlib
import io
import json
import re

import pytest

from authoring import pictures
from llmlab import village
from llmlab.paths import CHECKPOINTS, ROOT
from llmlab.report import bars

README = (ROOT / "README.md").read_text("utf-8")
MEASURED = (ROOT / "data" / "measured.md").read_text("utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
LINK = re.compile(r"\]\(([^)#:]+)\)|(?:src|srcset)=\"([^\"]+)\"")
LINKS = [a or b for a, b in LINK.findall(README)]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def test_the_figures_are_those_of_the_shipped_life():
    report = json.loads((CHECKPOINTS / "report.json").read_text("utf-8"))
    table = ["| what | measured | wanted |", "|---|---|---|"]
    for bar in bars(report):
        wanted = bar.wanted or "told, not promised"
        table.append(f"| {bar.what} | {bar.measured} | {wanted} |")
    assert "\n".join(table) in MEASURED


@pytest.mark.parametrize("link", LINKS)
def test_every_link_leads_somewhere(link):
    assert (ROOT / link).exists()


@pytest.mark.parametrize("link", [a or b for a, b in LINK.findall(MEASURED)])
def test_every_link_of_what_was_measured_leads_somewhere(link):
    assert (ROOT / "data" / link).exists()


def test_the_front_door_is_short():
    assert len(README.splitlines()) < 150


def test_the_story_of_the_front_is_the_first_of_the_test():
    said = (ROOT / "data" / "pictures" / "chat.txt").read_text("utf-8")
    [message] = village.story_prompts(1, seed=1, split="test")
    assert said.splitlines()[0] == message
    stages = [line.split(":")[0] for line in said.splitlines()[1:]]
    assert stages == ["random", "base", "instruct", "ppo"]


def test_the_front_tells_the_answers_to_who_cannot_see_them():
    said = (pictures.FOLDER / "chat.txt").read_text("utf-8")
    assert f'alt="{pictures.alternative(said)}"' in README


def test_the_stages_answer_as_the_front_shows():
    names, heard = {}, io.StringIO()
    exec(pictures.CHAT.replace("display(chat)", ""), names)
    with contextlib.redirect_stdout(heard):
        exec(pictures.SAID, names)
    said = (pictures.FOLDER / "chat.txt").read_text("utf-8")
    assert heard.getvalue().strip() == said.strip()


@pytest.mark.parametrize("name", ["chat.png", "chat-dark.png"])
def test_the_pictures_of_the_front_are_light(name):
    assert (pictures.FOLDER / name).stat().st_size < 90_000


def test_without_a_browser_the_pictures_say_so_and_write_nothing(
    monkeypatch, capsys, tmp_path
):
    monkeypatch.setattr(pictures, "FOLDER", tmp_path / "pictures")
    monkeypatch.setattr(pictures.shutil, "which", lambda name: None)
    monkeypatch.setattr(pictures, "find_spec", lambda name: name)
    with pytest.raises(SystemExit, match="1"):
        pictures.main([])
    assert "install the package chromium" in capsys.readouterr().err
    assert not (tmp_path / "pictures").exists()


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
    named = set(re.findall(r"`(\w+)`", CONTRIBUTING))
    assert modules - unlisted <= named


def test_ppo_with_all_that_it_stands_on_is_as_short_as_the_front_door_says():
    seen, waiting = set(), [ROOT / "llmlab" / "ppo.py"]
    while waiting:
        path = waiting.pop()
        seen.add(path)
        named = re.findall(
            r"from llmlab(?:\.(\w+))? import (.+)", path.read_text("utf-8")
        )
        for module, names in named:
            for name in [module] if module else names.split(", "):
                used = ROOT / "llmlab" / f"{name}.py"
                if used.exists() and used not in seen:
                    waiting.append(used)
    lines = sum(len(path.read_text("utf-8").splitlines()) for path in seen)
    assert "on, the model and its training included, is under 4,000 lines" in README
    assert {"gpt.py", "training.py", "rollouts.py"} <= {path.name for path in seen}
    assert lines < 4000
