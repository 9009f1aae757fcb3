"""The learned reward: one number that says how much people would like a text.

A GPT reads prompt and response; a linear head turns what it knows at the last token
into a score. Trained on nothing but comparisons, the score is defined up to a constant
for each prompt: only differences between answers to one prompt mean something.
"""

import copy
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from statistics import fmean
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Optimizer

from llmlab import processes
from llmlab.batching import pad_sequences, passes
from llmlab.gpt import GPT, GPTConfig
from llmlab.instruction import render_example
from llmlab.preferences import Comparison
from llmlab.progress import Metrics
from llmlab.tokenizer import Tokenizer
from llmlab.training import loss_step


class RewardModel(nn.Module):
    """A GPT with a scalar head in place of its vocabulary.

    body : where to start from, as a rule the instruct model (Stiennon et al. 2020). It
        is copied: training the reward never moves the policy, nor the other way round.
    seed : of the head's random weights.
    """

    def __init__(self, body: GPT, seed: int = 0):
        super().__init__()
        self.body = copy.deepcopy(body)
        width = body.config.width
        self.head = nn.Linear(width, 1)
        # Small enough that no sigmoid is saturated before anything was learned
        # (Stiennon et al. 2020: standard deviation 1 / sqrt(width + 1)).
        generator = torch.Generator().manual_seed(seed)
        nn.init.normal_(self.head.weight, std=(width + 1) ** -0.5, generator=generator)
        nn.init.zeros_(self.head.bias)
        self.to(body.embedding.weight)
        # Set once by `normalise`, never trained (Ziegler et al. 2019).
        self.register_buffer("gain", torch.ones_like(self.head.bias[0]))
        self.register_buffer("bias", torch.zeros_like(self.head.bias[0]))

    @classmethod
    def from_config(cls, config: GPTConfig) -> "RewardModel":
        """An untrained reward model of this shape, to be filled from a checkpoint."""
        return cls(GPT(config))

    @property
    def config(self) -> GPTConfig:
        return self.body.config

    def forward(self, tokens: Tensor, segment_ids: Tensor | None = None) -> Tensor:
        """Score whole texts, (batch,), read off at each row's last real token.

        tokens : (batch, time), prompt and response, the end token included.
        segment_ids : (batch, time), 1 on text and 0 on padding, on either side. None:
            no padding.
        """
        if segment_ids is None:
            segment_ids = torch.ones_like(tokens)
        hidden = self.body.hidden_states(tokens, segment_ids=segment_ids)
        last = last_real_token(segment_ids)
        rows = torch.arange(len(tokens), device=tokens.device)
        return self.gain * self.head(hidden[rows, last])[:, 0] + self.bias

    @torch.no_grad()
    def score(
        self, prompts: Sequence[Sequence[int]], responses: Sequence[Sequence[int]]
    ) -> Tensor:
        """Score responses (token ids, end token included) to prompts, (count,)."""
        pairs = zip(prompts, responses, strict=True)
        return self.score_texts([[*prompt, *response] for prompt, response in pairs])

    @torch.no_grad()
    def score_texts(self, sequences: Sequence[Sequence[int]], rows: int = 64) -> Tensor:
        """Score prompts with their responses, (count,), `rows` at a time."""
        scores = []
        for start in range(0, len(sequences), rows):
            scores.append(self(*_pad(sequences[start : start + rows], self)))
        return torch.cat(scores)


def last_real_token(segment_ids: Tensor) -> Tensor:
    """Column of each row's last token that is not padding, (batch,).

    By segment, never by `tokens != pad`: a reward read off one token early is the
    classic silent fault of models whose padding is the end token.
    """
    real = segment_ids != 0
    if not real.any(dim=1).all():
        raise ValueError("a row consists of padding only; every text needs a token")
    columns = torch.arange(real.shape[1], device=real.device)
    return (columns * real).amax(dim=1)


def _pad(sequences, model: nn.Module) -> tuple[Tensor, Tensor]:
    device = next(model.parameters()).device
    tokens, segment_ids = pad_sequences(sequences)
    return tokens.to(device), segment_ids.to(device)


# Learning from comparisons ----------------------------------------------------------


class EncodedComparison(NamedTuple):
    """Token ids of prompt and story, for the story chosen and for the other.

    response_start : where the stories begin, behind their prompt.
    share : how much the labels say for the winner: 1 if all agree, one half for a tie.
    """

    winner: list[int]
    loser: list[int]
    response_start: int = 1
    share: float = 1.0


PairScores = tuple[Tensor, Tensor]
"""Scores of winners and of losers, (pairs,) each."""


def encode_comparisons(
    comparisons: Iterable[Comparison], tokenizer: Tokenizer, *, context: int
) -> list[EncodedComparison]:
    """Render both stories of each pair as the policy would write them.

    A pair that several people compared is read once: its share is that of the votes.
    The loss and its gradient are those of all their labels, divided by their number.

    Comparisons of a story with itself are left out: their loss is log 2 whatever the
    model says, and would be mistaken for something that it failed to learn.

    Raises ValueError: a pair lacks a side, or a story does not fit the context. Cutting
    it would take away its end token, which is where the reward is read off.
    """
    by_pair: dict[str, list[Comparison]] = defaultdict(list)
    for comparison in comparisons:
        _check_sides(comparison)
        by_pair[comparison.pair].append(comparison)
    encoded = []
    for labels in by_pair.values():
        prompt, winner, loser, share = _voted(labels)
        (won, learned), (lost, _) = (
            render_example(tokenizer, prompt, story) for story in (winner, loser)
        )
        longest = max(len(won), len(lost))
        if longest > context:
            raise ValueError(
                f"a story takes {longest} tokens with its prompt, but the model reads "
                f"{context}; leave it out: {prompt!r}"
            )
        if won != lost:
            encoded.append(EncodedComparison(won, lost, learned.index(True), share))
    return encoded


def _check_sides(comparison: Comparison) -> None:
    """An empty story would be learned as whatever its end token is worth."""
    for side in ("first", "second"):
        if not getattr(comparison, side).strip():
            raise ValueError(
                f"a pair has no {side} story, so nothing was compared; leave it out: "
                f"{comparison.prompt!r}"
            )


def _voted(labels: Sequence[Comparison]) -> tuple[str, str, str, float]:
    """Prompt, winner, loser and the winner's share of the votes on one pair, whichever
    story each voter saw first. Of equals, the first stands for the winner."""
    one = labels[0]
    votes = fmean(
        label.target if label.first == one.first else 1 - label.target
        for label in labels
    )
    if votes < 0.5:
        return one.prompt, one.second, one.first, 1 - votes
    return one.prompt, one.first, one.second, votes


def preference_loss(
    winner_scores: Tensor, loser_scores: Tensor, shares: Tensor | float = 1.0
) -> Tensor:
    """-log sigmoid(r_winner - r_loser), mean over pairs: the Bradley-Terry likelihood.

    Stiennon et al. 2020, section 3.4. `logsigmoid` rather than log(sigmoid), which
    underflows where the model is surest to be wrong. Both inputs (pairs,).

    shares : how much each label says for the winner; one half: a tie, which is least
        surprising at equal scores.
    """
    differences = winner_scores - loser_scores
    for_winner = functional.logsigmoid(differences)
    for_loser = functional.logsigmoid(-differences)
    return -(shares * for_winner + (1 - shares) * for_loser).mean()


def reward_scores(
    model: RewardModel,
) -> Callable[[Sequence[EncodedComparison]], PairScores]:
    """How to score pairs by a reward model, with gradients, for `preference_step`.

    Both stories of a pair go through the model in one batch.
    """

    def scores_of(pairs: Sequence[EncodedComparison]) -> PairScores:
        texts = [pair.winner for pair in pairs] + [pair.loser for pair in pairs]
        scores = model(*_pad(texts, model))
        return scores[: len(pairs)], scores[len(pairs) :]

    return scores_of


def preference_step(
    model: nn.Module,
    scores_of: Callable[[Sequence[EncodedComparison]], PairScores],
    pairs: Sequence[EncodedComparison],
    optimizers: dict[str, Optimizer],
    *,
    steps: int,
    comparisons: int = 32,
    seed: int = 0,
    clip: float = 1.0,
) -> Callable[[int, torch.Generator], Metrics]:
    """An update for `training.train`: learn from `comparisons` pairs at a time.

    Every pair is seen once before any is seen twice. `len(pairs) // comparisons` steps
    are one pass. Ouyang et al. 2022 stop there: reward models soon overfit.

    model : what learns: a reward model, or the policy itself.
    scores_of : `reward_scores(model)`, or `dpo.implicit_rewards(policy, …)`.
    steps : updates in all; the learning rate warms up, stays, and falls to zero.
    """
    if not pairs:
        raise ValueError("there are no comparisons to learn from; give at least one")

    processes.check_share(comparisons, "comparisons")
    order = passes(
        lambda dice: torch.randperm(len(pairs), generator=dice).tolist(),
        steps * comparisons,
        seed,
    )

    def loss_of(index: int, generator: torch.Generator) -> tuple[Tensor, int, Metrics]:
        rows = order[index * comparisons : (index + 1) * comparisons]
        chosen = [pairs[rows[number]] for number in processes.share(len(rows))]
        winners, losers = scores_of(chosen)
        shares = winners.new_tensor([pair.share for pair in chosen])
        loss = preference_loss(winners, losers, shares)
        tokens = sum(len(pair.winner) + len(pair.loser) for pair in chosen)
        agreement = expected_agreement(winners.detach(), losers.detach(), shares)
        told = {"accuracy": agreement.mean().item(), "tokens": tokens}
        return loss, len(chosen), told

    return loss_step(model, optimizers, loss_of, steps=steps, clip=clip)


@torch.no_grad()
def normalise(model: RewardModel, sequences: Sequence[Sequence[int]]) -> None:
    """Set gain and bias so that these texts have mean 0 and standard deviation 1.

    As Ziegler et al. 2019. Give it texts of the *reference* policy: then a
    score of 1 is one standard deviation above what the model wrote before reinforcement
    learning, and the weight of the KL penalty means the same for every reward model.
    """
    if len(sequences) < 2:
        raise ValueError(f"{len(sequences)} texts have no spread; give two or more")
    scores = (model.score_texts(sequences) - model.bias) / model.gain
    spread = scores.std()
    if not spread > 1e-5:  # below that it is rounding, not opinion
        raise ValueError(
            "all texts have the same score; give different texts, or train the model"
        )
    model.gain.copy_(1 / spread)
    model.bias.copy_(-scores.mean() / spread)


# What was learned -------------------------------------------------------------------


def accuracy(winner_scores: Tensor, loser_scores: Tensor) -> float:
    """The share of pairs in which the winner scores higher; a tie counts one half."""
    higher = (winner_scores > loser_scores).double()
    ties = (winner_scores == loser_scores).double()
    return (higher + ties / 2).mean().item()


def expected_agreement(
    first_scores: Tensor, second_scores: Tensor, preferences: Tensor
) -> Tensor:
    """How probably a labeller agrees with the scores on each pair, (pairs,).

    No label is drawn, so none of their noise is in it; its mean is at most the mean of
    max(p, 1 - p), the ceiling.

    preferences : (pairs,), the probability that the first text is preferred.
    """
    for_first = (first_scores > second_scores).double()
    for_first += (first_scores == second_scores).double() / 2
    return for_first * preferences + (1 - for_first) * (1 - preferences)


def calibration_slope(
    differences: Tensor, preferences: Tensor, steps: int = 50
) -> float:
    """What differences of rewards should be multiplied by to be honest about how sure
    they are: 1 if they are, less if they are too sure.

    The most probable slope of a logistic regression through the origin, by Newton.

    differences : (pairs,), reward of the first text less that of the second, in nats.
    preferences : (pairs,), the probability that the first is preferred, or 0 and 1.
    """
    x, target = differences.double(), preferences.double()
    if not x.abs().max() > 0:
        raise ValueError(
            "all rewards are equal, so no slope is better than another; give texts "
            "that the model tells apart"
        )
    slope = x.new_zeros(())  # from here the first step is never too long
    for _ in range(steps):
        said = (slope * x).sigmoid()
        slope = slope + (target - said) @ x / ((said * (1 - said)) @ x.square())
    return slope.item()
