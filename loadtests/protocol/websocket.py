"""One OpenEnv session over WebSocket."""

import contextlib
import json
import time
from collections.abc import Mapping
from typing import Any

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake
from websockets.frames import Close, CloseCode, Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State

from loadtests.protocol.access import Access
from loadtests.protocol.connection import Connection, address
from loadtests.protocol.frames import MessageReader, TextFrame
from loadtests.protocol.handshake import new_key, opening, plain_reply
from loadtests.protocol.replies import (
    MAX_MESSAGE_BYTES,
    NOBODY,
    Answer,
    OperationError,
    parse_message,
    served_by,
)
from reports.records.schema import UNASKED_REPLY

_END_OF_HEAD = b"\r\n\r\n"
RESET = b'{"type": "reset", "data": {}}'
_CLOSE = Frame(Opcode.CLOSE, Close(CloseCode.NORMAL_CLOSURE, "").serialize()).serialize(mask=True)


class _Received:
    """What comes while hands are shaken, as it comes; nothing for the end."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self.open = True

    def feed(self, data: bytes) -> bool:
        self.messages.append(data)
        return False

    def feed_eof(self) -> None:
        self.messages.append(b"")
        self.open = False


class WebSocketSession(Connection[bytes]):
    """A connection to `/ws` of an OpenEnv server.

    Every method that talks to the server may raise OperationError; the session is then over, except after
    errors that say otherwise. Pings are answered at any time.
    """

    def __init__(self, base_url: str, access: Access, connect_timeout_s: float) -> None:
        """Connects and shakes hands, within `connect_timeout_s` seconds."""
        self._uri = address(base_url, "/ws")
        self._upstream_header = access.upstream_header
        self._opening = opening(base_url, access.headers)
        self._responder = NOBODY
        self._protocol: ClientProtocol | None = None
        super().__init__(self._uri, access, connect_timeout_s)

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
            raise OperationError("protocol", UNASKED_REPLY)
        if self._lost is None and self._reader.open:
            self._send(message if type(message) is TextFrame else TextFrame.of(message))
        return parse_message(self._next_message(timeout_s), whole=whole)

    def close(self) -> None:
        """Sends a close frame if that is possible at once, and closes the connection."""
        if self._reader.open and self._socket is not None and not self._unsent:
            with contextlib.suppress(OSError):
                self._send_some(_CLOSE)
        self.abort()
        # The reader knows this session, which nothing but a rare collection of garbage would free.
        self._reader = _Received()
        self._reader.open = False

    def _greet(self, give_up: float) -> None:
        """Shakes hands, and hands over what came with the reply."""
        key = new_key()
        self._reader = received = _Received()
        self._send(self._opening.before + key + self._opening.after)
        first = self._next_message(give_up - time.monotonic())
        self._is_open = True
        if (plain := plain_reply(first, key)) is not None:
            headers, after = plain
            upstream = headers.get(self._upstream_header.lower().encode())
            self._responder = served_by(_text(headers.get(b"x-served-by")), _text(upstream))
        else:
            after = self._shake_hands_in_full(first, key, give_up)
        reader = self._reader = MessageReader(self._full_protocol)
        for data in (after, *received.messages):
            if data and reader.feed(data):
                self._answer()
        if not received.open:
            reader.feed_eof()

    def _shake_hands_in_full(self, data: bytes, key: bytes, give_up: float) -> bytes:
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
            data = self._next_message(give_up - time.monotonic())
        response = next((event for event in protocol.events_received() if isinstance(event, Response)), None)
        if (error := protocol.handshake_exc) is not None:
            raise OperationError("handshake", _handshake_failure(response, error))
        if response is not None:
            of = response.headers.get_all
            self._responder = served_by(_one(of("X-Served-By")), _one(of(self._upstream_header)))
        return after

    def _full_protocol(self) -> ClientProtocol:
        """The protocol of the open connection, made when something comes that needs it."""
        if self._protocol is None:
            self._protocol = ClientProtocol(self._uri, state=State.OPEN, max_size=MAX_MESSAGE_BYTES)
        return self._protocol

    def _answer(self) -> None:
        if data := b"".join(self._full_protocol().data_to_send()):
            self._send(data)

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
