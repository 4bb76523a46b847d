import json
from collections.abc import Iterator

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.conftest import free_port

from .conftest import PATIENCE, docker, eventually, step

pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]

HARDENING = (
    "--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", "--security-opt=no-new-privileges",
)  # fmt: skip
CHECKED_OFTEN = ("--health-interval=1s", "--health-start-period=0s")
"""The check is the image's own; only the test does not wait for it as long."""


@pytest.fixture(scope="module")
def container(image: str) -> Iterator[tuple[str, int]]:
    """A running container's ID, and the port of 127.0.0.1 that it answers on. The last test stops it."""
    port = free_port()
    name = docker("run", "--detach", *HARDENING, *CHECKED_OFTEN, "--publish", f"127.0.0.1:{port}:8000", image)
    try:
        if not eventually(lambda: is_healthy(port), seconds=120):
            pytest.fail(docker("logs", name))
        yield name, port
    finally:
        docker("rm", "--force", name)


def is_healthy(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/health").status_code == 200
    except httpx.TransportError:
        return False


def test_a_hardened_container_answers_with_its_own_name(container: tuple[str, int]) -> None:
    name, port = container
    with connect(f"ws://127.0.0.1:{port}/ws", open_timeout=PATIENCE) as session:
        seen = step(session, wait_seconds=0.1)

    assert seen["host_url"] == f"http://{name[:12]}:8000"
    assert seen["waited_seconds"] >= 0.1
    assert docker("exec", name, "python", "-c", "import os; print(os.getuid())") == "10001"
    # The server is `server.app`; from anywhere the package bears its full name.
    docker("exec", "--workdir=/", name, "python", "-c", "import benchmark_env.settings")


def test_the_health_check_passes(container: tuple[str, int]) -> None:
    name, _ = container
    assert eventually(
        lambda: docker("inspect", name, "--format", "{{.State.Health.Status}}") == "healthy", seconds=120
    )


def test_stopping_a_container_lets_steps_in_flight_finish(container: tuple[str, int]) -> None:
    name, port = container
    with connect(f"ws://127.0.0.1:{port}/ws", open_timeout=PATIENCE) as session:
        session.send('{"type": "step", "data": {"wait_seconds": 1.5}}')
        assert session.ping().wait(PATIENCE)
        docker("stop", "--time", "60", name)
        assert json.loads(session.recv(timeout=PATIENCE))["data"]["observation"]["waited_seconds"] >= 1.5
        with pytest.raises(ConnectionClosed):
            session.recv(timeout=PATIENCE)

    assert docker("inspect", name, "--format", "{{.State.ExitCode}}") == "0"
