"""The statistics of the reports: exact quantiles, a test of equal shares, and a sort that keeps order."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

_RADIX = 1 << 16


def quantiles_of_sorted(values: Floats, quantiles: Floats) -> Floats:
    """The quantiles (0…1) of rising `values` by linear interpolation, as numpy.quantile gives them.

    Raises ValueError where there are no values.
    """
    if not values.size:
        raise ValueError("no values, so no quantiles")
    position = np.asarray(quantiles, dtype=np.float64) * (values.size - 1)
    below = np.floor(position).astype(np.intp)
    above = np.minimum(below + 1, values.size - 1)
    return values[below] + (values[above] - values[below]) * (position - below)


def equal_shares_p(loads: Floats) -> float | None:
    """Pearson's chi-squared test that every part gets an equal share: the chance of a spread this uneven.

    None where there is nothing to test: fewer than two parts, or no load.
    """
    total = float(loads.sum())
    if loads.size < 2 or not total:
        return None
    fair = total / loads.size
    statistic = float((np.square(loads - fair) / fair).sum())
    return _chi_squared_beyond(statistic, loads.size - 1)


def stable_order(groups: NDArray[Any], count: int) -> Indices:
    """The order that brings rows of one group (0 ≤ group < count) together and keeps theirs within it.

    A radix sort in digits of 16 bits, for which numpy sorts in linear time.
    """
    order = np.argsort((groups & (_RADIX - 1)).astype(np.uint16), kind="stable")
    if count > _RADIX:
        high = (groups >> 16).astype(np.uint16)
        order = order[np.argsort(high[order], kind="stable")]
    return order


def _chi_squared_beyond(statistic: float, freedom: int) -> float:
    """The chance that chi-squared is at least `statistic`: Abramowitz and Stegun, 26.4.4 and 26.4.5.

    Nothing cancels out in these sums. scipy.special has them too, but takes 0.15 s to import.
    """
    half, odd = statistic / 2, freedom % 2
    if not half:
        return 1.0
    powers = [number + odd / 2 for number in range(freedom // 2)]
    terms = [math.exp(power * math.log(half) - half - math.lgamma(power + 1)) for power in powers]
    return min(math.fsum([math.erfc(math.sqrt(half)) if odd else 0.0, *terms]), 1.0)
