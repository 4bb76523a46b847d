import numpy as np

from reports.statistics.dependence import BINS, LEAST_BLOCKS, spread_of_sum

EVERY = float(BINS)


def independent(seed: int, users: int = 40) -> tuple[np.ndarray, np.ndarray, float]:
    """Scores of 12,000 independent steps, by bin and by user, and the sum of their squares."""
    random = np.random.default_rng(seed)
    score = random.normal(size=12_000)
    bins, user = random.integers(BINS, size=score.size), random.integers(users, size=score.size)
    return (
        np.bincount(bins, score, minlength=BINS),
        np.bincount(user, score, minlength=users),
        float(score @ score),
    )


def test_the_error_of_independent_scores_is_about_that_of_their_sum() -> None:
    errors = [spread_of_sum(*independent(seed), EVERY).error for seed in range(30)]
    assert 1 < np.median(errors) / np.sqrt(12_000) < 1.5


def test_drift_in_time_widens_it() -> None:
    by_bin, by_user, own = independent(1)
    wave = 200 * np.sin(np.arange(BINS) / 40)
    assert (
        spread_of_sum(by_bin + wave, by_user, own, EVERY).error
        > 5 * spread_of_sum(by_bin, by_user, own, EVERY).error
    )


def test_users_that_differ_widen_it() -> None:
    by_bin, by_user, own = independent(1)
    apart = by_user + 300 * np.random.default_rng(2).normal(size=by_user.size)
    assert spread_of_sum(by_bin, apart, own, EVERY).error > 1500


def test_drift_slower_than_the_run_is_said_and_taken_for_the_worst() -> None:
    random = np.random.default_rng(3)
    walk = np.cumsum(random.normal(size=BINS)) * 50
    spread = spread_of_sum(walk - walk.mean(), np.zeros(40), 0.0, EVERY)
    assert spread.drifts
    assert spread.degrees == 2


def test_scores_that_never_vary_have_no_error() -> None:
    spread = spread_of_sum(np.zeros(BINS), np.zeros(10), 0.0, EVERY)
    assert spread.error == 0
    assert spread.doubt is None


def test_too_few_blocks_or_users_have_no_error_but_a_reason() -> None:
    short = spread_of_sum(np.ones(BINS), np.ones(10), 0.0, LEAST_BLOCKS - 1)
    lonely = spread_of_sum(np.ones(BINS), np.ones(1), 0.0, EVERY)
    assert "run longer" in (short.doubt or "")
    assert "more users" in (lonely.doubt or "")
