import asyncio
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from websockets.sync.server import ServerConnection, serve

from benchmark_env.sessions import Answer, Outcome, Plan, Session, Transport, run_sessions
from tests.certificates import make_certificate

from .conftest import Server

PLAN = Plan("http://127.0.0.1:8000", sessions=3, steps=1, wait_s=0.0)


def answered(number: int, *pids: int, error: str | None = None) -> Session:
    answers = [Answer("step", "host", pid, f"{number:016x}", 0.1, 0.0) for pid in pids]
    return Session(number, 0.01, answers, error)


def test_shares_are_of_sessions_over_websocket() -> None:
    outcome = Outcome(PLAN, (answered(1, 7), answered(2, 8, 8), answered(3, 8)), 1.0)

    assert [(each.host, each.pid, each.sessions, each.steps) for each in outcome.shares()] == [
        ("host", 8, 2, 3),
        ("host", 7, 1, 1),
    ]
    assert [each.share for each in outcome.shares()] == pytest.approx([2 / 3, 1 / 3])


def test_shares_are_of_steps_over_http() -> None:
    plan = Plan(PLAN.url, 2, 2, 0.0, "http")
    outcome = Outcome(plan, (answered(1, 7, 8), answered(2, 8, 8)), 1.0)

    assert [(each.pid, each.share) for each in outcome.shares()] == [(8, 0.75), (7, 0.25)]


@pytest.mark.parametrize(
    ("sessions", "index"),
    [
        ((answered(1, 7), answered(2, 8)), 1.0),
        ((answered(1, 7), answered(2, 8), answered(3, 8), answered(4, 8)), 0.8),
        ((answered(1, 7),), 1.0),
        ((), None),
    ],
)
def test_jains_index_is_of_the_workers_that_answered(
    sessions: tuple[Session, ...], index: float | None
) -> None:
    assert Outcome(PLAN, sessions, 1.0).jain() == (None if index is None else pytest.approx(index))


def test_headers_are_not_shown() -> None:
    assert "secret" not in repr(Plan("http://a", 1, 1, 0.0, headers={"Authorization": "Bearer secret"}))


@pytest.mark.servers
def test_sessions_over_websocket_are_answered_by_one_worker_each(server: Server) -> None:
    outcome = asyncio.run(run_sessions(Plan(server.url, sessions=12, steps=2, wait_s=0.02)))

    assert not outcome.failed
    assert len(outcome.sessions) == 12
    for session in outcome.sessions:
        assert len(session.workers) == len(session.session_hashes) == 1
        assert [answer.op for answer in session.answers] == ["reset", "step", "step"]
        assert all(step.latency_s >= step.waited_s >= 0.02 for step in session.steps)
    assert len({session.session_hashes for session in outcome.sessions}) == 12
    assert {each.pid for each in outcome.shares()} <= server.workers()
    assert outcome.duration_s > 0.04


@pytest.mark.servers
@pytest.mark.parametrize("scheme", ["http", "ws"])
def test_requests_over_http_stand_by_themselves(server: Server, scheme: str) -> None:
    url = server.url.replace("http", scheme) + "/"
    outcome = asyncio.run(run_sessions(Plan(url, sessions=4, steps=2, wait_s=0.0, transport="http")))

    assert not outcome.failed
    assert all(session.connect_s is None for session in outcome.sessions)
    assert sum(each.steps for each in outcome.shares()) == 8


@pytest.mark.servers
def test_sessions_past_the_cap_fail_and_the_others_go_on(strict_server: Server) -> None:
    outcome = asyncio.run(run_sessions(Plan(strict_server.url, sessions=5, steps=1, wait_s=0.2)))

    assert len(outcome.failed) == 3
    assert {"CAPACITY_REACHED" in (session.error or "") for session in outcome.failed} == {True}
    assert sum(len(session.steps) for session in outcome.sessions) == 2


@pytest.mark.parametrize(
    ("transport", "message"),
    [
        ("ws", "Failed to connect to ws://127.0.0.1:1/ws"),
        ("http", "Failed to reach http://127.0.0.1:1/reset: All connection attempts failed"),
    ],
)
def test_without_a_server_every_session_says_so(transport: Transport, message: str) -> None:
    plan = Plan("http://127.0.0.1:1", sessions=2, steps=1, wait_s=0.0, transport=transport)
    outcome = asyncio.run(run_sessions(plan))

    assert [(session.error or "").startswith(message) for session in outcome.sessions] == [True, True]
    assert outcome.jain() is None


OBSERVATION = {"host_url": "http://a", "pid": 1, "session_hash": "0", "waited_seconds": 0.0, "timestamp": 0.0}
"""An observation as it should be."""


@contextmanager
def answering(text: str, transport: Transport) -> Iterator[str]:
    """The URL of a server that gives one answer to everything."""

    def over_websocket(connection: ServerConnection) -> None:
        for _ in connection:
            connection.send(text)

    class OverHttp(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(HTTPStatus.OK)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            """Tests are quiet."""

    if transport == "ws":
        with (
            serve(over_websocket, "127.0.0.1", 0) as server,
            in_background(server.serve_forever, server.shutdown),
        ):
            yield "http://{}:{}".format(*server.socket.getsockname())
    else:
        with (
            ThreadingHTTPServer(("127.0.0.1", 0), OverHttp) as http,
            in_background(lambda: http.serve_forever(poll_interval=0.01), http.shutdown),
        ):
            yield f"http://127.0.0.1:{http.server_port}"


@contextmanager
def in_background(work: Callable[[], None], end: Callable[[], None]) -> Iterator[None]:
    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        end()
        thread.join()


@pytest.mark.parametrize("transport", ["ws", "http"])
@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ([1, 2], "its answer has another form"),
        ({"data": None}, "in the answer|its answer has another form"),
        ({"data": {}}, "no observation in the answer"),
        ({"observation": [1], "data": {"observation": [1]}}, "its answer has another form"),
        (
            {"observation": OBSERVATION | {"waited_seconds": float("nan")},
             "data": {"observation": OBSERVATION | {"waited_seconds": float("nan")}}},
            "waited_seconds Input should be a finite number",
        ),
    ],
    ids=["a list", "null", "nothing", "another list", "no number"],
)  # fmt: skip
def test_a_server_of_another_kind_is_told_apart(answer: object, message: str, transport: Transport) -> None:
    with answering(json.dumps(answer), transport) as url:
        outcome = asyncio.run(run_sessions(Plan(url, 1, 1, 0.0, transport)))

    error = outcome.sessions[0].error or ""
    assert error.startswith("the server does not answer as a Benchmark environment does: ")
    assert re.search(message, error)


@pytest.mark.servers
@pytest.mark.parametrize("transport", ["ws", "http"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_server_on_this_machine_is_reached_without_a_proxy(
    server: Server, host: str, transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
        monkeypatch.setenv(name.lower(), "http://127.0.0.1:1")
    outcome = asyncio.run(run_sessions(Plan(server.url.replace("127.0.0.1", host), 1, 1, 0.0, transport)))

    assert not outcome.failed


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A key, and a certificate for 127.0.0.1 that nobody but itself vouches for."""
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.mark.servers
def test_certificates_are_checked(
    serve: Callable[..., Server], certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    key, trusted = certificate
    server = serve(
        "-c", "benchmark_env/server/gunicorn.conf.py", f"--keyfile={key}", f"--certfile={trusted}",
        "benchmark_env.server.app:app", scheme="https",
    )  # fmt: skip

    def run(url: str, transport: Transport) -> Outcome:
        return asyncio.run(run_sessions(Plan(url, 2, 1, 0.0, transport)))

    transports: tuple[Transport, Transport] = ("ws", "http")
    for transport in transports:
        errors = [session.error or "" for session in run(server.url, transport).sessions]
        assert ["CERTIFICATE_VERIFY_FAILED" in error for error in errors] == [True, True], errors
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    for transport in transports:
        for url in (server.url, server.url.replace("https", "wss")):
            assert not run(url, transport).failed
