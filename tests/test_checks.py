"""What a check says, in Jupyter and anywhere, and what it does to nobody."""

import random

import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell
from torch.nn import functional as F
from traitlets.config import Config

import exercises
from exercises import Exercise
from llmlab import checks, gpt, sampling, tokenizer
from llmlab.checks import Case, Dice, Table
from llmlab.checks.observing import observe_case
from llmlab.tokenizer import Tokenizer, merge_pair


def complaint(exercise, *answer):
    with pytest.raises(checks.CheckFailed) as failure:
        checks.check(exercise, *answer)
    return str(failure.value)


def toy(solution, *inputs, **more):
    """An exercise without words."""
    blank = dict.fromkeys(("title", "kind", "skill", "chapter", "task", "proven"), "")
    numbers = dict.fromkeys(("difficulty", "importance", "minutes"), 1)
    return Exercise(
        **{**blank, **numbers, "name": "toy", "solution": solution, "hints": ("",) * 3},
        **{"cases": lambda seed: [Case(inputs, **more)], "points": {"it": 1}},
        mistakes={},
    )


def test_jupyter_shows_one_sentence_and_no_traceback(capsys):
    shell = InteractiveShell(config=Config({"HistoryManager": {"enabled": False}}))
    shell.run_cell(
        "from llmlab import checks\nchecks.check('attention', lambda q, k, v: q @ k)"
    )
    shown = capsys.readouterr().out.strip()
    assert shown.startswith("Not yet: For queries") and shown.count("\n") == 0
    assert "stops with RuntimeError" in shown


def test_names_of_the_learner_cost_nothing(capsys):
    """`max = 3` in a scratch cell: the check gets the answer, and lives elsewhere."""
    shell = InteractiveShell(config=Config({"HistoryManager": {"enabled": False}}))
    names = "max = min = sum = abs = range = len = zip = map = sorted = 3"
    shell.run_cell(names)
    for name in ("merge", "policy_loss", "next_token_loss", "keep_nucleus"):
        shell.user_ns["answer"] = exercises.load(name).solution
        shell.run_cell(f"from llmlab import checks\nchecks.check('{name}', answer)")
    shown = capsys.readouterr().out
    assert shown.count("Right.") == 4 and "Not yet" not in shown


def test_an_unknown_exercise_and_a_missing_function_are_named():
    with pytest.raises(ValueError, match="there is no exercise 'atention'; choose"):
        checks.check("atention", len)
    with pytest.raises(ValueError, match="give the check merge"):
        checks.check("merge")


def test_two_numbers_that_differ_are_never_printed_alike():
    toy_of = toy(lambda x: x, 1.0)
    assert "should be 1; it is 1.001." in complaint(toy_of, lambda x: x + 1e-3)
    assert "should be 1; it is 1.0002." in complaint(toy_of, lambda x: x + 2e-4)
    assert "it is not a number (nan)." in complaint(toy_of, lambda x: float("nan"))


def test_a_view_of_an_input_is_not_a_new_tensor():
    exercise = toy(lambda x: x.clone(), torch.arange(3.0))
    for view in (lambda x: x, lambda x: x.view(3), lambda x: x.detach()):
        assert "hands its first input back, or a view" in complaint(exercise, view)


def test_a_gradient_that_should_not_be_there_is_named():
    exercise = toy(
        lambda x, y: x.sum() * y.detach().sum(),
        *(torch.ones(2), torch.ones(2)),
        gradients=(0, 1),
    )
    said = complaint(exercise, lambda x, y: x.sum() * y.sum())
    assert "sends a gradient into y" in said
    said = complaint(exercise, lambda x, y: x.sum().detach() * 2)
    assert "no gradient reaches x" in said


def test_an_answer_that_should_refuse_and_does_not_is_told():
    def refuses(x):
        raise ValueError

    said = complaint(toy(refuses, 3), lambda x: [x])
    assert "For x 3 your function should raise ValueError." in said
    checks.check(toy(refuses, 3), refuses)


def test_generators_and_tables_stand_in_for_what_cannot_be_sent():
    case = Case((Dice(3), [Table({"a": 7})]), calls=2)
    seen = observe_case(lambda g, t: (torch.rand(1, generator=g), t[0]("a")), case)
    (first, seven), (second, _) = seen.results
    assert seven == 7 and first != second
    assert first == torch.rand(1, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("name", ["Mara Example", "  mara   EXAMPLE "])
def test_numbers_that_follow_from_a_name_are_those_of_no_neighbour(name):
    assert checks.variant(name).random() == checks.variant("Mara Example").random()
    others = {checks.variant(f"{name} {k}").random() for k in range(50)}
    assert len(others) == 50
    assert isinstance(checks.variant(name), random.Random)
    with pytest.raises(ValueError, match="the name is empty"):
        checks.variant(" ")


def test_luck_with_the_dice_fails_no_right_answer():
    exercise = exercises.load("hide")
    for seed in range(20):
        cases = list(exercise.cases(seed))
        answer = (exercise.solution, *exercise.right)[seed % 4]
        verdict = exercises.judge(exercise, cases, checks.observe(answer, cases))
        assert verdict.right, (seed, answer, verdict)


# The learner's answers in the library


def test_a_model_runs_on_the_learners_attention_and_afterwards_on_ours():
    calls = []

    def counted(queries, keys, values):
        calls.append(queries.shape)
        return F.scaled_dot_product_attention(queries, keys, values, is_causal=True)

    torch.manual_seed(0)
    config = gpt.GPTConfig(vocab_size=16, context=8, layers=2, heads=2, width=8)
    model, tokens = gpt.GPT(config).eval(), torch.randint(0, 16, (1, 8))
    with torch.no_grad():
        expected = model(tokens)
        with checks.your_attention(counted):
            found = model(tokens)
        assert len(calls) == config.layers
        torch.testing.assert_close(found, expected)
        model(tokens)
    assert len(calls) == config.layers


def test_a_tokenizer_learns_with_the_learners_merge_and_afterwards_with_ours():
    text = ["a banana, zzz, and a cabana: bananas in cabanas"]
    expected = Tokenizer.train(text, 290).merges
    calls = []

    def counted(ids, pair, new_id):
        calls.append(pair)
        return merge_pair(ids, pair, new_id)

    with checks.your_merge(counted):
        assert Tokenizer.train(text, 290).merges == expected
    assert set(calls) == set(expected)
    count = len(calls)
    Tokenizer.train(text, 290)
    assert len(calls) == count and tokenizer.merge_pair is merge_pair


def test_the_nucleus_of_the_exercise_is_what_the_library_draws_from():
    logits = 2 * torch.randn(20, 50, generator=torch.Generator().manual_seed(0))
    for p in (0.1, 0.5, 0.9):
        drawn_from = sampling.shape_logits(logits, top_p=p).isfinite()
        keep = exercises.load("keep_nucleus").definition
        assert keep(logits.softmax(dim=-1), p).equal(drawn_from)
