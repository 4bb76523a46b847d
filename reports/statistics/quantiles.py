"""The statistics of the reports: exact quantiles, and a test of equal shares."""

import math

import numpy as np
from numpy.typing import NDArray

from reports.statistics.groups import pieces

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

_MOST_CELLS = 1 << 20
_FEW = 1 << 14
"""Fewer values are sorted sooner than counted."""


def quantiles_of_sorted(values: Floats, quantiles: Floats) -> Floats:
    """The quantiles (0…1) of rising `values` by linear interpolation, as numpy.quantile gives them.

    Raises ValueError where there are no values.
    """
    if not values.size:
        raise ValueError("no values, so no quantiles")
    position, below, above = _between(values.size, quantiles)
    return values[below] + (values[above] - values[below]) * (position - below)


def quantiles_of(values: Floats, quantiles: Floats) -> Floats:
    """The quantiles (0…1) of `values` in any order, exactly as `quantiles_of_sorted` gives them once sorted.

    Where there are many, they are counted by the leading bits of their floating-point form, which rise with
    them, and only those are sorted that share these bits with a value that is needed. Raises ValueError where
    there are no values, or one is NaN.
    """
    if values.size < _FEW:
        return quantiles_of_sorted(np.sort(values), quantiles)
    lowest, highest = _ends(values)
    if lowest == highest:
        return np.full(np.shape(quantiles), values[0])
    cells = min(1 << values.size.bit_length(), _MOST_CELLS)
    shift = max((highest - lowest).bit_length() - cells.bit_length() + 1, 0)
    counts = np.zeros(cells, dtype=np.int64)
    for piece in pieces(values.size):
        counts += np.bincount(_cells(values[piece], lowest, shift), minlength=cells)
    position, below, above = _between(values.size, quantiles)
    ranks = np.union1d(below, above)
    cell = np.searchsorted(np.cumsum(counts), ranks, side="right")
    needed = np.zeros(cells, dtype=np.bool_)
    needed[cell] = True
    rising = np.concatenate(
        [values[piece][needed[_cells(values[piece], lowest, shift)]] for piece in pieces(values.size)]
    )
    rising.sort()
    left_out = np.cumsum(np.where(needed, 0, counts))[cell]
    at_rank = rising[ranks - left_out]
    low, high = at_rank[np.searchsorted(ranks, below)], at_rank[np.searchsorted(ranks, above)]
    between: Floats = low + (high - low) * (position - below)
    return between


def _between(count: int, quantiles: Floats) -> tuple[Floats, Indices, Indices]:
    """Where each quantile of `count` values lies, and the ranks below and above it."""
    position = np.asarray(quantiles, dtype=np.float64) * (count - 1)
    below = np.floor(position).astype(np.intp)
    return position, below, np.minimum(below + 1, count - 1)


def _ends(values: Floats) -> tuple[int, int]:
    """The lowest and the highest value as `_rising` gives them. Raises ValueError where one is NaN."""
    ends = []
    for piece in pieces(values.size):
        rising = _rising(values[piece])
        ends += [int(rising.min()), int(rising.max())]
    least, most = _rising(np.array([-math.inf, math.inf])).tolist()
    if min(ends) < least or max(ends) > most:
        raise ValueError("NaN is among the values, so there are no quantiles")
    return min(ends), max(ends)


def _cells(values: Floats, lowest: int, shift: int) -> NDArray[np.int64]:
    above = (_rising(values) - np.int64(lowest)).view(np.uint64)  # an int64 may not hold their distance
    return (above >> np.uint64(shift)).view(np.int64)


def _rising(values: Floats) -> NDArray[np.int64]:
    """The bits of floating-point numbers as integers that rise with them: of negative ones turned over."""
    bits = values.view(np.int64)
    turned: NDArray[np.int64] = bits ^ ((bits >> 63) & np.int64(0x7FFF_FFFF_FFFF_FFFF))
    return turned


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
