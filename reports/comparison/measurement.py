"""What a comparison takes from one run: figures with their variation by chance, spread and errors."""

import json
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from reports.comparison.estimates import (
    Estimate,
    Layout,
    Metric,
    Successes,
    percentile_of_independent,
    successes,
    sustained_estimates,
)
from reports.page.words import printable
from reports.records.run_directory import RunDirectory
from reports.records.schema import RunJson, is_batch
from reports.records.steps import (
    STEP,
    Floats,
    StepColumns,
    Steps,
    load_answers,
    load_failures,
    load_steps,
    user_spans,
)
from reports.run.sections import distribution
from reports.run.sections.latency import Curve, curve_quantiles, total_of_each_step
from reports.run.sections.totals import measured_window, shut_out
from reports.run.sections.validity import INVALIDATING
from reports.statistics.quantiles import quantiles_of_sorted

QUANTILES: dict[Metric, float] = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


@dataclass(frozen=True)
class Spread:
    """How a run's load was spread over its workers, or over its replicas where workers are unknown."""

    unit: str
    """worker or replica."""
    parts: int
    jain: float
    busiest_share: float
    """Of the steps, 0…1."""
    unevenness: int
    """0: as even as chance, or nearly; 1: uneven; 2: very uneven."""


@dataclass(frozen=True)
class Measurement:
    """One run, measured."""

    run: RunJson
    estimates: dict[Metric, Estimate]
    successes: Successes
    spread: Spread | None
    errors: dict[str, int]
    """Failures by category."""
    curve: Curve | None
    """Latency of the steps that the percentiles are of; of a batch, total time."""
    reservations: list[str]
    """Why the run is not valid, so that its figures say nothing of the deployment; empty where it is."""
    shut_out: int
    """Users that completed no step and met failures; 0 in a batch, where success tells of them."""
    users: int

    @property
    def served_share(self) -> float:
        """Users that were not shut out over all users, 0…1."""
        return 1 - self.shut_out / max(self.users, 1)

    @property
    def run_id(self) -> str:
        return self.run["run_id"]


def measure(directory: RunDirectory) -> Measurement:
    """Reads a run directory. Raises RunDirectoryError where it cannot be read.

    Throughput and percentiles are of the successful steps that ended in the measured window. The success
    rate is of all operations, or of users where fewer of these were served. In a batch the percentiles are
    of total time, and the success rate is of users.
    """
    run = directory.read()
    columns = StepColumns.of_run(directory)
    failures = load_failures(columns)
    steps = load_steps(columns, failures)
    answers = load_answers(columns)
    spread = _spread(distribution.summarize(steps, answers, run["topology"], run["config"]))
    del answers
    out = int(np.count_nonzero(shut_out(steps)))
    if is_batch(run):
        estimates, success, rising = _batch(steps, max(run["config"]["users"], steps.users))
    else:
        estimates, rising = _sustained(steps, run["config"].get("warmup_s", 0.0))
        success = _success(steps, out)
    counts = np.bincount(failures.category, minlength=len(failures.categories)).tolist()
    quantiles = curve_quantiles(rising.size) if rising.size else None
    return Measurement(
        run=run,
        estimates=estimates,
        successes=success,
        spread=spread,
        errors={
            printable(category): failed
            for category, failed in zip(failures.categories, counts, strict=True)
            if failed
        },
        curve=None if quantiles is None else Curve(quantiles, quantiles_of_sorted(rising, quantiles)),
        reservations=_reservations(directory, run),
        shut_out=0 if is_batch(run) else out,
        users=steps.users,
    )


def _batch(steps: Steps, users: int) -> tuple[dict[Metric, Estimate], Successes, Floats]:
    rising = np.sort(total_of_each_step(steps))
    estimates = {
        metric: percentile_of_independent(rising, quantile) for metric, quantile in QUANTILES.items()
    }
    return estimates, Successes(rising.size, users, 1.0, max(users - 1, 1)), rising


def _sustained(steps: Steps, warmup_s: float) -> tuple[dict[Metric, Estimate], Floats]:
    window = measured_window(user_spans(steps), steps.duration_s, warmup_s) or (0.0, steps.duration_s)
    ended_s = steps.ended_s
    chosen = steps.successes(STEP) & (ended_s >= window[0]) & (ended_s <= window[1])
    layout = Layout.of(ended_s[chosen], steps.user[chosen], steps.users, window)
    del ended_s
    latency_s = steps.latency_s[chosen]
    rising = np.sort(latency_s)
    return sustained_estimates(latency_s, rising, layout, window[1] - window[0], QUANTILES), rising


def _success(steps: Steps, out: int) -> Successes:
    """Of all operations, or of users where fewer of these were served; `out` were shut out."""
    everything = Layout.of(steps.ended_s, steps.user, steps.users, (0.0, steps.duration_s))
    success = successes(steps.succeeded, everything)
    if success.total and 1 - out / steps.users < success.rate:
        return Successes(steps.users - out, steps.users, 1.0, max(steps.users - 1, 1))
    return success


def _spread(spread: distribution.Distribution) -> Spread | None:
    parts, fairness = spread.judged_parts, spread.judged_fairness
    if fairness is None:
        return None
    levels = {"uneven": 1, "very uneven": 2}
    return Spread(
        "worker" if spread.worker_fairness else "replica",
        len(parts),
        fairness.jain,
        max(part.share for part in parts),
        levels.get(spread.evenness or "", 0),
    )


def _reservations(directory: RunDirectory, run: RunJson) -> list[str]:
    """That the run was not completed, or what its own report says against its validity."""
    endings = {"running": "was cut short", "interrupted": "was interrupted", "failed": "failed"}
    if run["status"] in endings:
        return [f"it {endings[run['status']]}"]
    valid, against = True, []
    with suppress(OSError, ValueError, KeyError, TypeError):  # the report may be missing, older or damaged
        validity = json.loads(directory.report_json.read_text(encoding="utf-8"))["validity"]
        valid = validity["valid"] is not False
        against = [each["message"] for each in validity["warnings"] if each["code"] in INVALIDATING]
    if valid:
        return []
    return [printable(str(message)) for message in against] or ["its report says that it is not valid"]
