import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.soak.trend import LEAST_SAMPLES, trend

SERIES = 300


def noise(count: int, correlation: float, chance: np.random.Generator) -> NDArray[np.float64]:
    """Autoregressive noise; a random walk where the correlation is 1."""
    values = chance.standard_normal(count)
    if correlation < 1:
        values[0] /= np.sqrt(1 - correlation**2)
    for place in range(1, count):
        values[place] += correlation * values[place - 1]
    return values


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.8, 0.95, 1.0])
@pytest.mark.parametrize("count", [60, 240])
def test_the_interval_holds_the_slope_however_much_samples_depend_on_each_other(
    count: int, correlation: float
) -> None:
    chance, at = np.random.default_rng(7), np.arange(count, dtype=np.float64)
    held = 0
    for _ in range(SERIES):
        found = trend(at, 3.0 + 0.2 * at + noise(count, correlation, chance))
        assert found is not None
        held += found.low <= 0.2 <= found.high
    assert held >= 0.9 * SERIES


def test_the_interval_is_wider_where_samples_depend_on_more_than_their_neighbours() -> None:
    chance, at = np.random.default_rng(7), np.arange(240, dtype=np.float64)
    held = 0
    for _ in range(SERIES):
        shocks = chance.standard_normal(at.size + 4)
        found = trend(at, 0.2 * at + shocks[4:] + shocks[2:-2] + shocks[:-4])
        assert found is not None
        held += found.low <= 0.2 <= found.high
    # As if freed samples were independent: 0.79.
    assert held >= 0.86 * SERIES


def test_a_slope_is_found_where_samples_are_nearly_independent() -> None:
    at = np.arange(100.0)
    found = trend(at, 0.1 * at + noise(100, 0.2, np.random.default_rng(3)))
    assert found is not None
    assert 0.05 < found.low < found.slope < found.high < 0.15


def test_more_certainty_is_a_wider_interval_around_the_same_slope() -> None:
    at, values = np.arange(50.0), noise(50, 0.3, np.random.default_rng(5))
    usual, sure = trend(at, values), trend(at, values, doubt=0.001)
    assert usual is not None
    assert sure is not None
    assert sure.low < usual.low < usual.slope == sure.slope < usual.high < sure.high


def test_what_does_not_move_has_no_slope_and_no_doubt() -> None:
    found = trend(np.arange(20.0), np.full(20, 12.0))
    assert found is not None
    assert [found.slope, found.low, found.high] == pytest.approx([0, 0, 0], abs=1e-12)


def test_too_few_samples_say_nothing() -> None:
    few = np.arange(LEAST_SAMPLES - 1.0)
    assert trend(few, few) is None
