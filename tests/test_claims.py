"""A claim is shown with its number when it is true, and stops the page when not."""

import math

import numpy as np
import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from llmlab import claims
from llmlab.claims import ClaimError, about, claim

NO_HISTORY = Config({"HistoryManager": {"enabled": False}})


@pytest.fixture(autouse=True)
def a_learners_own_page(monkeypatch):
    monkeypatch.delenv(claims.BUILDING, raising=False)


def test_a_true_claim_shows_its_sentence_and_the_number_of_this_run(capsys):
    claim("The loss is at most 2.0 nats.", 1.93 <= 2.0, measured=1.934, unit="nats")
    said = "Checked: The loss is at most 2.0 nats (here: ≈1.93 nats).\n"
    assert capsys.readouterr().out == said


def test_a_stored_page_says_that_its_numbers_are_of_who_built_it(capsys, monkeypatch):
    monkeypatch.setenv(claims.BUILDING, "yes")
    claim("Most are right", True, measured="57 of 60")
    said = "Checked: Most are right (when this page was built: 57 of 60).\n"
    assert capsys.readouterr().out == said


def test_a_page_shows_the_sentence_as_text_and_never_as_markup(monkeypatch):
    shown = []
    monkeypatch.setattr(claims, "get_ipython", object)
    monkeypatch.setattr(claims, "display", lambda data, raw: shown.append(data))
    claim("The tag <eos> & the rest", True, measured=3)
    (data,) = shown
    assert (
        data["text/html"]
        == "<p>✓ The tag &lt;eos&gt; &amp; the rest (here: <b>3</b>).</p>"
    )
    assert data["text/plain"] == "Checked: The tag <eos> & the rest (here: 3)."


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1.5849, "≈1.58"),
        (0.0000321, "≈3.21e-05"),
        (12_345.6, "≈12,300"),
        (-0.4, "≈-0.4"),
        (999.6, "≈1,000"),
        (torch.tensor(0.25), "≈0.25"),
        (-1e300, "≈-1e+300"),
    ],
)
def test_a_measured_number_stands_behind_its_sign(number, text):
    assert about(number) == text


def test_a_false_claim_raises_with_the_sentence_and_the_number_behind_it(capsys):
    with pytest.raises(ClaimError, match=r"at most 2\.0 nats\. Measured: ≈2\.35 nats"):
        claim(
            "The loss is at most 2.0 nats", 2.3456 <= 2.0, measured=2.3456, unit="nats"
        )
    assert capsys.readouterr().out == ""


def test_a_false_claim_ends_a_cell_in_one_line_of_plain_words(capsys):
    shell = InteractiveShell.instance(config=NO_HISTORY)
    try:
        code = "from llmlab.claims import claim\nclaim('It pays', 1 > 2, measured=1)"
        assert not shell.run_cell(code).success
    finally:
        InteractiveShell.clear_instance()
    (line,) = capsys.readouterr().out.strip().splitlines()
    assert line.startswith("This does not hold here: It pays. Measured: 1.")


def test_a_loss_that_is_not_a_number_satisfies_no_bound():
    with pytest.raises(ClaimError, match="Measured: ≈nan"):
        claim("The loss is at most 2", math.nan <= 2, measured=math.nan)


@pytest.mark.parametrize(
    "truth", [torch.tensor([1.0, 2.0]).le(3).all(), np.float64(1.0) <= 3]
)
def test_a_comparison_of_one_element_is_a_truth_value(truth, capsys):
    claim("All are at most 3", truth, measured=3)
    assert capsys.readouterr().out == "Checked: All are at most 3 (here: 3).\n"


@pytest.mark.parametrize(
    "number", [0.25, 1, None, torch.tensor(0.25), torch.tensor([True]), [True], "yes"]
)
def test_a_forgotten_comparison_is_noticed(number):
    with pytest.raises(TypeError, match="pass a comparison"):
        claim("The excess is small", number, measured=0.1)


def test_a_number_is_wanted_and_not_the_verdict_again():
    for verdict in (True, torch.tensor(True)):
        with pytest.raises(TypeError, match="pass the number"):
            claim("The excess is small", True, measured=verdict)
    with pytest.raises(TypeError, match="measured"):
        claim("The excess is small", True)
