"""Phase 2: learning to answer.

The same model and the same loss as in phase 1. New are the *form* (a template that
says who speaks) and the *mask* (only the answer is learned; the question is read).
"""

from collections.abc import Callable, Sequence

import torch
from torch.optim import Optimizer

from llmlab import processes
from llmlab.batching import Batch, pack, packed_batch, passes
from llmlab.gpt import GPT
from llmlab.pretraining import prediction_step, refuse_one_text
from llmlab.sampling import generate
from llmlab.tokenizer import Tokenizer
from llmlab.training import Metrics


def render_prompt(tokenizer: Tokenizer, prompt: str) -> list[int]:
    """The model's view of a question: <bos> <user> question <assistant>.

    The role tokens are ids that no text encodes to, so whatever a person types stays
    on their side of the conversation.
    """
    return [
        tokenizer.bos_id,
        tokenizer.user_id,
        *tokenizer.encode(prompt),
        tokenizer.assistant_id,
    ]


def render_example(
    tokenizer: Tokenizer, prompt: str, answer: str
) -> tuple[list[int], list[bool]]:
    """A question with its answer, and which of its tokens are to be learned.

    Training text and generation prompt come from the same function, so they cannot
    drift apart. The closing <eos> is learned: a model that never learned to stop,
    never stops.

    Returns
    -------
    ids, response_mask : equally long; True for the answer's tokens and the <eos>.
    """
    question = render_prompt(tokenizer, prompt)
    response = [*tokenizer.encode(answer), tokenizer.eos_id]
    return question + response, [False] * len(question) + [True] * len(response)


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


def answer(
    model: GPT,
    tokenizer: Tokenizer,
    prompts: Sequence[str],
    *,
    max_new_tokens: int = 120,
    **settings,
) -> list[str]:
    """What the model says to each prompt. `settings` as in `sampling.generate`."""
    refuse_one_text(prompts)
    rendered = [render_prompt(tokenizer, prompt) for prompt in prompts]
    generation = generate(model, rendered, max_new_tokens=max_new_tokens, **settings)
    return [tokenizer.decode(ids).strip() for ids in generation.sequences()]
