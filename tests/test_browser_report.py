"""The report of a life in a real browser."""

import re

import pytest
from browser_lab import (
    expect,
    listen_for_complaints,
    needs_chromium,
    picture,
    running_chromium,
)
from test_report import example_report

from llmlab.report import write_report

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def browser():
    with running_chromium() as chromium:
        yield chromium


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_report_draws_itself_without_asking_anybody(browser, tmp_path, scheme):
    path = tmp_path / "report.html"
    write_report(example_report(), path)
    page = browser.new_page(color_scheme=scheme, viewport={"width": 400, "height": 800})
    complaints = listen_for_complaints(page, path.as_uri())
    page.goto(path.as_uri())
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    drawn = page.locator("img").evaluate_all(
        "images => images.map(image => image.complete && image.naturalWidth)"
    )
    assert drawn and all(drawn)
    fits = page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    assert fits, "the page must not scroll sideways on a telephone"
    colours = page.evaluate(
        "() => { const s = getComputedStyle(document.body); return s.backgroundColor; }"
    )
    lightness = sum(map(int, re.findall(r"\d+", colours)[:3])) / 3
    assert (lightness > 128) == (scheme == "light")
    assert complaints == []
    picture(page, f"report-{scheme}")
    page.close()
