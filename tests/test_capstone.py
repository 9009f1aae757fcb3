import json
import re
from dataclasses import replace

import pytest

from authoring.capstone.command import GIVEN, MATERIAL
from authoring.capstone.plan import Plan, read_plan
from authoring.capstone.results import Difference, difference, outcome
from authoring.capstone.review import sections
from llmlab.__main__ import main

PLAN = """
question = "Do similes come of the pay?"
change = "paid for similes"
control = "paid by lot"
measure = "similes"
expect = "higher"
by = 1.0
because = "what is paid for becomes more probable"
seeds = [0, 1, 2]
"""
PROGRAM = """
def run_arm(changed, seed):
    if (HERE / "stop").exists() and changed and seed == 1:
        raise KeyboardInterrupt
    with open(HERE / "log", "a") as log:
        log.write(f"{changed} {seed}\\n")
    more = GAIN if changed else 0
    similes = [1 + more, 2 + more, 3.5 + more]
    plain = "Once upon a time the gull slept on a wet red roof."
    livelier = "Once the gull was as gay as seven moons in June."
    texts = [livelier if changed else plain] * 5
    return {"similes": similes, "words": [90, 91, 95 + seed]}, texts
"""
WORDS = (
    "These are words enough to say in full what a learner saw and thought about it. "
)
HAPPENED = """Similes rose from 2.17 to 4.17 a story, by 2.00, the 95 % interval being
2.00 to 2.00 in each of the 3 seeds. So the prediction held. Words stayed as they were.
"""
READ = """In "the gull slept on a wet red roof" nothing is compared; "the gull was as
gay as seven moons" does little else, though both begin alike and end alike."""


def begin(folder, gain=2.0, plan=PLAN):
    assert main(["capstone", "new", str(folder)]) == 0
    (folder / "plan.toml").write_text(plan)
    program = f"from pathlib import Path\nHERE = Path({str(folder)!r})\nGAIN = {gain}\n"
    (folder / "experiment.py").write_text(program + PROGRAM)
    return folder


def report(folder, **other):
    asked = sections((MATERIAL / "report.md").read_text("utf-8"))
    told = dict.fromkeys(asked, 2 * WORDS)
    told |= {"What happened": HAPPENED, "What I read": READ} | other
    text = "".join(
        f"## {title}\n\n> asks\n\n{body}\n\n" for title, body in told.items()
    )
    (folder / "report.md").write_text(f"# Similes\n\n{text}", "utf-8")


@pytest.fixture
def finished(tmp_path):
    folder = begin(tmp_path / "mine")
    assert main(["capstone", "run", str(folder)]) == 0
    report(folder)
    return folder


def what_is_open(folder, capsys):
    capsys.readouterr()
    code = main(["capstone", "check", str(folder)])
    found = re.findall(r"✗ (.+)\n  (.+)", capsys.readouterr().out)
    assert code == (1 if found else 0)
    return found


def test_a_report_whose_figures_and_quotes_are_from_the_runs_is_complete(
    finished, capsys
):
    assert what_is_open(finished, capsys) == []
    told = (finished / "results.md").read_text("utf-8")
    assert "| 1 | 2.17 | 4.17 | 2.00 | 2.00 to 2.00 |" in told
    assert "similes higher, by 1. **held**" in told


@pytest.mark.parametrize(
    ("section", "body", "advice"),
    [
        ("What happened", HAPPENED.replace("4.17", "4.71"), "not found there: 4.71"),
        ("What happened", HAPPENED.replace("held", "was not held"), "says 'not held'"),
        ("What happened", HAPPENED.replace("held", "was fine"), "says neither held"),
        ("What happened", f"The prediction held. {2 * WORDS}", "by how much similes"),
        ("What I read", f"I read both. {2 * WORDS}", "6 words in a row"),
        ("What I read", READ.replace("gay", "glad"), "6 words in a row"),
        ("What it does not show", "More seeds.", "it has 2 words"),
    ],
)
def test_what_a_report_lacks_is_named(finished, capsys, section, body, advice):
    report(finished, **{section: body})
    found = what_is_open(finished, capsys)
    assert found and all(re.search(advice, told) for _, told in found)


def test_a_report_without_one_of_its_questions_is_not_complete(finished, capsys):
    text = (finished / "report.md").read_text("utf-8")
    (finished / "report.md").write_text(
        text.replace("## What else", "## Else"), "utf-8"
    )
    ((what, advice),) = what_is_open(finished, capsys)
    assert "What else it could be" in what and "it has 0 words" in advice


def test_a_plan_that_was_changed_after_the_run_is_told(finished, capsys):
    (finished / "plan.toml").write_text(PLAN.replace("higher", "lower"))
    assert "sealed" in what_is_open(finished, capsys)[0][0]


def test_arms_that_do_not_differ_are_no_experiment(tmp_path, capsys):
    folder = begin(tmp_path / "mine", gain=0.0)
    main(["capstone", "run", str(folder)])
    report(folder)
    found = [told for _, told in what_is_open(folder, capsys)]
    assert any("does run_arm use `changed`" in told for told in found)


def test_two_seeds_and_missing_arms_are_told(tmp_path, capsys):
    folder = begin(tmp_path / "mine", plan=PLAN.replace("[0, 1, 2]", "[0, 1]"))
    (folder / "stop").touch()
    assert main(["capstone", "run", str(folder)]) == 130
    report(folder)
    found = [told for _, told in what_is_open(folder, capsys)]
    assert any("anecdote" in told for told in found)
    assert any("missing: changed 1" in told for told in found)


def test_a_run_that_was_stopped_does_no_arm_twice(tmp_path):
    folder = begin(tmp_path / "mine")
    (folder / "stop").touch()
    assert main(["capstone", "run", str(folder)]) == 130
    (folder / "stop").unlink()
    assert main(["capstone", "run", str(folder)]) == 0
    done = (folder / "log").read_text().split("\n")[:-1]
    assert done == [
        f"{changed} {seed}" for seed in range(3) for changed in (False, True)
    ]
    assert len(json.loads((folder / "results.json").read_text())["runs"]) == 6


@pytest.mark.parametrize("name", ["plan.toml", "experiment.py"])
def test_arms_of_two_plans_or_programs_are_not_mixed(finished, capsys, name):
    with open(finished / name, "a") as file:
        file.write("\n# another\n")
    assert main(["capstone", "run", str(finished)]) == 2
    assert f"{name} has changed since the first run" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('control = "paid by lot"', 'control = " "', "control is empty; without"),
        ('control = "paid by lot"', "", "expected question, change, control"),
        ('"higher"', '"up"', "expect is 'up'; choose one of"),
        ("by = 1.0", "by = 0", "so that the prediction can fail"),
        ("by = 1.0", "by = inf", "give a finite number"),
        ("[0, 1, 2]", "[0, 0]", "each once"),
        ("[0, 1, 2]", "[]", "such as [0, 1, 2]"),
        ('measure = "similes"', 'measure = "beauty"', "measures similes, words"),
        ("question", "question question", "cannot be read"),
    ],
)
def test_a_plan_that_cannot_be_carried_out_is_refused(
    tmp_path, capsys, old, new, message
):
    folder = begin(tmp_path / "mine", plan=PLAN.replace(old, new, 1))
    assert main(["capstone", "run", str(folder)]) == 2
    assert message in capsys.readouterr().err


def test_what_a_learner_begins_with_is_never_written_over(tmp_path, capsys):
    folder = begin(tmp_path / "mine")
    assert main(["capstone", "new", str(folder)]) == 2
    assert "nothing is written over" in capsys.readouterr().err
    assert (folder / "plan.toml").read_text() == PLAN


def test_a_folder_without_a_beginning_says_how_to_begin(tmp_path, capsys):
    assert main(["capstone", "check", str(tmp_path)]) == 2
    assert "capstone new" in capsys.readouterr().err


def test_the_given_plan_asks_to_be_filled_in(tmp_path):
    assert all((MATERIAL / name).exists() for name in GIVEN)
    with pytest.raises(ValueError, match="question is empty"):
        read_plan(MATERIAL / "plan.toml")


def test_a_difference_is_of_pairs():
    found = difference([1.0, 5.0, 9.0], [2.0, 7.0, 9.0])  # 1, 2, 0 apart
    assert (found.control, found.changed, found.mean) == (5.0, 6.0, 1.0)
    assert found.high == pytest.approx(1 + 1.96 / 3**0.5)
    assert found.low == pytest.approx(1 - 1.96 / 3**0.5)


FORETOLD = Plan("?", "a", "b", "words", "higher", 1.0, "so", (0, 1), "")


@pytest.mark.parametrize(
    ("expect", "apart", "said"),
    [
        ("higher", [(2.0, 0.5, 3.5), (1.5, 0.2, 2.8)], "held"),
        ("higher", [(2.0, 0.5, 3.5), (1.5, -0.2, 3.2)], "undecided"),
        ("higher", [(0.6, 0.5, 0.7), (0.8, 0.7, 0.9)], "not held"),
        ("higher", [(-2.0, -3.0, -1.0), (-2.0, -3.0, -1.0)], "not held"),
        ("lower", [(-2.0, -3.0, -1.0), (-2.0, -3.0, -1.0)], "held"),
        ("lower", [(-2.0, -4.5, 0.5), (-2.0, -3.0, -1.0)], "undecided"),
        ("the same", [(0.1, -0.5, 0.7), (0.0, -0.9, 0.9)], "held"),
        ("the same", [(0.1, -0.5, 0.7), (0.0, -1.9, 1.9)], "undecided"),
        ("the same", [(0.1, -0.5, 0.7), (2.0, 1.1, 2.9)], "not held"),
    ],
)
def test_a_prediction_holds_only_where_the_intervals_carry_it(expect, apart, said):
    found = [Difference(0.0, mean, low, high) for mean, low, high in apart]
    assert outcome(replace(FORETOLD, expect=expect), found) == said
