import numpy as np
import pytest
from scipy import stats

from reports.statistics.change_points import LEAST_VALUES, change_points, segment_tests
from reports.statistics.run_variance import run_variances
from reports.statistics.significance import two_sided_p

SEEDS = 400
MOST_ALARMS = int(stats.binom.ppf(0.99, SEEDS, 0.05))
"""So many of SEEDS results may show a shift that is none, where each does with probability 5 %."""


def places(*series: np.ndarray) -> list[list[int]]:
    return [[point.at for point in points] for points in change_points(series, 0.01)]


def test_a_place_is_judged_as_a_comparison_judges_the_runs_on_either_side() -> None:
    values = np.random.default_rng(1).normal(size=9)
    made = segment_tests(values)
    assert made.at.tolist() == [3, 4, 5, 6, 3, 4, 5, 6]
    for number, (at, p) in enumerate(zip(made.at, made.p, strict=True)):
        reach = values.size if number < 4 else LEAST_VALUES
        before, after = values[max(at - reach, 0) : at], values[at : at + reach]
        [variance] = run_variances([(before, after)])
        assert variance is not None
        error = np.sqrt(variance.variance * (1 / before.size + 1 / after.size))
        assert p == pytest.approx(two_sided_p(after.mean() - before.mean(), error, variance.degrees))


@pytest.mark.parametrize("runs", [0, 1, 5])
def test_too_few_values_show_nothing(runs: int) -> None:
    assert places(np.arange(float(runs))) == [[]]


def test_a_shift_is_found_where_it_is() -> None:
    random = np.random.default_rng(2)
    steady = random.normal(0, 0.03, 20)
    shifted = random.normal(0, 0.03, 20) + np.where(np.arange(20) >= 13, -0.2, 0.0)
    assert places(steady, shifted) == [[], [13]]


def test_several_shifts_are_found_in_order() -> None:
    levels = np.repeat([0.0, 0.3, -0.1], [6, 5, 7])
    assert places(levels + np.random.default_rng(3).normal(0, 0.02, 18)) == [[6, 11]]


def test_a_shift_that_was_undone_is_two_shifts() -> None:
    levels = np.repeat([0.0, -0.2, 0.0], 10)
    assert places(levels + np.random.default_rng(8).normal(0, 0.02, 30)) == [[10, 20]]


def test_one_odd_value_is_no_shift() -> None:
    values = np.random.default_rng(4).normal(0, 0.02, 20)
    values[11] = 1.5
    assert places(values) == [[]]


def test_values_without_any_variation_are_judged_too() -> None:
    assert places(np.zeros(8), np.repeat([0.0, 0.5], 4), np.repeat([0.0, 0.001], 4)) == [[], [4], []]


@pytest.mark.parametrize("law", ["normal", "heavy tails"])
@pytest.mark.parametrize(("series", "runs"), [(3, 20), (30, 8)])
def test_what_does_not_shift_shows_a_shift_no_more_often_than_stated(
    law: str, series: int, runs: int
) -> None:
    random = np.random.default_rng(5)
    alarms = 0
    for _ in range(SEEDS):
        values = (
            random.normal(size=(series, runs)) if law == "normal" else random.standard_t(4, (series, runs))
        )
        alarms += any(places(*(0.05 * values)))
    assert alarms <= MOST_ALARMS, alarms


def test_beside_a_true_shift_no_second_one_is_seen_more_often_than_stated() -> None:
    random = np.random.default_rng(6)
    shift = np.where(np.arange(24) >= 12, 1.0, 0.0)
    found = [places(shift + random.normal(0, 0.05, 24))[0] for _ in range(SEEDS)]
    assert sum(points != [12] for points in found) <= MOST_ALARMS


def test_beside_a_shift_that_was_undone_no_third_one_is_seen_more_often_than_stated() -> None:
    random = np.random.default_rng(9)
    levels = np.repeat([0.0, -0.5, 0.0], 8)
    found = [places(levels + random.normal(0, 0.05, 24))[0] for _ in range(SEEDS)]
    assert sum(points != [8, 16] for points in found) <= MOST_ALARMS


def test_a_shift_of_three_times_what_runs_differ_by_is_mostly_found() -> None:
    random = np.random.default_rng(7)
    shift = np.where(np.arange(30) >= 20, -0.15, 0.0)
    found = [places(*(each + random.normal(0, 0.05, 30) for each in (shift, 0, 0)))[0] for _ in range(50)]
    assert sum(bool(points) for points in found) >= 48
