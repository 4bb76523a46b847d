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
from websockets.http11 import Response
from websockets.protocol import State
from websockets.uri import WebSocketURI, parse_uri

from loadtests.protocol.access import Access
from loadtests.protocol.deadlines import DEADLINES, NEVER
from loadtests.protocol.frames import MAX_MESSAGE_BYTES, MessageReader, TextFrame
from loadtests.protocol.replies import Answer, OperationError, parse_message, served_by

_RECEIVE_BYTES = 65536
_END_OF_HEAD = b"\r\n\r\n"
_NOT_NOW = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
_READABLE, _WRITABLE = 1, 2
RESET = b'{"type": "reset", "data": {}}'


class WebSocketSession:
    """A connection to `/ws` of an OpenEnv server, one request at a time.

    Every method that talks to the server may raise OperationError; the session is then over, except after
    errors that say otherwise. Pings are answered at any time.
    """

    def __init__(self, base_url: str, access: Access, connect_timeout_s: float) -> None:
        """Connects and shakes hands, within `connect_timeout_s` seconds."""
        uri = websocket_uri(base_url)
        self._upstream_header = access.upstream_header
        self._protocol = ClientProtocol(uri, max_size=MAX_MESSAGE_BYTES)
        self._response: Response | None = None
        self._socket: socket.socket | None = None
        self._watchers: list[Any] = []
        self._unsent = bytearray()
        self._lost: OSError | None = None
        self._hub = gevent.get_hub()
        self._waiter: gevent.greenlet | None = None
        self._timed_out = False
        self.due = NEVER
        # Name resolution, each address and TLS have time-outs of their own: this one covers them all.
        limit = gevent.Timeout.start_new(connect_timeout_s, TimeoutError)
        try:
            self._connect(uri, access, connect_timeout_s)
        except BaseException as error:
            self.abort()
            if isinstance(error, OSError | OperationError):
                raise _connect_failure(error, connect_timeout_s) from error
            raise
        finally:
            limit.close()

    def served_by(self) -> Answer:
        """Who accepted the connection, as far as the handshake's headers tell."""
        if self._response is None:
            return served_by(None, None)
        headers = self._response.headers
        return served_by(_one(headers.get_all("X-Served-By")), _one(headers.get_all(self._upstream_header)))

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
        self._timed_out = False
        self.due = time.monotonic() + timeout_s
        if self.due < DEADLINES.next_look:
            DEADLINES.look_at(self.due)
        self._waiter = getcurrent()
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
        if self._protocol.state is State.OPEN and self._socket is not None and not self._unsent:
            self._protocol.send_close(1000)
            self._answer()
        self.abort()

    def abort(self) -> None:
        """Closes the connection without a close frame."""
        for watcher in self._watchers:
            watcher.close()
        self._watchers.clear()
        DEADLINES.waiters.discard(self)
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _connect(self, uri: WebSocketURI, access: Access, timeout_s: float) -> None:
        connection = self._socket = _open_socket(uri, access, timeout_s)
        request = self._protocol.connect()
        for name, value in access.headers.items():
            request.headers.pop(name, None)
            request.headers[name] = value
        self._protocol.send_request(request)
        connection.sendall(b"".join(self._protocol.data_to_send()))
        after = self._shake_hands(connection)
        connection.settimeout(0)
        # What gevent wraps around the plain socket is for those that wait.
        plain = connection if uri.secure else connection._sock
        self._receive, self._send_some = plain.recv, plain.send
        self._reader = MessageReader(self._protocol)
        loop = self._hub.loop
        self._reading = loop.io(connection.fileno(), _READABLE)
        self._writing = loop.io(connection.fileno(), _WRITABLE)
        self._watchers += (self._reading, self._writing)
        self._reading.start(self._read)
        DEADLINES.waiters.add(self)
        if self._reader.feed(after):
            self._answer()

    def _shake_hands(self, connection: socket.socket) -> bytes:
        """Reads the reply to the handshake. Returns what came with it and is no part of it."""
        protocol = self._protocol
        received = bytearray()
        after = b""
        while protocol.state is State.CONNECTING and protocol.handshake_exc is None:
            data = connection.recv(_RECEIVE_BYTES)
            before = len(received)
            received += data
            end = received.find(_END_OF_HEAD, max(0, before - len(_END_OF_HEAD) + 1))
            size = len(data) if end < 0 else end + len(_END_OF_HEAD) - before
            after = data[size:]
            if data:
                protocol.receive_data(data[:size])
            else:
                protocol.receive_eof()
            if after and protocol.state is State.CONNECTING and protocol.handshake_exc is None:
                protocol.receive_data(after)  # the body of a refusal
        for event in protocol.events_received():
            if isinstance(event, Response):
                self._response = event
        if (error := protocol.handshake_exc) is not None:
            raise OperationError("handshake", _handshake_failure(self._response, error))
        return after

    def _read(self) -> None:
        try:
            data = self._receive(_RECEIVE_BYTES)
        except _NOT_NOW:
            return
        except OSError as error:
            self._lose(error)
            return
        reader = self._reader
        if not data:
            self._reading.stop()
            reader.feed_eof()
        elif reader.feed(data):
            self._answer()
        if self._waiter is not None and (reader.messages or not reader.open):
            self._waiter.switch()

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
        if data := b"".join(self._protocol.data_to_send()):
            with contextlib.suppress(OSError):
                self._send(data)

    def _lose(self, error: OSError) -> None:
        self._lost = error
        self._reading.stop()
        self._writing.stop()
        self._wake()

    def _ended(self) -> OperationError:
        error, close = self._protocol.parser_exc, self._protocol.close_rcvd
        if close is not None:
            reason = f": {close.reason}" if close.reason else ""
            return OperationError("connection_lost", f"the server closed with code {close.code}{reason}")
        if error is not None and not isinstance(error, EOFError):
            return OperationError("protocol", str(error))
        return OperationError("connection_lost", "the connection ended without a close frame")


@cache
def websocket_uri(base_url: str) -> WebSocketURI:
    """The address of `/ws` below an http or https URL without a slash at its end."""
    return parse_uri(f"ws{base_url.removeprefix('http')}/ws")


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
    address = (uri.host, uri.port)
    if _is_address(uri.host):
        family = socket.AF_INET6 if ":" in uri.host else socket.AF_INET
        connection = socket.socket(family, socket.SOCK_STREAM)
        connection.settimeout(timeout_s)
        try:
            connection.connect(address)
        except BaseException:
            connection.close()
            raise
    else:
        connection = socket.create_connection(address, timeout_s)
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
