import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from reports.statistics.quantiles import equal_shares_p, quantiles_of, quantiles_of_sorted


@pytest.mark.parametrize("size", [1, 2, 3, 10, 1001])
def test_quantiles_are_those_of_numpy(size: int) -> None:
    values = np.sort(np.random.default_rng(size).lognormal(size=size))
    wanted = np.array([0.0, 0.5, 0.9, 0.95, 0.99, 0.999, 1.0])
    assert quantiles_of_sorted(values, wanted) == pytest.approx(np.quantile(values, wanted), rel=1e-12)


def test_there_are_no_quantiles_of_nothing() -> None:
    with pytest.raises(ValueError, match="no values"):
        quantiles_of_sorted(np.empty(0), np.array([0.5]))


_RANDOM = np.random.default_rng(3)
_MANY = 400_000


@pytest.mark.parametrize(
    "values",
    [
        _RANDOM.lognormal(size=999),
        _RANDOM.lognormal(size=20_000),
        _RANDOM.lognormal(size=_MANY),
        _RANDOM.normal(scale=1e-3, size=_MANY),
        np.append(_RANDOM.normal(0.05, 1e-6, size=_MANY), [-1e300, 1e300, 0.0, -0.0]),
        _RANDOM.choice([0.0, -0.0, 0.05, 0.1], size=_MANY),
        np.full(_MANY, 0.05),
        np.geomspace(5e-324, 1e308, _MANY)[::-1],
    ],
    ids=[
        "few",
        "more",
        "lognormal",
        "both-signs",
        "outliers",
        "few-distinct",
        "one-value",
        "every-magnitude",
    ],
)
def test_quantiles_of_any_order_are_exactly_those_of_the_sorted_values(values: NDArray[np.float64]) -> None:
    wanted = np.concatenate([np.linspace(0, 0.9, 91), 1 - np.logspace(-1, -6, 200), [1.0]])
    before = values.copy()
    assert np.array_equal(quantiles_of(values, wanted), quantiles_of_sorted(np.sort(values), wanted))
    assert np.array_equal(values, before)


def test_there_are_no_quantiles_of_many_values_with_nan() -> None:
    for nan in (np.nan, -np.nan):
        with pytest.raises(ValueError, match="NaN"):
            quantiles_of(np.append(np.ones(_MANY), nan), np.array([0.5]))


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
