"""A real Benchmark environment server for tests."""

import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Set
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from websockets.sync.client import ClientConnection, connect

from benchmark_env.docker_provider import LABEL
from tests.conftest import free_port

ROOT = Path(__file__).parents[2]
GUNICORN = (sys.executable, "-m", "gunicorn")
FROM_ROOT = ("-c", "benchmark_env/server/gunicorn.conf.py", "benchmark_env.server.app:app")
IMAGE = "benchmark-env:latest"
PATIENCE = 60.0
"""Seconds that an answer may take."""
BUILD_COMMAND = f"docker build -t {IMAGE} -f server/Dockerfile ."


def environ_with(**settings: object) -> dict[str, str]:
    return {**os.environ, **{name: str(value) for name, value in settings.items()}}


@dataclass
class Server:
    process: subprocess.Popen[bytes]
    port: int
    log: Path
    scheme: str = "http"

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def connect(self) -> ClientConnection:
        return connect(f"ws://127.0.0.1:{self.port}/ws", open_timeout=PATIENCE, close_timeout=5)

    def get(self, path: str) -> httpx.Response:
        return httpx.get(self.url + path, timeout=PATIENCE)

    def post(self, path: str, body: object = None) -> httpx.Response:
        return httpx.post(self.url + path, json=body, timeout=PATIENCE)

    def workers(self) -> set[int]:
        return {child.pid for child in psutil.Process(self.process.pid).children()}

    def takes_connections(self, *, workers: int, without: Set[int] = frozenset()) -> bool:
        """Whether so many workers listen, and none of `without` is among them."""
        listening = self.workers()
        return len(listening) == workers and not listening & without and all(map(self._listens, listening))

    def _listens(self, pid: int) -> bool:
        with suppress(psutil.Error):
            for each in psutil.Process(pid).net_connections("tcp"):
                if each.status == psutil.CONN_LISTEN and each.laddr.port == self.port:
                    return True
        return False

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def printed(self) -> str:
        return self.log.read_text()

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@contextmanager
def serving(
    *arguments: str,
    command: tuple[str, ...] = GUNICORN,
    cwd: Path = ROOT,
    scheme: str = "http",
    **settings: object,
) -> Iterator[Server]:
    port = free_port()
    settings = {"BIND": f"127.0.0.1:{port}", "WORKERS": 1, **settings}
    with tempfile.NamedTemporaryFile(prefix="benchmark-server-", suffix=".log") as log:
        process = subprocess.Popen(
            [*command, *(argument.format(port=port) for argument in arguments or FROM_ROOT)],
            cwd=cwd,
            env=environ_with(**settings),
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        server = Server(process, port, Path(log.name), scheme)
        try:
            wait_until_healthy(server)
            yield server
        finally:
            server.stop()


def wait_until_healthy(server: Server) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if server.process.poll() is not None:
            pytest.fail(f"the server ended at once:\n{server.printed()}")
        try:
            if httpx.get(f"{server.url}/health", verify=False).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    pytest.fail(f"the server did not come up:\n{server.printed()}")


def eventually(what: Callable[[], bool], seconds: float = PATIENCE) -> bool:
    deadline = time.monotonic() + seconds
    while not what():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def ask(connection: ClientConnection, message: object) -> Any:
    """Send JSON (or what is text or bytes already) and return the parsed reply."""
    connection.send(message if isinstance(message, str | bytes) else json.dumps(message))
    return json.loads(connection.recv(timeout=PATIENCE))


def step(connection: ClientConnection, wait_seconds: float = 0.0) -> Any:
    return ask(connection, {"type": "step", "data": {"wait_seconds": wait_seconds}})["data"]["observation"]


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    """Starts servers that the test's end stops."""
    with ExitStack() as stack:
        yield lambda *arguments, **options: stack.enter_context(serving(*arguments, **options))


def docker(*arguments: str, cwd: Path = ROOT) -> str:
    done = subprocess.run(
        ["docker", *arguments], cwd=cwd, capture_output=True, text=True, timeout=800, check=False
    )
    if done.returncode:
        pytest.fail(f"docker {' '.join(arguments)}:\n{done.stdout}{done.stderr}")
    return done.stdout.strip()


def containers() -> set[str]:
    """The names of the containers that clients started and that are there, running or not."""
    return set(docker("ps", "--all", "--filter", f"label={LABEL}", "--format", "{{.Names}}").split())


@pytest.fixture(scope="session")
def image(docker_engine: None) -> str:  # noqa: ARG001
    """The image, built as the README says; its layers stay for the next time."""
    _, *arguments = shlex.split(BUILD_COMMAND)
    docker(*arguments, cwd=ROOT / "benchmark_env")
    return IMAGE


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """One gunicorn with two workers, shared by all tests; whoever ends its workers waits for new ones."""
    with serving(WORKERS=2) as shared:
        assert eventually(lambda: shared.takes_connections(workers=2))
        yield shared


@pytest.fixture(scope="session")
def strict_server() -> Iterator[Server]:
    """One with low limits, a URL that it was told, and an access log, shared by all tests."""
    with serving(
        MAX_CONCURRENT_ENVS=2,
        MAX_MESSAGE_BYTES=1000,
        MAX_WAIT_SECONDS=1,
        HOST_URL="http://balancer",
        ACCESS_LOG=1,
    ) as shared:
        yield shared


@pytest.fixture
def own_imports(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What the test imports, and where from, is forgotten at its end."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        del sys.modules[name]


@pytest.fixture(scope="session")
def servers(server: Server) -> Iterator[tuple[Server, Server, Server]]:
    """Three of them, each for itself."""
    with ExitStack() as stack, ThreadPoolExecutor() as threads:
        second, third = threads.map(lambda _: stack.enter_context(serving()), range(2))
        yield server, second, third
