"""How far a sum over the steps of a run varies by chance, given that steps depend on each other.

Steps within a second share what the machines were doing then, and steps of a session share its worker. So a
sum is taken apart twice, by blocks of time and by users, and both parts count: two-way clustering with a
long-run variance in time (Thompson 2011, "Simple formulas for standard errors that cluster by both firm and
time"; Cameron, Gelbach, Miller 2011).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

Floats = NDArray[np.float64]

CONFIDENCE = 0.95
BINS = 240
"""Equal pieces of the measured window, of which blocks are made."""
LEAST_BLOCKS = 12
_BLOCKS = (LEAST_BLOCKS, 24, 48)
"""Numbers of blocks tried; the most careful result counts."""
_SLOW_DRIFT = 0.75
"""Correlation of neighbouring blocks, of the longest kind, beyond which it can no longer be measured."""
_HIGHEST = 0.9
"""The correlation that is then supposed, and the highest that is."""


@dataclass(frozen=True)
class Spread:
    """The standard error of a sum, and the degrees of freedom behind it."""

    error: float
    degrees: float
    drifts: bool = False
    """Whether the scores drift more slowly than the run is long, so that the error is a cautious guess."""
    doubt: str | None = None
    """Why the error is unknown; it is NaN then."""

    @property
    def half_width(self) -> float:
        """Of the interval that holds with CONFIDENCE."""
        return self.error * critical_t(self.degrees)


def critical_t(degrees: float) -> float:
    """Student's t that a two-sided interval of CONFIDENCE takes."""
    return float(special.stdtrit(degrees, (1 + CONFIDENCE) / 2))


def spread_of_sum(
    by_bin: Floats, by_user: Floats, own: float, most_blocks: float, drifts: bool = False
) -> Spread:
    """How far the sum of scores with expectation zero varies by chance.

    `by_bin` are the scores' sums in each of BINS pieces of time, `by_user` those of each user, `own` the sum
    of their squares (0 where each score is a whole bin's), which both parts hold, so that it is taken off
    once. `most_blocks` bounds the number of blocks, so that each is as long as a user's step. `drifts` says
    that slow drift was seen elsewhere in the run.
    """
    users = by_user.size
    if most_blocks < LEAST_BLOCKS:
        return Spread(np.nan, 0, doubt=f"fewer than {LEAST_BLOCKS} blocks as long as a step: run longer")
    if users < 2:
        return Spread(np.nan, 0, doubt="one user says nothing of how sessions differ: run with more users")
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
    """The variance of the sum of blocks as an autoregressive process of first order, and what it rests on.

    Batch means with a correction for what correlation is left between them (Steiger et al. 2005, "ASAP3").
    The correlation is corrected for its bias, (1 + 3 ρ) / n downwards (Kendall 1954), the variance for that
    of a mean taken from the same blocks; correlation below `least` counts as that. Gives the variance, the
    correlation, and degrees of freedom, fewer the more the correlation, which is an estimate too, counts.
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
