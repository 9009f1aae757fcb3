"""The next-token explorer without a browser: its bars and what may be appended."""

import pytest
import torch
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


def rolled(seed: int, times: int) -> tuple[list[str], NextTokenExplorer]:
    explorer = NextTokenExplorer(
        distribution,
        prompt="the",
        special_tokens=["<eos>"],
        generator=torch.Generator().manual_seed(seed),
    )
    return [explorer.roll() for _ in range(times)], explorer


def test_the_dice_draw_by_the_shares_and_the_same_seed_draws_the_same():
    drawn, _ = rolled(3, 400)
    assert drawn == rolled(3, 400)[0] != rolled(4, 400)[0]
    # 0.4 of 400 draws, give or take four times their spread.
    assert drawn.count(" boat") == pytest.approx(160, abs=40)
    explorer = NextTokenExplorer(distribution, prompt="the", temperature=0.05)
    assert {explorer.roll() for _ in range(20)} == {" boat"}
    assert explorer.prompt == "the" + 20 * " boat" and explorer.temperature == 0.05


def test_drawn_text_is_appended_and_the_end_of_the_text_is_said():
    drawn, explorer = rolled(3, 30)
    text = "the" + "".join(t for t in drawn if t not in ("<eos>", "\ufffd"))
    assert explorer.prompt == text and "<eos>" in drawn
    while explorer.roll() != "<eos>":
        pass
    assert "The dice show <eos>" in explorer.status
    assert "Here the model ends its text" in explorer.status
    while explorer.roll() != " boat":
        pass
    assert explorer.status.startswith("The dice show ␣boat, which had 40.0%. Most")


def test_undo_goes_back_text_by_text_and_then_has_nothing_to_do():
    explorer = NextTokenExplorer(distribution, prompt="the")
    from_browser(explorer, type="show", prompt="the net", temperature=1)
    from_browser(explorer, type="show", prompt="the net", temperature=0.5)
    from_browser(explorer, type="show", prompt="the net boat", temperature=0.5)
    assert explorer.past == ["the", "the net"]
    from_browser(explorer, type="undo")
    assert explorer.prompt == "the net" and explorer.temperature == 0.5
    from_browser(explorer, type="undo")
    from_browser(explorer, type="undo")
    assert explorer.prompt == "the" and explorer.past == []


def test_a_roll_in_the_view_is_about_what_was_typed_there():
    explorer = NextTokenExplorer(distribution, prompt="the")
    from_browser(explorer, type="roll", prompt="a gull", temperature=0.05)
    assert explorer.prompt == "a gull boat"
    from_browser(explorer, type="roll", prompt="", temperature=1)
    assert explorer.status == "Cannot continue this text: the text is empty."


def test_it_never_opens_where_nothing_can_be_chosen():
    with pytest.raises(ValueError, match="only <eos>; begin with another prompt"):
        NextTokenExplorer(
            lambda text: [("<eos>", 1.0)], prompt="The end.", special_tokens=["<eos>"]
        )
