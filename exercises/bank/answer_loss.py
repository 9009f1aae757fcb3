"""The loss of instruction tuning: the answers' tokens, and all of them alike."""

import torch
from torch.nn import functional as F

from exercises import Exercise
from llmlab import instruction, life, village
from llmlab.batching import IGNORE, pad_sequences
from llmlab.checks import Case
from llmlab.tokenizer import Tokenizer

TASK = r"""
A person asks, the model answers, and it is charged for the answer alone. The **response
mask** says which tokens those are: the words of the answer and its `<eos>`.

| token | `<bos>` | `<user>` | Who | sings? | `<assistant>` | Mara | `<eos>` | `<pad>` |
|---|---|---|---|---|---|---|---|---|
| response mask | no | no | no | no | no | yes | yes | no |
| its probability | – | 1/8 | 1/64 | 1/64 | 1/2 | 1/4 | 1/2 | 1/9 |

A probability is what the model said after the token before. The surprise of a token is
$-\ln p$, and the loss is the mean over the *yes*: here $(2 \ln 2 + \ln 2)/2$, about
1.04 nats. In a batch it is the mean over the answers' tokens of **all** rows, so each
of them weighs the same, wherever it stands. Rows have answers of different lengths, and
a row that was cut may have none.

You get the tokens as they are, not yet shifted, and logits, of which a softmax makes
probabilities. Small probabilities should not become zero on the way.

**Before you start, predict:** one row has an answer of nine tokens, each of which costs
1 nat, another an answer of one token, which costs 6. What is the loss? And what would
it be as the mean of the two rows' means?
"""


def answer_loss(logits, tokens, response_mask):
    """The mean surprise at the tokens of the answers, in nats.

    logits:        (batch, time, vocab); logits[b, t] were made after reading tokens
                   0 to t of row b
    tokens:        (batch, time) int64, a prompt, an answer, padding
    response_mask: (batch, time) bool, True for the tokens that are to be learned;
                   never for the first of a row, nor for padding
    returns:       a tensor (), from which a gradient can flow back to the logits
    """
    log_probs = logits[:, :-1].log_softmax(dim=-1)
    surprises = -log_probs.gather(-1, tokens[:, 1:].unsqueeze(-1)).squeeze(-1)
    return surprises[response_mask[:, 1:]].mean()


HINTS = (
    """Which column of the logits has to say "Mara", and which column of the tokens and
of the mask does "Mara" stand in? Two of the three have to lose their first column, one
its last.""",
    """1. logits without the last position; tokens and mask without the first
2. the logarithms of the probabilities, in one step
3. at each place, minus the entry of the token that stands there
4. choose by the mask, all rows at once, and take the mean of what is left""",
    """Notebook 07, on the response mask. Here `llmlab/batching.py` does the shift, and
`prediction_loss` in `llmlab/pretraining.py` the mean. Whoever adds up the gradients of
several small batches, each with a mean of its own, takes the mean of means again.""",
)

AFTER = """
**What you predicted.** (9 · 1 + 6) / 10 = 1.5 nats. The mean of the means is 3.5: one
token of the short answer would count as much as nine of the long one.

**Your loss on two models** that read the same questions to the ferry's help desk, which
neither has seen. The base model has never met the template. *What does it find hard,
the answers only, or the questions as well?*
"""


def use(answer_loss):
    course = life.course()
    tokenizer = course.tokenizer
    rows, masks = [], []
    for asked in village.instructions(40, seed=1, split="test", task="support"):
        ids, mask = instruction.render_example(tokenizer, asked.prompt, asked.answer)
        rows.append(ids)
        masks.append(mask)
    tokens, segment_ids = pad_sequences(rows)
    response_mask = pad_sequences(masks)[0].bool()
    is_question = (segment_ids == 1) & ~response_mask
    is_question[:, 0] = False
    print("                answers  questions")
    for stage in ("base", "instruct"):
        with torch.no_grad():
            logits = course.load(stage)(tokens, segment_ids=segment_ids)
            answers = answer_loss(logits, tokens, response_mask)
            questions = answer_loss(logits, tokens, is_question)
        print(f"{stage:14} {answers:8.3f} {questions:10.3f}  nats a token")


def definition(logits, tokens, response_mask):
    total, count = 0.0, 0
    for row, place in response_mask.nonzero().tolist():
        scores = logits[row, place - 1]
        total = total + scores.logsumexp(dim=0) - scores[tokens[row, place]]
        count += 1
    return total / count


HEART = "each answer token is predicted from the position before it"
ALIKE = "answer tokens of all rows weigh the same"
EXTREME = "logits of a thousand do no harm"


def cases(seed):
    generator = torch.Generator().manual_seed(seed)

    def batch(*lengths, time=10, vocab=14):
        """Rows with a prompt and an answer of these lengths, <eos> included."""
        tokens = torch.zeros(len(lengths), time, dtype=torch.int64)
        mask = torch.zeros(len(lengths), time, dtype=torch.bool)
        for row, (prompt, answer) in enumerate(lengths):
            end = prompt + answer
            words = torch.randint(6, vocab, (end,), generator=generator)
            words[0] = Tokenizer.bos_id
            if answer:
                words[end - 1] = Tokenizer.eos_id
            tokens[row, :end] = words
            mask[row, prompt:end] = True
        return torch.randn(*tokens.shape, vocab, generator=generator), tokens, mask

    words = "a single row, with an answer of three tokens,"
    yield Case(batch((4, 3)), "", words)
    yield Case(batch((3, 3), (6, 3), (5, 3)), "", "three answers of the same length")
    words = "three answers that fill their rows to the end"
    yield Case(batch((6, 4), (6, 4), (6, 4)), "", words, gradients=(0,))
    several = batch((4, 6), (5, 1), (2, 3))
    yield Case(several, ALIKE, "answers of six, one and three tokens", gradients=(0,))
    words = "a batch with a row that has no answer,"
    yield Case(batch((3, 4), (6, 0), (4, 2)), ALIKE, words)
    wrong = torch.full_like(several[0], 1000.0)
    wrong[..., Tokenizer.mask_id] = 2000.0
    words = "a model that is sure and wrong by 1000"
    yield Case((wrong, *several[1:]), EXTREME, words, gradients=(0,))
    shift = 1000.0 * (torch.arange(30) % 3 - 1).view(3, 10, 1)
    words = "logits that differ by a number of their own at each position"
    yield Case((several[0] + shift, *several[1:]), EXTREME, words)


# What people get wrong


def surprises(logits, tokens, log_shares=lambda x: x.log_softmax(-1)):
    """Of every token but the first: (batch, time - 1)."""
    log_probs = log_shares(logits[:, :-1])
    return -log_probs.gather(-1, tokens[:, 1:, None])[..., 0]


def averaged(average):
    """The right surprises, zero where nothing is learned, another mean of them."""

    def answer(logits, tokens, mask):
        is_learned = mask[:, 1:]
        found = surprises(logits, tokens).where(is_learned, 0.0)
        return average(found, is_learned.float(), tokens[:, 1:])

    return answer


def chosen(choose):
    """The mean over other tokens; `choose` gets tokens and mask, not yet shifted."""
    return lambda logits, tokens, mask: surprises(logits, tokens)[
        choose(tokens, mask)
    ].mean()


def through(log_shares):
    return lambda logits, tokens, mask: surprises(logits, tokens, log_shares)[
        mask[:, 1:]
    ].mean()


def not_shifted(logits, tokens, mask):
    return -logits.log_softmax(-1).gather(-1, tokens[..., None])[..., 0][mask].mean()


def shifted_the_other_way(logits, tokens, mask):
    log_probs = logits[:, 1:].log_softmax(-1)
    return -log_probs.gather(-1, tokens[:, :-1, None])[..., 0][mask[:, :-1]].mean()


def logits_hidden(logits, tokens, mask):
    return surprises(logits * mask[..., None], tokens).mean()


def real(tokens, mask=None):
    return tokens[:, 1:] != Tokenizer.pad_id


def row_means(found, learned, tokens):
    return found.sum(1) / learned.sum(1)


NOT_SHIFTED = (
    "Not shifted: each position is charged for the token that it has just read. It has "
    "to predict the next one."
)
ROWS = (
    "You took the mean of the rows' means: a token of a short answer weighs more than "
    "one of a long answer, and a row without an answer has no mean. Take one mean over "
    "the answer tokens of all rows."
)
ZERO = (
    "A small probability was rounded to zero, or a large exponential overflowed. Take "
    "softmax and logarithm in one step."
)
COUNT = (
    "You left the other tokens out of the sum but divided by {}. Divide by the number "
    "of tokens that are learned."
)
MISTAKES = {
    not_shifted: NOT_SHIFTED,
    shifted_the_other_way: "Shifted the wrong way: each position is charged for the "
    "token before it.",
    chosen(lambda t, m: m[:, :-1]): "The tokens were shifted, the mask was not: the "
    "first token of every answer is lost, and what comes after <eos> is learned.",
    chosen(lambda t, m: F.pad(m, (0, 1))[:, 2:]): "The mask was shifted twice: the "
    "header <assistant> is learned, and <eos> is not.",
    chosen(real): "The question is learned as well: you took the mean over all real "
    "tokens. Only those of the response mask count.",
    chosen(lambda t, m: torch.ones_like(m[:, 1:])): "Every position is learned, "
    "question and padding as well. Only the tokens of the response mask count.",
    chosen(lambda t, m: real(t) & ~m[:, 1:]): "The mask is the wrong way round: the "
    "question is learned and the answer is not.",
    chosen(lambda t, m: (m.cumsum(dim=1) > 0)[:, 1:]): "Padding counts: the model is "
    "charged for <pad> after the answer has ended. The mask says where the answer "
    "ends.",
    chosen(lambda t, m: m[:, 1:] & (t[:, 1:] != Tokenizer.eos_id)): "The <eos> is left "
    "out, so the model would never learn to stop.",
    averaged(lambda found, learned, t: found.mean()): COUNT.format("all positions"),
    averaged(lambda found, learned, t: found.sum() / len(found)): COUNT.format(
        "the number of rows"
    ),
    averaged(lambda found, learned, t: found.sum()): "That is the sum. Divide by the "
    "number of tokens that are learned, or a longer batch takes longer steps.",
    averaged(lambda *x: row_means(*x).mean()): ROWS,
    averaged(lambda *x: row_means(*x).nan_to_num().mean()): ROWS,
    averaged(lambda found, learned, t: -found.sum() / learned.sum()): "The sign is "
    "wrong: a surprise is minus the logarithm of a probability.",
    logits_hidden: "The logits were set to zero where nothing is learned. Zeros are "
    "logits like others, and those positions still count: leave them out of the mean.",
    through(lambda x: x.log_softmax(1)): "The softmax runs over the wrong axis, over "
    "time. Normalise over the vocabulary.",
    through(lambda x: x.softmax(-1).log()): ZERO,
    through(lambda x: (x.softmax(-1) + 1e-9).log()): "A small number added inside the "
    "logarithm hides how wrong a model is that is sure and wrong.",
    through(lambda x: x): "These are the bare logits. A softmax makes probabilities of "
    "them before the logarithm is taken.",
    through(lambda x: x.log_softmax(-1).detach()): "no gradient reaches logits",
}


# Right in other styles


def ignoring(logits, tokens, response_mask):
    targets = tokens.masked_fill(~response_mask, IGNORE).roll(-1, dims=1)
    return F.cross_entropy(logits.transpose(1, 2), targets, ignore_index=IGNORE)


def weighted(logits, tokens, response_mask):
    weights = response_mask[:, 1:].float()
    costs = F.cross_entropy(
        logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten(), reduction="none"
    )
    return (costs * weights.flatten()).sum() / weights.sum()


EXERCISE = Exercise(
    name="answer_loss",
    title="Charged for the answer alone",
    kind="implement",
    skill="average over a mask",
    difficulty=2,
    importance=5,
    minutes=15,
    chapter="07, after the response mask",
    task=TASK,
    solution=answer_loss,
    definition=definition,
    cases=cases,
    points={HEART: 2, ALIKE: 1, EXTREME: 1},
    proven="Each answer token is predicted from the position before it, questions and "
    "padding\ncost nothing, a token of a short answer weighs as much as one of a long "
    "one, and\nlogits of a thousand do no harm.",
    mistakes=MISTAKES,
    right=(ignoring, weighted),
    hints=HINTS,
    after=AFTER,
    use=use,
    library=("llmlab.pretraining.cross_entropy", "llmlab.pretraining.prediction_loss"),
)
