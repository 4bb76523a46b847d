"""What became of a run, by what report.json says of it. Kept light: Locust's processes import it."""

from collections.abc import Collection
from typing import Literal

from reports.records.schema import RunStatus

Outcome = Literal["passed", "failed", "cut short", "invalid"]

FAULTS = frozenset({"isolation_violated", "waits_wrong", "incident"})
"""Reasons that a run is not valid for which the deployment is to blame."""


def outcome_of(status: RunStatus, passed: bool, slo_passed: bool, codes: Collection[str]) -> Outcome:
    """The outcome of a run; `codes` are those of the reasons that it is not valid."""
    if passed:
        return "passed"
    if not slo_passed or not FAULTS.isdisjoint(codes):
        return "failed"
    return "invalid" if status == "completed" else "cut short"
