"""The tour's report as one page: what was trained, how well, and what each stage says.

`write_report` turns the dictionary of `report.json` into a single HTML file that needs
nothing else: pictures are inside it, it asks the network for nothing, it reads with
a screen reader, prints on paper and follows the reader's light or dark setting. What
models wrote is shown as text, whatever it contains.
"""

import html
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from llmlab import plots
from llmlab.files import write_atomically

VERSION = 2
_REPORT_FIELDS = "seed machine stages metrics samples sample_temperature".split()
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
    at = f"drawn at temperature {report['sample_temperature']}"
    sections = [
        _section("bars", "What was promised, what was measured", _bars(report)),
        _section("answers", f"The same prompts, every stage, {at}", _answers(report)),
        _section("life", "One line of descent", _life(report["stages"])),
        _section("stages", "Stage by stage", _stages(report)),
        _section("machine", "Machine", _machine(report)),
    ]
    style, summary, sections = (
        _read("report.css"),
        _summary(report),
        "\n".join(sections),
    )
    return _read("report.html").format(style=style, summary=summary, sections=sections)


def _read(name: str) -> str:
    return (files("llmlab") / name).read_text("utf-8")


_BARS = tomllib.loads(_read("report.toml"))
_MET = {
    "excess": lambda excess: excess <= 0.06,
    "french": lambda share: share >= 0.95,
    "support": lambda share: share >= 0.80,
    "tellings": lambda agreement, ceiling: agreement >= ceiling - 0.05,
    "own_stories": lambda agreement, ceiling: agreement >= ceiling - 0.05,
    "wins": lambda rate, low, high, kl: rate >= 0.75 and low > 0.5,
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


# --------------------------------------------------------------------------- sections


def _summary(report: Mapping) -> str:
    judged = bars(report)
    met = sum(bar.met is True for bar in judged)
    promised = sum(bool(bar.wanted) for bar in judged)
    names = [stage["name"] for stage in report["stages"]]
    return _escape(
        f"{met} of {promised} promises kept. Trained: {', '.join(names)}, "
        f"from seed {report['seed']}."
    )


def _bars(report: Mapping) -> str:
    told = bars(report)
    rows = [[bar.what, bar.measured or "–", bar.wanted, bar.verdict] for bar in told]
    names = {True: "met", False: "missed", None: "unknown"}
    classes = [names[bar.met] for bar in told]
    return _table(["Promise", "Measured", "Wanted", "Verdict"], rows, classes)


def _life(stages: Sequence[Mapping]) -> str:
    cards = [{**stage, "stage": stage["name"]} for stage in stages]
    rows = [
        [
            stage["name"],
            stage["parent"] or "–",
            f"{stage['steps']:,}",
            f"{stage['tokens']:,}",
            _duration(stage["seconds"]),
            _megabytes(stage["peak_memory_bytes"]),
            stage["hash"][:12],
        ]
        for stage in stages
    ]
    head = ["Stage", "Parent", "Steps", "Tokens", "Time", "Peak memory", "Weights"]
    return _figure(plots.lineage(cards)) + _table(head, rows, numeric=(2, 3, 4, 5))


def _answers(report: Mapping) -> str:
    if not report["samples"]:
        return "<p>No sample was kept.</p>"
    return "\n".join(
        f"<h3>{_escape(sample['prompt'])}</h3>\n<dl class='answers'>"
        + "".join(
            f"<div><dt>{_escape(name)}</dt><dd>{_escape(answer) or '∅'}</dd></div>"
            for name, answer in sample["answers"].items()
        )
        + "</dl>"
        for sample in report["samples"]
    )


def _stages(report: Mapping) -> str:
    return "\n".join(
        f"<h3>{_escape(stage['name'])}</h3>\n<div class='stage'>"
        f"<div>{_curve(stage, report.get('entropy_line'))}</div>"
        f"<div>{_metrics(stage['metrics'])}</div></div>"
        for stage in report["stages"]
    )


def _curve(stage: Mapping, entropy_line: float | None) -> str:
    history = stage["history"]
    if not history:
        return ""
    if "score" in history[0]:
        return _figure(plots.ppo_dashboard(history))
    if "loss" not in history[0]:
        return ""
    line = entropy_line if stage["name"] == "base" else None
    unit = "nats per " + ("comparison" if "reward" in stage["name"] else "token")
    curves = {stage["name"]: history}
    return _figure(plots.loss_curve(curves, entropy_line=line, unit=unit))


def _metrics(metrics: Mapping) -> str:
    if not metrics:
        return ""
    return _table(["Measured", "Value"], _readable(metrics), numeric=(1,))


def _machine(report: Mapping) -> str:
    seed = ["seed", str(report["seed"])]
    return _table(["", ""], [*_readable(report["machine"]), seed])


def _readable(figures: Mapping) -> list[list[str]]:
    return [[name.replace("_", " "), _number(value)] for name, value in figures.items()]


# ---------------------------------------------------------------------- small pieces


def _section(identifier: str, title: str, body: str) -> str:
    return f'<section id="{identifier}"><h2>{_escape(title)}</h2>\n{body}\n</section>'


def _figure(figure: plots.Picture) -> str:
    data, metadata = plots.notebook_image(figure, figure.alt)
    width = metadata["image/png"]["width"]
    return (
        f'<img src="data:image/png;base64,{data["image/png"]}" width="{width}" '
        f'alt="{_escape(figure.alt)}">\n'
    )


def _table(
    head: Sequence[str],
    rows: Iterable[Sequence[str]],
    classes: Sequence[str] = (),
    numeric: Sequence[int] = (),
) -> str:
    """A table whose first column names its rows; every text is escaped."""

    def attributes(column: int) -> str:
        return ' class="number"' if column in numeric else ""

    heads = "".join(
        f'<th scope="col"{attributes(column)}>{_escape(text)}</th>'
        for column, text in enumerate(head)
    )
    head_row = f"<thead><tr>{heads}</tr></thead>" if any(head) else ""
    body = []
    for index, (first, *others) in enumerate(rows):
        row_class = f' class="{classes[index]}"' if classes else ""
        cells = "".join(
            f"<td{attributes(column)}>{_escape(text)}</td>"
            for column, text in enumerate(others, start=1)
        )
        body.append(f'<tr{row_class}><th scope="row">{_escape(first)}</th>{cells}</tr>')
    table = f"<table>{head_row}<tbody>{''.join(body)}</tbody></table>"
    return f'<div class="wide">{table}</div>'


def _escape(text: str) -> str:
    return html.escape(str(text), quote=True)


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
