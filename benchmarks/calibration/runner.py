"""Runs a calibration: every load in turn, each a load test of a reference server of its own."""

import contextlib
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from benchmarks.calibration.plan import settings_of
from benchmarks.calibration.reference import reference_server
from benchmarks.calibration.view import CalibrationView
from loadtests.clock import now
from loadtests.errors import LoadTestError
from loadtests.machine import machine, versions
from loadtests.run.config import LoadTestConfig, load_test_config
from loadtests.run.finish import finish_run, list_in_index, print_outcome, reported
from loadtests.run.live_view import LiveView
from loadtests.run.load_test import (
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    EXIT_PASSED,
    Outcome,
    check_writable,
    deployed,
    new_run,
    record_run,
    settled_for,
)
from loadtests.scratch import scratch_folder
from loadtests.terminal import end_on_termination, progress
from reports.calibration.range import out_of_range
from reports.records.calibration_directory import CalibrationDirectory
from reports.records.run_directory import RunDirectory, RunDirectoryError
from reports.records.schema import SCHEMA_VERSION, CalibrationCell, CalibrationJson
from reports.records.truth import truth_of
from reports.write import write_calibration_report


def calibrate(
    cells: Sequence[CalibrationCell], duration_s: int, results: Path, console: Console
) -> tuple[int, CalibrationDirectory]:
    """Runs the cells in order and reports them.

    Loads beyond the first of a kind at which the run itself warned are left out. Returns the directory, and 0
    where the harness kept its bounds, 1 where it did not or nothing shows it, 130 after Ctrl-C. Raises
    LoadTestError or RunDirectoryError for what a person can fix.
    """
    check_writable(results)
    end_on_termination()
    directory = CalibrationDirectory.create(results, "calibration")
    calibration = CalibrationJson(
        kind="calibration",
        schema_version=SCHEMA_VERSION,
        calibration_id=directory.path.name,
        status="running",
        started_at=now(),
        ended_at=None,
        duration_s=duration_s,
        machine=machine(),
        versions=versions(),
        cells=list(cells),
    )
    view = CalibrationView(calibration["cells"], duration_s, console)
    view.start(directory.path)
    try:
        for cell in calibration["cells"]:
            if cell["status"] == "pending":
                directory.write(calibration)
                _run_cell(cell, calibration, directory, console, view)
        calibration["status"] = "completed"
    except KeyboardInterrupt:
        calibration["status"], calibration["status_detail"] = "interrupted", "stopped by Ctrl-C"
    calibration["ended_at"] = now()
    directory.write(calibration)
    report = reported(lambda: write_calibration_report(directory), directory, console)
    if report is None:
        return EXIT_INTERRUPTED, directory
    from reports.calibration.verdict import verdict_lines  # it loads pandas

    style = {"within": "bold green", "beyond": "bold red"}.get(report.verdict, "bold")
    print_outcome(verdict_lines(report), directory, console, style)
    list_in_index(results, console)
    if calibration["status"] == "interrupted":
        return EXIT_INTERRUPTED, directory
    return EXIT_PASSED if report.verdict == "within" else EXIT_FAILED, directory


def _run_cell(
    cell: CalibrationCell,
    calibration: CalibrationJson,
    directory: CalibrationDirectory,
    console: Console,
    view: CalibrationView,
) -> None:
    """Runs one cell and records its outcome; leaves larger ones out where it was too large itself."""
    start = time.monotonic()
    try:
        cell["status"] = "running"
        run, outcome = _load(cell, calibration["duration_s"], directory, console, view)
        report = finish_run(run, *outcome)
    except KeyboardInterrupt:
        cell["status"], cell["run_id"] = "pending", None
        raise
    except (LoadTestError, RunDirectoryError) as error:
        cell["status"], cell["reason"] = "failed", str(error)
        view.finished(cell, None, time.monotonic() - start)
        return
    cell["run_id"], cell["status"] = run.path.name, "completed"
    if outcome[1]:
        cell["status"], cell["reason"] = "failed", outcome[1]
    if why := out_of_range(report.validity.warnings):
        _leave_out_larger(cell, calibration["cells"], why[0])
    view.finished(cell, report, time.monotonic() - start)


def _load(
    cell: CalibrationCell,
    duration_s: float,
    directory: CalibrationDirectory,
    console: Console,
    view: CalibrationView,
) -> tuple[RunDirectory, Outcome]:
    """Loads a reference server as `make loadtest TARGET=URL` does; the truth lies in the run's directory."""
    with scratch_folder() as scratch:
        truth = Path(scratch) / "truth.parquet"
        with reference_server(cell["reply_times"], seed=1, truth=truth) as url:
            config = load_test_config(settings_of(cell, url, round(duration_s), str(directory.runs)))
            run, outcome = _recorded(config, console, view, cell)
            if outcome[0] == "interrupted":
                raise KeyboardInterrupt
        truth_of(run.path).write_bytes(truth.read_bytes())
    return run, outcome


def _recorded(
    config: LoadTestConfig, console: Console, view: CalibrationView, cell: CalibrationCell
) -> tuple[RunDirectory, Outcome]:
    say = progress(console) if console.is_terminal else lambda _: None
    with contextlib.ExitStack() as stack:
        deployment = stack.enter_context(deployed(config.target, config.deployment, lambda _: None))
        config = settled_for(config, deployment, lambda _: None)
        run = new_run(config, deployment, config.results)
        heading = view.heading(cell)
        live = stack.enter_context(
            LiveView(console, config, deployment.topology(), heading=heading, lines=False)
        )
        return run, record_run(config, deployment, run, live.show, say)


def _leave_out_larger(cell: CalibrationCell, cells: Sequence[CalibrationCell], why: str) -> None:
    for other in cells:
        same = (other["name"], other["reply_times"]) == (cell["name"], cell["reply_times"])
        if same and other["status"] == "pending" and other["users"] > cell["users"]:
            other["status"] = "failed"
            other["reason"] = f"left out, since {cell['users']:,} users were too many: {why}"
