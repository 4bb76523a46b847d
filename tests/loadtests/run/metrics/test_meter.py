import os
from pathlib import Path

import pytest

from loadtests.run.live_statistics import LiveStatistics
from loadtests.run.metrics.meter import BOUNDS, Meter, Operation, Reading
from tests.loadtests.rows import batch
from tests.reports.sample_reports import run_json

FAILED = {"op": "reset", "error": "capacity", "latency_s": 9.0}


def read(*batches: list[dict[str, object]], folder: Path = Path("/nowhere")) -> Reading:
    meter, statistics = Meter(folder), LiveStatistics()
    meter.begin(run_json(2, 2))
    for rows in batches:
        records = [batch(*rows)]
        statistics.update(records)
        meter.update(records, statistics.snapshot())
    return meter.read()


def test_operations_are_counted_by_kind_transport_and_error() -> None:
    reading = read([{}, {}, FAILED], [{}, {"op": "connect"}, {"transport": "http"}])
    assert reading.operations == {
        Operation("step", "ws", ""): 3,
        Operation("reset", "ws", "capacity"): 1,
        Operation("connect", "ws", ""): 1,
        Operation("step", "http", ""): 1,
    }
    assert set(reading.latencies) == {("step", "ws"), ("connect", "ws"), ("step", "http")}


def test_latencies_fall_into_buckets_that_include_their_upper_bound() -> None:
    found = read([{"latency_s": each} for each in (0.0005, 0.001, 0.0011)], [{"latency_s": 61.0}]).latencies
    latency = found["step", "ws"]
    assert latency.counts.tolist() == [2, 1, *[0] * (len(BOUNDS) - 2), 1]
    assert (latency.count, latency.least, latency.most) == (4, 0.0005, 61.0)
    assert latency.sum == pytest.approx(61.0026)


def test_users_and_sessions_are_those_of_the_run_and_counts_of_all_runs() -> None:
    meter, statistics = Meter(Path("/nowhere")), LiveStatistics()
    records = [batch({"user": 0}, {"user": 1, "session_hash": "b", "pid": 2})]
    statistics.update(records)
    meter.update(records, statistics.snapshot())
    assert meter.read().users == 2
    assert meter.read().sessions == {("127.0.0.1:8001", 1): 1, ("127.0.0.1:8001", 2): 1}
    meter.begin({**run_json(1, 1), "run_id": "next"})
    reading = meter.read()
    assert (reading.users, dict(reading.sessions), reading.run["run_id"]) == (0, {}, "next")
    assert reading.operations == {Operation("step", "ws", ""): 2}


def test_a_server_that_names_a_new_host_in_each_reply_makes_no_endless_metrics() -> None:
    rows: list[dict[str, object]] = [{"host": f"h{n}\n", "session_hash": str(n)} for n in range(1500)]
    sessions = read(rows).sessions
    assert len(sessions) == 1000
    assert all("\n" not in host for host, _ in sessions)


def test_lags_are_of_processes_that_wrote_a_moment_ago(tmp_path: Path) -> None:
    (tmp_path / "here:1").write_text("0.25")
    (tmp_path / "here:2").write_text("0.5")
    os.utime(tmp_path / "here:2", (0, 0))
    (tmp_path / "here:3").write_text("")
    (tmp_path / ".here:4").write_text("1")
    assert read([{}], folder=tmp_path).lags == {"here:1": 0.25}
