"""Grade a folder of submissions with nbgrader and write one CSV.

    python exercises/grade.py ps1 SUBMISSIONS --csv grades.csv

First comes the name of the assignment. SUBMISSIONS holds one notebook a learner,
`mara.ipynb`, or one folder a learner, `mara/ps1.ipynb` or `mara/ps1/ps1.ipynb`. The
CSV has a row for each learner and exercise: name, exercise, points, possible, remark.

Every submission is graded in a process, a folder and a gradebook of its own, within a
time limit, so that none can stop the batch or touch another's grade. What could not
be graded gets no points and a remark in words. See README.md for what this protects
against and what it does not.
"""

import argparse
import csv
import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import build
import nbformat
import psutil

ROOT = build.FOLDER.parent
LEARNER = "learner"


class CannotGrade(Exception):
    """A submission that yields no points; the message says why, in words."""


@dataclass(frozen=True)
class Limits:
    """Seconds for one cell and for one whole submission; whether to use bubblewrap."""

    cell_seconds: int
    submission_seconds: int
    sandbox: bool


@dataclass(frozen=True)
class Row:
    """One line of the CSV."""

    name: str
    exercise: str
    points: float
    possible: float
    remark: str


def source_of(assignment):
    sources = {path.stem: path for path in build.sources()}
    if assignment not in sources:
        raise ValueError(
            f"there is no assignment {assignment!r}; choose from: {', '.join(sources)}"
        )
    return sources[assignment]


def find_submissions(folder, assignment):
    """Name -> notebook; None where a learner's folder holds no such notebook."""
    found = {}
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith(".") or not (
            entry.is_dir() or entry.suffix == ".ipynb"
        ):
            continue
        name = entry.name.removesuffix(".ipynb")
        if name in found:
            raise ValueError(
                f"two submissions are called {name!r}, a file and a folder: keep one"
            )
        places = (
            [entry / assignment / f"{assignment}.ipynb", entry / f"{assignment}.ipynb"]
            if entry.is_dir()
            else [entry]
        )
        found[name] = next((path for path in places if path.is_file()), None)
    if not found:
        raise ValueError(
            f"{folder} holds no submissions: put in notebooks, name.ipynb, or folders, "
            f"name/{assignment}.ipynb"
        )
    return found


class Course:
    """A private nbgrader course with one assignment, from which gradebooks are copied.

    The gradebook holds the checks with their hidden tests, and no solutions.
    """

    def __init__(self, folder, source):
        instructor = build.instructor_notebook(source)
        assignment = source.stem
        self.folder, self.assignment = folder, assignment
        self.checks = [
            cell
            for cell in build.student_notebook(instructor).cells
            if cell.metadata.get("nbgrader", {}).get("grade")
        ]
        build.write(instructor, folder / "source" / assignment / f"{assignment}.ipynb")
        shutil.copy(build.FOLDER / "nbgrader_config.py", folder)
        (folder / "nbgrader").mkdir()
        output = run(nbgrader("generate_assignment", assignment), folder, seconds=300)
        if not (folder / "nbgrader" / "release" / assignment).exists():
            raise ValueError(f"nbgrader cannot take {source.name} in:\n{output}")

    def copy_for_one(self, folder, submission):
        """A course folder that knows the checks and this one submission, no more."""
        shutil.copy(self.folder / "nbgrader_config.py", folder)
        (folder / "nbgrader").mkdir()
        shutil.copy(self.folder / "nbgrader" / "gradebook.db", folder / "nbgrader")
        place = folder / "nbgrader" / "submitted" / LEARNER / self.assignment
        build.write(submission, place / f"{self.assignment}.ipynb")


def grade(name, path, course, limits):
    """The rows of one submission, one for each exercise, whatever it contains."""
    try:
        submission, remark = read_submission(path, course)
        with tempfile.TemporaryDirectory(prefix="llmlab-grade-") as folder:
            folder = Path(folder).resolve()
            course.copy_for_one(folder, submission)
            points, errors = autograde(folder, course.assignment, path, limits)
    except CannotGrade as reason:
        points, errors, remark = {}, {}, f"not graded: {reason}"
    rows = []
    for check in course.checks:
        grade_id = check.metadata.nbgrader.grade_id
        remarks = filter(None, (remark, errors.get(grade_id)))
        rows.append(
            Row(
                name,
                grade_id.removesuffix("-check"),
                points.get(grade_id, 0.0),
                float(check.metadata.nbgrader.points),
                "; ".join(remarks),
            )
        )
    return rows


def read_submission(path, course):
    """The notebook, mended so far that nbgrader can take it, and what was mended."""
    if path is None:
        raise CannotGrade(f"the folder holds no {course.assignment}.ipynb")
    try:
        notebook = nbformat.reads(path.read_text("utf-8"), as_version=4)
        nbformat.validate(notebook)
        notebook = nbformat.v4.upgrade(notebook)
    except Exception as error:  # nbformat promises no particular kind
        reason = str(error).strip().split("\n")[0]
        raise CannotGrade(f"this is not a readable notebook ({reason})") from error
    known = ids_of(course.checks)
    foreign = {name for name in grade_ids(notebook) if name} - known
    if foreign and not known & set(grade_ids(notebook)):
        raise CannotGrade(
            f"this is not {course.assignment}: its exercises are called "
            f"{', '.join(sorted(foreign - {f'{name}-check' for name in foreign}))}"
        )
    copied = unmark_copies(notebook, known)
    missing = [
        check
        for check in course.checks
        if check.metadata.nbgrader.grade_id not in grade_ids(notebook)
    ]
    notebook.cells += [
        nbformat.v4.new_code_cell(check.source, metadata=check.metadata)
        for check in missing
    ]
    lost = [check.metadata.nbgrader.grade_id for check in missing]
    remarks = []
    if copied:
        remarks.append(
            f"further cells called {', '.join(copied)} were run, but do not count"
        )
    if lost:
        remarks.append(f"{', '.join(lost)} was missing and was added at the end")
    return notebook, "; ".join(remarks)


def grade_ids(notebook):
    return [
        cell.metadata.get("nbgrader", {}).get("grade_id") for cell in notebook.cells
    ]


def ids_of(checks):
    """The ids of the checks and of the answers that they belong to."""
    ids = {check.metadata.nbgrader.grade_id for check in checks}
    return ids | {name.removesuffix("-check") for name in ids}


def unmark_copies(notebook, known):
    """Make copies of graded cells, of this assignment or another, ordinary cells.

    nbgrader stops at two equal ids, and at one that it does not know.
    """
    seen, copied = set(), []
    for cell, grade_id in zip(notebook.cells, grade_ids(notebook), strict=True):
        if grade_id in seen or (grade_id and grade_id not in known):
            del cell.metadata["nbgrader"]
            copied.append(grade_id)
        elif grade_id:
            seen.add(grade_id)
    return sorted(set(copied))


def autograde(folder, assignment, submission_path, limits):
    """Run the submission. Points and error messages, by the id of the check."""
    command = nbgrader(
        *("autograde", assignment, f"--student={LEARNER}"),
        f"--Execute.timeout={limits.cell_seconds}",
    )
    if limits.sandbox:
        command = in_bubblewrap(command, folder, submission_path)
    try:
        output = run(command, folder, limits.submission_seconds)
    except subprocess.TimeoutExpired as error:
        raise CannotGrade(
            f"it ran longer than {limits.submission_seconds} seconds and was stopped"
        ) from error
    done = folder / "nbgrader" / "autograded" / LEARNER / assignment
    if not done.exists():
        raise CannotGrade(why_nbgrader_failed(output))
    points = read_points(folder, assignment)
    return points, read_errors(done / f"{assignment}.ipynb", limits)


def nbgrader(*words):
    return [sys.executable, "-m", "nbgrader", *words]


def in_bubblewrap(command, folder, submission_path):
    """The command without network, seeing neither solutions nor other submissions."""
    hidden = (Path(tempfile.gettempdir()), ROOT, submission_path.resolve().parent)
    shown = (ROOT / "llmlab", ROOT / "data", Path(sys.prefix))
    return [
        *("bwrap", "--unshare-all", "--die-with-parent"),
        *("--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"),
        *(word for path in hidden for word in ("--tmpfs", path)),
        *(word for path in shown for word in ("--ro-bind", path, path)),
        *("--bind", folder, folder, "--chdir", folder),
        *command,
    ]


def run(command, folder, seconds):
    """Run in the folder and return what it printed; past the limit, end all of it."""
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join((str(ROOT), os.environ.get("PYTHONPATH", ""))),
        # nbgrader calls a command that was installed beside Python.
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])),
        # Neither the settings nor the start-up files of the person who grades.
        **{
            name: str(folder / "jupyter")
            for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
        },
    }
    with subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        try:
            return process.communicate(timeout=seconds)[0]
        except BaseException:
            end_with_children(process.pid)
            raise
        finally:
            end_all_started_in(folder)


def end_with_children(pid):
    """The kernel is a child of nbgrader and would outlive it."""
    try:
        parent = psutil.Process(pid)
        processes = [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for process in processes:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(processes, timeout=3)


def end_all_started_in(folder):
    """What a submission started for itself, and left running."""
    for process in psutil.process_iter():
        try:
            if process.environ().get("IPYTHONDIR") == str(folder / "jupyter"):
                process.kill()
        except psutil.Error:
            continue


def why_nbgrader_failed(output):
    if "Kernel died" in output:
        return "the kernel died (exit(), os._exit, a crash, or not enough memory)"
    if "CellTimeoutError" in output:
        return "a cell ran past its limit and went on when it was interrupted"
    raised = [
        line.strip()
        for line in output.splitlines()
        if re.match(r"\s*[\w.]+(Error|Exception): ", line)
    ]
    return f"nbgrader failed: {raised[-1] if raised else output[-200:]}"


def read_points(folder, assignment):
    from nbgrader.api import Gradebook

    database = folder / "nbgrader" / "gradebook.db"
    with Gradebook(f"sqlite:///{database}") as gradebook:
        submission = gradebook.find_submission(assignment, LEARNER)
        return {
            grade.cell.name: float(grade.auto_score or 0.0)
            for notebook in submission.notebooks
            for grade in notebook.grades
        }


def read_errors(path, limits):
    """What stopped each exercise, for instructors only: it may tell of hidden tests."""
    errors, before = {}, ""
    for cell in nbformat.read(path, as_version=4).cells:
        grade_id = cell.metadata.get("nbgrader", {}).get("grade_id")
        raised = [
            output
            for output in cell.get("outputs", [])
            if output.output_type == "error"
        ]
        if grade_id and raised:
            # Where the answer itself failed, the check can only say that it is missing.
            check = f"{grade_id.removesuffix('-check')}-check"
            errors.setdefault(check, in_words(raised, limits) + before)
        elif raised and not before:
            before = f" (an earlier cell failed: {in_words(raised, limits)})"
    return errors


def in_words(raised, limits):
    if any(output.ename == "CellTimeoutError" for output in raised):
        return f"ran longer than {limits.cell_seconds} seconds and was interrupted"
    kind, message = raised[0].ename, raised[0].evalue.strip().split("\n")[0]
    return message if kind == "CheckFailed" else f"{kind}: {message}"


def require_tools(sandbox):
    try:
        import nbgrader  # noqa: F401
    except ImportError:
        raise ValueError(
            "nbgrader is not installed; it comes with the extra for instructors: "
            'python -m pip install -e ".[instructor]"'
        ) from None
    if sandbox and shutil.which("bwrap") is None:
        raise ValueError(
            "--sandbox needs bubblewrap (Linux, the command bwrap): install it, or "
            "grade without --sandbox in a virtual machine"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("assignment", help="which one to grade, such as ps1")
    parser.add_argument("submissions", type=Path, help="the folder of submissions")
    parser.add_argument("--csv", type=Path, default=Path("grades.csv"))
    parser.add_argument(
        "--cell-seconds", type=int, default=30, help="limit for one cell"
    )
    parser.add_argument(
        "--seconds", type=int, default=300, help="limit for one submission"
    )
    parser.add_argument(
        "--jobs", type=int, default=1, help="submissions graded at the same time"
    )
    parser.add_argument(
        "--sandbox", action="store_true", help="hide solutions and network (Linux)"
    )
    options = parser.parse_args()
    limits = Limits(options.cell_seconds, options.seconds, options.sandbox)
    try:
        source = source_of(options.assignment)
        require_tools(options.sandbox)
        submissions = find_submissions(options.submissions, options.assignment)
        with tempfile.TemporaryDirectory(prefix="llmlab-course-") as folder:
            course = Course(Path(folder).resolve(), source)
            grade_all(submissions, course, limits, options.csv, options.jobs)
    except (ValueError, OSError, subprocess.TimeoutExpired) as error:
        print(f"grade: {error}", file=sys.stderr)
        return 2
    print(f"wrote {options.csv}")
    return 0


def grade_all(submissions, course, limits, csv_path, jobs):
    """Write each learner's rows at once: an interrupted batch keeps what is graded."""
    with (
        csv_path.open("w", newline="", encoding="utf-8") as file,
        ThreadPoolExecutor(jobs) as pool,
    ):
        writer = csv.writer(file)
        writer.writerow(field.name for field in fields(Row))
        for rows in pool.map(
            lambda submission: grade(*submission, course, limits), submissions.items()
        ):
            writer.writerows(map(as_text, astuple(row)) for row in rows)
            file.flush()
            points = sum(row.points for row in rows)
            possible = sum(row.possible for row in rows)
            print(f"{rows[0].name:24} {points:g} of {possible:g}", flush=True)


def as_text(value):
    """A learner's words must not become a formula in the instructor's spreadsheet."""
    is_formula = isinstance(value, str) and value.startswith(("=", "+", "-", "@"))
    return f"'{value}" if is_formula else value


if __name__ == "__main__":
    sys.exit(main())
