"""A wheel holds the whole library: it works in an empty folder, away from the clone."""

import os
import shutil
import subprocess
import sys

from llmlab.paths import ROOT

SMOKE = """
import importlib, pathlib, pkgutil, sys
import llmlab
from llmlab.__main__ import main
from llmlab.real_text.language import function_words

assert pathlib.Path(llmlab.__file__).is_relative_to(sys.argv[1]), llmlab.__file__
for module in pkgutil.walk_packages(llmlab.__path__, "llmlab."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
strangers = {"authoring", "benchmarks", "exercises"} & sys.modules.keys()
assert not strangers, f"the library needs {strangers} of the clone"
assert function_words()
assert main(["data", "a village", "--documents=30"]) == 0
assert main(["train", "--text=a village", "--steps=2", "--vocab=300"]) == 0
main(["doctor"])
"""


def test_a_wheel_tells_the_village_trains_and_examines_itself(tmp_path):
    clone, site, empty = (tmp_path / name for name in ("clone", "site", "empty"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        clone.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, clone)
    no_caches = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "llmlab", clone / "llmlab", ignore=no_caches)
    empty.mkdir()
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check")
    offline = ("--quiet", "--no-index", "--no-deps")
    build = (*pip, "wheel", *offline, "--no-build-isolation", "-w", clone, clone)
    subprocess.run(build, check=True)
    (wheel,) = clone.glob("*.whl")
    install = (*pip, "install", *offline, "--no-compile", "--target", site, wheel)
    subprocess.run(install, check=True)

    environment = {**os.environ, "PYTHONPATH": str(site)}
    del environment["LLMLAB_RUNS"]
    done = subprocess.run(
        [sys.executable, "-c", SMOKE, site],
        cwd=empty,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    assert list(empty.glob("runs/text/*.safetensors")), "runs lie where one works"
    assert "none: a clone of the repository has them" in done.stdout
