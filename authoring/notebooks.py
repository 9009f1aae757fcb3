"""Build the notebooks, outputs included, from the text sources in notebooks/src.

    python -m authoring notebooks               build all
    python -m authoring notebooks 01 03         build those whose names begin so
    python -m authoring notebooks --check       say which their sources no longer build
    python -m authoring notebooks --sync 01     bring edits made in JupyterLab back

A source is a py:percent script without a header. Built twice from the same source on
the same machine, a notebook is the same byte for byte, so that a difference in git is
a difference in the lesson. The minutes that the run takes (see `pace`) go into the
metadata, and a test holds the first page to them. Some tags in a source mean something
to the build:

* `nbval-ignore-output` marks a cell whose output cannot be stable: it is run,
  its output is not stored and not compared; with `example-output` beside it, it is
  stored, for readers who do not run the notebook;
* `raises-exception` marks a cell that fails on purpose.

What a learner need not read to follow is folded: cells that only import or claim,
those that ask or answer, and those tagged `folded`.
"""

import argparse
import ast
import base64
import hashlib
import json
import math
import os
import sys
import tempfile
from itertools import zip_longest
from pathlib import Path
from statistics import fmean

import jupytext
import nbformat
import psutil
from nbclient import NotebookClient
from nbclient.exceptions import CellControlSignal, DeadKernelError

from authoring.pace import pace
from authoring.surroundings import ROOT, prepare

SOURCES = ROOT / "notebooks" / "src"
PERCENT = {"extension": ".py", "format_name": "percent"}
KERNEL = {
    "kernelspec": {
        "display_name": "Python 3 (ipykernel)",
        "language": "python",
        "name": "python3",
    },
    "language_info": {"name": "python"},
}
SECONDS_A_CELL = 600
VOLATILE, EXAMPLE = "nbval-ignore-output", "example-output"
FOLDED = "folded"
ASKING = {"desk.predict", "desk.answer", "desk.quiz", "desk.tally"}
# A widget's view names a model that is gone with its kernel; the picture and the
# sentence beside it stay.
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_NOTES = {b"tEXt", b"zTXt", b"iTXt", b"tIME"}


class BuildError(Exception):
    """A notebook cannot be built or synced; the message names it and the cell."""


def notebook_path(source: Path) -> Path:
    return source.parent.parent / f"{source.stem}.ipynb"


def read_source(source: Path):
    """The notebook that a source describes, not yet run, with stable cell ids."""
    notebook = jupytext.reads(source.read_text("utf-8"), fmt=PERCENT)
    used = set()
    for cell in notebook.cells:
        digest = hashlib.sha256(cell.source.encode()).hexdigest()[:8]
        copies = sum(name.startswith(digest) for name in used)
        cell.id = f"{digest}-{copies}"
        used.add(cell.id)
        if cell.cell_type == "code" and is_folded(cell):
            cell.metadata.jupyter = {"source_hidden": True}
    notebook.metadata = nbformat.from_dict(KERNEL)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


def is_folded(cell) -> bool:
    """Whether a learner sees the cell's code only after unfolding it."""
    if FOLDED in cell.metadata.get("tags", []):
        return True
    try:
        statements = ast.parse(cell.source).body
    except SyntaxError:  # a line of IPython's own, such as %timeit
        return False
    if any(called(statement) in ASKING for statement in statements):
        return True
    return bool(statements) and all(map(is_furniture, statements))


def is_furniture(statement: ast.stmt) -> bool:
    """An import or a claim, also in a loop."""
    if isinstance(statement, ast.For):
        return all(map(is_furniture, statement.body))
    return isinstance(statement, ast.Import | ast.ImportFrom) or (
        called(statement) == "claim"
    )


def called(statement: ast.stmt) -> str:
    """The name of the function that a statement calls and does nothing else."""
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        return ast.unparse(statement.value.func)
    return ""


def read_stored(path: Path):
    """The notebook as it lies in the folder, or None."""
    if not path.exists():
        return None
    try:
        return nbformat.read(path, as_version=4)
    except (nbformat.reader.NotJSONError, UnicodeDecodeError, OSError) as error:
        raise BuildError(
            f"{path} cannot be read as a notebook ({type(error).__name__}). Restore it "
            f"with `git restore {path.name}`, or delete it and build it again."
        ) from error


def source_digest(source: Path) -> str:
    return hashlib.sha256(source.read_text("utf-8").encode()).hexdigest()


def execute(notebook, path: Path) -> float:
    """Run all cells in a fresh kernel; return the processor seconds that they took."""
    begun, seconds = [], [0.0]
    client = NotebookClient(
        notebook,
        timeout=SECONDS_A_CELL,
        kernel_name="python3",
        extra_arguments=["--log-level=ERROR"],
        record_timing=False,
        store_widget_state=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(path.parent)}},
        on_cell_start=lambda cell, cell_index: begun.append(cell),
        on_cell_executed=lambda **_: seconds.append(processor_seconds(client)),
    )
    try:
        client.execute()
    except (CellControlSignal, DeadKernelError) as error:
        code_cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
        # Counted from 0, as nbval counts them.
        number = code_cells.index(begun[-1]) if begun else 0
        raise BuildError(f"{path.name}, Cell {number} failed.\n{error}") from error
    return seconds[-1]


def processor_seconds(client: NotebookClient) -> float:
    """Of the client's kernel, so far."""
    used = psutil.Process(client.km.provisioner.pid).cpu_times()
    return used.user + used.system


def settled_minutes(seconds: float, stored: int | None) -> int:
    """Minutes rounded up; the stored number stands while it is at most one too many."""
    measured = max(1, math.ceil(seconds / 60))
    return stored if stored is not None and 0 <= stored - measured <= 1 else measured


def without_notes(png: bytes) -> bytes:
    """The picture without the chunks that name software, version or time.

    A chunk is 4 bytes of length, 4 of type, the content, 4 of checksum (PNG
    specification, section 5.3).
    """
    kept, position = [PNG_SIGNATURE], len(PNG_SIGNATURE)
    while position < len(png):
        length = int.from_bytes(png[position : position + 4], "big")
        end = position + 12 + length
        if png[position + 4 : position + 8] not in PNG_NOTES:
            kept.append(png[position:end])
        position = end
    return b"".join(kept)


def settle_outputs(notebook) -> None:
    """Keep of the outputs what is the same after every run."""
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        tags = cell.metadata.get("tags", [])
        if VOLATILE in tags and EXAMPLE not in tags:
            cell.outputs = []
        for output in cell.outputs:
            data = output.get("data", {})
            data.pop(WIDGET_VIEW, None)
            if "image/png" in data:
                picture = without_notes(base64.b64decode(data["image/png"]))
                data["image/png"] = base64.b64encode(picture).decode()


def build(source: Path) -> str:
    """The text of the notebook file that `source` builds; runs every cell."""
    path = notebook_path(source)
    stored = read_stored(path)
    notebook = read_source(source)
    before = pace()
    seconds = execute(notebook, path) / fmean([before, pace()])
    old = stored.metadata.get("llmlab", {}) if stored else {}
    minutes = settled_minutes(seconds, old.get("minutes"))
    settle_outputs(notebook)
    notebook.metadata = nbformat.from_dict(
        {
            **KERNEL,
            "llmlab": {"minutes": minutes, "source_sha256": source_digest(source)},
        }
    )
    nbformat.validate(notebook)
    return nbformat.writes(notebook) + "\n"


def sync(source: Path) -> str:
    """The text of the source after the edits that its notebook has seen.

    Raises BuildError where the source has changed since the notebook was built: the
    edits of one side would be lost.
    """
    path = notebook_path(source)
    notebook = read_stored(path)
    if notebook is None:
        raise BuildError(f"{path} does not exist: build it first.")
    built_from = notebook.metadata.get("llmlab", {})
    if built_from.get("source_sha256") != source_digest(source):
        raise BuildError(
            f"{source.name} has changed since {path.name} was built, so bringing the "
            "notebook back would undo that change. Keep one side: build the notebook "
            "again, or restore the source as it was."
        )
    if differing_cell(notebook, read_source(source)) is None:
        return source.read_text("utf-8")
    notebook.metadata = nbformat.from_dict(
        {
            "jupytext": {
                "cell_metadata_filter": "tags,-all",
                "notebook_metadata_filter": "-all",
            }
        }
    )
    text = jupytext.writes(notebook, fmt=PERCENT)
    lost = differing_cell(notebook, jupytext.reads(text, fmt=PERCENT))
    if lost is not None:
        raise BuildError(
            f"{path.name}, Cell {lost} (counting all cells from 0) cannot be kept in "
            f"{source.name}: it holds a pasted picture, or a line that begins a new "
            "cell there, such as `# %%`. Save the picture as a file and name that; "
            "word the line otherwise. Nothing was written."
        )
    return text


def differing_cell(notebook, other) -> int | None:
    """The first cell whose kind, text, tags or attachments the other has otherwise."""

    def essence(cell):
        tags = cell.metadata.get("tags", [])
        return cell.cell_type, cell.source, tags, cell.get("attachments") or {}

    pairs = zip_longest(map(essence, notebook.cells), map(essence, other.cells))
    return next((i for i, (one, two) in enumerate(pairs) if one != two), None)


def write(path: Path, text: str) -> bool:
    """Replace the file at once, and only by something else; say whether it was."""
    if path.exists() and path.read_text("utf-8") == text:
        return False
    unfinished = path.with_name(path.name + ".unfinished")
    unfinished.write_text(text, "utf-8", newline="\n")
    os.replace(unfinished, path)
    return True


def as_stored(path: Path) -> str:
    """The file's text, without what JupyterLab notes of the kernel on opening it."""
    notebook = read_stored(path)
    notebook.metadata["language_info"] = KERNEL["language_info"]
    return nbformat.writes(notebook) + "\n"


def differing_cells(path: Path, text: str) -> str:
    """Where the stored notebook is not the one that was built just now."""
    if not path.exists():
        return "it was never built"
    stored, built = (json.loads(x)["cells"] for x in (path.read_text("utf-8"), text))
    if len(stored) != len(built):
        return f"it has {len(stored)} cells, its source builds {len(built)}"
    numbers = [str(i) for i in range(len(built)) if stored[i] != built[i]]
    return f"counting all cells from 0: {', '.join(numbers) or 'metadata only'}"


def choose_sources(beginnings: list[str]) -> list[Path]:
    sources = sorted(SOURCES.glob("[0-9]*.py"))
    for beginning in beginnings:
        if not any(source.stem.startswith(beginning) for source in sources):
            names = ", ".join(source.stem for source in sources)
            raise BuildError(
                f"No notebook begins with {beginning!r}. There are: {names}"
            )
    if not beginnings:
        return sources
    return [source for source in sources if source.stem.startswith(tuple(beginnings))]


def act(source: Path, arguments: argparse.Namespace) -> bool:
    """Build, check or sync one notebook; False where a check found it stale."""
    path = notebook_path(source)
    if arguments.sync:
        changed = write(source, sync(source))
        print(f"{'synced   ' if changed else 'unchanged'} {source.name}", flush=True)
        return True
    text = build(source)
    if not arguments.check:
        changed = write(path, text)
        print(f"{'built    ' if changed else 'unchanged'} {path.name}", flush=True)
        return True
    if path.exists() and as_stored(path) == text:
        print(f"ok        {path.name}", flush=True)
        return True
    print(f"STALE     {path.name}: {differing_cells(path, text)}", flush=True)
    return False


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m authoring notebooks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--check", action="store_true", help="compare, write nothing")
    mode.add_argument("--sync", action="store_true", help="notebook to source")
    parser.add_argument("beginnings", nargs="*", metavar="NAME", help="such as 01")
    arguments = parser.parse_args(words)
    with tempfile.TemporaryDirectory(prefix="llmlab-build-") as folder:
        prepare(Path(folder))
        try:
            fresh = [
                act(source, arguments)
                for source in choose_sources(arguments.beginnings)
            ]
        except BuildError as error:
            print(error, file=sys.stderr)
            return 2
    return 0 if all(fresh) else 1
