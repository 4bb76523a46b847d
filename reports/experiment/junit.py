"""An experiment as a suite of tests: a case for each cell, or one for the answer of a capacity search."""

from collections.abc import Iterator

from reports.experiment.cells import Cell
from reports.experiment.masthead import headline
from reports.experiment.report import ExperimentReport
from reports.experiment.searched import searched
from reports.experiment.verdict import how_many_sessions, where_it_stops
from reports.outputs.junit import Case, Suite
from reports.page.words import count


def suite(report: ExperimentReport) -> Suite:
    """The suite of an experiment. A cell that ran passes: that a load misses the objective is a finding."""
    experiment = report.experiment
    ended_at = experiment["ended_at"] or experiment["started_at"]
    return Suite(
        name=headline(report),
        of="experiment",
        cases=[_capacity(report)] if report.capacity else list(_cells(report)),
        started_at=experiment["started_at"],
        duration_s=max(ended_at - experiment["started_at"], 0.0),
        hostname=str(experiment["machine"].get("hostname", "")),
        properties={"experiment_id": experiment["experiment_id"], "status": experiment["status"]},
    )


def _cells(report: ExperimentReport) -> Iterator[Case]:
    for cell in report.cells:
        yield _cell(cell, f"{report.labels[cell.group]}, {count(cell.users, 'user')}")


def _cell(cell: Cell, group: str) -> Case:
    name = f"repetition {cell.repetition}"
    if cell.status == "completed":
        return Case(name, sentences=[*cell.slo_missed, *cell.warnings], group=group)
    if cell.status == "failed":
        return Case(name, "error", [cell.reason or "It failed.", *cell.warnings], "failed", group)
    return Case(name, "skipped", ["It has not run."], "pending", group)


def _capacity(report: ExperimentReport) -> Case:
    sentences = [how_many_sessions(report), where_it_stops(report)]
    found = report.capacity is not None and report.capacity["sessions"] > 0
    name = "sessions within the objective"
    if report.capacity is not None and searched(report.capacity).is_rate:
        name = "rate within the objective"
    if not found:
        return Case(name, "failure", sentences, "none_found")
    if report.experiment["status"] != "completed":
        why = report.experiment.get("status_detail") or "the search was cut short"
        return Case(name, "error", [why, *sentences], "not_completed")
    return Case(name, sentences=sentences)
