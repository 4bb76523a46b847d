"""What a Locust process has left: how much of a core it keeps busy, and how late its event loop is."""

import os
import socket
import time
from collections import deque
from dataclasses import dataclass

import gevent
import psutil

_NAP_SECONDS = 0.1
_NAPS = 10
_SECONDS = 3
"""The last so many seconds count: one alone says little."""


@dataclass(frozen=True)
class Pulse:
    """The last seconds of a Locust process. All its users run in one thread: one core is all it has."""

    generator: str
    """As the steps table names it."""
    cpu_cores: float
    lag_s: float
    """How much later than asked for it woke up, at worst."""
    users: int = 0
    generates: bool = True
    """False for a master, which leaves the load to its workers."""


class Meter:
    """Measures this process, second by second."""

    def __init__(self) -> None:
        self._name = f"{socket.gethostname()}:{os.getpid()}"
        self._process = psutil.Process()
        self._process.cpu_percent()
        self._cores: deque[float] = deque(maxlen=_SECONDS)
        self._lags: deque[float] = deque(maxlen=_SECONDS)

    def measure(self, users: int, *, generates: bool) -> Pulse:
        """Waits for a second, and says how the last ones were."""
        self._lags.append(max(_lateness() for _ in range(_NAPS)))
        self._cores.append(self._process.cpu_percent() / 100)
        cores = sum(self._cores) / len(self._cores)
        return Pulse(self._name, cores, max(self._lags), users, generates)


def _lateness() -> float:
    due = time.monotonic() + _NAP_SECONDS
    gevent.sleep(_NAP_SECONDS)
    return max(0.0, time.monotonic() - due)
