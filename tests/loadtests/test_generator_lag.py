"""What is recorded of the generator's own slowness and of users' time, and what a report makes of it."""

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
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
    load = ("-u", "16", "-r", "16", "-t", "7s", "--steps-per-episode", "0")
    arguments = locust_arguments(url, "--results", str(results), *load, *options)
    done = locust_python(*arguments, without=NO_REPORT)
    assert done.returncode == 0, done.stderr
    (path,) = (run.parent for run in results.glob("*/run.json"))
    directory = RunDirectory(path)
    directory.compact()
    return directory


def doubts(report: RunReport) -> set[str]:
    return {doubt.code for doubt in report.validity.doubts}


def without(directory: RunDirectory, left_out: Callable[[pa.Table], pa.Array]) -> RunReport:
    """The report of a run where some of its rows are missing."""
    rows = pq.read_table(directory.steps.parquet)
    pq.write_table(rows.filter(pc.invert(left_out(rows))), directory.steps.parquet)
    return report_run(directory)


def test_users_time_is_accounted_for_unless_rows_are_missing(
    deployment: LocalDeployment, tmp_path: Path
) -> None:
    # Hardly a pause: what the machine takes from one is time for which nobody can account.
    directory = run_of(deployment.url, tmp_path, "--wait", "0.3", "--think-time", "0.01")
    report = report_run(directory)
    assert isinstance(report.law, LittlesLaw)
    assert 12 < report.law.users < 16.01
    assert report.law.accounted > 0.95
    assert "littles_law" not in doubts(report)
    assert whose_lag_is_recorded(directory) == set(directory.read_steps()["generator"].to_pylist())

    def middle_fifth(rows: pa.Table) -> pa.Array:
        return pa.array(2 / 5 < n / len(rows) < 3 / 5 for n in range(len(rows)))

    report = without(directory, middle_fifth)
    assert "littles_law" in doubts(report)
    assert any(line.startswith("  doubtful: Little's law does not hold") for line in verdict_lines(report))


def test_a_policy_that_computes_makes_the_generator_late_and_the_run_doubtful(
    deployment: LocalDeployment, tmp_path: Path
) -> None:
    policy = tmp_path / "computing.py"
    policy.write_text(COMPUTING)
    directory = run_of(deployment.url, tmp_path / "results", "--policy", str(policy))
    report = report_run(directory)
    assert report.lag is not None
    lag_s = report.lag.p50
    assert lag_s > 0.02

    def held_up_by_others(rows: pa.Table) -> pa.Array:
        overhead_s = pc.subtract(rows["latency_s"], rows["waited_s"])
        return pc.fill_null(pc.greater(overhead_s, 1.2 * lag_s), False)

    report = without(directory, held_up_by_others)
    assert "generator_late" in doubts(report)
    assert any(line.startswith("  doubtful: The generator's own lag") for line in verdict_lines(report))


def test_of_several_processes_each_is_known_and_their_master_is_late_for_nobody(
    deployment: LocalDeployment, tmp_path: Path
) -> None:
    directory = run_of(deployment.url, tmp_path, "--wait", "0.1", "--processes", "2")
    generators = set(directory.read_steps()["generator"].to_pylist())
    assert len(generators) == 2
    assert whose_lag_is_recorded(directory) == generators
