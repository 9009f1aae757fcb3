"""Right answers of every style to problem set 2, and what learners do with them."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from llmlab import checks, pretraining, sampling, tokenizer
from llmlab.batching import IGNORE
from llmlab.tokenizer import Tokenizer, merge_pair

SPECIAL = len(Tokenizer.SPECIAL_TOKENS)


def accepted(check, answer, capsys):
    check(answer)
    return capsys.readouterr().out.startswith("Right.")


# How alike two texts are


def likeness_by_loop(first, second, numberings):
    agreements = 0
    for number in numberings:
        smallest_of_first = min(number(phrase) for phrase in first)
        smallest_of_second = min(number(phrase) for phrase in second)
        if smallest_of_first == smallest_of_second:
            agreements += 1
    return agreements / len(numberings)


def likeness_by_phrases(first, second, numberings):
    """The phrases with the smallest numbers: no two of them have the same number."""
    same = [min(first, key=n) == min(second, key=n) for n in numberings]
    return sum(same) / len(same)


def likeness_of_the_union(first, second, numberings):
    """The smallest of all is shared: the sentence that the notebook proves."""
    return np.mean([min(first | second, key=n) in first & second for n in numberings])


def likeness_with_arrays(first, second, numberings):
    notes = [[min(map(n, texts)) for n in numberings] for texts in (first, second)]
    return np.mean(np.equal(*notes))


def likeness_as_a_tensor(first, second, numberings):
    return torch.tensor(likeness_by_loop(first, second, numberings))


@pytest.mark.parametrize(
    "answer",
    [
        likeness_by_loop,
        likeness_by_phrases,
        likeness_of_the_union,
        likeness_with_arrays,
        likeness_as_a_tensor,
    ],
)
def test_every_right_estimate_of_likeness_is_accepted(answer, capsys):
    assert accepted(checks.estimated_likeness, answer, capsys)


# One merge


def merge_with_a_counter(ids, pair, new_id):
    merged, place = [], 0
    while place < len(ids):
        if ids[place : place + 2] == list(pair):
            merged.append(new_id)
            place += 2
        else:
            merged.append(ids[place])
            place += 1
    return merged


def merge_on_a_copy(ids, pair, new_id):
    merged = list(ids)
    for place in range(len(merged)):
        if tuple(merged[place : place + 2]) == pair:
            merged[place : place + 2] = [new_id]
    return merged


def merge_by_recursion(ids, pair, new_id):
    for place, found in enumerate(pairwise(ids)):
        if found == pair:
            rest = merge_by_recursion(ids[place + 2 :], pair, new_id)
            return [*ids[:place], new_id, *rest]
    return list(ids)


def merge_with_an_iterator(ids, pair, new_id):
    merged, tokens = [], iter([*ids, None])
    token = next(tokens)
    while token is not None:
        after = next(tokens)
        if (token, after) == pair:
            token, after = new_id, next(tokens)
        merged.append(token)
        token = after
    return merged


MERGES = [
    merge_pair,
    merge_with_a_counter,
    merge_on_a_copy,
    merge_by_recursion,
    merge_with_an_iterator,
]


@pytest.mark.parametrize("answer", MERGES)
def test_every_right_merge_is_accepted(answer, capsys):
    assert accepted(checks.merge, answer, capsys)


@pytest.mark.parametrize("answer", MERGES)
def test_a_tokenizer_learns_with_the_learners_merge_and_afterwards_with_ours(answer):
    text = ["a banana, zzz, and a cabana: bananas in cabanas"]
    expected = Tokenizer.train(text, 290).merges
    calls = []

    def counted(ids, pair, new_id):
        calls.append(pair)
        return answer(ids, pair, new_id)

    with checks.your_merge(counted):
        assert Tokenizer.train(text, 290).merges == expected
    assert set(calls) == set(expected)
    count = len(calls)
    Tokenizer.train(text, 290)
    assert len(calls) == count and tokenizer.merge_pair is merge_pair


# Hiding


def hide_as_the_library(tokens, vocab_size, share, generator):
    rows = [row[row != Tokenizer.pad_id].tolist() for row in tokens]
    vocabulary = Tokenizer()
    vocabulary._token_bytes = [b""] * vocab_size
    batch = pretraining.masked_batch(rows, vocabulary, generator, share=share)
    missing = tokens.shape[1] - batch.tokens.shape[1]
    return (
        F.pad(batch.tokens, (0, missing), value=Tokenizer.pad_id),
        F.pad(batch.targets, (0, missing), value=IGNORE),
    )


def hide_with_one_draw(tokens, vocab_size, share, generator):
    """What is left of the draw, once it has chosen a token, decides its fate."""
    draw = torch.rand(tokens.shape, generator=generator) / share
    draw[tokens < SPECIAL] = 2
    random_tokens = torch.randint(
        SPECIAL, vocab_size, tokens.shape, generator=generator
    )
    read = torch.where(draw < 0.9, random_tokens, tokens)
    read = torch.where(draw < 0.8, Tokenizer.mask_id, read)
    return read, torch.where(draw < 1, tokens, IGNORE)


def hide_by_bernoulli(tokens, vocab_size, share, generator):
    """A tenth of all is half of the fifth that is left."""
    chances = torch.full(tokens.shape, share).masked_fill(tokens < SPECIAL, 0.0)
    chosen = chances.bernoulli(generator=generator).bool()
    half, most = torch.full(tokens.shape, 0.5), torch.full(tokens.shape, 0.8)
    masked = chosen & most.bernoulli(generator=generator).bool()
    replaced = chosen & ~masked & half.bernoulli(generator=generator).bool()
    read = tokens.clone()
    read[masked] = Tokenizer.mask_id
    read[replaced] = torch.randint(
        SPECIAL, vocab_size, (int(replaced.sum()),), generator=generator
    )
    return read, tokens.masked_fill(~chosen, IGNORE)


def hide_exact_numbers(tokens, vocab_size, share, generator):
    """As many as the shares say, to the token."""
    read, targets = tokens.clone(), torch.full_like(tokens, IGNORE)
    places = (tokens >= SPECIAL).nonzero()
    order = torch.randperm(len(places), generator=generator)
    chosen = places[order[: round(share * len(places))]].unbind(dim=1)
    targets[chosen] = tokens[chosen]
    count = len(chosen[0])
    first, second = round(0.8 * count), round(0.9 * count)
    read[chosen[0][:first], chosen[1][:first]] = Tokenizer.mask_id
    read[chosen[0][first:second], chosen[1][first:second]] = torch.randint(
        SPECIAL, vocab_size, (second - first,), generator=generator
    )
    return read, targets


@pytest.mark.parametrize(
    "answer",
    [hide_as_the_library, hide_with_one_draw, hide_by_bernoulli, hide_exact_numbers],
)
def test_every_right_way_to_hide_is_accepted(answer, capsys):
    assert accepted(checks.hide, answer, capsys)


def test_luck_with_the_dice_fails_no_right_answer():
    """Fifty right answers that draw other numbers."""
    for first in range(50):

        def hide(tokens, vocab_size, share, generator, first=first):
            torch.rand(first, generator=generator)
            return hide_by_bernoulli(tokens, vocab_size, share, generator)

        checks.hide(hide)


# The loss


def loss_by_loop(logits, tokens):
    surprises = []
    for text, row in zip(logits, tokens, strict=True):
        for place, came in enumerate(row[1:].tolist()):
            if came != Tokenizer.pad_id:
                scores = text[place]
                surprises.append(scores.logsumexp(dim=-1) - scores[came])
    return torch.stack(surprises).mean()


def loss_with_a_mask(logits, tokens):
    came = tokens[:, 1:]
    is_scored = (came != Tokenizer.pad_id).float()
    log_probs = F.log_softmax(logits[:, :-1], dim=-1)
    surprises = -log_probs.gather(2, came.unsqueeze(2)).squeeze(2)
    return (surprises * is_scored).sum() / is_scored.sum()


def loss_of_the_library(logits, tokens):
    targets = F.pad(tokens[:, 1:], (0, 1), value=IGNORE)
    return pretraining.cross_entropy(
        logits, targets.masked_fill(targets == Tokenizer.pad_id, IGNORE)
    )


def loss_with_the_largest_taken_out(logits, tokens):
    logits = logits - logits.amax(dim=-1, keepdim=True)
    log_probs = logits - logits.exp().sum(dim=-1, keepdim=True).log()
    came = F.one_hot(tokens[:, 1:], logits.shape[-1])
    surprises = -(log_probs[:, :-1] * came).sum(dim=-1)
    return surprises[tokens[:, 1:] != Tokenizer.pad_id].mean()


@pytest.mark.parametrize(
    "answer",
    [
        loss_by_loop,
        loss_with_a_mask,
        loss_of_the_library,
        loss_with_the_largest_taken_out,
    ],
)
def test_every_right_loss_is_accepted(answer, capsys):
    assert accepted(checks.next_token_loss, answer, capsys)


# Top-p


def nucleus_by_loop(probabilities, p):
    kept = torch.zeros_like(probabilities, dtype=torch.bool)
    for row in range(len(probabilities)):
        total = 0.0
        for token in probabilities[row].argsort(descending=True).tolist():
            kept[row, token] = True
            total += float(probabilities[row, token])
            if total >= p:
                break
    return kept


def nucleus_with_ranks(probabilities, p):
    order = probabilities.argsort(dim=-1, descending=True)
    sums = probabilities.gather(-1, order).cumsum(dim=-1)
    sizes = (sums < p).sum(dim=-1, keepdim=True) + 1
    return order.argsort(dim=-1) < sizes


def nucleus_from_the_least_likely(probabilities, p):
    """What is dropped may have at most the rest, which nothing reaches by rounding."""
    shares, order = probabilities.double().sort(dim=-1, stable=True)
    dropped = shares.cumsum(dim=-1) <= shares.sum(dim=-1, keepdim=True) - p
    return torch.zeros_like(dropped).scatter(-1, order, ~dropped)


@pytest.mark.parametrize(
    "answer",
    [
        nucleus_by_loop,
        nucleus_with_ranks,
        nucleus_from_the_least_likely,
    ],
)
def test_every_right_nucleus_is_accepted(answer, capsys):
    assert accepted(checks.keep_nucleus, answer, capsys)


def test_the_nucleus_of_the_exercise_is_what_the_library_draws_from():
    logits = 2 * torch.randn(20, 50)
    for p in (0.1, 0.5, 0.9):
        drawn_from = sampling.shape_logits(logits, top_p=p).isfinite()
        assert nucleus_by_loop(logits.softmax(dim=-1), p).equal(drawn_from)
