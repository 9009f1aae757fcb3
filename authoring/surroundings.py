"""The surroundings in which notebook outputs are made, and later compared.

The build and the tests share them: what differs between two machines, or between two
people, must not reach a stored output.
"""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Every Python started from here finds this clone first, and the guard of the network.
SEARCHED = [str(ROOT / "authoring" / "offline"), str(ROOT)]


def prepare(empty_folder: Path) -> None:
    """Set the variables that every Python started from here inherits.

    `empty_folder` stands in for what people have: trained runs, IPython start-up files.
    """
    os.environ["OMP_NUM_THREADS"] = "1"
    os.environ["PYTHONHASHSEED"] = "0"
    os.environ["LLMLAB_BUILDING"] = "yes"
    os.environ["LLMLAB_RUNS"] = str(empty_folder / "runs")
    os.environ["IPYTHONDIR"] = str(empty_folder / "ipython")
    # The kernel chooses its own backend only where nobody has.
    os.environ.pop("MPLBACKEND", None)
    others = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    paths = [*SEARCHED, *(path for path in others if path and path not in SEARCHED)]
    os.environ["PYTHONPATH"] = os.pathsep.join(paths)
