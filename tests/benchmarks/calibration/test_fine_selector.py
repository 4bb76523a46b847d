import os
import time
from contextlib import closing

from benchmarks.calibration.fine_selector import FineSelector


def waited(selector: FineSelector, timeout: float | None) -> float:
    begin = time.perf_counter()
    selector.select(timeout)
    return time.perf_counter() - begin


def test_a_time_out_is_not_rounded_up_to_milliseconds() -> None:
    with closing(FineSelector()) as selector:
        # One of many, since others use the machine too: rounded up, each would take 2 ms.
        took_s = (waited(selector, 0.0011) for _ in range(20_000))
        assert next((each for each in took_s if each < 0.0018), 0.0) >= 0.0011


def test_what_is_ready_ends_the_wait() -> None:
    read, write = os.pipe()
    with closing(FineSelector()) as selector:
        selector.register(read, 1)
        assert selector.select(0) == []
        os.write(write, b"x")
        for timeout in (None, 30.0, 0):
            assert [key.fd for key, _ in selector.select(timeout)] == [read]
    os.close(read)
    os.close(write)
