import time

from loadtests.clock import now


def test_it_is_unix_time() -> None:
    assert abs(now() - time.time()) < 1


def test_it_never_goes_back() -> None:
    times = [now() for _ in range(1000)]
    assert times == sorted(times)
