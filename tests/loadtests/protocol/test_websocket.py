import contextlib
import gc
import json
import socket
import ssl
import struct
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import gevent
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.frames import Close, Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol
from websockets.sync.server import Server, ServerConnection, serve

from loadtests.protocol.access import OPEN, Access
from loadtests.protocol.replies import OperationError
from loadtests.protocol.websocket import RESET, WebSocketSession, step_message
from reports.records.schema import UNASKED_REPLY
from tests.certificates import make_certificate
from tests.loadtests.protocol.streams import wait_until

LONG_S = 60.0
"""No reply takes as long, however busy the machine is."""
REPLY = json.dumps(
    {"type": "observation", "data": {"observation": {"pid": 5, "host_url": "http://h:1"}, "done": False}}
)
Handler = Callable[[ServerConnection], None]
Start = Callable[[Handler], str]


@pytest.fixture
def start() -> Iterator[Start]:
    servers: list[Server] = []

    def start_server(handler: Handler) -> str:
        server = serve(handler, "127.0.0.1", 0, close_timeout=0.2, max_size=None)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.socket.getsockname()[1]}"

    yield start_server
    for server in servers:
        server.shutdown()


def session(url: str, timeout_s: float = LONG_S) -> WebSocketSession:
    return WebSocketSession(url, OPEN, timeout_s)


def echo(connection: ServerConnection) -> None:
    for _ in connection:
        connection.send(REPLY)


def silent(connection: ServerConnection) -> None:
    """Reads what comes, and says nothing."""
    for _ in connection:
        pass


def failure(operate: Callable[[], object]) -> OperationError:
    with pytest.raises(OperationError) as raised:
        operate()
    return raised.value


def test_it_steps(start: Start) -> None:
    received: list[str | bytes] = []

    def handler(connection: ServerConnection) -> None:
        for message in connection:
            received.append(message)
            connection.send(REPLY)

    one = session(start(handler))
    assert one.request(RESET, LONG_S).pid == 5
    assert one.request(step_message({"wait_seconds": 0.5}), LONG_S).host == "h:1"
    one.close()
    assert json.loads(received[1]) == {"type": "step", "data": {"wait_seconds": 0.5}}


def test_a_reply_in_fragments_is_put_together(start: Start) -> None:
    def handler(connection: ServerConnection) -> None:
        for _ in connection:
            connection.send(REPLY[i : i + 7] for i in range(0, len(REPLY), 7))

    assert session(start(handler)).request(RESET, LONG_S).pid == 5


def test_a_large_reply_is_read_whole(start: Start) -> None:
    def handler(connection: ServerConnection) -> None:
        for _ in connection:
            connection.send(REPLY[:-1] + " " * 3_000_000 + "}")

    assert session(start(handler)).request(RESET, LONG_S).pid == 5


def test_pings_are_answered_while_a_user_thinks(start: Start) -> None:
    answered = threading.Event()

    def handler(connection: ServerConnection) -> None:
        if connection.ping().wait(LONG_S):
            answered.set()
        echo(connection)

    one = session(start(handler))
    wait_until(answered.is_set)
    assert one.request(RESET, LONG_S).pid == 5


def test_a_session_that_ends_while_its_user_thinks_is_lost_with_its_reason(start: Start) -> None:
    one = session(start(lambda connection: connection.close(1001, "going away")))
    begin = time.process_time()
    gevent.sleep(0.5)
    assert time.process_time() - begin < 0.25  # nobody looks at it again and again
    error = failure(lambda: one.request(RESET, LONG_S))
    assert (error.category, "1001" in error.detail) == ("connection_lost", True)


def test_no_reply_in_time_is_a_timeout(start: Start) -> None:
    one = session(start(silent))
    assert failure(lambda: one.request(RESET, 0.2)).category == "timeout"


def test_requests_time_out_each_at_its_own_time(start: Start) -> None:
    url = start(silent)
    sessions = [(session(url), timeout_s) for timeout_s in (0.9, 0.3, 0.6, 0.3)]
    begin = time.monotonic()
    ends: list[tuple[float, float]] = []

    def wait(one: WebSocketSession, timeout_s: float) -> None:
        assert failure(lambda: one.request(RESET, timeout_s)).category == "timeout"
        ends.append((timeout_s, time.monotonic() - begin))

    gevent.joinall([gevent.spawn(wait, *each) for each in sessions], raise_error=True)
    assert sorted(timeout_s for timeout_s, _ in ends) == [0.3, 0.3, 0.6, 0.9]
    assert all(timeout_s <= ended for timeout_s, ended in ends)


def test_a_timeout_reaches_nothing_that_comes_after_its_request(start: Start) -> None:
    one = session(start(echo))
    one.request(RESET, 2)
    begin = time.process_time()
    gevent.sleep(2.2)
    assert time.process_time() - begin < 0.5
    assert one.request(RESET, LONG_S).pid == 5


def test_a_user_that_is_stopped_in_its_request_hears_no_more_of_it(start: Start) -> None:
    asked, stopped = threading.Event(), threading.Event()

    def late(connection: ServerConnection) -> None:
        for _ in connection:
            asked.set()
            stopped.wait(LONG_S)
            connection.send(REPLY)

    one = session(start(late))
    ends: list[BaseException] = []

    def user() -> None:
        try:
            one.request(RESET, 2)
        except gevent.GreenletExit as end:
            ends.append(end)
            stopped.set()
            gevent.sleep(2.2)
            wait_until(partial(_has_message, one))
            ends.append(end)
            raise

    greenlet = gevent.spawn(user)
    wait_until(asked.is_set)
    greenlet.kill(block=False)
    greenlet.join()
    assert len(ends) == 2
    assert failure(lambda: one.request(RESET, LONG_S)).category == "protocol"


def test_a_ping_amid_a_large_request_is_answered_behind_it(start: Start) -> None:
    received: list[int] = []
    answered: list[bool] = []

    def slow(connection: ServerConnection) -> None:
        pong = connection.ping()
        time.sleep(0.3)
        received.append(len(connection.recv()))
        answered.append(pong.wait(LONG_S))
        connection.send(REPLY)

    one = session(start(slow))
    assert one.request(RESET + b" " * 20_000_000, LONG_S).pid == 5
    assert (received, answered) == ([20_000_000 + len(RESET)], [True])


def accepted(listener: socket.socket) -> tuple[socket.socket, ServerProtocol]:
    """The next connection; what it is told of the handshake has yet to be sent."""
    connection, _ = listener.accept()
    server = ServerProtocol()
    server.receive_data(connection.recv(4096))
    (request,) = server.events_received()
    assert isinstance(request, Request)
    server.send_response(server.accept(request))
    return connection, server


def test_what_was_said_before_a_connection_was_reset_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def say_goodbye() -> None:
            connection, server = accepted(listener)
            server.send_close(1012, "restart")
            connection.sendall(b"".join(server.data_to_send()))
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()

        thread = threading.Thread(target=say_goodbye)
        thread.start()
        one = session(f"http://127.0.0.1:{listener.getsockname()[1]}")
        thread.join()
        # The hub has not had its turn since, so that the request goes into a connection that is no more.
        error = failure(lambda: one.request(RESET, LONG_S))
    assert (error.category, "1012: restart" in error.detail) == ("connection_lost", True)


def test_a_connection_that_is_reset_is_lost() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def reset() -> None:
            connection, server = accepted(listener)
            connection.sendall(b"".join(server.data_to_send()))
            connection.recv(4096)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()

        threading.Thread(target=reset, daemon=True).start()
        one = session(f"http://127.0.0.1:{listener.getsockname()[1]}")
        assert failure(lambda: one.request(RESET, LONG_S)).category == "connection_lost"
        assert failure(lambda: one.request(RESET, LONG_S)).category == "connection_lost"


def _has_message(one: WebSocketSession) -> bool:
    return bool(one._reader.messages)


def test_a_handshake_and_what_comes_with_it_may_be_cut_anywhere() -> None:
    for place in (1, 30, -60, -5, -4, -3, -1):
        with socket.create_server(("127.0.0.1", 0)) as listener:

            def drip(listener: socket.socket = listener, place: int = place) -> None:
                connection, server = accepted(listener)
                server.send_text(REPLY.encode())
                data = b"".join(server.data_to_send())
                head = data.index(b"\r\n\r\n") + 4
                connection.sendall(data[: head + place])
                time.sleep(0.02)
                connection.sendall(data[head + place :])
                connection.recv(4096)
                server.send_text(REPLY.encode())
                connection.sendall(b"".join(server.data_to_send()))

            threading.Thread(target=drip, daemon=True).start()
            one = session(f"http://127.0.0.1:{listener.getsockname()[1]}")
            wait_until(partial(_has_message, one))
            assert failure(partial(one.request, RESET, LONG_S)).detail == UNASKED_REPLY
            assert one.request(RESET, LONG_S).pid == 5


def test_it_steps_over_tls(tmp_path: Path) -> None:
    key, certificate = make_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    answered = threading.Event()

    def handler(connection: ServerConnection) -> None:
        if connection.ping().wait(LONG_S):
            answered.set()
        for message in connection:
            connection.send(REPLY[:-1] + " " * len(message) + "}")

    with serve(handler, "127.0.0.1", 0, ssl=context, close_timeout=0.2, max_size=None) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"https://127.0.0.1:{server.socket.getsockname()[1]}"
        one = WebSocketSession(url, Access({}, verify_tls=False), LONG_S)
        wait_until(answered.is_set)
        assert one.request(RESET, LONG_S).pid == 5
        assert one.request(RESET + b" " * 3_000_000, LONG_S).pid == 5
        one.close()


def test_a_server_that_drips_bytes_does_not_put_the_timeout_off() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def drip() -> None:
            connection, _ = listener.accept()
            connection.recv(4096)
            for byte in b"HTTP/1.1 101 Switching Protocols\r\n" * 20:
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    connection.sendall(bytes([byte]))
                time.sleep(0.05)

        threading.Thread(target=drip, daemon=True).start()
        begin = time.monotonic()
        error = failure(lambda: session(f"http://127.0.0.1:{listener.getsockname()[1]}", 0.3))
    assert error.category == "connect_timeout"
    assert time.monotonic() - begin < 20


def test_thinking_leaves_the_next_requests_time_alone(start: Start) -> None:
    def slow(connection: ServerConnection) -> None:
        for _ in connection:
            time.sleep(0.3)
            connection.send(REPLY)

    one = session(start(slow))
    gevent.sleep(0.05)
    assert one.request(b" " * 900_000 + RESET, LONG_S).pid == 5


def test_what_comes_unasked_is_no_reply_to_the_next_request(start: Start) -> None:
    def eager(connection: ServerConnection) -> None:
        for _ in connection:
            unasked = Frame(Opcode.TEXT, REPLY.replace("5", "6").encode())
            both = (Frame(Opcode.TEXT, REPLY.encode()), unasked)
            connection.socket.sendall(b"".join(frame.serialize(mask=False) for frame in both))

    one = session(start(eager))
    assert one.request(RESET, LONG_S).pid == 5
    wait_until(partial(_has_message, one))
    assert failure(lambda: one.request(RESET, LONG_S)).category == "protocol"


def test_a_session_that_the_server_closes_is_lost_with_its_reason(start: Start) -> None:
    one = session(start(lambda connection: connection.close(1012, "restart")))
    error = failure(lambda: one.request(RESET, LONG_S))
    assert (error.category, error.session_over) == ("connection_lost", True)
    assert "1012" in error.detail
    assert "restart" in error.detail


def test_an_error_sent_before_the_close_is_the_reason(start: Start) -> None:
    def refuse(connection: ServerConnection) -> None:
        connection.send('{"type": "error", "data": {"code": "CAPACITY_REACHED", "message": "full"}}')

    assert failure(lambda: session(start(refuse)).request(RESET, LONG_S)).category == "capacity"


def test_a_port_where_nobody_listens_refuses() -> None:
    assert failure(lambda: session("http://127.0.0.1:9")).category == "refused"


@pytest.mark.parametrize(
    "response",
    [
        b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"",
    ],
)
def test_another_server_fails_the_handshake(response: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            connection.recv(4096)
            connection.sendall(response)
            connection.close()

        threading.Thread(target=answer, daemon=True).start()
        error = failure(lambda: session(f"http://127.0.0.1:{listener.getsockname()[1]}"))
    assert error.category == "handshake"
    if b"502" in response:
        assert "502" in error.detail


def test_garbage_instead_of_frames_is_a_protocol_error(start: Start) -> None:
    def handler(connection: ServerConnection) -> None:
        connection.recv()
        connection.socket.sendall(b"\xff" * 100)
        time.sleep(0.5)

    assert failure(lambda: session(start(handler)).request(RESET, LONG_S)).category == "protocol"


def test_a_session_that_is_closed_is_freed_without_a_collection_of_garbage(start: Start) -> None:
    url = start(echo)
    gc.disable()
    try:
        opened = session(url)
        opened.request(RESET, LONG_S)
        closed = weakref.ref(opened)
        opened.close()
        del opened
        wait_until(lambda: closed() is None)
    finally:
        gc.enable()


def test_a_session_that_is_closed_says_so(start: Start) -> None:
    said: list[Close | None] = []
    over = threading.Event()

    def handler(connection: ServerConnection) -> None:
        try:
            connection.recv(LONG_S)
        except ConnectionClosed as closed:
            said.append(closed.rcvd)
        over.set()

    session(start(handler)).close()
    assert over.wait(LONG_S)
    assert said == [Close(1000, "")]


def test_a_request_after_the_close_fails(start: Start) -> None:
    opened = session(start(echo))
    opened.close()
    assert failure(lambda: opened.request(RESET, LONG_S)).category == "connection_lost"
