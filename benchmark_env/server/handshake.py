"""uvicorn's WebSocket protocol, with a shorter way through the usual handshake.

uvicorn has read the request before its WebSocket protocol sees it, and writes it out again for `websockets`,
which reads it a second time and checks it: a quarter of what a short session costs. Here the usual request is
taken as it was written, and accepted without `websockets`. Any other goes uvicorn's way.
"""

import re
from typing import TYPE_CHECKING, Any, NamedTuple, cast
from urllib.parse import unquote

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets import http11
from websockets.protocol import State
from websockets.utils import accept_key

if TYPE_CHECKING:
    from uvicorn._types import ASGIReceiveEvent, ASGISendEvent, WebSocketScope

_TEXT = 0x81
_MOST_BYTES = 4096
_MOST_HEADERS = 64
_TARGET = re.compile(rb"/[!-~]*")
_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9a-z-]+")
_VALUE = re.compile(rb"(?:[!-~](?:[\t -~]*[!-~])?)?")
_KEY = re.compile(rb"[0-9A-Za-z+/]{21}[AQgw]==")
_ONCE = (b"connection", b"upgrade", b"sec-websocket-key", b"sec-websocket-version")
_UNUSUAL = frozenset((b"sec-websocket-protocol", b"content-length", b"transfer-encoding"))


class Request(NamedTuple):
    """A handshake's request that may be accepted."""

    target: bytes
    """The path, with the query."""
    headers: list[tuple[bytes, bytes]]
    key: bytes


def usual_request(data: bytes) -> Request | None:
    """The request in what uvicorn writes for its WebSocket protocol; None where it is not a usual one."""
    head, end, after = data.partition(b"\r\n\r\n")
    line, *lines = head.split(b"\r\n")
    if not end or after or len(data) > _MOST_BYTES or len(lines) > _MOST_HEADERS:
        return None
    if not line.startswith(b"GET ") or not line.endswith(b" HTTP/1.1"):
        return None
    target = line[4:-9]
    headers: list[tuple[bytes, bytes]] = []
    for each in lines:
        name, _, value = each.partition(b": ")
        if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            return None
        headers.append((name, value))
    values = dict(headers)
    names = [name for name, _ in headers]
    if not _TARGET.fullmatch(target) or not _UNUSUAL.isdisjoint(values):
        return None
    if any(names.count(name) != 1 for name in _ONCE):
        return None
    key = values[b"sec-websocket-key"]
    if (
        values[b"connection"].lower() != b"upgrade"
        or values[b"upgrade"].lower() != b"websocket"
        or values[b"sec-websocket-version"] != b"13"
        or not _KEY.fullmatch(key)
    ):
        return None
    return Request(target, headers, key)


def text_frame(payload: bytes) -> bytes:
    """A whole message as a server sends it: one frame, not masked."""
    size = len(payload)
    if size < 126:
        return bytes((_TEXT, size)) + payload
    if size < 65536:
        return bytes((_TEXT, 126, size >> 8, size & 0xFF)) + payload
    return bytes((_TEXT, 127)) + size.to_bytes(8) + payload


class SessionProtocol(WebSocketsSansIOProtocol):
    """Accepts usual handshakes by itself. It negotiates no extension: those of uvicorn have to be off."""

    _usual: Request | None = None
    """The request, until it is accepted or handed to uvicorn."""
    _received = b""

    def data_received(self, data: bytes) -> None:
        """Begins a session with the first data, which is the whole request."""
        if not self.handshake_initiated and (request := usual_request(data)) is not None:
            self._begin(request, data)
            return
        if self._usual is not None:
            # A client that does not wait for the reply: only uvicorn's way keeps what it sends until then.
            self._hand_over()
        super().data_received(data)

    def _begin(self, request: Request, data: bytes) -> None:
        self._usual, self._received = request, data
        self.handshake_initiated = True
        path, _, query = request.target.partition(b"?")
        root = self.root_path
        self.scope = cast(
            "WebSocketScope",
            {
                "type": "websocket",
                "asgi": {"version": self.asgi_version, "spec_version": "2.4"},
                "http_version": "1.1",
                "scheme": self.scheme,
                "server": self.server,
                "client": self.client,
                "root_path": root,
                "path": root + unquote(path.decode("ascii")),
                "raw_path": root.encode("ascii") + path,
                "query_string": query,
                "headers": request.headers,
                "subprotocols": [],
                "state": self.app_state.copy(),
                "extensions": {"websocket.http.response": {}},
            },
        )
        self.queue.put_nowait(cast("ASGIReceiveEvent", {"type": "websocket.connect"}))
        task = self.loop.create_task(self.run_asgi())
        task.add_done_callback(self.on_task_complete)
        self.tasks.add(task)

    async def send(self, message: "ASGISendEvent") -> None:
        """Accepts the usual handshake; all else is uvicorn's."""
        if self._usual is not None:
            if message["type"] == "websocket.accept" and self._accept(self._usual, cast(Any, message)):
                return
            self._hand_over()
        elif self._sends_plainly(message):
            return
        await super().send(message)

    def _sends_plainly(self, message: "ASGISendEvent") -> bool:
        """Sends a text, where nothing is in the way."""
        text = cast(Any, message).get("text") if message["type"] == "websocket.send" else None
        if text is None or self.conn.state is not State.OPEN or self.disconnected or self.close_sent:
            return False
        if not self.writable.is_set() or cast(Any, message).get("bytes") is not None:
            return False
        self.transport.write(text_frame(text.encode()))
        return True

    def send_500_response(self) -> None:
        """Tells that the application failed before it accepted."""
        self._hand_over()
        super().send_500_response()

    def _accept(self, request: Request, message: dict[str, Any]) -> bool:
        """Accepts, if the application asked for nothing but headers."""
        headers = [*self.default_headers, *message.get("headers", ())]
        if message.get("subprotocol") or self.disconnected or self.transport.is_closing():
            return False
        if not all(_NAME.fullmatch(name) and _VALUE.fullmatch(value) for name, value in headers):
            return False
        self._usual = None
        self.handshake_complete = True
        self.conn.state = State.OPEN
        # From now on it reads frames.
        self.conn.parser = self.conn.parse()
        next(self.conn.parser)
        accept = accept_key(request.key.decode("ascii")).encode("ascii")
        lines = [b"%b: %b\r\n" % header for header in headers]
        self.transport.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: %b\r\n%b\r\n" % (accept, b"".join(lines))
        )
        self.start_keepalive()
        return True

    def _hand_over(self) -> None:
        """Has `websockets` read the request after all, for what only it does."""
        if self._usual is None:
            return
        self._usual = None
        self.conn.receive_data(self._received)
        (event,) = self.conn.events_received()
        assert isinstance(event, http11.Request)
        self.request = event
        self.response = self.conn.accept(self.request)
