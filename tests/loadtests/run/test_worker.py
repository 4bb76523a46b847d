import io
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

import pytest
from rich.console import Console

from loadtests.commands import COMMANDS
from loadtests.errors import LoadTestError
from loadtests.run.worker import WorkerConfig, run_worker, worker_command, worker_config
from tests.conftest import free_port

DEFAULTS = {each.name: each.default for each in COMMANDS["worker"] if each.has_option}


def config(**given: str) -> WorkerConfig:
    return worker_config({**DEFAULTS, "MASTER": "10.0.0.9", **given})


@contextmanager
def another_service(says: bytes) -> Iterator[int]:
    """The port of a service that says something to everyone."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with suppress(OSError):  # the server is closed
                while True:
                    connection, _ = server.accept()
                    with connection:
                        connection.sendall(says)

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"MASTER": ""}, "MASTER is missing"),
        ({"MASTER_PORT": "0"}, "MASTER_PORT=0 is not allowed"),
        ({"PROCESSES": "many"}, "PROCESSES=many is not allowed"),
        ({"JOIN_WAIT": "soon"}, "JOIN_WAIT=soon is not allowed"),
        ({"TARGET": "10.0.0.1"}, "TARGET=10.0.0.1: a URL starts with"),
    ],
)
def test_bad_values_are_named(given: dict[str, str], message: str) -> None:
    with pytest.raises(LoadTestError, match=message):
        config(**given)


def test_headers_are_for_a_server_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADERS", "Authorization: Bearer tell-nobody")
    with pytest.raises(LoadTestError, match="HEADERS are set: name the server that they are for, TARGET="):
        config()
    command = worker_command(config(TARGET="https://me.hf.space/ws", PROCESSES="3"))
    assert command[-4:] == ["--processes", "3", "--host", "https://me.hf.space"]
    assert "tell-nobody" not in " ".join(command)


def test_a_master_that_does_not_answer_is_waited_for_and_then_given_up() -> None:
    said = io.StringIO()
    port = free_port()
    with pytest.raises(LoadTestError) as error:
        run_worker(
            replace(config(MASTER="127.0.0.1", MASTER_PORT=str(port)), wait_s=0),
            Console(file=said, width=200),
        )
    assert f"no master answered at 127.0.0.1:{port} within 0.00 ms (connection refused)" in str(error.value)


@pytest.mark.parametrize("says", [b"HTTP/1.1 400 Bad Request\r\n", b""])
def test_what_is_no_master_is_told_from_one(says: bytes) -> None:
    with another_service(says) as port, pytest.raises(LoadTestError, match="is no Locust master"):
        run_worker(config(MASTER="127.0.0.1", MASTER_PORT=str(port)), Console(file=io.StringIO()))


def test_a_master_that_is_not_known_is_named() -> None:
    with pytest.raises(LoadTestError, match=r"MASTER=nowhere\.invalid is not known here"):
        run_worker(config(MASTER="nowhere.invalid"), Console(file=io.StringIO()))
