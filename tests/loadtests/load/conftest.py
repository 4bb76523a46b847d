import pytest


class Clock:
    """A clock that goes on as a test says."""

    def __init__(self) -> None:
        self.now = 1000.0

    def perf_counter(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """What schedules and replays go by."""
    clock = Clock()
    for module in ("replay", "schedule"):
        monkeypatch.setattr(f"loadtests.load.{module}.time", clock)
    return clock
