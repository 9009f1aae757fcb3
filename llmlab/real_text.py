"""Real text from the learner's own machine: read, cleaned, and honest about both.

Two sources need no network: the documentation of Python, which every installation
carries, and any folder of text, Markdown or HTML files. The text goes
through the same stations as that of a large model, in small:

    files -> decode -> strip mark-up -> normalise -> cut into documents
          -> drop what was there before -> hold some documents out for validation

What is thrown away is counted in a `Report`: a rule that silently drops half of a
corpus is the commonest bug of data work.
"""

import ast
import hashlib
import re
import sysconfig
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

LONGEST_DOCUMENT = 8_000
"""Characters. Longer files are cut, so that a folder with one book can be split too."""

LONG_PARAGRAPH = 80
"""Characters. Shorter paragraphs ("For example:") may repeat without being copies."""


@dataclass(frozen=True)
class Document:
    """A stretch of at most `LONGEST_DOCUMENT` characters of one source.

    Parameters
    ----------
    source : the file, relative to its folder, or the topic that it comes from.
    text : cleaned text; paragraphs are separated by one empty line.
    """

    source: str
    text: str


@dataclass(frozen=True)
class Report:
    """What was read and what became of it.

    Parameters
    ----------
    origin : the folder, or a name for the collection.
    sources, characters_read : what was read, mark-up not counted.
    documents, characters : what is left after cleaning.
    skipped : files that could not be read, each with the reason.
    repeated_documents : documents dropped since most of their text came before.
    repeated_paragraphs : long paragraphs dropped from documents that were kept.
    """

    origin: str
    sources: int
    characters_read: int
    documents: int
    characters: int
    skipped: tuple[str, ...]
    repeated_documents: tuple[str, ...]
    repeated_paragraphs: int

    def __str__(self) -> str:
        lines = [
            f"{self.origin}: {self.sources:,} sources, "
            f"{self.characters_read:,} characters read",
            f"kept {self.documents:,} documents, {self.characters:,} characters",
            f"dropped {len(self.repeated_documents):,} documents that repeat earlier "
            f"ones, and {self.repeated_paragraphs:,} repeated paragraphs",
        ]
        lines += [f"skipped {fault}" for fault in self.skipped]
        return "\n".join(lines)


def python_documentation() -> tuple[list[Document], Report]:
    """What Python says about itself: its reference, and its library's docstrings.

    Returns
    -------
    documents, report : as `read_text`. Almost two million characters of careful
        English; the exact text depends on the version of Python.

    Raises
    ------
    ValueError : this Python was installed without its documentation.
    """
    try:
        from pydoc_data.topics import topics
    except ImportError as error:
        raise ValueError(
            "this Python was installed without pydoc_data, its documentation; install "
            "the complete Python, or give a folder of text"
        ) from error
    reference = [(f"topic {name}", text) for name, text in sorted(topics.items())]
    return _prepare("the Python documentation", reference + _docstrings(), ())


def _docstrings() -> list[tuple[str, str]]:
    """The docstrings of each module of the standard library, read, never imported."""
    library = Path(sysconfig.get_path("stdlib"))
    others = {"site-packages", "dist-packages", "test", "tests", "idlelib"}
    rooms = (room for room in library.iterdir() if room.name not in others)
    files = (file for room in rooms for file in [room, *room.rglob("*.py")])
    found = []
    for file in files:
        name = file.relative_to(library)
        if file.suffix != ".py" or others & set(name.parts):
            continue
        try:
            module = ast.parse(file.read_bytes())
        except (SyntaxError, ValueError):  # a template of code, not code
            continue
        documented = (
            node
            for node in ast.walk(module)
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        )
        text = "\n\n".join(filter(None, map(ast.get_docstring, documented)))
        if text:
            found.append((name.as_posix(), text))
    return sorted(found)


def read_text(
    path: Path | str, *, skip_unreadable: bool = False
) -> tuple[list[Document], Report]:
    """Read a folder of text, or a single file.

    All files in the folder and below it that end in .txt, .rst, .md, .html or .htm, in
    the order of their names; hidden files and folders are left alone.

    Parameters
    ----------
    skip_unreadable : leave files that are empty or not UTF-8 out, and say so in the
        report, instead of raising.

    Raises
    ------
    FileNotFoundError : there is no such folder or file.
    ValueError : there is no text in it, or a file is empty or not UTF-8; the message
        names every such file.
    """
    path = Path(path)
    texts, faults = [], []
    for file in _text_files(path):
        name = file.relative_to(path).as_posix() if path.is_dir() else file.name
        try:
            texts.append((name, _read_file(file)))
        except ValueError as error:
            faults.append(f"{name}: {error}")
    if faults and not skip_unreadable:
        shown = "\n  ".join(faults[:10])
        more = f"\n  and {len(faults) - 10} more" if len(faults) > 10 else ""
        raise ValueError(
            f"{len(faults)} of {len(texts) + len(faults)} files in {path} are not text "
            f"that can be used:\n  {shown}{more}\nSave them as UTF-8, remove them, or "
            "leave them out with skip_unreadable=True (--skip-unreadable)"
        )
    if not texts:
        raise ValueError(
            f"all {len(faults)} files in {path} were skipped ({faults[0]}); save them "
            "as UTF-8 text"
        )
    return _prepare(str(path), texts, tuple(faults))


def split_validation(
    documents: Sequence[Document], share: float = 0.1
) -> tuple[list[Document], list[Document]]:
    """Hold about `share` of the documents out of training.

    A document's own hash decides, so it stays on its side when others come or go. Only
    if all would fall on one side, the one nearest to the other side moves there.

    Returns
    -------
    training, validation : in the order of `documents`, each with at least one.

    Raises
    ------
    ValueError : fewer than two documents, or `share` not in (0, 1).
    """
    if not 0 < share < 1:
        raise ValueError(f"share is {share}; it must lie between 0 and 1")
    if len(documents) < 2:
        raise ValueError(
            f"there are {len(documents)} documents; at least two are needed, one to "
            f"train on and one to hold out. Give more than {LONGEST_DOCUMENT:,} "
            "characters of text, or several files"
        )
    ranked = sorted(documents, key=_place_between_zero_and_one)
    below = sum(_place_between_zero_and_one(document) < share for document in ranked)
    held_out = set(ranked[: min(max(below, 1), len(ranked) - 1)])
    training = [document for document in documents if document not in held_out]
    validation = [document for document in documents if document in held_out]
    return training, validation


def _place_between_zero_and_one(document: Document) -> float:
    digest = hashlib.sha256(document.text.encode()).digest()
    return int.from_bytes(digest[:7]) / 2**56


# Cutting ------------------------------------------------------------------------------

# From the best place to cut to the worst. What these leave too long is halved.
_CUTS = (r"(?<=\n\n)", r"(?<=\n)", r"(?<=[.!?] )|(?<=[。！？])", r"(?<= )")


def paragraph_windows(
    text: str, longest: int, length: Callable[[str], int] = len
) -> list[str]:
    """Cut a text into windows that fit, between paragraphs where that is possible.

    Each window holds as many whole paragraphs as fit. A paragraph that is too long by
    itself is cut between lines, sentences or words. Nothing is lost but line ends at
    the edges of windows.

    Parameters
    ----------
    longest : what a window may measure.
    length : how a window is measured: in characters, unless told otherwise.

    Raises
    ------
    ValueError : not even a single character fits.
    """
    windows = [""]
    for part in _fitting_parts(text, longest, length, _CUTS):
        if length((windows[-1] + part).strip("\n")) <= longest:
            windows[-1] += part
        else:
            windows.append(part)
    stripped = (window.strip("\n") for window in windows)
    return [window for window in stripped if window]


def _fitting_parts(
    text: str, longest: int, length: Callable[[str], int], cuts: Sequence[str]
) -> list[str]:
    if length(text.strip("\n")) <= longest:
        return [text]
    if cuts:
        parts = re.split(cuts[0], text)
    elif len(text) > 1:
        parts = [text[: len(text) // 2], text[len(text) // 2 :]]
    else:
        raise ValueError(
            f"the character {text!r} alone measures {length(text)}, and a window may "
            f"measure {longest}; allow longer windows"
        )
    return [
        fitting
        for part in parts
        for fitting in _fitting_parts(part, longest, length, cuts[1:])
    ]


# From sources to documents ------------------------------------------------------------


def _prepare(
    origin: str, texts: Sequence[tuple[str, str]], skipped: tuple[str, ...]
) -> tuple[list[Document], Report]:
    documents = [
        Document(source, window)
        for source, text in texts
        for window in paragraph_windows(normalise(text), LONGEST_DOCUMENT)
    ]
    kept, repeated_documents, repeated_paragraphs = drop_repetitions(documents)
    report = Report(
        origin=origin,
        sources=len(texts),
        characters_read=sum(len(text) for _, text in texts),
        documents=len(kept),
        characters=sum(len(document.text) for document in kept),
        skipped=skipped,
        repeated_documents=tuple(document.source for document in repeated_documents),
        repeated_paragraphs=repeated_paragraphs,
    )
    return kept, report


def drop_repetitions(
    documents: Iterable[Document],
) -> tuple[list[Document], list[Document], int]:
    """Drop what came before, word for word.

    A text that is both in the training and in the validation set makes a model look
    better than it is. So a paragraph of at least `LONG_PARAGRAPH` characters is kept
    where it first comes and dropped elsewhere; and a document more than half of whose
    characters came before is dropped whole, since what is left would be shreds.

    Returns
    -------
    kept : documents, in order, without their repeated paragraphs.
    repeated : documents that were dropped whole.
    paragraphs : how many paragraphs were dropped from kept documents.
    """
    seen: set[str] = set()
    kept, repeated, dropped_paragraphs = [], [], 0
    for document in documents:
        paragraphs = document.text.split("\n\n")
        came_before = [paragraph for paragraph in paragraphs if paragraph in seen]
        if 2 * sum(map(len, came_before)) > sum(map(len, paragraphs)):
            repeated.append(document)
            continue
        fresh = []
        for paragraph in paragraphs:
            if paragraph in seen and len(paragraph) >= LONG_PARAGRAPH:
                dropped_paragraphs += 1
            else:
                fresh.append(paragraph)
                seen.add(paragraph)
        kept.append(Document(document.source, "\n\n".join(fresh)))
    return kept, repeated, dropped_paragraphs


# Cleaning -----------------------------------------------------------------------------


def normalise(text: str) -> str:
    """One way of writing what looks the same.

    Accents are composed (NFC); every line end is "\\n"; a run of spaces within a line
    is one space, while indentation stays, since it means something in code and lists;
    at most one empty line stands between paragraphs; invisible characters are gone.
    """
    text = unicodedata.normalize("NFC", text)
    text = re.sub(r"\r\n?|[\v\f\x85\u2028\u2029]", "\n", text)
    text = re.sub(r"[\x00-\x08\x0e-\x1f\x7f\u00ad\u200b\u2060\ufeff]", "", text)
    lines = (line.expandtabs(4).rstrip() for line in text.split("\n"))
    text = "\n".join(re.sub(r"(?<=\S)\s+", " ", line) for line in lines)
    return re.sub(r"\n{3,}", "\n\n", text).strip("\n")


_SILENT = frozenset("script style template noscript svg".split())
_PARAGRAPHS = frozenset(
    "address article aside blockquote body div dl figcaption figure footer form h1 h2 "
    "h3 h4 h5 h6 header hr main nav ol p pre section table title ul".split()
)
_LINES = frozenset("br dd dt li option tr".split())


class _HTMLText(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts = ["\n"]
        self.silent_depth = 0
        self.preformatted_depth = 0

    def handle_starttag(self, tag, attributes) -> None:
        self.silent_depth += tag in _SILENT
        self.preformatted_depth += tag == "pre"
        self._break_before_or_after(tag)

    def handle_endtag(self, tag) -> None:
        self.silent_depth = max(0, self.silent_depth - (tag in _SILENT))
        self.preformatted_depth = max(0, self.preformatted_depth - (tag == "pre"))
        self._break_before_or_after(tag)

    def handle_data(self, text) -> None:
        if self.silent_depth:
            return
        if not self.preformatted_depth:
            text = re.sub(r"\s+", " ", text)
            if self.parts[-1].endswith("\n"):
                text = text.lstrip()
        if text:
            self.parts.append(text)

    def _break_before_or_after(self, tag) -> None:
        if tag in _PARAGRAPHS:
            self.parts.append("\n\n")
        elif tag in _LINES:
            self.parts.append("\n")
        elif tag in ("td", "th") and not self.parts[-1].endswith("\n"):
            self.parts.append(" ")


def strip_html(page: str) -> str:
    """The text that a reader of the page sees; paragraphs and lines stay apart."""
    parser = _HTMLText()
    parser.feed(page)
    parser.close()
    return "".join(parser.parts)


_FENCED_CODE = re.compile(
    r"^[ \t]*(`{3,}|~{3,})[^\n]*\n(.*?)^[ \t]*\1[`~]*[ \t]*$", re.DOTALL | re.MULTILINE
)
_MARKDOWN = tuple(
    (re.compile(pattern, re.MULTILINE), replacement)
    for pattern, replacement in (
        (r"(?s:<!--.*?-->)", ""),
        (r"!\[([^\]\n]{0,300})\](?:\([^)\n]{0,2000}\)|\[[^\]\n]{0,300}\])", r"\1"),
        (r"\[([^\]\n]{0,300})\](?:\([^)\n]{0,2000}\)|\[[^\]\n]{0,300}\])", r"\1"),
        (r"^ {0,3}\[[^\]\n]+\]:[ \t]+\S.*$", ""),  # where a link leads
        (r"^ {0,3}#{1,6}[ \t]+(.*?)[ \t]*#*$", r"\1"),  # headings
        (r"^ {0,3}(?:=+|([-*_])(?: *\1){2,})[ \t]*$", ""),  # rules and underlines
        (r"^ {0,3}> ?", ""),  # quotations
        (r"\*\*(?=\S)([^*`\n]+)(?<=\S)\*\*", r"\1"),  # strong; __init__ is no emphasis
        (r"(?<![\w*])\*(?=\S)([^*`\n]+)(?<=\S)\*(?![\w*])", r"\1"),
        (r"</?(?:a|b|br|center|details|div|em|h\d|hr|i|img|kbd|p|picture|source|span"
         r"|strong|sub|summary|sup)\b[^<>]*>", ""),
    )
)  # fmt: skip


def strip_markdown(text: str) -> str:
    """Markdown without the marks that only steer its layout.

    Links and pictures leave their words; headings, emphasis and quotations lose their
    signs; a header of settings between two "---" goes. Code stays letter for letter.
    """
    text = re.sub(r"\A---\n.*?\n---\n", "", text, flags=re.DOTALL)
    parts, position = [], 0
    for code in _FENCED_CODE.finditer(text):
        parts += [_strip_prose(text[position : code.start()]), code[2]]
        position = code.end()
    return "".join([*parts, _strip_prose(text[position:])])


def _strip_prose(text: str) -> str:
    for pattern, replacement in _MARKDOWN:
        text = pattern.sub(replacement, text)
    return text


# Files --------------------------------------------------------------------------------

_CLEANING: dict[str, Callable[[str], str]] = {
    ".txt": str,
    ".rst": str,
    ".md": strip_markdown,
    ".html": strip_html,
    ".htm": strip_html,
}


def _text_files(path: Path) -> list[Path]:
    if path.is_file() and path.suffix.lower() in _CLEANING:
        return [path]
    if not path.exists():
        raise FileNotFoundError(
            f"there is no folder {path}; give a folder of text files, or none at all "
            "for the Python documentation"
        )
    files = [path] if path.is_file() else sorted(path.rglob("*"))
    visible = [
        file
        for file in files
        if file.is_file()
        and not any(part.startswith(".") for part in file.relative_to(path).parts)
    ]
    found = [file for file in visible if file.suffix.lower() in _CLEANING]
    if not found:
        raise ValueError(
            f"none of the {len(visible)} files in {path} ends in "
            f"{', '.join(_CLEANING)}; save the text in one of these formats"
        )
    return sorted(found, key=lambda file: file.relative_to(path).as_posix())


def _read_file(path: Path) -> str:
    try:
        content = path.read_bytes()
        text = content.decode("utf-8-sig")
    except OSError as error:
        raise ValueError(f"it cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise ValueError(
            f"it is not UTF-8 (byte {content[error.start]:#04x} at position "
            f"{error.start})"
        ) from error
    if "\0" in text:
        raise ValueError("it holds zero bytes, so it is binary or UTF-16, not UTF-8")
    cleaned = _CLEANING[path.suffix.lower()](text)
    if not cleaned.strip():
        raise ValueError("it is empty" if not text.strip() else "it holds no words")
    return cleaned
