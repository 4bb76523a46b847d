"""The replay of a trace in one Locust process: who plays which session, and when its steps are sent."""

import time

from gevent.event import Event

from loadtests.load.schedule import InSystem
from loadtests.load.trace import LEAD_S, Trace, TraceSession
from reports.records.schema import ArrivalsJson


class Replay:
    """Hands out sessions to users as these become free, and tells them when each step is due.

    A session for which no user is free is taken late, by the first who is, and none is dropped.
    """

    def __init__(self, trace: Trace, share: int | None = 0, shares: int = 1) -> None:
        """Of P shares the k-th has the sessions k, k + P …, share None has none.

        The clock starts with the first user.
        """
        self._trace = trace
        self._mine = range(0) if share is None else range(share, trace.sessions, shares)
        self.in_system = InSystem()
        self._taken = 0
        self._closed = Event()
        self._start: float | None = None
        """When the trace begins, as `time.perf_counter` counts."""
        self._end: float | None = None
        self._begun = self._late = 0
        self._longest_wait_s = 0.0

    def close(self) -> None:
        """Ends it: nobody takes a session any more, or waits for a step."""
        if not self._closed.is_set():
            self._end = time.perf_counter()
            self._closed.set()

    def take(self) -> TraceSession | None:
        """Takes the next session and waits until it is to connect. None where there will be none any more."""
        if self._start is None:
            self._start = time.perf_counter() + LEAD_S
        if self._closed.is_set() or self._taken == len(self._mine):
            return None
        session = self._trace.session(self._mine[self._taken])
        self._taken += 1
        first = self._start + session.first_s
        if not self._wait(first - LEAD_S):
            return None
        late_s = time.perf_counter() - first
        if late_s > 0:
            self._late += session.due_by(session.first_s + late_s)
            self._longest_wait_s = max(self._longest_wait_s, late_s)
        return session

    def begin(self, at_s: float) -> float | None:
        """Waits until a step of a session that was taken is due. None where it will not be sent any more.

        `at_s` counts from the trace's start. Returns when it was due, as `time.perf_counter` counts.
        """
        assert self._start is not None
        due = self._start + at_s
        if not self._wait(due):
            return None
        self._begun += 1
        return due

    def counted(self) -> ArrivalsJson:
        """What became of the steps that were due before the end."""
        length_s = 0.0
        if self._start is not None:
            length_s = (time.perf_counter() if self._end is None else self._end) - self._start
        due = [self._trace.session(place).due_by(length_s) for place in self._mine]
        counted = ArrivalsJson(
            due=max(sum(due), self._begun),
            begun=self._begun,
            late=self._late,
            longest_wait_s=self._longest_wait_s,
        )
        if held_up := max(sum(due[: self._taken]) - self._begun, 0):
            counted["held_up"] = held_up
        return self.in_system.add_to(counted)

    def _wait(self, until: float) -> bool:
        """Waits until a moment; False where the replay has ended."""
        # A timer may go off early: it counts from when the loop last looked at the clock.
        while (left_s := until - time.perf_counter()) > 0 and not self._closed.is_set():
            self._closed.wait(left_s)
        return not self._closed.is_set()
