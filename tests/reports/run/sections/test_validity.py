from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from reports.records.schema import RunStatus
from reports.run.sections.isolation import Isolation
from reports.run.sections.littles_law import LittlesLaw
from reports.run.sections.resources import PartUsage, Resources
from reports.run.sections.totals import Totals
from reports.run.sections.validity import Validity, judge, mean_cores
from reports.run.sections.waits import Waits
from tests.reports.sample_reports import normal

KEPT_APART = Isolation(200, 0, 0, 0, 0, 0, [], [])


def part(role: str, *cores: float, begin: float = 1.0, name: str = "a") -> PartUsage:
    """A part with a sample a second from `begin` on."""
    at = begin + np.arange(len(cores), dtype=np.float64)
    return PartUsage(role, name, at, np.array(cores), np.full(at.size, 1e8), 0.0, 0.0, 1e8, None)


def judged(
    *parts: PartUsage,
    totals: Totals | None = None,
    isolation: Isolation = KEPT_APART,
    status: RunStatus = "completed",
    **config: Any,
) -> Validity:
    """Validity of the sample run (two replicas, 200 users, 20 s) with these parts on two cores."""
    report = normal()
    run: Any = {
        **report.run,
        "status": status,
        "machine": {"cores": 2},
        "config": {**report.run["config"], **config},
    }
    return judge(run, totals or replace(report.totals, users=200), isolation, Resources(list(parts), []))


def codes(found: Validity) -> list[str]:
    return [warning.code for warning in found.warnings]


def test_nothing_speaks_against_a_good_run() -> None:
    assert judged(part("generator", *[0.5] * 20), part("replica", *[0.5] * 20)) == Validity(True, [])


@pytest.mark.parametrize("status", ["running", "interrupted", "failed"])
def test_a_run_that_did_not_end_is_not_valid(status: RunStatus) -> None:
    found = judged(status=status)
    assert codes(found) == ["not_completed"]
    assert not found.valid


def test_a_run_that_lost_a_replica_is_not_valid() -> None:
    report = normal()
    run: Any = {**report.run, "incidents": ["replica-1 ended before the load did."]}
    found = judge(run, replace(report.totals, users=200), KEPT_APART, Resources([], []))
    assert [warning.code for warning in found.reasons] == ["incident"]
    assert not found.valid


def test_a_test_that_somebody_stopped_on_the_page_accuses_nobody() -> None:
    report = normal()
    run: Any = {**report.run, "stopped_on_page": True}
    found = judge(run, replace(report.totals, users=200, duration_s=6.0), KEPT_APART, Resources([], []))
    assert codes(found) == ["stopped_early"]
    assert found.warnings[0].message == (
        "Somebody stopped this test on Locust's page after 6.00 s of the 20.0 s that it was to run."
    )
    assert found.valid


def test_a_run_without_operations_is_not_valid() -> None:
    found = judged(totals=Totals(0, 0, 0, 0, 1.0, 0.0, 0.0, (0.0, 0.0)))
    assert codes(found) == ["no_operations"]
    assert not found.valid


def test_sessions_that_mixed_make_a_run_invalid() -> None:
    found = judged(isolation=replace(KEPT_APART, violations=3))
    assert found.warnings[0].message.startswith("Sessions were not kept apart: 3 violations")
    assert not found.valid


def test_requests_that_mixed_make_a_run_over_http_invalid() -> None:
    found = judged(isolation=replace(KEPT_APART, sessions_checked=0, violations=3))
    assert found.warnings[0].message == "Requests were not kept apart: 3 violations of isolation."
    assert not found.valid


def test_waits_that_cannot_be_true_make_a_run_invalid() -> None:
    report = normal()
    waits = Waits(10, 1, 1, [], ["1 of 10 reported waits were longer than the whole request."])
    found = judge(report.run, report.totals, KEPT_APART, Resources([], []), waits)
    assert [reason.code for reason in found.reasons] == ["waits_wrong"]
    assert "longer than the whole request" in found.reasons[0].message
    assert not found.valid


def test_few_steps_are_only_a_warning() -> None:
    found = judged(totals=replace(normal().totals, steps=20, users=200))
    assert codes(found) == ["few_steps"]
    assert found.valid


def test_a_generator_at_its_limit_makes_a_run_invalid_and_says_what_to_do() -> None:
    found = judged(part("generator", *[0.97] * 20, name="locust 7"), deployment="url")
    assert codes(found) == ["generator_saturated"]
    assert "locust 7 kept 0.97 of a core busy" in found.warnings[0].message
    assert "PROCESSES=" in found.warnings[0].message
    assert not found.valid


def test_only_the_measured_window_counts() -> None:
    starting_and_idle = [1.0] * 3 + [0.5] * 12 + [1.0] * 5
    totals = replace(normal().totals, users=200, window_s=(3.0, 15.0))
    assert judged(part("generator", *starting_and_idle), totals=totals).warnings == []
    assert mean_cores(part("generator", *starting_and_idle), (3.0, 15.0)) == pytest.approx(0.5)


def test_samples_count_by_the_time_they_stand_for() -> None:
    uneven = replace(part("replica", 1.0, 0.0, 0.0), at_s=np.array([1.0, 3.0, 4.0]))
    assert mean_cores(uneven, (0.0, 4.0)) == pytest.approx(1 / 4)


def test_one_sample_says_nothing() -> None:
    assert mean_cores(part("generator", 1.0, 1.0), (0.5, 2.5)) is None
    assert mean_cores(part("generator"), (0.0, 20.0)) is None


def test_unknown_usage_is_left_out() -> None:
    assert mean_cores(part("replica", 0.4, float("nan"), 0.6), (0.0, 3.0)) == pytest.approx(0.5)


def test_a_machine_that_generator_and_server_fill_is_told_but_valid() -> None:
    parts = [part(role, *[0.65] * 20) for role in ("generator", "nginx", "replica")]
    found = judged(*parts)
    assert codes(found) == ["machine_saturated"]
    assert found.valid
    assert judged(*parts, deployment="url").warnings == []


def test_a_batch_is_short_and_brief_by_nature() -> None:
    totals = replace(
        normal().totals,
        users=200,
        batch_users=200,
        batch_succeeded=200,
        ramp_included=True,
        duration_s=3.0,
        window_s=(0.0, 3.0),
    )
    assert judged(totals=totals, duration_s=20.0, users=200).warnings == []


def test_a_run_whose_users_end_in_their_pause_after_an_error_is_not_called_shorter() -> None:
    totals = replace(normal().totals, users=200, failures=4, duration_s=2.01)
    assert judged(totals=totals, duration_s=3.0).warnings == []
    assert codes(judged(totals=replace(totals, failures=0), duration_s=3.0)) == ["shorter_than_planned"]
    assert codes(judged(totals=totals, duration_s=10.0)) == ["shorter_than_planned"]


def test_think_time_is_no_reason_to_call_a_run_shorter_and_named_where_it_varies() -> None:
    totals = replace(normal().totals, users=200, duration_s=11.0)
    assert judged(totals=totals, duration_s=20.0, think_time="6").warnings == []
    (warning,) = judged(totals=totals, duration_s=20.0, think_time="exponential:6").warnings
    assert warning.message == (
        "Operations are recorded for only 11.0 s of the 20.0 s that the run was to last: users were in "
        "their think time (exponential:6), the server stopped answering, the load ended early, or records "
        "were lost."
    )


def test_users_in_a_pause_as_long_as_the_last_fifth_are_not_called_gone() -> None:
    totals = replace(normal().totals, users=200, left_early=3, duration_s=20.0)
    assert codes(judged(totals=totals, think_time="3")) == ["users_left"]
    assert judged(totals=totals, think_time="5").warnings == []
    (warning,) = judged(totals=totals, think_time="uniform:1:9").warnings
    assert (
        "last fifth of the run: users were in their think time (uniform:1:9), the server" in warning.message
    )


def test_users_of_a_batch_that_never_began_are_told() -> None:
    totals = replace(normal().totals, users=150, batch_users=200, batch_succeeded=150, ramp_included=True)
    (warning,) = judged(totals=totals, users=200).warnings
    assert warning.code == "users_missing"
    assert warning.message.startswith("Only 150 of 200 users of the batch began")


def test_other_programs_on_the_machine_are_a_reason_for_care() -> None:
    busy = [part("replica", *[0.5] * 20), part("others", *[0.6] * 20)]
    found = judged(*busy)
    assert (codes(found), found.valid) == (["machine_shared"], True)
    assert "Other programs kept 0.6 of this machine's 2 cores busy" in found.warnings[0].message
    assert codes(judged(part("others", *[0.1] * 20))) == []


def test_a_server_on_this_machine_that_was_given_by_its_url_is_not_another_program() -> None:
    others = part("others", *[1.5] * 20)
    assert codes(judged(others, deployment="url", url="http://127.0.0.1:8000")) == []
    assert codes(judged(others, deployment="url", url="http://10.1.2.3:8000")) == ["machine_shared"]


def test_users_that_were_shut_out_are_told_of_a_sustained_run_only() -> None:
    totals = replace(normal().totals, users=200, users_shut_out=30)
    found = judged(totals=totals)
    assert codes(found) == ["users_shut_out"]
    assert found.valid
    assert found.warnings[0].message == (
        "30 of 200 users completed no step and met failures: latencies and throughput are those of the "
        "others."
    )
    assert codes(judged(totals=replace(totals, batch_users=200))) == []


def test_generators_of_other_machines_do_not_fill_this_one() -> None:
    machine = {"cores": 2, "hostname": "here"}
    found = [part("replica", *[0.9] * 20), part("generator", *[0.8] * 20, name="here:1")]
    away = [part("generator", *[0.8] * 20, name=f"away:{pid}") for pid in range(4)]
    report = normal()

    def said(parts: list[PartUsage]) -> list[str]:
        run: Any = {
            **report.run,
            "machine": machine,
            "config": {**report.run["config"], "deployment": "local"},
        }
        return codes(judge(run, replace(report.totals, users=200), KEPT_APART, Resources(parts, [])))

    assert said(found[:1] + away) == []
    assert said([*found, part("nginx", *[0.3] * 20)]) == ["machine_saturated"]


def test_lag_that_explains_the_latency_makes_a_run_doubtful_but_not_invalid() -> None:
    report = normal()
    totals, nothing = replace(report.totals, users=200), Resources([], [])
    assert report.lag
    assert judge(report.run, totals, KEPT_APART, nothing, lag=report.lag).warnings == []
    late = replace(report.lag, explained="the latency: it was late")
    found = judge(report.run, totals, KEPT_APART, nothing, lag=late)
    assert [doubt.code for doubt in found.doubts] == ["generator_late"]
    assert found.valid
    assert found.warnings[0].message == (
        "The generator's own lag explains the latency: it was late. Give it more processes (PROCESSES=…), "
        "less to do between steps, or a quiet machine."
    )


def test_users_whose_time_is_not_accounted_for_make_a_run_doubtful() -> None:
    report = normal()
    totals, nothing = replace(report.totals, users=200), Resources([], [])
    assert judge(report.run, totals, KEPT_APART, nothing, law=report.law).warnings == []
    assert isinstance(report.law, LittlesLaw)
    law = replace(report.law, doubt="Rows were lost.")
    found = judge(report.run, totals, KEPT_APART, nothing, law=law)
    assert [(doubt.code, doubt.message) for doubt in found.doubts] == [("littles_law", "Rows were lost.")]
    assert found.valid


def test_what_is_known_of_generators_is_said() -> None:
    report = normal()
    lost: dict[str, Any] = {"heard_at": None, "users": 0, "counted": {}, "recorded": {}, "last_row_at": None}
    off = {"offset_s": 1.0, "round_trip_s": 0.001}
    run: Any = {
        **report.run,
        "generators": [{"name": "a:1", "clock": off}, {"name": "a:2", "lost": lost}],
        "counted": {"step": 1},
    }
    totals = replace(report.totals, users=200, by_op={"step": 2})
    found = judge(run, totals, KEPT_APART, Resources([], []))
    assert codes(found) == ["generator_lost", "clocks_differ", "counts_differ"]
