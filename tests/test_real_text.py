"""The promises of reading real text: clean, complete, counted, and never silent."""

import random
from dataclasses import replace

import pytest

from llmlab.real_text import (
    LONG_PARAGRAPH,
    LONGEST_PASSAGE,
    Passage,
    drop_repetitions,
    markdown_text,
    normalise,
    paragraph_windows,
    python_documentation,
    read_text,
    split_validation,
    strip_html,
)

LONG = "The lighthouse keeper counted the boats that came home before the storm did. "


def paragraph(number):
    return f"Paragraph {number}. {LONG}{LONG}".strip()


def book(paragraphs, start=0):
    numbers = range(start, start + paragraphs)
    return "\n\n".join(paragraph(number) for number in numbers)


@pytest.fixture
def folder(tmp_path):
    files = {
        "b.txt": book(3, start=10),
        "a/page.html": f"<title>A page</title><script>run()</script><p>{paragraph(1)}",
        "a/notes.md": f"# Notes\n\nRead **this** [book](http://x.y).\n\n{paragraph(2)}",
        "a/old.HTM": f"<p>{paragraph(3)}</p>",
        "z.rst": f"Title\n=====\n\n{paragraph(4)}",
        ".hidden/secret.txt": paragraph(5),
        "picture.png": "not text",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, "utf-8")
    return tmp_path


# Reading ------------------------------------------------------------------------------


def test_folder_is_read_in_the_order_of_names_and_hidden_files_are_left_alone(folder):
    documents, report = read_text(folder)
    names = ["a/notes.md", "a/old.HTM", "a/page.html", "b.txt", "z.rst"]
    assert [document.source for document in documents] == names
    assert report.sources == report.passages == 5
    assert report.characters == sum(len(document.text) for document in documents)
    assert documents[0].text == f"Notes\n\nRead this book.\n\n{paragraph(2)}"
    assert documents[2].text == f"A page\n\n{paragraph(1)}"


def test_reading_twice_gives_the_same(folder):
    assert read_text(folder) == read_text(folder)


def test_one_file_is_read_as_a_folder_of_one(folder):
    documents, _ = read_text(folder / "b.txt")
    assert documents == [Passage("b.txt", book(3, start=10))]


def test_long_file_is_cut_into_documents_between_paragraphs(tmp_path):
    (tmp_path / "book.txt").write_text(book(200), "utf-8")
    documents, _ = read_text(tmp_path)
    assert len(documents) > 3
    assert "\n\n".join(document.text for document in documents) == book(200)
    assert max(len(document.text) for document in documents) <= LONGEST_PASSAGE


UNUSABLE = {
    "empty.txt": (b"", "it is empty"),
    "blank.txt": (b" \n\t\n", "it is empty"),
    "latin.txt": ("déjà vu".encode("latin-1"), "not UTF-8 (byte 0xe9 at position 1)"),
    "wide.txt": ("wide".encode("utf-16-le"), "it holds zero bytes"),
    "code.html": (b"<script>x = 1</script>", "it holds no words"),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_unusable_file_is_named_with_the_reason_and_the_way_out(folder, name):
    content, reason = UNUSABLE[name]
    (folder / name).write_bytes(content)
    with pytest.raises(ValueError, match="1 of 6 files") as caught:
        read_text(folder)
    assert f"{name}: it" in str(caught.value) and reason in str(caught.value)
    assert "--skip-unreadable" in str(caught.value)


def test_all_unusable_files_are_named_at_once(folder):
    for name, (content, _) in UNUSABLE.items():
        (folder / name).write_bytes(content)
    with pytest.raises(ValueError, match="5 of 10 files") as caught:
        read_text(folder)
    assert all(name in str(caught.value) for name in UNUSABLE)


def test_unusable_files_are_skipped_and_reported_if_asked(folder):
    expected, _ = read_text(folder)
    (folder / "latin.txt").write_bytes(UNUSABLE["latin.txt"][0])
    documents, report = read_text(folder, skip_unreadable=True)
    assert documents == expected and len(report.skipped) == 2
    assert "skipped latin.txt: it is not UTF-8" in str(report)


def test_folder_of_nothing_but_unusable_files_is_refused_even_so(tmp_path):
    (tmp_path / "empty.txt").touch()
    with pytest.raises(ValueError, match="all 1 files .* were skipped"):
        read_text(tmp_path, skip_unreadable=True)


def test_folder_without_text_is_refused(tmp_path):
    (tmp_path / "picture.png").touch()
    with pytest.raises(ValueError, match=r"none of the 1 files .* ends in \.txt"):
        read_text(tmp_path)
    with pytest.raises(ValueError, match="none of the 1 files"):
        read_text(tmp_path / "picture.png")


def test_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="absent"):
        read_text(tmp_path / "absent")


def test_byte_order_mark_is_no_text(tmp_path):
    (tmp_path / "marked.md").write_bytes(b"\xef\xbb\xbf# " + paragraph(1).encode())
    assert read_text(tmp_path)[0][0].text == paragraph(1)


@pytest.fixture(scope="module")
def documentation():
    return python_documentation()


def test_python_documentation_is_real_text_of_useful_size(documentation):
    documents, report = documentation
    assert report.characters == sum(len(document.text) for document in documents)
    assert report.characters > 1_000_000


def test_python_documentation_is_the_reference_and_the_docstrings(documentation):
    texts = {document.source: document.text for document in documentation[0]}
    assert '"assert"' in texts["topic assert"]
    assert texts["json/decoder.py"].startswith("Implementation of JSONDecoder")
    folders = {folder for source in texts for folder in source.split("/")[:-1]}
    assert "unittest" in folders and not folders & {"test", "tests", "site-packages"}


def test_python_documentation_is_in_the_order_of_its_names(documentation):
    sources = [document.source for document in documentation[0]]
    topics = [source for source in sources if source.startswith("topic ")]
    modules = sources[len(topics) :]
    assert topics == sorted(topics) and modules == sorted(modules)


# Cleaning -----------------------------------------------------------------------------


def test_html_shows_what_a_reader_sees():
    page = """<!doctype html><html><head><title>Fish &amp; chips</title>
    <style>p { color: red }</style><script>if (a < b) { run("<p>") }</script></head>
    <body><noscript>no</noscript><p>One
    two <b>three</b>four.<p>Caf&eacute;<br>tea<ul><li>six<li>seven</ul>
    <pre>def f():
        return 1</pre><table><tr><td>1<td>2<tr><td>3</table><!-- aside --></body>"""
    assert normalise(strip_html(page)) == (
        "Fish & chips\n\nOne two threefour.\n\nCafé\ntea\n\nsix\nseven\n\n"
        "def f():\n        return 1\n\n1 2\n3"
    )


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("<ul><li>a</li><li>b</li></ul>", "a\nb"),
        ("a<br>b", "a\nb"),
        ("a<br/>b", "a\nb"),
        ("a<br><br>b", "a\n\nb"),
    ],
)
def test_only_two_breaks_leave_a_line_of_html_empty(page, text):
    assert strip_html(page) == text


@pytest.mark.parametrize(
    ("marked", "plain"),
    [
        ("## A heading ##", "A heading"),
        ("Title\n=====", "Title"),
        ("a **strong** and *soft* word", "a strong and soft word"),
        (
            "[words](http://x.y 'title') and [more][ref]\n\n[ref]: x.md",
            "words and more",
        ),
        ("[words][nowhere]", "[words][nowhere]"),
        ("a [series](http://x.y/Lamps_(TV_series))", "a series"),
        ("[ref]: http://x.y 'title'", ""),
        (
            "[Mara]: The boat is late.\n[Ben]: Yes.",
            "[Mara]: The boat is late.\n[Ben]: Yes.",
        ),
        (
            "It was spring.[^1]\n\n[^1]: In March.",
            "It was spring.[^1]\n\n[^1]: In March.",
        ),
        ("![a cat](cat.png)", "a cat"),
        ("[![badge](b.svg)](http://ci)", "badge"),
        ("> quoted", "quoted"),
        ("<p align='left'>text<br></p>", "text"),
        ("before<!-- never\nseen -->after", "beforeafter"),
        ("---\ntitle: x\n---\ntext", "text"),
        ("above\n\n* * *\n\nbelow", "above\n\nbelow"),
        ("---\n\nOne\n\n---\n\nTwo", "One\n\nTwo"),
        ("+++\ntitle = 'x'\n\n[more]\na = 1\n+++\ntext", "text"),
        ("<!-- never\n\n*closed*", "<!-- never\n\n*closed*"),
        ("a<br>b &amp; List<String>", "a\nb & List<String>"),
        ("1. a\n   - b\n\n     c\n2. d", "1. a\n   - b\n\n     c\n2. d"),
        ("| a | b |\n|---|---|\n| 1 | 2 | 3 |", "| a | b |\n|---|---|\n| 1 | 2 | 3 |"),
        ("    f(*a)[i](j)", "    f(*a)[i](j)"),
        ("call `hooks[name](event)` twice", "call `hooks[name](event)` twice"),
        ("__init__, a < b > c and 2 * 3 * 4", "__init__, a < b > c and 2 * 3 * 4"),
        ("call `f(*a, **k)` or `g(*a, **k)`", "call `f(*a, **k)` or `g(*a, **k)`"),
        ("- item [1], [x] done", "- item [1], [x] done"),
    ],
)
def test_markdown_loses_its_marks_and_nothing_else(marked, plain):
    assert markdown_text(marked).text == plain


def test_fenced_code_stays_letter_for_letter():
    code = "# comment\nf(**k)  # [a](b)\n<p>\n> *x*\n"
    text = f"# Before\n```python\n{code}```\n**after**"
    assert markdown_text(text).text == f"Before\n{code}after"


def test_normalised_text_has_one_spelling():
    messy = (
        "\ufeffa\u0301  b\u00a0 c \r\n\r\n\r\n\r\n  in\u00adden\u200bted\tx\rnext\x00\n"
    )
    assert normalise(messy) == "á b c\n\n  indented x\nnext"
    assert normalise(normalise(messy)) == normalise(messy)


# Cutting ------------------------------------------------------------------------------


@pytest.mark.parametrize("longest", [40, 100, 333, 1000])
def test_windows_fit_and_lose_nothing_but_line_ends(longest):
    text = book(4) + "\n\n" + "x" * 500 + "\n\nShort.\n\n" + "春は花。夏は星。" * 40
    windows = paragraph_windows(text, longest)
    assert max(map(len, windows)) <= longest
    assert "".join(windows).replace("\n", "") == text.replace("\n", "")


def test_windows_hold_as_many_whole_paragraphs_as_fit():
    text = "one\n\ntwo\n\nthree\n\nfour"
    assert paragraph_windows(text, 10) == ["one\n\ntwo", "three", "four"]
    assert paragraph_windows(text, 11) == ["one\n\ntwo", "three\n\nfour"]


def test_long_paragraph_is_cut_between_lines_then_sentences_then_words():
    assert paragraph_windows("line one\nline two", 9) == ["line one", "line two"]
    assert paragraph_windows("It is. It was.", 8) == ["It is. ", "It was."]
    assert paragraph_windows("some words", 6) == ["some ", "words"]


def test_windows_are_measured_as_asked():
    def words(text):
        return len(text.split())

    windows = paragraph_windows("a b c\n\nd e\n\nf g h i", 5, words)
    assert windows == ["a b c\n\nd e", "f g h i"]


def test_windows_are_measured_whole_not_in_parts():
    def square(text):
        return len(text) ** 2

    windows = paragraph_windows("ab c d ef ghi j", 16, square)
    assert max(map(square, windows)) <= 16 and len(windows) > 3


def test_window_too_small_for_a_character_is_refused():
    with pytest.raises(ValueError, match="'é' alone measures 2"):
        paragraph_windows("é", 1, lambda text: len(text.encode()))


# Repetitions --------------------------------------------------------------------------


def documents_of(*texts):
    return [Passage(f"{number}.txt", text) for number, text in enumerate(texts)]


def test_copy_of_a_document_is_dropped_whole():
    poem = "Roses are red\n\nViolets are blue"
    documents = documents_of(poem, book(2), poem)
    sifting = drop_repetitions(documents)
    assert sifting.kept == documents[:2]
    (dropped,) = sifting.dropped
    assert (dropped.source, dropped.text, dropped.whole) == ("2.txt", poem, True)
    assert dropped.reason == "came before, in 0.txt"


def test_long_paragraph_is_kept_only_where_it_first_comes():
    documents = documents_of(book(2), f"{book(4, start=5)}\n\n{paragraph(1)}\n\nEnd.")
    sifting = drop_repetitions(documents)
    assert sifting.kept[1].text == book(4, start=5) + "\n\nEnd."
    (dropped,) = sifting.dropped
    assert (dropped.source, dropped.text, dropped.whole) == (
        "1.txt",
        paragraph(1),
        False,
    )


def test_short_paragraphs_may_repeat():
    first, second = f"Note:\n\n{paragraph(1)}", f"Note:\n\n{paragraph(2)}"
    sifting = drop_repetitions(documents_of(first, second))
    assert [document.text for document in sifting.kept] == [first, second]
    assert sifting.dropped == []


def test_no_long_paragraph_of_the_python_documentation_comes_twice(documentation):
    documents, report = documentation
    long_paragraphs = [
        text
        for document in documents
        for text in document.text.split("\n\n")
        if len(text) >= LONG_PARAGRAPH
    ]
    assert len(long_paragraphs) == len(set(long_paragraphs)) > 500
    repetitions = report.outcome("repetitions")
    assert repetitions.passages and repetitions.parts


# Holding out --------------------------------------------------------------------------


def many_documents(count):
    return documents_of(*(paragraph(number) for number in range(count)))


def test_split_is_a_partition_in_order_of_about_the_share_asked_for():
    documents = many_documents(1000)
    training, validation = split_validation(documents, 0.1)
    assert 70 <= len(validation) <= 130
    assert sorted(training + validation, key=documents.index) == documents
    assert training == [d for d in documents if d not in validation]


def test_document_stays_on_its_side_whatever_others_come_or_go_or_it_is_called():
    documents = many_documents(300)
    _, validation = split_validation(documents)
    some = random.Random(0).sample(documents, 200)
    _, validation_of_some = split_validation(some)
    assert set(validation_of_some) == set(validation) & set(some)
    renamed = [replace(document, source="x") for document in documents]
    _, validation_of_renamed = split_validation(renamed)
    assert [d.text for d in validation_of_renamed] == [d.text for d in validation]


@pytest.mark.parametrize("share", [0.001, 0.999])
def test_neither_side_is_empty(share):
    training, validation = split_validation(many_documents(2), share)
    assert len(training) == len(validation) == 1


@pytest.mark.parametrize("share", [0.001, 0.5, 0.999])
def test_neither_side_is_empty_where_all_documents_are_equal(share):
    documents = [Passage("copy", paragraph(0))] * 5
    training, validation = split_validation(documents, share)
    assert training and validation and training + validation == documents


def test_too_little_text_to_hold_any_out_is_refused():
    with pytest.raises(ValueError, match="1 passage to split; at least two"):
        split_validation(many_documents(1))


@pytest.mark.parametrize("share", [0, 1, -0.1])
def test_impossible_share_is_refused(share):
    with pytest.raises(ValueError, match="between 0 and 1"):
        split_validation(many_documents(5), share)
