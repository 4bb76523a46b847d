import subprocess
import sys
from pathlib import Path

import pytest

from loadtests.load.spread import NOBODY
from loadtests.run.live_statistics import LiveStatistics
from reports.records.columns import STEPS
from reports.records.tables import StreamWriter
from tests.conftest import ROOT
from tests.loadtests.rows import batch

FOLD = """
import sys
from pathlib import Path
from loadtests.run.live_statistics import LiveStatistics
from reports.records.tables import StreamReader
before = set(sys.modules)
statistics = LiveStatistics()
statistics.update(StreamReader(Path(sys.argv[1])).read())
assert statistics.snapshot().steps == 1
print("pandas" in before, sorted(name for name in set(sys.modules) - before if name.startswith("pandas")))
"""


def test_it_folds_batches_as_they_come() -> None:
    statistics = LiveStatistics()
    statistics.update([batch({"user": 0, "session_hash": "a"}, {"user": 1, "session_hash": "b", "pid": 2})])
    statistics.update([batch({"user": 0, "session_hash": "a", "started_at": 1001.0, "latency_s": 0.3})])
    snapshot = statistics.snapshot()
    assert (snapshot.users, snapshot.steps, snapshot.failures) == (2, 3, 0)
    assert snapshot.sessions == {("127.0.0.1:8001", 1): 1, ("127.0.0.1:8001", 2): 1}
    assert snapshot.p50 == pytest.approx(0.1)


def test_throughput_and_percentiles_are_of_the_last_seconds() -> None:
    statistics = LiveStatistics()
    statistics.update([batch(*({"started_at": 1000.0 + n / 10, "latency_s": 9.0} for n in range(10)))])
    statistics.update([batch(*({"started_at": 1020.0 + n / 10, "latency_s": 0.1} for n in range(100)))])
    snapshot = statistics.snapshot()
    assert snapshot.steps_per_s == pytest.approx(10)
    assert snapshot.p99 == pytest.approx(0.1)


def test_latency_counts_from_when_a_step_was_due() -> None:
    statistics = LiveStatistics()
    statistics.update([batch({"started_at": 1002.0, "intended_at": 1000.5, "latency_s": 0.5})])
    assert statistics.snapshot().p50 == pytest.approx(2.0)


def test_failures_are_counted_with_the_last_ones_words() -> None:
    statistics = LiveStatistics()
    statistics.update([batch({"op": "connect", "error": "refused", "error_detail": "no", "host": None})])
    snapshot = statistics.snapshot()
    assert (snapshot.failures, snapshot.steps, snapshot.p50) == (1, 0, None)
    assert snapshot.last_error == "connect refused: no"


def test_over_http_each_worker_has_the_users_it_answered() -> None:
    statistics = LiveStatistics()
    rows = [{"transport": "http", "user": user, "pid": pid} for user in range(3) for pid in (1, 2)]
    statistics.update([batch(*rows)])
    assert statistics.snapshot().sessions == {("127.0.0.1:8001", 1): 3, ("127.0.0.1:8001", 2): 3}


def test_nothing_recorded_is_a_snapshot_too() -> None:
    assert LiveStatistics().snapshot().steps_per_s == 0


def test_a_host_without_a_process_has_its_users_latest_sessions() -> None:
    statistics = LiveStatistics()
    nameless = {"session_hash": None, "pid": None}
    rows = [{**nameless, "user": user, "host": "ab"[user % 2]} for user in range(4)]
    statistics.update([batch(*rows), batch({**nameless, "user": 0, "host": "b"})])
    assert statistics.snapshot().sessions == {("a", None): 1, ("b", None): 3}


@pytest.mark.parametrize("transport", ["ws", "http"])
def test_sessions_whose_replies_name_no_host_are_counted_too(transport: str) -> None:
    statistics = LiveStatistics()
    unknown = {"session_hash": None, "pid": None, "host": None, "transport": transport}
    refused = {**unknown, "user": 9, "op": "reset", "error": "capacity"}
    statistics.update([batch(*({**unknown, "user": user} for user in (0, 0, 1)), refused)])
    assert statistics.snapshot().sessions == {NOBODY: 2}


def test_a_session_whose_host_is_named_late_is_its() -> None:
    statistics = LiveStatistics()
    statistics.update([batch({"session_hash": "s", "pid": None, "host": None}, {"session_hash": "s"})])
    assert statistics.snapshot().sessions == {("127.0.0.1:8001", 1): 1}


def test_the_first_rows_import_nothing_where_pyarrow_would_lose_a_ctrl_c(tmp_path: Path) -> None:
    writer = StreamWriter(tmp_path / "steps.arrows", STEPS)
    writer.append(batch({}))
    writer.close()
    command = [sys.executable, "-c", FOLD, str(tmp_path / "steps.arrows")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=200)
    assert done.stdout == "True []\n"
