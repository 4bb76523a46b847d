import json
import runpy
import socket
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from tests.conftest import free_port

from .conftest import FROM_ROOT, GUNICORN, PATIENCE, ROOT, Server, ask, environ_with, step

pytestmark = pytest.mark.servers


def start_in_vain(**settings: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*GUNICORN, *FROM_ROOT],
        cwd=ROOT,
        env=environ_with(**{"BIND": f"127.0.0.1:{free_port()}", **settings}),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("WORKERS", "0", "a whole number of at least 1"),
        ("MAX_WAIT_SECONDS", "long", "a number of seconds of at least 0"),
    ],
)
def test_a_bad_setting_ends_it_with_one_line(name: str, value: str, allowed: str) -> None:
    ended = start_in_vain(**{name: value})

    assert ended.returncode != 0
    assert ended.stderr == f"{name}={value}: must be {allowed}\n"


@contextmanager
def taken_address(*options: int) -> Iterator[str]:
    """HOST:PORT of a socket that listens already, with these socket options."""
    with socket.socket() as other:
        for option in options:
            other.setsockopt(socket.SOL_SOCKET, option, 1)
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield f"127.0.0.1:{other.getsockname()[1]}"


def test_a_port_that_is_taken_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with taken_address() as taken:
        monkeypatch.setenv("BIND", taken)
        configuration = runpy.run_path(str(ROOT / FROM_ROOT[1]))
        with pytest.raises(SystemExit) as ended:
            configuration["on_starting"](None)

    assert ended.value.code == f"BIND={taken}: cannot listen there: Address already in use"


def test_a_port_that_another_shares_ends_it_before_any_worker_starts() -> None:
    with taken_address(socket.SO_REUSEPORT) as taken:
        ended = start_in_vain(BIND=taken)

    assert ended.returncode != 0
    assert f"BIND={taken}: cannot listen there: Address already in use" in ended.stderr
    assert "Booting worker" not in ended.stderr


def test_settings_reach_the_server(strict_server: Server) -> None:
    server = strict_server
    with server.connect() as first, server.connect() as second, server.connect() as third:
        assert step(first)["host_url"] == "http://balancer"
        assert first.response is not None
        assert first.response.headers["x-served-by"] == f"balancer;pid={step(first)['pid']}"
        too_long = ask(first, {"type": "step", "data": {"wait_seconds": 2}})
        step(second)
        refused = json.loads(third.recv(timeout=PATIENCE))
        second.send("x" * 1001)
        with pytest.raises(ConnectionClosed) as closed:
            second.recv(timeout=PATIENCE)

    assert too_long["data"]["code"] == "VALIDATION_ERROR"
    assert refused["data"]["code"] == "CAPACITY_REACHED"
    assert closed.value.sent is not None
    assert closed.value.sent.code == 1009
    assert '"GET /health HTTP/1.1" 200' in server.printed()


def test_every_worker_gets_sessions(server: Server) -> None:
    with ExitStack() as stack:
        sessions = [stack.enter_context(server.connect()) for _ in range(80)]
        seen = [step(session) for session in sessions]

    shares = Counter(each["pid"] for each in seen)
    assert set(shares) == server.workers()
    assert min(shares.values()) >= 15
    assert len({each["session_hash"] for each in seen}) == 80


def test_stateless_requests_bear_the_hash_of_their_worker(server: Server) -> None:
    with httpx.Client(timeout=PATIENCE, limits=httpx.Limits(max_keepalive_connections=0)) as client:
        replies = [client.post(f"{server.url}/step", json={"action": {}}) for _ in range(40)]
    seen = [reply.json()["observation"] for reply in replies]

    assert {each["pid"] for each in seen} == server.workers()
    assert len({(each["pid"], each["session_hash"]) for each in seen}) == 2
    served_by = {f"{server.url.removeprefix('http://')};pid={pid}" for pid in server.workers()}
    assert {reply.headers["x-served-by"] for reply in replies} == served_by


def test_connections_and_requests_leave_no_lines_unless_asked(server: Server) -> None:
    with server.connect() as session:
        step(session)
    server.post("/reset")

    lines = server.printed().splitlines()
    assert not [line for line in lines if "WebSocket" in line or "connection" in line or "POST" in line]
