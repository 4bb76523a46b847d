import numpy as np
import pytest

from reports.records.schema import Slo
from reports.records.steps import user_spans
from reports.run.sections import latency, totals
from reports.run.sections.slo import SloVerdict, judge
from tests.reports.operations import Row, answers, connect, reset, session, step, steps

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


def test_a_batch_is_judged_by_the_sessions_that_were_asked_for() -> None:
    served = [row for user in (1, 2, 3) for row in session(f"s{user}", [1], user=user)]
    rows = [*served, connect(0, user=4, error="refused")]
    loaded = steps(rows)
    counted = totals.summarize(loaded, answers(rows), user_spans(loaded), batch_users=5)
    found = judge(DEFAULT, counted, latency.summarize(loaded), 0.0)
    assert (
        found.criteria[0].sentence == "60 % of 5 sessions connected, reset and stepped; at least 95 % must."
    )
    assert not found.passed
    over_http = judge(DEFAULT, counted, latency.summarize(loaded), 0.0, "http")
    assert over_http.criteria[0].sentence.startswith("60 % of 5 users reset and stepped")


def test_ramp_up_and_warm_up_do_not_count_where_they_are_cut_off() -> None:
    slow_start = [connect(0, latency_s=3.0), reset(3.0), step(3.1, error="timeout", error_detail="late")]
    steady = [step(at) for at in np.arange(4, 20, 0.2)]
    loaded = steps(slow_start + steady)
    spans = user_spans(loaded)
    cut = totals.summarize(loaded, answers(slow_start + steady), spans, warmup_s=4.0)
    found = judge(DEFAULT, cut, latency.summarize(loaded, window_s=cut.window_s, ramp_cut=True), 0.0)
    assert [criterion.value for criterion in found.criteria] == pytest.approx([1.0, 0.1])
    assert all("ramp-up and warm-up not counted" in criterion.sentence for criterion in found.criteria)
    whole = totals.summarize(loaded, answers(slow_start + steady), spans)
    assert not judge(DEFAULT, whole, latency.summarize(loaded), 0.0).passed


def test_nothing_but_failures_after_the_warm_up_does_not_pass() -> None:
    rows = [connect(0), reset(0.1), step(0.2), *(step(at, error="timeout") for at in np.arange(4, 20, 0.2))]
    loaded = steps(rows)
    cut = totals.summarize(loaded, answers(rows), user_spans(loaded), warmup_s=2.0)
    found = judge(DEFAULT, cut, latency.summarize(loaded, window_s=cut.window_s, ramp_cut=True), 0.0)
    assert [criterion.passed for criterion in found.criteria] == [False, False]


def test_users_that_were_shut_out_fail_a_run_in_which_nearly_all_operations_succeeded() -> None:
    served = [row | {"user": 0} for row in (connect(0), *(step(1 + n / 100) for n in range(3000)))]
    rows = [*served, *(reset(5, user=user, error="capacity") for user in range(1, 16))]
    found = verdict(rows)
    assert not found.passed
    assert found.criteria[0].value == pytest.approx(1 / 16)
    assert found.criteria[0].sentence == (
        "15 of 16 users completed no step and met failures (99.5 % of 3,016 operations succeeded); "
        "at least 95 % must be served."
    )


def test_users_that_are_still_waiting_are_not_shut_out() -> None:
    rows = [step(0, user=0), connect(0, user=1), reset(0.1, user=1)]
    assert verdict(rows).criteria[0].value == 1.0


def test_a_bound_that_nobody_set_and_no_wait_explains_says_so() -> None:
    without_wait, with_wait = (verdict([step(0)], wait_p99_s=wait_s).criteria[1] for wait_s in (0.0, 0.5))
    why = "which is the bound where no step asks for a wait and SLO_P99=… sets no other"
    assert without_wait.sentence.endswith(f"must be less than 1.00 s, {why}.")
    assert with_wait.sentence.endswith("must be less than 2.00 s.")
