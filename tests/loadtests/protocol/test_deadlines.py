import pytest

from loadtests.protocol.deadlines import NEVER, Deadlines


class Clock:
    now = 1000.0

    def monotonic(self) -> float:
        return self.now


class Waiter:
    def __init__(self, due: float) -> None:
        self.due = due
        self.gave_up = False

    def time_out(self) -> None:
        self.due, self.gave_up = NEVER, True


def test_each_gives_up_when_its_own_time_has_come(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, deadlines = Clock(), Deadlines()
    monkeypatch.setattr("loadtests.protocol.deadlines.time", clock)
    waiters = [Waiter(1000 + after_s) for after_s in (900, 300, 600, 300)]
    for waiter in waiters:
        deadlines.waiters.add(waiter)
        deadlines.look_at(waiter.due)
    seen = []
    while (due := deadlines.next_look) < NEVER:
        for clock.now in (due - 0.1, due):
            deadlines._look()
            seen.append((clock.now, [waiter.gave_up for waiter in waiters]))
    assert seen == [
        (1299.9, [False] * 4),
        (1300, [False, True, False, True]),
        (1599.9, [False, True, False, True]),
        (1600, [False, True, True, True]),
        (1899.9, [False, True, True, True]),
        (1900, [True] * 4),
    ]
