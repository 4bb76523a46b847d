"""How often a comparison reports a difference where there is none, and where there is one."""

import numpy as np
import pytest
from scipy import stats

from reports.comparison.estimates import Estimate, Metric, Successes
from reports.comparison.measurement import Measurement
from reports.comparison.pairs import Pair
from reports.comparison.rows import rows_of
from tests.reports.comparison.simulated import Load, differ, estimates, run_json, simulate, simulate_runs

SEEDS = 360
LOADS = {
    "sessions": (Load(session_spread=0.3), 0.05),
    "drift": (Load(drift=0.12, correlation=0.8), 0.05),
    "sessions_and_drift": (Load(session_spread=0.15, drift=0.12, correlation=0.7), 0.05),
    "slow_drift": (Load(drift=0.12, correlation=0.95), 0.1),
}
"""Loads, and how often halves of a run may differ: a drift as long as a half is only seen in part."""
RUN = run_json("run", Load())
METRICS: tuple[Metric, ...] = ("throughput", "p50", "p95", "p99")
SIGNS = np.array([-1, 1, 1, 1])
"""A faster run has more throughput and less latency."""


def most_alarms(share: float = 0.05) -> int:
    """So many of SEEDS comparisons may be wrong where each is with a probability of `share`."""
    return int(stats.binom.ppf(0.99, SEEDS, share))


def test_twice_as_many_alarms_as_stated_would_be_seen() -> None:
    assert stats.binom.sf(most_alarms(), SEEDS, 0.1) > 0.9


@pytest.mark.parametrize("name", LOADS)
def test_halves_of_one_steady_run_differ_no_more_often_than_stated(name: str) -> None:
    load, share = LOADS[name]
    begin, end = 3 * load.median_s, load.seconds
    middle = (begin + end) / 2
    alarms = {"time": 0, "users": 0}
    random = np.random.default_rng(1)
    for run in simulate_runs(load, random, SEEDS):
        alarms["time"] += differ(estimates(run, (begin, middle)), estimates(run, (middle, end)))
        half = np.zeros(load.users, dtype=np.bool_)
        half[random.permutation(load.users)[: load.users // 2]] = True
        window = (begin, end)
        alarms["users"] += differ(
            estimates(run.of_users(half), window), estimates(run.of_users(~half), window)
        )
    assert max(alarms.values()) <= most_alarms(share), alarms


def test_two_runs_of_one_law_differ_no_more_often_than_stated() -> None:
    load, _ = LOADS["sessions_and_drift"]
    window = (3 * load.median_s, load.seconds)
    runs = simulate_runs(load, np.random.default_rng(2), 2 * SEEDS)
    measured = [estimates(run, window) for run in runs]
    alarms = sum(differ(a, b) for a, b in zip(measured[:SEEDS], measured[SEEDS:], strict=True))
    assert alarms <= most_alarms()


def measured(random: np.random.Generator, within: float, between: float) -> Measurement:
    """A run whose figures vary by chance within it, and all together from run to run."""
    values = np.exp(between * random.normal() * SIGNS + within * random.normal(size=4)).tolist()
    figures = {
        metric: Estimate(value, within, within, 10_000) for metric, value in zip(METRICS, values, strict=True)
    }
    success = Successes(int(random.binomial(2000, 0.99)), 2000, 1.0, 2000)
    return Measurement(RUN, figures, success, None, {}, None, [], 0, 1)


def experiment_alarms(
    cells: int, repetitions: int, within: float, between: tuple[float, ...], seed: int
) -> bool:
    random = np.random.default_rng(seed)
    pairs = [
        Pair(
            str(at),
            {},
            [measured(random, within, between[at % len(between)]) for _ in range(repetitions)],
            [measured(random, within, between[at % len(between)]) for _ in range(repetitions)],
        )
        for at in range(cells)
    ]
    rows, together = rows_of(pairs)
    verdicts = [change.verdict for row in rows for change in row.changes]
    verdicts += [change.verdict for change in together]
    successes = [row.success.verdict for row in rows]
    return {*verdicts, *successes} != {"no difference shown"}


@pytest.mark.parametrize(
    ("cells", "repetitions", "within", "between"),
    [
        (6, 1, 0.02, (0.0,)),
        (1, 3, 0.01, (0.05,)),
        (6, 2, 0.01, (0.05,)),
        (6, 2, 0.02, (0.0,)),
        (3, 3, 0.01, (0.1, 0.02, 0.02)),
    ],
    ids=["single_runs", "one_cell", "repeated", "runs_alike", "some_noisier"],
)
def test_experiments_of_one_law_show_a_difference_no_more_often_than_stated(
    cells: int, repetitions: int, within: float, between: tuple[float, ...]
) -> None:
    alarms = sum(experiment_alarms(cells, repetitions, within, between, seed) for seed in range(SEEDS))
    assert alarms <= most_alarms(), alarms


def test_a_true_slowdown_is_found() -> None:
    found = 0
    for seed in range(20):
        random = np.random.default_rng(2000 + seed)
        one, other = Load(drift=0.02), Load(drift=0.02, median_s=0.3)
        found += differ(
            estimates(simulate(one, random), (1, one.seconds)),
            estimates(simulate(other, random), (1, other.seconds)),
        )
    assert found >= 18
