"""Where text comes from: what lies on this machine already, and any folder.

Nothing here needs a network, and nothing runs what it reads: docstrings are found by
parsing files, never by importing them.
"""

import ast
import importlib.metadata
import os
import re
import sysconfig
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from llmlab.real_text.extraction import Extraction, main_text
from llmlab.real_text.markdown import markdown_text
from llmlab.real_text.passages import Passage
from llmlab.real_text.refining import GENTLE, Source, Station, refine
from llmlab.real_text.sifting import Report

# Python and its libraries -------------------------------------------------------------


def python_documentation(
    stations: Sequence[Station] = GENTLE,
) -> tuple[list[Passage], Report]:
    """What Python says about itself: its reference, and its library's docstrings.

    Returns passages, report: as `read_text`. Almost two million characters of careful
    English; the exact text depends on the version of Python.
    Raises ValueError: this Python was installed without its documentation.
    """
    sources = python_topics() + standard_library_docstrings()
    return refine("the Python documentation", sources, stations)


def python_topics() -> list[Source]:
    """The topics of Python's `help`: most of its language reference.

    Raises ValueError: this Python was installed without its documentation.
    """
    try:
        from pydoc_data.topics import topics
    except ImportError as error:
        raise ValueError(
            "this Python was installed without pydoc_data, its documentation; install "
            "the complete Python, or give a folder of text"
        ) from error
    return [Source(f"topic {name}", text) for name, text in sorted(topics.items())]


def standard_library_docstrings() -> list[Source]:
    """The docstrings of each module of the standard library."""
    library = Path(sysconfig.get_path("stdlib"))
    others = {"site-packages", "dist-packages", "test", "tests", "idlelib"}
    rooms = (room for room in library.iterdir() if room.name not in others)
    files = (file for room in rooms for file in [room, *room.rglob("*.py")])
    modules = (
        (file.relative_to(library).as_posix(), file)
        for file in files
        if file.suffix == ".py" and not others & set(file.relative_to(library).parts)
    )
    return _docstrings(modules)


def package_readmes() -> list[Source]:
    """The README of every installed library, as far as it brought one along."""
    found = {}
    for distribution in importlib.metadata.distributions():
        metadata = distribution.metadata
        text = metadata.get("Description") or metadata.get_payload()
        if isinstance(text, str) and text.strip() and text.strip() != "UNKNOWN":
            name = f"README of {str(metadata['Name']).lower()}"
            kind = metadata.get("Description-Content-Type") or ""
            extract = markdown_text if "markdown" in kind else Extraction
            found.setdefault(name, _extracted(name, text, extract))
    return [found[name] for name in sorted(found)]


_DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def _docstrings(modules: Iterable[tuple[str, Path]]) -> list[Source]:
    found = []
    for name, file in sorted(modules):
        try:
            module = ast.parse(file.read_bytes())
        except (OSError, SyntaxError, ValueError):  # a template of code, not code
            continue
        documented = (
            node for node in ast.walk(module) if isinstance(node, _DOCUMENTED)
        )
        text = "\n\n".join(filter(None, map(ast.get_docstring, documented)))
        if text:
            found.append(Source(name, text))
    return found


# Formats ------------------------------------------------------------------------------

_FRAME = r"^\*\*\* ?%s OF (?:THE|THIS) PROJECT GUTENBERG EBOOK.*$\n?"
_BOOK_STARTS = re.compile(_FRAME % "START", re.MULTILINE)
_BOOK_ENDS = re.compile(_FRAME % "END", re.MULTILINE)


def strip_book_frame(text: str) -> Extraction:
    """A book of Project Gutenberg without the page before it and the licence after it.

    Any other text stays as it is.
    """
    start = _BOOK_STARTS.search(text)
    ends = list(_BOOK_ENDS.finditer(text, start.end())) if start else []
    if not ends:
        return Extraction(text)
    first, last = start.end(), ends[-1].start()
    return Extraction(text[first:last], left_out=(text[:first], text[last:]))


_HIDDEN = re.compile(r"(?:^|/)\.(?!$)")

EXTRACTORS: dict[str, Callable[[str], Extraction]] = {
    ".txt": strip_book_frame,
    ".rst": Extraction,
    ".md": markdown_text,
    ".markdown": markdown_text,
    ".html": main_text,
    ".htm": main_text,
}
"""What to do with a file, by the end of its name."""


def _extracted(name: str, content: str, extract: Callable[[str], Extraction]) -> Source:
    """A file's text and what stands beside it; the rest of its characters are mark-up.

    Raises ValueError: the mark-up is such that its parser gives up.
    """
    try:
        extraction = extract(content)
    except Exception as error:  # of a library that met what it does not expect
        raise ValueError(
            f"it cannot be taken apart ({type(error).__name__}: {error})"
        ) from error
    words = len(extraction.text) + sum(map(len, extraction.left_out))
    return Source(name, extraction.text, extraction.left_out, len(content) - words)


# Folders ------------------------------------------------------------------------------


def read_text(
    path: Path | str,
    *,
    skip_unreadable: bool = False,
    stations: Sequence[Station] = GENTLE,
) -> tuple[list[Passage], Report]:
    """Read a folder of text, or a single file, and refine it.

    skip_unreadable, and what is raised : as `folder_of_text`.
    stations : what is done with the text.
    """
    sources, skipped = folder_of_text(path, skip_unreadable=skip_unreadable)
    return refine(str(path), sources, stations, skipped)


def folder_of_text(
    path: Path | str, *, skip_unreadable: bool = False
) -> tuple[list[Source], list[str]]:
    """Read a folder of text, or a single file.

    All files in the folder and below it that end in one of `EXTRACTORS`, in
    the order of their names; hidden files and folders are left alone.

    skip_unreadable : leave files that are empty or not UTF-8 out, and name them in
        the second list, instead of raising.

    Returns sources, skipped: what was read; and the files that were not, with the
    reasons, those whose names end otherwise in one line.
    Raises FileNotFoundError: there is no such folder or file.
    Raises ValueError: there is no text in it, or a file is empty or not UTF-8; the
    message names every such file.
    """
    path = Path(os.path.expanduser(path))
    files, others = text_files(path)
    sources, faults = [], []
    for file in files:
        name = file.relative_to(path).as_posix() if path.is_dir() else file.name
        try:
            sources.append(read_file(name, file))
        except ValueError as error:
            faults.append(f"{name}: {error}")
    if faults and not skip_unreadable:
        shown = "\n  ".join(faults[:10])
        more = f"\n  and {len(faults) - 10} more" if len(faults) > 10 else ""
        raise ValueError(
            f"{len(faults)} of {len(sources) + len(faults)} files in {path} are not "
            f"text that can be used:\n  {shown}{more}\nSave them as UTF-8, remove "
            "them, or leave them out with skip_unreadable=True (--skip-unreadable)"
        )
    if not sources:
        raise ValueError(
            f"all {len(faults)} files in {path} were skipped ({faults[0]}); save them "
            "as UTF-8 text"
        )
    return sources, [*faults, *others]


def text_files(path: Path) -> tuple[list[Path], list[str]]:
    """The files that can be read; and what is said of the others, if there are any."""
    if not path.exists():
        raise FileNotFoundError(
            f"there is no folder {path}; give a folder of text files, or none at all "
            "for the Python documentation"
        )
    files = [path] if path.is_file() else filter(Path.is_file, path.rglob("*"))
    named = {file.relative_to(path).as_posix(): file for file in files}
    visible = [named[name] for name in sorted(named) if not _HIDDEN.search(name)]
    found = [file for file in visible if file.suffix.lower() in EXTRACTORS]
    others = [file for file in visible if file.suffix.lower() not in EXTRACTORS]
    kinds = Counter(file.suffix or file.name for file in others)
    counted = ", ".join(f"{kinds[kind]} {kind}" for kind in sorted(kinds))
    if not found:
        raise ValueError(
            f"none of the {len(visible)} files in {path} ends in "
            f"{', '.join(EXTRACTORS)}; save the text in one of these formats"
        )
    return found, [f"files of other kinds: {counted}"] * bool(kinds)


def read_file(name: str, path: Path) -> Source:
    """The text of one file; raises ValueError with what is wrong, but not its name."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ValueError(f"it cannot be read ({error.strerror})") from error
    return extract(name, content, path.suffix.lower())


def extract(name: str, content: bytes, suffix: str) -> Source:
    """The text of a file with this content, whose name ends in this."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"it is not UTF-8 (byte {content[error.start]:#04x} at position "
            f"{error.start})"
        ) from error
    if "\0" in text:
        raise ValueError("it holds zero bytes, so it is binary or UTF-16, not UTF-8")
    text = text.replace("\r\n", "\n")  # a line end of Windows is no untidiness
    source = _extracted(name, text, EXTRACTORS[suffix])
    if not source.text.strip():
        raise ValueError("it is empty" if not text.strip() else "it holds no words")
    return source
