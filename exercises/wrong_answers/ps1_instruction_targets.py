"""Mistakes people make in the targets of instruction tuning, and what the check says.

A row of tokens is prompt, answer, <eos>, padding; see `llmlab.checks.instruction`.
"""

import torch

from llmlab.batching import IGNORE
from llmlab.tokenizer import Tokenizer


def _next_tokens(tokens, fill=IGNORE):
    last = torch.full_like(tokens[:, :1], fill)
    return torch.cat((tokens[:, 1:], last), dim=1)


def _positions(tokens):
    return torch.arange(tokens.shape[1]).expand_as(tokens)


def _is_answer(tokens, prompt_lengths):
    """True for the tokens of answer and <eos> themselves."""
    after_prompt = _positions(tokens) >= prompt_lengths.unsqueeze(1)
    return after_prompt & (tokens != Tokenizer.pad_id)


def _right(tokens, prompt_lengths):
    answers = tokens.where(_is_answer(tokens, prompt_lengths), IGNORE)
    return _next_tokens(answers)


def not_shifted(tokens, prompt_lengths):
    return tokens.where(_is_answer(tokens, prompt_lengths), IGNORE)


def shifted_twice(tokens, prompt_lengths):
    return _next_tokens(_right(tokens, prompt_lengths))


def shifted_backwards(tokens, prompt_lengths):
    targets = tokens.where(_is_answer(tokens, prompt_lengths), IGNORE)
    return targets.roll(1, dims=1)


def rolled_round_the_end(tokens, prompt_lengths):
    targets = tokens.roll(-1, dims=1)
    before_answer = _positions(tokens) < prompt_lengths.unsqueeze(1) - 1
    hidden = before_answer | (targets == Tokenizer.pad_id)
    return targets.masked_fill(hidden, IGNORE)


def answer_sorted(tokens, prompt_lengths):
    targets = _right(tokens, prompt_lengths)
    trained = targets[0] != IGNORE
    targets[0, trained] = targets[0, trained].sort().values
    return targets


def prompt_trained(tokens, prompt_lengths):
    return _next_tokens(tokens.masked_fill(tokens == Tokenizer.pad_id, IGNORE))


def header_trained(tokens, prompt_lengths):
    return _right(tokens, prompt_lengths - 1)


def first_answer_token_lost(tokens, prompt_lengths):
    return _right(tokens, prompt_lengths + 1)


def padding_trained(tokens, prompt_lengths):
    before_answer = _positions(tokens) < prompt_lengths.unsqueeze(1) - 1
    return _next_tokens(tokens).masked_fill(before_answer, IGNORE)


def mask_not_shifted_with_the_tokens(tokens, prompt_lengths):
    return _next_tokens(tokens).where(_is_answer(tokens, prompt_lengths), IGNORE)


def eos_taken_for_padding(tokens, prompt_lengths):
    targets = _right(tokens, prompt_lengths)
    return targets.masked_fill(targets == Tokenizer.eos_id, IGNORE)


def mask_inverted(tokens, prompt_lengths):
    prompt = _positions(tokens) < prompt_lengths.unsqueeze(1)
    return _next_tokens(tokens.where(prompt, IGNORE))


def second_answer_token_skipped(tokens, prompt_lengths):
    skipped = _positions(tokens) == prompt_lengths.unsqueeze(1)
    return _right(tokens, prompt_lengths).masked_fill(skipped, IGNORE)


def zero_in_place_of_ignore(tokens, prompt_lengths):
    targets = _right(tokens, prompt_lengths)
    return targets.masked_fill(targets == IGNORE, 0)


def everything_ignored(tokens, prompt_lengths):
    return torch.full_like(tokens, IGNORE)


def first_prompt_length_for_all(tokens, prompt_lengths):
    return _right(tokens, prompt_lengths[:1].expand_as(prompt_lengths))


def stops_at_the_first_eos(tokens, prompt_lengths):
    ended = (tokens == Tokenizer.eos_id).cumsum(dim=1) > 0
    return _right(tokens, prompt_lengths).masked_fill(ended, IGNORE)


def starts_at_the_first_header(tokens, prompt_lengths):
    headers = (tokens == Tokenizer.assistant_id).int().argmax(dim=1)
    return _right(tokens, headers + 1)


def prompt_words_never_trained(tokens, prompt_lengths):
    targets = _right(tokens, prompt_lengths)
    for row, length in enumerate(prompt_lengths.tolist()):
        in_prompt = torch.isin(targets[row], tokens[row, :length])
        targets[row, in_prompt & (targets[row] != Tokenizer.eos_id)] = IGNORE
    return targets


def tokens_overwritten(tokens, prompt_lengths):
    tokens[~_is_answer(tokens, prompt_lengths)] = IGNORE
    return _next_tokens(tokens)


def one_column_short(tokens, prompt_lengths):
    return _right(tokens, prompt_lengths)[:, :-1]


def floats_returned(tokens, prompt_lengths):
    return _right(tokens, prompt_lengths).float()


SAID = {
    not_shifted: "The targets are not shifted",
    shifted_twice: "The targets are shifted twice",
    shifted_backwards: "The targets are shifted the wrong way",
    rolled_round_the_end: "The last position is asked for the row's first token",
    answer_sorted: "Position 5 is asked for token 2, but the token after it is 80",
    prompt_trained: "The prompt is trained",
    header_trained: "asked to write the <assistant> header",
    first_answer_token_lost: "The answer's first token is not learned",
    padding_trained: "Padding is trained",
    mask_not_shifted_with_the_tokens: "The tokens were shifted, the mask was not",
    eos_taken_for_padding: "The <eos> is not learned",
    mask_inverted: "The mask is the wrong way round",
    second_answer_token_skipped: "in the middle of the answer, is not trained",
    zero_in_place_of_ignore: "the loss leaves out only IGNORE (-100)",
    everything_ignored: "Every target is IGNORE",
    first_prompt_length_for_all: "wrong when rows of one batch have prompts of "
    "different lengths",
    stops_at_the_first_eos: "wrong when the prompt holds an earlier turn",
    starts_at_the_first_header: "wrong when the prompt holds an earlier turn",
    prompt_words_never_trained: "wrong when the answer repeats words of the prompt",
    tokens_overwritten: "Your function changes its first input in place",
    one_column_short: "The result has shape (1, 13)",
    floats_returned: "it is float32",
}
