"""The median of repetitions and how far they lie apart."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Spread:
    """Median, least and largest value over repetitions, in their unit; NaN where there is none."""

    median: float
    low: float
    high: float

    @property
    def known(self) -> bool:
        return math.isfinite(self.median)


def spread_of(values: Iterable[float | None]) -> Spread:
    """The spread of the values that are known."""
    known = [value for value in values if value is not None and math.isfinite(value)]
    if not known:
        return Spread(math.nan, math.nan, math.nan)
    return Spread(float(median(known)), float(min(known)), float(max(known)))


def median_of(values: Iterable[float | None]) -> float | None:
    """The median of the values that are known; None where none is."""
    spread = spread_of(values)
    return spread.median if spread.known else None
