"""How much of a life's figures is luck? Its later stages, with several seeds.

All begin from the shipped model that comes before them. A seed draws other examples,
other batches, other comparisons, other stories, and other test prompts. A seed that was
finished is kept in its folder and not done again; one that was stopped goes on.
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
    stages: Sequence[str] = LATER,
    folder: Path = RUNS / "seeds",
    shipped: Path = CHECKPOINTS,
) -> Iterator[str]:
    """A table in Markdown: a row for each promise, a column for each seed.

    stages : which are lived again, in the order of a life.
    """
    told = [
        _figures(number, stages, folder / str(number), shipped) for number in numbers
    ]
    columns = [f"seed {number}" for number in numbers]
    yield _row(["what", *columns, "wanted"])
    yield _row(["---"] * (len(columns) + 2))
    for row in zip(*told, strict=True):
        told_of_all = all(bar.measured for bar in row)
        if told_of_all and not row[0].what.startswith(NOT_REPEATED):
            yield _row([row[0].what, *(bar.measured for bar in row), row[0].wanted])


def _figures(
    number: int, stages: Sequence[str], folder: Path, shipped: Path
) -> list[Bar]:
    life = Life(folder, number, progress=TerminalProgress())
    folder.mkdir(parents=True, exist_ok=True)
    for stage in STAGES.keys() - set(stages):
        # What this seed has learned itself is not written over.
        if stage in SHIPPED or not life.checkpoint(stage).exists():
            shutil.copy(Life(shipped).checkpoint(stage), folder)
    shutil.copy(shipped / "tokenizer.json", folder)
    records = [run_stage(life, stage, STAGES[stage]) for stage in stages]
    metrics = {"base_validation_loss": life.card("base").metrics["validation_loss"]}
    for record in records:
        prefix = "ppo_" if record["name"] == "ppo" else ""
        metrics |= {
            f"{prefix}{key}": record["metrics"][key] for key in record["metrics"]
        }
    return bars({"stages": records, "metrics": metrics})


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
