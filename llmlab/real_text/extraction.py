"""Out of a web page: the text that a reader came for, without what is around it.

A page is mostly not its text: menus, buttons, notices of cookies. They give
themselves away by their *density*: a menu is short and all links, a paragraph is long
and has few. Judging every block of a page by these two numbers, and by its neighbours,
separates them well (Kohlschütter, Fankhauser and Nejdl, "Boilerplate detection using
shallow text features", 2010).
"""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from html.parser import HTMLParser


@dataclass(frozen=True)
class Extraction:
    """The text of a file, and the parts beside it that were left out."""

    text: str
    left_out: tuple[str, ...] = ()


MOSTLY_LINKS = 1 / 3
"""A block with a larger share of its characters in links is a menu."""

LONG_BLOCK = 80
"""Characters. A block of this length is a paragraph, whatever it says."""

LONG_SENTENCE = 40
"""Characters. So is a shorter block that ends like a sentence."""


@dataclass(frozen=True)
class Block:
    """A paragraph, heading, list or table of a page.

    text : as a reader sees it.
    linked : how many of its characters are links.
    kind : "title", "heading", "code", "text", or "unseen" for what a browser hides.
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


_CODE = frozenset("script style".split())
_UNSEEN = frozenset("template noscript svg".split())
_BESIDE = frozenset("nav footer aside form button select dialog".split())
_BESIDE_ROLES = frozenset("navigation contentinfo search complementary".split())
_HEADINGS = frozenset("h1 h2 h3 h4 h5 h6".split())
_PARAGRAPHS = _HEADINGS | _BESIDE | frozenset(
    "address article blockquote body div dl figcaption figure header hr main ol p pre "
    "section table title ul".split()
)  # fmt: skip
_LINES = frozenset("br dd dt li option tr".split())
_MAY_STAY_OPEN = frozenset("br dd dt hr img input li link meta p td th tr".split())
KNOWN_TAGS = _CODE | _UNSEEN | _PARAGRAPHS | _LINES | _MAY_STAY_OPEN
# A space that must not break is none of these: as "Ã\u00a0" it may be half of an "à".
_SPACES = re.compile(r"[ \t\n\r\f]+")


class _Blocks(HTMLParser):
    """Collects the blocks of a page; `blocks` has them when it is closed.

    Elements that say that they are beside the text are numbered, 0 being the page, and
    every block notes the innermost one that it stands in.
    """

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, int, str, int]] = []  # text, linked, kind, within
        self.parts: list[str] = []
        self.linked = 0
        self.kind = "text"
        self.depth_of = dict.fromkeys(["unseen", "link", "code"], 0)
        self.unseen: list[str] = []
        self.script: list[str] = []
        self.swallowed: list[str] = []
        self.outer = [0]  # of every numbered element, the one that it stands in
        self.within = 0
        self.hidden = 0  # the number of a hidden paragraph
        # Numbered elements that are open and those of the same name in them, each with
        # the number around it; and where in this list each name stands.
        self.open: list[tuple[str, int]] = []
        self.standing: dict[str, list[int]] = defaultdict(list)

    def handle_starttag(self, tag, attributes) -> None:
        self._break(tag, opens=True)
        self._count(tag, +1)
        beside = _says_that_it_is_beside(tag, dict(attributes))
        if beside and tag == "p":  # mostly not closed: only this paragraph is meant
            self.hidden = self._number()
        elif (beside or self.standing[tag]) and tag not in _MAY_STAY_OPEN:
            self.standing[tag].append(len(self.open))
            self.open.append((tag, self.within))
            if beside:
                self.within = self._number()
        if tag == "title" or tag in _HEADINGS:
            self.kind = "title" if tag == "title" else "heading"

    def handle_endtag(self, tag) -> None:
        self._break(tag, opens=False)
        self._count(tag, -1)
        if self.standing[tag]:
            opened_at = self.standing[tag][-1]
            while len(self.open) > opened_at:
                inner, self.within = self.open.pop()
                self.standing[inner].pop()

    def handle_data(self, text) -> None:
        if self.cdata_elem:
            self.script.append(text)
            return
        if not self.depth_of["code"]:
            text = _SPACES.sub(" ", text)
        if self.depth_of["unseen"]:
            self.unseen.append(text)
            return
        if not self.depth_of["code"] and (
            not self.parts or self.parts[-1].endswith("\n")
        ):
            text = text.lstrip(" ")
        if text:
            self.parts.append(text)
            self.linked += len(text) if self.depth_of["link"] else 0

    def parse_html_declaration(self, i: int) -> int:
        """`<![endif]>` and its like are comments up to the next ">", as in browsers."""
        if self.rawdata.startswith("<![", i):
            return self._swallow(i, self.parse_bogus_comment(i), "<\n")
        return super().parse_html_declaration(i)

    def parse_pi(self, i: int) -> int:
        return self._swallow(i, super().parse_pi(i), "<\n")

    def parse_starttag(self, i: int) -> int:
        return self._swallow(i, super().parse_starttag(i))

    def parse_endtag(self, i: int) -> int:
        return self._swallow(i, super().parse_endtag(i))

    def _swallow(self, start: int, end: int, signs: str = "<") -> int:
        """Keep a tag that holds another: a quotation mark or ">" was forgotten."""
        text = self.rawdata[start : max(start, end)]
        if set(signs) & set(text[1:]) or text.startswith("<![CDATA["):
            self.swallowed.append(text)
        return end

    def close(self) -> None:
        super().close()
        self._end_block()
        self._end_unseen()

    def blocks(self) -> list[Block]:
        """The blocks. An element with most of the page's text is layout, not beside.

        What broken tags and a script that is never closed swallowed comes last.
        """
        sizes = [0] * len(self.outer)
        for text, _, kind, within in self.found:
            sizes[within] += len(text) if kind != "title" else 0
        for number in range(len(sizes) - 1, 0, -1):
            sizes[self.outer[number]] += sizes[number]
        beside = [False]
        for number in range(1, len(sizes)):
            is_layout = sizes[number] > sizes[0] / 2
            beside.append(beside[self.outer[number]] or not is_layout)
        blocks = []
        for text, linked, kind, within in self.found:
            shown = "text" if kind == "unseen" and not beside[within] else kind
            blocks.append(Block(text, linked, shown, beside[within]))
        script = ("".join(self.script) + self.rawdata).strip()
        swallowed = [*self.swallowed, script] if script else self.swallowed
        return blocks + [Block(text, 0, "unseen", True) for text in swallowed]

    def _number(self) -> int:
        self.outer.append(self.within)
        return len(self.outer) - 1

    def _count(self, tag: str, step: int) -> None:
        """Pages close what they never opened, so no depth falls below zero."""
        for name, counted in (
            ("unseen", tag in _UNSEEN),
            ("code", tag == "pre"),
            ("link", tag == "a"),
        ):
            self.depth_of[name] = max(0, self.depth_of[name] + step * counted)
        if tag in _UNSEEN and not self.depth_of["unseen"]:
            self._end_unseen()
        if tag in _CODE and step < 0:
            self.script.clear()

    def _break(self, tag: str, opens: bool) -> None:
        if self.depth_of["unseen"]:
            self.unseen += [" "] * (tag in _PARAGRAPHS | _LINES)
        elif tag in _PARAGRAPHS:
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
            self.found.append((text, self.linked, kind, self.hidden or self.within))
        self.parts, self.linked, self.kind, self.hidden = [], 0, "text", 0
        self.depth_of["link"] = 0  # a link never spans paragraphs: it was not closed

    def _end_unseen(self) -> None:
        text = " ".join("".join(self.unseen).split())
        if text:
            self.found.append((text, 0, "unseen", self._number()))
        self.unseen = []


def _says_that_it_is_beside(tag: str, attributes: dict[str, str | None]) -> bool:
    return (
        tag in _BESIDE
        or attributes.get("role") in _BESIDE_ROLES
        or "hidden" in attributes
        or attributes.get("aria-hidden") == "true"
    )


def html_blocks(page: str) -> list[Block]:
    """Every block of a page, in order."""
    # What never ends is no comment and no tag, but text that holds a "<".
    comment = page.rfind("-->")
    page = page[: comment + 1] + page[comment + 1 :].replace("<!--", "&lt;!--")
    tag = page.rfind(">") + 1
    parser = _Blocks()
    parser.feed(page[:tag] + page[tag:].replace("<", "&lt;"))
    parser.close()
    return parser.blocks()


def strip_html(page: str) -> str:
    """The text that a reader of the page sees; paragraphs and lines stay apart."""
    blocks = html_blocks(page)
    return "\n\n".join(block.text for block in blocks if block.kind != "unseen")


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
    stays = []
    for block, decided, above, below in zip(blocks, alone, before, after, strict=True):
        by_neighbours = below and (above or block.kind == "heading")
        stays.append(by_neighbours if decided is None else decided)
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
    if block.beside or block.kind == "unseen" or block.is_menu:
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
