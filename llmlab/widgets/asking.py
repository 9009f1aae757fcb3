"""What widgets share that ask a learner's own function."""

import math


def check_temperature(temperature: float) -> float:
    if not (math.isfinite(temperature) and temperature > 0):
        raise ValueError(
            f"temperature is {temperature}; expected a number above 0, such as 0.7"
        )
    return float(temperature)


def reason(error: Exception) -> str:
    """What a person reads of it: whatever a learner's own function may raise."""
    kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
    return f"{kind}{error}".rstrip(".")
