"""Masking: what is hidden, what is asked for, and what is never touched."""

import math

import torch
from torch import Tensor

from llmlab.batching import IGNORE
from llmlab.checks.common import CheckFailed, call, require_result, require_tensor
from llmlab.tokenizer import Tokenizer

_VOCAB = 40
_SPECIAL = len(Tokenizer.SPECIAL_TOKENS)
_SHARE = 0.3


def hide(candidate) -> None:
    """Check BERT's masking (Devlin et al. 2019, section 3.1).

    Parameters
    ----------
    candidate : function of tokens (batch, time), the size of the vocabulary, the share
        of tokens to choose and a generator, that returns what is read and the targets,
        both (batch, time) int64.

    Raises
    ------
    CheckFailed : with the likely mistake.
    """
    tokens = _rows()
    read, targets = _hidden(candidate, tokens)
    _what_is_read_comes_first(read, targets)
    _something_is_asked(tokens, targets)
    _targets_are_what_stood_there(tokens, read, targets)
    _special_tokens_are_left_alone(tokens, read, targets)
    _only_what_is_asked_was_touched(tokens, read, targets)
    _generator_decides(candidate, tokens)
    _rows_are_chosen_apart(targets)
    _every_ordinary_token_can_be_chosen(tokens, targets)
    _share_is_followed(candidate, tokens)
    _fates_are_drawn_apart(tokens, read, targets)
    _fates_are_80_10_10(tokens, read, targets)
    _random_tokens_are_ordinary(tokens, read, targets)
    print(
        "Right. Of 100 chosen tokens 80 became <mask>, 10 a random ordinary token, "
        "10 stayed;\nexactly these are asked for, no special token was touched, and "
        "one seed gives one result."
    )


def _rows() -> Tensor:
    """100 conversations of 160 to 220 tokens, padded: (batch, time)."""
    generator = torch.Generator().manual_seed(3)
    tokens = torch.randint(_SPECIAL, _VOCAB, (100, 220), generator=generator)
    tokens[:, 0] = Tokenizer.bos_id
    tokens[:, 1], tokens[:, 30] = Tokenizer.user_id, Tokenizer.assistant_id
    for row, length in enumerate(torch.linspace(160, 220, 100).long().tolist()):
        tokens[row, length - 1] = Tokenizer.eos_id
        tokens[row, length:] = Tokenizer.pad_id
    return tokens


def _hidden(candidate, tokens: Tensor, share=_SHARE, seed=0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    result = call(candidate, tokens, _VOCAB, share, generator)
    require_result(result)
    if not isinstance(result, tuple | list) or len(result) != 2:
        raise CheckFailed(
            "Your function should return two tensors, what is read and the targets."
        )
    for tensor in result:
        require_tensor(tensor, tokens.shape)
        if tensor.dtype != torch.int64:
            raise CheckFailed(
                "What is read and the targets are token ids, so their type should be "
                f"int64; one is {str(tensor.dtype).removeprefix('torch.')}."
            )
    return result


def _what_is_read_comes_first(read: Tensor, targets: Tensor) -> None:
    if (read == IGNORE).any() and not (targets == IGNORE).any():
        raise CheckFailed("What is read comes first, then the targets.")


def _something_is_asked(tokens: Tensor, targets: Tensor) -> None:
    asked = targets != IGNORE
    if not asked.any():
        raise CheckFailed("Every target is IGNORE: nothing is asked for.")
    if asked.all():
        filler = int(targets.mode().values[0])
        if (targets == filler).float().mean() > 0.5:
            raise CheckFailed(
                f"Places that are not asked for hold {filler}, which is a target like "
                f"any other: the loss leaves out only IGNORE ({IGNORE})."
            )
        raise CheckFailed(
            "Every place is asked for, even where the answer can be seen. The target "
            "of a place that was not chosen is IGNORE."
        )


def _targets_are_what_stood_there(
    tokens: Tensor, read: Tensor, targets: Tensor
) -> None:
    asked = targets != IGNORE
    if targets[asked].equal(tokens[asked]):
        return
    if targets[asked].equal(read[asked]):
        raise CheckFailed(
            "The targets were read off after hiding, so the model is asked for the "
            "sign <mask> itself. Asked for is what stood there before."
        )
    if targets[:, :-1][asked[:, :-1]].equal(tokens[:, 1:][asked[:, :-1]]):
        raise CheckFailed(
            "The targets are shifted by one, as for a model that guesses the next "
            "token. Here a place is asked for what stood at that very place."
        )
    row, place = ((targets != tokens) & asked).nonzero()[0].tolist()
    raise CheckFailed(
        f"Place {place} is asked for token {int(targets[row, place])}, but token "
        f"{int(tokens[row, place])} stood there."
    )


def _special_tokens_are_left_alone(
    tokens: Tensor, read: Tensor, targets: Tensor
) -> None:
    wrong = (tokens < _SPECIAL) & ((read != tokens) | (targets != IGNORE))
    if wrong.any():
        name = Tokenizer.SPECIAL_TOKENS[int(tokens[wrong].min())]
        raise CheckFailed(
            f"{name} was hidden or is asked for. Special tokens and padding stay as "
            "they are: nobody would learn anything from them."
        )


def _only_what_is_asked_was_touched(
    tokens: Tensor, read: Tensor, targets: Tensor
) -> None:
    asked, changed = targets != IGNORE, read != tokens
    if not (changed & ~asked).any():
        return
    if asked.equal(read == Tokenizer.mask_id):
        raise CheckFailed(
            "Only the places that became <mask> are asked for. So are the chosen ones "
            "that became another token, and those that stayed: else they teach nothing."
        )
    raise CheckFailed(
        "Tokens were changed that are not asked for. The fate of a token is drawn for "
        "all, but it counts only where the token was chosen."
    )


def _generator_decides(candidate, tokens: Tensor) -> None:
    first, again, other = (_hidden(candidate, tokens, seed=s) for s in (0, 0, 1))
    if not all(map(torch.equal, first, again)):
        raise CheckFailed(
            "The same generator, set to the same seed, gave two results. Pass it to "
            "every function that draws, or no run can be repeated."
        )
    if any(map(torch.equal, first, other)):
        raise CheckFailed(
            "Two seeds gave the same result: the generator that was passed in is not "
            "used, and every batch would be hidden alike."
        )


def _every_ordinary_token_can_be_chosen(tokens: Tensor, targets: Tensor) -> None:
    """Each of the 34 stands there some 500 times, so chance leaves none out."""
    asked = set(targets[targets != IGNORE].tolist())
    never = set(range(_SPECIAL, _VOCAB)) - asked
    if len(never) == 1:
        raise CheckFailed(
            f"Token {min(never)} is never chosen, though it is an ordinary one: these "
            f"are {_SPECIAL} to {_VOCAB - 1}, both included. Is a limit off by one?"
        )


def _fates_are_drawn_apart(tokens: Tensor, read: Tensor, targets: Tensor) -> None:
    """Chosen tokens that stand below or beside each other have fates of their own."""
    asked = (targets != IGNORE)[:, 31:159]
    masked, found = (read == Tokenizer.mask_id)[:, 31:159], read[:, 31:159]
    another = asked & ~masked & (found != tokens[:, 31:159])
    for axis, line in ((0, "column"), (1, "row")):
        whole = (masked | ~asked).all(axis) | (~masked | ~asked).all(axis)
        if whole.all() and 0.5 < masked[asked].float().mean() < 0.95:
            raise CheckFailed(
                f"All chosen tokens of a {line} share one fate. Draw a number for each "
                f"token, not for each {line}."
            )
        several = another.sum(axis) > 1
        low = found.where(another, _VOCAB).amin(axis)
        high = found.where(another, -1).amax(axis)
        if several.sum() > 5 and (low == high)[several].all() and len(low.unique()) > 2:
            raise CheckFailed(
                f"All random tokens of a {line} are the same one. Draw one for each "
                "place."
            )


def _is_share(count: int, of: int, share: float) -> bool:
    """Within five standard deviations: chance fails one right count in two million."""
    return abs(count - of * share) <= 5 * math.sqrt(of * share * (1 - share))


def _share_is_followed(candidate, tokens: Tensor) -> None:
    ordinary = int((tokens >= _SPECIAL).sum())
    counts = {
        share: int((_hidden(candidate, tokens, share)[1] != IGNORE).sum())
        for share in (0.15, _SHARE)
    }
    wrong = [s for s, count in counts.items() if not _is_share(count, ordinary, s)]
    if wrong == [_SHARE] and _is_share(counts[_SHARE], ordinary, 0.15):
        raise CheckFailed(
            f"With share {_SHARE} still 15 in 100 tokens are chosen: is 0.15 written "
            "as a number where the argument should stand?"
        )
    if wrong:
        raise CheckFailed(
            f"With share {wrong[0]} about {100 * wrong[0]:.0f} of 100 ordinary tokens "
            f"should be asked for; it is {100 * counts[wrong[0]] / ordinary:.1f}. "
            "Those that stay as they are count too."
        )


def _rows_are_chosen_apart(targets: Tensor) -> None:
    # Columns 31 to 158 hold ordinary tokens in every row.
    asked = (targets != IGNORE)[:, 31:159]
    if asked.equal(asked[:1].expand_as(asked)):
        raise CheckFailed(
            "The same places are chosen in every row. Draw a number for each token, "
            "not for each column."
        )


def _fates_are_80_10_10(tokens: Tensor, read: Tensor, targets: Tensor) -> None:
    asked = targets != IGNORE
    masked = read[asked] == Tokenizer.mask_id
    stayed = read[asked] == tokens[asked]
    counts = [int(x.sum()) for x in (masked, ~masked & ~stayed, stayed)]
    total = sum(counts)
    # A token drawn at random is now and then the one that stood there.
    shares = (0.8, 0.1, 0.1)
    if all(_is_share(c, total, s) for c, s in zip(counts, shares, strict=True)):
        return
    if counts[0] == total:
        raise CheckFailed(
            "Every chosen token became <mask>. 10 in 100 should become another token "
            "and 10 stay: a text that is used later has no <mask> in it. Draw the fate "
            "anew; the number that chose a token is small for all of them."
        )
    in_100 = [round(100 * count / total) for count in counts]
    if _is_share(counts[0], total, 0.8) and _is_share(counts[1], total, 0.02):
        raise CheckFailed(
            "Only 2 in 100 chosen tokens became another token: a tenth of the fifth "
            "that is left. 10 in 100 of all the chosen ones should."
        )
    raise CheckFailed(
        "Of 100 chosen tokens about 80 should become <mask>, 10 another token, and 10 "
        f"stay; it is {in_100[0]}, {in_100[1]} and {in_100[2]}."
    )


def _random_tokens_are_ordinary(tokens: Tensor, read: Tensor, targets: Tensor) -> None:
    replaced = (read != tokens) & (read != Tokenizer.mask_id)
    drawn = set(read[replaced].tolist())
    if min(drawn) < _SPECIAL:
        raise CheckFailed(
            "A token was replaced by a special token. Draw from the ordinary ones: "
            f"from {_SPECIAL} up to the size of the vocabulary."
        )
    if len(drawn) == 1:
        raise CheckFailed(
            "All random tokens are the same one. Draw one for each place."
        )
    if max(drawn) >= _VOCAB:
        raise CheckFailed(
            f"Token {max(drawn)} was drawn, which does not exist: with vocab_size "
            f"{_VOCAB} the last one is {_VOCAB - 1}. Where does the drawing end?"
        )
    missing = set(range(_SPECIAL, _VOCAB)) - drawn
    if missing:
        raise CheckFailed(
            f"{len(drawn)} different tokens were drawn where {_VOCAB - _SPECIAL} are "
            f"possible; token {max(missing)} never was."
        )
