"""The cells of an experiment with the figures of their runs."""

import json
import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

from reports.experiment.groups import Group, ordered
from reports.page.words import printable
from reports.records.experiment_directory import ExperimentDirectory
from reports.records.run_directory import RunDirectory, RunDirectoryError
from reports.records.schema import CellJson, CellStatus, ExperimentJson, processes_setting, too_large
from reports.records.sent import has_actions, sent
from reports.run.report import report_run, to_json
from reports.run.sections.validity import INVALIDATING
from reports.statistics.saturation import Cpu

LatencyName = Literal["connect", "reset", "step", "overhead", "total"]


@dataclass(frozen=True)
class Quantiles:
    """Exact percentiles of one kind of latency, in seconds."""

    p50: float
    p90: float
    p95: float
    p99: float


@dataclass(frozen=True)
class Cell:
    """One cell of the grid and the figures of its run. Figures are None where it has none."""

    group: Group
    users: int
    repetition: int
    status: CellStatus
    """`failed` too where the run cannot be read."""
    reason: str | None
    """Why it failed, in words."""
    run_id: str | None
    """Its run directory is `runs/<run_id>` below the experiment's."""
    has_report: bool = False
    """Whether `runs/<run_id>/report.html` is there to be linked to."""
    valid: bool = False
    """Whether its figures may be used; False where there are none."""
    warnings: list[str] = field(default_factory=list)
    """A sentence each: first what keeps it from being valid, then what casts doubt on it."""
    usable: bool = False
    """For fits and best loads: completed, valid, a step succeeded, success rate at least the objective's."""
    throughput: float | None = None
    """Successful steps a second."""
    success_rate: float | None = None
    latency: dict[LatencyName, Quantiles] = field(default_factory=dict)
    """By connect, reset, step, overhead, total; absent where the run has none.

    Step and overhead are of the measured window, the others of the whole run.
    """
    steps: int | None = None
    sessions: int | None = None
    failures: int | None = None
    jain_worker: float | None = None
    jain_replica: float | None = None
    chi2_p: float | None = None
    """Of equal shares over workers."""
    slo_passed: bool | None = None
    slo_missed: list[str] = field(default_factory=list)
    """The criteria that it missed, a sentence each."""
    slo_missed_names: list[str] = field(default_factory=list)
    """The same by name: success_rate, total_p99_s."""
    errors: dict[str, int] = field(default_factory=dict)
    """Failed operations by category."""
    examples: dict[str, str] = field(default_factory=dict)
    """What was said about one failure of each category."""
    connect_timeout_s: float | None = None
    step_timeout_s: float | None = None
    cpu: Cpu | None = None
    shared: bool = False
    """Other programs kept a part of the machine busy meanwhile."""
    machine_cores: int | None = None
    """Of the machine that made the load."""
    cores: int | None = None
    """Of the machine that the deployment runs on; None where unknown, as behind a URL."""
    processes: int | None = None
    """Locust processes that made the load."""
    processes_setting: str = "PROCESSES"
    """What gives the generator more of them."""
    hosts: int | None = None
    """Hosts that replies named; None where there are no figures."""
    load: float | None = None
    """Arrivals a second, or groups of rollouts; None where users are the load."""
    load_unit: str | None = None
    """`steps/s`, `sessions/s` or `groups`."""
    reached: bool = True
    """Whether users sufficed for the rate."""
    goodput: float | None = None
    """What met the objective a second: episodes of rollouts, else steps."""
    episodes_per_s: float | None = None
    group_p99: float | None = None
    """Seconds that groups of rollouts took."""
    straggler_share: float | None = None
    sessions_lost: float | None = None
    """By all faults of the run."""
    failed_by_faults: float | None = None
    """Operations that failed from the first fault on."""
    errors_ended_s: float | None = None
    """Seconds from a fault to the end of its last failure, of the fault that took longest."""
    p99_during_faults: float | None = None
    """Of step latency, seconds, of the worst fault."""
    sent: str | None = None
    """The action of every step, in words; None where that was a wait of the Benchmark environment."""

    @property
    def finished(self) -> bool:
        """Whether it went to its end and has figures."""
        return self.status == "completed"

    def p(self, name: LatencyName, quantile: Literal["p50", "p90", "p95", "p99"]) -> float | None:
        """One percentile in seconds, None where unknown."""
        found = self.latency.get(name)
        return None if found is None else float(getattr(found, quantile))


def by_group(cells: Iterable[Cell]) -> dict[Group, list[Cell]]:
    """The cells of each group, in their order."""
    found: dict[Group, list[Cell]] = {}
    for cell in cells:
        found.setdefault(cell.group, []).append(cell)
    return found


def read_cells(directory: ExperimentDirectory, experiment: ExperimentJson) -> list[Cell]:
    """Every cell of the experiment with the figures of its run, by group, users and repetition.

    A finished cell whose run cannot be read is returned as failed, with the reason.
    """
    cells = [_read(directory, experiment, cell) for cell in experiment["cells"]]
    order = {group: place for place, group in enumerate(ordered(cell.group for cell in cells))}
    return sorted(cells, key=lambda cell: (order[cell.group], cell.load or 0, cell.users, cell.repetition))


def _read(directory: ExperimentDirectory, experiment: ExperimentJson, cell: CellJson) -> Cell:
    load, unit = _load(cell, experiment)
    known = Cell(
        group=Group.of(cell),
        load=load,
        load_unit=unit,
        users=cell["users"],
        repetition=cell["repetition"],
        status=cell["status"],
        reason=None if cell["reason"] is None else printable(cell["reason"]),
        run_id=cell["run_id"],
    )
    if known.run_id is None:
        if known.status != "completed":
            return known
        return replace(known, status="failed", reason="experiment.json names no run of it")
    try:
        run = directory.run(known.run_id)
    except RunDirectoryError as error:
        return replace(known, status="failed", run_id=None, reason=printable(str(error)))
    try:
        known = replace(known, has_report=run.report_html.is_file())
        return _with_figures(known, run, experiment) if known.status == "completed" else known
    except (RunDirectoryError, OSError) as error:
        return replace(known, status="failed", reason=f"its run cannot be read: {printable(str(error))}")


def _with_figures(cell: Cell, directory: RunDirectory, experiment: ExperimentJson) -> Cell:
    run = directory.read()
    report = _report_json(directory)
    totals, fairness = _inside(report, "totals"), _inside(report, "distribution", "fairness")
    warnings = _rows(_inside(report, "validity").get("warnings"))
    warnings.sort(key=lambda warning: warning.get("code") not in INVALIDATING)
    judged = _inside(report, "validity").get("valid")
    valid = judged if isinstance(judged, bool) else run["status"] == "completed"
    steps, success_rate = _whole(totals.get("steps")), _success_rate(totals)
    missed = [
        criterion
        for criterion in _rows(_inside(report, "slo").get("criteria"))
        if criterion.get("passed") is False
    ]
    passed = _inside(report, "slo").get("passed")
    cores = _whole(run["machine"].get("cores"))
    errors, examples = _errors(_rows(report.get("errors")))
    return replace(
        cell,
        valid=valid,
        warnings=[printable(str(warning.get("message", ""))) for warning in warnings],
        usable=bool(
            valid
            and steps
            and success_rate is not None
            and success_rate >= experiment["config"]["slo"]["success_rate"]
        ),
        throughput=_number(totals.get("throughput_steps_per_s")),
        success_rate=success_rate,
        latency=_latency(_inside(report, "latency") | _inside(report, "latency_in_window")),
        steps=steps,
        sessions=_whole(totals.get("sessions")),
        failures=_whole(totals.get("failures")),
        jain_worker=_number(_inside(fairness, "worker").get("jain")),
        jain_replica=_number(_inside(fairness, "replica").get("jain")),
        chi2_p=_number(_inside(fairness, "worker").get("chi2_p")),
        slo_passed=passed if isinstance(passed, bool) else None,
        slo_missed=[printable(str(criterion.get("sentence", ""))) for criterion in missed],
        slo_missed_names=[printable(str(criterion.get("name", ""))) for criterion in missed],
        errors=errors,
        examples=examples,
        connect_timeout_s=run["config"]["connect_timeout_s"],
        step_timeout_s=run["config"]["step_timeout_s"],
        cpu=_cpu(_rows(report.get("resources"))),
        shared=any(warning.get("code") == "machine_shared" for warning in warnings),
        machine_cores=cores,
        cores=None if run["config"]["deployment"] == "url" else cores,
        processes=run["config"]["processes"],
        processes_setting=processes_setting(run["config"]),
        hosts=len(_rows(_inside(report, "distribution").get("replicas"))),
        reached=_inside(report, "arrivals").get("reached") is not False,
        goodput=_number(_inside(report, "goodput").get("per_s")),
        episodes_per_s=_number(_inside(report, "rollouts").get("rollouts_per_s")),
        group_p99=_number(_inside(report, "rollouts", "group_s").get("p99")),
        straggler_share=_number(_inside(report, "rollouts").get("straggler_share")),
        sent=sent(run["config"]) if has_actions(run["config"]) else None,
        **_prices(_rows(report.get("faults"))),
    )


def _prices(faults: list[dict[str, Any]]) -> dict[str, Any]:
    """What the faults of a run cost together, and the worst of them."""
    prices = [fault for fault in faults if fault.get("outcome") == "done"]
    if not prices:
        return {}

    def known(name: str) -> list[float]:
        return [value for price in prices if (value := _number(price.get(name))) is not None]

    failed = [_number(value) or 0.0 for price in prices for value in _inside(price, "failed").values()]
    return {
        "sessions_lost": sum(known("sessions_lost")) if known("sessions_lost") else None,
        "failed_by_faults": sum(failed),
        "errors_ended_s": max(known("errors_ended_s"), default=None),
        "p99_during_faults": max(known("p99_s"), default=None),
    }


def _load(cell: CellJson, experiment: ExperimentJson) -> tuple[float | None, str | None]:
    """The load of a cell whose users only carry it, and its unit."""
    if (arrivals := cell.get("arrivals")) is not None:
        try:
            rate = float(arrivals.partition(":")[2])
        except ValueError:
            return None, None
        unit = experiment["config"].get("settings", {}).get("ARRIVALS_OF", "sessions")
        return rate, f"{printable(unit, 20)}/s"
    groups = cell.get("groups")
    return (None, None) if groups is None else (float(groups), "groups")


def _success_rate(totals: dict[str, Any]) -> float | None:
    """Of what counts towards the objective: without ramp-up and warm-up where these do not.

    Of a sustained run it is at most the share of users that were served.
    """
    operations, successes, users, shut_out = (
        _number(totals.get(name))
        for name in ("counted_operations", "counted_successes", "users", "users_shut_out")
    )
    rate = _number(totals.get("success_rate"))
    if operations and successes is not None:
        rate = successes / operations
    if rate is None or not users or not shut_out or totals.get("batch_users") is not None:
        return rate
    return min(rate, 1 - shut_out / users)


def _report_json(directory: RunDirectory) -> dict[str, Any]:
    """The run's report.json, made anew where it is missing or broken."""
    try:
        report = json.loads(directory.report_json.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        report = None
    if isinstance(report, dict) and isinstance(report.get("totals"), dict) and too_large(report) is None:
        return report
    return to_json(report_run(directory))


def _latency(summaries: dict[str, Any]) -> dict[LatencyName, Quantiles]:
    found: dict[LatencyName, Quantiles] = {}
    for name in get_args(LatencyName):
        values = [
            _number(_inside(summaries, name).get(quantile)) for quantile in ("p50", "p90", "p95", "p99")
        ]
        known = [value for value in values if value is not None]
        if len(known) == len(values):
            found[name] = Quantiles(*known)
    return found


def _cpu(parts: list[dict[str, Any]]) -> Cpu | None:
    in_window = any(part.get("cpu_in_window") is not None for part in parts)
    mean = "cpu_in_window" if in_window else "cpu_mean"
    return Cpu.of(
        (str(part.get("role")), _number(part.get(mean)), _number(part.get("cpu_max"))) for part in parts
    )


def _errors(rows: list[dict[str, Any]]) -> tuple[dict[str, int], dict[str, str]]:
    """Failures by category, and what was said about one of each."""
    errors: Counter[str] = Counter()
    examples: dict[str, str] = {}
    for row in rows:
        category, count = printable(str(row.get("category", ""))), _whole(row.get("count")) or 0
        if category and count > 0:
            errors[category] += count
            examples.setdefault(category, printable(str(row.get("example") or "")))
    return dict(errors), examples


def _inside(value: dict[str, Any], *keys: str) -> dict[str, Any]:
    """The object below the keys, empty where there is none: a report may be older or damaged."""
    for key in keys:
        inner = value.get(key)
        value = inner if isinstance(inner, dict) else {}
    return value


def _rows(value: Any) -> list[dict[str, Any]]:
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


def _number(value: Any) -> float | None:
    known = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if known else None


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
