"""The schedule of the open model in one Locust process: who takes which arrival, and when."""

import time
from collections.abc import Iterator

from gevent.event import Event

from loadtests.load.barrier import Barrier
from reports.records.schema import ArrivalsJson


class Schedule:
    """Hands out arrivals to users as these become free.

    A free user takes the next arrival that nobody has, and waits until it is due. So an arrival for which no
    user is free is taken late, by the first who is, and none is dropped.
    """

    def __init__(self, times: Iterator[float], *, gathers: bool) -> None:
        """`times` are seconds from the start to each arrival of this process, rising.

        Where it gathers its users, the clock starts when all are ready; else with the first.
        """
        self._times = times
        self._barrier = Barrier()
        self._gathers = gathers
        self._opened, self._closed = Event(), Event()
        self._start = self._end = 0.0
        self._late = 0
        self._longest_wait_s = 0.0
        self._begun = 0

    def expect(self, users: int) -> None:
        """All users have been started, so many."""
        self._barrier.expect(users)

    def gather(self) -> None:
        """Waits for the other users to be ready; the clock starts with the last."""
        if not self._opened.is_set():
            self._barrier.wait()
            self._open()

    def _open(self) -> None:
        if not self._opened.is_set():
            self._start = time.perf_counter()
            self._opened.set()

    def close(self) -> None:
        """Ends it: nobody takes an arrival any more, or waits for one."""
        if not self._closed.is_set():
            self._end = time.perf_counter()
            self._closed.set()
            self._opened.set()

    def take(self) -> float | None:
        """Takes the next arrival and waits until it is due. None where there will be none any more.

        Returns the moment when it was due, as `time.perf_counter` counts.
        """
        if not self._gathers:
            self._open()
        self._opened.wait()
        if self._closed.is_set() or (after_s := next(self._times, None)) is None:
            return None
        due = self._start + after_s
        left_s = due - time.perf_counter()
        if left_s < 0:
            self._late += 1
            self._longest_wait_s = max(self._longest_wait_s, -left_s)
        # A timer may go off early: it counts from when the loop last looked at the clock.
        while left_s > 0:
            if self._closed.wait(left_s):
                return None
            left_s = due - time.perf_counter()
        self._begun += 1
        return due

    def counted(self) -> ArrivalsJson:
        """What became of the arrivals that were due before the end. It takes those that nobody took."""
        length_s = (self._end or time.perf_counter()) - self._start if self._start else 0.0
        left = 0
        for after_s in self._times:
            if after_s > length_s:
                break
            left += 1
        return ArrivalsJson(
            due=self._begun + left, begun=self._begun, late=self._late, longest_wait_s=self._longest_wait_s
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
    return total
