import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from loadtests.deployments.health import get

Answering = Callable[[Callable[[socket.socket], None]], str]


@pytest.fixture
def answering() -> Iterator[Answering]:
    """Starts a server that reads a request and answers as it likes; gives its URL."""
    listeners = []

    def start(answer: Callable[[socket.socket], None]) -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def serve() -> None:
            with suppress(OSError):
                connection, _ = listener.accept()
                with connection:
                    connection.recv(65536)
                    answer(connection)

        threading.Thread(target=serve, daemon=True).start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}/schema"

    yield start
    for listener in listeners:
        listener.close()


def drip(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    for _ in range(100):
        connection.sendall(b"{")
        time.sleep(0.1)


def pour(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        connection.sendall(b"[" * 2**20)


def test_an_answer_that_comes_byte_by_byte_ends_with_the_time(answering: Answering) -> None:
    with pytest.raises(TimeoutError):
        get(answering(drip), timeout_s=0.5)


def test_an_answer_without_end_is_not_read_to_the_end(answering: Answering) -> None:
    with pytest.raises(OSError, match="larger than 8 MB"):
        get(answering(pour), timeout_s=60)


@pytest.mark.parametrize(("body", "read"), [(b'{"a": 1}', {"a": 1}), (b"[1]", {}), (b"{", {}), (b"\xff", {})])
def test_what_is_no_json_object_is_an_empty_one(
    answering: Answering, body: bytes, read: dict[str, int]
) -> None:
    url = answering(lambda connection: connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + body))
    assert get(url, timeout_s=60).json_object() == read


def test_no_proxy_is_asked(answering: Answering, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    url = answering(lambda connection: connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n"))
    assert get(url, timeout_s=60).status == 204
