"""Whether more or fewer operations failed: the change of the success rate, and of the kinds of errors."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from reports.comparison.estimates import Successes
from reports.statistics.significance import CONFIDENCE, critical_t, two_sided_p

SuccessVerdict = Literal["better", "worse", "no difference shown"]


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


@dataclass(frozen=True)
class ErrorsChange:
    """The failures of both sides by category, and the categories that only one side has."""

    counts: dict[str, tuple[int, int]]
    """In A and in B, most frequent first."""
    new: list[str]
    gone: list[str]


def success_change(
    a: Sequence[Successes], b: Sequence[Successes], between: float, runs: int
) -> SuccessChange:
    """The change of the success rate, with the runs of each side taken together.

    Score intervals of both sides (Wilson 1927) joined as Newcombe (1998) does, with the effective number of
    operations that their dependence leaves (Rao and Scott 1992). `between` is the overdispersion of the
    counts of repeated runs, with `runs` degrees of freedom; 0 where no run was repeated.
    """
    one, other = _together(a), _together(b)
    if not one.total or not other.total:
        rates = [None if math.isnan(each.rate) else each.rate for each in (one, other)]
        return SuccessChange(rates[0], rates[1], None, None, None, 1.0)
    effect = max(one.design_effect, other.design_effect, between)
    degrees = min(one.degrees, other.degrees, runs if between and runs else math.inf)
    t = critical_t(degrees)
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
        two_sided_p(difference, error, degrees),
    )


def overdispersion(sides: Iterable[Sequence[Successes]]) -> tuple[float, int]:
    """How much more the counts of repeated runs vary than chance explains, and its degrees of freedom.

    Pearson's statistic over its degrees of freedom, as quasi-binomial models use (McCullagh, Nelder 1989);
    0 where no run was repeated.
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


def judged_success(change: SuccessChange, p_adjusted: float) -> SuccessChange:
    """The change of the success rate with its verdict."""
    if not change.change or p_adjusted > 1 - CONFIDENCE:
        return replace(change, p_adjusted=p_adjusted)
    return replace(change, p_adjusted=p_adjusted, verdict="better" if change.change > 0 else "worse")


def errors_change(a: Iterable[Mapping[str, int]], b: Iterable[Mapping[str, int]]) -> ErrorsChange:
    """The change of the errors, given the failures by category of each run of both sides."""
    of_a, of_b = (sum(map(Counter, side), Counter[str]()) for side in (a, b))
    ordered = sorted({*of_a, *of_b}, key=lambda category: (-of_a[category] - of_b[category], category))
    return ErrorsChange(
        {category: (of_a[category], of_b[category]) for category in ordered},
        new=[category for category in ordered if not of_a[category]],
        gone=[category for category in ordered if not of_b[category]],
    )


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
