import math

import pytest

from reports.comparison.estimates import Estimate, Metric
from reports.comparison.sections.changes import change_of, judged
from reports.statistics.run_variance import RunVariance


def estimate(value: float, error: float = 0.01, doubt: str | None = None) -> Estimate:
    return Estimate(value, error, error, 20, doubt=doubt)


def test_a_change_is_relative_to_a_and_its_interval_holds_it() -> None:
    change = change_of("p50", [estimate(0.1)], [estimate(0.12)], None)
    assert change.change == pytest.approx(0.2)
    assert change.low is not None
    assert change.high is not None
    assert 0.15 < change.low < 0.2 < change.high < 0.25
    assert change.p < 0.001


@pytest.mark.parametrize(
    ("metric", "a", "b", "verdict"),
    [
        ("throughput", 100, 120, "faster"),
        ("throughput", 120, 100, "slower"),
        ("p99", 0.1, 0.2, "slower"),
        ("p99", 0.2, 0.1, "faster"),
    ],
)
def test_more_throughput_is_faster_and_more_latency_is_slower(
    metric: Metric, a: float, b: float, verdict: str
) -> None:
    change = change_of(metric, [estimate(a)], [estimate(b)], None)
    assert judged(change, change.p).verdict == verdict


def test_a_change_below_one_per_cent_is_never_called() -> None:
    change = change_of("p50", [estimate(0.1, 1e-6)], [estimate(0.1009, 1e-6)], None)
    assert change.p < 1e-6
    assert judged(change, change.p).verdict == "no difference shown"


def test_the_same_figure_is_no_change_at_all() -> None:
    change = change_of("p50", [estimate(0.1)], [estimate(0.1)], None)
    assert change.change == 0
    assert change.p == 1


def test_a_figure_in_doubt_has_no_interval_but_a_reason() -> None:
    change = change_of("p50", [estimate(0.1)], [estimate(0.2, math.nan, "too short")], None)
    assert (change.low, change.high, change.p) == (None, None, 1.0)
    assert change.reason == "too short"
    assert judged(change, 1.0).verdict == "no difference shown"


def test_how_far_runs_differ_widens_the_interval() -> None:
    alone = change_of("p50", [estimate(0.1)] * 2, [estimate(0.12)] * 2, None)
    noisy = change_of("p50", [estimate(0.1)] * 2, [estimate(0.12)] * 2, RunVariance(0.04, 10))
    assert noisy.low is not None
    assert alone.low is not None
    assert noisy.low < 0 < alone.low
    assert noisy.p > 0.05 > alone.p


def test_repeated_runs_stand_in_where_one_run_is_in_doubt() -> None:
    doubtful = [estimate(0.1, math.nan, "too short")] * 3
    change = change_of("p50", doubtful, [estimate(0.2)] * 3, RunVariance(0.0001, 8))
    assert change.p < 0.001


def test_a_side_without_the_figure_has_no_change() -> None:
    change = change_of("p50", [estimate(0.1)], [estimate(math.nan, math.nan, "no step succeeded")], None)
    assert change.change is None
    assert change.reason == "no step succeeded"
