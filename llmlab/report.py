"""The tour's report as one page: what was trained, how well, and what each stage says.

`write_report` fills `report.html` with the dictionary of `report.json`. The one file
that it writes needs nothing else: pictures are inside it, it asks the network for
nothing, it reads with a screen reader, prints on paper and follows the reader's light
or dark setting. What models wrote is shown as text, whatever it contains.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import jinja2

from llmlab import plots
from llmlab.files import write_atomically

VERSION = 3
_REPORT_FIELDS = "seed machine stages metrics samples strips sample_temperature".split()
_STAGE_FIELDS = "name parent hash steps tokens seconds peak_memory_bytes".split()
_STAGE_FIELDS += ["metrics", "history"]


@dataclass(frozen=True)
class Bar:
    """One thing that is measured of the course's models, and what was promised of it.

    wanted : "" where nothing was: a limit that is told.
    met : None where the measurement is missing, or nothing was promised.
    """

    what: str
    measured: str
    wanted: str
    met: bool | None

    @property
    def verdict(self) -> str:
        if not self.measured:
            return "– not measured"
        return {True: "✓ met", False: "✗ missed", None: "· told"}[self.met]


def write_report(report: Mapping, path: Path | str) -> None:
    """Writes the page of `report` (the content of report.json) to `path`, atomically.

    Raises ValueError if `report` is not a report of today's version.
    """
    write_atomically(path, render_report(report).encode("utf-8"))


def render_report(report: Mapping) -> str:
    """The page of `report` as one self-contained HTML text."""
    _check(report)
    stages, judged = report["stages"], bars(report)
    cards = [{**stage, "stage": stage["name"]} for stage in stages]
    # Every text is escaped, whoever wrote it.
    lines = {"trim_blocks": True, "lstrip_blocks": True, "keep_trailing_newline": True}
    page = jinja2.Environment(autoescape=True, **lines)
    page.filters["told"] = _told
    return page.from_string(_read("report.html")).render(
        report=report,
        style=_read("report.css"),
        bars=judged,
        promises=[[b.what, b.measured or "–", b.wanted, b.verdict] for b in judged],
        classes=[
            {True: "met", False: "missed", None: "unknown"}[b.met] for b in judged
        ],
        lineage=_drawn(plots.lineage(cards)),
        life=list(map(_told_of_life, stages)),
        strips=_drawn(plots.story_strips(report["strips"])),
        curves={
            stage["name"]: _curve(stage, report.get("entropy_line")) for stage in stages
        },
    )


def _read(name: str) -> str:
    return (files("llmlab") / name).read_text("utf-8")


_BARS = tomllib.loads(_read("report.toml"))
_MET = {
    "excess": lambda excess: excess <= 0.06,
    "french": lambda share: share >= 0.97,
    "french_cells": lambda share: share >= 0.50,
    "summaries": lambda recalled, invented: recalled >= 0.97 and invented <= 0.03,
    "support": lambda all_, own: all_ >= 0.93 and own >= 0.88,
    "refusals": lambda right, false: right >= 0.90 and false <= 0.03,
    "questions": lambda known, new: known >= 0.95 and new >= 0.75,
    "stories": lambda form, clean: form >= 0.98 and clean >= 0.50,
    "ended": lambda share: share >= 0.99,
    "forgotten": lambda nats: round(nats, 6) <= 0.15,
    "tellings": lambda agreement, ceiling: round(ceiling - agreement, 6) <= 0.02,
    "own_stories": lambda agreement, ceiling: round(ceiling - agreement, 6) <= 0.04,
    "faults": lambda paid, alone: paid >= 0.85,
    "wins": lambda rate, low, high, kl: rate >= 0.85 and low > 0.75 and kl <= 8,
    "additions": lambda before, after: after >= 1.8 * before,
    "consistent": lambda before, after: after >= before,
    "favourites": lambda before, after: round(after - before, 6) <= 0.05,
    "distinct": lambda before, after: after >= 0.95 * before,
    "other_tasks": lambda change: round(change, 6) >= -0.02,
    "critic": lambda first, last: first >= 0.05 and last >= 0.4,
    "ppo_duration": lambda seconds: seconds <= 180,
    "duration": lambda _, seconds: seconds < 900,
    "memory": lambda _, size: size < 3e9,
}


def bars(report: Mapping) -> list[Bar]:
    """What is promised in `report.toml`, beside what was measured."""
    stages = report["stages"]
    seconds = sum(stage["seconds"] for stage in stages)
    memory = max(stage["peak_memory_bytes"] for stage in stages)
    metrics = report["metrics"] | {"seconds": seconds, "memory": memory}
    metrics |= {"duration": _duration(seconds), "megabytes": _megabytes(memory)}
    after, before = metrics.get("validation_loss"), metrics.get("base_validation_loss")
    if after is not None and before is not None:
        metrics["forgotten"] = after - before
    return [_bar(name, row, metrics) for name, row in _BARS.items()]


def _bar(name: str, row: Mapping, metrics: Mapping) -> Bar:
    wanted, values = row.get("wanted", ""), [metrics.get(m) for m in row["metrics"]]
    if None in values:
        return Bar(row["what"], "", wanted, None)
    met = _MET[name](*values) if wanted else None
    return Bar(row["what"], row["told"].format(*values), wanted, met)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def _megabytes(size: float) -> str:
    return f"{size / 1e6:,.0f} MB"


def _told_of_life(stage: Mapping) -> list[str]:
    return [
        stage["name"],
        stage["parent"] or "–",
        f"{stage['steps']:,}",
        f"{stage['tokens']:,}",
        _duration(stage["seconds"]),
        _megabytes(stage["peak_memory_bytes"]),
        stage["hash"][:12],
    ]


def _curve(stage: Mapping, entropy_line: float | None) -> dict | None:
    history = stage["history"]
    if not history:
        return None
    if "score" in history[0]:
        return _drawn(plots.ppo_dashboard(history))
    if "loss" not in history[0]:
        return None
    line = entropy_line if stage["name"] == "base" else None
    unit = "nats per " + ("comparison" if "reward" in stage["name"] else "token")
    curves = {stage["name"]: history}
    return _drawn(plots.loss_curve(curves, entropy_line=line, unit=unit))


def _drawn(figure: plots.Picture) -> dict:
    """What the page needs of a picture: `png` in base64, `width` and `alt`."""
    data, metadata = plots.notebook_image(figure, figure.alt)
    return {"png": data["image/png"], **metadata["image/png"]}


def _told(figures: Mapping) -> list[list[str]]:
    """A row for each figure, its name and its value."""
    return [[name.replace("_", " "), _number(value)] for name, value in figures.items()]


def _number(value) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float | list | tuple):
        return str(value)
    if isinstance(value, list | tuple):
        return " to ".join(_number(part) for part in value)
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def _check(report: Mapping) -> None:
    if report.get("version") != VERSION:
        raise ValueError(
            f"this report has version {report.get('version')!r}; expected {VERSION}. "
            "Make it again with: python -m llmlab tour"
        )
    missing = [key for key in _REPORT_FIELDS if key not in report]
    for number, stage in enumerate(report.get("stages", ()), start=1):
        absent = [key for key in _STAGE_FIELDS if key not in stage]
        missing += [f"{key} of stage {number}" for key in absent]
    if missing or not report["stages"]:
        raise ValueError(
            f"this report lacks {', '.join(missing) or 'stages'}; expected what "
            "python -m llmlab tour writes to report.json"
        )
