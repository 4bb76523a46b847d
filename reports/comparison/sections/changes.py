"""What changed: each figure from A to B, by how much, how sure that is, and what may be said of it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from reports.comparison.estimates import Estimate, Metric
from reports.page.words import listing, signed_percent
from reports.statistics.run_variance import RunVariance
from reports.statistics.significance import CONFIDENCE, critical_t, two_sided_p

Verdict = Literal["faster", "slower", "no difference shown"]

_LEAST_CELLS = 3
_DRIFTS = "it drifted too slowly to be measured in this run, so the interval is wide: run longer"

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
    """How often chance alone would change the figure at least this much; 1 where that is unknown."""
    p_adjusted: float = 1.0
    """The same, allowing for every figure that this comparison looks at (Holm 1979)."""
    verdict: Verdict = "no difference shown"
    reason: str | None = None
    """Why there is no interval, or why it is wide."""


def change_of(
    metric: Metric, a: Sequence[Estimate], b: Sequence[Estimate], between: RunVariance | None
) -> Change:
    """The change from the runs of A to those of B; each side's figure is the geometric mean of its runs.

    The interval is the wider of two: one from chance within the runs (joined as Zou and Donner 2008 join
    asymmetric intervals), and, where runs were repeated, one from how far runs differ from each other.
    """
    value_a, value_b = _mean(a), _mean(b)
    doubt = next((each.doubt for each in (*a, *b) if each.doubt), None)
    if value_a is None or value_b is None:
        missing = doubt or "the figure is missing"
        return Change(metric, value_a, value_b, None, None, None, 1.0, reason=missing)
    difference = math.log(value_b / value_a) if value_a != value_b else 0.0
    errors = []  # downwards, upwards, degrees of freedom
    if doubt is None:
        errors.append((*_within(a, b), min(each.degrees for each in (*a, *b))))
    if between is not None:
        error = math.sqrt(between.variance * (1 / len(a) + 1 / len(b)))
        errors.append((error, error, between.degrees))
    if not errors:
        return Change(metric, value_a, value_b, math.expm1(difference), None, None, 1.0, reason=doubt)
    return Change(
        metric,
        value_a,
        value_b,
        math.expm1(difference),
        math.expm1(difference - max(critical_t(degrees) * down for down, _, degrees in errors)),
        math.expm1(difference + max(critical_t(degrees) * up for _, up, degrees in errors)),
        max(two_sided_p(difference, down if difference > 0 else up, degrees) for down, up, degrees in errors),
        reason=_DRIFTS if doubt is None and any(each.drifts for each in (*a, *b)) else None,
    )


def change_over_cells(changes: Sequence[Change]) -> Change | None:
    """The geometric mean change of one figure over all cells, with Student's t interval over the cells.

    None where fewer than three cells have the figure. The interval does not cover what all cells of an
    experiment have in common, such as the state of the machine that day.
    """
    logs = np.array([math.log1p(each.change) for each in changes if each.change is not None])
    if logs.size < _LEAST_CELLS:
        return None
    mean, error = float(logs.mean()), float(logs.std(ddof=1)) / math.sqrt(logs.size)
    reach = critical_t(logs.size - 1) * error
    change, low, high = (math.expm1(value) for value in (mean, mean - reach, mean + reach))
    p = two_sided_p(mean, error, logs.size - 1)
    return Change(changes[0].metric, None, None, change, low, high, p)


def judged(change: Change, p_adjusted: float) -> Change:
    """The change with its verdict: more throughput is faster, more latency slower."""
    if change.change is None or p_adjusted > 1 - CONFIDENCE or abs(change.change) < LEAST_CHANGE:
        return replace(change, p_adjusted=p_adjusted)
    better = (change.change > 0) == (change.metric == "throughput")
    return replace(change, p_adjusted=p_adjusted, verdict="faster" if better else "slower")


def verdict_of(changes: Sequence[Change]) -> Verdict:
    """Slower where any figure is shown to be slower; else faster where any is shown to be faster."""
    verdicts = {change.verdict for change in changes}
    return "slower" if "slower" in verdicts else "faster" if "faster" in verdicts else "no difference shown"


def sentence_of(changes: Sequence[Change], run_to_run: bool) -> str:
    """What is shown, or why nothing can be."""
    parts = []
    for verdict in ("slower", "faster"):
        shown = [
            f"{change.metric} {signed_percent(change.change or 0)}"
            for change in changes
            if change.verdict == verdict
        ]
        if shown:
            parts.append(f"{in_words(verdict, run_to_run)}: {listing(shown)}")
    if parts:
        return "; ".join(parts)
    if all(change.reason for change in changes):
        reasons = dict.fromkeys(change.reason or "" for change in changes)
        return f"no difference shown: {'; '.join(reasons)}"
    return "no difference shown"


def in_words(verdict: str, run_to_run: bool) -> str:
    """A verdict, limited to two runs where nothing tells how far runs differ."""
    return verdict if run_to_run or verdict == "no difference shown" else f"{verdict}, in these two runs"


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
