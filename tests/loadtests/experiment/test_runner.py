import errno
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from rich.console import Console

from loadtests.deployments.local import LocalDeployment
from loadtests.errors import LoadTestError
from loadtests.experiment import runner
from loadtests.experiment.config import experiment_plan, resolve_settings
from reports.records.experiment_directory import ExperimentDirectory
from reports.records.run_directory import RunDirectoryError
from reports.records.schema import SCHEMA_VERSION, ExperimentJson
from tests.loadtests.harness import Harness, harness

LOCAL = ["--target", "local", "--replicas", "1", "--repetitions", "1"]
SHORT = ["--duration", "1", "--warmup", "0", "--wait", "0.05"]


def start(results: Path, *options: str) -> Harness:
    return Harness("scaling", "--results", str(results), *options)


def only_experiment(results: Path) -> ExperimentDirectory:
    (path,) = [path for path in results.iterdir() if path.is_dir()]
    return ExperimentDirectory(path)


def done(directory: ExperimentDirectory) -> list[str]:
    return [cell["run_id"] or "" for cell in directory.read()["cells"] if cell["status"] == "completed"]


def wait_until_done(results: Path, cells: int) -> None:
    deadline = time.monotonic() + 120
    while not any(results.glob("*/experiment.json")) or len(done(only_experiment(results))) < cells:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def planned(results: Path, **given: str) -> ExperimentDirectory:
    """An experiment of which no cell has run yet."""
    plan = experiment_plan(resolve_settings(given, None), {"local": "local"}, {})
    directory = ExperimentDirectory.create(results, "scaling-local")
    directory.write(
        ExperimentJson(
            kind="experiment",
            schema_version=SCHEMA_VERSION,
            experiment_id=directory.path.name,
            purpose="scaling",
            status="running",
            started_at=0.0,
            ended_at=None,
            config=plan.config,
            machine={},
            cells=plan.cells,
        )
    )
    return directory


@pytest.mark.servers
def test_a_killed_experiment_is_taken_up_again_and_does_no_finished_cell_twice(
    checkout: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "loadtests", "scaling", "--results", str(tmp_path)]
    grid = [*LOCAL, "--workers", "1,2", "--users", "2"]
    long = [*SHORT, "--duration", "5"]
    killed = subprocess.Popen(
        [*command, *grid, *long], cwd=checkout, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        wait_until_done(tmp_path, cells=1)
    finally:
        killed.kill()
        killed.communicate()
    directory = only_experiment(tmp_path)
    before = done(directory)
    assert len(before) == 1

    resumed = subprocess.run(
        [*command, "--resume"], cwd=checkout, capture_output=True, text=True, timeout=280, check=False
    )
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    assert f"{len(before)} done before" in resumed.stdout
    after = done(directory)
    assert len(set(after)) == 2
    assert set(before) <= set(after)
    assert all((directory.runs / run_id / "report.html").exists() for run_id in after)

    report = json.loads(directory.report_json.read_text())
    assert report["kind"] == "experiment"
    loads = sorted((cell["workers"], cell["users"]) for cell in report["cells"])
    assert loads == [(1, 2), (2, 2)]
    assert all(cell["throughput_steps_per_s"] > 0 for cell in report["cells"])
    assert directory.report_html.exists()
    assert "to resume" in harness("scaling", "--results", str(tmp_path), "--resume").stderr


@pytest.mark.servers
def test_ctrl_c_leaves_a_report_and_says_how_to_go_on(deployment: LocalDeployment, tmp_path: Path) -> None:
    grid = ["--target", deployment.url, "--users", "2,4", "--repetitions", "1"]
    process = start(tmp_path, *grid, *SHORT, "--duration", "8")
    try:
        wait_until_done(tmp_path, cells=1)
        process.send_signal(signal.SIGINT)
        made = process.wait()
    finally:
        process.kill()
    assert made.returncode == 130, made.stderr
    directory = only_experiment(tmp_path)
    assert f"1 of 2 cells left: make scaling RESUME={directory.path}" in made.stdout
    assert directory.read()["status"] == "interrupted"
    assert directory.report_html.exists()


@pytest.mark.servers
def test_a_cell_that_cannot_run_is_recorded_with_its_reason_and_the_others_go_on(
    tmp_path: Path, deployment: LocalDeployment
) -> None:
    targets = f"here={deployment.url},nowhere=http://127.0.0.1:9"
    made = harness(
        "scaling",
        "--results",
        str(tmp_path),
        "--target",
        targets,
        "--users",
        "2",
        "--repetitions",
        "1",
        *SHORT,
    )
    assert made.returncode == 1, made.stdout + made.stderr
    cells = {cell["deployment"]: cell for cell in only_experiment(tmp_path).read()["cells"]}
    assert cells["here"]["status"] == "completed"
    assert cells["nowhere"]["status"] == "failed"
    assert "nothing answers at http://127.0.0.1:9" in (cells["nowhere"]["reason"] or "")
    assert "nothing answers" in made.stdout
    experiment = only_experiment(tmp_path)
    assert f'href="{experiment.path.name}/report.html"' in (tmp_path / "index.html").read_text()
    assert not (experiment.runs / "index.html").exists()


@pytest.mark.servers
def test_a_deployment_that_dies_costs_one_cell_and_is_brought_up_again(tmp_path: Path) -> None:
    grid = [*LOCAL, "--workers", "1", "--users", "2,4,8", "--seed", "1"]
    process = start(tmp_path, *grid, *SHORT, "--duration", "8")
    try:
        wait_until_done(tmp_path, cells=1)
        wait_for_steps(only_experiment(tmp_path))
        for child in psutil.Process(process.pid).children():
            if "gunicorn" in " ".join(child.cmdline()):
                child.kill()
        made = process.wait()
    finally:
        process.kill()
    assert made.returncode == 1, made.stderr
    cells = only_experiment(tmp_path).read()["cells"]
    assert [cell["status"] for cell in cells] == ["completed", "failed", "completed"]
    assert "replica-1 ended before the load did" in (cells[1]["reason"] or "")
    assert made.stdout.count("up after") == 2


def wait_for_steps(directory: ExperimentDirectory) -> None:
    """Waits until the cell that runs has recorded something."""
    deadline = time.monotonic() + 120
    while not any(stream.stat().st_size > 2000 for stream in directory.runs.glob("*/steps.arrows")):
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.servers
def test_a_cell_that_breaks_in_an_unforeseen_way_does_not_end_the_experiment(
    tmp_path: Path, deployment: LocalDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(runner, "record_run", broken)
    settings = resolve_settings(
        {"TARGET": deployment.url, "USERS": "1,2", "REPETITIONS": "1", "RESULTS": str(tmp_path)}, None
    )
    assert runner.run_experiment(settings, Console(quiet=True)) == 1
    made = only_experiment(tmp_path).read()
    assert made["status"] == "completed"
    assert [cell["status"] for cell in made["cells"]] == ["failed", "failed"]
    assert all("Too many open files" in (cell["reason"] or "") for cell in made["cells"])


@pytest.mark.servers
def test_a_disk_that_fills_up_in_a_cell_leaves_it_to_be_resumed(
    tmp_path: Path, deployment: LocalDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise RunDirectoryError("locust.log cannot be written") from OSError(errno.ENOSPC, "No space left")

    monkeypatch.setattr(runner, "record_run", full)
    settings = resolve_settings(
        {"TARGET": deployment.url, "USERS": "1,2", "REPETITIONS": "1", "RESULTS": str(tmp_path)}, None
    )
    assert runner.run_experiment(settings, Console(quiet=True)) == 1
    made = only_experiment(tmp_path).read()
    assert "the disk is full" in (made.get("status_detail") or "")
    assert {cell["status"] for cell in made["cells"]} == {"pending"}


@pytest.mark.parametrize(
    ("damage", "said"),
    [({"cells": []}, "it has no cells"), ({"config": {"targets": {}}}, "local is not among its targets")],
)
def test_a_damaged_experiment_is_not_resumed(tmp_path: Path, damage: dict[str, Any], said: str) -> None:
    directory = planned(tmp_path)
    text: Any = directory.read()
    text |= {key: value if key != "config" else text["config"] | value for key, value in damage.items()}
    directory.write(text)
    with pytest.raises(LoadTestError, match=said):
        runner.resume_experiment(directory.path, {}, Console(quiet=True))


def test_an_experiment_is_resumed_with_its_own_settings_only(tmp_path: Path) -> None:
    directory = planned(tmp_path, USERS="1,2")
    with pytest.raises(LoadTestError, match=r"USERS=3 is not what .* was started with"):
        runner.resume_experiment(directory.path, {"USERS": "3"}, Console(quiet=True))


def test_a_capacity_search_is_not_resumed(tmp_path: Path) -> None:
    directory = planned(tmp_path)
    directory.write({**directory.read(), "purpose": "capacity"})
    with pytest.raises(LoadTestError, match="start a new one"):
        runner.resume_experiment(directory.path, {}, Console(quiet=True))


@pytest.mark.servers
def test_a_full_disk_ends_the_experiment_before_a_cell_is_lost(
    tmp_path: Path,
    deployment: LocalDeployment,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("loadtests.experiment.runner._LEAST_FREE_BYTES", 10**18)
    settings = resolve_settings({"TARGET": deployment.url, "USERS": "1", "RESULTS": str(tmp_path)}, None)
    assert runner.run_experiment(settings, Console()) == 1
    assert "make room, and resume" in capsys.readouterr().out
    assert {cell["status"] for cell in only_experiment(tmp_path).read()["cells"]} == {"pending"}
