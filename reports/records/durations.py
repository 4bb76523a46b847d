"""Durations as a run's configuration has them, in text."""

import math
from typing import NamedTuple


class Spread(NamedTuple):
    """Mean and standard deviation of a duration, in seconds; the latter is 0 where it is always the same."""

    mean: float
    deviation: float


def spread_of(text: str) -> Spread | None:
    """Of `0.5`, `uniform:LOW:HIGH`, `exponential:MEAN` or `lognormal:MEDIAN:SIGMA`.

    None for any other text.
    """
    kind, *rest = text.strip().split(":")
    try:
        parameters = [float(part) for part in (rest or [kind])]
        match kind if rest else "constant", parameters:
            case "constant", [value]:
                found = Spread(value, 0.0)
            case "exponential", [mean]:
                found = Spread(mean, mean)
            case "uniform", [low, high]:
                found = Spread((low + high) / 2, (high - low) / math.sqrt(12))
            case "lognormal", [median, sigma]:
                mean = median * math.exp(sigma**2 / 2)
                found = Spread(mean, mean * math.sqrt(math.expm1(sigma**2)))
            case _:
                return None
    except (ValueError, OverflowError):
        return None
    return found if all(math.isfinite(value) and value >= 0 for value in found) else None
