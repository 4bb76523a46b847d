"""The report of an experiment as data: every section's result, and its form as report.json."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from reports.experiment.cells import Cell, read_cells
from reports.experiment.groups import Group, labels, ordered
from reports.experiment.sections import (
    bottleneck,
    breakdown,
    fairness,
    faults,
    growth,
    heat,
    loads,
    max_batch,
    plan,
    speedup,
    usl,
)
from reports.experiment.sections.bottleneck import Bottlenecks
from reports.experiment.sections.breakdown import Breakdown
from reports.experiment.sections.fairness import FairnessByChoice
from reports.experiment.sections.faults import FaultsByGroup
from reports.experiment.sections.growth import Growth
from reports.experiment.sections.heat import Heat
from reports.experiment.sections.loads import Loads
from reports.experiment.sections.max_batch import MaxBatches
from reports.experiment.sections.plan import Plan
from reports.experiment.sections.speedup import Speedup
from reports.experiment.sections.usl import Usl
from reports.page.words import count, listing, printable
from reports.records.experiment_directory import ExperimentDirectory
from reports.records.json_values import finite
from reports.records.schema import SCHEMA_VERSION, CapacityJson, ExperimentJson

_SECTIONS = ("growth", "speedup", "usl", "max_batch", "breakdown", "fairness", "bottleneck")
_OF_A_CELL = frozenset(
    {
        "run_id", "users", "load", "load_unit", "reached", "goodput", "repetition", "status", "reason",
        "success_rate", "latency", "steps", "sessions", "failures", "jain_worker", "jain_replica", "chi2_p",
        "slo_passed", "slo_missed", "valid", "usable", "warnings", "errors", "cpu", "cores",
    }
)  # fmt: skip


@dataclass(frozen=True)
class Progress:
    """How many cells of the grid are in which state."""

    cells: int
    completed: int
    invalid: int
    """Of the completed."""
    failed: int
    pending: int
    """Not finished: still to run, or running when the experiment stopped."""


@dataclass(frozen=True)
class ExperimentReport:
    """Everything that the report of an experiment shows."""

    experiment: ExperimentJson
    notices: list[str]
    """What a reader must know before the figures: cut short, cells failed, cells invalid …"""
    progress: Progress
    groups: list[Group]
    """In the fixed order in which all sections have them."""
    labels: dict[Group, str]
    """A short name for each group that says only what differs."""
    cells: list[Cell]
    """In the order of groups, then by users and repetition."""
    growth: Growth
    speedup: Speedup
    usl: Usl
    max_batch: MaxBatches
    breakdown: Breakdown
    heat: Heat
    fairness: FairnessByChoice
    bottleneck: Bottlenecks
    plan: Plan
    faults: FaultsByGroup | None
    """None where no cell had any."""
    loads: Loads | None
    """Of rates or groups of rollouts; None where users were what varied."""
    capacity: CapacityJson | None
    """The result of a capacity search; None for any other experiment."""

    @property
    def sent(self) -> list[str]:
        """The actions that cells sent, in words; empty where they were waits of the Benchmark environment."""
        return sorted({cell.sent for cell in self.cells if cell.sent is not None})

    @property
    def complete(self) -> bool:
        """Whether the experiment went to its end."""
        return self.experiment["status"] == "completed" and not self.progress.pending


def report_experiment(directory: ExperimentDirectory) -> ExperimentReport:
    """Reads an experiment and the runs of its cells and makes the report, of as much as there is.

    Raises RunDirectoryError where experiment.json cannot be read. A cell whose run cannot be has failed.
    """
    experiment = directory.read()
    cells = read_cells(directory, experiment)
    groups = ordered(cell.group for cell in cells)
    names = labels(groups)
    progress = _progress(cells)
    by_users = [cell for cell in cells if cell.load is None]
    grown = growth.summarize(by_users, names)
    sped_up = speedup.summarize(by_users, names)
    laws = usl.summarize(by_users, names, sped_up)
    batches = max_batch.summarize(by_users, names)
    limits = bottleneck.summarize(by_users, grown, experiment["config"]["scenario"])
    return ExperimentReport(
        experiment=experiment,
        notices=_notices(experiment, cells, progress),
        progress=progress,
        groups=groups,
        labels=names,
        cells=cells,
        growth=grown,
        speedup=sped_up,
        usl=laws,
        max_batch=batches,
        breakdown=breakdown.summarize(by_users, names),
        heat=heat.summarize(grown),
        fairness=fairness.summarize(cells),
        bottleneck=limits,
        plan=plan.summarize(by_users, batches, laws, limits, experiment.get("capacity")),
        faults=faults.summarize(cells, names),
        loads=loads.summarize(cells, names),
        capacity=experiment.get("capacity"),
    )


def to_json(report: ExperimentReport) -> dict[str, Any]:
    """The report in the form of report.json: JSON values only, seconds, shares in 0…1."""
    experiment = report.experiment
    form = {
        "kind": "experiment",
        "schema_version": SCHEMA_VERSION,
        "experiment_id": experiment["experiment_id"],
        "purpose": experiment["purpose"],
        "status": experiment["status"],
        "complete": report.complete,
        "started_at": experiment["started_at"],
        "ended_at": experiment["ended_at"],
        "notices": report.notices,
        "progress": asdict(report.progress),
        "config": experiment["config"],
        "machine": experiment["machine"],
        "further_machines": experiment.get("further_machines", []),
        "cells": [_cell(cell) for cell in report.cells],
        "growth": [{**asdict(growth), "group": _group(growth.group)} for growth in report.growth.groups],
        "speedup": [
            {
                **asdict(family),
                "rows": [{**_group(row.group), **_without(row, "group")} for row in family.rows],
            }
            for family in report.speedup.families
        ],
        "usl": [
            {"group": _group(*law.groups), **asdict(law.fit), "takeaways": law.takeaways}
            for law in report.usl.groups
            if law.fit
        ],
        "usl_without_fit": [
            {"group": _group(*law.groups), "reason": law.reason} for law in report.usl.groups if not law.fit
        ],
        "usl_over_workers": [
            {"family": law.label, **_without(law, "label", "groups", "takeaways")}
            for law in report.usl.workers
        ],
        "max_batch": [
            {**_group(row.group), **_without(row, "group"), "p99": row.total_p99_s}
            for row in report.max_batch.rows
        ],
        "published": asdict(report.max_batch.published),
        "breakdown": [
            {**_group(row.group), "users": row.users, "latency": {k: asdict(p) for k, p in row.parts.items()}}
            for row in report.breakdown.rows
        ],
        "fairness": [asdict(comparison) for comparison in report.fairness.comparisons],
        "bottleneck": [
            {
                **_group(row.group),
                **_without(row, "group"),
                **asdict(row.limit),
                "limit": row.limit.kind,
                "busy_sentence": row.limit.sentence,
            }
            for row in report.bottleneck.rows
        ],
        "capacity_plan": [asdict(row) for row in report.plan.rows],
        "capacity": report.capacity,
        "loads": _loads(report.loads),
        "faults": [{**_group(row.group), **_without(row, "group")} for row in report.faults.rows]
        if report.faults
        else [],
        "takeaways": {
            **{name: getattr(report, name).takeaways for name in _SECTIONS},
            "capacity_plan": report.plan.takeaways,
        },
    }
    plain: dict[str, Any] = finite(form)
    return plain


def _loads(found: Loads | None) -> dict[str, Any] | None:
    if found is None:
        return None
    curves = [
        {
            "group": _group(curve.group),
            "points": [asdict(point) for point in curve.points],
            "highest_met": curve.highest_met.load if curve.highest_met else None,
            "best_goodput": curve.best_goodput.load if curve.best_goodput else None,
        }
        for curve in found.curves
    ]
    return {**_without(found, "curves"), "curves": curves}


def _group(group: Group) -> dict[str, Any]:
    return {**asdict(group), "wait_s": group.wait_s}


def _without(result: Any, *names: str) -> dict[str, Any]:
    return {key: value for key, value in asdict(result).items() if key not in names}


def _cell(cell: Cell) -> dict[str, Any]:
    return {
        **_group(cell.group),
        **{name: value for name, value in asdict(cell).items() if name in _OF_A_CELL},
        "throughput_steps_per_s": cell.throughput,
        "p50": cell.p("step", "p50"),
        "p99": cell.p("step", "p99"),
        "overhead_p99": cell.p("overhead", "p99"),
        "total_p99": cell.p("total", "p99"),
    }


def _progress(cells: Sequence[Cell]) -> Progress:
    return Progress(
        cells=len(cells),
        completed=sum(cell.finished for cell in cells),
        invalid=sum(cell.finished and not cell.valid for cell in cells),
        failed=sum(cell.status == "failed" for cell in cells),
        pending=sum(cell.status in ("pending", "running") for cell in cells),
    )


def _notices(experiment: ExperimentJson, cells: Sequence[Cell], progress: Progress) -> list[str]:
    why = printable(experiment.get("status_detail") or "")
    because = f": {why}" if why else ""
    ending = {
        "running": "was cut short or is still running",
        "interrupted": f"was interrupted{because}",
        "failed": f"failed{because}",
    }.get(experiment["status"])
    notices = [f"This experiment {ending}. What has been done so far is shown."] if ending else []
    if experiment.get("further_machines"):
        machines = [experiment["machine"], *experiment.get("further_machines", [])]
        names = {printable(str(machine.get("hostname") or "one without a name"), 60) for machine in machines}
        notices.append(
            f"Cells were run on different machines ({listing(sorted(names))}): differences between "
            "cells may come from the machines."
        )
    if progress.pending and experiment["purpose"] == "capacity":
        notices.append("The search did not finish: run it again.")
    elif progress.pending:
        are = "is" if progress.pending == 1 else "are"
        notices.append(
            f"{progress.pending:,} of {count(progress.cells, 'cell')} {are} still to run: resume the "
            "experiment (RESUME=, --resume)."
        )
    shared = sum(cell.shared for cell in cells if cell.finished)
    if shared:
        notices.append(
            f"Other programs kept part of the machine busy in {shared:,} of "
            f"{count(progress.completed, 'finished cell')}: these may differ from other cells for that "
            "reason alone. Run again when the machine is quiet."
        )
    if progress.failed:
        reasons = Counter(cell.reason or "no reason is known" for cell in cells if cell.status == "failed")
        notices.append(
            f"{progress.failed:,} of {count(progress.cells, 'cell')} failed, {_most_often(reasons)}"
        )
    if progress.invalid:
        reasons = Counter(
            warning for cell in cells if cell.finished and not cell.valid for warning in cell.warnings[:1]
        )
        told = _most_often(reasons) if reasons else "their runs did not complete."
        are = "is" if progress.invalid == 1 else "are"
        notices.append(
            f"{progress.invalid:,} of {count(progress.completed, 'finished cell')} {are} not valid and left "
            f"out of fits and best loads, {told}"
        )
    return notices


def _most_often(reasons: Counter[str]) -> str:
    """`for this reason: …`, or the most frequent of several."""
    reason, _ = reasons.most_common(1)[0]
    which = "for this reason" if len(reasons) == 1 else "most often for this reason"
    return f"{which}: {reason}{'' if reason.endswith(('.', '!', '…')) else '.'}"
