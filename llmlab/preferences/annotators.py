"""Simulated people: unsure where two stories are close, biased, now and then careless.

Their probabilities are known exactly, and with them how often they agree with each
other and with the gold score, and what is the best that any reward model can do.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from llmlab.preferences.comparisons import Comparison


@dataclass(frozen=True)
class Annotator:
    """A simulated person who chooses between two stories of known gold scores.

    The Bradley-Terry model with the weaknesses that real annotators have.

    taste : how much this person cares for what the gold score measures; 1 is average.
    noise : the difference in gold score at which taste and chance weigh equally; > 0.
    carelessness : the share of choices made without reading.
    position_bias : the probability of choosing the first of two equal stories.
    """

    name: str
    taste: float = 1.0
    noise: float = 1.0
    carelessness: float = 0.1
    position_bias: float = 0.55

    def __post_init__(self):
        if not (self.noise > 0 and self.taste > 0):
            raise ValueError(
                f"taste is {self.taste} and noise {self.noise}; both must be above 0"
            )
        if not (0 <= self.carelessness <= 1 and 0 < self.position_bias < 1):
            raise ValueError(
                f"carelessness is {self.carelessness} and position_bias "
                f"{self.position_bias}; expected probabilities, the bias not 0 or 1"
            )

    def probability_first(self, gold_first: float, gold_second: float) -> float:
        """The exact probability that the story shown first is chosen."""
        lean = math.log(self.position_bias / (1 - self.position_bias))
        difference = self.taste * (gold_first - gold_second) / self.noise
        read = (1 + math.tanh((difference + lean) / 2)) / 2  # sigmoid, never too large
        return (1 - self.carelessness) * read + self.carelessness * self.position_bias

    def choose(
        self, gold_first: float, gold_second: float, generator: torch.Generator
    ) -> int:
        """0 for the first story, 1 for the second."""
        draw = torch.rand((), generator=generator, dtype=torch.float64).item()
        return int(draw >= self.probability_first(gold_first, gold_second))


def simulated_crowd(
    count: int,
    gold_differences: Sequence[float],
    generator: torch.Generator,
    *,
    agreement: float = 0.78,
    taste_spread: float = 0.3,
    carelessness: float = 0.1,
    position_bias: float = 0.55,
) -> list[Annotator]:
    """People of different tastes who agree with the gold score as often as asked.

    gold_differences : of typical pairs, score of one story less that of the other.
    agreement : `gold_agreement` of the crowd on these pairs. It is not agreement with
        each other, on which people are judged: real ones choose alike on 70 to 80 % of
        pairs (Stiennon et al. 2020; Ouyang et al. 2022). At 0.8 two of the village's
        crowd do on 67 to 68 % of its pairs, or on 71 to 72 % of those whose scores
        differ (`crowd_agreement`).
    taste_spread : standard deviation of log(taste).

    Raises ValueError: no noise, however small or large, gives this agreement.
    """
    tastes = (taste_spread * torch.randn(count, generator=generator)).exp().tolist()
    crowd = [
        Annotator(f"simulated-{number}", taste, 1.0, carelessness, position_bias)
        for number, taste in enumerate(tastes, start=1)
    ]
    differences = [abs(difference) for difference in gold_differences if difference]

    def crowd_with(noise: float) -> list[Annotator]:
        return [replace(annotator, noise=noise) for annotator in crowd]

    def agreement_at(noise: float) -> float:
        return gold_agreement(crowd_with(noise), differences)

    if not (crowd and differences):
        raise ValueError(
            "a crowd is fitted to its pairs: give at least one annotator and one pair "
            "whose gold scores differ"
        )
    scale = sum(differences) / len(differences)
    quiet, loud = 1e-3 * scale, 1e3 * scale  # agreement falls as noise grows
    if not agreement_at(loud) < agreement < agreement_at(quiet):
        raise ValueError(
            f"agreement {agreement} cannot be had: with these annotators it lies "
            f"between {agreement_at(loud):.3f} and {agreement_at(quiet):.3f}"
        )
    for _ in range(40):
        noise = math.sqrt(quiet * loud)
        if agreement_at(noise) > agreement:
            quiet = noise
        else:
            loud = noise
    return crowd_with(noise)


def crowd_preference(
    crowd: Sequence[Annotator], gold_first: float, gold_second: float
) -> float:
    """The exact share of choices that fall on the first of two stories.

    Averaged over the crowd and over both orders of showing them: a reward model reads
    one story alone, so it knows neither who chose nor on which side a story stood.
    """
    total = 0.0
    for annotator in crowd:
        total += annotator.probability_first(gold_first, gold_second)
        total += 1 - annotator.probability_first(gold_second, gold_first)
    return total / (2 * len(crowd))


def gold_agreement(
    crowd: Sequence[Annotator], gold_differences: Sequence[float]
) -> float:
    """The exact share of choices that fall on the story of the higher gold score.

    Pairs of equal scores are left out: there nobody can choose rightly.
    """
    gaps = [abs(gap) for gap in gold_differences if gap]
    return sum(crowd_preference(crowd, gap, 0.0) for gap in gaps) / len(gaps)


def crowd_agreement(
    crowd: Sequence[Annotator], gold_differences: Sequence[float]
) -> float:
    """The exact share of pairs on which two different people choose alike.

    Both are drawn from the crowd, and each sees the pair in an order of their own.
    """
    alike = 0.0
    for gap in gold_differences:
        first = torch.tensor(
            [crowd_preference([one], gap, 0.0) for one in crowd], dtype=torch.float64
        )
        for share in (first, 1 - first):
            both = share.sum() ** 2 - (share**2).sum()
            alike += both.item() / (len(crowd) * (len(crowd) - 1))
    return alike / len(gold_differences)


def accuracy_ceiling(probabilities: Sequence[float] | Tensor) -> float:
    """The best accuracy that anything can have: E[max(p, 1 - p)].

    probabilities : for each pair, of preferring the first (`crowd_preference`).
    """
    probabilities = torch.as_tensor(probabilities, dtype=torch.float64)
    return torch.maximum(probabilities, 1 - probabilities).mean().item()


def label(
    pairs: Iterable,
    gold: Callable[[str, str], float],
    crowd: Sequence[Annotator],
    generator: torch.Generator,
    *,
    labels_per_pair: int = 1,
) -> list[Comparison]:
    """Have a simulated crowd compare stories.

    pairs : objects with texts `prompt`, `first` and `second`.
    gold : `gold(prompt, story)`, the score that the annotators feel but do not tell.
    labels_per_pair : how many different annotators see each pair. Each sees it in an
        order of their own, so that no side is favoured.
    """
    if not 1 <= labels_per_pair <= len(crowd):
        raise ValueError(
            f"labels_per_pair is {labels_per_pair}; expected 1 to {len(crowd)}, the "
            "size of the crowd"
        )
    comparisons = []
    for pair in pairs:
        stories = (pair.first, pair.second)
        shown = [(story, gold(pair.prompt, story)) for story in stories]
        chosen = torch.randperm(len(crowd), generator=generator)[:labels_per_pair]
        for annotator in (crowd[index] for index in chosen.tolist()):
            swapped = bool(torch.randint(2, (), generator=generator))
            (first, _), (second, _) = sides = shown[::-1] if swapped else shown
            preferred = annotator.choose(*(score for _, score in sides), generator)
            told = (pair.prompt, first, second, preferred, annotator.name, "simulated")
            comparisons.append(Comparison(*told, swapped=swapped))
    return comparisons
