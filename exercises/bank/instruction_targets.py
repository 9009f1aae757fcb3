"""The targets of instruction tuning: shifted, answers only, <eos> kept."""

import random

import torch
from torch.nn import functional as F

from exercises import Exercise
from llmlab.batching import IGNORE, next_token_batch
from llmlab.checks import Case
from llmlab.tokenizer import Tokenizer

TASK = """
In phase 2 the model reads a question and learns the answer. It is the loss of
phase 1 (predict the next token) on fewer positions. Row by row the tokens are

| `<bos>` | `<user>` | Who | sings? | `<assistant>` | Mara | . | `<eos>` | `<pad>` |
|---|---|---|---|---|---|---|---|---|

and the **target** of a position is the token that has to be predicted there:
the one that comes next. Learned are the tokens of the answer *and its `<eos>`*,
or the model would never know when to stop. Everything else (the question, the
role tokens, the padding) is read but not learned: its target is `IGNORE`.

**Before you start, predict:** at which position is "Mara" the target?
"""


def instruction_targets(tokens, prompt_lengths):
    """The target of every position: the next token if it is learned, or IGNORE.

    tokens:         (batch, time) int64; a row is prompt, answer, <eos>, then
                    padding; the prompt may hold earlier turns with their <eos>
    prompt_lengths: (batch,) int64, tokens up to and including <assistant>
    returns:        (batch, time) int64, a new tensor

    The ids have names: IGNORE, Tokenizer.pad_id, Tokenizer.eos_id.
    """
    positions = torch.arange(tokens.shape[1])
    is_response = positions >= prompt_lengths.unsqueeze(1)
    is_learned = is_response & (tokens != Tokenizer.pad_id)
    targets = torch.full_like(tokens, IGNORE)
    targets[:, :-1] = tokens[:, 1:].where(is_learned[:, 1:], IGNORE)
    return targets


HINTS = (
    """Write the row of the table on paper, and under it, one cell to the left, the
same row again: that is the shift. Now cross out, in the lower row, what is not
learned. The mask belongs to the *lower* row: it asks what a target is, not where it
is predicted.""",
    """1. mark each token that is learned: at or after the end of the prompt, and not
   padding
2. begin with IGNORE everywhere
3. each position but the last takes the token after it, if that is marked""",
    """`llmlab/instruction.py`, `render_example`, and `llmlab/batching.py`, where the
shift happens. Ouyang et al., *Training language models to follow instructions with
human feedback* (2022), is where phases 2 and 3 come from.""",
)

AFTER = """
**What you predicted.** At position 4, where `<assistant>` stands: having read
that token, the model has to say "Mara".
"""


def definition(tokens, prompt_lengths):
    targets = torch.full_like(tokens, IGNORE)
    for row, length in enumerate(prompt_lengths.tolist()):
        for position in range(length - 1, tokens.shape[1] - 1):
            if tokens[row, position + 1] != Tokenizer.pad_id:
                targets[row, position] = tokens[row, position + 1]
    return targets


EVERY_ROW = "so it is in every kind of row"
BOS, EOS, USER, ASSISTANT = (
    *(Tokenizer.bos_id, Tokenizer.eos_id),
    *(Tokenizer.user_id, Tokenizer.assistant_id),
)


def cases(seed):
    chance = random.Random(seed)

    def row(question, answer, earlier=()):
        prompt = [BOS, *earlier, USER, *question, ASSISTANT]
        spoken = [*prompt, *answer, EOS]
        return spoken + [Tokenizer.pad_id] * (14 - len(spoken)), len(prompt)

    def words(count):
        return chance.sample(range(6, 300), count)

    rows = {
        "": row(words(3), words(3)),
        "a row whose answer repeats words of the prompt,": row([70, 71], [70, 71]),
        "a prompt that holds an earlier turn with its own <eos>,": row(
            words(1), words(2), (USER, *words(1), ASSISTANT, *words(1), EOS)
        ),
        "an empty answer, where only <eos> is left to learn,": row(words(3), []),
        "a full row without padding,": row(words(1), words(9)),
    }
    for situation, (tokens, length) in rows.items():
        inputs = torch.tensor([tokens]), torch.tensor([length])
        yield Case(inputs, EVERY_ROW if situation else "", situation)
    tokens, lengths = zip(*rows.values(), strict=True)
    inputs = torch.tensor(tokens), torch.tensor(lengths)
    yield Case(inputs, EVERY_ROW, "prompts of different lengths in one batch")


# What people get wrong


def shifted(tokens, by=1):
    """(batch, time): the tokens that stand so far behind, IGNORE at the end."""
    padded = F.pad(tokens, (by, by), value=IGNORE)
    return padded[:, 2 * by :] if by > 0 else padded[:, : 2 * by]


def from_position(tokens, first):
    """(batch, time) bool: at or after the first position of each row."""
    return torch.arange(tokens.shape[1]) >= first.unsqueeze(1)


def answers(tokens, lengths):
    is_text = tokens != Tokenizer.pad_id
    return tokens.where(from_position(tokens, lengths) & is_text, IGNORE)


def without(is_left_out):
    """A wrong answer: the right targets, some of them left out."""

    def answer(tokens, lengths):
        targets = shifted(answers(tokens, lengths))
        return targets.masked_fill(is_left_out(tokens, lengths, targets), IGNORE)

    return answer


def rolled_round_the_end(tokens, lengths):
    targets = tokens.roll(-1, dims=1)
    is_learned = from_position(tokens, lengths - 1) & (targets != Tokenizer.pad_id)
    return targets.where(is_learned, IGNORE)


def answer_sorted(tokens, lengths):
    targets = shifted(answers(tokens, lengths))
    for row in targets:
        row[row != IGNORE] = row[row != IGNORE].sort().values
    return targets


def in_the_prompt(tokens, lengths, targets):
    found = [
        torch.isin(target, row[:length])
        for row, length, target in zip(tokens, lengths, targets, strict=True)
    ]
    return torch.stack(found) & (targets != EOS)


def tokens_overwritten(tokens, lengths):
    tokens[:] = answers(tokens, lengths)
    return shifted(tokens)


def starts_at_the_first_header(tokens, lengths):
    return shifted(answers(tokens, (tokens == ASSISTANT).int().argmax(dim=1) + 1))


def zero_in_place_of_ignore(tokens, lengths):
    return shifted(answers(tokens, lengths)).clamp(min=0)


EARLIER_TURN = (
    "Wrong where the prompt holds an earlier turn: {}. Go by the length of the prompt."
)
MISTAKES = {
    answers: "The targets are not shifted: each position is asked for the token that "
    "it has just read. It has to predict the next one.",
    lambda t, n: shifted(answers(t, n), 2): "The targets are shifted twice: each "
    "position is asked for the token after the next. Shift once.",
    lambda t, n: answers(t, n).roll(1, dims=1): "The targets are shifted the wrong "
    "way: each position is asked for the token before it.",
    lambda t, n: shifted(answers(t, n), -1): "The targets are shifted the wrong way: "
    "each position is asked for the token before it.",
    rolled_round_the_end: "The last position is asked for the row's first token: "
    "rolling a row carries its beginning round to the end. Nothing follows the last "
    "token.",
    answer_sorted: "",
    lambda t, n: shifted(t.where(t != 0, IGNORE)): "The prompt is trained: the model "
    "is asked to write the person's words. Only the answer and its <eos> are learned.",
    lambda t, n: shifted(answers(t, n - 1)): "The model is asked to write the "
    "<assistant> header. It is always given; the first thing to learn is the token "
    "after it.",
    lambda t, n: shifted(answers(t, n + 1)): "The answer's first token is not learned: "
    "it is the target of the <assistant> header, the last position of the prompt.",
    lambda t, n: shifted(t).where(from_position(t, n - 1), IGNORE): "Padding is "
    "trained: after <eos> the model is asked to write <pad>. Nothing is to be learned "
    "there.",
    lambda t, n: shifted(t).where(answers(t, n) != IGNORE, IGNORE): "The tokens were "
    "shifted, the mask was not: everything is trained one position late, so the first "
    "answer token is lost and <pad> is learned.",
    without(lambda t, n, targets: targets == EOS): "The <eos> is not learned, so the "
    "model would never know when to stop. It is the target of the answer's last token.",
    lambda t, n: shifted(t.where(~from_position(t, n), IGNORE)): "The mask is the "
    "wrong way round: the question is learned and the answer is not.",
    without(lambda t, n, targets: torch.arange(t.shape[1]) == n.unsqueeze(1)): (
        "A position in the middle of the answer, the second one, is not trained."
    ),
    zero_in_place_of_ignore: "Positions that are not trained hold 0, which is a target "
    f"like any other: the loss leaves out only IGNORE ({IGNORE}).",
    lambda t, n: torch.full_like(t, IGNORE): "Every target is IGNORE: there is nothing "
    "left to learn from. The answer and its <eos> are learned.",
    lambda t, n: shifted(answers(t, n[:1].expand_as(n))): "Right for a single row, but "
    "wrong when rows of one batch have prompts of different lengths: each row has its "
    "own.",
    without(lambda t, n, targets: (t == EOS).cumsum(dim=1) > 0): EARLIER_TURN.format(
        "its <eos> is taken for the end"
    ),
    starts_at_the_first_header: EARLIER_TURN.format(
        "its <assistant> is taken for the beginning of the answer"
    ),
    without(in_the_prompt): "Wrong when the answer repeats words of the prompt: what "
    "is learned is a matter of places, not of words.",
    tokens_overwritten: "",
    lambda t, n: shifted(answers(t, n))[:, :-1]: "",
    lambda t, n: shifted(answers(t, n)).float(): "",
}


# Right in other styles


def by_roll(tokens, prompt_lengths):
    positions = torch.arange(tokens.shape[1])
    learned = (positions >= prompt_lengths[:, None]) & (tokens != Tokenizer.pad_id)
    return tokens.masked_fill(~learned, IGNORE).roll(-1, dims=1)


def of_the_library(tokens, prompt_lengths):
    rows = [row[row != Tokenizer.pad_id].tolist() for row in tokens]
    masks = [
        [place >= length for place in range(len(row))]
        for row, length in zip(rows, prompt_lengths.tolist(), strict=True)
    ]
    targets = next_token_batch(rows, masks).targets
    return F.pad(targets, (0, tokens.shape[1] - targets.shape[1]), value=IGNORE)


EXERCISE = Exercise(
    name="instruction_targets",
    title="What is learned from a conversation",
    kind="implement",
    skill="build targets",
    difficulty=2,
    importance=5,
    minutes=15,
    chapter="07, before section 3, which prints the library's",
    task=TASK,
    solution=instruction_targets,
    definition=definition,
    cases=cases,
    points={"the answer and its <eos>, shifted by one": 2, EVERY_ROW: 1},
    proven="Every answer token and its <eos> is predicted from the position before "
    "it;\nno prompt, role or padding token is ever a target, whatever the rows look "
    "like.",
    mistakes=MISTAKES,
    right=(by_roll, of_the_library),
    hints=HINTS,
    after=AFTER,
)
