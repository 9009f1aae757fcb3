"""The loss of next-token prediction: shifted, averaged, stable."""

import math

import torch
from torch.nn import functional as F

from exercises import Exercise
from llmlab import life, pretraining, village
from llmlab.batching import IGNORE, next_token_batch, pad_sequences
from llmlab.checks import Case
from llmlab.tokenizer import Tokenizer

TASK = r"""
After each token the model says for every token of the vocabulary how probable it is
to come next. It is charged the **surprise** $-\ln p$ of the token that came, in
nats, and the loss is the mean of all surprises.

| reads | `<bos>` | the | gull | `<eos>` | `<pad>` |
|---|---|---|---|---|---|
| what comes | the | gull | `<eos>` | – | – |
| its probability | 1/2 | 1/4 | 1/8 | | |
| surprise | ln 2 | 2 ln 2 | 3 ln 2 | | |

The loss is $(1 + 2 + 3)/3 \cdot \ln 2 = 2 \ln 2 \approx 1.39$. Four tokens have three
surprises, nothing is asked after `<eos>`, and padding does not exist.

The model gives **logits**, any numbers, of which a softmax makes probabilities. A
probability like $e^{-1000}$ is rounded to zero in 32 bits, and the logarithm of zero
is no number to learn from. The surprise itself, 1000, is harmless.

**Before you start, predict:** a batch holds a text of 100 tokens and one of 10, and
each position costs 1 nat. Somebody leaves padding out of the sum but divides by all
198 positions that have a successor. Which loss do they report?
"""


def next_token_loss(logits, tokens):
    """The mean surprise at the next tokens, in nats.

    logits:  (batch, time, vocab); logits[b, t] were made after reading tokens
             0 to t of text b
    tokens:  (batch, time) int64; a text, then padding (Tokenizer.pad_id)
    returns: a tensor (), from which a gradient can flow back: the mean over all
             tokens of the batch that come after another one and are not padding
    """
    came = tokens[:, 1:]
    log_probs = logits[:, :-1].log_softmax(dim=-1)
    surprises = -log_probs.gather(-1, came.unsqueeze(-1)).squeeze(-1)
    return surprises[came != Tokenizer.pad_id].mean()


HINTS = (
    """Which logits have nothing to predict, and which token was never predicted? Cut
both off, and the rest fit together place by place. Then think of the last step first:
you need one surprise a place, and a mask that says which of them count.""",
    """1. the tokens that came: all but the first; the logits before them: all but the
   last
2. the logarithms of the probabilities, in one step
3. of each place, minus the entry of the token that came
4. the mean over the places where that token is not padding""",
    """Notebook 05, section 4. `cross_entropy` in `llmlab/pretraining.py` does the same;
the shift happens in `llmlab/batching.py`.""",
)

AFTER = """**What you predicted.** 108/198, about 0.55 nats instead of 1.

**Your loss on two models.** One has random weights, the other is the base model of
the course. *What is the loss of the first?* (It has a vocabulary of 2560 tokens and
no opinion.)
"""


def use(next_token_loss):
    course = life.course()
    tokenizer = course.tokenizer
    documents = village.documents(60, seed=0, split="validation")
    texts = [page.text for page in documents]
    unseen = pretraining.encode_documents(tokenizer, texts)
    tokens, segment_ids = pad_sequences(unseen, pad_id=tokenizer.pad_id)
    print(f"no opinion:     {math.log(tokenizer.vocab_size):.3f} nats")
    for name, model in (
        ("random weights", course.new_model()),
        ("base model", course.load("base")),
    ):
        with torch.no_grad():
            logits = model(tokens, segment_ids=segment_ids)
            yours = next_token_loss(logits, tokens)
            library = pretraining.prediction_loss(model, next_token_batch(unseen))
        print(f"{name + ':':15} {yours:.3f} nats, library {library:.3f}")


def definition(logits, tokens):
    total, count = 0.0, 0
    for scores, text in zip(logits, tokens.tolist(), strict=True):
        for place, came in enumerate(text[1:]):
            if came != Tokenizer.pad_id:
                total = total + scores[place].logsumexp(dim=0) - scores[place, came]
                count += 1
    return total / count


EXTREME = "logits of a thousand do no harm"


def cases(seed):
    generator = torch.Generator().manual_seed(seed)
    bos, eos = Tokenizer.bos_id, Tokenizer.eos_id

    def batch(vocab, *lengths, time=7):
        rows = torch.zeros(len(lengths), time, dtype=torch.int64)
        for row, length in enumerate(lengths):
            order = torch.randperm(vocab - 6, generator=generator) + 6
            rows[row, :length] = torch.tensor([bos, *order[: length - 2].tolist(), eos])
        return torch.randn(len(lengths), time, vocab, generator=generator), rows

    logits, tokens = batch(12, 7, 4, 3)
    words = "a model that finds all 12 tokens equally probable, whose loss is ln 12,"
    yield Case((torch.zeros_like(logits), tokens), "", words)
    for several in (
        batch(12, 3, time=3),
        batch(12, 4, time=7),
        (logits, tokens),
        batch(20, 9, 2, 5, time=9),
    ):
        shape = tuple(several[1].shape)
        yield Case(several, "", f"a batch of shape {shape}", gradients=(0,))
    sure = logits.clone()
    sure[0, 0] = -1000.0
    sure[0, 0, tokens[0, 1]] = 0.0
    words = "a batch with one token that was certain, whose surprise is 0,"
    yield Case((sure, tokens), EXTREME, words)
    wrong = torch.full_like(logits, 1000.0)
    wrong[..., Tokenizer.mask_id] = 2000.0
    words = "a model that is sure and wrong by 1000"
    yield Case((wrong, tokens), EXTREME, words, gradients=(0,))
    shift = 1000.0 * (torch.arange(21) % 3 - 1).view(3, 7, 1)
    words = "logits that differ by a number of their own at each position"
    yield Case((logits + shift, tokens), EXTREME, words)


# What people get wrong


def surprises(logits, tokens, dim=-1):
    """Of every token but the first: (batch, time - 1)."""
    log_probs = logits[:, :-1].log_softmax(dim)
    return -log_probs.gather(-1, tokens[:, 1:, None])[..., 0]


def scored(tokens):
    return tokens[:, 1:] != Tokenizer.pad_id


def wrong(
    average=None, change=lambda x: x, dim=-1, then=lambda x: x, scores=lambda x: x
):
    """The loss with one part exchanged."""

    def answer(logits, tokens):
        found = change(surprises(scores(logits), tokens, dim))
        is_scored = scored(tokens)
        if average is None:
            return then(found[is_scored].mean())
        return average(found.where(is_scored, 0.0), is_scored)

    return answer


def asked(logits_of, tokens_of):
    """Cross-entropy of some logits with some tokens, padding left out."""

    def answer(logits, tokens):
        targets = tokens_of(tokens).reshape(-1)
        given = logits_of(logits)
        return F.cross_entropy(
            given.reshape(-1, given.shape[-1]), targets, ignore_index=Tokenizer.pad_id
        )

    return answer


def from_shares(shares_of, log=torch.log, mask_first=True):
    def answer(logits, tokens):
        came = shares_of(logits)[:, :-1].gather(-1, tokens[:, 1:, None])[..., 0]
        if mask_first:
            return -log(came[scored(tokens)]).mean()
        return -log(came)[scored(tokens)].mean()

    return answer


def over_time(logits, tokens):
    came = logits.log_softmax(dim=1)[:, :-1].gather(-1, tokens[:, 1:, None])[..., 0]
    return -came[scored(tokens)].mean()


def end_to_end(logits, tokens):
    flat = logits.flatten(0, 1)[:-1], tokens.flatten()[1:]
    return F.cross_entropy(*flat, ignore_index=Tokenizer.pad_id)


def counted(is_counted):
    def answer(logits, tokens):
        return surprises(logits, tokens)[is_counted(tokens)].mean()

    return answer


def small_ones_left_out(logits, tokens):
    found = surprises(logits, tokens) * scored(tokens)
    return found.sum() / (found > 0).sum()


def largest_of_the_batch(logits, tokens):
    logits = logits - logits.max()
    log_probs = logits - logits.exp().sum(-1, keepdim=True).log()
    came = log_probs[:, :-1].gather(-1, tokens[:, 1:, None])[..., 0]
    return -came[scored(tokens)].mean()


def in_place(logits, tokens):
    logits -= logits.amax(dim=-1, keepdim=True)
    return next_token_loss(logits, tokens)


def ratio(logits):
    return logits.exp() / logits.exp().sum(-1, keepdim=True)


def same(x):
    return x


PADDING = (
    "Padding is scored: the model is asked to write <pad> after a text has ended. It "
    "learns that easily, and the loss looks better than it is."
)
ROUND = (
    "The last position is asked for something, but nothing follows it. Rolling carries "
    "a text's beginning round to its end; a batch laid end to end lets the next text "
    "follow."
)
COUNT = (
    "You left padding out of the sum, but divided by all positions. Divide by the "
    "number of tokens that are asked for."
)
AXIS = "The softmax runs over the wrong axis, over {}. Normalise over the vocabulary."
SMALL = (
    "A small number added inside the logarithm, or a bound, hides how wrong a model is "
    "that is sure and wrong."
)
ZERO = (
    "A small probability was rounded to zero, and its logarithm is infinite. Take "
    "softmax and logarithm in one step."
)
OTHER_WAY = "Shifted the wrong way: each position is asked for the token before it."
MISTAKES = {
    asked(same, same): "Not shifted: each position is asked for the token that it has "
    "just read. It has to predict the next one.",
    asked(lambda x: x[:, :-2], lambda t: t[:, 2:]): "Shifted twice: each position is "
    "asked for the token after the next.",
    asked(lambda x: x[:, 1:], lambda t: t[:, :-1]): OTHER_WAY,
    asked(same, lambda t: t.roll(-1, dims=1)): ROUND,
    end_to_end: ROUND,
    asked(lambda x: x[:, :-1], lambda t: t[:, 1:].T): "Logits and tokens are laid out "
    "in different orders: one text after the other here, one position after the other "
    "there.",
    counted(lambda t: t[:, 1:] >= 0): PADDING,
    counted(lambda t: t[:, :-1] != Tokenizer.pad_id): PADDING,
    counted(lambda t: t[:, 1:] > Tokenizer.eos_id): "<eos> is not asked for, so the "
    "model would never learn to stop. Only padding is left out.",
    wrong(average=lambda x, m: x.mean()): COUNT,
    wrong(average=lambda x, m: x.sum() / (x.shape[0] * (x.shape[1] + 1))): COUNT,
    wrong(average=lambda x, m: x.sum() / (m.sum() + len(m))): "You divided by all real "
    "tokens. The first of each text is not asked for: it comes after no other.",
    wrong(average=lambda x, m: x.sum()): "The loss is a sum over tokens; it should be "
    "their mean, so that batches of different sizes can be compared.",
    wrong(average=lambda x, m: x.sum() / len(x)): "You added up each text and divided "
    "by the number of texts, so the loss grows with their length. Divide by the number "
    "of tokens.",
    wrong(average=lambda x, m: (x.sum(1) / m.sum(1)).mean()): "You averaged each text "
    "first, so a token of a short text weighs more. Take one mean over all tokens of "
    "the batch.",
    wrong(average=lambda x, m: x.sum() / 11): "A number of tokens is written down: "
    "count them.",
    wrong(then=lambda x: -x): "The sign is wrong: surprise is minus the logarithm, and "
    "a loss should fall as the guesses get better.",
    wrong(then=lambda x: x / math.log(2)): "That is the surprise in bits. Take the "
    "natural logarithm.",
    wrong(then=torch.exp): "That is the perplexity, the exponential of the loss.",
    wrong(change=lambda x: (-x).exp()): "That is the mean probability of the tokens "
    "that came. Surprise is minus its logarithm.",
    wrong(change=lambda x: -(-x).exp()): "You averaged probabilities. Surprise is "
    "minus the logarithm of a probability.",
    over_time: AXIS.format("positions"),
    wrong(dim=1): AXIS.format("positions"),
    wrong(dim=0): AXIS.format("texts"),
    wrong(scores=lambda x: x.softmax(-1)): "The softmax was taken twice: the function "
    "that makes the loss wants the logits and takes its own. No guess can then be "
    "certain.",
    wrong(scores=lambda x: 2 * x): "The logits are twice too large, so the model seems "
    "surer than it is.",
    from_shares(ratio): "Large logits overflow: the exponential of a thousand is too "
    "large for a 32-bit number. Take the largest logit out first, as a log-softmax "
    "does.",
    from_shares(lambda x: x.softmax(-1)): ZERO,
    from_shares(lambda x: x.softmax(-1), mask_first=False): ZERO,
    **{
        from_shares(lambda x: x.softmax(-1), lambda s, e=e: (s + e).log()): SMALL
        for e in (1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-12)
    },
    **{
        from_shares(lambda x: x.softmax(-1), lambda s, e=e: s.clamp(min=e).log()): SMALL
        for e in (1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-12)
    },
    largest_of_the_batch: "The same number added to all logits of one position leaves "
    "its probabilities as they were, but not your loss. Take out the largest logit of "
    "each position, not of the whole batch.",
    small_ones_left_out: "A token that was certain has the surprise 0 and is one of "
    "those averaged. Leave out padding, not small surprises.",
    lambda logits, tokens: torch.tensor(next_token_loss(logits, tokens).item()): "",
    lambda logits, tokens: next_token_loss(logits, tokens).item(): "",
    lambda logits, tokens: next_token_loss(logits.double(), tokens): "",
    lambda logits, tokens: next_token_loss(logits, tokens) - 1e-3: "",
    lambda logits, tokens: surprises(logits, tokens) * scored(tokens): "",
    in_place: "",
}


# Right in other styles


def by_loop(logits, tokens):
    found = []
    for text, row in zip(logits, tokens, strict=True):
        for place, came in enumerate(row[1:].tolist()):
            if came != Tokenizer.pad_id:
                found.append(text[place].logsumexp(dim=-1) - text[place][came])
    return torch.stack(found).mean()


def with_a_mask(logits, tokens):
    came = tokens[:, 1:]
    is_scored = (came != Tokenizer.pad_id).float()
    log_probs = F.log_softmax(logits[:, :-1], dim=-1)
    found = -log_probs.gather(2, came.unsqueeze(2)).squeeze(2)
    return (found * is_scored).sum() / is_scored.sum()


def of_the_library(logits, tokens):
    targets = F.pad(tokens[:, 1:], (0, 1), value=IGNORE)
    return pretraining.cross_entropy(
        logits, targets.masked_fill(targets == Tokenizer.pad_id, IGNORE)
    )


def largest_taken_out(logits, tokens):
    logits = logits - logits.amax(dim=-1, keepdim=True)
    log_probs = logits - logits.exp().sum(dim=-1, keepdim=True).log()
    came = F.one_hot(tokens[:, 1:], logits.shape[-1])
    return -(log_probs[:, :-1] * came).sum(dim=-1)[scored(tokens)].mean()


EXERCISE = Exercise(
    name="next_token_loss",
    title="The loss that you watched fall",
    kind="implement",
    skill="write the loss",
    difficulty=3,
    importance=5,
    minutes=20,
    chapter="05, before section 4, which prints the library's, on targets that are "
    "shifted already",
    task=TASK,
    solution=next_token_loss,
    definition=definition,
    cases=cases,
    points={"the mean surprise at the tokens that come": 2, EXTREME: 1},
    proven="Each position is asked for the token after it, padding is neither asked "
    "for nor\ncounted, every token weighs the same, and logits of a thousand do no "
    "harm.",
    mistakes=MISTAKES,
    right=(by_loop, with_a_mask, of_the_library, largest_taken_out),
    hints=HINTS,
    after=AFTER,
    use=use,
    library=("llmlab.pretraining.cross_entropy", "llmlab.pretraining.prediction_loss"),
)
