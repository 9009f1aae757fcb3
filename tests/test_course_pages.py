"""What a learner gets of the stored notebooks: no results but folded, no dead links."""

import re

import pytest
from markdown_it import MarkdownIt
from working_copies import cell

from authoring.course.pages import (
    course_pages,
    file_name,
    with_links,
    with_results_folded,
)
from llmlab.paths import ROOT

PAGES = course_pages()
PLACES = {page.stored: page.name for page in PAGES}


def code(source, *texts):
    outputs = [{"output_type": "stream", "name": "stdout", "text": t} for t in texts]
    return cell("x", source, "code") | {"outputs": outputs}


def test_pages_come_in_order_under_names_that_people_read():
    names = [page.name for page in PAGES]
    assert names[0] == "00 Start here.ipynb" and names == sorted(names)
    assert "exercises/ps1 Text.ipynb" in names
    assert file_name('What? <a/b>: "c" | d.') == "What ab c  d"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.key)
def test_every_link_of_a_page_leads_to_what_is_in_the_copy(page):
    delivered = page.delivered(page.name, PLACES)
    folder = (ROOT / page.name).parent
    there = {(ROOT / name).resolve() for name in PLACES.values()}
    for one in delivered["cells"]:
        if one["cell_type"] != "markdown":
            continue
        tokens = MarkdownIt().parse(one["source"])
        inner = [child for token in tokens for child in token.children or ()]
        for token in inner:
            target = token.attrGet("href") if token.type == "link_open" else None
            if target and not re.match(r"https?:|#", target):
                path = target.partition("#")[0].replace("%20", " ").replace("%2C", ",")
                assert (folder / path).resolve() in there, target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.key)
def test_of_a_page_only_links_and_results_differ(page):
    stored = {c["id"]: c for c in page.notebook["cells"]}
    delivered = page.delivered(page.name, PLACES)
    added = [c for c in delivered["cells"] if c["id"] not in stored]
    assert all(c["id"].startswith("got-") for c in added)
    for one in delivered["cells"]:
        if one["cell_type"] == "code":
            assert one["source"] == stored[one["id"]]["source"]
            assert one["metadata"] == stored[one["id"]]["metadata"]
            assert one["outputs"] == [] and one["execution_count"] is None


def test_what_only_looks_like_a_link_stays():
    source = (
        "`hooks[name](event)` and [here](a.ipynb#top), [there](../x.md), ![p](a.ipynb)"
    )
    known = {"a.ipynb": "[here](A%20B.ipynb#top)", "../x.md": "there"}
    changed = with_links(source, lambda text, target: known.get(target.split("#")[0]))
    assert changed == (
        "`hooks[name](event)` and [here](A%20B.ipynb#top), there, ![p](a.ipynb)"
    )


def test_a_page_in_a_folder_of_the_learners_still_finds_the_others():
    page = PAGES[0]
    linked = page.delivered("week 1/intro.ipynb", PLACES)["cells"]
    assert any("](../01%20Gathering%20data.ipynb)" in c["source"] for c in linked)


def test_what_was_asked_for_stands_folded_behind_its_answer():
    cells = [
        code("before()", "seen"),
        code('desk.predict("a", "?")', "a box"),
        code('desk.predict(\n    "b", "?"\n)', "a box"),
        code("result()", "4 < 5\n\nnot *bold*\n"),
        code('desk.answer("a", 1, "…")', "yours: 3"),
        code('desk.answer("b", 2, "…")', "yours: 4"),
        code('desk.answer("never asked", 2, "…")', "nothing"),
    ]
    folded = with_results_folded(cells)
    kinds = [c["cell_type"][0] for c in folded]
    assert kinds == list("cccccmcmc")
    first, second = (c["source"] for c in folded if c["cell_type"] == "markdown")
    assert "4 &lt; 5\n\nnot *bold*" in first and "yours: 3" in first
    assert "a box" not in first and "seen" not in first
    assert "yours: 4" in second and "yours: 3" not in second
    html = MarkdownIt("commonmark").render(first)
    assert html.startswith("<details>\n<summary>What the course got</summary>")
    assert "<em>" not in html and html.endswith("</details>")


def test_folded_lines_fit_the_page_and_have_no_colours_of_a_terminal():
    long = "word " * 40 + "\x1b[31mred\x1b[0m end"
    cells = [code('desk.predict("a")'), code('desk.answer("a", 1)', long, "  a  b")]
    source = with_results_folded(cells)[-1]["source"]
    assert max(map(len, source.splitlines())) <= 88 and "<pre>  a  b</pre>" in source
    assert "red end" in source.replace("\n", " ") and "\x1b" not in source


def test_pictures_are_folded_with_what_they_hang_on():
    figure = {"output_type": "display_data", "metadata": {}}
    figure["data"] = {"image/png": "aGk=\n", "text/plain": "<Figure size 640x480>"}
    cells = [code('desk.predict("a")'), code("plot()"), code('desk.answer("a", 1)')]
    cells[1]["outputs"] = [figure]
    got = with_results_folded(cells)[-1]
    assert got["attachments"] == {"result-1.png": {"image/png": "aGk=\n"}}
    assert "](attachment:result-1.png)" in got["source"]
    assert "Figure size" not in got["source"]


def test_a_result_that_showed_nothing_needs_no_fold():
    cells = [code('desk.predict("a")'), code('desk.answer("a", 1)')]
    assert with_results_folded(cells) == cells
