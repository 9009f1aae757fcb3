"""Of pages, Markdown and books, whole or broken, nothing is lost without a word."""

import gc
import random
import re
import time

import pytest

from llmlab.real_text import main_text, read_text
from llmlab.real_text.markdown import DEEPEST, markdown_text
from llmlab.real_text.sources import strip_book_frame

SENTENCE = "The keeper of the lighthouse counted the boats that came home before dark."


# Whatever is left out is reported -----------------------------------------------------

MARKDOWN_PIECES = [
    f"{piece}\n"
    for line in (
        "# {} ¦ {}\n=== ¦ {}\n--- ¦ --- ¦ ---\n ¦  ¦ {} {} ¦ > {} ¦ > - > {} ¦ \\{}",
        "- {} ¦   - {} ¦ 1. {} ¦    {} ¦     {} ¦ ```\n{}\n``` ¦ ``` ¦ ~~~ {} ¦ \t{}",
        "[{}]: {} ¦ [{}]: /{} '{}' ¦ [{}]:\n{} ¦ [^{}]: {} ¦ {}: {} ¦ [{}](/u) ¦ `{}",
        "![{}](/u) ¦ | {} | {} | ¦ |---|---| ¦ |---| ¦ <div>{}</div> ¦ <b>{}</b> {}",
        "<{}> ¦ **{} ¦ +++ ¦ <!-- {} ¦ --> ¦ <noscript>{}</noscript> ¦ <details>\n{}",
        "<script>\n{} ¦ <?{} ¦ <![CDATA[{} ¦ &{};",
    )
    for piece in line.split(" ¦ ")
]
HTML_PIECES = [
    piece
    for line in (
        "<p>{} ¦ {}</p> ¦ <nav> ¦ </nav>{} ¦ <form>{} ¦ <aside>{}</aside> ¦ </div>",
        "<div hidden>{} ¦ <p hidden>{}</p> ¦ <li hidden>{} ¦ <svg><title>{}</title>",
        "</svg>{} ¦ <noscript>{} ¦ </noscript> ¦ <template>{}</template> ¦ <?{}>",
        "<pre>{}\n ¦ </pre> ¦ <![ endif]-->{} ¦ <![FOR]>{} ¦ <a href='{} ¦ '>{}</a>",
        "<{} ¦ <!-- x -->{} ¦ <!--{} ¦ {}<br>{} ¦ <table><tr><td>{}<td>{}</table>",
        "<dl><dt>{}<dd>{}</dl> ¦ &{}; ¦ <select><option>{}</select> ¦ <button>{}",
        "<x-y>{} ¦ <script>'{} ¦ </script> ¦ <h2>{}</h2> ¦ <title>{}</title> ¦ < {}",
        "<textarea>{}</textarea> ¦ <body hidden>{} ¦ </x{}",
    )
    for piece in line.split(" ¦ ")
]


def made_of(pieces, dice, count=25):
    """A file of pieces, in which every word is there once."""
    number = iter(range(10_000))
    picked = "".join(dice.choices(pieces, k=count))
    return re.sub(r"\{\}", lambda _: f"word{next(number)}x", picked)


def lost_words(text, extraction):
    found = "\n".join([extraction.text, *extraction.left_out])
    return [word for word in re.findall(r"word\d+x", text) if word not in found]


@pytest.mark.parametrize("seed", range(60))
def test_every_word_of_markdown_is_kept_or_reported(seed):
    text = made_of(MARKDOWN_PIECES, random.Random(seed))
    # A fence names its language and a tag and a comment are no words of a reader.
    marks = r"~~~ \S+|\]\(\S*\)|(?s:<!--.*?-->)|<[?!]\S*?>|<\w[^<>\n]*>"
    shown = re.sub(marks, "", text)
    assert lost_words(shown, markdown_text(text)) == []


@pytest.mark.parametrize("seed", range(60))
def test_every_word_of_a_page_is_kept_or_reported(seed):
    page = made_of(HTML_PIECES, random.Random(seed))
    marks = r"(?s:<!--.*?-->|<script>.*?</script>|</?[a-z][^<>]*>|<\?[^<>]*>)"
    assert lost_words(re.sub(marks, "", page), main_text(page)) == []


FILES = {
    "rule.md": f"---\n\n{SENTENCE}\n\n---\n\n{SENTENCE} Again.",
    "settings.md": f"---\ntitle: Lamps\n---\n# Lamps\n\n{SENTENCE} [Oil](oil.md)\n",
    "page.html": f"<title>Lamps</title><nav>Home</nav><p>{SENTENCE} Caf&eacute;<p>Hm",
    "book.txt": f"a\n*** START OF THE PROJECT GUTENBERG EBOOK X ***\n{SENTENCE}\n"
    "*** END OF THE PROJECT GUTENBERG EBOOK X ***\nlicence",
    "plain.rst": f"Lamps\n=====\n\n{SENTENCE}\t\n\n\n\n",
}


@pytest.mark.parametrize("name", [*FILES, "all of them"])
def test_what_the_files_hold_is_what_was_kept_plus_what_each_rule_dropped(
    tmp_path, name
):
    chosen = FILES if name == "all of them" else {name: FILES[name]}
    for file, content in chosen.items():
        (tmp_path / file).write_text(content, "utf-8")
    _, report = read_text(tmp_path)
    assert report.characters_read == sum(map(len, chosen.values()))
    dropped = sum(outcome.characters for outcome in report.outcomes)
    assert report.characters_read == report.characters + dropped
    assert report.warnings == ()


def test_settings_and_addresses_stand_in_the_report(tmp_path):
    text = f"---\ntitle: Lamps\n---\n{SENTENCE}\n\n[oil]: oil.md 'Oil'\n"
    (tmp_path / "a.md").write_text(text)
    _, report = read_text(tmp_path)
    beside = [one.text for one in report.outcome("beside the text").dropped]
    assert beside == ["---\ntitle: Lamps\n---", "[oil]: oil.md 'Oil'"]


def test_file_of_which_nearly_all_is_left_out_is_reported_aloud(tmp_path):
    frame = "*** {} OF THE PROJECT GUTENBERG EBOOK X ***\n"
    licence = "\n\n".join(f"{number} {SENTENCE}" for number in range(40))
    (tmp_path / "a.txt").write_text(
        f"{frame.format('START')}{SENTENCE}\n{frame.format('END')}{licence}"
    )
    (tmp_path / "b.txt").write_text(" ".join(map(str, range(3000))))
    _, report = read_text(tmp_path)
    (warning,) = report.warnings
    assert warning.startswith("of a.txt, 9") and f"LOOK: {warning}" in str(report)


def test_collection_of_which_nearly_all_is_dropped_is_reported_aloud(tmp_path):
    for name in "abcdefgh":
        (tmp_path / f"{name}.txt").write_text("\n\n".join([SENTENCE * 2] * 9))
    _, report = read_text(tmp_path)
    (warning,) = report.warnings
    assert re.fullmatch(r"of all 10,\d+ characters, 9\d% were dropped", warning)


def test_files_of_other_kinds_are_counted(tmp_path):
    for name in ("a.txt", "b.pdf", "c.pdf", "sub/d.docx", ".hidden"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(SENTENCE)
    _, report = read_text(tmp_path)
    assert report.skipped == ("files of other kinds: 1 .docx, 2 .pdf",)
    assert read_text(tmp_path / "a.txt")[1].skipped == ()


def test_tilde_is_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / "books").mkdir()
    (tmp_path / "books" / "a.txt").write_text(SENTENCE)
    assert read_text("~/books")[0][0].text == SENTENCE


def test_file_at_which_a_parser_gives_up_is_named_and_can_be_skipped(
    tmp_path, monkeypatch
):
    def give_up(text):
        raise AssertionError("unknown status keyword")

    (tmp_path / "a.txt").write_text(SENTENCE)
    (tmp_path / "b.md").write_text(SENTENCE)
    monkeypatch.setitem(read_text.__globals__["EXTRACTORS"], ".md", give_up)
    with pytest.raises(ValueError, match="b.md: it cannot be taken apart .*unknown"):
        read_text(tmp_path)
    assert len(read_text(tmp_path, skip_unreadable=True)[0]) == 1


# Pages --------------------------------------------------------------------------------

TEXT = "\n\n".join(f"{number}. {SENTENCE}" for number in range(6))
BODY = "".join(f"<p>{part}</p>" for part in TEXT.split("\n\n"))


@pytest.mark.parametrize(
    "page",
    [
        "<body><form>{}</form>",
        "<nav><a href='/'>Home</a>{}",
        "<nav><form><button>{}",
        "<button>{}",
        "<body aria-hidden='true'>{}</body>",
        "<div hidden><div>{}</div></div>",
        "<form><nav>Home</nav>{}<footer>Made by hand.</footer></form>",
        "<dialog open>{}</dialog>",
        "<div role='navigation'>{}",
    ],
)
def test_element_with_most_of_the_text_is_layout(page):
    page = f"<title>Lamps</title>{page.format(BODY)}"
    assert main_text(page).text == f"Lamps\n\n{TEXT}"


def test_what_a_browser_hides_is_text_where_there_is_nothing_else():
    page = f"<title>Lamps</title><noscript>{BODY}</noscript>"
    assert main_text(page).text == f"Lamps\n\n{' '.join(TEXT.split())}"


@pytest.mark.parametrize("element", ["form", "nav", "noscript", "svg", "dialog"])
def test_element_with_little_of_the_text_is_beside_it(element):
    extraction = main_text(f"{BODY}<{element}>{SENTENCE}</{element}>{BODY}")
    assert extraction.text == f"{TEXT}\n\n{TEXT}"
    assert extraction.left_out == (SENTENCE,)


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("a<![ endif]-->b", "ab"),
        ("a<![FOR]>b", "ab"),
        ("a<![if !IE]>b<![endif]>c", "abc"),
        ("<!--[if IE]>x<![endif]-->a<!--[if !IE]><!-->b<!--<![endif]-->", "ab"),
        ("a<![CDATA[b", "a<![CDATA[b"),
        ("a<![", "a<!["),
        ("a<!-- b > c", "a<!-- b > c"),
        ("a<b c='d", "a<b c='d"),
    ],
)
def test_bogus_comments_are_read_as_browsers_do_and_what_never_ends_is_text(page, text):
    assert main_text(page).text == text


def test_script_that_is_never_closed_is_left_out_aloud():
    extraction = main_text(f"<p>{SENTENCE}</p><script>run()<p>{SENTENCE}</p>")
    assert extraction.text == SENTENCE
    assert extraction.left_out == (f"run()<p>{SENTENCE}</p>",)


# Markdown -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        f"---\n\n{SENTENCE}\n\n---\n\nTwo",
        f"---\n{SENTENCE}\n---\nTwo",
        f"---\ntitle: x\n\n{SENTENCE}\n\n---\nTwo",
        f"---\ntitle: x\n{SENTENCE}",
    ],
)
def test_only_settings_directly_below_a_rule_are_settings(text):
    extraction = markdown_text(text)
    assert SENTENCE in extraction.text and extraction.left_out == ()


@pytest.mark.parametrize("sign", ["> ", "- ", "1. "])
def test_what_stands_too_deep_for_the_parser_is_kept(sign):
    text = f"{sign * DEEPEST * 2}deep\n\n{SENTENCE}"
    assert markdown_text(text).text.endswith(f"deep\n\n{SENTENCE}")


def test_long_paragraph_is_parsed_by_so_many_lines_at_a_time():
    lines = [f"a *soft* word in line {number}" for number in range(1000)]
    plain = "\n".join(lines).replace("*", "")
    assert markdown_text("\n".join(lines)).text == plain


# Time ---------------------------------------------------------------------------------

SIGNS = ["[", "![", "[](", "[a\n", "[a]: /b '\n", "*a ", "**a", "_a", "`", "```\n", "<"]
SIGNS += ["<!-- ", "> ", "- "]
TAGS = ["<", "<a ", "<a b='", "<!--", "<nav><form>", "<![", "<?", "&#"]
BROKEN = [
    *[(markdown_text, part) for part in SIGNS],
    *[(main_text, part) for part in TAGS],
    (strip_book_frame, "*** START OF THE PROJECT GUTENBERG EBOOK\n"),
    (strip_book_frame, "*** START OF THE PROJECT GUTENBERG EBOOK "),
    (strip_book_frame, "*** "),
]


def seconds(function, text):
    gc.disable()  # what other tests left behind is not this function's time
    try:
        began = time.process_time()
        function(text)
        return time.process_time() - began
    finally:
        gc.enable()


@pytest.mark.parametrize(("extract", "part"), BROKEN)
def test_broken_file_takes_time_in_proportion(extract, part):
    """Eight times the text: eight times the seconds, not sixty-four."""
    short, long = ((part * 48_000)[:size] for size in (6_000, 48_000))
    once = min(seconds(extract, short) for _ in range(3))
    assert seconds(extract, long) < 24 * once + 0.05
