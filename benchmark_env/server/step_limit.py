"""A limit on the steps that go on at the same time in one process: more queue, first in, first out."""

import asyncio
import threading
import time
from collections import deque
from concurrent.futures import Future


class StepLimit:
    """So many places, taken by threads and by tasks of event loops alike.

    A place passes to the next in the queue at the moment at which the one before it leaves, whenever the next
    gets to run: a queue that is not empty keeps every place busy. Moments are as `time.perf_counter` counts.
    """

    def __init__(self, places: int) -> None:
        self._free = places
        self._queue: deque[Future[float]] = deque()
        self._lock = threading.Lock()

    def enter(self) -> float:
        """Wait for a place, blocking the calling thread; the moment since which it has been taken."""
        return self._place().result()

    async def enter_async(self) -> float:
        """The same, while other tasks go on. A task that is cancelled meanwhile leaves the queue."""
        place = self._place()
        try:
            return place.result() if place.done() else await asyncio.wrap_future(place)
        except asyncio.CancelledError:
            if not place.cancel():
                # It was given the place before it could be told.
                self.leave(time.perf_counter())
            raise

    def leave(self, at: float) -> None:
        """Give a place up at a moment, to the first in the queue."""
        with self._lock:
            while self._queue:
                place = self._queue.popleft()
                if place.set_running_or_notify_cancel():
                    break
            else:
                self._free += 1
                return
        place.set_result(at)

    def _place(self) -> Future[float]:
        place: Future[float] = Future()
        with self._lock:
            if not self._free:
                self._queue.append(place)
                return place
            self._free -= 1
        place.set_result(time.perf_counter())
        return place
