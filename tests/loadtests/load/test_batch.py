import os
import signal
import time
from pathlib import Path

import pandas as pd
import psutil
import pytest

from loadtests.deployments.local import LocalDeployment
from loadtests.errors import EXIT_WORKER_LOST
from reports.records.run_directory import RunDirectory
from tests.loadtests.locust_python import LocustPython, locust_python
from tests.loadtests.locust_runs import (
    LOCUST,
    NO_REPORT,
    foreign_environment,
    locust_arguments,
    steps_of_a_run,
)

pytestmark = pytest.mark.servers

BATCH = ("--scenario", "batch", "-t", "10m")
"""Runs for ten minutes unless it ends by itself."""


@pytest.fixture(scope="module")
def batch_of_50(deployment: LocalDeployment, tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """Spawning its users takes two seconds."""
    results = tmp_path_factory.mktemp("batch")
    options = (*BATCH, "--wait", "0.2", "-u", "50", "-r", "25", "--results", str(results))
    locust_python(*locust_arguments(deployment.url, *options), without=NO_REPORT)
    (path,) = [path for path in results.iterdir() if path.is_dir()]
    return RunDirectory(path)


def assert_all_do_everything_once(steps: pd.DataFrame, users: int, operations: list[str]) -> None:
    assert steps["user"].nunique() == users
    assert (steps.groupby("user")["op"].agg(list).map(lambda ops: ops == operations)).all()
    assert steps["error"].isna().all()


def test_every_user_does_everything_once_and_the_test_ends(batch_of_50: RunDirectory) -> None:
    steps = batch_of_50.read_steps().to_pandas()
    assert_all_do_everything_once(steps, 50, ["connect", "reset", "step"])
    assert steps["generator"].nunique() == 1
    run = batch_of_50.read()
    assert (run["status"], run["config"]["scenario"]) == ("completed", "batch")


def test_all_begin_before_the_first_is_connected(batch_of_50: RunDirectory) -> None:
    steps = batch_of_50.read_steps().to_pandas()
    connects = steps[steps["op"] == "connect"]
    assert len(connects) == 50
    assert connects["started_at"].max() < (connects["started_at"] + connects["latency_s"]).min()


@pytest.mark.parametrize(
    ("options", "users", "operations", "processes"),
    [
        (["--transport", "http"], 20, ["reset", "step"], 1),
        (["--processes", "2"], 20, ["connect", "reset", "step"], 2),
        (["--processes", "3"], 2, ["connect", "reset", "step"], 2),
    ],
    ids=["http", "two processes", "a process without users"],
)
def test_so_it_does_over_http_and_in_several_processes(
    deployment: LocalDeployment,
    tmp_path: Path,
    options: list[str],
    users: int,
    operations: list[str],
    processes: int,
) -> None:
    steps = steps_of_a_run(deployment.url, tmp_path, *BATCH, "--wait", "0.2", "-u", str(users), *options)
    assert_all_do_everything_once(steps, users, operations)
    assert steps["generator"].nunique() == processes


def test_without_a_spawn_rate_all_are_started_at_once(deployment: LocalDeployment, tmp_path: Path) -> None:
    locust_python(
        *(*LOCUST, "-H", deployment.url, "-u", "100", "-t", "10m", "--wait", "0"),
        *("--run-directory", str(tmp_path)),
        environ={**os.environ, "LOADTEST_SCENARIO": "batch"},
    )
    assert RunDirectory(tmp_path).read_steps().to_pandas()["user"].nunique() == 100


def test_nothing_is_tried_again(tmp_path: Path) -> None:
    steps = steps_of_a_run("http://127.0.0.1:9", tmp_path, *BATCH, "--actions", "wait")
    assert steps["op"].tolist() == ["connect"] * 4
    assert set(steps["error"]) == {"refused"}


def test_one_that_hangs_times_out_and_holds_up_nobody(tmp_path: Path) -> None:
    with foreign_environment(episode=10, answers=5) as (url, messages):
        steps = steps_of_a_run(url, tmp_path, *BATCH, "--action", "{}", "--step-timeout", "10")
    hung = steps[steps["error"] == "timeout"]
    answered = steps[steps["error"].isna() & (steps["op"] != "connect")]
    assert len(answered) == 5
    assert 1 <= len(hung) <= 4
    assert steps["user"].nunique() == 4
    assert len(messages) == len(answered) + len(hung)


def test_a_lost_process_does_not_keep_the_test_from_ending(
    deployment: LocalDeployment, tmp_path: Path
) -> None:
    options = (*BATCH, "--wait", "12", "--processes", "2", "--run-directory", str(tmp_path))
    process = LocustPython(*locust_arguments(deployment.url, *options))
    try:
        deadline = time.monotonic() + 120
        while not any(stream.stat().st_size > 2000 for stream in tmp_path.glob("steps.arrows")):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        os.kill(psutil.Process(process.pid).children()[0].pid, signal.SIGKILL)
        assert process.wait().returncode == EXIT_WORKER_LOST
    finally:
        process.kill()
    steps = RunDirectory(tmp_path).read_steps().to_pandas()
    assert steps["op"].value_counts()["step"] == 2
    assert steps["error"].isna().all()
