"""A small web that is dirty on purpose: every fault in it is known.

Rules that clean a real web cannot be checked, because nobody knows which of its pages
are copies or worth reading. Here we make the pages from clean texts and keep a note of
what was done to each. So it can be counted what a rule finds, what it misses, and what
it takes away by mistake.
"""

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from llmlab.real_text.cleaning import read_as_windows
from llmlab.village import Chooser

FAULTS = {
    "copy": "an earlier page, word for word, at another address",
    "near copy": "an earlier page, run together, with a few other words",
    "stub": "a sentence that promises a page",
    "teasers": "beginnings that lead somewhere else",
    "numbers": "a table of times and heights",
    "stuffed": "the same few words again and again, for search engines",
    "foreign": "a page in French",
    "garbled": "a good page whose letters were read wrongly",
}

COPIED, EDITED, JUNK, GARBLED = 0.12, 0.12, 0.12, 0.08
"""For each good page, the chances of a copy, a near copy, a page of junk; and that the
page itself is garbled."""

_JUNK = ("stub", "teasers", "numbers", "stuffed", "foreign")


@dataclass(frozen=True)
class WebPage:
    """A page and the truth about it.

    address : where it stands; no two pages share one.
    html : what a browser would get.
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
            fault = chooser.pick(_JUNK)
            text = _WRITERS[fault](titles, chooser)
            page = _page(text, number, titles, chooser, folder="more")
            pages.append(replace(page, fault=fault))
    return pages


# Pages --------------------------------------------------------------------------------

_MENU = ("Home", "News", "Shops", "Ferry", "Library", "Contact")
_COOKIES = (
    "We use cookies to make this page better. By reading on you agree to them.",
    "This page uses cookies. Our privacy policy says which.",
)
_FOOTERS = (
    "All rights reserved. No part of this page may be copied, not even by gulls.",
    "Terms of use. Imprint. Made with too little time.",
)


def _page(
    text: str,
    number: int,
    titles: Sequence[str],
    chooser: Chooser,
    folder: str = "pages",
) -> WebPage:
    title, *paragraphs = text.split("\n\n")
    site = chooser.pick((_tidy_site, _old_site))
    page = site(title, paragraphs, chooser.sample(titles, min(3, len(titles))), chooser)
    return WebPage(f"{folder}/{number:04}.html", page, text)


def _tidy_site(
    title: str, paragraphs: Sequence[str], others: Sequence[str], chooser: Chooser
) -> str:
    """A page that says what its parts are."""
    menu = "".join(f'<li><a href="/{name.lower()}">{name}</a></li>' for name in _MENU)
    more = "".join(f'<li><a href="#">{_escape(other)}</a></li>' for other in others)
    text = "\n".join(f"<p>{_escape(paragraph)}</p>" for paragraph in paragraphs)
    return f"""<!doctype html>
<html lang="en"><head><title>{_escape(title)}</title>
<style>body {{ margin: 2em }} nav li {{ display: inline }}</style></head>
<body><nav><ul>{menu}</ul></nav>
<main>
{text}
</main>
<aside><h2>More to read</h2><ul>{more}</ul></aside>
<p>{chooser.pick(_COOKIES)}</p>
<footer>{chooser.pick(_FOOTERS)}</footer>
<script>count_visitor("{chooser.pick(_MENU)}");</script></body></html>"""


def _old_site(
    title: str, paragraphs: Sequence[str], others: Sequence[str], chooser: Chooser
) -> str:
    """A page of nothing but tables and divisions, some of them never closed."""
    menu = " | ".join(f'<a href="/{name.lower()}">{name}</a>' for name in _MENU)
    more = "<br>".join(f'<a href="#">{_escape(other)}</a>' for other in others)
    text = "\n".join(f"<p>{_escape(paragraph)}" for paragraph in paragraphs)
    return f"""<html><head><title>{_escape(title)}</title></head>
<body bgcolor="white"><div class="top">{menu}</div>
<table><tr><td>{text}</td></tr></table>
<div>{more}</div>
<div><a href="#top">Up</a> <a href="#print">Print</a></div>
<p>{chooser.pick(_COOKIES)}
<p>{chooser.pick(_FOOTERS)}
</body></html>"""


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


def _copied(
    page: WebPage,
    text: str,
    fault: str,
    number: int,
    titles: Sequence[str],
    chooser: Chooser,
) -> WebPage:
    made = _page(text, number, titles, chooser, folder=fault.replace(" ", "-"))
    return replace(made, fault=fault, original=page.address)


def _edited(text: str, chooser: Chooser) -> str:
    """A text run together into one paragraph, with one to three words exchanged."""
    title, body = text.split("\n\n", 1)
    words = body.split()
    count = chooser.pick((1, 2, 3))
    for place in chooser.sample(range(len(words)), min(count, len(words))):
        words[place] = chooser.pick(("really", "always", "there", "today", "perhaps"))
    return f"{title}\n\n{' '.join(words)}"


def _stub(titles: Sequence[str], chooser: Chooser) -> str:
    when = chooser.pick(("on Monday", "next week", "when the ferry is mended"))
    return (
        f"{chooser.pick(titles)}\n\nThis page is being built. Please come back {when}."
    )


def _teasers(titles: Sequence[str], chooser: Chooser) -> str:
    beginnings = chooser.sample(titles, min(8, len(titles)))
    lines = [f"{beginning} and what came of it ..." for beginning in beginnings]
    return "What others read\n\n" + "\n\n".join(lines)


def _numbers(titles: Sequence[str], chooser: Chooser) -> str:
    lines = [
        f"{day} {chooser.pick(range(10, 24))}:{chooser.pick(range(10, 60))} "
        f"3.{chooser.pick(range(10))} m {chooser.pick(range(10, 24))}:"
        f"{chooser.pick(range(10, 60))} 0.{chooser.pick(range(10))} m"
        for day in range(1, 13)
    ]
    return "High and low water\n\n" + " / ".join(lines)


def _stuffed(titles: Sequence[str], chooser: Chooser) -> str:
    goods = chooser.pick(("kettles", "ladders", "lanterns", "kites"))
    phrase = f"the best of cheap {goods} and the most of cheap {goods} to buy"
    return f"Cheap {goods}\n\n" + ", ".join([phrase] * 9).capitalize() + "."


_FRENCH = (
    "Le musée est fermé le lundi et le mardi, sauf pour les enfants de l'école.",
    "Dans le port, les bateaux de pêche ne sont pas ouverts au public.",
    "Nous vous prions de ne pas donner de pain aux canards qui sont dans le bassin.",
    "La boulangerie du village fait aussi des gâteaux pour les fêtes.",
    "Les horaires du bac ont été changés par la tempête et par la marée.",
    "On peut louer une barque avec un marin, mais il faut le demander la veille.",
    "Le phare se visite sur demande, et la vue est belle par temps clair.",
)


def _foreign(titles: Sequence[str], chooser: Chooser) -> str:
    return "\n\n".join(["Bienvenue au village", *chooser.sample(_FRENCH, 5)])


_WRITERS = {
    "stub": _stub,
    "teasers": _teasers,
    "numbers": _numbers,
    "stuffed": _stuffed,
    "foreign": _foreign,
}
