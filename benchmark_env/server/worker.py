"""The gunicorn worker: uvicorn that lets steps in flight finish before it stops."""

import asyncio
import gc
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from gunicorn.arbiter import Arbiter
from uvicorn import Config, Server
from uvicorn_worker import UvicornWorker

from . import identity
from .bounds import BoundedSessionProtocol, requests_within
from .lifecycle import Lifecycle

if TYPE_CHECKING or "." in __package__:
    from ..settings import Settings
else:
    from settings import Settings

CLOSING_HANDSHAKE_SECONDS = 1.0
LEFTOVERS_SECONDS = 1
RARE_COLLECTIONS = (5_000, 10, 10)
"""Thresholds of Python's garbage collector: by default it looks for garbage after every few new sessions."""

_logger = logging.getLogger("uvicorn.error")


class DrainingServer(Server):
    """A uvicorn server that waits up to `graceful_timeout` seconds for steps in flight before it stops.

    uvicorn alone closes WebSockets at once, which loses the replies to steps in flight.
    """

    def __init__(self, config: Config, lifecycle: Lifecycle, graceful_timeout: float) -> None:
        super().__init__(config)
        self._lifecycle = lifecycle
        self._graceful_timeout = graceful_timeout
        self._at_once = False

    def stop_at_once(self) -> None:
        """Stop without waiting for steps in flight."""
        self._lifecycle.draining = True
        self._at_once = True
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002
        """Stop accepting, drain, then close down as uvicorn does."""
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            if isinstance(connection, self.config.http_protocol_class):
                connection.shutdown()
        drain = asyncio.create_task(self._lifecycle.drain())
        await self._wait(lambda: drain.done() and not self._lifecycle.in_flight, self._graceful_timeout)
        drain.cancel()
        if self._lifecycle.in_flight:
            _logger.warning("Giving up on steps still in flight: %d", self._lifecycle.in_flight)
        else:
            await self._wait(lambda: not self.server_state.connections, CLOSING_HANDSHAKE_SECONDS)
        # Closing the servers has closed their sockets.
        await super().shutdown()

    async def _wait(self, done: Callable[[], bool], seconds: float) -> None:
        give_up = time.monotonic() + seconds
        while not (done() or self._at_once or self.force_exit) and time.monotonic() < give_up:
            if self.config.callback_notify is not None:
                await self.config.callback_notify()
            await asyncio.sleep(0.02)


class BenchmarkWorker(UvicornWorker):
    """Serves the application of `app.py` with the settings that the environment variables give."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._settings = Settings.from_environ(os.environ)
        self.CONFIG_KWARGS = {
            **UvicornWorker.CONFIG_KWARGS,
            "http": requests_within(self._settings.request_timeout),
            "ws": BoundedSessionProtocol,
            "ws_max_size": self._settings.max_message_bytes,
            "ws_ping_interval": self._settings.ping_interval or None,
            "ws_ping_timeout": self._settings.ping_interval or None,
            # Messages are about 300 bytes: compression would cost each session memory and each step time.
            "ws_per_message_deflate": False,
            "timeout_graceful_shutdown": LEFTOVERS_SECONDS,
        }
        super().__init__(*args, **kwargs)
        if not self._settings.access_log:
            # uvicorn logs every WebSocket connection there.
            _logger.setLevel(max(_logger.level, logging.WARNING))

    async def _serve(self) -> None:
        host, port = self.sockets[0].getsockname()[:2]
        identity.note_address(host, port)
        self.config.app = self.wsgi
        server = DrainingServer(self.config, self.wsgi.state.lifecycle, self._settings.graceful_timeout)
        asyncio.get_running_loop().add_signal_handler(signal.SIGQUIT, server.stop_at_once)
        # What was imported stays: half a million objects that no collection needs to look at.
        gc.freeze()
        gc.set_threshold(*RARE_COLLECTIONS)
        # The plain sockets: uvloop closes gunicorn's wrappers of them twice.
        await server.serve(sockets=[listener.sock for listener in self.sockets])
        if not server.started:
            sys.exit(Arbiter.WORKER_BOOT_ERROR)
