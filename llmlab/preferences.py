"""Which of two stories is better: who says so, how it is kept, what it can teach.

A comparison is the only thing that a person has to give: no scores, one click. Here
are simulated people whose probabilities are known exactly (so that the best possible
accuracy of any reward model is known too), a store that never loses a click, and the
Bradley-Terry model, which turns comparisons into strengths.
"""

import math
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

SOURCES = ("simulated", "person")


@dataclass(frozen=True)
class Comparison:
    """One choice between two stories, in the order in which they were shown.

    Parameters
    ----------
    preferred : 0 if the first story was chosen, 1 if the second was.
    annotator : the name of who chose.
    source : "person" for a human being's click and for nothing else.
    """

    prompt: str
    first: str
    second: str
    preferred: int
    annotator: str
    source: Literal["simulated", "person"]

    def __post_init__(self):
        if self.preferred not in (0, 1):
            raise ValueError(
                f"preferred is {self.preferred!r}; expected 0 (first) or 1 (second)"
            )
        if self.source not in SOURCES:
            raise ValueError(f"source is {self.source!r}; expected one of {SOURCES}")

    @property
    def winner(self) -> str:
        return (self.first, self.second)[self.preferred]

    @property
    def loser(self) -> str:
        return (self.second, self.first)[self.preferred]


# Simulated annotators ---------------------------------------------------------------


@dataclass(frozen=True)
class Annotator:
    """A simulated person who chooses between two stories of known gold scores.

    The Bradley-Terry model with the weaknesses that real annotators have.

    Parameters
    ----------
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
        read = _sigmoid(difference + lean)
        return (1 - self.carelessness) * read + self.carelessness * self.position_bias

    def choose(
        self, gold_first: float, gold_second: float, generator: torch.Generator
    ) -> int:
        """0 for the first story, 1 for the second."""
        draw = torch.rand((), generator=generator, dtype=torch.float64).item()
        return int(draw >= self.probability_first(gold_first, gold_second))


def _sigmoid(x: float) -> float:
    return (1 + math.tanh(x / 2)) / 2  # never overflows


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
    """People of different tastes who agree with the gold score as often as real ones.

    Parameters
    ----------
    gold_differences : of typical pairs, score of one story less that of the other.
    agreement : the share of these pairs on which the crowd is to choose the story of
        the higher gold score. People agree with each other on 70 to 80 % of pairs
        (Stiennon et al. 2020; Ouyang et al. 2022).
    taste_spread : standard deviation of log(taste).

    Raises
    ------
    ValueError : no noise, however small or large, gives this agreement.
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
        people = crowd_with(noise)
        chosen = [crowd_preference(people, gap, 0.0) for gap in differences]
        return sum(chosen) / len(chosen)

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


def accuracy_ceiling(probabilities: Sequence[float] | Tensor) -> float:
    """The best accuracy that anything can have: E[max(p, 1 - p)].

    probabilities : for each pair, of preferring the first (`crowd_preference`).
    """
    probabilities = torch.as_tensor(probabilities, dtype=torch.float64)
    return torch.maximum(probabilities, 1 - probabilities).mean().item()


def log_loss_floor(probabilities: Sequence[float] | Tensor) -> float:
    """The lowest log-loss that anything can have, in nats: E[H(p)]."""
    probabilities = torch.as_tensor(probabilities, dtype=torch.float64)
    entropy = torch.special.entr(probabilities) + torch.special.entr(1 - probabilities)
    return entropy.mean().item()


def label(
    pairs: Iterable,
    gold: Callable[[str, str], float],
    crowd: Sequence[Annotator],
    generator: torch.Generator,
    *,
    labels_per_pair: int = 1,
) -> list[Comparison]:
    """Have a simulated crowd compare stories.

    Parameters
    ----------
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
            swapped = torch.randint(2, (), generator=generator).item()
            (first, gold_first), (second, gold_second) = (
                reversed(shown) if swapped else shown
            )
            preferred = annotator.choose(gold_first, gold_second, generator)
            comparisons.append(
                Comparison(
                    pair.prompt, first, second, preferred, annotator.name, "simulated"
                )
            )
    return comparisons


# Agreement --------------------------------------------------------------------------


def agreement(first: Sequence[int], second: Sequence[int]) -> float:
    """The share of items on which two people made the same choice."""
    if len(first) != len(second) or not len(first):
        raise ValueError(
            f"{len(first)} and {len(second)} choices; expected the same items, >= 1"
        )
    return sum(a == b for a, b in zip(first, second, strict=True)) / len(first)


def cohens_kappa(first: Sequence[int], second: Sequence[int]) -> float:
    """Agreement beyond chance: 0 for coin-throwers, 1 for twins.

    Cohen 1960: (observed - chance) / (1 - chance), where chance is the agreement of
    two people who choose with these frequencies but do not look. `nan` if chance alone
    already makes them agree always.
    """
    observed = agreement(first, second)
    chance = sum(
        (list(first).count(choice) / len(first))
        * (list(second).count(choice) / len(second))
        for choice in set(first) | set(second)
    )
    return (observed - chance) / (1 - chance) if chance < 1 else math.nan


# Bradley-Terry ----------------------------------------------------------------------


def count_wins(comparisons: Iterable[Comparison]) -> tuple[list[str], Tensor]:
    """The stories compared, and how often each beat each: wins (items, items)."""
    comparisons = list(comparisons)
    items = list(dict.fromkeys(s for c in comparisons for s in (c.first, c.second)))
    number = {story: index for index, story in enumerate(items)}
    wins = torch.zeros(len(items), len(items), dtype=torch.float64)
    for comparison in comparisons:
        wins[number[comparison.winner], number[comparison.loser]] += 1
    return items, wins


def bradley_terry(wins: Tensor, *, prior: float = 0.0, steps: int = 100) -> Tensor:
    """The strengths under which what was observed is most probable.

    P(i beats j) = sigmoid(strength_i - strength_j) (Bradley and Terry 1952). The
    log-likelihood is concave; Newton's method climbs it, with steps halved wherever
    a full one would overshoot. Two items have a closed form: log(wins / losses).

    Parameters
    ----------
    wins : (items, items), how often i beat j; any non-negative numbers.
    prior : wins *and* losses of each item against an imaginary item of strength 0.
        Above 0 it keeps strengths finite where few comparisons were made.

    Returns
    -------
    (items,) float64 of mean 0, in nats of log-odds: only differences mean something.

    Raises
    ------
    ValueError : without a prior, some group of items never lost to (or never met) the
        rest, so that no finite strengths are best (Ford 1957).
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


# The store --------------------------------------------------------------------------


class LabelStore:
    """A file of comparisons in which a click, once acknowledged, is safe.

    SQLite writes a click and waits for the disk before `add` returns, so that a
    kernel killed in the next instant loses nothing, and a click half-written is rolled
    back by the next reader. Several processes may read and write at the same time.

    Raises
    ------
    ValueError : the file is damaged, or is not a store of labels.
    OSError : the file or its folder cannot be written.
    """

    COLUMNS = ("prompt", "first", "second", "preferred", "annotator", "source")

    def __init__(self, path: Path | str):
        self.path = Path(path)
        with self._connection() as connection:
            tables = connection.execute("SELECT name FROM sqlite_master").fetchall()
            if not tables:
                connection.execute(
                    "CREATE TABLE IF NOT EXISTS comparisons "
                    "(number INTEGER PRIMARY KEY AUTOINCREMENT, prompt TEXT NOT NULL, "
                    "first TEXT NOT NULL, second TEXT NOT NULL, "
                    "preferred INTEGER NOT NULL, annotator TEXT NOT NULL, "
                    "source TEXT NOT NULL)"
                )
            connection.execute(f"SELECT {', '.join(self.COLUMNS)} FROM comparisons")
            if connection.execute("PRAGMA quick_check").fetchone() != ("ok",):
                raise sqlite3.DatabaseError("its pages do not fit together")

    def add(self, comparison: Comparison) -> None:
        """Keep a comparison. When this returns, it is on the disk."""
        values = [getattr(comparison, column) for column in self.COLUMNS]
        with self._connection() as connection:
            connection.execute(
                f"INSERT INTO comparisons ({', '.join(self.COLUMNS)}) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                values,
            )

    def undo(self, annotator: str) -> Comparison | None:
        """Take back the annotator's latest comparison; None if there is none."""
        with self._connection() as connection:
            rows = connection.execute(
                "DELETE FROM comparisons WHERE number = "
                "(SELECT MAX(number) FROM comparisons WHERE annotator = ?) "
                f"RETURNING {', '.join(self.COLUMNS)}",
                [annotator],
            ).fetchall()
        return Comparison(*rows[0]) if rows else None

    def all(self, source: str | None = None) -> list[Comparison]:
        """Every comparison, oldest first; of one source only, if it is given."""
        if source not in (None, *SOURCES):
            raise ValueError(f"source is {source!r}; expected one of {SOURCES}")
        with self._connection() as connection:
            rows = connection.execute(
                f"SELECT {', '.join(self.COLUMNS)} FROM comparisons "
                "WHERE ? IS NULL OR source = ? ORDER BY number",
                [source, source],
            ).fetchall()
        return [Comparison(*row) for row in rows]

    def __len__(self) -> int:
        with self._connection() as connection:
            return connection.execute("SELECT COUNT(*) FROM comparisons").fetchone()[0]

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """One connection, one transaction: all of it happens, or nothing.

        A connection of its own for each call may be used from any thread, and survives
        whatever happened to the process before.
        """
        try:
            # The timeout is for other processes, which hold the file for milliseconds.
            with closing(sqlite3.connect(self.path, timeout=10)) as connection:
                # Wait for the disk, also for the folder's entry of the journal.
                connection.execute("PRAGMA synchronous = EXTRA")
                with connection:
                    yield connection
        except sqlite3.OperationalError as error:
            if "no such" in str(error):
                raise self._damaged("it has other tables") from error
            raise OSError(
                f"cannot use the label store {self.path}: {error}. Check that the file "
                "and its folder exist, may be written, and that the disk is not full"
            ) from error
        except sqlite3.DatabaseError as error:
            raise self._damaged(error) from error

    def _damaged(self, reason) -> ValueError:
        return ValueError(
            f"{self.path} is damaged or not a store of labels ({reason}). It was left "
            "as it is: move it away and start a new store, or restore a copy"
        )
