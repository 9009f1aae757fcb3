"""Phase 2: learning to answer.

The same model and the same loss as in phase 1. New are the *form* (a template that
says who speaks) and the *mask* (only the answer is learned; the question is read).
"""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor
from torch.optim import Optimizer

from llmlab import processes
from llmlab.batching import Batch, pack, packed_batch, passes
from llmlab.gpt import GPT
from llmlab.pretraining import prediction_loss, prediction_step, refuse_one_text
from llmlab.sampling import generate
from llmlab.tokenizer import Tokenizer
from llmlab.training import Metrics

Turns = Sequence[tuple[str, str]]
"""Questions and answers of a conversation, the oldest first."""


def render_prompt(tokenizer: Tokenizer, prompt: str, earlier: Turns = ()) -> list[int]:
    """The model's view of a question: <bos> <user> question <assistant>.

    The role tokens are ids that no text encodes to, so whatever a person types stays
    on their side of the conversation.

    earlier : what was asked and answered before; each answer ends with <eos>.
    """
    ids = [tokenizer.bos_id]
    for question, answered in earlier:
        ids += _turn(tokenizer, question)
        ids += [*tokenizer.encode(answered), tokenizer.eos_id]
    return ids + _turn(tokenizer, prompt)


def _turn(tokenizer: Tokenizer, question: str) -> list[int]:
    return [tokenizer.user_id, *tokenizer.encode(question), tokenizer.assistant_id]


def render_example(
    tokenizer: Tokenizer, prompt: str, answer: str, earlier: Turns = ()
) -> tuple[list[int], list[bool]]:
    """A question with its answer, and which of its tokens are to be learned.

    Training text and generation prompt come from the same function, so they cannot
    drift apart. The closing <eos> is learned: a model that never learned to stop,
    never stops. Earlier answers are read, as the questions are.

    Returns
    -------
    ids, response_mask : equally long; True for the answer's tokens and the <eos>.
    """
    question = render_prompt(tokenizer, prompt, earlier)
    response = [*tokenizer.encode(answer), tokenizer.eos_id]
    return question + response, [False] * len(question) + [True] * len(response)


def read_conversation(
    messages: Sequence[Mapping[str, str]],
) -> tuple[str, str, list[tuple[str, str]]]:
    """A row of a dataset in the usual form, as prompt, answer and earlier turns.

    messages : {"role": "user" or "assistant", "content": text} each, in turns.

    Raises ValueError: roles are not in turns, or an answer or question is missing.
    """
    texts = []
    for number, message in enumerate(messages):
        wanted, role = ("user", "assistant")[number % 2], message.get("role")
        text = message.get("content")
        if role != wanted:
            raise ValueError(
                f"message {number} is of role {role!r}; expected {wanted!r}: user and "
                "assistant take turns, and the user begins"
            )
        if not isinstance(text, str) or not text.strip():
            raise ValueError(
                f"message {number} ({role}) has no content; write its text, or drop "
                "the conversation"
            )
        texts.append(text)
    if not texts or len(texts) % 2:
        raise ValueError(
            f"the conversation of {len(texts)} messages has no answer at its end; "
            "there is nothing to learn from it. Add the answer, or drop it"
        )
    *earlier, (prompt, answered) = zip(texts[::2], texts[1::2], strict=True)
    return prompt, answered, earlier


def packed_batches(
    examples: Sequence[tuple[Sequence[int], Sequence[bool]]],
    *,
    row_length: int,
    rows_per_batch: int,
    generator: torch.Generator,
    pad_id: int = Tokenizer.pad_id,
) -> list[Batch]:
    """Shuffle examples and pack them, several a row, into batches.

    Instructions are short; one a row, most of a batch would be padding.

    examples : as `render_example` gives them; each fits `row_length`.
    """
    if not examples:
        raise ValueError("there are no examples to learn from; give at least one")
    sequences = [ids for ids, _ in examples]
    masks = [mask for _, mask in examples]
    rows = pack([len(sequence) - 1 for sequence in sequences], row_length)
    order = torch.randperm(len(rows), generator=generator).tolist()
    starts = range(0, len(order), rows_per_batch)
    chosen = ([rows[row] for row in order[at : at + rows_per_batch]] for at in starts)
    return [packed_batch(sequences, each, masks, pad_id=pad_id) for each in chosen]


def instruction_step(
    model: GPT,
    examples: Sequence[tuple[Sequence[int], Sequence[bool]]],
    optimizers: dict[str, Optimizer],
    *,
    steps: int,
    row_length: int,
    rows_per_batch: int,
    seed: int,
) -> Callable[[int, torch.Generator], Metrics]:
    """The update that `training.train` repeats: that of phase 1, on packed examples.

    Parameters
    ----------
    examples : rendered examples, each no longer than `row_length`.
    steps : updates in all.
    row_length, rows_per_batch : shape of a packed batch.
    seed : of the order of the examples.
    """
    processes.check_share(rows_per_batch, "packed rows")

    def once(generator: torch.Generator) -> list[Batch]:
        return packed_batches(
            examples,
            row_length=row_length,
            rows_per_batch=rows_per_batch,
            generator=generator,
        )

    batches = passes(once, steps, seed)
    return prediction_step(
        model, optimizers, lambda index, generator: batches[index], steps=steps
    )


def replay_loss(
    model: GPT,
    examples: Sequence[tuple[Sequence[int], Sequence[bool]]],
    *,
    share: float,
    row_length: int,
    rows: int = 2,
) -> Callable[[torch.Generator], Tensor]:
    """`share` times this phase's loss on a few rows drawn anew, for a later phase.

    PPO-ptx (Ouyang et al. 2022, equation 2): a policy that is paid for one task only
    keeps the others if a part of every step still comes from them.
    """
    sequences, masks = map(list, zip(*examples, strict=True))
    packed = pack([len(sequence) - 1 for sequence in sequences], row_length)

    def loss(generator: torch.Generator) -> Tensor:
        drawn = torch.randint(len(packed), (rows,), generator=generator).tolist()
        batch = packed_batch(sequences, [packed[row] for row in drawn], masks)
        weight = processes.weight(batch.number_of_targets())
        return share * weight * prediction_loss(model, batch)

    return loss


def answer(
    model: GPT,
    tokenizer: Tokenizer,
    prompts: Sequence[str],
    *,
    earlier: Sequence[Turns] | None = None,
    max_new_tokens: int = 120,
    **settings,
) -> list[str]:
    """What the model says to each prompt. `settings` as in `sampling.generate`.

    earlier : for each prompt, the turns before it; None: all begin a conversation.
    """
    refuse_one_text(prompts)
    before = [()] * len(prompts) if earlier is None else earlier
    rendered = [
        render_prompt(tokenizer, prompt, turns)
        for prompt, turns in zip(prompts, before, strict=True)
    ]
    generation = generate(model, rendered, max_new_tokens=max_new_tokens, **settings)
    return [tokenizer.decode(ids).strip() for ids in generation.sequences()]
