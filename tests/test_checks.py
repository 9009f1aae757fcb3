"""The checks accept what is right, and name what is wrong."""

import importlib
import inspect
import math
import re

import einops
import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell
from torch.nn import functional as F
from traitlets.config import Config

from llmlab import checks, gpt, ppo
from llmlab.batching import IGNORE, next_token_batch
from llmlab.paths import ROOT
from llmlab.tokenizer import Tokenizer

WRONG_ANSWERS = sorted((ROOT / "exercises" / "wrong_answers").glob("ps*.py"))


def exercise_of(path):
    """`ps1_attention.py` holds wrong answers to the exercise `attention`."""
    return path.stem.partition("_")[2]


def wrong_answers(path):
    """The answers of the bank, each with what the check has to say to it."""
    specification = importlib.util.spec_from_file_location(path.stem, path)
    bank = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(bank)
    public = {
        function
        for name, function in inspect.getmembers(bank, inspect.isfunction)
        if not name.startswith("_")
    }
    assert public == set(bank.SAID), "every answer needs an entry in SAID"
    return bank.SAID


BANK = [
    pytest.param(exercise_of(path), answer, said, id=f"{path.stem}-{answer.__name__}")
    for path in WRONG_ANSWERS
    for answer, said in wrong_answers(path).items()
]


def complaint(exercise, answer):
    with pytest.raises(checks.CheckFailed) as failure:
        getattr(checks, exercise)(answer)
    return failure.value


@pytest.mark.parametrize(("exercise", "answer", "said"), BANK)
def test_every_known_mistake_is_called_by_its_name(exercise, answer, said):
    assert said in str(complaint(exercise, answer))


@pytest.mark.parametrize("path", WRONG_ANSWERS, ids=exercise_of)
def test_every_check_minds_an_input_that_was_changed_in_place(path):
    said = wrong_answers(path).values()
    assert [words for words in said if "input in place" in words]


def test_a_reloaded_check_has_forgotten_what_was_replaced_inside_it():
    def always_content(weights):
        return None

    gpt_checks = importlib.import_module("llmlab.checks.gpt")
    gpt_checks.call = gpt_checks._weights_look_back = always_content
    importlib.reload(checks)
    assert "no causal mask" in str(complaint("attention", attention_without_mask))


def attention_without_mask(queries, keys, values):
    return F.scaled_dot_product_attention(queries, keys, values)


def test_no_complaint_gives_the_solution_away():
    """Learners should read sentences, not a line that they can paste."""
    for parameters in BANK:
        exercise, answer, _ = parameters.values
        message = str(complaint(exercise, answer))
        assert not re.search(r"torch\.\w|\w\(\w|==|-inf|@|\.(exp|clamp)", message)
        assert len(message) < 320


# Right answers of every style


def attention_by_loop(queries, keys, values):
    output = torch.zeros_like(values)
    batch, heads, time, d_head = queries.shape
    for row in range(batch):
        for head in range(heads):
            for now in range(time):
                past = slice(0, now + 1)
                scores = keys[row, head, past] @ queries[row, head, now]
                shares = torch.softmax(scores / math.sqrt(d_head), dim=0)
                output[row, head, now] = shares @ values[row, head, past]
    return output


def attention_with_einops(queries, keys, values):
    scores = einops.einsum(queries, keys, "b h q d, b h k d -> b h q k")
    scores = scores * queries.shape[-1] ** -0.5
    hidden = torch.full(scores.shape[-2:], -1e9).triu(diagonal=1)
    shares = F.softmax(scores + hidden, dim=-1)
    return einops.einsum(shares, values, "b h q k, b h k d -> b h q d")


def attention_fused(queries, keys, values):
    return F.scaled_dot_product_attention(queries, keys, values, is_causal=True)


def attention_of_the_library(queries, keys, values):
    return gpt.attention(queries, keys, values, mask=None, causal=True)


def targets_by_loop(tokens, prompt_lengths):
    targets = torch.full_like(tokens, IGNORE)
    for row, length in enumerate(prompt_lengths.tolist()):
        for position in range(length - 1, tokens.shape[1] - 1):
            if tokens[row, position + 1] != Tokenizer.pad_id:
                targets[row, position] = tokens[row, position + 1]
    return targets


def targets_by_roll(tokens, prompt_lengths):
    positions = torch.arange(tokens.shape[1])
    learned = (positions >= prompt_lengths[:, None]) & (tokens != Tokenizer.pad_id)
    return tokens.masked_fill(~learned, IGNORE).roll(-1, dims=1)


def targets_of_the_library(tokens, prompt_lengths):
    rows = [row[row != Tokenizer.pad_id].tolist() for row in tokens]
    masks = [
        [place >= length for place in range(len(row))]
        for row, length in zip(rows, prompt_lengths.tolist(), strict=True)
    ]
    targets = next_token_batch(rows, masks).targets
    return F.pad(targets, (0, tokens.shape[1] - targets.shape[1]), value=IGNORE)


def loss_as_a_maximum(log_probs, old_log_probs, advantages, mask, clip):
    ratio = (log_probs - old_log_probs.detach()).exp()
    gain = advantages.detach()
    losses = torch.stack((-gain * ratio, -gain * ratio.clamp(1 - clip, 1 + clip)))
    return losses.amax(dim=0)[mask].mean()


def loss_with_where(log_probs, old_log_probs, advantages, mask, clip):
    ratio = torch.exp(log_probs - old_log_probs.detach())
    gain = advantages.detach()
    bound = torch.where(gain > 0, 1 + clip, 1 - clip)
    stopped = torch.where(gain > 0, ratio > bound, ratio < bound)
    objective = torch.where(stopped, bound, ratio) * gain
    return -(objective * mask).sum() / mask.sum()


def loss_of_the_library(log_probs, old_log_probs, advantages, mask, clip):
    return ppo.clipped_policy_loss(log_probs, old_log_probs, advantages, mask, clip)


@pytest.mark.parametrize(
    "answer",
    [
        attention_by_loop,
        attention_with_einops,
        attention_fused,
        attention_of_the_library,
    ],
)
def test_every_right_attention_is_accepted(answer, capsys):
    checks.attention(answer)
    assert capsys.readouterr().out.startswith("Right.")


@pytest.mark.parametrize(
    "answer", [targets_by_loop, targets_by_roll, targets_of_the_library]
)
def test_all_right_targets_are_accepted(answer, capsys):
    checks.instruction_targets(answer)
    assert capsys.readouterr().out.startswith("Right.")


@pytest.mark.parametrize(
    "answer", [loss_as_a_maximum, loss_with_where, loss_of_the_library]
)
def test_every_right_policy_loss_is_accepted(answer, capsys):
    checks.policy_loss(answer)
    assert capsys.readouterr().out.startswith("Right.")


def test_jupyter_shows_one_sentence_and_no_traceback(capsys):
    shell = InteractiveShell(config=Config({"HistoryManager": {"enabled": False}}))
    shell.run_cell("from llmlab import checks\nchecks.attention(lambda q, k, v: None)")
    shown = capsys.readouterr().out.strip()
    assert shown == "Not yet: Your function returns nothing: end it with a return."


def test_an_error_inside_an_answer_keeps_its_own_traceback():
    def crashes(queries, keys, values):
        return queries @ keys

    with pytest.raises(RuntimeError, match="size"):
        checks.attention(crashes)


def test_a_model_runs_on_the_learners_attention_and_afterwards_on_ours():
    calls = []

    def counted(queries, keys, values):
        calls.append(queries.shape)
        return attention_by_loop(queries, keys, values)

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
