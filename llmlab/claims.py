"""Every number is a claim: the one way in which notebooks speak of measured numbers.

The last digits of a training run differ from one processor to the next, so a notebook
that printed them could never be checked. What holds everywhere is a bound. `claim`
states it in a sentence that reads the same on every machine, and fails where the
sentence is not true: what a learner reads has been measured where they read it.
"""


class ClaimError(AssertionError):
    """A sentence on the page is not true of what was measured on this machine."""


def claim(
    sentence: str, holds: bool, *, measured: float | None = None, unit: str = ""
) -> None:
    """Print the sentence if it is true, raise if it is not.

    Parameters
    ----------
    sentence : states the bound, and holds no number that differs between machines.
    holds : the comparison that the sentence puts into words.
    measured, unit : the number behind it; read only where the claim fails.

    Raises
    ------
    ClaimError : the claim does not hold.
    TypeError : `holds` is not a truth value, so a comparison was left out.

    Examples
    --------
    >>> claim("A fair coin is worth less than 0.7 nats", math.log(2) < 0.7)
    Checked: A fair coin is worth less than 0.7 nats.
    """
    if not _is_truth_value(holds):
        raise TypeError(
            f"holds is {holds!r}, not a truth value; pass a comparison, such as "
            "`loss <= 2.0`, or for a tensor `(losses <= 2.0).all()`"
        )
    statement = sentence.strip().rstrip(".")
    if not holds:
        number = "" if measured is None else f" Measured: {measured:.4g} {unit}"
        raise ClaimError(f"This does not hold here: {statement}.{number.rstrip()}")
    print(f"Checked: {statement}.")


def _is_truth_value(value: object) -> bool:
    """Python's own, or what a comparison of one NumPy or PyTorch element gives."""
    if isinstance(value, bool):
        return True
    return getattr(value, "shape", None) == () and "bool" in str(value.dtype)
