"""Unix time that never jumps: the wall clock at the start, advanced by the monotonic clock."""

import time

_TOGETHER_S = 2e-5
_TRIES = 1000


def both_clocks() -> tuple[float, int]:
    """`time.perf_counter` and Unix nanoseconds of the same moment; the counter is not before that.

    They are read again where the process was held up between the two.
    """
    for _ in range(_TRIES):
        before, unix_ns, counter = time.perf_counter(), time.time_ns(), time.perf_counter()
        if counter - before < _TOGETHER_S:
            break
    return counter, unix_ns


def _offset() -> float:
    counter, unix_ns = both_clocks()
    return unix_ns / 1e9 - counter


_OFFSET = _offset()


def now() -> float:
    """Unix seconds. Adjustments of the wall clock during a run do not reach the records."""
    return unix_time(time.perf_counter())


def unix_time(counter: float) -> float:
    """Unix seconds of a moment that `time.perf_counter` gave."""
    return _OFFSET + counter
