"""Where things lie: the shipped data, and the runs that a learner makes."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# A wheel holds the library alone: no notebooks, no exercises, no checkpoints.
IS_CLONE = (ROOT / "pyproject.toml").exists()
DATA = ROOT / "data"
CHECKPOINTS = DATA / "checkpoints"
# Tests and the notebook build point this at an empty folder, so that what they
# prove never depends on what somebody trained on this machine.
RUNS = Path(
    os.environ.get("LLMLAB_RUNS") or (ROOT if IS_CLONE else Path.cwd()) / "runs"
)
RUNS = RUNS.expanduser().resolve()
