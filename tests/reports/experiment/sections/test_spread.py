import math

from reports.experiment.sections.spread import Spread, median_of, spread_of


def test_median_and_range_of_what_is_known() -> None:
    assert spread_of([3.0, None, 1.0, math.nan, 2.0]) == Spread(2.0, 1.0, 3.0)
    assert median_of([3.0, None, 1.0]) == 2.0


def test_nothing_known() -> None:
    assert not spread_of([None, math.nan]).known
    assert median_of([]) is None
