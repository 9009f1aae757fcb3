"""Several rewards in place of one, and what they are sure of.

A reward fitted to few labels is right about the texts that it was fitted to, and off at
random elsewhere. An optimiser finds the elsewhere. Rewards fitted to the same labels,
each time drawn anew, agree where the labels decide and fall apart where they do not: so
pay what they promise on average, less a price for their disagreement (Coste et al.
2023, "Reward Model Ensembles Help Mitigate Overoptimization").
"""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from llmlab.gpt import GPT
from llmlab.taste import Tokens, story_features


def lower_bound(scores: Tensor, caution: float = 1.0) -> Tensor:
    """What an ensemble promises at least, (texts,): mean - caution · deviation.

    The deviation is taken among the members, with n - 1 in its divisor: of a text on
    which all agree nothing is taken off.

    scores : (members, texts), each member in the same unit.
    caution : 0: the mean. The more, the nearer to the gloomiest member, and beyond.
    Raises ValueError: fewer than two members, who cannot disagree.
    """
    if scores.dim() != 2 or len(scores) < 2:
        raise ValueError(
            f"scores have the shape {tuple(scores.shape)}; expected (members, texts) "
            "with two members or more: one alone never disagrees with itself"
        )
    return scores.mean(dim=0) - caution * scores.std(dim=0)


@dataclass(frozen=True)
class Ensemble:
    """Linear rewards, its heads, on what one frozen body knows of a story.

    body : whose `taste.story_features` the heads read.
    weights, biases : (heads, features) and (heads,).
    caution : of the lower bound that it pays.
    """

    body: GPT
    weights: Tensor
    biases: Tensor
    caution: float

    def of_each(self, prompts: list[Tokens], responses: list[Tokens]) -> Tensor:
        """What each head says, (heads, batch)."""
        features = story_features(self.body, prompts, responses)
        return self.weights @ features.T + self.biases[:, None]

    def score(self, prompts: list[Tokens], responses: list[Tokens]) -> Tensor:
        """The lower bound, (batch,), as a `rollouts.RewardFunction`."""
        scores = self.of_each(prompts, responses)
        return lower_bound(scores, self.caution).float()


def ensemble_of(
    body: GPT,
    directions: Tensor,
    prompts: Sequence[Tokens],
    responses: Sequence[Tokens],
    caution: float = 1.0,
) -> Ensemble:
    """An ensemble whose heads all have mean 0 and standard deviation 1 on these texts
    of the reference policy: without that, the loudest head would be the ensemble.

    directions : (heads, features), as `taste.bootstrap` fits them to labels.
    Raises ValueError: one head alone, heads of another body, or a head that scores all
        texts alike.
    """
    width = 2 * body.config.width
    if directions.dim() != 2 or len(directions) < 2:
        raise ValueError(
            f"the heads have the shape {tuple(directions.shape)}; expected (heads, "
            "features) with two heads or more: draw the labels anew for each of them"
        )
    if directions.shape[1] != width:
        raise ValueError(
            f"these heads weigh {directions.shape[1]} features, and this body tells "
            f"{width}: they were fitted to another body. Fit them to its own features"
        )
    scores = story_features(body, prompts, responses) @ directions.T
    means, spreads = scores.mean(dim=0), scores.std(dim=0)
    if not (spreads > 1e-6).all():
        raise ValueError(
            "a head scores all texts alike, so it has learned nothing; give it labels "
            "of texts that differ, or other texts"
        )
    return Ensemble(body, directions / spreads[:, None], -means / spreads, caution)
