"""A selector for asyncio whose time-outs are good to tens of microseconds."""

import select
import selectors


class FineSelector(selectors.EpollSelector):
    """Epoll that wakes up when a time-out ends, not up to a millisecond later.

    Epoll counts time-outs in whole milliseconds, and asyncio's timers with it. The descriptor of an epoll can
    be waited for by select(), which counts in microseconds.
    """

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready, within `timeout` seconds; None: whenever something is."""
        if timeout is None or timeout > 0:
            select.select([self.fileno()], [], [], timeout)
        return super().select(0)
