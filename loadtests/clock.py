"""Unix time that never jumps: the wall clock as it was at the start, moved on by the monotonic clock."""

import time

_OFFSET = time.time() - time.perf_counter()


def now() -> float:
    """Unix seconds. Steps of the wall clock during a run do not reach the records."""
    return _OFFSET + time.perf_counter()
