"""Out of a file's format: the text that a reader came for, without what is around it.

A web page is mostly not its text: menus, buttons, notices of cookies. They give
themselves away by their *density*: a menu is short and all links, a paragraph is long
and has few. Judging every block of a page by these two numbers, and by its neighbours,
separates them well (Kohlschütter, Fankhauser and Nejdl, "Boilerplate detection using
shallow text features", 2010).
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html.parser import HTMLParser


@dataclass(frozen=True)
class Extraction:
    """The text of a file, and the parts beside it that were left out."""

    text: str
    left_out: tuple[str, ...] = ()


# HTML ---------------------------------------------------------------------------------

MOSTLY_LINKS = 1 / 3
"""A block with a larger share of its characters in links is a menu."""

LONG_BLOCK = 80
"""Characters. A block of this length is a paragraph, whatever it says."""

LONG_SENTENCE = 40
"""Characters. So is a shorter block that ends like a sentence."""


@dataclass(frozen=True)
class Block:
    """A paragraph, heading, list or table of a page.

    Parameters
    ----------
    text : as a reader sees it.
    linked : how many of its characters are links.
    kind : "title", "heading", "code" or "text".
    beside : the page itself says that it is not part of the text (`<nav>`, say).
    """

    text: str
    linked: int
    kind: str
    beside: bool

    @property
    def is_menu(self) -> bool:
        """A heading may be a link, and is none for that."""
        return self.kind == "text" and self.linked > MOSTLY_LINKS * len(self.text)

    @property
    def is_paragraph(self) -> bool:
        ends_a_sentence = self.text.rstrip("\"'”’)").endswith((".", "!", "?", "。"))
        longest = LONG_SENTENCE if ends_a_sentence else LONG_BLOCK
        return self.kind == "code" or len(self.text) >= longest


_SILENT = frozenset("script style template noscript svg".split())
_BESIDE = frozenset("nav footer aside form button select dialog".split())
_BESIDE_ROLES = frozenset("navigation contentinfo search complementary".split())
_HEADINGS = frozenset("h1 h2 h3 h4 h5 h6".split())
_PARAGRAPHS = _HEADINGS | _BESIDE | frozenset(
    "address article blockquote body div dl figcaption figure header hr main ol p pre "
    "section table title ul".split()
)  # fmt: skip
_LINES = frozenset("br dd dt li option tr".split())
_MAY_STAY_OPEN = frozenset("br dd dt hr img input li link meta p td th tr".split())
# A space that must not break is none of these: as "Ã\u00a0" it may be half of an "à".
_SPACES = re.compile(r"[ \t\n\r\f]+")


class _Blocks(HTMLParser):
    """Collects the blocks of a page in `found`."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[Block] = []
        self.parts: list[str] = []
        self.linked = 0
        self.kind = "text"
        self.hidden = False
        self.beside_tag = ""
        self.depth_of = dict.fromkeys(["silent", "link", "code", "beside"], 0)

    def handle_starttag(self, tag, attributes) -> None:
        self._break(tag, opens=True)
        self._count(tag, +1)
        if _says_that_it_is_beside(tag, dict(attributes)):
            if tag == "p":  # mostly not closed: only this paragraph is meant
                self.hidden = True
            elif tag not in _MAY_STAY_OPEN:
                self.beside_tag = self.beside_tag or tag
        self.depth_of["beside"] += tag == self.beside_tag
        if tag == "title" or tag in _HEADINGS:
            self.kind = "title" if tag == "title" else "heading"

    def handle_endtag(self, tag) -> None:
        self._break(tag, opens=False)
        self._count(tag, -1)
        if tag == self.beside_tag:
            self.depth_of["beside"] -= 1
            if not self.depth_of["beside"]:
                self.beside_tag = ""

    def handle_data(self, text) -> None:
        if self.depth_of["silent"]:
            return
        if not self.depth_of["code"]:
            text = _SPACES.sub(" ", text)
            if not self.parts or self.parts[-1].endswith("\n"):
                text = text.lstrip(" ")
        if text:
            self.parts.append(text)
            self.linked += len(text) if self.depth_of["link"] else 0

    def close(self) -> None:
        super().close()
        self._end_block()

    def _count(self, tag: str, step: int) -> None:
        """Pages close what they never opened, so no depth falls below zero."""
        for name, counted in (
            ("silent", tag in _SILENT),
            ("code", tag == "pre"),
            ("link", tag == "a"),
        ):
            self.depth_of[name] = max(0, self.depth_of[name] + step * counted)

    def _break(self, tag: str, opens: bool) -> None:
        if tag in _PARAGRAPHS:
            self._end_block()
        elif tag == "br":  # two of them leave a line empty; "<br/>" is only one
            self.parts += ["\n"] * opens
        elif self.parts and not self.parts[-1].endswith("\n"):
            if tag in _LINES:
                self.parts.append("\n")
            elif tag in ("td", "th"):
                self.parts.append(" ")

    def _end_block(self) -> None:
        text = "".join(self.parts).strip("\n").rstrip(" \t\n")
        if text.strip():
            kind = "code" if self.depth_of["code"] else self.kind
            beside = self.hidden or bool(self.beside_tag)
            self.found.append(Block(text, self.linked, kind, beside))
        self.parts, self.linked, self.kind, self.hidden = [], 0, "text", False
        self.depth_of["link"] = 0  # a link never spans paragraphs: it was not closed


def _says_that_it_is_beside(tag: str, attributes: dict[str, str | None]) -> bool:
    return (
        tag in _BESIDE
        or attributes.get("role") in _BESIDE_ROLES
        or "hidden" in attributes
        or attributes.get("aria-hidden") == "true"
    )


def html_blocks(page: str) -> list[Block]:
    """Every block of a page that a reader sees, in order."""
    parser = _Blocks()
    parser.feed(page)
    parser.close()
    return parser.found


def strip_html(page: str) -> str:
    """The text that a reader of the page sees; paragraphs and lines stay apart."""
    return "\n\n".join(block.text for block in html_blocks(page))


def main_text(page: str) -> Extraction:
    """The text that a reader of the page came for, without menus and the like.

    A menu goes, a paragraph stays. A short block (a caption, a heading, a button) does
    as its neighbours do: it stays between two paragraphs, and a heading stays before
    one. If nothing would stay, everything does: better a menu than an empty page.
    """
    blocks = html_blocks(page)
    alone = [_decide_alone(block) for block in blocks]
    before = _nearest_decisions(alone)
    after = _nearest_decisions(alone[::-1])[::-1]
    stays = [
        after[place] and (before[place] or block.kind == "heading")
        if alone[place] is None
        else alone[place]
        for place, block in enumerate(blocks)
    ]
    if not any(stays):
        stays = [True] * len(blocks)
    pairs = list(zip(blocks, stays, strict=True))
    return Extraction(
        text="\n\n".join(block.text for block, kept in pairs if kept),
        left_out=tuple(block.text for block, kept in pairs if not kept),
    )


def _decide_alone(block: Block) -> bool | None:
    """Whether a block stays, or None if its neighbours are to decide."""
    if block.kind == "title":
        return True
    if block.beside or block.is_menu:
        return False
    return True if block.is_paragraph else None


def _nearest_decisions(decisions: Sequence[bool | None]) -> list[bool]:
    """For each block the decision on the nearest one before it that has one.

    The edge of a page counts as its text: a page of two short lines is no menu.
    """
    nearest, latest = [], True
    for decided in decisions:
        latest = latest if decided is None else decided
        nearest.append(latest)
    return nearest


# Markdown -----------------------------------------------------------------------------

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


# Plain text ---------------------------------------------------------------------------

_FRAME = re.compile(
    r"\*\*\* ?START OF (?:THE|THIS) PROJECT GUTENBERG EBOOK[^\n]*\n(.*)"
    r"^\*\*\* ?END OF (?:THE|THIS) PROJECT GUTENBERG EBOOK",
    re.DOTALL | re.MULTILINE,
)


def strip_book_frame(text: str) -> Extraction:
    """A book of Project Gutenberg without the page before it and the licence after it.

    Any other text stays as it is.
    """
    framed = _FRAME.search(text)
    if not framed:
        return Extraction(text)
    start, end = framed.span(1)
    return Extraction(text[start:end], left_out=(text[:start], text[end:]))


EXTRACTORS: dict[str, Callable[[str], Extraction]] = {
    ".txt": strip_book_frame,
    ".rst": Extraction,
    ".md": lambda text: Extraction(strip_markdown(text)),
    ".html": main_text,
    ".htm": main_text,
}
"""What to do with a file, by the end of its name."""
