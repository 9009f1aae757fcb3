"""The one setting that several widgets take from a person."""

import math


def check_temperature(temperature: float) -> None:
    if not (math.isfinite(temperature) and temperature > 0):
        raise ValueError(
            f"temperature is {temperature}; expected a number above 0, such as 0.7"
        )
