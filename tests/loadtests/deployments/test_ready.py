import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from loadtests.deployments import ready


class Healthy(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/health" else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[HTTPServer]:
    with HTTPServer(("127.0.0.1", 0), Healthy, bind_and_activate=False) as server:
        server.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        server.server_bind()
        server.server_activate()
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_counts_the_sockets_of_all_workers(server: HTTPServer) -> None:
    port = server.server_port
    assert ready.listening_sockets(port) == 1
    with socket.socket() as second:
        second.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        second.bind(("127.0.0.1", port))
        assert ready.listening_sockets(port) == 1
        second.listen()
        assert ready.listening_sockets(port) == 2


def test_is_not_ready_before_all_workers_listen(server: HTTPServer) -> None:
    while not ready.is_ready(server.server_port, 1):
        pass  # it has two seconds to answer
    assert not ready.is_ready(server.server_port, 2)


def test_runs_as_a_script_without_this_project(server: HTTPServer) -> None:
    script = Path(ready.__file__).read_text()
    command = [sys.executable, "-I", "-c", script, str(server.server_port)]
    assert subprocess.run([*command, "1", "60"], timeout=120, check=False).returncode == 0
    assert subprocess.run([*command, "2", "0.2"], timeout=120, check=False).returncode == 1
