"""Where repeated measurements shift: binary segmentation with t-tests at every place, near and far.

A place lies between two values of a segment. Its statistic is Student's t of the difference between the means
of the m values before it and the n after it, with the variance pooled from both, s², and m + n − 2 degrees of
freedom:

    t = (mean after − mean before) / (s · √(1 / m + 1 / n))

Each place is tested with all values of its segment, and with the nearest 3, 6, 12 … on either side: from
afar, a shift that was soon undone looks like none (Kovács et al. 2023, "Seeded binary segmentation"). Every
test in every series that is looked at together counts as a comparison, and Holm's method allows for all of
them. The surest place of a segment splits it where its adjusted p-value is at most 5 %, and the parts are
tested again, allowing for no fewer tests than at first (Vostrikova 1981). So, of results in which nothing
shifts, at most one in twenty shows a shift, as far as the values of a segment vary independently.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reports.statistics.significance import CONFIDENCE, holm

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

LEAST_VALUES = 3
"""Before and after a shift: of fewer, one odd value would be half of what speaks for it."""


@dataclass(frozen=True)
class ChangePoint:
    """A shift of the mean, shown to be more than chance."""

    at: int
    """The index of the first value after it."""
    p_adjusted: float
    """How often chance alone shows a shift here or elsewhere, allowing for every test that was made."""


@dataclass(frozen=True)
class _Tests:
    """The tests of one segment, an element each."""

    at: Indices
    """The index within the segment of the first value after the place."""
    difference: Floats
    p: Floats


def change_points(series: Sequence[Floats], least: float = 0.0) -> list[list[ChangePoint]]:
    """The shifts of each series in order; differences of means below `least` are none."""
    found: list[list[ChangePoint]] = [[] for _ in series]
    segments = [(number, 0, values.size) for number, values in enumerate(series)]
    most = 0
    while segments:
        tests = [segment_tests(series[number][begin:end]) for number, begin, end in segments]
        p_values = np.concatenate([each.p for each in tests])
        most = max(most, p_values.size)
        adjusted = np.array(holm([*p_values.tolist(), *[1.0] * (most - p_values.size)]))[: p_values.size]
        ends = np.cumsum([each.p.size for each in tests])[:-1]
        parts: list[tuple[int, int, int]] = []
        for (number, begin, end), made, p in zip(segments, tests, np.split(adjusted, ends), strict=True):
            best = int(np.argmin(made.p)) if made.p.size else None
            if best is None or p[best] > 1 - CONFIDENCE or abs(made.difference[best]) < least:
                parts.append((number, begin, end))
                continue
            middle = begin + int(made.at[best])
            found[number].append(ChangePoint(middle, float(p[best])))
            parts += [(number, begin, middle), (number, middle, end)]
        segments = parts if len(parts) > len(segments) else []
    return [sorted(points, key=lambda point: point.at) for points in found]


def segment_tests(values: Floats) -> _Tests:
    """The tests of every place with LEAST_VALUES on either side; none where there are too few values."""
    places = np.arange(LEAST_VALUES, values.size - LEAST_VALUES + 1)
    reaches = [values.size]
    reach = LEAST_VALUES
    while reach < values.size - LEAST_VALUES:
        reaches.append(reach)
        reach *= 2
    # Where a reach takes in the whole segment, that test is made already.
    pairs = [(places[(places > reach) | (values.size - places > reach)], reach) for reach in reaches[1:]]
    at = np.concatenate([places, *(chosen for chosen, _ in pairs)])
    reach_of = np.concatenate(
        [np.full(places.size, values.size), *(np.full(chosen.size, reach) for chosen, reach in pairs)]
    )
    return _Tests(at, *_t_tests(values, at, reach_of))


def _t_tests(values: Floats, at: Indices, reach: Indices) -> tuple[Floats, Floats]:
    """The differences of the means within `reach` of the places `at`, and their p-values."""
    if not at.size:
        return np.empty(0), np.empty(0)
    from scipy import special  # Takes long to import, and most folders have too few runs to test.

    centred = values - values.mean()
    sums = np.concatenate(([0.0], np.cumsum(centred)))
    squares = np.concatenate(([0.0], np.cumsum(centred**2)))
    begin, end = np.maximum(at - reach, 0), np.minimum(at + reach, values.size)
    before, after = at - begin, end - at
    sum_before, sum_after = sums[at] - sums[begin], sums[end] - sums[at]
    difference = sum_after / after - sum_before / before
    within = squares[end] - squares[begin] - sum_before**2 / before - sum_after**2 / after
    degrees = before + after - 2
    error = np.sqrt(np.maximum(within, 0.0) / degrees * (1 / before + 1 / after))
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = np.where(difference == 0, 0.0, np.abs(difference) / error)
    return difference, np.minimum(2 * special.stdtr(degrees, -statistic), 1.0)
