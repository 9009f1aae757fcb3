"""A passage, how a long text is cut into some, and how some are held out."""

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

LONGEST_PASSAGE = 8_000
"""Characters. Longer files are cut, so that a folder with one book can be split too."""


@dataclass(frozen=True)
class Passage:
    """A stretch of at most `LONGEST_PASSAGE` characters of one source.

    source : the file, relative to its folder, or the topic that it comes from.
    text : cleaned text; paragraphs are separated by one empty line.
    """

    source: str
    text: str


def split_validation(
    passages: Sequence[Passage], share: float = 0.1
) -> tuple[list[Passage], list[Passage]]:
    """Hold about `share` of the passages out of training.

    A passage's own hash decides, so it stays on its side when others come or go. Only
    if all would fall on one side, the one nearest to the other side moves there.

    Returns training, validation: in the order of `passages`, each with at least one.
    Raises ValueError: fewer than two passages, or `share` not in (0, 1).
    """
    if not 0 < share < 1:
        raise ValueError(f"share is {share}; it must lie between 0 and 1")
    if len(passages) < 2:
        raise ValueError(
            f"{len(passages)} passage{'' if len(passages) == 1 else 's'} to split; "
            "at least two are needed, one to train on and one to hold out. Give more "
            f"than {LONGEST_PASSAGE:,} characters of text, or several files"
        )
    places = [place_between_zero_and_one(passage) for passage in passages]
    ranked = sorted(range(len(passages)), key=places.__getitem__)
    below = sum(place < share for place in places)
    cut = min(max(below, 1), len(ranked) - 1)
    validation, training = sorted(ranked[:cut]), sorted(ranked[cut:])
    return [passages[n] for n in training], [passages[n] for n in validation]


def place_between_zero_and_one(passage: Passage) -> float:
    """A number that a passage's text decides: below the share, it is held out."""
    digest = hashlib.sha256(passage.text.encode()).digest()
    return int.from_bytes(digest[:7]) / 2**56


# From the best place to cut to the worst. What these leave too long is halved.
_CUTS = (r"(?<=\n\n)", r"(?<=\n)", r"(?<=[.!?] )|(?<=[。！？])", r"(?<= )")


def paragraph_windows(
    text: str, longest: int, length: Callable[[str], int] = len
) -> list[str]:
    """Cut a text into windows that fit, between paragraphs where that is possible.

    Each window holds as many whole paragraphs as fit. A paragraph that is too long is
    cut between lines, sentences or words. Only line ends at windows' edges are lost.

    length : how a window is measured: in characters, unless told otherwise.

    Raises ValueError: not even a single character fits.
    """
    windows = [""]
    for part in _fitting_parts(text, longest, length, _CUTS):
        if length((windows[-1] + part).strip("\n")) <= longest:
            windows[-1] += part
        else:
            windows.append(part)
    stripped = (window.strip("\n") for window in windows)
    return [window for window in stripped if window]


def _fitting_parts(
    text: str, longest: int, length: Callable[[str], int], cuts: Sequence[str]
) -> list[str]:
    if length(text.strip("\n")) <= longest:
        return [text]
    if cuts:
        parts = re.split(cuts[0], text)
    elif len(text) > 1:
        parts = [text[: len(text) // 2], text[len(text) // 2 :]]
    else:
        raise ValueError(
            f"the character {text!r} alone measures {length(text)}, and a window may "
            f"measure {longest}; allow longer windows"
        )
    return [
        fitting
        for part in parts
        for fitting in _fitting_parts(part, longest, length, cuts[1:])
    ]
