"""Whether a series rises: its slope, with an interval that allows for samples that depend on each other.

Memory moves in steps that stay, descriptors follow the sessions of the moment: the noise around a trend is
anything from independent to a random walk. The slope is estimated by feasible generalised least squares,
whose interval holds for all of these (Perron and Yabu 2009, "Estimating deterministic trends with an
integrated or stationary noise component"): samples are freed of their first-order correlation, which counts
as 1 where it comes near. It is corrected for its bias first (Marriott and Pope 1954, with a trend), and what
correlation the freed samples still have is in their long-run variance (Newey and West 1987, with the lag of
their 1994 paper).
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LEAST_SAMPLES = 10
_NEAR = 2.5
"""A correlation within _NEAR / √n of 1 counts as 1; with 1, as in that paper, intervals are too short."""


@dataclass(frozen=True)
class Trend:
    """A slope, in units of the series a second, and the interval that it is in."""

    slope: float
    low: float
    high: float


def trend(at_s: Floats, values: Floats, doubt: float = 0.05) -> Trend | None:
    """The slope of evenly spaced samples; None where there are too few. Its interval errs so often."""
    count = values.size
    if count < LEAST_SAMPLES:
        return None
    level = np.ones(count)
    regressors = np.column_stack([level, at_s - at_s.mean()])
    residuals = values - regressors @ _solved(regressors, values)
    correlation = _correlation(residuals)
    freed_values, freed = _freed(values, correlation), _freed(regressors, correlation)
    estimate = _solved(freed, freed_values)
    left = freed_values - freed @ estimate
    variance = _long_run_variance(left[1:]) * float(np.linalg.inv(freed.T @ freed)[1, 1])
    half = _critical_t(doubt, count - 3) * math.sqrt(variance)
    slope = float(estimate[1])
    return Trend(slope, slope - half, slope + half)


def _solved(regressors: Floats, values: Floats) -> Floats:
    return np.asarray(np.linalg.lstsq(regressors, values, rcond=None)[0], dtype=np.float64)


def _correlation(residuals: Floats) -> float:
    """Of neighbouring residuals, freed of its bias; 1 where it cannot be told from that."""
    count = residuals.size
    before, after = residuals[:-1], residuals[1:]
    squares = float(before @ before)
    if squares == 0:
        return 0.0
    raw = float(before @ after) / squares
    corrected = raw + (2 + 4 * raw) / count
    return 1.0 if corrected > 1 - _NEAR / math.sqrt(count) else max(corrected, 0.0)


def _freed(values: Floats, correlation: float) -> Floats:
    """Each sample less what it is expected to be after the one before; the first as it is."""
    freed = values.astype(np.float64)
    freed[1:] = values[1:] - correlation * values[:-1]
    return freed


def _long_run_variance(residuals: Floats) -> float:
    """At least that of independent residuals."""
    count = residuals.size
    own = float(residuals @ residuals) / max(count - 2, 1)
    lags = int(4 * (count / 100) ** (2 / 9))
    long_run = own
    for lag in range(1, min(lags, count - 1) + 1):
        together = float(residuals[lag:] @ residuals[:-lag]) / max(count - 2, 1)
        long_run += 2 * (1 - lag / (lags + 1)) * together
    return max(long_run, own)


def _critical_t(doubt: float, degrees: int) -> float:
    from scipy import special  # Takes long to import.

    return float(special.stdtrit(degrees, 1 - doubt / 2))
