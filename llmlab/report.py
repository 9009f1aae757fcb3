"""The tour's report as one page: what was trained, how well, and what each stage says.

`write_report` turns the dictionary of `report.json` into a single HTML file that needs
nothing else: pictures are inside it, it asks the network for nothing, it reads with
a screen reader, prints on paper and follows the reader's light or dark setting. What
models wrote is shown as text, whatever it contains.
"""

import base64
import html
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from llmlab import plots
from llmlab.files import write_atomically

VERSION = 2
_REPORT_FIELDS = (
    *("seed", "machine", "stages", "metrics"),
    *("samples", "sample_temperature"),
)
_STAGE_FIELDS = (
    "name",
    "parent",
    "hash",
    "steps",
    "tokens",
    "seconds",
    "peak_memory_bytes",
    "metrics",
    "history",
)


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
    stages = report["stages"]
    sections = [
        _section("bars", "What was promised, what was measured", _bars(report)),
        _section(
            "answers",
            "The same prompts, every stage, drawn at temperature "
            f"{report['sample_temperature']}",
            _answers(report),
        ),
        _section("life", "One line of descent", _life(stages)),
        _section("stages", "Stage by stage", _stages(report)),
        _section("machine", "Machine", _machine(report)),
    ]
    return _PAGE.format(
        style=_STYLE,
        summary=_summary(report),
        contents=_contents(),
        sections="\n".join(sections),
    )


def bars(report: Mapping) -> list[Bar]:
    """What the course promises, and what it owns up to, beside what was measured.

    A figure over two populations is two figures; a share stands beside the divergence
    of the same stories, at the temperature of training.
    """
    stages = report["stages"]
    metrics = report["metrics"] | {
        "seconds": sum(stage["seconds"] for stage in stages),
        "memory": max(stage["peak_memory_bytes"] for stage in stages),
    }
    metrics["forgotten"] = _difference(
        metrics, "validation_loss", "base_validation_loss"
    )
    return [_bar(metrics, *row) for row in _ROWS]


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def _megabytes(size: float) -> str:
    return f"{size / 1e6:,.0f} MB"


def _percent(share: float) -> str:
    return f"{share:.0%}"


def _percents(*shares: float) -> str:
    return ", ".join(map(_percent, shares))


def _beside_ceiling(agreement: float, ceiling: float) -> str:
    return f"{agreement:.1%}, where nobody could reach more than {ceiling:.1%}"


def _wins(rate: float, low: float, high: float, kl: float) -> str:
    return (
        f"wins {rate:.0%} (95% interval {low:.0%} to {high:.0%}) at a KL of "
        f"{kl:.1f} nats"
    )


_QUESTIONS = ("known_wording", "new_wording", "backwards")
_WIN = ("ppo_win_rate", "ppo_win_rate_low", "ppo_win_rate_high", "ppo_kl")
# What, which metrics, how they are told, what is wanted, and when that is met.
_ROWS = (
    (
        "Base model: loss above the entropy line",
        ["base_excess_nats"],
        lambda excess: f"{excess:.3f} nats per token",
        "at most 0.06",
        lambda excess: excess <= 0.06,
    ),
    (
        "Instruct: French, words combined anew",
        ["translate_new_combination_right"],
        _percent,
        "at least 95%",
        lambda share: share >= 0.95,
    ),
    (
        "Instruct: French, sentence patterns never shown",
        ["translate_new_pattern_right"],
        _percent,
    ),
    (
        "Instruct: support answers right",
        ["support_right"],
        _percent,
        "at least 80%",
        lambda share: share >= 0.80,
    ),
    (
        "Instruct: questions in a known wording, in a new one, asked backwards",
        [f"question_{kind}_right" for kind in _QUESTIONS],
        _percents,
    ),
    (
        "Instruct: stories of the right form; free of contradictions",
        ["story_form_right", "story_consistent"],
        lambda form, consistent: f"{form:.0%}; {consistent:.0%}",
    ),
    (
        "Instruct: what tuning forgot of the village's pages",
        ["forgotten"],
        lambda nats: f"{nats:+.2f} nats per token",
    ),
    *(
        (
            f"Reward model: agreement with the crowd on {of}",
            [f"reward_agreement_{name}", f"reward_ceiling_{name}"],
            _beside_ceiling,
            "within 5 points of that",
            lambda agreement, ceiling: agreement >= ceiling - 0.05,
        )
        for name, of in (("tellings", "tellings"), ("own", "the model's own stories"))
    ),
    (
        "PPO against instruct, judged by the hidden gold score",
        [*_WIN],
        _wins,
        "at least 75%, interval above 50%",
        lambda rate, low, high, kl: rate >= 0.75 and low > 0.5,
    ),
    (
        "The same at a cooler temperature than that of training",
        [
            *("ppo_win_rate_cool", "ppo_win_rate_cool_low"),
            *("ppo_win_rate_cool_high", "ppo_kl_cool"),
        ],
        _wins,
    ),
    (
        "PPO: stories free of contradictions, before and after",
        ["ppo_consistent_of_parent", "ppo_consistent"],
        _percents,
    ),
    (
        "The whole life, from random weights",
        ["seconds"],
        _duration,
        "under 15 min on 2 cores",
        lambda seconds: seconds < 900,
    ),
    (
        "Peak memory",
        ["memory"],
        _megabytes,
        "under 3,000 MB",
        lambda size: size < 3e9,
    ),
)


def _difference(metrics: Mapping, one: str, other: str) -> float | None:
    if metrics.get(one) is None or metrics.get(other) is None:
        return None
    return metrics[one] - metrics[other]


def _bar(
    metrics: Mapping,
    what: str,
    names: Sequence[str],
    tell: Callable[..., str],
    wanted: str = "",
    met: Callable[..., bool] | None = None,
) -> Bar:
    values = [metrics.get(name) for name in names]
    if None in values:
        return Bar(what, "", wanted, None)
    return Bar(what, tell(*values), wanted, None if met is None else met(*values))


def markdown_table(report: Mapping) -> str:
    """The bars as a Markdown table; the README shows the one of the shipped life."""
    lines = ["| what | measured | wanted |", "|---|---|---|"]
    lines += [
        f"| {bar.what} | {bar.measured} | {bar.wanted or 'told, not promised'} |"
        for bar in bars(report)
    ]
    return "\n".join(lines)


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
    rows = [
        [bar.what, bar.measured or "–", bar.wanted, bar.verdict] for bar in bars(report)
    ]
    classes = [
        {True: "met", False: "missed", None: "unknown"}[bar.met] for bar in bars(report)
    ]
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
    is_base = stage["name"] == "base"
    return _figure(
        plots.loss_curve(
            {stage["name"]: history},
            entropy_line=entropy_line if is_base else None,
            unit="nats per comparison"
            if "reward" in stage["name"]
            else "nats per token",
        )
    )


def _metrics(metrics: Mapping) -> str:
    if not metrics:
        return ""
    rows = [[name.replace("_", " "), _number(value)] for name, value in metrics.items()]
    return _table(["Measured", "Value"], rows, numeric=(1,))


def _machine(report: Mapping) -> str:
    rows = [
        [name.replace("_", " "), _number(value)]
        for name, value in report["machine"].items()
    ]
    return _table(["", ""], [*rows, ["seed", str(report["seed"])]])


# ---------------------------------------------------------------------- small pieces


def _section(identifier: str, title: str, body: str) -> str:
    return f'<section id="{identifier}"><h2>{_escape(title)}</h2>\n{body}\n</section>'


def _contents() -> str:
    links = {
        "bars": "Promises",
        "answers": "Answers",
        "life": "Descent",
        "stages": "Stages",
        "machine": "Machine",
    }
    return "".join(f'<a href="#{key}">{text}</a>' for key, text in links.items())


def _figure(figure: plots.Picture) -> str:
    data = base64.b64encode(plots.png(figure)).decode("ascii")
    width = round(figure.get_figwidth() * plots.SHOWN_PIXELS_PER_INCH)
    return (
        f'<img src="data:image/png;base64,{data}" width="{width}" '
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
    missing += [
        f"{key} of stage {number}"
        for number, stage in enumerate(report.get("stages", ()), start=1)
        for key in _STAGE_FIELDS
        if key not in stage
    ]
    if missing or not report["stages"]:
        raise ValueError(
            f"this report lacks {', '.join(missing) or 'stages'}; expected what "
            "python -m llmlab tour writes to report.json"
        )


_STYLE = """
:root { color-scheme: light dark; --ink: #1c2330; --soft: #566072; --paper: #fbfaf7;
  --card: #fff; --line: #d9d6cd; --accent: #0b5d94; --good: #00664a; --bad: #a33a00; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8e6e0; --soft: #a9b0bd;
  --paper: #15181e; --card: #1e232b; --line: #3a414d; --accent: #7cc0f0;
  --good: #5fd0a8; --bad: #ffa46b; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 64rem; padding: 2.5rem 1.25rem 4rem;
  background: var(--paper); color: var(--ink);
  font: 1rem/1.55 system-ui, "DejaVu Sans", sans-serif; }
h1 { font-size: 2rem; line-height: 1.2; margin: 0 0 .5rem; }
h2 { font-size: 1.35rem; margin: 3rem 0 1rem; padding-bottom: .3rem;
  border-bottom: 2px solid var(--line); }
h3 { font-size: 1.05rem; margin: 2rem 0 .6rem; }
.lead { font-size: 1.12rem; color: var(--soft); margin: 0 0 1.2rem; }
nav { display: flex; flex-wrap: wrap; gap: .4rem 1.2rem; }
a { color: var(--accent); }
a:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
img { display: block; max-width: 100%; height: auto; margin: 0 0 1rem; padding: 10px;
  background: #fff; border: 1px solid var(--line); border-radius: 8px; }
.wide { overflow-x: auto; margin: 0 0 1rem; }
table { border-collapse: collapse; width: 100%; background: var(--card); }
th, td { text-align: left; vertical-align: top; padding: .45rem .75rem;
  border: 1px solid var(--line); }
thead th { font-size: .88rem; color: var(--soft); }
tbody th { font-weight: 500; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
.met td:last-child { color: var(--good); font-weight: 600; white-space: nowrap; }
.missed td:last-child { color: var(--bad); font-weight: 600; white-space: nowrap; }
.unknown td:last-child { color: var(--soft); white-space: nowrap; }
.stage { display: grid; gap: 0 1rem; align-items: start; }
@media (min-width: 52rem) { .stage { grid-template-columns: minmax(0, 5fr) 2fr; } }
.answers { display: grid; gap: .75rem; margin: 0;
  grid-template-columns: repeat(auto-fit, minmax(13rem, 1fr)); }
.answers div { background: var(--card); border: 1px solid var(--line);
  border-radius: 8px; padding: .6rem .8rem; }
.answers dt { font-size: .85rem; font-weight: 600; color: var(--soft); }
.answers dd { margin: .2rem 0 0; white-space: pre-wrap; overflow-wrap: anywhere; }
@media (max-width: 32rem) { th, td { padding: .3rem .4rem; font-size: .82rem; } }
@media print { body { max-width: none; padding: 0; font-size: 10pt; }
  nav { display: none; }
  h2, h3 { break-after: avoid; } img, tr, .answers div { break-inside: avoid; } }
"""

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>The life of one language model</title>
<style>{style}</style>
</head>
<body>
<header>
<h1>The life of one language model</h1>
<p class="lead">{summary}</p>
<nav aria-label="sections of this report">{contents}</nav>
</header>
<main>
{sections}
</main>
</body>
</html>
"""
