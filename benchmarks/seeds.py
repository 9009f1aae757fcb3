"""How much of a life's figures is luck? Its later stages, with several seeds.

All begin from the shipped base model. A seed draws other examples, other batches, other
comparisons, other stories, and other test prompts. A seed that was finished is kept in
its folder and not done again; one that was stopped goes on.
"""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from llmlab.life import STAGES, Life
from llmlab.paths import CHECKPOINTS, RUNS
from llmlab.progress import TerminalProgress
from llmlab.report import Bar, bars
from llmlab.tour import run_stage

SHIPPED = ("masked", "base")
LATER = tuple(stage for stage in STAGES if stage not in SHIPPED)
# Rows of the report that concern the whole life, of which a part was not lived again.
NOT_REPEATED = ("Base model", "The whole life", "Peak memory")


def seeds(
    numbers: Sequence[int],
    folder: Path = RUNS / "seeds",
    shipped: Path = CHECKPOINTS,
) -> Iterator[str]:
    """A table in Markdown: a row for each promise, a column for each seed."""
    told = [_figures(number, folder / str(number), shipped) for number in numbers]
    columns = [f"seed {number}" for number in numbers]
    yield _row(["what", *columns, "wanted"])
    yield _row(["---"] * (len(columns) + 2))
    for row in zip(*told, strict=True):
        if not row[0].what.startswith(NOT_REPEATED):
            yield _row([row[0].what, *(bar.measured for bar in row), row[0].wanted])


def _figures(number: int, folder: Path, shipped: Path) -> list[Bar]:
    life = Life(folder, number, progress=TerminalProgress())
    folder.mkdir(parents=True, exist_ok=True)
    for path in (shipped / "tokenizer.json", Life(shipped).checkpoint("base")):
        shutil.copy(path, folder)
    records = [run_stage(life, stage, STAGES[stage]) for stage in LATER]
    instruct, reward, ppo = (record["metrics"] for record in records)
    metrics = {
        "base_validation_loss": life.card("base").metrics["validation_loss"],
        **instruct,
        **reward,
        **{f"ppo_{name}": value for name, value in ppo.items()},
    }
    return bars({"stages": records, "metrics": metrics})


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
