import numpy as np
import pytest
from scipy import stats

from reports.statistics.quantiles import equal_shares_p, quantiles_of_sorted, stable_order


@pytest.mark.parametrize("size", [1, 2, 3, 10, 1001])
def test_quantiles_are_those_of_numpy(size: int) -> None:
    values = np.sort(np.random.default_rng(size).lognormal(size=size))
    wanted = np.array([0.0, 0.5, 0.9, 0.95, 0.99, 0.999, 1.0])
    assert quantiles_of_sorted(values, wanted) == pytest.approx(np.quantile(values, wanted), rel=1e-12)


def test_there_are_no_quantiles_of_nothing() -> None:
    with pytest.raises(ValueError, match="no values"):
        quantiles_of_sorted(np.empty(0), np.array([0.5]))


@pytest.mark.parametrize("loads", [[90, 93, 106, 111], [4, 54, 146, 196], [10, 10], [1, 0, 0]])
def test_equal_shares_are_tested_as_scipy_does(loads: list[float]) -> None:
    expected = stats.chisquare(loads).pvalue
    assert equal_shares_p(np.array(loads, dtype=float)) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("parts", [2, 3, 4, 9, 64, 501, 2000])
@pytest.mark.parametrize("spread", [0.1, 1.0, 3.0])
def test_equal_shares_of_many_parts_are_tested_as_scipy_does(parts: int, spread: float) -> None:
    loads = np.maximum(np.random.default_rng(parts).normal(400, 20 * spread, parts).round(), 0)
    expected = stats.chisquare(loads).pvalue
    assert equal_shares_p(loads) == pytest.approx(expected, rel=1e-9, abs=1e-300)


@pytest.mark.parametrize("loads", [[5], [0, 0], []])
def test_equal_shares_need_two_parts_and_a_load(loads: list[float]) -> None:
    assert equal_shares_p(np.array(loads, dtype=float)) is None


@pytest.mark.parametrize("count", [1, 300, 70_000])
def test_rows_of_a_group_come_together_in_their_order(count: int) -> None:
    groups = np.random.default_rng(1).integers(0, count, 50_000).astype(np.int32)
    assert np.array_equal(stable_order(groups, count), np.argsort(groups, kind="stable"))
