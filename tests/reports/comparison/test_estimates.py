import math

import numpy as np
import pytest

from reports.comparison.estimates import Layout, percentile_of_independent, successes
from tests.reports.comparison.simulated import Load, estimates, simulate

LOAD = Load(users=20, seconds=30, median_s=0.1)


def test_percentiles_and_throughput_are_those_of_the_steps_in_the_window() -> None:
    steps = simulate(LOAD, np.random.default_rng(1))
    ended_s = steps.started_s + steps.latency_s
    inside = steps.latency_s[(ended_s >= 5) & (ended_s <= 25)]
    found = estimates(steps, (5, 25))
    assert found["throughput"].value == pytest.approx(inside.size / 20)
    values = [found["p50"].value, found["p95"].value, found["p99"].value]
    assert values == pytest.approx(np.quantile(inside, [0.5, 0.95, 0.99]))


def test_a_short_run_has_figures_but_no_errors() -> None:
    steps = simulate(LOAD, np.random.default_rng(1))
    found = estimates(steps, (5, 5.5))
    assert found["p50"].value > 0
    assert math.isnan(found["p50"].below)
    assert "run longer" in (found["p50"].doubt or "")


def test_a_window_without_steps_has_no_figures() -> None:
    found = estimates(simulate(LOAD, np.random.default_rng(1)), (100, 110))
    assert all(math.isnan(each.value) and each.doubt for each in found.values())


def test_percentiles_of_independent_values_cover_the_truth() -> None:
    random = np.random.default_rng(5)
    covered = 0
    for _ in range(300):
        estimate = percentile_of_independent(np.sort(np.exp(random.normal(size=400))), 0.95)
        truth, value = 1.6448536, math.log(estimate.value)
        covered += value - 1.96 * estimate.below <= truth <= value + 1.96 * estimate.above
    assert 0.92 <= covered / 300 <= 0.99


def test_a_percentile_beyond_what_few_values_can_bound_is_in_doubt() -> None:
    values = np.sort(np.exp(np.random.default_rng(6).normal(size=40)))
    assert percentile_of_independent(values, 0.5).doubt is None
    assert "99th percentile" in (percentile_of_independent(values, 0.99).doubt or "")
    assert "fewer than 10" in (percentile_of_independent(values[:9], 0.5).doubt or "")


def test_failures_in_one_burst_count_for_less_than_scattered_ones() -> None:
    random = np.random.default_rng(7)
    at_s, user = np.sort(random.random(5000) * 60), random.integers(50, size=5000).astype(np.int32)
    layout = Layout.of(at_s, user, 50, (0, 60))
    scattered = successes(random.random(5000) > 0.05, layout)
    burst = successes((at_s < 20) | (at_s > 23), layout)
    assert scattered.design_effect < 3
    assert burst.design_effect > 20


def test_success_without_failures_has_no_design_effect() -> None:
    layout = Layout.of(np.linspace(0, 60, 1000), np.zeros(1000, dtype=np.int32), 1, (0, 60))
    assert successes(np.ones(1000, dtype=np.bool_), layout).design_effect == 1
