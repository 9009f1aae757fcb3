"""A small correction to a frozen layer, exact at the start and after merging."""

from functools import partial

import torch
from torch.nn import functional as F

from exercises import Exercise
from llmlab import instruction, life, pretraining, village
from llmlab.batching import next_token_batch
from llmlab.checks import Case, Dice

TASK = r"""
Tuning all weights for each of a hundred customers means a hundred models. LoRA leaves a
layer's weight $W$ as it is, **frozen**, and learns a correction to it that is the
product of two thin matrices:

$$W + \frac{\alpha}{r} B A$$

| matrix | shape | for a layer from 512 to 128 numbers and rank 4 |
|---|---|---|
| $W$, frozen | outputs × inputs | 128 × 512 = 65,536 numbers |
| $A$, learned | rank × inputs | 4 × 512 = 2,048 |
| $B$, learned | outputs × rank | 128 × 4 = 512 |

Three functions make it whole. `corrected` is the layer while it learns: what goes into
it still gets its gradient, $A$ and $B$ get theirs, and $W$ gets none. `merged` is the
one weight that does the same when all is learned. And `start` draws $A$ and $B$ so that
at the start the layer does **exactly** what it did before, and yet learns.

**Before you start, predict:** if both $A$ and $B$ are zero at the start, what is the
gradient of $A$, and what is that of $B$?
"""


def corrected(x, weight, a, b, alpha):
    """The output of a frozen layer with its correction.

    x:       (batch, time, inputs)
    weight:  (outputs, inputs), frozen: no gradient may reach it
    a, b:    (rank, inputs) and (outputs, rank), which learn
    alpha:   a number; the correction is multiplied by alpha / rank
    returns: (batch, time, outputs)
    """
    return x @ weight.detach().T + alpha / len(a) * (x @ a.T @ b.T)


def merged(weight, a, b, alpha):
    """The one weight that does what the corrected layer does.

    weight, a, b, alpha: as above
    returns:             (outputs, inputs), a new tensor
    """
    return weight + alpha / len(a) * (b @ a)


def start(weight, rank, generator):
    """A and B before anything was learned.

    weight:    (outputs, inputs)
    rank:      a number
    generator: of random numbers, for torch.randn and the like
    returns:   A and B, of the shapes above: their product is zero, and yet they learn
    """
    outputs, inputs = weight.shape
    a = torch.randn(rank, inputs, generator=generator) / inputs**0.5
    return a, torch.zeros(outputs, rank)


HINTS = (
    """What is the shape of `b @ a`, and what that of `x @ a.T`? And a product is zero
as soon as one of its factors is: what does the other one have to be, so that the first
one is told how to change?""",
    """1. the frozen layer: x times the weight's transpose, the weight detached
2. the correction: x times A's transpose, times B's, times alpha over the rank; add it
3. merged: weight and correction are both (outputs, inputs)
4. start: one of the two zero, the other random, so that its rows differ""",
    """Hu et al., *LoRA: Low-Rank Adaptation of Large Language Models* (2021), section
4.1. Notebook 07 tunes all weights.""",
)

AFTER = """
**What you predicted.** Zero and zero: the gradient of each is a product with the other.
A layer that begins like that stays what it was for ever, without an error.

**Your correction in the base model**, at one layer of its last block, while it learns
to answer at the help desk. All else is frozen. *What will the loss at step 0 be,
compared with that of the base model, and what after merging?*
"""


def use(corrected, merged, start):
    course = life.course()
    model = course.load("base").requires_grad_(False)
    asked = village.instructions(8, seed=0, split="train", task="support")
    render = partial(instruction.render_example, course.tokenizer)
    examples = [render(each.prompt, each.answer) for each in asked]
    batch = next_token_batch(*zip(*examples, strict=True))
    print(f"base model  {pretraining.prediction_loss(model, batch):.4f} nats a token")

    layer = model.blocks[-1].feed_forward.expand
    pair = start(layer.weight, 4, torch.Generator().manual_seed(0))
    optimizer = torch.optim.Adam([part.requires_grad_() for part in pair], lr=0.05)
    hook = layer.register_forward_hook(
        lambda layer, x, _: corrected(x[0], layer.weight, *pair, 8)
    )
    for step in range(11):
        loss = pretraining.prediction_loss(model, batch)
        if step % 5 == 0:
            print(f"step {step:2}     {loss:.4f}")
        if step < 10:
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    hook.remove()
    layer.weight.copy_(merged(layer.weight, *pair, 8).detach())
    print(f"merged      {pretraining.prediction_loss(model, batch):.4f}")
    count = sum(part.numel() for part in pair)
    print(f"learned     {count:,} of {model.number_of_parameters():,} numbers")


def corrected_slowly(x, weight, a, b, alpha):
    """One output at a time."""
    columns = []
    for row, mix in zip(weight.detach(), b, strict=True):
        change = sum(share * direction for share, direction in zip(mix, a, strict=True))
        columns.append((x * (row + alpha / a.shape[0] * change)).sum(dim=-1))
    return torch.stack(columns, dim=-1)


def merged_slowly(weight, a, b, alpha):
    changes = torch.stack([torch.outer(b[:, k], a[k]) for k in range(len(a))])
    return weight + alpha * changes.mean(dim=0)


LEARNS = "A, B and what comes before learn, and the weight does not"
MERGED = "the merged weight does the same"
START = "the start changes nothing, and learns"
FINE, CHANGES, STUCK, ALIKE = range(4)


def compared(inputs, result):
    """Of a start, how good it is, in its own shapes: numbers drawn differ."""
    rank = inputs[1]
    if not isinstance(rank, int):
        return result
    a, b = result
    kind = FINE
    if (b @ a).any():
        kind = CHANGES
    elif not a.any() and not b.any():
        kind = STUCK
    elif max(torch.linalg.matrix_rank(x) for x in result) < rank:
        kind = ALIKE
    return torch.full_like(a, kind), torch.full_like(b, kind)


def cases(seed):
    generator = torch.Generator().manual_seed(seed)

    def numbers(*shape):
        return torch.randn(shape, generator=generator)

    def layer(inputs, outputs, rank):
        return numbers(outputs, inputs), numbers(rank, inputs), numbers(outputs, rank)

    for inputs, outputs, rank, alpha in ((3, 2, 2, 4), (5, 7, 3, 8.0), (6, 6, 4, 1)):
        given = layer(inputs, outputs, rank)
        yield Case((numbers(1, 4, inputs), *given, alpha))
    given = layer(4, 3, 2)
    yield Case((numbers(2, 3, 4), *given, 6), LEARNS, gradients=(0, 1, 2, 3))
    for inputs, outputs, rank, alpha in ((3, 2, 2, 4), (4, 6, 3, 1), (5, 5, 4, 8.0)):
        yield Case((*layer(inputs, outputs, rank), alpha), MERGED, of=1)
    for inputs, outputs, rank in ((6, 4, 2), (5, 9, 3)):
        given = numbers(outputs, inputs), rank, Dice(seed)
        yield Case(given, START, f"a layer from {inputs} to {outputs} numbers", of=2)


# What people get wrong


def wrong(scale=lambda alpha, rank: alpha / rank, base=1.0, freeze=torch.detach):
    """The corrected layer with one part exchanged."""

    def answer(x, weight, a, b, alpha):
        change = scale(alpha, len(a)) * (x @ a.T @ b.T)
        return base * (x @ freeze(weight).T) + change

    return answer, merged, start


def wrongly_merged(change):
    return corrected, change, start


def wrongly_started(make_a, make_b):
    def answer(weight, rank, generator):
        return make_a(rank, weight.shape[1]), make_b(len(weight), rank)

    return corrected, merged, answer


def detached(*which):
    """The corrected layer, with some of its inputs taken for constants."""

    def answer(*inputs):
        held = [x.detach() if k in which else x for k, x in enumerate(inputs)]
        return corrected(*held)

    return answer, merged, start


def base_without_gradient(x, weight, a, b, alpha):
    with torch.no_grad():
        base = x @ weight.T
    return base + alpha / len(a) * (x @ a.T @ b.T)


def in_place(weight, a, b, alpha):
    weight += alpha / len(a) * (b @ a)
    return weight.clone()


MISTAKES = {
    wrong(lambda alpha, rank: alpha): "The correction is not divided by the rank: "
    "every rank would need a rate of its own.",
    wrong(base=0.0): "That is the correction alone. It is added to what the frozen "
    "layer gives.",
    wrong(freeze=lambda weight: weight): "sends a gradient into weight",
    (base_without_gradient, merged, start): "What goes into the layer gets no gradient "
    "through the frozen weight, so nothing below it learns rightly. Detach the weight, "
    "not the product.",
    detached(2): "no gradient reaches a,",
    detached(3): "no gradient reaches b,",
    wrongly_merged(lambda w, a, b, alpha: w + b @ a): "The merged weight leaves out "
    "alpha over the rank, which the corrected layer has.",
    wrongly_merged(lambda w, a, b, alpha: w + alpha * (b @ a)): "In the merged weight "
    "the correction is not divided by the rank.",
    wrongly_merged(lambda w, a, b, alpha: alpha / len(a) * (b @ a)): "The merged "
    "weight lacks the frozen one.",
    wrongly_merged(in_place): "changes its first input in place",
    wrongly_started(torch.zeros, torch.zeros): "At the start A and B are both zero. "
    "The gradient of each is a product with the other, so neither will ever learn. One "
    "of them has to be random.",
    wrongly_started(torch.rand, torch.rand): "At the start the product of B and A is "
    "not zero, so the layer no longer does what it did. One of the two has to be zero.",
    wrongly_started(torch.ones, torch.zeros): "At the start all rows of A are alike. "
    "They get the same gradient and stay alike: the correction never has a rank above "
    "one. Draw them at random.",
    (corrected, merged, lambda *given: start(*given)[::-1]): "has shape",
    (corrected, merged, lambda *given: start(*given)[0]): "2 results",
}


# Right in other styles


def through_the_merged_weight(x, weight, a, b, alpha):
    return F.linear(x, merged(weight.detach(), a, b, alpha))


def with_einsum(weight, a, b, alpha):
    return weight.clone().add(torch.einsum("or,ri->oi", b, a), alpha=alpha / a.shape[0])


def a_is_zero(weight, rank, generator):
    b = torch.rand(weight.shape[0], rank, generator=generator) - 0.5
    return weight.new_zeros(rank, weight.shape[1]), b


EXERCISE = Exercise(
    name="lora",
    title="A small correction",
    kind="implement",
    skill="adapt a frozen layer",
    difficulty=4,
    importance=4,
    minutes=25,
    chapter="07, after training",
    task=TASK,
    solution=(corrected, merged, start),
    definition=(corrected_slowly, merged_slowly, start),
    cases=cases,
    points={"the correction is added": 1, LEARNS: 1, MERGED: 1, START: 1},
    compared=compared,
    proven="The layer begins as it was, A and B learn while the weight rests, and the "
    "merged\nweight does what the corrected layer does.",
    mistakes=MISTAKES,
    right=((through_the_merged_weight, with_einsum, a_is_zero),),
    hints=HINTS,
    after=AFTER,
    use=use,
)
