"""Keeps track of connections: who serves them, when they are idle, and how they end as the worker stops."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from . import identity
from .messages import refusal

GOING_AWAY = 1001
ABNORMAL_CLOSURE = 1006
SERVICE_RESTART = 1012
SESSION_PATH = "/ws"
STATELESS_PATHS = frozenset({"/reset", "/step", "/state"})


class Lifecycle:
    """What one worker process knows of its connections."""

    def __init__(self) -> None:
        self.draining = False
        self.in_flight = 0
        """WebSocket messages received and not yet answered, and stateless HTTP requests being answered."""
        self.connections: set[_Connection] = set()

    async def drain(self) -> None:
        """Take no more messages, and close with code 1012 each connection that has no message in flight.

        A connection with one in flight closes itself the same way right after the answer. Returns without
        waiting for that: `in_flight` then goes down to 0.
        """
        self.draining = True
        await asyncio.gather(
            *(each.close() for each in self.connections if not each.busy), return_exceptions=True
        )


class LifecycleMiddleware:
    """Wraps the whole ASGI application; it costs each message a few integer operations.

    It counts what is in flight for `Lifecycle`, closes sessions that have sent nothing for `idle_timeout`
    seconds (0 for never) with code 1001, answers messages that OpenEnv's session would not survive, and says
    in the header `x-served-by` which process accepted a connection or answered a request.
    """

    def __init__(self, app: ASGIApp, *, lifecycle: Lifecycle, idle_timeout: float = 0.0) -> None:
        self._app = app
        self._lifecycle = lifecycle
        self._idle_timeout = idle_timeout

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            _note_address(scope)
            await self._websocket(scope, receive, send)
        elif scope["type"] == "http":
            _note_address(scope)
            await self._http(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        lifecycle = self._lifecycle
        if lifecycle.draining:
            await _refuse(receive, send)
            return
        refuse = refusal if _path(scope) == SESSION_PATH else None
        connection = _Connection(lifecycle, receive, send, self._idle_timeout, refuse)
        lifecycle.connections.add(connection)
        try:
            await self._app(scope, connection.receive, connection.send)
        except asyncio.CancelledError:
            # When the time to stop is up, the server cancels what is still waiting: not an error.
            if not lifecycle.draining:
                raise
        finally:
            connection.settle()
            lifecycle.connections.discard(connection)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_header(message: Message) -> None:
            await send(_signed(message) if message["type"] == "http.response.start" else message)

        if _path(scope) not in STATELESS_PATHS:
            await self._app(scope, receive, send_with_header)
            return
        token = identity.answering_stateless_request.set(True)
        self._lifecycle.in_flight += 1
        try:
            await self._app(scope, receive, send_with_header)
        finally:
            self._lifecycle.in_flight -= 1
            identity.answering_stateless_request.reset(token)


@dataclass(eq=False, slots=True)
class _Connection:
    """One WebSocket connection between the server and the application."""

    _lifecycle: Lifecycle
    _receive: Receive
    _send: Send
    _idle_timeout: float
    _refuse: Callable[[Message], str | None] | None
    _closed: int = 0
    """The code it was closed with."""
    busy: bool = False

    async def receive(self) -> Message:
        self.settle()
        while True:
            message = await (self._receive_in_time() if self._idle_timeout else self._receive())
            if message["type"] != "websocket.receive":
                return message
            if self._lifecycle.draining:
                await self.close()
            if self._closed:
                return {"type": "websocket.disconnect", "code": self._closed}
            answer = self._refuse(message) if self._refuse else None
            if answer is None:
                self.busy = True
                self._lifecycle.in_flight += 1
                return message
            await self._deliver({"type": "websocket.send", "text": answer})

    async def send(self, message: Message) -> None:
        if self._closed:
            return
        kind = message["type"]
        if kind == "websocket.accept":
            message = _signed(message)
        elif kind == "websocket.close":
            self._closed = message.get("code", 1000)
        await self._deliver(message)
        if self.busy:
            self.settle()
            if self._lifecycle.draining:
                await self.close()

    def settle(self) -> None:
        """Nothing is in flight any more."""
        if self.busy:
            self.busy = False
            self._lifecycle.in_flight -= 1

    async def close(self, code: int = SERVICE_RESTART, reason: str = "server is stopping") -> None:
        if not self._closed:
            self._closed = code
            await self._deliver({"type": "websocket.close", "code": code, "reason": reason})

    async def _deliver(self, message: Message) -> None:
        try:
            await self._send(message)
        except OSError:
            # The client has gone. OpenEnv learns that by receiving; if told here, it logs a traceback.
            self._closed = self._closed or ABNORMAL_CLOSURE

    async def _receive_in_time(self) -> Message:
        try:
            async with asyncio.timeout(self._idle_timeout):
                return await self._receive()
        except TimeoutError:
            await self.close(GOING_AWAY, f"idle for {self._idle_timeout:g} s")
            return {"type": "websocket.disconnect", "code": GOING_AWAY}


def _signed(message: Message) -> Message:
    """The message with a header that says which process sends it."""
    header = (b"x-served-by", identity.served_by())
    return {**message, "headers": [*message.get("headers", ()), header]}


def _path(scope: Scope) -> str:
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


def _note_address(scope: Scope) -> None:
    # Under gunicorn the worker has noted it already; under plain uvicorn the first connection tells.
    match scope.get("server"):
        case (host, int(port)) if not identity.address_is_known():
            identity.note_address(host, port)


async def _refuse(receive: Receive, send: Send) -> None:
    await receive()
    await send(_signed({"type": "websocket.http.response.start", "status": 503}))
    await send({"type": "websocket.http.response.body", "body": b"server is stopping\n"})
