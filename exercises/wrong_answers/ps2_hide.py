"""Mistakes people make in masking a text, and what the check says."""

import torch

from llmlab.batching import IGNORE
from llmlab.tokenizer import Tokenizer

_SPECIAL = len(Tokenizer.SPECIAL_TOKENS)


def _uniform(tokens, generator):
    return torch.rand(tokens.shape, generator=generator)


def _chosen(tokens, share, generator):
    return (tokens >= _SPECIAL) & (_uniform(tokens, generator) < share)


def _random_tokens(tokens, vocab_size, generator, low=_SPECIAL):
    return torch.randint(low, vocab_size, tokens.shape, generator=generator)


def _read(tokens, chosen, fate, random_tokens, mask_below=0.8, random_below=0.9):
    read = tokens.masked_fill(chosen & (fate < mask_below), Tokenizer.mask_id)
    replaced = chosen & (fate >= mask_below) & (fate < random_below)
    return random_tokens.where(replaced, read)


def _hidden(tokens, chosen, vocab_size, generator, **limits):
    fate = _uniform(tokens, generator)
    random_tokens = _random_tokens(tokens, vocab_size, generator)
    return _read(tokens, chosen, fate, random_tokens, **limits)


def special_tokens_chosen(tokens, vocab_size, share, generator):
    chosen = _uniform(tokens, generator) < share
    read = _hidden(tokens, chosen, vocab_size, generator)
    return read, tokens.where(chosen, IGNORE)


def only_padding_spared(tokens, vocab_size, share, generator):
    is_text = tokens != Tokenizer.pad_id
    chosen = is_text & (_uniform(tokens, generator) < share)
    read = _hidden(tokens, chosen, vocab_size, generator)
    return read, tokens.where(chosen, IGNORE)


def everything_asked(tokens, vocab_size, share, generator):
    chosen = _chosen(tokens, share, generator)
    return _hidden(tokens, chosen, vocab_size, generator), tokens.clone()


def padding_in_place_of_ignore(tokens, vocab_size, share, generator):
    chosen = _chosen(tokens, share, generator)
    read = _hidden(tokens, chosen, vocab_size, generator)
    return read, tokens.where(chosen, Tokenizer.pad_id)


def nothing_asked(tokens, vocab_size, share, generator):
    chosen = _chosen(tokens, share, generator)
    read = _hidden(tokens, chosen, vocab_size, generator)
    return read, torch.full_like(tokens, IGNORE)


def targets_shifted(tokens, vocab_size, share, generator):
    chosen = _chosen(tokens, share, generator)
    read = _hidden(tokens, chosen, vocab_size, generator)
    return read, tokens.roll(-1, dims=1).where(chosen, IGNORE)


def targets_read_after_hiding(tokens, vocab_size, share, generator):
    chosen = _chosen(tokens, share, generator)
    read = _hidden(tokens, chosen, vocab_size, generator)
    return read, read.where(chosen, IGNORE)


def targets_of_another_row(tokens, vocab_size, share, generator):
    chosen = _chosen(tokens, share, generator)
    read = _hidden(tokens, chosen, vocab_size, generator)
    return read, tokens.flip(0).where(chosen, IGNORE)


def only_the_sign_asked(tokens, vocab_size, share, generator):
    read = _hidden(tokens, _chosen(tokens, share, generator), vocab_size, generator)
    return read, tokens.where(read == Tokenizer.mask_id, IGNORE)


def only_changes_asked(tokens, vocab_size, share, generator):
    read = _hidden(tokens, _chosen(tokens, share, generator), vocab_size, generator)
    return read, tokens.where(read != tokens, IGNORE)


def fate_of_all_tokens(tokens, vocab_size, share, generator):
    chosen = _chosen(tokens, share, generator)
    read = _hidden(tokens, tokens >= _SPECIAL, vocab_size, generator)
    return read, tokens.where(chosen, IGNORE)


def always_the_sign(tokens, vocab_size, share, generator):
    chosen = _chosen(tokens, share, generator)
    return tokens.masked_fill(chosen, Tokenizer.mask_id), tokens.where(chosen, IGNORE)


def one_draw_for_both(tokens, vocab_size, share, generator):
    """What is below the share of 0.3 is below 0.8, too."""
    draw = _uniform(tokens, generator)
    chosen = (tokens >= _SPECIAL) & (draw < share)
    random_tokens = _random_tokens(tokens, vocab_size, generator)
    return _read(tokens, chosen, draw, random_tokens), tokens.where(chosen, IGNORE)


def tenth_of_the_rest(tokens, vocab_size, share, generator):
    chosen = _chosen(tokens, share, generator)
    masked = chosen & (_uniform(tokens, generator) < 0.8)
    replaced = chosen & ~masked & (_uniform(tokens, generator) < 0.1)
    random_tokens = _random_tokens(tokens, vocab_size, generator)
    read = tokens.masked_fill(masked, Tokenizer.mask_id)
    return random_tokens.where(replaced, read), tokens.where(chosen, IGNORE)


def nothing_stays(tokens, vocab_size, share, generator):
    chosen = _chosen(tokens, share, generator)
    read = _hidden(tokens, chosen, vocab_size, generator, random_below=1.0)
    return read, tokens.where(chosen, IGNORE)


def share_written_as_a_number(tokens, vocab_size, share, generator):
    chosen = _chosen(tokens, 0.15, generator)
    read = _hidden(tokens, chosen, vocab_size, generator)
    return read, tokens.where(chosen, IGNORE)


def columns_chosen(tokens, vocab_size, share, generator):
    chance = torch.rand(tokens.shape[1], generator=generator)
    chosen = (tokens >= _SPECIAL) & (chance < share)
    read = _hidden(tokens, chosen, vocab_size, generator)
    return read, tokens.where(chosen, IGNORE)


def special_tokens_drawn(tokens, vocab_size, share, generator):
    chosen = _chosen(tokens, share, generator)
    fate = _uniform(tokens, generator)
    random_tokens = _random_tokens(tokens, vocab_size, generator, low=0)
    # Without the sign itself, which would be counted as hidden.
    random_tokens[random_tokens == Tokenizer.mask_id] = Tokenizer.bos_id
    return _read(tokens, chosen, fate, random_tokens), tokens.where(chosen, IGNORE)


def one_random_token(tokens, vocab_size, share, generator):
    chosen = _chosen(tokens, share, generator)
    fate = _uniform(tokens, generator)
    token = torch.randint(_SPECIAL, vocab_size, (1,), generator=generator)
    random_tokens = token.expand_as(tokens)
    return _read(tokens, chosen, fate, random_tokens), tokens.where(chosen, IGNORE)


def last_token_never_drawn(tokens, vocab_size, share, generator):
    chosen = _chosen(tokens, share, generator)
    fate = _uniform(tokens, generator)
    random_tokens = _random_tokens(tokens, vocab_size - 1, generator)
    return _read(tokens, chosen, fate, random_tokens), tokens.where(chosen, IGNORE)


def generator_forgotten(tokens, vocab_size, share, generator):
    chosen = _chosen(tokens, share, None)
    read = _hidden(tokens, chosen, vocab_size, None)
    return read, tokens.where(chosen, IGNORE)


def seeded_inside(tokens, vocab_size, share, generator):
    generator = torch.Generator().manual_seed(0)
    chosen = _chosen(tokens, share, generator)
    read = _hidden(tokens, chosen, vocab_size, generator)
    return read, tokens.where(chosen, IGNORE)


def hidden_in_place(tokens, vocab_size, share, generator):
    chosen = _chosen(tokens, share, generator)
    targets = tokens.where(chosen, IGNORE)
    tokens[chosen & (_uniform(tokens, generator) < 0.8)] = Tokenizer.mask_id
    return tokens, targets


def only_what_is_read(tokens, vocab_size, share, generator):
    return _hidden(tokens, _chosen(tokens, share, generator), vocab_size, generator)


def floats_returned(tokens, vocab_size, share, generator):
    chosen = _chosen(tokens, share, generator)
    read = _hidden(tokens, chosen, vocab_size, generator)
    return read, torch.full(tokens.shape, -100.0).where(~chosen, tokens)


def first_ordinary_never_chosen(tokens, vocab_size, share, generator):
    chosen = _chosen(tokens, share, generator) & (tokens > _SPECIAL)
    return _hidden(tokens, chosen, vocab_size, generator), tokens.where(chosen, IGNORE)


def drawn_beyond_the_end(tokens, vocab_size, share, generator):
    chosen = _chosen(tokens, share, generator)
    read = _hidden(tokens, chosen, vocab_size + 1, generator)
    return read, tokens.where(chosen, IGNORE)


def one_fate_for_a_column(tokens, vocab_size, share, generator):
    chosen = _chosen(tokens, share, generator)
    fate = _uniform(tokens[0], generator).expand(tokens.shape)
    random_tokens = _random_tokens(tokens, vocab_size, generator)
    return _read(tokens, chosen, fate, random_tokens), tokens.where(chosen, IGNORE)


def one_fate_for_a_row(tokens, vocab_size, share, generator):
    chosen = _chosen(tokens, share, generator)
    fate = _uniform(tokens[:, :1], generator).expand(tokens.shape)
    random_tokens = _random_tokens(tokens, vocab_size, generator)
    return _read(tokens, chosen, fate, random_tokens), tokens.where(chosen, IGNORE)


def one_random_token_for_a_column(tokens, vocab_size, share, generator):
    chosen, fate = _chosen(tokens, share, generator), _uniform(tokens, generator)
    random_tokens = _random_tokens(tokens[0], vocab_size, generator)
    read = _read(tokens, chosen, fate, random_tokens.expand(tokens.shape))
    return read, tokens.where(chosen, IGNORE)


def always_the_same_places(tokens, vocab_size, share, generator):
    """Chosen with dice of its own; only the fates follow the generator."""
    chosen = _chosen(tokens, share, torch.Generator().manual_seed(9))
    return _hidden(tokens, chosen, vocab_size, generator), tokens.where(chosen, IGNORE)


def results_swapped(tokens, vocab_size, share, generator):
    chosen = _chosen(tokens, share, generator)
    read = _hidden(tokens, chosen, vocab_size, generator)
    return tokens.where(chosen, IGNORE), read


SAID = {
    special_tokens_chosen: "<pad> was hidden or is asked for",
    only_padding_spared: "<bos> was hidden or is asked for",
    everything_asked: "Every place is asked for",
    padding_in_place_of_ignore: "Places that are not asked for hold 0",
    nothing_asked: "Every target is IGNORE",
    targets_shifted: "The targets are shifted by one",
    targets_read_after_hiding: "The targets were read off after hiding",
    targets_of_another_row: "stood there",
    only_the_sign_asked: "Only the places that became <mask> are asked for",
    only_changes_asked: "Those that stay as they are count too",
    fate_of_all_tokens: "Tokens were changed that are not asked for",
    always_the_sign: "Every chosen token became <mask>",
    one_draw_for_both: "the number that chose a token is small for all of them",
    tenth_of_the_rest: "Only 2 in 100 chosen tokens became another token",
    nothing_stays: "19 and 1.",
    share_written_as_a_number: "is 0.15 written as a number",
    columns_chosen: "The same places are chosen in every row",
    special_tokens_drawn: "A token was replaced by a special token",
    one_random_token: "All random tokens are the same one",
    last_token_never_drawn: "token 39 never was",
    generator_forgotten: "gave two results",
    seeded_inside: "Two seeds gave the same result",
    hidden_in_place: "Your function changes its first input in place",
    only_what_is_read: "should return two tensors",
    floats_returned: "one is float32",
    first_ordinary_never_chosen: "Token 6 is never chosen",
    drawn_beyond_the_end: "Token 40 was drawn, which does not exist",
    one_fate_for_a_column: "All chosen tokens of a column share one fate",
    one_fate_for_a_row: "All chosen tokens of a row share one fate",
    one_random_token_for_a_column: "All random tokens of a column are the same",
    results_swapped: "What is read comes first, then the targets.",
    always_the_same_places: "Two seeds gave the same result",
}
