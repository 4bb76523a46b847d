from typing import Any

import numpy as np
import pytest

from benchmarks.synthetic_run import SyntheticRun, run_json
from reports.records.schema import RunJson
from reports.records.steps import user_spans
from reports.run.sections import latency as latency_section
from reports.run.sections.arrivals import Arrivals, arrival_window, rate_not_reached, summarize
from tests.reports.operations import START, Row, connect, reset, step, steps


def run(of: str = "steps", **changes: Any) -> RunJson:
    made: Any = run_json("a-run", SyntheticRun(), 1_760_000_020.0) | changes
    made["config"] |= {"arrivals": "constant:10", "arrivals_of": of, "users": 4}
    found: RunJson = made
    return found


def arrivals(rows: list[Row], made: RunJson) -> Arrivals:
    loaded = steps(rows)
    spans = user_spans(loaded)
    window_s = arrival_window(loaded, spans, made["config"]["arrivals_of"], 0.0)
    found = summarize(made, loaded, spans, latency_section.summarize(loaded), window_s)
    assert found is not None
    return found


def late(at: float, by: float, took: float, user: int = 0) -> Row:
    """A step that was due at a time and sent later."""
    return step(at + by, intended_at=START + at, latency_s=took, user=user)


def test_rates_are_of_what_was_due_and_of_what_was_begun() -> None:
    rows = [late(at, 0.0, 0.05) for at in np.arange(0, 10, 0.1)]
    found = arrivals(rows, run())
    assert (found.due, found.begun, found.late) == (100, 100, None)
    assert found.longest_wait_s == pytest.approx(0)
    assert found.rate_due == pytest.approx(10, rel=0.02)
    assert found.rate_begun == pytest.approx(10, rel=0.02)
    assert rate_not_reached(found) is None
    assert "10.1 steps/s were begun of 10.1 steps/s that were due" in found.takeaways[0]
    assert "hardly any waited" in found.takeaways[1]


def test_what_waited_for_a_user_is_in_the_latency_and_the_sentence_says_what_timing_from_sending_hides() -> (
    None
):
    rows = [late(at, 0.1 * n, 0.05) for n, at in enumerate(np.arange(0, 5, 0.1))]
    told = {"due": 60, "begun": 50, "late": 49, "longest_wait_s": 4.9}
    found = arrivals(rows, run(arrivals=told))
    assert (found.due, found.begun, found.unbegun, found.late) == (60, 50, 10, 49)
    assert found.rate_begun == pytest.approx(found.rate_due / 2, rel=0.1)
    said = rate_not_reached(found)
    assert said is not None
    assert "all 4 users were in flight, 49 steps of 60 found none free when due" in said
    assert "10 still waited at the end" in said
    assert "up to 4.90 s" in said
    assert said.startswith("The rate was not reached")
    assert "hides 4.85 s, 99 % of the wait (coordinated omission)" in found.takeaways[1]
    assert found.takeaways[1].endswith("and 2.45 s at the median.")
    assert (found.due_per_s[0], found.begun_per_s[0]) == pytest.approx((10, 5), abs=1)
    assert (found.due_per_s[7], found.begun_per_s[7]) == pytest.approx((0, 5), abs=1)


def test_many_that_nobody_was_free_to_begin_missed_the_rate_although_none_was_late() -> None:
    rows = [late(at, 0.0, 0.05) for at in np.arange(0, 5, 0.1)]
    said = rate_not_reached(
        arrivals(rows, run(arrivals={"due": 100, "begun": 50, "late": 0, "longest_wait_s": 0.0}))
    )
    assert said is not None
    assert said.startswith("The rate was not reached: all 4 users were in flight, 50 steps of 100 found none")


@pytest.mark.parametrize(("by", "took"), [(0.005, 0.1), (0.0005, 0.001)])
def test_a_wait_that_is_small_by_itself_or_beside_the_latency_hides_hardly_anything(
    by: float, took: float
) -> None:
    found = arrivals([late(at, by, took) for at in np.arange(0, 5, 0.1)], run())
    assert "hardly any waited" in found.takeaways[1]


@pytest.mark.parametrize(("transport", "op"), [("ws", "connect"), ("http", "reset")])
def test_what_a_session_waited_is_told_of_the_operation_that_it_begins_with(transport: str, op: str) -> None:
    rows = []
    for user in range(20):
        at = {"intended_at": START + 0.1 * user, "user": user, "transport": transport}
        rows.append((connect if op == "connect" else reset)(0.1 * user + 1, **at))
        rows.append(step(0.1 * user + 2, user=user, transport=transport))
    found = arrivals(rows, run("sessions"))
    assert f"99 % of {op}s took at most 1.10 s" in found.takeaways[1]
    assert "hides 1.00 s" in found.takeaways[1]


def test_what_was_in_flight_when_the_load_ended_had_not_waited_for_a_user() -> None:
    rows = [late(at, 0.0, 0.05) for at in np.arange(0, 5, 0.1)]
    found = arrivals(rows, run(arrivals={"due": 53, "begun": 53, "late": 0, "longest_wait_s": 0.0}))
    assert (found.due, found.begun, found.unbegun) == (53, 53, 0)
    assert rate_not_reached(found) is None


def test_a_few_that_found_no_user_free_missed_the_rate_at_times_only() -> None:
    rows = [late(at, 0.0, 0.05) for at in np.arange(0, 50, 0.1)]
    told = {"due": 500, "begun": 500, "late": 3, "longest_wait_s": 0.1}
    said = rate_not_reached(arrivals(rows, run(arrivals=told)))
    assert said is not None
    assert said.startswith("At times the rate was not reached: all 4 users were in flight, 3 steps of 500")


def test_in_flight_counts_what_is_due_and_not_done() -> None:
    rows = [late(0.0, 0.0, 10.0, user) for user in range(3)] + [late(9.0, 0.0, 1.0, 3)]
    found = arrivals(rows, run())
    assert found.in_flight[:8] == pytest.approx(3)
    assert found.in_flight[9] == pytest.approx(4)
    assert found.takeaways[0].endswith("4 arrived in all, at most 4 at once.")


def test_sessions_are_in_flight_for_their_whole_stay_and_measured_when_the_first_have_left() -> None:
    rows = []
    for user in range(20):
        at = user * 0.5
        rows += [
            connect(at, intended_at=START + at, latency_s=0.01, user=user),
            reset(at + 0.1, latency_s=0.01, user=user),
            step(at + 2.0, latency_s=1.0, user=user),
        ]
    loaded = steps(sorted(rows, key=lambda row: row["started_at"]))
    begin, end = arrival_window(loaded, user_spans(loaded), "sessions", 0.0)
    assert (begin, end) == pytest.approx((3.0, 9.5))
    found = arrivals(sorted(rows, key=lambda row: row["started_at"]), run("sessions"))
    assert found.in_flight[6] == pytest.approx(6)


def test_half_of_the_run_is_measured_where_sessions_stay_longer_and_less_after_a_warm_up() -> None:
    rows = []
    for user in range(11):
        intended = {"intended_at": START + user}
        rows += [connect(user, user=user, **intended), step(user + 9, latency_s=1.0, user=user)]
    loaded = steps(rows)
    spans = user_spans(loaded)
    assert arrival_window(loaded, spans, "sessions", 0.0) == pytest.approx((5, 10))
    assert arrival_window(loaded, spans, "sessions", 2.0) == pytest.approx((7, 10))
    assert arrival_window(loaded, spans, "steps", 2.0) == pytest.approx((2, 10))
    assert arrival_window(loaded, spans, "steps", 99.0) == pytest.approx((10, 10))


def test_a_closed_run_has_no_arrivals() -> None:
    made = run_json("a-run", SyntheticRun(), 1_760_000_020.0)
    loaded = steps([step(0.0), step(1.0)])
    assert summarize(made, loaded, user_spans(loaded), latency_section.summarize(loaded), (0.0, 1.0)) is None


def test_steps_of_a_trace_that_waited_for_their_own_session_are_no_lack_of_users() -> None:
    rows = [late(at, 0.0, 0.05) for at in np.arange(0, 5, 0.1)]
    told = {"due": 57, "begun": 50, "late": 0, "longest_wait_s": 0.0, "held_up": 7}
    found = arrivals(rows, run(arrivals=told))
    assert (found.due, found.unbegun, found.held_up) == (57, 0, 7)
    assert rate_not_reached(found) is None
    assert "7 steps that had been due could not be sent yet" in found.takeaways[1]
    more = arrivals(rows, run(arrivals={**told, "due": 58}))
    assert "1 still waited at the end" in (rate_not_reached(more) or "")
