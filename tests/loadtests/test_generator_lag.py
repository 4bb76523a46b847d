"""What is recorded of the generator's own slowness and of users' time, and what a report makes of it."""

from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from loadtests.deployments.local import LocalDeployment
from reports.records.run_directory import RunDirectory
from reports.run.report import RunReport, report_run
from reports.run.sections.littles_law import LittlesLaw
from reports.run.verdict import verdict_lines
from tests.loadtests.accounting import whose_lag_is_recorded
from tests.loadtests.locust_python import locust_python
from tests.loadtests.locust_runs import NO_REPORT, locust_arguments

pytestmark = pytest.mark.servers

COMPUTING = """
import time

def act(observation, reward, step, rng):
    until = time.monotonic() + 0.02
    while time.monotonic() < until:
        pass
    return {"wait_seconds": 0.1}
"""


def run_of(url: str, results: Path, *options: str) -> RunDirectory:
    load = ("-u", "16", "-r", "16", "-t", "5s", "--steps-per-episode", "0")
    arguments = locust_arguments(url, "--results", str(results), *load, *options)
    done = locust_python(*arguments, without=NO_REPORT)
    assert done.returncode == 0, done.stderr
    (path,) = (run.parent for run in results.glob("*/run.json"))
    directory = RunDirectory(path)
    directory.compact()
    return directory


def doubts(report: RunReport) -> set[str]:
    return {doubt.code for doubt in report.validity.doubts}


def test_users_time_is_accounted_for_unless_rows_are_missing(
    deployment: LocalDeployment, tmp_path: Path
) -> None:
    directory = run_of(deployment.url, tmp_path, "--wait", "0.1", "--think-time", "0.05")
    report = report_run(directory)
    assert isinstance(report.law, LittlesLaw)
    assert report.law.users == pytest.approx(16, abs=0.01)
    assert report.law.accounted > 0.95
    assert "littles_law" not in doubts(report)
    assert whose_lag_is_recorded(directory) == set(directory.read_steps()["generator"].to_pylist())

    rows = pq.read_table(directory.steps.parquet)
    begin, end = (second + rows["started_at"][0].as_py() for second in (2.0, 2.8))
    kept = pc.or_(pc.less(rows["started_at"], begin), pc.greater(rows["started_at"], end))
    pq.write_table(rows.filter(kept), directory.steps.parquet)
    report = report_run(directory)
    assert "littles_law" in doubts(report)
    assert any(line.startswith("  doubtful: Little's law does not hold") for line in verdict_lines(report))


def test_a_policy_that_computes_makes_the_generator_late_and_the_run_doubtful(
    deployment: LocalDeployment, tmp_path: Path
) -> None:
    policy = tmp_path / "computing.py"
    policy.write_text(COMPUTING)
    # On a machine that is busy itself, the server's share of the overhead may be the larger one.
    for turn in range(3):
        directory = run_of(deployment.url, tmp_path / f"results-{turn}", "--policy", str(policy))
        report = report_run(directory)
        if "generator_late" in doubts(report):
            break
    assert "generator_late" in doubts(report)
    assert any(line.startswith("  doubtful: The generator's own lag") for line in verdict_lines(report))


def test_of_several_processes_each_is_known_and_their_master_is_late_for_nobody(
    deployment: LocalDeployment, tmp_path: Path
) -> None:
    directory = run_of(deployment.url, tmp_path, "--wait", "0.1", "--processes", "2")
    generators = set(directory.read_steps()["generator"].to_pylist())
    assert len(generators) == 2
    assert whose_lag_is_recorded(directory) == generators
