import numpy as np
import pytest

from reports.statistics.rates import rate_within


@pytest.mark.parametrize(
    ("window_s", "rate"), [((0.0, 10.0), 0.4), ((1.0, 3.0), 1.5), ((4.0, 9.0), 0.0), ((2.0, 2.0), 0.0)]
)
def test_moments_in_the_window_count_its_ends_included(window_s: tuple[float, float], rate: float) -> None:
    assert rate_within(np.array([3.0, 1.0, 2.0, 9.5]), window_s) == pytest.approx(rate)
