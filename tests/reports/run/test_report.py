import json
import math
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from benchmarks.synthetic_run import SyntheticRun, run_json, write_synthetic_run
from reports.records.columns import STEPS
from reports.records.run_directory import RunDirectory
from reports.records.schema import RunStatus, Transport
from reports.records.tables import StreamWriter
from reports.run.page import render
from reports.run.report import report_run, to_json
from tests.reports.operations import START, Row, connect, reset, session, step, table

KEYS = {
    "totals": {"sessions", "steps", "failures", "success_rate", "duration_s", "throughput_steps_per_s"},
    "distribution": {"replicas", "workers", "fairness"},
    "isolation": {
        "sessions_checked",
        "moved_sessions",
        "lost_steps",
        "duplicated_steps",
        "shared_sessions",
        "misdirected_replies",
        "disordered_steps",
        "unasked_replies",
        "violations",
    },
    "waits": {"checked", "longer_than_latency", "shorter_than_asked", "examples"},
    "slo": {"passed", "criteria"},
}


def run_of(path: Path, rows: list[Row], **changes: Any) -> RunDirectory:
    path.mkdir()
    directory = RunDirectory(path)
    run: Any = run_json("a-run", SyntheticRun(), 1_760_000_020.0) | changes
    run["config"]["users"] = len({row["user"] for row in rows})
    directory.write(run)
    pq.write_table(table(rows), directory.steps.parquet)
    return directory


@pytest.mark.parametrize("transport", ["ws", "http"])
def test_a_run_is_accounted_for_in_full(tmp_path: Path, transport: Transport) -> None:
    what = SyntheticRun(rows=6000, users=50, transport=transport, failure_share=0.01)
    directory = write_synthetic_run(tmp_path / "run", what)
    report = to_json(report_run(directory))
    rows = directory.read_steps().to_pandas()
    successes = rows[rows["error"].isna()]

    assert report["totals"]["steps"] == len(successes[successes["op"] == "step"])
    assert (
        report["totals"]["failures"]
        == len(rows) - len(successes)
        == sum(e["count"] for e in report["errors"])
    )
    workers = report["distribution"]["workers"]
    assert len(workers) == 4
    assert sum(worker["steps"] for worker in workers) == report["totals"]["steps"]
    assert sum(worker["share"] for worker in workers) == pytest.approx(1)
    assert report["isolation"]["violations"] == 0
    if transport == "ws":
        assert report["totals"]["sessions"] == successes["session_hash"].nunique()
        assert sum(worker["sessions"] for worker in workers) == report["totals"]["sessions"]
    latency = successes.loc[successes["op"] == "step", "latency_s"]
    assert report["latency"]["step"]["p99"] == pytest.approx(latency.quantile(0.99))
    assert report["slo"]["passed"]


def test_report_json_has_every_key_and_plain_values(tmp_path: Path) -> None:
    report = to_json(report_run(write_synthetic_run(tmp_path / "run", SyntheticRun(rows=500, users=10))))
    assert {"kind", "schema_version", "run_id", "config", "topology", "latency", "errors"} <= set(report)
    for section, keys in KEYS.items():
        assert keys <= set(report[section])
    assert set(report["latency"]) == {"connect", "reset", "step", "overhead", "total"}
    assert set(report["latency"]["step"]) == {"count", "mean", "p50", "p90", "p95", "p99", "p999", "max"}
    assert set(report["distribution"]["workers"][0]) >= {"host", "pid", "sessions", "steps", "share"}
    assert set(report["distribution"]["fairness"]["worker"]) == {"jain", "chi2_p", "max_over_min"}
    assert json.loads(json.dumps(report, allow_nan=False)) == report


def test_the_wait_sets_the_bound(tmp_path: Path) -> None:
    rows = [step(at / 10, wait_s=0.3, waited_s=0.3, latency_s=0.4) for at in range(20)]
    assert report_run(run_of(tmp_path / "run", rows)).slo.criteria[1].limit == pytest.approx(1.6)


def of_config(path: Path, rows: list[Row], config: dict[str, Any], **changes: Any) -> RunDirectory:
    directory = run_of(path, rows, **changes)
    made: Any = directory.read()
    made["config"] |= config
    directory.write(made)
    return directory


@pytest.mark.parametrize("late", [0, 60])
def test_arrivals_are_in_the_json_and_on_the_page_and_a_rate_that_was_not_reached_is_a_warning(
    tmp_path: Path, late: int
) -> None:
    by_s = 0.5 if late else 0.0
    rows = [step(0.1 * n + by_s, intended_at=START + 0.1 * n) for n in range(100)]
    told = {"due": 100, "begun": 100, "late": late, "longest_wait_s": by_s}
    config = {"arrivals": "constant:10", "arrivals_of": "steps"}
    report = report_run(of_config(tmp_path / "run", rows, config, arrivals=told))
    found, page = to_json(report), render(report)
    assert (found["arrivals"]["due"], found["arrivals"]["late"]) == (100, late)
    assert found["arrivals"]["longest_wait_s"] == pytest.approx(by_s)
    assert found["arrivals"]["reached"] == (late == 0)
    assert [each["code"] for each in found["validity"]["warnings"]].count("rate_not_reached") == bool(late)
    assert 'id="arrivals"' in page
    assert report.arrivals is not None
    assert ("(coordinated omission), and 500" in page) == bool(late)
    assert "steps/s that were due" in page


def test_rollouts_and_goodput_are_in_the_json_and_on_the_page(tmp_path: Path) -> None:
    rows = [
        row
        for user in (0, 1)
        for n, took in enumerate((0.2, 0.3, 9.0, 0.2))
        for row in (
            connect(20.0 * n, user=user),
            reset(20.0 * n + 0.1, user=user),
            step(20.0 * n + 0.2, user=user, latency_s=took * (1 + user)),
        )
    ]
    report = report_run(of_config(tmp_path / "run", rows, {"scenario": "rollouts", "group": 2}))
    found, page = to_json(report), " ".join(render(report).replace("\u00a0", " ").split())
    played, good = found["rollouts"], found["goodput"]
    assert (played["rollouts"], played["good"], played["failed"], played["size"]) == (6, 4, 0, 2)
    assert played["straggler_share"] == pytest.approx(9.5 / (2 * 19.6))
    assert (good["unit"], good["per_s"]) == ("episodes", played["goodput_per_s"])
    assert 'id="rollouts"' in page
    for words in (
        '<th scope="row">rollout</th>',
        '<th scope="row">group</th>',
        "of their group’s time waiting",
    ):
        assert words in page
    assert "2 of 6 rollouts missed the objective" in page


def test_a_killed_run_still_reports(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path)
    run = run_json("a-run", SyntheticRun(), 0.0)
    directory.write(run | {"status": "running", "ended_at": None})
    stream = StreamWriter(directory.steps.stream, STEPS)
    stream.append(table(session("s", [1, 2, 3])).combine_chunks().to_batches()[0])
    whole = directory.steps.stream.read_bytes()
    stream.append(table(session("t", [1, 2, 3], at=1)).combine_chunks().to_batches()[0])
    directory.steps.stream.write_bytes(directory.steps.stream.read_bytes()[: len(whole) + 700])

    report = report_run(directory)
    assert (report.totals.sessions, report.totals.steps) == (1, 3)
    assert report.notices[0].startswith("This run was cut short or is still going on")


@pytest.mark.parametrize(
    ("status", "notice"),
    [
        ("interrupted", "This run was interrupted: by Ctrl-C. What had been recorded until then is shown."),
        ("failed", "This run failed: by Ctrl-C. What had been recorded until then is shown."),
    ],
)
def test_a_run_that_did_not_complete_says_why(tmp_path: Path, status: RunStatus, notice: str) -> None:
    rows = [step(at / 10) for at in range(200)]
    directory = run_of(tmp_path / "run", rows, status=status, status_detail="by\x1b Ctrl-C")
    assert report_run(directory).notices == [notice]


def test_a_good_run_has_no_notices(tmp_path: Path) -> None:
    assert report_run(run_of(tmp_path / "run", [step(at / 10) for at in range(200)])).notices == []


def test_few_steps_and_a_short_window_are_told(tmp_path: Path) -> None:
    notices = report_run(run_of(tmp_path / "run", [step(0), step(0.2)])).notices
    assert notices[0].startswith("Only 2 steps succeeded")
    assert notices[1].startswith("All users were there together too briefly")


def test_users_that_never_started_are_told(tmp_path: Path) -> None:
    directory = run_of(tmp_path / "run", [step(at / 10) for at in range(200)])
    run = directory.read()
    run["config"]["users"] = 64
    run["incidents"] = ["replica-1 ended before the load did."]
    directory.write(run)
    notices = report_run(directory).notices
    assert notices[0].startswith("Only 1 of 64 users had started when the load ended")
    assert notices[1] == "replica-1 ended before the load did."


def test_users_that_were_not_answered_any_more_are_told(tmp_path: Path) -> None:
    rows = [step(at / 10, user=user) for at in range(200) for user in (1, 2) if user == 1 or at < 80]
    (notice,) = report_run(run_of(tmp_path / "run", rows)).notices
    assert notice.startswith("1 of 2 users completed nothing in the last fifth of the run")


def test_records_of_much_less_than_the_planned_time_are_told(tmp_path: Path) -> None:
    directory = run_of(tmp_path / "run", [step(at / 10) for at in range(200)])
    run = directory.read()
    run["config"]["duration_s"] = 60.0
    directory.write(run)
    (notice,) = report_run(directory).notices
    assert notice.startswith("Operations are recorded for only 20.0 s of the 60.0 s")


def test_faults_are_in_the_json_with_what_was_said_of_them_and_their_prices(tmp_path: Path) -> None:
    said: dict[str, Any] = {
        "name": "kill-worker",
        "asked": "kill-worker@10s",
        "target": "env-1 7",
        "at": START + 10,
        "ended_at": None,
        "outcome": "done",
        "detail": None,
    }
    late = said | {"at": START + 15, "outcome": "left out", "detail": "none is left"}
    rows = [*session("s", list(range(1, 100))), step(10.05, error="connection_lost")]
    rows += session("t", list(range(1, 60)), at=12.0)
    directory = run_of(tmp_path / "run", rows, faults=[late, said])
    first, second = to_json(report_run(directory))["faults"]
    assert first.items() >= said.items()
    assert second.items() >= late.items()
    assert (first["at_s"], first["sessions_lost"], first["errors_went_on"]) == (10.0, 1, False)
    assert first["failed"] == {"connect": 0, "reset": 0, "step": 1}
    assert first["errors_ended_s"] == pytest.approx(0.15)
    assert first["episodes_lost"] is None
    assert (second["sessions_lost"], second["failed"]) == (None, None)
    assert to_json(report_run(run_of(tmp_path / "well", rows)))["faults"] == []


def test_episodes_that_users_end_themselves_can_be_lost(tmp_path: Path) -> None:
    fault: Any = {"name": "kill-worker", "asked": "", "target": None, "at": START + 10, "ended_at": None}
    rows = [*session("s", list(range(1, 100))), step(10.05, error="connection_lost")]
    directory = run_of(tmp_path / "run", rows, faults=[fault | {"outcome": "done", "detail": None}])
    run = directory.read()
    run["config"]["steps_per_episode"] = 200
    directory.write(run)
    report = report_run(directory)
    assert report.faults is not None
    assert report.faults.faults[0].price is not None
    assert report.faults.faults[0].price.episodes_lost == 1


def test_a_run_of_one_row(tmp_path: Path) -> None:
    report = report_run(run_of(tmp_path / "run", [connect(0)]))
    assert (report.totals.operations, report.totals.steps) == (1, 0)
    assert not report.slo.passed


def test_a_run_without_rows(tmp_path: Path) -> None:
    report = report_run(run_of(tmp_path / "run", []))
    assert "No operation was recorded." in report.notices
    assert not report.slo.passed
    json.dumps(to_json(report), allow_nan=False)


def test_a_run_in_which_everything_fails(tmp_path: Path) -> None:
    rows = [connect(at / 10, user=at, error="refused", error_detail=f"port {at}") for at in range(50)]
    report = report_run(run_of(tmp_path / "run", rows))
    assert report.totals.success_rate == 0
    assert not report.slo.passed
    assert report.errors.groups[0].count == 50
    assert len(report.distribution.workers) == 0
    json.dumps(to_json(report), allow_nan=False)


def test_numbers_that_json_does_not_know_become_null(tmp_path: Path) -> None:
    directory = run_of(tmp_path / "run", [step(0)], machine={"load": math.nan})
    config = directory.read()["config"]
    config["duration_s"] = math.inf
    directory.write(directory.read() | {"config": config})
    report = to_json(report_run(directory))
    assert report["config"]["duration_s"] is None
    assert report["distribution"]["fairness"]["worker"]["jain"] is None


def test_validity_is_in_the_json(tmp_path: Path) -> None:
    report = to_json(report_run(run_of(tmp_path / "run", [step(0)], status="failed")))
    assert report["validity"]["valid"] is False
    first, *_ = report["validity"]["warnings"]
    assert first == {"code": "not_completed", "message": report["notices"][0]}


def test_a_batch_counts_users_that_never_began_as_failed(tmp_path: Path) -> None:
    rows = [row for user in range(150) for row in session(f"s{user}", [1], user=user)]
    directory = run_of(tmp_path / "run", rows)
    run = directory.read()
    run["config"] |= {"users": 200, "scenario": "batch", "duration_s": 600.0}
    directory.write(run)
    report = report_run(directory)
    assert report.totals.success_rate == 0.75
    assert report.slo.criteria[0].sentence.startswith("75 % of 200 sessions connected, reset and stepped")
    assert [warning.code for warning in report.validity.warnings] == ["users_missing"]
    assert report.validity.valid
