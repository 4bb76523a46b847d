import pytest

from loadtests.load.workers.clocks import ClockComparison, ClockSample, clock_sample


@pytest.mark.parametrize("there_s", [0.01, 0.03])
@pytest.mark.parametrize("back_s", [0.01, 0.03])
@pytest.mark.parametrize("ahead_s", [-3.0, 0.0, 2.5])
def test_an_offset_is_right_within_half_a_round_trip(ahead_s: float, there_s: float, back_s: float) -> None:
    asked_at, thinking_s = 1000.0, 0.2
    received_at = asked_at + there_s + ahead_s
    sample = clock_sample(
        asked_at, received_at, received_at + thinking_s, asked_at + there_s + thinking_s + back_s
    )
    assert sample.round_trip_s == pytest.approx(there_s + back_s)
    assert abs(sample.offset_s - ahead_s) <= sample.round_trip_s / 2 + 1e-9
    if there_s == back_s:
        assert sample.offset_s == pytest.approx(ahead_s)


def test_the_best_of_the_newest_samples_has_the_shortest_round_trip() -> None:
    clock = ClockComparison()
    assert clock.best is None
    for offset_s, round_trip_s in ((1.0, 0.001), (2.0, 0.1), (3.0, 0.01)):
        clock.add(ClockSample(offset_s, round_trip_s))
    assert clock.best == ClockSample(1.0, 0.001)
    for _ in range(30):
        clock.add(ClockSample(4.0, 0.5))
    assert clock.best == ClockSample(4.0, 0.5)
