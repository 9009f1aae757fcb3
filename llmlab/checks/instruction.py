"""The targets of instruction tuning."""

import torch
from torch import Tensor

from llmlab.batching import IGNORE
from llmlab.checks.common import CheckFailed, call, require_tensor
from llmlab.tokenizer import Tokenizer


def instruction_targets(candidate) -> None:
    """Check the targets of supervised fine-tuning: shifted, answers only, <eos> kept.

    Parameters
    ----------
    candidate : function of tokens (batch, time) int64 and prompt_lengths (batch,) that
        returns targets (batch, time) int64. A row of tokens is prompt, answer, <eos>
        and padding; the target of a position is the token after it, or `IGNORE`.

    Raises
    ------
    CheckFailed : with the likely mistake.
    """
    plain = _conversation(prompt=[1, 4, 70, 71, 72, 5], answer=[80, 81, 82], time=14)
    targets = _instruction_call(candidate, [plain])[0].tolist()
    _targets_use_ignore(targets, plain)
    _targets_are_shifted(targets, plain)
    _only_the_answer_is_trained(targets, plain)
    _targets_hold_in_every_row(candidate, plain)
    print(
        "Right. Every answer token and its <eos> is predicted from the position before "
        "it;\nno prompt, role or padding token is ever a target, whatever the rows "
        "look like."
    )


def _conversation(prompt: list[int], answer: list[int], time: int) -> dict:
    """A row of tokens with what is known about it."""
    spoken = [*prompt, *answer, Tokenizer.eos_id]
    tokens = spoken + [Tokenizer.pad_id] * (time - len(spoken))
    first, end = len(prompt) - 1, len(spoken) - 1
    targets = [IGNORE] * time
    for position in range(first, end):
        targets[position] = tokens[position + 1]
    return {
        "tokens": tokens,
        "prompt_length": len(prompt),
        "first": first,
        "end": end,
        "targets": targets,
    }


def _instruction_call(candidate, rows: list[dict]) -> Tensor:
    tokens = torch.tensor([row["tokens"] for row in rows])
    lengths = torch.tensor([row["prompt_length"] for row in rows])
    targets = call(candidate, tokens, lengths)
    require_tensor(targets, tokens.shape)
    if targets.dtype != torch.int64:
        raise CheckFailed(
            f"Targets are token ids, so their type should be int64; it is "
            f"{str(targets.dtype).removeprefix('torch.')}."
        )
    return targets


def _targets_use_ignore(targets: list[int], row: dict) -> None:
    trained = [target for target in targets if target != IGNORE]
    if not trained:
        raise CheckFailed(
            "Every target is IGNORE: there is nothing left to learn from. The answer "
            "and its <eos> are learned."
        )
    outside = targets[: row["first"]] + targets[row["end"] :]
    if len(set(outside)) == 1 and outside[0] not in (IGNORE, Tokenizer.eos_id):
        raise CheckFailed(
            f"Positions that are not trained hold {outside[0]}, which is a target "
            f"like any other: the loss leaves out only IGNORE ({IGNORE})."
        )


def _targets_are_shifted(targets: list[int], row: dict) -> None:
    tokens = row["tokens"]
    trained = [t for t, target in enumerate(targets) if target != IGNORE]
    if targets[-1] == tokens[0]:
        raise CheckFailed(
            "The last position is asked for the row's first token: rolling a row "
            "carries its beginning round to the end. Nothing follows the last token."
        )

    def agrees(shift: int) -> bool:
        shifted = [
            tokens[t + shift] if 0 <= t + shift < len(tokens) else Tokenizer.pad_id
            for t in trained
        ]
        return shifted == [targets[t] for t in trained]

    if agrees(1):
        return
    if agrees(0):
        raise CheckFailed(
            "The targets are not shifted: each position is asked for the token that "
            "it has just read. It has to predict the next one."
        )
    if agrees(2):
        raise CheckFailed(
            "The targets are shifted twice: each position is asked for the token "
            "after the next. Shift once."
        )
    if agrees(-1):
        raise CheckFailed(
            "The targets are shifted the wrong way: each position is asked for the "
            "token before it."
        )
    wrong = next(t for t in trained if targets[t] != (tokens + [IGNORE])[t + 1])
    raise CheckFailed(
        f"Position {wrong} is asked for token {targets[wrong]}, but the token after "
        f"it is {(tokens + [IGNORE])[wrong + 1]}."
    )


def _only_the_answer_is_trained(targets: list[int], row: dict) -> None:
    trained = {t for t, target in enumerate(targets) if target != IGNORE}
    first, end = row["first"], row["end"]
    wanted = set(range(first, end))
    if not trained & wanted:
        raise CheckFailed(
            "The mask is the wrong way round: the question is learned and the answer "
            "is not."
        )
    if trained == {t + 1 for t in wanted}:
        raise CheckFailed(
            "The tokens were shifted, the mask was not: everything is trained one "
            "position late, so the first answer token is lost and <pad> is learned."
        )
    if any(t >= end for t in trained):
        raise CheckFailed(
            "Padding is trained: after <eos> the model is asked to write <pad>. "
            "Nothing is to be learned there."
        )
    if any(t < first - 1 for t in trained):
        raise CheckFailed(
            "The prompt is trained: the model is asked to write the person's words. "
            "Only the answer and its <eos> are learned."
        )
    if first - 1 in trained:
        raise CheckFailed(
            "The model is asked to write the <assistant> header. It is always given; "
            "the first thing to learn is the token after it."
        )
    if first not in trained:
        raise CheckFailed(
            "The answer's first token is not learned: it is the target of the "
            "<assistant> header, the last position of the prompt."
        )
    if end - 1 not in trained:
        raise CheckFailed(
            "The <eos> is not learned, so the model would never know when to stop. "
            "It is the target of the answer's last token."
        )
    if trained != wanted:
        missing = min(wanted - trained)
        raise CheckFailed(
            f"Position {missing}, in the middle of the answer, is not trained."
        )


def _targets_hold_in_every_row(candidate, plain: dict) -> None:
    """Rows of other lengths, in one batch, compared with the definition."""
    user, assistant = Tokenizer.user_id, Tokenizer.assistant_id
    earlier_turn = [1, user, 70, assistant, 80, Tokenizer.eos_id]
    cases = {
        "when rows of one batch have prompts of different lengths": _conversation(
            [1, user, 60, assistant], [90, 91, 92, 93, 94], time=14
        ),
        "when the answer repeats words of the prompt": _conversation(
            [1, user, 70, 71, assistant], [70, 71], time=14
        ),
        "when the prompt holds an earlier turn with its own <eos>": _conversation(
            [*earlier_turn, user, 71, assistant], [82, 83], time=14
        ),
        "when the answer is empty and only <eos> is left to learn": _conversation(
            [1, user, 70, 71, 72, assistant], [], time=14
        ),
        "when a row is full and has no padding": _conversation(
            [1, user, 70, assistant], list(range(80, 89)), time=14
        ),
    }
    targets = _instruction_call(candidate, [plain, *cases.values()]).tolist()
    for (situation, row), found in zip(cases.items(), targets[1:], strict=True):
        if found != row["targets"]:
            wrong = next(
                t for t, target in enumerate(found) if target != row["targets"][t]
            )
            raise CheckFailed(
                f"Right for a plain row, but wrong {situation}: the target of "
                f"position {wrong} should be {row['targets'][wrong]}, it is "
                f"{found[wrong]}."
            )
