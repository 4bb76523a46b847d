import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reports.experiment.report import ExperimentReport, report_experiment, to_json
from reports.records.experiment_directory import ExperimentDirectory
from reports.records.run_directory import RunDirectoryError
from tests.reports.sample_experiments import (
    CAPACITY,
    FAILURE,
    SampleExperiment,
    capacity_sample,
    law,
    write_sample_experiment,
)


def report_of(path: Path, what: SampleExperiment | None = None) -> ExperimentReport:
    return report_experiment(write_sample_experiment(path / "sample", what))


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> ExperimentReport:
    """4 sizes × 5 loads × 2 repetitions with a failed cell, an invalid one, and a size that never works."""
    return report_of(tmp_path_factory.mktemp("results"))


@pytest.fixture(scope="module")
def form(usual: ExperimentReport) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(json.dumps(to_json(usual), allow_nan=False))
    return plain


def test_every_section_has_the_groups_in_the_same_order(usual: ExperimentReport) -> None:
    labels = ["1 × 1", "1 × 2", "2 × 1", "2 × 2", "4 × 1"]
    assert [usual.labels[group] for group in usual.groups] == labels
    assert [group.label for group in usual.growth.groups] == labels
    assert [law.label for law in usual.usl.groups] == labels
    assert [row.label for row in usual.max_batch.rows] == labels
    assert usual.heat.labels == labels
    assert [row.label for row in usual.bottleneck.rows] == labels


def test_the_law_that_made_the_figures_is_found_again(usual: ExperimentReport) -> None:
    what = SampleExperiment()
    fit = usual.usl.groups[0].fit
    assert fit is not None
    assert fit.sigma_ci[0] <= what.sigma <= fit.sigma_ci[1]
    assert fit.kappa_ci[0] <= what.kappa <= fit.kappa_ci[1]
    assert fit.predicted([32]).item() == pytest.approx(law(32, 1, what), rel=0.05)


def test_failed_and_invalid_cells_are_counted_and_told(usual: ExperimentReport) -> None:
    progress = usual.progress
    assert (progress.cells, progress.completed, progress.failed, progress.invalid) == (50, 49, 1, 1)
    assert usual.complete
    assert usual.notices[0] == f"1 of 50 cells failed, for this reason: {FAILURE}."
    assert usual.notices[1].startswith("1 of 49 finished cells is not valid and left out of fits")


def test_failed_and_invalid_cells_are_left_out_of_fits(usual: ExperimentReport) -> None:
    assert len(usual.usl.groups[0].loads) == 8


def test_a_group_in_which_all_fail_has_no_fit_and_no_batch(usual: ExperimentReport) -> None:
    assert usual.usl.groups[-1].fit is None
    assert usual.max_batch.rows[-1].max_batch is None
    assert usual.breakdown.rows[-1].label == "2 × 2"


def test_report_json_has_the_keys_of_the_schema(form: dict[str, Any]) -> None:
    assert form["kind"] == "experiment"
    assert {"schema_version", "experiment_id", "config"} <= form.keys()
    assert {
        "run_id", "replicas", "workers", "users", "wait_s", "transport", "balancing", "repetition",
        "throughput_steps_per_s", "success_rate", "p50", "p99", "overhead_p99", "jain_worker", "slo_passed",
        "valid",
    } <= form["cells"][0].keys()  # fmt: skip
    assert {
        "replicas", "workers", "wait_s", "transport", "balancing", "max_batch", "per_core", "p99",
    } <= form["max_batch"][0].keys()  # fmt: skip
    assert {
        "group", "sigma", "kappa", "gamma", "sigma_ci", "kappa_ci", "gamma_ci", "peak_concurrency",
        "peak_throughput", "r_squared",
    } <= form["usl"][0].keys()  # fmt: skip
    assert {"target_sessions", "replicas", "workers", "basis"} <= form["capacity_plan"][0].keys()


def test_report_json_has_figures_of_every_cell(form: dict[str, Any], usual: ExperimentReport) -> None:
    assert len(form["cells"]) == 50
    for written, cell in zip(form["cells"], usual.cells, strict=True):
        assert written["throughput_steps_per_s"] == cell.throughput
        assert written["p99"] == cell.p("step", "p99")
        assert written["wait_s"] == 0.01
        assert written["wait"] == "0.01"


def test_groups_without_a_fit_stand_apart_with_the_reason(form: dict[str, Any]) -> None:
    assert len(form["usl"]) == 4
    [without] = form["usl_without_fit"]
    assert without["group"]["replicas"] == 4
    assert without["reason"]


def test_a_wait_that_varies_has_no_number(tmp_path: Path) -> None:
    directory = write_sample_experiment(tmp_path / "sample", SampleExperiment(users=(1,), troubles=False))
    experiment = directory.read()
    for cell in experiment["cells"]:
        cell["wait"] = "uniform:0:1"
    directory.write(experiment)
    cell = to_json(report_experiment(directory))["cells"][0]
    assert (cell["wait_s"], cell["wait"]) == (None, "uniform:0:1")


def test_an_experiment_cut_short_reports_what_there_is(tmp_path: Path) -> None:
    report = report_of(tmp_path, SampleExperiment(pending=20))
    assert not report.complete
    assert report.notices[0] == "This experiment was interrupted: Ctrl-C. What has been done so far is shown."
    assert report.notices[1].startswith("20 of 50 cells are still to run")
    assert report.max_batch.best is not None


def test_a_capacity_search_cut_short_is_to_be_made_again(tmp_path: Path) -> None:
    notices = report_of(tmp_path, replace(capacity_sample(), pending=2)).notices
    assert "The search did not finish: run it again." in notices
    assert not any("--resume" in notice for notice in notices)


def test_cells_of_different_machines_are_told_with_their_names(tmp_path: Path) -> None:
    directory = write_sample_experiment(tmp_path / "sample")
    experiment = directory.read()
    experiment["machine"] = {"hostname": "here"}
    directory.write(experiment)
    assert not any("machines" in notice for notice in report_experiment(directory).notices)
    experiment["further_machines"] = [{"hostname": "elsewhere\n"}, {}]
    directory.write(experiment)
    assert any(
        notice.startswith("Cells were run on different machines (elsewhere, here and one without a name)")
        for notice in report_experiment(directory).notices
    )


def test_an_experiment_of_which_nothing_has_run_yet(tmp_path: Path) -> None:
    report = report_of(tmp_path, SampleExperiment(pending=50))
    assert report.progress.completed == 0
    json.dumps(to_json(report), allow_nan=False)


def test_an_experiment_in_which_all_fail(tmp_path: Path) -> None:
    report = report_of(tmp_path, SampleExperiment(all_fail=True))
    assert not any(law.fit for law in report.usl.groups)
    assert report.max_batch.best is None
    assert report.plan.rows == []
    json.dumps(to_json(report), allow_nan=False)


def test_an_experiment_without_cells(tmp_path: Path) -> None:
    report = report_of(tmp_path, SampleExperiment(sizes=(), troubles=False))
    assert report.groups == []
    json.dumps(to_json(report), allow_nan=False)


def test_servers_behind_urls_are_compared_by_name(tmp_path: Path) -> None:
    what = SampleExperiment(
        sizes=((None, None),), targets=("space-a", "space-b"), balancing=(None,), reuse_port=(None,),
        troubles=False,
    )  # fmt: skip
    report = report_of(tmp_path, what)
    assert list(report.labels.values()) == ["space-a", "space-b"]
    assert report.usl.groups[0].fit is not None
    assert report.max_batch.rows[0].per_core is None
    assert report.speedup.families == []


def test_the_result_of_a_capacity_search_is_carried_through(tmp_path: Path) -> None:
    report = report_of(tmp_path, capacity_sample())
    assert report.capacity is not None
    assert report.capacity["sessions"] == CAPACITY["sessions"]
    assert to_json(report)["capacity"]["tries"]
    assert report.plan.takeaways[0].endswith("the objective: 64 sessions per worker.")


def test_a_folder_that_is_no_experiment(tmp_path: Path) -> None:
    with pytest.raises(RunDirectoryError, match="holds no experiment"):
        report_experiment(ExperimentDirectory(tmp_path))
