"""How late the event loop of a Locust process is: what users feel of a generator that has too much to do."""

import time
from collections import deque
from pathlib import Path

import gevent
from locust.env import Environment

from loadtests.machine import process_name

_EVERY_SECONDS = 0.01
_MOST_MOMENTS = 6000


class LoopLag:
    """During a test, knows how late the event loop of this process is.

    Each hundredth of a second something is due, and it is noted how late it was: by as much are replies seen
    late. What falls due while the loop is held up counts too, or the worst times would be seen once and the
    best ones a hundred times a second (coordinated omission).
    """

    def __init__(self, environment: Environment, folder: Path | None, every_s: float = 1.0) -> None:
        """The worst lateness goes to a file of this process in `folder` each second; None: nowhere."""
        self.worst_s: float | None = None
        """The worst lateness of the last second that is over; None where no test is running."""
        self._folder = folder
        self._every_s = every_s
        self._timer = gevent.get_hub().loop.timer(_EVERY_SECONDS, _EVERY_SECONDS)
        self._moments: deque[float] = deque(maxlen=_MOST_MOMENTS)
        self._due = self._second_began = self._worst = 0.0
        environment.events.test_start.add_listener(self._start)
        environment.events.test_stop.add_listener(self._stop)

    def take_p99_s(self) -> float | None:
        """The 99th percentile of lateness since the last call, in seconds; None where nothing was due."""
        moments = sorted(self._moments)
        self._moments.clear()
        if not moments:
            return None
        place = 0.99 * (len(moments) - 1)
        low, high = moments[int(place)], moments[min(int(place) + 1, len(moments) - 1)]
        return low + (high - low) * (place % 1)

    def _start(self, **_: object) -> None:
        self._stop()
        self._moments.clear()
        self._second_began = time.monotonic()
        self._due = self._second_began + _EVERY_SECONDS
        # Not a greenlet that sleeps: to switch to it each time costs twice as much CPU.
        self._timer.start(self._look, update=True)

    def _stop(self, **_: object) -> None:
        self._timer.stop()
        self._worst, self.worst_s = 0.0, None

    def _look(self) -> None:
        now = time.monotonic()
        late_s = max(now - self._due, 0.0)  # the loop may be early by what it rounds
        self._worst = max(self._worst, late_s)
        while late_s >= 0:
            self._moments.append(late_s)
            late_s -= _EVERY_SECONDS
        # From now on: the loop's own repetition would go out of step with what is due when it was late.
        self._due = now + _EVERY_SECONDS
        self._timer.again(self._look, update=True)
        if now - self._second_began >= self._every_s:
            self.worst_s = self._worst
            if self._folder is not None:
                write_lag(self._folder, process_name(), self._worst)
            self._worst, self._second_began = 0.0, now


def write_lag(folder: Path, process: str, seconds: float) -> None:
    """Replaces the file of a process."""
    path = folder / process
    scratch = path.with_name(f".{path.name}")
    try:
        scratch.write_text(f"{seconds:.6f}")
        scratch.replace(path)
    except OSError:  # a full disk: the records matter more
        scratch.unlink(missing_ok=True)
