"""The open model: whether the rate was reached, and what timing from the sending of a request would hide."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from reports.page.words import count, seconds, share
from reports.records.schema import ArrivalUnit, RunJson
from reports.records.slices import slices_of
from reports.records.steps import Codes, Floats, Steps, UserSpans
from reports.run.sections.latency import Latency
from reports.statistics.groups import counts_of
from reports.statistics.rates import rate_within

_HIDES = 1.1
_FOR_LONG = 0.01
"""Where a larger share of the arrivals found no user free, the rate was not just missed at times."""
_LEAST_HIDDEN_S = 0.001


@dataclass(frozen=True)
class Arrivals:
    """What arrived, when, and what became of it."""

    process: str
    """`constant:50` or `poisson:50`, as it was asked for, or `trace`."""
    of: ArrivalUnit
    users: int
    """The most that could be in flight."""
    due: int
    """Arrivals until the load ended."""
    begun: int
    late: int | None
    """Those for which no user was free when they were due; None where the run did not come to its end."""
    longest_wait_s: float
    rate_due: float
    """Arrivals due a second, in the measured window."""
    rate_begun: float
    """Arrivals begun a second, in the measured window."""
    at_s: Floats
    """The middle of each slice, seconds since the run's start."""
    slice_s: float
    due_per_s: Floats
    begun_per_s: Floats
    in_flight: Floats
    """Arrivals that were due and not done in the middle of each slice: of sessions their whole stay."""
    takeaways: list[str]
    held_up: int = 0
    """Steps of a trace that were due when the load ended, while their session waited for a reply."""

    @property
    def unbegun(self) -> int:
        """Arrivals that still waited for a user when the load ended."""
        return max(self.due - self.begun - self.held_up, 0)


def summarize(
    run: RunJson, steps: Steps, spans: UserSpans, latency: Latency, window_s: tuple[float, float]
) -> Arrivals | None:
    """The arrivals of a run; None in the closed model, and where none was begun."""
    config = run["config"]
    if (process := config.get("arrivals")) is None or steps.late_s is None:
        return None
    of = config.get("arrivals_of", "sessions")
    rows = ~np.isnan(steps.late_s)
    due_s = np.sort(steps.started_s[rows])
    begun_s = np.sort((steps.started_s + steps.late_s)[rows])
    done_s = np.sort(spans.last_s[arrived_users(steps)] if of == "sessions" else steps.ended_s[rows])
    slices = slices_of(steps.duration_s)
    told = run.get("arrivals")
    result = Arrivals(
        process=process,
        of=of,
        users=config["users"],
        due=max(told["due"], due_s.size) if told is not None else int(due_s.size),
        # A step that was in flight when the load ended has no row.
        begun=max(told["begun"], due_s.size) if told is not None else int(due_s.size),
        late=told["late"] if told is not None else None,
        held_up=told.get("held_up", 0) if told is not None else 0,
        longest_wait_s=float(np.nanmax(steps.late_s)),
        rate_due=rate_within(due_s, window_s),
        rate_begun=rate_within(begun_s, window_s),
        at_s=slices.middles_s,
        slice_s=slices.width_s,
        due_per_s=counts_of(slices.index(due_s), slices.count) / slices.width_s,
        begun_per_s=counts_of(slices.index(begun_s), slices.count) / slices.width_s,
        in_flight=_in_flight(due_s, done_s, slices.middles_s),
        takeaways=[],
    )
    result.takeaways.extend(_takeaways(result, latency))
    return result


def arrived_users(steps: Steps) -> Codes:
    """The users that came by an arrival, of sessions."""
    assert steps.late_s is not None
    users: Codes = np.unique(steps.user[~np.isnan(steps.late_s)])
    return users


def arrival_window(steps: Steps, spans: UserSpans, of: ArrivalUnit, warmup_s: float) -> tuple[float, float]:
    """The part of an open-model run that is measured, in seconds since its start.

    From the first arrival, or a warm-up later, to the last. Sessions that arrive fill the server only when
    the first of them leave, so there it begins later by half of the sessions' longest stay, where that leaves
    half of the run.
    """
    assert steps.late_s is not None
    due_s = steps.started_s[~np.isnan(steps.late_s)]
    begin, end = float(due_s.min()), float(due_s.max())
    if of == "sessions":
        arrived = arrived_users(steps)
        stay_s = float(np.median(spans.last_s[arrived] - spans.first_s[arrived]))
        begin += min(stay_s, (end - begin) / 2)
    return min(begin + warmup_s, end), end


def _in_flight(due_s: Floats, done_s: Floats, at_s: Floats) -> Floats:
    came, gone = np.searchsorted(due_s, at_s, side="right"), np.searchsorted(done_s, at_s, side="right")
    return (came - gone).astype(np.float64)


def rate_not_reached(arrivals: Arrivals | None) -> str | None:
    """Says that the users did not suffice for the arrivals, if so, and what to do."""
    if arrivals is None or not (arrivals.late or arrivals.unbegun):
        return None
    unit = arrivals.of.removesuffix("s")
    waited = f"{count(arrivals.late or arrivals.unbegun, unit)} of {arrivals.due:,} found none free when due"
    left = f", and {arrivals.unbegun:,} still waited at the end" if arrivals.unbegun else ""
    lacking = max(arrivals.late or 0, arrivals.unbegun)
    missed = "The rate was" if lacking > _FOR_LONG * arrivals.due else "At times the rate was"
    return (
        f"{missed} not reached: all {count(arrivals.users, 'user')} were in flight, {waited}{left}. "
        f"Latency counts that wait, up to {seconds(arrivals.longest_wait_s)}. With more users (USERS=…) the "
        "server would have had to face it."
    )


def _takeaways(arrivals: Arrivals, latency: Latency) -> Iterator[str]:
    unit = arrivals.of
    reached = (
        f"{arrivals.rate_begun:,.1f} {unit}/s were begun of {arrivals.rate_due:,.1f} {unit}/s that were due"
    )
    yield f"{reached}; {arrivals.due:,} arrived in all, at most {int(arrivals.in_flight.max()):,} at once."
    if arrivals.held_up:
        yield (
            f"When the load ended, {count(arrivals.held_up, 'step')} that had been due could not be sent "
            "yet: the session still waited for an earlier reply."
        )
    op = _op_of(arrivals.of, latency)
    if op is None:
        return
    whole, service = latency.summaries[op], latency.service[op]
    hidden_s = whole.p99 - service.p99
    due, sent = f"99 % of {op}s took at most {seconds(whole.p99)}", seconds(service.p99)
    if hidden_s < _LEAST_HIDDEN_S or whole.p99 < _HIDES * service.p99:
        yield f"From when they were due, {due}, from when they were sent {sent}: hardly any waited."
        return
    yield (
        f"From when they were due, {due}; timed from when they were sent, as a client that waits for replies "
        f"would have it, {sent}. That hides {seconds(hidden_s)}, {share(hidden_s / whole.p99)} of the wait "
        f"(coordinated omission), and {seconds(whole.p50 - service.p50)} at the median."
    )


def _op_of(of: ArrivalUnit, latency: Latency) -> str | None:
    """The operation that an arrival begins with: a step, or a connect, or over HTTP a reset."""
    wanted = ("step",) if of == "steps" else ("connect", "reset")
    return next((op for op in wanted if op in latency.service), None)
