"""Unix time that never jumps: the wall clock at the start, advanced by the monotonic clock."""

import time

_OFFSET = time.time() - time.perf_counter()


def now() -> float:
    """Unix seconds. Adjustments of the wall clock during a run do not reach the records."""
    return unix_time(time.perf_counter())


def unix_time(counter: float) -> float:
    """Unix seconds of a moment that `time.perf_counter` gave."""
    return _OFFSET + counter
