import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.synthetic_run import SyntheticRun, write_synthetic_run
from reports.experiment.cells import Cell, read_cells
from reports.records.experiment_directory import ExperimentDirectory
from reports.records.run_directory import RunDirectory
from tests.reports.sample_experiments import FAILURE, SATURATED, SampleExperiment, write_sample_experiment

ONE = SampleExperiment(sizes=((1, 2),), users=(4,), repetitions=1, troubles=False)


def cells_of(path: Path, what: SampleExperiment | None = None) -> list[Cell]:
    directory = write_sample_experiment(path / "sample", what)
    return read_cells(directory, directory.read())


@pytest.fixture
def one(tmp_path: Path) -> tuple[ExperimentDirectory, RunDirectory]:
    """An experiment of one finished cell, and that cell's run."""
    directory = write_sample_experiment(tmp_path / "sample", ONE)
    run_id = directory.read()["cells"][0]["run_id"]
    assert run_id
    return directory, directory.run(run_id)


def the_cell(directory: ExperimentDirectory) -> Cell:
    [cell] = read_cells(directory, directory.read())
    return cell


def test_figures_come_from_the_run_s_report(one: tuple[ExperimentDirectory, RunDirectory]) -> None:
    directory, run = one
    report = json.loads(run.report_json.read_text())
    cell = the_cell(directory)
    assert (cell.group.replicas, cell.group.workers, cell.users, cell.repetition) == (1, 2, 4, 1)
    assert cell.throughput == report["totals"]["throughput_steps_per_s"]
    assert cell.success_rate == 1.0
    assert cell.p("step", "p99") == report["latency_in_window"]["step"]["p99"]
    assert cell.p("overhead", "p50") == report["latency"]["overhead"]["p50"]
    assert cell.jain_worker == report["distribution"]["fairness"]["worker"]["jain"]
    assert cell.slo_passed is True
    assert (cell.valid, cell.usable, cell.has_report) == (True, True, True)
    assert cell.cores == 8
    assert cell.cpu is not None
    assert cell.cpu.generator_busiest_mean == report["resources"][-1]["cpu_mean"]
    assert cell.cpu.total_mean == pytest.approx(sum(part["cpu_mean"] for part in report["resources"]))


def test_failures_are_counted_by_category(one: tuple[ExperimentDirectory, RunDirectory]) -> None:
    directory, run = one
    report = json.loads(run.report_json.read_text())
    report["errors"] = [
        {"category": "capacity", "op": "reset", "count": 30, "first_at": 1.0, "example": "64/64 sessions\n"},
        {"category": "capacity", "op": "connect", "count": 2, "first_at": 2.0, "example": "another"},
        {"category": "timeout", "op": "step", "count": 1, "first_at": 3.0, "example": None},
        {"category": "timeout", "count": -3},
        {"count": True},
    ]
    run.report_json.write_text(json.dumps(report))
    cell = the_cell(directory)
    assert cell.errors == {"capacity": 32, "timeout": 1}
    assert cell.examples == {"capacity": "64/64 sessions", "timeout": ""}
    assert (cell.connect_timeout_s, cell.step_timeout_s) == (10.0, 30.0)


def test_a_failed_cell_keeps_its_reason(tmp_path: Path) -> None:
    [failed] = [cell for cell in cells_of(tmp_path) if cell.status == "failed"]
    assert failed.reason == FAILURE
    assert not failed.usable
    assert failed.throughput is None


def test_an_invalid_cell_is_not_usable_and_says_why(tmp_path: Path) -> None:
    [invalid] = [cell for cell in cells_of(tmp_path) if cell.finished and not cell.valid]
    assert invalid.warnings == [SATURATED]
    assert invalid.throughput is not None
    assert not invalid.usable


def test_cells_in_which_nothing_succeeded_are_not_usable(tmp_path: Path) -> None:
    assert not any(cell.usable for cell in cells_of(tmp_path, SampleExperiment(all_fail=True)))


def test_cells_below_the_objective_s_success_rate_are_not_usable(
    one: tuple[ExperimentDirectory, RunDirectory],
) -> None:
    directory, run = one
    report = json.loads(run.report_json.read_text())
    report["totals"]["success_rate"] = 0.94
    run.report_json.write_text(json.dumps(report))
    assert not the_cell(directory).usable


def test_a_report_without_validity_is_judged_by_how_the_run_ended(
    one: tuple[ExperimentDirectory, RunDirectory],
) -> None:
    directory, run = one
    report = json.loads(run.report_json.read_text())
    del report["validity"]
    run.report_json.write_text(json.dumps(report))
    assert the_cell(directory).valid
    run.write({**run.read(), "status": "interrupted"})
    assert not the_cell(directory).valid


def test_what_makes_a_cell_invalid_is_told_first(one: tuple[ExperimentDirectory, RunDirectory]) -> None:
    directory, run = one
    report = json.loads(run.report_json.read_text())
    report["validity"] = {
        "valid": False,
        "warnings": [
            {"code": "few_steps", "message": "Few steps."},
            {"code": "isolation_violated", "message": "Sessions mixed."},
        ],
    }
    run.report_json.write_text(json.dumps(report))
    assert the_cell(directory).warnings == ["Sessions mixed.", "Few steps."]


def test_a_missing_report_is_made_from_the_records(one: tuple[ExperimentDirectory, RunDirectory]) -> None:
    directory, run = one
    run.report_json.unlink()
    run.report_html.unlink()
    write_synthetic_run(run.path, SyntheticRun(rows=500, users=4, failure_share=0))
    cell = the_cell(directory)
    assert cell.steps == 492
    assert cell.throughput
    assert not cell.has_report


def _remove_all(run: RunDirectory) -> None:
    for file in run.path.iterdir():
        file.unlink()
    run.path.rmdir()


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (_remove_all, "is not a folder"),
        (lambda run: run.json_path.unlink(), "holds no run.json"),
        (lambda run: run.json_path.write_text("{"), "cannot be read"),
        (lambda run: run.report_json.unlink(), "holds no steps"),
        (lambda run: run.report_json.write_text("[1, 2"), "holds no steps"),
    ],
)
def test_a_damaged_run_is_a_failed_cell_with_the_reason(
    one: tuple[ExperimentDirectory, RunDirectory], damage: Callable[[RunDirectory], None], reason: str
) -> None:
    directory, run = one
    damage(run)
    cell = the_cell(directory)
    assert cell.status == "failed"
    assert cell.reason is not None
    assert reason in cell.reason


def test_figures_of_the_wrong_kind_are_unknown(one: tuple[ExperimentDirectory, RunDirectory]) -> None:
    directory, run = one
    report = json.loads(run.report_json.read_text())
    report["latency"] = {"step": {"p50": "1", "p90": None}}
    report["latency_in_window"] = "none"
    report["distribution"] = []
    report["resources"] = [{"role": "replica", "cpu_mean": True}, 7]
    report["totals"]["throughput_steps_per_s"] = [1]
    report["validity"]["warnings"] = "none"
    run.report_json.write_text(json.dumps(report))
    cell = the_cell(directory)
    assert cell.latency == {}
    assert cell.throughput is None
    assert cell.jain_worker is None
    assert cell.cpu is not None
    assert cell.cpu.total_mean is None


@pytest.mark.parametrize("run_id", ["../../elsewhere", "/etc", "..", ""])
def test_a_run_is_looked_for_below_the_experiment_only(
    one: tuple[ExperimentDirectory, RunDirectory], run_id: str
) -> None:
    directory, _ = one
    experiment = directory.read()
    experiment["cells"][0]["run_id"] = run_id
    directory.write(experiment)
    cell = the_cell(directory)
    assert cell.status == "failed"
    assert cell.run_id is None


def test_a_run_whose_name_no_disk_holds(one: tuple[ExperimentDirectory, RunDirectory]) -> None:
    directory, _ = one
    experiment = directory.read()
    experiment["cells"][0]["run_id"] = "r" * 300
    directory.write(experiment)
    cell = the_cell(directory)
    assert cell.status == "failed"
    assert not cell.has_report


@pytest.mark.parametrize("huge", [1e308, 10**400])
def test_a_report_with_numbers_beyond_reckoning_is_not_believed(
    one: tuple[ExperimentDirectory, RunDirectory], huge: float
) -> None:
    directory, run = one
    report = json.loads(run.report_json.read_text())
    report["totals"]["throughput_steps_per_s"] = huge
    run.report_json.write_text(json.dumps(report))
    assert the_cell(directory).status == "failed"
    write_synthetic_run(run.path, SyntheticRun(rows=500, users=4, failure_share=0))
    run.report_json.write_text(json.dumps(report))
    assert the_cell(directory).steps == 492


def test_cells_still_to_run_are_there(tmp_path: Path) -> None:
    cells = cells_of(tmp_path, SampleExperiment(pending=7))
    assert sum(cell.status == "pending" for cell in cells) == 7


def test_the_machine_behind_a_url_is_unknown(tmp_path: Path) -> None:
    [cell] = cells_of(
        tmp_path,
        replace(ONE, sizes=((None, None),), balancing=(None,), reuse_port=(None,), targets=("space",)),
    )
    assert cell.cores is None
    assert cell.group.total_workers is None


def test_a_cell_that_shut_users_out_has_no_better_success_rate_than_those_it_served(
    one: tuple[ExperimentDirectory, RunDirectory],
) -> None:
    directory, run = one
    report = json.loads(run.report_json.read_text())
    report["totals"] |= {"success_rate": 0.999, "users": 16, "users_shut_out": 15}
    run.report_json.write_text(json.dumps(report))
    assert the_cell(directory).success_rate == 1 / 16
    assert not the_cell(directory).usable
    report["totals"]["batch_users"] = 16
    run.report_json.write_text(json.dumps(report))
    assert the_cell(directory).success_rate == 0.999


def test_a_cell_knows_its_actions_and_the_hosts_that_replies_named(
    one: tuple[ExperimentDirectory, RunDirectory],
) -> None:
    directory, run = one
    assert the_cell(directory).sent is None
    changed = run.read()
    changed["config"]["action"] = {"message": "hello"}
    run.write(changed)
    assert the_cell(directory).sent == 'action {"message": "hello"}'
    report = json.loads(run.report_json.read_text())
    report["distribution"]["replicas"] = [{"host": "a"}, {"host": "b"}]
    run.report_json.write_text(json.dumps(report))
    assert the_cell(directory).hosts == 2
