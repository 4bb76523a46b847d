"""Unix time that never jumps: the wall clock at the start, advanced by the monotonic clock."""

import time


def _offset() -> float:
    """What the wall clock is ahead by: by the closest of a few readings, for one may be held up."""
    readings = []
    for _ in range(10):
        before = time.perf_counter()
        wall = time.time()
        after = time.perf_counter()
        readings.append((after - before, wall - (before + after) / 2))
    return min(readings)[1]


_OFFSET = _offset()


def now() -> float:
    """Unix seconds. Adjustments of the wall clock during a run do not reach the records."""
    return unix_time(time.perf_counter())


def unix_time(counter: float) -> float:
    """Unix seconds of a moment that `time.perf_counter` gave."""
    return _OFFSET + counter
