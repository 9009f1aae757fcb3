"""Out of Markdown: the text, without the marks that only steer its layout."""

import re
import textwrap
from collections.abc import Sequence

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock, reference
from markdown_it.token import Token

from llmlab.real_text.extraction import KNOWN_TAGS, Extraction, html_blocks

DEEPEST = 100
"""Lists and quotations that may stand within each other; below, signs stay as text."""

LONGEST_PARSED = 5_000
"""Characters. The time for a paragraph may grow with its square, so longer ones are
parsed by so many lines at a time, and a longer line is data and stays as it is."""

_SETTING = re.compile(r"[\w.-]+ *[:=]|\[")  # or the name of a table, in TOML
_CONTINUED = re.compile(r"[ \t#]|- |[\])},]")
_ADDRESS = re.compile(
    r" {0,3}\[(?:[^\[\]\\]|\\.)+\]:[ \t]*(?:<|[^\s/#:.]*(?:[/#:]|\.\w))"
)
_TAG = re.compile(r"</?([a-zA-Z][\w-]*)")
_TAGS = KNOWN_TAGS | frozenset(
    "a abbr b big center cite code del details dfn em font i ins kbd picture q s samp "
    "small source span strike strong sub summary sup tbody thead tt u var video".split()
)


def _definition(state: StateBlock, line: int, end: int, silent: bool) -> bool:
    """Where a link leads, `[label]: address`; in `[Mara]: Yes.` somebody speaks."""
    first = state.src[state.bMarks[line] : state.eMarks[line]]
    return bool(_ADDRESS.match(first)) and reference(state, line, end, silent)


_INLINE = MarkdownIt("commonmark")
_BLOCKS = MarkdownIt("commonmark", {"maxNesting": DEEPEST})
_BLOCKS.core.ruler.enableOnly(["normalize", "block"])
_BLOCKS.block.ruler.at("reference", _definition)


def markdown_text(text: str) -> Extraction:
    """Markdown without the marks that only steer its layout.

    Links and pictures leave their words; headings, emphasis and quotations lose their
    signs; lists and tables keep theirs, and code stays letter for letter. Left out are
    the settings at the top of a file and the lines that say where links lead.
    """
    lines = re.sub(r"\r\n?", "\n", text).split("\n")
    start = _end_of_settings(lines)
    left_out = ["\n".join(lines[:start])] if start else []
    lines = lines[start:]
    places: dict = {}  # the parser puts the definitions here
    tokens = _BLOCKS.parse("\n".join(lines), places)
    definitions = [*places.get("references", {}).values()]
    for definition in definitions + places.get("duplicate_refs", []):
        first, end = definition["map"]
        left_out.append("\n".join(lines[first:end]))
        lines[first:end] = [""] * (end - first)
    page = _Page(lines)
    heading_ends = 0
    for token in tokens:
        if token.type == "list_item_open":
            page.open_item(f"{token.info}{token.markup} ")
        elif token.type == "list_item_close":
            page.close_item()
        elif token.type == "heading_open":
            heading_ends = token.map[1]
        elif token.type == "inline":
            first, end = token.map
            page.write(_words(token.content, places), first, max(end, heading_ends))
        elif token.type == "fence":
            page.write(token.content.removesuffix("\n"), *token.map)
        elif token.type == "code_block":
            code = token.content.removesuffix("\n")
            page.write(textwrap.indent(code, " " * 4), *token.map)
        elif token.type == "html_block":
            shown, unseen = _html_in_markdown(token.content)
            page.write(shown, *token.map)
            left_out += unseen
        elif token.type == "hr":
            page.write("", *token.map)
    page.write("", len(lines), len(lines))
    return Extraction("\n".join(page.written).strip("\n"), tuple(left_out))


class _Page:
    """Writes the blocks of a text one below the other, as far apart as they stood.

    Lines that no block holds are written, too: what stands too deep for the parser.
    """

    def __init__(self, lines: Sequence[str]) -> None:
        self.lines = lines
        self.done = 0
        self.written: list[str] = []
        self.margins: list[str] = []  # of the list items that are open
        self.bullets: str | None = None  # of those whose text is still to come

    def open_item(self, mark: str) -> None:
        outer = "".join(self.margins) if self.bullets is None else self.bullets
        self.bullets = outer + mark
        self.margins.append(" " * len(mark))

    def close_item(self) -> None:
        self.margins.pop()
        self.bullets = None

    def write(self, block: str, first: int, end: int) -> None:
        """Write a block that stood on the lines from `first` to before `end`."""
        for line in self.lines[self.done : first]:
            if line.strip(" \t>*+-"):
                self.written.append(line)
            elif self.written and self.written[-1]:
                self.written.append("")
        margin = "".join(self.margins)
        for line in block.split("\n") if block else []:
            before = margin if self.bullets is None else self.bullets
            self.written.append(f"{before}{line}" if line else "")
            self.bullets = None
        self.done = max(self.done, end)


def _end_of_settings(lines: Sequence[str]) -> int:
    """How many lines at the top are settings, between two "---" or "+++".

    Only `key: value` (or `key = value`) directly below makes them that: a rule may
    stand at the top of a file, too, and what follows is its text.
    """
    rule = lines[0].rstrip()
    if rule not in ("---", "+++") or len(lines) < 3 or not _SETTING.match(lines[1]):
        return 0
    for number, line in enumerate(lines[1:], start=1):
        if line.rstrip() == rule:
            return number + 1
        if not (_SETTING.match(line) or _CONTINUED.match(line)) and (
            line.strip() or rule == "---"
        ):
            return 0
    return 0


def _words(text: str, places: dict) -> str:
    """A paragraph without its signs."""
    parts = [""]
    for line in text.splitlines(keepends=True):
        if parts[-1] and len(parts[-1]) + len(line) > LONGEST_PARSED:
            parts.append("")
        parts[-1] += line
    return "".join(
        part
        if len(part) > LONGEST_PARSED
        else _plain(_INLINE.inline.parse(part, _INLINE, places, []))
        for part in parts
    )


def _plain(tokens: Sequence[Token]) -> str:
    return "".join(map(_plain_token, tokens))


def _plain_token(token: Token) -> str:
    if token.type in ("softbreak", "hardbreak"):
        return "\n"
    if token.type == "code_inline":
        return f"{token.markup}{token.content}{token.markup}"
    if token.type == "image":
        return _plain(token.children or [])
    if token.type == "html_inline":
        tag = _TAG.match(token.content)
        if tag and tag[1].lower() == "br":
            return "\n"
        known = tag is not None and tag[1].lower() in _TAGS
        return "" if known or token.content.startswith("<!--") else token.content
    if token.markup.startswith("_"):  # `__init__` is a name more often than loud
        return token.markup
    return token.content


def _html_in_markdown(content: str) -> tuple[str, list[str]]:
    """What a block of HTML shows, and what it hides.

    A comment that never ends is text, and so is what looks like a tag and is none.
    """
    first = _TAG.search(content)
    known = "<!--" in content or first is not None and first[1].lower() in _TAGS
    if not known or content.rfind("<!--") > content.rfind("-->"):
        return content.strip("\n"), []
    blocks = html_blocks(content)
    shown = "\n\n".join(block.text for block in blocks if block.kind != "unseen")
    return shown, [block.text for block in blocks if block.kind == "unseen"]
