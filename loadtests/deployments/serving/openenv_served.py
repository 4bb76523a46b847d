"""The gunicorn worker for environments of others: uvicorn, and replies that say which process sent them.

Runs in the environment's own Python, and imports nothing of ours.
"""

import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, ClassVar

from uvicorn_worker import UvicornWorker

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

_REPLIES = {"http.response.start", "websocket.accept", "websocket.http.response.start"}


class Signed:
    """An ASGI application whose replies bear the header `x-served-by: <host>;pid=<pid>`."""

    def __init__(self, app: Application, host: str) -> None:
        self._app = app
        self._header = (b"x-served-by", f"{host};pid={os.getpid()}".encode("latin-1"))

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        async def sign(message: Message) -> None:
            if message["type"] in _REPLIES:
                message = {**message, "headers": [*message.get("headers", ()), self._header]}
            await send(message)

        await self._app(scope, receive, sign if scope["type"] in ("http", "websocket") else send)


class SigningWorker(UvicornWorker):
    """Serves an application with the signature of this process."""

    CONFIG_KWARGS: ClassVar[dict[str, Any]] = {**UvicornWorker.CONFIG_KWARGS, "ws_per_message_deflate": False}

    async def _serve(self) -> None:
        self.wsgi: Application = Signed(self.wsgi, os.environ["HOST_URL"].partition("://")[2])
        await super()._serve()
