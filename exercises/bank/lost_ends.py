"""Find the fault: ends that are not learned, and padding that is."""

import random

import torch

from exercises import Exercise
from llmlab.batching import IGNORE, next_token_batch
from llmlab.checks import Case
from llmlab.tokenizer import Tokenizer

TASK = """
A team tunes a model on answers. The loss is better than they hoped, and the model never
stops talking: after a fine answer it goes on, and on. The function below made their
batches. Nothing raises an error, and the shapes are right.

Do two things. **Repair** it: learned are the tokens that are marked True, each at the
position before it, and nothing else. And write a **detector** that gets any function of
this kind and says whether it is sick: whether the `<eos>` of some answer is not learned
where it should be, or something is learned where a row has ended. It will meet six sick
functions and four healthy ones. The healthy ones do odd things, too: one learns the
questions as well, one pads with `<eos>` to a multiple of eight.

**Before you start, predict:** there are two faults. Which of them makes the loss look
good, and which makes the model talk on?
"""


def given():
    def sick_batch_of(examples):
        """(batch, time) tokens and targets of examples (ids, is_response)."""
        time = max(len(ids) for ids, _ in examples)
        tokens = torch.full((len(examples), time), Tokenizer.pad_id)
        is_learned = torch.ones(len(examples), time, dtype=torch.bool)
        for row, (ids, is_response) in enumerate(examples):
            tokens[row, : len(ids)] = torch.tensor(ids)
            is_learned[row, : len(ids)] = torch.tensor(is_response)
        is_learned &= tokens != Tokenizer.eos_id  # nothing comes after it
        targets = tokens.masked_fill(~is_learned, IGNORE)
        return tokens[:, :-1], targets[:, 1:]


def batch_of(examples):
    """What `sick_batch_of` should have been.

    examples: a list of (ids, is_response), equally long lists: prompt, answer and
              <eos> as token ids; True for those of the answer and its <eos>. A
              prompt may hold earlier turns, each with its own <eos>
    returns:  tokens and targets, each (batch, time) int64, where time is one less
              than the longest example; what a target is not, is IGNORE
    """
    time = max(len(ids) for ids, _ in examples)
    tokens = torch.full((len(examples), time), Tokenizer.pad_id)
    is_learned = torch.zeros(len(examples), time, dtype=torch.bool)
    for row, (ids, is_response) in enumerate(examples):
        tokens[row, : len(ids)] = torch.tensor(ids)
        is_learned[row, : len(ids)] = torch.tensor(is_response)
    targets = tokens.masked_fill(~is_learned, IGNORE)
    return tokens[:, :-1], targets[:, 1:]


def lost_ends(make_batch):
    """Whether the end of some answer is not learned, or padding is.

    make_batch: a function of examples, as above; tokens and targets may be wider
                than there is text, and other tokens may be learned as well
    returns:    True or False
    """
    turn, eos = [4, 30, 31, 5], Tokenizer.eos_id
    examples = [
        ([*prompt, *answer, eos], [False] * len(prompt) + [True] * (len(answer) + 1))
        for prompt in ([1, *turn], [1, 4, 32, 5], [1, *turn, 33, eos, *turn])
        for answer in ([40, 41], [], [42, 43, 44, 45, 46, 47, 48], [49])
    ]
    _, targets = make_batch(examples)
    for row, (ids, _) in zip(targets, examples, strict=True):
        end = len(ids) - 2
        if row[end] != eos or (row[end + 1 :] != IGNORE).any():
            return True
    return False


HINTS = (
    """For the repair, write down for a short and a long example which targets the
function makes. For the detector: you choose the examples, so you know of each row where
its end must be learned, and from where on nothing may be.""",
    """1. repair: what is not filled in was never text, so it is not learned; and the
   `<eos>` is the answer's last token, marked like the others
2. detector: many examples in one batch, of different lengths, the longest in the
   middle; empty answers; prompts with an earlier turn
3. the target at position `length - 2` of its row has to be `<eos>`
4. from position `length - 1` on all have to be IGNORE, whatever token stands there""",
    """`render_example` in `llmlab/instruction.py` and `packed_batch` in
`llmlab/batching.py`. Many libraries pad with `<eos>` and then ignore that id in the
targets: so ends get lost in earnest.""",
)

AFTER = """
**What you predicted.** Padding makes the loss look good: it is easy to foresee, so each
of its positions pulls the mean down. The lost ends make the model talk on: it was never
asked when to stop.
"""

EOS, PAD, EVERY = Tokenizer.eos_id, Tokenizer.pad_id, "so it is in every batch"
DETECTOR = "the detector is right on six sick and four healthy functions"


def built(is_learned, pad=PAD, multiple=1):
    """A function of examples that asks of each place whether it is learned.

    is_learned : of the ids, whether each is of the answer (False behind them), a place
        at which some token is the target, and the last place.
    """

    def make_batch(examples):
        last = max(len(ids) for ids, _ in examples) - 1
        shape = len(examples), -(-last // multiple) * multiple
        tokens, targets = torch.full(shape, pad), torch.full(shape, IGNORE)
        for row, (ids, said) in enumerate(examples):
            text = [*ids, *[pad] * (last + 1 - len(ids))]
            said = [*said, *[False] * (last + 1 - len(ids))]
            tokens[row, :last] = torch.tensor(text[:-1])
            for at in range(1, last + 1):
                if is_learned(ids, said, at, last):
                    targets[row, at - 1] = text[at]
        return tokens, targets

    return make_batch


def of_the_library(examples):
    batch = next_token_batch(*zip(*examples, strict=True))
    return batch.tokens, batch.targets


as_marked = built(lambda ids, said, at, last: said[at])
no_ends = built(lambda ids, said, at, last: said[at] and at < len(ids) - 1)
padding_too = built(lambda ids, said, at, last: said[at] or at >= len(ids))
padding_as_eos = built(lambda ids, said, at, last: said[at] or at >= len(ids), EOS)
one_more = built(lambda ids, said, at, last: said[at] or at == len(ids))
to_the_first_end = built(lambda ids, said, at, _: said[at] and at <= ids.index(EOS))
ends_of_the_longest = built(
    lambda ids, said, at, last: said[at] and not at == len(ids) - 1 < last
)
all_text = built(lambda ids, said, at, last: at < len(ids))
wide = built(lambda ids, said, at, last: said[at], pad=EOS, multiple=8)

SICK = (no_ends, padding_too, padding_as_eos, one_more)
SICK += (to_the_first_end, ends_of_the_longest)
HEALTHY = (batch_of, all_text, wide, of_the_library)


def example(chance, question, answer, earlier=0):
    """With so many words in the question, in the answer and in a turn before."""
    words = chance.sample(range(6, 300), question + answer + earlier)
    user, assistant = Tokenizer.user_id, Tokenizer.assistant_id
    turn = [user, *words[question + answer :], assistant, EOS] if earlier else []
    prompt = [Tokenizer.bos_id, *turn, user, *words[:question], assistant]
    said = [*words[question : question + answer], EOS]
    return prompt + said, [False] * len(prompt) + [True] * len(said)


MANY = ((3, 2), (1, 0), (4, 6, 1), (2, 4), (1, 3, 2))
BATCHES = {
    "a single example": [(2, 2)],
    "a short answer and a long one": [(2, 1), (2, 5)],
    "an empty answer, of which only <eos> is learned,": [(1, 0)],
    "a prompt with an earlier turn": [(2, 2, 2)],
    "five examples, the longest in the middle,": MANY,
}


def cases(seed):
    chance = random.Random(seed)
    for number, (situation, sizes) in enumerate(BATCHES.items()):
        examples = [example(chance, *size) for size in sizes]
        yield Case((examples,), EVERY if number else "", situation)
    functions = [*SICK, *HEALTHY]
    chance.shuffle(functions)
    for function in functions:
        kind = "sick" if function in SICK else "healthy"
        yield Case((function,), DETECTOR, f"one of the {kind} functions", of=1)


def compared(inputs, result):
    """Of a batch all but the tokens that nobody learns from: they may be any."""
    if isinstance(result, bool):
        return result
    tokens, targets = result
    read = [len(ids) - 1 for ids, _ in inputs[0]]
    return [row[:n] for row, n in zip(tokens, read, strict=True)], targets


# What people get wrong


def not_shifted(examples):
    tokens, were_read = built(lambda ids, said, at, _: said[at - 1])(examples)
    return tokens, tokens.where(were_read != IGNORE, IGNORE)


def is_sick(row, n):
    return row[n - 2] != EOS or any(row[n - 1 :] != IGNORE)


def detector(finds=is_sick, sizes=MANY):
    """The detector, with less to see, or with another way of looking at a row."""

    def answer(make_batch):
        examples = [example(random.Random(3), *size) for size in sizes]
        rows = zip(make_batch(examples)[1], examples, strict=True)
        return any(bool(finds(row, len(ids))) for row, (ids, _) in rows)

    return answer


def differs_from_mine(make_batch):
    examples = [example(random.Random(3), *size) for size in MANY]
    mine, other = batch_of(examples)[1], make_batch(examples)[1]
    return mine.shape != other.shape or not mine.equal(other)


BLIND = (
    "Your detector says the same of all functions. Shapes do not tell: look at what is "
    "learned at the end of a row, and behind it."
)
MISSES = "Your detector misses {}"
MISTAKES = {
    (no_ends, lost_ends): "The repair still loses ends: the <eos> of an answer is a "
    "target like its words, or the model never learns to stop.",
    (padding_too, lost_ends): "The repair still learns padding: what is not filled in "
    "counts as learned. Begin with nothing learned.",
    (padding_as_eos, lost_ends): "In the repair padding is learned, as <eos> after "
    "<eos>. A row has one end; behind it nothing is learned.",
    (all_text, lost_ends): "The repair learns the questions, too. Learned is what is "
    "marked.",
    (not_shifted, lost_ends): "In the repair each position is asked for the token that "
    "it has just read: targets are shifted by one.",
    (to_the_first_end, lost_ends): "The repair takes an earlier turn's <eos> for the "
    "end of the row. Go by the marks.",
    (one_more, lost_ends): "",
    (batch_of, lambda make_batch: True): BLIND,
    (batch_of, detector(sizes=MANY[:1])): MISSES.format(
        "what happens where rows are padded: a single row has no padding."
    ),
    (batch_of, detector(sizes=((3, 2), (1, 0), (4, 6), (2, 4)))): MISSES.format(
        "ends that are lost behind an earlier turn: give a prompt that holds one, with "
        "its own <eos>."
    ),
    (batch_of, detector(lambda row, length: row[length - 2] != EOS)): MISSES.format(
        "padding that is learned: you looked at the ends only."
    ),
    (batch_of, detector(lambda row, length: any(row[length - 1 :] != IGNORE))): (
        MISSES.format("ends that are not learned: you looked at the padding only.")
    ),
    (batch_of, detector(lambda row, n: row[n - 2] != EOS or PAD in row)): MISSES.format(
        "padding that is learned as another token: a function may pad with <eos>. Look "
        "at places, not at the id."
    ),
    (batch_of, differs_from_mine): "A healthy function is called sick: it may learn "
    "other tokens too, or be wider. Ask for the ends, and for what lies behind them.",
}


# Right in other styles


def by_padding_both(examples):
    longest = max(len(ids) for ids, _ in examples)
    tokens = [ids + [EOS] * (longest - len(ids)) for ids, _ in examples]
    marks = [list(marks) + [False] * (longest - len(marks)) for _, marks in examples]
    tokens, marks = torch.tensor(tokens), torch.tensor(marks)
    return tokens[:, :-1], torch.where(marks, tokens, IGNORE)[:, 1:]


EXERCISE = Exercise(
    name="lost_ends",
    title="It never stops",
    kind="find the fault",
    skill="test a batch",
    difficulty=3,
    importance=5,
    minutes=25,
    chapter="07, after section 3",
    task=TASK,
    given=given,
    solution=(batch_of, lost_ends),
    definition=(as_marked, lambda make_batch: make_batch in SICK),
    cases=cases,
    points={"the repair learns what is marked": 1, EVERY: 1, DETECTOR: 2},
    proven="The repaired function learns what is marked and nothing else, and your "
    "detector is\nright on six sick functions and four healthy ones.",
    mistakes=MISTAKES,
    right=((of_the_library, detector()), (by_padding_both, lost_ends)),
    compared=compared,
    hints=HINTS,
    after=AFTER,
)
