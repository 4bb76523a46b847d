import numpy as np
import pytest

from reports.statistics.run_variance import run_variances

NONE = np.array([1.0])


def cells(count: int, spread: float, seed: int = 1, runs: int = 2) -> list[tuple[np.ndarray, np.ndarray]]:
    random = np.random.default_rng(seed)
    return [(random.normal(size=runs) * spread, random.normal(size=runs) * spread) for _ in range(count)]


def test_single_runs_tell_nothing() -> None:
    assert run_variances([(NONE, NONE), (NONE, NONE)]) == [None, None]


def test_one_cell_has_its_own_variance() -> None:
    a, b = np.array([1.0, 1.2]), np.array([2.0, 2.1, 2.2])
    [found] = run_variances([(a, b)])
    assert found is not None
    assert found.variance == pytest.approx((a.var() * 2 + b.var() * 3) / 3)
    assert found.degrees == 3


def test_cells_that_agree_lend_each_other_their_certainty() -> None:
    found = [each for each in run_variances(cells(16, 0.1)) if each]
    assert len(found) == 16
    assert min(each.degrees for each in found) > 4
    variances = [each.variance for seed in range(6) for each in run_variances(cells(16, 0.1, seed)) if each]
    assert np.mean(variances) == pytest.approx(0.01, rel=0.3)


def test_a_cell_without_repetitions_takes_the_variance_of_the_others() -> None:
    found = run_variances([*cells(8, 0.1), (NONE, NONE)])[-1]
    assert found is not None
    assert found.variance == pytest.approx(0.01, rel=1.0)


def test_a_much_noisier_cell_keeps_most_of_its_own_variance() -> None:
    found = run_variances([*cells(12, 0.01, runs=3), *cells(4, 1.0, seed=2, runs=3)])
    quiet, noisy = found[0], found[-1]
    assert quiet is not None
    assert noisy is not None
    assert noisy.variance > 100 * quiet.variance


def test_runs_that_never_differ_have_no_variance() -> None:
    same = np.array([1.0, 1.0])
    found = run_variances([(same, same)] * 4)
    assert [each.variance for each in found if each] == [0.0] * 4
