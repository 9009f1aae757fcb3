"""The next-token explorer without a browser: its bars and what may be appended."""

import pytest
from widget_examples import distribution, from_browser

from llmlab.widgets import NextTokenExplorer


def test_tokens_are_ranked_and_temperature_sharpens_or_flattens():
    explorer = NextTokenExplorer(distribution, prompt="the", top=2)
    assert explorer.show("the") == [(" boat", 0.4), ("<eos>", pytest.approx(0.3))]
    sharp = dict(explorer.show("the", temperature=0.5))
    # p squared, normalised: 0.16 / (0.16 + 0.09 + 0.04 + 0.01).
    assert sharp[" boat"] == pytest.approx(0.16 / 0.30)
    flat = dict(explorer.show("the", temperature=1000.0))
    assert flat[" boat"] == pytest.approx(0.25, abs=1e-3)
    assert explorer.show("the", temperature=0.001)[0][1] == pytest.approx(1)


def test_the_bars_always_sum_to_one():
    explorer = NextTokenExplorer(distribution, prompt="the", top=2)
    assert [bar["shown"] for bar in explorer.bars] == ["␣boat", "<eos>", "2 others"]
    assert sum(bar["share"] for bar in explorer.bars) == pytest.approx(1)


def test_control_tokens_and_broken_characters_cannot_be_appended():
    explorer = NextTokenExplorer(
        distribution, prompt="the", special_tokens=["<eos>"], top=4
    )
    appended = {bar["shown"]: bar["append"] for bar in explorer.bars}
    assert appended == {"␣boat": " boat", "<eos>": None, "␣net": " net", "�": None}


def test_a_text_that_cannot_be_continued_is_a_sentence_and_the_bars_stay():
    explorer = NextTokenExplorer(distribution, prompt="the")
    bars = explorer.bars
    from_browser(explorer, type="show", prompt="", temperature=1)
    assert explorer.status == "Cannot continue this text: the text is empty."
    assert explorer.bars == bars


def test_part_of_a_distribution_is_refused():
    with pytest.raises(ValueError, match="sum to 0.5000"):
        NextTokenExplorer(lambda text: [("a", 0.5)])
    with pytest.raises(ValueError, match="sum to 0.0000"):
        NextTokenExplorer(lambda text: [])


def test_the_twin_of_the_explorer_says_the_first_bars():
    explorer = NextTokenExplorer(distribution, prompt="<the>", top=2)
    page = explorer.static_html()
    assert "After “&lt;the&gt;”" in page and "␣boat" in page and "40.0%" in page
    explorer.show("other", 0.3)
    assert explorer.static_html() == page
