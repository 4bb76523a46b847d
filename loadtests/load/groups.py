"""Groups of users whose rollouts start together: the next starts when the slowest of the last is done."""

from gevent.event import Event


class Groups:
    """The groups of one Locust process: users 0 … size - 1 are the first, the next `size` the second …"""

    def __init__(self, size: int) -> None:
        self._size = size
        self._groups: dict[int, _Group] = {}
        self._closed = False

    def expect(self, users: int) -> None:
        """All users have been started, so many; those of a last group that is not full start without more."""
        if missing := -users % self._size:
            self._group(users // self._size).lower(missing)

    def start_together(self, place: int) -> bool:
        """Waits until all of the group are here. False where the load has ended.

        `place` is 0, 1, 2 … for the users of the process.
        """
        if not self._closed:
            self._group(place // self._size).wait()
        return not self._closed

    def close(self) -> None:
        """Ends the load: nobody waits any more."""
        self._closed = True
        for group in self._groups.values():
            group.release()

    def _group(self, number: int) -> "_Group":
        return self._groups.setdefault(number, _Group(self._size))


class _Group:
    """Waits for its members again and again."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._here = 0
        self._opened = Event()

    def wait(self) -> None:
        self._here += 1
        opened = self._opened
        if not self._release_all_here():
            opened.wait()

    def lower(self, by: int) -> None:
        self._size -= by
        self._release_all_here()

    def release(self) -> None:
        self._here, opened = 0, self._opened
        self._opened = Event()
        opened.set()

    def _release_all_here(self) -> bool:
        complete = 0 < self._size <= self._here
        if complete:
            self.release()
        return complete
