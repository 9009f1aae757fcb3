"""One choice between two stories, with all that may be asked of it later."""

import hashlib
from dataclasses import dataclass, field
from typing import Literal

SOURCES = ("simulated", "person")
EQUAL = 0.5  # between "the first" (0) and "the second" (1)


@dataclass(frozen=True)
class Comparison:
    """One choice between two stories, in the order in which they were shown.

    preferred : 0 if the first story was chosen, 1 if the second was, `EQUAL` if
        neither is better. Other libraries' numbers become plain ones.
    annotator : the name of who chose.
    source : "person" for a human being's click and for nothing else.
    pair : names what was compared. By default it follows from the texts, whichever
        stood first: who is asked twice about one pair should choose twice alike.
    swapped : the pair was shown with its second story first.
    time : of the choice, in seconds since 1970; what differs in nothing else is equal.
    """

    prompt: str
    first: str
    second: str
    preferred: int | float
    annotator: str
    source: Literal["simulated", "person"]
    pair: str = ""
    swapped: bool = False
    time: float | None = field(default=None, compare=False)

    def __post_init__(self):
        for name in ("prompt", "first", "second", "annotator", "pair"):
            _check_text(name, getattr(self, name))
        if self.source not in SOURCES:
            raise ValueError(f"source is {self.source!r}; expected one of {SOURCES}")
        plain = {
            "preferred": _choice(self.preferred),
            "pair": self.pair or pair_name(self.prompt, self.first, self.second),
            "swapped": bool(self.swapped),
            "time": None if self.time is None else float(self.time),
        }
        for name, value in plain.items():
            object.__setattr__(self, name, value)

    @property
    def target(self) -> float:
        """What P(the first is better) should be: 1, 0, or 1/2 of two equal stories."""
        return 1.0 - self.preferred

    @property
    def winner(self) -> str:
        return self._ranked()[0]

    @property
    def loser(self) -> str:
        return self._ranked()[1]

    def _ranked(self) -> tuple[str, str]:
        if self.preferred == EQUAL:
            raise ValueError(
                "these stories were called equal, so none of them won; leave the "
                "comparison out, or learn `target` from `first` and `second`"
            )
        first, second = self.first, self.second
        return (second, first) if self.preferred else (first, second)


def _choice(value) -> int | float:
    """0, 1 or EQUAL as Python's own number, also from NumPy, PyTorch or a bool."""
    try:
        number = None if isinstance(value, str | bytes) else float(value)
    except (TypeError, ValueError, RuntimeError):  # PyTorch's, of several numbers
        number = None
    if number not in (0, 1, EQUAL):
        raise ValueError(
            f"preferred is {value!r}; expected 0 (first), 1 (second) or {EQUAL} (equal)"
        )
    return EQUAL if number == EQUAL else int(number)


def _check_text(name: str, text) -> None:
    if not isinstance(text, str):
        raise ValueError(f"{name} is {text!r}; expected a text")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            f"{name} holds half of a surrogate pair at character {error.start}, which "
            "no file can keep; take it out, or give the whole character"
        ) from error


def texts_of(pair, number: int) -> tuple[str, str, str]:
    """Prompt, first and second of what is to be compared; none of them is missing.

    pair : an object with these texts. number : how an error names it.
    """
    texts = []
    for name in ("prompt", "first", "second"):
        text = getattr(pair, name, None)
        if not isinstance(text, str) or not text.strip():
            raise ValueError(
                f"pair {number} cannot be compared: its {name} is {text!r}; expected a "
                "text. Leave the pair out, or give it its missing side"
            )
        texts.append(text)
    return tuple(texts)


def pair_name(prompt: str, first: str, second: str) -> str:
    """A short name of what is compared, the same whichever story stands first."""
    texts = "\0".join([prompt, *sorted((first, second))])
    return hashlib.sha256(texts.encode()).hexdigest()[:12]
