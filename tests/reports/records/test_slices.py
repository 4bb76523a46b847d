import numpy as np
import pytest

from reports.records.slices import slices_of


def test_slices_are_a_second_at_least_and_fill_the_run_evenly() -> None:
    slices = slices_of(20.5)
    assert slices.count == 20
    assert slices.width_s == pytest.approx(1.025)
    assert slices.edges_s[-1] == pytest.approx(20.5)


def test_a_long_run_has_longer_slices() -> None:
    slices = slices_of(3600, most=300)
    assert (slices.count, slices.width_s) == (300, 12)


@pytest.mark.parametrize("duration", [0.0, 0.2])
def test_a_short_run_is_one_slice(duration: float) -> None:
    assert slices_of(duration).count == 1


def test_the_end_of_the_run_lies_in_the_last_slice() -> None:
    assert slices_of(3.0).index(np.array([0.0, 0.99, 1.0, 3.0])).tolist() == [0, 0, 1, 2]
