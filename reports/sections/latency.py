"""How long operations took: exact percentiles, their curve, and how they changed over time."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Summary:
    """Exact order statistics of one kind of latency, in seconds."""

    count: int
    mean: float
    p50: float
    p90: float
    p95: float
    p99: float
    p999: float
    max: float


@dataclass(frozen=True)
class Curve:
    """Latency (seconds) at each quantile (0…1, rising, dense towards 1 so that a log tail can be drawn)."""

    quantiles: Floats
    seconds: Floats


@dataclass(frozen=True)
class OverTime:
    """Percentiles of step latency in equal slices of the run; NaN where a slice has no step."""

    at_s: Floats
    """The middle of each slice, seconds since the run's start."""
    p50: Floats
    p90: Floats
    p99: Floats


@dataclass(frozen=True)
class HeatMap:
    """Counts of steps by time of completion and latency: shape (time slices, latency bins)."""

    time_edges_s: Floats
    latency_edges_s: Floats
    """Log-spaced."""
    counts: NDArray[np.int64]


@dataclass(frozen=True)
class Latency:
    """Latency of the successful operations of a run.

    `overhead` is latency minus the seconds the server reports to have waited. `total` of a step is the
    connect of its session, the reset before it and the step itself: what a client that connects, resets
    and steps once would have waited.
    """

    summaries: dict[str, Summary]
    """By connect, reset, step, overhead, total; absent where the run has none."""
    scheduled: dict[str, Summary]
    """The same counted from `intended_at`, of an open-model run; empty for a closed-model one."""
    curves: dict[str, Curve]
    """By the same names as `summaries`."""
    over_time: OverTime | None
    heat_map: HeatMap | None
    takeaways: list[str]
