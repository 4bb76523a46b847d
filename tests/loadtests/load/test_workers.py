import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from loadtests.deployments.local import LocalDeployment
from reports.records.run_directory import RunDirectory
from tests.conftest import ROOT

pytestmark = pytest.mark.servers


def test_a_worker_that_is_too_busy_for_heartbeats_is_not_dead(
    deployment: LocalDeployment, tmp_path: Path
) -> None:
    command = [
        *(sys.executable, "-m", "locust", "-f", "loadtests/locustfile.py", "-H", deployment.url),
        *("--headless", "-u", "4", "-r", "4", "-t", "12s", "--wait", "0.05", "--processes", "2"),
        *("--results", str(tmp_path)),
    ]
    locust = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 30
        while not any(stream.stat().st_size > 10_000 for stream in tmp_path.glob("*/steps.arrows")):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        worker = psutil.Process(locust.pid).children()[0].pid
        os.kill(worker, signal.SIGSTOP)
        time.sleep(6)
        os.kill(worker, signal.SIGCONT)
        _, log = locust.communicate(timeout=60)
    finally:
        locust.kill()
    assert locust.returncode == 0, log
    assert "missing" not in log
    (path,) = [path for path in tmp_path.iterdir() if path.is_dir()]
    directory = RunDirectory(path)
    assert directory.read()["status"] == "completed"
    steps = directory.read_steps().to_pandas()
    last = steps.groupby("generator", observed=True)["started_at"].max()
    assert len(last) == 2
    assert last.max() - last.min() < 1
    assert steps["user"].nunique() == 4
