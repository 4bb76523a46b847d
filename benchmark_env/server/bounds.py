"""What one connection may take, whatever its client does: time to send a request, and memory.

uvicorn waits for a request for ever, keeps headers of any size, and never lets go of a client that does not
read. Here each of these ends.
"""

import asyncio
from typing import cast

from uvicorn._types import ASGI3Application, ASGIReceiveEvent, ASGISendEvent
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.utils import ClientDisconnected
from websockets.frames import CloseCode, Frame

from .handshake import SessionProtocol

MOST_HEAD_BYTES = 64 * 1024
"""The longest request line with headers; a longer one gets status 431."""
MOST_HEADERS = 256
"""More get status 431 as well."""
MOST_IGNORED_BYTES = 256 * 1024
"""What is read of a body after its request has been answered."""
MOST_PINGS = 100
"""How many may arrive together, before a session is closed with code 1008."""
_STATUS = {
    400: b"400 Bad Request",
    408: b"408 Request Timeout",
    431: b"431 Request Header Fields Too Large",
}


class RequestProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol, where a request has to arrive, and its answer to be read, in time."""

    request_timeout: float = 0.0
    """Seconds for a whole request, from its first byte or from when the connection was made; 0 for ever."""
    _overdue: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None
    _in_head = True
    _ends = False
    _head_bytes = 0
    _ignored_bytes = 0
    _too_large = False
    _answering: RequestResponseCycle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The first request is due."""
        super().connection_made(transport)
        self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is due any more."""
        self._expect_nothing()
        if self._answering is not None and not self._answering.response_complete:
            # uvicorn tells only the newest request, which may wait behind this one.
            self._answering.disconnected = True
            self._answering.message_event.set()
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Takes a piece of a request."""
        self._ends = False
        super().data_received(data)
        if self.transport.is_closing():
            self._expect_nothing()
        elif self._in_head:
            # A piece that ends a request is of its body too, or of more than one head: it does not count.
            self._head_bytes += 0 if self._ends else len(data)
            if self._head_bytes > MOST_HEAD_BYTES:
                self._refuse(431)
            elif self.cycle is None or self.cycle.response_complete:
                # Even an empty line keeps uvicorn from closing an idle connection.
                self._expect()

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._in_head = True
        self._head_bytes = self._ignored_bytes = 0
        self._expect()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Takes a header. Raises ValueError, which refuses the request, if there are too many."""
        super().on_header(name, value)
        if len(self.headers) > MOST_HEADERS:
            self._too_large = True
            raise ValueError

    def on_headers_complete(self) -> None:
        """A request's head is there. Raises ValueError, which refuses the request, if it is too long."""
        self._in_head = False
        if len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers) > MOST_HEAD_BYTES:
            self._too_large = True
            raise ValueError
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Takes a piece of a body; one that nobody waits for any more is left where it is."""
        super().on_body(body)
        if self.cycle is not None and self.cycle.response_complete:
            self._ignored_bytes += len(body)
            if self._ignored_bytes > MOST_IGNORED_BYTES:
                self.flow.pause_reading()

    def on_message_complete(self) -> None:
        """A request is there."""
        self._in_head = self._ends = True
        self._expect_nothing()
        super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        """From now on another protocol has the connection."""
        self._in_head = False
        self._expect_nothing()
        super().handle_websocket_upgrade()

    def send_400_response(self, msg: str) -> None:
        """Refuses what is no request, or one that is too long."""
        if self._too_large:
            self._refuse(431)
        else:
            super().send_400_response(msg)

    def on_response_complete(self) -> None:
        """An answer is written; whether it has been read shows later."""
        super().on_response_complete()
        if self.transport.is_closing() and self.transport.get_write_buffer_size():
            self.pause_writing()

    def pause_writing(self) -> None:
        """The client does not read."""
        super().pause_writing()
        if self.request_timeout and self._unread is None:
            self._unread = self.loop.call_later(self.request_timeout, self.transport.abort)

    def resume_writing(self) -> None:
        """It does again."""
        super().resume_writing()
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def timeout_keep_alive_handler(self) -> None:
        """Ends an idle connection, even one with answers that nobody reads."""
        self.transport.abort()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    def _expect(self) -> None:
        if self.request_timeout and self._overdue is None:
            self._overdue = self.loop.call_later(self.request_timeout, self._give_up)

    def _expect_nothing(self) -> None:
        if self._overdue is not None:
            self._overdue.cancel()
            self._overdue = None

    def _give_up(self) -> None:
        cycle = self.cycle
        if cycle is not None and cycle.response_started and (cycle.more_body or not cycle.response_complete):
            self.transport.abort()
        else:
            self._refuse(408)

    def _refuse(self, status: int) -> None:
        self._expect_nothing()
        self.transport.write(_refusal(status))
        self.transport.close()


def requests_within(seconds: float) -> type[RequestProtocol]:
    """The protocol with this `request_timeout`: uvicorn makes its instances."""
    return type("RequestProtocol", (RequestProtocol,), {"request_timeout": seconds})


class BoundedSessionProtocol(SessionProtocol):
    """The WebSocket protocol, where a client that has stopped reading is found out and cut off."""

    _pings = 0

    def data_received(self, data: bytes) -> None:
        """Takes the handshake or frames."""
        self._pings = 0
        super().data_received(data)
        if not self.handshake_initiated and not self.transport.is_closing():
            # `websockets` has refused the request, which uvicorn does not notice.
            self.transport.write(b"".join(self.conn.data_to_send()) or _refusal(400))
            self.transport.close()

    def handle_ping(self) -> None:
        """Answers, unless earlier answers are still to be read, or there are too many."""
        self._pings += 1
        if self._pings > MOST_PINGS and not self.close_sent:
            self.conn.fail(CloseCode.POLICY_VIOLATION, "too many pings")
            self.handle_parser_exception()
        elif self.writable.is_set():
            super().handle_ping()
        else:
            self.conn.data_to_send()

    def handle_cont(self, event: Frame) -> None:
        """Takes a fragment. They are joined at once: one of a single byte would take forty."""
        whole: bytes | bytearray = self.frames[0]
        if not isinstance(whole, bytearray):
            whole = bytearray(whole)
            self.frames = [cast(bytes, whole)]
        whole += event.data
        if event.fin:
            self.send_receive_event_to_app()

    def send_receive_event_to_app(self) -> None:
        """Passes a message on. Text that is not UTF-8 ends the session, and is nothing to log."""
        (data,), self.frames = self.frames, []
        if self.close_sent:
            return
        if self.curr_msg_data_type == "text":
            try:
                self.queue.put_nowait({"type": "websocket.receive", "text": data.decode()})
            except UnicodeDecodeError:
                self.conn.fail(CloseCode.INVALID_DATA)
                self.handle_parser_exception()
                return
        else:
            self.queue.put_nowait({"type": "websocket.receive", "bytes": bytes(data)})
        if not self.read_paused:
            self.read_paused = True
            self.transport.pause_reading()

    async def send(self, message: ASGISendEvent) -> None:
        """Sends, or raises ClientDisconnected where the connection has been closed meanwhile."""
        try:
            await super().send(message)
        except RuntimeError as error:
            if self.close_sent:
                raise ClientDisconnected from error
            raise

    async def receive(self) -> ASGIReceiveEvent:
        """The next message. Of a client that sends many at once, others get their turn between two."""
        if not self.queue.empty():
            await asyncio.sleep(0)
        return await super().receive()

    def send_keepalive_ping(self) -> None:
        """Asks whether the client is there; one that does not even let the connection close is cut off."""
        if not self._cut_off_later():
            super().send_keepalive_ping()

    def keepalive_timeout(self) -> None:
        """Closes a session whose client does not answer."""
        if not self._cut_off_later():
            super().keepalive_timeout()
            self._cut_off_later()

    def _cut_off_later(self) -> bool:
        """Whether the connection is closing; if so, it has so many more seconds to be closed."""
        if not (self.close_sent or self.transport.is_closing()):
            return False
        # Where it is the one to be cancelled when the connection is lost.
        self.ping_timer = self.loop.call_later(self.close_timeout, self.transport.abort)
        return True


def _refusal(status: int) -> bytes:
    line = _STATUS[status]
    return (
        b"HTTP/1.1 %b\r\ncontent-type: text/plain; charset=utf-8\r\n" % line
        + b"content-length: %d\r\nconnection: close\r\n\r\n%b\n" % (len(line) + 1, line)
    )
