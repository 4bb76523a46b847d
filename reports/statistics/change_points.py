"""Where repeated measurements shift: binary segmentation with a t-test at every place.

A place splits a segment of n values into the k before it and the n − k from it on. Its statistic is Student's
t of the difference of the two means, with n − 2 degrees of freedom and the variance pooled from both parts:

    t = (mean after − mean before) / (s · √(1 / k + 1 / (n − k)))

Every place of every series that is looked at together counts as a comparison, and Holm's method allows for
all of them. The surest place of a segment splits it where its adjusted p-value is at most 5 %; then the parts
are looked at again (Scott and Knott 1974; Vostrikova 1981). So, of results in which nothing shifts, at most
one in twenty shows a shift, as far as the values of a segment vary independently of each other.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from reports.statistics.significance import CONFIDENCE, holm

Floats = NDArray[np.float64]

LEAST_VALUES = 3
"""Before and after a shift: of fewer, one odd value would be half of what speaks for it."""


@dataclass(frozen=True)
class ChangePoint:
    """A shift of the mean, shown to be more than chance."""

    at: int
    """The index of the first value after it."""
    p_adjusted: float
    """How often chance alone shows a shift here or elsewhere, allowing for every place that was looked at."""


def change_points(series: Sequence[Floats], least: float = 0.0) -> list[list[ChangePoint]]:
    """The shifts of each series in order, of which none is smaller than `least`, a difference of means."""
    found: list[list[ChangePoint]] = [[] for _ in series]
    segments = [(at, 0, values.size) for at, values in enumerate(series)]
    while segments:
        p_values = [place_p_values(series[at][begin:end]) for at, begin, end in segments]
        adjusted = np.array(holm(np.concatenate(p_values).tolist()))
        ends = np.cumsum([each.size for each in p_values])
        parts: list[tuple[int, int, int]] = []
        is_split = False
        for (at, begin, end), place_p, last in zip(segments, p_values, ends, strict=True):
            if not place_p.size:
                continue
            best = int(np.argmin(place_p))
            middle = begin + LEAST_VALUES + best
            p = float(adjusted[last - place_p.size + best])
            values = series[at]
            difference = abs(float(values[middle:end].mean() - values[begin:middle].mean()))
            if p <= 1 - CONFIDENCE and difference >= least:
                found[at].append(ChangePoint(middle, p))
                parts += [(at, begin, middle), (at, middle, end)]
                is_split = True
            else:
                parts.append((at, begin, end))
        segments = parts if is_split else []
    return [sorted(points, key=lambda point: point.at) for points in found]


def place_p_values(values: Floats) -> Floats:
    """The p-value of a shift at each place, from LEAST_VALUES on; empty where there are too few values."""
    count = values.size
    before = np.arange(LEAST_VALUES, count - LEAST_VALUES + 1, dtype=np.float64)
    if not before.size:
        return before
    after = count - before
    centred = values - values.mean()
    sums = np.cumsum(centred)[LEAST_VALUES - 1 : count - LEAST_VALUES]
    rest = centred.sum() - sums
    difference = rest / after - sums / before
    squares = np.maximum(centred @ centred - sums**2 / before - rest**2 / after, 0.0)
    error = np.sqrt(squares / (count - 2) * (1 / before + 1 / after))
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = np.where(difference == 0, 0.0, np.abs(difference) / error)
    p: Floats = np.minimum(2 * special.stdtr(count - 2, -statistic), 1.0)
    return p
