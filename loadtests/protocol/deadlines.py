"""Time-outs of many waiting greenlets with one timer."""

import math
import time
from typing import Any, Protocol

import gevent

NEVER = math.inf


class Waiter(Protocol):
    """Waits for something, again and again."""

    due: float
    """When to give up, on the monotonic clock; NEVER: it does not wait."""

    def time_out(self) -> None:
        """Gives up. Called in the hub."""


class Deadlines:
    """Lets everyone that it knows give up in time, with one look at a time when somebody may be due."""

    def __init__(self) -> None:
        self.waiters: set[Waiter] = set()
        self.next_look = NEVER
        """When it looks again. Who is due earlier has to say so."""
        self._timer: Any = None

    def look_at(self, moment: float) -> None:
        """Looks again no later than at this moment of the monotonic clock."""
        if moment >= self.next_look:
            return
        if self._timer is not None:
            self._timer.close()
        self.next_look = moment
        self._timer = gevent.get_hub().loop.timer(max(0.0, moment - time.monotonic()), ref=False)
        self._timer.start(self._look, update=True)

    def _look(self) -> None:
        self.next_look = NEVER
        now = time.monotonic()
        for waiter in [waiter for waiter in self.waiters if waiter.due <= now]:
            if waiter.due <= now:  # those that gave up before it may have changed that
                waiter.time_out()
        self.look_at(min((waiter.due for waiter in self.waiters), default=NEVER))


DEADLINES = Deadlines()
"""Those of this process."""
