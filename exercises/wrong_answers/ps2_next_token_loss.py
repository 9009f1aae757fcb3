"""Mistakes people make in the loss of next-token prediction, and what is said."""

import math

import torch
from torch.nn import functional as F

from llmlab.tokenizer import Tokenizer


def _surprises(logits, tokens):
    """Of every token but the first: (batch, time - 1)."""
    log_probs = logits[:, :-1].log_softmax(dim=-1)
    return -log_probs.gather(-1, tokens[:, 1:, None])[..., 0]


def _is_scored(tokens):
    return tokens[:, 1:] != Tokenizer.pad_id


def _mean(surprises, tokens):
    return surprises[_is_scored(tokens)].mean()


def _cross_entropy(logits, targets):
    return F.cross_entropy(
        logits.flatten(0, 1), targets.flatten(), ignore_index=Tokenizer.pad_id
    )


def not_shifted(logits, tokens):
    return _cross_entropy(logits, tokens)


def shifted_twice(logits, tokens):
    return _cross_entropy(logits[:, :-2], tokens[:, 2:])


def shifted_backwards(logits, tokens):
    return _cross_entropy(logits[:, 1:], tokens[:, :-1])


def rolled_round_the_end(logits, tokens):
    return _cross_entropy(logits, tokens.roll(-1, dims=1))


def texts_laid_end_to_end(logits, tokens):
    return F.cross_entropy(
        logits.flatten(0, 1)[:-1],
        tokens.flatten()[1:],
        ignore_index=Tokenizer.pad_id,
    )


def texts_and_positions_mixed_up(logits, tokens):
    targets = tokens[:, 1:].T.reshape(-1)
    return F.cross_entropy(
        logits[:, :-1].flatten(0, 1), targets, ignore_index=Tokenizer.pad_id
    )


def padding_scored(logits, tokens):
    return _surprises(logits, tokens).mean()


def mask_not_shifted(logits, tokens):
    return _surprises(logits, tokens)[tokens[:, :-1] != Tokenizer.pad_id].mean()


def end_not_scored(logits, tokens):
    return _surprises(logits, tokens)[tokens[:, 1:] > Tokenizer.eos_id].mean()


def divided_by_all_positions(logits, tokens):
    return (_surprises(logits, tokens) * _is_scored(tokens)).mean()


def divided_by_the_whole_batch(logits, tokens):
    return (_surprises(logits, tokens) * _is_scored(tokens)).sum() / tokens.numel()


def summed(logits, tokens):
    return _surprises(logits, tokens)[_is_scored(tokens)].sum()


def texts_averaged_first(logits, tokens):
    is_scored = _is_scored(tokens)
    surprises = _surprises(logits, tokens) * is_scored
    return (surprises.sum(dim=1) / is_scored.sum(dim=1)).mean()


def sign_forgotten(logits, tokens):
    return -_mean(_surprises(logits, tokens), tokens)


def in_bits(logits, tokens):
    return _mean(_surprises(logits, tokens), tokens) / math.log(2)


def perplexity(logits, tokens):
    return _mean(_surprises(logits, tokens), tokens).exp()


def probabilities_averaged(logits, tokens):
    return _mean((-_surprises(logits, tokens)).exp(), tokens)


def probabilities_averaged_with_sign(logits, tokens):
    return -_mean((-_surprises(logits, tokens)).exp(), tokens)


def softmax_over_time(logits, tokens):
    log_probs = logits.log_softmax(dim=1)[:, :-1]
    return _mean(-log_probs.gather(-1, tokens[:, 1:, None])[..., 0], tokens)


def softmax_over_time_after_the_shift(logits, tokens):
    log_probs = logits[:, :-1].log_softmax(dim=1)
    return _mean(-log_probs.gather(-1, tokens[:, 1:, None])[..., 0], tokens)


def softmax_over_texts(logits, tokens):
    log_probs = logits[:, :-1].log_softmax(dim=0)
    return _mean(-log_probs.gather(-1, tokens[:, 1:, None])[..., 0], tokens)


def softmax_twice(logits, tokens):
    return _cross_entropy(logits.softmax(dim=-1)[:, :-1], tokens[:, 1:])


def sharpened(logits, tokens):
    return _mean(_surprises(2 * logits, tokens), tokens)


def count_written_as_a_number(logits, tokens):
    return (_surprises(logits, tokens) * _is_scored(tokens)).sum() / 11


def exponentials_overflow(logits, tokens):
    shares = logits.exp() / logits.exp().sum(dim=-1, keepdim=True)
    came = shares[:, :-1].gather(-1, tokens[:, 1:, None])[..., 0]
    return _mean(-came.log(), tokens)


def logarithm_of_zero(logits, tokens):
    came = logits.softmax(dim=-1)[:, :-1].gather(-1, tokens[:, 1:, None])[..., 0]
    return _mean(-came.log(), tokens)


def small_number_added(logits, tokens):
    came = logits.softmax(dim=-1)[:, :-1].gather(-1, tokens[:, 1:, None])[..., 0]
    return _mean(-(came + 1e-9).log(), tokens)


def graph_cut(logits, tokens):
    return torch.tensor(_mean(_surprises(logits, tokens), tokens).item())


def largest_taken_out_in_place(logits, tokens):
    logits -= logits.amax(dim=-1, keepdim=True)
    return _mean(_surprises(logits, tokens), tokens)


def number_returned(logits, tokens):
    return _mean(_surprises(logits, tokens), tokens).item()


def one_value_a_token(logits, tokens):
    return _surprises(logits, tokens) * _is_scored(tokens)


def largest_of_the_batch_taken_out(logits, tokens):
    logits = logits - logits.max()
    log_probs = logits - logits.exp().sum(dim=-1, keepdim=True).log()
    came = tokens[:, 1:].unsqueeze(-1)
    return _mean(-log_probs[:, :-1].gather(-1, came).squeeze(-1), tokens)


def certain_tokens_left_out(logits, tokens):
    surprises = _surprises(logits, tokens) * _is_scored(tokens)
    return surprises.sum() / (surprises > 0).sum()


def first_tokens_counted(logits, tokens):
    """Fourteen tokens are divided by, and eleven of them have a surprise."""
    surprises = _surprises(logits, tokens) * _is_scored(tokens)
    return surprises.sum() / (tokens != Tokenizer.pad_id).sum()


SAID = {
    not_shifted: "Not shifted",
    shifted_twice: "Shifted twice",
    shifted_backwards: "Shifted the wrong way",
    rolled_round_the_end: "Rolling carries a text's beginning round to its end",
    texts_laid_end_to_end: "a batch laid end to end lets the next text follow",
    texts_and_positions_mixed_up: "Position 1 of text 0 is asked for token 11",
    padding_scored: "Padding is scored",
    mask_not_shifted: "Padding is scored",
    end_not_scored: "Token 2, which comes after position 5 of text 0, is not asked",
    divided_by_all_positions: "divided by all positions",
    divided_by_the_whole_batch: "divided by all positions",
    summed: "The loss is a sum over tokens",
    texts_averaged_first: "You averaged each text first",
    sign_forgotten: "The sign is wrong",
    in_bits: "That is the surprise in bits",
    perplexity: "That is the perplexity",
    probabilities_averaged: "That is the mean probability",
    probabilities_averaged_with_sign: "You averaged probabilities",
    softmax_over_time: "over positions",
    softmax_over_time_after_the_shift: "over positions",
    softmax_over_texts: "over texts. Normalise over the vocabulary",
    softmax_twice: "The softmax was taken twice",
    sharpened: "the gradient should be the predicted probabilities",
    count_written_as_a_number: "is a number of tokens written down",
    exponentials_overflow: "Large logits overflow",
    logarithm_of_zero: "Take softmax and logarithm in one step",
    small_number_added: "A small number added inside the logarithm",
    graph_cut: "No gradient reaches the logits",
    largest_taken_out_in_place: "Your function changes its first input in place",
    number_returned: "Your function returns a float",
    one_value_a_token: "The result has shape (3, 6)",
    largest_of_the_batch_taken_out: "the largest logit of each position",
    certain_tokens_left_out: "Leave out padding, not small surprises",
    first_tokens_counted: "has the loss ln 12, 2.4849; it is 1.9524",
}
