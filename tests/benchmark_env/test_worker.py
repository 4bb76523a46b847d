import asyncio
import json
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from http.client import HTTPConnection
from typing import Any

import pytest
from uvicorn import Config
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from benchmark_env.server.lifecycle import Lifecycle
from benchmark_env.server.worker import DrainingServer

from .conftest import PATIENCE, Server, eventually, serving, step

pytestmark = pytest.mark.servers


async def application(scope: Any, _receive: Any, _send: Any) -> None:
    """Is never asked."""
    raise AssertionError(scope)


def send_step(session: ClientConnection, wait_seconds: float) -> None:
    """Sends a step, and returns when the server has it."""
    session.send(json.dumps({"type": "step", "data": {"wait_seconds": wait_seconds}}))
    assert session.ping().wait(PATIENCE)


def close_code(session: ClientConnection) -> int | None:
    with pytest.raises(ConnectionClosed):
        session.recv(timeout=PATIENCE)
    return session.close_code


def test_a_stopped_server_lets_steps_in_flight_finish(serve: Callable[..., Server]) -> None:
    server = serve()
    http = HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    with server.connect() as busy, server.connect() as idle, closing(http) as stateless:
        send_step(busy, 1.5)
        action = json.dumps({"action": {"wait_seconds": 1.5}})
        stateless.request("POST", "/step", action, {"content-type": "application/json"})
        # The one worker takes what has come over all connections before it takes what comes now.
        for _ in range(5):
            step(idle)
        server.signal(signal.SIGTERM)

        assert close_code(idle) == 1012
        answer = json.loads(busy.recv(timeout=PATIENCE))["data"]["observation"]
        assert answer["waited_seconds"] >= 1.5
        assert answer["metadata"]["step_count"] == 1
        assert close_code(busy) == 1012
        assert json.loads(stateless.getresponse().read())["observation"]["waited_seconds"] >= 1.5

    assert server.process.wait(PATIENCE) == 0
    assert "Traceback" not in server.printed()


def test_a_heartbeat_goes_on_while_steps_in_flight_finish() -> None:
    lifecycle, beats = Lifecycle(), 0

    async def notify() -> None:
        nonlocal beats
        beats += lifecycle.draining
        if beats == 5:
            lifecycle.in_flight = 0

    async def serve_and_stop() -> None:
        config = Config(application, callback_notify=notify, log_config=None, lifespan="off")
        server = DrainingServer(config, lifecycle, graceful_timeout=PATIENCE)
        serving = asyncio.create_task(server.serve([socket.create_server(("127.0.0.1", 0))]))
        while not server.started:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        lifecycle.in_flight = 1
        server.should_exit = True
        await serving

    asyncio.run(serve_and_stop())
    assert beats >= 5


def test_a_quick_stop_does_not_wait_for_steps_in_flight(serve: Callable[..., Server]) -> None:
    server = serve(GRACEFUL_TIMEOUT=600)
    with server.connect() as busy:
        send_step(busy, 600)
        server.signal(signal.SIGINT)
        assert close_code(busy) == 1012
        assert server.process.wait(PATIENCE) == 0

    assert "Traceback" not in server.printed()


def test_a_reload_replaces_the_workers_and_keeps_steps_in_flight(server: Server) -> None:
    before = server.workers()
    with server.connect() as busy:
        send_step(busy, 1.5)
        server.signal(signal.SIGHUP)
        assert json.loads(busy.recv(timeout=PATIENCE))["data"]["observation"]["pid"] in before
        assert close_code(busy) == 1012

    assert eventually(lambda: server.takes_connections(workers=2, without=before))
    with server.connect() as session:
        assert step(session)["pid"] in server.workers()


def test_a_killed_worker_is_replaced(server: Server) -> None:
    with server.connect() as session:
        killed = step(session)["pid"]
        os.kill(killed, signal.SIGKILL)
        with pytest.raises(ConnectionClosed):
            session.recv(timeout=PATIENCE)

    assert eventually(lambda: server.takes_connections(workers=2, without={killed}))
    for _ in range(10):
        with server.connect() as session:
            assert step(session)["pid"] != killed


@pytest.fixture(scope="module")
def impatient_server() -> Iterator[Server]:
    """One that waits for nothing for long. The last test stops it."""
    with serving(SESSION_IDLE_TIMEOUT=1.5, MAX_CONCURRENT_ENVS=1, GRACEFUL_TIMEOUT=0.5) as server:
        yield server


def test_an_idle_session_is_closed_but_not_in_mid_step(impatient_server: Server) -> None:
    server = impatient_server
    with server.connect() as session:
        assert step(session, wait_seconds=2)["waited_seconds"] >= 2
        assert close_code(session) == 1001
        assert session.close_reason == "idle for 1.5 s"
    # Its place is free: this one is not refused.
    with server.connect() as session:
        assert close_code(session) == 1001


def test_the_wait_for_steps_in_flight_is_bounded(impatient_server: Server) -> None:
    server = impatient_server
    with server.connect() as busy:
        send_step(busy, 600)
        server.signal(signal.SIGTERM)
        assert close_code(busy) == 1012
        assert server.process.wait(PATIENCE) == 0

    assert "Giving up on steps still in flight: 1" in server.printed()
    assert "Traceback" not in server.printed()


def test_clients_that_leave_in_mid_step_leave_no_traceback(server: Server) -> None:
    with suppress(OSError), server.connect() as session:
        send_step(session, 0.5)
        session.socket.shutdown(socket.SHUT_RDWR)
    time.sleep(1)
    with server.connect() as session:
        step(session)

    assert "Traceback" not in server.printed()
