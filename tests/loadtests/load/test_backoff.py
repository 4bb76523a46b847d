import random

import pytest

from loadtests.load.backoff import FIRST_SECONDS, Backoff
from reports.records.schema import LONGEST_RETRY_PAUSE_S


def longest(_low: float, high: float) -> float:
    return high


def test_the_bound_doubles_with_each_failure_up_to_the_longest() -> None:
    backoff = Backoff(longest)
    waits = [backoff.after_failure() for _ in range(8)]
    assert waits == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 3.2, 3.2])
    assert (waits[0], waits[-1]) == (FIRST_SECONDS, LONGEST_RETRY_PAUSE_S)


def test_a_success_resets_it() -> None:
    backoff = Backoff(longest)
    for _ in range(4):
        backoff.after_failure()
    backoff.after_success()
    assert backoff.after_failure() == FIRST_SECONDS


def test_clients_that_failed_together_come_back_at_all_times() -> None:
    draw = random.Random(1).uniform
    waits = []
    for _ in range(1000):
        backoff = Backoff(draw)
        for _ in range(5):
            backoff.after_failure()
        waits.append(backoff.after_failure())
    in_tenths = [
        sum(low <= wait / LONGEST_RETRY_PAUSE_S < low + 0.1 for wait in waits) for low in (0.0, 0.5, 0.9)
    ]
    assert all(50 < each < 150 for each in in_tenths)
