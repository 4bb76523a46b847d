"""Estimates of one run's throughput, percentiles and success rate, each with its variation by chance."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from reports.statistics.dependence import BINS, Spread, spread_of_sum
from reports.statistics.quantiles import quantiles_of_sorted
from reports.statistics.significance import critical_t

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

Metric = Literal["throughput", "p50", "p95", "p99"]

_LEAST_USERS = 10
_MOST_LOG_ODDS = 50.0


@dataclass(frozen=True)
class Estimate:
    """A positive figure of one run. Standard errors are of its logarithm, downwards and upwards."""

    value: float
    below: float
    above: float
    degrees: float
    drifts: bool = False
    """Whether it drifted too slowly to be measured in this run."""
    doubt: str | None = None
    """Why the variation by chance is unknown, in words; the errors are NaN then."""


@dataclass(frozen=True)
class Successes:
    """How many operations or users succeeded, and how much their dependence adds to what chance explains."""

    succeeded: int
    total: int
    design_effect: float
    """The variance of the share relative to that of independent operations; at least 1."""
    degrees: float

    @property
    def rate(self) -> float:
        return self.succeeded / self.total if self.total else math.nan


@dataclass(frozen=True)
class Layout:
    """In which of BINS equal pieces of a window each of its steps ended, and which user's it was."""

    bins: Indices
    user: NDArray[np.int32]
    users: int

    @classmethod
    def of(cls, at_s: Floats, user: NDArray[np.int32], users: int, window_s: tuple[float, float]) -> "Layout":
        begin, end = window_s
        width = (end - begin) / BINS or 1.0
        return cls(np.clip((at_s - begin) / width, 0, BINS - 1).astype(np.intp), user, users)

    @property
    def most_blocks(self) -> float:
        """The number of blocks that are as long as a user takes from one step to the next."""
        return self.bins.size / self.users if self.users else 0.0

    def spread(self, chosen: NDArray[np.bool_], share: float, drifts: bool = False) -> Spread:
        """Of the count of `chosen` rows, which are `share` of all."""
        by_bin, by_user = self.counts()
        chosen_by_bin = np.bincount(self.bins[chosen], minlength=BINS)
        chosen_by_user = np.bincount(self.user[chosen], minlength=self.users)
        own = self.bins.size * share * (1 - share)
        return spread_of_sum(
            chosen_by_bin - share * by_bin, chosen_by_user - share * by_user, own, self.most_blocks, drifts
        )

    def counts(self) -> tuple[Floats, Floats]:
        """How many rows there are in each bin, and of each user."""
        by_bin, by_user = np.bincount(self.bins, minlength=BINS), np.bincount(self.user, minlength=self.users)
        return by_bin.astype(np.float64), by_user.astype(np.float64)


def sustained_estimates(
    latency_s: Floats, rising_s: Floats, layout: Layout, seconds: float, quantiles: Mapping[Metric, float]
) -> dict[Metric, Estimate]:
    """Throughput and percentiles of a window that lasts `seconds`.

    Where throughput or a percentile is seen to drift too slowly to be measured, the percentiles after it are
    assumed to drift too: it is the machine that drifts, and the tail only shows it less clearly.
    """
    estimates: dict[Metric, Estimate] = {"throughput": throughput(layout, seconds)}
    for name, quantile in quantiles.items():
        drifts = any(estimate.drifts for estimate in estimates.values())
        estimates[name] = percentile(latency_s, rising_s, layout, quantile, drifts)
    return estimates


def throughput(layout: Layout, seconds: float) -> Estimate:
    """Steps a second of a window that lasts `seconds`."""
    count = layout.bins.size
    by_bin, by_user = layout.counts()
    if not count or not seconds > 0:
        return _unknown(math.nan, "no step succeeded in the measured window")
    spread = spread_of_sum(by_bin - by_bin.mean(), by_user, 0.0, layout.most_blocks)
    error = spread.error / count
    return Estimate(count / seconds, error, error, spread.degrees, spread.drifts, spread.doubt)


def percentile(
    latency_s: Floats, rising_s: Floats, layout: Layout, quantile: float, drifts: bool = False
) -> Estimate:
    """A percentile of steps that depend on each other; `rising_s` are the sorted `latency_s`, in seconds.

    Woodruff (1952): the interval of the share of steps at or below the percentile, read back as latencies;
    an interval of log odds, so that it stays within 0…1.
    """
    if not rising_s.size:
        return _unknown(math.nan, "no step succeeded in the measured window")
    value = float(quantiles_of_sorted(rising_s, np.array([quantile]))[0])
    spread = layout.spread(latency_s > value, 1 - quantile, drifts)
    return _read_back(rising_s, quantile, value, spread)


def percentile_of_independent(rising_s: Floats, quantile: float) -> Estimate:
    """A percentile of values that do not depend on each other, such as one total time a user."""
    if not rising_s.size:
        return _unknown(math.nan, "no session was completed")
    value = float(quantiles_of_sorted(rising_s, np.array([quantile]))[0])
    if (count := rising_s.size) < _LEAST_USERS:
        return _unknown(value, f"fewer than {_LEAST_USERS} complete sessions: make the batch larger")
    spread = Spread(math.sqrt(count * quantile * (1 - quantile)), count - 1)
    return _read_back(rising_s, quantile, value, spread)


def successes(succeeded: NDArray[np.bool_], layout: Layout) -> Successes:
    """The share of operations that succeeded, with the design effect of dependence in time and by user."""
    total, good = int(succeeded.size), int(np.count_nonzero(succeeded))
    effect, degrees = 1.0, math.inf
    if 0 < good < total:
        rate = good / total
        spread = layout.spread(~succeeded, 1 - rate)
        degrees = spread.degrees
        if spread.doubt is None:
            effect = max(spread.error**2 / (total * rate * (1 - rate)), 1.0)
        else:  # all operations of a user are assumed to share one fate
            effect, degrees = max(layout.most_blocks, 1.0), max(layout.users - 1, 1)
    return Successes(good, total, effect, degrees)


def _read_back(rising_s: Floats, quantile: float, value: float, spread: Spread) -> Estimate:
    if spread.doubt:
        return _unknown(value, spread.doubt)
    last = rising_s.size - 1
    odds = quantile / (1 - quantile)
    reach = math.exp(min(spread.half_width / (rising_s.size * quantile * (1 - quantile)), _MOST_LOG_ODDS))
    low = math.floor(last * odds / (reach + odds))
    high = math.ceil(last * odds * reach / (1 + odds * reach)) + 1
    if low < 0 or high > last or not rising_s[max(low, 0)] > 0:
        return _unknown(
            value, f"too few independent steps to bound the {100 * quantile:g}th percentile: run longer"
        )
    t = critical_t(spread.degrees)
    return Estimate(
        value,
        math.log(value / rising_s[low]) / t,
        math.log(rising_s[high] / value) / t,
        spread.degrees,
        spread.drifts,
    )


def _unknown(value: float, doubt: str) -> Estimate:
    return Estimate(value, math.nan, math.nan, 0, doubt=doubt)
