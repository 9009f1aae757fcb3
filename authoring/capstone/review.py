"""Reading a report with its author: what is shown, and what is still missing."""

import re
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from pathlib import Path
from statistics import fmean

from authoring.capstone.plan import Plan
from authoring.capstone.results import ARMS, Results, outcome

FEWEST_WORDS = 20
FEWEST_SEEDS = 3
QUOTED_WORDS = 6
HAPPENED, READ = "What happened", "What I read"
_NUMBER = re.compile(r"(?<![\w.])[-−]?\d+(?:[.,]\d+)?")


@dataclass(frozen=True)
class Remark:
    """One thing that was looked at. advice : what to do, where it is open."""

    what: str
    holds: bool
    advice: str = ""


def review(plan: Plan, results: Results, report: Path, template: Path) -> list[Remark]:
    """All that a program can say about a capstone, in the order of the work."""
    missing = results.missing(plan)
    sealed = results.told["plan"] in ("", plan.seal)
    remarks = [
        Remark(
            "the plan is the one that was sealed by the first run",
            sealed,
            "bring back plan.toml as it was, and write in the report what you would "
            "plan now",
        ),
        Remark(
            f"there are at least {FEWEST_SEEDS} seeds",
            len(plan.seeds) >= FEWEST_SEEDS,
            "one seed is an anecdote, and two can agree by luck; plan three, in a new "
            "folder",
        ),
        Remark(
            "both arms of every seed were run",
            not missing,
            f"missing: {', '.join(missing)}. python -m llmlab capstone run goes on",
        ),
    ]
    written = sections(report.read_text("utf-8"))
    asked = sections(template.read_text("utf-8"))
    remarks += _about_sections(written, asked)
    if sealed and not missing:
        remarks += _about_figures(plan, results, written.get(HAPPENED, ""))
        remarks += _about_reading(results, written.get(READ, ""))
    return remarks


def sections(text: str) -> dict[str, str]:
    """The words below each heading, without the lines that only ask."""
    _, *parts = re.split(r"^## +(.+)$", text, flags=re.MULTILINE)
    return {
        title.strip(): "\n".join(
            line for line in body.splitlines() if not line.startswith(">")
        ).strip()
        for title, body in zip(parts[::2], parts[1::2], strict=True)
    }


def _about_sections(written: dict[str, str], asked: dict[str, str]) -> Iterator[Remark]:
    for title in asked:
        words = len(written.get(title, "").split())
        yield Remark(
            f"“{title}” is answered",
            words >= FEWEST_WORDS,
            f"it has {words} words; say it in {FEWEST_WORDS} at least (lines that "
            "begin with > do not count)",
        )


def _about_figures(plan: Plan, results: Results, happened: str) -> Iterator[Remark]:
    differences = results.differences(plan)
    decides = differences[plan.measure]
    yield Remark(
        "the two arms differ in something",
        any(d.mean for found in differences.values() for d in found),
        "control and changed have the same numbers everywhere: does run_arm use "
        "`changed`?",
    )
    known = {float(len(plan.seeds)), plan.by, 95.0, *map(float, plan.seeds)}
    for found in differences.values():
        known |= {value for each in found for value in (*astuple(each), each.mean)}
        known.add(fmean(each.mean for each in found))
    known |= {
        float(len(values))
        for run in results.told["runs"].values()
        for values in run["numbers"].values()
    }
    strange = [number for number in _NUMBER.findall(happened) if not _is(number, known)]
    yield Remark(
        f"every number of “{HAPPENED}” comes from results.json",
        not strange,
        f"not found there: {', '.join(strange)}. Copy them from results.md",
    )
    yield Remark(
        f"“{HAPPENED}” tells a figure of {plan.measure}",
        any(
            _is(number, {value for d in decides for value in (*astuple(d), d.mean)})
            for number in _NUMBER.findall(happened)
        ),
        f"tell by how much {plan.measure} differed, with its interval",
    )
    verdict = outcome(plan, decides)
    claimed = re.findall(r"\b(not held|held|undecided)\b", happened)
    yield Remark(
        "its verdict is what the figures say",
        bool(claimed) and set(claimed) == {verdict},
        f"by the rule in results.md the prediction is {verdict!r}; the section says "
        f"{', '.join(map(repr, claimed)) or 'neither held, not held nor undecided'}",
    )


def _is(number: str, known: set[float]) -> bool:
    """Whether a number stands for one of those, rounded as it is written."""
    text = number.replace("−", "-").replace(",", ".")
    places = len(text.partition(".")[2])
    return any(
        abs(abs(float(text)) - abs(value)) <= 0.5000001 * 10**-places for value in known
    )


def _about_reading(results: Results, read: str) -> Iterator[Remark]:
    said = _phrases(read)
    for arm in ARMS:
        yield Remark(
            f"“{READ}” quotes a text of the arm {arm!r}",
            any(said & _phrases(text) for text in results.texts(arm)),
            f"quote at least {QUOTED_WORDS} words in a row from texts.md",
        )


def _phrases(text: str) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", text.lower())
    return set(zip(*(words[start:] for start in range(QUOTED_WORDS)), strict=False))
