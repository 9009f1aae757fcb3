"""The dirty web keeps its promises: what it says was done to a page was done to it."""

import pytest

from llmlab import village
from llmlab.real_text import main_text, strip_html
from llmlab.real_text.cleaning import garbled, mend
from llmlab.real_text.language import guess_language
from llmlab.real_text.messy_web import FAULTS, messy_web
from llmlab.real_text.near_duplicates import likeness, phrases_of

TEXTS = [
    document.text
    for document in village.documents(500, seed=3, split="train")
    if document.genre in ("websites", "sayings", "bilingual")
]


@pytest.fixture(scope="module")
def pages():
    return messy_web(TEXTS, seed=0)


def words(text):
    return " ".join(text.split())


def test_the_same_texts_and_seed_give_the_same_web(pages):
    assert messy_web(TEXTS, seed=0) == pages
    assert messy_web(TEXTS, seed=1) != pages


def test_a_page_does_not_depend_on_how_many_follow(pages):
    texts = [f"{title}\nA line for {title}." for title in "abcdefgh"]
    alone = messy_web(texts, seed=0)
    assert [
        page.text for page in messy_web(texts + ["i\nj"], seed=0)[: len(alone)]
    ] == [page.text for page in alone]


def test_every_text_has_a_good_page_in_order_and_every_address_is_used_once(pages):
    good = [page for page in pages if page.address.startswith("pages/")]
    assert len(good) == len(TEXTS) and all(page.is_good for page in good)
    sound = [(page.text, text) for page, text in zip(good, TEXTS, strict=True)]
    assert all(words(a) == words(b) for a, b in sound if not garbled(a) and a.isascii())
    assert len({page.address for page in pages}) == len(pages)


def test_every_fault_occurs_and_none_that_is_not_explained(pages):
    assert {page.fault for page in pages} == {"", *FAULTS}


def test_a_browser_would_show_what_was_written_and_the_page_around_it(pages):
    for page in pages:
        shown = words(mend(strip_html(page.html)))
        for paragraph in page.text.split("\n\n"):
            assert words(paragraph) in shown
        assert len(shown) > len(words(page.text)) + 100
        assert "cookies" in shown and "Ferry" in shown


def test_the_text_of_a_page_comes_out_without_the_menu(pages):
    for page in pages:
        assert "Ferry\nLibrary" not in main_text(page.html).text
        assert "count_visitor" not in strip_html(page.html)


def test_copies_come_after_what_they_copy_and_are_as_alike_as_they_say(pages):
    seen = {}
    for page in pages:
        seen[page.address] = page
        if page.fault in ("copy", "near copy"):
            original = seen[page.original]
            alike = likeness(phrases_of(page.text), phrases_of(original.text))
            if page.fault == "copy":
                assert page.text == original.text and page.html != original.html
            else:
                assert 0.2 < alike < 1
        else:
            assert page.original == ""


def test_garbled_pages_are_garbled_and_can_be_mended(pages):
    pages = [page for page in pages if page.fault == "garbled"]
    assert pages
    for page in pages:
        assert garbled(page.html) and not garbled(page.text)
        assert garbled(mend(page.html)) == []


def test_foreign_pages_are_french(pages):
    foreign = [page for page in pages if page.fault == "foreign"]
    assert {guess_language(page.text).language for page in foreign} == {"French"}


def test_a_text_without_a_paragraph_is_refused():
    with pytest.raises(ValueError, match="text 1 has one line, 'Only a title'"):
        messy_web(["Title\nParagraph.", "Only a title"], seed=0)
