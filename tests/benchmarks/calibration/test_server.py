"""The reference server over real connections."""

import time
from pathlib import Path

import gevent
import psutil
import pyarrow.parquet as pq
import pytest

from benchmarks.calibration.reference import reference_server
from loadtests.clock import unix_time
from loadtests.deployments.url import UrlDeployment
from loadtests.errors import LoadTestError
from loadtests.protocol.access import OPEN
from loadtests.protocol.http import HttpClient
from loadtests.protocol.replies import parse_http
from loadtests.protocol.websocket import RESET, WebSocketSession, step_message
from reports.records.truth import TRUTH

pytestmark = pytest.mark.servers

CLOCKS_S = 0.001
"""How far Unix time may differ between two processes of a machine."""


def test_the_truth_lies_within_what_a_client_sees_of_each_step(tmp_path: Path) -> None:
    truth = tmp_path / "truth.parquet"
    seen = []
    with reference_server("uniform:0.001:0.01", seed=5, truth=truth) as url:
        deployment = UrlDeployment(url)
        deployment.up()
        assert deployment.versions() == {"environment": "reference 1"}
        for _ in range(2):
            session = WebSocketSession(url, OPEN, 10)
            first = session.request(RESET, 10)
            assert first.step_count == 0
            for _ in range(30):
                begin = time.perf_counter()
                answer = session.request(step_message({}), 10)
                seen.append((answer, begin, time.perf_counter() - begin))
                assert answer.session_hash == first.session_hash
            session.close()
    table = pq.read_table(truth)
    assert table.schema.equals(TRUTH)
    assert 0 < float(table.schema.metadata[b"cpu_cores"]) < 1
    woken = [float(table.schema.metadata[name]) for name in (b"woken_p50_s", b"woken_p99_s")]
    assert 0 < woken[0] <= woken[1]
    rows = table.to_pylist()
    assert [(each["session_hash"], each["step_count"]) for each in rows] == [
        (answer.session_hash, answer.step_count) for answer, _, _ in seen
    ]
    for each, (_, begin, latency_s) in zip(rows, seen, strict=True):
        assert 0.001 <= each["took_s"] <= latency_s
        assert 0 <= each["late_s"] <= each["took_s"] - 0.001
        assert unix_time(begin) - CLOCKS_S <= each["arrived_at"] <= unix_time(begin + latency_s) + CLOCKS_S


def test_over_http_a_connection_is_a_session(tmp_path: Path) -> None:
    truth = tmp_path / "truth.parquet"
    with reference_server("constant:0.01", seed=1, truth=truth) as url:
        seen = []
        for _ in range(2):
            client = HttpClient(url, OPEN, 10)
            for path in ("/reset", "/step", "/step"):
                begin = time.perf_counter()
                response = client.post(path, b'{"action": {}}', 10)
                latency_s = time.perf_counter() - begin
                answer = parse_http(response.status, response.content())
                if path == "/step":
                    seen.append((answer, latency_s))
            client.close()
    rows = pq.read_table(truth).to_pylist()
    assert [(each["session_hash"], each["step_count"]) for each in rows] == [
        (answer.session_hash, answer.step_count) for answer, _ in seen
    ]
    assert [each["step_count"] for each in rows] == [1, 2, 1, 2]
    assert all(0.01 <= each["took_s"] <= latency_s for each, (_, latency_s) in zip(rows, seen, strict=True))


def test_a_step_that_the_server_comes_to_read_late_has_taken_the_time_since_it_arrived(
    tmp_path: Path,
) -> None:
    truth, others = tmp_path / "truth.parquet", psutil.Process().children()
    with reference_server("constant:0.1", seed=1, truth=truth) as url:
        (server,) = (each for each in psutil.Process().children() if each not in others)
        session = WebSocketSession(url, OPEN, 10)
        session.request(RESET, 10)
        server.suspend()
        try:
            step = gevent.spawn(session.request, step_message({}), 10)
            gevent.sleep(0.5)
        finally:
            server.resume()
        step.get()
        session.close()
    (row,) = pq.read_table(truth).to_pylist()
    assert row["took_s"] > 0.4
    assert row["late_s"] > 0.3


def test_a_step_whose_client_has_gone_was_not_answered(tmp_path: Path) -> None:
    truth = tmp_path / "truth.parquet"
    with reference_server("constant:0.2", seed=1, truth=truth) as url:
        session = WebSocketSession(url, OPEN, 10)
        session.request(RESET, 10)
        with pytest.raises(Exception, match="timeout"):
            session.request(step_message({}), 0.05)
        session.close()
        time.sleep(0.4)
    assert pq.read_table(truth).num_rows == 0


def test_a_server_that_does_not_start_is_an_error(tmp_path: Path) -> None:
    with (
        pytest.raises(LoadTestError, match="did not start"),
        reference_server("pareto:1", seed=1, truth=tmp_path / "truth.parquet"),
    ):
        raise AssertionError("it started")
