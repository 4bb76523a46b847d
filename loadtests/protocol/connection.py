"""A connection to a server, one request at a time, that the hub reads, whether or not somebody waits."""

import ipaddress
import os
import ssl
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import cache
from typing import Any, Generic, Protocol, TypeVar

import gevent
from gevent import getcurrent, socket
from websockets.uri import WebSocketURI, parse_uri

from loadtests.protocol.access import Access
from loadtests.protocol.deadlines import DEADLINES, NEVER
from loadtests.protocol.replies import OperationError
from loadtests.protocol.sources import PlainSocket, begin_to_connect

RECEIVE_BYTES = 65536

_NOT_NOW = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
_READABLE, _WRITABLE = 1, 2

Message = TypeVar("Message")


class Reader(Protocol[Message]):
    """Makes messages of what comes over a connection."""

    messages: list[Message]
    """What came and was not taken yet."""
    open: bool
    """Whether more may come."""

    def feed(self, data: bytes) -> bool:
        """Reads what was received. True: there may be an answer to it."""

    def feed_eof(self) -> None:
        """Nothing more can be received."""


class Connection(ABC, Generic[Message]):
    """What the transports share: connecting, sending, receiving and waiting."""

    _reader: Reader[Message]

    def __init__(self, uri: WebSocketURI, access: Access, timeout_s: float) -> None:
        """Connects and greets the server, within `timeout_s` seconds. Raises OperationError."""
        self.due = NEVER
        self._socket: socket.socket | PlainSocket | None = None
        self._is_open = False
        self._watchers: list[Any] = []
        self._writing: Any = None
        self._unsent = bytearray()
        self._lost: OSError | None = None
        self._hub = gevent.get_hub()
        self._waiter: gevent.greenlet | None = None
        self._timed_out = False
        give_up = time.monotonic() + timeout_s
        try:
            self._connect(uri, access, timeout_s)
            self._greet(give_up)
        except BaseException as error:
            self.abort()
            if isinstance(error, OSError | OperationError):
                raise _connect_failure(error, timeout_s) from error
            raise

    def time_out(self) -> None:
        """Ends the request that waits for its reply."""
        self._timed_out = True
        self._wake()

    def abort(self) -> None:
        """Closes the connection at once."""
        for watcher in self._watchers:
            watcher.close()
        self._watchers.clear()
        DEADLINES.waiters.discard(self)
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    @abstractmethod
    def _greet(self, give_up: float) -> None:
        """Says what comes before requests, until that moment of the monotonic clock at the latest.

        The connection may not be open yet: what is sent waits until it is. It is when this is over.
        """

    @abstractmethod
    def _ended(self) -> OperationError:
        """Why nothing more comes."""

    def _answer(self) -> None:
        """Says what the reader has to say."""

    def _connect(self, uri: WebSocketURI, access: Access, timeout_s: float) -> None:
        """Opens a connection, or begins to."""
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
            self._is_open = True
        self._receive, self._send_some = plain.recv, plain.send
        self._descriptor = plain.fileno()
        self._reading = self._hub.loop.io(self._descriptor, _READABLE)
        self._watchers.append(self._reading)
        self._reading.start(self._read)
        DEADLINES.waiters.add(self)

    def _wait_until_open(self, give_up: float) -> None:
        """Waits for the connection. Raises OSError."""
        if self._is_open:
            return
        self._when_writable(self._note_open)
        self._begin_to_wait(give_up)
        try:
            while not self._is_open:
                if self._lost is not None:
                    raise self._lost
                if self._timed_out:
                    raise TimeoutError
                self._hub.switch()
        finally:
            self._waiter = None
            self.due = NEVER

    def _note_open(self) -> None:
        self._writing.stop()
        assert self._socket is not None
        if error := self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self._lose(OSError(error, os.strerror(error)))
        else:
            self._is_open = True
            self._wake()

    def _next_message(self, timeout_s: float) -> Message:
        """Waits for what comes next."""
        messages = self._reader.messages
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
        return messages.pop(0)

    def _begin_to_wait(self, until: float) -> None:
        """Until a moment of the monotonic clock, the greenlet that runs now is the one to be woken."""
        self._timed_out = False
        self.due = until
        if until < DEADLINES.next_look:
            DEADLINES.look_at(until)
        self._waiter = getcurrent()

    def _read(self) -> None:
        try:
            data = self._receive(RECEIVE_BYTES)
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
            except OSError as error:
                self._cannot_send(error)
                return
            if sent == len(data):
                return
            data = data[sent:]
            self._when_writable(self._send_rest)
        self._unsent += data

    def _when_writable(self, call: Callable[[], None]) -> None:
        if self._writing is None:
            self._writing = self._hub.loop.io(self._descriptor, _WRITABLE)
            self._watchers.append(self._writing)
        self._writing.start(call)

    def _send_rest(self) -> None:
        try:
            sent = self._send_some(self._unsent)
        except _NOT_NOW:
            return
        except OSError as error:
            self._cannot_send(error)
            return
        del self._unsent[:sent]
        if not self._unsent:
            self._writing.stop()

    def _cannot_send(self, error: OSError) -> None:
        """Where an open connection breaks, what the server said before that counts: reads tell."""
        self._unsent.clear()
        if self._is_open and isinstance(error, ConnectionError):
            if self._writing is not None:
                self._writing.stop()
        else:
            self._lose(error)

    def _lose(self, error: OSError) -> None:
        self._lost = error
        self._reading.stop()
        if self._writing is not None:
            self._writing.stop()
        self._wake()


@cache
def address(base_url: str, path: str) -> WebSocketURI:
    """What lies at a path below an http or https URL without a slash at its end."""
    return parse_uri(f"ws{base_url.removeprefix('http')}{path}")


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
        case OperationError(__cause__=OSError() as cause):
            return _connect_failure(cause, timeout_s)
        case TimeoutError() | OperationError(category="timeout"):
            return OperationError("connect_timeout", f"not connected within {timeout_s:g} s")
        case OperationError():
            return OperationError("handshake", error.detail)
        case ssl.SSLCertVerificationError():
            return OperationError("handshake", f"certificate not trusted: {error.verify_message}")
        case ssl.SSLError() | ConnectionError() if not isinstance(error, ConnectionRefusedError):
            return OperationError("handshake", str(error))
        case _:
            return OperationError("refused", str(error))
