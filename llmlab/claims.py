"""Every number is a claim: the one way in which notebooks speak of measured numbers.

The last digits of a training run differ from one processor to the next. What holds
everywhere is a bound. `claim` states it in a sentence that reads the same on every
machine, fails where the sentence is not true, and shows the number that was measured
behind the sign ≈, which says: this one belongs to this run.
"""

import html
import os

from IPython import get_ipython
from IPython.display import display

# Set where a page is built that others will read: its numbers are not theirs.
BUILDING = "LLMLAB_BUILDING"


class ClaimError(AssertionError):
    """A sentence on the page is not true of what was measured on this machine."""

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows of it: the lines of this module help nobody."""
        return [f"{self} If you changed something above, this is what it changed."]


def about(number: float, digits: int = 3) -> str:
    """`"≈1.58"`: a measured number, to so many significant digits.

    The sign marks what may differ between two runs of a page, and is not compared.
    """
    rounded = float(f"{float(number):.{digits - 1}e}")
    if 10**digits <= abs(rounded) < 1e15:
        return f"≈{rounded:,.0f}"
    return f"≈{rounded:.{digits}g}"


def claim(sentence: str, holds: bool, *, measured: float | str, unit: str = "") -> None:
    """Show the sentence and what was measured if it is true, raise if it is not.

    sentence : states the bound, and holds no number that differs between machines.
    holds : the comparison that the sentence puts into words.
    measured, unit : the number behind it; a text or an int is exact, a float is ≈.

    Raises ClaimError: the claim does not hold.
    Raises TypeError: `holds` is not a truth value, so a comparison was left out; or
        `measured` is one, which says no more than the sentence does.

    >>> claim("A coin is worth less than 0.7 nats", x < 0.7, measured=x, unit="nats")
    Checked: A coin is worth less than 0.7 nats (here: ≈0.693 nats).
    """
    if not _is_truth_value(holds):
        raise TypeError(
            f"holds is {holds!r}, not a truth value; pass a comparison, such as "
            "`loss <= 2.0`, or for a tensor `(losses <= 2.0).all()`"
        )
    if _is_truth_value(measured):
        raise TypeError(f"measured is {measured}; pass the number that was compared")
    statement = sentence.strip().rstrip(".")
    number = f"{shown(measured)} {unit}".rstrip()
    if not holds:
        raise ClaimError(f"This does not hold here: {statement}. Measured: {number}.")
    text = f"Checked: {statement} ({where()}: {number})."
    if get_ipython() is None:
        print(text)
        return
    page = (
        f"<p>✓ {html.escape(statement)} ({where()}: <b>{html.escape(number)}</b>).</p>"
    )
    display({"text/plain": text, "text/html": page}, raw=True)


def shown(measured: float | str) -> str:
    """Texts and whole numbers as they are, all others behind ≈."""
    if isinstance(measured, str):
        return measured
    if isinstance(measured, int):
        return f"{measured:,}"
    return about(measured)


def where() -> str:
    """Whose run a number belongs to: the reader's, or that of who built the page."""
    return "when this page was built" if BUILDING in os.environ else "here"


def _is_truth_value(value: object) -> bool:
    """Python's own, or what a comparison of one NumPy or PyTorch element gives."""
    if isinstance(value, bool):
        return True
    return getattr(value, "shape", None) == () and "bool" in str(value.dtype)
