"""Settings of the environment and its server, all read from environment variables.

An empty variable counts as one that is not set.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

WEB_PAGE: Final = "ENABLE_WEB_INTERFACE"
LOG_LEVELS: Final = ("debug", "info", "warning", "error", "critical")
_ADDRESS = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^:\[\]/\s]+):(?P<port>[0-9]{1,5})")
_FLAGS = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}


class SettingsError(ValueError):
    """A variable with a value that cannot be used; the text names it, its value and what is allowed."""

    def __init__(self, name: str, value: str, allowed: str) -> None:
        super().__init__(f"{name}={value}: must be {allowed}")


@dataclass(frozen=True, slots=True)
class Settings:
    """What the server is told by its environment variables; durations in seconds."""

    workers: int
    """`WORKERS`: gunicorn worker processes; one by default where `ENABLE_WEB_INTERFACE` serves the page."""
    bind: str
    """`BIND`: HOST:PORT to listen on."""
    host_url: str | None
    """`HOST_URL`: the URL that observations name; worked out from the bound address where unset."""
    max_concurrent_envs: int
    """`MAX_CONCURRENT_ENVS`: sessions that one worker holds; the next one gets `CAPACITY_REACHED`."""
    max_wait_seconds: float
    """`MAX_WAIT_SECONDS`: the longest wait that an action may ask for."""
    session_idle_timeout: float
    """`SESSION_IDLE_TIMEOUT`: a session that sends nothing for so long is closed; 0 for never."""
    graceful_timeout: float
    """`GRACEFUL_TIMEOUT`: how long a worker told to stop waits for steps in flight."""
    worker_timeout: int
    """`WORKER_TIMEOUT`: a worker whose event loop is stuck for so long is replaced."""
    backlog: int
    """`BACKLOG`: connections that may wait to be accepted, per listening socket."""
    max_message_bytes: int
    """`MAX_MESSAGE_BYTES`: a longer WebSocket message is answered by close code 1009, a body by 413."""
    reuse_port: bool
    """`REUSE_PORT`: each worker has a listening socket of its own, so the kernel spreads connections."""
    log_level: str
    """`LOG_LEVEL`: one of `LOG_LEVELS`."""
    access_log: bool
    """`ACCESS_LOG`: a line for every request and connection."""

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> "Settings":
        """Read all variables.

        Raises SettingsError for the first one that cannot be used.
        """
        return cls(
            # The page keeps its state in one process.
            workers=_whole(environ, "WORKERS", 1 if _flag(environ, WEB_PAGE, default=False) else 2, least=1),
            bind=_address(environ, "BIND", "127.0.0.1:8000"),
            host_url=_url(environ, "HOST_URL"),
            # A session takes about 45 KB and one file descriptor: 4096 of them take 180 MB in a worker, and
            # four workers then carry 16 384.
            max_concurrent_envs=_whole(environ, "MAX_CONCURRENT_ENVS", 4096, least=1),
            max_wait_seconds=read_max_wait_seconds(environ),
            session_idle_timeout=_seconds(environ, "SESSION_IDLE_TIMEOUT", 0.0),
            graceful_timeout=_seconds(environ, "GRACEFUL_TIMEOUT", 30.0),
            worker_timeout=_whole(environ, "WORKER_TIMEOUT", 60, least=1),
            # The kernel cuts it to net.core.somaxconn, which is 4096 on current Linux.
            backlog=_whole(environ, "BACKLOG", 4096, least=1),
            max_message_bytes=_whole(environ, "MAX_MESSAGE_BYTES", 16 * 1024 * 1024, least=1),
            reuse_port=_flag(environ, "REUSE_PORT", default=True),
            log_level=_choice(environ, "LOG_LEVEL", "info", LOG_LEVELS),
            access_log=_flag(environ, "ACCESS_LOG", default=False),
        )

    @property
    def address(self) -> tuple[str, int]:
        """The host (an IPv6 address without brackets) and port of `bind`."""
        host, _, port = self.bind.rpartition(":")
        return host.strip("[]"), int(port)


def read_max_wait_seconds(environ: Mapping[str, str]) -> float:
    """Read `MAX_WAIT_SECONDS`, the one setting that clients share with the server.

    Raises SettingsError.
    """
    return _seconds(environ, "MAX_WAIT_SECONDS", 3600.0)


def _whole(environ: Mapping[str, str], name: str, default: int, *, least: int) -> int:
    text = environ.get(name) or str(default)
    allowed = f"a whole number of at least {least}"
    try:
        value = int(text)
    except ValueError:
        raise SettingsError(name, text, allowed) from None
    if value < least:
        raise SettingsError(name, text, allowed)
    return value


def _seconds(environ: Mapping[str, str], name: str, default: float) -> float:
    text = environ.get(name) or str(default)
    allowed = "a number of seconds of at least 0"
    try:
        value = float(text)
    except ValueError:
        raise SettingsError(name, text, allowed) from None
    if not math.isfinite(value) or value < 0:
        raise SettingsError(name, text, allowed)
    return value


def _flag(environ: Mapping[str, str], name: str, *, default: bool) -> bool:
    text = environ.get(name) or str(int(default))
    try:
        return _FLAGS[text.lower()]
    except KeyError:
        raise SettingsError(name, text, "0 or 1") from None


def _choice(environ: Mapping[str, str], name: str, default: str, choices: tuple[str, ...]) -> str:
    text = environ.get(name) or default
    if text.lower() not in choices:
        raise SettingsError(name, text, "one of " + ", ".join(choices))
    return text.lower()


def _address(environ: Mapping[str, str], name: str, default: str) -> str:
    text = environ.get(name) or default
    match = _ADDRESS.fullmatch(text)
    if match is None or not 1 <= int(match["port"]) <= 65535:
        raise SettingsError(name, text, "HOST:PORT with a port of 1 to 65535")
    return text


def _url(environ: Mapping[str, str], name: str) -> str | None:
    text = environ.get(name)
    if not text:
        return None
    if not re.fullmatch(r"https?://[^/\s]+/?", text):
        raise SettingsError(name, text, "a URL such as http://host:8000")
    return text.rstrip("/")
