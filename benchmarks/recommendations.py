"""Who recommends best: regret over 2,000 interactions, and after tastes turn.

Twenty groups of readers that nobody has met, each served by every recommender under the
same luck. The policy's three weights come from practice with other readers; settings of
memory and bandit were chosen on others again. What is told is kept beside the
checkpoints that it belongs to; chapter 16 draws it.
"""

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.timing import Measured
from llmlab.checkpoints import weights_hash
from llmlab.files import write_atomically
from llmlab.life import Life
from llmlab.paths import CHECKPOINTS, DATA
from llmlab.recommendation import (
    Article,
    LinUCB,
    Memory,
    Oracle,
    Policy,
    Popularity,
    Readers,
    Recommender,
    article_features,
    gazette,
    visits,
)

KEPT = DATA / "recommendations.json"
READERS, SHELF = 5, 200
PRACTICE = range(4)
TEST = range(2000, 2020)
BLOCK = 20  # visits: with five readers, 100 interactions


def recommendations(
    seeds: range = TEST,
    practice: range = PRACTICE,
    blocks: tuple[int, int] = (20, 5),
    *,
    life: Life | None = None,
    kept: Path = KEPT,
) -> Iterator[Measured]:
    """Rows of the report; of the test readers, the figures are kept.

    blocks : how many of them before and after tastes turn.
    """
    life = life or Life(CHECKPOINTS)
    base = life.load("base").requires_grad_(False)
    articles = gazette(SHELF, seed=life.seed)
    known = article_features(base, life.tokenizer, articles)
    weights = practise(articles, known, practice, blocks[0])
    told = {
        name: [regret(articles, seed, make, blocks) for seed in seeds]
        for name, make in recommenders(known, weights).items()
    }
    yield from rows(told, blocks)
    if seeds == TEST:
        found = {"base": weights_hash(base), "weights": weights, "regret": told}
        write_atomically(kept, (json.dumps(found, indent=1) + "\n").encode())


def practise(
    articles: list[Article], known: Tensor, seeds: range, blocks: int
) -> list[float]:
    """The policy's weights after it has served some groups of readers, in turn."""
    weights = [1.0, 0.0, 1.0]
    for seed in seeds:
        policy = Policy(Memory(known, READERS), weights=weights)
        dice = torch.Generator().manual_seed(seed)
        group = Readers(articles, READERS, seed=seed)
        visits(group, policy, blocks * BLOCK, dice)
        weights = policy.weights.tolist()
    return weights


def recommenders(
    known: Tensor, weights: list[float]
) -> dict[str, Callable[[Readers], Recommender]]:
    """Who is compared: how each is made, for some readers."""
    ids = torch.eye(len(known)).to(known)

    def policy(features: Tensor, readers: Readers, **how) -> Policy:
        return Policy(Memory(features, READERS), **how)

    # Paid for this click only, practice learns to shun what is not known: doubt counts
    # nothing at first. So chosen on readers of neither kind, seeds 1000 to 1007.
    calm = dict(weights=[weights[0], 0.0, weights[2]], rate=0.03)
    return {
        "oracle": Oracle,
        "popularity": lambda readers: Popularity(len(known)),
        "bandit": lambda readers: LinUCB(Memory(known, READERS)),
        "policy": partial(policy, known, **calm),
        "policy, as practised": partial(policy, known, weights=weights, rate=0.03),
        "policy, no practice": partial(policy, known),
        "policy, numbers only": partial(policy, ids, **calm),
    }


def regret(
    articles: list[Article],
    seed: int,
    make: Callable[[Readers], Recommender],
    blocks: tuple[int, int],
) -> list[float]:
    """Regret of each block, summed over readers; tastes turn between the two parts."""
    readers, dice = (
        Readers(articles, READERS, seed=seed),
        torch.Generator().manual_seed(seed),
    )
    recommender = make(readers)
    parts = []
    for number, count in enumerate(blocks):
        if number:
            readers.turn()
        diary = visits(readers, recommender, count * BLOCK, dice)
        parts.append(diary.regret.view(count, -1).sum(dim=1))
    return [round(value, 3) for value in torch.cat(parts).tolist()]


def rows(
    told: dict[str, list[list[float]]], blocks: tuple[int, int]
) -> Iterator[Measured]:
    """The figures beside their bars."""
    sums = {name: torch.tensor(each) for name, each in told.items()}
    before = {name: each[:, : blocks[0]].sum(dim=1) for name, each in sums.items()}
    after = {name: each[:, blocks[0] :].sum(dim=1) for name, each in sums.items()}
    for name in before:
        if name not in ("oracle", "popularity"):
            share = before[name] / before["popularity"]
            bar = 0.5 if name == "policy" else None
            what = f"{name}: regret / popularity's"
            yield Measured(what, share.tolist(), at_most=bar)
    for when, part in {"": before, ", after tastes turned": after}.items():
        less = part["policy"] - part["bandit"]
        error = less.std() / len(less) ** 0.5
        what = f"policy: mean regret less the bandit's{when}"
        note = f"standard error {error:.1f}; at most 1.96 of them above zero is a tie"
        yield Measured(what, [less.mean().item()], at_most=0.0, note=note)
    last = {name: each[:, -1].sum() for name, each in sums.items()}
    yield Measured(
        "policy: the last hundred interactions of all, regret / popularity's",
        [(last["policy"] / last["popularity"]).item()],
        at_most=0.5,
    )
