import time

import pytest

from loadtests import clock
from loadtests.clock import now


def test_it_is_unix_time() -> None:
    before, found, after = time.time(), now(), time.time()
    assert before - 1 < found < after + 1


def test_it_never_goes_back() -> None:
    times = [now() for _ in range(1000)]
    assert times == sorted(times)


def test_being_held_up_between_the_clocks_does_not_set_it_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    passed = iter([0.0, 5.0, 0.0, *[1e-6] * 60])  # the second look of all takes five seconds
    seconds = 100.0

    def counter() -> float:
        nonlocal seconds
        seconds += next(passed)
        return seconds

    monkeypatch.setattr(time, "perf_counter", counter)
    monkeypatch.setattr(time, "time", lambda: counter() + 1000)
    assert clock._offset() == pytest.approx(1000, abs=1e-5)
