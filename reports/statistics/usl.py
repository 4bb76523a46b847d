"""Gunther's Universal Scalability Law, fitted to measured throughput."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, special

Floats = NDArray[np.float64]
Interval = tuple[float, float]

_CONFIDENCE = 0.95
_PARAMETERS = 3
_LEAST_LOADS = 4
_ITERATIONS = 100
_CONVERGED = 1e-12
_EXACT = 1e-13
"""Residuals below this share of the throughput's sum of squares are rounding."""
_LARGEST_GAMMA = 1e6
"""Times the highest throughput: beyond it the interval of γ has no upper end."""
_LARGEST_COST = 1e6
"""The same for κ times the smallest load squared."""
_LONGER = 4.0
_NEAR = 1e-4


@dataclass(frozen=True)
class UslFit:
    """X(N) = γN / (1 + σ(N−1) + κN(N−1)), fitted. Intervals are of 95 % confidence, (low, high).

    Gunther, Guerrilla Capacity Planning (2007), chapters 4 to 6.
    """

    sigma: float
    """Contention: the share of the work that cannot overlap, 0…1."""
    kappa: float
    """Coherency: the cost of keeping each pair in step, which makes throughput fall again; 0 or more."""
    gamma: float
    """Throughput at a load of 1, in the unit of the throughput."""
    sigma_ci: Interval
    kappa_ci: Interval
    gamma_ci: Interval
    """An upper end of κ or γ is infinite where the data do not bound it."""
    peak_concurrency: float | None
    """The load at which throughput is greatest, √((1−σ)/κ), at least 1; None where the law has no peak."""
    peak_throughput: float | None
    """Throughput there; None where the law has no peak."""
    r_squared: float
    """The share of the throughput's variance that the law explains."""
    knee: float | None
    """The load at which the ideal line γN meets the highest throughput; None where there is no highest."""
    ceiling: float | None
    """The highest throughput: that of the peak, or γ/σ where there is none; None where nothing bounds it."""
    largest_load: float
    """Of the data: beyond it the law is a guess."""

    def predicted(self, concurrency: ArrayLike) -> Floats:
        """The law's throughput at each load."""
        loads = np.asarray(concurrency, dtype=np.float64)
        return _law(self.sigma, self.kappa, self.gamma, loads)


def fit_usl(concurrency: ArrayLike, throughput: ArrayLike) -> UslFit:
    """Fits the law to throughputs at loads, which may repeat, by non-linear least squares.

    0 ≤ σ ≤ 1, κ ≥ 0 and γ > 0 hold throughout, so that data which grow linearly or faster give σ = κ = 0.
    The law is N / (a + bN + cN(N−1)) with a, b, c ≥ 0, so each Gauss–Newton step is a non-negative linear
    problem (Lawson and Hanson 1974), and a parameter at its bound is exactly there.

    The confidence intervals are profile-likelihood ones (Bates and Watts 1988, section 6.1): all values at
    which the best fit of the other two parameters has a sum of squares of at most S (1 + F(1, n−3) / (n−3)).
    They hold for curved and lopsided likelihoods and end at the bound where that lies inside; for a true
    value at its bound they cover more than 95 % (Self and Liang 1987). They suppose the same noise at every
    load, which measurements seldom have: where loads repeat, so that their noise can be seen, each interval
    is widened to hold the t-interval of the heteroscedasticity-consistent covariance HC3 (MacKinnon and
    White 1985), which does not.

    The knee is the saturation point of asymptotic bounds (Denning and Buzen 1978).

    Raises ValueError, in a sentence, where the data carry no fit.
    """
    loads, measured = _checked(concurrency, throughput)
    scale = float(measured.max())
    problem = _Problem(loads, measured / scale)
    sigma, kappa, gamma, residual = problem.fit()
    if not math.isfinite(gamma) or gamma > _LARGEST_GAMMA:
        raise ValueError(
            f"throughput falls at once from the smallest load ({loads.min():g}) on, so what it is at a load "
            "of 1 cannot be told: measure smaller loads"
        )
    best = np.array([sigma, kappa, gamma])
    intervals = [
        (min(low, value - apart if value - apart > 0 else 0.0), max(high, min(value + apart, end)))
        for (low, high), value, apart, end in zip(
            _intervals(problem, (sigma, kappa, gamma), residual),
            best.tolist(),
            _uneven_noise_intervals(problem, best).tolist(),
            (1.0, math.inf, math.inf),
            strict=True,
        )
    ]
    spread = float(np.square(problem.measured - problem.measured.mean()).sum())
    peak = max(math.sqrt((1 - sigma) / kappa), 1.0) if kappa > 0 else None
    ceiling = None
    if peak is not None:
        ceiling = float(_law(sigma, kappa, gamma, np.array(peak)))
    elif sigma > 0:
        ceiling = gamma / sigma
    return UslFit(
        sigma=sigma,
        kappa=kappa,
        gamma=gamma * scale,
        sigma_ci=intervals[0],
        kappa_ci=intervals[1],
        gamma_ci=(intervals[2][0] * scale, intervals[2][1] * scale),
        peak_concurrency=peak,
        peak_throughput=ceiling * scale if peak is not None and ceiling is not None else None,
        r_squared=1 - residual / spread if spread > _EXACT else 1.0,
        knee=None if ceiling is None else ceiling / gamma,
        ceiling=None if ceiling is None else ceiling * scale,
        largest_load=float(loads.max()),
    )


def _law(sigma: float, kappa: float, gamma: float, loads: Floats) -> Floats:
    result: Floats = gamma * loads / (1 + sigma * (loads - 1) + kappa * loads * (loads - 1))
    return result


def _checked(concurrency: ArrayLike, throughput: ArrayLike) -> tuple[Floats, Floats]:
    loads = np.asarray(concurrency, dtype=np.float64).ravel()
    measured = np.asarray(throughput, dtype=np.float64).ravel()
    if loads.size != measured.size:
        raise ValueError(f"{loads.size} loads but {measured.size} throughputs: give one for each")
    if not np.all(np.isfinite(loads)) or np.any(loads < 1):
        bad = loads[~np.isfinite(loads) | (loads < 1)][0]
        raise ValueError(f"a load of {bad:g} is not possible: loads are 1 or more")
    if not np.all(np.isfinite(measured)) or np.any(measured <= 0):
        bad = measured[~np.isfinite(measured) | (measured <= 0)][0]
        raise ValueError(
            f"a throughput of {bad:g} cannot be fitted: leave out the loads at which nothing succeeded"
        )
    distinct = np.unique(loads).size
    if distinct < _LEAST_LOADS:
        raise ValueError(
            f"{distinct} distinct {'load' if distinct == 1 else 'loads'} cannot carry a fit of 3 parameters: "
            f"measure at least {_LEAST_LOADS}"
        )
    return loads, measured


class _Problem:
    """Least squares of the law over `measured` (highest is 1), whole or with one parameter fixed."""

    def __init__(self, loads: Floats, measured: Floats) -> None:
        self.loads = loads
        self.measured = measured
        self._ones = np.ones_like(loads)
        self._pairs = loads * (loads - 1)

    def fit(self) -> tuple[float, float, float, float]:
        """σ, κ, γ and the sum of squares of the best fit, with σ or κ at 0 where that fits as well."""
        columns = [self._ones, self.loads, self._pairs]
        rounding = _EXACT * float(np.square(self.measured).sum())
        (a, b, c), residual = self._solve(np.column_stack(columns))
        for kept in ([0], [0, 1], [0, 2]):
            simpler, simpler_residual = self._solve(np.column_stack([columns[n] for n in kept]))
            if simpler_residual <= residual + rounding:
                filled = np.zeros(_PARAMETERS)
                filled[kept] = simpler
                (a, b, c), residual = filled, simpler_residual
                break
        whole = float(a + b)
        if whole <= 0:
            return 1.0, math.inf, math.inf, residual
        return float(b) / whole, float(c) / whole, 1 / whole, residual

    def at_sigma(self, sigma: float) -> float:
        """The least sum of squares with σ fixed."""
        return self._solve(np.column_stack([1 + sigma * (self.loads - 1), self._pairs]))[1]

    def at_kappa(self, kappa: float) -> float:
        """The least sum of squares with κ fixed."""
        pairs = kappa * self._pairs
        return self._solve(np.column_stack([1 + pairs, self.loads + pairs]))[1]

    def at_gamma(self, gamma: float) -> float:
        """The least sum of squares with γ fixed."""
        if gamma <= 0:
            return float(np.square(self.measured).sum())
        offset = self._ones / gamma
        (b, _), residual = self._solve(np.column_stack([self.loads - 1, self._pairs]), offset)
        if b * gamma <= 1:
            return residual
        return self._solve(self._pairs[:, np.newaxis], self.loads / gamma)[1]

    def _solve(self, columns: Floats, offset: Floats | None = None) -> tuple[Floats, float]:
        """The non-negative θ for which N / (offset + columns θ) is nearest to what was measured."""
        offset = np.zeros_like(self.loads) if offset is None else offset
        theta = _non_negative(columns, self.loads / self.measured - offset, self.measured**2 / self.loads)
        residual = self._residual(offset + columns @ theta)
        for _ in range(_ITERATIONS):
            denominator = offset + columns @ theta
            if denominator.min() <= 0:
                break
            law = self.loads / denominator
            target = (2 - self.measured / law) * denominator - offset
            step = _non_negative(columns, target, law / denominator) - theta
            fraction, nearer = 1.0, self._residual(offset + columns @ (theta + step))
            while nearer > residual and fraction > _CONVERGED:
                fraction /= 2
                nearer = self._residual(offset + columns @ (theta + fraction * step))
            if nearer > residual:
                break
            theta, gained, residual = theta + fraction * step, residual - nearer, nearer
            if gained <= _CONVERGED * residual or residual <= _CONVERGED * _EXACT:
                break
        return theta, residual

    def _residual(self, denominator: Floats) -> float:
        if denominator.min() <= 0:
            return math.inf
        apart = self.measured - self.loads / denominator
        return float(apart @ apart)


def _non_negative(columns: Floats, target: Floats, weights: Floats) -> Floats:
    """The θ ≥ 0 with the least weighted squares of columns θ − target, from columns of any scale."""
    weighted = columns * weights[:, np.newaxis]
    norms = np.sqrt((weighted * weighted).sum(axis=0))
    norms[norms == 0] = 1.0
    theta, _ = optimize.nnls(weighted / norms, target * weights)
    result: Floats = theta / norms
    return result


def _intervals(
    problem: _Problem, best: tuple[float, float, float], residual: float
) -> tuple[Interval, Interval, Interval]:
    sigma, kappa, gamma = best
    freedom = problem.loads.size - _PARAMETERS
    largest, smallest = float(problem.loads.max()), float(problem.loads.min())
    if residual <= _EXACT * float(np.square(problem.measured).sum()):
        return (sigma, sigma), (kappa, kappa), (gamma, gamma)
    allowed = residual * (1 + float(special.fdtri(1, freedom, _CONFIDENCE)) / freedom)
    return (
        _interval(problem.at_sigma, sigma, allowed, 1e-3 / largest, most=1.0, end=1.0),
        _interval(problem.at_kappa, kappa, allowed, 1e-3 / largest**2, _LARGEST_COST / smallest**2, math.inf),
        _interval(problem.at_gamma, gamma, allowed, 1e-3 * gamma, _LARGEST_GAMMA, math.inf),
    )


def _uneven_noise_intervals(problem: _Problem, best: Floats) -> Floats:
    """Half the width of each parameter's HC3 interval; 0 for one at its bound, and where few loads repeat."""
    sigma, kappa, gamma = best
    loads, measured = problem.loads, problem.measured
    law = _law(sigma, kappa, gamma, loads)
    slope = law * law / (gamma * loads)
    jacobian = np.column_stack([-slope * (loads - 1), -slope * loads * (loads - 1), law / gamma])
    free = best > 0
    scales = np.linalg.norm(jacobian[:, free], axis=0)
    q, r = np.linalg.qr(jacobian[:, free] / scales)
    leverage = np.minimum(np.square(q).sum(axis=1), 1 - _NEAR)
    weighted = q * ((measured - law) / (1 - leverage))[:, np.newaxis]
    widths = np.zeros(_PARAMETERS)
    if loads.size < 2 * np.unique(loads).size or np.linalg.matrix_rank(r) < r.shape[0]:
        return widths
    errors = np.sqrt(np.square(np.linalg.solve(r, weighted.T)).sum(axis=1)) / scales
    freedom = loads.size - np.count_nonzero(free)
    widths[free] = errors * float(special.stdtrit(freedom, (1 + _CONFIDENCE) / 2))
    return widths


def _interval(
    profile: Callable[[float], float],
    best: float,
    allowed: float,
    least_step: float,
    most: float,
    end: float,
) -> Interval:
    """Where the profile crosses `allowed` on both sides of `best`.

    The low end is 0 where it does not down to there, the high end `end` where it does not up to `most`.
    """

    def excess(value: float) -> float:
        return profile(value) - allowed

    step = max(least_step, best / 10)
    return _crossing(excess, best, -step, 0.0, 0.0), _crossing(excess, best, step, most, end)


def _crossing(excess: Callable[[float], float], best: float, step: float, most: float, end: float) -> float:
    """Where `excess` becomes positive between `best` and `most`; `end` where it does not."""
    inside = best
    while True:
        outside = best + step
        last = outside >= most if step > 0 else outside <= most
        outside = most if last else outside
        if excess(outside) > 0:
            break
        if last:
            return end
        inside, step = outside, step * _LONGER
    low, high = sorted((inside, outside))
    if excess(inside) > 0:
        return best
    return float(optimize.brentq(excess, low, high, xtol=_NEAR * (high - low), rtol=_EXACT))
