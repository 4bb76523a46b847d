"""Time-outs of many greenlets with one timer."""

import time
from functools import cache
from typing import Protocol

import gevent


class Waiter(Protocol):
    """Waits for something."""

    def time_out(self) -> None:
        """Waits no longer. Called in the hub."""


class Deadlines:
    """Of all that wait equally long, so that who came first is due first."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._due: dict[Waiter, float] = {}
        self._timed = False

    def add(self, waiter: Waiter) -> None:
        """From now on it waits."""
        self._due[waiter] = time.monotonic() + self._timeout_s
        if not self._timed:
            self._timed = True
            self._look_in(self._timeout_s)

    def remove(self, waiter: Waiter) -> None:
        """It does not wait any more."""
        self._due.pop(waiter, None)

    def _look_in(self, seconds: float) -> None:
        self._timer = gevent.get_hub().loop.timer(seconds, ref=False)
        self._timer.start(self._look, update=True)

    def _look(self) -> None:
        while self._due:
            waiter, due = next(iter(self._due.items()))
            if (left := due - time.monotonic()) > 0:
                self._look_in(left)
                return
            del self._due[waiter]
            waiter.time_out()
        self._timed = False


@cache
def deadlines(timeout_s: float) -> Deadlines:
    """Those of this process's greenlets that wait so long."""
    return Deadlines(timeout_s)
