import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, cast

import pytest
from uvicorn import Config
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.frames import Close, Frame, Opcode

from benchmark_env.server.handshake import SessionProtocol, usual_request

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
USUAL = (
    b"host: 127.0.0.1:8000",
    b"upgrade: websocket",
    b"connection: Upgrade",
    b"sec-websocket-key: " + KEY,
    b"sec-websocket-version: 13",
    b"sec-websocket-extensions: permessage-deflate; client_max_window_bits",
    b"user-agent: Python/3.11 websockets/17.4",
)
Messages = list[dict[str, Any]]
Application = Callable[[Any, Any, Any], Awaitable[None]]


def request(*lines: bytes, start: bytes = b"GET /ws HTTP/1.1") -> bytes:
    return b"\r\n".join((start, *(lines or USUAL), b"", b""))


class Transport(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = False

    def write(self, data: Any) -> None:
        self.written += data

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("127.0.0.1", 5) if name in ("peername", "sockname") else default

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


def served(
    kind: type[WebSocketsSansIOProtocol], pieces: list[bytes], application: Application
) -> tuple[object, ...]:
    """What the application sees and the client gets."""
    scopes: list[dict[str, Any]] = []

    async def noting(scope: Any, receive: Any, send: Any) -> None:
        scopes.append(dict(scope))
        await application(scope, receive, send)

    async def serve() -> Transport:
        config = Config(cast(Any, noting), ws=kind, ws_per_message_deflate=False, interface="asgi3")
        config.load()
        state = ServerState()
        state.default_headers = [(b"server", b"uvicorn")]
        transport = Transport()
        protocol = kind(config, state, {})
        protocol.connection_made(transport)
        for piece in pieces:
            if not transport.closed:
                protocol.data_received(piece)
            for _ in range(10):
                await asyncio.sleep(0)
        protocol.connection_lost(ConnectionError())
        for _ in range(10):
            await asyncio.sleep(0)
        return transport

    transport = asyncio.run(serve())
    head, _, body = transport.written.partition(b"\r\n\r\n")
    status, *headers = head.split(b"\r\n")
    plain = sorted(each.partition(b": ")[::2] for each in headers)
    told = [(name.lower(), value) for name, value in plain if name.lower() != b"date"]
    return scopes, status, told, body, transport.closed


def framed(opcode: Opcode, data: bytes) -> bytes:
    return Frame(opcode, data).serialize(mask=True)


async def echo(_scope: Any, receive: Any, send: Any) -> None:
    assert (await receive())["type"] == "websocket.connect"
    await send({"type": "websocket.accept", "headers": [(b"x-served-by", b"here;pid=1")]})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message["text"]})


def that_sends(*messages: dict[str, Any]) -> Application:
    async def application(_scope: Any, receive: Any, send: Any) -> None:
        await receive()
        for message in messages:
            await send(message)

    return application


async def failing(_scope: Any, receive: Any, _send: Any) -> None:
    await receive()
    raise RuntimeError("no")


APPLICATIONS = {
    "echo": echo,
    "failing": failing,
    "silent": that_sends(),
    "closing": that_sends({"type": "websocket.close"}),
    "closing later": that_sends({"type": "websocket.accept"}, {"type": "websocket.close", "code": 1008}),
    "subprotocol": that_sends({"type": "websocket.accept", "subprotocol": "a"}),
    "refusing": that_sends(
        {"type": "websocket.http.response.start", "status": 503, "headers": [(b"x-a", b"b")]},
        {"type": "websocket.http.response.body", "body": b"full"},
    ),
    "empty header": that_sends({"type": "websocket.accept", "headers": [(b"x-a", b"")]}),
    "bad header": that_sends({"type": "websocket.accept", "headers": [(b"x-a", b"b\r\nx-c: d")]}),
}
MESSAGES = [
    framed(Opcode.TEXT, b"one"),
    framed(Opcode.PING, b"p"),
    framed(Opcode.CLOSE, Close(1000, "").serialize()),
]


@pytest.mark.parametrize("name", APPLICATIONS)
@pytest.mark.parametrize("together", [False, True])
def test_applications_see_and_do_the_same(name: str, together: bool) -> None:
    assert usual_request(request()) is not None
    pieces = [request(), b"".join(MESSAGES)] if together else [request(), *MESSAGES]
    application = APPLICATIONS[name]
    assert served(SessionProtocol, pieces, application) == served(
        WebSocketsSansIOProtocol, pieces, application
    )


def test_a_client_that_does_not_wait_for_the_reply_is_served_alike() -> None:
    async def slow(scope: Any, receive: Any, send: Any) -> None:
        for _ in range(15):
            await asyncio.sleep(0)
        await echo(scope, receive, send)

    pieces = [request(), *MESSAGES]
    assert served(SessionProtocol, pieces, slow) == served(WebSocketsSansIOProtocol, pieces, slow)


OTHER_LINES = (
    *(b"connection: keep-alive, Upgrade", b"connection: close", b"upgrade: WebSocket", b"upgrade: h2c"),
    *(b"sec-websocket-version: 8", b"sec-websocket-key: a", b"sec-websocket-key: AAAA", b"x-a: "),
    *(b"sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAB==", b"sec-websocket-protocol: a, b"),
    *(b"content-length: 1", b"transfer-encoding: chunked", b"x-b: \xe4", b"x-c:d", b"origin: http://e"),
    b"x_d: \t e",
)
OTHER_STARTS = (
    *(b"GET /ws?a=b&c HTTP/1.1", b"GET /%C3%A4 HTTP/1.1", b"POST /ws HTTP/1.1", b"GET /ws HTTP/1.0"),
    *(b"GET http://h/ws HTTP/1.1", b"GET /a b HTTP/1.1", b"GET /\xe4 HTTP/1.1"),
)


def with_line(line: bytes) -> bytes:
    """A request with this header instead of the usual one of its name."""
    name = line.partition(b":")[0]
    return request(*(each for each in USUAL if not each.startswith(name + b":")), line)


def requests(rng: random.Random) -> Iterator[bytes]:
    """Requests, most of them spoilt in a way or two."""
    for _ in range(150):
        lines = list(USUAL)
        for _ in range(rng.choice((0, 0, 1, 1, 2))):
            match rng.randrange(3):
                case 0:
                    lines.insert(rng.randint(0, len(lines)), rng.choice(OTHER_LINES))
                case 1:
                    lines[rng.randrange(len(lines))] = rng.choice(OTHER_LINES)
                case _:
                    del lines[rng.randrange(len(lines))]
        yield request(*lines, start=rng.choice(OTHER_STARTS) if rng.random() < 0.3 else b"GET /ws HTTP/1.1")


@pytest.mark.parametrize("seed", range(3))
def test_requests_are_accepted_and_refused_alike(seed: int) -> None:
    usual = 0
    for data in requests(random.Random(seed)):
        usual += usual_request(data) is not None
        pieces = [data, *MESSAGES]
        assert served(SessionProtocol, pieces, echo) == served(WebSocketsSansIOProtocol, pieces, echo), data
    assert 30 < usual < 120


@pytest.mark.parametrize(
    "data", [*map(with_line, OTHER_LINES), *(request(start=start) for start in OTHER_STARTS)]
)
def test_each_kind_of_request_is_accepted_or_refused_alike(data: bytes) -> None:
    pieces = [data, *MESSAGES]
    assert served(SessionProtocol, pieces, echo) == served(WebSocketsSansIOProtocol, pieces, echo)


@pytest.mark.parametrize("length", [0, 1, 125, 126, 65535, 65536])
def test_replies_of_any_length_are_framed_alike(length: int) -> None:
    pieces = [request(), framed(Opcode.TEXT, b"x" * length), framed(Opcode.TEXT, "ä€".encode())]
    assert served(SessionProtocol, pieces, echo) == served(WebSocketsSansIOProtocol, pieces, echo)
