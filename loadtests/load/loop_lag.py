"""How late the event loop of a Locust process is: what users feel of a generator that has too much to do."""

import time
from pathlib import Path

import gevent
from locust.env import Environment

from loadtests.machine import process_name

_SLEEP_SECONDS = 0.05


class LoopLag:
    """During a test, knows the worst lateness of each second, and writes it to a file of this process.

    A greenlet sleeps and looks how much longer that took than it should have: by as much are replies seen
    late, and timers go off late.
    """

    def __init__(self, environment: Environment, folder: Path | None, every_s: float = 1.0) -> None:
        """`folder` is where that file goes; None: nowhere."""
        self.newest_s: float | None = None
        """The worst lateness of the last second that is over; None where no test is running."""
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
            self.newest_s = None

    def _watch(self) -> None:
        worst, written = 0.0, time.monotonic()
        while True:
            before = time.monotonic()
            gevent.sleep(_SLEEP_SECONDS)
            now = time.monotonic()
            worst = max(worst, now - before - _SLEEP_SECONDS)
            if now - written >= self._every_s:
                self.newest_s = worst
                if self._folder is not None:
                    write_lag(self._folder, process_name(), worst)
                worst, written = 0.0, now


def write_lag(folder: Path, process: str, seconds: float) -> None:
    """Replaces the file of a process."""
    path = folder / process
    scratch = path.with_name(f".{path.name}")
    try:
        scratch.write_text(f"{seconds:.6f}")
        scratch.replace(path)
    except OSError:  # a full disk: the records matter more
        scratch.unlink(missing_ok=True)
