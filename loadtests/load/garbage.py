"""Keeps Python's garbage collector from running in the middle of the load."""

import gc

_RARELY = (100_000, 50, 1000)


class QuietCollector:
    """Between `start` and `stop` collections are rare, and look only at objects created since.

    Operations create many objects that live until they are recorded, a second later. They would trigger
    collection after collection of everything alive, during which no user runs.
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
