"""How late the generator processes were over the time of a run, and whether that explains the latency."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from reports.page.words import seconds
from reports.records.slices import Slices, slices_of
from reports.records.steps import Floats
from reports.run.sections.latency import Latency, Summary
from reports.run.sections.totals import Totals
from reports.statistics.quantiles import quantiles_of

_SAMPLE_S = 1.0
_LEAST_SAMPLES = 3
_LEAST_LAG_S = 0.005
"""A loop that mostly sleeps on a virtual machine of two cores, which others use too, is late by 2 to 5 ms."""
_EXPLAINS = 0.5
_BUSY_CORES = 0.8
"""Of a generator process, on average. What is to be done waits for other things to be done then, as in every
queue whose server is that busy; `make calibrate` has percentiles that are off, from there on."""
_EXPLAINS_A_PART = 0.05


@dataclass(frozen=True)
class GeneratorLag:
    """Lateness of event loops in seconds.

    What is recorded of each second of each process is the 99th percentile over its moments; `p50`, `p99` and
    `max` are over these, of the whole run.
    """

    at_s: Floats
    """The middle of each slice, seconds since the run's start."""
    slice_s: float
    lag_s: Floats
    """The latest second of any process in each slice; NaN where none is known."""
    p50: float
    p99: float
    max: float
    explained: str | None
    """That the lag explains the latency or a part of it, and how, in words; None where it does not."""
    takeaways: list[str]

    def as_json(self) -> dict[str, Any]:
        """As report.json has it: `by_second` is one value for every `every_s` of the run."""
        return {
            "p50": self.p50,
            "p99": self.p99,
            "max": self.max,
            "every_s": self.slice_s,
            "by_second": [round(value, 6) for value in self.lag_s.tolist()],
        }


def summarize(table: pa.Table, origin: float, totals: Totals, latency: Latency) -> GeneratorLag | None:
    """The lag in the resources table; None where none was recorded.

    `origin` is the run's start in Unix time.
    """
    generators = table.filter(pc.equal(table["role"], "generator"))
    rows = generators.select(["name", "at", "lag_s", "cpu_cores"]).to_pandas().dropna(subset="lag_s")
    if rows.empty:
        return None
    # What was not told for a second is in what was told next.
    since = rows.groupby("name", observed=True)["at"].shift().fillna(rows["at"] - _SAMPLE_S)
    since_s, at_s = since.to_numpy() - origin, rows["at"].to_numpy() - origin
    lag_s = rows["lag_s"].to_numpy()
    slices = slices_of(totals.duration_s)
    p50, p99, most = quantiles_of(lag_s, np.array([0.5, 0.99, 1.0])).tolist()
    begin, end = totals.window_s
    middle_s = (since_s + at_s) / 2
    inside = (middle_s >= begin) & (middle_s <= end)
    measured = lag_s[inside]
    busiest = rows[inside].groupby("name", observed=True)["cpu_cores"].mean().max()
    return GeneratorLag(
        at_s=slices.middles_s,
        slice_s=slices.width_s,
        lag_s=_by_slice(slices, since_s, at_s, lag_s),
        p50=p50,
        p99=p99,
        max=most,
        explained=_explained(measured, latency) or _explained_in_part(measured, busiest, latency),
        takeaways=list(_takeaways(p50, most)),
    )


def _by_slice(slices: Slices, since_s: Floats, at_s: Floats, lag_s: Floats) -> Floats:
    """The greatest lag of samples whose middle each slice holds; where it holds none, of one around it."""
    greatest = np.full(slices.count, -np.inf)
    np.maximum.at(greatest, slices.index((since_s + at_s) / 2), lag_s)
    around = np.minimum(np.searchsorted(at_s, slices.middles_s), at_s.size - 1)
    is_around = (since_s[around] <= slices.middles_s) & (slices.middles_s <= at_s[around])
    filled = np.where(np.isinf(greatest) & is_around, lag_s[around], greatest)
    return np.where(np.isinf(filled), np.nan, filled)


def _takeaways(usual_s: float, worst_s: float) -> Iterator[str]:
    yield (
        f"In the median second the generator's event loop was at most {seconds(usual_s)} late in 99 % of the "
        f"moments, in the worst second {seconds(worst_s)}, and replies are seen that much later."
    )


def _explained(measured: Floats, latency: Latency) -> str | None:
    """How lag explains the latency in the measured window, where it does.

    In half of the seconds one moment in a hundred, of all seconds thus at least one in two hundred, was later
    than the median of what is recorded. Where that is half of the 99th percentile of overhead, half of the
    steps that make this percentile may owe half of it or more to the generator. One bad second is no reason,
    and neither is a busy machine alone, where the server waits for its turns as well. Without a known
    overhead the latency stands for it, which is never less.
    """
    bound: Summary | None = latency.in_window.get("overhead") or latency.in_window.get("step")
    if bound is None or measured.size < _LEAST_SAMPLES:
        return None
    usual_s = float(np.median(measured))
    if usual_s < _LEAST_LAG_S or usual_s < _EXPLAINS * bound.p99:
        return None
    what = "overhead" if "overhead" in latency.in_window else "step latency"
    return (
        f"the latency: in the median second its event loop was up to {seconds(usual_s)} late in 99 % of the "
        f"moments, where the 99th percentile of {what} is {seconds(bound.p99)}"
    )


def _explained_in_part(measured: Floats, busiest_cores: float, latency: Latency) -> str | None:
    """How the lag of a busy generator bends percentiles, where it is known to do that."""
    steps: Summary | None = latency.in_window.get("step")
    if steps is None or measured.size < _LEAST_SAMPLES or not busiest_cores >= _BUSY_CORES:
        return None
    usual_s = float(np.median(measured))
    if usual_s < _LEAST_LAG_S or usual_s < _EXPLAINS_A_PART * steps.p50:
        return None
    return (
        f"a part of the latency: while it kept {busiest_cores:.2f} of a core busy, in the median second its "
        f"event loop was up to {seconds(usual_s)} late in 99 % of the moments, and half of the steps took no "
        f"more than {seconds(steps.p50)}"
    )
