"""The schedule of the open model in one Locust process: who takes which arrival, and when."""

import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import gevent
from gevent.event import Event
from gevent.hub import Waiter

from loadtests.load.barrier import Barrier
from reports.records.schema import ArrivalsJson


class InSystem:
    """Counts arrivals as they leave, and how long they were there: without a look at what is recorded."""

    def __init__(self) -> None:
        self._done = 0
        self._seconds = 0.0

    def leave(self, due: float) -> None:
        """What was due at a moment of `time.perf_counter` is over now."""
        self._seconds += time.perf_counter() - due
        self._done += 1

    def add_to(self, counted: ArrivalsJson) -> ArrivalsJson:
        """What became of the arrivals, with these in it, if there are any."""
        if self._done:
            counted["done"], counted["in_system_s"] = self._done, self._seconds
        return counted


class Schedule:
    """Hands out arrivals to users, who queue for them as they become free.

    An arrival goes to the first in the queue when it is due. One for which no user is free is taken late, by
    the first who is, and none is dropped.
    """

    def __init__(self, times: Iterator[float], *, gathers: bool) -> None:
        """`times` are seconds from the start to each arrival of this process, rising.

        Where it gathers its users, the clock starts when all are ready; else with the first.
        """
        self._times = times
        self._next_s = next(times, None)
        self._barrier = Barrier()
        self._gathers = gathers
        self.in_system = InSystem()
        self._opened = Event()
        self._is_open = self._is_closed = False
        self._free: deque[Waiter[float | None]] = deque()
        self._timer: Any = None
        """Goes off when the next arrival is due that somebody waits for."""
        self._start = self._end = 0.0
        self._late = 0
        self._longest_wait_s = 0.0
        self._begun = 0

    def expect(self, users: int) -> None:
        """All users have been started, so many."""
        self._barrier.expect(users)

    def gather(self) -> None:
        """Waits for the other users to be ready; the clock starts with the last."""
        if not self._is_open:
            self._barrier.wait()
            self._open()

    def _open(self) -> None:
        if not self._is_open:
            self._start = time.perf_counter()
            self._is_open = True
            self._opened.set()

    def close(self) -> None:
        """Ends it: nobody takes an arrival any more, or waits for one."""
        if self._is_closed:
            return
        self._end = time.perf_counter()
        self._is_open = self._is_closed = True
        self._opened.set()
        self._stop_timer()
        if self._free:
            # No user was lacking for what is due and the loop did not get to.
            self._next_s = None
        # Only the loop may switch to those who wait.
        for waiter in self._free:
            gevent.get_hub().loop.run_callback(waiter.switch, None)
        self._free.clear()

    def take(self) -> float | None:
        """Takes the next arrival when it is due. None where there will be none any more.

        Returns the moment when it was due, as `time.perf_counter` counts.
        """
        if not self._is_open:
            if self._gathers:
                self._opened.wait()
            else:
                self._open()
        if self._is_closed or self._next_s is None:
            return None
        wait_s = time.perf_counter() - self._start - self._next_s
        if wait_s > 0 and not self._free:
            self._late += 1
            self._longest_wait_s = max(self._longest_wait_s, wait_s)
            return self._taken()
        waiter: Waiter[float | None] = Waiter()
        self._free.append(waiter)
        if self._timer is None:
            self._set_timer(-wait_s)
        try:
            due: float | None = waiter.get()
        except BaseException:
            # Whoever is stopped while it waits takes no arrival along.
            with suppress(ValueError):
                self._free.remove(waiter)
            raise
        return due

    def _taken(self) -> float:
        assert self._next_s is not None
        due = self._start + self._next_s
        self._begun += 1
        self._next_s = next(self._times, None)
        return due

    def _give_out(self) -> None:
        """Switches to as many of the users that wait as arrivals are due; the loop calls it."""
        self._stop_timer()
        while self._free and self._next_s is not None:
            # A timer may go off early: it counts from when the loop last looked at the clock.
            left_s = self._start + self._next_s - time.perf_counter()
            if left_s > 0:
                if self._timer is None:
                    self._set_timer(left_s)
                return
            self._free.popleft().switch(self._taken())
        while self._next_s is None and self._free:
            self._free.popleft().switch(None)

    def _set_timer(self, left_s: float) -> None:
        self._timer = gevent.get_hub().loop.timer(max(left_s, 0.0))
        self._timer.start(self._give_out)

    def _stop_timer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.close()

    def counted(self) -> ArrivalsJson:
        """What became of the arrivals that were due before the end. It takes those that nobody took."""
        length_s = (self._end or time.perf_counter()) - self._start if self._start else 0.0
        left = 0
        while self._next_s is not None and self._next_s <= length_s:
            left += 1
            self._next_s = next(self._times, None)
        return self.in_system.add_to(
            ArrivalsJson(
                due=self._begun + left,
                begun=self._begun,
                late=self._late,
                longest_wait_s=self._longest_wait_s,
            )
        )


def added(first: ArrivalsJson | None, second: ArrivalsJson) -> ArrivalsJson:
    """The arrivals of two processes."""
    first = first or ArrivalsJson(due=0, begun=0, late=0, longest_wait_s=0.0)
    total = ArrivalsJson(
        due=first["due"] + second["due"],
        begun=first["begun"] + second["begun"],
        late=first["late"] + second["late"],
        longest_wait_s=max(first["longest_wait_s"], second["longest_wait_s"]),
    )
    if held_up := first.get("held_up", 0) + second.get("held_up", 0):
        total["held_up"] = held_up
    if done := first.get("done", 0) + second.get("done", 0):
        total["done"] = done
        total["in_system_s"] = first.get("in_system_s", 0.0) + second.get("in_system_s", 0.0)
    return total
