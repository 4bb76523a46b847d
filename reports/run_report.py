"""The report of one run as data: every section's result, and its form as report.json."""

from dataclasses import dataclass
from typing import Any

from reports.run_directory import RunDirectory
from reports.schema import RunJson
from reports.sections.distribution import Distribution
from reports.sections.errors import Errors
from reports.sections.isolation import Isolation
from reports.sections.latency import Latency
from reports.sections.resources import Resources
from reports.sections.slo import SloVerdict
from reports.sections.timeline import Timeline
from reports.sections.totals import Totals


@dataclass(frozen=True)
class RunReport:
    """Everything that the report of a run shows."""

    run: RunJson
    notices: list[str]
    """What a reader must know before the figures: cut short, interrupted, few steps …"""
    totals: Totals
    slo: SloVerdict
    latency: Latency
    timeline: Timeline
    distribution: Distribution
    isolation: Isolation
    errors: Errors
    resources: Resources


def report_run(directory: RunDirectory) -> RunReport:
    """Reads a run directory and makes its report. Raises RunDirectoryError where it cannot be read."""
    raise NotImplementedError


def to_json(report: RunReport) -> dict[str, Any]:
    """The report in the form of report.json: JSON values only, seconds, shares in 0…1."""
    raise NotImplementedError
