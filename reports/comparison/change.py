"""How one figure changed from A to B: by how much, how sure that is, and what may be said of it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy import special

from reports.comparison.between_runs import RunVariance
from reports.comparison.dependence import CONFIDENCE, critical_t
from reports.comparison.estimates import Estimate, Metric, Successes

Verdict = Literal["faster", "slower", "no difference shown"]
SuccessVerdict = Literal["better", "worse", "no difference shown"]

_LEAST_CELLS = 3
_DRIFTS = "it drifted more slowly than the run is long, so the interval is wide: run longer"

LEAST_CHANGE = 0.01
"""A change of a figure below this share is never called a difference, however sure it is."""


@dataclass(frozen=True)
class Change:
    """The change of throughput (steps/s) or of a percentile of latency (seconds), B relative to A."""

    metric: Metric
    a: float | None
    b: float | None
    change: float | None
    """As a share: 0.1 is 10 % more. None where A or B has no such figure."""
    low: float | None
    high: float | None
    """The interval of CONFIDENCE of this figure alone; None where there is none."""
    p: float
    """How often chance alone would change the figure at least so much; 1 where that is unknown."""
    p_adjusted: float = 1.0
    """The same, allowing for every figure that this comparison looks at (Holm 1979)."""
    verdict: Verdict = "no difference shown"
    reason: str | None = None
    """Why there is no interval, or why it is so wide."""


@dataclass(frozen=True)
class SuccessChange:
    """The change of the success rate, in shares of 0…1; an interval of CONFIDENCE as in Change."""

    a: float | None
    b: float | None
    change: float | None
    low: float | None
    high: float | None
    p: float
    p_adjusted: float = 1.0
    verdict: SuccessVerdict = "no difference shown"


def change_of(
    metric: Metric, a: Sequence[Estimate], b: Sequence[Estimate], between: RunVariance | None
) -> Change:
    """The change from the runs of A to those of B, each side's figure the geometric mean of its runs'.

    The interval is the wider of two: from chance within the runs (joined as Zou and Donner 2008 join
    asymmetric intervals), and, where runs were repeated, from how far runs differ from each other.
    """
    value_a, value_b = _mean(a), _mean(b)
    if value_a is None or value_b is None:
        missing = next((each.doubt for each in (*a, *b) if each.doubt), "the figure is missing")
        return Change(metric, value_a, value_b, None, None, None, 1.0, reason=missing)
    difference = math.log(value_b / value_a) if value_a != value_b else 0.0
    doubt = next((each.doubt for each in (*a, *b) if each.doubt), None)
    downs, ups, p_values = [], [], []
    if doubt is None:
        down, up = _within(a, b)
        degrees = min(each.degrees for each in (*a, *b))
        t = critical_t(degrees)
        downs.append(t * down)
        ups.append(t * up)
        p_values.append(_p(difference, down if difference > 0 else up, degrees))
    if between is not None:
        error = math.sqrt(between.variance * (1 / len(a) + 1 / len(b)))
        downs.append(critical_t(between.degrees) * error)
        ups.append(critical_t(between.degrees) * error)
        p_values.append(_p(difference, error, between.degrees))
    if not p_values:
        return Change(metric, value_a, value_b, math.expm1(difference), None, None, 1.0, reason=doubt)
    return Change(
        metric,
        value_a,
        value_b,
        math.expm1(difference),
        math.expm1(difference - max(downs)),
        math.expm1(difference + max(ups)),
        max(p_values),
        reason=_DRIFTS if doubt is None and any(each.drifts for each in (*a, *b)) else None,
    )


def change_over_cells(metric: Metric, changes: Sequence[Change]) -> Change | None:
    """The geometric mean change of all cells, with Student's t interval over the cells.

    None where fewer than three cells have the figure. What the two experiments have each in common, such as
    the state of the machine that day, is not in the interval.
    """
    logs = np.array([math.log1p(each.change) for each in changes if each.change is not None])
    if logs.size < _LEAST_CELLS:
        return None
    mean, error = float(logs.mean()), float(logs.std(ddof=1)) / math.sqrt(logs.size)
    reach = critical_t(logs.size - 1) * error
    return Change(
        metric,
        None,
        None,
        math.expm1(mean),
        math.expm1(mean - reach),
        math.expm1(mean + reach),
        _p(mean, error, logs.size - 1),
    )


def success_change(
    a: Sequence[Successes], b: Sequence[Successes], between: float, runs: int
) -> SuccessChange:
    """The change of the success rate, the runs of each side taken together.

    Score intervals of both sides (Wilson 1927) joined as Newcombe (1998) does, with as many operations as
    the dependence leaves (Rao and Scott 1992). `between` is by how much the counts of repeated runs vary
    more than those of one run do by chance, which `runs` degrees of freedom tell; 0: no run was repeated.
    """
    one, other = _together(a), _together(b)
    if not one.total or not other.total:
        rates = [None if math.isnan(each.rate) else each.rate for each in (one, other)]
        return SuccessChange(rates[0], rates[1], None, None, None, 1.0)
    effect = max(one.design_effect, other.design_effect, between)
    degrees = min(one.degrees, other.degrees, runs if between and runs else math.inf)
    t = critical_t(degrees) if math.isfinite(degrees) else float(special.ndtri((1 + CONFIDENCE) / 2))
    low_a, high_a = _score_interval(one.rate, one.total / effect, t)
    low_b, high_b = _score_interval(other.rate, other.total / effect, t)
    difference = other.rate - one.rate
    pooled = (one.succeeded + other.succeeded) / (one.total + other.total)
    error = math.sqrt(pooled * (1 - pooled) * effect * (1 / one.total + 1 / other.total))
    return SuccessChange(
        one.rate,
        other.rate,
        difference,
        difference - math.hypot(other.rate - low_b, high_a - one.rate),
        difference + math.hypot(high_b - other.rate, one.rate - low_a),
        _p(difference, error, degrees),
    )


def overdispersion(sides: Sequence[Sequence[Successes]]) -> tuple[float, int]:
    """By how much counts of repeated runs vary more than chance, over all cells, and its degrees of freedom.

    Pearson's statistic over its degrees of freedom, as quasi-binomial models use (McCullagh, Nelder 1989).
    """
    statistic, degrees = 0.0, 0
    for runs in sides:
        whole = _together(runs)
        if len(runs) > 1 and 0 < whole.succeeded < whole.total:
            variance = whole.rate * (1 - whole.rate)
            statistic += sum(
                (run.succeeded - run.total * whole.rate) ** 2 / (run.total * variance)
                for run in runs
                if run.total
            )
            degrees += len(runs) - 1
    return (statistic / degrees, degrees) if degrees else (0.0, 0)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm (1979): p-values of which one at most 0.05 is wrong in at most 5 % of all comparisons."""
    order = np.argsort(p_values, kind="stable")
    adjusted = [1.0] * len(p_values)
    largest = 0.0
    for place, at in enumerate(order.tolist()):
        largest = max(largest, min(p_values[at] * (len(p_values) - place), 1.0))
        adjusted[at] = largest
    return adjusted


def judged(change: Change, p_adjusted: float) -> Change:
    """The change with its verdict: more throughput is faster, more latency slower."""
    if change.change is None or p_adjusted > 1 - CONFIDENCE or abs(change.change) < LEAST_CHANGE:
        return replace(change, p_adjusted=p_adjusted)
    better = (change.change > 0) == (change.metric == "throughput")
    return replace(change, p_adjusted=p_adjusted, verdict="faster" if better else "slower")


def judged_success(change: SuccessChange, p_adjusted: float) -> SuccessChange:
    """The change of the success rate with its verdict."""
    if not change.change or p_adjusted > 1 - CONFIDENCE:
        return replace(change, p_adjusted=p_adjusted)
    return replace(change, p_adjusted=p_adjusted, verdict="better" if change.change > 0 else "worse")


def _mean(estimates: Sequence[Estimate]) -> float | None:
    values = [each.value for each in estimates if each.value > 0]
    if not values or len(values) < len(estimates):
        return None
    return math.exp(math.fsum(map(math.log, values)) / len(values)) if len(values) > 1 else values[0]


def _within(a: Sequence[Estimate], b: Sequence[Estimate]) -> tuple[float, float]:
    """Standard errors, downwards and upwards, of the difference of the logarithms."""
    down = [each.below / len(b) for each in b] + [each.above / len(a) for each in a]
    up = [each.above / len(b) for each in b] + [each.below / len(a) for each in a]
    return math.hypot(*down), math.hypot(*up)


def _p(difference: float, error: float, degrees: float) -> float:
    if difference == 0:
        return 1.0
    if error == 0:
        return 0.0
    statistic = abs(difference) / error
    tail = special.stdtr(degrees, -statistic) if math.isfinite(degrees) else special.ndtr(-statistic)
    return float(min(2 * tail, 1.0))


def _together(runs: Sequence[Successes]) -> Successes:
    return Successes(
        sum(run.succeeded for run in runs),
        sum(run.total for run in runs),
        max((run.design_effect for run in runs), default=1.0),
        min((run.degrees for run in runs), default=math.inf),
    )


def _score_interval(rate: float, total: float, t: float) -> tuple[float, float]:
    square = t * t
    middle = (rate + square / (2 * total)) / (1 + square / total)
    reach = t * math.sqrt(rate * (1 - rate) / total + square / (4 * total**2)) / (1 + square / total)
    return max(middle - reach, 0.0), min(middle + reach, 1.0)
