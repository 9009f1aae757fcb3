"""From choices to strengths: Bradley and Terry's model, fitted exactly."""

import torch
from torch import Tensor
from torch.nn import functional


def bradley_terry(wins: Tensor, *, prior: float = 0.0, steps: int = 100) -> Tensor:
    """The strengths under which what was observed is most probable.

    P(i beats j) = sigmoid(strength_i - strength_j) (Bradley and Terry 1952). The
    log-likelihood is concave; Newton's method climbs it, with steps halved wherever
    a full one would overshoot. Two items have a closed form: log(wins / losses).

    wins : (items, items), how often i beat j; any non-negative numbers.
    prior : wins *and* losses of each item against an imaginary item of strength 0.
        Above 0 it keeps strengths finite where few comparisons were made.

    Returns (items,) float64 of mean 0, in nats of log-odds; only differences count.
    Raises ValueError: without a prior, some group of items never lost to (or never met)
    the rest, so that no finite strengths are best (Ford 1957).
    """
    wins = wins.double()
    if wins.ndim != 2 or wins.shape[0] != wins.shape[1] or not (wins >= 0).all():
        raise ValueError("wins must be a square table of numbers >= 0")
    wins = wins - wins.diag().diag()  # a story against itself tells nothing
    if not prior and not _all_reach_all(wins > 0):
        raise ValueError(
            "some items never lost to the rest, so their strength would be infinite: "
            "compare more pairs, or give a prior such as 0.5"
        )
    games = wins + wins.T
    strengths = torch.zeros(len(wins), dtype=torch.float64)

    def log_likelihood(strengths: Tensor) -> Tensor:
        won = functional.logsigmoid(strengths[:, None] - strengths)
        imaginary = functional.logsigmoid(strengths) + functional.logsigmoid(-strengths)
        return (wins * won).sum() + prior * imaginary.sum()

    for _ in range(steps):
        expected = (strengths[:, None] - strengths).sigmoid()
        even = strengths.sigmoid()
        gradient = (wins - games * expected).sum(dim=1) + prior * (1 - 2 * even)
        information = games * expected * (1 - expected)
        # Adding a constant to all strengths changes nothing; the constant matrix makes
        # that flat direction curved, so that the equations have one solution.
        curvature = (
            (information.sum(dim=1) + 2 * prior * even * (1 - even)).diag()
            - information
            + 1 / len(wins)
        )
        step = torch.linalg.solve(curvature, gradient)
        if step.abs().max() < 1e-12:
            break
        current = log_likelihood(strengths)
        while log_likelihood(strengths + step) < current and step.abs().max() > 1e-12:
            step = step / 2
        strengths = strengths + step
    return strengths - strengths.mean()


def _all_reach_all(beat: Tensor) -> bool:
    """Whether a chain of wins leads from every item to every other."""
    reach = (beat | torch.eye(len(beat), dtype=torch.bool)).double()
    for _ in range(len(beat).bit_length()):  # path lengths double each time
        reach = (reach @ reach > 0).double()
    return bool(reach.all())
