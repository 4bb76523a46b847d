import math

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import curve_fit

from reports.statistics.usl import UslFit, fit_usl

LOADS = np.array([1, 2, 4, 8, 16, 32, 64, 128])
SPEC_LOADS = [1, 18, 36, 72, 108, 144, 216]
SPEC_THROUGHPUT = [64.9, 995.9, 1652.4, 1853.2, 1828.9, 1775.0, 1702.2]


def law(loads: ArrayLike, sigma: float, kappa: float, gamma: float) -> NDArray[np.float64]:
    n = np.asarray(loads, dtype=np.float64)
    result: NDArray[np.float64] = gamma * n / (1 + sigma * (n - 1) + kappa * n * (n - 1))
    return result


def within(interval: tuple[float, float], value: float) -> bool:
    low, high = interval
    return low <= value <= high


def test_published_speed_ups_of_a_database() -> None:
    fit = fit_usl([1, 2, 4, 6, 8, 10], [1, 1.8868, 3.0769, 3.5294, 3.5398, 3.3557])
    assert fit.sigma == pytest.approx(0.02, abs=1e-4)
    assert fit.kappa == pytest.approx(0.02, abs=1e-4)
    assert fit.gamma == pytest.approx(1, abs=1e-4)
    assert fit.peak_concurrency == pytest.approx(7, abs=0.01)
    assert fit.r_squared == pytest.approx(1, abs=1e-6)


def test_spec_sdm91_peaks_where_the_r_package_usl_says() -> None:
    fit = fit_usl(SPEC_LOADS, SPEC_THROUGHPUT)
    assert fit.sigma == pytest.approx(0.02773, rel=2e-4)
    assert fit.kappa == pytest.approx(1.04369e-4, rel=2e-4)
    assert fit.peak_concurrency == pytest.approx(96.52, abs=0.005)
    assert fit.peak_throughput == pytest.approx(1883.9, rel=1e-3)
    assert fit.peak_throughput == pytest.approx(fit.predicted(fit.peak_concurrency or 0).item())
    assert fit.r_squared == pytest.approx(0.9896, abs=1e-4)


def test_an_unbounded_solver_finds_the_same_where_no_bound_is_touched() -> None:
    noisy = law(LOADS, 0.05, 0.0003, 40) * np.random.default_rng(3).normal(1, 0.03, LOADS.size)
    fit = fit_usl(LOADS, noisy)
    found, _ = curve_fit(law, LOADS, noisy, [0.01, 1e-4, 30])
    assert [fit.sigma, fit.kappa, fit.gamma] == pytest.approx(list(found), rel=1e-4)


@pytest.mark.parametrize("scale", [1.0, 1000.0])
@pytest.mark.parametrize("gamma", [1e-3, 1.0, 1e7])
@pytest.mark.parametrize(
    ("sigma", "kappa"), [(0.0, 0.0), (0.3, 0.0), (0.0, 1e-4), (0.02, 1e-5), (1e-3, 1e-6), (1.0, 0.0)]
)
def test_known_parameters_come_back(sigma: float, kappa: float, gamma: float, scale: float) -> None:
    loads = LOADS * scale
    fit = fit_usl(loads, law(loads, sigma, kappa / scale**2, gamma))
    assert fit.sigma == pytest.approx(sigma, rel=1e-4, abs=1e-9)
    assert fit.kappa == pytest.approx(kappa / scale**2, rel=1e-4, abs=1e-9 / scale**2)
    assert fit.gamma == pytest.approx(gamma, rel=1e-4)


def test_units_of_throughput_change_nothing_but_gamma() -> None:
    one = fit_usl(SPEC_LOADS, SPEC_THROUGHPUT)
    other = fit_usl(SPEC_LOADS, [1e-6 * steps for steps in SPEC_THROUGHPUT])
    assert other.sigma == pytest.approx(one.sigma)
    assert other.kappa_ci == pytest.approx(one.kappa_ci, rel=1e-3)
    assert other.gamma_ci[1] == pytest.approx(1e-6 * one.gamma_ci[1], rel=1e-3)


def test_linear_growth_has_no_contention_and_no_peak() -> None:
    fit = fit_usl(LOADS, 12.5 * LOADS)
    assert (fit.sigma, fit.kappa) == (0, 0)
    assert (fit.peak_concurrency, fit.peak_throughput, fit.ceiling, fit.knee) == (None, None, None, None)
    assert fit.predicted([3]).tolist() == pytest.approx([37.5])


def test_growth_faster_than_linear_holds_at_zero() -> None:
    fit = fit_usl([1, 2, 4, 8], [1, 2.1, 4.5, 9.4])
    assert (fit.sigma, fit.kappa) == (0, 0)
    assert fit.sigma_ci[0] == 0
    assert fit.kappa_ci[0] == 0


def test_amdahl_levels_off_and_does_not_peak() -> None:
    fit = fit_usl(LOADS, law(LOADS, 0.1, 0, 30))
    assert fit.kappa == 0
    assert fit.peak_concurrency is None
    assert fit.ceiling == pytest.approx(300)
    assert fit.knee == pytest.approx(10)


def test_flat_throughput_is_all_contention() -> None:
    fit = fit_usl([64, 128, 256, 512], [100, 100, 100, 100])
    assert (fit.sigma, fit.kappa) == (1, 0)
    assert fit.ceiling == pytest.approx(100)
    assert fit.r_squared == 1


def test_the_knee_lies_where_the_ideal_line_meets_the_peak() -> None:
    fit = fit_usl(SPEC_LOADS, SPEC_THROUGHPUT)
    assert fit.knee is not None
    assert fit.gamma * fit.knee == pytest.approx(fit.peak_throughput)


def test_a_peak_is_never_below_a_load_of_one() -> None:
    fit = fit_usl([64, 128, 256, 512], [100, 101, 99, 100])
    assert fit.peak_concurrency is not None
    assert fit.peak_concurrency >= 1


def test_repeated_loads_count_each() -> None:
    fit = fit_usl(SPEC_LOADS * 3, SPEC_THROUGHPUT * 3)
    once = fit_usl(SPEC_LOADS, SPEC_THROUGHPUT)
    assert fit.sigma == pytest.approx(once.sigma, rel=1e-4)
    assert fit.sigma_ci[1] - fit.sigma_ci[0] < once.sigma_ci[1] - once.sigma_ci[0]


def test_exact_data_have_intervals_without_width() -> None:
    fit = fit_usl(LOADS, 3.0 * LOADS)
    assert fit.gamma_ci == (fit.gamma, fit.gamma)


@pytest.mark.parametrize(("sigma", "kappa"), [(0.05, 0.0005), (0.1, 0.0), (0.0, 0.001)])
def test_the_intervals_hold_the_truth_19_times_of_20(sigma: float, kappa: float) -> None:
    chance = np.random.default_rng(11)
    loads = np.repeat(LOADS, 2)
    truth = law(loads, sigma, kappa, 50)
    fits = [fit_usl(loads, truth + chance.normal(0, 8, loads.size)) for _ in range(50)]
    # A coverage of 95 % gives fewer than 42 of 50 once in 1,000 times.
    assert sum(within(fit.sigma_ci, sigma) for fit in fits) >= 42
    assert sum(within(fit.kappa_ci, kappa) for fit in fits) >= 42
    assert sum(within(fit.gamma_ci, 50) for fit in fits) >= 42


def test_the_intervals_hold_where_noise_grows_with_throughput() -> None:
    chance = np.random.default_rng(4)
    loads = np.repeat(LOADS, 2)
    truth = law(loads, 0.02, 1e-4, 50)
    fits = [fit_usl(loads, truth * chance.normal(1, 0.05, loads.size)) for _ in range(50)]
    assert sum(within(fit.sigma_ci, 0.02) for fit in fits) >= 42
    assert sum(within(fit.kappa_ci, 1e-4) for fit in fits) >= 42


def test_the_interval_holds_the_estimate() -> None:
    chance = np.random.default_rng(5)
    for _ in range(20):
        fit: UslFit = fit_usl(LOADS, law(LOADS, 0.02, 1e-4, 9) * chance.normal(1, 0.1, LOADS.size))
        assert within(fit.sigma_ci, fit.sigma)
        assert within(fit.kappa_ci, fit.kappa)
        assert within(fit.gamma_ci, fit.gamma)


@pytest.mark.parametrize(
    ("loads", "throughput", "words"),
    [
        ([1, 2, 4], [1, 2, 3], "3 distinct loads cannot carry a fit"),
        ([8, 8, 8, 8], [1, 2, 3, 4], "1 distinct load cannot"),
        ([1, 2, 4, 8], [1, 2, 3], "4 loads but 3 throughputs"),
        ([0, 2, 4, 8], [1, 2, 3, 4], "a load of 0 is not possible"),
        ([1, 2, 4, math.nan], [1, 2, 3, 4], "a load of nan"),
        ([1, 2, 4, 8], [1, 2, 0, 4], "a throughput of 0 cannot be fitted"),
        ([1, 2, 4, 8], [1, 2, math.inf, 4], "a throughput of inf"),
        ([], [], "0 distinct loads"),
        ([64, 128, 256, 512], [100, 40, 19, 9], "measure smaller loads"),
    ],
)
def test_data_that_carry_no_fit_are_refused_in_a_sentence(
    loads: list[float], throughput: list[float], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        fit_usl(loads, throughput)
