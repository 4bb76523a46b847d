"""The report of one run as data: every section's result, and its form as report.json."""

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reports.run_directory import RunDirectory
from reports.schema import SCHEMA_VERSION, RunJson
from reports.sections import distribution, errors, isolation, latency, resources, slo, timeline, totals
from reports.sections.distribution import Distribution, Fairness
from reports.sections.errors import Errors
from reports.sections.isolation import Isolation
from reports.sections.latency import Latency
from reports.sections.resources import Resources
from reports.sections.slo import SloVerdict
from reports.sections.timeline import Timeline
from reports.sections.totals import Totals
from reports.steps import StepColumns, load_answers, load_failures, load_steps, user_spans
from reports.words import count, printable, seconds

Floats = NDArray[np.float64]

_FEW_STEPS = 100
_MUCH_SHORTER = 0.8


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
    run = directory.read_run()
    columns = StepColumns.of_run(directory)
    failures = load_failures(columns)
    steps = load_steps(columns, failures)
    run_errors = errors.summarize(steps, failures)
    del failures
    spans = user_spans(steps)

    answers = load_answers(columns)
    run_totals = totals.summarize(steps, answers, spans)
    run_distribution = distribution.summarize(steps, answers, run["topology"], run["config"])
    run_isolation = isolation.summarize(steps, answers, columns.ints("step_count"), run["topology"]["names"])
    del answers

    run_latency = latency.summarize(
        steps, columns.floats("waited_s"), _since(columns.floats("intended_at"), steps.origin)
    )
    return RunReport(
        run=run,
        notices=_notices(run, run_totals),
        totals=run_totals,
        slo=slo.judge(run["config"]["slo"], run_totals, run_latency, _wait_p99(columns.floats("wait_s"))),
        latency=run_latency,
        timeline=timeline.summarize(steps, spans, run_totals),
        distribution=run_distribution,
        isolation=run_isolation,
        errors=run_errors,
        resources=resources.summarize(
            directory.read_resources(),
            steps.origin if run_totals.operations else run["started_at"],
            run["topology"]["names"],
        ),
    )


def to_json(report: RunReport) -> dict[str, Any]:
    """The report in the form of report.json: JSON values only, seconds, shares in 0…1."""
    spread = report.distribution
    form = {
        "kind": "run",
        "schema_version": SCHEMA_VERSION,
        "run_id": report.run["run_id"],
        "status": report.run["status"],
        "notices": report.notices,
        "config": report.run["config"],
        "topology": report.run["topology"],
        "totals": asdict(report.totals),
        "latency": {name: asdict(summary) for name, summary in report.latency.summaries.items()},
        "scheduled_latency": {name: asdict(summary) for name, summary in report.latency.scheduled.items()},
        "distribution": {
            "replicas": [asdict(replica) for replica in spread.replicas],
            "workers": [asdict(worker) for worker in spread.workers],
            "fairness": {
                "replica": _fairness(spread.replica_fairness),
                "worker": _fairness(spread.worker_fairness),
            },
            "expected_workers": spread.expected_workers,
            "unit": spread.unit,
            "unattributed_steps": spread.unattributed_steps,
        },
        "isolation": {name: value for name, value in asdict(report.isolation).items() if name != "takeaways"},
        "errors": [asdict(group) for group in report.errors.groups],
        "slo": asdict(report.slo),
        "resources": [
            {
                "role": part.role,
                "name": part.name,
                "cpu_mean": part.cpu_mean,
                "cpu_max": part.cpu_max,
                "memory_max": part.memory_max,
                "open_files_max": part.open_files_max,
            }
            for part in report.resources.parts
        ],
    }
    plain: dict[str, Any] = _finite(form)
    return plain


def _fairness(fairness: Fairness | None) -> dict[str, float | None]:
    return asdict(fairness) if fairness else {"jain": None, "chi2_p": None, "max_over_min": None}


def _finite(value: Any) -> Any:
    """The value with null for numbers that JSON does not know: NaN and infinity."""
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _since(at: Floats | None, origin: float) -> Floats | None:
    return None if at is None else at - origin


def _wait_p99(wait_s: Floats | None) -> float:
    if wait_s is None:
        return 0.0
    known = wait_s[~np.isnan(wait_s)]
    return float(np.percentile(known, 99)) if known.size else 0.0


def _notices(run: RunJson, run_totals: Totals) -> list[str]:
    notices = []
    why = printable(run.get("status_detail") or "")
    because = f": {why}" if why else ""
    if run["status"] == "running":
        notices.append(
            "This run was cut short or is still going on: what had been recorded until now is shown."
        )
    elif run["status"] == "interrupted":
        notices.append(f"This run was interrupted{because}. What had been recorded until then is shown.")
    elif run["status"] == "failed":
        notices.append(f"This run failed{because}. What had been recorded until then is shown.")
    if not run_totals.operations:
        notices.append("No operation was recorded.")
    elif not run_totals.steps:
        notices.append("No step succeeded, so there are no step latencies and no throughput.")
    elif run_totals.steps < _FEW_STEPS:
        notices.append(
            f"Only {count(run_totals.steps, 'step')} succeeded: "
            "the 99th percentile and beyond rest on one or two."
        )
    if run_totals.steps and run_totals.ramp_included:
        notices.append(
            f"All users were there together too briefly to measure in, so throughput counts the whole run of "
            f"{seconds(run_totals.duration_s)}, ramp-up and end included. Run longer, or spawn faster."
        )
    if run["status"] == "completed" and run_totals.operations and run_totals.users < run["config"]["users"]:
        notices.append(
            f"Only {run_totals.users:,} of {count(run['config']['users'], 'user')} had started when the load "
            "ended. Run longer, or spawn faster."
        )
    notices += [printable(incident) for incident in run.get("incidents", [])]
    planned_s = run["config"]["duration_s"]
    if (
        run["status"] == "completed"
        and run_totals.operations
        and planned_s is not None
        and run_totals.duration_s < _MUCH_SHORTER * planned_s
    ):
        notices.append(
            f"Operations are recorded for {seconds(run_totals.duration_s)} only, of the {seconds(planned_s)} "
            "that the run was to last: the server stopped answering, the load ended early, or records were "
            "lost."
        )
    if run_totals.left_early and not run_totals.ramp_included:
        notices.append(
            f"{run_totals.left_early:,} of {count(run_totals.users, 'user')} completed nothing in the last "
            "fifth of the run: the server left them without an answer, they were stopped, or their generator "
            "died. What they were waiting for is not in the figures."
        )
    return notices
