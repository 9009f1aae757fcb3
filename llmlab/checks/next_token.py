"""The loss of next-token prediction: shifted, averaged, stable."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from llmlab.checks.common import TOLERANCE, CheckFailed, call, close, require_tensor
from llmlab.tokenizer import Tokenizer

_VOCAB = 12


def next_token_loss(candidate) -> None:
    """Check the mean surprise at the next tokens, in nats.

    Parameters
    ----------
    candidate : function of logits (batch, time, vocab) and tokens (batch, time),
        padded on the right, that returns the loss, a scalar: the mean over all tokens
        that come after another and are not padding.

    Raises
    ------
    CheckFailed : with the likely mistake.
    """
    tokens = _rows()
    logits = _random_logits(tokens)
    # Equal logits, or those with a gradient, would not show what is changed in place.
    call(candidate, logits, tokens)
    _uniform_guess_costs_log_of_vocab(candidate, tokens)
    gradient = _gradient(candidate, logits, tokens)
    _right_tokens_are_asked(gradient, tokens)
    _every_token_weighs_the_same(gradient, logits, tokens)
    _loss_equals_loop(candidate, logits, tokens)
    _large_logits_stay_exact(candidate, tokens)
    _positions_are_scaled_apart(candidate, logits, tokens)
    _certain_tokens_count(candidate, logits, tokens)
    print(
        "Right. Each position is asked for the token after it, padding is neither "
        "asked for nor\ncounted, every token weighs the same, and logits of a thousand "
        "do no harm."
    )


def _rows() -> Tensor:
    """Three texts of 7, 4 and 3 tokens, none of them twice in a text: (3, 7)."""
    bos, eos, pad = Tokenizer.bos_id, Tokenizer.eos_id, Tokenizer.pad_id
    return torch.tensor(
        [
            [bos, 6, 7, 8, 9, 10, eos],
            [bos, 11, 6, eos, pad, pad, pad],
            [bos, 8, eos, pad, pad, pad, pad],
        ]
    )


def _random_logits(tokens: Tensor) -> Tensor:
    generator = torch.Generator().manual_seed(4)
    return torch.randn(*tokens.shape, _VOCAB, generator=generator)


def _scored(tokens: Tensor) -> Tensor:
    """(batch, time) bool: the positions after which a token comes."""
    return F.pad(tokens[:, 1:] != Tokenizer.pad_id, (0, 1))


def _loss(candidate, logits: Tensor, tokens: Tensor) -> Tensor:
    loss = call(candidate, logits, tokens)
    require_tensor(loss, ())
    return loss


def _uniform_guess_costs_log_of_vocab(candidate, tokens: Tensor) -> None:
    """All logits are zero, so every token has probability 1/12."""
    found = _loss(candidate, torch.zeros(*tokens.shape, _VOCAB), tokens).item()
    nats = math.log(_VOCAB)
    if math.isclose(found, nats, abs_tol=TOLERANCE):
        return
    (rows, time), count = tokens.shape, int(_scored(tokens).sum())
    mistakes = {
        -nats: "The sign is wrong: surprise is minus the logarithm, and a loss should "
        "fall as the guesses get better.",
        math.log2(_VOCAB): "That is the surprise in bits. Take the natural logarithm.",
        nats * count: "The loss is a sum over tokens; it should be their mean, so that "
        "batches of different sizes can be compared.",
        nats * count / (rows * (time - 1)): "You left padding out of the sum, but "
        f"divided by all positions. Divide by the {count} tokens that are asked for.",
        nats * count / (rows * time): "You left padding out of the sum, but divided "
        f"by all positions. Divide by the {count} tokens that are asked for.",
        float(_VOCAB): "That is the perplexity, the exponential of the loss.",
        1 / _VOCAB: "That is the mean probability of the tokens that came. Surprise is "
        "minus its logarithm.",
        -1 / _VOCAB: "You averaged probabilities. Surprise is minus the logarithm of a "
        "probability.",
        math.log(time): "The softmax runs over the wrong axis, over positions. "
        "Normalise over the vocabulary.",
        math.log(time - 1): "The softmax runs over the wrong axis, over positions. "
        "Normalise over the vocabulary.",
        math.log(rows): "The softmax runs over the wrong axis, over texts. "
        "Normalise over the vocabulary.",
    }
    for mistaken, mistake in mistakes.items():
        if math.isclose(found, mistaken, abs_tol=TOLERANCE):
            raise CheckFailed(mistake)
    raise CheckFailed(
        f"A model that finds all {_VOCAB} tokens equally probable has the loss ln "
        f"{_VOCAB}, {nats:.4f}; it is {found:.4f}."
    )


def _gradient(candidate, logits: Tensor, tokens: Tensor) -> Tensor:
    """How the loss would change the logits: (batch, time, vocab)."""
    logits = logits.clone().requires_grad_()
    loss = _loss(candidate, logits, tokens)
    if loss.requires_grad:
        loss.backward()
    if logits.grad is None:
        raise CheckFailed(
            "No gradient reaches the logits, so the model could not learn: something "
            "cuts the graph (detach, item, a number made into a tensor)."
        )
    return logits.grad


_SHIFTS = {
    0: "Not shifted: each position is asked for the token that it has just read. It "
    "has to predict the next one.",
    2: "Shifted twice: each position is asked for the token after the next.",
    -1: "Shifted the wrong way: each position is asked for the token before it.",
}


def _right_tokens_are_asked(gradient: Tensor, tokens: Tensor) -> None:
    """The token asked for is the one whose logit a step would raise."""
    asked = gradient.abs().amax(dim=-1) > 1e-7
    raised = gradient.argmin(dim=-1)
    _shifted_by_one(asked[0].tolist(), raised[0].tolist(), tokens[0].tolist())
    scored = _scored(tokens)
    wrong = asked & scored & (raised != F.pad(tokens[:, 1:], (0, 1)))
    if wrong.any():
        text, place = wrong.nonzero()[0].tolist()
        found, came = int(raised[text, place]), int(tokens[text, place + 1])
        raise CheckFailed(
            f"Position {place} of text {text} is asked for token {found}; after it "
            f"comes {came}."
        )
    _no_position_too_many(asked, tokens)
    missing = scored & ~asked
    if missing.any():
        text, place = missing.nonzero()[0].tolist()
        raise CheckFailed(
            f"Token {int(tokens[text, place + 1])}, which comes after position "
            f"{place} of text {text}, is not asked for. Only padding is left out."
        )


def _shifted_by_one(asked: list[bool], raised: list[int], text: list[int]) -> None:
    for shift, mistake in _SHIFTS.items():
        inside = [
            place
            for place in range(len(text))
            if asked[place] and 0 <= place + shift < len(text)
        ]
        if inside and all(raised[place] == text[place + shift] for place in inside):
            raise CheckFailed(mistake)


def _no_position_too_many(asked: Tensor, tokens: Tensor) -> None:
    if asked[0, -1]:
        raise CheckFailed(
            "The last position is asked for something, but nothing follows it. Rolling "
            "carries a text's beginning round to its end; a batch laid end to end lets "
            "the next text follow."
        )
    if (asked & ~_scored(tokens)).any():
        raise CheckFailed(
            "Padding is scored: the model is asked to write <pad> after a text has "
            "ended. It learns that easily, and the loss looks better than it is."
        )


def _every_token_weighs_the_same(
    gradient: Tensor, logits: Tensor, tokens: Tensor
) -> None:
    scored = _scored(tokens)
    targets = F.one_hot(F.pad(tokens[:, 1:], (0, 1)), _VOCAB)
    probabilities = logits.softmax(dim=-1)
    wanted = (probabilities - targets) * scored[..., None] / scored.sum()
    if close(gradient, wanted):
        return
    of_row = scored.sum(dim=1)[:, None, None] * len(tokens)
    if close(gradient, wanted * scored.sum() / of_row):
        raise CheckFailed(
            "You averaged each text first, so a token of a short text weighs more. "
            "Take one mean over all tokens of the batch."
        )
    if close(gradient, _gradient_of_two_softmaxes(logits, targets, scored)):
        raise CheckFailed(
            "The softmax was taken twice: the function that makes the loss wants the "
            "logits and takes its own. No guess can then be certain."
        )
    raise CheckFailed(
        "The right tokens are asked for, but the gradient should be the predicted "
        "probabilities, less one at the token that came, over the number of tokens."
    )


def _gradient_of_two_softmaxes(
    logits: Tensor, targets: Tensor, scored: Tensor
) -> Tensor:
    logits = logits.clone().requires_grad_()
    surprises = -(logits.softmax(dim=-1).log_softmax(dim=-1) * targets).sum(dim=-1)
    surprises[scored].mean().backward()
    return logits.grad


def _loss_by_loop(logits: Tensor, tokens: Tensor) -> float:
    """The definition, one position at a time, with the largest logit taken out."""
    surprises = []
    for row, place in _scored(tokens).nonzero().tolist():
        scores = logits[row, place].tolist()
        top = max(scores)
        log_of_sum = top + math.log(sum(math.exp(score - top) for score in scores))
        surprises.append(log_of_sum - scores[int(tokens[row, place + 1])])
    return sum(surprises) / len(surprises)


def _loss_equals_loop(candidate, logits: Tensor, tokens: Tensor) -> None:
    """On the same batch, on one with more padding, and on a single text."""
    wider = F.pad(tokens, (0, 3), value=Tokenizer.pad_id)
    filled = F.pad(logits, (0, 0, 0, 3), value=2.0)
    batches = ((logits, tokens), (filled, wider), (logits[1:2], tokens[1:2]))
    for some_logits, some_tokens in batches:
        found = _loss(candidate, some_logits, some_tokens).item()
        wanted = _loss_by_loop(some_logits, some_tokens)
        if not math.isclose(found, wanted, abs_tol=TOLERANCE):
            raise CheckFailed(
                f"The right tokens are asked for, but the loss of a batch of shape "
                f"{tuple(some_tokens.shape)} is {found:.4f} where a loop over the "
                f"tokens gives {wanted:.4f}: is a number of tokens written down where "
                "it should be counted?"
            )


def _large_logits_stay_exact(candidate, tokens: Tensor) -> None:
    """The model is very sure, and wrong: the surprise is a thousand nats."""
    logits = torch.full((*tokens.shape, _VOCAB), 1000.0)
    logits[..., Tokenizer.mask_id] = 2000.0
    found = _loss(candidate, logits, tokens)
    if math.isclose(found.item(), 1000, rel_tol=1e-4):
        return
    if found.isnan():
        raise CheckFailed(
            "Large logits overflow: the exponential of a thousand is too large for a "
            "32-bit number. Take the largest logit out first, as a log-softmax does."
        )
    if found.isinf():
        raise CheckFailed(
            "A small probability was rounded to zero, and its logarithm is infinite. "
            "Take softmax and logarithm in one step."
        )
    raise CheckFailed(
        "A model that is sure and wrong by a logit of 1000 should have the loss 1000; "
        f"it is {found.item():.2f}. A small number added inside the logarithm, or a "
        "bound, hides how wrong it is."
    )


def _positions_are_scaled_apart(candidate, logits: Tensor, tokens: Tensor) -> None:
    """What is added to all logits of a position leaves its probabilities alone."""
    batch, time = tokens.shape
    shift = 1000.0 * (torch.arange(batch * time) % 3 - 1).view(batch, time, 1)
    found = _loss(candidate, logits + shift, tokens).item()
    wanted = _loss_by_loop(logits + shift, tokens)
    if not math.isclose(found, wanted, abs_tol=1e-3):
        raise CheckFailed(
            "The same number added to all logits of one position leaves its "
            f"probabilities as they were, but your loss did not stay {wanted:.2f}. "
            "Take out the largest logit of each position, not of the whole batch."
        )


def _certain_tokens_count(candidate, logits: Tensor, tokens: Tensor) -> None:
    """A token that was certain has the surprise 0, and is one of those averaged."""
    sure = logits.clone()
    sure[0, 0] = -1000.0
    sure[0, 0, int(tokens[0, 1])] = 0.0
    found, wanted = _loss(candidate, sure, tokens).item(), _loss_by_loop(sure, tokens)
    if not math.isclose(found, wanted, abs_tol=TOLERANCE):
        raise CheckFailed(
            f"With one token that was certain, surprise 0, the mean should be "
            f"{wanted:.4f}; it is {found:.4f}. Leave out padding, not small surprises."
        )
