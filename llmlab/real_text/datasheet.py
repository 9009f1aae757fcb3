"""A datasheet: what whoever uses a text, or a model that read it, has to know.

Data come without a manual unless somebody writes one. Gebru et al. ("Datasheets for
datasets", 2021) ask the same questions of every collection; these are theirs in short.
What can be measured is not left to memory: the numbers come from the `Report` of the
refining and from the `Mixture`.
"""

from collections.abc import Mapping, Sequence

from llmlab.real_text.mixing import Mixture
from llmlab.real_text.sifting import Report

QUESTIONS = {
    "motivation": "What was it put together for, and by whom?",
    "composition": "What is in it, in which languages, and what is missing?",
    "collection": "Where does it come from, and was one allowed to take it?",
    "cleaning": "What was dropped or changed, and what good text went with it?",
    "uses": "What is it good for, and what must it not be used for?",
    "distribution": "Who may have it, and under which licence?",
    "maintenance": "Who mends mistakes, and how is it made again?",
}


def datasheet(
    name: str,
    answers: Mapping[str, str],
    *,
    mixture: Mixture,
    reports: Sequence[Report] = (),
) -> str:
    """The datasheet of a mixture, in Markdown.

    mixture : measured under "composition".
    reports : of what was refined; measured under "cleaning".

    Raises ValueError: a question has no answer, or an answer has no question.
    """
    unknown = sorted(answers.keys() - QUESTIONS.keys())
    if unknown:
        raise ValueError(
            f"nobody asked about {', '.join(unknown)}; the questions are: "
            f"{', '.join(QUESTIONS)}"
        )
    open_questions = [key for key in QUESTIONS if not answers.get(key, "").strip()]
    if open_questions:
        asked = "\n".join(f"  {key}: {QUESTIONS[key]}" for key in open_questions)
        raise ValueError(f"not answered yet:\n{asked}")
    measured = {
        "composition": _composition(mixture),
        "cleaning": [line for report in reports for line in _cleaning(report)],
    }
    lines = [f"# {name}"]
    for key, question in QUESTIONS.items():
        lines += ["", f"## {key.capitalize()}", "", f"*{question}*", ""]
        lines += [answers[key].strip(), *measured.get(key, [])]
    return "\n".join(lines) + "\n"


def _composition(mixture: Mixture) -> list[str]:
    lines = ["", "| source | documents | share | epochs |", "|---|---|---|---|"]
    for name, share in mixture.shares.items():
        count, epochs = mixture.names.count(name), mixture.epochs[name]
        lines.append(f"| {name} | {count:,} | {share:.0%} | {epochs:.2f} |")
    return lines


def _cleaning(report: Report) -> list[str]:
    read = max(1, report.characters_read)
    share = f"{report.characters / read:.0%} of {report.characters_read:,}"
    kept, dropped = f"Of {report.origin}, {share} characters were kept.", []
    for outcome in (outcome for outcome in report.outcomes if outcome.dropped):
        passages = _counted(outcome.passages, "passage")
        parts = _counted(outcome.parts, "part")
        dropped.append(f"- {outcome.rule.name}: {passages}, {parts}")
    if not dropped:
        return ["", f"{kept} Nothing was dropped."]
    return ["", f"{kept} Dropped:", "", *dropped]


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
