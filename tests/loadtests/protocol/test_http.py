import contextlib
import gc
import json
import select
import socket
import ssl
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import gevent
import pytest

from loadtests.protocol.access import OPEN, Access
from loadtests.protocol.http import HttpClient
from loadtests.protocol.replies import Answer, OperationError, parse_http
from loadtests.protocol.responses import Response
from reports.records.schema import UNASKED_REPLY
from tests.certificates import make_certificate
from tests.loadtests.protocol.streams import wait_until

LONG_S = 60.0
"""No reply takes as long, however busy the machine is."""
RESULT = {"observation": {"pid": 5, "host_url": "http://h:1"}, "reward": 1.0, "done": False}
Respond = Callable[[BaseHTTPRequestHandler], None]
Start = Callable[..., str]


@pytest.fixture
def start() -> Iterator[Start]:
    servers: list[ThreadingHTTPServer] = []

    def start_server(respond: Respond, tls: ssl.SSLContext | None = None) -> str:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                respond(self)

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
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


def client(url: str, access: Access = OPEN, timeout_s: float = LONG_S) -> HttpClient:
    return HttpClient(url, access, timeout_s)


def post(url: str, timeout_s: float = LONG_S) -> Response:
    return client(url).post("/step", b'{"action": {}}', timeout_s)


def parsed(response: Response) -> Answer:
    return parse_http(response.status, response.content())


def step(url: str, timeout_s: float = LONG_S) -> Answer:
    return parsed(post(url, timeout_s))


def failure(url: str, timeout_s: float = LONG_S) -> OperationError:
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
    assert failure(start(lambda handler: handler.rfile.read()), 1).category == "timeout"


def test_a_server_that_drips_bytes_does_not_put_the_timeout_off(start: Start) -> None:
    def drip(handler: BaseHTTPRequestHandler) -> None:
        for byte in b"HTTP/1.1 200 OK\r\n" * 20:
            with contextlib.suppress(OSError):
                handler.connection.sendall(bytes([byte]))
            time.sleep(0.1)

    assert failure(start(drip), 1).category == "timeout"


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


@contextlib.contextmanager
def raw_server(*connections: Callable[[socket.socket], None]) -> Iterator[str]:
    """Handles one connection after the other, each in its own way, and ends it; gives its URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)  # large requests do not fit in

        def serve() -> None:
            for handle in connections:
                connection, _ = listener.accept()
                with connection, contextlib.suppress(OSError):
                    handle(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join(LONG_S)
        assert not thread.is_alive()


def answering(*responses: bytes, asked: list[bytes] | None = None) -> Callable[[socket.socket], None]:
    def handle(connection: socket.socket) -> None:
        for response in responses:
            request = connection.recv(65536)
            if asked is not None:
                asked.append(request)
            connection.sendall(response)

    return handle


def plain(pid: int, *headers: str) -> bytes:
    body = json.dumps({"observation": {"pid": pid}}).encode()
    head = "".join(f"{line}\r\n" for line in ("HTTP/1.1 200 OK", f"Content-Length: {len(body)}", *headers))
    return head.encode() + b"\r\n" + body


def pids(one: HttpClient, requests: int, pause_s: float = 0) -> list[int | None]:
    answers = []
    for _ in range(requests):
        answers.append(parsed(one.post("/step", b"{}", LONG_S)).pid)
        gevent.sleep(pause_s)
    one.close()
    return answers


def test_requests_follow_each_other_over_one_connection() -> None:
    asked: list[bytes] = []
    with raw_server(answering(plain(1), plain(2), plain(3), asked=asked)) as url:
        one = client(f"{url}/env", Access({"Authorization": "Bearer x", "accept": "text/x"}))
        assert pids(one, 3) == [1, 2, 3]
    assert asked[0] == asked[1] == asked[2]
    head, _, body = asked[0].partition(b"\r\n\r\n")
    line, *headers = head.decode().split("\r\n")
    assert (line, body) == ("POST /env/step HTTP/1.1", b"{}")
    assert sorted(headers) == [
        "Authorization: Bearer x",
        "Content-Length: 2",
        "Content-Type: application/json",
        f"Host: {url.removeprefix('http://')}",
        "User-Agent: openenv-loadtest",
        "accept: text/x",
    ]


@pytest.mark.parametrize("pause_s", [0, 0.1])
@pytest.mark.parametrize(
    "last",
    [plain(1, "Connection: close"), b"HTTP/1.1 200 OK\r\n\r\n" + plain(1).partition(b"\r\n\r\n")[2],
     plain(1) + b"more"],
    ids=["says so", "ends the body so", "says more"],
)  # fmt: skip
def test_a_connection_that_cannot_go_on_is_followed_by_another(last: bytes, pause_s: float) -> None:
    with raw_server(answering(last), answering(plain(2))) as url:
        assert pids(client(url), 2, pause_s) == [1, 2]


def test_a_connection_that_the_server_closed_meanwhile_is_followed_by_another() -> None:
    with raw_server(answering(plain(1)), answering(plain(2))) as url:
        one = client(url)
        assert parsed(one.post("/step", b"{}", LONG_S)).pid == 1
        assert one._connection is not None
        # The hub has not had its turn when the next request is made, and that is not at once.
        assert select.select([one._connection._descriptor], [], [], LONG_S)[0]
        time.sleep(0.01)
        assert parsed(one.post("/step", b"{}", LONG_S)).pid == 2
        one.close()


@pytest.mark.parametrize("pause_s", [0, 0.1])
def test_a_reply_that_comes_twice_is_told_at_the_next_request(pause_s: float) -> None:
    with raw_server(answering(plain(1) * 2), answering(plain(2))) as url:
        one = client(url)
        assert parsed(one.post("/step", b"{}", LONG_S)).pid == 1
        gevent.sleep(pause_s)
        with pytest.raises(OperationError) as raised:
            one.post("/step", b"{}", LONG_S)
        assert (raised.value.category, raised.value.detail) == ("protocol", UNASKED_REPLY)
        assert parsed(one.post("/step", b"{}", LONG_S)).pid == 2
        one.close()


def test_what_read_a_connection_that_is_closed_is_freed_without_a_collection_of_garbage() -> None:
    with raw_server(answering(plain(1))) as url:
        gc.disable()
        try:
            one = client(url)
            one.post("/step", b"{}", LONG_S)
            assert one._connection is not None
            freed = weakref.ref(one._connection), weakref.ref(one._connection._reader)
            one.close()
            wait_until(lambda: [each() for each in freed] == [None, None])
        finally:
            gc.enable()


def test_a_server_that_gives_up_on_an_idle_connection_is_not_accused() -> None:
    def idle(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(plain(1))
        replied.wait(LONG_S)
        connection.sendall(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")

    replied = threading.Event()
    with raw_server(idle, answering(plain(2))) as url:
        one = client(url)
        assert parsed(one.post("/step", b"{}", LONG_S)).pid == 1
        connection = one._connection
        assert connection is not None
        replied.set()
        wait_until(lambda: not connection._reader.open)
        assert pids(one, 1) == [2]


def test_a_request_is_never_sent_twice() -> None:
    asked: list[bytes] = []
    with raw_server(answering(plain(1), b"", asked=asked), answering(plain(3), asked=asked)) as url:
        one = client(url)
        one.post("/step", b"1", LONG_S)
        with pytest.raises(OperationError) as raised:
            one.post("/step", b"2", LONG_S)
        assert raised.value.category == "connection_lost"
        one.post("/step", b"3", LONG_S)
        one.close()
    assert [request[-1:] for request in asked] == [b"1", b"2", b"3"]


def test_after_a_timeout_no_late_reply_is_taken_for_the_next() -> None:
    def late(connection: socket.socket) -> None:
        connection.recv(65536)
        timed_out.wait(LONG_S)
        connection.sendall(plain(1))

    timed_out = threading.Event()
    with raw_server(late, answering(plain(2))) as url:
        one = client(url)
        with pytest.raises(OperationError):
            one.post("/step", b"{}", 0.1)
        timed_out.set()
        assert parsed(one.post("/step", b"{}", LONG_S)).pid == 2
        one.close()


def test_chunks_and_interim_responses_are_no_part_of_the_reply() -> None:
    body = plain(7).partition(b"\r\n\r\n")[2]
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:5], body[5:]))
    response = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"
    with raw_server(answering(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + response, plain(8))) as url:
        assert pids(client(url), 2) == [7, 8]


def test_large_requests_and_replies_are_whole() -> None:
    def handle(connection: socket.socket) -> None:
        received = 0
        time.sleep(0.2)  # more is sent than goes into the connection
        while received < 9_000_000:
            received += len(connection.recv(65536))
        body = plain(9).partition(b"\r\n\r\n")[2] + b" " * 9_000_000
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))

    with raw_server(handle) as url:
        one = client(url)
        assert parsed(one.post("/step", b"x" * 9_000_000, LONG_S)).pid == 9
        one.close()


def test_a_reply_that_comes_before_the_request_was_read_counts() -> None:
    def refuse(connection: socket.socket) -> None:
        connection.recv(1000)
        connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    with raw_server(refuse) as url:
        assert client(url).post("/step", b"x" * 9_000_000, LONG_S).status == 413


def test_a_connection_with_half_a_request_in_it_carries_no_other() -> None:
    replied = threading.Event()

    def hasty(connection: socket.socket) -> None:
        connection.recv(1000)
        connection.sendall(plain(1))
        replied.wait(LONG_S)
        while connection.recv(65536):
            pass

    with raw_server(hasty, answering(plain(2))) as url:
        one = client(url)
        assert parsed(one.post("/step", b"x" * 9_000_000, LONG_S)).pid == 1
        replied.set()
        assert pids(one, 1) == [2]


def test_what_is_not_http_does_not_follow_the_protocol() -> None:
    with raw_server(answering(b"220 smtp.example.com\r\n")) as url:
        assert failure(url).category == "protocol"


def test_cookies_are_sent_back() -> None:
    asked: list[bytes] = []
    first = plain(1, "Set-Cookie: a=b; Path=/", "Set-Cookie: c=d", "Set-Cookie: e=f; Path=/elsewhere")
    with raw_server(answering(first, plain(2), plain(3), asked=asked)) as url:
        pids(client(url), 3)
    assert b"Cookie" not in asked[0]
    assert b"\r\nCookie: a=b; c=d\r\n" in asked[1]
    assert asked[1] == asked[2]


def test_cookies_that_a_user_gives_stay_as_they_are() -> None:
    asked: list[bytes] = []
    with raw_server(answering(plain(1, "Set-Cookie: a=b"), plain(2), asked=asked)) as url:
        pids(client(url, Access({"cookie": "x=y"})), 2)
    assert asked[1].count(b"ookie") == 1
    assert b"\r\ncookie: x=y\r\n" in asked[1]


def test_a_server_that_does_not_let_in_is_a_connect_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        address = listener.getsockname()
        with contextlib.ExitStack() as full:
            for _ in range(2):
                waiting = full.enter_context(socket.socket())
                waiting.setblocking(False)
                waiting.connect_ex(address)
            begin = time.monotonic()
            with pytest.raises(OperationError) as raised:
                client(f"http://127.0.0.1:{address[1]}", timeout_s=0.3).post("/step", b"{}", LONG_S)
    assert (raised.value.category, time.monotonic() - begin < 30) == ("connect_timeout", True)


def test_it_posts_over_tls_to_whom_it_trusts(tmp_path: Path, start: Start) -> None:
    key, certificate = make_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    url = start(lambda handler: reply(handler, 200, RESULT | {"more": "x" * 100_000}), context)
    one = client(url.replace("http:", "https:"), Access(verify_tls=False))
    for _ in range(3):
        assert parsed(one.post("/step", b" " * 100_000, LONG_S)).pid == 5
    one.close()
    error = failure(url.replace("http:", "https:"))
    assert (error.category, "certificate not trusted" in error.detail) == ("handshake", True)
