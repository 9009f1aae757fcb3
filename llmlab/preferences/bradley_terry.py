"""From choices to strengths: Bradley and Terry's model, fitted exactly, with ties."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from llmlab.preferences.comparisons import EQUAL, Comparison

Z = 1.959964  # 95 % of a normal distribution lie within so many deviations
NEVER = -33.0  # log-probability: to see it happen would take e^33 comparisons


@dataclass(frozen=True)
class Strengths:
    """Strengths of items, and how sure they are.

    values : (items,) float64 of mean 0, in nats of log-odds; only differences count.
    covariance : (items, items), of the errors of the values.
    tie : between two items of one strength, how often they are called equal for each
        time that one of them is chosen; 0 where there are no ties.
    """

    values: Tensor
    covariance: Tensor
    tie: float

    def intervals(self) -> list[tuple[float, float, float]]:
        """(value, low, high) of each item, its 95 % interval."""
        errors = Z * self.covariance.diag().clamp(min=0).sqrt()
        ends = (self.values, self.values - errors, self.values + errors)
        return list(zip(*(end.tolist() for end in ends), strict=True))


def bradley_terry(wins: Tensor, ties: Tensor | None = None, **how) -> Tensor:
    """The strengths alone of `fit_strengths`: (items,)."""
    return fit_strengths(wins, ties, **how).values


def fit_strengths(
    wins: Tensor, ties: Tensor | None = None, *, prior: float = 0.0, steps: int = 100
) -> Strengths:
    """The strengths under which what was observed is most probable.

    P(i beats j), P(j beats i) and P(tie) are as exp(d / 2), exp(-d / 2) and v, where d
    is strength_i - strength_j (Davidson 1970). Without ties, v is 0 and P(i beats j) is
    sigmoid(d) (Bradley and Terry 1952). Two items have a closed form: d is
    log(wins / losses), and v is ties / sqrt(wins * losses).

    The log-likelihood is concave in the strengths and log v; Newton's method climbs it,
    with steps halved wherever a full one would overshoot.

    wins : (items, items), how often i beat j; any non-negative numbers.
    ties : (items, items), how often i and j were called equal, the same as j and i.
    prior : wins *and* losses of each item against an imaginary item of strength 0.
        Above 0 it keeps strengths finite where few comparisons were made.

    Raises ValueError: without a prior, some group of items never lost to (or never met)
    the rest, so that no finite strengths are best (Ford 1957).
    """
    model = _Davidson(*_checked(wins, ties), prior)
    if not prior and not _all_reach_all(model.wins + model.ties > 0):
        raise _infinite()
    place = torch.zeros(len(wins) + model.tied, dtype=torch.float64)
    try:
        for _ in range(steps):
            step = torch.linalg.solve(model.curvature(place), model.slope(place))
            if step.abs().max() < 1e-12:
                break
            now = model.log_likelihood(place)
            # Of small steps the likelihood would show nothing but its rounding.
            while step.abs().max() > 1e-6 and model.log_likelihood(place + step) < now:
                step = step / 2
            place = place + step
    except torch.linalg.LinAlgError as error:
        raise _infinite() from error
    if not step.abs().max() < 1e-3 or model.least(place) < NEVER:
        raise _infinite()
    values = place[: len(wins)]
    tie = math.exp(place[-1]) if model.tied else 0.0
    return Strengths(values - values.mean(), model.covariance(place), tie)


def win_table(
    labels: Iterable[Comparison], items: Sequence[str]
) -> tuple[Tensor, Tensor]:
    """Who won how often against whom, and who tied: twice (items, items)."""
    number = {text: index for index, text in enumerate(items)}
    wins, ties = torch.zeros(2, len(items), len(items), dtype=torch.float64)
    for label in labels:
        if label.preferred == EQUAL:
            one, other = number[label.first], number[label.second]
            ties[one, other] += 1
            ties[other, one] += 1
        else:
            wins[number[label.winner], number[label.loser]] += 1
    return wins, ties


def rank_error(estimated: Sequence[float], true: Sequence[float]) -> float:
    """The share of pairs that an estimate puts in the wrong order.

    0 is the true order, 1/2 what dice get, 1 the order upside down; two estimates that
    are equal are half wrong, and what is truly equal does not count. (Kendall's tau is
    one less twice this.)
    """
    guess, truth = (torch.as_tensor(v, dtype=torch.float64) for v in (estimated, true))
    order = (truth[:, None] - truth).sign()
    agree = ((guess[:, None] - guess).sign() * order)[order != 0]
    return ((1 - agree) / 2).mean().item()


@dataclass(frozen=True)
class _Davidson:
    """The log-likelihood of a place: strengths, and log v behind them if any tied.

    Of one comparison of i with j, let x be 1/2, -1/2 or 0 for a win, a loss or a tie.
    Slope and curvature are what was observed less what is expected, and the covariance,
    of x and of whether it is a tie.
    """

    wins: Tensor
    ties: Tensor
    prior: float

    @property
    def tied(self) -> int:
        return int(self.ties.any())

    def log_probs(self, place: Tensor) -> Tensor:
        """(3, items, items): of a win of i over j, a loss and a tie."""
        strengths = place[: len(self.wins)]
        half = (strengths[:, None] - strengths) / 2
        tie = place[-1] if self.tied else torch.tensor(-math.inf)
        return torch.stack([half, -half, tie.expand_as(half)]).log_softmax(0)

    def log_likelihood(self, place: Tensor) -> Tensor:
        win, _, tie = self.log_probs(place)
        strengths = place[: len(self.wins)]
        imaginary = functional.logsigmoid(strengths) + functional.logsigmoid(-strengths)
        ties = torch.where(self.ties > 0, self.ties * tie, 0).sum() / 2
        return (self.wins * win).sum() + ties + self.prior * imaginary.sum()

    def least(self, place: Tensor) -> float:
        """The log-probability of the rarest win in pairs that were compared."""
        compared = self.wins + self.wins.T + self.ties > 0
        return torch.where(compared, self.log_probs(place)[0], 0).min().item()

    def slope(self, place: Tensor) -> Tensor:
        games, mean, tie, even = self._expected(place)
        observed = (self.wins - self.wins.T) / 2
        slope = (observed - games * mean).sum(1) + self.prior * (1 - 2 * even)
        more_ties = (self.ties - games * tie).sum() / 2
        return torch.cat([slope, more_ties[None]]) if self.tied else slope

    def curvature(self, place: Tensor) -> Tensor:
        """How the slope falls. Without a prior, adding a constant to all strengths
        changes nothing; a constant matrix makes that flat direction curved, so that the
        equations have one solution."""
        curved = self._information(place)
        count = len(self.wins)
        if not self.prior:
            curved[:count, :count] += 1 / count
        return curved

    def covariance(self, place: Tensor) -> Tensor:
        """Of the strengths, taken from their mean: (items, items)."""
        count = len(self.wins)
        spread = torch.linalg.inv(self.curvature(place))[:count, :count]
        centred = torch.eye(count, dtype=torch.float64) - 1 / count
        return centred @ spread @ centred

    def _information(self, place: Tensor) -> Tensor:
        games, mean, tie, even = self._expected(place)
        win, loss, _ = self.log_probs(place).exp()
        of_x = games * (win * loss + tie * (1 - tie) / 4)  # no difference of squares
        own = of_x.sum(1) + 2 * self.prior * even * (1 - even)
        among = own.diag() - of_x
        if not self.tied:
            return among
        with_tie = (-games * mean * tie).sum(1)[:, None]
        of_tie = (games * tie * (1 - tie)).sum().view(1, 1) / 2
        upper = torch.cat([among, with_tie], dim=1)
        return torch.cat([upper, torch.cat([with_tie.T, of_tie], dim=1)])

    def _expected(self, place: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Games of each pair; the mean of x; P(tie); P(beating the imaginary item)."""
        win, loss, tie = self.log_probs(place).exp()
        games = self.wins + self.wins.T + self.ties
        return games, (win - loss) / 2, tie, place[: len(self.wins)].sigmoid()


def _checked(wins: Tensor, ties: Tensor | None) -> tuple[Tensor, Tensor]:
    """Both tables as float64, without items against themselves."""
    ties = torch.zeros_like(wins) if ties is None else ties
    for name, table in (("wins", wins), ("ties", ties)):
        square = table.ndim == 2 and table.shape[0] == table.shape[1]
        if not square or table.shape != wins.shape or not (table >= 0).all():
            raise ValueError(f"{name} must be a square table of numbers >= 0")
    if not torch.equal(ties, ties.T):
        raise ValueError("ties must be the same table turned over: i and j, j and i")
    wins, ties = ((table - table.diag().diag()).double() for table in (wins, ties))
    if ties.any() and not wins.any():
        raise ValueError("all were called equal, so there is nothing to order them by")
    return wins, ties


def _all_reach_all(beat: Tensor) -> bool:
    """Whether a chain of wins and ties leads from every item to every other."""
    reach = (beat | torch.eye(len(beat), dtype=torch.bool)).double()
    for _ in range(len(beat).bit_length()):  # path lengths double each time
        reach = (reach @ reach > 0).double()
    return bool(reach.all())


def _infinite() -> ValueError:
    return ValueError(
        "some items never lost to the rest, so their strength would be infinite: "
        "compare more pairs, or give a prior such as 0.5"
    )
