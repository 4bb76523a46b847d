import asyncio
import contextlib
import selectors
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
import uvloop
from uvicorn import Config
from uvicorn.server import ServerState
from websockets.frames import CloseCode, Frame, Opcode

from benchmark_env.server.bounds import (
    MOST_HEAD_BYTES,
    MOST_HEADERS,
    BoundedSessionProtocol,
    requests_within,
)

LONG_S = 60.0
"""Of whatever is not to end a connection."""
TIMEOUT_S = 0.3
PING_S = 0.2
GET = b"GET / HTTP/1.1\r\nhost: a\r\n"
POST = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\n"
HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nhost: a\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
    b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n"
)
BIG = b"x" * 1_000_000
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Answers requests with their body, or with a lot, and texts with themselves."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": message.get("text") or str(message["bytes"])})
        return
    body, more = b"", scope["path"] != "/early"
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body, more = body + message.get("body", b""), message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": BIG if scope["path"] == "/big" else body})


class JumpingSelector(selectors.DefaultSelector):
    """Does not wait for a time: while nothing comes in, the clock jumps there."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        found = super().select(timeout if timeout is None else 0)
        if not found and timeout:
            self.now += timeout
        return found


class JumpingLoop(asyncio.SelectorEventLoop):
    """An event loop in which everything takes no time but waiting."""

    def __init__(self) -> None:
        self._clock = JumpingSelector()
        super().__init__(self._clock)

    def time(self) -> float:
        return self._clock.now


def config_with(timeout_s: float, ping_s: float) -> Config:
    """The protocols as a worker has them."""
    config = Config(
        cast(Any, application),
        http=requests_within(timeout_s),
        ws=BoundedSessionProtocol,
        ws_per_message_deflate=False,
        ws_ping_interval=ping_s,
        ws_ping_timeout=ping_s,
        interface="asgi3",
        log_config=None,
    )
    config.load()
    return config


@asynccontextmanager
async def served(ping_s: float) -> AsyncIterator[tuple[ServerState, int]]:
    """What the server knows, and its port."""
    config, state = config_with(LONG_S, ping_s), ServerState()
    listener = socket.create_server(("127.0.0.1", 0))
    # The kernel would keep megabytes for a client that does not read.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    server = await asyncio.get_running_loop().create_server(
        lambda: cast(Any, config.http_protocol_class)(config, state, {}), sock=listener
    )
    try:
        yield state, server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for connection in list(state.connections):
            cast(Any, connection).transport.abort()


def play(client: Callable[[ServerState, int], Awaitable[None]], *, ping_s: float = LONG_S) -> None:
    async def scenario() -> None:
        async with asyncio.timeout(LONG_S), served(ping_s) as (state, port):
            await client(state, port)

    uvloop.run(scenario())


async def exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, pieces: Iterable[bytes], every_s: float
) -> bytes:
    """All that a client reads, which sends these pieces, until the server ends the connection."""
    read: list[bytes] = []

    async def send() -> None:
        with contextlib.suppress(ConnectionError):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(every_s)

    sending = asyncio.create_task(send())
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            read.append(data)
    sending.cancel()
    writer.close()
    return b"".join(read)


def what_comes_of(*pieces: bytes, every_s: float = 0.0) -> bytes:
    """All that a client reads, which sends these pieces, until the server ends the connection."""
    read: list[bytes] = []

    async def client(_state: ServerState, port: int) -> None:
        read.append(await exchange(*await asyncio.open_connection("127.0.0.1", port), pieces, every_s))

    play(client)
    return read[0]


def what_comes_in_time(*pieces: bytes, every_s: float = 0.0) -> bytes:
    """The same where each request has `TIMEOUT_S`, of which only the pauses between pieces take any."""

    async def scenario() -> bytes:
        ours, theirs = socket.socketpair()
        config, state = config_with(TIMEOUT_S, LONG_S), ServerState()
        await asyncio.get_running_loop().connect_accepted_socket(
            lambda: cast(Any, config.http_protocol_class)(config, state, {}), theirs
        )
        async with asyncio.timeout(LONG_S):
            return await exchange(*await asyncio.open_connection(sock=ours), pieces, every_s)

    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        return runner.run(scenario())


def statuses(read: bytes) -> list[int]:
    return [int(line[9:12]) for line in read.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]


@pytest.mark.parametrize(
    "pieces",
    [[], [GET], [POST], [POST, b"12345"], [b"\r\n"], [b"G"]],
    ids=["nothing", "half a head", "no body", "half a body", "an empty line", "a byte"],
)
def test_a_request_that_does_not_arrive_in_time_is_refused(pieces: list[bytes]) -> None:
    assert statuses(what_comes_in_time(*pieces)) == [408]


def test_a_request_that_keeps_arriving_slowly_is_refused_all_the_same() -> None:
    slowly = [bytes((byte,)) for byte in GET + b"\r\n"]
    assert statuses(what_comes_in_time(*slowly, every_s=TIMEOUT_S * 0.13)) == [408]


def test_each_request_of_a_connection_has_its_own_time() -> None:
    requests = [GET + b"\r\n", b"GET / HTTP/1.1\r\n", b"host: a\r\n\r\n", POST, b"1234567890", POST, b"12345"]
    read = what_comes_in_time(*requests, every_s=TIMEOUT_S * 0.6)
    assert statuses(read) == [200, 200, 200, 408]


def test_a_body_that_never_ends_gets_no_second_answer() -> None:
    early = b"POST /early HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\n"
    assert statuses(what_comes_in_time(early, b"12345", every_s=0.02)) == [200]


def test_empty_lines_after_a_request_do_not_keep_a_connection() -> None:
    read = what_comes_in_time(GET + b"\r\n", *([b"\r\n"] * 20), every_s=TIMEOUT_S * 0.23)
    assert statuses(read) == [200, 408]


@pytest.mark.parametrize(
    "pieces",
    [
        [GET + b"a: " + b"b" * MOST_HEAD_BYTES + b"\r\n\r\n"],
        [GET + b"".join(b"a%d: b\r\n" % number for number in range(10_000)) + b"\r\n"],
        [b"GET /" + b"a" * MOST_HEAD_BYTES + b" HTTP/1.1\r\nhost: a\r\n\r\n"],
        [HANDSHAKE + b"a: " + b"b" * MOST_HEAD_BYTES + b"\r\n\r\n"],
        [GET + b"a: ", *([b"b" * 4096] * 40)],
    ],
    ids=["long header", "many headers", "long path", "long header of a handshake", "endless header"],
)
def test_a_head_that_is_too_long_is_refused(pieces: list[bytes]) -> None:
    assert statuses(what_comes_of(*pieces)) in ([431], [])


def test_a_head_that_is_nearly_too_long_is_served() -> None:
    most = b"a: " + b"b" * (MOST_HEAD_BYTES - 100) + b"\r\nconnection: close\r\n\r\n"
    assert statuses(what_comes_of(GET + most)) == [200]


@pytest.mark.parametrize(("headers", "status"), [(MOST_HEADERS, 200), (MOST_HEADERS + 1, 431)])
def test_a_head_has_so_many_headers_and_no_more(headers: int, status: int) -> None:
    others = b"".join(b"a%d: b\r\n" % number for number in range(headers - 2))
    assert statuses(what_comes_of(GET + b"connection: close\r\n" + others + b"\r\n")) == [status]


def test_each_request_of_a_connection_may_have_a_long_head() -> None:
    begin = GET + b"a: " + b"b" * (MOST_HEAD_BYTES // 4)
    ends = (b"\r\n\r\n", b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n")
    pieces = [piece for end in ends for piece in (begin, b"b" * (MOST_HEAD_BYTES // 2) + end)]
    assert statuses(what_comes_of(*pieces, every_s=0.02)) == [200, 200, 200]


@pytest.mark.parametrize("every_s", [0.0, 0.02])
@pytest.mark.parametrize("length", [MOST_HEAD_BYTES - 1, 2 * MOST_HEAD_BYTES, 1_000_000])
def test_a_long_body_is_not_taken_for_a_head(length: int, every_s: float) -> None:
    head = b"POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % length
    body = b"x" * length
    assert statuses(what_comes_of(head, body[: length // 4], body[length // 4 :], every_s=every_s)) == [200]


def test_a_handshake_that_websockets_refuses_is_answered() -> None:
    headers = b"".join(b"a%d: b\r\n" % number for number in range(200))
    assert statuses(what_comes_of(HANDSHAKE + headers + b"\r\n")) == [431]


async def session(port: int) -> Connection:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(HANDSHAKE + b"\r\n")
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
    return reader, writer


async def unread(port: int) -> socket.socket:
    """A connection that takes little before it is read."""
    connection = socket.socket()
    connection.setblocking(False)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", port))
    return connection


async def all_gone(state: ServerState) -> None:
    while state.connections or state.tasks:  # noqa: ASYNC110
        await asyncio.sleep(0.02)


async def only_connection(state: ServerState) -> Any:
    while not state.connections:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    (connection,) = state.connections
    return connection


async def next_frame(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """The first byte and the data of the next short frame that is no ping."""
    while True:
        kind, length = await reader.readexactly(2)
        data = await reader.readexactly(length)
        if kind != 0x80 | Opcode.PING:
            return kind, data


def framed(opcode: Opcode, data: bytes = b"", *, fin: bool = True) -> bytes:
    return Frame(opcode, data, fin).serialize(mask=True)


def test_a_session_whose_client_does_not_answer_pings_is_closed() -> None:
    async def client(state: ServerState, port: int) -> None:
        reader, writer = await session(port)
        frames = await reader.read()
        assert frames.endswith(framed_by_a_server(CloseCode.INTERNAL_ERROR, b"keepalive ping timeout"))
        await all_gone(state)
        writer.close()

    play(client, ping_s=PING_S)


def framed_by_a_server(code: CloseCode, reason: bytes = b"") -> bytes:
    return Frame(Opcode.CLOSE, code.to_bytes(2) + reason).serialize(mask=False)


def test_a_session_in_mid_frame_is_closed() -> None:
    async def client(state: ServerState, port: int) -> None:
        _, writer = await session(port)
        writer.write(framed(Opcode.TEXT, b"x" * 1000)[:50])
        await all_gone(state)
        writer.close()

    play(client, ping_s=PING_S)


@pytest.mark.parametrize(
    "piece",
    [framed(Opcode.TEXT, b"x" * 1000) * 50, framed(Opcode.PING, b"x" * 125) * 50],
    ids=["messages", "pings"],
)
def test_a_session_that_is_not_read_is_cut_off_and_little_is_kept_for_it(
    piece: bytes,
) -> None:
    async def client(state: ServerState, port: int) -> None:
        loop = asyncio.get_running_loop()
        with await unread(port) as connection:
            await loop.sock_sendall(connection, HANDSHAKE + b"\r\n")
            while not isinstance(await only_connection(state), BoundedSessionProtocol):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            most = most_queued = 0

            async def send() -> None:
                for _ in range(4000):
                    await loop.sock_sendall(connection, piece)
                    await asyncio.sleep(0)

            sending = asyncio.create_task(send())
            while state.connections or state.tasks:
                await asyncio.sleep(0.01)
                for each in state.connections:
                    cast(Any, each).close_timeout = 0.2
                    most = max(most, cast(Any, each).transport.get_write_buffer_size())
                    most_queued = max(most_queued, cast(Any, each).queue.qsize())
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            assert 0 < most < 300_000
            assert most_queued < 1000

    play(client, ping_s=PING_S)


def test_a_client_that_does_not_read_its_answers_is_cut_off(caplog: pytest.LogCaptureFixture) -> None:
    async def client(state: ServerState, port: int) -> None:
        with await unread(port) as connection:
            (await only_connection(state)).request_timeout = TIMEOUT_S
            request = b"GET /big HTTP/1.1\r\nhost: a\r\n\r\n"
            await asyncio.get_running_loop().sock_sendall(connection, request * 20)
            await all_gone(state)

    play(client)
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


def test_a_client_that_reads_again_is_not_cut_off() -> None:
    async def client(state: ServerState, port: int) -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        connection = await only_connection(state)
        connection.pause_writing()
        cuts_off = connection._unread
        connection.resume_writing()
        assert cuts_off.cancelled()
        connection.pause_writing()
        assert connection._unread not in (None, cuts_off)
        writer.close()

    play(client)


def test_nothing_is_due_of_a_connection_that_is_gone() -> None:
    async def client(state: ServerState, port: int) -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        connection = await only_connection(state)
        due = connection._overdue
        assert not due.cancelled()
        writer.close()
        await all_gone(state)
        assert due.cancelled()

    play(client)


@pytest.mark.parametrize("header", [b"", b"connection: close\r\n"], ids=["is idle", "is to be closed"])
def test_a_connection_that_is_done_ends_although_its_answer_is_not_read(header: bytes) -> None:
    """So little is not noticed where it is written."""

    async def client(state: ServerState, port: int) -> None:
        length = 40_000
        request = b"POST / HTTP/1.1\r\nhost: a\r\n%bcontent-length: %d\r\n\r\n" % (header, length)
        with await unread(port) as connection:
            served = await only_connection(state)
            served.request_timeout = TIMEOUT_S
            await asyncio.get_running_loop().sock_sendall(connection, request + b"x" * length)
            if not header:
                while not served.transport.get_write_buffer_size():  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
                assert served._unread is None
                served.timeout_keep_alive_handler()
            await all_gone(state)

    play(client)


def test_a_session_that_floods_with_pings_is_closed() -> None:
    async def client(_state: ServerState, port: int) -> None:
        reader, writer = await session(port)
        for _ in range(3):
            writer.write(framed(Opcode.PING) * 90)
            assert {await next_frame(reader) for _ in range(90)} == {(0x80 | Opcode.PONG, b"")}
        writer.write(framed(Opcode.PING) * 200)
        assert framed_by_a_server(CloseCode.POLICY_VIOLATION, b"too many pings") in await reader.read()
        writer.close()

    play(client)


def test_a_body_after_its_answer_is_read_if_short_and_left_if_long() -> None:
    async def client(state: ServerState, port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        early = b"POST /early HTTP/1.1\r\nhost: a\r\ncontent-length: 100000\r\n\r\n"
        for _ in range(4):
            writer.write(early)
            assert (await reader.readuntil(b"0\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
            writer.write(b"x" * 100_000)
            await asyncio.sleep(0.02)
        writer.write(b"POST /early HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000000\r\n\r\n")
        await reader.readuntil(b"0\r\n\r\n")
        connection = await only_connection(state)
        connection._expect_nothing()
        connection.request_timeout = TIMEOUT_S
        connection._expect()
        sent = 0
        with contextlib.suppress(ConnectionError):
            while True:
                writer.write(b"x" * 65536)
                await writer.drain()
                sent += 65536
        assert sent < 100_000_000

    play(client)


def test_a_session_that_sends_much_at_once_leaves_others_their_turn() -> None:
    async def client(_state: ServerState, port: int) -> None:
        (busy, flood), (reader, writer) = await session(port), await session(port)
        flood.write(framed(Opcode.TEXT, b"a") * 3000)
        writer.write(framed(Opcode.TEXT, b"b"))
        assert await next_frame(reader) == (0x80 | Opcode.TEXT, b"b")
        read = await busy.read(100_000)
        assert len(read) < 1000
        flood.close()
        writer.close()

    play(client)


@pytest.mark.parametrize("before", [b"", framed(Opcode.TEXT, b"a")], ids=["alone", "after a message"])
def test_text_that_is_not_utf8_closes_with_its_code_and_logs_nothing(
    before: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async def client(state: ServerState, port: int) -> None:
        reader, writer = await session(port)
        writer.write(before + framed(Opcode.TEXT, b"\xff"))
        assert await reader.read() == framed_by_a_server(CloseCode.INVALID_DATA)
        await all_gone(state)
        writer.close()

    play(client)
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


@pytest.mark.parametrize(("opcode", "answer"), [(Opcode.TEXT, b"abc"), (Opcode.BINARY, b"b'abc'")])
def test_fragments_are_one_message(opcode: Opcode, answer: bytes) -> None:
    async def client(_state: ServerState, port: int) -> None:
        reader, writer = await session(port)
        writer.write(framed(opcode, b"a", fin=False) + framed(Opcode.CONT, fin=False))
        writer.write(framed(Opcode.CONT, b"b", fin=False) + framed(Opcode.CONT, b"c"))
        assert await next_frame(reader) == (0x80 | Opcode.TEXT, answer)
        writer.close()

    play(client)
