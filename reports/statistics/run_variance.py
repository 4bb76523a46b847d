"""How far runs of one deployment differ from each other, learned from the repetitions of all cells.

Two repetitions say little about their cell's variance, all cells together say more: each cell's variance is
drawn towards the common one, the more so the more the cells agree (Smyth 2004, "Linear models and empirical
Bayes methods", equation and estimators of `squeezeVar` in limma).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_LEAST_CELLS = 3
_CAREFUL = 0.25
"""The probability that cells differ by more than is assumed."""


@dataclass(frozen=True)
class RunVariance:
    """The variance of a figure's logarithm from run to run, and the degrees of freedom behind it."""

    variance: float
    degrees: float


def run_variances(cells: Sequence[tuple[Floats, Floats]]) -> list[RunVariance | None]:
    """The variance from run to run of each cell, given the logarithms of its runs in A and in B.

    None for a cell about which neither its own runs nor those of the others tell anything.
    """
    degrees = np.array([max(a.size - 1, 0) + max(b.size - 1, 0) for a, b in cells], dtype=np.float64)
    squares = np.array([_squares(a) + _squares(b) for a, b in cells])
    told = degrees > 0
    if not told.any():
        return [None] * len(cells)
    variances = np.divide(squares, degrees, out=np.zeros_like(squares), where=told)
    prior, prior_degrees = _prior(variances[told], degrees[told])
    results: list[RunVariance | None] = []
    for variance, own in zip(variances.tolist(), degrees.tolist(), strict=True):
        if not own and not prior_degrees:
            results.append(None)
        elif math.isinf(prior_degrees):
            results.append(RunVariance(prior, float(degrees.sum())))
        else:
            moderated = (prior_degrees * prior + own * variance) / (prior_degrees + own)
            known = min(prior_degrees + own, float(degrees.sum()))
            results.append(RunVariance(max(moderated, prior), known))
    return results


def _squares(values: Floats) -> float:
    return float(np.square(values - values.mean()).sum()) if values.size > 1 else 0.0


def _prior(variances: Floats, degrees: Floats) -> tuple[float, float]:
    """The common variance and the degrees of freedom it is worth; 0 where there are too few cells.

    Moments of the logarithm of a variance whose distribution is scaled F (Smyth 2004, section 6.2).
    """
    if variances.size < _LEAST_CELLS or not variances.any():
        return 0.0, 0.0
    from scipy import optimize, special  # Take long to import, and most comparisons have too few cells.

    positive = np.maximum(variances, 1e-5 * float(np.median(variances[variances > 0])))
    logs = np.log(positive) - special.digamma(degrees / 2) + np.log(degrees / 2)
    careful = (logs.size - 1) / float(special.chdtri(logs.size - 1, 1 - _CAREFUL))
    excess = careful * float(logs.var(ddof=1)) - float(special.polygamma(1, degrees / 2).mean())
    if excess <= 0:
        return float(np.average(variances, weights=degrees)), math.inf
    half = optimize.brentq(lambda x: float(special.polygamma(1, x)) - excess, 1e-6, 1e6)
    return math.exp(float(logs.mean()) + float(special.digamma(half)) - math.log(half)), 2 * half
