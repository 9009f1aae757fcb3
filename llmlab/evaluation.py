"""What did it learn? Losses, choices, answers, and how sure we may be of each.

Every measurement comes with enough to judge it: a loss with the number of tokens behind
it, a share with a 95 % interval.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch

from llmlab.gpt import GPT
from llmlab.instruction import render_prompt
from llmlab.likelihood import sequence_log_probs
from llmlab.pretraining import encode_documents, masked_batch
from llmlab.sampling import generate
from llmlab.tokenizer import Tokenizer

NATS_PER_BIT = math.log(2)


# Language ---------------------------------------------------------------------------


@dataclass(frozen=True)
class LanguageLoss:
    """How surprised a model is by text that it has not seen.

    nats_per_token : mean over all predicted tokens, each document's <eos> included.
    error : standard error of that mean, from the spread between documents.
    """

    nats_per_token: float
    error: float
    tokens: int


def language_loss(model: GPT, sequences: Sequence[Sequence[int]]) -> LanguageLoss:
    """Next-token loss on encoded documents, each read from its own beginning.

    Raises ValueError for a masked model: it sees the tokens that it should guess.
    """
    if not model.config.causal:
        raise ValueError(
            "this model is masked: it sees the very tokens that it would be asked for. "
            "Give a next-token model, one with causal=True, or use masked_accuracy"
        )
    return _loss_of(-sequence_log_probs(model, sequences), sequences)


def entropy_line(
    bits: Sequence[float], sequences: Sequence[Sequence[int]]
) -> LanguageLoss:
    """The loss of a reader who knows how the documents were made.

    The village counts the bits of every choice behind a document. Divided by the tokens
    that tell it, they are the loss that a perfect model cannot get below, but for the
    slack of texts that can be made in more than one way.

    bits : of each document's derivation. sequences : the same documents, encoded.
    """
    nats = torch.tensor(bits, dtype=torch.float64) * NATS_PER_BIT
    return _loss_of(nats, sequences)


def _loss_of(nats: torch.Tensor, sequences) -> LanguageLoss:
    tokens = torch.tensor([len(s) - 1 for s in sequences], dtype=torch.float64)
    mean, error = ratio_of_means(nats, tokens)
    return LanguageLoss(mean, error, int(tokens.sum()))


def ratio_of_means(totals: torch.Tensor, counts: torch.Tensor) -> tuple[float, float]:
    """A mean per token and its standard error, where tokens come in documents.

    The tokens of a document have much in common, so what is drawn by chance is the
    document: the error comes from the spread between documents (Cochran 1977,
    section 6.3).

    totals, counts : (documents,), the sum over each document's tokens and their number.

    Raises ValueError if there are no tokens.
    """
    if not counts.sum() > 0:
        raise ValueError(
            f"no token to predict in {len(counts)} of {len(counts)} documents, so "
            "there is no mean; give at least one document of two tokens or more"
        )
    totals, counts = totals.double(), counts.double()
    mean = totals.sum() / counts.sum()  # ratio of means, not mean of ratios
    error = (totals - mean * counts).square().sum().sqrt() / counts.sum()
    return mean.item(), error.item()


# Choices ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Share:
    """A share of successes with its 95 % interval (Wilson 1927)."""

    successes: float
    trials: int

    @property
    def rate(self) -> float:
        return self.successes / self.trials

    @property
    def interval(self) -> tuple[float, float]:
        return wilson_interval(self.successes, self.trials)

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.rate:.2f} [{low:.2f}, {high:.2f}] of {self.trials}"


def wilson_interval(successes: float, trials: int) -> tuple[float, float]:
    """Interval that holds the true share 95 times in 100, near 0 and 1 too.

    Wilson 1927. successes : may be fractional, where a tie counts one half.
    """
    if not 0 <= successes <= trials or trials < 1:
        raise ValueError(
            f"{successes} successes of {trials} trials; expected at least one trial "
            "and no more successes than trials"
        )
    z = 1.959964  # 95 % of a normal distribution lie within so many deviations
    rate = successes / trials
    centre = (rate + z**2 / (2 * trials)) / (1 + z**2 / trials)
    spread = math.sqrt(rate * (1 - rate) / trials + z**2 / (4 * trials**2))
    half = z * spread / (1 + z**2 / trials)
    # Rounding must not leave the rate itself outside where all or none succeed.
    return max(0.0, min(rate, centre - half)), min(1.0, max(rate, centre + half))


def win_rate(challenger: Sequence[float], champion: Sequence[float]) -> Share:
    """How often the challenger's score is higher, prompt by prompt; a tie is half."""
    wins = sum(
        1.0 if new > old else 0.5 if new == old else 0.0
        for new, old in zip(challenger, champion, strict=True)
    )
    return Share(wins, len(challenger))


def sign_test(before: Sequence[bool], after: Sequence[bool]) -> float:
    """How probable so uneven a change is if nothing has changed, two-sided.

    The same prompts are judged before and after. Where both judgements agree they say
    nothing about a change; of the others, chance alone would turn as many to the better
    as to the worse (McNemar 1947, with exact binomial probabilities).
    """
    pairs = list(zip(before, after, strict=True))
    better = sum(bool(new) > bool(old) for old, new in pairs)
    changed = sum(bool(new) != bool(old) for old, new in pairs)
    fewer = min(better, changed - better)
    tail = sum(math.comb(changed, count) for count in range(fewer + 1)) / 2**changed
    return min(1.0, 2 * tail)


def explained_share(
    outcome: Sequence[float], cause: Sequence[float], given: Sequence = ()
) -> float:
    """Of what others leave unexplained, the share that a cause explains: partial R².

    All are differences between two things, so a cause of zero explains zero: there is
    no constant. What cause and others have in common counts as the others'.

    outcome, cause : (count,) each. given : the others, (count,) each; () for none.
    """
    y, x, *known = (
        torch.as_tensor(values, dtype=torch.float64)
        for values in (outcome, cause, *given)
    )
    if known:
        others, left = torch.stack(known, dim=1), torch.stack([y, x], dim=1)
        fitted = torch.linalg.lstsq(others, left, driver="gelsd").solution
        y, x = (left - others @ fitted).T
    return ((x @ y) ** 2 / ((x @ x) * (y @ y))).item()


@torch.inference_mode()
def masked_accuracy(
    model: GPT,
    tokenizer: Tokenizer,
    sequences: Sequence[Sequence[int]],
    *,
    seed: int,
    rows: int = 64,
) -> Share:
    """How often a masked model's first guess at a hidden token is right.

    Raises ValueError for a causal model, which guesses the token after the hidden one.
    """
    if model.config.causal:
        raise ValueError(
            "this model is causal: at a hidden token it guesses the next one. Give a "
            "masked model, one with causal=False, or use language_loss"
        )
    generator = torch.Generator().manual_seed(seed)
    right = trials = 0
    for start in range(0, len(sequences), rows):
        batch = masked_batch(sequences[start : start + rows], tokenizer, generator)
        batch = batch.to(model.device)
        hidden = batch.target_mask
        logits = model(batch.tokens, segment_ids=batch.segment_ids, where=hidden)
        right += int((logits.argmax(dim=-1) == batch.targets[hidden]).sum())
        trials += int(hidden.sum())
    return Share(right, trials)


def minimal_pairs(
    model: GPT, tokenizer: Tokenizer, pairs: Iterable
) -> dict[str, Share]:
    """For each phenomenon: how often the right sentence is more probable.

    Warstadt et al. 2020 (BLiMP). The two sentences of a pair differ in one thing, so
    whichever the model finds likelier shows whether it knows that thing. A tie is half.

    pairs : with `phenomenon`, `good` and `bad`.
    """
    pairs = list(pairs)
    good, bad = (
        sequence_log_probs(model, encode_documents(tokenizer, sentences))
        for sentences in ([p.good for p in pairs], [p.bad for p in pairs])
    )
    right = (good > bad) + 0.5 * (good == bad)
    return _shares(zip([p.phenomenon for p in pairs], right.tolist(), strict=True))


def _shares(outcomes: Iterable[tuple[str, float]]) -> dict[str, Share]:
    """By name, the share of its outcomes that are right."""
    by_name = defaultdict(list)
    for name, right in outcomes:
        by_name[name].append(right)
    return {name: Share(sum(right), len(right)) for name, right in by_name.items()}


def completions(model: GPT, tokenizer: Tokenizer, probes: Iterable) -> dict[str, Share]:
    """For each kind: how often the right ending is the most probable of those offered.

    Of endings that are equally probable each has its part: who knows nothing, guesses.

    probes : with `kind`, `prefix`, `answer` and `distractors`.
    """
    probes = list(probes)
    sequences, masks = [], []
    for probe in probes:
        prefix = [tokenizer.bos_id, *tokenizer.encode(probe.prefix)]
        for ending in (probe.answer, *probe.distractors):
            tokens = tokenizer.encode(ending)
            sequences.append(prefix + tokens)
            masks.append([False] * len(prefix) + [True] * len(tokens))
    log_probs = sequence_log_probs(model, sequences, masks).double()
    # By token: a long ending is no worse for its length.
    means = log_probs / torch.tensor([sum(mask) for mask in masks])
    offered = means.split([1 + len(probe.distractors) for probe in probes])
    best = [scores == scores.max() for scores in offered]
    return _shares(
        (probe.kind, (ties[0] / ties.sum()).item())
        for probe, ties in zip(probes, best, strict=True)
    )


# Answers ----------------------------------------------------------------------------

Scores = dict[str, list[float]]
"""By name of a score, its value for each example."""


def answers_scored(
    model: GPT,
    tokenizer: Tokenizer,
    examples: Sequence,
    score: Callable[[object, str], dict[str, float]],
    *,
    max_new_tokens: int = 80,
) -> dict[str, Scores]:
    """What a scorer says of the model's likeliest answers: by task, and where the
    prompts of a task are of several kinds, by population too.

    examples : with `task`, `population`, `prompt` and `earlier`.
    score : the task's exact scorer. To its scores "ended" is added: whether the answer
        ended by itself.
    """
    prompts = [render_prompt(tokenizer, each.prompt, each.earlier) for each in examples]
    said = generate(model, prompts, max_new_tokens=max_new_tokens, top_k=1)
    found: dict[str, Scores] = defaultdict(lambda: defaultdict(list))
    for example, ids, ended in zip(
        examples, said.sequences(), said.finished.tolist(), strict=True
    ):
        scores = score(example, tokenizer.decode(ids).strip()) | {"ended": ended}
        for population in {example.task, example.population}:
            for name, value in scores.items():
                found[population][name].append(float(value))
    return found


def answers_right(*asked, **how) -> dict[str, Share]:
    """How often the model's likeliest answer is right, by task and by population; asked
    as in `answers_scored`. The score "right" is 1 or 0."""
    return {
        population: Share(sum(scores["right"]), len(scores["right"]))
        for population, scores in answers_scored(*asked, **how).items()
    }
