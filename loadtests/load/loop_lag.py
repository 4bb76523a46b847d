"""How late the event loop of a Locust process is: what users feel of a generator that has too much to do."""

import os
import socket
import time
from pathlib import Path

import gevent
from locust.env import Environment

_SLEEP_SECONDS = 0.05


class LoopLag:
    """During a test, writes the worst lateness of each second to a file of this process in `folder`.

    A greenlet sleeps and looks how much longer that took than it should have: by as much are replies seen
    late, and timers go off late.
    """

    def __init__(self, environment: Environment, folder: Path, every_s: float = 1.0) -> None:
        self._folder = folder
        self._every_s = every_s
        self._greenlet: gevent.Greenlet | None = None
        environment.events.test_start.add_listener(self._start)
        environment.events.test_stop.add_listener(self._stop)

    def _start(self, **_: object) -> None:
        self._stop()
        self._greenlet = gevent.spawn(self._watch)

    def _stop(self, **_: object) -> None:
        if self._greenlet is not None:
            self._greenlet.kill()
            self._greenlet = None

    def _watch(self) -> None:
        path = self._folder / f"{socket.gethostname()}:{os.getpid()}"
        worst, written = 0.0, time.monotonic()
        while True:
            before = time.monotonic()
            gevent.sleep(_SLEEP_SECONDS)
            now = time.monotonic()
            worst = max(worst, now - before - _SLEEP_SECONDS)
            if now - written >= self._every_s:
                _write(path, worst)
                worst, written = 0.0, now


def _write(path: Path, seconds: float) -> None:
    scratch = path.with_name(f".{path.name}")
    try:
        scratch.write_text(f"{seconds:.6f}")
        scratch.replace(path)
    except OSError:  # a full disk: the records matter more
        scratch.unlink(missing_ok=True)
