import json
import os
from pathlib import Path

import psutil
import pytest

from benchmarks.kills.kinds import KINDS
from benchmarks.kills.outcome import Kill, Outcome
from benchmarks.kills.records import count_rows, judge, missing_steps
from reports.records.columns import STEPS
from reports.records.run_directory import RunDirectory
from reports.records.schema import RunStatus
from reports.records.tables import StreamWriter
from tests.loadtests.rows import batch
from tests.reports.index.sample_results import SampleRun, run_json

BY_NAME = {kind.name: kind for kind in KINDS}
LOG = """
Type     Name                                                # reqs      # fails |    Avg     Min
--------|--------------------------------------------------|-------|-------------|-------|-------
WS       connect                                                  1     0(0.00%) |     49      15
WS       step                                                 {steps:5}     0(0.00%) |     55      50
         Aggregated                                            1485     0(0.00%) |     53       0

Type     Name                                                   50%    66%    75%   100% # reqs
WS       step                                                    53     54     55    160   1437
"""
TEN_A_SECOND = [{"started_at": 1000 + n / 10, "latency_s": 0.1, "step_count": n + 1} for n in range(50)]


@pytest.fixture
def directory(tmp_path: Path) -> RunDirectory:
    """A run of one session that stepped ten times a second until 1005."""
    writer = StreamWriter(tmp_path / "steps.arrows", STEPS)
    writer.append(batch({"op": "connect", "started_at": 999.9, "step_count": None}, *TEN_A_SECOND))
    return RunDirectory(tmp_path)


def outcome_of(name: str) -> Outcome:
    return Outcome(Kill(1, BY_NAME[name], 0.5, 0, then_run=False), reads=True)


def test_steps_between_those_that_have_a_row_are_missing() -> None:
    assert missing_steps(["a", "b", "a", None, "a"], [1, 1, 2, None, 3]) == 0
    assert missing_steps(["a", "b", "a"], [1, 2, 4]) == 3


@pytest.mark.parametrize(("steps", "lost"), [(50, 0), (53, 3)])
def test_rows_that_locust_counted_and_nobody_recorded_are_lost(
    directory: RunDirectory, steps: int, lost: int
) -> None:
    (directory.path / "locust.log").write_text(2 * LOG.format(steps=steps))  # it was told to end twice
    outcome = outcome_of("nginx's master")
    count_rows(outcome, directory, 1003.0, None)
    assert (outcome.rows_lost, outcome.seconds_lost, outcome.untrue) == (lost, 0.0, [])


def test_what_a_killed_generator_took_with_it_is_told_in_seconds_and_by_its_rate(
    directory: RunDirectory,
) -> None:
    outcome = outcome_of("Locust")
    count_rows(outcome, directory, 1005.8, psutil.Process(os.getpid()))
    assert outcome.seconds_lost == pytest.approx(0.8)
    assert outcome.rows_lost == 8


def test_steps_without_a_row_between_others_are_lost_whoever_was_killed(tmp_path: Path) -> None:
    writer = StreamWriter(tmp_path / "steps.arrows", STEPS)
    writer.append(batch(*TEN_A_SECOND[:20], *TEN_A_SECOND[23:]))
    directory = RunDirectory(tmp_path)
    (tmp_path / "locust.log").write_text(LOG.format(steps=46))
    for name, killed_at in (("nginx's master", 1003.0), ("Locust", 1005.0)):
        outcome = outcome_of(name)
        count_rows(outcome, directory, killed_at, psutil.Process(os.getpid()))
        assert outcome.rows_lost == 3, name


def test_of_a_worker_only_its_own_rows_tell_when_it_ended(tmp_path: Path) -> None:
    own, others = f"here:{os.getpid()}", "here:1"
    rows = [row | {"generator": others if row["started_at"] >= 1003 else own} for row in TEN_A_SECOND]
    writer = StreamWriter(tmp_path / "steps.arrows", STEPS)
    writer.append(batch(*rows))
    outcome = outcome_of("Locust's worker")
    count_rows(outcome, RunDirectory(tmp_path), 1004.0, psutil.Process(os.getpid()))
    assert outcome.seconds_lost == pytest.approx(1.0)


def test_a_locust_that_lives_and_tells_nothing_is_untrue(directory: RunDirectory) -> None:
    (directory.path / "locust.log").write_text("")
    for name, untrue in (("nginx's master", 1), ("harness, at the start", 0)):
        outcome = outcome_of(name)
        count_rows(outcome, directory, 1003.0, None)
        assert len(outcome.untrue) == untrue


def test_damaged_records_are_untrue(directory: RunDirectory) -> None:
    outcome = outcome_of("Locust")
    judge(outcome, directory, 1, "FAILED", connections=0)
    assert outcome.untrue[0].startswith("the records are damaged: ")


def judged(
    directory: RunDirectory,
    name: str,
    status: RunStatus,
    *,
    passed: bool,
    failures: int = 0,
    code: int = 1,
    said: str = "FAILED",
) -> Outcome:
    run = run_json(SampleRun("a", 1000.0))
    run["status"] = status
    directory.write(run)
    directory.report_json.write_text(json.dumps({"passed": passed, "totals": {"failures": failures}}))
    outcome = outcome_of(name)
    judge(outcome, directory, code, said, connections=3)
    return outcome


def test_a_run_that_was_cut_and_has_passed_is_untrue(directory: RunDirectory) -> None:
    assert judged(directory, "Locust", "failed", passed=True).untrue
    assert not judged(directory, "Locust", "failed", passed=False).untrue
    assert judged(directory, "harness, under load", "running", passed=True).untrue
    assert not judged(directory, "harness, under load", "running", passed=False).untrue


def test_what_is_said_of_a_run_that_was_cut_is_untrue_too(directory: RunDirectory) -> None:
    assert judged(directory, "Locust", "failed", passed=False, code=0).untrue
    assert judged(directory, "Locust", "failed", passed=False, said="PASSED").untrue
    assert judged(directory, "harness, under load", "running", passed=False, said="PASSED").untrue


def test_a_run_whose_harness_was_killed_when_it_was_complete_may_have_passed(directory: RunDirectory) -> None:
    assert not judged(directory, "harness, at its report", "completed", passed=True).untrue


def test_connections_that_broke_have_to_be_recorded_although_the_worker_was_replaced(
    directory: RunDirectory,
) -> None:
    assert judged(directory, "gunicorn's worker", "completed", passed=True).untrue
    assert not judged(directory, "gunicorn's worker", "completed", passed=True, failures=3).untrue
