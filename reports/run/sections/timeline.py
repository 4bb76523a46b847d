"""Throughput, failures and users over the time of a run."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from reports.page.words import seconds, share
from reports.records.slices import slices_of
from reports.records.steps import STEP, Floats, Steps, UserSpans
from reports.run.sections.totals import Totals
from reports.statistics.groups import counts_of

_ENOUGH_SLICES = 6
_STALL = 0.1
_DRIFT = 0.1


@dataclass(frozen=True)
class Timeline:
    """One value for each slice of the run; slices are one second, or more where the run is long."""

    at_s: Floats
    """The middle of each slice, seconds since the run's start."""
    slice_s: float
    steps_per_s: Floats
    failures_per_s: Floats
    users: Floats
    """Users between their first operation and their last."""
    takeaways: list[str]


def summarize(steps: Steps, spans: UserSpans, totals: Totals) -> Timeline:
    """Cuts the run into slices and counts in each the operations that ended there."""
    slices = slices_of(totals.duration_s)
    at = slices.index(steps.ended_s)
    done = counts_of(at, slices.count, steps.successes(STEP)) / slices.width_s
    failed = counts_of(at, slices.count, ~steps.succeeded) / slices.width_s
    present = _present(spans, slices.middles_s)
    return Timeline(
        at_s=slices.middles_s,
        slice_s=slices.width_s,
        steps_per_s=done,
        failures_per_s=failed,
        users=present,
        takeaways=list(_takeaways(slices.middles_s, slices.width_s, done, totals)),
    )


def _present(spans: UserSpans, at_s: Floats) -> Floats:
    came = np.searchsorted(np.sort(spans.first_s), at_s, side="right")
    left = np.searchsorted(np.sort(spans.last_s), at_s, side="left")
    return (came - left).astype(np.float64)


def _takeaways(at_s: Floats, slice_s: float, done: Floats, totals: Totals) -> Iterator[str]:
    if not totals.steps:
        yield "No step succeeded, so there is no throughput."
        return
    begin, end = totals.window_s
    measured = f"{totals.throughput_steps_per_s:,.1f} steps/s"
    if totals.ramp_included:
        yield f"Over the whole run of {seconds(totals.duration_s)} it carried {measured}."
    else:
        missing = totals.left_early + totals.users_shut_out
        there = f"{totals.users - missing:,} of {totals.users:,}" if missing else "all"
        window = f"With {there} users there, from {begin:.1f} s to {end:.1f} s"
        yield f"{window}, the deployment carried {measured}; ramp-up and the end are left out."
    steady = done[(at_s - slice_s / 2 >= begin) & (at_s + slice_s / 2 <= end)]
    if steady.size >= _ENOUGH_SLICES and totals.batch_users is None:
        yield _steadiness(steady, slice_s)


def _steadiness(steady: Floats, slice_s: float) -> str:
    """How throughput varied over the slices of the measured window."""
    mean = float(steady.mean())
    if not mean:
        return "No step succeeded in it."
    stalls = int(np.count_nonzero(steady < _STALL * mean))
    if stalls:
        return (
            f"It stalled: in {stalls} of {steady.size} slices of {seconds(slice_s)} throughput fell below a "
            f"tenth of its mean of {mean:,.1f} steps/s."
        )
    third = steady.size // 3
    change = float(steady[-third:].mean() / steady[:third].mean()) - 1
    if abs(change) >= _DRIFT:
        more = "more" if change > 0 else "fewer"
        return (
            f"It was not steady: the last third carried {share(abs(change))} {more} steps/s than the first."
        )
    spread = share(float(steady.std() / mean))
    return f"It was steady: slices of {seconds(slice_s)} vary by {spread} around the mean."
