"""Keeps Python's garbage collector from running in the middle of the load."""

import gc

_RARELY = (100_000, 50, 1000)


class QuietCollector:
    """From `start` to `stop` collections are rare, and look only at what has been made since.

    Operations make many objects that live for a second, until they are recorded. They would set the
    collector off all the time, each time to look at everything that lives, and no user runs meanwhile.
    """

    def __init__(self) -> None:
        self._thresholds: tuple[int, int, int] | None = None

    def start(self) -> None:
        if self._thresholds is None:
            self._thresholds = gc.get_threshold()
            gc.collect()
            gc.freeze()
            gc.set_threshold(*_RARELY)

    def stop(self) -> None:
        if self._thresholds is not None:
            gc.set_threshold(*self._thresholds)
            gc.unfreeze()
            self._thresholds = None
