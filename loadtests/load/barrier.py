"""Where the users of a batch wait for each other, so that all start at the same time."""

import gevent
from gevent.event import Event


class Barrier:
    """Holds users until all that are expected have arrived, then releases them, once."""

    def __init__(self) -> None:
        self._opened = Event()
        self._arrived = 0
        self._expected: int | None = None

    def expect(self, users: int) -> None:
        """Opens as soon as `users` have arrived."""
        self._expected = users
        self._open_for_all()

    def wait(self) -> bool:
        """Waits for the others; returns False at once if they have already gone.

        All start within one turn of the loop: each sends its first bytes before any reply is read.
        """
        if self._opened.is_set():
            return False
        self._arrived += 1
        self._open_for_all()
        self._opened.wait()
        # Timers count from when the loop last looked at the clock, and thousands begin in one turn of it.
        gevent.get_hub().loop.update_now()
        return True

    def _open_for_all(self) -> None:
        if self._expected is not None and self._arrived >= self._expected:
            self._opened.set()
