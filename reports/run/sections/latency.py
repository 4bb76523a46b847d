"""How long operations took: exact percentiles, their curve, and how they changed over time."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from reports.page.words import factor, seconds
from reports.records.slices import Slices, slices_of
from reports.records.steps import CONNECT, OPS, RESET, STEP, Bools, Floats, Steps
from reports.statistics.quantiles import quantiles_of_sorted, stable_order

_SUMMARY_QUANTILES = np.array([0.5, 0.9, 0.95, 0.99, 0.999])
_CURVE_BODY = np.linspace(0.0, 0.9, 91)
_CURVE_POINTS_A_DECADE = 30
_OVER_TIME_SLICES = 120
_HEAT_MAP_SLICES = 120
_HEAT_MAP_LEAST_SLICE_S = 0.1
_LATENCY_BINS = 60
_LEAST_LATENCY_S = 1e-6
_DRIFT = 1.5
_LONG_TAIL = 10.0
_NO_OVERHEAD = (
    "Replies do not say how long the server itself took (waited_seconds), so how much of the latency is its "
    "own work, and how much network, balancer and queueing, is unknown."
)


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
    in_window: dict[str, Summary]
    """Of step and overhead, over the steps that ended in the measured window; where ramp-up and warm-up do
    not count, of total too, from operations that ended since the window began."""
    scheduled: dict[str, Summary]
    """The same counted from `intended_at`, of an open-model run; empty for a closed-model one."""
    curves: dict[str, Curve]
    """By the same names as `summaries`."""
    over_time: OverTime | None
    heat_map: HeatMap | None
    takeaways: list[str]


def summarize(
    steps: Steps,
    waited_s: Floats | None = None,
    intended_s: Floats | None = None,
    window_s: tuple[float, float] | None = None,
    *,
    ramp_cut: bool = False,
) -> Latency:
    """Summarises the latency of a run's successful operations.

    `waited_s` is what the server reports to have waited in each, `intended_s` when each was due, in seconds
    since the run's start; both NaN where unknown, None where all are. `window_s` is the measured window;
    None: the whole run.
    """
    summaries: dict[str, Summary] = {}
    curves: dict[str, Curve] = {}
    step = steps.successes(STEP)
    overhead_s = None if waited_s is None else steps.latency_s - waited_s

    def add(name: str, values: Floats) -> None:
        if values.size:
            summaries[name] = _summary(values)
            curves[name] = _curve(values)

    for op, name in enumerate(OPS):
        add(name, steps.latency_s[steps.successes(op)])
    if overhead_s is not None:
        add("overhead", _known(overhead_s[step]))
    in_window = _in_window(steps, overhead_s, window_s, ramp_cut=ramp_cut)
    del overhead_s
    add("total", total_of_each_step(steps))

    ended_s, latency_s = steps.ended_s[step], steps.latency_s[step]
    over_time = heat_map = None
    if latency_s.size:
        over_time = _over_time(ended_s, latency_s, slices_of(steps.duration_s, _OVER_TIME_SLICES))
        slices = slices_of(steps.duration_s, _HEAT_MAP_SLICES, _HEAT_MAP_LEAST_SLICE_S)
        heat_map = _heat_map(ended_s, latency_s, slices)
    scheduled = {} if intended_s is None else _scheduled(steps, intended_s)
    takeaways = list(_takeaways(summaries, scheduled, over_time))
    return Latency(summaries, in_window, scheduled, curves, over_time, heat_map, takeaways)


def _in_window(
    steps: Steps, overhead_s: Floats | None, window_s: tuple[float, float] | None, *, ramp_cut: bool
) -> dict[str, Summary]:
    begin, end = window_s or (-np.inf, np.inf)
    measured = steps.successes(STEP) & (steps.ended_s >= begin) & (steps.ended_s <= end)
    samples = {"step": steps.latency_s[measured]}
    if overhead_s is not None:
        samples["overhead"] = _known(overhead_s[measured])
    if ramp_cut and window_s is not None:
        samples["total"] = total_of_each_step(_rows(steps, steps.ended_s >= begin))
    return {name: _summary(values) for name, values in samples.items() if values.size}


def _scheduled(steps: Steps, intended_s: Floats) -> dict[str, Summary]:
    samples = {name: _known((steps.ended_s - intended_s)[steps.successes(op)]) for op, name in enumerate(OPS)}
    return {name: _summary(values) for name, values in samples.items() if values.size}


def _known(values: Floats) -> Floats:
    return values[~np.isnan(values)]


def total_of_each_step(steps: Steps) -> Floats:
    """For every successful step its session's connect (0 over HTTP) plus the reset before it plus itself.

    In seconds, user by user. A connect begins a session, so that no reset before it counts.
    """
    order = stable_order(steps.user, steps.users)
    order = order[steps.succeeded[order]]
    op, latency = steps.op[order], steps.latency_s[order]
    at = np.arange(order.size, dtype=np.int32 if order.size < 1 << 31 else np.int64)
    begins = op == CONNECT
    begins[1:] |= np.diff(steps.user[order]) != 0
    del order
    session = np.maximum.accumulate(np.where(begins, at, 0))
    reset = np.maximum.accumulate(np.where(op == RESET, at, -1))
    step = op == STEP
    session, reset = session[step], reset[step]
    total: Floats = latency[step]
    total += np.where(op[session] == CONNECT, latency[session], 0.0)
    total += np.where(reset >= session, latency[reset], 0.0)
    return total


def _rows(steps: Steps, chosen: Bools) -> Steps:
    return replace(
        steps,
        started_s=steps.started_s[chosen],
        latency_s=steps.latency_s[chosen],
        op=steps.op[chosen],
        succeeded=steps.succeeded[chosen],
        over_ws=steps.over_ws[chosen],
        user=steps.user[chosen],
    )


def _summary(values: Floats) -> Summary:
    """Sorts `values` in place: one sort answers every quantile exactly."""
    values.sort()
    p50, p90, p95, p99, p999 = quantiles_of_sorted(values, _SUMMARY_QUANTILES).tolist()
    return Summary(values.size, float(values.mean()), p50, p90, p95, p99, p999, float(values[-1]))


def _curve(rising: Floats) -> Curve:
    quantiles = curve_quantiles(rising.size)
    return Curve(quantiles, quantiles_of_sorted(rising, quantiles))


def curve_quantiles(count: int) -> Floats:
    """Even up to 0.9, then evenly many to each further nine, as far as `count` values reach; then 1."""
    decades = max(np.log10(count), 1.0)
    points = int((decades - 1) * _CURVE_POINTS_A_DECADE) + 1
    tail = 1 - np.logspace(-1, -decades, points)
    return np.concatenate([_CURVE_BODY, tail[1:], [1.0]])


def _over_time(ended_s: Floats, latency_s: Floats, slices: Slices) -> OverTime:
    at = slices.index(ended_s)
    by_slice = latency_s[stable_order(at, slices.count)]
    bounds = np.concatenate([[0], np.cumsum(np.bincount(at, minlength=slices.count))])
    percentiles = np.full((3, slices.count), np.nan)
    for n in range(slices.count):
        inside = by_slice[bounds[n] : bounds[n + 1]]
        if inside.size:
            inside.sort()
            percentiles[:, n] = quantiles_of_sorted(inside, np.array([0.5, 0.9, 0.99]))
    return OverTime(slices.middles_s, percentiles[0], percentiles[1], percentiles[2])


def _heat_map(ended_s: Floats, latency_s: Floats, slices: Slices) -> HeatMap:
    lowest = max(float(latency_s.min()), _LEAST_LATENCY_S)
    highest = max(float(latency_s.max()), lowest * 1.01)
    edges = np.geomspace(lowest, highest, _LATENCY_BINS + 1)
    scale = _LATENCY_BINS / np.log(highest / lowest)
    bins = np.log(np.maximum(latency_s, lowest) / lowest) * scale
    cell = slices.index(ended_s).astype(np.int32) * _LATENCY_BINS
    cell += np.minimum(bins, _LATENCY_BINS - 1).astype(np.int32)
    counts = np.bincount(cell, minlength=slices.count * _LATENCY_BINS)
    return HeatMap(slices.edges_s, edges, counts.reshape(slices.count, _LATENCY_BINS).astype(np.int64))


def _takeaways(
    summaries: dict[str, Summary], scheduled: dict[str, Summary], over_time: OverTime | None
) -> Iterator[str]:
    step, overhead = summaries.get("step"), summaries.get("overhead")
    if step is None or over_time is None:
        yield "No step succeeded, so there is no step latency."
        return
    most = f"Half of the steps took at most {seconds(step.p50)}, 99 % at most {seconds(step.p99)}"
    yield f"{most}; the slowest took {seconds(step.max)}."
    if overhead is None:
        yield _NO_OVERHEAD
    else:
        yield (
            "Beyond the wait that the server itself reports, half of the steps took at most "
            f"{seconds(overhead.p50)}, 99 % at most {seconds(overhead.p99)}: network, balancer and queueing."
        )
        if overhead.p50 > 0 and overhead.p99 / overhead.p50 >= _LONG_TAIL:
            ratio = factor(overhead.p99 / overhead.p50)
            tail = f"The tail is long: the 99th percentile of overhead is {ratio} times its median"
            yield f"{tail}. Some steps queued behind others."
    if "step" in scheduled:
        due = f"Counted from when each step was due, 99 % took at most {seconds(scheduled['step'].p99)}"
        yield f"{due}; the difference is time that steps waited to be sent."
    yield from _drift(over_time)


def _drift(over_time: OverTime) -> Iterator[str]:
    medians = _known(over_time.p50)
    third = medians.size // 3
    if third < 2:
        return
    first, last = float(np.median(medians[:third])), float(np.median(medians[-third:]))
    if first > 0 and last > 0 and not 1 / _DRIFT < last / first < _DRIFT:
        median = f"The median {'rose' if last > first else 'fell'} from {seconds(first)}"
        yield f"{median} in the first third of the run to {seconds(last)} in the last."
