"""Where things lie: the shipped data, and the runs that a learner makes."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "data"
CHECKPOINTS = DATA / "checkpoints"
# Tests and the notebook build point this at an empty folder, so that what they
# prove never depends on what somebody trained on this machine.
RUNS = Path(os.environ.get("LLMLAB_RUNS") or ROOT / "runs").resolve()
