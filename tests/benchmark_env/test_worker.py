import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from .conftest import Server, eventually, serving, step

pytestmark = pytest.mark.servers


def send_step(session: ClientConnection, wait_seconds: float) -> None:
    session.send(json.dumps({"type": "step", "data": {"wait_seconds": wait_seconds}}))


def close_code(session: ClientConnection) -> int | None:
    with pytest.raises(ConnectionClosed):
        session.recv(timeout=20)
    return session.close_code


def test_a_stopped_server_lets_steps_in_flight_finish(serve: Callable[..., Server]) -> None:
    server = serve()
    with server.connect() as busy, server.connect() as idle, ThreadPoolExecutor() as pool:
        step(busy)
        step(idle)
        send_step(busy, 1.5)
        stateless = pool.submit(
            httpx.post, f"{server.url}/step", json={"action": {"wait_seconds": 1.5}}, timeout=20
        )
        time.sleep(0.5)
        server.signal(signal.SIGTERM)

        assert close_code(idle) == 1012
        answer = json.loads(busy.recv(timeout=20))["data"]["observation"]
        assert answer["waited_seconds"] >= 1.4
        assert answer["metadata"]["step_count"] == 2
        assert close_code(busy) == 1012
        assert stateless.result().json()["observation"]["waited_seconds"] >= 1.4

    assert server.process.wait(10) == 0
    assert "Traceback" not in server.printed()


def test_a_heartbeat_goes_on_while_steps_in_flight_finish_but_a_quick_stop_does_not_wait(
    serve: Callable[..., Server],
) -> None:
    server = serve(WORKER_TIMEOUT=1)
    with server.connect() as busy:
        step(busy)
        send_step(busy, 3.5)
        time.sleep(0.3)
        server.signal(signal.SIGHUP)
        answer = json.loads(busy.recv(timeout=20))["data"]["observation"]

    assert answer["waited_seconds"] >= 3.4
    assert "WORKER TIMEOUT" not in server.printed()

    with server.connect() as busy:
        step(busy)
        send_step(busy, 60)
        time.sleep(0.3)
        server.signal(signal.SIGINT)
        assert close_code(busy) == 1012
        assert server.process.wait(6) == 0

    assert "Traceback" not in server.printed()


def test_a_reload_replaces_the_workers_and_keeps_steps_in_flight(server: Server) -> None:
    before = server.workers()
    with server.connect() as busy:
        step(busy)
        send_step(busy, 1.5)
        time.sleep(0.3)
        server.signal(signal.SIGHUP)
        assert json.loads(busy.recv(timeout=20))["data"]["observation"]["pid"] in before
        assert close_code(busy) == 1012

    assert eventually(lambda: len(server.workers()) == 2 and not server.workers() & before)
    with server.connect() as session:
        assert step(session)["pid"] in server.workers()


def test_a_killed_worker_is_replaced(server: Server) -> None:
    with server.connect() as session:
        killed = step(session)["pid"]
        os.kill(killed, signal.SIGKILL)
        with pytest.raises(ConnectionClosed):
            session.recv(timeout=10)

    assert eventually(lambda: len(server.workers() - {killed}) == 2)
    for _ in range(10):
        with server.connect() as session:
            assert step(session)["pid"] != killed


@pytest.fixture(scope="module")
def impatient_server() -> Iterator[Server]:
    """One that waits for nothing for long. The last test stops it."""
    with serving(SESSION_IDLE_TIMEOUT=0.5, MAX_CONCURRENT_ENVS=1, GRACEFUL_TIMEOUT=0.5) as server:
        yield server


def test_an_idle_session_is_closed_but_not_in_mid_step(impatient_server: Server) -> None:
    server = impatient_server
    with server.connect() as session:
        assert step(session, wait_seconds=1.5)["waited_seconds"] >= 1.4
        assert close_code(session) == 1001
        assert session.close_reason == "idle for 0.5 s"
    with server.connect() as session:
        assert step(session)["metadata"]["step_count"] == 1


def test_the_wait_for_steps_in_flight_is_bounded(impatient_server: Server) -> None:
    server = impatient_server
    with server.connect() as busy:
        step(busy)
        send_step(busy, 60)
        time.sleep(0.3)
        server.signal(signal.SIGTERM)
        assert close_code(busy) == 1012
        assert server.process.wait(10) == 0

    assert "Giving up on steps still in flight: 1" in server.printed()
    assert "Traceback" not in server.printed()


def test_clients_that_leave_in_mid_step_leave_no_traceback(server: Server) -> None:
    with suppress(OSError), server.connect() as session:
        step(session)
        send_step(session, 0.5)
        session.socket.close()
    time.sleep(1)
    with server.connect() as session:
        step(session)

    assert "Traceback" not in server.printed()
