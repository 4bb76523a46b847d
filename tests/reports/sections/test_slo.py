import pytest

from reports.schema import Slo
from reports.sections import latency, totals
from reports.sections.slo import SloVerdict, judge
from reports.steps import user_spans
from tests.reports.operations import Row, answers, connect, step, steps

DEFAULT: Slo = {"success_rate": 0.95, "total_p99_s": None}


def verdict(rows: list[Row], slo: Slo = DEFAULT, wait_p99_s: float = 0.0) -> SloVerdict:
    loaded = steps(rows)
    counted = totals.summarize(loaded, answers(rows), user_spans(loaded))
    return judge(slo, counted, latency.summarize(loaded), wait_p99_s)


def test_a_good_run_passes() -> None:
    found = verdict([step(0, latency_s=0.2)])
    assert found.passed
    assert [criterion.name for criterion in found.criteria] == ["success_rate", "total_p99_s"]


@pytest.mark.parametrize(("latency_s", "passed"), [(1.99, True), (2.0, False)])
def test_the_bound_on_total_time_is_twice_the_wait_and_half_a_second(latency_s: float, passed: bool) -> None:
    found = verdict([step(0, latency_s=latency_s)], wait_p99_s=0.5)
    assert found.criteria[1].limit == 2.0
    assert found.passed is passed


def test_a_bound_of_the_users_own() -> None:
    found = verdict([step(0, latency_s=0.2)], {"success_rate": 0.5, "total_p99_s": 0.15})
    assert not found.passed
    assert found.criteria[1].sentence.startswith("99 % of the steps took at most 200 ms")


@pytest.mark.parametrize(("failed", "passed"), [(1, True), (2, False)])
def test_95_percent_must_succeed(failed: int, passed: bool) -> None:
    rows = [step(at) for at in range(20 - failed)] + [step(30 + at, error="timeout") for at in range(failed)]
    assert verdict(rows).passed is passed


def test_a_run_without_a_successful_step_fails() -> None:
    found = verdict([connect(at) for at in range(100)])
    assert not found.passed
    assert found.criteria[1].value is None


def test_an_empty_run_fails() -> None:
    assert [criterion.passed for criterion in verdict([]).criteria] == [False, False]
