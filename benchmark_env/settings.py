"""Settings of the environment and its server, all read from environment variables.

An empty variable counts as unset.
"""

import math
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, fields
from functools import partial
from typing import Any, Final, Generic, TypeVar, cast

LOG_LEVELS: Final = ("debug", "info", "warning", "error", "critical")
_ADDRESS = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]/\s]+):[0-9]{1,5}")
_URL = re.compile(r"https?://[^/\s]+")
_LONGEST_WAIT = 3600.0
_FLAGS = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}

T = TypeVar("T")


class SettingsError(ValueError):
    """A variable whose value cannot be used; the text names it, its value and what is allowed."""

    def __init__(self, name: str, value: str, allowed: str) -> None:
        super().__init__(f"{name}={value}: must be {allowed}")


@dataclass(frozen=True, slots=True)
class _Kind(Generic[T]):
    """How variables of one kind are read."""

    parse: Callable[[str], T]
    accepts: Callable[[T], bool]
    allowed: str

    def read(self, environ: Mapping[str, str], name: str, default: object) -> T:
        text = environ.get(name) or str(default)
        with suppress(KeyError, ValueError):
            if self.accepts(value := self.parse(text)):
                return value
        raise SettingsError(name, text, self.allowed)


def _split(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


_COUNT = _Kind(int, lambda count: count >= 1, "a whole number of at least 1")
_COUNT_OR_NONE = _Kind(int, lambda count: count >= 0, "a whole number of at least 0")
_SECONDS = _Kind(float, lambda seconds: 0 <= seconds < math.inf, "a number of seconds of at least 0")
_FLAG = _Kind(lambda text: _FLAGS[text.lower()], lambda _: True, "0 or 1")
_LOG_LEVEL = _Kind(str.lower, LOG_LEVELS.__contains__, "one of " + ", ".join(LOG_LEVELS))
_HOST_AND_PORT = _Kind(
    str,
    lambda text: bool(_ADDRESS.fullmatch(text)) and 1 <= _split(text)[1] <= 65535,
    "HOST:PORT with a port of 1 to 65535",
)
_SERVER_URL = _Kind(
    lambda text: text.removesuffix("/") if text else None,
    lambda url: url is None or bool(_URL.fullmatch(url)),
    "a URL such as http://host:8000",
)


def _setting(kind: _Kind[T], default: object) -> T:
    setting: T = field(metadata={"read": partial(kind.read, default=default)})
    return setting


@dataclass(frozen=True, slots=True)
class Settings:
    """The server's settings: each is read from the variable of its name in capitals; durations in seconds."""

    workers: int = _setting(_COUNT, 2)
    """gunicorn worker processes; one by default where `ENABLE_WEB_INTERFACE` serves the page."""
    bind: str = _setting(_HOST_AND_PORT, "127.0.0.1:8000")
    """HOST:PORT to listen on."""
    host_url: str | None = _setting(_SERVER_URL, "")
    """The URL that observations name; worked out from the bound address where unset."""
    # A session takes about 45 KB and one file descriptor: 4096 of them take 180 MB in a worker, and four
    # workers then carry 16 384.
    max_concurrent_envs: int = _setting(_COUNT, 4096)
    """Sessions that one worker holds; the next one gets `CAPACITY_REACHED`."""
    max_wait_seconds: float = _setting(_SECONDS, _LONGEST_WAIT)
    """The longest wait that an action may ask for."""
    max_steps_in_flight: int = _setting(_COUNT_OR_NONE, 0)
    """Steps of one worker that wait at the same time; further ones queue, 0 for no limit."""
    session_idle_timeout: float = _setting(_SECONDS, 0)
    """A session that sends nothing for so long is closed; 0 for never."""
    request_timeout: float = _setting(_SECONDS, 30)
    """How long a client may take to send a request or handshake, or to read an answer; 0 for ever."""
    ping_interval: float = _setting(_SECONDS, 20)
    """Seconds between pings; a session that leaves one unanswered for as long is closed; 0 for never."""
    graceful_timeout: float = _setting(_SECONDS, 30)
    """How long a worker that was told to stop waits for steps in flight."""
    worker_timeout: int = _setting(_COUNT, 60)
    """A worker whose event loop is stuck for so long is replaced."""
    # The kernel cuts it to net.core.somaxconn, which is 4096 on current Linux.
    backlog: int = _setting(_COUNT, 4096)
    """Connections that may wait to be accepted, per listening socket."""
    max_message_bytes: int = _setting(_COUNT, 16 * 1024 * 1024)
    """A longer WebSocket message gets close code 1009, a longer HTTP body status 413."""
    reuse_port: bool = _setting(_FLAG, 1)
    """Each worker has a listening socket of its own, so the kernel spreads connections evenly."""
    log_level: str = _setting(_LOG_LEVEL, "info")
    """One of `LOG_LEVELS`."""
    access_log: bool = _setting(_FLAG, 0)
    """Log each request and connection."""
    enable_web_interface: bool = _setting(_FLAG, 0)
    """Serve OpenEnv's web page."""

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> "Settings":
        """Read all variables.

        Raises SettingsError for the first one that cannot be used.
        """
        if _FLAG.read(environ, "ENABLE_WEB_INTERFACE", 0):
            # The page keeps its state in one process.
            environ = {**environ, "WORKERS": environ.get("WORKERS") or "1"}
        return cls(**{each.name: each.metadata["read"](environ, each.name.upper()) for each in fields(cls)})

    @property
    def address(self) -> tuple[str, int]:
        """The host (an IPv6 address without brackets) and port of `bind`."""
        return _split(self.bind)


def read_max_wait_seconds(environ: Mapping[str, str]) -> float:
    """Read `MAX_WAIT_SECONDS`, the one setting that clients share with the server.

    Raises SettingsError.
    """
    return _SECONDS.read(environ, "MAX_WAIT_SECONDS", _LONGEST_WAIT)


@contextmanager
def only_what_is_served(environ: Mapping[str, str]) -> Iterator[None]:
    """For importing OpenEnv: without gradio, which only `ENABLE_WEB_INTERFACE` needs.

    OpenEnv imports it, if it is there, whatever it serves: that takes seconds and 120 MB.
    """
    modules = cast(dict[str, Any], sys.modules)
    page = _FLAGS.get(environ.get("ENABLE_WEB_INTERFACE", "").lower(), False)
    if page or "gradio" in modules:
        yield
        return
    modules["gradio"] = None
    try:
        yield
    finally:
        del modules["gradio"]
