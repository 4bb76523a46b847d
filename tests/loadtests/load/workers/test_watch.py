import os
import signal
import time
from pathlib import Path

import psutil
import pytest

from loadtests.deployments.local import LocalDeployment
from reports.records.run_directory import RunDirectory
from tests.loadtests.locust_python import LocustPython, locust_python
from tests.loadtests.locust_runs import locust_arguments

pytestmark = pytest.mark.servers

EARLY = """
from locust.env import Environment
from locust.runners import WorkerNode
from loadtests.deployments.ports import LOOPBACK, free_port
from loadtests.load.workers.generators import Generators
from loadtests.load.workers.watch import WorkerWatch
environment = Environment()
runner = environment.create_master_runner(LOOPBACK, free_port())
worker = runner.clients["early"] = WorkerNode("early")
WorkerWatch(runner, Generators(environment))
print(worker.heartbeat)
"""


def test_a_worker_that_is_too_busy_for_heartbeats_is_not_dead(
    deployment: LocalDeployment, tmp_path: Path
) -> None:
    options = ("-t", "18s", "--wait", "0.1", "--processes", "2", "--run-directory", str(tmp_path))
    locust = LocustPython(*locust_arguments(deployment.url, *options))
    try:
        deadline = time.monotonic() + 120
        while not any(stream.stat().st_size > 2000 for stream in tmp_path.glob("steps.arrows")):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        worker = psutil.Process(locust.pid).children()[0].pid
        os.kill(worker, signal.SIGSTOP)
        time.sleep(6)
        os.kill(worker, signal.SIGCONT)
        goes_on_at = time.time()
        done = locust.wait()
    finally:
        locust.kill()
    assert done.returncode == 0, done.stderr
    assert "missing" not in done.stderr
    steps = RunDirectory(tmp_path).read_steps().to_pandas()
    last = steps.groupby("generator", observed=True)["started_at"].max()
    assert len(last) == 2
    assert last.min() > goes_on_at
    assert steps["user"].nunique() == 4


def test_a_worker_that_was_there_before_the_watch_has_as_much_time() -> None:
    assert int(locust_python("-c", EARLY).stdout) > 30
