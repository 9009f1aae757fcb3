"""Running both arms, and what their numbers say of the prediction."""

import hashlib
import json
import math
import runpy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev

from authoring.capstone.plan import Plan
from llmlab.files import write_atomically

ARMS = {"control": False, "changed": True}
_TEXTS = 3  # of each arm; the first ones, so that nothing is picked


@dataclass(frozen=True)
class Difference:
    """Changed less control, of one measure and one seed, on the same test prompts.

    low, high : the interval that holds 95 of 100 such means, by the spread of pairs.
    """

    control: float
    changed: float
    low: float
    high: float

    @property
    def mean(self) -> float:
        return self.changed - self.control


def difference(control: Sequence[float], changed: Sequence[float]) -> Difference:
    """Of numbers in the same order of prompts, at least two."""
    apart = [new - old for old, new in zip(control, changed, strict=True)]
    error = 1.96 * stdev(apart) / math.sqrt(len(apart))
    mean = fmean(apart)
    return Difference(fmean(control), fmean(changed), mean - error, mean + error)


def outcome(plan: Plan, differences: Sequence[Difference]) -> str:
    """Whether the prediction of the plan was "held", "not held" or is "undecided".

    A difference holds if it is large enough on average over the seeds, and if no seed's
    interval reaches back to 0; "the same" if no interval reaches beyond `by`.
    """
    if plan.expect == "the same":
        if all(-plan.by <= d.low and d.high <= plan.by for d in differences):
            return "held"
        beyond = any(d.low > plan.by or d.high < -plan.by for d in differences)
        return "not held" if beyond else "undecided"
    sign = 1 if plan.expect == "higher" else -1
    if fmean(sign * d.mean for d in differences) < plan.by:
        return "not held"
    sure = all(min(sign * d.low, sign * d.high) > 0 for d in differences)
    return "held" if sure else "undecided"


class Results:
    """What was measured so far, in `results.json`: every arm that is done."""

    def __init__(self, folder: Path):
        self.path = folder / "results.json"
        self.experiment = folder / "experiment.py"
        self.told = {"plan": "", "program": "", "runs": {}}
        if self.path.exists():
            try:
                self.told = json.loads(self.path.read_text("utf-8"))
            except ValueError as error:
                raise ValueError(
                    f"{self.path} is damaged ({error}); delete it and run again"
                ) from error

    def carry_out(self, plan: Plan) -> None:
        """Run what is missing, seed by seed, both arms.

        Raises ValueError: the plan or the program is not the one that began.
        """
        program = hashlib.sha256(self.experiment.read_bytes()).hexdigest()
        if self.told["runs"]:
            self._refuse_if_changed(plan, program)
        self.told |= {"plan": plan.seal, "program": program}
        run_arm = runpy.run_path(str(self.experiment)).get("run_arm")
        if not callable(run_arm):
            raise ValueError("experiment.py has no function run_arm(changed, seed)")
        for seed in plan.seeds:
            for arm, changed in ARMS.items():
                name = f"{arm} {seed}"
                if name in self.told["runs"]:
                    print(f"{name:<12} done before")
                    continue
                self.told["runs"][name] = _measured(run_arm, changed, seed, plan)
                text = json.dumps(self.told, indent=1, ensure_ascii=False)
                write_atomically(self.path, f"{text}\n".encode())

    def _refuse_if_changed(self, plan: Plan, program: str) -> None:
        for what, then, now in (
            ("plan.toml", self.told["plan"], plan.seal),
            ("experiment.py", self.told["program"], program),
        ):
            if then != now:
                raise ValueError(
                    f"{what} has changed since the first run: its arms could not be "
                    "compared with these. Bring it back, or take a new folder (the old "
                    "results are a part of your story)"
                )

    def missing(self, plan: Plan) -> list[str]:
        wanted = [f"{arm} {seed}" for seed in plan.seeds for arm in ARMS]
        return [name for name in wanted if name not in self.told["runs"]]

    def differences(self, plan: Plan) -> dict[str, list[Difference]]:
        """For each measure, one of each seed; all runs must be there."""
        runs = self.told["runs"]
        measures = runs[f"control {plan.seeds[0]}"]["numbers"]
        return {
            measure: [
                difference(*(runs[f"{arm} {seed}"]["numbers"][measure] for arm in ARMS))
                for seed in plan.seeds
            ]
            for measure in measures
        }

    def texts(self, arm: str) -> Iterator[str]:
        for name, run in self.told["runs"].items():
            if name.startswith(arm):
                yield from run["texts"]

    def tell(self, plan: Plan) -> str:
        """The tables of results.md."""
        lines = [f"# {plan.question}", ""]
        for measure, found in self.differences(plan).items():
            decides = " (decides)" if measure == plan.measure else ""
            lines += [f"**{measure}**{decides}", ""]
            lines += ["| seed | control | changed | difference | 95 % interval |"]
            lines += ["|---|---|---|---|---|"]
            for seed, each in zip(plan.seeds, found, strict=True):
                figures = each.control, each.changed, each.mean, each.low, each.high
                a, b, mean, low, high = map("{:.2f}".format, figures)
                lines.append(f"| {seed} | {a} | {b} | {mean} | {low} to {high} |")
            mean = fmean(each.mean for each in found)
            lines += ["", f"Mean difference over the seeds: {mean:.2f}", ""]
        wanted = f"{plan.measure} {plan.expect}, by {plan.by:g}"
        verdict = outcome(plan, self.differences(plan)[plan.measure])
        return "\n".join([*lines, f"Foretold: {wanted}. **{verdict}**.", ""])

    def tell_texts(self) -> str:
        """The first texts of each arm, for texts.md."""
        lines = []
        for name, run in self.told["runs"].items():
            lines += [f"## {name}", "", *(f"{text}\n" for text in run["texts"])]
        return "\n".join(lines)


def _measured(run_arm: Callable, changed: bool, seed: int, plan: Plan) -> Mapping:
    numbers, texts = run_arm(changed, seed)
    numbers = {name: [float(x) for x in values] for name, values in numbers.items()}
    if plan.measure not in numbers:
        raise ValueError(
            f"plan.toml decides by {plan.measure!r}, but experiment.py measures "
            f"{', '.join(numbers)}; name one of these"
        )
    for name, values in numbers.items():
        if len(values) < 2 or not all(map(math.isfinite, values)):
            raise ValueError(
                f"{name} has {len(values)} numbers, or one that is not finite; "
                "expected a finite number for each of at least two test prompts"
            )
    if len({len(values) for values in numbers.values()}) > 1:
        raise ValueError("the measures have not equally many numbers, one a prompt")
    return {"numbers": numbers, "texts": [str(text) for text in texts[:_TEXTS]]}
