"""How long to wait: a constant number of seconds, or a distribution to draw seconds from."""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass

from loadtests.errors import LoadTestError

_FORMS = "0.5, uniform:LOW:HIGH, exponential:MEAN or lognormal:MEDIAN:SIGMA"


@dataclass(frozen=True)
class Duration:
    """A distribution of seconds, never negative.

    `lognormal` is given by its median in seconds and the standard deviation of its logarithm.
    """

    text: str
    """As written, for example `uniform:0.1:0.5`."""
    draw: Callable[[], float]
    """One sample, in seconds."""
    constant: float | None
    """The value where every sample is the same."""
    mean: float
    longest: float
    """Seconds that hardly any sample (at most one in a thousand) exceeds."""


def parse_duration(text: str, name: str) -> Duration:
    """Reads a number of seconds or `distribution:parameters`.

    Raises LoadTestError with `name`, the bad value and the forms that are allowed.
    """
    kind, *rest = text.strip().split(":")
    try:
        parameters = [float(part) for part in (rest or [kind])]
    except ValueError:
        parameters = [math.nan]
    if not all(math.isfinite(value) and value >= 0 for value in parameters):
        raise LoadTestError(
            f"{name}={text} is not a duration in seconds: write {_FORMS}, none of them negative"
        )
    match kind if rest else "constant", parameters:
        case "constant", [value]:
            return Duration(text, lambda: value, value, value, value)
        case "uniform", [low, high] if low <= high:
            return Duration(text, lambda: random.uniform(low, high), None, (low + high) / 2, high)
        case "exponential", [mean] if mean > 0:
            return Duration(text, lambda: random.expovariate(1 / mean), None, mean, mean * math.log(1000))
        case "lognormal", [median, sigma] if median > 0:
            mu = math.log(median)
            return Duration(
                text,
                lambda: random.lognormvariate(mu, sigma),
                None,
                median * math.exp(sigma**2 / 2),
                median * math.exp(3.09 * sigma),
            )
    raise LoadTestError(f"{name}={text} is no distribution with its parameters: write {_FORMS}")
