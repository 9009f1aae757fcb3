"""The set-up files agree, and the library keeps to the house rules."""

import ast
import functools
import hashlib
import importlib.metadata
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from llmlab.paths import ROOT

SET_UP_FILES = [
    "pyproject.toml",
    "requirements.lock",
    "environment.yml",
    "tasks.py",
    "Makefile",
    ".ci/run",
    ".gitattributes",
    ".github/workflows/test.yml",
    ".devcontainer/devcontainer.json",
    "CITATION.cff",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
]
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PROJECT = SETTINGS["project"]
LOCK = (ROOT / "requirements.lock").read_text("utf-8")
LIBRARY = sorted((ROOT / "llmlab").rglob("*.py"))
SOURCES = sorted((ROOT / "notebooks" / "src").glob("[0-9]*.py"))
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def module_name(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def name_of(path):
    return path.stem if path.suffix == ".ipynb" else module_name(path)


# The set-up files


def locked_versions():
    """Library name to the versions that the lock names, one a platform."""
    versions = {}
    for line in re.findall(r"^([\w.-]+==[^\\\n]+)", LOCK, re.MULTILINE):
        requirement = Requirement(line)
        (version,) = requirement.specifier
        versions.setdefault(requirement.name, set()).add(version.version)
    return versions


def declared_requirements():
    extras = PROJECT["optional-dependencies"].values()
    lines = [*PROJECT["dependencies"], *itertools.chain.from_iterable(extras)]
    return [Requirement(line) for line in lines]


@pytest.mark.parametrize("requirement", declared_requirements(), ids=lambda r: r.name)
def test_the_lock_names_a_version_that_the_project_allows(requirement):
    """The project gives ranges, for whoever installs the library beside others."""
    assert "==" not in str(requirement)
    if requirement.name == "torch":
        assert "torch" not in locked_versions(), "torch has a step of its own"
        (pin,) = map(Requirement, SETTINGS["tool"]["uv"]["constraint-dependencies"])
        assert pin.name == "torch"
        versions = {version.version for version in pin.specifier}
    else:
        versions = locked_versions()[requirement.name.lower()]
    assert len(versions) == 1 and requirement.specifier.contains(*versions)


def test_every_line_of_the_lock_is_checked_by_a_hash():
    entries = re.split(r"\n(?=\S)", LOCK.strip())
    assert len(entries) > 100
    assert [entry for entry in entries if "--hash=sha256:" not in entry] == []


def test_the_lock_installs_nothing_that_only_graphics_cards_need():
    assert re.findall(r"^(?:nvidia|cuda|triton)\S*", LOCK, re.MULTILINE) == []


def test_conda_brings_python_and_pip_and_the_project_brings_the_rest():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text("utf-8"))
    *from_conda, from_pip = environment["dependencies"]
    assert [re.split("=+", line)[0] for line in from_conda] == ["python", "pip"]
    python = from_conda[0].partition("=")[2]
    assert SpecifierSet(PROJECT["requires-python"]).contains(f"{python}.0")
    extras = ",".join(PROJECT["optional-dependencies"])
    assert from_pip == {"pip": [f"-e .[{extras}]"]}
    assert environment["channels"] == ["conda-forge", "nodefaults"]


@pytest.mark.parametrize("name", SET_UP_FILES)
def test_set_up_files_name_no_host(name):
    assert "://" not in (ROOT / name).read_text("utf-8")


def test_make_offers_every_task():
    makefile = (ROOT / "Makefile").read_text("utf-8").replace("\\\n", " ")
    offered = re.search(r"^TASKS := (.*)$", makefile, re.MULTILINE)[1].split()
    assert offered == offered_tasks()


def offered_tasks():
    listing = subprocess.run(
        [sys.executable, ROOT / "tasks.py", "--help"], capture_output=True, text=True
    ).stdout
    return re.findall(r"^  (\S+) {2,}", listing.partition("tasks:\n")[2], re.M)


def test_the_forge_and_the_container_run_what_there_is():
    workflow = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text("utf-8"))
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    container = json.loads(
        (ROOT / ".devcontainer/devcontainer.json").read_text("utf-8")
    )
    commands = [step["run"] for step in steps if "run" in step]
    commands.append(container["postCreateCommand"])
    tasks = [words[2] for c in commands if (words := c.split())[1:2] == ["tasks.py"]]
    assert tasks == ["test", "setup"] and set(tasks) <= set(offered_tasks())
    assert ".ci/run" in commands and os.access(ROOT / ".ci" / "run", os.X_OK)
    extras = ",".join(PROJECT["optional-dependencies"])
    assert f'python -m pip install --editable ".[{extras}]"' in commands
    assert "/" not in container["image"], "an image named without a host"


def test_the_citation_and_the_changelog_know_the_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert citation["version"] == PROJECT["version"]
    assert citation["license"] == PROJECT["license"]
    assert f"## {PROJECT['version']}\n" in (ROOT / "CHANGELOG.md").read_text("utf-8")


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "CHANGELOG.md"])
def test_pages_of_the_repository_name_files_and_tasks_that_exist(name):
    page = (ROOT / name).read_text("utf-8")
    assert set(re.findall(r"(?:make|tasks\.py) ([a-z-]+)", page)) <= set(
        offered_tasks()
    )
    links = re.findall(r"\]\(([^)#:]+)\)", page)
    assert [link for link in links if not (ROOT / link).exists()] == []


@pytest.mark.parametrize(
    ("path", "attributes"),
    [
        ("llmlab/gpt.py", {"eol": "lf"}),
        ("notebooks/00_start_here.ipynb", {"eol": "lf", "merge": "binary"}),
        ("requirements.lock", {"diff": "unset", "linguist-generated": "set"}),
        ("data/checkpoints/base.safetensors", {"text": "unset", "diff": "unset"}),
    ],
)
def test_git_treats_files_alike_on_every_system(path, attributes):
    need_git()
    command = ["git", "check-attr", "-z", *attributes, "--", path]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout
    fields = said.split("\0")
    assert dict(zip(fields[1::3], fields[2::3], strict=True)) == attributes


def test_a_clone_has_the_same_bytes_where_git_is_told_to_change_line_ends(tmp_path):
    need_git()

    def git(*words):
        settings = ("-c", "core.autocrlf=true", "-c", "core.safecrlf=false")
        subprocess.run(["git", *settings, *words], cwd=tmp_path, check=True)

    git("init", "--quiet")
    names = (".gitattributes", "tasks.py", "data/checkpoints/manifest.json")
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    git("add", *names)
    for name in names[1:]:
        (tmp_path / name).unlink()
    git("checkout", "--quiet", ".")
    for name in names:
        assert b"\r" not in (tmp_path / name).read_bytes()


# The library


@functools.cache
def imported_modules(path):
    """Every module that a file imports, at its top or inside a function."""
    found = set()
    package = module_name(path).split(".")
    if path.stem != "__init__":
        package = package[:-1]
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *filter(None, [node.module])])
            found |= {module} | {f"{module}.{alias.name}" for alias in node.names}
    return found


def room(module):
    """`village` for `llmlab.village.world`: the second word of a module's name."""
    words = module.split(".")
    return words[1] if len(words) > 1 else "__init__"


ROOMS = {room(module_name(path)) for path in LIBRARY}
# Where text flows from, and the two that only know the file system.
FOUNDATION = {"village", "tokenizer", "gpt", "batching", "paths", "files"}
FOUNDATION_MAY_IMPORT = {"paths", "files"}
# What a person sees or is checked by: nothing that trains may need it.
PRESENTATION = {"plots", "widgets", "desk", "checks", "claims", "report"}
COMMANDS = {"__main__", "chat", "tour", "train_text", "write_village", "doctor"}
# In the order in which text flows; a room may use those of its line and above.
READING_ORDER = (
    *("paths files arguments processes", "village tokenizer gpt batching"),
    *("cache decoding sampling likelihood", "optimisers progress checkpoints training"),
    *("real_text", "pretraining", "instruction", "preferences", "reward"),
    *("rollouts", "policy_gradient", "ppo dpo best_of_n taste", "life"),
)
# What says how good a model is must not know how it was made to please.
MEASURING = {
    *("likelihood", "evaluation", "filling", "memorisation", "ngrams"),
    *("interpretation", "scaling", "accounting", "exact"),
}
POLICIES = {"reward", "rollouts", "policy_gradient", "ppo", "dpo", "best_of_n"}
POLICIES |= {"taste"}
# Docstrings and blank lines count, JavaScript and CSS do not. The goal is 21,000; this
# is what was reached with several processes, text on disk, GPT-2's files, the learner's
# desk, a village whose French, questions and help desk are composed, a bench of faults
# for what judges stories, ties, and a taste from forty clicks.
LINES_OF_PYTHON = 25_150


def rooms_used(path):
    own = room(module_name(path))
    used = {room(name) for name in imported_modules(path) if name.startswith("llmlab.")}
    return (used & ROOMS) - {own}


def rooms_used_by_room():
    used = {name: set() for name in ROOMS}
    for path in LIBRARY:
        used[room(module_name(path))] |= rooms_used(path)
    return used


@pytest.mark.parametrize("path", LIBRARY, ids=name_of)
def test_imports_flow_downward(path):
    own, used = room(module_name(path)), rooms_used(path)
    if own in FOUNDATION:
        assert used <= FOUNDATION_MAY_IMPORT
    if own not in PRESENTATION | COMMANDS:
        assert not used & (PRESENTATION | COMMANDS)
    if own != "desk":
        assert "widgets" not in used, "for notebooks and the desk only"
    assert not used & {"desk", "checks"}, "for notebooks and exercises only"
    if own in MEASURING:
        assert not used & POLICIES
    lines = {name: i for i, line in enumerate(READING_ORDER) for name in line.split()}
    later = {name for name in used if lines.get(name, -1) > lines.get(own, len(lines))}
    assert not later


def test_no_two_rooms_import_each_other_even_by_a_detour():
    used = rooms_used_by_room()
    while used:
        free = [name for name, needs in used.items() if not needs & used.keys()]
        assert free, f"a circle of imports among {sorted(used)}"
        for name in free:
            del used[name]


def test_the_library_stays_small():
    lines = sum(len(path.read_text("utf-8").splitlines()) for path in LIBRARY)
    assert lines <= LINES_OF_PYTHON


FORBIDDEN_MODULES = {
    *("pickle", "cPickle", "dill", "joblib", "shelve", "marshal"),
    *("socket", "socketserver", "ssl", "ftplib", "smtplib", "xmlrpc", "telnetlib"),
    *("requests", "httpx", "aiohttp", "urllib3", "huggingface_hub"),
}
# `html` and `urllib.parse` only read text.
FORBIDDEN_PARTS = {"urllib.request", "urllib.robotparser", "http.client", "http.server"}
UNPICKLES = {("torch", "load"), ("numpy", "load"), ("np", "load"), ("torch", "hub")}


@pytest.mark.parametrize("path", LIBRARY, ids=name_of)
def test_the_library_never_unpickles_and_never_asks_the_network(path):
    imported = imported_modules(path)
    assert not {name.split(".")[0] for name in imported} & FORBIDDEN_MODULES
    assert not imported & FORBIDDEN_PARTS
    attributes = {
        (node.value.id, node.attr)
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    }
    assert not attributes & UNPICKLES


def test_every_library_in_use_is_declared():
    declared = {canonicalize_name(r.name) for r in declared_requirements()}
    folders = ("llmlab", "authoring", "benchmarks", "tests", "exercises", "notebooks")
    files = [path for name in folders for path in (ROOT / name).rglob("*.py")]
    files = [path for path in files if "nbgrader" not in path.relative_to(ROOT).parts]
    used = {name.split(".")[0] for path in files for name in imported_modules(path)}
    distributions = importlib.metadata.packages_distributions()
    undeclared = {
        name
        for name in used & distributions.keys()
        if not declared & {canonicalize_name(d) for d in distributions[name]}
        and name != "llmlab"
    }
    assert undeclared == set()


def test_the_library_alone_asks_only_for_what_is_always_installed():
    """`notebooks` is the extra of who opens notebooks; the rest runs without it."""
    always = {Requirement(line).name.lower() for line in PROJECT["dependencies"]}
    distributions = importlib.metadata.packages_distributions()
    for path in LIBRARY:
        if room(module_name(path)) in ("widgets", "desk"):
            continue
        names = {name.split(".")[0] for name in imported_modules(path)} - {"llmlab"}
        needed = {d.lower() for n in names for d in distributions.get(n, [])}
        assert needed <= always, module_name(path)


@pytest.mark.parametrize("words", ["check --output-format=concise", "format --check"])
def test_ruff_finds_nothing(words):
    """A lesson is laid out by hand, in 80 columns; all else as ruff does."""
    command = [sys.executable, "-m", "ruff", *words.split(), "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def need_git():
    if not shutil.which("git") or not (ROOT / ".git").exists():
        pytest.skip("this is not a clone: git cannot say what belongs to it")


def committed_texts():
    need_git()
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout
    for name in filter(None, names.decode().split("\0")):
        try:
            yield name, (ROOT / name).read_text("utf-8")
        except (UnicodeDecodeError, FileNotFoundError):
            continue


def test_no_file_names_a_folder_of_one_machine():
    here = re.compile(r"(?<![\w.~])/(work|farm|opt|root|home|Users)/\w")
    assert [name for name, text in committed_texts() if here.search(text)] == []


# The notebooks


def cells_of(path, kind):
    cells = json.loads(path.read_text("utf-8"))["cells"]
    return [cell for cell in cells if cell["cell_type"] == kind]


def tags_of(cell):
    return cell["metadata"].get("tags", [])


def test_every_notebook_has_a_source_and_every_source_a_notebook():
    assert [path.stem for path in NOTEBOOKS] == [path.stem for path in SOURCES]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=name_of)
def test_a_notebook_was_built_from_its_source_as_it_is_now(path):
    source = path.parent / "src" / f"{path.stem}.py"
    built_from = json.loads(path.read_text("utf-8"))["metadata"].get("llmlab", {})
    digest = hashlib.sha256(source.read_text("utf-8").encode()).hexdigest()
    assert built_from.get("source_sha256") == digest, "python tasks.py notebooks"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=name_of)
def test_a_notebook_is_light_and_short_enough(path):
    metadata = json.loads(path.read_text("utf-8"))["metadata"]
    assert os.path.getsize(path) < 400_000
    minutes = metadata["llmlab"]["minutes"]
    assert minutes <= 3
    first_page = "".join(cells_of(path, "markdown")[0]["source"])
    assert re.search(r"\*\*Time\*\* (\d+) minutes? ", first_page)[1] == str(minutes)


def test_all_notebooks_together_are_light():
    assert sum(map(os.path.getsize, NOTEBOOKS)) < 205_000 * len(NOTEBOOKS)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=name_of)
def test_few_cells_of_a_notebook_are_not_compared_and_none_is_skipped(path):
    code = cells_of(path, "code")
    ignored = [cell for cell in code if "nbval-ignore-output" in tags_of(cell)]
    assert len(ignored) <= max(3, 0.15 * len(code))
    assert not any("nbval-skip" in tags_of(cell) for cell in code)
    assert not any("# NBVAL_" in "".join(cell["source"]) for cell in code), "use tags"


def test_a_learner_sees_the_lines_that_matter_and_unfolds_the_rest():
    """Half of what was to be seen before anything was folded, in nine notebooks."""
    seen = [
        line
        for path in NOTEBOOKS
        for cell in cells_of(path, "code")
        if not cell["metadata"].get("jupyter", {}).get("source_hidden")
        for line in cell["source"]
        if line.strip()
    ]
    assert 500 < len(seen) <= 4_319 / 2


@pytest.mark.parametrize("path", NOTEBOOKS, ids=name_of)
def test_code_of_a_notebook_fits_into_80_columns(path):
    lines = [line for cell in cells_of(path, "code") for line in cell["source"]]
    assert [line for line in lines if len(line.rstrip("\n")) > 80] == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=name_of)
def test_every_picture_of_a_notebook_says_in_words_what_it_shows(path):
    text = "".join(
        line for cell in cells_of(path, "markdown") for line in cell["source"]
    )
    assert not re.search(r"!\[\s*\]\(|<img(?![^>]*\balt=\"[^\"]+\")", text)
    for cell in cells_of(path, "code"):
        for output in cell["outputs"]:
            if "image/png" in output.get("data", {}):
                alt = output["metadata"].get("image/png", {}).get("alt", "")
                assert alt.strip(), "".join(cell["source"])
