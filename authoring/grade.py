"""Grade a folder of submissions into one table.

    python -m authoring grade ps1 submissions --csv grades.csv

The table is merged, never overwritten: the same command again grades what is new or
has changed. `exercises/README.md` says what grading protects against.
"""

import argparse
import os
import secrets
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from authoring.grading import feedback, table
from authoring.grading.processes import Limits, Place, end_all, ready
from authoring.grading.submissions import Submission, find_submissions, shown
from authoring.grading.verdicts import Assignment, digest, grade
from exercises import load, sets
from llmlab.arguments import folder_path, seed_number


def parser() -> argparse.ArgumentParser:
    words = argparse.ArgumentParser(
        prog="python -m authoring grade", description=__doc__.split("\n")[0]
    )
    words.add_argument("set", help="which set of exercises, such as ps1")
    words.add_argument(
        "submissions", type=folder_path, help="the folder of submissions"
    )
    words.add_argument("--csv", type=folder_path, default=Path("grades.csv"))
    words.add_argument("--only", metavar="NAME", help="grade this learner, once more")
    words.add_argument("--again", action="store_true", help="also who was graded")
    words.add_argument("--roster", type=folder_path, help="the class: a CSV with names")
    words.add_argument("--wide", type=folder_path, help="write one row a learner, too")
    words.add_argument(
        "--nbgrader", type=folder_path, help="write nbgrader's export, too"
    )
    words.add_argument(
        "--feedback", type=folder_path, help="folder of the learners' pages"
    )
    words.add_argument(
        "--seed", type=seed_number, help="of the hidden cases (drawn once)"
    )
    words.add_argument("--sandbox", action="store_true", help="use bubblewrap (Linux)")
    words.add_argument("--jobs", type=positive, default=min(4, os.cpu_count() or 1))
    default = Limits()
    for name, about in (
        ("step-seconds", "processor time for a cell or an answer"),
        ("seconds", "processor time for a submission"),
        ("wall-seconds", "of the clock, for a cell or an answer that only waits"),
    ):
        value = getattr(default, name.replace("-", "_"))
        help = f"{about} ({value:g})"
        words.add_argument(f"--{name}", type=positive, default=value, help=help)
    return words


def positive(word: str) -> int:
    if not word.isdigit() or int(word) < 1:
        raise argparse.ArgumentTypeError(f"{word!r} is not a number from 1 on")
    return int(word)


def main(words: list[str] | None = None) -> int:
    options = parser().parse_args(words)
    try:
        return grade_folder(options)
    except (ValueError, OSError) as error:
        print(f"grade: {error}", file=sys.stderr)
        return 2


def grade_folder(options) -> int:
    grades = table.Table(options.csv)
    assignment = assignment_of(options, grades)
    roster = table.read_roster(options.roster) if options.roster else []
    pages = options.feedback or options.csv.parent / "feedback"
    submissions, passed_over = find_submissions(
        options.submissions,
        assignment.name,
        other_sets=set(sets()) - {assignment.name},
        ours=[p for p in (options.csv, options.wide, options.nbgrader, pages) if p],
    )
    if passed_over:
        print("passed over, no learners:", ", ".join(passed_over))
    submissions = with_roster(submissions, roster)
    chosen = [one for one in submissions if wanted(one, options, assignment, grades)]
    limits = Limits(options.step_seconds, options.seconds, options.wall_seconds)
    hidden = (options.submissions, options.csv.parent)
    if options.only and not chosen:
        raise ValueError(f"nobody is called {shown(options.only)!r}")
    if len(chosen) < len(submissions) and not options.only:
        print(f"{len(submissions) - len(chosen)} were graded before, as they are now")
    try:
        if chosen:
            with ready(Place(limits, hidden, options.sandbox)) as place:
                grade_all(chosen, assignment, place, grades, options.jobs)
    except KeyboardInterrupt:
        print(f"stopped; {options.csv} holds what was graded, and the same goes on")
        return 130
    finally:
        feedback.write_feedback(grades, assignment, pages, {o.name for o in chosen})
    if options.wide:
        table.write_wide(grades, roster, options.wide)
    if options.nbgrader:
        table.write_nbgrader(grades, roster, options.nbgrader)
    print(feedback.class_report(grades, assignment))
    print(f"wrote {options.csv} and {pages / assignment.name}")
    return 0


def assignment_of(options, grades: table.Table) -> Assignment:
    known = sets()
    if options.set not in known:
        raise ValueError(
            f"there is no set {options.set!r}; choose from: {', '.join(known)}"
        )
    seed = options.seed
    if seed is None:
        seed = grades.seed_of(options.set)
    if seed is None:
        seed = secrets.randbelow(10**6) + 1  # Nobody can know the hidden cases.
    return Assignment(
        options.set, [load(n) for n in known[options.set].exercises], seed
    )


def with_roster(submissions, roster) -> list[Submission]:
    """Submissions by the names of the class list, and those who handed nothing in."""
    if not roster:
        return submissions
    named, unknown = {}, []
    for one in submissions:
        name = table.in_roster(one.name, roster)
        name = name or (one.number and table.in_roster(one.number, roster)) or None
        if name is None:
            unknown.append(one.name)
        elif name in named:
            problem = f"two submissions are {name}'s: keep one"
            named[name] = Submission(name, problem=problem)
            continue
        name = name or one.name
        named[name] = replace(one, name=name)
    if unknown:
        print("not in the roster:", ", ".join(unknown))
    for row in roster:
        absent = Submission(row["name"], problem="nothing here", handed_in=False)
        named.setdefault(row["name"], absent)
    return [named[name] for name in sorted(named)]


def wanted(one: Submission, options, assignment, grades: table.Table) -> bool:
    if options.only:
        return table.plain(one.name) == table.plain(shown(options.only))
    return options.again or not grades.has(assignment, one.name, digest(one))


def grade_all(chosen, assignment, place, grades: table.Table, jobs: int) -> None:
    """Enter each learner's rows at once: a batch that is stopped keeps them."""
    with ThreadPoolExecutor(max(1, jobs)) as pool:
        try:
            for rows in pool.map(lambda one: grade(one, assignment, place), chosen):
                entered = grades.enter(rows)
                grades.save()
                print(line_of(rows, entered), flush=True)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            end_all()
            raise


def line_of(rows: list[table.Row], entered: bool) -> str:
    points, possible = (
        sum(getattr(r, k) for r in rows) for k in ("points", "possible")
    )
    line = f"{rows[0].name:24} {points:g} of {possible:g}"
    undecided = [row for row in rows if row.status != "graded"]
    if undecided:
        row = undecided[0]
        line += f"   {row.status}: {row.said or row.remark}"
    return line if entered else f"{line} (the grade that stands in the table stays)"
