"""One OpenEnv session over WebSocket: a connection that the hub reads, whether or not somebody waits."""

import contextlib
import ipaddress
import json
import ssl
import time
from collections.abc import Mapping
from functools import cache
from typing import Any

import gevent
from gevent import getcurrent, socket
from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake
from websockets.frames import Close, CloseCode, Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.uri import WebSocketURI

from loadtests.protocol.access import Access
from loadtests.protocol.deadlines import DEADLINES, NEVER
from loadtests.protocol.frames import MAX_MESSAGE_BYTES, MessageReader, TextFrame
from loadtests.protocol.handshake import Opening, new_key, opening, plain_reply, websocket_uri
from loadtests.protocol.replies import NOBODY, Answer, OperationError, parse_message, served_by
from loadtests.protocol.sources import PlainSocket, begin_to_connect

_RECEIVE_BYTES = 65536
_END_OF_HEAD = b"\r\n\r\n"
_NOT_NOW = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
_READABLE, _WRITABLE = 1, 2
RESET = b'{"type": "reset", "data": {}}'
_CLOSE = Frame(Opcode.CLOSE, Close(CloseCode.NORMAL_CLOSURE, "").serialize()).serialize(mask=True)


class WebSocketSession:
    """A connection to `/ws` of an OpenEnv server, one request at a time.

    Every method that talks to the server may raise OperationError; the session is then over, except after
    errors that say otherwise. Pings are answered at any time.
    """

    def __init__(self, base_url: str, access: Access, connect_timeout_s: float) -> None:
        """Connects and shakes hands, within `connect_timeout_s` seconds."""
        self._uri = websocket_uri(base_url)
        self._upstream_header = access.upstream_header
        self._responder = NOBODY
        self._protocol: ClientProtocol | None = None
        self._reader = MessageReader(self._full_protocol)
        self._handshake: bytearray | None = bytearray()
        """What came of the reply to the handshake and was not read yet; None: it is over."""
        self._at_end = False
        self._socket: socket.socket | PlainSocket | None = None
        self._reading: Any = None
        self._writing: Any = None
        self._unsent = bytearray()
        self._lost: OSError | None = None
        self._hub = gevent.get_hub()
        self._waiter: gevent.greenlet | None = None
        self._timed_out = False
        self.due = NEVER
        try:
            self._connect(access, connect_timeout_s)
            self._shake_hands(opening(base_url, access.headers))
        except BaseException as error:
            self.abort()
            if isinstance(error, OSError | OperationError):
                raise _connect_failure(error, connect_timeout_s) from error
            raise
        finally:
            self._waiter = None
            self.due = NEVER

    def served_by(self) -> Answer:
        """Who accepted the connection, as far as the handshake's headers tell."""
        return self._responder

    def request(self, message: bytes, timeout_s: float, *, whole: bool = False) -> Answer:
        """Sends one message, framed or not, and reads its reply, within `timeout_s` seconds.

        The answer holds the `whole` observation or only what it says about the server.
        """
        messages = self._reader.messages
        if messages:
            # Only an error may come unasked, like the one that turns a session away.
            parse_message(messages.pop(0))
            raise OperationError("protocol", "the server sent a message that nothing asked for")
        if self._lost is None and self._reader.open:
            try:
                self._send(message if type(message) is TextFrame else TextFrame.of(message))
            except OSError as error:
                raise OperationError("connection_lost", str(error)) from error
        self._begin_to_wait(time.monotonic() + timeout_s)
        try:
            while not messages:
                if self._lost is not None:
                    raise OperationError("connection_lost", str(self._lost)) from self._lost
                if not self._reader.open:
                    raise self._ended()
                if self._timed_out:
                    raise OperationError("timeout", f"no reply within {timeout_s:g} s")
                self._hub.switch()
        finally:
            self._waiter = None
            self.due = NEVER
        return parse_message(messages.pop(0), whole=whole)

    def time_out(self) -> None:
        """Ends the request that waits for its reply."""
        self._timed_out = True
        self._wake()

    def close(self) -> None:
        """Sends a close frame if that is possible at once, and closes the connection."""
        if self._reader.open and self._handshake is None and self._socket is not None and not self._unsent:
            with contextlib.suppress(OSError):
                self._send_some(_CLOSE)
        self.abort()

    def abort(self) -> None:
        """Closes the connection without a close frame."""
        for watcher in (self._reading, self._writing):
            if watcher is not None:
                watcher.close()
        self._reading = self._writing = None
        DEADLINES.waiters.discard(self)
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _connect(self, access: Access, timeout_s: float) -> None:
        """Opens a connection, or begins to: what is sent meanwhile waits until it is open."""
        give_up = time.monotonic() + timeout_s
        uri = self._uri
        plain: socket.socket | PlainSocket
        if not uri.secure and _is_address(uri.host):
            self._socket = plain = begin_to_connect(uri.host, uri.port)
        else:
            # Name resolution, each address and TLS have time-outs of their own: this one covers them all.
            with gevent.Timeout(timeout_s, TimeoutError):
                connection = self._socket = _open_socket(uri, access, timeout_s)
            connection.settimeout(0)
            # What gevent wraps around the plain socket is for those that wait.
            plain = connection if uri.secure else connection._sock
        self._receive, self._send_some = plain.recv, plain.send
        self._descriptor = plain.fileno()
        self._reading = self._hub.loop.io(self._descriptor, _READABLE)
        DEADLINES.waiters.add(self)
        self._begin_to_wait(give_up)

    def _begin_to_wait(self, until: float) -> None:
        """Until a moment of the monotonic clock, the greenlet that runs now is the one to be woken."""
        self._timed_out = False
        self.due = until
        if until < DEADLINES.next_look:
            DEADLINES.look_at(until)
        self._waiter = getcurrent()

    def _shake_hands(self, request: Opening) -> None:
        key = new_key()
        self._send(request.before + key + request.after)
        self._reading.start(self._read)
        received = self._next_of_handshake()
        if (plain := plain_reply(received, key)) is not None:
            headers, after = plain
            upstream = headers.get(self._upstream_header.lower().encode())
            self._responder = served_by(_text(headers.get(b"x-served-by")), _text(upstream))
        else:
            after = self._shake_hands_in_full(received, key)
        self._handshake = None
        if after and self._reader.feed(after):
            self._answer()
        if self._at_end:
            self._reader.feed_eof()

    def _shake_hands_in_full(self, data: bytes, key: bytes) -> bytes:
        """Reads a reply that begins with `data`. Returns what came with it and is no part of it."""
        protocol = self._protocol = ClientProtocol(self._uri, max_size=MAX_MESSAGE_BYTES)
        protocol.key = key.decode()
        received = bytearray()
        after = b""
        while True:
            before = len(received)
            received += data
            end = received.find(_END_OF_HEAD, max(0, before - len(_END_OF_HEAD) + 1))
            size = len(data) if end < 0 else end + len(_END_OF_HEAD) - before
            after = data[size:]
            if data:
                protocol.receive_data(data[:size])
            else:
                protocol.receive_eof()
            if after and _is_shaking_hands(protocol):
                protocol.receive_data(after)  # the body of a refusal
            if not _is_shaking_hands(protocol):
                break
            data = self._next_of_handshake()
        response = next((event for event in protocol.events_received() if isinstance(event, Response)), None)
        if (error := protocol.handshake_exc) is not None:
            raise OperationError("handshake", _handshake_failure(response, error))
        if response is not None:
            of = response.headers.get_all
            self._responder = served_by(_one(of("X-Served-By")), _one(of(self._upstream_header)))
        return after

    def _next_of_handshake(self) -> bytes:
        """What comes next, at least a byte; nothing at the end."""
        while not self._handshake:
            if self._lost is not None:
                raise self._lost
            if self._at_end:
                return b""
            if self._timed_out:
                raise TimeoutError
            self._hub.switch()
        data = bytes(self._handshake)
        self._handshake.clear()
        return data

    def _full_protocol(self) -> ClientProtocol:
        """The protocol of the open connection, made when something comes that needs it."""
        if self._protocol is None:
            self._protocol = ClientProtocol(self._uri, state=State.OPEN, max_size=MAX_MESSAGE_BYTES)
        return self._protocol

    def _read(self) -> None:
        try:
            data = self._receive(_RECEIVE_BYTES)
        except _NOT_NOW:
            return
        except OSError as error:
            self._lose(error)
            return
        reader = self._reader
        if self._handshake is not None:
            self._read_handshake(data)
            return
        if not data:
            self._reading.stop()
            reader.feed_eof()
        elif reader.feed(data):
            self._answer()
        if self._waiter is not None and (reader.messages or not reader.open):
            self._waiter.switch()

    def _read_handshake(self, data: bytes) -> None:
        assert self._handshake is not None
        self._handshake += data
        if not data:
            self._reading.stop()
            self._at_end = True
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None:
            self._waiter.switch()

    def _send(self, data: bytes) -> None:
        """Sends as much as is possible at once, and the rest when it is."""
        if not self._unsent:
            try:
                sent = self._send_some(data)
            except _NOT_NOW:
                sent = 0
            if sent == len(data):
                return
            data = data[sent:]
            if self._writing is None:
                self._writing = self._hub.loop.io(self._descriptor, _WRITABLE)
            self._writing.start(self._send_rest)
        self._unsent += data

    def _send_rest(self) -> None:
        try:
            sent = self._send_some(self._unsent)
        except _NOT_NOW:
            return
        except OSError as error:
            self._lose(error)
            return
        del self._unsent[:sent]
        if not self._unsent:
            self._writing.stop()

    def _answer(self) -> None:
        """Sends what the protocol has to say. If that fails, what was read counts: the next read tells."""
        if data := b"".join(self._full_protocol().data_to_send()):
            with contextlib.suppress(OSError):
                self._send(data)

    def _lose(self, error: OSError) -> None:
        self._lost = error
        self._reading.stop()
        if self._writing is not None:
            self._writing.stop()
        self._wake()

    def _ended(self) -> OperationError:
        protocol = self._full_protocol()
        error, close = protocol.parser_exc, protocol.close_rcvd
        if close is not None:
            reason = f": {close.reason}" if close.reason else ""
            return OperationError("connection_lost", f"the server closed with code {close.code}{reason}")
        if error is not None and not isinstance(error, EOFError):
            return OperationError("protocol", str(error))
        return OperationError("connection_lost", "the connection ended without a close frame")


def step_message(action: Mapping[str, Any]) -> bytes:
    """The WebSocket message that takes a step with `action`."""
    return json.dumps({"type": "step", "data": action}).encode()


@cache
def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _open_socket(uri: WebSocketURI, access: Access, timeout_s: float) -> socket.socket:
    connection = socket.create_connection((uri.host, uri.port), timeout_s)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if uri.secure:
        return access.tls_context.wrap_socket(connection, server_hostname=uri.host)
    return connection


def _connect_failure(error: OSError | OperationError, timeout_s: float) -> OperationError:
    match error:
        case TimeoutError():
            return OperationError("connect_timeout", f"no session within {timeout_s:g} s")
        case OperationError():
            return OperationError("handshake", error.detail)
        case ssl.SSLCertVerificationError():
            return OperationError("handshake", f"certificate not trusted: {error.verify_message}")
        case ssl.SSLError() | ConnectionError() if not isinstance(error, ConnectionRefusedError):
            return OperationError("handshake", str(error))
        case _:
            return OperationError("refused", str(error))


def _handshake_failure(response: Response | None, error: Exception) -> str:
    if response is not None and response.status_code != 101:
        return f"HTTP {response.status_code} {response.reason_phrase} instead of a WebSocket"
    if isinstance(error, InvalidHandshake | EOFError):
        return str(error)
    return repr(error)


def _one(values: list[str]) -> str | None:
    return values[-1] if values else None


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("ascii")


def _is_shaking_hands(protocol: ClientProtocol) -> bool:
    return protocol.state is State.CONNECTING and protocol.handshake_exc is None
