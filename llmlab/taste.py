"""A taste from forty clicks: one direction in what a frozen model already knows.

A reward model that is trained as a whole takes thousands of labels; one reader gives
forty. But a model that can write a line of speech holds, somewhere in its hidden
states, that it has. So nothing is learned here but a direction in them: which way do
the stories lie that this reader likes?

A pair of stories is a row of `pair_differences`, (pairs, features), in the units of
`scale_of`. A click is a target: 1 for the first story, 0 for the second, 1/2 for a tie.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from llmlab.batching import pad_sequences
from llmlab.gpt import GPT
from llmlab.instruction import render_example
from llmlab.optimisers import adamw
from llmlab.policy_gradient import RLOO, PolicySettings, policy_step
from llmlab.preferences import EQUAL
from llmlab.progress import Metrics
from llmlab.rollouts import RewardFunction, frozen_copy
from llmlab.tokenizer import Tokenizer
from llmlab.training import train
from llmlab.village import gold

Tokens = list[int]
Reader = Callable[[str, str], float]
"""`reader(prompt, story)`: how much of what they like a scripted reader finds in it."""

# What the frozen model knows of a story -----------------------------------------------


def summary(hidden: Tensor, told: Tensor) -> Tensor:
    """Sum and maximum of what is known at a story's tokens, (batch, 2 * width).

    The sum says how much there is of a thing, the maximum whether there is any.

    hidden : (batch, time, width), the last layer's states.
    told : (batch, time), true on the story's own tokens: not on prompt or padding.
    """
    told = told[..., None]
    total = (hidden * told).sum(dim=1)
    largest = hidden.masked_fill(~told, float("-inf")).amax(dim=1)
    return torch.cat([total, largest], dim=1)


@torch.no_grad()
def story_features(
    model: GPT, prompts: Sequence[Tokens], responses: Sequence[Tokens], rows: int = 64
) -> Tensor:
    """The `summary` of each response, its end token included: (count, 2 * width)."""
    device = model.embedding.weight.device
    found = []
    for start in range(0, len(prompts), rows):
        part = slice(start, start + rows)
        texts = list(zip(prompts[part], responses[part], strict=True))
        whole = pad_sequences([[*prompt, *said] for prompt, said in texts])
        marks = pad_sequences([[0] * len(p) + [1] * len(said) for p, said in texts])[0]
        tokens, segment_ids, told = (each.to(device) for each in (*whole, marks == 1))
        hidden = model.hidden_states(tokens, segment_ids=segment_ids)
        found.append(summary(hidden, told).double().cpu())
    return torch.cat(found)


def pair_differences(model: GPT, tokenizer: Tokenizer, pairs: Iterable) -> Tensor:
    """Features of each pair's first story less those of its second, (pairs, features).

    pairs : with texts `prompt`, `first` and `second`: a `StoryPair`, a `Comparison`.
    """
    prompts, responses = [], []
    for pair in pairs:
        for story in (pair.first, pair.second):
            ids, learned = render_example(tokenizer, pair.prompt, story)
            start = learned.index(True)
            prompts.append(ids[:start])
            responses.append(ids[start:])
    features = story_features(model, prompts, responses)
    return features[::2] - features[1::2]


def scale_of(differences: Tensor) -> Tensor:
    """The unit of each feature, (features,): in it, a usual pair has length one."""
    spread = differences.square().mean(dim=0).sqrt().clamp(min=1e-6)
    return spread * differences.shape[1] ** 0.5


# From clicks to a direction -----------------------------------------------------------

RIDGE = 0.5  # chosen on validation prompts, over the five scripted readers


def penalised_loss(
    direction: Tensor, differences: Tensor, targets: Tensor, ridge: float = RIDGE
) -> Tensor:
    """Bradley and Terry's surprise at the clicks, and what a long direction costs.

    P(the first is better) = sigmoid(direction · difference). With fewer clicks than
    features, countless directions explain every click. Of those, `ridge` / 2 times the
    squared length takes the shortest, which promises least about the rest.

    direction (features,), differences (clicks, features), targets (clicks,).
    """
    surprise = functional.binary_cross_entropy_with_logits(
        differences @ direction, targets, reduction="sum"
    )
    return surprise + ridge / 2 * direction.square().sum()


def fit(differences: Tensor, targets: Tensor, ridge: float = RIDGE) -> Tensor:
    """The direction that makes `penalised_loss` smallest, (features,): there is one.

    Raises ValueError: there are no clicks, or not one for each pair.
    """
    if len(targets) == 0 or targets.shape != differences.shape[:1]:
        raise ValueError(
            f"{len(targets)} clicks on {len(differences)} pairs; expected at least "
            "one, and one for each pair"
        )
    direction = torch.zeros_like(differences[0]).requires_grad_()
    how = dict(max_iter=500, tolerance_grad=1e-9, tolerance_change=1e-14)
    solver = torch.optim.LBFGS([direction], line_search_fn="strong_wolfe", **how)

    def loss_and_gradient() -> Tensor:
        solver.zero_grad()
        loss = penalised_loss(direction, differences, targets, ridge)
        loss.backward()
        return loss

    solver.step(loss_and_gradient)
    return direction.detach()


# Which pair to ask about --------------------------------------------------------------


def bootstrap(
    differences: Tensor,
    targets: Tensor,
    generator: torch.Generator,
    *,
    members: int = 8,
    ridge: float = RIDGE,
) -> Tensor:
    """Directions fitted to the clicks, each time drawn anew: (members, features).

    What the clicks decide, all of them say (Efron 1979).
    """
    count = len(targets)
    drawn = torch.randint(count, (members, count), generator=generator)
    return torch.stack([fit(differences[d], targets[d], ridge) for d in drawn])


def disagreement(differences: Tensor, directions: Tensor) -> Tensor:
    """How far apart the directions' probabilities lie on each pair, (pairs,): their
    standard deviation. 0: they say the same; 1/2: half of them are sure of either."""
    probabilities = (differences @ directions.T).sigmoid()
    return probabilities.std(dim=1, correction=0)


def next_pairs(
    differences: Tensor,
    asked: Sequence[int],
    targets: Tensor,
    count: int,
    generator: torch.Generator,
) -> list[int]:
    """Which rows of the pool to ask about next: those that are disputed most.

    asked, targets : what was asked so far, and what was clicked. While that is nothing,
        there is nothing to dispute, and pairs are drawn at random.
    """
    left = sorted(set(range(len(differences))) - set(asked))
    if len(asked) == 0:
        order = torch.randperm(len(left), generator=generator)
    else:
        directions = bootstrap(differences[list(asked)], targets, generator)
        disputed = disagreement(differences[left], directions)
        order = disputed.argsort(descending=True, stable=True)
    return [left[place] for place in order[:count].tolist()]


ROUNDS = (10, 30)


def interview(
    differences: Tensor,
    answer: Callable[[int], float],
    generator: torch.Generator,
    rounds: Sequence[int] = ROUNDS,
) -> tuple[list[int], Tensor]:
    """Ask a reader about pairs of the pool: the rows asked about, and the targets.

    answer : of a row, its target. rounds : how many pairs to choose at a time. One
        round alone is drawn at random.
    """
    asked: list[int] = []
    targets = differences.new_zeros(0)
    for count in rounds:
        more = next_pairs(differences, asked, targets, count, generator)
        targets = torch.cat([targets, differences.new_tensor([*map(answer, more)])])
        asked += more
    return asked, targets


# The reward, and what it does to a policy ---------------------------------------------


@dataclass(frozen=True)
class Taste:
    """A linear reward on what a frozen model knows of a story.

    weights, bias : of the features as they are, (features,) and one number.
    """

    model: GPT
    weights: Tensor
    bias: float

    def score(self, prompts: list[Tokens], responses: list[Tokens]) -> Tensor:
        """(batch,), as a `rollouts.RewardFunction`."""
        features = story_features(self.model, prompts, responses)
        return (features @ self.weights + self.bias).float()


def taste_of(
    model: GPT, weights: Tensor, prompts: list[Tokens], responses: list[Tokens]
) -> Taste:
    """A taste under which these stories have mean 0 and standard deviation 1, so that
    a nat of divergence is as dear for every reader.

    Raises ValueError: the stories are all liked alike.
    """
    scores = story_features(model, prompts, responses) @ weights
    if not scores.std() > 1e-6:
        raise ValueError(
            "all stories are liked alike, so there is nothing to practise; ask about "
            "more pairs, or about pairs that differ"
        )
    unit = scores.std()
    return Taste(model, weights / unit, -(scores.mean() / unit).item())


STEERING = replace(
    RLOO,
    steps=20,
    rate=4e-4,
    responses=64,
    group=4,
    beta=0.1,
    temperature=1.0,  # bold: what is liked must turn up to be made more probable
    max_new_tokens=190,
)
"""Twenty updates: about a minute on two cores."""


def steer(
    policy: GPT,
    reward: RewardFunction,
    prompts: Sequence[Tokens],
    settings: PolicySettings = STEERING,
    *,
    seed: int = 0,
    **watching,
) -> list[Metrics]:
    """Make more probable what a reader likes: chapter 9's update with their reward.

    Returns the history of `training.train`, which also gets `watching`.
    """
    optimizers = adamw(policy, settings.rate, eps=1e-5)
    reference = frozen_copy(policy)
    step = policy_step(policy, reference, reward, prompts, settings, optimizers)
    modules = {"policy": policy}
    how = dict(steps=settings.steps, modules=modules, optimizers=optimizers, seed=seed)
    return train(step, **how, **watching)


# Readers whose taste is known ---------------------------------------------------------


def _count(kind: str) -> Reader:
    return lambda prompt, story: gold.read(prompt, story).counts[kind]


READERS: dict[str, Reader] = {
    "dialogue": _count("line"),
    "similes": _count("simile"),
    "details": _count("senses"),
    "twists": _count("twist"),
    "short": lambda prompt, story: -gold.read(prompt, story).words,
}
"""Scripted readers: each counts one thing, likes more of it, and sees nothing else."""


def choice(reader: Reader, pair) -> int | float:
    """What a reader clicks: 0 for the first story, 1 for the second, or `EQUAL`."""
    first, second = (reader(pair.prompt, story) for story in (pair.first, pair.second))
    return EQUAL if first == second else int(second > first)
