"""One submission, from its cells to its rows.

The submission runs in a `Worker`, cell by cell. Each time a cell gives an answer's
name a new value, the inputs of the cases go there as data, and what comes back as
data is judged here. The best verdict on an exercise counts.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Sequence

from authoring.grading import wire
from authoring.grading.notebooks import CannotGrade, code_cells, read_bytes
from authoring.grading.processes import Place, Stopped, Worker
from authoring.grading.submissions import Submission, joined, shown
from authoring.grading.table import Row
from exercises import Exercise, Verdict, graded_cases, judge

STARTS = 4
"""A submission that ends its process is started again, without the cell that did."""
MOST_QUESTIONS, MOST_ASKED = 20_000, 50_000_000
LONGEST = 600
"""Letters of a sentence that may hold a learner's own words."""


class Assignment:
    """The exercises of a set, with the cases that this grading uses."""

    def __init__(self, name: str, exercises: Sequence[Exercise], seed: int):
        self.name, self.exercises, self.seed = name, exercises, seed
        self.cases = {one.name: graded_cases(one, seed) for one in exercises}
        self.coded = {
            name: wire.encode_cases(cases) for name, cases in self.cases.items()
        }

    def names(self) -> list[str]:
        return [name for exercise in self.exercises for name in exercise.answers]


def grade(one: Submission, assignment: Assignment, place: Place) -> list[Row]:
    """A row for each exercise, whatever the submission is; nothing is raised."""
    try:
        if one.problem:
            raise CannotGrade(one.problem)
        cells = code_cells(read_bytes(one.path))
        refuse_other_set(cells, assignment)
        found = Run(cells, assignment, place)
        return [row_of(one, each, assignment, found) for each in assignment.exercises]
    except CannotGrade as reason:
        status = "not graded" if one.handed_in else "missing"
        return rows_without_points(one, assignment, status, said=shown(str(reason)))
    except Exception as error:  # One learner never stops the grading of another.
        remark = shown(f"the grader failed: {type(error).__name__}: {error}")
        return rows_without_points(one, assignment, "not graded", remark=remark)


def digest(one: Submission) -> str:
    """By which a submission is known again; empty if there is nothing to read."""
    try:
        return hashlib.sha256(read_bytes(one.path)).hexdigest()[:12]
    except Exception:
        return ""


def refuse_other_set(cells: list[str], assignment: Assignment) -> None:
    text = "\n".join(cells)
    names = assignment.names()
    if not any(re.search(rf"\b{re.escape(name)}\b", text) for name in names):
        raise CannotGrade(
            f"this is not {assignment.name}: none of {', '.join(names)} is in it"
        )


class Run:
    """A submission's cells, run to their end, and what is known of its answers.

    Attributes
    ----------
    best, attempts : of each exercise the best verdict, and how many answers there were.
    stops : of an exercise, why its answer ended the process.
    errors : of each code cell; remarks: for the instructor.
    """

    def __init__(self, cells: list[str], assignment: Assignment, place: Place):
        self.cells, self.assignment = cells, assignment
        self.best, self.attempts, self.stops = {}, Counter(), {}
        self.errors, self.remarks = {}, []
        self._left_out, self._seen, self._defined = set(), set(), set()
        self._seconds = [place.limits.step_seconds, place.limits.wall_seconds]
        self._go(place)

    def _go(self, place: Place) -> None:
        for _ in range(STARTS):
            with Worker(place) as worker:
                try:
                    worker.set_up()
                except Stopped as stop:
                    if self.errors:  # What was reached is kept.
                        break
                    raise CannotGrade(f"its process did not start: {stop}") from None
                try:
                    return self._from_top_to_bottom(worker)
                except Stopped:
                    continue  # once more, without what ended it
        self.remarks.append("it ended its process again and again and was given up")

    def _from_top_to_bottom(self, worker: Worker) -> None:
        exercises = self.assignment.exercises
        for number in range(len(self.cells)):
            if number in self._left_out:
                continue
            changed = self._run_cell(worker, number)
            self._defined.update(changed)
            for exercise in exercises:
                parts = set(exercise.answers)
                if parts & set(changed) and parts <= self._defined:
                    is_new = self._observe(worker, exercise, number)
                    self.attempts[exercise.name] += is_new
        for exercise in exercises:
            # What an answer uses, or its other part, may stand below it or nowhere.
            best = self.best.get(exercise.name)
            if not (best and best.right) and self._defined & set(exercise.answers):
                self._observe(worker, exercise, len(self.cells))

    def _run_cell(self, worker: Worker, number: int) -> list[str]:
        """The names of answers to which the cell gave a new value."""
        request = {"do": "run", "source": self.cells[number], "seconds": self._seconds}
        try:
            reply = worker.ask({**request, "names": self.assignment.names()})
            error, changed = (
                shown(str(reply["error"])[:300]),
                map(str, reply["changed"]),
            )
        except (Stopped, KeyError, TypeError) as stop:
            self._left_out.add(number)
            self.errors[number] = str(stop)
            self.remarks.append(f"code cell {number + 1} was left out: {stop}")
            raise Stopped from None
        self.errors[number] = error
        changed = [name for name in changed if name in self.assignment.names()]
        if error == "out of time":
            self.remarks.append(f"code cell {number + 1} ran out of time")
        return changed

    def _observe(self, worker: Worker, exercise: Exercise, number: int) -> bool:
        """Judge what the answer makes of the cases, once after each cell."""
        name = exercise.name
        if (name, number) in self._seen:
            return False
        self._seen.add((name, number))
        coded, functions = self.assignment.coded[name]
        seen, questions, ended = [], Counter(), False

        def take(reply):
            if "kept" in reply:
                return seen.append(reply["kept"])
            questions["asked"] += 1
            questions["letters"] += len(str(reply["inputs"]))
            if questions["asked"] > MOST_QUESTIONS or questions["letters"] > MOST_ASKED:
                raise Stopped("it asked for more than it needs to")
            try:
                inputs = wire.decode(reply["inputs"])
                return wire.encode(wire.plain(functions[reply["ask"]](*inputs)), [])
            except Exception as error:  # There, too, it becomes an exception.
                return {"raised": type(error).__name__}

        request = {"do": "observe", "names": exercise.answers, "cases": coded}
        request |= {"library": exercise.library, "seconds": self._seconds}
        try:
            worker.ask(request, take)
        except (Stopped, KeyError) as stop:
            ended, self.stops[name] = True, str(stop)
        if len(seen) < len(self.assignment.cases[name]):
            # Once is enough: in the end it would not come back either.
            self._seen.add((name, len(self.cells)))
        verdict = verdict_on(exercise, self.assignment, seen)
        best = self.best.get(name)
        if best is None or (verdict.points, verdict.right) >= (best.points, best.right):
            self.best[name] = verdict
        if ended:
            raise Stopped
        return True


def verdict_on(exercise, assignment: Assignment, coded_results: list) -> Verdict:
    """Results may be forged; then they are wrong, or cannot be read."""
    try:
        results = [wire.decode_observation(result) for result in coded_results]
        return judge(exercise, assignment.cases[exercise.name], results)
    except Exception as error:
        words = f"The result cannot be read ({type(error).__name__})."
        lost = tuple((name, False, points) for name, points in exercise.points.items())
        return Verdict(0, words, "", lost)


def row_of(one, exercise, assignment, found: Run) -> Row:
    verdict = found.best.get(exercise.name)
    stop = found.stops.get(exercise.name, "")
    possible = sum(exercise.points.values())
    hidden = ""
    if verdict is None:
        points, said = 0, why_undefined(exercise, found)
    else:
        points = max(0, min(verdict.points, possible))
        said, hidden = shown(verdict.said[:LONGEST]), shown(verdict.hidden[:LONGEST])
        hidden = f"hidden cases: {hidden}" if hidden not in ("", said) else ""
        lost = [name for name, held, _ in verdict.properties if not held]
        if points and lost:
            said = joined(said, f"not yet: {', '.join(lost)}")
    several = found.attempts[exercise.name]
    copies = f"{several} answers, the best one counts" if several > 1 else ""
    stopped = bool(stop or found.remarks) and not (verdict and verdict.right)
    return Row(
        set=assignment.name,
        name=one.name,
        exercise=exercise.name,
        points=float(points),
        possible=float(possible),
        status="partly graded" if stopped else "graded",
        said=said or ("" if hidden else "Right."),
        remark=joined(hidden, copies, stop, one.remark, *dict.fromkeys(found.remarks)),
        seed=assignment.seed,
        submission=digest(one),
    )


def why_undefined(exercise, found: Run) -> str:
    """The name never got a value: what stopped the cell that should give it one?"""
    name = next(iter(exercise.answers))
    pattern = re.compile(rf"\bdef\s+{re.escape(name)}\b|\b{re.escape(name)}\s*=")
    for number, source in enumerate(found.cells):
        if pattern.search(source) and found.errors.get(number):
            return f"Its cell failed: {found.errors[number]}"
    return f"The notebook defines no {' and '.join(exercise.answers)}."


def rows_without_points(one, assignment, status, said="", remark="") -> list[Row]:
    return [
        Row(
            set=assignment.name,
            name=one.name,
            exercise=exercise.name,
            points=0.0,
            possible=float(sum(exercise.points.values())),
            status=status,
            said=said,
            remark=joined(remark, one.remark),
            seed=assignment.seed,
            submission=digest(one),
        )
        for exercise in assignment.exercises
    ]
