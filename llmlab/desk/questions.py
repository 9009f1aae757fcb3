"""What can be asked for, what counts as a prediction of it, and when it came true."""

import math
import re
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import NamedTuple

import numpy as np

from llmlab.claims import shown

GRID = 41  # places along the x axis at which a curve is drawn
NEAR_FACTOR = 1.25
NEAR_CURVE = 0.15  # of the range of the y axis, on average
LONGEST_NUMBER = 60  # characters
WORDS_FOR = {"thousand": 1e3, "k": 1e3, "million": 1e6, "m": 1e6, "billion": 1e9}


class Axes(NamedTuple):
    """The paper on which a curve is drawn: what each axis counts, from where to where.

    x, y : labels. x_range, y_range : (lowest, highest), both linear.
    """

    x: str
    x_range: tuple[float, float]
    y: str
    y_range: tuple[float, float]

    def grid(self) -> np.ndarray:
        """x values, shape (`GRID`,)."""
        return np.linspace(*self.x_range, GRID)


@dataclass(frozen=True)
class Question:
    """What a person is asked to predict.

    name : `chapter/word`, its name on the page and in the drawer.
    unit, options, curve : what kind it is; at most one of them is given. A `unit` of
        "" is a number that counts; with none of them the prediction is in words.
    """

    name: str
    text: str
    unit: str | None = None
    options: Sequence[str] | None = None
    curve: Axes | None = None

    def __post_init__(self):
        if not re.fullmatch(r"[\w-]+/[\w-]+", str(self.name)):
            raise ValueError(f'name is {self.name!r}; expected "chapter/word"')
        if not str(self.text).strip():
            raise ValueError(f"{self.name} asks nothing; expected a question")
        kinds = [self.unit, self.options, self.curve]
        if sum(kind is not None for kind in kinds) > 1:
            raise ValueError(
                f"{self.name} asks for several things; expected one of unit (a number),"
                " options (a choice) and curve, or none of them (words)"
            )
        if self.options is not None:
            self._check_options()
        if self.curve is not None:
            object.__setattr__(self, "curve", _checked_axes(self.name, self.curve))

    def _check_options(self) -> None:
        options = self.options
        texts = not isinstance(options, str) and all(
            isinstance(option, str) and option.strip() for option in options
        )
        if not texts or not 2 <= len(set(options)) == len(options) <= 6:
            raise ValueError(
                f"{self.name}: options are {options!r}; expected 2 to 6 different texts"
            )
        object.__setattr__(self, "options", tuple(options))

    @property
    def kind(self) -> str:
        """ "number", "choice", "curve" or "words"."""
        given = {"number": self.unit, "choice": self.options, "curve": self.curve}
        return next((kind for kind, it in given.items() if it is not None), "words")

    def as_json(self) -> dict:
        """What the drawer keeps, and `Question(**it)` reads."""
        return {name: it for name, it in asdict(self).items() if it is not None}

    def said(self) -> str:
        """The question with what there is to choose from, for a page without a view."""
        if self.kind == "choice":
            return f"{self.text} ({' / '.join(self.options)})"
        if self.kind == "number":
            return f"{self.text} (… {self.unit})" if self.unit else self.text
        if self.kind == "curve":
            return f"{self.text} ({self.curve.y} over {self.curve.x})"
        return self.text

    def prediction(self, value):
        """The prediction as it is kept.

        value : what a person has put down: a text (a number as they type it), an
            option, or for a curve `GRID` heights, None where nothing is drawn.

        Raises ValueError: it is not of the kind that was asked for; a sentence says
            why.
        """
        if isinstance(value, str):  # half of a surrogate pair cannot be sent back
            value = value.encode("utf-8", "replace").decode()
        if self.kind == "number":
            return number_from(value, self.unit)
        if self.kind == "curve":
            return self._drawn(value)
        if not isinstance(value, str) or not value.strip():
            wanted = "choose one of the options" if self.options else "write something"
            raise ValueError(f"{wanted} first")
        if self.kind == "choice" and value not in self.options:
            raise ValueError(f"{value!r} is none of: {', '.join(self.options)}")
        return value.strip() if self.kind == "words" else value

    def _drawn(self, heights) -> list[float | None]:
        if not isinstance(heights, list | tuple) or len(heights) != GRID:
            raise ValueError("draw a curve first")
        if sum(height is not None for height in heights) < GRID / 2:
            raise ValueError("draw the curve over at least half of the axis")
        low, high = self.curve.y_range
        return [h if h is None else min(max(float(h), low), high) for h in heights]

    def value(self, value):
        """The result as it is kept: a plain number, an option, a text or (xs, ys).

        Raises ValueError: it is not what was asked for, so the page would not be true.
        """
        if self.kind == "curve":
            return _points(self.name, value)
        if self.kind == "number":
            return _plain(self.name, value)
        if not isinstance(value, str):
            raise ValueError(f"{self.name} was answered with {value!r}, not a text")
        if self.kind == "choice" and value not in self.options:
            raise ValueError(
                f"{self.name} was answered with {value!r}, which is none of the "
                f"options {list(self.options)}"
            )
        return value

    def show(self, value) -> str:
        """A prediction or a result in words; what belongs to one run stands behind ≈.

        An empty text for a curve, which is drawn.
        """
        if self.kind == "curve":
            return ""
        return f"{shown(value)} {self.unit}".strip() if self.unit else shown(value)

    def verdict(self, predicted, value, *, within=None, factor=None):
        """Whether a prediction came true, and a sentence about it.

        A number is near within +-`within`, or else within `factor` times, with the
        same sign. A curve is near when its distance is on average at most
        `NEAR_CURVE` of the y axis. True or False, or None where a person must judge.
        """
        if self.kind == "choice":
            return (predicted == value, "right" if predicted == value else "not this")
        if self.kind == "number":
            return _nearness(predicted, value, within, factor or NEAR_FACTOR)
        if self.kind == "words":
            return None, ""
        distance = self._distance(predicted, value)
        share = f"{distance:.0%} of the axis away on average"
        return (True, f"close: {share}") if distance <= NEAR_CURVE else (None, share)

    def _distance(self, heights: list, points: tuple[list, list]) -> float:
        """Mean distance of two curves, as a share of the y axis, where both are."""
        xs, (low, high) = self.curve.grid(), self.curve.y_range
        drawn = np.array([h is not None for h in heights])
        predicted = np.interp(xs, xs[drawn], [h for h in heights if h is not None])
        measured = np.clip(np.interp(xs, *points), low, high)
        first, last = xs[drawn][0], xs[drawn][-1]
        both = (xs >= max(first, points[0][0])) & (xs <= min(last, points[0][-1]))
        if not both.any():
            return 1.0
        return float(np.abs(predicted - measured)[both].mean() / (high - low))


def number_from(text, unit: str = "") -> float:
    """The number that a person has typed: 1e6, 1,000, 2 million, 1/8, 10 %, 3 nats.

    Raises ValueError: no number can be read; a sentence says what to write.
    """
    if isinstance(text, int | float) and not isinstance(text, bool):
        text = repr(text)
    text = str(text or "").strip()
    if len(text) > LONGEST_NUMBER:
        raise ValueError("that is too long for a number; write one such as 3.5 or 1e6")
    words = text.lower().replace("−", "-").lstrip("≈~ ")
    if not words:
        raise ValueError("type a number first")
    for called in (unit.lower(), unit.lower().removesuffix("s")):  # 3 nats, 1 nat
        words = words.removesuffix(called).rstrip()
    percent = words.endswith("%")
    words = words.rstrip("% ")
    if percent and unit:
        raise ValueError(f"this asks for {unit}, not for %")
    scale = 1.0
    if named := re.fullmatch(r"(.*?\d[\d.,]*)\s*([a-z]+)", words):
        if named[2] not in WORDS_FOR:
            wanted = f"a number of {unit}" if unit else "a plain number"
            raise ValueError(f"“{text}” ends in “{named[2]}”; expected {wanted}")
        words, scale = named[1], WORDS_FOR[named[2]]
    if re.fullmatch(r"-?\d+,\d{1,2}", words):
        raise ValueError(f"“{text}”: write a point before decimals, as in 1.5")
    words = re.sub(r"(?<=\d)[, _](?=\d{3}(?!\d))", "", words)
    try:
        above, _, below = words.partition("/")
        number = float(above) / float(below or 1) * scale / (100 if percent else 1)
    except (ValueError, ZeroDivisionError):
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"“{text}” is no number; write one such as 3.5, 1e6 or 1/8")
    return number


def _nearness(predicted: float, value: float, within, factor: float):
    if predicted == value:
        return True, "exactly"
    if within is not None:
        away = abs(predicted - value)
        near = away <= within * (1 + 1e-9)
        return near, "close" if near else f"off by {away:.3g}"
    if predicted * value <= 0:
        return False, "the other sign" if predicted * value < 0 else "off"
    ratio = max(predicted / value, value / predicted)
    if ratio <= factor * (1 + 1e-9):
        return True, "close"
    return False, f"off by a factor of {ratio:,.3g}"


def _checked_axes(name: str, axes) -> Axes:
    axes = Axes(*axes)
    ranges = [tuple(map(float, pair)) for pair in (axes.x_range, axes.y_range)]
    if not all(math.isfinite(low + high) and low < high for low, high in ranges):
        raise ValueError(f"{name}: an axis goes from a lower number to a higher one")
    return Axes(axes.x, ranges[0], axes.y, ranges[1])


def _plain(name: str, value) -> int | float:
    """Python's own number for one of NumPy or PyTorch; a whole one stays whole."""
    plain = value.item() if getattr(value, "shape", None) == () else value
    if isinstance(plain, bool) or not isinstance(plain, int | float):
        raise ValueError(f"{name} was answered with {value!r}, not a number")
    if not -sys.float_info.max <= plain <= sys.float_info.max:  # NaN, too
        raise ValueError(f"{name} was answered with {plain}; the run gave no number")
    return plain


def _points(name: str, value) -> tuple[list, list]:
    try:
        xs, ys = ([_plain(name, one) for one in side] for side in value)
    except TypeError:
        xs, ys = [], [0]
    if len(xs) != len(ys) or len(xs) < 2 or sorted(xs) != xs:
        raise ValueError(
            f"{name} asks for a curve; expected (xs, ys), as long as each other, at "
            "least two, and xs rising"
        )
    return xs, ys
