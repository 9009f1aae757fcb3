"""Settings of nbgrader for this course; run nbgrader in this folder.

`source/` is what we wrote; everything that nbgrader makes goes to `nbgrader/`, which
is not in git. `release/` belongs to build.py.
"""

from pathlib import Path

c = get_config()  # noqa: F821 (nbgrader defines it)

# SQLite makes a file, but no folder for it.
Path("nbgrader").mkdir(exist_ok=True)

c.CourseDirectory.course_id = "llmlab"
c.CourseDirectory.db_url = "sqlite:///nbgrader/gradebook.db"
c.CourseDirectory.release_directory = "nbgrader/release"
c.CourseDirectory.submitted_directory = "nbgrader/submitted"
c.CourseDirectory.autograded_directory = "nbgrader/autograded"
c.CourseDirectory.feedback_directory = "nbgrader/feedback"
c.CourseDirectory.solution_directory = "nbgrader/solution"
# The text sources lie beside the notebooks that are built from them.
c.CourseDirectory.ignore = [".ipynb_checkpoints", "__pycache__", "*.py"]

# The same words as in build.py; a test compares the two student notebooks.
c.ClearSolutions.code_stub = {
    "python": "raise NotImplementedError("
    '"Your turn: replace this line with your answer.")'
}

# An endless loop is interrupted and the rest still runs.
c.Execute.timeout = 30
c.Execute.interrupt_on_timeout = True
