"""The report of one run as data: every section's result, and its form as report.json."""

from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from reports.records.json_values import finite
from reports.records.run_directory import RunDirectory
from reports.records.schema import SCHEMA_VERSION, UNASKED_REPLY, RunJson, is_batch
from reports.records.steps import (
    Floats,
    StepColumns,
    Steps,
    UserSpans,
    load_answers,
    load_failures,
    load_steps,
    user_spans,
)
from reports.run.sections import (
    arrivals,
    distribution,
    episodes,
    errors,
    faults,
    generator_lag,
    goodput,
    isolation,
    latency,
    littles_law,
    resources,
    rollouts,
    slo,
    timeline,
    totals,
    validity,
    waits,
)
from reports.run.sections.arrivals import Arrivals
from reports.run.sections.distribution import Distribution
from reports.run.sections.episodes import Episodes
from reports.run.sections.errors import Errors
from reports.run.sections.evenness import Fairness
from reports.run.sections.faults import Faults, Price
from reports.run.sections.generator_lag import GeneratorLag
from reports.run.sections.goodput import Goodput
from reports.run.sections.isolation import Isolation
from reports.run.sections.latency import Latency
from reports.run.sections.littles_law import LittlesLaw, Unchecked
from reports.run.sections.resources import Resources
from reports.run.sections.rollouts import Rollouts
from reports.run.sections.slo import SloVerdict
from reports.run.sections.timeline import Timeline
from reports.run.sections.totals import Totals
from reports.run.sections.validity import Validity
from reports.run.sections.waits import Waits
from reports.statistics.quantiles import quantiles_of


@dataclass(frozen=True)
class RunReport:
    """Everything that the report of a run shows."""

    run: RunJson
    validity: Validity
    totals: Totals
    slo: SloVerdict
    latency: Latency
    timeline: Timeline
    distribution: Distribution
    isolation: Isolation
    errors: Errors
    resources: Resources
    episodes: Episodes | None = None
    """None where no observation said `done`."""
    arrivals: Arrivals | None = None
    """None in the closed model."""
    rollouts: Rollouts | None = None
    """None in another scenario."""
    goodput: Goodput | None = None
    """None where nothing succeeded, and of a batch."""
    waits: Waits | None = None
    """None where no reply reported a wait."""
    lag: GeneratorLag | None = None
    """None where it was not recorded."""
    law: LittlesLaw | Unchecked | None = None
    """None where it cannot be checked."""
    faults: Faults | None = None
    """None where none was asked for."""

    @property
    def passed(self) -> bool:
        """Whether the run met its objective and is valid: what is not valid has not passed."""
        return self.slo.passed and self.validity.valid

    @property
    def notices(self) -> list[str]:
        """What a reader must know first: that the run was cut short, has few steps …"""
        return [warning.message for warning in self.validity.warnings]


def report_run(directory: RunDirectory) -> RunReport:
    """Reads a run directory and makes its report. Raises RunDirectoryError where it cannot be read."""
    run = directory.read()
    columns = StepColumns.of_run(directory)
    failures = load_failures(columns)
    steps = load_steps(columns, failures)
    run_errors = errors.summarize(steps, failures)
    unasked_replies = failures.with_detail(UNASKED_REPLY)
    failed = failures if run.get("faults") else None
    del failures
    spans = user_spans(steps)

    answers = load_answers(columns)
    config = run["config"]
    run_totals = totals.summarize(
        steps,
        answers,
        spans,
        batch_users=config["users"] if is_batch(run) else None,
        warmup_s=config.get("warmup_s"),
        window_s=_window(run, steps, spans),
    )
    run_distribution = distribution.summarize(steps, answers, run["topology"], config)
    run_isolation = isolation.summarize(
        steps, answers, columns.ints("step_count"), run["topology"]["names"], unasked_replies
    )
    run_episodes = episodes.summarize(steps, answers, columns, config["steps_per_episode"])
    run_faults = None
    if failed is not None:
        episodes_end = run_episodes is not None or config["steps_per_episode"] > 0
        run_faults = faults.summarize(
            run, steps, answers, failed, spans, run_totals, episodes_end=episodes_end
        )
    del answers

    wait_s, waited_s = columns.floats("wait_s"), columns.floats("waited_s")
    run_waits = waits.summarize(steps, wait_s, waited_s)
    wait_p99 = _wait_p99(wait_s)
    del wait_s
    run_latency = latency.summarize(
        steps,
        waited_s,
        run_totals.window_s,
        ramp_cut=run_totals.ramp_cut,
    )
    del waited_s
    used = directory.resources.read()
    origin = steps.origin if run_totals.operations else run["started_at"]
    run_resources = resources.summarize(used, origin, run["topology"]["names"])
    run_arrivals = arrivals.summarize(run, steps, spans, run_latency, run_totals.window_s)
    run_slo = slo.judge(config["slo"], run_totals, run_latency, wait_p99, config["transport"])
    limit_s = next(each.limit for each in run_slo.criteria if each.name == "total_p99_s")
    run_rollouts = rollouts.summarize(run, steps, run_totals.window_s, limit_s)
    run_goodput = None
    if run_totals.steps and not is_batch(run):
        run_goodput = goodput.summarize(steps, run_totals.window_s, limit_s, run_rollouts)
    run_lag = generator_lag.summarize(used, origin, run_totals, run_latency)
    law = littles_law.summarize(run, steps, spans, run_totals)
    return RunReport(
        run=run,
        validity=validity.judge(
            run, run_totals, run_isolation, run_resources, run_waits, run_arrivals, run_lag, law
        ),
        totals=run_totals,
        slo=run_slo,
        latency=run_latency,
        timeline=timeline.summarize(steps, spans, run_totals),
        distribution=run_distribution,
        isolation=run_isolation,
        errors=run_errors,
        resources=run_resources,
        episodes=run_episodes,
        arrivals=run_arrivals,
        rollouts=run_rollouts,
        goodput=run_goodput,
        waits=run_waits,
        lag=run_lag,
        law=law,
        faults=run_faults,
    )


def to_json(report: RunReport) -> dict[str, Any]:
    """The report in the form of report.json: JSON values only, seconds, shares in 0…1."""
    spread = report.distribution
    form = {
        "kind": "run",
        "schema_version": SCHEMA_VERSION,
        "run_id": report.run["run_id"],
        "status": report.run["status"],
        "passed": report.passed,
        "notices": report.notices,
        "config": report.run["config"],
        "topology": report.run["topology"],
        "totals": asdict(report.totals),
        "episodes": _episodes(report.episodes),
        "policy_time": report.run.get("policy_time"),
        "latency": {name: asdict(summary) for name, summary in report.latency.summaries.items()},
        "latency_in_window": {name: asdict(summary) for name, summary in report.latency.in_window.items()},
        "service_time": {name: asdict(summary) for name, summary in report.latency.service.items()},
        "arrivals": _arrivals(report.arrivals),
        "rollouts": _rollouts(report.rollouts),
        "goodput": asdict(report.goodput) if report.goodput else None,
        "faults": _faults(report.run, report.faults),
        "distribution": {
            "replicas": [asdict(replica) for replica in spread.replicas],
            "workers": [asdict(worker) for worker in spread.workers],
            "fairness": {
                "replica": _fairness(spread.replica_fairness),
                "worker": _fairness(spread.worker_fairness),
            },
            "expected_workers": spread.expected_workers,
            "expected_replicas": spread.expected_replicas,
            "unit": spread.unit,
            "unattributed_steps": spread.unattributed_steps,
        },
        "isolation": {name: value for name, value in asdict(report.isolation).items() if name != "takeaways"},
        "waits": _waits(report.waits),
        "errors": [asdict(group) for group in report.errors.groups],
        "validity": asdict(report.validity) | {"reasons": [each.code for each in report.validity.reasons]},
        "slo": asdict(report.slo),
        "generator_lag": report.lag.as_json() if report.lag else None,
        "littles_law": report.law.as_json() if isinstance(report.law, LittlesLaw) else None,
        "resources": [
            {
                "role": part.role,
                "name": part.name,
                "cpu_mean": part.cpu_mean,
                "cpu_in_window": validity.mean_cores(part, report.totals.window_s),
                "cpu_max": part.cpu_max,
                "memory_max": part.memory_max,
                "open_files_max": part.open_files_max,
            }
            for part in report.resources.parts
        ],
    }
    plain: dict[str, Any] = finite(form)
    return plain


def _episodes(played: Episodes | None) -> dict[str, Any] | None:
    if played is None:
        return None
    return {
        "finished": played.finished,
        "unfinished": played.unfinished,
        "steps": asdict(played.steps),
        "duration_s": asdict(played.duration_s),
        "reward": asdict(played.reward) if played.reward else None,
    }


def _rollouts(played: Rollouts | None) -> dict[str, Any] | None:
    if played is None:
        return None
    return {name: value for name, value in asdict(played).items() if name not in ("curves", "takeaways")}


def _waits(reported: Waits | None) -> dict[str, Any] | None:
    if reported is None:
        return None
    return {name: value for name, value in asdict(reported).items() if name != "takeaways"}


def _fairness(fairness: Fairness | None) -> dict[str, float | None]:
    return asdict(fairness) if fairness else {"jain": None, "chi2_p": None, "max_over_min": None}


def _window(run: RunJson, steps: Steps, spans: UserSpans) -> tuple[float, float] | None:
    """The measured window where users come and go as they are meant to; None where all stay together."""
    config = run["config"]
    if config.get("arrivals") and steps.late_s is not None:
        unit = config.get("arrivals_of", "sessions")
        return arrivals.arrival_window(steps, spans, unit, config.get("warmup_s") or 0.0)
    return (0.0, steps.duration_s) if config.get("shape") and steps.started_s.size else None


def _arrivals(came: Arrivals | None) -> dict[str, Any] | None:
    if came is None:
        return None
    figures = ("process", "of", "due", "begun", "late", "held_up", "longest_wait_s", "rate_due", "rate_begun")
    return {name: getattr(came, name) for name in figures} | {
        "most_in_flight": int(came.in_flight.max()),
        "reached": arrivals.rate_not_reached(came) is None,
    }


def _faults(run: RunJson, broken: Faults | None) -> list[dict[str, Any]]:
    if broken is None:
        return []
    no_price = dict.fromkeys(field.name for field in fields(Price))
    return [
        dict(said)
        | {"at_s": fault.at_s, "p99_before_s": broken.p99_before_s}
        | (asdict(fault.price) if fault.price else no_price)
        for said, fault in zip(faults.in_order(run), broken.faults, strict=True)
    ]


def _wait_p99(wait_s: Floats | None) -> float:
    if wait_s is None:
        return 0.0
    known = wait_s[~np.isnan(wait_s)]
    return float(quantiles_of(known, np.array([0.99]))[0]) if known.size else 0.0
