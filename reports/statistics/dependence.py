"""How far a sum over the steps of a run varies by chance, given that steps depend on each other.

Steps within a second share what the machines were doing then, and steps of a session share its worker. So
the sum is split twice, by blocks of time and by users, and both parts count: two-way clustering with a
long-run variance in time (Thompson 2011, "Simple formulas for standard errors that cluster by both firm and
time"; Cameron, Gelbach, Miller 2011).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reports.statistics.significance import critical_t

Floats = NDArray[np.float64]

BINS = 240
"""Equal pieces of the measured window, of which blocks are made."""
LEAST_BLOCKS = 12
_BLOCKS = (LEAST_BLOCKS, 24, 48)
"""Numbers of blocks tried; the most careful result counts."""
_SLOW_DRIFT = 0.75
"""Correlation of neighbouring blocks, of the longest kind, beyond which it can no longer be measured."""
_HIGHEST = 0.9
"""The correlation assumed then, and the highest that is ever assumed."""


@dataclass(frozen=True)
class Spread:
    """The standard error of a sum, and the degrees of freedom behind it."""

    error: float
    degrees: float
    drifts: bool = False
    """Whether the scores drift too slowly to be measured in this run; the error is a cautious guess then."""
    doubt: str | None = None
    """Why the error is unknown; it is NaN then."""

    @property
    def half_width(self) -> float:
        """Of the interval at the level CONFIDENCE."""
        return self.error * critical_t(self.degrees)


def spread_of_sum(
    by_bin: Floats, by_user: Floats, own: float, most_blocks: float, drifts: bool = False
) -> Spread:
    """How far the sum of scores with expectation zero varies by chance.

    `by_bin` are the scores' sums in each of BINS pieces of time, `by_user` those of each user. `own` is the
    sum of their squares (0 where each score is a whole bin's); both parts contain it, so it is subtracted
    once. `most_blocks` bounds the number of blocks, so that each is as long as a user's step. `drifts` says
    that slow drift was seen elsewhere in the run.
    """
    users = by_user.size
    if most_blocks < LEAST_BLOCKS:
        return Spread(np.nan, 0, doubt=f"fewer than {LEAST_BLOCKS} blocks as long as a step: run longer")
    if users < 2:
        return Spread(np.nan, 0, doubt="one user cannot show how sessions differ: run with more users")
    centred = by_user - by_user.mean()
    between_users = float(centred @ centred) * users / (users - 1)
    widest = Spread(0.0, users - 1, drifts)
    for blocks in _BLOCKS:
        if blocks <= most_blocks:
            sums = by_bin.reshape(blocks, -1).sum(axis=1)
            over_time, correlation, degrees = _block_variance(sums)
            if blocks == LEAST_BLOCKS:
                drifts = drifts or (correlation > _SLOW_DRIFT and over_time > between_users)
                if drifts:
                    over_time, _, degrees = _block_variance(sums, _HIGHEST)
            variance = max(over_time + between_users - own, over_time, between_users)
            spread = Spread(float(np.sqrt(variance)), min(degrees, users - 1), drifts)
            widest = max(widest, spread, key=lambda each: each.half_width)
    return widest


def _block_variance(sums: Floats, least: float = 0.0) -> tuple[float, float, float]:
    """The variance of the sum of blocks, taken as an autoregressive process of first order.

    Batch means with a correction for the correlation left between them (Steiger et al. 2005, "ASAP3"). The
    correlation is corrected for its bias, (1 + 3 ρ) / n downwards (Kendall 1954), and raised to `least`; the
    variance is corrected for the mean's being taken from the same blocks. Returns the variance, the
    correlation, and the degrees of freedom: the higher the correlation, itself an estimate, the fewer.
    """
    count = sums.size
    deviations = sums - sums.mean()
    squares = float(deviations @ deviations)
    if squares == 0:
        return 0.0, 0.0, count - 1
    observed = float(deviations[1:] @ deviations[:-1]) / squares
    correlation = min(max(observed + (1 + 3 * observed) / count, least), _HIGHEST)
    inflation = (1 + correlation) / (1 - correlation)
    unbiased = squares / max(1 - inflation / count, 0.3)
    return unbiased * inflation, correlation, max((count - 1) / inflation, 2.0)
