"""A WebSocket client that sends what no library would."""

import json
import socket
from collections import Counter
from types import TracebackType
from typing import Any, Self

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
MASK = b"\x37\xfa\x21\x3d"
PATIENCE_S = 60.0
"""How long an answer may take before it counts as none."""


def handshake(*lines: str, path: str = "/ws", key: str = "dGhlIHNhbXBsZSBub25jZQ==") -> bytes:
    """The request that opens a session, with more header lines."""
    usual = (
        f"GET {path} HTTP/1.1",
        "Host: 127.0.0.1",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {key}",
        "Sec-WebSocket-Version: 13",
    )
    return "\r\n".join((*usual, *lines, "", "")).encode("latin-1")


def frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    reserved: int = 0,
    masked: bool = True,
    length: int | None = None,
) -> bytes:
    """A frame, whose length may be a lie."""
    size = len(payload) if length is None else length
    first = bytes((fin << 7 | reserved << 4 | opcode,))
    if size < 126:
        head = first + bytes((masked << 7 | size,))
    elif size < 2**16:
        head = first + bytes((masked << 7 | 126,)) + size.to_bytes(2)
    else:
        head = first + bytes((masked << 7 | 127,)) + size.to_bytes(8)
    if not masked:
        return head + payload
    stream = MASK * (len(payload) // 4 + 1)
    return head + MASK + bytes(byte ^ key for byte, key in zip(payload, stream, strict=False))


class GoneError(Exception):
    """The server has ended the connection."""


class Wire:
    """A connection to 127.0.0.1, from its first byte on."""

    def __init__(self, port: int, timeout_s: float = PATIENCE_S) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=timeout_s)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def open(self, path: str = "/ws") -> Self:
        """Upgrades to a session."""
        self.send(handshake(path=path))
        head = self.read_until(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 "), head
        return self

    def send(self, data: bytes) -> None:
        """Sends all of it, as far as the server takes it."""
        try:
            self._socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            return

    def end(self) -> None:
        """Says that no more will come."""
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError:
            return

    def read(self, size: int) -> bytes:
        """Exactly so many bytes. Raises GoneError, or TimeoutError where the server does nothing."""
        while len(self._buffer) < size:
            self._receive()
        taken, self._buffer = self._buffer[:size], self._buffer[size:]
        return taken

    def read_until(self, mark: bytes) -> bytes:
        """All up to the mark. Raises like `read`."""
        while mark not in self._buffer:
            self._receive()
        taken, self._buffer = self._buffer.split(mark, 1)
        return taken

    def read_to_the_end(self) -> bytes:
        """All until the server ends the connection. Raises TimeoutError where it does not."""
        try:
            while True:
                self._receive()
        except GoneError:
            return self._buffer

    def receive(self) -> tuple[int, bytes]:
        """The next frame that is no ping: its opcode and payload. Raises like `read`."""
        while True:
            first, second = self.read(2)
            size = int.from_bytes(self.read(2 if second == 126 else 8)) if second >= 126 else second
            payload = self.read(size)
            if first & 0x0F != PING:
                return first & 0x0F, payload

    def reply(self, pongs: Counter[bytes]) -> Any:
        """The next text, which has to be strict JSON. Takes the pongs before it off those that are due.

        Raises GoneError.
        """
        while (received := self.receive())[0] == PONG:
            pongs.subtract([received[1]])
            assert pongs[received[1]] >= 0, received
        opcode, payload = received
        assert opcode == TEXT, (opcode, payload)
        return json.loads(payload.decode(), parse_constant=_refuse)

    def close_code(self) -> int | None:
        """That with which the server closes, which is sent back; None for an end without one."""
        code = None
        try:
            while True:
                opcode, payload = self.receive()
                if opcode == CLOSE:
                    code = int.from_bytes(payload[:2]) if payload else 1005
                    self.send(frame(CLOSE, payload))
        except GoneError:
            return code

    def _receive(self) -> None:
        try:
            data = self._socket.recv(65536)
        except ConnectionResetError:
            data = b""
        if not data:
            raise GoneError
        self._buffer += data


def _refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")
