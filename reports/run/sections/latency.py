"""How long operations took: exact percentiles, their curve, and how they changed over time."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reports.page.words import factor, seconds
from reports.records.slices import Slices, slices_of
from reports.records.steps import CONNECT, OPS, RESET, STEP, Bools, Floats, Steps
from reports.statistics.groups import Indices, Together, pieces, stable_order
from reports.statistics.quantiles import quantiles_of

_SUMMARY_QUANTILES = np.array([0.5, 0.9, 0.95, 0.99, 0.999])
_OVER_TIME_QUANTILES = np.array([0.5, 0.9, 0.99])
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
    service: dict[str, Summary]
    """The service time, from the sending of a request to its reply, of operations that a schedule wanted sent
    at a time; empty in the closed model, where that is the latency."""
    curves: dict[str, Curve]
    """By the same names as `summaries`."""
    over_time: OverTime | None
    heat_map: HeatMap | None
    takeaways: list[str]


def summarize(
    steps: Steps,
    waited_s: Floats | None = None,
    window_s: tuple[float, float] | None = None,
    *,
    ramp_cut: bool = False,
) -> Latency:
    """Summarises the latency of a run's successful operations.

    `waited_s` is what the server reports to have waited in each, NaN where unknown, None where all are.
    `window_s` is the measured window; None: the whole run.
    """
    summaries: dict[str, Summary] = {}
    curves: dict[str, Curve] = {}
    step = steps.successes(STEP)

    def add(name: str, values: Floats) -> None:
        if values.size:
            summaries[name], curves[name] = summary_and_curve(values)

    for op, name in enumerate(OPS):
        add(name, steps.latency_s[steps.successes(op)])
    if waited_s is not None:
        add("overhead", _differences(steps.latency_s, waited_s, step))
    in_window = _in_window(steps, waited_s, window_s, ramp_cut=ramp_cut)
    add("total", total_of_each_step(steps))

    over_time = heat_map = None
    if step.any():
        over_time = _over_time(steps, step, slices_of(steps.duration_s, _OVER_TIME_SLICES))
        slices = slices_of(steps.duration_s, _HEAT_MAP_SLICES, _HEAT_MAP_LEAST_SLICE_S)
        heat_map = _heat_map(steps, step, slices)
    service = {} if steps.late_s is None else _service(steps, steps.late_s)
    takeaways = list(_takeaways(summaries, over_time))
    return Latency(summaries, in_window, service, curves, over_time, heat_map, takeaways)


def _in_window(
    steps: Steps, waited_s: Floats | None, window_s: tuple[float, float] | None, *, ramp_cut: bool
) -> dict[str, Summary]:
    begin, end = window_s or (-np.inf, np.inf)
    ended_s = steps.ended_s
    since = ended_s >= begin
    measured = steps.successes(STEP) & since & (ended_s <= end)
    del ended_s
    summaries = {}

    def add(name: str, values: Floats) -> None:
        if values.size:
            summaries[name] = _summary(values)

    add("step", steps.latency_s[measured])
    if waited_s is not None:
        add("overhead", _differences(steps.latency_s, waited_s, measured))
    if ramp_cut and window_s is not None:
        add("total", total_of_each_step(steps, since))
    return summaries


def _service(steps: Steps, late_s: Floats) -> dict[str, Summary]:
    summaries = {}
    for op, name in enumerate(OPS):
        values = _differences(steps.latency_s, late_s, steps.successes(op))
        if values.size:
            summaries[name] = _summary(values)
    return summaries


def _known(values: Floats) -> Floats:
    return values[~np.isnan(values)]


def _differences(values: Floats, minus: Floats, chosen: Bools) -> Floats:
    """Of the chosen rows, where both are known."""
    found = np.empty(np.count_nonzero(chosen))
    filled = 0
    for piece in pieces(values.size):
        known = _known((values[piece] - minus[piece])[chosen[piece]])
        found[filled : filled + known.size] = known
        filled += known.size
    return found[:filled]


def total_of_each_step(steps: Steps, among: Bools | None = None) -> Floats:
    """For every successful step its session's connect (0 over HTTP) plus the reset before it plus itself.

    In seconds. A connect begins a session, so that no reset before it counts. Only rows `among` count, all
    where it is None.
    """
    counted = steps.succeeded if among is None else steps.succeeded & among
    total, filled = np.empty(np.count_nonzero(counted & (steps.op == STEP))), 0
    for found, _ in totals_in_pieces(steps, among):
        total[filled : filled + found.size] = found
        filled += found.size
    return total


def totals_in_pieces(steps: Steps, among: Bools | None = None) -> Iterator[tuple[Floats, Indices]]:
    """The same piece by piece, each with the rows of the steps table that its values are of."""
    counted = steps.succeeded if among is None else steps.succeeded & among
    connect_s, reset_s = np.zeros(steps.users), np.zeros(steps.users)
    for piece in pieces(counted.size):
        chosen = counted[piece]
        together = Together.of(steps.user[piece][chosen], steps.users)
        op = steps.op[piece][chosen][together.order]
        latency = steps.latency_s[piece][chosen][together.order]
        connects, resets = op == CONNECT, op == RESET
        connect = together.last(connects, latency, connect_s)
        reset = together.last(connects | resets, np.where(resets, latency, 0.0), reset_s)
        step = op == STEP
        rows = piece.start + np.flatnonzero(chosen)[together.order][step]
        yield latency[step] + connect[step] + reset[step], rows


def _summary(values: Floats) -> Summary:
    return _summary_of(values, quantiles_of(values, _SUMMARY_QUANTILES))


def summary_and_curve(values: Floats) -> tuple[Summary, Curve]:
    """The order statistics of values in seconds, and their curve."""
    on_curve = curve_quantiles(values.size)
    found = quantiles_of(values, np.concatenate([_SUMMARY_QUANTILES, on_curve]))
    of_summary, of_curve = np.split(found, [_SUMMARY_QUANTILES.size])
    return _summary_of(values, of_summary), Curve(on_curve, of_curve)


def _summary_of(values: Floats, quantiles: Floats) -> Summary:
    p50, p90, p95, p99, p999 = quantiles.tolist()
    return Summary(values.size, float(values.mean()), p50, p90, p95, p99, p999, float(values.max()))


def curve_quantiles(count: int) -> Floats:
    """Even up to 0.9, then evenly many to each further nine, as far as `count` values reach; then 1."""
    decades = max(np.log10(count), 1.0)
    points = int((decades - 1) * _CURVE_POINTS_A_DECADE) + 1
    tail = 1 - np.logspace(-1, -decades, points)
    return np.concatenate([_CURVE_BODY, tail[1:], [1.0]])


def _over_time(steps: Steps, step: Bools, slices: Slices) -> OverTime:
    of_slice: list[list[Floats]] = [[] for _ in range(slices.count)]
    for piece in pieces(step.size):
        latency_s = steps.latency_s[piece][step[piece]]
        at = slices.index(steps.started_s[piece][step[piece]] + latency_s)
        by_slice = latency_s[stable_order(at, slices.count)]
        bounds = np.cumsum(np.bincount(at, minlength=slices.count))
        for n in np.flatnonzero(np.diff(bounds, prepend=0)).tolist():
            of_slice[n].append(by_slice[bounds[n - 1] if n else 0 : bounds[n]])
    percentiles = np.full((3, slices.count), np.nan)
    for n, inside in enumerate(of_slice):
        if inside:
            percentiles[:, n] = quantiles_of(np.concatenate(inside), _OVER_TIME_QUANTILES)
    return OverTime(slices.middles_s, percentiles[0], percentiles[1], percentiles[2])


def _heat_map(steps: Steps, step: Bools, slices: Slices) -> HeatMap:
    lowest = max(float(steps.latency_s.min(where=step, initial=np.inf)), _LEAST_LATENCY_S)
    highest = max(float(steps.latency_s.max(where=step, initial=0.0)), lowest * 1.01)
    edges = np.geomspace(lowest, highest, _LATENCY_BINS + 1)
    scale = _LATENCY_BINS / np.log(highest / lowest)
    counts = np.zeros(slices.count * _LATENCY_BINS, dtype=np.int64)
    for piece in pieces(step.size):
        latency_s = steps.latency_s[piece][step[piece]]
        bins = np.log(np.maximum(latency_s, lowest) / lowest) * scale
        cell = slices.index(steps.started_s[piece][step[piece]] + latency_s).astype(np.int32) * _LATENCY_BINS
        cell += np.minimum(bins, _LATENCY_BINS - 1).astype(np.int32)
        counts += np.bincount(cell, minlength=counts.size)
    return HeatMap(slices.edges_s, edges, counts.reshape(slices.count, _LATENCY_BINS))


def _takeaways(summaries: dict[str, Summary], over_time: OverTime | None) -> Iterator[str]:
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
