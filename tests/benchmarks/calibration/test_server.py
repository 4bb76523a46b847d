"""The reference server over real connections."""

import asyncio
import socket
import time
from pathlib import Path

import gevent
import psutil
import pyarrow.parquet as pq
import pytest

from benchmarks.calibration.reference import reference_server
from benchmarks.calibration.reply_times import parse_reply_times
from benchmarks.calibration.server import Reference, Session
from benchmarks.calibration.witness import Lateness
from loadtests.clock import unix_time
from loadtests.deployments.url import UrlDeployment
from loadtests.errors import LoadTestError
from loadtests.protocol.access import OPEN
from loadtests.protocol.http import HttpClient
from loadtests.protocol.replies import parse_http
from loadtests.protocol.websocket import RESET, WebSocketSession, step_message
from reports.records.truth import TRUTH
from tests.benchmarks.calibration.stamps import connected, stamped

pytestmark = pytest.mark.servers

PATIENCE_S = 60.0
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
            session = WebSocketSession(url, OPEN, PATIENCE_S)
            first = session.request(RESET, PATIENCE_S)
            assert first.step_count == 0
            for _ in range(30):
                begin = time.perf_counter()
                answer = session.request(step_message({}), PATIENCE_S)
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
            client = HttpClient(url, OPEN, PATIENCE_S)
            for path in ("/reset", "/step", "/step"):
                begin = time.perf_counter()
                response = client.post(path, b'{"action": {}}', PATIENCE_S)
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
    with stamped(), reference_server("constant:0.1", seed=1, truth=truth) as url:
        (server,) = (each for each in psutil.Process().children() if each not in others)
        session = WebSocketSession(url, OPEN, PATIENCE_S)
        session.request(RESET, PATIENCE_S)
        server.suspend()
        try:
            step = gevent.spawn(session.request, step_message({}), PATIENCE_S)
            gevent.sleep(0)  # it is sent, and then waits for its reply
            gevent.sleep(0.5)
        finally:
            server.resume()
        step.get()
        session.close()
    (row,) = pq.read_table(truth).to_pylist()
    assert row["took_s"] > 0.4
    assert row["late_s"] > 0.3


class AdjustableLoop(asyncio.SelectorEventLoop):
    ahead_s = 0.0

    def time(self) -> float:
        return time.perf_counter() + self.ahead_s


@pytest.mark.parametrize("goes", [True, False])
def test_a_step_whose_client_has_gone_was_not_answered(goes: bool, tmp_path: Path) -> None:
    loop, reference = AdjustableLoop(), Reference(parse_reply_times("constant:1000"), seed=1)

    async def stepped() -> None:
        with connected() as (client, connection):
            client.setblocking(False)
            connection.setblocking(False)
            session = Session(reference, connection)
            client.sendall(b"POST /step HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}")
            if goes:
                client.shutdown(socket.SHUT_WR)
            else:
                loop.ahead_s = 2000
            # The end, as soon as the server has seen that of the client, or the reply.
            assert bool(await loop.sock_recv(client, 1)) is not goes
            loop.ahead_s = 2000
            await asyncio.sleep(0.01)
            assert session._steps == 1
            session.close()

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(stepped())
    reference.truth.write(tmp_path / "truth.parquet", Lateness())
    assert pq.read_table(tmp_path / "truth.parquet").num_rows == (0 if goes else 1)


def test_a_server_that_does_not_start_is_an_error(tmp_path: Path) -> None:
    with (
        pytest.raises(LoadTestError, match="did not start"),
        reference_server("pareto:1", seed=1, truth=tmp_path / "truth.parquet"),
    ):
        raise AssertionError("it started")
