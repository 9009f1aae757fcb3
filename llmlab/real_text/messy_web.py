"""A small web that is dirty on purpose: every fault in it is known.

Rules that clean a real web cannot be checked, because nobody knows which of its pages
are copies or worth reading. Here we make the pages from clean texts and keep a note of
what was done to each. So it can be counted what a rule finds, what it misses, and what
it takes away by mistake.
"""

import html
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from llmlab.real_text.cleaning import read_as_windows
from llmlab.village import Chooser

_WORDS = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))
_JUNK = _WORDS["junk"]
FAULTS: dict[str, str] = _WORDS["faults"]
"""What may be wrong with a page, each in half a sentence."""

COPIED, EDITED, JUNK, GARBLED = 0.12, 0.12, 0.12, 0.08
"""For each good page, the chances of a copy, a near copy, a page of junk; and that the
page itself is garbled."""


@dataclass(frozen=True)
class WebPage:
    """A page and the truth about it.

    address : where it stands; no two pages share one.
    text : what its writer wrote; paragraphs are separated by an empty line.
    fault : one of `FAULTS`, or "" for a good page.
    original : of copies, the address of the page that was copied.
    """

    address: str
    html: str
    text: str
    fault: str = ""
    original: str = ""

    @property
    def is_good(self) -> bool:
        """Whether it should be kept; garbled letters can be put right."""
        return self.fault in ("", "garbled")


def messy_web(texts: Sequence[str], *, seed: int) -> list[WebPage]:
    """A page for every text, and among them the copies and the junk of a real web.

    Every page has the menus, notices and scripts of its site. Copies come after what
    they were copied from. The same texts and seed give the same web.

    texts : the first line is a title, every other line a paragraph.

    Raises ValueError: a text has no line after its title.
    """
    for number, text in enumerate(texts):
        if "\n" not in text.strip():
            raise ValueError(
                f"text {number} has one line, {text[:40]!r}; a page needs a title and "
                "at least one paragraph"
            )
    titles = [text.split("\n")[0] for text in texts]
    pages: list[WebPage] = []
    good: list[WebPage] = []
    for number, text in enumerate(texts):
        chooser = Chooser("messy web", seed, number)
        page = _page(text.replace("\n", "\n\n"), number, titles, chooser)
        if chooser.coin(GARBLED):
            page = _garbled(page)
        good.append(page)
        pages.append(page)
        if chooser.coin(COPIED):
            copied = chooser.pick(good)
            pages.append(_copied(copied, copied.text, "copy", number, titles, chooser))
        if chooser.coin(EDITED):
            copied = chooser.pick(good)
            text = _edited(copied.text, chooser)
            pages.append(_copied(copied, text, "near copy", number, titles, chooser))
        if chooser.coin(JUNK):
            fault = chooser.pick(tuple(_WRITERS))
            text = _WRITERS[fault](titles, chooser)
            page = _page(text, number, titles, chooser, folder="more")
            pages.append(replace(page, fault=fault))
    return pages


# Pages --------------------------------------------------------------------------------


def _page(
    text: str,
    number: int,
    titles: Sequence[str],
    chooser: Chooser,
    folder: str = "pages",
) -> WebPage:
    title, *paragraphs = text.split("\n\n")
    site = chooser.pick(_WORDS["site"])
    menu = [(f"/{name.lower()}", name) for name in _WORDS["menu"]]
    others = chooser.sample(titles, min(3, len(titles)))
    more = [("#", _escape(other)) for other in others]
    slots = {
        "title": _escape(title),
        "menu": site["between_menu"].join(site["link"].format(*link) for link in menu),
        "more": site["between_more"].join(site["link"].format(*link) for link in more),
        "text": "\n".join(site["paragraph"].format(_escape(p)) for p in paragraphs),
    }
    for name in ("cookies", "footer", "visited"):
        if f"{{{name}}}" in site["page"]:
            slots[name] = chooser.pick(_WORDS[name])
    return WebPage(f"{folder}/{number:04}.html", site["page"].format(**slots), text)


def _escape(text: str) -> str:
    return html.escape(text, quote=False)


# Faults -------------------------------------------------------------------------------


def _garbled(page: WebPage) -> WebPage:
    """The page with printer's quotation marks, written as UTF-8 and read as Windows.

    A page without any such letter cannot be garbled and stays as it is.
    """
    text = re.sub(r'"([^"\n]*)"', r"“\1”", page.text).replace("'", "’")
    if text.isascii():
        return page
    wrong = page.html
    for old, new in zip(page.text.split("\n\n"), text.split("\n\n"), strict=True):
        wrong = wrong.replace(_escape(old), _escape(_read_wrongly(new)))
    return replace(page, html=wrong, text=text, fault="garbled")


def _read_wrongly(text: str) -> str:
    return "".join(read_as_windows(byte) for byte in text.encode("utf-8"))


def _copied(page: WebPage, text: str, fault: str, *place) -> WebPage:
    """The text of a page, more or less, at another place, as `_page` takes it."""
    made = _page(text, *place, folder=fault.replace(" ", "-"))
    return replace(made, fault=fault, original=page.address)


def _edited(text: str, chooser: Chooser) -> str:
    """A text run together into one paragraph, with one to three words exchanged."""
    title, body = text.split("\n\n", 1)
    words = body.split()
    count = chooser.pick((1, 2, 3))
    for place in chooser.sample(range(len(words)), min(count, len(words))):
        words[place] = chooser.pick(_JUNK["exchanged"])
    return f"{title}\n\n{' '.join(words)}"


def _stub(titles: Sequence[str], chooser: Chooser) -> str:
    when, title = chooser.pick(_JUNK["soon"]), chooser.pick(titles)
    return f"{title}\n\nThis page is being built. Please come back {when}."


def _teasers(titles: Sequence[str], chooser: Chooser) -> str:
    beginnings = chooser.sample(titles, min(8, len(titles)))
    lines = [f"{beginning} and what came of it ..." for beginning in beginnings]
    return "\n\n".join(["What others read", *lines])


def _numbers(titles: Sequence[str], chooser: Chooser) -> str:
    def tide(metres: int) -> str:
        hour, minute = chooser.pick(range(10, 24)), chooser.pick(range(10, 60))
        return f"{hour}:{minute} {metres}.{chooser.pick(range(10))} m"

    lines = [f"{day} {tide(3)} {tide(0)}" for day in range(1, 13)]
    return "High and low water\n\n" + " / ".join(lines)


def _stuffed(titles: Sequence[str], chooser: Chooser) -> str:
    goods = chooser.pick(_JUNK["goods"])
    phrase = f"the best of cheap {goods} and the most of cheap {goods} to buy"
    return f"Cheap {goods}\n\n" + ", ".join([phrase] * 9).capitalize() + "."


def _foreign(titles: Sequence[str], chooser: Chooser) -> str:
    return "\n\n".join(["Bienvenue au village", *chooser.sample(_JUNK["french"], 5)])


_WRITERS = {f.__name__[1:]: f for f in (_stub, _teasers, _numbers, _stuffed, _foreign)}
