"""The life of connections: who served them, when they are idle, and how they end when the worker stops."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from starlette.types import ASGIApp, Message, Receive, Scope, Send

if TYPE_CHECKING or "." in (__package__ or ""):
    from . import identity
    from .messages import refusal
else:
    from server import identity
    from server.messages import refusal

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
            *(each.stop() for each in self.connections if not each.busy), return_exceptions=True
        )


class LifecycleMiddleware:
    """Wraps the whole ASGI application; the cost on the way of a message is a few integer operations.

    It counts what is in flight for `Lifecycle`, closes sessions that sent nothing for `idle_timeout` seconds
    (0 for never) with code 1001, answers messages that OpenEnv's session would not survive, and says in the
    header `x-served-by` which process accepted a connection or answered a request.
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
            await _refuse(scope, receive, send)
            return
        refuse = refusal if _path(scope) == SESSION_PATH else None
        connection = _Connection(lifecycle, receive, send, self._idle_timeout, refuse)
        lifecycle.connections.add(connection)
        try:
            await self._app(scope, connection.receive, connection.send)
        except asyncio.CancelledError:
            # The server cancels what is still waiting when the time to stop is up: expected, not an error.
            if not lifecycle.draining:
                raise
        finally:
            connection.settle()
            lifecycle.connections.discard(connection)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        header = (b"x-served-by", identity.served_by())

        async def send_with_header(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), header]}
            await send(message)

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


class _Connection:
    """One WebSocket connection between the server and the application."""

    __slots__ = ("_closed", "_idle_timeout", "_lifecycle", "_receive", "_refuse", "_send", "busy")

    def __init__(
        self,
        lifecycle: Lifecycle,
        receive: Receive,
        send: Send,
        idle_timeout: float,
        refuse: Callable[[Message], str | None] | None,
    ) -> None:
        self._lifecycle = lifecycle
        self._receive = receive
        self._send = send
        self._idle_timeout = idle_timeout
        self._refuse = refuse
        self._closed = 0
        self.busy = False

    async def receive(self) -> Message:
        self.settle()
        while True:
            message = await (self._receive_in_time() if self._idle_timeout else self._receive())
            if message["type"] != "websocket.receive":
                return message
            if self._lifecycle.draining:
                await self.stop()
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
            header = (b"x-served-by", identity.served_by())
            message = {**message, "headers": [*message.get("headers", ()), header]}
        elif kind == "websocket.close":
            self._closed = message.get("code", 1000)
        await self._deliver(message)
        if self.busy:
            self.settle()
            if self._lifecycle.draining:
                await self.stop()

    def settle(self) -> None:
        """Whatever was in flight is not any more."""
        if self.busy:
            self.busy = False
            self._lifecycle.in_flight -= 1

    async def stop(self) -> None:
        await self._close(SERVICE_RESTART, "server is stopping")

    async def _close(self, code: int, reason: str) -> None:
        if not self._closed:
            self._closed = code
            await self._deliver({"type": "websocket.close", "code": code, "reason": reason})

    async def _deliver(self, message: Message) -> None:
        try:
            await self._send(message)
        except OSError:
            # The client has gone. OpenEnv learns it by receiving; told here, it logs a traceback a session.
            self._closed = self._closed or ABNORMAL_CLOSURE

    async def _receive_in_time(self) -> Message:
        try:
            async with asyncio.timeout(self._idle_timeout):
                return await self._receive()
        except TimeoutError:
            await self._close(GOING_AWAY, f"idle for {self._idle_timeout:g} s")
            return {"type": "websocket.disconnect", "code": GOING_AWAY}


def _path(scope: Scope) -> str:
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


def _note_address(scope: Scope) -> None:
    # Under gunicorn the worker has said it already; under plain uvicorn the first connection tells.
    if not identity.address_is_known() and scope.get("server"):
        host, port = scope["server"]
        if port is not None:
            identity.note_address(host, port)


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    if "websocket.http.response" in scope.get("extensions", {}):
        headers = [(b"x-served-by", identity.served_by())]
        await send({"type": "websocket.http.response.start", "status": 503, "headers": headers})
        await send({"type": "websocket.http.response.body", "body": b"server is stopping\n"})
    else:
        await send({"type": "websocket.close", "code": SERVICE_RESTART})
