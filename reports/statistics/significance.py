"""How sure a difference is: critical values, p-values, and their correction where many are looked at.

scipy, which takes long to import, is imported where it is needed: the index of a few runs does without.
"""

import math
from collections.abc import Sequence

import numpy as np

CONFIDENCE = 0.95


def critical_t(degrees: float) -> float:
    """Student's t of a two-sided interval of CONFIDENCE; that of the normal distribution for infinity."""
    from scipy import special

    tail = (1 + CONFIDENCE) / 2
    return float(special.stdtrit(degrees, tail) if math.isfinite(degrees) else special.ndtri(tail))


def two_sided_p(difference: float, error: float, degrees: float) -> float:
    """How often chance alone makes a difference at least this large, given its standard error."""
    if difference == 0:
        return 1.0
    if error == 0:
        return 0.0
    from scipy import special

    statistic = abs(difference) / error
    tail = special.stdtr(degrees, -statistic) if math.isfinite(degrees) else special.ndtr(-statistic)
    return float(min(2 * tail, 1.0))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm (1979): adjusted p-values; in at most 5 % of comparisons is any of those up to 0.05 wrong."""
    p = np.array(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1)), 1.0)
    return [float(value) for value in adjusted]
