"""The outcome of a run at one rate: whether it met the objective, and kept up with what arrived."""

import math
from typing import TYPE_CHECKING

import numpy as np

from loadtests.capacity.outcome import Outcome, figures_of
from reports.page.words import share
from reports.statistics.saturation import Cpu

if TYPE_CHECKING:  # it loads pandas
    from reports.run.report import RunReport
    from reports.run.sections.arrivals import Arrivals

_LEAST = 0.01
"""Of all arrivals: that share may be left over in any case."""
_FAR = 2.0
"""A p99 this many times its bound leaves no doubt."""


def rate_outcome(rate: int, report: "RunReport") -> Outcome:
    """Reads a run at a rate from its report."""
    from reports.run.sections.validity import mean_cores  # it loads pandas

    run, parts = report.run, report.resources.parts
    carried, kept_up = _carried(report.arrivals, report.totals.window_s)
    codes = {each.code for each in report.validity.reasons}
    missed = [
        *(_criterion_missed(each.name, each.value) for each in report.slo.criteria if not each.passed),
        *([] if kept_up else [f"only {share(carried)} of what arrived was carried"]),
        *(["the load generator was at its limit"] if "generator_saturated" in codes else []),
        *(["the run is not valid"] if codes - {"generator_saturated"} else []),
    ]
    found = figures_of(report)
    in_window = report.latency.in_window
    found["slowest"] |= {op: in_window[op].p99 for op in found["slowest"] if op in in_window}
    return Outcome(
        **found,
        load=rate,
        met=not missed and run["status"] == "completed",
        succeeded=report.totals.steps,
        cpu=Cpu.of((part.role, mean_cores(part, report.totals.window_s), part.cpu_max) for part in parts),
        missed=" and ".join(missed),
        carried=carried,
        behind=not kept_up,
        hopeless=(found["total_p99_s"] or 0.0) >= _FAR * found["total_limit_s"],
    )


def _criterion_missed(name: str, value: float | None) -> str:
    if value is None:
        return "no step succeeded"
    return {"success_rate": "success rate", "total_p99_s": "latency"}.get(name, name)


def _carried(came: "Arrivals | None", window_s: tuple[float, float]) -> tuple[float, bool]:
    """The share of arrivals that the server carried, and whether the rest is no more than chance.

    What arrived and was not done is what more is in flight at the end of the measured window than at its
    beginning, or what nobody had taken by the end of all. That varies where the server keeps up, too: as much
    as n arrivals do by themselves, the square root of n, is not held against it.
    """
    if came is None:
        return 0.0, False
    begin_s, end_s = window_s
    inside = np.flatnonzero((came.at_s >= begin_s) & (came.at_s <= end_s))
    if inside.size < 2:
        return 0.0, False
    first, last = inside[0], inside[-1]
    arrived = came.rate_due * float(came.at_s[last] - came.at_s[first])
    if not arrived:
        return 0.0, False
    left = float(came.in_flight[last] - came.in_flight[first]) / arrived
    behind = min(1.0, max(0.0, left, came.unbegun / came.due))
    return 1 - behind, behind <= max(_LEAST, 1 / math.sqrt(arrived))
