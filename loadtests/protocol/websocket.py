"""One OpenEnv session over WebSocket."""

import json
from collections.abc import Mapping
from typing import Any

from gevent import socket
from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake
from websockets.http11 import Response
from websockets.protocol import State

from loadtests.protocol.access import Access
from loadtests.protocol.connection import RECEIVE_BYTES, Connection, address
from loadtests.protocol.frames import MessageReader, TextFrame
from loadtests.protocol.replies import MAX_MESSAGE_BYTES, Answer, OperationError, parse_message, served_by

_END_OF_HEAD = b"\r\n\r\n"
RESET = b'{"type": "reset", "data": {}}'


class WebSocketSession(Connection[bytes]):
    """A connection to `/ws` of an OpenEnv server.

    Every method that talks to the server may raise OperationError; the session is then over, except after
    errors that say otherwise. Pings are answered at any time.
    """

    _reader: MessageReader

    def __init__(self, base_url: str, access: Access, connect_timeout_s: float) -> None:
        """Connects and shakes hands, within `connect_timeout_s` seconds."""
        uri = address(base_url, "/ws")
        self._upstream_header = access.upstream_header
        self._protocol = ClientProtocol(uri, max_size=MAX_MESSAGE_BYTES)
        self._response: Response | None = None
        request = self._protocol.connect()
        for name, value in access.headers.items():
            request.headers.pop(name, None)
            request.headers[name] = value
        self._protocol.send_request(request)
        self._after_handshake = b""
        super().__init__(uri, access, connect_timeout_s)
        if self._reader.feed(self._after_handshake):
            self._answer()

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
            self._send(message if type(message) is TextFrame else TextFrame.of(message))
        return parse_message(self._next_message(timeout_s), whole=whole)

    def close(self) -> None:
        """Sends a close frame if that is possible at once, and closes the connection."""
        if self._protocol.state is State.OPEN and self._socket is not None and not self._unsent:
            self._protocol.send_close(1000)
            self._answer()
        self.abort()

    def _greet(self, connection: socket.socket) -> MessageReader:
        connection.sendall(b"".join(self._protocol.data_to_send()))
        self._after_handshake = self._shake_hands(connection)
        return MessageReader(self._protocol)

    def _shake_hands(self, connection: socket.socket) -> bytes:
        """Reads the reply to the handshake. Returns what came with it and is no part of it."""
        protocol = self._protocol
        received = bytearray()
        after = b""
        while protocol.state is State.CONNECTING and protocol.handshake_exc is None:
            data = connection.recv(RECEIVE_BYTES)
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

    def _answer(self) -> None:
        if data := b"".join(self._protocol.data_to_send()):
            self._send(data)

    def _ended(self) -> OperationError:
        error, close = self._protocol.parser_exc, self._protocol.close_rcvd
        if close is not None:
            reason = f": {close.reason}" if close.reason else ""
            return OperationError("connection_lost", f"the server closed with code {close.code}{reason}")
        if error is not None and not isinstance(error, EOFError):
            return OperationError("protocol", str(error))
        return OperationError("connection_lost", "the connection ended without a close frame")


def step_message(action: Mapping[str, Any]) -> bytes:
    """The WebSocket message that takes a step with `action`."""
    return json.dumps({"type": "step", "data": action}).encode()


def _handshake_failure(response: Response | None, error: Exception) -> str:
    if response is not None and response.status_code != 101:
        return f"HTTP {response.status_code} {response.reason_phrase} instead of a WebSocket"
    if isinstance(error, InvalidHandshake | EOFError):
        return str(error)
    return repr(error)


def _one(values: list[str]) -> str | None:
    return values[-1] if values else None
