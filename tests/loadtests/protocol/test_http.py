import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from loadtests.protocol.access import OPEN, Access
from loadtests.protocol.http import HttpClient
from loadtests.protocol.replies import Answer, OperationError, parse_http
from loadtests.protocol.responses import Response

RESULT = {"observation": {"pid": 5, "host_url": "http://h:1"}, "reward": 1.0, "done": False}
Respond = Callable[[BaseHTTPRequestHandler], None]
Start = Callable[[Respond], str]


@pytest.fixture
def start() -> Iterator[Start]:
    servers: list[ThreadingHTTPServer] = []

    def start_server(respond: Respond) -> str:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                respond(self)

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}"

    yield start_server
    for server in servers:
        server.shutdown()
        server.server_close()


def reply(handler: BaseHTTPRequestHandler, status: int = 200, body: object = RESULT, **headers: str) -> None:
    handler.rfile.read(int(handler.headers["Content-Length"]))
    data = json.dumps(body).encode()
    handler.send_response(status)
    for name, value in ({"Content-Length": str(len(data))} | headers).items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(data)


def client(url: str, access: Access = OPEN, timeout_s: float = 5) -> HttpClient:
    return HttpClient(url, access, timeout_s)


def post(url: str, timeout_s: float = 5) -> Response:
    return client(url).post("/step", b'{"action": {}}', timeout_s)


def parsed(response: Response) -> Answer:
    return parse_http(response.status, response.content())


def step(url: str, timeout_s: float = 5) -> Answer:
    return parsed(post(url, timeout_s))


def failure(url: str, timeout_s: float = 5) -> OperationError:
    with pytest.raises(OperationError) as raised:
        step(url, timeout_s)
    return raised.value


def test_a_result_says_who_answered(start: Start) -> None:
    assert step(start(reply)).pid == 5


def test_headers_say_who_answered_where_the_result_does_not(start: Start) -> None:
    url = start(lambda handler: reply(handler, 422, {"detail": []}, X_Served_By="h:1;pid=7"))
    assert post(url).served_by("X-Upstream") == Answer(host="h:1", pid=7)


def test_a_balancer_names_the_server_in_the_header_of_ones_choice(start: Start) -> None:
    url = start(lambda handler: reply(handler, 422, {"detail": []}, X_Backend="10.0.0.1:8000, 10.0.0.2:8000"))
    assert post(url).served_by("X-Backend").host == "10.0.0.2:8000"


@pytest.mark.parametrize(("status", "category"), [(422, "validation"), (404, "http_4xx"), (503, "http_5xx")])
def test_an_error_status_has_its_category(start: Start, status: int, category: str) -> None:
    url = start(lambda handler: reply(handler, status, {"detail": "no"}))
    assert failure(url).category == category


def test_no_reply_in_time_is_a_timeout(start: Start) -> None:
    assert failure(start(lambda _: time.sleep(1)), 0.2).category == "timeout"


def test_a_server_that_drips_bytes_does_not_put_the_timeout_off(start: Start) -> None:
    def drip(handler: BaseHTTPRequestHandler) -> None:
        for byte in b"HTTP/1.1 200 OK\r\n" * 20:
            with contextlib.suppress(OSError):
                handler.connection.sendall(bytes([byte]))
            time.sleep(0.02)

    assert failure(start(drip), 0.3).category == "timeout"


def test_a_connection_that_ends_is_lost(start: Start) -> None:
    url = start(lambda handler: handler.connection.shutdown(socket.SHUT_RDWR))
    assert failure(url).category == "connection_lost"


def test_a_body_cut_short_is_a_lost_connection(start: Start) -> None:
    def cut(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        handler.wfile.write(b"{")
        handler.connection.shutdown(socket.SHUT_RDWR)

    assert failure(start(cut)).category == "connection_lost"


def test_a_port_where_nobody_listens_refuses() -> None:
    assert failure("http://127.0.0.1:9").category == "refused"
