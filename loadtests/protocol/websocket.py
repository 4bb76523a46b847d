"""One OpenEnv session over WebSocket, on gevent sockets and the Sans-I/O protocol of `websockets`."""

import contextlib
import ipaddress
import json
import ssl
import time
from collections.abc import Mapping
from functools import cache
from typing import Any

import gevent
from gevent import socket
from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.uri import WebSocketURI, parse_uri

from loadtests.protocol.access import Access
from loadtests.protocol.replies import Answer, OperationError, parse_message, served_by

_RECEIVE_BYTES = 65536
_MAX_MESSAGE_BYTES = 100 * 2**20
_DATA = (Opcode.TEXT, Opcode.BINARY, Opcode.CONT)
RESET = b'{"type": "reset", "data": {}}'


class WebSocketSession:
    """A connection to `/ws` of an OpenEnv server, one request at a time.

    Every method that talks to the server may raise OperationError; the session is then over, except after
    errors that say otherwise.
    """

    def __init__(self, base_url: str, access: Access, connect_timeout_s: float) -> None:
        """Connects and shakes hands, within `connect_timeout_s` seconds."""
        uri = websocket_uri(base_url)
        self._upstream_header = access.upstream_header
        self._protocol = ClientProtocol(uri, max_size=_MAX_MESSAGE_BYTES)
        self._messages: list[bytes] = []
        self._fragments: list[bytes] = []
        self._response: Response | None = None
        self._socket: socket.socket | None = None
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
        """Sends one message and reads its reply, within `timeout_s` seconds.

        The answer holds the `whole` observation or only what it says about the server.
        """
        if self._messages:
            # Only an error may come unasked, like the one that turns a session away.
            parse_message(self._messages.pop(0))
            raise OperationError("protocol", "the server sent a message that nothing asked for")
        deadline = time.monotonic() + timeout_s
        try:
            if self._protocol.state is State.OPEN:
                assert self._socket is not None
                self._socket.settimeout(timeout_s)
                self._protocol.send_text(message)
                self._send()
            while not self._messages:
                if self._protocol.state is not State.OPEN:
                    raise self._ended()
                self._receive(deadline)
        except TimeoutError:
            raise OperationError("timeout", f"no reply within {timeout_s:g} s") from None
        except OSError as error:
            raise OperationError("connection_lost", str(error)) from error
        return parse_message(self._messages.pop(0), whole=whole)

    def idle(self, seconds: float) -> None:
        """Waits `seconds`, answering pings meanwhile; returns early where the connection ends."""
        deadline = time.monotonic() + seconds
        try:
            while self._protocol.state is State.OPEN:
                self._receive(deadline)
        except TimeoutError:
            return
        except (OSError, OperationError):
            pass
        gevent.sleep(max(0.0, deadline - time.monotonic()))

    def close(self) -> None:
        """Sends a close frame if that is possible at once, and closes the connection."""
        if self._socket is None:
            return
        try:
            if self._protocol.state is State.OPEN:
                self._protocol.send_close(1000)
                self._socket.settimeout(0.5)
                self._send()
        except OSError:
            pass
        finally:
            self.abort()

    def abort(self) -> None:
        """Closes the connection without a close frame."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _connect(self, uri: WebSocketURI, access: Access, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        self._socket = _open_socket(uri, access, timeout_s)
        request = self._protocol.connect()
        for name, value in access.headers.items():
            request.headers.pop(name, None)
            request.headers[name] = value
        self._protocol.send_request(request)
        self._send()
        while self._protocol.state is State.CONNECTING and self._protocol.handshake_exc is None:
            self._receive(deadline)
        if (error := self._protocol.handshake_exc) is not None:
            raise OperationError("handshake", _handshake_failure(self._response, error))

    def _send(self) -> None:
        assert self._socket is not None
        for data in self._protocol.data_to_send():
            if data:
                self._socket.sendall(data)

    def _receive(self, deadline: float) -> None:
        assert self._socket is not None
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            raise TimeoutError
        self._socket.settimeout(remaining)
        data = self._socket.recv(_RECEIVE_BYTES)
        if data:
            self._protocol.receive_data(data)
        else:
            self._protocol.receive_eof()
        for event in self._protocol.events_received():
            if isinstance(event, Frame):
                if event.opcode in _DATA:
                    self._collect(event)
            elif isinstance(event, Response):
                self._response = event
        if data:
            with contextlib.suppress(ConnectionError):  # what was read still counts; the next read tells
                self._send()
        elif not self._messages and self._protocol.handshake_exc is None:
            raise self._ended()

    def _collect(self, frame: Frame) -> None:
        if frame.fin and not self._fragments:
            self._messages.append(bytes(frame.data))
            return
        self._fragments.append(bytes(frame.data))
        if frame.fin:
            self._messages.append(b"".join(self._fragments))
            self._fragments.clear()

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
