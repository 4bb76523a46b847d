import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import psutil
import pyarrow as pa
import pytest

from loadtests.deployments.local import LocalDeployment
from loadtests.errors import EXIT_WORKER_LOST
from loadtests.machine import process_name
from reports.records.columns import STEPS
from reports.records.run_directory import RunDirectory
from reports.records.tables import StreamReader
from reports.run.report import RunReport, report_run
from tests.conftest import free_port
from tests.loadtests.locust_python import LocustPython
from tests.loadtests.locust_runs import NO_REPORT

pytestmark = pytest.mark.servers

LOCUST = ("-f", "loadtests/locustfile.py")

MASTER = """
import runpy
from loadtests.load.workers import watch
watch._PATIENCE_SECONDS, watch._RECONNECT_SECONDS = 12, 1
runpy.run_module("locust", run_name="__main__", alter_sys=True)
"""
"""A master that does not wait long for workers that are silent."""

WORKERS = """
import runpy
from locust import events
from loadtests import clock
clock._OFFSET += {ahead_s}
say = lambda environment, **_: print("actions:", environment.parsed_options.actions)
events.quitting.add_listener(say)
runpy.run_module("locust", run_name="__main__", alter_sys=True)
"""
"""Workers whose wall clock is ahead, and which say at their end which actions they took."""


@contextmanager
def under_way(
    url: str, results: Path, *options: str, ahead_s: float = 0.0, workers: int = 2
) -> Iterator[tuple[LocustPython, LocustPython]]:
    """A master and the parent of its workers, which are none of its children, as on another machine."""
    port = str(free_port())
    master = LocustPython(
        *("-c", MASTER, *LOCUST, "--headless", "--master", "-H", url, "-u", "6", "-r", "6", "--wait", "0.05"),
        *("--expect-workers", "2", "--master-bind-host", "127.0.0.1", "--master-bind-port", port),
        *("--results", str(results), "--json-file", str(results / "locust"), *options),
        without=NO_REPORT,
    )
    away = LocustPython(
        *("-c", WORKERS.format(ahead_s=ahead_s), *LOCUST, "--worker", "--processes", str(workers)),
        *("--exit-code-on-error", "0", "--master-host", "127.0.0.1", "--master-port", port),
        source=1,
    )
    try:
        yield master, away
    finally:
        children = psutil.Process(away.pid).children() if psutil.pid_exists(away.pid) else []
        for child in children:
            child.kill()
        master.kill()
        away.kill()


def wait_for_steps(results: Path, pid: int, number: int) -> None:
    """Waits until so many steps of a worker are recorded."""
    deadline = time.monotonic() + 120
    while steps_of(results, pid) < number:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def steps_of(results: Path, pid: int) -> int:
    """How many steps of a worker are recorded by now."""
    batches = [batch for path in results.glob("*/steps.arrows") for batch in StreamReader(path).read()]
    rows: pd.DataFrame = pa.Table.from_batches(batches, schema=STEPS).to_pandas()
    return int(((rows["op"] == "step") & (rows["generator"] == process_name(pid))).sum())


def only_report(results: Path) -> RunReport:
    (path,) = (each.parent for each in results.glob("*/run.json"))
    return report_run(RunDirectory(path))


def codes(report: RunReport) -> list[str]:
    return [warning.code for warning in report.validity.warnings]


def test_workers_elsewhere_account_for_all_that_they_did(deployment: LocalDeployment, tmp_path: Path) -> None:
    actions = tmp_path / "actions.jsonl"
    actions.write_text('{"wait_seconds": 0.05}\n')
    with under_way(deployment.url, tmp_path, "-t", "8s", "--actions", str(actions), ahead_s=2.5) as (
        master,
        away,
    ):
        done, ended = master.wait(), away.wait()
    assert (done.returncode, ended.returncode) == (0, 0), done.stderr + ended.stderr
    report = only_report(tmp_path)
    run, counted = report.run, json.loads((tmp_path / "locust.json").read_text())
    (path,) = (each.parent for each in tmp_path.glob("*/run.json"))
    steps = RunDirectory(path).read_steps().to_pandas()
    assert steps["op"].value_counts().to_dict() == {row["name"]: row["num_requests"] for row in counted}
    assert steps["op"].value_counts().to_dict() == run["counted"]
    names = {each["name"] for each in run["generators"]}
    assert len(names) == 2
    assert names == set(steps["generator"])
    for each in run["generators"]:
        assert each["clock"]["offset_s"] == pytest.approx(2.5, abs=each["clock"]["round_trip_s"] / 2 + 0.01)
        assert each["clock"]["round_trip_s"] < 0.5
        assert each["clock_at_end"]["offset_s"] == pytest.approx(2.5, abs=0.1)
    assert codes(report).count("clocks_differ") == 2
    assert "counts_differ" not in codes(report)
    sampled = {part.name: part for part in report.resources.parts if part.role == "generator"}
    assert set(sampled) == names | {process_name(master.pid)}
    assert all((part.open_files_max or 0) > 4 for part in sampled.values())
    assert all(part.at_s.size >= 2 for part in sampled.values())
    took_s = (run["ended_at"] or 0.0) - run["started_at"]
    assert max(part.at_s[-1] for part in sampled.values()) < took_s + 0.5
    carried = [line for line in ended.stdout.splitlines() if line.startswith("actions: ")]
    assert len(carried) == 2
    assert not any(str(actions) in line for line in carried)


@pytest.mark.parametrize(
    "number", [signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM], ids=["killed", "silent", "ended"]
)
def test_a_generator_that_is_lost_is_named_with_what_was_lost(
    deployment: LocalDeployment, tmp_path: Path, number: signal.Signals
) -> None:
    with under_way(deployment.url, tmp_path, "-t", "16s") as (master, away):
        deadline = time.monotonic() + 60
        while not (children := psutil.Process(away.pid).children()):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        pid = children[0].pid
        wait_for_steps(tmp_path, pid, 100)
        lost_at = time.time()
        os.kill(pid, number)
        done = master.wait()
    assert done.returncode == EXIT_WORKER_LOST, done.stderr
    report = only_report(tmp_path)
    assert report.run["status"] == "failed"
    assert report.run["status_detail"] == f"lost 1 generator of 2, {process_name(pid)}"
    (entry,) = (each for each in report.run["generators"] if "lost" in each)
    lost = entry["lost"]
    assert entry["name"] == process_name(pid)
    # The load goes on for much longer.
    assert lost["heard_at"] == pytest.approx(lost_at, abs=6)
    assert lost["last_row_at"] == pytest.approx(lost_at, abs=6)
    assert lost["recorded"]["step"] >= 100
    if number == signal.SIGTERM:  # it said goodbye
        assert lost["counted"] == lost["recorded"]
    else:
        assert lost["users"] == 3
    assert codes(report)[0] == "not_completed"
    assert codes(report).count("generator_lost") == 1
    assert "counts_differ" not in codes(report)
    assert any(f"The generator {process_name(pid)} was lost: " in notice for notice in report.notices)
